/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What of several queues fits into one request, and that what does not fit
 * travels with the next one.
 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "egress/request.h"
#include "tests/support/queue_fixture.h"

#define CAPACITY       (256 * 1024)
#define PLACE_CAPACITY (32 * 1024)
#define REQUEST_BYTES  100000
#define SHARDS_MOST    QUEUE_PARTS_MOST
/* More than what their parts fill a request with. */
#define QUEUES (KINESIS_RECORDS_PER_REQUEST_MOST / QUEUE_PARTS_MOST + 2)

static struct queue_fixture fixtures[QUEUES];
static struct queue_sender senders[QUEUES];
static struct request request;
static struct request_surroundings surroundings;
static struct random randomness;

static struct aggregator aggregator;
static struct key_slot slots[KEY_INDEX_SLOTS(64)];
static uint8_t place[REQUEST_BYTES + PLACE_CAPACITY];
static struct shard_map_row rows[SHARDS_MOST];
static struct shard_map map;

static const struct layout_queue everything = {
    .last = { UINT64_MAX, UINT64_MAX },
    .shard_id = "shardId-000000000000",
};
static const struct monotonic start = { .ns = 1000 };

/* The whole range in `count` shards of about the same width. */
static void make_map(size_t count)
{
    uint64_t width = UINT64_MAX / count;

    for (size_t i = 0; i < count; i++) {
        rows[i] = (struct shard_map_row){
            .first = { width * i, 0 },
            .last = { width * (i + 1) - 1, UINT64_MAX },
        };
        (void)snprintf(rows[i].shard_id, SHARD_ID_CAPACITY, "shard-%03zu", i);
    }
    rows[count - 1].last = HASH_KEY_MOST;
    ck_assert_int_eq(shard_map_build(&map, rows, count), 0);
}

static void open_sender(size_t index)
{
    ck_assert_int_eq(queue_sender_open(fixtures[index].name, &everything, 0,
                                       &senders[index]),
                     0);
    queue_sender_look(&senders[index], start);
}

static void open_request(size_t size_most)
{
    request_deinit(&request);
    ck_assert_int_eq(request_init(&request, 0, size_most), 0);
    request_open(&request, PUT_RECORDS_JSON, &surroundings);
}

static void set_up(void)
{
    random_seed(&randomness, 1);
    aggregator_init(&aggregator, slots, 64);
    make_map(1);
    surroundings = (struct request_surroundings){
        .encoder = { .limits = { .aggregate_size = 8000,
                                 .record_size = 10000,
                                 .record_count = SIZE_MAX },
                     .aggregator = &aggregator,
                     .place = place,
                     .capacity = PLACE_CAPACITY },
        .map = &map,
        .stream = bytes_of_text("orders"),
        .instance = 0x2a,
        .now = { .ns = 5000 },
    };
    for (size_t i = 0; i < QUEUES; i++) {
        queue_fixture_make(&fixtures[i], CAPACITY, 0);
        ck_assert_int_eq(
            queue_producer_open(fixtures[i].name, &fixtures[i].producer), 0);
        open_sender(i);
    }
    open_request(REQUEST_BYTES);
}

static void tear_down(void)
{
    request_deinit(&request);
    for (size_t i = 0; i < QUEUES; i++) {
        queue_sender_close(&senders[i]);
        queue_fixture_deinit(&fixtures[i]);
    }
}

/* A record of queue `index` whose hash key is wherever the test wants it. */
static void put(size_t index, const char *key, struct bytes body, uint64_t hash)
{
    struct queue_producer *producer = &fixtures[index].producer;
    struct record_header *record;
    uint8_t *payload;

    ck_assert_int_eq(
        queue_reserve(producer, strlen(key) + body.length, &record), 0);
    record->key_length = (uint16_t)strlen(key);
    record->hash_high = hash;
    record->hash_low = 0;
    payload = (uint8_t *)(record + 1);
    memcpy(payload, key, strlen(key));
    memcpy(payload + strlen(key), body.data, body.length);
    record->checksum = record_checksum(record);
    queue_publish(producer);
    queue_sender_look(&senders[index], start);
}

