/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base64.h"
#include "egress/kinesis_limits.h"
#include "egress/put_records.h"

static uint8_t memory[64 * 1024];
static uint8_t text_memory[4096];
static struct bytes_writer texts;
static struct put_records request;

static void setup(void)
{
    texts = bytes_writer_on(text_memory, sizeof(text_memory));
}

static void open_request(size_t capacity, size_t counted_most)
{
    put_records_open(&request, PUT_RECORDS_JSON, bytes_of_text("orders"),
                     bytes_writer_on(memory, capacity), counted_most);
}

static int add(struct bytes payload, struct bytes key)
{
    struct put_records_entry entry = {
        .payload = payload,
        .partition_key = key,
    };

    return put_records_add(&request, &entry);
}

START_TEST(json_body_is_as_the_api_reference_wants_it)
{
    struct hash_key most = HASH_KEY_MOST;
    struct put_records_entry entries[] = {
        { .payload = bytes_of("hi", 2), .partition_key = bytes_of("k", 1) },
        { .payload = bytes_of(NULL, 0),
          .partition_key = bytes_of("\"\\\n\xc3\xa9", 5),
          .explicit_hash_key = &most },
    };

    open_request(sizeof(memory), sizeof(memory));
    ck_assert_int_eq(put_records_add(&request, &entries[0]), 0);
    ck_assert_int_eq(put_records_add(&request, &entries[1]), 0);

    ck_assert_uint_eq(request.counted_bytes, 2 + 1 + 5);
    ck_assert(bytes_equal_text(
        put_records_close(&request),
        "{\"StreamName\":\"orders\",\"Records\":["
        "{\"Data\":\"aGk=\",\"PartitionKey\":\"k\"},"
        "{\"Data\":\"\",\"PartitionKey\":\"\\\"\\\\\\u000a\xc3\xa9\","
        "\"ExplicitHashKey\":\"340282366920938463463374607431768211455\"}]}"));
    ck_assert_str_eq(put_records_content_type(PUT_RECORDS_JSON),
                     "application/x-amz-json-1.1");
}
END_TEST

START_TEST(changed_tail_is_as_if_it_had_been_added_so)
{
    static uint8_t payload[100];
    static uint8_t expected[512];
    static uint8_t lasting[512];

    for (size_t length = 0; length < sizeof(payload); length++) {
        size_t count = length < 16 ? length : 16;
        struct bytes added = bytes_of(payload, length);
        struct bytes body;
        struct bytes before;
        size_t position;

        memset(payload, 0x5a, sizeof(payload));
        open_request(sizeof(memory), sizeof(memory));
        ck_assert_int_eq(add(bytes_of("before", 6), bytes_of("k", 1)), 0);
        ck_assert_int_eq(add(added, bytes_of("key", 3)), 0);
        body = put_records_close(&request);
        memcpy(expected, body.data, body.length);

        memset(payload + length - count, 0, count);
        open_request(sizeof(memory), sizeof(memory));
        ck_assert_int_eq(add(bytes_of("before", 6), bytes_of("k", 1)), 0);
        ck_assert_int_eq(add(added, bytes_of("key", 3)), 0);
        position = request.payload_position;
        before = put_records_before_tail(&request, position, length, count);
        ck_assert_uint_ge(before.length, position);
        memset(payload + length - count, 0x5a, count);
        memcpy(lasting, before.data, before.length);
        put_records_change_tail(&request, position, added, count);

        ck_assert(bytes_equal(before, bytes_of(lasting, before.length)));
        /* Three bytes or fewer before the change, as base64 has it. */
        ck_assert_uint_ge(before.length + 4 + base64_length(count),
                          position + base64_length(length));
        ck_assert(bytes_equal(put_records_close(&request),
                              bytes_of(expected, body.length)));
    }
}
END_TEST

