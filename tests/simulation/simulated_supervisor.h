/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * simulated_supervisor - the supervisor's own decisions (supervise.h), carried
 * out on simulated processes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/simulation/schedule.h"

struct bridge_settings {
    unsigned worker_count;
    size_t nsqd_count;
    bool has_keys;
    const char *protocol;
    unsigned max_in_flight;
    const char *aggregate_size;
};

/* Begin the bridge. */
void simulated_supervisor_begin(const struct bridge_settings *settings);

enum supervisor_heirs {
    SUPERVISOR_LEAVES_CHILDREN,
    SUPERVISOR_LEAVES_STRAYS, /* and nobody knows of them any more */
    SUPERVISOR_LEAVES_NOBODY,
};

/* It dies, with its survey, and comes back at `back_at`. */
void simulated_supervisor_kill(int64_t back_at, enum supervisor_heirs heirs);

/* Another number of workers, if this is a time for it. */
void simulated_supervisor_scale(unsigned worker_count);

/* Every child works. */
bool simulated_supervisor_is_complete(void);

/* Drain and end. */
void simulated_supervisor_stop(void);

/* Every child has ended after a stop; *status is the bridge's. */
bool simulated_supervisor_is_finished(int *status);
