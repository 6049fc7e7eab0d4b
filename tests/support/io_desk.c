/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/io_desk.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/error.h"

bool io_desk_open(struct io_desk *desk, int way,
                  const struct io_settings *settings)
{
    struct io_settings own = settings ? *settings : (struct io_settings){ 0 };
    int result;

    *desk = (struct io_desk){ 0 };
    own.is_basic = way == 2;
    result = io_new(way == 0 ? IO_EPOLL : IO_URING, &own, &desk->io);
    if (result == -EPERM || result == -ENOSYS) {
        printf("skipped: %s\n", error_take(result));
        return false;
    }
    ck_assert_msg(result == 0, "%s", error_take(result));
    ck_assert_str_eq(io_name(desk->io), way == 0 ? "epoll" : "io_uring");
    return true;
}

void io_desk_close(struct io_desk *desk)
{
    while (desk->next < desk->count)
        io_return(desk->io, &desk->completions[desk->next++]);
    io_free(desk->io);
}

struct io_completion *io_desk_next(struct io_desk *desk, int64_t patience_ns)
{
    struct monotonic end = monotonic_after(clock_monotonic(), patience_ns);
    int64_t left = patience_ns;

    for (;;) {
        while (desk->next < desk->count) {
            struct io_completion *completion = &desk->completions[desk->next++];

            if (completion->kind != IO_NOTHING)
                return completion;
            io_return(desk->io, completion);
        }
        if (left < 0)
            return NULL;
        desk->next = 0;
        desk->count = io_wait(desk->io, left, desk->completions,
                              ARRAY_LENGTH(desk->completions));
        ck_assert_int_ge(desk->count, 0);
        left = monotonic_between(clock_monotonic(), end);
    }
}

struct io_completion *io_desk_expect(struct io_desk *desk, enum io_kind kind,
                                     uint64_t tag)
{
    struct io_completion *completion = io_desk_next(desk, IO_DESK_PATIENCE);

    ck_assert_msg(completion, "nothing came instead of kind %d", kind);
    ck_assert_msg(completion->kind == kind, "kind %d (%s) instead of %d",
                  completion->kind, strerror(-completion->error), kind);
    ck_assert_uint_eq(completion->tag, tag);
    return completion;
}

int io_desk_listen(struct socket_address *address, int backlog)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t length = sizeof(address->v4);

    ck_assert_int_ge(listener, 0);
    *address = (struct socket_address){ .length = length };
    address->v4.sin_family = AF_INET;
    address->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(listener, &address->any, length), 0);
    ck_assert_int_eq(listen(listener, backlog), 0);
    ck_assert_int_eq(getsockname(listener, &address->any, &length), 0);
    return listener;
}

struct io_stream *io_desk_connect(struct io_desk *desk, uint64_t tag, int *peer)
{
    struct socket_address address;
    struct io_stream *stream;
    int listener = io_desk_listen(&address, 8);

    ck_assert_int_eq(io_connect(desk->io, &address, tag, &stream), 0);
    ck_assert_ptr_eq(io_desk_expect(desk, IO_CONNECTED, tag)->stream, stream);
    *peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_ge(*peer, 0);
    (void)close(listener);
    return stream;
}

uint8_t io_desk_byte(uint64_t position)
{
    return (uint8_t)((position * UINT64_C(0x9e3779b97f4a7c15)) >> 56);
}

void io_desk_fill(uint8_t *memory, size_t length, uint64_t position)
{
    for (size_t i = 0; i < length; i++)
        memory[i] = io_desk_byte(position + i);
}

void io_desk_check(struct bytes bytes, uint64_t position)
{
    for (size_t i = 0; i < bytes.length; i++)
        if (bytes.data[i] != io_desk_byte(position + i))
            ck_abort_msg("byte %llu differs",
                         (unsigned long long)(position + i));
}

void io_desk_write(int peer, const void *memory, size_t length)
{
    const uint8_t *next = memory;

    while (length > 0) {
        ssize_t count = send(peer, next, length, MSG_NOSIGNAL);

        ck_assert_msg(count > 0, "peer cannot write: %s", strerror(errno));
        next += count;
        length -= (size_t)count;
    }
}
