/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * queue_check - is everything in a queue true? For one that nobody is using.
 *
 * What an earlier life of the bridge left is read from one end to the other
 * before anybody goes on with it: the head against the layout, the positions
 * against each other and against the records' borders, each record's numbers,
 * verdict and checksum, and the intent. A bit that fell over is found, with
 * these exceptions, which cannot lose, alter or invent a message:
 *
 *   - who made the segment and when, and the leases: they are for people;
 *   - `attempts`, `source` and `incarnation` of a record: the wrong connection
 *     cannot FIN it, so nsqd delivers the message again;
 *   - a `finished` that points to an earlier or later record that is decided:
 *     FINed twice, or delivered again; and a `committed` that points to an
 *     earlier one: the records behind it were never FINed;
 *   - an intent that is not current, and a `batch` that says that the one
 *     before is: as if egress had been killed before it noted the last.
 */

#include "shard/queue_segment.h"

struct queue_census {
    uint64_t record_bytes; /* committed - finished */
    uint64_t record_count; /* messages among them */
    char damage[256];      /* one clause: what is wrong, and where */
};

/*
 * Look at the queue `name`, whose head must say what `plan` says.
 *
 * Returns 0, QUEUE_ABSENT, QUEUE_CORRUPT with census->damage filled in, or a
 * negative errno.
 */
int queue_check(const char *name, const struct queue_plan *plan,
                struct queue_census *census);
