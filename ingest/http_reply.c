/* SPDX-License-Identifier: Apache-2.0 */

#include "ingest/http_reply.h"

#define HEAD_MOST 65536 /* bytes of all lines, chunk sizes included */

void http_reply_init(struct http_reply *reply, size_t body_most)
{
    *reply = (struct http_reply){ .stage = HTTP_REPLY_STATUS };
    byte_store_init(&reply->body, body_most);
}

void http_reply_deinit(struct http_reply *reply)
{
    byte_store_release(&reply->body);
}

static int fail(struct http_reply *reply, int failure)
{
    reply->stage = HTTP_REPLY_FAILED;
    reply->failure = failure;
    return failure;
}

static uint8_t to_lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? byte + 32 : byte;
}

static bool equal_ignoring_case(struct bytes text, const char *lower)
{
    if (text.length != strlen(lower))
        return false;
    for (size_t i = 0; i < text.length; i++)
        if (to_lower(text.data[i]) != (uint8_t)lower[i])
            return false;
    return true;
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

static struct bytes trim(struct bytes text)
{
    while (text.length > 0 && is_blank(text.data[0]))
        text = bytes_skip(text, 1);
    while (text.length > 0 && is_blank(text.data[text.length - 1]))
        text.length--;
    return text;
}

/* "HTTP/1.1 200 OK": the status is what stands at 9 to 11. */
static int take_status(struct http_reply *reply, struct bytes line)
{
    uint64_t status;

    if (!bytes_start_with(line, "HTTP/1.") || line.length < 12 ||
        line.data[8] != ' ' ||
        !bytes_parse_u64(bytes_of(line.data + 9, 3), &status) || status < 100 ||
        (line.length > 12 && line.data[12] != ' '))
        return HTTP_REPLY_BROKEN;
    reply->status = (unsigned)status;
    reply->is_chunked = reply->has_length = false;
    reply->left = 0;
    reply->stage = HTTP_REPLY_HEADERS;
    return 0;
}

/* The end of the head: what follows is told by RFC 9112, section 6.3. */
static void begin_body(struct http_reply *reply)
{
    if (reply->status < 200)
        reply->stage = HTTP_REPLY_STATUS; /* the real one follows */
    else if (reply->status == 204 || reply->status == 304)
        reply->stage = HTTP_REPLY_WHOLE;
    else if (reply->is_chunked)
        reply->stage = HTTP_REPLY_CHUNK_SIZE;
    else if (!reply->has_length)
        reply->stage = HTTP_REPLY_UNTIL_CLOSE;
    else
        reply->stage = reply->left > 0 ? HTTP_REPLY_BODY : HTTP_REPLY_WHOLE;
}

static int take_length(struct http_reply *reply, struct bytes value)
{
    uint64_t length;

    if (!bytes_parse_u64(value, &length) ||
        (reply->has_length && length != reply->left))
        return HTTP_REPLY_BROKEN;
    if (length > reply->body.most)
        return HTTP_REPLY_TOO_LARGE;
    reply->has_length = true;
    reply->left = length;
    return 0;
}

static int take_header(struct http_reply *reply, struct bytes line)
{
    const uint8_t *colon;
    struct bytes name = line;
    struct bytes value;

    if (line.length == 0) {
        begin_body(reply);
        return 0;
    }
    colon = memchr(line.data, ':', line.length);
    if (!colon)
        return HTTP_REPLY_BROKEN;
    name.length = (size_t)(colon - line.data);
    value = trim(bytes_skip(line, name.length + 1));
    if (equal_ignoring_case(name, "content-length"))
        return take_length(reply, value);
    if (!equal_ignoring_case(name, "transfer-encoding"))
        return 0;
    reply->is_chunked = equal_ignoring_case(value, "chunked");
    return reply->is_chunked ? 0 : HTTP_REPLY_BROKEN;
}

/* Hexadecimal digits, then perhaps extensions that nobody uses. */
static int take_chunk_size(struct http_reply *reply, struct bytes line)
{
    uint64_t size = 0;
    size_t digits = 0;

    for (; digits < line.length; digits++) {
        uint8_t byte = to_lower(line.data[digits]);
        unsigned digit = byte >= 'a' ? byte - 'a' + 10u : byte - '0' + 0u;

        if (digit > 15 || (byte > '9' && byte < 'a'))
            break;
        size = size * 16 + digit;
        if (size > reply->body.most)
            return HTTP_REPLY_TOO_LARGE;
    }
    line = trim(bytes_skip(line, digits));
    if (digits == 0 || (line.length > 0 && line.data[0] != ';'))
        return HTTP_REPLY_BROKEN;
    reply->left = size;
    reply->stage = size > 0 ? HTTP_REPLY_CHUNK : HTTP_REPLY_TRAILERS;
    return 0;
}

static int take_line(struct http_reply *reply, struct bytes line)
{
    switch (reply->stage) {
    case HTTP_REPLY_STATUS:
        return take_status(reply, line);
    case HTTP_REPLY_HEADERS:
        return take_header(reply, line);
    case HTTP_REPLY_CHUNK_SIZE:
        return take_chunk_size(reply, line);
    case HTTP_REPLY_CHUNK_END:
        reply->stage = HTTP_REPLY_CHUNK_SIZE;
        return line.length == 0 ? 0 : HTTP_REPLY_BROKEN;
    default: /* TRAILERS */
        if (line.length == 0)
            reply->stage = HTTP_REPLY_WHOLE;
        return 0;
    }
}

/* Collect a line; at its end, take it. Returns 0 or a failure. */
static int feed_line(struct http_reply *reply, struct bytes *received)
{
    const uint8_t *end = memchr(received->data, '\n', received->length);
    size_t length = end ? (size_t)(end - received->data) : received->length;
    size_t room = sizeof(reply->line) - reply->line_length;
    struct bytes line;

    if (length > HEAD_MOST - reply->head_length)
        return HTTP_REPLY_TOO_LARGE;
    reply->head_length += length;
    if (room > length)
        room = length;
    memcpy(reply->line + reply->line_length, received->data, room);
    reply->line_length += room;
    *received = bytes_skip(*received, length + 1);
    if (!end)
        return 0;
    line = bytes_of(reply->line, reply->line_length);
    if (line.length > 0 && line.data[line.length - 1] == '\r')
        line.length--;
    reply->line_length = 0;
    return take_line(reply, line);
}

static int feed_body(struct http_reply *reply, struct bytes *received)
{
    struct bytes part = *received;
    bool is_counted = reply->stage != HTTP_REPLY_UNTIL_CLOSE;
    int result;

    if (is_counted && part.length > reply->left)
        part.length = reply->left;
    result = byte_store_append(&reply->body, part);
    if (result)
        return result == BYTE_STORE_FULL ? HTTP_REPLY_TOO_LARGE : result;
    *received = bytes_skip(*received, part.length);
    if (!is_counted)
        return 0;
    reply->left -= part.length;
    if (reply->left == 0)
        reply->stage = reply->stage == HTTP_REPLY_CHUNK ? HTTP_REPLY_CHUNK_END
                                                        : HTTP_REPLY_WHOLE;
    return 0;
}

int http_reply_feed(struct http_reply *reply, struct bytes received)
{
    while (received.length > 0 && reply->stage != HTTP_REPLY_WHOLE) {
        int result;

        if (reply->stage == HTTP_REPLY_FAILED)
            return reply->failure;
        if (reply->stage == HTTP_REPLY_BODY ||
            reply->stage == HTTP_REPLY_CHUNK ||
            reply->stage == HTTP_REPLY_UNTIL_CLOSE)
            result = feed_body(reply, &received);
        else
            result = feed_line(reply, &received);
        if (result)
            return fail(reply, result);
    }
    return reply->stage == HTTP_REPLY_WHOLE    ? 0
           : reply->stage == HTTP_REPLY_FAILED ? reply->failure
                                               : HTTP_REPLY_MORE;
}

int http_reply_on_closed(struct http_reply *reply)
{
    if (reply->stage == HTTP_REPLY_FAILED)
        return reply->failure;
    if (reply->stage == HTTP_REPLY_UNTIL_CLOSE)
        reply->stage = HTTP_REPLY_WHOLE;
    return reply->stage == HTTP_REPLY_WHOLE ? 0
                                            : fail(reply, HTTP_REPLY_BROKEN);
}