START_TEST(arn_goes_into_its_own_member)
{
    put_records_open(&request, PUT_RECORDS_JSON,
                     bytes_of_text("arn:aws:kinesis:eu-west-1:1:stream/s"),
                     bytes_writer_on(memory, sizeof(memory)), 100);

    ck_assert(bytes_equal_text(
        put_records_close(&request),
        "{\"StreamARN\":\"arn:aws:kinesis:eu-west-1:1:stream/s\","
        "\"Records\":[]}"));
}
END_TEST

START_TEST(five_hundred_records_are_full)
{
    open_request(sizeof(memory), sizeof(memory));
    for (size_t i = 0; i < KINESIS_RECORDS_PER_REQUEST_MOST; i++)
        ck_assert_int_eq(add(bytes_of("x", 1), bytes_of("k", 1)), 0);

    ck_assert_int_eq(add(bytes_of("x", 1), bytes_of("k", 1)), PUT_RECORDS_FULL);
    ck_assert_uint_eq(request.record_count, 500);
}
END_TEST

START_TEST(payloads_and_keys_are_counted_as_kinesis_counts)
{
    open_request(sizeof(memory), 100);
    ck_assert_int_eq(add(bytes_of(memory, 60), bytes_of("keys", 4)), 0);
    ck_assert_int_eq(add(bytes_of(memory, 33), bytes_of("keys", 4)),
                     PUT_RECORDS_FULL);
    ck_assert_int_eq(add(bytes_of(memory, 32), bytes_of("keys", 4)), 0);
    ck_assert_uint_eq(request.counted_bytes, 100);
    ck_assert_int_eq(add(bytes_of(NULL, 0), bytes_of("k", 1)),
                     PUT_RECORDS_FULL);
}
END_TEST

START_TEST(service_limit_bounds_the_callers)
{
    open_request(sizeof(memory), SIZE_MAX);
    ck_assert_uint_le(request.counted_most, KINESIS_REQUEST_BYTES_MOST);
    ck_assert_int_eq(add(bytes_of(memory, SIZE_MAX), bytes_of("k", 1)),
                     PUT_RECORDS_FULL);
}
END_TEST

START_TEST(record_that_does_not_fit_leaves_the_body_whole)
{
    static const uint8_t payload[40] = { 1, 2, 3 };

    for (size_t capacity = 64; capacity < 400; capacity++) {
        size_t added = 0;
        struct bytes body;
        char *end;

        memset(memory, 0xee, 512);
        open_request(capacity, 10000);
        while (added < 20 &&
               add(bytes_of(payload, added * 2), bytes_of("k\n", 2)) == 0)
            added++;
        body = put_records_close(&request);

        ck_assert_uint_lt(added, 20);
        ck_assert_uint_eq(request.record_count, added);
        ck_assert_uint_le(body.length, capacity);
        ck_assert_uint_eq(memory[capacity], 0xee);
        end = (char *)body.data + body.length;
        ck_assert_mem_eq(end - 2, "]}", 2);
        if (added > 0)
            ck_assert_mem_eq(end - 3, "}]}", 3);
    }
}
END_TEST

START_TEST(unusable_partition_keys_are_refused)
{
    char key[1100];

    open_request(sizeof(memory), sizeof(memory));
    memset(key, 'k', sizeof(key));
    ck_assert_int_eq(add(bytes_of("x", 1), bytes_of(NULL, 0)),
                     PUT_RECORDS_KEY_REFUSED);
    ck_assert_int_eq(add(bytes_of("x", 1), bytes_of(key, 257)),
                     PUT_RECORDS_KEY_REFUSED);
    ck_assert_int_eq(add(bytes_of("x", 1), bytes_of("\xff", 1)),
                     PUT_RECORDS_KEY_REFUSED);
    ck_assert_int_eq(add(bytes_of("x", 1), bytes_of(key, 256)), 0);
    for (size_t i = 0; i < 257; i++)
        memcpy(key + 4 * i, "\xf0\x9f\x98\x80", 4);
    ck_assert_int_eq(add(bytes_of("x", 1), bytes_of(key, 1028)),
                     PUT_RECORDS_KEY_REFUSED);
    ck_assert_int_eq(add(bytes_of("x", 1), bytes_of(key, 1024)), 0);
    ck_assert_uint_eq(request.record_count, 2);
}
END_TEST

