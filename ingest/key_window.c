/* SPDX-License-Identifier: Apache-2.0 */

#include "ingest/key_window.h"

#include "shard/md5.h"

/* Keys that were made, not found, last until the next one is made. */
static bool is_made(const struct partition_key_memory *memory, struct bytes key)
{
    uintptr_t offset = (uintptr_t)key.data - (uintptr_t)memory;

    return offset < sizeof(*memory);
}

static void add(struct key_window *window,
                const struct partition_key_rule *rule,
                struct partition_key_memory *memory,
                const struct nsq_message *message)
{
    struct window_key *key = &window->keys[window->count++];

    key->body = message->body.data;
    key->is_missing = partition_key_of(rule, message, memory, &key->key) != 0;
    key->is_known = !is_made(memory, key->key);
    /* The id is a copy; where it was received it lies before the body. */
    if (key->key.data == message->id.text)
        key->key.data = key->body - NSQ_MESSAGE_ID_LENGTH;
}

static void hash(struct key_window *window)
{
    struct bytes keys[KEY_WINDOW_MOST];
    uint8_t digests[KEY_WINDOW_MOST][MD5_LENGTH];

    for (size_t i = 0; i < window->count; i++)
        keys[i] =
            window->keys[i].is_known ? window->keys[i].key : bytes_of(NULL, 0);
    md5_many(keys, window->count, digests);
    for (size_t i = 0; i < window->count; i++)
        window->keys[i].hash_key = hash_key_from_digest(digests[i]);
}

void key_window_fill(struct key_window *window,
                     const struct partition_key_rule *rule,
                     struct partition_key_memory *memory,
                     const struct nsq_message *message, struct bytes frames,
                     size_t max_frame_size)
{
    struct nsq_frame frame;

    key_window_clear(window);
    add(window, rule, memory, message);
    /* What is wrong with a frame is said when its turn comes. */
    while (window->count < KEY_WINDOW_MOST &&
           nsq_frame_parse(frames, max_frame_size, &frame) == 0) {
        struct nsq_message next;

        if (frame.type == NSQ_FRAME_MESSAGE &&
            nsq_message_parse(&frame, &next) == 0)
            add(window, rule, memory, &next);
        frames = bytes_skip(frames, frame.length);
    }
    hash(window);
}
