/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Every bit of a small queue is turned over, one at a time: it is found, or it
 * is one of those that queue_check.h excepts. (M3)
 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "shard/queue_check.h"
#include "shard/shared_word.h"
#include "tests/support/queue_fixture.h"

#define CAPACITY 4096
#define LENGTH   100 /* key and body of a record */

static struct queue_fixture queue;
static struct queue_plan plan;
static struct queue_census census;

/*
 *  finished     released      intent       committed
 *     |  two records  |  two    |  one record  |      and padding between
 */
static void set_up(void)
{
    struct record_header *record;
    struct queue_batch batch;
    uint64_t position;

    queue_fixture_init(&queue, CAPACITY, UINT64_C(5) * CAPACITY - 320);
    for (uint64_t i = 0; i < 5; i++)
        ck_assert_int_eq(queue_fixture_write(&queue.producer, i, LENGTH), 0);
    queue_publish(&queue.producer);
    position = queue.consumer.released;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(queue_peek(&queue.consumer, &position, &record), 0);
        record_set_verdict(record, VERDICT_DELIVERED);
    }
    ck_assert_int_eq(queue_release(&queue.consumer, position), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(queue_peek(&queue.consumer, &position, &record), 0);
    for (int64_t i = 0; i < 3; i++)
        queue_fixture_intend(&queue.consumer, position,
                             (struct wall_time){ .ns = i }, &batch);
    plan = (struct queue_plan){
        .capacity = CAPACITY,
        .generation = 1,
        .index = queue_segment_index(&queue.consumer.segment),
        .last = HASH_KEY_MOST,
    };
}

static void tear_down(void)
{
    queue_fixture_deinit(&queue);
}

static int look(void)
{
    return queue_check(queue.name, &plan, &census);
}

static uint8_t *byte_at(size_t offset)
{
    return (uint8_t *)queue.producer.segment.memory.address + offset;
}

static void expect_damage(const char *words)
{
    ck_assert_int_eq(look(), QUEUE_CORRUPT);
    ck_assert_msg(strstr(census.damage, words) != NULL, "no \"%s\" in \"%s\"",
                  words, census.damage);
}

START_TEST(sound_queue_is_counted)
{
    ck_assert_int_eq(look(), 0);

    ck_assert_uint_eq(census.record_count, 5);
    ck_assert_uint_eq(census.record_bytes,
                      queue.producer.committed - queue.producer.finished);
    ck_assert_uint_gt(census.record_bytes, 5 * record_space(LENGTH));
    ck_assert_str_eq(census.damage, "");
}
END_TEST

START_TEST(absent_queue_is_no_damage)
{
    ck_assert_int_eq(
        queue_check("/nsq_to_kinesis.no-such.g1.q0", &plan, &census),
        QUEUE_ABSENT);
}
END_TEST

/* Ranges of bytes of which a turned bit does no harm. */
static const struct quiet {
    size_t from;
    size_t to;
} quiet[] = {
    /* creator_pid; creator_start and created_wall_ns; reserved */
    { 12, 16 },
    { 24, 40 },
    { 44, 64 },
};

static bool is_quiet(size_t offset)
{
    for (size_t i = 0; i < ARRAY_LENGTH(quiet); i++)
        if (offset >= quiet[i].from && offset < quiet[i].to)
            return true;
    return false;
}

START_TEST(each_bit_of_the_head_is_looked_at)
{
    for (size_t offset = 0; offset < sizeof(struct queue_head); offset++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            *byte_at(offset) ^= (uint8_t)(1U << bit);
            ck_assert_msg((look() == QUEUE_CORRUPT) == !is_quiet(offset),
                          "byte %zu, bit %u: %s", offset, bit, census.damage);
            ck_assert_msg(is_quiet(offset) == (census.damage[0] == '\0'),
                          "byte %zu, bit %u", offset, bit);
            *byte_at(offset) ^= (uint8_t)(1U << bit);
        }
    }
}
END_TEST

/* The word at `offset` of the positions; every bit of it. */
static void turn_each_bit(size_t offset, unsigned least, const char *what)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        uint8_t *byte = byte_at(QUEUE_POSITIONS_OFFSET + offset + bit / 8);
        int result;

        *byte ^= (uint8_t)(1U << bit % 8);
        result = look();
        *byte ^= (uint8_t)(1U << bit % 8);
        ck_assert_msg(result == QUEUE_CORRUPT || bit < least, "%s, bit %u",
                      what, bit);
    }
}

START_TEST(each_bit_of_the_positions_and_the_intent_is_looked_at)
{
    size_t intent = offsetof(struct queue_positions, intents) +
                    (queue.consumer.segment.positions->batch % 2) *
                        sizeof(struct queue_intent);
    size_t words = (offsetof(struct queue_intent, parts) +
                    sizeof(struct queue_intent_part)) /
                   sizeof(uint64_t);

    turn_each_bit(offsetof(struct queue_positions, released), 0, "released");
    turn_each_bit(offsetof(struct queue_positions, committed), 0, "committed");
    turn_each_bit(offsetof(struct queue_positions, finished), 0, "finished");
    turn_each_bit(offsetof(struct queue_positions, batch), 1, "batch");
    for (size_t i = 0; i < words; i++)
        turn_each_bit(intent + i * sizeof(uint64_t), 0, "intent");
}
END_TEST

