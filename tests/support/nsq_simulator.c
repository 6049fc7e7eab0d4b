/* SPDX-License-Identifier: Apache-2.0 */

/*
 * nsq_simulator - a test double of nsqd and nsqlookupd for consumers.
 *
 * It is written from the protocol alone and shares no line with ingest, so
 * that it can be a witness. One thread and one epoll, in turns
 * (nsq_simulator_turn.h). It is fast enough to be no bottleneck: a message
 * costs the making of its body, a look-up in an array and its share of two
 * system calls. This file starts it and ends it.
 *
 *     nsq_simulator --count 1000000 --exit-when-done --deadline 60
 *     nsq_simulator --nsqd 3 --rate 50000 --size 1000 --body binary
 *     nsq_simulator --script faults.jsonl --history history.jsonl
 *
 * The first line of standard output is "listening tcp=PORT,... http=PORT", the
 * last one a summary in JSON.
 *
 * Exit status: 0 done, or ended by SIGTERM or SIGINT; 1 a failure of the
 * system; 3 --deadline passed; 64 wrong options.
 */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/support/nsq_simulator_http.h"
#include "tests/support/nsq_simulator_listener.h"
#include "tests/support/nsq_simulator_turn.h"

#define EXIT_DEADLINE 3

static int failure(const char *what)
{
    fprintf(stderr, "nsq_simulator: %s: %s\n", what, strerror(errno));
    return EXIT_FAILURE;
}

/* --- start */

static uint64_t share_of(uint64_t count, uint64_t index, uint64_t nsqd_count)
{
    if (count == CHANNEL_ENDLESS)
        return count;
    return count / nsqd_count + (index < count % nsqd_count);
}

static void init_source(struct simulator *simulator, struct source *source,
                        uint64_t index, uint64_t id_time)
{
    const struct simulator_options *options = &simulator->options;

    source_init(source,
                &(struct source_options){
                    .body = options->input ? SOURCE_LINES : options->body,
                    .body_length = options->size,
                    .seed = options->seed,
                    .key_count = options->keys,
                    .nsqd_index = index,
                    .nsqd_count = options->nsqd_count,
                    .id_time = id_time,
                    .node = options->has_equal_ids ? 1 : index + 1,
                    .lines = simulator->lines.offsets,
                    .text = simulator->lines.text });
}

static int start_nsqd(struct simulator *simulator, uint64_t index,
                      uint64_t id_time)
{
    const struct simulator_options *options = &simulator->options;
    struct nsqd *nsqd = &simulator->nsqds[index];
    struct channel *channel = &nsqd->channel;
    uint16_t port = options->port > 0 ? (uint16_t)(options->port + index) : 0;

    nsqd->watch = WATCH_NSQD;
    nsqd->topic = options->topic;
    nsqd->limits = options->limits;
    channel->count = share_of(options->count, index, options->nsqd_count);
    channel->rate = options->rate;
    channel->backlog = options->backlog;
    channel->max_msg_timeout_ms = options->limits.max_msg_timeout_ms;
    channel->history = &simulator->history;
    channel->latencies = &simulator->latencies;
    init_source(simulator, &channel->source, index, id_time);
    nsqd->longest_body =
        source_longest_body(&channel->source, simulator->lines.count);
    channel_init(channel);
    nsqd->fd = listener_open(port, &nsqd->port);
    if (nsqd->fd < 0)
        return -1;
    return simulator_watch(simulator, nsqd->fd, nsqd, EPOLLIN);
}

static int start_http_and_signals(struct simulator *simulator)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    simulator->signals.fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    simulator->http.fd =
        listener_open(simulator->options.http_port, &simulator->http_port);
    if (simulator->signals.fd < 0 || simulator->http.fd < 0)
        return -1;
    if (simulator_watch(simulator, simulator->signals.fd, &simulator->signals,
                        EPOLLIN) < 0)
        return -1;
    return simulator_watch(simulator, simulator->http.fd, &simulator->http,
                           EPOLLIN);
}

static bool read_script(struct simulator *simulator)
{
    uint8_t text[512];
    struct bytes_writer complaint = bytes_writer_on(text, sizeof(text) - 1);
    struct lines script = { 0 };
    int result;

    if (!simulator->options.script)
        return true;
    result = lines_read(&script, simulator->options.script);
    if (result < 0) {
        fprintf(stderr, "nsq_simulator: cannot read %s: %s\n",
                simulator->options.script, strerror(-result));
        return false;
    }
    if (!script_add(simulator->script, bytes_of(script.text, script.length), 0,
                    &complaint)) {
        text[complaint.length] = '\0';
        fprintf(stderr, "nsq_simulator: script: %s\n", (const char *)text);
        result = -EINVAL;
    }
    lines_deinit(&script);
    return result == 0;
}

static bool read_files(struct simulator *simulator)
{
    struct simulator_options *options = &simulator->options;
    const char *path = options->input;
    int result = 0;

    if (options->input)
        result = lines_read(&simulator->lines, options->input);
    if (result == 0 && options->input &&
        options->count > simulator->lines.count)
        options->count = simulator->lines.count;
    if (result == 0 && options->history) {
        path = options->history;
        result = history_open(&simulator->history, path);
    }
    if (result < 0)
        fprintf(stderr, "nsq_simulator: cannot open %s: %s\n", path,
                strerror(-result));
    return result == 0;
}

