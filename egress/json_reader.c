/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/json_reader.h"

static_assert(JSON_DEPTH_MOST <= 32, "one bit for each depth");

struct json_reader json_reader_on(struct bytes text, struct bytes_writer *texts)
{
    return (struct json_reader){ .rest = text, .texts = texts };
}

static bool fail(struct json_reader *reader)
{
    reader->is_wrong = true;
    return false;
}

/* The next byte that is no white space; 0 at the end, which is no JSON. */
static uint8_t peek(struct json_reader *reader)
{
    size_t i = 0;

    while (i < reader->rest.length &&
           (reader->rest.data[i] == ' ' || reader->rest.data[i] == '\n' ||
            reader->rest.data[i] == '\r' || reader->rest.data[i] == '\t'))
        i++;
    reader->rest = bytes_skip(reader->rest, i);
    return reader->rest.length > 0 ? reader->rest.data[0] : 0;
}

static void advance(struct json_reader *reader, size_t count)
{
    reader->rest = bytes_skip(reader->rest, count);
}

static bool expect(struct json_reader *reader, uint8_t wanted)
{
    if (reader->is_wrong || peek(reader) != wanted)
        return fail(reader);
    advance(reader, 1);
    return true;
}

static bool enter(struct json_reader *reader, uint8_t bracket)
{
    uint32_t bit = UINT32_C(1) << (reader->depth % JSON_DEPTH_MOST);

    if (!expect(reader, bracket) || reader->depth == JSON_DEPTH_MOST)
        return fail(reader);
    reader->depth++;
    reader->arrays =
        bracket == '[' ? reader->arrays | bit : reader->arrays & ~bit;
    reader->is_first = true;
    return true;
}

bool json_enter_object(struct json_reader *reader)
{
    return enter(reader, '{');
}

bool json_enter_array(struct json_reader *reader)
{
    return enter(reader, '[');
}

/* Leave the container if it ends here; else read the comma that is due. */
static bool next_value(struct json_reader *reader, uint8_t bracket)
{
    if (reader->is_wrong)
        return false;
    if (peek(reader) == bracket) {
        advance(reader, 1);
        reader->depth--;
        reader->is_first = false;
        return false;
    }
    if (!reader->is_first && !expect(reader, ','))
        return false;
    reader->is_first = false;
    return true;
}

