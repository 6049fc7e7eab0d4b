/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "ingest/partition_key.h"

#define ID "0d2f4a6b8c0e1f30"

static struct partition_key_memory memory;

static struct partition_key_rule rule_of(const char *option)
{
    struct partition_key_rule rule;
    const char *complaint;

    ck_assert_int_eq(partition_key_parse(option, &rule, &complaint), 0);
    return rule;
}

static int key_of(const char *option, struct bytes body, struct bytes *key)
{
    static struct nsq_message message; /* an id may be the key: it stays */
    struct partition_key_rule rule = rule_of(option);

    message.body = body;
    memcpy(message.id.text, ID, 16);
    return partition_key_of(&rule, &message, &memory, key);
}

static void assert_key(const char *option, const char *body,
                       const char *expected)
{
    struct bytes key;

    ck_assert_int_eq(key_of(option, bytes_of_text(body), &key), 0);
    ck_assert_msg(bytes_equal_text(key, expected), "%s of %s is %.*s", option,
                  body, (int)key.length, (const char *)key.data);
}

static void assert_missing(const char *option, const char *body)
{
    struct bytes key;

    ck_assert_int_eq(key_of(option, bytes_of_text(body), &key),
                     PARTITION_KEY_MISSING);
    ck_assert(bytes_equal_text(key, ID));
}

START_TEST(each_rule_gives_its_key)
{
    assert_key("none", "{}", "");
    assert_key("message-id", "{}", ID);
    assert_key("json:user_id", "{\"user_id\":\"u1\"}", "u1");
    assert_key("json:a.b", "{\"a\":{\"b\":42}}", "42");
    assert_key("bytes:2:3", "0123456", "234");
    assert_key("static:all: of it", "{}", "all: of it");
}
END_TEST

START_TEST(message_without_the_value_gets_its_id_and_is_counted)
{
    assert_missing("json:user_id", "");
    assert_missing("json:user_id", "not json");
    assert_missing("json:user_id", "{\"id\":1}");
    assert_missing("json:user_id", "{\"user_id\":null}");
    assert_missing("json:user_id", "{\"user_id\":{\"id\":1}}");
    assert_missing("json:user_id", "{\"user_id\":[1]}");
    assert_missing("json:user_id", "{\"user_id\":\"cut");
    assert_missing("bytes:2:3", "0123");
    assert_missing("bytes:9:1", "0123");
    assert_missing("bytes:0:1", "");
}
END_TEST

START_TEST(bytes_at_the_very_end_are_there)
{
    assert_key("bytes:2:3", "01234", "234");
    assert_key("bytes:0:1", "x", "x");
}
END_TEST

/* (K15) */
START_TEST(empty_value_becomes_its_md5)
{
    assert_key("json:a", "{\"a\":\"\"}", "d41d8cd98f00b204e9800998ecf8427e");
}
END_TEST

START_TEST(value_that_is_not_utf8_becomes_its_md5)
{
    struct bytes key;

    /* printf '\377\376' | md5sum */
    ck_assert_int_eq(key_of("bytes:0:2", bytes_of("\xff\xfe", 2), &key), 0);
    ck_assert(bytes_equal_text(key, "f3b25701fe362ec84616a93a45ce9998"));
}
END_TEST

/* {"a":"<count times piece>"}, and the length of it. */
static struct bytes body_with(char *body, const char *piece, size_t count)
{
    size_t length = strlen(piece);
    char *at = body;

    memcpy(at, "{\"a\":\"", 6);
    at += 6;
    for (size_t i = 0; i < count; i++, at += length)
        memcpy(at, piece, length);
    memcpy(at, "\"}", 2);
    return bytes_of(body, (size_t)(at + 2 - body));
}

START_TEST(key_has_at_most_256_characters_of_any_width)
{
    static const char *const pieces[] = { "a", "\xc3\xa9", "\xe2\x82\xac",
                                          "\xf0\x9f\x98\x80", "\\u00e9" };
    static char body[8192];
    struct bytes key;

    for (size_t i = 0; i < ARRAY_LENGTH(pieces); i++) {
        size_t width = pieces[i][0] == '\\' ? 2 : strlen(pieces[i]);

        ck_assert_int_eq(
            key_of("json:a", body_with(body, pieces[i], 256), &key), 0);
        ck_assert_uint_eq(key.length, 256 * width);
        ck_assert_int_eq(
            key_of("json:a", body_with(body, pieces[i], 257), &key), 0);
        ck_assert_uint_eq(key.length, 32);
    }
}
END_TEST

