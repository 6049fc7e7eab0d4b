/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * queue_view - a read-only look at a live or dead queue; trusts no number.
 *
 * Maps the segment for reading only, takes no lock, writes nothing, so it works
 * beside running processes and after all of them are dead. A live queue moves
 * on while one looks: a record is copied first and believed afterwards, if
 * `finished` has not passed it meanwhile.
 */

#include "shard/queue_segment.h"

struct queue_view {
    struct queue_segment segment;
};

/* One end of the queue. */
struct queue_view_lease {
    uint64_t pid; /* 0: never taken */
    uint64_t epoch;
    uint64_t owner; /* egress: worker index */
    bool is_alive;  /* that very process runs now */
};

struct queue_view_state {
    uint64_t capacity;
    uint32_t generation;
    uint32_t index;
    struct hash_key first; /* hash key range, inclusive */
    struct hash_key last;
    struct queue_snapshot positions;
    struct queue_view_lease producer;
    struct queue_view_lease consumer;
    uint64_t batch;  /* number of the last one */
    bool has_intent; /* it is on its way, or was when the worker died */
};

/* Returns 0, QUEUE_ABSENT, QUEUE_WRONG_LAYOUT or a negative errno. */
int queue_view_open(const char *name, struct queue_view *view);
void queue_view_close(struct queue_view *view);

/* Returns 0 or QUEUE_CORRUPT. */
int queue_view_look(const struct queue_view *view,
                    struct queue_view_state *state);

enum queue_view_condition {
    QUEUE_VIEW_OVERRUN = 100, /* the record was reused while it was copied */
    QUEUE_VIEW_CHECKSUM,      /* the record is not what ingest wrote */
};

/*
 * Copy the record at *position (a record boundary below `committed`) into
 * `memory` and move *position behind it, padding skipped. A record longer than
 * `capacity` is copied as far as its header and cut; its checksum then counts
 * as right.
 *
 * Returns 0, QUEUE_EMPTY, QUEUE_CORRUPT or a QUEUE_VIEW_* condition; after the
 * latter *position has moved and the copy is there.
 */
int queue_view_read(const struct queue_view *view, uint64_t *position,
                    void *memory, size_t capacity);
