/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/kinesis_simulator_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#define VALID_SECONDS (10L * 365 * 24 * 3600)

static int failed(const char *what)
{
    fprintf(stderr, "kinesis_simulator: %s\n", what);
    ERR_print_errors_fp(stderr);
    return -EIO;
}

/* HTTP/1.1 whatever the client offers: the server speaks nothing else. */
static int choose_protocol(SSL *ssl, const unsigned char **out,
                           unsigned char *out_length, const unsigned char *in,
                           unsigned in_length, void *unused)
{
    static const unsigned char ours[] = "\x08http/1.1";

    (void)ssl;
    (void)unused;
    if (SSL_select_next_proto((unsigned char **)out, out_length, ours,
                              sizeof(ours) - 1, in,
                              in_length) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    return SSL_TLSEXT_ERR_OK;
}

int simulator_tls_open(const char *certificate_path,
                       const char *private_key_path, SSL_CTX **context)
{
    SSL_CTX *made = SSL_CTX_new(TLS_server_method());

    if (!made)
        return failed("cannot start TLS");
    SSL_CTX_set_min_proto_version(made, TLS1_2_VERSION);
    SSL_CTX_set_mode(made, SSL_MODE_ENABLE_PARTIAL_WRITE |
                               SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                               SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_id_context(made, (const unsigned char *)"kinesis", 7);
    SSL_CTX_set_alpn_select_cb(made, choose_protocol, NULL);
    if (SSL_CTX_use_certificate_chain_file(made, certificate_path) != 1 ||
        SSL_CTX_use_PrivateKey_file(made, private_key_path, SSL_FILETYPE_PEM) !=
            1) {
        SSL_CTX_free(made);
        return failed("cannot use the certificate and its private key");
    }
    *context = made;
    return 0;
}

static bool add_extension(X509 *certificate, X509V3_CTX *about, int kind,
                          const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, about, kind, value);
    bool added = extension && X509_add_ext(certificate, extension, -1) == 1;

    X509_EXTENSION_free(extension);
    return added;
}

static bool add_name(X509 *certificate, const char *name)
{
    return X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN",
                                      MBSTRING_ASC, (const unsigned char *)name,
                                      -1, -1, 0) == 1;
}

static bool set_serial(X509 *certificate)
{
    uint64_t serial;

    return RAND_bytes((unsigned char *)&serial, sizeof(serial)) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate),
                                   serial >> 1) == 1;
}

/*
 * A certificate for `key`, not signed yet. `issuer` NULL: its own issuer,
 * which makes it the authority.
 */
static X509 *make_certificate(EVP_PKEY *key, X509 *issuer, const char *name)
{
    X509 *made = X509_new();
    X509V3_CTX about;
    bool good;

    if (!made)
        return NULL;
    good = X509_set_version(made, 2) && set_serial(made) &&
           X509_gmtime_adj(X509_getm_notBefore(made), -3600) &&
           X509_gmtime_adj(X509_getm_notAfter(made), VALID_SECONDS) &&
           X509_set_pubkey(made, key) && add_name(made, name) &&
           X509_set_issuer_name(made,
                                X509_get_subject_name(issuer ? issuer : made));
    X509V3_set_ctx(&about, issuer ? issuer : made, made, NULL, NULL, 0);
    good = good &&
           add_extension(made, &about, NID_subject_key_identifier, "hash") &&
           add_extension(made, &about, NID_basic_constraints,
                         issuer ? "critical,CA:FALSE" : "critical,CA:TRUE") &&
           add_extension(made, &about, NID_key_usage,
                         issuer ? "critical,digitalSignature"
                                : "critical,keyCertSign,cRLSign");
    if (good && issuer)
        good = add_extension(made, &about, NID_authority_key_identifier,
                             "keyid") &&
               add_extension(made, &about, NID_ext_key_usage, "serverAuth") &&
               add_extension(made, &about, NID_subject_alt_name,
                             "DNS:localhost,IP:127.0.0.1,IP:::1,"
                             "DNS:kinesis.us-east-1.amazonaws.com,"
                             "DNS:kinesis.eu-west-1.amazonaws.com");
    if (good)
        return made;
    X509_free(made);
    return NULL;
}

static FILE *create(const char *folder, const char *name, mode_t mode)
{
    char path[4096];
    int descriptor;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    return descriptor < 0 ? NULL : fdopen(descriptor, "w");
}

static bool write_certificate(const char *folder, const char *name,
                              X509 *certificate)
{
    FILE *file = create(folder, name, 0644);
    bool good = file && PEM_write_X509(file, certificate) == 1;

    return (file && fclose(file) == 0) && good;
}

static bool write_key(const char *folder, const char *name, EVP_PKEY *key)
{
    FILE *file = create(folder, name, 0600);
    bool good =
        file && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1;

    return (file && fclose(file) == 0) && good;
}

int simulator_tls_make_certificates(const char *folder)
{
    EVP_PKEY *authority_key = EVP_EC_gen("P-256");
    EVP_PKEY *server_key = EVP_EC_gen("P-256");
    X509 *authority = NULL;
    X509 *server = NULL;
    bool good = authority_key && server_key;

    if (good) {
        authority = make_certificate(authority_key, NULL, "simulator CA");
        good = authority && X509_sign(authority, authority_key, EVP_sha256());
    }
    if (good) {
        server = make_certificate(server_key, authority, "localhost");
        good = server && X509_sign(server, authority_key, EVP_sha256());
    }
    good = good && write_certificate(folder, "ca.pem", authority) &&
           write_certificate(folder, "server.pem", server) &&
           write_key(folder, "server-key.pem", server_key);
    X509_free(server);
    X509_free(authority);
    EVP_PKEY_free(server_key);
    EVP_PKEY_free(authority_key);
    return good ? 0 : failed("cannot make certificates");
}
