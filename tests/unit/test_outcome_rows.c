/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One test for each row of outcomes.tbl: a reply or a failure as it really
 * comes goes through the worker's own reading, and means what the row says.
 * The rows come from the table itself, so that none can be added untested.
 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "egress/egress.h"
#include "egress/put_records_answer.h"
#include "tests/support/queue_fixture.h"

#define RECORDS 3
#define STORED                                                                 \
    "{\"ShardId\":\"shardId-000000000000\",\"SequenceNumber\":\"495\"}"

enum row_kind {
    ROW_CODE,
    ROW_STATUS,
    ROW_CLASS,
    ROW_FAILURE,
    ROW_REPLY,
};

struct row {
    enum row_kind kind;
    const char *text; /* the key as it stands in the table */
    int number;       /* of all kinds but ROW_CODE */
    struct outcome outcome;
};

#define NUMBER_CODE(key)    0
#define NUMBER_STATUS(key)  (key)
#define NUMBER_CLASS(key)   (key)
#define NUMBER_FAILURE(key) ((int)(key))
#define NUMBER_REPLY(key)   ((int)(key))
#define TEXT_CODE(key)      (key)
#define TEXT_STATUS(key)    #key
#define TEXT_CLASS(key)     #key
#define TEXT_FAILURE(key)   #key
#define TEXT_REPLY(key)     #key

static const struct row rows[] = {
#define OUTCOME(row_kind, key, known, todo, meaning_text)                      \
    { .kind = ROW_##row_kind,                                                  \
      .text = TEXT_##row_kind(key),                                            \
      .number = NUMBER_##row_kind(key),                                        \
      .outcome = { .certainty = OUTCOME_##known,                               \
                   .action = OUTCOME_##todo,                                   \
                   .meaning = (meaning_text) } },
#include "egress/outcomes.tbl"
};

static struct put_records_result results[RECORDS];
static struct put_records_answer answer;

/* True if each record has a result. */
static bool read_reply(const struct http_reply *reply)
{
    static uint8_t texts[4096];
    struct bytes_writer writer = bytes_writer_on(texts, sizeof(texts));

    return put_records_answer_read(PUT_RECORDS_JSON, reply, &writer, results,
                                   RECORDS, &answer);
}

static bool read_status(int status, const char *body)
{
    struct http_reply reply = {
        .status = status,
        .body = bytes_of_text(body),
        .explanation = "",
    };

    return read_reply(&reply);
}

static void expect(const struct outcome *found, const struct row *row,
                   const char *how)
{
    ck_assert_msg(found->certainty == row->outcome.certainty &&
                      found->action == row->outcome.action,
                  "%s, %s: %s", row->text, how,
                  outcome_action_name(found->action));
    ck_assert_str_eq(found->meaning, row->outcome.meaning);
}

static void expect_request(const struct row *row, int status, const char *body)
{
    ck_assert_msg(!read_status(status, body), "%s: %s", row->text, body);
    expect(&answer.outcome, row, body);
    ck_assert_int_ne(answer.outcome.certainty, OUTCOME_STORED);
}

/* Of the whole request, in each form that AWS and the emulators give it. */
static void check_code_of_request(const struct row *row)
{
    static const struct {
        const char *before;
        const char *after;
    } forms[] = {
        { "{\"__type\":\"", "\",\"message\":\"why\"}" },
        { "{\"__type\":\"", "Exception\",\"Message\":\"why\"}" },
        { "{\"message\":null,\"__type\":\"com.amazonaws.kinesis#", "\"}" },
        { "{\"__type\":\"", "Exception:http://internal.amazon.com/coral/\"}" },
    };
    static const int statuses[] = { 400, 403, 500, 503 };
    char body[256];

    for (size_t i = 0; i < ARRAY_LENGTH(forms); i++)
        for (size_t j = 0; j < ARRAY_LENGTH(statuses); j++) {
            (void)snprintf(body, sizeof(body), "%s%s%s", forms[i].before,
                           row->text, forms[i].after);
            expect_request(row, statuses[j], body);
        }
}