START_TEST(capacity_takes_what_it_promises)
{
    static const size_t sizes[] = { 2000, 100000, 1048576 };

    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        size_t capacity = put_records_capacity(PUT_RECORDS_JSON, sizes[i]);
        uint8_t *large = malloc(capacity + sizes[i]);
        char arn[KINESIS_STREAM_ARN_BYTES_MOST];
        char key[256] = { 1 };
        struct hash_key most = HASH_KEY_MOST;
        struct put_records_entry entry = {
            .partition_key = bytes_of("k", 1),
            .explicit_hash_key = &most,
        };

        ck_assert_ptr_nonnull(large);
        memset(large, 'x', capacity + sizes[i]);
        memset(arn, 'x', sizeof(arn));
        memcpy(arn, "arn:", 4);
        entry.payload = bytes_of(large + capacity, sizes[i] / 500 - 1);
        put_records_open(&request, PUT_RECORDS_JSON, bytes_of(arn, sizeof(arn)),
                         bytes_writer_on(large, capacity), sizes[i]);
        for (size_t j = 0; j < 500; j++)
            ck_assert_int_eq(put_records_add(&request, &entry), 0);
        (void)put_records_close(&request);

        memset(key, 1, sizeof(key));
        entry.partition_key = bytes_of(key, sizeof(key));
        entry.payload = bytes_of(large + capacity, sizes[i] - sizeof(key));
        put_records_open(&request, PUT_RECORDS_JSON, bytes_of(arn, sizeof(arn)),
                         bytes_writer_on(large, capacity), sizes[i]);
        ck_assert_int_eq(put_records_add(&request, &entry), 0);
        (void)put_records_close(&request);
        free(large);
    }
}
END_TEST

static struct put_records_result results[8];

static int read_reply(const char *body, size_t count)
{
    texts.length = 0;
    texts.overrun = false;
    return put_records_reply_read(PUT_RECORDS_JSON, bytes_of_text(body), &texts,
                                  results, count);
}

static const char mixed_reply[] =
    "{\"FailedRecordCount\":1,\"EncryptionType\":\"NONE\",\"Records\":["
    "{\"SequenceNumber\":\"49543463076548007577105092703039560359975228518395"
    "012686\",\"ShardId\":\"shardId-000000000000\"},"
    "{\"ErrorCode\":\"ProvisionedThroughputExceededException\","
    "\"ErrorMessage\":\"Rate exceeded for shard shardId-000000000001\"}]}";

START_TEST(each_record_has_its_own_result)
{
    ck_assert_int_eq(read_reply(mixed_reply, 2), 0);

    ck_assert(put_records_is_stored(&results[0]));
    ck_assert(bytes_equal_text(results[0].shard_id, "shardId-000000000000"));
    ck_assert(bytes_equal_text(
        results[0].sequence_number,
        "49543463076548007577105092703039560359975228518395012686"));
    ck_assert(!put_records_is_stored(&results[1]));
    ck_assert(bytes_equal_text(results[1].error_code,
                               "ProvisionedThroughputExceededException"));
    ck_assert(bytes_equal_text(results[1].error_message,
                               "Rate exceeded for shard shardId-000000000001"));
}
END_TEST

START_TEST(order_white_space_nulls_and_unknown_members_do_not_matter)
{
    ck_assert_int_eq(
        read_reply(" { \"Later\" : [ { \"Records\" : [ 1 ] } , 2e3 ] ,\r\n"
                   "\t\"Records\" : [ { \"ErrorMessage\" : null , \"More\" : "
                   "{ \"ShardId\" : 7 } , \"ShardId\" : \"s\" , \"ErrorCode\" "
                   ": null , \"SequenceNumber\" : \"0\" } ,{\"ErrorMessage\":"
                   "null,\"ErrorCode\":\"InternalFailure\",\"SequenceNumber\":"
                   "null,\"ShardId\":null}] , \"FailedRecordCount\" : 1 }\n",
                   2),
        0);

    ck_assert(put_records_is_stored(&results[0]));
    ck_assert(bytes_equal_text(results[0].shard_id, "s"));
    ck_assert(bytes_equal_text(results[0].sequence_number, "0"));
    ck_assert(bytes_equal_text(results[1].error_code, "InternalFailure"));
}
END_TEST

