#include "stats.h"

#include <gsl/gsl_cdf.h>
#include <math.h>

static double mean_of(const double *values, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += values[i];
    return sum / (double)n;
}

static stats_interval around(double mean, double squares, double scale, size_t n) {
    stats_interval out = {.mean = mean, .lo = NAN, .hi = NAN, .n = n};
    if (n < 2) return out;
    double df = (double)(n - 1);
    double half = gsl_cdf_tdist_Pinv(0.975, df) * sqrt(squares / df / (double)n) * scale;
    out.lo = mean - half;
    out.hi = mean + half;
    return out;
}

stats_interval stats_of_one(stats_interval mean) {
    stats_interval out = mean;
    double half = (mean.hi - mean.lo) / 2 * sqrt((double)mean.n + 1);
    out.lo = mean.mean - half;
    out.hi = mean.mean + half;
    return out;
}

stats_interval stats_of_variance(double mean, double variance, size_t n) {
    return around(mean, fmax(variance, 0) * (double)(n - 1), 1, n);
}

stats_interval stats_mean(const double *values, size_t n) {
    if (n == 0) return (stats_interval){.mean = NAN, .lo = NAN, .hi = NAN};
    double mean = mean_of(values, n), squares = 0;
    for (size_t i = 0; i < n; i++) squares += (values[i] - mean) * (values[i] - mean);
    return around(mean, squares, 1, n);
}

/* The residuals' mean is 0 by construction. */
int stats_ratio(const double *y, const double *x, size_t n, stats_interval *out) {
    *out = (stats_interval){.mean = NAN, .lo = NAN, .hi = NAN, .n = n};
    double below = n ? mean_of(x, n) : 0;
    if (below == 0) return -1;
    double ratio = mean_of(y, n) / below, squares = 0;
    for (size_t i = 0; i < n; i++) {
        double residual = y[i] - ratio * x[i];
        squares += residual * residual;
    }
    *out = around(ratio, squares, 1 / fabs(below), n);
    return 0;
}

static double variance_of_mean(const double *values, size_t n) {
    double mean = mean_of(values, n), squares = 0;
    for (size_t i = 0; i < n; i++) squares += (values[i] - mean) * (values[i] - mean);
    return squares / (double)(n - 1) / (double)n;
}

int stats_ratio_unpaired(const double *y, size_t n_y, const double *x, size_t n_x, stats_interval *out) {
    *out = (stats_interval){.mean = NAN, .lo = NAN, .hi = NAN, .n = n_y < n_x ? n_y : n_x};
    double below = n_x ? mean_of(x, n_x) : 0;
    if (below == 0 || n_y == 0) return -1;
    out->mean = mean_of(y, n_y) / below;
    if (out->n < 2) return 0;
    double a = variance_of_mean(y, n_y), b = out->mean * out->mean * variance_of_mean(x, n_x), half = 0;
    if (a + b > 0) {
        double df = (a + b) * (a + b) / (a * a / (double)(n_y - 1) + b * b / (double)(n_x - 1));
        half = gsl_cdf_tdist_Pinv(0.975, df) * sqrt(a + b) / fabs(below);
    }
    out->lo = out->mean - half;
    out->hi = out->mean + half;
    return 0;
}
