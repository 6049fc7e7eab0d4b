/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>
#include <string.h>

#include "common/address.h"
#include "common/bytes.h"
#include "common/consumer_options.h"
#include "common/nsq_name.h"
#include "common/options.h"
#include "common/options_table.h"

/*
 * "PartitionKey: Unicode strings, with a maximum length limit of 256
 * characters for each key."
 * https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecordsRequestEntry.html
 */
#define PARTITION_KEY_MOST 256 /* characters */

static int check_required(struct options *options)
{
    if (!options->topic)
        return options_complain(options, OPTIONS_WRONG,
                                "--topic is missing: which NSQ topic to read");
    if (!options->stream)
        return options_complain(
            options, OPTIONS_WRONG,
            "--stream is missing: which Kinesis data stream to write");
    if (options->nsqd_tcp_address.count == 0 &&
        options->lookupd_http_address.count == 0)
        return options_complain(options, OPTIONS_WRONG,
                                "--nsqd-tcp-address or --lookupd-http-address "
                                "is missing: where NSQ is, as host:port");
    if (options->nsqd_tcp_address.count > 0 &&
        options->lookupd_http_address.count > 0)
        return options_complain(options, OPTIONS_WRONG,
                                "give --nsqd-tcp-address or "
                                "--lookupd-http-address, not both");
    return 0;
}

/* True if `text` has only letters, digits and characters of `others`. */
static bool is_made_of(const char *text, const char *others)
{
    for (; *text; text++) {
        char lower = (char)(*text | 0x20);

        if (!(lower >= 'a' && lower <= 'z') &&
            !(*text >= '0' && *text <= '9') && !strchr(others, *text))
            return false;
    }
    return true;
}

static int check_nsq_name(struct options *options, const char *flag,
                          const char *name)
{
    if (nsq_name_is_valid(bytes_of_text(name)))
        return 0;
    return options_complain(options, OPTIONS_WRONG,
                            "--%s: \"%s\" is no name for NSQ; it has at most "
                            "64 letters, digits, '.', '_' and '-', and may end "
                            "with #ephemeral",
                            flag, name);
}

/*
 * "Pattern: [a-zA-Z0-9_.-]+", 1 to 128 characters.
 * https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
 */
static int check_stream(struct options *options)
{
    if (bytes_start_with(bytes_of_text(options->stream), "arn:"))
        return options_complain(options, OPTIONS_WRONG,
                                "--stream: \"%s\" is an ARN; give the name "
                                "behind its last '/'",
                                options->stream);
    if (is_made_of(options->stream, "_.-"))
        return 0;
    return options_complain(options, OPTIONS_WRONG,
                            "--stream: \"%s\" is no name of a stream; it has "
                            "letters, digits, '.', '_' and '-' only",
                            options->stream);
}

static int check_addresses(struct options *options, const char *flag,
                           const struct option_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct address address;
        int result = address_parse(bytes_of_text(list->values[i]), 0, &address);

        if (strstr(list->values[i], "://"))
            return options_complain(options, OPTIONS_WRONG,
                                    "--%s: \"%s\": write host:port, without "
                                    "what stands in front of it in a URL",
                                    flag, list->values[i]);
        if (result != 0)
            return options_complain(options, OPTIONS_WRONG, "--%s: \"%s\": %s",
                                    flag, list->values[i],
                                    address_complaint(result));
    }
    return 0;
}

static size_t character_count(const char *text)
{
    size_t count = 0;

    for (; *text; text++)
        count += (*text & 0xc0) != 0x80;
    return count;
}

/* "OFFSET:LENGTH" */
static bool is_part(struct bytes text)
{
    const uint8_t *colon =
        text.length > 0 ? memchr(text.data, ':', text.length) : NULL;
    size_t before = colon ? (size_t)(colon - text.data) : text.length;
    uint64_t offset = 0;
    uint64_t length = 0;

    return bytes_parse_u64(bytes_of(text.data, before), &offset) &&
           bytes_parse_u64(bytes_skip(text, before + 1), &length) && length > 0;
}

