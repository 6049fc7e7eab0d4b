/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/egress.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/crash_point.h"
#include "common/error.h"
#include "common/lifeline.h"
#include "shard/segment_name.h"

static int egress_look_at_queues(struct egress *egress);
static int egress_send_requests(struct egress *egress);

/*
 * One turn moves every record as far as it will go without waiting, in the
 * order the data flows, replies first because they make room. A step returns
 * how many things it moved, or a negative errno, which ends the worker. The
 * supervisor then starts a fresh one at each queue's `released` position:
 * nothing is lost, and the records of a batch on its way may be sent twice.
 */
static int (*const egress_steps[])(struct egress *) = {
    egress_collect_replies, /* reply        -> released, or due again    */
    egress_list_shards,     /* wrong shard  -> a request for the shards  */
    egress_look_at_queues,  /* shard queues -> what is ready to be sent  */
    egress_send_requests,   /* ready queues -> PutRecords requests       */
};

static int egress_turn(struct egress *egress)
{
    int moved = 0;

    egress->now = clock_monotonic();
    egress->wall = clock_wall_time();
    egress->surroundings.now = egress->wall;
    for (size_t i = 0; i < ARRAY_LENGTH(egress_steps); i++) {
        int result = egress_steps[i](egress);

        if (result < 0)
            return result;
        moved += result;
    }
    counter_add(&egress->counters->turns, 1);
    return moved;
}

static int egress_look_at_queues(struct egress *egress)
{
    size_t waiting = 0;
    size_t limited = 0;

    egress->collector = COLLECTOR_EMPTY;
    for (size_t i = 0; i < egress->sender_count; i++) {
        struct queue_sender *sender = &egress->senders[i];

        queue_sender_look(sender, egress->now);
        waiting += sender->state == SENDER_DUE;
        limited += limiter_is_on(&sender->limiter);
        collector_add(&egress->collector, queue_sender_ready_at(sender),
                      sender->depth, egress->now);
    }
    counter_set(&egress->counters->queues_waiting, waiting);
    counter_set(&egress->counters->queues_limited, limited);
    return 0;
}

static struct request *idle_request(struct egress *egress)
{
    for (size_t i = 0; i < EGRESS_REQUESTS; i++)
        if (!egress->requests[i].is_sent)
            return &egress->requests[i];
    return NULL;
}

/*
 * No record of that queue is sent any more. What other queues have on its way
 * is waited for, because a reply that nobody reads is a copy in the stream.
 */
static void start_leaving_damage(struct egress *egress,
                                 const struct queue_sender *sender)
{
    log_error("queue_damaged", "queue=%u behind=%llu",
              queue_segment_index(&sender->consumer.segment),
              (unsigned long long)sender->consumer.released);
    counter_add(&egress->counters->queues_damaged, 1);
    egress->damaged = sender;
    egress->is_draining = true;
    egress->is_leaving = true;
}

static int complain_of_damage(const struct egress *egress)
{
    return error_sentence(
        -EUCLEAN,
        "queue %u of %s is damaged behind %llu: a record or position in it "
        "cannot be true, or a checksum is wrong",
        queue_segment_index(&egress->damaged->consumer.segment),
        egress->options->name,
        (unsigned long long)egress->damaged->consumer.released);
}

/*
 * Fill the request, beginning with another queue each time, so that none is
 * always the one that has no room. A queue that has to travel alone gets a
 * request of its own.
 *
 * Returns 0 or a negative errno.
 */
static int fill_request(struct egress *egress, struct request *request)
{
    size_t first = egress->first_sender;

    for (size_t i = 0; i < egress->sender_count; i++) {
        size_t index = (first + i) % egress->sender_count;
        struct queue_sender *sender = &egress->senders[index];
        bool is_alone = queue_sender_travels_alone(sender);
        int result;

        if (!monotonic_reached(queue_sender_ready_at(sender), egress->now) ||
            (is_alone && !request_is_empty(request)))
            continue;
        egress->first_sender = index + 1;
        result = request_add(request, sender, &egress->surroundings);
        if (result == REQUEST_FENCED)
            return error_sentence(-EOWNERDEAD,
                                  "another worker has taken queue %zu", index);
        if (result == REQUEST_BROKEN) {
            start_leaving_damage(egress, sender);
            break;
        }
        if (result == REQUEST_FULL || (is_alone && !request_is_empty(request)))
            break;
    }
    return 0;
}

static int send_request(struct egress *egress, struct request *request)
{
    struct bytes body = request_close(request);
    const struct kinesis_request signed_request = {
        .target = PUT_RECORDS_TARGET,
        .content_type = put_records_content_type(request->format),
        .body = body,
        .body_hash = request->body_hash,
    };
    int result;

    CRASH_POINT(request_unsent);
    result = kinesis_session_send(egress->session, request->slot,
                                  &signed_request, egress->wall);
    if (result)
        return result;
    request->is_sent = true;
    request->sent = egress->now;
    egress->in_flight++;
    CRASH_POINT(request_started);
    counter_add(&egress->counters->requests_sent, 1);
    counter_add(&egress->counters->bytes_sent, body.length);
    counter_set(&egress->counters->requests_in_flight, egress->in_flight);
    return 0;
}

