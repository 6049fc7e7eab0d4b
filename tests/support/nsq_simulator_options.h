/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * nsq_simulator_options - the command line of the NSQ simulator.
 *
 * Its own and not common/options: those are the bridge's.
 */

#include <stdbool.h>
#include <stdint.h>

#include "tests/support/nsq_simulator_identify.h"
#include "tests/support/nsq_simulator_source.h"

#define SIMULATED_NSQDS_MOST 64

struct simulator_options {
    uint16_t port; /* of the first nsqd, the others follow; 0: any */
    uint16_t http_port;
    uint64_t nsqd_count;
    const char *topic;
    uint64_t count; /* messages over all nsqds; CHANNEL_ENDLESS */
    uint64_t rate;  /* messages per second over all nsqds; 0: no limit */
    uint64_t backlog;
    enum source_body body;
    uint64_t size; /* bytes of a body */
    uint64_t keys;
    uint64_t seed;
    bool has_equal_ids; /* every nsqd gives the same ids */
    struct identify_limits limits;
    const char *input;   /* file of bodies; or NULL */
    const char *script;  /* or NULL */
    const char *history; /* or NULL */
    bool exits_when_done;
    uint64_t deadline_s; /* 0: none */
};

/*
 * Parse the command line. Returns true; or false after a sentence, or the
 * help, was printed: *status is what to exit with.
 */
bool simulator_options_parse(struct simulator_options *options, int argc,
                             char *argv[], int *status);
