/* SPDX-License-Identifier: Apache-2.0 */

/* Four lanes: every x86-64 has them. */

#ifdef __SSE2__

#include <emmintrin.h>

#include "shard/md5_lanes.h"

#define LANES      4
#define ADD_BLOCKS md5_sse2_add_blocks
#define REGISTER   "x"

typedef uint32_t lanes __attribute__((vector_size(16)));
typedef lanes lanes_anywhere __attribute__((aligned(4)));

static inline lanes load_row(const uint8_t *const *blocks, size_t offset)
{
    return (lanes)_mm_loadu_si128((const __m128i *)(blocks[0] + offset));
}

#define LOW_WORDS(a, b)   (lanes) _mm_unpacklo_epi32((__m128i)(a), (__m128i)(b))
#define HIGH_WORDS(a, b)  (lanes) _mm_unpackhi_epi32((__m128i)(a), (__m128i)(b))
#define LOW_HALVES(a, b)  (lanes) _mm_unpacklo_epi64((__m128i)(a), (__m128i)(b))
#define HIGH_HALVES(a, b) (lanes) _mm_unpackhi_epi64((__m128i)(a), (__m128i)(b))

#include "shard/md5_lane_blocks.h"

#endif
