/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What an earlier life of a bridge left, in all states of repair, and what the
 * survey makes of it. (M3, M10, P15)
 */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "egress/segments.h"
#include "shard/layout.h"
#include "shard/queue_check.h"
#include "shard/shared_word.h"
#include "shard/wakeup.h"
#include "tests/support/queue_fixture.h"

#define SHARDS 3

static struct options options;
static struct shard_map_row rows[SHARDS + 1];
static struct survey survey;
static struct random lots;
static struct segments_report report;
static char bridge[32];

/* So many shards; each starts where the one before ends. */
static void divide(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        rows[i] = (struct shard_map_row){
            .first = { .high = i == 0 ? 0 : i << 60, .low = 0 },
            .last = { .high = (i + 1) << 60, .low = 0 },
        };
        rows[i].last.high--;
        rows[i].last.low = UINT64_MAX;
        (void)snprintf(rows[i].shard_id, sizeof(rows[i].shard_id), "shard-%zu",
                       i);
    }
    rows[count - 1].last = HASH_KEY_MOST;
    survey.map = (struct shard_map){ .rows = rows, .count = count };
}

static struct segment_name queue_name(size_t index)
{
    return segment_name_of_queue(bridge, 1, (uint32_t)index);
}

static void remove_all(void)
{
    static const char *const parts[] = { "layout", "wakeup" };

    for (size_t i = 0; i < 2 * SHARDS; i++) {
        struct segment_name name =
            i < 2 ? segment_name_of(bridge, parts[i]) : queue_name(i - 2);
        struct segment_name damaged = segment_name_of_damaged(&name);

        (void)shared_memory_remove(name.text);
        (void)shared_memory_remove(damaged.text);
    }
}

static void provide(void)
{
    int result = segments_provide(&options, &survey, &lots, &report);

    ck_assert_msg(result == 0, "%s", error_take(result));
}

/* A first life, with a record in each queue. */
static void set_up(void)
{
    (void)snprintf(bridge, sizeof(bridge), "test-%d", (int)getpid());
    options_init(&options);
    options.name = bridge;
    options.generation = 1;
    options.queue_size = QUEUE_CAPACITY_LEAST;
    random_seed(&lots, 3);
    survey.summary.max_record_size = 1000;
    divide(SHARDS);
    remove_all();
    provide();
    ck_assert_int_eq(report.origin, SEGMENTS_MADE);
    for (size_t i = 0; i < SHARDS; i++) {
        struct queue_producer producer;

        ck_assert_int_eq(queue_producer_open(queue_name(i).text, &producer), 0);
        ck_assert_int_eq(queue_fixture_write(&producer, i, 100), 0);
        queue_publish(&producer);
        queue_producer_close(&producer);
    }
}

static void change_file(const char *name, off_t place, uint8_t mask)
{
    int descriptor = shm_open(name, O_RDWR | O_CLOEXEC, 0);
    uint8_t byte;

    ck_assert_int_ge(descriptor, 0);
    if (pread(descriptor, &byte, 1, place) == 1) { /* else it is shorter */
        byte ^= mask;
        ck_assert_int_eq(pwrite(descriptor, &byte, 1, place), 1);
    }
    (void)close(descriptor);
}

static void cut_file(const char *name, off_t length)
{
    int descriptor = shm_open(name, O_RDWR | O_CLOEXEC, 0);

    ck_assert_int_ge(descriptor, 0);
    ck_assert_int_eq(ftruncate(descriptor, length), 0);
    (void)close(descriptor);
}

static bool is_there(struct segment_name name)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "/dev/shm%s", name.text);
    return access(path, F_OK) == 0;
}

/* Queue `index` is there, sound, and has so many records. */
static void expect_records(size_t index, uint64_t count)
{
    struct layout layout;
    struct queue_census census;
    struct queue_plan plan;

    ck_assert_int_eq(
        layout_read(segment_name_of(bridge, "layout").text, &layout), 0);
    plan = layout_plan_of(&layout, index);
    ck_assert_int_eq(queue_check(queue_name(index).text, &plan, &census), 0);
    ck_assert_uint_eq(census.record_count, count);
    layout_deinit(&layout);
}

START_TEST(sound_queues_are_adopted_with_their_records)
{
    provide();

    ck_assert_int_eq(report.origin, SEGMENTS_ADOPTED);
    ck_assert_uint_eq(report.adopted_count, SHARDS);
    ck_assert_uint_eq(report.damage_count, 0);
    ck_assert_uint_eq(report.record_bytes, SHARDS * record_space(100));
    for (size_t i = 0; i < SHARDS; i++)
        expect_records(i, 1);
}
END_TEST

