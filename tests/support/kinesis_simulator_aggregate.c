/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/kinesis_simulator_aggregate.h"

#include <openssl/evp.h>

#define MAGIC_LENGTH 4
#define MD5_LENGTH   16

static bool take_varint(struct bytes *rest, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && rest->length > 0; shift += 7) {
        uint8_t byte = rest->data[0];

        *rest = bytes_skip(*rest, 1);
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

/* Fields 1 and 2 are the key tables, 3 are the records; all are strings. */
static bool count_records(struct bytes message, uint64_t *count)
{
    while (message.length > 0) {
        uint64_t tag;
        uint64_t length;

        if (!take_varint(&message, &tag) || (tag & 7) != 2 ||
            !take_varint(&message, &length) || length > message.length)
            return false;
        *count += tag >> 3 == 3;
        message = bytes_skip(message, length);
    }
    return true;
}

static bool has_digest(struct bytes message, const uint8_t *digest)
{
    uint8_t ours[EVP_MAX_MD_SIZE];

    return EVP_Digest(message.data, message.length, ours, NULL, EVP_md5(),
                      NULL) &&
           memcmp(ours, digest, MD5_LENGTH) == 0;
}

uint64_t simulator_aggregate_count(struct bytes data, bool *damaged)
{
    struct bytes message;
    uint64_t count = 0;

    *damaged = false;
    if (data.length < MAGIC_LENGTH ||
        memcmp(data.data, "\xf3\x89\x9a\xc2", MAGIC_LENGTH) != 0)
        return 1;
    if (data.length > MAGIC_LENGTH + MD5_LENGTH) {
        message = bytes_of(data.data + MAGIC_LENGTH,
                           data.length - MAGIC_LENGTH - MD5_LENGTH);
        if (has_digest(message, message.data + message.length) &&
            count_records(message, &count))
            return count;
    }
    *damaged = true;
    return 1;
}
