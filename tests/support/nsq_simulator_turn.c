/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/nsq_simulator_turn.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/nsq_simulator_http.h"
#include "tests/support/nsq_simulator_listener.h"

/* nsqd looks for timed-out messages ten times a second. */
#define TICK_MS 100

/* How late a fault with after_ms may be. */
#define FAULT_TICK_MS 5

/* Publishing happens in bursts, this far apart if the rate is high. */
#define BURST_NS (200 * NS_PER_US)

int simulator_watch(struct simulator *simulator, int fd, void *watch,
                    uint32_t wanted)
{
    struct epoll_event wish = { .events = wanted, .data.ptr = watch };

    return epoll_ctl(simulator->epoll, EPOLL_CTL_ADD, fd, &wish);
}

/* Closed, the port refuses; SO_REUSEADDR opens it again under connections. */
static void listen_or_not(struct simulator *simulator, struct nsqd *nsqd,
                          const struct channel_time *now)
{
    bool refuses = nsqd->refused_until > now->now_ms;

    if (refuses && nsqd->fd >= 0) {
        close(nsqd->fd);
        nsqd->fd = -1;
    } else if (!refuses && nsqd->fd < 0) {
        nsqd->fd = listener_open(nsqd->port, &nsqd->port);
        if (nsqd->fd >= 0)
            simulator_watch(simulator, nsqd->fd, nsqd, EPOLLIN);
    }
}

