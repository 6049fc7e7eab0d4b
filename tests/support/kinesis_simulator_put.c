/* SPDX-License-Identifier: Apache-2.0 */

/*
 * kinesis_simulator_put - PutRecords and PutRecord: route, admit, keep, reply.
 *
 * Everything that can refuse the whole request comes before the first record
 * is kept: a request is refused or stored, never half of each, but for the
 * records that the shard's rate or the script refuse one by one.
 */

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "tests/support/kinesis_simulator.h"
#include "tests/support/kinesis_simulator_aggregate.h"
#include "tests/support/kinesis_simulator_results.h"

/* Where each record goes; one request is answered at a time. */
struct routes {
    struct simulator_shard *shards[SIMULATOR_PUT_RECORDS];
    uint32_t indexes[SIMULATOR_PUT_RECORDS];
};

/* Why one record was refused; code NULL: it was not. */
struct verdict {
    const char *code;
    bool is_stored; /* it is stored all the same */
    char message[256];
};

static int hash_of(const struct simulator_put_entry *entry,
                   struct simulator_exchange *exchange, unsigned __int128 *hash)
{
    struct bytes text = entry->explicit_hash;

    if (!text.data) {
        *hash = simulator_hash_of_key(entry->key);
        return 0;
    }
    if (simulator_hash_parse(text, hash))
        return 0;
    return simulator_refuse(
        &exchange->refusal, 400, "InvalidArgumentException",
        "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, "
        "2^128-1]. Specified value was %.*s",
        (int)text.length, (const char *)text.data);
}

static int route(const struct simulator_put_request *put,
                 const struct simulator_stream *stream,
                 struct simulator_exchange *exchange, struct routes *routes)
{
    for (size_t i = 0; i < put->count; i++) {
        unsigned __int128 hash;

        if (hash_of(&put->entries[i], exchange, &hash))
            return SIMULATOR_REFUSED;
        routes->shards[i] = simulator_stream_route(stream, hash);
        routes->indexes[i] = routes->shards[i]->index;
    }
    return 0;
}

static int malformed(struct simulator_exchange *exchange)
{
    return simulator_refuse(&exchange->refusal, 400, "SerializationException",
                            "The request body is malformed.");
}

/* Find the stream, check the request; NULL with a refusal otherwise. */
static struct simulator_stream *accept(struct simulator *simulator,
                                       struct simulator_exchange *exchange)
{
    struct simulator_put_request *put = &simulator->put;
    struct simulator_stream *stream;

    if (simulator_put_request_scan(put, exchange->body,
                                   exchange->body_length)) {
        malformed(exchange);
        return NULL;
    }
    stream = simulator_find(simulator, put->stream_name, put->stream_arn,
                            exchange->now);
    if (simulator_put_request_check(
            put, 1024 * (stream ? stream->record_kib : SIMULATOR_RECORD_KIB),
            &exchange->refusal))
        return NULL;
    if (!stream || stream->status == SIMULATOR_STREAM_CREATING) {
        simulator_refuse_missing(exchange, put->stream_name, put->stream_arn);
        return NULL;
    }
    /* Discarding skips the decoding too: it would cost as much as SHA-256. */
    if ((!simulator->settings.discards ||
         simulator->settings.counts_user_records) &&
        simulator_put_request_decode(put)) {
        malformed(exchange);
        return NULL;
    }
    return stream;
}

/* The script's split or merge, just before the records are routed. */
static void reshard(struct simulator *simulator,
                    struct simulator_exchange *exchange,
                    struct simulator_stream *stream,
                    const struct simulator_rule *rule)
{
    struct simulator_moment moment = simulator_moment_of(simulator, exchange);
    uint32_t index =
        rule->shard == SIMULATOR_NO_SHARD ? stream->open[0] : rule->shard;

    if (index >= stream->shard_count)
        return;
    if (rule->action->fault == SIMULATOR_FAULT_split) {
        simulator_stream_split(stream, index,
                               simulator_shard_middle(stream->shards[index]),
                               &moment);
    } else {
        unsigned __int128 above = stream->shards[index]->last_hash;

        if (above != SIMULATOR_HASH_MOST)
            simulator_stream_merge(
                stream, index, simulator_stream_route(stream, above + 1)->index,
                &moment);
    }
    simulator_note_reshard(simulator, stream, exchange->now);
}

static void judge(struct simulator *simulator,
                  struct simulator_exchange *exchange,
                  const struct simulator_stream *stream, size_t index,
                  struct simulator_shard *shard, struct verdict *verdict)
{
    const struct simulator_put_entry *entry = &simulator->put.entries[index];
    struct simulator_rule *rule = simulator_script_choose_for_record(
        &simulator->script, exchange->operation, shard->index,
        &simulator->random, &exchange->delay_ns);
    const char *text = "Rate exceeded for shard";
    char id[SIMULATOR_SHARD_ID_TEXT];

