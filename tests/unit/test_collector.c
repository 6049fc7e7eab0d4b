/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "egress/collector.h"
#include "egress/request_times.h"

static const struct monotonic now = { .ns = 1000 * NS_PER_MS };
static const struct collector_limits limits = {
    .linger_ns = 10 * NS_PER_MS,
    .queue_size = 1000,
    .request_size = 3000,
};

static struct monotonic ms_before(int64_t ms)
{
    return monotonic_after(now, -ms * NS_PER_MS);
}

START_TEST(nothing_is_sent_when_nothing_waits)
{
    struct collector collector = COLLECTOR_EMPTY;

    collector_add(&collector, MONOTONIC_NEVER, 0, now);

    ck_assert_int_eq(collector_send_at(&collector, &limits, 0, now).ns,
                     MONOTONIC_NEVER.ns);
}
END_TEST

START_TEST(idle_line_sends_at_once)
{
    struct collector collector = COLLECTOR_EMPTY;

    collector_add(&collector, now, 1, now);

    ck_assert_int_le(collector_send_at(&collector, &limits, 0, now).ns, now.ns);
}
END_TEST

START_TEST(busy_line_gathers_until_linger_has_passed)
{
    struct collector collector = COLLECTOR_EMPTY;

    collector_add(&collector, ms_before(2), 10, now);
    collector_add(&collector, ms_before(4), 10, now);

    ck_assert_int_eq(collector_send_at(&collector, &limits, 1, now).ns,
                     monotonic_after(now, 6 * NS_PER_MS).ns);
}
END_TEST

START_TEST(full_queue_or_full_request_does_not_linger)
{
    struct collector one = COLLECTOR_EMPTY;
    struct collector many = COLLECTOR_EMPTY;

    collector_add(&one, now, 1000, now);
    for (int i = 0; i < 5; i++)
        collector_add(&many, now, 600, now);

    ck_assert_int_le(collector_send_at(&one, &limits, 1, now).ns, now.ns);
    ck_assert_int_le(collector_send_at(&many, &limits, 1, now).ns, now.ns);
}
END_TEST

START_TEST(queue_that_backs_off_waits_for_its_time)
{
    struct collector collector = COLLECTOR_EMPTY;
    struct monotonic due = monotonic_after(now, 70 * NS_PER_MS);

    collector_add(&collector, due, 5000, now);

    ck_assert_uint_eq(collector.ready_count, 0);
    ck_assert_int_eq(collector_send_at(&collector, &limits, 0, now).ns, due.ns);
}
END_TEST

START_TEST(percentiles_are_at_most_a_sixteenth_above)
{
    struct request_times times;

    request_times_init(&times, 1000);
    for (int64_t i = 1; i <= 100; i++)
        ck_assert_int_eq(request_times_add(&times, i * NS_PER_MS, 10),
                         i == 100);

    for (unsigned percent = 1; percent <= 100; percent++) {
        int64_t exact = percent * NS_PER_MS;
        int64_t found = request_times_percentile(&times, percent * 10);

        ck_assert_int_ge(found, exact);
        ck_assert_int_le(found, exact + exact / 16);
    }
    request_times_restart(&times);
    ck_assert_int_eq(request_times_percentile(&times, 500), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("collector");
    TCase *sending = tcase_create("sending");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(sending, nothing_is_sent_when_nothing_waits);
    tcase_add_test(sending, idle_line_sends_at_once);
    tcase_add_test(sending, busy_line_gathers_until_linger_has_passed);
    tcase_add_test(sending, full_queue_or_full_request_does_not_linger);
    tcase_add_test(sending, queue_that_backs_off_waits_for_its_time);
    tcase_add_test(sending, percentiles_are_at_most_a_sixteenth_above);
    suite_add_tcase(suite, sending);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
