#include "dist.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>

enum { CELLS = 1024 };

dist dist_constant(double mean) {
    return (dist){.kind = DIST_CONSTANT, .mean = mean};
}

dist dist_exponential(double mean) {
    return (dist){.kind = DIST_EXPONENTIAL, .mean = mean};
}

dist dist_hyperexponential(double mean, double cv) {
    double c2 = cv * cv;
    double p = 0.5 * (1 + sqrt((c2 - 1) / (c2 + 1)));
    return (dist){.kind = DIST_HYPEREXPONENTIAL,
                  .mean = mean,
                  .p = p,
                  .mean_a = mean / (2 * p),
                  .mean_b = mean / (2 * (1 - p))};
}

/* The table is a little off the true mean (chords lie above or below the curve): measured here, and scaled
 * away. */
static double table_mean(const dist *d) {
    double sum = 0, z = gsl_cdf_ugaussian_Pinv(1.0 / CELLS);
    for (int i = 1; i + 1 < CELLS; i++) sum += 0.5 * (d->table[i] + d->table[i + 1]) / CELLS;
    return sum + d->mean * (gsl_cdf_ugaussian_P(z - d->sigma) + gsl_cdf_ugaussian_P(z + d->sigma));
}

int dist_lognormal(dist *out, double mean, double cv) {
    *out = dist_constant(mean);
    if (cv <= 0 || mean <= 0) return 0;
    double *table = malloc((CELLS + 1) * sizeof *table);
    if (!table) return -1;
    double s2 = log1p(cv * cv);
    dist d = {
        .kind = DIST_LOGNORMAL, .mean = mean, .mu = log(mean) - 0.5 * s2, .sigma = sqrt(s2), .table = table};
    for (int i = 1; i < CELLS; i++)
        table[i] = exp(d.mu + d.sigma * gsl_cdf_ugaussian_Pinv((double)i / CELLS));
    table[0] = 0; /* the outer cells are not read: dist_sample_slow */
    table[CELLS] = 0;
    double scale = mean / table_mean(&d);
    for (int i = 1; i < CELLS; i++) table[i] *= scale;
    d.mu += log(scale);
    *out = d;
    return 0;
}

void dist_free(dist *d) {
    if (!d) return;
    free(d->table);
    d->table = NULL;
}

double dist_sample_slow(const dist *d, uint64_t bits) {
    double u = draw_open_unit(bits);
    switch (d->kind) {
    case DIST_EXPONENTIAL:
        return d->mean * -draw_log(1.0 - u);
    case DIST_HYPEREXPONENTIAL: {
        /* the branch takes the high part of u, what is left of it is again uniform */
        if (u < d->p) return d->mean_a * -draw_log(1.0 - u / d->p);
        return d->mean_b * -draw_log((1.0 - u) / (1.0 - d->p));
    }
    case DIST_LOGNORMAL:
        return exp(d->mu + d->sigma * gsl_cdf_ugaussian_Pinv(u));
    case DIST_CONSTANT:
        break;
    }
    return d->mean;
}

/* Between the quantiles of the table, as dist_sample does; the outer cells' come to nothing. */
DRAW_WIDE static void interpolate(const double *table, double *out, const uint64_t *bits, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint64_t cell = bits[i] >> 54;
        double part = (double)(int64_t)((bits[i] >> 2) & UINT64_C(0xfffffffffffff)) * 0x1p-52;
        out[i] = table[cell] + part * (table[cell + 1] - table[cell]);
    }
}

static void sample_block(const dist *d, double *out, size_t n, const uint64_t *bits) {
    if (d->kind != DIST_LOGNORMAL) {
        for (size_t i = 0; i < n; i++) out[i] = dist_sample(d, bits[i]);
        return;
    }
    interpolate(d->table, out, bits, n);
    for (size_t i = 0; i < n; i++)
        if ((bits[i] >> 54) - 1 >= CELLS - 2) out[i] = dist_sample_slow(d, bits[i]);
}

void dist_sample_many(const dist *d, double *out, size_t n, uint64_t key, uint64_t first) {
    enum { BLOCK = 64 };
    uint64_t bits[BLOCK];
    for (size_t at = 0; at < n; at += BLOCK) {
        size_t m = n - at < BLOCK ? n - at : BLOCK;
        draw_many_bits(bits, m, key, first + at);
        sample_block(d, out + at, m, bits);
    }
}
