/* SPDX-License-Identifier: Apache-2.0 */

#include "shard/shard_map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static bool is_shard_id_character(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

bool shard_map_row_name(struct shard_map_row *row, struct bytes shard_id)
{
    if (shard_id.length == 0 || shard_id.length >= SHARD_ID_CAPACITY)
        return false;
    for (size_t i = 0; i < shard_id.length; i++)
        if (!is_shard_id_character(shard_id.data[i]))
            return false;
    memset(row->shard_id, 0, sizeof(row->shard_id));
    memcpy(row->shard_id, shard_id.data, shard_id.length);
    return true;
}

/* Rows that begin together are ordered too: the result depends on no luck. */
static int compare_rows(const void *a, const void *b)
{
    const struct shard_map_row *left = a;
    const struct shard_map_row *right = b;
    int order = hash_key_compare(left->first, right->first);

    if (order == 0)
        order = hash_key_compare(left->last, right->last);
    if (order == 0)
        order = strcmp(left->shard_id, right->shard_id);
    return order;
}

static int check_row(const struct shard_map_row *row)
{
    size_t length = strnlen(row->shard_id, SHARD_ID_CAPACITY);

    if (length == 0 || length == SHARD_ID_CAPACITY)
        return SHARD_MAP_SHARD_ID;
    if (hash_key_compare(row->first, row->last) > 0)
        return SHARD_MAP_REVERSED;
    return 0;
}

/* Each row must begin where the one before it ended. */
static int check_cover(const struct shard_map_row *rows, size_t count)
{
    struct hash_key expected = { 0, 0 };

    for (size_t i = 0; i < count; i++) {
        int order = hash_key_compare(rows[i].first, expected);

        if (order > 0)
            return SHARD_MAP_GAP;
        if (order < 0)
            return SHARD_MAP_OVERLAP;
        if (hash_key_equal(rows[i].last, HASH_KEY_MOST))
            return i + 1 < count ? SHARD_MAP_OVERLAP : 0;
        expected = hash_key_next(rows[i].last);
    }
    return SHARD_MAP_GAP;
}

static int compare_shard_ids(const struct shard_map_row *rows, uint32_t a,
                             uint32_t b)
{
    return strcmp(rows[a].shard_id, rows[b].shard_id);
}

/* Sift the root of a heap of row numbers down to its place. */
static void sift_down(struct shard_map_row *rows, size_t root, size_t count)
{
    for (;;) {
        size_t child = 2 * root + 1;
        uint32_t parent = rows[root].by_shard_id;

        if (child >= count)
            return;
        if (child + 1 < count &&
            compare_shard_ids(rows, rows[child].by_shard_id,
                              rows[child + 1].by_shard_id) < 0)
            child++;
        if (compare_shard_ids(rows, parent, rows[child].by_shard_id) >= 0)
            return;
        rows[root].by_shard_id = rows[child].by_shard_id;
        rows[child].by_shard_id = parent;
        root = child;
    }
}

/*
 * Heapsort of the row numbers, which lie apart from each other, one in each
 * row: qsort() has no stride, and an array beside the rows would have to be
 * somebody's memory.
 */
static void order_shard_ids(struct shard_map_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        rows[i].by_shard_id = (uint32_t)i;
    for (size_t root = count / 2; root-- > 0;)
        sift_down(rows, root, count);
    for (size_t end = count; end-- > 1;) {
        uint32_t most = rows[0].by_shard_id;

        rows[0].by_shard_id = rows[end].by_shard_id;
        rows[end].by_shard_id = most;
        sift_down(rows, 0, end);
    }
}

static int check_shard_ids_differ(const struct shard_map_row *rows,
                                  size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (compare_shard_ids(rows, rows[i - 1].by_shard_id,
                              rows[i].by_shard_id) == 0)
            return SHARD_MAP_SHARD_ID;
    return 0;
}

int shard_map_build(struct shard_map *map, struct shard_map_row *rows,
                    size_t count)
{
    int result;

    assert(count <= UINT32_MAX);
    if (count == 0)
        return SHARD_MAP_EMPTY;
    for (size_t i = 0; i < count; i++) {
        result = check_row(&rows[i]);
        if (result != 0)
            return result;
    }
    qsort(rows, count, sizeof(*rows), compare_rows);
    result = check_cover(rows, count);
    if (result != 0)
        return result;
    order_shard_ids(rows, count);
    result = check_shard_ids_differ(rows, count);
    if (result != 0)
        return result;
    *map = (struct shard_map){ .rows = rows, .count = count };
    return 0;
}

const struct shard_map_row *shard_map_find(const struct shard_map *map,
                                           struct hash_key hash_key)
{
    size_t first = 0;
    size_t end = map->count;

    /* The last row that begins at or before the hash key holds it. */
    while (end - first > 1) {
        size_t middle = first + (end - first) / 2;

        if (hash_key_compare(map->rows[middle].first, hash_key) <= 0)
            first = middle;
        else
            end = middle;
    }
    return &map->rows[first];
}

/* Negative, 0 or positive, as strcmp of the two. */
static int compare_with_shard_id(struct bytes a, const char *shard_id)
{
    size_t length = strlen(shard_id);
    size_t common = a.length < length ? a.length : length;
    int order = common > 0 ? memcmp(a.data, shard_id, common) : 0;

    if (order != 0)
        return order;
    return (a.length > length) - (a.length < length);
}

const struct shard_map_row *shard_map_find_shard(const struct shard_map *map,
                                                 struct bytes shard_id)
{
    size_t first = 0;
    size_t end = map->count;

    while (first < end) {
        size_t middle = first + (end - first) / 2;
        const struct shard_map_row *row =
            &map->rows[map->rows[middle].by_shard_id];
        int order = compare_with_shard_id(shard_id, row->shard_id);

        if (order == 0)
            return row;
        if (order < 0)
            end = middle;
        else
            first = middle + 1;
    }
    return NULL;
}
