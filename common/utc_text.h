/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * utc_text - a point in time as people write it: "2026-11-24T04:42:22.123Z".
 *
 * Computed by hand and so legal in a signal handler: gmtime_r() may wait for a
 * lock.
 */

#include "common/clock.h"

#define UTC_TEXT_SIZE 25 /* with its NUL; years 1970 to 9999 */

void utc_text(struct wall_time time, char text[UTC_TEXT_SIZE]);
