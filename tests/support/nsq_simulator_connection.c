/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/nsq_simulator_connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define INPUT_CAPACITY ((size_t)256 * 1024)

/*
 * Small enough to be sent from the cache it was written to, large enough to
 * make the system call cheap.
 */
#define OUTPUT_CHUNK ((size_t)128 * 1024)

/* Room that messages leave free for answers: the longest error is a line. */
#define ANSWER_ROOM ((size_t)2 * COMMAND_LINE_MOST)

static size_t frame_most(const struct nsqd *nsqd)
{
    return FRAME_HEADER_LENGTH + MESSAGE_HEADER_LENGTH + nsqd->longest_body;
}

struct connection *connection_new(struct nsqd *nsqd, int fd, uint32_t number,
                                  const struct channel_time *now)
{
    struct connection *connection = calloc(1, sizeof(*connection));

    if (!connection)
        return NULL;
    *connection = (struct connection){
        .watch = WATCH_CONNECTION,
        .fd = fd,
        .nsqd = nsqd,
        .consumer.connection = number,
        .settings = identify_defaults(&nsqd->limits),
        .input = malloc(INPUT_CAPACITY),
        .input_capacity = INPUT_CAPACITY,
        .output_capacity = OUTPUT_CHUNK + 2 * frame_most(nsqd) + ANSWER_ROOM,
        .heard_at = now->now_ms,
    };
    connection->output = malloc(connection->output_capacity);
    if (!connection->input || !connection->output) {
        free(connection->input);
        free(connection->output);
        free(connection);
        return NULL;
    }
    connection->heartbeat_at =
        now->now_ms + (uint32_t)connection->settings.heartbeat_ms;
    connection->next = nsqd->connections;
    nsqd->connections = connection;
    return connection;
}

void connection_free(struct connection *connection)
{
    struct connection **link;

    if (!connection)
        return;
    link = &connection->nsqd->connections;
    while (*link != connection)
        link = &(*link)->next;
    *link = connection->next;
    channel_remove_consumer(&connection->nsqd->channel, &connection->consumer);
    if (connection->resets)
        setsockopt(connection->fd, SOL_SOCKET, SO_LINGER,
                   &(struct linger){ .l_onoff = 1 }, sizeof(struct linger));
    close(connection->fd);
    free(connection->input);
    free(connection->output);
    free(connection);
}

/* --- output */

static size_t output_room(const struct connection *connection)
{
    return connection->output_capacity - connection->output_end;
}

static uint8_t *claim_output(struct connection *connection, size_t length)
{
    uint8_t *place;

    if (output_room(connection) < length && connection->output_start > 0) {
        memmove(connection->output,
                connection->output + connection->output_start,
                connection->output_end - connection->output_start);
        connection->output_end -= connection->output_start;
        connection->output_start = 0;
    }
    if (output_room(connection) < length) {
        connection->end = CONNECTION_DEAD;
        return NULL;
    }
    place = connection->output + connection->output_end;
    connection->output_end += length;
    return place;
}

void connection_put(struct connection *connection, struct bytes bytes)
{
    uint8_t *place = claim_output(connection, bytes.length);

    if (place && bytes.length > 0)
        memcpy(place, bytes.data, bytes.length);
}

void connection_put_frame(struct connection *connection, enum frame_type type,
                          struct bytes body)
{
    uint8_t header[FRAME_HEADER_LENGTH];

    bytes_store_be32(header, (uint32_t)body.length + 4);
    bytes_store_be32(header + 4, type);
    connection_put(connection, bytes_of(header, sizeof(header)));
    connection_put(connection, body);
}

