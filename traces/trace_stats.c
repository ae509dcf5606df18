#include "trace_stats.h"

#include "trace_int.h"

#include <math.h>

trace_minute_stats trace_stats_of(const uint64_t *counts, size_t n_minutes) {
    trace_minute_stats stats = {0};
    double squares = 0, n = (double)n_minutes;
    for (size_t i = 0; i < n_minutes; i++) {
        stats.sum += counts[i];
        if (counts[i] > stats.peak) stats.peak = counts[i];
    }
    stats.mean = (double)stats.sum / n;
    for (size_t i = 0; i < n_minutes; i++) {
        double d = (double)counts[i] - stats.mean;
        squares += d * d;
    }
    stats.cv = stats.sum ? sqrt(squares / n) / stats.mean : NAN;
    stats.dispersion = stats.sum ? squares / n / stats.mean : NAN;
    stats.peak_to_mean = stats.sum ? (double)stats.peak / stats.mean : NAN;
    return stats;
}

/* Counts end with a bin, arrivals lie inside their last one. */
size_t trace_stats_minutes(const trace_file *file) {
    return (size_t)((file->span_ns - (file->bin_ns ? 1 : 0)) / MINUTE_NS) + 1;
}