/* Of one record among stored ones, which are not concerned. */
static void check_code_of_record(const struct row *row)
{
    struct outcome outcome;
    char body[512];

    (void)snprintf(body, sizeof(body),
                   "{\"FailedRecordCount\":1,\"Records\":[" STORED
                   ",{\"ErrorCode\":\"%sException\",\"ErrorMessage\":\"why\"}"
                   "," STORED "]}",
                   row->text);
    ck_assert(read_status(200, body));
    outcome = outcome_of_record(results[1].error_code);
    expect(&outcome, row, "record");
    ck_assert(!put_records_is_stored(&results[1]));
    ck_assert(put_records_is_stored(&results[0]));
    ck_assert(put_records_is_stored(&results[2]));
}

static void check_status(const struct row *row, int status)
{
    static const char *const bodies[] = {
        "",
        "{}",
        "<html><body>502 Bad Gateway</body></html>",
        "{\"message\":\"no code\"}",
        "{\"__type\":\"SomethingNewException\"}",
        "{\"FailedRecordCount\":0,\"Records\":[" STORED "," STORED "," STORED
        "]}",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(bodies); i++)
        expect_request(row, status, bodies[i]);
}

static bool has_own_row(int status)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (rows[i].kind == ROW_STATUS && rows[i].number == status)
            return true;
    return status == 200;
}

static void check_class(const struct row *row)
{
    for (int i = 0; i < 100; i++)
        if (!has_own_row(row->number * 100 + i))
            check_status(row, row->number * 100 + i);
}

/* http_client says what came of the request; see test_http_client. */
static void check_failure(const struct row *row)
{
    struct http_reply reply = {
        .failure = (enum http_failure)row->number,
        .explanation = "as libcurl says it",
        .status = 200, /* means nothing with a failure */
        .body = bytes_of_text("{\"FailedRecordCount\":0,\"Records\":[" STORED
                              "," STORED "," STORED "]}"),
    };

    ck_assert(!read_reply(&reply));
    expect(&answer.outcome, row, "after the request had left");
    ck_assert_int_eq(answer.outcome.certainty, OUTCOME_AMBIGUOUS);
    reply.definite = true;
    ck_assert(!read_reply(&reply));
    ck_assert_int_eq(answer.outcome.certainty, OUTCOME_DEFINITE);
    ck_assert_int_eq(answer.outcome.action, row->outcome.action);
}

/* A worker with one queue and a batch that Kinesis says it has stored. */
static struct egress egress;
static struct queue_fixture fixture;
static struct queue_sender sender;
static struct request_entry entry;
static struct layout_queue halves[2];

static void make_worker(void)
{
    static struct options options = { .stream = "s" };
    struct record_header *record;

    halves[0] = (struct layout_queue){
        .last = { UINT64_MAX / 2, UINT64_MAX },
        .shard_id = "shardId-000000000000",
    };
    halves[1] = (struct layout_queue){
        .first = { UINT64_MAX / 2 + 1, 0 },
        .last = HASH_KEY_MOST,
        .shard_id = "shardId-000000000001",
    };
    queue_fixture_make(&fixture, 4096, 0);
    ck_assert_int_eq(queue_producer_open(fixture.name, &fixture.producer), 0);
    ck_assert_int_eq(queue_reserve(&fixture.producer, 8, &record), 0);
    record->key_length = 1;
    record->hash_high = 5;
    queue_publish(&fixture.producer);
    ck_assert_int_eq(queue_sender_open(fixture.name, &halves[0], 0, &sender),
                     0);
    entry = (struct request_entry){
        .sender = &sender,
        .part = { .last = halves[0].last },
        .shard_id = "shardId-000000000000",
    };
    sender.batch.end = fixture.producer.committed;
    egress = (struct egress){ .options = &options,
                              .senders = &sender,
                              .sender_count = 1 };
    egress.layout.queues = halves;
    egress.layout.queue_count = 2;
    ck_assert_int_eq(egress_begin_shards(&egress), 0);
}

