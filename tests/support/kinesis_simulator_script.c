/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/kinesis_simulator_script.h"

#include <math.h>
#include <stdio.h>

#include <cjson/cJSON.h>

#include "common/clock.h"
#include "tests/support/kinesis_simulator_document.h"
#include "tests/support/kinesis_simulator_refusal.h"
#include "tests/support/kinesis_simulator_shard.h"

static const struct simulator_action actions[] = {
#define ACTION(name, stage, status, code, message, ending)                     \
    { SIMULATOR_FAULT_##name,                                                  \
      #name,                                                                   \
      SIMULATOR_STAGE_##stage,                                                 \
      status,                                                                  \
      code,                                                                    \
      message,                                                                 \
      SIMULATOR_ENDING_##ending },
#include "tests/support/kinesis_simulator_actions.tbl"
};

#define TIME_MS_MOST 1e9 /* eleven days */

static const char *const members[] = { "on",       "action", "shard",
                                       "after",    "count",  "probability",
                                       "delay_ms", "time_ms" };

static const struct simulator_action *action_named(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_LENGTH(actions); i++)
        if (strcmp(actions[i].name, name) == 0)
            return &actions[i];
    return NULL;
}

static bool is_about_records(const struct simulator_rule *rule)
{
    return rule->action->stage == SIMULATOR_STAGE_RECORD ||
           rule->action->stage == SIMULATOR_STAGE_STORED;
}

static int complain(struct simulator_script *script, size_t line,
                    const char *what)
{
    snprintf(script->complaint, sizeof(script->complaint), "line %zu: %s", line,
             what);
    return SIMULATOR_REFUSED;
}

/* A misspelt member would silently make another test: refuse it. */
static bool has_known_members(const cJSON *document)
{
    const cJSON *member;

    cJSON_ArrayForEach(member, document)
    {
        bool known = false;

        for (size_t i = 0; i < ARRAY_LENGTH(members); i++)
            known |= strcmp(member->string, members[i]) == 0;
        if (!known)
            return false;
    }
    return true;
}

/* A number that is left out keeps its default; false if it is negative. */
static bool read_number(const cJSON *document, const char *name, double *number)
{
    if (!cJSON_HasObjectItem(document, name))
        return true;
    return simulator_document_number(document, name, number) &&
           isfinite(*number) && *number >= 0 && *number < 1e15;
}

static const char *read_rule(const cJSON *document, struct simulator_rule *rule)
{
    const char *operation = simulator_document_text(document, "on");
    const char *shard = simulator_document_text(document, "shard");
    double after = 0;
    double count = 1e14;
    double probability = 1;
    double delay_ms = 0;
    double time_ms = 1000;

    if (!has_known_members(document))
        return "a member is none of on, action, shard, after, count, "
               "probability, delay_ms, time_ms";
    rule->action = action_named(simulator_document_text(document, "action"));
    if (!rule->action)
        return "no such action";
    rule->shard = SIMULATOR_NO_SHARD;
    if (shard && !simulator_shard_parse_id(bytes_of_text(shard), &rule->shard))
        return "shard is no shard id";
    if (!read_number(document, "after", &after) ||
        !read_number(document, "count", &count) ||
        !read_number(document, "probability", &probability) ||
        !read_number(document, "delay_ms", &delay_ms) ||
        !read_number(document, "time_ms", &time_ms) || probability > 1 ||
        delay_ms > TIME_MS_MOST || time_ms > TIME_MS_MOST)
        return "a number is out of its range";
    if (operation)
        snprintf(rule->operation, sizeof(rule->operation), "%s", operation);
    rule->after = (uint64_t)after;
    rule->count = (uint64_t)count;
    rule->probability = probability;
    rule->delay_ns = (int64_t)(delay_ms * (double)NS_PER_MS);
    rule->time_ns = (int64_t)(time_ms * (double)NS_PER_MS);
    return NULL;
}

