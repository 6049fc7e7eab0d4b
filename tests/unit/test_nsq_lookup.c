/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "ingest/nsq_lookup.h"

static struct address producers[4];
static struct nsq_lookup_answer answer;

static int parse(unsigned status, const char *body)
{
    answer = (struct nsq_lookup_answer){
        .producers = producers,
        .capacity = ARRAY_LENGTH(producers),
        .count = 77,
        .skipped = 77,
    };
    return nsq_lookup_parse(status, bytes_of_text(body), &answer);
}

static void assert_producer(size_t i, const char *expected)
{
    char text[ADDRESS_TEXT_MOST];

    ck_assert_uint_lt(i, answer.count);
    address_format(&producers[i], text, sizeof(text));
    ck_assert_str_eq(text, expected);
}

START_TEST(request_is_what_nsqlookupd_wants)
{
    struct address server = { .host = "lookup-1", .port = 4161 };
    uint8_t memory[512];
    struct bytes_writer writer = bytes_writer_on(memory, sizeof(memory));

    nsq_lookup_encode(&writer, &(struct nsq_lookup_question){
                                   .server = &server,
                                   .topic = bytes_of_text("o.r-d_1#ephemeral"),
                                   .user_agent = "nsq_to_kinesis/0.1.0",
                               });

    ck_assert(
        bytes_equal_text(bytes_written(&writer),
                         "GET /lookup?topic=o.r-d_1%23ephemeral HTTP/1.1\r\n"
                         "Host: lookup-1:4161\r\n"
                         "User-Agent: nsq_to_kinesis/0.1.0\r\n"
                         "Accept: application/vnd.nsq; version=1.0\r\n"
                         "Connection: close\r\n\r\n"));
}
END_TEST

START_TEST(secret_becomes_a_header_and_cannot_become_two)
{
    struct address server = { .host = "::1", .port = 4161 };
    uint8_t memory[512];
    struct bytes_writer writer = bytes_writer_on(memory, sizeof(memory));

    nsq_lookup_encode(&writer, &(struct nsq_lookup_question){
                                   .server = &server,
                                   .topic = bytes_of_text("a b"),
                                   .user_agent = "x",
                                   .auth_secret = bytes_of_text("s\r\nX: y"),
                               });

    ck_assert(bytes_equal_text(bytes_written(&writer),
                               "GET /lookup?topic=a%20b HTTP/1.1\r\n"
                               "Host: [::1]:4161\r\n"
                               "User-Agent: x\r\n"
                               "Accept: application/vnd.nsq; version=1.0\r\n"
                               "Authorization: Bearer s??X: y\r\n"
                               "Connection: close\r\n\r\n"));
}
END_TEST

START_TEST(producers_are_read_from_the_answer_of_a_real_nsqlookupd)
{
    ck_assert_int_eq(
        parse(200,
              "{\"channels\":[\"c\"],\"producers\":[{\"remote_address\":"
              "\"127.0.0.1:5\",\"hostname\":\"h\",\"broadcast_address\":"
              "\"nsqd-1\",\"tcp_port\":4150,\"http_port\":4151,\"version\":"
              "\"1.3.0\"},{\"broadcast_address\":\"10.0.0.2\",\"tcp_port\":"
              "14150}]}"),
        0);
    ck_assert_uint_eq(answer.count, 2);
    ck_assert_uint_eq(answer.skipped, 0);
    assert_producer(0, "nsqd-1:4150");
    assert_producer(1, "10.0.0.2:14150");
}
END_TEST

START_TEST(producers_before_1_0_are_wrapped)
{
    ck_assert_int_eq(
        parse(200, "{\"status_code\":200,\"status_txt\":\"OK\",\"data\":{"
                   "\"channels\":[],\"producers\":[{\"broadcast_address\":"
                   "\"old\",\"tcp_port\":4150}]}}"),
        0);
    assert_producer(0, "old:4150");
}
END_TEST

