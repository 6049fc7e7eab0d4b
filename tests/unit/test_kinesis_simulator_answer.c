/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "tests/support/kinesis_simulator.h"

static struct simulator simulator; /* too large for a stack */
static struct simulator_exchange exchange;
static struct simulator_reply reply;
static cJSON *answer; /* of the last request; NULL if it is no JSON */
static int64_t clock_ms;

static void start(uint32_t shard_count)
{
    struct simulator_moment moment = {
        .epoch_ms = INT64_C(1700000000000),
        .number = &simulator.number,
    };

    simulator_init(&simulator, 1);
    simulator.verifier.region = "us-east-1";
    ck_assert_int_eq(
        simulator_add_stream(&simulator, "s", shard_count, &moment), 0);
    answer = NULL;
    clock_ms = 0;
}

static void stop(void)
{
    cJSON_Delete(answer);
    simulator_reply_deinit(&reply);
    simulator_deinit(&simulator);
}

/* Ask, and keep the reply in `answer`; returns the HTTP status. */
static int ask(const char *operation, const char *document)
{
    struct simulator_http_request request;
    struct bytes body;
    uint8_t copy[4096];
    char head[512];

    snprintf(head, sizeof(head),
             "POST / HTTP/1.1\r\nContent-Type: application/x-amz-json-1.1\r\n"
             "X-Amz-Target: Kinesis_20131202.%s\r\n\r\n",
             operation);
    ck_assert_int_eq(simulator_http_parse(bytes_of_text(head), &request), 0);
    snprintf((char *)copy, sizeof(copy), "%s", document);
    clock_ms++;
    exchange = (struct simulator_exchange){
        .request = &request,
        .body = copy,
        .body_length = strlen(document),
        .now = { clock_ms * NS_PER_MS },
        .wall = { (INT64_C(1700000000000) + clock_ms) * NS_PER_MS },
        .id = (uint64_t)clock_ms,
        .reply = &reply,
    };
    simulator_answer(&simulator, &exchange);
    simulator_on_reply(&simulator, &exchange, exchange.now,
                       exchange.ending != SIMULATOR_ENDING_SEND);
    body = simulator_reply_body(&reply);
    cJSON_Delete(answer);
    answer = cJSON_ParseWithLength((const char *)body.data, body.length);
    return exchange.status;
}

static const char *text_of(const cJSON *tree, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(tree, name));

    return text ? text : "";
}

static const cJSON *list_of(const char *name)
{
    return cJSON_GetObjectItem(answer, name);
}

static void add_rule(const char *rule)
{
    simulator_script_clear(&simulator.script);
    ck_assert_int_eq(
        simulator_script_add(&simulator.script, bytes_of_text(rule)), 0);
}

/* Two records: hash key 0 and hash key 2^128 - 1. */
#define TWO_RECORDS                                                            \
    "{\"StreamName\":\"s\",\"Records\":["                                      \
    "{\"Data\":\"b25l\",\"PartitionKey\":\"1\",\"ExplicitHashKey\":\"0\"},"    \
    "{\"Data\":\"dHdv\",\"PartitionKey\":\"2\",\"ExplicitHashKey\":"           \
    "\"340282366920938463463374607431768211455\"}]}"

