/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A queue's way to Kinesis, with real records in a real queue: batches, their
 * parts, what is sent again and what is not.
 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "egress/queue_sender.h"
#include "tests/support/queue_fixture.h"

#define CAPACITY       (64 * 1024)
#define PLACE_CAPACITY (16 * 1024)

static struct queue_fixture fixture;
static struct queue_sender sender;
static struct random randomness;

static struct aggregator aggregator;
static struct key_slot slots[KEY_INDEX_SLOTS(64)];
static uint8_t place[PLACE_CAPACITY];
static struct batch_encoder encoder;

static struct shard_map_row one_row[1];
static struct shard_map_row two_rows[2];
static struct shard_map one_shard;
static struct shard_map two_shards;

static const struct layout_queue everything = {
    .last = { UINT64_MAX, UINT64_MAX },
    .shard_id = "shardId-000000000000",
};
static const struct monotonic start = { .ns = 1000 };
static const struct wall_time wall = { .ns = 5000 };

static void make_maps(void)
{
    (void)snprintf(one_row[0].shard_id, SHARD_ID_CAPACITY, "parent");
    one_row[0].last = HASH_KEY_MOST;
    ck_assert_int_eq(shard_map_build(&one_shard, one_row, 1), 0);
    (void)snprintf(two_rows[0].shard_id, SHARD_ID_CAPACITY, "low");
    two_rows[0].last = (struct hash_key){ UINT64_MAX / 2, UINT64_MAX };
    (void)snprintf(two_rows[1].shard_id, SHARD_ID_CAPACITY, "high");
    two_rows[1].first = hash_key_next(two_rows[0].last);
    two_rows[1].last = HASH_KEY_MOST;
    ck_assert_int_eq(shard_map_build(&two_shards, two_rows, 2), 0);
}

static void open_sender(void)
{
    ck_assert_int_eq(queue_sender_open(fixture.name, &everything, 0, &sender),
                     0);
    queue_sender_look(&sender, start);
}

static void set_up(void)
{
    queue_fixture_make(&fixture, CAPACITY, 0);
    ck_assert_int_eq(queue_producer_open(fixture.name, &fixture.producer), 0);
    aggregator_init(&aggregator, slots, 64);
    random_seed(&randomness, 1);
    encoder = (struct batch_encoder){
        .limits = { .aggregate_size = 8000,
                    .record_size = 10000,
                    .record_count = SIZE_MAX },
        .aggregator = &aggregator,
        .place = place,
        .capacity = sizeof(place),
    };
    make_maps();
    open_sender();
}

static void tear_down(void)
{
    queue_sender_close(&sender);
    queue_fixture_deinit(&fixture);
}

/* The hash keys of "a" and "b" begin with 0c and 92: low and high half. */
static void put(const char *key, const char *body)
{
    struct bytes key_bytes = bytes_of_text(key);
    struct hash_key hash_key = { 0, 0 };
    struct record_header *record;
    uint8_t *payload;

    ck_assert_int_eq(
        queue_reserve(&fixture.producer, strlen(key) + strlen(body), &record),
        0);
    if (key_bytes.length > 0)
        hash_key = hash_key_of_partition_key(key_bytes);
    record->key_length = (uint16_t)key_bytes.length;
    record->hash_high = hash_key.high;
    record->hash_low = hash_key.low;
    payload = (uint8_t *)(record + 1);
    memcpy(payload, key, strlen(key));
    memcpy(payload + strlen(key), body, strlen(body));
    record->checksum = record_checksum(record);
    queue_publish(&fixture.producer);
    queue_sender_look(&sender, start);
}

static int next_part(const struct shard_map *map, struct sender_part *part)
{
    return queue_sender_next_part(&sender, &encoder, map, wall, part);
}

static unsigned count_verdicts(uint8_t verdict)
{
    struct record_header *record;
    unsigned count = 0;

    while (queue_decided(&fixture.producer, &record) == 0)
        count += record->verdict == verdict;
    return count;
}

