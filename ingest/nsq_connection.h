/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * nsq_connection - one nsqd connection, from connect to CLS; a pure state
 * machine: bytes in, bytes out, deadlines out, time as an argument.
 *
 *                       start            on_connected
 *               IDLE ---------> CONNECTING ---------> IDENTIFYING
 *                ^                                     |        | only if
 *                | reset, from                         |        | asked for
 *                | every state                         |        v
 *              FAILED                                  |   AUTHENTICATING
 *                ^                                     |        |
 *                | whatever breaks the                 v        v
 *                | protocol, from every              SUBSCRIBING
 *                | state but IDLE                      | OK
 *                |                                     v
 *                +---- CLOSE_WAITED <---- CLOSING <- SUBSCRIBED
 *                         CLOSE_WAIT        start_close (CLS)
 *
 * The loop owns the socket. One turn of it, for bytes that arrived:
 *
 *     nsq_connection_feed(c, received, now);
 *     while ((result = nsq_connection_next(c, &arrival)) == 0)
 *         take the arrival, or nsq_connection_put_back(c) and break;
 *     nsq_connection_keep(c);            and the receive buffer is free again
 *     send nsq_connection_output(c);     later: nsq_connection_on_sent(c, n)
 *
 * A message is a view into the received bytes; only a frame that spans two
 * receive buffers is assembled in the carry-over. Frames that the caller does
 * not take yet (its queue is full) are *parked*: keep() copies them into the
 * carry-over, looks through them for heartbeats, which it answers, and from
 * then on they are TOUCHed in time, so that the socket is always read and no
 * message times out because another one waits. next() goes on with them
 * whenever it is called, also without new bytes.
 *
 * magic, IDENTIFY and SUB leave in one write; RDY needs the IDENTIFY answer
 * and is the caller's. With a secret for AUTH, SUB waits for the answers.
 *
 * Memory    the carry-over and the output grow up to their bounds and are then
 *           reused: nothing is allocated per message.
 * Lifetime  a view in an arrival lasts until the next call of next(), keep()
 *           or feed(). Bytes from output() lie still until on_sent() has
 *           counted all of them, or reset().
 * Returns   0, an NSQ_CONNECTION_* condition, never a negative errno: lack of
 *           memory fails the connection like everything else that breaks it.
 */

#include "common/clock.h"
#include "ingest/nsq_frame_reader.h"
#include "ingest/nsq_protocol.h"
#include "ingest/send_buffer.h"

enum nsq_connection_condition {
    NSQ_CONNECTION_NOTHING = 1, /* no whole frame left: keep() now */
    NSQ_CONNECTION_FAILED,      /* close the socket; see complaint, failure */
    NSQ_CONNECTION_NOT_OPEN,    /* not subscribed (any more): not sent */
};

enum nsq_connection_state {
    NSQ_CONNECTION_IDLE,
    NSQ_CONNECTION_CONNECTING,
    NSQ_CONNECTION_IDENTIFYING,
    NSQ_CONNECTION_AUTHENTICATING,
    NSQ_CONNECTION_SUBSCRIBING,
    NSQ_CONNECTION_SUBSCRIBED,
    NSQ_CONNECTION_CLOSING,
    NSQ_CONNECTION_CLOSE_WAITED,
    NSQ_CONNECTION_STATE_FAILED,
};

/* Why a connection failed, to be counted; the complaint is for people. */
enum nsq_connection_failure {
    NSQ_FAILURE_NONE,
    NSQ_FAILURE_HTTP_PORT, /* the address is nsqd's HTTP port */
    NSQ_FAILURE_REFUSED,   /* nsqd sent an error that ends the connection */
    NSQ_FAILURE_BROKEN,    /* bytes that are not the protocol */
    NSQ_FAILURE_TOO_LARGE, /* a frame above max_message_size */
    NSQ_FAILURE_SILENT,    /* no answer, or no frame for two heartbeats */
    NSQ_FAILURE_FULL,      /* the carry-over or the output met its bound */
    NSQ_FAILURE_NO_MEMORY,
};

/* One for all connections; it and its texts outlive them. */
struct nsq_connection_settings {
    struct nsq_identity identity; /* heartbeat_interval_ms: 1000 or more */
    struct bytes topic;
    struct bytes channel;
    struct bytes auth_secret;   /* empty: no AUTH */
    size_t max_message_size;    /* largest body that is believed, in bytes */
    size_t max_carry_over;      /* bytes; at least one frame */
    size_t max_output;          /* bytes of commands not yet sent */
    int64_t connect_timeout_ns; /* for the socket to connect */
    int64_t answer_timeout_ns;  /* from connected to subscribed */
};

enum nsq_arrival_kind {
    NSQ_ARRIVED_MESSAGE,      /* message */
    NSQ_ARRIVED_SUBSCRIBED,   /* terms: RDY may be sent */
    NSQ_ARRIVED_FIN_FAILED,   /* id: nsqd no longer knew it as ours */
    NSQ_ARRIVED_REQ_FAILED,   /* id */
    NSQ_ARRIVED_TOUCH_FAILED, /* id: it will come again */
    NSQ_ARRIVED_CLOSE_WAIT,   /* CLS was heard; a message may still follow */
};

struct nsq_arrival {
    enum nsq_arrival_kind kind;
    bool has_id; /* the error named its message */
    union {
        struct nsq_message message;
        struct nsq_terms terms;
        struct nsq_message_id id;
    };
};

