/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * kinesis_simulator_history - what the service saw and did, one JSON line each.
 *
 *     {"t":ns,"src":"kinesis","ev":"put_recv","request":7,"records":2,
 *      "bytes":812}
 *     {"t":ns,...,"ev":"put_commit","request":7,"index":0,"stream":"s",
 *      "shard":"shardId-...","first":"00..","last":"7f..","sn":"49...",
 *      "tag":"b1.x.1.9","bytes":406,"data":"84mawg..."}
 *     {"t":ns,...,"ev":"put_landed","request":7}
 *     {"t":ns,...,"ev":"put_reply","request":7,"status":200}
 *     {"t":ns,...,"ev":"put_reply_dropped","request":7,"status":200}
 *     {"t":ns,...,"ev":"fault","request":7,"action":"http_500_after"}
 *     {"t":ns,...,"ev":"fault","request":7,"action":"throttle",
 *      "shard":"shardId-...","index":0}
 *     {"t":ns,...,"ev":"stream","stream":"s","shards":4,"open":4}
 *     {"t":ns,...,"ev":"reshard","stream":"s","shards":9,"open":5}
 *
 * `t` is CLOCK_MONOTONIC, `index` counts the records of the request from 0,
 * `tag` is the partition key, `bytes` are data and keys before base64,
 * `first` and `last` are the hash keys of the shard's range in 32 hexadecimal
 * digits, so that the commits alone tell a checker everything; a simulator
 * that discards records leaves `data` out. A put that lands late is announced
 * by put_landed. A line is one write(2) to a file opened with O_APPEND: a
 * killed simulator leaves whole lines. A history that cannot be written ends
 * the process: a checker must not believe a short one.
 */

#include "common/bytes.h"
#include "common/clock.h"

struct simulator_history {
    int descriptor; /* -1: no history is kept */
    uint8_t *line;  /* memory for the lines that hold data */
    size_t capacity;
};

/* Returns 0 or a negative errno. NULL keeps no history. */
int simulator_history_open(struct simulator_history *history, const char *path);
void simulator_history_close(struct simulator_history *history);

struct simulator_put_commit {
    uint64_t request;
    size_t index;
    const char *stream;
    const char *shard;
    const char *sequence;
    unsigned __int128 first_hash; /* of the shard */
    unsigned __int128 last_hash;
    struct bytes key;
    struct bytes data; /* NULL: not known */
    size_t length;     /* data and key */
};

void simulator_history_put_recv(struct simulator_history *history,
                                struct monotonic now, uint64_t request,
                                size_t records, uint64_t length);
void simulator_history_put_commit(struct simulator_history *history,
                                  struct monotonic now,
                                  const struct simulator_put_commit *commit);
void simulator_history_put_reply(struct simulator_history *history,
                                 struct monotonic now, uint64_t request,
                                 int status, bool dropped);

/* A request that nobody waits for is stored now. */
void simulator_history_put_landed(struct simulator_history *history,
                                  struct monotonic now, uint64_t request);

/* A fault of a whole request, and of one of its records. */
void simulator_history_fault(struct simulator_history *history,
                             struct monotonic now, uint64_t request,
                             const char *action);
void simulator_history_record_fault(struct simulator_history *history,
                                    struct monotonic now, uint64_t request,
                                    const char *action, const char *shard,
                                    size_t index);

/* A stream is made ("stream") or resharded ("reshard"). */
void simulator_history_shards(struct simulator_history *history,
                              struct monotonic now, const char *what,
                              const char *stream, uint32_t shards,
                              uint32_t open);
