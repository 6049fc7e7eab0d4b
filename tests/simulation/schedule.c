/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/simulation/schedule.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/simulation/real_memory.h"

#define STACK_LENGTH ((size_t)512 * 1024)
#define EVENTS_MOST  4096

/* What one turn at the processor costs: the clock has to go on. */
#define TURN_NS (5 * NS_PER_US)

struct event {
    int64_t at;
    uint64_t number; /* of two at the same time, the older comes first */
    event_handler *handler;
    uint64_t first;
    uint64_t second;
};

struct schedule schedule;

static struct event events[EVENTS_MOST];
static size_t event_count;
static uint64_t event_number;
static jmp_buf scheduler;
static uint64_t steps_left; /* of the current process's slice */
static uint64_t slice;      /* as it was given */

static void *map(size_t length)
{
    void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED) {
        perror("simulate: mmap");
        exit(1);
    }
    return memory;
}

void schedule_begin(uint64_t seed, bool is_told)
{
    static const unsigned slices[] = { 6, 40, 400 };
    struct process kept[PROCESSES_MOST];

    memcpy(kept, schedule.processes, sizeof(kept));
    memset(&schedule, 0, sizeof(schedule));
    event_count = 0;
    event_number = 0;
    for (size_t i = 0; i < PROCESSES_MOST; i++) {
        struct process *process = &schedule.processes[i];

        process->place = i;
        process->stack = kept[i].stack ? kept[i].stack : map(STACK_LENGTH);
        process->arena = kept[i].arena ? kept[i].arena : map(ARENA_LENGTH);
        process->argv = kept[i].argv
                            ? kept[i].argv
                            : map(ARGUMENTS_MOST * sizeof(*process->argv));
        process->arguments =
            kept[i].arguments ? kept[i].arguments : map(ARGUMENTS_LENGTH);
    }
    random_seed(&schedule.random, seed);
    schedule.now = NS_PER_SECOND;
    schedule.is_told = is_told;
    schedule.slice_most = slices[chance(3)];
}

uint64_t chance(uint64_t bound)
{
    return random_below(&schedule.random, bound);
}

void schedule_at(int64_t at, event_handler *handler, uint64_t first,
                 uint64_t second)
{
    assert(event_count < EVENTS_MOST);
    events[event_count++] = (struct event){ .at = at,
                                            .number = event_number++,
                                            .handler = handler,
                                            .first = first,
                                            .second = second };
}

/* FNV-1a over whole words. */
static void mix(uint64_t value)
{
    schedule.trace = (schedule.trace ^ value) * UINT64_C(0x100000001b3);
    schedule.trace ^= schedule.trace >> 29;
}

void schedule_note(const char *what, uint64_t first, uint64_t second)
{
    mix((uint64_t)schedule.now);
    for (const char *letter = what; *letter; letter++)
        mix((uint8_t)*letter);
    mix(first);
    mix(second);
    if (schedule.is_told)
        printf("%10.6f %-24s %" PRIu64 " %" PRIu64 "\n",
               (double)schedule.now / 1e9, what, first, second);
}

static size_t first_event(void)
{
    size_t best = 0;

    for (size_t i = 1; i < event_count; i++)
        if (events[i].at < events[best].at ||
            (events[i].at == events[best].at &&
             events[i].number < events[best].number))
            best = i;
    return best;
}

static void happen(size_t index)
{
    struct event event = events[index];

    events[index] = events[--event_count];
    event.handler(event.first, event.second);
}

static void end_life(struct process *process, int status, bool is_killed)
{
    schedule_note(is_killed ? "killed" : "ended", process->place,
                  (uint64_t)status);
    schedule.kills += is_killed;
    process->state = PROCESS_ABSENT;
    process->arena_used = 0;
    process->kill_in = 0;
    process->paused_until = 0;
    world_on_ended(process, status, is_killed);
    process->life = 0;
}

/* Back to the scheduler; returns when the process is chosen again. */
static void leave(void)
{
    if (_setjmp(schedule.current->resume) == 0)
        _longjmp(scheduler, 1);
}

static void run_main(void)
{
    const struct process *begun = schedule.current;
    int status = begun->main(begun->argc, begun->argv);
    struct process *process = schedule.current; /* perhaps at another place */

    schedule.current = NULL;
    end_life(process, status, false);
    _longjmp(scheduler, 1);
}

/* The step at which somebody has to die, whoever it is; 0: none. */
static uint64_t next_kill(void)
{
    return schedule.kills_made < KILL_STEPS_MOST
               ? schedule.kill_steps[schedule.kills_made]
               : 0;
}

