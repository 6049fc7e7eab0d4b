/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/nsq_simulator_script.h"

#include <stdio.h>

#include <cjson/cJSON.h>

typedef void fault_on_nsqd(struct script *script, struct nsqd *nsqd,
                           const struct fault *fault,
                           const struct channel_time *now);
typedef void fault_on_connection(struct connection *connection,
                                 const struct fault *fault,
                                 const struct channel_time *now);

struct fault_action {
    const char *name;
    const char *number_name; /* the JSON member that is fault.number */
    int64_t number;          /* its default */
    fault_on_nsqd *on_nsqd;
    fault_on_connection *on_connection; /* each, or the one named */
};

/* --- on connections */

static void disconnect(struct connection *connection, const struct fault *fault,
                       const struct channel_time *now)
{
    (void)now;
    connection->resets = fault->resets;
    connection->end = fault->resets ? CONNECTION_DEAD : CONNECTION_ENDS;
}

/*
 * The message counts as delivered, as it does at nsqd. Without one to send,
 * what is cut is a frame's header.
 */
static void disconnect_mid_frame(struct connection *connection,
                                 const struct fault *fault,
                                 const struct channel_time *now)
{
    size_t before = connection->output_end - connection->output_start;
    struct channel_delivery delivery;
    size_t length, kept;

    if (channel_take(&connection->nsqd->channel, &connection->consumer, now,
                     &delivery) == 0)
        connection_put_message(connection, &delivery);
    else
        connection_put(connection, bytes_of("\0\0\0\x2a\0\0", 6));
    length = connection->output_end - connection->output_start - before;
    kept = fault->number > 0 ? (size_t)fault->number : length / 2;
    if (kept < length)
        connection->output_end -= length - kept;
    disconnect(connection, fault, now);
}

/* After nonsense only the client can end it: there is no next frame. */
static void malformed_size(struct connection *connection,
                           const struct fault *fault,
                           const struct channel_time *now)
{
    uint8_t header[FRAME_HEADER_LENGTH];

    (void)now;
    bytes_store_be32(header, (uint32_t)fault->number);
    bytes_store_be32(header + 4, FRAME_MESSAGE);
    connection_put(connection, bytes_of(header, sizeof(header)));
    connection->manner = CONNECTION_MUTE;
}

static void malformed_type(struct connection *connection,
                           const struct fault *fault,
                           const struct channel_time *now)
{
    (void)now;
    connection_put_frame(connection, (enum frame_type)fault->number,
                         bytes_of_text("nonsense"));
    connection->manner = CONNECTION_MUTE;
}

static void short_message(struct connection *connection,
                          const struct fault *fault,
                          const struct channel_time *now)
{
    static const uint8_t zeros[MESSAGE_HEADER_LENGTH];
    size_t length = (size_t)fault->number;

    (void)now;
    if (length > sizeof(zeros))
        length = sizeof(zeros);
    connection_put_frame(connection, FRAME_MESSAGE, bytes_of(zeros, length));
    connection->manner = CONNECTION_MUTE;
}

static void malformed_id(struct connection *connection,
                         const struct fault *fault,
                         const struct channel_time *now)
{
    static const char message[] = "\0\0\0\0\0\0\0\0\0\1not hexadecimal!body";

    (void)fault;
    (void)now;
    connection_put_frame(connection, FRAME_MESSAGE,
                         bytes_of(message, sizeof(message) - 1));
    connection->manner = CONNECTION_MUTE;
}

static uint32_t end_of(const struct fault *fault,
                       const struct channel_time *now)
{
    return fault->for_ms < 0 ? UINT32_MAX
                             : now->now_ms + (uint32_t)fault->for_ms;
}

static void half_open(struct connection *connection, const struct fault *fault,
                      const struct channel_time *now)
{
    connection->manner = CONNECTION_FROZEN;
    connection->frozen_until = end_of(fault, now);
}

static void drip(struct connection *connection, const struct fault *fault,
                 const struct channel_time *now)
{
    connection->manner = CONNECTION_DRIPS;
    connection->frozen_until = end_of(fault, now);
}

static void error_frame(struct connection *connection,
                        const struct fault *fault,
                        const struct channel_time *now)
{
    (void)now;
    connection_put_frame(connection, FRAME_ERROR, bytes_of_text(fault->text));
    if (fault->closes)
        connection->end = CONNECTION_ENDS;
}

/* --- on a whole nsqd */

static const struct fault_action *find_action(const char *name);

