/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ingest/redelivery.h"
#include "tests/support/queue_fixture.h"

#define QUEUES       2
#define CAPACITY     (64 * 1024)
#define LOG_CAPACITY 4096

static struct queue_fixture fixtures[QUEUES];
static struct queue_producer producers[QUEUES];
static struct acknowledgement_log acknowledged;
static struct redelivery redelivery;
static char log_name[64];
static struct monotonic now;

/* A message as the tests need it; its time stamp follows from its id. */
struct letter {
    uint16_t source;
    uint64_t id;
    const char *body;
};

static void open_all(void)
{
    for (size_t i = 0; i < QUEUES; i++)
        ck_assert_int_eq(queue_producer_open(fixtures[i].name, &producers[i]),
                         0);
    ck_assert_int_eq(
        acknowledgement_log_open(log_name, LOG_CAPACITY, &acknowledged), 0);
    ck_assert_int_eq(
        redelivery_init(&redelivery, producers, QUEUES, &acknowledged), 0);
}

static void close_all(void)
{
    redelivery_deinit(&redelivery);
    acknowledgement_log_close(&acknowledged);
    for (size_t i = 0; i < QUEUES; i++)
        queue_producer_close(&producers[i]);
}

static void make_all(void)
{
    for (size_t i = 0; i < QUEUES; i++) {
        queue_fixture_make(&fixtures[i], CAPACITY, 0);
        ck_assert_int_eq(
            queue_consumer_open(fixtures[i].name, 0, &fixtures[i].consumer), 0);
    }
    (void)snprintf(log_name, sizeof(log_name),
                   "/nsq_to_kinesis.test-%d.acknowledged", (int)getpid());
    now = (struct monotonic){ NS_PER_SECOND };
    open_all();
}

static void remove_all(void)
{
    close_all();
    for (size_t i = 0; i < QUEUES; i++)
        queue_fixture_deinit(&fixtures[i]);
    (void)shared_memory_remove(log_name);
}

/* Ingest dies and another one begins: only shared memory is left. */
static void restart(void)
{
    close_all();
    open_all();
}

static void fill(struct record_header *record, const struct letter *letter)
{
    char digits[17];

    (void)snprintf(digits, sizeof(digits), "%016llx",
                   (unsigned long long)letter->id);
    memcpy(record->message_id, digits, sizeof(record->message_id));
    record->key_length = 0;
    record->source = letter->source;
    record->attempts = 1;
    record->incarnation = 1;
    record->timestamp_ns = (int64_t)letter->id * 1000;
    record->hash_high = record->hash_low = 0;
    memcpy(record + 1, letter->body, strlen(letter->body));
    record->checksum = record_checksum(record);
}

static struct record_header *write_letter(size_t queue, struct letter letter)
{
    struct record_header *record;

    ck_assert_int_eq(
        queue_reserve(&producers[queue], strlen(letter.body), &record), 0);
    fill(record, &letter);
    redelivery_on_written(&redelivery, letter.source, letter.id);
    return record;
}

static struct redelivery_identity identity_of(struct letter letter)
{
    struct {
        struct record_header header;
        char body[64];
    } record = { .header = { .length = (uint32_t)(sizeof(struct record_header) +
                                                  strlen(letter.body)) } };

    fill(&record.header, &letter);
    return (struct redelivery_identity){
        .id = letter.id,
        .timestamp_ns = record.header.timestamp_ns,
        .checksum = record.header.checksum,
        .source = letter.source,
    };
}

/* As ingest asks: candidates only. */
static enum redelivery_kind look_up(struct letter letter,
                                    struct record_header **record)
{
    struct redelivery_identity identity = identity_of(letter);

    if (!redelivery_is_candidate(&redelivery, letter.source, letter.id))
        return REDELIVERY_NEW;
    return redelivery_find(&redelivery, &identity, now, record);
}

static enum redelivery_kind ask(struct letter letter)
{
    struct record_header *record;

    return look_up(letter, &record);
}

static void publish(size_t queue)
{
    queue_publish(&producers[queue]);
}

/* Egress stores everything that is published in the queue. */
static void deliver(size_t queue)
{
    struct queue_consumer *consumer = &fixtures[queue].consumer;
    uint64_t position = consumer->released;
    struct record_header *record;

    while (queue_peek(consumer, &position, &record) == 0)
        record->verdict = VERDICT_DELIVERED;
    ck_assert_int_eq(queue_release(consumer, position), 0);
}

/* Ingest notes what is decided, as ingest_finish() does. */
static void note_decided(size_t queue)
{
    struct record_header *record;

    while (queue_decided(&producers[queue], &record) == 0) {
        struct acknowledgement acknowledgement = {
            .id = acknowledgement_id(record->message_id),
            .timestamp_ns = record->timestamp_ns,
            .checksum = record->checksum,
            .source = record->source,
        };

        acknowledgement_log_note(&acknowledged, &acknowledgement);
    }
}

