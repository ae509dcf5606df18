/* validate_judge.c - how near is near enough: replicates of the testbed, ticks of the allocation, targets. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "validate_condition.h"
#include "validate_report_int.h"

static const double TICK_S = 2;

/* ---- ticks at which two allocations are the same ---- */

static void count_ticks(const validate_trace *real, const validate_trace *simulated, double span_s,
                        double *shares, double *pods) {
    double ticks = 0, same = 0, same_pods = 0;
    size_t i = 0, k = 0; /* changes so far */
    for (double t = 0; t <= span_s; t += TICK_S, ticks++) {
        while (i < real->n_shares && real->shares[i].t_s <= t) i++;
        while (k < simulated->n_shares && simulated->shares[k].t_s <= t) k++;
        const validate_share none = {.t_s = t}, *a = i ? &real->shares[i - 1] : &none,
                             *b = k ? &simulated->shares[k - 1] : &none;
        same += (uint64_t)a->pods * a->sm_pct * a->quota_pct == (uint64_t)b->pods * b->sm_pct * b->quota_pct;
        same_pods += a->pods == b->pods;
    }
    *shares = 100 * same / ticks;
    *pods = 100 * same_pods / ticks;
}

void validate_int_agreement(validate_row *row, unsigned n_seeds) {
    double shares = 0, pods = 0;
    for (unsigned i = 0; i < n_seeds; i++) {
        double s, p;
        count_ticks(&row->run->real, &row->traces[i], row->real.of[VALIDATE_SPAN], &s, &p);
        shares += s;
        pods += p;
    }
    row->share_agreement_pct = shares / n_seeds;
    row->pods_agreement_pct = pods / n_seeds;
}

/* ---- replicates ---- */

/* The first change after the load's start */
static size_t after_start(const validate_trace *t) {
    size_t i = 0;
    while (i < t->n_shares && t->shares[i].t_s <= 0) i++;
    return i;
}

static int is_same_share(const validate_share *a, const validate_share *b) {
    return a->pods == b->pods && a->gpus == b->gpus && a->sm_pct == b->sm_pct && a->quota_pct == b->quota_pct;
}

static int is_same_allocation(const validate_trace *a, const validate_trace *b) {
    const validate_share at_start[2] = {validate_int_share_at(a, 0), validate_int_share_at(b, 0)};
    size_t i = after_start(a), k = after_start(b);
    if (!is_same_share(&at_start[0], &at_start[1]) || a->n_shares - i != b->n_shares - k) return 0;
    for (; i < a->n_shares; i++, k++)
        if (!is_same_share(&a->shares[i], &b->shares[k]) ||
            fabs(a->shares[i].t_s - b->shares[k].t_s) > TICK_S)
            return 0;
    return 1;
}

/* A runaway's record is not what served. */
static int is_replicate(const validate_run *a, const validate_run *b) {
    if (validate_has_tag(a, "runaway") || validate_has_tag(b, "runaway")) return 0;
    return a->has_usage && b->has_usage && strcmp(a->system, b->system) == 0 &&
           strcmp(a->served_model, b->served_model) == 0 && strcmp(a->workload, b->workload) == 0 &&
           is_same_allocation(&a->real, &b->real);
}

void validate_int_spread(validate_row *row, const validate_data *d, const validate_values *values) {
    validate_values least = row->real, most = row->real, sum = row->real;
    for (size_t i = 0; i < validate_n_runs(d); i++) {
        const validate_run *other = validate_run_at(d, i);
        if (other == row->run || !is_replicate(row->run, other)) continue;
        row->n_replicates++;
        for (size_t m = 0; m < VALIDATE_METRICS; m++) {
            least.of[m] = fmin(least.of[m], values[i].of[m]);
            most.of[m] = fmax(most.of[m], values[i].of[m]);
            sum.of[m] += values[i].of[m];
        }
    }
    for (size_t m = 0; m < VALIDATE_METRICS; m++) {
        double mean = sum.of[m] / (double)(row->n_replicates + 1), range = most.of[m] - least.of[m];
        row->spread[m] = !row->n_replicates              ? NAN
                         : validate_metrics[m].in_points ? range
                         : mean > 0                      ? 100 * range / mean
                                                         : NAN;
    }
}

static int is_alike(const validate_run *a, const validate_run *b) {
    const validate_run *both[2] = {a, b};
    for (size_t i = 0; i < 2; i++)
        if (!both[i]->has_usage || validate_has_tag(both[i], "overload") ||
            validate_has_tag(both[i], "runaway"))
            return 0;
    return a != b && strcmp(a->system, b->system) == 0 && strcmp(a->served_model, b->served_model) == 0;
}

typedef struct {
    double sum, requests;
} spread_sum;

static int add_conditions(spread_sum *to, const validate_conditions *own, const validate_run *other) {
    validate_conditions theirs;
    if (validate_conditions_open(&theirs, other, &other->real)) return -1;
    for (validate_shared_condition c = {.n_a = 0}; validate_next_shared(&c, own, &theirs);) {
        to->sum += (double)c.n_a * validate_quantile_gap(&c, 0.5);
        to->requests += (double)c.n_a;
    }
    validate_conditions_close(&theirs);
    return 0;
}

int validate_int_condition_spread(validate_row *row, const validate_data *d) {
    validate_conditions own;
    spread_sum all = {0};
    row->n_alike = 0;
    int rc = validate_conditions_open(&own, row->run, &row->run->real);
    for (size_t i = 0; !rc && i < validate_n_runs(d); i++) {
        const validate_run *other = validate_run_at(d, i);
        double before = all.requests;
        if (is_alike(row->run, other)) rc = add_conditions(&all, &own, other);
        row->n_alike += all.requests > before;
    }
    validate_conditions_close(&own);
    row->n_alike_requests = (size_t)all.requests;
    row->condition_spread_pct = all.requests > 0 ? 100 * expm1(all.sum / all.requests) : NAN;
    return rc;
}

