/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/simulation/simulated_supervisor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/simulation/judge.h"
#include "tests/simulation/simulated_kinesis.h"
#include "tests/simulation/simulated_memory.h"
#include "tests/simulation/simulated_nsqd.h"
#include "tests/simulation/simulated_system.h"
#include "tools/supervisor/supervise.h"

/* Short, so that a life of seconds has something of each. */
static const struct supervise_times times = {
    .drain_timeout = 120 * NS_PER_SECOND,
    .hung_timeout = 5 * NS_PER_SECOND,
    .settle_time = 2 * NS_PER_SECOND,
};

program_main ingest_main;
program_main egress_main;

static struct bridge_settings settings;
static struct supervise supervise;
static struct supervise_turn turn;
static struct random its_chance;
static bool is_alive;
static uint64_t its_life;    /* counts supervisors */
static uint64_t tick_number; /* of the newest tick that was asked for */
static uint32_t queue_count;

static void act(void);

static void begin_turn(void)
{
    turn.now = clock_monotonic();
    turn.random = &its_chance;
    turn.action_count = 0;
}

static void on_tick(uint64_t number, uint64_t life)
{
    if (!is_alive || life != its_life || number != tick_number)
        return;
    begin_turn();
    supervise_tick(&supervise, &turn);
    act();
}

static void tell(size_t child, enum child_news news, int value)
{
    begin_turn();
    supervise_tell(&supervise, child, news, value, &turn);
    act();
}

/* --- starting a child */

__attribute__((format(printf, 2, 3))) static void
add_argument(struct process *process, const char *format, ...)
{
    char *place = process->arguments;
    va_list list;

    if (process->argc > 0)
        place = process->argv[process->argc - 1] +
                strlen(process->argv[process->argc - 1]) + 1;
    va_start(list, format);
    (void)vsnprintf(place,
                    (size_t)(process->arguments + ARGUMENTS_LENGTH - place),
                    format, list);
    va_end(list);
    process->argv[process->argc++] = place;
    process->argv[process->argc] = NULL;
}

static void make_arguments(struct process *process)
{
    size_t workers = supervise.child_count - SUPERVISE_FIRST_WORKER;

    process->argc = 0;
    add_argument(process, "simulated");
    add_argument(process, "--name=simulated");
    add_argument(process, "--topic=topic");
    add_argument(process, "--channel=channel");
    for (size_t i = 0; i < settings.nsqd_count; i++)
        add_argument(process, "--nsqd-tcp-address=127.0.0.1:%zu", 4150 + i);
    add_argument(process, "--stream=" SIMULATED_STREAM);
    add_argument(process, "--region=us-east-1");
    add_argument(process, "--endpoint-url=http://127.0.0.1:4567");
    add_argument(process, "--partition-key=%s",
                 settings.has_keys ? "json:key" : "none");
    add_argument(process, "--protocol=%s", settings.protocol);
    add_argument(process, "--max-in-flight=%u", settings.max_in_flight);
    add_argument(process, "--egress-workers=%zu", workers);
    add_argument(process, "--queue-size=64KiB");
    add_argument(process, "--aggregate-size=%s", settings.aggregate_size);
    add_argument(process, "--request-size=64KiB");
    add_argument(process, "--redelivery-window=1024");
    add_argument(process, "--request-timeout=1s");
    add_argument(process, "--orphan-timeout=5s");
    add_argument(process, "--drain-timeout=5s");
    add_argument(process, "--hung-timeout=%llds",
                 (long long)(times.hung_timeout / NS_PER_SECOND));
    if (process->place == SUPERVISE_SURVEY) {
        add_argument(process, "--survey");
        if (supervise.keeps_queues)
            add_argument(process, "--keep-queues");
    }
    if (process->place >= SUPERVISE_FIRST_WORKER)
        add_argument(process, "--worker-index=%zu",
                     process->place - SUPERVISE_FIRST_WORKER);
}

static void act(void)
{
    size_t count = turn.action_count;
    struct supervise_action actions[2 * SUPERVISE_CHILDREN_MOST];
    struct monotonic next;

    memcpy(actions, turn.actions, count * sizeof(actions[0]));
    for (size_t i = 0; i < count; i++) {
        struct process *process = &schedule.processes[actions[i].child];

        switch (actions[i].kind) {
        case ACTION_START:
            simulated_lifeline_open(process->place);
            make_arguments(process);
            process_start(process, process->place == SUPERVISE_INGEST
                                       ? ingest_main
                                       : egress_main);
            break;
        case ACTION_DRAIN:
            simulated_lifeline_tell(process->place, LIFELINE_DRAIN);
            break;
        case ACTION_LEAVE:
            simulated_lifeline_tell(process->place, LIFELINE_LEAVE);
            break;
        case ACTION_PAUSE:
            simulated_lifeline_tell(process->place, LIFELINE_PAUSE);
            break;
        case ACTION_RESUME:
            simulated_lifeline_tell(process->place, LIFELINE_RESUME);
            break;
        case ACTION_ABORT:
        case ACTION_KILL:
            process_kill(process);
            break;
        }
    }
    next = supervise_next(&supervise);
    if (next.ns < INT64_MAX)
        schedule_at(next.ns, on_tick, ++tick_number, its_life);
}

