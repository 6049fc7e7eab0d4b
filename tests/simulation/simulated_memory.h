/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * simulated_memory - the segments of the world; processes use shared_memory.h.
 */

#include <stdint.h>

/* Forget every segment. */
void simulated_memory_begin(void);

/* The locks of that life end. */
void simulated_memory_on_ended(uint64_t life);
