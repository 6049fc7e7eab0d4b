/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/kinesis_simulator_base64.h"
#include "tests/support/kinesis_simulator_put_request.h"
#include "tests/support/kinesis_simulator_reply.h"

static struct simulator_put_request put; /* too large for a stack */

/* A copy of exactly the length, so that a sanitizer sees a byte too many. */
static int scan(enum simulator_protocol protocol, struct bytes body,
                uint8_t **copy)
{
    *copy = malloc(body.length > 0 ? body.length : 1);
    ck_assert_ptr_nonnull(*copy);
    memcpy(*copy, body.data, body.length);
    put.protocol = protocol;
    return simulator_put_request_scan(&put, *copy, body.length);
}

static int scan_json(const char *body)
{
    uint8_t *copy;
    int condition = scan(SIMULATOR_JSON, bytes_of_text(body), &copy);

    free(copy);
    return condition;
}

static int check(uint64_t record_most, struct simulator_refusal *refusal)
{
    return simulator_put_request_check(&put, record_most, refusal);
}

#define JSON_BODY                                                              \
    "{ \"Later\":[{\"x\":[1.5e3,true,null,\"}\"]}],\"Records\":[ "             \
    "{\"Data\":\"aGVsbG8=\",\"PartitionKey\":\"a\\u00e9\\n\","                 \
    "\"ExplicitHashKey\":\"0\"} ,"                                             \
    "{\"PartitionKey\":\"b\",\"Data\":\"\\/\\/\\/\\/\","                       \
    "\"ExplicitHashKey\":null}],\"StreamName\":\"s\"}"

START_TEST(json_members_come_in_any_order_with_escapes)
{
    uint8_t *copy;

    ck_assert_int_eq(scan(SIMULATOR_JSON, bytes_of_text(JSON_BODY), &copy), 0);
    ck_assert_uint_eq(put.count, 2);
    ck_assert_uint_eq(put.entries[0].data_length, 5);
    ck_assert_uint_eq(put.length, 5 + 4 + 3 + 1);
    ck_assert_int_eq(simulator_put_request_decode(&put), 0);

    ck_assert(bytes_equal_text(put.stream_name, "s"));
    ck_assert(bytes_equal_text(put.entries[0].data, "hello"));
    ck_assert(bytes_equal_text(put.entries[0].key, "a\xc3\xa9\n"));
    ck_assert(bytes_equal_text(put.entries[0].explicit_hash, "0"));
    ck_assert(bytes_equal_text(put.entries[1].data, "\xff\xff\xff"));
    ck_assert_ptr_null(put.entries[1].explicit_hash.data);
    free(copy);
}
END_TEST

/* {"StreamName":"s","Records":[{"Data":'hello!',"PartitionKey":"a"}]}, all
 * indefinite, with a tagged unknown member and data in two chunks. */
#define CBOR_BODY                                                              \
    "\xbf\x6aStreamName\x61s\x61x\xc1\x1b\x00\x00\x01\x00\x00\x00\x00\x01"     \
    "\x67Records\x9f\xbf\x64"                                                  \
    "Data\x5f\x43hel\x43lo!\xff\x6cPartitionKey\x61"                           \
    "a\xff\xff\xff"

START_TEST(cbor_may_be_indefinite_and_in_chunks)
{
    struct bytes body = bytes_of(CBOR_BODY, sizeof(CBOR_BODY) - 1);
    uint8_t *copy;

    ck_assert_int_eq(scan(SIMULATOR_CBOR, body, &copy), 0);

    ck_assert_uint_eq(put.count, 1);
    ck_assert_uint_eq(put.entries[0].data_length, 6);
    ck_assert(bytes_equal_text(put.stream_name, "s"));
    ck_assert(bytes_equal_text(put.entries[0].data, "hello!"));
    ck_assert(bytes_equal_text(put.entries[0].key, "a"));
    free(copy);
}
END_TEST

/* {"Records":[{"Data":h'00',"PartitionKey":"k"}],"StreamARN":"a"} */
START_TEST(cbor_may_be_of_definite_length)
{
    static const char body[] = "\xa2\x67Records\x81\xa2\x64"
                               "Data\x41\x00\x6cPartitionKey\x61k\x69"
                               "StreamARN\x61"
                               "a";
    uint8_t *copy;

    ck_assert_int_eq(
        scan(SIMULATOR_CBOR, bytes_of(body, sizeof(body) - 1), &copy), 0);

    ck_assert_uint_eq(put.count, 1);
    ck_assert(bytes_equal_text(put.stream_arn, "a"));
    ck_assert(bytes_equal(put.entries[0].data, bytes_of("", 1)));
    free(copy);
}
END_TEST

START_TEST(body_cut_at_any_byte_is_malformed)
{
    struct bytes bodies[] = { bytes_of_text(JSON_BODY),
                              bytes_of(CBOR_BODY, sizeof(CBOR_BODY) - 1) };
    enum simulator_protocol protocols[] = { SIMULATOR_JSON, SIMULATOR_CBOR };

    for (int i = 0; i < 2; i++)
        for (size_t length = 0; length < bodies[i].length; length++) {
            uint8_t *copy;

            ck_assert_int_eq(
                scan(protocols[i], bytes_of(bodies[i].data, length), &copy),
                SIMULATOR_MALFORMED);
            free(copy);
        }
}
END_TEST

