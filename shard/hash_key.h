/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * hash_key - 128-bit hash keys of Kinesis: from a partition key, from decimal
 * text, and their order.
 *
 * "An MD5 hash function is used to map partition keys to 128-bit integer
 * values and to map associated data records to shards" (Kinesis API reference,
 * PutRecords). The digest is read as one big-endian number. ListShards and
 * ExplicitHashKey write such a number in decimal.
 *
 * Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "shard/md5.h"

struct hash_key {
    uint64_t high; /* the more significant half */
    uint64_t low;
};

/* 2^128 - 1: where the hash key range of a stream's last shard ends. */
#define HASH_KEY_MOST                                                          \
    ((struct hash_key){ .high = UINT64_MAX, .low = UINT64_MAX })

/* Digits of HASH_KEY_MOST, without a NUL. */
#define HASH_KEY_DECIMAL_CAPACITY 39

/* The number that `digest` is when read big-endian. */
static inline struct hash_key
hash_key_from_digest(const uint8_t digest[MD5_LENGTH])
{
    return (struct hash_key){ .high = bytes_load_be64(digest),
                              .low = bytes_load_be64(digest + 8) };
}

/* The hash key Kinesis gives to a record with this partition key (UTF-8). */
struct hash_key hash_key_of_partition_key(struct bytes partition_key);

/* Negative, 0 or positive, as memcmp. */
static inline int hash_key_compare(struct hash_key a, struct hash_key b)
{
    if (a.high != b.high)
        return a.high < b.high ? -1 : 1;
    return (a.low > b.low) - (a.low < b.low);
}

static inline bool hash_key_equal(struct hash_key a, struct hash_key b)
{
    return a.high == b.high && a.low == b.low;
}

/* a + 1; HASH_KEY_MOST becomes 0. */
static inline struct hash_key hash_key_next(struct hash_key a)
{
    a.low++;
    a.high += a.low == 0;
    return a;
}

/*
 * Parse decimal text as Kinesis writes it: 0|([1-9]\d{0,38}), at most 2^128-1.
 * Returns false, and leaves *hash_key, if it is anything else.
 */
bool hash_key_parse(struct bytes text, struct hash_key *hash_key);

/* Write it in decimal: at most HASH_KEY_DECIMAL_CAPACITY bytes. */
void hash_key_format(struct hash_key hash_key, struct bytes_writer *writer);
