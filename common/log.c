/* SPDX-License-Identifier: Apache-2.0 */

#include "common/log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/utc_text.h"

#define LINE_SIZE   4096 /* PIPE_BUF of Linux: one write stays one piece */
#define ENDING_SIZE 32   /* kept free for the end of a line that is cut */
#define QUOTED_SIZE 1024

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug",     [LOG_INFO] = "info",   [LOG_NOTICE] = "notice",
    [LOG_WARNING] = "warning", [LOG_ERROR] = "error", [LOG_FATAL] = "fatal",
};

/* One per process, as there is one standard error. */
static struct {
    char process[64];
    enum log_level least;
    enum log_format format;
    uint64_t dropped; /* lines */
    uint64_t taken;   /* of them, by log_take_dropped() */
} own = { .process = "nsq_to_kinesis", .least = LOG_INFO };

void log_open(const char *process, enum log_level least, enum log_format format)
{
    (void)snprintf(own.process, sizeof(own.process), "%s", process);
    own.least = least;
    own.format = format;
    (void)signal(SIGPIPE, SIG_IGN);
}

enum log_level log_level_named(const char *word)
{
    for (size_t i = 0; i < ARRAY_LENGTH(level_names); i++)
        if (strcmp(level_names[i], word) == 0)
            return (enum log_level)i;
    return LOG_INFO;
}

enum log_format log_format_named(const char *word)
{
    return strcmp(word, "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_LOGFMT;
}

uint64_t log_dropped_count(void)
{
    return own.dropped;
}

uint64_t log_take_dropped(void)
{
    uint64_t taken = own.dropped - own.taken;

    own.taken = own.dropped;
    return taken;
}

/* The length of the well-formed UTF-8 character at the start; 0: none. */
static size_t character_length(struct bytes text)
{
    for (size_t length = 1; length <= 4 && length <= text.length; length++)
        if (bytes_are_utf8(bytes_of(text.data, length)))
            return length;
    return 0;
}

/*
 * One character as it stands inside a JSON string (RFC 8259, section 7).
 * Returns how many bytes of `text` it was.
 */
static size_t put_escaped(struct bytes_writer *writer, struct bytes text)
{
    uint8_t first = text.data[0];
    size_t length = character_length(text);
    char escaped[8];

    if (length == 0) {
        bytes_put_text(writer, "\\ufffd");
        return 1;
    }
    if (first == '"' || first == '\\')
        (void)snprintf(escaped, sizeof(escaped), "\\%c", first);
    else if (first == '\n')
        (void)snprintf(escaped, sizeof(escaped), "\\n");
    else if (first < 0x20 || first == 0x7f)
        (void)snprintf(escaped, sizeof(escaped), "\\u%04x", first);
    else {
        bytes_put(writer, bytes_of(text.data, length));
        return length;
    }
    bytes_put_text(writer, escaped);
    return 1;
}

static void put_string(struct bytes_writer *writer, struct bytes text)
{
    bytes_put_byte(writer, '"');
    while (text.length > 0)
        text = bytes_skip(text, put_escaped(writer, text));
    bytes_put_byte(writer, '"');
}

const char *log_quoted(const char *text)
{
    static char places[4][QUOTED_SIZE];
    static unsigned turn;
    char *place = places[turn++ % ARRAY_LENGTH(places)];
    struct bytes_writer writer = bytes_writer_on(place, QUOTED_SIZE - 2);
    struct bytes rest = bytes_of_text(text);

    bytes_put_byte(&writer, '"');
    while (rest.length > 0 && !writer.overrun)
        rest = bytes_skip(rest, put_escaped(&writer, rest));
    place[writer.length] = '"';
    place[writer.length + 1] = '\0';
    return place;
}

static void put_time(struct bytes_writer *writer)
{
    char text[UTC_TEXT_SIZE];

    utc_text(clock_wall_time(), text);
    bytes_put_text(writer, text);
}

/* A stray newline or escape sequence would forge a line or a colour. */
static void put_printable(struct bytes_writer *writer, const char *text)
{
    for (; *text && !writer->overrun; text++) {
        uint8_t byte = (uint8_t)*text;

        bytes_put_byte(writer, byte < 0x20 || byte == 0x7f ? ' ' : byte);
    }
}

static void put_logfmt(struct bytes_writer *writer, enum log_level level,
                       const char *event, const char *text)
{
    put_time(writer);
    bytes_put_byte(writer, ' ');
    bytes_put_text(writer, level_names[level]);
    bytes_put_byte(writer, ' ');
    bytes_put_text(writer, own.process);
    bytes_put_byte(writer, ' ');
    bytes_put_text(writer, event);
    if (*text)
        bytes_put_byte(writer, ' ');
    put_printable(writer, text);
}

/* True for what a reader of JSON keeps exactly: at most 15 digits. */
static bool is_number(struct bytes text)
{
    size_t digits = 0;
    size_t points = 0;

    if (text.length > 0 && text.data[0] == '-')
        text = bytes_skip(text, 1);
    if (text.length == 0 || text.data[0] == '.' ||
        text.data[text.length - 1] == '.')
        return false;
    if (text.length > 1 && text.data[0] == '0' && text.data[1] != '.')
        return false;
    for (size_t i = 0; i < text.length; i++) {
        digits += (unsigned)text.data[i] - '0' <= 9;
        points += text.data[i] == '.';
    }
    return points <= 1 && digits + points == text.length && digits <= 15;
}

/* The length of the quoted value at the start of `text`, 0 if it is none. */
static size_t quoted_length(struct bytes text)
{
    if (text.length == 0 || text.data[0] != '"')
        return 0;
    for (size_t i = 1; i < text.length; i++) {
        if (text.data[i] == '\\')
            i++;
        else if (text.data[i] == '"')
            return i + 1;
    }
    return 0;
}

static size_t word_length(struct bytes text)
{
    const uint8_t *space = memchr(text.data, ' ', text.length);

    return space ? (size_t)(space - text.data) : text.length;
}

/* What log_quoted() makes is; what a caller put between quotes may not be. */
static bool is_json_string(struct bytes value)
{
    if (quoted_length(value) != value.length || !bytes_are_utf8(value))
        return false;
    for (size_t i = 1; i < value.length - 1; i++) {
        if (value.data[i] < 0x20)
            return false;
        if (value.data[i] == '\\' && !strchr("\"\\nu", value.data[++i]))
            return false;
    }
    return true;
}

static void put_value(struct bytes_writer *writer, struct bytes value)
{
    bool verbatim = is_number(value) || bytes_equal_text(value, "true") ||
                    bytes_equal_text(value, "false");

    if (verbatim || (value.length >= 2 && is_json_string(value)))
        bytes_put(writer, value);
    else
        put_string(writer, value);
}

/* One more member; taken back whole if it does not fit. */
static void put_member(struct bytes_writer *writer, struct bytes key,
                       struct bytes value)
{
    size_t before = writer->length;

