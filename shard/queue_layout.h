/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * queue_layout - the bytes of one queue in shared memory. Types only.
 *
 * A queue carries the records of one hash key range from ingest to egress:
 * one writer, one reader, in two processes that may die at any instruction.
 *
 *   0        struct queue_head        who made it, sizes, hash range
 *   4096     struct queue_positions   three positions, leases, intents
 *   8192     the ring: `capacity` bytes, a power of two
 *
 * The ring holds records of different length, each aligned to 8 bytes:
 *
 *      finished          released              committed
 *         |                 |                      |
 *   ......[ r | r | r | r | r ][ r | r | r | pad ][ r ]........
 *         |  FIN these      |  in flight or        |  being written,
 *         |                 |  waiting for egress  |  invisible
 *
 * Positions count bytes since the queue was made and only grow; the place in
 * the ring is position % capacity. 64 bits last for 500 years at 1 GB/s, and
 * nothing below depends on them not wrapping except the comparison "<=".
 *
 *   finished <= released <= committed <= finished + capacity, always.
 *
 * A record never wraps. Where one would, a padding record fills the ring to
 * its end and the record starts at the beginning. Padding needs 8 bytes, and
 * alignment leaves at least 8. A record is at most half of the ring, so that
 * padding and record together always fit into an empty one.
 *
 * Who writes what
 *
 *   field                  writer  read by      edge
 *   head                   survey  everybody    the magic, published last
 *   committed              ingest  egress       Q1
 *   record, but verdict    ingest  egress       Q1, published by committed
 *   released               egress  ingest       Q2
 *   verdict                egress  ingest       Q2, published by released
 *   finished               ingest  inspector    none needed: ingest alone
 *                                               reuses the room
 *   incarnation            ingest  ingest       none: nobody else looks
 *   lease of one end       that end             for people; the lock decides
 *   intents, batch         egress  next egress  Q3
 *
 * Edges
 *
 *   Q1  queue_publish() stores `committed` with release after the records it
 *       covers are whole; queue_peek() loads it with acquire before it reads
 *       any of them.
 *   Q2  queue_release() stores `released` with release after the verdicts it
 *       covers; queue_decided() loads it with acquire before it reads any.
 *   Q3  queue_intend() fills in the intent slot that is not current, then
 *       stores `batch` with release; a new worker loads `batch` with acquire
 *       and so finds a whole intent, the new one or the one before. It holds
 *       everything the bytes of the batch depend on: which records, and how
 *       they are divided among aggregates.
 *
 * Room needs no edge. Ingest learns from `released` (Q2) that egress is done
 * reading the records before it, and ingest alone overwrites them, after it
 * has moved `finished` past them.
 *
 * Killed at any instruction
 *
 *   ingest, while it fills records: they lie beyond `committed` and never
 *       existed. The next ingest starts at `committed` and overwrites them.
 *   ingest, after the FINs, before `finished` moved: the next one finds the
 *       records decided and FINs them again, or notes them for redelivery.
 *   egress, while a request is on its way: `released` has not moved and the
 *       intent says which records were in which aggregate, so the next worker
 *       sends the same bytes again, whatever shard map it begins with.
 *   egress, between verdicts and `released`: the verdicts are repeated.
 *   the machine: shared memory is gone; nsqd delivers again what has no FIN.
 *
 * Every number here was written by another process and is checked before use.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "common/shared_memory.h"

#define QUEUE_MAGIC   SEGMENT_MAGIC('N', '2', 'K', 'Q', 'U', 'E', 'U', 'E')
#define QUEUE_VERSION 3

#define QUEUE_CAPACITY_LEAST 4096
#define QUEUE_CAPACITY_MOST  (UINT64_C(1) << 32)

/* Places of the two locks (shared_memory_lock). */
#define QUEUE_LOCK_PRODUCER 0
#define QUEUE_LOCK_CONSUMER 1

/*
 * Two cache lines: Intel's adjacent-line prefetch makes a pair of lines move
 * together, so positions of different writers stay a pair apart.
 */
#define QUEUE_SEPARATION 128

/* Written once by the survey that makes the queue. */
struct queue_head {
    struct segment_head segment;
    uint64_t capacity;         /* bytes of the ring, a power of two */
    uint32_t index;            /* of this queue in its layout */
    uint32_t record_header;    /* sizeof(struct record_header) */
    uint64_t positions_offset; /* from the start of the segment */
    uint64_t ring_offset;      /* from the start of the segment */
    uint64_t first_hash_high;  /* the queue's hash key range, inclusive */
    uint64_t first_hash_low;
    uint64_t last_hash_high;
    uint64_t last_hash_low;
};

