/* SPDX-License-Identifier: Apache-2.0 */

#include "ingest/nsq_protocol.h"

#include <stdio.h>

#include <cjson/cJSON.h>

/*
 * "HTTP" read as a size: 1.2 GB, which no frame has. It is what the first four
 * bytes are when nsqd's HTTP port answers our magic with 400 Bad Request.
 */
#define SIZE_THAT_SPELLS_HTTP UINT32_C(0x48545450)

int nsq_frame_parse(struct bytes input, size_t max_frame_size,
                    struct nsq_frame *frame)
{
    uint32_t type = 0;
    uint32_t size;

    if (input.length < 4) {
        frame->length = 4;
        return NSQ_FRAME_PARTIAL;
    }
    size = bytes_load_be32(input.data);
    if (size == SIZE_THAT_SPELLS_HTTP)
        return NSQ_FRAME_IS_HTTP;
    if (size < 4 || size > max_frame_size) {
        frame->length = size;
        return NSQ_FRAME_BAD_SIZE;
    }
    if (input.length >= NSQ_FRAME_HEAD_LENGTH) {
        type = bytes_load_be32(input.data + 4);
        if (type > NSQ_FRAME_MESSAGE)
            return NSQ_FRAME_BAD_TYPE;
    }
    if (input.length - 4 < size) {
        frame->length = 4 + (size_t)size;
        return NSQ_FRAME_PARTIAL;
    }
    frame->type = (enum nsq_frame_type)type;
    frame->body = bytes_of(input.data + NSQ_FRAME_HEAD_LENGTH, size - 4);
    frame->length = 4 + (size_t)size;
    return 0;
}

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/*
 * Top bits of the bytes of `digits`, which all have theirs clear, that are from
 * `first` to `last`: no sum or difference here leaves its byte.
 */
static uint64_t bytes_within(uint64_t digits, unsigned first, unsigned last)
{
    return (digits + EACH_BYTE(0x80 - first)) &
           (EACH_BYTE(0x80 + last) - digits);
}

/*
 * Eight digits at a time. The id goes back to nsqd inside command lines: a
 * space or a newline in it would make two commands of one.
 */
static bool is_message_id(const uint8_t *text)
{
    uint64_t good = EACH_BYTE(0x80);

    static_assert(NSQ_MESSAGE_ID_LENGTH == 16, "two words");
    for (size_t i = 0; i < NSQ_MESSAGE_ID_LENGTH; i += 8) {
        uint64_t word;
        uint64_t digits;

        memcpy(&word, text + i, sizeof(word));
        digits = word & EACH_BYTE(0x7f);
        good &= ~word & (bytes_within(digits, '0', '9') |
                         bytes_within(digits | EACH_BYTE(0x20), 'a', 'f'));
    }
    return good == EACH_BYTE(0x80);
}

int nsq_message_parse(const struct nsq_frame *frame,
                      struct nsq_message *message)
{
    struct bytes body = frame->body;

    if (body.length < NSQ_MESSAGE_HEAD_LENGTH || !is_message_id(body.data + 10))
        return NSQ_MESSAGE_BROKEN;
    message->timestamp_ns = bytes_load_be64(body.data);
    message->attempts = bytes_load_be16(body.data + 8);
    memcpy(message->id.text, body.data + 10, NSQ_MESSAGE_ID_LENGTH);
    message->body = bytes_of(body.data + NSQ_MESSAGE_HEAD_LENGTH,
                             body.length - NSQ_MESSAGE_HEAD_LENGTH);
    return 0;
}

bool nsq_frame_is_heartbeat(const struct nsq_frame *frame)
{
    return frame->type == NSQ_FRAME_RESPONSE &&
           bytes_equal_text(frame->body, "_heartbeat_");
}

void nsq_encode_magic(struct bytes_writer *writer)
{
    bytes_put_text(writer, "  V2");
}

/* A JSON string; bytes above 0x7f go through as the UTF-8 they should be. */
static void put_json_text(struct bytes_writer *writer, const char *text)
{
    bytes_put_byte(writer, '"');
    for (; *text; text++) {
        uint8_t byte = (uint8_t)*text;

        if (byte < 0x20) {
            bytes_put_text(writer, "\\u00");
            bytes_put_hex(writer, bytes_of(&byte, 1));
            continue;
        }
        if (byte == '"' || byte == '\\')
            bytes_put_byte(writer, '\\');
        bytes_put_byte(writer, byte);
    }
    bytes_put_byte(writer, '"');
}

