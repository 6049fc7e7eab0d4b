/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * text_table - lines whose columns stand below each other.
 *
 * Cells are kept until all are known, because the widest decides. Text must be
 * printable ASCII; bytes that are not are shown as '?'.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TEXT_TABLE_COLUMNS_MOST 16

struct text_table {
    size_t column_count;
    uint32_t right; /* bit i: column i holds numbers and is set to the right */
    char **cells;   /* line after line, the titles first */
    size_t cell_count;
    size_t room;   /* cells */
    bool is_short; /* of memory: cells are missing */
};

/* Begin a table with its line of titles. End it with text_table_deinit(). */
void text_table_init(struct text_table *table, const char *const *titles,
                     size_t column_count, uint32_t right);
void text_table_deinit(struct text_table *table);

/* Add the next cell of the line. */
void text_table_add(struct text_table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Print it. Returns 0 or -ENOMEM with its sentence. */
int text_table_print(const struct text_table *table, FILE *file);
