/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * supervisor_state - the supervisor's own memory, and what its files share.
 *
 *   supervisor.c        the loop: news to supervise.h, its actions to children.h
 *   supervisor_adopt.c  taking over from a supervisor that died
 *   supervisor_scale.c  another number of workers
 *   supervisor_switch.c other queues, after a reshard
 */

#include <stdbool.h>
#include <stdint.h>

#include "shard/segment_name.h"
#include "tools/supervisor/children.h"
#include "tools/supervisor/roster.h"
#include "tools/supervisor/supervise.h"

/* Tags of what is watched; the others are child places. */
#define SUPERVISOR_SIGNALS  UINT64_MAX
#define SUPERVISOR_LISTENER (UINT64_MAX - 1)
#define SUPERVISOR_VISITOR  (UINT64_MAX / 2) /* + place */

/* Connections that have not said yet what they want. */
#define VISITORS_MOST 8

/* Another number of workers, while it is on its way. */
struct scaling {
    int visitor; /* who asked for it and waits; -1: nobody */
    bool is_on;
    unsigned from;
    unsigned to;
    struct monotonic begun;
};

/* Other queues, while they are on their way. */
struct switching {
    bool is_on;
    bool is_empty; /* the old queues are, so the survey looks */
    uint32_t from; /* queues */
    struct monotonic begun;
};

struct supervisor {
    const struct options *options;
    struct supervise supervise;
    struct children children;
    struct random random;
    struct supervise_turn turn;
    int lock; /* of the bridge; its file has the roster */
    int epoll;
    int signals;
    int listener;
    int visitors[VISITORS_MOST]; /* -1: free */
    size_t next_visitor;
    struct scaling scaling;
    struct switching switching;
    bool is_ready_told; /* systemd knows that we work */
};

struct child_name {
    char text[32];
};

struct child_name supervisor_name_of(const struct supervisor *supervisor,
                                     size_t child);

/* Returns 0 or a negative errno with its sentence. */
int supervisor_watch(struct supervisor *supervisor, int descriptor,
                     uint64_t tag);

/* Read the clock and forget the last turn's actions. */
void supervisor_begin_turn(struct supervisor *supervisor);

/* Tell supervise the news and log what it makes of them. */
void supervisor_tell(struct supervisor *supervisor, size_t child,
                     enum child_news news, int value);

/* Hear what a child says, then whether it has ended. */
void supervisor_attend(struct supervisor *supervisor, size_t child);

void supervisor_drain_child(struct supervisor *supervisor, size_t child);

/* Whenever a child was started or has ended. */
void supervisor_note_roster(const struct supervisor *supervisor);

void supervisor_remove_segment(struct segment_name name);

/* "scale N", from a visitor whose connection is ours from now on. */
void supervisor_scale(struct supervisor *supervisor, int visitor,
                      const char *words);

/* Say when it is done, or why it is not. */
void supervisor_follow_scaling(struct supervisor *supervisor);

/* Say when the queues are exchanged, when they were, or why not. */
void supervisor_follow_switch(struct supervisor *supervisor);

/* supervise_init() with what the options say. */
void supervisor_init(struct supervisor *supervisor, unsigned worker_count);

/* Of a worker that is not there any more. */
void supervisor_remove_worker_counters(const char *bridge, unsigned worker);

int supervisor_open_listener(struct supervisor *supervisor);
void supervisor_take_visitors(struct supervisor *supervisor);
void supervisor_hear_visitor(struct supervisor *supervisor, size_t place);

/*
 * Take over what a former supervisor left. Returns 0, SUPERVISOR_REFUSES with
 * its sentence in error_take(-EBUSY), or a negative errno with its sentence.
 */
int supervisor_adopt(struct supervisor *supervisor, const struct roster *left);
bool supervisor_has_adopted(const struct supervisor *supervisor);

/* Wait until an adopted child has handed over the wake-ups, or all ended. */
void supervisor_gather(struct supervisor *supervisor);
