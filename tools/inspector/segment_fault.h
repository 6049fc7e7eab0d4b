/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * segment_fault - what is wrong with a segment, and survival of a bad one.
 */

#include <stddef.h>
#include <stdint.h>

/*
 * Say in one clause why a segment cannot be used that should begin with
 * `magic` and `version`, as "belongs to user 1001". Reads the file instead of
 * mapping it, so that nothing about it can do harm.
 */
void segment_fault_explain(const char *name, uint64_t magic, uint32_t version,
                           char *clause, size_t length);

/*
 * Call look(what). A mapped segment that somebody makes shorter ends a reader
 * with SIGBUS at its next touch; here that ends the call only. What the call
 * had allocated is lost then, which a tool that runs for a moment can afford.
 *
 * Returns 0, or -EFAULT if that happened.
 */
int segment_fault_survive(void (*look)(void *what), void *what);
