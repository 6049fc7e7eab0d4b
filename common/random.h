/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * random - jitter, and choices that a seed repeats. Not for secrets.
 *
 * xoshiro256** (Blackman and Vigna, 2018). The state is the caller's, so that
 * one seed decides everything a simulation does.
 */

#include <stdint.h>

struct random {
    uint64_t state[4]; /* never all zero */
};

void random_seed(struct random *random, uint64_t seed);

/* Seed from the kernel: what a real process does at its start. */
void random_seed_from_kernel(struct random *random);

uint64_t random_u64(struct random *random);

/* Evenly from 0 to bound - 1; bound must not be 0. */
uint64_t random_below(struct random *random, uint64_t bound);

/* Full jitter: evenly from 0 to `ns`, which must not be negative. */
int64_t random_jitter(struct random *random, int64_t ns);
