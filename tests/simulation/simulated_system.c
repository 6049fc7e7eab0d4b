/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/simulation/simulated_system.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "common/bus_error.h"
#include "common/child_signals.h"
#include "common/crash_point.h"
#include "common/log.h"
#include "ingest/resolver.h"
#include "shard/shared_word.h"
#include "tests/simulation/real_memory.h"
#include "tests/simulation/schedule.h"

/* Descriptors that exist in the simulation alone begin here. */
#define SIGNAL_DESCRIPTOR   100000
#define RESOLVER_DESCRIPTOR 100001

#define LIFELINE_MESSAGES_MOST 16

struct lifeline_end {
    bool is_open;
    struct lifeline_message messages[LIFELINE_MESSAGES_MOST];
    size_t count;
};

static struct lifeline_end lifelines[PROCESSES_MOST];
static bool wakeups[WAKEUP_DESCRIPTOR_INGEST + WAKEUP_DESCRIPTOR_COUNT];

void simulated_system_begin(void)
{
    memset(lifelines, 0, sizeof(lifelines));
    memset(wakeups, 0, sizeof(wakeups));
}

/* --- points where a process may be interrupted */

void shared_word_hook(const void *word)
{
    (void)word;
    schedule_step();
}

void crash_point_pass(enum crash_point point)
{
    (void)point;
    schedule_step();
}

bool crash_point_is_asked(int argc, char *argv[])
{
    (void)argc;
    (void)argv;
    return false;
}

/* --- memory */

/* Stands before each piece. */
struct piece {
    size_t length;
    size_t unused; /* keeps what follows at 16 bytes */
};

static bool is_in_arena(const void *memory)
{
    for (size_t i = 0; i < PROCESSES_MOST; i++) {
        const uint8_t *arena = schedule.processes[i].arena;

        if ((const uint8_t *)memory >= arena &&
            (const uint8_t *)memory < arena + ARENA_LENGTH)
            return true;
    }
    return false;
}

void *__wrap_malloc(size_t length);
void *__wrap_calloc(size_t count, size_t length);
void *__wrap_realloc(void *memory, size_t length);
void *__wrap_reallocarray(void *memory, size_t count, size_t length);
char *__wrap_strdup(const char *text);
void __wrap_free(void *memory);

void *__wrap_malloc(size_t length)
{
    struct process *process = schedule.current;
    size_t space = sizeof(struct piece) + ((length + 15) & ~(size_t)15);
    struct piece *piece;

    if (!process)
        return __real_malloc(length);
    if (space > ARENA_LENGTH - process->arena_used) {
        fprintf(stderr, "simulate: process %zu takes too much memory\n",
                process->place);
        abort();
    }
    piece = (struct piece *)(process->arena + process->arena_used);
    process->arena_used += space;
    piece->length = length;
    return piece + 1;
}

void *__wrap_calloc(size_t count, size_t length)
{
    void *memory = __wrap_malloc(count * length);

    return memory ? memset(memory, 0, count * length) : NULL;
}

void *__wrap_realloc(void *memory, size_t length)
{
    const struct piece *piece;
    void *moved;

    if (!memory)
        return __wrap_malloc(length);
    if (!is_in_arena(memory))
        return __real_realloc(memory, length);
    piece = (const struct piece *)memory - 1;
    if (length <= piece->length)
        return memory;
    moved = __wrap_malloc(length);
    return memcpy(moved, memory, piece->length);
}

void *__wrap_reallocarray(void *memory, size_t count, size_t length)
{
    return __wrap_realloc(memory, count * length);
}

char *__wrap_strdup(const char *text)
{
    size_t length = strlen(text) + 1;

    return memcpy(__wrap_malloc(length), text, length);
}

void __wrap_free(void *memory)
{
    if (!is_in_arena(memory))
        __real_free(memory);
}

/* --- time, chance, identity */

struct monotonic clock_monotonic(void)
{
    return (struct monotonic){ .ns = schedule.now };
}

struct wall_time clock_wall_time(void)
{
    return (struct wall_time){ .ns = SIMULATED_EPOCH_NS + schedule.now };
}

ssize_t __wrap_getrandom(void *memory, size_t length, unsigned flags);
pid_t __wrap_getpid(void);

ssize_t __wrap_getrandom(void *memory, size_t length, unsigned flags)
{
    (void)flags;
    for (size_t i = 0; i < length; i++)
        ((uint8_t *)memory)[i] = (uint8_t)chance(256);
    return (ssize_t)length;
}

pid_t __wrap_getpid(void)
{
    return schedule.current ? (pid_t)schedule.current->life : 1;
}

void bus_error_watch(void)
{
}

int child_signals_open(int *descriptor)
{
    *descriptor = SIGNAL_DESCRIPTOR;
    return 0;
}

/* --- the log: only when it is to be seen */

void __wrap_log_line(enum log_level level, const char *event,
                     const char *format, ...);

void __wrap_log_line(enum log_level level, const char *event,
                     const char *format, ...)
{
    va_list arguments;

    (void)level;
    if (!schedule.is_told)
        return;
    printf("%10.6f [%zu] %s ", (double)schedule.now / 1e9,
           schedule.current ? schedule.current->place : 99, event);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
}

