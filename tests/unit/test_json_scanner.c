/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "common/random.h"
#include "ingest/json_scanner.h"

static uint8_t memory[4096];

static struct json_path path_of(const char *text)
{
    struct json_path path;

    ck_assert_int_eq(json_path_parse(bytes_of_text(text), &path), 0);
    return path;
}

/* In memory of exactly the body's length, so that the sanitizer sees more. */
static int find_in(struct bytes body, const char *text, struct bytes *value,
                   size_t room)
{
    static uint8_t *exact;
    struct bytes_writer writer = bytes_writer_on(memory, room);
    struct json_path path = path_of(text);

    free(exact); /* the value may look into it until the next call */
    exact = malloc(body.length + !body.length);
    ck_assert_ptr_nonnull(exact);
    if (body.length)
        memcpy(exact, body.data, body.length);
    return json_find(bytes_of(exact, body.length), &path, &writer, value);
}

static int find(const char *body, const char *path, struct bytes *value)
{
    return find_in(bytes_of_text(body), path, value, sizeof(memory));
}

static void assert_value(const char *body, const char *path,
                         const char *expected)
{
    struct bytes value;
    int result = find(body, path, &value);

    ck_assert_msg(result == 0, "%s in %s gives %d", path, body, result);
    ck_assert_msg(bytes_equal_text(value, expected), "%s in %s is %.*s", path,
                  body, (int)value.length, (const char *)value.data);
}

static void assert_condition(const char *body, const char *path, int condition)
{
    struct bytes value = bytes_of_text("untouched");
    int result = find(body, path, &value);

    ck_assert_msg(result == condition, "%s in %s gives %d, not %d", path, body,
                  result, condition);
    ck_assert(bytes_equal_text(value, "untouched"));
}

START_TEST(value_is_found_wherever_the_key_stands)
{
    assert_value("{\"user_id\":\"u1\"}", "user_id", "u1");
    assert_value("{\"a\":1,\"user_id\":\"u2\",\"z\":0}", "user_id", "u2");
    assert_value("{\"a\":{\"user_id\":\"no\"},\"b\":[{\"user_id\":\"no\"}],"
                 "\"user_id\":\"u3\"}",
                 "user_id", "u3");
    assert_value("{\"x\":\"user_id\",\"user_id\":\"u4\"}", "user_id", "u4");
    assert_value("\xef\xbb\xbf \t\r\n{ \"user_id\" : \"u5\" }", "user_id",
                 "u5");
    assert_value("{\"a\":\"\\\"user_id\\\":\\\"no\\\"\",\"user_id\":\"\"}",
                 "user_id", "");
    assert_value("{\"a\":\"]}{[\",\"b\":[\"]\",{\"}\":\"{\"}],\"user_id\":7}",
                 "user_id", "7");
    assert_value("{\"a\":\"\\\\\",\"user_id\":\"u6\"}", "user_id", "u6");
}
END_TEST

START_TEST(path_goes_down_into_objects)
{
    const char *body = "{\"b\":{\"c\":1},\"a\":{\"x\":{\"c\":0},\"b\":{"
                       "\"y\":[],\"c\":\"deep\",\"d.e\":\"dot\"}}}";

    assert_value(body, "a.b.c", "deep");
    assert_value(body, "a.b.d\\.e", "dot");
    assert_value(body, "b.c", "1");
    assert_condition(body, "a.c", JSON_MISSING);
    assert_condition(body, "a.b.c.d", JSON_MISSING);
    assert_condition(body, "a.b.y.0", JSON_MISSING);
    assert_condition(body, "a.b", JSON_IS_CONTAINER);
    assert_condition(body, "a.b.y", JSON_IS_CONTAINER);
}
END_TEST

START_TEST(first_of_duplicate_keys_wins_at_every_level)
{
    assert_value("{\"a\":1,\"a\":2}", "a", "1");
    assert_condition("{\"a\":1,\"a\":{\"b\":2}}", "a.b", JSON_MISSING);
    assert_condition("{\"a\":{},\"a\":{\"b\":2}}", "a.b", JSON_MISSING);
}
END_TEST

