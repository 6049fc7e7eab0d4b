/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/control_plane.h"

#include <errno.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "common/error.h"
#include "egress/json_writer.h"
#include "egress/put_records.h"

void describe_stream_encode(const char *stream, struct bytes_writer *writer)
{
    bytes_put_text(writer, "{\"StreamName\":");
    json_put_text(writer, bytes_of_text(stream));
    bytes_put_byte(writer, '}');
}

void list_shards_encode(const char *stream, enum list_shards_scope scope,
                        const char *next_token, struct bytes_writer *writer)
{
    if (next_token) {
        bytes_put_text(writer, "{\"NextToken\":");
        json_put_text(writer, bytes_of_text(next_token));
    } else {
        bytes_put_text(writer, "{\"StreamName\":");
        json_put_text(writer, bytes_of_text(stream));
        /* AT_LATEST: only the shards that are open now. */
        if (scope == LIST_OPEN_SHARDS)
            bytes_put_text(writer, ",\"ShardFilter\":{\"Type\":\"AT_LATEST\"}");
    }
    bytes_put_text(writer, ",\"MaxResults\":1000}");
}

static const char *text_of(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

/* True if the member is a whole number of at most `most`. */
static bool number_of(const cJSON *object, const char *name, uint32_t most,
                      uint32_t *number)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);

    if (!cJSON_IsNumber(member) || !(member->valuedouble >= 0) ||
        member->valuedouble > most ||
        member->valuedouble != (double)(uint32_t)member->valuedouble)
        return false;
    *number = (uint32_t)member->valuedouble;
    return true;
}

/* Some servers write null where others write nothing. */
static bool is_absent(const cJSON *object, const char *name)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);

    return !member || cJSON_IsNull(member);
}

static bool status_of(const cJSON *object, enum stream_status *status)
{
    static const char *const names[] = {
        [STREAM_CREATING] = "CREATING",
        [STREAM_ACTIVE] = "ACTIVE",
        [STREAM_UPDATING] = "UPDATING",
        [STREAM_DELETING] = "DELETING",
    };
    const char *text = text_of(object, "StreamStatus");

    for (size_t i = 0; text && i < ARRAY_LENGTH(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *status = (enum stream_status)i;
            return true;
        }
    }
    return false;
}

static int take_summary(const cJSON *description,
                        struct stream_summary *summary)
{
    const char *arn = text_of(description, "StreamARN");
    struct stream_summary taken = { 0 };
    uint32_t record_size_kib = KINESIS_RECORD_BYTES_DEFAULT / 1024;

    if (!status_of(description, &taken.status) || !arn ||
        strlen(arn) >= sizeof(taken.arn) ||
        !number_of(description, "OpenShardCount", UINT32_MAX,
                   &taken.open_shard_count))
        return CONTROL_PLANE_NONSENSE;
    /* Older servers do not know the setting; their streams have the default. */
    if (!is_absent(description, "MaxRecordSizeInKiB") &&
        (!number_of(description, "MaxRecordSizeInKiB",
                    KINESIS_RECORD_BYTES_MOST / 1024, &record_size_kib) ||
         record_size_kib == 0))
        return CONTROL_PLANE_NONSENSE;
    memcpy(taken.arn, arn, strlen(arn) + 1);
    taken.max_record_size = record_size_kib * 1024;
    *summary = taken;
    return 0;
}

static cJSON *parse(struct bytes body)
{
    if (body.length == 0)
        return NULL;
    return cJSON_ParseWithLength((const char *)body.data, body.length);
}

int describe_stream_decode(struct bytes body, struct stream_summary *summary)
{
    cJSON *json = parse(body);
    int result = take_summary(
        cJSON_GetObjectItemCaseSensitive(json, "StreamDescriptionSummary"),
        summary);

    cJSON_Delete(json);
    return result;
}

static bool take_hash_key(const cJSON *range, const char *name,
                          struct hash_key *hash_key)
{
    const char *text = text_of(range, name);

    return text && hash_key_parse(bytes_of_text(text), hash_key);
}

