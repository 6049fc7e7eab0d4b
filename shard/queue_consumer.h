/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * queue_consumer - the reading end of one shard's queue.
 *
 *   peek > intend > send > verdict > release
 *
 * Process   egress. A queue has one consumer; a second open is refused, and
 *           one that was stopped, replaced and woken again is fenced.
 * Thread    the worker's main thread. Nothing here may be called from two.
 * Owns      `released`, the verdicts, the intents. Never writes anything else.
 * Lifetime  the queue outlives both processes. A restarted worker begins at
 *           `released` and finds in the intent what its predecessor was
 *           sending.
 * Units     positions in bytes, as in queue_layout.h.
 * Returns   0; or a QUEUE_* condition, which the caller must handle; or a
 *           negative errno, which the caller must pass up unchanged.
 */

#include "common/clock.h"
#include "shard/queue_segment.h"

/* In the caller's memory; the members belong to queue_consumer.c. */
struct queue_consumer {
    struct queue_segment segment;
    uint64_t committed; /* as last seen and checked */
    uint64_t released;  /* as last published */
    uint64_t epoch;     /* of this tenure; another one in the lease fences us */
};

/* What one PutRecords round trip carries of this queue. */
struct queue_batch {
    uint64_t number;       /* grows by one per intent of this queue */
    uint64_t epoch;        /* of the worker that noted it */
    uint64_t first;        /* position of the first record */
    uint64_t end;          /* position behind the last one */
    struct wall_time sent; /* first */
    size_t part_count;
    struct queue_part parts[QUEUE_PARTS_MOST]; /* their ranges are disjoint */
};

/*
 * Take the reading end of the queue called `name` for worker `owner`.
 *
 * Returns 0, QUEUE_TAKEN, QUEUE_ABSENT, QUEUE_WRONG_LAYOUT, QUEUE_CORRUPT or
 * a negative errno. Legal to close after any result.
 */
int queue_consumer_open(const char *name, uint64_t owner,
                        struct queue_consumer *consumer);

/*
 * The second half of an open, for a segment that is already attached to
 * consumer->segment; see queue_producer_begin().
 *
 * Returns 0 or QUEUE_CORRUPT.
 */
int queue_consumer_begin(struct queue_consumer *consumer, uint64_t owner);

/* Detach. The queue and its records stay. */
void queue_consumer_close(struct queue_consumer *consumer);

/*
 * Read the record at *position (at least `released`) and move *position behind
 * it. The record stays readable until it is released.
 *
 * Returns 0, QUEUE_EMPTY (*position has reached what is published) or
 * QUEUE_CORRUPT.
 */
int queue_peek(struct queue_consumer *consumer, uint64_t *position,
               struct record_header **record);

/*
 * Bytes published and not released, padding included, as of now. Returns the
 * capacity when `committed` makes no sense: queue_peek() tells then.
 */
uint64_t queue_depth(struct queue_consumer *consumer);

/*
 * Note, before the first byte is sent, that the batch's records are on their
 * way, divided into its parts. The caller has set first, end, sent and the
 * parts; the batch gets its number, and so does every part that has none.
 */
void queue_intend(struct queue_consumer *consumer, struct queue_batch *batch);

/*
 * What was intended last and is not released: the batch that a predecessor may
 * have sent. Returns 0, QUEUE_EMPTY if there is none, or QUEUE_CORRUPT.
 */
int queue_intended(struct queue_consumer *consumer, struct queue_batch *batch);

/*
 * Declare everything before `position` decided; the verdicts of those records
 * must be set. `position` must be one that queue_peek() gave.
 *
 * Returns 0, or QUEUE_FENCED if another worker has taken this end.
 */
int queue_release(struct queue_consumer *consumer, uint64_t position);

/* To be asked before anything is sent: 0 or QUEUE_FENCED. */
int queue_check_epoch(const struct queue_consumer *consumer);

/* True if the process that took the writing end last is running. */
bool queue_has_living_producer(const struct queue_consumer *consumer);

static inline void record_set_verdict(struct record_header *record,
                                      enum record_verdict verdict)
{
    record->verdict = (uint8_t)verdict;
}
