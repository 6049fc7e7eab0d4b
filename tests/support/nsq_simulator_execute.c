/* SPDX-License-Identifier: Apache-2.0 */

/*
 * nsq_simulator_execute - nsqd's answer to each command, word for word.
 *
 * The order of the checks and every sentence are those of protocol_v2.go of
 * nsqd 1.3.0: a client may come to depend on either.
 */

#include "tests/support/nsq_simulator_connection.h"

#include <stdarg.h>
#include <stdio.h>

#define SENTENCE_MOST (COMMAND_LINE_MOST + 128)
#define REQ_MS_MOST   3600000 /* --max-req-timeout */

static void put_sentence(struct connection *connection, const char *format,
                         va_list arguments)
    __attribute__((format(printf, 2, 0)));

static void put_sentence(struct connection *connection, const char *format,
                         va_list arguments)
{
    char sentence[SENTENCE_MOST];
    int length = vsnprintf(sentence, sizeof(sentence), format, arguments);

    if (length >= (int)sizeof(sentence))
        length = (int)sizeof(sentence) - 1;
    if (length > 0)
        connection_put_frame(connection, FRAME_ERROR,
                             bytes_of(sentence, (size_t)length));
}

__attribute__((format(printf, 2, 3))) static void
refuse(struct connection *connection, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    put_sentence(connection, format, arguments);
    va_end(arguments);
}

__attribute__((format(printf, 2, 3))) static void
refuse_and_close(struct connection *connection, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    put_sentence(connection, format, arguments);
    va_end(arguments);
    connection->end = CONNECTION_ENDS;
}

static void answer(struct connection *connection, const char *text)
{
    connection_put_frame(connection, FRAME_RESPONSE, bytes_of_text(text));
}

/* For "%.*s" of a view. */
#define TEXT(bytes) (int)(bytes).length, (const char *)(bytes).data

/* As Go's %q writes it, but for what is not ASCII, which stays. */
static struct bytes quote(struct bytes text, struct bytes_writer *quoted)
{
    static const char names[] = "\a\b\t\n\v\f\r";

    bytes_put_byte(quoted, '"');
    for (size_t i = 0; i < text.length; i++) {
        uint8_t byte = text.data[i];
        const char *name = byte ? strchr(names, byte) : NULL;

        if (byte == '"' || byte == '\\' || name)
            bytes_put_byte(quoted, '\\');
        if (name) {
            bytes_put_byte(quoted, (uint8_t) "abtnvfr"[name - names]);
        } else if (byte < ' ' || byte == 0x7f) {
            bytes_put_text(quoted, "\\x");
            bytes_put_hex(quoted, bytes_of(&byte, 1));
        } else {
            bytes_put_byte(quoted, byte);
        }
    }
    bytes_put_byte(quoted, '"');
    return bytes_written(quoted);
}

static void refuse_name(struct connection *connection, const char *prefix,
                        struct bytes name)
{
    uint8_t text[SENTENCE_MOST];
    struct bytes_writer quoted = bytes_writer_on(text, sizeof(text));

    name = quote(name, &quoted);
    refuse_and_close(connection, "%s name %.*s is not valid", prefix,
                     TEXT(name));
}

static void identify(struct connection *connection,
                     const struct command *command,
                     const struct channel_time *now)
{
    uint8_t text[1024];
    struct bytes_writer writer = bytes_writer_on(text, sizeof(text));

    if (connection->state != CONNECTION_INIT) {
        refuse_and_close(connection,
                         "E_INVALID cannot IDENTIFY in current state");
    } else if (command->body_length <= 0) {
        refuse_and_close(connection, "E_BAD_BODY IDENTIFY invalid body size %d",
                         command->body_length);
    } else if (command->body.length == 0) {
        refuse_and_close(connection, "E_BAD_BODY IDENTIFY body too big %d > %d",
                         command->body_length, CONNECTION_BODY_MOST);
    } else if (!identify_apply(command->body, &connection->nsqd->limits,
                               &connection->settings, &writer)) {
        refuse_and_close(connection, "E_BAD_BODY IDENTIFY %.*s",
                         TEXT(bytes_written(&writer)));
    } else {
        identify_answer(&connection->settings, &connection->nsqd->limits,
                        &writer);
        connection_put_frame(connection, FRAME_RESPONSE,
                             bytes_written(&writer));
        connection->heartbeat_at =
            now->now_ms + (uint32_t)connection->settings.heartbeat_ms;
    }
}

