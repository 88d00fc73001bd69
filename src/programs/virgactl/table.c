#include "programs/virgactl/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "util.h"

struct cell {
    char *text;
    enum table_color color;
};

struct table {
    const char *const *headings;
    size_t n_columns;
    struct cell *cells;
    size_t n_cells, allocated;
};

struct table *
table_create(const char *const *headings, size_t n)
{
    struct table *table = xzalloc(sizeof *table);

    table->headings = headings;
    table->n_columns = n;
    return table;
}

void
table_destroy(struct table *table)
{
    if (table) {
        for (size_t i = 0; i < table->n_cells; i++) {
            free(table->cells[i].text);
        }
        free(table->cells);
        free(table);
    }
}

static void
add_cell(struct table *table, enum table_color color, const char *fmt, va_list args)
{
    struct cell *cell;

    if (table->n_cells == table->allocated) {
        table->cells = x2nrealloc(table->cells, &table->allocated, sizeof *table->cells);
    }
    cell = &table->cells[table->n_cells++];
    cell->text = xvasprintf(fmt, args);
    cell->color = color;
    if (!*cell->text) {
        free(cell->text);
        cell->text = xstrdup("-");
    }
}

void
table_cell(struct table *table, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    add_cell(table, COLOR_PLAIN, fmt, args);
    va_end(args);
}

void
table_colored_cell(struct table *table, enum table_color color, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    add_cell(table, color, fmt, args);
    va_end(args);
}

static size_t
n_rows(const struct table *table)
{
    ovs_assert(table->n_columns);
    return table->n_cells / table->n_columns;
}

bool
table_is_empty(const struct table *table)
{
    return !table->n_cells;
}

static int
compare_rows(const void *a_, const void *b_, void *n_columns)
{
    const struct cell *a = a_, *b = b_;

    for (size_t i = 0; i < *(size_t *) n_columns; i++) {
        int cmp = strcmp(a[i].text, b[i].text);

        if (cmp) {
            return cmp;
        }
    }
    return 0;
}

void
table_sort(struct table *table)
{
    if (table->n_cells) {
        qsort_r(table->cells, n_rows(table), table->n_columns * sizeof *table->cells, compare_rows,
                &table->n_columns);
    }
}

static bool
is_right(const struct table *table, size_t column)
{
    return table->headings[column][0] == '>';
}

static const char *
heading(const struct table *table, size_t column)
{
    return table->headings[column] + is_right(table, column);
}

static size_t
column_width(const struct table *table, size_t column)
{
    size_t width = strlen(heading(table, column));

    for (size_t row = 0; row < n_rows(table); row++) {
        size_t length = strlen(table->cells[row * table->n_columns + column].text);

        width = MAX(width, length);
    }
    return width;
}

static const char *
escape_sequence(enum table_color color)
{
    switch (color) {
    case COLOR_GOOD:
        return "\033[32m";
    case COLOR_BAD:
        return "\033[31m";
    case COLOR_WARN:
        return "\033[33m";
    case COLOR_DIM:
        return "\033[2m";
    case COLOR_PLAIN:
    default:
        return NULL;
    }
}

/* The last column is not padded, unless it is aligned to the right. */
static void
format_cell(const char *text, size_t width, bool right, bool last, const char *escape,
            struct ds *out)
{
    size_t pad = width - strlen(text);

    if (right) {
        ds_put_char_multiple(out, ' ', pad);
    }
    if (escape) {
        ds_put_format(out, "%s%s\033[0m", escape, text);
    } else {
        ds_put_cstr(out, text);
    }
    if (!last) {
        ds_put_char_multiple(out, ' ', (right ? 0 : pad) + 2);
    }
}

void
table_format(const struct table *table, bool color, struct ds *out)
{
    size_t n = table->n_columns;
    size_t *widths = xcalloc(n, sizeof *widths);

    for (size_t column = 0; column < n; column++) {
        widths[column] = column_width(table, column);
    }
    for (size_t column = 0; column < n && n_rows(table); column++) {
        format_cell(heading(table, column), widths[column], is_right(table, column),
                    column == n - 1, color ? "\033[1m" : NULL, out);
    }
    for (size_t i = 0; i < n_rows(table) * n; i++) {
        const struct cell *cell = &table->cells[i];

        if (i % n == 0) {
            ds_put_char(out, '\n');
        }
        format_cell(cell->text, widths[i % n], is_right(table, i % n), i % n == n - 1,
                    color ? escape_sequence(cell->color) : NULL, out);
    }
    if (n_rows(table)) {
        ds_put_char(out, '\n');
    }
    free(widths);
}

void
table_print(const struct table *table, bool color)
{
    struct ds out = DS_EMPTY_INITIALIZER;

    table_format(table, color, &out);
    fputs(ds_cstr(&out), stdout);
    ds_destroy(&out);
}
