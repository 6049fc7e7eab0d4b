/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * balanced_key - a short partition key that hashes into a given range.
 *
 * Records without a partition key of their own may go to any shard, but KCL
 * throws away an aggregate whose records hash elsewhere. So each queue has one
 * key that hashes into its range, found once, and all its records carry it.
 *
 * The key is the first of the counters 0, 1, 2 ... written in base 36 that
 * fits: nothing is random, and a queue that is read by another process gets
 * the same key. A stream of n equal shards takes about n tries of an MD5 each,
 * and the key has 1 character up to some 20 shards, 3 or 4 for thousands.
 *
 * Pure.
 */

#include <stddef.h>
#include <stdint.h>

#include "shard/hash_key.h"

/*
 * Tries before giving up, about a quarter of a second: enough for any range
 * of more than a hundred-thousandth of all hash keys.
 */
#define BALANCED_KEY_TRIES_MOST (UINT32_C(1) << 21)

#define BALANCED_KEY_CAPACITY 8 /* 36^7 counters and a NUL */

enum balanced_key_condition {
    BALANCED_KEY_NOT_FOUND = 1, /* the range is too narrow to hit */
};

/*
 * Find the key for the hash keys first .. last, both inclusive. Writes it, with
 * a NUL at its end, into `key`, and its hash key into *hash_key.
 *
 * Returns 0 or BALANCED_KEY_NOT_FOUND.
 */
int balanced_key_find(struct hash_key first, struct hash_key last,
                      char key[BALANCED_KEY_CAPACITY],
                      struct hash_key *hash_key);