/* This nsqd has no auth server. */
static void authenticate(struct connection *connection,
                         const struct command *command,
                         const struct channel_time *now)
{
    (void)now;
    if (connection->state != CONNECTION_INIT)
        refuse_and_close(connection, "E_INVALID cannot AUTH in current state");
    else if (command->word_count != 1)
        refuse_and_close(connection,
                         "E_INVALID AUTH invalid number of parameters");
    else if (command->body_length <= 0)
        refuse_and_close(connection, "E_BAD_BODY AUTH invalid body size %d",
                         command->body_length);
    else
        refuse_and_close(connection, "E_AUTH_DISABLED AUTH disabled");
}

static bool is_served(struct nsqd *nsqd, struct bytes topic,
                      struct bytes channel)
{
    if (!bytes_equal_text(topic, nsqd->topic))
        return false;
    if (nsqd->channel_name[0] == '\0')
        memcpy(nsqd->channel_name, channel.data, channel.length);
    return bytes_equal_text(channel, nsqd->channel_name);
}

static void subscribe(struct connection *connection,
                      const struct command *command,
                      const struct channel_time *now)
{
    struct channel *channel = &connection->nsqd->channel;

    if (connection->state != CONNECTION_INIT) {
        refuse_and_close(connection, "E_INVALID cannot SUB in current state");
    } else if (connection->settings.heartbeat_ms <= 0) {
        refuse_and_close(connection,
                         "E_INVALID cannot SUB with heartbeats disabled");
    } else if (command->word_count < 3) {
        refuse_and_close(connection,
                         "E_INVALID SUB insufficient number of parameters");
    } else if (!command_is_name(command->words[1])) {
        refuse_name(connection, "E_BAD_TOPIC SUB topic", command->words[1]);
    } else if (!command_is_name(command->words[2])) {
        refuse_name(connection, "E_BAD_CHANNEL SUB channel", command->words[2]);
    } else {
        connection->state = CONNECTION_SUBSCRIBED;
        connection->is_served =
            is_served(connection->nsqd, command->words[1], command->words[2]);
        connection->consumer.msg_timeout_ms =
            connection->settings.msg_timeout_ms;
        if (connection->is_served)
            channel_add_consumer(channel, &connection->consumer, now);
        answer(connection, "OK");
        history_write(channel->history,
                      &(struct history_fact){
                          .what = "sub",
                          .nsqd = channel->source.options.nsqd_index,
                          .connection = connection->consumer.connection });
    }
}

static void set_ready(struct connection *connection,
                      const struct command *command,
                      const struct channel_time *now)
{
    uint64_t most = (uint64_t)connection->nsqd->limits.max_rdy_count;
    uint64_t count = 1;

    (void)now;
    if (connection->state == CONNECTION_CLOSING)
        return;
    if (connection->state != CONNECTION_SUBSCRIBED)
        refuse_and_close(connection, "E_INVALID cannot RDY in current state");
    else if (command->word_count > 1 &&
             !command_number(command->words[1], &count))
        refuse_and_close(connection, "E_INVALID RDY could not parse count %.*s",
                         TEXT(command->words[1]));
    else if (count > most)
        refuse_and_close(connection,
                         "E_INVALID RDY count %lld out of range 0-%llu",
                         (long long)count, (unsigned long long)most);
    else
        connection->consumer.rdy = (int64_t)count;
}

/*
 * FIN, REQ and TOUCH begin alike. Returns the id, or NULL if the command was
 * refused.
 */
static const uint8_t *take_id(struct connection *connection,
                              const struct command *command, const char *name,
                              size_t words)
{
    if (connection->state != CONNECTION_SUBSCRIBED &&
        connection->state != CONNECTION_CLOSING)
        refuse_and_close(connection, "E_INVALID cannot %s in current state",
                         name);
    else if (command->word_count < words)
        refuse_and_close(connection,
                         "E_INVALID %s insufficient number of params", name);
    else if (command->words[1].length != SOURCE_ID_LENGTH)
        refuse_and_close(connection, "E_INVALID invalid message ID");
    else
        return command->words[1].data;
    return NULL;
}

static void report_failure(struct connection *connection, const char *name,
                           const uint8_t *id, int condition)
{
    refuse(connection, "E_%s_FAILED %s %.16s failed %s", name, name,
           (const char *)id,
           condition == CHANNEL_NOT_OWNER ? "client does not own message"
                                          : "ID not in flight");
}

