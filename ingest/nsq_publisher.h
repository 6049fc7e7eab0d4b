/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * nsq_publisher - one connection to an nsqd that only publishes; a pure state
 * machine like nsq_connection, for messages that are put aside.
 *
 *     IDLE ─start─► CONNECTING ─on_connected─► IDENTIFYING ─► AUTHENTICATING
 *                                                   │               │
 *     FAILED ◄── whatever breaks the protocol       └───► READY ◄───┘
 *
 * A consumer's connection cannot publish in between, because nothing would say
 * which answer is whose. Here nsqd answers each PUB with one OK, in their
 * order; an error ends the connection, and what has no OK has to be published
 * again on the next one.
 *
 * Returns   0 or NSQ_PUBLISHER_FAILED: close the socket; see complaint.
 */

#include "ingest/nsq_connection.h"

enum nsq_publisher_condition {
    NSQ_PUBLISHER_FAILED = 1,
};

enum nsq_publisher_state {
    NSQ_PUBLISHER_IDLE,
    NSQ_PUBLISHER_CONNECTING,
    NSQ_PUBLISHER_IDENTIFYING,
    NSQ_PUBLISHER_AUTHENTICATING,
    NSQ_PUBLISHER_READY,
    NSQ_PUBLISHER_STATE_FAILED,
};

struct nsq_publisher {
    const struct nsq_connection_settings *settings;
    enum nsq_publisher_state state;
    struct nsq_frame_reader reader;
    struct send_buffer output;
    size_t asked;                /* PUBs without an answer */
    struct monotonic last_frame; /* a whole frame had come */
    struct monotonic answer_due; /* to the handshake or the oldest PUB */
    char complaint[256];         /* why it failed: no full stop */
};

/* identity, auth_secret and the time-outs of `settings` matter. */
void nsq_publisher_init(struct nsq_publisher *publisher,
                        const struct nsq_connection_settings *settings);

/* Give the memory back and be IDLE. Not while output is being sent. */
void nsq_publisher_reset(struct nsq_publisher *publisher);

void nsq_publisher_start(struct nsq_publisher *publisher, struct monotonic now);
int nsq_publisher_on_connected(struct nsq_publisher *publisher,
                               struct monotonic now);

/*
 * Bytes came, all of which are taken. *confirmed is how many PUBs, the oldest
 * first, nsqd has now; they count also if the connection failed after them.
 */
int nsq_publisher_feed(struct nsq_publisher *publisher, struct bytes received,
                       struct monotonic now, size_t *confirmed);

/* Send `count` whole PUB commands. In state READY only. */
int nsq_publisher_publish(struct nsq_publisher *publisher,
                          struct bytes commands, size_t count,
                          struct monotonic now);

/* As of nsq_connection. */
struct bytes nsq_publisher_output(struct nsq_publisher *publisher);
void nsq_publisher_on_sent(struct nsq_publisher *publisher, size_t count);

/* When on_time() wants to be called at the latest. */
struct monotonic nsq_publisher_deadline(const struct nsq_publisher *publisher);

/* Time passed: nsqd may be silent. */
int nsq_publisher_on_time(struct nsq_publisher *publisher,
                          struct monotonic now);
