/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/simulation/simulated_nsqd.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulation/judge.h"
#include "tests/simulation/real_memory.h"
#include "tests/simulation/schedule.h"
#include "tests/simulation/simulated_connection.h"
#include "tests/support/nsq_simulator_command.h"

#define FIRST_PORT 4150

enum frame {
    FRAME_RESPONSE,
    FRAME_ERROR,
    FRAME_MESSAGE,
};

struct nsqd {
    struct simulated_connection *connection; /* NULL: nobody reads it */
    int64_t absent_until;
};

static struct nsqd nsqds[NSQDS_MOST];
static size_t nsqd_count;
static int64_t msg_timeout_ns;
static uint64_t connection_count;

static void deliver(struct nsqd *nsqd);

static void begin_frame(struct simulated_connection *connection,
                        enum frame type, size_t length)
{
    const uint8_t head[] = { (uint8_t)((length + 4) >> 24),
                             (uint8_t)((length + 4) >> 16),
                             (uint8_t)((length + 4) >> 8),
                             (uint8_t)(length + 4),
                             0,
                             0,
                             0,
                             (uint8_t)type };

    simulated_connection_put(connection, head, sizeof(head));
}

static void say(struct simulated_connection *connection, enum frame type,
                const char *text)
{
    begin_frame(connection, type, strlen(text));
    simulated_connection_put(connection, text, strlen(text));
}

static void on_heartbeat(uint64_t number, uint64_t index)
{
    struct nsqd *nsqd = &nsqds[index];

    if (!nsqd->connection || nsqd->connection->number != number)
        return;
    say(nsqd->connection, FRAME_RESPONSE, "_heartbeat_");
    schedule_at(schedule.now + nsqd->connection->heartbeat_ns, on_heartbeat,
                number, index);
}

/* Only the first sixteen digits of what a FIN names are looked at. */
static struct message *find(const struct simulated_connection *connection,
                            struct bytes id)
{
    char text[17] = "";
    size_t number;

    if (id.length != 16)
        return NULL;
    memcpy(text, id.data, 16);
    number = strtoul(text, NULL, 16);
    for (size_t i = 0; i < judge.count; i++)
        if (judge.messages[i].nsqd == connection->nsqd &&
            i / nsqd_count + 1 == number)
            return &judge.messages[i];
    return NULL;
}

static struct message *held(const struct simulated_connection *connection,
                            struct bytes id)
{
    struct message *message = find(connection, id);

    return message && message->state == MESSAGE_IN_FLIGHT &&
                   message->connection == connection->number
               ? message
               : NULL;
}

static void complain(struct simulated_connection *connection, const char *what,
                     struct bytes id)
{
    char text[128];

    (void)snprintf(text, sizeof(text),
                   "E_%s_FAILED %s %.*s failed ID not in flight", what, what,
                   (int)id.length, (const char *)id.data);
    say(connection, FRAME_ERROR, text);
}

static void on_msg_timeout(uint64_t number, uint64_t connection)
{
    struct message *message = &judge.messages[number];

    if (message->state != MESSAGE_IN_FLIGHT ||
        message->connection != connection)
        return;
    if (message->deadline > schedule.now) { /* it was touched */
        schedule_at(message->deadline, on_msg_timeout, number, connection);
        return;
    }
    schedule_note("timed_out", number, connection);
    message->state = MESSAGE_WAITING;
    nsqds[message->nsqd].connection->in_flight--;
    deliver(&nsqds[message->nsqd]);
}

static void give(struct simulated_connection *connection,
                 struct message *message)
{
    size_t number = judge_number(message);
    uint64_t stamp = 1000 + number;
    uint8_t head[10];
    char id[17];

    message->attempts++;
    message->state = MESSAGE_IN_FLIGHT;
    message->connection = connection->number;
    message->deadline = schedule.now + msg_timeout_ns;
    schedule_at(message->deadline, on_msg_timeout, number, connection->number);
    connection->in_flight++;
    for (int i = 0; i < 8; i++)
        head[i] = (uint8_t)(stamp >> (56 - 8 * i));
    head[8] = (uint8_t)(message->attempts >> 8);
    head[9] = (uint8_t)message->attempts;
    (void)snprintf(id, sizeof(id), "%016zx", number / nsqd_count + 1);
    begin_frame(connection, FRAME_MESSAGE, 26 + message->length);
    simulated_connection_put(connection, head, sizeof(head));
    simulated_connection_put(connection, id, 16);
    simulated_connection_put(connection, message->body, message->length);
    schedule_note("given", number, message->attempts);
}

/* As many as RDY allows, the oldest first. */
static void deliver(struct nsqd *nsqd)
{
    struct simulated_connection *connection = nsqd->connection;

    if (!connection || connection->is_closing)
        return;
    for (size_t i = 0; i < judge.count; i++) {
        struct message *message = &judge.messages[i];

        if (connection->in_flight >= connection->ready)
            return;
        if (message->nsqd == connection->nsqd &&
            message->state == MESSAGE_WAITING)
            give(connection, message);
    }
}

