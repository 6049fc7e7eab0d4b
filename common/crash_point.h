/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * crash_point - places at which a test can have a process killed.
 *
 *     queue_intend(...);
 *     CRASH_POINT(intent_written);
 *
 * Nothing of it is compiled but in builds with the option test_hooks. There,
 * the environment says N2K_CRASH=name:count:token: whichever process passes the
 * point for the count-th time and can remove the file `token` kills itself with
 * SIGKILL. The token goes with the first death, so that the process that takes
 * over passes the point alive. The names are rows of common/crash_points.tbl;
 * each stands in the sources once.
 */

#include <stdbool.h>

enum crash_point {
#define CRASH(name, process, when) CRASH_POINT_##name,
#include "common/crash_points.tbl"
};

#ifdef N2K_TEST_HOOKS
#define CRASH_POINT(name) crash_point_pass(CRASH_POINT_##name)
#else
#define CRASH_POINT(name) ((void)CRASH_POINT_##name)
#endif

void crash_point_pass(enum crash_point point);

/*
 * In builds with test_hooks, print the table and return true if the first
 * argument is --list-crash-points: name, process, when, tabs between them.
 */
bool crash_point_is_asked(int argc, char *argv[]);
