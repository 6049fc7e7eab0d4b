/* SPDX-License-Identifier: Apache-2.0 */

/*
 * ingest_peers - which nsqd there are, and one connection to each of them.
 *
 * An nsqd that is absent is tried for ever, with growing waits; the log says
 * so once, and once more when it is back. One that disappears from nsqlookupd
 * keeps its live connection, but is not connected to again: SUB would create
 * a topic anew that somebody has just deleted.
 */

#include "ingest/ingest_lookups.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/crash_point.h"
#include "common/error.h"

static struct nsqd *find(const struct ingest *ingest, const char *name)
{
    for (size_t i = 0; i < ingest->nsqd_count; i++)
        if (strcmp(ingest->nsqds[i]->name, name) == 0)
            return ingest->nsqds[i];
    return NULL;
}

static int intern(struct ingest *ingest, struct nsqd *nsqd)
{
    char source[SOURCE_NAME_CAPACITY];

    (void)snprintf(source, sizeof(source), "%s %s %s", nsqd->name,
                   ingest->options->topic, ingest->options->channel);
    if (source_table_intern(&ingest->sources, source, &nsqd->source))
        return error_sentence(-ENOSPC, "more than %d nsqd in the life of %s",
                              SOURCES_MOST, ingest->options->name);
    ingest->by_source[nsqd->source] = nsqd;
    return 0;
}

int ingest_add_nsqd(struct ingest *ingest, const char *name)
{
    struct nsqd *nsqd = find(ingest, name);
    struct address address;
    int result;

    if (nsqd) {
        nsqd->is_wanted = true;
        return 0;
    }
    result = address_parse(bytes_of_text(name), 0, &address);
    if (result)
        return error_sentence(-EINVAL, "\"%s\" is no host:port: %s", name,
                              address_complaint(result));
    if (ingest->nsqd_count == ARRAY_LENGTH(ingest->nsqds))
        return error_sentence(-ENOSPC, "more than %d nsqd", SOURCES_MOST);
    nsqd = malloc(sizeof(*nsqd));
    if (!nsqd)
        return error_origin(-ENOMEM, "cannot keep nsqd %s", name);
    nsqd_init(nsqd, name, &address, &ingest->connection_settings,
              ingest->consumer.lookupd_poll_interval_ns);
    result = intern(ingest, nsqd);
    if (result) {
        nsqd_deinit(nsqd);
        free(nsqd);
        return result;
    }
    ingest->nsqds[ingest->nsqd_count++] = nsqd;
    return 0;
}

void ingest_part(struct ingest *ingest, struct nsqd *nsqd)
{
    ingest->needs_ready = true;
    ingest_save_parked(ingest, nsqd);
    CRASH_POINT(connection_lost);
    nsqd_on_ended(nsqd, ingest->now, &ingest->random);
}

void ingest_lose(struct ingest *ingest, struct nsqd *nsqd, const char *why)
{
    if (!nsqd->has_complained)
        log_warning(
            "nsqd_lost", "nsqd=%s why=%s then=%s", nsqd->name, log_quoted(why),
            nsqd->is_wanted && !ingest->is_draining ? "retrying" : "forgotten");
    nsqd->has_complained = true;
    if (nsqd->was_subscribed)
        counter_add(&ingest->counters->connections_lost, 1);
    ingest_part(ingest, nsqd);
    ingest_lookups_hurry(ingest);
}

static void on_time(struct ingest *ingest, struct nsqd *nsqd)
{
    if (!monotonic_reached(nsqd_deadline(nsqd), ingest->now))
        return;
    if (nsq_connection_on_time(&nsqd->connection, ingest->now))
        ingest_lose(ingest, nsqd, nsqd->connection.complaint);
}

/* One of the answer's addresses, another one each time, or try again later. */
static void take_addresses(struct ingest *ingest, struct nsqd *nsqd,
                           const struct resolver_answer *answer)
{
    nsqd->is_resolving = false;
    nsqd->retry_at = ingest->now;
    if (answer->count > 0) {
        nsqd->socket_address =
            answer->addresses[random_below(&ingest->random, answer->count)];
        return;
    }
    ingest_lose(ingest, nsqd, answer->complaint);
}

void ingest_take_resolved(struct ingest *ingest)
{
    struct resolver_answer answer;

    while (resolver_take(ingest->resolver, &answer))
        if (answer.tag >= INGEST_RESOLVE_LOOKUP)
            ingest_lookups_resolved(
                ingest, (size_t)(answer.tag - INGEST_RESOLVE_LOOKUP), &answer);
        else if (answer.tag < ingest->nsqd_count)
            take_addresses(ingest, ingest->nsqds[answer.tag], &answer);
}

static void resolve(struct ingest *ingest, struct nsqd *nsqd, size_t index)
{
    struct resolver_answer answer;
    int result = resolver_ask(ingest->resolver, &nsqd->address, index, &answer);

    if (result == RESOLVER_ANSWERED)
        take_addresses(ingest, nsqd, &answer);
    else if (result == 0)
        nsqd->is_resolving = true;
    else
        nsqd->retry_at = monotonic_after(ingest->now, NS_PER_SECOND);
}

static void connect_now(struct ingest *ingest, struct nsqd *nsqd, size_t index)
{
    int result;

    if (nsqd->socket_address.length == 0) {
        resolve(ingest, nsqd, index);
        return;
    }
    result = nsqd_connect(nsqd, ingest->io, ingest_tag_make(TAG_NSQD, index),
                          ingest->now);
    if (result)
        ingest_lose(ingest, nsqd,
                    result > 0 ? "too many connections" : strerror(-result));
}

int ingest_meet_peers(struct ingest *ingest)
{
    int moved = 0;

    for (size_t i = 0; i < ingest->nsqd_count; i++) {
        struct nsqd *nsqd = ingest->nsqds[i];

        if (nsqd->stream) {
            on_time(ingest, nsqd);
            moved += ingest_renew(ingest, nsqd);
            continue;
        }
        if (ingest->is_draining || nsqd->is_resolving || !nsqd->is_wanted ||
            !monotonic_reached(nsqd->retry_at, ingest->now))
            continue;
        connect_now(ingest, nsqd, i);
        moved++;
    }
    return moved;
}

/* One write per connection and turn: FINs, TOUCHes, RDY together. */
int ingest_send(struct ingest *ingest)
{
    for (size_t i = 0; i < ingest->nsqd_count; i++) {
        struct nsqd *nsqd = ingest->nsqds[i];

        if (nsqd->connection.state == NSQ_CONNECTION_STATE_FAILED)
            ingest_lose(ingest, nsqd, nsqd->connection.complaint);
        CRASH_POINT(fins_unsent);
        nsqd_send(nsqd);
        CRASH_POINT(fins_sent);
    }
    return 0;
}

int ingest_open_peers(struct ingest *ingest)
{
    const struct option_list *given = &ingest->options->nsqd_tcp_address;
    int result = resolver_new(NULL, &ingest->resolver);

    if (result == 0)
        result =
            io_watch_eventfd(ingest->io, resolver_descriptor(ingest->resolver),
                             ingest_tag_make(TAG_RESOLVER, 0));
    for (size_t i = 0; result == 0 && i < given->count; i++)
        result = ingest_add_nsqd(ingest, given->values[i]);
    if (result == 0)
        result = ingest_lookups_open(ingest);
    return result;
}

void ingest_close_peers(struct ingest *ingest)
{
    if (ingest->resolver)
        io_unwatch(ingest->io, resolver_descriptor(ingest->resolver));
    resolver_free(ingest->resolver);
    ingest_lookups_close(ingest);
}
