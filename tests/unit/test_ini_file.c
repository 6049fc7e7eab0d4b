/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "egress/ini_file.h"

static void check_next(struct ini_reader *reader, const char *section,
                       const char *key, const char *value)
{
    struct ini_entry entry;

    ck_assert_int_eq(ini_next(reader, &entry), 0);
    ck_assert(bytes_equal_text(entry.section, section));
    ck_assert(ini_key_is(&entry, key));
    ck_assert(bytes_equal_text(entry.value, value));
}

static int outcome_of(const char *text, unsigned *line)
{
    struct ini_reader reader = ini_reader_on(bytes_of_text(text));
    struct ini_entry entry;
    int result;

    while ((result = ini_next(&reader, &entry)) == 0)
        continue;
    *line = reader.line;
    return result;
}

START_TEST(entries_come_with_their_section)
{
    struct ini_reader reader = ini_reader_on(
        bytes_of_text("[default]\nregion = eu-west-1\noutput=json\n\n"
                      "[ profile b ]\nregion=us-east-1"));
    struct ini_entry entry;

    check_next(&reader, "default", "region", "eu-west-1");
    check_next(&reader, "default", "output", "json");
    check_next(&reader, "profile b", "region", "us-east-1");
    ck_assert_int_eq(ini_next(&reader, &entry), INI_END);
    ck_assert_int_eq(ini_next(&reader, &entry), INI_END);
}
END_TEST

START_TEST(comments_blank_lines_and_nested_settings_are_passed_over)
{
    struct ini_reader reader = ini_reader_on(
        bytes_of_text("# one\n; two\n\n   \n[a] # three\n"
                      "x = 1 # four\ny = 2#3\nz = # five\n"
                      "s3 =\n  max_queue_size = 1\n\tdeep = 2\nlast = 9 ;\n"));
    struct ini_entry entry;

    check_next(&reader, "a", "x", "1");
    check_next(&reader, "a", "y", "2#3");
    check_next(&reader, "a", "z", "");
    check_next(&reader, "a", "s3", "");
    check_next(&reader, "a", "last", "9");
    ck_assert_int_eq(ini_next(&reader, &entry), INI_END);
}
END_TEST

START_TEST(carriage_returns_byte_order_mark_and_upper_case_keys_are_fine)
{
    struct ini_reader reader =
        ini_reader_on(bytes_of_text("\xef\xbb\xbf[a]\r\nREGION = b=c\r\n\r\n"));
    struct ini_entry entry;

    check_next(&reader, "a", "region", "b=c");
    ck_assert_int_eq(ini_next(&reader, &entry), INI_END);
}
END_TEST

START_TEST(wrong_line_is_named)
{
    unsigned line = 0;

    ck_assert_int_eq(outcome_of("[a]\nx = 1\nnonsense\n", &line), INI_WRONG);
    ck_assert_uint_eq(line, 3);
    ck_assert_int_eq(outcome_of("x = 1\n", &line), INI_WRONG);
    ck_assert_uint_eq(line, 1);
    ck_assert_int_eq(outcome_of("\n[a\n", &line), INI_WRONG);
    ck_assert_uint_eq(line, 2);
    ck_assert_int_eq(outcome_of("[a]\n= 1\n", &line), INI_WRONG);
    ck_assert_int_eq(outcome_of("[]\nx = 1\n", &line), INI_WRONG);
    ck_assert_int_eq(outcome_of("", &line), INI_END);
    ck_assert_int_eq(outcome_of("[a]", &line), INI_END);
}
END_TEST

START_TEST(text_cut_anywhere_is_read_without_overrun)
{
    static const char text[] = "\xef\xbb\xbf[a] # b\r\nkey = value ; c\n x=1\n";

    for (size_t length = 0; length < sizeof(text); length++) {
        /* Exactly so much memory, so that a sanitizer sees a step too far. */
        char *copy = malloc(length ? length : 1);
        struct ini_reader reader;
        struct ini_entry entry;

        ck_assert_ptr_nonnull(copy);
        memcpy(copy, text, length);
        reader = ini_reader_on(bytes_of(copy, length));
        while (ini_next(&reader, &entry) == 0)
            ck_assert(entry.key.length > 0);
        free(copy);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ini_file");
    TCase *lines = tcase_create("lines");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(lines, entries_come_with_their_section);
    tcase_add_test(lines,
                   comments_blank_lines_and_nested_settings_are_passed_over);
    tcase_add_test(
        lines, carriage_returns_byte_order_mark_and_upper_case_keys_are_fine);
    tcase_add_test(lines, wrong_line_is_named);
    tcase_add_test(lines, text_cut_anywhere_is_read_without_overrun);
    suite_add_tcase(suite, lines);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
