/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * queue_segment - make a queue, or attach to one and check its numbers.
 *
 * What both ends and the inspector have in common. Records and positions are
 * looked at in queue_producer, queue_consumer and queue_view.
 */

#include <stdbool.h>

#include "common/bytes.h"
#include "common/shared_memory.h"
#include "shard/hash_key.h"
#include "shard/queue_layout.h"

enum queue_condition {
    QUEUE_FULL = 1,     /* no room yet: try again after a finish */
    QUEUE_TOO_LONG,     /* no room ever: refuse the record */
    QUEUE_EMPTY,        /* nothing (more) to read or to finish */
    QUEUE_TAKEN,        /* another process holds this end */
    QUEUE_ABSENT,       /* there is no such queue */
    QUEUE_WRONG_LAYOUT, /* made by another version, or by somebody else */
    QUEUE_CORRUPT,      /* a number in it cannot be true: stop using it */
    QUEUE_FENCED,       /* this end was taken over: stop at once */
};

struct queue_segment {
    struct shared_memory memory;
    struct queue_positions *positions;
    uint8_t *ring;
    uint64_t capacity; /* bytes, checked; a power of two */
};

struct queue_plan {
    uint64_t capacity; /* bytes of the ring: a power of two */
    uint32_t generation;
    uint32_t index;
    struct hash_key first; /* hash key range, inclusive */
    struct hash_key last;
};

/* Make an empty queue. Returns 0 or a negative errno with its sentence. */
int queue_create(const char *name, const struct queue_plan *plan);

/*
 * Attach. Returns 0, QUEUE_ABSENT, QUEUE_WRONG_LAYOUT, or a negative errno.
 * Legal to close after any result.
 */
int queue_segment_open(const char *name, enum shared_memory_access access,
                       struct queue_segment *segment);
void queue_segment_close(struct queue_segment *segment);

/*
 * True if the head says what `plan` says: this is the queue that its name and
 * its layout promise.
 */
bool queue_segment_is(const struct queue_segment *segment,
                      const struct queue_plan *plan);

/* The queue's index in its layout. */
uint32_t queue_segment_index(const struct queue_segment *segment);

/*
 * The sentence for a condition of opening an end: "another worker reads" or
 * "another ingest writes" the queue `name`. Returns a negative errno: -EUCLEAN
 * unless the end is taken.
 */
int queue_complain(int condition, const char *holder, const char *name);

/*
 * Which undecided records of a batch travel in one aggregate, and by which
 * numbers a reader of the stream knows its copies.
 */
struct queue_part {
    struct hash_key first; /* range of hash keys, inclusive */
    struct hash_key last;
    bool takes_keyless; /* records without a partition key, too */
    uint64_t epoch;     /* of the worker that divided it off */
    uint64_t number;    /* unique in this queue and epoch; 0: none yet */
};

/* True if the verdict is one that egress gives to a record it has decided. */
static inline bool record_verdict_is_final(uint8_t verdict)
{
    return verdict == VERDICT_DELIVERED ||
           verdict == VERDICT_REFUSED_TOO_LARGE ||
           verdict == VERDICT_REFUSED_BY_KINESIS;
}

/*
 * XXH3 over what an intent says, as the one of batch `number`; 0 if its count
 * of parts cannot be.
 */
uint64_t queue_intent_checksum(const struct queue_intent *intent,
                               uint64_t number);

/* Read a part of an intent, as it stands: nothing is checked. */
struct queue_part queue_part_read(const struct queue_intent_part *place);

/* The three positions, read once and checked against each other. */
struct queue_snapshot {
    uint64_t finished;
    uint64_t released;
    uint64_t committed;
};

/*
 * Returns 0 or QUEUE_CORRUPT. While both ends run, positions move between the
 * three loads; they are loaded in the order in which that does no harm.
 */
int queue_snapshot(const struct queue_segment *segment,
                   struct queue_snapshot *snapshot);

/* Bytes a record with `length` bytes of key and body takes in the ring. */
static inline uint64_t record_space(uint64_t length)
{
    return (length + sizeof(struct record_header) + RECORD_ALIGNMENT - 1) &
           ~(uint64_t)(RECORD_ALIGNMENT - 1);
}

static inline struct bytes record_key(const struct record_header *record)
{
    return bytes_of(record + 1, record->key_length);
}

static inline struct bytes record_body(const struct record_header *record)
{
    size_t before = sizeof(*record) + record->key_length;

    return bytes_of((const uint8_t *)record + before, record->length - before);
}

/*
 * XXH3 over what a message is: id, time stamp, hash key, partition key and
 * body. Not over what may differ between two deliveries of the same message
 * (attempts, source, incarnation) nor over the verdict, so that the checksum
 * also tells whether two records carry the same message.
 */
uint64_t record_checksum(const struct record_header *record);

/* The checksum that a record of this header, key and body would have. */
uint64_t record_checksum_of(const struct record_header *header,
                            struct bytes key, struct bytes body);

/*
 * True if the numbers of a message or of padding stay inside both the ring,
 * which ends `till_end` bytes behind its beginning, and the `available` bytes
 * that are published. Of padding only the first 8 bytes are looked at.
 */
bool record_is_sound(const struct record_header *record, uint64_t till_end,
                     uint64_t available);

/*
 * Find the record at `position`, which must lie below `end`, and check that
 * its numbers stay inside both the ring and `end`. Padding counts as a record.
 *
 * Returns 0 or QUEUE_CORRUPT.
 */
int queue_record_at(const struct queue_segment *segment, uint64_t position,
                    uint64_t end, struct record_header **record);

/* True if the process that wrote the lease last is running. */
bool queue_lease_is_alive(const struct queue_lease *lease);

/* Write a lease; `owner` is the worker index of egress, 0 for ingest. */
void queue_take_lease(struct queue_lease *lease, uint64_t owner);
