/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/cbor_reader.h"

/* RFC 8949, section 3: the upper three bits of a value's first byte. */
enum major {
    MAJOR_UNSIGNED,
    MAJOR_NEGATIVE,
    MAJOR_BYTES,
    MAJOR_TEXT,
    MAJOR_ARRAY,
    MAJOR_MAP,
    MAJOR_TAG,
    MAJOR_SIMPLE,
};

#define INDEFINITE  31 /* additional information: a break ends it */
#define BREAK       0xff
#define SIMPLE_NULL 22
#define WIDTH_FIRST 24 /* additional information of a one-byte argument */
#define WIDTH_LAST  27 /* and of eight bytes */

/* What stands in front of a value. */
struct head {
    enum major major;
    unsigned extra; /* additional information */
    uint64_t argument;
};

void cbor_reader_init(struct cbor_reader *reader, struct bytes input,
                      struct bytes_writer *texts)
{
    reader->rest = input;
    reader->texts = texts;
    reader->depth = 0;
    reader->is_wrong = false;
}

static bool fail(struct cbor_reader *reader)
{
    reader->is_wrong = true;
    return false;
}

static bool take_byte(struct cbor_reader *reader, uint8_t *byte)
{
    if (reader->is_wrong || reader->rest.length == 0)
        return fail(reader);
    *byte = reader->rest.data[0];
    reader->rest = bytes_skip(reader->rest, 1);
    return true;
}

static bool read_argument(struct cbor_reader *reader, struct head *head)
{
    size_t width = (size_t)1 << (head->extra - WIDTH_FIRST);

    head->argument = 0;
    for (size_t i = 0; i < width; i++) {
        uint8_t byte;

        if (!take_byte(reader, &byte))
            return false;
        head->argument = head->argument << 8 | byte;
    }
    return true;
}

static bool read_head(struct cbor_reader *reader, struct head *head)
{
    uint8_t first;

    if (!take_byte(reader, &first))
        return false;
    head->major = (enum major)(first >> 5);
    head->extra = first & 31;
    head->argument = head->extra;
    if (head->extra >= WIDTH_FIRST && head->extra <= WIDTH_LAST)
        return read_argument(reader, head);
    if (head->extra > WIDTH_LAST && head->extra != INDEFINITE)
        return fail(reader);
    /* Numbers and tags have no indefinite form; a break stands nowhere here. */
    if (head->extra == INDEFINITE &&
        (head->major < MAJOR_BYTES || head->major >= MAJOR_TAG))
        return fail(reader);
    return true;
}

/* The head of a value, past its tags. */
static bool read_value_head(struct cbor_reader *reader, struct head *head)
{
    do {
        if (!read_head(reader, head))
            return false;
    } while (head->major == MAJOR_TAG);
    return true;
}

static bool is_at_break(const struct cbor_reader *reader)
{
    return reader->rest.length > 0 && reader->rest.data[0] == BREAK;
}

/* --- texts and byte strings */

static bool take_run(struct cbor_reader *reader, uint64_t length,
                     struct bytes *run)
{
    if (length > reader->rest.length)
        return fail(reader);
    *run = bytes_of(reader->rest.data, (size_t)length);
    reader->rest = bytes_skip(reader->rest, (size_t)length);
    return true;
}

/* Chunks up to a break, each a definite string of the same kind. */
static bool take_chunks(struct cbor_reader *reader, enum major major,
                        struct bytes_writer *into)
{
    struct bytes chunk;
    struct head head;

    while (!is_at_break(reader)) {
        if (!read_head(reader, &head) || head.major != major ||
            head.extra == INDEFINITE ||
            !take_run(reader, head.argument, &chunk) ||
            (major == MAJOR_TEXT && !bytes_are_utf8(chunk)))
            return fail(reader);
        if (into)
            bytes_put(into, chunk);
    }
    reader->rest = bytes_skip(reader->rest, 1);
    return !into || !into->overrun || fail(reader);
}

static bool take_text(struct cbor_reader *reader, const struct head *head,
                      struct bytes *text)
{
    size_t start = reader->texts->length;

    if (head->extra != INDEFINITE)
        return (take_run(reader, head->argument, text) &&
                bytes_are_utf8(*text)) ||
               fail(reader);
    if (!take_chunks(reader, MAJOR_TEXT, reader->texts))
        return false;
    *text = bytes_skip(bytes_written(reader->texts), start);
    return true;
}

