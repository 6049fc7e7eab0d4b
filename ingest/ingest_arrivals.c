/* SPDX-License-Identifier: Apache-2.0 */

/*
 * ingest_arrivals - from completions of the kernel to records in the queues.
 *
 * Bytes are parsed where they lie and copied once, into the queue. When the
 * queue of a message is full, that message and all behind it on its connection
 * are parked in the connection, in their order, and the receive buffer goes
 * back to the kernel: the socket is always read, because nsqd gives up a
 * consumer that does not answer heartbeats.
 */

#include "ingest/ingest_lookups.h"

#include "common/crash_point.h"
#include "common/lifeline.h"
#include "common/seeded_bug.h"

static void note_message(struct ingest *ingest, size_t length)
{
    ingest->record_bytes =
        ready_average(ingest->record_bytes, record_space(length));
    counter_add(&ingest->counters->messages_received, 1);
    counter_add(&ingest->counters->bytes_received, length);
}

/* Returns 0, or INGEST_NOT_YET if the message has to wait. */
int ingest_write_message(struct ingest *ingest, struct nsqd *nsqd,
                         const struct nsq_message *message, uint64_t id)
{
    struct delivery delivery = { .source = nsqd->source,
                                 .incarnation = nsqd->incarnation };
    int result = router_route(&ingest->router, message, &delivery);

    CRASH_POINT(message_known);
    if (result == ROUTER_TOO_LARGE)
        return ingest_refuse_message(ingest, nsqd, message);
    if (result)
        return INGEST_NOT_YET;
    if (SEEDED_BUG(early_fin))
        (void)nsq_connection_finish(&nsqd->connection, &message->id);
    redelivery_on_written(&ingest->redelivery, nsqd->source, id);
    CRASH_POINT(redelivery_known);
    note_message(ingest, message->body.length);
    return 0;
}

/* Returns 0, or INGEST_NOT_YET if the message has to wait. */
static int take_message(struct ingest *ingest, struct nsqd *nsqd,
                        const struct nsq_message *message)
{
    const struct nsq_frame_reader *reader = &nsqd->connection.reader;
    uint64_t id = acknowledgement_id(message->id.text);

    router_look_ahead(&ingest->router, message, nsq_frames_ahead(reader),
                      reader->max_frame_size);
    if (redelivery_is_candidate(&ingest->redelivery, nsqd->source, id))
        return ingest_take_candidate(ingest, nsqd, message, id);
    return ingest_write_message(ingest, nsqd, message, id);
}

static void on_subscribed(struct ingest *ingest, struct nsqd *nsqd,
                          const struct nsq_terms *terms)
{
    log_notice("nsqd_subscribed",
               "nsqd=%s version=%s msg_timeout_ms=%u max_rdy_count=%u",
               nsqd->name, log_quoted(terms->version), terms->msg_timeout_ms,
               terms->max_rdy_count);
    backoff_reset(&nsqd->backoff);
    CRASH_POINT(subscribed);
    nsqd->has_complained = false;
    nsqd->was_subscribed = true;
    ingest->needs_ready = true;
    ingest_plan_touch(ingest);
    counter_add(&ingest->counters->connections_made, 1);
    if (ingest->is_draining)
        (void)nsq_connection_start_close(&nsqd->connection);
}

/* Returns 0, or INGEST_NOT_YET if the arrival has to come again. */
static int take_arrival(struct ingest *ingest, struct nsqd *nsqd,
                        const struct nsq_arrival *arrival)
{
    switch (arrival->kind) {
    case NSQ_ARRIVED_MESSAGE:
        return take_message(ingest, nsqd, &arrival->message);
    case NSQ_ARRIVED_SUBSCRIBED:
        on_subscribed(ingest, nsqd, &arrival->terms);
        return 0;
    case NSQ_ARRIVED_FIN_FAILED:
        counter_add(&ingest->counters->finish_failures, 1);
        return 0;
    case NSQ_ARRIVED_REQ_FAILED:
    case NSQ_ARRIVED_TOUCH_FAILED:
    case NSQ_ARRIVED_CLOSE_WAIT:
        return 0;
    }
    return 0;
}

/*
 * Take what the connection has, until it has no more or a queue is full.
 * Returns how many arrivals were taken; the connection may be lost after it.
 */
int ingest_take_arrivals(struct ingest *ingest, struct nsqd *nsqd)
{
    struct nsq_arrival arrival;
    int taken = 0;
    int result;

    while ((result = nsq_connection_next(&nsqd->connection, &arrival)) == 0) {
        if (take_arrival(ingest, nsqd, &arrival) == INGEST_NOT_YET) {
            nsq_connection_put_back(&nsqd->connection);
            if (!ingest->letter_had_no_room)
                counter_add(&ingest->counters->queues_full, 1);
            ingest->has_parked = true;
            ingest->needs_ready = true;
            break;
        }
        taken++;
    }
    router_look_away(&ingest->router);
    if (result != NSQ_CONNECTION_FAILED)
        result = nsq_connection_keep(&nsqd->connection);
    if (result == NSQ_CONNECTION_FAILED)
        ingest_lose(ingest, nsqd, nsqd->connection.complaint);
    return taken;
}

