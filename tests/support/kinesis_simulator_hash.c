/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/kinesis_simulator_hash.h"

#include <assert.h>

#include <openssl/evp.h>

unsigned __int128 simulator_hash_of_key(struct bytes key)
{
    static EVP_MD *md5; /* fetched once: a fetch costs more than the hash */
    static EVP_MD_CTX *digest;
    uint8_t out[16];
    unsigned length = sizeof(out);
    int good;

    if (!md5) {
        md5 = EVP_MD_fetch(NULL, "MD5", NULL);
        digest = EVP_MD_CTX_new();
    }
    good = md5 && digest && EVP_DigestInit_ex2(digest, md5, NULL) &&
           EVP_DigestUpdate(digest, key.data, key.length) &&
           EVP_DigestFinal_ex(digest, out, &length);
    assert(good && length == sizeof(out));
    return (unsigned __int128)bytes_load_be64(out) << 64 |
           bytes_load_be64(out + 8);
}

bool simulator_hash_is_decimal(struct bytes text)
{
    if (text.length == 0 || text.length > 39)
        return false;
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    return text.data[0] != '0' || text.length == 1;
}

bool simulator_hash_parse(struct bytes text, unsigned __int128 *hash)
{
    unsigned __int128 sum = 0;

    if (!simulator_hash_is_decimal(text))
        return false;
    for (size_t i = 0; i < text.length; i++) {
        unsigned digit = (unsigned)text.data[i] - '0';

        if (__builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_add_overflow(sum, digit, &sum))
            return false;
    }
    *hash = sum;
    return true;
}

size_t simulator_hash_format(unsigned __int128 hash,
                             char text[SIMULATOR_HASH_TEXT])
{
    char digits[SIMULATOR_HASH_TEXT];
    size_t first = sizeof(digits);
    size_t length;

    do {
        digits[--first] = (char)('0' + (int)(hash % 10));
        hash /= 10;
    } while (hash > 0);
    length = sizeof(digits) - first;
    memcpy(text, digits + first, length);
    text[length] = '\0';
    return length;
}

unsigned __int128 simulator_hash_boundary(uint32_t index, uint32_t count)
{
    unsigned __int128 width = SIMULATOR_HASH_MOST / count;

    assert(count > 0 && index <= count);
    /* floor((2^128 - 1) / n) is one short of floor(2^128 / n) for 2^k. */
    if (SIMULATOR_HASH_MOST % count == count - 1)
        width++;
    return count == 1 ? 0 : width * index;
}
