/* SPDX-License-Identifier: Apache-2.0 */

#include "tools/inspector/json_line.h"

#include <inttypes.h>

/* RFC 8259, section 7: quotes, backslashes and control characters. */
static void print_text(FILE *file, struct bytes text)
{
    (void)fputc('"', file);
    for (size_t i = 0; i < text.length; i++) {
        uint8_t byte = text.data[i];

        if (byte == '"' || byte == '\\')
            (void)fprintf(file, "\\%c", byte);
        else if (byte < 0x20 || byte == 0x7f)
            (void)fprintf(file, "\\u%04x", byte);
        else
            (void)fputc(byte, file);
    }
    (void)fputc('"', file);
}

static void begin_value(struct json_line *line, const char *key)
{
    if (line->needs_comma)
        (void)fputc(',', line->file);
    (void)fprintf(line->file, "\"%s\":", key);
    line->needs_comma = true;
}

struct json_line json_line_begin(FILE *file, const char *kind)
{
    struct json_line line = { .file = file };

    (void)fputc('{', file);
    json_line_text(&line, "kind", kind);
    return line;
}

void json_line_end(struct json_line *line)
{
    (void)fputs("}\n", line->file);
}

void json_line_open(struct json_line *line, const char *key)
{
    begin_value(line, key);
    (void)fputc('{', line->file);
    line->needs_comma = false;
}

void json_line_close(struct json_line *line)
{
    (void)fputc('}', line->file);
    line->needs_comma = true;
}

void json_line_open_list(struct json_line *line, const char *key)
{
    begin_value(line, key);
    (void)fputc('[', line->file);
    line->needs_comma = false;
}

void json_line_open_element(struct json_line *line)
{
    (void)fputs(line->needs_comma ? ",{" : "{", line->file);
    line->needs_comma = false;
}

void json_line_close_list(struct json_line *line)
{
    (void)fputc(']', line->file);
    line->needs_comma = true;
}

void json_line_number(struct json_line *line, const char *key, uint64_t value)
{
    begin_value(line, key);
    (void)fprintf(line->file, "%" PRIu64, value);
}

void json_line_time(struct json_line *line, const char *key, int64_t ns)
{
    begin_value(line, key);
    (void)fprintf(line->file, "%" PRId64, ns);
}

void json_line_share(struct json_line *line, const char *key, double share)
{
    begin_value(line, key);
    (void)fprintf(line->file, "%.6f", share);
}

void json_line_flag(struct json_line *line, const char *key, bool value)
{
    begin_value(line, key);
    (void)fputs(value ? "true" : "false", line->file);
}

void json_line_null(struct json_line *line, const char *key)
{
    begin_value(line, key);
    (void)fputs("null", line->file);
}

void json_line_text(struct json_line *line, const char *key, const char *text)
{
    struct bytes bytes;

    if (!text) {
        json_line_null(line, key);
        return;
    }
    bytes = bytes_of_text(text);
    begin_value(line, key);
    print_text(line->file, bytes_are_utf8(bytes) ? bytes : bytes_of_text("?"));
}

void json_line_bytes(struct json_line *line, const char *key,
                     struct bytes bytes)
{
    bool is_text = bytes_are_utf8(bytes);
    char second[64];

    begin_value(line, key);
    if (is_text) {
        print_text(line->file, bytes);
    } else {
        (void)fputc('"', line->file);
        for (size_t i = 0; i < bytes.length; i++)
            (void)fprintf(line->file, "%02x", bytes.data[i]);
        (void)fputc('"', line->file);
    }
    (void)snprintf(second, sizeof(second), "%s_encoding", key);
    json_line_text(line, second, is_text ? "utf-8" : "hex");
}
