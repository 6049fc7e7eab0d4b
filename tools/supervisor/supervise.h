/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * supervise - decides when each child is started, stopped and killed. Pure.
 *
 *     survey ──► egress workers ──► ingest          (start)
 *                ingest ──► egress workers          (stop)
 *
 * A child that finds shared memory damaged says so with its exit status. Then
 * the others end, too, and all begins again with the survey, which sets the
 * damage aside: at once, or later and later if it does not help.
 *
 * When the shards have been others than the queues stand for, and settled
 * (drift.h), the queues are exchanged:
 *
 *     RUNNING ─► EMPTYING ─ ingest ends ─► SWITCHING ─ workers end ─► SURVEYING
 *        ▲           │ not in time, or it did not end well               │
 *        └───────────┴─────────────── STARTING ◄─────────────────────────┘
 *
 * Children that a former supervisor left are adopted where they stand; only
 * what is missing beside them is started.
 *
 * What happened goes in as news, what is to be done comes out as actions; no
 * process, descriptor, signal or clock is touched here. The drawing of the
 * states of a child stands in supervisor.c.
 *
 * Units     deadlines are points in monotonic time.
 * Rules     a START action that fails is reported back as NEWS_ENDED with
 *           PROCESS_EXIT_TRY_AGAIN; it never leads to another action at once.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/process_exit.h"
#include "common/random.h"
#include "tools/supervisor/drift.h"

#define SUPERVISE_WORKERS_MOST  64
#define SUPERVISE_CHILDREN_MOST (SUPERVISE_WORKERS_MOST + 2)

/* Places of the children. */
#define SUPERVISE_SURVEY       0
#define SUPERVISE_INGEST       1
#define SUPERVISE_FIRST_WORKER 2

/*
 * A child says LIFELINE_ALIVE once a second, also while it drains; the survey
 * does not. --hung-timeout says how long it may be silent.
 */
#define SUPERVISE_SURVEY_HUNG_AFTER_NS (180 * NS_PER_SECOND)
#define SUPERVISE_ABORT_TIME_NS        (2 * NS_PER_SECOND)
#define SUPERVISE_HEALTHY_AFTER_NS     (60 * NS_PER_SECOND)
#define SUPERVISE_FIRST_DELAY_NS       (250 * NS_PER_MS)
#define SUPERVISE_LONGEST_DELAY_NS     (30 * NS_PER_SECOND)

/* How long workers may wait for replies before the survey looks at damage. */
#define SUPERVISE_LEAVE_TIME_NS (2 * NS_PER_SECOND)
#define SUPERVISE_SCALE_TIME_NS (15 * NS_PER_SECOND)

/* How long the others may drain when a worker has ended for good. */
#define SUPERVISE_BLOCKED_DRAIN_NS (2 * NS_PER_SECOND)

enum child_role {
    CHILD_SURVEY,
    CHILD_EGRESS,
    CHILD_INGEST,
};

enum child_state {
    CHILD_ABSENT,   /* its turn has not come */
    CHILD_STARTING, /* runs and has not said READY; hung at its deadline */
    CHILD_READY,    /* works; hung at its deadline */
    CHILD_WAITING,  /* ended, starts again at its deadline */
    CHILD_STOPPING, /* told to drain; hung at its deadline */
    CHILD_LEAVING,  /* told to leave; killed at its deadline */
    CHILD_ABORTING, /* hung and sent SIGABRT; killed at its deadline */
    CHILD_KILLED,   /* sent SIGKILL, not ended yet */
    CHILD_FINISHED, /* ended for good */
    CHILD_STATE_COUNT,
};

enum child_news {
    NEWS_READY,    /* it says so */
    NEWS_ALIVE,    /* it says so */
    NEWS_SURVEYED, /* it says so; value: number of queues */
    NEWS_ENDED,    /* value: exit status, or CHILD_SIGNALLED */
    NEWS_DEADLINE, /* its deadline is reached */
    NEWS_DRAIN,    /* it is to finish what it has and end */
    NEWS_LEAVE,    /* it is to finish what is on its way and end */
    NEWS_QUIT,     /* it is to end at once */
    NEWS_SHARDS,   /* it says so; value: as drift_note() takes it */
    NEWS_PAUSE,    /* it is to finish what it has, and may be told to resume */
    NEWS_RESUME,   /* it is to go on */
    NEWS_COUNT,
};

#define CHILD_SIGNALLED 256 /* ended by a signal: no exit status is that */

struct supervised_child {
    enum child_role role;
    uint32_t worker; /* index; CHILD_EGRESS only */
    enum child_state state;
    struct monotonic deadline; /* what it means depends on the state */
    struct monotonic ready_at; /* NEVER: not since it was started last */
    bool restarted_at_once;    /* the free restart is used up */
    unsigned delay_count;      /* delayed restarts since it was healthy */
};

