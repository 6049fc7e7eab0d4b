/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Both ends of a queue in one process, every corner placed by hand. The tests
 * with a position run it from several: 0, just below 2^32 and just below 2^63,
 * where a 32-bit or signed position would break.
 */

#include <check.h>
#include <stdlib.h>

#include "shard/shared_word.h"
#include "tests/support/queue_fixture.h"

#define CAPACITY 4096

static const uint64_t starts[] = {
    0,
    (UINT64_C(1) << 32) - 128,
    (UINT64_C(1) << 32) - CAPACITY,
    (UINT64_C(1) << 63) - 128,
    (UINT64_C(1) << 63) - CAPACITY,
};

static struct queue_fixture fixture;

static void remove_queue(void)
{
    queue_fixture_deinit(&fixture);
}

/* Key and body so that the record takes exactly `space` bytes of the ring. */
static size_t length_for(uint64_t space)
{
    return space - sizeof(struct record_header);
}

static void expect_record(uint64_t *position, uint64_t serial, size_t length)
{
    struct record_header *record;

    ck_assert_int_eq(queue_peek(&fixture.consumer, position, &record), 0);
    ck_assert(queue_fixture_is(record, serial, length));
}

static void expect_no_record(uint64_t position)
{
    struct record_header *record;

    ck_assert_int_eq(queue_peek(&fixture.consumer, &position, &record),
                     QUEUE_EMPTY);
}

/* Read, release and finish everything, to move the positions along. */
static void drain(void)
{
    uint64_t position = fixture.consumer.released;
    struct record_header *record;

    while (queue_peek(&fixture.consumer, &position, &record) == 0)
        record_set_verdict(record, VERDICT_DELIVERED);
    ck_assert_int_eq(queue_release(&fixture.consumer, position), 0);
    while (queue_decided(&fixture.producer, &record) == 0)
        ck_assert_uint_eq(record->verdict, VERDICT_DELIVERED);
    queue_finish(&fixture.producer);
}

/* Move the three positions to `place` within the ring. */
static void advance_to(uint64_t place)
{
    uint64_t step = CAPACITY / 4;

    while ((fixture.producer.reserved & (CAPACITY - 1)) != place) {
        uint64_t here = fixture.producer.reserved & (CAPACITY - 1);
        uint64_t space = place > here ? place - here : CAPACITY - here;

        if (space > step)
            space = step;
        ck_assert_uint_ge(space, sizeof(struct record_header) + 8);
        ck_assert_int_eq(
            queue_fixture_write(&fixture.producer, 1, length_for(space)), 0);
        queue_publish(&fixture.producer);
        drain();
    }
}

START_TEST(unpublished_record_is_invisible)
{
    queue_fixture_init(&fixture, CAPACITY, starts[_i]);
    uint64_t position = fixture.consumer.released;

    ck_assert_int_eq(queue_fixture_write(&fixture.producer, 7, 100), 0);
    expect_no_record(position);
    queue_publish(&fixture.producer);

    expect_record(&position, 7, 100);
    expect_no_record(position);
}
END_TEST

START_TEST(full_queue_refuses_and_keeps_its_records)
{
    queue_fixture_init(&fixture, CAPACITY, starts[_i]);
    uint64_t position = fixture.consumer.released;
    uint64_t count = CAPACITY / 128;

    /* From a start at a multiple of 128 the ring becomes exactly full. */
    for (uint64_t i = 0; i < count; i++)
        if (queue_fixture_write(&fixture.producer, i, length_for(128)))
            count = i;
    queue_publish(&fixture.producer);

    ck_assert_uint_ge(count, CAPACITY / 128 - 1);
    ck_assert_int_eq(
        queue_fixture_write(&fixture.producer, 99, length_for(128)),
        QUEUE_FULL);
    for (uint64_t i = 0; i < count; i++)
        expect_record(&position, i, length_for(128));
    expect_no_record(position);
}
END_TEST

