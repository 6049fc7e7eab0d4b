/* SPDX-License-Identifier: Apache-2.0 */

#include "common/base64.h"

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/* 1 in each byte of `sixes` (all below 64) that is `least` or more. */
static uint64_t at_least(uint64_t sixes, unsigned least)
{
    return (sixes + EACH_BYTE(128U - least)) >> 7 & EACH_BYTE(1U);
}

/*
 * Eight numbers below 64 -> eight characters. The alphabet is five runs; each
 * step of it is added where the number is beyond it. No byte overflows into its
 * neighbour on the way: the sums stay between 43 and 134.
 */
static uint64_t to_characters(uint64_t sixes)
{
    uint64_t characters = sixes + EACH_BYTE((unsigned)'A');

    characters += at_least(sixes, 26) * ('a' - 'A' - 26);
    characters -= at_least(sixes, 52) * ('a' + 26 - '0');
    characters -= at_least(sixes, 62) * ('0' + 10 - '+');
    characters += at_least(sixes, 63) * ('/' - '+' - 1);
    return characters;
}

/* The 48 highest bits -> eight numbers of 6 bits, the first one highest. */
static uint64_t to_sixes(uint64_t bits)
{
    uint64_t halves = bits >> 40 << 32 | (bits >> 16 & 0xffffff);

    halves = (halves & UINT64_C(0x00fff00000fff000)) << 4 |
             (halves & UINT64_C(0x00000fff00000fff));
    return (halves & UINT64_C(0x0fc00fc00fc00fc0)) << 2 |
           (halves & UINT64_C(0x003f003f003f003f));
}

/* The last one or two bytes, padded. */
static uint8_t *encode_end(struct bytes end, uint8_t *to)
{
    uint8_t padded[8] = { 0 };
    uint8_t characters[8];

    memcpy(padded, end.data, end.length);
    bytes_store_be64(characters,
                     to_characters(to_sixes(bytes_load_be64(padded))));
    for (size_t i = end.length + 1; i < 4; i++)
        characters[i] = '=';
    memcpy(to, characters, 4);
    return to + 4;
}

uint8_t *base64_encode(struct bytes input, uint8_t *to)
{
    const uint8_t *from = input.data;
    size_t left = input.length;

    /* Eight bytes are loaded for the six that are used. */
    for (; left >= 8; left -= 6, from += 6, to += 8)
        bytes_store_be64(to, to_characters(to_sixes(bytes_load_be64(from))));
    for (; left >= 3; left -= 3, from += 3, to += 4) {
        uint8_t padded[8] = { from[0], from[1], from[2] };
        uint8_t characters[8];

        bytes_store_be64(characters,
                         to_characters(to_sixes(bytes_load_be64(padded))));
        memcpy(to, characters, 4);
    }
    if (left > 0)
        to = encode_end(bytes_of(from, left), to);
    return to;
}
