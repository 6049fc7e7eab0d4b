/* SPDX-License-Identifier: Apache-2.0 */

#include "common/random.h"

#include <assert.h>
#include <sys/random.h>

#include "common/clock.h"

static uint64_t rotate_left(uint64_t value, unsigned count)
{
    return value << count | value >> (64 - count);
}

/* splitmix64: spreads a small seed over the whole state. */
static uint64_t next_seed(uint64_t *seed)
{
    uint64_t mixed = *seed += UINT64_C(0x9e3779b97f4a7c15);

    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

void random_seed(struct random *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        random->state[i] = next_seed(&seed);
}

void random_seed_from_kernel(struct random *random)
{
    uint64_t seed = 0;

    /* Jitter without entropy is still jitter: fall back on the clock. */
    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        seed = (uint64_t)clock_wall_time().ns;
    random_seed(random, seed);
}

uint64_t random_u64(struct random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t random_below(struct random *random, uint64_t bound)
{
    /* Values below `unfair` would make small results likelier (Lemire). */
    uint64_t unfair;

    assert(bound > 0);
    unfair = -bound % bound;
    for (;;) {
        uint64_t value = random_u64(random);

        if (value >= unfair)
            return value % bound;
    }
}

int64_t random_jitter(struct random *random, int64_t ns)
{
    assert(ns >= 0);
    return (int64_t)random_below(random, (uint64_t)ns + 1);
}
