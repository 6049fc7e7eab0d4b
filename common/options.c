/* SPDX-License-Identifier: Apache-2.0 */

#include "common/options.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/bytes.h"
#include "common/option_values.h"
#include "common/options_table.h"

const struct option_row option_rows[] = {
#define OPTION(option, name, type, start, smallest, largest, heading, text)    \
    {                                                                          \
        .flag = (name),                                                        \
        .initial = (start),                                                    \
        .meaning = (text),                                                     \
        .least = (smallest),                                                   \
        .most = (largest),                                                     \
        .offset = offsetof(struct options, option),                            \
        .kind = OPTION_KIND_##type,                                            \
        .group = OPTION_GROUP_##heading,                                       \
    },
#include "common/options.tbl"
};
const size_t option_row_count = ARRAY_LENGTH(option_rows);

/* What is being parsed, for the sentences about it. */
struct parsing {
    struct options *options;
    const struct option_row *row;
    const char *text;
};

int options_complain(struct options *options, enum options_condition condition,
                     const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(options->complaint, sizeof(options->complaint), format,
                    arguments);
    va_end(arguments);
    return (int)condition;
}

/* What a value of each kind looks like. */
static const char *const examples[] = {
    [OPTION_KIND_NUMBER] = "whole number; try 100",
    [OPTION_KIND_SIZE] = "size; try 4MiB",
    [OPTION_KIND_DURATION] = "duration; try 250ms",
};

static int malformed(const struct parsing *at)
{
    return options_complain(at->options, OPTIONS_WRONG,
                            "--%s: \"%s\" is not a %s", at->row->flag, at->text,
                            examples[at->row->kind]);
}

static void format_limit(const struct option_row *row, uint64_t limit,
                         char *text, size_t length)
{
    if (row->kind == OPTION_KIND_SIZE)
        option_size_format(limit, text, length);
    else if (row->kind == OPTION_KIND_DURATION)
        option_duration_format((int64_t)limit, text, length);
    else
        (void)snprintf(text, length, "%llu", (unsigned long long)limit);
}

static int out_of_range(const struct parsing *at)
{
    char least[32];
    char most[32];

    format_limit(at->row, at->row->least, least, sizeof(least));
    format_limit(at->row, at->row->most, most, sizeof(most));
    return options_complain(at->options, OPTIONS_RANGE,
                            "--%s: %s is out of range; it can be %s to %s",
                            at->row->flag, at->text, least, most);
}

static int parse_number(const struct parsing *at)
{
    struct bytes text = bytes_of_text(at->text);
    uint64_t value = 0;
    int64_t ns = 0;
    int result;

    if (at->row->kind == OPTION_KIND_DURATION) {
        result = option_duration_parse(text, &ns);
        value = (uint64_t)ns;
    } else if (at->row->kind == OPTION_KIND_SIZE) {
        result = option_size_parse(text, &value);
    } else {
        result = option_number_parse(text, &value);
    }
    if (result == OPTION_VALUE_MALFORMED)
        return malformed(at);
    if (result != 0 || value < at->row->least || value > at->row->most)
        return out_of_range(at);
    /* Durations are int64_t, the others uint64_t: the same eight bytes. */
    memcpy(option_field(at->options, at->row), &value, sizeof(value));
    return 0;
}

static int parse_text(const struct parsing *at)
{
    size_t length = strlen(at->text);
    const char **field = option_field(at->options, at->row);

    if (length < at->row->least)
        return options_complain(at->options, OPTIONS_WRONG,
                                "--%s: the value is empty", at->row->flag);
    if (length > at->row->most)
        return options_complain(
            at->options, OPTIONS_RANGE,
            "--%s: the value has %zu characters; at most %llu are allowed",
            at->row->flag, length, (unsigned long long)at->row->most);
    *field = at->text;
    return 0;
}

static int parse_list(const struct parsing *at)
{
    struct option_list *list = option_field(at->options, at->row);

    assert(at->row->most <= OPTIONS_LIST_MOST);
    if (at->text[0] == '\0')
        return options_complain(at->options, OPTIONS_WRONG,
                                "--%s: the value is empty", at->row->flag);
    if (list->count == at->row->most)
        return options_complain(at->options, OPTIONS_RANGE,
                                "--%s: given too often; at most %llu times",
                                at->row->flag,
                                (unsigned long long)at->row->most);
    list->values[list->count++] = at->text;
    return 0;
}

static int parse_choice(const struct parsing *at)
{
    const char **field = option_field(at->options, at->row);
    struct bytes choices = option_choices(at->row);
    struct bytes rest = choices;

    while (rest.length > 0) {
        const uint8_t *bar = memchr(rest.data, '|', rest.length);
        size_t length = bar ? (size_t)(bar - rest.data) : rest.length;

        if (bytes_equal_text(bytes_of(rest.data, length), at->text)) {
            *field = at->text;
            return 0;
        }
        rest = bytes_skip(rest, length + 1);
    }
    return options_complain(at->options, OPTIONS_WRONG,
                            "--%s: \"%s\" is none of %.*s", at->row->flag,
                            at->text, (int)choices.length,
                            (const char *)choices.data);
}