static bool start(struct simulator *simulator)
{
    uint64_t count = simulator->options.nsqd_count;
    uint64_t id_time = source_id_time(clock_wall_time().ns);

    simulator->started = clock_monotonic();
    simulator->epoll = epoll_create1(EPOLL_CLOEXEC);
    simulator->nsqds = calloc(count, sizeof(struct nsqd));
    simulator->script = calloc(1, sizeof(struct script));
    if (simulator->epoll < 0 || !simulator->nsqds || !simulator->script) {
        failure("cannot start");
        return false;
    }
    simulator->script->nsqds = simulator->nsqds;
    simulator->script->nsqd_count = count;
    if (!read_files(simulator))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        if (start_nsqd(simulator, i, id_time) < 0) {
            failure("cannot listen");
            return false;
        }
    }
    if (start_http_and_signals(simulator) < 0) {
        failure("cannot listen");
        return false;
    }
    return read_script(simulator);
}

static void announce(const struct simulator *simulator)
{
    printf("listening tcp=");
    for (uint64_t i = 0; i < simulator->options.nsqd_count; i++)
        printf("%s%u", i > 0 ? "," : "", simulator->nsqds[i].port);
    printf(" http=%u\n", simulator->http_port);
    fflush(stdout);
}

/* --- end */

static bool is_done(const struct simulator *simulator)
{
    for (uint64_t i = 0; i < simulator->options.nsqd_count; i++) {
        if (!channel_is_done(&simulator->nsqds[i].channel))
            return false;
    }
    return true;
}

/* From handing a message over to its FIN, first deliveries only. */
static void put_latencies(struct bytes_writer *json,
                          const struct latency_histogram *waits)
{
    static const struct {
        const char *name;
        unsigned per_mille;
    } rows[] = {
        { "p50", 500 }, { "p99", 990 }, { "p999", 999 }, { "max", 1000 }
    };

    bytes_put_text(json, ",\"latency_us\":{");
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        bytes_put_text(json, i > 0 ? ",\"" : "\"");
        bytes_put_text(json, rows[i].name);
        bytes_put_text(json, "\":");
        bytes_put_decimal(json,
                          latency_histogram_quantile(waits, rows[i].per_mille));
    }
    bytes_put_byte(json, '}');
}

static void summarize(const struct simulator *simulator)
{
    uint8_t text[1024];
    struct bytes_writer json = bytes_writer_on(text, sizeof(text));
    double seconds = 0;
    uint64_t finished = 0;

    if (simulator->first_sent.ns != 0)
        seconds = (double)monotonic_between(simulator->first_sent,
                                            clock_monotonic()) /
                  NS_PER_SECOND;
    for (uint64_t i = 0; i < simulator->options.nsqd_count; i++)
        finished += simulator->nsqds[i].channel.counters.finished;
    http_put_counters(&json, simulator->nsqds, simulator->options.nsqd_count);
    put_latencies(&json, &simulator->latencies.waits);
    printf("{\"done\":%s,\"messages\":%" PRIu64 ",\"seconds\":%.6f,"
           "\"messages_per_second\":%.0f,%.*s}\n",
           is_done(simulator) ? "true" : "false", finished, seconds,
           seconds > 0 ? (double)finished / seconds : 0.0, (int)json.length,
           (const char *)json.data);
}

static bool is_late(const struct simulator *simulator)
{
    int64_t passed_ns =
        monotonic_between(simulator->started, clock_monotonic());

    return simulator->options.deadline_s > 0 &&
           passed_ns / NS_PER_SECOND >= (int64_t)simulator->options.deadline_s;
}

static int run(struct simulator *simulator)
{
    bool has_more = false;

    for (;;) {
        struct channel_time now = simulator_time(simulator);

        has_more = simulator_turn(
            simulator, has_more ? 0 : simulator_wait_ns(simulator, &now));
        if (simulator->is_stopped)
            return EXIT_SUCCESS;
        if (simulator->options.exits_when_done && is_done(simulator))
            return EXIT_SUCCESS;
        if (is_late(simulator))
            return EXIT_DEADLINE;
    }
}

static void stop(struct simulator *simulator)
{
    for (uint64_t i = 0; simulator->nsqds && i < simulator->options.nsqd_count;
         i++) {
        while (simulator->nsqds[i].connections)
            connection_free(simulator->nsqds[i].connections);
        channel_deinit(&simulator->nsqds[i].channel);
    }
    history_close(&simulator->history);
    lines_deinit(&simulator->lines);
    free(simulator->nsqds);
    free(simulator->script);
}

int main(int argc, char *argv[])
{
    struct simulator simulator = { .history.fd = -1,
                                   .http.watch = WATCH_HTTP,
                                   .signals.watch = WATCH_SIGNAL };
    int status;

    if (!simulator_options_parse(&simulator.options, argc, argv, &status))
        return status;
    status = EXIT_FAILURE;
    if (start(&simulator)) {
        announce(&simulator);
        status = run(&simulator);
        summarize(&simulator);
    }
    stop(&simulator);
    return status;
}
