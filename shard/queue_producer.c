/* SPDX-License-Identifier: Apache-2.0 */

#include "shard/queue_producer.h"

#include "common/crash_point.h"
#include "shard/shared_word.h"

int queue_producer_open(const char *name, struct queue_producer *producer)
{
    struct queue_segment *segment = &producer->segment;
    int result;

    *producer = (struct queue_producer){ 0 };
    result = queue_segment_open(name, SHARED_MEMORY_WRITE, segment);
    if (result)
        return result;
    result = shared_memory_lock(&segment->memory, QUEUE_LOCK_PRODUCER);
    if (result == SHARED_MEMORY_TAKEN)
        return QUEUE_TAKEN;
    if (result < 0)
        return result;
    CRASH_POINT(producer_locked);
    return queue_producer_begin(producer);
}

int queue_producer_begin(struct queue_producer *producer)
{
    const struct queue_segment *segment = &producer->segment;
    struct queue_snapshot now;
    int result = queue_snapshot(segment, &now);

    if (result)
        return result;
    producer->reserved = now.committed;
    producer->committed = now.committed;
    producer->released = now.released;
    producer->decided = now.finished;
    producer->shown = now.finished;
    producer->finished = now.finished;
    queue_take_lease(&segment->positions->producer, 0);
    CRASH_POINT(producer_leased);
    return 0;
}

void queue_producer_close(struct queue_producer *producer)
{
    queue_segment_close(&producer->segment);
}

static void write_padding(struct queue_producer *producer, uint64_t space)
{
    uint64_t place = producer->reserved & (producer->segment.capacity - 1);
    struct record_header *padding = (void *)(producer->segment.ring + place);

    /* Only the first 8 bytes: there may be no more before the ring's end. */
    padding->length = (uint32_t)space;
    padding->kind = RECORD_PADDING;
    producer->reserved += space;
    CRASH_POINT(padding_written);
}

int queue_reserve(struct queue_producer *producer, size_t length,
                  struct record_header **record)
{
    uint64_t capacity = producer->segment.capacity;
    uint64_t place = producer->reserved & (capacity - 1);
    uint64_t till_end = capacity - place;
    uint64_t space;
    uint64_t padding;

    if (length > capacity)
        return QUEUE_TOO_LONG; /* before the sum below could wrap */
    space = record_space(length);
    if (space > capacity / 2)
        return QUEUE_TOO_LONG;
    padding = space > till_end ? till_end : 0;
    /* Both or neither: padding alone could fill the ring and say nothing. */
    if (padding + space > queue_room(producer))
        return QUEUE_FULL;
    if (padding > 0)
        write_padding(producer, padding);
    place = producer->reserved & (capacity - 1);
    *record = (void *)(producer->segment.ring + place);
    (*record)->length = (uint32_t)(sizeof(**record) + length);
    (*record)->kind = RECORD_MESSAGE;
    (*record)->verdict = VERDICT_NONE;
    producer->reserved += space;
    CRASH_POINT(record_reserved);
    return 0;
}

void queue_publish(struct queue_producer *producer)
{
    if (producer->committed == producer->reserved)
        return;
    producer->committed = producer->reserved;
    CRASH_POINT(unpublished);
    store_release(&producer->segment.positions->committed,
                  producer->committed); /* Q1, with queue_peek() */
    CRASH_POINT(published);
}

/* Load `released` if it may show something new. QUEUE_CORRUPT if it cannot. */
static int look_at_released(struct queue_producer *producer)
{
    uint64_t released =
        load_acquire(&producer->segment.positions->released); /* Q2, with
                                                        queue_release() */

    if (released < producer->released || released > producer->committed)
        return QUEUE_CORRUPT;
    producer->released = released;
    return 0;
}

int queue_decided(struct queue_producer *producer,
                  struct record_header **record)
{
    for (;;) {
        struct record_header *found;
        int result;

        if (producer->decided == producer->released) {
            result = look_at_released(producer);
            if (result)
                return result;
            if (producer->decided == producer->released)
                return QUEUE_EMPTY;
        }
        result = queue_record_at(&producer->segment, producer->decided,
                                 producer->released, &found);
        if (result)
            return result;
        if (found->kind == RECORD_PADDING) {
            producer->decided += found->length;
            continue;
        }
        producer->shown = producer->decided;
        producer->decided += record_space(found->length - sizeof(*found));
        *record = found;
        return 0;
    }
}

void queue_show_again(struct queue_producer *producer)
{
    assert(producer->shown >= producer->finished);
    producer->decided = producer->shown;
}

void queue_finish(struct queue_producer *producer)
{
    if (producer->finished == producer->decided)
        return;
    producer->finished = producer->decided;
    store_release(&producer->segment.positions->finished,
                  producer->finished); /* for the inspector alone */
    CRASH_POINT(finished_moved);
}

uint64_t queue_oldest(const struct queue_producer *producer)
{
    return producer->decided;
}

int queue_walk(const struct queue_producer *producer, uint64_t *position,
               struct record_header **record)
{
    while (*position < producer->reserved) {
        struct record_header *found;
        int result = queue_record_at(&producer->segment, *position,
                                     producer->reserved, &found);

        if (result)
            return result;
        if (found->kind == RECORD_PADDING) {
            *position += found->length;
            continue;
        }
        *position += record_space(found->length - sizeof(*found));
        *record = found;
        return 0;
    }
    return QUEUE_EMPTY;
}

uint64_t queue_egress_owner(const struct queue_producer *producer)
{
    return load_relaxed(&producer->segment.positions->consumer.owner);
}
