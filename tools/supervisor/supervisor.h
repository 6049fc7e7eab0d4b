/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * supervisor - starts, watches and restarts the children; maps no queue.
 *
 * The loop joins supervise.h (decides) with children.h (does). It returns when
 * no child is left.
 *
 * If the roster of a former supervisor names children that are still alive,
 * they are adopted; see adopt() in supervisor.c.
 */

#include "common/options.h"
#include "tools/supervisor/roster.h"

enum supervisor_condition {
    /* Children with other options are at work; none is a PROCESS_EXIT_*. */
    SUPERVISOR_REFUSES = 1000,
};

/*
 * Run the bridge whose lock is `lock`; *left is what the last holder wrote.
 * Blocks SIGINT, SIGTERM and SIGHUP for this process.
 *
 * Returns the exit status, a PROCESS_EXIT_*; SUPERVISOR_REFUSES with its
 * sentence in error_take(); or a negative errno with its sentence if it cannot
 * even watch.
 */
int supervisor_run(const struct options *options, int lock,
                   const struct roster *left);
