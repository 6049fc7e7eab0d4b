/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/kinesis_simulator_connection.h"

static struct simulator simulator; /* too large for a stack */
static struct simulator_bench bench;
static struct simulator_connection *connection;
static int peer; /* our end */

static void start(void)
{
    int ends[2];

    simulator_init(&simulator, 1);
    simulator.verifier.region = "us-east-1";
    ck_assert_int_eq(simulator_bench_init(&bench, &simulator), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends),
                     0);
    peer = ends[0];
    connection = simulator_connection_new(&bench, ends[1], NULL);
    ck_assert_ptr_nonnull(connection);
}

static void stop(void)
{
    simulator_bench_deinit(&bench);
    simulator_deinit(&simulator);
    close(peer);
}

static void say(const char *text, size_t length)
{
    ck_assert_int_eq(send(peer, text, length, MSG_NOSIGNAL), length);
}

static int turn(void)
{
    return simulator_connection_turn(connection, &bench);
}

/* Everything that has come back; "" if nothing has. */
static const char *hear(void)
{
    static char text[65536];
    ssize_t length = recv(peer, text, sizeof(text) - 1, 0);

    ck_assert(length >= 0 || errno == EAGAIN);
    text[length < 0 ? 0 : length] = '\0';
    return text;
}

static int count_of(const char *text, const char *part)
{
    int count = 0;

    for (text = strstr(text, part); text; text = strstr(text + 1, part))
        count++;
    return count;
}

#define BODY "{}"
#define REQUEST                                                                \
    "POST / HTTP/1.1\r\nContent-Type: application/x-amz-json-1.1\r\n"          \
    "X-Amz-Target: Kinesis_20131202.ListStreams\r\nContent-Length: 2\r\n"      \
    "\r\n" BODY

static const size_t request_length = sizeof(REQUEST) - 1;

START_TEST(request_may_be_split_at_any_byte)
{
    for (size_t i = 1; i < request_length; i++) {
        say(REQUEST, i);
        ck_assert_int_eq(turn(), 0);
        ck_assert_str_eq(hear(), "");
        say(&REQUEST[i], request_length - i);
        ck_assert_int_eq(turn(), 0);
        ck_assert_ptr_nonnull(strstr(hear(), "HTTP/1.1 200 OK\r\n"));
    }
    ck_assert_uint_eq(simulator.statistics.requests, request_length - 1);
}
END_TEST

START_TEST(requests_sent_together_are_answered_in_order)
{
    say(REQUEST REQUEST REQUEST, 3 * request_length);

    ck_assert_int_eq(turn(), 0);

    ck_assert_int_eq(count_of(hear(), "HTTP/1.1 200 OK\r\n"), 3);
}
END_TEST

START_TEST(expected_continue_is_said_before_the_body)
{
    static const char head[] = "POST /script HTTP/1.1\r\nContent-Length: 2\r\n"
                               "Expect: 100-continue\r\n\r\n";

    say(head, sizeof(head) - 1);
    ck_assert_int_eq(turn(), 0);
    ck_assert_str_eq(hear(), "HTTP/1.1 100 Continue\r\n\r\n");
    say("\n\n", 2);
    ck_assert_int_eq(turn(), 0);
    ck_assert_ptr_nonnull(strstr(hear(), "HTTP/1.1 200 OK\r\n"));
}
END_TEST

START_TEST(close_is_done_after_the_reply)
{
    static const char head[] =
        "GET /statistics HTTP/1.1\r\nConnection: close\r\n\r\n";

    say(head, sizeof(head) - 1);

    ck_assert_int_eq(turn(), SIMULATOR_CONNECTION_OVER);
    ck_assert_ptr_nonnull(strstr(hear(), "Connection: close\r\n"));
}
END_TEST

START_TEST(what_is_no_request_is_told_so_and_closed)
{
    static const struct {
        const char *text;
        const char *status;
    } rows[] = {
        { "nonsense\r\n\r\n", "HTTP/1.1 400" },
        { "GET / HTTP/2.0\r\n\r\n", "HTTP/1.1 400" },
        { "GET / HTTP/1.1\r\nbad name: x\r\n\r\n", "HTTP/1.1 400" },
        { "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 400" },
        { "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
          "HTTP/1.1 411" },
        { "POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
          "HTTP/1.1 413" },
    };

    say(rows[_i].text, strlen(rows[_i].text));

    ck_assert_int_eq(turn(), SIMULATOR_CONNECTION_OVER);
    ck_assert_int_eq(strncmp(hear(), rows[_i].status, 12), 0);
}
END_TEST

START_TEST(head_without_end_is_refused_when_it_is_too_long)
{
    static char text[SIMULATOR_HTTP_HEAD];

    memset(text, 'a', sizeof(text));
    say(text, sizeof(text));

    ck_assert_int_eq(turn(), SIMULATOR_CONNECTION_OVER);
    ck_assert_int_eq(strncmp(hear(), "HTTP/1.1 400", 12), 0);
}
END_TEST

