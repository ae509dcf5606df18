/* harness_reference.h - what an operator must give, computed on the CPU in double precision.
 *
 * One output element at a time, so that a large operator can be checked at a sample of places. Operands are
 * harness_random with the seeds of harness_device.h: inputs and second operands of scale 1, weights of
 * harness_reference_weight_scale. Layouts: NCHW activations, OIHW filters, row-major matrices; outputs as inputs.
 *
 * The tolerance is relative to the sum of the absolute terms, which bounds rounding whatever the order of summation: a
 * wrong index is off by about 1/sqrt(terms) of it, two orders of magnitude more than the tolerance.
 */
#ifndef HARNESS_REFERENCE_H
#define HARNESS_REFERENCE_H

#include "harness_workload.h"

typedef struct {
    double value;
    double magnitude; /* sum of the absolute terms, at least 1e-3 */
} harness_reference;

harness_reference harness_reference_at(const harness_op *op, uint32_t batch, uint64_t index);

/* A power of two near sqrt(3 / terms): a chain of operators keeps its magnitude, never overflows or turns denormal. */
float harness_reference_weight_scale(const harness_op *op);

/* 1e-4 for fp32 (Winograd convolutions lose a digit), 4e-3 for tf32 (10-bit mantissa of both factors). */
double harness_reference_tolerance(const char *precision);

#endif
