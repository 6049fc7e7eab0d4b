/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/queue_sender.h"

#include <stdint.h>

#define RECORD_COUNT_UNLIMITED SIZE_MAX

int queue_sender_open(const char *queue_name, const struct layout_queue *range,
                      uint64_t worker_index, struct queue_sender *sender)
{
    int result;

    *sender = (struct queue_sender){
        .range = *range,
        .state = SENDER_IDLE,
        .due = MONOTONIC_NEVER,
        .waiting_since = MONOTONIC_NEVER,
        .record_count_most = RECORD_COUNT_UNLIMITED,
    };
    retrier_init(&sender->retrier);
    result = queue_consumer_open(queue_name, worker_index, &sender->consumer);
    if (result)
        return result;
    result = queue_intended(&sender->consumer, &sender->batch);
    if (result == QUEUE_EMPTY)
        return 0;
    if (result == 0) {
        sender->state = SENDER_DUE;
        sender->due = (struct monotonic){ .ns = 0 };
    }
    return result;
}

void queue_sender_close(struct queue_sender *sender)
{
    queue_consumer_close(&sender->consumer);
}

void queue_sender_look(struct queue_sender *sender, struct monotonic now)
{
    sender->looked = now;
    if (sender->state != SENDER_IDLE)
        return;
    sender->depth = queue_depth(&sender->consumer);
    if (sender->depth == 0)
        sender->waiting_since = MONOTONIC_NEVER;
    else if (sender->waiting_since.ns == MONOTONIC_NEVER.ns)
        sender->waiting_since = now;
}

struct monotonic queue_sender_ready_at(const struct queue_sender *sender)
{
    if (sender->state == SENDER_IDLE)
        return sender->waiting_since;
    return sender->state == SENDER_DUE ? sender->due : MONOTONIC_NEVER;
}

/* The shard that takes the records without a key: the range's first one. */
static const struct shard_map_row *
keyless_shard(const struct queue_sender *sender, const struct shard_map *map)
{
    return shard_map_find(map, sender->range.first);
}

/* Find the key of the keyless shard again if that shard changed. */
static int update_key(struct queue_sender *sender, const struct shard_map *map)
{
    const struct shard_map_row *shard = keyless_shard(sender, map);

    if (sender->key.text.length > 0 &&
        hash_key_equal(sender->key_first, shard->first) &&
        hash_key_equal(sender->key_last, shard->last))
        return 0;
    if (balanced_key_find(shard->first, shard->last, sender->key_text,
                          &sender->key.hash_key))
        return SENDER_BROKEN;
    sender->key.text = bytes_of_text(sender->key_text);
    sender->key_first = shard->first;
    sender->key_last = shard->last;
    return 0;
}

static void set_shard(const struct queue_sender *sender,
                      const struct shard_map *map,
                      const struct shard_map_row *shard,
                      struct sender_part *part)
{
    part->shard = shard;
    part->part = (struct batch_part){
        .first = shard->first,
        .last = shard->last,
        .takes_keyless = shard == keyless_shard(sender, map),
    };
}

static int release(struct queue_sender *sender, uint64_t position)
{
    if (queue_release(&sender->consumer, position) == QUEUE_FENCED) {
        sender->is_fenced = true;
        return SENDER_FENCED;
    }
    return 0;
}

/* The shard of the oldest record decides which part a new batch begins with. */
static int choose_first_shard(struct queue_sender *sender,
                              const struct shard_map *map,
                              struct sender_part *part)
{
    uint64_t position = sender->consumer.released;
    const struct shard_map_row *shard;
    struct record_header *record;
    int result;

    do {
        result = queue_peek(&sender->consumer, &position, &record);
        if (result)
            return result == QUEUE_EMPTY ? SENDER_NOTHING : SENDER_BROKEN;
    } while (record->verdict != VERDICT_NONE);
    shard = keyless_shard(sender, map);
    if (record->key_length > 0)
        shard =
            shard_map_find(map, (struct hash_key){ .high = record->hash_high,
                                                   .low = record->hash_low });
    set_shard(sender, map, shard, part);
    return 0;
}

/* A part that takes every record. */
static const struct batch_part everything = {
    .last = { .high = UINT64_MAX, .low = UINT64_MAX },
    .takes_keyless = true,
};

static size_t count_undecided(struct queue_sender *sender)
{
    uint64_t position = sender->consumer.released;
    struct record_header *record;
    size_t count = 0;

    while (position < sender->batch.end &&
           queue_peek(&sender->consumer, &position, &record) == 0)
        count += batch_part_takes(&everything, record);
    return count;
}

/* Decide the one undecided record before `end`, which no such stream takes. */
static int refuse_first(struct queue_sender *sender, uint64_t end)
{
    size_t decided;

    (void)batch_decide(&sender->consumer, end, &everything,
                       VERDICT_REFUSED_TOO_LARGE, &decided);
    return release(sender, end);
}

static int form_batch(struct queue_sender *sender,
                      const struct batch_encoder *encoder,
                      const struct shard_map *map, struct wall_time now,
                      struct sender_part *part)
{
    struct batch_encoder limited = *encoder;
    int result;

