/* SPDX-License-Identifier: Apache-2.0 */

#include "ingest/io_way.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "common/clock.h"
#include "common/error.h"

/*
 * The io_uring way: one ring, one ring of provided buffers, and a multishot
 * receive per stream that stays in the kernel for as long as it can.
 *
 * Nothing here costs less per byte than epoll with large reads. What it buys
 * is one blocking point: sends, connects, receives and wake-ups leave and
 * arrive in the one call that waits.
 *
 * Ring. DEFER_TASKRUN makes the kernel do its part inside our wait and nowhere
 * else, so it never interrupts the parser; it needs SINGLE_ISSUER and Linux
 * 6.1. COOP_TASKRUN (5.19) is the next best. SUBMIT_ALL lets one malformed
 * request fail alone. Flags are tried, not deduced from a version, because
 * distributions carry patches back.
 *
 * Receive. A multishot receive ends whenever the kernel likes to end it, and
 * says so by leaving out F_MORE; that flag is the only one to go by. The usual
 * end is ENOBUFS, which means that the caller has all buffers. Asking again at
 * once would fail at once, so a starved stream waits for its turn in the list
 * of those that are due, and is asked for only while there are buffers. Its
 * first receive is then a single one: a multishot of the first in the list
 * would eat the buffers of all the others, turn after turn. So a pool of four
 * serves hundreds of streams. Two receives at once on one socket could complete
 * in either order: nothing is asked for before the former one has ended.
 *
 * user_data is generation, slot, operation. A slot is used again only when the
 * kernel has said of each of its operations that it ended, so a completion of
 * a former stream should be impossible. Kernels have had errors there, and a
 * message of one nsqd counted as one of another would be a wrong FIN: hence
 * the generation, which costs nothing.
 *
 * Close. close(2) of a socket cancels nothing: the operations hold the file,
 * and the buffer of a send. So a stream that is closed is first shut down,
 * after which the kernel reads no byte of the caller's memory any more (a send
 * that waits for room fails with EPIPE); then all operations of its descriptor
 * are cancelled; and only after the last of them has ended is the descriptor
 * closed and its number free for another stream. A cancellation that finds
 * nothing (ENOENT) lost a race with the end it wanted. A connect is cancelled
 * but not shut down: that would make the kernel connect anew.
 *
 * Completion queue. It is sized for every buffer and every stream at once. If
 * it overflows all the same, the kernel keeps the rest (FEAT_NODROP), and the
 * peek fetches it.
 */

#define SUBMISSIONS     256 /* more than that leave in a second call */
#define BUFFER_GROUP    0
#define PEEK_AT_ONCE    64
#define SLOT_SHIFT      8
#define SLOT_MASK       0xffffffU
#define SEND_MOST       (1U << 30) /* bytes: a length is 32 bits here */
#define NEEDED_FEATURES (IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP)

/* Operations: bits of stream->asked, and the lowest byte of user_data. */
enum {
    ASKED_CONNECT = 1,
    ASKED_SEND = 2,
    ASKED_RECEIVE = 4,
    ASKED_POLL = 8,
    ASKED_CANCEL = 16,       /* the cancellation itself is under way */
    CANCELLED_ALL = 256,     /* asked once already: not an operation */
    CANCELLED_RECEIVE = 512, /* the same */
    ASKED_MULTISHOT = 1024,  /* of the receive under way */
    ASKED_OPERATION = 255,   /* mask */
};

struct uring {
    struct io_uring ring;
    struct io_uring_buf_ring *buffers;
    size_t buffers_length; /* bytes mapped */
    int given_back;        /* buffers put into the ring, not yet published */
    size_t allowance;      /* starved streams that may be asked for now */
    bool is_single_shot;   /* this kernel has no multishot receive (5.19) */
    bool is_proven;        /* a multishot receive has succeeded */
};

struct ring_mode {
    unsigned flags;
    const char *name;
};

/* From the best to the one that every kernel has; 5.19 begins at the second. */
static const struct ring_mode ring_modes[] = {
    { IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER |
          IORING_SETUP_SUBMIT_ALL,
      "deferred task work" },
    { IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL,
      "co-operative task work" },
    { 0, "plain" },
};

