/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From a message to a record in the right queue, in real segments: a bridge of
 * three queues, with the shard map's ranges uneven on purpose.
 */

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/lifeline.h"
#include "ingest/router.h"
#include "shard/queue_consumer.h"
#include "shard/segment_name.h"

#define QUEUES           3
#define RECORD_SIZE_MOST 1500
/* A worker whose descriptor nobody else uses here. */
#define WORKER  20
#define WORKERS 21

static char bridge[32];
static struct layout_queue ranges[QUEUES] = {
    { { 0, 0 }, { UINT64_MAX / 4, UINT64_MAX }, "shardId-000000000000" },
    { { UINT64_MAX / 4 + 1, 0 },
      { UINT64_MAX / 4 * 3, UINT64_MAX },
      "shardId-000000000001" },
    { { UINT64_MAX / 4 * 3 + 1, 0 },
      { UINT64_MAX, UINT64_MAX },
      "shardId-000000000002" },
};
static struct queue_set set;
static struct router router;
static struct queue_consumer consumers[QUEUES];
static const struct delivery delivery = { .source = 7, .incarnation = 9 };

static struct segment_name queue_name(size_t index)
{
    return segment_name_of_queue(bridge, 1, (uint32_t)index);
}

static void make_segments(void)
{
    const struct layout layout = {
        .generation = 1,
        .queue_capacity = QUEUE_CAPACITY_LEAST,
        .max_record_size = RECORD_SIZE_MOST,
        .queue_count = QUEUES,
        .queues = ranges,
    };

    (void)snprintf(bridge, sizeof(bridge), "test-router-%d", (int)getpid());
    ck_assert_int_eq(
        layout_create(segment_name_of(bridge, "layout").text, &layout), 0);
    ck_assert_int_eq(wakeup_create(segment_name_of(bridge, "wakeup").text, 1),
                     0);
    for (size_t i = 0; i < QUEUES; i++) {
        const struct queue_plan plan = {
            .capacity = QUEUE_CAPACITY_LEAST,
            .generation = 1,
            .index = (uint32_t)i,
            .first = ranges[i].first,
            .last = ranges[i].last,
        };

        ck_assert_int_eq(queue_create(queue_name(i).text, &plan), 0);
    }
}

static void set_up(void)
{
    make_segments();
    for (size_t i = 0; i < QUEUES; i++)
        ck_assert_int_eq(
            queue_consumer_open(queue_name(i).text, WORKER, &consumers[i]), 0);
    ck_assert_int_eq(queue_set_open(bridge, WORKERS, &set), 0);
    ck_assert_int_eq(router_init(&router, "json:k", &set), 0);
}

static void tear_down(void)
{
    queue_set_close(&set);
    for (size_t i = 0; i < QUEUES; i++) {
        queue_consumer_close(&consumers[i]);
        (void)shared_memory_remove(queue_name(i).text);
    }
    (void)shared_memory_remove(segment_name_of(bridge, "layout").text);
    (void)shared_memory_remove(segment_name_of(bridge, "wakeup").text);
}

static int route(struct bytes body)
{
    struct nsq_message message = {
        .timestamp_ns = 1234567890123456789,
        .attempts = 3,
        .body = body,
    };

    memcpy(message.id.text, "0123456789abcdef", sizeof(message.id.text));
    return router_route(&router, &message, &delivery);
}

static int route_text(const char *body)
{
    return route(bytes_of_text(body));
}

/* `length` bytes, without a key. */
static int route_long(size_t length)
{
    static uint8_t body[2 * QUEUE_CAPACITY_LEAST];

    memset(body, 'x', length);
    return route(bytes_of(body, length));
}

/* Records that egress would find in queue `index`; the last one in *last. */
static unsigned count_records(size_t index, struct record_header **last)
{
    uint64_t position = consumers[index].released;
    unsigned count = 0;

    while (queue_peek(&consumers[index], &position, last) == 0)
        count++;
    return count;
}

static unsigned count_all(void)
{
    struct record_header *record;
    unsigned count = 0;

    for (size_t i = 0; i < QUEUES; i++)
        count += count_records(i, &record);
    return count;
}

