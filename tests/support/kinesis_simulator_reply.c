/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/kinesis_simulator_reply.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/kinesis_simulator_base64.h"

#define CAPACITY_LEAST 65536
#define CAPACITY_KEPT  1048576

/* Room for `count` more bytes, or NULL after a failure. */
static uint8_t *claim(struct simulator_reply *reply, size_t count)
{
    uint8_t *place;

    if (reply->failed)
        return NULL;
    if (count > reply->capacity - reply->length) {
        size_t capacity = reply->capacity * 2 + count + CAPACITY_LEAST;
        uint8_t *memory = realloc(reply->memory, capacity);

        if (!memory) {
            reply->failed = true;
            return NULL;
        }
        reply->memory = memory;
        reply->capacity = capacity;
    }
    place = reply->memory + reply->length;
    reply->length += count;
    return place;
}

void simulator_reply_raw(struct simulator_reply *reply, struct bytes raw)
{
    uint8_t *place = claim(reply, raw.length);

    if (place && raw.length > 0)
        memcpy(place, raw.data, raw.length);
}

static void put_byte(struct simulator_reply *reply, uint8_t byte)
{
    simulator_reply_raw(reply, bytes_of(&byte, 1));
}

void simulator_reply_begin(struct simulator_reply *reply,
                           enum simulator_protocol protocol)
{
    reply->protocol = protocol;
    reply->length = 0;
    reply->comma = false;
    reply->failed = false;
    claim(reply, SIMULATOR_REPLY_HEADROOM);
    reply->first = SIMULATOR_REPLY_HEADROOM;
}

static void put_comma(struct simulator_reply *reply)
{
    if (reply->comma)
        put_byte(reply, ',');
    reply->comma = true;
}

static void put_cbor_head(struct simulator_reply *reply, unsigned major,
                          uint64_t value)
{
    uint8_t head[9];
    size_t width = value < 24            ? 0
                   : value <= UINT8_MAX  ? 1
                   : value <= UINT16_MAX ? 2
                   : value <= UINT32_MAX ? 4
                                         : 8;

    head[0] = (uint8_t)(major << 5 | (width == 0   ? (unsigned)value
                                      : width == 1 ? 24
                                      : width == 2 ? 25
                                      : width == 4 ? 26
                                                   : 27));
    for (size_t i = 0; i < width; i++)
        head[1 + i] = (uint8_t)(value >> (8 * (width - 1 - i)));
    simulator_reply_raw(reply, bytes_of(head, 1 + width));
}

/* CBOR maps and arrays are indefinite, as the Java SDK writes them. */
static void open_level(struct simulator_reply *reply, char json, uint8_t cbor)
{
    if (reply->protocol == SIMULATOR_CBOR) {
        put_byte(reply, cbor);
        return;
    }
    put_comma(reply);
    put_byte(reply, (uint8_t)json);
    reply->comma = false;
}

static void close_level(struct simulator_reply *reply, char json)
{
    put_byte(reply, reply->protocol == SIMULATOR_CBOR ? 0xff : (uint8_t)json);
    reply->comma = true;
}

void simulator_reply_map(struct simulator_reply *reply)
{
    open_level(reply, '{', 0xbf);
}

void simulator_reply_end_map(struct simulator_reply *reply)
{
    close_level(reply, '}');
}

void simulator_reply_array(struct simulator_reply *reply)
{
    open_level(reply, '[', 0x9f);
}

void simulator_reply_end_array(struct simulator_reply *reply)
{
    close_level(reply, ']');
}

void simulator_reply_name(struct simulator_reply *reply, const char *name)
{
    simulator_reply_text(reply, name);
    if (reply->protocol == SIMULATOR_JSON)
        put_byte(reply, ':');
    reply->comma = false;
}

void simulator_reply_text(struct simulator_reply *reply, const char *text)
{
    simulator_reply_bytes_text(reply, bytes_of_text(text));
}

static bool is_plain(uint8_t c)
{
    return c >= 0x20 && c != '"' && c != '\\';
}

