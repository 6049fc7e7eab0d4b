/* SPDX-License-Identifier: Apache-2.0 */

#include "tools/supervisor/child_steps.h"

#include <assert.h>

#include "common/bytes.h"

/* What a step works on. */
struct step {
    struct supervise *supervise;
    struct supervised_child *child;
    int value;
    struct supervise_turn *turn;
};

static void emit(const struct step *step, enum supervise_action_kind kind)
{
    struct supervise_turn *turn = step->turn;

    assert(turn->action_count < ARRAY_LENGTH(turn->actions));
    turn->actions[turn->action_count++] = (struct supervise_action){
        .kind = kind,
        .child = (size_t)(step->child - step->supervise->children),
    };
}

static void enter(const struct step *step, enum child_state state,
                  struct monotonic deadline)
{
    step->child->state = state;
    step->child->deadline = deadline;
}

static struct monotonic in(const struct step *step, int64_t ns)
{
    return monotonic_after(step->turn->now, ns);
}

static struct monotonic hung_deadline(const struct step *step)
{
    return in(step, step->child->role == CHILD_SURVEY
                        ? SUPERVISE_SURVEY_HUNG_AFTER_NS
                        : step->supervise->times.hung_timeout);
}

static void start(const struct step *step)
{
    if (step->child->role == CHILD_INGEST)
        step->supervise->is_ingest_drained = false;
    step->child->ready_at = MONOTONIC_NEVER;
    enter(step, CHILD_STARTING, hung_deadline(step));
    emit(step, ACTION_START);
}

static void note_alive(const struct step *step)
{
    step->child->deadline = hung_deadline(step);
}

static void become_ready(const struct step *step)
{
    step->child->ready_at = step->turn->now;
    enter(step, CHILD_READY, hung_deadline(step));
}

static void note_queues(const struct step *step)
{
    if (step->child->role == CHILD_SURVEY && step->value > 0)
        step->supervise->queue_count = (uint32_t)step->value;
}

static void note_shards(const struct step *step)
{
    if (step->child->role == CHILD_EGRESS && step->value >= 0)
        drift_note(&step->supervise->drift, (uint32_t)step->value,
                   step->turn->now);
}

static void pause_ingest(const struct step *step)
{
    if (step->child->role == CHILD_INGEST)
        emit(step, ACTION_PAUSE);
}

static void resume_ingest(const struct step *step)
{
    if (step->child->role == CHILD_INGEST)
        emit(step, ACTION_RESUME);
}

static void abort_hung(const struct step *step)
{
    enter(step, CHILD_ABORTING, in(step, SUPERVISE_ABORT_TIME_NS));
    emit(step, ACTION_ABORT);
}

static void kill_now(const struct step *step)
{
    enter(step, CHILD_KILLED, MONOTONIC_NEVER);
    emit(step, ACTION_KILL);
}

static void retire(const struct step *step)
{
    enter(step, CHILD_FINISHED, MONOTONIC_NEVER);
}

/*
 * A child that waits for its restart and is told to drain is not started for
 * that. Nothing is left behind if ingest saw everything decided, also if it was
 * not we who asked it to: SIGTERM to a process group reaches it as well.
 */
static void retire_waiting(const struct step *step)
{
    bool is_empty =
        step->child->role == CHILD_SURVEY || step->supervise->is_ingest_drained;

    step->supervise->is_unclean |= !is_empty;
    retire(step);
}

/* The survey holds nothing that could be drained. */
static void drain(const struct step *step)
{
    if (step->child->role == CHILD_SURVEY) {
        kill_now(step);
        return;
    }
    enter(step, CHILD_STOPPING, hung_deadline(step));
    emit(step, ACTION_DRAIN);
}

/*
 * The first restart of a child that worked costs no time: a killed worker must
 * be back within half a second. From then on it doubles, with full jitter so
 * that the workers of many bridges do not come back at the same moment.
 */
static void restart_later(const struct step *step)
{
    struct supervised_child *child = step->child;
    bool was_ready = child->ready_at.ns != MONOTONIC_NEVER.ns;
    int64_t delay = SUPERVISE_FIRST_DELAY_NS;

    if (was_ready && monotonic_between(child->ready_at, step->turn->now) >=
                         SUPERVISE_HEALTHY_AFTER_NS) {
        child->restarted_at_once = false;
        child->delay_count = 0;
    }
    if (was_ready && !child->restarted_at_once) {
        child->restarted_at_once = true;
        enter(step, CHILD_WAITING, step->turn->now);
        return;
    }
    for (unsigned i = 0;
         i < child->delay_count && delay < SUPERVISE_LONGEST_DELAY_NS; i++)
        delay *= 2;
    if (delay > SUPERVISE_LONGEST_DELAY_NS)
        delay = SUPERVISE_LONGEST_DELAY_NS;
    child->delay_count++;
    enter(step, CHILD_WAITING,
          in(step, random_jitter(step->turn->random, delay)));
}

