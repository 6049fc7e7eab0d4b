/* SPDX-License-Identifier: Apache-2.0 */

/* How streams end, in each way: by us, by the peer, by a failure. */

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "ingest/io_way.h"
#include "tests/support/io_desk.h"

#define MEBIBYTE (1024 * 1024)

START_TEST(completions_of_a_closed_stream_turn_into_nothing)
{
    struct io_completion completions[8];
    struct io_desk desk;
    struct io_stream *streams[2];
    int peers[2];
    int count = 0;
    int kept;

    if (!io_desk_open(&desk, _i, NULL))
        return;
    streams[0] = io_desk_connect(&desk, 10, &peers[0]);
    streams[1] = io_desk_connect(&desk, 11, &peers[1]);
    ck_assert_ptr_null(io_desk_next(&desk, 10 * NS_PER_MS));
    io_desk_write(peers[0], "zero", 4);
    io_desk_write(peers[1], "one", 3);
    for (int turn = 0; count < 2 && turn < 100; turn++)
        count = io_wait(desk.io, NS_PER_SECOND, completions,
                        ARRAY_LENGTH(completions));
    ck_assert_int_eq(count, 2);
    kept = completions[0].tag == 11 ? 0 : 1;

    io_close(streams[0]);

    ck_assert_int_eq(completions[1 - kept].kind, IO_NOTHING);
    ck_assert(bytes_equal_text(completions[1 - kept].bytes, "zero"));
    ck_assert_int_eq(completions[kept].kind, IO_RECEIVED);
    ck_assert(bytes_equal_text(completions[kept].bytes, "one"));
    io_return(desk.io, &completions[0]);
    io_return(desk.io, &completions[1]);
    io_return(desk.io, &completions[1]);
    ck_assert_uint_eq(desk.io->lent_count, 0);
    ck_assert_uint_eq(completions[0].bytes.length, 0);
    io_desk_close(&desk);
}
END_TEST

START_TEST(stream_closed_while_receiving_delivers_nothing_more)
{
    struct io_settings settings = { .buffer_size = 4096, .buffer_count = 4 };
    static uint8_t memory[60000];
    struct io_desk desk;
    uint8_t byte;

    if (!io_desk_open(&desk, _i, &settings))
        return;
    for (uint64_t round = 0; round < 200; round++) {
        int peer;
        struct io_stream *stream = io_desk_connect(&desk, round, &peer);

        io_desk_write(peer, memory, sizeof(memory));
        for (uint64_t i = 0; i < round % 4; i++)
            io_return(desk.io, io_desk_expect(&desk, IO_RECEIVED, round));
        io_close(stream);
        while (desk.io->used_count > 0)
            ck_assert_ptr_null(io_desk_next(&desk, 0));
        /* The socket is closed, not only forgotten. */
        ck_assert_int_le(recv(peer, &byte, 1, 0), 0);
        (void)close(peer);
    }
    ck_assert_uint_eq(desk.io->lent_count, 0);
    io_desk_close(&desk);
}
END_TEST

START_TEST(memory_of_a_send_is_free_after_close)
{
    size_t length = 32 * MEBIBYTE;
    uint8_t *memory = malloc(length);
    static uint8_t received[65536];
    struct io_desk desk;
    struct io_stream *stream;
    ssize_t count;
    int peer;

    if (!io_desk_open(&desk, _i, NULL))
        return;
    stream = io_desk_connect(&desk, 1, &peer);
    memset(memory, 'A', length);
    io_send(stream, bytes_of(memory, length));
    ck_assert_ptr_null(io_desk_next(&desk, 50 * NS_PER_MS));
    ck_assert(io_is_sending(stream));

    io_close(stream);
    memset(memory, 'B', length);

    for (uint64_t total = 0;; total += (uint64_t)count) {
        ck_assert_ptr_null(io_desk_next(&desk, 0));
        count = recv(peer, received, sizeof(received), MSG_DONTWAIT);
        if (count < 0 && errno == EAGAIN) {
            count = 0;
            continue;
        }
        if (count <= 0)
            break;
        ck_assert_uint_lt(total, length);
        ck_assert_ptr_null(memchr(received, 'B', (size_t)count));
    }
    free(memory);
    io_desk_close(&desk);
    (void)close(peer);
}
END_TEST

START_TEST(send_that_was_never_submitted_is_taken_back_by_close)
{
    uint8_t *memory = malloc(100);
    struct io_desk desk;
    struct io_stream *stream;
    uint8_t byte;
    int peer;

    if (!io_desk_open(&desk, _i, NULL))
        return;
    stream = io_desk_connect(&desk, 1, &peer);

    io_send(stream, bytes_of(memory, 100));
    io_close(stream);
    free(memory);

    ck_assert_ptr_null(io_desk_next(&desk, 10 * NS_PER_MS));
    ck_assert_int_eq(recv(peer, &byte, 1, 0), 0);
    io_desk_close(&desk);
    (void)close(peer);
}
END_TEST

START_TEST(stream_whose_peer_ended_can_still_send)
{
    struct io_desk desk;
    struct io_stream *stream;
    struct io_completion *completion;
    char received[4];
    int peer;

    if (!io_desk_open(&desk, _i, NULL))
        return;
    stream = io_desk_connect(&desk, 1, &peer);
    io_desk_write(peer, "last words", 10);
    ck_assert_int_eq(shutdown(peer, SHUT_WR), 0);

    completion = io_desk_expect(&desk, IO_RECEIVED, 1);
    ck_assert(bytes_equal_text(completion->bytes, "last words"));
    io_return(desk.io, completion);
    (void)io_desk_expect(&desk, IO_CLOSED_BY_PEER, 1);
    io_send(stream, bytes_of_text("bye"));
    (void)io_desk_expect(&desk, IO_SENT, 1);

    ck_assert_int_eq(recv(peer, received, 3, MSG_WAITALL), 3);
    ck_assert_int_eq(memcmp(received, "bye", 3), 0);
    ck_assert_ptr_null(io_desk_next(&desk, 10 * NS_PER_MS));
    io_close(stream);
    io_desk_close(&desk);
    (void)close(peer);
}
END_TEST

