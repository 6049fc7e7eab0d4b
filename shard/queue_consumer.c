/* SPDX-License-Identifier: Apache-2.0 */

#include "shard/queue_consumer.h"

#include "common/crash_point.h"
#include "common/seeded_bug.h"
#include "shard/shared_word.h"

int queue_consumer_open(const char *name, uint64_t owner,
                        struct queue_consumer *consumer)
{
    struct queue_segment *segment = &consumer->segment;
    int result;

    *consumer = (struct queue_consumer){ 0 };
    result = queue_segment_open(name, SHARED_MEMORY_WRITE, segment);
    if (result)
        return result;
    result = shared_memory_lock(&segment->memory, QUEUE_LOCK_CONSUMER);
    if (result == SHARED_MEMORY_TAKEN && !SEEDED_BUG(no_owner_check))
        return QUEUE_TAKEN;
    if (result < 0)
        return result;
    CRASH_POINT(consumer_locked);
    return queue_consumer_begin(consumer, owner);
}

int queue_consumer_begin(struct queue_consumer *consumer, uint64_t owner)
{
    const struct queue_segment *segment = &consumer->segment;
    struct queue_snapshot now;
    int result = queue_snapshot(segment, &now);

    if (result)
        return result;
    consumer->committed = now.committed;
    consumer->released = now.released;
    queue_take_lease(&segment->positions->consumer, owner);
    consumer->epoch = load_relaxed(&segment->positions->consumer.epoch);
    CRASH_POINT(consumer_leased);
    return 0;
}

void queue_consumer_close(struct queue_consumer *consumer)
{
    queue_segment_close(&consumer->segment);
}

/* Load `committed`. QUEUE_CORRUPT if it is nothing ingest can have stored. */
static int look_at_committed(struct queue_consumer *consumer)
{
    uint64_t committed =
        load_acquire(&consumer->segment.positions->committed); /* Q1, with
                                                        queue_publish() */

    if (committed < consumer->committed || committed % RECORD_ALIGNMENT ||
        committed - consumer->released > consumer->segment.capacity)
        return QUEUE_CORRUPT;
    consumer->committed = committed;
    return 0;
}

int queue_peek(struct queue_consumer *consumer, uint64_t *position,
               struct record_header **record)
{
    assert(*position >= consumer->released);
    for (;;) {
        struct record_header *found;
        int result;

        if (*position >= consumer->committed) {
            result = look_at_committed(consumer);
            if (result)
                return result;
            if (*position == consumer->committed)
                return QUEUE_EMPTY;
        }
        result = queue_record_at(&consumer->segment, *position,
                                 consumer->committed, &found);
        if (result)
            return result;
        if (found->kind == RECORD_PADDING) {
            *position += found->length;
            if (SEEDED_BUG(wrap))
                *position += RECORD_ALIGNMENT;
            continue;
        }
        *position += record_space(found->length - sizeof(*found));
        *record = found;
        return 0;
    }
}

uint64_t queue_depth(struct queue_consumer *consumer)
{
    if (look_at_committed(consumer))
        return consumer->segment.capacity;
    return consumer->committed - consumer->released;
}

static void write_part(struct queue_intent_part *place,
                       const struct queue_part *part)
{
    store_relaxed(&place->first_high, part->first.high);
    store_relaxed(&place->first_low, part->first.low);
    store_relaxed(&place->last_high, part->last.high);
    store_relaxed(&place->last_low, part->last.low);
    store_relaxed(&place->takes_keyless, part->takes_keyless ? 1 : 0);
    store_relaxed(&place->epoch, part->epoch);
    store_relaxed(&place->number, part->number);
}

