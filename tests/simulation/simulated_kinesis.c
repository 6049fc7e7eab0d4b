/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/simulation/simulated_kinesis.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "egress/http_client.h"
#include "tests/simulation/judge.h"
#include "tests/simulation/real_memory.h"
#include "tests/simulation/schedule.h"
#include "tests/simulation/simulated_system.h"
#include "tests/simulation/stored_records.h"

#define FLIGHTS_MOST     65536
#define SLOTS_MOST       16
#define SHARDS_OPEN_MOST 6
#define RECORD_KIB       16

enum flight_course {
    FLIGHT_LEFT,  /* on its way, or being answered */
    FLIGHT_DUE,   /* there is a reply, or a failure, to be taken */
    FLIGHT_TAKEN, /* the sender reads it */
    FLIGHT_OVER,  /* settled, forgotten, or its sender is dead */
};

/* One request. */
struct flight {
    uint64_t life; /* the sender */
    unsigned slot;
    enum flight_course course;
    int64_t sent;
    int64_t deadline;
    char target[96];
    char content_type[64];
    uint8_t *body;
    size_t body_length;
    int64_t listed_at; /* when its sender had asked for the shards last */
    bool is_faithful;  /* the reply says what happened */
    bool is_doubtful;  /* it names a shard that the sender may not know */
    uint8_t *reply;
    size_t reply_length;
    int status;
    const char *reply_type;
    enum http_failure failure;
    bool definite;
    size_t *stored; /* numbers of messages */
    size_t stored_count;
};

struct http_client {
    uint64_t life;
    int64_t timeout_ns;
    int64_t listed_at;
    struct flight *slots[SLOTS_MOST]; /* NULL: idle */
};

static struct simulator simulator;
static struct simulator_reply writing;
static struct flight *flights[FLIGHTS_MOST];
static size_t flight_count;
static size_t seen[SIMULATOR_RULES_MOST]; /* records by shard */
static int64_t hidden_until;
static uint32_t first_shards; /* those that every sender knows */
static bool has_resharded;
static bool has_lied; /* a reply may name a shard that there is not */

static struct simulator_moment moment(void)
{
    return (struct simulator_moment){
        .now = clock_monotonic(),
        .epoch_ms = clock_wall_time().ns / NS_PER_MS,
        .number = &simulator.number,
    };
}

void simulated_kinesis_begin(uint64_t seed, uint32_t shard_count)
{
    struct simulator_moment now;

    simulator_init(&simulator, seed);
    simulator.verifier.region = "us-east-1";
    now = moment();
    (void)simulator_add_stream(&simulator, SIMULATED_STREAM, shard_count, &now);
    /* Small records make small rings, and those come round often. */
    simulator.streams->record_kib = RECORD_KIB;
    memset(seen, 0, sizeof(seen));
    hidden_until = 0;
    first_shards = shard_count;
    has_resharded = false;
    has_lied = false;
}

void simulated_kinesis_end(void)
{
    for (size_t i = 0; i < flight_count; i++) {
        free(flights[i]->body);
        free(flights[i]->reply);
        free(flights[i]->stored);
        free(flights[i]);
    }
    flight_count = 0;
    simulator_deinit(&simulator);
}

void simulated_kinesis_on_ended(uint64_t life)
{
    for (size_t i = 0; i < flight_count; i++)
        if (flights[i]->life == life)
            flights[i]->course = FLIGHT_OVER;
}

void simulated_kinesis_script(const char *rule)
{
    has_lied |= strstr(rule, "wrong_shard") || strstr(rule, "unknown_shard");
    if (simulator.script.count > SIMULATOR_RULES_MOST - 8)
        simulator_script_clear(&simulator.script);
    if (simulator_script_add(&simulator.script, bytes_of_text(rule))) {
        fprintf(stderr, "simulate: %s\n", simulator.script.complaint);
        abort();
    }
}

void simulated_kinesis_hide(int64_t until)
{
    hidden_until = until;
}

void simulated_kinesis_heal(void)
{
    simulator_script_clear(&simulator.script);
}

