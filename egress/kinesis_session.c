/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/kinesis_session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "egress/sigv4.h"

/* Name, TCP and TLS of a far region take some 300 ms; more is trouble. */
#define CONNECT_TIMEOUT_NS (5 * NS_PER_SECOND)

/*
 * The Date header has whole seconds and is as old as the reply's way; below
 * this the clocks agree, and AWS allows ten times as much.
 */
#define CLOCK_OFFSET_LEAST_NS (30 * NS_PER_SECOND)

struct kinesis_session {
    environment_lookup *environment;
    const char *profile; /* --profile; NULL */
    const char *ca_file; /* NULL: the system's */
    struct credentials credentials;
    struct endpoint endpoint;
    struct http_client *client;
    struct sigv4 *signer;
    int64_t clock_offset_ns;             /* the server's time minus ours */
    char header_text[HTTP_HEADERS_MOST]; /* of the request being sent */
    char ca_complaint[512];
    const char *complaint;
};

static int resolve_endpoint(struct kinesis_session *session,
                            const struct kinesis_session_settings *settings)
{
    struct endpoint_settings endpoint = {
        .environment = settings->environment,
        .region = settings->region,
        .endpoint_url = settings->endpoint_url,
    };
    struct aws_profile profile;
    int result =
        aws_profile_load(settings->environment, settings->profile, &profile);

    /* A broken file matters only if something of it is needed: its region
     * here, its keys when credentials are loaded. */
    endpoint.profile_region = profile.region;
    if (result >= 0)
        result = endpoint_resolve(&endpoint, &session->endpoint);
    aws_profile_deinit(&profile);
    if (result > 0) {
        session->complaint = session->endpoint.complaint;
        return KINESIS_SESSION_CONFIGURATION;
    }
    return result;
}

/*
 * libcurl opens the file when it first speaks TLS; an endpoint that does not
 * answer would hide for ever that the file is not there.
 */
static int check_ca_file(struct kinesis_session *session)
{
    if (!session->ca_file || !session->endpoint.is_tls ||
        access(session->ca_file, R_OK) == 0)
        return 0;
    (void)snprintf(session->ca_complaint, sizeof(session->ca_complaint),
                   "cannot read the file of trusted certificates \"%s\" "
                   "(--ca-file or AWS_CA_BUNDLE): %s",
                   session->ca_file, strerror(errno));
    session->complaint = session->ca_complaint;
    return KINESIS_SESSION_CONFIGURATION;
}

static int make_client(struct kinesis_session *session,
                       const struct kinesis_session_settings *settings)
{
    const struct http_client_settings client = {
        .slot_count = settings->slot_count,
        .ca_file = session->ca_file,
        .connect_timeout_ns = CONNECT_TIMEOUT_NS,
        .request_timeout_ns = settings->request_timeout_ns,
        .plain_http_allowed = session->endpoint.is_loopback,
        .proxy_ignored = session->endpoint.is_loopback,
    };

    return http_client_new(&client, &session->client);
}

int kinesis_session_new(const struct kinesis_session_settings *settings,
                        struct kinesis_session **session)
{
    struct kinesis_session *made = calloc(1, sizeof(*made));
    int result;

    if (!made)
        return error_origin(-ENOMEM, "cannot make a session with Kinesis");
    made->environment = settings->environment;
    made->profile = settings->profile;
    made->ca_file = endpoint_ca_file(settings->environment, settings->ca_file);
    made->complaint = "";
    result = sigv4_new(&made->signer);
    if (result == 0)
        result = kinesis_session_reload(made);
    if (result == 0)
        result = resolve_endpoint(made, settings);
    if (result == 0)
        result = check_ca_file(made);
    if (result == 0)
        result = make_client(made, settings);
    if (result < 0)
        kinesis_session_free(made);
    else
        *session = made;
    return result;
}

void kinesis_session_free(struct kinesis_session *session)
{
    if (!session)
        return;
    http_client_free(session->client);
    sigv4_free(session->signer);
    explicit_bzero(session, sizeof(*session));
    free(session);
}

int kinesis_session_reload(struct kinesis_session *session)
{
    int result = credentials_load(session->environment, session->profile,
                                  &session->credentials);

    if (result > 0) {
        session->complaint = session->credentials.complaint;
        return KINESIS_SESSION_CONFIGURATION;
    }
    return result;
}

