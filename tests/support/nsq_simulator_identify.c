/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/nsq_simulator_identify.h"

#include <inttypes.h>
#include <stdio.h>

#include <cjson/cJSON.h>

struct identify_settings identify_defaults(const struct identify_limits *limits)
{
    return (struct identify_settings){
        .heartbeat_ms = 30000,
        .msg_timeout_ms = limits->msg_timeout_ms,
        .output_buffer_size = 16384,
        .output_buffer_timeout_ms = 250,
    };
}

enum wish_kind {
    WISH_NUMBER,
    WISH_YES_OR_NO,
    WISH_TEXT,
};

/* Go refuses the whole JSON when one value has the wrong type. */
static bool read_wish(const cJSON *json, const char *name, enum wish_kind kind,
                      int64_t *value)
{
    const cJSON *wish = cJSON_GetObjectItem(json, name);

    *value = 0;
    if (!wish || cJSON_IsNull(wish))
        return true;
    if (kind == WISH_YES_OR_NO) {
        *value = cJSON_IsTrue(wish);
        return cJSON_IsBool(wish);
    }
    if (kind == WISH_TEXT)
        return cJSON_IsString(wish);
    if (!cJSON_IsNumber(wish) || wish->valuedouble < -1e15 ||
        wish->valuedouble > 1e15)
        return false;
    *value = (int64_t)wish->valuedouble;
    return (double)*value == wish->valuedouble;
}

struct wishes {
    int64_t heartbeat_ms;
    int64_t output_buffer_size;
    int64_t output_buffer_timeout_ms;
    int64_t sample_rate;
    int64_t msg_timeout_ms;
    int64_t feature_negotiation;
    int64_t ignored; /* what this nsqd never grants, but Go checks its type */
};

static bool read_wishes(const cJSON *json, struct wishes *wishes)
{
    const struct {
        const char *name;
        enum wish_kind kind;
        int64_t *value;
    } rows[] = {
        { "heartbeat_interval", WISH_NUMBER, &wishes->heartbeat_ms },
        { "output_buffer_size", WISH_NUMBER, &wishes->output_buffer_size },
        { "output_buffer_timeout", WISH_NUMBER,
          &wishes->output_buffer_timeout_ms },
        { "sample_rate", WISH_NUMBER, &wishes->sample_rate },
        { "msg_timeout", WISH_NUMBER, &wishes->msg_timeout_ms },
        { "feature_negotiation", WISH_YES_OR_NO, &wishes->feature_negotiation },
        { "client_id", WISH_TEXT, &wishes->ignored },
        { "hostname", WISH_TEXT, &wishes->ignored },
        { "user_agent", WISH_TEXT, &wishes->ignored },
        { "deflate_level", WISH_NUMBER, &wishes->ignored },
        { "tls_v1", WISH_YES_OR_NO, &wishes->ignored },
        { "deflate", WISH_YES_OR_NO, &wishes->ignored },
        { "snappy", WISH_YES_OR_NO, &wishes->ignored },
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (!read_wish(json, rows[i].name, rows[i].kind, rows[i].value))
            return false;
    }
    return true;
}

static bool is_within(int64_t value, int64_t least, int64_t most)
{
    return value >= least && value <= most;
}

static bool refuse(struct bytes_writer *complaint, const char *what,
                   int64_t value)
{
    char sentence[96];

    snprintf(sentence, sizeof(sentence), "%s (%" PRId64 ") is invalid", what,
             value);
    bytes_put_text(complaint, sentence);
    return false;
}

static bool apply_output_buffer(const struct wishes *wishes,
                                struct identify_settings *settings,
                                struct bytes_writer *complaint)
{
    int64_t timeout_ms = wishes->output_buffer_timeout_ms;
    int64_t size = wishes->output_buffer_size;

    if (timeout_ms == -1)
        settings->output_buffer_timeout_ms = 0;
    else if (is_within(timeout_ms, 25, 30000))
        settings->output_buffer_timeout_ms = timeout_ms;
    else if (timeout_ms != 0)
        return refuse(complaint, "output buffer timeout", timeout_ms);
    if (size == -1) {
        settings->output_buffer_size = 1;
        settings->output_buffer_timeout_ms = 0;
    } else if (is_within(size, 64, 65536)) {
        settings->output_buffer_size = size;
    } else if (size != 0) {
        return refuse(complaint, "output buffer size", size);
    }
    return true;
}

/* The order is nsqd's: of two mistakes the first is named. */
static bool apply_wishes(const struct wishes *wishes,
                         const struct identify_limits *limits,
                         struct identify_settings *settings,
                         struct bytes_writer *complaint)
{
    if (wishes->heartbeat_ms == -1)
        settings->heartbeat_ms = 0;
    else if (is_within(wishes->heartbeat_ms, 1000, 60000))
        settings->heartbeat_ms = wishes->heartbeat_ms;
    else if (wishes->heartbeat_ms != 0)
        return refuse(complaint, "heartbeat interval", wishes->heartbeat_ms);
    if (!apply_output_buffer(wishes, settings, complaint))
        return false;
    if (!is_within(wishes->sample_rate, 0, 99))
        return refuse(complaint, "sample rate", wishes->sample_rate);
    settings->sample_rate = wishes->sample_rate;
    if (is_within(wishes->msg_timeout_ms, 1000, limits->max_msg_timeout_ms))
        settings->msg_timeout_ms = wishes->msg_timeout_ms;
    else if (wishes->msg_timeout_ms != 0)
        return refuse(complaint, "msg timeout", wishes->msg_timeout_ms);
    settings->feature_negotiation = wishes->feature_negotiation != 0;
    return true;
}

bool identify_apply(struct bytes json, const struct identify_limits *limits,
                    struct identify_settings *settings,
                    struct bytes_writer *complaint)
{
    cJSON *parsed = cJSON_ParseWithLength((const char *)json.data, json.length);
    struct wishes wishes = { 0 };
    bool applied = false;
    /* To Go, null is an object that says nothing. */
    bool is_read = cJSON_IsNull(parsed) ||
                   (cJSON_IsObject(parsed) && read_wishes(parsed, &wishes));

    if (!is_read)
        bytes_put_text(complaint, "failed to decode JSON body");
    else
        applied = apply_wishes(&wishes, limits, settings, complaint);
    cJSON_Delete(parsed);
    return applied;
}

void identify_answer(const struct identify_settings *settings,
                     const struct identify_limits *limits,
                     struct bytes_writer *answer)
{
    char text[640];

    if (!settings->feature_negotiation) {
        bytes_put_text(answer, "OK");
        return;
    }
    snprintf(text, sizeof(text),
             "{\"max_rdy_count\":%" PRId64 ",\"version\":\"1.3.0\","
             "\"max_msg_timeout\":%" PRId64 ",\"msg_timeout\":%" PRId64 ","
             "\"tls_v1\":false,\"deflate\":false,\"deflate_level\":6,"
             "\"max_deflate_level\":6,\"snappy\":false,"
             "\"sample_rate\":%" PRId64 ",\"auth_required\":false,"
             "\"output_buffer_size\":%" PRId64 ","
             "\"output_buffer_timeout\":%" PRId64 "}",
             limits->max_rdy_count, limits->max_msg_timeout_ms,
             settings->msg_timeout_ms, settings->sample_rate,
             settings->output_buffer_size, settings->output_buffer_timeout_ms);
    bytes_put_text(answer, text);
}
