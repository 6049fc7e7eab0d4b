/* SPDX-License-Identifier: Apache-2.0 */

/* Streams, in each way: connect, receive, send. */

#include <check.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "ingest/io_way.h"
#include "tests/support/io_desk.h"

#define MEBIBYTE (1024 * 1024)

static int option_of(const struct io_stream *stream, int level, int name)
{
    int value = -1;
    socklen_t length = sizeof(value);

    ck_assert_int_eq(
        getsockopt(stream->descriptor, level, name, &value, &length), 0);
    return value;
}

START_TEST(connected_stream_has_its_tcp_options)
{
    struct io_settings settings = { .user_timeout_ns = 7 * NS_PER_SECOND,
                                    .keepalive_ns = 9 * NS_PER_SECOND };
    struct io_desk desk;
    struct io_stream *stream;
    int peer;

    if (!io_desk_open(&desk, _i, &settings))
        return;
    stream = io_desk_connect(&desk, 42, &peer);

    ck_assert_int_eq(option_of(stream, IPPROTO_TCP, TCP_NODELAY), 1);
    ck_assert_int_eq(option_of(stream, SOL_SOCKET, SO_KEEPALIVE), 1);
    ck_assert_int_eq(option_of(stream, IPPROTO_TCP, TCP_KEEPIDLE), 9);
    ck_assert_int_eq(option_of(stream, IPPROTO_TCP, TCP_KEEPINTVL), 3);
    ck_assert_int_eq(option_of(stream, IPPROTO_TCP, TCP_USER_TIMEOUT), 7000);
    io_close(stream);
    io_desk_close(&desk);
    ck_assert_int_eq(close(peer), 0);
}
END_TEST

START_TEST(refused_connect_fails_once_with_its_errno)
{
    struct socket_address address;
    struct io_desk desk;
    struct io_stream *stream;
    struct io_completion *completion;

    if (!io_desk_open(&desk, _i, NULL))
        return;
    (void)close(io_desk_listen(&address, 1));
    ck_assert_int_eq(io_connect(desk.io, &address, 1, &stream), 0);

    completion = io_desk_expect(&desk, IO_CONNECT_FAILED, 1);
    ck_assert_int_eq(completion->error, -ECONNREFUSED);
    ck_assert_ptr_eq(completion->stream, stream);
    ck_assert_ptr_null(io_desk_next(&desk, 20 * NS_PER_MS));
    io_close(stream);
    io_desk_close(&desk);
}
END_TEST

START_TEST(connect_that_nobody_answers_is_quiet_and_can_be_closed)
{
    struct socket_address address;
    struct io_desk desk;
    struct io_stream *streams[4];
    int listener = io_desk_listen(&address, 0);
    int connected = 0;

    if (!io_desk_open(&desk, _i, NULL))
        return;
    /* A backlog of 0 takes one; the packets of the others are dropped. */
    for (uint64_t i = 0; i < ARRAY_LENGTH(streams); i++)
        ck_assert_int_eq(io_connect(desk.io, &address, i, &streams[i]), 0);
    while (io_desk_next(&desk, 100 * NS_PER_MS))
        connected++;

    ck_assert_int_lt(connected, 4);
    for (size_t i = 0; i < ARRAY_LENGTH(streams); i++)
        io_close(streams[i]);
    ck_assert_ptr_null(io_desk_next(&desk, 50 * NS_PER_MS));
    ck_assert_uint_eq(desk.io->used_count, 0);
    io_desk_close(&desk);
    (void)close(listener);
}
END_TEST

/* Sends back what it receives, until the end. */
static void *echo(void *argument)
{
    int peer = *(int *)argument;
    static _Thread_local uint8_t memory[50000];

    for (;;) {
        ssize_t count = recv(peer, memory, sizeof(memory), 0);

        if (count <= 0)
            break;
        io_desk_write(peer, memory, (size_t)count);
    }
    (void)close(peer);
    return NULL;
}

struct echoed {
    struct io_stream *stream;
    uint8_t *memory;   /* of the send under way */
    uint64_t sent;     /* bytes */
    uint64_t received; /* bytes */
    uint64_t turn;     /* decides the size of the next send */
    int peer;
    pthread_t thread;
};

