/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "egress/balanced_key.h"
#include "egress/kinesis_limits.h"

static bool is_within(struct hash_key hash_key, struct hash_key first,
                      struct hash_key last)
{
    return hash_key_compare(first, hash_key) <= 0 &&
           hash_key_compare(hash_key, last) <= 0;
}

START_TEST(whole_range_takes_the_first_counter)
{
    char key[BALANCED_KEY_CAPACITY];
    struct hash_key hash_key;

    ck_assert_int_eq(balanced_key_find((struct hash_key){ 0, 0 }, HASH_KEY_MOST,
                                       key, &hash_key),
                     0);
    ck_assert_str_eq(key, "0");
    ck_assert(hash_key_equal(hash_key,
                             hash_key_of_partition_key(bytes_of_text("0"))));
}
END_TEST

START_TEST(key_is_found_even_if_it_is_the_only_hash_of_the_range)
{
    static const char *const wanted[] = { "7", "z", "10", "zz", "100", "abc" };

    for (size_t i = 0; i < ARRAY_LENGTH(wanted); i++) {
        struct hash_key only =
            hash_key_of_partition_key(bytes_of_text(wanted[i]));
        char key[BALANCED_KEY_CAPACITY];
        struct hash_key hash_key;

        ck_assert_int_eq(balanced_key_find(only, only, key, &hash_key), 0);
        ck_assert_str_eq(key, wanted[i]);
        ck_assert(hash_key_equal(hash_key, only));
    }
}
END_TEST

START_TEST(every_shard_of_a_large_stream_gets_a_short_key)
{
    uint64_t step = UINT64_MAX / 1000;

    for (uint64_t i = 0; i < 1000; i++) {
        struct hash_key first = { i * step, 0 };
        struct hash_key last = { (i + 1) * step - 1, UINT64_MAX };
        char key[BALANCED_KEY_CAPACITY];
        char again[BALANCED_KEY_CAPACITY];
        struct hash_key hash_key;

        ck_assert_int_eq(balanced_key_find(first, last, key, &hash_key), 0);
        ck_assert(is_within(hash_key, first, last));
        ck_assert(is_within(hash_key_of_partition_key(bytes_of_text(key)),
                            first, last));
        ck_assert_uint_le(strlen(key), 4);
        ck_assert_int_eq(balanced_key_find(first, last, again, &hash_key), 0);
        ck_assert_str_eq(again, key);
    }
}
END_TEST

START_TEST(narrowest_shard_of_the_largest_stream_gets_a_key)
{
    /* The last of the most shards a stream can have. */
    struct hash_key first = {
        UINT64_MAX - UINT64_MAX / KINESIS_SHARDS_MOST,
        0,
    };
    char key[BALANCED_KEY_CAPACITY];
    struct hash_key hash_key;

    ck_assert_int_eq(balanced_key_find(first, HASH_KEY_MOST, key, &hash_key),
                     0);
    ck_assert(is_within(hash_key, first, HASH_KEY_MOST));
}
END_TEST

START_TEST(range_too_narrow_to_hit_is_given_up)
{
    struct hash_key first = { 5, 5 };
    struct hash_key last = { 5, 500 };
    char key[BALANCED_KEY_CAPACITY] = "kept";
    struct hash_key hash_key = { 9, 9 };

    ck_assert_int_eq(balanced_key_find(first, last, key, &hash_key),
                     BALANCED_KEY_NOT_FOUND);
    ck_assert_str_eq(key, "kept");
    ck_assert_uint_eq(hash_key.high, 9);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("balanced_key");
    TCase *finding = tcase_create("finding");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(finding, whole_range_takes_the_first_counter);
    tcase_add_test(finding,
                   key_is_found_even_if_it_is_the_only_hash_of_the_range);
    tcase_add_test(finding, every_shard_of_a_large_stream_gets_a_short_key);
    tcase_add_test(finding, narrowest_shard_of_the_largest_stream_gets_a_key);
    tcase_add_test(finding, range_too_narrow_to_hit_is_given_up);
    tcase_set_timeout(finding, 60);
    suite_add_tcase(suite, finding);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
