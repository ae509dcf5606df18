/* harness_stats.h - what is said of a set of repeated measurements.
 *
 * Times of a GPU have a long right tail and no known distribution. So: the median, the median absolute deviation
 * (MAD, not scaled to a standard deviation), and an interval of the median from order statistics, which is exact for any
 * continuous distribution: with n samples, x(k) and x(n+1-k) enclose the median with probability
 * 1 - 2 P(Binomial(n, 1/2) < k); k is the largest for which that is at least 95 %. Below six samples there is none, and
 * the interval is the range. Samples of one step follow each other closely and are not fully independent: drift
 * between steps is seen by repeating steps (harness_check.h), not by this interval.
 */
#ifndef HARNESS_STATS_H
#define HARNESS_STATS_H

#include <stddef.h>

#define HARNESS_SAMPLES_MAX 512

typedef struct {
    size_t n;
    double median, mean, mad, lo, hi, min,
        max; /* in the samples' unit; lo and hi: 95 % interval of the median */
} harness_stats;

/* Sorts the samples. n from 0 to HARNESS_SAMPLES_MAX; all zero for none. */
harness_stats harness_stats_of(double *samples, size_t n);

/* k as above; 0 where there is none. */
size_t harness_stats_interval_rank(size_t n);

/* Enough: at least `least` samples, and the interval's half width within `rel` of the median. */
int harness_stats_enough(const harness_stats *s, size_t least, double rel);

#endif