START_TEST(records_are_read_back_as_they_were_put)
{
    char iterator[256];
    char get[512];
    const cJSON *record;

    ck_assert_int_eq(ask("PutRecords", TWO_RECORDS), 200);
    ck_assert_str_eq(
        text_of(cJSON_GetArrayItem(list_of("Records"), 1), "ShardId"),
        "shardId-000000000001");
    ck_assert_int_eq(ask("GetShardIterator",
                         "{\"StreamName\":\"s\",\"ShardId\":"
                         "\"shardId-000000000001\",\"ShardIteratorType\":"
                         "\"TRIM_HORIZON\"}"),
                     200);
    snprintf(iterator, sizeof(iterator), "%s",
             text_of(answer, "ShardIterator"));
    snprintf(get, sizeof(get), "{\"ShardIterator\":\"%s\"}", iterator);
    ck_assert_int_eq(ask("GetRecords", get), 200);

    ck_assert_int_eq(cJSON_GetArraySize(list_of("Records")), 1);
    record = cJSON_GetArrayItem(list_of("Records"), 0);
    ck_assert_str_eq(text_of(record, "Data"), "dHdv");
    ck_assert_str_eq(text_of(record, "PartitionKey"), "2");

    snprintf(get, sizeof(get), "{\"ShardIterator\":\"%s\"}",
             text_of(answer, "NextShardIterator"));
    ck_assert_int_eq(ask("GetRecords", get), 200);
    ck_assert_int_eq(cJSON_GetArraySize(list_of("Records")), 0);

    clock_ms += 300001;
    snprintf(get, sizeof(get), "{\"ShardIterator\":\"%s\"}", iterator);
    ck_assert_int_eq(ask("GetRecords", get), 400);
    ck_assert_str_eq(text_of(answer, "__type"), "ExpiredIteratorException");
}
END_TEST

/* What an action makes of two records. */
static const struct {
    const char *action;
    int status;
    const char *code;
    uint64_t stored;
    enum simulator_ending ending;
} fault_rows[] = {
    { "http_500_before", 500, "InternalFailure", 0, SIMULATOR_ENDING_SEND },
    { "http_500_after", 500, "InternalFailure", 2, SIMULATOR_ENDING_SEND },
    { "http_503", 503, "ServiceUnavailable", 0, SIMULATOR_ENDING_SEND },
    { "access_denied", 400, "AccessDeniedException", 0, SIMULATOR_ENDING_SEND },
    { "expired_token", 400, "ExpiredTokenException", 0, SIMULATOR_ENDING_SEND },
    { "throttle_request", 400, "ProvisionedThroughputExceededException", 0,
      SIMULATOR_ENDING_SEND },
    { "close_before", 200, "", 0, SIMULATOR_ENDING_CLOSE },
    { "close_after_commit", 200, "", 2, SIMULATOR_ENDING_CLOSE },
    { "reset_before", 200, "", 0, SIMULATOR_ENDING_RESET },
    { "reset_after_commit", 200, "", 2, SIMULATOR_ENDING_RESET },
    { "cut_reply", 200, "", 2, SIMULATOR_ENDING_CUT },
    { "cut_head", 200, "", 2, SIMULATOR_ENDING_CUT_HEAD },
    { "drip", 200, "", 2, SIMULATOR_ENDING_DRIP },
    { "hold_after_commit", 200, "", 2, SIMULATOR_ENDING_HOLD },
    { "hold_before", 200, "", 0, SIMULATOR_ENDING_HOLD },
    { "close_after_reply", 200, "", 2, SIMULATOR_ENDING_SHUT },
    { "longer_length", 200, "", 2, SIMULATOR_ENDING_LONGER },
    { "shorter_length", 200, "", 2, SIMULATOR_ENDING_SHORTER },
    { "late_close", 200, "", 0, SIMULATOR_ENDING_CLOSE },
    { "late_reset", 200, "", 0, SIMULATOR_ENDING_RESET },
    { "late_hold", 200, "", 0, SIMULATOR_ENDING_HOLD },
    { "kms_disabled", 400, "KMSDisabledException", 0, SIMULATOR_ENDING_SEND },
    { "invalid_signature", 400, "InvalidSignatureException", 0,
      SIMULATOR_ENDING_SEND },
    { "huge_reply", 200, "", 2, SIMULATOR_ENDING_SEND },
};

