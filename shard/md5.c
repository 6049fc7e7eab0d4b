/* SPDX-License-Identifier: Apache-2.0 */

#include "shard/md5_lanes.h"

static uint32_t rotate_left(uint32_t value, unsigned count)
{
    return value << count | value >> (32 - count);
}

/*
 * A step waits for the one before it, whose result is its b: whatever does not
 * need b comes first. Of the two bits that G can be of, at most one is set, so
 * that they may be added to the sum one by one, and only one of them waits. Left
 * alone, gcc sorts the additions so that more of them wait.
 */
#define KEEP(value) __asm__("" : "+r"(value))
#define F(x, y, z)  ((z) ^ ((x) & ((y) ^ (z))))
#define G(x, y, z)  (((y) & ~(z)) + ((x) & (z)))
#define H(x, y, z)  ((x) ^ (y) ^ (z))
#define I(x, y, z)  ((y) ^ ((x) | ~(z)))

/* Little endian, as bytes.h asserts: words are loaded as they lie. */
static void add_block(uint32_t state[4], const uint8_t *block)
{
    uint32_t x[MD5_BLOCK / 4];
    uint32_t a = state[0];
    uint32_t b = state[1];
    uint32_t c = state[2];
    uint32_t d = state[3];

    memcpy(x, block, sizeof(x));
#define MD5_STEP(function, a, b, c, d, word, shift, constant)                  \
    (a) += x[word] + UINT32_C(constant);                                       \
    KEEP(a);                                                                   \
    (a) += function(b, c, d);                                                  \
    (a) = (b) + rotate_left(a, shift);
#include "shard/md5_steps.tbl"
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
}

void md5_scalar_add_blocks(uint32_t *state, const uint8_t **blocks,
                           size_t count)
{
    for (; count > 0; count--) {
        add_block(state, *blocks);
        *blocks += MD5_BLOCK;
    }
}

size_t md5_make_end(struct bytes input, uint8_t blocks[2 * MD5_BLOCK])
{
    size_t length = input.length % MD5_BLOCK;
    size_t padded = length + 9 <= MD5_BLOCK ? MD5_BLOCK : 2 * MD5_BLOCK;
    uint64_t bits = (uint64_t)input.length * 8;

    memset(blocks, 0, padded);
    if (length > 0)
        memcpy(blocks, input.data + (input.length - length), length);
    blocks[length] = 0x80;
    memcpy(blocks + padded - sizeof(bits), &bits, sizeof(bits));
    return padded / MD5_BLOCK;
}

void md5_add_beside(md5_add_blocks *add_blocks, uint32_t *state,
                    const uint8_t **blocks, size_t count,
                    const struct md5_companion *companion)
{
    if (!companion) {
        add_blocks(state, blocks, count);
        return;
    }
    for (; count > 0; count--) {
        add_blocks(state, blocks, 1);
        companion->step(companion->context);
    }
}

void md5_beside(struct bytes input, uint8_t digest[MD5_LENGTH],
                const struct md5_companion *companion)
{
    uint32_t state[4] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476 };
    uint8_t end[2 * MD5_BLOCK];
    const uint8_t *blocks = input.data;

    md5_add_beside(md5_scalar_add_blocks, state, &blocks,
                   input.length / MD5_BLOCK, companion);
    blocks = end;
    md5_scalar_add_blocks(state, &blocks, md5_make_end(input, end));
    memcpy(digest, state, MD5_LENGTH);
}

void md5(struct bytes input, uint8_t digest[MD5_LENGTH])
{
    md5_beside(input, digest, NULL);
}
