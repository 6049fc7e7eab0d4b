/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <stdlib.h>

#include "ingest/http_reply.h"

#define BODY_MOST 64

struct outcome {
    int result;
    unsigned status;
    char body[BODY_MOST + 1];
};

/* Read `text` in two parts, and let the peer close behind it. */
static struct outcome read_cut(struct bytes text, size_t cut)
{
    struct outcome outcome = { 0 };
    struct http_reply reply;
    uint8_t *first = malloc(cut + !cut);
    struct bytes body;

    ck_assert_ptr_nonnull(first);
    memcpy(first, text.data, cut);
    http_reply_init(&reply, BODY_MOST);
    http_reply_feed(&reply, bytes_of(first, cut));
    free(first);
    outcome.result = http_reply_feed(&reply, bytes_skip(text, cut));
    if (outcome.result == HTTP_REPLY_MORE)
        outcome.result = http_reply_on_closed(&reply);
    outcome.status = reply.status;
    body = byte_store_view(&reply.body);
    if (body.length)
        memcpy(outcome.body, body.data, body.length);
    http_reply_deinit(&reply);
    return outcome;
}

static void assert_reply(const char *text, unsigned status, const char *body)
{
    struct bytes bytes = bytes_of_text(text);

    for (size_t cut = 0; cut <= bytes.length; cut++) {
        struct outcome outcome = read_cut(bytes, cut);

        ck_assert_msg(outcome.result == 0, "cut %zu of %s gives %d", cut, text,
                      outcome.result);
        ck_assert_uint_eq(outcome.status, status);
        ck_assert_str_eq(outcome.body, body);
    }
}

static void assert_condition(const char *text, int condition)
{
    struct bytes bytes = bytes_of_text(text);

    for (size_t cut = 0; cut <= bytes.length; cut++) {
        struct outcome outcome = read_cut(bytes, cut);

        ck_assert_msg(outcome.result == condition, "cut %zu of %s gives %d",
                      cut, text, outcome.result);
    }
}

