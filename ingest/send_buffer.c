/* SPDX-License-Identifier: Apache-2.0 */

#include "ingest/send_buffer.h"

void send_buffer_init(struct send_buffer *buffer, size_t most)
{
    byte_store_init(&buffer->sending, most);
    byte_store_init(&buffer->filling, most);
}

void send_buffer_deinit(struct send_buffer *buffer)
{
    byte_store_release(&buffer->sending);
    byte_store_release(&buffer->filling);
}

void send_buffer_clear(struct send_buffer *buffer)
{
    byte_store_clear(&buffer->sending);
    byte_store_clear(&buffer->filling);
}

int send_buffer_open(struct send_buffer *buffer, size_t count,
                     struct bytes_writer *writer)
{
    struct byte_store *filling = &buffer->filling;
    int result = byte_store_reserve(filling, count);

    if (result)
        return result;
    *writer = bytes_writer_on(filling->memory + filling->end, count);
    return 0;
}

void send_buffer_commit(struct send_buffer *buffer,
                        const struct bytes_writer *writer)
{
    assert(!writer->overrun);
    byte_store_commit(&buffer->filling, writer->length);
}

struct bytes send_buffer_take(struct send_buffer *buffer)
{
    struct byte_store sent = buffer->sending;

    if (byte_store_length(&sent) == 0) {
        byte_store_clear(&sent);
        buffer->sending = buffer->filling;
        buffer->filling = sent;
    }
    return byte_store_view(&buffer->sending);
}

void send_buffer_on_sent(struct send_buffer *buffer, size_t count)
{
    byte_store_take(&buffer->sending, count);
}
