/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * survey - the one-shot look at the stream: what is it, which shards are open?
 *
 * DescribeStreamSummary, then every page of ListShards. A stream that is being
 * created is waited for; what may pass by itself is tried again for a while,
 * with growing, jittered pauses; all else ends the survey with a sentence that
 * tells the operator which stream, region, endpoint, action or file is meant.
 * Blocks: it is the whole work of a process.
 *
 * Returns   0; a SURVEY_* condition with survey->complaint; or a negative errno.
 */

#include "common/random.h"
#include "egress/control_plane.h"
#include "egress/kinesis_session.h"

enum survey_condition {
    SURVEY_NO_STREAM = 1,       /* it does not exist, or is being deleted */
    SURVEY_ACCESS_DENIED,       /* the credentials may not ask */
    SURVEY_CREDENTIALS_REFUSED, /* nobody knows the credentials, or the clock
                                   is wrong and cannot be corrected */
    SURVEY_UNTRUSTED,           /* TLS: certificate or CA file */
    SURVEY_REFUSED,             /* a request that can never be right */
    SURVEY_NOT_KINESIS,         /* what answers is something else */
    SURVEY_UNREACHABLE,         /* no connection */
    SURVEY_BUSY,                /* throttled, failing or silent for too long */
    SURVEY_NOT_READY,           /* still being created, or still in motion */
};

/* True if a later survey may go better: exit TRY_AGAIN, not CONFIGURATION. */
bool survey_can_heal(int condition);

struct survey_settings {
    const char *stream;
    int64_t patience_ns;          /* with a service that fails */
    int64_t creating_patience_ns; /* with a stream that is being created */
};

struct survey {
    struct stream_summary summary;
    struct shard_list list; /* the rows of the map, sorted by hash key */
    struct shard_map map;   /* of the open shards; covers everything */
    char complaint[4096];
};

/*
 * Look at the stream with slot 0 of the session, which is idle. *survey is
 * zeroed before; the caller deinits it in any case.
 */
int survey_take(struct kinesis_session *session,
                const struct survey_settings *settings, struct random *random,
                struct survey *survey);

void survey_deinit(struct survey *survey);
