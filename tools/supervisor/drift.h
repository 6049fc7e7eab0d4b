/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * drift - when queues are to be exchanged, because the shards are others. Pure.
 *
 * A queue of a shard that was split or merged works on, but its worker sends to
 * two shards, or two to one. That is put right when the shards have stayed as
 * they are for the settle time: a reshard comes as a series of steps. What could
 * not be done is tried again after a wait that doubles each time, as each costs
 * a pause. It may also be that a try ends with the same queues (there is no room
 * for others); then the workers name the same shards again.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"

#define DRIFT_LONGEST_WAIT_NS (3600 * NS_PER_SECOND)

struct drift {
    int64_t settle_ns; /* 0: never */
    uint32_t shards;   /* those that the queues do not stand for; 0: they do */
    uint32_t tried;    /* those of the last try */
    unsigned tries;    /* for them */
    struct monotonic due; /* NEVER: nothing to do */
};

void drift_init(struct drift *drift, int64_t settle_ns);

/*
 * A worker has learned the shards: layout_drift(). What is no news changes
 * nothing, whichever worker says it.
 */
void drift_note(struct drift *drift, uint32_t shards, struct monotonic now);

bool drift_is_due(const struct drift *drift, struct monotonic now);

/* A try begins: the next one is due later, should this one come to nothing. */
void drift_begin(struct drift *drift, struct monotonic now);

/* It came to nothing: the wait for the next one begins now. */
void drift_fail(struct drift *drift, struct monotonic now);

/* The queues are new, and fit until a worker says otherwise. */
void drift_end(struct drift *drift);
