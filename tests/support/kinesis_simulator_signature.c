/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/kinesis_simulator_signature.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#define ALGORITHM      "AWS4-HMAC-SHA256"
#define CANONICAL_MOST (SIMULATOR_HTTP_HEAD + 4096)
#define QUERY_MOST     64

/* What the Authorization header says. */
struct claim {
    struct bytes access_key;
    struct bytes date; /* YYYYMMDD */
    struct bytes region;
    struct bytes service;
    struct bytes terminator;
    struct bytes signed_headers;
    struct bytes signature;
    struct bytes time; /* YYYYMMDDTHHMMSSZ */
};

static int incomplete(struct simulator_refusal *refusal, const char *message)
{
    return simulator_refuse(refusal, 400, "IncompleteSignatureException", "%s",
                            message);
}

static int invalid(struct simulator_refusal *refusal, const char *message)
{
    return simulator_refuse(refusal, 400, "InvalidSignatureException", "%s",
                            message);
}

/* The value of `name=` in the comma-separated header. */
static struct bytes parameter_of(struct bytes header, const char *name)
{
    size_t length = strlen(name);

    while (header.length > 0) {
        const uint8_t *comma = memchr(header.data, ',', header.length);
        size_t part = comma ? (size_t)(comma - header.data) : header.length;

        while (part > 0 && *header.data == ' ') {
            header = bytes_skip(header, 1);
            part--;
        }
        if (part > length && header.data[length] == '=' &&
            memcmp(header.data, name, length) == 0)
            return bytes_of(header.data + length + 1, part - length - 1);
        header = bytes_skip(header, part + 1);
    }
    return bytes_of(NULL, 0);
}

/* Take the text before the next '/'; the rest if there is none. */
static struct bytes take_part(struct bytes *text)
{
    const uint8_t *slash =
        text->length > 0 ? memchr(text->data, '/', text->length) : NULL;
    struct bytes part = *text;

    if (slash)
        part.length = (size_t)(slash - text->data);
    *text = bytes_skip(*text, part.length + 1);
    return part;
}

static int read_claim(const struct simulator_http_request *request,
                      struct claim *claim, struct simulator_refusal *refusal)
{
    struct bytes header = simulator_http_header(request, "authorization");
    struct bytes credential;

    if (!header.data)
        return simulator_refuse(refusal, 400,
                                "MissingAuthenticationTokenException",
                                "Missing Authentication Token");
    if (!bytes_start_with(header, ALGORITHM " "))
        return incomplete(refusal, "Unsupported or missing algorithm in the "
                                   "Authorization header");
    header = bytes_skip(header, strlen(ALGORITHM " "));
    credential = parameter_of(header, "Credential");
    claim->signed_headers = parameter_of(header, "SignedHeaders");
    claim->signature = parameter_of(header, "Signature");
    claim->time = simulator_http_header(request, "x-amz-date");
    if (!credential.data)
        return incomplete(refusal, "Authorization header requires "
                                   "'Credential' parameter.");
    if (!claim->signature.data)
        return incomplete(refusal, "Authorization header requires "
                                   "'Signature' parameter.");
    if (!claim->signed_headers.data)
        return incomplete(refusal, "Authorization header requires "
                                   "'SignedHeaders' parameter.");
    if (!claim->time.data)
        return incomplete(refusal, "Authorization header requires existence "
                                   "of either a 'X-Amz-Date' or a 'Date' "
                                   "header.");
    claim->access_key = take_part(&credential);
    claim->date = take_part(&credential);
    claim->region = take_part(&credential);
    claim->service = take_part(&credential);
    claim->terminator = take_part(&credential);
    if (!claim->terminator.data || credential.length > 0)
        return incomplete(refusal, "Credential must have exactly 5 "
                                   "slash-delimited elements, e.g. "
                                   "keyid/date/region/service/term");
    return 0;
}

