/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * seeded_bug - mistakes made on purpose, to show that the tests notice them.
 *
 *     if (!SEEDED_BUG(no_shard_check) && !batch_fits(...))
 *
 * SEEDED_BUG(name) is the constant false, and nothing of it is compiled, but in
 * builds with the option test_hooks: there it is true while the environment
 * says N2K_SEEDED_BUG=name. The names are rows of common/seeded_bugs.tbl.
 */

#include <stdbool.h>

enum seeded_bug {
#define BUG(name, what) SEEDED_BUG_##name,
#include "common/seeded_bugs.tbl"
};

#ifdef N2K_TEST_HOOKS
#define SEEDED_BUG(name) seeded_bug_is_on(SEEDED_BUG_##name)
#else
#define SEEDED_BUG(name) ((void)SEEDED_BUG_##name, false)
#endif

/* Ends the process if the environment names no row. */
bool seeded_bug_is_on(enum seeded_bug bug);
