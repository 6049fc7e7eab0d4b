/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * limiter - how fast one queue may send: a token bucket that learns its rate.
 *
 *   rate  |            /|      /|               /|
 *         |           / |     / |              / |
 *   goal  |-(free)-+ /  +----/  |  refuses    /--+--(free)
 *    80 % |        |/           | everything |
 *         |                     +-.---.--.--.+      . probe
 *         +--------------------------------------------► time
 *              refused      refused       heals
 *
 * A shard takes 1 MiB and 1000 records a second, says Kinesis; but which
 * shares of that other producers take, and what a stream of another kind takes,
 * nobody says. So a queue is not limited until it is refused. Then the
 * documented rate is the first guess, and later what went well. Each refusal takes a fifth of the rate
 * away (multiplicative decrease). It comes back within a second, and grows by a
 * twentieth per second from there (additive increase); after ten seconds
 * without a refusal there is no limit.
 *
 * A shard that refuses one attempt after the other is not sent less of, but
 * asked more rarely: twice a second at most. What these refusals say is not
 * about the rate, so the first success brings back the one from before.
 *
 * Rates are in thousandths of what is documented for one shard; a record costs
 * the larger of what its bytes and its number take of that.
 *
 * Pure: time and randomness are arguments.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/random.h"

#define LIMITER_RATE_DOCUMENTED 1000 /* KINESIS_SHARD_BYTES_PER_SECOND ... */
#define LIMITER_RATE_LEAST      10

struct limiter {
    uint32_t rate;            /* thousandths; 0: no limit */
    uint32_t goal;            /* the rate before it was last decreased, or the
                                next guess */
    unsigned refusals;        /* in a row */
    int64_t cost_ns;          /* of a documented shard: what was sent last */
    struct monotonic ready;   /* no sending before */
    struct monotonic grown;   /* when the rate grew last */
    struct monotonic refused; /* the last time */
};

/* No limit. */
void limiter_init(struct limiter *limiter);

/* When the next records may be sent: may be past. */
static inline struct monotonic limiter_ready(const struct limiter *limiter)
{
    return limiter->ready;
}

/* True while the rate is limited. */
static inline bool limiter_is_on(const struct limiter *limiter)
{
    return limiter->rate > 0;
}

/* Kinesis records of `bytes` in all leave for the shard now. */
void limiter_on_sent(struct limiter *limiter, size_t bytes, size_t record_count,
                     struct monotonic now);

/* They were stored; or the shard refused them for coming too fast. */
void limiter_on_accepted(struct limiter *limiter, struct monotonic now);
void limiter_on_refused(struct limiter *limiter, struct monotonic now,
                        struct random *random);
