/* trace_generate.h - writes a set of trace files in the Azure Functions 2019 format: invocations.csv,
 * durations.csv and memory.csv.
 *
 * The functions are of four kinds; the counts of a function are those of a synthetic source (trace.h) of its
 * kind, minute by minute. A rare function gets a session of about three requests every ten minutes (less
 * where mean_rps / functions is less). The others share the rest of mean_rps as 1, 1/2, 1/3...: the first
 * rows of the file are the busiest, their kinds alternating, the rare ones come last. A diurnal function
 * swings by 80 % over a day, or over the trace where that is shorter; a bursty one has bursts of about a
 * minute, ten times its base rate, about every ten minutes. Durations and memory are plausible numbers, not
 * measurements.
 *
 * Or, like azure2019, they are a population as the public trace's (trace_population.h), in applications; then mix is
 * not looked at, and the summary says how close the written trace is to what is published.
 *
 * Deterministic: same spec, same bytes. The files are written under temporary names and renamed when all are
 * complete. Errors: -1 with one line in err, nothing left behind but the directory.
 */
#ifndef TRACE_GENERATE_H
#define TRACE_GENERATE_H

#include "trace.h"
#include "trace_population.h"

typedef enum {
    TRACE_KIND_STEADY,
    TRACE_KIND_DIURNAL,
    TRACE_KIND_BURSTY,
    TRACE_KIND_RARE,
    TRACE_N_KINDS
} trace_kind;
enum { TRACE_SUMMARY_ROWS = 8 };

typedef enum { TRACE_LIKE_MIX, TRACE_LIKE_AZURE2019 } trace_like;

typedef struct {
    trace_like like;
    uint32_t functions;        /* 1 to 1,000,000 */
    uint32_t minutes;          /* 1 to 527,040: a year */
    double mean_rps;           /* of all together, > 0, to 1e6 */
    double mix[TRACE_N_KINDS]; /* how the functions are divided among the kinds; any scale */
    uint64_t seed;
    int (*is_stopped)(void); /* asked between functions; not 0: that is an error. NULL: never */
} trace_generate_spec;

typedef struct {
    uint32_t functions;
    uint64_t invocations;
    double asked_rps; /* the drawn invocations vary around it */
    double
        dispersion; /* variance / mean of a minute's count, averaged over functions; 0 for one without any */
    double busy;    /* share of function-minutes with any */
    uint32_t rows[TRACE_SUMMARY_ROWS]; /* the first functions of this kind; 1 = first of the file */
} trace_kind_summary;

typedef struct {
    trace_kind_summary kinds[TRACE_N_KINDS];
    uint64_t invocations;
    trace_population_marginals marginals; /* like azure2019 only */
} trace_summary;

/* Of the public trace's first day: 1.0e9 invocations of 46,412 functions. */
#define TRACE_AZURE2019_RPS_PER_FUNCTION 0.2494

const char *trace_kind_name(trace_kind kind); /* "steady", "diurnal", "bursty", "rare" */
/* Whether trace_generate would take it. */
int trace_generate_check(const trace_generate_spec *spec, char err[TRACE_ERR_LEN]);
/* Creates directory if it is not there. */
int trace_generate(const trace_generate_spec *spec, const char *directory, trace_summary *summary,
                   char err[TRACE_ERR_LEN]);

#endif
