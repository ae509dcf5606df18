/* trace_azure2019.c - Azure Functions 2019: invocations per minute, joined with durations and memory.
 *
 * Shahrad et al., Serverless in the Wild (USENIX ATC 2020) describes the data. A function is (owner, app,
 * function); its name is the last. Memory is per application in the public files, per function in samples. */
#include "trace_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The header's minutes: 1,2,3... */
static int read_minutes(const trace_lines *lines, uint32_t *n_minutes, char *err) {
    const char *at = lines->begin + strlen("HashOwner,HashApp,HashFunction,Trigger");
    uint32_t n = 0;
    do {
        int64_t minute;
        if (trace_scan_comma(lines, &at, err)) return -1;
        const char *column = at;
        if (trace_scan_decimal(lines, &at, 0, &minute, err)) return -1;
        if (minute != n + 1 || n == TRACE_MINUTES_MAX) {
            char expected[64];
            snprintf(expected, sizeof expected, n == TRACE_MINUTES_MAX ? "at most %u minutes" : "minute %u",
                     n == TRACE_MINUTES_MAX ? n : n + 1);
            return trace_fail_at(lines, column, expected, err);
        }
        n++;
    } while (at < lines->end);
    *n_minutes = n;
    return 0;
}

static int scan_count(const trace_lines *lines, const char **at, uint32_t *count, char *err) {
    uint64_t n;
    if (trace_scan_comma(lines, at, err) || trace_scan_whole(lines, at, TRACE_MAX_BIN, &n, err)) return -1;
    *count = (uint32_t)n;
    return 0;
}

/* How many of the next four cells are ",0": most of a trace is zeros. The last of them may be the beginning of a
 * longer number. Bytes after the line are the buffer's slack, and never a comma. */
static uint32_t zeros_at(const char *at) {
    static const char zeros[8] = {',', '0', ',', '0', ',', '0', ',', '0'};
    uint64_t x, z;
    memcpy(&x, at, sizeof x);
    memcpy(&z, zeros, sizeof z);
    if (x == z) return 4;
    if (memcmp(at, zeros, 4)) return !memcmp(at, zeros, 2);
    return memcmp(at + 4, zeros, 2) ? 2 : 3;
}

/* Cells one digit long are taken on the way, others by scan_count, which also says what is wrong. */
static int scan_counts(const trace_lines *lines, const char *at, uint32_t n_minutes, trace_counts *counts,
                       char *err) {
    for (uint32_t m = 0; m < n_minutes; m++) {
        uint32_t zeros = zeros_at(at), count = 0;
        if (zeros) {
            at += 2 * zeros;
            m += zeros;
            bool is_whole = *at == ',' || at >= lines->end;
            if (!is_whole) at -= 2, m--;
            if (m >= n_minutes)
                return m == n_minutes ? trace_scan_end(lines, at, err)
                                      : trace_scan_end(lines, at - 2 * (size_t)(m - n_minutes), err);
        }
        unsigned digit = (unsigned)(unsigned char)at[1] - '0';
        if (at[0] == ',' && digit <= 9 && at[2] == ',') {
            count = digit;
            at += 2;
        } else if (scan_count(lines, &at, &count, err))
            return -1;
        if (count) trace_counts_put(counts, m, count);
    }
    return trace_scan_end(lines, at, err);
}

static int read_counts(trace_file *file, const trace_lines *lines, const char *at, uint32_t n_minutes,
                       uint32_t fn, char *err) {
    trace_counts counts;
    if (trace_counts_begin(file, fn, n_minutes, &counts, err) ||
        scan_counts(lines, at, n_minutes, &counts, err))
        return -1;
    trace_counts_end(file, fn, &counts);
    return 0;
}

static const uint32_t SEVERAL = UINT32_MAX;
typedef struct {
    trace_names triggers;
    uint32_t *trigger; /* by function: of its one row, or SEVERAL */
    size_t capacity;
    uint32_t n_minutes;
    trace_names rows; /* of functions with several: function, trigger and counts of each */
    char *row;
    size_t row_capacity;
} invocations;

/* owner,app,function,trigger; the key is the first three. */
static int scan_identity(trace_file *file, invocations *in, const trace_lines *lines, const char **at,
                         uint32_t *fn, uint32_t *trigger, bool *is_new, char *err) {
    const char *name = *at;
    for (int column = 0; column < 3; column++) {
        if (column && trace_scan_comma(lines, at, err)) return -1;
        name = *at;
        if (trace_scan_name(lines, at, err)) return -1;
    }
    const char *key_end = *at;
    if (trace_scan_comma(lines, at, err)) return -1;
    const char *word = *at;
    bool new_trigger;
    if (trace_scan_name(lines, at, err) ||
        trace_names_add(&in->triggers, word, (size_t)(*at - word), trigger, &new_trigger, err))
        return -1;
    return trace_file_add(file, lines->begin, (size_t)(key_end - lines->begin), (size_t)(key_end - name), fn,
                          is_new, err);
}