START_TEST(long_value_becomes_the_md5_of_its_text)
{
    static char body[40000];
    struct bytes key;

    /* 257 times 'a'. */
    ck_assert_int_eq(key_of("json:a", body_with(body, "a", 257), &key), 0);
    ck_assert(bytes_equal_text(key, "b7958df91b9413477491e9b6e27f1bac"));
}
END_TEST

START_TEST(spelling_of_a_value_does_not_matter)
{
    static char body[8192];
    uint8_t plain[32];
    struct bytes key;

    ck_assert_int_eq(key_of("json:a", body_with(body, "b", 300), &key), 0);
    ck_assert_uint_eq(key.length, 32);
    memcpy(plain, key.data, 32);
    ck_assert_int_eq(key_of("json:a", body_with(body, "\\u0062", 300), &key),
                     0);
    ck_assert_mem_eq(key.data, plain, 32);
}
END_TEST

START_TEST(value_too_long_to_unescape_still_gets_one_key)
{
    static char body[40000];
    uint8_t first[32];
    struct bytes key;

    ck_assert_int_eq(key_of("json:a", body_with(body, "\\n", 5000), &key), 0);
    ck_assert_uint_eq(key.length, 32);
    memcpy(first, key.data, 32);
    ck_assert_int_eq(key_of("json:a", body_with(body, "\\n", 5001), &key), 0);
    ck_assert_mem_ne(key.data, first, 32);
}
END_TEST

START_TEST(option_that_is_no_rule_is_told_what_is_wanted)
{
    static const struct {
        const char *option;
        const char *complaint;
    } rows[] = {
        { "", "it is none, message-id, json:PATH, bytes:OFFSET:LENGTH or "
              "static:TEXT" },
        { "None", "it is none, message-id, json:PATH, bytes:OFFSET:LENGTH or "
                  "static:TEXT" },
        { "json", "it is none, message-id, json:PATH, bytes:OFFSET:LENGTH or "
                  "static:TEXT" },
        { "json:", "json: wants a path such as user_id or a.b.c" },
        { "json:a..b", "json: wants a path such as user_id or a.b.c" },
        { "bytes:1", "bytes: wants OFFSET:LENGTH, both whole numbers" },
        { "bytes:", "bytes: wants OFFSET:LENGTH, both whole numbers" },
        { "bytes:1:0", "bytes: wants OFFSET:LENGTH, both whole numbers" },
        { "bytes:-1:2", "bytes: wants OFFSET:LENGTH, both whole numbers" },
        { "bytes:1:2:3", "bytes: wants OFFSET:LENGTH, both whole numbers" },
        { "bytes:4294967296:1",
          "bytes: wants OFFSET:LENGTH, both whole numbers" },
        { "static:", "static: wants 1 to 256 characters of UTF-8" },
        { "static:\xff", "static: wants 1 to 256 characters of UTF-8" },
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct partition_key_rule rule;
        const char *complaint = NULL;

        ck_assert_int_eq(partition_key_parse(rows[i].option, &rule, &complaint),
                         PARTITION_KEY_WRONG);
        ck_assert_str_eq(complaint, rows[i].complaint);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("partition_key");
    TCase *keys = tcase_create("keys");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(keys, each_rule_gives_its_key);
    tcase_add_test(keys, message_without_the_value_gets_its_id_and_is_counted);
    tcase_add_test(keys, bytes_at_the_very_end_are_there);
    tcase_add_test(keys, empty_value_becomes_its_md5);
    tcase_add_test(keys, value_that_is_not_utf8_becomes_its_md5);
    tcase_add_test(keys, key_has_at_most_256_characters_of_any_width);
    tcase_add_test(keys, long_value_becomes_the_md5_of_its_text);
    tcase_add_test(keys, spelling_of_a_value_does_not_matter);
    tcase_add_test(keys, value_too_long_to_unescape_still_gets_one_key);
    tcase_add_test(keys, option_that_is_no_rule_is_told_what_is_wanted);
    suite_add_tcase(suite, keys);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