/* Whatever one byte becomes, the scan ends and stays inside (ASan looks). */
START_TEST(any_changed_byte_is_survived)
{
    struct bytes bodies[] = { bytes_of_text(JSON_BODY),
                              bytes_of(CBOR_BODY, sizeof(CBOR_BODY) - 1) };
    enum simulator_protocol protocols[] = { SIMULATOR_JSON, SIMULATOR_CBOR };

    for (int i = 0; i < 2; i++)
        for (size_t at = 0; at < bodies[i].length; at++)
            for (int value = 0; value < 256; value++) {
                uint8_t changed[512];
                uint8_t *copy;

                memcpy(changed, bodies[i].data, bodies[i].length);
                changed[at] = (uint8_t)value;
                if (scan(protocols[i], bytes_of(changed, bodies[i].length),
                         &copy) == 0)
                    ck_assert_uint_le(put.count, 16);
                free(copy);
            }
}
END_TEST

START_TEST(what_is_not_json_is_malformed)
{
    static const char *const bodies[] = {
        "[]",
        "{\"Records\":{}}",
        "{\"Records\":[1]}",
        "{\"Records\":[{\"Data\":5}]}",
        "{\"Records\":[{\"Data\":\"abc\"}]}",
        "{\"StreamName\":\"s\"} x",
        "{\"StreamName\":\"s\",}",
        "{\"StreamName\" \"s\"}",
        "{\"StreamName\":\"\x01\"}",
        "{\"StreamName\":\"\\x\"}",
        "{\"StreamName\":\"\\ud800\"}",
        "{\"StreamName\":\"\xff\"}",
        "{\"x\":nul}",
    };
    char deep[512] = "{\"x\":";

    for (size_t i = 0; i < ARRAY_LENGTH(bodies); i++)
        ck_assert_msg(scan_json(bodies[i]) == SIMULATOR_MALFORMED, "%s",
                      bodies[i]);
    memset(deep + 5, '[', 400);
    ck_assert_int_eq(scan_json(deep), SIMULATOR_MALFORMED);
}
END_TEST

START_TEST(data_that_is_not_base64_is_malformed)
{
    uint8_t *copy;

    ck_assert_int_eq(scan(SIMULATOR_JSON,
                          bytes_of_text("{\"Records\":[{\"Data\":\"ab-=\","
                                        "\"PartitionKey\":\"k\"}]}"),
                          &copy),
                     0);

    ck_assert_int_eq(simulator_put_request_decode(&put), SIMULATOR_MALFORMED);
    free(copy);
}
END_TEST

START_TEST(base64_of_every_length_reads_back)
{
    uint8_t plain[64];
    uint8_t text[88];
    size_t length;

    for (size_t i = 0; i < sizeof(plain); i++)
        plain[i] = (uint8_t)(251 * i + 3);
    for (size_t n = 0; n <= sizeof(plain); n++) {
        struct bytes coded = bytes_of(text, simulator_base64_room(n));

        simulator_base64_encode(bytes_of(plain, n), text);
        ck_assert(simulator_base64_length(coded, &length));
        ck_assert_uint_eq(length, n);
        ck_assert(simulator_base64_decode(coded, text, &length));
        ck_assert_uint_eq(length, n);
        ck_assert_mem_eq(text, plain, n);
    }
    ck_assert(!simulator_base64_decode(bytes_of_text("a"), text, &length));
    ck_assert(!simulator_base64_decode(bytes_of_text("="), text, &length));
    ck_assert(!simulator_base64_decode(bytes_of_text("===="), text, &length));
    ck_assert(!simulator_base64_decode(bytes_of_text("a=bc"), text, &length));
    ck_assert(!simulator_base64_decode(bytes_of_text("ab\n="), text, &length));
}
END_TEST

/* A request with `count` good records of three bytes and a key of one. */
static void fill_put(size_t count)
{
    struct simulator_put_entry entry = {
        .data = bytes_of_text("abc"),
        .data_length = 3,
        .key = bytes_of_text("k"),
    };

    put.is_single = false;
    put.has_records = true;
    put.count = count;
    put.length = 4 * count;
    for (size_t i = 0; i < SIMULATOR_PUT_RECORDS; i++)
        put.entries[i] = entry;
}

START_TEST(five_hundred_records_are_the_most_and_one_the_least)
{
    struct simulator_refusal refusal;

    fill_put(500);
    ck_assert_int_eq(check(100, &refusal), 0);
    fill_put(501);
    ck_assert_int_eq(check(100, &refusal), SIMULATOR_REFUSED);
    ck_assert_str_eq(refusal.code, "ValidationException");
    ck_assert_str_eq(refusal.message,
                     "1 validation error detected: Value at 'records' failed "
                     "to satisfy constraint: Member must have length less than "
                     "or equal to 500");
    fill_put(0);
    ck_assert_int_eq(check(100, &refusal), SIMULATOR_REFUSED);
}
END_TEST

