/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * kinesis_simulator_server - listens, waits, and gives connections their turn.
 *
 * Single-threaded epoll; SIGTERM and SIGINT end it. Replies that wait are a
 * list by deadline, one timer descriptor wakes the first of them.
 */

#include <stdint.h>

#include "tests/support/kinesis_simulator.h"

struct simulator_ports {
    uint16_t http;                /* 0: any free one */
    uint16_t https;               /* likewise */
    const char *certificate_path; /* NULL: no TLS */
    const char *private_key_path;
};

/*
 * Listen on 127.0.0.1, print "listening http=PORT https=PORT" on standard
 * output (https=0 without TLS) and serve until a signal comes. Returns 0 or a
 * negative errno with a sentence on standard error.
 */
int simulator_serve(struct simulator *simulator,
                    const struct simulator_ports *ports);