START_TEST(escapes_in_names_and_values_are_understood)
{
    ck_assert_int_eq(
        read_reply("{\"Rec\\u006frds\":[{\"Shard\\u0049d\":\"shard\\u002d1\","
                   "\"SequenceNumber\":\"\\u0031\"}]}",
                   1),
        0);

    ck_assert(bytes_equal_text(results[0].shard_id, "shard-1"));
    ck_assert(bytes_equal_text(results[0].sequence_number, "1"));
}
END_TEST

START_TEST(wrong_number_of_results_is_no_success)
{
    ck_assert_int_eq(read_reply(mixed_reply, 1), PUT_RECORDS_WRONG_COUNT);
    ck_assert_int_eq(read_reply(mixed_reply, 3), PUT_RECORDS_WRONG_COUNT);
    ck_assert_int_eq(read_reply("{\"Records\":[]}", 1),
                     PUT_RECORDS_WRONG_COUNT);
}
END_TEST

START_TEST(surplus_results_are_counted_but_never_written)
{
    results[2].shard_id = bytes_of("untouched", 9);

    ck_assert_int_eq(
        read_reply("{\"Records\":[{\"ShardId\":\"a\",\"SequenceNumber\":\"1\"},"
                   "{\"ShardId\":\"a\",\"SequenceNumber\":\"2\"},"
                   "{\"ShardId\":\"a\",\"SequenceNumber\":\"3\"}]}",
                   2),
        PUT_RECORDS_WRONG_COUNT);
    ck_assert(bytes_equal_text(results[2].shard_id, "untouched"));
}
END_TEST

#define STORED "{\"ShardId\":\"s\",\"SequenceNumber\":\"1\"}"

START_TEST(garbage_is_never_success)
{
    static const char *const bodies[] = {
        "",
        "null",
        "[]",
        "{}",
        "OK",
        "<html></html>",
        "{\"Records\":null}",
        "{\"Records\":{}}",
        "{\"Records\":[null]}",
        "{\"Records\":[[]]}",
        "{\"Records\":[{}]}",
        "{\"records\":[" STORED "]}",
        "{\"Records\":[" STORED "],\"Records\":[" STORED "]}",
        "{\"Records\":[" STORED "]} x",
        "{\"Records\":[" STORED "]}{}",
        "{\"Records\":[" STORED "],}",
        "{\"Records\":[" STORED ",]}",
        "{\"Records\":[" STORED "],\"More\":\"\\q\"}",
        "{\"Records\":[{\"ShardId\":\"s\"}]}",
        "{\"Records\":[{\"SequenceNumber\":\"1\"}]}",
        "{\"Records\":[{\"ShardId\":\"s\",\"SequenceNumber\":null}]}",
        "{\"Records\":[{\"ShardId\":\"s\",\"SequenceNumber\":1}]}",
        "{\"Records\":[{\"ShardId\":\"s\",\"SequenceNumber\":\"\"}]}",
        "{\"Records\":[{\"ShardId\":\"s\",\"SequenceNumber\":\"01\"}]}",
        "{\"Records\":[{\"ShardId\":\"s\",\"SequenceNumber\":\"1a\"}]}",
        "{\"Records\":[{\"ShardId\":\"s\",\"SequenceNumber\":\"-1\"}]}",
        "{\"Records\":[{\"ShardId\":\"s\",\"SequenceNumber\":\"1.0\"}]}",
        "{\"Records\":[{\"ShardId\":\"\",\"SequenceNumber\":\"1\"}]}",
        "{\"Records\":[{\"ShardId\":\"s s\",\"SequenceNumber\":\"1\"}]}",
        "{\"Records\":[{\"ShardId\":\"s\\u0000\",\"SequenceNumber\":\"1\"}]}",
        "{\"Records\":[{\"ShardId\":7,\"SequenceNumber\":\"1\"}]}",
        "{\"Records\":[{\"ShardId\":\"s\",\"ShardId\":\"s\","
        "\"SequenceNumber\":\"1\"}]}",
        "{\"Records\":[{\"ShardId\":\"s\",\"SequenceNumber\":\"1\","
        "\"Sequence\\u004eumber\":\"2\"}]}",
        "{\"Records\":[{\"ShardId\":\"s\",\"SequenceNumber\":\"1\","
        "\"ErrorCode\":\"InternalFailure\"}]}",
        "{\"Records\":[{\"ErrorCode\":\"\"}]}",
        "{\"Records\":[{\"ErrorCode\":500}]}",
        "{\"Records\":[{\"ErrorMessage\":\"Rate exceeded\"}]}",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(bodies); i++)
        ck_assert_msg(read_reply(bodies[i], 1) == PUT_RECORDS_GARBAGE, "%s",
                      bodies[i]);
    ck_assert_int_eq(read_reply("{\"Records\":[" STORED "]}", 1), 0);
}
END_TEST