static int add_line(struct simulator_script *script, size_t number,
                    struct bytes line)
{
    struct simulator_rule rule = { .fired = 0 };
    const char *wrong = "no JSON object";
    cJSON *document;

    if (script->count == SIMULATOR_RULES_MOST)
        return complain(script, number, "too many rules");
    document = cJSON_ParseWithLength((const char *)line.data, line.length);
    if (cJSON_IsObject(document))
        wrong = read_rule(document, &rule);
    cJSON_Delete(document);
    if (wrong)
        return complain(script, number, wrong);
    script->rules[script->count++] = rule;
    script->record_rules += is_about_records(&rule);
    return 0;
}

static bool is_blank(struct bytes line)
{
    for (size_t i = 0; i < line.length; i++) {
        if (line.data[i] == '#')
            return true;
        if (line.data[i] != ' ' && line.data[i] != '\r' && line.data[i] != '\t')
            return false;
    }
    return true;
}

int simulator_script_add(struct simulator_script *script, struct bytes text)
{
    size_t count = script->count;
    size_t record_rules = script->record_rules;
    size_t number = 1;

    for (; text.length > 0; number++) {
        const uint8_t *end = memchr(text.data, '\n', text.length);
        struct bytes line = text;

        if (end)
            line.length = (size_t)(end - text.data);
        text = bytes_skip(text, line.length + 1);
        if (!is_blank(line) && add_line(script, number, line)) {
            script->count = count;
            script->record_rules = record_rules;
            return SIMULATOR_REFUSED;
        }
    }
    return 0;
}

void simulator_script_clear(struct simulator_script *script)
{
    script->count = 0;
    script->record_rules = 0;
}

/* The caller has found that the rule is about this request or record. */
static bool fires(struct simulator_rule *rule, struct random *random)
{
    if (rule->after > 0) {
        rule->after--;
        return false;
    }
    if (rule->count == 0)
        return false;
    if (rule->probability < 1 &&
        (double)(random_u64(random) >> 11) * 0x1p-53 >= rule->probability)
        return false;
    rule->count--;
    rule->fired++;
    return true;
}

static bool is_on(const struct simulator_rule *rule, const char *operation)
{
    return !rule->operation[0] || strcmp(rule->operation, operation) == 0;
}

static bool is_about(const struct simulator_rule *rule,
                     const struct simulator_question *question)
{
    if (!is_on(rule, question->operation))
        return false;
    if (rule->shard == SIMULATOR_NO_SHARD ||
        rule->action->stage == SIMULATOR_STAGE_RESHARD)
        return true;
    for (size_t i = 0; i < question->shard_count; i++)
        if (question->shards[i] == rule->shard)
            return true;
    return false;
}

struct simulator_rule *
simulator_script_choose(struct simulator_script *script,
                        const struct simulator_question *question,
                        struct random *random, int64_t *delay_ns)
{
    for (size_t i = 0; i < script->count; i++) {
        struct simulator_rule *rule = &script->rules[i];

        if (is_about_records(rule) || !is_about(rule, question) ||
            !fires(rule, random))
            continue;
        *delay_ns += rule->delay_ns;
        if (rule->action->stage != SIMULATOR_STAGE_DELAY)
            return rule;
    }
    return NULL;
}

struct simulator_rule *
simulator_script_choose_for_record(struct simulator_script *script,
                                   const char *operation, uint32_t shard,
                                   struct random *random, int64_t *delay_ns)
{
    if (script->record_rules == 0)
        return NULL;
    for (size_t i = 0; i < script->count; i++) {
        struct simulator_rule *rule = &script->rules[i];

        if (!is_about_records(rule) || !is_on(rule, operation) ||
            (rule->shard != SIMULATOR_NO_SHARD && rule->shard != shard) ||
            !fires(rule, random))
            continue;
        *delay_ns += rule->delay_ns;
        return rule;
    }
    return NULL;
}