/* It would only say it again, so the whole bridge stops with its status. */
static bool is_final(int status)
{
    return status == PROCESS_EXIT_USAGE || status == PROCESS_EXIT_CONFIGURATION;
}

/*
 * Ingest waits for what the workers decide. What one of them leaves, nobody
 * decides any more, so that the rest only gets the time for what is on its way.
 */
static void limit_drain(const struct step *step)
{
    struct supervise *supervise = step->supervise;

    supervise->is_blocked = true;
    if (supervise_is_draining(supervise))
        supervise->drain_deadline = monotonic_earlier(
            supervise->drain_deadline, in(step, SUPERVISE_BLOCKED_DRAIN_NS));
}

static void fail(const struct step *step)
{
    if (step->child->role == CHILD_EGRESS && !step->supervise->is_quitting)
        limit_drain(step);
    if (step->supervise->child_status == 0)
        step->supervise->child_status = step->value;
    step->supervise->is_unclean = true;
    retire(step);
}

static bool is_damage(int status)
{
    return status == PROCESS_EXIT_DAMAGED ||
           status == PROCESS_EXIT_SEGMENT_GONE;
}

static void step_back(const struct step *step)
{
    enter(step, CHILD_ABSENT, MONOTONIC_NEVER);
}

/* The others are told by clear(). */
static void begin_clearing(const struct step *step)
{
    step->supervise->phase = SUPERVISE_CLEARING;
    step_back(step);
}

/* Only replies are worth waiting for; nsqd repeats what ingest had. */
static void leave(const struct step *step)
{
    if (step->child->role != CHILD_EGRESS) {
        kill_now(step);
        return;
    }
    /* A reply that nobody reads may cost a duplicate, so patience pays. */
    enter(step, CHILD_LEAVING,
          in(step, step->supervise->phase == SUPERVISE_CLEARING
                       ? SUPERVISE_LEAVE_TIME_NS
                       : SUPERVISE_SCALE_TIME_NS));
    emit(step, ACTION_LEAVE);
}

/* What a worker leaves in a damaged queue is for the survey of the next life. */
static void abandon(const struct step *step)
{
    limit_drain(step);
    step->supervise->is_unclean = true;
    retire(step);
}

/* True if it need not be started again, because of damage. */
static bool end_beside_damage(const struct step *step)
{
    struct supervise *supervise = step->supervise;

    if (step->child->role == CHILD_SURVEY || is_final(step->value) ||
        supervise->is_quitting)
        return false;
    if (supervise->phase == SUPERVISE_CLEARING)
        step_back(step);
    else if (!is_damage(step->value))
        return false;
    else if (!supervise_is_draining(supervise))
        begin_clearing(step);
    else if (step->child->role == CHILD_EGRESS)
        abandon(step);
    else
        return false;
    return true;
}

/*
 * The queues are divided or made anew when the last of the old workers has
 * left.
 */
static bool end_to_scale(const struct step *step)
{
    const struct supervise *supervise = step->supervise;

    if ((supervise->phase != SUPERVISE_SCALING &&
         supervise->phase != SUPERVISE_SWITCHING) ||
        step->child->role != CHILD_EGRESS || is_final(step->value))
        return false;
    step_back(step);
    return true;
}

/* Ingest ends well when nothing is left in any queue; else it begins again. */
static bool end_to_switch(const struct step *step)
{
    struct supervise *supervise = step->supervise;

    if (supervise->phase != SUPERVISE_EMPTYING ||
        step->child->role != CHILD_INGEST || is_final(step->value))
        return false;
    if (step->value != PROCESS_EXIT_STOPPED) {
        supervise->phase = SUPERVISE_RUNNING;
        drift_fail(&supervise->drift, step->turn->now);
        return false;
    }
    supervise->phase = SUPERVISE_SWITCHING;
    supervise->is_ingest_drained = true;
    step_back(step);
    return true;
}

/* A worker that has left all the same: to switch, or to scale. */
static bool has_left_nothing(const struct step *step)
{
    return step->child->state == CHILD_LEAVING && step->value == 0 &&
           step->supervise->is_ingest_drained;
}

/*
 * While ingest drains, the workers have to go on: it waits for what they
 * release. So only they are started again then.
 */
