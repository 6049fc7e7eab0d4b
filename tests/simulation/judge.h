/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * judge - what was published, stored and finished, and whether that may be.
 *
 * Knows nothing of the product. A violation is told once, with the seed that
 * repeats it, and ends the run.
 *
 *   invented    the stream has a message that nobody published
 *   altered     its body, or its partition key, is not the one published
 *   repeated    it was sent again although its sender had been told that it is
 *               stored, and had lived to note it
 *   rebatched   it was sent again in other company, though no shard has moved
 *   overtaken   first occurrences of one partition key are out of order
 *   early       nsqd was told to forget it before it was stored
 *   lost        the run is over, and it is not in the stream
 *   stuck       nothing can disturb any more, and it is still not finished
 *
 * "Stored" means what KCL shows: an aggregate with one message outside of its
 * shard's range is no message at all.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"

#define MESSAGES_MOST     512
#define MESSAGE_BODY_MOST 24576
#define JUDGE_KEYS_MOST   32

enum message_state {
    MESSAGE_UNPUBLISHED,
    MESSAGE_WAITING,   /* in its nsqd */
    MESSAGE_IN_FLIGHT, /* given to a connection */
    MESSAGE_FINISHED,
};

struct message {
    size_t nsqd;
    size_t key; /* a number; messages of other nsqds have other keys */
    char key_text[24];
    enum message_state state; /* the rest of this line is of simulated_nsqd */
    uint16_t attempts;
    uint64_t connection; /* that holds it */
    int64_t deadline;
    unsigned copies;  /* in the stream, as KCL shows it */
    int64_t heard_at; /* when its sender knew that it is stored */
    uint64_t company; /* hash of the Kinesis record of its last copy */
    size_t length;
    char *body;
};

struct judge {
    bool has_keys; /* --partition-key is not none */
    size_t count;  /* of messages */
    struct message messages[MESSAGES_MOST];
    size_t newest[JUDGE_KEYS_MOST]; /* first occurrences: number + 1 */
    size_t stored;                  /* messages with a copy */
    size_t finished;
    uint64_t repeated;     /* copies that had to be */
    uint64_t discarded;    /* aggregates that KCL throws away */
    const char *violation; /* NULL: none so far */
    size_t culprit;
};

extern struct judge judge;

void judge_begin(bool has_keys);

/* A new message of `nsqd` with that key and about so many bytes of body. */
struct message *judge_add(size_t nsqd, size_t key, size_t length);

void judge_accuse(const char *violation, size_t message);

/* The message whose body this is; NULL: accused. */
struct message *judge_find(struct bytes body);

static inline size_t judge_number(const struct message *message)
{
    return (size_t)(message - judge.messages);
}

/* What the judge is told of one copy. */
struct copy {
    struct bytes key; /* partition key */
    int64_t sent;     /* when its request left */
    uint64_t company; /* hash of the Kinesis record */
    bool is_movable;  /* shards have moved, so that records are divided anew */
};

/* A copy is in the stream. */
void judge_on_stored(struct message *message, const struct copy *copy);

/* Its sender has been told so, and lives to know it. */
void judge_on_heard(struct message *message);

/* nsqd was told to forget it. */
void judge_on_finished(struct message *message);

/* All is over: is everything where it belongs? */
void judge_end(void);
