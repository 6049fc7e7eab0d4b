/* SPDX-License-Identifier: Apache-2.0 */

#include "ingest/json_scanner.h"

/* Where the scan is; `at` never passes `end`. */
struct scan {
    const uint8_t *at;
    const uint8_t *end;
};

/* A string between its quotes, as it stands in the body. */
struct json_text {
    struct bytes raw;
    bool has_escape;
};

int json_path_parse(struct bytes text, struct json_path *path)
{
    struct json_path result = { .count = 0 };
    size_t length = 0;
    size_t start = 0;

    if (text.length > JSON_PATH_LENGTH_MOST)
        return JSON_PATH_WRONG;
    for (size_t i = 0; i <= text.length; i++) {
        bool ends = i == text.length || text.data[i] == '.';

        if (ends && (length == start || result.count == JSON_PATH_KEYS_MOST))
            return JSON_PATH_WRONG;
        if (ends) {
            result.ends[result.count++] = (uint16_t)length;
            start = length;
            continue;
        }
        if (text.data[i] == '\\') {
            i++;
            if (i == text.length ||
                (text.data[i] != '.' && text.data[i] != '\\'))
                return JSON_PATH_WRONG;
        }
        result.text[length++] = text.data[i];
    }
    *path = result;
    return 0;
}

static struct bytes path_key(const struct json_path *path, size_t level)
{
    size_t start = level > 0 ? path->ends[level - 1] : 0;

    return bytes_of(path->text + start, path->ends[level] - start);
}

static void skip_space(struct scan *scan)
{
    while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\n' ||
                                    *scan->at == '\r' || *scan->at == '\t'))
        scan->at++;
}

/* Step over `byte`, and the space around it. Returns false if it is not next. */
static bool skip_byte(struct scan *scan, uint8_t byte)
{
    skip_space(scan);
    if (scan->at == scan->end || *scan->at != byte)
        return false;
    scan->at++;
    skip_space(scan);
    return true;
}

#define EVERY_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/*
 * Bytes of `word` that are zero get their top bit set. A carry may set the bit
 * of a byte above a true zero, never below one: the lowest bit is right.
 */
static uint64_t zero_bytes(uint64_t word)
{
    return (word - EVERY_BYTE(0x01)) & ~word & EVERY_BYTE(0x80);
}

/* The first quote or backslash from `at` on; `end` if there is none. */
static const uint8_t *find_quote_or_backslash(const uint8_t *at,
                                              const uint8_t *end)
{
    while (end - at >= 8) {
        uint64_t word;
        uint64_t hits;

        memcpy(&word, at, sizeof(word));
        hits = zero_bytes(word ^ EVERY_BYTE('"')) |
               zero_bytes(word ^ EVERY_BYTE('\\'));
        if (hits)
            return at + __builtin_ctzll(hits) / 8;
        at += 8;
    }
    while (at < end && *at != '"' && *at != '\\')
        at++;
    return at;
}

/* Read the string whose opening quote is behind; false if it has no end. */
static bool read_text(struct scan *scan, struct json_text *text)
{
    const uint8_t *start = scan->at;
    bool has_escape = false;

    for (;;) {
        const uint8_t *stop = find_quote_or_backslash(scan->at, scan->end);

        if (stop == scan->end)
            return false;
        if (*stop == '"') {
            text->raw = bytes_of(start, (size_t)(stop - start));
            text->has_escape = has_escape;
            scan->at = stop + 1;
            return true;
        }
        if (scan->end - stop < 2)
            return false;
        has_escape = true;
        scan->at = stop + 2; /* also over \" and \\ */
    }
}

/*
 * Step over the object or array whose opening bracket is behind. Which bracket
 * closes which is not checked, so that depth is a number and not a stack.
 */
static bool skip_container(struct scan *scan)
{
    size_t depth = 1;
    struct json_text text;

    while (scan->at < scan->end) {
        switch (*scan->at++) {
        case '"':
            if (!read_text(scan, &text))
                return false;
            break;
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            if (--depth == 0)
                return true;
            break;
        default:
            break;
        }
    }
    return false;
}

/*
 * A number, true, false or null: the bytes up to what ends it, which must be
 * there, for otherwise more of it may have been cut off.
 */
