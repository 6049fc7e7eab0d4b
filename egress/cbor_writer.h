/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * cbor_writer - the few forms of CBOR (RFC 8949) that a request to Kinesis has.
 *
 * Maps and arrays are of indefinite length, as the AWS SDK for Java writes them:
 * what every application built on it sends is what the service surely reads.
 *
 * Pure.
 */

#include "common/bytes.h"

#define CBOR_HEAD_MOST 9 /* bytes in front of a text or a byte string */

void cbor_put_map(struct bytes_writer *writer);
void cbor_put_array(struct bytes_writer *writer);

/* End the innermost map or array. */
void cbor_put_break(struct bytes_writer *writer);

/* `text` is well-formed UTF-8. */
void cbor_put_text(struct bytes_writer *writer, struct bytes text);

/* The head of a byte string; its `length` bytes follow. */
void cbor_put_bytes_head(struct bytes_writer *writer, size_t length);
