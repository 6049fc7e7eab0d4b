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
 *   ingest_finish.c    FIN, TOUCH
 *   ingest_refused.c   refused messages and dead letters
 *   ingest_ready.c     RDY from room
 *   ingest_pause.c     RDY 0 on demand, and back again
 *   ingest_peers.c     connecting to nsqd, losing them
 *   ingest_lookups.c   finding nsqd through nsqlookupd
 */

#include <limits.h>

#include "common/consumer_options.h"
#include "common/log.h"
#include "common/options.h"
#include "ingest/dead_letter_file.h"
#include "ingest/ingest_counters.h"
#include "ingest/io.h"
#include "ingest/letter_post.h"
#include "ingest/nsqd.h"
#include "ingest/ready_count.h"
#include "ingest/redelivery.h"
#include "ingest/resolver.h"
#include "ingest/router.h"
#include "shard/source_table.h"

#define INGEST_COMPLETIONS_MOST 64

/* How long a connection that said CLS may take to finish what it holds. */
#define INGEST_RENEW_NS (10 * NS_PER_SECOND)

/* What a tag of io.h means; the low half is an index where there is one. */
enum ingest_tag {
    TAG_NSQD = 1, /* + index in nsqds */
    TAG_LOOKUP,   /* + index of the nsqlookupd */
    TAG_WAKEUP,   /* egress released something */
    TAG_LIFELINE, /* the supervisor has something to say */
    TAG_SIGNAL,   /* SIGTERM */
    TAG_RESOLVER, /* a name was looked up */
    TAG_POST,     /* + index in nsqds: its dead letters */
};

enum ingest_condition {
    INGEST_NOT_YET = 1, /* no room for it: offer the message again */
};

/* A message that the stream can never take; views last as long as it does. */
struct refusal {
    struct nsq_message_id id;
    uint16_t attempts;
    int64_t timestamp_ns;
    uint64_t checksum;    /* as its record has, or would have */
    uint32_t incarnation; /* of the connection that brought it */
    struct bytes key;
    struct bytes body;
    const char *why;
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

    struct dead_letter_file letter_file; /* of --dead-letter-file */
    struct dead_letter_box file_box;     /* what is not on the disk yet */
    struct monotonic file_retry_at;
    size_t letters_waiting;   /* in all boxes */
    bool letter_had_no_room;  /* in this turn, until post_letters() */
    bool letters_are_full;    /* in the last one: RDY is 0 */
    bool letters_have_failed; /* the log knows that the disk is full */

    struct monotonic window_looked; /* at the rate of finished messages */
    uint64_t window_position;       /* of the log, then */
    uint64_t window_wanted;         /* entries, for the fastest time so far */
    bool window_is_told;            /* the log line about it is written */

    bool is_misconfigured; /* to begin again would not help */
    bool is_draining;
    bool is_paused;            /* RDY is 0; may be draining, and may resume */
    struct monotonic calm_due; /* what nsqd sent before RDY 0 has come then */
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
int ingest_post_letters(struct ingest *ingest);
int ingest_touch(struct ingest *ingest);
int ingest_follow_pause(struct ingest *ingest);
int ingest_adjust_ready(struct ingest *ingest);
int ingest_meet_peers(struct ingest *ingest);
int ingest_send(struct ingest *ingest);

/* Between the step files. */
void ingest_plan_touch(struct ingest *ingest);
void ingest_lose(struct ingest *ingest, struct nsqd *nsqd, const char *why);
void ingest_part(struct ingest *ingest, struct nsqd *nsqd); /* on purpose */
int ingest_take_arrivals(struct ingest *ingest, struct nsqd *nsqd);
int ingest_take_candidate(struct ingest *ingest, struct nsqd *nsqd,
                          const struct nsq_message *message, uint64_t id);
int ingest_write_message(struct ingest *ingest, struct nsqd *nsqd,
                         const struct nsq_message *message, uint64_t id);
void ingest_save_parked(struct ingest *ingest, struct nsqd *nsqd);
bool ingest_renew(struct ingest *ingest, struct nsqd *nsqd);
int ingest_open_redelivery(struct ingest *ingest);
void ingest_close_redelivery(struct ingest *ingest);
void ingest_watch_window(struct ingest *ingest);
void ingest_take_again(struct ingest *ingest, struct nsqd *nsqd,
                       const struct nsq_message *message, uint32_t *incarnation,
                       uint16_t attempts);
void ingest_take_post(struct ingest *ingest, size_t index,
                      const struct io_completion *completion);
size_t ingest_touch_letters(struct ingest *ingest);
struct monotonic ingest_letters_due(const struct ingest *ingest);
int ingest_open_letters(struct ingest *ingest);
void ingest_close_letters(struct ingest *ingest);

/*
 * Do with a refused message of `nsqd` what --on-refused says. Returns 0, or
 * INGEST_NOT_YET if it has to stay where it is for now.
 */
int ingest_refuse(struct ingest *ingest, struct nsqd *nsqd,
                  const struct refusal *refusal);

/* The same for one that is too large for a queue. */
int ingest_refuse_message(struct ingest *ingest, struct nsqd *nsqd,
                          const struct nsq_message *message);

/* True if the message is a letter already; this delivery is FINed with it. */
bool ingest_is_letter(struct ingest *ingest, struct nsqd *nsqd,
                      const struct nsq_message *message, uint64_t checksum);
int ingest_add_nsqd(struct ingest *ingest, const char *name);
void ingest_start_draining(struct ingest *ingest);

/* LIFELINE_PAUSE and LIFELINE_RESUME; the second is nothing without the first. */
void ingest_pause(struct ingest *ingest);
void ingest_resume(struct ingest *ingest);
int ingest_open_peers(struct ingest *ingest);
void ingest_close_peers(struct ingest *ingest);
void ingest_take_resolved(struct ingest *ingest);

/*
 * What IDENTIFY says and what bounds a connection. Returns 0 or a negative
 * errno with its sentence.
 */
int ingest_settle_connections(struct ingest *ingest);
