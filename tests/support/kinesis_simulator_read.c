/* SPDX-License-Identifier: Apache-2.0 */

/*
 * kinesis_simulator_read - ListShards, GetShardIterator and GetRecords.
 *
 * Tokens and iterators are base64 of a line of numbers and a stream's name;
 * to clients they are opaque, as the service says they must be.
 */

#include <inttypes.h>
#include <stdio.h>

#include "tests/support/kinesis_simulator.h"
#include "tests/support/kinesis_simulator_base64.h"
#include "tests/support/kinesis_simulator_document.h"

/* "Tokens expire after 300 seconds" and so do shard iterators. */
#define TOKEN_LIFE_MS 300000
#define TOKEN_MOST    512

#define PAGE_SHARDS  1000     /* a page of ListShards never has more */
#define READ_RECORDS 10000    /* the most of one GetRecords call */
#define READ_BYTES   10485760 /* "up to 10 MiB" */

static int refuse_argument(struct simulator_exchange *exchange,
                           const char *message)
{
    return simulator_refuse(&exchange->refusal, 400, "InvalidArgumentException",
                            "%s", message);
}

static void seal(const char *line, char token[TOKEN_MOST])
{
    struct bytes text = bytes_of_text(line);
    size_t length = simulator_base64_room(text.length);

    simulator_base64_encode(text, (uint8_t *)token);
    token[length] = '\0';
}

static bool unseal(const char *token, char line[TOKEN_MOST])
{
    struct bytes text = bytes_of_text(token);
    size_t length;

    if (text.length >= TOKEN_MOST ||
        !simulator_base64_decode(text, (uint8_t *)line, &length))
        return false;
    line[length] = '\0';
    return true;
}

static int64_t now_ms(const struct simulator_exchange *exchange)
{
    return exchange->wall.ns / NS_PER_MS;
}

/* --- ListShards */

enum filter {
    FILTER_ALL,
    FILTER_AT_LATEST,
    FILTER_AT_TRIM_HORIZON,
    FILTER_FROM_TRIM_HORIZON,
    FILTER_AFTER_SHARD_ID,
    FILTER_AT_TIMESTAMP,
    FILTER_FROM_TIMESTAMP,
    FILTER_COUNT,
};

static const char *const filter_names[FILTER_COUNT] = {
    [FILTER_ALL] = "",
    [FILTER_AT_LATEST] = "AT_LATEST",
    [FILTER_AT_TRIM_HORIZON] = "AT_TRIM_HORIZON",
    [FILTER_FROM_TRIM_HORIZON] = "FROM_TRIM_HORIZON",
    [FILTER_AFTER_SHARD_ID] = "AFTER_SHARD_ID",
    [FILTER_AT_TIMESTAMP] = "AT_TIMESTAMP",
    [FILTER_FROM_TIMESTAMP] = "FROM_TIMESTAMP",
};

/* What a ListShards call asks for; a NextToken carries it to the next. */
struct listing {
    struct simulator_stream *stream;
    enum filter filter;
    uint32_t next; /* first shard index of this page */
    int64_t time_ms;
    uint32_t most;
    int64_t as_of_ms;
};

/* As the list knew it at `as_of_ms`. */
static bool was_closed(const struct simulator_shard *shard, int64_t as_of_ms)
{
    return shard->is_closed && shard->closed_ms <= as_of_ms;
}

static bool passes(const struct simulator_shard *shard,
                   const struct listing *listing)
{
    if (shard->parent != SIMULATOR_NO_SHARD &&
        shard->created_ms > listing->as_of_ms)
        return false;
    switch (listing->filter) {
    case FILTER_AT_LATEST:
        return !was_closed(shard, listing->as_of_ms);
    case FILTER_AT_TRIM_HORIZON: /* nothing is ever too old here */
        return shard->parent == SIMULATOR_NO_SHARD;
    case FILTER_AT_TIMESTAMP:
        return shard->created_ms <= listing->time_ms &&
               (!shard->is_closed || shard->closed_ms >= listing->time_ms);
    case FILTER_FROM_TIMESTAMP:
        return !shard->is_closed || shard->closed_ms >= listing->time_ms;
    default:
        return true;
    }
}

