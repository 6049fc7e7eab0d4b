/* SPDX-License-Identifier: Apache-2.0 */

#include "ingest/ingest_lookups.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/child_signals.h"
#include "common/crash_point.h"
#include "common/error.h"
#include "common/lifeline.h"
#include "shard/segment_name.h"

/*
 * One turn moves everything as far as it will go without waiting, in the order
 * in which messages travel: in from nsqd, out to egress, and back as FINs. A
 * step returns how many things it moved, or a negative errno, which ends the
 * process. The supervisor then starts a fresh one; what was published is in
 * the queues, and nsqd delivers again what was not.
 */
static int (*const ingest_steps[])(struct ingest *) = {
    ingest_take_completions, /* sockets   -> records                    */
    ingest_take_parked,      /* parked    -> records, if room came back */
    ingest_publish,          /* records   -> egress                     */
    ingest_finish,           /* decided   -> FIN                        */
    ingest_post_letters,     /* refused   -> dead letters, then FIN     */
    ingest_meet_peers,       /* absent    -> connecting; silent -> lost */
    ingest_ask_lookups,      /* due polls -> nsqlookupd                 */
    ingest_touch,            /* held long -> TOUCH                      */
    ingest_follow_pause,     /* paused    -> CLS, once nothing is left  */
    ingest_adjust_ready,     /* room      -> RDY                        */
    ingest_send,             /* commands  -> sockets                    */
};

static int ingest_turn(struct ingest *ingest)
{
    int moved = 0;

    ingest->now = clock_monotonic();
    for (size_t i = 0; i < ARRAY_LENGTH(ingest_steps); i++) {
        int result = ingest_steps[i](ingest);

        if (result < 0)
            return result;
        moved += result;
    }
    counter_add(&ingest->counters->turns, 1);
    return moved;
}

/* For good, unless it is the end of a pause. */
void ingest_start_draining(struct ingest *ingest)
{
    ingest->is_paused = false;
    if (ingest->is_draining)
        return;
    ingest->is_draining = true;
    log_notice("draining", "nsqd=%zu", ingest->nsqd_count);
    CRASH_POINT(ingest_drains);
    for (size_t i = 0; i < ingest->nsqd_count; i++) {
        struct nsqd *nsqd = ingest->nsqds[i];

        /* One that is being renewed has said CLS already. */
        if (nsqd_can_finish(nsqd, nsqd->incarnation))
            (void)nsq_connection_start_close(&nsqd->connection);
        else if (nsqd->stream)
            ingest_lose(ingest, nsqd, "stopping");
    }
}

/*
 * Drained: nsqd has confirmed each CLS, so no message is on its way; nothing
 * is parked, every record is finished, and every FIN is with the kernel.
 */
static bool is_drained(struct ingest *ingest)
{
    if (!ingest->is_draining || !queue_set_is_drained(&ingest->queues) ||
        ingest->letters_waiting > 0)
        return false;
    for (size_t i = 0; i < ingest->nsqd_count; i++) {
        struct nsqd *nsqd = ingest->nsqds[i];

        if (!nsqd->stream)
            continue;
        if (nsqd->connection.state != NSQ_CONNECTION_CLOSE_WAITED ||
            nsq_connection_parked(&nsqd->connection) > 0 ||
            !nsqd_is_flushed(nsqd))
            return false;
    }
    return true;
}

/*
 * What is queued stays there, and nsqd delivers it again: an orphan that cannot
 * drain must not keep its successor out for ever.
 */
static int give_up_draining(const struct ingest *ingest)
{
    struct monotonic end =
        monotonic_after(ingest->orphan_due, ingest->options->drain_timeout);

    if (!monotonic_reached(end, ingest->now))
        return 0;
    return error_sentence(-ETIMEDOUT,
                          "no supervisor came, and the queues were not empty "
                          "within --drain-timeout");
}

/*
 * Until there is a new supervisor; after a time, until all is finished, but not
 * for ever. Returns 0 or a negative errno with its sentence.
 */
