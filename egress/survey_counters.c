/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/survey_counters.h"

#include "common/bytes.h"
#include "common/counters.h"
#include "shard/segment_name.h"

struct survey_counters {
#define COUNTER(name, unit, meaning) _Atomic uint64_t name;
#include "egress/survey_counters.tbl"
};

static const struct counter_row rows[] = {
#define COUNTER(name, unit, meaning)                                           \
    { #name, UNIT_##unit, meaning, offsetof(struct survey_counters, name) },
#include "egress/survey_counters.tbl"
};

int survey_counters_add(const char *bridge,
                        const struct segments_report *report)
{
    struct segment_name name = segment_name_of_counters(bridge, "survey");
    struct shared_memory memory = SHARED_MEMORY_NULL;
    struct survey_counters *counters;
    void *values = NULL;
    int result = counters_open(name.text, rows, ARRAY_LENGTH(rows),
                               sizeof(*counters), &memory, &values);

    if (result)
        return result;
    counters = values;
    counter_add(&counters->surveys, 1);
    counter_add(&counters->queues_adopted, report->adopted_count);
    counter_add(&counters->queues_missing, report->missing_count);
    counter_add(&counters->segments_set_aside, report->damage_count);
    shared_memory_close(&memory);
    return 0;
}
