/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * layout - the layout segment: which queues a bridge has, and for which ranges.
 *
 * The survey writes it from what ListShards said (it never computes ranges);
 * everybody else reads it once, at start, into an own copy whose numbers are
 * checked. It does not change: new queues have a new layout, with another
 * `instance`.
 */

#include <stddef.h>
#include <stdint.h>

#include "common/shared_memory.h"
#include "shard/hash_key.h"
#include "shard/queue_segment.h"
#include "shard/shard_map.h"

#define LAYOUT_MAGIC       SEGMENT_MAGIC('N', '2', 'K', 'L', 'A', 'Y', 'O', 'U')
#define LAYOUT_VERSION     2
#define LAYOUT_QUEUES_MOST 20000 /* the largest provisioned shard quota */

/* One queue: at start exactly one open shard. */
struct layout_queue {
    struct hash_key first; /* hash key range, inclusive */
    struct hash_key last;
    char shard_id[SHARD_ID_CAPACITY]; /* at the time of the survey */
};

/* What the segment says, in private memory. */
struct layout {
    uint32_t generation;
    uint32_t instance;        /* random: tells bridges apart in record tags */
    uint64_t queue_capacity;  /* bytes of each ring */
    uint64_t max_record_size; /* of the stream, bytes: body and key */
    size_t queue_count;
    struct layout_queue *queues; /* in the order of their ranges */
};

/* Make the segment. Returns 0 or a negative errno with its sentence. */
int layout_create(const char *name, const struct layout *layout);

/*
 * Read the segment into *layout, which the caller ends with layout_deinit().
 *
 * Returns 0 or a negative errno with its sentence: -ENOENT, or -EUCLEAN if it
 * is of another build or is not what the survey wrote.
 */
int layout_read(const char *name, struct layout *layout);

/* The same for a child, which is not started before there is one: -EUCLEAN. */
int layout_attach(const char *name, struct layout *layout);

/*
 * 0 if there is one queue for each shard of `map`, with its range; else a number
 * that tells one such set of shards from another.
 */
uint32_t layout_drift(const struct layout *layout, const struct shard_map *map);

/* Legal on a zeroed layout. */
void layout_deinit(struct layout *layout);

/* What the head of queue `index` must say. */
struct queue_plan layout_plan_of(const struct layout *layout, size_t index);

/*
 * The queue whose range holds `key`. The ranges of a checked layout cover
 * every key, so there always is one.
 */
size_t layout_find_queue(const struct layout *layout, struct hash_key key);
