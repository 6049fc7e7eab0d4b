/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/queue_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shard/shared_word.h"

/* A fixture that fails is not a result of the test: stop it here. */
static void require(int result, const char *what)
{
    if (result == 0)
        return;
    (void)fprintf(stderr, "queue_fixture: %s gave %d\n", what, result);
    abort();
}

static void place_positions(const char *name, uint64_t position)
{
    struct queue_segment segment;

    require(queue_segment_open(name, SHARED_MEMORY_WRITE, &segment), "attach");
    store_release(&segment.positions->finished, position);
    store_release(&segment.positions->released, position);
    store_release(&segment.positions->committed, position);
    queue_segment_close(&segment);
}

void queue_fixture_make(struct queue_fixture *fixture, uint64_t capacity,
                        uint64_t position)
{
    static unsigned count;
    struct queue_plan plan = {
        .capacity = capacity,
        .generation = 1,
        .index = count,
        .last = { UINT64_MAX, UINT64_MAX },
    };

    *fixture = (struct queue_fixture){ 0 };
    (void)snprintf(fixture->name, sizeof(fixture->name),
                   "/nsq_to_kinesis.test-%d.g1.q%u", (int)getpid(), count++);
    /* A test that died may have left it, and process numbers come again. */
    (void)shm_unlink(fixture->name);
    require(queue_create(fixture->name, &plan), "create");
    place_positions(fixture->name, position);
}

void queue_fixture_init(struct queue_fixture *fixture, uint64_t capacity,
                        uint64_t position)
{
    queue_fixture_make(fixture, capacity, position);
    require(queue_producer_open(fixture->name, &fixture->producer), "writer");
    require(queue_consumer_open(fixture->name, 0, &fixture->consumer),
            "reader");
}

void queue_fixture_deinit(struct queue_fixture *fixture)
{
    queue_producer_close(&fixture->producer);
    queue_consumer_close(&fixture->consumer);
    require(shared_memory_remove(fixture->name), "remove");
}

void queue_fixture_intend(struct queue_consumer *consumer, uint64_t end,
                          struct wall_time now, struct queue_batch *batch)
{
    *batch = (struct queue_batch){
        .first = consumer->released,
        .end = end,
        .sent = now,
        .part_count = 1,
        .parts = { { .last = HASH_KEY_MOST, .takes_keyless = true } },
    };
    queue_intend(consumer, batch);
}

static void fill(struct record_header *record, uint64_t serial, size_t length)
{
    uint8_t *payload = (uint8_t *)(record + 1);

    record->key_length = (uint16_t)(serial % 9 < length ? serial % 9 : 0);
    record->source = (uint16_t)serial;
    record->attempts = 1;
    record->incarnation = 1;
    record->timestamp_ns = (int64_t)serial;
    record->hash_high = serial * 3;
    record->hash_low = serial * 5;
    (void)snprintf((char *)record->message_id, sizeof(record->message_id),
                   "%015llx", (unsigned long long)serial);
    memcpy(payload, &serial, sizeof(serial));
    memset(payload + sizeof(serial), (int)(serial & 0xff),
           length - sizeof(serial));
    record->checksum = record_checksum(record);
}

int queue_fixture_write(struct queue_producer *producer, uint64_t serial,
                        size_t length)
{
    struct record_header *record;
    int result = queue_reserve(producer, length, &record);

    if (result == 0)
        fill(record, serial, length);
    return result;
}

size_t queue_fixture_length(uint64_t serial, size_t most)
{
    uint64_t mixed = serial * UINT64_C(0x9e3779b97f4a7c15);

    return sizeof(serial) + (size_t)((mixed >> 32) % (most - 7));
}

uint64_t queue_fixture_serial(const struct record_header *record)
{
    uint64_t serial;

    memcpy(&serial, record + 1, sizeof(serial));
    return serial;
}

bool queue_fixture_is(const struct record_header *record, uint64_t serial,
                      size_t length)
{
    return record->length == sizeof(*record) + length &&
           queue_fixture_serial(record) == serial &&
           record->timestamp_ns == (int64_t)serial &&
           record->checksum == record_checksum(record);
}