static uint64_t name_of(const struct io_stream *stream, unsigned operation)
{
    return (uint64_t)stream->generation << 32 |
           (uint64_t)stream->slot << SLOT_SHIFT | operation;
}

/* The stream an operation belongs to; NULL if it is not there any more. */
static struct io_stream *stream_of(struct io *io, uint64_t user_data)
{
    uint32_t slot = (uint32_t)(user_data >> SLOT_SHIFT) & SLOT_MASK;
    struct io_stream *stream;

    if (slot >= io->settings.stream_most)
        return NULL;
    stream = &io->streams[slot];
    if (stream->generation != user_data >> 32 || stream->state == IO_FREE)
        return NULL;
    return stream;
}

static void uring_give_back(struct io *io, uint16_t buffer)
{
    struct uring *uring = io->kernel;

    io_uring_buf_ring_add(
        uring->buffers, io_buffer(io, buffer),
        (unsigned)io->settings.buffer_size, buffer,
        io_uring_buf_ring_mask((uint32_t)io->settings.buffer_count),
        uring->given_back++);
}

static void publish_buffers(struct uring *uring)
{
    if (uring->given_back > 0)
        io_uring_buf_ring_advance(uring->buffers, uring->given_back);
    uring->given_back = 0;
}

static struct io_uring_sqe *take_sqe(struct uring *uring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);

    if (!sqe && io_uring_submit(&uring->ring) > 0)
        sqe = io_uring_get_sqe(&uring->ring);
    return sqe;
}

typedef void prepare_function(struct io_uring_sqe *sqe,
                              struct io_stream *stream);

/* Begin an operation. Returns false, and changes nothing, without room. */
static bool ask(struct io_stream *stream, unsigned operation,
                prepare_function *prepare)
{
    struct io_uring_sqe *sqe = take_sqe(stream->io->kernel);

    if (!sqe)
        return false;
    prepare(sqe, stream);
    io_uring_sqe_set_data64(sqe, name_of(stream, operation));
    stream->asked |= operation;
    return true;
}

static void prepare_connect(struct io_uring_sqe *sqe, struct io_stream *stream)
{
    io_uring_prep_connect(sqe, stream->descriptor, &stream->to.any,
                          stream->to.length);
}

/* MSG_WAITALL: the kernel completes a short send by itself. */
static void prepare_send(struct io_uring_sqe *sqe, struct io_stream *stream)
{
    size_t length = stream->unsent.length;

    io_uring_prep_send(sqe, stream->descriptor, stream->unsent.data,
                       length < SEND_MOST ? length : SEND_MOST,
                       MSG_NOSIGNAL | MSG_WAITALL);
}

static void prepare_receive(struct io_uring_sqe *sqe, struct io_stream *stream)
{
    const struct uring *uring = stream->io->kernel;

    stream->asked &= ~(CANCELLED_RECEIVE | ASKED_MULTISHOT);
    if (uring->is_single_shot || stream->is_starved) {
        io_uring_prep_recv(sqe, stream->descriptor, NULL,
                           stream->io->settings.buffer_size, 0);
    } else {
        io_uring_prep_recv_multishot(sqe, stream->descriptor, NULL, 0, 0);
        stream->asked |= ASKED_MULTISHOT;
    }
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    stream->is_starved = false;
}

/*
 * A poll looks before it sleeps. Asked for at each wait, it reports a
 * descriptor that was not read empty again; a multishot poll reports once.
 */
static void prepare_poll(struct io_uring_sqe *sqe, struct io_stream *stream)
{
    if (stream->role == IO_ROLE_EVENTFD)
        io_uring_prep_poll_multishot(sqe, stream->descriptor, POLLIN);
    else
        io_uring_prep_poll_add(sqe, stream->descriptor, POLLIN);
}

/*
 * A watched descriptor may be closed already, and its number be another's, so
 * a watch is cancelled by name; a socket is still ours, and one request finds
 * all operations on it.
 */
