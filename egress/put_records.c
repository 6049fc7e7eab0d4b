/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/put_records.h"

#include <assert.h>

#include "egress/kinesis_limits.h"
#include "egress/put_records_encoding.h"

static const struct put_records_encoding *const encodings[] = {
    [PUT_RECORDS_JSON] = &put_records_json,
    [PUT_RECORDS_CBOR] = &put_records_cbor,
};

static const struct put_records_encoding *
encoding_of(enum put_records_format format)
{
    assert(format < ARRAY_LENGTH(encodings));
    return encodings[format];
}

const char *put_records_content_type(enum put_records_format format)
{
    return encoding_of(format)->content_type;
}

static size_t bound_counted(size_t counted_most)
{
    size_t bound = KINESIS_REQUEST_BYTES_MOST - KINESIS_REQUEST_BYTES_HEADROOM;

    return counted_most < bound ? counted_most : bound;
}

enum put_records_format put_records_format_of(const char *content_type,
                                              enum put_records_format otherwise)
{
    struct bytes found = bytes_of_text(content_type ? content_type : "");

    /* Parameters such as "; charset=utf-8" may follow. */
    for (size_t i = 0; i < ARRAY_LENGTH(encodings); i++)
        if (bytes_start_with(found, encodings[i]->content_type))
            return (enum put_records_format)i;
    return bytes_start_with(found, "application/json") ? PUT_RECORDS_JSON
                                                       : otherwise;
}

size_t put_records_capacity(enum put_records_format format, size_t counted_most)
{
    const struct put_records_encoding *encoding = encoding_of(format);

    /* Each payload is padded by itself: entry_most has the difference. */
    return encoding->frame_most +
           encoding->payload_length(bound_counted(counted_most)) +
           encoding->entry_most * KINESIS_RECORDS_PER_REQUEST_MOST +
           encoding->key_growth_most * KINESIS_PARTITION_KEY_BYTES_MOST;
}

void put_records_open(struct put_records *request,
                      enum put_records_format format, struct bytes stream,
                      struct bytes_writer memory, size_t counted_most)
{
    *request = (struct put_records){
        .encoding = encoding_of(format),
        .body = bytes_writer_on(memory.data, memory.capacity),
        .counted_most = bound_counted(counted_most),
    };
    request->encoding->put_start(&request->body, stream);
    assert(!request->body.overrun);
}

/* Characters of well-formed UTF-8: all bytes but those that continue one. */
static size_t count_characters(struct bytes text)
{
    size_t count = 0;

    for (size_t i = 0; i < text.length; i++)
        count += (text.data[i] & 0xc0) != 0x80;
    return count;
}

static bool is_partition_key(struct bytes key)
{
    return key.length > 0 && key.length <= KINESIS_PARTITION_KEY_BYTES_MOST &&
           bytes_are_utf8(key) &&
           count_characters(key) <= KINESIS_PARTITION_KEY_CHARACTERS_MOST;
}

static bool has_room(const struct put_records *request, size_t counted)
{
    return request->record_count < KINESIS_RECORDS_PER_REQUEST_MOST &&
           counted <= request->counted_most - request->counted_bytes;
}

int put_records_add(struct put_records *request,
                    const struct put_records_entry *entry)
{
    size_t length_before = request->body.length;
    size_t counted;
    size_t position;

    if (!is_partition_key(entry->partition_key))
        return PUT_RECORDS_KEY_REFUSED;
    if (__builtin_add_overflow(entry->payload.length,
                               entry->partition_key.length, &counted) ||
        !has_room(request, counted))
        return PUT_RECORDS_FULL;
    position = request->encoding->put_entry(&request->body, entry,
                                            request->record_count);
    if (request->body.overrun || request->body.capacity - request->body.length <
                                     request->encoding->end_length) {
        request->body.length = length_before;
        request->body.overrun = false;
        return PUT_RECORDS_FULL;
    }
    request->record_count++;
    request->counted_bytes += counted;
    request->payload_position = position;
    return 0;
}

void put_records_change_tail(struct put_records *request, size_t position,
                             struct bytes payload, size_t count)
{
    assert(position < request->body.length && count <= payload.length);
    request->encoding->put_tail(request->body.data + position, payload,
                                payload.length - count);
}

struct bytes put_records_before_tail(const struct put_records *request,
                                     size_t position, size_t length,
                                     size_t count)
{
    assert(position < request->body.length && count <= length);
    return bytes_of(request->body.data,
                    position + request->encoding->tail_offset(length - count));
}

struct bytes put_records_close(struct put_records *request)
{
    request->encoding->put_end(&request->body);
    assert(!request->body.overrun);
    return bytes_written(&request->body);
}

/* 0|([1-9]\d{0,128}) */
static bool is_sequence_number(struct bytes text)
{
    if (text.length == 0 || text.length > KINESIS_SEQUENCE_NUMBER_DIGITS_MOST)
        return false;
    if (text.data[0] == '0' && text.length > 1)
        return false;
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    return true;
}

/* [a-zA-Z0-9_.-]{1,128} */
static bool is_shard_id(struct bytes text)
{
    if (text.length == 0 || text.length > KINESIS_SHARD_ID_BYTES_MOST)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        uint8_t c = text.data[i];
        uint8_t letter = c | 0x20;

        if (!(letter >= 'a' && letter <= 'z') && !(c >= '0' && c <= '9') &&
            c != '_' && c != '.' && c != '-')
            return false;
    }
    return true;
}

/* Either stored or refused, and nothing of both. */
static bool is_result(const struct put_records_result *result)
{
    if (result->error_code.length > 0)
        return result->sequence_number.length == 0;
    return is_shard_id(result->shard_id) &&
           is_sequence_number(result->sequence_number);
}

int put_records_reply_read(enum put_records_format format, struct bytes body,
                           struct bytes_writer *texts,
                           struct put_records_result *results, size_t count)
{
    struct put_records_counts counts = { 0 };
    size_t refused = 0;

    if (!encoding_of(format)->read_reply(body, texts, results, count, &counts))
        return PUT_RECORDS_GARBAGE;
    if (counts.results != count)
        return PUT_RECORDS_WRONG_COUNT;
    for (size_t i = 0; i < count; i++) {
        if (!is_result(&results[i]))
            return PUT_RECORDS_GARBAGE;
        refused += !put_records_is_stored(&results[i]);
    }
    /* Two statements that contradict each other are none. */
    if (counts.has_failed_count && counts.failed_count != refused)
        return PUT_RECORDS_WRONG_COUNT;
    return 0;
}

/*
 * "namespace#Code:http://..." -> "Code": the AWS JSON protocol allows a
 * namespace before the code and a URL behind it
 * (https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html).
 */
static struct bytes strip_code(struct bytes code)
{
    const uint8_t *mark;

    if (code.length == 0)
        return code;
    mark = memchr(code.data, ':', code.length);
    if (mark)
        code.length = (size_t)(mark - code.data);
    mark = code.length > 0 ? memchr(code.data, '#', code.length) : NULL;
    if (mark)
        code = bytes_skip(code, (size_t)(mark - code.data) + 1);
    return code;
}

int put_records_error_read(enum put_records_format format, struct bytes body,
                           struct bytes_writer *texts,
                           struct put_records_error *error)
{
    struct put_records_error found = { 0 };

    if (!encoding_of(format)->read_error(body, texts, &found))
        return PUT_RECORDS_GARBAGE;
    found.code = strip_code(found.code);
    if (found.code.length == 0)
        return PUT_RECORDS_GARBAGE;
    *error = found;
    return 0;
}
