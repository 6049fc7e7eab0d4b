/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A queue, a limiter and a shard in virtual time: how often a shard that
 * refuses is asked (K1), and how soon it gets the full rate again.
 */

#include <check.h>
#include <stdlib.h>

#include "egress/kinesis_limits.h"
#include "egress/limiter.h"

#define BATCH_BYTES   ((size_t)50 * 1024)
#define ROUND_TRIP_NS (15 * NS_PER_MS)
#define ATTEMPTS_MOST 10000

/* A shard as Kinesis documents it, but for `share` and `is_closed`. */
struct shard {
    double share;   /* of the documented rate */
    bool is_closed; /* refuses everything */
    double tokens;  /* seconds of the shard, at most 1 */
    struct monotonic filled;
};

static struct limiter limiter;
static struct random randomness;
static struct shard shard;
static struct monotonic now;
static struct monotonic attempts[ATTEMPTS_MOST];
static size_t attempt_count;
static uint64_t stored_bytes;

static void set_up(void)
{
    random_seed(&randomness, 11);
    limiter_init(&limiter);
    now = (struct monotonic){ .ns = 1000 * NS_PER_SECOND };
    shard = (struct shard){ .share = 1, .tokens = 1, .filled = now };
    attempt_count = 0;
    stored_bytes = 0;
}

static bool shard_takes(size_t bytes)
{
    double cost = (double)bytes / KINESIS_SHARD_BYTES_PER_SECOND;

    shard.tokens += shard.share * (double)(now.ns - shard.filled.ns) /
                    (double)NS_PER_SECOND;
    if (shard.tokens > 1)
        shard.tokens = 1;
    shard.filled = now;
    if (shard.is_closed || shard.tokens < cost)
        return false;
    shard.tokens -= cost;
    return true;
}

/* One aggregate after the other for so long, as a full queue has them. */
static void send_for(int64_t ns)
{
    struct monotonic end = monotonic_after(now, ns);

    for (;;) {
        if (!monotonic_reached(limiter_ready(&limiter), now))
            now = limiter_ready(&limiter);
        if (monotonic_reached(end, now))
            break;
        ck_assert_uint_lt(attempt_count, ATTEMPTS_MOST);
        attempts[attempt_count++] = now;
        limiter_on_sent(&limiter, BATCH_BYTES, 1, now);
        now = monotonic_after(now, ROUND_TRIP_NS);
        if (shard_takes(BATCH_BYTES)) {
            limiter_on_accepted(&limiter, now);
            stored_bytes += BATCH_BYTES;
        } else {
            limiter_on_refused(&limiter, now, &randomness);
        }
    }
    now = end;
}

/* The most attempts of any second that begins with an attempt. */
static size_t most_in_a_second(void)
{
    size_t most = 0;

    for (size_t first = 0, end = 0; first < attempt_count; first++) {
        while (end < attempt_count &&
               attempts[end].ns < attempts[first].ns + NS_PER_SECOND)
            end++;
        if (end - first > most)
            most = end - first;
    }
    return most;
}

START_TEST(queue_that_was_never_refused_is_not_limited)
{
    shard.share = 100;

    send_for(5 * NS_PER_SECOND);

    ck_assert_uint_eq(attempt_count,
                      (5 * NS_PER_SECOND + ROUND_TRIP_NS - 1) / ROUND_TRIP_NS);
}
END_TEST

START_TEST(shard_that_refuses_everything_is_asked_twice_a_second_at_most)
{
    shard.is_closed = true;

    send_for(60 * NS_PER_SECOND);

    ck_assert_uint_le(most_in_a_second(), 2);
    /* And yet it is asked. */
    ck_assert_uint_ge(attempt_count, 60);
}
END_TEST

/* `_i` seconds of refusals, each another moment between two probes. */
START_TEST(healed_shard_gets_the_full_rate_within_two_seconds)
{
    uint64_t full;

    send_for(20 * NS_PER_SECOND);
    stored_bytes = 0;
    send_for(10 * NS_PER_SECOND);
    full = stored_bytes / 10;
    shard.is_closed = true;
    send_for(30 * NS_PER_SECOND + _i * 97 * NS_PER_MS);
    shard.is_closed = false;
    send_for(2 * NS_PER_SECOND);
    stored_bytes = 0;
    send_for(1 * NS_PER_SECOND);

    ck_assert_uint_ge(stored_bytes * 10, full * 9);
}
END_TEST

START_TEST(most_of_what_the_shard_takes_is_used_and_little_is_refused)
{
    static const double shares[] = { 0.05, 0.3, 1, 2 };

    shard.share = shares[_i];
    send_for(20 * NS_PER_SECOND);
    stored_bytes = 0;
    attempt_count = 0;
    send_for(60 * NS_PER_SECOND);

    ck_assert_double_ge((double)stored_bytes,
                        0.8 * 60 * shares[_i] * KINESIS_SHARD_BYTES_PER_SECOND);
    /* Of two attempts a second at the slowest, up to one is refused. */
    ck_assert_uint_le(attempt_count - stored_bytes / BATCH_BYTES, 90);
}
END_TEST

START_TEST(limit_is_forgotten_when_the_shard_takes_more_again)
{
    shard.is_closed = true;
    send_for(1 * NS_PER_SECOND);
    shard.is_closed = false;
    shard.share = 100;
    send_for(12 * NS_PER_SECOND);
    attempt_count = 0;

    send_for(1 * NS_PER_SECOND);

    ck_assert_uint_ge(attempt_count, NS_PER_SECOND / ROUND_TRIP_NS);
}
END_TEST

START_TEST(small_records_are_counted_large_ones_are_weighed)
{
    limiter_on_refused(&limiter, now, &randomness);
    limiter_on_accepted(&limiter, now);
    now = monotonic_after(now, NS_PER_SECOND);
    limiter.rate = LIMITER_RATE_DOCUMENTED;
    limiter.ready = now;

    limiter_on_sent(&limiter, 100, 500, now);
    ck_assert_int_eq(monotonic_between(now, limiter_ready(&limiter)),
                     NS_PER_SECOND / 2);
    limiter_on_sent(&limiter, KINESIS_SHARD_BYTES_PER_SECOND / 4, 1, now);
    ck_assert_int_eq(monotonic_between(now, limiter_ready(&limiter)),
                     NS_PER_SECOND / 4 * 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("limiter");
    TCase *rates = tcase_create("rates");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(rates, set_up, NULL);
    tcase_add_test(rates, queue_that_was_never_refused_is_not_limited);
    tcase_add_test(
        rates, shard_that_refuses_everything_is_asked_twice_a_second_at_most);
    tcase_add_loop_test(
        rates, healed_shard_gets_the_full_rate_within_two_seconds, 0, 20);
    tcase_add_loop_test(
        rates, most_of_what_the_shard_takes_is_used_and_little_is_refused, 0,
        4);
    tcase_add_test(rates, limit_is_forgotten_when_the_shard_takes_more_again);
    tcase_add_test(rates, small_records_are_counted_large_ones_are_weighed);
    suite_add_tcase(suite, rates);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
