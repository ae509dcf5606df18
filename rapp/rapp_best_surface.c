/* rapp_best_surface.c - between the points of the lattice, and beyond its edges. */
#include <math.h>

#include "rapp_best_int.h"

static double log2_of(uint32_t batch) {
    return log2(batch);
}

static int nearest(double at, int n) {
    int i = (int)floor(at + 0.5);
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

int best_place(uint32_t batch, uint32_t sm_pct, uint32_t quota_pct) {
    int b = nearest(log2_of(batch), BEST_BATCHES), s = nearest(sm_pct / 5.0 - 1, BEST_SMS);
    int q = nearest(quota_pct / 10.0 - 1, BEST_QUOTAS);
    return best_width_of(b, s) * BEST_QUOTAS + q;
}

typedef struct { /* a value between lattice points i and i + 1 */
    int i;
    double share;
} between;

/* x over lattice points step, 2 step .. n step, by ln x; below the first point share is negative. */
static between find(uint32_t x, uint32_t step, int n) {
    int i = (int)(x / step) - 1;
    if (i < 0) i = 0;
    if (i > n - 2) i = n - 2;
    double low = (i + 1) * (double)step;
    if (x == step * (uint32_t)(i + 1)) return (between){i, 0};
    return (between){i, log(x / low) / log((low + step) / low)};
}

static double mix(double a, double b, double share) {
    return a + share * (b - a);
}

static double along_quota(const double *row, between q) {
    return mix(row[q.i], row[q.i + 1], q.share);
}

static double over_width(const double *width, between s, between q) {
    const double *row = width + (size_t)s.i * BEST_QUOTAS;
    return mix(along_quota(row, q), along_quota(row + BEST_QUOTAS, q), s.share);
}

rapp_estimate best_surface_at(const best_surface *surface, uint32_t batch, uint32_t sm_pct,
                              uint32_t quota_pct) {
    double at = log2_of(batch);
    between s = find(sm_pct, 5, BEST_SMS), q = find(quota_pct, 10, BEST_QUOTAS);
    int b = (int)at < BEST_BATCHES - 2 ? (int)at : BEST_BATCHES - 2;
    const double *plane = surface->ln_ms + (size_t)b * BEST_SMS * BEST_QUOTAS;
    double low = over_width(plane, s, q), high = over_width(plane + BEST_SMS * BEST_QUOTAS, s, q);
    return (rapp_estimate){exp(mix(low, high, at - b)), along_quota(surface->cv, q)};
}
