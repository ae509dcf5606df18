/* validate_sim.h - one recorded run, simulated: client, pods and policy as they were on the testbed.
 *
 * Simulated time 0 is long enough before the load that the pods of the beginning are ready; a warm-up of 5 requests/s
 * for 5 s goes before it, as on the testbed (spec 5.1), and is not reported. What comes out has the recording's times:
 * seconds since the first request. It depends on run, params, mode and seed alone, and never on run->real.requests; in
 * policy mode, never on run->real.shares but for the first.
 */
#ifndef VALIDATE_SIM_H
#define VALIDATE_SIM_H

#include "calib.h"
#include "validate_params.h"

/* 0; 1: this run cannot be simulated in that mode, err says why; -1: failed. *out is for the caller to free. device:
 * the testbed's GPUs (v100). */
int validate_simulate_on(validate_trace *out, const validate_run *run, const calib *device,
                         const validate_params *params, validate_mode mode, uint64_t seed,
                         char err[VALIDATE_ERR_LEN]);
/* On the shipped v100. */
int validate_simulate(validate_trace *out, const validate_run *run, const validate_params *params,
                      validate_mode mode, uint64_t seed, char err[VALIDATE_ERR_LEN]);

#endif
