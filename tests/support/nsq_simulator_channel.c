/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/nsq_simulator_channel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"

static bool queue_push(struct channel_queue *queue,
                       const struct channel_return *entry)
{
    if (queue->count == queue->capacity) {
        size_t capacity = queue->capacity ? queue->capacity * 2 : 1024;
        struct channel_return *grown = calloc(capacity, sizeof(*grown));

        if (!grown)
            return false;
        for (size_t i = 0; i < queue->count; i++)
            grown[i] =
                queue->returns[(queue->first + i) & (queue->capacity - 1)];
        free(queue->returns);
        *queue = (struct channel_queue){ .returns = grown,
                                         .capacity = capacity,
                                         .count = queue->count };
    }
    queue->returns[(queue->first + queue->count) & (queue->capacity - 1)] =
        *entry;
    queue->count++;
    return true;
}

static struct channel_return queue_pop(struct channel_queue *queue)
{
    struct channel_return head = queue->returns[queue->first];

    queue->first = (queue->first + 1) & (queue->capacity - 1);
    queue->count--;
    return head;
}

void channel_init(struct channel *channel)
{
    channel->hold_at = UINT64_MAX;
    channel_publish(channel, 0);
}

void channel_deinit(struct channel *channel)
{
    flight_table_deinit(&channel->flights);
    free(channel->tail.returns);
    free(channel->copies.returns);
}

void channel_add_consumer(struct channel *channel,
                          struct channel_consumer *consumer,
                          const struct channel_time *now)
{
    if (channel->started_ns == 0)
        channel->started_ns = now->wall_ns;
    consumer->next = channel->consumers;
    channel->consumers = consumer;
}

void channel_remove_consumer(struct channel *channel,
                             struct channel_consumer *consumer)
{
    struct channel_consumer **link = &channel->consumers;

    while (*link && *link != consumer)
        link = &(*link)->next;
    if (*link)
        *link = consumer->next;
}

/* When the publisher publishes message `number`, in ns after the start. */
static int64_t due_ns(const struct channel *channel, uint64_t number)
{
    const struct source_options *options = &channel->source.options;
    unsigned __int128 global =
        (unsigned __int128)number * options->nsqd_count + options->nsqd_index;

    return (int64_t)((global + 1) * (unsigned __int128)NS_PER_SECOND /
                     channel->rate);
}

static uint64_t published_until(const struct channel *channel, int64_t wall_ns)
{
    const struct source_options *options = &channel->source.options;
    int64_t passed_ns = wall_ns - channel->started_ns;
    unsigned __int128 global;

    if (channel->rate == 0)
        return channel->next + channel->backlog;
    if (channel->started_ns == 0 || passed_ns < 0)
        return 0;
    global = (unsigned __int128)passed_ns * channel->rate / NS_PER_SECOND;
    if (global <= options->nsqd_index)
        return 0;
    return (uint64_t)((global - options->nsqd_index - 1) /
                      options->nsqd_count) +
           1;
}

void channel_publish(struct channel *channel, int64_t wall_ns)
{
    uint64_t published = published_until(channel, wall_ns);

    if (published > channel->count)
        published = channel->count;
    if (published > channel->published)
        channel->published = published;
}

int64_t channel_next_publishing(const struct channel *channel, int64_t wall_ns)
{
    int64_t wait_ns;

    if (channel->rate == 0 || channel->started_ns == 0 ||
        channel->published >= channel->count)
        return INT64_MAX;
    wait_ns =
        channel->started_ns + due_ns(channel, channel->published) - wall_ns;
    return wait_ns > 0 ? wait_ns : 0;
}

static void write_fact(const struct channel *channel,
                       const struct channel_consumer *consumer,
                       const char *what, uint64_t number, uint16_t attempts)
{
    if (!history_is_kept(channel->history))
        return;
    history_write(channel->history,
                  &(struct history_fact){
                      .what = what,
                      .nsqd = channel->source.options.nsqd_index,
                      .connection = consumer ? consumer->connection : 0,
                      .attempts = attempts,
                      .source = &channel->source,
                      .number = number });
}

/* --- sending */

static void send_flight(struct channel *channel,
                        struct channel_consumer *consumer,
                        const struct channel_time *now, uint64_t number,
                        struct flight *flight)
{
    flight->state = FLIGHT_SENT;
    flight->attempts++;
    flight->connection = consumer->connection;
    flight->delivered_ms = now->now_ms;
    if (channel->latencies)
        flight->delivered_us = channel->latencies->now_us;
    flight_set_deadline(&channel->flights, number,
                        now->now_ms + (uint32_t)consumer->msg_timeout_ms);
}

