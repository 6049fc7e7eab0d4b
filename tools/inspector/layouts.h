/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * layouts - the layouts of all bridges that are looked at: which shard a queue
 * was made for, and which queues there should be.
 */

#include "shard/layout.h"
#include "tools/inspector/inspection.h"

struct bridge_layout {
    const struct segment_entry *segment;
    struct layout layout;
};

struct layouts {
    struct bridge_layout *rows; /* in the order of the bridges */
    size_t count;
};

/* Read them all. Damage is noted; what cannot be read is left out. */
void layouts_read(struct inspection *inspection, struct layouts *layouts);
void layouts_deinit(struct layouts *layouts);

/* The shard that `queue` was made for; NULL if no layout says so. */
const char *layouts_shard_id(const struct layouts *layouts,
                             const struct segment_entry *queue);

/* Note as damage each queue that a layout names and that is not there. */
void layouts_check_queues(const struct layouts *layouts,
                          struct inspection *inspection);