bool json_next_element(struct json_reader *reader)
{
    return next_value(reader, ']');
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The number of \uXXXX at the start of `text`, or -1 if there is none. */
static int32_t unit_at(struct bytes text)
{
    int32_t unit = 0;

    if (text.length < 6 || text.data[0] != '\\' || text.data[1] != 'u')
        return -1;
    for (size_t i = 2; i < 6; i++) {
        int value = hex_value(text.data[i]);

        if (value < 0)
            return -1;
        unit = unit * 16 + value;
    }
    return unit;
}

static void put_utf8(struct bytes_writer *writer, uint32_t character)
{
    if (character < 0x80) {
        bytes_put_byte(writer, (uint8_t)character);
        return;
    }
    if (character < 0x800) {
        bytes_put_byte(writer, (uint8_t)(0xc0 | character >> 6));
    } else {
        if (character < 0x10000) {
            bytes_put_byte(writer, (uint8_t)(0xe0 | character >> 12));
        } else {
            bytes_put_byte(writer, (uint8_t)(0xf0 | character >> 18));
            bytes_put_byte(writer, (uint8_t)(0x80 | (character >> 12 & 0x3f)));
        }
        bytes_put_byte(writer, (uint8_t)(0x80 | (character >> 6 & 0x3f)));
    }
    bytes_put_byte(writer, (uint8_t)(0x80 | (character & 0x3f)));
}

/*
 * One \uXXXX, or two that are a surrogate pair. Half a pair is legal JSON, but
 * no character: it becomes U+FFFD. Returns the bytes read, 0 if malformed.
 */
static size_t decode_unit(struct bytes text, struct bytes_writer *texts)
{
    int32_t unit = unit_at(text);
    int32_t low = unit_at(bytes_skip(text, 6));

    if (unit < 0)
        return 0;
    if (unit >= 0xd800 && unit < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
        put_utf8(texts, 0x10000U + ((uint32_t)(unit - 0xd800) << 10) +
                            (uint32_t)(low - 0xdc00));
        return 12;
    }
    put_utf8(texts, unit >= 0xd800 && unit < 0xe000 ? 0xfffd : (uint32_t)unit);
    return 6;
}

/* One escape at the start of `text`. Returns the bytes read, 0 if malformed. */
static size_t decode_escape(struct bytes text, struct bytes_writer *texts)
{
    static const char names[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    const char *name;

    if (text.length < 2)
        return 0;
    if (text.data[1] == 'u')
        return decode_unit(text, texts);
    name = memchr(names, text.data[1], sizeof(names) - 1);
    if (!name)
        return 0;
    bytes_put_byte(texts, (uint8_t)meanings[name - names]);
    return 2;
}

/*
 * The raw text between the quotes, escapes checked for their length only.
 * Control characters must be escaped (RFC 8259, section 7).
 */
static bool take_raw(struct json_reader *reader, struct bytes *raw,
                     bool *has_escapes)
{
    size_t i = 0;

    if (!expect(reader, '"'))
        return false;
    *has_escapes = false;
    while (i < reader->rest.length && reader->rest.data[i] != '"') {
        if (reader->rest.data[i] < 0x20)
            return fail(reader);
        if (reader->rest.data[i] == '\\') {
            *has_escapes = true;
            i++;
        }
        i++;
    }
    if (i >= reader->rest.length)
        return fail(reader);
    *raw = bytes_of(reader->rest.data, i);
    advance(reader, i + 1);
    return true;
}

static bool decode_escapes(struct json_reader *reader, struct bytes raw,
                           struct bytes *text)
{
    struct bytes_writer *texts = reader->texts;
    size_t start = texts->length;

    while (raw.length > 0) {
        size_t count = 1;

        if (raw.data[0] == '\\')
            count = decode_escape(raw, texts);
        else
            bytes_put_byte(texts, raw.data[0]);
        if (count == 0 || texts->overrun)
            return fail(reader);
        raw = bytes_skip(raw, count);
    }
    *text = bytes_of(texts->data + start, texts->length - start);
    return true;
}

bool json_take_text(struct json_reader *reader, struct bytes *text)
{
    struct bytes raw;
    bool has_escapes;

    if (!take_raw(reader, &raw, &has_escapes))
        return false;
    if (has_escapes)
        return decode_escapes(reader, raw, text);
    *text = raw;
    return true;
}

/* A text nobody wants is decoded as well, to be checked, and forgotten. */
static bool skip_text(struct json_reader *reader)
{
    uint8_t memory[16];
    struct bytes raw;
    bool has_escapes;

    if (!take_raw(reader, &raw, &has_escapes))
        return false;
    while (has_escapes && raw.length > 0) {
        struct bytes_writer ignored = bytes_writer_on(memory, sizeof(memory));
        size_t count = 1;

        if (raw.data[0] == '\\')
            count = decode_escape(raw, &ignored);
        if (count == 0)
            return fail(reader);
        raw = bytes_skip(raw, count);
    }
    return true;
}

bool json_next_member(struct json_reader *reader, struct bytes *name)
{
    if (!next_value(reader, '}'))
        return false;
    if (!(name ? json_take_text(reader, name) : skip_text(reader)))
        return false;
    return expect(reader, ':');
}

static bool skip_word(struct json_reader *reader, const char *word)
{
    if (!bytes_start_with(reader->rest, word))
        return fail(reader);
    advance(reader, strlen(word));
    return true;
}

bool json_take_text_or_null(struct json_reader *reader, struct bytes *text)
{
    if (reader->is_wrong || peek(reader) != 'n')
        return json_take_text(reader, text);
    *text = bytes_of(NULL, 0);
    return skip_word(reader, "null");
}

/* Digits at the start of the rest; false if there is none. */
static bool skip_digits(struct json_reader *reader)
{
    size_t i = 0;

    while (i < reader->rest.length && reader->rest.data[i] >= '0' &&
           reader->rest.data[i] <= '9')
        i++;
    advance(reader, i);
    return i > 0 || fail(reader);
}

bool json_take_whole_or_null(struct json_reader *reader, uint64_t *number,
                             bool *is_there)
{
    struct bytes text;

    if (reader->is_wrong)
        return false;
    *is_there = peek(reader) != 'n';
    if (!*is_there)
        return skip_word(reader, "null");
    text = reader->rest;
    if (!skip_digits(reader))
        return false;
    text.length -= reader->rest.length;
    return bytes_parse_u64(text, number) || fail(reader);
}

static bool skip_one_of(struct json_reader *reader, const char *wanted)
{
    if (reader->rest.length == 0 || reader->rest.data[0] == 0 ||
        !strchr(wanted, reader->rest.data[0]))
        return false;
    advance(reader, 1);
    return true;
}

/* -?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)? */
static bool skip_number(struct json_reader *reader)
{
    (void)skip_one_of(reader, "-");
    if (!skip_one_of(reader, "0") && !skip_digits(reader))
        return false;
    if (skip_one_of(reader, ".") && !skip_digits(reader))
        return false;
    if (skip_one_of(reader, "eE")) {
        (void)skip_one_of(reader, "+-");
        return skip_digits(reader);
    }
    return true;
}

/* Read past a value, or into it if it is a container. */
static bool skip_or_enter(struct json_reader *reader)
{
    if (reader->is_wrong)
        return false;
    switch (peek(reader)) {
    case '{':
        return json_enter_object(reader);
    case '[':
        return json_enter_array(reader);
    case '"':
        return skip_text(reader);
    case 't':
        return skip_word(reader, "true");
    case 'f':
        return skip_word(reader, "false");
    case 'n':
        return skip_word(reader, "null");
    default:
        return skip_number(reader);
    }
}

static bool is_in_array(const struct json_reader *reader)
{
    return reader->arrays >> (reader->depth - 1) & 1;
}

bool json_skip(struct json_reader *reader)
{
    unsigned depth = reader->depth;

    (void)skip_or_enter(reader);
    while (!reader->is_wrong && reader->depth > depth) {
        bool has_value = is_in_array(reader) ? json_next_element(reader)
                                             : json_next_member(reader, NULL);

        if (has_value)
            (void)skip_or_enter(reader);
    }
    return !reader->is_wrong;
}

bool json_ended(struct json_reader *reader)
{
    return !reader->is_wrong && reader->depth == 0 && peek(reader) == 0 &&
           reader->rest.length == 0;
}