static int take_new(struct channel *channel, struct channel_consumer *consumer,
                    const struct channel_time *now,
                    struct channel_delivery *delivery)
{
    uint64_t number = channel->next;
    struct flight *flight = flight_add(&channel->flights, number);
    int64_t timestamp_ns = now->wall_ns;

    if (!flight)
        return -ENOMEM;
    if (channel->rate != 0)
        timestamp_ns = channel->started_ns + due_ns(channel, number);
    flight->timestamp_ns = timestamp_ns;
    send_flight(channel, consumer, now, number, flight);
    channel->next++;
    *delivery = (struct channel_delivery){ number, timestamp_ns, 1 };
    if (channel->twins_wanted > 0) {
        struct channel_return twin = { number,
                                       channel->next + channel->twin_distance,
                                       timestamp_ns };

        channel->twins_wanted--;
        if (!queue_push(&channel->copies, &twin))
            return -ENOMEM;
    }
    return 0;
}

static int take_again(struct channel *channel,
                      struct channel_consumer *consumer,
                      const struct channel_time *now,
                      struct channel_delivery *delivery)
{
    uint64_t number = queue_pop(&channel->tail).number;
    struct flight *flight = flight_find(&channel->flights, number);

    send_flight(channel, consumer, now, number, flight);
    channel->counters.redelivered++;
    *delivery = (struct channel_delivery){ number, flight->timestamp_ns,
                                           flight->attempts };
    return 0;
}

/* The copy of a message whose FIN was lost in a crash is in flight anew. */
static int take_copy(struct channel *channel, struct channel_consumer *consumer,
                     const struct channel_time *now,
                     struct channel_delivery *delivery)
{
    struct channel_return twin = queue_pop(&channel->copies);

    if (!flight_find(&channel->flights, twin.number)) {
        struct flight *flight = flight_add(&channel->flights, twin.number);

        if (!flight)
            return -ENOMEM;
        flight->timestamp_ns = twin.timestamp_ns;
        flight->renewed = 1;
        send_flight(channel, consumer, now, twin.number, flight);
    }
    channel->counters.twins++;
    *delivery = (struct channel_delivery){ twin.number, twin.timestamp_ns, 1 };
    return 0;
}

/* True if the next new message must wait until no id is in flight. */
static bool waits_for_old_ids(struct channel *channel)
{
    uint64_t back = channel->old_ids_wanted;

    if (back == 0)
        return false;
    if (channel->flights.count > 0 || channel->copies.count > 0)
        return true;
    source_repeat_ids(&channel->source,
                      back < channel->next ? back : channel->next);
    channel->old_ids_wanted = 0;
    return false;
}

static bool is_due(const struct channel *channel,
                   const struct channel_queue *queue)
{
    return queue->count > 0 &&
           (queue->returns[queue->first].after <= channel->next ||
            channel->next >= channel->published);
}

int channel_take(struct channel *channel, struct channel_consumer *consumer,
                 const struct channel_time *now,
                 struct channel_delivery *delivery)
{
    int result;

    if (consumer->in_flight >= consumer->rdy || channel->paused ||
        channel->counters.sent >= channel->hold_at)
        return CHANNEL_NOTHING;
    if (is_due(channel, &channel->copies))
        result = take_copy(channel, consumer, now, delivery);
    else if (is_due(channel, &channel->tail))
        result = take_again(channel, consumer, now, delivery);
    else if (channel->next < channel->published && !waits_for_old_ids(channel))
        result = take_new(channel, consumer, now, delivery);
    else
        return CHANNEL_NOTHING;
    if (result != 0)
        return result;
    consumer->in_flight++;
    consumer->sent++;
    channel->counters.sent++;
    write_fact(channel, consumer, "deliver", delivery->number,
               delivery->attempts);
    return 0;
}

/* --- what clients say about messages */

/* Find what the consumer speaks of, and note it if that is not its own. */
static int find_sent(struct channel *channel, struct channel_consumer *consumer,
                     const uint8_t *id, const char *failure, uint64_t *number,
                     struct flight **flight)
{
    bool known = source_find_id(&channel->source, id, number);
    struct flight *found =
        known ? flight_find(&channel->flights, *number) : NULL;
    bool is_sent = found && found->state == FLIGHT_SENT;

