/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/kinesis_simulator_http.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

bool simulator_http_name_equals(struct bytes name, struct bytes other)
{
    return name.length == other.length &&
           strncasecmp((const char *)name.data, (const char *)other.data,
                       name.length) == 0;
}

struct bytes simulator_http_header(const struct simulator_http_request *request,
                                   const char *name)
{
    struct bytes wanted = bytes_of_text(name);

    for (size_t i = 0; i < request->header_count; i++)
        if (simulator_http_name_equals(request->headers[i].name, wanted))
            return request->headers[i].value;
    return bytes_of(NULL, 0);
}

static struct bytes trim(struct bytes text)
{
    while (text.length > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
        text = bytes_of(text.data + 1, text.length - 1);
    while (text.length > 0 && (text.data[text.length - 1] == ' ' ||
                               text.data[text.length - 1] == '\t'))
        text.length--;
    return text;
}

/* Split off everything before the first `byte`; false if there is none. */
static bool split_at(struct bytes *rest, uint8_t byte, struct bytes *part)
{
    const uint8_t *at =
        rest->length > 0 ? memchr(rest->data, byte, rest->length) : NULL;

    if (!at)
        return false;
    *part = bytes_of(rest->data, (size_t)(at - rest->data));
    *rest = bytes_of(at + 1, rest->length - part->length - 1);
    return true;
}

static bool parse_request_line(struct bytes line,
                               struct simulator_http_request *request)
{
    struct bytes target;

    if (!split_at(&line, ' ', &request->method) ||
        !split_at(&line, ' ', &target) || target.length == 0)
        return false;
    if (split_at(&target, '?', &request->path))
        request->query = target;
    else
        request->path = target;
    request->keep_alive = bytes_equal_text(line, "HTTP/1.1");
    return request->keep_alive || bytes_equal_text(line, "HTTP/1.0");
}

static bool parse_header(struct bytes line,
                         struct simulator_http_request *request)
{
    struct simulator_http_header *header;

    if (request->header_count == SIMULATOR_HTTP_HEADERS)
        return false;
    header = &request->headers[request->header_count];
    if (!split_at(&line, ':', &header->name) || header->name.length == 0 ||
        memchr(header->name.data, ' ', header->name.length))
        return false;
    header->value = trim(line);
    request->header_count++;
    return true;
}

static bool has_word(const struct simulator_http_request *request,
                     const char *name, const char *word)
{
    struct bytes value = simulator_http_header(request, name);

    return value.data && simulator_http_name_equals(value, bytes_of_text(word));
}

static int understand(struct simulator_http_request *request)
{
    struct bytes length = simulator_http_header(request, "content-length");

    if (simulator_http_header(request, "transfer-encoding").data)
        return SIMULATOR_HTTP_CHUNKED;
    if (length.data && !bytes_parse_u64(length, &request->body_length))
        return SIMULATOR_HTTP_WRONG;
    if (has_word(request, "connection", "close"))
        request->keep_alive = false;
    request->expects_continue = has_word(request, "expect", "100-continue");
    return 0;
}

int simulator_http_parse(struct bytes input,
                         struct simulator_http_request *request)
{
    const uint8_t *end = input.length > 0
                             ? memmem(input.data, input.length, "\r\n\r\n", 4)
                             : NULL;
    struct bytes rest;
    struct bytes line;

    if (!end)
        return input.length < SIMULATOR_HTTP_HEAD ? SIMULATOR_HTTP_MORE
                                                  : SIMULATOR_HTTP_WRONG;
    *request = (struct simulator_http_request){ .header_count = 0 };
    request->head_length = (size_t)(end - input.data) + 4;
    rest = bytes_of(input.data, request->head_length - 2);
    for (bool first = true; split_at(&rest, '\n', &line); first = false) {
        if (line.length == 0 || line.data[line.length - 1] != '\r')
            return SIMULATOR_HTTP_WRONG;
        line.length--;
        if (!(first ? parse_request_line(line, request)
                    : parse_header(line, request)))
            return SIMULATOR_HTTP_WRONG;
    }
    return understand(request);
}

static const char *reason_of(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 411:
        return "Length Required";
    case 413:
        return "Request Entity Too Large";
    case 500:
        return "Internal Server Error";
    case 503:
        return "Service Unavailable";
    default:
        return "Unknown";
    }
}

/* The request id has the form of AWS's; the number in it is ours. */
void simulator_http_put_head(struct bytes_writer *writer,
                             const struct simulator_http_reply *reply)
{
    char date[64];
    char head[512];
    time_t seconds = (time_t)(reply->date.ns / NS_PER_SECOND);
    struct tm calendar;

    gmtime_r(&seconds, &calendar);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &calendar);
    snprintf(head, sizeof(head),
             "HTTP/1.1 %d %s\r\n"
             "x-amzn-RequestId: 00000000-0000-4000-8000-%012" PRIx64 "\r\n"
             "x-amz-id-2: simulator\r\n"
             "Date: %s\r\n"
             "Content-Type: %s\r\n"
             "Content-Length: %" PRIu64 "\r\n"
             "%s\r\n",
             reply->status, reason_of(reply->status), reply->request_id, date,
             reply->content_type, reply->body_length,
             reply->keep_alive ? "" : "Connection: close\r\n");
    bytes_put_text(writer, head);
}