static void put_text(size_t index, const char *body)
{
    put(index, "key", bytes_of_text(body), 5);
}

static void put_long(size_t index, size_t length, uint64_t hash)
{
    static uint8_t body[16384];

    memset(body, 'x', length);
    put(index, "key", bytes_of(body, length), hash);
}

static int add(size_t index)
{
    return request_add(&request, &senders[index], &surroundings);
}

/* The body as text, which lives until the next call. */
static const char *close_request(void)
{
    static char text[512 * 1024];
    struct bytes body = request_close(&request);
    uint8_t hash[BODY_HASH_LENGTH];

    ck_assert_ptr_nonnull(SHA256(body.data, body.length, hash));
    ck_assert_mem_eq(request.body_hash, hash, sizeof(hash));
    ck_assert_uint_lt(body.length, sizeof(text));
    memcpy(text, body.data, body.length);
    text[body.length] = '\0';
    return text;
}

/* Kinesis stored every entry. */
static void accept(void)
{
    for (size_t i = 0; i < request.entry_count; i++)
        ck_assert_uint_eq(queue_sender_on_accepted(request.entries[i].sender,
                                                   &request.entries[i].part),
                          request.entries[i].record_count);
}

static unsigned count_verdicts(size_t index, uint8_t verdict)
{
    struct record_header *record;
    unsigned count = 0;

    while (queue_decided(&fixtures[index].producer, &record) == 0)
        count += record->verdict == verdict;
    return count;
}

static void assert_has(const char *body, const char *part)
{
    ck_assert_msg(strstr(body, part) != NULL, "no %s in %s", part, body);
}

START_TEST(lone_record_goes_under_its_own_key)
{
    const char *body;

    put_text(0, "hello");
    ck_assert_int_eq(add(0), 0);
    body = close_request();

    ck_assert_str_eq(body, "{\"StreamName\":\"orders\",\"Records\":["
                           "{\"Data\":\"aGVsbG8=\",\"PartitionKey\":\"key\"}"
                           "]}");
    ck_assert_uint_eq(request.entry_count, 1);
    ck_assert_uint_eq(request.record_count, 1);
    ck_assert_str_eq(request.entries[0].shard_id, "shard-000");
}
END_TEST

START_TEST(aggregate_goes_under_its_tag_by_the_hash_key_of_its_first_record)
{
    const char *body;
    char tag[128];

    put_text(0, "one");
    put(0, "other", bytes_of_text("two"), 99);
    ck_assert_int_eq(add(0), 0);
    body = close_request();

    (void)snprintf(tag, sizeof(tag),
                   "\"PartitionKey\":\"b1.0000002a.%x.%llx.%llx\"",
                   queue_segment_index(&senders[0].consumer.segment),
                   (unsigned long long)senders[0].batch.epoch,
                   (unsigned long long)senders[0].batch.parts[0].number);
    assert_has(body, tag);
    /* 5 * 2^64 */
    assert_has(body, "\"ExplicitHashKey\":\"92233720368547758080\"");
    ck_assert_uint_eq(request.record_count, 2);
}
END_TEST

START_TEST(second_attempt_is_the_first_byte_for_byte)
{
    struct outcome outcome = outcome_of_record(
        bytes_of_text("ProvisionedThroughputExceededException"));
    char first[4096];

    put_text(0, "one");
    put_text(0, "two");
    ck_assert_int_eq(add(0), 0);
    (void)snprintf(first, sizeof(first), "%s", close_request());
    put_text(0, "newer");
    queue_sender_on_failed(&senders[0], &outcome, &randomness);
    ck_assert_int_eq(queue_sender_settle(&senders[0], start), SENDER_UNDECIDED);

    open_request(REQUEST_BYTES);
    ck_assert_int_eq(add(0), 0);

    ck_assert_str_eq(close_request(), first);
}
END_TEST