static int check_scope(const struct simulator_verifier *verifier,
                       const struct claim *claim,
                       struct simulator_refusal *refusal)
{
    if (!bytes_equal_text(claim->region, verifier->region))
        return simulator_refuse(
            refusal, 400, "InvalidSignatureException",
            "Credential should be scoped to a valid region, not '%.*s'. ",
            (int)claim->region.length, (const char *)claim->region.data);
    if (!bytes_equal_text(claim->service, verifier->service))
        return simulator_refuse(
            refusal, 400, "InvalidSignatureException",
            "Credential should be scoped to correct service: '%s'. ",
            verifier->service);
    if (!bytes_equal_text(claim->terminator, "aws4_request"))
        return invalid(refusal, "Credential should be scoped with a valid "
                                "terminator: 'aws4_request'. ");
    if (claim->time.length != 16 ||
        !bytes_equal(bytes_of(claim->time.data, 8), claim->date))
        return simulator_refuse(
            refusal, 400, "InvalidSignatureException",
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 "
            "version of date from HTTP: '%.*s' != '%.*s'.",
            (int)claim->date.length, (const char *)claim->date.data,
            (int)claim->time.length, (const char *)claim->time.data);
    return 0;
}

static void format_time(time_t seconds, char text[17])
{
    struct tm calendar;

    gmtime_r(&seconds, &calendar);
    strftime(text, 17, "%Y%m%dT%H%M%SZ", &calendar);
}

static int check_time(const struct claim *claim, struct wall_time now,
                      struct simulator_refusal *refusal)
{
    time_t seconds = (time_t)(now.ns / NS_PER_SECOND);
    char text[17];
    char here[17];
    char bound[17];
    struct tm calendar = { 0 };
    const char *rest;
    time_t signed_at;

    memcpy(text, claim->time.data, 16);
    text[16] = '\0';
    rest = strptime(text, "%Y%m%dT%H%M%SZ", &calendar);
    if (!rest || *rest)
        return incomplete(refusal, "Date must be in ISO-8601 'basic format'.");
    signed_at = timegm(&calendar);
    format_time(seconds, here);
    if (signed_at < seconds - SIMULATOR_SIGNATURE_WINDOW_S) {
        format_time(seconds - SIMULATOR_SIGNATURE_WINDOW_S, bound);
        return simulator_refuse(
            refusal, 400, "InvalidSignatureException",
            "Signature expired: %s is now earlier than %s (%s - 5 min.)", text,
            bound, here);
    }
    if (signed_at > seconds + SIMULATOR_SIGNATURE_WINDOW_S) {
        format_time(seconds + SIMULATOR_SIGNATURE_WINDOW_S, bound);
        return simulator_refuse(
            refusal, 400, "InvalidSignatureException",
            "Signature not yet current: %s is still later than %s "
            "(%s + 5 min.)",
            text, bound, here);
    }
    return 0;
}

static int check_identity(const struct simulator_verifier *verifier,
                          const struct simulator_http_request *request,
                          const struct claim *claim,
                          struct simulator_refusal *refusal)
{
    struct bytes token = simulator_http_header(request, "x-amz-security-token");
    bool good = verifier->session_token
                    ? bytes_equal_text(token, verifier->session_token)
                    : !token.data;

    if (good && bytes_equal_text(claim->access_key, verifier->access_key))
        return 0;
    return simulator_refuse(
        refusal, 400, "UnrecognizedClientException",
        "The security token included in the request is invalid.");
}

/* True if `name` is in the list "a;b;c". */
static bool is_listed(struct bytes list, const char *name)
{
    size_t length = strlen(name);

    for (;;) {
        const uint8_t *end =
            list.length > 0 ? memchr(list.data, ';', list.length) : NULL;
        size_t part = end ? (size_t)(end - list.data) : list.length;

        if (part == length && memcmp(list.data, name, length) == 0)
            return true;
        if (!end)
            return false;
        list = bytes_skip(list, part + 1);
    }
}

/* Inner runs of spaces become one, as the specification wants. */
static void put_value(struct bytes_writer *writer, struct bytes value)
{
    bool space = false;

    for (size_t i = 0; i < value.length; i++) {
        bool is_space = value.data[i] == ' ';

        if (!(is_space && space))
            bytes_put_byte(writer, value.data[i]);
        space = is_space;
    }
}

