/* rapp_best_launch.c - f at all quotas from the five that a prior tells.
 *
 * Between told quotas f is a matter of one window more or less: a DNN that needs a little over two windows at 20 % may
 * need one at 30 %, or still two. No formula tells which, but DNNs whose five latencies are alike behave alike. So what
 * the interpolation leaves at 10, 30 .. 90 % is a Gaussian process over the five (the level, and the four steps), learned
 * from rows of one batch and SM share of other DNNs, each measured in one session as the prior is. On rows of RaPP's
 * DNNs left out it is 4.6 % off (mean), the interpolation 7.3, boosted trees 4.8.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rapp_best_int.h"

enum { TOLD = RAPP_PRIOR_QUOTAS };
static const double level_scale = 0.5, step_scale = 0.3;
static const double variance = 0.15 * 0.15, common = 0.05 * 0.05;
static const double noise = 0.08, robust_scale = 0.04, robust_floor = 0.3, unmeasured = 1e6;

/* The told ones, between them linear in ln(quota), and the usual step at 10 %. */
static void interpolate(double f[BEST_QUOTAS], double first, const double told[TOLD]) {
    for (int q = 0; q < BEST_QUOTAS; q++) f[q] = q % 2 ? told[q / 2] : BEST_HIDDEN;
    f[0] = told[0] + first;
    best_fill_line(f, BEST_QUOTAS, 0);
}

static double covariance(const double *a, const double *b) {
    double level = (a[0] - b[0]) / level_scale, square = level * level;
    for (int k = 1; k < TOLD; k++) {
        double step = ((a[k] - a[k - 1]) - (b[k] - b[k - 1])) / step_scale;
        square += step * step;
    }
    return variance * exp(-sqrt(square)) + common;
}

void best_launch_complete(double f[BEST_QUOTAS], const best_launch *l, const double told[TOLD]) {
    interpolate(f, l->first, told);
    for (size_t i = 0; i < l->n; i++) {
        double k = covariance(told, &l->told[i * TOLD]);
        for (int q = 0; q < TOLD; q++) f[2 * q] += k * l->alpha[i * TOLD + (size_t)q];
    }
}

/* ---- learning ---- */

typedef struct { /* of n rows */
    double *cov, *factor, *left, *variance, *alpha;
} room;

/* Two rounds towards least absolute deviation. */
static void solve(const room *r, size_t n, const unsigned char *is_measured) {
    for (size_t i = 0; i < n; i++) r->variance[i] = is_measured[i] ? noise * noise : unmeasured;
    for (int round = 0; round < 2; round++) {
        memcpy(r->factor, r->cov, n * n * sizeof *r->cov);
        for (size_t i = 0; i < n; i++) r->factor[i * n + i] += r->variance[i];
        best_factor(r->factor, n);
        best_solve(r->alpha, r->factor, r->left, n);
        for (size_t i = 0; i < n; i++)
            if (is_measured[i])
                r->variance[i] =
                    noise * noise * fmax(fabs(r->variance[i] * r->alpha[i]) / robust_scale, robust_floor);
    }
}

static void learn_quota(best_launch *l, const double (*rows)[BEST_QUOTAS], int q, const room *r,
                        unsigned char *is_measured) {
    for (size_t i = 0; i < l->n; i++) {
        double f[BEST_QUOTAS];
        interpolate(f, l->first, &l->told[i * TOLD]);
        is_measured[i] = rows[i][2 * q] > BEST_HIDDEN;
        r->left[i] = is_measured[i] ? rows[i][2 * q] - f[2 * q] : 0;
    }
    solve(r, l->n, is_measured);
    for (size_t i = 0; i < l->n; i++) l->alpha[i * TOLD + (size_t)q] = best_round(r->alpha[i]);
}

static void learn_first(best_launch *l, const double (*rows)[BEST_QUOTAS], double *values) {
    const double usual = 1.08; /* three times as long: a token of 4 ms less guard and way, against one of 8 */
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        if (rows[i][0] > BEST_HIDDEN) values[n++] = rows[i][0] - rows[i][1];
    l->first = best_round(n ? best_quantile(values, n, 0.5) : usual);
}

int best_launch_learn(best_launch *l, const double (*rows)[BEST_QUOTAS], size_t n) {
    double *block = malloc((2 * n * n + 3 * n + 1) * sizeof *block);
    unsigned char *is_measured = malloc(n + 1);
    l->told = malloc((n * TOLD + 1) * sizeof *l->told);
    l->alpha = malloc((n * TOLD + 1) * sizeof *l->alpha);
    l->n = n;
    int ok = block && is_measured && l->told && l->alpha;
    if (ok) {
        room r = {block, block + n * n, block + 2 * n * n, block + 2 * n * n + n, block + 2 * n * n + 2 * n};
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < TOLD; k++) l->told[i * TOLD + k] = best_round(rows[i][2 * k + 1]);
        learn_first(l, rows, r.left);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j <= i; j++)
                r.cov[i * n + j] = covariance(&l->told[i * TOLD], &l->told[j * TOLD]);
        for (int q = 0; q < TOLD; q++) learn_quota(l, rows, q, &r, is_measured);
    }
    free(block);
    free(is_measured);
    return ok ? 0 : -1;
}

void best_launch_free(best_launch *l) {
    free(l->told);
    free(l->alpha);
    *l = (best_launch){.n = 0};
}
