/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/counters.h"

struct fruit_counters {
    _Atomic uint64_t apples;
    _Atomic uint64_t pears;
};

static const struct counter_row fruit_rows[] = {
    { "apples", UNIT_COUNT, "apples seen",
      offsetof(struct fruit_counters, apples) },
    { "pears", UNIT_GAUGE, "pears on the table",
      offsetof(struct fruit_counters, pears) },
};

static char name[64];
static struct shared_memory memory;
static struct fruit_counters *fruit;

static int open_fruit(size_t row_count)
{
    void *values = NULL;
    int result = counters_open(name, fruit_rows, row_count,
                               sizeof(struct fruit_counters), &memory, &values);

    fruit = values;
    return result;
}

static void set_up(void)
{
    (void)snprintf(name, sizeof(name), "/nsq_to_kinesis.counters.%d", getpid());
    memory = SHARED_MEMORY_NULL;
    ck_assert_int_eq(shared_memory_remove(name), 0);
    ck_assert_int_eq(open_fruit(2), 0);
}

static void tear_down(void)
{
    shared_memory_close(&memory);
    (void)shared_memory_remove(name);
}

START_TEST(reader_finds_values_with_their_meaning)
{
    struct counter_view view;

    counter_add(&fruit->apples, 2);
    counter_add(&fruit->apples, 3);
    counter_set(&fruit->pears, UINT64_MAX);

    ck_assert_uint_eq(counters_count(&memory), 2);
    ck_assert(counters_read(&memory, 0, &view));
    ck_assert_str_eq(view.name, "apples");
    ck_assert_str_eq(view.meaning, "apples seen");
    ck_assert_int_eq(view.unit, UNIT_COUNT);
    ck_assert_uint_eq(view.value, 5);
    ck_assert(counters_read(&memory, 1, &view));
    ck_assert_uint_eq(view.value, UINT64_MAX);
    ck_assert(!counters_read(&memory, 2, &view));
}
END_TEST

START_TEST(restart_goes_on_counting)
{
    counter_add(&fruit->apples, 7);
    shared_memory_close(&memory);

    ck_assert_int_eq(open_fruit(2), 0);
    ck_assert_uint_eq(fruit->apples, 7);
}
END_TEST

START_TEST(other_rows_begin_again)
{
    counter_add(&fruit->apples, 7);
    shared_memory_close(&memory);

    ck_assert_int_eq(open_fruit(1), 0);
    ck_assert_uint_eq(counters_count(&memory), 1);
    ck_assert_uint_eq(fruit->apples, 0);
}
END_TEST

START_TEST(half_made_and_foreign_segments_are_replaced)
{
    shared_memory_close(&memory);
    ck_assert_int_eq(shared_memory_remove(name), 0);
    ck_assert_int_eq(shared_memory_create(name, 4096, &memory), 0);
    shared_memory_close(&memory);

    ck_assert_int_eq(open_fruit(2), 0);
    ck_assert_uint_eq(counters_count(&memory), 2);
}
END_TEST

/* A reader must stay inside whatever the bytes of the segment say. */
START_TEST(damaged_segment_is_never_read_outside)
{
    size_t length = memory.length;
    uint8_t *copy = malloc(length);
    struct shared_memory damaged = { .address = copy, .length = length };

    ck_assert_ptr_nonnull(copy);
    for (size_t place = 64; place < length; place++) {
        static const uint8_t patterns[] = { 0x00, 0x01, 0x7f, 0xff };

        for (size_t i = 0; i < ARRAY_LENGTH(patterns); i++) {
            struct counter_view view;
            size_t count;

            memcpy(copy, memory.address, length);
            copy[place] = patterns[i];
            count = counters_count(&damaged);
            ck_assert_uint_le(count, length);
            for (size_t row = 0; row <= count; row++)
                if (counters_read(&damaged, row, &view))
                    ck_assert_uint_lt(strlen(view.name), sizeof(view.name));
        }
    }
    for (damaged.length = 0; damaged.length < length; damaged.length++)
        (void)counters_count(&damaged);
    damaged.length = 80;
    ck_assert_uint_eq(counters_count(&damaged), 0);
    free(copy);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("counters");
    TCase *segment = tcase_create("segment");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(segment, set_up, tear_down);
    tcase_add_test(segment, reader_finds_values_with_their_meaning);
    tcase_add_test(segment, restart_goes_on_counting);
    tcase_add_test(segment, other_rows_begin_again);
    tcase_add_test(segment, half_made_and_foreign_segments_are_replaced);
    tcase_add_test(segment, damaged_segment_is_never_read_outside);
    suite_add_tcase(suite, segment);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
