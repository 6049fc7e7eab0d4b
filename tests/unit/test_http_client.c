/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The server below is a thread per connection that speaks just enough HTTP and
 * misbehaves by path: what a service, a proxy or a network does to a request.
 */

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "egress/http_client.h"

struct server {
    int listener;
    uint16_t port;
    _Atomic int connections;
    _Atomic int requests;    /* read to their last byte */
    char last_request[4096]; /* head of the last one; read after its reply */
};

static struct server server;
static struct http_client *client;

static bool send_all(int socket, const void *data, size_t length)
{
    const char *from = data;

    while (length > 0) {
        ssize_t sent = send(socket, from, length, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        from += sent;
        length -= (size_t)sent;
    }
    return true;
}

static bool send_text(int socket, const char *text)
{
    return send_all(socket, text, strlen(text));
}

static bool send_ok(int socket)
{
    return send_text(socket, "HTTP/1.1 200 OK\r\n"
                             "Content-Type: application/x-amz-json-1.1\r\n"
                             "x-amzn-RequestId: 7-11\r\n"
                             "Date: Thu, 01 Jan 2026 00:00:01 GMT\r\n"
                             "Content-Length: 5\r\n\r\nhello");
}

static void send_endless(int socket)
{
    static char block[65536];

    (void)send_text(socket, "HTTP/1.1 200 OK\r\n\r\n");
    while (send_all(socket, block, sizeof(block)))
        continue;
}

static void wait_for_end(int socket)
{
    char byte;

    while (recv(socket, &byte, 1, 0) > 0)
        continue;
}

/* The body's length as the head says; 0 without one. */
static size_t body_length(const char *head)
{
    const char *line = strcasestr(head, "\r\ncontent-length:");

    return line ? strtoul(line + 17, NULL, 10) : 0;
}

static bool read_head(int socket, char *head, size_t most)
{
    size_t length = 0;

    while (length + 1 < most && recv(socket, head + length, 1, 0) == 1) {
        head[++length] = '\0';
        if (length >= 4 && memcmp(head + length - 4, "\r\n\r\n", 4) == 0)
            return true;
    }
    return false;
}

static bool read_body(int socket, size_t length)
{
    static _Thread_local char block[65536];

    while (length > 0) {
        size_t wanted = length < sizeof(block) ? length : sizeof(block);
        ssize_t got = recv(socket, block, wanted, 0);

        if (got <= 0)
            return false;
        length -= (size_t)got;
    }
    return true;
}

static bool is_asked(const char *head, const char *path)
{
    const char *place = strchr(head, ' ');

    return place && strncmp(place + 1, path, strlen(path)) == 0;
}

/* False ends the connection. */
static bool answer(int socket, const char *head, int nth)
{
    if (is_asked(head, "/partial"))
        return send_text(socket, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n"
                                 "\r\nhalf") &&
               false;
    if (is_asked(head, "/silent-close") ||
        (is_asked(head, "/second-closes") && nth == 2))
        return false;
    if (is_asked(head, "/nonsense"))
        return send_text(socket, "220 mail.example ESMTP\r\n") && false;
    if (is_asked(head, "/slow")) {
        wait_for_end(socket);
        return false;
    }
    if (is_asked(head, "/huge")) {
        send_endless(socket);
        return false;
    }
    if (is_asked(head, "/refused"))
        return send_text(socket, "HTTP/1.1 400 Bad Request\r\n"
                                 "Content-Length: 2\r\n\r\n{}");
    return send_ok(socket);
}

static void *serve_connection(void *argument)
{
    int socket = (int)(intptr_t)argument;
    char head[sizeof(server.last_request)];

    for (int nth = 1; read_head(socket, head, sizeof(head)); nth++) {
        if (is_asked(head, "/close-early"))
            break;
        if (is_asked(head, "/second-cut") && nth == 2)
            break;
        if (!read_body(socket, body_length(head)))
            break;
        memcpy(server.last_request, head, sizeof(head));
        server.requests++;
        if (!answer(socket, head, nth))
            break;
    }
    close(socket);
    return NULL;
}

static void *serve(void *argument)
{
    (void)argument;
    for (;;) {
        int socket = accept(server.listener, NULL, NULL);
        pthread_t thread;

        if (socket < 0)
            return NULL;
        server.connections++;
        if (pthread_create(&thread, NULL, serve_connection,
                           (void *)(intptr_t)socket) == 0)
            (void)pthread_detach(thread);
    }
}

static int listen_on_loopback(uint16_t *port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_ge(listener, 0);
    ck_assert_int_eq(bind(listener, (void *)&address, length), 0);
    ck_assert_int_eq(listen(listener, 64), 0);
    ck_assert_int_eq(getsockname(listener, (void *)&address, &length), 0);
    *port = ntohs(address.sin_port);
    return listener;
}

static void make_client(int64_t timeout_ns, bool plain_http_allowed)
{
    struct http_client_settings settings = {
        .slot_count = 4,
        .connect_timeout_ns = 5 * NS_PER_SECOND,
        .request_timeout_ns = timeout_ns,
        .plain_http_allowed = plain_http_allowed,
        .proxy_ignored = true,
    };

    ck_assert_int_eq(http_client_new(&settings, &client), 0);
}

static void start_server_and_client(void)
{
    pthread_t thread;

    server.listener = listen_on_loopback(&server.port);
    ck_assert_int_eq(pthread_create(&thread, NULL, serve, NULL), 0);
    make_client(10 * NS_PER_SECOND, true);
}

static void stop_client(void)
{
    http_client_free(client);
}

static void start(unsigned slot, const char *path, struct bytes body)
{
    static const char *const headers[] = { "Content-Type: text/plain",
                                           "X-Test: one" };
    char url[128];
    struct http_request request = {
        .url = url, .headers = headers, .header_count = 2, .body = body
    };

    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", server.port,
                   path);
    ck_assert_int_eq(http_client_start(client, slot, &request), 0);
}

