/* harness_plan.h - what is measured, in which order, and what it will take.
 *
 * A *step* is one measurement. Its key says everything about it, is its name in the trace and the journal, and is all
 * that a worker process is told:
 *
 *   verify/resnet50                              operators against the CPU reference
 *   latency/resnet50/b4/whole/r1                 r: first, second, ... time (repeats show drift and the noise floor)
 *   latency/resnet50/b4/green-32/r1              a green context of 32 SMs
 *   latency/resnet50/b4/mps-30/r1                MPS active thread percentage 30
 *   quota/resnet50/b4/green-32/token-30/r1       launch tokens, quota 30 %; or metered-30: GPU time (harness_token.h)
 *   pair/resnet50/b4/green-64/bert-base/b4/64/r1 with the other in a disjoint green context of 64 SMs
 *   cold/resnet50/b1/r1                          cold start, in a process of its own
 *   resize/green-32/r1                           create, switch, destroy a green context
 *
 * The order is by importance, in tiers; within the essential one, what several parts of the simulator need first.
 * A budget keeps the longest prefix that fits; what was left out is counted, and stays out of the trace.
 *   0  first repeat of the noise probes; verification; cold starts; resizing
 *   1  models x batches 1 and 4 x whole GPU and five widths; quotas 20 and 60 %; interference of models with the memory-bound
 *      kernel and with resnet50; second repeat of the probes: the essential set ends here
 *   2  batch 16; MPS percentages of the models, where MPS is; micro-benchmarks at five widths; third repeat of the probes
 *   3  quotas 10 to 100 %; all pairs of models; second cold starts
 *   4  all batches (1 2 4 8 16 32) and all widths, second repeats
 */
#ifndef HARNESS_PLAN_H
#define HARNESS_PLAN_H

#include "harness_device.h"
#include "harness_workload.h"

#define HARNESS_KEY_LEN 160
#define HARNESS_TIERS   5
#define HARNESS_SETUP_S 0.25 /* a program in memory, warmed up */

typedef enum {
    HARNESS_STEP_VERIFY,
    HARNESS_STEP_LATENCY,
    HARNESS_STEP_QUOTA,
    HARNESS_STEP_PAIR,
    HARNESS_STEP_COLD,
    HARNESS_STEP_RESIZE,
    HARNESS_STEP_KINDS
} harness_step_kind;

typedef enum { HARNESS_TOKEN, HARNESS_METERED } harness_runtime;

typedef struct {
    harness_step_kind kind;
    char workload[HARNESS_NAME_LEN], other[HARNESS_NAME_LEN];
    uint32_t batch, other_batch;
    harness_partition_kind partition;
    uint32_t size, other_size; /* SMs, or percent for MPS; 0 for the whole GPU */
    harness_runtime runtime;
    uint32_t quota_pct;
    uint32_t repeat; /* from 1 */
} harness_step;

typedef struct {
    harness_step step;
    int tier;
    double estimate_s;
} harness_plan_item;

typedef struct {
    harness_plan_item *items;
    size_t n, n_dropped; /* dropped: did not fit the budget */
    double estimate_s;
} harness_plan;

typedef struct {
    double budget_s;  /* 0: none */
    double step_s;    /* measuring time per latency step, 0.3 */
    double setup_s;   /* estimated overhead of a step: process, allocation, warm-up */
    const char *only; /* NULL, or a prefix that keys must have */
} harness_plan_options;

/* Everything worth measuring on this device, cut to the budget. 0, or -1: out of memory. */
int harness_plan_make(harness_plan *out, const harness_device_info *info, const harness_workloads *w,
                      const harness_plan_options *options);
void harness_plan_free(harness_plan *p);

void harness_step_key(const harness_step *s, char key[HARNESS_KEY_LEN]);
/* 0, or -1 where it is no key. Inverse of harness_step_key. */
int harness_step_parse(harness_step *out, const char *key);

/* A roofline guess of one inference at the SMs of this step; used for plans only. */
double harness_step_guess_ms(const harness_step *s, const harness_device_info *info,
                             const harness_workloads *w);

#endif
