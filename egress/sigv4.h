/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sigv4 - AWS Signature Version 4 for requests to one path, "/", without query.
 *
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 *
 *     canonical request                     string to sign
 *     +-----------------------------+       +---------------------------+
 *     | POST                        |       | AWS4-HMAC-SHA256          |
 *     | /                           |       | 20260101T000000Z          |
 *     |                             |       | 20260101/R/kinesis/       |
 *     | content-type:...            |       |              aws4_request |
 *     | host:...                    | SHA   | hex of the SHA-256        |
 *     | x-amz-date:...              |------>|                           |
 *     | x-amz-security-token:...    |       +-------------+-------------+
 *     | x-amz-target:...            |                     | HMAC, with the
 *     |                             |                     v signing key
 *     | names of the above, by ';'  |                 Signature
 *     | hex of the body's SHA-256   |
 *     +-----------------------------+
 *
 * signing key = HMAC(HMAC(HMAC(HMAC("AWS4" secret, date), region), service),
 * "aws4_request"). It is good for a day and kept, by a digest of what it was
 * made of, so that the secret is not kept.
 *
 * A signature is good for five minutes either way of the service's clock: sign
 * when the request is sent, never when it is built, and anew for each retry.
 *
 * Pure but for OpenSSL: time is an argument, already corrected by what is known
 * of the service's clock.
 * Returns   0, a SIGV4_* condition or a negative errno.
 */

#include <stdint.h>

#include "common/bytes.h"
#include "common/clock.h"

#define SIGV4_HASH_LENGTH 32 /* bytes of a SHA-256 */

enum sigv4_condition {
    /*
     * A text that goes into a header is too long, is missing, or has a
     * character that no header may have: a line break would begin another one.
     */
    SIGV4_UNUSABLE = 1,
};

struct sigv4_credentials {
    const char *access_key_id;
    const char *secret_access_key;
    const char *session_token; /* NULL or "": none */
};

struct sigv4_request {
    const char *method;       /* "POST" */
    const char *region;       /* "eu-west-1" */
    const char *service;      /* "kinesis" */
    const char *host;         /* as the Host header has it, with the port if it
                                 is not the default one */
    const char *content_type; /* NULL: no such header */
    const char *target;       /* X-Amz-Target; NULL: no such header */
    uint8_t body_hash[SIGV4_HASH_LENGTH];
    struct wall_time time;
};

/*
 * Values of the headers to send beside those of the request. A session token,
 * if there is one, goes into X-Amz-Security-Token as it is.
 */
struct sigv4_headers {
    char date[17];           /* X-Amz-Date: "20260101T000000Z" */
    char authorization[640]; /* Authorization */
};

struct sigv4;

/* Returns 0, or a negative errno if OpenSSL cannot give what is needed. */
int sigv4_new(struct sigv4 **signer);

/* SHA-256 of a body. Returns 0 or a negative errno. */
int sigv4_hash(struct sigv4 *signer, struct bytes body,
               uint8_t hash[SIGV4_HASH_LENGTH]);

/*
 * Sign. *headers is untouched unless 0 is returned.
 *
 * Returns 0, SIGV4_UNUSABLE or a negative errno.
 */
int sigv4_sign(struct sigv4 *signer,
               const struct sigv4_credentials *credentials,
               const struct sigv4_request *request,
               struct sigv4_headers *headers);

/* Wipe the signing key and free. NULL is allowed. */
void sigv4_free(struct sigv4 *signer);
