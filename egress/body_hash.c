/* SPDX-License-Identifier: Apache-2.0 */

/*
 * OpenSSL 3 calls these functions deprecated, because they know no providers.
 * For one block at a time the way through a provider (EVP_DigestUpdate) costs
 * as much as the hash.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "egress/body_hash.h"

#include <assert.h>

struct body_hash body_hash_start(struct bytes lasting)
{
    struct body_hash hash = { .rest = lasting };

    (void)SHA256_Init(&hash.context);
    return hash;
}

void body_hash_step(void *context)
{
    struct body_hash *hash = context;

    if (hash->rest.length < SHA256_CBLOCK)
        return;
    SHA256_Transform(&hash->context, hash->rest.data);
    hash->rest = bytes_skip(hash->rest, SHA256_CBLOCK);
    hash->hashed += SHA256_CBLOCK;
}

/* SHA256_Transform() counts no bytes, and their number is part of the hash. */
static void count_bits(struct body_hash *hash)
{
    uint64_t bits = (uint64_t)hash->hashed * 8;

    hash->context.Nl = (SHA_LONG)bits;
    hash->context.Nh = (SHA_LONG)(bits >> 32);
}

void body_hash_finish(struct body_hash *hash, struct bytes body,
                      uint8_t digest[BODY_HASH_LENGTH])
{
    struct bytes rest;

    assert(hash->hashed <= body.length);
    rest = bytes_skip(body, hash->hashed);
    count_bits(hash);
    (void)SHA256_Update(&hash->context, rest.data, rest.length);
    (void)SHA256_Final(digest, &hash->context);
}