START_TEST(body_has_the_length_that_is_told)
{
    assert_reply("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                 "Content-Length: 5\r\n\r\nhello",
                 200, "hello");
    assert_reply("HTTP/1.1 404 Not Found\r\ncontent-LENGTH:3 \r\n\r\nabcdef",
                 404, "abc");
    assert_reply("HTTP/1.0 200\r\nContent-Length: 0\r\n\r\n", 200, "");
    assert_reply("HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 200, "ok");
}
END_TEST

START_TEST(chunks_are_joined)
{
    assert_reply("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "5\r\nhello\r\n1;name=value\r\n \r\nA \r\nworld12345\r\n"
                 "0\r\nTrailer: x\r\n\r\n",
                 200, "hello world12345");
    assert_reply("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n"
                 "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
                 200, "");
}
END_TEST

START_TEST(body_without_length_ends_when_the_peer_closes)
{
    assert_reply("HTTP/1.0 200 OK\r\n\r\nall of it", 200, "all of it");
    assert_reply("HTTP/1.0 200 OK\r\n\r\n", 200, "");
}
END_TEST

START_TEST(interim_replies_are_passed_over)
{
    assert_reply("HTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\n\r\n"
                 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                 200, "ok");
}
END_TEST

START_TEST(status_that_has_no_body_has_none)
{
    assert_reply("HTTP/1.1 204 No Content\r\n\r\nrubbish", 204, "");
}
END_TEST

START_TEST(reply_that_is_cut_off_is_broken)
{
    const char *text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "5\r\nhello\r\n0\r\n\r\n";

    for (size_t length = 0; length < strlen(text); length++)
        ck_assert_int_eq(read_cut(bytes_of(text, length), length).result,
                         HTTP_REPLY_BROKEN);
    assert_condition("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
                     HTTP_REPLY_BROKEN);
}
END_TEST

START_TEST(what_is_not_http_is_broken)
{
    assert_condition("", HTTP_REPLY_BROKEN);
    assert_condition("\r\n\r\n", HTTP_REPLY_BROKEN);
    assert_condition("hello\r\n", HTTP_REPLY_BROKEN);
    assert_condition("HTTP/2 200\r\n\r\n", HTTP_REPLY_BROKEN);
    assert_condition("HTTP/1.1 20 OK\r\n\r\n", HTTP_REPLY_BROKEN);
    assert_condition("HTTP/1.1 2000 OK\r\n\r\n", HTTP_REPLY_BROKEN);
    assert_condition("HTTP/1.1 099 OK\r\n\r\n", HTTP_REPLY_BROKEN);
    assert_condition("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", HTTP_REPLY_BROKEN);
    assert_condition("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
                     HTTP_REPLY_BROKEN);
    assert_condition("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
                     "Content-Length: 2\r\n\r\nab",
                     HTTP_REPLY_BROKEN);
    assert_condition("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
                     HTTP_REPLY_BROKEN);
    assert_condition("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "x\r\n",
                     HTTP_REPLY_BROKEN);
    assert_condition("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "1\r\nab\r\n",
                     HTTP_REPLY_BROKEN);
    assert_condition("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                     ":\r\n",
                     HTTP_REPLY_BROKEN);
}
END_TEST

START_TEST(body_above_its_bound_is_refused)
{
    char text[200] = "HTTP/1.1 200 OK\r\n\r\n";

    memset(text + strlen(text), 'x', BODY_MOST);
    ck_assert_int_eq(read_cut(bytes_of_text(text), 0).result, 0);
    text[strlen(text)] = 'x';
    assert_condition(text, HTTP_REPLY_TOO_LARGE);
    assert_condition("HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n",
                     HTTP_REPLY_TOO_LARGE);
    assert_condition("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "ffffffffffffffffffffffffffff\r\n",
                     HTTP_REPLY_TOO_LARGE);
    assert_condition("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "28\r\n0123456789012345678901234567890123456789\r\n"
                     "28\r\n0123456789012345678901234567890123456789\r\n",
                     HTTP_REPLY_TOO_LARGE);
}
END_TEST

START_TEST(head_above_its_bound_is_refused_and_long_lines_are_cut)
{
    static char line[70000];
    struct http_reply reply;

    memset(line, 'x', sizeof(line));
    http_reply_init(&reply, BODY_MOST);
    http_reply_feed(&reply, bytes_of_text("HTTP/1.1 200 OK\r\nA: "));
    ck_assert_int_eq(http_reply_feed(&reply, bytes_of(line, 60000)),
                     HTTP_REPLY_MORE);
    ck_assert_int_eq(
        http_reply_feed(&reply, bytes_of_text("\r\nContent-Length: 0\r\n\r\n")),
        0);
    http_reply_deinit(&reply);

    http_reply_init(&reply, BODY_MOST);
    http_reply_feed(&reply, bytes_of_text("HTTP/1.1 200 OK\r\nA: "));
    ck_assert_int_eq(http_reply_feed(&reply, bytes_of(line, sizeof(line))),
                     HTTP_REPLY_TOO_LARGE);
    ck_assert_int_eq(http_reply_feed(&reply, bytes_of_text("x")),
                     HTTP_REPLY_TOO_LARGE);
    ck_assert_int_eq(http_reply_on_closed(&reply), HTTP_REPLY_TOO_LARGE);
    http_reply_deinit(&reply);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http_reply");
    TCase *replies = tcase_create("replies");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(replies, body_has_the_length_that_is_told);
    tcase_add_test(replies, chunks_are_joined);
    tcase_add_test(replies, body_without_length_ends_when_the_peer_closes);
    tcase_add_test(replies, interim_replies_are_passed_over);
    tcase_add_test(replies, status_that_has_no_body_has_none);
    tcase_add_test(replies, reply_that_is_cut_off_is_broken);
    tcase_add_test(replies, what_is_not_http_is_broken);
    tcase_add_test(replies, body_above_its_bound_is_refused);
    tcase_add_test(replies,
                   head_above_its_bound_is_refused_and_long_lines_are_cut);
    suite_add_tcase(suite, replies);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