static void pause_channel(struct script *script, struct nsqd *nsqd,
                          const struct fault *fault,
                          const struct channel_time *now)
{
    nsqd->channel.paused = true;
    if (fault->for_ms < 0 || script->count == SCRIPT_FAULTS_MOST)
        return;
    script->faults[script->count++] = (struct fault){
        .action = find_action("resume"),
        .nsqd = fault->nsqd,
        .due_ms = now->now_ms + (uint32_t)fault->for_ms,
    };
}

static void resume_channel(struct script *script, struct nsqd *nsqd,
                           const struct fault *fault,
                           const struct channel_time *now)
{
    (void)script;
    (void)fault;
    (void)now;
    nsqd->channel.paused = false;
}

static void send_twins(struct script *script, struct nsqd *nsqd,
                       const struct fault *fault,
                       const struct channel_time *now)
{
    (void)script;
    (void)now;
    nsqd->channel.twins_wanted += (uint64_t)fault->number;
    nsqd->channel.twin_distance = fault->distance;
}

static void time_out(struct script *script, struct nsqd *nsqd,
                     const struct fault *fault, const struct channel_time *now)
{
    (void)script;
    (void)fault;
    flight_table_make_due(&nsqd->channel.flights, now->now_ms);
    channel_expire(&nsqd->channel, now->now_ms);
}

static void low_max_rdy(struct script *script, struct nsqd *nsqd,
                        const struct fault *fault,
                        const struct channel_time *now)
{
    (void)script;
    (void)now;
    nsqd->limits.max_rdy_count = fault->number;
}

static void refuse(struct script *script, struct nsqd *nsqd,
                   const struct fault *fault, const struct channel_time *now)
{
    (void)script;
    nsqd->refused_until = end_of(fault, now);
}

static void give_old_ids(struct script *script, struct nsqd *nsqd,
                         const struct fault *fault,
                         const struct channel_time *now)
{
    (void)script;
    (void)now;
    nsqd->channel.old_ids_wanted = (uint64_t)fault->number;
}

static const struct fault_action fault_actions[] = {
    /* flushes, then closes; "reset": drops what is unsent and sends RST */
    { "disconnect", NULL, 0, NULL, disconnect },
    /* "bytes" of a frame, or half of it, then as disconnect */
    { "disconnect_mid_frame", "bytes", 0, NULL, disconnect_mid_frame },
    /* the channel is paused, "for_ms" or until resume */
    { "pause", NULL, 0, pause_channel, NULL },
    { "resume", NULL, 0, resume_channel, NULL },
    /* the next "count" new messages are sent twice, "distance" apart */
    { "twin", "count", 1, send_twins, NULL },
    /* a frame that says it is "size" long */
    { "malformed_size", "size", -1, NULL, malformed_size },
    /* a frame of "type" */
    { "malformed_type", "type", 7, NULL, malformed_type },
    /* a message frame of "size" bytes where 26 are the least */
    { "short_message", "size", 20, NULL, short_message },
    /* a message whose id is no number */
    { "malformed_id", NULL, 0, NULL, malformed_id },
    /* says nothing and hears nothing, "for_ms" or for ever */
    { "half_open", NULL, 0, NULL, half_open },
    /* sends ten bytes a second, "for_ms" or for ever; it still listens */
    { "drip", NULL, 0, NULL, drip },
    /* takes no connection, "for_ms" or for ever; those there are stay */
    { "refuse", NULL, 0, refuse, NULL },
    /* the next messages have the ids of the last "count", all finished, as a
       nsqd may give them that was killed several times */
    { "old_ids", "count", 100, give_old_ids, NULL },
    /* an error frame of "text"; "close": and the end */
    { "error_frame", NULL, 0, NULL, error_frame },
    /* all in flight times out now */
    { "time_out", NULL, 0, time_out, NULL },
    /* max_rdy_count is "value" from now on, for IDENTIFY and for RDY */
    { "low_max_rdy", "value", 1, low_max_rdy, NULL },
};

static const struct fault_action *find_action(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(fault_actions); i++) {
        if (strcmp(fault_actions[i].name, name) == 0)
            return &fault_actions[i];
    }
    return NULL;
}

/* --- reading */

static int64_t number_of(const cJSON *json, const char *name, int64_t otherwise)
{
    const cJSON *member = name ? cJSON_GetObjectItem(json, name) : NULL;

    if (!member || !cJSON_IsNumber(member) || member->valuedouble < -9e15 ||
        member->valuedouble > 9e15)
        return otherwise;
    return (int64_t)member->valuedouble;
}

