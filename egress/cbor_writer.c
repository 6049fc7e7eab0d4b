/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/cbor_writer.h"

/* Major types and additional information: RFC 8949, section 3. */
#define MAJOR_BYTES      (2U << 5)
#define MAJOR_TEXT       (3U << 5)
#define INDEFINITE_ARRAY 0x9f
#define INDEFINITE_MAP   0xbf
#define BREAK            0xff

void cbor_put_map(struct bytes_writer *writer)
{
    bytes_put_byte(writer, INDEFINITE_MAP);
}

void cbor_put_array(struct bytes_writer *writer)
{
    bytes_put_byte(writer, INDEFINITE_ARRAY);
}

void cbor_put_break(struct bytes_writer *writer)
{
    bytes_put_byte(writer, BREAK);
}

/* The shortest form: below 24 in the first byte, else in 1, 2, 4 or 8 bytes. */
static void put_head(struct bytes_writer *writer, unsigned major,
                     uint64_t length)
{
    unsigned power = length < 24            ? 0
                     : length <= UINT8_MAX  ? 1
                     : length <= UINT16_MAX ? 2
                     : length <= UINT32_MAX ? 3
                                            : 4;
    size_t width = power == 0 ? 0 : (size_t)1 << (power - 1);
    uint8_t *place = bytes_claim(writer, 1 + width);

    if (!place)
        return;
    place[0] = (uint8_t)(major | (power == 0 ? length : 23 + power));
    for (size_t i = width; i > 0; i--, length >>= 8)
        place[i] = (uint8_t)length;
}

void cbor_put_text(struct bytes_writer *writer, struct bytes text)
{
    put_head(writer, MAJOR_TEXT, text.length);
    bytes_put(writer, text);
}

void cbor_put_bytes_head(struct bytes_writer *writer, size_t length)
{
    put_head(writer, MAJOR_BYTES, length);
}
