/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "tools/supervisor/drift.h"

#define SETTLE_NS (10 * NS_PER_SECOND)
#define BEGIN     ((struct monotonic){ .ns = NS_PER_SECOND })

static struct drift drift;

static void set_up(void)
{
    drift_init(&drift, SETTLE_NS);
}

static struct monotonic after(int64_t seconds)
{
    return monotonic_after(BEGIN, seconds * NS_PER_SECOND);
}

START_TEST(shards_that_moved_are_due_when_they_have_settled)
{
    ck_assert(!drift_is_due(&drift, after(3600)));
    drift_note(&drift, 7, BEGIN);

    ck_assert(!drift_is_due(&drift, after(9)));
    ck_assert(drift_is_due(&drift, after(10)));
}
END_TEST

START_TEST(each_further_move_begins_the_wait_anew)
{
    drift_note(&drift, 7, BEGIN);
    drift_note(&drift, 8, after(9));

    ck_assert(!drift_is_due(&drift, after(18)));
    ck_assert(drift_is_due(&drift, after(19)));
}
END_TEST

START_TEST(second_worker_that_learns_the_same_is_no_news)
{
    drift_note(&drift, 7, BEGIN);
    drift_note(&drift, 7, after(9));

    ck_assert(drift_is_due(&drift, after(10)));
}
END_TEST

START_TEST(shards_that_are_as_they_were_are_due_no_more)
{
    drift_note(&drift, 7, BEGIN);
    drift_note(&drift, 0, after(5));

    ck_assert(!drift_is_due(&drift, after(3600)));
}
END_TEST

START_TEST(try_in_vain_is_followed_by_a_wait_that_doubles_up_to_an_hour)
{
    struct monotonic now = BEGIN;
    int64_t expected = SETTLE_NS;

    drift_note(&drift, 7, BEGIN);
    for (int i = 0; i < 80; i++) {
        drift_begin(&drift, now);
        expected = expected >= DRIFT_LONGEST_WAIT_NS ? expected : 2 * expected;
        ck_assert_int_ge(expected, monotonic_between(now, drift.due));
        ck_assert_int_ge(monotonic_between(now, drift.due),
                         i < 8 ? expected : DRIFT_LONGEST_WAIT_NS);
        ck_assert_int_le(monotonic_between(now, drift.due),
                         2 * DRIFT_LONGEST_WAIT_NS);
        now = drift.due;
    }
}
END_TEST

START_TEST(wait_begins_when_the_try_has_come_to_nothing)
{
    drift_note(&drift, 7, BEGIN);
    drift_begin(&drift, after(10));
    drift_fail(&drift, after(40));
    ck_assert(!drift_is_due(&drift, after(59)));
    ck_assert(drift_is_due(&drift, after(60)));

    drift_begin(&drift, after(60));
    drift_note(&drift, 0, after(61)); /* taken back meanwhile */
    drift_fail(&drift, after(62));
    ck_assert(!drift_is_due(&drift, after(3600)));
}
END_TEST

START_TEST(other_shards_after_a_try_in_vain_wait_as_the_first_did)
{
    drift_note(&drift, 7, BEGIN);
    drift_begin(&drift, after(10));
    drift_note(&drift, 8, after(11));

    ck_assert(drift_is_due(&drift, after(21)));
}
END_TEST

START_TEST(new_queues_end_it_until_the_shards_move_again)
{
    drift_note(&drift, 7, BEGIN);
    drift_begin(&drift, after(10));
    drift_end(&drift);
    ck_assert(!drift_is_due(&drift, after(3600)));

    drift_note(&drift, 8, after(20));
    ck_assert(drift_is_due(&drift, after(30)));
}
END_TEST

START_TEST(try_that_ends_with_the_same_queues_was_in_vain)
{
    drift_note(&drift, 7, BEGIN);
    drift_begin(&drift, after(10));
    drift_end(&drift);
    drift_note(&drift, 7, after(11));
    ck_assert(!drift_is_due(&drift, after(30)));
    ck_assert(drift_is_due(&drift, after(31)));

    drift_begin(&drift, after(31));
    drift_end(&drift);
    drift_note(&drift, 7, after(40));
    ck_assert(!drift_is_due(&drift, after(79)));
    ck_assert(drift_is_due(&drift, after(80)));

    drift_note(&drift, 8, after(80)); /* others */
    ck_assert(drift_is_due(&drift, after(90)));
}
END_TEST

START_TEST(settle_time_of_zero_is_never)
{
    drift_init(&drift, 0);
    drift_note(&drift, 7, BEGIN);

    ck_assert(!drift_is_due(&drift, after(86400)));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("drift");
    TCase *drifting = tcase_create("drifting");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(drifting, set_up, NULL);
    tcase_add_test(drifting, shards_that_moved_are_due_when_they_have_settled);
    tcase_add_test(drifting, each_further_move_begins_the_wait_anew);
    tcase_add_test(drifting, second_worker_that_learns_the_same_is_no_news);
    tcase_add_test(drifting, shards_that_are_as_they_were_are_due_no_more);
    tcase_add_test(
        drifting, try_in_vain_is_followed_by_a_wait_that_doubles_up_to_an_hour);
    tcase_add_test(drifting, wait_begins_when_the_try_has_come_to_nothing);
    tcase_add_test(drifting,
                   other_shards_after_a_try_in_vain_wait_as_the_first_did);
    tcase_add_test(drifting, new_queues_end_it_until_the_shards_move_again);
    tcase_add_test(drifting, try_that_ends_with_the_same_queues_was_in_vain);
    tcase_add_test(drifting, settle_time_of_zero_is_never);
    suite_add_tcase(suite, drifting);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
