/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/ini_file.h"

#include <strings.h>

static bool is_blank(uint8_t character)
{
    return character == ' ' || character == '\t' || character == '\r';
}

static struct bytes trimmed(struct bytes text)
{
    while (text.length > 0 && is_blank(text.data[0]))
        text = bytes_skip(text, 1);
    while (text.length > 0 && is_blank(text.data[text.length - 1]))
        text.length--;
    return text;
}

static bool begins_comment(uint8_t character)
{
    return character == '#' || character == ';';
}

/* A '#' inside a word belongs to the value; only after a blank it does not. */
static struct bytes without_comment(struct bytes value)
{
    for (size_t i = 0; i < value.length; i++)
        if (begins_comment(value.data[i]) &&
            (i == 0 || is_blank(value.data[i - 1])))
            return trimmed(bytes_of(value.data, i));
    return trimmed(value);
}

static struct bytes take_line(struct ini_reader *reader)
{
    const uint8_t *end = memchr(reader->rest.data, '\n', reader->rest.length);
    size_t length =
        end ? (size_t)(end - reader->rest.data) : reader->rest.length;
    struct bytes line = bytes_of(reader->rest.data, length);

    reader->rest = bytes_skip(reader->rest, length + 1);
    reader->line++;
    return line;
}

static bool take_section(struct ini_reader *reader, struct bytes line)
{
    const uint8_t *end = memchr(line.data, ']', line.length);

    if (!end)
        return false;
    reader->section =
        trimmed(bytes_of(line.data + 1, (size_t)(end - line.data) - 1));
    return true;
}

struct ini_reader ini_reader_on(struct bytes text)
{
    /* Some editors begin a file with U+FEFF. */
    if (bytes_start_with(text, "\xef\xbb\xbf"))
        text = bytes_skip(text, 3);
    return (struct ini_reader){ .rest = text };
}

static int parse_entry(const struct ini_reader *reader, struct bytes line,
                       struct ini_entry *entry)
{
    const uint8_t *equals = memchr(line.data, '=', line.length);
    struct bytes key;

    if (!equals || reader->section.length == 0)
        return INI_WRONG;
    key = trimmed(bytes_of(line.data, (size_t)(equals - line.data)));
    if (key.length == 0)
        return INI_WRONG;
    entry->section = reader->section;
    entry->key = key;
    entry->value = without_comment(
        trimmed(bytes_skip(line, (size_t)(equals - line.data) + 1)));
    return 0;
}

int ini_next(struct ini_reader *reader, struct ini_entry *entry)
{
    while (reader->rest.length > 0) {
        struct bytes line = take_line(reader);
        struct bytes text = trimmed(line);

        if (text.length == 0 || begins_comment(text.data[0]))
            continue;
        if (is_blank(line.data[0]))
            continue; /* nested */
        if (text.data[0] != '[')
            return parse_entry(reader, text, entry);
        if (!take_section(reader, text))
            return INI_WRONG;
    }
    return INI_END;
}

bool ini_key_is(const struct ini_entry *entry, const char *name)
{
    return entry->key.length == strlen(name) &&
           strncasecmp((const char *)entry->key.data, name,
                       entry->key.length) == 0;
}
