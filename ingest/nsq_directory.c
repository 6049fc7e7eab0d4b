/* SPDX-License-Identifier: Apache-2.0 */

#include "ingest/nsq_directory.h"

void nsq_directory_init(struct nsq_directory *directory)
{
    *directory = (struct nsq_directory){ .entries[0].listed_by = 0 };
}

static bool is_taken(const struct nsq_directory_entry *entry)
{
    return entry->listed_by != 0 || entry->is_in_use;
}

static bool is_same(const struct address *a, const struct address *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

/* The entry of `address`, else a free one, else NULL. */
static struct nsq_directory_entry *find(struct nsq_directory *directory,
                                        const struct address *address)
{
    struct nsq_directory_entry *free_entry = NULL;

    for (size_t i = 0; i < NSQ_DIRECTORY_MOST; i++) {
        struct nsq_directory_entry *entry = &directory->entries[i];

        if (is_taken(entry) && is_same(&entry->address, address))
            return entry;
        if (!is_taken(entry) && !free_entry)
            free_entry = entry;
    }
    return free_entry;
}

/*
 * New addresses are entered before old ones are struck out, so that an entry
 * which both answers have is never free in between.
 */
size_t nsq_directory_answer(struct nsq_directory *directory, unsigned source,
                            const struct address *addresses, size_t count)
{
    uint64_t bit = UINT64_C(1) << source;
    bool listed[NSQ_DIRECTORY_MOST] = { false };
    size_t left_out = 0;

    assert(source < NSQ_DIRECTORY_SOURCES_MOST);
    for (size_t i = 0; i < count; i++) {
        struct nsq_directory_entry *entry = find(directory, &addresses[i]);

        if (!entry) {
            left_out++;
            continue;
        }
        if (!is_taken(entry))
            entry->address = addresses[i];
        entry->listed_by |= bit;
        listed[entry - directory->entries] = true;
    }
    for (size_t i = 0; i < NSQ_DIRECTORY_MOST; i++)
        if (!listed[i])
            directory->entries[i].listed_by &= ~bit;
    return left_out;
}

size_t nsq_directory_next_unused(const struct nsq_directory *directory,
                                 size_t index)
{
    while (index < NSQ_DIRECTORY_MOST &&
           (directory->entries[index].listed_by == 0 ||
            directory->entries[index].is_in_use))
        index++;
    return index;
}
