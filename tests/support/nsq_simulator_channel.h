/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * nsq_simulator_channel - which message goes to whom, as nsqd decides it.
 *
 *   source --publish--> [ backlog ] --take--> in flight --finish--> gone
 *                            ^                   |
 *                            +-- tail <----------+ time-out, REQ
 *
 * A message that times out or is requeued goes behind everything published so
 * far and keeps its id and time stamp; its attempts grow. The in-flight count
 * of a consumer falls with FIN, REQ and time-out, and RDY caps that count: it
 * is not a credit. A twin is a second copy of an id, as nsqd makes them after
 * a crash: it is counted as in flight when it is sent although the id is in
 * flight already, so its place is lost for ever (StartInFlightTimeout fails
 * unseen in protocol_v2.go).
 *
 * No socket and no clock here: time is an argument.
 *
 * Returns   0, or a CHANNEL_* condition, or -ENOMEM.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/support/latency_histogram.h"
#include "tests/support/nsq_simulator_flight.h"
#include "tests/support/nsq_simulator_history.h"
#include "tests/support/nsq_simulator_source.h"

#define CHANNEL_ENDLESS UINT64_MAX

enum channel_condition {
    CHANNEL_NOT_IN_FLIGHT = 1, /* "ID not in flight" */
    CHANNEL_NOT_OWNER,         /* "client does not own message" */
    CHANNEL_NOTHING,           /* no message for this consumer now */
};

/* The time of a turn. */
struct channel_time {
    int64_t wall_ns;
    uint32_t now_ms; /* since the start of the process */
};

struct channel_consumer {
    struct channel_consumer *next;
    uint32_t connection; /* never given twice */
    int64_t rdy;
    int64_t in_flight; /* as nsqd counts it, leaks included */
    int64_t msg_timeout_ms;
    uint64_t sent;
    uint64_t finished;
};

struct channel_counters {
    uint64_t sent;     /* message frames, redeliveries and twins included */
    uint64_t finished; /* messages, each once */
    uint64_t finished_again;
    uint64_t redelivered;
    uint64_t twins;
    uint64_t requeued;
    uint64_t touched;
    uint64_t timed_out;
    uint64_t failed_fins;
    uint64_t failed_reqs;
    uint64_t failed_touches;
};

/* A message that waits to be sent again. */
struct channel_return {
    uint64_t number;
    uint64_t after; /* its turn comes when `next` is here */
    int64_t timestamp_ns;
};

struct channel_queue {
    struct channel_return *returns; /* a ring */
    size_t capacity;                /* a power of two, or 0 */
    size_t first;
    size_t count;
};

struct channel {
    struct source source;
    uint64_t count;   /* messages there will ever be; or CHANNEL_ENDLESS */
    uint64_t rate;    /* per second and over all nsqds; 0: without limit */
    uint64_t backlog; /* messages published ahead when there is no rate */
    int64_t max_msg_timeout_ms;
    const struct history *history;
    struct latency_watch *latencies; /* from sending to FIN; or NULL */

    struct channel_consumer *consumers;
    struct flight_table flights;
    struct channel_queue tail;   /* timed out or requeued */
    struct channel_queue copies; /* twins */
    int64_t started_ns;          /* wall time of the first consumer; 0: none */
    uint64_t published;
    uint64_t next;    /* the first message that was never sent */
    uint64_t hold_at; /* nothing is sent when counters.sent is here */
    uint64_t twins_wanted;
    uint64_t twin_distance;  /* messages between a twin and its first copy */
    uint64_t old_ids_wanted; /* so many ids come again when all is finished */
    bool paused;
    struct channel_counters counters;
};

/* `channel` is zero but for its settings; `count` is this nsqd's share. */
void channel_init(struct channel *channel);
void channel_deinit(struct channel *channel);

void channel_add_consumer(struct channel *channel,
                          struct channel_consumer *consumer,
                          const struct channel_time *now);

/* What it has in flight waits for msg_timeout, as it does at nsqd. */
void channel_remove_consumer(struct channel *channel,
                             struct channel_consumer *consumer);

/* Let the publisher publish what is due at `wall_ns`. */
void channel_publish(struct channel *channel, int64_t wall_ns);

/* Nanoseconds until the next publishing; INT64_MAX if time brings none. */
int64_t channel_next_publishing(const struct channel *channel, int64_t wall_ns);

struct channel_delivery {
    uint64_t number;
    int64_t timestamp_ns;
    uint16_t attempts;
};

/* Give the consumer a message, if its RDY allows one and there is one. */
int channel_take(struct channel *channel, struct channel_consumer *consumer,
                 const struct channel_time *now,
                 struct channel_delivery *delivery);

int channel_finish(struct channel *channel, struct channel_consumer *consumer,
                   const uint8_t *id);
int channel_requeue(struct channel *channel, struct channel_consumer *consumer,
                    const uint8_t *id, uint64_t delay_ms,
                    const struct channel_time *now);
int channel_touch(struct channel *channel, struct channel_consumer *consumer,
                  const uint8_t *id, const struct channel_time *now);

/* Take back what timed out, and bring what was deferred long enough. */
void channel_expire(struct channel *channel, uint32_t now_ms);

/* True if every message was finished and none is on its way. */
bool channel_is_done(const struct channel *channel);
