/* SPDX-License-Identifier: Apache-2.0 */

#include "ingest/dead_letter.h"

#include "common/base64.h"

void dead_letter_box_init(struct dead_letter_box *box)
{
    *box = (struct dead_letter_box){ 0 };
    /* The bound is kept by is_full(), which lets one large letter pass. */
    byte_store_init(&box->bytes, SIZE_MAX / 4);
}

void dead_letter_box_deinit(struct dead_letter_box *box)
{
    byte_store_release(&box->bytes);
}

static bool is_full(const struct dead_letter_box *box, size_t length)
{
    if (box->count == 0)
        return false;
    return box->count == DEAD_LETTERS_MOST ||
           byte_store_length(&box->bytes) + length > DEAD_LETTERS_BYTES_MOST;
}

/* A writer on `most` bytes of the box. */
static int open_letter(struct dead_letter_box *box, size_t most,
                       struct bytes_writer *writer)
{
    if (is_full(box, most) || byte_store_reserve(&box->bytes, most))
        return DEAD_LETTERS_FULL;
    *writer = bytes_writer_on(box->bytes.memory + box->bytes.end, most);
    return 0;
}

static void close_letter(struct dead_letter_box *box,
                         const struct bytes_writer *writer,
                         const struct dead_letter *letter)
{
    size_t place = (box->first + box->count) % DEAD_LETTERS_MOST;

    assert(!writer->overrun);
    byte_store_commit(&box->bytes, writer->length);
    box->letters[place] = *letter;
    box->letters[place].length = writer->length;
    box->count++;
}

static void put_escaped(struct bytes_writer *writer, struct bytes text)
{
    for (size_t i = 0; i < text.length; i++) {
        uint8_t byte = text.data[i];

        if (byte < 0x20) {
            bytes_put_text(writer, "\\u00");
            bytes_put_hex(writer, bytes_of(&byte, 1));
            continue;
        }
        if (byte == '"' || byte == '\\')
            bytes_put_byte(writer, '\\');
        bytes_put_byte(writer, byte);
    }
}

static void put_member(struct bytes_writer *writer, const char *name,
                       struct bytes text)
{
    bytes_put_text(writer, name);
    bytes_put_byte(writer, '"');
    put_escaped(writer, text);
    bytes_put_byte(writer, '"');
}

static size_t line_most(const struct dead_letter_content *content)
{
    size_t texts = strlen(content->nsqd) + strlen(content->topic) +
                   strlen(content->channel) + strlen(content->reason) +
                   content->key.length;

    return 256 + 6 * texts + base64_length(content->body.length);
}

int dead_letter_put_line(struct dead_letter_box *box,
                         const struct dead_letter *letter,
                         const struct dead_letter_content *content)
{
    struct bytes_writer writer;
    uint8_t *body;

    if (open_letter(box, line_most(content), &writer))
        return DEAD_LETTERS_FULL;
    put_member(&writer, "{\"message_id\":",
               bytes_of(letter->id.text, sizeof(letter->id.text)));
    put_member(&writer, ",\"nsqd\":", bytes_of_text(content->nsqd));
    put_member(&writer, ",\"topic\":", bytes_of_text(content->topic));
    put_member(&writer, ",\"channel\":", bytes_of_text(content->channel));
    bytes_put_text(&writer, ",\"attempts\":");
    bytes_put_decimal(&writer, letter->attempts);
    bytes_put_text(&writer, ",\"timestamp_ns\":");
    bytes_put_decimal(&writer, (uint64_t)letter->timestamp_ns);
    put_member(&writer, ",\"reason\":", bytes_of_text(content->reason));
    if (content->key.length > 0 && bytes_are_utf8(content->key))
        put_member(&writer, ",\"partition_key\":", content->key);
    bytes_put_text(&writer, ",\"body_base64\":\"");
    body = bytes_claim(&writer, base64_length(content->body.length));
    if (body)
        (void)base64_encode(content->body, body);
    bytes_put_text(&writer, "\"}\n");
    close_letter(box, &writer, letter);
    return 0;
}

int dead_letter_put_publish(struct dead_letter_box *box,
                            const struct dead_letter *letter, const char *topic,
                            struct bytes body)
{
    struct bytes_writer writer;

    if (open_letter(box, NSQ_PUBLISH_MOST + body.length, &writer))
        return DEAD_LETTERS_FULL;
    nsq_encode_publish(&writer, bytes_of_text(topic), body);
    close_letter(box, &writer, letter);
    return 0;
}

struct dead_letter *dead_letter_at(struct dead_letter_box *box, size_t index)
{
    assert(index < box->count);
    return &box->letters[(box->first + index) % DEAD_LETTERS_MOST];
}

struct dead_letter *dead_letter_find(struct dead_letter_box *box,
                                     const struct dead_letter *message)
{
    for (size_t i = 0; i < box->count; i++) {
        struct dead_letter *letter = dead_letter_at(box, i);

        if (nsq_message_id_equal(&letter->id, &message->id) &&
            letter->timestamp_ns == message->timestamp_ns &&
            letter->checksum == message->checksum &&
            letter->source == message->source)
            return letter;
    }
    return NULL;
}

void dead_letter_take(struct dead_letter_box *box, struct dead_letter *letter)
{
    *letter = *dead_letter_at(box, 0);
    byte_store_take(&box->bytes, letter->length);
    box->first = (box->first + 1) % DEAD_LETTERS_MOST;
    box->count--;
    if (box->count == 0)
        byte_store_release(&box->bytes);
}
