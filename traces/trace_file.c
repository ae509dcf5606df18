/* trace_file.c - an opened trace: its functions, their counts or times, and choosing among them. */
#include "trace_int.h"

#include <stdlib.h>
#include <string.h>

/* A new format: one line here, and its read function in a file of its own. */
static const trace_reader readers[] = {
    {"azure2019", "HashOwner,HashApp,HashFunction,Trigger,", trace_azure2019_read},
    {"azure2021", "app,func,end_timestamp,duration", trace_azure2021_read},
    {"csv", "time_s,function", trace_csv_read},
};
enum { N_READERS = sizeof readers / sizeof readers[0] };

static const trace_reader *reader_of(const char *format, char *err) {
    for (size_t i = 0; i < N_READERS; i++)
        if (!strcmp(format, readers[i].format)) return &readers[i];
    char known[128] = "";
    for (size_t i = 0, n = 0; i < N_READERS; i++)
        n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", readers[i].format);
    trace_fail(err, "trace format \"%s\" is unknown, expected one of: %s", format, known);
    return NULL;
}

/* Reads the header line. With the format given it only has to begin as that format's does. */
static const trace_reader *read_header(trace_lines *lines, const char *format, char *err) {
    const trace_reader *wanted = format ? reader_of(format, err) : NULL;
    if (format && !wanted) return NULL;
    int rc = trace_lines_next(lines, err);
    if (rc == 0) trace_fail(err, "%s: found an empty file, expected a header line", lines->path);
    if (rc != 1) return NULL;
    for (size_t i = 0; i < N_READERS; i++) {
        size_t n = strlen(readers[i].header);
        bool matches =
            (size_t)(lines->end - lines->begin) >= n && !memcmp(lines->begin, readers[i].header, n);
        if (matches && (!wanted || wanted == &readers[i])) return &readers[i];
    }
    char expected[96];
    snprintf(expected, sizeof expected, "a header line \"%s...\"",
             wanted ? wanted->header : "of a known format");
    trace_fail_at(lines, lines->begin, wanted ? expected : "the header line of azure2019, azure2021 or csv",
                  err);
    return NULL;
}

int trace_file_add(trace_file *file, const char *key, size_t len, size_t name_len, uint32_t *fn, bool *is_new,
                   char *err) {
    if (trace_names_add(&file->keys, key, len, fn, is_new, err)) return -1;
    if (!*is_new) return 0;
    if (trace_grow((void **)&file->rows, &file->rows_capacity, file->keys.n, sizeof *file->rows, err))
        return -1;
    file->rows[*fn] = (trace_row){.duration_ms = -1, .memory_mib = -1, .name = (uint32_t)(len - name_len)};
    return 0;
}

static uint8_t *put_digits(uint8_t *at, uint64_t value) {
    for (; value >= 128; value >>= 7) *at++ = (uint8_t)(value | 128);
    *at++ = (uint8_t)value;
    return at;
}

int trace_counts_begin(trace_file *file, uint32_t fn, size_t n_minutes, char *err) {
    enum { MINUTE_BYTES_MAX = 3 + 5 }; /* distance below 2^21, count below 2^32 */
    file->rows[fn].data = file->counts_used;
    file->rows[fn].count = 0;
    file->rows[fn].max_minute = 0;
    return trace_grow((void **)&file->counts, &file->counts_capacity,
                      file->counts_used + MINUTE_BYTES_MAX * n_minutes + 1, 1, err);
}

void trace_counts_put(trace_file *file, uint32_t fn, int64_t distance, uint32_t count) {
    trace_row *row = &file->rows[fn];
    uint8_t *at = file->counts + file->counts_used;
    row->count += count;
    if (count > row->max_minute) row->max_minute = count;
    at = put_digits(put_digits(at, (uint64_t)distance), count);
    file->counts_used = (size_t)(at - file->counts);
}

void trace_counts_end(trace_file *file) {
    file->counts[file->counts_used++] = 0;
}

static int compare_ns(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Counting sort by function, then by time within each where the file was not in order. */
static int set_times(trace_file *file, const trace_arrival *arrivals, size_t n, char *err) {
    int64_t *times = malloc((n + 1) * sizeof *times);
    if (!times) return trace_fail(err, "out of memory");
    for (size_t i = 0; i < n; i++) {
        file->rows[arrivals[i].fn].count++;
        file->defects.disordered_rows += i && arrivals[i].ns < arrivals[i - 1].ns;
        if (arrivals[i].ns >= file->span_ns) file->span_ns = arrivals[i].ns;
    }
    size_t at = 0;
    for (size_t f = 0; f < file->keys.n; f++) {
        file->rows[f].data = at;
        at += file->rows[f].count;
    }
    for (size_t i = 0; i < n; i++) times[file->rows[arrivals[i].fn].data++] = arrivals[i].ns;
    for (size_t f = 0; f < file->keys.n; f++) {
        trace_row *row = &file->rows[f];
        row->data -= row->count;
        if (file->defects.disordered_rows) qsort(times + row->data, row->count, sizeof *times, compare_ns);
    }
    file->times = times;
    return 0;
}

int trace_read_arrivals(trace_file *file, trace_lines *lines, const char *header,
                        trace_read_arrival *read_row, char *err) {
    trace_arrival *arrivals = NULL;
    size_t n = 0, capacity = 0;
    int rc = trace_scan_end(lines, lines->begin + strlen(header), err);
    while (!rc && (rc = trace_lines_next(lines, err)) == 1) {
        rc = trace_grow((void **)&arrivals, &capacity, n + 1, sizeof *arrivals, err);
        if (!rc) rc = read_row(file, lines, &arrivals[n++], err);
    }
    if (!rc) rc = set_times(file, arrivals, n, err);
    free(arrivals);
    return rc;
}

typedef struct {
    uint64_t count;
    uint32_t fn;
} ranked;

static int compare_rank(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->count != y->count) return x->count < y->count ? 1 : -1;
    return x->fn < y->fn ? -1 : 1;
}