/* Records that were refused without asking Kinesis are news for ingest, too. */
static void note_refused(struct egress *egress, const struct request *request)
{
    if (request->refused_count == 0)
        return;
    counter_add(&egress->counters->user_records_refused,
                request->refused_count);
    egress_wake_ingest(egress);
}

/* When the next request is to go, as far as the queues decide that. */
static struct monotonic send_at(const struct egress *egress)
{
    const struct collector_limits limits = {
        .linger_ns = egress->options->linger,
        .queue_size = egress->options->aggregate_size,
        .request_size = egress->options->request_size,
    };

    return collector_send_at(&egress->collector, &limits, egress->in_flight,
                             egress->now);
}

static bool may_send(const struct egress *egress)
{
    if (egress->collector.ready_count == 0 || egress->is_leaving ||
        egress->is_stream_gone ||
        !monotonic_reached(egress->paused_until, egress->now))
        return false;
    return monotonic_reached(send_at(egress), egress->now);
}

static int egress_send_requests(struct egress *egress)
{
    int sent = 0;

    while (may_send(egress)) {
        struct request *request = idle_request(egress);
        int result;

        if (!request)
            break;
        request_open(request, egress->format, &egress->surroundings);
        result = fill_request(egress, request);
        if (result)
            return result;
        note_refused(egress, request);
        if (request_is_empty(request))
            break;
        result = send_request(egress, request);
        if (result)
            return result;
        sent++;
        (void)egress_look_at_queues(egress); /* what is left for another one */
    }
    return sent;
}

/*
 * A record is stored, and the list that says whether it is where it belongs has
 * not come yet: who leaves now has its successor send it once more.
 */
static bool is_in_doubt(const struct egress *egress)
{
    for (size_t i = 0; i < egress->landing_count; i++)
        if (!monotonic_reached(egress->landings[i].patience_end, egress->now))
            return true;
    return false;
}

/*
 * Nothing left to do: no request on its way, no record in any queue. Without a
 * supervisor nobody says whether ingest still writes, so that is looked up.
 */
static bool is_idle(const struct egress *egress)
{
    if (egress->in_flight > 0 || is_in_doubt(egress))
        return false;
    if (egress->is_leaving)
        return true;
    if (egress->is_orphan && egress->sender_count > 0 &&
        queue_has_living_producer(&egress->senders[0].consumer))
        return false;
    for (size_t i = 0; i < egress->sender_count; i++)
        if (egress->senders[i].state != SENDER_IDLE ||
            egress->senders[i].depth > 0)
            return false;
    return true;
}

static void start_draining(struct egress *egress)
{
    if (!egress->is_draining)
        log_notice("draining", "queues=%zu", egress->sender_count);
    egress->is_draining = true;
    CRASH_POINT(egress_drains);
}

/*
 * SIGTERM. With a supervisor it is meant for that one, and reaches us because
 * it went to a whole process group, as systemd sends it: ingest may still be
 * filling our queues. Without one: what is on its way, and no more.
 */
static void start_leaving(struct egress *egress)
{
    if (!egress->is_orphan) {
        log_info("signal_left_to_supervisor", "signal=TERM");
        return;
    }
    start_draining(egress);
    egress->is_leaving = true;
}

static void listen_to_supervisor(struct egress *egress)
{
    struct lifeline_message message;
    int result;

    while ((result = lifeline_receive(LIFELINE_DESCRIPTOR, &message)) == 0) {
        if (message.kind == LIFELINE_DRAIN || message.kind == LIFELINE_LEAVE)
            start_draining(egress);
        egress->is_leaving |= message.kind == LIFELINE_LEAVE;
    }
    if (result == LIFELINE_EMPTY)
        return;
    egress->is_orphan = true;
    egress->orphan_due =
        monotonic_after(egress->now, egress->options->orphan_timeout);
    egress->rejoin_due = monotonic_after(egress->now, LIFELINE_REJOIN_PAUSE_NS);
    log_warning("supervisor_gone", "orphan_timeout_ms=%lld",
                (long long)(egress->options->orphan_timeout / NS_PER_MS));
}

/*
 * An orphan that cannot deliver, as while Kinesis is gone, must not keep its
 * successor out for ever: what is queued stays there.
 */
static void give_up_draining(struct egress *egress)
{
    struct monotonic end =
        monotonic_after(egress->orphan_due, egress->options->drain_timeout);

    if (egress->is_leaving || !monotonic_reached(end, egress->now))
        return;
    log_warning("leaving", "why=\"no supervisor came, and the queues were not "
                           "empty within --drain-timeout\"");
    egress->is_leaving = true;
}

/*
 * Until there is a new supervisor; after a time, until all is delivered, but
 * not for ever.
 */