START_TEST(sequence_number_has_at_most_129_digits)
{
    char body[256];

    (void)snprintf(body, sizeof(body),
                   "{\"Records\":[{\"ShardId\":\"s\",\"SequenceNumber\":\""
                   "1%0128d\"}]}",
                   0);
    ck_assert_int_eq(read_reply(body, 1), 0);
    ck_assert_uint_eq(results[0].sequence_number.length, 129);
    (void)snprintf(body, sizeof(body),
                   "{\"Records\":[{\"ShardId\":\"s\",\"SequenceNumber\":\""
                   "1%0129d\"}]}",
                   0);
    ck_assert_int_eq(read_reply(body, 1), PUT_RECORDS_GARBAGE);
}
END_TEST

START_TEST(reply_cut_at_any_byte_is_garbage)
{
    for (size_t length = 0; length + 1 < sizeof(mixed_reply); length++) {
        /* Own memory, so that a sanitizer sees a read beyond it. */
        char *cut = malloc(length > 0 ? length : 1);

        ck_assert_ptr_nonnull(cut);
        memcpy(cut, mixed_reply, length);
        ck_assert_int_eq(put_records_reply_read(PUT_RECORDS_JSON,
                                                bytes_of(cut, length), &texts,
                                                results, 2),
                         PUT_RECORDS_GARBAGE);
        free(cut);
    }
}
END_TEST

START_TEST(reply_with_any_byte_changed_never_gains_a_stored_record)
{
    char body[sizeof(mixed_reply)];

    for (size_t i = 0; i + 1 < sizeof(mixed_reply); i++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            memcpy(body, mixed_reply, sizeof(body));
            body[i] = (char)byte;
            texts.length = 0;
            if (put_records_reply_read(PUT_RECORDS_JSON,
                                       bytes_of(body, sizeof(body) - 1), &texts,
                                       results, 2) == 0)
                ck_assert(!put_records_is_stored(&results[1]));
        }
    }
}
END_TEST

static int read_error(const char *body, struct put_records_error *error)
{
    return put_records_error_read(PUT_RECORDS_JSON, bytes_of_text(body), &texts,
                                  error);
}