START_TEST(exactly_full_ring_has_no_room_left)
{
    queue_fixture_init(&fixture, CAPACITY,
                       starts[_i] & ~(CAPACITY - UINT64_C(1)));

    ck_assert_int_eq(
        queue_fixture_write(&fixture.producer, 1, length_for(CAPACITY / 2)), 0);
    ck_assert_int_eq(
        queue_fixture_write(&fixture.producer, 2, length_for(CAPACITY / 2)), 0);
    queue_publish(&fixture.producer);

    ck_assert_uint_eq(queue_room(&fixture.producer), 0);
    ck_assert_int_eq(queue_fixture_write(&fixture.producer, 3, 8), QUEUE_FULL);
}
END_TEST

START_TEST(record_ending_at_the_end_needs_no_padding)
{
    queue_fixture_init(&fixture, CAPACITY, starts[_i]);
    advance_to(CAPACITY - 256);
    uint64_t before = fixture.producer.reserved;
    uint64_t position = fixture.consumer.released;

    ck_assert_int_eq(queue_fixture_write(&fixture.producer, 5, length_for(256)),
                     0);
    ck_assert_int_eq(queue_fixture_write(&fixture.producer, 6, length_for(128)),
                     0);
    queue_publish(&fixture.producer);

    ck_assert_uint_eq(fixture.producer.reserved - before, 256 + 128);
    expect_record(&position, 5, length_for(256));
    expect_record(&position, 6, length_for(128));
}
END_TEST

START_TEST(record_that_would_wrap_starts_at_the_beginning)
{
    queue_fixture_init(&fixture, CAPACITY, starts[_i]);
    advance_to(CAPACITY - 256);
    uint64_t before = fixture.producer.reserved;
    uint64_t position = fixture.consumer.released;

    ck_assert_int_eq(queue_fixture_write(&fixture.producer, 5, length_for(264)),
                     0);
    queue_publish(&fixture.producer);

    ck_assert_uint_eq(fixture.producer.reserved - before, 256 + 264);
    expect_record(&position, 5, length_for(264));
    expect_no_record(position);
}
END_TEST

START_TEST(padding_of_eight_bytes_is_enough)
{
    queue_fixture_init(&fixture, CAPACITY, starts[_i]);
    advance_to(CAPACITY - 256);
    uint64_t position = fixture.consumer.released;

    ck_assert_int_eq(queue_fixture_write(&fixture.producer, 5, length_for(248)),
                     0);
    ck_assert_int_eq(queue_fixture_write(&fixture.producer, 6, length_for(128)),
                     0);
    queue_publish(&fixture.producer);

    expect_record(&position, 5, length_for(248));
    expect_record(&position, 6, length_for(128));
    expect_no_record(position);
}
END_TEST

START_TEST(padding_alone_does_not_enter_a_full_ring)
{
    /*
     * 256 bytes are free at the end and 256 at the beginning: a record of 320
     * fits nowhere, although its padding would.
     */
    struct record_header *record;
    uint64_t position;

    queue_fixture_init(&fixture, CAPACITY, starts[_i]);
    advance_to(256);
    for (uint64_t i = 0; i < (CAPACITY - 512) / 512; i++)
        ck_assert_int_eq(
            queue_fixture_write(&fixture.producer, i, length_for(512)), 0);
    queue_publish(&fixture.producer);
    uint64_t before = fixture.producer.reserved;

    ck_assert_int_eq(
        queue_fixture_write(&fixture.producer, 90, length_for(320)),
        QUEUE_FULL);

    ck_assert_uint_eq(fixture.producer.reserved, before);
    ck_assert_int_eq(
        queue_fixture_write(&fixture.producer, 91, length_for(256)), 0);
    ck_assert_int_eq(
        queue_fixture_write(&fixture.producer, 92, length_for(256)), 0);
    queue_publish(&fixture.producer);
    ck_assert_uint_eq(queue_room(&fixture.producer), 0);
    position = fixture.consumer.released;
    for (uint64_t i = 0; i < (CAPACITY - 512) / 512; i++)
        expect_record(&position, i, length_for(512));
    expect_record(&position, 91, length_for(256));
    expect_record(&position, 92, length_for(256));
    ck_assert_int_eq(queue_peek(&fixture.consumer, &position, &record),
                     QUEUE_EMPTY);
}
END_TEST