/* Outcomes as the table has them. */
static struct outcome throttled(void)
{
    return outcome_of_record(
        bytes_of_text("ProvisionedThroughputExceededException"));
}

START_TEST(lone_record_travels_plain_under_its_own_key)
{
    struct sender_part part = { 0 };

    put("a", "hello");

    ck_assert_int_eq(next_part(&one_shard, &part), 0);
    ck_assert(!part.encoding.is_aggregate);
    ck_assert(bytes_equal_text(part.encoding.payload, "hello"));
    ck_assert(bytes_equal_text(part.encoding.partition_key, "a"));
    ck_assert_str_eq(part.shard->shard_id, "parent");
    ck_assert_int_eq(next_part(&one_shard, &part), SENDER_NOTHING);
}
END_TEST

START_TEST(lone_record_that_looks_aggregated_is_wrapped)
{
    struct sender_part part = { 0 };

    put("a", "\xf3\x89\x9a\xc2 and so on");

    ck_assert_int_eq(next_part(&one_shard, &part), 0);
    ck_assert(part.encoding.is_aggregate);
    ck_assert_uint_eq(part.encoding.record_count, 1);
}
END_TEST

START_TEST(accepted_batch_is_released_with_its_verdicts)
{
    struct sender_part part = { 0 };

    put("a", "one");
    put("b", "two");
    put("a", "three");
    ck_assert_int_eq(next_part(&one_shard, &part), 0);
    ck_assert(part.encoding.is_aggregate);
    ck_assert_uint_eq(part.encoding.record_count, 3);
    queue_sender_on_sent(&sender, 100);
    ck_assert_int_eq(count_verdicts(VERDICT_DELIVERED), 0);

    ck_assert_uint_eq(queue_sender_on_accepted(&sender, &part.part), 3);
    ck_assert_int_eq(queue_sender_settle(&sender, start), 0);

    ck_assert_int_eq(count_verdicts(VERDICT_DELIVERED), 3);
    ck_assert_int_eq(sender.state, SENDER_IDLE);
}
END_TEST

START_TEST(failed_batch_is_sent_again_byte_for_byte_before_newer_records)
{
    struct outcome outcome = throttled();
    struct sender_part first = { 0 };
    struct sender_part again = { 0 };
    uint8_t sent[PLACE_CAPACITY];
    size_t length;
    uint64_t number;

    put("a", "one");
    put("b", "two");
    ck_assert_int_eq(next_part(&one_shard, &first), 0);
    length = first.encoding.payload.length;
    memcpy(sent, first.encoding.payload.data, length);
    number = sender.batch.number;
    queue_sender_on_sent(&sender, 100);
    put("a", "newer");
    queue_sender_on_failed(&sender, &outcome, &randomness);
    ck_assert_int_eq(queue_sender_settle(&sender, start), SENDER_UNDECIDED);
    ck_assert_int_eq(sender.state, SENDER_DUE);

    ck_assert_int_eq(next_part(&one_shard, &again), 0);

    ck_assert_uint_eq(again.encoding.payload.length, length);
    ck_assert_mem_eq(again.encoding.payload.data, sent, length);
    ck_assert_uint_eq(sender.batch.number, number);
}
END_TEST

START_TEST(restarted_worker_sends_what_its_predecessor_was_sending)
{
    struct sender_part first = { 0 };
    struct sender_part again = { 0 };
    uint8_t sent[PLACE_CAPACITY];
    size_t length;
    struct queue_batch batch;

    put("a", "one");
    put("b", "two");
    ck_assert_int_eq(next_part(&one_shard, &first), 0);
    length = first.encoding.payload.length;
    memcpy(sent, first.encoding.payload.data, length);
    batch = sender.batch;
    queue_sender_on_sent(&sender, 100);
    put("a", "came later");
    queue_sender_close(&sender);

    open_sender();
    ck_assert_int_eq(sender.state, SENDER_DUE);
    ck_assert_int_eq(next_part(&one_shard, &again), 0);

    ck_assert_uint_eq(again.encoding.payload.length, length);
    ck_assert_mem_eq(again.encoding.payload.data, sent, length);
    ck_assert_uint_eq(sender.batch.number, batch.number);
    ck_assert_uint_eq(sender.batch.epoch, batch.epoch);
}
END_TEST

