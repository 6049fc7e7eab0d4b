/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the two forms share is shown by test_put_records; here is what CBOR has
 * of its own. Rows K5 and K6 of the fault catalogue, in CBOR.
 */

#include <check.h>
#include <stdlib.h>

#include "egress/kinesis_limits.h"
#include "egress/put_records.h"

static uint8_t memory[128 * 1024];
static uint8_t text_memory[4096];
static struct bytes_writer texts;
static struct put_records request;
static struct put_records_result results[4];

static void setup(void)
{
    texts = bytes_writer_on(text_memory, sizeof(text_memory));
}

static int read_reply(const void *data, size_t length, size_t count)
{
    setup();
    return put_records_reply_read(PUT_RECORDS_CBOR, bytes_of(data, length),
                                  &texts, results, count);
}

/* One stored and one refused record, lengths definite. */
static const char reply[] = "\xa2"
                            "\x71"
                            "FailedRecordCount\x01"
                            "\x67"
                            "Records\x82"
                            "\xa2\x67"
                            "ShardId\x69"
                            "shardId-0"
                            "\x6eSequenceNumber\x63"
                            "495"
                            "\xa2\x69"
                            "ErrorCode\x6fInternalFailure"
                            "\x6c"
                            "ErrorMessage\x60";

#define REPLY_LENGTH (sizeof(reply) - 1)

START_TEST(body_is_as_the_java_sdk_writes_it)
{
    static const char wanted[] = "\xbf\x6aStreamName\x66orders\x67Records\x9f"
                                 "\xbf\x64"
                                 "Data\x42hi\x6cPartitionKey\x61k\xff"
                                 "\xbf\x64"
                                 "Data\x40\x6cPartitionKey\x62\xc3\xa9"
                                 "\x6f"
                                 "ExplicitHashKey\x61"
                                 "7\xff\xff\xff";
    const struct hash_key seven = { .low = 7 };
    struct put_records_entry entries[] = {
        { .payload = bytes_of("hi", 2), .partition_key = bytes_of("k", 1) },
        { .payload = bytes_of(NULL, 0),
          .partition_key = bytes_of("\xc3\xa9", 2),
          .explicit_hash_key = &seven },
    };

    put_records_open(&request, PUT_RECORDS_CBOR, bytes_of_text("orders"),
                     bytes_writer_on(memory, sizeof(memory)), sizeof(memory));
    ck_assert_int_eq(put_records_add(&request, &entries[0]), 0);
    ck_assert_int_eq(put_records_add(&request, &entries[1]), 0);
    ck_assert_uint_eq(request.counted_bytes, 2 + 1 + 2);
    ck_assert(bytes_equal(put_records_close(&request),
                          bytes_of(wanted, sizeof(wanted) - 1)));
    ck_assert_str_eq(put_records_content_type(PUT_RECORDS_CBOR),
                     "application/x-amz-cbor-1.1");
}
END_TEST

START_TEST(changed_tail_is_as_if_it_had_been_added_so)
{
    uint8_t payload[300];
    uint8_t body[2][512];
    struct put_records_entry entry = {
        .payload = bytes_of(payload, sizeof(payload)),
        .partition_key = bytes_of("k", 1),
    };
    struct bytes bodies[2];

    for (int i = 0; i < 2; i++) {
        memset(payload, 'a', sizeof(payload));
        if (i == 1)
            memset(payload + 284, 'b', 16);
        put_records_open(&request, PUT_RECORDS_CBOR, bytes_of_text("s"),
                         bytes_writer_on(body[i], sizeof(body[i])), 1024);
        ck_assert_int_eq(put_records_add(&request, &entry), 0);
        if (i == 0) {
            struct bytes before = put_records_before_tail(
                &request, request.payload_position, sizeof(payload), 16);

            ck_assert_uint_eq(before.length, request.payload_position + 284);
            memset(payload + 284, 'b', 16);
            put_records_change_tail(&request, request.payload_position,
                                    entry.payload, 16);
        }
        bodies[i] = put_records_close(&request);
    }
    ck_assert(bytes_equal(bodies[0], bodies[1]));
}
END_TEST

START_TEST(capacity_takes_what_it_promises)
{
    size_t counted = 32 * 1024;
    size_t capacity = put_records_capacity(PUT_RECORDS_CBOR, counted);
    static uint8_t payload[32 * 1024];
    uint8_t key[KINESIS_PARTITION_KEY_CHARACTERS_MOST];
    struct hash_key most = HASH_KEY_MOST;
    struct put_records_entry entry = {
        .payload = bytes_of(payload, counted - sizeof(key)),
        .partition_key = bytes_of(key, sizeof(key)),
        .explicit_hash_key = &most,
    };

    memset(key, 'k', sizeof(key));
    ck_assert_uint_le(capacity, sizeof(memory));
    put_records_open(&request, PUT_RECORDS_CBOR, bytes_of_text("s"),
                     bytes_writer_on(memory, capacity), counted);
    ck_assert_int_eq(put_records_add(&request, &entry), 0);

    entry.payload.length = 0;
    entry.partition_key.length = 64;
    put_records_open(&request, PUT_RECORDS_CBOR, bytes_of_text("s"),
                     bytes_writer_on(memory, capacity), counted);
    for (int i = 0; i < KINESIS_RECORDS_PER_REQUEST_MOST; i++)
        ck_assert_int_eq(put_records_add(&request, &entry), 0);
    ck_assert_int_eq(put_records_add(&request, &entry), PUT_RECORDS_FULL);
}
END_TEST