    verdict->code = NULL;
    verdict->is_stored = !rule || rule->action->stage == SIMULATOR_STAGE_STORED;
    if (rule) {
        verdict->code = rule->action->code;
        text = rule->action->message;
    } else if (simulator->settings.enforces_rate &&
               !simulator_shard_admit(shard,
                                      entry->data_length + entry->key.length,
                                      exchange->now)) {
        verdict->code = "ProvisionedThroughputExceededException";
        verdict->is_stored = false;
        shard->counters.throttled++;
    }
    if (!verdict->code)
        return;
    simulator_shard_id(shard->index, id);
    if (rule) {
        simulator->statistics.faults++;
        simulator_history_record_fault(&simulator->history, exchange->now,
                                       exchange->id, rule->action->name, id,
                                       index);
    }
    snprintf(verdict->message, sizeof(verdict->message),
             strcmp(verdict->code, "InternalFailure") == 0
                 ? "%s."
                 : "%s %s in stream %s under account " SIMULATOR_ACCOUNT ".",
             text, id, stream->name);
    simulator->statistics.records_failed++;
}

static void count(struct simulator *simulator, struct simulator_shard *shard,
                  const struct simulator_put_entry *entry)
{
    size_t length = entry->data_length + entry->key.length;
    bool damaged = false;
    uint64_t user_records;

    simulator->statistics.records++;
    simulator->statistics.record_bytes += length;
    shard->counters.records++;
    shard->counters.bytes += length;
    if (!simulator->settings.counts_user_records)
        return;
    user_records = simulator_aggregate_count(entry->data, &damaged);
    simulator->statistics.user_records += user_records;
    simulator->statistics.aggregates_damaged += damaged;
    shard->counters.user_records += user_records;
}

/* A little more than needed is trimmed, so that it is seldom done. */
static void keep(struct simulator *simulator, struct simulator_shard *shard,
                 const struct simulator_put_entry *entry, uint64_t number,
                 int64_t epoch_ms)
{
    uint64_t most = simulator->settings.keep_most;

    if (simulator->settings.discards)
        return;
    if (simulator_shard_keep(shard, number, epoch_ms, entry->key, entry->data))
        simulator->statistics.records_trimmed++;
    if (shard->kept_bytes > most)
        simulator->statistics.records_trimmed +=
            simulator_shard_trim(shard, most - most / 8);
}

static void commit(struct simulator *simulator,
                   const struct simulator_exchange *exchange,
                   const struct simulator_stream *stream, size_t index,
                   struct simulator_shard *shard,
                   char sequence[SIMULATOR_SEQUENCE_TEXT])
{
    const struct simulator_put_entry *entry = &simulator->put.entries[index];
    struct simulator_moment moment = simulator_moment_of(simulator, exchange);
    uint64_t number = (*moment.number)++;
    char id[SIMULATOR_SHARD_ID_TEXT];

    simulator_shard_sequence(shard, number, moment.epoch_ms, sequence);
    simulator_shard_id(shard->index, id);
    count(simulator, shard, entry);
    keep(simulator, shard, entry, number, moment.epoch_ms);
    simulator_history_put_commit(
        &simulator->history, exchange->now,
        &(struct simulator_put_commit){
            .request = exchange->id,
            .index = index,
            .stream = stream->name,
            .shard = id,
            .sequence = sequence,
            .first_hash = shard->first_hash,
            .last_hash = shard->last_hash,
            .key = entry->key,
            .data =
                simulator->settings.discards ? bytes_of(NULL, 0) : entry->data,
            .length = entry->data_length + entry->key.length,
        });
}

static void write_error(struct simulator_reply *reply,
                        const struct verdict *verdict)
{
    simulator_reply_map(reply);
    simulator_reply_text_member(reply, "ErrorCode", verdict->code);
    simulator_reply_text_member(reply, "ErrorMessage", verdict->message);
    simulator_reply_end_map(reply);
}

/* A put that is being stored; `rule` is NULL or what the reply makes of it. */
struct course {
    const struct simulator_stream *stream;
    const struct routes *routes;
    const struct simulator_rule *rule;
};

/* Store or refuse one record, and write its result `times` over. */
static bool put_record(struct simulator *simulator,
                       struct simulator_exchange *exchange,
                       const struct course *course, size_t index, size_t times)
{
    struct simulator_shard *shard = course->routes->shards[index];
    struct simulator_reply *reply = exchange->reply;
    char sequence[SIMULATOR_SEQUENCE_TEXT];
    struct verdict verdict;

    judge(simulator, exchange, course->stream, index, shard, &verdict);
    if (verdict.is_stored)
        commit(simulator, exchange, course->stream, index, shard, sequence);
    for (; times > 0; times--) {
        if (verdict.code) {
            write_error(reply, &verdict);
            continue;
        }
        simulator_reply_map(reply);
        simulator_write_stored(reply, course->stream, shard, sequence,
                               course->rule);
        simulator_reply_end_map(reply);
    }
    return !verdict.code;
}

