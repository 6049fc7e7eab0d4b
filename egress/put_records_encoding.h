/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * put_records_encoding - the seam between put_records and one body format.
 *
 * A format is a file with one of these tables. Limits, roll-back of what does
 * not fit and the checks of a result are done once, in put_records.c.
 */

#include "egress/put_records.h"

struct put_records_counts {
    size_t results;        /* elements of Records */
    bool has_failed_count; /* FailedRecordCount is there and is not null */
    uint64_t failed_count; /* what it says */
};

struct put_records_encoding {
    const char *content_type;
    size_t end_length; /* bytes that put_end() writes */

    /* Most bytes of a frame, and of what surrounds one record's payload. */
    size_t frame_most;
    size_t entry_most;
    size_t (*payload_length)(size_t length); /* bytes a payload becomes */
    size_t key_growth_most; /* bytes that one byte of a key can become */

    /*
     * Writers mark an overrun; the caller then takes everything back.
     * put_entry() returns where in the body the payload begins.
     */
    void (*put_start)(struct bytes_writer *body, struct bytes stream);
    size_t (*put_entry)(struct bytes_writer *body,
                        const struct put_records_entry *entry, size_t index);
    void (*put_end)(struct bytes_writer *body);

    /*
     * Write the bytes of a payload behind its first `kept` ones again, where
     * it begins at `at`; how many bytes behind `at` that writes first.
     */
    void (*put_tail)(uint8_t *at, struct bytes payload, size_t kept);
    size_t (*tail_offset)(size_t kept);

    /*
     * Read well-formedness and names only. read_reply() fills in up to `most`
     * results, counts all there are, and returns false if it is garbage.
     */
    bool (*read_reply)(struct bytes body, struct bytes_writer *texts,
                       struct put_records_result *results, size_t most,
                       struct put_records_counts *counts);
    bool (*read_error)(struct bytes body, struct bytes_writer *texts,
                       struct put_records_error *error);
};

extern const struct put_records_encoding put_records_json;
extern const struct put_records_encoding put_records_cbor;

/* The member that names the stream; a stream's name has no colon. */
static inline const char *put_records_stream_member(struct bytes stream)
{
    return bytes_start_with(stream, "arn:") ? "StreamARN" : "StreamName";
}

/* A member with a text that a reader wants, and where the text goes. */
struct put_records_wanted {
    const char *name;
    struct bytes *text;
};

#define PUT_RECORDS_RESULT_MEMBERS(result)                                     \
    {                                                                          \
        { "ShardId", &(result)->shard_id },                                    \
            { "SequenceNumber", &(result)->sequence_number },                  \
            { "ErrorCode", &(result)->error_code },                            \
            { "ErrorMessage", &(result)->error_message },                      \
    }

/* Some services write the message's name with a capital. */
#define PUT_RECORDS_ERROR_MEMBERS(error, capitalised)                          \
    {                                                                          \
        { "__type", &(error)->code }, { "message", &(error)->message },        \
            { "Message", (capitalised) },                                      \
    }

/*
 * Where the member `name` goes: *text, NULL if nobody wants it. False if it
 * stands there a second time, because it could mean two things to two readers.
 * `seen` begins as 0.
 */
static inline bool put_records_want(const struct put_records_wanted *wanted,
                                    size_t count, struct bytes name,
                                    unsigned *seen, struct bytes **text)
{
    *text = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!bytes_equal_text(name, wanted[i].name))
            continue;
        *text = wanted[i].text;
        if (*seen & 1U << i)
            return false;
        *seen |= 1U << i;
    }
    return true;
}
