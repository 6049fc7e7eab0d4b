/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "shard/hash_key.h"

static const struct hash_key none = { .high = 7, .low = 7 };

static bool formats_as(struct hash_key hash_key, const char *text)
{
    uint8_t memory[HASH_KEY_DECIMAL_CAPACITY];
    struct bytes_writer writer = bytes_writer_on(memory, sizeof(memory));

    hash_key_format(hash_key, &writer);
    return !writer.overrun && bytes_equal_text(bytes_written(&writer), text);
}

START_TEST(partition_key_hashes_to_its_md5_as_a_big_endian_number)
{
    /* MD5("a") is 0cc175b9c0f1b6a831c399e269772661 (RFC 1321). */
    struct hash_key hash_key = hash_key_of_partition_key(bytes_of_text("a"));

    ck_assert_uint_eq(hash_key.high, UINT64_C(0x0cc175b9c0f1b6a8));
    ck_assert_uint_eq(hash_key.low, UINT64_C(0x31c399e269772661));
    ck_assert(formats_as(hash_key, "16955237001963240173058271559858726497"));
}
END_TEST

START_TEST(decimal_text_survives_the_way_there_and_back)
{
    static const char *const texts[] = {
        "0",
        "1",
        "9",
        "10",
        "18446744073709551615",
        "18446744073709551616",
        "170141183460469231731687303715884105727",
        "170141183460469231731687303715884105728",
        "340282366920938463463374607431768211455",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct hash_key hash_key = none;

        ck_assert(hash_key_parse(bytes_of_text(texts[i]), &hash_key));
        ck_assert(formats_as(hash_key, texts[i]));
    }
}
END_TEST

START_TEST(halves_are_in_their_places)
{
    struct hash_key hash_key;

    ck_assert(hash_key_parse(bytes_of_text("18446744073709551617"), &hash_key));
    ck_assert_uint_eq(hash_key.high, 1);
    ck_assert_uint_eq(hash_key.low, 1);
    ck_assert(
        formats_as(HASH_KEY_MOST, "340282366920938463463374607431768211455"));
}
END_TEST

START_TEST(what_kinesis_would_not_write_is_refused)
{
    static const char *const texts[] = {
        "",
        "00",
        "01",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1e3",
        "0x10",
        "1/",
        "1:",
        "340282366920938463463374607431768211456",
        "999999999999999999999999999999999999999",
        "1000000000000000000000000000000000000000",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct hash_key hash_key = none;

        ck_assert_msg(!hash_key_parse(bytes_of_text(texts[i]), &hash_key),
                      "\"%s\" was taken", texts[i]);
        ck_assert(hash_key_equal(hash_key, none));
    }
}
END_TEST

START_TEST(order_is_by_the_high_half_then_by_the_low_one)
{
    static const struct hash_key ascending[] = {
        { 0, 0 },
        { 0, 1 },
        { 0, UINT64_MAX },
        { 1, 0 },
        { 1, UINT64_MAX },
        { UINT64_MAX, 0 },
        { UINT64_MAX, UINT64_MAX },
    };

    for (size_t i = 0; i < ARRAY_LENGTH(ascending); i++) {
        for (size_t j = 0; j < ARRAY_LENGTH(ascending); j++) {
            int order = hash_key_compare(ascending[i], ascending[j]);

            ck_assert_int_eq((order > 0) - (order < 0), (i > j) - (i < j));
            ck_assert_int_eq(hash_key_equal(ascending[i], ascending[j]),
                             i == j);
        }
    }
}
END_TEST

START_TEST(next_carries_into_the_high_half)
{
    struct hash_key carried =
        hash_key_next((struct hash_key){ .high = 4, .low = UINT64_MAX });

    ck_assert(hash_key_equal(carried, (struct hash_key){ 5, 0 }));
    ck_assert(
        hash_key_equal(hash_key_next(carried), (struct hash_key){ 5, 1 }));
    ck_assert(hash_key_equal(hash_key_next(HASH_KEY_MOST),
                             (struct hash_key){ 0, 0 }));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hash_key");
    TCase *keys = tcase_create("hash keys");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(keys,
                   partition_key_hashes_to_its_md5_as_a_big_endian_number);
    tcase_add_test(keys, decimal_text_survives_the_way_there_and_back);
    tcase_add_test(keys, halves_are_in_their_places);
    tcase_add_test(keys, what_kinesis_would_not_write_is_refused);
    tcase_add_test(keys, order_is_by_the_high_half_then_by_the_low_one);
    tcase_add_test(keys, next_carries_into_the_high_half);
    suite_add_tcase(suite, keys);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