START_TEST(fault_stores_everything_or_nothing)
{
    char rule[128];

    snprintf(rule, sizeof(rule), "{\"action\":\"%s\",\"count\":1}",
             fault_rows[_i].action);
    add_rule(rule);

    ck_assert_int_eq(ask("PutRecords", TWO_RECORDS), fault_rows[_i].status);

    ck_assert_str_eq(text_of(answer, "__type"), fault_rows[_i].code);
    ck_assert_int_eq(exchange.ending, fault_rows[_i].ending);
    ck_assert_uint_eq(simulator.statistics.records, fault_rows[_i].stored);
    ck_assert_uint_eq(simulator.statistics.faults, 1);
    ck_assert_int_eq(ask("PutRecords", TWO_RECORDS), 200);
}
END_TEST

START_TEST(throttled_shard_fails_its_record_alone)
{
    const cJSON *records;

    add_rule("{\"on\":\"PutRecords\",\"action\":\"throttle\","
             "\"shard\":\"shardId-000000000000\",\"delay_ms\":5}");

    ck_assert_int_eq(ask("PutRecords", TWO_RECORDS), 200);

    records = list_of("Records");
    ck_assert_str_eq(text_of(cJSON_GetArrayItem(records, 0), "ErrorCode"),
                     "ProvisionedThroughputExceededException");
    ck_assert_str_eq(text_of(cJSON_GetArrayItem(records, 0), "ErrorMessage"),
                     "Rate exceeded for shard shardId-000000000000 in stream s "
                     "under account 123456789012.");
    ck_assert_str_eq(text_of(cJSON_GetArrayItem(records, 1), "ErrorCode"), "");
    ck_assert_int_eq(list_of("FailedRecordCount")->valueint, 1);
    ck_assert_uint_eq(simulator.statistics.records, 1);
    ck_assert_int_eq(exchange.delay_ns, 5 * NS_PER_MS);
}
END_TEST

START_TEST(wrong_count_hides_a_stored_record)
{
    add_rule("{\"action\":\"wrong_count\"}");

    ck_assert_int_eq(ask("PutRecords", TWO_RECORDS), 200);

    ck_assert_int_eq(cJSON_GetArraySize(list_of("Records")), 1);
    ck_assert_uint_eq(simulator.statistics.records, 2);
}
END_TEST

/* What a wrong reply says of two records that are stored. */
static const struct {
    const char *action;
    int count;
    int failed;
    const char *shard;    /* of the last */
    const char *sequence; /* of the last; NULL: the true one */
} lie_rows[] = {
    { "extra_result", 3, 0, "shardId-000000000001", NULL },
    { "wrong_failed_count", 2, 1, "shardId-000000000001", NULL },
    { "wrong_shard", 2, 0, "shardId-000000000000", NULL },
    { "unknown_shard", 2, 0, "shardId-000999999999", NULL },
    { "no_shard", 2, 0, "", NULL },
    { "no_sequence", 2, 0, "shardId-000000000001", "" },
    { "garbage_sequence", 2, 0, "shardId-000000000001", "4911x -1" },
};

START_TEST(results_lie_as_they_are_told)
{
    const cJSON *records;
    const cJSON *last;
    char rule[128];

    snprintf(rule, sizeof(rule), "{\"action\":\"%s\"}", lie_rows[_i].action);
    add_rule(rule);

    ck_assert_int_eq(ask("PutRecords", TWO_RECORDS), 200);

    records = list_of("Records");
    last = cJSON_GetArrayItem(records, cJSON_GetArraySize(records) - 1);
    ck_assert_int_eq(cJSON_GetArraySize(records), lie_rows[_i].count);
    ck_assert_int_eq(list_of("FailedRecordCount")->valueint,
                     lie_rows[_i].failed);
    ck_assert_str_eq(text_of(last, "ShardId"), lie_rows[_i].shard);
    if (lie_rows[_i].sequence)
        ck_assert_str_eq(text_of(last, "SequenceNumber"),
                         lie_rows[_i].sequence);
    else
        ck_assert_uint_eq(strlen(text_of(last, "SequenceNumber")), 56);
    ck_assert_uint_eq(simulator.statistics.records, 2);
}
END_TEST

