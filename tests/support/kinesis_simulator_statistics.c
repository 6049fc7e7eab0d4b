/* SPDX-License-Identifier: Apache-2.0 */

/* kinesis_simulator_statistics - what the service counted, as JSON. */

#include "tests/support/kinesis_simulator.h"

void simulator_count_code(struct simulator *simulator, const char *code)
{
    struct simulator_statistics *statistics = &simulator->statistics;
    size_t i = 0;

    while (i < statistics->code_count &&
           strcmp(statistics->codes[i].code, code) != 0)
        i++;
    if (i == SIMULATOR_CODES_MOST)
        return;
    if (i == statistics->code_count) {
        statistics->codes[i].code = code;
        statistics->code_count++;
    }
    statistics->codes[i].count++;
}

static void write_shard(const struct simulator_shard *shard,
                        struct simulator_reply *reply)
{
    char id[SIMULATOR_SHARD_ID_TEXT];

    simulator_shard_id(shard->index, id);
    simulator_reply_map(reply);
    simulator_reply_text_member(reply, "shard", id);
    simulator_reply_name(reply, "open");
    simulator_reply_bool(reply, !shard->is_closed);
    simulator_reply_number_member(reply, "records", shard->counters.records);
    simulator_reply_number_member(reply, "bytes", shard->counters.bytes);
    simulator_reply_number_member(reply, "user_records",
                                  shard->counters.user_records);
    simulator_reply_number_member(reply, "throttled",
                                  shard->counters.throttled);
    simulator_reply_number_member(reply, "kept", shard->kept_count);
    simulator_reply_end_map(reply);
}

static void write_streams(const struct simulator *simulator,
                          struct simulator_reply *reply)
{
    simulator_reply_name(reply, "streams");
    simulator_reply_map(reply);
    for (const struct simulator_stream *stream = simulator->streams; stream;
         stream = stream->next) {
        simulator_reply_name(reply, stream->name);
        simulator_reply_array(reply);
        for (uint32_t i = 0; i < stream->shard_count; i++)
            write_shard(stream->shards[i], reply);
        simulator_reply_end_array(reply);
    }
    simulator_reply_end_map(reply);
}

void simulator_write_statistics(const struct simulator *simulator,
                                struct simulator_reply *reply)
{
    const struct simulator_statistics *now = &simulator->statistics;

    simulator_reply_map(reply);
#define NUMBER(name) simulator_reply_number_member(reply, #name, now->name)
    NUMBER(connections);
    NUMBER(tls_connections);
    NUMBER(requests);
    NUMBER(put_records);
    NUMBER(received_bytes);
    NUMBER(put_request_bytes);
    NUMBER(cbor_requests);
    NUMBER(records);
    NUMBER(record_bytes);
    NUMBER(records_failed);
    NUMBER(records_trimmed);
    NUMBER(user_records);
    NUMBER(aggregates_damaged);
    NUMBER(faults);
    NUMBER(replies_dropped);
#undef NUMBER
    simulator_reply_name(reply, "refused");
    simulator_reply_map(reply);
    for (size_t i = 0; i < now->code_count; i++)
        simulator_reply_number_member(reply, now->codes[i].code,
                                      now->codes[i].count);
    simulator_reply_end_map(reply);
    write_streams(simulator, reply);
    simulator_reply_end_map(reply);
}
