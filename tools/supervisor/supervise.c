/* SPDX-License-Identifier: Apache-2.0 */

#include "tools/supervisor/supervise.h"

#include <assert.h>

#include "tools/supervisor/child_steps.h"

#define SURVEY SUPERVISE_SURVEY
#define INGEST SUPERVISE_INGEST
#define WORKER SUPERVISE_FIRST_WORKER

static void start_absent(struct supervise *supervise, size_t child,
                         struct supervise_turn *turn)
{
    if (supervise->children[child].state == CHILD_ABSENT)
        child_steps_start(supervise, child, turn);
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
        monotonic_after(turn->now, supervise->times.drain_timeout);
    if (supervise->is_blocked)
        supervise->drain_deadline = monotonic_earlier(
            supervise->drain_deadline,
            monotonic_after(turn->now, SUPERVISE_BLOCKED_DRAIN_NS));
    child_steps_take(supervise, SURVEY, NEWS_DRAIN, 0, turn);
    child_steps_take(supervise, INGEST, NEWS_DRAIN, 0, turn);
}

static bool is_finished(const struct supervise *supervise, size_t child)
{
    return supervise->children[child].state == CHILD_FINISHED;
}

/* All but the survey end; then it is its turn, as it deserves. */
static void clear(struct supervise *supervise, struct supervise_turn *turn)
{
    for (size_t i = INGEST; i < supervise->child_count; i++)
        child_steps_take(supervise, i, NEWS_LEAVE, 0, turn);
    for (size_t i = INGEST; i < supervise->child_count; i++)
        if (supervise->children[i].state != CHILD_ABSENT)
            return;
    supervise->phase = SUPERVISE_SURVEYING;
    child_steps_restart_later(supervise, SURVEY, turn);
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
        child_steps_take(supervise, i, NEWS_LEAVE, 0, turn);
    if (!workers_are(supervise, CHILD_ABSENT))
        return;
    set_workers(supervise, supervise->wanted_workers);
    supervise->phase = SUPERVISE_STARTING;
    start_workers(supervise, turn);
}

/* Nobody is hung, waits for a restart or begins just now. */
static bool may_switch(const struct supervise *supervise)
{
    return supervise_is_complete(supervise) &&
           supervise->children[INGEST].state == CHILD_READY;
}

static void begin_to_empty(struct supervise *supervise,
                           struct supervise_turn *turn)
{
    drift_begin(&supervise->drift, turn->now);
    supervise->phase = SUPERVISE_EMPTYING;
    supervise->switch_deadline =
        monotonic_after(turn->now, supervise->times.drain_timeout);
    child_steps_take(supervise, INGEST, NEWS_PAUSE, 0, turn);
}

/* Kinesis took too little, or ingest died: the old queues are as good. */
static void give_up_switch(struct supervise *supervise,
                           struct supervise_turn *turn)
{
    if (supervise->phase != SUPERVISE_EMPTYING)
        return;
    supervise->phase = SUPERVISE_RUNNING;
    drift_fail(&supervise->drift, turn->now);
    child_steps_take(supervise, INGEST, NEWS_RESUME, 0, turn);
}

/* As clear(), but all is delivered. */
static void switch_queues(struct supervise *supervise,
                          struct supervise_turn *turn)
{
    for (size_t i = WORKER; i < supervise->child_count; i++)
        child_steps_take(supervise, i, NEWS_LEAVE, 0, turn);
    if (!workers_are(supervise, CHILD_ABSENT))
        return;
    supervise->phase = SUPERVISE_SURVEYING;
    /* If it is cut short, what it leaves is for the next survey. */
    supervise->is_ingest_drained = false;
    supervise->keeps_queues = true;
    drift_end(&supervise->drift);
    child_steps_start(supervise, SURVEY, turn);
}

/* Moves the whole bridge as far as the states of its children allow. */
static void advance(struct supervise *supervise, struct supervise_turn *turn)
{
    if (supervise->child_status != 0 && !supervise_is_draining(supervise))
        begin_draining(supervise, turn);
    if (supervise->phase == SUPERVISE_CLEARING)
        clear(supervise, turn);
    if (supervise->phase == SUPERVISE_SWITCHING)
        switch_queues(supervise, turn);
    if (supervise->phase != SUPERVISE_EMPTYING)
        supervise->switch_deadline = MONOTONIC_NEVER;
    if (supervise->phase == SUPERVISE_SURVEYING &&
        is_finished(supervise, SURVEY)) {
        supervise->phase = SUPERVISE_STARTING;
        supervise->keeps_queues = false;
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
            child_steps_take(supervise, i, NEWS_DRAIN, 0, turn);
    }
    if (supervise->phase == SUPERVISE_DRAINING_EGRESS &&
        workers_are(supervise, CHILD_FINISHED))
        supervise->phase = SUPERVISE_FINISHED;
}

void supervise_init(struct supervise *supervise, unsigned worker_count,
                    const struct supervise_times *times)
{
    assert(worker_count >= 1 && worker_count <= SUPERVISE_WORKERS_MOST);
    *supervise = (struct supervise){
        .times = *times,
        .switch_deadline = MONOTONIC_NEVER,
        .drain_deadline = MONOTONIC_NEVER,
    };
    drift_init(&supervise->drift, times->settle_time);
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
    adopted->deadline = monotonic_after(now, supervise->times.hung_timeout);
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
    child_steps_take(supervise, child, news, value, turn);
    advance(supervise, turn);
}

void supervise_stop(struct supervise *supervise, struct supervise_turn *turn)
{
    if (supervise->is_asked_to_stop) {
        supervise_quit(supervise, turn);
        return;
    }
    supervise->is_asked_to_stop = true;
    if (!supervise_is_draining(supervise))
        begin_draining(supervise, turn);
    advance(supervise, turn);
}

void supervise_quit(struct supervise *supervise, struct supervise_turn *turn)
{
    if (!supervise_is_draining(supervise))
        begin_draining(supervise, turn);
    supervise->is_quitting = true;
    supervise->drain_deadline = MONOTONIC_NEVER;
    for (size_t i = 0; i < supervise->child_count; i++)
        child_steps_take(supervise, i, NEWS_QUIT, 0, turn);
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
            child_steps_take(supervise, i, NEWS_DEADLINE, 0, turn);
    if (monotonic_reached(supervise->switch_deadline, turn->now))
        give_up_switch(supervise, turn);
    if (may_switch(supervise) && drift_is_due(&supervise->drift, turn->now))
        begin_to_empty(supervise, turn);
    advance(supervise, turn);
}

struct monotonic supervise_next(const struct supervise *supervise)
{
    struct monotonic next = monotonic_earlier(supervise->drain_deadline,
                                              supervise->switch_deadline);

    if (may_switch(supervise))
        next = monotonic_earlier(next, supervise->drift.due);
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
