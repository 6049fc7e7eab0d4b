/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * nsq_frame_reader - whole frames out of receive buffers that cut them.
 *
 *      carry-over (ours)               input (the caller's buffer)
 *     | parked frames | started frame | rest of it | frame | frame | fr...
 *     '---- seen -----'
 *
 * A frame that lies whole in the input is a view into it. A frame that was
 * started in an earlier buffer is completed in the carry-over, with no byte of
 * the next one. Frames that were kept although they were whole are parked;
 * nsq_frame_look() passes over each of them once when it gets there, so that
 * what cannot wait (heartbeats) does not.
 *
 * Lifetime  views last until the next call of next(), keep() or feed().
 * Returns   0, an NSQ_FRAME_* condition of nsq_protocol.h, or those below, or
 *           -ENOMEM.
 */

#include "ingest/byte_store.h"
#include "ingest/nsq_protocol.h"

enum nsq_frame_reader_condition {
    NSQ_FRAME_NO_ROOM = 100, /* the carry-over met its bound */
};

struct nsq_frame_reader {
    size_t max_frame_size;        /* as of nsq_frame_parse() */
    struct bytes input;           /* fed, and not yet taken */
    struct byte_store carry_over; /* comes before the input */
    size_t seen;                  /* bytes of parked frames looked at */
    struct bytes taken;           /* the frame that came last; may be empty */
    bool taken_from_carry_over;
};

void nsq_frame_reader_init(struct nsq_frame_reader *reader,
                           size_t max_frame_size, size_t max_carry_over);

/* Give the memory back. */
void nsq_frame_reader_deinit(struct nsq_frame_reader *reader);

/* Forget all bytes, keep the memory. */
void nsq_frame_reader_clear(struct nsq_frame_reader *reader);

/* Bytes came. What was fed before must have been kept. */
void nsq_frame_reader_feed(struct nsq_frame_reader *reader,
                           struct bytes received);

/*
 * Take the next frame; *was_seen tells whether nsq_frame_look() had it.
 * Returns 0; NSQ_FRAME_PARTIAL when there is none (only frame->length is
 * meaningful then); another NSQ_FRAME_* after which nothing can be read; or
 * NSQ_FRAME_NO_ROOM or -ENOMEM.
 */
int nsq_frame_next(struct nsq_frame_reader *reader, struct nsq_frame *frame,
                   bool *was_seen);

/* The frame that came last is not taken after all: it comes again. */
void nsq_frame_put_back(struct nsq_frame_reader *reader);

/*
 * What lies still behind the frame that came last until keep() is called;
 * empty if that frame was in the carry-over, which moves.
 */
static inline struct bytes
nsq_frames_ahead(const struct nsq_frame_reader *reader)
{
    return reader->taken_from_carry_over ? bytes_of(NULL, 0) : reader->input;
}

/*
 * Copy what is left of the input, which is the caller's again. Returns 0,
 * NSQ_FRAME_NO_ROOM or -ENOMEM.
 */
int nsq_frame_keep(struct nsq_frame_reader *reader);

/*
 * Look at the next parked frame that nobody has looked at, without taking it.
 * Returns false if there is none (or none that is whole and sound).
 */
bool nsq_frame_look(struct nsq_frame_reader *reader, struct nsq_frame *frame);

/* All parked frames that were looked at, one after the other. */
static inline struct bytes
nsq_frames_parked(const struct nsq_frame_reader *reader)
{
    return bytes_of(byte_store_view(&reader->carry_over).data, reader->seen);
}