/* Header bytes that are not in the checksum and need not be: see the header. */
static bool is_excepted(size_t offset)
{
    return offset >= offsetof(struct record_header, source) &&
           offset < offsetof(struct record_header, message_id);
}

START_TEST(each_bit_of_each_record_is_looked_at)
{
    uint64_t position = queue.producer.finished;
    struct record_header *record;

    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(queue_walk(&queue.producer, &position, &record), 0);
        for (size_t offset = 0; offset < record->length; offset++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                uint8_t *byte = (uint8_t *)record + offset;
                int result;

                *byte ^= (uint8_t)(1U << bit);
                result = look();
                *byte ^= (uint8_t)(1U << bit);
                ck_assert_msg((result == QUEUE_CORRUPT) == !is_excepted(offset),
                              "record %d, byte %zu, bit %u gave %d", i, offset,
                              bit, result);
            }
        }
    }
}
END_TEST

START_TEST(each_bit_of_padding_is_looked_at)
{
    struct record_header *padding = NULL;
    uint64_t position = queue.producer.finished;

    while (queue_record_at(&queue.producer.segment, position,
                           queue.producer.committed, &padding) == 0 &&
           padding->kind != RECORD_PADDING)
        position += record_space(padding->length - sizeof(*padding));
    ck_assert_int_eq(padding->kind, RECORD_PADDING);
    for (size_t bit = 0; bit < 40; bit++) {
        uint8_t *byte = (uint8_t *)padding + bit / 8;

        *byte ^= (uint8_t)(1U << bit % 8);
        ck_assert_msg(look() == QUEUE_CORRUPT, "bit %zu", bit);
        *byte ^= (uint8_t)(1U << bit % 8);
    }
}
END_TEST

/* No two of them are one flipped bit, nor three, apart. */
START_TEST(no_verdict_is_nearly_another)
{
    static const uint8_t verdicts[] = { VERDICT_NONE, VERDICT_DELIVERED,
                                        VERDICT_REFUSED_TOO_LARGE,
                                        VERDICT_REFUSED_BY_KINESIS };

    for (size_t i = 0; i < ARRAY_LENGTH(verdicts); i++)
        for (size_t j = 0; j < i; j++)
            ck_assert_int_ge(
                __builtin_popcount((unsigned)verdicts[i] ^ verdicts[j]), 4);
}
END_TEST

START_TEST(what_is_wrong_is_told_and_where)
{
    struct queue_positions *positions = queue.producer.segment.positions;
    uint8_t *body = queue.producer.segment.ring +
                    (queue.producer.finished & (CAPACITY - 1)) +
                    sizeof(struct record_header);
    char place[64];

    body[3] ^= 1;
    (void)snprintf(place, sizeof(place),
                   "record at %llu that is not what ingest",
                   (unsigned long long)queue.producer.finished);
    expect_damage(place);
    body[3] ^= 1;
    store_relaxed(&positions->released, UINT64_MAX);
    expect_damage("positions that cannot be");
    store_relaxed(&positions->released, queue.consumer.released);
    *byte_at(8) = 99;
    expect_damage("has version 99");
    *byte_at(8) = QUEUE_VERSION;
    plan.index++;
    expect_damage("says that it is g1.q");
    plan.index--;
    plan.last.low--;
    expect_damage("other hash keys");
    plan.last = HASH_KEY_MOST;
    ck_assert_int_eq(look(), 0);
}
END_TEST

/* The worker that attaches believes no intent that egress did not write. */
START_TEST(worker_refuses_an_intent_that_was_changed)
{
    struct queue_positions *positions = queue.producer.segment.positions;
    struct queue_intent *intent = &positions->intents[positions->batch % 2];
    struct queue_batch batch;

    ck_assert_int_eq(queue_intended(&queue.consumer, &batch), 0);
    store_relaxed(&intent->parts[0].first_high, 1);

    ck_assert_int_eq(queue_intended(&queue.consumer, &batch), QUEUE_CORRUPT);
    store_relaxed(&intent->parts[0].first_high, 0);
    store_relaxed(&intent->part_count, QUEUE_PARTS_MOST + 1);
    ck_assert_int_eq(queue_intended(&queue.consumer, &batch), QUEUE_CORRUPT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("queue_check");
    TCase *checks = tcase_create("checks");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(checks, 60);
    tcase_add_checked_fixture(checks, set_up, tear_down);
    tcase_add_test(checks, sound_queue_is_counted);
    tcase_add_test(checks, absent_queue_is_no_damage);
    tcase_add_test(checks, each_bit_of_the_head_is_looked_at);
    tcase_add_test(checks,
                   each_bit_of_the_positions_and_the_intent_is_looked_at);
    tcase_add_test(checks, each_bit_of_each_record_is_looked_at);
    tcase_add_test(checks, each_bit_of_padding_is_looked_at);
    tcase_add_test(checks, no_verdict_is_nearly_another);
    tcase_add_test(checks, what_is_wrong_is_told_and_where);
    tcase_add_test(checks, worker_refuses_an_intent_that_was_changed);
    suite_add_tcase(suite, checks);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
