/* SPDX-License-Identifier: Apache-2.0 */

/* kinesis_simulator_operations - streams are made, described, resharded and
 * deleted. */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "tests/support/kinesis_simulator.h"
#include "tests/support/kinesis_simulator_document.h"

#define SHARDS_MOST 20000 /* the provisioned quota of the large regions */

static const char *const status_names[] = {
    [SIMULATOR_STREAM_ACTIVE] = "ACTIVE",
    [SIMULATOR_STREAM_CREATING] = "CREATING",
    [SIMULATOR_STREAM_UPDATING] = "UPDATING",
    [SIMULATOR_STREAM_DELETING] = "DELETING",
};

static struct bytes text_of(const cJSON *document, const char *name)
{
    const char *text = simulator_document_text(document, name);

    return text ? bytes_of_text(text) : bytes_of(NULL, 0);
}

struct simulator_stream *
simulator_document_stream(struct simulator *simulator,
                          struct simulator_exchange *exchange,
                          const struct cJSON *document)
{
    struct bytes name = text_of(document, "StreamName");
    struct bytes arn = text_of(document, "StreamARN");
    struct simulator_stream *stream =
        simulator_find(simulator, name, arn, exchange->now);

    if (!stream)
        simulator_refuse_missing(exchange, name, arn);
    return stream;
}

/* A count that must be there, from 1 to `most`. */
static int read_count(struct simulator_exchange *exchange,
                      const cJSON *document, const char *name, uint32_t most,
                      uint32_t *count)
{
    double number;

    if (!simulator_document_number(document, name, &number) || number < 1 ||
        number > most || number != floor(number))
        return simulator_refuse(
            &exchange->refusal, 400, "ValidationException",
            "1 validation error detected: Value at '%s' failed to satisfy "
            "constraint: Member must be between 1 and %" PRIu32,
            name, most);
    *count = (uint32_t)number;
    return 0;
}

static void begin_status(struct simulator *simulator,
                         const struct simulator_exchange *exchange,
                         struct simulator_stream *stream,
                         enum simulator_stream_status status)
{
    stream->status = status;
    stream->settled =
        monotonic_after(exchange->now, simulator->settings.transition_ns);
}

static int create_stream(struct simulator *simulator,
                         struct simulator_exchange *exchange,
                         const struct cJSON *document)
{
    struct simulator_moment moment = simulator_moment_of(simulator, exchange);
    struct bytes name = text_of(document, "StreamName");
    uint32_t count = 4; /* where an on-demand stream starts */

    if (!name.data || !simulator_stream_name_is_legal(name))
        return simulator_refuse(
            &exchange->refusal, 400, "ValidationException",
            "1 validation error detected: Value at 'streamName' failed to "
            "satisfy constraint: Member must satisfy regular expression "
            "pattern: [a-zA-Z0-9_.-]{1,128}");
    if (cJSON_HasObjectItem(document, "ShardCount") &&
        read_count(exchange, document, "ShardCount", SHARDS_MOST, &count))
        return SIMULATOR_REFUSED;
    if (simulator_find(simulator, name, bytes_of(NULL, 0), exchange->now))
        return simulator_refuse(
            &exchange->refusal, 400, "ResourceInUseException",
            "Stream %s under account " SIMULATOR_ACCOUNT " already exists.",
            (const char *)name.data);
    if (simulator_add_stream(simulator, (const char *)name.data, count,
                             &moment))
        return simulator_refuse(&exchange->refusal, 500, "InternalFailure",
                                "out of memory");
    begin_status(simulator, exchange, simulator->streams,
                 SIMULATOR_STREAM_CREATING);
    return 0;
}

static int delete_stream(struct simulator *simulator,
                         struct simulator_exchange *exchange,
                         const struct cJSON *document)
{
    struct simulator_stream *stream =
        simulator_document_stream(simulator, exchange, document);

    if (!stream)
        return SIMULATOR_REFUSED;
    begin_status(simulator, exchange, stream, SIMULATOR_STREAM_DELETING);
    return 0;
}

