/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * http_client - the only file that knows libcurl: a pool of HTTP/1.1 requests.
 *
 *     start(slot) > turn > next: reply of a slot       wait: until any of it
 *
 * A client has a fixed number of slots; each is idle or has one request on its
 * way, and keeps its libcurl handle for ever, so that connections, TLS sessions
 * and memory are used again. HTTP/1.1 with keep-alive, because libcurl's HTTP/2
 * uploads are slower and no request shares its connection's fate with another.
 *
 * Definite  a failed request is `definite` if no server can have acted on it,
 *           because its last byte never left. Everything else is ambiguous:
 *           the reply may be lost of a request that was done. The rule needs no
 *           list of failures: libcurl asks for the body bit by bit, and says
 *           when a connection is there, so the client counts what went out.
 * Re-sends  when a reused connection dies without a reply, libcurl begins the
 *           request again by itself. That is allowed only while the body is
 *           incomplete, where nobody can have acted on it. A request that went
 *           out whole goes out once: sending it again is the caller's choice.
 * Trust     the peer's certificate and name are verified, TLS 1.2 or newer, no
 *           redirects. libcurl's verbose mode stays off: it prints headers,
 *           and they carry signatures.
 * Thread    one; nothing here blocks but http_client_wait().
 * Returns   0; a count; or a negative errno with its sentence.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/clock.h"

/* The most bytes of a reply's body; a PutRecords reply has about 100 KB. */
#define HTTP_REPLY_MOST ((size_t)4 * 1024 * 1024)

/* The most bytes of a request's header lines, session token included. */
#define HTTP_HEADERS_MOST ((size_t)24 * 1024)

/* The most header lines of a request. */
#define HTTP_HEADER_COUNT_MOST 16

enum http_failure {
    HTTP_NO_FAILURE = 0,
#define HTTP_FAILURE(constant, name) constant,
#include "egress/http_failures.tbl"
};

struct http_client_settings {
    unsigned slot_count;        /* at least 1 */
    const char *ca_file;        /* PEM; NULL: the system's */
    int64_t connect_timeout_ns; /* name, TCP and TLS */
    int64_t request_timeout_ns; /* the whole request, connecting included */
    bool plain_http_allowed;    /* http:// as well as https:// */
    bool proxy_ignored;         /* whatever the environment says: loopback */
};

enum http_method {
    HTTP_POST,
    HTTP_GET, /* has no body */
};

struct http_request {
    enum http_method method;
    const char *url;
    const char *const *headers; /* "Name: value"; copied */
    size_t header_count;
    struct bytes body; /* the caller keeps it as it is until the reply */
};

struct http_reply {
    unsigned slot;
    enum http_failure
        failure;              /* with a failure, status and body mean nothing */
    bool definite;            /* failed, and cannot have been acted on */
    const char *explanation;  /* of the failure, for people; else "" */
    int status;               /* 200 ... */
    struct bytes body;        /* all views end at the slot's next start */
    const char *content_type; /* "" if there is none */
    const char *request_id;   /* x-amzn-requestid; "" if there is none */
    struct wall_time date;    /* the server's clock; 0 if it does not say */
    int64_t total_ns;         /* from start to end */
    unsigned attempts;        /* times the request was begun; see Re-sends */
    unsigned connections_made; /* 0: a kept one was used */
};

struct http_client;

/*
 * Make a client. Texts of the settings are copied. The caller owns *client.
 *
 * Returns 0 or -ENOMEM.
 */
int http_client_new(const struct http_client_settings *settings,
                    struct http_client **client);

/*
 * Start a request in an idle slot; its reply comes from http_client_next().
 * Failures to connect and the like are replies too, never errors of this call.
 *
 * Returns 0, -E2BIG if the headers are too long, or -ENOMEM.
 */
int http_client_start(struct http_client *client, unsigned slot,
                      const struct http_request *request);

/* Forget the request in `slot`, if any, and cut its connection. */
void http_client_cancel(struct http_client *client, unsigned slot);

/* True if `slot` has no request on its way and no reply to be taken. */
bool http_client_is_idle(const struct http_client *client, unsigned slot);

/*
 * Send and receive what can be without waiting.
 *
 * Returns how many replies http_client_next() has, or a negative errno.
 */
int http_client_turn(struct http_client *client);

/* Take one reply; false if there is none. Its slot is idle again. */
bool http_client_next(struct http_client *client, struct http_reply *reply);

/* A descriptor that http_client_wait() watches for its caller. */
struct http_watch {
    int descriptor;
    bool is_readable; /* as of the last wait; also when it is broken */
};

#define HTTP_WATCHES_MOST 8

/*
 * Sleep until a request can move, one of `watches` is readable, or `timeout_ms`
 * has passed. It may return early.
 *
 * Returns how many descriptors and connections are ready, or a negative errno.
 */
int http_client_wait(struct http_client *client, struct http_watch *watches,
                     size_t watch_count, int timeout_ms);

/* Cancel everything and free. NULL is allowed. */
void http_client_free(struct http_client *client);

/* A word for the log: "unreachable", "timed_out" ... */
const char *http_failure_name(enum http_failure failure);
