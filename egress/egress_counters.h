/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * egress_counters - what an egress worker counts, in shared memory for any reader.
 *
 * One writer: the worker. The table counters.tbl is the list.
 */

#include "common/counters.h"

struct egress_counters {
#define COUNTER(name, unit, meaning) _Atomic uint64_t name;
#include "egress/counters.tbl"
};

static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a reader may not need a lock");

/*
 * Open the counters segment of worker `index` of `bridge`. Returns 0 or a
 * negative errno with its sentence.
 */
int egress_counters_open(const char *bridge, unsigned index,
                         struct shared_memory *memory,
                         struct egress_counters **counters);
