/* calib_fit.c - the fit of one model: G and f in turns (calib_fit.h). */
#include "calib_fit.h"

#include <gsl/gsl_blas.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_multifit_nlinear.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "calib_int.h"

enum {
    N_COEF = 4,
    ROUNDS = 6,       /* turns between G and f */
    REWEIGHTS = 8,    /* robust weights within a turn */
    ITERATIONS = 60,  /* Levenberg-Marquardt steps */
    LEVELS_MAX = 8192 /* candidates for f */
};

static const double NOISE = 0.05;       /* scale of the Cauchy weights: the data's spread about the model */
static const double ERROR_CAP = 0.5;    /* beyond this |log| a point is an outlier whatever its value */
static const double LEVEL_STEP = 0.002; /* of log f */
static const double RIDGE = 0.003;      /* keeps coefficients finite that no point determines */

typedef struct {
    const calib_point *points;
    size_t n;
    double *log_ms;       /* of the points */
    double *weights;      /* n + N_COEF, the last for the ridge */
    double *errors;       /* n */
    double *costs;        /* n_quotas * levels */
    double start[N_COEF]; /* log coefficients */
    double coef[N_COEF];
    int levels;
    double level0; /* log f of level 0 */
    calib_fit *fit;
} work;

static int quota_index(const calib_fit *f, uint32_t quota_pct) {
    int k = 0;
    while (f->quota_pct[k] != quota_pct) k++;
    return k;
}

static void terms(const double *log_coef, const calib_point *p, double t[N_COEF]) {
    t[0] = exp(log_coef[0]);
    t[1] = exp(log_coef[1]) * p->batch;
    t[2] = exp(log_coef[2]) * 100.0 / p->sm_pct;
    t[3] = exp(log_coef[3]) * p->batch * 100.0 / p->sm_pct;
}

static int residuals(const gsl_vector *x, void *params, gsl_vector *r) {
    const work *w = params;
    for (size_t i = 0; i < w->n; i++) {
        double t[N_COEF], launch = w->fit->launch_ms[quota_index(w->fit, w->points[i].quota_pct)];
        terms(x->data, &w->points[i], t);
        double gpu = t[0] + t[1] + t[2] + t[3];
        gsl_vector_set(r, i, log(gpu > launch ? gpu : launch) - w->log_ms[i]);
    }
    for (size_t k = 0; k < N_COEF; k++)
        gsl_vector_set(r, w->n + k, RIDGE * (gsl_vector_get(x, k) - w->start[k]));
    return GSL_SUCCESS;
}

/* d log G / d log coefficient = the term's share of G; 0 where the launch hides it */
static int jacobian(const gsl_vector *x, void *params, gsl_matrix *jac) {
    const work *w = params;
    gsl_matrix_set_zero(jac);
    for (size_t i = 0; i < w->n; i++) {
        double t[N_COEF], launch = w->fit->launch_ms[quota_index(w->fit, w->points[i].quota_pct)];
        terms(x->data, &w->points[i], t);
        double gpu = t[0] + t[1] + t[2] + t[3];
        for (size_t k = 0; gpu > launch && k < N_COEF; k++) gsl_matrix_set(jac, i, k, t[k] / gpu);
    }
    for (size_t k = 0; k < N_COEF; k++) gsl_matrix_set(jac, w->n + k, k, RIDGE);
    return GSL_SUCCESS;
}

static void reweigh(work *w, const gsl_vector *r) {
    for (size_t i = 0; i < w->n; i++) {
        double z = gsl_vector_get(r, i) / NOISE;
        w->weights[i] = 1.0 / (1.0 + z * z);
    }
}

/* One turn of G under the present f. Not converging within the bounded steps is no error: the fit error
 * tells. */
