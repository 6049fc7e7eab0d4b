/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * nsq_simulator_connection - one client's TCP connection to a simulated nsqd.
 *
 *   MAGIC --"  V2"--> INIT --SUB--> SUBSCRIBED --CLS--> CLOSING
 *
 * The states are nsqd's; so are the rules of when it speaks (heartbeats, also
 * before IDENTIFY) and when it hangs up (a fatal error, or silence for two
 * heartbeat intervals). Unlike nsqd it flushes at the end of every turn and
 * has no output_buffer_timeout, so that it adds no delay of its own. It stops
 * reading while its answers do not fit, where nsqd would block.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "tests/support/nsq_simulator_channel.h"
#include "tests/support/nsq_simulator_command.h"
#include "tests/support/nsq_simulator_identify.h"

#define FRAME_HEADER_LENGTH   8
#define MESSAGE_HEADER_LENGTH 26 /* time stamp, attempts, id */

enum frame_type {
    FRAME_RESPONSE = 0,
    FRAME_ERROR = 1,
    FRAME_MESSAGE = 2,
};

enum connection_state {
    CONNECTION_MAGIC,
    CONNECTION_INIT,
    CONNECTION_SUBSCRIBED,
    CONNECTION_CLOSING,
};

enum connection_manner {
    CONNECTION_NORMAL,
    CONNECTION_MUTE,   /* after nonsense: reads, says nothing more */
    CONNECTION_FROZEN, /* half open: neither reads nor writes */
    CONNECTION_DRIPS,  /* sends one byte a tick */
};

enum connection_end {
    CONNECTION_LIVES,
    CONNECTION_ENDS, /* close when the output is sent */
    CONNECTION_DEAD, /* close now */
};

/* What the loop's epoll points at: the first member of whatever it watches. */
enum watch {
    WATCH_NSQD,
    WATCH_CONNECTION,
    WATCH_HTTP,
    WATCH_HTTP_REQUEST,
    WATCH_SIGNAL,
};

/* One simulated nsqd: a port, and one channel of one topic. */
struct nsqd {
    enum watch watch;
    int fd; /* listens; -1 if closed */
    uint16_t port;
    uint32_t refused_until; /* ms: nobody listens; UINT32_MAX: for ever */
    const char *topic;
    /*
     * The backlog of a topic goes to the first channel made; a channel made
     * later, or another topic, has nothing in it.
     */
    char channel_name[65]; /* empty: nobody subscribed yet */
    struct channel channel;
    struct identify_limits limits;
    size_t longest_body; /* bytes */
    struct connection *connections;
    uint64_t published; /* PUB commands answered with OK */
};

struct connection {
    enum watch watch;
    int fd;
    struct connection *next; /* of the same nsqd */
    struct nsqd *nsqd;
    struct channel_consumer consumer;
    struct identify_settings settings;
    enum connection_state state;
    enum connection_manner manner;
    enum connection_end end;
    bool resets;           /* close with RST instead of FIN */
    bool is_served;        /* its channel is the one with the messages */
    bool is_blocked;       /* the socket takes no more; wait for EPOLLOUT */
    bool peer_is_done;     /* end of file was read */
    uint32_t watched;      /* epoll's mask; the loop's */
    uint32_t frozen_until; /* ms, of FROZEN and DRIPS; UINT32_MAX: for ever */
    uint32_t heartbeat_at; /* ms */
    uint32_t heard_at;     /* ms; of the last command */

    uint8_t *input; /* of input_capacity; parsed up to input_start */
    size_t input_capacity;
    size_t input_start;
    size_t input_end;
    uint8_t *output; /* unsent from output_start to output_end */
    size_t output_capacity;
    size_t output_start;
    size_t output_end;
};

/* Takes over `fd`. Returns NULL, with fd open, if there is no memory. */
struct connection *connection_new(struct nsqd *nsqd, int fd, uint32_t number,
                                  const struct channel_time *now);

/* Close and free; NULL is allowed. Takes it off its nsqd and its channel. */
void connection_free(struct connection *connection);

/* Read what is there and do what it says. */
void connection_receive(struct connection *connection,
                        const struct channel_time *now);

/*
 * Send messages, at most one output buffer of them, and what else waits.
 * Returns true if it is worth calling again without waiting.
 */
bool connection_send(struct connection *connection,
                     const struct channel_time *now);

/* Heartbeats, silence and the end of a freeze. At least every 100 ms. */
void connection_tick(struct connection *connection,
                     const struct channel_time *now);

/* What the loop must watch: EPOLLIN, EPOLLOUT or nothing at all. */
uint32_t connection_wants(const struct connection *connection);

/* Append bytes, a frame, a message. Too much for the buffer ends it. */
void connection_put(struct connection *connection, struct bytes bytes);
void connection_put_frame(struct connection *connection, enum frame_type type,
                          struct bytes body);
void connection_put_message(struct connection *connection,
                            const struct channel_delivery *delivery);

/* Do one command (nsq_simulator_execute.c). */
void connection_execute(struct connection *connection,
                        const struct command *command,
                        const struct channel_time *now);

/* A FIN of 16 bytes of id, the only command that must be fast. */
void connection_execute_fin(struct connection *connection, const uint8_t *id);

/* The longest body that nsqd waits for: --max-msg-size. */
#define CONNECTION_BODY_MOST 1048576
