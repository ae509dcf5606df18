/* trace_int.h - inside traces/: what a format's reader works with, and how the counts are kept.
 *
 * A new format is one file with a `read` function, one line in trace_file.c's table and its name in TRACE_FORMATS.
 * `read` takes lines from a trace_lines, adds functions with trace_file_add, then gives each its counts
 * (trace_counts_begin, _put, _end; file->bin_ns says per how long) or says how one row becomes an arrival
 * (trace_arrivals_read, _set).
 */
#ifndef TRACE_INT_H
#define TRACE_INT_H

#include "trace.h"
#include "trace_input.h"

#include <stdbool.h>
#include <stdio.h>

#define MINUTE_NS         INT64_C(60000000000)
#define SECOND_NS         INT64_C(1000000000)
#define TRACE_MAX_BIN     1000000000 /* arrivals in one bin (a minute, a second), of a file or after scaling */
#define TRACE_MINUTES_MAX 527040     /* a year */
#define TRACE_YEAR_NS     (TRACE_MINUTES_MAX * MINUTE_NS)

/* Writes the message, returns -1. */
int trace_fail(char *err, const char *format, ...);
/* Makes room for at least n elements of the given size; capacity doubles. */
int trace_grow(void **array, size_t *capacity, size_t n, size_t size, char *err);

/* "folder/name", to be freed; NULL: no memory. */
char *trace_path_in(const char *folder, const char *name);

/* A text file, line by line, through one buffer. begin..end is the line without its end (LF or CRLF); the
 * byte at end is neither a digit nor a comma, so that scanners need no bound, and TRACE_SLACK bytes from there can be
 * read. */
enum { TRACE_SLACK = 16 };
typedef struct {
    const char *path;
    trace_input *input;
    char *buffer;
    size_t used, capacity, next; /* the next line starts at buffer + next */
    bool at_end;
    uint64_t line, bytes; /* so far */
    const char *begin, *end;
} trace_lines;

/* Close it, whether opening succeeded or not. */
int trace_lines_open(trace_lines *lines, const char *path, char *err);
int trace_lines_next(trace_lines *lines, char *err); /* 1: a line, 0: the end, -1 */
void trace_lines_close(trace_lines *lines);
/* "path:line:column: found "...", expected WHAT"; at points into the line. */
int trace_fail_at(const trace_lines *lines, const char *at, const char *expected, char *err);

/* The scanners take *at to the first byte that they do not use. A field ends at a comma or the line's end. */
int trace_scan_comma(const trace_lines *lines, const char **at, char *err);
int trace_scan_end(const trace_lines *lines, const char *at, char *err);
int trace_scan_name(const trace_lines *lines, const char **at,
                    char *err); /* not empty, printable UTF-8, no quotes */
/* The first of these bytes, none of them below 0x20, that is no printable text; end if all are. */
const char *trace_scan_text(const char *at, const char *end);
/* Seconds since the trace began, at most TRACE_MINUTES_MAX minutes, in ns. */
int trace_scan_time(const trace_lines *lines, const char **at, int64_t *ns, char *err);
/* A whole number from 0 to most (at most 10^18). */
int trace_scan_whole(const trace_lines *lines, const char **at, uint64_t most, uint64_t *value, char *err);
/* A decimal number >= 0 (exponent allowed) in units of 10^-decimals, rounded to nearest. */
int trace_scan_decimal(const trace_lines *lines, const char **at, int decimals, int64_t *value, char *err);

/* Names, or any bytes, to numbers 0, 1, 2... in order of appearance. */
typedef struct {
    uint32_t hash, number; /* number + 1, 0 is free */
} trace_name_slot;
typedef struct {
    char *text;
    size_t text_used, text_capacity;
    size_t *starts;
    size_t n, starts_capacity;
    trace_name_slot *slots; /* open addressing */
    size_t n_slots;
} trace_names;

int trace_names_add(trace_names *names, const char *name, size_t len, uint32_t *number, bool *is_new,
                    char *err);
bool trace_names_find(const trace_names *names, const char *name, size_t len, uint32_t *number);
const char *trace_names_at(const trace_names *names, uint32_t number);
void trace_names_free(trace_names *names);

typedef struct {
    uint64_t count;
    size_t data; /* offset into the file's data */
    double duration_ms, memory_mib;
    double mean_size; /* < 0: without sizes */
    double mean_out;  /* < 0: without tokens */
    uint32_t max_bin; /* most in one bin; for counts only */
    uint32_t name;    /* where the name starts in its key */
} trace_row;

/* What a function did is kept as bytes, of numbers in base 128, low digits first, all but the last byte + 128.
 *
 * Counts (bin_ns > 0): for each bin (a minute, a second) that has any, the distance to the previous such bin (from -1
 * at first), then the count; distance 0 ends a function. A day of a real trace has few busy minutes and small
 * counts: mostly 2 bytes per busy minute.
 * Arrivals (bin_ns 0): for each, the ns since the previous one (since 0 at first), then, where the file has sizes,
 * its size, then, where sizes are tokens, how many of them are generated. Mostly 3 to 5 bytes, at most 8, for the time;
 * 1 or 2 for the size. The same bytes are the packed
 * format's (trace_packed.h), mapped and never copied. */
struct trace_file {
    char *path, *joined_paths[2];
    const char *format;
    bool is_guessed; /* the format, by the header line */
    trace_names keys;
    trace_row *rows;
    size_t rows_capacity;
    uint32_t *by_rank;
    const uint8_t *data; /* bytes, or inside the map */
    uint8_t *bytes;
    size_t bytes_used, bytes_capacity;
    void *map; /* of a packed file */
    size_t map_size;
    int64_t bin_ns;
    bool is_sized, has_tokens; /* sizes are tokens in and out */
    int64_t span_ns;
    uint64_t input_bytes;
    trace_defects defects;
    char *provenance; /* of a packed file */
};