/* One change of the middle queue each. */
static const struct harm {
    off_t cut;     /* new length; 0: not cut */
    off_t place;   /* of the byte that is changed */
    mode_t mode;   /* new mode; 0: as it was */
    uint8_t mask;  /* the change */
    bool is_alien; /* something else under its name */
    const char *words;
} harms[] = {
    { .place = 0, .mask = 1, .words = "not made by this program" },
    { .place = 8, .mask = 1, .words = "has version 2" },
    { .place = 64, .mask = 0x10, .words = "sizes cannot be" },
    { .place = 72, .mask = 1, .words = "says that it is g1.q0" },
    { .place = 96, .mask = 1, .words = "other hash keys" },
    { .cut = 1, .words = "only 1 bytes" },
    { .cut = QUEUE_RING_OFFSET, .words = "has 8192 bytes and says it has" },
    { .mode = 0666, .words = "open to others" },
    { .place = QUEUE_POSITIONS_OFFSET, .mask = 1, .words = "positions" },
    { .place = QUEUE_POSITIONS_OFFSET + 2,
      .mask = 1,
      .words = "positions that cannot be" },
    { .place = QUEUE_POSITIONS_OFFSET,
      .mask = 0xff,
      .words = "positions that cannot be" },
    { .place = QUEUE_RING_OFFSET, .mask = 1, .words = "not what ingest wrote" },
    { .place = QUEUE_RING_OFFSET, .mask = 8, .words = "no record at 0" },
    { .place = QUEUE_RING_OFFSET + 5, .mask = 1, .words = "verdict" },
    { .place = QUEUE_RING_OFFSET + 80,
      .mask = 0x80,
      .words = "record at 0 that is not what ingest wrote" },
    { .is_alien = true, .words = "only 0 bytes" },
};

static void do_harm(const struct harm *harm, const char *name)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "/dev/shm%s", name);
    if (harm->cut)
        cut_file(name, harm->cut);
    if (harm->mode)
        ck_assert_int_eq(chmod(path, harm->mode), 0);
    if (harm->mask)
        change_file(name, harm->place, harm->mask);
    if (harm->is_alien)
        cut_file(name, 0);
}

START_TEST(queues_that_somebody_still_works_on_are_left_alone)
{
    struct queue_consumer consumer;
    int result;

    ck_assert_int_eq(queue_consumer_open(queue_name(1).text, 0, &consumer), 0);
    divide(SHARDS - 1);
    result = segments_provide(&options, &survey, &lots, &report);
    ck_assert_int_eq(result, -EBUSY);
    ck_assert_ptr_nonnull(strstr(error_take(result), "earlier life"));
    queue_consumer_close(&consumer);

    provide();
    ck_assert_uint_eq(report.adopted_count, SHARDS);
}
END_TEST

START_TEST(damaged_queue_is_set_aside_and_the_others_are_as_good_as_before)
{
    struct segment_name name = queue_name(1);

    do_harm(&harms[_i], name.text);
    provide();

    ck_assert_int_eq(report.origin, SEGMENTS_ADOPTED);
    ck_assert_uint_eq(report.adopted_count, SHARDS - 1);
    ck_assert_uint_eq(report.damage_count, 1);
    ck_assert_str_eq(report.damages[0].name.text, name.text);
    ck_assert_msg(strstr(report.damages[0].why, harms[_i].words) != NULL,
                  "no \"%s\" in \"%s\"", harms[_i].words,
                  report.damages[0].why);
    ck_assert(is_there(segment_name_of_damaged(&name)));
    expect_records(0, 1);
    expect_records(1, 0);
    expect_records(2, 1);
    provide();
    ck_assert_uint_eq(report.damage_count, 0);
    ck_assert_uint_eq(report.adopted_count, SHARDS);
}
END_TEST

/* (M10) not even root goes on with what somebody else may write. */
START_TEST(queue_of_another_user_is_set_aside)
{
    struct segment_name name = queue_name(1);
    char path[256];

    if (geteuid() != 0)
        return;
    (void)snprintf(path, sizeof(path), "/dev/shm%s", name.text);
    ck_assert_int_eq(chown(path, 1234, 1234), 0);
    provide();

    ck_assert_uint_eq(report.damage_count, 1);
    ck_assert_str_eq(report.damages[0].why, "belongs to user 1234");
    expect_records(1, 0);
}
END_TEST

/* (M10) */
START_TEST(link_in_the_place_of_a_queue_is_not_followed)
{
    struct segment_name name = queue_name(1);
    struct segment_name victim = queue_name(2);
    char path[256];
    char target[256];

    (void)snprintf(path, sizeof(path), "/dev/shm%s", name.text);
    (void)snprintf(target, sizeof(target), "/dev/shm%s", victim.text);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(symlink(target, path), 0);
    provide();

    ck_assert_uint_eq(report.damage_count, 1);
    expect_records(1, 0);
    expect_records(2, 1);
}
END_TEST