/* "name:value,value\n"; false if the request has no such header. */
static bool put_header(struct bytes_writer *writer,
                       const struct simulator_http_request *request,
                       struct bytes name)
{
    bool found = false;

    for (size_t i = 0; i < request->header_count; i++) {
        if (!simulator_http_name_equals(request->headers[i].name, name))
            continue;
        if (found)
            bytes_put_byte(writer, ',');
        else {
            bytes_put(writer, name);
            bytes_put_byte(writer, ':');
        }
        put_value(writer, request->headers[i].value);
        found = true;
    }
    bytes_put_byte(writer, '\n');
    return found;
}

static bool is_unreserved(uint8_t c)
{
    return isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~';
}

/* The path as it arrived, encoded once more: services but S3 do so. */
static void put_path(struct bytes_writer *writer, struct bytes path)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < path.length; i++) {
        uint8_t c = path.data[i];

        if (is_unreserved(c) || c == '/') {
            bytes_put_byte(writer, c);
            continue;
        }
        bytes_put_byte(writer, '%');
        bytes_put_byte(writer, (uint8_t)digits[c >> 4]);
        bytes_put_byte(writer, (uint8_t)digits[c & 15]);
    }
}

static int compare_parts(const void *left, const void *right)
{
    const struct bytes *a = left;
    const struct bytes *b = right;
    size_t shorter = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->data, b->data, shorter);

    if (order != 0)
        return order;
    return a->length < b->length ? -1 : a->length > b->length;
}

/* The parameters in order; they arrive encoded already. */
static void put_query(struct bytes_writer *writer, struct bytes query)
{
    struct bytes parts[QUERY_MOST];
    size_t count = 0;

    while (query.length > 0 && count < QUERY_MOST) {
        const uint8_t *end = memchr(query.data, '&', query.length);

        parts[count] = query;
        if (end)
            parts[count].length = (size_t)(end - query.data);
        query = bytes_skip(query, parts[count].length + 1);
        count++;
    }
    qsort(parts, count, sizeof(parts[0]), compare_parts);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            bytes_put_byte(writer, '&');
        bytes_put(writer, parts[i]);
        if (parts[i].length > 0 && !memchr(parts[i].data, '=', parts[i].length))
            bytes_put_byte(writer, '=');
    }
}

/* Returns 0, or SIMULATOR_REFUSED if a signed header did not arrive. */
static int put_signed_headers(struct bytes_writer *writer,
                              const struct simulator_http_request *request,
                              struct bytes list,
                              struct simulator_refusal *refusal)
{
    while (list.length > 0) {
        const uint8_t *end = memchr(list.data, ';', list.length);
        struct bytes name = list;

        if (end)
            name.length = (size_t)(end - list.data);
        if (!put_header(writer, request, name))
            return simulator_refuse(
                refusal, 400, "IncompleteSignatureException",
                "Header '%.*s' is in SignedHeaders but not in the request.",
                (int)name.length, (const char *)name.data);
        list = bytes_skip(list, name.length + 1);
    }
    return 0;
}

static int put_canonical_request(struct bytes_writer *writer,
                                 const struct simulator_http_request *request,
                                 const struct claim *claim,
                                 const uint8_t body_digest[32],
                                 struct simulator_refusal *refusal)
{
    bytes_put(writer, request->method);
    bytes_put_byte(writer, '\n');
    put_path(writer, request->path);
    bytes_put_byte(writer, '\n');
    put_query(writer, request->query);
    bytes_put_byte(writer, '\n');
    if (put_signed_headers(writer, request, claim->signed_headers, refusal))
        return SIMULATOR_REFUSED;
    bytes_put_byte(writer, '\n');
    bytes_put(writer, claim->signed_headers);
    bytes_put_byte(writer, '\n');
    bytes_put_hex(writer, bytes_of(body_digest, 32));
    if (writer->overrun)
        return incomplete(refusal, "The headers are too long to be signed.");
    return 0;
}

static void hmac(struct bytes key, struct bytes text, uint8_t out[32])
{
    unsigned length = 32;

    HMAC(EVP_sha256(), key.data, (int)key.length, text.data, text.length, out,
         &length);
}