static struct http_reply await_reply(void)
{
    struct http_reply reply;

    for (;;) {
        ck_assert_int_ge(http_client_turn(client), 0);
        if (http_client_next(client, &reply))
            return reply;
        ck_assert_int_ge(http_client_wait(client, NULL, 0, 1000), 0);
    }
}

static struct http_reply ask_with(const char *path, struct bytes body)
{
    start(0, path, body);
    return await_reply();
}

static struct http_reply ask(const char *path)
{
    return ask_with(path, bytes_of_text("body of the request"));
}

/* More than the two socket ends and libcurl hold between them. */
static struct bytes long_body(void)
{
    static uint8_t body[12 * 1024 * 1024];

    memset(body, 'x', sizeof(body));
    return bytes_of(body, sizeof(body));
}

START_TEST(reply_has_status_body_type_and_date)
{
    struct http_reply reply = ask("/");

    ck_assert_int_eq(reply.failure, HTTP_NO_FAILURE);
    ck_assert(!reply.definite);
    ck_assert_int_eq(reply.status, 200);
    ck_assert(bytes_equal_text(reply.body, "hello"));
    ck_assert_str_eq(reply.content_type, "application/x-amz-json-1.1");
    ck_assert_str_eq(reply.request_id, "7-11");
    ck_assert_int_eq(reply.date.ns, 1767225601 * NS_PER_SECOND);
    ck_assert_int_gt(reply.total_ns, 0);
    ck_assert_uint_eq(reply.attempts, 1);
    ck_assert_uint_eq(reply.connections_made, 1);
}
END_TEST

START_TEST(error_status_is_a_reply_and_no_failure)
{
    struct http_reply reply = ask("/refused");

    ck_assert_int_eq(reply.failure, HTTP_NO_FAILURE);
    ck_assert_int_eq(reply.status, 400);
    ck_assert(bytes_equal_text(reply.body, "{}"));
    ck_assert_int_eq(reply.date.ns, 0);
    ck_assert_str_eq(reply.content_type, "");
}
END_TEST

