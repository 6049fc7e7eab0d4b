/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * nsq_directory - which nsqd are to be connected to: the union of what all
 * sources list; pure.
 *
 * A source is an nsqlookupd, or the operator's list of nsqd. Each new answer of
 * a source replaces its last one; a source that does not answer keeps its last.
 * A nsqd that no source lists any more keeps the connection it has: it may just
 * have lost its nsqlookupd. But it is not connected to again, because SUB would
 * create anew a topic that was deleted there.
 *
 * Entries keep their index as long as they are listed or in use, so that the
 * caller's connections can be found by it.
 */

#include "common/address.h"

#define NSQ_DIRECTORY_MOST         256 /* nsqd of one topic */
#define NSQ_DIRECTORY_SOURCES_MOST 64

struct nsq_directory_entry {
    struct address address;
    uint64_t listed_by; /* bit i: source i lists it */
    bool is_in_use;     /* the caller has a connection, or is making one */
};

struct nsq_directory {
    struct nsq_directory_entry entries[NSQ_DIRECTORY_MOST];
};

void nsq_directory_init(struct nsq_directory *directory);

/*
 * Source `source` lists exactly these addresses. Returns how many there was no
 * room for.
 */
size_t nsq_directory_answer(struct nsq_directory *directory, unsigned source,
                            const struct address *addresses, size_t count);

static inline bool
nsq_directory_is_listed(const struct nsq_directory *directory, size_t index)
{
    return directory->entries[index].listed_by != 0;
}

/*
 * The next entry from `index` on that is listed and not in use: to be connected
 * to. NSQ_DIRECTORY_MOST when there is none.
 */
size_t nsq_directory_next_unused(const struct nsq_directory *directory,
                                 size_t index);
