/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "egress/retrier.h"

static const struct monotonic start = { .ns = 1000 * NS_PER_SECOND };
static struct retrier retrier;
static struct random jitter;

static void setup(void)
{
    random_seed(&jitter, 7);
    retrier_init(&retrier);
}

/* Learn of an action and return the pause that follows. */
static int64_t pause_after(enum outcome_action action)
{
    struct outcome outcome = { .action = action };

    retrier_on_outcome(&retrier, &outcome, start, &jitter);
    return monotonic_between(start, retrier_due(&retrier));
}

START_TEST(fresh_retrier_is_due)
{
    ck_assert(monotonic_reached(retrier_due(&retrier), start));
}
END_TEST

/* The longest of many n-th pauses, for n < count. */
static void longest_pauses(enum outcome_action action, int64_t *longest,
                           size_t count)
{
    for (size_t round = 0; round < 2000; round++) {
        retrier_init(&retrier);
        for (size_t n = 0; n < count; n++) {
            int64_t pause = pause_after(action);

            ck_assert_int_ge(pause, 0);
            if (pause > longest[n])
                longest[n] = pause;
        }
    }
}

static void assert_doubles(enum outcome_action action, int64_t first_ns,
                           int64_t most_ns)
{
    int64_t longest[20] = { 0 };

    longest_pauses(action, longest, ARRAY_LENGTH(longest));
    for (size_t n = 0; n < ARRAY_LENGTH(longest); n++) {
        int64_t bound = first_ns << n < most_ns ? first_ns << n : most_ns;

        /* Of 2000 even draws the longest is in the upper hundredth. */
        ck_assert_int_le(longest[n], bound);
        ck_assert_int_gt(longest[n], bound - bound / 100);
    }
}

START_TEST(pauses_double_up_to_their_limit)
{
    assert_doubles(OUTCOME_BACK_OFF, 50 * NS_PER_MS, 5 * NS_PER_SECOND);
    assert_doubles(OUTCOME_RETRY, 100 * NS_PER_MS, 30 * NS_PER_SECOND);
    assert_doubles(OUTCOME_PAUSE_ALL, NS_PER_SECOND, 60 * NS_PER_SECOND);
}
END_TEST

START_TEST(jitter_is_full)
{
    int64_t sum = 0;
    int64_t shortest = INT64_MAX;

    for (int i = 0; i < 20; i++)
        (void)pause_after(OUTCOME_BACK_OFF);
    for (int i = 0; i < 2000; i++) {
        int64_t pause = pause_after(OUTCOME_BACK_OFF);

        sum += pause;
        if (pause < shortest)
            shortest = pause;
    }
    ck_assert_int_lt(shortest, 50 * NS_PER_MS);
    ck_assert_int_gt(sum / 2000, 2400 * NS_PER_MS);
    ck_assert_int_lt(sum / 2000, 2600 * NS_PER_MS);
}
END_TEST

START_TEST(thousands_of_failures_never_overflow_and_never_give_up)
{
    for (int i = 0; i < 100000; i++) {
        ck_assert_int_le(pause_after(OUTCOME_RETRY), 30 * NS_PER_SECOND);
        ck_assert_int_ge(pause_after(OUTCOME_PAUSE_ALL), 0);
    }
}
END_TEST

START_TEST(success_forgets_everything)
{
    for (int i = 0; i < 20; i++) {
        (void)pause_after(OUTCOME_RETRY);
        (void)pause_after(OUTCOME_BACK_OFF);
        (void)pause_after(OUTCOME_FIX_CLOCK);
    }

    ck_assert_int_eq(pause_after(OUTCOME_ACCEPT), 0);

    ck_assert_int_eq(pause_after(OUTCOME_FIX_CLOCK), 0);
    for (int i = 0; i < 50; i++) {
        (void)pause_after(OUTCOME_ACCEPT);
        ck_assert_int_le(pause_after(OUTCOME_BACK_OFF), 50 * NS_PER_MS);
        ck_assert_int_le(pause_after(OUTCOME_RETRY), 100 * NS_PER_MS);
    }
}
END_TEST

START_TEST(throttling_does_not_lengthen_the_pause_of_a_failure)
{
    for (int i = 0; i < 20; i++)
        (void)pause_after(OUTCOME_BACK_OFF);

    ck_assert_int_le(pause_after(OUTCOME_RETRY), 100 * NS_PER_MS);
}
END_TEST

START_TEST(remedy_is_tried_once_at_once)
{
    static const enum outcome_action remedies[] = {
        OUTCOME_REFRESH_CREDENTIALS,
        OUTCOME_FIX_CLOCK,
        OUTCOME_SWITCH_PROTOCOL,
        OUTCOME_RELOAD_SHARDS,
    };

    for (size_t i = 0; i < ARRAY_LENGTH(remedies); i++)
        ck_assert_int_eq(pause_after(remedies[i]), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(remedies); i++)
        ck_assert_int_gt(pause_after(remedies[i]), 0);
}
END_TEST

START_TEST(halves_are_sent_at_once_however_often)
{
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(pause_after(OUTCOME_HALVE), 0);
        ck_assert_int_eq(pause_after(OUTCOME_ISOLATE), 0);
    }
}
END_TEST

START_TEST(same_seed_makes_the_same_pauses)
{
    struct retrier again;
    struct random same;
    struct outcome outcome = { .action = OUTCOME_RETRY };

    random_seed(&same, 7);
    retrier_init(&again);
    for (int i = 0; i < 30; i++) {
        (void)pause_after(OUTCOME_RETRY);
        retrier_on_outcome(&again, &outcome, start, &same);
        ck_assert_int_eq(retrier_due(&again).ns, retrier_due(&retrier).ns);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("retrier");
    TCase *pauses = tcase_create("pauses");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(pauses, setup, NULL);
    tcase_add_test(pauses, fresh_retrier_is_due);
    tcase_add_test(pauses, pauses_double_up_to_their_limit);
    tcase_add_test(pauses, jitter_is_full);
    tcase_add_test(pauses,
                   thousands_of_failures_never_overflow_and_never_give_up);
    tcase_add_test(pauses, success_forgets_everything);
    tcase_add_test(pauses, throttling_does_not_lengthen_the_pause_of_a_failure);
    tcase_add_test(pauses, remedy_is_tried_once_at_once);
    tcase_add_test(pauses, halves_are_sent_at_once_however_often);
    tcase_add_test(pauses, same_seed_makes_the_same_pauses);
    suite_add_tcase(suite, pauses);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