static int read_filter(struct simulator_exchange *exchange,
                       const cJSON *document, struct listing *listing)
{
    const cJSON *filter =
        cJSON_GetObjectItemCaseSensitive(document, "ShardFilter");
    const char *type = simulator_document_text(filter, "Type");
    const char *shard = simulator_document_text(filter, "ShardId");
    double seconds = 0;
    uint32_t index;

    if (!filter || cJSON_IsNull(filter))
        return 0;
    for (int i = 1; type && i < FILTER_COUNT; i++)
        if (strcmp(type, filter_names[i]) == 0)
            listing->filter = (enum filter)i;
    if (listing->filter == FILTER_ALL)
        return refuse_argument(exchange, "ShardFilter has an invalid Type.");
    simulator_document_number(filter, "Timestamp", &seconds);
    listing->time_ms = (int64_t)(seconds * 1000);
    if (listing->filter != FILTER_AFTER_SHARD_ID)
        return 0;
    if (!shard || !simulator_shard_parse_id(bytes_of_text(shard), &index))
        return refuse_argument(exchange, "ShardFilter needs a ShardId.");
    listing->next = index + 1;
    return 0;
}

static int read_token(struct simulator *simulator,
                      struct simulator_exchange *exchange,
                      const cJSON *document, const char *token,
                      struct listing *listing)
{
    char line[TOKEN_MOST];
    char name[SIMULATOR_STREAM_NAME];
    int64_t issued_ms;
    int filter;

    if (simulator_document_text(document, "StreamName") ||
        simulator_document_text(document, "StreamARN"))
        return refuse_argument(exchange,
                               "NextToken and StreamName cannot be provided "
                               "together.");
    if (!unseal(token, line) ||
        sscanf(line, "%" SCNd64 " %" SCNu32 " %d %" SCNd64 " %128s", &issued_ms,
               &listing->next, &filter, &listing->time_ms, name) != 5 ||
        filter < 0 || filter >= FILTER_COUNT)
        return refuse_argument(exchange, "NextToken is invalid.");
    if (now_ms(exchange) - issued_ms > TOKEN_LIFE_MS)
        return simulator_refuse(&exchange->refusal, 400,
                                "ExpiredNextTokenException",
                                "The pagination token has expired.");
    listing->filter = (enum filter)filter;
    listing->stream = simulator_find(simulator, bytes_of_text(name),
                                     bytes_of(NULL, 0), exchange->now);
    if (listing->stream)
        return 0;
    return simulator_refuse_missing(exchange, bytes_of_text(name),
                                    bytes_of(NULL, 0));
}

static int read_listing(struct simulator *simulator,
                        struct simulator_exchange *exchange,
                        const cJSON *document, struct listing *listing)
{
    const char *token = simulator_document_text(document, "NextToken");
    const char *start =
        simulator_document_text(document, "ExclusiveStartShardId");
    double most;
    uint32_t index;

    if (simulator_document_number(document, "MaxResults", &most)) {
        if (most < 1 || most > 10000)
            return refuse_argument(exchange, "MaxResults must be 1 to 10000.");
        if (most < listing->most)
            listing->most = (uint32_t)most;
    }
    if (token)
        return read_token(simulator, exchange, document, token, listing);
    listing->stream = simulator_document_stream(simulator, exchange, document);
    if (!listing->stream)
        return SIMULATOR_REFUSED;
    if (start) {
        if (!simulator_shard_parse_id(bytes_of_text(start), &index))
            return refuse_argument(exchange,
                                   "ExclusiveStartShardId is invalid.");
        listing->next = index + 1;
    }
    return read_filter(exchange, document, listing);
}

static void write_hash_member(struct simulator_reply *reply, const char *name,
                              unsigned __int128 hash)
{
    char text[SIMULATOR_HASH_TEXT];

    simulator_hash_format(hash, text);
    simulator_reply_text_member(reply, name, text);
}

static void write_id_member(struct simulator_reply *reply, const char *name,
                            uint32_t index)
{
    char id[SIMULATOR_SHARD_ID_TEXT];

    if (index == SIMULATOR_NO_SHARD)
        return;
    simulator_shard_id(index, id);
    simulator_reply_text_member(reply, name, id);
}

