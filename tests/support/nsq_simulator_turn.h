/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * nsq_simulator_turn - the loop's step: hear, publish, send, strike, sweep.
 *
 * A turn reads what clients said, lets the publishers publish, sends at most
 * one output buffer per connection, lets due faults happen and closes what has
 * ended. Time is read once. Only the sweep at the end frees a connection, so
 * that what epoll reported stays valid until then.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "tests/support/nsq_simulator_connection.h"
#include "tests/support/nsq_simulator_lines.h"
#include "tests/support/nsq_simulator_options.h"
#include "tests/support/nsq_simulator_script.h"

struct simulator {
    struct simulator_options options;
    struct lines lines;
    struct history history;
    struct nsqd *nsqds;
    struct script *script;
    int epoll;
    struct watched_fd {
        enum watch watch;
        int fd;
    } http, signals;
    uint16_t http_port;
    uint32_t connection_count; /* ever made */
    struct monotonic started;
    struct monotonic first_sent; /* ns 0: nothing yet */
    uint32_t next_tick_ms;
    bool is_stopped; /* by a signal */
    struct latency_watch latencies;
};

/* Watch a descriptor; `watch` begins with an enum watch. 0 or -1 and errno. */
int simulator_watch(struct simulator *simulator, int fd, void *watch,
                    uint32_t wanted);

struct channel_time simulator_time(const struct simulator *simulator);

/* How long nothing happens by itself, in nanoseconds. */
int64_t simulator_wait_ns(const struct simulator *simulator,
                          const struct channel_time *now);

/*
 * One turn, which waits at most `most_ns` for clients. Returns true if the
 * next one should not wait.
 */
bool simulator_turn(struct simulator *simulator, int64_t most_ns);
