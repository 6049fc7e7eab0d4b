/* SPDX-License-Identifier: Apache-2.0 */

#include "ingest/ingest_lookups.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/error.h"
#include "ingest/http_reply.h"
#include "ingest/nsq_directory.h"
#include "ingest/nsq_lookup.h"

#define LOOKUPS_MOST NSQ_DIRECTORY_SOURCES_MOST

/* Head and topic; the secret of AUTH may be long. */
#define REQUEST_MOST 4096

struct lookup {
    const char *name; /* "host:port", as it was given */
    struct address address;
    struct socket_address socket_address; /* length 0: not resolved yet */
    struct nsq_lookup_schedule schedule;
    struct io_stream *stream;  /* NULL: no question on its way */
    struct monotonic deadline; /* of the question on its way */
    bool is_resolving;
    bool has_complained; /* the log knows that it does not answer */
    struct http_reply reply;
    uint8_t request[REQUEST_MOST];
};

struct ingest_lookups {
    struct nsq_directory directory;
    struct address producers[NSQ_DIRECTORY_MOST]; /* of one answer */
    size_t count;
    struct lookup lookups[LOOKUPS_MOST];
};

static int add_lookup(struct ingest *ingest, const char *name)
{
    struct ingest_lookups *lookups = ingest->lookups;
    const struct consumer_options *consumer = &ingest->consumer;
    struct lookup *lookup = &lookups->lookups[lookups->count];
    int64_t jitter_ns = (int64_t)((double)consumer->lookupd_poll_interval_ns *
                                  (double)consumer->lookupd_poll_jitter / 1e6);
    int result;

    if (lookups->count == LOOKUPS_MOST)
        return error_sentence(-E2BIG, "more than %d nsqlookupd", LOOKUPS_MOST);
    result = address_parse(bytes_of_text(name), 0, &lookup->address);
    if (result)
        return error_sentence(-EINVAL, "\"%s\" is no host:port: %s", name,
                              address_complaint(result));
    lookup->name = name;
    if (address_numeric(&lookup->address, &lookup->socket_address))
        lookup->socket_address.length = 0;
    nsq_lookup_schedule_init(&lookup->schedule,
                             consumer->lookupd_poll_interval_ns, jitter_ns,
                             ingest->now);
    http_reply_init(&lookup->reply, NSQ_LOOKUP_ANSWER_MOST);
    lookups->count++;
    return 0;
}

int ingest_lookups_open(struct ingest *ingest)
{
    const struct option_list *given = &ingest->options->lookupd_http_address;
    int result = 0;

    if (given->count == 0)
        return 0;
    ingest->lookups = calloc(1, sizeof(*ingest->lookups));
    if (!ingest->lookups)
        return error_origin(-ENOMEM, "cannot keep the list of nsqlookupd");
    nsq_directory_init(&ingest->lookups->directory);
    for (size_t i = 0; result == 0 && i < given->count; i++)
        result = add_lookup(ingest, given->values[i]);
    return result;
}

static void end_question(struct lookup *lookup)
{
    io_close(lookup->stream);
    lookup->stream = NULL;
    http_reply_deinit(&lookup->reply);
}

void ingest_lookups_close(struct ingest *ingest)
{
    if (!ingest->lookups)
        return;
    for (size_t i = 0; i < ingest->lookups->count; i++)
        end_question(&ingest->lookups->lookups[i]);
    free(ingest->lookups);
    ingest->lookups = NULL;
}

/* No answer this time: the nsqd known so far stay wanted. */
static void fail(struct lookup *lookup, const char *why)
{
    end_question(lookup);
    if (!lookup->has_complained)
        log_warning("lookup_failed", "nsqlookupd=%s why=%s then=retrying",
                    lookup->name, log_quoted(why));
    lookup->has_complained = true;
}

/*
 * Want exactly the nsqd that some nsqlookupd lists. The others keep the
 * connection they have; it is only not made again.
 */
static void apply_directory(struct ingest *ingest)
{
    const struct nsq_directory *directory = &ingest->lookups->directory;

    for (size_t i = 0; i < ingest->nsqd_count; i++)
        ingest->nsqds[i]->is_wanted = false;
    for (size_t i = 0; i < NSQ_DIRECTORY_MOST; i++) {
        char name[ADDRESS_TEXT_MOST];
        int result;

        if (!nsq_directory_is_listed(directory, i))
            continue;
        address_format(&directory->entries[i].address, name, sizeof(name));
        result = ingest_add_nsqd(ingest, name);
        if (result)
            log_warning("nsqd_not_added", "nsqd=%s why=%s", name,
                        log_quoted(error_take(result)));
    }
}

static void take_answer(struct ingest *ingest, size_t index)
{
    struct ingest_lookups *lookups = ingest->lookups;
    struct lookup *lookup = &lookups->lookups[index];
    struct nsq_lookup_answer answer = {
        .producers = lookups->producers,
        .capacity = ARRAY_LENGTH(lookups->producers),
    };
    int result = nsq_lookup_parse(
        lookup->reply.status, byte_store_view(&lookup->reply.body), &answer);

    if (result) {
        fail(lookup, result == NSQ_LOOKUP_REFUSED
                         ? "it refuses the question"
                         : "its answer is not that of an nsqlookupd");
        return;
    }
    if (lookup->has_complained)
        log_notice("lookup_works", "nsqlookupd=%s", lookup->name);
    lookup->has_complained = false;
    log_debug("lookup", "nsqlookupd=%s nsqd=%zu skipped=%zu", lookup->name,
              answer.count, answer.skipped);
    end_question(lookup);
    (void)nsq_directory_answer(&lookups->directory, (unsigned)index,
                               answer.producers, answer.count);
    if (!ingest->is_draining)
        apply_directory(ingest);
}

