/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * consumer_options - what --consumer-opt key,value asks for. Pure.
 *
 * The keys are those of go-nsq (config.go), so that a command line of
 * nsq_to_file can be kept: dashes count as underscores, a key alone is
 * "key,true". Each key is one of
 *
 *     understood     a field below
 *     ignored        it has nothing to act on here; the reason can be logged
 *     not supported  an error, unless its value switches it off
 *
 * Units     durations in nanoseconds, names end with _ns; lengths in bytes.
 * Lifetime  texts point into the options, which point into argv.
 */

#include <stddef.h>
#include <stdint.h>

#include "common/options.h"

#define CONSUMER_IGNORED_MOST 64

struct consumer_options {
    uint64_t max_in_flight; /* messages; --max-in-flight unless given here */
    int64_t msg_timeout_ns; /* 0: nsqd's own */
    int64_t heartbeat_interval_ns;
    uint64_t output_buffer_size; /* bytes nsqd gathers before it sends */
    int64_t output_buffer_timeout_ns;
    const char *client_id;  /* NULL: the host name up to its first dot */
    const char *hostname;   /* NULL: the host name */
    const char *user_agent; /* NULL: ours */

    int64_t dial_timeout_ns;
    int64_t read_timeout_ns;
    int64_t write_timeout_ns;
    int64_t max_backoff_duration_ns; /* longest wait before connecting again */

    int64_t lookupd_poll_interval_ns;
    uint64_t lookupd_poll_jitter; /* share of the interval, in millionths */
    int64_t lookupd_poll_timeout_ns;

    const char *ignored[CONSUMER_IGNORED_MOST]; /* as they were typed */
    size_t ignored_count;
};

/*
 * Fill in the defaults and what options->consumer_opt says.
 *
 * Returns 0, or OPTIONS_WRONG or OPTIONS_RANGE with a sentence in `complaint`.
 */
int consumer_options_parse(const struct options *options,
                           struct consumer_options *consumer, char *complaint,
                           size_t length);

/* Why one of `ignored` has no effect; ends a sentence. */
const char *consumer_options_reason(const char *ignored);
