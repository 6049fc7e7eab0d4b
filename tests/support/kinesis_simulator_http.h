/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * kinesis_simulator_http - the head of an HTTP/1.1 request, and of a reply.
 *
 * Pure. Views point into the bytes given; header names keep their case and
 * are compared without it.
 */

#include <stdbool.h>

#include "common/bytes.h"
#include "common/clock.h"

#define SIMULATOR_HTTP_HEADERS 64

/* A session token has two thousand characters; this is room enough. */
#define SIMULATOR_HTTP_HEAD 16384

enum simulator_http_condition {
    SIMULATOR_HTTP_MORE = 1, /* the head is not complete yet */
    SIMULATOR_HTTP_WRONG,    /* malformed: answer 400 and close */
    SIMULATOR_HTTP_CHUNKED,  /* a length is required: answer 411 and close */
};

struct simulator_http_header {
    struct bytes name;
    struct bytes value; /* without the white space around it */
};

struct simulator_http_request {
    struct bytes method;
    struct bytes path;  /* up to the '?' */
    struct bytes query; /* after it; empty without one */
    struct simulator_http_header headers[SIMULATOR_HTTP_HEADERS];
    size_t header_count;
    size_t head_length; /* bytes, the empty line included */
    uint64_t body_length;
    bool keep_alive;
    bool expects_continue;
};

/* Returns 0 or a SIMULATOR_HTTP_* condition. */
int simulator_http_parse(struct bytes input,
                         struct simulator_http_request *request);

/* The value of the first header of that name; data NULL if there is none. */
struct bytes simulator_http_header(const struct simulator_http_request *request,
                                   const char *name);

/* Names are equal whatever their case. */
bool simulator_http_name_equals(struct bytes name, struct bytes other);

struct simulator_http_reply {
    int status;
    const char *content_type;
    uint64_t body_length;
    uint64_t request_id;
    struct wall_time date;
    bool keep_alive;
};

/* Write the head of a reply; it fits into 512 bytes. */
void simulator_http_put_head(struct bytes_writer *writer,
                             const struct simulator_http_reply *reply);
