/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <cjson/cJSON.h>
#include <stdlib.h>

#include "tools/inspector/figures.h"
#include "tools/inspector/json_line.h"
#include "tools/inspector/text_table.h"

static char *text;
static size_t length;
static FILE *file;

static void set_up(void)
{
    file = open_memstream(&text, &length);
    ck_assert_ptr_nonnull(file);
}

static void tear_down(void)
{
    (void)fclose(file);
    free(text);
}

static const char *written(void)
{
    ck_assert_int_eq(fflush(file), 0);
    return text;
}

#define MIB UINT64_C(1048576)

START_TEST(sizes_have_the_largest_unit_that_fits)
{
    ck_assert_str_eq(figure_of_size(0).text, "0 B");
    ck_assert_str_eq(figure_of_size(1023).text, "1023 B");
    ck_assert_str_eq(figure_of_size(1024).text, "1.0 KiB");
    ck_assert_str_eq(figure_of_size(1536).text, "1.5 KiB");
    ck_assert_str_eq(figure_of_size(MIB - 1).text, "1.0 MiB");
    ck_assert_str_eq(figure_of_size(4 * MIB).text, "4.0 MiB");
    ck_assert_str_eq(figure_of_size(4096 * MIB).text, "4.0 GiB");
    ck_assert_str_eq(figure_of_size(UINT64_MAX).text, "16777216.0 TiB");
}
END_TEST

START_TEST(durations_have_two_figures_that_matter)
{
    ck_assert_str_eq(figure_of_duration(INT64_MIN).text, "0 s");
    ck_assert_str_eq(figure_of_duration(0).text, "0 s");
    ck_assert_str_eq(figure_of_duration(999).text, "999 ns");
    ck_assert_str_eq(figure_of_duration(250000).text, "250 us");
    ck_assert_str_eq(figure_of_duration(999999999).text, "999 ms");
    ck_assert_str_eq(figure_of_duration(1550000000).text, "1.5 s");
    ck_assert_str_eq(figure_of_duration(INT64_C(200000000000)).text, "3m 20s");
    ck_assert_str_eq(figure_of_duration(INT64_C(7260000000000)).text, "2h 1m");
    ck_assert_str_eq(figure_of_duration(INT64_MAX).text, "106751d 23h");
}
END_TEST

START_TEST(times_are_of_utc)
{
    ck_assert_str_eq(figure_of_wall_time(0).text, "1970-01-01T00:00:00.000Z");
    ck_assert_str_eq(figure_of_wall_time(INT64_C(1714564800123456789)).text,
                     "2024-05-01T12:00:00.123Z");
    ck_assert_str_eq(figure_of_wall_time(-1).text, "1969-12-31T23:59:59.999Z");
    ck_assert_str_eq(figure_of_wall_time(INT64_MIN).text,
                     "1677-09-21T00:12:43.145Z");
}
END_TEST

START_TEST(shares_of_hash_keys_add_up)
{
    struct hash_key zero = { 0, 0 };
    struct hash_key quarter = { UINT64_MAX / 4, UINT64_MAX };

    ck_assert(hash_range_share(zero, HASH_KEY_MOST) == 1.0);
    ck_assert(hash_range_share(zero, quarter) == 0.25);
    ck_assert(hash_range_share((struct hash_key){ 0, UINT64_MAX },
                               (struct hash_key){ 1, 0 }) == 0x1p-127);
    ck_assert_str_eq(figure_of_share(0.125).text, "12.5%");
    ck_assert_str_eq(figure_of_hash_key(HASH_KEY_MOST).text,
                     "340282366920938463463374607431768211455");
}
END_TEST

START_TEST(quoted_text_does_nothing_to_a_terminal)
{
    static const char wild[] =
        "a\"\\\n\t\033[2J\177\xc3\xa4\xc2\x9b\xff\xe2\x82";

    figure_print_quoted(file, bytes_of(wild, sizeof(wild) - 1));

    ck_assert_str_eq(written(),
                     "\"a\\\"\\\\\\n\\t\\x1b[2J\\x7f\xc3\xa4\\xc2\\x9b"
                     "\\xff\\xe2\\x82\"");
}
END_TEST

