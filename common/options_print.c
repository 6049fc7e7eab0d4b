/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/bytes.h"
#include "common/option_values.h"
#include "common/options.h"
#include "common/options_table.h"

#define HELP_COLUMN 32 /* where the meaning begins */
#define HELP_WIDTH  80

static const char *const group_titles[] = {
    [OPTION_GROUP_NSQ] = "NSQ",
    [OPTION_GROUP_KINESIS] = "Kinesis",
    [OPTION_GROUP_TUNING] = "Tuning",
    [OPTION_GROUP_OPERATION] = "Operation",
};

static const char *const value_words[] = {
    [OPTION_KIND_TEXT] = "=TEXT",
    [OPTION_KIND_TEXT_LIST] = "=TEXT",
    [OPTION_KIND_NUMBER] = "=NUMBER",
    [OPTION_KIND_SIZE] = "=SIZE",
    [OPTION_KIND_DURATION] = "=DURATION",
    [OPTION_KIND_CHOICE] = "=WORD",
    [OPTION_KIND_FLAG] = "",
};

/* The command line of a child in the making. */
struct argument_list {
    struct bytes_writer texts;
    char **arguments;
    size_t count;
    size_t most; /* the NULL included */
};

static int add_argument(struct argument_list *list, const char *flag,
                        const char *value)
{
    char *begin = (char *)list->texts.data + list->texts.length;

    bytes_put_text(&list->texts, "--");
    bytes_put_text(&list->texts, flag);
    if (value) {
        bytes_put_byte(&list->texts, '=');
        bytes_put_text(&list->texts, value);
    }
    bytes_put_byte(&list->texts, '\0');
    if (list->texts.overrun || list->count + 1 >= list->most)
        return -E2BIG;
    list->arguments[list->count++] = begin;
    return 0;
}

static int add_text(struct argument_list *list, const struct option_row *row,
                    const void *field)
{
    const char *text = *(const char *const *)field;

    if (!text || (row->initial && strcmp(text, row->initial) == 0))
        return 0;
    return add_argument(list, row->flag, text);
}

static int add_list(struct argument_list *list, const struct option_row *row,
                    const struct option_list *values)
{
    int result = 0;

    for (size_t i = 0; i < values->count && result == 0; i++)
        result = add_argument(list, row->flag, values->values[i]);
    return result;
}