static void end_worker(void)
{
    egress_end_shards(&egress);
    queue_sender_close(&sender);
    queue_producer_close(&fixture.producer);
    ck_assert_int_eq(shared_memory_remove(fixture.name), 0);
}

/* Where the record landed, and whether that was known at once. */
static bool land(const char *shard_id, struct outcome *outcome)
{
    return egress_judge_landing(&egress, &entry, bytes_of_text(shard_id),
                                outcome);
}

static void check_stored(const struct row *row)
{
    struct outcome outcome;

    ck_assert(read_status(200, "{\"FailedRecordCount\":0,\"Records\":[" STORED
                               "," STORED "," STORED "]}"));
    make_worker();
    ck_assert(land("shardId-000000000000", &outcome));
    expect(&outcome, row, "on the predicted shard");
    end_worker();
}

/* Nobody knows: the entry waits for a list, and is not accepted. */
static void check_unknown_shard(const struct row *row)
{
    struct outcome outcome;

    make_worker();
    ck_assert(!land("shardId-000000000007", &outcome));
    ck_assert_int_eq(egress.listing->state, SHARD_LISTING_DUE);
    ck_assert_uint_eq(egress.landing_count, 1);
    outcome = outcome_of_reply(OUTCOME_REPLY_UNKNOWN_SHARD);
    expect(&outcome, row, "when no list knows it");
    end_worker();
}

/* It is known, does not cover the record, and the map has not moved. */
static void check_wrong_shard(const struct row *row)
{
    struct outcome outcome;

    make_worker();
    ck_assert(!land("shardId-000000000001", &outcome));
    expect(&outcome, row, "on the other half");
    ck_assert_int_eq(egress.listing->state, SHARD_LISTING_DUE);
    end_worker();
}

#define REPLY(records) "{\"FailedRecordCount\":0,\"Records\":[" records "]}"

static const char *const garbage[] = {
    "",
    "}garbage",
    "<html><body>It works!</body></html>",
    "{}",
    "[]",
    "null",
    "{\"Records\":{}}",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    REPLY(STORED "," STORED "," STORED) " and more",
    "{\"FailedRecordCount\":0,\"FailedRecordCount\":0,\"Records\":[" STORED
    "," STORED "," STORED "],\"Records\":[]}",
    "{\"FailedRecordCount\":-1,\"Records\":[" STORED "," STORED "," STORED "]}",
    "{\"FailedRecordCount\":\"0\",\"Records\":[" STORED "," STORED "," STORED
    "]}",
    /* No sequence number, a garbled one, one of 130 digits. */
    REPLY(STORED "," STORED ",{\"ShardId\":\"shardId-000000000000\"}"),
    REPLY(STORED "," STORED ",{\"ShardId\":\"s\",\"SequenceNumber\":\"12x4\"}"),
    REPLY(STORED "," STORED ",{\"ShardId\":\"s\",\"SequenceNumber\":4953}"),
    REPLY(STORED "," STORED ",{\"ShardId\":\"s\",\"SequenceNumber\":\""
                 "11111111112222222222333333333344444444445555555555"
                 "11111111112222222222333333333344444444445555555555"
                 "111111111122222222223333333333\"}"),
    /* No shard, none that can be. */
    REPLY(STORED "," STORED ",{\"SequenceNumber\":\"495\"}"),
    REPLY(STORED "," STORED ",{\"ShardId\":\"\",\"SequenceNumber\":\"495\"}"),
    REPLY(STORED "," STORED
                 ",{\"ShardId\":\"a b\",\"SequenceNumber\":\"495\"}"),
    /* Stored and refused at once. */
    "{\"FailedRecordCount\":1,\"Records\":[" STORED "," STORED
    ",{\"ShardId\":\"s\",\"SequenceNumber\":\"1\",\"ErrorCode\":\"E\"}]}",
};

