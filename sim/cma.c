#include "cma.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_eigen.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "draw.h"

typedef struct {
    double value;
    double *y; /* [n]: (x - mean) / width */
} point;

struct cma {
    cma_spec spec;
    size_t n, lambda, mu;
    double weights_eff, c_sigma, d_sigma, c_c, c_1, c_mu, chi; /* constants of the tutorial */
    double *weights;                                           /* [mu] */
    double *mean, *step, *path_sigma, *path_c, *z;             /* [n]; z: scratch */
    double width;
    gsl_matrix *c, *b, *scratch; /* covariance = b diag(d^2) b^T */
    gsl_vector *d;
    gsl_eigen_symmv_workspace *eigen;
    point *points; /* [lambda] */
    double *numbers;
    uint64_t draws;
    unsigned generation;
};

size_t cma_generation_size(size_t n) {
    return 2 * (4 + (size_t)(3 * log((double)n)));
}

/* ---- constants ---- */

static void set_weights(cma *s) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < s->mu; i++) {
        s->weights[i] = log(((double)s->lambda + 1) / 2) - log((double)i + 1);
        sum += s->weights[i];
    }
    for (size_t i = 0; i < s->mu; i++) {
        s->weights[i] /= sum;
        squares += s->weights[i] * s->weights[i];
    }
    s->weights_eff = 1 / squares;
}

static void set_constants(cma *s) {
    double n = (double)s->n, m = s->weights_eff;
    s->c_sigma = (m + 2) / (n + m + 5);
    s->d_sigma = 1 + 2 * fmax(0, sqrt((m - 1) / (n + 1)) - 1) + s->c_sigma;
    s->c_c = (4 + m / n) / (n + 4 + 2 * m / n);
    s->c_1 = 2 / ((n + 1.3) * (n + 1.3) + m);
    s->c_mu = fmin(1 - s->c_1, 2 * (m - 2 + 1 / m) / ((n + 2) * (n + 2) + m));
    s->chi = sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n));
}

/* ---- memory ---- */

static int open_arrays(cma *s) {
    size_t n = s->n;
    s->numbers = calloc(n * (5 + s->lambda) + s->mu, sizeof *s->numbers);
    s->points = calloc(s->lambda, sizeof *s->points);
    s->c = gsl_matrix_alloc(n, n);
    s->b = gsl_matrix_alloc(n, n);
    s->scratch = gsl_matrix_alloc(n, n);
    s->d = gsl_vector_alloc(n);
    s->eigen = gsl_eigen_symmv_alloc(n);
    if (!s->numbers || !s->points || !s->c || !s->b || !s->scratch || !s->d || !s->eigen) return -1;
    double **arrays[] = {&s->mean, &s->step, &s->path_sigma, &s->path_c, &s->z};
    double *at = s->numbers;
    for (size_t i = 0; i < 5; i++, at += n) *arrays[i] = at;
    for (size_t i = 0; i < s->lambda; i++, at += n) s->points[i].y = at;
    s->weights = at;
    return 0;
}

static void close_arrays(cma *s) {
    free(s->numbers);
    free(s->points);
    gsl_matrix_free(s->c);
    gsl_matrix_free(s->b);
    gsl_matrix_free(s->scratch);
    gsl_vector_free(s->d);
    gsl_eigen_symmv_free(s->eigen);
}

/* ---- a generation ---- */

double cma_normal(uint64_t bits) {
    return gsl_cdf_ugaussian_Pinv(fmax(draw_unit(bits), 0x1p-53));
}

/* y = b diag(d) z */
static void draw_point(cma *s, point *p) {
    for (size_t i = 0; i < s->n; i++)
        s->z[i] = gsl_vector_get(s->d, i) * cma_normal(draw_bits(s->spec.key, s->draws++));
    for (size_t i = 0; i < s->n; i++) {
        p->y[i] = 0;
        for (size_t k = 0; k < s->n; k++) p->y[i] += gsl_matrix_get(s->b, i, k) * s->z[k];
    }
}

/* The axes of the distribution */
static void decompose(cma *s) {
    gsl_matrix_memcpy(s->scratch, s->c);
    gsl_eigen_symmv(s->scratch, s->d, s->b, s->eigen);
    for (size_t i = 0; i < s->n; i++) gsl_vector_set(s->d, i, sqrt(fmax(gsl_vector_get(s->d, i), 1e-20)));
}

