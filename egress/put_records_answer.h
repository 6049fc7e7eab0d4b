/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * put_records_answer - what came back for one PutRecords request, classed.
 *
 *     failure of libcurl ──────────┐
 *     status and error code ───────┼──► one outcome for the whole request
 *     status 200, but no sound ────┘
 *     status 200 and sound ───────────► one result for each record
 *
 * The only way from a reply to an outcome. Pure.
 */

#include "egress/http_client.h"
#include "egress/outcome.h"
#include "egress/put_records.h"

struct put_records_answer {
    struct outcome outcome; /* of the whole request */
    struct bytes code;      /* its error code, or the failure's word */
    struct bytes message;   /* for people */
};

/*
 * Read the reply, in the form that its Content-Type says, else in the one that
 * was `asked`, to a request of `count` records. Texts with escapes are kept
 * in `texts`; views end with them and with the reply.
 *
 * Returns true if each record has its result in `results`, and false if
 * *answer is about all of them.
 */
bool put_records_answer_read(enum put_records_format asked,
                             const struct http_reply *reply,
                             struct bytes_writer *texts,
                             struct put_records_result *results, size_t count,
                             struct put_records_answer *answer);
