/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "egress/json_reader.h"
#include "egress/json_writer.h"

static uint8_t memory[4096];
static struct bytes_writer texts;

static void setup(void)
{
    texts = bytes_writer_on(memory, sizeof(memory));
}

static bool is_json(struct bytes text)
{
    struct json_reader reader = json_reader_on(text, &texts);

    return json_skip(&reader) && json_ended(&reader);
}

START_TEST(every_kind_of_value_is_skipped)
{
    static const char *const legal[] = {
        "{}",
        " { } ",
        "[]",
        "[[],{},[{}]]",
        "null",
        "true",
        "false",
        "0",
        "-0",
        "-12.5e+10",
        "1E-2",
        "10",
        "\"\"",
        "\"a\\\"b\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\t{\"a\" : [ 1 , 2.5 , null ] ,\r\n \"b\":{\"c\":\"d\"} }\n",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(legal); i++)
        ck_assert_msg(is_json(bytes_of_text(legal[i])), "%s", legal[i]);
}
END_TEST

START_TEST(what_is_no_json_is_noticed)
{
    static const char *const illegal[] = {
        "",        " ",         "{",         "}",           "[",
        "]",       "[1,]",      "[,1]",      "[1 2]",       "[1,,2]",
        "{,}",     "{\"a\"}",   "{\"a\":}",  "{\"a\":1,}",  "{\"a\" 1}",
        "{a:1}",   "{1:1}",     "{null:1}",  "[}",          "{]",
        "[1}",     "{\"a\":1]", "01",        "-",           "+1",
        "1.",      ".5",        "1e",        "1e+",         "0x1",
        "NaN",     "nul",       "nulll",     "True",        "\"",
        "\"\\\"",  "\"\\x\"",   "\"\\u12\"", "\"\\u12g4\"", "\"a\nb\"",
        "'a'",     "1 1",       "{} {}",     "[] x",        "// a",
        "\"\\u\"", "\"\\u123",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(illegal); i++)
        ck_assert_msg(!is_json(bytes_of_text(illegal[i])), "%s", illegal[i]);
    ck_assert(!is_json(bytes_of("1\0", 2)));
    ck_assert(!is_json(bytes_of("\0", 1)));
    ck_assert(!is_json(bytes_of("[1\0]", 4)));
    ck_assert(!is_json(bytes_of("\"a\0b\"", 5)));
}
END_TEST

START_TEST(nesting_is_followed_to_its_limit_and_no_further)
{
    char deep[2 * (JSON_DEPTH_MOST + 1)];

    memset(deep, '[', JSON_DEPTH_MOST);
    memset(deep + JSON_DEPTH_MOST, ']', JSON_DEPTH_MOST);
    ck_assert(is_json(bytes_of(deep, 2 * JSON_DEPTH_MOST)));

    memset(deep, '[', JSON_DEPTH_MOST + 1);
    memset(deep + JSON_DEPTH_MOST + 1, ']', JSON_DEPTH_MOST + 1);
    ck_assert(!is_json(bytes_of(deep, sizeof(deep))));
}
END_TEST

START_TEST(nesting_of_megabytes_needs_no_stack)
{
    static char deep[1024 * 1024];

    memset(deep, '[', sizeof(deep));
    ck_assert(!is_json(bytes_of(deep, sizeof(deep))));
}
END_TEST

START_TEST(texts_without_escapes_are_views_of_the_input)
{
    const char *input = "\"plain \xc3\xa9\"";
    struct json_reader reader = json_reader_on(bytes_of_text(input), &texts);
    struct bytes text;

    ck_assert(json_take_text(&reader, &text));
    ck_assert(json_ended(&reader));
    ck_assert_ptr_eq(text.data, input + 1);
    ck_assert_uint_eq(text.length, 8);
    ck_assert_uint_eq(texts.length, 0);
}
END_TEST

static void assert_decodes(const char *input, const char *expected)
{
    struct json_reader reader = json_reader_on(bytes_of_text(input), &texts);
    struct bytes text;

    ck_assert_msg(json_take_text(&reader, &text), "%s", input);
    ck_assert_msg(bytes_equal_text(text, expected), "%s", input);
    ck_assert(json_ended(&reader));
}

START_TEST(escapes_are_decoded)
{
    assert_decodes("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t");
    assert_decodes("\"x\\u0041y\"", "xAy");
    assert_decodes("\"\\u00e9\\u00E9\"", "\xc3\xa9\xc3\xa9");
    assert_decodes("\"\\u20ac\"", "\xe2\x82\xac");
    assert_decodes("\"\\ud83d\\ude00!\"", "\xf0\x9f\x98\x80!");
    assert_decodes("\"\\ud83d\\u0041\"", "\xef\xbf\xbd"
                                         "A");
    assert_decodes("\"\\ude00\"", "\xef\xbf\xbd");
    assert_decodes("\"\\ud83d\"", "\xef\xbf\xbd");
}
END_TEST

