/* SPDX-License-Identifier: Apache-2.0 */

#include "tools/inspector/text_table.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"

void text_table_init(struct text_table *table, const char *const *titles,
                     size_t column_count, uint32_t right)
{
    assert(column_count > 0 && column_count <= TEXT_TABLE_COLUMNS_MOST);
    *table = (struct text_table){
        .column_count = column_count,
        .right = right,
    };
    for (size_t i = 0; i < column_count; i++)
        text_table_add(table, "%s", titles[i]);
}

void text_table_deinit(struct text_table *table)
{
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (struct text_table){ 0 };
}

static bool make_room(struct text_table *table)
{
    size_t more = table->room ? 2 * table->room : 128;
    char **cells;

    if (table->cell_count < table->room)
        return true;
    cells = reallocarray(table->cells, more, sizeof(*cells));
    if (!cells)
        return false;
    table->cells = cells;
    table->room = more;
    return true;
}

void text_table_add(struct text_table *table, const char *format, ...)
{
    va_list arguments;
    char *cell = NULL;
    int length = -1;

    va_start(arguments, format);
    if (!table->is_short && make_room(table))
        length = vasprintf(&cell, format, arguments);
    va_end(arguments);
    if (length < 0) {
        table->is_short = true;
        return;
    }
    for (char *at = cell; *at; at++)
        if (*at < ' ' || *at > '~')
            *at = '?';
    table->cells[table->cell_count++] = cell;
}

static void measure(const struct text_table *table, int *widths)
{
    for (size_t i = 0; i < table->cell_count; i++) {
        int length = (int)strlen(table->cells[i]);
        int *width = &widths[i % table->column_count];

        if (length > *width)
            *width = length;
    }
}

/* Nothing stands behind the last cell of a line that is not empty. */
static void print_line(const struct text_table *table, char *const *cells,
                       const int *widths, FILE *file)
{
    int blanks = 0;

    for (size_t i = 0; i < table->column_count; i++) {
        int length = (int)strlen(cells[i]);
        int padding = widths[i] - length;
        bool is_right = table->right >> i & 1;

        if (length > 0)
            (void)fprintf(file, "%*s%s", blanks + (is_right ? padding : 0), "",
                          cells[i]);
        if (length > 0)
            blanks = is_right ? 0 : padding;
        else
            blanks += padding;
        blanks += 2;
    }
    (void)fputc('\n', file);
}

int text_table_print(const struct text_table *table, FILE *file)
{
    int widths[TEXT_TABLE_COLUMNS_MOST] = { 0 };

    if (table->is_short)
        return error_origin(-ENOMEM, "cannot keep a table");
    measure(table, widths);
    for (size_t i = 0; i < table->cell_count; i += table->column_count)
        print_line(table, table->cells + i, widths, file);
    return 0;
}
