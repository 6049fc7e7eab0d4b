/* SPDX-License-Identifier: Apache-2.0 */

/* kinesis_simulator_json - the JSON way (RFC 8259) to scan a body in place. */

#include "tests/support/kinesis_simulator_scan_ways.h"

static void skip_space(struct simulator_scan *scan)
{
    while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\n' ||
                                    *scan->at == '\r' || *scan->at == '\t'))
        scan->at++;
}

static bool take(struct simulator_scan *scan, uint8_t byte)
{
    skip_space(scan);
    if (scan->at == scan->end || *scan->at != byte)
        return false;
    scan->at++;
    return true;
}

static bool json_enter(struct simulator_scan *scan,
                       struct simulator_level *level)
{
    return take(scan, level->is_map ? '{' : '[');
}

static bool parse_hex4(const uint8_t *from, uint32_t *code)
{
    *code = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t c = from[i];
        uint32_t digit;

        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            digit = (uint32_t)((c | 32) - 'a' + 10);
        else
            return false;
        *code = *code << 4 | digit;
    }
    return true;
}

static uint8_t *put_utf8(uint8_t *to, uint32_t code)
{
    if (code < 0x80) {
        *to++ = (uint8_t)code;
        return to;
    }
    if (code < 0x800) {
        *to++ = (uint8_t)(0xc0 | code >> 6);
    } else if (code < 0x10000) {
        *to++ = (uint8_t)(0xe0 | code >> 12);
        *to++ = (uint8_t)(0x80 | (code >> 6 & 63));
    } else {
        *to++ = (uint8_t)(0xf0 | code >> 18);
        *to++ = (uint8_t)(0x80 | (code >> 12 & 63));
        *to++ = (uint8_t)(0x80 | (code >> 6 & 63));
    }
    *to++ = (uint8_t)(0x80 | (code & 63));
    return to;
}

/* After "\u": four digits, and the second half of a surrogate pair. */
static bool unescape_unicode(struct simulator_scan *scan, uint8_t **to)
{
    uint32_t code;
    uint32_t low;

    if (scan->end - scan->at < 4 || !parse_hex4(scan->at, &code))
        return false;
    scan->at += 4;
    if (code >= 0xd800 && code < 0xdc00) {
        if (scan->end - scan->at < 6 || scan->at[0] != '\\' ||
            scan->at[1] != 'u' || !parse_hex4(scan->at + 2, &low) ||
            low < 0xdc00 || low > 0xdfff)
            return false;
        scan->at += 6;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code <= 0xdfff) {
        return false;
    }
    *to = put_utf8(*to, code);
    return true;
}

static bool unescape_one(struct simulator_scan *scan, uint8_t **to)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    const char *letter;

    if (scan->at == scan->end)
        return false;
    if (*scan->at == 'u') {
        scan->at++;
        return unescape_unicode(scan, to);
    }
    letter = *scan->at ? strchr(letters, *scan->at) : NULL;
    if (!letter)
        return false;
    scan->at++;
    *(*to)++ = (uint8_t)meanings[letter - letters];
    return true;
}

/* The slow way: an escape never grows, so it is undone in place. */
static bool unescape_string(struct simulator_scan *scan, struct bytes *string)
{
    uint8_t *first = scan->at;
    uint8_t *to = first;

    while (scan->at < scan->end && *scan->at != '"') {
        uint8_t c = *scan->at++;

        if (c < 0x20)
            return false;
        if (c != '\\')
            *to++ = c;
        else if (!unescape_one(scan, &to))
            return false;
    }
    if (scan->at == scan->end)
        return false;
    scan->at++;
    *string = bytes_of(first, (size_t)(to - first));
    return true;
}

/* A blob is long and has no escapes: memchr() finds its end at full speed. */
static bool json_blob(struct simulator_scan *scan, struct bytes *blob)
{
    uint8_t *quote;
    size_t length;

    if (!take(scan, '"'))
        return false;
    quote = memchr(scan->at, '"', (size_t)(scan->end - scan->at));
    if (!quote)
        return false;
    length = (size_t)(quote - scan->at);
    if (memchr(scan->at, '\\', length))
        return unescape_string(scan, blob);
    *blob = bytes_of(scan->at, length);
    scan->at = quote + 1;
    return true;
}

static bool json_text(struct simulator_scan *scan, struct bytes *text)
{
    uint8_t *at;

    if (!take(scan, '"'))
        return false;
    for (at = scan->at; at < scan->end && *at != '"'; at++) {
        if (*at < 0x20)
            return false;
        if (*at == '\\')
            return unescape_string(scan, text) && bytes_are_utf8(*text);
    }
    if (at == scan->end)
        return false;
    *text = bytes_of(scan->at, (size_t)(at - scan->at));
    scan->at = at + 1;
    return bytes_are_utf8(*text);
}

static enum simulator_step json_next(struct simulator_scan *scan,
                                     struct simulator_level *level,
                                     struct bytes *name)
{
    if (take(scan, level->is_map ? '}' : ']'))
        return SIMULATOR_STEP_END;
    if (level->begun && !take(scan, ','))
        return SIMULATOR_STEP_WRONG;
    level->begun = true;
    if (level->is_map && !(json_text(scan, name) && take(scan, ':')))
        return SIMULATOR_STEP_WRONG;
    return SIMULATOR_STEP_VALUE;
}

static bool take_word(struct simulator_scan *scan, const char *word)
{
    size_t length = strlen(word);

    skip_space(scan);
    if ((size_t)(scan->end - scan->at) < length ||
        memcmp(scan->at, word, length) != 0)
        return false;
    scan->at += length;
    return true;
}

static bool json_take_null(struct simulator_scan *scan)
{
    return take_word(scan, "null");
}

static bool skip_number(struct simulator_scan *scan)
{
    uint8_t *first = scan->at;

    while (scan->at < scan->end && *scan->at &&
           strchr("+-.0123456789eE", *scan->at))
        scan->at++;
    return scan->at > first;
}

static bool json_skip(struct simulator_scan *scan, int depth)
{
    struct simulator_level level = { .is_map = false };
    struct bytes ignored;

    skip_space(scan);
    if (depth > SIMULATOR_SCAN_DEPTH || scan->at == scan->end)
        return false;
    if (*scan->at == '"')
        return json_text(scan, &ignored);
    if (*scan->at != '{' && *scan->at != '[')
        return take_word(scan, "null") || take_word(scan, "true") ||
               take_word(scan, "false") || skip_number(scan);
    level.is_map = *scan->at == '{';
    scan->at++;
    for (;;) {
        enum simulator_step step = json_next(scan, &level, &ignored);

        if (step != SIMULATOR_STEP_VALUE)
            return step == SIMULATOR_STEP_END;
        if (!json_skip(scan, depth + 1))
            return false;
    }
}

static bool json_is_at_end(struct simulator_scan *scan)
{
    skip_space(scan);
    return scan->at == scan->end;
}

const struct simulator_scan_way simulator_scan_json = {
    .enter = json_enter,
    .next = json_next,
    .take_null = json_take_null,
    .text = json_text,
    .blob = json_blob,
    .skip = json_skip,
    .is_at_end = json_is_at_end,
};
