/* SPDX-License-Identifier: Apache-2.0 */

/*
 * bench_io - what receiving costs in each way of io, over loopback.
 *
 *     bench_io [MEBIBYTES [MESSAGE_LENGTH [SEGMENT_LENGTH]]]
 *
 * A child process writes segments of 64 KiB to every connection in turn, as a
 * nsqd with a 64 KiB output buffer does; the parent receives, reads the first
 * word of each message, and returns the buffer. Printed is the processor time
 * of the parent alone, per message. Numbers of one machine at one time compare
 * with each other and with nothing else.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/error.h"
#include "ingest/io.h"

#define MEBIBYTE         ((uint64_t)1024 * 1024)
#define CONNECTIONS_MOST 64
#define COMPLETIONS      64
#define PATIENCE         (10 * NS_PER_SECOND)

struct way {
    const char *name;
    enum io_choice choice;
    bool is_basic;
};

static const struct way ways[] = {
    { "epoll", IO_EPOLL, false },
    { "io_uring", IO_URING, false },
    { "io_uring 5.19", IO_URING, true },
};

static const size_t connection_counts[] = { 1, 4, 16, 64 };

struct course {
    uint64_t length;         /* bytes over all connections */
    size_t message_length;   /* bytes */
    size_t segment_length;   /* bytes per write */
    size_t connection_count; /* at most CONNECTIONS_MOST */
};

struct result {
    uint64_t received; /* bytes */
    uint64_t waits;    /* calls of io_wait() */
    uint64_t buffers;  /* completions with bytes */
    uint64_t seen;     /* keeps the reads from being optimized away */
    int64_t cpu_ns;
    int64_t ns;
};

static _Noreturn void give_up(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static int64_t cpu_ns(void)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage))
        give_up("getrusage");
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NS_PER_SECOND +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * NS_PER_US;
}

static int listen_on_loopback(struct socket_address *address)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t length = sizeof(address->v4);

    *address = (struct socket_address){ .length = length };
    address->v4.sin_family = AF_INET;
    address->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listener < 0 || bind(listener, &address->any, length) ||
        listen(listener, CONNECTIONS_MOST) ||
        getsockname(listener, &address->any, &length))
        give_up("listen");
    return listener;
}

/* The child: as many whole segments as the course is long, in turns. */
static _Noreturn void send_all(int listener, const struct course *course)
{
    uint8_t *segment = calloc(1, course->segment_length);
    int peers[CONNECTIONS_MOST];
    uint64_t sent = 0;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* whatever the parent does */
    if (!segment)
        give_up("segment");
    for (size_t i = 0; i < course->connection_count; i++) {
        peers[i] = accept(listener, NULL, NULL);
        if (peers[i] < 0)
            give_up("accept");
    }
    while (sent < course->length) {
        for (size_t i = 0; i < course->connection_count; i++) {
            if (send(peers[i], segment, course->segment_length, 0) !=
                (ssize_t)course->segment_length)
                give_up("send");
            sent += course->segment_length;
        }
    }
    exit(EXIT_SUCCESS); /* which closes them */
}

static uint64_t look_at_messages(struct bytes bytes, size_t message_length)
{
    uint64_t seen = 0;

    for (size_t i = 0; i + sizeof(seen) <= bytes.length; i += message_length)
        seen += bytes_load_be64(bytes.data + i);
    return seen;
}

/* Returns how many streams ended. */
static size_t take(struct io *io, struct io_completion *completion,
                   const struct course *course, struct result *result)
{
    switch (completion->kind) {
    case IO_RECEIVED:
        result->buffers++;
        result->received += completion->bytes.length;
        result->seen +=
            look_at_messages(completion->bytes, course->message_length);
        io_return(io, completion);
        return 0;
    case IO_CLOSED_BY_PEER:
        io_close(completion->stream);
        return 1;
    case IO_CONNECT_FAILED:
    case IO_FAILED:
        fprintf(stderr, "%s\n", strerror(-completion->error));
        exit(EXIT_FAILURE);
    default:
        return 0;
    }
}

static void receive_all(struct io *io, const struct course *course,
                        struct result *result)
{
    struct io_completion completions[COMPLETIONS];
    struct monotonic start = clock_monotonic();
    int64_t cpu_start = cpu_ns();
    size_t ended = 0;

    while (ended < course->connection_count) {
        int count = io_wait(io, PATIENCE, completions, COMPLETIONS);

        if (count < 0) {
            fprintf(stderr, "%s\n", error_take(count));
            exit(EXIT_FAILURE);
        }
        result->waits++;
        for (int i = 0; i < count; i++)
            ended += take(io, &completions[i], course, result);
    }
    result->cpu_ns = cpu_ns() - cpu_start;
    result->ns = monotonic_between(start, clock_monotonic());
}

static void print_row(const struct way *way, const struct course *course,
                      const struct result *result)
{
    double messages = (double)result->received / (double)course->message_length;

    printf("%-14s %11zu %10.1f %10.1f %12.0f %10.1f\n", way->name,
           course->connection_count, (double)result->cpu_ns / messages,
           (double)result->ns / messages,
           (double)result->received / (double)result->buffers,
           (double)result->buffers / (double)result->waits);
}

static void run(const struct way *way, const struct course *course)
{
    struct io_settings settings = { .is_basic = way->is_basic };
    struct socket_address address;
    struct result result = { 0 };
    struct io *io = NULL;
    int listener = listen_on_loopback(&address);
    pid_t child = fork();
    int status;
    int code;

    if (child < 0)
        give_up("fork");
    if (child == 0)
        send_all(listener, course);
    (void)close(listener);
    code = io_new(way->choice, &settings, &io);
    if (code) {
        printf("%-14s %s\n", way->name, error_take(code));
        (void)kill(child, SIGKILL);
        (void)waitpid(child, &status, 0);
        return;
    }
    for (size_t i = 0; i < course->connection_count; i++) {
        struct io_stream *stream;

        if (io_connect(io, &address, i, &stream))
            give_up("connect");
    }
    receive_all(io, course, &result);
    io_free(io);
    if (waitpid(child, &status, 0) != child || status != 0)
        give_up("child");
    print_row(way, course, &result);
}

static uint64_t argument(int argc, char *const *argv, int index,
                         uint64_t initial)
{
    uint64_t value = initial;

    if (index < argc && (!bytes_parse_u64(bytes_of_text(argv[index]), &value) ||
                         value == 0 || value > UINT32_MAX)) {
        fprintf(stderr, "usage: bench_io [MEBIBYTES [MESSAGE_LENGTH "
                        "[SEGMENT_LENGTH]]]\n");
        exit(EXIT_FAILURE);
    }
    return value;
}

int main(int argc, char **argv)
{
    struct course course = {
        .length = argument(argc, argv, 1, 256) * MEBIBYTE,
        .message_length = argument(argc, argv, 2, 200),
        .segment_length = argument(argc, argv, 3, 64 * 1024),
    };

    printf("%-14s %11s %10s %10s %12s %10s\n", "way", "connections",
           "cpu ns/msg", "ns/msg", "bytes/buffer", "per wait");
    for (size_t i = 0; i < ARRAY_LENGTH(connection_counts); i++) {
        course.connection_count = connection_counts[i];
        for (size_t j = 0; j < ARRAY_LENGTH(ways); j++) {
            (void)fflush(stdout);
            run(&ways[j], &course);
        }
    }
    return EXIT_SUCCESS;
}
