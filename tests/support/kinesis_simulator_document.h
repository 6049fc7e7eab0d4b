/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * kinesis_simulator_document - a request body as a tree, for the operations
 * that are rare: one cJSON tree whichever encoding it came in.
 *
 * A CBOR time stamp (tag 1, milliseconds) becomes a number of seconds, which
 * is what JSON has. Byte strings are no part of these requests and refused.
 */

#include <cjson/cJSON.h>

#include "tests/support/kinesis_simulator_scan.h"

/*
 * The caller owns the tree and ends it with cJSON_Delete(). NULL if the body
 * is malformed or no map. The body may be changed.
 */
cJSON *simulator_document_parse(enum simulator_protocol protocol, uint8_t *body,
                                size_t length);

/* The text of a member; NULL if it is absent, null or no text. */
const char *simulator_document_text(const cJSON *document, const char *name);

/* True and *number if the member is a number. */
bool simulator_document_number(const cJSON *document, const char *name,
                               double *number);
