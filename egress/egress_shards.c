/* SPDX-License-Identifier: Apache-2.0 */

/*
 * egress_shards - which shard has which hash keys, as this worker believes.
 *
 * The first worker of a queue begins with the layout's word; its successors ask
 * first, since the shards may have moved in the meantime. Writes never fail because of a
 * reshard: the only sign of one is a record that landed on a shard which the
 * map does not know, or which does not cover it. What became of that record is
 * then in doubt, and its queue waits; the others go on. The list of shards is
 * asked for in a slot of its own, and tells whether the shard covers the record
 * after all, as after a merge, or whether it has to be sent again.
 *
 * A list that misses the shard which Kinesis has just named is older than that
 * reply; the map stays, and another list is asked for.
 *
 * A stream that is gone comes back with other shards, perhaps under the ids of
 * the old ones. So nothing is sent before a new list has come.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/crash_point.h"
#include "common/error.h"
#include "common/lifeline.h"
#include "common/seeded_bug.h"
#include "egress/egress.h"

/* How long lists may miss a shard before the reply that named it is doubted. */
#define PATIENCE_NS (5 * NS_PER_SECOND)

/* How long a successor waits for its first list before it begins without. */
#define LEARNING_NS (250 * NS_PER_MS)

/* The same trouble is told at most this often. */
#define TROUBLE_LOG_NS (30 * NS_PER_SECOND)

static int make_rows(struct egress *egress)
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

/*
 * True if another worker had a queue before: the shards may have moved since the
 * layout was made. What is sent by an old map lands where KCL throws it away.
 */
static bool is_successor(const struct egress *egress)
{
    for (size_t i = 0; i < egress->sender_count; i++)
        if (egress->senders[i].consumer.epoch > 1)
            return true;
    return false;
}

int egress_begin_shards(struct egress *egress)
{
    /* Each part of each batch may be in doubt; memory is used when it is. */
    size_t most = egress->sender_count * QUEUE_PARTS_MOST + 1;

    egress->landings = calloc(most, sizeof(*egress->landings));
    egress->listing = malloc(sizeof(*egress->listing));
    if (!egress->landings || !egress->listing)
        return error_origin(-ENOMEM, "no memory for a list of shards");
    shard_listing_init(egress->listing);
    if (is_successor(egress)) {
        egress->is_learning = true;
        egress->paused_until = monotonic_after(egress->now, LEARNING_NS);
        shard_listing_want(egress->listing, egress->now);
    }
    return make_rows(egress);
}

void egress_end_shards(struct egress *egress)
{
    if (egress->listing)
        shard_listing_deinit(egress->listing);
    free(egress->listing);
    free(egress->landings);
    free(egress->rows);
    free(egress->closed.rows);
}

static const struct shard_map_row *find_closed(const struct shard_rows *closed,
                                               struct bytes shard_id)
{
    for (size_t i = 0; i < closed->count; i++)
        if (bytes_equal_text(shard_id, closed->rows[i].shard_id))
            return &closed->rows[i];
    return NULL;
}

static const struct shard_map_row *find_shard(const struct egress *egress,
                                              struct bytes shard_id)
{
    const struct shard_map_row *row =
        shard_map_find_shard(&egress->map, shard_id);

    return row ? row : find_closed(&egress->closed, shard_id);
}

static bool entry_fits(const struct request_entry *entry,
                       const struct shard_map_row *shard)
{
    return batch_fits(&entry->sender->consumer, entry->sender->batch.end,
                      &entry->part, &entry->sender->key, shard);
}

static void doubt(struct egress *egress, const struct request_entry *entry,
                  struct bytes shard_id)
{
    struct landing *landing = &egress->landings[egress->landing_count++];
    struct shard_map_row row;

    /* put_records_reply_read() has seen to it that it is a shard id. */
    (void)shard_map_row_name(&row, shard_id);
    landing->entry = *entry;
    landing->patience_end = monotonic_after(egress->now, PATIENCE_NS);
    memcpy(landing->shard_id, row.shard_id, sizeof(landing->shard_id));
    shard_listing_want(egress->listing, egress->now);
}

bool egress_judge_landing(struct egress *egress,
                          const struct request_entry *entry,
                          struct bytes shard_id, struct outcome *outcome)
{
    const struct shard_map_row *shard = find_shard(egress, shard_id);

    *outcome = outcome_of_reply(OUTCOME_REPLY_STORED);
    if (SEEDED_BUG(no_shard_check) ||
        bytes_equal_text(shard_id, entry->shard_id) ||
        (shard && entry_fits(entry, shard)))
        return true;
    *outcome = outcome_of_reply(OUTCOME_REPLY_WRONG_SHARD);
    if (SEEDED_BUG(stale_map))
        return true;
    /* The map knows better than it did when the request left. */
    if (shard &&
        !queue_sender_has_shard(entry->sender, &egress->map, &entry->part))
        return true;
    doubt(egress, entry, shard_id);
    return false;
}

/* Returns 0 or a negative errno. */
static int resolve(struct egress *egress, const struct landing *landing,
                   const struct shard_map_row *shard)
{
    struct outcome outcome = outcome_of_reply(OUTCOME_REPLY_UNKNOWN_SHARD);
    int result;

    queue_sender_look(landing->entry.sender, egress->now);
    if (shard)
        outcome = outcome_of_reply(entry_fits(&landing->entry, shard)
                                       ? OUTCOME_REPLY_STORED
                                       : OUTCOME_REPLY_WRONG_SHARD);
    egress_on_judged(egress, &landing->entry, &outcome);
    result = egress_settle(egress, landing->entry.sender);
    if (result == 1)
        egress_wake_ingest(egress);
    return result;
}

