/* SPDX-License-Identifier: Apache-2.0 */

/*
 * ingest_redelivery - what becomes of a message that came before.
 *
 * nsqd delivers again what has no FIN: after a lost connection, a crash of
 * ours, a restart or a crash of its own, or when msg_timeout ran out. Such a
 * message is not written to a queue a second time:
 *
 *   its record is in a queue  the newest delivery becomes the one that is
 *                             FINed, because nsqd knows only that one
 *   its record was finished   FIN at once
 *
 * A connection may hold the same message twice. After a time-out nsqd has
 * counted the first delivery out; of twins, which it makes in a crash, it
 * counts in two and out one. The number of attempts tells them apart: it
 * grows with a time-out and not with a twin.
 */

#include "ingest/ingest.h"

#include "common/crash_point.h"
#include "common/seeded_bug.h"
#include "shard/segment_name.h"

/*
 * A message came that is held already, since it came on the connection that is
 * *incarnation with `attempts` deliveries.
 */
void ingest_take_again(struct ingest *ingest, struct nsqd *nsqd,
                       const struct nsq_message *message, uint32_t *incarnation,
                       uint16_t attempts)
{
    if (*incarnation != nsqd->incarnation) {
        *incarnation = nsqd->incarnation;
        CRASH_POINT(target_changed);
        counter_add(&ingest->counters->redeliveries_queued, 1);
        return;
    }
    counter_add(&ingest->counters->second_copies, 1);
    if (message->attempts > attempts)
        nsq_connection_on_delivered_again(&nsqd->connection);
    else
        nsq_connection_on_second_copy(&nsqd->connection);
}

/*
 * Take a message that may have come before; `id` is its id as a number.
 * Returns 0, or INGEST_NOT_YET if it has to wait.
 */
int ingest_take_candidate(struct ingest *ingest, struct nsqd *nsqd,
                          const struct nsq_message *message, uint64_t id)
{
    const struct redelivery_identity identity = {
        .id = id,
        .timestamp_ns = (int64_t)message->timestamp_ns,
        .checksum = router_checksum(&ingest->router, message),
        .source = nsqd->source,
    };
    struct record_header *record = NULL;

    switch (
        redelivery_find(&ingest->redelivery, &identity, ingest->now, &record)) {
    case REDELIVERY_NEW:
        if (ingest->letters_waiting > 0 &&
            ingest_is_letter(ingest, nsqd, message, identity.checksum))
            return 0;
        return ingest_write_message(ingest, nsqd, message, id);
    case REDELIVERY_QUEUED:
        ingest_take_again(ingest, nsqd, message, &record->incarnation,
                          record->attempts);
        return 0;
    case REDELIVERY_FINISHED:
        counter_add(&ingest->counters->redeliveries_finished, 1);
        if (SEEDED_BUG(lost_fin))
            return 0;
        (void)nsq_connection_finish(&nsqd->connection, &message->id);
        CRASH_POINT(redelivery_finished);
        return 0;
    }
    return 0;
}

/*
 * The connection is lost: what it had parked goes to the queues in its order,
 * as far as there is room, because an nsqd that crashed may have lost it. The
 * rest comes again from an nsqd that is well.
 */
void ingest_save_parked(struct ingest *ingest, struct nsqd *nsqd)
{
    const struct nsq_frame_reader *reader = &nsqd->connection.reader;
    struct bytes parked = nsq_frames_parked(reader);
    struct nsq_frame frame;

    while (nsq_frame_parse(parked, reader->max_frame_size, &frame) == 0) {
        struct nsq_message message;

        if (frame.type == NSQ_FRAME_MESSAGE &&
            nsq_message_parse(&frame, &message) == 0 &&
            ingest_take_candidate(ingest, nsqd, &message,
                                  acknowledgement_id(message.id.text)) ==
                INGEST_NOT_YET)
            return;
        parked = bytes_skip(parked, frame.length);
    }
}

static void start_to_renew(struct ingest *ingest, struct nsqd *nsqd)
{
    struct nsq_connection *connection = &nsqd->connection;

    log_notice("nsqd_renews", "nsqd=%s leaked_credits=%u ready=%u", nsqd->name,
               connection->leaked_credits, connection->ready);
    nsqd->renew_by = monotonic_after(ingest->now, INGEST_RENEW_NS);
    (void)nsq_connection_start_close(connection);
}