/* What a part looks like in a request: its bytes and its tag. */
struct sight {
    uint8_t bytes[PLACE_CAPACITY];
    size_t length;
    uint64_t epoch;
    uint64_t number;
};

static struct sight sight_of(const struct sender_part *part)
{
    struct sight sight = {
        .length = part->encoding.payload.length,
        .epoch = part->part.epoch,
        .number = part->part.number,
    };

    memcpy(sight.bytes, part->encoding.payload.data, sight.length);
    return sight;
}

static void expect_same(const struct sender_part *part,
                        const struct sight *sight)
{
    ck_assert_uint_eq(part->encoding.payload.length, sight->length);
    ck_assert_mem_eq(part->encoding.payload.data, sight->bytes, sight->length);
    ck_assert_uint_eq(part->part.epoch, sight->epoch);
    ck_assert_uint_eq(part->part.number, sight->number);
}

/* One batch with records of both halves, and nothing known of its fate. */
static void send_both_halves(const struct shard_map *map, struct sight *low,
                             struct sight *high)
{
    struct sender_part part = { 0 };

    put("a", "low one");
    put("b", "high one");
    put("", "without a key");
    put("b", "high two");
    ck_assert_int_eq(next_part(map, &part), 0);
    *low = sight_of(&part);
    queue_sender_on_sent(&sender, 100);
    ck_assert_int_eq(next_part(map, &part), 0);
    *high = sight_of(&part);
    queue_sender_on_sent(&sender, 100);
}

START_TEST(successor_with_an_older_map_sends_the_same_parts)
{
    struct sender_part part = { 0 };
    struct sight low;
    struct sight high;

    send_both_halves(&two_shards, &low, &high);
    queue_sender_close(&sender);
    open_sender();

    /* The layout knows the parent only, as after a merge. */
    ck_assert_int_eq(next_part(&one_shard, &part), 0);
    expect_same(&part, &low);
    ck_assert_str_eq(part.shard->shard_id, "parent");
    queue_sender_on_sent(&sender, 100);
    ck_assert_int_eq(next_part(&one_shard, &part), 0);
    expect_same(&part, &high);
    queue_sender_on_sent(&sender, 100);
    ck_assert_int_eq(next_part(&one_shard, &part), SENDER_NOTHING);
}
END_TEST

START_TEST(successor_with_a_newer_map_sends_the_same_part_if_it_fits_a_child)
{
    struct sender_part part = { 0 };
    struct sight sent;

    put("a", "low one");
    put("a", "low two");
    ck_assert_int_eq(next_part(&one_shard, &part), 0);
    sent = sight_of(&part);
    queue_sender_on_sent(&sender, 100);
    queue_sender_close(&sender);
    open_sender();

    part = (struct sender_part){ 0 };
    ck_assert_int_eq(next_part(&two_shards, &part), 0);

    expect_same(&part, &sent);
    ck_assert_str_eq(part.shard->shard_id, "low");
    ck_assert_int_eq(next_part(&two_shards, &part), SENDER_NOTHING);
}
END_TEST

/* Three shards: the high half is split. The hash key of "c" begins with 4a,
 * of "b" with 92, of "d" with 82, of "e" with e1, all of them MD5. */
