/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * simulated_connection - what lies between io.h and a simulated nsqd: bytes in
 * both directions, cut into pieces by chance, and a connection that may break
 * between any two of them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/address.h"
#include "common/bytes.h"

struct simulated_connection {
    uint64_t life;  /* of the process that reads; 0: it is gone */
    bool is_broken; /* nothing passes any more */
    bool is_told;   /* the reader knows */
    uint8_t *bytes; /* to the reader */
    size_t length;
    size_t taken;
    uint8_t *sent; /* from the reader, of which `commands` is left */
    size_t sent_length;
    size_t arrived; /* of those */

    /* Of simulated_nsqd.c. */
    size_t nsqd;
    uint64_t number;
    struct bytes commands;
    bool has_magic;
    bool is_closing; /* CLS came */
    uint64_t ready;
    uint64_t in_flight;
    int64_t heartbeat_ns;
};

/* Bytes for the reader. */
void simulated_connection_put(struct simulated_connection *connection,
                              const void *bytes, size_t length);

/* It breaks, and what is on its way may be lost. */
void simulated_connection_break(struct simulated_connection *connection);

void simulated_connections_on_ended(uint64_t life);
void simulated_connections_end(void);

/* --- simulated_nsqd.c: commands came; somebody connects; somebody is gone. */
void simulated_nsqd_take(struct simulated_connection *connection);
int simulated_nsqd_accept(const struct socket_address *address,
                          struct simulated_connection *connection);
void simulated_nsqd_part(struct simulated_connection *connection);