    bytes_put_byte(writer, ',');
    put_string(writer, key);
    bytes_put_byte(writer, ':');
    put_value(writer, value);
    if (writer->overrun)
        writer->length = before;
}

/*
 * `text` as members: key=value, key="value". What is no pair goes into
 * `strays`, words with one space between them.
 */
static void put_members(struct bytes_writer *writer, struct bytes text,
                        struct bytes_writer *strays)
{
    while (text.length > 0) {
        size_t length = word_length(text);
        const uint8_t *equals = memchr(text.data, '=', length);
        size_t key_length = equals ? (size_t)(equals - text.data) : 0;

        if (key_length > 0) {
            struct bytes rest = bytes_skip(text, key_length + 1);
            size_t quoted = quoted_length(rest);

            if (quoted > 0)
                length = key_length + 1 + quoted;
            put_member(writer, bytes_of(text.data, key_length),
                       bytes_of(equals + 1, length - key_length - 1));
        } else if (length > 0) {
            if (strays->length > 0)
                bytes_put_byte(strays, ' ');
            bytes_put(strays, bytes_of(text.data, length));
        }
        text = bytes_skip(text, length);
        if (text.length > 0 && text.data[0] == ' ')
            text = bytes_skip(text, 1);
    }
}

static void put_json(struct bytes_writer *writer, enum log_level level,
                     const char *event, const char *text)
{
    char memory[LINE_SIZE];
    struct bytes_writer strays = bytes_writer_on(memory, sizeof(memory));

    bytes_put_text(writer, "{\"time\":\"");
    put_time(writer);
    bytes_put_byte(writer, '"');
    put_member(writer, bytes_of_text("level"),
               bytes_of_text(level_names[level]));
    put_member(writer, bytes_of_text("process"), bytes_of_text(own.process));
    put_member(writer, bytes_of_text("event"), bytes_of_text(event));
    put_members(writer, bytes_of_text(text), &strays);
    if (strays.length > 0)
        put_member(writer, bytes_of_text("text"), bytes_written(&strays));
}

static void put_ending(struct bytes_writer *writer, bool cut)
{
    bool json = own.format == LOG_FORMAT_JSON;

    writer->capacity += ENDING_SIZE;
    writer->overrun = false;
    if (cut)
        bytes_put_text(writer, json ? ",\"cut\":true" : " cut=true");
    bytes_put_text(writer, json ? "}\n" : "\n");
}

/*
 * Standard error is shared with other processes, so it is not made
 * non-blocking; asking first is as good, since a pipe that is writable takes
 * PIPE_BUF bytes at once.
 */
static bool write_line(struct bytes line)
{
    struct pollfd standard_error = { .fd = STDERR_FILENO, .events = POLLOUT };

    if (poll(&standard_error, 1, 0) != 1)
        return false;
    while (line.length > 0) {
        ssize_t written = write(STDERR_FILENO, line.data, line.length);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        line = bytes_skip(line, (size_t)written);
    }
    return true;
}

void log_text(enum log_level level, const char *event, const char *text)
{
    uint8_t line[LINE_SIZE];
    struct bytes_writer writer =
        bytes_writer_on(line, sizeof(line) - ENDING_SIZE);

    if (own.format == LOG_FORMAT_JSON)
        put_json(&writer, level, event, text);
    else
        put_logfmt(&writer, level, event, text);
    put_ending(&writer, writer.overrun || strlen(text) >= LINE_SIZE - 1);
    if (!write_line(bytes_written(&writer)))
        own.dropped++;
}

void log_line(enum log_level level, const char *event, const char *format, ...)
{
    char text[LINE_SIZE];
    int before = errno; /* a log line between a call and its check is legal */
    va_list arguments;

    if (level < own.least)
        return;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    log_text(level, event, text);
    errno = before;
}

bool log_limit_allows(struct log_limit *limit, struct monotonic now,
                      int64_t interval_ns, uint64_t *kept_back)
{
    if (!monotonic_reached(limit->next, now)) {
        limit->kept_back++;
        return false;
    }
    *kept_back = limit->kept_back;
    limit->kept_back = 0;
    limit->next = monotonic_after(now, interval_ns);
    return true;
}
