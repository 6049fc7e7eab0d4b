/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * json_scanner - find the scalar value of one path in a JSON body.
 *
 * It runs over every message, so it looks only at what is in front of the
 * value and does not validate the rest. Decisions:
 *
 *   - A path is keys joined by dots: `user_id`, `a.b.c`. A backslash takes a
 *     dot or a backslash literally: `a\.b`. Array elements cannot be named.
 *   - Of duplicate keys the first wins, at every level: {"a":1,"a":{"b":2}}
 *     has no a.b.
 *   - Keys are compared after unescaping: "user\u005fid" is user_id.
 *   - A string's value is its text, unescaped. A number, true and false give
 *     their text as it stands in the body: 1, 1.0 and 1e0 are three values.
 *   - The body must be an object. Values that are skipped are read only for
 *     their strings and brackets, and nothing behind the value is looked at:
 *     {"x":bad,"a":2}, has an a. A value, or what leads to it, that is cut off
 *     by the end of the body is invalid.
 *   - Bytes above 0x7f pass through unchecked. An escaped surrogate without
 *     its other half becomes the three bytes UTF-8 would have for it, so that
 *     different texts stay different; the result is then not UTF-8.
 *   - A byte order mark in front is skipped.
 *
 * Pure. Nothing beyond the body is read. Time is linear in what is in front of
 * the value, memory is the caller's, and depth costs nothing.
 */

#include "common/bytes.h"

#define JSON_PATH_KEYS_MOST   16
#define JSON_PATH_LENGTH_MOST 512 /* bytes of all keys together */

/* Parsed once, at start. May be copied. */
struct json_path {
    uint8_t text[JSON_PATH_LENGTH_MOST]; /* the keys, unescaped, joined */
    uint16_t ends[JSON_PATH_KEYS_MOST];  /* where each key ends in it */
    size_t count;                        /* keys; 1 or more */
};

enum json_condition {
    JSON_PATH_WRONG = 1, /* empty key, stray backslash, or too long */
    JSON_MISSING,        /* the body has no such key */
    JSON_IS_NULL,        /* null */
    JSON_IS_CONTAINER,   /* an object or an array */
    JSON_INVALID,        /* not JSON as far as it was read */
    JSON_TOO_LONG,       /* the unescaped text does not fit the memory */
};

/* Returns 0 or JSON_PATH_WRONG. */
int json_path_parse(struct bytes text, struct json_path *path);

/*
 * Find the value at `path` in `body`. *value is a view into the body or, if it
 * had to be unescaped, into what `memory` (a fresh writer) holds then.
 *
 * Returns 0; JSON_MISSING, JSON_IS_NULL, JSON_IS_CONTAINER or JSON_INVALID; or
 * JSON_TOO_LONG, with *value the text as it stands in the body.
 */
int json_find(struct bytes body, const struct json_path *path,
              struct bytes_writer *memory, struct bytes *value);
