/* SPDX-License-Identifier: Apache-2.0 */

#include "common/nsq_name.h"

static bool is_name_byte(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' ||
           byte == '-';
}

bool nsq_name_is_valid(struct bytes name)
{
    static const char suffix[] = "#ephemeral";
    size_t plain = 0;

    if (name.length > NSQ_NAME_MOST)
        return false;
    while (plain < name.length && is_name_byte(name.data[plain]))
        plain++;
    if (plain == 0)
        return false;
    return plain == name.length ||
           bytes_equal_text(bytes_skip(name, plain), suffix);
}
