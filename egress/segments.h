/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * segments - the shared memory of a bridge, made or adopted by the survey.
 *
 * Whatever an earlier life of the bridge left behind is looked at first:
 *
 *   nothing                  make layout, wake-up segment and queues
 *   sound queues with        adopt them as they are: the records in them are
 *   records in them          the ones that may be lost nowhere else. Their
 *                            ranges may be those of yesterday's shards; egress
 *                            finds the shard of each record anyway
 *   sound but empty queues   adopt them if they are as this survey wants them,
 *                            else remove them and make new ones
 *   anything damaged, or of  remove it and make new ones: nsqd delivers again
 *   another build            what had no FIN
 *
 * Nobody else uses the segments while this runs: the supervisor holds the lock
 * of the bridge, and its children come later.
 */

#include "common/options.h"
#include "common/random.h"
#include "egress/survey.h"

enum segments_origin {
    SEGMENTS_MADE,
    SEGMENTS_ADOPTED,
    SEGMENTS_REPLACED, /* what was there could not be used */
};

struct segments_report {
    enum segments_origin origin;
    size_t queue_count;
    uint64_t queue_capacity; /* bytes of each ring */
    uint64_t record_bytes;   /* left from an earlier life, to be delivered */
};

/*
 * Make or adopt the segments of the bridge options->name for what the survey
 * found. Returns 0 or a negative errno with its sentence; -ENOSPC says how
 * much shared memory is needed.
 */
int segments_provide(const struct options *options, const struct survey *survey,
                     struct random *random, struct segments_report *report);
