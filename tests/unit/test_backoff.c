/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "common/clock.h"
#include "ingest/backoff.h"

START_TEST(span_doubles_to_its_bound_and_the_wait_is_in_its_upper_half)
{
    static const int64_t spans[] = { 250, 500, 1000, 2000, 3000, 3000, 3000 };
    struct backoff backoff;
    struct random random;

    random_seed(&random, 1);
    backoff_init(&backoff, 250, 3000);
    for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
        int64_t wait = backoff_next(&backoff, &random);

        ck_assert_int_le(wait, spans[i]);
        ck_assert_int_ge(wait, spans[i] / 2);
    }
}
END_TEST

START_TEST(success_begins_again_with_the_first_span)
{
    struct backoff backoff;
    struct random random;

    random_seed(&random, 2);
    backoff_init(&backoff, NS_PER_SECOND, 60 * NS_PER_SECOND);
    for (int i = 0; i < 10; i++)
        backoff_next(&backoff, &random);
    backoff_reset(&backoff);

    ck_assert_int_le(backoff_next(&backoff, &random), NS_PER_SECOND);
}
END_TEST

START_TEST(waits_are_spread_over_the_half)
{
    struct random random;
    int lower = 0;

    random_seed(&random, 3);
    for (int i = 0; i < 1000; i++) {
        struct backoff backoff;

        backoff_init(&backoff, 1000, 1000);
        lower += backoff_next(&backoff, &random) < 750;
    }
    ck_assert_int_gt(lower, 400);
    ck_assert_int_lt(lower, 600);
}
END_TEST

START_TEST(largest_span_does_not_overflow)
{
    struct backoff backoff;
    struct random random;

    random_seed(&random, 4);
    backoff_init(&backoff, 1, INT64_MAX);
    for (int i = 0; i < 100; i++)
        ck_assert_int_gt(backoff_next(&backoff, &random), 0);
    ck_assert_int_ge(backoff_next(&backoff, &random), INT64_MAX / 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("backoff");
    TCase *waits = tcase_create("waits");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(waits,
                   span_doubles_to_its_bound_and_the_wait_is_in_its_upper_half);
    tcase_add_test(waits, success_begins_again_with_the_first_span);
    tcase_add_test(waits, waits_are_spread_over_the_half);
    tcase_add_test(waits, largest_span_does_not_overflow);
    suite_add_tcase(suite, waits);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
