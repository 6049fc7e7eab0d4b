/* SPDX-License-Identifier: Apache-2.0 */

/*
 * egress_replies - what a reply means for each queue that was in the request.
 *
 * A record is accepted only if the reply is sound, it has a sequence number,
 * and the shard that took it covers every message in it: KCL throws away a
 * whole aggregate if one of its messages hashes outside the shard. Everything
 * else is sent again, byte for byte, before anything newer of its queue.
 *
 * What concerns the whole worker (no connection, no permission, no stream)
 * pauses the worker; what concerns one shard backs off that queue alone.
 */

#include <errno.h>

#include "common/crash_point.h"
#include "common/error.h"
#include "common/lifeline.h"
#include "common/seeded_bug.h"
#include "egress/egress.h"
#include "egress/put_records_answer.h"

/* So long no TLS at all, and the fault may be ours. */
#define TLS_PATIENCE_NS (10 * NS_PER_SECOND)

/* The same trouble is told at most this often. */
#define TROUBLE_LOG_NS (5 * NS_PER_SECOND)

static void complain(struct egress *egress, const struct outcome *outcome,
                     struct bytes code, struct bytes message)
{
    char code_text[128];
    char message_text[256];
    uint64_t kept_back;

    if (!log_limit_allows(&egress->trouble_limit, egress->now, TROUBLE_LOG_NS,
                          &kept_back))
        return;
    (void)snprintf(code_text, sizeof(code_text), "%.*s", (int)code.length,
                   (const char *)code.data);
    (void)snprintf(message_text, sizeof(message_text), "%.*s",
                   (int)message.length, (const char *)message.data);
    egress->has_complained = true;
    log_warning(
        "put_records_failed",
        "action=%s code=%s meaning=%s message=%s stream=%s repeated=%llu",
        outcome_action_name(outcome->action),
        code.length ? log_quoted(code_text) : "none",
        log_quoted(outcome->meaning), log_quoted(message_text),
        egress->options->stream, (unsigned long long)kept_back);
}

static void on_delivered(struct egress *egress,
                         const struct request_entry *entry, size_t decided)
{
    struct egress_counters *counters = egress->counters;

    counter_add(&counters->kinesis_records_delivered, 1);
    counter_add(&counters->user_records_delivered, decided);
    counter_add(&counters->bytes_delivered, entry->payload_length);
}

/* One entry has to be sent again. */
static void count_failed(struct egress *egress,
                         const struct request_entry *entry,
                         const struct outcome *outcome)
{
    struct egress_counters *counters = egress->counters;

    counter_add(&counters->user_records_sent_again, entry->record_count);
    if (outcome->certainty == OUTCOME_AMBIGUOUS)
        counter_add(&counters->user_records_ambiguous, entry->record_count);
    if (outcome->action == OUTCOME_BACK_OFF)
        counter_add(&counters->kinesis_records_throttled, 1);
    else
        counter_add(&counters->kinesis_records_failed, 1);
}

void egress_on_judged(struct egress *egress, const struct request_entry *entry,
                      const struct outcome *outcome)
{
    if (outcome->action == OUTCOME_ACCEPT) {
        on_delivered(egress, entry,
                     queue_sender_on_accepted(entry->sender, &entry->part));
        return;
    }
    if (outcome->action == OUTCOME_RELOAD_SHARDS)
        counter_add(&egress->counters->kinesis_records_misplaced, 1);
    count_failed(egress, entry, outcome);
    if (outcome->action == OUTCOME_HALVE || outcome->action == OUTCOME_ISOLATE)
        queue_sender_on_part_refused(entry->sender, outcome, &egress->random);
    else
        queue_sender_on_failed(entry->sender, outcome, &egress->random);
}

/* One result of a sound reply. */
static void take_result(struct egress *egress,
                        const struct request_entry *entry,
                        const struct put_records_result *put)
{
    struct outcome outcome = outcome_of_record(put->error_code);

    /* Stored, but where? On the predicted shard in nearly all cases. */
    if (put_records_is_stored(put) &&
        !egress_judge_landing(egress, entry, put->shard_id, &outcome))
        return;
    if (SEEDED_BUG(failed_is_accepted))
        outcome = outcome_of_reply(OUTCOME_REPLY_STORED);
    if (outcome.action != OUTCOME_ACCEPT && outcome.action != OUTCOME_BACK_OFF)
        complain(egress, &outcome, put->error_code, put->error_message);
    egress_on_judged(egress, entry, &outcome);
}

void egress_wake_ingest(struct egress *egress)
{
    (void)wakeup_kick(&egress->wakeups->places[WAKEUP_INGEST],
                      WAKEUP_DESCRIPTOR_INGEST);
}

