/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/collector.h"

void collector_add(struct collector *collector, struct monotonic ready_at,
                   uint64_t depth, struct monotonic now)
{
    if (!monotonic_reached(ready_at, now)) {
        collector->next = monotonic_earlier(collector->next, ready_at);
        return;
    }
    collector->ready_count++;
    collector->ready_bytes += depth;
    if (depth > collector->largest)
        collector->largest = depth;
    collector->oldest = monotonic_earlier(collector->oldest, ready_at);
}

struct monotonic collector_send_at(const struct collector *collector,
                                   const struct collector_limits *limits,
                                   size_t in_flight, struct monotonic now)
{
    if (collector->ready_count == 0)
        return collector->next;
    if (in_flight == 0 || collector->largest >= limits->queue_size ||
        collector->ready_bytes >= limits->request_size)
        return now;
    return monotonic_after(collector->oldest, limits->linger_ns);
}
