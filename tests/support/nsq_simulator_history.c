/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/nsq_simulator_history.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"

int history_open(struct history *history, const char *path)
{
    history->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    return history->fd < 0 ? -errno : 0;
}

void history_close(struct history *history)
{
    if (history->fd >= 0)
        close(history->fd);
    history->fd = -1;
}

static void put_member(struct bytes_writer *line, const char *name,
                       uint64_t value)
{
    bytes_put_text(line, ",\"");
    bytes_put_text(line, name);
    bytes_put_text(line, "\":");
    bytes_put_decimal(line, value);
}

static bool is_plain(const uint8_t *id)
{
    for (size_t i = 0; i < SOURCE_ID_LENGTH; i++) {
        if (id[i] < ' ' || id[i] > '~' || id[i] == '"' || id[i] == '\\')
            return false;
    }
    return true;
}

/* An id is the client's text: whatever would break the line becomes hex. */
static void put_id(struct bytes_writer *line, const uint8_t *id)
{
    struct bytes text = bytes_of(id, SOURCE_ID_LENGTH);

    bytes_put_text(line, ",\"id\":\"");
    if (is_plain(id))
        bytes_put(line, text);
    else
        bytes_put_hex(line, text);
    bytes_put_byte(line, '"');
}

static void put_message(struct bytes_writer *line,
                        const struct history_fact *fact)
{
    struct source_message message =
        source_message_of(fact->source, fact->number);
    uint8_t id[SOURCE_ID_LENGTH];

    if (!fact->id) {
        source_write_id(fact->source, fact->number, id);
        put_id(line, id);
    }
    put_member(line, "attempts", fact->attempts);
    put_member(line, "key", message.key_id);
    put_member(line, "seq", message.sequence);
    put_member(line, "global", message.global);
}

void history_write(const struct history *history,
                   const struct history_fact *fact)
{
    uint8_t text[512];
    struct bytes_writer line = bytes_writer_on(text, sizeof(text));
    ssize_t written;

    if (!history_is_kept(history))
        return;
    bytes_put_text(&line, "{\"t\":");
    bytes_put_decimal(&line, (uint64_t)clock_monotonic().ns);
    bytes_put_text(&line, ",\"src\":\"nsqd\",\"ev\":\"");
    bytes_put_text(&line, fact->what);
    bytes_put_byte(&line, '"');
    if (fact->action) {
        bytes_put_text(&line, ",\"action\":\"");
        bytes_put_text(&line, fact->action);
        bytes_put_byte(&line, '"');
    }
    put_member(&line, "nsqd", fact->nsqd);
    put_member(&line, "connection", fact->connection);
    if (fact->id)
        put_id(&line, fact->id);
    if (fact->source)
        put_message(&line, fact);
    bytes_put_text(&line, "}\n");
    do
        written = write(history->fd, line.data, line.length);
    while (written < 0 && errno == EINTR);
    if (written != (ssize_t)line.length) {
        perror("nsq_simulator: history");
        _exit(1); /* a history with a hole proves nothing */
    }
}
