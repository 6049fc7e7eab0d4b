/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * control_plane - what egress asks Kinesis about a stream: requests and
 * replies of DescribeStreamSummary and ListShards, and the bodies of errors.
 *
 * Pure functions on bodies, JSON only (application/x-amz-json-1.1): these calls
 * are rare. What comes back is checked; whatever is missing, of another type or
 * out of range makes the reply nonsense as a whole.
 *
 * Returns 0, a CONTROL_PLANE_* condition, or -ENOMEM.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "egress/kinesis_limits.h"
#include "shard/shard_map.h"

#define CONTROL_PLANE_CONTENT_TYPE "application/x-amz-json-1.1"

/* X-Amz-Target of each call. */
#define CONTROL_PLANE_DESCRIBE    "Kinesis_20131202.DescribeStreamSummary"
#define CONTROL_PLANE_LIST_SHARDS "Kinesis_20131202.ListShards"

/* More open shards than any stream may have (KINESIS_SHARDS_MOST is a quota). */
#define CONTROL_PLANE_SHARDS_MOST 65536

#define STREAM_ARN_CAPACITY (KINESIS_STREAM_ARN_BYTES_MOST + 1) /* and a NUL */

enum control_plane_condition {
    CONTROL_PLANE_NONSENSE = 1, /* not a reply of Kinesis */
    CONTROL_PLANE_TOO_MANY, /* shards: more than CONTROL_PLANE_SHARDS_MOST */
};

enum stream_status {
    STREAM_CREATING,
    STREAM_ACTIVE,
    STREAM_UPDATING, /* takes records as an active one does */
    STREAM_DELETING, /* takes records and loses them */
};

struct stream_summary {
    enum stream_status status;
    char arn[STREAM_ARN_CAPACITY];
    uint32_t max_record_size; /* bytes of a record, partition key included */
    uint32_t open_shard_count;
};

struct shard_rows {
    struct shard_map_row *rows; /* in the order of the pages */
    size_t count;
    size_t capacity; /* rows */
};

/* Shards so far, page by page. Zeroed before the first page. */
struct shard_list {
    struct shard_rows open;
    struct shard_rows closed;
    char *next_token; /* of the next page; NULL after the last */
};

enum list_shards_scope {
    LIST_OPEN_SHARDS, /* some servers send closed ones all the same */
    LIST_ALL_SHARDS,  /* closed ones too, for as long as their records live */
};

/* What an error's body says; empty texts where it says nothing. */
struct service_error {
    char code[96];     /* without namespace: "ResourceNotFoundException" */
    char message[512]; /* printable */
};

/* Write the body of a DescribeStreamSummary request. */
void describe_stream_encode(const char *stream, struct bytes_writer *writer);

int describe_stream_decode(struct bytes body, struct stream_summary *summary);

/*
 * Write the body of a ListShards request: of the first page if `next_token` is
 * NULL. A token excludes the stream's name and the filter.
 */
void list_shards_encode(const char *stream, enum list_shards_scope scope,
                        const char *next_token, struct bytes_writer *writer);

/*
 * Append the shards of one page and replace the token. On a condition the
 * list is as before.
 */
int list_shards_decode(struct bytes body, struct shard_list *list);

/* Free the rows and the token; the list is empty then. */
void shard_list_deinit(struct shard_list *list);

/* Never fails: a body that cannot be read is an error that says nothing. */
void service_error_decode(struct bytes body, struct service_error *error);
