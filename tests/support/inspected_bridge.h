/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * inspected_bridge - the segments of a bridge, and the real inspector's look.
 *
 * Two queues of generation 1 for shardId-000000000000 (a quarter of the hash
 * keys) and shardId-000000000001, their layout, four sources and the counters
 * of one process. INSPECTOR in the environment says where the program is.
 */

#include <cjson/cJSON.h>

#include "shard/segment_name.h"
#include "tests/support/program_run.h"
#include "tests/support/queue_fixture.h"

#define INSPECTED_CAPACITY 4096 /* bytes of each ring */
#define INSPECTED_LENGTH   200  /* key and body of each record */

struct inspected_bridge {
    char name[32];
    char name_option[48];         /* --name=... */
    struct queue_fixture fixture; /* queue 0, both ends held by this process */
    struct segment_name second;   /* queue 1, empty and never held */
    struct program_run run;       /* the last look */
};

/* One per process. */
void inspected_bridge_init(struct inspected_bridge *bridge);
void inspected_bridge_deinit(struct inspected_bridge *bridge);

/* Make queue 1 (again). */
void inspected_bridge_make_second(struct inspected_bridge *bridge);

/* Write and publish `count` records into queue 0. */
void inspected_bridge_write(struct inspected_bridge *bridge, uint64_t serial,
                            size_t count);

/* Three records in queue 0: one decided, one on its way, one waiting. */
void inspected_bridge_fill(struct inspected_bridge *bridge);

/* Run the inspector with up to four arguments; returns its exit status. */
int inspected_bridge_look(struct inspected_bridge *bridge, const char *first,
                          const char *second, const char *third,
                          const char *fourth);

/*
 * The JSON object number `index` of those of one kind in the last output; NULL
 * if there are not so many. The caller deletes it. Ends the test if a line of
 * the output is no JSON object.
 */
cJSON *inspected_bridge_line(const struct inspected_bridge *bridge,
                             const char *kind, int index);
int inspected_bridge_count_lines(const struct inspected_bridge *bridge,
                                 const char *kind);