#define CHUNK_MOST 200000

static void echo_send(struct echoed *echoed, uint64_t total)
{
    static const size_t sizes[] = { 1,     3,      1447,  65536, 65537,
                                    99991, 200000, 16384, 7,     131071 };
    size_t length = sizes[echoed->turn++ % ARRAY_LENGTH(sizes)];

    if (length > total - echoed->sent)
        length = total - echoed->sent;
    if (length == 0)
        return;
    io_desk_fill(echoed->memory, length, echoed->sent);
    io_send(echoed->stream, bytes_of(echoed->memory, length));
    echoed->sent += length;
}

static void echo_all(struct io_desk *desk, struct echoed *all, size_t count,
                     uint64_t total)
{
    size_t done = 0;

    for (size_t i = 0; i < count; i++) {
        all[i] = (struct echoed){ .turn = i };
        all[i].memory = malloc(CHUNK_MOST);
        all[i].stream = io_desk_connect(desk, i, &all[i].peer);
        ck_assert_int_eq(
            pthread_create(&all[i].thread, NULL, echo, &all[i].peer), 0);
    }
    for (size_t i = 0; i < count; i++)
        echo_send(&all[i], total);
    while (done < count) {
        struct io_completion *completion = io_desk_next(desk, IO_DESK_PATIENCE);
        struct echoed *echoed;

        ck_assert_ptr_nonnull(completion);
        echoed = &all[completion->tag];
        ck_assert_ptr_eq(completion->stream, echoed->stream);
        if (completion->kind == IO_SENT) {
            echo_send(echoed, total);
            continue;
        }
        ck_assert_int_eq(completion->kind, IO_RECEIVED);
        io_desk_check(completion->bytes, echoed->received);
        echoed->received += completion->bytes.length;
        done += echoed->received == total;
        io_return(desk->io, completion);
    }
    for (size_t i = 0; i < count; i++)
        io_close(all[i].stream);
    ck_assert_ptr_null(io_desk_next(desk, 10 * NS_PER_MS));
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(pthread_join(all[i].thread, NULL), 0);
        free(all[i].memory);
    }
}

START_TEST(megabytes_in_odd_sizes_come_back_in_order)
{
    struct io_desk desk;
    struct echoed one;

    if (!io_desk_open(&desk, _i, NULL))
        return;

    echo_all(&desk, &one, 1, 20 * MEBIBYTE + 12345);

    ck_assert_uint_eq(desk.io->lent_count, 0);
    io_desk_close(&desk);
}
END_TEST

START_TEST(sixty_four_streams_do_not_mix_their_bytes)
{
    struct io_desk desk;
    struct echoed *all = calloc(64, sizeof(*all));

    if (!io_desk_open(&desk, _i, NULL))
        return;

    echo_all(&desk, all, 64, MEBIBYTE / 2 + 77);

    io_desk_close(&desk);
    free(all);
}
END_TEST

/* (M7) */
START_TEST(four_small_buffers_serve_sixty_four_streams)
{
    struct io_settings settings = { .buffer_size = 4096, .buffer_count = 4 };
    struct io_desk desk;
    struct echoed *all = calloc(64, sizeof(*all));

    if (!io_desk_open(&desk, _i, &settings))
        return;

    echo_all(&desk, all, 64, MEBIBYTE / 8 + 13);

    io_desk_close(&desk);
    free(all);
}
END_TEST