static void finish(size_t queue)
{
    note_decided(queue);
    queue_finish(&producers[queue]);
}

static void send_through(size_t queue, struct letter letter)
{
    (void)write_letter(queue, letter);
    publish(queue);
    deliver(queue);
    finish(queue);
}

static const struct letter first = { 0, 100, "first" };
static const struct letter second = { 0, 101, "second" };

START_TEST(message_of_an_unknown_source_is_no_candidate)
{
    ck_assert(!redelivery_is_candidate(&redelivery, 7, 1));
}
END_TEST

START_TEST(message_above_all_others_is_no_candidate)
{
    (void)write_letter(0, first);

    ck_assert(!redelivery_is_candidate(&redelivery, 0, 101));
    ck_assert(redelivery_is_candidate(&redelivery, 0, 100));
    ck_assert(!redelivery_is_candidate(&redelivery, 1, 1));
}
END_TEST

START_TEST(record_is_found_before_it_is_published)
{
    struct record_header *written = write_letter(1, first);
    struct record_header *found = NULL;

    ck_assert_int_eq(look_up(first, &found), REDELIVERY_QUEUED);
    ck_assert_ptr_eq(found, written);
}
END_TEST

START_TEST(message_is_known_at_every_step_and_after_a_restart_there)
{
    bool restarts = _i;

    (void)write_letter(0, first);
    publish(0);
    if (restarts)
        restart();
    ck_assert_int_eq(ask(first), REDELIVERY_QUEUED);
    deliver(0);
    if (restarts)
        restart();
    ck_assert_int_eq(ask(first), REDELIVERY_QUEUED);
    finish(0);
    if (restarts)
        restart();
    ck_assert_int_eq(ask(first), REDELIVERY_FINISHED);
}
END_TEST

START_TEST(record_that_was_not_published_is_gone_after_a_restart)
{
    (void)write_letter(0, first);

    restart();

    ck_assert_int_eq(ask(first), REDELIVERY_NEW);
}
END_TEST

START_TEST(record_that_is_noted_and_not_finished_counts_as_queued)
{
    (void)write_letter(0, first);
    publish(0);
    deliver(0);
    note_decided(0);

    restart();

    ck_assert_int_eq(ask(first), REDELIVERY_QUEUED);
}
END_TEST

START_TEST(message_that_never_came_is_new_below_the_highest)
{
    send_through(0, second);

    ck_assert(redelivery_is_candidate(&redelivery, first.source, first.id));
    ck_assert_int_eq(ask(first), REDELIVERY_NEW);
}
END_TEST

START_TEST(same_id_with_another_body_is_another_message)
{
    (void)write_letter(0, first);

    ck_assert_int_eq(ask((struct letter){ 0, 100, "other" }), REDELIVERY_NEW);
    ck_assert_int_eq(ask(first), REDELIVERY_QUEUED);
}
END_TEST

START_TEST(same_message_of_another_source_is_another_message)
{
    const struct letter twin = { 1, 100, "first" };

    send_through(0, first);
    redelivery_on_written(&redelivery, 1, 200);
    ck_assert_int_eq(ask(twin), REDELIVERY_NEW);

    (void)write_letter(1, twin);

    ck_assert_int_eq(ask(twin), REDELIVERY_QUEUED);
    ck_assert_int_eq(ask(first), REDELIVERY_FINISHED);
}
END_TEST

START_TEST(same_message_with_another_time_stamp_is_another_message)
{
    struct redelivery_identity identity = identity_of(first);
    struct record_header *record;

    (void)write_letter(0, first);
    identity.timestamp_ns++;

    ck_assert_int_eq(redelivery_find(&redelivery, &identity, now, &record),
                     REDELIVERY_NEW);
}
END_TEST

START_TEST(index_catches_up_with_what_came_since)
{
    (void)write_letter(0, first);
    ck_assert_int_eq(ask(first), REDELIVERY_QUEUED);
    (void)write_letter(1, second);
    ck_assert_int_eq(ask(second), REDELIVERY_QUEUED);
    publish(0);
    deliver(0);
    finish(0);

    ck_assert_int_eq(ask(first), REDELIVERY_FINISHED);
    ck_assert_int_eq(ask(second), REDELIVERY_QUEUED);
}
END_TEST

static struct letter numbered(uint64_t number)
{
    return (struct letter){ (uint16_t)(number % 3), 1000 + number, "body" };
}