static void take_nsqd(struct ingest *ingest, struct nsqd *nsqd,
                      const struct io_completion *completion)
{
    switch (completion->kind) {
    case IO_CONNECTED:
        nsqd_on_connected(nsqd, source_table_next_incarnation(&ingest->sources),
                          ingest->now);
        break;
    case IO_RECEIVED:
        nsq_connection_feed(&nsqd->connection, completion->bytes, ingest->now);
        (void)ingest_take_arrivals(ingest, nsqd);
        break;
    case IO_SENT:
        nsqd_on_sent(nsqd);
        break;
    case IO_CLOSED_BY_PEER:
        ingest_lose(ingest, nsqd, "nsqd closed the connection");
        break;
    case IO_CONNECT_FAILED:
    case IO_FAILED:
        ingest_lose(ingest, nsqd, strerror(-completion->error));
        break;
    case IO_NOTHING:
    case IO_READABLE:
        break;
    }
}

static void take_lifeline(struct ingest *ingest)
{
    struct lifeline_message message;
    int result;

    while ((result = lifeline_receive(LIFELINE_DESCRIPTOR, &message)) == 0)
        if (message.kind == LIFELINE_DRAIN)
            ingest_start_draining(ingest);
        else if (message.kind == LIFELINE_PAUSE)
            ingest_pause(ingest);
        else if (message.kind == LIFELINE_RESUME)
            ingest_resume(ingest);
    if (result == LIFELINE_EMPTY || ingest->is_orphan)
        return;
    ingest_resume(ingest); /* the next supervisor knows of no pause */
    ingest->is_orphan = true;
    ingest->orphan_due =
        monotonic_after(ingest->now, ingest->options->orphan_timeout);
    ingest->rejoin_due = monotonic_after(ingest->now, LIFELINE_REJOIN_PAUSE_NS);
    io_unwatch(ingest->io, LIFELINE_DESCRIPTOR);
    log_warning("supervisor_gone", "orphan_timeout_ms=%lld",
                (long long)(ingest->options->orphan_timeout / NS_PER_MS));
}

static void take_completion(struct ingest *ingest,
                            struct io_completion *completion)
{
    size_t index = (uint32_t)completion->tag;

    switch ((enum ingest_tag)(completion->tag >> 32)) {
    case TAG_NSQD:
        assert(index < ingest->nsqd_count);
        take_nsqd(ingest, ingest->nsqds[index], completion);
        break;
    case TAG_LOOKUP:
        ingest_lookups_take(ingest, index, completion);
        break;
    case TAG_POST:
        assert(index < ingest->nsqd_count && ingest->nsqds[index]->post);
        ingest_take_post(ingest, index, completion);
        break;
    case TAG_LIFELINE:
        take_lifeline(ingest);
        break;
    case TAG_SIGNAL:
        io_unwatch(ingest->io, ingest->signal_descriptor);
        ingest_start_draining(ingest);
        break;
    case TAG_RESOLVER:
        ingest_take_resolved(ingest);
        break;
    case TAG_WAKEUP:
        break; /* to be awake was the point */
    }
}

int ingest_take_completions(struct ingest *ingest)
{
    int taken = (int)ingest->completion_count;

    for (size_t i = 0; i < ingest->completion_count; i++) {
        if (ingest->completions[i].kind != IO_NOTHING)
            take_completion(ingest, &ingest->completions[i]);
        io_return(ingest->io, &ingest->completions[i]);
    }
    ingest->completion_count = 0;
    return taken;
}

/* Try again what did not fit; room may have come back since. */
int ingest_take_parked(struct ingest *ingest)
{
    int taken = 0;

    if (!ingest->has_parked)
        return 0;
    ingest->has_parked = false; /* unless a queue is still full */
    for (size_t i = 0; i < ingest->nsqd_count; i++)
        if (nsq_connection_parked(&ingest->nsqds[i]->connection) > 0)
            taken += ingest_take_arrivals(ingest, ingest->nsqds[i]);
    return taken;
}

int ingest_publish(struct ingest *ingest)
{
    int published = queue_set_publish(&ingest->queues);

    if (published > 0) {
        ingest->needs_ready = true; /* there is less room than before */
        counter_set(&ingest->counters->kicks, ingest->queues.kick_count);
        counter_set(&ingest->counters->partition_keys_missing,
                    ingest->router.missing_count);
    }
    return published;
}