START_TEST(bare_values_give_their_text)
{
    static const char *const values[] = {
        "0",
        "-0",
        "7",
        "-12",
        "1.5",
        "-0.25",
        "1e5",
        "1E-5",
        "0e+0",
        "12.50e+07",
        "true",
        "false",
        "1234567890123456789012345678901234567890",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
        char body[100];

        snprintf(body, sizeof(body), "{\"a\":%s}", values[i]);
        assert_value(body, "a", values[i]);
        snprintf(body, sizeof(body), "{\"a\" : %s\n, \"b\":0}", values[i]);
        assert_value(body, "a", values[i]);
    }
}
END_TEST

START_TEST(bare_values_that_are_none_are_invalid)
{
    static const char *const values[] = {
        "",      "01",    "+1",  "1.",   ".5",        "1e",   "1e+",
        "-",     "0x10",  "1a",  "--1",  "nan",       "True", "tru",
        "truex", "nullx", "'a'", "1.e5", "undefined",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
        char body[100];

        snprintf(body, sizeof(body), "{\"a\":%s}", values[i]);
        assert_condition(body, "a", JSON_INVALID);
    }
}
END_TEST

START_TEST(null_is_no_value)
{
    assert_condition("{\"a\":null}", "a", JSON_IS_NULL);
    assert_condition("{\"a\":null}", "a.b", JSON_MISSING);
}
END_TEST

START_TEST(body_without_the_key_misses_it)
{
    assert_condition("{}", "a", JSON_MISSING);
    assert_condition(" { } ", "a", JSON_MISSING);
    assert_condition("{\"b\":1}", "a", JSON_MISSING);
    assert_condition("{\"ab\":1,\"\":2,\"A\":3}", "a", JSON_MISSING);
    assert_condition("{\"b\":[1,[2,{\"a\":3}]] }", "a", JSON_MISSING);
}
END_TEST

START_TEST(body_that_is_not_an_object_is_invalid)
{
    static const char *const bodies[] = {
        "",
        " ",
        "[]",
        "7",
        "\"a\"",
        "a",
        "{",
        "{a:1}",
        "{\"a\"}",
        "{\"a\" 1}",
        "{\"b\":}",
        "{\"b\":1,}",
        "{\"b\":1 2}",
        "{,\"a\":1}",
        "{\"a",
        "{\"b\":\"",
        "{\"b\":[1}\"",
        "{\"b\":{",
        "{\"b\\",
        "{\"b\":\"\\",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(bodies); i++)
        assert_condition(bodies[i], "a", JSON_INVALID);
    assert_condition("\xef\xbb\xbf", "a", JSON_INVALID);
}
END_TEST

START_TEST(escapes_in_the_value_are_unescaped)
{
    assert_value("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "a",
                 "\"\\/\b\f\n\r\t");
    assert_value("{\"a\":\"x\\u0041\\u00e9\\u20AC\\ud83d\\ude00y\"}", "a",
                 "xA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80y");
    assert_value("{\"a\":\"caf\xc3\xa9 \\n\"}", "a", "caf\xc3\xa9 \n");
}
END_TEST

START_TEST(escaped_nul_is_a_byte_like_others)
{
    struct bytes value;

    ck_assert_int_eq(find("{\"a\":\"x\\u0000y\"}", "a", &value), 0);
    ck_assert(bytes_equal(value, bytes_of("x\0y", 3)));
}
END_TEST

START_TEST(lone_surrogates_stay_different_texts)
{
    assert_value("{\"a\":\"\\ud83d\"}", "a", "\xed\xa0\xbd");
    assert_value("{\"a\":\"\\ude00\\ud83d\"}", "a", "\xed\xb8\x80\xed\xa0\xbd");
    assert_value("{\"a\":\"\\ud83dx\"}", "a", "\xed\xa0\xbdx");
    assert_value("{\"a\":\"\\ud83d\\n\"}", "a", "\xed\xa0\xbd\n");
    assert_value("{\"a\":\"\\ud83d\\u0041\"}", "a",
                 "\xed\xa0\xbd"
                 "A");
}
END_TEST

