/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * put_records - PutRecords requests and replies <-> bytes.
 *
 *     open > add, add ... > close : body          body > reply_read : results
 *                                                 body > error_read : code
 *
 * A reply decides what is FINed. It comes from a peer, so a record counts as
 * stored only if the reply is well-formed from its first byte to its last, has
 * exactly one result for each record, and names a shard and a sequence number
 * for this one. FailedRecordCount is not believed. Whatever else comes back
 * with status 200 is a condition, and the outcome ambiguous.
 *
 * Memory    the caller's throughout; nothing is allocated. Results are views
 *           of the reply's body and of `texts`.
 * Returns   0 or a PUT_RECORDS_* condition.
 */

#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "shard/hash_key.h"

#define PUT_RECORDS_TARGET "Kinesis_20131202.PutRecords"

enum put_records_format {
    PUT_RECORDS_JSON, /* application/x-amz-json-1.1, base64 */
    PUT_RECORDS_CBOR, /* application/x-amz-cbor-1.1, bytes as they are */
};

enum put_records_condition {
    PUT_RECORDS_FULL = 1,    /* nothing was added: close and send this first */
    PUT_RECORDS_KEY_REFUSED, /* nothing was added: a partition key is 1 to 256
                                characters of UTF-8 */
    PUT_RECORDS_GARBAGE,     /* this is no reply to PutRecords */
    PUT_RECORDS_WRONG_COUNT, /* well-formed, but not one result a record */
};

/* The Content-Type of requests and replies. */
const char *put_records_content_type(enum put_records_format format);

/*
 * What a reply's Content-Type says its body is; `otherwise` if it is no help
 * (NULL is none).
 */
enum put_records_format
put_records_format_of(const char *content_type,
                      enum put_records_format otherwise);

struct put_records_encoding; /* egress/put_records_encoding.h */

struct put_records {
    const struct put_records_encoding *encoding;
    struct bytes_writer body;
    size_t record_count;
    size_t counted_bytes;    /* as Kinesis counts: payloads before base64 and
                             partition keys */
    size_t counted_most;     /* bytes; the limit of the next line's sort */
    size_t payload_position; /* in the body, of the record that came last */
};

struct put_records_entry {
    struct bytes payload;
    struct bytes partition_key;
    const struct hash_key *explicit_hash_key; /* NULL: none */
};

/*
 * Bytes of memory that always take `counted_most` bytes of records with keys
 * that need no escapes, and always take one record of that size with any key.
 */
size_t put_records_capacity(enum put_records_format format,
                            size_t counted_most);

/*
 * Begin a request body in `memory`. `stream` is a stream's name or its ARN.
 * `counted_most` bounds counted_bytes, and is itself bounded by what Kinesis
 * takes. The capacity must hold the frame, of some 2200 bytes at most.
 */
void put_records_open(struct put_records *request,
                      enum put_records_format format, struct bytes stream,
                      struct bytes_writer memory, size_t counted_most);

/*
 * Add one record; views are read during the call only. Results of the reply
 * come in the order of the calls.
 *
 * Returns 0, PUT_RECORDS_FULL or PUT_RECORDS_KEY_REFUSED.
 */
int put_records_add(struct put_records *request,
                    const struct put_records_entry *entry);

/*
 * The last `count` bytes of the payload at `position` are others than they were
 * when it was added: write them again.
 */
void put_records_change_tail(struct put_records *request, size_t position,
                             struct bytes payload, size_t count);

/*
 * What the body has in front of the last `count` bytes of the payload at
 * `position`, which is `length` bytes long: nothing of that will change.
 */
struct bytes put_records_before_tail(const struct put_records *request,
                                     size_t position, size_t length,
                                     size_t count);

/* End the body and return it. */
struct bytes put_records_close(struct put_records *request);

/* One record's part of a reply: stored if error_code is empty. */
struct put_records_result {
    struct bytes shard_id;
    struct bytes sequence_number; /* decimal */
    struct bytes error_code;
    struct bytes error_message; /* for people; anything */
};

static inline bool
put_records_is_stored(const struct put_records_result *result)
{
    return result->error_code.length == 0;
}

/*
 * Read the body of a reply with status 200 to a request of `count` records.
 * Texts with escapes are kept in `texts`, which a few KiB suffice for; more of
 * them than fit are garbage. Results mean nothing unless 0 is returned.
 *
 * Returns 0, PUT_RECORDS_GARBAGE or PUT_RECORDS_WRONG_COUNT.
 */
int put_records_reply_read(enum put_records_format format, struct bytes body,
                           struct bytes_writer *texts,
                           struct put_records_result *results, size_t count);

/* What a reply with another status says. */
struct put_records_error {
    struct bytes code;    /* "ResourceNotFoundException" */
    struct bytes message; /* for people; may be empty */
};

/*
 * Read the body of a reply with another status than 200; the other actions of
 * Kinesis have the same. `code` is free of a namespace before it and of what
 * may follow it. *error is untouched unless 0 is returned.
 *
 * Returns 0 or PUT_RECORDS_GARBAGE.
 */
int put_records_error_read(enum put_records_format format, struct bytes body,
                           struct bytes_writer *texts,
                           struct put_records_error *error);
