/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * queue_producer - the writing end of one shard's queue.
 *
 *          ingest               shared memory            egress
 *   reserve > fill > publish   [ r | r | r ]  peek > send > verdict > release
 *   finish  < decided <--------- verdicts ------------------+
 *
 * Process   ingest. A queue has one producer; a second open is refused.
 * Thread    the ingest main thread. Nothing here may be called from two.
 * Owns      `committed` and `finished`. Reads `released`, never writes it.
 * Lifetime  the queue outlives both processes. A restarted ingest opens it
 *           again and continues after the last published record; a record
 *           reserved but not published never existed.
 * Units     lengths and positions in bytes. Positions only grow; the place
 *           in the ring is position % capacity.
 * Returns   0; or a QUEUE_* condition, which the caller must handle; or a
 *           negative errno, which the caller must pass up unchanged.
 */

#include "shard/queue_segment.h"

/* In the caller's memory; the members belong to queue_producer.c. */
struct queue_producer {
    struct queue_segment segment;
    uint64_t reserved;  /* end of what was written, published or not */
    uint64_t committed; /* as last published */
    uint64_t released;  /* as last seen and checked */
    uint64_t decided;   /* next record that queue_decided() shows */
    uint64_t shown;     /* where the one begins that it showed last */
    uint64_t finished;  /* as last published */
};

/*
 * Take the writing end of the queue called `name`.
 *
 * Returns 0, QUEUE_TAKEN, QUEUE_ABSENT, QUEUE_WRONG_LAYOUT, QUEUE_CORRUPT or
 * a negative errno. Legal to close after any result.
 */
int queue_producer_open(const char *name, struct queue_producer *producer);

/*
 * The second half of an open, for a segment that is already attached to
 * producer->segment: check the positions and begin where they stand. Tests
 * call it to put both ends on one mapping.
 *
 * Returns 0 or QUEUE_CORRUPT.
 */
int queue_producer_begin(struct queue_producer *producer);

/* Detach. The queue and its records stay. */
void queue_producer_close(struct queue_producer *producer);

/*
 * Reserve room for a record with `length` bytes of key and body, and point
 * *record at its header. `length` and `kind` are filled in and the verdict is
 * VERDICT_NONE; the caller fills in the rest, key and body behind the header,
 * and the checksum last. Records reserved since the last publish are invisible
 * to egress and vanish with this process. Never blocks.
 *
 * Returns 0, QUEUE_FULL or QUEUE_TOO_LONG.
 */
int queue_reserve(struct queue_producer *producer, size_t length,
                  struct record_header **record);

/* Publish every record reserved so far: once per batch, not per record. */
void queue_publish(struct queue_producer *producer);

/*
 * Show the next record that egress has decided. The record's place stays its
 * own until queue_finish().
 *
 * Returns 0, QUEUE_EMPTY (nothing more is decided) or QUEUE_CORRUPT.
 */
int queue_decided(struct queue_producer *producer,
                  struct record_header **record);

/* The record that queue_decided() showed last is shown next time again. */
void queue_show_again(struct queue_producer *producer);

/* Give back the room of every record that queue_decided() has shown. */
void queue_finish(struct queue_producer *producer);

/*
 * Walk the records that are not finished, published or not, oldest first, as
 * for TOUCH: start with *position = queue_oldest(), each call moves it on.
 *
 * Returns 0, QUEUE_EMPTY or QUEUE_CORRUPT.
 */
uint64_t queue_oldest(const struct queue_producer *producer);
int queue_walk(const struct queue_producer *producer, uint64_t *position,
               struct record_header **record);

/* Bytes that are free now, padding not considered. */
static inline uint64_t queue_room(const struct queue_producer *producer)
{
    return producer->segment.capacity -
           (producer->reserved - producer->finished);
}

/* True if nothing is left to send or to finish. */
static inline bool queue_is_drained(const struct queue_producer *producer)
{
    return producer->finished == producer->reserved;
}

/* Worker index of the egress that holds the other end; may be anything. */
uint64_t queue_egress_owner(const struct queue_producer *producer);
