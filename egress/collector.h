/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * collector - when to send the next request, pure.
 *
 * Nagle's rule for shards: on an idle line nothing waits; while a request is
 * on its way, what comes meanwhile gathers, until it is a request's worth or
 * its oldest record has waited for --linger. So batches grow with the load by
 * themselves, and --linger is the longest wait for company, not a delay.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/clock.h"

struct collector_limits {
    int64_t linger_ns;
    size_t queue_size;   /* bytes of one queue that are worth a request */
    size_t request_size; /* bytes of all queues together that are */
};

/* What a worker's queues look like. Start with COLLECTOR_EMPTY. */
struct collector {
    size_t ready_count;      /* queues with something to send now */
    uint64_t ready_bytes;    /* of all of them */
    uint64_t largest;        /* bytes of the fullest */
    struct monotonic oldest; /* the longest waiting of them, or NEVER */
    struct monotonic next;   /* when the next of the others is ready */
};

#define COLLECTOR_EMPTY                                                        \
    ((struct collector){ .oldest = MONOTONIC_NEVER, .next = MONOTONIC_NEVER })

/* Count in one queue that is ready at `ready_at`, with `depth` bytes. */
void collector_add(struct collector *collector, struct monotonic ready_at,
                   uint64_t depth, struct monotonic now);

/*
 * When to send: `now` or earlier means at once; NEVER if nothing is ready.
 * `in_flight` counts the requests on their way.
 */
struct monotonic collector_send_at(const struct collector *collector,
                                   const struct collector_limits *limits,
                                   size_t in_flight, struct monotonic now);