START_TEST(wrong_escapes_are_invalid_in_the_value_and_no_match_in_a_key)
{
    assert_condition("{\"a\":\"\\x\"}", "a", JSON_INVALID);
    assert_condition("{\"a\":\"\\u12g4\"}", "a", JSON_INVALID);
    assert_condition("{\"a\":\"\\u12\"}", "a", JSON_INVALID);
    assert_condition("{\"a\":\"\\ud83d\\u12\"}", "a", JSON_INVALID);
    assert_value("{\"a\\x\":1,\"a\":2}", "a", "2");
}
END_TEST

START_TEST(escaped_key_is_the_key_it_spells)
{
    assert_value("{\"user\\u005fid\":\"u\"}", "user_id", "u");
    assert_value("{\"\\u0061\":{\"b\\/c\":1}}", "a.b/c", "1");
    assert_value("{\"a\\u0000\":1,\"a\":2}", "a", "2");
}
END_TEST

START_TEST(text_that_does_not_fit_is_given_as_it_is_spelt)
{
    struct bytes body = bytes_of_text("{\"a\":\"1234\\n\"}");
    struct bytes value;

    ck_assert_int_eq(find_in(body, "a", &value, 5), 0);
    ck_assert(bytes_equal_text(value, "1234\n"));
    ck_assert_int_eq(find_in(body, "a", &value, 4), JSON_TOO_LONG);
    ck_assert(bytes_equal_text(value, "1234\\n"));
    ck_assert_int_eq(
        find_in(bytes_of_text("{\"a\":\"12345678\"}"), "a", &value, 0), 0);
}
END_TEST

START_TEST(strings_of_every_length_end_at_their_quote)
{
    char body[128];
    char expected[64];

    for (int before = 0; before < 20; before++)
        for (int length = 0; length < 20; length++) {
            snprintf(expected, sizeof(expected), "%.*s", length,
                     "!#]}{[~:,!#]}{[~:,!#");
            snprintf(body, sizeof(body), "{\"%.*s\":\"%s\",\"a\":\"%s\"}",
                     before + 1, "bbbbbbbbbbbbbbbbbbbbb", expected, expected);
            assert_value(body, "a", expected);
        }
}
END_TEST

START_TEST(depth_costs_nothing)
{
    static char body[400000];
    size_t depth = 150000;
    size_t length = (size_t)sprintf(body, "{\"b\":");
    struct bytes value;

    memset(body + length, '[', depth);
    memset(body + length + depth, ']', depth);
    sprintf(body + length + 2 * depth, ",\"a\":1}");

    ck_assert_int_eq(find(body, "a", &value), 0);
    ck_assert(bytes_equal_text(value, "1"));
}
END_TEST

START_TEST(body_cut_before_its_value_ends_is_invalid)
{
    const char *body = "{\"b\":{\"x\":[1,\"\\\"\"]},\"c\":\"\\u0041\","
                       "\"a\":{\"k\\u0031\":-12.5e3}}";
    size_t whole = strlen(body) - 1;
    struct bytes value;

    for (size_t cut = 0; cut < whole; cut++)
        ck_assert_int_eq(
            find_in(bytes_of(body, cut), "a.k1", &value, sizeof(memory)),
            JSON_INVALID);
    ck_assert_int_eq(
        find_in(bytes_of(body, whole), "a.k1", &value, sizeof(memory)), 0);
}
END_TEST

START_TEST(path_is_keys_joined_by_dots)
{
    struct json_path path = path_of("a.b\\.c\\\\.d");

    ck_assert_uint_eq(path.count, 3);
    ck_assert_uint_eq(path.ends[2], 6);
    ck_assert_mem_eq(path.text, "ab.c\\d", 6);
}
END_TEST

START_TEST(path_that_names_nothing_is_wrong)
{
    static const char *const wrong[] = {
        "",     ".",    "a.",
        ".a",   "a..b", "a\\",
        "a\\b", "\\",   "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a",
    };
    struct json_path path;
    char long_path[JSON_PATH_LENGTH_MOST + 2];

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        ck_assert_int_eq(json_path_parse(bytes_of_text(wrong[i]), &path),
                         JSON_PATH_WRONG);
    memset(long_path, 'x', sizeof(long_path));
    ck_assert_int_eq(
        json_path_parse(bytes_of(long_path, JSON_PATH_LENGTH_MOST), &path), 0);
    ck_assert_int_eq(
        json_path_parse(bytes_of(long_path, JSON_PATH_LENGTH_MOST + 1), &path),
        JSON_PATH_WRONG);
    ck_assert_int_eq(
        json_path_parse(bytes_of_text("a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a"),
                        &path),
        0);
}
END_TEST