static int fit_gpu(work *w) {
    gsl_multifit_nlinear_parameters par = gsl_multifit_nlinear_default_parameters();
    gsl_multifit_nlinear_fdf fdf = {
        .f = residuals, .df = jacobian, .n = w->n + N_COEF, .p = N_COEF, .params = w};
    gsl_multifit_nlinear_workspace *s =
        gsl_multifit_nlinear_alloc(gsl_multifit_nlinear_trust, &par, fdf.n, fdf.p);
    if (!s) return -1;
    gsl_vector_view x = gsl_vector_view_array(w->coef, N_COEF);
    gsl_vector_view weights = gsl_vector_view_array(w->weights, fdf.n);
    gsl_vector *r = gsl_vector_alloc(fdf.n);
    int rc = r ? 0 : -1;
    for (int k = 0; r && k < REWEIGHTS; k++) {
        int info;
        residuals(&x.vector, w, r);
        reweigh(w, r);
        gsl_multifit_nlinear_winit(&x.vector, &weights.vector, &fdf, s);
        gsl_multifit_nlinear_driver(ITERATIONS, 1e-10, 1e-10, 0.0, NULL, NULL, &info, s);
        memcpy(w->coef, gsl_multifit_nlinear_position(s)->data, sizeof w->coef);
    }
    gsl_vector_free(r);
    gsl_multifit_nlinear_free(s);
    return rc;
}

/* costs[k][level] = sum over the points of quota k of the capped error, were f(quota k) at that level */
static void level_costs(work *w) {
    memset(w->costs, 0, (size_t)w->fit->n_quotas * (size_t)w->levels * sizeof *w->costs);
    for (size_t i = 0; i < w->n; i++) {
        double t[N_COEF];
        terms(w->coef, &w->points[i], t);
        double log_gpu = log(t[0] + t[1] + t[2] + t[3]);
        double *cost = w->costs + (size_t)quota_index(w->fit, w->points[i].quota_pct) * (size_t)w->levels;
        for (int l = 0; l < w->levels; l++) {
            double log_launch = w->level0 + LEVEL_STEP * l;
            double e = fabs((log_gpu > log_launch ? log_gpu : log_launch) - w->log_ms[i]);
            cost[l] += e < ERROR_CAP ? e : ERROR_CAP;
        }
    }
}

static int best_level(const double *cost, int upto) {
    int best = 0;
    for (int l = 1; l <= upto; l++)
        if (cost[l] <= cost[best]) best = l; /* ties: the largest f that the data allow */
    return best;
}

/* One turn of f under the present G: the non-increasing sequence of levels with the least total cost. From
 * the highest quota down, cost[k][l] becomes the least cost of quotas k.. with f(k) at level l. */
static void fit_launch(work *w) {
    calib_fit *f = w->fit;
    level_costs(w);
    for (int k = f->n_quotas - 2; k >= 0; k--) {
        double *cost = w->costs + (size_t)k * (size_t)w->levels, least = INFINITY;
        for (int l = 0; l < w->levels; l++) {
            double next = cost[w->levels + l];
            if (next < least) least = next;
            cost[l] += least;
        }
    }
    int level = w->levels - 1;
    for (int k = 0; k < f->n_quotas; k++) {
        level = best_level(w->costs + (size_t)k * (size_t)w->levels, level);
        f->launch_ms[k] = exp(w->level0 + LEVEL_STEP * level);
    }
}

