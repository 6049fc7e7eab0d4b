/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/kinesis_simulator_history.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/kinesis_simulator_base64.h"

/* A key of 256 characters, each of four bytes or written as \u00xx. */
#define LINE_MOST 4096

int simulator_history_open(struct simulator_history *history, const char *path)
{
    *history = (struct simulator_history){ .descriptor = -1 };
    if (!path)
        return 0;
    history->descriptor =
        open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    return history->descriptor < 0 ? -errno : 0;
}

void simulator_history_close(struct simulator_history *history)
{
    if (history->descriptor >= 0)
        close(history->descriptor);
    free(history->line);
    *history = (struct simulator_history){ .descriptor = -1 };
}

static void put_number(struct bytes_writer *line, const char *name,
                       uint64_t number)
{
    bytes_put_text(line, ",\"");
    bytes_put_text(line, name);
    bytes_put_text(line, "\":");
    bytes_put_decimal(line, number);
}

static void put_text(struct bytes_writer *line, const char *name,
                     struct bytes text)
{
    bytes_put_text(line, ",\"");
    bytes_put_text(line, name);
    bytes_put_text(line, "\":\"");
    for (size_t i = 0; i < text.length; i++) {
        uint8_t c = text.data[i];
        char escape[7];

        if (c >= 0x20 && c != '"' && c != '\\') {
            bytes_put_byte(line, c);
            continue;
        }
        snprintf(escape, sizeof(escape), "\\u%04x", c);
        bytes_put_text(line, escape);
    }
    bytes_put_byte(line, '"');
}

static void put_hash(struct bytes_writer *line, const char *name,
                     unsigned __int128 hash)
{
    char text[33];

    snprintf(text, sizeof(text), "%016" PRIx64 "%016" PRIx64,
             (uint64_t)(hash >> 64), (uint64_t)hash);
    put_text(line, name, bytes_of_text(text));
}

static struct bytes_writer begin_in(uint8_t *memory, size_t room,
                                    struct monotonic now, const char *what)
{
    struct bytes_writer writer = bytes_writer_on(memory, room);

    bytes_put_text(&writer, "{\"t\":");
    bytes_put_decimal(&writer, (uint64_t)now.ns);
    put_text(&writer, "src", bytes_of_text("kinesis"));
    put_text(&writer, "ev", bytes_of_text(what));
    return writer;
}

static struct bytes_writer begin(uint8_t line[LINE_MOST], struct monotonic now,
                                 const char *what)
{
    return begin_in(line, LINE_MOST, now, what);
}

/* A line with room for data in base64; grown and never given back. */
static struct bytes_writer begin_long(struct simulator_history *history,
                                      size_t data_length, struct monotonic now,
                                      const char *what)
{
    size_t room = LINE_MOST + simulator_base64_room(data_length);

    if (room > history->capacity) {
        free(history->line);
        history->line = malloc(room);
        history->capacity = history->line ? room : 0;
    }
    return begin_in(history->line, history->capacity, now, what);
}

static void put_data(struct bytes_writer *line, struct bytes data)
{
    size_t room = simulator_base64_room(data.length);

    bytes_put_text(line, ",\"data\":\"");
    if (line->capacity - line->length < room) {
        line->overrun = true;
        return;
    }
    simulator_base64_encode(data, line->data + line->length);
    line->length += room;
    bytes_put_byte(line, '"');
}

static void finish(struct simulator_history *history, struct bytes_writer *line)
{
    bytes_put_text(line, "}\n");
    if (!line->overrun && write(history->descriptor, line->data,
                                line->length) == (ssize_t)line->length)
        return;
    fprintf(stderr, "kinesis_simulator: cannot write the history\n");
    exit(EXIT_FAILURE);
}

void simulator_history_put_recv(struct simulator_history *history,
                                struct monotonic now, uint64_t request,
                                size_t records, uint64_t length)
{
    uint8_t memory[LINE_MOST];
    struct bytes_writer line;

    if (history->descriptor < 0)
        return;
    line = begin(memory, now, "put_recv");
    put_number(&line, "request", request);
    put_number(&line, "records", records);
    put_number(&line, "bytes", length);
    finish(history, &line);
}

void simulator_history_put_commit(struct simulator_history *history,
                                  struct monotonic now,
                                  const struct simulator_put_commit *commit)
{
    struct bytes_writer line;

    if (history->descriptor < 0)
        return;
    line = begin_long(history, commit->data.length, now, "put_commit");
    put_number(&line, "request", commit->request);
    put_number(&line, "index", commit->index);
    put_text(&line, "stream", bytes_of_text(commit->stream));
    put_text(&line, "shard", bytes_of_text(commit->shard));
    put_hash(&line, "first", commit->first_hash);
    put_hash(&line, "last", commit->last_hash);
    put_text(&line, "sn", bytes_of_text(commit->sequence));
    put_text(&line, "tag", commit->key);
    put_number(&line, "bytes", commit->length);
    if (commit->data.data)
        put_data(&line, commit->data);
    finish(history, &line);
}

void simulator_history_put_reply(struct simulator_history *history,
                                 struct monotonic now, uint64_t request,
                                 int status, bool dropped)
{
    uint8_t memory[LINE_MOST];
    struct bytes_writer line;

    if (history->descriptor < 0)
        return;
    line = begin(memory, now, dropped ? "put_reply_dropped" : "put_reply");
    put_number(&line, "request", request);
    put_number(&line, "status", (uint64_t)status);
    finish(history, &line);
}

void simulator_history_put_landed(struct simulator_history *history,
                                  struct monotonic now, uint64_t request)
{
    uint8_t memory[LINE_MOST];
    struct bytes_writer line;

    if (history->descriptor < 0)
        return;
    line = begin(memory, now, "put_landed");
    put_number(&line, "request", request);
    finish(history, &line);
}

void simulator_history_fault(struct simulator_history *history,
                             struct monotonic now, uint64_t request,
                             const char *action)
{
    uint8_t memory[LINE_MOST];
    struct bytes_writer line;

    if (history->descriptor < 0)
        return;
    line = begin(memory, now, "fault");
    put_number(&line, "request", request);
    put_text(&line, "action", bytes_of_text(action));
    finish(history, &line);
}

void simulator_history_record_fault(struct simulator_history *history,
                                    struct monotonic now, uint64_t request,
                                    const char *action, const char *shard,
                                    size_t index)
{
    uint8_t memory[LINE_MOST];
    struct bytes_writer line;

    if (history->descriptor < 0)
        return;
    line = begin(memory, now, "fault");
    put_number(&line, "request", request);
    put_text(&line, "action", bytes_of_text(action));
    put_text(&line, "shard", bytes_of_text(shard));
    put_number(&line, "index", index);
    finish(history, &line);
}

void simulator_history_shards(struct simulator_history *history,
                              struct monotonic now, const char *what,
                              const char *stream, uint32_t shards,
                              uint32_t open)
{
    uint8_t memory[LINE_MOST];
    struct bytes_writer line;

    if (history->descriptor < 0)
        return;
    line = begin(memory, now, what);
    put_text(&line, "stream", bytes_of_text(stream));
    put_number(&line, "shards", shards);
    put_number(&line, "open", open);
    finish(history, &line);
}
