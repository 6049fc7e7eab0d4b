/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The same names and values as in JSON, but payloads are byte strings and not
 * base64: a quarter fewer bytes to hash, encrypt and send.
 *
 * AWS documents no CBOR for Kinesis; the AWS SDK for Java has sent it by default
 * since 2016 (its customization.config says "protocol": "cbor"), so every KCL
 * application depends on it.
 */

#include "egress/cbor_reader.h"
#include "egress/cbor_writer.h"
#include "egress/kinesis_limits.h"
#include "egress/put_records_encoding.h"

static void put_name(struct bytes_writer *body, const char *name)
{
    cbor_put_text(body, bytes_of_text(name));
}

static void put_start(struct bytes_writer *body, struct bytes stream)
{
    cbor_put_map(body);
    put_name(body, put_records_stream_member(stream));
    cbor_put_text(body, stream);
    put_name(body, "Records");
    cbor_put_array(body);
}

static size_t put_entry(struct bytes_writer *body,
                        const struct put_records_entry *entry, size_t index)
{
    size_t position;

    (void)index;
    cbor_put_map(body);
    put_name(body, "Data");
    cbor_put_bytes_head(body, entry->payload.length);
    position = body->length;
    bytes_put(body, entry->payload);
    put_name(body, "PartitionKey");
    cbor_put_text(body, entry->partition_key);
    if (entry->explicit_hash_key) {
        uint8_t digits[HASH_KEY_DECIMAL_CAPACITY];
        struct bytes_writer decimal = bytes_writer_on(digits, sizeof(digits));

        hash_key_format(*entry->explicit_hash_key, &decimal);
        put_name(body, "ExplicitHashKey");
        cbor_put_text(body, bytes_written(&decimal));
    }
    cbor_put_break(body);
    return position;
}

static void put_tail(uint8_t *at, struct bytes payload, size_t kept)
{
    memcpy(at + kept, payload.data + kept, payload.length - kept);
}

static void put_end(struct bytes_writer *body)
{
    cbor_put_break(body);
    cbor_put_break(body);
}

static size_t same_length(size_t length)
{
    return length;
}

static void read_map(struct cbor_reader *reader,
                     const struct put_records_wanted *wanted, size_t count)
{
    unsigned seen = 0;
    struct bytes name, *text;

    (void)cbor_enter_map(reader);
    while (cbor_next_member(reader, &name)) {
        if (!put_records_want(wanted, count, name, &seen, &text))
            reader->is_wrong = true;
        else if (text)
            (void)cbor_take_text_or_null(reader, text);
        else
            (void)cbor_skip(reader);
    }
}

static void read_result(struct cbor_reader *reader,
                        struct put_records_result *result)
{
    const struct put_records_wanted wanted[] =
        PUT_RECORDS_RESULT_MEMBERS(result);

    *result = (struct put_records_result){ 0 };
    read_map(reader, wanted, ARRAY_LENGTH(wanted));
}

static void read_results(struct cbor_reader *reader,
                         struct put_records_result *results, size_t most,
                         struct put_records_counts *counts)
{
    (void)cbor_enter_array(reader);
    while (cbor_next_element(reader)) {
        if (counts->results < most)
            read_result(reader, &results[counts->results]);
        else
            (void)cbor_skip(reader);
        counts->results++;
    }
}

static bool read_reply(struct bytes body, struct bytes_writer *texts,
                       struct put_records_result *results, size_t most,
                       struct put_records_counts *counts)
{
    struct cbor_reader reader;
    bool has_records = false;
    struct bytes name;

    cbor_reader_init(&reader, body, texts);
    (void)cbor_enter_map(&reader);
    while (cbor_next_member(&reader, &name)) {
        if (bytes_equal_text(name, "FailedRecordCount") &&
            !counts->has_failed_count) {
            (void)cbor_take_whole_or_null(&reader, &counts->failed_count,
                                          &counts->has_failed_count);
            continue;
        }
        if (!bytes_equal_text(name, "Records")) {
            (void)cbor_skip(&reader);
            continue;
        }
        if (has_records)
            return false;
        has_records = true;
        read_results(&reader, results, most, counts);
    }
    return cbor_ended(&reader) && has_records;
}

static bool read_error(struct bytes body, struct bytes_writer *texts,
                       struct put_records_error *error)
{
    struct bytes capitalised = { 0 };
    const struct put_records_wanted wanted[] =
        PUT_RECORDS_ERROR_MEMBERS(error, &capitalised);
    struct cbor_reader reader;

    cbor_reader_init(&reader, body, texts);
    read_map(&reader, wanted, ARRAY_LENGTH(wanted));
    if (error->message.length == 0)
        error->message = capitalised;
    return cbor_ended(&reader);
}

const struct put_records_encoding put_records_cbor = {
    .content_type = "application/x-amz-cbor-1.1",
    .end_length = 2,
    .frame_most = KINESIS_STREAM_ARN_BYTES_MOST + 64,
    .entry_most = 128, /* names, heads, hash key */
    .payload_length = same_length,
    .key_growth_most = 1,
    .put_start = put_start,
    .put_entry = put_entry,
    .put_end = put_end,
    .put_tail = put_tail,
    .tail_offset = same_length,
    .read_reply = read_reply,
    .read_error = read_error,
};
