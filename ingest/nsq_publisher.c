/* SPDX-License-Identifier: Apache-2.0 */

#include "ingest/nsq_publisher.h"

#include <stdio.h>

/* Answers are short; a few of them may be cut by one receive buffer. */
#define CARRY_OVER_MOST (2 * (size_t)NSQ_FRAME_LEAST_CAP)

/* Every letter there can be, and the handshake; see dead_letter.h. */
#define OUTPUT_MOST (SIZE_MAX / 4)

#define HANDSHAKE_MOST ((size_t)16384)

void nsq_publisher_init(struct nsq_publisher *publisher,
                        const struct nsq_connection_settings *settings)
{
    *publisher = (struct nsq_publisher){ .settings = settings };
    nsq_frame_reader_init(&publisher->reader, NSQ_FRAME_LEAST_CAP,
                          CARRY_OVER_MOST);
    send_buffer_init(&publisher->output, OUTPUT_MOST);
}

void nsq_publisher_reset(struct nsq_publisher *publisher)
{
    nsq_frame_reader_deinit(&publisher->reader);
    send_buffer_deinit(&publisher->output);
    nsq_publisher_init(publisher, publisher->settings);
}

static int fail(struct nsq_publisher *publisher, const char *why,
                struct bytes detail)
{
    size_t length = detail.length < 150 ? detail.length : 150;

    (void)snprintf(publisher->complaint, sizeof(publisher->complaint),
                   "%s%s%.*s", why, length > 0 ? ": " : "", (int)length,
                   length > 0 ? (const char *)detail.data : "");
    publisher->state = NSQ_PUBLISHER_STATE_FAILED;
    return NSQ_PUBLISHER_FAILED;
}

static int fail_plainly(struct nsq_publisher *publisher, const char *why)
{
    return fail(publisher, why, bytes_of(NULL, 0));
}

static int open_output(struct nsq_publisher *publisher, size_t most,
                       struct bytes_writer *writer)
{
    if (send_buffer_open(&publisher->output, most, writer))
        return fail_plainly(publisher, "no memory for what is published");
    return 0;
}

void nsq_publisher_start(struct nsq_publisher *publisher, struct monotonic now)
{
    assert(publisher->state == NSQ_PUBLISHER_IDLE);
    publisher->state = NSQ_PUBLISHER_CONNECTING;
    publisher->answer_due =
        monotonic_after(now, publisher->settings->connect_timeout_ns);
}

int nsq_publisher_on_connected(struct nsq_publisher *publisher,
                               struct monotonic now)
{
    struct bytes_writer writer;

    assert(publisher->state == NSQ_PUBLISHER_CONNECTING);
    publisher->state = NSQ_PUBLISHER_IDENTIFYING;
    publisher->last_frame = now;
    publisher->answer_due =
        monotonic_after(now, publisher->settings->answer_timeout_ns);
    if (open_output(publisher, HANDSHAKE_MOST, &writer))
        return NSQ_PUBLISHER_FAILED;
    nsq_encode_magic(&writer);
    nsq_encode_identify(&writer, &publisher->settings->identity);
    if (writer.overrun)
        return fail_plainly(publisher, "the names for IDENTIFY are too long");
    send_buffer_commit(&publisher->output, &writer);
    return 0;
}

static int take_terms(struct nsq_publisher *publisher, struct bytes body)
{
    struct bytes secret = publisher->settings->auth_secret;
    struct nsq_terms terms;
    struct bytes_writer writer;

    if (nsq_terms_parse(body, &terms))
        return fail(publisher, "nsqd answered IDENTIFY with something else",
                    body);
    if (!terms.auth_required) {
        publisher->state = NSQ_PUBLISHER_READY;
        return 0;
    }
    if (secret.length == 0)
        return fail_plainly(publisher,
                            "nsqd requires AUTH and no auth_secret is set");
    if (open_output(publisher, 64 + secret.length, &writer))
        return NSQ_PUBLISHER_FAILED;
    nsq_encode_authenticate(&writer, secret);
    send_buffer_commit(&publisher->output, &writer);
    publisher->state = NSQ_PUBLISHER_AUTHENTICATING;
    return 0;
}

static int answer_heartbeat(struct nsq_publisher *publisher)
{
    struct bytes_writer writer;

    if (open_output(publisher, NSQ_COMMAND_MOST, &writer))
        return NSQ_PUBLISHER_FAILED;
    nsq_encode_no_operation(&writer);
    send_buffer_commit(&publisher->output, &writer);
    return 0;
}

