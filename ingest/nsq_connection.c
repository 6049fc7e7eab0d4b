/* SPDX-License-Identifier: Apache-2.0 */

#include "ingest/nsq_connection.h"

#include <stdarg.h>
#include <stdio.h>

#define BIT(state) (1u << (state))

/* The edges of the drawing in the header: states that may follow a state. */
static const unsigned allowed_after[] = {
    [NSQ_CONNECTION_IDLE] = BIT(NSQ_CONNECTION_CONNECTING),
    [NSQ_CONNECTION_CONNECTING] = BIT(NSQ_CONNECTION_IDENTIFYING),
    [NSQ_CONNECTION_IDENTIFYING] =
        BIT(NSQ_CONNECTION_AUTHENTICATING) | BIT(NSQ_CONNECTION_SUBSCRIBING),
    [NSQ_CONNECTION_AUTHENTICATING] = BIT(NSQ_CONNECTION_SUBSCRIBING),
    [NSQ_CONNECTION_SUBSCRIBING] = BIT(NSQ_CONNECTION_SUBSCRIBED),
    [NSQ_CONNECTION_SUBSCRIBED] = BIT(NSQ_CONNECTION_CLOSING),
    [NSQ_CONNECTION_CLOSING] = BIT(NSQ_CONNECTION_CLOSE_WAITED),
    [NSQ_CONNECTION_CLOSE_WAITED] = 0,
    [NSQ_CONNECTION_STATE_FAILED] = 0,
};

/* States in which messages come and FIN, REQ and TOUCH may be sent. */
#define OPEN_STATES                                                            \
    (BIT(NSQ_CONNECTION_SUBSCRIBED) | BIT(NSQ_CONNECTION_CLOSING) |            \
     BIT(NSQ_CONNECTION_CLOSE_WAITED))

#define ANSWER_STATES                                                          \
    (BIT(NSQ_CONNECTION_CONNECTING) | BIT(NSQ_CONNECTION_IDENTIFYING) |        \
     BIT(NSQ_CONNECTION_AUTHENTICATING) | BIT(NSQ_CONNECTION_SUBSCRIBING))

static bool is_in(const struct nsq_connection *c, unsigned states)
{
    return (BIT(c->state) & states) != 0;
}

/* The one place that changes the state. */
static void enter(struct nsq_connection *c, enum nsq_connection_state state)
{
    bool allowed = (allowed_after[c->state] & BIT(state)) != 0;

    if (state == NSQ_CONNECTION_STATE_FAILED)
        allowed = c->state != NSQ_CONNECTION_IDLE;
    assert(allowed || state == NSQ_CONNECTION_IDLE);
    c->state = state;
}

/* The peer's words go into a log line: one line, and no escape sequences. */
static void make_printable(char *text)
{
    for (; *text; text++)
        if ((uint8_t)*text < 0x20 || (uint8_t)*text > 0x7e)
            *text = '?';
}

static int fail(struct nsq_connection *c, enum nsq_connection_failure failure,
                const char *format, ...) __attribute__((format(printf, 3, 4)));

static int fail(struct nsq_connection *c, enum nsq_connection_failure failure,
                const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(c->complaint, sizeof(c->complaint), format, arguments);
    va_end(arguments);
    make_printable(c->complaint);
    c->failure = failure;
    enter(c, NSQ_CONNECTION_STATE_FAILED);
    return NSQ_CONNECTION_FAILED;
}

/* A store could not take more: by its bound, or for lack of memory. */
static int fail_to_store(struct nsq_connection *c, int result, const char *what,
                         size_t most)
{
    if (result < 0)
        return fail(c, NSQ_FAILURE_NO_MEMORY, "no memory for %s", what);
    return fail(c, NSQ_FAILURE_FULL, "%s exceed their bound of %zu bytes", what,
                most);
}

static size_t max_frame_size(const struct nsq_connection_settings *settings)
{
    size_t size = 4 + NSQ_MESSAGE_HEAD_LENGTH + settings->max_message_size;

    return size < NSQ_FRAME_LEAST_CAP ? NSQ_FRAME_LEAST_CAP : size;
}

void nsq_connection_init(struct nsq_connection *c,
                         const struct nsq_connection_settings *settings)
{
    assert(settings->identity.heartbeat_interval_ms >= 1000);
    *c = (struct nsq_connection){ .settings = settings,
                                  .touch_due = MONOTONIC_NEVER };
    nsq_frame_reader_init(&c->reader, max_frame_size(settings),
                          settings->max_carry_over);
    send_buffer_init(&c->output, settings->max_output);
}

