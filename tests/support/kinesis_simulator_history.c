/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/kinesis_simulator_history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A key of 256 characters, each of four bytes or written as \u00xx. */
#define LINE_MOST 4096

int simulator_history_open(struct simulator_history *history, const char *path)
{
    history->descriptor = -1;
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
    history->descriptor = -1;
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

static struct bytes_writer begin(uint8_t line[LINE_MOST], struct monotonic now,
                                 const char *what)
{
    struct bytes_writer writer = bytes_writer_on(line, LINE_MOST);

    bytes_put_text(&writer, "{\"t\":");
    bytes_put_decimal(&writer, (uint64_t)now.ns);
    put_text(&writer, "src", bytes_of_text("kinesis"));
    put_text(&writer, "ev", bytes_of_text(what));
    return writer;
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
    uint8_t memory[LINE_MOST];
    struct bytes_writer line;

    if (history->descriptor < 0)
        return;
    line = begin(memory, now, "put_commit");
    put_number(&line, "request", commit->request);
    put_number(&line, "index", commit->index);
    put_text(&line, "stream", bytes_of_text(commit->stream));
    put_text(&line, "shard", bytes_of_text(commit->shard));
    put_text(&line, "sn", bytes_of_text(commit->sequence));
    put_text(&line, "tag", commit->key);
    put_number(&line, "bytes", commit->length);
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

void simulator_history_fault(struct simulator_history *history,
                             struct monotonic now, uint64_t request,
                             const char *action, const char *shard)
{
    uint8_t memory[LINE_MOST];
    struct bytes_writer line;

    if (history->descriptor < 0)
        return;
    line = begin(memory, now, "fault");
    put_number(&line, "request", request);
    put_text(&line, "action", bytes_of_text(action));
    if (shard[0])
        put_text(&line, "shard", bytes_of_text(shard));
    finish(history, &line);
}

void simulator_history_reshard(struct simulator_history *history,
                               struct monotonic now, const char *stream,
                               uint32_t shards, uint32_t open)
{
    uint8_t memory[LINE_MOST];
    struct bytes_writer line;

    if (history->descriptor < 0)
        return;
    line = begin(memory, now, "reshard");
    put_text(&line, "stream", bytes_of_text(stream));
    put_number(&line, "shards", shards);
    put_number(&line, "open", open);
    finish(history, &line);
}