/* Who holds one end. The lock is the authority; this is for people. */
struct queue_lease {
    _Atomic uint64_t pid;        /* 0: never held */
    _Atomic uint64_t start_time; /* of that process, in ticks since boot */
    _Atomic uint64_t epoch;      /* grows by one each time the end is taken */
    _Atomic uint64_t owner;      /* egress: worker index */
};

/*
 * Aggregates of one batch. A batch ends where it would need one more: that is,
 * when its queue has come to feed more shards than this.
 */
#define QUEUE_PARTS_MOST 24

/* One aggregate: the undecided records whose hash keys are in the range. */
struct queue_intent_part {
    _Atomic uint64_t first_high; /* range of hash keys, inclusive */
    _Atomic uint64_t first_low;
    _Atomic uint64_t last_high;
    _Atomic uint64_t last_low;
    _Atomic uint64_t takes_keyless; /* 1: the records without a key, too */
    _Atomic uint64_t epoch;  /* of the worker that divided it off; with number
                               it makes the tag */
    _Atomic uint64_t number; /* grows by one or more per part of this queue */
};

/* The records that are in one PutRecords round trip. */
struct queue_intent {
    _Atomic uint64_t first;      /* position of the first record */
    _Atomic uint64_t end;        /* position behind the last one */
    _Atomic uint64_t epoch;      /* of the worker that noted it */
    _Atomic uint64_t wall_ns;    /* when, since 1970 */
    _Atomic uint64_t part_count; /* of parts, at least 1 */
    _Atomic uint64_t checksum;   /* queue_intent_checksum() */
    struct queue_intent_part parts[QUEUE_PARTS_MOST];
};

struct queue_positions {
    /* ingest */
    _Alignas(QUEUE_SEPARATION) _Atomic uint64_t committed;
    _Alignas(QUEUE_SEPARATION) _Atomic uint64_t finished;
    _Alignas(QUEUE_SEPARATION) struct queue_lease producer;
    /* egress */
    _Alignas(QUEUE_SEPARATION) _Atomic uint64_t released;
    _Alignas(QUEUE_SEPARATION) struct queue_lease consumer;
    _Alignas(QUEUE_SEPARATION) _Atomic uint64_t batch; /* current: % 2 */
    struct queue_intent intents[2];
};

enum record_kind {
    RECORD_MESSAGE = 1,
    RECORD_PADDING = 2, /* only `length` and `kind` mean anything */
};

/*
 * Any two differ in four bits: a verdict is not in the checksum, which ingest
 * writes, and no flipped bit may turn one into another.
 */
enum record_verdict {
    VERDICT_NONE = 0x00,      /* not decided */
    VERDICT_DELIVERED = 0x0f, /* stored on a shard that covers it: FIN */
    VERDICT_REFUSED_TOO_LARGE = 0x33,  /* no record of this size is taken */
    VERDICT_REFUSED_BY_KINESIS = 0x55, /* refused for good for another reason */
};

/* In front of every record; partition key and body follow without a gap. */
struct record_header {
    uint32_t length;      /* header, key and body; the next record begins at
                             the next multiple of 8 */
    uint8_t kind;         /* enum record_kind */
    uint8_t verdict;      /* enum record_verdict */
    uint16_t key_length;  /* bytes; 0: no key, any shard of the queue will do */
    uint16_t source;      /* row of the source table: which nsqd */
    uint16_t attempts;    /* deliveries by nsqd, 1 on the first */
    uint32_t incarnation; /* of the connection that can FIN it */
    uint8_t message_id[16];
    int64_t timestamp_ns; /* of nsqd, since 1970 */
    uint64_t hash_high;   /* 128-bit hash key; 0 without a key */
    uint64_t hash_low;
    uint64_t checksum; /* record_checksum() */
};

#define QUEUE_POSITIONS_OFFSET 4096
#define QUEUE_RING_OFFSET      8192
#define RECORD_ALIGNMENT       8

static_assert(sizeof(struct record_header) == 64, "one cache line");
static_assert(offsetof(struct record_header, verdict) == 5, "as documented");
static_assert(offsetof(struct record_header, message_id) == 16,
              "as documented");
static_assert(offsetof(struct record_header, checksum) == 56, "as documented");
static_assert(sizeof(struct queue_head) <= QUEUE_POSITIONS_OFFSET, "fits");
static_assert(sizeof(struct queue_positions) <=
                  QUEUE_RING_OFFSET - QUEUE_POSITIONS_OFFSET,
              "fits");
static_assert(offsetof(struct queue_positions, finished) == 128, "own lines");
static_assert(offsetof(struct queue_positions, released) == 384, "own lines");
