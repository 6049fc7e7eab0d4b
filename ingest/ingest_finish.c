/* SPDX-License-Identifier: Apache-2.0 */

/*
 * ingest_finish - the way back: FIN what egress decided, TOUCH what waits.
 *
 * A message is FINed only by the connection that brought it; nsqd refuses it
 * from any other. When that connection is gone, nsqd delivers the message
 * again after its msg_timeout, and the acknowledgement log knows it: each
 * record is noted there before its room is given back (edge A2).
 *
 * TOUCH goes in rounds, so that no deadline is kept per message: each round,
 * a quarter of the smallest msg_timeout long, touches everything that was in a
 * queue when the round before began. A record is touched first at an age of
 * one to two rounds and then every round, so that one lost TOUCH does no harm.
 */

#include "ingest/ingest.h"

#include <errno.h>

#include "common/crash_point.h"
#include "common/error.h"
#include "common/seeded_bug.h"

static struct nsqd *nsqd_of(const struct ingest *ingest,
                            const struct record_header *record)
{
    struct nsqd *nsqd;

    if (record->source >= SOURCES_MOST)
        return NULL;
    nsqd = ingest->by_source[record->source];
    if (!nsqd || !nsqd_can_finish(nsqd, record->incarnation))
        return NULL;
    return nsqd;
}

static struct nsq_message_id id_of(const struct record_header *record)
{
    struct nsq_message_id id;

    static_assert(sizeof(id.text) == sizeof(record->message_id), "16 bytes");
    memcpy(id.text, record->message_id, sizeof(id.text));
    return id;
}

static const char *verdict_text(uint8_t verdict)
{
    if (verdict == VERDICT_REFUSED_TOO_LARGE)
        return "too large for the stream";
    return "refused by Kinesis for good";
}

/* Returns 0, or INGEST_NOT_YET if it has to stay in its queue for now. */
static int refuse_record(struct ingest *ingest,
                         const struct record_header *record)
{
    const struct refusal refusal = {
        .id = id_of(record),
        .attempts = record->attempts,
        .timestamp_ns = record->timestamp_ns,
        .checksum = record->checksum,
        .incarnation = record->incarnation,
        .key = record_key(record),
        .body = record_body(record),
        .why = verdict_text(record->verdict),
    };
    struct nsqd *nsqd = record->source < SOURCES_MOST
                            ? ingest->by_source[record->source]
                            : NULL;

    if (nsqd)
        return ingest_refuse(ingest, nsqd, &refusal);
    /* An nsqd that nobody has found since we began. */
    counter_add(&ingest->counters->messages_unfinished, 1);
    return 0;
}

/* True if the FIN was given to the connection that brought the message. */
static bool give_fin(const struct ingest *ingest,
                     const struct record_header *record)
{
    struct nsq_message_id id = id_of(record);
    struct nsqd *nsqd = nsqd_of(ingest, record);

    return nsqd && nsq_connection_finish(&nsqd->connection, &id) == 0;
}

/*
 * With or without a FIN: one that was given may never be read by nsqd. What
 * was refused is not noted, so that it is tried, and refused, again.
 */
static void note_record(struct ingest *ingest,
                        const struct record_header *record, bool has_fin)
{
    const struct acknowledgement acknowledgement = {
        .id = acknowledgement_id(record->message_id),
        .timestamp_ns = record->timestamp_ns,
        .checksum = record->checksum,
        .source = record->source,
        .has_fin = has_fin,
    };

    acknowledgement_log_note(&ingest->acknowledged, &acknowledgement);
}

/* Returns 0, or INGEST_NOT_YET if it has to stay in its queue for now. */
static int finish_record(struct ingest *ingest,
                         const struct record_header *record)
{
    bool has_fin;

    if (record->verdict != VERDICT_DELIVERED)
        return refuse_record(ingest, record);
    has_fin = give_fin(ingest, record);
    CRASH_POINT(fin_given);
    counter_add(has_fin ? &ingest->counters->messages_finished
                        : &ingest->counters->messages_unfinished,
                1);
    if (!SEEDED_BUG(no_log))
        note_record(ingest, record, has_fin);
    CRASH_POINT(noted);
    return 0;
}

static int complain_about_queue(struct ingest *ingest, size_t index)
{
    counter_add(&ingest->counters->records_corrupt, 1);
    return error_sentence(-EUCLEAN,
                          "queue %zu of %s is damaged: a record or position "
                          "in it cannot be true",
                          index, ingest->options->name);
}

int ingest_finish(struct ingest *ingest)
{
    int finished = 0;

    for (size_t i = 0; i < ingest->queues.layout.queue_count; i++) {
        struct queue_producer *producer = &ingest->queues.producers[i];
        struct record_header *record;
        int result;

        while ((result = queue_decided(producer, &record)) == 0) {
            /* Released without a verdict: nobody may FIN that. */
            if (!record_verdict_is_final(record->verdict))
                return complain_about_queue(ingest, i);
            if (finish_record(ingest, record) == INGEST_NOT_YET) {
                queue_show_again(producer);
                break;
            }
            finished++;
        }
        if (result == QUEUE_CORRUPT)
            return complain_about_queue(ingest, i);
        CRASH_POINT(room_not_free);
        queue_finish(producer); /* A2: after the notes */
    }
    ingest->needs_ready |= finished > 0;
    return finished;
}

/* A quarter of the smallest msg_timeout of all that are connected. */
static int64_t round_length(const struct ingest *ingest)
{
    int64_t least_ms = INT32_MAX;

    for (size_t i = 0; i < ingest->nsqd_count; i++) {
        const struct nsqd *nsqd = ingest->nsqds[i];

        if (nsqd->stream && nsqd_can_finish(nsqd, nsqd->incarnation) &&
            nsqd->connection.terms.msg_timeout_ms < least_ms)
            least_ms = nsqd->connection.terms.msg_timeout_ms;
    }
    return least_ms * NS_PER_MS / 4;
}

/*
 * A round may have been planned when nobody was connected, or only nsqd with
 * a longer msg_timeout.
 */
void ingest_plan_touch(struct ingest *ingest)
{
    ingest->touch_due = monotonic_earlier(
        ingest->touch_due, monotonic_after(ingest->now, round_length(ingest)));
}

static int touch_queue(struct ingest *ingest, size_t index)
{
    struct queue_producer *producer = &ingest->queues.producers[index];
    uint64_t position = queue_oldest(producer);
    struct record_header *record;
    int touched = 0;

    while (position < ingest->touched_before[index] &&
           queue_walk(producer, &position, &record) == 0) {
        struct nsq_message_id id = id_of(record);
        struct nsqd *nsqd = nsqd_of(ingest, record);

        if (nsqd && nsq_connection_touch(&nsqd->connection, &id) == 0)
            touched++;
    }
    ingest->touched_before[index] = producer->committed;
    return touched;
}

int ingest_touch(struct ingest *ingest)
{
    int touched = 0;

    if (!monotonic_reached(ingest->touch_due, ingest->now))
        return 0;
    ingest->touch_due = monotonic_after(ingest->now, round_length(ingest));
    redelivery_on_time(&ingest->redelivery, ingest->now);
    ingest_watch_window(ingest);
    for (size_t i = 0; i < ingest->queues.layout.queue_count; i++)
        touched += touch_queue(ingest, i);
    touched += (int)ingest_touch_letters(ingest);
    CRASH_POINT(touched);
    counter_add(&ingest->counters->messages_touched, (uint64_t)touched);
    return touched;
}
