/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * key_window - the partition keys of the messages that come next.
 *
 *     received bytes   | message | message | heartbeat | message | mess...
 *                           |         |                     |
 *     window              key 0     key 1                 key 2
 *                           '---------'---- md5_many() -----'
 *
 * Messages are taken one by one, but the MD5s of several keys cost little more
 * than that of one (shard/md5_lanes.h). So when the first of them is taken, the
 * keys of all that lie whole behind it are found and hashed together, and the
 * others find theirs here. A message that is not in the window, or whose key is
 * not, is treated alone: the window saves time and decides nothing.
 *
 * Pure. Keys are views of the received bytes, which must lie still until
 * key_window_clear().
 */

#include "ingest/partition_key.h"
#include "shard/hash_key.h"

#define KEY_WINDOW_MOST 64

struct window_key {
    const uint8_t *body; /* whose key it is: where the body lies */
    struct bytes key;
    struct hash_key hash_key;
    bool is_known;   /* false: the key has to be found again */
    bool is_missing; /* as PARTITION_KEY_MISSING */
};

struct key_window {
    size_t at; /* of the message that came last */
    size_t count;
    struct window_key keys[KEY_WINDOW_MOST];
};

/* Forget all: the bytes are about to change. */
static inline void key_window_clear(struct key_window *window)
{
    window->at = 0;
    window->count = 0;
}

/* Go on to the message, which is next or has been so already. */
static inline bool key_window_reaches(struct key_window *window,
                                      const struct nsq_message *message)
{
    if (window->at < window->count &&
        window->keys[window->at].body == message->body.data)
        return true;
    if (window->at + 1 >= window->count ||
        window->keys[window->at + 1].body != message->body.data)
        return false;
    window->at++;
    return true;
}

/* The key of the message that was reached, or NULL. */
static inline const struct window_key *
key_window_key(const struct key_window *window,
               const struct nsq_message *message)
{
    const struct window_key *key = &window->keys[window->at];

    if (window->at >= window->count || key->body != message->body.data ||
        !key->is_known)
        return NULL;
    return key;
}

/*
 * Begin anew with `message`, which lies just before `frames`, and the messages
 * that are whole in `frames`. `memory` is for a moment only.
 */
void key_window_fill(struct key_window *window,
                     const struct partition_key_rule *rule,
                     struct partition_key_memory *memory,
                     const struct nsq_message *message, struct bytes frames,
                     size_t max_frame_size);
