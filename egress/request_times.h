/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * request_times - percentiles of the request times, for --status-every. Pure.
 *
 * As nsq_to_http does: after so many messages, one line with how long the
 * requests since the last line took. A log-linear histogram: 16 steps per
 * doubling, so that a percentile is at most 6 % off.
 */

#include <stdbool.h>
#include <stdint.h>

#define REQUEST_TIMES_STEPS 16 /* per doubling */
#define REQUEST_TIMES_SLOTS (REQUEST_TIMES_STEPS * 48)

struct request_times {
    uint64_t every;         /* messages between two lines; 0: never */
    uint64_t message_count; /* since the last line */
    uint64_t request_count;
    uint32_t slots[REQUEST_TIMES_SLOTS];
};

void request_times_init(struct request_times *times, uint64_t every);

/*
 * One request with `message_count` messages took `ns`. Returns true when a
 * line is due; request_times_restart() then begins anew.
 */
bool request_times_add(struct request_times *times, int64_t ns,
                       uint64_t message_count);

/* The time below which `per_mille` of 1000 requests were, in nanoseconds. */
int64_t request_times_percentile(const struct request_times *times,
                                 unsigned per_mille);
void request_times_restart(struct request_times *times);
