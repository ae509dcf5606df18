/* harness_stats.c - order statistics of small samples. */
#include "harness_stats.h"

#include <math.h>
#include <stdlib.h>

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double middle(const double *sorted, size_t n) {
    return n % 2 ? sorted[n / 2] : 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]);
}

/* The binomial's terms start at 2^-n, which a double holds for n <= HARNESS_SAMPLES_MAX. */
size_t harness_stats_interval_rank(size_t n) {
    double term = ldexp(1.0, -(int)n), below = term;
    size_t k = 0;
    while (below <= 0.025 && k < n / 2) {
        k++;
        term *= (double)(n - k + 1) / (double)k;
        below += term;
    }
    return k;
}

/* The deviations of a sorted sample on both sides of the median are sorted already; merging would save nothing here. */
static double deviation(const double *sorted, size_t n, double median) {
    double d[HARNESS_SAMPLES_MAX];
    for (size_t i = 0; i < n; i++) d[i] = fabs(sorted[i] - median);
    qsort(d, n, sizeof *d, by_value);
    return middle(d, n);
}

harness_stats harness_stats_of(double *samples, size_t n) {
    if (n > HARNESS_SAMPLES_MAX) n = HARNESS_SAMPLES_MAX;
    harness_stats s = {.n = n};
    if (!n) return s;
    qsort(samples, n, sizeof *samples, by_value);
    s.median = middle(samples, n);
    for (size_t i = 0; i < n; i++) s.mean += samples[i] / (double)n;
    s.mad = deviation(samples, n, s.median);
    s.min = samples[0];
    s.max = samples[n - 1];
    size_t k = harness_stats_interval_rank(n);
    s.lo = samples[k ? k - 1 : 0];
    s.hi = samples[k ? n - k : n - 1];
    return s;
}

int harness_stats_enough(const harness_stats *s, size_t least, double rel) {
    return s->n >= least && harness_stats_interval_rank(s->n) && s->hi - s->lo <= 2 * rel * fabs(s->median);
}
