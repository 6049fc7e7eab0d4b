/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/balanced_key.h"

/* Keys hashed together: as many as the widest lanes of md5_many() take. */
#define TOGETHER 16

static_assert(BALANCED_KEY_TRIES_MOST % TOGETHER == 0, "sets are full");

/* Returns the length. */
static size_t format_counter(uint32_t counter, char key[BALANCED_KEY_CAPACITY])
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    char reversed[BALANCED_KEY_CAPACITY];
    size_t length = 0;

    do {
        reversed[length++] = digits[counter % 36];
        counter /= 36;
    } while (counter > 0);
    for (size_t i = 0; i < length; i++)
        key[i] = reversed[length - 1 - i];
    key[length] = '\0';
    return length;
}

static void hash_counters(uint32_t counter,
                          char keys[TOGETHER][BALANCED_KEY_CAPACITY],
                          uint8_t digests[TOGETHER][MD5_LENGTH])
{
    struct bytes inputs[TOGETHER];

    for (uint32_t i = 0; i < TOGETHER; i++)
        inputs[i] = bytes_of(keys[i], format_counter(counter + i, keys[i]));
    md5_many(inputs, TOGETHER, digests);
}

int balanced_key_find(struct hash_key first, struct hash_key last,
                      char key[BALANCED_KEY_CAPACITY],
                      struct hash_key *hash_key)
{
    char keys[TOGETHER][BALANCED_KEY_CAPACITY] = { { 0 } };
    uint8_t digests[TOGETHER][MD5_LENGTH];

    for (uint32_t counter = 0; counter < BALANCED_KEY_TRIES_MOST;
         counter += TOGETHER) {
        hash_counters(counter, keys, digests);
        for (size_t i = 0; i < TOGETHER; i++) {
            struct hash_key found = hash_key_from_digest(digests[i]);

            if (hash_key_compare(found, first) < 0 ||
                hash_key_compare(found, last) > 0)
                continue;
            memcpy(key, keys[i], BALANCED_KEY_CAPACITY);
            *hash_key = found;
            return 0;
        }
    }
    return BALANCED_KEY_NOT_FOUND;
}