static void finish(struct connection *connection, const uint8_t *id)
{
    int result =
        channel_finish(&connection->nsqd->channel, &connection->consumer, id);

    if (result != 0)
        report_failure(connection, "FIN", id, result);
}

void connection_execute_fin(struct connection *connection, const uint8_t *id)
{
    if (connection->state == CONNECTION_SUBSCRIBED ||
        connection->state == CONNECTION_CLOSING)
        finish(connection, id);
    else
        refuse_and_close(connection, "E_INVALID cannot FIN in current state");
}

static void finish_message(struct connection *connection,
                           const struct command *command,
                           const struct channel_time *now)
{
    const uint8_t *id = take_id(connection, command, "FIN", 2);

    (void)now;
    if (id)
        finish(connection, id);
}

static void requeue_message(struct connection *connection,
                            const struct command *command,
                            const struct channel_time *now)
{
    const uint8_t *id = take_id(connection, command, "REQ", 3);
    uint64_t delay_ms;
    int result;

    if (!id)
        return;
    if (!command_number(command->words[2], &delay_ms)) {
        refuse_and_close(connection,
                         "E_INVALID REQ could not parse timeout %.*s",
                         TEXT(command->words[2]));
        return;
    }
    if (delay_ms > REQ_MS_MOST)
        delay_ms = REQ_MS_MOST;
    result = channel_requeue(&connection->nsqd->channel, &connection->consumer,
                             id, delay_ms, now);
    if (result != 0)
        report_failure(connection, "REQ", id, result);
}

static void touch_message(struct connection *connection,
                          const struct command *command,
                          const struct channel_time *now)
{
    const uint8_t *id = take_id(connection, command, "TOUCH", 2);
    int result;

    if (!id)
        return;
    result = channel_touch(&connection->nsqd->channel, &connection->consumer,
                           id, now);
    if (result != 0)
        report_failure(connection, "TOUCH", id, result);
}

static void close_softly(struct connection *connection,
                         const struct command *command,
                         const struct channel_time *now)
{
    (void)command;
    (void)now;
    if (connection->state != CONNECTION_SUBSCRIBED) {
        refuse_and_close(connection, "E_INVALID cannot CLS in current state");
        return;
    }
    connection->consumer.rdy = 0;
    connection->state = CONNECTION_CLOSING;
    answer(connection, "CLOSE_WAIT");
}

static void do_nothing(struct connection *connection,
                       const struct command *command,
                       const struct channel_time *now)
{
    (void)connection;
    (void)command;
    (void)now;
}

/* A dead letter, for one: counted and thrown away. */
static void publish(struct connection *connection,
                    const struct command *command,
                    const struct channel_time *now)
{
    (void)now;
    if (command->word_count < 2) {
        refuse_and_close(connection,
                         "E_INVALID PUB insufficient number of parameters");
    } else if (!command_is_name(command->words[1])) {
        refuse_name(connection, "E_BAD_TOPIC PUB topic", command->words[1]);
    } else if (command->body_length <= 0) {
        refuse_and_close(connection,
                         "E_BAD_MESSAGE PUB invalid message body size %d",
                         command->body_length);
    } else if (command->body.length == 0) {
        refuse_and_close(connection,
                         "E_BAD_MESSAGE PUB message too big %d > %d",
                         command->body_length, CONNECTION_BODY_MOST);
    } else {
        connection->nsqd->published++;
        answer(connection, "OK");
    }
}

static void refuse_unknown(struct connection *connection,
                           const struct command *command,
                           const struct channel_time *now)
{
    (void)now;
    refuse_and_close(connection, "E_INVALID invalid command %.*s",
                     TEXT(command->words[0]));
}

void connection_execute(struct connection *connection,
                        const struct command *command,
                        const struct channel_time *now)
{
    static void (*const actions[])(struct connection *, const struct command *,
                                   const struct channel_time *) = {
        [COMMAND_UNKNOWN] = refuse_unknown,
        [COMMAND_IDENTIFY] = identify,
        [COMMAND_AUTH] = authenticate,
        [COMMAND_SUB] = subscribe,
        [COMMAND_RDY] = set_ready,
        [COMMAND_FIN] = finish_message,
        [COMMAND_REQ] = requeue_message,
        [COMMAND_TOUCH] = touch_message,
        [COMMAND_CLS] = close_softly,
        [COMMAND_NOP] = do_nothing,
        [COMMAND_PUB] = publish,
    };

    actions[command->kind](connection, command, now);
}
