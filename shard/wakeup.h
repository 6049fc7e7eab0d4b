/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * wakeup - sleep until the other side moved, without a lost wake-up.
 *
 * Each process of a bridge has one eventfd, made by the supervisor, and one
 * word in the wake-up segment that says "I sleep, or am about to". Kicking a
 * sleeping process costs the kicker about 10 us, so it is done once per batch,
 * and only if that word asks for it.
 *
 * The one who sleeps                     The one who moves a position
 *
 *   wakeup_prepare()  sleeping = 1         store the position (release)
 *                     fence                wakeup_kick()  fence
 *   look again at every position                          sleeping == 1 ?
 *   sleep, with a finite time-out                         then 0, write
 *   wakeup_awake()    sleeping = 0                        the eventfd
 *
 * W1: of the two fences one comes first. If it is the sleeper's, the mover
 * sees sleeping == 1 and kicks; if it is the mover's, the sleeper sees the
 * position when it looks again. Leave out "look again" and a wake-up is lost:
 * that is the one thing a caller must never do.
 *
 * After SIGKILL of either side the word is only a hint: the next owner clears
 * it with wakeup_awake(), and no sleep is longer than WAKEUP_LONGEST_MS, so
 * that a kick that went astray costs a moment and not a message.
 */

#include "common/shared_memory.h"

#define WAKEUP_MAGIC      SEGMENT_MAGIC('N', '2', 'K', 'W', 'A', 'K', 'E', 'U')
#define WAKEUP_VERSION    1
#define WAKEUP_LONGEST_MS 100

/* Places in the segment: ingest, then egress worker 0, 1, ... */
#define WAKEUP_INGEST       0
#define WAKEUP_EGRESS       1
#define WAKEUP_WORKERS_MOST 64

struct wakeup_place {
    _Alignas(128) _Atomic uint64_t sleeping; /* 1: kick me */
};

struct wakeup_segment {
    struct segment_head head;
    struct wakeup_place places[WAKEUP_EGRESS + WAKEUP_WORKERS_MOST];
};

/* Make the segment. Returns 0 or a negative errno with its sentence. */
int wakeup_create(const char *name, uint32_t generation);

/* Attach. Returns 0 or a negative errno with its sentence: -EUCLEAN if it is
   absent or of another build. */
int wakeup_open(const char *name, struct shared_memory *memory,
                struct wakeup_segment **segment);

/* Before the last look at the positions and the sleep. */
void wakeup_prepare(struct wakeup_place *own);

/* After the sleep, or instead of it. */
void wakeup_awake(struct wakeup_place *own);

/*
 * After a position was moved: wake its reader if it sleeps. `descriptor` is
 * the reader's eventfd. Returns 1 if a kick was written, else 0.
 */
int wakeup_kick(struct wakeup_place *reader, int descriptor);

/* Read the own eventfd empty. */
void wakeup_clear(int descriptor);