/* Signed as if it were the server's time. Returns 0 or a negative errno. */
static int sign(struct kinesis_session *session,
                const struct kinesis_request *request, struct wall_time now,
                struct sigv4_headers *headers)
{
    const struct aws_keys *keys = &session->credentials.keys;
    const struct sigv4_credentials credentials = {
        .access_key_id = keys->access_key_id,
        .secret_access_key = keys->secret_access_key,
        .session_token = keys->session_token,
    };
    struct sigv4_request signed_request = {
        .method = "POST",
        .region = session->endpoint.region,
        .service = "kinesis",
        .host = session->endpoint.host,
        .content_type = request->content_type,
        .target = request->target,
        .time = { .ns = now.ns + session->clock_offset_ns },
    };
    int result = 0;

    if (request->body_hash)
        memcpy(signed_request.body_hash, request->body_hash, SIGV4_HASH_LENGTH);
    else
        result = sigv4_hash(session->signer, request->body,
                            signed_request.body_hash);
    if (result == 0)
        result =
            sigv4_sign(session->signer, &credentials, &signed_request, headers);
    /* Everything that goes into a header was checked when it was found. */
    if (result == SIGV4_UNUSABLE)
        return error_sentence(-EINVAL, "a request to Kinesis cannot be signed");
    return result;
}

/* "NAME: VALUE" in the writer's memory, with the NUL that libcurl needs. */
static const char *put_header(struct bytes_writer *writer, const char *name,
                              const char *value)
{
    const char *line = (const char *)writer->data + writer->length;

    bytes_put_text(writer, name);
    bytes_put_text(writer, ": ");
    bytes_put(writer, bytes_of(value, strlen(value) + 1));
    return line;
}

int kinesis_session_send(struct kinesis_session *session, unsigned slot,
                         const struct kinesis_request *request,
                         struct wall_time now)
{
    struct bytes_writer writer =
        bytes_writer_on(session->header_text, sizeof(session->header_text));
    const char *token = session->credentials.keys.session_token;
    struct sigv4_headers headers;
    const char *lines[5];
    struct http_request http = { .method = HTTP_POST,
                                 .url = session->endpoint.url,
                                 .headers = lines,
                                 .body = request->body };
    int result = sign(session, request, now, &headers);

    if (result < 0)
        return result;
    lines[http.header_count++] =
        put_header(&writer, "Content-Type", request->content_type);
    lines[http.header_count++] =
        put_header(&writer, "X-Amz-Target", request->target);
    lines[http.header_count++] =
        put_header(&writer, "X-Amz-Date", headers.date);
    lines[http.header_count++] =
        put_header(&writer, "Authorization", headers.authorization);
    if (token[0] != '\0')
        lines[http.header_count++] =
            put_header(&writer, "X-Amz-Security-Token", token);
    assert(!writer.overrun);
    return http_client_start(session->client, slot, &http);
}

/*
 * The server's clock, as far as a header with whole seconds tells it. Date may
 * be up to a second, and a reply's way, older than `now`.
 */
static void learn_clock(struct kinesis_session *session, struct wall_time date,
                        struct wall_time now)
{
    int64_t offset_ns = date.ns - now.ns;

    if (date.ns == 0)
        return;
    session->clock_offset_ns =
        llabs(offset_ns) < CLOCK_OFFSET_LEAST_NS ? 0 : offset_ns;
}

bool kinesis_session_next(struct kinesis_session *session, struct wall_time now,
                          struct http_reply *reply)
{
    if (!http_client_next(session->client, reply))
        return false;
    learn_clock(session, reply->date, now);
    return true;
}

struct http_client *kinesis_session_client(struct kinesis_session *session)
{
    return session->client;
}

const struct endpoint *
kinesis_session_endpoint(const struct kinesis_session *session)
{
    return &session->endpoint;
}

const char *
kinesis_session_credentials_source(const struct kinesis_session *session)
{
    return credentials_source(&session->credentials);
}

const char *kinesis_session_ca_file(const struct kinesis_session *session)
{
    return session->ca_file;
}

int64_t kinesis_session_clock_offset_ns(const struct kinesis_session *session)
{
    return session->clock_offset_ns;
}

const char *kinesis_session_complaint(const struct kinesis_session *session)
{
    return session->complaint;
}
