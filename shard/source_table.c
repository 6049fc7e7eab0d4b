/* SPDX-License-Identifier: Apache-2.0 */

#include "shard/source_table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/error.h"
#include "shard/segment_name.h"
#include "shard/shared_word.h"

/*
 * Numbers of connections begin with the time, in 64ths of a second: nobody makes
 * more of them than that for long. So what an earlier table gave is not given
 * again, and a record that came by one of those is never FINed by another. After
 * two years the numbers are the same; nothing is that old.
 */
#define INCARNATION_NS (NS_PER_SECOND / 64)

static int create(const char *name, struct shared_memory *memory)
{
    struct source_segment *segment;
    int result =
        shared_memory_create(name, sizeof(struct source_segment), memory);

    if (result)
        return result;
    segment = memory->address;
    store_relaxed(&segment->incarnations,
                  (uint64_t)(clock_wall_time().ns / INCARNATION_NS));
    shared_memory_publish(memory, SOURCE_MAGIC, SOURCE_VERSION, 0);
    return 0;
}

static bool is_sound(const struct shared_memory *memory)
{
    const struct source_segment *segment = memory->address;

    return memory->length >= sizeof(*segment) &&
           load_acquire(&segment->count) <= SOURCES_MOST;
}

/* Returns 0, a negative errno, or a condition if it cannot be used. */
static int attach(const char *name, struct shared_memory *memory)
{
    int result = shared_memory_open(name, SHARED_MEMORY_WRITE, SOURCE_MAGIC,
                                    SOURCE_VERSION, memory);

    if (result == 0 && !is_sound(memory)) {
        shared_memory_close(memory);
        return SHARED_MEMORY_FOREIGN;
    }
    return result;
}

static int replace(struct source_table *table, const char *name)
{
    struct segment_name own;
    struct segment_name aside;
    int result;

    (void)snprintf(own.text, sizeof(own.text), "%s", name);
    aside = segment_name_of_damaged(&own);
    result = shared_memory_set_aside(name, aside.text);
    if (result)
        return result;
    table->was_replaced = true;
    return create(name, &table->memory);
}

int source_table_open(const char *name, struct source_table *table)
{
    int result;

    *table = (struct source_table){ .memory = SHARED_MEMORY_NULL };
    result = create(name, &table->memory);
    if (result == SHARED_MEMORY_EXISTS)
        result = attach(name, &table->memory);
    if (result > 0)
        result = replace(table, name);
    if (result > 0)
        return error_origin(-EEXIST, "cannot make the segment %s", name);
    if (result < 0)
        return result;
    table->segment = table->memory.address;
    return 0;
}

void source_table_close(struct source_table *table)
{
    shared_memory_close(&table->memory);
    *table = (struct source_table){ .memory = SHARED_MEMORY_NULL };
}

int source_table_intern(struct source_table *table, const char *name,
                        uint16_t *source)
{
    struct source_segment *segment = table->segment;
    uint64_t count = load_relaxed(&segment->count);

    for (uint64_t i = 0; i < count; i++) {
        if (strncmp(segment->rows[i].name, name, SOURCE_NAME_CAPACITY - 1) != 0)
            continue;
        *source = (uint16_t)i;
        return 0;
    }
    if (count >= SOURCES_MOST)
        return SOURCE_TABLE_FULL;
    (void)snprintf(segment->rows[count].name, SOURCE_NAME_CAPACITY, "%s", name);
    store_release(&segment->count, count + 1); /* S1, with the inspector */
    *source = (uint16_t)count;
    return 0;
}

uint32_t source_table_next_incarnation(struct source_table *table)
{
    uint64_t count = load_relaxed(&table->segment->incarnations) + 1;

    /* After 2^32 connections a number comes again; nothing is that old. */
    if ((uint32_t)count == 0)
        count++;
    store_relaxed(&table->segment->incarnations, count);
    return (uint32_t)count;
}
