/* SPDX-License-Identifier: Apache-2.0 */

#include "common/clock.h"

#include <time.h>

static int64_t clock_ns(clockid_t clock)
{
    struct timespec time = { 0 };

    (void)clock_gettime(clock, &time); /* cannot fail for these two clocks */
    return (int64_t)time.tv_sec * NS_PER_SECOND + time.tv_nsec;
}

struct monotonic clock_monotonic(void)
{
    return (struct monotonic){ .ns = clock_ns(CLOCK_MONOTONIC) };
}

struct wall_time clock_wall_time(void)
{
    return (struct wall_time){ .ns = clock_ns(CLOCK_REALTIME) };
}
