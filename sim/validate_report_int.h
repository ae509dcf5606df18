/* validate_report_int.h - the parts of a report: intervals (validate_bootstrap.c), replicates and verdicts
 * (validate_judge.c), measures (validate_measure.c). */
#ifndef VALIDATE_REPORT_INT_H
#define VALIDATE_REPORT_INT_H

#include "validate_report.h"

/* Of ascending values, linear between order statistics; NaN of none */
double validate_int_quantile(const double *ascending, size_t n, double p);
/* The same where ascending[i] is there count[i] times, `drawn` > 0 in all. One walk serves ascending p: it begins at
 * {0, 0} and goes on from where the last one stood. */
typedef struct {
    size_t rank, before; /* before: values of lower ranks */
} validate_walk;
double validate_int_counted_quantile(const double *ascending, const uint32_t *count, size_t drawn, double p,
                                     validate_walk *at);
int validate_int_by_value(const void *a, const void *b); /* of doubles, for qsort */

/* Simulated against real; NaN where either is, or where nothing can be divided by */
double validate_int_error(validate_metric m, double simulated, double real);

/* The allocation at t; pods 0 before the first */
validate_share validate_int_share_at(const validate_trace *t, double t_s);

/* Errors and their intervals; -1: out of memory. Blocks: as many as the workload has stages. */
int validate_int_errors(validate_row *row, unsigned n_seeds);

void validate_int_agreement(validate_row *row, unsigned n_seeds);

/* values[i]: what was measured of run i */
void validate_int_spread(validate_row *row, const validate_data *d, const validate_values *values);

int validate_int_condition_spread(validate_row *row, const validate_data *d); /* -1: out of memory */

/* Verdicts of the rows, then the sets; -1: out of memory. */
int validate_int_judge(validate_report *r);

#endif
