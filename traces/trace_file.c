/* trace_file.c - an opened trace: its functions, their counts or times, and choosing among them. */
#include "trace_int.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* A new format: a line here, its name in TRACE_FORMATS, and its read function in a file of its own. Of formats with
 * the same header the first is guessed. */
static const trace_reader readers[] = {
    {"azure2019", "HashOwner,HashApp,HashFunction,Trigger,", trace_azure2019_read},
    {"azure2021", "app,func,end_timestamp,duration", trace_azure2021_read},
    {"azure-llm2023", "TIMESTAMP,ContextTokens,GeneratedTokens", trace_azure_llm_read},
    {"azure-llm2024", "TIMESTAMP,ContextTokens,GeneratedTokens", trace_azure_llm_read},
    {"invitro", "HashOwner,HashApp,HashFunction,Trigger,", trace_invitro_read},
    {"seconds", "requests", trace_seconds_read},
    {"csv", "time_s,function", trace_csv_read},
    {"csv", "time,function", trace_csv_read},
};
enum { N_READERS = sizeof readers / sizeof readers[0] };

/* Whether it is one of TRACE_FORMATS. */
static bool is_known(const char *format) {
    size_t n = strlen(format);
    for (const char *at = TRACE_FORMATS; at; at = strchr(at, '|')) {
        at += *at == '|';
        if (!strncmp(at, format, n) && (at[n] == '|' || !at[n])) return n > 0;
    }
    return false;
}

static int check_format(const char *format, char *err) {
    if (!format || is_known(format)) return 0;
    char known[] = TRACE_FORMATS;
    for (char *c = known; (c = strchr(c, '|')); *c = ' ') continue;
    return trace_fail(err, "trace format \"%.40s\" is unknown, expected one of: %s", format, known);
}

/* Reads the header line. With the format given it has to begin as that format's does. */
static const trace_reader *read_header(trace_lines *lines, const char *format, char *err) {
    const char *header = NULL;
    int rc = trace_lines_next(lines, err);
    if (rc == 0) trace_fail(err, "%s: found an empty file, expected a header line", lines->path);
    if (rc != 1) return NULL;
    size_t len = (size_t)(lines->end - lines->begin);
    for (size_t i = 0; i < N_READERS; i++) {
        if (format && strcmp(format, readers[i].format)) continue;
        if (!header) header = readers[i].header;
        size_t n = strlen(readers[i].header);
        if (len >= n && !memcmp(lines->begin, readers[i].header, n)) return &readers[i];
    }
    char expected[96] = "the header line of a known format: see traces/README.md";
    if (format) snprintf(expected, sizeof expected, "a header line \"%s...\"", header);
    trace_fail_at(lines, lines->begin, expected, err);
    return NULL;
}

int trace_file_add(trace_file *file, const char *key, size_t len, size_t name_len, uint32_t *fn, bool *is_new,
                   char *err) {
    if (trace_names_add(&file->keys, key, len, fn, is_new, err)) return -1;
    if (!*is_new) return 0;
    if (trace_grow((void **)&file->rows, &file->rows_capacity, file->keys.n, sizeof *file->rows, err))
        return -1;
    file->rows[*fn] = (trace_row){.duration_ms = -1,
                                  .memory_mib = -1,
                                  .mean_size = -1,
                                  .mean_out = -1,
                                  .name = (uint32_t)(len - name_len)};
    return 0;
}

enum { BIN_BYTES_MAX = 4 + 5 }; /* distance below 2^28, count below 2^32 */

int trace_counts_begin(trace_file *file, uint32_t fn, size_t n_bins, trace_counts *counts, char *err) {
    file->rows[fn].data = file->bytes_used;
    if (trace_grow((void **)&file->bytes, &file->bytes_capacity,
                   file->bytes_used + BIN_BYTES_MAX * n_bins + 1, 1, err))
        return -1;
    *counts = (trace_counts){.at = file->bytes + file->bytes_used, .last = -1};
    return 0;
}

int trace_counts_room(trace_file *file, trace_counts *counts, char *err) {
    size_t used = (size_t)(counts->at - file->bytes);
    if (trace_grow((void **)&file->bytes, &file->bytes_capacity, used + BIN_BYTES_MAX + 1, 1, err)) return -1;
    counts->at = file->bytes + used;
    return 0;
}

