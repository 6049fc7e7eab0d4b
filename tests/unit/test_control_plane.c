/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "egress/control_plane.h"

#define SUMMARY(members)                                                       \
    "{\"StreamDescriptionSummary\":{\"StreamName\":\"s\"," members "}}"
#define STANDARD                                                               \
    "\"StreamARN\":\"arn:aws:kinesis:us-east-1:1:stream/s\","                  \
    "\"OpenShardCount\":4"
#define SHARD(id, first, last)                                                 \
    "{\"ShardId\":\"" id "\",\"HashKeyRange\":{\"StartingHashKey\":\"" first   \
    "\",\"EndingHashKey\":\"" last "\"},"                                      \
    "\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"1\"}}"
#define CLOSED(id)                                                             \
    "{\"ShardId\":\"" id "\",\"HashKeyRange\":{\"StartingHashKey\":\"0\","     \
    "\"EndingHashKey\":\"9\"},\"SequenceNumberRange\":"                        \
    "{\"StartingSequenceNumber\":\"1\",\"EndingSequenceNumber\":\"2\"}}"

static struct stream_summary summary;
static struct shard_list list;

static int describe(const char *body)
{
    return describe_stream_decode(bytes_of_text(body), &summary);
}

static int list_page(const char *body)
{
    return list_shards_decode(bytes_of_text(body), &list);
}

static void free_list(void)
{
    shard_list_deinit(&list);
}

START_TEST(requests_are_json_with_the_stream_escaped)
{
    uint8_t memory[256];
    struct bytes_writer writer = bytes_writer_on(memory, sizeof(memory));

    describe_stream_encode("a\"b\\c\n", &writer);

    ck_assert(bytes_equal_text(bytes_written(&writer),
                               "{\"StreamName\":\"a\\\"b\\\\c\\u000a\"}"));
}
END_TEST

START_TEST(token_of_the_next_page_stands_alone)
{
    uint8_t memory[256];
    struct bytes_writer writer = bytes_writer_on(memory, sizeof(memory));

    list_shards_encode("s", LIST_OPEN_SHARDS, NULL, &writer);
    ck_assert(bytes_equal_text(
        bytes_written(&writer),
        "{\"StreamName\":\"s\",\"ShardFilter\":{\"Type\":\"AT_LATEST\"},"
        "\"MaxResults\":1000}"));
    writer = bytes_writer_on(memory, sizeof(memory));
    list_shards_encode("s", LIST_OPEN_SHARDS, "to/ken==", &writer);
    ck_assert(
        bytes_equal_text(bytes_written(&writer),
                         "{\"NextToken\":\"to/ken==\",\"MaxResults\":1000}"));
}
END_TEST

START_TEST(summary_is_read)
{
    ck_assert_int_eq(
        describe(SUMMARY("\"StreamStatus\":\"UPDATING\"," STANDARD
                         ",\"MaxRecordSizeInKiB\":10240,\"Shards\":[1]")),
        0);

    ck_assert_int_eq(summary.status, STREAM_UPDATING);
    ck_assert_str_eq(summary.arn, "arn:aws:kinesis:us-east-1:1:stream/s");
    ck_assert_uint_eq(summary.max_record_size, 10240 * 1024);
    ck_assert_uint_eq(summary.open_shard_count, 4);
}
END_TEST

START_TEST(record_size_is_one_mebibyte_unless_said)
{
    ck_assert_int_eq(describe(SUMMARY("\"StreamStatus\":\"ACTIVE\"," STANDARD)),
                     0);

    ck_assert_uint_eq(summary.max_record_size, 1024 * 1024);
    summary.max_record_size = 0;
    ck_assert_int_eq(describe(SUMMARY("\"StreamStatus\":\"ACTIVE\"," STANDARD
                                      ",\"MaxRecordSizeInKiB\":null")),
                     0);
    ck_assert_uint_eq(summary.max_record_size, 1024 * 1024);
}
END_TEST

