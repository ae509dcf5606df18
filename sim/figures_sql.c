/* What the queries know beside SQL: the intervals that hassim compare prints, each as the square of half a 95 %
 * interval - of the mean, or, where the GPUs are drawn (model_error > 0), of one more draw - and 0 where there is none:
 * fewer than two runs.
 *
 *     half2(variance, n, model_error)                        of a mean of n runs
 *     ratio_half2(y, x, is_paired, model_error), aggregate   of the mean of y over the mean of x, one row per run
 */
#include <math.h>
#include <stdlib.h>

#include "figures_int.h"
#include "stats.h"

static void answer(sqlite3_context *context, stats_interval v, double model_error) {
    if (model_error > 0) v = stats_of_one(v);
    double half = isnan(v.hi) ? 0 : v.hi - v.mean;
    sqlite3_result_double(context, half * half);
}

static void half2(sqlite3_context *context, int n_args, sqlite3_value **args) {
    (void)n_args;
    double n = sqlite3_value_double(args[1]);
    stats_interval none = {.hi = NAN};
    int is_known = sqlite3_value_type(args[0]) != SQLITE_NULL && n >= 2;
    answer(context, is_known ? stats_of_variance(0, sqlite3_value_double(args[0]), (size_t)n) : none,
           sqlite3_value_double(args[2]));
}

typedef struct {
    double *y, *x; /* [cap] each, in one block */
    size_t n, cap;
    int is_paired;
    double model_error;
} pairs;

static int grow(pairs *p) {
    size_t cap = p->cap ? 2 * p->cap : 16;
    double *y = malloc(2 * cap * sizeof *y);
    if (!y) return -1;
    for (size_t i = 0; i < p->n; i++) {
        y[i] = p->y[i];
        y[cap + i] = p->x[i];
    }
    free(p->y);
    *p = (pairs){.y = y, .x = y + cap, .n = p->n, .cap = cap};
    return 0;
}

static void ratio_step(sqlite3_context *context, int n_args, sqlite3_value **args) {
    (void)n_args;
    pairs *p = sqlite3_aggregate_context(context, sizeof *p);
    if (sqlite3_value_type(args[0]) == SQLITE_NULL || sqlite3_value_type(args[1]) == SQLITE_NULL) return;
    if (!p || (p->n == p->cap && grow(p))) {
        sqlite3_result_error_nomem(context);
        return;
    }
    p->y[p->n] = sqlite3_value_double(args[0]);
    p->x[p->n++] = sqlite3_value_double(args[1]);
    p->is_paired = sqlite3_value_int(args[2]);
    p->model_error = sqlite3_value_double(args[3]);
}

static void ratio_end(sqlite3_context *context) {
    stats_interval v = {.hi = NAN};
    pairs *p = sqlite3_aggregate_context(context, 0);
    if (p && p->n > 0 && p->is_paired) stats_ratio(p->y, p->x, p->n, &v);
    if (p && p->n > 0 && !p->is_paired) stats_ratio_unpaired(p->y, p->n, p->x, p->n, &v);
    answer(context, v, p ? p->model_error : 0);
    if (p) free(p->y);
}

int figures_int_add_functions(sqlite3 *db) {
    static const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;
    if (sqlite3_create_function(db, "half2", 3, flags, NULL, half2, NULL, NULL) != SQLITE_OK) return -1;
    return sqlite3_create_function(db, "ratio_half2", 4, flags, NULL, NULL, ratio_step, ratio_end) ==
                   SQLITE_OK
               ? 0
               : -1;
}