static int go_on_alone(struct ingest *ingest)
{
    struct segment_name control =
        segment_name_of(ingest->options->name, "control");
    int result;

    if (monotonic_reached(ingest->orphan_due, ingest->now))
        ingest_start_draining(ingest);
    if (!monotonic_reached(ingest->rejoin_due, ingest->now))
        return 0;
    ingest->rejoin_due = monotonic_after(ingest->now, LIFELINE_REJOIN_PAUSE_NS);
    if (lifeline_rejoin(control.text, "ingest") != 0)
        return give_up_draining(ingest);
    ingest->is_orphan = false;
    log_notice("supervisor_found", "nsqd=%zu", ingest->nsqd_count);
    result = io_watch(ingest->io, LIFELINE_DESCRIPTOR,
                      ingest_tag_make(TAG_LIFELINE, 0));
    return result ? error_sentence(-EIO, "cannot watch the new lifeline") : 0;
}

static int keep_alive(struct ingest *ingest)
{
    if (ingest->is_orphan)
        return go_on_alone(ingest);
    if (!monotonic_reached(ingest->alive_due, ingest->now))
        return 0;
    (void)lifeline_send(LIFELINE_DESCRIPTOR, LIFELINE_ALIVE, 0);
    ingest->alive_due = monotonic_after(ingest->now, NS_PER_SECOND);
    counter_add(&ingest->counters->log_lines_dropped, log_take_dropped());
    return 0;
}

static int64_t sleep_length(const struct ingest *ingest)
{
    struct monotonic due = ingest->alive_due;
    int64_t ns;

    /* Once it drains, the orphan's time is over and calls for nothing. */
    if (ingest->is_orphan) {
        due = ingest->is_draining ? MONOTONIC_NEVER : ingest->orphan_due;
        due = monotonic_earlier(due, ingest->rejoin_due);
    }
    due = monotonic_earlier(due, ingest->touch_due);
    due = monotonic_earlier(due, ingest_lookups_due(ingest));
    due = monotonic_earlier(due, ready_count_deadline(&ingest->ready));
    due = monotonic_earlier(due, ingest_letters_due(ingest));
    if (ingest->is_paused && !monotonic_reached(ingest->calm_due, ingest->now))
        due = monotonic_earlier(due, ingest->calm_due);
    /* Nobody is connected to while draining. */
    for (size_t i = 0; i < ingest->nsqd_count; i++)
        if (ingest->nsqds[i]->stream || !ingest->is_draining)
            due = monotonic_earlier(due, nsqd_deadline(ingest->nsqds[i]));
    ns = monotonic_between(ingest->now, due);
    if (!queue_set_is_drained(&ingest->queues) &&
        ns > WAKEUP_LONGEST_MS * NS_PER_MS)
        ns = WAKEUP_LONGEST_MS * NS_PER_MS;
    return ns > 0 ? ns : 0;
}

/* The latch rule of wakeup.h: prepare, look again, sleep. */
static int ingest_wait(struct ingest *ingest, bool may_sleep)
{
    struct wakeup_place *place = queue_set_own_place(&ingest->queues);
    int64_t longest_ns = may_sleep ? sleep_length(ingest) : 0;
    int result;

    if (longest_ns > 0) {
        wakeup_prepare(place);
        if (queue_set_has_decided(&ingest->queues))
            longest_ns = 0;
    }
    result = io_wait(ingest->io, longest_ns, ingest->completions,
                     ARRAY_LENGTH(ingest->completions));
    wakeup_awake(place);
    if (result >= 0)
        ingest->completion_count = (size_t)result;
    return result;
}

int ingest_run(struct ingest *ingest)
{
    for (;;) {
        int moved = ingest_turn(ingest);
        int result;

        if (moved < 0)
            return moved;
        if (is_drained(ingest)) {
            CRASH_POINT(ingest_drained);
            return 0;
        }
        result = keep_alive(ingest);
        if (result < 0)
            return result;
        /* A step that moved something may have made work for an earlier one;
           completions are looked for in any case. */
        result = ingest_wait(ingest, moved == 0);
        if (result < 0)
            return result;
    }
}

static enum io_choice io_choice_of(const char *word)
{
    if (strcmp(word, "io_uring") == 0)
        return IO_URING;
    return strcmp(word, "epoll") == 0 ? IO_EPOLL : IO_AUTO;
}

