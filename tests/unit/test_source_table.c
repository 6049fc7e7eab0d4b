/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "shard/segment_name.h"
#include "shard/shared_word.h"
#include "shard/source_table.h"

static struct segment_name name;
static struct source_table table;

static void set_up(void)
{
    char bridge[32];

    (void)snprintf(bridge, sizeof(bridge), "test-sources-%d", (int)getpid());
    name = segment_name_of(bridge, "sources");
    ck_assert_int_eq(source_table_open(name.text, &table), 0);
}

static void tear_down(void)
{
    source_table_close(&table);
    (void)shared_memory_remove(name.text);
}

static void restart(void)
{
    source_table_close(&table);
    ck_assert_int_eq(source_table_open(name.text, &table), 0);
}

static unsigned intern(const char *source_name)
{
    uint16_t source = UINT16_MAX;

    ck_assert_int_eq(source_table_intern(&table, source_name, &source), 0);
    return source;
}

START_TEST(names_are_numbered_in_the_order_of_meeting)
{
    ck_assert_uint_eq(intern("one:4150 orders bridge"), 0);
    ck_assert_uint_eq(intern("two:4150 orders bridge"), 1);
    ck_assert_uint_eq(intern("one:4150 orders other"), 2);

    ck_assert_uint_eq(intern("two:4150 orders bridge"), 1);
    ck_assert_uint_eq(intern("one:4150 orders bridge"), 0);
    ck_assert_uint_eq(load_acquire(&table.segment->count), 3);
}
END_TEST

START_TEST(name_that_begins_another_is_not_that_other)
{
    ck_assert_uint_eq(intern("one:4150"), 0);
    ck_assert_uint_eq(intern("one:41500"), 1);
    ck_assert_uint_eq(intern("one:415"), 2);
    ck_assert_uint_eq(intern(""), 3);
    ck_assert_uint_eq(intern("one:4150"), 0);
}
END_TEST

START_TEST(numbers_keep_their_meaning_over_a_restart)
{
    (void)intern("one:4150 orders bridge");
    (void)intern("two:4150 orders bridge");

    restart();

    ck_assert_uint_eq(intern("two:4150 orders bridge"), 1);
    ck_assert_uint_eq(intern("new:4150 orders bridge"), 2);
    ck_assert_str_eq(table.segment->rows[0].name, "one:4150 orders bridge");
}
END_TEST

START_TEST(row_that_was_not_counted_never_existed)
{
    /* Killed after the row, before `count`. */
    (void)intern("one:4150");
    (void)snprintf(table.segment->rows[1].name, SOURCE_NAME_CAPACITY, "torn");

    restart();

    ck_assert_uint_eq(intern("two:4150"), 1);
    ck_assert_str_eq(table.segment->rows[1].name, "two:4150");
}
END_TEST

START_TEST(full_table_refuses_new_names_and_knows_the_old)
{
    char text[32];
    uint16_t source = 77;

    for (unsigned i = 0; i < SOURCES_MOST; i++) {
        (void)snprintf(text, sizeof(text), "nsqd-%u:4150", i);
        ck_assert_uint_eq(intern(text), i);
    }
    ck_assert_int_eq(source_table_intern(&table, "one more", &source),
                     SOURCE_TABLE_FULL);

    ck_assert_uint_eq(source, 77);
    ck_assert_uint_eq(intern("nsqd-1023:4150"), SOURCES_MOST - 1);
    restart();
    ck_assert_uint_eq(intern("nsqd-0:4150"), 0);
}
END_TEST

START_TEST(name_of_any_length_is_cut_and_stays_one_source)
{
    char text[2 * SOURCE_NAME_CAPACITY];

    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';

    ck_assert_uint_eq(intern(text), 0);
    ck_assert_uint_eq(intern(text), 0);
    ck_assert_uint_eq(strlen(table.segment->rows[0].name),
                      SOURCE_NAME_CAPACITY - 1);
}
END_TEST

