/* SPDX-License-Identifier: Apache-2.0 */

#include "ingest/partition_key.h"

#include "shard/md5.h"

/* Is `text` a partition key as it stands? */
static bool is_key(struct bytes text)
{
    size_t characters = 0;

    if (text.length == 0 || text.length > PARTITION_KEY_BYTES_MOST)
        return false;
    for (size_t i = 0; i < text.length; i++)
        characters += (text.data[i] & 0xc0) != 0x80;
    return characters <= PARTITION_KEY_CHARACTERS_MOST && bytes_are_utf8(text);
}

/* Cut `prefix` off `text` if it begins with it. */
static bool take_prefix(struct bytes *text, const char *prefix)
{
    if (!bytes_start_with(*text, prefix))
        return false;
    *text = bytes_skip(*text, strlen(prefix));
    return true;
}

static int parse_bytes(struct bytes text, struct partition_key_rule *rule)
{
    const uint8_t *colon =
        text.length ? memchr(text.data, ':', text.length) : NULL;
    size_t length = colon ? (size_t)(colon - text.data) : 0;
    uint64_t first;
    uint64_t second;

    if (!colon || !bytes_parse_u64(bytes_of(text.data, length), &first) ||
        !bytes_parse_u64(bytes_skip(text, length + 1), &second) ||
        second == 0 || first > UINT32_MAX || second > UINT32_MAX)
        return PARTITION_KEY_WRONG;
    rule->kind = PARTITION_KEY_BYTES;
    rule->offset = first;
    rule->length = second;
    return 0;
}

static int parse(struct bytes text, struct partition_key_rule *rule,
                 const char **complaint)
{
    if (bytes_equal_text(text, "none")) {
        rule->kind = PARTITION_KEY_NONE;
        return 0;
    }
    if (bytes_equal_text(text, "message-id")) {
        rule->kind = PARTITION_KEY_MESSAGE_ID;
        return 0;
    }
    if (take_prefix(&text, "json:")) {
        *complaint = "json: wants a path such as user_id or a.b.c";
        rule->kind = PARTITION_KEY_JSON;
        return json_path_parse(text, &rule->path) ? PARTITION_KEY_WRONG : 0;
    }
    if (take_prefix(&text, "bytes:")) {
        *complaint = "bytes: wants OFFSET:LENGTH, both whole numbers";
        return parse_bytes(text, rule);
    }
    if (take_prefix(&text, "static:")) {
        *complaint = "static: wants 1 to 256 characters of UTF-8";
        rule->kind = PARTITION_KEY_STATIC;
        rule->text = text;
        return is_key(text) ? 0 : PARTITION_KEY_WRONG;
    }
    *complaint = "it is none, message-id, json:PATH, bytes:OFFSET:LENGTH or "
                 "static:TEXT";
    return PARTITION_KEY_WRONG;
}

int partition_key_parse(const char *option, struct partition_key_rule *rule,
                        const char **complaint)
{
    struct partition_key_rule parsed = { .kind = PARTITION_KEY_NONE };
    const char *wrong = NULL;

    if (parse(bytes_of_text(option), &parsed, &wrong)) {
        *complaint = wrong;
        return PARTITION_KEY_WRONG;
    }
    *rule = parsed;
    return 0;
}

static struct bytes hexadecimal_md5(struct bytes value,
                                    struct partition_key_memory *memory)
{
    struct bytes_writer writer =
        bytes_writer_on(memory->hexadecimal, sizeof(memory->hexadecimal));
    uint8_t digest[MD5_LENGTH];

    md5(value, digest);
    bytes_put_hex(&writer, bytes_of(digest, sizeof(digest)));
    return bytes_written(&writer);
}

/* The value in the message's body; false if there is none. */
static bool find_value(const struct partition_key_rule *rule, struct bytes body,
                       struct partition_key_memory *memory, struct bytes *value)
{
    struct bytes_writer writer =
        bytes_writer_on(memory->unescaped, sizeof(memory->unescaped));
    int result;

    if (rule->kind == PARTITION_KEY_BYTES) {
        if (body.length < rule->offset ||
            body.length - rule->offset < rule->length)
            return false;
        *value = bytes_of(body.data + rule->offset, rule->length);
        return true;
    }
    result = json_find(body, &rule->path, &writer, value);
    return result == 0 || result == JSON_TOO_LONG;
}

int partition_key_of(const struct partition_key_rule *rule,
                     const struct nsq_message *message,
                     struct partition_key_memory *memory, struct bytes *key)
{
    struct bytes id = bytes_of(message->id.text, sizeof(message->id.text));
    struct bytes value;

    switch (rule->kind) {
    case PARTITION_KEY_NONE:
        *key = bytes_of(NULL, 0);
        return 0;
    case PARTITION_KEY_MESSAGE_ID:
        *key = id;
        return 0;
    case PARTITION_KEY_STATIC:
        *key = rule->text;
        return 0;
    default:
        break;
    }
    if (!find_value(rule, message->body, memory, &value)) {
        *key = id;
        return PARTITION_KEY_MISSING;
    }
    *key = is_key(value) ? value : hexadecimal_md5(value, memory);
    return 0;
}
