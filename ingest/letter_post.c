/* SPDX-License-Identifier: Apache-2.0 */

#include "ingest/letter_post.h"

#include <stdio.h>

#define FIRST_WAIT_NS   (100 * NS_PER_MS)
#define LONGEST_WAIT_NS (30 * NS_PER_SECOND)

/* How long a connection is kept that has nothing to publish. */
#define IDLE_NS (10 * NS_PER_SECOND)

void letter_post_init(struct letter_post *post,
                      const struct nsq_connection_settings *settings)
{
    *post = (struct letter_post){ .idle_at = MONOTONIC_NEVER };
    dead_letter_box_init(&post->box);
    nsq_publisher_init(&post->publisher, settings);
    backoff_init(&post->backoff, FIRST_WAIT_NS, LONGEST_WAIT_NS);
}

static void close_stream(struct letter_post *post)
{
    io_close(post->stream);
    post->stream = NULL;
    post->sending = 0;
    post->posted = 0;
    post->posted_bytes = 0;
    post->idle_at = MONOTONIC_NEVER;
    nsq_publisher_reset(&post->publisher);
}

void letter_post_deinit(struct letter_post *post)
{
    close_stream(post);
    dead_letter_box_deinit(&post->box);
}

static int fail(struct letter_post *post, const char *why)
{
    (void)snprintf(post->publisher.complaint, sizeof(post->publisher.complaint),
                   "%s", why);
    return NSQ_PUBLISHER_FAILED;
}

static int connect_now(struct letter_post *post, struct io *io, uint64_t tag,
                       struct monotonic now)
{
    int result;

    if (post->address.length == 0 || !monotonic_reached(post->retry_at, now))
        return 0;
    nsq_publisher_start(&post->publisher, now);
    result = io_connect(io, &post->address, tag, &post->stream);
    if (result)
        return fail(post,
                    result > 0 ? "too many connections" : strerror(-result));
    return 0;
}

static int publish(struct letter_post *post, struct monotonic now)
{
    struct bytes unposted = dead_letter_bytes(&post->box, post->posted_bytes);
    size_t count = post->box.count - post->posted;

    if (post->publisher.state != NSQ_PUBLISHER_READY || count == 0)
        return 0;
    if (nsq_publisher_publish(&post->publisher, unposted, count, now))
        return NSQ_PUBLISHER_FAILED;
    post->posted += count;
    post->posted_bytes += unposted.length;
    return 0;
}

static void send_output(struct letter_post *post)
{
    struct bytes output;

    if (!post->stream || post->sending > 0)
        return;
    output = nsq_publisher_output(&post->publisher);
    if (output.length == 0)
        return;
    post->sending = output.length;
    io_send(post->stream, output);
}

int letter_post_step(struct letter_post *post, struct io *io, uint64_t tag,
                     struct monotonic now)
{
    if (!post->stream)
        return post->box.count > 0 ? connect_now(post, io, tag, now) : 0;
    if (post->box.count > 0)
        post->idle_at = MONOTONIC_NEVER;
    if (monotonic_reached(post->idle_at, now)) {
        close_stream(post);
        return 0;
    }
    if (nsq_publisher_on_time(&post->publisher, now) || publish(post, now))
        return NSQ_PUBLISHER_FAILED;
    send_output(post);
    return 0;
}

int letter_post_receive(struct letter_post *post,
                        const struct io_completion *completion,
                        struct monotonic now, size_t *confirmed)
{
    *confirmed = 0;
    switch (completion->kind) {
    case IO_CONNECTED:
        return nsq_publisher_on_connected(&post->publisher, now);
    case IO_RECEIVED:
        return nsq_publisher_feed(&post->publisher, completion->bytes, now,
                                  confirmed);
    case IO_SENT:
        nsq_publisher_on_sent(&post->publisher, post->sending);
        post->sending = 0;
        return 0;
    case IO_CLOSED_BY_PEER:
        return fail(post, "nsqd closed the connection");
    case IO_CONNECT_FAILED:
    case IO_FAILED:
        return fail(post, strerror(-completion->error));
    case IO_NOTHING:
    case IO_READABLE:
        break;
    }
    return 0;
}

void letter_post_take(struct letter_post *post, struct dead_letter *letter,
                      struct monotonic now)
{
    assert(post->posted > 0);
    dead_letter_take(&post->box, letter);
    post->posted--;
    post->posted_bytes -= letter->length;
    backoff_reset(&post->backoff);
    if (post->box.count == 0)
        post->idle_at = monotonic_after(now, IDLE_NS);
}

void letter_post_end(struct letter_post *post, struct monotonic now,
                     struct random *random)
{
    close_stream(post);
    post->retry_at = monotonic_after(now, backoff_next(&post->backoff, random));
}

struct monotonic letter_post_deadline(const struct letter_post *post)
{
    if (post->stream)
        return monotonic_earlier(nsq_publisher_deadline(&post->publisher),
                                 post->idle_at);
    return post->box.count > 0 && post->address.length > 0 ? post->retry_at
                                                           : MONOTONIC_NEVER;
}
