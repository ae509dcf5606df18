/* validate_bootstrap.c - intervals of the errors: circular moving blocks of requests, and seeds (validate_report.h).
 *
 * A resample is a count for each request, kept by rank, so that its quantiles are one walk over the ranks and
 * nothing is sorted twice. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "draw.h"
#include "validate_report_int.h"

enum { RESAMPLES = 500 };
static const uint64_t BOOTSTRAP_SEED = 1;

typedef struct {
    double ms;
    size_t at; /* in order of start */
} ranked;

typedef struct {
    double *ms;      /* of the successes, ascending */
    uint32_t *rank;  /* [n], in order of start; n_ok: not a success */
    uint32_t *count; /* [n_ok + 1] by rank, in the present resample; the last: not successes */
    size_t n, n_ok, in_time[3];
    double lost;
} sampled;

typedef struct {
    size_t n_blocks, n_seeds;
    double *place;      /* [n_blocks] in [0, 1) */
    sampled *simulated; /* [n_seeds] */
    sampled real;
    double *errors; /* [VALIDATE_METRICS][RESAMPLES] */
} bootstrap;

static int by_ms(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->ms != y->ms) return x->ms < y->ms ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static void rank_all(sampled *s, const validate_trace *t, ranked *order) {
    static const double limits[3] = {150, 250, 500};
    for (size_t i = 0; i < t->n_requests; i++)
        if (t->requests[i].status == 200) order[s->n_ok++] = (ranked){t->requests[i].latency_ms, i};
    qsort(order, s->n_ok, sizeof *order, by_ms);
    for (size_t i = 0; i < s->n; i++) s->rank[i] = (uint32_t)s->n_ok;
    for (size_t i = 0; i < s->n_ok; i++) {
        s->ms[i] = order[i].ms;
        s->rank[order[i].at] = (uint32_t)i;
        for (size_t k = 0; k < 3; k++) s->in_time[k] += order[i].ms <= limits[k];
    }
}

static int open_sampled(sampled *s, const validate_trace *t) {
    size_t room = t->n_requests + 1;
    ranked *order = malloc(room * sizeof *order);
    s->n = t->n_requests;
    s->lost = (double)t->lost;
    s->ms = malloc(room * sizeof *s->ms);
    s->rank = malloc(room * sizeof *s->rank);
    s->count = malloc(room * sizeof *s->count);
    int rc = order && s->ms && s->rank && s->count ? 0 : -1;
    if (!rc) rank_all(s, t, order);
    free(order);
    return rc;
}

static void close_sampled(sampled *s) {
    free(s->ms);
    free(s->rank);
    free(s->count);
}

static size_t at_most(double x, size_t most) {
    size_t i = (size_t)x;
    return i < most ? i : most;
}

/* Blocks of a mean stage at the places drawn, around the end. */
static void resample(sampled *s, const double *place, size_t n_blocks) {
    size_t length = (s->n + n_blocks - 1) / n_blocks;
    memset(s->count, 0, (s->n_ok + 1) * sizeof *s->count);
    if (!s->n) return;
    for (size_t b = 0; b < n_blocks; b++) {
        size_t at = at_most(place[b] * (double)s->n, s->n - 1);
        for (size_t k = 0; k < length; k++, at = at + 1 < s->n ? at + 1 : 0) s->count[s->rank[at]]++;
    }
}

static void measure_quantiles(const sampled *s, size_t drawn, validate_values *out) {
    validate_walk at = {0, 0};
    out->of[VALIDATE_P50] = validate_int_counted_quantile(s->ms, s->count, drawn, 0.5, &at);
    out->of[VALIDATE_P90] = validate_int_counted_quantile(s->ms, s->count, drawn, 0.9, &at);
    out->of[VALIDATE_P95] = validate_int_counted_quantile(s->ms, s->count, drawn, 0.95, &at);
    out->of[VALIDATE_P99] = validate_int_counted_quantile(s->ms, s->count, drawn, 0.99, &at);
}

