/* trace_arrivals.c - recorded arrivals, in any order, become each function's bytes. */
#include "trace_int.h"

#include <stdlib.h>

enum {
    ARRIVAL_BYTES_MAX = 8 + 5 + 5
}; /* a gap below 2^56 (a year is 2^54.8 ns), size and tokens below 2^32 */

int trace_arrivals_read(trace_file *file, trace_lines *lines, trace_arrivals *arrivals,
                        trace_read_arrival *read_row, char *err) {
    int rc = 0;
    while (!rc && (rc = trace_lines_next(lines, err)) == 1) {
        rc = trace_grow((void **)&arrivals->items, &arrivals->capacity, arrivals->n + 1,
                        sizeof *arrivals->items, err);
        if (rc) break;
        trace_arrival *a = &arrivals->items[arrivals->n++];
        *a = (trace_arrival){.size = 1};
        rc = read_row(file, lines, a, err);
        if (rc) break;
        file->defects.zero_size += a->size == 0;
        a->size += a->size == 0;
        if (a->ns > file->span_ns) file->span_ns = a->ns;
    }
    return rc;
}

/* By size where times are equal, so that no sort shows. */
static int compare_arrivals(const void *a, const void *b) {
    const trace_arrival *x = a, *y = b;
    if (x->ns != y->ns) return x->ns < y->ns ? -1 : 1;
    if (x->size != y->size) return x->size < y->size ? -1 : 1;
    return (x->out > y->out) - (x->out < y->out);
}

/* Counting sort by function into sorted; rows[].data says where each begins. */
static void group(trace_file *file, const trace_arrivals *arrivals, trace_arrival *sorted) {
    const trace_arrival *from = arrivals->items;
    for (size_t i = 0; i < arrivals->n; i++) {
        file->rows[from[i].fn].count++;
        file->defects.disordered_rows += i && from[i].ns < from[i - 1].ns;
    }
    size_t at = 0;
    for (size_t f = 0; f < file->keys.n; f++) {
        file->rows[f].data = at;
        at += file->rows[f].count;
    }
    for (size_t i = 0; i < arrivals->n; i++) sorted[file->rows[from[i].fn].data++] = from[i];
    for (size_t f = 0; f < file->keys.n; f++) file->rows[f].data -= file->rows[f].count;
}

static int put_row(trace_file *file, trace_row *row, const trace_arrival *from, char *err) {
    if (trace_grow((void **)&file->bytes, &file->bytes_capacity,
                   file->bytes_used + ARRIVAL_BYTES_MAX * row->count, 1, err))
        return -1;
    row->data = file->bytes_used;
    uint8_t *at = file->bytes + file->bytes_used;
    int64_t last = 0;
    double sum = 0, sum_out = 0;
    for (uint64_t i = 0; i < row->count; i++) {
        file->defects.simultaneous += i && from[i].ns == last;
        at = trace_put_digits(at, (uint64_t)(from[i].ns - last));
        if (file->is_sized) at = trace_put_digits(at, from[i].size);
        if (file->has_tokens) at = trace_put_digits(at, from[i].out);
        sum += from[i].size;
        sum_out += from[i].out;
        last = from[i].ns;
    }
    file->bytes_used = (size_t)(at - file->bytes);
    if (file->is_sized) row->mean_size = sum / (double)row->count;
    if (file->has_tokens) row->mean_out = sum_out / (double)row->count;
    return 0;
}

static int shrink(trace_file *file, char *err) {
    uint8_t *bytes = realloc(file->bytes, file->bytes_used + 1);
    if (!bytes) return trace_fail(err, "out of memory");
    file->bytes = bytes;
    file->bytes_capacity = file->bytes_used + 1;
    return 0;
}

int trace_arrivals_set(trace_file *file, trace_arrivals *arrivals, char *err) {
    trace_arrival *sorted = malloc((arrivals->n + 1) * sizeof *sorted);
    int rc = sorted ? 0 : trace_fail(err, "out of memory");
    if (!rc) group(file, arrivals, sorted);
    free(arrivals->items);
    *arrivals = (trace_arrivals){0};
    for (size_t f = 0; f < file->keys.n && !rc; f++) {
        trace_row *row = &file->rows[f];
        trace_arrival *from = sorted + row->data;
        if (file->defects.disordered_rows) qsort(from, row->count, sizeof *from, compare_arrivals);
        rc = put_row(file, row, from, err);
    }
    free(sorted);
    return rc ? rc : shrink(file, err);
}
