/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * stored_records - the user records of a Kinesis record, as KCL finds them.
 *
 * An aggregate is F3 89 9A C2, a protobuf of two tables of keys and of records
 * that point into them, and the MD5 of the protobuf. Everything else is one
 * record.
 */

#include "common/bytes.h"

struct stored_record {
    struct bytes key;
    unsigned __int128 hash; /* its explicit hash key, or that of its key */
    struct bytes data;
};

#define STORED_RECORDS_MOST 1024

/* Returns how many there are; 0 if it is an aggregate that is damaged. */
size_t stored_records_read(struct bytes key, struct bytes data,
                           struct stored_record *records);
