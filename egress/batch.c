/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/batch.h"

#include "common/seeded_bug.h"

/* What a walk over the range has come to. */
struct walk {
    const struct queue_part *part;
    const struct batch_key *key;
    const struct batch_encoder *encoder;
    struct batch_encoding *encoding;
    const struct record_header *first; /* of the records that are taken */
    size_t seen_count;                 /* undecided records, foreign or not */
    size_t foreign_size; /* upper bound of what foreign records encode to */
    bool is_fixed;       /* the range was decided before: take all of it */
    bool lone_is_large;  /* the one taken record does not fit an aggregate */
};

enum step {
    STEP_GO_ON,
    STEP_STOP,        /* behind this record */
    STEP_STOP_BEFORE, /* this record is for the next batch */
    STEP_REFUSED,
};

static struct hash_key record_hash_key(const struct record_header *record)
{
    return (struct hash_key){ .high = record->hash_high,
                              .low = record->hash_low };
}

static bool belongs(const struct queue_part *part,
                    const struct record_header *record)
{
    struct hash_key hash_key = record_hash_key(record);

    if (record->key_length == 0)
        return part->takes_keyless;
    return hash_key_compare(part->first, hash_key) <= 0 &&
           hash_key_compare(hash_key, part->last) <= 0;
}

bool batch_part_takes(const struct queue_part *part,
                      const struct record_header *record)
{
    return record->verdict == VERDICT_NONE && belongs(part, record);
}

/* The partition key a consumer will see, and its hash key. */
static struct bytes key_of(const struct walk *walk,
                           const struct record_header *record,
                           struct hash_key *hash_key)
{
    if (record->key_length == 0) {
        *hash_key = walk->key->hash_key;
        return walk->key->text;
    }
    *hash_key = record_hash_key(record);
    return record_key(record);
}

/*
 * A record for another part only lengthens the range. All of those together
 * must fit into one aggregate, whichever parts they turn out to be for.
 */
static enum step pass_foreign(struct walk *walk,
                              const struct record_header *record)
{
    size_t size =
        aggregator_size_of_one(record->key_length, record_body(record).length) -
        AGGREGATOR_FRAME;

    if (!walk->is_fixed && walk->foreign_size + size + AGGREGATOR_FRAME >
                               walk->encoder->limits.aggregate_size)
        return STEP_STOP_BEFORE;
    walk->foreign_size += size;
    walk->encoding->foreign_count++;
    return STEP_GO_ON;
}

static enum step take(struct walk *walk, const struct record_header *record)
{
    struct hash_key hash_key;
    struct bytes key = key_of(walk, record, &hash_key);
    struct bytes body = record_body(record);

    if (aggregator_add(walk->encoder->aggregator, hash_key, key, body)) {
        if (walk->encoding->record_count > 0 || walk->seen_count > 1)
            return STEP_STOP_BEFORE;
        walk->lone_is_large = true;
    }
    if (walk->encoding->record_count == 0) {
        walk->first = record;
        walk->encoding->partition_key = key;
        walk->encoding->hash_key = hash_key;
    }
    walk->encoding->record_count++;
    return walk->lone_is_large ? STEP_STOP : STEP_GO_ON;
}

static enum step visit(struct walk *walk, const struct record_header *record)
{
    size_t key_length =
        record->key_length ? record->key_length : walk->key->text.length;

    if (record->verdict != VERDICT_NONE)
        return STEP_GO_ON;
    if (!walk->is_fixed && key_length + record_body(record).length >
                               walk->encoder->limits.record_size)
        return walk->seen_count == 0 ? STEP_REFUSED : STEP_STOP_BEFORE;
    if (!walk->is_fixed &&
        walk->seen_count == walk->encoder->limits.record_count)
        return STEP_STOP_BEFORE;
    walk->seen_count++;
    if (!belongs(walk->part, record))
        return pass_foreign(walk, record);
    return take(walk, record);
}

/*
 * What ingest did not write is never sent. The bytes are read for the aggregate
 * anyway, so that a checksum of 200 of them costs 14 ns.
 */
static bool is_whole(const struct record_header *record)
{
    return record->checksum == record_checksum(record) ||
           SEEDED_BUG(no_checksum);
}

/* The newest record first: what SEEDED_BUG(overtaking) does. */
static int walk_backwards(struct walk *walk, struct queue_consumer *consumer,
                          uint64_t end)
{
    uint64_t limit = end;

    while (limit > consumer->released) {
        uint64_t position = consumer->released;
        uint64_t before = position;
        struct record_header *record = NULL;

        while (position < limit) {
            before = position;
            if (queue_peek(consumer, &position, &record))
                return BATCH_BROKEN;
        }
        (void)visit(walk, record);
        limit = before;
    }
    walk->encoding->end = end;
    return 0;
}

static int walk_range(struct walk *walk, struct queue_consumer *consumer,
                      uint64_t end)
{
    uint64_t position = consumer->released;

    if (SEEDED_BUG(overtaking) && end != 0)
        return walk_backwards(walk, consumer, end);
    walk->encoding->end = position;
    while (end == 0 || position < end) {
        struct record_header *record;
        enum step step;
        int result = queue_peek(consumer, &position, &record);

        if (result == QUEUE_EMPTY)
            break;
        if (result || !is_whole(record))
            return BATCH_BROKEN;
        step = visit(walk, record);
        if (step == STEP_STOP_BEFORE)
            break;
        walk->encoding->end = position;
        if (step == STEP_REFUSED)
            return BATCH_REFUSED;
        if (step == STEP_STOP)
            break;
    }
    return 0;
}