START_TEST(error_code_is_stripped_of_what_surrounds_it)
{
    static const char *const bodies[] = {
        "{\"__type\":\"ResourceNotFoundException\",\"message\":\"No\"}",
        "{\"__type\":\"com.amazonaws.kinesis.v20131202#"
        "ResourceNotFoundException\",\"Message\":\"No\"}",
        "{\"message\":\"No\",\"__type\":\"ResourceNotFoundException:"
        "http://internal.amazon.com/a#b\"}",
        "{\"__type\":\"a#ResourceNotFoundException:x\",\"message\":null,"
        "\"Message\":\"No\",\"more\":[1]}",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(bodies); i++) {
        struct put_records_error error;

        ck_assert_int_eq(read_error(bodies[i], &error), 0);
        ck_assert(bytes_equal_text(error.code, "ResourceNotFoundException"));
        ck_assert(bytes_equal_text(error.message, "No"));
    }
}
END_TEST

START_TEST(error_without_a_message_is_still_an_error)
{
    struct put_records_error error;

    ck_assert_int_eq(read_error("{\"__type\":\"ServiceUnavailable\"}", &error),
                     0);
    ck_assert(bytes_equal_text(error.code, "ServiceUnavailable"));
    ck_assert_uint_eq(error.message.length, 0);
}
END_TEST

START_TEST(body_without_a_code_is_no_error_body)
{
    static const char *const bodies[] = {
        "",
        "{}",
        "<html>503</html>",
        "{\"message\":\"No\"}",
        "{\"__type\":null}",
        "{\"__type\":\"\"}",
        "{\"__type\":\":\"}",
        "{\"__type\":\"ns#\"}",
        "{\"__type\":5}",
        "{\"__type\":\"A\"",
        "{\"__type\":\"A\",\"__type\":\"B\"}",
    };
    struct put_records_error error = { .code = bytes_of("kept", 4) };

    for (size_t i = 0; i < ARRAY_LENGTH(bodies); i++)
        ck_assert_msg(read_error(bodies[i], &error) == PUT_RECORDS_GARBAGE,
                      "%s", bodies[i]);
    ck_assert(bytes_equal_text(error.code, "kept"));
}
END_TEST

static void add_requests(Suite *suite)
{
    TCase *requests = tcase_create("requests");

    tcase_add_checked_fixture(requests, setup, NULL);
    tcase_add_test(requests, json_body_is_as_the_api_reference_wants_it);
    tcase_add_test(requests, arn_goes_into_its_own_member);
    tcase_add_test(requests, changed_tail_is_as_if_it_had_been_added_so);
    tcase_add_test(requests, five_hundred_records_are_full);
    tcase_add_test(requests, payloads_and_keys_are_counted_as_kinesis_counts);
    tcase_add_test(requests, service_limit_bounds_the_callers);
    tcase_add_test(requests, record_that_does_not_fit_leaves_the_body_whole);
    tcase_add_test(requests, unusable_partition_keys_are_refused);
    tcase_add_test(requests, capacity_takes_what_it_promises);
    suite_add_tcase(suite, requests);
}

static void add_replies(Suite *suite)
{
    TCase *replies = tcase_create("replies");

    tcase_add_checked_fixture(replies, setup, NULL);
    tcase_add_test(replies, each_record_has_its_own_result);
    tcase_add_test(replies,
                   order_white_space_nulls_and_unknown_members_do_not_matter);
    tcase_add_test(replies, escapes_in_names_and_values_are_understood);
    tcase_add_test(replies, wrong_number_of_results_is_no_success);
    tcase_add_test(replies, surplus_results_are_counted_but_never_written);
    tcase_add_test(replies, garbage_is_never_success);
    tcase_add_test(replies, sequence_number_has_at_most_129_digits);
    tcase_add_test(replies, reply_cut_at_any_byte_is_garbage);
    tcase_add_test(replies,
                   reply_with_any_byte_changed_never_gains_a_stored_record);
    tcase_add_test(replies, error_code_is_stripped_of_what_surrounds_it);
    tcase_add_test(replies, error_without_a_message_is_still_an_error);
    tcase_add_test(replies, body_without_a_code_is_no_error_body);
    suite_add_tcase(suite, replies);
}

int main(void)
{
    Suite *suite = suite_create("put_records");
    SRunner *runner = srunner_create(suite);
    int failed;

    add_requests(suite);
    add_replies(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
