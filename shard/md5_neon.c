/* SPDX-License-Identifier: Apache-2.0 */

/* Four lanes: every arm64 has them. */

#ifdef __aarch64__

#include <arm_neon.h>

#include "shard/md5_lanes.h"

#define LANES      4
#define ADD_BLOCKS md5_neon_add_blocks
#define REGISTER   "w"

typedef uint32x4_t lanes;
typedef lanes lanes_anywhere __attribute__((aligned(4)));

static inline lanes load_row(const uint8_t *const *blocks, size_t offset)
{
    return vreinterpretq_u32_u8(vld1q_u8(blocks[0] + offset));
}

#define HALVES(a)        vreinterpretq_u64_u32(a)
#define LOW_WORDS(a, b)  vzip1q_u32(a, b)
#define HIGH_WORDS(a, b) vzip2q_u32(a, b)
#define LOW_HALVES(a, b) vreinterpretq_u32_u64(vzip1q_u64(HALVES(a), HALVES(b)))
#define HIGH_HALVES(a, b)                                                      \
    vreinterpretq_u32_u64(vzip2q_u64(HALVES(a), HALVES(b)))

/* BSL chooses between two by the bits of a third. */
#define F(x, y, z) vbslq_u32(x, y, z)
#define G(x, y, z) vbslq_u32(z, x, y)
#define H(x, y, z) ((x) ^ (y) ^ (z))
#define I(x, y, z) ((y) ^ vornq_u32(x, z))

#include "shard/md5_lane_blocks.h"

#endif
