/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * kinesis_simulator_connection - one HTTP/1.1 connection, plain or TLS.
 *
 *     READING_HEAD ──► READING_BODY ──► WAITING ──► WRITING ──► READING_HEAD
 *           │                              ▲                         │
 *           └────── not a request ─────────┘         close ◄─────────┘
 *
 * Non-blocking; a turn goes as far as the socket lets it and says in `wants`
 * what it waits for. WAITING is the delay of the reply, which the server's
 * timer ends. The body is hashed piece by piece as it arrives, while it is in
 * the cache.
 */

#include <sys/types.h>

#include <openssl/evp.h>
#include <openssl/ssl.h>

#include "tests/support/kinesis_simulator.h"

#define SIMULATOR_SPARE_BODIES 64

/* What all connections share. */
struct simulator_bench {
    struct simulator *simulator;
    EVP_MD *sha256;
    uint64_t request_id; /* of the newest request */
    struct {
        uint8_t *memory;
        size_t capacity;
    } spares[SIMULATOR_SPARE_BODIES]; /* body memory to use again, hot last */
    size_t spare_count;
    struct simulator_connection *connections; /* all of them */
};

int simulator_bench_init(struct simulator_bench *bench,
                         struct simulator *simulator);

/* Closes all connections too. */
void simulator_bench_deinit(struct simulator_bench *bench);

enum simulator_connection_state {
    SIMULATOR_READING_HEAD,
    SIMULATOR_READING_BODY,
    SIMULATOR_WAITING,
    SIMULATOR_WRITING,
};

struct simulator_connection {
    int descriptor;
    SSL *ssl; /* NULL: plain */
    enum simulator_connection_state state;
    uint32_t wants;            /* EPOLLIN, EPOLLOUT or EPOLLRDHUP */
    struct monotonic deadline; /* while WAITING: when the reply may leave */
    struct simulator_connection *earlier; /* in the server's list of these */
    struct simulator_connection *later;
    struct simulator_connection *next;     /* in the list of all connections */
    struct simulator_connection **link;    /* what points at this one there */
    struct simulator_http_request request; /* points into head */
    uint8_t *body;
    size_t body_capacity;
    size_t body_length;
    EVP_MD_CTX *digest;
    uint8_t body_digest[32];
    struct simulator_exchange exchange;
    struct simulator_reply reply;
    size_t sent; /* where in the reply's memory the unsent part begins */
    size_t send_end;
    size_t head_length; /* bytes in head, some perhaps of the next request */
    uint8_t head[SIMULATOR_HTTP_HEAD];
};

enum simulator_connection_condition {
    SIMULATOR_CONNECTION_OVER = 1, /* close it */
};

/* Takes the descriptor and `ssl`; NULL, both still the caller's, if no memory. */
struct simulator_connection *
simulator_connection_new(struct simulator_bench *bench, int descriptor,
                         SSL *ssl);

/* Drops a reply that did not leave, and closes. */
void simulator_connection_free(struct simulator_connection *connection,
                               struct simulator_bench *bench);

/* Go as far as the socket lets. Returns 0 or SIMULATOR_CONNECTION_OVER. */
int simulator_connection_turn(struct simulator_connection *connection,
                              struct simulator_bench *bench);

/* The deadline has come: write the reply, and go on. As a turn. */
int simulator_connection_on_deadline(struct simulator_connection *connection,
                                     struct simulator_bench *bench);
