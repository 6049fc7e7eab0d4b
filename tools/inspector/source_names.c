/* SPDX-License-Identifier: Apache-2.0 */

#include "tools/inspector/source_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "shard/shared_word.h"

static int copy_rows(const struct source_segment *segment, size_t count,
                     struct bridge_sources *sources)
{
    sources->rows = calloc(count + 1, sizeof(*sources->rows));
    if (!sources->rows)
        return error_origin(-ENOMEM, "cannot keep %zu sources", count);
    memcpy(sources->rows, segment->rows, count * sizeof(*sources->rows));
    for (size_t i = 0; i < count; i++)
        sources->rows[i].name[SOURCE_NAME_CAPACITY - 1] = '\0';
    sources->count = count;
    return 0;
}

static void copy_table(struct inspection *inspection,
                       const struct segment_entry *segment,
                       const struct shared_memory *memory,
                       struct source_names *names)
{
    const struct source_segment *table = memory->address;
    struct bridge_sources sources = { .bridge = segment->bridge };
    uint64_t count;
    int result;

    if (memory->length < sizeof(*table)) {
        inspection_damage(inspection, segment, "is too short for its rows");
        return;
    }
    count = load_acquire(&table->count); /* S1, with source_table_intern() */
    if (count > SOURCES_MOST) {
        inspection_damage(inspection, segment,
                          "says it has %llu sources, and room is for %d",
                          (unsigned long long)count, SOURCES_MOST);
        return;
    }
    result = copy_rows(table, count, &sources);
    if (result < 0)
        inspection_failure(inspection, result);
    else
        names->bridges[names->count++] = sources;
}

static void read_one(struct inspection *inspection,
                     const struct segment_entry *segment, void *own)
{
    struct shared_memory memory = SHARED_MEMORY_NULL;
    int result = shared_memory_open(segment->name.text, SHARED_MEMORY_READ,
                                    SOURCE_MAGIC, SOURCE_VERSION, &memory);

    if (result == SHARED_MEMORY_ABSENT)
        return; /* removed meanwhile */
    if (result > 0)
        inspection_cannot_use(inspection, segment, SOURCE_MAGIC,
                              SOURCE_VERSION);
    else if (result < 0)
        inspection_failure(inspection, result);
    else
        copy_table(inspection, segment, &memory, own);
    shared_memory_close(&memory);
}

void source_names_read(struct inspection *inspection,
                       struct source_names *names)
{
    /* One per segment at most. */
    *names = (struct source_names){
        .bridges =
            calloc(inspection->segments.count + 1, sizeof(*names->bridges)),
    };
    if (!names->bridges) {
        inspection_failure(inspection,
                           error_origin(-ENOMEM, "cannot keep the sources"));
        return;
    }
    inspection_visit(inspection, SEGMENT_SOURCES, read_one, names);
}

void source_names_deinit(struct source_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->bridges[i].rows);
    free(names->bridges);
    *names = (struct source_names){ 0 };
}

const char *source_names_find(const struct source_names *names,
                              const char *bridge, uint16_t source)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->bridges[i].bridge, bridge) == 0 &&
            source < names->bridges[i].count)
            return names->bridges[i].rows[source].name;
    return NULL;
}
