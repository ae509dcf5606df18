#include "trace_subset.h"

#include "draw.h"
#include "trace_int.h"
#include "trace_stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The area between the two distribution functions. */
double trace_wasserstein(const double *x, size_t n_x, const double *y, size_t n_y) {
    size_t i = 0, j = 0;
    double area = 0, last = x[0] < y[0] ? x[0] : y[0];
    while (i < n_x || j < n_y) {
        double next = j == n_y || (i < n_x && x[i] < y[j]) ? x[i] : y[j];
        area += fabs((double)i / (double)n_x - (double)j / (double)n_y) * (next - last);
        last = next;
        while (i < n_x && x[i] <= next) i++;
        while (j < n_y && y[j] <= next) j++;
    }
    return area;
}

typedef struct {
    size_t n_all, n;
    double *values[TRACE_N_MARGINALS]; /* by function; NaN: has none */
    double *sorted[TRACE_N_MARGINALS]; /* of the whole, those that have one */
    double *sample;                    /* scratch, n */
    uint32_t *shuffled;                /* n_all */
    const uint32_t *by_rank;
    double random[TRACE_N_MARGINALS][TRACE_SUBSET_CANDIDATES / 2];
    trace_subset *subset;
} choice;

/* NaN, a distance that a candidate does not have, comes last. */
static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    if (isnan(x) || isnan(y)) return (isnan(x) != 0) - (isnan(y) != 0);
    return (x > y) - (x < y);
}

static int compare_numbers(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void fill_values(choice *c, const trace_file *file) {
    double span_s = (double)(file->span_ns > 0 ? file->span_ns : 1) * 1e-9;
    for (size_t f = 0; f < c->n_all; f++) {
        const trace_row *row = &file->rows[f];
        trace_gap_stats gaps = trace_gaps_of(file, f);
        c->values[0][f] = row->count ? log10((double)row->count / span_s) : NAN;
        c->values[1][f] = row->duration_ms > 0 ? log10(row->duration_ms) : NAN;
        c->values[2][f] = gaps.n >= 2 ? gaps.cv : NAN;
        c->subset->all_requests += row->count;
    }
}

static double deviation_of(const double *x, size_t n) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    for (size_t i = 0; i < n; i++) squares += (x[i] - sum / (double)n) * (x[i] - sum / (double)n);
    return n ? sqrt(squares / (double)n) : NAN;
}

static void sort_values(choice *c) {
    static const char *const names[][2] = {{"rate", "decades"}, {"duration", "decades"}, {"gap CV", ""}};
    for (int m = 0; m < TRACE_N_MARGINALS; m++) {
        trace_marginal *t = &c->subset->marginals[m];
        t->name = names[m][0];
        t->unit = names[m][1];
        for (size_t f = 0; f < c->n_all; f++)
            if (!isnan(c->values[m][f])) c->sorted[m][t->all_functions++] = c->values[m][f];
        qsort(c->sorted[m], t->all_functions, sizeof(double), compare_doubles);
        t->deviation = deviation_of(c->sorted[m], t->all_functions);
    }
}

/* Distance in one property; have: how many of the chosen have it. */
static double distance_of(choice *c, int m, const uint32_t *chosen, uint64_t *have) {
    *have = 0;
    for (size_t i = 0; i < c->n; i++)
        if (!isnan(c->values[m][chosen[i]])) c->sample[(*have)++] = c->values[m][chosen[i]];
    uint64_t all = c->subset->marginals[m].all_functions;
    if (!*have || !all) return NAN;
    qsort(c->sample, *have, sizeof(double), compare_doubles);
    return trace_wasserstein(c->sample, *have, c->sorted[m], all);
}

/* The first n of a Fisher-Yates shuffle. */
static void draw_random(choice *c, uint64_t key, uint32_t *chosen) {
    for (size_t i = 0; i < c->n; i++) {
        size_t j = i + (size_t)(draw_unit(draw_bits(key, i)) * (double)(c->n_all - i));
        uint32_t picked = c->shuffled[j];
        c->shuffled[j] = c->shuffled[i];
        c->shuffled[i] = chosen[i] = picked;
    }
}

