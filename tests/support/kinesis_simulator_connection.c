/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/kinesis_simulator_connection.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include "common/clock.h"

/* What is received at once: small enough to be hashed out of the L2 cache. */
#define PIECE 262144

/* By how many bytes a wrong Content-Length is wrong. */
#define LIE 16

#define FOR_EVER_NS (INT64_C(1000000) * NS_PER_SECOND)

int simulator_bench_init(struct simulator_bench *bench,
                         struct simulator *simulator)
{
    *bench = (struct simulator_bench){ .simulator = simulator };
    bench->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    return bench->sha256 ? 0 : -ENOMEM;
}

void simulator_bench_deinit(struct simulator_bench *bench)
{
    while (bench->connections)
        simulator_connection_free(bench->connections, bench);
    for (size_t i = 0; i < bench->spare_count; i++)
        free(bench->spares[i].memory);
    EVP_MD_free(bench->sha256);
}

/* --- Body memory: a fresh 14 MiB would cost more in page faults than in use. */

static int take_body(struct simulator_connection *connection,
                     struct simulator_bench *bench, size_t length)
{
    uint8_t *memory = NULL;
    size_t capacity = 0;

    if (bench->spare_count > 0) {
        bench->spare_count--;
        memory = bench->spares[bench->spare_count].memory;
        capacity = bench->spares[bench->spare_count].capacity;
    }
    if (capacity < length || !memory) {
        free(memory);
        capacity = length < PIECE ? PIECE : length;
        memory = malloc(capacity);
    }
    connection->body = memory;
    connection->body_capacity = capacity;
    connection->body_length = 0;
    return memory ? 0 : SIMULATOR_CONNECTION_OVER;
}

static void give_body_back(struct simulator_connection *connection,
                           struct simulator_bench *bench)
{
    if (!connection->body)
        return;
    if (bench->spare_count < SIMULATOR_SPARE_BODIES) {
        bench->spares[bench->spare_count].memory = connection->body;
        bench->spares[bench->spare_count].capacity = connection->body_capacity;
        bench->spare_count++;
    } else {
        free(connection->body);
    }
    connection->body = NULL;
}

/* --- Bytes in and out */

struct simulator_connection *
simulator_connection_new(struct simulator_bench *bench, int descriptor,
                         SSL *ssl)
{
    struct simulator_connection *connection = calloc(1, sizeof(*connection));

    if (!connection)
        return NULL;
    connection->digest = EVP_MD_CTX_new();
    if (!connection->digest) {
        free(connection);
        return NULL;
    }
    connection->descriptor = descriptor;
    connection->ssl = ssl;
    connection->wants = EPOLLIN;
    connection->next = bench->connections;
    connection->link = &bench->connections;
    if (connection->next)
        connection->next->link = &connection->next;
    bench->connections = connection;
    return connection;
}