void nsq_connection_deinit(struct nsq_connection *c)
{
    nsq_frame_reader_deinit(&c->reader);
    send_buffer_deinit(&c->output);
}

void nsq_connection_reset(struct nsq_connection *c)
{
    struct nsq_frame_reader reader = c->reader;
    struct send_buffer output = c->output;

    nsq_connection_init(c, c->settings);
    c->reader = reader;
    c->output = output;
    nsq_frame_reader_clear(&c->reader);
    send_buffer_clear(&c->output);
}

void nsq_connection_start(struct nsq_connection *c, struct monotonic now)
{
    enter(c, NSQ_CONNECTION_CONNECTING);
    c->answer_due = monotonic_after(now, c->settings->connect_timeout_ns);
}

/* A writer on `count` bytes behind what waits to be sent, or a failure. */
static int open_output(struct nsq_connection *c, size_t count,
                       struct bytes_writer *writer)
{
    int result = send_buffer_open(&c->output, count, writer);

    if (result)
        return fail_to_store(c, result, "commands that nsqd does not read",
                             c->settings->max_output);
    return 0;
}

static size_t text_length(const char *text)
{
    return text ? strlen(text) : 0;
}

/* Every byte of a text may become a \u00xx of six; the rest is well below. */
static size_t handshake_most(const struct nsq_connection_settings *settings)
{
    const struct nsq_identity *identity = &settings->identity;

    return 512 + settings->topic.length + settings->channel.length +
           settings->auth_secret.length +
           6 * (text_length(identity->client_id) +
                text_length(identity->hostname) +
                text_length(identity->user_agent));
}

static void put_subscribe(struct nsq_connection *c, struct bytes_writer *writer)
{
    nsq_encode_subscribe(writer, c->settings->topic, c->settings->channel);
}

void nsq_connection_on_connected(struct nsq_connection *c, struct monotonic now)
{
    struct bytes_writer writer;

    enter(c, NSQ_CONNECTION_IDENTIFYING);
    c->now = now;
    c->last_frame = now;
    c->answer_due = monotonic_after(now, c->settings->answer_timeout_ns);
    if (open_output(c, handshake_most(c->settings), &writer))
        return;
    nsq_encode_magic(&writer);
    nsq_encode_identify(&writer, &c->settings->identity);
    if (c->settings->auth_secret.length == 0)
        put_subscribe(c, &writer);
    send_buffer_commit(&c->output, &writer);
}

void nsq_connection_feed(struct nsq_connection *c, struct bytes received,
                         struct monotonic now)
{
    assert(c->state > NSQ_CONNECTION_CONNECTING);
    nsq_frame_reader_feed(&c->reader, received);
    c->now = now;
}

static int fail_by_frame(struct nsq_connection *c, int condition,
                         const struct nsq_frame *frame)
{
    size_t most = c->reader.max_frame_size;

    switch (condition) {
    case NSQ_FRAME_PARTIAL:
        return NSQ_CONNECTION_NOTHING;
    case NSQ_FRAME_IS_HTTP:
        return fail(c, NSQ_FAILURE_HTTP_PORT,
                    "this is nsqd's HTTP port; the TCP port is wanted "
                    "(usually 4150)");
    case NSQ_FRAME_BAD_TYPE:
        return fail(c, NSQ_FAILURE_BROKEN, "nsqd sent a frame of unknown type");
    case NSQ_FRAME_BAD_SIZE:
        return fail(c,
                    frame->length > most ? NSQ_FAILURE_TOO_LARGE
                                         : NSQ_FAILURE_BROKEN,
                    "nsqd sent a frame of size %zu; 4 to %zu are allowed",
                    frame->length, most);
    default:
        return fail_to_store(c, condition, "messages that wait for room",
                             c->reader.carry_over.most);
    }
}

/* Arrival functions return 0 if there is one, NSQ_CONNECTION_NOTHING if not. */

static int take_message(struct nsq_connection *c, const struct nsq_frame *frame,
                        struct nsq_arrival *arrival)
{
    if (!is_in(c, OPEN_STATES))
        return fail(c, NSQ_FAILURE_BROKEN,
                    "nsqd sent a message before SUB was answered");
    if (nsq_message_parse(frame, &arrival->message))
        return fail(c, NSQ_FAILURE_BROKEN,
                    "nsqd sent a message of %zu bytes without a proper head",
                    frame->body.length);
    arrival->kind = NSQ_ARRIVED_MESSAGE;
    c->in_flight++;
    c->last_given = c->now;
    return 0;
}

