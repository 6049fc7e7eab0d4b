/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "common/clock.h"
#include "tests/support/nsq_simulator_channel.h"

static const struct history no_history = { .fd = -1 };
static struct channel channel;
static struct channel_consumer consumer, other;
static struct channel_time now;

static void open_channel(uint64_t count, uint64_t rate)
{
    channel = (struct channel){ .count = count,
                                .rate = rate,
                                .backlog = 1000,
                                .max_msg_timeout_ms = 2500,
                                .history = &no_history };
    source_init(&channel.source, &(struct source_options){ .body_length = 200,
                                                           .key_count = 10,
                                                           .nsqd_count = 1,
                                                           .id_time = 1000,
                                                           .node = 1 });
    channel_init(&channel);
    consumer = (struct channel_consumer){ .connection = 1,
                                          .rdy = 3,
                                          .msg_timeout_ms = 1000 };
    other = (struct channel_consumer){ .connection = 2,
                                       .rdy = 3,
                                       .msg_timeout_ms = 1000 };
    now = (struct channel_time){ .wall_ns = NS_PER_SECOND, .now_ms = 0 };
    channel_add_consumer(&channel, &consumer, &now);
}

/* The number of the message taken, or -1. */
static int64_t take(struct channel_consumer *taker, uint16_t attempts)
{
    struct channel_delivery delivery;

    channel_publish(&channel, now.wall_ns);
    if (channel_take(&channel, taker, &now, &delivery) != 0)
        return -1;
    ck_assert_uint_eq(delivery.attempts, attempts);
    return (int64_t)delivery.number;
}

static const uint8_t *id_of(uint64_t number)
{
    static uint8_t id[SOURCE_ID_LENGTH];

    source_write_id(&channel.source, number, id);
    return id;
}

START_TEST(ready_count_caps_what_is_in_flight_and_is_no_credit)
{
    open_channel(10, 0);

    for (int64_t number = 0; number < 3; number++)
        ck_assert_int_eq(take(&consumer, 1), number);
    ck_assert_int_eq(take(&consumer, 1), -1);
    ck_assert_int_eq(channel_finish(&channel, &consumer, id_of(1)), 0);
    ck_assert_int_eq(take(&consumer, 1), 3);
    ck_assert_int_eq(take(&consumer, 1), -1);
    channel_deinit(&channel);
}
END_TEST

START_TEST(old_ids_come_again_with_new_messages)
{
    uint8_t old[SOURCE_ID_LENGTH];

    open_channel(10, 0);
    for (int64_t number = 0; number < 3; number++)
        ck_assert_int_eq(take(&consumer, 1), number);
    memcpy(old, id_of(1), sizeof(old));
    ck_assert_int_eq(channel_finish(&channel, &consumer, id_of(0)), 0);
    ck_assert_int_eq(channel_finish(&channel, &consumer, id_of(1)), 0);
    channel.old_ids_wanted = 2;

    ck_assert_int_eq(take(&consumer, 1), -1); /* 2 is in flight */
    ck_assert_int_eq(channel_finish(&channel, &consumer, id_of(2)), 0);
    ck_assert_int_eq(take(&consumer, 1), 3);
    ck_assert_mem_eq(id_of(3), old, sizeof(old));
    ck_assert_int_eq(channel_finish(&channel, &consumer, old), 0);
    ck_assert_uint_eq(channel.counters.finished, 4);
    channel_deinit(&channel);
}
END_TEST

START_TEST(only_the_owner_finishes_and_only_once)
{
    open_channel(10, 0);
    channel_add_consumer(&channel, &other, &now);
    take(&consumer, 1);

    ck_assert_int_eq(channel_finish(&channel, &other, id_of(0)),
                     CHANNEL_NOT_OWNER);
    ck_assert_int_eq(channel_finish(&channel, &consumer, id_of(0)), 0);
    ck_assert_int_eq(channel_finish(&channel, &consumer, id_of(0)),
                     CHANNEL_NOT_IN_FLIGHT);
    ck_assert_int_eq(channel_finish(&channel, &consumer, id_of(7)),
                     CHANNEL_NOT_IN_FLIGHT);
    ck_assert_uint_eq(channel.counters.finished, 1);
    ck_assert_uint_eq(channel.counters.failed_fins, 3);
    channel_deinit(&channel);
}
END_TEST

