/* SPDX-License-Identifier: Apache-2.0 */

#include "shard/segment_name.h"

#include <stdio.h>

struct segment_name segment_name_of(const char *bridge, const char *part)
{
    struct segment_name name;

    (void)snprintf(name.text, sizeof(name.text), SEGMENT_NAME_PREFIX "%s.%s",
                   bridge, part);
    return name;
}

struct segment_name segment_name_of_counters(const char *bridge,
                                             const char *role)
{
    char part[64];

    (void)snprintf(part, sizeof(part), "counters.%s", role);
    return segment_name_of(bridge, part);
}

struct segment_name segment_name_of_queue(const char *bridge,
                                          uint32_t generation, uint32_t index)
{
    char part[64];

    (void)snprintf(part, sizeof(part), "g%u.q%u", generation, index);
    return segment_name_of(bridge, part);
}

struct segment_name segment_name_of_damaged(const struct segment_name *name)
{
    struct segment_name damaged;

    (void)snprintf(damaged.text, sizeof(damaged.text), "%.*s.damaged",
                   SEGMENT_NAME_CAPACITY - 16, name->text);
    return damaged;
}
