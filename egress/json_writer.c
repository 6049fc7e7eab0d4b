/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/json_writer.h"

static bool needs_escape(uint8_t c)
{
    return c < 0x20 || c == '"' || c == '\\';
}

static void put_escaped(struct bytes_writer *writer, uint8_t c)
{
    if (c >= 0x20) {
        bytes_put_byte(writer, '\\');
        bytes_put_byte(writer, c);
        return;
    }
    bytes_put_text(writer, "\\u00");
    bytes_put_hex(writer, bytes_of(&c, 1));
}

void json_put_text(struct bytes_writer *writer, struct bytes text)
{
    bytes_put_byte(writer, '"');
    while (text.length > 0) {
        size_t plain = 0;

        while (plain < text.length && !needs_escape(text.data[plain]))
            plain++;
        bytes_put(writer, bytes_of(text.data, plain));
        if (plain < text.length)
            put_escaped(writer, text.data[plain++]);
        text = bytes_skip(text, plain);
    }
    bytes_put_byte(writer, '"');
}
