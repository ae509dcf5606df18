#include "trace_stats.h"

#include "trace_int.h"

#include <math.h>
#include <stdlib.h>

static const double MINUTE_S = 60;

/* CV and dispersion, of whole minutes */
static void add_spread(trace_minute_stats *stats, const uint64_t *counts, size_t n_minutes) {
    double sum = 0, squares = 0, n = (double)n_minutes;
    for (size_t i = 0; i < n_minutes; i++) sum += (double)counts[i];
    double mean = n_minutes ? sum / n : 0;
    for (size_t i = 0; i < n_minutes; i++) {
        double d = (double)counts[i] - mean;
        squares += d * d;
    }
    stats->cv = mean > 0 ? sqrt(squares / n) / mean : NAN;
    stats->dispersion = mean > 0 ? squares / n / mean : NAN;
}

trace_minute_stats trace_stats_of(const uint64_t *counts, size_t n_minutes, double span_s) {
    trace_minute_stats stats = {0};
    size_t whole = n_minutes - (span_s < MINUTE_S * (double)n_minutes ? 1 : 0);
    for (size_t i = 0; i < n_minutes; i++) {
        stats.sum += counts[i];
        if (counts[i] > stats.peak) stats.peak = counts[i];
    }
    /* all at the very beginning span nothing: they are taken for a minute's */
    stats.mean = (double)stats.sum * MINUTE_S / (span_s > 0 ? span_s : MINUTE_S);
    stats.peak_to_mean = stats.sum && whole ? (double)stats.peak / stats.mean : NAN;
    add_spread(&stats, counts, whole);
    return stats;
}

/* Counts end with a bin, arrivals lie inside their last one. */
size_t trace_stats_minutes(const trace_file *file) {
    return (size_t)((file->span_ns - (file->bin_ns ? 1 : 0)) / MINUTE_NS) + 1;
}

int trace_has_recorded_gaps(const trace_file *file) {
    return file->bin_ns == 0;
}

typedef struct {
    uint64_t n; /* arrivals so far */
    double sum, squares;
    int64_t last;       /* the last arrival, or bin */
    double tail, tail2; /* counts: from the last arrival to the end of its bin, expected, and its square */
} gap_sums;

static void add_arrival(gap_sums *g, int64_t ns) {
    double gap = (double)(ns - g->last) * 1e-9;
    g->last = ns;
    if (!g->n++) return;
    g->sum += gap;
    g->squares += gap * gap;
}

/* In bins. */
static void add_bin(gap_sums *g, int64_t bin, uint64_t count) {
    double n = (double)count, piece = 1 / (n + 1), piece2 = 2 / ((n + 1) * (n + 2));
    if (g->n) {
        double empty = (double)(bin - g->last - 1);
        g->sum += g->tail + empty + piece;
        g->squares += g->tail2 + piece2 + empty * empty + 2 * (empty * (g->tail + piece) + g->tail * piece);
    }
    g->sum += (n - 1) * piece;
    g->squares += (n - 1) * piece2;
    g->n += count;
    g->last = bin;
    g->tail = piece;
    g->tail2 = piece2;
}

static trace_gap_stats stats_of_gaps(const gap_sums *g, double unit_s) {
    if (g->n < 2) return (trace_gap_stats){.mean_s = NAN, .cv = NAN};
    double n = (double)(g->n - 1), mean = g->sum / n, variance = g->squares / n - mean * mean;
    return (trace_gap_stats){.n = g->n - 1,
                             .mean_s = mean * unit_s,
                             .cv = mean > 0 ? sqrt(variance > 0 ? variance : 0) / mean : NAN};
}

trace_gap_stats trace_gaps_of(const trace_file *file, size_t index) {
    const trace_row *row = &file->rows[index];
    gap_sums g = {0};
    if (!file->bin_ns) {
        trace_walk walk = trace_walk_of(file, row);
        while (trace_walk_next(&walk)) add_arrival(&g, walk.ns);
        return stats_of_gaps(&g, 1);
    }
    const uint8_t *at = file->data + row->data;
    int64_t bin = -1;
    uint32_t count;
    while (trace_counts_next(&at, &bin, &count)) add_bin(&g, bin, count);
    return stats_of_gaps(&g, (double)file->bin_ns * 1e-9);
}

static int compare_ns(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int merge_arrivals(const trace_file *file, gap_sums *g, char *err) {
    size_t n = 0;
    for (size_t f = 0; f < file->keys.n; f++) n += file->rows[f].count;
    int64_t *all = malloc((n + 1) * sizeof *all);
    if (!all) return trace_fail(err, "out of memory");
    n = 0;
    for (size_t f = 0; f < file->keys.n; f++) {
        trace_walk walk = trace_walk_of(file, &file->rows[f]);
        while (trace_walk_next(&walk)) all[n++] = walk.ns;
    }
    if (file->keys.n > 1) qsort(all, n, sizeof *all, compare_ns);
    for (size_t i = 0; i < n; i++) add_arrival(g, all[i]);
    free(all);
    return 0;
}

static int merge_counts(const trace_file *file, gap_sums *g, char *err) {
    size_t n = (size_t)(file->span_ns / file->bin_ns);
    uint64_t *all = calloc(n + 1, sizeof *all);
    if (!all) return trace_fail(err, "out of memory");
    for (size_t f = 0; f < file->keys.n; f++) {
        const uint8_t *at = file->data + file->rows[f].data;
        int64_t bin = -1;
        uint32_t count;
        while (trace_counts_next(&at, &bin, &count)) all[bin] += count;
    }
    for (size_t i = 0; i < n; i++)
        if (all[i]) add_bin(g, (int64_t)i, all[i]);
    free(all);
    return 0;
}

int trace_gaps_of_all(const trace_file *file, trace_gap_stats *stats, char err[TRACE_ERR_LEN]) {
    gap_sums g = {0};
    int rc = file->bin_ns ? merge_counts(file, &g, err) : merge_arrivals(file, &g, err);
    *stats = stats_of_gaps(&g, file->bin_ns ? (double)file->bin_ns * 1e-9 : 1);
    return rc;
}