static int open_io(struct ingest *ingest)
{
    /* For each nsqd its connection and, beside it, that of its letters. */
    const struct io_settings settings = {
        .stream_most =
            SOURCES_MOST * (ingest->options->dead_letter_topic ? 2 : 1) + 128
    };
    int result =
        io_new(io_choice_of(ingest->options->io), &settings, &ingest->io);

    if (result)
        return result;
    log_notice("io", "way=%s why=%s", io_name(ingest->io),
               log_quoted(io_reason(ingest->io)));
    result = io_watch_eventfd(ingest->io, WAKEUP_DESCRIPTOR_INGEST,
                              ingest_tag_make(TAG_WAKEUP, 0));
    if (result == 0)
        result = io_watch(ingest->io, LIFELINE_DESCRIPTOR,
                          ingest_tag_make(TAG_LIFELINE, 0));
    if (result == 0)
        result = io_watch(ingest->io, ingest->signal_descriptor,
                          ingest_tag_make(TAG_SIGNAL, 0));
    return result;
}

static void log_replaced(const struct ingest *ingest)
{
    if (ingest->sources.was_replaced)
        log_error("sources_replaced",
                  "why=\"the segment was damaged or half made\" then=\"what "
                  "waits in the queues is sent, and nsqd delivers it again\"");
    if (ingest->acknowledged.was_replaced)
        log_error("log_replaced",
                  "why=\"the acknowledgement log was damaged or half made\" "
                  "then=\"what nsqd delivers again may be sent twice\"");
}

static int open_segments(struct ingest *ingest)
{
    const char *bridge = ingest->options->name;
    struct segment_name sources = segment_name_of(bridge, "sources");
    int result = ingest_counters_open(bridge, &ingest->counters_memory,
                                      &ingest->counters);

    if (result == 0)
        result = source_table_open(sources.text, &ingest->sources);
    if (result == 0)
        result = queue_set_open(bridge, WAKEUP_WORKERS_MOST, &ingest->queues);
    if (result == 0)
        result = ingest_open_redelivery(ingest);
    log_replaced(ingest);
    if (result)
        return result;
    ingest->touched_before = calloc(ingest->queues.layout.queue_count,
                                    sizeof(*ingest->touched_before));
    if (!ingest->touched_before)
        return error_origin(-ENOMEM, "cannot begin");
    return 0;
}

int ingest_open(struct ingest *ingest, const struct options *options)
{
    int result;

    *ingest = (struct ingest){
        .options = options,
        .signal_descriptor = -1,
        .counters_memory = SHARED_MEMORY_NULL,
        .acknowledged = { .memory = SHARED_MEMORY_NULL },
        .letter_file = DEAD_LETTER_FILE_NULL,
        .record_bytes = 256,
        .now = clock_monotonic(),
    };
    random_seed_from_kernel(&ingest->random);
    result = child_signals_open(&ingest->signal_descriptor);
    if (result == 0)
        result = ingest_open_letters(ingest);
    if (result == 0)
        result = open_segments(ingest);
    if (result == 0)
        result = ingest_settle_connections(ingest);
    if (result == 0)
        result = router_init(&ingest->router, options->partition_key,
                             &ingest->queues);
    if (result == 0)
        result = open_io(ingest);
    if (result == 0)
        result = ingest_open_peers(ingest);
    if (result == 0)
        result = lifeline_send(LIFELINE_DESCRIPTOR, LIFELINE_READY, 0);
    return result < 0 ? result : 0;
}

void ingest_close(struct ingest *ingest)
{
    ingest_close_letters(ingest);
    for (size_t i = 0; i < ingest->nsqd_count; i++) {
        nsqd_deinit(ingest->nsqds[i]);
        free(ingest->nsqds[i]);
    }
    ingest_close_peers(ingest);
    io_free(ingest->io);
    if (ingest->signal_descriptor >= 0)
        (void)close(ingest->signal_descriptor);
    ingest_close_redelivery(ingest);
    queue_set_close(&ingest->queues);
    source_table_close(&ingest->sources);
    shared_memory_close(&ingest->counters_memory);
    free(ingest->touched_before);
}
