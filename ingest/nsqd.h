/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * nsqd - one nsqd of the topic: its address, its one connection, its backoff.
 *
 * There is exactly one connection per (nsqd, topic, channel), because a second
 * one would break the order. It is made again, after a growing wait, for as
 * long as the nsqd is wanted. Each connection is a new incarnation: only the
 * one that brought a message can FIN it.
 *
 * This joins the pure nsq_connection with a stream of io.h; what arrives is
 * the business of the caller.
 */

#include "common/random.h"
#include "ingest/backoff.h"
#include "ingest/io.h"
#include "ingest/nsq_connection.h"

struct nsqd {
    char name[ADDRESS_TEXT_MOST]; /* "host:port", as it was given or found */
    struct address address;
    struct socket_address socket_address; /* length 0: not resolved yet */
    bool is_wanted;       /* connect again when the connection ends */
    bool is_resolving;    /* the resolver has been asked */
    uint16_t source;      /* in the source table */
    uint32_t incarnation; /* of the connection; 0: none */
    struct nsq_connection connection;
    struct io_stream *stream; /* NULL: no socket */
    bool was_subscribed;      /* this connection, though it may have failed */
    size_t sending;           /* bytes with the kernel */
    struct backoff backoff;
    struct monotonic retry_at; /* no socket: when to try again */
    struct monotonic renew_by; /* CLS was sent to renew: when to close */
    bool has_complained;       /* the log knows that it is absent */
    struct letter_post *post;  /* its dead letters; NULL: never any */
    bool post_has_complained;  /* the log knows that they wait */
};

void nsqd_init(struct nsqd *nsqd, const char *name,
               const struct address *address,
               const struct nsq_connection_settings *settings,
               int64_t longest_wait_ns);
void nsqd_deinit(struct nsqd *nsqd);

/* Begin to connect to the resolved address. Returns as io_connect(). */
int nsqd_connect(struct nsqd *nsqd, struct io *io, uint64_t tag,
                 struct monotonic now);

/* The socket is connected, as incarnation `incarnation`. */
void nsqd_on_connected(struct nsqd *nsqd, uint32_t incarnation,
                       struct monotonic now);

/*
 * The connection is over, for whatever reason: close the socket and set
 * retry_at. What it had parked is forgotten; nsqd delivers it again.
 */
void nsqd_on_ended(struct nsqd *nsqd, struct monotonic now,
                   struct random *random);

/* Hand the output to the kernel, unless some of it is there already. */
void nsqd_send(struct nsqd *nsqd);
void nsqd_on_sent(struct nsqd *nsqd);

/* True from SUBSCRIBED on, while messages can come and be finished. */
static inline bool nsqd_is_subscribed(const struct nsqd *nsqd)
{
    return nsqd->connection.state == NSQ_CONNECTION_SUBSCRIBED;
}

/* True if the connection that is `incarnation` can FIN, REQ and TOUCH. */
static inline bool nsqd_can_finish(const struct nsqd *nsqd,
                                   uint32_t incarnation)
{
    return nsqd->incarnation == incarnation && nsqd->stream &&
           nsqd->connection.state >= NSQ_CONNECTION_SUBSCRIBED &&
           nsqd->connection.state <= NSQ_CONNECTION_CLOSE_WAITED;
}

/* True if no command waits to be sent. */
bool nsqd_is_flushed(struct nsqd *nsqd);

/* When something has to be done although nothing arrives. */
struct monotonic nsqd_deadline(const struct nsqd *nsqd);
