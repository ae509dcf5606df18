/* trace_population.h - functions as a cloud has them: how they fall into applications, how often each is called, how
 * its calls come, how long it runs and what it holds; after what is published of Azure Functions.
 *
 * Shahrad et al., Serverless in the Wild (USENIX ATC 2020), sections 3.2 to 3.5; the numbers are quoted from memory of
 * the paper and were not checked against it here:
 *   functions per application   54 % of applications have one, 95 % at most 10, 99.96 % at most 100
 *   popularity                  45 % of applications are invoked once an hour or less, 81.4 % once a minute or less;
 *                               the others (18.6 %) have 99.6 % of the invocations
 *   over the day                about half of the load is a baseline that does not vary
 *   gaps between invocations    CV about 0 for half of the applications with timers (29 % of all) and a fifth of the
 *                               rest: 29 %; above 1 for 40 %
 *   mean duration               lognormal, of seconds: mu -0.38, sigma 2.36
 *   memory                      Burr, MB: c 11.652, k 0.221, lambda 107.083
 * Between its published points a distribution is taken as straight in the logarithm. What is invoked more than once a
 * minute follows a Pareto tail; its index is solved for, so that the mean rate is what was asked. Within an application
 * the j-th function has a share proportional to 1/j. Timers are assumed among what is invoked once a minute or less
 * (timers are 2 % of invocations); everything else follows a sine of one day's length and 50 % amplitude.
 */
#ifndef TRACE_POPULATION_H
#define TRACE_POPULATION_H

#include "trace.h"

typedef enum {
    TRACE_GAPS_PERIODIC, /* even */
    TRACE_GAPS_REGULAR,  /* Erlang: every `stages`-th of a Poisson process, CV 1 / sqrt(stages) */
    TRACE_GAPS_BURSTY,   /* sessions (below one a minute) or bursts */
} trace_gap_kind;

typedef struct {
    uint32_t app;
    trace_gap_kind gaps;
    uint32_t stages;
    double rps, mean_ms, mean_mb;
} trace_member;

/* Published values, or what a trace has of them; shares from 0 to 1, NaN: cannot be told. */
typedef struct {
    double one_function, ten_functions; /* of applications */
    double hourly, minutely,
        popular_share;       /* of applications; of invocations, by the most invoked 18.6 % of them */
    double baseline;         /* least hour / mean hour */
    double periodic, bursty; /* of functions with 10 gaps or more: CV below 0.1; above 1 */
    double median_ms, median_mb;
} trace_population_marginals;

enum { TRACE_PERIOD_S = 86400 };
#define TRACE_AMPLITUDE 0.5

trace_population_marginals trace_population_published(void);
/* n members, in order of their applications; mean_rps of all together. 0, or -1: out of memory. */
int trace_population_draw(trace_member *members, uint32_t n, double mean_rps, uint64_t seed);
/* What the invocations of n members over span_s have of each. counts, gap_cv (NaN: fewer than 10 gaps) by member;
 * hours: of all together, only whole days (n_hours 0: none). */
int trace_population_measure(const trace_member *members, uint32_t n, const uint64_t *counts,
                             const double *gap_cv, double span_s, const uint64_t *hours, uint32_t n_hours,
                             trace_population_marginals *marginals);

#endif
