/* SPDX-License-Identifier: Apache-2.0 */

#include "ingest/queue_set.h"

#include <errno.h>
#include <stdlib.h>

#include "common/crash_point.h"
#include "common/error.h"
#include "common/lifeline.h"
#include "shard/segment_name.h"
#include "shard/shared_word.h"

static int open_queues(const char *bridge, struct queue_set *set)
{
    for (size_t i = 0; i < set->layout.queue_count; i++) {
        struct segment_name name =
            segment_name_of_queue(bridge, set->layout.generation, (uint32_t)i);
        struct queue_plan plan = layout_plan_of(&set->layout, i);
        int result = queue_producer_open(name.text, &set->producers[i]);

        set->open_count = i + 1;
        if (result == 0 && !queue_segment_is(&set->producers[i].segment, &plan))
            result = QUEUE_CORRUPT;
        if (result > 0)
            return queue_complain(result, "another ingest writes", name.text);
        if (result < 0)
            return result;
    }
    return 0;
}

static int allocate(struct queue_set *set)
{
    size_t count = set->layout.queue_count;

    set->producers = calloc(count, sizeof(*set->producers));
    set->touched = calloc(count, sizeof(*set->touched));
    set->is_touched = calloc(count, sizeof(*set->is_touched));
    if (!set->producers || !set->touched || !set->is_touched)
        return error_origin(-ENOMEM, "cannot keep %zu queues", count);
    return 0;
}

static void choose_roomiest(struct queue_set *set)
{
    for (size_t i = 0; i < set->layout.queue_count; i++)
        if (queue_room(&set->producers[i]) >
            queue_room(&set->producers[set->roomiest]))
            set->roomiest = i;
}

int queue_set_open(const char *bridge, unsigned worker_count,
                   struct queue_set *set)
{
    struct segment_name layout = segment_name_of(bridge, "layout");
    struct segment_name wakeup = segment_name_of(bridge, "wakeup");
    int result;

    *set = (struct queue_set){ .worker_count = worker_count,
                               .wakeup_memory = SHARED_MEMORY_NULL };
    result = layout_attach(layout.text, &set->layout);
    if (result == 0)
        result = wakeup_open(wakeup.text, &set->wakeup_memory, &set->wakeups);
    if (result == 0)
        result = allocate(set);
    if (result == 0)
        result = open_queues(bridge, set);
    if (result == 0)
        choose_roomiest(set);
    return result;
}

void queue_set_close(struct queue_set *set)
{
    for (size_t i = 0; i < set->open_count; i++)
        queue_producer_close(&set->producers[i]);
    free(set->producers);
    free(set->touched);
    free(set->is_touched);
    if (set->wakeups)
        shared_memory_close(&set->wakeup_memory);
    layout_deinit(&set->layout);
    *set = (struct queue_set){ .wakeup_memory = SHARED_MEMORY_NULL };
}

int queue_set_reserve(struct queue_set *set, size_t index, size_t length,
                      struct record_header **record)
{
    int result = queue_reserve(&set->producers[index], length, record);

    if (result == 0 && !set->is_touched[index]) {
        set->is_touched[index] = true;
        set->touched[set->touched_count++] = index;
    }
    return result;
}

/* One bit per worker that owns a queue of those just published. */
static uint64_t publish_touched(struct queue_set *set)
{
    uint64_t owners = 0;

    static_assert(WAKEUP_WORKERS_MOST <= 64, "one bit each");
    for (size_t i = 0; i < set->touched_count; i++) {
        struct queue_producer *producer = &set->producers[set->touched[i]];
        uint64_t owner = queue_egress_owner(producer);

        queue_publish(producer);
        set->is_touched[set->touched[i]] = false;
        if (owner < set->worker_count)
            owners |= UINT64_C(1) << owner;
    }
    return owners;
}

int queue_set_publish(struct queue_set *set)
{
    int count = (int)set->touched_count;
    uint64_t owners;

    if (count == 0)
        return 0;
    owners = publish_touched(set);
    set->touched_count = 0;
    for (; owners; owners &= owners - 1) {
        unsigned owner = (unsigned)__builtin_ctzll(owners);

        set->kick_count +=
            (uint64_t)wakeup_kick(&set->wakeups->places[WAKEUP_EGRESS + owner],
                                  WAKEUP_DESCRIPTOR_EGRESS + (int)owner);
    }
    CRASH_POINT(egress_woken);
    choose_roomiest(set);
    return count;
}

uint64_t queue_set_least_room(const struct queue_set *set)
{
    uint64_t least = UINT64_MAX;

    for (size_t i = 0; i < set->layout.queue_count; i++)
        if (queue_room(&set->producers[i]) < least)
            least = queue_room(&set->producers[i]);
    return least;
}

uint64_t queue_set_total_room(const struct queue_set *set)
{
    uint64_t total = 0;

    for (size_t i = 0; i < set->layout.queue_count; i++)
        total += queue_room(&set->producers[i]);
    return total;
}

bool queue_set_has_decided(struct queue_set *set)
{
    for (size_t i = 0; i < set->layout.queue_count; i++) {
        const struct queue_producer *producer = &set->producers[i];

        /* One that is held up at a record shows nothing new by growing. */
        if (producer->decided == producer->released &&
            load_acquire(&producer->segment.positions->released) !=
                producer->released) /* Q2, with queue_release() */
            return true;
    }
    return false;
}

bool queue_set_is_drained(const struct queue_set *set)
{
    for (size_t i = 0; i < set->layout.queue_count; i++)
        if (!queue_is_drained(&set->producers[i]))
            return false;
    return true;
}
