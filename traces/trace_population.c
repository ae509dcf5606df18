#include "trace_population.h"

#include "draw.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

static const double DAY_S = 86400, PER_MINUTE = 1440, PER_HOUR = 24; /* a day */
/* sources: trace_population.h */
static const double ONE_FUNCTION = 0.54, TEN_FUNCTIONS = 0.95, HUNDRED_FUNCTIONS = 0.9996;
static const double HOURLY = 0.45, MINUTELY = 0.814, PERIODIC = 0.29, BURSTY = 0.40;

/* Ordinals of DRAW_GENERATE, per application or function; trace_generate.c has those below 16. */
enum {
    ORDINAL_SIZE = 16,
    ORDINAL_RANK,
    ORDINAL_GAPS,
    ORDINAL_STAGES,
    ORDINAL_NORMAL,
    ORDINAL_ANGLE,
    ORDINAL_MB
};

trace_population_marginals trace_population_published(void) {
    return (trace_population_marginals){.one_function = ONE_FUNCTION,
                                        .ten_functions = TEN_FUNCTIONS,
                                        .hourly = HOURLY,
                                        .minutely = MINUTELY,
                                        .popular_share = 0.996,
                                        .baseline = 0.5,
                                        .periodic = PERIODIC,
                                        .bursty = BURSTY,
                                        .median_ms = 683.9,  /* 1000 exp(-0.38) */
                                        .median_mb = 139.6}; /* lambda (2^(1/k) - 1)^(1/c) */
}

static double draw(uint64_t seed, uint32_t number, uint64_t ordinal) {
    return draw_unit(draw_bits(draw_key(seed, number, DRAW_GENERATE), ordinal));
}

/* From a at u0 to b at u1, straight in the logarithm. */
static double between(double u, double u0, double a, double u1, double b) {
    return a * pow(b / a, (u - u0) / (u1 - u0));
}

static uint32_t functions_of_app(double u) {
    if (u < ONE_FUNCTION) return 1;
    if (u < TEN_FUNCTIONS) return (uint32_t)ceil(between(u, ONE_FUNCTION, 1, TEN_FUNCTIONS, 10));
    return (uint32_t)ceil(u < HUNDRED_FUNCTIONS ? between(u, TEN_FUNCTIONS, 10, HUNDRED_FUNCTIONS, 100)
                                                : between(u, HUNDRED_FUNCTIONS, 100, 1, 200));
}

/* Invocations a day at quantile u. */
static double rate_of_app(double u, double tail_index) {
    if (u < HOURLY) return between(u, 0, 1, HOURLY, PER_HOUR);
    if (u < MINUTELY) return between(u, HOURLY, PER_HOUR, MINUTELY, PER_MINUTE);
    return PER_MINUTE * pow((1 - MINUTELY) / (1 - u), 1 / tail_index);
}

static double total_rate(uint32_t n_apps, double tail_index) {
    double sum = 0;
    for (uint32_t i = 0; i < n_apps; i++) sum += rate_of_app((i + 0.5) / n_apps, tail_index);
    return sum;
}

/* The heavier the tail the smaller its index; beyond the ends all rates are scaled instead. */
static double solve_tail(uint32_t n_apps, double per_day) {
    double heavy = 0.2, light = 20;
    for (int i = 0; i < 60; i++) {
        double middle = sqrt(heavy * light);
        if (total_rate(n_apps, middle) > per_day)
            heavy = middle;
        else
            light = middle;
    }
    return sqrt(heavy * light);
}

typedef struct {
    double key;
    uint32_t app;
} ranked_app;

static int compare_apps(const void *a, const void *b) {
    const ranked_app *x = a, *y = b;
    if (x->key < y->key || x->key > y->key) return x->key < y->key ? -1 : 1;
    return (x->app > y->app) - (x->app < y->app);
}

/* rates[app], a day: every quantile once, in random order. */
static int draw_rates(double *rates, uint32_t n_apps, double per_day, uint64_t seed) {
    ranked_app *order = malloc(n_apps * sizeof *order);
    if (!order) return -1;
    for (uint32_t a = 0; a < n_apps; a++) order[a] = (ranked_app){draw(seed, a, ORDINAL_RANK), a};
    qsort(order, n_apps, sizeof *order, compare_apps);
    double tail_index = solve_tail(n_apps, per_day), scale = per_day / total_rate(n_apps, tail_index);
    for (uint32_t i = 0; i < n_apps; i++)
        rates[order[i].app] = scale * rate_of_app((i + 0.5) / n_apps, tail_index);
    free(order);
    return 0;
}

static double draw_ms(uint64_t seed, uint32_t fn) {
    double u = 1 - draw(seed, fn, ORDINAL_NORMAL), v = draw(seed, fn, ORDINAL_ANGLE); /* Box and Muller */
    double ms = 1000 * exp(-0.38 + 2.36 * sqrt(-2 * log(u)) * cos(6.2831853071795865 * v));
    return ms < 1 ? 1 : ms > 3.6e6 ? 3.6e6 : ms; /* an hour */
}

static double draw_mb(uint64_t seed, uint32_t app) {
    double u = draw(seed, app, ORDINAL_MB);
    double mb = 107.083 * pow(pow(1 - u, -1 / 0.221) - 1, 1 / 11.652);
    return mb < 1 ? 1 : mb > 65536 ? 65536 : mb;
}

