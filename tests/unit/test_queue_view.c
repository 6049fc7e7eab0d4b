/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shard/queue_view.h"
#include "shard/shared_word.h"
#include "tests/support/queue_fixture.h"

#define CAPACITY 4096
#define LENGTH   100 /* key and body of each record */

static struct queue_fixture fixture;
static struct queue_view view;
static _Alignas(8) uint8_t memory[CAPACITY];

static struct record_header *copy(void)
{
    return (struct record_header *)memory;
}

static void write_records(uint64_t first, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        ck_assert_int_eq(
            queue_fixture_write(&fixture.producer, first + i, LENGTH), 0);
    queue_publish(&fixture.producer);
}

/* Release and finish everything that is published. */
static void finish_records(void)
{
    uint64_t position = fixture.consumer.released;
    struct record_header *record;

    while (queue_peek(&fixture.consumer, &position, &record) == 0)
        record_set_verdict(record, VERDICT_DELIVERED);
    ck_assert_int_eq(queue_release(&fixture.consumer, position), 0);
    while (queue_decided(&fixture.producer, &record) == 0)
        continue;
    queue_finish(&fixture.producer);
}

static int read_at(uint64_t *position)
{
    return queue_view_read(&view, position, memory, sizeof(memory));
}

static struct record_header *record_in_ring(uint64_t position)
{
    return (void *)(fixture.producer.segment.ring + position % CAPACITY);
}

static void set_up_at(uint64_t position)
{
    queue_fixture_init(&fixture, CAPACITY, position);
    ck_assert_int_eq(queue_view_open(fixture.name, &view), 0);
}

static void set_up(void)
{
    set_up_at(0);
}

static void tear_down(void)
{
    queue_view_close(&view);
    queue_fixture_deinit(&fixture);
}

START_TEST(live_queue_is_shown_as_it_is)
{
    struct queue_view_state state;
    struct queue_batch batch;
    uint64_t position = 0;
    struct record_header *record;

    write_records(1, 3);
    ck_assert_int_eq(queue_peek(&fixture.consumer, &position, &record), 0);
    queue_fixture_intend(&fixture.consumer, position,
                         (struct wall_time){ .ns = 77 }, &batch);

    ck_assert_int_eq(queue_view_look(&view, &state), 0);
    ck_assert_uint_eq(state.capacity, CAPACITY);
    ck_assert_uint_eq(state.generation, 1);
    ck_assert(hash_key_equal(state.last, HASH_KEY_MOST));
    ck_assert_uint_eq(state.positions.finished, 0);
    ck_assert_uint_eq(state.positions.released, 0);
    ck_assert_uint_eq(state.positions.committed, 3 * record_space(LENGTH));
    ck_assert_uint_eq(state.producer.pid, (uint64_t)getpid());
    ck_assert(state.producer.is_alive && state.consumer.is_alive);
    ck_assert(state.has_intent);
    ck_assert_uint_eq(state.batch, 1);
    ck_assert_uint_eq(state.intent.end, position);
    ck_assert_int_eq(state.intent.wall_ns, 77);
    ck_assert_uint_eq(state.intent.part_count, 1);
    ck_assert(hash_key_equal(state.intent.parts[0].last, HASH_KEY_MOST));
}
END_TEST

START_TEST(released_batch_is_not_on_its_way)
{
    struct queue_view_state state;
    struct queue_batch batch;
    uint64_t position = 0;
    struct record_header *record;

    write_records(1, 1);
    ck_assert_int_eq(queue_peek(&fixture.consumer, &position, &record), 0);
    queue_fixture_intend(&fixture.consumer, position,
                         (struct wall_time){ .ns = 1 }, &batch);
    finish_records();

    ck_assert_int_eq(queue_view_look(&view, &state), 0);
    ck_assert(!state.has_intent);
    ck_assert_uint_eq(state.batch, 1);
}
END_TEST

START_TEST(records_are_copied_oldest_first)
{
    uint64_t position = 0;

    write_records(1, 3);

    for (uint64_t serial = 1; serial <= 3; serial++) {
        ck_assert_int_eq(read_at(&position), 0);
        ck_assert(queue_fixture_is(copy(), serial, LENGTH));
    }
    ck_assert_int_eq(read_at(&position), QUEUE_EMPTY);
}
END_TEST

