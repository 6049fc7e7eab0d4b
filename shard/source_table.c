/* SPDX-License-Identifier: Apache-2.0 */

#include "shard/source_table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "shard/shared_word.h"

static int create_or_attach(const char *name, struct shared_memory *memory)
{
    int result =
        shared_memory_create(name, sizeof(struct source_segment), memory);

    if (result == 0)
        shared_memory_publish(memory, SOURCE_MAGIC, SOURCE_VERSION, 0);
    if (result != SHARED_MEMORY_EXISTS)
        return result;
    return shared_memory_open(name, SHARED_MEMORY_WRITE, SOURCE_MAGIC,
                              SOURCE_VERSION, memory);
}

int source_table_open(const char *name, struct source_table *table)
{
    int result;

    *table = (struct source_table){ .memory = SHARED_MEMORY_NULL };
    result = create_or_attach(name, &table->memory);
    if (result < 0)
        return result;
    if (result > 0 || table->memory.length < sizeof(struct source_segment))
        return error_sentence(-EPROTO, "the segment %s is of another build",
                              name);
    table->segment = table->memory.address;
    if (load_acquire(&table->segment->count) > SOURCES_MOST)
        return error_sentence(-EPROTO, "the segment %s is damaged", name);
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
