/* SPDX-License-Identifier: Apache-2.0 */

#include "ingest/io_way.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/error.h"

/*
 * The epoll way, for kernels and containers without io_uring, for debuggers
 * and record-and-replay tools. It behaves as io_uring.c does, by hand.
 *
 * Streams are edge-triggered: the kernel says once that a socket has become
 * readable or writable, and this file remembers it until a call says EAGAIN.
 * With level triggering, a paused stream, or an empty pool, would need a call
 * to silence the socket and another to hear it again, or the wait would spin.
 * A read that fills less than the buffer has emptied the socket, which saves
 * the read that would say so; unless the peer has hung up, because the edge of
 * its end may have come together with the bytes and will not come again.
 *
 * Fairness. Each stream that is readable gets one buffer per pass, at most two
 * per wait, and then goes to the end of the list: a nsqd that sends without a
 * pause cannot starve the heartbeat of another.
 *
 * Buffers are one stack for all: the last one given back is the one most
 * likely to be in the cache.
 */

#define READY_AT_ONCE 64

/* Bits of stream->asked. */
enum {
    IS_ADDED = 1, /* the descriptor is in the epoll set; connect was called */
};

struct epoll_set {
    int descriptor;
    bool has_no_pwait2; /* Linux before 5.11, or a strict container */
    size_t free_count;
    uint16_t free_buffers[]; /* free_count of buffer_count */
};

enum settled {
    SETTLED,  /* nothing more until the kernel speaks */
    STAY_DUE, /* waits for a buffer or for room in the caller's array */
    GO_ON,    /* can go on at once */
};

static void epoll_give_back(struct io *io, uint16_t buffer)
{
    struct epoll_set *set = io->kernel;

    assert(set->free_count < io->settings.buffer_count);
    set->free_buffers[set->free_count++] = buffer;
}

static int add(const struct epoll_set *set, struct io_stream *stream,
               uint32_t wanted)
{
    struct epoll_event event = {
        .events = wanted,
        .data.u64 = (uint64_t)stream->generation << 32 | stream->slot,
    };

    if (epoll_ctl(set->descriptor, EPOLL_CTL_ADD, stream->descriptor, &event))
        return -errno;
    stream->asked |= IS_ADDED;
    return 0;
}

static enum settled begin_connect(struct epoll_set *set,
                                  struct io_stream *stream)
{
    int result =
        connect(stream->descriptor, &stream->to.any, stream->to.length);
    int error = result ? -errno : 0;

    if (error == -EINPROGRESS || error == -EINTR)
        error = 0;
    if (!error)
        error = add(set, stream, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    if (error)
        io_deliver_connected(stream, error);
    return SETTLED;
}

static enum settled settle_connect(struct epoll_set *set,
                                   struct io_stream *stream)
{
    int error = 0;
    socklen_t length = sizeof(error);

    if (io_room(stream->io) == 0)
        return STAY_DUE;
    if (!(stream->asked & IS_ADDED))
        return begin_connect(set, stream);
    if (!stream->is_writable)
        return SETTLED;
    if (getsockopt(stream->descriptor, SOL_SOCKET, SO_ERROR, &error, &length))
        error = errno;
    io_deliver_connected(stream, -error);
    return stream->state == IO_OPEN ? GO_ON : SETTLED;
}

static enum settled settle_send(struct io_stream *stream)
{
    while (stream->unsent.length > 0 && stream->is_writable) {
        ssize_t count;

        if (io_room(stream->io) == 0)
            return STAY_DUE;
        count = send(stream->descriptor, stream->unsent.data,
                     stream->unsent.length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count >= 0)
            io_deliver_sent(stream, (size_t)count);
        else if (errno == EAGAIN)
            stream->is_writable = false;
        else if (errno != EINTR)
            io_deliver_failure(stream, -errno);
    }
    return SETTLED;
}

static void on_received(struct io_stream *stream, uint16_t buffer,
                        ssize_t result)
{
    struct epoll_set *set = stream->io->kernel;

    if (result > 0) {
        if ((size_t)result < stream->io->settings.buffer_size &&
            !stream->is_hung_up)
            stream->is_readable = false;
        io_deliver_received(stream, buffer, (size_t)result);
        return;
    }
    set->free_buffers[set->free_count++] = buffer;
    if (result == 0) {
        stream->is_closed_by_peer = true;
        io_deliver(stream, IO_CLOSED_BY_PEER);
    } else if (result == -EAGAIN) {
        stream->is_readable = false;
    } else if (result != -EINTR) {
        io_deliver_failure(stream, (int)result);
    }
}

static bool wants_receive(const struct io_stream *stream)
{
    return stream->state == IO_OPEN && stream->is_readable &&
           !stream->is_paused && !stream->is_closed_by_peer;
}

static enum settled settle_receive(struct epoll_set *set,
                                   struct io_stream *stream)
{
    ssize_t result;
    uint16_t buffer;

    if (!wants_receive(stream))
        return SETTLED;
    if (set->free_count == 0 || io_room(stream->io) == 0)
        return STAY_DUE;
    buffer = set->free_buffers[--set->free_count];
    result = recv(stream->descriptor, io_buffer(stream->io, buffer),
                  stream->io->settings.buffer_size, MSG_DONTWAIT);
    on_received(stream, buffer, result < 0 ? -errno : result);
    return wants_receive(stream) ? GO_ON : SETTLED;
}

static enum settled settle(struct epoll_set *set, struct io_stream *stream)
{
    enum settled sent;
    enum settled received;

