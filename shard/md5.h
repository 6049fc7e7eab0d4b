/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * md5 - MD5 (RFC 1321): one input, or many at once.
 *
 * Kinesis finds the shard of a record by the MD5 of its partition key, and an
 * aggregated record ends with the MD5 of its protobuf bytes. Neither is a
 * matter of security, both are a matter of speed, and a machine in FIPS mode
 * refuses OpenSSL's MD5: hence our own. Inputs that are known together go
 * through md5_many(), which may work on several of them in SIMD lanes.
 *
 * Pure: no state, no allocation. Inputs and digests must not overlap.
 */

#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"

#define MD5_LENGTH 16 /* bytes of a digest */

void md5(struct bytes input, uint8_t digest[MD5_LENGTH]);

/* digests[i] becomes the MD5 of inputs[i], for all i < count. */
void md5_many(const struct bytes *inputs, size_t count,
              uint8_t (*digests)[MD5_LENGTH]);

/*
 * Other work that goes in small steps, each waiting for the one before it, as
 * another hash does: a processor does both in little more than the time of the
 * longer, if it has them before it together.
 */
struct md5_companion {
    void (*step)(void *context); /* best as long as MD5 takes for 64 bytes */
    void *context;
};

/*
 * As md5_many(). step() is called once for each 64 bytes of the longest input
 * or so: the caller finishes what is left of the work.
 */
void md5_many_beside(const struct bytes *inputs, size_t count,
                     uint8_t (*digests)[MD5_LENGTH],
                     const struct md5_companion *companion);