START_TEST(timed_out_message_comes_behind_the_backlog_with_more_attempts)
{
    open_channel(4, 0);
    take(&consumer, 1);
    now.now_ms = 999;
    channel_expire(&channel, now.now_ms);
    ck_assert_int_eq(consumer.in_flight, 1);
    now.now_ms = 1000;
    channel_expire(&channel, now.now_ms);

    ck_assert_int_eq(consumer.in_flight, 0);
    ck_assert_int_eq(channel_finish(&channel, &consumer, id_of(0)),
                     CHANNEL_NOT_IN_FLIGHT);
    consumer.rdy = 10;
    for (int64_t number = 1; number < 4; number++)
        ck_assert_int_eq(take(&consumer, 1), number);
    ck_assert_int_eq(take(&consumer, 2), 0);
    ck_assert_uint_eq(channel.counters.timed_out, 1);
    ck_assert_uint_eq(channel.counters.redelivered, 1);
    channel_deinit(&channel);
}
END_TEST

START_TEST(message_of_a_closed_connection_waits_for_its_time_out)
{
    open_channel(1, 0);
    channel_add_consumer(&channel, &other, &now);
    take(&consumer, 1);
    channel_remove_consumer(&channel, &consumer);

    ck_assert_int_eq(take(&other, 1), -1);
    channel_expire(&channel, 1000);
    ck_assert_int_eq(take(&other, 2), 0);
    channel_deinit(&channel);
}
END_TEST

START_TEST(touch_extends_but_not_past_max_msg_timeout)
{
    open_channel(1, 0);
    take(&consumer, 1);

    for (now.now_ms = 0; now.now_ms < 2500; now.now_ms += 500) {
        channel_expire(&channel, now.now_ms);
        ck_assert_int_eq(channel_touch(&channel, &consumer, id_of(0), &now), 0);
    }
    channel_expire(&channel, 2499);
    ck_assert_int_eq(consumer.in_flight, 1);
    channel_expire(&channel, 2500);
    ck_assert_int_eq(consumer.in_flight, 0);
    ck_assert_int_eq(channel_touch(&channel, &consumer, id_of(0), &now),
                     CHANNEL_NOT_IN_FLIGHT);
    channel_deinit(&channel);
}
END_TEST

START_TEST(requeued_message_goes_to_the_tail_at_once_or_when_due)
{
    open_channel(3, 0);
    take(&consumer, 1);
    take(&consumer, 1);
    ck_assert_int_eq(channel_requeue(&channel, &consumer, id_of(0), 0, &now),
                     0);
    ck_assert_int_eq(channel_requeue(&channel, &consumer, id_of(1), 700, &now),
                     0);

    ck_assert_int_eq(consumer.in_flight, 0);
    ck_assert_int_eq(take(&consumer, 1), 2);
    ck_assert_int_eq(take(&consumer, 2), 0);
    channel_expire(&channel, 699);
    ck_assert_int_eq(take(&consumer, 2), -1);
    channel_expire(&channel, 700);
    ck_assert_int_eq(take(&consumer, 2), 1);
    channel_deinit(&channel);
}
END_TEST

START_TEST(second_fin_of_a_twin_fails_and_its_place_is_lost)
{
    open_channel(5, 0);
    channel.twins_wanted = 1;

    ck_assert_int_eq(take(&consumer, 1), 0);
    ck_assert_int_eq(take(&consumer, 1), 0);
    ck_assert_int_eq(consumer.in_flight, 2);
    ck_assert_int_eq(channel_finish(&channel, &consumer, id_of(0)), 0);
    ck_assert_int_eq(channel_finish(&channel, &consumer, id_of(0)),
                     CHANNEL_NOT_IN_FLIGHT);
    ck_assert_int_eq(consumer.in_flight, 1);
    ck_assert_uint_eq(channel.flights.count, 0);
    channel_deinit(&channel);
}
END_TEST

