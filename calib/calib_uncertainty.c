/* calib_uncertainty.c - a sandwich covariance, clustered by (batch, SM), and what the form leaves unexplained. */
#include "calib_uncertainty.h"

#include <gsl/gsl_blas.h>
#include <gsl/gsl_eigen.h>
#include <gsl/gsl_errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calib_int.h"

enum { N_COEF = 4, P_MAX = N_COEF + 100, FEW = 8 };

static const double NOISE = 0.05; /* the fit's scale of the Cauchy weights */
static const double DETERMINED =
    1e-7; /* smaller eigenvalues, of the largest, are directions without points */
static const double SLOPE_LEAST = 0.1;
static const double SDS_FROM_0 = 2;      /* nearer to 0 a coefficient is held */
static const double SD_OF_MEAN = 1.2533; /* sd / mean absolute deviation of a normal */

typedef struct {
    const calib_fit *fit;
    const calib_point *points;
    size_t n, p, cells, clusters;
    int by_point;     /* clusters are points, not cells */
    int held[N_COEF]; /* coefficients taken as known */
    size_t *order;    /* of points, cell by cell */
    gsl_matrix *a, *b, *cov;
    double sum[P_MAX];                     /* of w r J over a cell */
    double weight[2], slope[2];            /* sums of w and of d(w r)/dr, of launch- and GPU-bound points */
    double error, gpu_error, launch_error; /* sums of |r|: of points, of cells, of points */
    size_t n_gpu_cells, n_launch;
} estimate;

/* One point's derivatives, of which only `from` to `to` are not 0. */
typedef struct {
    double j[P_MAX], r, w;
    size_t from, to;
    int is_gpu;
} row;

static size_t quota_index(const calib_fit *f, uint32_t quota_pct) {
    size_t k = 0;
    while (f->quota_pct[k] != quota_pct) k++;
    return k;
}

static void look_at(const estimate *e, const calib_point *p, row *x) {
    const calib_fit *f = e->fit;
    const double unit[N_COEF] = {1, p->batch, 100.0 / p->sm_pct, p->batch * 100.0 / p->sm_pct};
    const double coef[N_COEF] = {f->fixed_ms, f->fixed_ms_per_batch, f->work_ms, f->work_ms_per_batch};
    size_t k = quota_index(f, p->quota_pct);
    double gpu = 0, launch = f->launch_ms[k];
    for (size_t i = 0; i < N_COEF; i++) gpu += coef[i] * unit[i];
    x->is_gpu = gpu > launch;
    x->from = x->is_gpu ? 0 : N_COEF + k;
    x->to = x->is_gpu ? N_COEF : N_COEF + k + 1;
    for (size_t i = 0; i < N_COEF; i++) x->j[i] = e->held[i] ? 0 : unit[i] / gpu;
    if (!x->is_gpu) x->j[N_COEF + k] = 1;
    x->r = log((x->is_gpu ? gpu : launch) / p->ms);
    x->w = 1 / (1 + x->r / NOISE * x->r / NOISE);
}

static void add_to(gsl_matrix *m, size_t i, size_t k, double v) {
    gsl_matrix_set(m, i, k, gsl_matrix_get(m, i, k) + v);
}

static void add_point(estimate *e, const row *x) {
    e->weight[x->is_gpu] += x->w;
    e->slope[x->is_gpu] += x->w * (2 * x->w - 1); /* of Cauchy's w = 1 / (1 + u u) */
    for (size_t i = x->from; i < x->to; i++) {
        e->sum[i] += x->w * x->r * x->j[i];
        for (size_t k = x->from; k < x->to; k++) add_to(e->a, i, k, x->w * x->j[i] * x->j[k]);
    }
    e->error += fabs(x->r);
    if (x->is_gpu) return;
    e->launch_error += fabs(x->r);
    e->n_launch++;
}

static void end_cluster(estimate *e) {
    for (size_t i = 0; i < e->p; i++)
        for (size_t k = 0; k < e->p; k++) add_to(e->b, i, k, e->sum[i] * e->sum[k]);
    memset(e->sum, 0, sizeof e->sum);
    e->clusters++;
}

/* The points order[from..to) are one cell. */
static void add_cell(estimate *e, size_t from, size_t to) {
    double gpu_error = 0;
    size_t n_gpu = 0;
    for (size_t i = from; i < to; i++) {
        row x;
        look_at(e, &e->points[e->order[i]], &x);
        add_point(e, &x);
        if (x.is_gpu) gpu_error += x.r, n_gpu++;
        if (e->by_point || i + 1 == to) end_cluster(e);
    }
    e->cells++;
    if (!n_gpu) return;
    e->gpu_error += fabs(gpu_error / (double)n_gpu);
    e->n_gpu_cells++;
}