START_TEST(wrong_summary_is_nonsense)
{
    static const char *const wrong[] = {
        "",
        "null",
        "[]",
        "{}",
        "{\"StreamDescriptionSummary\":[]}",
        "{\"StreamDescriptionSummary\":{\"StreamStatus\":\"ACTIVE\"}}",
        SUMMARY("\"StreamStatus\":\"SLEEPING\"," STANDARD),
        SUMMARY("\"StreamStatus\":7," STANDARD),
        SUMMARY(STANDARD),
        SUMMARY("\"StreamStatus\":\"ACTIVE\",\"OpenShardCount\":4"),
        SUMMARY("\"StreamStatus\":\"ACTIVE\",\"StreamARN\":\"a\","
                "\"OpenShardCount\":-1"),
        SUMMARY("\"StreamStatus\":\"ACTIVE\",\"StreamARN\":\"a\","
                "\"OpenShardCount\":1.5"),
        SUMMARY("\"StreamStatus\":\"ACTIVE\",\"StreamARN\":\"a\","
                "\"OpenShardCount\":1e300"),
        SUMMARY("\"StreamStatus\":\"ACTIVE\"," STANDARD
                ",\"MaxRecordSizeInKiB\":0"),
        SUMMARY("\"StreamStatus\":\"ACTIVE\"," STANDARD
                ",\"MaxRecordSizeInKiB\":10241"),
        SUMMARY("\"StreamStatus\":\"ACTIVE\"," STANDARD
                ",\"MaxRecordSizeInKiB\":\"1024\""),
        "{\"StreamDescriptionSummary\":{\"StreamStatus\":\"ACTIVE\"",
    };

    summary.max_record_size = 7;
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        ck_assert_msg(describe(wrong[i]) == CONTROL_PLANE_NONSENSE, "%s",
                      wrong[i]);
    ck_assert_uint_eq(summary.max_record_size, 7);
}
END_TEST

START_TEST(pages_add_up_to_the_open_shards)
{
    ck_assert_int_eq(
        list_page("{\"NextToken\":\"more\",\"Shards\":[" SHARD(
            "shardId-0", "0",
            "9") "," CLOSED("shardId-1") "," SHARD("shardId-2", "10",
                                                   "19") "]}"),
        0);
    ck_assert_uint_eq(list.open.count, 2);
    ck_assert_str_eq(list.next_token, "more");
    ck_assert_int_eq(
        list_page("{\"Shards\":[" SHARD(
            "shardId-3", "20", "340282366920938463463374607431768211455") "]}"),
        0);

    ck_assert_uint_eq(list.open.count, 3);
    ck_assert_ptr_null(list.next_token);
    ck_assert_str_eq(list.open.rows[0].shard_id, "shardId-0");
    ck_assert_str_eq(list.open.rows[1].shard_id, "shardId-2");
    ck_assert_uint_eq(list.open.rows[1].first.low, 10);
    ck_assert_uint_eq(list.open.rows[1].last.low, 19);
    ck_assert(hash_key_equal(list.open.rows[2].last, HASH_KEY_MOST));
}
END_TEST

START_TEST(null_token_and_null_sequence_number_count_as_absent)
{
    ck_assert_int_eq(
        list_page("{\"NextToken\":null,\"Shards\":[{\"ShardId\":\"a\","
                  "\"HashKeyRange\":{\"StartingHashKey\":\"0\","
                  "\"EndingHashKey\":\"9\"},\"SequenceNumberRange\":"
                  "{\"EndingSequenceNumber\":null}}]}"),
        0);

    ck_assert_uint_eq(list.open.count, 1);
    ck_assert_ptr_null(list.next_token);
}
END_TEST

START_TEST(wrong_page_leaves_the_list_as_it_was)
{
    static const char *const wrong[] = {
        "",
        "{}",
        "{\"Shards\":{}}",
        "{\"NextToken\":\"x\"}",
        "{\"NextToken\":\"x\",\"Shards\":[7]}",
        "{\"NextToken\":\"x\",\"Shards\":[{}]}",
        "{\"Shards\":[" SHARD("a", "0", "9") "," SHARD("", "0", "9") "]}",
        "{\"Shards\":[" SHARD("a/b", "0", "9") "]}",
        "{\"Shards\":[" SHARD("a", "-1", "9") "]}",
        "{\"Shards\":[" SHARD("a", "0",
                              "340282366920938463463374607431768211456") "]}",
        "{\"Shards\":[{\"ShardId\":\"a\",\"HashKeyRange\":"
        "{\"StartingHashKey\":0,\"EndingHashKey\":9}}]}",
        "{\"Shards\":[" SHARD("a", "0", "9"),
    };

    ck_assert_int_eq(list_page("{\"NextToken\":\"t\",\"Shards\":[" SHARD(
                         "z", "0", "9") "]}"),
                     0);
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        ck_assert_msg(list_page(wrong[i]) == CONTROL_PLANE_NONSENSE, "%s",
                      wrong[i]);

    ck_assert_uint_eq(list.open.count, 1);
    ck_assert_str_eq(list.open.rows[0].shard_id, "z");
    ck_assert_str_eq(list.next_token, "t");
}
END_TEST