static int by_value(const void *a, const void *b) {
    const point *x = a, *y = b;
    return (x->value > y->value) - (x->value < y->value);
}

/* z = b diag(1 / d) b^T step: the step as if the distribution were round */
static double rounded_step(const cma *s, size_t i) {
    double sum = 0;
    for (size_t k = 0; k < s->n; k++) {
        double along = 0;
        for (size_t m = 0; m < s->n; m++) along += gsl_matrix_get(s->b, m, k) * s->step[m];
        sum += gsl_matrix_get(s->b, i, k) * along / gsl_vector_get(s->d, k);
    }
    return sum;
}

static void move_mean(cma *s) {
    for (size_t i = 0; i < s->n; i++) {
        s->step[i] = 0;
        for (size_t k = 0; k < s->mu; k++) s->step[i] += s->weights[k] * s->points[k].y[i];
        s->mean[i] += s->width * s->step[i];
    }
}

/* Both paths; whether the width is not growing so fast that the shape must wait. */
static int lengthen_paths(cma *s) {
    double length = 0, grown = 1 - pow(1 - s->c_sigma, 2.0 * (s->generation + 1));
    for (size_t i = 0; i < s->n; i++) s->z[i] = rounded_step(s, i);
    for (size_t i = 0; i < s->n; i++) {
        s->path_sigma[i] = (1 - s->c_sigma) * s->path_sigma[i] +
                           sqrt(s->c_sigma * (2 - s->c_sigma) * s->weights_eff) * s->z[i];
        length += s->path_sigma[i] * s->path_sigma[i];
    }
    length = sqrt(length);
    int is_steady = length / sqrt(grown) < (1.4 + 2 / ((double)s->n + 1)) * s->chi;
    for (size_t i = 0; i < s->n; i++)
        s->path_c[i] = (1 - s->c_c) * s->path_c[i] +
                       is_steady * sqrt(s->c_c * (2 - s->c_c) * s->weights_eff) * s->step[i];
    s->width *= exp(s->c_sigma / s->d_sigma * (length / s->chi - 1));
    return is_steady;
}

static void reshape(cma *s, int is_steady) {
    double kept = 1 - s->c_1 - s->c_mu + (is_steady ? 0 : s->c_1 * s->c_c * (2 - s->c_c));
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k <= i; k++) {
            double x = kept * gsl_matrix_get(s->c, i, k) + s->c_1 * s->path_c[i] * s->path_c[k];
            for (size_t m = 0; m < s->mu; m++)
                x += s->c_mu * s->weights[m] * s->points[m].y[i] * s->points[m].y[k];
            gsl_matrix_set(s->c, i, k, x);
            gsl_matrix_set(s->c, k, i, x);
        }
}

static void evaluate(cma *s, point *p, cma_function f, void *arg) {
    draw_point(s, p);
    for (size_t i = 0; i < s->n; i++) s->z[i] = s->mean[i] + s->width * p->y[i];
    p->value = f(arg, s->z, s->generation);
    if (!isfinite(p->value)) p->value = HUGE_VAL;
}

static void advance(cma *s, cma_function f, void *arg) {
    decompose(s);
    for (size_t i = 0; i < s->lambda; i++) evaluate(s, &s->points[i], f, arg);
    qsort(s->points, s->lambda, sizeof *s->points, by_value);
    if (s->points[s->mu - 1].value < HUGE_VAL) {
        move_mean(s);
        reshape(s, lengthen_paths(s));
    }
    s->generation++;
}

/* ---- the search ---- */

cma *cma_open(const cma_spec *spec, const double *x) {
    cma *s = malloc(sizeof *s);
    if (!s) return NULL;
    *s = (cma){.spec = *spec, .n = spec->n, .lambda = cma_generation_size(spec->n), .width = spec->width};
    s->mu = s->lambda / 2;
    if (open_arrays(s)) {
        cma_close(s);
        return NULL;
    }
    set_weights(s);
    set_constants(s);
    memcpy(s->mean, x, s->n * sizeof *x);
    gsl_matrix_set_identity(s->c);
    return s;
}

void cma_close(cma *s) {
    if (s) close_arrays(s);
    free(s);
}

void cma_advance(cma *s, unsigned generations, cma_function f, void *arg) {
    for (unsigned g = 0; g < generations; g++) advance(s, f, arg);
}

unsigned cma_generation(const cma *s) {
    return s->generation;
}

const double *cma_mean(const cma *s) {
    return s->mean;
}