static int send_subscribe(struct nsq_connection *c)
{
    struct bytes_writer writer;

    if (open_output(c, handshake_most(c->settings), &writer))
        return NSQ_CONNECTION_FAILED;
    put_subscribe(c, &writer);
    send_buffer_commit(&c->output, &writer);
    enter(c, NSQ_CONNECTION_SUBSCRIBING);
    return NSQ_CONNECTION_NOTHING;
}

static int send_authenticate(struct nsq_connection *c)
{
    struct bytes_writer writer;

    if (open_output(c, handshake_most(c->settings), &writer))
        return NSQ_CONNECTION_FAILED;
    nsq_encode_authenticate(&writer, c->settings->auth_secret);
    send_buffer_commit(&c->output, &writer);
    enter(c, NSQ_CONNECTION_AUTHENTICATING);
    return NSQ_CONNECTION_NOTHING;
}

/*
 * The answer to IDENTIFY. SUB is on its way already, unless there is a secret,
 * which is for those nsqd only that ask for it: others end the connection.
 */
static int take_terms(struct nsq_connection *c, const struct nsq_frame *frame)
{
    bool has_secret = c->settings->auth_secret.length > 0;

    if (nsq_terms_parse(frame->body, &c->terms))
        return fail(c, NSQ_FAILURE_BROKEN,
                    "nsqd answered IDENTIFY with something else: %.*s",
                    (int)(frame->body.length < 100 ? frame->body.length : 100),
                    (const char *)frame->body.data);
    if (c->terms.auth_required && !has_secret)
        return fail(c, NSQ_FAILURE_REFUSED,
                    "nsqd requires AUTH and no auth_secret is set");
    if (c->terms.auth_required)
        return send_authenticate(c);
    if (has_secret)
        return send_subscribe(c);
    enter(c, NSQ_CONNECTION_SUBSCRIBING);
    return NSQ_CONNECTION_NOTHING;
}

static int take_subscribed(struct nsq_connection *c,
                           const struct nsq_frame *frame,
                           struct nsq_arrival *arrival)
{
    if (!bytes_equal_text(frame->body, "OK"))
        return fail(c, NSQ_FAILURE_BROKEN, "nsqd did not answer SUB with OK");
    enter(c, NSQ_CONNECTION_SUBSCRIBED);
    arrival->kind = NSQ_ARRIVED_SUBSCRIBED;
    c->last_given = c->now;
    arrival->terms = c->terms;
    return 0;
}

static int answer_heartbeat(struct nsq_connection *c)
{
    struct bytes_writer writer;

    if (open_output(c, NSQ_COMMAND_MOST, &writer))
        return NSQ_CONNECTION_FAILED;
    nsq_encode_no_operation(&writer);
    send_buffer_commit(&c->output, &writer);
    return NSQ_CONNECTION_NOTHING;
}

static int take_response(struct nsq_connection *c,
                         const struct nsq_frame *frame,
                         struct nsq_arrival *arrival)
{
    switch (c->state) {
    case NSQ_CONNECTION_IDENTIFYING:
        return take_terms(c, frame);
    case NSQ_CONNECTION_AUTHENTICATING:
        return send_subscribe(c); /* whatever AUTH granted */
    case NSQ_CONNECTION_SUBSCRIBING:
        return take_subscribed(c, frame, arrival);
    case NSQ_CONNECTION_CLOSING:
        if (!bytes_equal_text(frame->body, "CLOSE_WAIT"))
            return NSQ_CONNECTION_NOTHING;
        enter(c, NSQ_CONNECTION_CLOSE_WAITED);
        arrival->kind = NSQ_ARRIVED_CLOSE_WAIT;
        return 0;
    default:
        return NSQ_CONNECTION_NOTHING; /* a later nsqd may say more */
    }
}

static int take_error(struct nsq_connection *c, const struct nsq_frame *frame,
                      struct nsq_arrival *arrival)
{
    struct nsq_error error;

    if (nsq_error_parse(frame, &error))
        return fail(c, NSQ_FAILURE_BROKEN, "nsqd sent an error without a code");
    if (error.kind == NSQ_ERROR_FATAL)
        return fail(c, NSQ_FAILURE_REFUSED, "nsqd refused: %.*s",
                    (int)(frame->body.length < 200 ? frame->body.length : 200),
                    (const char *)frame->body.data);
    c->leaked_credits += error.kind == NSQ_ERROR_FIN_FAILED ||
                         error.kind == NSQ_ERROR_REQ_FAILED;
    arrival->kind = error.kind == NSQ_ERROR_FIN_FAILED ? NSQ_ARRIVED_FIN_FAILED
                    : error.kind == NSQ_ERROR_REQ_FAILED
                        ? NSQ_ARRIVED_REQ_FAILED
                        : NSQ_ARRIVED_TOUCH_FAILED;
    arrival->has_id = error.has_id;
    arrival->id = error.id;
    return 0;
}

