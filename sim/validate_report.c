/* validate_report.c - simulates the runs, seeds and runs in parallel, and compares. */
#include "validate_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "thread_pool_int.h"
#include "validate_report_int.h"

typedef struct {
    validate_report *report;
    const validate_plan *plan;
    int *status;                      /* [n_rows][n_seeds] */
    char (*errors)[VALIDATE_ERR_LEN]; /* as status */
    validate_values *real;            /* of every run of the data */
} job;

static int check_names(const validate_data *d, const validate_plan *plan, char *err) {
    for (size_t i = 0; i < plan->n_only; i++) {
        size_t k = 0;
        while (k < validate_n_runs(d) && strcmp(validate_run_at(d, k)->name, plan->only[i]) != 0) k++;
        if (k < validate_n_runs(d)) continue;
        snprintf(err, VALIDATE_ERR_LEN,
                 "found no run \"%.100s\", expected one of runs.csv, such as \"%.100s\"", plan->only[i],
                 validate_run_at(d, 0)->name);
        return -1;
    }
    return 0;
}

static double sent_by(const validate_run *run) {
    double n = 0;
    for (size_t i = 0; i < run->n_stages; i++) n += 5.0 * run->rate_rps[i]; /* stages of 5 s */
    return n;
}

/* What is known of a run before it is simulated; 1: it is not to be. */
static int take_stock(validate_row *row, validate_mode mode) {
    const validate_run *run = row->run;
    row->mislabelled = validate_has_tag(run, "mislabelled");
    if (row->mislabelled)
        snprintf(row->note, sizeof row->note, "mislabelled: called %.64s, served %.64s; in no summary",
                 run->model, run->served_model);
    else if (row->real.of[VALIDATE_N] > sent_by(run))
        snprintf(row->note, sizeof row->note, "recorded %.0f requests, more than the %.0f of workload %.64s",
                 row->real.of[VALIDATE_N], sent_by(run), run->workload);
    if (validate_has_tag(run, "runaway"))
        snprintf(row->note, sizeof row->note, "runaway: the record holds pods that never ran");
    else if (mode == VALIDATE_REPLAY && validate_has_tag(run, "stale-usage"))
        snprintf(row->note, sizeof row->note, "stale usage: the recorded allocation is another run's");
    else
        return 0;
    return 1;
}

static int open_row(validate_row *row, const validate_plan *plan) {
    row->share_agreement_pct = row->pods_agreement_pct = NAN;
    row->traces = calloc(plan->n_seeds, sizeof *row->traces);
    row->by_seed = calloc(plan->n_seeds, sizeof *row->by_seed);
    row->simulated = !take_stock(row, plan->mode);
    for (size_t m = 0; m < VALIDATE_METRICS; m++) {
        row->mean.of[m] = row->spread[m] = NAN;
        row->error[m] = (validate_error){NAN, NAN, NAN};
    }
    return row->traces && row->by_seed ? 0 : -1;
}

static int open_rows(job *j, const validate_data *d) {
    validate_report *r = j->report;
    size_t n = validate_n_runs(d);
    r->rows = calloc(n, sizeof *r->rows);
    j->real = calloc(n, sizeof *j->real);
    if (!r->rows || !j->real) return -1;
    for (size_t i = 0; i < n; i++)
        if (validate_measure(&j->real[i], &validate_run_at(d, i)->real)) return -1;
    for (size_t i = 0; i < n; i++) {
        if (!validate_is_among(validate_run_at(d, i), j->plan->only, j->plan->n_only)) continue;
        validate_row *row = &r->rows[r->n_rows++];
        row->run = validate_run_at(d, i);
        row->real = j->real[i];
        if (open_row(row, j->plan)) return -1;
        validate_int_spread(row, d, j->real);
        if (validate_int_condition_spread(row, d)) return -1;
    }
    size_t all = r->n_rows * r->n_seeds;
    j->status = calloc(all, sizeof *j->status);
    j->errors = calloc(all, sizeof *j->errors);
    return j->status && j->errors ? 0 : -1;
}