static void close_aggregate(struct walk *walk)
{
    struct batch_encoding *encoding = walk->encoding;

    encoding->blob = aggregator_close(walk->encoder->aggregator);
    encoding->payload = bytes_of(encoding->blob.place, encoding->blob.length);
}

/*
 * A lone record travels plain, as KPL sends it, unless a consumer would take
 * its body for an aggregate: then it is an aggregate of one.
 */
static int choose_payload(struct walk *walk)
{
    const struct batch_encoder *encoder = walk->encoder;
    struct batch_encoding *encoding = walk->encoding;
    struct bytes body = record_body(walk->first);

    encoding->is_aggregate = true;
    if (encoding->record_count > 1) {
        close_aggregate(walk);
        return 0;
    }
    if (!aggregator_needs_wrapping(body)) {
        encoding->is_aggregate = false;
        encoding->payload = body;
        return 0;
    }
    aggregator_open(walk->encoder->aggregator, encoder->place,
                    encoder->capacity);
    if (aggregator_add(walk->encoder->aggregator, encoding->hash_key,
                       encoding->partition_key, body))
        return BATCH_REFUSED;
    close_aggregate(walk);
    if (encoding->payload.length + encoding->partition_key.length >
        walk->encoder->limits.record_size)
        return BATCH_REFUSED;
    return 0;
}

int batch_encode(const struct batch_encoder *encoder,
                 struct queue_consumer *consumer, uint64_t end,
                 const struct queue_part *part, const struct batch_key *key,
                 struct batch_encoding *encoding)
{
    struct walk walk = {
        .part = part,
        .key = key,
        .encoder = encoder,
        .encoding = encoding,
        .is_fixed = end != 0,
    };
    size_t capacity = encoder->capacity;
    int result;

    *encoding = (struct batch_encoding){ 0 };
    if (!walk.is_fixed && encoder->limits.aggregate_size < capacity)
        capacity = encoder->limits.aggregate_size;
    aggregator_open(encoder->aggregator, encoder->place, capacity);
    result = walk_range(&walk, consumer, end);
    if (result)
        return result;
    /* What fitted the first time fits again, or it is not what it was. */
    if (walk.is_fixed && encoding->end != end)
        return BATCH_BROKEN;
    if (encoding->record_count == 0)
        return BATCH_NOTHING;
    return choose_payload(&walk);
}

static bool has_part(const struct queue_batch *batch,
                     const struct record_header *record)
{
    for (size_t i = 0; i < batch->part_count; i++)
        if (belongs(&batch->parts[i], record))
            return true;
    return false;
}

/* What of `whole` is for the shard. */
static struct queue_part cut_out(const struct queue_part *whole,
                                 struct hash_key anchor,
                                 const struct shard_map_row *shard)
{
    bool is_first = hash_key_compare(whole->first, shard->first) > 0;
    bool is_last = hash_key_compare(whole->last, shard->last) < 0;

    return (struct queue_part){
        .first = is_first ? whole->first : shard->first,
        .last = is_last ? whole->last : shard->last,
        .takes_keyless =
            whole->takes_keyless && shard_map_covers(shard, anchor),
    };
}

int batch_divide(struct queue_consumer *consumer,
                 const struct queue_part *whole, struct hash_key anchor,
                 const struct shard_map *map, struct queue_batch *batch)
{
    uint64_t position = consumer->released;

    while (position < batch->end) {
        uint64_t before = position;
        struct record_header *record;
        const struct shard_map_row *shard;

        if (queue_peek(consumer, &position, &record))
            return BATCH_BROKEN;
        if (!batch_part_takes(whole, record) || has_part(batch, record))
            continue;
        if (batch->part_count == QUEUE_PARTS_MOST) {
            batch->end = before;
            break;
        }
        shard = shard_map_find(map, record->key_length ? record_hash_key(record)
                                                       : anchor);
        batch->parts[batch->part_count++] = cut_out(whole, anchor, shard);
    }
    return 0;
}

size_t batch_decide(struct queue_consumer *consumer, uint64_t end,
                    const struct queue_part *part, enum record_verdict verdict,
                    size_t *decided)
{
    uint64_t position = consumer->released;
    size_t undecided = 0;
    struct record_header *record;

    *decided = 0;
    while (position < end && queue_peek(consumer, &position, &record) == 0) {
        if (batch_part_takes(part, record)) {
            record_set_verdict(record, verdict);
            ++*decided;
        } else if (record->verdict == VERDICT_NONE) {
            undecided++;
        }
    }
    return undecided;
}

bool batch_fits(struct queue_consumer *consumer, uint64_t end,
                const struct queue_part *part, const struct batch_key *key,
                const struct shard_map_row *shard)
{
    uint64_t position = consumer->released;
    struct record_header *record;

    while (position < end && queue_peek(consumer, &position, &record) == 0) {
        struct hash_key hash_key =
            record->key_length ? record_hash_key(record) : key->hash_key;

        if (batch_part_takes(part, record) &&
            !shard_map_covers(shard, hash_key))
            return false;
    }
    return true;
}