START_TEST(headers_of_the_caller_go_out_and_expect_does_not)
{
    struct http_reply reply = ask_with("/", long_body());

    ck_assert_int_eq(reply.status, 200);
    ck_assert_ptr_nonnull(strstr(server.last_request, "\r\nX-Test: one\r\n"));
    ck_assert_ptr_nonnull(
        strstr(server.last_request, "\r\nContent-Type: text/plain\r\n"));
    ck_assert_ptr_nonnull(
        strstr(server.last_request, "\r\nContent-Length: 12582912\r\n"));
    ck_assert_ptr_null(strcasestr(server.last_request, "\r\nexpect:"));
    ck_assert_ptr_null(strcasestr(server.last_request, "\r\naccept:"));
}
END_TEST

START_TEST(get_has_no_body)
{
    char url[64];
    struct http_request request = { .method = HTTP_GET, .url = url };

    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", server.port);
    ck_assert_int_eq(http_client_start(client, 2, &request), 0);
    ck_assert_int_eq(await_reply().status, 200);

    ck_assert(strncmp(server.last_request, "GET / HTTP/1.1\r\n", 16) == 0);
    ck_assert_ptr_null(strcasestr(server.last_request, "\r\ncontent-length:"));
}
END_TEST

START_TEST(connection_is_kept_for_the_next_request)
{
    for (int i = 0; i < 20; i++)
        ck_assert_uint_eq(ask("/").connections_made, i == 0 ? 1 : 0);

    ck_assert_int_eq(server.connections, 1);
    ck_assert_int_eq(server.requests, 20);
}
END_TEST

START_TEST(slots_are_on_their_way_together)
{
    unsigned seen = 0;

    for (unsigned slot = 0; slot < 4; slot++)
        start(slot, "/", bytes_of_text("x"));
    for (int i = 0; i < 4; i++) {
        struct http_reply reply = await_reply();

        ck_assert_int_eq(reply.status, 200);
        ck_assert(http_client_is_idle(client, reply.slot));
        seen |= 1U << reply.slot;
    }

    ck_assert_uint_eq(seen, 15);
    ck_assert_int_eq(server.connections, 4);
}
END_TEST

START_TEST(refused_connection_is_definite)
{
    struct http_reply reply;

    close(listen_on_loopback(&server.port)); /* a port nobody listens on */
    reply = ask("/");

    ck_assert_int_eq(reply.failure, HTTP_UNREACHABLE);
    ck_assert(reply.definite);
    ck_assert_uint_eq(reply.attempts, 0);
    ck_assert_uint_gt(strlen(reply.explanation), 0);
}
END_TEST

START_TEST(unknown_host_is_definite)
{
    struct http_request request = { .url = "http://nowhere.invalid:80/",
                                    .body = bytes_of_text("x") };
    struct http_reply reply;

    ck_assert_int_eq(http_client_start(client, 0, &request), 0);
    reply = await_reply();

    ck_assert_int_eq(reply.failure, HTTP_UNRESOLVED);
    ck_assert(reply.definite);
}
END_TEST

START_TEST(peer_without_tls_is_definite)
{
    char url[64];
    struct http_request request = { .url = url, .body = bytes_of_text("x") };
    struct http_reply reply;

    /* A listener with nobody behind it: its greeting never comes. */
    http_client_free(client);
    make_client(200 * NS_PER_MS, false);
    close(server.listener);
    server.listener = listen_on_loopback(&server.port);
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/", server.port);
    ck_assert_int_eq(http_client_start(client, 0, &request), 0);
    reply = await_reply();

    ck_assert_int_eq(reply.failure, HTTP_TIMED_OUT);
    ck_assert(reply.definite);
}
END_TEST

START_TEST(body_cut_while_it_goes_out_is_definite)
{
    struct http_reply reply = ask_with("/close-early", long_body());

    ck_assert_int_ne(reply.failure, HTTP_NO_FAILURE);
    ck_assert(reply.definite);
    ck_assert_int_eq(server.requests, 0);
}
END_TEST

START_TEST(close_after_the_whole_request_is_ambiguous)
{
    struct http_reply reply = ask("/silent-close");

    ck_assert_int_eq(reply.failure, HTTP_CUT);
    ck_assert(!reply.definite);
    ck_assert_int_eq(server.requests, 1);
}
END_TEST