START_TEST(padding_and_record_together_fit_into_an_empty_ring)
{
    queue_fixture_init(&fixture, CAPACITY, starts[_i]);
    advance_to(CAPACITY / 2 + 8 * 16);
    uint64_t position = fixture.consumer.released;

    ck_assert_int_eq(
        queue_fixture_write(&fixture.producer, 5, length_for(CAPACITY / 2)), 0);
    queue_publish(&fixture.producer);

    expect_record(&position, 5, length_for(CAPACITY / 2));
}
END_TEST

START_TEST(record_over_half_of_the_ring_is_refused_for_good)
{
    queue_fixture_init(&fixture, CAPACITY, starts[_i]);

    ck_assert_int_eq(
        queue_fixture_write(&fixture.producer, 1, length_for(CAPACITY / 2) + 1),
        QUEUE_TOO_LONG);
    ck_assert_int_eq(queue_fixture_write(&fixture.producer, 1, SIZE_MAX - 70),
                     QUEUE_TOO_LONG);
    ck_assert_uint_eq(queue_room(&fixture.producer), CAPACITY);
}
END_TEST

START_TEST(room_comes_back_when_finished_not_when_released)
{
    struct record_header *record;
    uint64_t position;

    queue_fixture_init(&fixture, CAPACITY,
                       starts[_i] & ~(CAPACITY - UINT64_C(1)));
    ck_assert_int_eq(queue_fixture_write(&fixture.producer, 1, length_for(512)),
                     0);
    queue_publish(&fixture.producer);
    position = fixture.consumer.released;
    ck_assert_int_eq(queue_peek(&fixture.consumer, &position, &record), 0);
    ck_assert_int_eq(queue_decided(&fixture.producer, &record), QUEUE_EMPTY);

    record_set_verdict(record, VERDICT_DELIVERED);
    ck_assert_int_eq(queue_release(&fixture.consumer, position), 0);
    ck_assert_uint_eq(queue_room(&fixture.producer), CAPACITY - 512);
    ck_assert_int_eq(queue_decided(&fixture.producer, &record), 0);
    ck_assert_uint_eq(queue_room(&fixture.producer), CAPACITY - 512);
    queue_finish(&fixture.producer);

    ck_assert_uint_eq(queue_room(&fixture.producer), CAPACITY);
    ck_assert(queue_is_drained(&fixture.producer));
}
END_TEST

START_TEST(each_end_is_taken_once)
{
    struct queue_producer second_producer;
    struct queue_consumer second_consumer;

    queue_fixture_init(&fixture, CAPACITY, 0);

    ck_assert_int_eq(queue_producer_open(fixture.name, &second_producer),
                     QUEUE_TAKEN);
    ck_assert_int_eq(queue_consumer_open(fixture.name, 0, &second_consumer),
                     QUEUE_TAKEN);
    queue_producer_close(&second_producer);
    queue_consumer_close(&second_consumer);
}
END_TEST

START_TEST(reopened_queue_continues_after_the_last_published_record)
{
    uint64_t position;

    queue_fixture_init(&fixture, CAPACITY, starts[_i]);
    ck_assert_int_eq(queue_fixture_write(&fixture.producer, 1, 50), 0);
    queue_publish(&fixture.producer);
    ck_assert_int_eq(queue_fixture_write(&fixture.producer, 2, 60), 0);
    queue_producer_close(&fixture.producer);

    ck_assert_int_eq(queue_producer_open(fixture.name, &fixture.producer), 0);
    ck_assert_int_eq(queue_fixture_write(&fixture.producer, 3, 70), 0);
    queue_publish(&fixture.producer);

    position = fixture.consumer.released;
    expect_record(&position, 1, 50);
    expect_record(&position, 3, 70);
    expect_no_record(position);
}
END_TEST