static bool read_bare(struct scan *scan, struct bytes *bare)
{
    const uint8_t *start = scan->at;

    for (; scan->at < scan->end; scan->at++) {
        uint8_t byte = *scan->at;

        if (byte == ',' || byte == '}' || byte == ']' || byte == ' ' ||
            byte == '\n' || byte == '\r' || byte == '\t') {
            *bare = bytes_of(start, (size_t)(scan->at - start));
            return bare->length > 0;
        }
    }
    return false;
}

static bool skip_value(struct scan *scan)
{
    struct json_text text;
    struct bytes bare;

    if (scan->at == scan->end)
        return false;
    switch (*scan->at) {
    case '"':
        scan->at++;
        return read_text(scan, &text);
    case '{':
    case '[':
        scan->at++;
        return skip_container(scan);
    default:
        return read_bare(scan, &bare);
    }
}

/* The four digits of \uXXXX, or -1. */
static int hexadecimal_unit(struct bytes digits)
{
    int unit = 0;

    if (digits.length < 4)
        return -1;
    for (size_t i = 0; i < 4; i++) {
        uint8_t digit = digits.data[i];
        uint8_t letter = (uint8_t)((digit | 0x20) - 'a');

        if (digit >= '0' && digit <= '9')
            unit = unit * 16 + digit - '0';
        else if (letter < 6)
            unit = unit * 16 + letter + 10;
        else
            return -1;
    }
    return unit;
}

static void put_utf8(struct bytes_writer *writer, unsigned point)
{
    if (point < 0x80) {
        bytes_put_byte(writer, (uint8_t)point);
        return;
    }
    if (point < 0x800) {
        bytes_put_byte(writer, (uint8_t)(0xc0 | point >> 6));
    } else if (point < 0x10000) {
        bytes_put_byte(writer, (uint8_t)(0xe0 | point >> 12));
        bytes_put_byte(writer, (uint8_t)(0x80 | (point >> 6 & 0x3f)));
    } else {
        bytes_put_byte(writer, (uint8_t)(0xf0 | point >> 18));
        bytes_put_byte(writer, (uint8_t)(0x80 | (point >> 12 & 0x3f)));
        bytes_put_byte(writer, (uint8_t)(0x80 | (point >> 6 & 0x3f)));
    }
    bytes_put_byte(writer, (uint8_t)(0x80 | (point & 0x3f)));
}

/*
 * Unescape the \u at the start of `rest` (RFC 8259, section 7) and return its
 * length, twelve if two surrogates make one character; 0 if it is none.
 */
static size_t put_unicode(struct bytes_writer *writer, struct bytes rest)
{
    int first = hexadecimal_unit(bytes_skip(rest, 2));
    int second = -1;

    if (first < 0)
        return 0;
    if (first >= 0xd800 && first < 0xdc00 && rest.length >= 12 &&
        rest.data[6] == '\\' && rest.data[7] == 'u')
        second = hexadecimal_unit(bytes_skip(rest, 8));
    if (second < 0xdc00 || second > 0xdfff) {
        put_utf8(writer, (unsigned)first);
        return 6;
    }
    put_utf8(writer, 0x10000u + ((unsigned)(first - 0xd800) << 10) +
                         (unsigned)(second - 0xdc00));
    return 12;
}

/* Unescape the backslash at the start of `rest`; its length, 0 if wrong. */
static size_t put_escape(struct bytes_writer *writer, struct bytes rest)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    const char *letter;

    if (rest.length < 2)
        return 0;
    if (rest.data[1] == 'u')
        return put_unicode(writer, rest);
    letter = memchr(letters, rest.data[1], sizeof(letters) - 1);
    if (!letter)
        return 0;
    bytes_put_byte(writer, (uint8_t)meanings[letter - letters]);
    return 2;
}

/* Returns false if an escape is none; the writer tells what did not fit. */
static bool unescape(struct bytes raw, struct bytes_writer *writer)
{
    while (raw.length > 0) {
        const uint8_t *backslash = memchr(raw.data, '\\', raw.length);
        size_t length = raw.length;

        if (backslash)
            length = (size_t)(backslash - raw.data);
        bytes_put(writer, bytes_of(raw.data, length));
        raw = bytes_skip(raw, length);
        if (raw.length == 0)
            break;
        length = put_escape(writer, raw);
        if (length == 0)
            return false;
        raw = bytes_skip(raw, length);
    }
    return true;
}

