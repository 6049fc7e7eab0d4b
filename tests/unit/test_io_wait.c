/* SPDX-License-Identifier: Apache-2.0 */

/* The wait itself: time-outs, watches; and which way is chosen. */

#include <check.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/error.h"
#include "ingest/io_way.h"
#include "tests/support/io_desk.h"

START_TEST(idle_wait_lasts_as_long_as_asked)
{
    struct io_completion completion;
    struct io_desk desk;
    struct monotonic start;
    int64_t lasted;

    if (!io_desk_open(&desk, _i, NULL))
        return;
    start = clock_monotonic();
    ck_assert_int_eq(io_wait(desk.io, 0, &completion, 1), 0);
    ck_assert_int_lt(monotonic_between(start, clock_monotonic()),
                     NS_PER_SECOND);

    start = clock_monotonic();
    ck_assert_int_eq(io_wait(desk.io, 30 * NS_PER_MS, &completion, 1), 0);
    lasted = monotonic_between(start, clock_monotonic());

    ck_assert_int_ge(lasted, 30 * NS_PER_MS);
    ck_assert_int_lt(lasted, 5 * NS_PER_SECOND);
    io_desk_close(&desk);
}
END_TEST

static void on_alarm(int number)
{
    (void)number;
}

/* (M7) */
START_TEST(signal_ends_a_wait_without_an_error)
{
    struct sigaction action = { .sa_handler = on_alarm };
    struct itimerval timer = { .it_value.tv_usec = 20000 };
    struct io_completion completion;
    struct io_desk desk;
    struct monotonic start = clock_monotonic();

    if (!io_desk_open(&desk, _i, NULL))
        return;
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &timer, NULL), 0);

    ck_assert_int_eq(io_wait(desk.io, IO_DESK_PATIENCE, &completion, 1), 0);

    ck_assert_int_lt(monotonic_between(start, clock_monotonic()),
                     IO_DESK_PATIENCE);
    io_desk_close(&desk);
}
END_TEST

START_TEST(watched_descriptor_is_reported_until_it_is_read_empty)
{
    struct io_desk desk;
    uint8_t byte;
    int ends[2];

    if (!io_desk_open(&desk, _i, NULL))
        return;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    ck_assert_int_eq(io_watch(desk.io, ends[0], 77), 0);
    ck_assert_ptr_null(io_desk_next(&desk, 10 * NS_PER_MS));
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(send(ends[1], "x", 1, 0), 1);

    for (int i = 0; i < 3; i++) {
        struct io_completion *completion =
            io_desk_expect(&desk, IO_READABLE, 77);

        ck_assert_ptr_null(completion->stream);
        ck_assert_int_eq(recv(ends[0], &byte, 1, MSG_DONTWAIT), 1);
    }

    /* What was asked before the last byte was read may say so once more. */
    (void)io_desk_next(&desk, 0);
    ck_assert_ptr_null(io_desk_next(&desk, 10 * NS_PER_MS));
    (void)close(ends[1]);
    (void)io_desk_expect(&desk, IO_READABLE, 77);
    ck_assert_int_eq(recv(ends[0], &byte, 1, MSG_DONTWAIT), 0);
    io_unwatch(desk.io, ends[0]);
    (void)close(ends[0]);
    ck_assert_ptr_null(io_desk_next(&desk, 10 * NS_PER_MS));
    ck_assert_uint_eq(desk.io->used_count, 0);
    io_desk_close(&desk);
}
END_TEST

