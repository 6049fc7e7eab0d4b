/* SPDX-License-Identifier: Apache-2.0 */

/* Sixteen lanes, with AVX-512F. Built with -mavx512f, called if there. */

#ifdef __AVX512F__

#include <immintrin.h>

#include "shard/md5_lanes.h"

#define LANES      16
#define ADD_BLOCKS md5_avx512_add_blocks
#define REGISTER   "v"

typedef uint32_t lanes __attribute__((vector_size(64)));
typedef lanes lanes_anywhere __attribute__((aligned(4)));

static inline __m128i load_lane(const uint8_t *block, size_t offset)
{
    return _mm_loadu_si128((const __m128i *)(block + offset));
}

static inline lanes load_row(const uint8_t *const *blocks, size_t offset)
{
    __m512i row = _mm512_castsi128_si512(load_lane(blocks[0], offset));

    row = _mm512_inserti32x4(row, load_lane(blocks[4], offset), 1);
    row = _mm512_inserti32x4(row, load_lane(blocks[8], offset), 2);
    row = _mm512_inserti32x4(row, load_lane(blocks[12], offset), 3);
    return (lanes)row;
}

#define LOW_WORDS(a, b)                                                        \
    (lanes) _mm512_unpacklo_epi32((__m512i)(a), (__m512i)(b))
#define HIGH_WORDS(a, b)                                                       \
    (lanes) _mm512_unpackhi_epi32((__m512i)(a), (__m512i)(b))
#define LOW_HALVES(a, b)                                                       \
    (lanes) _mm512_unpacklo_epi64((__m512i)(a), (__m512i)(b))
#define HIGH_HALVES(a, b)                                                      \
    (lanes) _mm512_unpackhi_epi64((__m512i)(a), (__m512i)(b))

/* Any function of three bits in one instruction: the constant is its table. */
#define LOGIC(x, y, z, table)                                                  \
    (lanes) _mm512_ternarylogic_epi32((__m512i)(x), (__m512i)(y),              \
                                      (__m512i)(z), table)
#define F(x, y, z) LOGIC(x, y, z, 0xca)
#define G(x, y, z) LOGIC(x, y, z, 0xe4)
#define H(x, y, z) LOGIC(x, y, z, 0x96)
#define I(x, y, z) LOGIC(x, y, z, 0x39)

#include "shard/md5_lane_blocks.h"

#endif