static bool is_key(const struct json_text *name, struct bytes key)
{
    uint8_t memory[JSON_PATH_LENGTH_MOST];
    struct bytes_writer writer = bytes_writer_on(memory, sizeof(memory));

    if (!name->has_escape)
        return bytes_equal(name->raw, key);
    return unescape(name->raw, &writer) && !writer.overrun &&
           bytes_equal(bytes_written(&writer), key);
}

/*
 * Move from behind an object's opening bracket to the value of its first `key`.
 * Returns 0, JSON_MISSING or JSON_INVALID.
 */
static int find_member(struct scan *scan, struct bytes key)
{
    if (skip_byte(scan, '}'))
        return JSON_MISSING;
    for (;;) {
        struct json_text name;

        if (scan->at == scan->end || *scan->at++ != '"' ||
            !read_text(scan, &name) || !skip_byte(scan, ':'))
            return JSON_INVALID;
        if (is_key(&name, key))
            return 0;
        if (!skip_value(scan))
            return JSON_INVALID;
        if (skip_byte(scan, ','))
            continue;
        return skip_byte(scan, '}') ? JSON_MISSING : JSON_INVALID;
    }
}

static size_t count_digits(struct bytes text)
{
    size_t count = 0;

    while (count < text.length && text.data[count] >= '0' &&
           text.data[count] <= '9')
        count++;
    return count;
}

/* RFC 8259, section 6: -? (0 | 1-9 digits) (. digits)? (e +-? digits)? */
static bool is_number(struct bytes text)
{
    size_t digits;

    if (text.length > 0 && text.data[0] == '-')
        text = bytes_skip(text, 1);
    digits = count_digits(text);
    if (digits == 0 || (digits > 1 && text.data[0] == '0'))
        return false;
    text = bytes_skip(text, digits);
    if (text.length > 0 && text.data[0] == '.') {
        digits = count_digits(bytes_skip(text, 1));
        if (digits == 0)
            return false;
        text = bytes_skip(text, 1 + digits);
    }
    if (text.length == 0)
        return true;
    if ((text.data[0] | 0x20) != 'e')
        return false;
    text = bytes_skip(text, 1);
    if (text.length > 0 && (text.data[0] == '+' || text.data[0] == '-'))
        text = bytes_skip(text, 1);
    digits = count_digits(text);
    return digits > 0 && digits == text.length;
}

static int take_text(struct scan *scan, struct bytes_writer *memory,
                     struct bytes *value)
{
    struct json_text text;

    if (!read_text(scan, &text))
        return JSON_INVALID;
    if (text.has_escape && !unescape(text.raw, memory))
        return JSON_INVALID;
    *value = text.raw;
    if (!text.has_escape)
        return 0;
    if (memory->overrun)
        return JSON_TOO_LONG;
    *value = bytes_written(memory);
    return 0;
}

static int take_bare(struct scan *scan, struct bytes *value)
{
    struct bytes bare;

    if (!read_bare(scan, &bare))
        return JSON_INVALID;
    if (bytes_equal_text(bare, "null"))
        return JSON_IS_NULL;
    if (!bytes_equal_text(bare, "true") && !bytes_equal_text(bare, "false") &&
        !is_number(bare))
        return JSON_INVALID;
    *value = bare;
    return 0;
}

static int take_value(struct scan *scan, struct bytes_writer *memory,
                      struct bytes *value)
{
    if (scan->at == scan->end)
        return JSON_INVALID;
    if (*scan->at == '{' || *scan->at == '[')
        return JSON_IS_CONTAINER;
    if (*scan->at != '"')
        return take_bare(scan, value);
    scan->at++;
    return take_text(scan, memory, value);
}

int json_find(struct bytes body, const struct json_path *path,
              struct bytes_writer *memory, struct bytes *value)
{
    struct scan scan;

    if (bytes_start_with(body, "\xef\xbb\xbf"))
        body = bytes_skip(body, 3);
    if (body.length == 0)
        return JSON_INVALID; /* there may be no pointer to add to */
    scan = (struct scan){ .at = body.data, .end = body.data + body.length };
    if (!skip_byte(&scan, '{'))
        return JSON_INVALID;
    for (size_t level = 0;; level++) {
        int result = find_member(&scan, path_key(path, level));

        if (result)
            return result;
        if (level + 1 == path->count)
            return take_value(&scan, memory, value);
        if (scan.at == scan.end)
            return JSON_INVALID;
        if (*scan.at++ != '{')
            return JSON_MISSING;
    }
}
