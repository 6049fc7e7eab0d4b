/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * source_table - which nsqd, topic and channel a record's source number means.
 *
 * A segment with one row per source that ingest has met, in the order of
 * meeting. Rows are never changed or removed, so a number keeps its meaning
 * over restarts of ingest, and the inspector can print an address. Ingest
 * alone writes: the row first, then `count` with release (edge S1).
 *
 * Beside it stands the count of connections that were ever made: each gets an
 * incarnation that no other has had, so that a record remembers which one can
 * finish it, also after a restart of ingest.
 */

#include <stdbool.h>

#include "common/shared_memory.h"

#define SOURCE_MAGIC         SEGMENT_MAGIC('N', '2', 'K', 'S', 'O', 'U', 'R', 'C')
#define SOURCE_VERSION       1
#define SOURCES_MOST         1024
#define SOURCE_NAME_CAPACITY 512

struct source_row {
    char name[SOURCE_NAME_CAPACITY]; /* "host:port topic channel" */
};

struct source_segment {
    struct segment_head head;
    _Atomic uint64_t count;        /* rows that are whole */
    _Atomic uint64_t incarnations; /* given so far */
    struct source_row rows[SOURCES_MOST];
};

struct source_table {
    struct shared_memory memory;
    bool was_replaced; /* by the last open: it was damaged, or half made */
    struct source_segment *segment;
};

enum source_condition {
    SOURCE_TABLE_FULL = 1, /* more than SOURCES_MOST different nsqd */
};

/*
 * Open the table, or make it. One that is damaged, half made or of another
 * build is set aside and replaced: records of before have no source then, so
 * nobody FINs them and nsqd delivers them again.
 *
 * Returns 0 or a negative errno with its sentence.
 */
int source_table_open(const char *name, struct source_table *table);
void source_table_close(struct source_table *table);

/*
 * The number of `name`, which gets a new row if it has none.
 * Returns 0 or SOURCE_TABLE_FULL.
 */
int source_table_intern(struct source_table *table, const char *name,
                        uint16_t *source);

/* A number for a new connection; 0 is never given. */
uint32_t source_table_next_incarnation(struct source_table *table);
