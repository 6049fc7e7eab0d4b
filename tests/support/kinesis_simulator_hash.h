/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * kinesis_simulator_hash - hash keys as Kinesis computes, reads and writes
 * them: unsigned 128-bit numbers, the MD5 of the partition key or decimal text.
 */

#include <stdbool.h>

#include "common/bytes.h"

#define SIMULATOR_HASH_MOST (~(unsigned __int128)0)

/* 2^128 - 1 has 39 decimal digits; one more for the NUL. */
#define SIMULATOR_HASH_TEXT 40

/* MD5 of the UTF-8 partition key, read as a big-endian number. */
unsigned __int128 simulator_hash_of_key(struct bytes key);

/*
 * True if `text` has the form 0|([1-9]\d{0,38}), the pattern of
 * ExplicitHashKey in the service model. Such a text may still be too large.
 */
bool simulator_hash_is_decimal(struct bytes text);

/* The number in `text`; false if it is no decimal or 2^128 or more. */
bool simulator_hash_parse(struct bytes text, unsigned __int128 *hash);

/* Write the number in decimal with a NUL; returns its length. */
size_t simulator_hash_format(unsigned __int128 hash,
                             char text[SIMULATOR_HASH_TEXT]);

/*
 * The first hash key of shard `index` of `count` as AWS divides the space:
 * index * floor(2^128 / count). Shard `index` ends one before the next one's
 * first; the last one ends at 2^128 - 1. `index` may be `count`, which wraps
 * to 0 in thought: callers then use SIMULATOR_HASH_MOST.
 */
unsigned __int128 simulator_hash_boundary(uint32_t index, uint32_t count);
