/* SPDX-License-Identifier: Apache-2.0 */

#include "shard/queue_segment.h"

#include <errno.h>
#include <unistd.h>

/* For an XXH3_state_t that is no allocation. */
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "common/error.h"
#include "shard/shared_word.h"

static bool is_power_of_two(uint64_t value)
{
    return value > 0 && (value & (value - 1)) == 0;
}

int queue_create(const char *name, const struct queue_plan *plan)
{
    struct shared_memory memory = SHARED_MEMORY_NULL;
    struct queue_head *head;
    int result;

    assert(is_power_of_two(plan->capacity));
    assert(plan->capacity >= QUEUE_CAPACITY_LEAST);
    assert(plan->capacity <= QUEUE_CAPACITY_MOST);
    result =
        shared_memory_create(name, QUEUE_RING_OFFSET + plan->capacity, &memory);
    if (result == SHARED_MEMORY_EXISTS)
        return error_origin(-EEXIST, "cannot make the queue %s", name);
    if (result < 0)
        return result;
    head = memory.address;
    head->capacity = plan->capacity;
    head->index = plan->index;
    head->record_header = sizeof(struct record_header);
    head->positions_offset = QUEUE_POSITIONS_OFFSET;
    head->ring_offset = QUEUE_RING_OFFSET;
    head->first_hash_high = plan->first.high;
    head->first_hash_low = plan->first.low;
    head->last_hash_high = plan->last.high;
    head->last_hash_low = plan->last.low;
    shared_memory_publish(&memory, QUEUE_MAGIC, QUEUE_VERSION,
                          plan->generation);
    shared_memory_close(&memory);
    return 0;
}

static bool head_is_sound(const struct queue_head *head, uint64_t length)
{
    return is_power_of_two(head->capacity) &&
           head->capacity >= QUEUE_CAPACITY_LEAST &&
           head->capacity <= QUEUE_CAPACITY_MOST &&
           head->record_header == sizeof(struct record_header) &&
           head->positions_offset == QUEUE_POSITIONS_OFFSET &&
           head->ring_offset == QUEUE_RING_OFFSET &&
           length == QUEUE_RING_OFFSET + head->capacity;
}

int queue_segment_open(const char *name, enum shared_memory_access access,
                       struct queue_segment *segment)
{
    const struct queue_head *head;
    uint8_t *start;
    int result;

    *segment = (struct queue_segment){ .memory = SHARED_MEMORY_NULL };
    result = shared_memory_open(name, access, QUEUE_MAGIC, QUEUE_VERSION,
                                &segment->memory);
    if (result == SHARED_MEMORY_ABSENT)
        return QUEUE_ABSENT;
    if (result > 0)
        return QUEUE_WRONG_LAYOUT;
    if (result < 0)
        return result;
    head = segment->memory.address;
    if (segment->memory.length < QUEUE_RING_OFFSET ||
        !head_is_sound(head, segment->memory.length)) {
        queue_segment_close(segment);
        return QUEUE_WRONG_LAYOUT;
    }
    start = segment->memory.address;
    segment->positions =
        (struct queue_positions *)(start + QUEUE_POSITIONS_OFFSET);
    segment->ring = start + QUEUE_RING_OFFSET;
    segment->capacity = head->capacity;
    return 0;
}

bool queue_segment_is(const struct queue_segment *segment,
                      const struct queue_plan *plan)
{
    const struct queue_head *head = segment->memory.address;

    return head->segment.generation == plan->generation &&
           head->index == plan->index && head->capacity == plan->capacity &&
           head->first_hash_high == plan->first.high &&
           head->first_hash_low == plan->first.low &&
           head->last_hash_high == plan->last.high &&
           head->last_hash_low == plan->last.low;
}

uint32_t queue_segment_index(const struct queue_segment *segment)
{
    const struct queue_head *head = segment->memory.address;

    return head->index;
}

int queue_complain(int condition, const char *holder, const char *name)
{
    if (condition == QUEUE_TAKEN)
        return error_sentence(-EBUSY, "%s the queue %s", holder, name);
    if (condition == QUEUE_ABSENT)
        return error_sentence(-EUCLEAN, "there is no queue %s", name);
    if (condition == QUEUE_WRONG_LAYOUT)
        return error_sentence(-EUCLEAN, "the queue %s is of another build",
                              name);
    return error_sentence(-EUCLEAN, "the queue %s is damaged", name);
}

void queue_segment_close(struct queue_segment *segment)
{
    shared_memory_close(&segment->memory);
    *segment = (struct queue_segment){ .memory = SHARED_MEMORY_NULL };
}

/*
 * Each position can only grow, and none passes the next. Loading the last one
 * first could show `released` beyond an older `committed`; in this order every
 * later load is at least as new as what bounds it. Only `finished + capacity`
 * can look too small, if ingest finished and wrote meanwhile: `finished` is
 * loaded again to judge that. By then it may even have passed the `committed`
 * that was loaded before, which is no damage.
 */
int queue_snapshot(const struct queue_segment *segment,
                   struct queue_snapshot *snapshot)
{
    const struct queue_positions *positions = segment->positions;
    struct queue_snapshot now;
    uint64_t finished;

