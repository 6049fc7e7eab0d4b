/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * opened_queue - a queue that is there, is ours and whose positions can be,
 * or a sentence why not.
 */

#include "shard/queue_view.h"
#include "tools/inspector/inspection.h"

struct opened_queue {
    struct queue_view view;
    struct queue_view_state state;
    uint64_t to_send;   /* bytes: not yet decided */
    uint64_t to_finish; /* bytes: decided, and not yet finished */
    double used;        /* share of the ring, 0 to 1 */
};

/*
 * Open and look. Returns false, with the damage noted, if there is nothing to
 * believe in; else the caller closes it.
 */
bool opened_queue_open(struct inspection *inspection,
                       const struct segment_entry *segment,
                       struct opened_queue *queue);
void opened_queue_close(struct opened_queue *queue);
