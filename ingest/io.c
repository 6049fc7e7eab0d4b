/* SPDX-License-Identifier: Apache-2.0 */

#include "ingest/io.h"

#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/error.h"
#include "ingest/io_way.h"

/*
 * What the two ways have in common: slots, the list of those that are due, the
 * pool of receive buffers, and the caller's array.
 *
 * Why one small pool. A buffer per connection would be memory for the worst
 * case of every connection at once. A large pool is no better: a busy kernel
 * fills all of it in one call, the bytes have left the cache before they are
 * parsed, and throughput falls. About the size of the L2 cache is right, and
 * running out of buffers is no error but the way in which a slow caller slows
 * the senders down, through TCP.
 *
 * Why completions are taken back. A caller walks through an array; at its
 * third entry it closes a stream whose other bytes are in the fifth. If the
 * fifth were handed over, each caller would need a look-up by generation
 * before it trusts a tag. So io_close() empties it: the caller may free what
 * belongs to a stream in the same line as it closes the stream.
 */

#define BUFFER_SIZE_DEFAULT  ((size_t)64 * 1024)
#define BUFFER_COUNT_DEFAULT 16
#define BUFFER_COUNT_MOST    32768 /* of a ring of buffers, io_uring_register(2) */
#define STREAM_MOST_DEFAULT  1024
#define STREAM_MOST_MOST     (1 << 24) /* io_uring.c keeps a slot in 24 bits */
#define TIMEOUT_DEFAULT_NS   (30 * NS_PER_SECOND)
#define KEEPALIVE_PROBES     3
#define CLOSE_ROUNDS         200 /* waits of CLOSE_ROUND_NS before io_free() ends */
#define CLOSE_ROUND_NS       (10 * NS_PER_MS)

void io_due(struct io_stream *stream)
{
    struct io *io = stream->io;

    if (stream->is_due)
        return;
    stream->is_due = true;
    stream->next = NULL;
    if (io->due_last)
        io->due_last->next = stream;
    else
        io->due_first = stream;
    io->due_last = stream;
    io->due_count++;
}

struct io_stream *io_next_due(struct io *io)
{
    struct io_stream *stream = io->due_first;

    if (!stream)
        return NULL;
    io->due_first = stream->next;
    if (!io->due_first)
        io->due_last = NULL;
    io->due_count--;
    stream->is_due = false;
    return stream;
}

static void unlist(struct io_stream *stream)
{
    struct io *io = stream->io;

    /* A full turn of the list keeps the order of the others. */
    for (size_t left = io->due_count; stream->is_due && left > 0; left--) {
        struct io_stream *first = io_next_due(io);

        if (first != stream)
            io_due(first);
    }
}

static struct io_completion *claim_completion(struct io_stream *stream,
                                              enum io_kind kind)
{
    struct io *io = stream->io;
    struct io_completion *completion;

    assert(io->completion_count < io->completion_most);
    completion = &io->completions[io->completion_count++];
    *completion = (struct io_completion){
        .kind = kind,
        .tag = stream->tag,
        .stream = stream->role == IO_ROLE_STREAM ? stream : NULL,
        .buffer = -1,
        .slot = stream->slot,
    };
    return completion;
}

void io_deliver(struct io_stream *stream, enum io_kind kind)
{
    (void)claim_completion(stream, kind);
}

void io_deliver_received(struct io_stream *stream, uint16_t buffer,
                         size_t length)
{
    struct io *io = stream->io;
    struct io_completion *completion = claim_completion(stream, IO_RECEIVED);

    assert(!io->is_lent[buffer] && length <= io->settings.buffer_size);
    io->is_lent[buffer] = true;
    io->lent_count++;
    completion->buffer = buffer;
    completion->bytes = bytes_of(io_buffer(io, buffer), length);
}

void io_deliver_failure(struct io_stream *stream, int error)
{
    bool was_connecting = stream->state == IO_CONNECTING;
    struct io_completion *completion = claim_completion(
        stream, was_connecting ? IO_CONNECT_FAILED : IO_FAILED);

    completion->error = error;
    stream->state = IO_ENDED;
    stream->unsent = bytes_of(NULL, 0);
}

