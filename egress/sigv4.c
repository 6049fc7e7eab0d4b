/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/sigv4.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "common/error.h"

#define ALGORITHM "AWS4-HMAC-SHA256"

/* "20260101" of "20260101T000000Z" */
#define DAY_LENGTH 8

/* Longest texts that leave room in `authorization` for what is around them. */
#define ACCESS_KEY_ID_MOST 128
#define SECRET_MOST        256
#define REGION_MOST        64
#define SERVICE_MOST       64

struct sigv4 {
    EVP_MD *sha256; /* fetched once: a fetch for each request costs more than
                       the signature */
    EVP_MAC *hmac;
    EVP_MD_CTX *hash;
    EVP_MAC_CTX *mac;
    uint8_t key[SIGV4_HASH_LENGTH];    /* the signing key */
    uint8_t key_of[SIGV4_HASH_LENGTH]; /* SHA-256 of what it was made of */
    bool has_key;
};

static int refused_by_openssl(void)
{
    return error_sentence(-EIO, "OpenSSL failed to compute a SHA-256");
}

static bool fetch(struct sigv4 *signer)
{
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };

    /* OpenSSL 3.0 reads through NULL if it could not make its own context. */
    if (!OSSL_LIB_CTX_get0_global_default())
        return false;
    signer->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    signer->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    signer->hash = EVP_MD_CTX_new();
    signer->mac = signer->hmac ? EVP_MAC_CTX_new(signer->hmac) : NULL;
    return signer->sha256 && signer->hash && signer->mac &&
           EVP_MAC_CTX_set_params(signer->mac, parameters);
}

int sigv4_new(struct sigv4 **signer)
{
    struct sigv4 *made = calloc(1, sizeof(*made));

    if (!made)
        return -ENOMEM;
    if (!fetch(made)) {
        sigv4_free(made);
        return error_sentence(-ENOTSUP,
                              "OpenSSL has no HMAC with SHA-256 for us");
    }
    *signer = made;
    return 0;
}

void sigv4_free(struct sigv4 *signer)
{
    if (!signer)
        return;
    EVP_MAC_CTX_free(signer->mac);
    EVP_MD_CTX_free(signer->hash);
    EVP_MAC_free(signer->hmac);
    EVP_MD_free(signer->sha256);
    OPENSSL_cleanse(signer, sizeof(*signer));
    free(signer);
}

static bool hash_start(struct sigv4 *signer)
{
    return EVP_DigestInit_ex2(signer->hash, signer->sha256, NULL) == 1;
}

static bool hash_add(struct sigv4 *signer, struct bytes bytes)
{
    return EVP_DigestUpdate(signer->hash, bytes.data, bytes.length) == 1;
}

static bool hash_add_text(struct sigv4 *signer, const char *text)
{
    return hash_add(signer, bytes_of_text(text));
}

static bool hash_end(struct sigv4 *signer, uint8_t hash[SIGV4_HASH_LENGTH])
{
    return EVP_DigestFinal_ex(signer->hash, hash, NULL) == 1;
}

int sigv4_hash(struct sigv4 *signer, struct bytes body,
               uint8_t hash[SIGV4_HASH_LENGTH])
{
    if (!hash_start(signer) || !hash_add(signer, body) ||
        !hash_end(signer, hash))
        return refused_by_openssl();
    return 0;
}

/* `mac` may be the key's own memory. */
static bool hmac(struct sigv4 *signer, struct bytes key, struct bytes input,
                 uint8_t mac[SIGV4_HASH_LENGTH])
{
    size_t length;

    return EVP_MAC_init(signer->mac, key.data, key.length, NULL) &&
           EVP_MAC_update(signer->mac, input.data, input.length) &&
           EVP_MAC_final(signer->mac, mac, &length, SIGV4_HASH_LENGTH) &&
           length == SIGV4_HASH_LENGTH;
}

/* Visible ASCII and, inside, spaces: what a header's value may have. */
static bool is_header_value(const char *text, size_t most)
{
    size_t length = text ? strnlen(text, most + 1) : 0;

    if (length == 0 || length > most || text[0] == ' ' ||
        text[length - 1] == ' ')
        return false;
    for (size_t i = 0; i < length; i++)
        if (text[i] < ' ' || text[i] > '~')
            return false;
    return !strstr(text, "  "); /* the canonical form would have one */
}

static bool is_optional_value(const char *text)
{
    return !text || is_header_value(text, SIZE_MAX - 1);
}

