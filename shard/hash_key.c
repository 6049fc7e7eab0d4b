/* SPDX-License-Identifier: Apache-2.0 */

#include "shard/hash_key.h"

struct hash_key hash_key_of_partition_key(struct bytes partition_key)
{
    uint8_t digest[MD5_LENGTH];

    md5(partition_key, digest);
    return hash_key_from_digest(digest);
}

bool hash_key_parse(struct bytes text, struct hash_key *hash_key)
{
    unsigned __int128 sum = 0;

    if (text.length == 0 || text.length > HASH_KEY_DECIMAL_CAPACITY)
        return false;
    if (text.length > 1 && text.data[0] == '0')
        return false;
    for (size_t i = 0; i < text.length; i++) {
        unsigned digit = (unsigned)text.data[i] - '0';

        if (digit > 9 || __builtin_mul_overflow(sum, 10U, &sum) ||
            __builtin_add_overflow(sum, digit, &sum))
            return false;
    }
    hash_key->high = (uint64_t)(sum >> 64);
    hash_key->low = (uint64_t)sum;
    return true;
}

void hash_key_format(struct hash_key hash_key, struct bytes_writer *writer)
{
    unsigned __int128 rest =
        (unsigned __int128)hash_key.high << 64 | hash_key.low;
    char digits[HASH_KEY_DECIMAL_CAPACITY];
    size_t first = sizeof(digits);

    do {
        digits[--first] = (char)('0' + (int)(rest % 10));
        rest /= 10;
    } while (rest > 0);
    bytes_put(writer, bytes_of(digits + first, sizeof(digits) - first));
}