START_TEST(twin_that_comes_after_the_fin_is_in_flight_anew)
{
    open_channel(2, 0);
    channel.twins_wanted = 1;
    channel.twin_distance = 1;

    ck_assert_int_eq(take(&consumer, 1), 0);
    ck_assert_int_eq(channel_finish(&channel, &consumer, id_of(0)), 0);
    ck_assert_int_eq(take(&consumer, 1), 1);
    ck_assert_int_eq(take(&consumer, 1), 0);
    ck_assert_int_eq(channel_finish(&channel, &consumer, id_of(1)), 0);
    ck_assert(!channel_is_done(&channel));
    ck_assert_int_eq(channel_finish(&channel, &consumer, id_of(0)), 0);
    ck_assert(channel_is_done(&channel));
    ck_assert_uint_eq(channel.counters.finished, 2);
    ck_assert_uint_eq(channel.counters.finished_again, 1);
    channel_deinit(&channel);
}
END_TEST

START_TEST(paused_or_held_channel_gives_nothing)
{
    open_channel(5, 0);
    channel.paused = true;
    ck_assert_int_eq(take(&consumer, 1), -1);
    channel.paused = false;
    channel.hold_at = 1;
    ck_assert_int_eq(take(&consumer, 1), 0);
    ck_assert_int_eq(take(&consumer, 1), -1);
    channel_deinit(&channel);
}
END_TEST

START_TEST(rate_publishes_evenly_from_the_first_consumer_on)
{
    struct channel_delivery delivery;

    open_channel(5, 1000);
    consumer.rdy = 10;
    ck_assert_int_eq(take(&consumer, 1), -1);
    ck_assert_int_eq(channel_next_publishing(&channel, now.wall_ns), NS_PER_MS);
    now.wall_ns += 2 * NS_PER_MS;
    ck_assert_int_eq(take(&consumer, 1), 0);
    channel_publish(&channel, now.wall_ns);
    ck_assert_int_eq(channel_take(&channel, &consumer, &now, &delivery), 0);
    ck_assert_int_eq(delivery.timestamp_ns, now.wall_ns);
    ck_assert_int_eq(take(&consumer, 1), -1);
    now.wall_ns += NS_PER_SECOND;
    for (int64_t number = 2; number < 5; number++)
        ck_assert_int_eq(take(&consumer, 1), number);
    ck_assert_int_eq(take(&consumer, 1), -1);
    ck_assert_int_eq(channel_next_publishing(&channel, now.wall_ns), INT64_MAX);
    channel_deinit(&channel);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("nsq_simulator_channel");
    TCase *messages = tcase_create("messages and their consumers");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(messages,
                   ready_count_caps_what_is_in_flight_and_is_no_credit);
    tcase_add_test(messages, only_the_owner_finishes_and_only_once);
    tcase_add_test(messages, old_ids_come_again_with_new_messages);
    tcase_add_test(
        messages,
        timed_out_message_comes_behind_the_backlog_with_more_attempts);
    tcase_add_test(messages,
                   message_of_a_closed_connection_waits_for_its_time_out);
    tcase_add_test(messages, touch_extends_but_not_past_max_msg_timeout);
    tcase_add_test(messages,
                   requeued_message_goes_to_the_tail_at_once_or_when_due);
    tcase_add_test(messages, second_fin_of_a_twin_fails_and_its_place_is_lost);
    tcase_add_test(messages, twin_that_comes_after_the_fin_is_in_flight_anew);
    tcase_add_test(messages, paused_or_held_channel_gives_nothing);
    tcase_add_test(messages, rate_publishes_evenly_from_the_first_consumer_on);
    suite_add_tcase(suite, messages);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