/* The key identifies a function; its name is the last name_len bytes. */
int trace_file_add(trace_file *file, const char *key, size_t len, size_t name_len, uint32_t *fn, bool *is_new,
                   char *err);
/* Puts a function's counts, bin by bin, rising. */
typedef struct {
    uint8_t *at;
    uint64_t sum;
    int64_t last; /* bin */
    uint32_t most;
} trace_counts;

/* Makes room for this many bins, so that putting cannot fail. */
int trace_counts_begin(trace_file *file, uint32_t fn, size_t n_bins, trace_counts *counts, char *err);
void trace_counts_end(trace_file *file, uint32_t fn, const trace_counts *counts);
/* Room for one more put, and for the end: where the number of bins is not known before. */
int trace_counts_room(trace_file *file, trace_counts *counts, char *err);

static inline uint8_t *trace_put_digits(uint8_t *at, uint64_t value) {
    for (; value >= 128; value >>= 7) *at++ = (uint8_t)(value | 128);
    *at++ = (uint8_t)value;
    return at;
}

/* count >= 1 */
static inline void trace_counts_put(trace_counts *counts, int64_t bin, uint32_t count) {
    counts->at = trace_put_digits(trace_put_digits(counts->at, (uint64_t)(bin - counts->last)), count);
    counts->last = bin;
    counts->sum += count;
    counts->most = count > counts->most ? count : counts->most;
}

typedef struct {
    int64_t ns;
    uint32_t fn, size, out; /* out: tokens of the size that are generated */
} trace_arrival;
typedef struct {
    trace_arrival *items;
    size_t n, capacity;
} trace_arrivals;
typedef int trace_read_arrival(trace_file *file, const trace_lines *lines, trace_arrival *arrival, char *err);
/* One arrival per row to the end of the file, in any order. */
int trace_arrivals_read(trace_file *file, trace_lines *lines, trace_arrivals *arrivals,
                        trace_read_arrival *read_row, char *err);
/* Gives them to their functions, in order of time; arrivals is used up, and freed whatever happens. */
int trace_arrivals_set(trace_file *file, trace_arrivals *arrivals, char *err);

static inline uint64_t trace_digits(const uint8_t **at) {
    uint64_t value = *(*at)++;
    if (value < 128) return value;
    value &= 127;
    for (int shift = 7;; shift += 7) {
        uint64_t byte = *(*at)++;
        value |= (byte & 127) << shift;
        if (byte < 128) return value;
    }
}

/* Start with bin -1; false at the end. */
static inline bool trace_counts_next(const uint8_t **at, int64_t *bin, uint32_t *count) {
    uint64_t distance = trace_digits(at);
    if (!distance) return false;
    *bin += (int64_t)distance;
    *count = (uint32_t)trace_digits(at);
    return true;
}

/* The arrivals of a row, one by one. */
typedef struct {
    const uint8_t *at;
    uint64_t left;
    int64_t ns;
    uint32_t size, out; /* 1 and 0 where the file has none */
    bool is_sized, has_tokens;
} trace_walk;

static inline trace_walk trace_walk_of(const trace_file *file, const trace_row *row) {
    return (trace_walk){.at = file->data + row->data,
                        .left = row->count,
                        .size = 1,
                        .is_sized = file->is_sized,
                        .has_tokens = file->has_tokens};
}

static inline bool trace_walk_next(trace_walk *walk) {
    if (!walk->left) return false;
    walk->left--;
    walk->ns += (int64_t)trace_digits(&walk->at);
    if (walk->is_sized) walk->size = (uint32_t)trace_digits(&walk->at);
    if (walk->has_tokens) walk->out = (uint32_t)trace_digits(&walk->at);
    return true;
}

typedef struct {
    const char *format;
    const char *header; /* how its first line begins */
    int (*read)(trace_file *file, trace_lines *lines, char *err);
} trace_reader;

int trace_azure2019_read(trace_file *file, trace_lines *lines, char *err);
int trace_azure2021_read(trace_file *file, trace_lines *lines, char *err);
int trace_azure_llm_read(trace_file *file, trace_lines *lines, char *err);
int trace_invitro_read(trace_file *file, trace_lines *lines, char *err);
/* Counts, joined with the durations and memory beside them; unless joined_only, where they are there. */
int trace_azure2019_join(trace_file *file, trace_lines *lines, bool joined_only, char *err);
int trace_seconds_read(trace_file *file, trace_lines *lines, char *err);
int trace_csv_read(trace_file *file, trace_lines *lines, char *err);
/* Whether the file, unpacked, begins as a packed trace does. */
int trace_packed_detect(const char *path, bool *is_packed, char *err);
int trace_packed_read(trace_file *file, trace_input *input, const char *path, char *err);

/* A source is a struct that begins with this one. `next` writes what there is, up to cap; once it has written
 * less, it is not called again. */
struct trace_source {
    size_t (*next)(trace_source *source, int64_t *ns, size_t cap);
    uint64_t key; /* of DRAW_ARRIVAL */
    int64_t end_ns;
    size_t (*next_work)(trace_source *source, int64_t *ns, double *work,
                        size_t cap); /* NULL: all work is 1 */
};

/* One per kind: allocates, or fails with a message about the spec. */
int trace_minutes_open(trace_source **out, const trace_spec *spec, uint64_t seed, uint32_t fn, char *err);
int trace_times_open(trace_source **out, const trace_spec *spec, uint64_t seed, uint32_t fn, char *err);
int trace_shape_open(trace_source **out, const trace_spec *spec, uint64_t seed, uint32_t fn, char *err);

#endif