/* Ingest looks closer; this is what nothing should be started with. */
static int check_partition_key(struct options *options)
{
    const char *key = options->partition_key;
    struct bytes text = bytes_of_text(key);

    if (strcmp(key, "none") == 0 || strcmp(key, "message-id") == 0)
        return 0;
    if (bytes_start_with(text, "json:") && text.length > strlen("json:"))
        return 0;
    if (bytes_start_with(text, "bytes:") &&
        is_part(bytes_skip(text, strlen("bytes:"))))
        return 0;
    if (!bytes_start_with(text, "static:") || text.length == strlen("static:"))
        return options_complain(options, OPTIONS_WRONG,
                                "--partition-key: \"%s\" is none of none, "
                                "message-id, json:PATH, bytes:OFFSET:LENGTH "
                                "and static:TEXT; try json:user_id",
                                key);
    key += strlen("static:");
    if (bytes_are_utf8(text) && character_count(key) <= PARTITION_KEY_MOST)
        return 0;
    return options_complain(options, OPTIONS_RANGE,
                            "--partition-key: a partition key of Kinesis is "
                            "UTF-8 and has at most %d characters",
                            PARTITION_KEY_MOST);
}

static int check_sizes(struct options *options)
{
    if (options->aggregate_size > options->request_size)
        return options_complain(options, OPTIONS_RANGE,
                                "--aggregate-size is larger than "
                                "--request-size, which has to hold it");
    if (options->queue_size < options->aggregate_size)
        return options_complain(options, OPTIONS_RANGE,
                                "--queue-size is smaller than "
                                "--aggregate-size, which is taken from it");
    return 0;
}

static int check_consumer(struct options *options)
{
    struct consumer_options consumer;

    return consumer_options_parse(options, &consumer, options->complaint,
                                  sizeof(options->complaint));
}

/* FNV-1a, so that a name that had to be cut is still its own. */
static uint32_t text_hash(const char *text)
{
    uint32_t hash = 2166136261U;

    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 16777619U;
    return hash;
}

/*
 * The name stands in the names of segments. '+' is in no name of NSQ or
 * Kinesis, so that two bridges never make the same default name.
 */
static int check_name(struct options *options)
{
    char name[300];

    if (options->name && is_made_of(options->name, "_.-+#"))
        return 0;
    if (options->name)
        return options_complain(options, OPTIONS_WRONG,
                                "--name: \"%s\" has other characters than "
                                "letters, digits, '.', '_', '-', '+' and '#'",
                                options->name);
    (void)snprintf(name, sizeof(name), "%s+%s+%s", options->topic,
                   options->channel, options->stream);
    if (strlen(name) < sizeof(options->made_name))
        (void)snprintf(options->made_name, sizeof(options->made_name), "%s",
                       name);
    else
        (void)snprintf(options->made_name, sizeof(options->made_name),
                       "%.55s+%08x", name, text_hash(name));
    options->name = options->made_name;
    return 0;
}

static int check_nsq(struct options *options)
{
    int result = check_nsq_name(options, "topic", options->topic);

    if (result == 0)
        result = check_nsq_name(options, "channel", options->channel);
    if (result == 0)
        result = check_addresses(options, "nsqd-tcp-address",
                                 &options->nsqd_tcp_address);
    if (result == 0)
        result = check_addresses(options, "lookupd-http-address",
                                 &options->lookupd_http_address);
    return result;
}

static int check_dead_letters(struct options *options)
{
    const char *topic = options->dead_letter_topic;
    bool is_asked_for = strcmp(options->on_refused, "dead-letter") == 0;

    if (topic && options->dead_letter_file)
        return options_complain(options, OPTIONS_WRONG,
                                "give --dead-letter-topic or "
                                "--dead-letter-file, not both");
    if (is_asked_for && !topic && !options->dead_letter_file)
        return options_complain(options, OPTIONS_WRONG,
                                "--on-refused=dead-letter needs "
                                "--dead-letter-topic or --dead-letter-file: "
                                "where the messages go");
    if (!is_asked_for && (topic || options->dead_letter_file))
        return options_complain(options, OPTIONS_WRONG,
                                "--dead-letter-%s does nothing with "
                                "--on-refused=%s; say --on-refused=dead-letter",
                                topic ? "topic" : "file", options->on_refused);
    if (topic && strcmp(topic, options->topic) == 0)
        return options_complain(options, OPTIONS_WRONG,
                                "--dead-letter-topic is --topic, so that "
                                "refused messages would go round for ever");
    return topic ? check_nsq_name(options, "dead-letter-topic", topic) : 0;
}

int options_check(struct options *options)
{
    static int (*const checks[])(struct options *) = {
        check_required, check_nsq,      check_stream,       check_partition_key,
        check_sizes,    check_consumer, check_dead_letters, check_name,
    };

    for (size_t i = 0; i < ARRAY_LENGTH(checks); i++) {
        int result = checks[i](options);

        if (result != 0)
            return result;
    }
    return 0;
}
