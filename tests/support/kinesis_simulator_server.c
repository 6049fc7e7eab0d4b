/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/kinesis_simulator_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/support/kinesis_simulator_connection.h"
#include "tests/support/kinesis_simulator_tls.h"

#define READY_MOST 64

struct server {
    struct simulator_bench bench;
    SSL_CTX *tls;
    int epoll;
    int signals;
    int timer;
    int http;                           /* listening sockets */
    int https;                          /* -1 without TLS */
    struct simulator_connection *first; /* waiting, by deadline */
    struct simulator_connection *last;
    int64_t armed_ns; /* what the timer waits for; 0: nothing */
    bool stopping;
};

/* --- Replies that wait */

/* For the first reply that may leave, or the first late request that lands. */
static void arm_timer(struct server *server)
{
    const struct simulator_late *late = server->bench.simulator->late;
    struct itimerspec when = { .it_value = { 0 } };
    int64_t ns = server->first ? server->first->deadline.ns : 0;

    if (late && (ns == 0 || late->due.ns < ns))
        ns = late->due.ns;
    if (ns == server->armed_ns)
        return;
    server->armed_ns = ns;
    when.it_value.tv_sec = ns / NS_PER_SECOND;
    when.it_value.tv_nsec = ns % NS_PER_SECOND;
    timerfd_settime(server->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Most delays are alike, so the place is nearly always at the end. */
static void add_waiting(struct server *server,
                        struct simulator_connection *connection)
{
    struct simulator_connection *before = server->last;

    while (before && before->deadline.ns > connection->deadline.ns)
        before = before->earlier;
    connection->earlier = before;
    connection->later = before ? before->later : server->first;
    if (connection->later)
        connection->later->earlier = connection;
    else
        server->last = connection;
    if (before)
        before->later = connection;
    else
        server->first = connection;
}

static void remove_waiting(struct server *server,
                           struct simulator_connection *connection)
{
    if (connection->earlier)
        connection->earlier->later = connection->later;
    else
        server->first = connection->later;
    if (connection->later)
        connection->later->earlier = connection->earlier;
    else
        server->last = connection->earlier;
    connection->earlier = NULL;
    connection->later = NULL;
}

/* --- Connections */

static void watch(const struct server *server,
                  struct simulator_connection *connection, int how,
                  uint32_t wants)
{
    struct epoll_event wish = { .events = wants, .data.ptr = connection };

    epoll_ctl(server->epoll, how, connection->descriptor, &wish);
}

/* After a turn: close, or wait for what the connection now wants. */
static void settle(struct server *server,
                   struct simulator_connection *connection, int condition,
                   uint32_t wanted)
{
    if (condition) {
        simulator_connection_free(connection, &server->bench);
        return;
    }
    if (connection->state == SIMULATOR_WAITING)
        add_waiting(server, connection);
    if (connection->wants != wanted)
        watch(server, connection, EPOLL_CTL_MOD, connection->wants);
}

static void on_ready(struct server *server,
                     struct simulator_connection *connection)
{
    uint32_t wanted = connection->wants;

    if (connection->state == SIMULATOR_WAITING) {
        /* Only the end of the peer is waited for: nobody hears the reply. */
        remove_waiting(server, connection);
        simulator_connection_free(connection, &server->bench);
        return;
    }
    settle(server, connection,
           simulator_connection_turn(connection, &server->bench), wanted);
}

static void on_timer(struct server *server)
{
    struct monotonic now = clock_monotonic();
    uint64_t ticks;

    if (read(server->timer, &ticks, sizeof(ticks)) < 0 && errno != EAGAIN)
        return;
    while (server->first && monotonic_reached(server->first->deadline, now)) {
        struct simulator_connection *connection = server->first;
        uint32_t wanted = connection->wants;

        remove_waiting(server, connection);
        settle(server, connection,
               simulator_connection_on_deadline(connection, &server->bench),
               wanted);
    }
    server->armed_ns = 0; /* it has gone off */
}

static void land_what_is_late(struct server *server)
{
    struct simulator *simulator = server->bench.simulator;
    struct wall_time wall = clock_wall_time();

    wall.ns += simulator->settings.clock_offset_ns;
    simulator_late_land(simulator, clock_monotonic(), wall);
}

static SSL *new_tls(const struct server *server, int descriptor)
{
    SSL *ssl = SSL_new(server->tls);

    if (!ssl)
        return NULL;
    if (SSL_set_fd(ssl, descriptor) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_accept_state(ssl);
    return ssl;
}

static void accept_one(struct server *server, int descriptor, bool is_tls)
{
    struct simulator_connection *connection = NULL;
    SSL *ssl = NULL;
    int one = 1;

    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (is_tls)
        ssl = new_tls(server, descriptor);
    if (!is_tls || ssl)
        connection = simulator_connection_new(&server->bench, descriptor, ssl);
    if (!connection) {
        SSL_free(ssl);
        close(descriptor);
        return;
    }
    server->bench.simulator->statistics.connections++;
    server->bench.simulator->statistics.tls_connections += is_tls;
    watch(server, connection, EPOLL_CTL_ADD, connection->wants);
}

static void on_connect(struct server *server, int listener)
{
    int descriptor;

    while ((descriptor = accept4(listener, NULL, NULL,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        accept_one(server, descriptor, listener == server->https);
}

/* --- Start and loop */

static int failed(const char *what)
{
    int code = -errno;

    fprintf(stderr, "kinesis_simulator: %s: %m\n", what);
    return code;
}

static int listen_on(uint16_t *port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(*port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t length = sizeof(address);
    int one = 1;
    int descriptor =
        socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (descriptor < 0)
        return -errno;
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(descriptor, (struct sockaddr *)&address, length) ||
        listen(descriptor, 1024) ||
        getsockname(descriptor, (struct sockaddr *)&address, &length)) {
        close(descriptor);
        return -errno;
    }
    *port = ntohs(address.sin_port);
    return descriptor;
}

/* Descriptors that are no connections are watched by their own address. */
static int watch_own(struct server *server, int *descriptor)
{
    struct epoll_event wish = { .events = EPOLLIN, .data.ptr = descriptor };

    return epoll_ctl(server->epoll, EPOLL_CTL_ADD, *descriptor, &wish);
}

static int open_signals(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
    return signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
}

static int server_open(struct server *server,
                       const struct simulator_ports *ports)
{
    uint16_t http_port = ports->http;
    uint16_t https_port = ports->https;
    int result;

    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    server->signals = open_signals();
    server->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    server->http = listen_on(&http_port);
    if (server->epoll < 0 || server->signals < 0 || server->timer < 0 ||
        server->http < 0)
        return failed("cannot listen");
    if (watch_own(server, &server->signals) ||
        watch_own(server, &server->timer) || watch_own(server, &server->http))
        return failed("cannot wait");
    if (ports->certificate_path) {
        result = simulator_tls_open(ports->certificate_path,
                                    ports->private_key_path, &server->tls);
        if (result)
            return result;
        server->https = listen_on(&https_port);
        if (server->https < 0 || watch_own(server, &server->https))
            return failed("cannot listen with TLS");
    }
    printf("listening http=%u https=%u\n", http_port,
           server->https < 0 ? 0U : https_port);
    return fflush(stdout) ? failed("cannot print") : 0;
}

static void server_close(struct server *server)
{
    const int descriptors[] = { server->epoll, server->signals, server->timer,
                                server->http, server->https };

    for (size_t i = 0; i < ARRAY_LENGTH(descriptors); i++)
        if (descriptors[i] >= 0)
            close(descriptors[i]);
    SSL_CTX_free(server->tls);
}

static void dispatch(struct server *server, const struct epoll_event *ready)
{
    if (ready->data.ptr == &server->signals)
        server->stopping = true;
    else if (ready->data.ptr == &server->http ||
             ready->data.ptr == &server->https)
        on_connect(server, *(const int *)ready->data.ptr);
    else
        on_ready(server, ready->data.ptr);
}

/*
 * A timer's turn may free a connection that a later entry of the same wait
 * names, so the timer goes last.
 */
static void turn(struct server *server, const struct epoll_event *ready,
                 int count)
{
    bool timer = false;

    for (int i = 0; i < count; i++) {
        if (ready[i].data.ptr == &server->timer)
            timer = true;
        else
            dispatch(server, &ready[i]);
    }
    if (timer)
        on_timer(server);
    if (server->bench.simulator->late)
        land_what_is_late(server);
    arm_timer(server);
}

int simulator_serve(struct simulator *simulator,
                    const struct simulator_ports *ports)
{
    struct server server = {
        .epoll = -1, .signals = -1, .timer = -1, .http = -1, .https = -1
    };
    struct epoll_event ready[READY_MOST];
    int result = simulator_bench_init(&server.bench, simulator);

    if (!result)
        result = server_open(&server, ports);
    while (!result && !server.stopping) {
        int count = epoll_wait(server.epoll, ready, READY_MOST, -1);

        if (count < 0 && errno != EINTR)
            result = failed("cannot wait");
        turn(&server, ready, count);
    }
    simulator_bench_deinit(&server.bench);
    server_close(&server);
    return result;
}
