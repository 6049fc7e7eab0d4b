/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * retrier - when what failed is sent again: the backoff of one queue.
 *
 * Pauses grow by doubling, up to a limit, and each is drawn evenly from zero to
 * that ("full jitter"), so that many queues, workers and bridges that failed
 * together do not come back together:
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 *
 *     throttled           at most  50 ms, 100 ms, 200 ms ...  5 s
 *     failed              at most 100 ms, 200 ms, 400 ms ... 30 s
 *     waiting for people  at most   1 s,   2 s,   4 s    ... 60 s
 *     remedy              at once the first time, then as waiting for people;
 *                         a new list of shards: then as failed
 *
 * Remedies are actions that make the next attempt a different one: fresh
 * credentials, another clock offset, another format, another list of shards.
 * Halving is one that always helps, since it ends at one record.
 *
 * Nothing is given up because it was tried often. A success forgets everything.
 *
 * Pure: time and randomness are arguments.
 */

#include "common/clock.h"
#include "common/random.h"
#include "egress/outcome.h"

enum retrier_pace {
    RETRIER_THROTTLED,
    RETRIER_FAILED,
    RETRIER_WAITING,
    RETRIER_PACES,
};

struct retrier {
    unsigned attempts[RETRIER_PACES]; /* since the last success; saturates */
    unsigned remedies; /* bit for each enum outcome_action tried since then */
    struct monotonic due; /* when the next attempt may start */
};

/* Due at once, as after a success. */
void retrier_init(struct retrier *retrier);

/* Learn how an attempt ended, at `now`. Not for OUTCOME_GIVE_UP. */
void retrier_on_outcome(struct retrier *retrier, const struct outcome *outcome,
                        struct monotonic now, struct random *random);

/* When the next attempt may start: may be past. */
static inline struct monotonic retrier_due(const struct retrier *retrier)
{
    return retrier->due;
}