enum supervise_phase {
    SUPERVISE_GATHERING, /* until supervise_begin() */
    SUPERVISE_SURVEYING,
    SUPERVISE_STARTING,        /* workers run, not all of them READY */
    SUPERVISE_RUNNING,         /* ingest was started */
    SUPERVISE_SCALING,         /* workers leave, and others begin */
    SUPERVISE_EMPTYING,        /* ingest ends when the queues are empty */
    SUPERVISE_SWITCHING,       /* workers leave, then the survey looks */
    SUPERVISE_CLEARING,        /* damage: all end, then the survey looks */
    SUPERVISE_DRAINING_INGEST, /* and the survey, if it still runs */
    SUPERVISE_DRAINING_EGRESS,
    SUPERVISE_FINISHED, /* no child is left */
};

/* As the options say, in nanoseconds. */
struct supervise_times {
    int64_t drain_timeout;
    int64_t hung_timeout;
    int64_t settle_time;
};

struct supervise {
    struct supervised_child children[SUPERVISE_CHILDREN_MOST];
    size_t child_count; /* survey, ingest, workers 0 to N - 1 */
    enum supervise_phase phase;
    struct supervise_times times;
    struct drift drift;
    struct monotonic switch_deadline; /* NEVER unless EMPTYING */
    struct monotonic drain_deadline;  /* NEVER unless draining */
    uint32_t queue_count;             /* as the survey says; 0 before */
    unsigned wanted_workers;          /* SUPERVISE_SCALING only */
    int child_status;                 /* that stopped the bridge; else 0 */
    bool keeps_queues;                /* the survey may, as they are sound */
    bool is_ingest_drained;           /* it finished every message */
    bool is_blocked;                  /* a worker is gone, so it cannot */
    bool is_unclean;                  /* a child could not finish its work */
    bool is_asked_to_stop;            /* by supervise_stop() */
    bool is_quitting;                 /* every child was or is killed */
};

enum supervise_action_kind {
    ACTION_START,
    ACTION_DRAIN, /* LIFELINE_DRAIN */
    ACTION_LEAVE, /* LIFELINE_LEAVE */
    ACTION_ABORT, /* SIGABRT */
    ACTION_KILL,  /* SIGKILL */
    ACTION_PAUSE,
    ACTION_RESUME,
};

struct supervise_action {
    enum supervise_action_kind kind;
    size_t child;
};

/* One call: when, with what luck, and what came out of it. */
struct supervise_turn {
    struct monotonic now;
    struct random *random;
    struct supervise_action actions[2 * SUPERVISE_CHILDREN_MOST];
    size_t action_count;
};

/* Nothing is started before supervise_begin(). */
void supervise_init(struct supervise *supervise, unsigned worker_count,
                    const struct supervise_times *times);

/*
 * Before supervise_begin(): this child of a former supervisor works already.
 * The survey is then left out; `queue_count` is what it said.
 */
void supervise_adopt(struct supervise *supervise, size_t child,
                     uint32_t queue_count, struct monotonic now);

void supervise_begin(struct supervise *supervise, struct supervise_turn *turn);

/* News of one child; `value` by kind, else 0. */
void supervise_tell(struct supervise *supervise, size_t child,
                    enum child_news news, int value,
                    struct supervise_turn *turn);

/* Drain ingest, then the workers. The second time: as supervise_quit(). */
void supervise_stop(struct supervise *supervise, struct supervise_turn *turn);

/* Kill every child. */
void supervise_quit(struct supervise *supervise, struct supervise_turn *turn);

enum supervise_condition {
    SUPERVISE_BUSY = 1, /* not RUNNING: ask again later */
};

/*
 * Have another number of workers, 1 to SUPERVISE_WORKERS_MOST. Those there are
 * leave, and when all have, as many as are wanted begin with their queues;
 * ingest goes on. It is done when the phase is RUNNING again and
 * supervise_is_complete(); a bridge that is told to stop meanwhile, or finds
 * damage, has the old number.
 *
 * Returns 0 or SUPERVISE_BUSY.
 */
int supervise_scale(struct supervise *supervise, unsigned worker_count,
                    struct supervise_turn *turn);

/* RUNNING, and every worker is READY. */
bool supervise_is_complete(const struct supervise *supervise);

unsigned supervise_worker_count(const struct supervise *supervise);

/* Act on the deadlines that turn->now has reached. */
void supervise_tick(struct supervise *supervise, struct supervise_turn *turn);

/* When supervise_tick() has something to do next. */
struct monotonic supervise_next(const struct supervise *supervise);

/* The bridge's exit status; meaningful once SUPERVISE_FINISHED. */
int supervise_exit_status(const struct supervise *supervise);

/*
 * True if every message taken was finished and every child says so: the
 * queues are empty and may be removed.
 */
bool supervise_is_drained(const struct supervise *supervise);

const char *child_state_name(enum child_state state);