START_TEST(second_damage_of_a_queue_takes_the_place_of_the_first)
{
    struct segment_name name = queue_name(1);

    for (int i = 0; i < 3; i++) {
        change_file(name.text, 0, 1);
        provide();
        ck_assert_uint_eq(report.damage_count, 1);
    }
    ck_assert(is_there(segment_name_of_damaged(&name)));
}
END_TEST

/* (M1) */
START_TEST(queue_that_somebody_removed_is_made_anew_and_missed)
{
    ck_assert_int_eq(shared_memory_remove(queue_name(2).text), 0);
    provide();

    ck_assert_uint_eq(report.missing_count, 1);
    ck_assert_uint_eq(report.adopted_count, 2);
    expect_records(1, 1);
    expect_records(2, 0);
}
END_TEST

START_TEST(queues_outlive_a_layout_that_was_damaged)
{
    struct segment_name layout = segment_name_of(bridge, "layout");

    change_file(layout.text, 70, 1);
    provide();

    ck_assert_uint_eq(report.damage_count, 1);
    ck_assert_uint_eq(report.adopted_count, SHARDS);
    ck_assert(is_there(segment_name_of_damaged(&layout)));
    for (size_t i = 0; i < SHARDS; i++)
        expect_records(i, 1);
}
END_TEST

START_TEST(queues_of_a_damaged_layout_that_are_not_wanted_are_set_aside)
{
    struct segment_name layout = segment_name_of(bridge, "layout");

    cut_file(layout.text, 100);
    divide(2);
    provide();

    ck_assert_uint_eq(report.queue_count, 2);
    ck_assert_uint_eq(report.adopted_count, 1); /* the first is as before */
    ck_assert_uint_eq(report.damage_count, 3);
    ck_assert(!is_there(queue_name(2)));
    expect_records(0, 1);
    expect_records(1, 0);
}
END_TEST

START_TEST(empty_queues_of_other_shards_are_replaced_without_a_word)
{
    remove_all();
    provide();
    divide(2);
    provide();

    ck_assert_int_eq(report.origin, SEGMENTS_REPLACED);
    ck_assert_uint_eq(report.queue_count, 2);
    ck_assert_uint_eq(report.damage_count, 0);
    ck_assert_uint_eq(report.missing_count, 0);
    ck_assert(!is_there(queue_name(2)));
}
END_TEST

/* By a survey that was killed: so many queues and then the layout. */
START_TEST(queues_that_are_dropped_in_part_are_replaced_without_a_word)
{
    remove_all();
    provide();
    for (int i = 0; i < _i && i < SHARDS; i++)
        ck_assert_int_eq(shared_memory_remove(queue_name((size_t)i).text), 0);
    if (_i > SHARDS)
        ck_assert_int_eq(
            shared_memory_remove(segment_name_of(bridge, "layout").text), 0);
    divide(2);
    provide();

    ck_assert_uint_eq(report.queue_count, 2);
    ck_assert_uint_eq(report.damage_count, 0);
    ck_assert_uint_eq(report.missing_count, 0);
    ck_assert(is_there(queue_name(1)));
    ck_assert(!is_there(queue_name(2)));
}
END_TEST

START_TEST(running_bridge_keeps_its_queues_if_there_is_no_room_for_others)
{
    remove_all();
    provide();
    divide(2);
    options.queue_size = UINT64_C(1) << 50;
    options.keep_queues = true;
    provide();

    ck_assert_int_eq(report.origin, SEGMENTS_ADOPTED);
    ck_assert_uint_eq(report.queue_count, SHARDS);
    ck_assert_uint_eq(report.adopted_count, SHARDS);
    ck_assert_ptr_nonnull(strstr(report.kept_why, "--queue-size"));
    options.queue_size = QUEUE_CAPACITY_LEAST;
    provide();
    ck_assert_uint_eq(report.queue_count, 2);
    ck_assert_str_eq(report.kept_why, "");
}
END_TEST

START_TEST(queues_are_recalled_from_their_layout_as_they_are)
{
    struct survey recalled;

    ck_assert_int_eq(segments_recall(bridge, &recalled), 0);
    ck_assert_uint_eq(recalled.map.count, SHARDS);
    ck_assert_uint_eq(recalled.summary.max_record_size, 1000);
    ck_assert_str_eq(recalled.map.rows[1].shard_id, "shard-1");
    ck_assert_int_eq(segments_provide(&options, &recalled, &lots, &report), 0);
    survey_deinit(&recalled);
    ck_assert_uint_eq(report.adopted_count, SHARDS);

    remove_all();
    ck_assert_int_eq(segments_recall(bridge, &recalled), -ENOENT);
    (void)error_take(-ENOENT);
    survey_deinit(&recalled);
}
END_TEST