START_TEST(only_a_part_that_no_shard_covers_is_divided_anew)
{
    struct shard_map_row rows[3] = { two_rows[0], two_rows[1], two_rows[1] };
    struct shard_map three_shards;
    struct sender_part part = { 0 };
    struct outcome outcome = throttled();
    struct sight low;
    struct sight high;
    uint64_t batch;

    rows[1].last = (struct hash_key){ UINT64_C(0xc000000000000000), 0 };
    rows[2].first = hash_key_next(rows[1].last);
    (void)snprintf(rows[1].shard_id, SHARD_ID_CAPACITY, "third");
    (void)snprintf(rows[2].shard_id, SHARD_ID_CAPACITY, "fourth");
    ck_assert_int_eq(shard_map_build(&three_shards, rows, 3), 0);
    put("e", "high three");
    put("a", "low two");
    send_both_halves(&two_shards, &high, &low);
    batch = sender.batch.number;
    queue_sender_on_failed(&sender, &outcome, &randomness);
    queue_sender_on_failed(&sender, &outcome, &randomness);
    ck_assert_int_eq(queue_sender_settle(&sender, start), SENDER_UNDECIDED);

    ck_assert_int_eq(next_part(&three_shards, &part), 0);
    expect_same(&part, &low);
    ck_assert_int_eq(next_part(&three_shards, &part), 0);
    ck_assert_str_eq(part.shard->shard_id, "fourth");
    ck_assert_uint_eq(part.encoding.record_count, 1);
    ck_assert_uint_ne(part.part.number, high.number);
    ck_assert_int_eq(next_part(&three_shards, &part), 0);
    ck_assert_str_eq(part.shard->shard_id, "third");
    ck_assert_uint_eq(part.encoding.record_count, 2);
    ck_assert_uint_ne(part.part.number, high.number);
    ck_assert_int_eq(next_part(&three_shards, &part), SENDER_NOTHING);
    ck_assert_uint_eq(sender.batch.number, batch + 1);
}
END_TEST

START_TEST(batch_ends_before_it_needs_more_parts_than_it_can_have)
{
    struct shard_map_row rows[QUEUE_PARTS_MOST + 2];
    const size_t row_count = ARRAY_LENGTH(rows);
    struct shard_map many_shards;
    struct sender_part part = { 0 };
    struct record_header *record;
    size_t parts = 0;

    for (size_t i = 0; i < row_count; i++) {
        rows[i] = (struct shard_map_row){ .first = { i, 0 },
                                          .last = { i, UINT64_MAX } };
        (void)snprintf(rows[i].shard_id, SHARD_ID_CAPACITY, "%zu", i);
    }
    rows[row_count - 1].last = HASH_KEY_MOST;
    ck_assert_int_eq(shard_map_build(&many_shards, rows, row_count), 0);
    for (size_t i = 0; i < row_count; i++) {
        ck_assert_int_eq(queue_reserve(&fixture.producer, 1, &record), 0);
        record->key_length = 1;
        record->hash_high = i;
        record->hash_low = 0;
        *(char *)(record + 1) = 'k';
        record->checksum = record_checksum(record);
    }
    queue_publish(&fixture.producer);
    queue_sender_look(&sender, start);
    /* No key of 7 characters hashes into a shard as narrow as the first. */
    sender.range.first = rows[row_count - 1].first;

    while (next_part(&many_shards, &part) == 0) {
        parts++;
        queue_sender_on_sent(&sender, 100);
        ck_assert_uint_eq(queue_sender_on_accepted(&sender, &part.part), 1);
    }
    ck_assert_int_eq(queue_sender_settle(&sender, start), 0);

    ck_assert_uint_eq(parts, QUEUE_PARTS_MOST);
    ck_assert_int_eq(count_verdicts(VERDICT_DELIVERED), QUEUE_PARTS_MOST);
    part = (struct sender_part){ 0 };
    queue_sender_look(&sender, start);
    ck_assert_int_eq(next_part(&many_shards, &part), 0);
    ck_assert_str_eq(part.shard->shard_id, "24");
    ck_assert_int_eq(next_part(&many_shards, &part), 0);
    ck_assert_int_eq(next_part(&many_shards, &part), SENDER_NOTHING);
}
END_TEST

