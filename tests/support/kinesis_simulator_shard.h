/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * kinesis_simulator_shard - one shard: its range, sequence numbers, stored
 * records and rate.
 *
 * A sequence number has 56 decimal digits, as in AWS: "49", the milliseconds
 * of the shard's creation, a number that grows over all shards, the second of
 * the put and the shard's index. So numbers grow within a shard, and a child's
 * are above all of its parents'.
 */

#include "common/bytes.h"
#include "common/clock.h"
#include "tests/support/kinesis_simulator_hash.h"

#define SIMULATOR_SEQUENCE_TEXT 57 /* with the NUL */
#define SIMULATOR_SHARD_ID_TEXT 24 /* "shardId-" and 12 digits or more */
#define SIMULATOR_NO_SHARD      UINT32_MAX

struct simulator_record {
    uint64_t number;     /* the growing part of the sequence number */
    int64_t arrived_ms;  /* since 1970 */
    uint32_t key_length; /* bytes */
    uint32_t data_length;
    uint8_t bytes[]; /* key, then data */
};

/* Tokens that come back with time; one per record or one per byte. */
struct simulator_bucket {
    double tokens;
    double most;
    double per_second;
    struct monotonic filled; /* when tokens were last counted */
};

struct simulator_shard_counters {
    uint64_t records;
    uint64_t bytes; /* data and keys */
    uint64_t user_records;
    uint64_t throttled;
};

struct simulator_shard {
    uint32_t index; /* the number in its id */
    uint32_t parent;
    uint32_t adjacent_parent;
    bool is_closed;
    unsigned __int128 first_hash;
    unsigned __int128 last_hash;    /* inclusive */
    int64_t created_ms;             /* since 1970 */
    int64_t closed_ms;              /* since 1970 */
    uint64_t first_number;          /* of StartingSequenceNumber */
    uint64_t last_number;           /* of EndingSequenceNumber, once closed */
    struct simulator_record **kept; /* oldest first */
    size_t kept_count;
    size_t kept_capacity;
    size_t trimmed_count; /* records of ours that are no longer kept */
    size_t kept_bytes;
    struct simulator_bucket record_rate;
    struct simulator_bucket byte_rate;
    struct simulator_shard_counters counters;
};

void simulator_shard_id(uint32_t index, char id[SIMULATOR_SHARD_ID_TEXT]);

/* The index in "shardId-000000000007"; false if it is no shard id. */
bool simulator_shard_parse_id(struct bytes id, uint32_t *index);

void simulator_shard_sequence(const struct simulator_shard *shard,
                              uint64_t number, int64_t arrived_ms,
                              char text[SIMULATOR_SEQUENCE_TEXT]);

/*
 * The growing part of a sequence number that one of these shards gave out;
 * false if the text is none of ours.
 */
bool simulator_shard_parse_sequence(struct bytes text, uint64_t *number);

/* Set the rates of the service for records up to `record_most` bytes. */
void simulator_shard_set_rates(struct simulator_shard *shard,
                               uint64_t record_most, struct monotonic now);

/* Take one record of `length` bytes from the rates; false if it is throttled. */
bool simulator_shard_admit(struct simulator_shard *shard, size_t length,
                           struct monotonic now);

/* Keep a copy of a record. Returns 0 or -ENOMEM. */
int simulator_shard_keep(struct simulator_shard *shard, uint64_t number,
                         int64_t arrived_ms, struct bytes key,
                         struct bytes data);

/* Drop the oldest records until no more than `most` bytes are kept. */
size_t simulator_shard_trim(struct simulator_shard *shard, size_t most);

/* Free the kept records. */
void simulator_shard_deinit(struct simulator_shard *shard);