/* As egress and ingest do: everything is delivered, then finished. */
static void drain(size_t index)
{
    uint64_t position = consumers[index].released;
    struct record_header *record;

    while (queue_peek(&consumers[index], &position, &record) == 0)
        record_set_verdict(record, VERDICT_DELIVERED);
    ck_assert_int_eq(queue_release(&consumers[index], position), 0);
    while (queue_decided(&set.producers[index], &record) == 0)
        ck_assert_uint_eq(record->verdict, VERDICT_DELIVERED);
    queue_finish(&set.producers[index]);
}

/* An eventfd where worker WORKER's has to be. */
static void open_worker_descriptor(void)
{
    int wanted = WAKEUP_DESCRIPTOR_EGRESS + WORKER;
    int descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    ck_assert_int_eq(fcntl(wanted, F_GETFD), -1);
    ck_assert_int_ge(descriptor, 0);
    ck_assert_int_eq(dup2(descriptor, wanted), wanted);
    ck_assert_int_eq(close(descriptor), 0);
}

static uint64_t read_kicks(void)
{
    uint64_t kicks = 0;

    if (read(WAKEUP_DESCRIPTOR_EGRESS + WORKER, &kicks, sizeof(kicks)) < 0)
        return 0;
    return kicks;
}

START_TEST(message_goes_to_the_queue_whose_range_holds_the_md5_of_its_key)
{
    unsigned expected[QUEUES] = { 0 };

    /* The first hexadecimal digit of the MD5 names the quarter. */
    ck_assert_int_eq(route_text("{\"k\":\"a\"}"), 0); /* 0cc1... */
    expected[0]++;
    ck_assert_int_eq(route_text("{\"k\":\"c\"}"), 0); /* 4a8a... */
    expected[1]++;
    ck_assert_int_eq(route_text("{\"k\":\"b\"}"), 0); /* 92eb... */
    expected[1]++;
    ck_assert_int_eq(route_text("{\"k\":\"e\"}"), 0); /* e167... */
    expected[2]++;
    ck_assert_int_eq(queue_set_publish(&set), 3);

    for (size_t i = 0; i < QUEUES; i++) {
        struct record_header *record;

        ck_assert_uint_eq(count_records(i, &record), expected[i]);
    }
}
END_TEST

START_TEST(record_holds_what_the_message_was)
{
    struct record_header *record = NULL;
    struct hash_key expected = hash_key_of_partition_key(bytes_of_text("a"));

    ck_assert_int_eq(route_text("{\"k\":\"a\",\"v\":1}"), 0);
    ck_assert_int_eq(queue_set_publish(&set), 1);

    ck_assert_uint_eq(count_records(0, &record), 1);
    ck_assert_uint_eq(record->source, 7);
    ck_assert_uint_eq(record->incarnation, 9);
    ck_assert_uint_eq(record->attempts, 3);
    ck_assert_mem_eq(record->message_id, "0123456789abcdef", 16);
    ck_assert_int_eq(record->timestamp_ns, 1234567890123456789);
    ck_assert_uint_eq(record->hash_high, expected.high);
    ck_assert_uint_eq(record->hash_low, expected.low);
    ck_assert(bytes_equal_text(record_key(record), "a"));
    ck_assert(bytes_equal_text(record_body(record), "{\"k\":\"a\",\"v\":1}"));
    ck_assert_uint_eq(record->checksum, record_checksum(record));
    ck_assert_uint_eq(record->verdict, VERDICT_NONE);
}
END_TEST

/* A frame as nsqd sends it; the next one lies behind it. */
static uint8_t *put_frame(uint8_t *to, const char *id, const char *body)
{
    bytes_store_be32(to, (uint32_t)(4 + 26 + strlen(body)));
    bytes_store_be32(to + 4, NSQ_FRAME_MESSAGE);
    memset(to + 8, 0, 10);
    memcpy(to + 18, id, 16);
    memcpy(to + 34, body, strlen(body));
    return to + 34 + strlen(body);
}

