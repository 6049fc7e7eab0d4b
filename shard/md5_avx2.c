/* SPDX-License-Identifier: Apache-2.0 */

/* Eight lanes, for x86-64 since 2013. Built with -mavx2, called if there. */

#ifdef __AVX2__

#include <immintrin.h>

#include "shard/md5_lanes.h"

#define LANES      8
#define ADD_BLOCKS md5_avx2_add_blocks
#define REGISTER   "x"

typedef uint32_t lanes __attribute__((vector_size(32)));
typedef lanes lanes_anywhere __attribute__((aligned(4)));

static inline lanes load_row(const uint8_t *const *blocks, size_t offset)
{
    __m128i low = _mm_loadu_si128((const __m128i *)(blocks[0] + offset));
    __m128i high = _mm_loadu_si128((const __m128i *)(blocks[4] + offset));

    return (lanes)_mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

#define LOW_WORDS(a, b)                                                        \
    (lanes) _mm256_unpacklo_epi32((__m256i)(a), (__m256i)(b))
#define HIGH_WORDS(a, b)                                                       \
    (lanes) _mm256_unpackhi_epi32((__m256i)(a), (__m256i)(b))
#define LOW_HALVES(a, b)                                                       \
    (lanes) _mm256_unpacklo_epi64((__m256i)(a), (__m256i)(b))
#define HIGH_HALVES(a, b)                                                      \
    (lanes) _mm256_unpackhi_epi64((__m256i)(a), (__m256i)(b))

#include "shard/md5_lane_blocks.h"

#endif