    if (is_sent && found->connection == consumer->connection) {
        *flight = found;
        return 0;
    }
    history_write(
        channel->history,
        &(struct history_fact){ .what = failure,
                                .nsqd = channel->source.options.nsqd_index,
                                .connection = consumer->connection,
                                .attempts = found ? found->attempts : 0,
                                .id = id,
                                .source = found ? &channel->source : NULL,
                                .number = *number });
    return is_sent ? CHANNEL_NOT_OWNER : CHANNEL_NOT_IN_FLIGHT;
}

int channel_finish(struct channel *channel, struct channel_consumer *consumer,
                   const uint8_t *id)
{
    uint64_t number = 0;
    struct flight *flight;
    int result =
        find_sent(channel, consumer, id, "fin_failed", &number, &flight);

    if (result != 0) {
        channel->counters.failed_fins++;
        return result;
    }
    write_fact(channel, consumer, "fin", number, flight->attempts);
    if (flight->renewed)
        channel->counters.finished_again++;
    else
        channel->counters.finished++;
    if (channel->latencies && flight->attempts == 1)
        latency_histogram_add(&channel->latencies->waits,
                              channel->latencies->now_us -
                                  flight->delivered_us);
    consumer->finished++;
    consumer->in_flight--;
    flight_remove(&channel->flights, number);
    return 0;
}

/* Back into the channel, behind all that is published. */
static int put_back(struct channel *channel, uint64_t number,
                    struct flight *flight)
{
    struct channel_return entry = { number, channel->published,
                                    flight->timestamp_ns };

    flight->state = FLIGHT_WAITING;
    return queue_push(&channel->tail, &entry) ? 0 : -ENOMEM;
}

int channel_requeue(struct channel *channel, struct channel_consumer *consumer,
                    const uint8_t *id, uint64_t delay_ms,
                    const struct channel_time *now)
{
    uint64_t number = 0;
    struct flight *flight;
    int result =
        find_sent(channel, consumer, id, "req_failed", &number, &flight);

    if (result != 0) {
        channel->counters.failed_reqs++;
        return result;
    }
    write_fact(channel, consumer, "req", number, flight->attempts);
    channel->counters.requeued++;
    consumer->in_flight--;
    if (delay_ms == 0)
        return put_back(channel, number, flight);
    flight->state = FLIGHT_DEFERRED;
    flight_set_deadline(&channel->flights, number,
                        now->now_ms + (uint32_t)delay_ms);
    return 0;
}

int channel_touch(struct channel *channel, struct channel_consumer *consumer,
                  const uint8_t *id, const struct channel_time *now)
{
    uint64_t number = 0;
    struct flight *flight;
    int result =
        find_sent(channel, consumer, id, "touch_failed", &number, &flight);
    int64_t deadline_ms, latest_ms;

    if (result != 0) {
        channel->counters.failed_touches++;
        return result;
    }
    write_fact(channel, consumer, "touch", number, flight->attempts);
    channel->counters.touched++;
    deadline_ms = (int64_t)now->now_ms + consumer->msg_timeout_ms;
    latest_ms = (int64_t)flight->delivered_ms + channel->max_msg_timeout_ms;
    flight_set_deadline(
        &channel->flights, number,
        (uint32_t)(deadline_ms < latest_ms ? deadline_ms : latest_ms));
    return 0;
}

static struct channel_consumer *find_consumer(const struct channel *channel,
                                              uint32_t connection)
{
    struct channel_consumer *consumer = channel->consumers;

    while (consumer && consumer->connection != connection)
        consumer = consumer->next;
    return consumer;
}

static void expire_flight(void *owner, uint64_t number, struct flight *flight)
{
    struct channel *channel = owner;
    struct channel_consumer *consumer =
        find_consumer(channel, flight->connection);

    if (flight->state == FLIGHT_SENT) {
        channel->counters.timed_out++;
        write_fact(channel, consumer, "time_out", number, flight->attempts);
        if (consumer)
            consumer->in_flight--;
    }
    if (put_back(channel, number, flight) != 0) {
        fprintf(stderr, "nsq_simulator: no memory for a redelivery\n");
        exit(1);
    }
}

void channel_expire(struct channel *channel, uint32_t now_ms)
{
    flight_table_expire(&channel->flights, now_ms, expire_flight, channel);
}

bool channel_is_done(const struct channel *channel)
{
    return channel->counters.finished == channel->count &&
           channel->flights.count == 0 && channel->copies.count == 0;
}
