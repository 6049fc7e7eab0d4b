/* SPDX-License-Identifier: Apache-2.0 */

/*
 * {"StreamName":"s","Records":[{"Data":"aGk=","PartitionKey":"k",
 *                               "ExplicitHashKey":"0"}, ...]}
 *
 * {"FailedRecordCount":1,"Records":[
 *     {"SequenceNumber":"4957...","ShardId":"shardId-000000000000"},
 *     {"ErrorCode":"InternalFailure","ErrorMessage":"..."}]}
 *
 * https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
 */

#include "common/base64.h"
#include "egress/json_reader.h"
#include "egress/json_writer.h"
#include "egress/kinesis_limits.h"
#include "egress/put_records_encoding.h"

#define END "]}"

static void put_start(struct bytes_writer *body, struct bytes stream)
{
    bytes_put_text(body, "{\"");
    bytes_put_text(body, put_records_stream_member(stream));
    bytes_put_text(body, "\":");
    json_put_text(body, stream);
    bytes_put_text(body, ",\"Records\":[");
}

static void put_base64(struct bytes_writer *body, struct bytes payload)
{
    uint8_t *place = bytes_claim(body, base64_length(payload.length));

    if (place)
        (void)base64_encode(payload, place);
}

static size_t put_entry(struct bytes_writer *body,
                        const struct put_records_entry *entry, size_t index)
{
    size_t position;

    bytes_put_text(body, index > 0 ? ",{\"Data\":\"" : "{\"Data\":\"");
    position = body->length;
    put_base64(body, entry->payload);
    bytes_put_text(body, "\",\"PartitionKey\":");
    json_put_text(body, entry->partition_key);
    if (entry->explicit_hash_key) {
        bytes_put_text(body, ",\"ExplicitHashKey\":\"");
        hash_key_format(*entry->explicit_hash_key, body);
        bytes_put_byte(body, '"');
    }
    bytes_put_byte(body, '}');
    return position;
}

/* Three bytes are four characters: begin where a group of both begins. */
static size_t tail_offset(size_t kept)
{
    return kept / 3 * 4;
}

static void put_tail(uint8_t *at, struct bytes payload, size_t kept)
{
    (void)base64_encode(bytes_skip(payload, kept / 3 * 3),
                        at + tail_offset(kept));
}

static void put_end(struct bytes_writer *body)
{
    bytes_put_text(body, END);
}

static void read_object(struct json_reader *reader,
                        const struct put_records_wanted *wanted, size_t count)
{
    unsigned seen = 0;
    struct bytes name, *text;

    (void)json_enter_object(reader);
    while (json_next_member(reader, &name)) {
        if (!put_records_want(wanted, count, name, &seen, &text))
            reader->is_wrong = true;
        else if (text)
            (void)json_take_text_or_null(reader, text);
        else
            (void)json_skip(reader);
    }
}

static void read_result(struct json_reader *reader,
                        struct put_records_result *result)
{
    const struct put_records_wanted wanted[] =
        PUT_RECORDS_RESULT_MEMBERS(result);

    *result = (struct put_records_result){ 0 };
    read_object(reader, wanted, ARRAY_LENGTH(wanted));
}

static void read_results(struct json_reader *reader,
                         struct put_records_result *results, size_t most,
                         struct put_records_counts *counts)
{
    (void)json_enter_array(reader);
    while (json_next_element(reader)) {
        if (counts->results < most)
            read_result(reader, &results[counts->results]);
        else
            (void)json_skip(reader);
        counts->results++;
    }
}

static bool read_reply(struct bytes body, struct bytes_writer *texts,
                       struct put_records_result *results, size_t most,
                       struct put_records_counts *counts)
{
    struct json_reader reader = json_reader_on(body, texts);
    bool has_records = false;
    struct bytes name;

    (void)json_enter_object(&reader);
    while (json_next_member(&reader, &name)) {
        if (bytes_equal_text(name, "FailedRecordCount") &&
            !counts->has_failed_count) {
            (void)json_take_whole_or_null(&reader, &counts->failed_count,
                                          &counts->has_failed_count);
            continue;
        }
        if (!bytes_equal_text(name, "Records")) {
            (void)json_skip(&reader);
            continue;
        }
        if (has_records)
            return false;
        has_records = true;
        read_results(&reader, results, most, counts);
    }
    return json_ended(&reader) && has_records;
}

static bool read_error(struct bytes body, struct bytes_writer *texts,
                       struct put_records_error *error)
{
    struct json_reader reader = json_reader_on(body, texts);
    struct bytes capitalised = { 0 };
    const struct put_records_wanted wanted[] =
        PUT_RECORDS_ERROR_MEMBERS(error, &capitalised);

    read_object(&reader, wanted, ARRAY_LENGTH(wanted));
    if (error->message.length == 0)
        error->message = capitalised;
    return json_ended(&reader);
}

const struct put_records_encoding put_records_json = {
    .content_type = "application/x-amz-json-1.1",
    .end_length = sizeof(END) - 1,
    .frame_most = KINESIS_STREAM_ARN_BYTES_MOST + 64,
    .entry_most = 128, /* names, brackets, hash key, padding */
    .payload_length = base64_length,
    .key_growth_most = 6, /* \u0000 */
    .put_start = put_start,
    .put_entry = put_entry,
    .put_end = put_end,
    .put_tail = put_tail,
    .tail_offset = tail_offset,
    .read_reply = read_reply,
    .read_error = read_error,
};
