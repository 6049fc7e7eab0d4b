/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * queue_course - where in the ring each record of a fixture must lie.
 *
 * Lengths follow from serial numbers and padding from positions, so position
 * and serial number determine each other, whoever was killed how often. A
 * course computes them from the beginning, without looking at the queue: any
 * record that is torn, lost, repeated or out of place does not match.
 */

#include "tests/support/queue_fixture.h"

struct queue_course {
    uint64_t capacity; /* of the ring */
    size_t most;       /* longest key and body */
    uint64_t position; /* behind the record before `serial` */
    uint64_t serial;   /* the next record's */
};

/* Move behind the next record. */
void queue_course_step(struct queue_course *course);

/* Move to `position`; false if no record ends there. */
bool queue_course_reach(struct queue_course *course, uint64_t position);

/*
 * Write up to `count` records from where the course stands, publish them.
 * Returns how many had room.
 */
unsigned queue_course_write(struct queue_course *course,
                            struct queue_producer *producer, unsigned count);

/*
 * Read up to `count` records, compare each with the course, give it the
 * verdict and release them. Returns how many there were, or -1 if one was not
 * what the course says.
 */
int queue_course_read(struct queue_course *course,
                      struct queue_consumer *consumer, unsigned count);

/*
 * Finish what is decided, comparing each record with the course. Returns how
 * many, or -1.
 */
int queue_course_finish(struct queue_course *course,
                        struct queue_producer *producer);
