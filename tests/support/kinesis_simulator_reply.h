/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * kinesis_simulator_reply - a reply body, written once for JSON and CBOR.
 *
 *     simulator_reply_map(reply);
 *     simulator_reply_name(reply, "ShardId");
 *     simulator_reply_text(reply, id);
 *     simulator_reply_end_map(reply);
 *
 * The memory grows and belongs to the reply; room for the HTTP head is kept
 * before the body, so that both leave in one write. When memory runs out,
 * `failed` is set and nothing more is written.
 */

#include "tests/support/kinesis_simulator_scan.h"

#define SIMULATOR_REPLY_HEADROOM 512

struct simulator_reply {
    enum simulator_protocol protocol;
    uint8_t *memory;
    size_t capacity; /* of memory */
    size_t first;    /* where the reply begins: in the head room */
    size_t length;   /* end of the reply, counted from memory */
    bool comma;      /* JSON: a value precedes */
    bool failed;
};

/* Begin a new body over the old one. A zeroed reply may be begun. */
void simulator_reply_begin(struct simulator_reply *reply,
                           enum simulator_protocol protocol);

void simulator_reply_map(struct simulator_reply *reply);
void simulator_reply_end_map(struct simulator_reply *reply);
void simulator_reply_array(struct simulator_reply *reply);
void simulator_reply_end_array(struct simulator_reply *reply);
void simulator_reply_name(struct simulator_reply *reply, const char *name);
void simulator_reply_text(struct simulator_reply *reply, const char *text);
void simulator_reply_bytes_text(struct simulator_reply *reply,
                                struct bytes text);
void simulator_reply_number(struct simulator_reply *reply, uint64_t number);
void simulator_reply_bool(struct simulator_reply *reply, bool truth);
void simulator_reply_blob(struct simulator_reply *reply, struct bytes blob);

/* A time stamp: seconds with a fraction in JSON; tag 1 and ms in CBOR. */
void simulator_reply_time(struct simulator_reply *reply, int64_t epoch_ms);

/* A map member in one call. */
void simulator_reply_text_member(struct simulator_reply *reply,
                                 const char *name, const char *text);
void simulator_reply_number_member(struct simulator_reply *reply,
                                   const char *name, uint64_t number);

/* Bytes as they are: no encoding, no comma. */
void simulator_reply_raw(struct simulator_reply *reply, struct bytes raw);

/* Put `head` before the body; it must fit into the head room. */
void simulator_reply_put_head(struct simulator_reply *reply, struct bytes head);

/* The body written so far. */
struct bytes simulator_reply_body(const struct simulator_reply *reply);

/* Forget all but a small piece of memory; deinit frees all of it. */
void simulator_reply_shrink(struct simulator_reply *reply);
void simulator_reply_deinit(struct simulator_reply *reply);
