/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * byte_store - bytes appended at one end and taken at the other; grows, but
 * never beyond a bound.
 *
 *     memory  | taken |  stored  |  room  |
 *             0     first       end    capacity <= most
 *
 * It allocates only to grow, so that a store that has seen its largest content
 * allocates no more. Bytes stay where they are until the next append or
 * release; taking moves nothing.
 *
 * Returns   0, or BYTE_STORE_FULL, or -ENOMEM.
 */

#include "common/bytes.h"

enum byte_store_condition {
    BYTE_STORE_FULL = 1, /* the bound, not the memory, is the limit */
};

struct byte_store {
    uint8_t *memory;
    size_t first;    /* where the stored bytes begin */
    size_t end;      /* where they end */
    size_t capacity; /* bytes of memory */
    size_t most;     /* bytes that may ever be stored at once */
};

static inline void byte_store_init(struct byte_store *store, size_t most)
{
    *store = (struct byte_store){ .most = most };
}

/* Give the memory back and be empty; the store stays usable. */
void byte_store_release(struct byte_store *store);

static inline size_t byte_store_length(const struct byte_store *store)
{
    return store->end - store->first;
}

static inline struct bytes byte_store_view(const struct byte_store *store)
{
    if (store->first == store->end)
        return bytes_of(NULL, 0);
    return bytes_of(store->memory + store->first, byte_store_length(store));
}

/*
 * Make room for `count` bytes at the end. They are written at
 * store->memory + store->end and counted by byte_store_commit().
 */
int byte_store_reserve(struct byte_store *store, size_t count);

static inline void byte_store_commit(struct byte_store *store, size_t count)
{
    assert(count <= store->capacity - store->end);
    store->end += count;
}

int byte_store_append(struct byte_store *store, struct bytes bytes);

static inline void byte_store_take(struct byte_store *store, size_t count)
{
    assert(count <= byte_store_length(store));
    store->first += count;
}

/* Undo the last takes, which nothing was appended since. */
static inline void byte_store_put_back(struct byte_store *store, size_t count)
{
    assert(count <= store->first);
    store->first -= count;
}

static inline void byte_store_clear(struct byte_store *store)
{
    store->first = store->end = 0;
}
