/* SPDX-License-Identifier: Apache-2.0 */

#include "ingest/byte_store.h"

#include <errno.h>
#include <stdlib.h>

#define SMALLEST_MEMORY 4096 /* bytes; less is not worth a second allocation */

void byte_store_release(struct byte_store *store)
{
    free(store->memory);
    byte_store_init(store, store->most);
}

static int grow(struct byte_store *store, size_t needed)
{
    size_t length = byte_store_length(store);
    size_t capacity = store->capacity * 2;
    uint8_t *memory;

    if (capacity < SMALLEST_MEMORY)
        capacity = SMALLEST_MEMORY;
    if (capacity < needed)
        capacity = needed;
    if (capacity > store->most)
        capacity = store->most;
    memory = malloc(capacity);
    if (!memory)
        return -ENOMEM;
    if (length > 0)
        memcpy(memory, store->memory + store->first, length);
    free(store->memory);
    store->memory = memory;
    store->first = 0;
    store->end = length;
    store->capacity = capacity;
    return 0;
}

/*
 * Bytes are moved to the front only if they are at most half of the memory, so
 * that a byte is moved once on average; else the memory is doubled.
 */
int byte_store_reserve(struct byte_store *store, size_t count)
{
    size_t length = byte_store_length(store);

    if (length == 0)
        byte_store_clear(store);
    if (count <= store->capacity - store->end)
        return 0;
    if (count > store->most || length > store->most - count)
        return BYTE_STORE_FULL;
    if (length + count > store->capacity ||
        (length > store->capacity / 2 && store->capacity < store->most))
        return grow(store, length + count);
    memmove(store->memory, store->memory + store->first, length);
    store->first = 0;
    store->end = length;
    return 0;
}

int byte_store_append(struct byte_store *store, struct bytes bytes)
{
    int result = byte_store_reserve(store, bytes.length);

    if (result || bytes.length == 0)
        return result;
    memcpy(store->memory + store->end, bytes.data, bytes.length);
    byte_store_commit(store, bytes.length);
    return 0;
}
