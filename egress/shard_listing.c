/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/shard_listing.h"

#include <stdio.h>

/* Half of a pause is for sure, half by chance; twice as long each time. */
#define PAUSE_FIRST_NS (200 * NS_PER_MS)
#define PAUSE_MOST_NS  (5 * NS_PER_SECOND)

/* A missing stream is made by people, or by a program that takes its time. */
#define ABSENCE_LEAST_NS (5 * NS_PER_SECOND)
#define ABSENCE_MOST_NS  (30 * NS_PER_SECOND)

/* Between two lists that both came, however much the shards move. */
#define LIST_PAUSE_NS (200 * NS_PER_MS)

/* A page has up to 1000 shards; empty ones with a token are legal, but some. */
#define PAGES_MOST 1000

#define FAILURES_MOST 16

void shard_listing_init(struct shard_listing *listing)
{
    listing->state = SHARD_LISTING_IDLE;
    listing->due = (struct monotonic){ .ns = 0 };
    listing->failures = 0;
    listing->pages = 0;
    listing->list = (struct shard_list){ 0 };
    listing->complaint[0] = '\0';
}

void shard_listing_deinit(struct shard_listing *listing)
{
    shard_list_deinit(&listing->list);
}

/* From the first page. */
static void begin_at(struct shard_listing *listing, struct monotonic due)
{
    shard_list_deinit(&listing->list);
    listing->pages = 0;
    listing->state = SHARD_LISTING_DUE;
    listing->due = due;
}

void shard_listing_want(struct shard_listing *listing, struct monotonic now)
{
    if (listing->state != SHARD_LISTING_IDLE)
        return;
    begin_at(listing,
             monotonic_reached(listing->due, now) ? now : listing->due);
}

static void note_failure(struct shard_listing *listing)
{
    if (listing->failures < FAILURES_MOST)
        listing->failures++;
}

void shard_listing_again(struct shard_listing *listing, struct monotonic now,
                         struct random *random)
{
    int64_t most_ns = PAUSE_FIRST_NS << listing->failures;

    if (most_ns > PAUSE_MOST_NS)
        most_ns = PAUSE_MOST_NS;
    note_failure(listing);
    begin_at(
        listing,
        monotonic_after(now, most_ns / 2 + random_jitter(random, most_ns / 2)));
}

void shard_listing_await_stream(struct shard_listing *listing,
                                struct monotonic now, struct random *random)
{
    int64_t most_ns = ABSENCE_LEAST_NS << listing->failures;

    if (most_ns > ABSENCE_MOST_NS)
        most_ns = ABSENCE_MOST_NS;
    note_failure(listing);
    begin_at(listing,
             monotonic_after(
                 now, ABSENCE_LEAST_NS +
                          random_jitter(random, most_ns - ABSENCE_LEAST_NS)));
}

struct bytes shard_listing_ask(struct shard_listing *listing,
                               const char *stream)
{
    struct bytes_writer writer =
        bytes_writer_on(listing->request, sizeof(listing->request));

    assert(listing->state == SHARD_LISTING_DUE);
    list_shards_encode(stream, LIST_ALL_SHARDS, listing->list.next_token,
                       &writer);
    /* take_page() keeps no token that is too long. */
    assert(!writer.overrun);
    listing->state = SHARD_LISTING_ASKED;
    return bytes_written(&writer);
}

static int fail(struct shard_listing *listing, struct monotonic now,
                struct random *random)
{
    shard_listing_again(listing, now, random);
    return SHARD_LISTING_FAILED;
}

/* Any reply that is no page. */
static int take_refusal(struct shard_listing *listing,
                        const struct http_reply *reply, struct monotonic now,
                        struct random *random)
{
    struct service_error error;

    if (reply->failure != HTTP_NO_FAILURE) {
        listing->outcome = outcome_of_failure(reply->failure, reply->definite);
        (void)snprintf(listing->complaint, sizeof(listing->complaint), "%s: %s",
                       http_failure_name(reply->failure), reply->explanation);
        return fail(listing, now, random);
    }
    service_error_decode(reply->body, &error);
    listing->outcome =
        outcome_of_status(reply->status, bytes_of_text(error.code));
    (void)snprintf(listing->complaint, sizeof(listing->complaint),
                   "status %d %s: %s", reply->status,
                   error.code[0] ? error.code : "without a code",
                   error.message);
    if (listing->outcome.action != OUTCOME_AWAIT_STREAM)
        return fail(listing, now, random);
    shard_listing_await_stream(listing, now, random);
    return SHARD_LISTING_NO_STREAM;
}

static int take_nonsense(struct shard_listing *listing, struct monotonic now,
                         struct random *random)
{
    listing->outcome = outcome_of_reply(OUTCOME_REPLY_GARBAGE);
    (void)snprintf(listing->complaint, sizeof(listing->complaint),
                   "the reply is no list of shards");
    return fail(listing, now, random);
}

/* A token has to fit into a request, six bytes for each at the worst. */
static bool has_token(const struct shard_list *list)
{
    return list->next_token != NULL;
}

static bool token_is_too_long(const struct shard_list *list)
{
    return has_token(list) &&
           strlen(list->next_token) > SHARD_LISTING_REQUEST_MOST / 6 - 64;
}

int shard_listing_take(struct shard_listing *listing,
                       const struct http_reply *reply, struct monotonic now,
                       struct random *random)
{
    int result;

    assert(listing->state == SHARD_LISTING_ASKED);
    if (reply->failure != HTTP_NO_FAILURE || reply->status != 200)
        return take_refusal(listing, reply, now, random);
    result = list_shards_decode(reply->body, &listing->list);
    if (result < 0)
        return result;
    if (result > 0 || token_is_too_long(&listing->list) ||
        ++listing->pages > PAGES_MOST)
        return take_nonsense(listing, now, random);
    if (has_token(&listing->list)) {
        listing->state = SHARD_LISTING_DUE;
        listing->due = now;
        return SHARD_LISTING_MORE;
    }
    listing->state = SHARD_LISTING_IDLE;
    listing->failures = 0;
    listing->due = monotonic_after(now, LIST_PAUSE_NS);
    return 0;
}
