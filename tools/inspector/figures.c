/* SPDX-License-Identifier: Apache-2.0 */

#include "tools/inspector/figures.h"

#include <time.h>

#include "common/clock.h"

struct figure figure_of_size(uint64_t bytes)
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
    struct figure figure;
    double value = (double)bytes / 1024;
    size_t unit = 0;

    if (bytes < 1024) {
        (void)snprintf(figure.text, sizeof(figure.text), "%u B",
                       (unsigned)bytes);
        return figure;
    }
    /* "1024.0 KiB" is what would be printed from here on. */
    while (value >= 1023.95 && unit + 1 < ARRAY_LENGTH(units)) {
        value /= 1024;
        unit++;
    }
    (void)snprintf(figure.text, sizeof(figure.text), "%.1f %s", value,
                   units[unit]);
    return figure;
}

struct figure figure_of_duration(int64_t ns)
{
    int64_t seconds = ns / NS_PER_SECOND;
    struct figure figure;
    char *text = figure.text;

    if (ns <= 0)
        (void)snprintf(text, FIGURE_CAPACITY, "0 s");
    else if (ns < NS_PER_US)
        (void)snprintf(text, FIGURE_CAPACITY, "%d ns", (int)ns);
    else if (ns < NS_PER_MS)
        (void)snprintf(text, FIGURE_CAPACITY, "%d us", (int)(ns / NS_PER_US));
    else if (ns < NS_PER_SECOND)
        (void)snprintf(text, FIGURE_CAPACITY, "%d ms", (int)(ns / NS_PER_MS));
    else if (seconds < 60)
        (void)snprintf(text, FIGURE_CAPACITY, "%d.%d s", (int)seconds,
                       (int)(ns % NS_PER_SECOND / (100 * NS_PER_MS)));
    else if (seconds < 3600)
        (void)snprintf(text, FIGURE_CAPACITY, "%dm %ds", (int)seconds / 60,
                       (int)seconds % 60);
    else if (seconds < 86400)
        (void)snprintf(text, FIGURE_CAPACITY, "%dh %dm", (int)seconds / 3600,
                       (int)seconds / 60 % 60);
    else
        (void)snprintf(text, FIGURE_CAPACITY, "%lldd %dh",
                       (long long)(seconds / 86400),
                       (int)(seconds / 3600 % 24));
    return figure;
}

struct figure figure_of_wall_time(int64_t ns)
{
    int64_t part = ns % NS_PER_SECOND;
    time_t seconds = ns / NS_PER_SECOND;
    char day[32] = "?";
    struct figure figure;
    struct tm broken;

    if (part < 0) { /* before 1970: a number that nobody meant */
        part += NS_PER_SECOND;
        seconds--;
    }
    if (gmtime_r(&seconds, &broken))
        (void)strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &broken);
    (void)snprintf(figure.text, sizeof(figure.text), "%s.%03dZ", day,
                   (int)(part / NS_PER_MS));
    return figure;
}

struct figure figure_of_share(double share)
{
    struct figure figure;

    (void)snprintf(figure.text, sizeof(figure.text), "%.1f%%", share * 100);
    return figure;
}

struct figure figure_of_hash_key(struct hash_key key)
{
    struct figure figure = { 0 };
    struct bytes_writer writer =
        bytes_writer_on(figure.text, HASH_KEY_DECIMAL_CAPACITY);

    static_assert(HASH_KEY_DECIMAL_CAPACITY < FIGURE_CAPACITY, "with a NUL");
    hash_key_format(key, &writer);
    return figure;
}

double hash_range_share(struct hash_key first, struct hash_key last)
{
    uint64_t low = last.low - first.low;
    uint64_t high = last.high - first.high - (last.low < first.low);

    return (double)high * 0x1p-64 + ((double)low + 1) * 0x1p-128;
}

/* Bytes of the well-formed character that `text` begins with; 0: none. */
static size_t character_length(struct bytes text)
{
    uint8_t lead = text.data[0];
    size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

    if (length > text.length || !bytes_are_utf8(bytes_of(text.data, length)))
        return 0;
    return length;
}

/*
 * Control characters move cursors and worse. U+0080 to U+009F are a second set
 * of them, written c2 80 to c2 9f.
 */
static bool is_control(struct bytes character)
{
    const uint8_t *at = character.data;

    return (character.length == 1 && (at[0] < 0x20 || at[0] == 0x7f)) ||
           (character.length == 2 && at[0] == 0xc2 && at[1] < 0xa0);
}

static size_t print_character(FILE *file, struct bytes text)
{
    size_t length = character_length(text);
    uint8_t lead = text.data[0];

    if (lead == '"' || lead == '\\') {
        (void)fprintf(file, "\\%c", lead);
        return 1;
    }
    if (lead == '\n' || lead == '\t') {
        (void)fputs(lead == '\n' ? "\\n" : "\\t", file);
        return 1;
    }
    if (length == 0 || is_control(bytes_of(text.data, length))) {
        (void)fprintf(file, "\\x%02x", lead);
        return 1;
    }
    (void)fwrite(text.data, 1, length, file);
    return length;
}

void figure_print_quoted(FILE *file, struct bytes bytes)
{
    (void)fputc('"', file);
    while (bytes.length > 0)
        bytes = bytes_skip(bytes, print_character(file, bytes));
    (void)fputc('"', file);
}

struct bytes figure_cut(struct bytes text, size_t most)
{
    size_t length = most;

    if (text.length <= most)
        return text;
    /* Continuation bytes are 10xxxxxx; a character has at most three. */
    for (int i = 0; i < 3 && length > 0 && (text.data[length] & 0xc0) == 0x80;
         i++)
        length--;
    if (length > 0 && (text.data[length] & 0xc0) == 0x80)
        length = most; /* no UTF-8 anyway */
    return bytes_of(text.data, length);
}
