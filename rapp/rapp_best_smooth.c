/* rapp_best_smooth.c - a Gaussian process over what max(G, f) leaves of one DNN's points.
 *
 * What is left is not noise alone. A DNN was profiled in sessions (runs of one SM share or batch), and f differs between
 * them; near the crossover G ~ f launching and computing overlap imperfectly. So the covariance of two places is a sum
 * of exponentials, in steps of the lattice: one term for places of the same side (u = ln G - ln f, clipped), one each
 * for two of batch, SM and quota being near, and one for all three. The scales are round numbers: halving or doubling
 * any of them changes the error on held-out points by about 3 % of itself.
 *
 * Noise has tails, so points far from the process count less (iteratively reweighted, towards least absolute
 * deviation).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rapp_best_int.h"

enum { REWEIGHTINGS = 3 };
static const double term_variance = 0.05 * 0.05, noise = 0.04;
static const double steps_batch = 4, steps_sm = 10, steps_quota = 1;
static const double side_clip = 1, side_scale = 0.8; /* of u; the last term has half the scale */
static const double robust_scale = 0.03, robust_floor = 0.3;

typedef struct {
    double batch[BEST_BATCHES], sm[BEST_SMS], quota[BEST_QUOTAS]; /* exp(-steps / scale) */
    double side[BEST_LATTICE];                                    /* clipped u over its scale */
} kernel;

static void fill_decay(double *out, int n, double scale) {
    for (int i = 0; i < n; i++) out[i] = exp(-i / scale);
}

static void kernel_make(kernel *k, const best_law *law) {
    fill_decay(k->batch, BEST_BATCHES, steps_batch);
    fill_decay(k->sm, BEST_SMS, steps_sm);
    fill_decay(k->quota, BEST_QUOTAS, steps_quota);
    for (int p = 0; p < BEST_LATTICE; p++) {
        double u = law->gpu[p / BEST_QUOTAS] - law->launch[p % BEST_QUOTAS];
        k->side[p] = fmin(fmax(u, -side_clip), side_clip) / side_scale;
    }
}

static double covariance(const kernel *k, int p, int r) {
    int wp = p / BEST_QUOTAS, wr = r / BEST_QUOTAS;
    double b = k->batch[abs(wp / BEST_SMS - wr / BEST_SMS)], s = k->sm[abs(wp % BEST_SMS - wr % BEST_SMS)];
    double q = k->quota[abs(p % BEST_QUOTAS - r % BEST_QUOTAS)];
    double side = exp(-fabs(k->side[p] - k->side[r]));
    return term_variance * side * (1 + b * s + b * q + s * q + side * b * s * q);
}

typedef struct { /* of n samples */
    double *cov, *l, *left, *weight, *alpha;
} room;

/* alpha = (K + noise^2 / weight)^-1 left, with weights that follow the residuals: noise^2 / weight * alpha. */
static void reweight(const room *r, size_t n) {
    for (size_t i = 0; i < n; i++) r->weight[i] = 1;
    for (int round = 0; round < REWEIGHTINGS; round++) {
        memcpy(r->l, r->cov, n * n * sizeof *r->l);
        for (size_t i = 0; i < n; i++) r->l[i * n + i] += noise * noise / r->weight[i];
        best_factor(r->l, n);
        best_solve(r->alpha, r->l, r->left, n);
        for (size_t i = 0; i < n; i++) {
            double residual = noise * noise / r->weight[i] * r->alpha[i];
            r->weight[i] = 1 / fmax(fabs(residual) / robust_scale, robust_floor);
        }
    }
}

int best_smooth(double ln_ms[BEST_LATTICE], const best_law *law, const best_sample *samples, size_t n) {
    double *block = malloc((2 * n * n + 3 * n) * sizeof *block);
    kernel *k = malloc(sizeof *k);
    if (block && k) {
        room r = {block, block + n * n, block + 2 * n * n, block + 2 * n * n + n, block + 2 * n * n + 2 * n};
        kernel_make(k, law);
        for (size_t i = 0; i < n; i++) {
            r.left[i] = samples[i].ln_ms - best_law_at(law, samples[i].place);
            for (size_t j = 0; j <= i; j++)
                r.cov[i * n + j] = covariance(k, samples[i].place, samples[j].place);
        }
        reweight(&r, n);
        for (int p = 0; p < BEST_LATTICE; p++) {
            ln_ms[p] = best_law_at(law, p);
            for (size_t i = 0; i < n; i++) ln_ms[p] += r.alpha[i] * covariance(k, p, samples[i].place);
        }
    }
    int rc = block && k ? 0 : -1;
    free(block);
    free(k);
    return rc;
}