START_TEST(sequence_number_may_be_longer_than_any)
{
    add_rule("{\"action\":\"long_sequence\","
             "\"shard\":\"shardId-000000000000\"}");

    ask("PutRecords", TWO_RECORDS);

    ck_assert_uint_gt(strlen(text_of(cJSON_GetArrayItem(list_of("Records"), 0),
                                     "SequenceNumber")),
                      129);
    ck_assert_uint_eq(strlen(text_of(cJSON_GetArrayItem(list_of("Records"), 1),
                                     "SequenceNumber")),
                      56);
}
END_TEST

START_TEST(stored_record_is_called_refused)
{
    add_rule("{\"action\":\"internal_failure_after\","
             "\"shard\":\"shardId-000000000001\"}");

    ck_assert_int_eq(ask("PutRecords", TWO_RECORDS), 200);

    ck_assert_str_eq(
        text_of(cJSON_GetArrayItem(list_of("Records"), 1), "ErrorCode"),
        "InternalFailure");
    ck_assert_int_eq(list_of("FailedRecordCount")->valueint, 1);
    ck_assert_uint_eq(simulator.statistics.records, 2);
}
END_TEST

START_TEST(late_request_lands_on_the_shards_of_its_time)
{
    struct monotonic due;

    add_rule("{\"action\":\"late_close\",\"time_ms\":50,\"count\":1}");
    ask("PutRecords", TWO_RECORDS);
    due = monotonic_after(exchange.now, 50 * NS_PER_MS);
    add_rule("{\"action\":\"split\",\"shard\":\"shardId-000000000001\","
             "\"count\":1}");
    ask("PutRecords", TWO_RECORDS);

    simulator_late_land(&simulator, (struct monotonic){ due.ns - 1 },
                        exchange.wall);
    ck_assert_uint_eq(simulator.statistics.records, 2);
    simulator_late_land(&simulator, due, exchange.wall);
    ck_assert_uint_eq(simulator.statistics.records, 4);
    ck_assert_uint_eq(simulator.streams->shards[3]->counters.records, 2);
    ck_assert_ptr_null(simulator.late);
}
END_TEST

START_TEST(late_request_is_lost_with_its_stream)
{
    add_rule("{\"action\":\"late_reset\",\"time_ms\":50}");
    ask("PutRecords", TWO_RECORDS);
    ask("DeleteStream", "{\"StreamName\":\"s\"}");

    simulator_late_land(&simulator,
                        monotonic_after(exchange.now, NS_PER_SECOND),
                        exchange.wall);

    ck_assert_uint_eq(simulator.statistics.records, 0);
    ck_assert_ptr_null(simulator.late);
}
END_TEST

START_TEST(stale_list_shows_the_shards_of_before)
{
    add_rule("{\"on\":\"ListShards\",\"action\":\"stale_shards\","
             "\"time_ms\":10,\"count\":1}");
    clock_ms = 100;
    ask("SplitShard", "{\"StreamName\":\"s\",\"ShardToSplit\":"
                      "\"shardId-000000000000\",\"NewStartingHashKey\":\"5\"}");

    ck_assert_int_eq(ask("ListShards", "{\"StreamName\":\"s\"}"), 200);
    ck_assert_int_eq(cJSON_GetArraySize(list_of("Shards")), 2);
    ck_assert_ptr_null(cJSON_GetObjectItem(
        cJSON_GetObjectItem(cJSON_GetArrayItem(list_of("Shards"), 0),
                            "SequenceNumberRange"),
        "EndingSequenceNumber"));

    ck_assert_int_eq(ask("ListShards", "{\"StreamName\":\"s\"}"), 200);
    ck_assert_int_eq(cJSON_GetArraySize(list_of("Shards")), 4);
}
END_TEST

