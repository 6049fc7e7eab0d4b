/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * md5_lanes - the ways this machine has to compute several MD5 at once.
 *
 *              word 0   word 1 ...  of the block
 *     lane 0     |        |         input A      each 32-bit lane of a vector
 *     lane 1     |        |         input C      register belongs to another
 *     lane 2     |        |         input B      input; one instruction does
 *       :        v        v                      the same step for all
 *
 * MD5 is a chain of 64 steps, each waiting for the one before, so that one
 * input cannot use a processor's width, and several can. A lane whose input
 * ends takes the next one; when few are left, they go on one by one.
 *
 * Behind md5_many(), which takes the widest way there is. Tests and benchmarks
 * compare the ways, which all give the same digests.
 *
 * Pure, but that the choice is made once and kept.
 */

#include "shard/md5.h"

#define MD5_BLOCK      64 /* bytes */
#define MD5_LANES_MOST 16

/*
 * Add `count` blocks of each lane to the lanes' states: word w of lane i is
 * state[w * lanes + i], and its blocks lie at blocks[i], which moves behind
 * them.
 */
typedef void md5_add_blocks(uint32_t *state, const uint8_t **blocks,
                            size_t count);

md5_add_blocks md5_scalar_add_blocks; /* one lane, in md5.c */
md5_add_blocks md5_sse2_add_blocks;
md5_add_blocks md5_avx2_add_blocks;
md5_add_blocks md5_avx512_add_blocks;
md5_add_blocks md5_neon_add_blocks;

struct md5_way {
    const char *name;
    size_t lanes; /* 1 to MD5_LANES_MOST */
    size_t worth; /* inputs from which it is faster than scalar */
    md5_add_blocks *add_blocks;
};

/*
 * The ways of this machine, the narrowest, "scalar", first. Returns the way
 * number `index`, or NULL behind the last.
 */
const struct md5_way *md5_way_at(size_t index);

/* As md5_many_beside(), in a given way; companion NULL: none. */
void md5_many_in(const struct md5_way *way, const struct bytes *inputs,
                 size_t count, uint8_t (*digests)[MD5_LENGTH],
                 const struct md5_companion *companion);

/* As md5(), with a companion or NULL. */
void md5_beside(struct bytes input, uint8_t digest[MD5_LENGTH],
                const struct md5_companion *companion);

/* add_blocks(), one block at a time if there is a companion. */
void md5_add_beside(md5_add_blocks *add_blocks, uint32_t *state,
                    const uint8_t **blocks, size_t count,
                    const struct md5_companion *companion);

/*
 * The end of an input: what is left behind its last whole block, 0x80, zeros,
 * and the length in bits (RFC 1321, 3.1 and 3.2).
 *
 * Returns the number of blocks it makes: 1, or 2 if the length does not fit
 * behind the end.
 */
size_t md5_make_end(struct bytes input, uint8_t blocks[2 * MD5_BLOCK]);
