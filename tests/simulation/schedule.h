/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * schedule - all processes of a bridge in one thread: one seed decides who
 * runs, when it dies, and what time it is.
 *
 *     hook before each access to a shared word ──┐
 *     each CRASH_POINT                           ├─► schedule_step(): another
 *     each wait of a loop                      ──┘   process, or SIGKILL, or on
 *
 * A process is its real main() on a stack of its own, with memory of its own
 * that goes with it. What outlives it (segments, wake-ups, connections,
 * requests on their way) belongs to the world, whose code runs between the
 * processes, as events in simulated time. Nothing else moves the clock, so
 * that a seed repeats a run, and the trace hash shows it.
 */

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#include "common/clock.h"
#include "common/random.h"

/*
 * Survey, ingest, and workers, at the places that supervise.h gives them; and
 * as many places for those of whom the supervisor has no knowledge any more.
 */
#define CHILDREN_MOST  8
#define PROCESSES_MOST (2 * CHILDREN_MOST)

#define ARGUMENTS_MOST   64
#define ARGUMENTS_LENGTH 4096

#define KILL_STEPS_MOST 4

enum process_state {
    PROCESS_ABSENT,
    PROCESS_RUNNABLE,
    PROCESS_ASLEEP, /* until wake_at */
};

typedef int program_main(int argc, char *argv[]);

struct process {
    size_t place;
    enum process_state state;
    uint64_t life;        /* the number of this life, and its pid; 0: none */
    int64_t wake_at;      /* ns */
    int64_t paused_until; /* as if SIGSTOPped */
    uint64_t kill_in;     /* steps; 0: it lives on */
    bool has_begun;
    jmp_buf resume;
    ucontext_t context;
    uint8_t *stack;
    uint8_t *arena; /* what it allocates */
    size_t arena_used;
    program_main *main;
    int argc;
    char **argv;     /* ARGUMENTS_MOST of them */
    char *arguments; /* where their texts stand */
};

typedef void event_handler(uint64_t first, uint64_t second);

struct schedule {
    int64_t now; /* ns; both clocks are made of it */
    struct random random;
    struct process processes[PROCESSES_MOST];
    struct process *current; /* NULL: the world's own code runs */
    uint64_t lives;
    uint64_t steps;                       /* of all processes since the start */
    uint64_t kill_steps[KILL_STEPS_MOST]; /* whoever makes them dies; 0: end */
    size_t kills_made;                    /* of those */
    unsigned slice_most; /* steps a process may make at one go */
    uint64_t trace;      /* hash of everything that happened */
    uint64_t kills;      /* processes that died by SIGKILL */
    bool is_told;        /* print what happens */
    bool is_over;        /* the judge has seen enough */
};

extern struct schedule schedule;

/* A new world; the memory of processes is kept from the last one. */
void schedule_begin(uint64_t seed, bool is_told);

/* From 0 to bound - 1, by the seed. */
uint64_t chance(uint64_t bound);

/* Call handler(first, second) at that time. */
void schedule_at(int64_t at, event_handler *handler, uint64_t first,
                 uint64_t second);

/* Run until there is nothing to do before `end` or schedule.is_over. */
void schedule_run(int64_t end);

/* What happened, for the trace and its hash. */
void schedule_note(const char *what, uint64_t first, uint64_t second);

/* Begin a life of the process at `place`, a moment from now. */
void process_start(struct process *process, program_main *main);

/* SIGKILL. Legal on an absent process. */
void process_kill(struct process *process);

/* It lives on at the second place that there is for it, if that is free. */
void process_forget(struct process *process);

/* Something came that it may be waiting for. */
void process_wake(struct process *process);

/* The living process with that number; NULL: it is dead. */
struct process *process_of(uint64_t life);

/* From inside a process: sleep until that time, or until it is woken. */
void process_sleep(int64_t until);

/* From inside a process: a point where it may be interrupted or killed. */
void schedule_step(void);

/* Asked by the schedule, answered by the world: a life has ended. */
void world_on_ended(struct process *process, int status, bool is_killed);
