/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * io - the seam between ingest and the kernel: one header, two ways.
 *
 *     io_connect, io_send, io_close ...       io_wait
 *     ─────────────────────────────► queued ────────► one system call
 *                                                         │
 *     io_return ◄──── read the bytes ◄──── completions ◄──┘
 *
 * The caller says what it wants; io_wait() tells the kernel everything that
 * was said since the last time, sleeps, and fills in what came of it. With
 * io_uring the kernel does the work while nobody looks; with epoll the same
 * calls do it by hand. A caller cannot tell the two apart, except by io_name().
 *
 * Thread    one: the thread that called io_new() makes all calls.
 * Owns      the sockets, the receive buffers, and the descriptors it made.
 * Memory    all of it is allocated by io_new(); nothing later.
 * Time      nanoseconds. There are no deadlines here: a caller whose patience
 *           with a stream has ended calls io_close().
 * Returns   0 or a count; an IO_* condition; or a negative errno.
 */

#include <stdint.h>
#include <sys/types.h>

#include "common/address.h"
#include "common/bytes.h"

struct io;        /* the kernel, as seen by one thread */
struct io_stream; /* one TCP connection */

enum io_choice {
    IO_AUTO, /* io_uring, or epoll where io_uring does not exist */
    IO_URING,
    IO_EPOLL,
};

/* 0 in any member stands for the value in brackets. */
struct io_settings {
    size_t buffer_size;      /* bytes of one receive buffer (64 KiB) */
    size_t buffer_count;     /* a power of two, at most 32768 (16) */
    size_t stream_most;      /* streams and watches at once (1024) */
    int64_t user_timeout_ns; /* unacknowledged for so long: failed (30 s) */
    int64_t keepalive_ns;    /* idle for so long: ask the peer (30 s) */
    bool is_basic;           /* io_uring as Linux 5.19 had it, for tests */
};

enum io_kind {
    IO_NOTHING,        /* its stream was closed meanwhile: skip it */
    IO_CONNECTED,      /* may be sent to from now on; is being received from */
    IO_CONNECT_FAILED, /* last completion of its stream: close it */
    IO_RECEIVED,       /* `bytes` came */
    IO_SENT,           /* all bytes of io_send() are with the kernel */
    IO_CLOSED_BY_PEER, /* nothing more will be received; sending may work */
    IO_FAILED,         /* last completion of its stream: close it */
    IO_READABLE,       /* a watched descriptor */
};

struct io_completion {
    enum io_kind kind;
    int error;                /* negative errno of the two failures, else 0 */
    uint64_t tag;             /* what io_connect() or io_watch() was given */
    struct io_stream *stream; /* NULL for IO_READABLE */
    struct bytes bytes;       /* IO_RECEIVED only; until io_return() */
    int32_t buffer;           /* of this module: which buffer, or -1 */
    uint32_t slot;            /* of this module: which stream or watch */
};

enum io_condition {
    IO_TOO_MANY = 1, /* settings.stream_most are open or being closed */
};

/*
 * Open the kernel in the way that was chosen. IO_AUTO takes epoll only where
 * io_uring is missing or forbidden (ENOSYS, EPERM, EINVAL); a lack of memory
 * or descriptors is a failure, because it would not spare epoll either.
 * The caller owns *io and gives it to io_free().
 *
 * Returns 0 or a negative errno, with a sentence for error_take().
 */
int io_new(enum io_choice choice, const struct io_settings *settings,
           struct io **io);

/* Close every stream, wait until the kernel let go of them. NULL is allowed. */
void io_free(struct io *io);

/* "io_uring" or "epoll". */
const char *io_name(const struct io *io);

/* Why it is this one, for the log. Lives as long as *io. */
const char *io_reason(const struct io *io);

/*
 * Begin to connect. IO_CONNECTED or IO_CONNECT_FAILED follows. The stream is
 * the caller's until io_close(), which is due even after a failure. TCP_NODELAY,
 * SO_KEEPALIVE and TCP_USER_TIMEOUT are set.
 *
 * Returns 0, IO_TOO_MANY, or a negative errno if no socket could be made; none
 * of these says anything about the other streams.
 */
int io_connect(struct io *io, const struct socket_address *address,
               uint64_t tag, struct io_stream **stream);

/*
 * Send `bytes`, of which there must be at least one. One io_send() per stream
 * may be under way, after IO_CONNECTED; the memory belongs to the kernel until
 * IO_SENT or io_close().
 */
void io_send(struct io_stream *stream, struct bytes bytes);

/* True from io_send() until its IO_SENT was delivered. */
bool io_is_sending(const struct io_stream *stream);

/*
 * Stop and go on receiving. What had been taken from the socket already may
 * still be delivered after a pause. A paused stream does not notice that its
 * peer is gone, and nsqd gives up a reader that lets it wait: the pause is for
 * moments, and RDY for everything longer.
 */
void io_pause_receive(struct io_stream *stream);
void io_resume_receive(struct io_stream *stream);

/*
 * Close, at any time and in any state. Nothing of this stream is delivered
 * from now on: completions in the array of the last io_wait() turn into
 * IO_NOTHING (their bytes stay readable until io_return()), memory given to
 * io_send() is the caller's again, and *stream must not be used any more.
 * NULL is allowed.
 */
void io_close(struct io_stream *stream);

/*
 * Report IO_READABLE with `tag` whenever `descriptor` has something to read,
 * at each io_wait() until it is read empty. The descriptor stays the caller's.
 *
 * Returns 0, IO_TOO_MANY, or a negative errno (-EEXIST: is watched already).
 */
int io_watch(struct io *io, int descriptor, uint64_t tag);

/*
 * The same for an eventfd that only wakes. Nobody needs to read it: each write
 * of the other side is reported once, several may be reported together.
 */
int io_watch_eventfd(struct io *io, int descriptor, uint64_t tag);

/* Before the descriptor is closed. Nothing of it is delivered from now on. */
void io_unwatch(struct io *io, int descriptor);

/*
 * Tell the kernel what was asked for and sleep until something came of it, at
 * most `timeout_ns` (0: only look). Up to `most` completions are written; the
 * array must stay where it is until the next io_wait(), and each completion
 * must be given to io_return() when its bytes are no longer needed. If no
 * buffer is free, nothing is received: that is the back-pressure.
 *
 * Returns how many were written; 0 after the time-out, a signal, or some work
 * of its own; or a negative errno, after which only io_free() makes sense.
 */
int io_wait(struct io *io, int64_t timeout_ns,
            struct io_completion *completions, size_t most);

/*
 * Give the buffer of a completion back and empty its `bytes`. Does nothing for
 * a completion without bytes, or a second time. At any time before io_free().
 */
void io_return(struct io *io, struct io_completion *completion);
