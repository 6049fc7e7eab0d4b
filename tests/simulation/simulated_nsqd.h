/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * simulated_nsqd - some nsqd behind io.h, without a socket.
 *
 * Each holds the messages of its topic in their order: what comes back (the
 * connection broke, nobody touched it in time) is given again before what is
 * newer, so that the stream has to show the order of publishing. Ids are the
 * same on every nsqd.
 */

#include <stddef.h>
#include <stdint.h>

#define NSQDS_MOST 3

void simulated_nsqd_begin(size_t count, int64_t msg_timeout_ns);
void simulated_nsqd_end(void);

/* The message with that number of the judge's is published now. */
void simulated_nsqd_publish(size_t number);

/* The connection breaks; until then nobody gets a new one. */
void simulated_nsqd_cut(size_t nsqd, int64_t absent_until);

/* Whoever lived under that number is gone, and its sockets with it. */
void simulated_nsqd_on_ended(uint64_t life);