START_TEST(settings_change_while_it_runs)
{
    ck_assert(simulator_change_settings(
        &simulator,
        bytes_of_text("{\"clock_offset_s\":-3600,\"delay_ms\":2.5,"
                      "\"enforce_rate\":true,\"secret_key\":\"new\","
                      "\"session_token\":\"token\"}")));
    ck_assert_int_eq(simulator.settings.clock_offset_ns, -3600 * NS_PER_SECOND);
    ck_assert_int_eq(simulator.settings.delay_ns, 2500 * NS_PER_US);
    ck_assert(simulator.settings.enforces_rate);
    ck_assert_str_eq(simulator.verifier.secret_key, "new");
    ck_assert_str_eq(simulator.verifier.session_token, "token");

    ck_assert(simulator_change_settings(
        &simulator, bytes_of_text("{\"session_token\":\"\"}")));
    ck_assert_ptr_null(simulator.verifier.session_token);
    ck_assert_str_eq(simulator.verifier.secret_key, "new");
    ck_assert(
        !simulator_change_settings(&simulator, bytes_of_text("nonsense")));
    ck_assert(!simulator_change_settings(
        &simulator, bytes_of_text("{\"delay_ms\":\"much\"}")));
}
END_TEST

START_TEST(garbage_is_no_json)
{
    add_rule("{\"action\":\"garbage\"}");

    ck_assert_int_eq(ask("PutRecords", TWO_RECORDS), 200);

    ck_assert_ptr_null(answer);
    ck_assert_uint_eq(simulator.statistics.records, 2);
}
END_TEST

START_TEST(scripted_split_sends_the_same_request_to_a_child)
{
    add_rule("{\"action\":\"split\",\"shard\":\"shardId-000000000001\","
             "\"count\":1}");

    ck_assert_int_eq(ask("PutRecords", TWO_RECORDS), 200);

    ck_assert_str_eq(
        text_of(cJSON_GetArrayItem(list_of("Records"), 1), "ShardId"),
        "shardId-000000000003");
    ck_assert_uint_eq(simulator.streams->open_count, 3);
}
END_TEST

START_TEST(fault_of_one_operation_leaves_others_alone)
{
    add_rule("{\"on\":\"ListShards\",\"action\":\"limit_exceeded\"}");

    ck_assert_int_eq(ask("PutRecords", TWO_RECORDS), 200);
    ck_assert_int_eq(ask("ListShards", "{\"StreamName\":\"s\"}"), 400);
    ck_assert_str_eq(text_of(answer, "__type"), "LimitExceededException");
}
END_TEST

/* Pages of `most`; returns how many shards they hold, and how many pages. */
static int list_all(const char *filter, int most, int *pages)
{
    char document[512];
    int count = 0;

    snprintf(document, sizeof(document),
             "{\"StreamName\":\"s\",\"MaxResults\":%d%s}", most, filter);
    for (*pages = 1;; ++*pages) {
        ck_assert_int_eq(ask("ListShards", document), 200);
        ck_assert_int_le(cJSON_GetArraySize(list_of("Shards")), most);
        count += cJSON_GetArraySize(list_of("Shards"));
        if (!list_of("NextToken"))
            return count;
        snprintf(document, sizeof(document),
                 "{\"NextToken\":\"%s\",\"MaxResults\":%d}",
                 text_of(answer, "NextToken"), most);
    }
}

START_TEST(shards_are_listed_in_pages_and_filtered)
{
    int pages;

    ck_assert_int_eq(ask("MergeShards",
                         "{\"StreamName\":\"s\",\"ShardToMerge\":"
                         "\"shardId-000000000000\",\"AdjacentShardToMerge\":"
                         "\"shardId-000000000001\"}"),
                     200);

    ck_assert_int_eq(list_all("", 2, &pages), 3);
    ck_assert_int_eq(pages, 2);
    ck_assert_int_eq(list_all("", 3, &pages), 3);
    ck_assert_int_eq(pages, 1);
    ck_assert_int_eq(
        list_all(",\"ShardFilter\":{\"Type\":\"AT_LATEST\"}", 1, &pages), 1);
    ck_assert_str_eq(
        text_of(cJSON_GetArrayItem(list_of("Shards"), 0), "ShardId"),
        "shardId-000000000002");
}
END_TEST

