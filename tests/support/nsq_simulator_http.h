/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * nsq_simulator_http - nsqlookupd's /lookup, and the double's own pages.
 *
 *     GET  /lookup?topic=T   as nsqlookupd 1.x; every nsqd has the one topic
 *     GET  /ping             OK
 *     GET  /stats            counters and connections, JSON
 *     POST /script           faults, JSON lines (nsq_simulator_script.h)
 *
 * One request per connection. What comes in is at most 256 KiB.
 */

#include <stdbool.h>
#include <stddef.h>

#include "tests/support/nsq_simulator_connection.h"
#include "tests/support/nsq_simulator_script.h"

#define HTTP_REQUEST_MOST ((size_t)256 * 1024)

struct http_request {
    enum watch watch;
    int fd;
    size_t length;
    char text[HTTP_REQUEST_MOST];
};

struct http_request *http_request_new(int fd);
void http_request_free(struct http_request *request);

/* Read and, when all is there, answer. Returns true when it is over. */
bool http_request_serve(struct http_request *request, struct script *script,
                        const struct channel_time *now);

/* Write the counters of all nsqds, without braces. */
void http_put_counters(struct bytes_writer *json, const struct nsqd *nsqds,
                       size_t nsqd_count);
