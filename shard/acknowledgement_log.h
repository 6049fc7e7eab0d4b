/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * acknowledgement_log - what was finished lately, so that a redelivery is known.
 *
 * A circular log in a segment of its own. Ingest notes every record in it
 * before the record's room in its queue is given back, so that this is true at
 * every instruction: a record that was published is in its queue, or is noted
 * here, or was refused by the stream for good. When nsqd delivers a message
 * again (its FIN was never sent, never read, or forgotten in a crash of nsqd),
 * ingest finds it in one of the two and does not send it to Kinesis again.
 *
 *      oldest                     position
 *         |                          |
 *   ......[ a | a | a | a | a | a | a ](x)......     position % capacity
 *         '------ capacity - 1 ------'  being written, or overwritten
 *
 * Writer    ingest alone; a lock on the segment keeps a second one out.
 * Readers   the next ingest, and tools.
 * Lifetime  the segment outlives ingest. One that is opened with another
 *           capacity is copied: the newest entries that fit go into a new
 *           segment, which then takes the old one's name, so that the name
 *           means a whole log at every instruction.
 *
 * Edges
 *
 *   A1  acknowledgement_log_note() stores `position` with release after the
 *       entry is whole; a reader loads it with acquire before it reads any.
 *   A2  queue_finish() stores `finished` with release after the notes of the
 *       records it covers.
 *
 * Killed at any instruction, ingest leaves `position` entries that are whole,
 * but for the oldest of a full log, which may be half overwritten; so it is
 * not one of those that are read.
 *
 * How many entries are enough: nsqd delivers a message again msg_timeout after
 * it lost us, and at most 5 seconds later (queueScanRefreshInterval of nsqd);
 * after a crash of its own, what it had not synced (2500 messages by default,
 * --sync-every, for topic and channel each).
 *
 *     messages/s x (msg_timeout + 5 s) + 2 x 2500 x nsqds + max_in_flight
 *
 * An entry that is overwritten too early costs one duplicate, never a loss.
 */

#include <stdbool.h>

#include "common/bytes.h"
#include "common/shared_memory.h"

#define ACKNOWLEDGEMENT_MAGIC                                                  \
    SEGMENT_MAGIC('N', '2', 'K', 'A', 'C', 'K', 'N', 'O')
#define ACKNOWLEDGEMENT_VERSION 1

#define ACKNOWLEDGEMENTS_LEAST 16
#define ACKNOWLEDGEMENTS_MOST  (UINT64_C(1) << 24)

/* One message that needs nothing more but its FIN. */
struct acknowledgement {
    uint64_t id;          /* acknowledgement_id(): 16 hexadecimal digits */
    int64_t timestamp_ns; /* of nsqd, since 1970 */
    uint64_t checksum;    /* record_checksum(): what the message is */
    uint16_t source;      /* row of the source table */
    bool has_fin;         /* its FIN was given to the connection */
};

/* The same in shared memory: 32 bytes, two of them in a cache line. */
struct acknowledgement_entry {
    _Atomic uint64_t id;
    _Atomic uint64_t timestamp_ns;
    _Atomic uint64_t checksum;
    _Atomic uint64_t source; /* bits 0 to 15; bit 16: has_fin */
};

struct acknowledgement_segment {
    struct segment_head head;
    uint64_t capacity; /* entries, a power of two; never changed */
    _Alignas(128) _Atomic uint64_t position; /* entries ever noted */
    _Alignas(128) struct acknowledgement_entry entries[];
};

static_assert(sizeof(struct acknowledgement_entry) == 32, "as documented");
static_assert(offsetof(struct acknowledgement_segment, entries) == 256,
              "as documented");

struct acknowledgement_log {
    struct shared_memory memory;
    bool was_replaced; /* by the last open */
    struct acknowledgement_segment *segment;
    uint64_t capacity; /* checked */
    uint64_t position; /* as last published */
};

/*
 * Take the writing end of the log called `name`, or make it with room for
 * `capacity` entries, a power of two from ACKNOWLEDGEMENTS_LEAST to
 * ACKNOWLEDGEMENTS_MOST. One that has another capacity is copied, or used as it
 * is if there is no room for both. One that is damaged, half made or of another
 * build is replaced by an empty one: it is a memory, and without it there are
 * duplicates and no losses.
 *
 * Returns 0 or a negative errno with its sentence. Legal to close after any
 * result.
 */
int acknowledgement_log_open(const char *name, uint64_t capacity,
                             struct acknowledgement_log *log);
void acknowledgement_log_close(struct acknowledgement_log *log);

/* Note one record, before queue_finish() gives its room back. */
void acknowledgement_log_note(struct acknowledgement_log *log,
                              const struct acknowledgement *acknowledgement);

/* Positions from here to log->position can be read; the others are gone. */
static inline uint64_t
acknowledgement_log_oldest(const struct acknowledgement_log *log)
{
    return log->position < log->capacity ? 0
                                         : log->position - log->capacity + 1;
}

/* Copy the entry at `position`, which must be one that can be read. */
void acknowledgement_log_read(const struct acknowledgement_log *log,
                              uint64_t position,
                              struct acknowledgement *acknowledgement);

/* Eight hexadecimal digits as a number: all nibbles at once. */
static inline uint64_t acknowledgement_half_id(const uint8_t *digits)
{
    uint64_t v = bytes_load_be64(digits);

    /* A letter has bit 6, and is 9 more than its low nibble. */
    v = (v & UINT64_C(0x0f0f0f0f0f0f0f0f)) +
        9 * (v >> 6 & UINT64_C(0x0101010101010101));
    v = (v | v >> 4) & UINT64_C(0x00ff00ff00ff00ff);
    v = (v | v >> 8) & UINT64_C(0x0000ffff0000ffff);
    return (v | v >> 16) & UINT64_C(0xffffffff);
}

/*
 * A message id as a number. nsqd writes its 64-bit ids as 16 hexadecimal
 * digits, and other ids are refused when they arrive; for 16 bytes that are
 * none, read from a damaged record, it is some number.
 */
static inline uint64_t acknowledgement_id(const uint8_t message_id[16])
{
    return acknowledgement_half_id(message_id) << 32 |
           acknowledgement_half_id(message_id + 8);
}
