/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/egress_counters.h"

#include <stdio.h>

#include "common/bytes.h"
#include "shard/segment_name.h"

static const struct counter_row rows[] = {
#define COUNTER(name, unit, meaning)                                           \
    { #name, UNIT_##unit, meaning, offsetof(struct egress_counters, name) },
#include "egress/counters.tbl"
};

int egress_counters_open(const char *bridge, unsigned index,
                         struct shared_memory *memory,
                         struct egress_counters **counters)
{
    struct segment_name name;
    void *values = NULL;
    char role[32];
    int result;

    (void)snprintf(role, sizeof(role), "egress-%u", index);
    name = segment_name_of_counters(bridge, role);
    result = counters_open(name.text, rows, ARRAY_LENGTH(rows),
                           sizeof(**counters), memory, &values);
    *counters = values;
    return result;
}