static void put_text_member(struct bytes_writer *writer, const char *key,
                            const char *text)
{
    if (!text)
        return;
    bytes_put_byte(writer, ',');
    put_json_text(writer, key);
    bytes_put_byte(writer, ':');
    put_json_text(writer, text);
}

static void put_number_member(struct bytes_writer *writer, const char *key,
                              uint32_t number)
{
    if (number == 0)
        return;
    bytes_put_byte(writer, ',');
    put_json_text(writer, key);
    bytes_put_byte(writer, ':');
    bytes_put_decimal(writer, number);
}

void nsq_encode_identify(struct bytes_writer *writer,
                         const struct nsq_identity *identity)
{
    uint8_t *size;
    size_t start;

    bytes_put_text(writer, "IDENTIFY\n");
    size = bytes_claim(writer, 4);
    start = writer->length;
    bytes_put_text(writer, "{\"feature_negotiation\":true");
    put_text_member(writer, "client_id", identity->client_id);
    put_text_member(writer, "hostname", identity->hostname);
    put_text_member(writer, "user_agent", identity->user_agent);
    put_number_member(writer, "heartbeat_interval",
                      identity->heartbeat_interval_ms);
    put_number_member(writer, "output_buffer_size",
                      identity->output_buffer_size);
    put_number_member(writer, "output_buffer_timeout",
                      identity->output_buffer_timeout_ms);
    put_number_member(writer, "msg_timeout", identity->msg_timeout_ms);
    bytes_put_byte(writer, '}');
    if (!writer->overrun)
        bytes_store_be32(size, (uint32_t)(writer->length - start));
}

void nsq_encode_authenticate(struct bytes_writer *writer, struct bytes secret)
{
    uint8_t *size;

    bytes_put_text(writer, "AUTH\n");
    size = bytes_claim(writer, 4);
    bytes_put(writer, secret);
    if (!writer->overrun)
        bytes_store_be32(size, (uint32_t)secret.length);
}

void nsq_encode_subscribe(struct bytes_writer *writer, struct bytes topic,
                          struct bytes channel)
{
    bytes_put_text(writer, "SUB ");
    bytes_put(writer, topic);
    bytes_put_byte(writer, ' ');
    bytes_put(writer, channel);
    bytes_put_byte(writer, '\n');
}

void nsq_encode_publish(struct bytes_writer *writer, struct bytes topic,
                        struct bytes body)
{
    uint8_t size[4];

    bytes_store_be32(size, (uint32_t)body.length);
    bytes_put_text(writer, "PUB ");
    bytes_put(writer, topic);
    bytes_put_byte(writer, '\n');
    bytes_put(writer, bytes_of(size, sizeof(size)));
    bytes_put(writer, body);
}

void nsq_encode_ready(struct bytes_writer *writer, uint32_t count)
{
    bytes_put_text(writer, "RDY ");
    bytes_put_decimal(writer, count);
    bytes_put_byte(writer, '\n');
}

static void put_id(struct bytes_writer *writer, const struct nsq_message_id *id)
{
    bytes_put(writer, bytes_of(id->text, sizeof(id->text)));
}

/* One claim for the whole line: FIN is written once per message. */
void nsq_encode_finish(struct bytes_writer *writer,
                       const struct nsq_message_id *id)
{
    static const uint8_t name[4] = { 'F', 'I', 'N', ' ' };
    uint8_t *line = bytes_claim(writer, 4 + NSQ_MESSAGE_ID_LENGTH + 1);

    if (!line)
        return;
    memcpy(line, name, sizeof(name));
    memcpy(line + 4, id->text, NSQ_MESSAGE_ID_LENGTH);
    line[4 + NSQ_MESSAGE_ID_LENGTH] = '\n';
}

void nsq_encode_requeue(struct bytes_writer *writer,
                        const struct nsq_message_id *id, uint32_t delay_ms)
{
    bytes_put_text(writer, "REQ ");
    put_id(writer, id);
    bytes_put_byte(writer, ' ');
    bytes_put_decimal(writer, delay_ms);
    bytes_put_byte(writer, '\n');
}

