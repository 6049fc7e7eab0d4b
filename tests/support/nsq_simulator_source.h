/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * nsq_simulator_source - message number n: its id, its key and its body.
 *
 * Everything about a message but its time stamp follows from the seed and its
 * number, so that a message is never stored: a redelivery is made again.
 *
 * One topic is spread over `nsqd_count` nsqds. Message n of nsqd i has the
 * global number n * nsqd_count + i, and nsqd i alone has the keys k with
 * k % nsqd_count == i, because order per key exists on one nsqd only. Each key
 * of an nsqd comes once per round; the seed decides the order in a round, and
 * the round is the message's number within its key.
 *
 * Message ids have nsqd's form: 16 hexadecimal digits of
 *
 *     time stamp (in 2^20 ns) << 22 | node << 12 | sequence
 *
 * They rise, and the time stamp grows by one every 4096 messages, whatever the
 * clock says: so a number is computed from an id. A fault may let them begin
 * again further down.
 *
 * Body "json" (`pad` fills up to the size; without room it is left out, and a
 * body is never shorter than its numbers):
 *
 *     {"user_id":"u0000042","seq":12,"global":1234,"ts":<ns>,"pad":"xxx"}
 *
 * Body "binary", big endian, at least 40 bytes:
 *
 *     magic "N2K1" (4) | run_id (8) | key_id (4) | seq_in_key (8) | global (8)
 *     | len of the body (4) | crc32 of the body with this field 0 (4) | filler
 *
 * Body "lines": line number `global` of a file.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"

#define SOURCE_ID_LENGTH     16
#define SOURCE_BINARY_HEADER 40
#define SOURCE_JSON_MOST     160 /* a JSON body with an empty pad */

enum source_body {
    SOURCE_JSON,
    SOURCE_BINARY,
    SOURCE_LINES,
};

struct source_options {
    enum source_body body;
    size_t body_length;    /* bytes, of JSON and binary */
    uint64_t seed;         /* is the run_id too */
    uint64_t key_count;    /* over all nsqds; at least nsqd_count */
    uint64_t nsqd_index;   /* less than nsqd_count */
    uint64_t nsqd_count;   /* at least 1 */
    uint64_t id_time;      /* of the first message: see source_id_time() */
    uint64_t node;         /* 0 to 1023 */
    const uint64_t *lines; /* offsets of lines in `text`, one more at the end;
                               a line ends one byte before the next begins */
    const uint8_t *text;
};

struct source {
    struct source_options options;
    uint64_t own_keys; /* of this nsqd */
    uint64_t stride;   /* coprime to own_keys: permutes a round */
    uint64_t ids_back; /* message n has the id of number n - ids_back */
};

struct source_message {
    uint64_t key_id;
    uint64_t sequence; /* within its key, from 0 */
    uint64_t global;
};

void source_init(struct source *source, const struct source_options *options);

/* What nsqd's message ids say when the wall clock says `wall_ns`. */
uint64_t source_id_time(int64_t wall_ns);

/*
 * From now on the ids of the last `count` messages are given again. An id of
 * before means a new message then, so none may be in flight.
 */
void source_repeat_ids(struct source *source, uint64_t count);

/* The longest body of this source, in bytes. */
size_t source_longest_body(const struct source *source, uint64_t line_count);

/* Write the 16 digits of message `number`. */
void source_write_id(const struct source *source, uint64_t number,
                     uint8_t *digits);

/* Whose id is that? Returns false if no number of this source has it. */
bool source_find_id(const struct source *source, const uint8_t *digits,
                    uint64_t *number);

struct source_message source_message_of(const struct source *source,
                                        uint64_t number);

/*
 * Write the body of `message` to `to`, which has room for the longest body.
 * Returns its length.
 */
size_t source_write_body(const struct source *source,
                         const struct source_message *message,
                         int64_t timestamp_ns, uint8_t *to);

/*
 * CRC-32 (IEEE 802.3, as zlib's), continued from `crc`, which begins 0: a
 * checker in any language has it.
 */
uint32_t source_crc32(uint32_t crc, struct bytes bytes);
