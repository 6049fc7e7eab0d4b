/* SPDX-License-Identifier: Apache-2.0 */

/*
 * md5_lane_blocks - the body of every vector way of md5_lanes.h. Deliberately
 * no include guard: each way includes it once and defines before
 *
 *     LANES                     how many there are
 *     lanes                     a GCC vector type of as many uint32_t
 *     lanes_anywhere            the same at any address of a uint32_t
 *     ADD_BLOCKS                the function's name
 *     REGISTER                  a vector register, as GCC's asm constraint
 *     load_row(blocks, offset)  16 bytes of every fourth lane from blocks[0] on
 *     LOW_WORDS(a, b), HIGH_WORDS(a, b), LOW_HALVES(a, b), HIGH_HALVES(a, b)
 *                               interleave two rows within each 16 bytes
 *
 * and may define F, G, H, I with instructions that do more at once.
 */

/*
 * Words 4 * quarter to 4 * quarter + 3 of every lane's block: squares of four
 * lanes by four words, each turned over its diagonal.
 *
 *     row r: lanes r, r + 4, r + 8 ..., four words of each
 *     words[w]: word w of lanes 0, 1, 2, 3, 4 ...
 */
static inline void load_quarter(lanes words[4], const uint8_t *const *blocks,
                                size_t offset)
{
    lanes row0 = load_row(blocks, offset);
    lanes row1 = load_row(blocks + 1, offset);
    lanes row2 = load_row(blocks + 2, offset);
    lanes row3 = load_row(blocks + 3, offset);
    lanes low01 = LOW_WORDS(row0, row1);
    lanes low23 = LOW_WORDS(row2, row3);
    lanes high01 = HIGH_WORDS(row0, row1);
    lanes high23 = HIGH_WORDS(row2, row3);

    words[0] = LOW_HALVES(low01, low23);
    words[1] = HIGH_HALVES(low01, low23);
    words[2] = LOW_HALVES(high01, high23);
    words[3] = HIGH_HALVES(high01, high23);
}

/*
 * Compute this before what follows. Each step waits for the one before it; left
 * alone, gcc sorts the additions so that more of them wait.
 */
#define KEEP(value) __asm__("" : "+" REGISTER(value))

void ADD_BLOCKS(uint32_t *state, const uint8_t **blocks, size_t count)
{
    lanes_anywhere *states = (lanes_anywhere *)state;
    lanes a = states[0];
    lanes b = states[1];
    lanes c = states[2];
    lanes d = states[3];

    for (size_t block = 0; block < count; block++) {
        lanes before[4] = { a, b, c, d };
        lanes x[MD5_BLOCK / 4];

        load_quarter(x, blocks, block * MD5_BLOCK);
        load_quarter(x + 4, blocks, block * MD5_BLOCK + 16);
        load_quarter(x + 8, blocks, block * MD5_BLOCK + 32);
        load_quarter(x + 12, blocks, block * MD5_BLOCK + 48);
#define MD5_STEP(function, a, b, c, d, word, shift, constant)                  \
    (a) += x[word] + UINT32_C(constant);                                       \
    KEEP(a);                                                                   \
    (a) += function(b, c, d);                                                  \
    (a) = (b) + ((a) << (shift) | (a) >> (32 - (shift)));
#include "shard/md5_steps.tbl"
        a += before[0];
        b += before[1];
        c += before[2];
        d += before[3];
    }
    states[0] = a;
    states[1] = b;
    states[2] = c;
    states[3] = d;
    for (size_t i = 0; i < LANES; i++)
        blocks[i] += count * MD5_BLOCK;
}
