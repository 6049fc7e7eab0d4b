/* SPDX-License-Identifier: Apache-2.0 */

#include "ingest/redelivery.h"

#include <errno.h>
#include <stdlib.h>

#include "common/error.h"
#include "common/seeded_bug.h"

#define QUIET_NS       (60 * NS_PER_SECOND)
#define CAPACITY_LEAST 1024

/* "the interval between queue scans refreshes", queueScanRefreshInterval. */
#define SCAN_NS (5 * NS_PER_SECOND)

#define PLACE_LOG    1
#define PLACE_QUEUES 2

/* The checksum is evenly spread already; only the source is missing in it. */
static uint64_t hash_of(const struct redelivery_identity *identity)
{
    if (SEEDED_BUG(id_only_key))
        return identity->id * UINT64_C(0x9e3779b97f4a7c15);
    return identity->checksum ^
           (identity->source + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static bool is_same(const struct redelivery_identity *a,
                    const struct redelivery_identity *b)
{
    if (SEEDED_BUG(id_only_key))
        return a->id == b->id;
    return a->id == b->id && a->timestamp_ns == b->timestamp_ns &&
           a->checksum == b->checksum && a->source == b->source;
}

static struct redelivery_identity
identity_of_record(const struct record_header *record)
{
    return (struct redelivery_identity){
        .id = acknowledgement_id(record->message_id),
        .timestamp_ns = record->timestamp_ns,
        .checksum = record->checksum,
        .source = record->source,
    };
}

static struct redelivery_identity
identity_of_entry(const struct acknowledgement_log *log, uint64_t position)
{
    struct acknowledgement entry;

    acknowledgement_log_read(log, position, &entry);
    return (struct redelivery_identity){
        .id = entry.id,
        .timestamp_ns = entry.timestamp_ns,
        .checksum = entry.checksum,
        .source = entry.source,
    };
}

/* What a walk over the truth calls for everything it finds. */
typedef void visit_function(struct redelivery *redelivery,
                            const struct redelivery_identity *identity,
                            uint32_t place, uint64_t position);

/* From *position on, which moves; a damaged record ends the queue. */
static void visit_queue(struct redelivery *redelivery, size_t index,
                        uint64_t *position, visit_function *visit)
{
    const struct queue_producer *queue = &redelivery->queues[index];
    struct record_header *record;

    if (*position < queue_oldest(queue))
        *position = queue_oldest(queue);
    while (queue_walk(queue, position, &record) == 0) {
        struct redelivery_identity identity = identity_of_record(record);

        visit(redelivery, &identity, PLACE_QUEUES + (uint32_t)index,
              *position - record_space(record->length - sizeof(*record)));
    }
}

static void visit_log(struct redelivery *redelivery, uint64_t *position,
                      visit_function *visit)
{
    const struct acknowledgement_log *log = redelivery->log;

    if (*position < acknowledgement_log_oldest(log))
        *position = acknowledgement_log_oldest(log);
    for (; *position < log->position; (*position)++) {
        struct redelivery_identity identity = identity_of_entry(log, *position);

        visit(redelivery, &identity, PLACE_LOG, *position);
    }
}

static void raise_highest(struct redelivery *redelivery,
                          const struct redelivery_identity *identity,
                          uint32_t place, uint64_t position)
{
    (void)place;
    (void)position;
    if (identity->source < SOURCES_MOST)
        redelivery_on_written(redelivery, identity->source, identity->id);
}

int redelivery_init(struct redelivery *redelivery,
                    const struct queue_producer *queues, size_t queue_count,
                    const struct acknowledgement_log *log)
{
    uint64_t position = 0;

    *redelivery = (struct redelivery){
        .queues = queues,
        .queue_count = queue_count,
        .log = log,
        .indexed = calloc(queue_count, sizeof(*redelivery->indexed)),
    };
    if (!redelivery->indexed)
        return error_origin(-ENOMEM, "cannot begin to know redeliveries");
    visit_log(redelivery, &position, raise_highest);
    for (size_t i = 0; i < queue_count; i++) {
        position = 0;
        visit_queue(redelivery, i, &position, raise_highest);
    }
    return 0;
}

static void drop_index(struct redelivery *redelivery)
{
    free(redelivery->hints);
    redelivery->hints = NULL;
    redelivery->capacity = 0;
    redelivery->used = 0;
}

void redelivery_deinit(struct redelivery *redelivery)
{
    drop_index(redelivery);
    free(redelivery->indexed);
    redelivery->indexed = NULL;
}

static void count_one(struct redelivery *redelivery,
                      const struct redelivery_identity *identity,
                      uint32_t place, uint64_t position)
{
    (void)identity;
    (void)place;
    (void)position;
    redelivery->used++;
}

/* A full table drops hints; the caller sees that it is full and starts anew. */
static void add_hint(struct redelivery *redelivery,
                     const struct redelivery_identity *identity, uint32_t place,
                     uint64_t position)
{
    uint64_t hash = hash_of(identity);
    size_t mask = redelivery->capacity - 1;
    size_t i = hash & mask;

    if (redelivery->used >= redelivery->capacity / 4 * 3)
        return;
    while (redelivery->hints[i].place != 0)
        i = (i + 1) & mask;
    redelivery->hints[i] =
        (struct redelivery_hint){ position, (uint32_t)(hash >> 32), place };
    redelivery->used++;
}

static void visit_from(struct redelivery *redelivery, visit_function *visit)
{
    visit_log(redelivery, &redelivery->indexed_log, visit);
    for (size_t i = 0; i < redelivery->queue_count; i++)
        visit_queue(redelivery, i, &redelivery->indexed[i], visit);
}

static void start_over(struct redelivery *redelivery)
{
    redelivery->indexed_log = 0;
    memset(redelivery->indexed, 0,
           redelivery->queue_count * sizeof(*redelivery->indexed));
    redelivery->used = 0;
}

/* An empty table of `capacity` hints. */
static bool make_room(struct redelivery *redelivery, size_t capacity)
{
    if (redelivery->hints && capacity == redelivery->capacity) {
        memset(redelivery->hints, 0, capacity * sizeof(*redelivery->hints));
        return true;
    }
    drop_index(redelivery);
    redelivery->hints = calloc(capacity, sizeof(*redelivery->hints));
    if (!redelivery->hints)
        return false;
    redelivery->capacity = capacity;
    return true;
}

/* Everything in the truth, in a table that it fills by half at most. */
static bool build_index(struct redelivery *redelivery)
{
    size_t capacity = CAPACITY_LEAST;

    start_over(redelivery);
    visit_from(redelivery, count_one);
    while (capacity < 2 * redelivery->used)
        capacity *= 2;
    start_over(redelivery);
    if (!make_room(redelivery, capacity))
        return false;
    visit_from(redelivery, add_hint);
    return true;
}

static bool catch_up(struct redelivery *redelivery)
{
    if (!redelivery->hints)
        return build_index(redelivery);
    visit_from(redelivery, add_hint);
    if (redelivery->used >= redelivery->capacity / 4 * 3)
        return build_index(redelivery);
    return true;
}

/* The record that a hint means, if it is there still. */
static struct record_header *record_of_hint(const struct redelivery *redelivery,
                                            const struct redelivery_hint *hint)
{
    const struct queue_producer *queue =
        &redelivery->queues[hint->place - PLACE_QUEUES];
    uint64_t position = hint->position;
    struct record_header *record;

    if (position < queue_oldest(queue) || queue_walk(queue, &position, &record))
        return NULL;
    return record;
}

static enum redelivery_kind look_at_truth(
    const struct redelivery *redelivery, const struct redelivery_hint *hint,
    const struct redelivery_identity *identity, struct record_header **record)
{
    struct redelivery_identity found;
    struct record_header *queued;

    if (hint->place == PLACE_LOG) {
        if (hint->position < acknowledgement_log_oldest(redelivery->log))
            return REDELIVERY_NEW;
        found = identity_of_entry(redelivery->log, hint->position);
        return is_same(&found, identity) ? REDELIVERY_FINISHED : REDELIVERY_NEW;
    }
    queued = record_of_hint(redelivery, hint);
    if (!queued)
        return REDELIVERY_NEW;
    found = identity_of_record(queued);
    if (!is_same(&found, identity))
        return REDELIVERY_NEW;
    *record = queued;
    return REDELIVERY_QUEUED;
}

enum redelivery_kind redelivery_find(struct redelivery *redelivery,
                                     const struct redelivery_identity *identity,
                                     struct monotonic now,
                                     struct record_header **record)
{
    enum redelivery_kind kind = REDELIVERY_NEW;
    uint64_t hash = hash_of(identity);
    size_t i;

    redelivery->drop_at = monotonic_after(now, QUIET_NS);
    if (!catch_up(redelivery))
        return REDELIVERY_NEW;
    /* A record that is noted and not yet finished is in both: QUEUED wins. */
    for (i = hash & (redelivery->capacity - 1);
         redelivery->hints[i].place != 0 && kind != REDELIVERY_QUEUED;
         i = (i + 1) & (redelivery->capacity - 1)) {
        enum redelivery_kind found;

        if (redelivery->hints[i].tag != (uint32_t)(hash >> 32))
            continue;
        found =
            look_at_truth(redelivery, &redelivery->hints[i], identity, record);
        if (found != REDELIVERY_NEW)
            kind = found;
    }
    return kind;
}

uint64_t redelivery_window_for(uint64_t count, int64_t elapsed_ns,
                               int64_t msg_timeout_ns)
{
    double covered_ns = (double)(msg_timeout_ns + SCAN_NS);

    return (uint64_t)((double)count * covered_ns / (double)elapsed_ns + 0.5);
}

void redelivery_on_time(struct redelivery *redelivery, struct monotonic now)
{
    if (redelivery->hints && monotonic_reached(redelivery->drop_at, now))
        drop_index(redelivery);
}