START_TEST(cut_reply_is_ambiguous)
{
    struct http_reply reply = ask("/partial");

    ck_assert_int_eq(reply.failure, HTTP_CUT);
    ck_assert(!reply.definite);
}
END_TEST

START_TEST(whole_request_on_a_kept_connection_is_never_sent_again)
{
    ck_assert_int_eq(ask("/second-closes").status, 200);

    struct http_reply reply = ask("/second-closes");

    ck_assert_int_eq(reply.failure, HTTP_CUT);
    ck_assert(!reply.definite);
    ck_assert_int_eq(server.requests, 2);
    ck_assert_uint_eq(reply.attempts, 2); /* the second one was refused */
}
END_TEST

START_TEST(request_cut_on_a_kept_connection_arrives_once)
{
    ck_assert_int_eq(ask("/second-cut").status, 200);

    struct http_reply reply = ask_with("/second-cut", long_body());

    if (reply.failure)
        ck_assert(reply.definite);
    else
        ck_assert_int_eq(reply.status, 200);
    ck_assert_int_eq(server.requests, reply.failure ? 1 : 2);
}
END_TEST

START_TEST(slow_reply_times_out_and_is_ambiguous)
{
    struct http_reply reply;

    http_client_free(client);
    make_client(200 * NS_PER_MS, true);
    reply = ask("/slow");

    ck_assert_int_eq(reply.failure, HTTP_TIMED_OUT);
    ck_assert(!reply.definite);
    ck_assert_int_ge(reply.total_ns, 190 * NS_PER_MS);
    ck_assert_int_eq(server.requests, 1);
}
END_TEST

START_TEST(endless_reply_ends_at_the_limit)
{
    struct http_reply reply = ask("/huge");

    ck_assert_int_eq(reply.failure, HTTP_REPLY_TOO_LONG);
    ck_assert(!reply.definite);
    ck_assert_uint_le(reply.body.length, HTTP_REPLY_MOST);
}
END_TEST

START_TEST(reply_that_is_not_http_is_ambiguous)
{
    struct http_reply reply = ask("/nonsense");

    ck_assert_int_eq(reply.failure, HTTP_NOT_HTTP);
    ck_assert(!reply.definite);
}
END_TEST

START_TEST(plain_http_is_refused_unless_allowed)
{
    struct http_reply reply;

    http_client_free(client);
    make_client(NS_PER_SECOND, false);
    reply = ask("/");

    ck_assert_int_ne(reply.failure, HTTP_NO_FAILURE);
    ck_assert(reply.definite);
    ck_assert_int_eq(server.connections, 0);
}
END_TEST

START_TEST(cancelled_request_has_no_reply_and_its_slot_is_free)
{
    start(1, "/slow", bytes_of_text("x"));
    while (server.requests == 0) {
        ck_assert_int_eq(http_client_turn(client), 0);
        ck_assert_int_ge(http_client_wait(client, NULL, 0, 10), 0);
    }

    http_client_cancel(client, 1);

    ck_assert(http_client_is_idle(client, 1));
    start(1, "/", bytes_of_text("x"));
    ck_assert_int_eq(await_reply().status, 200);
}
END_TEST

START_TEST(cancelled_reply_is_not_delivered)
{
    struct http_reply reply;

    start(1, "/", bytes_of_text("x"));
    start(3, "/", bytes_of_text("x"));
    while (http_client_turn(client) < 2)
        ck_assert_int_ge(http_client_wait(client, NULL, 0, 1000), 0);

    http_client_cancel(client, 1);

    ck_assert(http_client_next(client, &reply));
    ck_assert_uint_eq(reply.slot, 3);
    ck_assert(!http_client_next(client, &reply));
}
END_TEST

