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

/* x over lattice points step, 2 step .. n step, by ln x; what lies below the first is taken for it. */
static between find(uint32_t x, uint32_t step, int n) {
    int i = (int)(x / step) - 1;
    if (i < 0) return (between){0, 0};
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

/* From first at `at` on, rising towards smaller x as from second to first. */
static double continued(double first, double second, double at, double x) {
    return first + (first - second) * log(at / x) / 0.6931471805599453; /* ln 2: second is at twice `at` */
}

/* One batch's widths. */
static double on_plane(const double *plane, uint32_t sm_pct, uint32_t quota_pct, between s, between q) {
    const double *row = plane + (size_t)s.i * BEST_QUOTAS;
    double v = mix(along_quota(row, q), along_quota(row + BEST_QUOTAS, q), s.share);
    const double *whole = plane + (size_t)(BEST_SMS - 1) * BEST_QUOTAS;
    if (quota_pct < 10) v = fmax(v, continued(whole[0], whole[1], 10, quota_pct));
    if (sm_pct < 5) v = fmax(v, continued(plane[BEST_QUOTAS - 1], plane[2 * BEST_QUOTAS - 1], 5, sm_pct));
    return v;
}

rapp_estimate best_surface_at(const best_surface *surface, uint32_t batch, uint32_t sm_pct,
                              uint32_t quota_pct) {
    double at = log2_of(batch);
    between s = find(sm_pct, 5, BEST_SMS), q = find(quota_pct, 10, BEST_QUOTAS);
    int b = (int)at < BEST_BATCHES - 2 ? (int)at : BEST_BATCHES - 2;
    const double *plane = surface->ln_ms + (size_t)b * BEST_SMS * BEST_QUOTAS;
    double low = on_plane(plane, sm_pct, quota_pct, s, q);
    double high = on_plane(plane + BEST_SMS * BEST_QUOTAS, sm_pct, quota_pct, s, q);
    return (rapp_estimate){exp(mix(low, high, at - b)), along_quota(surface->cv, q)};
}

/* ---- made fit to be kept ---- */

static void make_plane_monotone(double *plane) {
    enum { N = BEST_SMS * BEST_QUOTAS };
    double above[N], below[N];
    for (int i = N - 1; i >= 0; i--) { /* the most of what is asked of more SM and quota */
        above[i] = plane[i];
        if (i % BEST_QUOTAS < BEST_QUOTAS - 1) above[i] = fmax(above[i], above[i + 1]);
        if (i / BEST_QUOTAS < BEST_SMS - 1) above[i] = fmax(above[i], above[i + BEST_QUOTAS]);
    }
    for (int i = 0; i < N; i++) { /* the least of less */
        below[i] = plane[i];
        if (i % BEST_QUOTAS) below[i] = fmin(below[i], below[i - 1]);
        if (i / BEST_QUOTAS) below[i] = fmin(below[i], below[i - BEST_QUOTAS]);
    }
    for (int i = 0; i < N; i++) plane[i] = 0.5 * (above[i] + below[i]);
}

void best_surface_make_monotone(best_surface *s) {
    for (int b = 0; b < BEST_BATCHES; b++) make_plane_monotone(s->ln_ms + b * BEST_SMS * BEST_QUOTAS);
}

void best_surface_round(best_surface *s) {
    for (int p = 0; p < BEST_LATTICE; p++)
        s->ln_ms[p] = best_round(fmin(fmax(s->ln_ms[p], -BEST_LN_MOST), BEST_LN_MOST));
    for (int q = 0; q < BEST_QUOTAS; q++) s->cv[q] = best_round(fmin(s->cv[q], BEST_CV_MOST));
}
