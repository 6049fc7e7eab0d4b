/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * kinesis_simulator_base64 - base64 of RFC 4648 with padding, as JSON carries
 * record data. Pure.
 */

#include <stdbool.h>

#include "common/bytes.h"

/*
 * How many bytes `text` decodes to, from its length and padding alone; its
 * characters are not looked at. False if its length is no multiple of four.
 */
bool simulator_base64_length(struct bytes text, size_t *length);

/*
 * Decode `text` to `to`, which may be where `text` begins. Returns false if
 * any character is not of the alphabet or the padding is wrong.
 */
bool simulator_base64_decode(struct bytes text, uint8_t *to, size_t *length);

/* Characters that `length` bytes encode to. */
static inline size_t simulator_base64_room(size_t length)
{
    return (length + 2) / 3 * 4;
}

/* Encode to simulator_base64_room(from.length) characters; no NUL. */
void simulator_base64_encode(struct bytes from, uint8_t *to);