static void go_on_alone(struct egress *egress)
{
    struct segment_name control =
        segment_name_of(egress->options->name, "control");
    char role[32];

    if (monotonic_reached(egress->orphan_due, egress->now))
        start_draining(egress);
    if (!monotonic_reached(egress->rejoin_due, egress->now))
        return;
    egress->rejoin_due = monotonic_after(egress->now, LIFELINE_REJOIN_PAUSE_NS);
    (void)snprintf(role, sizeof(role), "egress %u", egress->worker);
    if (lifeline_rejoin(control.text, role) != 0) {
        give_up_draining(egress);
        return;
    }
    egress->is_orphan = false;
    log_notice("supervisor_found", "worker=%u", egress->worker);
    if (egress->drift != 0)
        egress_tell_drift(egress);
}

static void hear_outside(struct egress *egress)
{
    struct signalfd_siginfo signal_info;

    egress->has_outside_news = false;
    if (read(egress->signal_descriptor, &signal_info, sizeof(signal_info)) ==
        (ssize_t)sizeof(signal_info))
        start_leaving(egress);
    if (egress->is_orphan)
        go_on_alone(egress);
    else
        listen_to_supervisor(egress);
}

/*
 * What comes from outside the data: SIGTERM, the supervisor, the time to say
 * that we live. Returns true if it is time to see whether all is delivered.
 */
static bool keep_alive(struct egress *egress)
{
    bool was_draining = egress->is_draining;
    bool is_alive_due = monotonic_reached(egress->alive_due, egress->now);

    /* Looked at when the wait says so; and now and then, should none come. */
    if (egress->has_outside_news || egress->is_orphan || is_alive_due)
        hear_outside(egress);
    if (!egress->is_orphan && is_alive_due) {
        (void)lifeline_send(LIFELINE_DESCRIPTOR, LIFELINE_ALIVE, 0);
        egress->alive_due = monotonic_after(egress->now, NS_PER_SECOND);
        counter_add(&egress->counters->log_lines_dropped, log_take_dropped());
    }
    return egress->is_draining && !was_draining;
}

/* When a turn can move something although nothing wakes us. */
static struct monotonic next_due(const struct egress *egress)
{
    struct monotonic due = send_at(egress);

    if (due.ns < egress->paused_until.ns)
        due = egress->paused_until;
    if (egress->in_flight == EGRESS_REQUESTS || egress->is_stream_gone)
        due = MONOTONIC_NEVER; /* until a reply makes room, or a list comes */
    due = monotonic_earlier(due, egress->collector.next);
    if (egress->listing->state == SHARD_LISTING_DUE)
        due = monotonic_earlier(due, egress->listing->due);
    if (!egress->is_orphan)
        return monotonic_earlier(due, egress->alive_due);
    due = monotonic_earlier(due, egress->rejoin_due);
    /* Once it drains, the orphan's time is over and calls for nothing. */
    return egress->is_draining ? due
                               : monotonic_earlier(due, egress->orphan_due);
}

static bool has_news(struct egress *egress)
{
    for (size_t i = 0; i < egress->sender_count; i++) {
        struct queue_sender *sender = &egress->senders[i];

        if (sender->state == SENDER_IDLE &&
            queue_depth(&sender->consumer) != sender->depth)
            return true;
    }
    return false;
}

/* The latch rule of wakeup.h: prepare, look again, sleep. */
static int egress_wait(struct egress *egress)
{
    struct wakeup_place *place =
        &egress->wakeups->places[WAKEUP_EGRESS + egress->worker];
    struct http_watch watches[] = {
        { .descriptor = WAKEUP_DESCRIPTOR_EGRESS + (int)egress->worker },
        { .descriptor = egress->signal_descriptor },
        { .descriptor = LIFELINE_DESCRIPTOR }, /* not when it is closed */
    };
    size_t count = ARRAY_LENGTH(watches) - (egress->is_orphan ? 1 : 0);
    int64_t ns = monotonic_between(egress->now, next_due(egress));
    int timeout_ms = WAKEUP_LONGEST_MS;
    int result;

    /* Rounded up: a time-out that comes early would turn for nothing. */
    if (ns < timeout_ms * NS_PER_MS)
        timeout_ms = ns > 0 ? (int)((ns + NS_PER_MS - 1) / NS_PER_MS) : 0;
    wakeup_prepare(place);
    if (has_news(egress))
        timeout_ms = 0;
    result = http_client_wait(kinesis_session_client(egress->session), watches,
                              count, timeout_ms);
    wakeup_awake(place);
    if (watches[0].is_readable)
        wakeup_clear(watches[0].descriptor);
    egress->has_outside_news |=
        watches[1].is_readable || watches[2].is_readable;
    return result < 0 ? result : 0;
}

int egress_run(struct egress *egress)
{
    for (;;) {
        int result = egress_turn(egress);

        if (result < 0)
            return result;
        if (result == 0 && egress->is_draining && is_idle(egress)) {
            CRASH_POINT(egress_drained);
            return egress->damaged ? complain_of_damage(egress) : 0;
        }
        if (!keep_alive(egress) && result == 0)
            result = egress_wait(egress); /* queue, socket or timer */
        if (result < 0)
            return result;
    }
}
