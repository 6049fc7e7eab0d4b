/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "common/bytes.h"

START_TEST(number_is_digits_only)
{
    uint64_t value = 7;

    ck_assert(bytes_parse_u64(bytes_of_text("18446744073709551615"), &value));
    ck_assert_uint_eq(value, UINT64_MAX);
    ck_assert(!bytes_parse_u64(bytes_of_text("18446744073709551616"), &value));
    ck_assert(!bytes_parse_u64(bytes_of_text(""), &value));
    ck_assert(!bytes_parse_u64(bytes_of_text("-1"), &value));
    ck_assert(!bytes_parse_u64(bytes_of_text("1 "), &value));
    ck_assert_uint_eq(value, UINT64_MAX);
}
END_TEST

START_TEST(writer_that_overran_writes_nothing_more)
{
    uint8_t memory[4] = { 9, 9, 9, 9 };
    struct bytes_writer writer = bytes_writer_on(memory, 3);

    bytes_put_text(&writer, "ab");
    bytes_put_text(&writer, "cd");
    bytes_put_byte(&writer, 'e');

    ck_assert(writer.overrun);
    ck_assert(bytes_equal_text(bytes_written(&writer), "ab"));
    ck_assert_uint_eq(memory[3], 9);
}
END_TEST

START_TEST(decimal_and_hexadecimal_are_written_in_full)
{
    uint8_t memory[64];
    struct bytes_writer writer = bytes_writer_on(memory, sizeof(memory));

    bytes_put_decimal(&writer, 0);
    bytes_put_byte(&writer, ' ');
    bytes_put_decimal(&writer, UINT64_MAX);
    bytes_put_byte(&writer, ' ');
    bytes_put_hex(&writer, bytes_of("\x00\xfe\x0a", 3));

    ck_assert(bytes_equal_text(bytes_written(&writer),
                               "0 18446744073709551615 00fe0a"));
}
END_TEST

START_TEST(utf8_refuses_overlong_surrogates_and_cut_sequences)
{
    ck_assert(bytes_are_utf8(bytes_of_text("")));
    ck_assert(
        bytes_are_utf8(bytes_of_text("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")));
    ck_assert(!bytes_are_utf8(bytes_of_text("\xc0\x80")));
    ck_assert(!bytes_are_utf8(bytes_of_text("\xed\xa0\x80")));
    ck_assert(!bytes_are_utf8(bytes_of_text("\xe2\x82")));
    ck_assert(!bytes_are_utf8(bytes_of_text("\xf4\x90\x80\x80")));
    ck_assert(!bytes_are_utf8(bytes_of_text("\xff")));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bytes");
    TCase *numbers = tcase_create("numbers and text");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(numbers, number_is_digits_only);
    tcase_add_test(numbers, writer_that_overran_writes_nothing_more);
    tcase_add_test(numbers, decimal_and_hexadecimal_are_written_in_full);
    tcase_add_test(numbers, utf8_refuses_overlong_surrogates_and_cut_sequences);
    suite_add_tcase(suite, numbers);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
