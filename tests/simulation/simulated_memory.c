/* SPDX-License-Identifier: Apache-2.0 */

/*
 * simulated_memory - shared_memory.h without a kernel: named memory of the
 * world, and locks that end with the life that took them.
 */

#include "tests/simulation/simulated_memory.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "common/segment_explanation.h"
#include "common/shared_memory.h"
#include "tests/simulation/real_memory.h"
#include "tests/simulation/schedule.h"

#define SEGMENTS_MOST 512
#define LOCKS_MOST    8

struct segment {
    char name[128]; /* "": it has none any more, but may be mapped */
    uint8_t *memory;
    size_t length;
    uint64_t locks[LOCKS_MOST]; /* lives that hold them; 0: nobody */
};

static struct segment segments[SEGMENTS_MOST];
static int segment_count;

void simulated_memory_begin(void)
{
    for (int i = 0; i < segment_count; i++)
        __real_free(segments[i].memory);
    segment_count = 0;
}

void simulated_memory_on_ended(uint64_t life)
{
    for (int i = 0; i < segment_count; i++)
        for (int place = 0; place < LOCKS_MOST; place++)
            if (segments[i].locks[place] == life)
                segments[i].locks[place] = 0;
}

static struct segment *find(const char *name)
{
    for (int i = 0; i < segment_count; i++)
        if (strcmp(segments[i].name, name) == 0)
            return &segments[i];
    return NULL;
}

static void attach(struct shared_memory *memory, struct segment *segment)
{
    *memory = (struct shared_memory){
        .address = segment->memory,
        .length = segment->length,
        .descriptor = (int)(segment - segments),
        .lock_descriptor = -1,
    };
}

int shared_memory_create(const char *name, size_t length,
                         struct shared_memory *memory)
{
    struct segment *segment;

    schedule_step();
    *memory = SHARED_MEMORY_NULL;
    if (find(name))
        return SHARED_MEMORY_EXISTS;
    if (segment_count == SEGMENTS_MOST)
        return -ENOSPC;
    segment = &segments[segment_count++];
    memset(segment, 0, sizeof(*segment));
    (void)snprintf(segment->name, sizeof(segment->name), "%s", name);
    segment->memory = __real_calloc(1, length);
    segment->length = length;
    attach(memory, segment);
    return 0;
}

int shared_memory_check_room(uint64_t length)
{
    (void)length;
    return 0;
}

void shared_memory_publish(struct shared_memory *memory, uint64_t magic,
                           uint32_t version, uint32_t generation)
{
    struct segment_head *head = memory->address;

    schedule_step();
    head->version = version;
    head->length = memory->length;
    head->generation = generation;
    head->creator_pid = schedule.current ? (uint32_t)schedule.current->life : 0;
    head->creator_start = head->creator_pid;
    head->created_wall_ns = schedule.now;
    schedule_step();
    atomic_store_explicit(&head->magic, magic, memory_order_release);
}

int shared_memory_open(const char *name, enum shared_memory_access access,
                       uint64_t magic, uint32_t version,
                       struct shared_memory *memory)
{
    struct segment *segment = find(name);
    const struct segment_head *head;

    (void)access;
    schedule_step();
    *memory = SHARED_MEMORY_NULL;
    if (!segment)
        return SHARED_MEMORY_ABSENT;
    head = (const struct segment_head *)segment->memory;
    if (head->magic == 0)
        return SHARED_MEMORY_UNREADY;
    if (head->magic != magic || head->version != version ||
        head->length != segment->length)
        return SHARED_MEMORY_FOREIGN;
    attach(memory, segment);
    return 0;
}

int shared_memory_lock(struct shared_memory *memory, unsigned place)
{
    uint64_t *lock = &segments[memory->descriptor].locks[place];

    schedule_step();
    if (*lock != 0 && *lock != schedule.current->life)
        return SHARED_MEMORY_TAKEN;
    *lock = schedule.current->life;
    memory->lock_descriptor = memory->descriptor;
    return 0;
}

void shared_memory_close(struct shared_memory *memory)
{
    if (memory->lock_descriptor >= 0 && schedule.current)
        for (int place = 0; place < LOCKS_MOST; place++)
            if (segments[memory->lock_descriptor].locks[place] ==
                schedule.current->life)
                segments[memory->lock_descriptor].locks[place] = 0;
    *memory = SHARED_MEMORY_NULL;
}

int shared_memory_remove(const char *name)
{
    struct segment *segment = find(name);

    schedule_step();
    if (segment)
        segment->name[0] = '\0';
    return 0;
}

int shared_memory_set_aside(const char *name, const char *aside)
{
    struct segment *segment = find(name);

    schedule_step();
    if (!segment)
        return 0;
    (void)shared_memory_remove(aside);
    (void)snprintf(segment->name, sizeof(segment->name), "%s", aside);
    return 0;
}

/* A life's number is its pid and its start time. */
uint64_t process_start_time(int pid)
{
    return pid > 0 && process_of((uint64_t)pid) ? (uint64_t)pid : 0;
}

void segment_explain(const char *name, uint64_t magic, uint32_t version,
                     char *clause, size_t length)
{
    (void)name;
    (void)magic;
    (void)version;
    (void)snprintf(clause, length, "is not as it was made");
}