static void derive_signing_key(struct simulator_verifier *verifier,
                               const struct claim *claim)
{
    struct bytes parts[] = { claim->date, claim->region, claim->service,
                             bytes_of_text("aws4_request") };
    char key[256];
    uint8_t digest[32];
    struct bytes from;

    snprintf(key, sizeof(key), "AWS4%s", verifier->secret_key);
    from = bytes_of_text(key);
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
        hmac(from, parts[i], digest);
        memcpy(verifier->signing_key, digest, sizeof(digest));
        from = bytes_of(verifier->signing_key, sizeof(digest));
    }
}

static void put_string_to_sign(struct bytes_writer *writer,
                               const struct claim *claim, const char *scope,
                               struct bytes canonical)
{
    uint8_t digest[32];

    SHA256(canonical.data, canonical.length, digest);
    bytes_put_text(writer, ALGORITHM "\n");
    bytes_put(writer, claim->time);
    bytes_put_byte(writer, '\n');
    bytes_put_text(writer, scope);
    bytes_put_byte(writer, '\n');
    bytes_put_hex(writer, bytes_of(digest, sizeof(digest)));
}

static int compare_signature(struct simulator_verifier *verifier,
                             const struct claim *claim, struct bytes canonical,
                             struct simulator_refusal *refusal)
{
    char scope[128];
    uint8_t to_sign[512];
    struct bytes_writer writer = bytes_writer_on(to_sign, sizeof(to_sign));
    uint8_t digest[32];
    uint8_t hex[64];
    struct bytes_writer hex_writer = bytes_writer_on(hex, sizeof(hex));

    snprintf(scope, sizeof(scope), "%.*s/%s/%s/aws4_request",
             (int)claim->date.length, (const char *)claim->date.data,
             verifier->region, verifier->service);
    if (strcmp(scope, verifier->scope) != 0) {
        derive_signing_key(verifier, claim);
        memcpy(verifier->scope, scope, sizeof(scope));
    }
    put_string_to_sign(&writer, claim, scope, canonical);
    hmac(bytes_of(verifier->signing_key, 32), bytes_written(&writer), digest);
    bytes_put_hex(&hex_writer, bytes_of(digest, sizeof(digest)));
    if (claim->signature.length == sizeof(hex) &&
        CRYPTO_memcmp(claim->signature.data, hex, sizeof(hex)) == 0)
        return 0;
    return simulator_refuse(
        refusal, 400, "InvalidSignatureException",
        "The request signature we calculated does not match the signature you "
        "provided. Check your AWS Secret Access Key and signing method. "
        "Consult the service documentation for details.\n\n"
        "The Canonical String for this request should have been\n'%.*s'\n\n"
        "The String-to-Sign should have been\n'%.*s'\n",
        (int)canonical.length, (const char *)canonical.data, (int)writer.length,
        (const char *)to_sign);
}

int simulator_signature_check(struct simulator_verifier *verifier,
                              const struct simulator_http_request *request,
                              const uint8_t body_digest[32],
                              struct wall_time now,
                              struct simulator_refusal *refusal)
{
    uint8_t canonical[CANONICAL_MOST];
    struct bytes_writer writer = bytes_writer_on(canonical, sizeof(canonical));
    struct claim claim = { .time = bytes_of(NULL, 0) };

    if (read_claim(request, &claim, refusal) ||
        check_identity(verifier, request, &claim, refusal) ||
        check_scope(verifier, &claim, refusal) ||
        check_time(&claim, now, refusal))
        return SIMULATOR_REFUSED;
    if (!is_listed(claim.signed_headers, "host") ||
        !is_listed(claim.signed_headers, "x-amz-date"))
        return invalid(refusal, "'Host' and 'X-Amz-Date' must be in "
                                "'SignedHeaders' of the Authorization.");
    if (verifier->session_token &&
        !is_listed(claim.signed_headers, "x-amz-security-token"))
        return invalid(refusal, "'X-Amz-Security-Token' must be in "
                                "'SignedHeaders' of the Authorization.");
    if (put_canonical_request(&writer, request, &claim, body_digest, refusal))
        return SIMULATOR_REFUSED;
    return compare_signature(verifier, &claim, bytes_written(&writer), refusal);
}