START_TEST(wait_ends_when_a_descriptor_of_the_caller_is_readable)
{
    int kick = eventfd(1, EFD_CLOEXEC);
    int silent = eventfd(0, EFD_CLOEXEC);
    struct http_watch watches[] = { { .descriptor = silent },
                                    { .descriptor = kick } };
    struct monotonic before = clock_monotonic();

    ck_assert_int_eq(http_client_wait(client, watches, 2, 10000), 1);
    ck_assert(!watches[0].is_readable);
    ck_assert(watches[1].is_readable);

    ck_assert_int_lt(monotonic_between(before, clock_monotonic()),
                     5 * NS_PER_SECOND);
    close(kick);
    close(silent);
}
END_TEST

START_TEST(headers_that_do_not_fit_are_refused)
{
    static char line[HTTP_HEADERS_MOST + 1];
    const char *headers[] = { line };
    struct http_request request = { .url = "http://127.0.0.1/",
                                    .headers = headers,
                                    .header_count = 1 };

    memset(line, 'a', sizeof(line) - 1);
    line[1] = ':';

    ck_assert_int_eq(http_client_start(client, 0, &request), -E2BIG);
    ck_assert(http_client_is_idle(client, 0));
}
END_TEST

START_TEST(unreadable_ca_file_is_told)
{
    struct http_client_settings settings = {
        .slot_count = 1,
        .ca_file = "/nonexistent/ca.pem",
        .connect_timeout_ns = NS_PER_SECOND,
        .request_timeout_ns = NS_PER_SECOND,
        .proxy_ignored = true,
    };
    char url[64];
    struct http_request request = { .url = url, .body = bytes_of_text("x") };
    struct http_reply reply;

    http_client_free(client);
    ck_assert_int_eq(http_client_new(&settings, &client), 0);
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/", server.port);
    ck_assert_int_eq(http_client_start(client, 0, &request), 0);
    reply = await_reply();

    ck_assert_int_eq(reply.failure, HTTP_CA_UNREADABLE);
    ck_assert(reply.definite);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http_client");
    TCase *replies = tcase_create("replies");
    TCase *failures = tcase_create("failures");
    TCase *slots = tcase_create("slots");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(replies, start_server_and_client, stop_client);
    tcase_add_test(replies, reply_has_status_body_type_and_date);
    tcase_add_test(replies, error_status_is_a_reply_and_no_failure);
    tcase_add_test(replies, headers_of_the_caller_go_out_and_expect_does_not);
    tcase_add_test(replies, get_has_no_body);
    suite_add_tcase(suite, replies);

    tcase_add_checked_fixture(failures, start_server_and_client, stop_client);
    tcase_add_test(failures, refused_connection_is_definite);
    tcase_add_test(failures, unknown_host_is_definite);
    tcase_add_test(failures, peer_without_tls_is_definite);
    tcase_add_test(failures, unreadable_ca_file_is_told);
    tcase_add_test(failures, plain_http_is_refused_unless_allowed);
    tcase_add_test(failures, body_cut_while_it_goes_out_is_definite);
    tcase_add_test(failures, close_after_the_whole_request_is_ambiguous);
    tcase_add_test(failures, cut_reply_is_ambiguous);
    tcase_add_test(failures,
                   whole_request_on_a_kept_connection_is_never_sent_again);
    tcase_add_test(failures, request_cut_on_a_kept_connection_arrives_once);
    tcase_add_test(failures, slow_reply_times_out_and_is_ambiguous);
    tcase_add_test(failures, endless_reply_ends_at_the_limit);
    tcase_add_test(failures, reply_that_is_not_http_is_ambiguous);
    suite_add_tcase(suite, failures);

    tcase_add_checked_fixture(slots, start_server_and_client, stop_client);
    tcase_add_test(slots, connection_is_kept_for_the_next_request);
    tcase_add_test(slots, slots_are_on_their_way_together);
    tcase_add_test(slots, cancelled_request_has_no_reply_and_its_slot_is_free);
    tcase_add_test(slots, cancelled_reply_is_not_delivered);
    tcase_add_test(slots,
                   wait_ends_when_a_descriptor_of_the_caller_is_readable);
    tcase_add_test(slots, headers_that_do_not_fit_are_refused);
    suite_add_tcase(suite, slots);

    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
