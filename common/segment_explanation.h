/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * segment_explanation - what is wrong with a segment, in words.
 */

#include <stddef.h>
#include <stdint.h>

/*
 * Say in one clause why a segment cannot be used that should begin with
 * `magic` and `version`, as "belongs to user 1001". Reads the file instead of
 * mapping it, so that nothing about it can do harm.
 */
void segment_explain(const char *name, uint64_t magic, uint32_t version,
                     char *clause, size_t length);