START_TEST(next_reader_finds_what_its_predecessor_was_sending)
{
    struct queue_batch sent;
    struct queue_batch found;
    struct record_header *record;
    uint64_t position;

    queue_fixture_init(&fixture, CAPACITY, starts[_i]);
    for (uint64_t i = 0; i < 3; i++)
        ck_assert_int_eq(queue_fixture_write(&fixture.producer, i, 50), 0);
    queue_publish(&fixture.producer);
    position = fixture.consumer.released;
    ck_assert_int_eq(queue_peek(&fixture.consumer, &position, &record), 0);
    ck_assert_int_eq(queue_peek(&fixture.consumer, &position, &record), 0);
    ck_assert_int_eq(queue_intended(&fixture.consumer, &found), QUEUE_EMPTY);
    queue_fixture_intend(&fixture.consumer, position,
                         (struct wall_time){ .ns = 77 }, &sent);
    queue_consumer_close(&fixture.consumer);

    ck_assert_int_eq(queue_consumer_open(fixture.name, 3, &fixture.consumer),
                     0);
    ck_assert_int_eq(queue_intended(&fixture.consumer, &found), 0);

    ck_assert_uint_eq(found.number, sent.number);
    ck_assert_uint_eq(found.epoch, sent.epoch);
    ck_assert_uint_eq(found.first, sent.first);
    ck_assert_uint_eq(found.end, position);
    ck_assert_int_eq(found.sent.ns, 77);
    ck_assert_uint_eq(found.part_count, 1);
    ck_assert(hash_key_equal(found.parts[0].last, HASH_KEY_MOST));
    ck_assert(found.parts[0].takes_keyless);
    ck_assert_uint_eq(found.parts[0].epoch, sent.epoch);
    ck_assert_uint_eq(found.parts[0].number, sent.parts[0].number);
    ck_assert_int_eq(queue_release(&fixture.consumer, found.end), 0);
    ck_assert_int_eq(queue_intended(&fixture.consumer, &found), QUEUE_EMPTY);
}
END_TEST

START_TEST(intent_with_nonsense_in_its_parts_is_corrupt)
{
    struct queue_intent *intent;
    struct queue_batch batch = { .sent = { .ns = 1 }, .part_count = 2 };
    struct record_header *record;

    queue_fixture_init(&fixture, CAPACITY, starts[_i]);
    ck_assert_int_eq(queue_fixture_write(&fixture.producer, 0, 50), 0);
    queue_publish(&fixture.producer);
    batch.first = batch.end = fixture.consumer.released;
    ck_assert_int_eq(queue_peek(&fixture.consumer, &batch.end, &record), 0);
    batch.parts[0].last.high = 4;
    batch.parts[1].first.high = 5;
    batch.parts[1].last = HASH_KEY_MOST;
    queue_intend(&fixture.consumer, &batch);
    intent = &fixture.consumer.segment.positions->intents[batch.number % 2];
    ck_assert_int_eq(queue_intended(&fixture.consumer, &batch), 0);
    ck_assert_uint_ne(batch.parts[0].number, batch.parts[1].number);

    store_relaxed(&intent->part_count, QUEUE_PARTS_MOST + 1);
    ck_assert_int_eq(queue_intended(&fixture.consumer, &batch), QUEUE_CORRUPT);
    store_relaxed(&intent->part_count, 0);
    ck_assert_int_eq(queue_intended(&fixture.consumer, &batch), QUEUE_CORRUPT);
    store_relaxed(&intent->part_count, 2);
    store_relaxed(&intent->parts[0].last_high, 5);
    ck_assert_int_eq(queue_intended(&fixture.consumer, &batch), QUEUE_CORRUPT);
    store_relaxed(&intent->parts[0].last_high, 4);
    store_relaxed(&intent->parts[1].number, 0);
    ck_assert_int_eq(queue_intended(&fixture.consumer, &batch), QUEUE_CORRUPT);
}
END_TEST