void simulated_nsqd_publish(size_t number)
{
    struct message *message = &judge.messages[number];

    message->state = MESSAGE_WAITING;
    deliver(&nsqds[message->nsqd]);
}

static void identify(struct simulated_connection *connection, struct bytes body)
{
    static const char name[] = "\"heartbeat_interval\":";
    const char *found = memmem(body.data, body.length, name, sizeof(name) - 1);
    char answer[256];

    connection->heartbeat_ns =
        (found ? strtol(found + sizeof(name) - 1, NULL, 10) : 30000) *
        NS_PER_MS;
    (void)snprintf(answer, sizeof(answer),
                   "{\"max_rdy_count\":2500,\"version\":\"1.3.0\","
                   "\"max_msg_timeout\":900000,\"msg_timeout\":%lld,"
                   "\"auth_required\":false}",
                   (long long)(msg_timeout_ns / NS_PER_MS));
    say(connection, FRAME_RESPONSE, answer);
    schedule_at(schedule.now + connection->heartbeat_ns, on_heartbeat,
                connection->number, connection->nsqd);
}

static void finish(struct simulated_connection *connection, struct bytes id)
{
    struct message *message = held(connection, id);

    if (!message) {
        complain(connection, "FIN", id);
        return;
    }
    message->state = MESSAGE_FINISHED;
    connection->in_flight--;
    judge_on_finished(message);
}

static void touch(struct simulated_connection *connection, struct bytes id)
{
    struct message *message = held(connection, id);

    if (message)
        message->deadline = schedule.now + msg_timeout_ns;
    else
        complain(connection, "TOUCH", id);
}

static void execute(struct simulated_connection *connection,
                    const struct command *command)
{
    uint64_t count = 0;

    switch (command->kind) {
    case COMMAND_IDENTIFY:
        identify(connection, command->body);
        break;
    case COMMAND_SUB:
        say(connection, FRAME_RESPONSE, "OK");
        break;
    case COMMAND_RDY:
        (void)command_number(command->words[1], &count);
        connection->ready = count;
        break;
    case COMMAND_FIN:
        finish(connection, command->words[1]);
        break;
    case COMMAND_TOUCH:
        touch(connection, command->words[1]);
        break;
    case COMMAND_CLS:
        connection->is_closing = true;
        say(connection, FRAME_RESPONSE, "CLOSE_WAIT");
        break;
    case COMMAND_NOP:
        break;
    default:
        judge_accuse("a command that nothing here calls for", 0);
    }
}

void simulated_nsqd_take(struct simulated_connection *connection)
{
    struct bytes *input = &connection->commands;

    if (!connection->has_magic) {
        if (input->length < 4)
            return;
        connection->has_magic = true;
        *input = bytes_skip(*input, 4);
    }
    for (;;) {
        struct command command;
        size_t consumed;

        if (command_parse(*input, 65536, &command, &consumed))
            break;
        execute(connection, &command);
        *input = bytes_skip(*input, consumed);
    }
    deliver(&nsqds[connection->nsqd]);
}

/* --- who is connected */

int simulated_nsqd_accept(const struct socket_address *address,
                          struct simulated_connection *connection)
{
    size_t index = (size_t)(ntohs(address->v4.sin_port) - FIRST_PORT);

    if (index >= nsqd_count || schedule.now < nsqds[index].absent_until)
        return -ECONNREFUSED;
    /* Its reader is new: the old connection is as good as dead. */
    if (nsqds[index].connection)
        simulated_nsqd_part(nsqds[index].connection);
    connection->nsqd = index;
    connection->number = ++connection_count;
    nsqds[index].connection = connection;
    return 0;
}

void simulated_nsqd_part(struct simulated_connection *connection)
{
    struct nsqd *nsqd = &nsqds[connection->nsqd];

    if (nsqd->connection != connection)
        return;
    nsqd->connection = NULL;
    for (size_t i = 0; i < judge.count; i++)
        if (judge.messages[i].state == MESSAGE_IN_FLIGHT &&
            judge.messages[i].connection == connection->number)
            judge.messages[i].state = MESSAGE_WAITING;
}

void simulated_nsqd_cut(size_t nsqd, int64_t absent_until)
{
    if (nsqd >= nsqd_count)
        return;
    nsqds[nsqd].absent_until = absent_until;
    schedule_note("cut", nsqd, 0);
    if (nsqds[nsqd].connection)
        simulated_connection_break(nsqds[nsqd].connection);
}

void simulated_nsqd_begin(size_t count, int64_t msg_timeout)
{
    memset(nsqds, 0, sizeof(nsqds));
    nsqd_count = count;
    msg_timeout_ns = msg_timeout;
    connection_count = 0;
}

void simulated_nsqd_end(void)
{
    simulated_connections_end();
}

void simulated_nsqd_on_ended(uint64_t life)
{
    simulated_connections_on_ended(life);
}
