/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * kinesis_simulator_scan_ways - the two encodings behind the scan's interface;
 * included by their sources and kinesis_simulator_scan.c only.
 */

#include "tests/support/kinesis_simulator_scan.h"

struct simulator_scan_way {
    bool (*enter)(struct simulator_scan *scan, struct simulator_level *level);
    enum simulator_step (*next)(struct simulator_scan *scan,
                                struct simulator_level *level,
                                struct bytes *name);
    bool (*take_null)(struct simulator_scan *scan);
    bool (*text)(struct simulator_scan *scan, struct bytes *text);
    bool (*blob)(struct simulator_scan *scan, struct bytes *blob);
    bool (*skip)(struct simulator_scan *scan, int depth);
    bool (*is_at_end)(struct simulator_scan *scan);
};

extern const struct simulator_scan_way simulator_scan_json;
extern const struct simulator_scan_way simulator_scan_cbor;

/* The major types of RFC 8949, section 3.1. */
enum simulator_cbor_major {
    MAJOR_UNSIGNED = 0,
    MAJOR_NEGATIVE = 1,
    MAJOR_BYTES = 2,
    MAJOR_TEXT = 3,
    MAJOR_ARRAY = 4,
    MAJOR_MAP = 5,
    MAJOR_TAG = 6,
    MAJOR_SIMPLE = 7,
};

struct simulator_cbor_head {
    enum simulator_cbor_major major;
    uint64_t value; /* the number, or the length of what follows */
    bool indefinite;
};

/* Take the first byte of an item and the number that belongs to it. */
bool simulator_cbor_take_head(struct simulator_scan *scan,
                              struct simulator_cbor_head *head);