START_TEST(eventfd_wakes_although_nobody_reads_it)
{
    struct io_desk desk;
    int wakeup = eventfd(0, EFD_NONBLOCK);

    if (!io_desk_open(&desk, _i, NULL))
        return;
    ck_assert_int_eq(io_watch_eventfd(desk.io, wakeup, 5), 0);
    ck_assert_ptr_null(io_desk_next(&desk, 10 * NS_PER_MS));

    for (int i = 0; i < 2000; i++) {
        ck_assert_int_eq(eventfd_write(wakeup, 1), 0);
        (void)io_desk_expect(&desk, IO_READABLE, 5);
        ck_assert_ptr_null(io_desk_next(&desk, 0));
    }

    io_unwatch(desk.io, wakeup);
    ck_assert_int_eq(eventfd_write(wakeup, 1), 0);
    ck_assert_ptr_null(io_desk_next(&desk, 10 * NS_PER_MS));
    io_desk_close(&desk);
    (void)close(wakeup);
}
END_TEST

START_TEST(eventfd_written_before_the_watch_is_reported)
{
    struct io_desk desk;
    int wakeup = eventfd(1, EFD_NONBLOCK);

    if (!io_desk_open(&desk, _i, NULL))
        return;
    ck_assert_int_eq(io_watch_eventfd(desk.io, wakeup, 5), 0);

    (void)io_desk_expect(&desk, IO_READABLE, 5);

    ck_assert_ptr_null(io_desk_next(&desk, 10 * NS_PER_MS));
    io_desk_close(&desk);
    (void)close(wakeup);
}
END_TEST

struct ping_pong {
    int ping;
    int pong;
    int rounds;
};

/* Answers each ping; so each wait of the other side must really be woken. */
static void *answer(void *argument)
{
    const struct ping_pong *game = argument;
    eventfd_t value;

    for (int i = 0; i < game->rounds; i++) {
        ck_assert_int_eq(eventfd_read(game->ping, &value), 0);
        ck_assert_int_eq(eventfd_write(game->pong, 1), 0);
    }
    return NULL;
}

START_TEST(no_wake_of_a_sleeping_wait_is_lost)
{
    struct ping_pong game = { .ping = eventfd(0, 0),
                              .pong = eventfd(0, EFD_NONBLOCK),
                              .rounds = 5000 };
    struct io_desk desk;
    pthread_t thread;

    if (!io_desk_open(&desk, _i, NULL))
        return;
    ck_assert_int_eq(io_watch_eventfd(desk.io, game.pong, 1), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, answer, &game), 0);

    for (int i = 0; i < game.rounds; i++) {
        ck_assert_int_eq(eventfd_write(game.ping, 1), 0);
        (void)io_desk_expect(&desk, IO_READABLE, 1);
    }

    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    io_desk_close(&desk);
}
END_TEST

START_TEST(watch_is_refused_twice_and_over_the_limit)
{
    struct io_settings settings = { .stream_most = 2 };
    struct io_desk desk;
    int wakeups[3];

    if (!io_desk_open(&desk, _i, &settings))
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(wakeups); i++)
        wakeups[i] = eventfd(0, EFD_NONBLOCK);

    ck_assert_int_eq(io_watch_eventfd(desk.io, wakeups[0], 0), 0);
    ck_assert_int_eq(io_watch(desk.io, wakeups[0], 0), -EEXIST);
    ck_assert_int_eq(io_watch(desk.io, wakeups[1], 1), 0);
    ck_assert_int_eq(io_watch(desk.io, wakeups[2], 2), IO_TOO_MANY);
    io_unwatch(desk.io, wakeups[0]);
    io_unwatch(desk.io, wakeups[0]);
    while (desk.io->used_count > 1)
        ck_assert_ptr_null(io_desk_next(&desk, 0));
    ck_assert_int_eq(io_watch(desk.io, wakeups[2], 2), 0);

    io_desk_close(&desk);
}
END_TEST