START_TEST(padding_at_the_end_of_the_ring_is_passed_over)
{
    uint64_t position = CAPACITY - 64;

    tear_down();
    set_up_at(position);
    write_records(9, 1);

    ck_assert_int_eq(read_at(&position), 0);
    ck_assert(queue_fixture_is(copy(), 9, LENGTH));
    ck_assert_int_eq(read_at(&position), QUEUE_EMPTY);
    ck_assert_uint_eq(position, CAPACITY + record_space(LENGTH));
}
END_TEST

START_TEST(lease_of_a_process_that_died_is_dead)
{
    struct queue_view_state state;
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        queue_take_lease(&fixture.producer.segment.positions->consumer, 5);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, NULL, 0), child);

    ck_assert_int_eq(queue_view_look(&view, &state), 0);
    ck_assert_uint_eq(state.consumer.pid, (uint64_t)child);
    ck_assert_uint_eq(state.consumer.owner, 5);
    ck_assert(!state.consumer.is_alive);
}
END_TEST

START_TEST(lease_without_a_start_time_is_dead)
{
    struct queue_lease *lease = &fixture.producer.segment.positions->producer;
    struct queue_view_state state;

    store_relaxed(&lease->pid, INT32_MAX); /* more than there can be */
    store_relaxed(&lease->start_time, 0);

    ck_assert_int_eq(queue_view_look(&view, &state), 0);
    ck_assert(!state.producer.is_alive);
}
END_TEST

START_TEST(positions_that_cannot_be_are_shown_and_called_corrupt)
{
    static const struct queue_snapshot wrong[] = {
        { .finished = 8, .released = 0, .committed = 16 },
        { .finished = 0, .released = 24, .committed = 16 },
        { .finished = 0, .released = 0, .committed = CAPACITY + 8 },
        { .finished = 0, .released = 4, .committed = 16 },
        { .finished = UINT64_MAX, .released = 0, .committed = 0 },
    };
    struct queue_positions *positions = fixture.producer.segment.positions;
    struct queue_view_state state;

    store_relaxed(&positions->finished, wrong[_i].finished);
    store_relaxed(&positions->released, wrong[_i].released);
    store_relaxed(&positions->committed, wrong[_i].committed);

    ck_assert_int_eq(queue_view_look(&view, &state), QUEUE_CORRUPT);
    ck_assert_uint_eq(state.positions.finished, wrong[_i].finished);
    ck_assert_uint_eq(state.positions.released, wrong[_i].released);
    ck_assert_uint_eq(state.positions.committed, wrong[_i].committed);
}
END_TEST

START_TEST(intent_beyond_what_is_published_is_corrupt)
{
    struct queue_positions *positions = fixture.producer.segment.positions;
    struct queue_view_state state;

    store_relaxed(&positions->intents[0].end, 8);

    ck_assert_int_eq(queue_view_look(&view, &state), QUEUE_CORRUPT);
}
END_TEST

START_TEST(changed_byte_is_noticed_and_the_next_record_still_read)
{
    uint64_t position = 0;
    uint8_t *body;

    write_records(1, 2);
    body = (uint8_t *)record_in_ring(0) + sizeof(struct record_header);
    body[_i] ^= 1;

    ck_assert_int_eq(read_at(&position), QUEUE_VIEW_CHECKSUM);
    ck_assert_uint_eq(copy()->length, sizeof(*copy()) + LENGTH);
    ck_assert_int_eq(read_at(&position), 0);
    ck_assert(queue_fixture_is(copy(), 2, LENGTH));
}
END_TEST

START_TEST(record_that_leaves_its_bounds_is_corrupt)
{
    struct record_header *record;
    uint64_t position = 0;

    write_records(1, 2);
    record = record_in_ring(0);
    if (_i == 0)
        record->length = UINT32_MAX;
    else if (_i == 1)
        record->length = sizeof(*record) - 1;
    else if (_i == 2)
        record->length = 3 * LENGTH + 3 * sizeof(*record);
    else if (_i == 3)
        record->key_length = LENGTH + 1;
    else if (_i == 4)
        record->kind = 77;
    else
        record->kind = RECORD_PADDING;

    ck_assert_int_eq(read_at(&position), QUEUE_CORRUPT);
    ck_assert_uint_eq(position, 0);
}
END_TEST

