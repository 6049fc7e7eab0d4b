/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * children - the processes themselves: programs, descriptors, signals.
 *
 * Owns      the wake-up eventfds, which outlive any child, and per child a
 *           pidfd and the supervisor's end of its lifeline.
 * Places    as in supervise.h.
 * Adoption  a child of a supervisor that died is not ours to wait for: its
 *           pidfd says when it ended, its last words say how.
 * Programs  nsq_to_kinesis-ingest and -egress, in the folder of the program
 *           that runs.
 * Waiting   the descriptors of a child become readable when it says something
 *           (lifeline) or has ended (pidfd); both are -1 while it does not run.
 */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/lifeline.h"
#include "common/options.h"
#include "tools/supervisor/supervise.h"

struct child_process {
    pid_t pid;    /* 0: does not run */
    int pidfd;    /* -1: does not run */
    int lifeline; /* -1: does not run, or it closed its end */
    bool is_adopted;
    int last_words; /* exit status it announced; -1: none */
};

struct children {
    const struct options *options;
    unsigned worker_count; /* for those started from now on; may be changed */
    bool keeps_queues;     /* the survey may; may be changed */
    char folder[PATH_MAX]; /* where the programs are */
    struct child_process processes[SUPERVISE_CHILDREN_MOST];
    int wakeups[WAKEUP_DESCRIPTOR_COUNT]; /* ingest's, then the workers' */
    size_t wakeup_count;
    bool has_their_wakeups; /* those that the adopted children share */
};

/*
 * Find the programs and make the wake-ups. *options must live as long as
 * *children. Returns 0 or a negative errno with its sentence.
 */
int children_init(struct children *children, const struct options *options);

/* Close what is open. Children that run go on. */
void children_deinit(struct children *children);

/* fork and exec. Returns 0 or a negative errno with its sentence. */
int children_start(struct children *children, size_t child);

/* SIGKILL to a child that cannot be watched, and wait for its end, a second. */
void children_kill(const struct children *children, size_t child);

/* Send a signal; a child that has ended just now is no error. */
void children_signal(const struct children *children, size_t child,
                     int signal_number);

enum children_condition {
    CHILDREN_RUNNING = 1, /* it has not ended */
    CHILDREN_ABSENT,      /* there is no such process any more */
    CHILDREN_DIFFERENT,   /* it was given other options than ours */
};

/*
 * Watch a process that a former supervisor started; `start` as in the roster.
 * Returns 0, CHILDREN_ABSENT, CHILDREN_DIFFERENT (with what differs in
 * error_take()) or a negative errno.
 */
int children_adopt(struct children *children, size_t child, pid_t pid,
                   uint64_t start);

/* It found us: take the lifeline, and the wake-ups that all of them share. */
void children_rejoin(struct children *children, size_t child, int lifeline,
                     const int *wakeups);

struct child_end {
    int status; /* exit status, or CHILD_SIGNALLED */
    int signal; /* that ended it, or 0 */
};

/*
 * If the child has ended, say how and forget it.
 * Returns 0, CHILDREN_RUNNING or a negative errno.
 */
int children_reap(struct children *children, size_t child,
                  struct child_end *end);

/* Its end of the lifeline is closed: do not look at ours any more. */
void children_drop_lifeline(struct children *children, size_t child);
