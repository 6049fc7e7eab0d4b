/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * bytes - a view of bytes somebody else owns, and a writer that cannot overrun.
 *
 * A view is passed by value and never outlives the memory it looks at. A
 * writer fills memory of the caller; when something does not fit it writes
 * nothing more and remembers `overrun`, so that a long encoding is checked
 * once, at its end.
 */

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

struct bytes {
    const uint8_t *data; /* may be NULL when length is 0 */
    size_t length;       /* bytes */
};

static inline struct bytes bytes_of(const void *data, size_t length)
{
    return (struct bytes){ .data = data, .length = length };
}

static inline struct bytes bytes_of_text(const char *text)
{
    return bytes_of(text, strlen(text));
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.length == b.length &&
           (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

static inline bool bytes_equal_text(struct bytes a, const char *text)
{
    return bytes_equal(a, bytes_of_text(text));
}

static inline bool bytes_start_with(struct bytes a, const char *prefix)
{
    size_t length = strlen(prefix);

    return a.length >= length && memcmp(a.data, prefix, length) == 0;
}

/* What is left of `a` after its first `count` bytes; empty if it is shorter. */
static inline struct bytes bytes_skip(struct bytes a, size_t count)
{
    if (count >= a.length)
        return bytes_of(NULL, 0);
    return bytes_of(a.data + count, a.length - count);
}

/*
 * Parse an unsigned decimal number that is the whole of `text`: digits only,
 * at least one. Returns false, and leaves *value, if it is not or does not fit.
 */
bool bytes_parse_u64(struct bytes text, uint64_t *value);

/* True if `text` is well-formed UTF-8 (RFC 3629); empty text is. */
bool bytes_are_utf8(struct bytes text);

struct bytes_writer {
    uint8_t *data;   /* the caller's memory */
    size_t capacity; /* bytes */
    size_t length;   /* bytes written; never more than capacity */
    bool overrun;    /* something did not fit; nothing was written since */
};

static inline struct bytes_writer bytes_writer_on(void *data, size_t capacity)
{
    return (struct bytes_writer){ .data = data, .capacity = capacity };
}

static inline struct bytes bytes_written(const struct bytes_writer *writer)
{
    return bytes_of(writer->data, writer->length);
}

/*
 * Claim `count` bytes and return where they begin, for the caller to fill.
 * Returns NULL, and marks the overrun, if they do not fit.
 */
static inline uint8_t *bytes_claim(struct bytes_writer *writer, size_t count)
{
    uint8_t *place = writer->data + writer->length;

    if (writer->overrun || count > writer->capacity - writer->length) {
        writer->overrun = true;
        return NULL;
    }
    writer->length += count;
    return place;
}

static inline void bytes_put(struct bytes_writer *writer, struct bytes bytes)
{
    uint8_t *place = bytes_claim(writer, bytes.length);

    if (place && bytes.length > 0)
        memcpy(place, bytes.data, bytes.length);
}

static inline void bytes_put_byte(struct bytes_writer *writer, uint8_t byte)
{
    uint8_t *place = bytes_claim(writer, 1);

    if (place)
        *place = byte;
}

static inline void bytes_put_text(struct bytes_writer *writer, const char *text)
{
    bytes_put(writer, bytes_of_text(text));
}

void bytes_put_decimal(struct bytes_writer *writer, uint64_t value);

/* Two lower-case hexadecimal digits per byte. */
void bytes_put_hex(struct bytes_writer *writer, struct bytes bytes);

static inline uint16_t bytes_load_be16(const uint8_t *from)
{
    return (uint16_t)(from[0] << 8 | from[1]);
}

static inline uint32_t bytes_load_be32(const uint8_t *from)
{
    uint32_t value;

    memcpy(&value, from, sizeof(value));
    return __builtin_bswap32(value);
}

static inline uint64_t bytes_load_be64(const uint8_t *from)
{
    uint64_t value;

    memcpy(&value, from, sizeof(value));
    return __builtin_bswap64(value);
}

static inline void bytes_store_be32(uint8_t *to, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(to, &value, sizeof(value));
}

static inline void bytes_store_be64(uint8_t *to, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(to, &value, sizeof(value));
}

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "the queue layout and the loads above are little endian");