static void write_range(const struct simulator_shard *shard,
                        struct simulator_reply *reply)
{
    simulator_reply_name(reply, "HashKeyRange");
    simulator_reply_map(reply);
    write_hash_member(reply, "StartingHashKey", shard->first_hash);
    write_hash_member(reply, "EndingHashKey", shard->last_hash);
    simulator_reply_end_map(reply);
}

/* As it was at `as_of_ms`. */
static void write_shard(const struct simulator_shard *shard, int64_t as_of_ms,
                        struct simulator_reply *reply)
{
    char sequence[SIMULATOR_SEQUENCE_TEXT];

    simulator_reply_map(reply);
    write_id_member(reply, "ShardId", shard->index);
    write_id_member(reply, "ParentShardId", shard->parent);
    write_id_member(reply, "AdjacentParentShardId", shard->adjacent_parent);
    write_range(shard, reply);
    simulator_reply_name(reply, "SequenceNumberRange");
    simulator_reply_map(reply);
    simulator_shard_sequence(shard, shard->first_number, shard->created_ms,
                             sequence);
    simulator_reply_text_member(reply, "StartingSequenceNumber", sequence);
    if (was_closed(shard, as_of_ms)) {
        simulator_shard_sequence(shard, shard->last_number, shard->closed_ms,
                                 sequence);
        simulator_reply_text_member(reply, "EndingSequenceNumber", sequence);
    }
    simulator_reply_end_map(reply);
    simulator_reply_end_map(reply);
}

static void write_token(const struct simulator_exchange *exchange,
                        const struct listing *listing, uint32_t next)
{
    char line[TOKEN_MOST];
    char token[TOKEN_MOST];

    snprintf(line, sizeof(line), "%" PRId64 " %" PRIu32 " %d %" PRId64 " %s",
             now_ms(exchange), next, (int)listing->filter, listing->time_ms,
             listing->stream->name);
    seal(line, token);
    simulator_reply_text_member(exchange->reply, "NextToken", token);
}

int simulator_list_shards(struct simulator *simulator,
                          struct simulator_exchange *exchange,
                          const struct cJSON *document)
{
    struct listing listing = { .most = PAGE_SHARDS };
    uint32_t written = 0;
    uint32_t i;

    if (read_listing(simulator, exchange, document, &listing))
        return SIMULATOR_REFUSED;
    listing.as_of_ms = now_ms(exchange) - exchange->time_ns / NS_PER_MS;
    if (listing.stream->status == SIMULATOR_STREAM_CREATING ||
        listing.stream->status == SIMULATOR_STREAM_DELETING)
        return simulator_refuse(
            &exchange->refusal, 400, "ResourceInUseException",
            "Stream %s is not ACTIVE or UPDATING.", listing.stream->name);
    simulator_reply_map(exchange->reply);
    simulator_reply_name(exchange->reply, "Shards");
    simulator_reply_array(exchange->reply);
    for (i = listing.next;
         i < listing.stream->shard_count && written < listing.most; i++) {
        const struct simulator_shard *shard = listing.stream->shards[i];

        if (!passes(shard, &listing))
            continue;
        write_shard(shard, listing.as_of_ms, exchange->reply);
        written++;
    }
    simulator_reply_end_array(exchange->reply);
    while (i < listing.stream->shard_count &&
           !passes(listing.stream->shards[i], &listing))
        i++;
    if (i < listing.stream->shard_count)
        write_token(exchange, &listing, i);
    simulator_reply_end_map(exchange->reply);
    return 0;
}

/* --- GetShardIterator and GetRecords */

/* A place in a shard: how many of its records come before. */
struct place {
    struct simulator_stream *stream;
    struct simulator_shard *shard;
    uint64_t before;
};

static void write_iterator(const struct simulator_exchange *exchange,
                           const struct place *place, const char *name)
{
    char line[TOKEN_MOST];
    char token[TOKEN_MOST];

    snprintf(line, sizeof(line),
             "%" PRId64 " %" PRId64 " %" PRIu32 " %" PRIu64 " %s",
             now_ms(exchange), place->stream->created_ms, place->shard->index,
             place->before, place->stream->name);
    seal(line, token);
    simulator_reply_text_member(exchange->reply, name, token);
}