struct nsq_connection {
    const struct nsq_connection_settings *settings;
    enum nsq_connection_state state;
    enum nsq_connection_failure failure;
    struct nsq_terms terms; /* valid from SUBSCRIBING on */

    struct nsq_frame_reader reader; /* bytes in */
    struct send_buffer output;      /* commands */

    struct monotonic now;        /* of the last feed */
    struct monotonic last_frame; /* a whole frame had come */
    struct monotonic last_given; /* a message came, or the subscription */
    struct monotonic answer_due; /* in the states before SUBSCRIBED */
    struct monotonic touch_due;  /* for what is parked */
    uint32_t ready;              /* RDY as nsqd knows it */
    uint32_t in_flight;          /* messages given and not answered */
    uint32_t leaked_credits;     /* upper bound; see should_renew() */
    char complaint[256];         /* why it failed: a sentence, no full stop */
};

void nsq_connection_init(struct nsq_connection *connection,
                         const struct nsq_connection_settings *settings);

/* Give the memory back. */
void nsq_connection_deinit(struct nsq_connection *connection);

/*
 * Be IDLE again, for the next connect. What was parked or unsent is gone; nsqd
 * delivers the messages again. Not while bytes of output() are being sent.
 */
void nsq_connection_reset(struct nsq_connection *connection);

/* The socket begins to connect. From IDLE only. */
void nsq_connection_start(struct nsq_connection *connection,
                          struct monotonic now);

/* The socket is connected: the handshake is in the output. */
void nsq_connection_on_connected(struct nsq_connection *connection,
                                 struct monotonic now);

/* Bytes came. What was fed before must have been kept. */
void nsq_connection_feed(struct nsq_connection *connection,
                         struct bytes received, struct monotonic now);

/*
 * The next arrival. Returns 0, NSQ_CONNECTION_NOTHING or
 * NSQ_CONNECTION_FAILED. Heartbeats are answered here and do not arrive.
 */
int nsq_connection_next(struct nsq_connection *connection,
                        struct nsq_arrival *arrival);

/* The message that came last is not taken: it comes again. Once per message. */
void nsq_connection_put_back(struct nsq_connection *connection);

/*
 * Copy what was not taken of the fed bytes, which are the caller's again.
 * Returns 0 or NSQ_CONNECTION_FAILED.
 */
int nsq_connection_keep(struct nsq_connection *connection);

/* Bytes of whole frames that wait in the carry-over. */
static inline size_t
nsq_connection_parked(const struct nsq_connection *connection)
{
    return connection->reader.seen;
}

/*
 * Commands. They return 0, NSQ_CONNECTION_NOT_OPEN (the id, if any, has to be
 * remembered for its redelivery) or NSQ_CONNECTION_FAILED.
 */
int nsq_connection_finish(struct nsq_connection *connection,
                          const struct nsq_message_id *id);
int nsq_connection_requeue(struct nsq_connection *connection,
                           const struct nsq_message_id *id, uint32_t delay_ms);
int nsq_connection_touch(struct nsq_connection *connection,
                         const struct nsq_message_id *id);

/*
 * RDY `count`, cut to nsqd's max_rdy_count; sent only if nsqd does not know it
 * yet. After start_close() nsqd ignores RDY, so it returns NOT_OPEN.
 */
int nsq_connection_set_ready(struct nsq_connection *connection, uint32_t count);

/*
 * CLS: no new messages; those in flight can still be finished. NOT_OPEN before
 * SUBSCRIBED (just close the socket) and after the first call.
 */
int nsq_connection_start_close(struct nsq_connection *connection);

/*
 * A second copy of a message that is held came on this connection, and no FIN
 * of its own will be sent for it: nsqd counted it in twice and will count it
 * out once; see nsq_connection_should_renew().
 */
void nsq_connection_on_second_copy(struct nsq_connection *connection);

/*
 * A message that is held came again because it timed out: nsqd had counted the
 * first delivery out, so nothing leaks; one FIN will be sent for both.
 */
void nsq_connection_on_delivered_again(struct nsq_connection *connection);

/*
 * True when so many RDY credits may be lost that the connection should be
 * closed and made anew: a quarter of the RDY it has now, because those that
 * are lost stay lost when RDY becomes less. nsqd takes a twin (one id sent
 * twice, possible after nsqd crashed) out of its table once, so that the second
 * FIN or REQ fails and one slot of RDY is lost for ever; when all are lost,
 * nsqd sends nothing more and says nothing. Every failed FIN and REQ is
 * counted, which is an upper bound. False while RDY is 0: nothing is missed.
 *
 * Also true when any may be lost, none is held, and no message has come for two
 * heartbeats: either nothing is published, and a new connection costs nothing,
 * or this is the stall.
 */
bool nsq_connection_should_renew(const struct nsq_connection *connection);

/*
 * The bytes to send now; empty when there are none. They stay the same, but
 * for those that on_sent() counted, until all of them are sent.
 */
struct bytes nsq_connection_output(struct nsq_connection *connection);
void nsq_connection_on_sent(struct nsq_connection *connection, size_t count);

/* When on_time() wants to be called at the latest. */
struct monotonic
nsq_connection_deadline(const struct nsq_connection *connection);

/*
 * Time passed: TOUCH what is parked, or find nsqd silent. Bytes that wait in
 * the socket should be fed first, so that a long turn of ours is not taken for
 * a silence of nsqd's. Returns 0 or NSQ_CONNECTION_FAILED.
 */
int nsq_connection_on_time(struct nsq_connection *connection,
                           struct monotonic now);
