/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * nsq_simulator_script - faults, each at its moment.
 *
 * A script is JSON lines, read at the start (--script) or while it runs
 * (POST /script). One line is one fault:
 *
 *     {"after":1000,"action":"disconnect","nsqd":0,"reset":true}
 *
 * It happens once, when nsqd number "nsqd" (default 0) has sent "after"
 * messages (default 0) and not one more, and "after_ms" (default 0) have
 * passed since the line was read. "connection" picks one connection by its
 * number in /stats; without it the fault strikes all of that nsqd. The actions
 * and their own members are the rows of fault_actions[] in the source.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "tests/support/nsq_simulator_connection.h"

#define SCRIPT_FAULTS_MOST 4096

struct fault_action;

struct fault {
    const struct fault_action *action;
    uint64_t nsqd;
    uint64_t after;      /* messages */
    uint32_t due_ms;     /* of the process's clock */
    uint32_t connection; /* 0: all */
    bool is_over;
    bool resets; /* "reset" */
    bool closes; /* "close" */
    int64_t
        number; /* "value", "count", "size", "type", "bytes": the action's */
    uint64_t distance; /* "distance": messages */
    int64_t for_ms;    /* "for_ms"; -1: for ever */
    char text[256];    /* "text" */
};

struct script {
    struct fault faults[SCRIPT_FAULTS_MOST];
    size_t count;
    size_t over;
    struct nsqd *nsqds;
    size_t nsqd_count;
};

/*
 * Add the faults of JSON lines; those before a wrong line stay. Returns true,
 * or false with one sentence in `complaint`.
 */
bool script_add(struct script *script, struct bytes lines, uint32_t now_ms,
                struct bytes_writer *complaint);

/*
 * Let happen what is due on one nsqd, and say until when it may send. Called
 * whenever counters.sent reached hold_at, and every now and then.
 */
void script_run(struct script *script, struct nsqd *nsqd,
                const struct channel_time *now);
