/* SPDX-License-Identifier: Apache-2.0 */

#include "shard/layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "common/error.h"
#include "shard/queue_layout.h"

/* The bytes in shared memory; rows follow. */
struct layout_segment {
    struct segment_head head;
    uint32_t instance;
    uint32_t queue_count;
    uint64_t queue_capacity;
    uint64_t max_record_size;
    uint32_t row_size; /* sizeof(struct layout_queue) */
    uint32_t reserved;
    uint64_t checksum; /* of all that the survey wrote, but for this */
    struct layout_queue rows[];
};

static uint64_t checksum_of(const struct layout_segment *segment,
                            uint32_t generation)
{
    size_t start = offsetof(struct layout_segment, instance);
    size_t end = offsetof(struct layout_segment, checksum);
    uint64_t seed = XXH3_64bits_withSeed((const uint8_t *)segment + start,
                                         end - start, generation);

    return XXH3_64bits_withSeed(
        segment->rows, segment->queue_count * sizeof(*segment->rows), seed);
}

int layout_create(const char *name, const struct layout *layout)
{
    size_t rows = layout->queue_count * sizeof(*layout->queues);
    struct shared_memory memory = SHARED_MEMORY_NULL;
    struct layout_segment *segment;
    int result;

    assert(layout->queue_count > 0);
    assert(layout->queue_count <= LAYOUT_QUEUES_MOST);
    result = shared_memory_create(name, sizeof(*segment) + rows, &memory);
    if (result == SHARED_MEMORY_EXISTS)
        return error_origin(-EEXIST, "cannot make the segment %s", name);
    if (result < 0)
        return result;
    segment = memory.address;
    segment->instance = layout->instance;
    segment->queue_count = (uint32_t)layout->queue_count;
    segment->queue_capacity = layout->queue_capacity;
    segment->max_record_size = layout->max_record_size;
    segment->row_size = sizeof(*layout->queues);
    memcpy(segment->rows, layout->queues, rows);
    segment->checksum = checksum_of(segment, layout->generation);
    shared_memory_publish(&memory, LAYOUT_MAGIC, LAYOUT_VERSION,
                          layout->generation);
    shared_memory_close(&memory);
    return 0;
}

/* The ranges must follow each other without a gap from 0 to 2^128 - 1. */
static bool ranges_cover_everything(const struct layout *layout)
{
    struct hash_key next = { 0, 0 };

    for (size_t i = 0; i < layout->queue_count; i++) {
        const struct layout_queue *queue = &layout->queues[i];

        if (hash_key_compare(queue->first, next) != 0 ||
            hash_key_compare(queue->last, queue->first) < 0 ||
            memchr(queue->shard_id, '\0', sizeof(queue->shard_id)) == NULL)
            return false;
        next = hash_key_next(queue->last);
    }
    return next.high == 0 && next.low == 0; /* 2^128 - 1, plus one */
}

static bool segment_is_sound(const struct layout_segment *segment,
                             size_t length)
{
    return length >= sizeof(*segment) && segment->queue_count > 0 &&
           segment->queue_count <= LAYOUT_QUEUES_MOST &&
           segment->row_size == sizeof(struct layout_queue) &&
           length >= sizeof(*segment) +
                         segment->queue_count * sizeof(struct layout_queue) &&
           segment->max_record_size > 0 &&
           segment->queue_capacity >= QUEUE_CAPACITY_LEAST &&
           segment->queue_capacity <= QUEUE_CAPACITY_MOST &&
           segment->checksum == checksum_of(segment, segment->head.generation);
}

static int copy_segment(const struct shared_memory *memory,
                        struct layout *layout)
{
    const struct layout_segment *segment = memory->address;

    if (!segment_is_sound(segment, memory->length))
        return -EUCLEAN;
    layout->generation = segment->head.generation;
    layout->instance = segment->instance;
    layout->queue_capacity = segment->queue_capacity;
    layout->max_record_size = segment->max_record_size;
    layout->queue_count = segment->queue_count;
    layout->queues = calloc(layout->queue_count, sizeof(*layout->queues));
    if (!layout->queues)
        return error_origin(-ENOMEM, "cannot copy the layout");
    memcpy(layout->queues, segment->rows,
           layout->queue_count * sizeof(*layout->queues));
    return ranges_cover_everything(layout) ? 0 : -EUCLEAN;
}

int layout_read(const char *name, struct layout *layout)
{
    struct shared_memory memory = SHARED_MEMORY_NULL;
    int result;

    *layout = (struct layout){ 0 };
    result = shared_memory_open(name, SHARED_MEMORY_READ, LAYOUT_MAGIC,
                                LAYOUT_VERSION, &memory);
    if (result == SHARED_MEMORY_ABSENT)
        return error_sentence(-ENOENT, "there is no layout %s", name);
    if (result > 0)
        return error_sentence(-EUCLEAN, "the layout %s is of another build",
                              name);
    if (result < 0)
        return result;
    result = copy_segment(&memory, layout);
    if (result == -EUCLEAN)
        (void)error_sentence(result, "the layout %s is damaged", name);
    if (result < 0)
        layout_deinit(layout);
    shared_memory_close(&memory);
    return result;
}

int layout_attach(const char *name, struct layout *layout)
{
    int result = layout_read(name, layout);

    return result == -ENOENT ? -EUCLEAN : result;
}

struct queue_plan layout_plan_of(const struct layout *layout, size_t index)
{
    return (struct queue_plan){
        .capacity = layout->queue_capacity,
        .generation = layout->generation,
        .index = (uint32_t)index,
        .first = layout->queues[index].first,
        .last = layout->queues[index].last,
    };
}

static bool has_queue_for_each(const struct layout *layout,
                               const struct shard_map *map)
{
    if (layout->queue_count != map->count)
        return false;
    for (size_t i = 0; i < map->count; i++)
        if (!hash_key_equal(layout->queues[i].last, map->rows[i].last))
            return false;
    return true;
}

uint32_t layout_drift(const struct layout *layout, const struct shard_map *map)
{
    uint64_t seed = map->count;

    if (has_queue_for_each(layout, map))
        return 0;
    for (size_t i = 0; i < map->count; i++)
        seed = XXH3_64bits_withSeed(&map->rows[i].last,
                                    sizeof(map->rows[i].last), seed);
    return (uint32_t)seed | 1; /* not 0 */
}

void layout_deinit(struct layout *layout)
{
    free(layout->queues);
    *layout = (struct layout){ 0 };
}

static size_t search_queue(const struct layout *layout, struct hash_key key)
{
    size_t low = 0;
    size_t high = layout->queue_count - 1;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (hash_key_compare(key, layout->queues[middle].last) <= 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/*
 * Most streams are divided evenly: then a product says which queue it is.
 * Steps of a search would be guessed wrongly every other time, because where a
 * hash key falls is as good as random.
 */
size_t layout_find_queue(const struct layout *layout, struct hash_key key)
{
    size_t guess =
        (size_t)((unsigned __int128)key.high * layout->queue_count >> 64);
    const struct layout_queue *queue = &layout->queues[guess];

    if (hash_key_compare(queue->first, key) <= 0 &&
        hash_key_compare(key, queue->last) <= 0)
        return guess;
    return search_queue(layout, key);
}
