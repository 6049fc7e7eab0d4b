/* SPDX-License-Identifier: Apache-2.0 */

/*
 * kinesis_simulator_cbor - the CBOR way (RFC 8949) to scan a body in place.
 *
 * Both definite and indefinite lengths are read: the Java SDK sends the
 * latter.
 */

#include "tests/support/kinesis_simulator_scan_ways.h"

#define CBOR_NULL  0xf6
#define CBOR_BREAK 0xff

bool simulator_cbor_take_head(struct simulator_scan *scan,
                              struct simulator_cbor_head *head)
{
    uint8_t low;
    size_t width;

    if (scan->at == scan->end)
        return false;
    head->major = (enum simulator_cbor_major)(*scan->at >> 5);
    low = *scan->at++ & 31;
    head->indefinite = low == 31;
    head->value = low;
    if (low < 24)
        return true;
    if (low == 31)
        return head->major >= MAJOR_BYTES && head->major <= MAJOR_MAP;
    if (low > 27)
        return false;
    width = (size_t)1 << (low - 24);
    if ((size_t)(scan->end - scan->at) < width)
        return false;
    head->value = 0;
    for (size_t i = 0; i < width; i++)
        head->value = head->value << 8 | *scan->at++;
    return true;
}

static bool take_break(struct simulator_scan *scan)
{
    if (scan->at == scan->end || *scan->at != CBOR_BREAK)
        return false;
    scan->at++;
    return true;
}

static bool take_chunk(struct simulator_scan *scan, uint64_t length)
{
    if (length > (uint64_t)(scan->end - scan->at))
        return false;
    scan->at += length;
    return true;
}

/* A string in chunks is moved together over the heads between them. */
static bool take_chunks(struct simulator_scan *scan,
                        enum simulator_cbor_major major, struct bytes *string)
{
    uint8_t *first = scan->at;
    uint8_t *to = first;
    struct simulator_cbor_head head;

    while (!take_break(scan)) {
        const uint8_t *from;

        if (!simulator_cbor_take_head(scan, &head) || head.major != major ||
            head.indefinite)
            return false;
        from = scan->at;
        if (!take_chunk(scan, head.value))
            return false;
        memmove(to, from, head.value);
        to += head.value;
    }
    *string = bytes_of(first, (size_t)(to - first));
    return true;
}

static bool take_string(struct simulator_scan *scan,
                        enum simulator_cbor_major major, struct bytes *string)
{
    struct simulator_cbor_head head;

    if (!simulator_cbor_take_head(scan, &head) || head.major != major)
        return false;
    if (head.indefinite)
        return take_chunks(scan, major, string);
    *string = bytes_of(scan->at, head.value);
    return take_chunk(scan, head.value);
}

static bool cbor_blob(struct simulator_scan *scan, struct bytes *blob)
{
    return take_string(scan, MAJOR_BYTES, blob);
}

static bool cbor_text(struct simulator_scan *scan, struct bytes *text)
{
    return take_string(scan, MAJOR_TEXT, text) && bytes_are_utf8(*text);
}

static bool cbor_enter(struct simulator_scan *scan,
                       struct simulator_level *level)
{
    struct simulator_cbor_head head;

    if (!simulator_cbor_take_head(scan, &head) ||
        head.major != (level->is_map ? MAJOR_MAP : MAJOR_ARRAY))
        return false;
    level->counted = !head.indefinite;
    level->left = head.value;
    return true;
}

static enum simulator_step cbor_next(struct simulator_scan *scan,
                                     struct simulator_level *level,
                                     struct bytes *name)
{
    if (level->counted ? level->left == 0 : take_break(scan))
        return SIMULATOR_STEP_END;
    level->left--;
    if (level->is_map && !cbor_text(scan, name))
        return SIMULATOR_STEP_WRONG;
    return scan->at < scan->end ? SIMULATOR_STEP_VALUE : SIMULATOR_STEP_WRONG;
}

static bool cbor_take_null(struct simulator_scan *scan)
{
    if (scan->at == scan->end || *scan->at != CBOR_NULL)
        return false;
    scan->at++;
    return true;
}

static bool cbor_skip(struct simulator_scan *scan, int depth);

static bool skip_values(struct simulator_scan *scan,
                        const struct simulator_cbor_head *head, int depth)
{
    struct simulator_level level = {
        .counted = !head->indefinite,
        .left = head->value,
        .is_map = head->major == MAJOR_MAP,
    };
    struct bytes ignored;
    enum simulator_step step;

    while ((step = cbor_next(scan, &level, &ignored)) == SIMULATOR_STEP_VALUE)
        if (!cbor_skip(scan, depth + 1))
            return false;
    return step == SIMULATOR_STEP_END;
}

static bool cbor_skip(struct simulator_scan *scan, int depth)
{
    struct simulator_cbor_head head;
    struct bytes ignored;

    if (depth > SIMULATOR_SCAN_DEPTH || !simulator_cbor_take_head(scan, &head))
        return false;
    switch (head.major) {
    case MAJOR_UNSIGNED:
    case MAJOR_NEGATIVE:
    case MAJOR_SIMPLE:
        return true;
    case MAJOR_BYTES:
    case MAJOR_TEXT:
        return head.indefinite ? take_chunks(scan, head.major, &ignored)
                               : take_chunk(scan, head.value);
    case MAJOR_TAG:
        return cbor_skip(scan, depth + 1);
    case MAJOR_ARRAY:
    case MAJOR_MAP:
        return skip_values(scan, &head, depth);
    }
    return false;
}

static bool cbor_is_at_end(struct simulator_scan *scan)
{
    return scan->at == scan->end;
}

const struct simulator_scan_way simulator_scan_cbor = {
    .enter = cbor_enter,
    .next = cbor_next,
    .take_null = cbor_take_null,
    .text = cbor_text,
    .blob = cbor_blob,
    .skip = cbor_skip,
    .is_at_end = cbor_is_at_end,
};
