/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The first byte says in its lowest bit whether JSON or CBOR came back, and
 * above of how many records the request was; the rest is what came back with
 * status 200. It decides what is FINed: whatever it is, a reply
 * that is believed has one whole result for each record, and no other count of
 * records believes it.
 */

#include <stdlib.h>

#include "egress/cbor_writer.h"
#include "egress/put_records.h"
#include "tests/fuzz/target.h"

#define RECORDS_MOST 8
#define TEXTS_MOST   256

struct reply {
    enum put_records_format format;
    struct bytes body;
    uint8_t text_memory[TEXTS_MOST];
    struct put_records_result results[RECORDS_MOST + 1];
};

static int read_reply(struct reply *reply, size_t count)
{
    struct bytes_writer texts =
        bytes_writer_on(reply->text_memory, sizeof(reply->text_memory));

    return put_records_reply_read(reply->format, reply->body, &texts,
                                  reply->results, count);
}

static bool lies_in(struct bytes text, const uint8_t *from, size_t length)
{
    return text.data >= from && text.data <= from + length &&
           text.length <= (size_t)(from + length - text.data);
}

static void check_text(const struct reply *reply, struct bytes text)
{
    if (text.length > 0 &&
        !lies_in(text, reply->body.data, reply->body.length) &&
        !lies_in(text, reply->text_memory, sizeof(reply->text_memory)))
        abort();
}

static void check_result(const struct reply *reply,
                         const struct put_records_result *result)
{
    if (put_records_is_stored(result) &&
        (result->shard_id.length == 0 || result->sequence_number.length == 0))
        abort();
    if (!put_records_is_stored(result) && result->sequence_number.length > 0)
        abort();
    check_text(reply, result->shard_id);
    check_text(reply, result->sequence_number);
    check_text(reply, result->error_code);
    check_text(reply, result->error_message);
}

static void check_error(struct reply *reply)
{
    struct bytes_writer texts =
        bytes_writer_on(reply->text_memory, sizeof(reply->text_memory));
    struct put_records_error error;

    if (put_records_error_read(reply->format, reply->body, &texts, &error))
        return;
    if (error.code.length == 0)
        abort();
    check_text(reply, error.code);
    check_text(reply, error.message);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length)
{
    struct reply reply;
    size_t count;

    if (length == 0)
        return 0;
    count = (input[0] >> 1) % (RECORDS_MOST + 1);
    reply.format = input[0] & 1 ? PUT_RECORDS_CBOR : PUT_RECORDS_JSON;
    reply.body = bytes_of(input + 1, length - 1);
    check_error(&reply);
    if (read_reply(&reply, count))
        return 0;
    for (size_t i = 0; i < count; i++)
        check_result(&reply, &reply.results[i]);
    if (read_reply(&reply, count + 1) != PUT_RECORDS_WRONG_COUNT ||
        (count > 0 && read_reply(&reply, count - 1) != PUT_RECORDS_WRONG_COUNT))
        abort();
    /* Cut by one byte it is no reply any more. */
    reply.body.length--;
    if ((reply.format == PUT_RECORDS_CBOR || input[length - 1] == '}') &&
        read_reply(&reply, count) == 0)
        abort();
    return 0;
}

static void put_texts(struct bytes_writer *writer, const char *const *texts,
                      size_t count)
{
    cbor_put_map(writer);
    for (size_t i = 0; i < count; i++)
        cbor_put_text(writer, bytes_of_text(texts[i]));
    cbor_put_break(writer);
}

static void make_cbor(struct random *random, struct bytes_writer *writer,
                      uint64_t count)
{
    static const char *const error[] = { "__type", "x#LimitExceeded", "message",
                                         "Rate exceeded" };
    static const char *const stored[] = { "SequenceNumber", "495", "ShardId",
                                          "shardId-0" };
    static const char *const refused[] = { "ErrorCode", "InternalFailure",
                                           "ErrorMessage", "" };

    if (random_below(random, 8) == 0) {
        put_texts(writer, error, ARRAY_LENGTH(error));
        return;
    }
    cbor_put_map(writer);
    cbor_put_text(writer, bytes_of_text("FailedRecordCount"));
    bytes_put_byte(writer, 0xf6); /* null: not said */
    cbor_put_text(writer, bytes_of_text("Records"));
    cbor_put_array(writer);
    for (uint64_t i = 0; i < count; i++)
        put_texts(writer, random_below(random, 2) ? stored : refused, 4);
    cbor_put_break(writer);
    cbor_put_break(writer);
}

static void make_json(struct random *random, struct bytes_writer *writer,
                      uint64_t count)
{
    static const char *const results[] = {
        "{\"SequenceNumber\":\"495\",\"ShardId\":\"shardId-0\"}",
        "{\"ShardId\":\"s\\u0068ard-1\",\"SequenceNumber\":\"0\","
        "\"ErrorCode\":null}",
        "{\"ErrorCode\":\"InternalFailure\",\"ErrorMessage\":\"a \\\"b\\\"\"}",
        "{\"ErrorCode\":\"X\",\"More\":[1,{\"a\":[]},null,-1.5e3]}",
    };

    if (random_below(random, 8) == 0) {
        bytes_put_text(writer, "{\"__type\":\"com.x#LimitExceededException:\","
                               "\"message\":\"Rate\\u0020exceeded\"}");
        return;
    }
    bytes_put_text(writer, "{\"FailedRecordCount\":0,\"Records\":[");
    for (uint64_t i = 0; i < count; i++) {
        bytes_put_text(writer, i > 0 ? "," : "");
        bytes_put_text(writer,
                       results[random_below(random, ARRAY_LENGTH(results))]);
    }
    bytes_put_text(writer, "]}");
}

size_t fuzz_make_input(struct random *random, uint8_t *input, size_t most)
{
    struct bytes_writer writer = bytes_writer_on(input, most);
    uint64_t count = random_below(random, 4);
    bool is_cbor = random_below(random, 2);

    bytes_put_byte(&writer, (uint8_t)(count << 1 | is_cbor));
    if (is_cbor)
        make_cbor(random, &writer, count);
    else
        make_json(random, &writer, count);
    return writer.length;
}