static void put_escaped(struct simulator_reply *reply, struct bytes text)
{
    size_t from = 0;

    for (size_t i = 0; i < text.length; i++) {
        char escape[7];

        if (is_plain(text.data[i]))
            continue;
        simulator_reply_raw(reply, bytes_of(text.data + from, i - from));
        snprintf(escape, sizeof(escape), "\\u%04x", text.data[i]);
        simulator_reply_raw(reply, bytes_of_text(escape));
        from = i + 1;
    }
    simulator_reply_raw(reply, bytes_skip(text, from));
}

void simulator_reply_bytes_text(struct simulator_reply *reply,
                                struct bytes text)
{
    if (reply->protocol == SIMULATOR_CBOR) {
        put_cbor_head(reply, 3, text.length);
        simulator_reply_raw(reply, text);
        return;
    }
    put_comma(reply);
    put_byte(reply, '"');
    put_escaped(reply, text);
    put_byte(reply, '"');
}

void simulator_reply_number(struct simulator_reply *reply, uint64_t number)
{
    uint8_t digits[20];
    struct bytes_writer writer = bytes_writer_on(digits, sizeof(digits));

    if (reply->protocol == SIMULATOR_CBOR) {
        put_cbor_head(reply, 0, number);
        return;
    }
    put_comma(reply);
    bytes_put_decimal(&writer, number);
    simulator_reply_raw(reply, bytes_written(&writer));
}

void simulator_reply_bool(struct simulator_reply *reply, bool truth)
{
    if (reply->protocol == SIMULATOR_CBOR) {
        put_byte(reply, truth ? 0xf5 : 0xf4);
        return;
    }
    put_comma(reply);
    simulator_reply_raw(reply, bytes_of_text(truth ? "true" : "false"));
}

void simulator_reply_blob(struct simulator_reply *reply, struct bytes blob)
{
    uint8_t *place;

    if (reply->protocol == SIMULATOR_CBOR) {
        put_cbor_head(reply, 2, blob.length);
        simulator_reply_raw(reply, blob);
        return;
    }
    put_comma(reply);
    put_byte(reply, '"');
    place = claim(reply, simulator_base64_room(blob.length));
    if (place)
        simulator_base64_encode(blob, place);
    put_byte(reply, '"');
}

void simulator_reply_time(struct simulator_reply *reply, int64_t epoch_ms)
{
    char text[32];

    if (reply->protocol == SIMULATOR_CBOR) {
        put_cbor_head(reply, 6, 1);
        put_cbor_head(reply, 0, (uint64_t)epoch_ms);
        return;
    }
    put_comma(reply);
    snprintf(text, sizeof(text), "%" PRId64 ".%03d", epoch_ms / 1000,
             (int)(epoch_ms % 1000));
    simulator_reply_raw(reply, bytes_of_text(text));
}

void simulator_reply_text_member(struct simulator_reply *reply,
                                 const char *name, const char *text)
{
    simulator_reply_name(reply, name);
    simulator_reply_text(reply, text);
}

void simulator_reply_number_member(struct simulator_reply *reply,
                                   const char *name, uint64_t number)
{
    simulator_reply_name(reply, name);
    simulator_reply_number(reply, number);
}

void simulator_reply_put_head(struct simulator_reply *reply, struct bytes head)
{
    assert(reply->first == SIMULATOR_REPLY_HEADROOM);
    assert(head.length <= SIMULATOR_REPLY_HEADROOM);
    reply->first -= head.length;
    memcpy(reply->memory + reply->first, head.data, head.length);
}

struct bytes simulator_reply_body(const struct simulator_reply *reply)
{
    return bytes_of(reply->memory + SIMULATOR_REPLY_HEADROOM,
                    reply->length - SIMULATOR_REPLY_HEADROOM);
}

void simulator_reply_shrink(struct simulator_reply *reply)
{
    if (reply->capacity > CAPACITY_KEPT)
        simulator_reply_deinit(reply);
}

void simulator_reply_deinit(struct simulator_reply *reply)
{
    free(reply->memory);
    *reply = (struct simulator_reply){ .memory = NULL };
}