void connection_put_message(struct connection *connection,
                            const struct channel_delivery *delivery)
{
    const struct source *source = &connection->nsqd->channel.source;
    struct source_message message = source_message_of(source, delivery->number);
    uint8_t *frame = claim_output(connection, frame_most(connection->nsqd));
    size_t length;

    if (!frame)
        return;
    bytes_store_be32(frame + 4, FRAME_MESSAGE);
    bytes_store_be64(frame + 8, (uint64_t)delivery->timestamp_ns);
    frame[16] = (uint8_t)(delivery->attempts >> 8);
    frame[17] = (uint8_t)delivery->attempts;
    source_write_id(source, delivery->number, frame + 18);
    length =
        MESSAGE_HEADER_LENGTH +
        source_write_body(source, &message, delivery->timestamp_ns,
                          frame + FRAME_HEADER_LENGTH + MESSAGE_HEADER_LENGTH);
    bytes_store_be32(frame, (uint32_t)length + 4);
    connection->output_end =
        (size_t)(frame - connection->output) + FRAME_HEADER_LENGTH + length;
}

static bool may_deliver(const struct connection *connection)
{
    return connection->is_served && connection->end == CONNECTION_LIVES &&
           (connection->manner == CONNECTION_NORMAL ||
            connection->manner == CONNECTION_DRIPS);
}

/* Returns how many messages were put into the output buffer. */
static size_t fill_output(struct connection *connection,
                          const struct channel_time *now)
{
    struct channel *channel = &connection->nsqd->channel;
    struct channel_delivery delivery;
    size_t count = 0;

    while (connection->output_end < OUTPUT_CHUNK) {
        int result =
            channel_take(channel, &connection->consumer, now, &delivery);

        if (result == CHANNEL_NOTHING)
            break;
        if (result != 0) {
            fprintf(stderr, "nsq_simulator: no memory for a message\n");
            exit(1);
        }
        connection_put_message(connection, &delivery);
        count++;
    }
    return count;
}

static void send_output(struct connection *connection, size_t most)
{
    size_t waiting = connection->output_end - connection->output_start;
    size_t length = waiting < most ? waiting : most;
    ssize_t sent;

    if (length == 0 || connection->is_blocked)
        return;
    sent = send(connection->fd, connection->output + connection->output_start,
                length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR)
        return;
    if (sent < 0 && errno == EAGAIN)
        connection->is_blocked = true;
    else if (sent < 0)
        connection->end = CONNECTION_DEAD;
    else if ((size_t)sent < waiting)
        connection->output_start += (size_t)sent;
    else
        connection->output_start = connection->output_end = 0;
}

static void execute_input(struct connection *connection,
                          const struct channel_time *now);

bool connection_send(struct connection *connection,
                     const struct channel_time *now)
{
    size_t filled = 0;

    if (connection->manner == CONNECTION_FROZEN ||
        connection->end == CONNECTION_DEAD)
        return false;
    if (connection->input_start < connection->input_end)
        execute_input(connection, now);
    if (may_deliver(connection) && !connection->is_blocked)
        filled = fill_output(connection, now);
    if (connection->manner != CONNECTION_DRIPS)
        send_output(connection, SIZE_MAX);
    if (connection->end == CONNECTION_ENDS &&
        connection->output_start == connection->output_end)
        connection->end = CONNECTION_DEAD;
    return filled > 0 && !connection->is_blocked &&
           connection->manner != CONNECTION_DRIPS &&
           connection->end == CONNECTION_LIVES;
}

/* --- input */

static bool take_magic(struct connection *connection)
{
    if (connection->input_end - connection->input_start < 4)
        return false;
    if (memcmp(connection->input + connection->input_start, "  V2", 4) != 0) {
        connection_put_frame(connection, FRAME_ERROR,
                             bytes_of_text("E_BAD_PROTOCOL"));
        connection->end = CONNECTION_ENDS;
        return false;
    }
    connection->input_start += 4;
    connection->state = CONNECTION_INIT;
    return true;
}