/* Remembers a row, whose counts are at `data`; whether there was none like it. */
static int note_row(const trace_file *file, invocations *in, uint32_t fn, uint32_t trigger, size_t data,
                    bool *is_new, char *err) {
    const uint8_t *at = file->bytes + data;
    int64_t minute = -1;
    uint32_t count, number;
    while (trace_counts_next(&at, &minute, &count)) continue;
    size_t n = (size_t)(at - (file->bytes + data)), before = sizeof fn + sizeof trigger;
    if (trace_grow((void **)&in->row, &in->row_capacity, before + n, 1, err)) return -1;
    memcpy(in->row, &fn, sizeof fn);
    memcpy(in->row + sizeof fn, &trigger, sizeof trigger);
    memcpy(in->row + before, file->bytes + data, n);
    return trace_names_add(&in->rows, in->row, before + n, &number, is_new, err);
}

/* Of a function whose rows so far are `old`, added up unless it is one. */
static int note_again(const trace_file *file, invocations *in, uint32_t fn, uint32_t trigger, size_t old,
                      bool *is_new, char *err) {
    if (in->trigger[fn] != SEVERAL && note_row(file, in, fn, in->trigger[fn], old, is_new, err)) return -1;
    in->trigger[fn] = SEVERAL;
    return note_row(file, in, fn, trigger, file->rows[fn].data, is_new, err);
}

/* The row just read, at rows[fn].data, is added to `old`, what function fn had. */
static int merge_row(trace_file *file, const trace_lines *lines, uint32_t fn, trace_row old,
                     uint32_t n_minutes, char *err) {
    uint64_t *sum = calloc(n_minutes, sizeof *sum);
    if (!sum) return trace_fail(err, "out of memory");
    file->data = file->bytes;
    trace_add_minutes(file, fn, sum, n_minutes);
    file->bytes_used = file->rows[fn].data;
    file->rows[fn].data = old.data;
    trace_add_minutes(file, fn, sum, n_minutes);
    trace_counts counts;
    int rc = trace_counts_begin(file, fn, n_minutes, &counts, err);
    for (uint32_t m = 0; m < n_minutes && !rc; m++) {
        if (!sum[m]) continue;
        if (sum[m] > TRACE_MAX_BIN)
            rc = trace_fail(
                err,
                "%s:%llu: found rows of one function that add up to %llu in minute %u, expected at most %d",
                lines->path, (unsigned long long)lines->line, (unsigned long long)sum[m], m + 1,
                TRACE_MAX_BIN);
        else
            trace_counts_put(&counts, m, (uint32_t)sum[m]);
    }
    free(sum);
    if (!rc) trace_counts_end(file, fn, &counts);
    return rc;
}

static int read_invocation_row(trace_file *file, invocations *in, const trace_lines *lines, char *err) {
    const char *at = lines->begin;
    uint32_t fn, trigger;
    bool is_new;
    if (scan_identity(file, in, lines, &at, &fn, &trigger, &is_new, err)) return -1;
    trace_row old = file->rows[fn];
    if (read_counts(file, lines, at, in->n_minutes, fn, err)) return -1;
    if (!is_new) {
        file->defects.duplicate_rows++;
        if (note_again(file, in, fn, trigger, old.data, &is_new, err)) return -1;
        if (is_new) return merge_row(file, lines, fn, old, in->n_minutes, err);
        file->bytes_used = file->rows[fn].data;
        file->rows[fn] = old;
        return 0;
    }
    if (trace_grow((void **)&in->trigger, &in->capacity, file->keys.n, sizeof *in->trigger, err)) return -1;
    in->trigger[fn] = trigger;
    return 0;
}

static int read_invocations(trace_file *file, trace_lines *lines, char *err) {
    invocations in = {0};
    file->bin_ns = MINUTE_NS;
    int rc = read_minutes(lines, &in.n_minutes, err);
    while (!rc && (rc = trace_lines_next(lines, err)) == 1) rc = read_invocation_row(file, &in, lines, err);
    file->span_ns = in.n_minutes * MINUTE_NS;
    trace_names_free(&in.triggers);
    trace_names_free(&in.rows);
    free(in.trigger);
    free(in.row);
    return rc;
}

