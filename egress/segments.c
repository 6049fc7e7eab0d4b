/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/segments.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/crash_point.h"
#include "common/error.h"
#include "common/seeded_bug.h"
#include "common/segment_explanation.h"
#include "common/shared_memory.h"
#include "shard/layout.h"
#include "shard/queue_check.h"
#include "shard/segment_name.h"
#include "shard/wakeup.h"

struct provision {
    const char *bridge;
    struct layout planned;       /* as the survey wants it */
    struct layout found;         /* as it is there */
    const struct layout *layout; /* the one of the two that is in force */
    bool has_layout;             /* it is there */
    bool may_keep;               /* --keep-queues */
    bool *has_queue;             /* each of its queues, sound */
    struct segments_report *report;
};

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

/* Out of the way, but there to be looked at; `why` is a clause. */
static int set_aside(struct provision *provision,
                     const struct segment_name *name, const char *why)
{
    struct segments_report *report = provision->report;
    struct segment_name aside = segment_name_of_damaged(name);
    int result = shared_memory_set_aside(name->text, aside.text);

    if (result)
        return result;
    if (report->damage_count < SEGMENTS_DAMAGE_TOLD_MOST) {
        struct segments_damage *damage = &report->damages[report->damage_count];

        damage->name = *name;
        (void)snprintf(damage->why, sizeof(damage->why), "%s", why);
    }
    report->damage_count++;
    return 0;
}

/* Which layout is in force: a sound one that is there, or the plan. */
static int look_at_layout(struct provision *provision)
{
    struct segment_name name = segment_name_of(provision->bridge, "layout");
    char why[200];
    int result = layout_read(name.text, &provision->found);

    provision->has_layout = result == 0;
    provision->layout =
        provision->has_layout ? &provision->found : &provision->planned;
    provision->report->has_remains = result != -ENOENT;
    if (result == 0 || (result != -ENOENT && result != -EUCLEAN))
        return result;
    (void)error_take(result); /* what cannot be used is replaced */
    if (result == -ENOENT)
        return 0;
    segment_explain(name.text, LAYOUT_MAGIC, LAYOUT_VERSION, why, sizeof(why));
    return set_aside(provision, &name, why);
}

static struct segment_name name_of_queue(const struct provision *provision,
                                         size_t index)
{
    return segment_name_of_queue(
        provision->bridge, provision->layout->generation, (uint32_t)index);
}

/*
 * Somebody may live on of whom the supervisor does not know, as when its roster
 * was lost. What such a process works on is not to be taken from under it.
 */
static int refuse_if_held(const struct segment_name *name)
{
    struct shared_memory memory;
    int result = shared_memory_open(name->text, SHARED_MEMORY_WRITE,
                                    QUEUE_MAGIC, QUEUE_VERSION, &memory);

    if (result || SEEDED_BUG(no_owner_check)) {
        shared_memory_close(&memory);
        return 0; /* the census says what is wrong with it */
    }
    result = shared_memory_lock(&memory, QUEUE_LOCK_PRODUCER);
    if (result == 0)
        result = shared_memory_lock(&memory, QUEUE_LOCK_CONSUMER);
    shared_memory_close(&memory);
    if (result == SHARED_MEMORY_TAKEN)
        return error_sentence(-EBUSY,
                              "a process of an earlier life still works on %s; "
                              "it ends by itself (--orphan-timeout)",
                              name->text);
    return result;
}

static int look_at_queue(struct provision *provision, size_t index)
{
    struct segment_name name = name_of_queue(provision, index);
    struct queue_plan plan = layout_plan_of(provision->layout, index);
    struct queue_census census;
    int result = refuse_if_held(&name);

    if (result == 0)
        result = queue_check(name.text, &plan, &census);
    if (result < 0)
        return result;
    /* One without any layout is left from a start that failed. */
    if (result == QUEUE_CORRUPT && !provision->report->has_remains)
        return shared_memory_remove(name.text);
    if (result == QUEUE_CORRUPT)
        return set_aside(provision, &name, census.damage);
    if (result == 0) {
        provision->has_queue[index] = true;
        provision->report->adopted_count++;
        provision->report->record_bytes += census.record_bytes;
    } else if (provision->has_layout) {
        /* A layout is made when all of its queues are there. */
        provision->report->missing_count++;
    }
    return 0;
}