/* ---- targets: issue 4 ---- */

typedef enum { CLEAN, OVERLOAD, ALL } set;
static const char *const set_names[VALIDATE_SETS] = {"clean", "overload", "all"};

static const struct {
    set set;
    validate_metric metric;
    double limit;
} targets[] = {
    {CLEAN, VALIDATE_MEAN, 5},          {CLEAN, VALIDATE_P50, 3},      {CLEAN, VALIDATE_P95, 9},
    {CLEAN, VALIDATE_VIOLATION_250, 2}, {OVERLOAD, VALIDATE_MEAN, 15}, {OVERLOAD, VALIDATE_THROUGHPUT, 3},
    {ALL, VALIDATE_GPU_S, 10},
};
enum { N_TARGETS = sizeof targets / sizeof *targets };
static const double TRAJECTORY_PCT = 90;

_Static_assert((int)N_TARGETS <= (int)VALIDATE_GOALS_MAX, "a set's goals fit");

static int is_in(set s, const validate_row *row) {
    if (!row->simulated || row->mislabelled) return 0;
    return s == ALL || validate_has_tag(row->run, set_names[s]);
}

/* Latency is judged in replay; KServe's replicas were not recorded, and it can only be judged in policy mode. What is
 * allocated is an outcome in policy mode alone. */
static int judges(size_t target, const validate_row *row, validate_mode mode) {
    validate_metric m = targets[target].metric;
    if (!is_in(targets[target].set, row) || !isfinite(row->error[m].value)) return 0;
    if (m == VALIDATE_GPU_S) return mode == VALIDATE_POLICY;
    return mode == VALIDATE_REPLAY || strcmp(row->run->system, "kserve") == 0;
}

static void judge_row(validate_row *row, validate_mode mode) {
    for (size_t i = 0; i < N_TARGETS; i++) {
        validate_metric m = targets[i].metric;
        if (!judges(i, row, mode)) continue;
        double size = fabs(row->error[m].value);
        row->verdict[m] = size <= targets[i].limit ? VALIDATE_MET
                          : size <= row->spread[m] ? VALIDATE_WITHIN_SPREAD
                                                   : VALIDATE_MISSED;
    }
    /* HAS-GPU: which runs are by the published controller is not in their index; the law that FaST-GShare followed is
     * not published. */
    if (isfinite(row->share_agreement_pct) && is_in(ALL, row) && strcmp(row->run->system, "has") == 0)
        row->trajectory = row->share_agreement_pct >= TRAJECTORY_PCT ? VALIDATE_MET : VALIDATE_MISSED;
}

/* ---- sets ---- */

/* The absolute errors of a set, ascending; how many */
static size_t sorted_errors(const validate_report *r, set s, size_t m, double *to) {
    size_t n = 0;
    for (size_t i = 0; i < r->n_rows; i++)
        if (is_in(s, &r->rows[i]) && isfinite(r->rows[i].error[m].value))
            to[n++] = fabs(r->rows[i].error[m].value);
    qsort(to, n, sizeof *to, validate_int_by_value);
    return n;
}

/* An error within the replicates' spread counts as just met. The four in five are counted: between two order statistics
 * of a few runs a quantile is no count. */
static void sum_up_goal(validate_goal *g, const validate_report *r, size_t target, double *errors) {
    *g = (validate_goal){.metric = targets[target].metric, .limit = targets[target].limit};
    for (size_t i = 0; i < r->n_rows; i++) {
        const validate_row *row = &r->rows[i];
        if (!judges(target, row, r->mode)) continue;
        validate_verdict v = row->verdict[g->metric];
        double size = v == VALIDATE_WITHIN_SPREAD ? g->limit : fabs(row->error[g->metric].value);
        errors[g->judged++] = size;
        g->met += v != VALIDATE_MISSED;
        g->within_twice += size <= 2 * g->limit;
    }
    qsort(errors, g->judged, sizeof *errors, validate_int_by_value);
    g->is_met =
        validate_int_quantile(errors, g->judged, 0.5) <= g->limit && 5 * g->within_twice >= 4 * g->judged;
}

static void sum_up_set(validate_summary *out, const validate_report *r, set s, double *errors) {
    *out = (validate_summary){.name = set_names[s]};
    for (size_t i = 0; i < r->n_rows; i++) {
        if (!is_in(s, &r->rows[i])) continue;
        out->runs++;
        out->trajectories += r->rows[i].trajectory != VALIDATE_NOT_JUDGED;
        out->trajectories_met += r->rows[i].trajectory == VALIDATE_MET;
    }
    for (size_t m = 0; m < VALIDATE_METRICS; m++) {
        size_t n = sorted_errors(r, s, m, errors);
        out->median[m] = validate_int_quantile(errors, n, 0.5);
        out->p80[m] = validate_int_quantile(errors, n, 0.8);
    }
    for (size_t i = 0; i < N_TARGETS; i++) {
        if (targets[i].set != s) continue;
        sum_up_goal(&out->goals[out->n_goals], r, i, errors);
        out->n_goals += out->goals[out->n_goals].judged > 0;
    }
}

int validate_int_judge(validate_report *r) {
    double *errors = malloc((r->n_rows + 1) * sizeof *errors);
    if (!errors) return -1;
    for (size_t i = 0; i < r->n_rows; i++) judge_row(&r->rows[i], r->mode);
    for (set s = CLEAN; s <= ALL; s++) sum_up_set(&r->sets[s], r, s, errors);
    free(errors);
    return 0;
}
