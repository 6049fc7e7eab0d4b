/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * router - message -> partition key -> hash key -> record in a shard's queue.
 *
 * One copy: key and body go from the receive buffer straight into the queue.
 * A message without a key of its own (--partition-key=none) goes to the queue
 * with the most room and is hashed by nobody.
 */

#include "ingest/key_window.h"
#include "ingest/nsq_protocol.h"
#include "ingest/partition_key.h"
#include "ingest/queue_set.h"

enum router_condition {
    ROUTER_FULL = 1,  /* no room in its queue yet: offer the message again */
    ROUTER_TOO_LARGE, /* the stream, or the queue, never takes this size */
};

struct router {
    struct queue_set *queues;
    struct partition_key_rule rule;
    uint64_t missing_count; /* messages without the value the rule names */
    struct partition_key_memory key_memory;
    struct key_window window;
};

/*
 * `partition_key` is the option's value and must outlive the router. Returns 0
 * or a negative errno with its sentence.
 */
int router_init(struct router *router, const char *partition_key,
                struct queue_set *queues);

/*
 * Optional, before a message is routed: the bytes of `frames` come next, so
 * find and hash their keys together. They lie still until router_look_away().
 */
static inline void router_look_ahead(struct router *router,
                                     const struct nsq_message *message,
                                     struct bytes frames, size_t max_frame_size)
{
    if (frames.length > 0 && router->rule.kind != PARTITION_KEY_NONE &&
        !key_window_reaches(&router->window, message))
        key_window_fill(&router->window, &router->rule, &router->key_memory,
                        message, frames, max_frame_size);
}

static inline void router_look_away(struct router *router)
{
    key_window_clear(&router->window);
}

/* Which delivery a message came with. */
struct delivery {
    uint16_t source;      /* row of the source table */
    uint32_t incarnation; /* of the connection */
};

/*
 * Reserve and fill the message's record; it is visible to egress after
 * queue_set_publish(). Returns 0 or a ROUTER_* condition.
 */
int router_route(struct router *router, const struct nsq_message *message,
                 const struct delivery *delivery);

/* The checksum that the message's record has, or would have. */
uint64_t router_checksum(struct router *router,
                         const struct nsq_message *message);