START_TEST(watch_taken_back_says_nothing_even_if_it_was_delivered)
{
    struct io_completion completions[4];
    struct io_desk desk;
    int wakeup = eventfd(1, EFD_NONBLOCK);
    int count = 0;

    if (!io_desk_open(&desk, _i, NULL))
        return;
    ck_assert_int_eq(io_watch(desk.io, wakeup, 5), 0);
    while (count == 0)
        count = io_wait(desk.io, NS_PER_SECOND, completions, 4);
    ck_assert_int_eq(completions[0].kind, IO_READABLE);

    io_unwatch(desk.io, wakeup);

    ck_assert_int_eq(completions[0].kind, IO_NOTHING);
    io_desk_close(&desk);
    (void)close(wakeup);
}
END_TEST

START_TEST(array_of_one_completion_loses_nothing)
{
    struct io_completion completion;
    struct io_desk desk;
    struct io_stream *streams[4];
    int peers[4];
    unsigned seen = 0;

    if (!io_desk_open(&desk, _i, NULL))
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(peers); i++)
        streams[i] = io_desk_connect(&desk, i, &peers[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(peers); i++) {
        io_desk_write(peers[i], "x", 1);
        io_send(streams[i], bytes_of_text("y"));
    }

    for (int turn = 0; seen != 0xff && turn < 1000; turn++) {
        int count = io_wait(desk.io, NS_PER_SECOND, &completion, 1);

        ck_assert_int_ge(count, 0);
        if (count == 0)
            continue;
        seen |= (completion.kind == IO_SENT ? 16U : 1U) << completion.tag;
        io_return(desk.io, &completion);
    }

    ck_assert_uint_eq(seen, 0xff);
    io_desk_close(&desk);
}
END_TEST

/* From now on, and for ever, this process's call of `number` fails. */
static void refuse_call(unsigned number, unsigned error)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { .len = ARRAY_LENGTH(filter),
                                  .filter = filter };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        _exit(99);
}

/* What a child does under the filter; its result is the exit status. */
typedef int child_function(int expected);

static int auto_takes_epoll(int expected)
{
    struct io *io = NULL;

    (void)expected;
    if (io_new(IO_AUTO, NULL, &io) != 0)
        return 1;
    if (strcmp(io_name(io), "epoll") != 0)
        return 2;
    if (!strstr(io_reason(io), "io_uring_"))
        return 3;
    puts(io_reason(io));
    io_free(io);
    return 0;
}

static int auto_fails(int expected)
{
    struct io *io = NULL;
    int result = io_new(IO_AUTO, NULL, &io);

    puts(result < 0 ? error_take(result) : "no error");
    return result == -expected && !io ? 0 : 1;
}

static int io_uring_fails(int expected)
{
    struct io *io = NULL;
    int result = io_new(IO_URING, NULL, &io);
    bool has_call = strstr(error_take(result), "io_uring_setup: ") != NULL;

    return result == -expected && !io && has_call ? 0 : 1;
}

static int epoll_sleeps(int expected)
{
    struct io_completion completion;
    struct monotonic start = clock_monotonic();
    struct io *io = NULL;
    int count;

    (void)expected;
    if (io_new(IO_EPOLL, NULL, &io) != 0)
        return 1;
    count = io_wait(io, 1500 * NS_PER_US, &completion, 1);
    io_free(io);
    if (count != 0)
        return 2;
    return monotonic_between(start, clock_monotonic()) < 1500 * NS_PER_US;
}

