/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shard/layout.h"
#include "shard/queue_layout.h"
#include "shard/segment_name.h"

static struct segment_name name;
static struct layout_queue queues[3];
static struct layout made;

static void make_plan(void)
{
    char bridge[32];

    (void)snprintf(bridge, sizeof(bridge), "test-%d", (int)getpid());
    name = segment_name_of(bridge, "layout");
    queues[0] = (struct layout_queue){ { 0, 0 }, { 4, 9 }, "shardId-0" };
    queues[1] =
        (struct layout_queue){ { 4, 10 }, { 7, UINT64_MAX }, "shardId-1" };
    queues[2] = (struct layout_queue){ { 8, 0 }, HASH_KEY_MOST, "shardId-2" };
    made = (struct layout){
        .generation = 3,
        .instance = 77,
        .queue_capacity = QUEUE_CAPACITY_LEAST,
        .max_record_size = 1024 * 1024,
        .queue_count = 3,
        .queues = queues,
    };
}

static void remove_segment(void)
{
    (void)shared_memory_remove(name.text);
}

START_TEST(layout_is_read_as_it_was_written)
{
    struct layout read;

    ck_assert_int_eq(layout_create(name.text, &made), 0);
    ck_assert_int_eq(layout_read(name.text, &read), 0);

    ck_assert_uint_eq(read.generation, 3);
    ck_assert_uint_eq(read.instance, 77);
    ck_assert_uint_eq(read.queue_capacity, QUEUE_CAPACITY_LEAST);
    ck_assert_uint_eq(read.max_record_size, 1024 * 1024);
    ck_assert_uint_eq(read.queue_count, 3);
    ck_assert_str_eq(read.queues[1].shard_id, "shardId-1");
    ck_assert(hash_key_equal(read.queues[2].last, HASH_KEY_MOST));
    layout_deinit(&read);
}
END_TEST

START_TEST(every_hash_key_has_its_queue)
{
    make_plan();

    ck_assert_uint_eq(layout_find_queue(&made, (struct hash_key){ 0, 0 }), 0);
    ck_assert_uint_eq(layout_find_queue(&made, (struct hash_key){ 4, 9 }), 0);
    ck_assert_uint_eq(layout_find_queue(&made, (struct hash_key){ 4, 10 }), 1);
    ck_assert_uint_eq(layout_find_queue(&made, (struct hash_key){ 8, 0 }), 2);
    ck_assert_uint_eq(layout_find_queue(&made, HASH_KEY_MOST), 2);
}
END_TEST

START_TEST(drift_is_in_the_ranges_and_not_in_the_names)
{
    struct shard_map_row rows[4];
    struct shard_map map;
    uint32_t split;

    make_plan();
    for (size_t i = 0; i < 3; i++) {
        rows[i] = (struct shard_map_row){ .first = queues[i].first,
                                          .last = queues[i].last };
        (void)snprintf(rows[i].shard_id, sizeof(rows[i].shard_id),
                       "shardId-%zu", 7 + i);
    }
    ck_assert_int_eq(shard_map_build(&map, rows, 3), 0);
    ck_assert_uint_eq(layout_drift(&made, &map), 0);

    rows[0].last = (struct hash_key){ 4, 8 };
    rows[1].first = (struct hash_key){ 4, 9 };
    ck_assert_int_eq(shard_map_build(&map, rows, 3), 0);
    ck_assert_uint_ne(layout_drift(&made, &map), 0);

    rows[3] = rows[2];
    rows[2].last = (struct hash_key){ 9, 0 };
    rows[3].first = (struct hash_key){ 9, 1 };
    (void)snprintf(rows[3].shard_id, sizeof(rows[3].shard_id), "shardId-10");
    ck_assert_int_eq(shard_map_build(&map, rows, 4), 0);
    split = layout_drift(&made, &map);
    ck_assert_uint_ne(split & INT32_MAX, 0);
    ck_assert_uint_eq(layout_drift(&made, &map), split);

    rows[2].last = (struct hash_key){ 10, 0 };
    rows[3].first = (struct hash_key){ 10, 1 };
    ck_assert_uint_ne(layout_drift(&made, &map), split);
}
END_TEST

