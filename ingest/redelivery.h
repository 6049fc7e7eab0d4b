/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * redelivery - did this message come before? Pure but for its own memory.
 *
 *                   arriving message
 *                          |
 *             id above the highest of its source? ── yes ──► NEW
 *                          | no: a candidate
 *             index ──► hint ──► look at the truth itself
 *                          |
 *        slot of a queue ──┼──────────── entry of the log
 *            QUEUED        | neither       FINISHED
 *                         NEW
 *
 * The truth is the queues (what is not finished) and the acknowledgement log
 * (what was); both survive ingest. A message is the same as another if source,
 * id, time stamp and record checksum are, and the checksum covers the body:
 * never the id alone, because ids repeat over topics and nsqds, and an nsqd
 * that was killed several times gives old ids to new bodies.
 *
 * Why it costs nothing. Ids of one source rise. `highest` is never below the
 * id of any record or entry of that source that the truth holds, so a message
 * above it cannot be in the truth: one comparison. It is computed from the
 * truth at start. Attempts do not matter: a message that came often and was
 * never written is new, and twins that nsqd makes in a crash have attempts 1.
 *
 * The index is a table of hints, made when the first candidate comes. Before
 * each look-up it catches up with what was written and noted since the last
 * one, so that nothing is inserted per message while no candidates come. Hints
 * are never removed: one that points at nothing any more is seen to be stale,
 * because positions never come again. When the table is three quarters full
 * it is built anew from the truth. It is dropped when no candidate came for a
 * minute.
 *
 * Concurrent publishers swap neighbours, and an nsqd that keeps messages in
 * memory and on disk mixes old and new; then first deliveries are candidates
 * too, and cost a look-up, tens of nanoseconds, each.
 *
 * Failure   lack of memory, or a damaged queue (which is told where it is
 *           finished), makes a redelivery look new: a duplicate, no loss.
 */

#include "common/clock.h"
#include "shard/acknowledgement_log.h"
#include "shard/queue_producer.h"
#include "shard/source_table.h"

enum redelivery_kind {
    REDELIVERY_NEW,
    REDELIVERY_QUEUED,   /* its record is in a queue, decided or not */
    REDELIVERY_FINISHED, /* its record was in a queue: FIN, nothing else */
};

/* What a message is known by. */
struct redelivery_identity {
    uint64_t id; /* acknowledgement_id() */
    int64_t timestamp_ns;
    uint64_t checksum; /* as its record has, or would have */
    uint16_t source;
};

/* Where it may be found: 16 bytes. */
struct redelivery_hint {
    uint64_t position; /* in the queue or in the log */
    uint32_t tag;      /* of the identity */
    uint32_t place;    /* 0: no hint; 1: the log; 2 + index of the queue */
};

struct redelivery {
    const struct queue_producer *queues;
    size_t queue_count;
    const struct acknowledgement_log *log;
    uint64_t highest[SOURCES_MOST];

    struct redelivery_hint *hints; /* NULL: nobody asked lately */
    size_t capacity;               /* of hints; a power of two */
    size_t used;
    uint64_t *indexed; /* per queue: records before it have hints */
    uint64_t indexed_log;
    struct monotonic drop_at;
};

/*
 * Begin with the truth as it is. `queues` and `log` outlive *redelivery.
 * Returns 0 or a negative errno with its sentence.
 */
int redelivery_init(struct redelivery *redelivery,
                    const struct queue_producer *queues, size_t queue_count,
                    const struct acknowledgement_log *log);
void redelivery_deinit(struct redelivery *redelivery);

/* False: it is new for sure. */
static inline bool redelivery_is_candidate(const struct redelivery *redelivery,
                                           uint16_t source, uint64_t id)
{
    return id <= redelivery->highest[source];
}

/* Say that a record of this id was written to a queue. */
static inline void redelivery_on_written(struct redelivery *redelivery,
                                         uint16_t source, uint64_t id)
{
    if (id > redelivery->highest[source])
        redelivery->highest[source] = id;
}

/* Look a candidate up; REDELIVERY_QUEUED points *record at its record. */
enum redelivery_kind redelivery_find(struct redelivery *redelivery,
                                     const struct redelivery_identity *identity,
                                     struct monotonic now,
                                     struct record_header **record);

/*
 * How many entries the log should have if `count` messages were finished in
 * `elapsed_ns` and go on like that: nsqd may deliver one again until
 * msg_timeout after it lost us, and up to five seconds later.
 */
uint64_t redelivery_window_for(uint64_t count, int64_t elapsed_ns,
                               int64_t msg_timeout_ns);

/* Now and then: give the memory back when it is quiet. */
void redelivery_on_time(struct redelivery *redelivery, struct monotonic now);
