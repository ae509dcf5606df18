/* validate_condition.h - latencies by what the load and the allocation were when a request started.
 *
 * A condition is the stage's rate, the pods, and their SM and quota, as they were in effect. Over a whole run, waiting
 * at one rate can stand in for noise at another; by condition it cannot. What a queue has left from before is not in it:
 * at a new quota, requests can wait for those that were sent under the old one.
 *
 * No recording says which stage a request belongs to, nor in which requests were lost. But a stage has 5 x its rate of
 * them, and takes 5 s at least; and the next one waits for all its answers. So it is over with its last request, or
 * with the first that finds none in flight when the 5 s are over.
 */
#ifndef VALIDATE_CONDITION_H
#define VALIDATE_CONDITION_H

#include "validate.h"

typedef struct { /* a successful request */
    uint64_t condition;
    double ms;
} validate_answer;

typedef struct {
    validate_answer *answers; /* by condition, then by latency */
    size_t n;
} validate_conditions;

/* The allocation of a simulation's requests is the recorded one of its run. -1: out of memory. */
int validate_conditions_open(validate_conditions *out, const validate_run *run, const validate_trace *t);
void validate_conditions_close(validate_conditions *c);

typedef struct {                  /* begins as {0} */
    size_t next_a, next_b;        /* where the walk stands */
    const validate_answer *a, *b; /* of one condition */
    size_t n_a, n_b;
} validate_shared_condition;

/* The next condition of which both have at least 20 requests; 0: no more. */
int validate_next_shared(validate_shared_condition *at, const validate_conditions *a,
                         const validate_conditions *b);

/* |ln| of a's p quantile against b's. Less than a microsecond counts as one: nothing has no logarithm. */
double validate_quantile_gap(const validate_shared_condition *c, double p);

#endif