START_TEST(incarnations_never_repeat_not_even_after_a_restart)
{
    uint32_t last = 0;

    for (int start = 0; start < 5; start++) {
        for (int i = 0; i < 100; i++) {
            uint32_t next = source_table_next_incarnation(&table);

            ck_assert_uint_gt(next, last);
            last = next;
        }
        restart();
    }
}
END_TEST

START_TEST(incarnation_zero_is_never_given)
{
    store_relaxed(&table.segment->incarnations, UINT32_MAX - 1);

    ck_assert_uint_eq(source_table_next_incarnation(&table), UINT32_MAX);
    ck_assert_uint_eq(source_table_next_incarnation(&table), 1);
    ck_assert_uint_eq(source_table_next_incarnation(&table), 2);
}
END_TEST

static uint32_t next_incarnation(void)
{
    return source_table_next_incarnation(&table);
}

/* Replaced by an empty one; the old one is there to be looked at. */
static void expect_replaced(void)
{
    struct segment_name aside = segment_name_of_damaged(&name);
    struct shared_memory old = SHARED_MEMORY_NULL;

    restart();
    ck_assert(table.was_replaced);
    ck_assert_uint_eq(load_acquire(&table.segment->count), 0);
    ck_assert_int_ne(shared_memory_open(aside.text, SHARED_MEMORY_READ,
                                        SOURCE_MAGIC, SOURCE_VERSION, &old),
                     SHARED_MEMORY_ABSENT);
    shared_memory_close(&old);
    ck_assert_int_eq(shared_memory_remove(aside.text), 0);
    restart();
    ck_assert(!table.was_replaced);
}

START_TEST(table_that_cannot_be_true_is_set_aside)
{
    if (_i == 0)
        store_relaxed(&table.segment->count, SOURCES_MOST + 1);
    else if (_i == 1)
        table.segment->head.version++;
    else if (_i == 2) /* killed between making and publishing */
        atomic_store(&table.segment->head.magic, 0);
    else
        ck_assert_int_eq(
            ftruncate(table.memory.descriptor, sizeof(struct segment_head)), 0);

    expect_replaced();
}
END_TEST

/* Or a record of before could be FINed by a connection that never had it. */
START_TEST(incarnations_of_a_replaced_table_follow_the_clock)
{
    uint32_t ticks;
    uint32_t ahead;

    atomic_store(&table.segment->head.magic, 0);
    restart();
    ticks = (uint32_t)(clock_wall_time().ns / (NS_PER_SECOND / 64));

    ahead = next_incarnation() - ticks;
    ck_assert_msg((int32_t)ahead > -640 && (int32_t)ahead < 640, "%u", ahead);
    ck_assert_int_eq(shared_memory_remove(segment_name_of_damaged(&name).text),
                     0);
}
END_TEST

START_TEST(full_table_is_sound)
{
    store_relaxed(&table.segment->count, SOURCES_MOST);
    restart();

    ck_assert(!table.was_replaced);
    ck_assert_uint_eq(load_acquire(&table.segment->count), SOURCES_MOST);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("source_table");
    TCase *sources = tcase_create("sources");
    TCase *damage = tcase_create("damage");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(sources, set_up, tear_down);
    tcase_add_test(sources, names_are_numbered_in_the_order_of_meeting);
    tcase_add_test(sources, name_that_begins_another_is_not_that_other);
    tcase_add_test(sources, numbers_keep_their_meaning_over_a_restart);
    tcase_add_test(sources, full_table_refuses_new_names_and_knows_the_old);
    tcase_add_test(sources, name_of_any_length_is_cut_and_stays_one_source);
    tcase_add_test(sources, incarnations_never_repeat_not_even_after_a_restart);
    tcase_add_test(sources, incarnation_zero_is_never_given);
    suite_add_tcase(suite, sources);
    tcase_add_checked_fixture(damage, set_up, tear_down);
    tcase_add_test(damage, row_that_was_not_counted_never_existed);
    tcase_add_loop_test(damage, table_that_cannot_be_true_is_set_aside, 0, 4);
    tcase_add_test(damage, incarnations_of_a_replaced_table_follow_the_clock);
    tcase_add_test(damage, full_table_is_sound);
    suite_add_tcase(suite, damage);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