/* Without their layout nobody knows how many queues there were. */
static int set_aside_surplus(struct provision *provision)
{
    for (size_t i = provision->layout->queue_count;; i++) {
        struct segment_name name = name_of_queue(provision, i);
        struct queue_segment segment;
        int result =
            queue_segment_open(name.text, SHARED_MEMORY_READ, &segment);

        queue_segment_close(&segment);
        if (result == QUEUE_ABSENT)
            return 0;
        if (result >= 0)
            result = set_aside(provision, &name, "is of a layout that is gone");
        if (result)
            return result;
    }
}

static int look_at_queues(struct provision *provision)
{
    size_t count = provision->layout->queue_count;
    int result = 0;

    free(provision->has_queue);
    provision->has_queue = calloc(count, sizeof(*provision->has_queue));
    if (!provision->has_queue)
        return error_origin(-ENOMEM, "cannot look at %zu queues", count);
    for (size_t i = 0; result == 0 && i < count; i++)
        result = look_at_queue(provision, i);
    if (result == 0 && !provision->has_layout)
        result = set_aside_surplus(provision);
    return result;
}

static uint64_t queues_length(const struct layout *layout)
{
    return layout->queue_count * (QUEUE_RING_OFFSET + layout->queue_capacity);
}

/* True if the old queues are kept, because the new ones need too much more. */
static bool is_kept_for_room(struct provision *provision)
{
    uint64_t old = queues_length(&provision->found);
    uint64_t new = queues_length(&provision->planned);
    int result = new > old && provision->may_keep
                     ? shared_memory_check_room(new - old)
                     : 0;

    if (result < 0)
        (void)snprintf(provision->report->kept_why,
                       sizeof(provision->report->kept_why), "%s",
                       error_take(result));
    return result < 0;
}

/*
 * Nothing is queued, and this is not what is wanted now: begin anew. The layout
 * goes last: a survey that is killed here leaves the next one a layout to drop,
 * and no queues of which nobody knows how many there are.
 */
static int drop_layout(struct provision *provision)
{
    int result = 0;

    for (size_t i = 0; result == 0 && i < provision->found.queue_count; i++) {
        result = shared_memory_remove(name_of_queue(provision, i).text);
        CRASH_POINT(queue_dropped);
    }
    if (result == 0)
        result = shared_memory_remove(
            segment_name_of(provision->bridge, "layout").text);
    CRASH_POINT(layout_dropped);
    provision->has_layout = false;
    provision->layout = &provision->planned;
    provision->report->adopted_count = 0;
    provision->report->missing_count = 0;
    return result ? result : look_at_queues(provision);
}

/* What the segments that are missing take together. */
static uint64_t missing_length(const struct provision *provision)
{
    const struct layout *layout = provision->layout;
    uint64_t count = layout->queue_count - provision->report->adopted_count;

    return count * (QUEUE_RING_OFFSET + layout->queue_capacity) +
           layout->queue_count * sizeof(*layout->queues) +
           sizeof(struct wakeup_segment) + QUEUE_RING_OFFSET;
}

/* A bridge that runs is worth more than what is kept to be looked at. */
static int make_room(struct provision *provision)
{
    struct segments_report *report = provision->report;
    int result = shared_memory_check_room(missing_length(provision));

    if (result == 0 || report->damage_count == 0)
        return result;
    (void)error_take(result);
    for (size_t i = 0;
         i < report->damage_count && i < SEGMENTS_DAMAGE_TOLD_MOST; i++) {
        struct segment_name aside =
            segment_name_of_damaged(&report->damages[i].name);

        result = shared_memory_remove(aside.text);
        if (result)
            return result;
    }
    report->is_damage_dropped = true;
    return shared_memory_check_room(missing_length(provision));
}

