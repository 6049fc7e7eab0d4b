/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "common/random.h"
#include "ingest/byte_store.h"

START_TEST(bytes_come_out_in_the_order_they_went_in)
{
    struct byte_store store;
    struct random random;
    uint8_t written = 0;
    uint8_t read = 0;

    random_seed(&random, 7);
    byte_store_init(&store, 20000);
    for (int turn = 0; turn < 5000; turn++) {
        uint8_t chunk[512];
        size_t length = random_below(&random, sizeof(chunk));
        struct bytes view;

        for (size_t i = 0; i < length; i++)
            chunk[i] = (uint8_t)(written + i);
        if (byte_store_append(&store, bytes_of(chunk, length)) == 0)
            written = (uint8_t)(written + length);
        view = byte_store_view(&store);
        length = random_below(&random, view.length + 1);
        for (size_t i = 0; i < length; i++)
            ck_assert_uint_eq(view.data[i], read++);
        byte_store_take(&store, length);
        ck_assert_uint_le(store.capacity, 20000);
    }
    byte_store_release(&store);
}
END_TEST

START_TEST(store_takes_exactly_its_bound_and_refuses_one_more)
{
    struct byte_store store;

    byte_store_init(&store, 10);
    ck_assert_int_eq(byte_store_append(&store, bytes_of_text("0123456789")), 0);
    ck_assert_int_eq(byte_store_append(&store, bytes_of_text("x")),
                     BYTE_STORE_FULL);
    ck_assert(bytes_equal_text(byte_store_view(&store), "0123456789"));
    byte_store_take(&store, 1);
    ck_assert_int_eq(byte_store_append(&store, bytes_of_text("x")), 0);
    ck_assert(bytes_equal_text(byte_store_view(&store), "123456789x"));
    ck_assert_int_eq(byte_store_reserve(&store, SIZE_MAX), BYTE_STORE_FULL);
    byte_store_release(&store);
}
END_TEST

START_TEST(what_was_taken_can_be_put_back)
{
    struct byte_store store;

    byte_store_init(&store, 100);
    ck_assert_int_eq(byte_store_append(&store, bytes_of_text("abc")), 0);
    byte_store_take(&store, 3);
    byte_store_put_back(&store, 2);

    ck_assert(bytes_equal_text(byte_store_view(&store), "bc"));
    byte_store_release(&store);
}
END_TEST

START_TEST(steady_use_allocates_once)
{
    struct byte_store store;
    uint8_t *memory;

    byte_store_init(&store, 1 << 20);
    ck_assert_int_eq(byte_store_append(&store, bytes_of_text("first")), 0);
    memory = store.memory;
    for (int turn = 0; turn < 10000; turn++) {
        ck_assert_int_eq(byte_store_append(&store, bytes_of_text("again")), 0);
        byte_store_take(&store, 5);
        ck_assert_ptr_eq(store.memory, memory);
    }
    byte_store_release(&store);
    ck_assert_uint_eq(byte_store_view(&store).length, 0);
}
END_TEST

START_TEST(empty_store_accepts_empty_bytes)
{
    struct byte_store store;

    byte_store_init(&store, 0);
    ck_assert_int_eq(byte_store_append(&store, bytes_of(NULL, 0)), 0);
    ck_assert_int_eq(byte_store_append(&store, bytes_of_text("x")),
                     BYTE_STORE_FULL);
    byte_store_release(&store);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("byte_store");
    TCase *content = tcase_create("content and bound");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(content, bytes_come_out_in_the_order_they_went_in);
    tcase_add_test(content, store_takes_exactly_its_bound_and_refuses_one_more);
    tcase_add_test(content, what_was_taken_can_be_put_back);
    tcase_add_test(content, steady_use_allocates_once);
    tcase_add_test(content, empty_store_accepts_empty_bytes);
    suite_add_tcase(suite, content);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