/* A durations or memory file: key columns, then among others a mean and the count it was taken over. */
typedef struct {
    double mean, weight;
} joined_mean;

typedef struct {
    trace_names keys;
    joined_mean *means;
    size_t capacity;
    int n_key, mean_column, weight_column, n_columns;
    uint64_t duplicates, bytes;
} joined;

static int read_joined_header(joined *join, trace_lines *lines, const char *mean, const char *weight,
                              char *err) {
    join->mean_column = join->weight_column = -1;
    const char *at = lines->begin;
    for (;; join->n_columns++) {
        const char *name = at;
        if (trace_scan_name(lines, &at, err)) return -1;
        size_t len = (size_t)(at - name);
        if (len > 4 && !memcmp(name, "Hash", 4) && join->n_key == join->n_columns) join->n_key++;
        if (len == strlen(mean) && !memcmp(name, mean, len)) join->mean_column = join->n_columns;
        if (len == strlen(weight) && !memcmp(name, weight, len)) join->weight_column = join->n_columns;
        if (at == lines->end) break;
        at++;
    }
    join->n_columns++;
    if (join->n_key >= 2 && join->n_key <= 3 && join->mean_column >= 0 && join->weight_column >= 0) return 0;
    char expected[160];
    snprintf(expected, sizeof expected, "a header HashOwner,HashApp[,HashFunction] with columns %s and %s",
             weight, mean);
    return trace_fail_at(lines, lines->begin, expected, err);
}

/* Rows of one key again are averaged by weight (at least 1, so that a count of 0 divides nothing). */
static int add_joined(joined *join, const trace_lines *lines, size_t key_len, joined_mean row, char *err) {
    uint32_t key;
    bool is_new;
    if (trace_names_add(&join->keys, lines->begin, key_len, &key, &is_new, err) ||
        trace_grow((void **)&join->means, &join->capacity, join->keys.n, sizeof *join->means, err))
        return -1;
    if (is_new) {
        join->means[key] = row;
        return 0;
    }
    joined_mean *m = &join->means[key];
    double w = row.weight > 1 ? row.weight : 1, sum = (m->weight > 1 ? m->weight : 1) + w;
    m->mean += (row.mean - m->mean) * w / sum;
    m->weight += row.weight;
    join->duplicates++;
    return 0;
}

static void skip_field(const trace_lines *lines, const char **at) {
    while (*at < lines->end && **at != ',') ++*at;
}

static int read_joined_row(joined *join, const trace_lines *lines, char *err) {
    const char *at = lines->begin;
    size_t key_len = 0;
    int64_t mean_ppm = 0, weight_ppm = 0;
    for (int column = 0; column < join->n_columns; column++) {
        if (column && trace_scan_comma(lines, &at, err)) return -1;
        int rc = 0;
        if (column == join->mean_column)
            rc = trace_scan_decimal(lines, &at, 6, &mean_ppm, err);
        else if (column == join->weight_column)
            rc = trace_scan_decimal(lines, &at, 6, &weight_ppm, err);
        else if (column < join->n_key)
            rc = trace_scan_name(lines, &at, err);
        else
            skip_field(lines, &at);
        if (rc) return -1;
        if (column == join->n_key - 1) key_len = (size_t)(at - lines->begin);
    }
    if (trace_scan_end(lines, at, err)) return -1;
    return add_joined(join, lines, key_len, (joined_mean){(double)mean_ppm / 1e6, (double)weight_ppm / 1e6},
                      err);
}

static void free_joined(joined *join) {
    trace_names_free(&join->keys);
    free(join->means);
}

/* An absent file leaves join empty. */
static int read_joined(joined *join, const char *path, const char *mean, const char *weight, char *err) {
    if (access(path, F_OK) && errno == ENOENT) return 0;
    trace_lines lines;
    int rc = trace_lines_open(&lines, path, err);
    if (!rc) rc = trace_lines_next(&lines, err);
    if (rc < 0) goto done;
    if (rc == 0) rc = trace_fail(err, "%s: found an empty file, expected a header line", path);
    if (rc == 1) rc = read_joined_header(join, &lines, mean, weight, err);
    while (!rc && (rc = trace_lines_next(&lines, err)) == 1) rc = read_joined_row(join, &lines, err);
done:
    join->bytes = lines.bytes;
    trace_lines_close(&lines);
    return rc;
}

static const joined_mean *find_joined(const joined *join, const char *key) {
    const char *end = key;
    for (int column = 0; column < join->n_key; column++)
        end += (column > 0) + strcspn(end + (column > 0), ",");
    uint32_t found;
    return trace_names_find(&join->keys, key, (size_t)(end - key), &found) ? &join->means[found] : NULL;
}

