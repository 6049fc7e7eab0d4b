/* SPDX-License-Identifier: Apache-2.0 */

#include "tools/supervisor/supervise.h"

#include <assert.h>

#include "common/bytes.h"

#define SURVEY SUPERVISE_SURVEY
#define INGEST SUPERVISE_INGEST
#define WORKER SUPERVISE_FIRST_WORKER

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
                        : step->supervise->hung_after_ns);
}

static bool is_draining(const struct supervise *supervise)
{
    return supervise->phase >= SUPERVISE_DRAINING_INGEST;
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
    if (is_draining(supervise))
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
          in(step, step->supervise->phase == SUPERVISE_SCALING
                       ? SUPERVISE_SCALE_TIME_NS
                       : SUPERVISE_LEAVE_TIME_NS));
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
    else if (!is_draining(supervise))
        begin_clearing(step);
    else if (step->child->role == CHILD_EGRESS)
        abandon(step);
    else
        return false;
    return true;
}

/* The queues are divided anew when the last of the old workers has left. */
static bool end_to_scale(const struct step *step)
{
    const struct supervise *supervise = step->supervise;

    if (supervise->phase != SUPERVISE_SCALING ||
        step->child->role != CHILD_EGRESS || is_final(step->value))
        return false;
    step_back(step);
    return true;
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

    if (end_beside_damage(step) || end_to_scale(step))
        return;
    if (step->child->role == CHILD_INGEST && step->value == 0)
        supervise->is_ingest_drained = true;
    if (is_done)
        step->child->ready_at = step->turn->now; /* for restart_later() */
    if (is_done || (is_survey && is_draining(supervise)))
        retire(step);
    else if (is_final(step->value))
        fail(step);
    else if (!is_draining(supervise) || goes_on)
        restart_later(step);
    else {
        supervise->is_unclean = true;
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

static void take_step(struct supervise *supervise, size_t child,
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

static void start_child(struct supervise *supervise, size_t child,
                        struct supervise_turn *turn)
{
    struct step step = {
        .supervise = supervise,
        .child = &supervise->children[child],
        .turn = turn,
    };

    start(&step);
}

static void start_absent(struct supervise *supervise, size_t child,
                         struct supervise_turn *turn)
{
    if (supervise->children[child].state == CHILD_ABSENT)
        start_child(supervise, child, turn);
}

/* Every worker is in `state`. */
static bool workers_are(const struct supervise *supervise,
                        enum child_state state)
{
    for (size_t i = WORKER; i < supervise->child_count; i++)
        if (supervise->children[i].state != state)
            return false;
    return true;
}

static void start_workers(struct supervise *supervise,
                          struct supervise_turn *turn)
{
    for (size_t i = WORKER; i < supervise->child_count; i++)
        start_absent(supervise, i, turn);
}

static void begin_draining(struct supervise *supervise,
                           struct supervise_turn *turn)
{
    bool needs_workers = supervise->phase == SUPERVISE_SCALING;

    supervise->is_unclean |= supervise->phase == SUPERVISE_CLEARING;
    supervise->phase = SUPERVISE_DRAINING_INGEST;
    if (needs_workers) /* the old ones: ingest waits for what they send */
        start_workers(supervise, turn);
    supervise->drain_deadline =
        monotonic_after(turn->now, supervise->drain_timeout_ns);
    if (supervise->is_blocked)
        supervise->drain_deadline = monotonic_earlier(
            supervise->drain_deadline,
            monotonic_after(turn->now, SUPERVISE_BLOCKED_DRAIN_NS));
    take_step(supervise, SURVEY, NEWS_DRAIN, 0, turn);
    take_step(supervise, INGEST, NEWS_DRAIN, 0, turn);
}

static bool is_finished(const struct supervise *supervise, size_t child)
{
    return supervise->children[child].state == CHILD_FINISHED;
}

/* All but the survey end; then it is its turn, as restart_later() says. */
static void clear(struct supervise *supervise, struct supervise_turn *turn)
{
    struct step survey = {
        .supervise = supervise,
        .child = &supervise->children[SURVEY],
        .turn = turn,
    };

    for (size_t i = INGEST; i < supervise->child_count; i++)
        take_step(supervise, i, NEWS_LEAVE, 0, turn);
    for (size_t i = INGEST; i < supervise->child_count; i++)
        if (supervise->children[i].state != CHILD_ABSENT)
            return;
    supervise->phase = SUPERVISE_SURVEYING;
    restart_later(&survey);
}

static void set_workers(struct supervise *supervise, unsigned worker_count)
{
    supervise->child_count = worker_count + WORKER;
    for (unsigned i = 0; i < worker_count; i++)
        supervise->children[WORKER + i] = (struct supervised_child){
            .role = CHILD_EGRESS,
            .worker = i,
            .deadline = MONOTONIC_NEVER,
            .ready_at = MONOTONIC_NEVER,
        };
}

/* As clear(), but for the workers alone, and without the survey. */
static void scale(struct supervise *supervise, struct supervise_turn *turn)
{
    for (size_t i = WORKER; i < supervise->child_count; i++)
        take_step(supervise, i, NEWS_LEAVE, 0, turn);
    if (!workers_are(supervise, CHILD_ABSENT))
        return;
    set_workers(supervise, supervise->wanted_workers);
    supervise->phase = SUPERVISE_STARTING;
    start_workers(supervise, turn);
}

/* Moves the whole bridge as far as the states of its children allow. */
static void advance(struct supervise *supervise, struct supervise_turn *turn)
{
    if (supervise->child_status != 0 && !is_draining(supervise))
        begin_draining(supervise, turn);
    if (supervise->phase == SUPERVISE_CLEARING)
        clear(supervise, turn);
    if (supervise->phase == SUPERVISE_SURVEYING &&
        is_finished(supervise, SURVEY)) {
        supervise->phase = SUPERVISE_STARTING;
        start_workers(supervise, turn);
    }
    if (supervise->phase == SUPERVISE_SCALING)
        scale(supervise, turn);
    if (supervise->phase == SUPERVISE_STARTING &&
        (workers_are(supervise, CHILD_READY) ||
         supervise->children[INGEST].state != CHILD_ABSENT)) {
        supervise->phase = SUPERVISE_RUNNING;
        start_absent(supervise, INGEST, turn);
    }
    if (supervise->phase == SUPERVISE_DRAINING_INGEST &&
        is_finished(supervise, SURVEY) && is_finished(supervise, INGEST)) {
        supervise->phase = SUPERVISE_DRAINING_EGRESS;
        for (size_t i = WORKER; i < supervise->child_count; i++)
            take_step(supervise, i, NEWS_DRAIN, 0, turn);
    }
    if (supervise->phase == SUPERVISE_DRAINING_EGRESS &&
        workers_are(supervise, CHILD_FINISHED))
        supervise->phase = SUPERVISE_FINISHED;
}

void supervise_init(struct supervise *supervise, unsigned worker_count,
                    int64_t drain_timeout_ns, int64_t hung_after_ns)
{
    assert(worker_count >= 1 && worker_count <= SUPERVISE_WORKERS_MOST);
    *supervise = (struct supervise){
        .drain_timeout_ns = drain_timeout_ns,
        .hung_after_ns = hung_after_ns,
        .drain_deadline = MONOTONIC_NEVER,
    };
    for (size_t i = 0; i < WORKER; i++)
        supervise->children[i] = (struct supervised_child){
            .role = i == SURVEY ? CHILD_SURVEY : CHILD_INGEST,
            .deadline = MONOTONIC_NEVER,
            .ready_at = MONOTONIC_NEVER,
        };
    set_workers(supervise, worker_count);
}

/* It has as long as any other to say that it lives. */
void supervise_adopt(struct supervise *supervise, size_t child,
                     uint32_t queue_count, struct monotonic now)
{
    struct supervised_child *adopted = &supervise->children[child];

    assert(child != SURVEY && child < supervise->child_count);
    supervise->children[SURVEY].state = CHILD_FINISHED;
    supervise->queue_count = queue_count;
    adopted->state = CHILD_READY;
    adopted->ready_at = now;
    adopted->deadline = monotonic_after(now, supervise->hung_after_ns);
}

void supervise_begin(struct supervise *supervise, struct supervise_turn *turn)
{
    supervise->phase = SUPERVISE_SURVEYING;
    start_absent(supervise, SURVEY, turn);
    advance(supervise, turn);
}

void supervise_tell(struct supervise *supervise, size_t child,
                    enum child_news news, int value,
                    struct supervise_turn *turn)
{
    take_step(supervise, child, news, value, turn);
    advance(supervise, turn);
}

void supervise_stop(struct supervise *supervise, struct supervise_turn *turn)
{
    if (supervise->is_asked_to_stop) {
        supervise_quit(supervise, turn);
        return;
    }
    supervise->is_asked_to_stop = true;
    if (!is_draining(supervise))
        begin_draining(supervise, turn);
    advance(supervise, turn);
}

void supervise_quit(struct supervise *supervise, struct supervise_turn *turn)
{
    if (!is_draining(supervise))
        begin_draining(supervise, turn);
    supervise->is_quitting = true;
    supervise->drain_deadline = MONOTONIC_NEVER;
    for (size_t i = 0; i < supervise->child_count; i++)
        take_step(supervise, i, NEWS_QUIT, 0, turn);
    advance(supervise, turn);
}

int supervise_scale(struct supervise *supervise, unsigned worker_count,
                    struct supervise_turn *turn)
{
    assert(worker_count >= 1 && worker_count <= SUPERVISE_WORKERS_MOST);
    if (supervise->phase != SUPERVISE_RUNNING)
        return SUPERVISE_BUSY;
    if (worker_count == supervise_worker_count(supervise))
        return 0;
    supervise->wanted_workers = worker_count;
    supervise->phase = SUPERVISE_SCALING;
    advance(supervise, turn);
    return 0;
}

bool supervise_is_complete(const struct supervise *supervise)
{
    return supervise->phase == SUPERVISE_RUNNING &&
           workers_are(supervise, CHILD_READY);
}

unsigned supervise_worker_count(const struct supervise *supervise)
{
    return (unsigned)(supervise->child_count - WORKER);
}

void supervise_tick(struct supervise *supervise, struct supervise_turn *turn)
{
    if (monotonic_reached(supervise->drain_deadline, turn->now))
        supervise_quit(supervise, turn);
    for (size_t i = 0; i < supervise->child_count; i++)
        if (monotonic_reached(supervise->children[i].deadline, turn->now))
            take_step(supervise, i, NEWS_DEADLINE, 0, turn);
    advance(supervise, turn);
}

struct monotonic supervise_next(const struct supervise *supervise)
{
    struct monotonic next = supervise->drain_deadline;

    for (size_t i = 0; i < supervise->child_count; i++)
        next = monotonic_earlier(next, supervise->children[i].deadline);
    return next;
}

int supervise_exit_status(const struct supervise *supervise)
{
    if (supervise->child_status != 0)
        return supervise->child_status;
    return supervise->is_unclean ? PROCESS_EXIT_NOT_DRAINED
                                 : PROCESS_EXIT_STOPPED;
}

bool supervise_is_drained(const struct supervise *supervise)
{
    return supervise->phase == SUPERVISE_FINISHED &&
           supervise->is_ingest_drained && !supervise->is_unclean &&
           supervise->child_status == 0;
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
