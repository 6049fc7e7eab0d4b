/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * kinesis_session - one endpoint, its credentials, and signed requests to it.
 *
 *     environment, profile ─► credentials ─┐
 *     region, endpoint URL ─► endpoint ────┼─► send: signed now, in a slot
 *     Date of every reply ──► clock offset ┘   of the http_client
 *
 * Survey and worker both talk to Kinesis through it. A request is signed when
 * it is sent and never earlier, so what waits or is sent again is signed anew.
 *
 * Clock     AWS takes signatures that are at most five minutes off. Every reply
 *           tells the server's time; if ours differs by more than half a
 *           minute, later requests are signed with the server's.
 * Waiting   turn, wait, cancel and is_idle are http_client's own; see
 *           kinesis_session_client(). Replies are taken here.
 * Secrets   leave this module only as signatures, and the session token in its
 *           header.
 */

#include "egress/credentials.h"
#include "egress/endpoint.h"
#include "egress/http_client.h"

struct kinesis_session_settings {
    environment_lookup *environment;
    const char *region;         /* --region; NULL */
    const char *endpoint_url;   /* --endpoint-url; NULL */
    const char *profile;        /* --profile; NULL */
    const char *ca_file;        /* --ca-file; NULL */
    unsigned slot_count;        /* requests on their way at once */
    int64_t request_timeout_ns; /* the whole of one request */
};

enum kinesis_session_condition {
    KINESIS_SESSION_CONFIGURATION = 1, /* see kinesis_session_complaint() */
};

struct kinesis_request {
    const char *target; /* X-Amz-Target */
    const char *content_type;
    struct bytes body;        /* kept by the caller until the reply */
    const uint8_t *body_hash; /* its SHA-256; NULL: computed here */
};

struct kinesis_session;

/*
 * Make a session. The texts of the settings must outlive it. *session is made
 * unless a negative errno is returned; after a condition it is good for its
 * complaint only. The caller frees it in both cases.
 *
 * Returns 0, KINESIS_SESSION_CONFIGURATION or a negative errno.
 */
int kinesis_session_new(const struct kinesis_session_settings *settings,
                        struct kinesis_session **session);

/* Wipe the secrets and free. NULL is allowed. */
void kinesis_session_free(struct kinesis_session *session);

/*
 * Look for credentials again, as after an expired token. The old ones stay in
 * use if there are no good new ones.
 *
 * Returns 0, KINESIS_SESSION_CONFIGURATION or a negative errno.
 */
int kinesis_session_reload(struct kinesis_session *session);

/*
 * Sign and start a request in an idle slot. `now` is the wall clock's time.
 *
 * Returns 0 or a negative errno.
 */
int kinesis_session_send(struct kinesis_session *session, unsigned slot,
                         const struct kinesis_request *request,
                         struct wall_time now);

/* Take one reply, as http_client_next(), and learn from its Date. */
bool kinesis_session_next(struct kinesis_session *session, struct wall_time now,
                          struct http_reply *reply);

struct http_client *kinesis_session_client(struct kinesis_session *session);

const struct endpoint *
kinesis_session_endpoint(const struct kinesis_session *session);

/* For the log: "environment", "profile orders of FILE". */
const char *
kinesis_session_credentials_source(const struct kinesis_session *session);

/* The file of trusted certificates, or NULL: the system's. */
const char *kinesis_session_ca_file(const struct kinesis_session *session);

/* What the server's clock is ahead of ours; 0 while they agree. */
int64_t kinesis_session_clock_offset_ns(const struct kinesis_session *session);

/* One sentence about the last KINESIS_SESSION_CONFIGURATION. */
const char *kinesis_session_complaint(const struct kinesis_session *session);
