/* The queries' half2(variance, n, model_error): the square of half a 95 % interval, by the law that hassim compare
 * follows: of the mean, or, where the GPUs are drawn, of one more draw. 0 where there is none: fewer than two. */
#include "figures_int.h"
#include "stats.h"

static void half2(sqlite3_context *context, int n_args, sqlite3_value **args) {
    (void)n_args;
    double n = sqlite3_value_double(args[1]), half = 0;
    if (sqlite3_value_type(args[0]) != SQLITE_NULL && n >= 2) {
        stats_interval v = stats_of_variance(0, sqlite3_value_double(args[0]), (size_t)n);
        if (sqlite3_value_double(args[2]) > 0) v = stats_of_one(v);
        half = v.hi;
    }
    sqlite3_result_double(context, half * half);
}

int figures_int_add_functions(sqlite3 *db) {
    return sqlite3_create_function(db, "half2", 3, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, half2, NULL,
                                   NULL) == SQLITE_OK
               ? 0
               : -1;
}
