/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * inspection - one run of the inspector: what was asked, and what came of it.
 *
 * The verbs walk over the segments of a kind. One that is damaged costs one
 * sentence and the exit status, never the look at the others.
 */

#include <stdbool.h>
#include <stdio.h>

#include "tools/inspector/segments.h"

/* Numbers of BSD's sysexits.h, as in common/process_exit.h. */
enum inspection_exit {
    INSPECTION_FINE = 0,
    INSPECTION_USAGE = 64,   /* the command line is wrong */
    INSPECTION_DAMAGE = 65,  /* something cannot be true or be read */
    INSPECTION_NOTHING = 66, /* there is nothing to show */
    INSPECTION_FAILED = 71,  /* no memory, no folder, no place for the output */
};

struct inspection {
    /* What was asked. */
    const char *bridge; /* NULL: all */
    bool is_json;
    bool is_full;   /* dump: bodies whole */
    bool has_queue; /* dump: `queue` only */
    uint32_t queue; /* index */
    uint64_t most;  /* dump: records of each queue; 0: all */
    FILE *output;
    FILE *complaints; /* where sentences go without --json */
    /* What came of it. */
    struct segment_list segments;
    size_t shown; /* segments of the kind asked for that could be read */
    bool is_damaged;
    bool has_failed;
};

/* Find the segments. Returns 0 or a negative errno with its sentence. */
int inspection_begin(struct inspection *inspection);
void inspection_end(struct inspection *inspection);

/* What the process says at its end. */
enum inspection_exit inspection_status(const struct inspection *inspection);

typedef void inspection_look(struct inspection *inspection,
                             const struct segment_entry *segment, void *own);

/*
 * Call `look` for each segment of `kind`, in order, and survive if one is made
 * shorter meanwhile. `look` copies out of a segment before it prints.
 */
void inspection_visit(struct inspection *inspection, enum segment_kind kind,
                      inspection_look *look, void *own);

/* Note that `segment` is damaged and say why, in one sentence. */
void inspection_damage(struct inspection *inspection,
                       const struct segment_entry *segment, const char *format,
                       ...) __attribute__((format(printf, 3, 4)));

/* The same with what segment_explain() finds. */
void inspection_cannot_use(struct inspection *inspection,
                           const struct segment_entry *segment, uint64_t magic,
                           uint32_t version);

/* Note a negative errno that is no damage, and print its sentence. */
void inspection_failure(struct inspection *inspection, int code);

/* The verbs list, dump and counters. */
void inspect_queues(struct inspection *inspection);
void inspect_records(struct inspection *inspection);
void inspect_counters(struct inspection *inspection);
