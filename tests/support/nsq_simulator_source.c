/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/nsq_simulator_source.h"

#include <assert.h>

/* nsqd/guid.go: 2012-10-28 16:23:42 UTC in units of 2^20 ns. */
#define ID_EPOCH         UINT64_C(1288834974288)
#define ID_SEQUENCE_BITS 12
#define ID_NODE_BITS     10
#define ID_SEQUENCE_MASK ((UINT64_C(1) << ID_SEQUENCE_BITS) - 1)
#define ID_NODE_MASK     ((UINT64_C(1) << ID_NODE_BITS) - 1)

static uint64_t greatest_common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/* The finalizer of splitmix64: neighbours become strangers. */
static uint64_t mix(uint64_t value)
{
    value += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

void source_init(struct source *source, const struct source_options *options)
{
    uint64_t own_keys;

    assert(options->nsqd_index < options->nsqd_count);
    assert(options->key_count >= options->nsqd_count);
    own_keys =
        (options->key_count - options->nsqd_index - 1) / options->nsqd_count +
        1;
    source->options = *options;
    source->own_keys = own_keys;
    source->ids_back = 0;
    source->stride = mix(options->seed) % own_keys + 1;
    while (greatest_common_divisor(source->stride, own_keys) != 1)
        source->stride++;
}

void source_repeat_ids(struct source *source, uint64_t count)
{
    source->ids_back += count;
}

uint64_t source_id_time(int64_t wall_ns)
{
    return ((uint64_t)wall_ns >> 20) - ID_EPOCH;
}

size_t source_longest_body(const struct source *source, uint64_t line_count)
{
    const struct source_options *options = &source->options;
    size_t longest = 0;

    if (options->body == SOURCE_JSON)
        return options->body_length > SOURCE_JSON_MOST ? options->body_length
                                                       : SOURCE_JSON_MOST;
    if (options->body == SOURCE_BINARY)
        return options->body_length > SOURCE_BINARY_HEADER
                   ? options->body_length
                   : SOURCE_BINARY_HEADER;
    for (uint64_t i = 0; i < line_count; i++) {
        size_t length = options->lines[i + 1] - options->lines[i] - 1;

        if (length > longest)
            longest = length;
    }
    return longest;
}

void source_write_id(const struct source *source, uint64_t number,
                     uint8_t *digits)
{
    static const char hexadecimal[] = "0123456789abcdef";
    uint64_t place = number - source->ids_back;
    uint64_t time = source->options.id_time + (place >> ID_SEQUENCE_BITS);
    uint64_t id = time << (ID_SEQUENCE_BITS + ID_NODE_BITS) |
                  source->options.node << ID_SEQUENCE_BITS |
                  (place & ID_SEQUENCE_MASK);

    for (int i = SOURCE_ID_LENGTH - 1; i >= 0; i--) {
        digits[i] = (uint8_t)hexadecimal[id & 15];
        id >>= 4;
    }
}

static int digit_value(uint8_t digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return -1;
}

bool source_find_id(const struct source *source, const uint8_t *digits,
                    uint64_t *number)
{
    uint64_t id = 0, time;
    int wrong = 0;

    for (int i = 0; i < SOURCE_ID_LENGTH; i++) {
        int value = digit_value(digits[i]);

        wrong |= value;
        id = id << 4 | ((uint64_t)value & 15);
    }
    time = id >> (ID_SEQUENCE_BITS + ID_NODE_BITS);
    if (wrong < 0 || time < source->options.id_time ||
        ((id >> ID_SEQUENCE_BITS) & ID_NODE_MASK) != source->options.node)
        return false;
    *number = source->ids_back +
              ((time - source->options.id_time) << ID_SEQUENCE_BITS |
               (id & ID_SEQUENCE_MASK));
    return true;
}

struct source_message source_message_of(const struct source *source,
                                        uint64_t number)
{
    const struct source_options *options = &source->options;
    uint64_t round = number / source->own_keys;
    uint64_t place = number % source->own_keys;
    uint64_t shift = mix(options->seed ^ round) % source->own_keys;
    uint64_t own_key =
        (uint64_t)(((unsigned __int128)place * source->stride + shift) %
                   source->own_keys);

    return (struct source_message){
        .key_id = own_key * options->nsqd_count + options->nsqd_index,
        .sequence = round,
        .global = number * options->nsqd_count + options->nsqd_index,
    };
}

static uint8_t *put_text(uint8_t *to, const char *text)
{
    size_t length = strlen(text);

    memcpy(to, text, length);
    return to + length;
}

/* At least `least` digits, with zeros before the number. */
static uint8_t *put_number(uint8_t *to, uint64_t value, size_t least)
{
    uint8_t digits[24];
    size_t first = sizeof(digits);

    while (value > 0 || sizeof(digits) - first < least) {
        digits[--first] = (uint8_t)('0' + value % 10);
        value /= 10;
    }
    memcpy(to, digits + first, sizeof(digits) - first);
    return to + (sizeof(digits) - first);
}

static size_t write_json(const struct source *source,
                         const struct source_message *message,
                         int64_t timestamp_ns, uint8_t *to)
{
    static const char pad[] = ",\"pad\":\"";
    size_t wanted = source->options.body_length;
    uint8_t *end = to;
    size_t least;

    end = put_text(end, "{\"user_id\":\"u");
    end = put_number(end, message->key_id, 6);
    end = put_text(end, "\",\"seq\":");
    end = put_number(end, message->sequence, 1);
    end = put_text(end, ",\"global\":");
    end = put_number(end, message->global, 1);
    end = put_text(end, ",\"ts\":");
    end = put_number(end, (uint64_t)timestamp_ns, 1);
    least = (size_t)(end - to) + sizeof(pad) - 1 + 2;
    if (wanted >= least) {
        end = put_text(end, pad);
        memset(end, 'x', wanted - least);
        end = put_text(end + (wanted - least), "\"");
    }
    return (size_t)(put_text(end, "}") - to);
}

static size_t write_binary(const struct source *source,
                           const struct source_message *message, uint8_t *to)
{
    size_t length = source_longest_body(source, 0);
    uint64_t filler = mix(message->global ^ source->options.seed);
    size_t place = SOURCE_BINARY_HEADER;

    memcpy(to, "N2K1", 4);
    bytes_store_be64(to + 4, source->options.seed);
    bytes_store_be32(to + 12, (uint32_t)message->key_id);
    bytes_store_be64(to + 16, message->sequence);
    bytes_store_be64(to + 24, message->global);
    bytes_store_be32(to + 32, (uint32_t)length);
    bytes_store_be32(to + 36, 0);
    for (; place + 8 <= length; place += 8) {
        bytes_store_be64(to + place, filler);
        filler += UINT64_C(0x9e3779b97f4a7c15);
    }
    for (; place < length; place++) {
        to[place] = (uint8_t)filler;
        filler >>= 8;
    }
    bytes_store_be32(to + 36, source_crc32(0, bytes_of(to, length)));
    return length;
}

size_t source_write_body(const struct source *source,
                         const struct source_message *message,
                         int64_t timestamp_ns, uint8_t *to)
{
    const uint64_t *line;
    size_t length;

    if (source->options.body == SOURCE_JSON)
        return write_json(source, message, timestamp_ns, to);
    if (source->options.body == SOURCE_BINARY)
        return write_binary(source, message, to);
    line = source->options.lines + message->global;
    length = line[1] - line[0] - 1;
    memcpy(to, source->options.text + line[0], length);
    return length;
}

#define CRC32_REVERSED UINT32_C(0xedb88320)

/* tables[k][b]: the sum of byte b with k bytes of zero behind it. */
static uint32_t tables[8][256];

static void make_tables(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t sum = byte;

        for (int bit = 0; bit < 8; bit++)
            sum = sum >> 1 ^ (CRC32_REVERSED & (0U - (sum & 1U)));
        tables[0][byte] = sum;
    }
    for (size_t k = 1; k < 8; k++)
        for (size_t byte = 0; byte < 256; byte++)
            tables[k][byte] =
                tables[k - 1][byte] >> 8 ^ tables[0][tables[k - 1][byte] & 255];
}

static uint32_t load_le32(const uint8_t *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 |
           (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

/* Eight bytes a step: "slicing by 8". */
uint32_t source_crc32(uint32_t crc, struct bytes bytes)
{
    if (tables[0][1] == 0)
        make_tables();
    crc = ~crc;
    for (; bytes.length >= 8; bytes = bytes_skip(bytes, 8)) {
        uint32_t low = crc ^ load_le32(bytes.data);
        uint32_t high = load_le32(bytes.data + 4);

        crc = tables[7][low & 255] ^ tables[6][low >> 8 & 255] ^
              tables[5][low >> 16 & 255] ^ tables[4][low >> 24] ^
              tables[3][high & 255] ^ tables[2][high >> 8 & 255] ^
              tables[1][high >> 16 & 255] ^ tables[0][high >> 24];
    }
    for (size_t i = 0; i < bytes.length; i++)
        crc = crc >> 8 ^ tables[0][(crc ^ bytes.data[i]) & 255];
    return ~crc;
}