int egress_settle(struct egress *egress, struct queue_sender *sender)
{
    int result;

    if (sender->state != SENDER_SENT || sender->parts_on_their_way > 0)
        return 0; /* settled by another part, or still in doubt */
    result = queue_sender_settle(sender, egress->now);
    counter_add(&egress->counters->user_records_refused, sender->refused_count);
    sender->refused_count = 0;
    if (result == SENDER_FENCED)
        return error_sentence(-EOWNERDEAD, "another worker has taken a queue");
    return result == 0 ? 1 : 0;
}

/*
 * Release what is decided and wake ingest for it; what is not is due again.
 * Returns 0 or a negative errno.
 */
static int settle(struct egress *egress, const struct request *request)
{
    bool is_released = false;

    for (size_t i = 0; i < request->entry_count; i++) {
        int result = egress_settle(egress, request->entries[i].sender);

        if (result < 0)
            return result;
        is_released |= result == 1;
    }
    if (is_released)
        egress_wake_ingest(egress);
    CRASH_POINT(ingest_woken);
    return 0;
}

/* Refuse one record that travelled alone, else look for it in halves. */
static void narrow_down(struct egress *egress, struct queue_sender *sender,
                        size_t entry_count)
{
    if (entry_count == 1 && queue_sender_is_alone(sender)) {
        queue_sender_on_refused(sender, VERDICT_REFUSED_BY_KINESIS);
        counter_add(&egress->counters->user_records_refused, 1);
        return;
    }
    queue_sender_halve(sender);
}

/* Something in the request is refused; the message may say which record. */
static void isolate(struct egress *egress, const struct request *request,
                    const struct outcome *outcome, struct bytes message)
{
    size_t guilty = 0;
    bool is_known =
        outcome->action == OUTCOME_ISOLATE &&
        outcome_find_refused(message, request->entry_count, &guilty);

    for (size_t i = 0; i < request->entry_count; i++) {
        struct queue_sender *sender = request->entries[i].sender;

        /* The other parts of a batch have settled with the first one. */
        if (sender->parts_on_their_way > 0 || sender->state != SENDER_SENT)
            continue;
        if (!is_known || sender == request->entries[guilty].sender)
            narrow_down(egress, sender, is_known ? 1 : request->entry_count);
    }
}

static bool is_for_all(enum outcome_action action)
{
    return action != OUTCOME_BACK_OFF && action != OUTCOME_HALVE &&
           action != OUTCOME_ISOLATE;
}

/* Nothing of this worker can succeed for now. */
static void pause_all(struct egress *egress, const struct outcome *outcome)
{
    /* Requests that failed together are one failure. */
    if (!monotonic_reached(egress->paused_until, egress->now))
        return;
    retrier_on_outcome(&egress->pause, outcome, egress->now, &egress->random);
    egress->paused_until = retrier_due(&egress->pause);
}

/*
 * The endpoint does not read CBOR. Requests that were on their way together
 * are refused together; the first one switches. A new worker tries CBOR again,
 * which costs one refused request.
 */
static void switch_protocol(struct egress *egress)
{
    if (strcmp(egress->options->protocol, "auto") != 0 ||
        egress->format == PUT_RECORDS_JSON)
        return;
    egress->format = PUT_RECORDS_JSON;
    CRASH_POINT(protocol_switched);
    counter_add(&egress->counters->protocol_switches, 1);
    log_notice("protocol_switched", "from=cbor to=json stream=%s",
               egress->options->stream);
}

/* The whole request failed. Returns 0 or a negative errno. */
static int refuse_request(struct egress *egress, const struct request *request,
                          const struct put_records_answer *answer)
{
    const struct outcome *outcome = &answer->outcome;

    counter_add(&egress->counters->requests_failed, 1);
    if (outcome->certainty == OUTCOME_AMBIGUOUS)
        counter_add(&egress->counters->requests_ambiguous, 1);
    complain(egress, outcome, answer->code, answer->message);
    if (outcome->action == OUTCOME_GIVE_UP) {
        egress->is_misconfigured = true;
        return error_sentence(-EINVAL, "%s", outcome->meaning);
    }
    for (size_t i = 0; i < request->entry_count; i++) {
        count_failed(egress, &request->entries[i], outcome);
        queue_sender_on_failed(request->entries[i].sender, outcome,
                               &egress->random);
    }
    if (outcome->action == OUTCOME_REFRESH_CREDENTIALS)
        (void)kinesis_session_reload(egress->session);
    if (outcome->action == OUTCOME_SWITCH_PROTOCOL)
        switch_protocol(egress);
    if (outcome->action == OUTCOME_AWAIT_STREAM)
        egress_lose_stream(egress);
    else if (is_for_all(outcome->action))
        pause_all(egress, outcome);
    if (outcome->action == OUTCOME_HALVE || outcome->action == OUTCOME_ISOLATE)
        isolate(egress, request, outcome, answer->message);
    return 0;
}

