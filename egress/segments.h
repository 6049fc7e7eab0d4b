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
 *                            else remove them and make new ones. With
 *                            --keep-queues only if there is room for those: a
 *                            bridge that runs is not to end for new ones
 *   a queue that is damaged, set it aside under another name, for people, and
 *   or of another build      make an empty one; the other queues are as good
 *                            as before. nsqd delivers again what had no FIN,
 *                            and what was lost has none
 *   a layout that is         the same; queues that are as this survey wants
 *   damaged, or none         them are adopted
 *
 * Every record is read and its checksum computed (shard/queue_check.h).
 *
 * Nobody else uses the segments while this runs: the supervisor holds the lock
 * of the bridge, and its children come later.
 */

#include "common/options.h"
#include "common/random.h"
#include "egress/survey.h"
#include "shard/segment_name.h"

enum segments_origin {
    SEGMENTS_MADE,
    SEGMENTS_ADOPTED,
    SEGMENTS_REPLACED, /* what was there could not be used */
};

/* One segment that was set aside. */
struct segments_damage {
    struct segment_name name; /* the one it had */
    char why[256];            /* one clause: "has no record at 4096 ..." */
};

#define SEGMENTS_DAMAGE_TOLD_MOST 16

struct segments_report {
    enum segments_origin origin;
    bool has_remains;     /* an earlier life left a layout */
    size_t adopted_count; /* queues */
    size_t missing_count; /* queues that the layout has and nobody finds */
    size_t damage_count;  /* segments set aside */
    struct segments_damage damages[SEGMENTS_DAMAGE_TOLD_MOST]; /* the first */
    bool is_damage_dropped; /* for want of room they were not kept */
    size_t queue_count;
    uint64_t queue_capacity; /* bytes of each ring */
    uint64_t record_bytes;   /* left from an earlier life, to be delivered */
    char kept_why[512];      /* there is no room for new queues; else empty */
};

/*
 * Fill *survey, as survey_take() does, with what the bridge's layout says: so
 * that its queues are adopted as they are. The caller deinits it in any case.
 * Returns 0 or a negative errno with its sentence.
 */
int segments_recall(const char *bridge, struct survey *survey);

/*
 * Make or adopt the segments of the bridge options->name for what the survey
 * found. Returns 0 or a negative errno with its sentence; -ENOSPC says how
 * much shared memory is needed.
 */
int segments_provide(const struct options *options, const struct survey *survey,
                     struct random *random, struct segments_report *report);
