/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * bridge_lock - one supervisor per bridge name on this host.
 *
 *     /dev/shm/nsq_to_kinesis.<name>.lock      0600, holds the roster
 *
 * Two supervisors of one name would give each queue two readers. The kernel
 * drops the lock with the process, however it ends.
 */

#include "tools/supervisor/roster.h"

enum bridge_lock_condition {
    BRIDGE_LOCK_TAKEN = 1, /* another supervisor runs */
};

/*
 * Lock the bridge called `name`; the descriptor that keeps it goes to *lock,
 * what the last holder wrote to *roster.
 *
 * Returns 0, BRIDGE_LOCK_TAKEN with the other process in *holder (0: unknown)
 * or a negative errno with its sentence.
 */
int bridge_lock_take(const char *name, int *lock, int *holder,
                     struct roster *roster);

/* Write down who works; a failure is only told in the log. */
void bridge_lock_note(int lock, const struct roster *roster);

/* Unlock, and take the file away. */
void bridge_lock_release(const char *name, int lock);
