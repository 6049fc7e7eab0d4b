/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/error.h"

int request_init(struct request *request, unsigned slot, size_t size_most)
{
    *request = (struct request){ .slot = slot, .size_most = size_most };
    request->capacity = put_records_capacity(PUT_RECORDS_JSON, size_most);
    request->memory = malloc(request->capacity);
    request->entries =
        calloc(KINESIS_RECORDS_PER_REQUEST_MOST, sizeof(*request->entries));
    if (!request->memory || !request->entries) {
        request_deinit(request);
        return error_origin(-ENOMEM, "no memory for a request of %zu bytes",
                            size_most);
    }
    return 0;
}

void request_deinit(struct request *request)
{
    free(request->memory);
    free(request->entries);
    *request = (struct request){ 0 };
}

void request_open(struct request *request, enum put_records_format format,
                  const struct request_surroundings *surroundings)
{
    assert(!request->is_sent);
    request->format = format;
    request->entry_count = 0;
    request->record_count = 0;
    request->refused_count = 0;
    request->has_alone = false;
    request->blob_bytes = 0;
    put_records_open(&request->writer, format, surroundings->stream,
                     bytes_writer_on(request->memory, request->capacity),
                     request->size_most);
}

static struct bytes format_tag(const struct queue_sender *sender,
                               const struct queue_part *part,
                               const struct request_surroundings *surroundings,
                               char tag[REQUEST_TAG_MOST])
{
    int length = snprintf(
        tag, REQUEST_TAG_MOST, "b1.%08x.%x.%llx.%llx", surroundings->instance,
        queue_segment_index(&sender->consumer.segment),
        (unsigned long long)part->epoch, (unsigned long long)part->number);

    return bytes_of(tag, (size_t)length);
}

/*
 * A lone record goes under its own key, which leads it to its shard; an
 * aggregate goes under the tag, and the hash key of its first record leads it.
 */
static int add_entry(struct request *request, const struct queue_sender *sender,
                     const struct sender_part *part,
                     const struct request_surroundings *surroundings)
{
    const struct batch_encoding *encoding = &part->encoding;
    char tag[REQUEST_TAG_MOST];
    struct put_records_entry entry = {
        .payload = encoding->payload,
        .partition_key = encoding->partition_key,
    };

    if (encoding->is_aggregate) {
        entry.partition_key =
            format_tag(sender, &part->part, surroundings, tag);
        entry.explicit_hash_key = &encoding->hash_key;
    }
    return put_records_add(&request->writer, &entry);
}

static void remember(struct request *request, struct queue_sender *sender,
                     const struct sender_part *part)
{
    struct request_entry *entry = &request->entries[request->entry_count++];

    entry->sender = sender;
    entry->part = part->part;
    entry->record_count = part->encoding.record_count;
    entry->payload_length = part->encoding.payload.length;
    entry->position = request->writer.payload_position;
    entry->blob = part->encoding.blob;
    request->blob_bytes += entry->blob.length;
    (void)snprintf(entry->shard_id, sizeof(entry->shard_id), "%s",
                   part->shard->shard_id);
    request->record_count += entry->record_count;
    queue_sender_on_sent(sender, entry->payload_length);
}

/*
 * Add one part. A key that PutRecords does not take leads its record nowhere;
 * ingest makes none, so it is refused like any other record that cannot be.
 */
static int add_part(struct request *request, struct queue_sender *sender,
                    const struct sender_part *part,
                    const struct request_surroundings *surroundings)
{
    int result = add_entry(request, sender, part, surroundings);

    if (result == PUT_RECORDS_FULL)
        return REQUEST_FULL;
    if (result == PUT_RECORDS_KEY_REFUSED) {
        request->refused_count += queue_sender_refuse_part(sender, &part->part);
        return 0;
    }
    remember(request, sender, part);
    return 0;
}

int request_add(struct request *request, struct queue_sender *sender,
                const struct request_surroundings *surroundings)
{
    struct batch_encoder encoder = surroundings->encoder;
    struct sender_part part = { .is_begun = false };
    size_t before = request->entry_count;
    int result = 0;

    /* Not even a batch is formed: the longer it waits, the more it holds. */
    if (before == KINESIS_RECORDS_PER_REQUEST_MOST)
        return REQUEST_FULL;
    for (;;) {
        int next;

        encoder.place = surroundings->encoder.place + request->blob_bytes;
        next = queue_sender_next_part(sender, &encoder, surroundings->map,
                                      surroundings->now, &part);

        if (next == SENDER_FENCED)
            return REQUEST_FENCED;
        if (next == SENDER_BROKEN)
            return REQUEST_BROKEN;
        if (next == SENDER_NOTHING)
            break;
        result = add_part(request, sender, &part, surroundings);
        if (result)
            break;
    }
    request->refused_count += part.refused_count;
    if (result == 0 && request->entry_count == before)
        return REQUEST_NOTHING;
    return result;
}

/* What will not change when the aggregates are sealed: up to the first seal. */
static struct bytes lasting_start(const struct request *request)
{
    for (size_t i = 0; i < request->entry_count; i++) {
        const struct request_entry *entry = &request->entries[i];

        if (entry->blob.place)
            return put_records_before_tail(&request->writer, entry->position,
                                           entry->blob.length, MD5_LENGTH);
    }
    return bytes_written(&request->writer.body);
}

/*
 * A seal at a time would leave most of a processor idle, and so would the
 * body's hash behind the seals.
 */
static void seal(struct request *request, struct body_hash *hash)
{
    const struct md5_companion hashing = { body_hash_step, hash };
    struct aggregator_blob blobs[KINESIS_RECORDS_PER_REQUEST_MOST];
    size_t count = 0;

    for (size_t i = 0; i < request->entry_count; i++)
        if (request->entries[i].blob.place)
            blobs[count++] = request->entries[i].blob;
    aggregator_seal(blobs, count, &hashing);
    for (size_t i = 0; i < request->entry_count; i++) {
        const struct request_entry *entry = &request->entries[i];

        if (entry->blob.place)
            put_records_change_tail(
                &request->writer, entry->position,
                bytes_of(entry->blob.place, entry->blob.length), MD5_LENGTH);
    }
}

struct bytes request_close(struct request *request)
{
    struct body_hash hash = body_hash_start(lasting_start(request));
    struct bytes body;

    seal(request, &hash);
    body = put_records_close(&request->writer);
    body_hash_finish(&hash, body, request->body_hash);
    return body;
}