START_TEST(each_record_has_its_own_result)
{
    ck_assert_int_eq(read_reply(reply, REPLY_LENGTH, 2), 0);
    ck_assert(put_records_is_stored(&results[0]));
    ck_assert(bytes_equal_text(results[0].shard_id, "shardId-0"));
    ck_assert(bytes_equal_text(results[0].sequence_number, "495"));
    ck_assert(bytes_equal_text(results[1].error_code, "InternalFailure"));
    ck_assert_int_eq(read_reply(reply, REPLY_LENGTH, 1),
                     PUT_RECORDS_WRONG_COUNT);
    ck_assert_int_eq(read_reply(reply, REPLY_LENGTH, 3),
                     PUT_RECORDS_WRONG_COUNT);
}
END_TEST

START_TEST(reply_cut_at_any_byte_is_garbage)
{
    for (size_t length = 0; length < REPLY_LENGTH; length++)
        ck_assert_int_eq(read_reply(reply, length, 2), PUT_RECORDS_GARBAGE);
}
END_TEST

START_TEST(reply_with_any_byte_changed_never_gains_a_stored_record)
{
    char changed[REPLY_LENGTH];

    for (size_t place = 0; place < REPLY_LENGTH; place++)
        for (int value = 0; value < 256; value++) {
            memcpy(changed, reply, REPLY_LENGTH);
            changed[place] = (char)value;
            if (read_reply(changed, REPLY_LENGTH, 2) == 0)
                ck_assert(!put_records_is_stored(&results[1]));
        }
}
END_TEST

START_TEST(member_that_stands_twice_is_garbage)
{
    static const char twice[] = "\xa1\x67"
                                "Records\x81\xa3\x67"
                                "ShardId\x61s\x67"
                                "ShardId\x61t\x6eSequenceNumber\x61"
                                "1";

    ck_assert_int_eq(read_reply(twice, sizeof(twice) - 1, 1),
                     PUT_RECORDS_GARBAGE);
}
END_TEST

START_TEST(json_and_nothing_are_garbage)
{
    static const char json[] = "{\"Records\":[]}";

    ck_assert_int_eq(read_reply(json, sizeof(json) - 1, 0),
                     PUT_RECORDS_GARBAGE);
    ck_assert_int_eq(read_reply("", 0, 0), PUT_RECORDS_GARBAGE);
}
END_TEST

START_TEST(error_has_its_code_and_message)
{
    static const char body[] = "\xbf\x66__type\x76"
                               "com.x#ThrottlingExcept\x67message\x62no\xff";
    struct put_records_error error;

    setup();
    ck_assert_int_eq(put_records_error_read(PUT_RECORDS_CBOR,
                                            bytes_of(body, sizeof(body) - 1),
                                            &texts, &error),
                     0);
    ck_assert(bytes_equal_text(error.code, "ThrottlingExcept"));
    ck_assert(bytes_equal_text(error.message, "no"));
}
END_TEST

START_TEST(content_type_says_what_a_body_is)
{
    static const struct {
        const char *content_type;
        enum put_records_format format;
    } rows[] = {
        { "application/x-amz-cbor-1.1", PUT_RECORDS_CBOR },
        { "application/x-amz-json-1.1", PUT_RECORDS_JSON },
        { "application/x-amz-json-1.1; charset=utf-8", PUT_RECORDS_JSON },
        { "application/json", PUT_RECORDS_JSON },
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        ck_assert_int_eq(
            put_records_format_of(rows[i].content_type, PUT_RECORDS_CBOR),
            rows[i].format);
        ck_assert_int_eq(
            put_records_format_of(rows[i].content_type, PUT_RECORDS_JSON),
            rows[i].format);
    }
    ck_assert_int_eq(put_records_format_of("", PUT_RECORDS_CBOR),
                     PUT_RECORDS_CBOR);
    ck_assert_int_eq(put_records_format_of("text/html", PUT_RECORDS_JSON),
                     PUT_RECORDS_JSON);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("put_records_cbor");
    TCase *tcase = tcase_create("put_records_cbor");
    SRunner *runner;
    int failed;

    tcase_add_test(tcase, body_is_as_the_java_sdk_writes_it);
    tcase_add_test(tcase, changed_tail_is_as_if_it_had_been_added_so);
    tcase_add_test(tcase, capacity_takes_what_it_promises);
    tcase_add_test(tcase, each_record_has_its_own_result);
    tcase_add_test(tcase, reply_cut_at_any_byte_is_garbage);
    tcase_add_test(tcase,
                   reply_with_any_byte_changed_never_gains_a_stored_record);
    tcase_add_test(tcase, member_that_stands_twice_is_garbage);
    tcase_add_test(tcase, json_and_nothing_are_garbage);
    tcase_add_test(tcase, error_has_its_code_and_message);
    tcase_add_test(tcase, content_type_says_what_a_body_is);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
