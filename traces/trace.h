/* trace.h - who calls what, when: trace files, and lazy sources of arrivals.
 *
 * Two things live here. A `trace_file` is an opened input (counts per minute or second, recorded arrivals with or
 * without a size, from any of TRACE_FORMATS, compressed or not): a table of functions with their counts or times. A
 * `trace_source` gives the arrival times of ONE simulated function, in order, block by block; it draws them
 * lazily from a file's function or from a synthetic shape, and nothing is stored per request.
 *
 * Time: int64_t nanoseconds since the run began; arrivals are non-decreasing and lie in [0, duration_ns).
 * Real-valued times are rounded down to the nanosecond, everywhere.
 * Randomness: counter-based (draw.h), purposes DRAW_ARRIVAL and DRAW_SHAPE, from (seed, fn) only. The draws
 * of a minute of a file are keyed by the minute's number in the file: an offset shifts arrivals, it does not
 * redraw them.
 * Errors: functions return 0, or -1 with one line in err (file, line, column in bytes, what was found, what
 * was expected). Known defects of the real files are counted in trace_defects and handled as documented
 * there, never silently dropped. Ownership: whoever opens closes; every close accepts NULL. A source keeps a
 * pointer to its file, which must outlive it; a file is read-only once open, so any number of sources and
 * threads may share it.
 */
#ifndef TRACE_H
#define TRACE_H

#include <stddef.h>
#include <stdint.h>

#define TRACE_ERR_LEN 512

typedef struct trace_file trace_file;
typedef struct trace_source trace_source;

#define TRACE_FORMATS "azure2019|azure2021|azure-llm2023|azure-llm2024|invitro|seconds|csv|packed"

/* How a minute's count becomes arrivals. */
typedef enum {
    TRACE_UNIFORM, /* uniform order statistics: a Poisson process given its count */
    TRACE_EVEN,    /* n per minute at gaps of 60 s / n, at a phase of the gap drawn once per function */
    TRACE_BURSTY,  /* three clusters of one second, one somewhere in each third of the minute, a third of the
                      arrivals expected in each; Poisson within. All of them, where counts are per second: 60 times
                      as short */
} trace_within;

typedef enum {
    TRACE_SHAPE_STEADY,  /* Poisson at mean_rps */
    TRACE_SHAPE_EVEN,    /* deterministic gaps 1 / mean_rps, first arrival after one gap */
    TRACE_SHAPE_DIURNAL, /* Poisson, rate mean_rps * (1 + amplitude * sin) over period_s */
    TRACE_SHAPE_BURSTY,  /* Poisson modulated by on/off phases of exponential length, stationary from 0:
                            burst_factor times the base rate while on; mean_rps is the mean over both */
    TRACE_SHAPE_RARE, /* sessions of 1 to 5 requests (mean 3), mean gap 2 s, long gaps between, all exponential;
                            the gap within is at most a twentieth of the mean cycle 3 / mean_rps */
} trace_shape;

/* Work: how long a request has the GPU, as a multiple of the request that was calibrated. What the engine makes of it
 * is in engine.h. */
typedef enum {
    TRACE_WORK_BY_SIZE, /* its size over calibrated_size; 1 for all where the file has no sizes */
    TRACE_WORK_EQUAL,   /* 1 for all */
} trace_work;

/* What a function's arrivals are drawn from; the config's "trace" object. All of it is plain data. */
typedef struct {
    const trace_file *file; /* NULL: synthetic */
    size_t index;           /* which function of the file */
    trace_within within;    /* counts only */
    trace_work work;
    /* Where sizes are tokens, a generated one counts as so many of the context's, >= 0: size = context + out_weight *
     * generated, at least 1. Not looked at where they are not */
    double out_weight;
    /* > 0: the size of a request of work 1. 0: the mean size of the function in the file, so that the mean work of a
     * whole trace is 1 */
    double calibrated_size;
    double scale;    /* multiplies a file's rate, >= 0; 1 = as recorded. Counts become floor(n * scale
                               + u), u drawn once per minute; a recorded arrival becomes floor(scale + u)
                               arrivals at its time, u drawn once per arrival */
    double offset_s; /* skip this much of the file, >= 0 */

    trace_shape shape;             /* synthetic only, as the rest */
    double mean_rps;               /* 0 (no arrivals) to 1e9 */
    double amplitude;              /* diurnal, 0..1 */
    double period_s;               /* diurnal, > 0 */
    double phase_s;                /* diurnal; at time t the sine is that of t + phase_s */
    double burst_factor;           /* bursty, >= 1 */
    double burst_s, burst_every_s; /* bursty: mean length, and mean distance between starts; bursts and what
                                      lies between them last at least a millisecond on average */

    int64_t duration_ns;
} trace_spec;

typedef struct {             /* one function of a file */
    const char *name;        /* the file's own: the hash, or the function column */
    uint64_t count;          /* invocations in the file */
    double mean_duration_ms; /* < 0: unknown (no durations file, or no row: a known defect); 0 as recorded */
    double mean_memory_mib; /* < 0: unknown. Where the file gives memory per application: the application's */
    double mean_size; /* of a request, in the file's unit (tokens, or what the file counts); < 0: no sizes */
    double mean_out;  /* tokens of them that are generated; < 0: sizes are not tokens in and out */
} trace_function;

