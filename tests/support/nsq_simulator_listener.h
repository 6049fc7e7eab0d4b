/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* nsq_simulator_listener - a listening socket on 127.0.0.1. */

#include <stdint.h>

/*
 * Listen on `port`, or on a free one if it is 0. Returns the socket and
 * *actual_port, or -1 and errno.
 */
int listener_open(uint16_t port, uint16_t *actual_port);