/* Returns what is wrong, or NULL. */
static const char *read_fault(const struct script *script, const cJSON *json,
                              uint32_t now_ms, struct fault *fault)
{
    const cJSON *name = cJSON_GetObjectItem(json, "action");
    const cJSON *text = cJSON_GetObjectItem(json, "text");
    const struct fault_action *action =
        cJSON_IsString(name) ? find_action(name->valuestring) : NULL;

    if (!action)
        return "no such action";
    *fault = (struct fault){
        .action = action,
        .nsqd = (uint64_t)number_of(json, "nsqd", 0),
        .after = (uint64_t)number_of(json, "after", 0),
        .due_ms = now_ms + (uint32_t)number_of(json, "after_ms", 0),
        .connection = (uint32_t)number_of(json, "connection", 0),
        .resets = cJSON_IsTrue(cJSON_GetObjectItem(json, "reset")),
        .closes = cJSON_IsTrue(cJSON_GetObjectItem(json, "close")),
        .number = number_of(json, action->number_name, action->number),
        .distance = (uint64_t)number_of(json, "distance", 0),
        .for_ms = number_of(json, "for_ms", -1),
    };
    if (fault->nsqd >= script->nsqd_count)
        return "no such nsqd";
    snprintf(fault->text, sizeof(fault->text), "%s",
             cJSON_IsString(text) ? text->valuestring : "E_INVALID scripted");
    return NULL;
}

static bool add_line(struct script *script, struct bytes line, uint32_t now_ms,
                     struct bytes_writer *complaint)
{
    cJSON *json = cJSON_ParseWithLength((const char *)line.data, line.length);
    const char *wrong = "not a JSON object";
    struct fault fault;

    if (script->count == SCRIPT_FAULTS_MOST)
        wrong = "too many faults";
    else if (cJSON_IsObject(json))
        wrong = read_fault(script, json, now_ms, &fault);
    cJSON_Delete(json);
    if (!wrong) {
        script->faults[script->count++] = fault;
        script->nsqds[fault.nsqd].channel.hold_at = 0; /* look at it soon */
        return true;
    }
    bytes_put_text(complaint, wrong);
    bytes_put_text(complaint, ": ");
    bytes_put(complaint, line);
    return false;
}

bool script_add(struct script *script, struct bytes lines, uint32_t now_ms,
                struct bytes_writer *complaint)
{
    while (lines.length > 0) {
        const uint8_t *end = memchr(lines.data, '\n', lines.length);
        size_t length = end ? (size_t)(end - lines.data) : lines.length;
        struct bytes line = bytes_of(lines.data, length);

        if (length > 0 && !add_line(script, line, now_ms, complaint))
            return false;
        lines = bytes_skip(lines, end ? length + 1 : length);
    }
    return true;
}

/* --- happening */

static void strike_connections(struct nsqd *nsqd, const struct fault *fault,
                               const struct channel_time *now)
{
    for (struct connection *connection = nsqd->connections; connection;
         connection = connection->next) {
        if (fault->connection == 0
                ? connection->is_served
                : fault->connection == connection->consumer.connection)
            fault->action->on_connection(connection, fault, now);
    }
}

static void strike(struct script *script, struct nsqd *nsqd,
                   const struct fault *fault, const struct channel_time *now)
{
    history_write(nsqd->channel.history,
                  &(struct history_fact){ .what = "fault",
                                          .nsqd = fault->nsqd,
                                          .connection = fault->connection,
                                          .action = fault->action->name });
    if (fault->action->on_nsqd)
        fault->action->on_nsqd(script, nsqd, fault, now);
    else
        strike_connections(nsqd, fault, now);
}

void script_run(struct script *script, struct nsqd *nsqd,
                const struct channel_time *now)
{
    struct channel *channel = &nsqd->channel;
    uint64_t sent = channel->counters.sent;
    uint64_t hold_at = UINT64_MAX;

    channel->hold_at = UINT64_MAX; /* a fault may send a message itself */
    for (size_t i = 0; i < script->count; i++) {
        struct fault *fault = &script->faults[i];

        if (fault->is_over || &script->nsqds[fault->nsqd] != nsqd)
            continue;
        if (fault->after > sent) {
            if (fault->after < hold_at)
                hold_at = fault->after;
        } else if (fault->due_ms <= now->now_ms) {
            fault->is_over = true;
            script->over++;
            strike(script, nsqd, fault, now);
        }
    }
    channel->hold_at = hold_at;
}