    limited.limits.record_count = sender->record_count_most;
    for (;;) {
        result = choose_first_shard(sender, map, part);
        if (result)
            return result;
        result = batch_encode(&limited, &sender->consumer, 0, &part->part,
                              &sender->key, &part->encoding);
        if (result != BATCH_REFUSED)
            break;
        result = refuse_first(sender, part->encoding.end);
        if (result)
            return result;
        part->refused_count++;
    }
    if (result)
        return SENDER_BROKEN;
    queue_intend(&sender->consumer, sender->consumer.released,
                 part->encoding.end, now, &sender->batch);
    sender->state = SENDER_DUE;
    sender->due = sender->looked;
    /* Whatever comes behind the batch has waited since now at the longest. */
    sender->waiting_since = sender->looked;
    return 0;
}

/* The next shard of the queue's range that has records in the batch. */
static int next_of_batch(struct queue_sender *sender,
                         const struct batch_encoder *encoder,
                         const struct shard_map *map, struct sender_part *part)
{
    const struct shard_map_row *last = shard_map_find(map, sender->range.last);
    size_t last_row = (size_t)(last - map->rows);

    while (part->next_row <= last_row) {
        size_t row = part->next_row++;
        int result;

        if (row == part->skipped_row)
            continue;
        set_shard(sender, map, &map->rows[row], part);
        result = batch_encode(encoder, &sender->consumer, sender->batch.end,
                              &part->part, &sender->key, &part->encoding);
        if (result == BATCH_NOTHING)
            continue;
        return result ? SENDER_BROKEN : 0;
    }
    return SENDER_NOTHING;
}

/*
 * Nothing of a batch may be left to send: its last records were refused, or a
 * predecessor died after it had decided them and before it released them.
 */
static int release_if_decided(struct queue_sender *sender)
{
    if (sender->state != SENDER_DUE || count_undecided(sender) > 0)
        return 0;
    return queue_sender_settle(sender, sender->looked);
}

int queue_sender_next_part(struct queue_sender *sender,
                           const struct batch_encoder *encoder,
                           const struct shard_map *map, struct wall_time now,
                           struct sender_part *part)
{
    int result = queue_check_epoch(&sender->consumer);

    if (result || sender->is_fenced)
        return SENDER_FENCED;
    if (part->is_begun) {
        /* Usually the first part left nothing to others. */
        if (part->encoding.foreign_count == 0)
            return SENDER_NOTHING;
        return next_of_batch(sender, encoder, map, part);
    }
    result = update_key(sender, map);
    if (result == 0)
        result = release_if_decided(sender);
    if (result)
        return result;
    part->is_begun = true;
    part->skipped_row = SIZE_MAX;
    part->next_row =
        (size_t)(shard_map_find(map, sender->range.first) - map->rows);
    if (sender->state == SENDER_DUE)
        return next_of_batch(sender, encoder, map, part);
    result = form_batch(sender, encoder, map, now, part);
    if (result == 0)
        part->skipped_row = (size_t)(part->shard - map->rows);
    return result;
}

void queue_sender_on_sent(struct queue_sender *sender)
{
    sender->state = SENDER_SENT;
    sender->parts_on_their_way++;
}

size_t queue_sender_on_accepted(struct queue_sender *sender,
                                const struct batch_part *part)
{
    size_t decided;

    assert(sender->parts_on_their_way > 0);
    sender->parts_on_their_way--;
    (void)batch_decide(&sender->consumer, sender->batch.end, part,
                       VERDICT_DELIVERED, &decided);
    return decided;
}

void queue_sender_on_failed(struct queue_sender *sender,
                            const struct outcome *outcome,
                            struct random *random)
{
    assert(sender->parts_on_their_way > 0);
    sender->parts_on_their_way--;
    if (!sender->is_blamed)
        retrier_on_outcome(&sender->retrier, outcome, sender->looked, random);
    sender->is_blamed = true;
}

size_t queue_sender_refuse_part(struct queue_sender *sender,
                                const struct batch_part *part)
{
    size_t decided;

    (void)batch_decide(&sender->consumer, sender->batch.end, part,
                       VERDICT_REFUSED_BY_KINESIS, &decided);
    return decided;
}

bool queue_sender_is_alone(struct queue_sender *sender)
{
    return count_undecided(sender) == 1;
}

void queue_sender_on_refused(struct queue_sender *sender,
                             enum record_verdict verdict)
{
    size_t decided;

    (void)batch_decide(&sender->consumer, sender->batch.end, &everything,
                       verdict, &decided);
}

void queue_sender_halve(struct queue_sender *sender)
{
    size_t count = count_undecided(sender);

    sender->record_count_most = count > 1 ? count / 2 : 1;
    sender->is_blamed = false;
    sender->state = SENDER_IDLE;
    sender->waiting_since = sender->looked;
}

/* Let batches grow again after a refused record was found. */
static void relax(struct queue_sender *sender)
{
    if (sender->record_count_most > UINT16_MAX)
        sender->record_count_most = RECORD_COUNT_UNLIMITED;
    else
        sender->record_count_most *= 2;
}

int queue_sender_settle(struct queue_sender *sender, struct monotonic earliest)
{
    bool was_blamed = sender->is_blamed;

    assert(sender->parts_on_their_way == 0);
    sender->is_blamed = false;
    if (sender->state == SENDER_IDLE)
        return SENDER_UNDECIDED; /* halved: its records wait for a new batch */
    if (count_undecided(sender) > 0) {
        sender->state = SENDER_DUE;
        sender->due = earliest;
        if (was_blamed && retrier_due(&sender->retrier).ns > earliest.ns)
            sender->due = retrier_due(&sender->retrier);
        return SENDER_UNDECIDED;
    }
    sender->state = SENDER_IDLE;
    retrier_init(&sender->retrier);
    relax(sender);
    return release(sender, sender->batch.end);
}