void queue_intend(struct queue_consumer *consumer, struct queue_batch *batch)
{
    struct queue_positions *positions = consumer->segment.positions;
    uint64_t number = load_relaxed(&positions->batch) + 1;
    struct queue_intent *intent = &positions->intents[number % 2];

    assert(batch->first == consumer->released && batch->first < batch->end);
    assert(batch->end <= consumer->committed);
    assert(batch->part_count > 0 && batch->part_count <= QUEUE_PARTS_MOST);
    batch->number = number;
    batch->epoch = consumer->epoch;
    store_relaxed(&intent->first, batch->first);
    store_relaxed(&intent->end, batch->end);
    CRASH_POINT(intent_begun);
    store_relaxed(&intent->epoch, batch->epoch);
    store_relaxed(&intent->wall_ns, (uint64_t)batch->sent.ns);
    store_relaxed(&intent->part_count, batch->part_count);
    for (size_t i = 0; i < batch->part_count; i++) {
        struct queue_part *part = &batch->parts[i];

        if (part->number == 0) {
            part->epoch = consumer->epoch;
            part->number = number * QUEUE_PARTS_MOST + i;
        }
        write_part(&intent->parts[i], part);
    }
    store_relaxed(&intent->checksum, queue_intent_checksum(intent, number));
    CRASH_POINT(intent_unpublished);
    store_release(&positions->batch, number); /* Q3, with queue_intended() */
    CRASH_POINT(intended);
}

static bool overlap(const struct queue_part *one, const struct queue_part *two)
{
    return hash_key_compare(one->first, two->last) <= 0 &&
           hash_key_compare(two->first, one->last) <= 0;
}

/* No record may belong to two parts: it would be sent, and counted, twice. */
static bool parts_are_sound(const struct queue_batch *batch)
{
    size_t keyless_count = 0;

    for (size_t i = 0; i < batch->part_count; i++) {
        const struct queue_part *part = &batch->parts[i];

        keyless_count += part->takes_keyless;
        if (part->number == 0 || hash_key_compare(part->first, part->last) > 0)
            return false;
        for (size_t j = 0; j < i; j++)
            if (overlap(part, &batch->parts[j]))
                return false;
    }
    return keyless_count <= 1;
}

int queue_intended(struct queue_consumer *consumer, struct queue_batch *batch)
{
    const struct queue_positions *positions = consumer->segment.positions;
    uint64_t number = load_acquire(&positions->batch); /* Q3, with
                                                        queue_intend() */
    const struct queue_intent *intent = &positions->intents[number % 2];
    uint64_t part_count = load_relaxed(&intent->part_count);
    struct queue_batch found = {
        .number = number,
        .epoch = load_relaxed(&intent->epoch),
        .first = load_relaxed(&intent->first),
        .end = load_relaxed(&intent->end),
        .sent = { .ns = (int64_t)load_relaxed(&intent->wall_ns) },
    };

    if (number == 0)
        return QUEUE_EMPTY;
    if (load_relaxed(&intent->checksum) !=
        queue_intent_checksum(intent, number))
        return QUEUE_CORRUPT;
    if (found.end <= consumer->released)
        return QUEUE_EMPTY;
    if (found.first != consumer->released || found.end > consumer->committed ||
        part_count == 0 || part_count > QUEUE_PARTS_MOST)
        return QUEUE_CORRUPT;
    found.part_count = (size_t)part_count;
    for (size_t i = 0; i < found.part_count; i++)
        found.parts[i] = queue_part_read(&intent->parts[i]);
    if (!parts_are_sound(&found))
        return QUEUE_CORRUPT;
    *batch = found;
    return 0;
}

int queue_check_epoch(const struct queue_consumer *consumer)
{
    uint64_t epoch = load_relaxed(&consumer->segment.positions->consumer.epoch);

    return epoch == consumer->epoch || SEEDED_BUG(no_owner_check)
               ? 0
               : QUEUE_FENCED;
}

int queue_release(struct queue_consumer *consumer, uint64_t position)
{
    assert(position >= consumer->released);
    assert(position <= consumer->committed);
    if (queue_check_epoch(consumer))
        return QUEUE_FENCED;
    consumer->released = position;
    CRASH_POINT(unreleased);
    store_release(&consumer->segment.positions->released,
                  position); /* Q2, with queue_decided() */
    CRASH_POINT(released);
    return 0;
}

bool queue_has_living_producer(const struct queue_consumer *consumer)
{
    return queue_lease_is_alive(&consumer->segment.positions->producer);
}