static int read_iterator(struct simulator *simulator,
                         struct simulator_exchange *exchange, const char *token,
                         struct place *place)
{
    char line[TOKEN_MOST];
    char name[SIMULATOR_STREAM_NAME];
    int64_t issued_ms;
    int64_t created_ms;
    uint32_t index;

    if (!token || !unseal(token, line) ||
        sscanf(line, "%" SCNd64 " %" SCNd64 " %" SCNu32 " %" SCNu64 " %128s",
               &issued_ms, &created_ms, &index, &place->before, name) != 5)
        return refuse_argument(exchange, "Invalid ShardIterator.");
    if (now_ms(exchange) - issued_ms > TOKEN_LIFE_MS)
        return simulator_refuse(&exchange->refusal, 400,
                                "ExpiredIteratorException",
                                "Iterator expired.");
    place->stream = simulator_find(simulator, bytes_of_text(name),
                                   bytes_of(NULL, 0), exchange->now);
    if (!place->stream || place->stream->created_ms != created_ms ||
        index >= place->stream->shard_count)
        return simulator_refuse_missing(exchange, bytes_of_text(name),
                                        bytes_of(NULL, 0));
    place->shard = place->stream->shards[index];
    return 0;
}

/* The place before the first kept record whose number is `least` or above. */
static void seek_number(struct place *place, uint64_t least)
{
    const struct simulator_shard *shard = place->shard;
    size_t i = 0;

    while (i < shard->kept_count && shard->kept[i]->number < least)
        i++;
    place->before = shard->trimmed_count + i;
}

static void seek_time(struct place *place, int64_t least_ms)
{
    const struct simulator_shard *shard = place->shard;
    size_t i = 0;

    while (i < shard->kept_count && shard->kept[i]->arrived_ms < least_ms)
        i++;
    place->before = shard->trimmed_count + i;
}

static int seek_sequence(struct simulator_exchange *exchange,
                         const cJSON *document, bool after, struct place *place)
{
    const char *text =
        simulator_document_text(document, "StartingSequenceNumber");
    uint64_t number;

    if (!text || !simulator_shard_parse_sequence(bytes_of_text(text), &number))
        return refuse_argument(exchange, "StartingSequenceNumber is invalid.");
    seek_number(place, number + after);
    return 0;
}

static int seek(struct simulator_exchange *exchange, const cJSON *document,
                struct place *place)
{
    const char *type = simulator_document_text(document, "ShardIteratorType");
    const struct simulator_shard *shard = place->shard;
    double seconds;

    if (!type)
        type = "";
    if (strcmp(type, "TRIM_HORIZON") == 0)
        place->before = shard->trimmed_count;
    else if (strcmp(type, "LATEST") == 0)
        place->before = shard->trimmed_count + shard->kept_count;
    else if (strcmp(type, "AT_SEQUENCE_NUMBER") == 0)
        return seek_sequence(exchange, document, false, place);
    else if (strcmp(type, "AFTER_SEQUENCE_NUMBER") == 0)
        return seek_sequence(exchange, document, true, place);
    else if (strcmp(type, "AT_TIMESTAMP") == 0 &&
             simulator_document_number(document, "Timestamp", &seconds))
        seek_time(place, (int64_t)(seconds * 1000));
    else
        return refuse_argument(exchange, "ShardIteratorType is invalid.");
    return 0;
}

int simulator_get_shard_iterator(struct simulator *simulator,
                                 struct simulator_exchange *exchange,
                                 const struct cJSON *document)
{
    const char *id = simulator_document_text(document, "ShardId");
    struct place place = {
        .stream = simulator_document_stream(simulator, exchange, document),
    };
    uint32_t index;

    if (!place.stream)
        return SIMULATOR_REFUSED;
    if (!id || !simulator_shard_parse_id(bytes_of_text(id), &index) ||
        index >= place.stream->shard_count)
        return simulator_refuse(
            &exchange->refusal, 400, "ResourceNotFoundException",
            "Shard %s in stream %s under account " SIMULATOR_ACCOUNT
            " does not exist",
            id ? id : "", place.stream->name);
    place.shard = place.stream->shards[index];
    if (seek(exchange, document, &place))
        return SIMULATOR_REFUSED;
    simulator_reply_map(exchange->reply);
    write_iterator(exchange, &place, "ShardIterator");
    simulator_reply_end_map(exchange->reply);
    return 0;
}

