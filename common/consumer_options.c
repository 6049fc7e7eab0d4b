/* SPDX-License-Identifier: Apache-2.0 */

#include "common/consumer_options.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/bytes.h"
#include "common/option_values.h"

enum consumer_kind {
    CONSUMER_NUMBER,
    CONSUMER_DURATION,
    CONSUMER_RATIO,
    CONSUMER_TEXT,
    CONSUMER_IGNORED,     /* reason: why it has no effect */
    CONSUMER_UNSUPPORTED, /* reason: what stands behind "is" */
};

struct consumer_row {
    const char *key;
    enum consumer_kind kind;
    size_t offset; /* in struct consumer_options */
    uint64_t least;
    uint64_t most;
    uint64_t initial;
    const char *reason;
};

#define FIELD(name) offsetof(struct consumer_options, name)
#define MINUTE      (60 * NS_PER_SECOND)
#define NOT_YET     "not supported yet"
#define NO_REQUEUE  "messages are held, not requeued"
#define ONE_READER  "ready counts follow the room in the queues"

/*
 * Limits are those of go-nsq (config.go) and, for what nsqd is asked for in
 * IDENTIFY, of nsqd's own defaults (nsqd/options.go): 64 KiB of output buffer
 * and one minute of heartbeat at most.
 */
static const struct consumer_row consumer_rows[] = {
    /* clang-format off */
    { "max_in_flight", CONSUMER_NUMBER, FIELD(max_in_flight),
      1, 1000000, 0, NULL },
    { "msg_timeout", CONSUMER_DURATION, FIELD(msg_timeout_ns),
      0, INT64_C(24) * 60 * MINUTE, 0, NULL },
    { "heartbeat_interval", CONSUMER_DURATION, FIELD(heartbeat_interval_ns),
      NS_PER_SECOND, MINUTE, 30 * NS_PER_SECOND, NULL },
    { "output_buffer_size", CONSUMER_NUMBER, FIELD(output_buffer_size),
      64, 65536, 65536, NULL },
    { "output_buffer_timeout", CONSUMER_DURATION,
      FIELD(output_buffer_timeout_ns),
      NS_PER_MS, 30 * NS_PER_SECOND, 25 * NS_PER_MS, NULL },
    { "client_id", CONSUMER_TEXT, FIELD(client_id), 1, 255, 0, NULL },
    { "hostname", CONSUMER_TEXT, FIELD(hostname), 1, 255, 0, NULL },
    { "user_agent", CONSUMER_TEXT, FIELD(user_agent), 1, 255, 0, NULL },
    { "dial_timeout", CONSUMER_DURATION, FIELD(dial_timeout_ns),
      NS_PER_MS, 10 * MINUTE, NS_PER_SECOND, NULL },
    { "read_timeout", CONSUMER_DURATION, FIELD(read_timeout_ns),
      100 * NS_PER_MS, 5 * MINUTE, MINUTE, NULL },
    { "write_timeout", CONSUMER_DURATION, FIELD(write_timeout_ns),
      100 * NS_PER_MS, 5 * MINUTE, NS_PER_SECOND, NULL },
    { "max_backoff_duration", CONSUMER_DURATION,
      FIELD(max_backoff_duration_ns), 0, 60 * MINUTE, 2 * MINUTE, NULL },
    { "lookupd_poll_interval", CONSUMER_DURATION,
      FIELD(lookupd_poll_interval_ns),
      10 * NS_PER_MS, 5 * MINUTE, MINUTE, NULL },
    { "lookupd_poll_jitter", CONSUMER_RATIO, FIELD(lookupd_poll_jitter),
      0, 1000000, 300000, NULL },
    { "lookupd_poll_timeout", CONSUMER_DURATION,
      FIELD(lookupd_poll_timeout_ns),
      10 * NS_PER_MS, 10 * MINUTE, MINUTE, NULL },

    { "max_attempts", CONSUMER_IGNORED, 0, 0, 0, 0,
      "a message is never given up, however often it was tried" },
    { "max_requeue_delay", CONSUMER_IGNORED, 0, 0, 0, 0, NO_REQUEUE },
    { "default_requeue_delay", CONSUMER_IGNORED, 0, 0, 0, 0, NO_REQUEUE },
    { "backoff_strategy", CONSUMER_IGNORED, 0, 0, 0, 0, ONE_READER },
    { "backoff_multiplier", CONSUMER_IGNORED, 0, 0, 0, 0, ONE_READER },
    { "low_rdy_idle_timeout", CONSUMER_IGNORED, 0, 0, 0, 0, ONE_READER },
    { "low_rdy_timeout", CONSUMER_IGNORED, 0, 0, 0, 0, ONE_READER },
    { "rdy_redistribute_interval", CONSUMER_IGNORED, 0, 0, 0, 0, ONE_READER },
    { "skip_lookupd_authorization", CONSUMER_IGNORED, 0, 0, 0, 0,
      "nothing secret is sent to nsqlookupd" },

    { "sample_rate", CONSUMER_UNSUPPORTED, 0, 0, 0, 0,
      "refused: it makes nsqd discard messages" },
    { "max_msg_size", CONSUMER_UNSUPPORTED, 0, 0, 0, 0, NOT_YET },
    { "local_addr", CONSUMER_UNSUPPORTED, 0, 0, 0, 0, NOT_YET },
    { "tls_v1", CONSUMER_UNSUPPORTED, 0, 0, 0, 0, NOT_YET },
    { "tls_root_ca_file", CONSUMER_UNSUPPORTED, 0, 0, 0, 0, NOT_YET },
    { "tls_insecure_skip_verify", CONSUMER_UNSUPPORTED, 0, 0, 0, 0, NOT_YET },
    { "tls_cert", CONSUMER_UNSUPPORTED, 0, 0, 0, 0, NOT_YET },
    { "tls_key", CONSUMER_UNSUPPORTED, 0, 0, 0, 0, NOT_YET },
    { "tls_min_version", CONSUMER_UNSUPPORTED, 0, 0, 0, 0, NOT_YET },
    { "deflate", CONSUMER_UNSUPPORTED, 0, 0, 0, 0, NOT_YET },
    { "deflate_level", CONSUMER_UNSUPPORTED, 0, 0, 0, 0, NOT_YET },
    { "snappy", CONSUMER_UNSUPPORTED, 0, 0, 0, 0, NOT_YET },
    { "auth_secret", CONSUMER_UNSUPPORTED, 0, 0, 0, 0, NOT_YET },
    { "topology_region", CONSUMER_UNSUPPORTED, 0, 0, 0, 0, NOT_YET },
    { "topology_zone", CONSUMER_UNSUPPORTED, 0, 0, 0, 0, NOT_YET },
    /* clang-format on */
};

