/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * key_index - which partition keys an aggregate already has, and where.
 *
 *     slots   | table of FIRST | twice as many | twice as many again ...
 *               full by half ----> moves here ---> and here
 *
 * Every record looks for its key, at a place as good as random: so the table is
 * as small as the keys allow, and stays in the processor's first caches. It
 * begins small for each aggregate, whatever the one before had, because the
 * same records must give the same bytes.
 *
 * A key that is not found again is written again: that costs its bytes and
 * nothing else. So the index may forget: keys beyond half of the largest table,
 * and those that too many others have driven from their place.
 *
 * Memory    slots are the caller's. Keys are compared in the blob itself.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "shard/hash_key.h"

/* Slots of the first table: 32 KiB, what an L1 cache has. */
#define KEY_INDEX_FIRST ((size_t)2048)

/* Slots to provide so that the last table has `most`, a power of two. */
#define KEY_INDEX_SLOTS(most) ((size_t)2 * (most))

/* A longer key is not remembered. Bytes. */
#define KEY_INDEX_LENGTH_MOST UINT16_MAX

struct key_slot {
    uint32_t tag;         /* the low bits of the hash key */
    uint32_t position;    /* of the key's first byte in the blob */
    uint32_t table_index; /* its place in partition_key_table */
    uint16_t length;      /* bytes */
    uint16_t generation;  /* of the blob it is in; others: slot is free */
};

struct key_index {
    struct key_slot *slots;
    size_t slot_count; /* of the largest table, a power of two */

    struct key_slot *table; /* among the slots; linear probing */
    size_t table_size;      /* a power of two */
    size_t used;            /* keys in it */
    uint16_t generation;    /* of the present blob; never 0 */
};

/* `slots` are KEY_INDEX_SLOTS(slot_count), zeroed. */
void key_index_init(struct key_index *index, struct key_slot *slots,
                    size_t slot_count);

/* Forget all keys: another blob begins. */
void key_index_clear(struct key_index *index);

/*
 * The slot that holds the key, or a free one for it, or NULL: not known, and no
 * place to remember it. `blob` is where the positions count from. `hash_key`
 * is used to find the key, never trusted to do so.
 */
struct key_slot *key_index_find(const struct key_index *index,
                                struct hash_key hash_key, struct bytes key,
                                const uint8_t *blob);

static inline bool key_index_holds(const struct key_index *index,
                                   const struct key_slot *slot)
{
    return slot && slot->generation == index->generation;
}

/*
 * Remember the key that was not found, in the slot that was, if there is room.
 * What key_index_find() returned before is void then.
 */
void key_index_put(struct key_index *index, struct key_slot *slot,
                   struct hash_key hash_key, size_t position, size_t length,
                   uint32_t table_index);
