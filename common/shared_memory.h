/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * shared_memory - create, attach, verify and remove one named segment.
 *
 * A segment is a POSIX shared memory object, 0600, whose memory is reserved
 * at creation (posix_fallocate), so that a full /dev/shm is an error sentence
 * at start and never a SIGBUS later. It begins with a segment_head. The
 * creator fills in everything, then publishes the magic with a release store:
 * whoever sees the right magic sees a whole segment.
 *
 * Segments survive every process; only shared_memory_remove() ends one. None
 * is ever resized. What is read from a segment was written by somebody else
 * and is checked before use, the head included.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* The first 64 bytes of every segment. Written by the creator only. */
struct segment_head {
    _Atomic uint64_t magic;  /* 8 letters, by kind; published last */
    uint32_t version;        /* of the layout that the magic names */
    uint32_t creator_pid;    /* who made it; for people, not for locks */
    uint64_t length;         /* bytes, the head included */
    uint64_t creator_start;  /* field 22 of /proc/PID/stat, in ticks */
    int64_t created_wall_ns; /* since 1970 */
    uint32_t generation;     /* of the queues; 0 where it has no meaning */
    uint8_t reserved[20];    /* 0 */
};

static_assert(sizeof(struct segment_head) == 64, "one cache line");

/* "N2KQUEUE" as the eight bytes stand in memory. */
#define SEGMENT_MAGIC(a, b, c, d, e, f, g, h)                                  \
    ((uint64_t)(a) | (uint64_t)(b) << 8 | (uint64_t)(c) << 16 |                \
     (uint64_t)(d) << 24 | (uint64_t)(e) << 32 | (uint64_t)(f) << 40 |         \
     (uint64_t)(g) << 48 | (uint64_t)(h) << 56)

enum shared_memory_condition {
    SHARED_MEMORY_ABSENT = 1, /* there is no segment of that name */
    SHARED_MEMORY_EXISTS,     /* create: there is one already */
    SHARED_MEMORY_UNREADY,    /* its creator has not published the magic */
    SHARED_MEMORY_FOREIGN,    /* other magic, version, length, owner or mode */
    SHARED_MEMORY_TAKEN,      /* lock: another process holds it */
};

enum shared_memory_access {
    SHARED_MEMORY_READ,
    SHARED_MEMORY_WRITE,
};

struct shared_memory {
    void *address;       /* NULL: not mapped */
    size_t length;       /* bytes */
    int descriptor;      /* -1: none */
    int lock_descriptor; /* of the locks; -1: none is held */
};

#define SHARED_MEMORY_NULL                                                     \
    ((struct shared_memory){                                                   \
        .address = NULL, .descriptor = -1, .lock_descriptor = -1 })

/*
 * Create a segment of `length` zero bytes, all of them reserved, and map it.
 * `name` begins with '/' and has no other.
 *
 * Returns 0, SHARED_MEMORY_EXISTS, or a negative errno; -ENOSPC comes with a
 * sentence that says how much is needed, how much is there and what to do.
 */
int shared_memory_create(const char *name, size_t length,
                         struct shared_memory *memory);

/*
 * Check before the first of several creations that `length` bytes, all
 * segments together, will fit. Returns 0 or -ENOSPC with the same sentence.
 */
int shared_memory_check_room(uint64_t length);

/* Fill in the head and publish `magic`: the segment is whole from now on. */
void shared_memory_publish(struct shared_memory *memory, uint64_t magic,
                           uint32_t version, uint32_t generation);

/*
 * Map an existing segment and verify its head against `magic`, `version`, its
 * real size and its owner (ours; root may read everybody's) and mode (no
 * group, no others).
 *
 * Returns 0, SHARED_MEMORY_ABSENT, _UNREADY, _FOREIGN or a negative errno.
 */
int shared_memory_open(const char *name, enum shared_memory_access access,
                       uint64_t magic, uint32_t version,
                       struct shared_memory *memory);

/*
 * Lock byte `place` of the segment for this process (an open file description
 * lock, which the kernel drops when the process ends, however it ends).
 *
 * Returns 0, SHARED_MEMORY_TAKEN or a negative errno.
 */
int shared_memory_lock(struct shared_memory *memory, unsigned place);

/* Unmap and drop the locks. The segment stays. Legal on SHARED_MEMORY_NULL. */
void shared_memory_close(struct shared_memory *memory);

/*
 * Give the segment another name; one that has it already is removed, in the
 * same moment. An absent segment is no error.
 */
int shared_memory_set_aside(const char *name, const char *aside);

/* End the segment's name. An absent one is no error. */
int shared_memory_remove(const char *name);

/* Start time of a process in clock ticks since boot; 0 if there is none. */
uint64_t process_start_time(int pid);