    if (stream->state == IO_CONNECTING) {
        sent = settle_connect(set, stream);
        if (sent != GO_ON)
            return sent;
    }
    if (stream->state != IO_OPEN || stream->role != IO_ROLE_STREAM)
        return SETTLED;
    sent = settle_send(stream);
    received = settle_receive(set, stream);
    return sent > received ? sent : received;
}

/*
 * Returns true if a stream could go on without hearing from the kernel. Those
 * go to the end of the list, behind those that found no buffer: the other way
 * round, the first of the list would take the only buffer each time.
 */
static bool settle_all(struct io *io)
{
    struct epoll_set *set = io->kernel;
    struct io_stream *served = NULL;
    struct io_stream **last = &served;

    for (size_t left = io->due_count; left > 0; left--) {
        struct io_stream *stream = io_next_due(io);
        enum settled settled = settle(set, stream);

        if (settled == STAY_DUE)
            io_due(stream);
        if (settled == GO_ON) {
            stream->next = NULL;
            *last = stream;
            last = &stream->next;
        }
    }
    if (!served)
        return false;
    while (served) {
        struct io_stream *next = served->next;

        io_due(served);
        served = next;
    }
    return true;
}

static void on_ready(struct io *io, uint64_t name, uint32_t ready)
{
    struct io_stream *stream = &io->streams[(uint32_t)name];

    if (stream->generation != name >> 32)
        return;
    if (stream->role != IO_ROLE_STREAM) {
        io_deliver(stream, IO_READABLE);
        return;
    }
    if (ready & (EPOLLERR | EPOLLHUP | EPOLLRDHUP))
        stream->is_hung_up = true;
    if (ready & (EPOLLERR | EPOLLHUP | EPOLLRDHUP | EPOLLIN))
        stream->is_readable = true;
    if (ready & (EPOLLERR | EPOLLHUP | EPOLLOUT))
        stream->is_writable = true;
    io_due(stream);
}

/* epoll_wait() knows milliseconds only: rounded up, or the caller would spin. */
static int sleep_in_ms(const struct epoll_set *set, struct epoll_event *ready,
                       int most, int64_t timeout_ns)
{
    int64_t ms = timeout_ns / NS_PER_MS + (timeout_ns % NS_PER_MS > 0);

    return epoll_wait(set->descriptor, ready, most,
                      ms > INT32_MAX ? INT32_MAX : (int)ms);
}

static int sleep_until_ready(struct epoll_set *set, struct epoll_event *ready,
                             int most, int64_t timeout_ns)
{
    struct timespec timeout = { .tv_sec = timeout_ns / NS_PER_SECOND,
                                .tv_nsec = timeout_ns % NS_PER_SECOND };
    int count = -1;

    errno = ENOSYS;
    if (!set->has_no_pwait2)
        count = epoll_pwait2(set->descriptor, ready, most, &timeout, NULL);
    if (count < 0 && (errno == ENOSYS || errno == EPERM)) {
        set->has_no_pwait2 = true;
        count = sleep_in_ms(set, ready, most, timeout_ns);
    }
    return count < 0 ? -errno : count;
}

static int epoll_wait_turn(struct io *io, int64_t timeout_ns)
{
    struct epoll_set *set = io->kernel;
    struct epoll_event ready[READY_AT_ONCE] = { 0 };
    bool can_go_on = settle_all(io);
    size_t room = io_room(io);
    int count;

    if (room == 0)
        return 0;
    if (can_go_on || io->completion_count > 0)
        timeout_ns = 0;
    count = sleep_until_ready(set, ready,
                              room < READY_AT_ONCE ? (int)room : READY_AT_ONCE,
                              timeout_ns);
    if (count == -EINTR)
        return 0;
    if (count < 0)
        return error_origin(count, "epoll_wait");
    for (int i = 0; i < count; i++)
        on_ready(io, ready[i].data.u64, ready[i].events);
    (void)settle_all(io);
    return 0;
}

static int epoll_begin_watch(struct io *io, struct io_stream *stream)
{
    uint32_t edge = stream->role == IO_ROLE_EVENTFD ? EPOLLET : 0;

    return add(io->kernel, stream, EPOLLIN | edge);
}

static void epoll_end(struct io *io, struct io_stream *stream)
{
    const struct epoll_set *set = io->kernel;

    /* A socket that is closed leaves the set by itself. */
    if (stream->role != IO_ROLE_STREAM)
        (void)epoll_ctl(set->descriptor, EPOLL_CTL_DEL, stream->descriptor,
                        NULL);
    io_forget(stream);
}

static int epoll_open(struct io *io)
{
    size_t count = io->settings.buffer_count;
    struct epoll_set *set =
        calloc(1, sizeof(*set) + count * sizeof(set->free_buffers[0]));
    int descriptor = epoll_create1(EPOLL_CLOEXEC);

    if (!set || descriptor < 0) {
        int result = set ? -errno : -ENOMEM;

        (void)snprintf(io->reason, sizeof(io->reason), "epoll_create1: %s",
                       strerror(-result));
        if (descriptor >= 0)
            (void)close(descriptor);
        free(set);
        return result;
    }
    io->kernel = set;
    set->descriptor = descriptor;
    while (count > 0)
        set->free_buffers[set->free_count++] = (uint16_t)--count;
    return 0;
}

static void epoll_close(struct io *io)
{
    struct epoll_set *set = io->kernel;

    (void)close(set->descriptor);
    free(set);
    io->kernel = NULL;
}

const struct io_way io_way_epoll = {
    .name = "epoll",
    .socket_flags = SOCK_NONBLOCK,
    .open = epoll_open,
    .close = epoll_close,
    .begin_watch = epoll_begin_watch,
    .end = epoll_end,
    .give_back = epoll_give_back,
    .wait = epoll_wait_turn,
};