void simulated_kinesis_reshard(void)
{
    struct simulator_stream *stream = simulator.streams;
    uint32_t place = (uint32_t)chance(stream->open_count);
    uint32_t index = stream->open[place];
    struct simulator_moment now = moment();

    has_resharded = true;
    if (stream->open_count == SHARDS_OPEN_MOST ||
        (stream->open_count > 1 && chance(2) == 0)) {
        uint32_t next =
            stream
                ->open[place + 1 < stream->open_count ? place + 1 : place - 1];

        (void)simulator_stream_merge(stream, index, next, &now);
    } else {
        (void)simulator_stream_split(
            stream, index, simulator_shard_middle(stream->shards[index]), &now);
    }
    schedule_note("reshard", stream->shard_count, stream->open_count);
}

/* --- the judge's eye on the stream */

/*
 * Such a record is accepted when the sender has listed the shards; and after a
 * lie about them, when it has lost patience with the lists.
 */
static bool is_news(const struct simulator_shard *shard,
                    const struct flight *flight)
{
    return shard->index >= first_shards &&
           (has_lied || shard->created_ms * NS_PER_MS >=
                            SIMULATED_EPOCH_NS + flight->listed_at);
}

static void show_record(const struct simulator_shard *shard,
                        const struct simulator_record *record,
                        struct flight *flight)
{
    static struct stored_record records[STORED_RECORDS_MOST];
    struct bytes key = bytes_of(record->bytes, record->key_length);
    struct bytes data =
        bytes_of(record->bytes + record->key_length, record->data_length);
    size_t count = stored_records_read(key, data, records);
    struct copy copy = {
        .sent = flight ? flight->sent : 0,
        .company = XXH3_64bits(record->bytes,
                               record->key_length + record->data_length),
        .is_movable = has_resharded,
    };

    schedule_note("record", shard->index, count);
    if (count == 0)
        judge_accuse("altered", 0);
    for (size_t i = 0; i < count; i++)
        if (records[i].hash < shard->first_hash ||
            records[i].hash > shard->last_hash) {
            judge.discarded++;
            schedule_note("discarded", shard->index, count);
            return;
        }
    for (size_t i = 0; i < count; i++) {
        struct message *message = judge_find(records[i].data);

        if (!message)
            return;
        copy.key = records[i].key;
        judge_on_stored(message, &copy);
        if (!flight)
            continue;
        flight->is_doubtful |= is_news(shard, flight);
        flight->stored = realloc(flight->stored, (flight->stored_count + 1) *
                                                     sizeof(*flight->stored));
        flight->stored[flight->stored_count++] = judge_number(message);
    }
}

/* `flight` is NULL for what lands late: its sender never hears of it. */
static void show_news(struct flight *flight)
{
    const struct simulator_stream *stream = simulator.streams;

    for (uint32_t i = 0; i < stream->shard_count; i++) {
        const struct simulator_shard *shard = stream->shards[i];

        while (seen[i] < shard->kept_count)
            show_record(shard, shard->kept[seen[i]++], flight);
    }
}

/* --- a request's course */

static void forget(struct flight *flight)
{
    flight->course = FLIGHT_OVER;
}

static void make_due(struct flight *flight)
{
    struct process *sender = process_of(flight->life);

    if (flight->course != FLIGHT_LEFT || !sender)
        return;
    flight->course = FLIGHT_DUE;
    process_wake(sender);
}

static void on_timeout(uint64_t number, uint64_t unused)
{
    struct flight *flight = flights[number];

    (void)unused;
    if (flight->course != FLIGHT_LEFT)
        return;
    flight->failure = HTTP_TIMED_OUT;
    flight->definite = false;
    make_due(flight);
}

static void on_reply(uint64_t number, uint64_t unused)
{
    (void)unused;
    make_due(flights[number]);
}

static void on_late(uint64_t first, uint64_t second)
{
    (void)first;
    (void)second;
    simulator_late_land(&simulator, clock_monotonic(), clock_wall_time());
    show_news(NULL);
}

static void cut(struct flight *flight)
{
    flight->failure = HTTP_CUT;
    flight->definite = false;
    flight->is_faithful = false;
}

