/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ready_count - how much RDY to give each connection; pure.
 *
 * RDY is not a credit: it is the most that nsqd keeps in flight on a
 * connection. So the sum of all RDY bounds the messages in flight, and three
 * things bound that sum:
 *
 *   - max_in_flight, the operator's bound;
 *   - the room in the queues: what is in flight has its place already, and no
 *     more may be asked for than records of average length fit into the room;
 *   - a gate: below an eighth of the capacity every RDY is 0 at once, above a
 *     quarter they are back at once. Kinesis being slow thus reaches nsqd
 *     within one turn, and a queue near the mark does not make RDY flutter.
 *
 * The sum is divided evenly; what a nsqd does not take (its max_rdy_count) goes
 * to the others, and the remainder of the division is given, not dropped. A
 * lowered RDY calls no message back: as long as a connection has more in flight
 * than its share, the others get that much less. With more connections than messages, as many as
 * possible have RDY 1, and every rotation interval it is the next ones' turn.
 *
 * Each change costs a write, so that changes below an eighth are not made,
 * unless the sum would exceed max_in_flight. Lost credits are not made up for
 * here: nsq_connection_should_renew() ends such a connection first.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"

#define READY_GATE_SHUT_BELOW 8 /* room < capacity / 8 */
#define READY_GATE_OPEN_ABOVE 4 /* room >= capacity / 4 */

#define READY_CONNECTIONS_MOST 1024

/* The room for new messages; all in bytes. */
struct ready_room {
    uint64_t room;          /* of the fullest queue if messages have keys, */
    uint64_t capacity;      /* else of all queues together */
    uint64_t record_length; /* average of a record in a queue; above 0 */
};

/* One subscribed connection. */
struct ready_connection {
    uint32_t max_rdy_count; /* what its nsqd allows */
    uint32_t in_flight;     /* messages received and not answered */
    uint32_t ready;         /* in: RDY it has; out: RDY it should have */
};

struct ready_count {
    uint32_t max_in_flight;
    int64_t rotation_ns;
    bool is_shut;               /* the gate */
    size_t first;               /* whose turn it is */
    struct monotonic rotate_at; /* NEVER while all have RDY */
};

void ready_count_init(struct ready_count *count, uint32_t max_in_flight,
                      int64_t rotation_ns);

/*
 * Set `ready` of the `length` connections (READY_CONNECTIONS_MOST at most), which
 * keep their order from call to call. Returns true if one of them changed: RDY has to be sent.
 */
bool ready_count_update(struct ready_count *count,
                        const struct ready_room *room,
                        struct ready_connection *connections, size_t length,
                        struct monotonic now);

/* When update() has to be called at the latest. */
static inline struct monotonic
ready_count_deadline(const struct ready_count *count)
{
    return count->rotate_at;
}

/*
 * The moving average that record_length wants: `average` with one more record
 * of `length` bytes, over some 64 of them. Never 0.
 */
static inline uint64_t ready_average(uint64_t average, uint64_t length)
{
    uint64_t mixed = (average * 63 + length) / 64;

    return mixed > 0 ? mixed : 1;
}