static void under_filter(unsigned call, int error, child_function *child)
{
    int status = -1;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        int lowest = dup(0);
        int result;

        (void)close(lowest);
        refuse_call(call, (unsigned)error);
        result = child(error);
        (void)fflush(stdout);
        /* A way that was tried and given up leaves no descriptor behind. */
        _exit(dup(0) == lowest ? result : 98);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

/* (M7) */
START_TEST(auto_takes_epoll_where_io_uring_is_missing_or_forbidden)
{
    under_filter(__NR_io_uring_setup, EPERM, auto_takes_epoll);
    under_filter(__NR_io_uring_setup, ENOSYS, auto_takes_epoll);
    under_filter(__NR_io_uring_setup, EINVAL, auto_takes_epoll);
}
END_TEST

START_TEST(auto_takes_epoll_where_rings_of_buffers_are_unknown)
{
    under_filter(__NR_io_uring_register, EINVAL, auto_takes_epoll);
}
END_TEST

START_TEST(auto_does_not_hide_a_lack_of_resources)
{
    under_filter(__NR_io_uring_setup, ENOMEM, auto_fails);
    under_filter(__NR_io_uring_setup, EMFILE, auto_fails);
}
END_TEST

START_TEST(io_uring_that_was_asked_for_is_not_replaced)
{
    under_filter(__NR_io_uring_setup, EPERM, io_uring_fails);
}
END_TEST

START_TEST(epoll_sleeps_long_enough_without_pwait2)
{
    under_filter(__NR_epoll_pwait2, ENOSYS, epoll_sleeps);
    under_filter(__NR_epoll_pwait2, EPERM, epoll_sleeps);
}
END_TEST

START_TEST(impossible_settings_are_refused)
{
    static const struct io_settings impossible[] = {
        { .buffer_count = 3 },
        { .buffer_count = 65536 },
        { .buffer_size = (size_t)INT32_MAX + 1 },
        { .stream_most = (1 << 24) + 1 },
        { .user_timeout_ns = -1 },
        { .keepalive_ns = -1 },
    };
    struct io *io = NULL;

    for (size_t i = 0; i < ARRAY_LENGTH(impossible); i++)
        ck_assert_int_eq(io_new(IO_EPOLL, &impossible[i], &io), -EINVAL);
    ck_assert_ptr_null(io);
}
END_TEST

START_TEST(only_internet_addresses_are_connected_to)
{
    struct socket_address address = { .length = sizeof(address.v4) };
    struct io_stream *stream = NULL;
    struct io_desk desk;

    if (!io_desk_open(&desk, _i, NULL))
        return;
    address.any.sa_family = AF_UNIX;

    ck_assert_int_eq(io_connect(desk.io, &address, 1, &stream), -EAFNOSUPPORT);

    ck_assert_ptr_null(stream);
    ck_assert_uint_eq(desk.io->used_count, 0);
    io_desk_close(&desk);
}
END_TEST

#define ADD(situation, test)                                                   \
    tcase_add_loop_test(situation, test, 0, IO_DESK_WAYS)

int main(void)
{
    Suite *suite = suite_create("io_wait");
    TCase *wait = tcase_create("wait");
    TCase *choice = tcase_create("choice");
    SRunner *runner = srunner_create(suite);
    int failed;

    ADD(wait, idle_wait_lasts_as_long_as_asked);
    ADD(wait, signal_ends_a_wait_without_an_error);
    ADD(wait, watched_descriptor_is_reported_until_it_is_read_empty);
    ADD(wait, eventfd_wakes_although_nobody_reads_it);
    ADD(wait, eventfd_written_before_the_watch_is_reported);
    ADD(wait, no_wake_of_a_sleeping_wait_is_lost);
    ADD(wait, watch_is_refused_twice_and_over_the_limit);
    ADD(wait, watch_taken_back_says_nothing_even_if_it_was_delivered);
    ADD(wait, array_of_one_completion_loses_nothing);
    ADD(wait, only_internet_addresses_are_connected_to);
    tcase_add_test(choice,
                   auto_takes_epoll_where_io_uring_is_missing_or_forbidden);
    tcase_add_test(choice, auto_takes_epoll_where_rings_of_buffers_are_unknown);
    tcase_add_test(choice, auto_does_not_hide_a_lack_of_resources);
    tcase_add_test(choice, io_uring_that_was_asked_for_is_not_replaced);
    tcase_add_test(choice, epoll_sleeps_long_enough_without_pwait2);
    tcase_add_test(choice, impossible_settings_are_refused);
    tcase_set_timeout(wait, 60);
    suite_add_tcase(suite, wait);
    suite_add_tcase(suite, choice);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