/* An answer to a PUB: nothing else is asked for in state READY. */
static int take_answer(struct nsq_publisher *publisher, struct bytes body,
                       size_t *confirmed)
{
    if (!bytes_equal_text(body, "OK"))
        return fail(publisher, "nsqd did not answer PUB with OK", body);
    if (publisher->asked == 0)
        return fail_plainly(publisher, "nsqd confirmed what nobody published");
    publisher->asked--;
    (*confirmed)++;
    publisher->answer_due = monotonic_after(
        publisher->last_frame, publisher->settings->answer_timeout_ns);
    return 0;
}

static int take_frame(struct nsq_publisher *publisher,
                      const struct nsq_frame *frame, size_t *confirmed)
{
    if (nsq_frame_is_heartbeat(frame))
        return answer_heartbeat(publisher);
    if (frame->type == NSQ_FRAME_ERROR)
        return fail(publisher, "nsqd refused", frame->body);
    if (frame->type != NSQ_FRAME_RESPONSE)
        return fail_plainly(publisher, "nsqd sent a message to a publisher");
    switch (publisher->state) {
    case NSQ_PUBLISHER_IDENTIFYING:
        return take_terms(publisher, frame->body);
    case NSQ_PUBLISHER_AUTHENTICATING:
        publisher->state = NSQ_PUBLISHER_READY; /* whatever AUTH granted */
        return 0;
    default:
        return take_answer(publisher, frame->body, confirmed);
    }
}

int nsq_publisher_feed(struct nsq_publisher *publisher, struct bytes received,
                       struct monotonic now, size_t *confirmed)
{
    struct nsq_frame frame;
    bool was_seen;
    int result;

    *confirmed = 0;
    assert(publisher->state > NSQ_PUBLISHER_CONNECTING);
    if (publisher->state == NSQ_PUBLISHER_STATE_FAILED)
        return NSQ_PUBLISHER_FAILED;
    nsq_frame_reader_feed(&publisher->reader, received);
    while ((result = nsq_frame_next(&publisher->reader, &frame, &was_seen)) ==
           0) {
        publisher->last_frame = now;
        if (take_frame(publisher, &frame, confirmed))
            return NSQ_PUBLISHER_FAILED;
    }
    if (result != NSQ_FRAME_PARTIAL || nsq_frame_keep(&publisher->reader))
        return fail_plainly(publisher, "nsqd sent what is no answer");
    return 0;
}

int nsq_publisher_publish(struct nsq_publisher *publisher,
                          struct bytes commands, size_t count,
                          struct monotonic now)
{
    struct bytes_writer writer;

    assert(publisher->state == NSQ_PUBLISHER_READY);
    if (open_output(publisher, commands.length, &writer))
        return NSQ_PUBLISHER_FAILED;
    bytes_put(&writer, commands);
    send_buffer_commit(&publisher->output, &writer);
    if (publisher->asked == 0)
        publisher->answer_due =
            monotonic_after(now, publisher->settings->answer_timeout_ns);
    publisher->asked += count;
    return 0;
}

struct bytes nsq_publisher_output(struct nsq_publisher *publisher)
{
    if (publisher->state == NSQ_PUBLISHER_STATE_FAILED)
        return bytes_of(NULL, 0);
    return send_buffer_take(&publisher->output);
}

void nsq_publisher_on_sent(struct nsq_publisher *publisher, size_t count)
{
    send_buffer_on_sent(&publisher->output, count);
}

static struct monotonic silence_due(const struct nsq_publisher *publisher)
{
    int64_t interval =
        publisher->settings->identity.heartbeat_interval_ms * NS_PER_MS;

    return monotonic_after(publisher->last_frame, 2 * interval);
}

static bool awaits_answer(const struct nsq_publisher *publisher)
{
    return publisher->state != NSQ_PUBLISHER_READY || publisher->asked > 0;
}

struct monotonic nsq_publisher_deadline(const struct nsq_publisher *publisher)
{
    struct monotonic due = MONOTONIC_NEVER;

    if (publisher->state == NSQ_PUBLISHER_IDLE ||
        publisher->state == NSQ_PUBLISHER_STATE_FAILED)
        return due;
    if (awaits_answer(publisher))
        due = publisher->answer_due;
    if (publisher->state == NSQ_PUBLISHER_READY)
        due = monotonic_earlier(due, silence_due(publisher));
    return due;
}

int nsq_publisher_on_time(struct nsq_publisher *publisher, struct monotonic now)
{
    if (publisher->state == NSQ_PUBLISHER_STATE_FAILED)
        return NSQ_PUBLISHER_FAILED;
    if (!monotonic_reached(nsq_publisher_deadline(publisher), now))
        return 0;
    if (publisher->state == NSQ_PUBLISHER_CONNECTING)
        return fail_plainly(publisher, "no connection in time");
    return fail_plainly(publisher, "no answer in time");
}
