/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/limiter.h"

#include "egress/kinesis_limits.h"

/* What may be sent at once after a rest. */
#define BURST_NS (200 * NS_PER_MS)

/* Forget the limit after so long without a refusal. */
#define MEMORY_NS (10 * NS_PER_SECOND)

/*
 * The first pause is short: the bucket of the shard only has to refill for what
 * was refused. Further ones keep two attempts in any second, the first two included: a full
 * second once, then between half a second and one.
 */
#define PAUSE_SECOND_NS (1 * NS_PER_SECOND)
#define PAUSE_LEAST_NS  (500 * NS_PER_MS)

/* Refusals in a row from which on it is not the rate that is refused. */
#define REFUSALS_OF_EVERYTHING 3

void limiter_init(struct limiter *limiter)
{
    *limiter = (struct limiter){ 0 };
}

static struct monotonic later(struct monotonic a, struct monotonic b)
{
    return a.ns > b.ns ? a : b;
}

/* Time that the records take of a shard as it is documented. */
static int64_t cost_ns(size_t bytes, size_t record_count)
{
    double of_bytes = (double)bytes / KINESIS_SHARD_BYTES_PER_SECOND;
    double of_records = (double)record_count / KINESIS_SHARD_RECORDS_PER_SECOND;

    return (int64_t)((of_bytes > of_records ? of_bytes : of_records) *
                     (double)NS_PER_SECOND);
}

/* How long what was sent last takes at the present rate. */
static int64_t time_of_cost(const struct limiter *limiter)
{
    return limiter->cost_ns / limiter->rate * LIMITER_RATE_DOCUMENTED;
}

void limiter_on_sent(struct limiter *limiter, size_t bytes, size_t record_count,
                     struct monotonic now)
{
    struct monotonic rested = { .ns = now.ns - BURST_NS };

    limiter->cost_ns = cost_ns(bytes, record_count);
    if (limiter->rate > 0)
        limiter->ready = monotonic_after(later(limiter->ready, rested),
                                         time_of_cost(limiter));
}

/* `share` per second of `base`, for the time since the last growth. */
static uint32_t growth(struct limiter *limiter, uint32_t base, double share,
                       struct monotonic now)
{
    int64_t ns = monotonic_between(limiter->grown, now);

    /* Time in which nothing was sent says nothing. */
    if (ns > NS_PER_SECOND)
        ns = NS_PER_SECOND;
    return (uint32_t)(base * share * (double)ns / (double)NS_PER_SECOND);
}

static void grow(struct limiter *limiter, struct monotonic now)
{
    uint32_t more;

    if (monotonic_between(limiter->refused, now) >= MEMORY_NS) {
        /* The next guess, should it be refused again, is what went well. */
        limiter->goal = limiter->rate;
        limiter->rate = 0;
        return;
    }
    if (limiter->rate < limiter->goal) {
        more = growth(limiter, limiter->goal, 0.2, now);
        if (more > limiter->goal - limiter->rate)
            more = limiter->goal - limiter->rate;
    } else {
        more = growth(limiter, limiter->rate, 0.05, now);
    }
    if (more == 0)
        return; /* too soon to be seen */
    limiter->rate += more;
    limiter->grown = now;
}

void limiter_on_accepted(struct limiter *limiter, struct monotonic now)
{
    if (limiter->rate == 0)
        return;
    if (limiter->refusals >= REFUSALS_OF_EVERYTHING) {
        limiter->rate = limiter->goal;
        limiter->grown = now;
    } else {
        grow(limiter, now);
    }
    limiter->refusals = 0;
}

static void decrease(struct limiter *limiter, struct monotonic now)
{
    if (limiter->rate > 0)
        limiter->goal = limiter->rate;
    else if (limiter->goal < LIMITER_RATE_DOCUMENTED)
        limiter->goal = LIMITER_RATE_DOCUMENTED;
    limiter->rate = limiter->goal - limiter->goal / 5;
    if (limiter->rate < LIMITER_RATE_LEAST)
        limiter->rate = LIMITER_RATE_LEAST;
    limiter->grown = now;
}

void limiter_on_refused(struct limiter *limiter, struct monotonic now,
                        struct random *random)
{
    int64_t pause_ns;

    if (limiter->refusals == 0) {
        decrease(limiter, now);
        pause_ns = time_of_cost(limiter);
        pause_ns += random_jitter(random, pause_ns);
        if (pause_ns > PAUSE_SECOND_NS)
            pause_ns = PAUSE_SECOND_NS;
    } else if (limiter->refusals == 1) {
        pause_ns = PAUSE_SECOND_NS;
    } else {
        pause_ns = PAUSE_LEAST_NS +
                   random_jitter(random, PAUSE_SECOND_NS - PAUSE_LEAST_NS);
    }
    if (limiter->refusals < REFUSALS_OF_EVERYTHING)
        limiter->refusals++;
    limiter->refused = now;
    limiter->ready = later(limiter->ready, monotonic_after(now, pause_ns));
}
