/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * kinesis_simulator_stream - streams, and the shards of a stream over time.
 *
 *     shardId-0 [0 ........................ 2^128-1]   closed by a split
 *     shardId-1 [0 ... x-1]                            open
 *     shardId-2             [x ............ 2^128-1]   open
 *
 * Every shard that ever was stays in `shards`, by index; `open` holds the
 * indexes of the open ones by hash key, which together cover all hash keys
 * once. A split closes one and opens two, a merge closes two and opens one.
 *
 * With a transition time, a stream is CREATING, UPDATING or DELETING for so
 * long; the change itself happens at once, as writes go on during UPDATING.
 */

#include "tests/support/kinesis_simulator_shard.h"

#define SIMULATOR_ACCOUNT         "123456789012"
#define SIMULATOR_STREAM_NAME     129 /* 128 characters and the NUL */
#define SIMULATOR_RECORD_KIB      1024
#define SIMULATOR_RECORD_KIB_MOST 10240

enum simulator_stream_condition {
    SIMULATOR_STREAM_NO_SUCH_SHARD = 1,
    SIMULATOR_STREAM_NOT_OPEN,     /* the shard is closed */
    SIMULATOR_STREAM_NOT_INSIDE,   /* a split must leave two ranges */
    SIMULATOR_STREAM_NOT_ADJACENT, /* merges join neighbours */
    SIMULATOR_STREAM_NO_MEMORY,
};

enum simulator_stream_status {
    SIMULATOR_STREAM_ACTIVE,
    SIMULATOR_STREAM_CREATING,
    SIMULATOR_STREAM_UPDATING,
    SIMULATOR_STREAM_DELETING,
};

/* What time it is, and the number behind the newest sequence number. */
struct simulator_moment {
    struct monotonic now;
    int64_t epoch_ms;
    uint64_t *number; /* grows by one with each use */
};

struct simulator_stream {
    struct simulator_stream *next;
    char name[SIMULATOR_STREAM_NAME];
    char arn[256];
    int64_t created_ms;
    uint64_t record_kib; /* MaxRecordSizeInKiB */
    enum simulator_stream_status status;
    struct monotonic settled; /* when the status ends */
    struct simulator_shard **shards;
    uint32_t shard_count;
    uint32_t *open;
    uint32_t open_count;
};

/* Letters, digits, '_', '.', '-'; 1 to 128 of them. */
bool simulator_stream_name_is_legal(struct bytes name);

/* NULL without memory. The caller owns it; see simulator_stream_free(). */
struct simulator_stream *
simulator_stream_new(const char *name, const char *region, uint32_t shard_count,
                     const struct simulator_moment *moment);
void simulator_stream_free(struct simulator_stream *stream);

/* The open shard whose range holds the hash key. Never NULL. */
struct simulator_shard *
simulator_stream_route(const struct simulator_stream *stream,
                       unsigned __int128 hash);

/* Split at `new_first`, the first hash key of the upper child. */
int simulator_stream_split(struct simulator_stream *stream, uint32_t index,
                           unsigned __int128 new_first,
                           const struct simulator_moment *moment);

int simulator_stream_merge(struct simulator_stream *stream, uint32_t index,
                           uint32_t adjacent,
                           const struct simulator_moment *moment);

/* Split and merge until there are `count` shards of equal ranges. */
int simulator_stream_make_uniform(struct simulator_stream *stream,
                                  uint32_t count,
                                  const struct simulator_moment *moment);

/* The hash key in the middle of a shard, where an even split is made. */
unsigned __int128 simulator_shard_middle(const struct simulator_shard *shard);
