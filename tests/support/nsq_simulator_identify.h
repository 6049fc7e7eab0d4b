/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * nsq_simulator_identify - IDENTIFY: what a client asks for and what it gets.
 *
 * Ranges, defaults and sentences are those of nsqd 1.3.0 (client_v2.go,
 * options.go) started without certificate, compression and AUTH. Pure but for
 * the memory of the JSON parser.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"

/* What the operator of this nsqd set. */
struct identify_limits {
    int64_t max_rdy_count;
    int64_t msg_timeout_ms; /* for clients that ask for none */
    int64_t max_msg_timeout_ms;
};

/* What is in force on one connection. */
struct identify_settings {
    int64_t heartbeat_ms; /* 0: none */
    int64_t msg_timeout_ms;
    int64_t output_buffer_size; /* bytes; echoed, not obeyed */
    int64_t output_buffer_timeout_ms;
    int64_t sample_rate;
    bool feature_negotiation;
};

struct identify_settings
identify_defaults(const struct identify_limits *limits);

/*
 * Apply the client's JSON to *settings. Returns true; or false with *settings
 * in between and the end of nsqd's sentence, after "E_BAD_BODY IDENTIFY ", in
 * `complaint`.
 */
bool identify_apply(struct bytes json, const struct identify_limits *limits,
                    struct identify_settings *settings,
                    struct bytes_writer *complaint);

/* Write nsqd's answer: its features in JSON, or OK to those who do not ask. */
void identify_answer(const struct identify_settings *settings,
                     const struct identify_limits *limits,
                     struct bytes_writer *answer);