/* Known defects of the real files, counted. */
typedef struct {
    uint64_t duplicate_rows;   /* the same function again. Counts: added to the first, unless the row repeats
                                  one of them in trigger and every minute: then ignored. Durations, memory: averaged,
                                  weighted by their counts */
    uint64_t without_duration; /* functions missing from the durations file that is there: kept, unknown */
    uint64_t zero_duration;    /* mean duration (2021: duration of an invocation) recorded as 0: kept as 0 */
    uint64_t disordered_rows;  /* rows that arrive earlier than the row before: sorted */
    uint64_t disagreeing_counts; /* functions whose count in the durations file differs from the sum of their
                                    minutes, or that only the durations file has: the minutes are replayed */
    uint64_t early_arrivals;     /* invocations that began before the trace did: they arrive at 0 */
    uint64_t simultaneous;       /* arrivals of a function at the very ns of another of it: kept, both */
    uint64_t zero_size;          /* requests of size 0: their size becomes 1 */
} trace_defects;

/* Opens path, plain, gzip or zstd (by its first bytes, whatever its name), and reads it whole. *out is NULL on error.
 * format:
 *   "azure2019"      HashOwner,HashApp,HashFunction,Trigger,1,2,...: counts per minute. invocations*.csv is joined with
 *                    durations*.csv and memory*.csv beside it, where they are there (same rest of the name, but for .gz
 *                    or .zst), and invocations_per_function_md.anon.dNN.csv with
 *                    function_durations_percentiles.anon.dNN.csv and app_memory_percentiles.anon.dNN.csv
 *   "azure2021"      app,func,end_timestamp,duration (s): arrives at end - duration
 *   "azure-llm2023"  TIMESTAMP,ContextTokens,GeneratedTokens: one function "requests", size = tokens in and out; time 0
 *                    is the earliest timestamp
 *   "azure-llm2024"  the same with a zone after the time
 *   "invitro"        as azure2019, path a folder or its invocations.csv; durations and memory must be there
 *   "seconds"        requests, then a count per line: one function "requests", counts per second
 *   "csv"            time_s,function or time_s,function,size (or time for time_s); size a whole number
 *   "packed"         what `hassim trace import` wrote (trace_packed.h): mapped, not read
 *   NULL             guessed from the first line */
int trace_open(trace_file **out, const char *format, const char *path, char err[TRACE_ERR_LEN]);
void trace_close(trace_file *file);
const char *trace_format_of(const trace_file *file);

size_t trace_n_functions(const trace_file *file);
/* valid while the file is open; index < trace_n_functions */
trace_function trace_function_at(const trace_file *file, size_t index);
trace_defects trace_defects_of(const trace_file *file);
const char *trace_path_of(const trace_file *file); /* the file itself, where a folder was opened */
/* The files that were joined to it, durations and memory: index 0, 1; NULL: none, or no more */
const char *trace_path_joined(const trace_file *file, size_t index);
uint64_t trace_input_bytes_of(const trace_file *file); /* that were read, unpacked, of all files joined */
int trace_has_sizes(const trace_file *file);
int trace_has_tokens(const trace_file *file);  /* its sizes are tokens, in and out */
int64_t trace_bin_ns(const trace_file *file);  /* of its counts: a minute, a second; 0: it has arrivals */
int64_t trace_span_ns(const trace_file *file); /* end of the last minute, or of the last arrival */

/* Adds the function's invocations in minute i of the file to counts[i], for i < n_minutes. */
void trace_add_minutes(const trace_file *file, size_t index, uint64_t *counts, size_t n_minutes);

/* "rank:N" (1 = most invoked; ties by file order), "name:PREFIX" (unique prefix of the name) or "row:N" (1 =
 * first function of the file) to an index. */
int trace_select(const trace_file *file, const char *select, size_t *index, char err[TRACE_ERR_LEN]);

/* The arrivals of function number fn of a run. fn and seed key the draws. A source takes about 100 bytes (200
 * where a minute holds more than 64 arrivals), however many arrivals it gives. */
int trace_source_open(trace_source **out, const trace_spec *spec, uint64_t seed, uint32_t fn,
                      char err[TRACE_ERR_LEN]);
/* Writes up to cap (>= 1) next arrival times to ns; returns how many, 0 at the end and ever after. The times
 * do not depend on how the calls are cut. */
size_t trace_source_next(trace_source *source, int64_t *ns, size_t cap);
/* The same, and each request's work, > 0. */
size_t trace_source_next_work(trace_source *source, int64_t *ns, double *work, size_t cap);
/* Whether works may differ from 1: 0 where there are no sizes, or nobody wants them. Mean: of the function's requests in
 * the whole file, but for sizes that are raised to 1; 1 where all are 1. */
int trace_has_work(const trace_spec *spec);
double trace_mean_work(const trace_spec *spec);
void trace_source_close(trace_source *source);

#endif
