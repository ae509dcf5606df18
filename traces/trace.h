/* trace.h - who calls what, when: trace files, and lazy sources of arrivals.
 *
 * Two things live here. A `trace_file` is an opened input (Azure Functions 2019 minute counts, Azure
 * Functions 2021 invocations, plain time,function CSV): a table of functions with their counts or times. A
 * `trace_source` gives the arrival times of ONE simulated function, in order, block by block; it draws them
 * lazily from a file's function or from a synthetic shape, and nothing is stored per request.
 *
 * Time: int64_t nanoseconds since the run began; arrivals are non-decreasing and lie in [0, duration_ns).
 * Randomness: counter-based (draw.h), purposes DRAW_ARRIVAL and DRAW_SHAPE, from (seed, fn) only.
 * Errors: functions return 0, or -1 with one line in err (file, line, column, what was found, what was
 * expected). Known defects of the real files are counted in trace_defects and handled as documented there,
 * never silently dropped. Ownership: whoever opens closes; every close accepts NULL. A source keeps a pointer
 * to its file, which must outlive it; a file is read-only once open, so any number of sources and threads may
 * share it.
 */
#ifndef TRACE_H
#define TRACE_H

#include <stddef.h>
#include <stdint.h>

#define TRACE_ERR_LEN 512

typedef struct trace_file trace_file;
typedef struct trace_source trace_source;

/* How a minute's count becomes arrivals. */
typedef enum {
    TRACE_UNIFORM, /* uniform order statistics: a Poisson process given its count */
    TRACE_EVEN,    /* evenly spaced */
    TRACE_BURSTY,  /* in a few clusters (their number and width are documented in trace_source.c) */
} trace_within;

typedef enum {
    TRACE_SHAPE_STEADY,  /* Poisson at mean_rps */
    TRACE_SHAPE_EVEN,    /* deterministic gaps 1 / mean_rps, first arrival after one gap */
    TRACE_SHAPE_DIURNAL, /* Poisson, rate mean_rps * (1 + amplitude * sin) over period_s */
    TRACE_SHAPE_BURSTY,  /* Poisson modulated by on/off bursts: burst_factor times the base rate while on */
    TRACE_SHAPE_RARE,    /* Poisson sessions of a few requests, long gaps between */
} trace_shape;

/* What a function's arrivals are drawn from; the config's "trace" object. All of it is plain data. */
typedef struct {
    const trace_file *file; /* NULL: synthetic */
    size_t index;           /* which function of the file */
    trace_within within;    /* minute counts only */
    double scale;           /* multiplies a file's rate; 1 = as recorded. Counts become
                               floor(n * scale + u), u drawn once per minute */
    double offset_s;        /* skip this much of the file */

    trace_shape shape; /* synthetic only, as the rest */
    double mean_rps;
    double amplitude;                            /* diurnal, 0..1 */
    double period_s;                             /* diurnal */
    double phase_s;                              /* diurnal */
    double burst_factor, burst_s, burst_every_s; /* bursty: factor, mean burst length, mean distance */

    int64_t duration_ns;
} trace_spec;

typedef struct {             /* one function of a file */
    const char *name;        /* the file's own (hash, or function column) */
    uint64_t count;          /* invocations in the file */
    double mean_duration_ms; /* < 0: unknown (no durations file, or no row: a known defect) */
    double mean_memory_mib;  /* < 0: unknown */
} trace_function;

typedef struct { /* known defects of the real files, counted; see traces/README.md for what is done with each
                  */
    uint64_t duplicate_rows, without_duration, zero_duration, disordered_rows, disagreeing_counts;
} trace_defects;

/* Opens path. format: "azure2019" (invocations CSV; durations.csv and memory.csv beside it, or
 * invocations_per_function_md.anon.dNN.csv with its siblings, are joined when present), "azure2021", "csv".
 * Reads it whole. *out is NULL on error. */
int trace_open(trace_file **out, const char *format, const char *path, char err[TRACE_ERR_LEN]);
void trace_close(trace_file *file);

size_t trace_n_functions(const trace_file *file);
/* valid while the file is open; index < trace_n_functions */
trace_function trace_function_at(const trace_file *file, size_t index);
trace_defects trace_defects_of(const trace_file *file);
int64_t trace_span_ns(const trace_file *file); /* end of the last minute, or of the last arrival */

/* "rank:N" (1 = most invoked; ties by file order), "name:PREFIX" (unique prefix of the name) or "row:N" (1 =
 * first function of the file) to an index. */
int trace_select(const trace_file *file, const char *select, size_t *index, char err[TRACE_ERR_LEN]);

/* The arrivals of function number fn of a run. fn and seed key the draws. */
int trace_source_open(trace_source **out, const trace_spec *spec, uint64_t seed, uint32_t fn,
                      char err[TRACE_ERR_LEN]);
/* Writes up to cap (>= 1) next arrival times to ns; returns how many, 0 at the end and ever after. The times
 * do not depend on how the calls are cut. */
size_t trace_source_next(trace_source *source, int64_t *ns, size_t cap);
void trace_source_close(trace_source *source);

#endif
