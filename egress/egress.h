/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * egress - the worker process: queues -> PutRecords -> `released`.
 *
 *   queue ─► batch ─► request ─► Kinesis ─► reply ─► verdicts, released
 *
 * One thread, one place to wait (curl_multi_poll), one list of steps per turn;
 * see egress.c. What a reply means for each queue is in egress_replies.c.
 */

#include "common/log.h"
#include "common/options.h"
#include "egress/collector.h"
#include "egress/egress_counters.h"
#include "egress/kinesis_session.h"
#include "egress/request.h"
#include "egress/request_times.h"
#include "egress/shard_listing.h"
#include "shard/wakeup.h"

/*
 * Requests on their way at once. One would do for throughput, since a queue
 * has at most one batch on its way; more let a queue that becomes ready go
 * without waiting for the replies of others.
 */
#define EGRESS_REQUESTS 4

/* The list of shards is asked for beside them. */
#define EGRESS_LISTING_SLOT EGRESS_REQUESTS
#define EGRESS_SLOTS        (EGRESS_REQUESTS + 1)

/* Different partition keys that are found again in one aggregate: half. */
#define EGRESS_KEY_SLOTS 8192

/* Escaped texts of one reply: error messages, mostly. */
#define EGRESS_REPLY_TEXTS_MOST ((size_t)64 * 1024)

/* A part that was stored on a shard of which we do not know what it covers. */
struct landing {
    struct request_entry entry;
    char shard_id[SHARD_ID_CAPACITY];
    struct monotonic patience_end; /* lists may miss that shard until then */
};

struct egress {
    const struct options *options;
    unsigned worker; /* index */
    struct random random;
    struct monotonic now; /* read once per turn */
    struct wall_time wall;

    struct layout layout;
    struct queue_sender *senders;
    size_t sender_count;
    size_t open_count;   /* of senders */
    size_t first_sender; /* where the next request begins: it rotates */

    struct kinesis_session *session;
    struct request requests[EGRESS_REQUESTS];
    struct put_records_result results[KINESIS_RECORDS_PER_REQUEST_MOST];
    uint8_t reply_texts[EGRESS_REPLY_TEXTS_MOST]; /* of the reply being read */
    enum put_records_format format;               /* of the next request */
    size_t in_flight;
    struct request_surroundings surroundings;
    struct aggregator aggregator;
    struct key_slot *slots;
    struct shard_map map;       /* the current one */
    struct shard_map_row *rows; /* its memory */
    struct shard_rows closed;   /* shards that were open once */
    uint32_t drift;             /* of the map from the layout, as told */
    struct shard_listing *listing;
    struct landing *landings; /* QUEUE_PARTS_MOST for each sender */
    size_t landing_count;
    bool is_stream_gone; /* nothing is sent until a list comes */
    bool is_learning;    /* paused for the first list of its life */
    struct log_limit listing_limit;
    struct retrier pause; /* of the whole worker */
    struct monotonic paused_until;
    struct monotonic tls_fails_since; /* NEVER: the last request had TLS */
    bool has_complained;              /* the log knows of the current trouble */

    struct collector collector; /* as of this turn */
    struct request_times times; /* for --status-every */

    struct shared_memory wakeup_memory;
    struct wakeup_segment *wakeups;
    struct shared_memory counters_memory;
    struct egress_counters *counters;
    int signal_descriptor;
    bool has_outside_news; /* a signal, or something on the lifeline */

    const struct queue_sender *damaged; /* found so; NULL: none */
    bool is_misconfigured;              /* another try would say the same */
    bool is_draining;                   /* end when everything is delivered */
    bool is_leaving;                    /* end when nothing is on its way */
    bool is_orphan;
    struct monotonic orphan_due;
    struct monotonic rejoin_due; /* an orphan looks for a supervisor then */
    struct monotonic alive_due;
    struct log_limit trouble_limit;
};

/*
 * Attach to everything. Returns 0, KINESIS_SESSION_CONFIGURATION with its
 * sentence in error_take(), or a negative errno with its sentence.
 */
int egress_open(struct egress *egress, const struct options *options);

/*
 * Work until drained. Returns 0, or a negative errno with its sentence, after
 * which the supervisor starts a fresh worker at each queue's `released`
 * position: nothing is lost, and what was on its way is sent again.
 */
int egress_run(struct egress *egress);
void egress_close(struct egress *egress);

/* egress_replies.c: take every reply that has come, settle its queues. */
int egress_collect_replies(struct egress *egress);

/*
 * What one entry's fate means for its queue; then, when no part of the queue's
 * batch is on its way any more: release, or due again. The latter returns 1 if
 * it was released, 0, or a negative errno.
 */
void egress_on_judged(struct egress *egress, const struct request_entry *entry,
                      const struct outcome *outcome);
int egress_settle(struct egress *egress, struct queue_sender *sender);

/* Something was released, or refused: ingest has something to finish. */
void egress_wake_ingest(struct egress *egress);

/* egress_shards.c */
int egress_begin_shards(struct egress *egress);
void egress_end_shards(struct egress *egress);

/*
 * A record is stored on that shard: *outcome is what it means. False if nobody
 * knows before a new list of shards has come; the entry is judged then.
 */
bool egress_judge_landing(struct egress *egress,
                          const struct request_entry *entry,
                          struct bytes shard_id, struct outcome *outcome);

/* Ask for the shards, or for their next page, if it is time to. */
int egress_list_shards(struct egress *egress);

/* The reply to that. Returns 0 or a negative errno. */
int egress_take_shards(struct egress *egress, const struct http_reply *reply);

/* Tell the supervisor whether the queues stand for the shards still. */
void egress_tell_drift(const struct egress *egress);

/* The stream does not exist: send nothing until a list of its shards comes. */
void egress_lose_stream(struct egress *egress);

/* egress_open.c; also for the survey. */
int egress_new_session(const struct options *options, unsigned slot_count,
                       struct kinesis_session **session);
