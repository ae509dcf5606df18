/* rapp_best_separate.c - max(G, f) without a formula for either: G is free at each (batch, SM), f at each quota. */
#include <math.h>
#include <stdlib.h>

#include "rapp_best_int.h"

enum { ROUNDS = 6, MOST = BEST_WIDTHS };
static const double hidden = BEST_HIDDEN;
static const double unknown = 1e9;    /* no sample bounds it */
static const double shows = 0.05;     /* above f; less is noise of f, and G may be anything below */
static const double headroom = 0.02;  /* noise allowed above a bound */
static const double first_low = 0.15; /* f begins at this quantile of a quota's samples */

double best_law_at(const best_law *law, int place) {
    return fmax(law->gpu[place / BEST_QUOTAS], law->launch[place % BEST_QUOTAS]);
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of the values y, which one is the best x in y[i] ~ max(x, other[i])? The lowest among equals. y is sorted no more
 * than the caller sorted it: ties go to the smaller value. */
static double best_value(const double *y, const double *other, size_t n) {
    double best = hidden, least = INFINITY;
    for (size_t c = 0; c < n; c++) {
        double cost = 0;
        for (size_t i = 0; i < n; i++) cost += fabs(y[i] - fmax(y[c], other[i]));
        if (cost < least || (cost <= least && y[c] < best)) least = cost, best = y[c];
    }
    return best;
}

/* G(batch, SM) is at most what any larger batch on any smaller share took. */
static void bound_gpu(double most[BEST_WIDTHS], const best_sample *samples, size_t n) {
    for (int w = 0; w < BEST_WIDTHS; w++) most[w] = unknown;
    for (size_t i = 0; i < n; i++) {
        int w = samples[i].place / BEST_QUOTAS;
        most[w] = fmin(most[w], samples[i].ln_ms);
    }
    for (int b = BEST_BATCHES - 1; b >= 0; b--)
        for (int s = 0; s < BEST_SMS; s++) {
            double *m = &most[best_width_of(b, s)];
            if (s > 0) *m = fmin(*m, most[best_width_of(b, s - 1)]);
            if (b < BEST_BATCHES - 1) *m = fmin(*m, most[best_width_of(b + 1, s)]);
        }
}

static void begin_launch(best_law *law, const best_sample *samples, size_t n) {
    for (int q = 0; q < BEST_QUOTAS; q++) {
        double y[MOST];
        size_t k = 0;
        for (size_t i = 0; i < n; i++)
            if (samples[i].place % BEST_QUOTAS == q) y[k++] = samples[i].ln_ms;
        qsort(y, k, sizeof *y, compare);
        law->launch[q] = k ? y[(size_t)(first_low * (double)(k - 1))] : hidden;
    }
}

static void fit_gpu(best_law *law, const double most[BEST_WIDTHS], const best_sample *samples, size_t n) {
    for (int w = 0; w < BEST_WIDTHS; w++) {
        double y[BEST_QUOTAS], other[BEST_QUOTAS];
        size_t k = 0;
        double above = hidden;
        for (size_t i = 0; i < n; i++)
            if (samples[i].place / BEST_QUOTAS == w) {
                y[k] = samples[i].ln_ms;
                other[k] = law->launch[samples[i].place % BEST_QUOTAS];
                above = fmax(above, y[k] - other[k]);
                k++;
            }
        law->gpu[w] = above > shows ? fmin(best_value(y, other, k), most[w] + headroom) : hidden;
    }
}

static void fit_launch(best_law *law, const best_sample *samples, size_t n) {
    for (int q = 0; q < BEST_QUOTAS; q++) {
        double y[MOST], other[MOST];
        size_t k = 0;
        for (size_t i = 0; i < n; i++)
            if (samples[i].place % BEST_QUOTAS == q) {
                y[k] = samples[i].ln_ms;
                other[k++] = law->gpu[samples[i].place / BEST_QUOTAS];
            }
        if (k) law->launch[q] = best_value(y, other, k);
    }
}

/* A batch that nobody measured: G is linear in the batch beyond the largest two, and halves nearly below the smallest
 * (a V100's G(4) / G(8) is 0.54 +- 0.02 over 50 DNNs of RaPP's data). */
static void fill_batches(best_law *law) {
    const double halving = -0.62;
    for (int s = 0; s < BEST_SMS; s++) {
        double *g = &law->gpu[s];
        for (int b = 1; b < BEST_BATCHES; b++) {
            if (g[b * BEST_SMS] > hidden || g[(b - 1) * BEST_SMS] <= hidden) continue;
            double last = exp(g[(b - 1) * BEST_SMS]);
            double before =
                b >= 2 && g[(b - 2) * BEST_SMS] > hidden ? exp(g[(b - 2) * BEST_SMS]) : 0.54 * last;
            g[b * BEST_SMS] = log(fmax(last + 2 * (last - before), last));
        }
        for (int b = BEST_BATCHES - 2; b >= 0; b--)
            if (g[b * BEST_SMS] <= hidden && g[(b + 1) * BEST_SMS] > hidden)
                g[b * BEST_SMS] = g[(b + 1) * BEST_SMS] + halving;
    }
}

void best_separate(best_law *law, const best_sample *samples, size_t n) {
    double most[BEST_WIDTHS];
    bound_gpu(most, samples, n);
    begin_launch(law, samples, n);
    for (int i = 0; i < ROUNDS; i++) {
        fit_gpu(law, most, samples, n);
        fit_launch(law, samples, n);
    }
    for (int b = 0; b < BEST_BATCHES; b++) best_fill_line(&law->gpu[best_width_of(b, 0)], BEST_SMS, -1);
    fill_batches(law);
    best_fill_line(law->launch, BEST_QUOTAS, -1);
    for (int w = 0; w < BEST_WIDTHS; w++) law->gpu[w] = fmin(law->gpu[w], most[w] + headroom);
}