START_TEST(fenced_reader_releases_nothing)
{
    struct queue_positions *positions;
    struct record_header *record;
    uint64_t position;

    queue_fixture_init(&fixture, CAPACITY, 0);
    positions = fixture.producer.segment.positions;
    ck_assert_int_eq(queue_fixture_write(&fixture.producer, 1, 50), 0);
    queue_publish(&fixture.producer);
    position = fixture.consumer.released;
    ck_assert_int_eq(queue_peek(&fixture.consumer, &position, &record), 0);

    queue_take_lease(&positions->consumer, 9);

    ck_assert_int_eq(queue_check_epoch(&fixture.consumer), QUEUE_FENCED);
    ck_assert_int_eq(queue_release(&fixture.consumer, position), QUEUE_FENCED);
    ck_assert_uint_eq(load_relaxed(&positions->released), 0);
    ck_assert_uint_eq(queue_egress_owner(&fixture.producer), 9);
}
END_TEST

START_TEST(impossible_numbers_are_refused_not_followed)
{
    static const struct {
        uint32_t length;
        uint16_t key_length;
        uint8_t kind;
    } damages[] = {
        { 0, 0, RECORD_MESSAGE },
        { 63, 0, RECORD_MESSAGE },
        { 5000, 0, RECORD_MESSAGE },
        { UINT32_MAX, 0, RECORD_MESSAGE },
        { 200, 500, RECORD_MESSAGE },
        { 200, 0, 0 },
        { 200, 0, 99 },
        { 8, 0, RECORD_PADDING },
        { 5000, 0, RECORD_PADDING },
    };
    struct record_header *record;
    uint64_t position;

    queue_fixture_init(&fixture, CAPACITY, 0);
    ck_assert_int_eq(queue_fixture_write(&fixture.producer, 1, 100), 0);
    queue_publish(&fixture.producer);
    record = (void *)fixture.producer.segment.ring;
    record->length = damages[_i].length;
    record->key_length = damages[_i].key_length;
    record->kind = damages[_i].kind;
    position = fixture.consumer.released;

    ck_assert_int_eq(queue_peek(&fixture.consumer, &position, &record),
                     QUEUE_CORRUPT);
}
END_TEST

START_TEST(impossible_positions_are_refused_at_once)
{
    static const struct {
        uint64_t finished, released, committed;
    } damages[] = {
        { 8, 0, 0 },
        { 0, 8, 0 },
        { 0, 0, CAPACITY + 8 },
        { 0, 0, 4 },
        { 0, 0, UINT64_MAX - 7 },
    };
    struct queue_producer producer;
    struct queue_consumer consumer;
    struct queue_positions *positions;

    queue_fixture_init(&fixture, CAPACITY, 0);
    positions = fixture.producer.segment.positions;
    producer = fixture.producer;
    consumer = fixture.consumer;
    store_release(&positions->finished, damages[_i].finished);
    store_release(&positions->released, damages[_i].released);
    store_release(&positions->committed, damages[_i].committed);

    ck_assert_int_eq(queue_producer_begin(&producer), QUEUE_CORRUPT);
    ck_assert_int_eq(queue_consumer_begin(&consumer, 0), QUEUE_CORRUPT);
}
END_TEST

START_TEST(released_beyond_committed_finishes_nothing)
{
    struct record_header *record;

    queue_fixture_init(&fixture, CAPACITY, 0);
    store_release(&fixture.producer.segment.positions->released, 800);

    ck_assert_int_eq(queue_decided(&fixture.producer, &record), QUEUE_CORRUPT);
}
END_TEST