/* Decide about every landing that the shards known now explain. */
static int resolve_landings(struct egress *egress)
{
    size_t count = egress->landing_count;
    int result = 0;

    egress->landing_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct landing landing = egress->landings[i];
        const struct shard_map_row *shard =
            find_shard(egress, bytes_of_text(landing.shard_id));

        if (result < 0 ||
            (!shard && !monotonic_reached(landing.patience_end, egress->now)))
            egress->landings[egress->landing_count++] = landing;
        else
            result = resolve(egress, &landing, shard);
    }
    return result < 0 ? result : 0;
}

/* True if the list names none of the shards it was asked for because of. */
static bool is_stale(const struct egress *egress, const struct shard_list *list,
                     const struct shard_map *map)
{
    for (size_t i = 0; i < egress->landing_count; i++) {
        const struct landing *landing = &egress->landings[i];
        struct bytes shard_id = bytes_of_text(landing->shard_id);

        if (shard_map_find_shard(map, shard_id) ||
            find_closed(&list->closed, shard_id) ||
            monotonic_reached(landing->patience_end, egress->now))
            return false;
    }
    return egress->landing_count > 0;
}

static void stream_is_back(struct egress *egress)
{
    egress->is_stream_gone = false;
    egress->has_complained = false;
    log_notice("stream_back", "stream=%s shards=%zu", egress->options->stream,
               egress->map.count);
}

static bool is_same_map(const struct shard_map *one,
                        const struct shard_map *other)
{
    if (one->count != other->count)
        return false;
    for (size_t i = 0; i < one->count; i++)
        if (strcmp(one->rows[i].shard_id, other->rows[i].shard_id) != 0)
            return false;
    return true;
}

void egress_tell_drift(const struct egress *egress)
{
    (void)lifeline_send(LIFELINE_DESCRIPTOR, LIFELINE_SHARDS, egress->drift);
}

/* Only what is news: several workers that know it differently would quarrel. */
static void note_drift(struct egress *egress)
{
    uint32_t drift = layout_drift(&egress->layout, &egress->map);

    if (drift == egress->drift)
        return;
    egress->drift = drift;
    egress_tell_drift(egress);
}

/* Make the list the map, and its rows ours. */
static void take_map(struct egress *egress, struct shard_list *list,
                     const struct shard_map *map)
{
    bool is_same = is_same_map(&egress->map, map);

    free(egress->rows);
    free(egress->closed.rows);
    egress->rows = list->open.rows;
    egress->closed = list->closed;
    egress->map = *map;
    list->open = list->closed = (struct shard_rows){ 0 };
    note_drift(egress);
    if (egress->is_stream_gone)
        stream_is_back(egress);
    else if (!is_same)
        log_notice("shards_changed", "shards=%zu", egress->map.count);
}

static int take_list(struct egress *egress)
{
    struct shard_list *list = &egress->listing->list;
    struct shard_map map;
    int result;

    /* Pages read while a split or merge was under way may not fit together. */
    if (shard_map_build(&map, list->open.rows, list->open.count) ||
        is_stale(egress, list, &map)) {
        shard_listing_again(egress->listing, egress->now, &egress->random);
        return 0;
    }
    take_map(egress, list, &map);
    CRASH_POINT(shards_taken);
    result = resolve_landings(egress);
    if (result == 0 && egress->landing_count > 0)
        shard_listing_again(egress->listing, egress->now, &egress->random);
    return result;
}

static void complain_of_listing(struct egress *egress)
{
    uint64_t kept_back;

    if (egress->is_stream_gone ||
        !log_limit_allows(&egress->listing_limit, egress->now, TROUBLE_LOG_NS,
                          &kept_back))
        return;
    log_warning("shards_unknown", "why=%s repeated=%llu",
                log_quoted(egress->listing->complaint),
                (unsigned long long)kept_back);
}

int egress_take_shards(struct egress *egress, const struct http_reply *reply)
{
    int result = shard_listing_take(egress->listing, reply, egress->now,
                                    &egress->random);

    if (egress->is_learning && result != SHARD_LISTING_MORE) {
        egress->is_learning = false;
        egress->paused_until = (struct monotonic){ .ns = 0 };
    }
    if (result == 0)
        return take_list(egress);
    if (result == SHARD_LISTING_FAILED) {
        if (egress->listing->outcome.action == OUTCOME_REFRESH_CREDENTIALS)
            (void)kinesis_session_reload(egress->session);
        complain_of_listing(egress);
    }
    return result < 0 ? result : 0;
}

void egress_lose_stream(struct egress *egress)
{
    CRASH_POINT(stream_lost);
    if (egress->is_stream_gone)
        return;
    egress->is_stream_gone = true;
    log_error("stream_gone", "stream=%s", egress->options->stream);
    shard_listing_await_stream(egress->listing, egress->now, &egress->random);
}

int egress_list_shards(struct egress *egress)
{
    struct kinesis_request request = {
        .target = CONTROL_PLANE_LIST_SHARDS,
        .content_type = CONTROL_PLANE_CONTENT_TYPE,
    };
    int result;

    if (egress->listing->state != SHARD_LISTING_DUE ||
        !monotonic_reached(egress->listing->due, egress->now))
        return 0;
    if (egress->listing->pages == 0)
        counter_add(&egress->counters->shard_map_reloads, 1);
    request.body = shard_listing_ask(egress->listing, egress->options->stream);
    result = kinesis_session_send(egress->session, EGRESS_LISTING_SLOT,
                                  &request, egress->wall);
    return result < 0 ? result : 1;
}
