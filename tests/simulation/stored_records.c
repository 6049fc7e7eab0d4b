/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/simulation/stored_records.h"

#include <string.h>

#include <openssl/evp.h>

#include "tests/support/kinesis_simulator_hash.h"

#define MAGIC_LENGTH   4
#define TRAILER_LENGTH 16
#define KEYS_MOST      1024

static const uint8_t magic[MAGIC_LENGTH] = { 0xf3, 0x89, 0x9a, 0xc2 };

struct keys {
    struct bytes texts[KEYS_MOST];
    size_t count;
};

static bool take_number(struct bytes *input, uint64_t *number)
{
    *number = 0;
    for (unsigned shift = 0; shift < 64 && input->length > 0; shift += 7) {
        uint8_t byte = input->data[0];

        *input = bytes_skip(*input, 1);
        *number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

/* One field: *value for a varint, *text for what has a length. */
static bool take_field(struct bytes *input, unsigned *field, uint64_t *value,
                       struct bytes *text)
{
    uint64_t tag;

    *text = bytes_of(NULL, 0);
    if (!take_number(input, &tag) || !take_number(input, value))
        return false;
    *field = (unsigned)(tag >> 3);
    if ((tag & 7) == 0)
        return true;
    if ((tag & 7) != 2 || *value > input->length)
        return false;
    *text = bytes_of(input->data, *value);
    *input = bytes_skip(*input, *value);
    return true;
}

static bool read_record(struct bytes input, const struct keys *keys,
                        const struct keys *hashes, struct stored_record *record)
{
    bool has_key = false;
    bool has_hash = false;
    unsigned field;
    uint64_t value;
    struct bytes text;

    *record = (struct stored_record){ 0 };
    while (input.length > 0) {
        if (!take_field(&input, &field, &value, &text))
            return false;
        if (field == 1 && value < keys->count) {
            record->key = keys->texts[value];
            has_key = true;
        } else if (field == 2 && value < hashes->count) {
            has_hash =
                simulator_hash_parse(hashes->texts[value], &record->hash);
        } else if (field == 3) {
            record->data = text;
        }
    }
    if (has_key && !has_hash)
        record->hash = simulator_hash_of_key(record->key);
    return has_key;
}

static size_t read_protobuf(struct bytes input, struct stored_record *records)
{
    static struct keys keys;
    static struct keys hashes;
    struct bytes whole = input;
    size_t count = 0;
    unsigned field;
    uint64_t value;
    struct bytes text;

    keys.count = hashes.count = 0;
    while (input.length > 0) {
        struct keys *table;

        if (!take_field(&input, &field, &value, &text))
            return 0;
        table = field == 1 ? &keys : field == 2 ? &hashes : NULL;
        if (table && table->count < KEYS_MOST)
            table->texts[table->count++] = text;
    }
    for (input = whole; input.length > 0;) {
        (void)take_field(&input, &field, &value, &text);
        if (field != 3)
            continue;
        if (count == STORED_RECORDS_MOST ||
            !read_record(text, &keys, &hashes, &records[count++]))
            return 0;
    }
    return count;
}

size_t stored_records_read(struct bytes key, struct bytes data,
                           struct stored_record *records)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    size_t length;

    if (data.length < MAGIC_LENGTH + TRAILER_LENGTH ||
        memcmp(data.data, magic, MAGIC_LENGTH) != 0) {
        records[0] = (struct stored_record){ .key = key,
                                             .hash = simulator_hash_of_key(key),
                                             .data = data };
        return 1;
    }
    length = data.length - MAGIC_LENGTH - TRAILER_LENGTH;
    if (!EVP_Digest(data.data + MAGIC_LENGTH, length, digest, NULL, EVP_md5(),
                    NULL) ||
        memcmp(digest, data.data + MAGIC_LENGTH + length, TRAILER_LENGTH) != 0)
        return 0;
    return read_protobuf(bytes_of(data.data + MAGIC_LENGTH, length), records);
}