void trace_counts_end(trace_file *file, uint32_t fn, const trace_counts *counts) {
    trace_row *row = &file->rows[fn];
    *counts->at = 0;
    file->bytes_used = (size_t)(counts->at + 1 - file->bytes);
    row->count = counts->sum;
    row->max_bin = counts->most;
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

/* The text formats: what comes after their header line is each reader's. */
static int read_text(trace_file *file, const char *format, const char *path, char *err) {
    trace_lines lines;
    const trace_reader *reader = NULL;
    int rc = trace_lines_open(&lines, path, err);
    if (!rc && !(reader = read_header(&lines, format, err))) rc = -1;
    if (!rc) {
        file->format = reader->format;
        file->is_guessed = !format;
        rc = reader->read(file, &lines, err);
    }
    if (!rc && !file->keys.n)
        rc = trace_fail(err, "%s: found no row after the header, expected at least one", path);
    file->data = file->bytes;
    file->input_bytes += lines.bytes;
    trace_lines_close(&lines);
    return rc;
}

static int read_packed(trace_file *file, const char *path, char *err) {
    trace_input *input;
    if (trace_input_open(&input, path, err)) return -1;
    int rc = trace_packed_read(file, input, path, err);
    trace_input_close(input);
    return rc;
}

static int read_any(trace_file *file, const char *format, const char *path, char *err) {
    bool is_packed = format && !strcmp(format, "packed");
    if (!format && trace_packed_detect(path, &is_packed, err)) return -1;
    return is_packed ? read_packed(file, path, err) : read_text(file, format, path, err);
}

char *trace_path_in(const char *folder, const char *name) {
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);
    if (path) snprintf(path, size, "%s/%s", folder, name);
    return path;
}

static bool is_folder(const char *path) {
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

int trace_open(trace_file **out, const char *format, const char *path, char err[TRACE_ERR_LEN]) {
    *out = NULL;
    if (check_format(format, err)) return -1;
    trace_file *file = calloc(1, sizeof *file);
    int rc = file ? 0 : trace_fail(err, "out of memory");
    if (!rc) {
        bool is_inside = format && !strcmp(format, "invitro") && is_folder(path);
        file->path = is_inside ? trace_path_in(path, "invocations.csv") : strdup(path);
        rc = file->path ? read_any(file, format, file->path, err) : trace_fail(err, "out of memory");
    }
    if (!rc) rc = rank_functions(file, err);
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
    free(file->bytes);
    free(file->provenance);
    for (size_t i = 0; i < 2; i++) free(file->joined_paths[i]);
    free(file->path);
    if (file->map) munmap(file->map, file->map_size);
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
                            .mean_memory_mib = row->memory_mib,
                            .mean_size = row->mean_size,
                            .mean_out = row->mean_out};
}

trace_defects trace_defects_of(const trace_file *file) {
    return file->defects;
}

const char *trace_path_of(const trace_file *file) {
    return file->path;
}

const char *trace_path_joined(const trace_file *file, size_t index) {
    return index < 2 ? file->joined_paths[index] : NULL;
}

uint64_t trace_input_bytes_of(const trace_file *file) {
    return file->input_bytes;
}

int trace_has_sizes(const trace_file *file) {
    return file->is_sized;
}

int trace_has_tokens(const trace_file *file) {
    return file->has_tokens;
}

int64_t trace_bin_ns(const trace_file *file) {
    return file->bin_ns;
}

int64_t trace_span_ns(const trace_file *file) {
    return file->span_ns;
}

static void add_arrivals(const trace_file *file, const trace_row *row, uint64_t *counts, size_t n_minutes) {
    trace_walk walk = trace_walk_of(file, row);
    while (trace_walk_next(&walk) && (size_t)(walk.ns / MINUTE_NS) < n_minutes) counts[walk.ns / MINUTE_NS]++;
}

void trace_add_minutes(const trace_file *file, size_t index, uint64_t *counts, size_t n_minutes) {
    const trace_row *row = &file->rows[index];
    if (!file->bin_ns) {
        add_arrivals(file, row, counts, n_minutes);
        return;
    }
    const uint8_t *at = file->data + row->data;
    size_t bins = (size_t)(MINUTE_NS / file->bin_ns); /* in a minute */
    int64_t bin = -1;
    uint32_t count;
    while (trace_counts_next(&at, &bin, &count) && (size_t)bin / bins < n_minutes)
        counts[(size_t)bin / bins] += count;
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