/* Far more than the log, the queues and the index hold at once. */
START_TEST(window_is_known_exactly_while_everything_wraps)
{
    const uint64_t count = 5 * LOG_CAPACITY;

    for (uint64_t i = 0; i < count; i++) {
        send_through(i % QUEUES, numbered(i));
        if (i % 7 != 0)
            continue;
        ck_assert_int_eq(ask(numbered(i)), REDELIVERY_FINISHED);
        if (i >= LOG_CAPACITY - 2)
            ck_assert_int_eq(ask(numbered(i - (LOG_CAPACITY - 2))),
                             REDELIVERY_FINISHED);
        if (i >= LOG_CAPACITY - 1)
            ck_assert_int_eq(ask(numbered(i - (LOG_CAPACITY - 1))),
                             REDELIVERY_NEW);
    }
}
END_TEST

START_TEST(quiet_index_is_dropped_and_made_again)
{
    send_through(0, first);
    ck_assert_int_eq(ask(first), REDELIVERY_FINISHED);
    redelivery_on_time(&redelivery, monotonic_after(now, 59 * NS_PER_SECOND));
    ck_assert_ptr_nonnull(redelivery.hints);

    redelivery_on_time(&redelivery, monotonic_after(now, 60 * NS_PER_SECOND));

    ck_assert_ptr_null(redelivery.hints);
    ck_assert_int_eq(ask(first), REDELIVERY_FINISHED);
}
END_TEST

START_TEST(damaged_entry_of_the_log_harms_nobody)
{
    struct acknowledgement wrong = { .id = UINT64_MAX, .source = UINT16_MAX };

    send_through(0, first);
    acknowledgement_log_note(&acknowledged, &wrong);

    restart();

    ck_assert_int_eq(ask(first), REDELIVERY_FINISHED);
    ck_assert(!redelivery_is_candidate(&redelivery, 0, 101));
}
END_TEST

START_TEST(damaged_record_hides_only_what_comes_after_it)
{
    struct record_header *damaged;

    (void)write_letter(0, first);
    damaged = write_letter(0, second);
    publish(0);
    damaged->kind = 77;

    restart();

    ck_assert_int_eq(ask(first), REDELIVERY_QUEUED);
    ck_assert_int_eq(ask(second), REDELIVERY_NEW);
}
END_TEST

START_TEST(window_covers_msg_timeout_and_what_nsqd_adds_to_it)
{
    /* 1000 a second, for a minute and five seconds. */
    ck_assert_uint_eq(
        redelivery_window_for(15000, 15 * NS_PER_SECOND, 60 * NS_PER_SECOND),
        65000);
    ck_assert_uint_eq(redelivery_window_for(0, NS_PER_SECOND, NS_PER_SECOND),
                      0);
    /* The most that there can be overflows nothing. */
    ck_assert_uint_eq(redelivery_window_for(UINT64_C(1) << 33, NS_PER_SECOND,
                                            3595 * NS_PER_SECOND),
                      (UINT64_C(1) << 33) * 3600);
}
END_TEST

static Suite *redelivery_suite(void)
{
    Suite *suite = suite_create("redelivery");
    TCase *knowing = tcase_create("knowing");
    TCase *index = tcase_create("index");

    tcase_add_checked_fixture(knowing, make_all, remove_all);
    tcase_add_test(knowing, message_of_an_unknown_source_is_no_candidate);
    tcase_add_test(knowing, message_above_all_others_is_no_candidate);
    tcase_add_test(knowing, record_is_found_before_it_is_published);
    tcase_add_loop_test(
        knowing, message_is_known_at_every_step_and_after_a_restart_there, 0,
        2);
    tcase_add_test(knowing,
                   record_that_was_not_published_is_gone_after_a_restart);
    tcase_add_test(knowing,
                   record_that_is_noted_and_not_finished_counts_as_queued);
    tcase_add_test(knowing, message_that_never_came_is_new_below_the_highest);
    tcase_add_test(knowing, same_id_with_another_body_is_another_message);
    tcase_add_test(knowing, same_message_of_another_source_is_another_message);
    tcase_add_test(knowing,
                   same_message_with_another_time_stamp_is_another_message);
    suite_add_tcase(suite, knowing);
    tcase_add_checked_fixture(index, make_all, remove_all);
    tcase_add_test(index, index_catches_up_with_what_came_since);
    tcase_add_test(index, window_is_known_exactly_while_everything_wraps);
    tcase_add_test(index, quiet_index_is_dropped_and_made_again);
    tcase_add_test(index, window_covers_msg_timeout_and_what_nsqd_adds_to_it);
    tcase_add_test(index, damaged_entry_of_the_log_harms_nobody);
    tcase_add_test(index, damaged_record_hides_only_what_comes_after_it);
    suite_add_tcase(suite, index);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(redelivery_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
