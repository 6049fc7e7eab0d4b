/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * lifeline - how a child says "ready" and learns what the supervisor wants.
 *
 * A SEQPACKET socket pair per child, made before the fork. In the child it is
 * always descriptor 3; the wake-up descriptors (eventfds that the supervisor
 * keeps, so that they outlive any child) follow it:
 *
 *     0  /dev/null        1, 2  the supervisor's own
 *     3  lifeline
 *     4  wake-up of ingest
 *     5  wake-up of egress worker 0, 6 of worker 1, ...
 *
 * A closed lifeline means that the supervisor is gone. A child goes on, looks
 * for a new one at the bridge's control socket, and gives it the lifeline
 * anew, together with its copies of the wake-ups, so that children that are
 * started later share them. After --orphan-timeout it drains and stops.
 *
 * Messages are fixed-size, so one read is one message. Every message of the
 * other side is checked: an unknown kind is ignored (another version).
 */

#include <stdint.h>

#include "common/clock.h"

#define LIFELINE_DESCRIPTOR      3
#define WAKEUP_DESCRIPTOR_INGEST 4
#define WAKEUP_DESCRIPTOR_EGRESS 5  /* + worker index */
#define WAKEUP_DESCRIPTOR_COUNT  65 /* for as many workers as there can be */

/* An orphan looks for a new supervisor this often. */
#define LIFELINE_REJOIN_PAUSE_NS (100 * NS_PER_MS)

enum lifeline_kind {
    /* child -> supervisor */
    LIFELINE_READY = 1, /* attached and working */
    LIFELINE_ALIVE,     /* once a second; without it the child is hung */
    LIFELINE_SURVEYED,  /* survey only: value = number of queues made */
    LIFELINE_ENDING,    /* last words: value = exit status */
    LIFELINE_SHARDS,    /* egress: value = layout_drift() of its shard map */

    /* supervisor -> child */
    LIFELINE_DRAIN = 32, /* take nothing new, finish what there is, end */
    LIFELINE_LEAVE,      /* egress: finish what is on its way, end */
    LIFELINE_PAUSE,      /* ingest: RDY 0, finish what there is, end */
    LIFELINE_RESUME,     /* ingest: do not end after all, go on */
};

struct lifeline_message {
    uint32_t kind;  /* enum lifeline_kind */
    uint32_t value; /* by kind; else 0 */
};

enum lifeline_condition {
    LIFELINE_EMPTY = 1, /* nothing to read now */
    LIFELINE_CLOSED,    /* the other side is gone */
};

/* Never blocks. Returns 0, LIFELINE_CLOSED or a negative errno. */
int lifeline_send(int descriptor, enum lifeline_kind kind, uint32_t value);

/* Never blocks. Returns 0, LIFELINE_EMPTY, LIFELINE_CLOSED, negative errno. */
int lifeline_receive(int descriptor, struct lifeline_message *message);

/*
 * Without a supervisor: give the lifeline to the one that listens at
 * `control_socket` (the name of a file in /dev/shm, '/' in front), if there is
 * one. `role` says who we are: "ingest", "egress 0". Never blocks.
 *
 * Returns 0, LIFELINE_CLOSED if nobody listens, or a negative errno.
 */
int lifeline_rejoin(const char *control_socket, const char *role);

/*
 * A child's first step: check that descriptors 3 to 3 + `count` are there and
 * of the right kind, make them non-blocking and close-on-exec, close all
 * others from there on.
 *
 * Returns 0, or -EBADF with a sentence that says to start `nsq_to_kinesis`.
 */
int lifeline_adopt(unsigned wakeup_count);