START_TEST(more_shards_than_any_stream_has_are_refused)
{
    static const char row[] = SHARD("a", "0", "9") ",";
    const size_t rows_per_page = 10000;
    char *body = malloc(rows_per_page * sizeof(row) + 64);
    char *end = body;
    int result = 0;

    ck_assert_ptr_nonnull(body);
    end = stpcpy(end, "{\"NextToken\":\"t\",\"Shards\":[");
    for (size_t i = 0; i < rows_per_page; i++)
        end = stpcpy(end, row);
    (void)stpcpy(end - 1, "]}");

    for (int page = 0; page < 7 && result == 0; page++)
        result = list_page(body);

    ck_assert_int_eq(result, CONTROL_PLANE_TOO_MANY);
    ck_assert_uint_eq(list.open.count, 60000);
    free(body);
}
END_TEST

START_TEST(reply_cut_anywhere_is_nonsense)
{
    static const char body[] =
        "{\"Shards\":[" SHARD("a", "0", "9") "],\"NextToken\":\"x\"}";

    for (size_t length = 0; length + 1 < sizeof(body); length++) {
        char *copy = malloc(length ? length : 1);

        ck_assert_ptr_nonnull(copy);
        memcpy(copy, body, length);
        ck_assert_int_eq(list_shards_decode(bytes_of(copy, length), &list),
                         CONTROL_PLANE_NONSENSE);
        free(copy);
    }
    ck_assert_uint_eq(list.open.count, 0);
}
END_TEST

static struct service_error error_of(const char *body)
{
    struct service_error error;

    service_error_decode(bytes_of_text(body), &error);
    return error;
}

START_TEST(error_has_code_and_message_however_they_are_spelled)
{
    struct service_error error =
        error_of("{\"__type\":\"ResourceNotFoundException\","
                 "\"message\":\"Stream s not found\"}");

    ck_assert_str_eq(error.code, "ResourceNotFoundException");
    ck_assert_str_eq(error.message, "Stream s not found");
    error = error_of("{\"__type\":\"com.amazon.coral#Denied:http://x#y\","
                     "\"Message\":\"no\\u001b[31m\\nno\"}");
    ck_assert_str_eq(error.code, "Denied");
    ck_assert_str_eq(error.message, "no [31m no");
}
END_TEST

START_TEST(error_that_says_nothing_is_empty)
{
    static const char *const bodies[] = {
        "", "<html>", "{}", "[]", "{\"__type\":7,\"message\":null}",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(bodies); i++) {
        struct service_error error = error_of(bodies[i]);

        ck_assert_str_eq(error.code, "");
        ck_assert_str_eq(error.message, "");
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control_plane");
    TCase *requests = tcase_create("requests");
    TCase *summaries = tcase_create("summaries");
    TCase *pages = tcase_create("pages");
    TCase *errors = tcase_create("errors");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(requests, requests_are_json_with_the_stream_escaped);
    tcase_add_test(requests, token_of_the_next_page_stands_alone);
    suite_add_tcase(suite, requests);
    tcase_add_test(summaries, summary_is_read);
    tcase_add_test(summaries, record_size_is_one_mebibyte_unless_said);
    tcase_add_test(summaries, wrong_summary_is_nonsense);
    suite_add_tcase(suite, summaries);
    tcase_add_checked_fixture(pages, NULL, free_list);
    tcase_add_test(pages, pages_add_up_to_the_open_shards);
    tcase_add_test(pages, null_token_and_null_sequence_number_count_as_absent);
    tcase_add_test(pages, wrong_page_leaves_the_list_as_it_was);
    tcase_add_test(pages, more_shards_than_any_stream_has_are_refused);
    tcase_add_test(pages, reply_cut_anywhere_is_nonsense);
    suite_add_tcase(suite, pages);
    tcase_add_test(errors, error_has_code_and_message_however_they_are_spelled);
    tcase_add_test(errors, error_that_says_nothing_is_empty);
    suite_add_tcase(suite, errors);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
