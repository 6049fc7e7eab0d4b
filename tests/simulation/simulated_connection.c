/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/simulation/simulated_connection.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/io.h"
#include "tests/simulation/real_memory.h"
#include "tests/simulation/schedule.h"
#include "tests/simulation/simulated_system.h"

#define CONNECTIONS_MOST 4096
#define STREAMS_MOST     16
#define WATCHES_MOST     8
#define BUFFERS_MOST     16
#define BUFFER_LENGTH    ((size_t)8192)

static struct simulated_connection *connections[CONNECTIONS_MOST];
static size_t connection_count;

/* One TCP connection as ingest sees it. */
struct io_stream {
    struct io *io;
    struct simulated_connection *connection; /* NULL: the slot is free */
    uint64_t number;                         /* of the connection */
    uint64_t tag;
    int64_t settles_at; /* connecting until then */
    int error;          /* of the connect */
    bool is_connecting;
    bool is_sending;
    bool is_sent;
    bool is_paused;
};

struct watch {
    int descriptor; /* 0: free */
    uint64_t tag;
    bool is_eventfd;
};

struct io {
    struct io_stream streams[STREAMS_MOST];
    struct watch watches[WATCHES_MOST];
    uint8_t buffers[BUFFERS_MOST][BUFFER_LENGTH];
    bool is_lent[BUFFERS_MOST];
    struct io_completion *completions; /* of the last wait */
    size_t completion_count;
};

/* --- the world's side */

static void wake(const struct simulated_connection *connection)
{
    struct process *reader = process_of(connection->life);

    if (reader)
        process_wake(reader);
}

void simulated_connection_put(struct simulated_connection *connection,
                              const void *bytes, size_t length)
{
    if (connection->is_broken)
        return;
    connection->bytes =
        __real_realloc(connection->bytes, connection->length + length);
    memcpy(connection->bytes + connection->length, bytes, length);
    connection->length += length;
    wake(connection);
}

void simulated_connection_break(struct simulated_connection *connection)
{
    size_t left = connection->length - connection->taken;

    if (connection->is_broken)
        return;
    connection->is_broken = true;
    /* Somewhere in the middle of a frame, most likely. */
    if (left > 0)
        connection->length -= chance(left + 1);
    simulated_nsqd_part(connection);
    wake(connection);
}

void simulated_connections_on_ended(uint64_t life)
{
    for (size_t i = 0; i < connection_count; i++)
        if (connections[i]->life == life) {
            simulated_connection_break(connections[i]);
            connections[i]->life = 0;
        }
}

void simulated_connections_end(void)
{
    for (size_t i = 0; i < connection_count; i++) {
        free(connections[i]->bytes);
        free(connections[i]->sent);
        free(connections[i]);
    }
    connection_count = 0;
}

/* Commands arrive whole or cut, but in their order. */
static void on_commands(uint64_t index, uint64_t end)
{
    struct simulated_connection *connection = connections[index];
    size_t left; /* not yet understood */

    if (connection->is_broken || end <= connection->arrived)
        return;
    left = connection->commands.length + end - connection->arrived;
    connection->arrived = end;
    connection->commands = bytes_of(connection->sent + end - left, left);
    simulated_nsqd_take(connection);
}

static size_t index_of(const struct simulated_connection *connection)
{
    size_t i = 0;

    while (connections[i] != connection)
        i++;
    return i;
}

/* Some of what is sent may arrive before the rest. */
static void carry(struct simulated_connection *connection, struct bytes bytes)
{
    size_t used = connection->sent_length;
    size_t first = bytes.length > 1 ? 1 + chance(bytes.length - 1) : 1;
    int64_t at = schedule.now + 50 * NS_PER_US;

    connection->sent = __real_realloc(connection->sent, used + bytes.length);
    memcpy(connection->sent + used, bytes.data, bytes.length);
    connection->sent_length = used + bytes.length;
    schedule_at(at, on_commands, index_of(connection), used + first);
    schedule_at(at + (int64_t)chance(NS_PER_MS), on_commands,
                index_of(connection), used + bytes.length);
}

static void on_sent(uint64_t index, uint64_t life)
{
    struct process *process = process_of(life);

    (void)index;
    if (process)
        process_wake(process);
}

/* --- io.h */

int io_new(enum io_choice choice, const struct io_settings *settings,
           struct io **io)
{
    (void)choice;
    (void)settings;
    *io = calloc(1, sizeof(**io));
    return 0;
}

void io_free(struct io *io)
{
    for (size_t i = 0; io && i < STREAMS_MOST; i++)
        if (io->streams[i].connection)
            io_close(&io->streams[i]);
}

const char *io_name(const struct io *io)
{
    (void)io;
    return "simulated";
}

const char *io_reason(const struct io *io)
{
    (void)io;
    return "chosen";
}

int io_connect(struct io *io, const struct socket_address *address,
               uint64_t tag, struct io_stream **stream)
{
    struct simulated_connection *made;
    struct io_stream *slot = io->streams;

    while (slot->connection)
        slot++;
    assert(slot < io->streams + STREAMS_MOST &&
           connection_count < CONNECTIONS_MOST);
    made = __real_calloc(1, sizeof(*made));
    connections[connection_count++] = made;
    made->life = schedule.current->life;
    *slot = (struct io_stream){
        .io = io,
        .connection = made,
        .tag = tag,
        .is_connecting = true,
        .settles_at = schedule.now + NS_PER_MS,
        .error = simulated_nsqd_accept(address, made),
    };
    if (slot->error)
        made->is_broken = made->is_told = true;
    schedule_at(slot->settles_at, on_sent, 0, made->life);
    *stream = slot;
    return 0;
}

