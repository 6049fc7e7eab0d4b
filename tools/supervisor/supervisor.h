/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * supervisor - starts, watches and restarts the children; maps no queue.
 *
 * The loop joins supervise.h (decides) with children.h (does). It returns when
 * no child is left.
 */

#include "common/options.h"

/*
 * Run the bridge. Blocks SIGINT, SIGTERM and SIGHUP for this process.
 *
 * Returns the exit status, a PROCESS_EXIT_*, or a negative errno with its
 * sentence if it cannot even watch.
 */
int supervisor_run(const struct options *options);
