/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * router - message -> partition key -> hash key -> record in a shard's queue.
 *
 * One copy: key and body go from the receive buffer straight into the queue.
 * A message without a key of its own (--partition-key=none) goes to the queue
 * with the most room and is hashed by nobody.
 */

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
};

/*
 * `partition_key` is the option's value and must outlive the router. Returns 0
 * or a negative errno with its sentence.
 */
int router_init(struct router *router, const char *partition_key,
                struct queue_set *queues);

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