static void prepare_cancel_all(struct io_uring_sqe *sqe,
                               struct io_stream *stream)
{
    if (stream->role == IO_ROLE_STREAM)
        io_uring_prep_cancel_fd(sqe, stream->descriptor,
                                IORING_ASYNC_CANCEL_ALL);
    else
        io_uring_prep_cancel64(sqe, name_of(stream, ASKED_POLL), 0);
    stream->asked |= CANCELLED_ALL;
}

static void prepare_cancel_receive(struct io_uring_sqe *sqe,
                                   struct io_stream *stream)
{
    io_uring_prep_cancel64(sqe, name_of(stream, ASKED_RECEIVE), 0);
    stream->asked |= CANCELLED_RECEIVE;
}

static bool settle_receive(struct uring *uring, struct io_stream *stream)
{
    if (stream->is_closed_by_peer)
        return true;
    if (stream->is_paused) {
        bool is_needed = (stream->asked & ASKED_RECEIVE) &&
                         !(stream->asked & (ASKED_CANCEL | CANCELLED_RECEIVE));

        return !is_needed || ask(stream, ASKED_CANCEL, prepare_cancel_receive);
    }
    if (stream->asked & ASKED_RECEIVE) {
        if (!(stream->asked & ASKED_CANCEL))
            stream->asked &= ~CANCELLED_RECEIVE; /* it found nothing */
        return true;
    }
    if (uring->allowance == 0) {
        stream->is_starved = true;
        return false;
    }
    uring->allowance -= stream->is_starved;
    return ask(stream, ASKED_RECEIVE, prepare_receive);
}

static bool settle_closing(struct io_stream *stream)
{
    if (!(stream->asked & ASKED_OPERATION)) {
        io_forget(stream);
        return true;
    }
    if (stream->asked & (ASKED_CANCEL | CANCELLED_ALL))
        return true; /* its completions bring it back here */
    return ask(stream, ASKED_CANCEL, prepare_cancel_all);
}

/* Ask for what is wanted and not asked for; false if it must stay due. */
static bool settle(struct uring *uring, struct io_stream *stream)
{
    bool may_send = stream->unsent.length > 0 && !(stream->asked & ASKED_SEND);

    switch (stream->state) {
    case IO_CONNECTING:
        return (stream->asked & ASKED_CONNECT) ||
               ask(stream, ASKED_CONNECT, prepare_connect);
    case IO_OPEN:
        if (stream->role != IO_ROLE_STREAM)
            return (stream->asked & ASKED_POLL) ||
                   ask(stream, ASKED_POLL, prepare_poll);
        if (may_send && !ask(stream, ASKED_SEND, prepare_send))
            return false;
        return settle_receive(uring, stream);
    case IO_CLOSING:
        return settle_closing(stream);
    case IO_FREE:
    case IO_ENDED:
        break;
    }
    return true;
}

static void settle_all(struct io *io)
{
    struct uring *uring = io->kernel;

    uring->allowance = io_buffers_left(io);
    for (size_t left = io->due_count; left > 0; left--) {
        struct io_stream *stream = io_next_due(io);

        if (!settle(uring, stream))
            io_due(stream);
    }
}

/* Returns true if the buffer went to the caller. */
static bool on_received(struct io_stream *stream, int result, int buffer)
{
    struct uring *uring = stream->io->kernel;

    if (result > 0 && buffer >= 0) {
        uring->is_proven |= (stream->asked & ASKED_MULTISHOT) != 0;
        io_deliver_received(stream, (uint16_t)buffer, (size_t)result);
        return true;
    }
    if (result == -EINVAL && (stream->asked & ASKED_MULTISHOT) &&
        !uring->is_proven) {
        uring->is_single_shot = true;
        return false;
    }
    switch (result) {
    case 0:
        stream->is_closed_by_peer = true;
        io_deliver(stream, IO_CLOSED_BY_PEER);
        break;
    case -ENOBUFS:
        stream->is_starved = true;
        break;
    case -ECANCELED: /* by a pause, or by nobody: the next settling knows */
    case -EINTR:
    case -EAGAIN:
        break;
    default:
        io_deliver_failure(stream, result);
    }
    return false;
}