static size_t cell_of(const calib_point *p) {
    return (size_t)p->batch * 101 + p->sm_pct;
}

/* By cell, then by place: a counting order without qsort's freedom in ties. */
static void sort_by_cell(estimate *e, size_t *count, size_t n_cells) {
    for (size_t i = 0; i < e->n; i++) count[cell_of(&e->points[i]) + 1]++;
    for (size_t k = 0; k < n_cells; k++) count[k + 1] += count[k];
    for (size_t i = 0; i < e->n; i++) e->order[count[cell_of(&e->points[i])]++] = i;
}

static void add_cells(estimate *e) {
    gsl_matrix_set_zero(e->a);
    gsl_matrix_set_zero(e->b);
    memset(e->sum, 0, sizeof e->sum);
    e->cells = e->clusters = e->n_gpu_cells = e->n_launch = 0;
    e->error = e->gpu_error = e->launch_error = 0;
    for (int i = 0; i < 2; i++) e->weight[i] = e->slope[i] = 0;
    for (size_t from = 0, to; from < e->n; from = to) {
        for (to = from + 1; to < e->n; to++)
            if (cell_of(&e->points[e->order[to]]) != cell_of(&e->points[e->order[from]])) break;
        add_cell(e, from, to);
    }
}

/* A counts how steeply w r rises with r, which is less than w where errors are as large as Cauchy's scale. Point by
 * point that may be negative: the mean over all is taken (Huber 1981, 7.6). */
static void flatten(estimate *e) {
    for (size_t i = 0; i < e->p; i++)
        for (size_t k = 0; k < e->p; k++) {
            int is_gpu = i < N_COEF && k < N_COEF;
            double share = e->weight[is_gpu] > 0 ? e->slope[is_gpu] / e->weight[is_gpu] : 1;
            gsl_matrix_set(e->a, i, k, gsl_matrix_get(e->a, i, k) * fmax(share, SLOPE_LEAST));
        }
}

/* a becomes its pseudo-inverse: scaled to a unit diagonal, inverted where the data determine it. */
static int invert(gsl_matrix *a, size_t p) {
    double scale[P_MAX];
    gsl_vector *values = gsl_vector_alloc(p);
    gsl_matrix *vectors = gsl_matrix_alloc(p, p);
    gsl_eigen_symmv_workspace *w = gsl_eigen_symmv_alloc(p);
    int rc = values && vectors && w ? 0 : -1;
    if (rc) goto done;
    for (size_t i = 0; i < p; i++)
        scale[i] = gsl_matrix_get(a, i, i) > 0 ? 1 / sqrt(gsl_matrix_get(a, i, i)) : 0;
    for (size_t i = 0; i < p; i++)
        for (size_t k = 0; k < p; k++) gsl_matrix_set(a, i, k, gsl_matrix_get(a, i, k) * scale[i] * scale[k]);
    gsl_eigen_symmv(a, values, vectors, w);
    double most = gsl_vector_max(values);
    gsl_matrix_set_zero(a);
    for (size_t v = 0; v < p; v++) {
        double value = gsl_vector_get(values, v);
        gsl_vector_view x = gsl_matrix_column(vectors, v);
        if (value > DETERMINED * most) gsl_blas_dger(1 / value, &x.vector, &x.vector, a);
    }
    for (size_t i = 0; i < p; i++)
        for (size_t k = 0; k < p; k++) gsl_matrix_set(a, i, k, gsl_matrix_get(a, i, k) * scale[i] * scale[k]);
done:
    gsl_eigen_symmv_free(w);
    gsl_matrix_free(vectors);
    gsl_vector_free(values);
    return rc;
}

/* cov = A^-1 B A^-1 * C / (C - p) */
static int covariance(estimate *e) {
    gsl_matrix *half = gsl_matrix_alloc(e->p, e->p);
    flatten(e);
    int rc = half && invert(e->a, e->p) == 0 ? 0 : -1;
    if (!rc) {
        double few = (double)e->clusters / (double)(e->clusters - e->p);
        gsl_blas_dgemm(CblasNoTrans, CblasNoTrans, 1, e->a, e->b, 0, half);
        gsl_blas_dgemm(CblasNoTrans, CblasNoTrans, few, half, e->a, 0, e->cov);
    }
    gsl_matrix_free(half);
    return rc;
}

