/* SPDX-License-Identifier: Apache-2.0 */

#include "shard/md5.h"

#define MD5_BLOCK 64 /* bytes */

static uint32_t rotate_left(uint32_t value, unsigned count)
{
    return value << count | value >> (32 - count);
}

/* RFC 1321, 3.4. F and G are written with one operation less than there. */
#define F(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define G(x, y, z) ((y) ^ ((z) & ((x) ^ (y))))
#define H(x, y, z) ((x) ^ (y) ^ (z))
#define I(x, y, z) ((y) ^ ((x) | ~(z)))

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
    (a) += function(b, c, d) + x[word] + UINT32_C(constant);                   \
    (a) = (b) + rotate_left(a, shift);
#include "shard/md5_steps.tbl"
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
}

/*
 * The end of the input, 0x80, zeros, and the length in bits (RFC 1321, 3.1 and
 * 3.2): one block, or two if the length does not fit behind the end.
 */
static void add_end(uint32_t state[4], struct bytes end, uint64_t length)
{
    uint8_t blocks[2 * MD5_BLOCK] = { 0 };
    size_t padded = end.length + 9 <= MD5_BLOCK ? MD5_BLOCK : 2 * MD5_BLOCK;
    uint64_t bits = length * 8;

    if (end.length > 0)
        memcpy(blocks, end.data, end.length);
    blocks[end.length] = 0x80;
    memcpy(blocks + padded - sizeof(bits), &bits, sizeof(bits));
    add_block(state, blocks);
    if (padded > MD5_BLOCK)
        add_block(state, blocks + MD5_BLOCK);
}

void md5(struct bytes input, uint8_t digest[MD5_LENGTH])
{
    uint32_t state[4] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476 };
    size_t length = input.length;

    while (input.length >= MD5_BLOCK) {
        add_block(state, input.data);
        input = bytes_skip(input, MD5_BLOCK);
    }
    add_end(state, input, length);
    memcpy(digest, state, MD5_LENGTH);
}

void md5_many(const struct bytes *inputs, size_t count,
              uint8_t (*digests)[MD5_LENGTH])
{
    for (size_t i = 0; i < count; i++)
        md5(inputs[i], digests[i]);
}
