/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * json_reader - JSON (RFC 8259) of a peer, read once from front to back.
 *
 * Nothing is built: the caller asks for the next member or element and takes
 * or skips its value.
 *
 *     json_enter_object(&reader);
 *     while (json_next_member(&reader, &name))
 *         if (bytes_equal_text(name, "ShardId"))
 *             json_take_text(&reader, &shard_id);
 *         else
 *             json_skip(&reader);
 *     if (!json_ended(&reader)) ... it was no JSON ...
 *
 * A failure is remembered: from then on everything returns false, so that it
 * is asked for once, at the end. What is skipped is checked as strictly as
 * what is taken.
 *
 * Memory    texts are views of the input, or, if they have escapes, of `texts`,
 *           a writer of the caller's. Nothing is allocated.
 * Depth     containers in containers are followed down to JSON_DEPTH_MOST.
 *
 * Pure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"

#define JSON_DEPTH_MOST 32

struct json_reader {
    struct bytes rest;          /* what was not read yet */
    struct bytes_writer *texts; /* where texts with escapes are kept */
    uint32_t arrays;            /* bit i: the container at depth i + 1 is an
                                   array, else an object */
    unsigned depth;             /* containers we are in */
    bool is_first;              /* of the innermost container's values */
    bool is_wrong;              /* this is no JSON, or not what was asked for */
};

struct json_reader json_reader_on(struct bytes text,
                                  struct bytes_writer *texts);

/* Begin to read a value that must be an object, or an array. */
bool json_enter_object(struct json_reader *reader);
bool json_enter_array(struct json_reader *reader);

/*
 * Go on to the next value of the innermost container. False at its end, which
 * leaves it, and after a failure. A `name` may be NULL.
 */
bool json_next_member(struct json_reader *reader, struct bytes *name);
bool json_next_element(struct json_reader *reader);

/* Take a value that must be a text. */
bool json_take_text(struct json_reader *reader, struct bytes *text);

/* Take a value that must be a text or null; null is an empty view of NULL. */
bool json_take_text_or_null(struct json_reader *reader, struct bytes *text);

/* Take a value that must be a whole number, not negative, or null. */
bool json_take_whole_or_null(struct json_reader *reader, uint64_t *number,
                             bool *is_there);

/* Read past a value of any kind. */
bool json_skip(struct json_reader *reader);

/* True if everything was read and nothing was wrong. */
bool json_ended(struct json_reader *reader);
