/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * batch - the records of one queue that travel together.
 *
 *     released                          end
 *        |  a  b  a  a  [b]  a  b  b  a  |        a, b: the shard now in charge
 *        +-------------------------------+        [b]: already decided
 *           part "a": one aggregate        part "b": another one
 *
 * A batch is a contiguous range of a queue. The queue's hash key range was one
 * shard when the queue was made, so a batch normally has one part: one
 * aggregate for one shard. After a split it has a part for each child that has
 * records in it, as batch_divide() finds out. The next batch of the queue begins when every record of this
 * one is decided, and that is what keeps the order of each partition key.
 *
 * A part is accepted or sent again as a whole, because KCL throws away a whole
 * aggregate if one record in it hashes outside the shard. When a part is
 * accepted its records get their verdicts at once, so that a part is always
 * "the records of this range that are undecided and belong to that shard", for
 * this worker's retry as for its successor's, and has the same bytes each time:
 * the ranges are in the intent (shard/queue_layout.h), not in a shard map.
 *
 * Pure but for the queue. Nothing is allocated.
 */

#include "egress/aggregator.h"
#include "shard/queue_consumer.h"
#include "shard/shard_map.h"

/* Takes every record. */
#define BATCH_WHOLE                                                            \
    ((struct queue_part){ .last = HASH_KEY_MOST, .takes_keyless = true })

struct batch_limits {
    size_t aggregate_size; /* bytes of one aggregate */
    size_t record_size;    /* what the stream takes: data and partition key */
    size_t record_count;   /* records of one batch, at least 1 */
};

/* The key of records that have none: it hashes into the part's shard. */
struct batch_key {
    struct bytes text;
    struct hash_key hash_key;
};

/* What encoding needs beside the queue. */
struct batch_encoder {
    struct batch_limits limits;
    struct aggregator *aggregator;
    uint8_t *place;  /* where the aggregate is built */
    size_t capacity; /* of `place`: the largest record, and its framing */
};

/* What became of a range when it was encoded for one part. */
struct batch_encoding {
    struct bytes payload;        /* aggregate, or the one record's body */
    bool is_aggregate;           /* which of the two it is */
    struct aggregator_blob blob; /* the aggregate, still to be sealed */
    struct bytes partition_key;  /* of a lone record; else of the first */
    struct hash_key hash_key;    /* of the first record */
    size_t record_count;         /* user records in it */
    size_t foreign_count;        /* undecided records left to other parts */
    uint64_t end;                /* position behind the last record seen */
};

enum batch_condition {
    BATCH_NOTHING = 1, /* no record of the range is for this part */
    BATCH_REFUSED,     /* the first record is too large: decide it alone;
                          encoding->end is the position behind it */
    BATCH_BROKEN,      /* the queue is corrupt, or a record's checksum wrong */
};

/*
 * Encode the part of the records from the queue's `released` on: up to `end`,
 * or, when `end` is 0, as far as the limits go. The payload is built in the
 * encoder's place and sealed by the caller, or is a view of the queue.
 *
 * Returns 0 or a BATCH_* condition.
 */
int batch_encode(const struct batch_encoder *encoder,
                 struct queue_consumer *consumer, uint64_t end,
                 const struct queue_part *part, const struct batch_key *key,
                 struct batch_encoding *encoding);

/*
 * Divide the undecided records that `whole` takes among new parts of *batch, one
 * for each shard of `map` that has some of them; records without a key are for
 * the shard of `anchor`. A batch that would need more parts than it can have
 * ends before the first record without one.
 *
 * Returns 0 or BATCH_BROKEN.
 */
int batch_divide(struct queue_consumer *consumer,
                 const struct queue_part *whole, struct hash_key anchor,
                 const struct shard_map *map, struct queue_batch *batch);

/* True if `record` is undecided and for this part. */
bool batch_part_takes(const struct queue_part *part,
                      const struct record_header *record);

/*
 * Give every record of the part up to `end` the verdict; *decided counts them.
 *
 * Returns how many records of the range are undecided still.
 */
size_t batch_decide(struct queue_consumer *consumer, uint64_t end,
                    const struct queue_part *part, enum record_verdict verdict,
                    size_t *decided);

/*
 * True if a shard with the range of `shard` covers every undecided record of
 * the part, so that KCL delivers all of them from there. Keyless records hash
 * to `key`.
 */
bool batch_fits(struct queue_consumer *consumer, uint64_t end,
                const struct queue_part *part, const struct batch_key *key,
                const struct shard_map_row *shard);
