/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * segments - which segments of which bridges there are, found by their names.
 *
 * A bridge that died leaves its segments behind and nobody to ask, so the
 * inspector lists the folder of shared memory. shard/segment_name.h says what
 * the names look like; a bridge's name may itself contain dots, so they are
 * read from their end.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shard/segment_name.h"

#define SEGMENT_BRIDGE_CAPACITY 65 /* with its NUL */
#define SEGMENT_ROLE_CAPACITY   64 /* with its NUL */

enum segment_kind {
    SEGMENT_LAYOUT,
    SEGMENT_WAKEUP,
    SEGMENT_SOURCES,
    SEGMENT_COUNTERS,
    SEGMENT_QUEUE,
};

struct segment_entry {
    struct segment_name name; /* with its '/' */
    char bridge[SEGMENT_BRIDGE_CAPACITY];
    enum segment_kind kind;
    uint32_t generation;              /* of a queue */
    uint32_t index;                   /* of a queue */
    char role[SEGMENT_ROLE_CAPACITY]; /* of counters: ingest, egress-0 ... */
};

struct segment_list {
    struct segment_entry *entries; /* sorted by segment_entry_compare() */
    size_t count;
};

/*
 * Parse a name with its '/'. Returns false if no bridge gives such a name, and
 * leaves *entry.
 */
bool segment_entry_parse(const char *name, struct segment_entry *entry);

/* By bridge, kind, generation, index and role, as qsort() wants it. */
int segment_entry_compare(const void *a, const void *b);

/*
 * Find the segments of the bridge `bridge`, of all bridges if it is NULL. The
 * caller ends the list with segment_list_deinit().
 *
 * Returns 0 or a negative errno with its sentence.
 */
int segment_list_read(const char *bridge, struct segment_list *list);
void segment_list_deinit(struct segment_list *list);
