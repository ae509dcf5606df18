/* throughput_int.h - what a pod sustains, as a load test of it would measure. */
#ifndef THROUGHPUT_INT_H
#define THROUGHPUT_INT_H

#include "policy.h"

/* Most requests per second that a pod of this size serves back to back within slo_ns (INFINITY: no limit), over
 * batches k up to batch_max (0: the function's). A batch takes S_k; a request meets, on average, half of one under
 * way, and at worst a whole one. So, with W workers that hold a request through the overhead o outside the GPU,
 *     rate = min(k / S_k, W / (o + 1.5 S_k)),   where o + 2 S_k <= SLO.
 * 0: none within the SLO. < 0: the predictor does not know the model. */
double throughput_within(const pol_host *host, uint32_t fn, uint32_t device, uint32_t batch_max,
                         uint32_t sm_pct, uint32_t quota_pct, double slo_ns);

#endif