static void execute_input(struct connection *connection,
                          const struct channel_time *now)
{
    if (connection->end != CONNECTION_LIVES)
        return;
    if (connection->state == CONNECTION_MAGIC && !take_magic(connection))
        return;
    while (connection->end == CONNECTION_LIVES &&
           connection->output_capacity -
                   (connection->output_end - connection->output_start) >=
               ANSWER_ROOM) {
        struct bytes input =
            bytes_of(connection->input + connection->input_start,
                     connection->input_end - connection->input_start);
        struct command command;
        const uint8_t *id;
        size_t consumed;
        int result;

        if (command_is_plain_fin(input, &id)) {
            connection->input_start += COMMAND_FIN_LENGTH;
            connection_execute_fin(connection, id);
            continue;
        }
        result = command_parse(input, (size_t)CONNECTION_BODY_MOST, &command,
                               &consumed);
        if (result == COMMAND_LINE_TOO_LONG)
            connection->end = CONNECTION_DEAD;
        if (result != 0)
            return;
        connection->input_start += consumed;
        connection_execute(connection, &command, now);
    }
}

/* Make room behind what is not parsed yet. Returns false without memory. */
static bool make_input_room(struct connection *connection)
{
    size_t length = connection->input_end - connection->input_start;
    uint8_t *grown;

    if (connection->input_start > 0) {
        memmove(connection->input, connection->input + connection->input_start,
                length);
        connection->input_start = 0;
        connection->input_end = length;
    }
    if (length < connection->input_capacity)
        return true;
    grown = realloc(connection->input, connection->input_capacity * 2);
    if (!grown)
        return false;
    connection->input = grown;
    connection->input_capacity *= 2;
    return true;
}

/* Stop reading what cannot be executed: the pressure goes to the client. */
static bool may_read(const struct connection *connection)
{
    return connection->end == CONNECTION_LIVES && !connection->peer_is_done &&
           connection->manner != CONNECTION_FROZEN &&
           connection->input_end - connection->input_start <
               INPUT_CAPACITY + (size_t)CONNECTION_BODY_MOST;
}

/* Nothing of a frozen one: its hang-up would be reported for ever. */
uint32_t connection_wants(const struct connection *connection)
{
    if (connection->manner == CONNECTION_FROZEN)
        return 0;
    return (may_read(connection) ? (uint32_t)EPOLLIN : 0) |
           (connection->is_blocked ? (uint32_t)EPOLLOUT : 0);
}

void connection_receive(struct connection *connection,
                        const struct channel_time *now)
{
    ssize_t received;

    if (!may_read(connection))
        return;
    if (!make_input_room(connection)) {
        connection->end = CONNECTION_DEAD;
        return;
    }
    received =
        recv(connection->fd, connection->input + connection->input_end,
             connection->input_capacity - connection->input_end, MSG_DONTWAIT);
    if (received < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (received <= 0) {
        /* As nsqd does, which sends nothing more to a half-closed client. */
        connection->peer_is_done = true;
        connection->end = CONNECTION_DEAD;
        return;
    }
    connection->input_end += (size_t)received;
    connection->heard_at = now->now_ms;
    if (connection->manner == CONNECTION_MUTE)
        connection->input_start = connection->input_end;
    else
        execute_input(connection, now);
}

/* --- time */

void connection_tick(struct connection *connection,
                     const struct channel_time *now)
{
    uint32_t heartbeat_ms = (uint32_t)connection->settings.heartbeat_ms;

    if (connection->manner == CONNECTION_FROZEN) {
        if (now->now_ms < connection->frozen_until)
            return;
        connection->manner = CONNECTION_NORMAL;
        connection->heard_at = now->now_ms;
    }
    if (connection->manner == CONNECTION_DRIPS) {
        send_output(connection, 1);
        if (now->now_ms >= connection->frozen_until)
            connection->manner = CONNECTION_NORMAL;
    }
    if (heartbeat_ms == 0 || connection->state == CONNECTION_MAGIC)
        return;
    if (now->now_ms - connection->heard_at >= 2 * heartbeat_ms) {
        connection->end = CONNECTION_DEAD;
        return;
    }
    if (now->now_ms < connection->heartbeat_at)
        return;
    connection->heartbeat_at = now->now_ms + heartbeat_ms;
    if (connection->manner == CONNECTION_NORMAL)
        connection_put_frame(connection, FRAME_RESPONSE,
                             bytes_of_text("_heartbeat_"));
}