START_TEST(walk_shows_what_is_not_finished_published_or_not)
{
    struct record_header *record;
    uint64_t position;

    queue_fixture_init(&fixture, CAPACITY, starts[_i]);
    advance_to(CAPACITY - 256);
    ck_assert_int_eq(queue_fixture_write(&fixture.producer, 1, length_for(512)),
                     0);
    queue_publish(&fixture.producer);
    ck_assert_int_eq(queue_fixture_write(&fixture.producer, 2, length_for(128)),
                     0);

    position = queue_oldest(&fixture.producer);
    ck_assert_int_eq(queue_walk(&fixture.producer, &position, &record), 0);
    ck_assert_uint_eq(queue_fixture_serial(record), 1);
    ck_assert_int_eq(queue_walk(&fixture.producer, &position, &record), 0);
    ck_assert_uint_eq(queue_fixture_serial(record), 2);
    ck_assert_int_eq(queue_walk(&fixture.producer, &position, &record),
                     QUEUE_EMPTY);
}
END_TEST

START_TEST(record_that_has_to_wait_is_shown_again)
{
    queue_fixture_init(&fixture, CAPACITY, starts[_i]);
    struct record_header *record;
    uint64_t position = fixture.consumer.released;
    uint64_t room;

    for (uint64_t i = 0; i < 3; i++)
        ck_assert_int_eq(queue_fixture_write(&fixture.producer, i, 100), 0);
    queue_publish(&fixture.producer);
    room = queue_room(&fixture.producer);
    while (queue_peek(&fixture.consumer, &position, &record) == 0)
        record_set_verdict(record, VERDICT_DELIVERED);
    ck_assert_int_eq(queue_release(&fixture.consumer, position), 0);

    ck_assert_int_eq(queue_decided(&fixture.producer, &record), 0);
    ck_assert_int_eq(queue_decided(&fixture.producer, &record), 0);
    queue_show_again(&fixture.producer);
    queue_finish(&fixture.producer);
    ck_assert_uint_gt(queue_room(&fixture.producer), room); /* of the first */
    room = queue_room(&fixture.producer);

    for (int turn = 0; turn < 2; turn++) {
        struct record_header *again;

        ck_assert_int_eq(queue_decided(&fixture.producer, &again), 0);
        ck_assert_ptr_eq(again, record);
        queue_show_again(&fixture.producer);
        queue_finish(&fixture.producer);
        ck_assert_uint_eq(queue_room(&fixture.producer), room);
    }
    ck_assert_int_eq(queue_decided(&fixture.producer, &record), 0);
    ck_assert_int_eq(queue_decided(&fixture.producer, &record), 0);
    ck_assert_int_eq(queue_decided(&fixture.producer, &record), QUEUE_EMPTY);
    queue_finish(&fixture.producer);
    ck_assert(queue_is_drained(&fixture.producer));
}
END_TEST

START_TEST(checksum_of_the_parts_is_that_of_the_whole)
{
    static const size_t lengths[] = { 8, 16, 100, 240, 241, 1000, 3000 };
    struct record_header *record;

    queue_fixture_init(&fixture, 64 * 1024, 0);
    for (uint64_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        ck_assert_int_eq(queue_fixture_write(&fixture.producer, i, lengths[i]),
                         0);
        queue_publish(&fixture.producer);
    }

    for (uint64_t position = 0;
         queue_walk(&fixture.producer, &position, &record) == 0;)
        ck_assert_uint_eq(
            record_checksum_of(record, record_key(record), record_body(record)),
            record->checksum);
}
END_TEST

