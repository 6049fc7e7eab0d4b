/* SPDX-License-Identifier: Apache-2.0 */

#include "shard/queue_view.h"

#include "shard/shared_word.h"

/*
 * Enough for any live queue: an attempt fails only if egress completes a whole
 * batch within the few loads it takes.
 */
#define ATTEMPTS_MOST 100

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
    return (struct queue_view_lease){
        .pid = load_relaxed(&lease->pid),
        .epoch = load_relaxed(&lease->epoch),
        .owner = load_relaxed(&lease->owner),
        .is_alive = queue_lease_is_alive(lease),
    };
}

static struct queue_view_intent read_intent(const struct queue_intent *intent)
{
    struct queue_view_intent found = {
        .first = load_relaxed(&intent->first),
        .end = load_relaxed(&intent->end),
        .epoch = load_relaxed(&intent->epoch),
        .wall_ns = (int64_t)load_relaxed(&intent->wall_ns),
    };
    uint64_t part_count = load_relaxed(&intent->part_count);

    found.part_count = part_count <= QUEUE_PARTS_MOST ? (size_t)part_count : 0;
    for (size_t i = 0; i < found.part_count; i++)
        found.parts[i] = queue_part_read(&intent->parts[i]);
    return found;
}

/*
 * The slot of the current batch is written again only after the next one was
 * published, so a slot is whole if `batch` is the same behind it.
 */
static void look_at_intent(const struct queue_positions *positions,
                           struct queue_view_state *state)
{
    for (int i = 0; i < ATTEMPTS_MOST; i++) {
        uint64_t batch = load_acquire(&positions->batch); /* Q3 */
        const struct queue_intent *intent = &positions->intents[batch % 2];

        state->batch = batch;
        state->intent = read_intent(intent);
        state->intent.is_sound =
            batch == 0 || load_relaxed(&intent->checksum) ==
                              queue_intent_checksum(intent, batch);
        atomic_thread_fence(memory_order_acquire);
        if (load_relaxed(&positions->batch) == batch)
            return;
    }
}

static struct queue_snapshot
positions_as_they_stand(const struct queue_positions *positions)
{
    return (struct queue_snapshot){
        .finished = load_relaxed(&positions->finished),
        .released = load_relaxed(&positions->released),
        .committed = load_relaxed(&positions->committed),
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
    };
    int result;

    /* Before the positions: no sound intent ends beyond a later `committed`. */
    look_at_intent(positions, &now);
    result = queue_snapshot(&view->segment, &now.positions);
    if (result)
        now.positions = positions_as_they_stand(positions);
    else if (!now.intent.is_sound || now.intent.end > now.positions.committed ||
             now.intent.first > now.intent.end)
        result = QUEUE_CORRUPT;
    now.has_intent = now.intent.end > now.positions.released;
    if (now.has_intent && now.intent.part_count == 0)
        result = QUEUE_CORRUPT;
    *state = now;
    return result;
}

/* True if the bytes copied before may not have been those of `position`. */
static bool is_overrun(const struct queue_view *view, uint64_t position,
                       uint64_t *oldest)
{
    /* What was copied was there before `finished` is loaded. */
    atomic_thread_fence(memory_order_acquire);
    *oldest = load_acquire(&view->segment.positions->finished);
    return *oldest > position;
}

/* Copy the header of the record at `position` and check the copy. */
static int copy_header(const struct queue_view *view, uint64_t position,
                       uint64_t committed, struct record_header *header)
{
    uint64_t place = position & (view->segment.capacity - 1);
    uint64_t till_end = view->segment.capacity - place;
    size_t length = till_end < sizeof(*header) ? till_end : sizeof(*header);

    if (position % RECORD_ALIGNMENT)
        return QUEUE_CORRUPT;
    *header = (struct record_header){ 0 };
    memcpy(header, view->segment.ring + place, length);
    return record_is_sound(header, till_end, committed - position)
               ? 0
               : QUEUE_CORRUPT;
}

/* Copy what follows `header`, whose numbers are sound. */
static void copy_rest(const struct queue_view *view, uint64_t position,
                      const struct record_header *header, void *memory,
                      size_t capacity)
{
    uint64_t place = position & (view->segment.capacity - 1);

    if (header->length <= capacity)
        memcpy(memory, view->segment.ring + place, header->length);
    /* The checked header stays: the one in the ring may have changed. */
    memcpy(memory, header, sizeof(*header));
}

static int judge(const struct record_header *copy, size_t capacity)
{
    if (copy->length <= capacity && copy->checksum != record_checksum(copy))
        return QUEUE_VIEW_CHECKSUM;
    return 0;
}

int queue_view_read(const struct queue_view *view, uint64_t *position,
                    void *memory, size_t capacity)
{
    uint64_t committed =
        load_acquire(&view->segment.positions->committed); /* Q1 */

    assert(capacity >= sizeof(struct record_header));
    while (*position < committed) {
        struct record_header header;
        uint64_t start = *position;
        uint64_t oldest;
        int result = copy_header(view, start, committed, &header);

        if (result == 0 && header.kind == RECORD_MESSAGE)
            copy_rest(view, start, &header, memory, capacity);
        if (is_overrun(view, start, &oldest)) {
            *position = oldest;
            return QUEUE_VIEW_OVERRUN;
        }
        if (result)
            return result;
        if (header.kind == RECORD_MESSAGE) {
            *position += record_space(header.length - sizeof(header));
            return judge(memory, capacity);
        }
        *position += header.length;
    }
    return QUEUE_EMPTY;
}