START_TEST(full_queues_of_other_shards_are_kept)
{
    divide(2);
    provide();

    ck_assert_int_eq(report.origin, SEGMENTS_ADOPTED);
    ck_assert_uint_eq(report.queue_count, SHARDS);
}
END_TEST

START_TEST(wakeups_that_were_damaged_are_made_anew)
{
    struct segment_name name = segment_name_of(bridge, "wakeup");
    struct shared_memory memory = SHARED_MEMORY_NULL;
    struct wakeup_segment *wakeups;

    change_file(name.text, 0, 1);
    provide();

    ck_assert_int_eq(wakeup_open(name.text, &memory, &wakeups), 0);
    ck_assert_uint_eq(report.adopted_count, SHARDS);
    shared_memory_close(&memory);
}
END_TEST

/* Whatever byte of a small queue is changed: it is used as before or not. */
START_TEST(no_changed_byte_brings_the_survey_down)
{
    struct segment_name name = queue_name(1);
    struct stat file;
    char path[256];

    (void)snprintf(path, sizeof(path), "/dev/shm%s", name.text);
    ck_assert_int_eq(stat(path, &file), 0);
    for (off_t place = 0; place < file.st_size; place += 7) {
        if (place > QUEUE_RING_OFFSET + 4096)
            break;
        change_file(name.text, place, (uint8_t)(1 + place % 255));
        provide();
        ck_assert_uint_eq(report.damage_count + report.adopted_count, SHARDS);
        expect_records(0, 1);
    }
}
END_TEST

/* Up to 64 bytes of everything that was left, and sometimes a cut. */
START_TEST(no_changed_bytes_bring_the_survey_down)
{
    struct random random;

    random_seed(&random, 11);
    for (int round = 0; round < 400; round++) {
        struct segment_name names[] = { segment_name_of(bridge, "layout"),
                                        segment_name_of(bridge, "wakeup"),
                                        queue_name(0), queue_name(1),
                                        queue_name(2) };
        const char *name = names[random_below(&random, 5)].text;
        uint64_t count = random_below(&random, 64);

        for (uint64_t i = 0; i < count; i++)
            change_file(name,
                        (off_t)random_below(&random, QUEUE_CAPACITY_LEAST),
                        (uint8_t)random_below(&random, 256));
        if (random_below(&random, 8) == 0)
            cut_file(name, (off_t)random_below(&random, QUEUE_RING_OFFSET));
        provide();
        for (size_t i = 0; i < SHARDS; i++) {
            struct queue_consumer consumer;

            ck_assert_int_eq(
                queue_consumer_open(queue_name(i).text, 0, &consumer), 0);
            queue_consumer_close(&consumer);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("provision");
    TCase *remains = tcase_create("remains");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(remains, 60);
    tcase_add_checked_fixture(remains, set_up, remove_all);
    tcase_add_test(remains, sound_queues_are_adopted_with_their_records);
    tcase_add_test(remains, queues_that_somebody_still_works_on_are_left_alone);
    tcase_add_loop_test(
        remains,
        damaged_queue_is_set_aside_and_the_others_are_as_good_as_before, 0,
        sizeof(harms) / sizeof(*harms));
    tcase_add_test(remains, queue_of_another_user_is_set_aside);
    tcase_add_test(remains, link_in_the_place_of_a_queue_is_not_followed);
    tcase_add_test(remains,
                   second_damage_of_a_queue_takes_the_place_of_the_first);
    tcase_add_test(remains,
                   queue_that_somebody_removed_is_made_anew_and_missed);
    tcase_add_test(remains, queues_outlive_a_layout_that_was_damaged);
    tcase_add_test(
        remains, queues_of_a_damaged_layout_that_are_not_wanted_are_set_aside);
    tcase_add_test(remains,
                   empty_queues_of_other_shards_are_replaced_without_a_word);
    tcase_add_loop_test(
        remains, queues_that_are_dropped_in_part_are_replaced_without_a_word, 0,
        SHARDS + 2);
    tcase_add_test(remains, full_queues_of_other_shards_are_kept);
    tcase_add_test(
        remains,
        running_bridge_keeps_its_queues_if_there_is_no_room_for_others);
    tcase_add_test(remains, queues_are_recalled_from_their_layout_as_they_are);
    tcase_add_test(remains, wakeups_that_were_damaged_are_made_anew);
    tcase_add_test(remains, no_changed_byte_brings_the_survey_down);
    tcase_add_test(remains, no_changed_bytes_bring_the_survey_down);
    suite_add_tcase(suite, remains);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
