/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * kinesis_simulator_put_request - a PutRecords or PutRecord body, scanned in
 * one pass and checked against the limits of the service. Pure; no memory is
 * taken: everything points into the body.
 *
 * Limits and texts: the PutRecords and PutRecordsRequestEntry pages of
 * https://docs.aws.amazon.com/kinesis/latest/APIReference/ - 500 records,
 * 10 MiB with the partition keys, keys of 1 to 256 characters, and each record
 * (data and key) up to the stream's MaxRecordSizeInKiB.
 */

#include "tests/support/kinesis_simulator_refusal.h"
#include "tests/support/kinesis_simulator_scan.h"

#define SIMULATOR_PUT_RECORDS 500
#define SIMULATOR_PUT_BYTES   10485760
#define SIMULATOR_KEY_MOST    256

enum {
    SIMULATOR_MALFORMED = 1
};

struct simulator_put_entry {
    struct bytes data;          /* in JSON the base64 text, until decoded */
    size_t data_length;         /* bytes of the record, decoded */
    struct bytes key;           /* data is NULL where a member is absent */
    struct bytes explicit_hash; /* decimal text */
};

struct simulator_put_request {
    enum simulator_protocol protocol;
    bool is_single; /* PutRecord */
    struct bytes stream_name;
    struct bytes stream_arn;
    bool has_records;
    size_t count;    /* records in the body; may be above 500 */
    uint64_t length; /* bytes of the first 500: data and keys */
    struct simulator_put_entry entries[SIMULATOR_PUT_RECORDS];
};

/*
 * Scan `body`, which is changed. `put->protocol` and `put->is_single` say what
 * it is; the rest is filled in. Returns 0 or SIMULATOR_MALFORMED.
 */
int simulator_put_request_scan(struct simulator_put_request *put, uint8_t *body,
                               size_t length);

/*
 * Check limits; `record_most` is the stream's. Returns 0 or SIMULATOR_REFUSED
 * with up to ten errors in one message, as the service words them.
 */
int simulator_put_request_check(const struct simulator_put_request *put,
                                uint64_t record_most,
                                struct simulator_refusal *refusal);

/*
 * The body was copied from `from` to `to`: point into the copy. What is not
 * there stays NULL.
 */
void simulator_put_request_move(struct simulator_put_request *put,
                                const uint8_t *from, const uint8_t *to);

/*
 * Decode the base64 of all records in place, if they are base64. Returns 0 or
 * SIMULATOR_MALFORMED.
 */
int simulator_put_request_decode(struct simulator_put_request *put);