START_TEST(split_shard_gets_a_part_for_each_child)
{
    struct sender_part part = { 0 };
    struct queue_part low;
    struct outcome outcome = throttled();

    put("a", "low one");
    put("b", "high one");
    put("a", "low two");
    ck_assert_int_eq(next_part(&two_shards, &part), 0);
    ck_assert_str_eq(part.shard->shard_id, "low");
    ck_assert_uint_eq(part.encoding.record_count, 2);
    low = part.part;
    queue_sender_on_sent(&sender, 100);
    ck_assert_int_eq(next_part(&two_shards, &part), 0);
    ck_assert_str_eq(part.shard->shard_id, "high");
    ck_assert_uint_eq(part.encoding.record_count, 1);
    queue_sender_on_sent(&sender, 100);
    ck_assert_int_eq(next_part(&two_shards, &part), SENDER_NOTHING);

    /* One child takes its part, the other does not. */
    ck_assert_uint_eq(queue_sender_on_accepted(&sender, &low), 2);
    queue_sender_on_failed(&sender, &outcome, &randomness);
    ck_assert_int_eq(queue_sender_settle(&sender, start), SENDER_UNDECIDED);
    ck_assert_int_eq(count_verdicts(VERDICT_DELIVERED), 0);

    part = (struct sender_part){ 0 };
    ck_assert_int_eq(next_part(&two_shards, &part), 0);
    ck_assert_str_eq(part.shard->shard_id, "high");
    queue_sender_on_sent(&sender, 100);
    ck_assert_int_eq(next_part(&two_shards, &part), SENDER_NOTHING);
    ck_assert_uint_eq(queue_sender_on_accepted(&sender, &part.part), 1);
    ck_assert_int_eq(queue_sender_settle(&sender, start), 0);
    ck_assert_int_eq(count_verdicts(VERDICT_DELIVERED), 3);
}
END_TEST

START_TEST(shard_that_covers_not_all_records_does_not_fit)
{
    struct sender_part part = { 0 };

    put("a", "low");
    put("b", "high");
    ck_assert_int_eq(next_part(&one_shard, &part), 0);

    ck_assert(batch_fits(&sender.consumer, sender.batch.end, &part.part,
                         &sender.key, &one_row[0]));
    ck_assert(!batch_fits(&sender.consumer, sender.batch.end, &part.part,
                          &sender.key, &two_rows[0]));
}
END_TEST

START_TEST(keyless_records_get_a_key_that_hashes_into_their_shard)
{
    struct sender_part part = { 0 };
    struct hash_key hash_key;

    put("", "one");
    put("", "two");

    ck_assert_int_eq(next_part(&two_shards, &part), 0);

    ck_assert_uint_eq(part.encoding.record_count, 2);
    ck_assert_str_eq(part.shard->shard_id, "low");
    hash_key = hash_key_of_partition_key(part.encoding.partition_key);
    ck_assert(hash_key_equal(hash_key, part.encoding.hash_key));
    ck_assert(shard_map_covers(part.shard, hash_key));
}
END_TEST

START_TEST(batch_ends_where_the_aggregate_is_full)
{
    static char body[3001];
    struct sender_part part = { 0 };

    memset(body, 'x', sizeof(body) - 1);
    put("a", body);
    put("a", body);
    put("a", body);

    ck_assert_int_eq(next_part(&one_shard, &part), 0);

    ck_assert_uint_eq(part.encoding.record_count, 2);
    ck_assert_uint_le(part.encoding.payload.length, 8000);
    ck_assert_int_eq(next_part(&one_shard, &part), SENDER_NOTHING);
}
END_TEST