static void write_record(const struct simulator_shard *shard,
                         const struct simulator_record *record,
                         struct simulator_reply *reply)
{
    char sequence[SIMULATOR_SEQUENCE_TEXT];

    simulator_shard_sequence(shard, record->number, record->arrived_ms,
                             sequence);
    simulator_reply_map(reply);
    simulator_reply_text_member(reply, "SequenceNumber", sequence);
    simulator_reply_name(reply, "ApproximateArrivalTimestamp");
    simulator_reply_time(reply, record->arrived_ms);
    simulator_reply_name(reply, "Data");
    simulator_reply_blob(reply, bytes_of(record->bytes + record->key_length,
                                         record->data_length));
    simulator_reply_name(reply, "PartitionKey");
    simulator_reply_bytes_text(reply,
                               bytes_of(record->bytes, record->key_length));
    simulator_reply_end_map(reply);
}

static void write_children(const struct place *place,
                           struct simulator_reply *reply)
{
    uint32_t index = place->shard->index;

    simulator_reply_name(reply, "ChildShards");
    simulator_reply_array(reply);
    for (uint32_t i = index + 1; i < place->stream->shard_count; i++) {
        const struct simulator_shard *child = place->stream->shards[i];

        if (child->parent != index && child->adjacent_parent != index)
            continue;
        simulator_reply_map(reply);
        write_id_member(reply, "ShardId", child->index);
        simulator_reply_name(reply, "ParentShards");
        simulator_reply_array(reply);
        for (int both = 0; both < 2; both++) {
            char id[SIMULATOR_SHARD_ID_TEXT];
            uint32_t parent = both ? child->adjacent_parent : child->parent;

            if (parent == SIMULATOR_NO_SHARD)
                continue;
            simulator_shard_id(parent, id);
            simulator_reply_text(reply, id);
        }
        simulator_reply_end_array(reply);
        write_range(child, reply);
        simulator_reply_end_map(reply);
    }
    simulator_reply_end_array(reply);
}

/* Writes records from the place on and moves it behind them. */
static void write_records(struct place *place, uint64_t most,
                          struct simulator_reply *reply)
{
    const struct simulator_shard *shard = place->shard;
    size_t length = 0;
    uint64_t count = 0;
    size_t i;

    if (place->before < shard->trimmed_count)
        place->before = shard->trimmed_count;
    i = (size_t)(place->before - shard->trimmed_count);
    simulator_reply_name(reply, "Records");
    simulator_reply_array(reply);
    for (; i < shard->kept_count && count < most; i++, count++) {
        const struct simulator_record *record = shard->kept[i];

        length += (size_t)record->key_length + record->data_length;
        if (count > 0 && length > READ_BYTES)
            break;
        write_record(shard, record, reply);
    }
    simulator_reply_end_array(reply);
    place->before += count;
}

int simulator_get_records(struct simulator *simulator,
                          struct simulator_exchange *exchange,
                          const struct cJSON *document)
{
    struct simulator_reply *reply = exchange->reply;
    const struct simulator_shard *shard;
    double most = READ_RECORDS;
    struct place place = { .before = 0 };
    uint64_t end;

    if (read_iterator(simulator, exchange,
                      simulator_document_text(document, "ShardIterator"),
                      &place))
        return SIMULATOR_REFUSED;
    simulator_document_number(document, "Limit", &most);
    if (most < 1 || most > READ_RECORDS)
        return refuse_argument(exchange, "Limit must be 1 to 10000.");
    shard = place.shard;
    end = shard->trimmed_count + shard->kept_count;
    simulator_reply_map(reply);
    write_records(&place, (uint64_t)most, reply);
    simulator_reply_number_member(
        reply, "MillisBehindLatest",
        place.before < end
            ? (uint64_t)(now_ms(exchange) -
                         shard->kept[place.before - shard->trimmed_count]
                             ->arrived_ms)
            : 0);
    if (!shard->is_closed || place.before < end)
        write_iterator(exchange, &place, "NextShardIterator");
    else
        write_children(&place, reply);
    simulator_reply_end_map(reply);
    return 0;
}
