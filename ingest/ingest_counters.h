/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ingest_counters - what ingest counts, in shared memory for any reader.
 *
 * One writer: ingest. The table counters.tbl is the list.
 */

#include "common/counters.h"

struct ingest_counters {
#define COUNTER(name, unit, meaning) _Atomic uint64_t name;
#include "ingest/counters.tbl"
};

static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a reader may not need a lock");

/*
 * Open the counters segment of the ingest of `bridge`. Returns 0 or a negative
 * errno with its sentence.
 */
int ingest_counters_open(const char *bridge, struct shared_memory *memory,
                         struct ingest_counters **counters);
