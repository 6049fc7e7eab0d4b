/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * latency_histogram - how long things took, in buckets of 3 %.
 *
 * 32 buckets for each power of two: adding is a count of leading zeros and an
 * increment, so that it can be done for each of a million messages a second.
 * What a quantile answers is the upper end of its bucket, never too little.
 *
 * Units     microseconds.
 * Memory    one struct, which is legal when it is all zero.
 */

#include <stdint.h>

#define LATENCY_STEP_BITS 5 /* 2^5 buckets for each power of two */
#define LATENCY_BUCKETS   ((size_t)(33 - LATENCY_STEP_BITS) << LATENCY_STEP_BITS)

struct latency_histogram {
    uint64_t counts[LATENCY_BUCKETS];
    uint64_t total;
    uint32_t longest_us;
};

/* One for all channels of a simulator, and the time that a turn has. */
struct latency_watch {
    uint32_t now_us; /* since the start of the process; goes round */
    struct latency_histogram waits;
};

void latency_histogram_add(struct latency_histogram *histogram,
                           uint32_t latency_us);

/*
 * The latency that `per_mille` of 1000 do not exceed; 0 if none was added.
 * 1000 gives the longest, exactly.
 */
uint32_t latency_histogram_quantile(const struct latency_histogram *histogram,
                                    unsigned per_mille);