void io_deliver_connected(struct io_stream *stream, int error)
{
    if (error) {
        io_deliver_failure(stream, error);
        return;
    }
    stream->state = IO_OPEN;
    io_deliver(stream, IO_CONNECTED);
}

void io_deliver_sent(struct io_stream *stream, size_t count)
{
    stream->unsent = bytes_skip(stream->unsent, count);
    if (stream->unsent.length == 0)
        io_deliver(stream, IO_SENT);
}

static struct io_stream *take_slot(struct io *io, enum io_role role,
                                   uint64_t tag)
{
    struct io_stream *stream = io->free;

    if (!stream)
        return NULL;
    io->free = stream->next;
    io->used_count++;
    *stream = (struct io_stream){
        .io = io,
        .tag = tag,
        .slot = stream->slot,
        .generation = stream->generation + 1,
        .role = role,
        .state = role == IO_ROLE_STREAM ? IO_CONNECTING : IO_OPEN,
        .descriptor = -1,
    };
    return stream;
}

void io_forget(struct io_stream *stream)
{
    struct io *io = stream->io;

    unlist(stream);
    if (stream->role == IO_ROLE_STREAM && stream->descriptor >= 0)
        (void)close(stream->descriptor);
    stream->descriptor = -1;
    stream->state = IO_FREE;
    stream->next = io->free;
    io->free = stream;
    io->used_count--;
}

static int set_option(int socket, int level, int name, int64_t value)
{
    int number = value > INT32_MAX ? INT32_MAX : (int)value;

    return setsockopt(socket, level, name, &number, sizeof(number)) ? -errno
                                                                    : 0;
}

/*
 * NSQ commands are small and each must leave at once (no Nagle). A peer whose
 * host vanished answers nothing, and TCP alone would go on for a quarter of an
 * hour: the user time-out bounds that while something is unacknowledged, the
 * keep-alive while nothing is (tcp(7)).
 */
static int set_tcp_options(int socket, const struct io_settings *settings)
{
    int64_t idle = settings->keepalive_ns / NS_PER_SECOND;
    int64_t interval = idle / KEEPALIVE_PROBES;
    int result;

    if (idle < 1)
        idle = 1;
    if (interval < 1)
        interval = 1;
    if ((result = set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1)) ||
        (result = set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1)) ||
        (result = set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, idle)) ||
        (result = set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, interval)) ||
        (result =
             set_option(socket, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES)))
        return result;
    return set_option(socket, IPPROTO_TCP, TCP_USER_TIMEOUT,
                      settings->user_timeout_ns / NS_PER_MS);
}

static int open_socket(const struct io *io, sa_family_t family)
{
    int flags = SOCK_STREAM | SOCK_CLOEXEC | io->way->socket_flags;
    int descriptor;
    int result;

    if (family != AF_INET && family != AF_INET6)
        return -EAFNOSUPPORT;
    descriptor = socket(family, flags, IPPROTO_TCP);
    if (descriptor < 0)
        return -errno;
    result = set_tcp_options(descriptor, &io->settings);
    if (result) {
        (void)close(descriptor);
        return result;
    }
    return descriptor;
}

int io_connect(struct io *io, const struct socket_address *address,
               uint64_t tag, struct io_stream **stream)
{
    struct io_stream *taken = take_slot(io, IO_ROLE_STREAM, tag);
    int descriptor;

    if (!taken)
        return IO_TOO_MANY;
    descriptor = open_socket(io, address->any.sa_family);
    if (descriptor < 0) {
        io_forget(taken);
        return descriptor;
    }
    taken->descriptor = descriptor;
    taken->to = *address;
    io_due(taken);
    *stream = taken;
    return 0;
}

void io_send(struct io_stream *stream, struct bytes bytes)
{
    assert(stream->state == IO_OPEN || stream->state == IO_ENDED);
    assert(stream->unsent.length == 0 && bytes.length > 0);
    if (stream->state == IO_ENDED)
        return; /* its IO_FAILED is on the way to the caller */
    stream->unsent = bytes;
    io_due(stream);
}

