/* SPDX-License-Identifier: Apache-2.0 */

#include "tools/inspector/layouts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"

/* The head is wrong, or what stands behind it. */
static void explain(struct inspection *inspection,
                    const struct segment_entry *segment)
{
    struct shared_memory memory = SHARED_MEMORY_NULL;
    int result = shared_memory_open(segment->name.text, SHARED_MEMORY_READ,
                                    LAYOUT_MAGIC, LAYOUT_VERSION, &memory);

    shared_memory_close(&memory);
    if (result == 0)
        inspection_damage(inspection, segment,
                          "has ranges or sizes that cannot be");
    else
        inspection_cannot_use(inspection, segment, LAYOUT_MAGIC,
                              LAYOUT_VERSION);
}

static void read_one(struct inspection *inspection,
                     const struct segment_entry *segment, void *own)
{
    struct layouts *layouts = own;
    struct bridge_layout row = { .segment = segment };
    int result = layout_read(segment->name.text, &row.layout);

    if (result == 0)
        layouts->rows[layouts->count++] = row;
    else if (result == -EUCLEAN)
        explain(inspection, segment);
    else if (result != -ENOENT) /* removed meanwhile */
        inspection_failure(inspection, result);
}

void layouts_read(struct inspection *inspection, struct layouts *layouts)
{
    /* One per segment at most. */
    *layouts = (struct layouts){
        .rows = calloc(inspection->segments.count + 1, sizeof(*layouts->rows)),
    };
    if (!layouts->rows) {
        inspection_failure(inspection,
                           error_origin(-ENOMEM, "cannot keep the layouts"));
        return;
    }
    inspection_visit(inspection, SEGMENT_LAYOUT, read_one, layouts);
}

void layouts_deinit(struct layouts *layouts)
{
    for (size_t i = 0; i < layouts->count; i++)
        layout_deinit(&layouts->rows[i].layout);
    free(layouts->rows);
    *layouts = (struct layouts){ 0 };
}

const char *layouts_shard_id(const struct layouts *layouts,
                             const struct segment_entry *queue)
{
    for (size_t i = 0; i < layouts->count; i++) {
        const struct layout *layout = &layouts->rows[i].layout;

        if (strcmp(layouts->rows[i].segment->bridge, queue->bridge) == 0 &&
            layout->generation == queue->generation &&
            queue->index < layout->queue_count)
            return layout->queues[queue->index].shard_id;
    }
    return NULL;
}

static bool is_listed(const struct segment_list *list,
                      const struct segment_entry *entry)
{
    return list->count > 0 &&
           bsearch(entry, list->entries, list->count, sizeof(*entry),
                   segment_entry_compare) != NULL;
}

static void check_one(const struct bridge_layout *row,
                      struct inspection *inspection)
{
    struct segment_entry expected = *row->segment;

    expected.kind = SEGMENT_QUEUE;
    expected.generation = row->layout.generation;
    for (size_t i = 0; i < row->layout.queue_count; i++) {
        expected.index = (uint32_t)i;
        if (is_listed(&inspection->segments, &expected))
            continue;
        expected.name = segment_name_of_queue(
            expected.bridge, expected.generation, expected.index);
        inspection_damage(inspection, &expected,
                          "is named by the layout and is not there");
    }
}

void layouts_check_queues(const struct layouts *layouts,
                          struct inspection *inspection)
{
    for (size_t i = 0; i < layouts->count; i++)
        check_one(&layouts->rows[i], inspection);
}
