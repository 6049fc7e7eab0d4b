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

/* The message's key, its hash key, and the queue of that. */
static size_t choose_queue(struct router *router,
                           const struct nsq_message *message, struct bytes *key,
                           struct hash_key *hash_key)
{
    *hash_key = (struct hash_key){ 0, 0 };
    if (partition_key_of(&router->rule, message, &router->key_memory, key))
        router->missing_count++;
    if (key->length == 0)
        return queue_set_roomiest(router->queues);
    *hash_key = hash_key_of_partition_key(*key);
    return layout_find_queue(&router->queues->layout, *hash_key);
}

static void fill(struct record_header *record,
                 const struct nsq_message *message,
                 const struct delivery *delivery, struct bytes key,
                 struct hash_key hash_key)
{
    uint8_t *payload = (uint8_t *)(record + 1);

    static_assert(PARTITION_KEY_BYTES_MOST <= UINT16_MAX, "fits key_length");
    record->key_length = (uint16_t)key.length;
    record->source = delivery->source;
    record->attempts = message->attempts;
    record->incarnation = delivery->incarnation;
    memcpy(record->message_id, message->id.text, sizeof(record->message_id));
    record->timestamp_ns = (int64_t)message->timestamp_ns;
    record->hash_high = hash_key.high;
    record->hash_low = hash_key.low;
    if (key.length > 0)
        memcpy(payload, key.data, key.length);
    if (message->body.length > 0)
        memcpy(payload + key.length, message->body.data, message->body.length);
    record->checksum = record_checksum(record);
}

int router_route(struct router *router, const struct nsq_message *message,
                 const struct delivery *delivery)
{
    struct record_header *record;
    struct hash_key hash_key;
    struct bytes key;
    size_t queue = choose_queue(router, message, &key, &hash_key);
    size_t length = key.length + message->body.length;
    int result;

    if (length > router->queues->layout.max_record_size)
        return ROUTER_TOO_LARGE;
    result = queue_set_reserve(router->queues, queue, length, &record);
    if (result)
        return result == QUEUE_FULL ? ROUTER_FULL : ROUTER_TOO_LARGE;
    fill(record, message, delivery, key, hash_key);
    return 0;
}
