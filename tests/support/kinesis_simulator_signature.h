/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * kinesis_simulator_signature - verify AWS Signature Version 4 for real.
 *
 * The canonical request is built from the headers as they arrived and the
 * SHA-256 of the body as it arrived; nothing of the signer is known here.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 *
 * A refusal's message holds the canonical request and the string to sign, as
 * the service's does: a signer's mistake can be read from it.
 */

#include "common/clock.h"
#include "tests/support/kinesis_simulator_http.h"
#include "tests/support/kinesis_simulator_refusal.h"

/* "within five minutes": the error texts of the service name the window. */
#define SIMULATOR_SIGNATURE_WINDOW_S 300

struct simulator_verifier {
    const char *access_key;
    const char *secret_key;
    const char *session_token; /* NULL: long-term credentials */
    const char *region;
    const char *service;
    char scope[128];         /* of the cached signing key; empty: none */
    uint8_t signing_key[32]; /* derived once per day, region and service */
};

/* Returns 0, or SIMULATOR_REFUSED with *refusal in the service's words. */
int simulator_signature_check(struct simulator_verifier *verifier,
                              const struct simulator_http_request *request,
                              const uint8_t body_digest[32],
                              struct wall_time now,
                              struct simulator_refusal *refusal);