static void on_sent(struct io_stream *stream, int result)
{
    if (result >= 0)
        io_deliver_sent(stream, (size_t)result);
    else if (result != -EINTR && result != -EAGAIN)
        io_deliver_failure(stream, result);
}

/*
 * What an operation of a stream that is still wanted has come to. Returns true
 * if the buffer went to the caller. What was cancelled speaks for itself. A
 * descriptor that cannot be polled counts as readable: reading tells why.
 */
static bool on_completion(struct io_stream *stream, unsigned operation,
                          int result, int buffer)
{
    if (operation == ASKED_RECEIVE)
        return on_received(stream, result, buffer);
    if (operation == ASKED_SEND)
        on_sent(stream, result);
    else if (operation == ASKED_CONNECT)
        io_deliver_connected(stream, result);
    else if (operation == ASKED_POLL && result != -ECANCELED)
        io_deliver(stream, IO_READABLE);
    return false;
}

static int buffer_of(const struct io *io, const struct io_uring_cqe *cqe)
{
    uint32_t buffer = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

    if (!(cqe->flags & IORING_CQE_F_BUFFER))
        return -1;
    assert(buffer < io->settings.buffer_count);
    return (int)buffer;
}

static void take_completion(struct io *io, const struct io_uring_cqe *cqe)
{
    struct io_stream *stream = stream_of(io, cqe->user_data);
    unsigned operation = cqe->user_data & ((1U << SLOT_SHIFT) - 1);
    int buffer = buffer_of(io, cqe);
    bool is_lent = false;

    if (stream) {
        bool is_last = !(cqe->flags & IORING_CQE_F_MORE);

        if (is_last)
            stream->asked &= ~operation;
        if (stream->state == IO_CONNECTING || stream->state == IO_OPEN)
            is_lent = on_completion(stream, operation, cqe->res, buffer);
        if (is_last)
            io_due(stream);
    }
    if (buffer >= 0 && !is_lent)
        uring_give_back(io, (uint16_t)buffer);
}

/* A completion delivers at most one of ours, so they always fit. */
static void take_completions(struct io *io)
{
    struct uring *uring = io->kernel;
    struct io_uring_cqe *cqes[PEEK_AT_ONCE];

    while (io_room(io) > 0) {
        unsigned most =
            io_room(io) < PEEK_AT_ONCE ? (unsigned)io_room(io) : PEEK_AT_ONCE;
        unsigned count = io_uring_peek_batch_cqe(&uring->ring, cqes, most);

        if (count == 0)
            return;
        for (unsigned i = 0; i < count; i++)
            take_completion(io, cqes[i]);
        io_uring_cq_advance(&uring->ring, count);
    }
}

/* One call in every case, and none if all is there and nothing is asked. */
static int enter(struct uring *uring, int64_t timeout_ns)
{
    struct __kernel_timespec timeout = {
        .tv_sec = timeout_ns / NS_PER_SECOND,
        .tv_nsec = timeout_ns % NS_PER_SECOND,
    };
    struct io_uring_cqe *first;

    if (io_uring_cq_ready(&uring->ring) == 0)
        return io_uring_submit_and_wait_timeout(&uring->ring, &first, 1,
                                                &timeout, NULL);
    if (io_uring_sq_ready(&uring->ring) > 0)
        return io_uring_submit(&uring->ring);
    return 0;
}

/*
 * Besides time-out and signal: EBUSY means that the completion queue overflows
 * and must be taken from first, EAGAIN that there was no memory for a request,
 * which is still in the queue.
 */
static bool is_for_a_moment(int result)
{
    return result == -ETIME || result == -EINTR || result == -EBUSY ||
           result == -EAGAIN;
}

static int uring_wait(struct io *io, int64_t timeout_ns)
{
    struct uring *uring = io->kernel;
    int result;

    settle_all(io);
    publish_buffers(uring);
    /* Those asked for may have nothing to receive, and those left may. */
    if (io->due_count > 0 && io_buffers_left(io) > 0)
        timeout_ns = 0;
    result = enter(uring, timeout_ns);
    if (result < 0 && !is_for_a_moment(result))
        return error_origin(result, "io_uring_enter");
    take_completions(io);
    return 0;
}