/* One key,value on its way in. */
struct consumer_parsing {
    struct consumer_options *consumer;
    const struct consumer_row *row;
    const char *value;
    char *complaint;
    size_t complaint_length;
};

static bool is_same_key(struct bytes typed, const char *key)
{
    if (typed.length != strlen(key))
        return false;
    for (size_t i = 0; i < typed.length; i++)
        if ((typed.data[i] == '-' ? '_' : typed.data[i]) != (uint8_t)key[i])
            return false;
    return true;
}

static const struct consumer_row *find_row(const char *option)
{
    struct bytes typed = bytes_of(option, strcspn(option, ","));

    for (size_t i = 0; i < ARRAY_LENGTH(consumer_rows); i++)
        if (is_same_key(typed, consumer_rows[i].key))
            return &consumer_rows[i];
    return NULL;
}

static int complain(const struct consumer_parsing *at, int condition,
                    const char *what)
{
    (void)snprintf(at->complaint, at->complaint_length,
                   "--consumer-opt %s: \"%s\" %s", at->row->key, at->value,
                   what);
    return condition;
}

static int complain_of_range(const struct consumer_parsing *at)
{
    char what[128];
    char least[32];
    char most[32];

    if (at->row->kind == CONSUMER_DURATION) {
        option_duration_format((int64_t)at->row->least, least, sizeof(least));
        option_duration_format((int64_t)at->row->most, most, sizeof(most));
    } else if (at->row->kind == CONSUMER_RATIO) {
        (void)snprintf(least, sizeof(least), "0");
        (void)snprintf(most, sizeof(most), "1");
    } else {
        (void)snprintf(least, sizeof(least), "%llu",
                       (unsigned long long)at->row->least);
        (void)snprintf(most, sizeof(most), "%llu",
                       (unsigned long long)at->row->most);
    }
    (void)snprintf(what, sizeof(what), "is out of range; it can be %s to %s",
                   least, most);
    return complain(at, OPTIONS_RANGE, what);
}