START_TEST(successor_sends_the_batch_under_the_tag_of_its_predecessor)
{
    char first[4096];

    put_text(0, "one");
    put_text(0, "two");
    ck_assert_int_eq(add(0), 0);
    (void)snprintf(first, sizeof(first), "%s", close_request());
    queue_sender_close(&senders[0]);

    open_sender(0);
    open_request(REQUEST_BYTES);
    ck_assert_int_eq(add(0), 0);

    ck_assert_str_eq(close_request(), first);
}
END_TEST

START_TEST(queues_travel_together_and_results_find_their_way_back)
{
    put_text(0, "of the first");
    put_text(1, "of the second");
    put_text(1, "of the second, too");
    ck_assert_int_eq(add(0), 0);
    ck_assert_int_eq(add(1), 0);

    ck_assert_uint_eq(request.entry_count, 2);
    ck_assert_uint_eq(request.record_count, 3);
    ck_assert_ptr_eq(request.entries[0].sender, &senders[0]);
    ck_assert_ptr_eq(request.entries[1].sender, &senders[1]);
    accept();
    ck_assert_int_eq(queue_sender_settle(&senders[0], start), 0);
    ck_assert_int_eq(queue_sender_settle(&senders[1], start), 0);
    ck_assert_uint_eq(count_verdicts(0, VERDICT_DELIVERED), 1);
    ck_assert_uint_eq(count_verdicts(1, VERDICT_DELIVERED), 2);
}
END_TEST

/* The Data of the next entry in *text, which moves behind it. */
static struct bytes take_payload(const char **text)
{
    static uint8_t payload[16384];
    const char *data = strstr(*text, "\"Data\":\"");
    size_t length;

    ck_assert_ptr_nonnull(data);
    data += strlen("\"Data\":\"");
    length = strcspn(data, "\"");
    ck_assert_uint_le(length / 4 * 3, sizeof(payload));
    ck_assert_int_eq(
        EVP_DecodeBlock(payload, (const unsigned char *)data, (int)length),
        (int)(length / 4 * 3));
    *text = data + length;
    while (data[length - 1] == '=')
        length--;
    return bytes_of(payload, length * 3 / 4);
}

static bool is_sealed(struct bytes aggregate)
{
    size_t length = aggregate.length - AGGREGATOR_FRAME;
    uint8_t digest[MD5_LENGTH];

    md5(bytes_of(aggregate.data + AGGREGATOR_MAGIC_LENGTH, length), digest);
    return memcmp(aggregate.data + AGGREGATOR_MAGIC_LENGTH + length, digest,
                  MD5_LENGTH) == 0;
}

/* Lengths that leave 0, 1 and 2 bytes over when they become base64. */
START_TEST(every_aggregate_of_a_request_is_sealed)
{
    for (size_t length = 100; length < 106; length++) {
        const char *body;

        open_request(REQUEST_BYTES);
        put_text(0, "one");
        put_long(0, length, 5);
        put_text(1, "another one");
        put_long(1, 2 * length + length % 2, 5);
        ck_assert_int_eq(add(0), 0);
        ck_assert_int_eq(add(1), 0);
        body = close_request();

        ck_assert(is_sealed(take_payload(&body)));
        ck_assert(is_sealed(take_payload(&body)));
        accept();
        ck_assert_int_eq(queue_sender_settle(&senders[0], start), 0);
        ck_assert_int_eq(queue_sender_settle(&senders[1], start), 0);
    }
}
END_TEST

