/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * nsq_lookup - what nsqlookupd is asked, what it answers, and when to ask.
 *
 * All nsqlookupd are polled, each by itself, and the nsqd of one topic are the
 * union of their answers (nsq_directory.h), as nsq.io's "Building Client
 * Libraries" wants it. An answer that fails changes nothing.
 *
 * Pure, but for cJSON, which allocates while it reads an answer: a cold path.
 * Returns   0, or an NSQ_LOOKUP_* condition.
 */

#include "common/address.h"
#include "common/clock.h"
#include "common/random.h"

#define NSQ_LOOKUP_ANSWER_MOST ((size_t)1024 * 1024) /* bytes of a body */

enum nsq_lookup_condition {
    NSQ_LOOKUP_REFUSED = 1, /* a status that is no answer to the question */
    NSQ_LOOKUP_BROKEN,      /* not the JSON that nsqlookupd sends */
};

/* One question; texts are the caller's. */
struct nsq_lookup_question {
    const struct address *server;
    struct bytes topic;
    const char *user_agent;
    struct bytes auth_secret; /* empty: no Authorization header */
};

/*
 * Write the request: GET /lookup, for one reply on this connection. Bytes of
 * the secret that may not stand in a header become '?'.
 */
void nsq_lookup_encode(struct bytes_writer *writer,
                       const struct nsq_lookup_question *question);

struct nsq_lookup_answer {
    struct address *producers; /* the caller's memory */
    size_t capacity;           /* of it, in addresses */
    size_t count;              /* out: nsqd that have the topic */
    size_t skipped;            /* out: no legal address, or no room */
};

/*
 * Read a reply: the shape of nsqlookupd 1.x, and the one before 1.0, which
 * wraps it in "data". 404 TOPIC_NOT_FOUND means that no nsqd has the topic yet:
 * 0, with no producers.
 */
int nsq_lookup_parse(unsigned status, struct bytes body,
                     struct nsq_lookup_answer *answer);

/* When to ask one nsqlookupd. */
struct nsq_lookup_schedule {
    int64_t interval_ns; /* lookupd_poll_interval */
    int64_t jitter_ns;   /* the interval's part lookupd_poll_jitter */
    struct monotonic due;
    struct monotonic asked; /* last */
};

/* The first question is due at once. */
void nsq_lookup_schedule_init(struct nsq_lookup_schedule *schedule,
                              int64_t interval_ns, int64_t jitter_ns,
                              struct monotonic now);

/* The question is asked now: the next is due after interval and jitter. */
void nsq_lookup_schedule_on_asked(struct nsq_lookup_schedule *schedule,
                                  struct random *random, struct monotonic now);

/*
 * A connection was lost: ask earlier than planned, because the nsqd may have
 * moved, but at most once a second.
 */
void nsq_lookup_schedule_hurry(struct nsq_lookup_schedule *schedule,
                               struct monotonic now);