static void draw_strata(const choice *c, uint64_t key, uint32_t *chosen) {
    for (size_t i = 0; i < c->n; i++) {
        size_t begin = i * c->n_all / c->n, end = (i + 1) * c->n_all / c->n;
        chosen[i] = c->by_rank[begin + (size_t)(draw_unit(draw_bits(key, i)) * (double)(end - begin))];
    }
}

/* A property that the whole has and the candidate lacks counts as one deviation. */
static double score(choice *c, const uint32_t *chosen, trace_marginal out[TRACE_N_MARGINALS]) {
    double sum = 0;
    memcpy(out, c->subset->marginals, TRACE_N_MARGINALS * sizeof *out);
    for (int m = 0; m < TRACE_N_MARGINALS; m++) {
        out[m].distance = distance_of(c, m, chosen, &out[m].functions);
        if (!out[m].all_functions || !(out[m].deviation > 0)) continue;
        sum += isnan(out[m].distance) ? 1 : out[m].distance / out[m].deviation;
    }
    return sum;
}

static void choose(choice *c, uint64_t seed, uint32_t *scratch, uint32_t *chosen) {
    double best = INFINITY;
    trace_marginal found[TRACE_N_MARGINALS], taken[TRACE_N_MARGINALS] = {0};
    for (uint32_t k = 0; k < TRACE_SUBSET_CANDIDATES; k++) {
        uint64_t key = draw_key(seed, k, DRAW_GENERATE);
        bool is_random = k % 2;
        if (is_random)
            draw_random(c, key, scratch);
        else
            draw_strata(c, key, scratch);
        double sum = score(c, scratch, found);
        for (int m = 0; m < TRACE_N_MARGINALS && is_random; m++) c->random[m][k / 2] = found[m].distance;
        if (sum >= best) continue;
        best = sum;
        memcpy(chosen, scratch, c->n * sizeof *chosen);
        memcpy(taken, found, sizeof taken);
    }
    memcpy(c->subset->marginals, taken, sizeof taken);
    for (int m = 0; m < TRACE_N_MARGINALS; m++) {
        qsort(c->random[m], TRACE_SUBSET_CANDIDATES / 2, sizeof(double), compare_doubles);
        c->subset->marginals[m].random_distance = c->random[m][TRACE_SUBSET_CANDIDATES / 4];
    }
    qsort(chosen, c->n, sizeof *chosen, compare_numbers);
}

int trace_subset_choose(const trace_file *file, size_t n, uint64_t seed, uint32_t *chosen,
                        trace_subset *subset, char err[TRACE_ERR_LEN]) {
    size_t n_all = file->keys.n;
    *subset = (trace_subset){0};
    if (n < 1 || n > n_all)
        return trace_fail(err, "functions is %zu, expected 1 to %zu (functions in the trace)", n, n_all);
    double *room = malloc((2 * TRACE_N_MARGINALS * n_all + n) * sizeof *room);
    uint32_t *numbers = malloc((n_all + n) * sizeof *numbers);
    choice *c = calloc(1, sizeof *c);
    int rc = room && numbers && c ? 0 : trace_fail(err, "out of memory");
    if (!rc) {
        *c =
            (choice){.n_all = n_all, .n = n, .by_rank = file->by_rank, .shuffled = numbers, .subset = subset};
        for (int m = 0; m < TRACE_N_MARGINALS; m++) {
            c->values[m] = room + (size_t)m * n_all;
            c->sorted[m] = room + (size_t)(m + TRACE_N_MARGINALS) * n_all;
        }
        c->sample = room + 2 * TRACE_N_MARGINALS * n_all;
        for (size_t f = 0; f < n_all; f++) numbers[f] = (uint32_t)f;
        fill_values(c, file);
        sort_values(c);
        choose(c, seed, numbers + n_all, chosen);
        for (size_t i = 0; i < n; i++) subset->requests += file->rows[chosen[i]].count;
    }
    free(room);
    free(numbers);
    free(c);
    return rc;
}
