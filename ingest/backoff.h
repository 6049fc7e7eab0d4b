/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * backoff - how long to wait before trying again; pure.
 *
 * The span doubles with every failure up to a bound. A wait lies evenly in the
 * upper half of the span: the jitter keeps a fleet of bridges from returning
 * to a restarted nsqd at one instant, and the lower half stays empty so that a
 * refused connection is never tried in a tight loop.
 *
 * Units     nanoseconds.
 */

#include <stdint.h>

#include "common/random.h"

struct backoff {
    int64_t first_ns; /* span after the first failure; above 0 */
    int64_t most_ns;  /* the span never exceeds this; not below first_ns */
    int64_t span_ns;  /* of the next wait */
};

void backoff_init(struct backoff *backoff, int64_t first_ns, int64_t most_ns);

/* One more failure: how long to wait now. */
int64_t backoff_next(struct backoff *backoff, struct random *random);

/* It worked: the next failure is a first one. */
void backoff_reset(struct backoff *backoff);
