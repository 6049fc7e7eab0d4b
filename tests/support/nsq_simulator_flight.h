/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * nsq_simulator_flight - every message that was sent and is not finished.
 *
 * Messages are numbered from 0 in the order of their first delivery. Only the
 * unfinished ones cost memory: the table is an array of pages of 4096 numbers,
 * and a page exists while one of its messages is unfinished. So a look-up is
 * two loads, and one message that is stuck for minutes keeps one page alive
 * and not all the messages that came after it.
 *
 * Units     milliseconds since the start of the process: 49 days.
 * Returns   NULL where there is no such message, or no memory.
 */

#include <stddef.h>
#include <stdint.h>

#define FLIGHT_PAGE_BITS   12
#define FLIGHT_PAGE_LENGTH (UINT64_C(1) << FLIGHT_PAGE_BITS)

enum flight_state {
    FLIGHT_NONE,     /* never sent, or finished */
    FLIGHT_SENT,     /* nsqd's "in flight": a client has it */
    FLIGHT_DEFERRED, /* came back with REQ; due at `deadline_ms` */
    FLIGHT_WAITING,  /* in the channel again, to be delivered once more */
};

struct flight {
    int64_t timestamp_ns;  /* wall time of publishing; every copy has it */
    uint32_t delivered_ms; /* max_msg_timeout counts from here */
    uint32_t delivered_us; /* by the latency watch */
    uint32_t deadline_ms;
    uint32_t connection; /* who may FIN it */
    uint16_t attempts;
    uint8_t state;   /* enum flight_state */
    uint8_t renewed; /* was finished before: a copy born of a lost FIN */
};

struct flight_page {
    struct flight_page *next; /* among the spare ones */
    uint32_t used;            /* messages whose state is not NONE */
    uint32_t earliest_ms;     /* no deadline in the page comes before it */
    struct flight flights[FLIGHT_PAGE_LENGTH];
};

struct flight_table {
    struct flight_page **pages;
    size_t page_capacity;
    size_t first;              /* no page before it exists */
    size_t end;                /* no page from here on exists */
    struct flight_page *spare; /* all their states are NONE */
    uint64_t count;            /* messages whose state is not NONE */
};

/* A table that is all zero is empty. */
void flight_table_deinit(struct flight_table *table);

/* The unfinished message of that number. */
static inline struct flight *flight_find(const struct flight_table *table,
                                         uint64_t number)
{
    uint64_t place = number >> FLIGHT_PAGE_BITS;
    struct flight *flight;

    if (place >= table->end || !table->pages[place])
        return NULL;
    flight = &table->pages[place]->flights[number & (FLIGHT_PAGE_LENGTH - 1)];
    return flight->state == FLIGHT_NONE ? NULL : flight;
}

/* Make room for a message that is not in the table, in state SENT. */
struct flight *flight_add(struct flight_table *table, uint64_t number);

/* Set when the message is due; always through here, so that scans see it. */
void flight_set_deadline(struct flight_table *table, uint64_t number,
                         uint32_t deadline_ms);

/* Forget a message that is in the table. */
void flight_remove(struct flight_table *table, uint64_t number);

typedef void flight_visit(void *owner, uint64_t number, struct flight *flight);

/*
 * Call `visit` for each SENT or DEFERRED message whose deadline is reached,
 * in the order of their numbers. It must change the state, and may remove.
 */
void flight_table_expire(struct flight_table *table, uint32_t now_ms,
                         flight_visit *visit, void *owner);

/* Make every SENT message due at `now_ms`. Returns how many there are. */
uint64_t flight_table_make_due(struct flight_table *table, uint32_t now_ms);
