/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * simulated_system - what a process asks its kernel and its supervisor for.
 *
 * Memory, clocks, chance, its pid, wake-ups and the lifeline; SIGTERM never
 * comes, and names are numeric.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/lifeline.h"

/* Seconds since 1970 at the beginning of every simulated life. */
#define SIMULATED_EPOCH_NS INT64_C(1800000000000000000)

void simulated_system_begin(void);

/* True if the eventfd with that number was written, which ends with the call. */
bool simulated_wakeup_take(int descriptor);
bool simulated_wakeup_is_set(int descriptor);

/* The lifeline of the process at `place`. */
void simulated_lifeline_open(size_t place);
void simulated_lifeline_close(size_t place);
void simulated_lifeline_tell(size_t place, enum lifeline_kind kind);

/* True if a read of it would not come back empty. */
bool simulated_lifeline_is_readable(size_t place);

/* Answered by the supervisor: what a child says, and whether it may rejoin. */
void supervisor_hear(uint64_t place, uint64_t message);
bool supervisor_takes(size_t place);
