/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * log - one line per event on standard error; process and part in every line.
 *
 *     2026-01-31T12:00:00.123Z info ingest nsqd_connected nsqd=127.0.0.1:4150
 *     {"time":"...","level":"info","process":"ingest","event":...}
 *
 * Who logs  main.c and the loops, once, at the place that decides. Modules
 *           return what happened.
 * How often never per message. The same complaint again and again goes
 *           through a log_limit and is counted.
 * Failure   a line that cannot be written (full disk, closed pipe) is dropped
 *           and counted; the data path never waits for the log.
 * Text      a pair's value is bare, or quoted by log_quoted(). In JSON each
 *           pair becomes a member; a bare number of at most 15 digits and
 *           true or false stay what they are, all else becomes a string, and
 *           words that are no pair are gathered in "text". A line has at most
 *           4096 bytes (PIPE_BUF, so that processes do not mix theirs); what
 *           does not fit is left out and "cut" says so.
 * Thread    one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"

enum log_level {
    LOG_DEBUG,
    LOG_INFO,
    LOG_NOTICE,
    LOG_WARNING,
    LOG_ERROR,
    LOG_FATAL,
};

enum log_format {
    LOG_FORMAT_LOGFMT,
    LOG_FORMAT_JSON,
};

/*
 * Once, at the start of a process: `process` is "ingest", "egress[1]" ...
 * Ignores SIGPIPE from here on, as a closed pipe must not end a process.
 */
void log_open(const char *process, enum log_level least,
              enum log_format format);

/* From the words of --log-level and --log-format; info and logfmt if none. */
enum log_level log_level_named(const char *word);
enum log_format log_format_named(const char *word);

/*
 * Write one line. `event` is one word; `format` makes `key=value` pairs
 * separated by spaces, values with spaces in double quotes (log_quoted).
 */
void log_line(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * The same with its text as it is, whatever the least level. Legal in a signal
 * handler with 16 KiB of stack.
 */
void log_text(enum log_level level, const char *event, const char *text);

#define log_debug(...)   log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)    log_line(LOG_INFO, __VA_ARGS__)
#define log_notice(...)  log_line(LOG_NOTICE, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_error(...)   log_line(LOG_ERROR, __VA_ARGS__)
#define log_fatal(...)   log_line(LOG_FATAL, __VA_ARGS__)

/*
 * The text as a quoted value, which is a JSON string: quotes and control
 * characters escaped, what is no UTF-8 replaced, cut after about a thousand
 * bytes. Valid until the fourth next call, so that a line can have several.
 */
const char *log_quoted(const char *text);

/* Lines that could not be written since the start. */
uint64_t log_dropped_count(void);

/* The same since it was called last. */
uint64_t log_take_dropped(void);

/* At most one line per interval; what is kept back is counted. */
struct log_limit {
    struct monotonic next; /* no line before this time */
    uint64_t kept_back;    /* since the last line */
};

/*
 * True if a line may be written now. *kept_back then says how many were not
 * since the last one, for a `repeated=` pair.
 */
bool log_limit_allows(struct log_limit *limit, struct monotonic now,
                      int64_t interval_ns, uint64_t *kept_back);
