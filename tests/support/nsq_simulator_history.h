/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * nsq_simulator_history - what happened to each message, for a checker.
 *
 * One JSON line per fact, each with one write(2) at the end of the file, so
 * that several writers may share it and a killed one loses no line:
 *
 *     {"t":<CLOCK_MONOTONIC ns>,"src":"nsqd","ev":"deliver","nsqd":0,
 *      "connection":3,"id":"0d...","attempts":1,"key":42,"seq":7,"global":9}
 *
 * ev is deliver, fin, req, touch, time_out, fin_failed, req_failed,
 * touch_failed, sub, close or fault; a fault has "action" and no message.
 * A failed command on an id that this nsqd never gave has no key, seq, global.
 */

#include <stdbool.h>
#include <stdint.h>

#include "tests/support/nsq_simulator_source.h"

struct history {
    int fd; /* -1: none is kept */
};

static inline bool history_is_kept(const struct history *history)
{
    return history->fd >= 0;
}

/* Append to the file. Returns 0 or a negative errno. */
int history_open(struct history *history, const char *path);

void history_close(struct history *history);

struct history_fact {
    const char *what; /* the "ev" */
    uint64_t nsqd;
    uint32_t connection;
    uint16_t attempts;
    const uint8_t *id;           /* 16 bytes as the client sent them; or NULL */
    const struct source *source; /* whose message; NULL if nobody's */
    uint64_t number;             /* of the message */
    const char *action;          /* of a fault; else NULL */
};

void history_write(const struct history *history,
                   const struct history_fact *fact);
