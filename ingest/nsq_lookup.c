/* SPDX-License-Identifier: Apache-2.0 */

#include "ingest/nsq_lookup.h"

#include <cjson/cJSON.h>

#define HURRY_NS NS_PER_SECOND /* least time between two questions */

/* RFC 3986, section 2.3: what a query may hold as it is. */
static bool is_unreserved(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' ||
           byte == '_' || byte == '~';
}

static void put_url_encoded(struct bytes_writer *writer, struct bytes text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.length; i++) {
        uint8_t byte = text.data[i];

        if (is_unreserved(byte)) {
            bytes_put_byte(writer, byte);
            continue;
        }
        bytes_put_byte(writer, '%');
        bytes_put_byte(writer, (uint8_t)digits[byte >> 4]);
        bytes_put_byte(writer, (uint8_t)digits[byte & 15]);
    }
}

static void put_header_value(struct bytes_writer *writer, struct bytes text)
{
    for (size_t i = 0; i < text.length; i++) {
        uint8_t byte = text.data[i];

        bytes_put_byte(writer, byte < 0x20 || byte > 0x7e ? '?' : byte);
    }
    bytes_put_text(writer, "\r\n");
}

void nsq_lookup_encode(struct bytes_writer *writer,
                       const struct nsq_lookup_question *question)
{
    char host[ADDRESS_TEXT_MOST];

    address_format(question->server, host, sizeof(host));
    bytes_put_text(writer, "GET /lookup?topic=");
    put_url_encoded(writer, question->topic);
    bytes_put_text(writer, " HTTP/1.1\r\nHost: ");
    put_header_value(writer, bytes_of_text(host));
    bytes_put_text(writer, "User-Agent: ");
    put_header_value(writer, bytes_of_text(question->user_agent));
    bytes_put_text(writer, "Accept: application/vnd.nsq; version=1.0\r\n");
    if (question->auth_secret.length > 0) {
        bytes_put_text(writer, "Authorization: Bearer ");
        put_header_value(writer, question->auth_secret);
    }
    bytes_put_text(writer, "Connection: close\r\n\r\n");
}

/*
 * broadcast_address may be an IPv6 literal without brackets, as nsqd takes it
 * from its own command line.
 */
static bool take_address(const cJSON *producer, struct address *address)
{
    const cJSON *host =
        cJSON_GetObjectItemCaseSensitive(producer, "broadcast_address");
    const cJSON *port = cJSON_GetObjectItemCaseSensitive(producer, "tcp_port");
    char memory[ADDRESS_TEXT_MOST];
    struct bytes_writer writer = bytes_writer_on(memory, sizeof(memory));
    bool is_bare_v6;

    if (!cJSON_IsString(host) || !cJSON_IsNumber(port) ||
        !(port->valuedouble >= 1) || !(port->valuedouble <= 65535))
        return false;
    is_bare_v6 = strchr(host->valuestring, ':') && host->valuestring[0] != '[';
    bytes_put_text(&writer, is_bare_v6 ? "[" : "");
    bytes_put_text(&writer, host->valuestring);
    bytes_put_text(&writer, is_bare_v6 ? "]:" : ":");
    bytes_put_decimal(&writer, (uint64_t)port->valuedouble);
    return !writer.overrun &&
           address_parse(bytes_written(&writer), 0, address) == 0;
}

static int take_producers(const cJSON *reply, struct nsq_lookup_answer *answer)
{
    const cJSON *wrapped = cJSON_GetObjectItemCaseSensitive(reply, "data");
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(
        wrapped ? wrapped : reply, "producers");
    const cJSON *producer;

    if (!cJSON_IsArray(list))
        return NSQ_LOOKUP_BROKEN;
    cJSON_ArrayForEach(producer, list)
    {
        if (answer->count < answer->capacity &&
            take_address(producer, &answer->producers[answer->count]))
            answer->count++;
        else
            answer->skipped++;
    }
    return 0;
}

static bool is_text(const cJSON *reply, const char *key, const char *text)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(reply, key);

    return cJSON_IsString(member) && strcmp(member->valuestring, text) == 0;
}

/* Before 1.0 the status of a refusal stands in the body as well. */
static int take_reply(unsigned status, const cJSON *reply,
                      struct nsq_lookup_answer *answer)
{
    const cJSON *inner = cJSON_GetObjectItemCaseSensitive(reply, "status_code");

    if (is_text(reply, "message", "TOPIC_NOT_FOUND") ||
        is_text(reply, "status_txt", "TOPIC_NOT_FOUND"))
        return 0;
    if (status != 200 || (cJSON_IsNumber(inner) && inner->valuedouble != 200))
        return NSQ_LOOKUP_REFUSED;
    return take_producers(reply, answer);
}

int nsq_lookup_parse(unsigned status, struct bytes body,
                     struct nsq_lookup_answer *answer)
{
    cJSON *reply = NULL;
    int result;

    answer->count = answer->skipped = 0;
    if (body.length > 0 && body.length <= NSQ_LOOKUP_ANSWER_MOST)
        reply = cJSON_ParseWithLength((const char *)body.data, body.length);
    if (reply)
        result = take_reply(status, reply, answer);
    else
        result = status == 200 ? NSQ_LOOKUP_BROKEN : NSQ_LOOKUP_REFUSED;
    cJSON_Delete(reply);
    return result;
}

void nsq_lookup_schedule_init(struct nsq_lookup_schedule *schedule,
                              int64_t interval_ns, int64_t jitter_ns,
                              struct monotonic now)
{
    assert(interval_ns > 0 && jitter_ns >= 0);
    *schedule = (struct nsq_lookup_schedule){
        .interval_ns = interval_ns,
        .jitter_ns = jitter_ns,
        .due = now,
        .asked = monotonic_after(now, -HURRY_NS),
    };
}

void nsq_lookup_schedule_on_asked(struct nsq_lookup_schedule *schedule,
                                  struct random *random, struct monotonic now)
{
    int64_t jitter = random_jitter(random, schedule->jitter_ns);

    schedule->asked = now;
    schedule->due =
        monotonic_after(monotonic_after(now, schedule->interval_ns), jitter);
}

void nsq_lookup_schedule_hurry(struct nsq_lookup_schedule *schedule,
                               struct monotonic now)
{
    struct monotonic early = monotonic_after(schedule->asked, HURRY_NS);

    if (monotonic_reached(early, now))
        early = now;
    schedule->due = monotonic_earlier(schedule->due, early);
}
