/* SPDX-License-Identifier: Apache-2.0 */

#include "shard/queue_check.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/segment_explanation.h"
#include "shard/shared_word.h"

/* One walk over the records. */
struct walk {
    const struct queue_segment *segment;
    struct queue_census *census;
    struct queue_snapshot now;
    uint64_t intent_end;   /* of the current intent; 0: there is none */
    bool is_released_seen; /* it is the border of a record */
    bool is_intent_seen;   /* so is this */
};

__attribute__((format(printf, 2, 3))) static int
find(struct queue_census *census, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(census->damage, sizeof(census->damage), format, arguments);
    va_end(arguments);
    return QUEUE_CORRUPT;
}

static int check_head(const struct queue_segment *segment,
                      const struct queue_plan *plan,
                      struct queue_census *census)
{
    const struct queue_head *head = segment->memory.address;

    if (queue_segment_is(segment, plan))
        return 0;
    if (head->segment.generation != plan->generation ||
        head->index != plan->index)
        return find(census, "says that it is g%u.q%u", head->segment.generation,
                    head->index);
    if (head->capacity != plan->capacity)
        return find(census, "says that it has %llu bytes and should have %llu",
                    (unsigned long long)head->capacity,
                    (unsigned long long)plan->capacity);
    return find(census, "says that it is for other hash keys than the layout");
}

static int check_positions(struct walk *walk)
{
    const struct queue_positions *positions = walk->segment->positions;

    if (queue_snapshot(walk->segment, &walk->now) == 0)
        return 0;
    return find(walk->census,
                "has positions that cannot be: finished %llu, released %llu, "
                "committed %llu",
                (unsigned long long)load_relaxed(&positions->finished),
                (unsigned long long)load_relaxed(&positions->released),
                (unsigned long long)load_relaxed(&positions->committed));
}

static int check_intent(struct walk *walk)
{
    const struct queue_positions *positions = walk->segment->positions;
    uint64_t number = load_acquire(&positions->batch); /* Q3 */
    const struct queue_intent *intent = &positions->intents[number % 2];
    uint64_t end = load_relaxed(&intent->end);

    if (number == 0)
        return 0;
    if (load_relaxed(&intent->checksum) !=
        queue_intent_checksum(intent, number))
        return find(walk->census,
                    "has an intent, of batch %llu, that is not "
                    "what egress wrote",
                    (unsigned long long)number);
    if (end <= walk->now.released)
        return 0;
    if (load_relaxed(&intent->first) != walk->now.released ||
        end > walk->now.committed)
        return find(walk->census,
                    "has an intent from %llu to %llu, where %llu is released "
                    "and %llu committed",
                    (unsigned long long)load_relaxed(&intent->first),
                    (unsigned long long)end,
                    (unsigned long long)walk->now.released,
                    (unsigned long long)walk->now.committed);
    walk->intent_end = end;
    return 0;
}

static int check_message(struct walk *walk, uint64_t position,
                         const struct record_header *record)
{
    bool is_final = record_verdict_is_final(record->verdict);

    if (record->checksum != record_checksum(record))
        return find(walk->census,
                    "has a record at %llu that is not what ingest wrote",
                    (unsigned long long)position);
    if (!is_final &&
        (position < walk->now.released || record->verdict != VERDICT_NONE))
        return find(walk->census,
                    "has a record at %llu with a verdict that cannot be, "
                    "0x%02x",
                    (unsigned long long)position, record->verdict);
    walk->census->record_count++;
    return 0;
}

static void note_border(struct walk *walk, uint64_t position)
{
    walk->is_released_seen |= position == walk->now.released;
    walk->is_intent_seen |= position == walk->intent_end;
}

static int check_records(struct walk *walk)
{
    uint64_t position = walk->now.finished;

    note_border(walk, position);
    while (position < walk->now.committed) {
        struct record_header *record;
        int result;

        if (queue_record_at(walk->segment, position, walk->now.committed,
                            &record))
            return find(walk->census,
                        "has no record at %llu, where one should "
                        "begin",
                        (unsigned long long)position);
        if (record->kind == RECORD_PADDING) {
            position += record->length;
        } else {
            result = check_message(walk, position, record);
            if (result)
                return result;
            position += record_space(record->length - sizeof(*record));
        }
        note_border(walk, position);
    }
    if (!walk->is_released_seen)
        return find(walk->census, "has `released`, %llu, inside a record",
                    (unsigned long long)walk->now.released);
    if (walk->intent_end > 0 && !walk->is_intent_seen)
        return find(walk->census,
                    "has an intent that ends, at %llu, inside a "
                    "record",
                    (unsigned long long)walk->intent_end);
    return 0;
}

static int check(const struct queue_segment *segment,
                 const struct queue_plan *plan, struct queue_census *census)
{
    struct walk walk = { .segment = segment, .census = census };
    int result = check_head(segment, plan, census);

    if (result == 0)
        result = check_positions(&walk);
    if (result == 0)
        result = check_intent(&walk);
    if (result == 0)
        result = check_records(&walk);
    if (result == 0)
        census->record_bytes = walk.now.committed - walk.now.finished;
    return result;
}

int queue_check(const char *name, const struct queue_plan *plan,
                struct queue_census *census)
{
    struct queue_segment segment;
    /* As its ends will: root may read what it may not write. */
    int result = queue_segment_open(name, SHARED_MEMORY_WRITE, &segment);

    *census = (struct queue_census){ 0 };
    if (result == 0)
        result = check(&segment, plan, census);
    queue_segment_close(&segment);
    if (result == QUEUE_WRONG_LAYOUT) {
        segment_explain(name, QUEUE_MAGIC, QUEUE_VERSION, census->damage,
                        sizeof(census->damage));
        return QUEUE_CORRUPT;
    }
    return result;
}
