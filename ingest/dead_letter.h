/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * dead_letter - refused messages on their way to where somebody can look at
 * them; pure but for its own memory.
 *
 *                    box: oldest first
 *   refused ──put──► | letter | letter | letter |  ──► file, or nsqd's PUB
 *                        |                               |
 *      FIN ◄──take───────┘ ◄───── on the disk, or OK ────┘
 *
 * A letter is held as the bytes that are written for it, a line of JSON or a
 * PUB command, together with what is needed to FIN its message once those bytes
 * are safe. Until then nothing is FINed. A full box refuses further letters,
 * which then stay where they are, in their queue or connection, so that the
 * pressure goes back to nsqd.
 *
 * The line, here in several:
 *
 *     {"message_id":"0d2f4a6b8c0e1f01","nsqd":"10.0.0.1:4150",
 *      "topic":"orders","channel":"kinesis","attempts":1,
 *      "timestamp_ns":1700000000000000000,
 *      "reason":"too large for the stream","partition_key":"user-1",
 *      "body_base64":"aGVsbG8="}
 *
 * partition_key is left out if there is none. The body of a PUB is the body of
 * the message, unchanged.
 *
 * Memory    at most DEAD_LETTERS_BYTES_MOST, or one letter that is larger; it
 *           is given back when the box is empty.
 */

#include "ingest/byte_store.h"
#include "ingest/nsq_protocol.h"

#define DEAD_LETTERS_MOST       256
#define DEAD_LETTERS_BYTES_MOST ((size_t)1024 * 1024)

enum dead_letter_condition {
    DEAD_LETTERS_FULL = 1, /* put it again when one was taken */
};

/* The message of a letter: what it is, and who can FIN it. */
struct dead_letter {
    struct nsq_message_id id;
    int64_t timestamp_ns;
    uint64_t checksum;    /* as its record has, or would have */
    uint32_t incarnation; /* of the connection that brought it last */
    uint16_t source;      /* row of the source table */
    uint16_t attempts;    /* deliveries by nsqd */
    size_t length;        /* of its bytes in the box */
};

/* What is written about it. */
struct dead_letter_content {
    const char *nsqd;
    const char *topic;
    const char *channel;
    const char *reason;
    struct bytes key; /* UTF-8; empty: none */
    struct bytes body;
};

struct dead_letter_box {
    struct dead_letter letters[DEAD_LETTERS_MOST]; /* a ring */
    size_t first;
    size_t count;
    struct byte_store bytes; /* of all letters, oldest first */
};

void dead_letter_box_init(struct dead_letter_box *box);
void dead_letter_box_deinit(struct dead_letter_box *box);

/*
 * Put a letter into the box, as a line or as a PUB to `topic`. letter->length
 * is filled in. Returns 0 or DEAD_LETTERS_FULL, also for lack of memory.
 */
int dead_letter_put_line(struct dead_letter_box *box,
                         const struct dead_letter *letter,
                         const struct dead_letter_content *content);
int dead_letter_put_publish(struct dead_letter_box *box,
                            const struct dead_letter *letter, const char *topic,
                            struct bytes body);

/* The letter number `index`, from 0, the oldest, to box->count - 1. */
struct dead_letter *dead_letter_at(struct dead_letter_box *box, size_t index);

/* The letter of the same message, or NULL; the incarnation does not count. */
struct dead_letter *dead_letter_find(struct dead_letter_box *box,
                                     const struct dead_letter *message);

/* The bytes of all letters, but for the `skipped` first of them. */
static inline struct bytes dead_letter_bytes(const struct dead_letter_box *box,
                                             size_t skipped)
{
    return bytes_skip(byte_store_view(&box->bytes), skipped);
}

/* The oldest letter is safe: take it and its bytes out of the box. */
void dead_letter_take(struct dead_letter_box *box, struct dead_letter *letter);
