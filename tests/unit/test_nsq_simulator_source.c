/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "tests/support/nsq_simulator_source.h"

static struct source make_source(enum source_body body, size_t length,
                                 uint64_t index, uint64_t nsqd_count)
{
    struct source source;

    source_init(&source, &(struct source_options){ .body = body,
                                                   .body_length = length,
                                                   .seed = 7,
                                                   .key_count = 10,
                                                   .nsqd_index = index,
                                                   .nsqd_count = nsqd_count,
                                                   .id_time = 465000000000,
                                                   .node = 5 });
    return source;
}

START_TEST(crc32_has_the_check_value_of_the_standard)
{
    ck_assert_uint_eq(source_crc32(0, bytes_of_text("123456789")), 0xcbf43926);
}
END_TEST

START_TEST(id_has_the_form_of_nsqds_and_rises)
{
    struct source source = make_source(SOURCE_JSON, 200, 0, 1);
    uint8_t before[16] = { 0 }, id[16];

    for (uint64_t number = 0; number < 10000; number++) {
        char text[17] = { 0 };
        uint64_t value;

        source_write_id(&source, number, id);
        ck_assert_int_gt(memcmp(id, before, 16), 0);
        memcpy(before, id, 16);
        memcpy(text, id, 16);
        ck_assert_uint_eq(strspn(text, "0123456789abcdef"), 16);
        value = strtoull(text, NULL, 16);
        ck_assert_uint_eq(value >> 22, 465000000000 + number / 4096);
        ck_assert_uint_eq(value >> 12 & 1023, 5);
    }
}
END_TEST

START_TEST(number_is_found_from_its_id_alone)
{
    static const uint64_t numbers[] = { 0, 1, 4095, 4096, 1234567, 1ull << 33 };
    struct source source = make_source(SOURCE_JSON, 200, 0, 1);

    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
        uint8_t id[16];
        uint64_t number = UINT64_MAX;

        source_write_id(&source, numbers[i], id);
        ck_assert(source_find_id(&source, id, &number));
        ck_assert_uint_eq(number, numbers[i]);
    }
}
END_TEST

START_TEST(foreign_id_is_nobodys)
{
    struct source source = make_source(SOURCE_JSON, 200, 0, 1);
    uint8_t id[16];
    uint64_t number;

    source_write_id(&source, 3, id);
    id[12] ^= 1; /* another node */
    ck_assert(!source_find_id(&source, id, &number));
    ck_assert(
        !source_find_id(&source, (const uint8_t *)"0000000000000000", &number));
    source_write_id(&source, 3, id);
    id[15] = 'G';
    ck_assert(!source_find_id(&source, id, &number));
}
END_TEST

START_TEST(keys_are_divided_among_nsqds_and_counted_per_key)
{
    uint64_t next_sequence[10] = { 0 };
    bool seen[300] = { false };

    for (uint64_t nsqd = 0; nsqd < 3; nsqd++) {
        struct source source = make_source(SOURCE_JSON, 200, nsqd, 3);

        for (uint64_t number = 0; number < 100; number++) {
            struct source_message message = source_message_of(&source, number);

            ck_assert_uint_lt(message.key_id, 10);
            ck_assert_uint_eq(message.key_id % 3, nsqd);
            ck_assert_uint_eq(message.sequence,
                              next_sequence[message.key_id]++);
            ck_assert_uint_lt(message.global, 300);
            ck_assert(!seen[message.global]);
            seen[message.global] = true;
        }
    }
}
END_TEST

START_TEST(json_body_is_json_of_exactly_its_size)
{
    for (size_t length = 120; length < 140; length++) {
        struct source source = make_source(SOURCE_JSON, length, 0, 1);
        struct source_message message = { 42, 12, 1234 };
        uint8_t body[256];
        cJSON *json;

        ck_assert_uint_eq(source_write_body(&source, &message, 17, body),
                          length);
        json = cJSON_ParseWithLength((const char *)body, length);
        ck_assert_ptr_nonnull(json);
        ck_assert_str_eq(cJSON_GetObjectItem(json, "user_id")->valuestring,
                         "u000042");
        ck_assert_int_eq(cJSON_GetObjectItem(json, "seq")->valueint, 12);
        ck_assert_int_eq(cJSON_GetObjectItem(json, "global")->valueint, 1234);
        ck_assert_int_eq(cJSON_GetObjectItem(json, "ts")->valueint, 17);
        cJSON_Delete(json);
    }
}
END_TEST

START_TEST(json_body_with_the_largest_numbers_stays_in_its_room)
{
    struct source source = make_source(SOURCE_JSON, 1, 0, 1);
    struct source_message message = { UINT64_MAX, UINT64_MAX, UINT64_MAX };
    uint8_t body[SOURCE_JSON_MOST];
    size_t length = source_write_body(&source, &message, INT64_MAX, body);

    ck_assert_uint_le(length, source_longest_body(&source, 0));
    ck_assert_uint_eq(body[length - 1], '}');
}
END_TEST

START_TEST(binary_body_carries_its_numbers_and_a_sum)
{
    struct source source = make_source(SOURCE_BINARY, 101, 0, 1);
    struct source_message message = { 9, 8, 7 };
    uint8_t body[101];
    uint32_t sum;

    ck_assert_uint_eq(source_write_body(&source, &message, 0, body), 101);
    ck_assert_mem_eq(body, "N2K1", 4);
    ck_assert_uint_eq(bytes_load_be64(body + 4), 7);
    ck_assert_uint_eq(bytes_load_be32(body + 12), 9);
    ck_assert_uint_eq(bytes_load_be64(body + 16), 8);
    ck_assert_uint_eq(bytes_load_be64(body + 24), 7);
    ck_assert_uint_eq(bytes_load_be32(body + 32), 101);
    sum = bytes_load_be32(body + 36);
    bytes_store_be32(body + 36, 0);
    ck_assert_uint_eq(source_crc32(0, bytes_of(body, 101)), sum);
    body[100] ^= 1;
    ck_assert_uint_ne(source_crc32(0, bytes_of(body, 101)), sum);
}
END_TEST

START_TEST(line_is_the_body_without_its_end)
{
    static const uint64_t offsets[] = { 0, 4, 5 };
    struct source source = make_source(SOURCE_LINES, 0, 0, 1);
    struct source_message message = { .global = 0 };
    uint8_t body[8];

    source.options.lines = offsets;
    source.options.text = (const uint8_t *)"abc\n\n";
    ck_assert_uint_eq(source_longest_body(&source, 2), 3);
    ck_assert_uint_eq(source_write_body(&source, &message, 0, body), 3);
    ck_assert_mem_eq(body, "abc", 3);
    message.global = 1;
    ck_assert_uint_eq(source_write_body(&source, &message, 0, body), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("nsq_simulator_source");
    TCase *messages = tcase_create("messages from numbers");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(messages, crc32_has_the_check_value_of_the_standard);
    tcase_add_test(messages, id_has_the_form_of_nsqds_and_rises);
    tcase_add_test(messages, number_is_found_from_its_id_alone);
    tcase_add_test(messages, foreign_id_is_nobodys);
    tcase_add_test(messages, keys_are_divided_among_nsqds_and_counted_per_key);
    tcase_add_test(messages, json_body_is_json_of_exactly_its_size);
    tcase_add_test(messages,
                   json_body_with_the_largest_numbers_stays_in_its_room);
    tcase_add_test(messages, binary_body_carries_its_numbers_and_a_sum);
    tcase_add_test(messages, line_is_the_body_without_its_end);
    suite_add_tcase(suite, messages);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
