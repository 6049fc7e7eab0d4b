/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "tests/support/latency_histogram.h"

START_TEST(small_latencies_are_exact)
{
    struct latency_histogram histogram = { .total = 0 };

    for (uint32_t i = 1; i <= 20; i++)
        latency_histogram_add(&histogram, i);
    ck_assert_uint_eq(latency_histogram_quantile(&histogram, 500), 10);
    ck_assert_uint_eq(latency_histogram_quantile(&histogram, 950), 19);
    ck_assert_uint_eq(latency_histogram_quantile(&histogram, 1000), 20);
}
END_TEST

START_TEST(a_quantile_is_at_most_a_bucket_too_long)
{
    struct latency_histogram histogram = { .total = 0 };

    for (uint32_t i = 1; i <= 1000; i++)
        latency_histogram_add(&histogram, i * 1000);
    for (unsigned per_mille = 1; per_mille <= 1000; per_mille++) {
        uint32_t exact = per_mille * 1000;
        uint32_t found = latency_histogram_quantile(&histogram, per_mille);

        ck_assert_uint_ge(found, exact);
        ck_assert_uint_le(found, exact + exact / 32 + 1);
    }
}
END_TEST

START_TEST(the_longest_is_kept_exactly)
{
    struct latency_histogram histogram = { .total = 0 };

    latency_histogram_add(&histogram, UINT32_MAX);
    latency_histogram_add(&histogram, 1);
    ck_assert_uint_eq(latency_histogram_quantile(&histogram, 500), 1);
    ck_assert_uint_eq(latency_histogram_quantile(&histogram, 1000), UINT32_MAX);
}
END_TEST

START_TEST(nothing_added_is_zero)
{
    struct latency_histogram histogram = { .total = 0 };

    ck_assert_uint_eq(latency_histogram_quantile(&histogram, 990), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("latency_histogram");
    TCase *tcase = tcase_create("latency_histogram");
    SRunner *runner;
    int failed;

    tcase_add_test(tcase, small_latencies_are_exact);
    tcase_add_test(tcase, a_quantile_is_at_most_a_bucket_too_long);
    tcase_add_test(tcase, the_longest_is_kept_exactly);
    tcase_add_test(tcase, nothing_added_is_zero);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