static int rank_functions(trace_file *file, char *err) {
    size_t n = file->keys.n;
    ranked *order = malloc((n + 1) * sizeof *order);
    file->by_rank = malloc((n + 1) * sizeof *file->by_rank);
    if (!order || !file->by_rank) {
        free(order);
        return trace_fail(err, "out of memory");
    }
    for (size_t i = 0; i < n; i++) order[i] = (ranked){file->rows[i].count, (uint32_t)i};
    qsort(order, n, sizeof *order, compare_rank);
    for (size_t i = 0; i < n; i++) file->by_rank[i] = order[i].fn;
    free(order);
    return 0;
}

int trace_open(trace_file **out, const char *format, const char *path, char err[TRACE_ERR_LEN]) {
    *out = NULL;
    trace_lines lines;
    int rc = -1;
    trace_file *file = NULL;
    const trace_reader *reader = NULL;
    if (trace_lines_open(&lines, path, err) || !(reader = read_header(&lines, format, err))) goto done;
    file = calloc(1, sizeof *file);
    if (!file) {
        trace_fail(err, "out of memory");
        goto done;
    }
    file->format = reader->format;
    if (reader->read(file, &lines, err)) goto done;
    if (!file->keys.n) {
        trace_fail(err, "%s: found no row after the header, expected at least one", path);
        goto done;
    }
    rc = rank_functions(file, err);
done:
    trace_lines_close(&lines);
    if (rc)
        trace_close(file);
    else
        *out = file;
    return rc;
}

void trace_close(trace_file *file) {
    if (!file) return;
    trace_names_free(&file->keys);
    free(file->rows);
    free(file->by_rank);
    free(file->counts);
    free(file->times);
    free(file);
}

const char *trace_format_of(const trace_file *file) {
    return file->format;
}

size_t trace_n_functions(const trace_file *file) {
    return file->keys.n;
}

trace_function trace_function_at(const trace_file *file, size_t index) {
    const trace_row *row = &file->rows[index];
    return (trace_function){.name = trace_names_at(&file->keys, (uint32_t)index) + row->name,
                            .count = row->count,
                            .mean_duration_ms = row->duration_ms,
                            .mean_memory_mib = row->memory_mib};
}

trace_defects trace_defects_of(const trace_file *file) {
    return file->defects;
}

int64_t trace_span_ns(const trace_file *file) {
    return file->span_ns;
}

void trace_add_minutes(const trace_file *file, size_t index, uint64_t *counts, size_t n_minutes) {
    const trace_row *row = &file->rows[index];
    if (file->times) {
        for (size_t i = 0; i < row->count; i++) {
            size_t minute = (size_t)(file->times[row->data + i] / MINUTE_NS);
            if (minute < n_minutes) counts[minute]++;
        }
        return;
    }
    const uint8_t *at = file->counts + row->data;
    int64_t minute = -1;
    uint32_t count;
    while (trace_counts_next(&at, &minute, &count) && (size_t)minute < n_minutes) counts[minute] += count;
}

static int select_name(const trace_file *file, const char *prefix, size_t *index, char *err) {
    size_t found = 0;
    for (size_t i = 0; i < file->keys.n; i++) {
        if (strncmp(trace_function_at(file, i).name, prefix, strlen(prefix))) continue;
        *index = i;
        found++;
    }
    if (found == 1) return 0;
    return trace_fail(err, "\"name:%.100s\" fits %zu of the trace's %zu functions, expected exactly one",
                      prefix, found, file->keys.n);
}

static int select_number(const char *select, const char *digits, size_t most, size_t *number, char *err) {
    size_t n = 0;
    const char *c = digits;
    for (; *c >= '0' && *c <= '9' && n <= most; c++) n = n * 10 + (size_t)(*c - '0');
    if (c == digits || *c || n < 1 || n > most)
        return trace_fail(
            err, "\"%.100s\": found \"%.40s\", expected a number from 1 to %zu (functions in the trace)",
            select, digits, most);
    *number = n - 1;
    return 0;
}

int trace_select(const trace_file *file, const char *select, size_t *index, char err[TRACE_ERR_LEN]) {
    if (!strncmp(select, "name:", 5)) return select_name(file, select + 5, index, err);
    if (!strncmp(select, "row:", 4)) return select_number(select, select + 4, file->keys.n, index, err);
    if (!strncmp(select, "rank:", 5)) {
        if (select_number(select, select + 5, file->keys.n, index, err)) return -1;
        *index = file->by_rank[*index];
        return 0;
    }
    return trace_fail(err, "found \"%.100s\", expected \"rank:N\", \"name:PREFIX\" or \"row:N\"", select);
}
