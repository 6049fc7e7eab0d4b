/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * queue_view - a read-only look at a live or dead queue; trusts no number.
 *
 * Maps the segment for reading only, takes no lock, writes nothing, so it works
 * beside running processes and after all of them are dead. A live queue moves
 * on while one looks: a record is copied first and believed afterwards, if
 * `finished` has not passed it meanwhile. So what is called damage here is
 * damage, not a record that was reused under the eyes of the reader.
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

/* The records of the last batch: positions, who noted it when, its parts. */
struct queue_view_intent {
    uint64_t first;
    uint64_t end;
    uint64_t epoch;
    int64_t wall_ns;   /* since 1970 */
    bool is_sound;     /* its checksum is right */
    size_t part_count; /* aggregates; 0: no count there can be */
    struct queue_part parts[QUEUE_PARTS_MOST];
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
    struct queue_view_intent intent;
};

/* Returns 0, QUEUE_ABSENT, QUEUE_WRONG_LAYOUT or a negative errno. */
int queue_view_open(const char *name, struct queue_view *view);
void queue_view_close(struct queue_view *view);

/*
 * Returns 0 or QUEUE_CORRUPT; *state is filled in either way, in the latter
 * case with the numbers as they stand, for people.
 */
int queue_view_look(const struct queue_view *view,
                    struct queue_view_state *state);

enum queue_view_condition {
    QUEUE_VIEW_OVERRUN = 100, /* the record was finished while it was read */
    QUEUE_VIEW_CHECKSUM,      /* the record is not what ingest wrote */
};

/*
 * Copy the record at *position (a record boundary below `committed`) into
 * `memory`, which is aligned for a record_header and has room for one, and
 * move *position behind it, padding skipped. A record longer than `capacity`
 * is cut behind its header; its checksum then counts as right.
 *
 * Returns 0, QUEUE_EMPTY, QUEUE_CORRUPT or a QUEUE_VIEW_* condition. After
 * QUEUE_VIEW_CHECKSUM the copy is there and *position has moved; after
 * QUEUE_VIEW_OVERRUN there is no copy, and *position is the oldest record that
 * is left. The fields checked to stay inside the record are those of the copy.
 */
int queue_view_read(const struct queue_view *view, uint64_t *position,
                    void *memory, size_t capacity);
