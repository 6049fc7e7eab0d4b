/* SPDX-License-Identifier: Apache-2.0 */

/* kinesis_simulator_service - from a request to its reply: who asks, for what,
 * and what the script makes of it. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/kinesis_simulator.h"
#include "tests/support/kinesis_simulator_document.h"

#define HUGE_PIECES 4096 /* of HUGE_PIECE bytes: 64 MiB */
#define HUGE_PIECE  16384

#define JSON_TYPE     "application/x-amz-json-1.1"
#define CBOR_TYPE     "application/x-amz-cbor-1.1"
#define TARGET_PREFIX "Kinesis_20131202."

void simulator_init(struct simulator *simulator, uint64_t seed)
{
    *simulator = (struct simulator){ .history = { .descriptor = -1 } };
    random_seed(&simulator->random, seed);
    simulator->settings.keep_most = UINT64_MAX / 2;
}

void simulator_deinit(struct simulator *simulator)
{
    while (simulator->streams)
        simulator_remove_stream(simulator, simulator->streams);
    simulator_late_forget(simulator);
    simulator_history_close(&simulator->history);
}

struct simulator_moment
simulator_moment_of(struct simulator *simulator,
                    const struct simulator_exchange *exchange)
{
    return (struct simulator_moment){
        .now = exchange->now,
        .epoch_ms = exchange->wall.ns / NS_PER_MS,
        .number = &simulator->number,
    };
}

void simulator_remove_stream(struct simulator *simulator,
                             struct simulator_stream *stream)
{
    struct simulator_stream **link = &simulator->streams;

    while (*link != stream)
        link = &(*link)->next;
    *link = stream->next;
    simulator_stream_free(stream);
}

int simulator_add_stream(struct simulator *simulator, const char *name,
                         uint32_t shard_count,
                         const struct simulator_moment *moment)
{
    struct simulator_stream *stream = simulator_stream_new(
        name, simulator->verifier.region, shard_count, moment);

    if (!stream)
        return -ENOMEM;
    stream->next = simulator->streams;
    simulator->streams = stream;
    simulator_history_shards(&simulator->history, moment->now, "stream", name,
                             shard_count, shard_count);
    return 0;
}

static bool is_meant(const struct simulator_stream *stream, struct bytes name,
                     struct bytes arn)
{
    return (name.data || arn.data) &&
           (!name.data || bytes_equal_text(name, stream->name)) &&
           (!arn.data || bytes_equal_text(arn, stream->arn));
}

/* A status that is over ends here, where the stream is next asked for. */
struct simulator_stream *simulator_find(struct simulator *simulator,
                                        struct bytes name, struct bytes arn,
                                        struct monotonic now)
{
    struct simulator_stream *stream = simulator->streams;

    while (stream && !is_meant(stream, name, arn))
        stream = stream->next;
    if (!stream || stream->status == SIMULATOR_STREAM_ACTIVE ||
        !monotonic_reached(stream->settled, now))
        return stream;
    if (stream->status == SIMULATOR_STREAM_DELETING) {
        simulator_remove_stream(simulator, stream);
        return NULL;
    }
    stream->status = SIMULATOR_STREAM_ACTIVE;
    return stream;
}

int simulator_refuse_missing(struct simulator_exchange *exchange,
                             struct bytes name, struct bytes arn)
{
    struct bytes meant = name.data ? name : arn;

    if (!meant.data)
        return simulator_refuse(&exchange->refusal, 400,
                                "InvalidArgumentException",
                                "Must specify either StreamName or StreamARN.");
    return simulator_refuse(
        &exchange->refusal, 400, "ResourceNotFoundException",
        "Stream %.*s under account " SIMULATOR_ACCOUNT " not found.",
        (int)(meant.length > 256 ? 256 : meant.length),
        (const char *)meant.data);
}

void simulator_note_reshard(struct simulator *simulator,
                            const struct simulator_stream *stream,
                            struct monotonic now)
{
    simulator_history_shards(&simulator->history, now, "reshard", stream->name,
                             stream->shard_count, stream->open_count);
}

