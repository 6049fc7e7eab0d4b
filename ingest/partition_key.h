/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * partition_key - what --partition-key says, and the key it gives a message.
 *
 *   none                  no key: messages are spread evenly
 *   message-id            the 16 hexadecimal digits of the message id
 *   json:PATH             the scalar at PATH in the body (json_scanner.h)
 *   bytes:OFFSET:LENGTH   that many bytes of the body
 *   static:TEXT           the same for every message
 *
 * "Partition keys are Unicode strings, with a maximum length limit of 256
 * characters for each key" and at least 1 (Kinesis API reference, PutRecords).
 * A value that is no such string (empty, longer, or not UTF-8) still has to
 * keep its messages together: its key is the 32 lower-case hexadecimal digits
 * of its MD5. Only a JSON text with escapes that is longer than 4096 bytes is
 * hashed as it is spelt.
 *
 * Pure. Messages with the same value get the same key, in every build.
 */

#include "ingest/json_scanner.h"
#include "ingest/nsq_protocol.h"

#define PARTITION_KEY_CHARACTERS_MOST 256
#define PARTITION_KEY_BYTES_MOST      ((size_t)4 * PARTITION_KEY_CHARACTERS_MOST)

enum partition_key_condition {
    PARTITION_KEY_WRONG = 1, /* the option is not one of the above */
    PARTITION_KEY_MISSING,   /* the message id stands in: count it */
};

enum partition_key_kind {
    PARTITION_KEY_NONE,
    PARTITION_KEY_MESSAGE_ID,
    PARTITION_KEY_JSON,
    PARTITION_KEY_BYTES,
    PARTITION_KEY_STATIC,
};

struct partition_key_rule {
    enum partition_key_kind kind;
    struct json_path path; /* JSON */
    size_t offset;         /* BYTES */
    size_t length;         /* BYTES */
    struct bytes text;     /* STATIC; looks into the option */
};

/* Where a key is made that is not a part of the message. One per thread. */
struct partition_key_memory {
    uint8_t unescaped[4096];
    uint8_t hexadecimal[32];
};

/*
 * Parse the option's value, which must live as long as the rule. Returns 0, or
 * PARTITION_KEY_WRONG with *complaint a sentence without a full stop.
 */
int partition_key_parse(const char *option, struct partition_key_rule *rule,
                        const char **complaint);

/*
 * The key of `message`: 1 to 256 characters of UTF-8, or empty by rule NONE.
 * *key looks into the message or into *memory, until its next use.
 *
 * Returns 0; or PARTITION_KEY_MISSING when the body has no such value, with
 * *key the message id, which spreads these messages.
 */
int partition_key_of(const struct partition_key_rule *rule,
                     const struct nsq_message *message,
                     struct partition_key_memory *memory, struct bytes *key);