START_TEST(messages_that_were_looked_at_ahead_go_where_they_would_go_alone)
{
    uint8_t received[1024];
    const uint8_t *end = put_frame(
        put_frame(put_frame(received, "0000000000000001", "{\"k\":\"a\"}"),
                  "0000000000000002", "no key"),
        "0000000000000003", "{\"k\":\"\\u0065\"}"); /* "e" */
    struct bytes frames = bytes_of(received, (size_t)(end - received));
    uint64_t checksums[3];
    struct nsq_frame frame;

    for (size_t i = 0; nsq_frame_parse(frames, 1000, &frame) == 0; i++) {
        struct nsq_message message;

        ck_assert_int_eq(nsq_message_parse(&frame, &message), 0);
        checksums[i] = router_checksum(&router, &message);
        frames = bytes_skip(frames, frame.length);
        router_look_ahead(&router, &message, frames, 1000);
        ck_assert_uint_eq(router_checksum(&router, &message), checksums[i]);
        ck_assert_int_eq(router_route(&router, &message, &delivery), 0);
    }
    router_look_away(&router);

    ck_assert_int_gt(queue_set_publish(&set), 0);
    ck_assert_uint_eq(count_all(), 3);
    ck_assert_uint_eq(router.missing_count, 1);
    for (size_t i = 0; i < QUEUES; i++) {
        uint64_t position = consumers[i].released;
        struct record_header *record;

        while (queue_peek(&consumers[i], &position, &record) == 0) {
            struct hash_key expected =
                hash_key_of_partition_key(record_key(record));

            ck_assert_uint_eq(record->hash_high, expected.high);
            ck_assert_uint_eq(record->hash_low, expected.low);
            ck_assert_uint_eq(record->checksum,
                              checksums[record->message_id[15] - '1']);
        }
    }
}
END_TEST

START_TEST(message_without_the_value_goes_by_its_id_and_is_counted)
{
    struct record_header *record = NULL;
    size_t queue = layout_find_queue(
        &set.layout,
        hash_key_of_partition_key(bytes_of_text("0123456789abcdef")));

    ck_assert_int_eq(route_text("not JSON"), 0);
    ck_assert_int_eq(queue_set_publish(&set), 1);

    ck_assert_uint_eq(router.missing_count, 1);
    ck_assert_uint_eq(count_records(queue, &record), 1);
    ck_assert(bytes_equal_text(record_key(record), "0123456789abcdef"));
}
END_TEST

START_TEST(empty_message_is_a_record)
{
    struct record_header *record = NULL;

    ck_assert_int_eq(router_init(&router, "none", &set), 0);
    ck_assert_int_eq(route(bytes_of(NULL, 0)), 0);
    ck_assert_int_eq(queue_set_publish(&set), 1);

    ck_assert_uint_eq(count_records(0, &record), 1);
    ck_assert_uint_eq(record->length, sizeof(*record));
    ck_assert_uint_eq(record->key_length, 0);
    ck_assert_uint_eq(record->checksum, record_checksum(record));
}
END_TEST

START_TEST(keyless_messages_of_one_turn_run_into_one_queue)
{
    struct record_header *record;

    ck_assert_int_eq(router_init(&router, "none", &set), 0);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(route_long(100), 0);
    ck_assert_int_eq(queue_set_publish(&set), 1);

    ck_assert_uint_eq(count_records(0, &record), 5);
}
END_TEST

START_TEST(keyless_messages_of_the_next_turn_go_where_most_room_is)
{
    struct record_header *record;

    ck_assert_int_eq(router_init(&router, "none", &set), 0);
    for (int turn = 0; turn < 6; turn++) {
        ck_assert_int_eq(route_long(500), 0);
        ck_assert_int_eq(queue_set_publish(&set), 1);
    }

    for (size_t i = 0; i < QUEUES; i++)
        ck_assert_uint_eq(count_records(i, &record), 2);
}
END_TEST

START_TEST(full_queue_refuses_and_keeps_what_it_has)
{
    struct record_header *record;
    unsigned taken = 0;
    int result;

    while ((result = route_text("{\"k\":\"a\"}")) == 0)
        taken++;
    ck_assert_int_eq(result, ROUTER_FULL);
    ck_assert_uint_gt(taken, 10);
    ck_assert_int_eq(route_text("{\"k\":\"b\"}"), 0); /* another queue */
    ck_assert_int_eq(queue_set_publish(&set), 2);
    ck_assert_uint_eq(count_records(0, &record), taken);

    drain(0);
    ck_assert_int_eq(route_text("{\"k\":\"a\"}"), 0);
    ck_assert_int_eq(queue_set_publish(&set), 1);

    ck_assert_uint_eq(count_records(0, &record), 1);
    ck_assert(bytes_equal_text(record_body(record), "{\"k\":\"a\"}"));
}
END_TEST

