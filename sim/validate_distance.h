/* validate_distance.h - how far a run's simulation is from its recording: what a fit makes small.
 *
 *     4 x the mean over conditions of: the mean over the 10, 20, ... 90 % quantiles of |ln(simulated / recorded)|
 *     + |ln| of the means  +  half the |ln| of the medians and of the 95 % quantiles
 *     + 5 x difference of the violation rates at 250 ms  +  5 x |ln| of the spans
 *
 * Conditions (validate_condition.h) count by their number of requests, up to a hundred. Numbers that are right on the
 * whole and wrong at each rate would say nothing of a rate that no run had.
 *
 * Runs with a recorded allocation are replayed; those without (KServe) run their policy.
 */
#ifndef VALIDATE_DISTANCE_H
#define VALIDATE_DISTANCE_H

#include "calib.h"
#include "validate_condition.h"
#include "validate_params.h"
#include "validate_report.h"

typedef struct { /* what a simulation is held against */
    const validate_run *run;
    validate_conditions conditions;
    validate_values values;
} validate_recording;

int validate_recording_open(validate_recording *out, const validate_run *run); /* -1: out of memory */
void validate_recording_close(validate_recording *r);
/* < 0: the run cannot be simulated. */
double validate_distance(const validate_recording *r, const calib *device, const validate_params *p,
                         uint64_t seed);

#endif
