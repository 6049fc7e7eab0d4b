/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * base64 - bytes as text, for JSON (RFC 4648, section 4, with padding).
 *
 * Every byte that goes to Kinesis as JSON passes here, so six bytes become
 * eight characters at a time in one 64-bit register, without a table.
 *
 * Pure.
 */

#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"

/* Characters that `length` bytes become. */
static inline size_t base64_length(size_t length)
{
    return (length + 2) / 3 * 4;
}

/*
 * Write base64_length(input.length) characters at `to`, without a NUL. The two
 * must not overlap. Returns the end of what was written.
 */
uint8_t *base64_encode(struct bytes input, uint8_t *to);