START_TEST(message_larger_than_the_stream_takes_is_too_large)
{
    uint64_t room;

    ck_assert_int_eq(router_init(&router, "none", &set), 0);
    room = queue_set_total_room(&set);

    ck_assert_int_eq(route_long(RECORD_SIZE_MOST + 1), ROUTER_TOO_LARGE);
    ck_assert_uint_eq(queue_set_total_room(&set), room);
    ck_assert_int_eq(route_long(RECORD_SIZE_MOST), 0);
}
END_TEST

START_TEST(key_counts_as_a_part_of_the_size)
{
    ck_assert_int_eq(router_init(&router, "static:four", &set), 0);

    ck_assert_int_eq(route_long(RECORD_SIZE_MOST - 3), ROUTER_TOO_LARGE);
    ck_assert_int_eq(route_long(RECORD_SIZE_MOST - 4), 0);
}
END_TEST

START_TEST(message_that_no_ring_holds_is_too_large_not_full)
{
    ck_assert_int_eq(router_init(&router, "none", &set), 0);
    set.layout.max_record_size = UINT32_MAX;

    ck_assert_int_eq(route_long(QUEUE_CAPACITY_LEAST / 2), ROUTER_TOO_LARGE);
    ck_assert_int_eq(route_long(QUEUE_CAPACITY_LEAST + 1), ROUTER_TOO_LARGE);
}
END_TEST

START_TEST(records_are_invisible_until_they_are_published)
{
    ck_assert_int_eq(route_text("{\"k\":\"a\"}"), 0);
    ck_assert_int_eq(route_text("{\"k\":\"b\"}"), 0);
    ck_assert_uint_eq(count_all(), 0);

    ck_assert_int_eq(queue_set_publish(&set), 2);
    ck_assert_uint_eq(count_all(), 2);
    ck_assert_int_eq(queue_set_publish(&set), 0);
}
END_TEST

START_TEST(sleeping_worker_is_kicked_once_for_all_its_queues)
{
    open_worker_descriptor();
    wakeup_prepare(&set.wakeups->places[WAKEUP_EGRESS + WORKER]);

    ck_assert_int_eq(route_text("{\"k\":\"a\"}"), 0);
    ck_assert_int_eq(route_text("{\"k\":\"b\"}"), 0);
    ck_assert_uint_eq(read_kicks(), 0);
    ck_assert_int_eq(queue_set_publish(&set), 2);

    ck_assert_uint_eq(read_kicks(), 1);
    ck_assert_uint_eq(set.kick_count, 1);
}
END_TEST

START_TEST(worker_that_is_awake_is_not_kicked)
{
    open_worker_descriptor();
    wakeup_awake(&set.wakeups->places[WAKEUP_EGRESS + WORKER]);

    ck_assert_int_eq(route_text("{\"k\":\"a\"}"), 0);
    ck_assert_int_eq(queue_set_publish(&set), 1);

    ck_assert_uint_eq(read_kicks(), 0);
    ck_assert_uint_eq(set.kick_count, 0);
}
END_TEST

START_TEST(owner_that_cannot_be_is_not_kicked)
{
    queue_take_lease(&consumers[0].segment.positions->consumer, UINT64_MAX);

    ck_assert_int_eq(route_text("{\"k\":\"a\"}"), 0);
    ck_assert_int_eq(queue_set_publish(&set), 1);

    ck_assert_uint_eq(set.kick_count, 0);
}
END_TEST

