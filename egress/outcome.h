/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * outcome - what each answer of Kinesis means, and what is done about it.
 *
 *     record error code ──────────────────┐
 *     HTTP status and error code ─────────┤   egress/outcomes.tbl
 *     no reply: http_failure, definite? ──┼──────────► certainty, action
 *     reply of doubtful content ──────────┘
 *
 * Kinesis has no idempotency token, so it matters whether a copy may be in the
 * stream already. Whatever is not known to be a definite failure is ambiguous,
 * and only what is known to be stored is accepted: a new error code, a proxy's
 * page and a cut reply can make a duplicate, never a loss.
 *
 * Pure.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/bytes.h"
#include "egress/http_client.h"

enum outcome_certainty {
    OUTCOME_STORED,    /* it is in the stream */
    OUTCOME_DEFINITE,  /* it is not in the stream */
    OUTCOME_AMBIGUOUS, /* perhaps; sending it again may make a duplicate */
};

/*
 * What to do. All but ACCEPT and GIVE_UP end with sending the same records
 * again, byte for byte, and hold what comes after them; retrier says when.
 */
enum outcome_action {
    OUTCOME_ACCEPT,    /* done: release it */
    OUTCOME_RETRY,     /* what failed, after a growing pause */
    OUTCOME_BACK_OFF,  /* throttled: the same, and send to it more slowly */
    OUTCOME_PAUSE_ALL, /* nothing to any shard can succeed: try one request now
                          and then, and tell the operator */
    OUTCOME_AWAIT_STREAM,        /* nothing, until a list of its shards comes */
    OUTCOME_REFRESH_CREDENTIALS, /* once at once; again: as PAUSE_ALL */
    OUTCOME_FIX_CLOCK,           /* by the reply's Date; then the same */
    OUTCOME_HALVE,   /* send half of it; one record alone is refused for good */
    OUTCOME_ISOLATE, /* outcome_find_refused() says which record it is, and the
                        rest is sent without it; else as HALVE */
    OUTCOME_SWITCH_PROTOCOL, /* use JSON; already in use: as PAUSE_ALL */
    OUTCOME_RELOAD_SHARDS,   /* ListShards, then send it again */
    OUTCOME_GIVE_UP,         /* the configuration is wrong: end the process */
};

/* What a reply with status 200 can be, for one record or for all. */
enum outcome_reply {
    OUTCOME_REPLY_STORED,
    OUTCOME_REPLY_GARBAGE,       /* PUT_RECORDS_GARBAGE */
    OUTCOME_REPLY_WRONG_COUNT,   /* PUT_RECORDS_WRONG_COUNT */
    OUTCOME_REPLY_UNKNOWN_CODE,  /* of a record */
    OUTCOME_REPLY_UNKNOWN_SHARD, /* the shard id is not in our map */
    OUTCOME_REPLY_WRONG_SHARD,   /* the shard does not cover every hash key */
};

struct outcome {
    enum outcome_certainty certainty;
    enum outcome_action action;
    const char *meaning; /* for the log: what an operator should know */
};

/* One result of a reply: an empty code is a stored record. */
struct outcome outcome_of_record(struct bytes error_code);

/* A reply with status 200 that is not as it should be, or is. */
struct outcome outcome_of_reply(enum outcome_reply reply);

/* Another status; `error_code` is empty if the body has none. */
struct outcome outcome_of_status(int status, struct bytes error_code);

/* No reply; not HTTP_NO_FAILURE. `is_definite` as http_reply has it. */
struct outcome outcome_of_failure(enum http_failure failure, bool is_definite);

/*
 * Which of `record_count` records a validation message complains about:
 * "... Value at 'records.3.member.data' failed ..." is the third, index 2.
 * Returns false, and leaves *index, if it names none.
 */
bool outcome_find_refused(struct bytes message, size_t record_count,
                          size_t *index);

/* For the log: "retry", "pause_all" ... */
const char *outcome_action_name(enum outcome_action action);