bool io_is_sending(const struct io_stream *stream)
{
    return stream->unsent.length > 0;
}

void io_pause_receive(struct io_stream *stream)
{
    stream->is_paused = true;
    io_due(stream);
}

void io_resume_receive(struct io_stream *stream)
{
    stream->is_paused = false;
    io_due(stream);
}

/* End a stream or watch, and take back what of it lies with the caller. */
static void end(struct io_stream *stream)
{
    struct io *io = stream->io;

    assert(stream->state != IO_FREE && stream->state != IO_CLOSING);
    for (size_t i = 0; i < io->completion_count; i++) {
        struct io_completion *completion = &io->completions[i];

        if (completion->slot == stream->slot) {
            completion->kind = IO_NOTHING;
            completion->stream = NULL;
        }
    }
    io->way->end(io, stream);
}

void io_close(struct io_stream *stream)
{
    if (!stream)
        return;
    assert(stream->role == IO_ROLE_STREAM);
    end(stream);
}

static struct io_stream *find_watch(struct io *io, int descriptor)
{
    for (size_t i = 0; i < io->settings.stream_most; i++) {
        struct io_stream *stream = &io->streams[i];

        if (stream->state == IO_OPEN && stream->role != IO_ROLE_STREAM &&
            stream->descriptor == descriptor)
            return stream;
    }
    return NULL;
}

static int watch(struct io *io, enum io_role role, int descriptor, uint64_t tag)
{
    struct io_stream *stream;
    int result;

    if (find_watch(io, descriptor))
        return -EEXIST;
    stream = take_slot(io, role, tag);
    if (!stream)
        return IO_TOO_MANY;
    stream->descriptor = descriptor;
    result = io->way->begin_watch(io, stream);
    if (result)
        io_forget(stream);
    return result;
}

int io_watch(struct io *io, int descriptor, uint64_t tag)
{
    return watch(io, IO_ROLE_WATCH, descriptor, tag);
}

int io_watch_eventfd(struct io *io, int descriptor, uint64_t tag)
{
    return watch(io, IO_ROLE_EVENTFD, descriptor, tag);
}

void io_unwatch(struct io *io, int descriptor)
{
    struct io_stream *stream = find_watch(io, descriptor);

    if (stream)
        end(stream);
}

int io_wait(struct io *io, int64_t timeout_ns,
            struct io_completion *completions, size_t most)
{
    int result;

    assert(most > 0 && timeout_ns >= 0);
    io->completions = completions;
    io->completion_count = 0;
    io->completion_most = most < INT32_MAX ? most : INT32_MAX;
    result = io->way->wait(io, timeout_ns);
    return result < 0 ? result : (int)io->completion_count;
}

void io_return(struct io *io, struct io_completion *completion)
{
    uint16_t buffer = (uint16_t)completion->buffer;

    if (completion->buffer < 0)
        return;
    assert(buffer < io->settings.buffer_count && io->is_lent[buffer]);
    completion->buffer = -1;
    completion->bytes = bytes_of(NULL, 0);
    io->is_lent[buffer] = false;
    io->lent_count--;
    io->way->give_back(io, buffer);
}

const char *io_name(const struct io *io)
{
    return io->way->name;
}

const char *io_reason(const struct io *io)
{
    return io->reason;
}

static int check_settings(const struct io_settings *settings)
{
    size_t count = settings->buffer_count;

    if (count > BUFFER_COUNT_MOST || (count & (count - 1)) != 0)
        return error_sentence(-EINVAL, "number of receive buffers must be a "
                                       "power of two up to 32768");
    if (settings->buffer_size > INT32_MAX)
        return error_sentence(-EINVAL, "receive buffers are too large");
    if (settings->stream_most > STREAM_MOST_MOST)
        return error_sentence(-EINVAL, "too many streams");
    if (settings->user_timeout_ns < 0 || settings->keepalive_ns < 0)
        return error_sentence(-EINVAL, "a time-out is negative");
    return 0;
}

