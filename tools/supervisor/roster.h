/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * roster - who works for a bridge, written down for the next supervisor. Pure.
 *
 *     4711                      the supervisor
 *     workers 2                 egress workers there are to be
 *     queues 4                  as the survey said; 0: not yet
 *     child ingest 0 4713 98765432
 *     child egress 1 4715 98765440
 *     end
 *
 * It stands in the file of the bridge's lock and is written anew whenever a
 * child was started or has ended. A child is named by its role, its index, its
 * process number and its start time (field 22 of /proc/PID/stat), so that a
 * number that somebody else has by now is not taken for it. What is read was
 * written by another process and is checked; without its last line a roster
 * says nothing.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "tools/supervisor/supervise.h"

#define ROSTER_TEXT_MOST 8192

struct roster_child {
    enum child_role role;
    uint32_t worker; /* index; CHILD_EGRESS only */
    int pid;
    uint64_t start; /* process_start_time() */
};

struct roster {
    int supervisor;
    uint32_t worker_count;
    uint32_t queue_count;
    struct roster_child children[SUPERVISE_CHILDREN_MOST];
    size_t child_count;
};

void roster_write(const struct roster *roster, struct bytes_writer *text);

/* Returns false, and an empty roster, if the text is none. */
bool roster_read(const char *text, struct roster *roster);