static void simulate_one(void *arg, size_t i) {
    job *j = arg;
    validate_row *row = &j->report->rows[i / j->plan->n_seeds];
    size_t seed = i % j->plan->n_seeds;
    if (!row->simulated) return;
    j->status[i] =
        j->plan->simulate(j->plan->arg, &row->traces[seed], row->run, j->plan->mode, seed + 1, j->errors[i]);
    if (j->status[i] || !validate_measure(&row->by_seed[seed], &row->traces[seed])) return;
    snprintf(j->errors[i], VALIDATE_ERR_LEN, "out of memory");
    j->status[i] = -1;
}

/* One seed that cannot be simulated stands for all. */
static int settle_row(job *j, size_t i, char *err) {
    validate_row *row = &j->report->rows[i];
    for (size_t k = i * j->plan->n_seeds; row->simulated && k < (i + 1) * j->plan->n_seeds; k++) {
        if (j->status[k] < 0) {
            snprintf(err, VALIDATE_ERR_LEN, "%.100s: %.400s", row->run->name, j->errors[k]);
            return -1;
        }
        if (j->status[k]) snprintf(row->note, sizeof row->note, "%s", j->errors[k]);
        row->simulated = j->status[k] == 0;
    }
    return 0;
}

static void mean_of_seeds(validate_row *row, unsigned n_seeds) {
    for (size_t m = 0; m < VALIDATE_METRICS; m++) {
        double sum = 0;
        for (unsigned k = 0; k < n_seeds; k++) sum += row->by_seed[k].of[m];
        row->mean.of[m] = sum / n_seeds;
    }
}

static void compare_one(void *arg, size_t i) {
    job *j = arg;
    validate_row *row = &j->report->rows[i];
    if (!row->simulated) return;
    mean_of_seeds(row, j->plan->n_seeds);
    j->status[i] = validate_int_errors(row, j->plan->n_seeds);
    if (j->plan->mode == VALIDATE_POLICY && row->run->has_usage)
        validate_int_agreement(row, j->plan->n_seeds);
    if (j->plan->why) row->why = j->plan->why(j->plan->arg, row->run, j->plan->mode);
}

static int simulate_all(job *j, thread_pool *pool, char *err) {
    validate_report *r = j->report;
    thread_pool_run(pool, r->n_rows * r->n_seeds, simulate_one, j);
    for (size_t i = 0; i < r->n_rows; i++)
        if (settle_row(j, i, err)) return -1;
    memset(j->status, 0, r->n_rows * r->n_seeds * sizeof *j->status);
    thread_pool_run(pool, r->n_rows, compare_one, j);
    int rc = validate_int_judge(r);
    for (size_t i = 0; i < r->n_rows; i++) rc |= j->status[i];
    return rc;
}

static int make(job *j, const validate_data *d, char *err) {
    snprintf(err, VALIDATE_ERR_LEN, "out of memory");
    thread_pool *pool = open_rows(j, d) ? NULL : thread_pool_open(j->plan->threads);
    int rc = pool ? simulate_all(j, pool, err) : -1;
    thread_pool_close(pool);
    free(j->status);
    free(j->errors);
    free(j->real);
    return rc;
}

int validate_report_make(validate_report **out, const validate_data *d, const validate_plan *plan,
                         char err[VALIDATE_ERR_LEN]) {
    *out = NULL;
    if (check_names(d, plan, err)) return -1;
    validate_report *r = calloc(1, sizeof *r);
    if (!r) {
        snprintf(err, VALIDATE_ERR_LEN, "out of memory");
        return -2;
    }
    r->mode = plan->mode;
    r->cross_validated = plan->cross_validated;
    r->n_seeds = plan->n_seeds;
    job j = {.report = r, .plan = plan};
    if (make(&j, d, err)) {
        validate_report_free(r);
        return -2;
    }
    *out = r;
    return 0;
}

void validate_report_free(validate_report *r) {
    if (!r) return;
    for (size_t i = 0; i < r->n_rows; i++) {
        for (unsigned k = 0; r->rows[i].traces && k < r->n_seeds; k++)
            validate_trace_free(&r->rows[i].traces[k]);
        free(r->rows[i].traces);
        free(r->rows[i].by_seed);
    }
    free(r->rows);
    free(r);
}
