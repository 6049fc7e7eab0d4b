/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * simulated_kinesis - the Kinesis simulator behind http_client.h, without a
 * socket: a request travels, is answered, and its reply travels back.
 */

#include <stdint.h>

#include "tests/support/kinesis_simulator.h"

#define SIMULATED_STREAM "simulated"

/* A stream with so many shards, and nothing on its way. */
void simulated_kinesis_begin(uint64_t seed, uint32_t shard_count);
void simulated_kinesis_end(void);

/* Whoever lived under that number takes no reply any more. */
void simulated_kinesis_on_ended(uint64_t life);

/* A rule for the script; see kinesis_simulator_script.h. */
void simulated_kinesis_script(const char *rule);

/* Nobody reaches it before that time; such a failure is definite. */
void simulated_kinesis_hide(int64_t until);

/* Split a shard chosen by chance, or merge it with its neighbour. */
void simulated_kinesis_reshard(void);

/* No more faults: forget the script. */
void simulated_kinesis_heal(void);
