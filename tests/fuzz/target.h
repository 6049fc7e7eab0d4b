/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * target - what a fuzz target consists of; replay.c or libFuzzer drives it.
 *
 * A target aborts when a promise of the code is broken, and leaves the finding
 * of bad memory accesses to the sanitizers.
 */

#include <stddef.h>
#include <stdint.h>

#include "common/random.h"

/* The name is libFuzzer's. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length);

/* Make a sound input of at most `most` (512 or more) bytes; its length. */
size_t fuzz_make_input(struct random *random, uint8_t *input, size_t most);
