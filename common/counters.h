/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * counters - numbers with their meaning, in a segment any tool can read.
 *
 *     [ segment_head | counters_head | rows: name, unit, meaning | values ]
 *
 * Each process has a counters.tbl, included twice: once as a struct of
 * _Atomic uint64_t (the values), once as rows (name, unit, meaning, place). The
 * rows are copied into the segment, so an inspector of another build prints
 * them too.
 *
 * Writer    one process; counters_add() is a relaxed load and store, not a
 *           fetch_add, because nobody else writes.
 * Restart   a process that starts again opens its old segment and goes on
 *           counting if the rows are the same; otherwise it makes a new one.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/shared_memory.h"

enum counter_unit {
    UNIT_COUNT,
    UNIT_MESSAGES,
    UNIT_RECORDS,
    UNIT_REQUESTS,
    UNIT_BYTES,
    UNIT_NANOSECONDS,
    UNIT_GAUGE, /* may go down */
};

struct counter_row {
    const char *name;
    enum counter_unit unit;
    const char *meaning;
    size_t offset; /* in the struct of values */
};

static inline void counter_add(_Atomic uint64_t *counter, uint64_t amount)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);

    atomic_store_explicit(counter, value + amount, memory_order_relaxed);
}

static inline void counter_set(_Atomic uint64_t *counter, uint64_t value)
{
    atomic_store_explicit(counter, value, memory_order_relaxed);
}

/*
 * Open the counters segment `name` of this process, or make it, and point
 * *values at the values (`values_length` bytes).
 *
 * Returns 0 or a negative errno with its sentence.
 */
int counters_open(const char *name, const struct counter_row *rows,
                  size_t row_count, size_t values_length,
                  struct shared_memory *memory, void **values);

#define COUNTER_NAME_SIZE    64
#define COUNTER_MEANING_SIZE 256

/* One counter as a reader finds it: a copy, texts ended by NUL. */
struct counter_view {
    char name[COUNTER_NAME_SIZE];
    char meaning[COUNTER_MEANING_SIZE];
    enum counter_unit unit;
    uint64_t value;
};

/* How many rows a mapped counters segment has; 0 if it is damaged. */
size_t counters_count(const struct shared_memory *memory);

/* Copy row `index`; false if the segment's numbers do not add up. */
bool counters_read(const struct shared_memory *memory, size_t index,
                   struct counter_view *view);

#define COUNTERS_MAGIC   SEGMENT_MAGIC('N', '2', 'K', 'C', 'O', 'U', 'N', 'T')
#define COUNTERS_VERSION 1