/* One kind for all of an application. */
static trace_gap_kind draw_gaps(uint64_t seed, uint32_t app, double per_day) {
    double u = draw(seed, app, ORDINAL_GAPS), periodic = per_day <= PER_MINUTE ? PERIODIC / MINUTELY : 0;
    if (u < periodic) return TRACE_GAPS_PERIODIC;
    double rest = (u - periodic) / (1 - periodic);
    return rest < BURSTY / (1 - PERIODIC) ? TRACE_GAPS_BURSTY : TRACE_GAPS_REGULAR;
}

static void fill_app(trace_member *members, uint32_t n, uint32_t app, double per_day, uint64_t seed) {
    double shares = 0;
    for (uint32_t j = 1; j <= n; j++) shares += 1.0 / j;
    for (uint32_t j = 0; j < n; j++) {
        members[j].app = app;
        members[j].rps = per_day / DAY_S / (j + 1) / shares;
        members[j].gaps = draw_gaps(seed, app, per_day);
        members[j].stages = 2 + (uint32_t)(7 * draw(seed, app, ORDINAL_STAGES));
        members[j].mean_mb = draw_mb(seed, app);
    }
}

int trace_population_draw(trace_member *members, uint32_t n, double mean_rps, uint64_t seed) {
    uint32_t n_apps = 0, placed = 0;
    uint32_t *sizes = malloc(n * sizeof *sizes);
    double *rates = malloc(n * sizeof *rates);
    if (!sizes || !rates) {
        free(sizes);
        free(rates);
        return -1;
    }
    for (; placed < n; placed += sizes[n_apps++]) {
        sizes[n_apps] = functions_of_app(draw(seed, n_apps, ORDINAL_SIZE));
        if (sizes[n_apps] > n - placed) sizes[n_apps] = n - placed;
    }
    int rc = draw_rates(rates, n_apps, mean_rps * DAY_S, seed);
    placed = 0;
    for (uint32_t a = 0; a < n_apps && !rc; placed += sizes[a++])
        fill_app(members + placed, sizes[a], a, rates[a], seed);
    for (uint32_t i = 0; i < n && !rc; i++) members[i].mean_ms = draw_ms(seed, i);
    free(sizes);
    free(rates);
    return rc;
}

static int compare_falling(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* Of n values, which are sorted. */
static double median_of(double *values, uint32_t n) {
    qsort(values, n, sizeof *values, compare_falling);
    return n ? values[n / 2] : NAN;
}

static void measure_apps(const double *per_app, const uint32_t *sizes, uint32_t n_apps, double days,
                         trace_population_marginals *m) {
    double all = 0, popular = 0;
    uint32_t n_popular = (uint32_t)((1 - MINUTELY) * n_apps + 0.5);
    for (uint32_t a = 0; a < n_apps; a++) {
        m->one_function += sizes[a] == 1;
        m->ten_functions += sizes[a] <= 10;
        m->hourly += per_app[a] / days <= PER_HOUR;
        m->minutely += per_app[a] / days <= PER_MINUTE;
        all += per_app[a];
        popular += a < n_popular ? per_app[a] : 0; /* sorted, falling */
    }
    m->one_function /= n_apps;
    m->ten_functions /= n_apps;
    m->hourly /= n_apps;
    m->minutely /= n_apps;
    m->popular_share = all > 0 ? popular / all : NAN;
}

static void measure_gaps(const double *gap_cv, uint32_t n, trace_population_marginals *m) {
    uint32_t known = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (isnan(gap_cv[i])) continue;
        known++;
        m->periodic += gap_cv[i] < 0.1;
        m->bursty += gap_cv[i] > 1;
    }
    m->periodic = known ? m->periodic / known : NAN;
    m->bursty = known ? m->bursty / known : NAN;
}

static double measure_baseline(const uint64_t *hours, uint32_t n_hours) {
    uint64_t least = UINT64_MAX, sum = 0;
    for (uint32_t h = 0; h < n_hours; h++) {
        sum += hours[h];
        if (hours[h] < least) least = hours[h];
    }
    return sum ? (double)least * n_hours / (double)sum : NAN;
}

int trace_population_measure(const trace_member *members, uint32_t n, const uint64_t *counts,
                             const double *gap_cv, double span_s, const uint64_t *hours, uint32_t n_hours,
                             trace_population_marginals *marginals) {
    uint32_t n_apps = n ? members[n - 1].app + 1 : 0;
    uint32_t *sizes = calloc(n_apps + 1, sizeof *sizes);
    double *per_app = calloc(n_apps + 1, sizeof *per_app), *values = malloc((n + 1) * sizeof *values);
    bool ok = sizes && per_app && values;
    *marginals = (trace_population_marginals){0};
    for (uint32_t i = 0; i < n && ok; i++) {
        sizes[members[i].app]++;
        per_app[members[i].app] += (double)counts[i];
        values[i] = members[i].mean_ms;
    }
    if (ok) {
        marginals->median_ms = median_of(values, n);
        for (uint32_t i = 0; i < n; i++) values[i] = members[i].mean_mb;
        marginals->median_mb = median_of(values, n);
        qsort(per_app, n_apps, sizeof *per_app, compare_falling);
        measure_apps(per_app, sizes, n_apps, span_s / DAY_S, marginals);
        measure_gaps(gap_cv, n, marginals);
        marginals->baseline = measure_baseline(hours, n_hours);
    }
    free(sizes);
    free(per_app);
    free(values);
    return ok ? 0 : -1;
}