START_TEST(request_holds_500_entries_and_the_rest_travels_later)
{
    const size_t whole = KINESIS_RECORDS_PER_REQUEST_MOST / QUEUE_PARTS_MOST;
    const size_t left = KINESIS_RECORDS_PER_REQUEST_MOST % QUEUE_PARTS_MOST;

    make_map(QUEUE_PARTS_MOST);
    for (size_t i = 0; i < QUEUES; i++)
        for (size_t k = 0; k < QUEUE_PARTS_MOST; k++)
            put(i, "key", bytes_of_text("x"), rows[k].first.high);

    for (size_t i = 0; i < whole; i++)
        ck_assert_int_eq(add(i), 0);
    ck_assert_int_eq(add(whole), REQUEST_FULL);
    ck_assert_uint_eq(request.entry_count, KINESIS_RECORDS_PER_REQUEST_MOST);
    ck_assert_int_eq(add(whole + 1), REQUEST_FULL);
    ck_assert_int_eq(senders[whole + 1].state, SENDER_IDLE);
    accept();
    ck_assert_int_eq(queue_sender_settle(&senders[0], start), 0);
    ck_assert_int_eq(queue_sender_settle(&senders[whole], start),
                     SENDER_UNDECIDED);
    ck_assert_uint_eq(count_verdicts(whole, VERDICT_DELIVERED), 0);

    open_request(REQUEST_BYTES);
    ck_assert_int_eq(add(whole), 0);
    ck_assert_uint_eq(request.entry_count, QUEUE_PARTS_MOST - left);
    accept();
    ck_assert_int_eq(queue_sender_settle(&senders[whole], start), 0);
    ck_assert_uint_eq(count_verdicts(whole, VERDICT_DELIVERED),
                      QUEUE_PARTS_MOST);
}
END_TEST

START_TEST(queue_that_has_no_room_left_travels_whole_with_the_next)
{
    open_request(1000);
    put_long(0, 600, 5);
    put_long(1, 600, 5);

    ck_assert_int_eq(add(0), 0);
    ck_assert_int_eq(add(1), REQUEST_FULL);
    ck_assert_uint_eq(request.entry_count, 1);
    ck_assert_uint_le(request.writer.counted_bytes, 1000);
    ck_assert_int_eq(senders[1].state, SENDER_DUE);
    accept();
    ck_assert_int_eq(queue_sender_settle(&senders[0], start), 0);

    request_open(&request, PUT_RECORDS_JSON, &surroundings);
    ck_assert_int_eq(add(1), 0);
    accept();
    ck_assert_int_eq(queue_sender_settle(&senders[1], start), 0);
    ck_assert_uint_eq(count_verdicts(0, VERDICT_DELIVERED), 1);
    ck_assert_uint_eq(count_verdicts(1, VERDICT_DELIVERED), 1);
}
END_TEST

START_TEST(part_that_has_no_room_left_travels_alone_with_the_next)
{
    make_map(2);
    open_request(1000);
    put_long(0, 600, 0);
    put_long(0, 600, UINT64_MAX);

    ck_assert_int_eq(add(0), REQUEST_FULL);
    ck_assert_uint_eq(request.entry_count, 1);
    ck_assert_str_eq(request.entries[0].shard_id, "shard-000");
    accept();
    ck_assert_int_eq(queue_sender_settle(&senders[0], start), SENDER_UNDECIDED);

    request_open(&request, PUT_RECORDS_JSON, &surroundings);
    ck_assert_int_eq(add(0), 0);
    ck_assert_uint_eq(request.entry_count, 1);
    ck_assert_str_eq(request.entries[0].shard_id, "shard-001");
    accept();
    ck_assert_int_eq(queue_sender_settle(&senders[0], start), 0);
    ck_assert_uint_eq(count_verdicts(0, VERDICT_DELIVERED), 2);
}
END_TEST

START_TEST(empty_queue_adds_nothing)
{
    ck_assert_int_eq(add(0), REQUEST_NOTHING);
    ck_assert(request_is_empty(&request));
    ck_assert_int_eq(senders[0].state, SENDER_IDLE);
}
END_TEST

START_TEST(record_that_is_too_large_is_refused_counted_and_passed)
{
    put_long(0, 10001, 5);
    put_text(0, "small");

    ck_assert_int_eq(add(0), 0);

    ck_assert_uint_eq(request.refused_count, 1);
    ck_assert_uint_eq(request.entry_count, 1);
    ck_assert_uint_eq(count_verdicts(0, VERDICT_REFUSED_TOO_LARGE), 1);
}
END_TEST