/* Nobody sleeps while nobody runs, so a new one says the same. */
static int make_wakeups(const struct provision *provision)
{
    struct segment_name name = segment_name_of(provision->bridge, "wakeup");
    int result = shared_memory_remove(name.text);

    return result ? result
                  : wakeup_create(name.text, provision->layout->generation);
}

static int make_queues(const struct provision *provision)
{
    int result = 0;

    for (size_t i = 0; result == 0 && i < provision->layout->queue_count; i++) {
        struct queue_plan plan = layout_plan_of(provision->layout, i);

        if (!provision->has_queue[i])
            result = queue_create(name_of_queue(provision, i).text, &plan);
        CRASH_POINT(queue_made);
    }
    return result;
}

static void remove_made(const struct provision *provision)
{
    (void)shared_memory_remove(
        segment_name_of(provision->bridge, "wakeup").text);
    for (size_t i = 0; i < provision->layout->queue_count; i++)
        if (!provision->has_queue[i])
            (void)shared_memory_remove(name_of_queue(provision, i).text);
}

/* All of them or none; the layout last: it says that the rest is there. */
static int make_missing(const struct provision *provision)
{
    struct segment_name layout = segment_name_of(provision->bridge, "layout");
    int result = make_wakeups(provision);

    CRASH_POINT(wakeup_made);
    if (result == 0)
        result = make_queues(provision);
    if (result == 0 && !provision->has_layout)
        result = layout_create(layout.text, provision->layout);
    CRASH_POINT(layout_made);
    if (result)
        remove_made(provision);
    return result;
}

static enum segments_origin origin_of(const struct segments_report *report)
{
    if (report->adopted_count > 0)
        return SEGMENTS_ADOPTED;
    return report->has_remains ? SEGMENTS_REPLACED : SEGMENTS_MADE;
}

int segments_recall(const char *bridge, struct survey *survey)
{
    struct shard_rows *open = &survey->list.open;
    struct layout layout;
    int result = layout_read(segment_name_of(bridge, "layout").text, &layout);

    *survey = (struct survey){ 0 };
    if (result)
        return result;
    open->rows = calloc(layout.queue_count, sizeof(*open->rows));
    open->count = open->capacity = open->rows ? layout.queue_count : 0;
    for (size_t i = 0; i < open->count; i++) {
        const struct layout_queue *queue = &layout.queues[i];
        struct shard_map_row *row = &open->rows[i];

        row->first = queue->first;
        row->last = queue->last;
        (void)snprintf(row->shard_id, sizeof(row->shard_id), "%s",
                       queue->shard_id);
    }
    survey->summary.max_record_size = (uint32_t)layout.max_record_size;
    layout_deinit(&layout);
    if (!open->rows)
        return error_origin(-ENOMEM, "cannot recall the queues");
    if (shard_map_build(&survey->map, open->rows, open->count))
        return error_sentence(-EUCLEAN, "the layout has no sound shard map");
    return 0;
}

int segments_provide(const struct options *options, const struct survey *survey,
                     struct random *random, struct segments_report *report)
{
    struct provision provision = {
        .bridge = options->name,
        .may_keep = options->keep_queues,
        .report = report,
    };
    int result = plan_layout(options, survey, random, &provision.planned);

    *report = (struct segments_report){ 0 };
    if (result == 0)
        result = look_at_layout(&provision);
    if (result == 0)
        result = look_at_queues(&provision);
    if (result == 0 && provision.has_layout && report->record_bytes == 0 &&
        !is_as_planned(&provision.found, &provision.planned) &&
        !is_kept_for_room(&provision))
        result = drop_layout(&provision);
    if (result == 0)
        result = make_room(&provision);
    if (result == 0)
        result = make_missing(&provision);
    if (result == 0) {
        report->origin = origin_of(report);
        report->queue_count = provision.layout->queue_count;
        report->queue_capacity = provision.layout->queue_capacity;
    }
    free(provision.has_queue);
    layout_deinit(&provision.planned);
    layout_deinit(&provision.found);
    return result;
}