/* What no client wants to have in memory: it would still be JSON at its end. */
static void write_huge_reply(struct simulator_reply *reply)
{
    static uint8_t piece[HUGE_PIECE];

    memset(piece, ' ', sizeof(piece));
    for (int i = 0; i < HUGE_PIECES; i++)
        simulator_reply_raw(reply, bytes_of(piece, sizeof(piece)));
}

int simulator_apply_rule(struct simulator *simulator,
                         struct simulator_exchange *exchange,
                         const struct simulator_rule *rule)
{
    const struct simulator_action *action = rule->action;

    simulator->statistics.faults++;
    simulator_history_fault(&simulator->history, exchange->now, exchange->id,
                            action->name);
    exchange->ending = action->ending;
    exchange->time_ns = rule->time_ns;
    if (action->code)
        return simulator_refuse(&exchange->refusal, action->status,
                                action->code, "%s",
                                action->message ? action->message : "");
    if (action->message) { /* not an error, not a reply: garbage */
        simulator_reply_begin(exchange->reply, exchange->protocol);
        simulator_reply_raw(exchange->reply, bytes_of_text(action->message));
    }
    if (action->fault == SIMULATOR_FAULT_huge_reply)
        write_huge_reply(exchange->reply);
    return 0;
}

/* Operations other than puts: the whole body as a tree, and the script. */
static int answer_cold(struct simulator *simulator,
                       struct simulator_exchange *exchange,
                       simulator_operation *operation)
{
    struct simulator_rule *rule = simulator_script_choose(
        &simulator->script,
        &(struct simulator_question){ .operation = exchange->operation },
        &simulator->random, &exchange->delay_ns);
    cJSON *document;
    int condition;

    if (rule && rule->action->stage == SIMULATOR_STAGE_BEFORE)
        return simulator_apply_rule(simulator, exchange, rule);
    document = simulator_document_parse(exchange->protocol, exchange->body,
                                        exchange->body_length);
    if (!document)
        return simulator_refuse(&exchange->refusal, 400,
                                "SerializationException",
                                "The request body is malformed.");
    if (rule && rule->action->fault == SIMULATOR_FAULT_stale_shards)
        exchange->time_ns = rule->time_ns;
    condition = operation(simulator, exchange, document);
    cJSON_Delete(document);
    if (!condition && rule && rule->action->stage == SIMULATOR_STAGE_AFTER)
        return simulator_apply_rule(simulator, exchange, rule);
    return condition;
}

static int answer_operation(struct simulator *simulator,
                            struct simulator_exchange *exchange,
                            struct bytes target)
{
    char name[64];
    simulator_operation *operation;

    snprintf(name, sizeof(name), "%.*s", (int)target.length,
             target.data ? (const char *)target.data : "");
    exchange->operation = "PutRecords";
    if (strcmp(name, exchange->operation) == 0)
        return simulator_put(simulator, exchange, false);
    exchange->operation = "PutRecord";
    if (strcmp(name, exchange->operation) == 0)
        return simulator_put(simulator, exchange, true);
    exchange->operation = name;
    operation = simulator_operation_named(name);
    if (!operation)
        return simulator_refuse(&exchange->refusal, 400,
                                "UnknownOperationException", "%s", "");
    return answer_cold(simulator, exchange, operation);
}

static int answer_service(struct simulator *simulator,
                          struct simulator_exchange *exchange)
{
    struct bytes target =
        simulator_http_header(exchange->request, "x-amz-target");
    int condition;

    if (simulator->settings.verifies &&
        simulator_signature_check(&simulator->verifier, exchange->request,
                                  exchange->body_digest, exchange->wall,
                                  &exchange->refusal))
        return SIMULATOR_REFUSED;
    if (!bytes_start_with(target, TARGET_PREFIX))
        return simulator_refuse(&exchange->refusal, 400,
                                "UnknownOperationException", "%s", "");
    condition = answer_operation(simulator, exchange,
                                 bytes_skip(target, strlen(TARGET_PREFIX)));
    exchange->operation = NULL;
    return condition;
}

