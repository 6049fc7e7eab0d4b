/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * body_hash - the SHA-256 of a body, begun before the body is complete.
 *
 *     |----- lasts -----|-- may still change --|
 *     | step | step |..........................|
 *                   '----------- finish -------'
 *
 * SHA-256 is a chain in which each instruction waits for the one before it,
 * and so is MD5: hashed in steps beside the MD5 of the aggregates
 * (md5_many_beside()), that much of the body costs next to nothing.
 *
 * Pure but for OpenSSL, of which it takes what cannot fail.
 */

#include <openssl/sha.h>

#include "common/bytes.h"

#define BODY_HASH_LENGTH SHA256_DIGEST_LENGTH

struct body_hash {
    SHA256_CTX context;
    struct bytes rest; /* of what lasts; not hashed yet */
    size_t hashed;     /* bytes */
};

/* Begin. `lasting` is the start of the body, and will not change any more. */
struct body_hash body_hash_start(struct bytes lasting);

/* Hash up to 64 bytes of what lasts. `hash` is a struct body_hash. */
void body_hash_step(void *hash);

/* Hash what is left of the complete body. */
void body_hash_finish(struct body_hash *hash, struct bytes body,
                      uint8_t digest[BODY_HASH_LENGTH]);
