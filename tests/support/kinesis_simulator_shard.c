/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/kinesis_simulator_shard.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * "Each shard can support writes up to 1,000 records per second, up to a
 * maximum data write total of 1 MiB per second."
 * https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
 * Streams with records above 1 MiB may burst to 10 MiB.
 * https://docs.aws.amazon.com/streams/latest/dev/large-records.html
 */
#define RECORDS_PER_SECOND 1000
#define BYTES_PER_SECOND   1048576
#define BYTES_BURST_LARGE  10485760

void simulator_shard_id(uint32_t index, char id[SIMULATOR_SHARD_ID_TEXT])
{
    snprintf(id, SIMULATOR_SHARD_ID_TEXT, "shardId-%012" PRIu32, index);
}

bool simulator_shard_parse_id(struct bytes id, uint32_t *index)
{
    uint64_t value;

    if (id.length != 20 || !bytes_start_with(id, "shardId-") ||
        !bytes_parse_u64(bytes_skip(id, 8), &value) ||
        value >= SIMULATOR_NO_SHARD)
        return false;
    *index = (uint32_t)value;
    return true;
}

/* `width` digits with leading zeros; returns where they end. */
static char *put_digits(char *to, uint64_t value, int width)
{
    for (int i = width - 1; i >= 0; i--, value /= 10)
        to[i] = (char)('0' + (int)(value % 10));
    return to + width;
}

void simulator_shard_sequence(const struct simulator_shard *shard,
                              uint64_t number, int64_t arrived_ms,
                              char text[SIMULATOR_SEQUENCE_TEXT])
{
    char *to = text;

    to = put_digits(to, 49, 2);
    to = put_digits(to, (uint64_t)shard->created_ms, 13);
    to = put_digits(to, number, 20);
    to = put_digits(to, (uint64_t)(arrived_ms / 1000), 10);
    to = put_digits(to, shard->index, 11);
    *to = '\0';
}

bool simulator_shard_parse_sequence(struct bytes text, uint64_t *number)
{
    if (text.length != SIMULATOR_SEQUENCE_TEXT - 1)
        return false;
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    return bytes_parse_u64(bytes_of(text.data + 15, 20), number);
}

void simulator_shard_set_rates(struct simulator_shard *shard,
                               uint64_t record_most, struct monotonic now)
{
    double burst =
        record_most > BYTES_PER_SECOND ? BYTES_BURST_LARGE : BYTES_PER_SECOND;

    shard->record_rate =
        (struct simulator_bucket){ RECORDS_PER_SECOND, RECORDS_PER_SECOND,
                                   RECORDS_PER_SECOND, now };
    shard->byte_rate =
        (struct simulator_bucket){ burst, burst, BYTES_PER_SECOND, now };
}

static void fill(struct simulator_bucket *bucket, struct monotonic now)
{
    double seconds =
        (double)monotonic_between(bucket->filled, now) / (double)NS_PER_SECOND;

    bucket->filled = now;
    bucket->tokens += seconds * bucket->per_second;
    if (bucket->tokens > bucket->most)
        bucket->tokens = bucket->most;
}

bool simulator_shard_admit(struct simulator_shard *shard, size_t length,
                           struct monotonic now)
{
    fill(&shard->record_rate, now);
    fill(&shard->byte_rate, now);
    if (shard->record_rate.tokens < 1 ||
        shard->byte_rate.tokens < (double)length)
        return false;
    shard->record_rate.tokens -= 1;
    shard->byte_rate.tokens -= (double)length;
    return true;
}

static int make_room(struct simulator_shard *shard)
{
    size_t capacity = shard->kept_capacity * 2 + 64;
    struct simulator_record **kept;

    if (shard->kept_count < shard->kept_capacity)
        return 0;
    kept = realloc(shard->kept, capacity * sizeof(struct simulator_record *));
    if (!kept)
        return -ENOMEM;
    shard->kept = kept;
    shard->kept_capacity = capacity;
    return 0;
}

int simulator_shard_keep(struct simulator_shard *shard, uint64_t number,
                         int64_t arrived_ms, struct bytes key,
                         struct bytes data)
{
    struct simulator_record *record =
        malloc(sizeof(*record) + key.length + data.length);

    if (!record || make_room(shard)) {
        free(record);
        return -ENOMEM;
    }
    record->number = number;
    record->arrived_ms = arrived_ms;
    record->key_length = (uint32_t)key.length;
    record->data_length = (uint32_t)data.length;
    memcpy(record->bytes, key.data, key.length);
    if (data.length > 0)
        memcpy(record->bytes + key.length, data.data, data.length);
    shard->kept[shard->kept_count++] = record;
    shard->kept_bytes += key.length + data.length;
    return 0;
}

size_t simulator_shard_trim(struct simulator_shard *shard, size_t most)
{
    size_t count = 0;

    while (count < shard->kept_count && shard->kept_bytes > most) {
        struct simulator_record *record = shard->kept[count++];

        shard->kept_bytes -= (size_t)record->key_length + record->data_length;
        free(record);
    }
    shard->kept_count -= count;
    shard->trimmed_count += count;
    if (count > 0)
        memmove(shard->kept, shard->kept + count,
                shard->kept_count * sizeof(struct simulator_record *));
    return count;
}

void simulator_shard_deinit(struct simulator_shard *shard)
{
    for (size_t i = 0; i < shard->kept_count; i++)
        free(shard->kept[i]);
    free(shard->kept);
    shard->kept = NULL;
    shard->kept_count = 0;
    shard->kept_capacity = 0;
}
