/* SPDX-License-Identifier: Apache-2.0 */

#include <stddef.h>

#include "tests/support/latency_histogram.h"

#define STEPS (UINT32_C(1) << LATENCY_STEP_BITS)

/*
 * Below 2 * STEPS a bucket is one microsecond. Above, the leading bits choose
 * the power of two and the LATENCY_STEP_BITS after them the step within it.
 */
static size_t bucket_of(uint32_t latency_us)
{
    unsigned power;

    if (latency_us < STEPS)
        return latency_us;
    power = 31 - (unsigned)__builtin_clz(latency_us) - LATENCY_STEP_BITS;
    return ((size_t)power << LATENCY_STEP_BITS) + (latency_us >> power);
}

static uint32_t end_of_bucket(size_t bucket)
{
    unsigned power;

    if (bucket < (size_t)2 * STEPS)
        return (uint32_t)bucket;
    power = (unsigned)(bucket >> LATENCY_STEP_BITS) - 1;
    return (
        uint32_t)((((uint64_t)(bucket & (STEPS - 1)) + STEPS + 1) << power) -
                  1);
}

void latency_histogram_add(struct latency_histogram *histogram,
                           uint32_t latency_us)
{
    histogram->counts[bucket_of(latency_us)]++;
    histogram->total++;
    if (latency_us > histogram->longest_us)
        histogram->longest_us = latency_us;
}

uint32_t latency_histogram_quantile(const struct latency_histogram *histogram,
                                    unsigned per_mille)
{
    uint64_t wanted = (histogram->total * per_mille + 999) / 1000;
    uint64_t seen = 0;

    for (size_t bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
        seen += histogram->counts[bucket];
        if (seen >= wanted && seen > 0) {
            uint32_t end = end_of_bucket(bucket);

            return end < histogram->longest_us ? end : histogram->longest_us;
        }
    }
    return histogram->longest_us;
}
