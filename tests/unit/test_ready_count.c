/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "common/bytes.h"
#include "common/random.h"
#include "ingest/ready_count.h"

#define MOST 16

static struct ready_count count;
static struct ready_connection connections[MOST];
static struct ready_room room;
static struct monotonic now;

static void set_up(void)
{
    ready_count_init(&count, 2500, 5 * NS_PER_SECOND);
    for (size_t i = 0; i < MOST; i++)
        connections[i] = (struct ready_connection){ .max_rdy_count = 2500 };
    room = (struct ready_room){
        .room = 4000000,
        .capacity = 4000000,
        .record_length = 300,
    };
    now = (struct monotonic){ .ns = 0 };
}

static bool update(size_t length)
{
    return ready_count_update(&count, &room, connections, length, now);
}

static uint64_t sum_of_ready(size_t length)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < length; i++)
        sum += connections[i].ready;
    return sum;
}

START_TEST(one_connection_gets_all_that_is_allowed)
{
    ck_assert(update(1));
    ck_assert_uint_eq(connections[0].ready, 2500);
    ck_assert(!update(1));
}
END_TEST

START_TEST(no_connection_is_no_work)
{
    ck_assert(!update(0));
    ck_assert(ready_count_deadline(&count).ns == MONOTONIC_NEVER.ns);
}
END_TEST

START_TEST(sum_is_divided_evenly_to_the_last_message)
{
    ready_count_init(&count, 100, NS_PER_SECOND);
    ck_assert(update(7));
    ck_assert_uint_eq(sum_of_ready(7), 100);
    for (size_t i = 0; i < 7; i++) {
        ck_assert_uint_ge(connections[i].ready, 14);
        ck_assert_uint_le(connections[i].ready, 15);
    }
}
END_TEST

START_TEST(what_one_nsqd_does_not_take_goes_to_the_others)
{
    connections[1].max_rdy_count = 10;
    connections[2].max_rdy_count = 800;
    ck_assert(update(4));

    ck_assert_uint_eq(connections[0].ready, 845);
    ck_assert_uint_eq(connections[1].ready, 10);
    ck_assert_uint_eq(connections[2].ready, 800);
    ck_assert_uint_eq(connections[3].ready, 845);
}
END_TEST

START_TEST(nsqds_that_all_take_little_get_no_more)
{
    for (size_t i = 0; i < 3; i++)
        connections[i].max_rdy_count = 100;
    ck_assert(update(3));

    ck_assert_uint_eq(sum_of_ready(3), 300);
}
END_TEST

START_TEST(room_bounds_what_may_still_come)
{
    room.record_length = 100000;
    connections[0].in_flight = 20;
    ck_assert(update(1));

    ck_assert_uint_eq(connections[0].ready, 20 + 40);
}
END_TEST

START_TEST(gate_shuts_at_once_and_opens_at_once)
{
    ck_assert(update(2));
    room.room = room.capacity / 8 - 1;
    ck_assert(update(2));
    ck_assert_uint_eq(sum_of_ready(2), 0);
    room.room = room.capacity / 4 - 1;
    ck_assert(!update(2));
    room.room = room.capacity / 4;
    ck_assert(update(2));
    ck_assert_uint_eq(sum_of_ready(2), 2500);
    room.room = room.capacity / 8;
    update(2);
    ck_assert_uint_gt(sum_of_ready(2), 1600);
}
END_TEST

START_TEST(small_changes_of_room_are_not_sent)
{
    room.record_length = 4000;
    ck_assert(update(2));
    ck_assert_uint_eq(connections[0].ready, 500);
    room.room -= 100 * 4000;
    ck_assert(!update(2));
    ck_assert_uint_eq(connections[0].ready, 500);
    room.room -= 30 * 4000;
    ck_assert(update(2));
    ck_assert_uint_eq(connections[0].ready, 435);
}
END_TEST

START_TEST(new_connection_lowers_the_others_though_the_change_is_small)
{
    ck_assert(update(9));
    ck_assert_uint_eq(sum_of_ready(9), 2500);
    ck_assert(update(10));

    ck_assert_uint_eq(sum_of_ready(10), 2500);
    ck_assert_uint_eq(connections[9].ready, 250);
}
END_TEST

START_TEST(new_connection_waits_for_what_the_others_have_in_flight)
{
    ck_assert(update(1));
    connections[0].in_flight = 2400;
    ck_assert(update(2));
    ck_assert_uint_eq(connections[0].ready, 1250);
    ck_assert_uint_eq(connections[1].ready, 100);
    connections[0].in_flight = 1500;
    ck_assert(update(2));
    ck_assert_uint_eq(connections[1].ready, 1000);
    connections[0].in_flight = 1200;
    ck_assert(update(2));
    ck_assert_uint_eq(connections[1].ready, 1250);
}
END_TEST