START_TEST(ipv6_literals_come_with_and_without_brackets)
{
    ck_assert_int_eq(
        parse(200, "{\"producers\":[{\"broadcast_address\":\"fe80::1\","
                   "\"tcp_port\":4150},{\"broadcast_address\":\"[::1]\","
                   "\"tcp_port\":4150}]}"),
        0);
    assert_producer(0, "[fe80::1]:4150");
    assert_producer(1, "[::1]:4150");
}
END_TEST

START_TEST(topic_that_nobody_has_is_no_producers)
{
    ck_assert_int_eq(parse(404, "{\"message\":\"TOPIC_NOT_FOUND\"}"), 0);
    ck_assert_uint_eq(answer.count, 0);
    ck_assert_int_eq(parse(500, "{\"status_code\":500,\"status_txt\":"
                                "\"TOPIC_NOT_FOUND\",\"data\":null}"),
                     0);
    ck_assert_int_eq(parse(200, "{\"channels\":[],\"producers\":[]}"), 0);
    ck_assert_uint_eq(answer.count, 0);
}
END_TEST

START_TEST(refusals_are_told_from_answers)
{
    ck_assert_int_eq(parse(400, "{\"message\":\"MISSING_ARG_TOPIC\"}"),
                     NSQ_LOOKUP_REFUSED);
    ck_assert_int_eq(parse(404, "<html>not here</html>"), NSQ_LOOKUP_REFUSED);
    ck_assert_int_eq(parse(502, ""), NSQ_LOOKUP_REFUSED);
    ck_assert_int_eq(parse(403, "{\"producers\":[]}"), NSQ_LOOKUP_REFUSED);
    ck_assert_int_eq(parse(200, "{\"status_code\":500,\"status_txt\":"
                                "\"INTERNAL\",\"data\":null}"),
                     NSQ_LOOKUP_REFUSED);
}
END_TEST

START_TEST(garbage_is_broken_and_lists_nothing)
{
    static const char *const bodies[] = {
        "",
        "OK",
        "[]",
        "7",
        "{}",
        "null",
        "{\"producers\":null}",
        "{\"producers\":{}}",
        "{\"data\":null,\"producers\":[]}",
        "{\"producers\":[{\"broadcast_address\":\"a\",\"tcp_port\":1}",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(bodies); i++) {
        ck_assert_int_eq(parse(200, bodies[i]), NSQ_LOOKUP_BROKEN);
        ck_assert_uint_eq(answer.count, 0);
    }
}
END_TEST

START_TEST(answer_above_its_bound_is_broken)
{
    char *body = malloc(NSQ_LOOKUP_ANSWER_MOST + 1);

    ck_assert_ptr_nonnull(body);
    memset(body, ' ', NSQ_LOOKUP_ANSWER_MOST + 1);
    memcpy(body, "{\"producers\":[]}", 16);
    ck_assert_int_eq(
        nsq_lookup_parse(200, bytes_of(body, NSQ_LOOKUP_ANSWER_MOST), &answer),
        0);
    ck_assert_int_eq(
        nsq_lookup_parse(200, bytes_of(body, NSQ_LOOKUP_ANSWER_MOST + 1),
                         &answer),
        NSQ_LOOKUP_BROKEN);
    free(body);
}
END_TEST

START_TEST(producers_that_cannot_be_connected_to_are_skipped)
{
    ck_assert_int_eq(parse(200,
                           "{\"producers\":[7,{},{\"broadcast_address\":\"a\"},"
                           "{\"broadcast_address\":\"a\",\"tcp_port\":0},"
                           "{\"broadcast_address\":\"a\",\"tcp_port\":65536},"
                           "{\"broadcast_address\":\"a\",\"tcp_port\":\"1\"},"
                           "{\"broadcast_address\":\"\",\"tcp_port\":1},"
                           "{\"broadcast_address\":\"a b\",\"tcp_port\":1},"
                           "{\"broadcast_address\":\"good\",\"tcp_port\":1}]}"),
                     0);
    ck_assert_uint_eq(answer.count, 1);
    ck_assert_uint_eq(answer.skipped, 8);
    assert_producer(0, "good:1");
}
END_TEST

