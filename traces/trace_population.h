/* trace_population.h - functions as a cloud has them: how they fall into applications, how often each is called, how
 * its calls come, how long it runs and what it holds; after what is published of Azure Functions.
 *
 * Where each number comes from. P: Shahrad et al., Serverless in the Wild (USENIX ATC 2020), sections 3.2 to 3.5, quoted
 * from memory of the paper; the public data that tests can read (four and nine functions) are too few to check any of
 * them. A: assumed here, because nothing is published, or nothing remembered.
 *   functions per application   P 54 % of applications have one, 95 % at most 10, 99.96 % at most 100; A none above 200
 *   popularity                  P 45 % of applications are invoked once an hour or less, 81.4 % once a minute or less;
 *                               the others (18.6 %) have 99.6 % of the invocations. A none is invoked less than once a day
 *                               (of the scale); above once a minute a Pareto tail, whose index is solved for, so that the
 *                               mean rate is what was asked; so 99.6 % is an outcome, compared and not put in
 *   within an application       A the j-th function has a share proportional to 1/j
 *   over the day                P about half of the load is a baseline that does not vary. A the rest is a sine: so its
 *                               amplitude is 50 %
 *   gaps between invocations    P CV about 0 for half of the applications with timers (29 % of all) and for a fifth of the
 *                               rest, 29 % in all; above 1 for 40 %. Of all these numbers the least certain. A the first
 *                               are even, the second sessions or bursts (tenfold for about a minute, every ten), those
 *                               between Erlang of 2 to 8 stages; one kind for all of an application
 *   timers                      P 2 % of invocations. A so they are among what is invoked once a minute or less, and do
 *                               not follow the day
 *   mean duration               P lognormal, of seconds: mu -0.38, sigma 2.36. A cut to 1 ms to an hour; independent of all
 *                               else, as is memory
 *   memory                      P Burr, MB: c 11.652, k 0.221, lambda 107.083. A cut to 1 MB to 64 GB
 *   requests and functions      1.0e9 invocations on a day of 46,412 functions: of the public trace
 *                               (TRACE_AZURE2019_RPS_PER_FUNCTION)
 * Between its published points a distribution is taken as straight in the logarithm (A).
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