static int parse_flag(const struct parsing *at)
{
    int *field = option_field(at->options, at->row);

    if (strcmp(at->text, "true") != 0 && strcmp(at->text, "false") != 0)
        return options_complain(at->options, OPTIONS_WRONG,
                                "--%s: \"%s\" is neither true nor false",
                                at->row->flag, at->text);
    *field = strcmp(at->text, "true") == 0;
    return 0;
}

static int parse_value(const struct parsing *at)
{
    static int (*const parsers[])(const struct parsing *) = {
        [OPTION_KIND_TEXT] = parse_text,
        [OPTION_KIND_TEXT_LIST] = parse_list,
        [OPTION_KIND_NUMBER] = parse_number,
        [OPTION_KIND_SIZE] = parse_number,
        [OPTION_KIND_DURATION] = parse_number,
        [OPTION_KIND_CHOICE] = parse_choice,
        [OPTION_KIND_FLAG] = parse_flag,
    };

    return parsers[at->row->kind](at);
}

void options_init(struct options *options)
{
    memset(options, 0, sizeof(*options));
    for (size_t i = 0; i < option_row_count; i++) {
        struct parsing at = {
            .options = options,
            .row = &option_rows[i],
            .text = option_rows[i].initial,
        };
        int result = at.text ? parse_value(&at) : 0;

        assert(result == 0); /* a default of the table is in its range */
        (void)result;
    }
}

static const struct option_row *find_row(struct bytes flag)
{
    for (size_t i = 0; i < option_row_count; i++)
        if (bytes_equal_text(flag, option_rows[i].flag))
            return &option_rows[i];
    return NULL;
}

#define FLAG_MOST 40 /* longest flag that is compared, in characters */

/* How many letters must be changed, added or left out (Levenshtein). */
static size_t edit_distance(struct bytes a, const char *b)
{
    size_t row[FLAG_MOST + 1];
    size_t length = strlen(b);

    assert(length <= FLAG_MOST);
    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.length; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= length; j++) {
            size_t best = diagonal + (a.data[i - 1] != (uint8_t)b[j - 1]);

            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[length];
}

/* The flag that was probably meant: one that begins so, or the nearest. */
static const char *nearest_flag(struct bytes flag)
{
    size_t limit = flag.length / 3 + 2;
    const char *nearest = NULL;

    if (flag.length == 0 || flag.length > FLAG_MOST)
        return NULL;
    for (size_t i = 0; i < option_row_count; i++) {
        const struct option_row *row = &option_rows[i];
        size_t distance = edit_distance(flag, row->flag);

        if (row->group == OPTION_GROUP_INTERNAL)
            continue;
        if (flag.length >= 3 &&
            strncmp(row->flag, (const char *)flag.data, flag.length) == 0)
            return row->flag;
        if (distance < limit) {
            nearest = row->flag;
            limit = distance;
        }
    }
    return nearest;
}

static int unknown(struct options *options, struct bytes flag)
{
    const char *nearest = nearest_flag(flag);

    return options_complain(
        options, OPTIONS_WRONG, "there is no option --%.*s%s%s%s",
        (int)flag.length, (const char *)flag.data,
        nearest ? "; did you mean --" : "", nearest ? nearest : "; try --help",
        nearest ? "?" : "");
}

/* "-x", "--x", "-x=y", "--x=y": where x begins; NULL if it is no option. */
static const char *after_dashes(const char *argument)
{
    if (argument[0] != '-')
        return NULL;
    argument += argument[1] == '-' ? 2 : 1;
    return *argument && *argument != '-' && *argument != '=' ? argument : NULL;
}

/* Parses argv[*index], and the argument behind it if that is its value. */
static int parse_argument(struct options *options, int argc, char *const argv[],
                          int *index)
{
    struct parsing at = { .options = options };
    const char *flag = after_dashes(argv[*index]);
    size_t length;

    if (!flag)
        return options_complain(options, OPTIONS_WRONG,
                                "\"%s\" is not an option; options are written "
                                "--name value or --name=value",
                                argv[*index]);
    length = strcspn(flag, "=");
    at.row = find_row(bytes_of(flag, length));
    if (!at.row)
        return unknown(options, bytes_of(flag, length));
    if (flag[length] == '=')
        at.text = flag + length + 1;
    else if (at.row->kind == OPTION_KIND_FLAG)
        at.text = "true";
    else if (*index + 1 < argc)
        at.text = argv[++*index];
    else
        return options_complain(options, OPTIONS_WRONG, "--%s needs a value",
                                at.row->flag);
    return parse_value(&at);
}

int options_parse(struct options *options, int argc, char *const argv[])
{
    for (int i = 1; i < argc; i++) {
        int result = parse_argument(options, argc, argv, &i);

        if (result != 0)
            return result;
    }
    return 0;
}