static void keep_reply(struct flight *flight,
                       const struct simulator_exchange *exchange)
{
    struct bytes body = simulator_reply_body(&writing);

    flight->status = exchange->status;
    flight->reply_type = exchange->content_type;
    flight->reply_length = body.length;
    flight->reply = malloc(body.length + 1);
    memcpy(flight->reply, body.data, body.length);
}

static void on_arrival(uint64_t number, uint64_t unused)
{
    struct flight *flight = flights[number];
    uint64_t faults = simulator.statistics.faults;
    struct simulator_http_request request = {
        .method = bytes_of_text("POST"),
        .path = bytes_of_text("/"),
        .header_count = 2,
        .headers = { { bytes_of_text("content-type"),
                       bytes_of_text(flight->content_type) },
                     { bytes_of_text("x-amz-target"),
                       bytes_of_text(flight->target) } },
    };
    struct simulator_exchange exchange = {
        .request = &request,
        .body = flight->body,
        .body_length = flight->body_length,
        .now = clock_monotonic(),
        .wall = clock_wall_time(),
        .id = number,
        .reply = &writing,
    };

    (void)unused;
    /* Its sender died: the kernel may have sent it nevertheless. */
    if (!process_of(flight->life) && chance(2) == 0)
        return;
    simulator_answer(&simulator, &exchange);
    show_news(flight);
    flight->is_faithful = simulator.statistics.faults == faults;
    keep_reply(flight, &exchange);
    if (simulator.late)
        schedule_at(simulator.late->due.ns + 1, on_late, 0, 0);
    schedule_note("answered", number, (uint64_t)exchange.status);
    if (exchange.ending == SIMULATOR_ENDING_HOLD)
        return;
    if (exchange.ending != SIMULATOR_ENDING_SEND)
        cut(flight);
    schedule_at(schedule.now + exchange.delay_ns + NS_PER_MS +
                    (int64_t)chance(15 * NS_PER_MS),
                on_reply, number, 0);
}

/* --- http_client.h */

int http_client_new(const struct http_client_settings *settings,
                    struct http_client **client)
{
    struct http_client *made = calloc(1, sizeof(*made));

    assert(settings->slot_count <= SLOTS_MOST);
    made->life = schedule.current->life;
    made->timeout_ns = settings->request_timeout_ns;
    *client = made;
    return 0;
}

/* What the sender knows when it has dealt with this reply. */
static void learn(struct http_client *client, const struct flight *flight)
{
    if (flight->failure || !flight->is_faithful || flight->status != 200)
        return;
    if (strstr(flight->target, "ListShards"))
        client->listed_at = flight->sent;
    schedule_note("heard", flight->stored_count, flight->is_doubtful);
    if (flight->is_doubtful)
        return;
    for (size_t i = 0; i < flight->stored_count; i++)
        judge_on_heard(&judge.messages[flight->stored[i]]);
}

/* The caller comes back: it has dealt with the replies it took. */
static void settle(struct http_client *client)
{
    for (unsigned i = 0; i < SLOTS_MOST; i++) {
        struct flight *flight = client->slots[i];

        if (!flight || flight->course != FLIGHT_TAKEN)
            continue;
        learn(client, flight);
        forget(flight);
        client->slots[i] = NULL;
    }
}

static void copy_header(struct flight *flight, const char *header)
{
    static const char target[] = "X-Amz-Target: ";
    static const char type[] = "Content-Type: ";

    if (strncasecmp(header, target, sizeof(target) - 1) == 0)
        (void)snprintf(flight->target, sizeof(flight->target), "%s",
                       header + sizeof(target) - 1);
    if (strncasecmp(header, type, sizeof(type) - 1) == 0)
        (void)snprintf(flight->content_type, sizeof(flight->content_type), "%s",
                       header + sizeof(type) - 1);
}

