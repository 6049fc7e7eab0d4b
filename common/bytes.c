/* SPDX-License-Identifier: Apache-2.0 */

#include "common/bytes.h"

bool bytes_parse_u64(struct bytes text, uint64_t *value)
{
    uint64_t sum = 0;

    if (text.length == 0)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        unsigned digit = (unsigned)text.data[i] - '0';

        if (digit > 9 || __builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_add_overflow(sum, digit, &sum))
            return false;
    }
    *value = sum;
    return true;
}

/*
 * The length of the well-formed sequence at the start of `text`, or 0. The
 * bounds on the second byte are table 3-7 of the Unicode standard: they keep
 * out overlong forms, surrogates and everything above U+10FFFF.
 */
static size_t utf8_sequence_length(struct bytes text)
{
    uint8_t first = text.data[0];
    uint8_t low = 0x80;
    uint8_t high = 0xbf;
    size_t length;

    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (text.length < length)
        return 0;
    if (first == 0xe0)
        low = 0xa0;
    if (first == 0xed)
        high = 0x9f;
    if (first == 0xf0)
        low = 0x90;
    if (first == 0xf4)
        high = 0x8f;
    if (text.data[1] < low || text.data[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((text.data[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

bool bytes_are_utf8(struct bytes text)
{
    while (text.length > 0) {
        size_t length = utf8_sequence_length(text);

        if (length == 0)
            return false;
        text = bytes_skip(text, length);
    }
    return true;
}

void bytes_put_decimal(struct bytes_writer *writer, uint64_t value)
{
    char digits[20];
    size_t first = sizeof(digits);

    do {
        digits[--first] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    bytes_put(writer, bytes_of(digits + first, sizeof(digits) - first));
}

void bytes_put_hex(struct bytes_writer *writer, struct bytes bytes)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t *place = bytes_claim(writer, 2 * bytes.length);

    if (!place)
        return;
    for (size_t i = 0; i < bytes.length; i++) {
        place[2 * i] = (uint8_t)digits[bytes.data[i] >> 4];
        place[2 * i + 1] = (uint8_t)digits[bytes.data[i] & 15];
    }
}
