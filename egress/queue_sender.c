/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/queue_sender.h"

#include <stdint.h>

#include "common/crash_point.h"
#include "common/seeded_bug.h"

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
    limiter_init(&sender->limiter);
    result = queue_consumer_open(queue_name, worker_index, &sender->consumer);
    if (result)
        return result;
    result = queue_intended(&sender->consumer, &sender->batch);
    if (result == QUEUE_EMPTY)
        return 0;
    if (result == 0 && SEEDED_BUG(forgotten_intent))
        queue_sender_on_refused(sender, VERDICT_DELIVERED);
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
    struct monotonic ready = MONOTONIC_NEVER;
    struct monotonic allowed = limiter_ready(&sender->limiter);

    if (sender->state == SENDER_IDLE)
        ready = sender->waiting_since;
    else if (sender->state == SENDER_DUE)
        ready = sender->due;
    return ready.ns > allowed.ns ? ready : allowed;
}

/*
 * Find the key of the records without one, unless it is known: it follows from
 * the range of the part that takes them, so that a successor finds the same.
 */
static int update_key(struct queue_sender *sender,
                      const struct queue_part *part)
{
    if (sender->key.text.length > 0 &&
        hash_key_equal(sender->key_first, part->first) &&
        hash_key_equal(sender->key_last, part->last))
        return 0;
    if (balanced_key_find(part->first, part->last, sender->key_text,
                          &sender->key.hash_key))
        return SENDER_BROKEN;
    sender->key.text = bytes_of_text(sender->key_text);
    sender->key_first = part->first;
    sender->key_last = part->last;
    return 0;
}

/* The same for the part of the batch that takes them, if one does. */
static int update_batch_key(struct queue_sender *sender)
{
    for (size_t i = 0; i < sender->batch.part_count; i++)
        if (sender->batch.parts[i].takes_keyless)
            return update_key(sender, &sender->batch.parts[i]);
    return 0;
}

