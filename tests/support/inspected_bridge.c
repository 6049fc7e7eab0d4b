/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/inspected_bridge.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/counters.h"
#include "shard/layout.h"
#include "shard/source_table.h"

struct fruit_counters {
    _Atomic uint64_t apples;
    _Atomic uint64_t weight;
    _Atomic uint64_t ripening;
};

static const struct counter_row fruit_rows[] = {
    { "apples", UNIT_COUNT, "apples seen",
      offsetof(struct fruit_counters, apples) },
    { "weight", UNIT_BYTES, "how heavy they are",
      offsetof(struct fruit_counters, weight) },
    { "ripening", UNIT_NANOSECONDS, "time spent in the sun",
      offsetof(struct fruit_counters, ripening) },
};

#define FIRST_RANGE                                                            \
    { 0, 0 },                                                                  \
    {                                                                          \
        UINT64_MAX / 4, UINT64_MAX                                             \
    }
#define SECOND_RANGE                                                           \
    { UINT64_MAX / 4 + 1, 0 },                                                 \
    {                                                                          \
        UINT64_MAX, UINT64_MAX                                                 \
    }

static void make_layout(const char *name)
{
    struct layout_queue queues[] = {
        { FIRST_RANGE, "shardId-000000000000" },
        { SECOND_RANGE, "shardId-000000000001" },
    };
    struct layout layout = {
        .generation = 1,
        .queue_capacity = INSPECTED_CAPACITY,
        .max_record_size = 1 << 20,
        .queue_count = ARRAY_LENGTH(queues),
        .queues = queues,
    };

    ck_assert_int_eq(
        layout_create(segment_name_of(name, "layout").text, &layout), 0);
}

static void make_sources(const char *name)
{
    struct segment_name segment = segment_name_of(name, "sources");
    struct source_table table;
    uint16_t source;

    ck_assert_int_eq(source_table_open(segment.text, &table), 0);
    for (int i = 0; i < 4; i++) {
        char row[64];

        (void)snprintf(row, sizeof(row), "10.0.0.%d:4150 orders all", i);
        ck_assert_int_eq(source_table_intern(&table, row, &source), 0);
    }
    source_table_close(&table);
}

static void make_counters(const char *name)
{
    struct segment_name segment = segment_name_of_counters(name, "ingest");
    struct shared_memory memory = SHARED_MEMORY_NULL;
    struct fruit_counters *fruit;
    void *values = NULL;

    ck_assert_int_eq(counters_open(segment.text, fruit_rows,
                                   ARRAY_LENGTH(fruit_rows), sizeof(*fruit),
                                   &memory, &values),
                     0);
    fruit = values;
    counter_set(&fruit->apples, 12345);
    counter_set(&fruit->weight, 4 << 20);
    counter_set(&fruit->ripening, UINT64_C(1500000000));
    shared_memory_close(&memory);
}

void inspected_bridge_make_second(struct inspected_bridge *bridge)
{
    struct layout_queue range = { SECOND_RANGE, "" };
    struct queue_plan plan = {
        .capacity = INSPECTED_CAPACITY,
        .generation = 1,
        .index = 1,
        .first = range.first,
        .last = range.last,
    };

    bridge->second = segment_name_of_queue(bridge->name, 1, 1);
    ck_assert_int_eq(queue_create(bridge->second.text, &plan), 0);
}

void inspected_bridge_init(struct inspected_bridge *bridge)
{
    *bridge = (struct inspected_bridge){ 0 };
    /* As queue_fixture names its queues. */
    (void)snprintf(bridge->name, sizeof(bridge->name), "test-%d",
                   (int)getpid());
    (void)snprintf(bridge->name_option, sizeof(bridge->name_option),
                   "--name=%s", bridge->name);
    queue_fixture_init(&bridge->fixture, INSPECTED_CAPACITY, 0);
    inspected_bridge_make_second(bridge);
    make_layout(bridge->name);
    make_sources(bridge->name);
    make_counters(bridge->name);
}

void inspected_bridge_deinit(struct inspected_bridge *bridge)
{
    static const char *const parts[] = { "layout", "sources",
                                         "counters.ingest" };

    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++)
        (void)shared_memory_remove(
            segment_name_of(bridge->name, parts[i]).text);
    (void)shared_memory_remove(bridge->second.text);
    queue_fixture_deinit(&bridge->fixture);
    program_run_deinit(&bridge->run);
}

void inspected_bridge_write(struct inspected_bridge *bridge, uint64_t serial,
                            size_t count)
{
    struct queue_producer *producer = &bridge->fixture.producer;

    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(
            queue_fixture_write(producer, serial + i, INSPECTED_LENGTH), 0);
    queue_publish(producer);
}

void inspected_bridge_fill(struct inspected_bridge *bridge)
{
    struct queue_consumer *consumer = &bridge->fixture.consumer;
    struct record_header *record;
    struct queue_batch batch;
    uint64_t first = 0;
    uint64_t next;

    inspected_bridge_write(bridge, 1, 3);
    ck_assert_int_eq(queue_peek(consumer, &first, &record), 0);
    record_set_verdict(record, VERDICT_DELIVERED);
    ck_assert_int_eq(queue_release(consumer, first), 0);
    next = first;
    ck_assert_int_eq(queue_peek(consumer, &next, &record), 0);
    queue_fixture_intend(consumer, next, clock_wall_time(), &batch);
}

int inspected_bridge_look(struct inspected_bridge *bridge, const char *first,
                          const char *second, const char *third,
                          const char *fourth)
{
    const char *program = getenv("INSPECTOR");
    char *arguments[] = { "inspector",   (char *)first,  (char *)second,
                          (char *)third, (char *)fourth, NULL };

    ck_assert_msg(program != NULL, "INSPECTOR does not say where it is");
    program_run_deinit(&bridge->run);
    program_run_wait(program, arguments, &bridge->run);
    return bridge->run.status;
}

cJSON *inspected_bridge_line(const struct inspected_bridge *bridge,
                             const char *kind, int index)
{
    const char *at = bridge->run.output;

    while (*at) {
        const char *end = strchr(at, '\n');
        const char *found;
        cJSON *json;

        ck_assert_msg(end != NULL, "no end of line: %s", at);
        json = cJSON_ParseWithLength(at, (size_t)(end - at));
        found = cJSON_GetStringValue(cJSON_GetObjectItem(json, "kind"));
        ck_assert_msg(found != NULL, "no JSON of ours: %s", at);
        if (strcmp(found, kind) == 0 && index-- == 0)
            return json;
        cJSON_Delete(json);
        at = end + 1;
    }
    return NULL;
}

int inspected_bridge_count_lines(const struct inspected_bridge *bridge,
                                 const char *kind)
{
    int count = 0;
    cJSON *json;

    while ((json = inspected_bridge_line(bridge, kind, count))) {
        cJSON_Delete(json);
        count++;
    }
    return count;
}