static void ask(struct ingest *ingest, struct lookup *lookup)
{
    struct bytes_writer writer =
        bytes_writer_on(lookup->request, sizeof(lookup->request));
    const struct nsq_lookup_question question = {
        .server = &lookup->address,
        .topic = ingest->connection_settings.topic,
        .user_agent = ingest->connection_settings.identity.user_agent,
        .auth_secret = ingest->connection_settings.auth_secret,
    };

    nsq_lookup_encode(&writer, &question);
    if (writer.overrun)
        fail(lookup, "the question is too long");
    else
        io_send(lookup->stream, bytes_written(&writer));
}

void ingest_lookups_take(struct ingest *ingest, size_t index,
                         const struct io_completion *completion)
{
    struct lookup *lookup = &ingest->lookups->lookups[index];
    int result = HTTP_REPLY_MORE;

    assert(index < ingest->lookups->count);
    switch (completion->kind) {
    case IO_CONNECTED:
        ask(ingest, lookup);
        return;
    case IO_RECEIVED:
        result = http_reply_feed(&lookup->reply, completion->bytes);
        break;
    case IO_CLOSED_BY_PEER:
        result = http_reply_on_closed(&lookup->reply);
        break;
    case IO_CONNECT_FAILED:
    case IO_FAILED:
        fail(lookup, strerror(-completion->error));
        return;
    case IO_SENT:
    case IO_NOTHING:
    case IO_READABLE:
        return;
    }
    if (result == 0)
        take_answer(ingest, index);
    else if (result != HTTP_REPLY_MORE)
        fail(lookup, "its answer is not HTTP, or cut off");
}

void ingest_lookups_resolved(struct ingest *ingest, size_t index,
                             const struct resolver_answer *answer)
{
    struct lookup *lookup = &ingest->lookups->lookups[index];

    assert(index < ingest->lookups->count);
    lookup->is_resolving = false;
    if (answer->count > 0) {
        lookup->socket_address = answer->addresses[0];
        return;
    }
    nsq_lookup_schedule_on_asked(&lookup->schedule, &ingest->random,
                                 ingest->now);
    fail(lookup, answer->complaint);
}

/* Returns 0, or a number that tells that there is no connection to wait for. */
static int begin(struct ingest *ingest, struct lookup *lookup, size_t index)
{
    int result;

    if (lookup->socket_address.length == 0) {
        struct resolver_answer answer;

        result = resolver_ask(ingest->resolver, &lookup->address,
                              INGEST_RESOLVE_LOOKUP + index, &answer);
        lookup->is_resolving = result == 0;
        if (result != RESOLVER_ANSWERED)
            return 1;
        ingest_lookups_resolved(ingest, index, &answer);
        if (lookup->socket_address.length == 0)
            return 1;
    }
    nsq_lookup_schedule_on_asked(&lookup->schedule, &ingest->random,
                                 ingest->now);
    lookup->deadline =
        monotonic_after(ingest->now, ingest->consumer.lookupd_poll_timeout_ns);
    http_reply_init(&lookup->reply, NSQ_LOOKUP_ANSWER_MOST);
    result = io_connect(ingest->io, &lookup->socket_address,
                        ingest_tag_make(TAG_LOOKUP, index), &lookup->stream);
    if (result)
        fail(lookup, result > 0 ? "too many connections" : strerror(-result));
    /* A name may have another address next time. */
    if (address_numeric(&lookup->address, &lookup->socket_address))
        lookup->socket_address.length = 0;
    return result;
}

int ingest_ask_lookups(struct ingest *ingest)
{
    int asked = 0;

    if (!ingest->lookups || ingest->is_draining)
        return 0;
    for (size_t i = 0; i < ingest->lookups->count; i++) {
        struct lookup *lookup = &ingest->lookups->lookups[i];

        if (lookup->stream) {
            if (monotonic_reached(lookup->deadline, ingest->now))
                fail(lookup, "no answer in time");
            continue;
        }
        if (!lookup->is_resolving &&
            monotonic_reached(lookup->schedule.due, ingest->now))
            asked += begin(ingest, lookup, i) == 0;
    }
    return asked;
}

struct monotonic ingest_lookups_due(const struct ingest *ingest)
{
    struct monotonic due = MONOTONIC_NEVER;

    if (!ingest->lookups || ingest->is_draining)
        return due;
    for (size_t i = 0; i < ingest->lookups->count; i++) {
        const struct lookup *lookup = &ingest->lookups->lookups[i];

        if (lookup->is_resolving)
            continue;
        due = monotonic_earlier(due, lookup->stream ? lookup->deadline
                                                    : lookup->schedule.due);
    }
    return due;
}

void ingest_lookups_hurry(struct ingest *ingest)
{
    if (!ingest->lookups)
        return;
    for (size_t i = 0; i < ingest->lookups->count; i++)
        nsq_lookup_schedule_hurry(&ingest->lookups->lookups[i].schedule,
                                  ingest->now);
}