/* --- the same answers as cJSON, on documents made from a seed --- */

static void put_any(struct bytes_writer *writer, struct random *random,
                    int depth);

static void put_random_space(struct bytes_writer *writer, struct random *random)
{
    static const char *const spaces[] = { "", "", "", " ", "\n", "\t \r" };

    bytes_put_text(writer, spaces[random_below(random, ARRAY_LENGTH(spaces))]);
}

static void put_random_text(struct bytes_writer *writer, struct random *random)
{
    static const char *const parts[] = {
        "a",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\\\"",
        "\\\\",
        "\\n",
        "\\u0061",
        "\\u00e9",
        "\\/",
        "\xc3\xa9",
        "plain",
        " ",
        "\\ud83d\\ude00",
        "0123456789",
    };

    bytes_put_byte(writer, '"');
    for (uint64_t i = random_below(random, 6); i > 0; i--)
        bytes_put_text(writer,
                       parts[random_below(random, ARRAY_LENGTH(parts))]);
    bytes_put_byte(writer, '"');
}

static void put_random_key(struct bytes_writer *writer, struct random *random)
{
    static const char *const keys[] = {
        "\"a\"", "\"b\"", "\"c\"", "\"\\u0061\"", "\"b\\u0062\"", "\"\"",
    };

    if (random_below(random, 4) == 0)
        put_random_text(writer, random);
    else
        bytes_put_text(writer, keys[random_below(random, ARRAY_LENGTH(keys))]);
}

static void put_random_container(struct bytes_writer *writer,
                                 struct random *random, int depth,
                                 bool is_object)
{
    bytes_put_byte(writer, is_object ? '{' : '[');
    put_random_space(writer, random);
    for (uint64_t i = random_below(random, 6); i > 0; i--) {
        if (is_object) {
            put_random_key(writer, random);
            put_random_space(writer, random);
            bytes_put_byte(writer, ':');
            put_random_space(writer, random);
        }
        put_any(writer, random, depth - 1);
        put_random_space(writer, random);
        if (i > 1)
            bytes_put_byte(writer, ',');
        put_random_space(writer, random);
    }
    bytes_put_byte(writer, is_object ? '}' : ']');
}

static void put_any(struct bytes_writer *writer, struct random *random,
                    int depth)
{
    static const char *const bare[] = { "true", "false", "null", "0",
                                        "-1",   "12.5",  "3e2" };
    uint64_t choice = random_below(random, depth > 0 ? 8 : 4);

    if (choice < 2)
        put_random_text(writer, random);
    else if (choice < 4)
        bytes_put_text(writer, bare[random_below(random, ARRAY_LENGTH(bare))]);
    else
        put_random_container(writer, random, depth, choice < 7);
}

static const cJSON *cjson_find(const cJSON *tree, const struct json_path *path)
{
    size_t start = 0;

    for (size_t i = 0; i < path->count; i++) {
        char key[JSON_PATH_LENGTH_MOST + 1] = "";

        memcpy(key, path->text + start, path->ends[i] - start);
        start = path->ends[i];
        tree = cJSON_IsObject(tree)
                   ? cJSON_GetObjectItemCaseSensitive(tree, key)
                   : NULL;
    }
    return tree;
}

static void assert_same(const cJSON *node, int result, struct bytes value)
{
    char text[64] = "";

    if (!node) {
        ck_assert_int_eq(result, JSON_MISSING);
        return;
    }
    if (cJSON_IsNull(node)) {
        ck_assert_int_eq(result, JSON_IS_NULL);
        return;
    }
    if (cJSON_IsObject(node) || cJSON_IsArray(node)) {
        ck_assert_int_eq(result, JSON_IS_CONTAINER);
        return;
    }
    ck_assert_int_eq(result, 0);
    if (cJSON_IsString(node)) {
        ck_assert(bytes_equal_text(value, node->valuestring));
        return;
    }
    if (cJSON_IsBool(node)) {
        ck_assert(
            bytes_equal_text(value, cJSON_IsTrue(node) ? "true" : "false"));
        return;
    }
    ck_assert_uint_lt(value.length, sizeof(text));
    memcpy(text, value.data, value.length);
    ck_assert(strtod(text, NULL) == node->valuedouble);
}

