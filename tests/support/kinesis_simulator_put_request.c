/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/kinesis_simulator_put_request.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "tests/support/kinesis_simulator_base64.h"
#include "tests/support/kinesis_simulator_hash.h"

#define ERRORS_MOST 10 /* the service stops counting there */

static bool scan_text(struct simulator_scan *scan, struct bytes *text)
{
    return simulator_scan_take_null(scan) || simulator_scan_text(scan, text);
}

static bool scan_data(struct simulator_scan *scan,
                      struct simulator_put_entry *entry)
{
    if (simulator_scan_take_null(scan))
        return true;
    if (!simulator_scan_blob(scan, &entry->data))
        return false;
    entry->data_length = entry->data.length;
    return scan->protocol == SIMULATOR_CBOR ||
           simulator_base64_length(entry->data, &entry->data_length);
}

/* One member of a record; members that are unknown are passed over. */
static bool scan_member(struct simulator_scan *scan, struct bytes name,
                        struct simulator_put_entry *entry)
{
    if (bytes_equal_text(name, "Data"))
        return scan_data(scan, entry);
    if (bytes_equal_text(name, "PartitionKey"))
        return scan_text(scan, &entry->key);
    if (bytes_equal_text(name, "ExplicitHashKey"))
        return scan_text(scan, &entry->explicit_hash);
    return simulator_scan_skip(scan);
}

static bool scan_record(struct simulator_scan *scan,
                        struct simulator_put_entry *entry)
{
    struct simulator_level level;
    struct bytes name;
    enum simulator_step step;

    *entry = (struct simulator_put_entry){ .data_length = 0 };
    if (!simulator_scan_enter_map(scan, &level))
        return false;
    while ((step = simulator_scan_next(scan, &level, &name)) ==
           SIMULATOR_STEP_VALUE)
        if (!scan_member(scan, name, entry))
            return false;
    return step == SIMULATOR_STEP_END;
}

/* Records after the 500th are scanned but not kept: they are too many. */
static bool scan_records(struct simulator_scan *scan,
                         struct simulator_put_request *put)
{
    struct simulator_put_entry surplus;
    struct simulator_level level;
    struct bytes name;
    enum simulator_step step;

    if (simulator_scan_take_null(scan))
        return true;
    put->has_records = true;
    put->count = 0; /* a second "Records" replaces the first */
    if (!simulator_scan_enter_array(scan, &level))
        return false;
    while ((step = simulator_scan_next(scan, &level, &name)) ==
           SIMULATOR_STEP_VALUE) {
        struct simulator_put_entry *entry = put->count < SIMULATOR_PUT_RECORDS
                                                ? &put->entries[put->count]
                                                : &surplus;

        if (!scan_record(scan, entry))
            return false;
        put->count++;
    }
    return step == SIMULATOR_STEP_END;
}

static bool scan_top(struct simulator_scan *scan, struct bytes name,
                     struct simulator_put_request *put)
{
    if (bytes_equal_text(name, "StreamName"))
        return scan_text(scan, &put->stream_name);
    if (bytes_equal_text(name, "StreamARN"))
        return scan_text(scan, &put->stream_arn);
    if (put->is_single)
        return scan_member(scan, name, &put->entries[0]);
    if (bytes_equal_text(name, "Records"))
        return scan_records(scan, put);
    return simulator_scan_skip(scan);
}

static size_t kept_count(const struct simulator_put_request *put)
{
    return put->count < SIMULATOR_PUT_RECORDS ? put->count
                                              : SIMULATOR_PUT_RECORDS;
}

int simulator_put_request_scan(struct simulator_put_request *put, uint8_t *body,
                               size_t length)
{
    struct simulator_scan scan = { put->protocol, body, body + length };
    struct simulator_level level;
    struct bytes name;
    enum simulator_step step;

    put->stream_name = bytes_of(NULL, 0);
    put->stream_arn = bytes_of(NULL, 0);
    put->has_records = put->is_single;
    put->count = put->is_single;
    put->length = 0;
    put->entries[0] = (struct simulator_put_entry){ .data_length = 0 };
    if (!simulator_scan_enter_map(&scan, &level))
        return SIMULATOR_MALFORMED;
    while ((step = simulator_scan_next(&scan, &level, &name)) ==
           SIMULATOR_STEP_VALUE)
        if (!scan_top(&scan, name, put))
            return SIMULATOR_MALFORMED;
    if (step != SIMULATOR_STEP_END || !simulator_scan_is_at_end(&scan))
        return SIMULATOR_MALFORMED;
    for (size_t i = 0; i < kept_count(put); i++)
        put->length += put->entries[i].data_length + put->entries[i].key.length;
    return 0;
}

/* The errors found so far, joined by "; ". */
struct errors {
    size_t count;
    struct bytes_writer text;
};

