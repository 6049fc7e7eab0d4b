/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * io_desk - for tests of io: each way in turn, peers made by hand, and
 * completions one by one. Everything fails the test by itself.
 */

#include "ingest/io.h"

#define IO_DESK_WAYS     3 /* epoll, io_uring, io_uring as Linux 5.19 had it */
#define IO_DESK_PATIENCE (10 * INT64_C(1000000000))

struct io_desk {
    struct io *io;
    struct io_completion completions[8];
    int count;
    int next; /* the first that was not looked at */
};

/*
 * Open the way number `way`. Returns false, and says why on stdout, where the
 * kernel refuses io_uring: there is nothing to test then.
 */
bool io_desk_open(struct io_desk *desk, int way,
                  const struct io_settings *settings);
void io_desk_close(struct io_desk *desk);

/*
 * The next completion, for which up to `patience_ns` are waited; NULL after
 * that. Those that say nothing are returned and skipped.
 */
struct io_completion *io_desk_next(struct io_desk *desk, int64_t patience_ns);

/* The next completion, which must be of this kind and tag. */
struct io_completion *io_desk_expect(struct io_desk *desk, enum io_kind kind,
                                     uint64_t tag);

/* A socket that listens on a free loopback port, and its address. */
int io_desk_listen(struct socket_address *address, int backlog);

/* A stream that is connected, and the descriptor of its (blocking) peer. */
struct io_stream *io_desk_connect(struct io_desk *desk, uint64_t tag,
                                  int *peer);

/* Byte number `position` of the text that tests send: no short period. */
uint8_t io_desk_byte(uint64_t position);
void io_desk_fill(uint8_t *memory, size_t length, uint64_t position);
void io_desk_check(struct bytes bytes, uint64_t position);

/* All of it, blocking. */
void io_desk_write(int peer, const void *memory, size_t length);
