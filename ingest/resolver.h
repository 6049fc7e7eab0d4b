/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * resolver - host names become socket addresses without blocking the loop.
 *
 *     resolver_ask ──► questions ──► thread: getaddrinfo ──► answers
 *                                                              │ eventfd
 *     resolver_take ◄──────────────────────────────────────────┘
 *
 * A numeric address is answered at once and needs no thread. Names are looked
 * up one after another by one thread, because getaddrinfo(3) has no form that
 * does not block and every other resolver knows less of the host's set-up.
 *
 * Thread    the caller's is one: the loop.
 * Memory    all of it is allocated by resolver_new().
 * Returns   0, a RESOLVER_* condition, or a negative errno.
 */

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/address.h"

#define RESOLVER_QUESTIONS_MOST 64 /* asked and not yet taken */
#define RESOLVER_ADDRESSES_MOST 8  /* of one name; the rest is left out */

struct resolver;

struct resolver_answer {
    uint64_t tag;          /* of the question */
    const char *complaint; /* why there is no address, or NULL; never freed */
    size_t count;          /* addresses, in the order in which to try them */
    struct socket_address addresses[RESOLVER_ADDRESSES_MOST];
};

enum resolver_condition {
    RESOLVER_ANSWERED = 1, /* numeric: the answer is there already */
    RESOLVER_BUSY,         /* too many questions: ask again after a take */
};

/* As getaddrinfo(3); tests put their own in its place. */
typedef int resolver_lookup(const char *host, const char *service,
                            const struct addrinfo *hints,
                            struct addrinfo **found);

/*
 * Start the thread. `lookup` is getaddrinfo if it is NULL. The caller owns
 * *resolver and gives it to resolver_free().
 */
int resolver_new(resolver_lookup *lookup, struct resolver **resolver);

/*
 * Forget all questions. Does not wait for a name server: a look-up under way
 * ends by itself, and nobody hears of it. NULL is allowed.
 */
void resolver_free(struct resolver *resolver);

/* An eventfd for io_watch_eventfd(): after it, take until nothing is left. */
int resolver_descriptor(const struct resolver *resolver);

/*
 * Ask for the addresses of `address`. *answer is filled in only if the
 * condition says so; else resolver_take() gives it, with this tag.
 *
 * Returns 0, RESOLVER_ANSWERED or RESOLVER_BUSY.
 */
int resolver_ask(struct resolver *resolver, const struct address *address,
                 uint64_t tag, struct resolver_answer *answer);

/* Take the next answer. Returns false if there is none yet. */
bool resolver_take(struct resolver *resolver, struct resolver_answer *answer);
