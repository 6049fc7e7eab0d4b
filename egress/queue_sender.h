/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * queue_sender - one queue's way to Kinesis: what waits, what is on its way.
 *
 *               records wait                 all parts are with a request
 *     IDLE ────────────────────► (formed) ─────────────────────► SENT
 *      ▲                            ▲                             │
 *      │                            │ some part failed            │
 *      │                           DUE ◄──────────────────────────┤
 *      │                    (after its backoff)                   │
 *      └──────────────────────────────────────────────────────────┘
 *                 every record decided: release
 *
 * A sender has at most one batch, and a batch is on its way at most once: that
 * is what keeps the order of each partition key, whatever fails in between.
 * Every queue has its own backoff and its own rate, so that a throttled shard
 * holds up nobody.
 *
 * Pure but for the queue: time and randomness are arguments.
 */

#include "common/random.h"
#include "egress/balanced_key.h"
#include "egress/batch.h"
#include "egress/limiter.h"
#include "egress/outcome.h"
#include "egress/retrier.h"
#include "shard/layout.h"

enum sender_state {
    SENDER_IDLE, /* no batch; records may wait in the queue */
    SENDER_DUE,  /* the batch is to be sent (again) at `due` */
    SENDER_SENT, /* parts of the batch are on their way */
};

enum sender_condition {
    SENDER_FENCED = 1, /* another worker has the queue: stop using it */
    SENDER_BROKEN,     /* the queue is corrupt: stop using it */
    SENDER_NOTHING,    /* no (more) part to send */
    SENDER_UNDECIDED,  /* settle: the batch has to be sent (again) */
};

struct queue_sender {
    struct queue_consumer consumer;
    struct layout_queue range; /* what the queue is for */
    enum sender_state state;
    struct queue_batch batch;  /* DUE and SENT; else the last one */
    size_t parts_on_their_way; /* SENT: replies still to come */
    bool is_blamed;            /* SENT: some part of the batch failed */
    bool is_throttled;         /* SENT: some part of it came too fast */
    bool is_ambiguous;         /* SENT: some part of it may be stored */
    bool is_refused;           /* SENT: some part of it was, for good */
    bool is_fenced;            /* found out in the middle of something */
    struct monotonic due;      /* DUE: when */
    struct monotonic looked;   /* when queue_sender_look() was called last */
    struct monotonic waiting_since; /* first undelivered record; or NEVER */
    uint64_t depth;                 /* bytes waiting, as last looked at */
    struct retrier retrier;
    struct limiter limiter;
    size_t record_count_most; /* of a batch; halved when one is refused */
    uint64_t refused_count;   /* records that settling refused */
    char key_text[BALANCED_KEY_CAPACITY]; /* for records without a key */
    struct batch_key key;
    struct hash_key key_first; /* the range the key was found for */
    struct hash_key key_last;
};

/*
 * Take the reading end of a queue. A batch that the predecessor may have sent
 * becomes due at once. Returns 0, a QUEUE_* condition or a negative errno.
 */
int queue_sender_open(const char *queue_name, const struct layout_queue *range,
                      uint64_t worker_index, struct queue_sender *sender);
void queue_sender_close(struct queue_sender *sender);

/* See what waits. To be called once per turn, before anything else. */
void queue_sender_look(struct queue_sender *sender, struct monotonic now);

/* When the sender has something to send: a time that may be past, or NEVER. */
struct monotonic queue_sender_ready_at(const struct queue_sender *sender);

/* One part of a sender's batch, and where the walk over the parts stands. */
struct sender_part {
    struct queue_part part;
    struct batch_encoding encoding;
    const struct shard_map_row *shard; /* the predicted shard */
    bool is_begun;                     /* the rest is of the walk */
    size_t next;                       /* part of the batch */
    size_t refused_count; /* records decided because they are too large */
};

/*
 * Encode the next part of the sender's batch, forming the batch if there is
 * none: begin with a zeroed *part, and go on until SENDER_NOTHING. Records too
 * large for the stream are decided on the way and counted.
 *
 * Returns 0 with *part filled in, or a SENDER_* condition.
 */
int queue_sender_next_part(struct queue_sender *sender,
                           const struct batch_encoder *encoder,
                           const struct shard_map *map, struct wall_time now,
                           struct sender_part *part);

/* True if one shard of the map covers all undecided records of the part. */
bool queue_sender_has_shard(struct queue_sender *sender,
                            const struct shard_map *map,
                            const struct queue_part *part);

/* The part, with `bytes` of payload, is with a request now. */
void queue_sender_on_sent(struct queue_sender *sender, size_t bytes);

/* A part came back: stored. Returns how many user records it decided. */
size_t queue_sender_on_accepted(struct queue_sender *sender,
                                const struct queue_part *part);

/*
 * A part came back, or never left: to be sent again. The first failure of a
 * batch's trip decides when; throttling also slows the queue down.
 */
void queue_sender_on_failed(struct queue_sender *sender,
                            const struct outcome *outcome,
                            struct random *random);

/*
 * A part came back refused for good by its own result. The batch is narrowed
 * down when it settles, unless another part of it may be stored.
 */
void queue_sender_on_part_refused(struct queue_sender *sender,
                                  const struct outcome *outcome,
                                  struct random *random);

/*
 * A batch of one record came back refused for good. Decides that record.
 * Larger batches are to be halved with queue_sender_halve() and sent again.
 */
void queue_sender_on_refused(struct queue_sender *sender,
                             enum record_verdict verdict);

/* True while a refused record is looked for: nobody else in the request. */
static inline bool queue_sender_travels_alone(const struct queue_sender *sender)
{
    return sender->record_count_most != SIZE_MAX;
}

/* A part cannot even be asked for. Returns how many records it decided. */
size_t queue_sender_refuse_part(struct queue_sender *sender,
                                const struct queue_part *part);

/* True if the batch holds one undecided record. */
bool queue_sender_is_alone(struct queue_sender *sender);

/*
 * Give up the batch's range, which certainly was not stored, and let the next
 * one be half as long, so that a refused record ends up alone.
 */
void queue_sender_halve(struct queue_sender *sender);

/*
 * When no part is on its way any more: release the batch if every record of it
 * is decided, else make it due, at `earliest` or when its backoff says.
 *
 * Returns 0 (released), SENDER_UNDECIDED or SENDER_FENCED.
 */
int queue_sender_settle(struct queue_sender *sender, struct monotonic earliest);