static void accept_clients(struct simulator *simulator, struct nsqd *nsqd,
                           const struct channel_time *now)
{
    int fd;

    while ((fd = accept4(nsqd->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >=
           0) {
        struct connection *connection =
            connection_new(nsqd, fd, simulator->connection_count + 1, now);

        if (!connection) {
            close(fd);
            return;
        }
        simulator->connection_count++;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
        connection->watched = EPOLLIN;
        if (simulator_watch(simulator, fd, connection, EPOLLIN) < 0)
            connection->end = CONNECTION_DEAD;
    }
}

static void accept_requests(struct simulator *simulator)
{
    int fd;

    while ((fd = accept4(simulator->http.fd, NULL, NULL,
                         SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct http_request *request = http_request_new(fd);

        if (!request || simulator_watch(simulator, fd, request, EPOLLIN) < 0) {
            close(fd);
            free(request);
            return;
        }
    }
}

static void hear_connection(struct connection *connection, uint32_t what,
                            const struct channel_time *now)
{
    if (what & EPOLLOUT)
        connection->is_blocked = false;
    if (what & (EPOLLIN | EPOLLHUP | EPOLLERR))
        connection_receive(connection, now);
    if ((what & (EPOLLHUP | EPOLLERR)) && !(what & EPOLLIN))
        connection->end = CONNECTION_DEAD;
}

static void hear(struct simulator *simulator, const struct epoll_event *news,
                 const struct channel_time *now)
{
    void *watched = news->data.ptr;

    switch (*(const enum watch *)watched) {
    case WATCH_NSQD:
        accept_clients(simulator, watched, now);
        break;
    case WATCH_CONNECTION:
        hear_connection(watched, news->events, now);
        break;
    case WATCH_HTTP:
        accept_requests(simulator);
        break;
    case WATCH_HTTP_REQUEST:
        if (http_request_serve(watched, simulator->script, now))
            http_request_free(watched);
        break;
    case WATCH_SIGNAL:
        simulator->is_stopped = true;
        break;
    }
}

static void tick(struct simulator *simulator, const struct channel_time *now)
{
    for (uint64_t i = 0; i < simulator->options.nsqd_count; i++) {
        struct nsqd *nsqd = &simulator->nsqds[i];

        channel_expire(&nsqd->channel, now->now_ms);
        for (struct connection *connection = nsqd->connections; connection;
             connection = connection->next)
            connection_tick(connection, now);
    }
}

/* Scarce messages go to the first in the list: let everyone be it. */
static void rotate_connections(struct nsqd *nsqd)
{
    struct connection *first = nsqd->connections, *last = first;

    if (!first || !first->next)
        return;
    while (last->next)
        last = last->next;
    nsqd->connections = first->next;
    first->next = NULL;
    last->next = first;
}

/* Returns true if there is more to send at once. */
static bool serve(struct simulator *simulator, struct nsqd *nsqd,
                  const struct channel_time *now)
{
    struct channel *channel = &nsqd->channel;
    bool has_faults = simulator->script->over < simulator->script->count;
    bool has_more = false;

    channel_publish(channel, now->wall_ns);
    if (has_faults)
        script_run(simulator->script, nsqd, now);
    listen_or_not(simulator, nsqd, now);
    rotate_connections(nsqd);
    for (struct connection *connection = nsqd->connections; connection;
         connection = connection->next)
        has_more |= connection_send(connection, now);
    return has_more || channel->counters.sent >= channel->hold_at;
}

static void close_connection(struct connection *connection)
{
    const struct channel *channel = &connection->nsqd->channel;

    history_write(channel->history,
                  &(struct history_fact){
                      .what = "close",
                      .nsqd = channel->source.options.nsqd_index,
                      .connection = connection->consumer.connection });
    connection_free(connection);
}

static void update_watch(struct simulator *simulator,
                         struct connection *connection)
{
    uint32_t wanted = connection_wants(connection);
    struct epoll_event wish = { .events = wanted, .data.ptr = connection };
    int change = EPOLL_CTL_MOD;

    if (wanted == connection->watched)
        return;
    if (wanted == 0)
        change = EPOLL_CTL_DEL;
    else if (connection->watched == 0)
        change = EPOLL_CTL_ADD;
    if (epoll_ctl(simulator->epoll, change, connection->fd, &wish) < 0)
        connection->end = CONNECTION_DEAD;
    connection->watched = wanted;
}

/* Nobody but this frees a connection: events may point at it until here. */
static void sweep(struct simulator *simulator, struct nsqd *nsqd)
{
    struct connection *next;

    for (struct connection *connection = nsqd->connections; connection;
         connection = next) {
        next = connection->next;
        if (connection->end != CONNECTION_DEAD)
            update_watch(simulator, connection);
        if (connection->end == CONNECTION_DEAD)
            close_connection(connection);
    }
}

int64_t simulator_wait_ns(const struct simulator *simulator,
                          const struct channel_time *now)
{
    bool has_faults = simulator->script->over < simulator->script->count;
    int64_t wait_ms = (int64_t)simulator->next_tick_ms - now->now_ms;
    int64_t shortest_ns;

    if (has_faults && wait_ms > FAULT_TICK_MS)
        wait_ms = FAULT_TICK_MS;
    shortest_ns = wait_ms > 0 ? wait_ms * NS_PER_MS : 0;
    for (uint64_t i = 0; i < simulator->options.nsqd_count; i++) {
        int64_t ns =
            channel_next_publishing(&simulator->nsqds[i].channel, now->wall_ns);

        if (ns < BURST_NS)
            ns = BURST_NS;
        if (ns < shortest_ns)
            shortest_ns = ns;
    }
    return shortest_ns;
}

struct channel_time simulator_time(const struct simulator *simulator)
{
    int64_t passed_ns =
        monotonic_between(simulator->started, clock_monotonic());

    return (struct channel_time){
        .wall_ns = clock_wall_time().ns,
        .now_ms = (uint32_t)(passed_ns / NS_PER_MS),
    };
}

bool simulator_turn(struct simulator *simulator, int64_t most_ns)
{
    struct timespec wait = { .tv_sec = most_ns / NS_PER_SECOND,
                             .tv_nsec = most_ns % NS_PER_SECOND };
    struct epoll_event news[64];
    int count =
        epoll_pwait2(simulator->epoll, news, ARRAY_LENGTH(news), &wait, NULL);
    struct monotonic began = clock_monotonic();
    struct channel_time now = simulator_time(simulator);
    bool has_more = false;

    simulator->latencies.now_us =
        (uint32_t)(monotonic_between(simulator->started, began) / NS_PER_US);

    for (int i = 0; i < count; i++)
        hear(simulator, &news[i], &now);
    if (now.now_ms >= simulator->next_tick_ms) {
        simulator->next_tick_ms = now.now_ms + TICK_MS;
        tick(simulator, &now);
    }
    for (uint64_t i = 0; i < simulator->options.nsqd_count; i++) {
        has_more |= serve(simulator, &simulator->nsqds[i], &now);
        sweep(simulator, &simulator->nsqds[i]);
        if (simulator->first_sent.ns == 0 &&
            simulator->nsqds[i].channel.counters.sent > 0)
            simulator->first_sent = began;
    }
    return has_more;
}