/* Parts of the scope are divided by '/' and of Authorization by ','. */
static bool is_word(const char *text, size_t most)
{
    return is_header_value(text, most) && !strpbrk(text, "/, ");
}

static const char *token_of(const struct sigv4_credentials *credentials)
{
    const char *token = credentials->session_token;

    return token && token[0] != '\0' ? token : NULL;
}

static bool is_usable(const struct sigv4_credentials *credentials,
                      const struct sigv4_request *request)
{
    return is_word(credentials->access_key_id, ACCESS_KEY_ID_MOST) &&
           is_header_value(credentials->secret_access_key, SECRET_MOST) &&
           is_optional_value(token_of(credentials)) &&
           is_word(request->method, SIZE_MAX - 1) &&
           is_word(request->region, REGION_MOST) &&
           is_word(request->service, SERVICE_MOST) && request->host &&
           is_optional_value(request->host) &&
           is_optional_value(request->content_type) &&
           is_optional_value(request->target);
}

/* `count` digits with leading zeros. */
static char *put_digits(char *to, unsigned count, int64_t value)
{
    for (unsigned i = count; i-- > 0; value /= 10)
        to[i] = (char)('0' + value % 10);
    return to + count;
}

/*
 * Days since 1970-01-01 -> "yyyymmdd", in the Gregorian calendar. Years are
 * counted from March, so that a leap day is their last one, in eras of 400.
 * (gmtime() may read the time zone's file.)
 */
static char *put_day(char *to, int64_t days)
{
    int64_t since = days + 719468; /* 0000-03-01 */
    int64_t era = since / 146097;
    int64_t day_of_era = since % 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
                           day_of_era / 146096) /
                          365;
    int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153; /* 0 is March */
    bool is_next_year = month >= 10;             /* January, February */

    to = put_digits(to, 4, 400 * era + year_of_era + is_next_year);
    to = put_digits(to, 2, is_next_year ? month - 9 : month + 3);
    return put_digits(to, 2, day_of_year - (153 * month + 2) / 5 + 1);
}

static bool put_date(char date[17], struct wall_time time)
{
    int64_t seconds = time.ns / NS_PER_SECOND;
    char *to = date;

    if (time.ns < 0)
        return false;
    to = put_day(to, seconds / 86400);
    *to++ = 'T';
    to = put_digits(to, 2, seconds / 3600 % 24);
    to = put_digits(to, 2, seconds / 60 % 60);
    to = put_digits(to, 2, seconds % 60);
    *to++ = 'Z';
    *to = '\0';
    return true;
}

static bool derive_key(struct sigv4 *signer, const char *secret,
                       const struct sigv4_request *request, struct bytes day)
{
    struct bytes key = bytes_of(signer->key, SIGV4_HASH_LENGTH);
    uint8_t memory[4 + SECRET_MOST];
    struct bytes_writer start = bytes_writer_on(memory, sizeof(memory));
    bool is_made;

    bytes_put_text(&start, "AWS4");
    bytes_put_text(&start, secret);
    is_made = !start.overrun &&
              hmac(signer, bytes_written(&start), day, signer->key) &&
              hmac(signer, key, bytes_of_text(request->region), signer->key) &&
              hmac(signer, key, bytes_of_text(request->service), signer->key) &&
              hmac(signer, key, bytes_of_text("aws4_request"), signer->key);
    OPENSSL_cleanse(memory, sizeof(memory));
    return is_made;
}

/* Make signer->key right for this request, once a day. */
static bool provide_key(struct sigv4 *signer, const char *secret,
                        const struct sigv4_request *request, struct bytes day)
{
    uint8_t key_of[SIGV4_HASH_LENGTH];

    /* No part but the secret, which is last, can contain the divider. */
    if (!hash_start(signer) || !hash_add(signer, day) ||
        !hash_add_text(signer, request->region) ||
        !hash_add_text(signer, "/") ||
        !hash_add_text(signer, request->service) ||
        !hash_add_text(signer, "/") || !hash_add_text(signer, secret) ||
        !hash_end(signer, key_of))
        return false;
    if (signer->has_key && memcmp(key_of, signer->key_of, sizeof(key_of)) == 0)
        return true;
    signer->has_key = derive_key(signer, secret, request, day);
    memcpy(signer->key_of, key_of, sizeof(key_of));
    return signer->has_key;
}

/* Headers that are signed, by name; values of NULL are not there. */
struct signed_header {
    const char *name;
    const char *value;
};

enum {
    SIGNED_HEADERS = 5
};

