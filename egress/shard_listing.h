/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * shard_listing - asking for the shards anew while everything else goes on.
 *
 *               want             request             last page
 *     IDLE ────────────► DUE ─────────────► ASKED ───────────────► IDLE, a list
 *      │                  ▲                  │
 *      │   again          │ next page: now   │
 *      └──────────────────┴──────────────────┘
 *                           failure: after a growing, jittered pause
 *
 * One page after the other is asked for and taken; whoever owns the listing
 * sends the requests. A failure begins again with the first page, since a token
 * may have expired. Closed shards are listed too: a record that was stored on a
 * shard that was split right afterwards is where that shard was.
 *
 * Pure: time and randomness are arguments.
 */

#include "common/random.h"
#include "egress/control_plane.h"
#include "egress/http_client.h"
#include "egress/outcome.h"

/* Frame, stream name and the longest token we are willing to give back. */
#define SHARD_LISTING_REQUEST_MOST ((size_t)64 * 1024)

enum shard_listing_state {
    SHARD_LISTING_IDLE,
    SHARD_LISTING_DUE,   /* a page is to be asked for at `due` */
    SHARD_LISTING_ASKED, /* its reply is still to come */
};

enum shard_listing_condition {
    SHARD_LISTING_MORE = 1,  /* there is another page to ask for */
    SHARD_LISTING_FAILED,    /* see `outcome` and `complaint` */
    SHARD_LISTING_NO_STREAM, /* there is no such stream now */
};

struct shard_listing {
    enum shard_listing_state state;
    struct monotonic due;
    unsigned failures; /* in a row; saturates */
    unsigned pages;    /* taken of the list under way */
    struct shard_list list;
    struct outcome outcome; /* of the last failure */
    char complaint[768];    /* about it */
    uint8_t request[SHARD_LISTING_REQUEST_MOST];
};

void shard_listing_init(struct shard_listing *listing);
void shard_listing_deinit(struct shard_listing *listing);

/* A list is wanted: now, unless one is under way or was had just now. */
void shard_listing_want(struct shard_listing *listing, struct monotonic now);

/* The last list was too old, or makes no map: another one, after a pause. */
void shard_listing_again(struct shard_listing *listing, struct monotonic now,
                         struct random *random);

/* There is no stream: another look in 5 to 30 seconds. */
void shard_listing_await_stream(struct shard_listing *listing,
                                struct monotonic now, struct random *random);

/* Begin to ask for the next page: the body of its request. */
struct bytes shard_listing_ask(struct shard_listing *listing,
                               const char *stream);

/*
 * Take the reply. 0: listing->list is whole; the caller may take its rows.
 *
 * Returns 0, a SHARD_LISTING_* condition, or -ENOMEM.
 */
int shard_listing_take(struct shard_listing *listing,
                       const struct http_reply *reply, struct monotonic now,
                       struct random *random);
