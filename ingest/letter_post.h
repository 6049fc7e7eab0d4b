/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * letter_post - takes the dead letters of one nsqd to a topic of that nsqd.
 *
 * This joins a box of letters and the pure nsq_publisher with a stream of
 * io.h. The connection is made when there is a letter and kept for a while
 * afterwards. What has no OK when it ends is published again on the next one,
 * so that the topic may have a letter twice, and never lacks one.
 */

#include "common/random.h"
#include "ingest/backoff.h"
#include "ingest/dead_letter.h"
#include "ingest/io.h"
#include "ingest/nsq_publisher.h"

struct letter_post {
    struct dead_letter_box box;
    struct nsq_publisher publisher;
    struct socket_address address; /* of nsqd; length 0: not known yet */
    struct io_stream *stream;      /* NULL: no socket */
    size_t sending;                /* bytes with the kernel */
    size_t posted;                 /* letters that were published, no OK yet */
    size_t posted_bytes;           /* of those */
    struct backoff backoff;
    struct monotonic retry_at; /* no socket: when to try again */
    struct monotonic idle_at;  /* nothing to do: when to close */
};

void letter_post_init(struct letter_post *post,
                      const struct nsq_connection_settings *settings);
void letter_post_deinit(struct letter_post *post);

/*
 * Do what is due: connect, publish, close. Returns 0, or NSQ_PUBLISHER_FAILED
 * when the connection ended, with the reason in publisher.complaint until
 * letter_post_end().
 */
int letter_post_step(struct letter_post *post, struct io *io, uint64_t tag,
                     struct monotonic now);

/*
 * What came from the kernel. *confirmed letters, the oldest, are nsqd's now and
 * to be taken with letter_post_take(). Returns as letter_post_step().
 */
int letter_post_receive(struct letter_post *post,
                        const struct io_completion *completion,
                        struct monotonic now, size_t *confirmed);

/* Take the oldest letter, which nsqd has confirmed. */
void letter_post_take(struct letter_post *post, struct dead_letter *letter,
                      struct monotonic now);

/* The connection failed: close it, try again after a growing wait. */
void letter_post_end(struct letter_post *post, struct monotonic now,
                     struct random *random);

/* When letter_post_step() has something to do although nothing came. */
struct monotonic letter_post_deadline(const struct letter_post *post);
