/* validate_measure.c - the numbers of one trace. */
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <stdlib.h>

#include "validate_report_int.h"

const validate_metric_info validate_metrics[VALIDATE_METRICS] = {
    [VALIDATE_N] = {"n", NULL, 0},
    [VALIDATE_FAILED] = {"failed", NULL, 0},
    [VALIDATE_LOST] = {"lost", NULL, 0},
    [VALIDATE_SPAN] = {"span_s", NULL, 0},
    [VALIDATE_MEAN] = {"mean_ms", "mean_pct", 0},
    [VALIDATE_P50] = {"p50_ms", "p50_pct", 0},
    [VALIDATE_P90] = {"p90_ms", "p90_pct", 0},
    [VALIDATE_P95] = {"p95_ms", "p95_pct", 0},
    [VALIDATE_P99] = {"p99_ms", "p99_pct", 0},
    [VALIDATE_VIOLATION_150] = {"violation_150_pct", "violation_150_pp", 1},
    [VALIDATE_VIOLATION_250] = {"violation_250_pct", "violation_250_pp", 1},
    [VALIDATE_VIOLATION_500] = {"violation_500_pct", "violation_500_pp", 1},
    [VALIDATE_THROUGHPUT] = {"throughput_rps", "throughput_pct", 0},
    [VALIDATE_GPU_S] = {"gpu_s", "gpu_s_pct", 0},
};

double validate_int_quantile(const double *ascending, size_t n, double p) {
    return n ? gsl_stats_quantile_from_sorted_data(ascending, 1, n, p) : NAN;
}

double validate_int_counted_quantile(const double *ascending, const uint32_t *count, size_t drawn, double p,
                                     validate_walk *at) {
    double h = (double)(drawn - 1) * p;
    size_t low = (size_t)h; /* the order statistic below, from 0 */
    while (at->before + count[at->rank] <= low) at->before += count[at->rank++];
    size_t next = at->rank;
    if (low + 1 < drawn && at->before + count[next] <= low + 1) do
            next++;
        while (!count[next]);
    return ascending[at->rank] + (h - (double)low) * (ascending[next] - ascending[at->rank]);
}

int validate_int_by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double validate_int_error(validate_metric m, double simulated, double real) {
    if (validate_metrics[m].in_points) return simulated - real;
    return real > 0 ? 100 * (simulated / real - 1) : NAN;
}

validate_share validate_int_share_at(const validate_trace *t, double t_s) {
    validate_share s = {.t_s = t_s};
    for (size_t i = 0; i < t->n_shares && t->shares[i].t_s <= t_s; i++) s = t->shares[i];
    return s;
}

static double gpus_of(const validate_share *s) {
    return (double)s->pods * s->sm_pct * s->quota_pct / 1e4;
}

static double gpu_s_of(const validate_trace *t, double span_s) {
    double sum = 0;
    for (size_t i = 0; i < t->n_shares; i++) {
        double from = fmax(t->shares[i].t_s, 0);
        double to = i + 1 < t->n_shares ? fmin(t->shares[i + 1].t_s, span_s) : span_s;
        if (to > from) sum += gpus_of(&t->shares[i]) * (to - from);
    }
    return t->n_shares ? sum : NAN;
}

static double span_of(const validate_trace *t) {
    double end = 0;
    for (size_t i = 0; i < t->n_requests; i++)
        end = fmax(end, t->requests[i].start_s + t->requests[i].latency_ms / 1e3);
    return t->n_requests ? end - t->requests[0].start_s : 0;
}

static void measure_latencies(validate_values *out, double *ms, size_t n, double all) {
    static const struct {
        validate_metric metric;
        double p;
    } quantiles[] = {{VALIDATE_P50, 0.5}, {VALIDATE_P90, 0.9}, {VALIDATE_P95, 0.95}, {VALIDATE_P99, 0.99}};
    static const struct {
        validate_metric metric;
        double ms;
    } limits[] = {
        {VALIDATE_VIOLATION_150, 150}, {VALIDATE_VIOLATION_250, 250}, {VALIDATE_VIOLATION_500, 500}};
    double sum = 0;
    qsort(ms, n, sizeof *ms, validate_int_by_value);
    for (size_t i = 0; i < n; i++) sum += ms[i];
    out->of[VALIDATE_MEAN] = n ? sum / (double)n : NAN;
    for (size_t k = 0; k < 4; k++)
        out->of[quantiles[k].metric] = validate_int_quantile(ms, n, quantiles[k].p);
    for (size_t k = 0; k < 3; k++) {
        size_t in_time = 0;
        while (in_time < n && ms[in_time] <= limits[k].ms) in_time++;
        out->of[limits[k].metric] = all > 0 ? 100 * (1 - (double)in_time / all) : NAN;
    }
}

int validate_measure(validate_values *out, const validate_trace *t) {
    double *ms = malloc((t->n_requests + 1) * sizeof *ms), span_s = span_of(t);
    size_t n = 0;
    if (!ms) return -1;
    for (size_t i = 0; i < t->n_requests; i++)
        if (t->requests[i].status == 200) ms[n++] = t->requests[i].latency_ms;
    out->of[VALIDATE_N] = (double)t->n_requests;
    out->of[VALIDATE_FAILED] = (double)(t->n_requests - n);
    out->of[VALIDATE_LOST] = (double)t->lost;
    out->of[VALIDATE_SPAN] = span_s;
    out->of[VALIDATE_THROUGHPUT] = span_s > 0 ? (double)n / span_s : NAN;
    out->of[VALIDATE_GPU_S] = gpu_s_of(t, span_s);
    measure_latencies(out, ms, n, (double)t->n_requests + (double)t->lost);
    free(ms);
    return 0;
}