static void reset(int peer)
{
    struct linger linger = { .l_onoff = 1, .l_linger = 0 };

    ck_assert_int_eq(
        setsockopt(peer, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    (void)close(peer);
}

START_TEST(reset_fails_a_stream_once)
{
    struct io_desk desk;
    struct io_stream *stream;
    int peer;

    if (!io_desk_open(&desk, _i, NULL))
        return;
    stream = io_desk_connect(&desk, 1, &peer);
    ck_assert_ptr_null(io_desk_next(&desk, 10 * NS_PER_MS));

    reset(peer);

    ck_assert_int_eq(io_desk_expect(&desk, IO_FAILED, 1)->error, -ECONNRESET);
    io_send(stream, bytes_of_text("in vain"));
    ck_assert(!io_is_sending(stream));
    ck_assert_ptr_null(io_desk_next(&desk, 10 * NS_PER_MS));
    io_close(stream);
    io_desk_close(&desk);
}
END_TEST

START_TEST(reset_while_sending_fails_a_stream_once)
{
    size_t length = 32 * MEBIBYTE;
    uint8_t *memory = calloc(1, length);
    struct io_desk desk;
    struct io_stream *stream;
    int peer;

    if (!io_desk_open(&desk, _i, NULL))
        return;
    stream = io_desk_connect(&desk, 1, &peer);
    io_send(stream, bytes_of(memory, length));
    ck_assert_ptr_null(io_desk_next(&desk, 20 * NS_PER_MS));

    reset(peer);

    (void)io_desk_expect(&desk, IO_FAILED, 1);
    ck_assert_ptr_null(io_desk_next(&desk, 10 * NS_PER_MS));
    ck_assert(!io_is_sending(stream));
    io_close(stream);
    free(memory);
    io_desk_close(&desk);
}
END_TEST

START_TEST(slot_that_is_used_again_hears_nothing_of_the_former_stream)
{
    struct io_settings settings = { .stream_most = 2 };
    static uint8_t memory[20000];
    struct io_desk desk;

    if (!io_desk_open(&desk, _i, &settings))
        return;
    for (uint64_t round = 0; round < 200; round++) {
        struct io_completion *completion;
        int peers[2];
        struct io_stream *former = io_desk_connect(&desk, 1, &peers[0]);
        struct io_stream *later;

        io_desk_write(peers[0], memory, sizeof(memory));
        io_send(former, bytes_of_text("x"));
        if (round % 2)
            ck_assert_ptr_nonnull(io_desk_next(&desk, IO_DESK_PATIENCE));
        io_close(former);
        later = io_desk_connect(&desk, 2, &peers[1]);
        io_desk_write(peers[1], "later", 5);
        completion = io_desk_expect(&desk, IO_RECEIVED, 2);
        ck_assert(bytes_equal_text(completion->bytes, "later"));
        io_return(desk.io, completion);
        io_close(later);
        while (desk.io->used_count > 0)
            ck_assert_ptr_null(io_desk_next(&desk, 0));
        (void)close(peers[0]);
        (void)close(peers[1]);
    }
    io_desk_close(&desk);
}
END_TEST

START_TEST(everything_under_way_ends_with_io)
{
    size_t length = 8 * MEBIBYTE;
    uint8_t *memory = calloc(1, length);
    struct io_desk desk;
    int peers[4];
    uint8_t byte;

    if (!io_desk_open(&desk, _i, NULL))
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(peers); i++) {
        struct io_stream *stream = io_desk_connect(&desk, i, &peers[i]);

        if (i % 2)
            io_send(stream, bytes_of(memory, length));
    }
    ck_assert_ptr_null(io_desk_next(&desk, 20 * NS_PER_MS));

    io_desk_close(&desk);
    free(memory);

    ck_assert_int_le(recv(peers[0], &byte, 1, 0), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(peers); i++)
        (void)close(peers[i]);
}
END_TEST

#define ADD(situation, test)                                                   \
    tcase_add_loop_test(situation, test, 0, IO_DESK_WAYS)

int main(void)
{
    Suite *suite = suite_create("io_close");
    TCase *ours = tcase_create("closed by us");
    TCase *theirs = tcase_create("ended by the peer");
    SRunner *runner = srunner_create(suite);
    int failed;

    ADD(ours, completions_of_a_closed_stream_turn_into_nothing);
    ADD(ours, stream_closed_while_receiving_delivers_nothing_more);
    ADD(ours, memory_of_a_send_is_free_after_close);
    ADD(ours, send_that_was_never_submitted_is_taken_back_by_close);
    ADD(theirs, stream_whose_peer_ended_can_still_send);
    ADD(theirs, reset_fails_a_stream_once);
    ADD(theirs, reset_while_sending_fails_a_stream_once);
    ADD(ours, slot_that_is_used_again_hears_nothing_of_the_former_stream);
    ADD(ours, everything_under_way_ends_with_io);
    tcase_set_timeout(ours, 60);
    tcase_set_timeout(theirs, 60);
    suite_add_tcase(suite, ours);
    suite_add_tcase(suite, theirs);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