static int add_number(struct argument_list *list, const struct option_row *row,
                      const void *field, const void *initial)
{
    char text[32];
    uint64_t value;

    if (memcmp(field, initial, sizeof(value)) == 0)
        return 0;
    memcpy(&value, field, sizeof(value));
    if (row->kind == OPTION_KIND_DURATION)
        option_duration_format((int64_t)value, text, sizeof(text));
    else if (row->kind == OPTION_KIND_SIZE)
        option_size_format(value, text, sizeof(text));
    else
        (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    return add_argument(list, row->flag, text);
}

static int add_option(struct argument_list *list, const struct options *options,
                      const struct options *defaults,
                      const struct option_row *row)
{
    const void *field = option_value(options, row);

    switch (row->kind) {
    case OPTION_KIND_TEXT:
    case OPTION_KIND_CHOICE:
        return add_text(list, row, field);
    case OPTION_KIND_TEXT_LIST:
        return add_list(list, row, field);
    case OPTION_KIND_NUMBER:
    case OPTION_KIND_SIZE:
    case OPTION_KIND_DURATION:
        return add_number(list, row, field, option_value(defaults, row));
    case OPTION_KIND_FLAG:
        return *(const int *)field ? add_argument(list, row->flag, NULL) : 0;
    }
    return 0;
}

int options_to_arguments(const struct options *options, const char *program,
                         char *memory, size_t memory_length, char **arguments,
                         size_t most)
{
    static struct options defaults; /* large, and only ever the same */
    struct argument_list list = {
        .texts = bytes_writer_on(memory, memory_length),
        .arguments = arguments,
        .most = most,
    };

    if (most < 2)
        return -E2BIG;
    options_init(&defaults);
    bytes_put_text(&list.texts, program);
    bytes_put_byte(&list.texts, '\0');
    arguments[list.count++] = memory;
    for (size_t i = 0; i < option_row_count; i++) {
        int result = add_option(&list, options, &defaults, &option_rows[i]);

        if (result < 0)
            return result;
    }
    if (list.texts.overrun)
        return -E2BIG;
    arguments[list.count] = NULL;
    return (int)list.count;
}

void options_print_version(FILE *file, const char *program)
{
    (void)fprintf(file, "%s %s\n", program, N2K_VERSION);
}

/* Prints words of `text` from HELP_COLUMN on, breaking lines between them. */
static void print_wrapped(FILE *file, const char *text)
{
    size_t column = HELP_COLUMN;

    while (*text) {
        size_t length = strcspn(text, " ");

        if (column > HELP_COLUMN && column + 1 + length > HELP_WIDTH) {
            (void)fprintf(file, "\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        } else if (column > HELP_COLUMN) {
            (void)fputc(' ', file);
            column++;
        }
        (void)fwrite(text, 1, length, file);
        column += length;
        text += length;
        text += strspn(text, " ");
    }
    (void)fputc('\n', file);
}

static void print_help_row(FILE *file, const struct option_row *row)
{
    char left[80];
    char right[512];

    (void)snprintf(left, sizeof(left), "  --%s%s", row->flag,
                   value_words[row->kind]);
    (void)snprintf(right, sizeof(right), "%s%s%s%s", row->meaning,
                   row->initial ? " (default " : "",
                   row->initial ? row->initial : "", row->initial ? ")" : "");
    if (strlen(left) + 2 > HELP_COLUMN)
        (void)fprintf(file, "%s\n%*s", left, HELP_COLUMN, "");
    else
        (void)fprintf(file, "%-*s", HELP_COLUMN, left);
    print_wrapped(file, right);
}

void options_print_help(FILE *file, const char *program, const char *purpose)
{
    (void)fprintf(file,
                  "%s %s - %s\n\nUsage: %s --topic=TEXT --stream=TEXT "
                  "[options]\n",
                  program, N2K_VERSION, purpose, program);
    for (size_t group = 0; group < ARRAY_LENGTH(group_titles); group++) {
        (void)fprintf(file, "\n%s:\n", group_titles[group]);
        for (size_t i = 0; i < option_row_count; i++)
            if (option_rows[i].group == group)
                print_help_row(file, &option_rows[i]);
    }
    (void)fputs("\nOptions are written --name=value, --name value, -name=value "
                "or -name value.\nSizes: 65536, 64KiB, 4MiB. Durations: 250ms, "
                "1m30s, 250 (milliseconds).\n",
                file);
}

/* A bar would end the cell of a table. */
static void print_cell(FILE *file, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            (void)fputc('\\', file);
        (void)fputc(*text, file);
    }
}

static void print_markdown_row(FILE *file, const struct option_row *row)
{
    (void)fprintf(file, "| `--%s%s` | ", row->flag, value_words[row->kind]);
    if (row->initial)
        (void)fprintf(file, "`%s`", row->initial);
    (void)fputs(" | ", file);
    print_cell(file, row->meaning);
    (void)fputs(" |\n", file);
}

void options_print_markdown(FILE *file)
{
    for (size_t group = 0; group < ARRAY_LENGTH(group_titles); group++) {
        (void)fprintf(file,
                      "%s**%s**\n\n| option | default | meaning |\n"
                      "|---|---|---|\n",
                      group > 0 ? "\n" : "", group_titles[group]);
        for (size_t i = 0; i < option_row_count; i++)
            if (option_rows[i].group == group)
                print_markdown_row(file, &option_rows[i]);
    }
}
