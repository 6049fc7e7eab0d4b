/* SPDX-License-Identifier: Apache-2.0 */

#include "ingest/nsq_frame_reader.h"

/*
 * A carry-over larger than this is given back when it is empty: parking is the
 * exception, and its memory should not stay for ever.
 */
#define CARRY_OVER_WORTH_KEEPING ((size_t)256 * 1024)

void nsq_frame_reader_init(struct nsq_frame_reader *reader,
                           size_t max_frame_size, size_t max_carry_over)
{
    *reader = (struct nsq_frame_reader){ .max_frame_size = max_frame_size };
    byte_store_init(&reader->carry_over, max_carry_over);
}

void nsq_frame_reader_deinit(struct nsq_frame_reader *reader)
{
    byte_store_release(&reader->carry_over);
}

void nsq_frame_reader_clear(struct nsq_frame_reader *reader)
{
    reader->input = bytes_of(NULL, 0);
    reader->taken = bytes_of(NULL, 0);
    reader->seen = 0;
    byte_store_clear(&reader->carry_over);
}

void nsq_frame_reader_feed(struct nsq_frame_reader *reader,
                           struct bytes received)
{
    assert(reader->input.length == 0);
    reader->input = received;
}

static int append(struct nsq_frame_reader *reader, struct bytes bytes)
{
    int result = byte_store_append(&reader->carry_over, bytes);

    return result == BYTE_STORE_FULL ? NSQ_FRAME_NO_ROOM : result;
}

/* Move what a frame needs, and no more, from the input to the carry-over. */
static int top_up(struct nsq_frame_reader *reader, size_t needed)
{
    struct bytes part = reader->input;
    int result;

    if (part.length > needed)
        part.length = needed;
    result = append(reader, part);
    if (result)
        return result;
    reader->input = bytes_skip(reader->input, part.length);
    return 0;
}

static bool take_from_carry_over(struct nsq_frame_reader *reader, size_t length)
{
    bool was_seen = reader->seen > 0;

    reader->taken = bytes_of(byte_store_view(&reader->carry_over).data, length);
    reader->taken_from_carry_over = true;
    byte_store_take(&reader->carry_over, length);
    if (was_seen)
        reader->seen -= length; /* which ends where a frame ends */
    return was_seen;
}

static void take_from_input(struct nsq_frame_reader *reader, size_t length)
{
    reader->taken = bytes_of(reader->input.data, length);
    reader->taken_from_carry_over = false;
    reader->input = bytes_skip(reader->input, length);
}

static int next_carried(struct nsq_frame_reader *reader,
                        struct nsq_frame *frame, bool *was_seen)
{
    for (;;) {
        struct bytes from = byte_store_view(&reader->carry_over);
        int result = nsq_frame_parse(from, reader->max_frame_size, frame);

        if (result == 0)
            *was_seen = take_from_carry_over(reader, frame->length);
        if (result != NSQ_FRAME_PARTIAL || reader->input.length == 0)
            return result;
        result = top_up(reader, frame->length - from.length);
        if (result)
            return result;
    }
}

int nsq_frame_next(struct nsq_frame_reader *reader, struct nsq_frame *frame,
                   bool *was_seen)
{
    int result;

    if (byte_store_length(&reader->carry_over) > 0)
        return next_carried(reader, frame, was_seen);
    result = nsq_frame_parse(reader->input, reader->max_frame_size, frame);
    if (result)
        return result;
    take_from_input(reader, frame->length);
    *was_seen = false;
    return 0;
}

void nsq_frame_put_back(struct nsq_frame_reader *reader)
{
    struct bytes taken = reader->taken;

    assert(taken.length > 0);
    reader->taken = bytes_of(NULL, 0);
    if (reader->taken_from_carry_over) {
        byte_store_put_back(&reader->carry_over, taken.length);
        reader->seen += taken.length;
        return;
    }
    reader->input = bytes_of(taken.data, taken.length + reader->input.length);
}

int nsq_frame_keep(struct nsq_frame_reader *reader)
{
    struct bytes rest = reader->input;

    reader->input = bytes_of(NULL, 0);
    reader->taken = bytes_of(NULL, 0);
    if (rest.length > 0)
        return append(reader, rest);
    if (byte_store_length(&reader->carry_over) == 0 &&
        reader->carry_over.capacity > CARRY_OVER_WORTH_KEEPING)
        byte_store_release(&reader->carry_over);
    return 0;
}

bool nsq_frame_look(struct nsq_frame_reader *reader, struct nsq_frame *frame)
{
    struct bytes rest =
        bytes_skip(byte_store_view(&reader->carry_over), reader->seen);

    if (nsq_frame_parse(rest, reader->max_frame_size, frame))
        return false;
    reader->seen += frame->length;
    return true;
}