START_TEST(record_larger_than_an_aggregate_travels_alone)
{
    static char body[9001];
    struct sender_part part = { 0 };

    memset(body, 'x', sizeof(body) - 1);
    put("a", body);
    put("a", "small");

    ck_assert_int_eq(next_part(&one_shard, &part), 0);

    ck_assert_uint_eq(part.encoding.record_count, 1);
    ck_assert(!part.encoding.is_aggregate);
    ck_assert_uint_eq(part.encoding.payload.length, 9000);
}
END_TEST

START_TEST(record_larger_than_the_stream_takes_is_refused_and_passed)
{
    static char body[10001];
    struct sender_part part = { 0 };
    struct record_header *record;

    memset(body, 'x', sizeof(body) - 1);
    put("a", body);
    put("a", "small");

    ck_assert_int_eq(next_part(&one_shard, &part), 0);

    ck_assert_uint_eq(part.refused_count, 1);
    ck_assert(bytes_equal_text(part.encoding.payload, "small"));
    ck_assert_int_eq(queue_decided(&fixture.producer, &record), 0);
    ck_assert_uint_eq(record->verdict, VERDICT_REFUSED_TOO_LARGE);
}
END_TEST

START_TEST(refused_record_is_found_by_halving)
{
    struct sender_part part = { 0 };
    struct outcome outcome =
        outcome_of_status(400, bytes_of_text("ValidationException"));
    unsigned trips = 0;

    put("a", "poison");
    for (int i = 0; i < 7; i++)
        put("a", "fine");
    for (;;) {
        part = (struct sender_part){ 0 };
        ck_assert_int_eq(next_part(&one_shard, &part), 0);
        queue_sender_on_sent(&sender, 100);
        queue_sender_on_failed(&sender, &outcome, &randomness);
        ck_assert_uint_le(++trips, 4);
        if (queue_sender_is_alone(&sender))
            break;
        queue_sender_halve(&sender);
        ck_assert(queue_sender_travels_alone(&sender));
        queue_sender_look(&sender, start);
    }
    queue_sender_on_refused(&sender, VERDICT_REFUSED_BY_KINESIS);
    ck_assert_int_eq(queue_sender_settle(&sender, start), 0);

    ck_assert_uint_eq(trips, 4);
    ck_assert_int_eq(count_verdicts(VERDICT_REFUSED_BY_KINESIS), 1);
}
END_TEST

/* One trip of a batch of which a part is refused by its own result. */
static size_t refuse_low_part(bool is_high_ambiguous)
{
    struct outcome refused =
        outcome_of_record(bytes_of_text("ValidationException"));
    struct outcome failed = outcome_of_record(bytes_of_text("InternalFailure"));
    struct sender_part part = { 0 };
    size_t count = 0;

    while (next_part(&two_shards, &part) == 0) {
        queue_sender_on_sent(&sender, 100);
        count += part.encoding.record_count;
        if (strcmp(part.shard->shard_id, "low") == 0)
            queue_sender_on_part_refused(&sender, &refused, &randomness);
        else if (is_high_ambiguous)
            queue_sender_on_failed(&sender, &failed, &randomness);
        else
            (void)queue_sender_on_accepted(&sender, &part.part);
    }
    (void)queue_sender_settle(&sender, start);
    queue_sender_look(&sender, start);
    return count;
}

START_TEST(record_refused_by_its_own_result_is_found_by_halving_too)
{
    unsigned trips = 0;

    put("a", "poison");
    for (int i = 0; i < 6; i++)
        put("b", "fine");
    put("a", "another poison");

    while (sender.refused_count < 2) {
        ck_assert_uint_ge(refuse_low_part(false), 1);
        ck_assert_uint_le(++trips, 12);
    }

    ck_assert_int_eq(count_verdicts(VERDICT_REFUSED_BY_KINESIS), 2);
}
END_TEST