int nsq_connection_next(struct nsq_connection *c, struct nsq_arrival *arrival)
{
    int result = NSQ_CONNECTION_NOTHING;

    if (c->state == NSQ_CONNECTION_STATE_FAILED)
        return NSQ_CONNECTION_FAILED;
    while (result == NSQ_CONNECTION_NOTHING) {
        struct nsq_frame frame;
        bool was_seen;

        result = nsq_frame_next(&c->reader, &frame, &was_seen);
        if (result)
            return fail_by_frame(c, result, &frame);
        if (!was_seen)
            c->last_frame = c->now;
        if (frame.type == NSQ_FRAME_MESSAGE)
            return take_message(c, &frame, arrival);
        if (frame.type == NSQ_FRAME_ERROR)
            return take_error(c, &frame, arrival);
        if (!nsq_frame_is_heartbeat(&frame))
            result = take_response(c, &frame, arrival);
        else
            result = was_seen ? NSQ_CONNECTION_NOTHING : answer_heartbeat(c);
    }
    return result;
}

void nsq_connection_put_back(struct nsq_connection *c)
{
    assert(c->in_flight > 0);
    c->in_flight--;
    nsq_frame_put_back(&c->reader);
}

/* A third tolerates one TOUCH that is lost or late. */
static struct monotonic touch_time(const struct nsq_connection *c,
                                   struct monotonic now)
{
    return monotonic_after(now, c->terms.msg_timeout_ms * NS_PER_MS / 3);
}

/*
 * Walk over the frames that were parked: they are a sign of life, and a
 * heartbeat among them must not wait for the messages before it. What cannot
 * be parsed is left for next() to complain about.
 */
static int look_through(struct nsq_connection *c)
{
    struct nsq_frame frame;

    while (nsq_frame_look(&c->reader, &frame)) {
        c->last_frame = c->now;
        if (nsq_frame_is_heartbeat(&frame) &&
            answer_heartbeat(c) == NSQ_CONNECTION_FAILED)
            return NSQ_CONNECTION_FAILED;
    }
    if (c->reader.seen == 0)
        c->touch_due = MONOTONIC_NEVER;
    else if (c->touch_due.ns == MONOTONIC_NEVER.ns)
        c->touch_due = touch_time(c, c->now);
    return 0;
}

int nsq_connection_keep(struct nsq_connection *c)
{
    int result = nsq_frame_keep(&c->reader);

    if (c->state == NSQ_CONNECTION_STATE_FAILED)
        return NSQ_CONNECTION_FAILED;
    if (result)
        return fail_by_frame(c, result, NULL);
    return look_through(c);
}

/* A writer for one command of an open connection. */
static int open_command(struct nsq_connection *c, unsigned states,
                        struct bytes_writer *writer)
{
    if (!is_in(c, states))
        return NSQ_CONNECTION_NOT_OPEN;
    return open_output(c, NSQ_COMMAND_MOST, writer);
}

/* An id of an earlier connection may be answered here: never below zero. */
static void count_out(struct nsq_connection *c)
{
    if (c->in_flight > 0)
        c->in_flight--;
}

int nsq_connection_finish(struct nsq_connection *c,
                          const struct nsq_message_id *id)
{
    struct bytes_writer writer;
    int result = open_command(c, OPEN_STATES, &writer);

    if (result)
        return result;
    nsq_encode_finish(&writer, id);
    send_buffer_commit(&c->output, &writer);
    count_out(c);
    return 0;
}

int nsq_connection_requeue(struct nsq_connection *c,
                           const struct nsq_message_id *id, uint32_t delay_ms)
{
    struct bytes_writer writer;
    int result = open_command(c, OPEN_STATES, &writer);

    if (result)
        return result;
    nsq_encode_requeue(&writer, id, delay_ms);
    send_buffer_commit(&c->output, &writer);
    count_out(c);
    return 0;
}

int nsq_connection_touch(struct nsq_connection *c,
                         const struct nsq_message_id *id)
{
    struct bytes_writer writer;
    int result = open_command(c, OPEN_STATES, &writer);

    if (result)
        return result;
    nsq_encode_touch(&writer, id);
    send_buffer_commit(&c->output, &writer);
    return 0;
}

