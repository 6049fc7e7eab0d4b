/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The input is a list of changes to the bytes of a sound queue: place (2
 * bytes, little endian), length (1 byte), and as many bytes. Whoever damaged
 * it how, the inspector and both ends stay inside the segment, come to an end
 * and never show a record that is longer than its room.
 *
 * The queue lies on the heap, where the sanitizer knows its bounds; its head
 * is looked at in shared memory, too, because that is where it is believed.
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shard/queue_consumer.h"
#include "shard/queue_producer.h"
#include "shard/queue_view.h"
#include "tests/fuzz/target.h"
#include "tests/support/queue_fixture.h"

#define CAPACITY     4096
#define LENGTH       (QUEUE_RING_OFFSET + CAPACITY)
#define READS_MOST   1000
#define RECORDS      12
#define PAGE_LENGTH  4096
#define RECORD_BYTES 100 /* key and body */

static uint8_t sound[LENGTH];
static struct queue_segment shared; /* the segment in shared memory */
static char name[64];
static struct queue_segment heap;

static void remove_name(void)
{
    (void)shared_memory_remove(name);
}

static void require(bool is_true)
{
    if (!is_true)
        abort();
}

/* Some records are finished, some decided, some only published. */
static void make_sound_queue(void)
{
    struct queue_fixture fixture;
    struct record_header *record;
    struct queue_batch batch;
    uint64_t position;

    queue_fixture_init(&fixture, CAPACITY, UINT64_C(1) << 40 | 2048);
    for (uint64_t i = 0; i < RECORDS; i++)
        require(queue_fixture_write(&fixture.producer, i, RECORD_BYTES) == 0);
    queue_publish(&fixture.producer);
    position = fixture.consumer.released;
    for (int i = 0; i < 6; i++) {
        require(queue_peek(&fixture.consumer, &position, &record) == 0);
        record_set_verdict(record, VERDICT_DELIVERED);
    }
    require(queue_release(&fixture.consumer, position) == 0);
    for (int i = 0; i < 3; i++)
        require(queue_decided(&fixture.producer, &record) == 0);
    queue_finish(&fixture.producer);
    require(queue_peek(&fixture.consumer, &position, &record) == 0);
    queue_fixture_intend(&fixture.consumer, position,
                         (struct wall_time){ .ns = 1 }, &batch);
    memcpy(sound, fixture.producer.segment.memory.address, LENGTH);
    queue_fixture_deinit(&fixture);
}

static void make_once(void)
{
    struct queue_plan plan = { .capacity = CAPACITY, .generation = 1 };
    uint8_t *memory;

    if (heap.ring)
        return;
    make_sound_queue();
    (void)snprintf(name, sizeof(name), "/nsq_to_kinesis.fuzz-%d.g1.q0",
                   (int)getpid());
    require(queue_create(name, &plan) == 0);
    require(atexit(remove_name) == 0);
    require(queue_segment_open(name, SHARED_MEMORY_WRITE, &shared) == 0);
    memory = aligned_alloc(PAGE_LENGTH, LENGTH);
    require(memory != NULL);
    heap = (struct queue_segment){
        .memory = SHARED_MEMORY_NULL,
        .positions = (void *)(memory + QUEUE_POSITIONS_OFFSET),
        .ring = memory + QUEUE_RING_OFFSET,
        .capacity = CAPACITY,
    };
    heap.memory.address = memory;
    heap.memory.length = LENGTH;
}

static void damage(uint8_t *segment, struct bytes changes)
{
    memcpy(segment, sound, LENGTH);
    while (changes.length >= 3) {
        size_t place =
            (size_t)(changes.data[0] | changes.data[1] << 8) % LENGTH;
        size_t length = changes.data[2];

        changes = bytes_skip(changes, 3);
        if (length > changes.length)
            length = changes.length;
        if (length > LENGTH - place)
            length = LENGTH - place;
        if (length > 0)
            memcpy(segment + place, changes.data, length);
        changes = bytes_skip(changes, length);
    }
}

/* Touches every byte, so that the sanitizer sees one that is not ours. */
static void check_record(const struct record_header *record)
{
    const uint8_t *from = (const uint8_t *)record;
    const volatile uint8_t *last = from + record->length - 1;

    require(from >= heap.ring && from + record->length <= heap.ring + CAPACITY);
    require(record->key_length <= record->length - sizeof(*record));
    (void)*last;
    (void)record_checksum(record);
}