static int parse_number(const struct consumer_parsing *at)
{
    struct bytes text = bytes_of_text(at->value);
    uint64_t value = 0;
    int64_t ns = 0;
    int result;

    if (at->row->kind == CONSUMER_DURATION) {
        result = option_duration_parse(text, &ns);
        value = (uint64_t)ns;
    } else if (at->row->kind == CONSUMER_RATIO) {
        result = option_ratio_parse(text, &value);
    } else {
        result = option_number_parse(text, &value);
    }
    if (result == OPTION_VALUE_MALFORMED)
        return complain(at, OPTIONS_WRONG,
                        at->row->kind == CONSUMER_DURATION
                            ? "is not a duration; try 250ms"
                        : at->row->kind == CONSUMER_RATIO
                            ? "is not a share; try 0.3"
                            : "is not a whole number; try 100");
    if (result != 0 || value < at->row->least || value > at->row->most)
        return complain_of_range(at);
    memcpy((char *)at->consumer + at->row->offset, &value, sizeof(value));
    return 0;
}

static int parse_text(const struct consumer_parsing *at)
{
    size_t length = strlen(at->value);

    if (length < at->row->least || length > at->row->most ||
        !bytes_are_utf8(bytes_of_text(at->value)))
        return complain(at, OPTIONS_WRONG, "is empty, too long or not UTF-8");
    memcpy((char *)at->consumer + at->row->offset, &at->value,
           sizeof(at->value));
    return 0;
}

/* What is switched off need not be supported. */
static bool is_off(const char *value)
{
    return strcmp(value, "false") == 0 || strcmp(value, "0") == 0 ||
           value[0] == '\0';
}

static int parse_value(const struct consumer_parsing *at, const char *option)
{
    switch (at->row->kind) {
    case CONSUMER_NUMBER:
    case CONSUMER_DURATION:
    case CONSUMER_RATIO:
        return parse_number(at);
    case CONSUMER_TEXT:
        return parse_text(at);
    case CONSUMER_IGNORED:
        assert(at->consumer->ignored_count < CONSUMER_IGNORED_MOST);
        at->consumer->ignored[at->consumer->ignored_count++] = option;
        return 0;
    case CONSUMER_UNSUPPORTED:
        break;
    }
    if (is_off(at->value))
        return 0;
    /* Not the value: it may be a secret. */
    (void)snprintf(at->complaint, at->complaint_length,
                   "--consumer-opt %s is %s", at->row->key, at->row->reason);
    return OPTIONS_WRONG;
}

static void set_defaults(const struct options *options,
                         struct consumer_options *consumer)
{
    *consumer = (struct consumer_options){ 0 };
    for (size_t i = 0; i < ARRAY_LENGTH(consumer_rows); i++) {
        const struct consumer_row *row = &consumer_rows[i];

        if (row->kind <= CONSUMER_RATIO)
            memcpy((char *)consumer + row->offset, &row->initial,
                   sizeof(row->initial));
    }
    consumer->max_in_flight = options->max_in_flight;
}

static int parse_all(const struct option_list *list,
                     struct consumer_parsing *at)
{
    int result = 0;

    for (size_t i = 0; i < list->count && result == 0; i++) {
        const char *option = list->values[i];
        const char *comma = strchr(option, ',');

        at->row = find_row(option);
        at->value = comma ? comma + 1 : "true";
        if (!at->row) {
            (void)snprintf(at->complaint, at->complaint_length,
                           "--consumer-opt: there is no \"%.*s\"; it is "
                           "written key,value with a key of go-nsq, such as "
                           "heartbeat_interval,15s",
                           (int)strcspn(option, ","), option);
            return OPTIONS_WRONG;
        }
        result = parse_value(at, option);
    }
    return result;
}

int consumer_options_parse(const struct options *options,
                           struct consumer_options *consumer, char *complaint,
                           size_t length)
{
    struct consumer_options parsed;
    struct consumer_parsing at = {
        .consumer = &parsed,
        .complaint = complaint,
        .complaint_length = length,
    };
    int result;

    set_defaults(options, &parsed);
    result = parse_all(&options->consumer_opt, &at);
    if (result != 0)
        return result;
    /* go-nsq's own rule: else every quiet second connection looks dead. */
    if (parsed.heartbeat_interval_ns > parsed.read_timeout_ns) {
        (void)snprintf(complaint, length,
                       "--consumer-opt: heartbeat_interval is longer than "
                       "read_timeout, so a quiet nsqd would look dead");
        return OPTIONS_RANGE;
    }
    *consumer = parsed;
    return 0;
}

const char *consumer_options_reason(const char *ignored)
{
    const struct consumer_row *row = find_row(ignored);

    return row && row->reason ? row->reason : "it has no effect here";
}
