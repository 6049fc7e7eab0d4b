/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * clock - monotonic and wall time; the only caller of clock_gettime.
 *
 * Logic takes time as an argument. Only a process's loop asks the clock, once
 * per turn. The two kinds of time are two types, so that they cannot be mixed.
 */

#include <stdbool.h>
#include <stdint.h>

#define NS_PER_US     INT64_C(1000)
#define NS_PER_MS     INT64_C(1000000)
#define NS_PER_SECOND INT64_C(1000000000)

/* CLOCK_MONOTONIC: for deadlines and durations. */
struct monotonic {
    int64_t ns;
};

/* CLOCK_REALTIME since 1970: for signatures, message time stamps and logs. */
struct wall_time {
    int64_t ns;
};

/* Later than every time that happens: "no deadline". */
#define MONOTONIC_NEVER ((struct monotonic){ .ns = INT64_MAX })

struct monotonic clock_monotonic(void);
struct wall_time clock_wall_time(void);

static inline struct monotonic monotonic_after(struct monotonic start,
                                               int64_t ns)
{
    struct monotonic sum;

    if (__builtin_add_overflow(start.ns, ns, &sum.ns))
        return MONOTONIC_NEVER;
    return sum;
}

/* Nanoseconds from `start` to `end`; negative if `end` comes first. */
static inline int64_t monotonic_between(struct monotonic start,
                                        struct monotonic end)
{
    return end.ns - start.ns;
}

static inline bool monotonic_reached(struct monotonic deadline,
                                     struct monotonic now)
{
    return now.ns >= deadline.ns;
}

static inline struct monotonic monotonic_earlier(struct monotonic a,
                                                 struct monotonic b)
{
    return a.ns < b.ns ? a : b;
}