void io_send(struct io_stream *stream, struct bytes bytes)
{
    stream->is_sending = true;
    stream->is_sent = true;
    schedule_step();
    if (!stream->connection->is_broken)
        carry(stream->connection, bytes);
}

bool io_is_sending(const struct io_stream *stream)
{
    return stream->is_sending;
}

void io_pause_receive(struct io_stream *stream)
{
    stream->is_paused = true;
}

void io_resume_receive(struct io_stream *stream)
{
    stream->is_paused = false;
}

void io_close(struct io_stream *stream)
{
    if (!stream)
        return;
    for (size_t i = 0; i < stream->io->completion_count; i++)
        if (stream->io->completions[i].stream == stream)
            stream->io->completions[i].kind = IO_NOTHING;
    simulated_connection_break(stream->connection);
    stream->connection->life = 0;
    stream->connection = NULL;
}

static int watch(struct io *io, int descriptor, uint64_t tag, bool is_eventfd)
{
    struct watch *slot = io->watches;

    while (slot->descriptor)
        slot++;
    assert(slot < io->watches + WATCHES_MOST);
    *slot = (struct watch){ descriptor, tag, is_eventfd };
    return 0;
}

int io_watch(struct io *io, int descriptor, uint64_t tag)
{
    return watch(io, descriptor, tag, false);
}

int io_watch_eventfd(struct io *io, int descriptor, uint64_t tag)
{
    return watch(io, descriptor, tag, true);
}

void io_unwatch(struct io *io, int descriptor)
{
    for (size_t i = 0; i < WATCHES_MOST; i++)
        if (io->watches[i].descriptor == descriptor)
            io->watches[i].descriptor = 0;
}

static void add(struct io *io, struct io_completion completion)
{
    io->completions[io->completion_count++] = completion;
}

static bool is_readable(const struct watch *watch)
{
    if (watch->descriptor == LIFELINE_DESCRIPTOR)
        return simulated_lifeline_is_readable(schedule.current->place);
    return watch->descriptor == WAKEUP_DESCRIPTOR_INGEST &&
           simulated_wakeup_take(watch->descriptor);
}

static void receive(struct io *io, struct io_stream *stream)
{
    struct simulated_connection *connection = stream->connection;
    size_t left = connection->length - connection->taken;
    int32_t buffer = 0;

    while (buffer < BUFFERS_MOST && io->is_lent[buffer])
        buffer++;
    if (left == 0 || buffer == BUFFERS_MOST || stream->is_paused)
        return;
    if (left > BUFFER_LENGTH)
        left = BUFFER_LENGTH;
    if (chance(4) == 0)
        left = 1 + chance(left);
    memcpy(io->buffers[buffer], connection->bytes + connection->taken, left);
    connection->taken += left;
    io->is_lent[buffer] = true;
    add(io,
        (struct io_completion){ .kind = IO_RECEIVED,
                                .tag = stream->tag,
                                .stream = stream,
                                .bytes = bytes_of(io->buffers[buffer], left),
                                .buffer = buffer });
}

static void look_at_stream(struct io *io, struct io_stream *stream)
{
    struct simulated_connection *connection = stream->connection;
    struct io_completion completion = { .tag = stream->tag,
                                        .stream = stream,
                                        .buffer = -1 };

    if (stream->is_connecting) {
        if (schedule.now < stream->settles_at)
            return;
        stream->is_connecting = false;
        completion.kind = stream->error ? IO_CONNECT_FAILED : IO_CONNECTED;
        completion.error = stream->error;
        add(io, completion);
        return;
    }
    if (stream->is_sent && !connection->is_broken) {
        stream->is_sent = stream->is_sending = false;
        completion.kind = IO_SENT;
        add(io, completion);
    }
    receive(io, stream);
    if (!connection->is_broken || connection->is_told ||
        connection->taken < connection->length)
        return;
    connection->is_told = true;
    completion.kind = chance(2) ? IO_FAILED : IO_CLOSED_BY_PEER;
    completion.error = completion.kind == IO_FAILED ? -ECONNRESET : 0;
    add(io, completion);
}

static size_t look(struct io *io, size_t most)
{
    io->completion_count = 0;
    for (size_t i = 0; i < WATCHES_MOST && io->completion_count < most; i++)
        if (io->watches[i].descriptor && is_readable(&io->watches[i]))
            add(io, (struct io_completion){ .kind = IO_READABLE,
                                            .tag = io->watches[i].tag,
                                            .buffer = -1 });
    for (size_t i = 0; i < STREAMS_MOST && io->completion_count + 3 < most; i++)
        if (io->streams[i].connection)
            look_at_stream(io, &io->streams[i]);
    return io->completion_count;
}

int io_wait(struct io *io, int64_t timeout_ns,
            struct io_completion *completions, size_t most)
{
    int64_t end = schedule.now + timeout_ns;

    io->completions = completions;
    schedule_step();
    while (look(io, most) == 0 && schedule.now < end)
        process_sleep(end);
    return (int)io->completion_count;
}

void io_return(struct io *io, struct io_completion *completion)
{
    if (completion->kind != IO_READABLE && completion->bytes.data &&
        completion->buffer >= 0)
        io->is_lent[completion->buffer] = false;
    completion->bytes = bytes_of(NULL, 0);
    completion->buffer = -1;
}
