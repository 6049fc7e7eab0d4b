/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * child_steps - what each news does to a child in each state.
 *
 * A part of supervise.c: the child alone is looked at here, the order of all of
 * them there. The drawing of the states stands in supervisor.c.
 */

#include "tools/supervisor/supervise.h"

static inline bool supervise_is_draining(const struct supervise *supervise)
{
    return supervise->phase >= SUPERVISE_DRAINING_INGEST;
}

/* What the table has for the child's state and this news; often nothing. */
void child_steps_take(struct supervise *supervise, size_t child,
                      enum child_news news, int value,
                      struct supervise_turn *turn);

/* Its turn has come. */
void child_steps_start(struct supervise *supervise, size_t child,
                       struct supervise_turn *turn);

/* It ended, or its work is wanted again: at once, or later and later. */
void child_steps_restart_later(struct supervise *supervise, size_t child,
                               struct supervise_turn *turn);