static void put_all(struct simulator *simulator,
                    struct simulator_exchange *exchange,
                    const struct course *course)
{
    struct simulator_reply *reply = exchange->reply;
    size_t count = simulator->put.count;
    size_t told = simulator_results_told(course->rule, count);
    uint64_t failed = 0;

    simulator_reply_map(reply);
    simulator_reply_text_member(reply, "EncryptionType", "NONE");
    simulator_reply_name(reply, "Records");
    simulator_reply_array(reply);
    for (size_t i = 0; i < count; i++) {
        bool is_last = i + 1 == count;

        failed +=
            !put_record(simulator, exchange, course, i, is_last ? told - i : 1);
    }
    simulator_reply_end_array(reply);
    simulator_reply_number_member(
        reply, "FailedRecordCount",
        simulator_failed_count_told(course->rule, failed));
    simulator_reply_end_map(reply);
}

/* PutRecord has one record and refuses it with the whole request. */
static int put_one(struct simulator *simulator,
                   struct simulator_exchange *exchange,
                   const struct course *course)
{
    struct simulator_shard *shard = course->routes->shards[0];
    char sequence[SIMULATOR_SEQUENCE_TEXT];
    struct verdict verdict;

    judge(simulator, exchange, course->stream, 0, shard, &verdict);
    if (verdict.is_stored)
        commit(simulator, exchange, course->stream, 0, shard, sequence);
    if (verdict.code)
        return simulator_refuse(
            &exchange->refusal,
            strcmp(verdict.code, "InternalFailure") == 0 ? 500 : 400,
            verdict.code, "%s", verdict.message);
    simulator_reply_map(exchange->reply);
    simulator_write_stored(exchange->reply, course->stream, shard, sequence,
                           course->rule);
    simulator_reply_text_member(exchange->reply, "EncryptionType", "NONE");
    simulator_reply_end_map(exchange->reply);
    return 0;
}

/* Answer with nothing, and store later. */
static int put_late(struct simulator *simulator,
                    struct simulator_exchange *exchange,
                    const struct simulator_rule *rule)
{
    if (simulator_late_keep(simulator, exchange, rule->time_ns))
        return simulator_refuse(&exchange->refusal, 500, "InternalFailure",
                                "out of memory");
    return simulator_apply_rule(simulator, exchange, rule);
}

void simulator_put_landed(struct simulator *simulator,
                          struct simulator_exchange *exchange)
{
    const struct simulator_put_request *put = &simulator->put;
    struct simulator_stream *stream = simulator_find(
        simulator, put->stream_name, put->stream_arn, exchange->now);
    struct routes routes;

    /* The stream may be gone, and with it what was on its way to it. */
    if (!stream || stream->status == SIMULATOR_STREAM_CREATING ||
        route(put, stream, exchange, &routes))
        return;
    simulator_history_put_landed(&simulator->history, exchange->now,
                                 exchange->id);
    put_all(simulator, exchange,
            &(struct course){ .stream = stream, .routes = &routes });
}

int simulator_put(struct simulator *simulator,
                  struct simulator_exchange *exchange, bool is_single)
{
    struct simulator_put_request *put = &simulator->put;
    struct simulator_stream *stream;
    struct simulator_rule *rule;
    struct routes routes;
    struct course course;

    put->protocol = exchange->protocol;
    put->is_single = is_single;
    simulator->statistics.put_records++;
    simulator->statistics.put_request_bytes += exchange->body_length;
    stream = accept(simulator, exchange);
    if (!stream || route(put, stream, exchange, &routes))
        return SIMULATOR_REFUSED;
    exchange->is_put = true;
    simulator_history_put_recv(&simulator->history, exchange->now, exchange->id,
                               put->count, put->length);
    rule = simulator_script_choose(
        &simulator->script,
        &(struct simulator_question){ exchange->operation, routes.indexes,
                                      put->count },
        &simulator->random, &exchange->delay_ns);
    if (rule && rule->action->stage == SIMULATOR_STAGE_BEFORE)
        return simulator_apply_rule(simulator, exchange, rule);
    if (rule && rule->action->stage == SIMULATOR_STAGE_LATE)
        return put_late(simulator, exchange, rule);
    if (rule && rule->action->stage == SIMULATOR_STAGE_RESHARD) {
        reshard(simulator, exchange, stream, rule);
        route(put, stream, exchange, &routes);
    }
    course = (struct course){ stream, &routes, rule };
    if (!is_single)
        put_all(simulator, exchange, &course);
    else if (put_one(simulator, exchange, &course))
        return SIMULATOR_REFUSED;
    return rule ? simulator_apply_rule(simulator, exchange, rule) : 0;
}