static int compare_double(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int compare_quota(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int list_quotas(calib_fit *f, const calib_point *points, size_t n, char err[CALIB_ERR_LEN]) {
    f->n_quotas = 0;
    for (size_t i = 0; i < n; i++) {
        int k = 0;
        while (k < f->n_quotas && f->quota_pct[k] != points[i].quota_pct) k++;
        if (k == f->n_quotas) f->quota_pct[f->n_quotas++] = points[i].quota_pct;
    }
    qsort(f->quota_pct, (size_t)f->n_quotas, sizeof *f->quota_pct, compare_quota);
    if (f->n_quotas && f->quota_pct[f->n_quotas - 1] == 100) return 0;
    snprintf(err, CALIB_ERR_LEN, "no point at quota 100 %%, expected at least one");
    return -1;
}

/* The lower quartile of each quota's latencies is launch-bound if anything is. */
static void start_launch(work *w) {
    calib_fit *f = w->fit;
    for (int k = 0; k < f->n_quotas; k++) {
        size_t n = 0;
        for (size_t i = 0; i < w->n; i++)
            if (w->points[i].quota_pct == f->quota_pct[k]) w->errors[n++] = w->points[i].ms;
        qsort(w->errors, n, sizeof *w->errors, compare_double);
        f->launch_ms[k] = w->errors[n / 4];
        if (k && f->launch_ms[k] > f->launch_ms[k - 1]) f->launch_ms[k] = f->launch_ms[k - 1];
    }
}

/* The point with the most work per SM is GPU-bound if any is: take it as work proportional to the batch, and
 * give the other terms a part of it. */
static void start_gpu(work *w) {
    size_t most = 0;
    for (size_t i = 1; i < w->n; i++) {
        const calib_point *p = &w->points[i], *q = &w->points[most];
        uint32_t a = p->batch * q->sm_pct, b = q->batch * p->sm_pct;
        if (a > b || (a == b && p->quota_pct > q->quota_pct)) most = i;
    }
    const calib_point *p = &w->points[most];
    double per_batch = p->ms / p->batch * p->sm_pct / 100.0;
    const double part[N_COEF] = {0.5, 0.1, 0.3, 0.9};
    for (int k = 0; k < N_COEF; k++) w->start[k] = w->coef[k] = log(part[k] * per_batch);
}

static int start(work *w) {
    double low = INFINITY, high = 0;
    for (size_t i = 0; i < w->n; i++) {
        low = fmin(low, w->points[i].ms);
        high = fmax(high, w->points[i].ms);
        w->log_ms[i] = log(w->points[i].ms);
    }
    for (size_t k = 0; k < N_COEF; k++) w->weights[w->n + k] = 1.0;
    w->level0 = log(low);
    w->levels = 1 + (int)fmin(LEVELS_MAX - 1, (log(high) - w->level0) / LEVEL_STEP);
    w->costs = calloc((size_t)w->fit->n_quotas * (size_t)w->levels, sizeof *w->costs);
    if (!w->costs) return -1;
    start_launch(w);
    start_gpu(w);
    return 0;
}

/* What goes into the file: four digits; coefficients below 0.1 us are none. */
static double rounded(double ms) {
    char text[32];
    snprintf(text, sizeof text, "%.4g", ms);
    return ms < 1e-4 ? 0.0 : strtod(text, NULL);
}

static void finish(work *w) {
    calib_fit *f = w->fit;
    calib_gpu_params g = {rounded(exp(w->coef[0])), rounded(exp(w->coef[1])), rounded(exp(w->coef[2])),
                          rounded(exp(w->coef[3]))};
    f->fixed_ms = g.fixed_ms, f->fixed_ms_per_batch = g.fixed_ms_per_batch;
    f->work_ms = g.work_ms, f->work_ms_per_batch = g.work_ms_per_batch;
    for (int k = 0; k < f->n_quotas; k++) f->launch_ms[k] = rounded(f->launch_ms[k]);
    double sum = 0;
    for (size_t i = 0; i < w->n; i++) {
        const calib_point *p = &w->points[i];
        double launch = f->launch_ms[quota_index(f, p->quota_pct)];
        double ms = fmax(calib_gpu_params_ms(&g, f->launch_ms[f->n_quotas - 1], p->batch, p->sm_pct), launch);
        w->errors[i] = 100.0 * fabs(ms / p->ms - 1.0);
        sum += w->errors[i];
    }
    qsort(w->errors, w->n, sizeof *w->errors, compare_double);
    f->mape_pct = rounded(sum / (double)w->n);
    f->median_pct = rounded(w->errors[w->n / 2]);
    f->p90_pct = rounded(w->errors[w->n * 9 / 10]);
    f->points = w->n;
}

int calib_fit_points(calib_fit *out, const calib_point *points, size_t n, char err[CALIB_ERR_LEN]) {
    if (list_quotas(out, points, n, err)) return -1;
    work w = {.points = points, .n = n, .fit = out};
    int rc = -1;
    gsl_error_handler_t *handler = gsl_set_error_handler_off(); /* its default aborts */
    w.log_ms = malloc(n * sizeof *w.log_ms);
    w.errors = malloc(n * sizeof *w.errors);
    w.weights = malloc((n + N_COEF) * sizeof *w.weights);
    if (!w.log_ms || !w.errors || !w.weights || start(&w)) goto done;
    rc = 0;
    for (int k = 0; k < ROUNDS && !rc; k++) {
        rc = fit_gpu(&w);
        fit_launch(&w);
    }
    if (!rc) finish(&w);
done:
    if (rc) snprintf(err, CALIB_ERR_LEN, "out of memory");
    gsl_set_error_handler(handler);
    free(w.costs);
    free(w.weights);
    free(w.errors);
    free(w.log_ms);
    return rc;
}