START_TEST(token_expires_and_goes_alone)
{
    char document[512];

    ck_assert_int_eq(
        ask("ListShards", "{\"StreamName\":\"s\",\"MaxResults\":1}"), 200);
    snprintf(document, sizeof(document),
             "{\"NextToken\":\"%s\",\"StreamName\":\"s\"}",
             text_of(answer, "NextToken"));
    clock_ms += 300002;
    ck_assert_int_eq(ask("ListShards", document), 400);
    ck_assert_str_eq(text_of(answer, "__type"), "InvalidArgumentException");

    *strstr(document, ",\"StreamName") = '}';
    *(strchr(document, '}') + 1) = '\0';
    ck_assert_int_eq(ask("ListShards", document), 400);
    ck_assert_str_eq(text_of(answer, "__type"), "ExpiredNextTokenException");
}
END_TEST

START_TEST(stream_takes_its_time_to_come_change_and_go)
{
    simulator.settings.transition_ns = 10 * NS_PER_MS;

    ck_assert_int_eq(
        ask("CreateStream", "{\"StreamName\":\"new\",\"ShardCount\":1}"), 200);
    ck_assert_int_eq(ask("PutRecord", "{\"StreamName\":\"new\",\"Data\":\"\","
                                      "\"PartitionKey\":\"k\"}"),
                     400);
    ck_assert_str_eq(text_of(answer, "__type"), "ResourceNotFoundException");
    clock_ms += 10;
    ck_assert_int_eq(ask("UpdateShardCount",
                         "{\"StreamName\":\"new\",\"TargetShardCount\":2}"),
                     200);
    ck_assert_int_eq(ask("UpdateShardCount",
                         "{\"StreamName\":\"new\",\"TargetShardCount\":2}"),
                     400);
    ck_assert_str_eq(text_of(answer, "__type"), "ResourceInUseException");
    ck_assert_int_eq(ask("PutRecord", "{\"StreamName\":\"new\",\"Data\":\"\","
                                      "\"PartitionKey\":\"k\"}"),
                     200);
    clock_ms += 10;
    ck_assert_int_eq(ask("DeleteStream", "{\"StreamName\":\"new\"}"), 200);
    ck_assert_int_eq(ask("DescribeStreamSummary", "{\"StreamName\":\"new\"}"),
                     200);
    clock_ms += 10;
    ck_assert_int_eq(ask("DescribeStreamSummary", "{\"StreamName\":\"new\"}"),
                     400);
}
END_TEST

START_TEST(nonsense_is_refused)
{
    ck_assert_int_eq(ask("Nonsense", "{}"), 400);
    ck_assert_str_eq(text_of(answer, "__type"), "UnknownOperationException");
    ck_assert_int_eq(ask("ListShards", "[]"), 400);
    ck_assert_str_eq(text_of(answer, "__type"), "SerializationException");
    ck_assert_int_eq(ask("PutRecords", "{"), 400);
    ck_assert_str_eq(text_of(answer, "__type"), "SerializationException");
    ck_assert_int_eq(ask("ListShards", "{\"NextToken\":\"x\"}"), 400);
    ck_assert_int_eq(ask("GetRecords", "{\"ShardIterator\":\"eA==\"}"), 400);
    ck_assert_int_eq(ask("ListShards", "{}"), 400);
}
END_TEST