/* All that came in, as the kernel counted it: no layer above knows. */
static uint64_t received_bytes(int descriptor)
{
    struct tcp_info info = { .tcpi_bytes_received = 0 };
    socklen_t length = sizeof(info);

    if (getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
        return 0;
    return info.tcpi_bytes_received;
}

void simulator_connection_free(struct simulator_connection *connection,
                               struct simulator_bench *bench)
{
    if (connection->state == SIMULATOR_WAITING ||
        connection->state == SIMULATOR_WRITING)
        simulator_on_reply(bench->simulator, &connection->exchange,
                           clock_monotonic(), true);
    *connection->link = connection->next;
    if (connection->next)
        connection->next->link = connection->link;
    give_body_back(connection, bench);
    simulator_reply_deinit(&connection->reply);
    EVP_MD_CTX_free(connection->digest);
    SSL_free(connection->ssl);
    bench->simulator->statistics.received_bytes +=
        received_bytes(connection->descriptor);
    close(connection->descriptor);
    free(connection);
}

/* What OpenSSL waits for; false if the connection is over. */
static bool understand_tls(struct simulator_connection *connection, int result)
{
    int reason = SSL_get_error(connection->ssl, result);

    ERR_clear_error();
    if (reason == SSL_ERROR_WANT_READ)
        connection->wants = EPOLLIN;
    else if (reason == SSL_ERROR_WANT_WRITE)
        connection->wants = EPOLLOUT;
    else
        return false;
    return true;
}

/* Bytes read; 0: wait for what is wanted; -1: the connection is over. */
static ssize_t receive(struct simulator_connection *connection, uint8_t *to,
                       size_t room)
{
    ssize_t count;

    if (room > PIECE)
        room = PIECE;
    if (connection->ssl) {
        int result = SSL_read(connection->ssl, to, (int)room);

        if (result > 0)
            return result;
        return understand_tls(connection, result) ? 0 : -1;
    }
    count = recv(connection->descriptor, to, room, 0);
    if (count > 0)
        return count;
    connection->wants = EPOLLIN;
    return count < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

/* As receive(), for bytes written. */
static ssize_t transmit(struct simulator_connection *connection,
                        const uint8_t *from, size_t length)
{
    ssize_t count;

    if (connection->ssl) {
        int result = SSL_write(connection->ssl, from, (int)length);

        if (result > 0)
            return result;
        return understand_tls(connection, result) ? 0 : -1;
    }
    count = send(connection->descriptor, from, length, MSG_NOSIGNAL);
    if (count >= 0)
        return count;
    connection->wants = EPOLLOUT;
    return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

/* --- The reply */

/* What Content-Length says, which may be a lie. */
static uint64_t told_length(const struct simulator_exchange *exchange,
                            size_t length)
{
    if (exchange->ending == SIMULATOR_ENDING_LONGER)
        return length + LIE;
    if (exchange->ending == SIMULATOR_ENDING_SHORTER)
        return length > LIE ? length - LIE : 0;
    return length;
}

static void wait_with_reply(struct simulator_connection *connection,
                            struct monotonic deadline)
{
    connection->state = SIMULATOR_WAITING;
    connection->wants = EPOLLRDHUP;
    connection->deadline = deadline;
}

/* Put the HTTP head before the reply's body, and wait or write. */
static void begin_reply(struct simulator_connection *connection)
{
    struct simulator_exchange *exchange = &connection->exchange;
    struct simulator_reply *reply = &connection->reply;
    uint8_t head[SIMULATOR_REPLY_HEADROOM];
    struct bytes_writer writer = bytes_writer_on(head, sizeof(head));

    simulator_http_put_head(
        &writer, &(struct simulator_http_reply){
                     .status = exchange->status,
                     .content_type = exchange->content_type,
                     .body_length = told_length(
                         exchange, simulator_reply_body(reply).length),
                     .request_id = exchange->id,
                     .date = exchange->wall,
                     .keep_alive = connection->request.keep_alive,
                 });
    simulator_reply_put_head(reply, bytes_written(&writer));
    connection->sent = reply->first;
    connection->send_end = reply->length;
    if (exchange->ending == SIMULATOR_ENDING_CUT)
        connection->send_end -= (reply->length - reply->first) / 2;
    if (exchange->ending == SIMULATOR_ENDING_CUT_HEAD)
        connection->send_end = reply->first + sizeof("HTTP/1.1") - 1;
    connection->state = SIMULATOR_WRITING;
    if (exchange->ending == SIMULATOR_ENDING_HOLD)
        exchange->delay_ns = FOR_EVER_NS;
    if (exchange->delay_ns > 0)
        wait_with_reply(connection,
                        monotonic_after(exchange->now, exchange->delay_ns));
}

/* What the service believes the time is: for its Date, and for signatures. */
static struct wall_time service_time(const struct simulator_bench *bench)
{
    struct wall_time time = clock_wall_time();

    time.ns += bench->simulator->settings.clock_offset_ns;
    return time;
}

/* An answer to what is no request; the connection ends with it. */
static void refuse_head(struct simulator_connection *connection,
                        struct simulator_bench *bench, int status)
{
    simulator_reply_begin(&connection->reply, SIMULATOR_JSON);
    connection->request.keep_alive = false;
    connection->exchange = (struct simulator_exchange){
        .now = clock_monotonic(),
        .wall = service_time(bench),
        .id = ++bench->request_id,
        .status = status,
        .content_type = "text/plain",
        .reply = &connection->reply,
    };
    begin_reply(connection);
}

static int answer(struct simulator_connection *connection,
                  struct simulator_bench *bench)
{
    if (bench->simulator->settings.verifies &&
        !EVP_DigestFinal_ex(connection->digest, connection->body_digest, NULL))
        return SIMULATOR_CONNECTION_OVER;
    connection->exchange = (struct simulator_exchange){
        .request = &connection->request,
        .body = connection->body,
        .body_length = connection->body_length,
        .body_digest = connection->body_digest,
        .now = clock_monotonic(),
        .wall = service_time(bench),
        .id = ++bench->request_id,
        .reply = &connection->reply,
    };
    simulator_answer(bench->simulator, &connection->exchange);
    give_body_back(connection, bench);
    if (connection->reply.failed)
        return SIMULATOR_CONNECTION_OVER;
    begin_reply(connection);
    return 0;
}

/* The part of the head's memory behind the request is the next request. */
static void begin_next(struct simulator_connection *connection)
{
    size_t used = connection->request.head_length;

    connection->head_length -= used;
    memmove(connection->head, connection->head + used, connection->head_length);
    simulator_reply_shrink(&connection->reply);
    connection->wants = EPOLLIN;
}

/* RST instead of FIN: the peer loses what it has not read yet. */
static void make_close_a_reset(int descriptor)
{
    struct linger linger = { .l_onoff = 1, .l_linger = 0 };

    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

/* The reply cannot be whole, and the client sees it only by the end. */
static bool ends_short(enum simulator_ending ending)
{
    return ending == SIMULATOR_ENDING_CUT ||
           ending == SIMULATOR_ENDING_CUT_HEAD ||
           ending == SIMULATOR_ENDING_LONGER ||
           ending == SIMULATOR_ENDING_SHORTER;
}

static int write_reply(struct simulator_connection *connection,
                       struct simulator_bench *bench)
{
    struct simulator_exchange *exchange = &connection->exchange;
    bool drips = exchange->ending == SIMULATOR_ENDING_DRIP;

    if (exchange->ending == SIMULATOR_ENDING_RESET)
        make_close_a_reset(connection->descriptor);
    if (exchange->ending == SIMULATOR_ENDING_RESET ||
        exchange->ending == SIMULATOR_ENDING_CLOSE)
        return SIMULATOR_CONNECTION_OVER;
    while (connection->sent < connection->send_end) {
        ssize_t count =
            transmit(connection, connection->reply.memory + connection->sent,
                     drips ? 1 : connection->send_end - connection->sent);

        if (count <= 0)
            return count == 0 ? 0 : SIMULATOR_CONNECTION_OVER;
        connection->sent += (size_t)count;
        if (drips && connection->sent < connection->send_end) {
            wait_with_reply(connection, monotonic_after(clock_monotonic(),
                                                        exchange->time_ns));
            return 0;
        }
    }
    if (ends_short(exchange->ending))
        return SIMULATOR_CONNECTION_OVER;
    simulator_on_reply(bench->simulator, exchange, clock_monotonic(), false);
    connection->state = SIMULATOR_READING_HEAD;
    if (!connection->request.keep_alive ||
        exchange->ending == SIMULATOR_ENDING_SHUT)
        return SIMULATOR_CONNECTION_OVER;
    begin_next(connection);
    return 0;
}

/* --- The request */

static int digest_piece(struct simulator_connection *connection,
                        const struct simulator_bench *bench,
                        const uint8_t *piece, size_t length)
{
    if (!bench->simulator->settings.verifies ||
        EVP_DigestUpdate(connection->digest, piece, length))
        return 0;
    return SIMULATOR_CONNECTION_OVER;
}

/* The client may wait for this before it sends a large body. */
static int send_continue(struct simulator_connection *connection)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const size_t length = sizeof(text) - 1;

    return transmit(connection, (const uint8_t *)text, length) ==
                   (ssize_t)length
               ? 0
               : SIMULATOR_CONNECTION_OVER;
}

/* The head is complete: take memory, and the part of the body already here. */
static int begin_body(struct simulator_connection *connection,
                      struct simulator_bench *bench)
{
    struct simulator_http_request *request = &connection->request;
    size_t here = connection->head_length - request->head_length;

    if (request->body_length > SIMULATOR_BODY_MOST) {
        refuse_head(connection, bench, 413);
        return 0;
    }
    if (take_body(connection, bench, request->body_length) ||
        !EVP_DigestInit_ex2(connection->digest, bench->sha256, NULL))
        return SIMULATOR_CONNECTION_OVER;
    if (here > request->body_length)
        here = request->body_length;
    if (request->expects_continue && here < request->body_length &&
        send_continue(connection))
        return SIMULATOR_CONNECTION_OVER;
    memcpy(connection->body, connection->head + request->head_length, here);
    connection->body_length = here;
    connection->state = SIMULATOR_READING_BODY;
    /* What follows the body in the head's memory is the next request. */
    memmove(connection->head + request->head_length,
            connection->head + request->head_length + here,
            connection->head_length - request->head_length - here);
    connection->head_length -= here;
    return digest_piece(connection, bench, connection->body, here);
}

/* Returns as receive(), 1 when the head is complete. */
static ssize_t read_head(struct simulator_connection *connection,
                         struct simulator_bench *bench)
{
    int condition = simulator_http_parse(
        bytes_of(connection->head, connection->head_length),
        &connection->request);
    ssize_t count;

    if (condition == 0)
        return begin_body(connection, bench) ? -1 : 1;
    if (condition != SIMULATOR_HTTP_MORE) {
        refuse_head(connection, bench,
                    condition == SIMULATOR_HTTP_CHUNKED ? 411 : 400);
        return 1;
    }
    count = receive(connection, connection->head + connection->head_length,
                    sizeof(connection->head) - connection->head_length);
    if (count > 0)
        connection->head_length += (size_t)count;
    return count;
}

static ssize_t read_body(struct simulator_connection *connection,
                         struct simulator_bench *bench)
{
    size_t missing = connection->request.body_length - connection->body_length;
    uint8_t *to = connection->body + connection->body_length;
    ssize_t count;

    if (missing == 0)
        return answer(connection, bench) ? -1 : 1;
    count = receive(connection, to, missing);
    if (count <= 0)
        return count;
    connection->body_length += (size_t)count;
    return digest_piece(connection, bench, to, (size_t)count) ? -1 : count;
}

int simulator_connection_turn(struct simulator_connection *connection,
                              struct simulator_bench *bench)
{
    ssize_t moved = 1;

    while (moved > 0) {
        switch (connection->state) {
        case SIMULATOR_READING_HEAD:
            moved = read_head(connection, bench);
            break;
        case SIMULATOR_READING_BODY:
            moved = read_body(connection, bench);
            break;
        case SIMULATOR_WRITING:
            if (write_reply(connection, bench))
                return SIMULATOR_CONNECTION_OVER;
            moved = connection->state != SIMULATOR_WRITING;
            break;
        case SIMULATOR_WAITING:
            return 0;
        }
    }
    return moved < 0 ? SIMULATOR_CONNECTION_OVER : 0;
}

int simulator_connection_on_deadline(struct simulator_connection *connection,
                                     struct simulator_bench *bench)
{
    connection->state = SIMULATOR_WRITING;
    return simulator_connection_turn(connection, bench);
}
