/* SPDX-License-Identifier: Apache-2.0 */

#include "shard/queue_view.h"

#include "shard/shared_word.h"

int queue_view_open(const char *name, struct queue_view *view)
{
    return queue_segment_open(name, SHARED_MEMORY_READ, &view->segment);
}

void queue_view_close(struct queue_view *view)
{
    queue_segment_close(&view->segment);
}

static struct queue_view_lease look_at_lease(const struct queue_lease *lease)
{
    uint64_t pid = load_relaxed(&lease->pid);
    uint64_t start_time = load_relaxed(&lease->start_time);

    return (struct queue_view_lease){
        .pid = pid,
        .epoch = load_relaxed(&lease->epoch),
        .owner = load_relaxed(&lease->owner),
        /* A pid alone may long be another process. */
        .is_alive = pid > 0 && pid <= INT32_MAX &&
                    process_start_time((int)pid) == start_time,
    };
}

int queue_view_look(const struct queue_view *view,
                    struct queue_view_state *state)
{
    const struct queue_head *head = view->segment.memory.address;
    const struct queue_positions *positions = view->segment.positions;
    struct queue_view_state now = {
        .capacity = view->segment.capacity,
        .generation = head->segment.generation,
        .index = head->index,
        .first = { head->first_hash_high, head->first_hash_low },
        .last = { head->last_hash_high, head->last_hash_low },
        .producer = look_at_lease(&positions->producer),
        .consumer = look_at_lease(&positions->consumer),
        .batch = load_acquire(&positions->batch), /* Q3 */
    };
    int result = queue_snapshot(&view->segment, &now.positions);

    now.has_intent = load_relaxed(&positions->intents[now.batch % 2].end) >
                     now.positions.released;
    *state = now;
    return result;
}

static int copy_record(const struct queue_view *view, uint64_t position,
                       const struct record_header *record, void *memory,
                       size_t capacity)
{
    struct record_header *copy = memory;
    size_t length = record->length;

    assert(capacity >= sizeof(*copy));
    memcpy(memory, record, length < capacity ? length : sizeof(*copy));
    if (load_acquire(&view->segment.positions->finished) > position)
        return QUEUE_VIEW_OVERRUN;
    /* The length may have changed between the check and the copy. */
    if (copy->length != length)
        return QUEUE_VIEW_OVERRUN;
    if (length < capacity && copy->checksum != record_checksum(copy))
        return QUEUE_VIEW_CHECKSUM;
    return 0;
}

int queue_view_read(const struct queue_view *view, uint64_t *position,
                    void *memory, size_t capacity)
{
    uint64_t committed =
        load_acquire(&view->segment.positions->committed); /* Q1 */

    while (*position < committed) {
        struct record_header *record;
        uint64_t start = *position;
        int result = queue_record_at(&view->segment, start, committed, &record);

        if (result)
            return result;
        if (record->kind == RECORD_PADDING) {
            *position += record->length;
            continue;
        }
        *position += record_space(record->length - sizeof(*record));
        return copy_record(view, start, record, memory, capacity);
    }
    return QUEUE_EMPTY;
}