static void put_names(struct bytes_writer *writer,
                      const struct signed_header headers[SIGNED_HEADERS])
{
    bool is_first = true;

    for (size_t i = 0; i < SIGNED_HEADERS; i++) {
        if (!headers[i].value)
            continue;
        bytes_put_text(writer, is_first ? "" : ";");
        bytes_put_text(writer, headers[i].name);
        is_first = false;
    }
}

/* SHA-256 of the canonical request. */
static bool hash_request(struct sigv4 *signer,
                         const struct sigv4_request *request,
                         const struct signed_header headers[SIGNED_HEADERS],
                         uint8_t hash[SIGV4_HASH_LENGTH])
{
    uint8_t memory[256];
    struct bytes_writer end = bytes_writer_on(memory, sizeof(memory));
    bool is_good = hash_start(signer) &&
                   hash_add_text(signer, request->method) &&
                   hash_add_text(signer, "\n/\n\n");

    for (size_t i = 0; i < SIGNED_HEADERS && is_good; i++) {
        if (headers[i].value)
            is_good = hash_add_text(signer, headers[i].name) &&
                      hash_add_text(signer, ":") &&
                      hash_add_text(signer, headers[i].value) &&
                      hash_add_text(signer, "\n");
    }
    bytes_put_byte(&end, '\n');
    put_names(&end, headers);
    bytes_put_byte(&end, '\n');
    bytes_put_hex(&end, bytes_of(request->body_hash, SIGV4_HASH_LENGTH));
    return is_good && !end.overrun && hash_add(signer, bytes_written(&end)) &&
           hash_end(signer, hash);
}

/* "20260101/eu-west-1/kinesis/aws4_request" */
static void put_scope(struct bytes_writer *writer,
                      const struct sigv4_request *request, struct bytes day)
{
    bytes_put(writer, day);
    bytes_put_byte(writer, '/');
    bytes_put_text(writer, request->region);
    bytes_put_byte(writer, '/');
    bytes_put_text(writer, request->service);
    bytes_put_text(writer, "/aws4_request");
}

/* The HMAC of the string to sign. */
static bool make_signature(struct sigv4 *signer,
                           const struct sigv4_request *request,
                           const char *date, struct bytes request_hash,
                           uint8_t signature[SIGV4_HASH_LENGTH])
{
    uint8_t memory[320];
    struct bytes_writer text = bytes_writer_on(memory, sizeof(memory));

    bytes_put_text(&text, ALGORITHM "\n");
    bytes_put_text(&text, date);
    bytes_put_byte(&text, '\n');
    put_scope(&text, request, bytes_of(date, DAY_LENGTH));
    bytes_put_byte(&text, '\n');
    bytes_put_hex(&text, request_hash);
    return !text.overrun &&
           hmac(signer, bytes_of(signer->key, SIGV4_HASH_LENGTH),
                bytes_written(&text), signature);
}

int sigv4_sign(struct sigv4 *signer,
               const struct sigv4_credentials *credentials,
               const struct sigv4_request *request,
               struct sigv4_headers *headers)
{
    struct sigv4_headers made = { 0 };
    const struct signed_header signed_headers[SIGNED_HEADERS] = {
        { "content-type", request->content_type },
        { "host", request->host },
        { "x-amz-date", made.date },
        { "x-amz-security-token", token_of(credentials) },
        { "x-amz-target", request->target },
    };
    struct bytes day = bytes_of(made.date, DAY_LENGTH);
    struct bytes_writer line =
        bytes_writer_on(made.authorization, sizeof(made.authorization) - 1);
    uint8_t hash[SIGV4_HASH_LENGTH];
    uint8_t signature[SIGV4_HASH_LENGTH];

    if (!is_usable(credentials, request) || !put_date(made.date, request->time))
        return SIGV4_UNUSABLE;
    if (!provide_key(signer, credentials->secret_access_key, request, day) ||
        !hash_request(signer, request, signed_headers, hash) ||
        !make_signature(signer, request, made.date,
                        bytes_of(hash, sizeof(hash)), signature))
        return refused_by_openssl();
    bytes_put_text(&line, ALGORITHM " Credential=");
    bytes_put_text(&line, credentials->access_key_id);
    bytes_put_byte(&line, '/');
    put_scope(&line, request, day);
    bytes_put_text(&line, ", SignedHeaders=");
    put_names(&line, signed_headers);
    bytes_put_text(&line, ", Signature=");
    bytes_put_hex(&line, bytes_of(signature, sizeof(signature)));
    if (line.overrun)
        return SIGV4_UNUSABLE;
    *headers = made;
    return 0;
}