static int describe_stream_summary(struct simulator *simulator,
                                   struct simulator_exchange *exchange,
                                   const struct cJSON *document)
{
    const struct simulator_stream *stream =
        simulator_document_stream(simulator, exchange, document);
    struct simulator_reply *reply = exchange->reply;

    if (!stream)
        return SIMULATOR_REFUSED;
    simulator_reply_map(reply);
    simulator_reply_name(reply, "StreamDescriptionSummary");
    simulator_reply_map(reply);
    simulator_reply_text_member(reply, "StreamName", stream->name);
    simulator_reply_text_member(reply, "StreamARN", stream->arn);
    simulator_reply_text_member(reply, "StreamStatus",
                                status_names[stream->status]);
    simulator_reply_name(reply, "StreamModeDetails");
    simulator_reply_map(reply);
    simulator_reply_text_member(reply, "StreamMode", "PROVISIONED");
    simulator_reply_end_map(reply);
    simulator_reply_number_member(reply, "RetentionPeriodHours", 24);
    simulator_reply_name(reply, "StreamCreationTimestamp");
    simulator_reply_time(reply, stream->created_ms);
    simulator_reply_name(reply, "EnhancedMonitoring");
    simulator_reply_array(reply);
    simulator_reply_map(reply);
    simulator_reply_name(reply, "ShardLevelMetrics");
    simulator_reply_array(reply);
    simulator_reply_end_array(reply);
    simulator_reply_end_map(reply);
    simulator_reply_end_array(reply);
    simulator_reply_text_member(reply, "EncryptionType", "NONE");
    simulator_reply_number_member(reply, "OpenShardCount", stream->open_count);
    simulator_reply_number_member(reply, "ConsumerCount", 0);
    simulator_reply_number_member(reply, "MaxRecordSizeInKiB",
                                  stream->record_kib);
    simulator_reply_end_map(reply);
    simulator_reply_end_map(reply);
    return 0;
}

/* The stream, if it may be changed now. */
static struct simulator_stream *
stream_to_change(struct simulator *simulator,
                 struct simulator_exchange *exchange,
                 const struct cJSON *document)
{
    struct simulator_stream *stream =
        simulator_document_stream(simulator, exchange, document);

    if (!stream || stream->status == SIMULATOR_STREAM_ACTIVE)
        return stream;
    simulator_refuse(&exchange->refusal, 400, "ResourceInUseException",
                     "Stream %s under account " SIMULATOR_ACCOUNT
                     " not ACTIVE, instead in state %s",
                     stream->name, status_names[stream->status]);
    return NULL;
}

static int finish_reshard(struct simulator *simulator,
                          struct simulator_exchange *exchange,
                          struct simulator_stream *stream, int condition)
{
    switch (condition) {
    case 0:
        begin_status(simulator, exchange, stream, SIMULATOR_STREAM_UPDATING);
        simulator_note_reshard(simulator, stream, exchange->now);
        return 0;
    case SIMULATOR_STREAM_NO_SUCH_SHARD:
        return simulator_refuse(&exchange->refusal, 400,
                                "ResourceNotFoundException",
                                "Could not find the shard in stream %s under "
                                "account " SIMULATOR_ACCOUNT ".",
                                stream->name);
    case SIMULATOR_STREAM_NOT_OPEN:
        return simulator_refuse(
            &exchange->refusal, 400, "InvalidArgumentException",
            "The shard in stream %s is closed.", stream->name);
    case SIMULATOR_STREAM_NOT_INSIDE:
        return simulator_refuse(
            &exchange->refusal, 400, "InvalidArgumentException",
            "NewStartingHashKey used in SplitShard() is not both greater than "
            "one plus the shard's StartingHashKey and less than the shard's "
            "EndingHashKey - 1.");
    case SIMULATOR_STREAM_NOT_ADJACENT:
        return simulator_refuse(&exchange->refusal, 400,
                                "InvalidArgumentException",
                                "The shards in stream %s are not an adjacent "
                                "pair of shards eligible for merging",
                                stream->name);
    default:
        return simulator_refuse(&exchange->refusal, 500, "InternalFailure",
                                "out of memory");
    }
}

static uint32_t shard_of(const cJSON *document, const char *name)
{
    uint32_t index = SIMULATOR_NO_SHARD;

    simulator_shard_parse_id(text_of(document, name), &index);
    return index;
}

static int split_shard(struct simulator *simulator,
                       struct simulator_exchange *exchange,
                       const struct cJSON *document)
{
    struct simulator_stream *stream =
        stream_to_change(simulator, exchange, document);
    struct simulator_moment moment = simulator_moment_of(simulator, exchange);
    unsigned __int128 hash;

    if (!stream)
        return SIMULATOR_REFUSED;
    if (!simulator_hash_parse(text_of(document, "NewStartingHashKey"), &hash))
        return simulator_refuse(&exchange->refusal, 400, "ValidationException",
                                "1 validation error detected: Value at "
                                "'newStartingHashKey' failed to satisfy "
                                "constraint: Member must satisfy regular "
                                "expression pattern: 0|([1-9]\\d{0,38})");
    return finish_reshard(
        simulator, exchange, stream,
        simulator_stream_split(stream, shard_of(document, "ShardToSplit"), hash,
                               &moment));
}

