/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ingest - the process that reads nsqd and fills the queues.
 *
 *   sockets ─► messages ─► records ─► publish ─► (egress) ─► decided ─► FIN
 *
 * One thread, one place to wait (io_wait), one list of steps per turn; see
 * ingest.c. The steps are in files of their own:
 *
 *   ingest_arrivals.c  completions, messages, parked messages
 *   ingest_redelivery.c  messages that came before
 *   ingest_finish.c    FIN, refused messages, TOUCH
 *   ingest_ready.c     RDY from room
 *   ingest_peers.c     connecting to nsqd, losing them
 *   ingest_lookups.c   finding nsqd through nsqlookupd
 */

#include <limits.h>

#include "common/consumer_options.h"
#include "common/log.h"
#include "common/options.h"
#include "ingest/ingest_counters.h"
#include "ingest/io.h"
#include "ingest/nsqd.h"
#include "ingest/ready_count.h"
#include "ingest/redelivery.h"
#include "ingest/resolver.h"
#include "ingest/router.h"
#include "shard/source_table.h"

#define INGEST_COMPLETIONS_MOST 64

/* What a tag of io.h means; the low half is an index where there is one. */
enum ingest_tag {
    TAG_NSQD = 1, /* + index in nsqds */
    TAG_LOOKUP,   /* + index of the nsqlookupd */
    TAG_WAKEUP,   /* egress released something */
    TAG_LIFELINE, /* the supervisor has something to say */
    TAG_SIGNAL,   /* SIGTERM */
    TAG_RESOLVER, /* a name was looked up */
};

/* What the resolver is asked for: index of an nsqd, or this and a lookup's. */
#define INGEST_RESOLVE_LOOKUP (UINT64_C(1) << 32)

static inline uint64_t ingest_tag_make(enum ingest_tag kind, size_t index)
{
    return (uint64_t)kind << 32 | index;
}

struct ingest {
    const struct options *options;
    struct consumer_options consumer;
    struct nsq_connection_settings connection_settings;
    char hostname[HOST_NAME_MAX + 1];
    char client_id[HOST_NAME_MAX + 1];
    struct random random;
    struct monotonic now; /* read once per turn */

    struct io *io;
    struct io_completion completions[INGEST_COMPLETIONS_MOST];
    size_t completion_count; /* of the last wait, not yet taken */
    int signal_descriptor;

    struct queue_set queues;
    struct router router;
    struct source_table sources;
    struct acknowledgement_log acknowledged;
    struct redelivery redelivery;
    struct shared_memory counters_memory;
    struct ingest_counters *counters;

    struct nsqd *nsqds[SOURCES_MOST]; /* in the order of finding */
    size_t nsqd_count;
    struct nsqd *by_source[SOURCES_MOST];
    struct ingest_lookups *lookups; /* NULL: none were given */
    struct resolver *resolver;

    uint64_t *touched_before; /* per queue: what the next TOUCH round covers */
    struct monotonic touch_due;
    bool has_parked; /* some connection waits for room */
    struct ready_count ready;
    bool needs_ready;      /* RDY must be thought about in this turn */
    uint64_t record_bytes; /* average of late, for RDY */

    bool is_draining;
    bool is_orphan;
    struct monotonic orphan_due;
    struct monotonic rejoin_due; /* an orphan looks for a supervisor then */
    struct monotonic alive_due;
    struct log_limit refused_limit;
    struct log_limit corrupt_limit;
};

/* Attach to everything. Returns 0 or a negative errno with its sentence. */
int ingest_open(struct ingest *ingest, const struct options *options);

/*
 * Work until drained. Returns 0, or a negative errno with its sentence, after
 * which the supervisor starts a fresh ingest: nothing is lost.
 */
int ingest_run(struct ingest *ingest);
void ingest_close(struct ingest *ingest);

/* The steps; each returns how many things it moved, or a negative errno. */
int ingest_take_completions(struct ingest *ingest);
int ingest_take_parked(struct ingest *ingest);
int ingest_publish(struct ingest *ingest);
int ingest_finish(struct ingest *ingest);
int ingest_touch(struct ingest *ingest);
int ingest_adjust_ready(struct ingest *ingest);
int ingest_meet_peers(struct ingest *ingest);
int ingest_send(struct ingest *ingest);

/* Between the step files. */
void ingest_plan_touch(struct ingest *ingest);
void ingest_lose(struct ingest *ingest, struct nsqd *nsqd, const char *why);
int ingest_take_arrivals(struct ingest *ingest, struct nsqd *nsqd);
int ingest_take_candidate(struct ingest *ingest, struct nsqd *nsqd,
                          const struct nsq_message *message, uint64_t id);
int ingest_write_message(struct ingest *ingest, struct nsqd *nsqd,
                         const struct nsq_message *message, uint64_t id);
void ingest_save_parked(struct ingest *ingest, struct nsqd *nsqd);
bool ingest_renew(struct ingest *ingest, struct nsqd *nsqd);
int ingest_open_redelivery(struct ingest *ingest);
void ingest_close_redelivery(struct ingest *ingest);
void ingest_refuse(struct ingest *ingest, struct nsqd *nsqd,
                   const struct nsq_message_id *id, const char *why);
int ingest_add_nsqd(struct ingest *ingest, const char *name);
void ingest_start_draining(struct ingest *ingest);
int ingest_open_peers(struct ingest *ingest);
void ingest_close_peers(struct ingest *ingest);
void ingest_take_resolved(struct ingest *ingest);

/*
 * What IDENTIFY says and what bounds a connection. Returns 0 or a negative
 * errno with its sentence.
 */
int ingest_settle_connections(struct ingest *ingest);
