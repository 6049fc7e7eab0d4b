/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/option_values.h"

static uint64_t size_of(const char *text)
{
    uint64_t value = 12345;

    ck_assert_msg(option_size_parse(bytes_of_text(text), &value) == 0, "%s",
                  text);
    return value;
}

static int64_t duration_of(const char *text)
{
    int64_t ns = 12345;

    ck_assert_msg(option_duration_parse(bytes_of_text(text), &ns) == 0, "%s",
                  text);
    return ns;
}

START_TEST(sizes_are_bytes_with_binary_suffixes)
{
    ck_assert_uint_eq(size_of("0"), 0);
    ck_assert_uint_eq(size_of("65536"), 65536);
    ck_assert_uint_eq(size_of("65536B"), 65536);
    ck_assert_uint_eq(size_of("64KiB"), 65536);
    ck_assert_uint_eq(size_of("4MiB"), 4 << 20);
    ck_assert_uint_eq(size_of("1GiB"), 1 << 30);
}
END_TEST

START_TEST(what_is_no_size_is_refused)
{
    static const char *const wrong[] = { "",       "4 potatoes", "4 MiB",
                                         "MiB",    "-1",         "4MB",
                                         "4mib",   "1.5MiB",     "0x10",
                                         "4MiBMiB" };
    uint64_t value = 7;

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        ck_assert_msg(option_size_parse(bytes_of_text(wrong[i]), &value) ==
                          OPTION_VALUE_MALFORMED,
                      "%s", wrong[i]);
    ck_assert_int_eq(
        option_size_parse(bytes_of_text("18446744073709551616"), &value),
        OPTION_VALUE_TOO_LARGE);
    ck_assert_int_eq(option_size_parse(bytes_of_text("17179869184GiB"), &value),
                     OPTION_VALUE_TOO_LARGE);
    ck_assert_uint_eq(value, 7);
}
END_TEST

START_TEST(durations_are_those_of_go)
{
    ck_assert_int_eq(duration_of("250ms"), 250 * NS_PER_MS);
    ck_assert_int_eq(duration_of("1m30s"), 90 * NS_PER_SECOND);
    ck_assert_int_eq(duration_of("1.5h"), 5400 * NS_PER_SECOND);
    ck_assert_int_eq(duration_of(".5s"), 500 * NS_PER_MS);
    ck_assert_int_eq(duration_of("1.s"), NS_PER_SECOND);
    ck_assert_int_eq(duration_of("0"), 0);
    ck_assert_int_eq(duration_of("2us3ns"), 2003);
    ck_assert_int_eq(duration_of("2\xc2\xb5s"), 2000);
    ck_assert_int_eq(duration_of("2\xce\xbcs"), 2000);
    ck_assert_int_eq(duration_of("1h1m1s1ms1us1ns"), 3661001001001);
    ck_assert_int_eq(duration_of("0.3333333333333333333h"),
                     INT64_C(1199999998800));
    ck_assert_int_eq(duration_of("9223372036854775807ns"), INT64_MAX);
}
END_TEST

START_TEST(bare_number_is_milliseconds)
{
    ck_assert_int_eq(duration_of("250"), 250 * NS_PER_MS);
}
END_TEST

START_TEST(what_is_no_duration_is_refused)
{
    static const char *const wrong[] = { "",    "s",   "1x",   "1m30", "1,5s",
                                         "-1s", "1 s", "1.5",  ".s",   "soon",
                                         ".",   "1ss", "1\xc2" };
    int64_t ns = 7;

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        ck_assert_msg(option_duration_parse(bytes_of_text(wrong[i]), &ns) ==
                          OPTION_VALUE_MALFORMED,
                      "%s", wrong[i]);
    ck_assert_int_eq(
        option_duration_parse(bytes_of_text("9223372036854775808ns"), &ns),
        OPTION_VALUE_TOO_LARGE);
    ck_assert_int_eq(option_duration_parse(bytes_of_text("2562048h"), &ns),
                     OPTION_VALUE_TOO_LARGE);
    ck_assert_int_eq(
        option_duration_parse(bytes_of_text("99999999999999999999s"), &ns),
        OPTION_VALUE_TOO_LARGE);
    ck_assert_int_eq(ns, 7);
}
END_TEST

START_TEST(shares_go_from_nought_to_one)
{
    uint64_t millionths = 7;

    ck_assert_int_eq(option_ratio_parse(bytes_of_text("0.3"), &millionths), 0);
    ck_assert_uint_eq(millionths, 300000);
    ck_assert_int_eq(option_ratio_parse(bytes_of_text("1.0"), &millionths), 0);
    ck_assert_uint_eq(millionths, 1000000);
    ck_assert_int_eq(option_ratio_parse(bytes_of_text("1.01"), &millionths),
                     OPTION_VALUE_TOO_LARGE);
    ck_assert_int_eq(option_ratio_parse(bytes_of_text("0.3x"), &millionths),
                     OPTION_VALUE_MALFORMED);
    ck_assert_int_eq(option_ratio_parse(bytes_of_text(""), &millionths),
                     OPTION_VALUE_MALFORMED);
}
END_TEST

START_TEST(what_is_formatted_is_parsed_to_the_same)
{
    uint64_t value = 1;
    char text[40];

    option_size_format(4 << 20, text, sizeof(text));
    ck_assert_str_eq(text, "4MiB");
    option_duration_format(90 * NS_PER_SECOND, text, sizeof(text));
    ck_assert_str_eq(text, "90s");
    for (int i = 0; i < 200; i++) {
        value = value * 6364136223846793005U + 1442695040888963407U;
        option_size_format(value >> (i % 60), text, sizeof(text));
        ck_assert_uint_eq(size_of(text), value >> (i % 60));
        option_duration_format((int64_t)(value >> (1 + i % 60)), text,
                               sizeof(text));
        ck_assert_int_eq(duration_of(text), (int64_t)(value >> (1 + i % 60)));
    }
    option_duration_format(0, text, sizeof(text));
    ck_assert_int_eq(duration_of(text), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("option_values");
    TCase *values = tcase_create("values");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(values, sizes_are_bytes_with_binary_suffixes);
    tcase_add_test(values, what_is_no_size_is_refused);
    tcase_add_test(values, durations_are_those_of_go);
    tcase_add_test(values, bare_number_is_milliseconds);
    tcase_add_test(values, what_is_no_duration_is_refused);
    tcase_add_test(values, shares_go_from_nought_to_one);
    tcase_add_test(values, what_is_formatted_is_parsed_to_the_same);
    suite_add_tcase(suite, values);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