START_TEST(records_after_the_five_hundredth_are_counted_not_kept)
{
    struct simulator_reply body = { .memory = NULL };
    uint8_t *copy;

    simulator_reply_begin(&body, SIMULATOR_JSON);
    simulator_reply_map(&body);
    simulator_reply_name(&body, "Records");
    simulator_reply_array(&body);
    for (int i = 0; i < 777; i++) {
        simulator_reply_map(&body);
        simulator_reply_end_map(&body);
    }
    simulator_reply_end_array(&body);
    simulator_reply_end_map(&body);

    ck_assert_int_eq(scan(SIMULATOR_JSON, simulator_reply_body(&body), &copy),
                     0);
    ck_assert_uint_eq(put.count, 777);
    free(copy);
    simulator_reply_deinit(&body);
}
END_TEST

START_TEST(record_with_its_key_must_fit_the_stream)
{
    struct simulator_refusal refusal;

    fill_put(3);
    put.entries[2].data_length = 1048575;
    ck_assert_int_eq(check(1048576, &refusal), 0);
    put.entries[2].data_length = 1048576;
    ck_assert_int_eq(check(1048576, &refusal), SIMULATOR_REFUSED);
    ck_assert_str_eq(refusal.message,
                     "1 validation error detected: Value at "
                     "'records.3.member.data' failed to satisfy constraint: "
                     "Member must have length less than or equal to 1048576");
}
END_TEST

START_TEST(request_has_ten_mebibytes_at_most)
{
    struct simulator_refusal refusal;

    fill_put(20);
    put.length = 10485760;
    ck_assert_int_eq(check(1048576, &refusal), 0);
    put.length = 10485761;
    ck_assert_int_eq(check(1048576, &refusal), SIMULATOR_REFUSED);
    ck_assert_str_eq(refusal.code, "InvalidArgumentException");
}
END_TEST

START_TEST(key_has_256_characters_at_most_not_bytes)
{
    struct simulator_refusal refusal;
    char key[2 * 257 + 1];

    for (int i = 0; i < 257; i++)
        memcpy(key + (size_t)2 * i, "\xc3\xa9", 2);
    fill_put(1);
    put.entries[0].key = bytes_of(key, 2 * 256);
    ck_assert_int_eq(check(1048576, &refusal), 0);
    put.entries[0].key = bytes_of(key, 2 * 257);
    ck_assert_int_eq(check(1048576, &refusal), SIMULATOR_REFUSED);
    put.entries[0].key = bytes_of(key, 0);
    ck_assert_int_eq(check(1048576, &refusal), SIMULATOR_REFUSED);
}
END_TEST

START_TEST(all_errors_are_told_up_to_ten)
{
    struct simulator_refusal refusal;

    fill_put(30);
    put.entries[0].explicit_hash = bytes_of_text("01");
    put.entries[1].key = bytes_of(NULL, 0);
    ck_assert_int_eq(check(1048576, &refusal), SIMULATOR_REFUSED);
    ck_assert_str_eq(
        refusal.message,
        "2 validation errors detected: Value '01' at "
        "'records.1.member.explicitHashKey' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: 0|([1-9]\\d{0,38}); "
        "Value null at 'records.2.member.partitionKey' failed to satisfy "
        "constraint: Member must not be null");

    for (size_t i = 0; i < 30; i++)
        put.entries[i].data = bytes_of(NULL, 0);
    ck_assert_int_eq(check(1048576, &refusal), SIMULATOR_REFUSED);
    ck_assert_int_eq(strncmp(refusal.message, "10 validation errors", 20), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kinesis_simulator_put_request");
    TCase *scans = tcase_create("scans");
    TCase *limits = tcase_create("limits");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(scans, json_members_come_in_any_order_with_escapes);
    tcase_add_test(scans, cbor_may_be_indefinite_and_in_chunks);
    tcase_add_test(scans, cbor_may_be_of_definite_length);
    tcase_add_test(scans, body_cut_at_any_byte_is_malformed);
    tcase_add_test(scans, any_changed_byte_is_survived);
    tcase_add_test(scans, what_is_not_json_is_malformed);
    tcase_add_test(scans, data_that_is_not_base64_is_malformed);
    tcase_add_test(scans, base64_of_every_length_reads_back);
    tcase_add_test(limits, five_hundred_records_are_the_most_and_one_the_least);
    tcase_add_test(limits,
                   records_after_the_five_hundredth_are_counted_not_kept);
    tcase_add_test(limits, record_with_its_key_must_fit_the_stream);
    tcase_add_test(limits, request_has_ten_mebibytes_at_most);
    tcase_add_test(limits, key_has_256_characters_at_most_not_bytes);
    tcase_add_test(limits, all_errors_are_told_up_to_ten);
    suite_add_tcase(suite, scans);
    suite_add_tcase(suite, limits);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
