/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * kinesis_simulator_results - what a reply says of the records it stored; the
 * truth, or what a rule of the script makes of it.
 */

#include "tests/support/kinesis_simulator_reply.h"
#include "tests/support/kinesis_simulator_script.h"
#include "tests/support/kinesis_simulator_stream.h"

/*
 * Write the members SequenceNumber and ShardId of one record stored on
 * `shard`. `rule` is NULL, or what is wrong with this reply.
 */
void simulator_write_stored(struct simulator_reply *reply,
                            const struct simulator_stream *stream,
                            const struct simulator_shard *shard,
                            const char *sequence,
                            const struct simulator_rule *rule);

/* How many of `count` results are written. */
size_t simulator_results_told(const struct simulator_rule *rule, size_t count);

/* What FailedRecordCount says when `failed` records were refused. */
uint64_t simulator_failed_count_told(const struct simulator_rule *rule,
                                     uint64_t failed);