static int merge_shards(struct simulator *simulator,
                        struct simulator_exchange *exchange,
                        const struct cJSON *document)
{
    struct simulator_stream *stream =
        stream_to_change(simulator, exchange, document);
    struct simulator_moment moment = simulator_moment_of(simulator, exchange);

    if (!stream)
        return SIMULATOR_REFUSED;
    return finish_reshard(
        simulator, exchange, stream,
        simulator_stream_merge(stream, shard_of(document, "ShardToMerge"),
                               shard_of(document, "AdjacentShardToMerge"),
                               &moment));
}

/*
 * "Scale up to more than double your current shard count" and "below half"
 * are what the UpdateShardCount page forbids.
 */
static int update_shard_count(struct simulator *simulator,
                              struct simulator_exchange *exchange,
                              const struct cJSON *document)
{
    struct simulator_stream *stream =
        stream_to_change(simulator, exchange, document);
    struct simulator_moment moment = simulator_moment_of(simulator, exchange);
    uint32_t before;
    uint32_t count;
    int condition;

    if (!stream ||
        read_count(exchange, document, "TargetShardCount", SHARDS_MOST, &count))
        return SIMULATOR_REFUSED;
    before = stream->open_count;
    if (count > 2 * before || 2 * count < before)
        return simulator_refuse(
            &exchange->refusal, 400, "InvalidArgumentException",
            "UpdateShardCount cannot scale to more than double or less than "
            "half of the current open shard count %" PRIu32 ".",
            before);
    condition = simulator_stream_make_uniform(stream, count, &moment);
    if (finish_reshard(simulator, exchange, stream, condition))
        return SIMULATOR_REFUSED;
    simulator_reply_map(exchange->reply);
    simulator_reply_text_member(exchange->reply, "StreamName", stream->name);
    simulator_reply_text_member(exchange->reply, "StreamARN", stream->arn);
    simulator_reply_number_member(exchange->reply, "CurrentShardCount", before);
    simulator_reply_number_member(exchange->reply, "TargetShardCount", count);
    simulator_reply_end_map(exchange->reply);
    return 0;
}

static int update_max_record_size(struct simulator *simulator,
                                  struct simulator_exchange *exchange,
                                  const struct cJSON *document)
{
    struct simulator_stream *stream =
        stream_to_change(simulator, exchange, document);
    uint32_t kib;

    if (!stream || read_count(exchange, document, "MaxRecordSizeInKiB",
                              SIMULATOR_RECORD_KIB_MOST, &kib))
        return SIMULATOR_REFUSED;
    if (kib < SIMULATOR_RECORD_KIB)
        return simulator_refuse(
            &exchange->refusal, 400, "ValidationException",
            "1 validation error detected: Value at 'maxRecordSizeInKiB' failed "
            "to satisfy constraint: Member must be at least %d",
            SIMULATOR_RECORD_KIB);
    stream->record_kib = kib;
    for (uint32_t i = 0; i < stream->shard_count; i++)
        simulator_shard_set_rates(stream->shards[i], 1024 * (uint64_t)kib,
                                  exchange->now);
    return 0;
}

static int list_streams(struct simulator *simulator,
                        struct simulator_exchange *exchange,
                        const struct cJSON *document)
{
    struct simulator_reply *reply = exchange->reply;

    (void)document;
    simulator_reply_map(reply);
    simulator_reply_name(reply, "StreamNames");
    simulator_reply_array(reply);
    for (const struct simulator_stream *stream = simulator->streams; stream;
         stream = stream->next)
        simulator_reply_text(reply, stream->name);
    simulator_reply_end_array(reply);
    simulator_reply_name(reply, "HasMoreStreams");
    simulator_reply_bool(reply, false);
    simulator_reply_end_map(reply);
    return 0;
}

static const struct {
    const char *name;
    simulator_operation *operation;
} operations[] = {
    { "CreateStream", create_stream },
    { "DeleteStream", delete_stream },
    { "DescribeStreamSummary", describe_stream_summary },
    { "GetRecords", simulator_get_records },
    { "GetShardIterator", simulator_get_shard_iterator },
    { "ListShards", simulator_list_shards },
    { "ListStreams", list_streams },
    { "MergeShards", merge_shards },
    { "SplitShard", split_shard },
    { "UpdateMaxRecordSize", update_max_record_size },
    { "UpdateShardCount", update_shard_count },
};

simulator_operation *simulator_operation_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(operations); i++)
        if (strcmp(operations[i].name, name) == 0)
            return operations[i].operation;
    return NULL;
}
