/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * kinesis_simulator_history - what the service saw and did, one JSON line each.
 *
 *     {"t":ns,"src":"kinesis","ev":"put_recv","request":7,"records":2,
 *      "bytes":812}
 *     {"t":ns,...,"ev":"put_commit","request":7,"index":0,"stream":"s",
 *      "shard":"shardId-...","sn":"49...","tag":"b1.x.1.9","bytes":406}
 *     {"t":ns,...,"ev":"put_reply","request":7,"status":200}
 *     {"t":ns,...,"ev":"put_reply_dropped","request":7,"status":200}
 *     {"t":ns,...,"ev":"fault","request":7,"action":"http_500_after",
 *      "shard":"shardId-..."}
 *     {"t":ns,...,"ev":"reshard","stream":"s","shards":9,"open":5}
 *
 * `t` is CLOCK_MONOTONIC, `index` counts the records of the request from 0,
 * `tag` is the partition key, `bytes` are data and keys before base64; the
 * stream keeps the data. A line is one write(2) to a file opened with
 * O_APPEND, so a killed simulator never leaves half a line. A history that
 * cannot be written ends the process: a checker must not believe a short one.
 */

#include "common/bytes.h"
#include "common/clock.h"

struct simulator_history {
    int descriptor; /* -1: no history is kept */
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
    struct bytes key;
    size_t length; /* data and key */
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

/* `shard` is empty when the fault is about no single shard. */
void simulator_history_fault(struct simulator_history *history,
                             struct monotonic now, uint64_t request,
                             const char *action, const char *shard);
void simulator_history_reshard(struct simulator_history *history,
                               struct monotonic now, const char *stream,
                               uint32_t shards, uint32_t open);
