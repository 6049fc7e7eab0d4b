/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/nsq_simulator_http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MOST ((size_t)128 * 1024)

struct http_request *http_request_new(int fd)
{
    struct http_request *request = malloc(sizeof(*request));

    if (request) {
        request->watch = WATCH_HTTP_REQUEST;
        request->fd = fd;
        request->length = 0;
    }
    return request;
}

void http_request_free(struct http_request *request)
{
    if (!request)
        return;
    close(request->fd);
    free(request);
}

/* --- pages */

static void put_member(struct bytes_writer *json, const char *name,
                       uint64_t value)
{
    bytes_put_byte(json, '"');
    bytes_put_text(json, name);
    bytes_put_text(json, "\":");
    bytes_put_decimal(json, value);
}

void http_put_counters(struct bytes_writer *json, const struct nsqd *nsqds,
                       size_t nsqd_count)
{
#define COUNTER(name)                                                          \
    {                                                                          \
#name, offsetof(struct channel_counters, name)                         \
    }
    static const struct {
        const char *name;
        size_t offset;
    } rows[] = {
        COUNTER(sent),        COUNTER(finished),       COUNTER(finished_again),
        COUNTER(redelivered), COUNTER(twins),          COUNTER(requeued),
        COUNTER(touched),     COUNTER(timed_out),      COUNTER(failed_fins),
        COUNTER(failed_reqs), COUNTER(failed_touches),
    };
#undef COUNTER
    uint64_t unfinished = 0;

    for (size_t row = 0; row < ARRAY_LENGTH(rows); row++) {
        uint64_t sum = 0;

        for (size_t i = 0; i < nsqd_count; i++) {
            uint64_t value;

            memcpy(&value,
                   (const char *)&nsqds[i].channel.counters + rows[row].offset,
                   sizeof(value));
            sum += value;
        }
        put_member(json, rows[row].name, sum);
        bytes_put_byte(json, ',');
    }
    for (size_t i = 0; i < nsqd_count; i++)
        unfinished += nsqds[i].channel.flights.count;
    put_member(json, "unfinished", unfinished);
}

static void put_connection(struct bytes_writer *json, size_t nsqd,
                           const struct connection *connection)
{
    static const char *const states[] = { "magic", "init", "subscribed",
                                          "closing" };

    bytes_put_byte(json, '{');
    put_member(json, "nsqd", nsqd);
    bytes_put_byte(json, ',');
    put_member(json, "connection", connection->consumer.connection);
    bytes_put_text(json, ",\"state\":\"");
    bytes_put_text(json, states[connection->state]);
    bytes_put_text(json, "\",");
    put_member(json, "rdy", (uint64_t)connection->consumer.rdy);
    bytes_put_byte(json, ',');
    put_member(json, "in_flight", (uint64_t)connection->consumer.in_flight);
    bytes_put_byte(json, ',');
    put_member(json, "sent", connection->consumer.sent);
    bytes_put_byte(json, ',');
    put_member(json, "finished", connection->consumer.finished);
    bytes_put_byte(json, '}');
}

static void put_nsqd(struct bytes_writer *json, const struct nsqd *nsqd)
{
    const struct channel *channel = &nsqd->channel;

    bytes_put_byte(json, '{');
    put_member(json, "tcp_port", nsqd->port);
    bytes_put_byte(json, ',');
    put_member(json, "depth",
               channel->published - channel->next + channel->tail.count);
    bytes_put_byte(json, ',');
    put_member(json, "published_to_it", nsqd->published);
    bytes_put_text(json, ",\"paused\":");
    bytes_put_text(json, channel->paused ? "true" : "false");
    bytes_put_byte(json, '}');
}

static int show_stats(struct script *script, struct bytes_writer *json)
{
    const char *separator = "";

    bytes_put_byte(json, '{');
    http_put_counters(json, script->nsqds, script->nsqd_count);
    bytes_put_byte(json, ',');
    put_member(json, "faults", script->over);
    bytes_put_text(json, ",\"nsqds\":[");
    for (size_t i = 0; i < script->nsqd_count; i++) {
        bytes_put_text(json, i > 0 ? "," : "");
        put_nsqd(json, &script->nsqds[i]);
    }
    bytes_put_text(json, "],\"connections\":[");
    for (size_t i = 0; i < script->nsqd_count; i++) {
        for (struct connection *connection = script->nsqds[i].connections;
             connection; connection = connection->next) {
            bytes_put_text(json, separator);
            put_connection(json, i, connection);
            separator = ",";
        }
    }
    bytes_put_text(json, "]}\n");
    return 200;
}

static int hexadecimal_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

/* Find topic=... in a query and undo its %xx. Returns false without one. */
static bool find_topic(const char *query, char *topic, size_t most)
{
    size_t length = 0;

    query = query ? strstr(query, "topic=") : NULL;
    if (!query)
        return false;
    for (query += 6; *query && *query != '&' && length + 1 < most; query++) {
        int high = query[0] == '%' ? hexadecimal_value(query[1]) : -1;
        int low = high >= 0 ? hexadecimal_value(query[2]) : -1;

        topic[length++] = (char)(low >= 0 ? high << 4 | low : *query);
        query += low >= 0 ? 2 : 0;
    }
    topic[length] = '\0';
    return length > 0;
}