static void on_works(struct egress *egress)
{
    retrier_init(&egress->pause);
    egress->paused_until = (struct monotonic){ .ns = 0 };
    if (egress->has_complained)
        log_notice("put_records_works", "stream=%s", egress->options->stream);
    egress->has_complained = false;
}

/* What SEEDED_BUG(count_mismatch) does with a reply that says nothing. */
static void accept_all(struct egress *egress, const struct request *request)
{
    for (size_t i = 0; i < request->entry_count; i++) {
        const struct request_entry *entry = &request->entries[i];

        on_delivered(egress, entry,
                     queue_sender_on_accepted(entry->sender, &entry->part));
    }
}

/* Returns 0 or a negative errno. */
static int take_reply(struct egress *egress, const struct request *request,
                      const struct http_reply *reply)
{
    struct put_records_result *results = egress->results;
    struct bytes_writer writer =
        bytes_writer_on(egress->reply_texts, sizeof(egress->reply_texts));
    struct put_records_answer answer;
    bool is_sound =
        put_records_answer_read(request->format, reply, &writer, results,
                                request->entry_count, &answer);

    if (SEEDED_BUG(count_mismatch) && !is_sound &&
        answer.outcome.meaning ==
            outcome_of_reply(OUTCOME_REPLY_WRONG_COUNT).meaning) {
        accept_all(egress, request);
        return 0;
    }
    if (!is_sound)
        return refuse_request(egress, request, &answer);
    on_works(egress);
    for (size_t i = 0; i < request->entry_count; i++)
        take_result(egress, &request->entries[i], &results[i]);
    return 0;
}

static void note_time(struct egress *egress, const struct request *request,
                      const struct http_reply *reply)
{
    struct request_times *times = &egress->times;

    counter_add(&egress->counters->request_ns, (uint64_t)reply->total_ns);
    if (reply->attempts > 1)
        counter_add(&egress->counters->requests_repeated_by_transport,
                    reply->attempts - 1);
    if (!request_times_add(times, reply->total_ns, request->record_count))
        return;
    log_info("status",
             "messages=%llu requests=%llu p50_ms=%.1f p95_ms=%.1f p99_ms=%.1f",
             (unsigned long long)times->message_count,
             (unsigned long long)times->request_count,
             (double)request_times_percentile(times, 500) / 1e6,
             (double)request_times_percentile(times, 950) / 1e6,
             (double)request_times_percentile(times, 990) / 1e6);
    request_times_restart(times);
}

/* Pauses are counted from the reply, not from when the queues were seen last. */
static void look_again(struct egress *egress, const struct request *request)
{
    for (size_t i = 0; i < request->entry_count; i++)
        queue_sender_look(request->entries[i].sender, egress->now);
}

/*
 * Memory that was short for a moment may have left OpenSSL without something
 * that it never looks for again: after that, no handshake of this process
 * succeeds, whatever the endpoint does. A fresh process costs nothing while no
 * request is on its way.
 */
static int doubt_own_tls(struct egress *egress, const struct http_reply *reply)
{
    if (reply->failure != HTTP_TLS_FAILED) {
        egress->tls_fails_since = MONOTONIC_NEVER;
        return 0;
    }
    egress->tls_fails_since =
        monotonic_earlier(egress->tls_fails_since, egress->now);
    if (egress->in_flight > 0 ||
        monotonic_between(egress->tls_fails_since, egress->now) <
            TLS_PATIENCE_NS)
        return 0;
    return error_sentence(-EPROTO,
                          "TLS with the endpoint fails, and only that, for "
                          "%d s: another process shall try",
                          (int)(TLS_PATIENCE_NS / NS_PER_SECOND));
}

int egress_collect_replies(struct egress *egress)
{
    struct http_reply reply;
    int taken = 0;
    int result = http_client_turn(kinesis_session_client(egress->session));

    if (result < 0)
        return result;
    while (kinesis_session_next(egress->session, egress->wall, &reply)) {
        struct request *request;

        if (reply.slot == EGRESS_LISTING_SLOT) {
            result = egress_take_shards(egress, &reply);
            if (result < 0)
                return result;
            taken++;
            continue;
        }
        request = &egress->requests[reply.slot];
        CRASH_POINT(reply_unread);
        request->is_sent = false;
        egress->in_flight--;
        note_time(egress, request, &reply);
        look_again(egress, request);
        result = take_reply(egress, request, &reply);
        if (result == 0)
            result = settle(egress, request);
        if (result == 0)
            result = doubt_own_tls(egress, &reply);
        if (result < 0)
            return result;
        taken++;
    }
    counter_set(&egress->counters->requests_in_flight, egress->in_flight);
    return taken;
}