/* Even ranges are found by a product, uneven ones by a search. */
START_TEST(borders_of_even_and_uneven_ranges_are_found)
{
    static struct layout_queue rows[100];
    struct layout layout = { .queues = rows };

    for (size_t count = 1; count <= ARRAY_LENGTH(rows); count++) {
        for (unsigned bend = 0; bend < 3; bend++) {
            uint64_t width = UINT64_MAX / count;

            layout.queue_count = count;
            for (size_t i = 0; i < count; i++) {
                rows[i].first = (struct hash_key){ (width >> bend) * i, 0 };
                rows[i].last = (struct hash_key){ (width >> bend) * (i + 1) - 1,
                                                  UINT64_MAX };
            }
            rows[count - 1].last = HASH_KEY_MOST;
            for (size_t i = 0; i < count; i++) {
                ck_assert_uint_eq(layout_find_queue(&layout, rows[i].first), i);
                ck_assert_uint_eq(layout_find_queue(&layout, rows[i].last), i);
            }
        }
    }
}
END_TEST

START_TEST(ranges_with_a_gap_an_overlap_or_an_open_end_are_refused)
{
    struct layout read;

    if (_i == 0)
        queues[1].first.low++;
    else if (_i == 1)
        queues[1].first.low--;
    else if (_i == 2)
        queues[2].last.low--;
    else
        memset(queues[0].shard_id, 'x', sizeof(queues[0].shard_id));
    ck_assert_int_eq(layout_create(name.text, &made), 0);

    ck_assert_int_lt(layout_read(name.text, &read), 0);
    ck_assert_ptr_null(read.queues);
}
END_TEST

/* (M3) */
START_TEST(each_changed_byte_is_noticed)
{
    struct shared_memory memory = SHARED_MEMORY_NULL;
    struct layout read;
    uint8_t *bytes;

    ck_assert_int_eq(layout_create(name.text, &made), 0);
    ck_assert_int_eq(shared_memory_open(name.text, SHARED_MEMORY_WRITE,
                                        LAYOUT_MAGIC, LAYOUT_VERSION, &memory),
                     0);
    bytes = memory.address;
    for (size_t i = sizeof(struct segment_head); i < memory.length; i++) {
        bytes[i] ^= (uint8_t)(1U << i % 8);
        ck_assert_msg(layout_read(name.text, &read) == -EUCLEAN, "byte %zu", i);
        ck_assert_ptr_null(read.queues);
        bytes[i] ^= (uint8_t)(1U << i % 8);
    }
    ck_assert_int_eq(layout_read(name.text, &read), 0);
    layout_deinit(&read);
    shared_memory_close(&memory);
}
END_TEST

START_TEST(absent_layout_is_an_error)
{
    struct layout read;

    ck_assert_int_lt(layout_read("/nsq_to_kinesis.no-such.layout", &read), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("layout");
    TCase *layouts = tcase_create("layouts");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(layouts, make_plan, remove_segment);
    tcase_add_test(layouts, layout_is_read_as_it_was_written);
    tcase_add_test(layouts, every_hash_key_has_its_queue);
    tcase_add_test(layouts, drift_is_in_the_ranges_and_not_in_the_names);
    tcase_add_test(layouts, borders_of_even_and_uneven_ranges_are_found);
    tcase_add_loop_test(
        layouts, ranges_with_a_gap_an_overlap_or_an_open_end_are_refused, 0, 4);
    tcase_add_test(layouts, each_changed_byte_is_noticed);
    tcase_add_test(layouts, absent_layout_is_an_error);
    suite_add_tcase(suite, layouts);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
