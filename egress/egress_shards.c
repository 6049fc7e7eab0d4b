/* SPDX-License-Identifier: Apache-2.0 */

/*
 * egress_shards - which shard has which hash keys, as this worker believes.
 *
 * A worker begins with the layout's word and asks again only when a record
 * landed on a shard that the map does not know, or outside its range: writes
 * never fail because of a reshard, so that is the only sign of one. Asking
 * blocks for two short calls; it is rare, and nothing is lost meanwhile.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/error.h"
#include "egress/egress.h"

/* Not more often than this, however much the shards move. */
#define RELOAD_PAUSE_NS (500 * NS_PER_MS)

/* How long ListShards may be tried before the worker goes on without it. */
#define RELOAD_PATIENCE_NS (2 * NS_PER_SECOND)

int egress_begin_shards(struct egress *egress)
{
    size_t count = egress->layout.queue_count;

    egress->rows = calloc(count, sizeof(*egress->rows));
    if (!egress->rows)
        return error_origin(-ENOMEM, "cannot keep %zu shards", count);
    for (size_t i = 0; i < count; i++) {
        const struct layout_queue *queue = &egress->layout.queues[i];

        egress->rows[i].first = queue->first;
        egress->rows[i].last = queue->last;
        (void)snprintf(egress->rows[i].shard_id,
                       sizeof(egress->rows[i].shard_id), "%s", queue->shard_id);
    }
    if (shard_map_build(&egress->map, egress->rows, count))
        return error_sentence(-EPROTO, "the layout has no sound shard map");
    egress->surroundings.map = &egress->map;
    return 0;
}

/* Keep the survey's rows as the new map. */
static void take_map(struct egress *egress, struct survey *survey)
{
    struct shard_map_row *rows = survey->list.rows;

    survey->list.rows = NULL;
    survey->list.count = survey->list.capacity = 0;
    free(egress->rows);
    egress->rows = rows;
    egress->map = survey->map;
    egress->is_map_doubted = false;
    log_notice("shards_changed", "shards=%zu", egress->map.count);
}

static int survey_shards(struct egress *egress, struct kinesis_session *session)
{
    const struct survey_settings settings = {
        .stream = egress->options->stream,
        .patience_ns = RELOAD_PATIENCE_NS,
        .creating_patience_ns = 0,
    };
    struct survey survey = { 0 };
    int result = survey_take(session, &settings, &egress->random, &survey);

    if (result == 0)
        take_map(egress, &survey);
    else if (result > 0)
        log_warning("shards_unknown", "why=%s", log_quoted(survey.complaint));
    survey_deinit(&survey);
    return result < 0 ? result : 0;
}

int egress_reload_shards(struct egress *egress)
{
    struct kinesis_session *session = NULL;
    int result;

    if (!egress->is_map_doubted ||
        !monotonic_reached(egress->map_due, egress->now))
        return 0;
    egress->map_due = monotonic_after(egress->now, RELOAD_PAUSE_NS);
    counter_add(&egress->counters->shard_map_reloads, 1);
    result = egress_new_session(egress->options, 1, &session);
    if (result == 0)
        result = survey_shards(egress, session);
    kinesis_session_free(session);
    return result < 0 ? result : 0;
}