int http_client_start(struct http_client *client, unsigned slot,
                      const struct http_request *request)
{
    struct flight *flight = __real_calloc(1, sizeof(*flight));
    uint64_t number = flight_count;

    settle(client);
    assert(!client->slots[slot] && flight_count < FLIGHTS_MOST);
    flights[flight_count++] = flight;
    client->slots[slot] = flight;
    flight->life = client->life;
    flight->slot = slot;
    flight->sent = schedule.now;
    flight->listed_at = client->listed_at;
    for (size_t i = 0; i < request->header_count; i++)
        copy_header(flight, request->headers[i]);
    flight->body_length = request->body.length;
    flight->body = __real_malloc(request->body.length + 1);
    memcpy(flight->body, request->body.data, request->body.length);
    schedule_note("request", number, schedule.current->place);
    if (schedule.now < hidden_until) {
        flight->failure = HTTP_UNREACHABLE;
        flight->definite = true;
        schedule_at(schedule.now + NS_PER_MS, on_reply, number, 0);
        return 0;
    }
    schedule_at(schedule.now + 200 * NS_PER_US + (int64_t)chance(3 * NS_PER_MS),
                on_arrival, number, 0);
    schedule_at(schedule.now + client->timeout_ns, on_timeout, number, 0);
    return 0;
}

void http_client_cancel(struct http_client *client, unsigned slot)
{
    if (client->slots[slot])
        forget(client->slots[slot]);
    client->slots[slot] = NULL;
}

bool http_client_is_idle(const struct http_client *client, unsigned slot)
{
    return !client->slots[slot] || client->slots[slot]->course > FLIGHT_DUE;
}

int http_client_turn(struct http_client *client)
{
    int due = 0;

    schedule_step();
    settle(client);
    for (unsigned i = 0; i < SLOTS_MOST; i++)
        due += client->slots[i] && client->slots[i]->course == FLIGHT_DUE;
    return due;
}

bool http_client_next(struct http_client *client, struct http_reply *reply)
{
    settle(client);
    for (unsigned i = 0; i < SLOTS_MOST; i++) {
        struct flight *flight = client->slots[i];

        if (!flight || flight->course != FLIGHT_DUE)
            continue;
        flight->course = FLIGHT_TAKEN;
        *reply = (struct http_reply){
            .slot = i,
            .failure = flight->failure,
            .definite = flight->definite,
            .explanation = flight->failure ? "simulated" : "",
            .status = flight->status,
            .body = bytes_of(flight->reply, flight->reply_length),
            .content_type = flight->reply_type ? flight->reply_type : "",
            .request_id = "",
            .total_ns = schedule.now - flight->sent,
            .attempts = flight->definite ? 0 : 1,
        };
        return true;
    }
    return false;
}

static bool is_due(const struct http_client *client)
{
    for (unsigned i = 0; i < SLOTS_MOST; i++)
        if (client->slots[i] && client->slots[i]->course == FLIGHT_DUE)
            return true;
    return false;
}

static bool is_readable(int descriptor)
{
    if (descriptor == LIFELINE_DESCRIPTOR)
        return simulated_lifeline_is_readable(schedule.current->place);
    return descriptor >= WAKEUP_DESCRIPTOR_EGRESS &&
           descriptor < WAKEUP_DESCRIPTOR_INGEST + WAKEUP_DESCRIPTOR_COUNT &&
           simulated_wakeup_is_set(descriptor);
}

/* Returns how many of them are readable. */
static int look_at(struct http_watch *watches, size_t count)
{
    int readable = 0;

    for (size_t i = 0; i < count; i++) {
        watches[i].is_readable = is_readable(watches[i].descriptor);
        readable += watches[i].is_readable;
    }
    return readable;
}

int http_client_wait(struct http_client *client, struct http_watch *watches,
                     size_t watch_count, int timeout_ms)
{
    int64_t end = schedule.now + timeout_ms * NS_PER_MS;

    settle(client);
    schedule_step();
    while (look_at(watches, watch_count) == 0 && !is_due(client) &&
           schedule.now < end)
        process_sleep(end);
    return is_due(client);
}

void http_client_free(struct http_client *client)
{
    for (unsigned i = 0; client && i < SLOTS_MOST; i++)
        http_client_cancel(client, i);
}

const char *http_failure_name(enum http_failure failure)
{
    return failure ? "simulated" : "none";
}