START_TEST(segment_of_another_kind_or_size_is_refused)
{
    struct queue_segment segment;
    struct queue_head *head;

    queue_fixture_init(&fixture, CAPACITY, 0);
    head = fixture.producer.segment.memory.address;

    ck_assert_int_eq(queue_segment_open("/nsq_to_kinesis.no-such.g1.q0",
                                        SHARED_MEMORY_READ, &segment),
                     QUEUE_ABSENT);
    head->capacity = CAPACITY * 2;
    ck_assert_int_eq(
        queue_segment_open(fixture.name, SHARED_MEMORY_READ, &segment),
        QUEUE_WRONG_LAYOUT);
    head->capacity = CAPACITY - 8;
    ck_assert_int_eq(
        queue_segment_open(fixture.name, SHARED_MEMORY_READ, &segment),
        QUEUE_WRONG_LAYOUT);
    head->capacity = CAPACITY;
    head->segment.version = QUEUE_VERSION + 1;
    ck_assert_int_eq(
        queue_segment_open(fixture.name, SHARED_MEMORY_READ, &segment),
        QUEUE_WRONG_LAYOUT);
    head->segment.version = QUEUE_VERSION;
}
END_TEST

int main(void)
{
    const int start_count = (int)ARRAY_LENGTH(starts);
    Suite *suite = suite_create("queue");
    TCase *ring = tcase_create("ring");
    TCase *ends = tcase_create("ends");
    TCase *damage = tcase_create("damage");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(ring, NULL, remove_queue);
    tcase_add_checked_fixture(ends, NULL, remove_queue);
    tcase_add_checked_fixture(damage, NULL, remove_queue);
    tcase_add_loop_test(ring, unpublished_record_is_invisible, 0, start_count);
    tcase_add_loop_test(ring, full_queue_refuses_and_keeps_its_records, 0,
                        start_count);
    tcase_add_loop_test(ring, exactly_full_ring_has_no_room_left, 0,
                        start_count);
    tcase_add_loop_test(ring, record_ending_at_the_end_needs_no_padding, 0,
                        start_count);
    tcase_add_loop_test(ring, record_that_would_wrap_starts_at_the_beginning, 0,
                        start_count);
    tcase_add_loop_test(ring, padding_of_eight_bytes_is_enough, 0, start_count);
    tcase_add_loop_test(ring, padding_alone_does_not_enter_a_full_ring, 0,
                        start_count);
    tcase_add_loop_test(ring,
                        padding_and_record_together_fit_into_an_empty_ring, 0,
                        start_count);
    tcase_add_loop_test(ring, record_over_half_of_the_ring_is_refused_for_good,
                        0, start_count);
    tcase_add_loop_test(ring, room_comes_back_when_finished_not_when_released,
                        0, start_count);
    tcase_add_loop_test(ring, walk_shows_what_is_not_finished_published_or_not,
                        0, start_count);
    tcase_add_loop_test(ring, record_that_has_to_wait_is_shown_again, 0,
                        start_count);
    tcase_add_test(ring, checksum_of_the_parts_is_that_of_the_whole);
    tcase_add_test(ends, each_end_is_taken_once);
    tcase_add_loop_test(
        ends, reopened_queue_continues_after_the_last_published_record, 0,
        start_count);
    tcase_add_loop_test(ends,
                        next_reader_finds_what_its_predecessor_was_sending, 0,
                        start_count);
    tcase_add_loop_test(ends, intent_with_nonsense_in_its_parts_is_corrupt, 0,
                        start_count);
    tcase_add_test(ends, fenced_reader_releases_nothing);
    tcase_add_loop_test(damage, impossible_numbers_are_refused_not_followed, 0,
                        9);
    tcase_add_loop_test(damage, impossible_positions_are_refused_at_once, 0, 5);
    tcase_add_test(damage, released_beyond_committed_finishes_nothing);
    tcase_add_test(damage, segment_of_another_kind_or_size_is_refused);
    suite_add_tcase(suite, ring);
    suite_add_tcase(suite, ends);
    suite_add_tcase(suite, damage);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
