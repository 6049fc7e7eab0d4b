/* SPDX-License-Identifier: Apache-2.0 */

#include "ingest/ingest_counters.h"

#include "common/bytes.h"
#include "shard/segment_name.h"

static const struct counter_row rows[] = {
#define COUNTER(name, unit, meaning)                                           \
    { #name, UNIT_##unit, meaning, offsetof(struct ingest_counters, name) },
#include "ingest/counters.tbl"
};

int ingest_counters_open(const char *bridge, struct shared_memory *memory,
                         struct ingest_counters **counters)
{
    struct segment_name name = segment_name_of_counters(bridge, "ingest");
    void *values = NULL;
    int result = counters_open(name.text, rows, ARRAY_LENGTH(rows),
                               sizeof(**counters), memory, &values);

    *counters = values;
    return result;
}