static bool take_row(const cJSON *shard, struct shard_map_row *row)
{
    const char *shard_id = text_of(shard, "ShardId");
    const cJSON *range =
        cJSON_GetObjectItemCaseSensitive(shard, "HashKeyRange");

    *row = (struct shard_map_row){ 0 };
    return shard_id && shard_map_row_name(row, bytes_of_text(shard_id)) &&
           take_hash_key(range, "StartingHashKey", &row->first) &&
           take_hash_key(range, "EndingHashKey", &row->last);
}

/* Some servers ignore the filter and list closed shards too; these have an
 * ending sequence number. */
static bool is_closed(const cJSON *shard)
{
    const cJSON *numbers =
        cJSON_GetObjectItemCaseSensitive(shard, "SequenceNumberRange");

    return text_of(numbers, "EndingSequenceNumber") != NULL;
}

static int make_room(struct shard_rows *rows, size_t more)
{
    struct shard_map_row *grown;

    if (more > CONTROL_PLANE_SHARDS_MOST - rows->count)
        return CONTROL_PLANE_TOO_MANY;
    if (rows->count + more <= rows->capacity)
        return 0;
    grown = reallocarray(rows->rows, rows->count + more, sizeof(*grown));
    if (!grown)
        return error_origin(-ENOMEM, "cannot keep the list of shards");
    rows->rows = grown;
    rows->capacity = rows->count + more;
    return 0;
}

static int take_page(const cJSON *shards, struct shard_list *list)
{
    size_t count = 0;
    size_t open_count = list->open.count;
    size_t closed_count = list->closed.count;
    const cJSON *shard;
    int result;

    if (!cJSON_IsArray(shards))
        return CONTROL_PLANE_NONSENSE;
    cJSON_ArrayForEach(shard, shards) count += is_closed(shard);
    result = make_room(&list->closed, count);
    if (result == 0)
        result =
            make_room(&list->open, (size_t)cJSON_GetArraySize(shards) - count);
    if (result != 0)
        return result;
    cJSON_ArrayForEach(shard, shards)
    {
        struct shard_map_row *row = is_closed(shard)
                                        ? &list->closed.rows[closed_count++]
                                        : &list->open.rows[open_count++];

        if (!take_row(shard, row))
            return CONTROL_PLANE_NONSENSE;
    }
    list->open.count = open_count;
    list->closed.count = closed_count;
    return 0;
}

int list_shards_decode(struct bytes body, struct shard_list *list)
{
    cJSON *json = parse(body);
    const char *next_token = text_of(json, "NextToken");
    char *token = next_token ? strdup(next_token) : NULL;
    int result;

    if (next_token && !token)
        result = error_origin(-ENOMEM, "cannot keep the list of shards");
    else
        result =
            take_page(cJSON_GetObjectItemCaseSensitive(json, "Shards"), list);
    if (result == 0) {
        free(list->next_token);
        list->next_token = token;
        token = NULL;
    }
    free(token);
    cJSON_Delete(json);
    return result;
}

void shard_list_deinit(struct shard_list *list)
{
    free(list->open.rows);
    free(list->closed.rows);
    free(list->next_token);
    *list = (struct shard_list){ 0 };
}

/* A peer's words end in our log: nothing there may steer a terminal. */
static void take_printable(struct bytes text, char *to, size_t capacity)
{
    size_t length = text.length < capacity ? text.length : capacity - 1;

    if (length > 0)
        memcpy(to, text.data, length);
    for (size_t i = 0; i < length; i++)
        if (text.data[i] < ' ' || text.data[i] == 0x7f)
            to[i] = ' ';
    to[length] = '\0';
}

/* Errors of all actions have one form, which put_records knows. */
void service_error_decode(struct bytes body, struct service_error *error)
{
    uint8_t memory[4096];
    struct bytes_writer texts = bytes_writer_on(memory, sizeof(memory));
    struct put_records_error read;

    *error = (struct service_error){ 0 };
    if (put_records_error_read(PUT_RECORDS_JSON, body, &texts, &read) != 0)
        return;
    take_printable(read.code, error->code, sizeof(error->code));
    take_printable(read.message, error->message, sizeof(error->message));
}
