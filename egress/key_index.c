/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/key_index.h"

#include <assert.h>

/*
 * Whoever chooses the partition keys could choose many that fall into one slot;
 * the search ends here, and the key is written again.
 */
#define PROBES_MOST 16

void key_index_init(struct key_index *index, struct key_slot *slots,
                    size_t slot_count)
{
    assert(slot_count > 0 && (slot_count & (slot_count - 1)) == 0);
    *index = (struct key_index){ .slots = slots, .slot_count = slot_count };
}

void key_index_clear(struct key_index *index)
{
    /* A new generation frees every slot; 0 is that of slots never used. */
    index->generation++;
    if (index->generation == 0) {
        memset(index->slots, 0,
               KEY_INDEX_SLOTS(index->slot_count) * sizeof(*index->slots));
        index->generation = 1;
    }
    index->table = index->slots;
    index->table_size = index->slot_count < KEY_INDEX_FIRST ? index->slot_count
                                                            : KEY_INDEX_FIRST;
    index->used = 0;
}

static struct key_slot *slot_at(const struct key_index *index, uint32_t tag,
                                size_t probe)
{
    return &index->table[(tag + probe) & (index->table_size - 1)];
}

static bool slot_is(const struct key_slot *slot, uint32_t tag, struct bytes key,
                    const uint8_t *blob)
{
    return slot->tag == tag &&
           bytes_equal(key, bytes_of(blob + slot->position, slot->length));
}

/* All hash keys of one shard begin alike: only the low bits tell them apart. */
static uint32_t tag_of(struct hash_key hash_key)
{
    return (uint32_t)hash_key.low;
}

struct key_slot *key_index_find(const struct key_index *index,
                                struct hash_key hash_key, struct bytes key,
                                const uint8_t *blob)
{
    uint32_t tag = tag_of(hash_key);

    for (size_t i = 0; i < PROBES_MOST && i < index->table_size; i++) {
        struct key_slot *slot = slot_at(index, tag, i);

        if (!key_index_holds(index, slot) || slot_is(slot, tag, key, blob))
            return slot;
    }
    return NULL;
}

static void move_to_larger_table(struct key_index *index)
{
    const struct key_slot *old = index->table;
    size_t old_size = index->table_size;

    index->table += old_size;
    index->table_size *= 2;
    for (size_t i = 0; i < old_size; i++) {
        struct key_slot *slot;
        size_t probe = 0;

        if (!key_index_holds(index, &old[i]))
            continue;
        do
            slot = slot_at(index, old[i].tag, probe++);
        while (key_index_holds(index, slot) && probe < PROBES_MOST);
        *slot = old[i]; /* at worst one that is forgotten for it */
    }
}

void key_index_put(struct key_index *index, struct key_slot *slot,
                   struct hash_key hash_key, size_t position, size_t length,
                   uint32_t table_index)
{
    if (!slot || length > KEY_INDEX_LENGTH_MOST ||
        index->used >= index->table_size / 2)
        return;
    *slot = (struct key_slot){
        .tag = tag_of(hash_key),
        .position = (uint32_t)position,
        .table_index = table_index,
        .length = (uint16_t)length,
        .generation = index->generation,
    };
    index->used++;
    if (index->used == index->table_size / 2 &&
        index->table_size < index->slot_count)
        move_to_larger_table(index);
}