/* The lost have no place in the order of requests: their share of all stays. */
static void measure_resample(const sampled *s, validate_values *out) {
    double sum = 0;
    size_t drawn = 0, in_time[3] = {0, 0, 0};
    for (size_t i = 0; i < s->n_ok; i++) {
        sum += s->count[i] * s->ms[i];
        drawn += s->count[i];
        for (size_t k = 0; k < 3; k++)
            if (i < s->in_time[k]) in_time[k] += s->count[i];
    }
    double all = (double)drawn + s->count[s->n_ok], recorded = (double)s->n / ((double)s->n + s->lost);
    for (size_t m = 0; m < VALIDATE_METRICS; m++) out->of[m] = NAN;
    for (size_t k = 0; k < 3 && all > 0; k++)
        out->of[VALIDATE_VIOLATION_150 + k] = 100 * (1 - (double)in_time[k] / all * recorded);
    if (!drawn) return;
    out->of[VALIDATE_MEAN] = sum / (double)drawn;
    measure_quantiles(s, drawn, out);
}

static int is_of_requests(size_t m) {
    return m >= VALIDATE_MEAN && m <= VALIDATE_VIOLATION_500;
}

static void keep_errors(bootstrap *b, size_t resample_no, const validate_row *row,
                        const validate_values *sums) {
    validate_values real;
    measure_resample(&b->real, &real);
    for (size_t m = VALIDATE_MEAN; m < VALIDATE_METRICS; m++) {
        double simulated = sums->of[m] / (double)b->n_seeds;
        b->errors[m * RESAMPLES + resample_no] = validate_int_error(
            (validate_metric)m, simulated, is_of_requests(m) ? real.of[m] : row->real.of[m]);
    }
}

static void resample_once(bootstrap *b, size_t resample_no, const validate_row *row) {
    validate_values one, sums = {{0}};
    uint64_t key = draw_mix(BOOTSTRAP_SEED ^ draw_mix(resample_no));
    for (size_t i = 0; i < b->n_blocks; i++) b->place[i] = draw_unit(draw_bits(key, i));
    resample(&b->real, b->place, b->n_blocks);
    for (size_t i = 0; i < b->n_seeds; i++) {
        double u = draw_unit(draw_bits(key, b->n_blocks + i));
        size_t seed = at_most(u * (double)b->n_seeds, b->n_seeds - 1);
        resample(&b->simulated[seed], b->place, b->n_blocks);
        measure_resample(&b->simulated[seed], &one);
        for (size_t m = VALIDATE_MEAN; m < VALIDATE_METRICS; m++)
            sums.of[m] += is_of_requests(m) ? one.of[m] : row->by_seed[seed].of[m];
    }
    keep_errors(b, resample_no, row, &sums);
}

/* Of a metric: unknown if any resample is. */
static void set_interval(validate_error *e, double *errors) {
    e->lo = e->hi = NAN;
    for (size_t i = 0; i < RESAMPLES; i++)
        if (!isfinite(errors[i])) return;
    qsort(errors, RESAMPLES, sizeof *errors, validate_int_by_value);
    e->lo = validate_int_quantile(errors, RESAMPLES, 0.025);
    e->hi = validate_int_quantile(errors, RESAMPLES, 0.975);
}

static int open_bootstrap(bootstrap *b, const validate_row *row, unsigned n_seeds) {
    *b = (bootstrap){.n_blocks = row->run->n_stages, .n_seeds = n_seeds};
    b->place = malloc(b->n_blocks * sizeof *b->place);
    b->simulated = calloc(n_seeds, sizeof *b->simulated);
    b->errors = malloc(VALIDATE_METRICS * RESAMPLES * sizeof *b->errors);
    if (!b->place || !b->simulated || !b->errors || open_sampled(&b->real, &row->run->real)) return -1;
    for (unsigned i = 0; i < n_seeds; i++)
        if (open_sampled(&b->simulated[i], &row->traces[i])) return -1;
    return 0;
}

static void close_bootstrap(bootstrap *b) {
    for (size_t i = 0; b->simulated && i < b->n_seeds; i++) close_sampled(&b->simulated[i]);
    close_sampled(&b->real);
    free(b->simulated);
    free(b->place);
    free(b->errors);
}

int validate_int_errors(validate_row *row, unsigned n_seeds) {
    bootstrap b;
    int rc = open_bootstrap(&b, row, n_seeds);
    for (size_t i = 0; !rc && i < RESAMPLES; i++) resample_once(&b, i, row);
    for (size_t m = 0; m < VALIDATE_METRICS; m++) {
        validate_error *e = &row->error[m];
        *e = (validate_error){NAN, NAN, NAN};
        if (rc || m < VALIDATE_MEAN) continue;
        e->value = validate_int_error((validate_metric)m, row->mean.of[m], row->real.of[m]);
        set_interval(e, b.errors + m * RESAMPLES);
    }
    close_bootstrap(&b);
    return rc;
}