static void write_refusal(struct simulator *simulator,
                          struct simulator_exchange *exchange)
{
    const struct simulator_refusal *refusal = &exchange->refusal;
    struct simulator_reply *reply = exchange->reply;

    exchange->status = refusal->status;
    simulator_count_code(simulator, refusal->code);
    simulator_reply_begin(reply, exchange->protocol);
    simulator_reply_map(reply);
    simulator_reply_text_member(reply, "__type", refusal->code);
    if (refusal->message[0])
        simulator_reply_text_member(reply, "message", refusal->message);
    simulator_reply_end_map(reply);
}

/* GET /statistics, POST and DELETE /script, POST /settings: not signed. */
static void answer_test(struct simulator *simulator,
                        struct simulator_exchange *exchange)
{
    const struct simulator_http_request *request = exchange->request;
    bool is_script = bytes_equal_text(request->path, "/script");

    exchange->content_type = "application/json";
    if (is_script && bytes_equal_text(request->method, "POST")) {
        if (simulator_script_add(
                &simulator->script,
                bytes_of(exchange->body, exchange->body_length))) {
            exchange->status = 400;
            simulator_reply_raw(exchange->reply,
                                bytes_of_text(simulator->script.complaint));
        }
    } else if (is_script && bytes_equal_text(request->method, "DELETE")) {
        simulator_script_clear(&simulator->script);
    } else if (bytes_equal_text(request->path, "/settings") &&
               bytes_equal_text(request->method, "POST")) {
        if (!simulator_change_settings(
                simulator, bytes_of(exchange->body, exchange->body_length)))
            exchange->status = 400;
    } else if (bytes_equal_text(request->method, "GET") &&
               bytes_equal_text(request->path, "/statistics")) {
        simulator_write_statistics(simulator, exchange->reply);
    } else {
        exchange->status = 404;
    }
}

static bool is_of_type(const struct simulator_exchange *exchange,
                       const char *type)
{
    struct bytes value =
        simulator_http_header(exchange->request, "content-type");
    const uint8_t *end =
        value.length > 0 ? memchr(value.data, ';', value.length) : NULL;

    if (end)
        value.length = (size_t)(end - value.data);
    return simulator_http_name_equals(value, bytes_of_text(type));
}

void simulator_answer(struct simulator *simulator,
                      struct simulator_exchange *exchange)
{
    bool is_cbor = is_of_type(exchange, CBOR_TYPE);

    exchange->protocol = is_cbor ? SIMULATOR_CBOR : SIMULATOR_JSON;
    exchange->content_type = is_cbor ? CBOR_TYPE : JSON_TYPE;
    exchange->status = 200;
    exchange->ending = SIMULATOR_ENDING_SEND;
    exchange->delay_ns = 0;
    exchange->time_ns = 0;
    exchange->is_put = false;
    simulator_reply_begin(exchange->reply, exchange->protocol);
    if (!bytes_equal_text(exchange->request->path, "/")) {
        simulator_reply_begin(exchange->reply, SIMULATOR_JSON);
        answer_test(simulator, exchange);
        return;
    }
    simulator->statistics.requests++;
    simulator->statistics.cbor_requests += is_cbor;
    exchange->delay_ns = simulator->settings.delay_ns;
    if (!is_cbor && !is_of_type(exchange, JSON_TYPE)) {
        exchange->status = 404;
        simulator_reply_raw(exchange->reply,
                            bytes_of_text("<UnknownOperationException/>\n"));
        return;
    }
    if (answer_service(simulator, exchange))
        write_refusal(simulator, exchange);
}

void simulator_on_reply(struct simulator *simulator,
                        const struct simulator_exchange *exchange,
                        struct monotonic now, bool dropped)
{
    simulator->statistics.replies_dropped += dropped;
    if (exchange->is_put)
        simulator_history_put_reply(&simulator->history, now, exchange->id,
                                    exchange->status, dropped);
}
