/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ingest_lookups - asks every nsqlookupd, each by itself, which nsqd there are.
 *
 * This joins the pure nsq_lookup, http_reply and nsq_directory with streams of
 * io.h. A question is one connection and one reply. What all nsqlookupd list
 * together is wanted; one that fails keeps its last answer.
 */

#include "ingest/ingest.h"

/* One nsqlookupd; struct ingest_lookups has them all. */
struct ingest_lookups;

/* Make them from the options; none given is fine. Returns as ingest_open(). */
int ingest_lookups_open(struct ingest *ingest);
void ingest_lookups_close(struct ingest *ingest);

/* A step: begin the questions that are due, end those that take too long. */
int ingest_ask_lookups(struct ingest *ingest);

/* When ingest_ask_lookups() has something to do. */
struct monotonic ingest_lookups_due(const struct ingest *ingest);

/* What came from the kernel for lookup `index`. */
void ingest_lookups_take(struct ingest *ingest, size_t index,
                         const struct io_completion *completion);

/* A name was looked up: `index` as given to the resolver. */
void ingest_lookups_resolved(struct ingest *ingest, size_t index,
                             const struct resolver_answer *answer);

/* An nsqd was lost: it may have moved, so ask soon. */
void ingest_lookups_hurry(struct ingest *ingest);
