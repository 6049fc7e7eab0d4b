/* SPDX-License-Identifier: Apache-2.0 */

#include "ingest/router.h"

#include <errno.h>

#include "common/error.h"

int router_init(struct router *router, const char *partition_key,
                struct queue_set *queues)
{
    const char *complaint;

    *router = (struct router){ .queues = queues };
    if (partition_key_parse(partition_key, &router->rule, &complaint))
        return error_sentence(-EINVAL, "--partition-key: %s", complaint);
    return 0;
}

/*
 * The message's key and its hash key; empty and 0 for none. Returns false if
 * the value that the rule names is missing.
 */
static bool find_key(struct router *router, const struct nsq_message *message,
                     struct bytes *key, struct hash_key *hash_key)
{
    const struct window_key *known = key_window_key(&router->window, message);
    bool is_missing;

    if (known) {
        *key = known->key;
        *hash_key = known->hash_key;
        return !known->is_missing;
    }
    is_missing =
        partition_key_of(&router->rule, message, &router->key_memory, key) != 0;
    *hash_key = (struct hash_key){ 0, 0 };
    if (key->length > 0)
        *hash_key = hash_key_of_partition_key(*key);
    return !is_missing;
}

static size_t choose_queue(const struct router *router, struct bytes key,
                           struct hash_key hash_key)
{
    if (key.length == 0)
        return queue_set_roomiest(router->queues);
    return layout_find_queue(&router->queues->layout, hash_key);
}

/* All that the checksum covers, but for `length`, key and body. */
static void fill_identity(struct record_header *record,
                          const struct nsq_message *message, struct bytes key,
                          struct hash_key hash_key)
{
    static_assert(PARTITION_KEY_BYTES_MOST <= UINT16_MAX, "fits key_length");
    record->key_length = (uint16_t)key.length;
    memcpy(record->message_id, message->id.text, sizeof(record->message_id));
    record->timestamp_ns = (int64_t)message->timestamp_ns;
    record->hash_high = hash_key.high;
    record->hash_low = hash_key.low;
}

static void fill(struct record_header *record,
                 const struct nsq_message *message,
                 const struct delivery *delivery, struct bytes key,
                 struct hash_key hash_key)
{
    uint8_t *payload = (uint8_t *)(record + 1);

    fill_identity(record, message, key, hash_key);
    record->source = delivery->source;
    record->attempts = message->attempts;
    record->incarnation = delivery->incarnation;
    if (key.length > 0)
        memcpy(payload, key.data, key.length);
    if (message->body.length > 0)
        memcpy(payload + key.length, message->body.data, message->body.length);
    record->checksum = record_checksum(record);
}

uint64_t router_checksum(struct router *router,
                         const struct nsq_message *message)
{
    struct record_header header = { 0 };
    struct hash_key hash_key;
    struct bytes key;

    (void)find_key(router, message, &key, &hash_key);
    fill_identity(&header, message, key, hash_key);
    header.length =
        (uint32_t)(sizeof(header) + key.length + message->body.length);
    return record_checksum_of(&header, key, message->body);
}

int router_route(struct router *router, const struct nsq_message *message,
                 const struct delivery *delivery)
{
    struct record_header *record;
    struct hash_key hash_key;
    struct bytes key;
    bool has_value = find_key(router, message, &key, &hash_key);
    size_t length = key.length + message->body.length;
    int result;

    if (length > router->queues->layout.max_record_size)
        return ROUTER_TOO_LARGE;
    result = queue_set_reserve(
        router->queues, choose_queue(router, key, hash_key), length, &record);
    if (result)
        return result == QUEUE_FULL ? ROUTER_FULL : ROUTER_TOO_LARGE;
    router->missing_count += !has_value;
    fill(record, message, delivery, key, hash_key);
    return 0;
}
