/* SPDX-License-Identifier: Apache-2.0 */

#include "shard/acknowledgement_log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "common/crash_point.h"
#include "common/error.h"
#include "shard/shared_word.h"

#define HAS_FIN (UINT64_C(1) << 16)

static bool is_legal_capacity(uint64_t capacity)
{
    return capacity >= ACKNOWLEDGEMENTS_LEAST &&
           capacity <= ACKNOWLEDGEMENTS_MOST &&
           (capacity & (capacity - 1)) == 0;
}

static uint64_t length_of(uint64_t capacity)
{
    return sizeof(struct acknowledgement_segment) +
           capacity * sizeof(struct acknowledgement_entry);
}

/* Returns 0, SHARED_MEMORY_EXISTS or a negative errno. */
static int create(const char *name, uint64_t capacity,
                  struct shared_memory *memory)
{
    struct acknowledgement_segment *segment;
    int result = shared_memory_create(name, length_of(capacity), memory);

    if (result)
        return result;
    segment = memory->address;
    segment->capacity = capacity;
    shared_memory_publish(memory, ACKNOWLEDGEMENT_MAGIC,
                          ACKNOWLEDGEMENT_VERSION, 0);
    return 0;
}

static bool is_sound(const struct shared_memory *memory)
{
    const struct acknowledgement_segment *segment = memory->address;

    return memory->length >= sizeof(*segment) &&
           is_legal_capacity(segment->capacity) &&
           memory->length == length_of(segment->capacity);
}

/* Returns 0, a negative errno, or a condition if it cannot be used. */
static int attach(const char *name, struct shared_memory *memory)
{
    int result =
        shared_memory_open(name, SHARED_MEMORY_WRITE, ACKNOWLEDGEMENT_MAGIC,
                           ACKNOWLEDGEMENT_VERSION, memory);

    if (result == 0 && !is_sound(memory)) {
        shared_memory_close(memory);
        return SHARED_MEMORY_FOREIGN;
    }
    return result;
}

static int create_or_attach(const char *name, uint64_t capacity,
                            struct acknowledgement_log *log)
{
    int result = create(name, capacity, &log->memory);

    if (result != SHARED_MEMORY_EXISTS)
        return result;
    result = attach(name, &log->memory);
    if (result <= 0)
        return result;
    log->was_replaced = true;
    result = shared_memory_remove(name);
    return result ? result : create(name, capacity, &log->memory);
}

void acknowledgement_log_close(struct acknowledgement_log *log)
{
    shared_memory_close(&log->memory);
    *log = (struct acknowledgement_log){ .memory = SHARED_MEMORY_NULL };
}

static struct acknowledgement_entry *
entry_at(const struct acknowledgement_log *log, uint64_t position)
{
    return &log->segment->entries[position & (log->capacity - 1)];
}

void acknowledgement_log_note(struct acknowledgement_log *log,
                              const struct acknowledgement *acknowledgement)
{
    struct acknowledgement_entry *entry = entry_at(log, log->position);

    store_relaxed(&entry->id, acknowledgement->id);
    store_relaxed(&entry->timestamp_ns,
                  (uint64_t)acknowledgement->timestamp_ns);
    store_relaxed(&entry->checksum, acknowledgement->checksum);
    store_relaxed(&entry->source, acknowledgement->source |
                                      (acknowledgement->has_fin ? HAS_FIN : 0));
    CRASH_POINT(note_unpublished);
    log->position++;
    store_release(&log->segment->position, log->position); /* A1 */
}

void acknowledgement_log_read(const struct acknowledgement_log *log,
                              uint64_t position,
                              struct acknowledgement *acknowledgement)
{
    const struct acknowledgement_entry *entry = entry_at(log, position);
    uint64_t source = load_relaxed(&entry->source);

    *acknowledgement = (struct acknowledgement){
        .id = load_relaxed(&entry->id),
        .timestamp_ns = (int64_t)load_relaxed(&entry->timestamp_ns),
        .checksum = load_relaxed(&entry->checksum),
        .source = (uint16_t)source,
        .has_fin = (source & HAS_FIN) != 0,
    };
}

/* Returns 0 or a negative errno. */
static int lock(const char *name, struct shared_memory *memory)
{
    int result = shared_memory_lock(memory, 0);

    if (result > 0)
        return error_sentence(-EBUSY, "another ingest writes the log %s", name);
    return result;
}

static void begin(struct acknowledgement_log *log)
{
    log->segment = log->memory.address;
    log->capacity = log->segment->capacity;
    log->position = load_acquire(&log->segment->position); /* A1 */
}

/* The newest entries of `from` that can be read in `to`, which is empty. */
static void copy_entries(const struct acknowledgement_log *from,
                         struct acknowledgement_log *to)
{
    uint64_t position = acknowledgement_log_oldest(from);

    if (from->position - position > to->capacity - 1)
        position = from->position - (to->capacity - 1);
    for (; position < from->position; position++) {
        struct acknowledgement acknowledgement;

        acknowledgement_log_read(from, position, &acknowledgement);
        acknowledgement_log_note(to, &acknowledgement);
    }
}

/*
 * Put a copy with room for `capacity` entries in the place of `log`. A half
 * made one that somebody left who was killed has a name that nobody reads.
 */
static int change_capacity(const char *name, uint64_t capacity,
                           struct acknowledgement_log *log)
{
    struct acknowledgement_log copy = { .memory = SHARED_MEMORY_NULL };
    char draft[NAME_MAX];
    int result;

    (void)snprintf(draft, sizeof(draft), "%s.draft", name);
    result = shared_memory_remove(draft);
    if (result == 0)
        result = create(draft, capacity, &copy.memory);
    if (result == 0)
        result = lock(draft, &copy.memory);
    if (result == 0) {
        begin(&copy);
        copy_entries(log, &copy);
        CRASH_POINT(log_copied);
        result = shared_memory_set_aside(draft, name);
    }
    if (result) {
        shared_memory_close(&copy.memory);
        (void)shared_memory_remove(draft);
        return result;
    }
    acknowledgement_log_close(log);
    *log = copy;
    return 0;
}

int acknowledgement_log_open(const char *name, uint64_t capacity,
                             struct acknowledgement_log *log)
{
    int result;

    assert(is_legal_capacity(capacity));
    *log = (struct acknowledgement_log){ .memory = SHARED_MEMORY_NULL };
    result = create_or_attach(name, capacity, log);
    if (result > 0)
        result =
            error_sentence(-EBUSY, "another ingest writes the log %s", name);
    if (result == 0)
        result = lock(name, &log->memory);
    if (result)
        return result;
    begin(log);
    /* A log of the wrong size is better than none. */
    if (log->capacity != capacity)
        (void)change_capacity(name, capacity, log);
    return 0;
}
