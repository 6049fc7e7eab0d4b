/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/kinesis_simulator_base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "abcdefghijklmnopqrstuvwxyz0123456789+/";

#define NO_DIGIT UINT32_C(0x80000000)

/*
 * One table per place in a group of four, with the digit already shifted:
 * four loads and three ORs give three bytes, and NO_DIGIT survives the ORs.
 */
static uint32_t digits[4][256];

static void fill_digits(void)
{
    for (unsigned place = 0; place < 4; place++) {
        for (unsigned i = 0; i < 256; i++)
            digits[place][i] = NO_DIGIT;
        for (unsigned i = 0; i < 64; i++)
            digits[place][(uint8_t)alphabet[i]] = i << (18 - 6 * place);
    }
}

static size_t padding_of(struct bytes text)
{
    if (text.length == 0 || text.data[text.length - 1] != '=')
        return 0;
    return text.data[text.length - 2] == '=' ? 2 : 1;
}

bool simulator_base64_length(struct bytes text, size_t *length)
{
    if (text.length % 4 != 0)
        return false;
    *length = text.length / 4 * 3 - padding_of(text);
    return true;
}

static uint32_t group_of(const uint8_t *from)
{
    return digits[0][from[0]] | digits[1][from[1]] | digits[2][from[2]] |
           digits[3][from[3]];
}

/* The last group may be padded: 'A' stands for the missing digits. */
static bool decode_last(const uint8_t *from, size_t padding, uint8_t *to)
{
    uint8_t last[4];
    uint32_t group;

    memcpy(last, from, sizeof(last));
    for (size_t i = 0; i < padding; i++)
        last[3 - i] = 'A';
    group = group_of(last);
    if (group & NO_DIGIT)
        return false;
    for (size_t i = 0; i < 3 - padding; i++)
        to[i] = (uint8_t)(group >> (16 - 8 * i));
    return true;
}

bool simulator_base64_decode(struct bytes text, uint8_t *to, size_t *length)
{
    size_t groups = text.length / 4;
    size_t padding;
    uint32_t wrong = 0;

    if (digits[0][0] == 0)
        fill_digits();
    if (!simulator_base64_length(text, length))
        return false;
    if (groups == 0)
        return true;
    padding = padding_of(text);
    for (size_t i = 0; i + 1 < groups; i++) {
        uint32_t group = group_of(text.data + 4 * i);

        wrong |= group;
        to[3 * i] = (uint8_t)(group >> 16);
        to[3 * i + 1] = (uint8_t)(group >> 8);
        to[3 * i + 2] = (uint8_t)group;
    }
    return !(wrong & NO_DIGIT) && decode_last(text.data + 4 * (groups - 1),
                                              padding, to + 3 * (groups - 1));
}

void simulator_base64_encode(struct bytes from, uint8_t *to)
{
    size_t i = 0;

    for (; i + 3 <= from.length; i += 3, to += 4) {
        uint32_t group = (uint32_t)from.data[i] << 16 |
                         (uint32_t)from.data[i + 1] << 8 | from.data[i + 2];

        for (unsigned place = 0; place < 4; place++)
            to[place] = (uint8_t)alphabet[group >> (18 - 6 * place) & 63];
    }
    if (i < from.length) {
        bool two = from.length - i == 2;
        uint32_t group = (uint32_t)from.data[i] << 16 |
                         (two ? (uint32_t)from.data[i + 1] << 8 : 0);

        to[0] = (uint8_t)alphabet[group >> 18];
        to[1] = (uint8_t)alphabet[group >> 12 & 63];
        to[2] = two ? (uint8_t)alphabet[group >> 6 & 63] : '=';
        to[3] = '=';
    }
}