    now.finished = load_acquire(&positions->finished);
    now.released = load_acquire(&positions->released);   /* Q2 */
    now.committed = load_acquire(&positions->committed); /* Q1 */
    if (now.finished > now.released || now.released > now.committed)
        return QUEUE_CORRUPT;
    finished = load_acquire(&positions->finished);
    if (finished < now.committed &&
        now.committed - finished > segment->capacity)
        return QUEUE_CORRUPT;
    if ((now.finished | now.released | now.committed) % RECORD_ALIGNMENT)
        return QUEUE_CORRUPT;
    *snapshot = now;
    return 0;
}

static uint64_t checksum_seed(const struct record_header *record)
{
    static_assert(offsetof(struct record_header, hash_low) + 8 -
                          offsetof(struct record_header, message_id) ==
                      40,
                  "side by side");
    /* Id, time stamp and hash key stand side by side: 40 bytes. */
    return XXH3_64bits(record->message_id, 40) ^
           ((uint64_t)record->key_length << 32 | record->length);
}

uint64_t record_checksum(const struct record_header *record)
{
    return XXH3_64bits_withSeed(record + 1, record->length - sizeof(*record),
                                checksum_seed(record));
}

uint64_t record_checksum_of(const struct record_header *header,
                            struct bytes key, struct bytes body)
{
    XXH3_state_t state;

    XXH3_INITSTATE(&state);
    (void)XXH3_64bits_reset_withSeed(&state, checksum_seed(header));
    (void)XXH3_64bits_update(&state, key.data, key.length);
    (void)XXH3_64bits_update(&state, body.data, body.length);
    return XXH3_64bits_digest(&state);
}

static bool message_is_sound(const struct record_header *record)
{
    return record->kind == RECORD_MESSAGE &&
           record->length >= sizeof(*record) &&
           record->key_length <= record->length - sizeof(*record);
}

bool record_is_sound(const struct record_header *record, uint64_t till_end,
                     uint64_t available)
{
    uint64_t space;

    if (record->kind == RECORD_PADDING)
        return record->length == till_end && till_end <= available;
    if (till_end < sizeof(*record) || !message_is_sound(record))
        return false;
    space = record_space(record->length - sizeof(*record));
    return space <= till_end && space <= available;
}

int queue_record_at(const struct queue_segment *segment, uint64_t position,
                    uint64_t end, struct record_header **record)
{
    uint64_t place = position & (segment->capacity - 1);
    uint64_t till_end = segment->capacity - place;
    struct record_header *found = (void *)(segment->ring + place);

    if (position % RECORD_ALIGNMENT || position >= end ||
        !record_is_sound(found, till_end, end - position))
        return QUEUE_CORRUPT;
    *record = found;
    return 0;
}

bool queue_lease_is_alive(const struct queue_lease *lease)
{
    uint64_t pid = load_relaxed(&lease->pid);
    uint64_t start_time = load_relaxed(&lease->start_time);

    /*
     * A pid alone may long be another process; start time 0 is what is said
     * of one that does not exist.
     */
    return pid > 0 && pid <= INT32_MAX && start_time > 0 &&
           process_start_time((int)pid) == start_time;
}

void queue_take_lease(struct queue_lease *lease, uint64_t owner)
{
    store_relaxed(&lease->pid, (uint64_t)getpid());
    store_relaxed(&lease->start_time, process_start_time(getpid()));
    store_relaxed(&lease->owner, owner);
    store_release(&lease->epoch, load_relaxed(&lease->epoch) + 1);
}

struct queue_part queue_part_read(const struct queue_intent_part *place)
{
    return (struct queue_part){
        .first = { .high = load_relaxed(&place->first_high),
                   .low = load_relaxed(&place->first_low) },
        .last = { .high = load_relaxed(&place->last_high),
                  .low = load_relaxed(&place->last_low) },
        .takes_keyless = load_relaxed(&place->takes_keyless) != 0,
        .epoch = load_relaxed(&place->epoch),
        .number = load_relaxed(&place->number),
    };
}

/* A part as it is hashed: no padding between its members. */
struct hashed_part {
    uint64_t words[7];
};

static struct hashed_part read_words(const struct queue_intent_part *place)
{
    return (struct hashed_part){ {
        load_relaxed(&place->first_high),
        load_relaxed(&place->first_low),
        load_relaxed(&place->last_high),
        load_relaxed(&place->last_low),
        load_relaxed(&place->takes_keyless),
        load_relaxed(&place->epoch),
        load_relaxed(&place->number),
    } };
}

uint64_t queue_intent_checksum(const struct queue_intent *intent,
                               uint64_t number)
{
    uint64_t part_count = load_relaxed(&intent->part_count);
    const uint64_t head[] = {
        number,
        load_relaxed(&intent->first),
        load_relaxed(&intent->end),
        load_relaxed(&intent->epoch),
        load_relaxed(&intent->wall_ns),
        part_count,
    };
    struct hashed_part parts[QUEUE_PARTS_MOST];

    if (part_count > QUEUE_PARTS_MOST)
        return 0;
    for (size_t i = 0; i < part_count; i++)
        parts[i] = read_words(&intent->parts[i]);
    return XXH3_64bits_withSeed(parts, part_count * sizeof(*parts),
                                XXH3_64bits(head, sizeof(head)));
}