static void add_error(struct errors *errors, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add_error(struct errors *errors, const char *format, ...)
{
    char text[512];
    va_list arguments;

    if (errors->count == ERRORS_MOST)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (errors->count++ > 0)
        bytes_put_text(&errors->text, "; ");
    bytes_put_text(&errors->text, text);
}

/* "records.3.member.data" in PutRecords, "data" in PutRecord. */
static const char *place_of(const struct simulator_put_request *put,
                            size_t index, const char *member, char place[64])
{
    if (put->is_single)
        return member;
    snprintf(place, 64, "records.%zu.member.%s", index + 1, member);
    return place;
}

static size_t characters_of(struct bytes text)
{
    size_t count = 0;

    for (size_t i = 0; i < text.length; i++)
        count += (text.data[i] & 0xc0) != 0x80;
    return count;
}

static void check_key(const struct simulator_put_request *put, size_t index,
                      struct errors *errors)
{
    struct bytes key = put->entries[index].key;
    char place[64];
    const char *where = place_of(put, index, "partitionKey", place);

    if (!key.data)
        add_error(errors,
                  "Value null at '%s' failed to satisfy constraint: Member "
                  "must not be null",
                  where);
    else if (key.length == 0)
        add_error(errors,
                  "Value '' at '%s' failed to satisfy constraint: Member must "
                  "have length greater than or equal to 1",
                  where);
    else if (characters_of(key) > SIMULATOR_KEY_MOST)
        add_error(errors,
                  "Value at '%s' failed to satisfy constraint: Member must "
                  "have length less than or equal to %d",
                  where, SIMULATOR_KEY_MOST);
}

static void check_data(const struct simulator_put_request *put, size_t index,
                       uint64_t record_most, struct errors *errors)
{
    const struct simulator_put_entry *entry = &put->entries[index];
    char place[64];
    const char *where = place_of(put, index, "data", place);

    if (!entry->data.data)
        add_error(errors,
                  "Value null at '%s' failed to satisfy constraint: Member "
                  "must not be null",
                  where);
    else if (entry->data_length + entry->key.length > record_most)
        add_error(errors,
                  "Value at '%s' failed to satisfy constraint: Member must "
                  "have length less than or equal to %" PRIu64,
                  where, record_most);
}

static void check_explicit_hash(const struct simulator_put_request *put,
                                size_t index, struct errors *errors)
{
    struct bytes hash = put->entries[index].explicit_hash;
    char place[64];

    if (!hash.data || simulator_hash_is_decimal(hash))
        return;
    add_error(errors,
              "Value '%.*s' at '%s' failed to satisfy constraint: Member must "
              "satisfy regular expression pattern: 0|([1-9]\\d{0,38})",
              hash.length > 64 ? 64 : (int)hash.length, (const char *)hash.data,
              place_of(put, index, "explicitHashKey", place));
}

static void check_count(const struct simulator_put_request *put,
                        struct errors *errors)
{
    if (!put->has_records)
        add_error(errors, "Value null at 'records' failed to satisfy "
                          "constraint: Member must not be null");
    else if (put->count == 0)
        add_error(errors, "Value '[]' at 'records' failed to satisfy "
                          "constraint: Member must have length greater than "
                          "or equal to 1");
    else if (put->count > SIMULATOR_PUT_RECORDS)
        add_error(errors,
                  "Value at 'records' failed to satisfy constraint: Member "
                  "must have length less than or equal to %d",
                  SIMULATOR_PUT_RECORDS);
}

int simulator_put_request_check(const struct simulator_put_request *put,
                                uint64_t record_most,
                                struct simulator_refusal *refusal)
{
    char memory[6144];
    struct errors errors = {
        .text = bytes_writer_on(memory, sizeof(memory)),
    };

    check_count(put, &errors);
    for (size_t i = 0; i < kept_count(put); i++) {
        check_data(put, i, record_most, &errors);
        check_key(put, i, &errors);
        check_explicit_hash(put, i, &errors);
    }
    if (errors.count > 0)
        return simulator_refuse(refusal, 400, "ValidationException",
                                "%zu validation error%s detected: %.*s",
                                errors.count, errors.count > 1 ? "s" : "",
                                (int)errors.text.length, memory);
    if (put->length > SIMULATOR_PUT_BYTES)
        return simulator_refuse(refusal, 400, "InvalidArgumentException",
                                "Records size exceeds 10 MB limit");
    return 0;
}

int simulator_put_request_decode(struct simulator_put_request *put)
{
    if (put->protocol != SIMULATOR_JSON)
        return 0;
    for (size_t i = 0; i < kept_count(put); i++) {
        struct bytes *text = &put->entries[i].data;
        size_t length;

        /* The text lies in the request body, which is ours to change. */
        if (!simulator_base64_decode(*text, (uint8_t *)text->data, &length))
            return SIMULATOR_MALFORMED;
        text->length = length;
    }
    return 0;
}

static void move(struct bytes *bytes, const uint8_t *from, const uint8_t *to)
{
    if (bytes->data)
        bytes->data = to + (bytes->data - from);
}

void simulator_put_request_move(struct simulator_put_request *put,
                                const uint8_t *from, const uint8_t *to)
{
    move(&put->stream_name, from, to);
    move(&put->stream_arn, from, to);
    for (size_t i = 0; i < kept_count(put); i++) {
        move(&put->entries[i].data, from, to);
        move(&put->entries[i].key, from, to);
        move(&put->entries[i].explicit_hash, from, to);
    }
}