static struct io_settings with_defaults(const struct io_settings *settings)
{
    struct io_settings all = settings ? *settings : (struct io_settings){ 0 };

    if (all.buffer_size == 0)
        all.buffer_size = BUFFER_SIZE_DEFAULT;
    if (all.buffer_count == 0)
        all.buffer_count = BUFFER_COUNT_DEFAULT;
    if (all.stream_most == 0)
        all.stream_most = STREAM_MOST_DEFAULT;
    if (all.user_timeout_ns == 0)
        all.user_timeout_ns = TIMEOUT_DEFAULT_NS;
    if (all.keepalive_ns == 0)
        all.keepalive_ns = TIMEOUT_DEFAULT_NS;
    return all;
}

static size_t pool_length(const struct io *io)
{
    return io->settings.buffer_size * io->settings.buffer_count;
}

/* Memory that is there from the start cannot be missing under load. */
static int allocate(struct io *io)
{
    size_t most = io->settings.stream_most;
    void *pool;

    io->streams = calloc(most, sizeof(*io->streams));
    io->is_lent = calloc(io->settings.buffer_count, sizeof(*io->is_lent));
    if (!io->streams || !io->is_lent)
        return error_origin(-ENOMEM, "streams");
    for (size_t i = most; i > 0; i--) {
        io->streams[i - 1].io = io;
        io->streams[i - 1].slot = (uint32_t)(i - 1);
        io->streams[i - 1].next = io->free;
        io->free = &io->streams[i - 1];
    }
    pool = mmap(NULL, pool_length(io), PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (pool == MAP_FAILED)
        return error_origin(-errno, "receive buffers");
    io->pool = pool;
    return 0;
}

static int open_way(struct io *io, const struct io_way *way)
{
    int result;

    io->way = way;
    result = way->open(io);
    if (result)
        io->way = NULL;
    return result;
}

static bool is_missing(int result)
{
    return result == -ENOSYS || result == -EPERM || result == -EINVAL;
}

static int choose_way(struct io *io, enum io_choice choice)
{
    int result = 0;

    if (choice != IO_EPOLL) {
        result = open_way(io, &io_way_uring);
        if (result == 0)
            return 0;
        if (choice == IO_URING || !is_missing(result))
            return error_sentence(result, "%s", io->reason);
    } else {
        (void)snprintf(io->reason, sizeof(io->reason), "as asked");
    }
    result = open_way(io, &io_way_epoll);
    return result ? error_sentence(result, "%s", io->reason) : 0;
}

int io_new(enum io_choice choice, const struct io_settings *settings,
           struct io **io)
{
    struct io *made = calloc(1, sizeof(*made));
    int result;

    if (!made)
        return error_origin(-ENOMEM, "io");
    made->settings = with_defaults(settings);
    result = check_settings(&made->settings);
    if (result)
        goto out;
    result = allocate(made);
    if (result)
        goto out;
    result = choose_way(made, choice);
    if (result)
        goto out;
    *io = made;
    made = NULL;
out:
    io_free(made);
    return result;
}

/*
 * The kernel may still write into the pool and read the addresses until it
 * has said of each operation that it ended. A task that cannot be cancelled
 * must not keep the process from ending, so the patience is bounded.
 */
static void close_all(struct io *io)
{
    struct io_completion completions[16];

    io->completion_count = 0;
    for (size_t i = 0; i < io->settings.stream_most; i++) {
        struct io_stream *stream = &io->streams[i];

        if (stream->state != IO_FREE && stream->state != IO_CLOSING)
            end(stream);
    }
    for (int round = 0; round < CLOSE_ROUNDS && io->used_count > 0; round++) {
        int count =
            io_wait(io, CLOSE_ROUND_NS, completions, ARRAY_LENGTH(completions));

        if (count < 0)
            break;
        assert(count == 0); /* a closing stream delivers nothing */
    }
}

void io_free(struct io *io)
{
    if (!io)
        return;
    if (io->way) {
        close_all(io);
        io->way->close(io);
    }
    if (io->pool)
        (void)munmap(io->pool, pool_length(io));
    free(io->is_lent);
    free(io->streams);
    free(io);
}