static void give_slice(struct process *process)
{
    slice = 1 + chance(schedule.slice_most);
    if (process->kill_in > 0 && process->kill_in < slice)
        slice = process->kill_in;
    if (next_kill() > schedule.steps && next_kill() - schedule.steps < slice)
        slice = next_kill() - schedule.steps;
    steps_left = slice;
}

static void enter(struct process *process)
{
    mix(process->place);
    schedule.now += TURN_NS;
    process->state = PROCESS_RUNNABLE;
    give_slice(process);
    schedule.current = process;
    if (_setjmp(scheduler) == 0) {
        if (process->has_begun)
            _longjmp(process->resume, 1);
        process->has_begun = true;
        (void)getcontext(&process->context);
        process->context.uc_stack.ss_sp = process->stack;
        process->context.uc_stack.ss_size = STACK_LENGTH;
        process->context.uc_link = NULL;
        makecontext(&process->context, run_main, 0);
        (void)setcontext(&process->context);
    }
    schedule.current = NULL;
}

/* True if it is to die here. */
static bool count_steps(struct process *process, uint64_t steps)
{
    schedule.steps += steps;
    if (schedule.steps == next_kill()) {
        schedule.kills_made++;
        return true;
    }
    if (process->kill_in == 0)
        return false;
    process->kill_in -= steps < process->kill_in ? steps : process->kill_in;
    return process->kill_in == 0;
}

void schedule_step(void)
{
    struct process *process = schedule.current;

    if (!process || --steps_left > 0)
        return;
    if (count_steps(process, slice)) {
        schedule.current = NULL;
        end_life(process, 0, true);
        _longjmp(scheduler, 1);
    }
    leave();
}

void process_sleep(int64_t until)
{
    struct process *process = schedule.current;

    /* Fewer than the slice has, so it cannot be the last one. */
    (void)count_steps(process, slice - steps_left);
    process->state = PROCESS_ASLEEP;
    process->wake_at = until;
    leave();
}

void process_wake(struct process *process)
{
    if (process->state == PROCESS_ASLEEP && process->has_begun)
        process->wake_at = schedule.now;
}

void process_start(struct process *process, program_main *main)
{
    assert(process->state == PROCESS_ABSENT);
    process->state = PROCESS_ASLEEP;
    process->has_begun = false;
    process->life = ++schedule.lives;
    process->main = main;
    process->arena_used = 0;
    process->wake_at =
        schedule.now + NS_PER_MS + (int64_t)chance(2 * NS_PER_MS);
    schedule_note("start", process->place, process->life);
}

void process_kill(struct process *process)
{
    if (process->state != PROCESS_ABSENT)
        end_life(process, 0, true);
}

void process_forget(struct process *process)
{
    struct process *other = process + CHILDREN_MOST;
    struct process kept = *other;

    if (process->state == PROCESS_ABSENT || other->state != PROCESS_ABSENT)
        return;
    schedule_note("forgotten", process->place, process->life);
    *other = *process;
    *process = kept;
    process->place -= CHILDREN_MOST;
    other->place += CHILDREN_MOST;
}

struct process *process_of(uint64_t life)
{
    for (size_t i = 0; i < PROCESSES_MOST; i++)
        if (schedule.processes[i].life == life && life > 0)
            return &schedule.processes[i];
    return NULL;
}

static int64_t ready_at(const struct process *process)
{
    int64_t at =
        process->state == PROCESS_RUNNABLE ? schedule.now : process->wake_at;

    if (process->state == PROCESS_ABSENT)
        return INT64_MAX;
    return at > process->paused_until ? at : process->paused_until;
}

/* One of those that can run now, by chance; NULL: none. *next: when one can. */
static struct process *choose(int64_t *next)
{
    struct process *ready[PROCESSES_MOST];
    size_t count = 0;

    *next = INT64_MAX;
    for (size_t i = 0; i < PROCESSES_MOST; i++) {
        int64_t at = ready_at(&schedule.processes[i]);

        if (at <= schedule.now)
            ready[count++] = &schedule.processes[i];
        if (at < *next)
            *next = at;
    }
    return count > 0 ? ready[count == 1 ? 0 : chance(count)] : NULL;
}

void schedule_run(int64_t end)
{
    while (!schedule.is_over && schedule.now < end) {
        size_t index = event_count > 0 ? first_event() : 0;
        int64_t next;
        struct process *process;

        if (event_count > 0 && events[index].at <= schedule.now) {
            happen(index);
            continue;
        }
        process = choose(&next);
        if (process) {
            enter(process);
            continue;
        }
        if (event_count > 0 && events[index].at < next)
            next = events[index].at;
        schedule.now = next < end ? next : end;
    }
}