void nsq_encode_touch(struct bytes_writer *writer,
                      const struct nsq_message_id *id)
{
    bytes_put_text(writer, "TOUCH ");
    put_id(writer, id);
    bytes_put_byte(writer, '\n');
}

void nsq_encode_no_operation(struct bytes_writer *writer)
{
    bytes_put_text(writer, "NOP\n");
}

void nsq_encode_start_close(struct bytes_writer *writer)
{
    bytes_put_text(writer, "CLS\n");
}

/* nsqd's defaults (nsqd/options.go), for what an answer does not say. */
static const struct nsq_terms default_terms = {
    .max_rdy_count = 2500,
    .msg_timeout_ms = 60000,
    .max_msg_timeout_ms = 900000,
};

/*
 * Take the member `key`, which must be a whole number from 1 on if it is
 * there. Returns false if it is anything else.
 */
static bool take_number(const cJSON *answer, const char *key, uint32_t *number)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(answer, key);

    if (!member)
        return true;
    if (!cJSON_IsNumber(member) || !(member->valuedouble >= 1) ||
        !(member->valuedouble <= UINT32_MAX))
        return false;
    *number = (uint32_t)member->valuedouble;
    return true;
}

static bool take_terms(const cJSON *answer, struct nsq_terms *terms)
{
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(answer, "version");

    if (cJSON_IsString(version))
        snprintf(terms->version, sizeof(terms->version), "%s",
                 version->valuestring);
    terms->auth_required =
        cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(answer, "auth_required"));
    return cJSON_IsObject(answer) &&
           take_number(answer, "max_rdy_count", &terms->max_rdy_count) &&
           take_number(answer, "msg_timeout", &terms->msg_timeout_ms) &&
           take_number(answer, "max_msg_timeout", &terms->max_msg_timeout_ms);
}

int nsq_terms_parse(struct bytes body, struct nsq_terms *terms)
{
    struct nsq_terms result = default_terms;
    cJSON *answer;
    bool good;

    if (bytes_equal_text(body, "OK")) {
        *terms = result;
        return 0;
    }
    if (body.length == 0 || body.length > NSQ_FRAME_LEAST_CAP)
        return NSQ_ANSWER_BROKEN;
    answer = cJSON_ParseWithLength((const char *)body.data, body.length);
    good = answer && take_terms(answer, &result);
    cJSON_Delete(answer);
    if (!good)
        return NSQ_ANSWER_BROKEN;
    *terms = result;
    return 0;
}

/* Cut the first word off `text`; what follows the space stays in `text`. */
static struct bytes take_word(struct bytes *text)
{
    const uint8_t *space =
        text->length ? memchr(text->data, ' ', text->length) : NULL;
    struct bytes word = *text;

    if (space)
        word.length = (size_t)(space - text->data);
    *text = bytes_skip(*text, word.length + 1);
    return word;
}

static enum nsq_error_kind error_kind(struct bytes code)
{
    if (bytes_equal_text(code, "E_FIN_FAILED"))
        return NSQ_ERROR_FIN_FAILED;
    if (bytes_equal_text(code, "E_REQ_FAILED"))
        return NSQ_ERROR_REQ_FAILED;
    if (bytes_equal_text(code, "E_TOUCH_FAILED"))
        return NSQ_ERROR_TOUCH_FAILED;
    return NSQ_ERROR_FATAL;
}

/*
 * "FIN 0123456789abcdef failed ID not in flight": the id is the second word,
 * as nsqd/protocol_v2.go formats it.
 */
static void take_error_id(struct nsq_error *error)
{
    struct bytes text = error->text;
    struct bytes id;

    take_word(&text);
    id = take_word(&text);
    error->has_id =
        id.length == NSQ_MESSAGE_ID_LENGTH && is_message_id(id.data);
    if (error->has_id)
        memcpy(error->id.text, id.data, NSQ_MESSAGE_ID_LENGTH);
}

int nsq_error_parse(const struct nsq_frame *frame, struct nsq_error *error)
{
    struct nsq_error result = { .text = frame->body };

    result.code = take_word(&result.text);
    if (result.code.length == 0)
        return NSQ_ERROR_BROKEN;
    result.kind = error_kind(result.code);
    if (result.kind != NSQ_ERROR_FATAL)
        take_error_id(&result);
    *error = result;
    return 0;
}
