/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * cbor_reader - CBOR (RFC 8949) of a peer, read once from front to back.
 *
 * The twin of json_reader: nothing is built, the caller asks for the next
 * member or element and takes or skips its value. Definite and indefinite
 * lengths are read alike; tags are read past. A failure is remembered, and what
 * is skipped is checked as strictly as what is taken.
 *
 * Memory    texts are views of the input, or, if they come in chunks, of
 *           `texts`, a writer of the caller's. Nothing is allocated.
 * Depth     containers in containers are followed down to CBOR_DEPTH_MOST.
 *
 * Pure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"

#define CBOR_DEPTH_MOST 32

/* What is left of a map or an array; one for each depth. */
struct cbor_container {
    uint64_t left; /* elements, or members; unused if it is indefinite */
    bool is_map;
    bool is_indefinite;
};

struct cbor_reader {
    struct bytes rest;          /* what was not read yet */
    struct bytes_writer *texts; /* where texts in chunks are put together */
    struct cbor_container containers[CBOR_DEPTH_MOST]; /* we are in */
    unsigned depth;
    bool is_wrong; /* this is no CBOR, or not what was asked for */
};

void cbor_reader_init(struct cbor_reader *reader, struct bytes input,
                      struct bytes_writer *texts);

/* Begin to read a value that must be a map, or an array. */
bool cbor_enter_map(struct cbor_reader *reader);
bool cbor_enter_array(struct cbor_reader *reader);

/*
 * Go on to the next value of the innermost container. False at its end, which
 * leaves it, and after a failure. A member's name must be a text.
 */
bool cbor_next_member(struct cbor_reader *reader, struct bytes *name);
bool cbor_next_element(struct cbor_reader *reader);

/* Take a value that must be a text or null; null is an empty view of NULL. */
bool cbor_take_text_or_null(struct cbor_reader *reader, struct bytes *text);

/* Take a value that must be a whole number from 0 on, or null. */
bool cbor_take_whole_or_null(struct cbor_reader *reader, uint64_t *number,
                             bool *is_there);

/* Read past a value of any kind. */
bool cbor_skip(struct cbor_reader *reader);

/* True if everything was read and nothing was wrong. */
bool cbor_ended(const struct cbor_reader *reader);