START_TEST(producers_beyond_the_memory_are_skipped)
{
#define ONE "{\"broadcast_address\":\"a\",\"tcp_port\":1}"
    ck_assert_int_eq(parse(200, "{\"producers\":[" ONE "," ONE "," ONE "," ONE
                                "," ONE "," ONE "]}"),
                     0);
#undef ONE
    ck_assert_uint_eq(answer.count, 4);
    ck_assert_uint_eq(answer.skipped, 2);
}
END_TEST

START_TEST(first_question_is_due_at_once_and_the_next_after_the_interval)
{
    struct monotonic now = { .ns = 1000 * NS_PER_SECOND };
    struct nsq_lookup_schedule schedule;
    struct random random;
    int64_t least = INT64_MAX;
    int64_t most = 0;

    random_seed(&random, 5);
    nsq_lookup_schedule_init(&schedule, 60 * NS_PER_SECOND, 18 * NS_PER_SECOND,
                             now);
    ck_assert(monotonic_reached(schedule.due, now));
    for (int i = 0; i < 1000; i++) {
        int64_t wait;

        nsq_lookup_schedule_on_asked(&schedule, &random, now);
        wait = monotonic_between(now, schedule.due);
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
    }
    ck_assert_int_ge(least, 60 * NS_PER_SECOND);
    ck_assert_int_lt(least, 61 * NS_PER_SECOND);
    ck_assert_int_le(most, 78 * NS_PER_SECOND);
    ck_assert_int_gt(most, 77 * NS_PER_SECOND);
}
END_TEST

START_TEST(lost_connection_hurries_but_not_more_than_once_a_second)
{
    struct monotonic now = { .ns = 1000 * NS_PER_SECOND };
    struct nsq_lookup_schedule schedule;
    struct random random;

    random_seed(&random, 6);
    nsq_lookup_schedule_init(&schedule, 60 * NS_PER_SECOND, 0, now);
    nsq_lookup_schedule_on_asked(&schedule, &random, now);
    nsq_lookup_schedule_hurry(&schedule,
                              monotonic_after(now, NS_PER_SECOND / 2));
    ck_assert_int_eq(monotonic_between(now, schedule.due), NS_PER_SECOND);
    nsq_lookup_schedule_on_asked(&schedule, &random, now);
    nsq_lookup_schedule_hurry(&schedule,
                              monotonic_after(now, 7 * NS_PER_SECOND));
    ck_assert_int_eq(monotonic_between(now, schedule.due), 7 * NS_PER_SECOND);
    nsq_lookup_schedule_hurry(&schedule,
                              monotonic_after(now, 9 * NS_PER_SECOND));
    ck_assert_int_eq(monotonic_between(now, schedule.due), 7 * NS_PER_SECOND);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("nsq_lookup");
    TCase *answers = tcase_create("questions and answers");
    TCase *times = tcase_create("times");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(answers, request_is_what_nsqlookupd_wants);
    tcase_add_test(answers, secret_becomes_a_header_and_cannot_become_two);
    tcase_add_test(answers,
                   producers_are_read_from_the_answer_of_a_real_nsqlookupd);
    tcase_add_test(answers, producers_before_1_0_are_wrapped);
    tcase_add_test(answers, ipv6_literals_come_with_and_without_brackets);
    tcase_add_test(answers, topic_that_nobody_has_is_no_producers);
    tcase_add_test(answers, refusals_are_told_from_answers);
    tcase_add_test(answers, garbage_is_broken_and_lists_nothing);
    tcase_add_test(answers, answer_above_its_bound_is_broken);
    tcase_add_test(answers, producers_that_cannot_be_connected_to_are_skipped);
    tcase_add_test(answers, producers_beyond_the_memory_are_skipped);
    tcase_add_test(
        times, first_question_is_due_at_once_and_the_next_after_the_interval);
    tcase_add_test(times,
                   lost_connection_hurries_but_not_more_than_once_a_second);
    suite_add_tcase(suite, answers);
    suite_add_tcase(suite, times);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
