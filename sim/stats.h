/* stats.h - means and ratios over the seeds of an experiment, with 95 % confidence intervals.
 *
 * The seeds of one policy are independent replications: the interval of their mean is Student's, with n - 1
 * degrees of freedom. Two policies meet the same arrivals under the same seed, so that their ratio is a ratio
 * of means of pairs: R = mean(y) / mean(x), with the delta method on the residuals d = y - R x:
 *
 *     R +- t(n - 1) * sd(d) / (sqrt(n) * |mean(x)|)
 *
 * (Cochran, Sampling Techniques, section 2.11, without the finite population.) Common random numbers make the
 * residuals small where policies suffer together, and the interval with them.
 *
 * Closed-loop clients send when they are answered, so that policies share no arrivals: their runs are two independent
 * samples, the ratio's variance is (var(y) / n_y + R^2 var(x) / n_x) / mean(x)^2, and its degrees of freedom are Welch's.
 *
 * Fewer than two values give no interval: lo and hi are NaN. Values are finite; units are the caller's.
 */
#ifndef STATS_H
#define STATS_H

#include <stddef.h>

typedef struct {
    double mean, lo, hi;
    size_t n;
} stats_interval;

/* From the interval of a mean that of one more value, with 95 % probability (of a ratio: of one more pair's): the
 * spread itself counts, not how well its middle is known. half' = half * sqrt(n + 1). (Hahn and Meeker, Statistical
 * Intervals, section 4.7.) */
stats_interval stats_of_one(stats_interval mean);

/* Of a mean of n values, whose variance (of n - 1) is known. One below 0, of rounding, counts as 0. */
stats_interval stats_of_variance(double mean, double variance, size_t n);
stats_interval stats_mean(const double *values, size_t n); /* n 0: all NaN */
int stats_ratio(const double *y, const double *x, size_t n,
                stats_interval *out); /* -1: mean(x) is 0, or n is */
/* Of independent samples; out->n is the lesser number. -1 likewise. */
int stats_ratio_unpaired(const double *y, size_t n_y, const double *x, size_t n_x, stats_interval *out);

#endif