START_TEST(batch_of_which_a_part_may_be_stored_is_not_halved)
{
    struct sender_part part = { 0 };
    struct sight low;
    struct sight high;

    send_both_halves(&two_shards, &low, &high);
    queue_sender_close(&sender);
    open_sender();

    ck_assert_uint_eq(refuse_low_part(true), 4);

    ck_assert(!queue_sender_travels_alone(&sender));
    ck_assert_int_eq(next_part(&two_shards, &part), 0);
    expect_same(&part, &low);
    ck_assert_int_eq(next_part(&two_shards, &part), 0);
    expect_same(&part, &high);
}
END_TEST

START_TEST(replaced_worker_sends_nothing)
{
    struct sender_part part = { 0 };

    put("a", "one");
    queue_take_lease(&sender.consumer.segment.positions->consumer, 5);

    ck_assert_int_eq(next_part(&one_shard, &part), SENDER_FENCED);
}
END_TEST

/* (M3) */
START_TEST(record_that_ingest_did_not_write_is_never_encoded)
{
    const struct outcome outcome = throttled();
    struct sender_part part = { 0 };
    struct record_header *record;
    uint64_t position = sender.consumer.released;
    uint8_t *body;

    put("a", "one");
    put("a", "two");
    ck_assert_int_eq(queue_peek(&sender.consumer, &position, &record), 0);
    ck_assert_int_eq(queue_peek(&sender.consumer, &position, &record), 0);
    body = (uint8_t *)(record + 1) + 2;
    if (_i == 1) { /* after it was sent once */
        ck_assert_int_eq(next_part(&one_shard, &part), 0);
        queue_sender_on_sent(&sender, 100);
        queue_sender_on_failed(&sender, &outcome, &randomness);
        ck_assert_int_eq(queue_sender_settle(&sender, start), SENDER_UNDECIDED);
        part = (struct sender_part){ 0 };
    }
    *body ^= 4;

    ck_assert_int_eq(next_part(&one_shard, &part), SENDER_BROKEN);
    *body ^= 4;
    part = (struct sender_part){ 0 };
    ck_assert_int_eq(next_part(&one_shard, &part), 0);
    ck_assert_uint_eq(part.encoding.record_count, 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("queue_sender");
    TCase *batches = tcase_create("batches");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(batches, set_up, tear_down);
    tcase_add_test(batches, lone_record_travels_plain_under_its_own_key);
    tcase_add_test(batches, lone_record_that_looks_aggregated_is_wrapped);
    tcase_add_test(batches, accepted_batch_is_released_with_its_verdicts);
    tcase_add_test(
        batches, failed_batch_is_sent_again_byte_for_byte_before_newer_records);
    tcase_add_test(batches,
                   restarted_worker_sends_what_its_predecessor_was_sending);
    tcase_add_test(batches, successor_with_an_older_map_sends_the_same_parts);
    tcase_add_test(
        batches,
        successor_with_a_newer_map_sends_the_same_part_if_it_fits_a_child);
    tcase_add_test(batches, only_a_part_that_no_shard_covers_is_divided_anew);
    tcase_add_test(batches,
                   batch_ends_before_it_needs_more_parts_than_it_can_have);
    tcase_add_test(batches, split_shard_gets_a_part_for_each_child);
    tcase_add_test(batches, shard_that_covers_not_all_records_does_not_fit);
    tcase_add_test(batches,
                   keyless_records_get_a_key_that_hashes_into_their_shard);
    tcase_add_test(batches, batch_ends_where_the_aggregate_is_full);
    tcase_add_test(batches, record_larger_than_an_aggregate_travels_alone);
    tcase_add_test(batches,
                   record_larger_than_the_stream_takes_is_refused_and_passed);
    tcase_add_test(batches, refused_record_is_found_by_halving);
    tcase_add_test(batches,
                   record_refused_by_its_own_result_is_found_by_halving_too);
    tcase_add_test(batches, batch_of_which_a_part_may_be_stored_is_not_halved);
    tcase_add_loop_test(
        batches, record_that_ingest_did_not_write_is_never_encoded, 0, 2);
    tcase_add_test(batches, replaced_worker_sends_nothing);
    suite_add_tcase(suite, batches);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
