/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * kinesis_simulator_scan - walk a JSON or CBOR body in place, without a tree.
 *
 * One interface, two encodings: the caller enters a map or an array, steps
 * from value to value and takes or skips each. Texts and blobs are views into
 * the body; a text with escapes (JSON) or in chunks (CBOR) is put together in
 * place, so the body is changed and may be scanned once only.
 *
 * Returns false, or SIMULATOR_STEP_WRONG, if the body is malformed or the
 * value is of another type; the scan must then be given up.
 */

#include <stdbool.h>

#include "common/bytes.h"

enum simulator_protocol {
    SIMULATOR_JSON, /* application/x-amz-json-1.1 */
    SIMULATOR_CBOR, /* application/x-amz-cbor-1.1 */
};

enum simulator_step {
    SIMULATOR_STEP_VALUE, /* a value comes next */
    SIMULATOR_STEP_END,   /* the map or array has ended */
    SIMULATOR_STEP_WRONG, /* malformed */
};

/* Deeper bodies are refused: no request of the service needs half of it. */
#define SIMULATOR_SCAN_DEPTH 32

struct simulator_scan {
    enum simulator_protocol protocol;
    uint8_t *at;        /* next byte */
    const uint8_t *end; /* one after the last */
};

/* Where in a map or array the scan is. */
struct simulator_level {
    uint64_t left; /* values left, when counted (CBOR) */
    bool counted;
    bool is_map;
    bool begun; /* a value was given out: JSON wants a comma */
};

bool simulator_scan_enter_map(struct simulator_scan *scan,
                              struct simulator_level *level);
bool simulator_scan_enter_array(struct simulator_scan *scan,
                                struct simulator_level *level);

/* Step to the next value; in a map, *name is its name, else untouched. */
enum simulator_step simulator_scan_next(struct simulator_scan *scan,
                                        struct simulator_level *level,
                                        struct bytes *name);

/* Take a null if it is one; the scan does not move otherwise. */
bool simulator_scan_take_null(struct simulator_scan *scan);

bool simulator_scan_text(struct simulator_scan *scan, struct bytes *text);

/* Record data: the bytes in CBOR, the base64 text in JSON, not decoded. */
bool simulator_scan_blob(struct simulator_scan *scan, struct bytes *blob);

/* Pass over one value of any type. */
bool simulator_scan_skip(struct simulator_scan *scan);

/* True if nothing but white space (JSON) or nothing at all (CBOR) is left. */
bool simulator_scan_is_at_end(struct simulator_scan *scan);
