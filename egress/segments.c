/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/segments.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/crash_point.h"
#include "common/error.h"
#include "common/shared_memory.h"
#include "shard/layout.h"
#include "shard/queue_segment.h"
#include "shard/segment_name.h"
#include "shard/wakeup.h"

/* Key and framing on top of the largest body, and then some. */
#define RECORD_SLACK 4096

/*
 * A queue holds at least two of the largest records, so that one can be filled
 * while one is sent; a ring takes records of up to half of it.
 */
static uint64_t choose_capacity(const struct options *options,
                                const struct survey *survey)
{
    uint64_t least =
        2 * record_space(survey->summary.max_record_size + RECORD_SLACK);
    uint64_t capacity = QUEUE_CAPACITY_LEAST;

    if (least < options->queue_size)
        least = options->queue_size;
    while (capacity < least)
        capacity *= 2;
    return capacity;
}

/* The layout this survey wants; its queues are the caller's to free. */
static int plan_layout(const struct options *options,
                       const struct survey *survey, struct random *random,
                       struct layout *layout)
{
    *layout = (struct layout){
        .generation = (uint32_t)options->generation,
        .instance = (uint32_t)random_u64(random),
        .queue_capacity = choose_capacity(options, survey),
        .max_record_size = survey->summary.max_record_size,
        .queue_count = survey->map.count,
        .queues = calloc(survey->map.count, sizeof(*layout->queues)),
    };
    if (!layout->queues)
        return error_origin(-ENOMEM, "cannot plan %zu queues",
                            survey->map.count);
    if (layout->queue_count > LAYOUT_QUEUES_MOST)
        return error_sentence(-E2BIG,
                              "the stream has %zu open shards, more "
                              "than %d",
                              layout->queue_count, LAYOUT_QUEUES_MOST);
    for (size_t i = 0; i < layout->queue_count; i++) {
        layout->queues[i].first = survey->map.rows[i].first;
        layout->queues[i].last = survey->map.rows[i].last;
        (void)snprintf(layout->queues[i].shard_id,
                       sizeof(layout->queues[i].shard_id), "%s",
                       survey->map.rows[i].shard_id);
    }
    return 0;
}

static bool is_as_planned(const struct layout *found,
                          const struct layout *planned)
{
    if (found->queue_count != planned->queue_count ||
        found->queue_capacity != planned->queue_capacity ||
        found->max_record_size != planned->max_record_size)
        return false;
    for (size_t i = 0; i < found->queue_count; i++)
        if (!hash_key_equal(found->queues[i].last, planned->queues[i].last))
            return false;
    return true;
}

/* Returns 0, a QUEUE_* condition or a negative errno. */
static int count_records(const struct layout *layout, const char *bridge,
                         uint64_t *record_bytes)
{
    *record_bytes = 0;
    for (size_t i = 0; i < layout->queue_count; i++) {
        struct segment_name name =
            segment_name_of_queue(bridge, layout->generation, (uint32_t)i);
        struct queue_segment segment;
        struct queue_snapshot now;
        int result =
            queue_segment_open(name.text, SHARED_MEMORY_READ, &segment);

        if (result == 0)
            result = queue_snapshot(&segment, &now);
        queue_segment_close(&segment);
        if (result)
            return result;
        *record_bytes += now.committed - now.finished;
    }
    return 0;
}

static int remove_segments(const char *bridge, uint32_t generation,
                           size_t queue_count)
{
    int result = shared_memory_remove(segment_name_of(bridge, "layout").text);

    if (result == 0)
        result = shared_memory_remove(segment_name_of(bridge, "wakeup").text);
    for (size_t i = 0; result == 0 && i < queue_count; i++)
        result = shared_memory_remove(
            segment_name_of_queue(bridge, generation, (uint32_t)i).text);
    return result;
}

static int make_queue(const char *bridge, const struct layout *layout,
                      size_t index)
{
    struct segment_name name =
        segment_name_of_queue(bridge, layout->generation, (uint32_t)index);
    const struct queue_plan plan = {
        .capacity = layout->queue_capacity,
        .generation = layout->generation,
        .index = (uint32_t)index,
        .first = layout->queues[index].first,
        .last = layout->queues[index].last,
    };
    /* One without a layout that names it is left from a start that failed. */
    int result = shared_memory_remove(name.text);

    return result ? result : queue_create(name.text, &plan);
}

/* What all segments of the layout take together. */
static uint64_t total_length(const struct layout *layout)
{
    return layout->queue_count * (QUEUE_RING_OFFSET + layout->queue_capacity +
                                  sizeof(*layout->queues)) +
           sizeof(struct wakeup_segment) + QUEUE_RING_OFFSET;
}

/* All of them or none; the layout last, because it says that the rest is there. */
static int make_segments(const char *bridge, const struct layout *layout)
{
    struct segment_name wakeup = segment_name_of(bridge, "wakeup");
    int result = shared_memory_remove(wakeup.text);
    size_t made = 0;

    if (result == 0)
        result = wakeup_create(wakeup.text, layout->generation);
    CRASH_POINT(wakeup_made);
    while (result == 0 && made < layout->queue_count) {
        result = make_queue(bridge, layout, made);
        made++;
        CRASH_POINT(queue_made);
    }
    if (result == 0)
        result = layout_create(segment_name_of(bridge, "layout").text, layout);
    CRASH_POINT(layout_made);
    if (result)
        (void)remove_segments(bridge, layout->generation, made);
    return result;
}

/* Whether what is there can go on being used; *exists says if it is there. */
static bool can_adopt(const char *bridge, const struct layout *planned,
                      struct layout *found, bool *exists,
                      struct segments_report *report)
{
    struct shared_memory memory = SHARED_MEMORY_NULL;
    struct wakeup_segment *wakeups;
    int result = layout_read(segment_name_of(bridge, "layout").text, found);

    *exists = result != -ENOENT;
    if (result == 0)
        result = count_records(found, bridge, &report->record_bytes);
    if (result == 0)
        result = wakeup_open(segment_name_of(bridge, "wakeup").text, &memory,
                             &wakeups);
    shared_memory_close(&memory);
    (void)error_take(-ENOENT); /* what could not be adopted is replaced */
    return result == 0 &&
           (report->record_bytes > 0 || is_as_planned(found, planned));
}

int segments_provide(const struct options *options, const struct survey *survey,
                     struct random *random, struct segments_report *report)
{
    const char *bridge = options->name;
    struct layout planned = { 0 };
    struct layout found = { 0 };
    bool exists = false;
    int result = plan_layout(options, survey, random, &planned);

    *report = (struct segments_report){ 0 };
    if (result)
        goto out;
    if (can_adopt(bridge, &planned, &found, &exists, report)) {
        report->origin = SEGMENTS_ADOPTED;
        report->queue_count = found.queue_count;
        report->queue_capacity = found.queue_capacity;
        goto out;
    }
    report->origin = exists ? SEGMENTS_REPLACED : SEGMENTS_MADE;
    report->record_bytes = 0;
    report->queue_count = planned.queue_count;
    report->queue_capacity = planned.queue_capacity;
    if (exists)
        result = remove_segments(bridge, found.generation, found.queue_count);
    if (result == 0)
        result = shared_memory_check_room(total_length(&planned));
    if (result == 0)
        result = make_segments(bridge, &planned);
out:
    layout_deinit(&planned);
    layout_deinit(&found);
    return result;
}
