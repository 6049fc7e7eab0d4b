/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * options_table - options.tbl as rows, for the files that make up options.
 *
 * Nobody else includes this: what the rest of the bridge needs is a field of
 * struct options.
 */

#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/options.h"

enum option_kind {
    OPTION_KIND_TEXT,
    OPTION_KIND_TEXT_LIST,
    OPTION_KIND_NUMBER,
    OPTION_KIND_SIZE,
    OPTION_KIND_DURATION,
    OPTION_KIND_CHOICE,
    OPTION_KIND_FLAG,
};

enum option_group {
    OPTION_GROUP_NSQ,
    OPTION_GROUP_KINESIS,
    OPTION_GROUP_TUNING,
    OPTION_GROUP_OPERATION,
    OPTION_GROUP_INTERNAL, /* the last: not shown */
};

struct option_row {
    const char *flag; /* without dashes */
    const char *initial;
    const char *meaning;
    uint64_t least;
    uint64_t most;
    size_t offset; /* in struct options */
    enum option_kind kind;
    enum option_group group;
};

extern const struct option_row option_rows[];
extern const size_t option_row_count;

/* The field of `row` in *options, as the type of its kind. */
static inline void *option_field(struct options *options,
                                 const struct option_row *row)
{
    return (char *)options + row->offset;
}

static inline const void *option_value(const struct options *options,
                                       const struct option_row *row)
{
    return (const char *)options + row->offset;
}

/* The words of a CHOICE, "auto|io_uring|epoll", out of its meaning. */
static inline struct bytes option_choices(const struct option_row *row)
{
    return bytes_of(row->meaning, strcspn(row->meaning, ":"));
}

/* Write the complaint and return `condition`. */
int options_complain(struct options *options, enum options_condition condition,
                     const char *format, ...)
    __attribute__((format(printf, 3, 4)));
