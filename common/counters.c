/* SPDX-License-Identifier: Apache-2.0 */

#include "common/counters.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "common/error.h"

/* Values have cache lines of their own: readers do not slow the rows. */
#define VALUES_ALIGNMENT 128

/* Behind the segment_head. Offsets are bytes from the segment's beginning. */
struct counters_head {
    uint32_t row_count;
    uint32_t row_length; /* so that another build may append fields */
    uint64_t rows_offset;
    uint64_t values_offset;
    uint64_t values_length; /* bytes */
};

struct counters_row {
    char name[COUNTER_NAME_SIZE];
    char meaning[COUNTER_MEANING_SIZE];
    uint32_t unit;   /* enum counter_unit */
    uint32_t offset; /* from values_offset, a multiple of 8 */
};

static_assert(sizeof(struct counters_head) == 32, "read by other builds");
static_assert(sizeof(struct counters_row) == 328, "read by other builds");

static struct counters_head plan(size_t row_count, size_t values_length)
{
    uint64_t rows_offset =
        sizeof(struct segment_head) + sizeof(struct counters_head);
    uint64_t rows_end = rows_offset + row_count * sizeof(struct counters_row);

    return (struct counters_head){
        .row_count = (uint32_t)row_count,
        .row_length = sizeof(struct counters_row),
        .rows_offset = rows_offset,
        .values_offset = (rows_end + VALUES_ALIGNMENT - 1) &
                         ~(uint64_t)(VALUES_ALIGNMENT - 1),
        .values_length = values_length,
    };
}

static struct counters_head *head_of(const struct shared_memory *memory)
{
    return (void *)((char *)memory->address + sizeof(struct segment_head));
}

static struct counters_row *row_at(const struct shared_memory *memory,
                                   const struct counters_head *head,
                                   size_t index)
{
    return (void *)((char *)memory->address + head->rows_offset +
                    index * head->row_length);
}

static struct counters_row row_of(const struct counter_row *row)
{
    struct counters_row stored = {
        .unit = (uint32_t)row->unit,
        .offset = (uint32_t)row->offset,
    };

    (void)strncpy(stored.name, row->name, sizeof(stored.name) - 1);
    (void)strncpy(stored.meaning, row->meaning, sizeof(stored.meaning) - 1);
    return stored;
}

static int create(const char *name, const struct counter_row *rows,
                  const struct counters_head *head,
                  struct shared_memory *memory)
{
    int result = shared_memory_create(
        name, head->values_offset + head->values_length, memory);

    if (result > 0)
        return error_sentence(-EEXIST,
                              "segment %s was made by another process just "
                              "now: is a second bridge of this name running?",
                              name);
    if (result < 0)
        return result;
    *head_of(memory) = *head;
    for (size_t i = 0; i < head->row_count; i++)
        *row_at(memory, head, i) = row_of(&rows[i]);
    shared_memory_publish(memory, COUNTERS_MAGIC, COUNTERS_VERSION, 0);
    return 0;
}

/* True if the old segment has the rows of this build, byte for byte. */
static bool is_same(const struct shared_memory *memory,
                    const struct counter_row *rows,
                    const struct counters_head *head)
{
    if (memory->length != head->values_offset + head->values_length ||
        memcmp(head_of(memory), head, sizeof(*head)) != 0)
        return false;
    for (size_t i = 0; i < head->row_count; i++) {
        struct counters_row expected = row_of(&rows[i]);

        if (memcmp(row_at(memory, head, i), &expected, sizeof(expected)) != 0)
            return false;
    }
    return true;
}

int counters_open(const char *name, const struct counter_row *rows,
                  size_t row_count, size_t values_length,
                  struct shared_memory *memory, void **values)
{
    struct counters_head head = plan(row_count, values_length);
    struct shared_memory opened = SHARED_MEMORY_NULL;
    int result = shared_memory_open(name, SHARED_MEMORY_WRITE, COUNTERS_MAGIC,
                                    COUNTERS_VERSION, &opened);

    if (result < 0)
        return result;
    if (result == 0 && !is_same(&opened, rows, &head))
        shared_memory_close(&opened);
    if (!opened.address) {
        /* Counting is not worth a failure: what is in the way goes. */
        result = shared_memory_remove(name);
        if (result == 0)
            result = create(name, rows, &head, &opened);
        if (result < 0)
            return result;
    }
    *memory = opened;
    *values = (char *)opened.address + head.values_offset;
    return 0;
}

/* A copy of the head if everything it says lies inside the segment. */
static bool read_head(const struct shared_memory *memory,
                      struct counters_head *head)
{
    uint64_t length = memory->length;

    if (length < sizeof(struct segment_head) + sizeof(*head))
        return false;
    *head = *head_of(memory);
    return head->row_length >= sizeof(struct counters_row) &&
           head->row_length % sizeof(uint64_t) == 0 &&
           head->rows_offset % sizeof(uint64_t) == 0 &&
           head->rows_offset <= length &&
           head->row_count <= (length - head->rows_offset) / head->row_length &&
           head->values_offset % sizeof(uint64_t) == 0 &&
           head->values_offset <= length &&
           head->values_length <= length - head->values_offset;
}

size_t counters_count(const struct shared_memory *memory)
{
    struct counters_head head;

    return read_head(memory, &head) ? head.row_count : 0;
}

bool counters_read(const struct shared_memory *memory, size_t index,
                   struct counter_view *view)
{
    struct counters_head head;
    struct counters_row row;
    const _Atomic uint64_t *value;

    if (!read_head(memory, &head) || index >= head.row_count)
        return false;
    row = *row_at(memory, &head, index);
    if (row.offset % sizeof(uint64_t) != 0 ||
        head.values_length < sizeof(uint64_t) ||
        row.offset > head.values_length - sizeof(uint64_t) ||
        row.unit > UNIT_GAUGE)
        return false;
    row.name[sizeof(row.name) - 1] = '\0';
    row.meaning[sizeof(row.meaning) - 1] = '\0';
    value = (const void *)((const char *)memory->address + head.values_offset +
                           row.offset);
    memcpy(view->name, row.name, sizeof(view->name));
    memcpy(view->meaning, row.meaning, sizeof(view->meaning));
    view->unit = (enum counter_unit)row.unit;
    view->value = atomic_load_explicit(value, memory_order_relaxed);
    return true;
}
