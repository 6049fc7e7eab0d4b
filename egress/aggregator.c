/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/aggregator.h"

#include <assert.h>

#include "common/seeded_bug.h"

/* Field number << 3 | wire type (2: length, then bytes; 0: varint). */
#define TAG_PARTITION_KEY_TABLE 0x0a /* AggregatedRecord 1, bytes */
#define TAG_RECORDS             0x1a /* AggregatedRecord 3, bytes */
#define TAG_PARTITION_KEY_INDEX 0x08 /* Record 1, varint */
#define TAG_DATA                0x1a /* Record 3, bytes */

/* Several times the lanes there are; it bounds the memory only. */
#define SEALED_TOGETHER ((size_t)64)

void aggregator_init(struct aggregator *aggregator, struct key_slot *slots,
                     size_t slot_count)
{
    *aggregator = (struct aggregator){ .record_count = 0 };
    key_index_init(&aggregator->keys, slots, slot_count);
}

void aggregator_open(struct aggregator *aggregator, uint8_t *place,
                     size_t capacity)
{
    assert(capacity >= AGGREGATOR_FRAME &&
           capacity <= AGGREGATOR_CAPACITY_MOST);
    key_index_clear(&aggregator->keys);
    memcpy(place, AGGREGATOR_MAGIC, AGGREGATOR_MAGIC_LENGTH);
    aggregator->place = place;
    aggregator->length = AGGREGATOR_MAGIC_LENGTH;
    aggregator->length_most = capacity - MD5_LENGTH;
    aggregator->key_count = 0;
    aggregator->record_count = 0;
}

/* Seven bits a byte. */
static size_t varint_size(uint64_t value)
{
    return (size_t)(70 - __builtin_clzll(value | 1)) / 7;
}

static uint8_t *put_varint(uint8_t *to, uint64_t value)
{
    while (value >= 0x80) {
        *to++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *to++ = (uint8_t)value;
    return to;
}

/* A field of wire type 2: tag, length, bytes. */
static size_t field_size(size_t length)
{
    return 1 + varint_size(length) + length;
}

static uint8_t *put_field(uint8_t *to, uint8_t tag, struct bytes content)
{
    *to++ = tag;
    to = put_varint(to, content.length);
    if (content.length > 0)
        memcpy(to, content.data, content.length);
    return to + content.length;
}

static size_t record_length(uint64_t table_index, size_t payload_length)
{
    return 1 + varint_size(table_index) + field_size(payload_length);
}

/* Write the key into the blob and remember where. */
static uint8_t *put_key(struct aggregator *aggregator, uint8_t *to,
                        struct key_slot *slot, struct hash_key hash_key,
                        struct bytes key)
{
    to = put_field(to, TAG_PARTITION_KEY_TABLE, key);
    key_index_put(&aggregator->keys, slot, hash_key,
                  (size_t)(to - aggregator->place) - key.length, key.length,
                  aggregator->key_count);
    aggregator->key_count++;
    return to;
}

int aggregator_add(struct aggregator *aggregator, struct hash_key hash_key,
                   struct bytes partition_key, struct bytes payload)
{
    size_t room = aggregator->length_most - aggregator->length;
    struct key_slot *slot;
    bool is_known;
    uint64_t table_index;
    size_t length;
    size_t size;
    uint8_t *to = aggregator->place + aggregator->length;

    /* First, so that no sum below can overflow. */
    if (payload.length > room || partition_key.length > room)
        return AGGREGATOR_FULL;
    slot = key_index_find(&aggregator->keys, hash_key, partition_key,
                          aggregator->place);
    is_known = key_index_holds(&aggregator->keys, slot);
    table_index = is_known ? slot->table_index : aggregator->key_count;
    if (SEEDED_BUG(key_index))
        table_index = 0;
    length = record_length(table_index, payload.length);
    size = field_size(length);
    if (!is_known)
        size += field_size(partition_key.length);
    if (size > room)
        return AGGREGATOR_FULL;

    if (!is_known)
        to = put_key(aggregator, to, slot, hash_key, partition_key);
    *to++ = TAG_RECORDS;
    to = put_varint(to, length);
    *to++ = TAG_PARTITION_KEY_INDEX;
    to = put_varint(to, table_index);
    (void)put_field(to, TAG_DATA, payload);
    aggregator->length += size;
    aggregator->record_count++;
    return 0;
}

size_t aggregator_size_of_one(size_t key_length, size_t payload_length)
{
    return AGGREGATOR_FRAME + field_size(key_length) +
           field_size(record_length(0, payload_length));
}

struct aggregator_blob aggregator_close(struct aggregator *aggregator)
{
    memset(aggregator->place + aggregator->length, 0, MD5_LENGTH);
    return (struct aggregator_blob){
        .place = aggregator->place,
        .length = aggregator->length + MD5_LENGTH,
    };
}

static struct bytes protobuf_of(const struct aggregator_blob *blob)
{
    return bytes_of(blob->place + AGGREGATOR_MAGIC_LENGTH,
                    blob->length - AGGREGATOR_FRAME);
}

void aggregator_seal(const struct aggregator_blob *blobs, size_t count,
                     const struct md5_companion *companion)
{
    struct bytes protobufs[SEALED_TOGETHER];
    uint8_t digests[SEALED_TOGETHER][MD5_LENGTH];

    while (count > 0) {
        size_t now = count < SEALED_TOGETHER ? count : SEALED_TOGETHER;

        for (size_t i = 0; i < now; i++)
            protobufs[i] = protobuf_of(&blobs[i]);
        md5_many_beside(protobufs, now, digests, companion);
        for (size_t i = 0; i < now; i++)
            memcpy(blobs[i].place + blobs[i].length - MD5_LENGTH, digests[i],
                   MD5_LENGTH);
        blobs += now;
        count -= now;
    }
}

bool aggregator_needs_wrapping(struct bytes payload)
{
    return bytes_start_with(payload, AGGREGATOR_MAGIC);
}
