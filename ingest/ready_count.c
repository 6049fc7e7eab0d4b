/* SPDX-License-Identifier: Apache-2.0 */

#include "ingest/ready_count.h"

#include <assert.h>

void ready_count_init(struct ready_count *count, uint32_t max_in_flight,
                      int64_t rotation_ns)
{
    assert(max_in_flight > 0 && rotation_ns > 0);
    *count = (struct ready_count){
        .max_in_flight = max_in_flight,
        .rotation_ns = rotation_ns,
        .rotate_at = MONOTONIC_NEVER,
    };
}

static void move_gate(struct ready_count *count, const struct ready_room *room)
{
    if (room->room < room->capacity / READY_GATE_SHUT_BELOW)
        count->is_shut = true;
    else if (room->room >= room->capacity / READY_GATE_OPEN_ABOVE)
        count->is_shut = false;
}

/* How many messages may be in flight on all connections together. */
static uint64_t allowed_in_flight(const struct ready_count *count,
                                  const struct ready_room *room,
                                  const struct ready_connection *connections,
                                  size_t length)
{
    uint64_t allowed = room->room / room->record_length;

    if (count->is_shut)
        return 0;
    for (size_t i = 0; i < length; i++)
        allowed += connections[i].in_flight;
    return allowed < count->max_in_flight ? allowed : count->max_in_flight;
}

/*
 * Divide `sum` evenly by raising a level until it is used up: connections
 * below the level have all that their nsqd takes. The loop ends because each
 * round but the last fills up at least one connection.
 */
static uint64_t even_level(const struct ready_connection *connections,
                           size_t length, uint64_t sum, uint64_t *remainder)
{
    uint64_t level = 0;

    for (;;) {
        uint64_t rest = sum;
        uint64_t open = 0;
        uint64_t next;

        for (size_t i = 0; i < length; i++) {
            bool is_full = connections[i].max_rdy_count <= level;

            rest -= is_full ? connections[i].max_rdy_count : level;
            open += !is_full;
        }
        *remainder = rest;
        if (open == 0 || rest < open)
            return level;
        next = level + rest / open;
        for (size_t i = 0; i < length; i++)
            if (connections[i].max_rdy_count > level &&
                connections[i].max_rdy_count < next)
                next = connections[i].max_rdy_count;
        level = next;
    }
}

static void divide(const struct ready_count *count,
                   const struct ready_connection *connections, size_t length,
                   uint64_t sum, uint32_t *shares)
{
    uint64_t remainder;
    uint64_t level = even_level(connections, length, sum, &remainder);

    for (size_t k = 0; k < length; k++) {
        size_t i = (count->first + k) % length;
        uint32_t most = connections[i].max_rdy_count;

        shares[i] = most < level ? most : (uint32_t)level;
        if (most > level && remainder > 0) {
            shares[i]++;
            remainder--;
        }
    }
}

/*
 * What is in flight beyond a share takes the place of messages that others
 * might get: take it off those shares that are not used yet.
 */
static void make_up_for_surplus(const struct ready_connection *connections,
                                size_t length, uint64_t allowed,
                                uint32_t *shares)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < length; i++)
        sum += connections[i].in_flight > shares[i] ? connections[i].in_flight
                                                    : shares[i];
    for (size_t i = 0; i < length && sum > allowed; i++) {
        uint64_t unused;

        if (shares[i] <= connections[i].in_flight)
            continue;
        unused = shares[i] - connections[i].in_flight;
        if (unused > sum - allowed)
            unused = sum - allowed;
        shares[i] -= (uint32_t)unused;
        sum -= unused;
    }
}

static bool matters(uint32_t from, uint32_t to)
{
    uint64_t difference = from < to ? to - from : from - to;

    if (from == to)
        return false;
    return from == 0 || to == 0 || difference * 8 >= from;
}

static bool has_to_change(const struct ready_count *count,
                          const struct ready_connection *connections,
                          size_t length, const uint32_t *shares)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < length; i++) {
        if (matters(connections[i].ready, shares[i]))
            return true;
        sum += connections[i].ready;
    }
    return sum > count->max_in_flight;
}

/* Give the next ones their turn if some have to go without RDY. */
static void rotate(struct ready_count *count, size_t length, uint64_t sum,
                   struct monotonic now)
{
    if (sum == 0 || sum >= length) {
        count->rotate_at = MONOTONIC_NEVER;
        return;
    }
    if (count->rotate_at.ns != MONOTONIC_NEVER.ns) {
        if (!monotonic_reached(count->rotate_at, now))
            return;
        count->first = (count->first + (size_t)sum) % length;
    }
    count->rotate_at = monotonic_after(now, count->rotation_ns);
}

bool ready_count_update(struct ready_count *count,
                        const struct ready_room *room,
                        struct ready_connection *connections, size_t length,
                        struct monotonic now)
{
    uint32_t shares[READY_CONNECTIONS_MOST];
    bool changed = false;
    uint64_t sum;

    assert(room->record_length > 0 && length <= READY_CONNECTIONS_MOST);
    move_gate(count, room);
    sum = allowed_in_flight(count, room, connections, length);
    rotate(count, length, sum, now);
    divide(count, connections, length, sum, shares);
    make_up_for_surplus(connections, length, sum, shares);
    if (!has_to_change(count, connections, length, shares))
        return false;
    for (size_t i = 0; i < length; i++) {
        changed |= connections[i].ready != shares[i];
        connections[i].ready = shares[i];
    }
    return changed;
}
