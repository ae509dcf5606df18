/* trace_stats.h - what a trace's counts per minute tell about its load.
 *
 * Undefined values (nothing arrived) are NaN. CV = standard deviation / mean, dispersion = variance / mean (1
 * for Poisson), both over the minutes, with n as divisor.
 */
#ifndef TRACE_STATS_H
#define TRACE_STATS_H

#include "trace.h"

typedef struct {
    uint64_t sum, peak;
    double mean, cv, dispersion, peak_to_mean;
} trace_minute_stats;

trace_minute_stats trace_stats_of(const uint64_t *counts, size_t n_minutes);
/* Minutes that the file spans, at least 1; the last may be cut. */
size_t trace_stats_minutes(const trace_file *file);

#endif