/* All that it brought is finished, and nsqd knows that it is to be closed. */
static bool is_done_with(struct nsqd *nsqd)
{
    const struct nsq_connection *connection = &nsqd->connection;

    return connection->state == NSQ_CONNECTION_CLOSE_WAITED &&
           connection->in_flight == 0 &&
           nsq_connection_parked(connection) == 0 && nsqd_is_flushed(nsqd);
}

/*
 * A connection whose RDY credits have leaked away is made anew, at a calm
 * moment: CLS first, then everything it holds is finished, and only then it
 * is closed. If that takes long (a shard that is throttled), nsqd delivers the
 * rest again, which is known. Returns true if it was closed.
 */
bool ingest_renew(struct ingest *ingest, struct nsqd *nsqd)
{
    struct nsq_connection *connection = &nsqd->connection;

    if (ingest->is_draining || !nsqd_can_finish(nsqd, nsqd->incarnation))
        return false;
    if (connection->state == NSQ_CONNECTION_SUBSCRIBED) {
        if (nsq_connection_should_renew(connection))
            start_to_renew(ingest, nsqd);
        return false;
    }
    if (!is_done_with(nsqd) && !monotonic_reached(nsqd->renew_by, ingest->now))
        return false;
    counter_add(&ingest->counters->connections_renewed, 1);
    ingest_part(ingest, nsqd);
    return true;
}

static uint64_t power_of_two_from(uint64_t least)
{
    uint64_t power = 1;

    while (power < least)
        power *= 2;
    return power;
}

static int64_t longest_msg_timeout(const struct ingest *ingest)
{
    int64_t longest_ms = 0;

    for (size_t i = 0; i < ingest->nsqd_count; i++) {
        const struct nsqd *nsqd = ingest->nsqds[i];

        if (nsqd_can_finish(nsqd, nsqd->incarnation) &&
            nsqd->connection.terms.msg_timeout_ms > longest_ms)
            longest_ms = nsqd->connection.terms.msg_timeout_ms;
    }
    return longest_ms * NS_PER_MS;
}

static void tell_window(struct ingest *ingest, uint64_t wanted)
{
    if (!ingest->window_is_told)
        log_warning("redelivery_window_small",
                    "window=%llu wanted=%llu "
                    "why=\"what comes again later than that is sent again\"",
                    (unsigned long long)ingest->acknowledged.capacity,
                    (unsigned long long)wanted);
    ingest->window_is_told = true;
}

/*
 * Is the log long enough for how fast messages are finished? Asked in each
 * round of TOUCH, so that a moment's burst after a pause is no reason.
 */
void ingest_watch_window(struct ingest *ingest)
{
    uint64_t noted = ingest->acknowledged.position - ingest->window_position;
    int64_t elapsed_ns = monotonic_between(ingest->window_looked, ingest->now);
    uint64_t wanted;

    if (elapsed_ns < NS_PER_SECOND / 10)
        return;
    wanted =
        redelivery_window_for(noted, elapsed_ns, longest_msg_timeout(ingest));
    ingest->window_looked = ingest->now;
    ingest->window_position = ingest->acknowledged.position;
    if (wanted > ingest->window_wanted) {
        ingest->window_wanted = wanted;
        counter_set(&ingest->counters->redelivery_window_wanted, wanted);
    }
    if (wanted > ingest->acknowledged.capacity)
        tell_window(ingest, wanted);
}

/* After the queues, whose locks say that we are the only ingest. */
int ingest_open_redelivery(struct ingest *ingest)
{
    struct segment_name name =
        segment_name_of(ingest->options->name, "acknowledged");
    int result = acknowledgement_log_open(
        name.text, power_of_two_from(ingest->options->redelivery_window),
        &ingest->acknowledged);

    CRASH_POINT(log_opened);
    ingest->window_looked = ingest->now;
    ingest->window_position = ingest->acknowledged.position;
    if (result == 0)
        result = redelivery_init(&ingest->redelivery, ingest->queues.producers,
                                 ingest->queues.layout.queue_count,
                                 &ingest->acknowledged);
    return result;
}

void ingest_close_redelivery(struct ingest *ingest)
{
    redelivery_deinit(&ingest->redelivery);
    acknowledgement_log_close(&ingest->acknowledged);
}