bool cbor_take_text_or_null(struct cbor_reader *reader, struct bytes *text)
{
    struct head head;

    if (!read_value_head(reader, &head))
        return false;
    if (head.major == MAJOR_SIMPLE && head.extra == SIMPLE_NULL) {
        *text = bytes_of(NULL, 0);
        return true;
    }
    if (head.major != MAJOR_TEXT)
        return fail(reader);
    return take_text(reader, &head, text);
}

bool cbor_take_whole_or_null(struct cbor_reader *reader, uint64_t *number,
                             bool *is_there)
{
    struct head head;

    if (!read_value_head(reader, &head))
        return false;
    *is_there = head.major == MAJOR_UNSIGNED;
    if (head.major == MAJOR_SIMPLE && head.extra == SIMPLE_NULL)
        return true;
    if (head.major != MAJOR_UNSIGNED)
        return fail(reader);
    *number = head.argument;
    return true;
}

/* --- containers */

static bool enter(struct cbor_reader *reader, const struct head *head)
{
    if (reader->depth == CBOR_DEPTH_MOST)
        return fail(reader);
    reader->containers[reader->depth++] = (struct cbor_container){
        .left = head->argument,
        .is_map = head->major == MAJOR_MAP,
        .is_indefinite = head->extra == INDEFINITE,
    };
    return true;
}

static bool enter_major(struct cbor_reader *reader, enum major major)
{
    struct head head;

    if (!read_value_head(reader, &head))
        return false;
    return head.major == major ? enter(reader, &head) : fail(reader);
}

bool cbor_enter_map(struct cbor_reader *reader)
{
    return enter_major(reader, MAJOR_MAP);
}

bool cbor_enter_array(struct cbor_reader *reader)
{
    return enter_major(reader, MAJOR_ARRAY);
}

/* False at the end of the innermost container, which is left. */
static bool next(struct cbor_reader *reader)
{
    struct cbor_container *container;

    if (reader->is_wrong || reader->depth == 0)
        return fail(reader);
    container = &reader->containers[reader->depth - 1];
    if (container->is_indefinite ? !is_at_break(reader) : container->left > 0) {
        container->left -= !container->is_indefinite;
        return true;
    }
    if (container->is_indefinite)
        reader->rest = bytes_skip(reader->rest, 1);
    reader->depth--;
    return false;
}

bool cbor_next_element(struct cbor_reader *reader)
{
    return next(reader);
}

bool cbor_next_member(struct cbor_reader *reader, struct bytes *name)
{
    if (!next(reader))
        return false;
    if (!cbor_take_text_or_null(reader, name))
        return false;
    return name->data || fail(reader);
}

/* --- what nobody asked for */

/* Read past a value that is no container, or enter it. */
static bool skip_one(struct cbor_reader *reader)
{
    struct bytes ignored;
    struct head head;

    if (!read_value_head(reader, &head))
        return false;
    switch (head.major) {
    case MAJOR_BYTES:
    case MAJOR_TEXT:
        if (head.extra == INDEFINITE)
            return take_chunks(reader, head.major, NULL);
        return (take_run(reader, head.argument, &ignored) &&
                (head.major == MAJOR_BYTES || bytes_are_utf8(ignored))) ||
               fail(reader);
    case MAJOR_ARRAY:
    case MAJOR_MAP:
        return enter(reader, &head);
    case MAJOR_UNSIGNED:
    case MAJOR_NEGATIVE:
    case MAJOR_TAG:
    case MAJOR_SIMPLE:
        break;
    }
    return true;
}

bool cbor_skip(struct cbor_reader *reader)
{
    unsigned depth = reader->depth;

    if (!skip_one(reader))
        return false;
    while (reader->depth > depth) {
        bool is_map = reader->containers[reader->depth - 1].is_map;

        if (!next(reader)) {
            if (reader->is_wrong)
                return false;
            continue;
        }
        /* A name of a kind that nobody reads is not worth following. */
        if (is_map) {
            unsigned before = reader->depth;

            if (!skip_one(reader) || reader->depth != before)
                return fail(reader);
        }
        if (!skip_one(reader))
            return false;
    }
    return true;
}

bool cbor_ended(const struct cbor_reader *reader)
{
    return !reader->is_wrong && reader->depth == 0 && reader->rest.length == 0;
}
