/* trace_subset.h - a few functions that stand for many: a subset whose marginals are close to the whole trace's.
 *
 * Distance is Wasserstein-1 between the subset's and the whole's distribution over functions (each function counts
 * once) of three properties: log10 of the rate, log10 of the mean duration (where it is known and above 0), and CV
 * of the gaps (functions with 3 arrivals and more). CANDIDATES subsets are drawn, half of them plainly at random, half
 * one function from each of n equal strata of the rate; the one with the smallest sum of distances, each in standard
 * deviations of the whole's property, is taken. So InVitro samples (Ustiugov et al., SESAME 2023), with other
 * properties. Deterministic: same file, n and seed, same subset.
 */
#ifndef TRACE_SUBSET_H
#define TRACE_SUBSET_H

#include "trace.h"

enum { TRACE_SUBSET_CANDIDATES = 256, TRACE_N_MARGINALS = 3 };

typedef struct {
    const char *name, *unit;
    uint64_t functions, all_functions; /* that have the property: of the subset, of the whole */
    double distance;                   /* W1, in the unit; NaN: no function has the property */
    double random_distance;            /* the median over the plainly random candidates */
    double deviation;                  /* the property's standard deviation over the whole */
} trace_marginal;

typedef struct {
    trace_marginal marginals[TRACE_N_MARGINALS];
    uint64_t requests, all_requests;
} trace_subset;

/* chosen: room for n, 1 <= n <= trace_n_functions; filled in the file's order. */
int trace_subset_choose(const trace_file *file, size_t n, uint64_t seed, uint32_t *chosen,
                        trace_subset *subset, char err[TRACE_ERR_LEN]);
/* W1 between two samples, each sorted and not empty. */
double trace_wasserstein(const double *x, size_t n_x, const double *y, size_t n_y);

#endif
