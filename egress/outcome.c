/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/outcome.h"

#include <assert.h>

enum row_kind {
    ROW_CODE,
    ROW_STATUS,
    ROW_CLASS,
    ROW_FAILURE,
    ROW_REPLY,
};

struct row {
    enum row_kind kind;
    const char *code; /* of ROW_CODE */
    int number;       /* of the others */
    struct outcome outcome;
};

#define KEY_CODE(key)    .code = (key)
#define KEY_STATUS(key)  .number = (key)
#define KEY_CLASS(key)   .number = (key)
#define KEY_FAILURE(key) .number = (int)(key)
#define KEY_REPLY(key)   .number = (int)(key)

static const struct row rows[] = {
#define OUTCOME(row_kind, key, known, todo, text)                              \
    { .kind = ROW_##row_kind,                                                  \
      KEY_##row_kind(key),                                                     \
      .outcome = { .certainty = OUTCOME_##known,                               \
                   .action = OUTCOME_##todo,                                   \
                   .meaning = (text) } },
#include "egress/outcomes.tbl"
};

/* "Throttling" of the table is "Throttling" and "ThrottlingException". */
static bool is_code(const char *code, struct bytes found)
{
    return bytes_start_with(found, code) &&
           (found.length == strlen(code) ||
            bytes_equal_text(bytes_skip(found, strlen(code)), "Exception"));
}

static const struct row *find_code(struct bytes code)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (rows[i].kind == ROW_CODE && is_code(rows[i].code, code))
            return &rows[i];
    return NULL;
}

static const struct row *find_number(enum row_kind kind, int number)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (rows[i].kind == kind && rows[i].number == number)
            return &rows[i];
    return NULL;
}

struct outcome outcome_of_reply(enum outcome_reply reply)
{
    const struct row *row = find_number(ROW_REPLY, (int)reply);

    assert(row);
    return row->outcome;
}

struct outcome outcome_of_record(struct bytes error_code)
{
    const struct row *row = find_code(error_code);

    if (error_code.length == 0)
        return outcome_of_reply(OUTCOME_REPLY_STORED);
    return row ? row->outcome : outcome_of_reply(OUTCOME_REPLY_UNKNOWN_CODE);
}

struct outcome outcome_of_status(int status, struct bytes error_code)
{
    const struct row *row = find_code(error_code);

    if (!row)
        row = find_number(ROW_STATUS, status);
    if (!row)
        row = find_number(ROW_CLASS, status / 100);
    return row ? row->outcome : outcome_of_reply(OUTCOME_REPLY_GARBAGE);
}

struct outcome outcome_of_failure(enum http_failure failure, bool is_definite)
{
    const struct row *row = find_number(ROW_FAILURE, (int)failure);
    struct outcome outcome;

    assert(row);
    outcome = row->outcome;
    if (is_definite)
        outcome.certainty = OUTCOME_DEFINITE;
    return outcome;
}

/* The whole number at the start of `text`, and what follows it. */
static bool take_number(struct bytes *text, uint64_t *number)
{
    size_t length = 0;

    while (length < text->length && text->data[length] >= '0' &&
           text->data[length] <= '9')
        length++;
    if (!bytes_parse_u64(bytes_of(text->data, length), number))
        return false;
    *text = bytes_skip(*text, length);
    return true;
}

bool outcome_find_refused(struct bytes message, size_t record_count,
                          size_t *index)
{
    static const char before[] = "'records.";

    for (; message.length > 0; message = bytes_skip(message, 1)) {
        struct bytes rest;
        uint64_t number;

        if (!bytes_start_with(message, before))
            continue;
        rest = bytes_skip(message, sizeof(before) - 1);
        if (!take_number(&rest, &number) ||
            !bytes_start_with(rest, ".member") || number < 1 ||
            number > record_count)
            continue;
        *index = (size_t)number - 1;
        return true;
    }
    return false;
}

const char *outcome_action_name(enum outcome_action action)
{
    static const char *const names[] = {
        [OUTCOME_ACCEPT] = "accept",
        [OUTCOME_RETRY] = "retry",
        [OUTCOME_BACK_OFF] = "back_off",
        [OUTCOME_PAUSE_ALL] = "pause_all",
        [OUTCOME_AWAIT_STREAM] = "await_stream",
        [OUTCOME_REFRESH_CREDENTIALS] = "refresh_credentials",
        [OUTCOME_FIX_CLOCK] = "fix_clock",
        [OUTCOME_HALVE] = "halve",
        [OUTCOME_ISOLATE] = "isolate",
        [OUTCOME_SWITCH_PROTOCOL] = "switch_protocol",
        [OUTCOME_RELOAD_SHARDS] = "reload_shards",
        [OUTCOME_GIVE_UP] = "give_up",
    };

    assert(action < ARRAY_LENGTH(names));
    return names[action];
}