/* --- news */

static void on_ended(uint64_t place, uint64_t status)
{
    if (is_alive && schedule.processes[place].state == PROCESS_ABSENT &&
        place < supervise.child_count)
        tell(place, NEWS_ENDED, (int)status);
}

void world_on_ended(struct process *process, int status, bool is_killed)
{
    simulated_memory_on_ended(process->life);
    simulated_kinesis_on_ended(process->life);
    simulated_nsqd_on_ended(process->life);
    simulated_lifeline_close(process->place);
    if (process->place >= CHILDREN_MOST)
        return; /* nobody knows it */
    schedule_at(schedule.now + 100 * NS_PER_US, on_ended, process->place,
                (uint64_t)(is_killed ? CHILD_SIGNALLED : status));
}

void supervisor_hear(uint64_t place, uint64_t message)
{
    uint32_t value = (uint32_t)message;

    if (!is_alive || place >= supervise.child_count)
        return;
    switch (message >> 32) {
    case LIFELINE_READY:
        tell(place, NEWS_READY, 0);
        break;
    case LIFELINE_ALIVE:
        tell(place, NEWS_ALIVE, 0);
        break;
    case LIFELINE_SURVEYED:
        queue_count = value;
        tell(place, NEWS_SURVEYED, (int)value);
        break;
    case LIFELINE_SHARDS:
        tell(place, NEWS_SHARDS, (int)value);
        break;
    default:
        break;
    }
}

bool supervisor_takes(size_t place)
{
    return is_alive && place < supervise.child_count;
}

/* --- its own life */

static void on_born(uint64_t worker_count, uint64_t life)
{
    if (life != its_life)
        return;
    is_alive = true;
    schedule_note("supervisor", worker_count, life);
    supervise_init(&supervise, (unsigned)worker_count, &times);
    for (size_t i = SUPERVISE_INGEST; i < supervise.child_count; i++)
        if (schedule.processes[i].state != PROCESS_ABSENT)
            supervise_adopt(&supervise, i, queue_count, clock_monotonic());
    begin_turn();
    supervise_begin(&supervise, &turn);
    act();
}

void simulated_supervisor_begin(const struct bridge_settings *wanted)
{
    settings = *wanted;
    memset(&supervise, 0, sizeof(supervise));
    random_seed(&its_chance, chance(UINT64_MAX));
    is_alive = false;
    its_life = 1;
    tick_number = 0;
    queue_count = 0;
    on_born(wanted->worker_count, its_life);
}

void simulated_supervisor_kill(int64_t back_at, enum supervisor_heirs heirs)
{
    size_t workers = supervise.child_count - SUPERVISE_FIRST_WORKER;

    if (!is_alive)
        return;
    /* Children of two numbers of workers, or none yet: nobody adopts those. */
    if (supervise.phase == SUPERVISE_SCALING ||
        supervise.phase == SUPERVISE_SWITCHING ||
        supervise.phase == SUPERVISE_SURVEYING || queue_count == 0)
        heirs = SUPERVISOR_LEAVES_NOBODY;
    is_alive = false;
    schedule.kills++;
    schedule_note("supervisor_killed", heirs, 0);
    process_kill(&schedule.processes[SUPERVISE_SURVEY]);
    for (size_t i = 0; i < CHILDREN_MOST; i++) {
        if (heirs == SUPERVISOR_LEAVES_NOBODY)
            process_kill(&schedule.processes[i]);
        if (heirs == SUPERVISOR_LEAVES_STRAYS)
            process_forget(&schedule.processes[i]);
        simulated_lifeline_close(i);
        simulated_lifeline_close(i + CHILDREN_MOST);
    }
    schedule_at(back_at, on_born, workers, ++its_life);
}

void simulated_supervisor_scale(unsigned worker_count)
{
    if (!is_alive)
        return;
    begin_turn();
    if (supervise_scale(&supervise, worker_count, &turn) == 0) {
        schedule_note("scale", worker_count, 0);
        act();
    }
}

bool simulated_supervisor_is_complete(void)
{
    return is_alive && supervise_is_complete(&supervise) &&
           supervise.children[SUPERVISE_INGEST].state == CHILD_READY;
}

void simulated_supervisor_stop(void)
{
    schedule_note("stop", 0, 0);
    begin_turn();
    supervise_stop(&supervise, &turn);
    act();
}

bool simulated_supervisor_is_finished(int *status)
{
    *status = is_alive ? supervise_exit_status(&supervise) : 0;
    return is_alive && supervise.phase == SUPERVISE_FINISHED;
}