START_TEST(nothing_is_received_while_the_caller_keeps_all_buffers)
{
    struct io_settings settings = { .buffer_size = 1024, .buffer_count = 4 };
    static uint8_t memory[64 * 1024];
    struct io_completion kept[4];
    struct io_desk desk;
    struct io_stream *stream;
    struct monotonic start;
    uint64_t received = 0;
    int peer;

    if (!io_desk_open(&desk, _i, &settings))
        return;
    stream = io_desk_connect(&desk, 1, &peer);
    io_desk_fill(memory, sizeof(memory), 0);
    io_desk_write(peer, memory, sizeof(memory));

    for (size_t i = 0; i < ARRAY_LENGTH(kept); i++) {
        kept[i] = *io_desk_expect(&desk, IO_RECEIVED, 1);
        io_desk_check(kept[i].bytes, received);
        received += kept[i].bytes.length;
    }
    start = clock_monotonic();
    ck_assert_ptr_null(io_desk_next(&desk, 50 * NS_PER_MS));
    ck_assert_int_ge(monotonic_between(start, clock_monotonic()),
                     50 * NS_PER_MS);
    for (size_t i = 0; i < ARRAY_LENGTH(kept); i++)
        io_return(desk.io, &kept[i]);
    while (received < sizeof(memory)) {
        struct io_completion *completion =
            io_desk_expect(&desk, IO_RECEIVED, 1);

        io_desk_check(completion->bytes, received);
        received += completion->bytes.length;
        io_return(desk.io, completion);
    }

    io_close(stream);
    io_desk_close(&desk);
    (void)close(peer);
}
END_TEST

START_TEST(starved_streams_take_turns)
{
    struct io_settings settings = { .buffer_size = 1024, .buffer_count = 2 };
    static uint8_t memory[32 * 1024];
    struct io_desk desk;
    int peers[8];
    struct io_stream *streams[ARRAY_LENGTH(peers)];
    bool has_received[ARRAY_LENGTH(peers)] = { false };
    size_t served = 0;
    size_t buffers = 0;

    if (!io_desk_open(&desk, _i, &settings))
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(peers); i++)
        streams[i] = io_desk_connect(&desk, i, &peers[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(peers); i++)
        io_desk_write(peers[i], memory, sizeof(memory));

    while (served < ARRAY_LENGTH(peers)) {
        struct io_completion *completion =
            io_desk_next(&desk, IO_DESK_PATIENCE);

        ck_assert_ptr_nonnull(completion);
        ck_assert_int_eq(completion->kind, IO_RECEIVED);
        served += !has_received[completion->tag];
        has_received[completion->tag] = true;
        buffers++;
        io_return(desk.io, completion);
    }

    /* Of 256 buffers full, all were served long before one was finished. */
    ck_assert_uint_lt(buffers, 128);
    for (size_t i = 0; i < ARRAY_LENGTH(peers); i++) {
        io_close(streams[i]);
        (void)close(peers[i]);
    }
    io_desk_close(&desk);
}
END_TEST

/* Receive until nothing comes for a moment; returns the bytes. */
static uint64_t receive_until_quiet(struct io_desk *desk, uint64_t position)
{
    uint64_t received = 0;

    for (;;) {
        struct io_completion *completion = io_desk_next(desk, 50 * NS_PER_MS);

        if (!completion)
            return received;
        ck_assert_int_eq(completion->kind, IO_RECEIVED);
        io_desk_check(completion->bytes, position + received);
        received += completion->bytes.length;
        io_return(desk->io, completion);
    }
}

START_TEST(paused_stream_receives_nothing_until_it_is_resumed)
{
    static uint8_t memory[100000];
    struct io_desk desk;
    struct io_stream *stream;
    uint64_t received = 0;
    int peer;

    if (!io_desk_open(&desk, _i, NULL))
        return;
    stream = io_desk_connect(&desk, 1, &peer);
    io_desk_fill(memory, sizeof(memory), 0);

    for (int round = 0; round < 3; round++) {
        io_pause_receive(stream);
        received += receive_until_quiet(&desk, received);
        ck_assert_uint_eq(received, (uint64_t)round * 30000);
        io_desk_write(peer, memory + received, 30000);
        ck_assert_uint_eq(receive_until_quiet(&desk, received), 0);
        io_resume_receive(stream);
        received += receive_until_quiet(&desk, received);
        ck_assert_uint_eq(received, (uint64_t)(round + 1) * 30000);
    }
    /* Both between two waits: as if nothing had been said. */
    io_pause_receive(stream);
    io_resume_receive(stream);
    io_desk_write(peer, memory + received, 5000);
    ck_assert_uint_eq(receive_until_quiet(&desk, received), 5000);

    io_close(stream);
    io_desk_close(&desk);
    (void)close(peer);
}
END_TEST

struct slow_reader {
    int peer;
    uint64_t received;
};