START_TEST(position_between_records_is_corrupt)
{
    uint64_t position = 4;

    write_records(1, 1);

    ck_assert_int_eq(read_at(&position), QUEUE_CORRUPT);
}
END_TEST

/* Reused room may hold anything: it is not damage, whatever it looks like. */
START_TEST(record_finished_meanwhile_is_overrun_and_never_corrupt)
{
    uint64_t position = 0;

    write_records(1, 1);
    finish_records();
    write_records(2, 1);
    memset(record_in_ring(0), _i, record_space(LENGTH));

    ck_assert_int_eq(read_at(&position), QUEUE_VIEW_OVERRUN);
    ck_assert_uint_eq(position, record_space(LENGTH));
    ck_assert_int_eq(read_at(&position), 0);
    ck_assert(queue_fixture_is(copy(), 2, LENGTH));
}
END_TEST

START_TEST(record_that_just_fits_is_whole_and_a_longer_one_is_cut)
{
    size_t length = sizeof(struct record_header) + LENGTH;
    uint64_t position = 0;

    write_records(1, 2);

    memset(memory, 0xee, sizeof(memory));
    ck_assert_int_eq(queue_view_read(&view, &position, memory, length), 0);
    ck_assert(queue_fixture_is(copy(), 1, LENGTH));
    memset(memory, 0xee, sizeof(memory));
    ck_assert_int_eq(queue_view_read(&view, &position, memory, length - 1), 0);
    ck_assert_uint_eq(copy()->length, length);
    ck_assert_uint_eq(memory[sizeof(struct record_header)], 0xee);
    ck_assert_uint_eq(position, 2 * record_space(LENGTH));
}
END_TEST

START_TEST(view_leaves_every_byte_and_lock_alone)
{
    struct queue_consumer second;
    uint64_t position = 0;

    queue_consumer_close(&fixture.consumer);
    write_records(1, 1);
    ck_assert_int_eq(read_at(&position), 0);

    ck_assert_int_eq(queue_consumer_open(fixture.name, 0, &second), 0);
    queue_consumer_close(&second);
}
END_TEST

START_TEST(absent_queue_is_a_condition)
{
    struct queue_view none;

    ck_assert_int_eq(queue_view_open("/nsq_to_kinesis.no-such.g1.q0", &none),
                     QUEUE_ABSENT);
    queue_view_close(&none);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("queue_view");
    TCase *looks = tcase_create("looks");
    TCase *damage = tcase_create("damage");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(looks, set_up, tear_down);
    tcase_add_test(looks, live_queue_is_shown_as_it_is);
    tcase_add_test(looks, released_batch_is_not_on_its_way);
    tcase_add_test(looks, records_are_copied_oldest_first);
    tcase_add_test(looks, padding_at_the_end_of_the_ring_is_passed_over);
    tcase_add_test(looks, lease_of_a_process_that_died_is_dead);
    tcase_add_test(looks, lease_without_a_start_time_is_dead);
    tcase_add_test(looks,
                   record_that_just_fits_is_whole_and_a_longer_one_is_cut);
    tcase_add_test(looks, view_leaves_every_byte_and_lock_alone);
    tcase_add_test(looks, absent_queue_is_a_condition);
    suite_add_tcase(suite, looks);
    tcase_add_checked_fixture(damage, set_up, tear_down);
    tcase_add_loop_test(
        damage, positions_that_cannot_be_are_shown_and_called_corrupt, 0, 5);
    tcase_add_test(damage, intent_beyond_what_is_published_is_corrupt);
    tcase_add_loop_test(damage,
                        changed_byte_is_noticed_and_the_next_record_still_read,
                        0, LENGTH);
    tcase_add_loop_test(damage, record_that_leaves_its_bounds_is_corrupt, 0, 6);
    tcase_add_test(damage, position_between_records_is_corrupt);
    tcase_add_loop_test(
        damage, record_finished_meanwhile_is_overrun_and_never_corrupt, 0, 256);
    suite_add_tcase(suite, damage);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