/* --- wake-ups */

ssize_t __real_read(int descriptor, void *memory, size_t length);
ssize_t __real_write(int descriptor, const void *memory, size_t length);
int __real_close(int descriptor);
ssize_t __wrap_read(int descriptor, void *memory, size_t length);
ssize_t __wrap_write(int descriptor, const void *memory, size_t length);
int __wrap_close(int descriptor);

static bool is_wakeup(int descriptor)
{
    return descriptor >= WAKEUP_DESCRIPTOR_INGEST &&
           descriptor < (int)(sizeof(wakeups) / sizeof(wakeups[0]));
}

bool simulated_wakeup_take(int descriptor)
{
    bool was_written = wakeups[descriptor];

    wakeups[descriptor] = false;
    return was_written;
}

bool simulated_wakeup_is_set(int descriptor)
{
    return wakeups[descriptor];
}

/* Ingest has the first place behind the survey's, workers the next. */
static struct process *sleeper_of(int descriptor)
{
    size_t place = (size_t)(descriptor - WAKEUP_DESCRIPTOR_INGEST) + 1;

    return place < CHILDREN_MOST ? &schedule.processes[place] : NULL;
}

ssize_t __wrap_read(int descriptor, void *memory, size_t length)
{
    if (!schedule.current)
        return __real_read(descriptor, memory, length);
    schedule_step();
    if (is_wakeup(descriptor) && simulated_wakeup_take(descriptor))
        return (ssize_t)length;
    errno = EAGAIN;
    return -1;
}

ssize_t __wrap_write(int descriptor, const void *memory, size_t length)
{
    struct process *sleeper;

    if (!schedule.current)
        return __real_write(descriptor, memory, length);
    assert(is_wakeup(descriptor));
    schedule_step();
    wakeups[descriptor] = true;
    sleeper = sleeper_of(descriptor);
    if (sleeper)
        process_wake(sleeper);
    return (ssize_t)length;
}

int __wrap_close(int descriptor)
{
    return schedule.current ? 0 : __real_close(descriptor);
}

/* --- lifelines */

void simulated_lifeline_open(size_t place)
{
    lifelines[place] = (struct lifeline_end){ .is_open = true };
}

void simulated_lifeline_close(size_t place)
{
    lifelines[place].is_open = false;
    process_wake(&schedule.processes[place]);
}

void simulated_lifeline_tell(size_t place, enum lifeline_kind kind)
{
    struct lifeline_end *end = &lifelines[place];

    if (!end->is_open || end->count == LIFELINE_MESSAGES_MOST)
        return;
    end->messages[end->count++] = (struct lifeline_message){ .kind = kind };
    process_wake(&schedule.processes[place]);
}

bool simulated_lifeline_is_readable(size_t place)
{
    return lifelines[place].count > 0 || !lifelines[place].is_open;
}

int lifeline_send(int descriptor, enum lifeline_kind kind, uint32_t value)
{
    size_t place = schedule.current->place;

    (void)descriptor;
    schedule_step();
    if (!lifelines[place].is_open)
        return LIFELINE_CLOSED;
    schedule_at(schedule.now + 10 * NS_PER_US, supervisor_hear, place,
                (uint64_t)kind << 32 | value);
    return 0;
}

int lifeline_receive(int descriptor, struct lifeline_message *message)
{
    struct lifeline_end *end = &lifelines[schedule.current->place];

    (void)descriptor;
    schedule_step();
    if (end->count == 0)
        return end->is_open ? LIFELINE_EMPTY : LIFELINE_CLOSED;
    *message = end->messages[0];
    end->count--;
    memmove(&end->messages[0], &end->messages[1],
            end->count * sizeof(end->messages[0]));
    return 0;
}

int lifeline_rejoin(const char *control_socket, const char *role)
{
    (void)control_socket;
    (void)role;
    if (!supervisor_takes(schedule.current->place))
        return LIFELINE_CLOSED;
    simulated_lifeline_open(schedule.current->place);
    return 0;
}

int lifeline_adopt(unsigned wakeup_count)
{
    (void)wakeup_count;
    return 0;
}

/* --- names: all are numeric here, and those need no resolver */

static uint8_t the_resolver;

int resolver_new(resolver_lookup *lookup, struct resolver **resolver)
{
    (void)lookup;
    *resolver = (struct resolver *)&the_resolver;
    return 0;
}

void resolver_free(struct resolver *resolver)
{
    (void)resolver;
}

int resolver_descriptor(const struct resolver *resolver)
{
    (void)resolver;
    return RESOLVER_DESCRIPTOR;
}

int resolver_ask(struct resolver *resolver, const struct address *address,
                 uint64_t tag, struct resolver_answer *answer)
{
    (void)resolver;
    *answer = (struct resolver_answer){ .tag = tag, .count = 1 };
    return address_numeric(address, &answer->addresses[0]) == 0
               ? RESOLVER_ANSWERED
               : RESOLVER_BUSY;
}

bool resolver_take(struct resolver *resolver, struct resolver_answer *answer)
{
    (void)resolver;
    (void)answer;
    return false;
}
