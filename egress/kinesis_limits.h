/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * kinesis_limits - what the service takes, and where AWS says so.
 *
 * Three places are cited:
 *
 *   API     Kinesis Data Streams API reference (PutRecords, PutRecordsRequest-
 *           Entry, ListShards, DescribeStreamSummary, StreamDescriptionSummary)
 *           https://docs.aws.amazon.com/kinesis/latest/APIReference/
 *   QUOTA   Developer guide, "Quotas and limits"
 *           https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
 *   LARGE   Developer guide, "Handle large records"
 *           https://docs.aws.amazon.com/streams/latest/dev/large-records.html
 *
 * Sizes are bytes. MiB is 1048576 in all of them.
 */

#include <stddef.h>

/* API, PutRecords: each request supports up to 500 records. */
#define KINESIS_RECORDS_PER_REQUEST_MOST 500

/*
 * API, PutRecords: a request supports up to 10 MiB including partition keys.
 * Counted are the data before base64 and the partition keys; the names and
 * brackets around them are not.
 */
#define KINESIS_REQUEST_BYTES_MOST ((size_t)10 * 1024 * 1024)

/*
 * Requests a little below the limit have been refused (at 5242772 of the 5242880
 * bytes that were the limit then: amazon-kinesis-streams-for-fluent-bit,
 * issue 21), so this much of it is left unused.
 */
#define KINESIS_REQUEST_BYTES_HEADROOM ((size_t)16 * 1024)

/*
 * LARGE: a stream takes records of up to its MaxRecordSizeInKiB, which is 1024
 * unless somebody raised it, and at most 10240. API, PutRecordsRequestEntry:
 * data before base64 and partition key are counted together.
 */
#define KINESIS_RECORD_BYTES_DEFAULT (1024 * 1024)
#define KINESIS_RECORD_BYTES_MOST    (10 * 1024 * 1024)

/*
 * API, PutRecordsRequestEntry: PartitionKey has 1 to 256 Unicode characters.
 * A character takes up to 4 bytes in UTF-8.
 */
#define KINESIS_PARTITION_KEY_CHARACTERS_MOST 256
#define KINESIS_PARTITION_KEY_BYTES_MOST      1024

/* API, PutRecordsRequestEntry: ExplicitHashKey is 0|([1-9]\d{0,38}). */
#define KINESIS_EXPLICIT_HASH_KEY_DIGITS_MOST 39

/* API, PutRecords: StreamName is 1 to 128 of [a-zA-Z0-9_.-]. */
#define KINESIS_STREAM_NAME_BYTES_MOST 128

/* API, PutRecords: StreamARN has 1 to 2048 characters. */
#define KINESIS_STREAM_ARN_BYTES_MOST 2048

/* API, PutRecordsResultEntry: ShardId is 1 to 128 of [a-zA-Z0-9_.-]. */
#define KINESIS_SHARD_ID_BYTES_MOST 128

/* API, PutRecordsResultEntry: SequenceNumber is 0|([1-9]\d{0,128}). */
#define KINESIS_SEQUENCE_NUMBER_DIGITS_MOST 129

/*
 * QUOTA: a shard takes 1 MB/s and 1000 records/s of writes. LARGE: the shard's
 * bucket refills at 1 MiB/s, and a record larger than that may overdraw it.
 */
#define KINESIS_SHARD_RECORDS_PER_SECOND 1000
#define KINESIS_SHARD_BYTES_PER_SECOND   (1024 * 1024)

/*
 * API, ListShards: at most 1000 shards a page, even when more are asked for;
 * 1000 calls a second per stream; a NextToken is good for 300 seconds.
 */
#define KINESIS_LIST_SHARDS_PAGE_MOST          1000
#define KINESIS_LIST_SHARDS_CALLS_PER_SECOND   1000
#define KINESIS_LIST_SHARDS_TOKEN_LIFE_SECONDS 300

/* API, DescribeStreamSummary: 20 calls a second per account. */
#define KINESIS_DESCRIBE_STREAM_SUMMARY_CALLS_PER_SECOND 20

/* QUOTA: shards of a provisioned stream in the largest regions. */
#define KINESIS_SHARDS_MOST 20000