START_TEST(answers_are_those_of_cjson)
{
    static const char *const paths[] = { "a",   "b",   "c",     "bb",
                                         "a.b", "b.a", "a.a.a", "c.b.a" };
    struct random random;

    random_seed(&random, 2024);
    for (int round = 0; round < 20000; round++) {
        const char *text = paths[random_below(&random, ARRAY_LENGTH(paths))];
        struct json_path path = path_of(text);
        static uint8_t document[65536];
        struct bytes_writer writer =
            bytes_writer_on(document, sizeof(document));
        struct bytes value = bytes_of(NULL, 0);
        cJSON *tree;

        put_random_container(&writer, &random, 5, true);
        ck_assert(!writer.overrun);
        tree = cJSON_ParseWithLength((const char *)document, writer.length);
        ck_assert_ptr_nonnull(tree);
        assert_same(
            cjson_find(tree, &path),
            find_in(bytes_written(&writer), text, &value, sizeof(memory)),
            value);
        cJSON_Delete(tree);
    }
}
END_TEST

START_TEST(spoilt_documents_do_no_harm)
{
    static uint8_t document[65536];
    struct random random;

    random_seed(&random, 2025);
    for (int round = 0; round < 20000; round++) {
        struct bytes_writer writer =
            bytes_writer_on(document, sizeof(document));
        struct bytes value = bytes_of(NULL, 0);
        int result;

        put_random_container(&writer, &random, 4, true);
        for (uint64_t i = 1 + random_below(&random, 3); i > 0; i--)
            document[random_below(&random, writer.length)] =
                (uint8_t)random_u64(&random);
        result = find_in(
            bytes_of(document, random_below(&random, writer.length + 1)), "a.b",
            &value, sizeof(memory));
        ck_assert_int_ge(result, 0);
        ck_assert_int_le(result, JSON_TOO_LONG);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json_scanner");
    TCase *values = tcase_create("values");
    TCase *paths = tcase_create("paths");
    TCase *documents = tcase_create("documents");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(values, value_is_found_wherever_the_key_stands);
    tcase_add_test(values, path_goes_down_into_objects);
    tcase_add_test(values, first_of_duplicate_keys_wins_at_every_level);
    tcase_add_test(values, bare_values_give_their_text);
    tcase_add_test(values, bare_values_that_are_none_are_invalid);
    tcase_add_test(values, null_is_no_value);
    tcase_add_test(values, body_without_the_key_misses_it);
    tcase_add_test(values, body_that_is_not_an_object_is_invalid);
    tcase_add_test(values, escapes_in_the_value_are_unescaped);
    tcase_add_test(values, escaped_nul_is_a_byte_like_others);
    tcase_add_test(values, lone_surrogates_stay_different_texts);
    tcase_add_test(
        values, wrong_escapes_are_invalid_in_the_value_and_no_match_in_a_key);
    tcase_add_test(values, escaped_key_is_the_key_it_spells);
    tcase_add_test(values, text_that_does_not_fit_is_given_as_it_is_spelt);
    tcase_add_test(values, strings_of_every_length_end_at_their_quote);
    tcase_add_test(values, depth_costs_nothing);
    tcase_add_test(values, body_cut_before_its_value_ends_is_invalid);
    tcase_add_test(paths, path_is_keys_joined_by_dots);
    tcase_add_test(paths, path_that_names_nothing_is_wrong);
    tcase_add_test(documents, answers_are_those_of_cjson);
    tcase_add_test(documents, spoilt_documents_do_no_harm);
    tcase_set_timeout(documents, 60);
    suite_add_tcase(suite, values);
    suite_add_tcase(suite, paths);
    suite_add_tcase(suite, documents);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