/* One line per happening, in order, as a checker reads them. */
START_TEST(history_tells_what_was_stored_and_what_was_not_heard)
{
    static const char *const wanted[] = { "put_recv", "put_commit",
                                          "put_commit", "fault",
                                          "put_reply_dropped" };
    char path[] = "/tmp/test_kinesis_simulator_history_XXXXXX";
    char line[1024];
    int descriptor = mkstemp(path);
    FILE *file;

    ck_assert_int_ge(descriptor, 0);
    close(descriptor);
    ck_assert_int_eq(simulator_history_open(&simulator.history, path), 0);
    add_rule("{\"action\":\"close_after_commit\"}");
    ask("PutRecords", TWO_RECORDS);

    file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    for (size_t i = 0; i < ARRAY_LENGTH(wanted); i++) {
        cJSON *happening;

        ck_assert_ptr_nonnull(fgets(line, sizeof(line), file));
        happening = cJSON_Parse(line);
        ck_assert_str_eq(text_of(happening, "ev"), wanted[i]);
        ck_assert_str_eq(text_of(happening, "src"), "kinesis");
        if (i == 2) {
            ck_assert_str_eq(text_of(happening, "tag"), "2");
            ck_assert_str_eq(text_of(happening, "data"), "dHdv");
            ck_assert_str_eq(text_of(happening, "first"),
                             "80000000000000000000000000000000");
            ck_assert_str_eq(text_of(happening, "last"),
                             "ffffffffffffffffffffffffffffffff");
        }
        cJSON_Delete(happening);
    }
    ck_assert_ptr_null(fgets(line, sizeof(line), file));
    fclose(file);
    unlink(path);
}
END_TEST

START_TEST(user_records_of_aggregates_are_counted)
{
    simulator.settings.counts_user_records = true;

    /* Key table {"k"}, records (0, "a"), (0, "b"), and the MD5 of those. */
    ck_assert_int_eq(
        ask("PutRecords",
            "{\"StreamName\":\"s\",\"Records\":[{\"PartitionKey\":\"k\","
            "\"Data\":\"84mawgoBaxoFCAAaAWEaBQgAGgFiaUU1r+3P/Wd5Z/rCeJXnxQ==\"}"
            ",{\"PartitionKey\":\"k\",\"Data\":\"84mawgoBaxoFCAAaAWEaBQgAGgFi"
            "AAAAAAAAAAAAAAAAAAAAAA==\"}]}"),
        200);

    ck_assert_uint_eq(simulator.statistics.user_records, 3);
    ck_assert_uint_eq(simulator.statistics.aggregates_damaged, 1);
}
END_TEST

static void start_two(void)
{
    start(2);
}

int main(void)
{
    Suite *suite = suite_create("kinesis_simulator_answer");
    TCase *answers = tcase_create("answers");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(answers, start_two, stop);
    tcase_add_test(answers, records_are_read_back_as_they_were_put);
    tcase_add_loop_test(answers, fault_stores_everything_or_nothing, 0,
                        ARRAY_LENGTH(fault_rows));
    tcase_add_test(answers, throttled_shard_fails_its_record_alone);
    tcase_add_test(answers, wrong_count_hides_a_stored_record);
    tcase_add_loop_test(answers, results_lie_as_they_are_told, 0,
                        ARRAY_LENGTH(lie_rows));
    tcase_add_test(answers, sequence_number_may_be_longer_than_any);
    tcase_add_test(answers, stored_record_is_called_refused);
    tcase_add_test(answers, late_request_lands_on_the_shards_of_its_time);
    tcase_add_test(answers, late_request_is_lost_with_its_stream);
    tcase_add_test(answers, stale_list_shows_the_shards_of_before);
    tcase_add_test(answers, settings_change_while_it_runs);
    tcase_add_test(answers, garbage_is_no_json);
    tcase_add_test(answers, scripted_split_sends_the_same_request_to_a_child);
    tcase_add_test(answers, fault_of_one_operation_leaves_others_alone);
    tcase_add_test(answers, shards_are_listed_in_pages_and_filtered);
    tcase_add_test(answers, token_expires_and_goes_alone);
    tcase_add_test(answers, stream_takes_its_time_to_come_change_and_go);
    tcase_add_test(answers, nonsense_is_refused);
    tcase_add_test(answers,
                   history_tells_what_was_stored_and_what_was_not_heard);
    tcase_add_test(answers, user_records_of_aggregates_are_counted);
    suite_add_tcase(suite, answers);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
