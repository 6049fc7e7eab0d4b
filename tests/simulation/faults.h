/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * faults - what goes wrong in a simulated life, and when: by the seed.
 */

#include <stddef.h>
#include <stdint.h>

/* Have `count` faults happen between now and `end`. */
void faults_plan(size_t count, int64_t end, size_t nsqd_count);