START_TEST(texts_that_outgrow_their_memory_are_a_failure)
{
    struct bytes_writer few = bytes_writer_on(memory, 3);
    struct json_reader reader =
        json_reader_on(bytes_of_text("\"\\nabc\""), &few);
    struct bytes text = { .length = 77 };

    ck_assert(!json_take_text(&reader, &text));
    ck_assert_uint_eq(text.length, 77);
    ck_assert(!json_ended(&reader));
}
END_TEST

START_TEST(members_come_one_by_one_with_their_names_decoded)
{
    struct json_reader reader = json_reader_on(
        bytes_of_text("{\"a\":\"1\",\"\\u0062\":[7,{\"a\":[]}],\"c\":null}"),
        &texts);
    struct bytes name;
    struct bytes text;

    ck_assert(json_enter_object(&reader));
    ck_assert(json_next_member(&reader, &name));
    ck_assert(bytes_equal_text(name, "a"));
    ck_assert(json_take_text(&reader, &text));
    ck_assert(bytes_equal_text(text, "1"));
    ck_assert(json_next_member(&reader, &name));
    ck_assert(bytes_equal_text(name, "b"));
    ck_assert(json_skip(&reader));
    ck_assert(json_next_member(&reader, &name));
    ck_assert(bytes_equal_text(name, "c"));
    ck_assert(json_take_text_or_null(&reader, &text));
    ck_assert_ptr_null(text.data);
    ck_assert(!json_next_member(&reader, &name));
    ck_assert(json_ended(&reader));
}
END_TEST

START_TEST(value_of_another_kind_is_a_failure_that_lasts)
{
    struct json_reader reader =
        json_reader_on(bytes_of_text("[1,\"a\"]"), &texts);
    struct bytes text;

    ck_assert(json_enter_array(&reader));
    ck_assert(json_next_element(&reader));
    ck_assert(!json_take_text(&reader, &text));
    ck_assert(!json_next_element(&reader));
    ck_assert(!json_skip(&reader));
    ck_assert(!json_ended(&reader));
}
END_TEST

START_TEST(input_cut_at_any_byte_is_a_failure)
{
    struct bytes whole = bytes_of_text(
        "{\"a\":[1.5e3,true,null,\"\\u00e9\\n\"],\"b\":{\"c\":\"d\"}}");

    ck_assert(is_json(whole));
    for (size_t length = 0; length < whole.length; length++) {
        /* Own memory, so that a sanitizer sees a read beyond it. */
        char *cut = malloc(length + 1);

        ck_assert_ptr_nonnull(cut);
        memcpy(cut, whole.data, length);
        cut = realloc(cut, length > 0 ? length : 1);
        ck_assert(!is_json(bytes_of(cut, length)));
        free(cut);
    }
}
END_TEST

START_TEST(written_texts_are_read_back)
{
    uint8_t all[0x80 + 6];
    uint8_t written[1024];
    struct bytes_writer writer = bytes_writer_on(written, sizeof(written));
    struct json_reader reader;
    struct bytes text;

    for (unsigned i = 0; i < 0x80; i++)
        all[i] = (uint8_t)i;
    memcpy(all + 0x80, "\xc3\xa9\xe2\x82\xac", 6);
    json_put_text(&writer, bytes_of(all, sizeof(all) - 1));

    ck_assert(!writer.overrun);
    reader = json_reader_on(bytes_written(&writer), &texts);
    ck_assert(json_take_text(&reader, &text));
    ck_assert(json_ended(&reader));
    ck_assert(bytes_equal(text, bytes_of(all, sizeof(all) - 1)));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json_reader");
    TCase *grammar = tcase_create("grammar");
    TCase *values = tcase_create("values");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(grammar, setup, NULL);
    tcase_add_test(grammar, every_kind_of_value_is_skipped);
    tcase_add_test(grammar, what_is_no_json_is_noticed);
    tcase_add_test(grammar, nesting_is_followed_to_its_limit_and_no_further);
    tcase_add_test(grammar, nesting_of_megabytes_needs_no_stack);
    tcase_add_test(grammar, input_cut_at_any_byte_is_a_failure);
    tcase_add_checked_fixture(values, setup, NULL);
    tcase_add_test(values, texts_without_escapes_are_views_of_the_input);
    tcase_add_test(values, escapes_are_decoded);
    tcase_add_test(values, texts_that_outgrow_their_memory_are_a_failure);
    tcase_add_test(values, members_come_one_by_one_with_their_names_decoded);
    tcase_add_test(values, value_of_another_kind_is_a_failure_that_lasts);
    tcase_add_test(values, written_texts_are_read_back);
    suite_add_tcase(suite, grammar);
    suite_add_tcase(suite, values);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
