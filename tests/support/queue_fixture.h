/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * queue_fixture - a queue of its own for one test, with positions to taste.
 *
 * Records carry a serial number in their body and are filled so that a torn,
 * swapped or foreign record is recognised: body length and every byte follow
 * from the serial number, and the checksum covers them.
 */

#include "shard/queue_consumer.h"
#include "shard/queue_producer.h"

struct queue_fixture {
    char name[64];
    struct queue_producer producer;
    struct queue_consumer consumer;
};

/* Make a queue of `capacity` bytes whose three positions are `position`. */
void queue_fixture_make(struct queue_fixture *fixture, uint64_t capacity,
                        uint64_t position);

/* The same with both ends opened. */
void queue_fixture_init(struct queue_fixture *fixture, uint64_t capacity,
                        uint64_t position);
void queue_fixture_deinit(struct queue_fixture *fixture);

/* Note a batch of one part that takes everything from `released` to `end`. */
void queue_fixture_intend(struct queue_consumer *consumer, uint64_t end,
                          struct wall_time now, struct queue_batch *batch);

/* Write the record `serial`, `length` bytes of key and body (8 at least). */
int queue_fixture_write(struct queue_producer *producer, uint64_t serial,
                        size_t length);

/* A length from 8 to `most` that follows from the serial number. */
size_t queue_fixture_length(uint64_t serial, size_t most);

/* True if `record` is `serial`, whole, and of `length` bytes. */
bool queue_fixture_is(const struct record_header *record, uint64_t serial,
                      size_t length);

/* The serial number that a record says it has. */
uint64_t queue_fixture_serial(const struct record_header *record);
