/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * aggregator - user records -> one aggregated record, in one pass.
 *
 * Kinesis takes 1000 records a second and shard, however small they are; so
 * the Kinesis Producer Library packs many user records into one Kinesis record,
 * and every consumer built on the Kinesis Client Library unpacks them again.
 * The format is theirs:
 * https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md
 *
 *     0      4                                    n-16            n
 *     +------+--------------------------------------+-------------+
 *     | magic| protobuf: AggregatedRecord           | MD5 of the  |
 *     |      |                                      | protobuf    |
 *     +------+--------------------------------------+-------------+
 *      F3 89 9A C2
 *
 *     message AggregatedRecord {                   (proto2)
 *         repeated string partition_key_table     = 1;
 *         repeated string explicit_hash_key_table = 2;   never written here
 *         repeated Record records                 = 3;
 *     }
 *     message Record {
 *         required uint64 partition_key_index     = 1;
 *         optional uint64 explicit_hash_key_index = 2;   never written here
 *         required bytes  data                    = 3;
 *     }
 *
 * Two records "hi" and "yo" with the keys "k" and "j", and then an empty one
 * with the key "k", between magic and MD5:
 *
 *     0A 01 6B                      key table [0] = "k"
 *     1A 06                         record of 6 bytes
 *        08 00                      |  key 0
 *        1A 02 68 69                |  data "hi"
 *     0A 01 6A                      key table [1] = "j"
 *     1A 06  08 01  1A 02 79 6F     record: key 1, data "yo"
 *     1A 04  08 00  1A 00           record: key 0, data ""
 *
 * The elements of a repeated field keep their order, but need not be adjacent
 * (https://protobuf.dev/programming-guides/encoding/#order): a reader appends
 * each to its list as it comes. So a key is written just before the first
 * record that uses it, and nothing has to be moved when the next new key
 * arrives. A reader resolves the indices after it has read everything.
 *
 * Required fields are written even when they are 0 or empty (08 00, 1A 00).
 * Without them KCL's parser fails, and KCL then gives the consumer the whole
 * blob as one record, silently.
 *
 * Explicit hash keys are for none of the user records: KCL and us then hash the
 * partition key, and two published readers mistake a record without an index
 * for one with index 0 when only some have one.
 *
 * Deterministic: the same user records, index size and capacity give the same
 * bytes, at any time, in any process. A retry depends on it.
 *
 * Memory    the blob lies in the caller's memory, the key index too; nothing is
 *           allocated. Keys are compared in the blob itself, so the caller's
 *           partition keys need not outlive aggregator_add().
 * Units     bytes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "egress/key_index.h"
#include "shard/hash_key.h"
#include "shard/md5.h"

#define AGGREGATOR_MAGIC        "\xf3\x89\x9a\xc2"
#define AGGREGATOR_MAGIC_LENGTH 4

/* Magic and MD5: the size of an aggregate of nothing. */
#define AGGREGATOR_FRAME (AGGREGATOR_MAGIC_LENGTH + MD5_LENGTH)

/* Larger places are not needed (a Kinesis record is 10 MiB at most). */
#define AGGREGATOR_CAPACITY_MOST (1 << 30)

enum aggregator_condition {
    AGGREGATOR_FULL = 1, /* nothing was added; close, and begin another one */
};

struct aggregator {
    struct key_index keys; /* of the open blob */

    uint8_t *place;        /* where the blob begins */
    size_t length;         /* bytes written: magic and protobuf */
    size_t length_most;    /* capacity without the MD5 */
    uint32_t key_count;    /* entries of partition_key_table */
    uint32_t record_count; /* user records */
};

/*
 * Give the aggregator the memory of its key index: as key_index_init(). Half of
 * `slot_count` different keys are found again in one aggregate. An index of the
 * same size must be used when an aggregate is to be encoded again.
 */
void aggregator_init(struct aggregator *aggregator, struct key_slot *slots,
                     size_t slot_count);

/*
 * Begin a blob at `place` that never grows beyond `capacity` bytes, its MD5
 * included; at least AGGREGATOR_FRAME. What was open before is forgotten.
 */
void aggregator_open(struct aggregator *aggregator, uint8_t *place,
                     size_t capacity);

/*
 * Add one user record. `hash_key` is the one of `partition_key`; it is used to
 * find the key again, never trusted to do so.
 *
 * Returns 0, or AGGREGATOR_FULL and nothing has changed.
 */
int aggregator_add(struct aggregator *aggregator, struct hash_key hash_key,
                   struct bytes partition_key, struct bytes payload);

/* Bytes the blob would have if it were closed now. */
static inline size_t aggregator_size(const struct aggregator *aggregator)
{
    return aggregator->length + MD5_LENGTH;
}

/* Bytes of the blob that holds nothing but one such user record. */
size_t aggregator_size_of_one(size_t key_length, size_t payload_length);

/* A closed blob. */
struct aggregator_blob {
    uint8_t *place;
    size_t length; /* bytes */
};

/* End the blob; its MD5 is zeros until aggregator_seal(). */
struct aggregator_blob aggregator_close(struct aggregator *aggregator);

/*
 * Write the MD5 of closed blobs. Together, because MD5s of several blobs cost
 * little more than one (md5_many()); best if they are about equally long. With
 * a companion, as md5_many_beside(), or NULL.
 */
void aggregator_seal(const struct aggregator_blob *blobs, size_t count,
                     const struct md5_companion *companion);

/*
 * True if a user record must not be sent plain, because it begins with the
 * magic and a consumer might take it for an aggregate. An aggregate of one is
 * then the way to send it.
 */
bool aggregator_needs_wrapping(struct bytes payload);
