/* SPDX-License-Identifier: Apache-2.0 */

/*
 * show_counters - every number that the processes count, with its meaning,
 * which stands in the segment beside it.
 */

#include "common/bytes.h"
#include "common/counters.h"
#include "tools/inspector/figures.h"
#include "tools/inspector/inspection.h"
#include "tools/inspector/json_line.h"
#include "tools/inspector/text_table.h"

static const char *const titles[] = {
    "BRIDGE", "PROCESS", "NAME", "VALUE", "UNIT", "MEANING",
};

#define VALUE_COLUMN (1 << 3)

static const char *const unit_words[] = {
    [UNIT_COUNT] = "count",     [UNIT_MESSAGES] = "messages",
    [UNIT_RECORDS] = "records", [UNIT_REQUESTS] = "requests",
    [UNIT_BYTES] = "bytes",     [UNIT_NANOSECONDS] = "nanoseconds",
    [UNIT_GAUGE] = "gauge",
};

static void add_text(struct text_table *table,
                     const struct segment_entry *segment,
                     const struct counter_view *counter)
{
    text_table_add(table, "%s", segment->bridge);
    text_table_add(table, "%s", segment->role);
    text_table_add(table, "%s", counter->name);
    if (counter->unit == UNIT_BYTES)
        text_table_add(table, "%s", figure_of_size(counter->value).text);
    else if (counter->unit == UNIT_NANOSECONDS && counter->value <= INT64_MAX)
        text_table_add(table, "%s",
                       figure_of_duration((int64_t)counter->value).text);
    else
        text_table_add(table, "%llu", (unsigned long long)counter->value);
    text_table_add(table, "%s", unit_words[counter->unit]);
    text_table_add(table, "%s", counter->meaning);
}

static void put_json(FILE *file, const struct segment_entry *segment,
                     const struct counter_view *counter)
{
    struct json_line line = json_line_begin(file, "counter");

    json_line_text(&line, "bridge", segment->bridge);
    json_line_text(&line, "process", segment->role);
    json_line_text(&line, "name", counter->name);
    json_line_number(&line, "value", counter->value);
    json_line_text(&line, "unit", unit_words[counter->unit]);
    json_line_text(&line, "meaning", counter->meaning);
    json_line_end(&line);
}

static void show_rows(struct inspection *inspection,
                      const struct segment_entry *segment,
                      const struct shared_memory *memory,
                      struct text_table *table)
{
    size_t count = counters_count(memory);

    if (count == 0)
        inspection_damage(inspection, segment,
                          "has no counters, or sizes that cannot be");
    else
        inspection->shown++;
    for (size_t i = 0; i < count; i++) {
        struct counter_view counter;

        if (!counters_read(memory, i, &counter)) {
            inspection_damage(inspection, segment,
                              "has a row %zu that cannot be", i);
            return;
        }
        if (inspection->is_json)
            put_json(inspection->output, segment, &counter);
        else
            add_text(table, segment, &counter);
    }
}

static void show_one(struct inspection *inspection,
                     const struct segment_entry *segment, void *own)
{
    struct shared_memory memory = SHARED_MEMORY_NULL;
    int result = shared_memory_open(segment->name.text, SHARED_MEMORY_READ,
                                    COUNTERS_MAGIC, COUNTERS_VERSION, &memory);

    if (result == SHARED_MEMORY_ABSENT)
        return; /* removed meanwhile */
    if (result > 0)
        inspection_cannot_use(inspection, segment, COUNTERS_MAGIC,
                              COUNTERS_VERSION);
    else if (result < 0)
        inspection_failure(inspection, result);
    else
        show_rows(inspection, segment, &memory, own);
    shared_memory_close(&memory);
}

void inspect_counters(struct inspection *inspection)
{
    struct text_table table;
    int result = 0;

    text_table_init(&table, titles, ARRAY_LENGTH(titles), VALUE_COLUMN);
    inspection_visit(inspection, SEGMENT_COUNTERS, show_one, &table);
    if (inspection->shown > 0 && !inspection->is_json)
        result = text_table_print(&table, inspection->output);
    if (result < 0)
        inspection_failure(inspection, result);
    text_table_deinit(&table);
}
