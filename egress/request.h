/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * request - one PutRecords round trip: parts of many queues in one body.
 *
 *     open > add (a queue's parts) ... > close : body       send
 *                                   reply : results > settle each queue
 *
 * A request remembers for each of its entries which part of which queue it is,
 * so that the reply's results, which come in the same order, find their way
 * back. It owns its body memory, which is made once and used again.
 *
 * Tag  the outer partition key of an aggregate, which explicit hash key makes
 *      free to choose, is "b1.<instance>.<queue>.<epoch>.<part>", in hex: the
 *      same for every attempt to send a part, and for no other part, so that a
 *      reader can tell copies from originals.
 */

#include "egress/body_hash.h"
#include "egress/kinesis_limits.h"
#include "egress/put_records.h"
#include "egress/queue_sender.h"

#define REQUEST_TAG_MOST 64 /* bytes */

struct request_entry {
    struct queue_sender *sender;
    struct queue_part part;
    char shard_id[SHARD_ID_CAPACITY]; /* the predicted shard */
    size_t record_count;              /* user records */
    size_t payload_length;            /* bytes */
    size_t position;                  /* of the payload, in the body */
    struct aggregator_blob blob;      /* of an aggregate; place NULL: none */
};

struct request {
    unsigned slot;   /* of the HTTP client */
    bool is_sent;    /* its reply is still to come */
    bool has_alone;  /* holds a queue that must be the only one */
    uint8_t *memory; /* for the body */
    size_t capacity;
    size_t size_most; /* bytes as Kinesis counts them */
    enum put_records_format format;
    struct put_records writer;
    struct request_entry *entries; /* KINESIS_RECORDS_PER_REQUEST_MOST */
    size_t entry_count;
    size_t record_count;    /* user records in it */
    uint64_t refused_count; /* too large, decided while it was filled */
    struct monotonic sent;
    size_t blob_bytes; /* of all aggregates, in the encoder's place */
    uint8_t body_hash[BODY_HASH_LENGTH]; /* SHA-256 of a closed one's body */
};

/*
 * What filling a request needs; the same for all of a worker. The aggregates of
 * a request lie one behind the other in the encoder's place until it is closed,
 * so one request is filled at a time, and the place has request_place_size().
 */
struct request_surroundings {
    struct batch_encoder encoder;
    const struct shard_map *map;
    struct bytes stream; /* name or ARN */
    uint32_t instance;   /* of the bridge: see Tag */
    struct wall_time now;
};

/*
 * Make a request whose bodies hold `size_most` bytes of records, as Kinesis
 * counts them. Returns 0 or -ENOMEM.
 */
int request_init(struct request *request, unsigned slot, size_t size_most);
void request_deinit(struct request *request);

/* Bytes of the encoder's place: a request's, and the aggregate that is tried. */
static inline size_t request_place_size(size_t size_most, size_t capacity)
{
    return size_most + capacity;
}

/* Begin an empty body. */
void request_open(struct request *request, enum put_records_format format,
                  const struct request_surroundings *surroundings);

enum request_condition {
    REQUEST_FULL = 1, /* (the rest of) the queue's batch travels later */
    REQUEST_FENCED,   /* another worker has the queue: stop using it */
    REQUEST_BROKEN,   /* the queue is corrupt: stop using it */
    REQUEST_NOTHING,  /* the queue has nothing to send after all */
};

/*
 * Add every part of the queue's batch that has room.
 * Returns 0 or a REQUEST_* condition.
 */
int request_add(struct request *request, struct queue_sender *sender,
                const struct request_surroundings *surroundings);

/*
 * Seal the aggregates, all of them together, end the body and hash it. The
 * encoder's place is free then.
 */
struct bytes request_close(struct request *request);

static inline bool request_is_empty(const struct request *request)
{
    return request->entry_count == 0;
}