static void join_durations(trace_file *file, const joined *join) {
    if (!join->n_columns) return;
    trace_defects *d = &file->defects;
    size_t matched = 0;
    d->duplicate_rows += join->duplicates;
    for (uint32_t i = 0; i < file->keys.n; i++) {
        const joined_mean *m = find_joined(join, trace_names_at(&file->keys, i));
        d->without_duration += !m;
        if (!m) continue;
        matched++;
        file->rows[i].duration_ms = m->mean;
        d->zero_duration += m->mean <= 0;
        d->disagreeing_counts +=
            m->weight < (double)file->rows[i].count || m->weight > (double)file->rows[i].count;
    }
    d->disagreeing_counts += join->keys.n - matched;
}

static void join_memory(trace_file *file, const joined *join) {
    if (!join->n_columns) return;
    file->defects.duplicate_rows += join->duplicates;
    for (uint32_t i = 0; i < file->keys.n; i++) {
        const joined_mean *m = find_joined(join, trace_names_at(&file->keys, i));
        if (m) file->rows[i].memory_mib = m->mean;
    }
}

static const char *const suffixes[] = {"", ".gz",
                                       ".zst"}; /* of a file beside this one; it may be packed otherwise */
enum { N_SUFFIXES = sizeof suffixes / sizeof suffixes[0] };

static size_t without_suffix(const char *name) {
    size_t len = strlen(name);
    for (size_t i = 1; i < N_SUFFIXES; i++) {
        size_t n = strlen(suffixes[i]);
        if (len > n && !strcmp(name + len - n, suffixes[i])) return len - n;
    }
    return len;
}

/* The path of a file beside invocations, its name's start replaced; NULL when the name does not start so. Where
 * none is there, with any suffix, a path that is not. */
static char *sibling_of(const char *path, const char *start, const char *replacement) {
    const char *slash = strrchr(path, '/');
    size_t folder = slash ? (size_t)(slash - path) + 1 : 0;
    if (strncmp(path + folder, start, strlen(start))) return NULL;
    const char *rest = path + folder + strlen(start);
    size_t size = folder + strlen(replacement) + strlen(rest) + sizeof ".zst";
    char *sibling = malloc(size);
    for (size_t i = 0; sibling && i < N_SUFFIXES; i++) {
        snprintf(sibling, size, "%.*s%s%.*s%s", (int)folder, path, replacement, (int)without_suffix(rest),
                 rest, suffixes[i]);
        if (!access(sibling, F_OK) || errno != ENOENT) break;
    }
    return sibling;
}

static int join_sibling(trace_file *file, const char *path, const char *mean, const char *weight,
                        void apply(trace_file *, const joined *), char *err) {
    joined join = {0};
    int rc = read_joined(&join, path, mean, weight, err);
    if (!rc) apply(file, &join);
    file->input_bytes += join.bytes;
    free_joined(&join);
    return rc;
}

static int check_there(const char *path, const char *beside, const char *what, char *err) {
    if (path && !access(path, F_OK)) return 0;
    return trace_fail(err, "%s: found no %s file beside it, expected one (format azure2019 does without)",
                      beside, what);
}

int trace_azure2019_join(trace_file *file, trace_lines *lines, bool joined_only, char *err) {
    static const char *const names[][3] = {{"invocations_per_function_md.anon.",
                                            "function_durations_percentiles.anon.",
                                            "app_memory_percentiles.anon."},
                                           {"invocations", "durations", "memory"}};
    if (read_invocations(file, lines, err)) return -1;
    int rc = 0;
    char *durations = NULL, *memory = NULL;
    for (size_t i = 0; i < 2 && !durations; i++) {
        durations = sibling_of(lines->path, names[i][0], names[i][1]);
        memory = durations ? sibling_of(lines->path, names[i][0], names[i][2]) : NULL;
    }
    if (joined_only)
        rc = check_there(durations, lines->path, "durations", err) ||
                     check_there(memory, lines->path, "memory", err)
                 ? -1
                 : 0;
    if (durations && memory && !rc) {
        rc = join_sibling(file, durations, "Average", "Count", join_durations, err);
        if (!rc) rc = join_sibling(file, memory, "AverageAllocatedMb", "SampleCount", join_memory, err);
        file->joined_paths[0] = durations;
        file->joined_paths[1] = memory;
        return rc;
    }
    free(durations);
    free(memory);
    return rc;
}

int trace_azure2019_read(trace_file *file, trace_lines *lines, char *err) {
    return trace_azure2019_join(file, lines, false, err);
}