static int uring_begin_watch(struct io *io, struct io_stream *stream)
{
    (void)io;
    io_due(stream);
    return 0;
}

static void uring_end(struct io *io, struct io_stream *stream)
{
    (void)io;
    if (stream->role == IO_ROLE_STREAM && stream->state != IO_CONNECTING &&
        (stream->asked & ASKED_OPERATION))
        (void)shutdown(stream->descriptor, SHUT_RDWR);
    stream->state = IO_CLOSING;
    io_due(stream);
}

static const char *cause_of(int result)
{
    switch (result) {
    case -EPERM:
        return " (seccomp or kernel.io_uring_disabled)";
    case -ENOSYS:
        return " (no io_uring in this kernel)";
    case -EINVAL:
        return " (this kernel's io_uring is too old)";
    default:
        return "";
    }
}

static int refuse(struct io *io, int result, const char *call)
{
    (void)snprintf(io->reason, sizeof(io->reason), "%s: %s%s", call,
                   strerror(-result), cause_of(result));
    return result;
}

static int set_up_ring(struct io *io, struct uring *uring)
{
    size_t operations =
        SUBMISSIONS + io->settings.buffer_count + io->settings.stream_most;
    int result = -EINVAL;

    uring->is_single_shot = io->settings.is_basic;
    for (size_t i = io->settings.is_basic ? 1 : 0;
         result == -EINVAL && i < ARRAY_LENGTH(ring_modes); i++) {
        struct io_uring_params parameters = {
            .flags =
                ring_modes[i].flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
            .cq_entries = 2 * (uint32_t)operations,
        };

        result =
            io_uring_queue_init_params(SUBMISSIONS, &uring->ring, &parameters);
        if (result == 0 &&
            (parameters.features & NEEDED_FEATURES) != NEEDED_FEATURES) {
            io_uring_queue_exit(&uring->ring);
            result = -EINVAL;
        }
        (void)snprintf(io->reason, sizeof(io->reason), "%s",
                       ring_modes[i].name);
    }
    return result ? refuse(io, result, "io_uring_setup") : 0;
}

/* liburing has a function for this from 2.4 on. */
static int set_up_buffers(struct io *io, struct uring *uring)
{
    size_t count = io->settings.buffer_count;
    size_t length = count * sizeof(struct io_uring_buf);
    struct io_uring_buf_reg registration = { .ring_entries = (uint32_t)count,
                                             .bgid = BUFFER_GROUP };
    void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int result;

    if (memory == MAP_FAILED)
        return refuse(io, -errno, "ring of receive buffers");
    registration.ring_addr = (uintptr_t)memory;
    result = io_uring_register_buf_ring(&uring->ring, &registration, 0);
    if (result) {
        (void)munmap(memory, length);
        return refuse(io, result, "io_uring_register(PBUF_RING)");
    }
    uring->buffers = memory;
    uring->buffers_length = length;
    io_uring_buf_ring_init(uring->buffers);
    for (size_t i = 0; i < count; i++)
        uring_give_back(io, (uint16_t)i);
    return 0;
}

static int uring_open(struct io *io)
{
    struct uring *uring = calloc(1, sizeof(*uring));
    int result;

    if (!uring)
        return refuse(io, -ENOMEM, "io_uring");
    result = set_up_ring(io, uring);
    if (result) {
        free(uring);
        return result;
    }
    io->kernel = uring;
    result = set_up_buffers(io, uring);
    if (result) {
        io_uring_queue_exit(&uring->ring);
        free(uring);
        io->kernel = NULL;
    }
    return result;
}

static void uring_close(struct io *io)
{
    struct uring *uring = io->kernel;

    (void)io_uring_unregister_buf_ring(&uring->ring, BUFFER_GROUP);
    io_uring_queue_exit(&uring->ring);
    (void)munmap(uring->buffers, uring->buffers_length);
    free(uring);
    io->kernel = NULL;
}

const struct io_way io_way_uring = {
    .name = "io_uring",
    .open = uring_open,
    .close = uring_close,
    .begin_watch = uring_begin_watch,
    .end = uring_end,
    .give_back = uring_give_back,
    .wait = uring_wait,
};
