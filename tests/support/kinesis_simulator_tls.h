/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * kinesis_simulator_tls - the server's side of TLS, and certificates to test
 * with.
 *
 * Returns 0, or a negative errno with OpenSSL's own words on standard error.
 */

#include <openssl/ssl.h>

/* The caller owns *context and frees it with SSL_CTX_free(). */
int simulator_tls_open(const char *certificate_path,
                       const char *private_key_path, SSL_CTX **context);

/*
 * Write a new certificate authority and a server certificate signed by it for
 * localhost, 127.0.0.1, ::1 and the service in two regions:
 * ca.pem, server.pem and server-key.pem (0600) in `folder`.
 */
int simulator_tls_make_certificates(const char *folder);