START_TEST(set_is_drained_when_everything_is_finished)
{
    ck_assert(queue_set_is_drained(&set));
    ck_assert_uint_eq(queue_set_total_room(&set),
                      QUEUES * QUEUE_CAPACITY_LEAST);

    ck_assert_int_eq(route_text("{\"k\":\"a\"}"), 0);
    ck_assert(!queue_set_is_drained(&set));
    ck_assert_uint_lt(queue_set_least_room(&set), QUEUE_CAPACITY_LEAST);
    ck_assert_int_eq(queue_set_publish(&set), 1);
    ck_assert(!queue_set_has_decided(&set));

    drain(0);
    ck_assert(!queue_set_has_decided(&set));
    ck_assert(queue_set_is_drained(&set));
    ck_assert_uint_eq(queue_set_least_room(&set), QUEUE_CAPACITY_LEAST);
}
END_TEST

START_TEST(decided_records_are_seen_before_they_are_finished)
{
    uint64_t position = consumers[0].released;
    struct record_header *record;

    ck_assert_int_eq(route_text("{\"k\":\"a\"}"), 0);
    ck_assert_int_eq(queue_set_publish(&set), 1);
    ck_assert_int_eq(queue_peek(&consumers[0], &position, &record), 0);
    record_set_verdict(record, VERDICT_DELIVERED);
    ck_assert_int_eq(queue_release(&consumers[0], position), 0);

    ck_assert(queue_set_has_decided(&set));
    ck_assert_int_eq(queue_decided(&set.producers[0], &record), 0);
    ck_assert(!queue_set_has_decided(&set));
}
END_TEST

START_TEST(second_ingest_is_refused)
{
    struct queue_set second;

    ck_assert_int_lt(queue_set_open(bridge, WORKERS, &second), 0);
    queue_set_close(&second);
    ck_assert_int_eq(route_text("{\"k\":\"a\"}"), 0);
}
END_TEST

START_TEST(bridge_that_is_not_there_is_not_opened)
{
    struct queue_set second;

    ck_assert_int_lt(queue_set_open("no-such-bridge", WORKERS, &second), 0);
    queue_set_close(&second);
}
END_TEST

START_TEST(rule_that_is_none_is_refused)
{
    ck_assert_int_lt(router_init(&router, "nonsense", &set), 0);
}
END_TEST

static void add_routing(Suite *suite)
{
    TCase *routing = tcase_create("routing");

    tcase_add_checked_fixture(routing, set_up, tear_down);
    tcase_add_test(
        routing,
        message_goes_to_the_queue_whose_range_holds_the_md5_of_its_key);
    tcase_add_test(routing, record_holds_what_the_message_was);
    tcase_add_test(
        routing,
        messages_that_were_looked_at_ahead_go_where_they_would_go_alone);
    tcase_add_test(routing,
                   message_without_the_value_goes_by_its_id_and_is_counted);
    tcase_add_test(routing, empty_message_is_a_record);
    tcase_add_test(routing, keyless_messages_of_one_turn_run_into_one_queue);
    tcase_add_test(routing,
                   keyless_messages_of_the_next_turn_go_where_most_room_is);
    tcase_add_test(routing, full_queue_refuses_and_keeps_what_it_has);
    tcase_add_test(routing, message_larger_than_the_stream_takes_is_too_large);
    tcase_add_test(routing, key_counts_as_a_part_of_the_size);
    tcase_add_test(routing, message_that_no_ring_holds_is_too_large_not_full);
    tcase_add_test(routing, rule_that_is_none_is_refused);
    suite_add_tcase(suite, routing);
}

static void add_queue_set(Suite *suite)
{
    TCase *queues = tcase_create("queue_set");

    tcase_add_checked_fixture(queues, set_up, tear_down);
    tcase_add_test(queues, records_are_invisible_until_they_are_published);
    tcase_add_test(queues, sleeping_worker_is_kicked_once_for_all_its_queues);
    tcase_add_test(queues, worker_that_is_awake_is_not_kicked);
    tcase_add_test(queues, owner_that_cannot_be_is_not_kicked);
    tcase_add_test(queues, set_is_drained_when_everything_is_finished);
    tcase_add_test(queues, decided_records_are_seen_before_they_are_finished);
    tcase_add_test(queues, second_ingest_is_refused);
    tcase_add_test(queues, bridge_that_is_not_there_is_not_opened);
    suite_add_tcase(suite, queues);
}

int main(void)
{
    Suite *suite = suite_create("router");
    SRunner *runner = srunner_create(suite);
    int failed;

    add_routing(suite);
    add_queue_set(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
