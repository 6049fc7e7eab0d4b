/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * send_buffer - bytes that lie still while the kernel sends them, and those
 * that are written meanwhile.
 *
 *     sending   | sent | to send |           does not move nor grow
 *     filling   | written since |   room |   becomes `sending` when that is
 *                                            empty
 *
 * So all commands of one turn leave in one send, and the next ones do not
 * disturb it. Each half grows up to the bound.
 *
 * Returns   0, BYTE_STORE_FULL or -ENOMEM.
 */

#include "ingest/byte_store.h"

struct send_buffer {
    struct byte_store sending;
    struct byte_store filling;
};

void send_buffer_init(struct send_buffer *buffer, size_t most);

/* Give the memory back. */
void send_buffer_deinit(struct send_buffer *buffer);

/* Forget all bytes, keep the memory. Not while they are being sent. */
void send_buffer_clear(struct send_buffer *buffer);

/*
 * Begin to write at most `count` bytes; send_buffer_commit() takes what was
 * written, all of which must have fitted.
 */
int send_buffer_open(struct send_buffer *buffer, size_t count,
                     struct bytes_writer *writer);
void send_buffer_commit(struct send_buffer *buffer,
                        const struct bytes_writer *writer);

/* What to send now; the same, less what was sent, until all of it was. */
struct bytes send_buffer_take(struct send_buffer *buffer);

/* `count` bytes of it were sent. */
void send_buffer_on_sent(struct send_buffer *buffer, size_t count);