static void *read_slowly(void *argument)
{
    struct slow_reader *reader = argument;
    uint8_t memory[4093];
    ssize_t count;

    while ((count = recv(reader->peer, memory, sizeof(memory), 0)) > 0) {
        io_desk_check(bytes_of(memory, (size_t)count), reader->received);
        reader->received += (uint64_t)count;
        (void)sched_yield();
    }
    return NULL;
}

/* (M7) */
START_TEST(large_send_to_a_slow_reader_is_one_completion)
{
    size_t length = 8 * MEBIBYTE + 1;
    uint8_t *memory = malloc(length);
    struct slow_reader reader = { 0 };
    struct io_desk desk;
    struct io_stream *stream;
    pthread_t thread;

    if (!io_desk_open(&desk, _i, NULL))
        return;
    stream = io_desk_connect(&desk, 1, &reader.peer);
    io_desk_fill(memory, length, 0);
    ck_assert_int_eq(setsockopt(reader.peer, SOL_SOCKET, SO_RCVBUF,
                                &(int){ 65536 }, sizeof(int)),
                     0);
    ck_assert_int_eq(pthread_create(&thread, NULL, read_slowly, &reader), 0);

    io_send(stream, bytes_of(memory, length));
    (void)io_desk_expect(&desk, IO_SENT, 1);

    ck_assert(!io_is_sending(stream));
    io_close(stream);
    ck_assert_ptr_null(io_desk_next(&desk, 10 * NS_PER_MS));
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(reader.received, length);
    free(memory);
    io_desk_close(&desk);
    (void)close(reader.peer);
}
END_TEST

START_TEST(limit_of_streams_is_a_condition_and_ends_with_a_close)
{
    struct io_settings settings = { .stream_most = 3 };
    struct socket_address address;
    struct io_desk desk;
    struct io_stream *streams[3];
    struct io_stream *fourth = NULL;
    int listener = io_desk_listen(&address, 8);

    if (!io_desk_open(&desk, _i, &settings))
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(streams); i++)
        ck_assert_int_eq(io_connect(desk.io, &address, i, &streams[i]), 0);

    ck_assert_int_eq(io_connect(desk.io, &address, 3, &fourth), IO_TOO_MANY);
    ck_assert_ptr_null(fourth);
    io_close(streams[1]);
    ck_assert_int_eq(io_wait(desk.io, 0, desk.completions, 8) < 0, 0);
    while (io_connect(desk.io, &address, 3, &fourth) == IO_TOO_MANY)
        ck_assert_int_ge(io_wait(desk.io, 0, desk.completions, 8), 0);
    ck_assert_ptr_nonnull(fourth);

    io_desk_close(&desk);
    (void)close(listener);
}
END_TEST

static TCase *case_of(Suite *suite, const char *name)
{
    TCase *situation = tcase_create(name);

    tcase_set_timeout(situation, 60);
    suite_add_tcase(suite, situation);
    return situation;
}

#define ADD(situation, test)                                                   \
    tcase_add_loop_test(situation, test, 0, IO_DESK_WAYS)

static void add_receive(Suite *suite)
{
    TCase *receive = case_of(suite, "receive");

    ADD(receive, megabytes_in_odd_sizes_come_back_in_order);
    ADD(receive, sixty_four_streams_do_not_mix_their_bytes);
    ADD(receive, four_small_buffers_serve_sixty_four_streams);
    ADD(receive, nothing_is_received_while_the_caller_keeps_all_buffers);
    ADD(receive, starved_streams_take_turns);
    ADD(receive, paused_stream_receives_nothing_until_it_is_resumed);
}

static void add_others(Suite *suite)
{
    TCase *connect = case_of(suite, "connect");
    TCase *send = case_of(suite, "send");

    ADD(connect, connected_stream_has_its_tcp_options);
    ADD(connect, refused_connect_fails_once_with_its_errno);
    ADD(connect, connect_that_nobody_answers_is_quiet_and_can_be_closed);
    ADD(connect, limit_of_streams_is_a_condition_and_ends_with_a_close);
    ADD(send, large_send_to_a_slow_reader_is_one_completion);
}

int main(void)
{
    Suite *suite = suite_create("io");
    SRunner *runner = srunner_create(suite);
    int failed;

    add_receive(suite);
    add_others(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