static void end_running(const struct step *step)
{
    struct supervise *supervise = step->supervise;
    bool is_survey = step->child->role == CHILD_SURVEY;
    bool is_done = is_survey && step->value == 0 && supervise->queue_count > 0;
    bool goes_on = supervise->phase == SUPERVISE_DRAINING_INGEST &&
                   step->child->role == CHILD_EGRESS && !supervise->is_quitting;

    if (end_beside_damage(step) || end_to_scale(step) || end_to_switch(step))
        return;
    if (step->child->role == CHILD_INGEST && step->value == 0)
        supervise->is_ingest_drained = true;
    if (is_done)
        step->child->ready_at = step->turn->now; /* for restart_later() */
    if (is_done || (is_survey && supervise_is_draining(supervise)))
        retire(step);
    else if (is_final(step->value))
        fail(step);
    else if (!supervise_is_draining(supervise) || goes_on)
        restart_later(step);
    else {
        supervise->is_unclean |= !has_left_nothing(step);
        retire(step);
    }
}

static void end_stopping(const struct step *step)
{
    if (is_final(step->value)) {
        fail(step);
        return;
    }
    if (step->value != PROCESS_EXIT_STOPPED)
        step->supervise->is_unclean = true;
    else if (step->child->role == CHILD_INGEST)
        step->supervise->is_ingest_drained = true;
    retire(step);
}

/* What each news does in each state; nothing where there is no entry. */
static void (*const steps[CHILD_STATE_COUNT][NEWS_COUNT])(
    const struct step *) = {
    [CHILD_ABSENT] = {
        [NEWS_DRAIN] = retire,
        [NEWS_QUIT] = retire,
    },
    [CHILD_STARTING] = {
        [NEWS_READY] = become_ready,
        [NEWS_ALIVE] = note_alive,
        [NEWS_SURVEYED] = note_queues,
        [NEWS_ENDED] = end_running,
        [NEWS_DEADLINE] = abort_hung,
        [NEWS_DRAIN] = drain,
        [NEWS_LEAVE] = leave,
        [NEWS_QUIT] = kill_now,
    },
    [CHILD_READY] = {
        [NEWS_READY] = note_alive,
        [NEWS_ALIVE] = note_alive,
        [NEWS_SURVEYED] = note_queues,
        [NEWS_ENDED] = end_running,
        [NEWS_DEADLINE] = abort_hung,
        [NEWS_DRAIN] = drain,
        [NEWS_LEAVE] = leave,
        [NEWS_QUIT] = kill_now,
        [NEWS_SHARDS] = note_shards,
        [NEWS_PAUSE] = pause_ingest,
        [NEWS_RESUME] = resume_ingest,
    },
    [CHILD_WAITING] = {
        [NEWS_DEADLINE] = start,
        [NEWS_DRAIN] = retire_waiting,
        [NEWS_LEAVE] = step_back,
        [NEWS_QUIT] = retire_waiting,
    },
    [CHILD_STOPPING] = {
        [NEWS_ALIVE] = note_alive,
        [NEWS_ENDED] = end_stopping,
        [NEWS_DEADLINE] = abort_hung,
        [NEWS_QUIT] = kill_now,
    },
    [CHILD_LEAVING] = {
        [NEWS_ENDED] = end_running,
        [NEWS_DEADLINE] = kill_now,
        [NEWS_QUIT] = kill_now,
    },
    [CHILD_ABORTING] = {
        [NEWS_ENDED] = end_running,
        [NEWS_DEADLINE] = kill_now,
        [NEWS_QUIT] = kill_now,
    },
    [CHILD_KILLED] = {
        [NEWS_ENDED] = end_running,
    },
    [CHILD_FINISHED] = { 0 },
};

void child_steps_take(struct supervise *supervise, size_t child,
                      enum child_news news, int value,
                      struct supervise_turn *turn)
{
    struct step step = {
        .supervise = supervise,
        .child = &supervise->children[child],
        .value = value,
        .turn = turn,
    };

    assert(child < supervise->child_count);
    if (steps[step.child->state][news])
        steps[step.child->state][news](&step);
}

void child_steps_start(struct supervise *supervise, size_t child,
                       struct supervise_turn *turn)
{
    struct step step = {
        .supervise = supervise,
        .child = &supervise->children[child],
        .turn = turn,
    };

    start(&step);
}

void child_steps_restart_later(struct supervise *supervise, size_t child,
                               struct supervise_turn *turn)
{
    struct step step = {
        .supervise = supervise,
        .child = &supervise->children[child],
        .turn = turn,
    };

    restart_later(&step);
}

const char *child_state_name(enum child_state state)
{
    static const char *const names[CHILD_STATE_COUNT] = {
        [CHILD_ABSENT] = "absent",     [CHILD_STARTING] = "starting",
        [CHILD_READY] = "ready",       [CHILD_WAITING] = "waiting",
        [CHILD_STOPPING] = "stopping", [CHILD_ABORTING] = "aborting",
        [CHILD_KILLED] = "killed",     [CHILD_FINISHED] = "finished",
        [CHILD_LEAVING] = "leaving",
    };

    return names[state];
}
