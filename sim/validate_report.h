/* validate_report.h - recorded runs and their simulations, measured alike and compared.
 *
 * A trace is measured by validate_measure: quantiles are of successful requests (status 200), between two order
 * statistics linearly (type 7 of Hyndman and Fan); violations are failed, lost and late ones, of all that should have
 * been sent (recorded + lost); throughput is successes over the span, first start to last end; GPU-seconds are the
 * integral of pods x SM x quota over [0, span]. What is not known (no success, no allocation recorded) is NaN.
 *
 * The simulated value is the mean over the seeds (1 to n_seeds) of each seed's. Errors are simulated against real: in
 * percent of the real value, violations in percentage points. Their 95 % intervals come from a moving-block bootstrap
 * over requests (500 resamples, circular, one fixed seed for all): a block is a mean stage's requests, because the
 * client's barrier drains the queue at the end of a stage and what is correlated lies within one. Blocks are taken at
 * the same places of the real and of the simulated runs, which had the same load there, and the seeds are resampled
 * with them; throughput and GPU-seconds belong to a run as a whole and are resampled by seed alone.
 *
 * Which runs count:
 *   runaway       recorded pods that never ran: not simulated, left out
 *   stale-usage   its usage is another run's: no replay
 *   mislabelled   simulated as what it served, reported, in no summary
 * The sets of the summary are `clean` and `overload` (by tag) and `all`, each of the simulated runs that are neither
 * mislabelled nor runaway.
 *
 * Replicates are runs of one system, served model and workload whose recorded allocations from the load's start on
 * are the same, each change within one tick (2 s) of the other's, and that are not runaway. Their spread is (largest -
 * least) / mean, in percent, of violations the difference in points. An error within the spread counts as met, whatever
 * its target.
 */
#ifndef VALIDATE_REPORT_H
#define VALIDATE_REPORT_H

#include <stdio.h>

#include "validate.h"

typedef enum {
    VALIDATE_N, /* requests recorded */
    VALIDATE_FAILED,
    VALIDATE_LOST,
    VALIDATE_SPAN,
    VALIDATE_MEAN, /* from here on errors are computed */
    VALIDATE_P50,
    VALIDATE_P90,
    VALIDATE_P95,
    VALIDATE_P99,
    VALIDATE_VIOLATION_150,
    VALIDATE_VIOLATION_250,
    VALIDATE_VIOLATION_500,
    VALIDATE_THROUGHPUT,
    VALIDATE_GPU_S,
    VALIDATE_METRICS
} validate_metric;

typedef struct {
    const char *key;   /* of a value, in JSON */
    const char *error; /* of an error: its name and unit; NULL: none is computed */
    int in_points;     /* an error is a difference in points, not in percent */
} validate_metric_info;

extern const validate_metric_info validate_metrics[VALIDATE_METRICS];

typedef struct {
    double of[VALIDATE_METRICS];
} validate_values;

typedef struct {
    double value, lo, hi; /* NaN: unknown */
} validate_error;

typedef enum { VALIDATE_NOT_JUDGED, VALIDATE_MET, VALIDATE_WITHIN_SPREAD, VALIDATE_MISSED } validate_verdict;

typedef struct {
    const validate_run *run;
    int simulated, mislabelled;
    char note[VALIDATE_ERR_LEN]; /* why not simulated, or what to know; "": nothing */
    const char *why;             /* why a target is missed, where anyone has said so; or NULL */
    validate_values real, mean;  /* mean: over the seeds */
    validate_error error[VALIDATE_METRICS];
    size_t n_replicates; /* beside this run */
    double spread[VALIDATE_METRICS];
    /* By how much medians differ from those of other runs of its system and served model under the same conditions
     * (validate_condition.h), both runs recorded and neither overloaded: e to the mean of |ln|, by its requests, less 1,
     * in %. NaN: no such runs. It judges nothing: it says how far the testbed is from itself, with what queues have left
     * over and the chance of few requests in it. */
    double condition_spread_pct;
    size_t n_alike,
        n_alike_requests; /* such runs; the run's requests of those conditions, for each run anew */
    double share_agreement_pct, pods_agreement_pct; /* ticks; policy mode, allocation recorded; else NaN */
    validate_verdict verdict[VALIDATE_METRICS], trajectory;
    validate_trace *traces; /* [n_seeds], with what was measured of each */
    validate_values *by_seed;
} validate_row;

typedef struct {
    validate_metric metric;
    double limit;                     /* of the absolute error; four runs in five within twice that */
    size_t judged, met, within_twice; /* runs; within the replicates' spread counts as within */
    int is_met;                       /* the median is, and four in five of the runs are within twice */
} validate_goal;

enum { VALIDATE_GOALS_MAX = 8, VALIDATE_SETS = 3 };

typedef struct {
    const char *name;
    size_t runs;
    double median[VALIDATE_METRICS], p80[VALIDATE_METRICS]; /* of the absolute errors */
    size_t n_goals;
    validate_goal goals[VALIDATE_GOALS_MAX];
    size_t trajectories, trajectories_met; /* runs judged by their allocation over time, in policy mode */
} validate_summary;

typedef struct {
    validate_mode mode;
    int cross_validated;
    unsigned n_seeds;
    size_t n_rows;
    validate_row *rows; /* in the data's order */
    validate_summary sets[VALIDATE_SETS];
} validate_report;

typedef struct {
    validate_mode mode;
    int cross_validated; /* to be said: each run is simulated by what the others taught */
    unsigned n_seeds, threads;
    const char *const *only; /* names of runs; n_only 0: all */
    size_t n_only;
    /* As validate_simulate (validate_sim.h), called from several threads: 0, 1 with the reason in err why this run
     * cannot be simulated, or -1, which ends the report. */
    int (*simulate)(void *arg, validate_trace *out, const validate_run *run, validate_mode mode,
                    uint64_t seed, char err[VALIDATE_ERR_LEN]);
    /* A sentence on why a run misses its targets, or NULL; may itself be NULL */
    const char *(*why)(void *arg, const validate_run *run, validate_mode mode);
    void *arg;
} validate_plan;

int validate_measure(validate_values *out, const validate_trace *t); /* -1: out of memory */

/* 0; with a line in err: -1, a run that is asked for is not there; -2, failed. The data must outlive the report. */
int validate_report_make(validate_report **out, const validate_data *d, const validate_plan *request,
                         char err[VALIDATE_ERR_LEN]);
void validate_report_free(validate_report *r);

void validate_report_text(const validate_report *r, FILE *out);
int validate_report_json(const validate_report *r, FILE *out); /* -1: out of memory */

#endif