START_TEST(with_more_connections_than_messages_each_has_its_turn)
{
    unsigned turns[MOST] = { 0 };

    ready_count_init(&count, 3, 5 * NS_PER_SECOND);
    for (int turn = 0; turn < 3 * MOST; turn++) {
        update(MOST);
        ck_assert_uint_eq(sum_of_ready(MOST), 3);
        for (size_t i = 0; i < MOST; i++)
            turns[i] += connections[i].ready;
        now.ns = ready_count_deadline(&count).ns - 1;
        ck_assert(!update(MOST));
        now.ns++;
    }
    for (size_t i = 0; i < MOST; i++)
        ck_assert_uint_eq(turns[i], 9);
}
END_TEST

START_TEST(rotation_ends_when_there_is_enough_for_all)
{
    ready_count_init(&count, 3, NS_PER_SECOND);
    ck_assert(update(4));
    ck_assert(ready_count_deadline(&count).ns == NS_PER_SECOND);
    ck_assert(!update(3));
    ck_assert(ready_count_deadline(&count).ns == MONOTONIC_NEVER.ns);
    ck_assert_uint_eq(sum_of_ready(3), 3);
}
END_TEST

START_TEST(turn_passes_on_only_when_its_messages_are_finished)
{
    ready_count_init(&count, 1, NS_PER_SECOND);
    ck_assert(update(2));
    ck_assert_uint_eq(connections[0].ready, 1);
    connections[0].in_flight = 1;
    now.ns = NS_PER_SECOND;
    ck_assert(update(2));
    ck_assert_uint_eq(sum_of_ready(2), 0);
    connections[0].in_flight = 0;
    ck_assert(update(2));
    ck_assert_uint_eq(connections[1].ready, 1);
}
END_TEST

/*
 * Connections come, go, receive up to their RDY and finish at random: what is
 * in flight never exceeds max_in_flight, nor what fits into the queue.
 */
START_TEST(in_flight_stays_within_its_bounds_whatever_happens)
{
    struct random random;

    random_seed(&random, 31);
    for (int round = 0; round < 200; round++) {
        uint32_t most = 1 + (uint32_t)random_below(&random, 300);
        size_t length = 1 + random_below(&random, MOST);

        set_up();
        ready_count_init(&count, most, NS_PER_SECOND);
        for (size_t i = 0; i < MOST; i++)
            connections[i].max_rdy_count =
                1 + (uint32_t)random_below(&random, 200);
        for (int turn = 0; turn < 200; turn++) {
            uint64_t in_flight = 0;

            if (random_below(&random, 20) == 0 && length < MOST)
                length++;
            now.ns += NS_PER_SECOND / 5;
            update(length);
            ck_assert_uint_le(sum_of_ready(length), most);
            for (size_t i = 0; i < length; i++) {
                struct ready_connection *c = &connections[i];

                ck_assert_uint_le(c->ready, c->max_rdy_count);
                if (c->in_flight < c->ready)
                    c->in_flight += (uint32_t)random_below(
                        &random, c->ready - c->in_flight + 1);
                in_flight += c->in_flight;
            }
            ck_assert_uint_le(in_flight, most);
            for (size_t i = 0; i < length; i++)
                connections[i].in_flight -= (uint32_t)random_below(
                    &random, connections[i].in_flight + 1);
        }
    }
}
END_TEST

START_TEST(average_follows_smaller_records_down)
{
    uint64_t average = 256;

    for (int i = 0; i < 1000; i++) {
        average = ready_average(average, 176);
        ck_assert_uint_ge(average, 176 - 1);
        ck_assert_uint_le(average, 256);
    }

    ck_assert_uint_le(average, 176 + 64);
    ck_assert_uint_ge(ready_average(0, 0), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ready_count");
    TCase *division = tcase_create("division");
    TCase *change = tcase_create("change");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(division, set_up, NULL);
    tcase_add_test(division, average_follows_smaller_records_down);
    tcase_add_test(division, one_connection_gets_all_that_is_allowed);
    tcase_add_test(division, no_connection_is_no_work);
    tcase_add_test(division, sum_is_divided_evenly_to_the_last_message);
    tcase_add_test(division, what_one_nsqd_does_not_take_goes_to_the_others);
    tcase_add_test(division, nsqds_that_all_take_little_get_no_more);
    tcase_add_test(division, room_bounds_what_may_still_come);
    tcase_add_checked_fixture(change, set_up, NULL);
    tcase_add_test(change, gate_shuts_at_once_and_opens_at_once);
    tcase_add_test(change, small_changes_of_room_are_not_sent);
    tcase_add_test(change,
                   new_connection_lowers_the_others_though_the_change_is_small);
    tcase_add_test(change,
                   new_connection_waits_for_what_the_others_have_in_flight);
    tcase_add_test(change,
                   with_more_connections_than_messages_each_has_its_turn);
    tcase_add_test(change, rotation_ends_when_there_is_enough_for_all);
    tcase_add_test(change, turn_passes_on_only_when_its_messages_are_finished);
    tcase_add_test(change, in_flight_stays_within_its_bounds_whatever_happens);
    suite_add_tcase(suite, division);
    suite_add_tcase(suite, change);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