static void look(uint64_t position)
{
    static _Alignas(8) uint8_t memory[512];
    const struct record_header *copy = (void *)memory;
    struct queue_view view = { .segment = heap };
    struct queue_view_state state;

    (void)queue_view_look(&view, &state);
    for (int i = 0; i < READS_MOST; i++) {
        uint64_t before = position;
        int result = queue_view_read(&view, &position, memory, sizeof(memory));

        if (result == QUEUE_EMPTY || result == QUEUE_CORRUPT)
            return;
        require(position != before);
        if (result == QUEUE_VIEW_OVERRUN)
            continue;
        require(copy->length >= sizeof(*copy));
        require(copy->key_length <= copy->length - sizeof(*copy));
    }
}

static void write_and_finish(void)
{
    struct queue_producer producer = { .segment = heap };
    struct record_header *record;
    uint64_t position;

    if (queue_producer_begin(&producer))
        return;
    position = queue_oldest(&producer);
    while (queue_walk(&producer, &position, &record) == 0)
        check_record(record);
    while (queue_decided(&producer, &record) == 0)
        check_record(record);
    queue_finish(&producer);
    if (queue_fixture_write(&producer, 99, RECORD_BYTES) == 0)
        queue_publish(&producer);
}

static void read_and_release(void)
{
    struct queue_consumer consumer = { .segment = heap };
    struct record_header *record;
    struct queue_batch batch;
    uint64_t position;

    if (queue_consumer_begin(&consumer, 0))
        return;
    if (queue_intended(&consumer, &batch) == 0)
        require(batch.first == consumer.released && batch.end > batch.first &&
                batch.part_count > 0 && batch.part_count <= QUEUE_PARTS_MOST);
    position = consumer.released;
    while (queue_peek(&consumer, &position, &record) == 0)
        check_record(record);
    (void)queue_release(&consumer, position);
}

static void look_at_head(void)
{
    struct queue_view view;
    struct queue_view_state state;

    memcpy(shared.memory.address, heap.memory.address, LENGTH);
    if (queue_view_open(name, &view) == 0) {
        require(view.segment.capacity == CAPACITY);
        (void)queue_view_look(&view, &state);
    }
    queue_view_close(&view);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length)
{
    struct bytes changes = bytes_of(input, length);

    make_once();
    damage(heap.memory.address, changes);
    look_at_head();
    look(UINT64_C(1) << 40 | 2048);
    look(length >= 8 ? bytes_load_be64(input) : 0);
    read_and_release();
    damage(heap.memory.address, changes);
    write_and_finish();
    return 0;
}

/* Places where a number stands that somebody believes. */
size_t fuzz_make_input(struct random *random, uint8_t *input, size_t most)
{
    static const uint16_t places[] = {
        offsetof(struct segment_head, length),
        offsetof(struct queue_head, capacity),
        offsetof(struct queue_head, ring_offset),
        QUEUE_POSITIONS_OFFSET + offsetof(struct queue_positions, committed),
        QUEUE_POSITIONS_OFFSET + offsetof(struct queue_positions, finished),
        QUEUE_POSITIONS_OFFSET + offsetof(struct queue_positions, released),
        QUEUE_POSITIONS_OFFSET + offsetof(struct queue_positions, batch),
        QUEUE_POSITIONS_OFFSET + offsetof(struct queue_positions, intents),
        QUEUE_POSITIONS_OFFSET + offsetof(struct queue_positions, intents) +
            offsetof(struct queue_intent, part_count),
        QUEUE_POSITIONS_OFFSET + offsetof(struct queue_positions, intents) +
            offsetof(struct queue_intent, parts),
    };
    struct bytes_writer writer = bytes_writer_on(input, most);

    for (uint64_t i = random_below(random, 4); i > 0; i--) {
        size_t place = places[random_below(random, ARRAY_LENGTH(places))];
        uint64_t length = 1 + random_below(random, 8);

        if (random_below(random, 2) == 0)
            place = QUEUE_RING_OFFSET +
                    8 * (size_t)random_below(random, CAPACITY / 8);
        bytes_put_byte(&writer, (uint8_t)place);
        bytes_put_byte(&writer, (uint8_t)(place >> 8));
        bytes_put_byte(&writer, (uint8_t)length);
        for (uint64_t k = 0; k < length; k++)
            bytes_put_byte(&writer, random_below(random, 2) == 0
                                        ? 0
                                        : (uint8_t)random_u64(random));
    }
    return writer.length;
}
