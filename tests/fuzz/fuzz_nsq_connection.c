/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The first byte says how the rest, which is what nsqd sends, is cut into
 * receive buffers and how often a message is put back. Whatever nsqd sends, the
 * connection either fails with a sentence, or gives the same arrivals as when
 * the bytes come in one piece.
 */

#include <stdlib.h>

#include "ingest/nsq_connection.h"
#include "tests/fuzz/target.h"

static const struct nsq_connection_settings settings = {
    .identity = { .heartbeat_interval_ms = 30000 },
    .topic = { (const uint8_t *)"t", 1 },
    .channel = { (const uint8_t *)"c", 1 },
    .max_message_size = 300,
    .max_carry_over = 1 << 20,
    .max_output = 1 << 20,
    .connect_timeout_ns = NS_PER_SECOND,
    .answer_timeout_ns = NS_PER_SECOND,
};

struct course {
    struct nsq_connection connection;
    uint64_t digest;   /* of all arrivals, in their order */
    unsigned put_back; /* every so many messages; 0 is never */
    unsigned messages;
};

static void add(struct course *course, struct bytes bytes)
{
    for (size_t i = 0; i < bytes.length; i++)
        course->digest =
            (course->digest ^ bytes.data[i]) * UINT64_C(0x100000001b3);
    course->digest += bytes.length + 1;
}

static void take(struct course *course, const struct nsq_arrival *arrival)
{
    add(course, bytes_of(&arrival->kind, sizeof(arrival->kind)));
    if (arrival->kind != NSQ_ARRIVED_MESSAGE)
        return;
    add(course, bytes_of(&arrival->message.id, sizeof(arrival->message.id)));
    add(course, arrival->message.body);
    (void)nsq_connection_finish(&course->connection, &arrival->message.id);
}

static int turn(struct course *course, struct bytes received)
{
    struct nsq_connection *c = &course->connection;
    struct nsq_arrival arrival;
    int result;

    nsq_connection_feed(c, received, (struct monotonic){ .ns = 0 });
    while ((result = nsq_connection_next(c, &arrival)) == 0) {
        if (arrival.kind == NSQ_ARRIVED_MESSAGE && course->put_back > 0 &&
            ++course->messages % course->put_back == 0) {
            nsq_connection_put_back(c);
            break;
        }
        take(course, &arrival);
    }
    if (nsq_connection_keep(c) || result == NSQ_CONNECTION_FAILED)
        return NSQ_CONNECTION_FAILED;
    return 0;
}

static bool run(struct course *course, struct bytes stream, size_t part)
{
    struct nsq_connection *c = &course->connection;
    const struct monotonic now = { .ns = 0 };
    int result = 0;

    nsq_connection_init(c, &settings);
    nsq_connection_start(c, now);
    nsq_connection_on_connected(c, now);
    while (stream.length > 0 && result == 0) {
        size_t length = part < stream.length ? part : stream.length;

        result = turn(course, bytes_of(stream.data, length));
        stream = bytes_skip(stream, length);
        nsq_connection_on_sent(c, nsq_connection_output(c).length);
    }
    course->put_back = 0;
    if (result == 0)
        result = turn(course, bytes_of(NULL, 0));
    if (result && (c->complaint[0] == '\0' || c->failure == NSQ_FAILURE_NONE))
        abort();
    nsq_connection_deinit(c);
    return result == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length)
{
    struct course whole = { .put_back = 0 };
    struct course cut = { .put_back = length > 0 ? input[0] % 4 : 0 };
    size_t part = length > 0 ? 1 + input[0] / 4 : 1;
    struct bytes stream;
    bool was_good;

    if (length == 0)
        return 0;
    stream = bytes_of(input + 1, length - 1);
    was_good = run(&whole, stream, length);
    if (run(&cut, stream, part) != was_good)
        abort();
    if (whole.digest != cut.digest && was_good)
        abort();
    return 0;
}

static void put_frame(struct bytes_writer *writer, uint32_t type,
                      const char *head, const char *text)
{
    size_t head_length = type == NSQ_FRAME_MESSAGE ? 10 : 0;
    size_t length = head_length + strlen(text);
    uint8_t *frame = bytes_claim(writer, NSQ_FRAME_HEAD_LENGTH + length);

    if (!frame)
        return;
    bytes_store_be32(frame, (uint32_t)(4 + length));
    bytes_store_be32(frame + 4, type);
    memcpy(frame + NSQ_FRAME_HEAD_LENGTH, head, head_length);
    memcpy(frame + NSQ_FRAME_HEAD_LENGTH + head_length, text, strlen(text));
}

size_t fuzz_make_input(struct random *random, uint8_t *input, size_t most)
{
    static const struct {
        uint32_t type;
        const char *text;
    } frames[] = {
        { NSQ_FRAME_RESPONSE, "_heartbeat_" },
        { NSQ_FRAME_RESPONSE, "CLOSE_WAIT" },
        { NSQ_FRAME_MESSAGE, "0123456789abcdefbody" },
        { NSQ_FRAME_MESSAGE, "fedcba9876543210" },
        { NSQ_FRAME_MESSAGE, "00000000000000000123456789012345678901234567" },
        { NSQ_FRAME_ERROR, "E_FIN_FAILED FIN 0123456789abcdef failed" },
        { NSQ_FRAME_ERROR, "E_TOUCH_FAILED" },
    };
    static const char head[10] = { 1, 2, 3, 4, 5, 6, 7, 8, 0, 1 };
    struct bytes_writer writer = bytes_writer_on(input, most);

    bytes_put_byte(&writer, (uint8_t)random_u64(random));
    put_frame(&writer, NSQ_FRAME_RESPONSE, head, "{\"max_rdy_count\":9}");
    put_frame(&writer, NSQ_FRAME_RESPONSE, head, "OK");
    for (uint64_t i = random_below(random, 9); i > 0; i--) {
        size_t k = random_below(random, ARRAY_LENGTH(frames));

        put_frame(&writer, frames[k].type, head, frames[k].text);
    }
    return writer.length;
}
