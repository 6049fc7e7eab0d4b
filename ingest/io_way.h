/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * io_way - what io.c shares with its two ways, io_uring.c and io_epoll.c.
 *
 * A stream says what is wanted of it (`state`, `unsent`, `is_paused`) and what
 * the kernel was asked for (`asked`). Whoever changes one of the two puts the
 * stream on the list of those that are due; the next wait settles each stream
 * of the list: it compares wanted with asked and asks for the difference. So a
 * call can never fail for want of a queue entry, what is taken back before the
 * wait is never asked for, and no order of calls needs a case of its own.
 *
 * A watch is a stream of which nothing but its readability is wanted.
 */

#include "ingest/io.h"

enum io_role {
    IO_ROLE_STREAM,
    IO_ROLE_WATCH,   /* level: readable is reported until it is not */
    IO_ROLE_EVENTFD, /* edge: each write is reported */
};

enum io_state {
    IO_FREE,       /* the slot is in the free list */
    IO_CONNECTING, /* until its completion */
    IO_OPEN,       /* connected; or a watch */
    IO_ENDED,      /* its last completion was delivered */
    IO_CLOSING,    /* unknown to the caller; the kernel has yet to let go */
};

struct io_stream {
    struct io *io;
    uint64_t tag;             /* the caller's */
    uint32_t slot;            /* index in io->streams */
    uint32_t generation;      /* counts the uses of the slot */
    enum io_role role;        /* why it is here */
    enum io_state state;      /* what is wanted */
    int descriptor;           /* ours for a stream, the caller's for a watch */
    struct bytes unsent;      /* what is left of io_send() */
    bool is_paused;           /* nothing is to be received */
    bool is_closed_by_peer;   /* nothing can be received any more */
    unsigned asked;           /* of the way: operations under way */
    bool is_starved;          /* io_uring: ended for want of a buffer */
    bool is_readable;         /* epoll: receiving may give something */
    bool is_writable;         /* epoll: sending may take something */
    bool is_hung_up;          /* epoll: the end or an error is in sight */
    bool is_due;              /* is in the list of those to be settled */
    struct io_stream *next;   /* in that list, or in the free list */
    struct socket_address to; /* lives here because the kernel reads it late */
};

struct io_way {
    const char *name;
    int socket_flags; /* for socket(2) */

    /* Make io->kernel; on failure say why in io->reason. 0, negative errno. */
    int (*open)(struct io *io);
    void (*close)(struct io *io);

    /* A watch begins; a stream or watch has just become IO_CLOSING. */
    int (*begin_watch)(struct io *io, struct io_stream *stream);
    void (*end)(struct io *io, struct io_stream *stream);

    /* A buffer may be received into again. */
    void (*give_back)(struct io *io, uint16_t buffer);

    /* Settle what is due, sleep, deliver. Returns 0 or a negative errno. */
    int (*wait)(struct io *io, int64_t timeout_ns);
};

struct io {
    const struct io_way *way;
    void *kernel; /* what the way needs */
    struct io_settings settings;
    char reason[200];

    struct io_stream *streams; /* settings.stream_most slots */
    struct io_stream *free;    /* slots to use; the last freed comes first */
    size_t used_count;         /* slots not in that list */

    struct io_stream *due_first; /* settled in this order: that is fair */
    struct io_stream *due_last;
    size_t due_count;

    uint8_t *pool;     /* buffer_count x buffer_size bytes, mapped */
    bool *is_lent;     /* per buffer: in a completion, not yet returned */
    size_t lent_count; /* how many of them */

    struct io_completion *completions; /* the array of the last io_wait() */
    size_t completion_count;
    size_t completion_most;
};

extern const struct io_way io_way_uring;
extern const struct io_way io_way_epoll;

/* Put a stream at the end of the list, if it is not in it. */
void io_due(struct io_stream *stream);

/* Take the first of the list; NULL if it is empty. */
struct io_stream *io_next_due(struct io *io);

/* Room in the caller's array. */
static inline size_t io_room(const struct io *io)
{
    return io->completion_most - io->completion_count;
}

/* Buffers that are not with the caller. */
static inline size_t io_buffers_left(const struct io *io)
{
    return io->settings.buffer_count - io->lent_count;
}

static inline uint8_t *io_buffer(const struct io *io, uint16_t buffer)
{
    return io->pool + buffer * io->settings.buffer_size;
}

/* Write one completion. There must be room. */
void io_deliver(struct io_stream *stream, enum io_kind kind);

/* IO_RECEIVED: the first `length` bytes of `buffer` are lent to the caller. */
void io_deliver_received(struct io_stream *stream, uint16_t buffer,
                         size_t length);

/* The last completion of a stream: IO_CONNECT_FAILED or IO_FAILED. */
void io_deliver_failure(struct io_stream *stream, int error);

/* How a connect ended: 0 or a negative errno. */
void io_deliver_connected(struct io_stream *stream, int error);

/* Account for `count` bytes sent; IO_SENT if they were the last. */
void io_deliver_sent(struct io_stream *stream, size_t count);

/* The kernel has let go of it: close the socket, free the slot. */
void io_forget(struct io_stream *stream);
