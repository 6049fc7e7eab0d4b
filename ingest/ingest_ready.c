/* SPDX-License-Identifier: Apache-2.0 */

/*
 * ingest_ready - RDY from room: how Kinesis being slow reaches nsqd.
 *
 * Records that wait for Kinesis keep their room in the queues; less room makes
 * RDY smaller, and none makes it 0. Nothing else holds messages back.
 */

#include "ingest/ingest.h"

#include "common/crash_point.h"

/*
 * Keyed messages have no choice, so the fullest queue speaks for all of them;
 * those without a key take any queue, so all the room counts.
 */
static struct ready_room look_at_room(const struct ingest *ingest)
{
    const struct queue_set *queues = &ingest->queues;
    uint64_t capacity = queues->layout.queue_capacity;
    bool is_keyless = ingest->router.rule.kind == PARTITION_KEY_NONE;
    bool is_shut = ingest->letters_are_full || ingest->is_paused;

    return (struct ready_room){
        .room = is_shut      ? 0
                : is_keyless ? queue_set_total_room(queues)
                             : queue_set_least_room(queues),
        .capacity =
            is_keyless ? capacity * queues->layout.queue_count : capacity,
        .record_length = ingest->record_bytes,
    };
}

int ingest_adjust_ready(struct ingest *ingest)
{
    static struct ready_connection connections[READY_CONNECTIONS_MOST];
    static struct nsqd *nsqds[READY_CONNECTIONS_MOST];
    struct ready_room room;
    uint64_t sum = 0;
    size_t count = 0;

    if (!ingest->needs_ready &&
        !monotonic_reached(ready_count_deadline(&ingest->ready), ingest->now))
        return 0;
    ingest->needs_ready = false;
    room = look_at_room(ingest);
    for (size_t i = 0; i < ingest->nsqd_count; i++) {
        const struct nsq_connection *connection = &ingest->nsqds[i]->connection;

        if (!nsqd_is_subscribed(ingest->nsqds[i]))
            continue;
        nsqds[count] = ingest->nsqds[i];
        connections[count++] = (struct ready_connection){
            .max_rdy_count = connection->terms.max_rdy_count,
            .in_flight = connection->in_flight,
            .ready = connection->ready,
        };
    }
    (void)ready_count_update(&ingest->ready, &room, connections, count,
                             ingest->now);
    for (size_t i = 0; i < count; i++) {
        (void)nsq_connection_set_ready(&nsqds[i]->connection,
                                       connections[i].ready);
        sum += connections[i].ready;
    }
    CRASH_POINT(ready_given);
    counter_set(&ingest->counters->ready_count, sum);
    counter_set(&ingest->counters->connections_open, count);
    return 0;
}