static void put_producer(struct bytes_writer *json, const struct nsqd *nsqd)
{
    bytes_put_text(json, "{\"remote_address\":\"127.0.0.1:");
    bytes_put_decimal(json, nsqd->port);
    bytes_put_text(json, "\",\"hostname\":\"nsq-simulator\","
                         "\"broadcast_address\":\"127.0.0.1\",");
    put_member(json, "tcp_port", nsqd->port);
    bytes_put_text(json, ",\"http_port\":0,\"version\":\"1.3.0\"}");
}

static int look_up(struct script *script, const char *query,
                   struct bytes_writer *json)
{
    const struct nsqd *first = &script->nsqds[0];
    char topic[256];

    if (!find_topic(query, topic, sizeof(topic))) {
        bytes_put_text(json, "{\"message\":\"MISSING_ARG_TOPIC\"}");
        return 400;
    }
    if (strcmp(topic, first->topic) != 0) {
        bytes_put_text(json, "{\"message\":\"TOPIC_NOT_FOUND\"}");
        return 404;
    }
    bytes_put_text(json, "{\"channels\":[");
    if (first->channel_name[0]) {
        bytes_put_byte(json, '"');
        bytes_put_text(json, first->channel_name);
        bytes_put_byte(json, '"');
    }
    bytes_put_text(json, "],\"producers\":[");
    for (size_t i = 0; i < script->nsqd_count; i++) {
        bytes_put_text(json, i > 0 ? "," : "");
        put_producer(json, &script->nsqds[i]);
    }
    bytes_put_text(json, "]}");
    return 200;
}

static int add_script(struct script *script, struct bytes body,
                      const struct channel_time *now,
                      struct bytes_writer *answer)
{
    if (!script_add(script, body, now->now_ms, answer))
        return 400;
    bytes_put_text(answer, "OK");
    return 200;
}

/* --- requests */

static void send_answer(int fd, int status, struct bytes body)
{
    char header[256];
    int length =
        snprintf(header, sizeof(header),
                 "HTTP/1.1 %d %s\r\nContent-Type: %s; charset=utf-8\r\n"
                 "X-NSQ-Content-Type: nsq; version=1.0\r\n"
                 "Content-Length: %zu\r\nConnection: close\r\n\r\n",
                 status, status == 200 ? "OK" : "Refused",
                 body.length > 0 && body.data[0] == '{' ? "application/json"
                                                        : "text/plain",
                 body.length);

    /* Loopback takes both at once; a client that hangs gets a cut answer. */
    if (send(fd, header, (size_t)length, MSG_NOSIGNAL | MSG_MORE) > 0 &&
        body.length > 0 &&
        send(fd, body.data, body.length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return;
    shutdown(fd, SHUT_WR);
}

static void answer_request(struct http_request *request, struct bytes body,
                           struct script *script,
                           const struct channel_time *now)
{
    static uint8_t text[ANSWER_MOST];
    struct bytes_writer answer = bytes_writer_on(text, sizeof(text));
    char *words = NULL;
    const char *method = strtok_r(request->text, " ", &words);
    char *path = strtok_r(NULL, " \r\n", &words);
    char *query = path ? strchr(path, '?') : NULL;
    int status = 404;

    if (query)
        *query++ = '\0';
    if (!path || !method)
        status = 400;
    else if (strcmp(path, "/lookup") == 0)
        status = look_up(script, query, &answer);
    else if (strcmp(path, "/stats") == 0)
        status = show_stats(script, &answer);
    else if (strcmp(path, "/ping") == 0) {
        bytes_put_text(&answer, "OK");
        status = 200;
    } else if (strcmp(path, "/script") == 0 && strcmp(method, "POST") == 0)
        status = add_script(script, body, now, &answer);
    else
        bytes_put_text(&answer, "{\"message\":\"NOT_FOUND\"}");
    send_answer(request->fd, status, bytes_written(&answer));
}

/* The body's length; 0 if the header does not say, or lies. */
static size_t body_length_of(const char *header)
{
    const char *line = strcasestr(header, "\r\nContent-Length:");
    unsigned long length = line ? strtoul(line + 17, NULL, 10) : 0;

    return length < HTTP_REQUEST_MOST ? length : 0;
}

bool http_request_serve(struct http_request *request, struct script *script,
                        const struct channel_time *now)
{
    ssize_t received =
        recv(request->fd, request->text + request->length,
             HTTP_REQUEST_MOST - 1 - request->length, MSG_DONTWAIT);
    size_t header_length, body_length;
    char *end;

    if (received < 0)
        return errno != EAGAIN && errno != EINTR;
    if (received == 0)
        return true;
    request->length += (size_t)received;
    request->text[request->length] = '\0';
    end = strstr(request->text, "\r\n\r\n");
    if (!end)
        return request->length >= HTTP_REQUEST_MOST - 1;
    header_length = (size_t)(end - request->text) + 4;
    body_length = body_length_of(request->text);
    if (request->length - header_length < body_length)
        return request->length >= HTTP_REQUEST_MOST - 1;
    answer_request(request,
                   bytes_of(request->text + header_length, body_length), script,
                   now);
    return true;
}