int nsq_connection_set_ready(struct nsq_connection *c, uint32_t count)
{
    struct bytes_writer writer;
    int result;

    /* More than nsqd allows would be E_INVALID, which ends the connection. */
    if (count > c->terms.max_rdy_count)
        count = c->terms.max_rdy_count;
    if (c->state == NSQ_CONNECTION_SUBSCRIBED && count == c->ready)
        return 0;
    result = open_command(c, BIT(NSQ_CONNECTION_SUBSCRIBED), &writer);
    if (result)
        return result;
    nsq_encode_ready(&writer, count);
    send_buffer_commit(&c->output, &writer);
    c->ready = count;
    return 0;
}

int nsq_connection_start_close(struct nsq_connection *c)
{
    struct bytes_writer writer;
    int result = open_command(c, BIT(NSQ_CONNECTION_SUBSCRIBED), &writer);

    if (result)
        return result;
    nsq_encode_start_close(&writer);
    send_buffer_commit(&c->output, &writer);
    c->ready = 0; /* CLS does that in nsqd */
    enter(c, NSQ_CONNECTION_CLOSING);
    return 0;
}

void nsq_connection_on_second_copy(struct nsq_connection *c)
{
    count_out(c);
    c->leaked_credits++;
}

void nsq_connection_on_delivered_again(struct nsq_connection *c)
{
    count_out(c);
}

bool nsq_connection_should_renew(const struct nsq_connection *c)
{
    int64_t interval = c->settings->identity.heartbeat_interval_ms * NS_PER_MS;
    bool is_still = c->in_flight == 0 &&
                    monotonic_between(c->last_given, c->now) > 2 * interval;

    return c->ready > 0 && c->leaked_credits > 0 &&
           (is_still || c->leaked_credits >= c->ready / 4);
}

struct bytes nsq_connection_output(struct nsq_connection *c)
{
    if (c->state == NSQ_CONNECTION_STATE_FAILED)
        return bytes_of(NULL, 0);
    return send_buffer_take(&c->output);
}

void nsq_connection_on_sent(struct nsq_connection *c, size_t count)
{
    send_buffer_on_sent(&c->output, count);
}

static struct monotonic silence_due(const struct nsq_connection *c)
{
    int64_t interval = c->settings->identity.heartbeat_interval_ms * NS_PER_MS;

    return monotonic_after(c->last_frame, 2 * interval);
}

struct monotonic nsq_connection_deadline(const struct nsq_connection *c)
{
    if (is_in(c, ANSWER_STATES))
        return c->answer_due;
    if (is_in(c, OPEN_STATES))
        return monotonic_earlier(silence_due(c), c->touch_due);
    return MONOTONIC_NEVER;
}

static int touch_parked(struct nsq_connection *c, struct monotonic now)
{
    struct bytes parked = nsq_frames_parked(&c->reader);
    struct nsq_frame frame;

    while (nsq_frame_parse(parked, c->reader.max_frame_size, &frame) == 0) {
        struct nsq_message message;

        if (frame.type == NSQ_FRAME_MESSAGE &&
            nsq_message_parse(&frame, &message) == 0 &&
            nsq_connection_touch(c, &message.id))
            return NSQ_CONNECTION_FAILED;
        parked = bytes_skip(parked, frame.length);
    }
    c->touch_due = touch_time(c, now);
    return 0;
}

static int fail_unanswered(struct nsq_connection *c)
{
    if (c->state == NSQ_CONNECTION_CONNECTING)
        return fail(c, NSQ_FAILURE_SILENT, "no connection within %lld ms",
                    (long long)(c->settings->connect_timeout_ns / NS_PER_MS));
    return fail(c, NSQ_FAILURE_SILENT, "no answer to %s within %lld ms",
                c->state == NSQ_CONNECTION_IDENTIFYING      ? "IDENTIFY"
                : c->state == NSQ_CONNECTION_AUTHENTICATING ? "AUTH"
                                                            : "SUB",
                (long long)(c->settings->answer_timeout_ns / NS_PER_MS));
}

int nsq_connection_on_time(struct nsq_connection *c, struct monotonic now)
{
    if (c->state == NSQ_CONNECTION_STATE_FAILED)
        return NSQ_CONNECTION_FAILED;
    if (is_in(c, ANSWER_STATES))
        return monotonic_reached(c->answer_due, now) ? fail_unanswered(c) : 0;
    if (!is_in(c, OPEN_STATES))
        return 0;
    if (monotonic_reached(silence_due(c), now))
        return fail(c, NSQ_FAILURE_SILENT,
                    "no frame from nsqd for two heartbeat intervals of %u ms",
                    c->settings->identity.heartbeat_interval_ms);
    if (monotonic_reached(c->touch_due, now))
        return touch_parked(c, now);
    return 0;
}