static const char *const wrong_counts[] = {
    REPLY(""),
    REPLY(STORED "," STORED),
    REPLY(STORED "," STORED "," STORED "," STORED),
    "{\"FailedRecordCount\":1,\"Records\":[" STORED "," STORED "," STORED "]}",
    "{\"FailedRecordCount\":0,\"Records\":[" STORED "," STORED
    ",{\"ErrorCode\":\"InternalFailure\"}]}",
};

static void check_reply(const struct row *row)
{
    struct outcome outcome;

    switch ((enum outcome_reply)row->number) {
    case OUTCOME_REPLY_STORED:
        check_stored(row);
        return;
    case OUTCOME_REPLY_GARBAGE:
        for (size_t i = 0; i < ARRAY_LENGTH(garbage); i++)
            expect_request(row, 200, garbage[i]);
        return;
    case OUTCOME_REPLY_WRONG_COUNT:
        for (size_t i = 0; i < ARRAY_LENGTH(wrong_counts); i++)
            expect_request(row, 200, wrong_counts[i]);
        return;
    case OUTCOME_REPLY_UNKNOWN_CODE:
        ck_assert(read_status(200,
                              "{\"FailedRecordCount\":1,\"Records\":[" STORED
                              ",{\"ErrorCode\":\"New\"}," STORED "]}"));
        outcome = outcome_of_record(results[1].error_code);
        expect(&outcome, row, "a code nobody documents");
        return;
    case OUTCOME_REPLY_UNKNOWN_SHARD:
        check_unknown_shard(row);
        return;
    case OUTCOME_REPLY_WRONG_SHARD:
        check_wrong_shard(row);
        return;
    }
    ck_abort_msg("%s has no test", row->text);
}

/* KMS among others. (K13) */
START_TEST(row_means_what_it_says)
{
    const struct row *row = &rows[_i];

    switch (row->kind) {
    case ROW_CODE:
        check_code_of_request(row);
        check_code_of_record(row);
        return;
    case ROW_STATUS:
        check_status(row, row->number);
        return;
    case ROW_CLASS:
        check_class(row);
        return;
    case ROW_FAILURE:
        check_failure(row);
        return;
    case ROW_REPLY:
        check_reply(row);
        return;
    }
}
END_TEST

/* Whatever is not a definite failure may be stored; only one row says so. */
START_TEST(only_one_row_is_success)
{
    unsigned stored = 0;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        bool accepts = rows[i].outcome.action == OUTCOME_ACCEPT;

        ck_assert(accepts == (rows[i].outcome.certainty == OUTCOME_STORED));
        stored += accepts;
        /* What may be stored is never cut into other pieces. */
        if (rows[i].outcome.action == OUTCOME_HALVE ||
            rows[i].outcome.action == OUTCOME_ISOLATE)
            ck_assert_int_eq(rows[i].outcome.certainty, OUTCOME_DEFINITE);
    }
    ck_assert_uint_eq(stored, 1);
}
END_TEST

START_TEST(every_failure_and_every_class_has_a_row)
{
    bool failures[64] = { [HTTP_NO_FAILURE] = true };
    bool classes[10] = { false };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (rows[i].kind == ROW_FAILURE)
            failures[rows[i].number] = true;
        if (rows[i].kind == ROW_CLASS)
            classes[rows[i].number] = true;
    }
#define HTTP_FAILURE(constant, name)                                           \
    ck_assert_msg(failures[constant], "no row for %s", name);
#include "egress/http_failures.tbl"
    for (size_t i = 1; i <= 5; i++)
        ck_assert_msg(classes[i], "no row for %zu..", i);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("outcome_rows");
    TCase *table = tcase_create("table");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(table, row_means_what_it_says, 0, ARRAY_LENGTH(rows));
    tcase_add_test(table, only_one_row_is_success);
    tcase_add_test(table, every_failure_and_every_class_has_a_row);
    suite_add_tcase(suite, table);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
