/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * shard_map - hash key range -> shard; an immutable snapshot.
 *
 * The open shards of a stream divide 0 .. 2^128-1 among them, without a gap or
 * an overlap. Ranges are never computed, only taken from ListShards, and a
 * list that does not cover everything exactly once (it was read while a
 * reshard was under way, or its pages do not fit together) makes no map: the
 * old one stays in use and the list is asked for again.
 *
 * Memory    the rows are the caller's; a map is a view of them. Nobody changes
 *           them once the map is made, so it can be copied and shared.
 * Returns   0 or a SHARD_MAP_* condition.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "shard/hash_key.h"

/* ShardId is 1 to 128 characters of [a-zA-Z0-9_.-] (Kinesis API reference). */
#define SHARD_ID_CAPACITY 129 /* with its NUL */

enum shard_map_condition {
    SHARD_MAP_EMPTY = 1, /* no row */
    SHARD_MAP_REVERSED,  /* a row ends before it begins */
    SHARD_MAP_GAP,       /* a hash key belongs to no row */
    SHARD_MAP_OVERLAP,   /* a hash key belongs to two rows */
    SHARD_MAP_SHARD_ID,  /* a shard id is no shard id, or stands twice */
};

struct shard_map_row {
    struct hash_key first;            /* StartingHashKey */
    struct hash_key last;             /* EndingHashKey: inclusive */
    char shard_id[SHARD_ID_CAPACITY]; /* ends with a NUL */
    uint32_t by_shard_id;             /* of row i: the i-th row by shard id;
                                         shard_map_build() fills it in */
};

struct shard_map {
    const struct shard_map_row *rows; /* by ascending hash key */
    size_t count;
};

/*
 * True, and *row's shard_id set, if `shard_id` is one: a peer's text is checked
 * before it is kept.
 */
bool shard_map_row_name(struct shard_map_row *row, struct bytes shard_id);

/*
 * Sort `rows` in place and make *map a view of them, if they cover every hash
 * key exactly once. On a condition *map is untouched, but rows may be sorted.
 */
int shard_map_build(struct shard_map *map, struct shard_map_row *rows,
                    size_t count);

/* The row whose range holds `hash_key`; a built map always has one. */
const struct shard_map_row *shard_map_find(const struct shard_map *map,
                                           struct hash_key hash_key);

/* The row of a shard, or NULL if it is not (or no longer) in the map. */
const struct shard_map_row *shard_map_find_shard(const struct shard_map *map,
                                                 struct bytes shard_id);

/* True if the range of `row` holds `hash_key`. */
static inline bool shard_map_covers(const struct shard_map_row *row,
                                    struct hash_key hash_key)
{
    return hash_key_compare(row->first, hash_key) <= 0 &&
           hash_key_compare(hash_key, row->last) <= 0;
}