START_TEST(delayed_reply_waits_for_its_deadline)
{
    simulator.settings.delay_ns = NS_PER_SECOND;
    say(REQUEST, request_length);

    ck_assert_int_eq(turn(), 0);
    ck_assert_int_eq(connection->state, SIMULATOR_WAITING);
    ck_assert_int_eq(
        monotonic_between(connection->exchange.now, connection->deadline),
        NS_PER_SECOND);
    ck_assert_str_eq(hear(), "");

    ck_assert_int_eq(simulator_connection_on_deadline(connection, &bench), 0);
    ck_assert_ptr_nonnull(strstr(hear(), "HTTP/1.1 200 OK\r\n"));
}
END_TEST

START_TEST(peer_that_leaves_early_makes_a_dropped_reply)
{
    simulator.settings.delay_ns = NS_PER_SECOND;
    say(REQUEST, request_length);
    ck_assert_int_eq(turn(), 0);

    simulator_connection_free(connection, &bench);

    ck_assert_uint_eq(simulator.statistics.replies_dropped, 1);
}
END_TEST

static void add_rule(const char *rule)
{
    ck_assert_int_eq(
        simulator_script_add(&simulator.script, bytes_of_text(rule)), 0);
}

START_TEST(dripping_reply_comes_byte_by_byte)
{
    size_t length = 0;

    add_rule("{\"action\":\"drip\",\"time_ms\":7}");
    say(REQUEST, request_length);
    ck_assert_int_eq(turn(), 0);

    while (connection->state == SIMULATOR_WAITING) {
        ck_assert_uint_eq(strlen(hear()), 1);
        length++;
        ck_assert_int_eq(simulator_connection_on_deadline(connection, &bench),
                         0);
    }
    ck_assert_uint_eq(strlen(hear()), 1);
    ck_assert_uint_gt(length, 100);
    ck_assert_uint_eq(simulator.statistics.replies_dropped, 0);
}
END_TEST

START_TEST(held_reply_never_leaves)
{
    add_rule("{\"action\":\"hold_after_commit\"}");
    say(REQUEST, request_length);

    ck_assert_int_eq(turn(), 0);
    ck_assert_int_eq(connection->state, SIMULATOR_WAITING);
    ck_assert_int_gt(
        monotonic_between(connection->exchange.now, connection->deadline),
        86400 * NS_PER_SECOND);
    ck_assert_str_eq(hear(), "");
}
END_TEST

/* Endings that the client does not expect, and what it hears before. */
static const struct {
    const char *rule;
    size_t length; /* of the reply; 0: the whole of it */
    const char *part;
} surprise_rows[] = {
    { "{\"action\":\"cut_head\"}", 8, "HTTP/1.1" },
    { "{\"action\":\"close_after_reply\"}", 0, "Content-Length: 41\r\n" },
    { "{\"action\":\"longer_length\"}", 0, "Content-Length: 57\r\n" },
    { "{\"action\":\"shorter_length\"}", 0, "Content-Length: 25\r\n" },
};

START_TEST(connection_ends_by_surprise)
{
    const char *heard;

    add_rule(surprise_rows[_i].rule);
    say(REQUEST, request_length);

    ck_assert_int_eq(turn(), SIMULATOR_CONNECTION_OVER);
    heard = hear();
    ck_assert_msg(strstr(heard, surprise_rows[_i].part), "%s", heard);
    ck_assert(!strstr(heard, "Connection: close"));
    if (surprise_rows[_i].length > 0)
        ck_assert_uint_eq(strlen(heard), surprise_rows[_i].length);
    else
        ck_assert_ptr_nonnull(strstr(heard, "\"HasMoreStreams\":false}"));
}
END_TEST

START_TEST(cut_reply_ends_within_its_body)
{
    add_rule("{\"action\":\"cut_reply\"}");
    say(REQUEST, request_length);

    ck_assert_int_eq(turn(), SIMULATOR_CONNECTION_OVER);
    ck_assert_int_eq(strncmp(hear(), "HTTP/1.1 200", 12), 0);
    ck_assert_uint_lt(connection->send_end, connection->reply.length);
}
END_TEST

START_TEST(end_of_the_peer_ends_the_connection)
{
    say(REQUEST, 10);
    ck_assert_int_eq(shutdown(peer, SHUT_WR), 0);

    ck_assert_int_eq(turn(), SIMULATOR_CONNECTION_OVER);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kinesis_simulator_connection");
    TCase *requests = tcase_create("requests");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(requests, start, stop);
    tcase_add_test(requests, request_may_be_split_at_any_byte);
    tcase_add_test(requests, requests_sent_together_are_answered_in_order);
    tcase_add_test(requests, expected_continue_is_said_before_the_body);
    tcase_add_test(requests, close_is_done_after_the_reply);
    tcase_add_loop_test(requests, what_is_no_request_is_told_so_and_closed, 0,
                        6);
    tcase_add_test(requests, head_without_end_is_refused_when_it_is_too_long);
    tcase_add_test(requests, delayed_reply_waits_for_its_deadline);
    tcase_add_test(requests, peer_that_leaves_early_makes_a_dropped_reply);
    tcase_add_test(requests, cut_reply_ends_within_its_body);
    tcase_add_test(requests, dripping_reply_comes_byte_by_byte);
    tcase_add_test(requests, held_reply_never_leaves);
    tcase_add_loop_test(requests, connection_ends_by_surprise, 0,
                        ARRAY_LENGTH(surprise_rows));
    tcase_add_test(requests, end_of_the_peer_ends_the_connection);
    suite_add_tcase(suite, requests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
