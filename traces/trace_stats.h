/* trace_stats.h - what a trace tells about its load: counts per minute, and gaps between arrivals.
 *
 * The mean per minute is over the span, to the nanosecond. A last minute that is cut short is none: CV (standard
 * deviation / mean) and dispersion (variance / mean; 1 for Poisson), with n as divisor, are of the whole minutes alone;
 * without one, peak / mean is none either.
 * Undefined values (nothing arrived in them) are NaN.
 *
 * Gaps of recorded arrivals are what they are. Counts do not say where in their minute (or second) the arrivals lay:
 * their gaps' first two moments are the expected ones of arrivals that are uniform within (TRACE_UNIFORM), in
 * closed form. n uniform arrivals cut a bin of length 1 into n + 1 pieces of mean 1 / (n + 1) and mean square
 * 2 / ((n + 1) (n + 2)); a gap between bins is the last piece of one, the empty bins, the first piece of the other.
 */
#ifndef TRACE_STATS_H
#define TRACE_STATS_H

#include "trace.h"

typedef struct {
    uint64_t sum, peak;
    double mean, cv, dispersion, peak_to_mean;
} trace_minute_stats;

typedef struct {
    uint64_t n; /* gaps: one less than arrivals */
    double mean_s, cv;
} trace_gap_stats;

/* counts: of each minute of the span; the last may be cut. */
trace_minute_stats trace_stats_of(const uint64_t *counts, size_t n_minutes, double span_s);
/* Minutes that the file spans, at least 1; the last may be cut. */
size_t trace_stats_minutes(const trace_file *file);

int trace_has_recorded_gaps(const trace_file *file); /* 0: gaps are expected ones */
trace_gap_stats trace_gaps_of(const trace_file *file, size_t index);
/* Of all functions together. Takes 8 bytes per recorded arrival, or per bin of the span, for as long as it runs. */
int trace_gaps_of_all(const trace_file *file, trace_gap_stats *stats, char err[TRACE_ERR_LEN]);

#endif