START_TEST(record_whose_key_cannot_be_sent_holds_up_nobody)
{
    put(0, "\xff", bytes_of_text("poison"), 5);
    ck_assert_int_eq(add(0), REQUEST_NOTHING);
    ck_assert_uint_eq(request.refused_count, 1);
    put_text(0, "behind it");

    request_open(&request, PUT_RECORDS_JSON, &surroundings);
    ck_assert_int_eq(add(0), 0);

    ck_assert_uint_eq(count_verdicts(0, VERDICT_REFUSED_BY_KINESIS), 1);
    assert_has(close_request(), "YmVoaW5kIGl0"); /* base64 of "behind it" */
}
END_TEST

START_TEST(batch_that_a_dead_worker_had_decided_is_released)
{
    put_text(0, "one");
    put_text(0, "two");
    ck_assert_int_eq(add(0), 0);
    accept();
    put_text(0, "newer");
    /* Killed between the verdicts and `released`. */
    queue_sender_close(&senders[0]);
    open_sender(0);

    open_request(REQUEST_BYTES);
    ck_assert_int_eq(add(0), 0);

    ck_assert_uint_eq(request.record_count, 1);
    assert_has(close_request(), "bmV3ZXI="); /* base64 of "newer" */
    ck_assert_uint_eq(count_verdicts(0, VERDICT_DELIVERED), 2);
}
END_TEST

START_TEST(replaced_worker_learns_it_from_its_next_request)
{
    put_text(0, "one");
    queue_take_lease(&senders[0].consumer.segment.positions->consumer, 5);

    ck_assert_int_eq(add(0), REQUEST_FENCED);
    ck_assert(request_is_empty(&request));
}
END_TEST

START_TEST(damaged_queue_is_not_sent)
{
    put_text(0, "one");
    memset(senders[0].consumer.segment.ring, 0xff, sizeof(uint32_t));

    ck_assert_int_eq(add(0), REQUEST_BROKEN);
    ck_assert(request_is_empty(&request));
}
END_TEST

static void add_filling(Suite *suite)
{
    TCase *filling = tcase_create("filling");

    tcase_add_checked_fixture(filling, set_up, tear_down);
    tcase_add_test(filling, lone_record_goes_under_its_own_key);
    tcase_add_test(
        filling,
        aggregate_goes_under_its_tag_by_the_hash_key_of_its_first_record);
    tcase_add_test(filling, every_aggregate_of_a_request_is_sealed);
    tcase_add_test(filling, second_attempt_is_the_first_byte_for_byte);
    tcase_add_test(filling,
                   successor_sends_the_batch_under_the_tag_of_its_predecessor);
    tcase_add_test(filling,
                   queues_travel_together_and_results_find_their_way_back);
    tcase_add_test(filling,
                   request_holds_500_entries_and_the_rest_travels_later);
    tcase_add_test(filling,
                   queue_that_has_no_room_left_travels_whole_with_the_next);
    tcase_add_test(filling,
                   part_that_has_no_room_left_travels_alone_with_the_next);
    suite_add_tcase(suite, filling);
}

static void add_refusing(Suite *suite)
{
    TCase *refusing = tcase_create("refusing");

    tcase_add_checked_fixture(refusing, set_up, tear_down);
    tcase_add_test(refusing, empty_queue_adds_nothing);
    tcase_add_test(refusing,
                   record_that_is_too_large_is_refused_counted_and_passed);
    tcase_add_test(refusing, record_whose_key_cannot_be_sent_holds_up_nobody);
    tcase_add_test(refusing, batch_that_a_dead_worker_had_decided_is_released);
    tcase_add_test(refusing, replaced_worker_learns_it_from_its_next_request);
    tcase_add_test(refusing, damaged_queue_is_not_sent);
    suite_add_tcase(suite, refusing);
}

int main(void)
{
    Suite *suite = suite_create("request");
    SRunner *runner = srunner_create(suite);
    int failed;

    add_filling(suite);
    add_refusing(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
