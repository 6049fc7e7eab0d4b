/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * queue_set - all queues of the bridge, as ingest writes and finishes them.
 *
 * Ingest holds the writing end of every queue. Records are reserved one by one
 * and published together at the end of a turn: one release store per queue
 * that got any, then one kick per egress worker that sleeps.
 *
 * Returns   0; a QUEUE_* condition; or a negative errno with its sentence.
 */

#include "shard/layout.h"
#include "shard/queue_producer.h"
#include "shard/wakeup.h"

struct queue_set {
    struct layout layout;
    struct queue_producer *producers; /* layout.queue_count of them */
    size_t open_count;                /* of producers */
    size_t *touched;                  /* queues with unpublished records */
    size_t touched_count;
    bool *is_touched;
    size_t roomiest;       /* the queue keyless records go to for now */
    unsigned worker_count; /* whose wake-up descriptors we have */
    struct shared_memory wakeup_memory;
    struct wakeup_segment *wakeups;
    uint64_t kick_count; /* since the start */
};

/* Take the writing end of every queue of the bridge called `bridge`. */
int queue_set_open(const char *bridge, unsigned worker_count,
                   struct queue_set *set);

/* Legal on a zeroed set and after a failed open. */
void queue_set_close(struct queue_set *set);

/* Reserve a record in queue `index`: see queue_reserve(). */
int queue_set_reserve(struct queue_set *set, size_t index, size_t length,
                      struct record_header **record);

/* Publish what was reserved, wake who sleeps. Returns the queues published. */
int queue_set_publish(struct queue_set *set);

/*
 * The queue with the most room. It is chosen anew with each publish, so that
 * keyless records of one turn run into one queue, and into one aggregate.
 */
static inline size_t queue_set_roomiest(const struct queue_set *set)
{
    return set->roomiest;
}

/* Free bytes: of the fullest queue, and of all together. */
uint64_t queue_set_least_room(const struct queue_set *set);
uint64_t queue_set_total_room(const struct queue_set *set);

/*
 * True if egress has decided records since ingest looked last. A queue whose
 * next record has to wait (queue_show_again()) does not count.
 */
bool queue_set_has_decided(struct queue_set *set);

/* True if no record is left to send or to finish. */
bool queue_set_is_drained(const struct queue_set *set);

/* The own place in the wake-up segment. */
static inline struct wakeup_place *queue_set_own_place(struct queue_set *set)
{
    return &set->wakeups->places[WAKEUP_INGEST];
}
