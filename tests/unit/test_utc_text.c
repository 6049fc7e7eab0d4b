/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/utc_text.h"

/* Every day from 1970 to 2500, each at another time of the day. */
START_TEST(every_date_is_the_one_of_the_c_library)
{
    for (int64_t day = 0; day < INT64_C(530) * 365; day++) {
        time_t seconds = (time_t)(day * 86400 + day * 7919 % 86400);
        struct wall_time time = { .ns = 0 };
        char expected[UTC_TEXT_SIZE];
        char text[UTC_TEXT_SIZE];
        struct tm parts;
        size_t length;

        if (seconds > INT64_MAX / NS_PER_SECOND)
            break;
        time.ns = seconds * NS_PER_SECOND + day % 1000 * NS_PER_MS;
        ck_assert_ptr_nonnull(gmtime_r(&seconds, &parts));
        length =
            strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S", &parts);
        (void)snprintf(expected + length, sizeof(expected) - length, ".%03dZ",
                       (int)(day % 1000));
        utc_text(time, text);
        ck_assert_str_eq(text, expected);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("utc_text");
    TCase *dates = tcase_create("dates");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(dates, every_date_is_the_one_of_the_c_library);
    suite_add_tcase(suite, dates);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