/* The coefficient that lies the most standard deviations too near to 0; -1: none does */
static int weakest(const estimate *e) {
    const calib_fit *f = e->fit;
    const double coef[N_COEF] = {f->fixed_ms, f->fixed_ms_per_batch, f->work_ms, f->work_ms_per_batch};
    int weak = -1;
    double most = 1;
    for (size_t i = 0; i < N_COEF; i++) {
        double sd = sqrt(fmax(0, gsl_matrix_get(e->cov, i, i)));
        if (e->held[i] || SDS_FROM_0 * sd <= coef[i] * most) continue;
        weak = (int)i;
        most = coef[i] > 0 ? SDS_FROM_0 * sd / coef[i] : INFINITY;
    }
    return weak;
}

static int estimate_all(estimate *e) {
    add_cells(e);
    e->by_point = e->cells <= e->p;
    for (int weak = 0; weak >= 0;) {
        add_cells(e);
        if (covariance(e)) return -1;
        weak = weakest(e);
        if (weak >= 0) e->held[weak] = 1;
    }
    return 1;
}

static double rounded(double v) {
    char text[32];
    snprintf(text, sizeof text, "%.4g", v);
    return fabs(v) < 1e-6 ? 0.0 : strtod(text, NULL);
}

/* Cholesky of the coefficients' part; a direction without variance has a zero column. */
static void factor(const gsl_matrix *cov, double out[CALIB_FACTOR_LEN]) {
    double l[N_COEF][N_COEF] = {{0}};
    for (size_t i = 0; i < N_COEF; i++)
        for (size_t k = 0; k <= i; k++) {
            double v = gsl_matrix_get(cov, i, k);
            for (size_t m = 0; m < k; m++) v -= l[i][m] * l[k][m];
            double least = 1e-9 * gsl_matrix_get(cov, i, i);
            if (i == k)
                l[i][i] = v > least ? sqrt(v) : 0;
            else
                l[i][k] = l[k][k] > 0 ? v / l[k][k] : 0;
        }
    for (size_t i = 0, at = 0; i < N_COEF; i++)
        for (size_t k = 0; k <= i; k++) out[at++] = rounded(l[i][k]);
}

/* A part that few points show fits them too well to tell: all points tell for it. */
static double form_pct(const estimate *e, double error, size_t n) {
    double own = n ? error / (double)n : 0, all = e->error / (double)e->n;
    return rounded(100 * SD_OF_MEAN * (n < FEW && own < all ? all : own));
}

static void finish(const estimate *e, calib_uncertainty *u) {
    u->cells = e->cells;
    factor(e->cov, u->gpu_factor_ms);
    for (int k = 0; k < e->fit->n_quotas; k++) {
        size_t at = N_COEF + (size_t)k;
        u->launch_sd_pct[k] = rounded(100 * sqrt(fmax(0, gsl_matrix_get(e->cov, at, at))));
    }
    u->gpu_residual_pct = form_pct(e, e->gpu_error, e->n_gpu_cells);
    u->launch_residual_pct = form_pct(e, e->launch_error, e->n_launch);
}

int calib_uncertainty_estimate(calib_uncertainty *u, const calib_fit *fit, const calib_point *points,
                               size_t n) {
    const size_t n_cells = ((size_t)CALIB_BATCH_MAX + 1) * 101;
    estimate e = {.fit = fit, .points = points, .n = n, .p = N_COEF + (size_t)fit->n_quotas};
    gsl_error_handler_t *handler = gsl_set_error_handler_off(); /* its default aborts */
    size_t *count = calloc(n_cells + 2, sizeof *count);
    int rc = -1;
    *u = (calib_uncertainty){.cells = 0};
    e.order = malloc((n + 1) * sizeof *e.order);
    e.a = gsl_matrix_calloc(e.p, e.p);
    e.b = gsl_matrix_calloc(e.p, e.p);
    e.cov = gsl_matrix_calloc(e.p, e.p);
    if (!count || !e.order || !e.a || !e.b || !e.cov) goto done;
    sort_by_cell(&e, count, n_cells);
    rc = n > e.p ? estimate_all(&e) : 0;
    if (rc > 0) finish(&e, u);
done:
    gsl_matrix_free(e.cov);
    gsl_matrix_free(e.b);
    gsl_matrix_free(e.a);
    free(e.order);
    free(count);
    gsl_set_error_handler(handler);
    return rc;
}
