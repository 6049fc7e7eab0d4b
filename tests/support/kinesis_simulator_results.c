/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/kinesis_simulator_results.h"

/* A shard that no stream of the simulator reaches. */
#define NO_SUCH_SHARD 999999999

/* Facts of the service: a sequence number has at most 128 digits. */
static const char too_many_digits[] =
    "4911111111111111111111111111111111111111111111111111111111111111111111"
    "1111111111111111111111111111111111111111111111111111111111111111111111"
    "1111111111111111111111111111111111111111111111111111111111111111111111";

static bool is_wrong(const struct simulator_rule *rule,
                     const struct simulator_shard *shard,
                     enum simulator_fault fault)
{
    return rule && rule->action->fault == fault &&
           (rule->shard == SIMULATOR_NO_SHARD || rule->shard == shard->index);
}

/* An open shard that is not this one; itself if there is no other. */
static uint32_t another(const struct simulator_stream *stream,
                        const struct simulator_shard *shard)
{
    for (uint32_t i = 0; i < stream->open_count; i++)
        if (stream->open[i] != shard->index)
            return stream->open[i];
    return shard->index;
}

void simulator_write_stored(struct simulator_reply *reply,
                            const struct simulator_stream *stream,
                            const struct simulator_shard *shard,
                            const char *sequence,
                            const struct simulator_rule *rule)
{
    uint32_t index = shard->index;
    char id[SIMULATOR_SHARD_ID_TEXT];

    if (is_wrong(rule, shard, SIMULATOR_FAULT_garbage_sequence))
        sequence = "4911x -1";
    if (is_wrong(rule, shard, SIMULATOR_FAULT_long_sequence))
        sequence = too_many_digits;
    if (is_wrong(rule, shard, SIMULATOR_FAULT_wrong_shard))
        index = another(stream, shard);
    if (is_wrong(rule, shard, SIMULATOR_FAULT_unknown_shard))
        index = NO_SUCH_SHARD;
    simulator_shard_id(index, id);
    if (!is_wrong(rule, shard, SIMULATOR_FAULT_no_sequence))
        simulator_reply_text_member(reply, "SequenceNumber", sequence);
    if (!is_wrong(rule, shard, SIMULATOR_FAULT_no_shard))
        simulator_reply_text_member(reply, "ShardId", id);
}

size_t simulator_results_told(const struct simulator_rule *rule, size_t count)
{
    if (rule && rule->action->fault == SIMULATOR_FAULT_wrong_count)
        return count - 1;
    if (rule && rule->action->fault == SIMULATOR_FAULT_extra_result)
        return count + 1;
    return count;
}

uint64_t simulator_failed_count_told(const struct simulator_rule *rule,
                                     uint64_t failed)
{
    if (rule && rule->action->fault == SIMULATOR_FAULT_wrong_failed_count)
        return failed == 0;
    return failed;
}