START_TEST(any_byte_can_be_quoted)
{
    uint8_t bytes[4];

    for (unsigned i = 0; i < 65536; i++) {
        bytes[0] = (uint8_t)(i >> 8);
        bytes[1] = (uint8_t)i;
        figure_print_quoted(file, bytes_of(bytes, 2));
    }
    ck_assert_ptr_nonnull(written());
    for (size_t i = 0; i < length; i++)
        ck_assert((uint8_t)text[i] >= ' ' && text[i] != '\177');
    ck_assert(bytes_are_utf8(bytes_of(text, length)));
}
END_TEST

START_TEST(cut_text_ends_between_characters)
{
    struct bytes euros = bytes_of_text("\xe2\x82\xac\xe2\x82\xac");
    struct bytes noise = bytes_of_text("\x80\x80\x80\x80\x80\x80");

    ck_assert_uint_eq(figure_cut(euros, 6).length, 6);
    ck_assert_uint_eq(figure_cut(euros, 5).length, 3);
    ck_assert_uint_eq(figure_cut(euros, 4).length, 3);
    ck_assert_uint_eq(figure_cut(euros, 3).length, 3);
    ck_assert_uint_eq(figure_cut(euros, 2).length, 0);
    ck_assert_uint_eq(figure_cut(noise, 5).length, 5);
    ck_assert_uint_eq(figure_cut(noise, 0).length, 0);
}
END_TEST

START_TEST(json_line_is_json_whatever_the_bytes)
{
    struct json_line line = json_line_begin(file, "test");
    uint8_t bytes[128];
    cJSON *json;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i + 1) & 0x7f ? (uint8_t)(i + 1) & 0x7f : 'x';
    json_line_bytes(&line, "plain", bytes_of(bytes, sizeof(bytes)));
    json_line_bytes(&line, "wild", bytes_of("\xff\x01", 2));
    json_line_text(&line, "none", NULL);
    json_line_text(&line, "broken", "\xff");
    json_line_open(&line, "inside");
    json_line_number(&line, "most", UINT64_MAX);
    json_line_close(&line);
    json_line_time(&line, "least", INT64_MIN);
    json_line_share(&line, "share", 0.5);
    json_line_flag(&line, "flag", true);
    json_line_end(&line);

    json = cJSON_Parse(written());
    ck_assert_ptr_nonnull(json);
    ck_assert_ptr_nonnull(strstr(text, "\"most\":18446744073709551615"));
    ck_assert_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(json, "kind")),
                     "test");
    ck_assert_mem_eq(cJSON_GetStringValue(cJSON_GetObjectItem(json, "plain")),
                     bytes, sizeof(bytes));
    ck_assert_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(json, "wild")),
                     "ff01");
    ck_assert_str_eq(
        cJSON_GetStringValue(cJSON_GetObjectItem(json, "wild_encoding")),
        "hex");
    ck_assert(cJSON_IsNull(cJSON_GetObjectItem(json, "none")));
    ck_assert(cJSON_IsTrue(cJSON_GetObjectItem(json, "flag")));
    cJSON_Delete(json);
}
END_TEST

START_TEST(columns_stand_below_each_other)
{
    static const char *const titles[] = { "A", "B", "C" };
    struct text_table table;

    text_table_init(&table, titles, 3, 1 << 1);
    text_table_add(&table, "long");
    text_table_add(&table, "%d", 5);
    text_table_add(&table, "x\033y");
    text_table_add(&table, "s");
    text_table_add(&table, "%d", 1000);
    text_table_add(&table, "%s", "");

    ck_assert_int_eq(text_table_print(&table, file), 0);
    ck_assert_str_eq(written(), "A        B  C\n"
                                "long     5  x?y\n"
                                "s     1000\n");
    text_table_deinit(&table);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("figures");
    TCase *figures = tcase_create("figures");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(figures, set_up, tear_down);
    tcase_add_test(figures, sizes_have_the_largest_unit_that_fits);
    tcase_add_test(figures, durations_have_two_figures_that_matter);
    tcase_add_test(figures, times_are_of_utc);
    tcase_add_test(figures, shares_of_hash_keys_add_up);
    tcase_add_test(figures, quoted_text_does_nothing_to_a_terminal);
    tcase_add_test(figures, any_byte_can_be_quoted);
    tcase_add_test(figures, cut_text_ends_between_characters);
    tcase_add_test(figures, json_line_is_json_whatever_the_bytes);
    tcase_add_test(figures, columns_stand_below_each_other);
    suite_add_tcase(suite, figures);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