/* All of a shard, which takes records without a key if it has the anchor. */
static struct queue_part part_of_shard(const struct shard_map_row *shard,
                                       struct hash_key anchor)
{
    return (struct queue_part){
        .first = shard->first,
        .last = shard->last,
        .takes_keyless = shard_map_covers(shard, anchor),
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

/*
 * The shard of the oldest record decides which part a new batch begins with.
 * Records without a key go to the first shard of the queue's range.
 */
static int choose_first_part(struct queue_sender *sender,
                             const struct shard_map *map,
                             struct queue_part *part)
{
    uint64_t position = sender->consumer.released;
    struct hash_key anchor = sender->range.first;
    struct hash_key hash_key = anchor;
    struct queue_part keyless =
        part_of_shard(shard_map_find(map, anchor), anchor);
    struct record_header *record;
    int result;

    do {
        result = queue_peek(&sender->consumer, &position, &record);
        if (result)
            return result == QUEUE_EMPTY ? SENDER_NOTHING : SENDER_BROKEN;
    } while (record->verdict != VERDICT_NONE);
    if (record->key_length > 0)
        hash_key = (struct hash_key){ .high = record->hash_high,
                                      .low = record->hash_low };
    *part = part_of_shard(shard_map_find(map, hash_key), anchor);
    return update_key(sender, &keyless);
}

static size_t count_undecided(struct queue_sender *sender)
{
    const struct queue_part whole = BATCH_WHOLE;
    uint64_t position = sender->consumer.released;
    struct record_header *record;
    size_t count = 0;

    while (position < sender->batch.end &&
           queue_peek(&sender->consumer, &position, &record) == 0)
        count += batch_part_takes(&whole, record);
    return count;
}

/* Decide the one undecided record before `end`, which no such stream takes. */
static int refuse_first(struct queue_sender *sender, uint64_t end)
{
    const struct queue_part whole = BATCH_WHOLE;
    size_t decided;

    (void)batch_decide(&sender->consumer, end, &whole,
                       VERDICT_REFUSED_TOO_LARGE, &decided);
    CRASH_POINT(too_large);
    return release(sender, end);
}

/* Encode the first part as far as the limits go; they decide the batch's end. */
static int encode_first_part(struct queue_sender *sender,
                             const struct batch_encoder *encoder,
                             const struct shard_map *map,
                             struct sender_part *part)
{
    struct batch_encoder limited = *encoder;
    int result;

    limited.limits.record_count = sender->record_count_most;
    for (;;) {
        result = choose_first_part(sender, map, &part->part);
        if (result)
            return result;
        result = batch_encode(&limited, &sender->consumer, 0, &part->part,
                              &sender->key, &part->encoding);
        if (result != BATCH_REFUSED)
            return result ? SENDER_BROKEN : 0;
        result = refuse_first(sender, part->encoding.end);
        if (result)
            return result;
        part->refused_count++;
    }
}

/* What the first part leaves belongs to others: rare, but after a split. */
static int divide_rest(struct queue_sender *sender,
                       const struct batch_encoder *encoder,
                       const struct shard_map *map, struct sender_part *part)
{
    const struct queue_part whole = BATCH_WHOLE;
    uint64_t end = sender->batch.end;

    if (part->encoding.foreign_count == 0)
        return 0;
    if (batch_divide(&sender->consumer, &whole, sender->range.first, map,
                     &sender->batch))
        return SENDER_BROKEN;
    if (sender->batch.end == end)
        return 0;
    /* The batch has become shorter. */
    return batch_encode(encoder, &sender->consumer, sender->batch.end,
                        &part->part, &sender->key, &part->encoding)
               ? SENDER_BROKEN
               : 0;
}

static int form_batch(struct queue_sender *sender,
                      const struct batch_encoder *encoder,
                      const struct shard_map *map, struct wall_time now,
                      struct sender_part *part)
{
    int result = encode_first_part(sender, encoder, map, part);

    if (result)
        return result;
    sender->batch.first = sender->consumer.released;
    sender->batch.end = part->encoding.end;
    sender->batch.sent = now;
    sender->batch.part_count = 1;
    sender->batch.parts[0] = part->part;
    result = divide_rest(sender, encoder, map, part);
    if (result)
        return result;
    queue_intend(&sender->consumer, &sender->batch);
    part->part = sender->batch.parts[0];
    part->next = 1;
    part->shard = shard_map_find(map, part->encoding.hash_key);
    sender->state = SENDER_DUE;
    sender->due = sender->looked;
    /* Whatever comes behind the batch has waited since now at the longest. */
    sender->waiting_since = sender->looked;
    return 0;
}

bool queue_sender_has_shard(struct queue_sender *sender,
                            const struct shard_map *map,
                            const struct queue_part *part)
{
    const struct shard_map_row *shard = shard_map_find(map, part->first);
    uint64_t position = sender->consumer.released;
    struct record_header *record;

    if (hash_key_compare(part->last, shard->last) <= 0)
        return true;
    while (position < sender->batch.end &&
           queue_peek(&sender->consumer, &position, &record) == 0) {
        struct hash_key hash_key = { .high = record->hash_high,
                                     .low = record->hash_low };

        if (!batch_part_takes(part, record))
            continue;
        if (record->key_length == 0)
            hash_key = sender->key.hash_key;
        return batch_fits(&sender->consumer, sender->batch.end, part,
                          &sender->key, shard_map_find(map, hash_key));
    }
    return true; /* nothing of it is left */
}

/*
 * A part keeps its bytes and its tag for as long as one shard covers it, since
 * a copy of it may be in the stream. Where the shards have moved so that none
 * does, KCL would throw it away wherever it landed: it is divided anew, and
 * only it.
 */
static int divide_anew(struct queue_sender *sender, const struct shard_map *map,
                       struct wall_time now)
{
    const struct queue_part whole = BATCH_WHOLE;
    struct queue_batch batch = sender->batch;

    batch.part_count = 0;
    for (size_t i = 0; i < sender->batch.part_count; i++)
        if (queue_sender_has_shard(sender, map, &sender->batch.parts[i]))
            batch.parts[batch.part_count++] = sender->batch.parts[i];
    if (batch.part_count == sender->batch.part_count)
        return 0;
    for (size_t i = 0; i < sender->batch.part_count; i++) {
        const struct queue_part *part = &sender->batch.parts[i];

        if (!queue_sender_has_shard(sender, map, part) &&
            batch_divide(&sender->consumer, part, part->first, map, &batch))
            return SENDER_BROKEN;
    }
    if (batch.end == batch.first) {
        /* No room for a part of its first record: then all of it is new. */
        batch.part_count = 0;
        batch.end = sender->batch.end;
        if (batch_divide(&sender->consumer, &whole, sender->range.first, map,
                         &batch))
            return SENDER_BROKEN;
    }
    batch.sent = now;
    queue_intend(&sender->consumer, &batch);
    CRASH_POINT(divided_anew);
    sender->batch = batch;
    return update_batch_key(sender);
}

static int next_of_batch(struct queue_sender *sender,
                         const struct batch_encoder *encoder,
                         const struct shard_map *map, struct sender_part *part)
{
    while (part->next < sender->batch.part_count) {
        int result;

        part->part = sender->batch.parts[part->next++];
        result = batch_encode(encoder, &sender->consumer, sender->batch.end,
                              &part->part, &sender->key, &part->encoding);
        if (result == BATCH_NOTHING)
            continue;
        part->shard = shard_map_find(map, part->encoding.hash_key);
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

/* Begin to send the batch there is, or form one. */
static int begin_parts(struct queue_sender *sender,
                       const struct batch_encoder *encoder,
                       const struct shard_map *map, struct wall_time now,
                       struct sender_part *part)
{
    int result = release_if_decided(sender);

    if (result)
        return result;
    if (SEEDED_BUG(rebatching))
        sender->state = SENDER_IDLE;
    if (sender->state == SENDER_IDLE)
        return form_batch(sender, encoder, map, now, part);
    result = update_batch_key(sender);
    if (result == 0)
        result = divide_anew(sender, map, now);
    return result ? result : next_of_batch(sender, encoder, map, part);
}

int queue_sender_next_part(struct queue_sender *sender,
                           const struct batch_encoder *encoder,
                           const struct shard_map *map, struct wall_time now,
                           struct sender_part *part)
{
    if (queue_check_epoch(&sender->consumer) || sender->is_fenced)
        return SENDER_FENCED;
    if (part->is_begun)
        return next_of_batch(sender, encoder, map, part);
    part->is_begun = true;
    return begin_parts(sender, encoder, map, now, part);
}

void queue_sender_on_sent(struct queue_sender *sender, size_t bytes)
{
    limiter_on_sent(&sender->limiter, bytes, 1, sender->looked);
    sender->state = SENDER_SENT;
    sender->parts_on_their_way++;
}

size_t queue_sender_on_accepted(struct queue_sender *sender,
                                const struct queue_part *part)
{
    size_t decided;

    assert(sender->parts_on_their_way > 0);
    sender->parts_on_their_way--;
    (void)batch_decide(&sender->consumer, sender->batch.end, part,
                       VERDICT_DELIVERED, &decided);
    CRASH_POINT(part_accepted);
    return decided;
}

void queue_sender_on_failed(struct queue_sender *sender,
                            const struct outcome *outcome,
                            struct random *random)
{
    assert(sender->parts_on_their_way > 0);
    sender->parts_on_their_way--;
    sender->is_ambiguous |= outcome->certainty == OUTCOME_AMBIGUOUS;
    CRASH_POINT(part_failed);
    if (outcome->action == OUTCOME_BACK_OFF) {
        if (!sender->is_throttled)
            limiter_on_refused(&sender->limiter, sender->looked, random);
        sender->is_throttled = true;
        return;
    }
    if (!sender->is_blamed)
        retrier_on_outcome(&sender->retrier, outcome, sender->looked, random);
    sender->is_blamed = true;
}

void queue_sender_on_part_refused(struct queue_sender *sender,
                                  const struct outcome *outcome,
                                  struct random *random)
{
    queue_sender_on_failed(sender, outcome, random);
    sender->is_refused = true;
}

size_t queue_sender_refuse_part(struct queue_sender *sender,
                                const struct queue_part *part)
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
    const struct queue_part whole = BATCH_WHOLE;
    size_t decided;

    (void)batch_decide(&sender->consumer, sender->batch.end, &whole, verdict,
                       &decided);
}

void queue_sender_halve(struct queue_sender *sender)
{
    size_t count = count_undecided(sender);

    sender->record_count_most = count > 1 ? count / 2 : 1;
    sender->is_blamed = false;
    sender->state = SENDER_IDLE;
    sender->waiting_since = sender->looked;
    CRASH_POINT(halved);
}

/* Let batches grow again after a refused record was found. */
static void relax(struct queue_sender *sender)
{
    if (sender->record_count_most > UINT16_MAX)
        sender->record_count_most = RECORD_COUNT_UNLIMITED;
    else
        sender->record_count_most *= 2;
}

/* Refuse the one record that is left, else send half of what is. */
static void narrow_down(struct queue_sender *sender)
{
    if (!queue_sender_is_alone(sender)) {
        queue_sender_halve(sender);
        return;
    }
    queue_sender_on_refused(sender, VERDICT_REFUSED_BY_KINESIS);
    sender->refused_count++;
}

int queue_sender_settle(struct queue_sender *sender, struct monotonic earliest)
{
    bool was_blamed = sender->is_blamed;
    bool is_certain = sender->is_refused && !sender->is_ambiguous;

    assert(sender->parts_on_their_way == 0);
    if (!sender->is_blamed && !sender->is_throttled)
        limiter_on_accepted(&sender->limiter, sender->looked);
    sender->is_blamed = false;
    sender->is_throttled = false;
    sender->is_refused = false;
    sender->is_ambiguous = false;
    if (is_certain)
        narrow_down(sender);
    if (SEEDED_BUG(expiry) && monotonic_between(sender->waiting_since,
                                                sender->looked) > NS_PER_SECOND)
        queue_sender_on_refused(sender, VERDICT_DELIVERED);
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
