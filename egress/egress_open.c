/* SPDX-License-Identifier: Apache-2.0 */

/*
 * egress_open - a worker's beginning and end: what it attaches to, in order.
 */

#include "egress/egress.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/child_signals.h"
#include "common/error.h"
#include "common/lifeline.h"
#include "shard/segment_name.h"

int egress_new_session(const struct options *options, unsigned slot_count,
                       struct kinesis_session **session)
{
    const struct kinesis_session_settings settings = {
        .environment = getenv,
        .region = options->region,
        .endpoint_url = options->endpoint_url,
        .profile = options->profile,
        .ca_file = options->ca_file,
        .slot_count = slot_count,
        .request_timeout_ns = options->request_timeout,
    };
    int result = kinesis_session_new(&settings, session);

    if (result == KINESIS_SESSION_CONFIGURATION)
        (void)error_sentence(-EINVAL, "%s",
                             kinesis_session_complaint(*session));
    return result;
}

/* Worker i of n owns the queues whose index leaves i when divided by n. */
static int open_senders(struct egress *egress)
{
    size_t workers = egress->options->egress_workers;

    egress->senders = calloc(egress->layout.queue_count / workers + 1,
                             sizeof(*egress->senders));
    if (!egress->senders)
        return error_origin(-ENOMEM, "cannot keep the queues");
    for (size_t i = egress->worker; i < egress->layout.queue_count;
         i += workers) {
        struct segment_name name = segment_name_of_queue(
            egress->options->name, egress->layout.generation, (uint32_t)i);
        struct queue_sender *sender = &egress->senders[egress->sender_count++];
        struct queue_plan plan = layout_plan_of(&egress->layout, i);
        int result = queue_sender_open(name.text, &egress->layout.queues[i],
                                       egress->worker, sender);

        if (result == 0 && !queue_segment_is(&sender->consumer.segment, &plan))
            result = QUEUE_CORRUPT;
        if (result > 0)
            return queue_complain(result, "another worker reads", name.text);
        if (result < 0)
            return result;
    }
    counter_set(&egress->counters->queues_owned, egress->sender_count);
    return 0;
}

static int open_segments(struct egress *egress)
{
    const char *bridge = egress->options->name;
    struct segment_name layout = segment_name_of(bridge, "layout");
    struct segment_name wakeup = segment_name_of(bridge, "wakeup");
    int result = egress_counters_open(
        bridge, egress->worker, &egress->counters_memory, &egress->counters);

    if (result == 0)
        result = layout_attach(layout.text, &egress->layout);
    if (result == 0)
        result =
            wakeup_open(wakeup.text, &egress->wakeup_memory, &egress->wakeups);
    if (result == 0)
        result = open_senders(egress);
    return result;
}

/* The body of a request holds at least one record of the largest size. */
static size_t request_size(const struct egress *egress)
{
    size_t size = egress->options->request_size;

    if (size < egress->layout.max_record_size)
        size = egress->layout.max_record_size;
    return size < KINESIS_REQUEST_BYTES_MOST ? size
                                             : KINESIS_REQUEST_BYTES_MOST;
}

/*
 * The tag counts as a part of its record, so an aggregate stays that much
 * below what the stream takes.
 */
static size_t aggregate_size(const struct egress *egress)
{
    size_t most = egress->layout.max_record_size - REQUEST_TAG_MOST;

    return egress->options->aggregate_size < most
               ? egress->options->aggregate_size
               : most;
}

static int open_encoder(struct egress *egress)
{
    struct batch_encoder *encoder = &egress->surroundings.encoder;

    encoder->limits = (struct batch_limits){
        .aggregate_size = aggregate_size(egress),
        .record_size = egress->layout.max_record_size,
        .record_count = SIZE_MAX,
    };
    encoder->capacity = egress->layout.max_record_size + 4096;
    encoder->place =
        malloc(request_place_size(request_size(egress), encoder->capacity));
    encoder->aggregator = &egress->aggregator;
    egress->slots =
        calloc(KEY_INDEX_SLOTS(EGRESS_KEY_SLOTS), sizeof(*egress->slots));
    if (!encoder->place || !egress->slots)
        return error_origin(-ENOMEM, "no memory for aggregates");
    aggregator_init(&egress->aggregator, egress->slots, EGRESS_KEY_SLOTS);
    egress->surroundings.stream = bytes_of_text(egress->options->stream);
    egress->surroundings.instance = egress->layout.instance;
    return 0;
}

static int open_requests(struct egress *egress)
{
    egress->format = strcmp(egress->options->protocol, "json") == 0
                         ? PUT_RECORDS_JSON
                         : PUT_RECORDS_CBOR;
    for (unsigned i = 0; i < EGRESS_REQUESTS; i++) {
        int result =
            request_init(&egress->requests[i], i, request_size(egress));

        if (result)
            return result;
    }
    return 0;
}

int egress_open(struct egress *egress, const struct options *options)
{
    int result;

    *egress = (struct egress){
        .options = options,
        .worker = (unsigned)options->worker_index,
        .now = clock_monotonic(),
        .wakeup_memory = SHARED_MEMORY_NULL,
        .counters_memory = SHARED_MEMORY_NULL,
        .signal_descriptor = -1,
        .tls_fails_since = MONOTONIC_NEVER,
        .collector = COLLECTOR_EMPTY,
    };
    random_seed_from_kernel(&egress->random);
    retrier_init(&egress->pause);
    request_times_init(&egress->times, options->status_every);
    result = child_signals_open(&egress->signal_descriptor);
    if (result == 0)
        result = egress_new_session(options, EGRESS_SLOTS, &egress->session);
    if (result == 0)
        result = open_segments(egress);
    if (result == 0)
        result = egress_begin_shards(egress);
    if (result == 0)
        result = open_encoder(egress);
    if (result == 0)
        result = open_requests(egress);
    if (result == 0)
        result = lifeline_send(LIFELINE_DESCRIPTOR, LIFELINE_READY, 0);
    /* A lifeline that is closed already is noticed by the loop. */
    return result == LIFELINE_CLOSED ? 0 : result;
}

void egress_close(struct egress *egress)
{
    kinesis_session_free(egress->session);
    for (size_t i = 0; i < EGRESS_REQUESTS; i++)
        request_deinit(&egress->requests[i]);
    for (size_t i = 0; i < egress->sender_count; i++)
        queue_sender_close(&egress->senders[i]);
    free(egress->senders);
    free(egress->slots);
    egress_end_shards(egress);
    free(egress->surroundings.encoder.place);
    if (egress->wakeups)
        shared_memory_close(&egress->wakeup_memory);
    layout_deinit(&egress->layout);
    shared_memory_close(&egress->counters_memory);
    if (egress->signal_descriptor >= 0)
        (void)close(egress->signal_descriptor);
    *egress = (struct egress){ .signal_descriptor = -1 };
}
