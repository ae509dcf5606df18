/* harness_run.h - a whole measurement: plan, measure step by step into the journal, check, write the trace.
 *
 * The journal (OUT.journal) holds what is measured; the trace (OUT) is made from it at the end, whole, by a temporary
 * file and a rename. A run ends when the plan is done, when the next step does not fit into the budget (estimates are
 * corrected by how long steps really took), or on SIGINT or SIGTERM, which wait for the step in progress. In each case the
 * trace is written from what there is. The same command again goes on where the last one stopped.
 *
 * A step that fails is recorded with its error and tried once more in a later run; when so many fail in a row that the
 * GPU is clearly gone, the run stops. Nothing is measured of a workload whose operators do not give what the CPU
 * reference gives.
 *
 * Nothing here changes a setting of the card: no clocks, no power limit, no compute mode, no persistence mode.
 */
#ifndef HARNESS_RUN_H
#define HARNESS_RUN_H

#include <stdio.h>

#include "harness_process.h"
#include "harness_workload.h"

#define HARNESS_TRACE_FORMAT "hassim-measured-1"

typedef struct {
    const char *out;
    const char *version;
    const char *only; /* NULL, or a prefix of keys */
    double budget_s;  /* 0: none */
    double step_s;
    int plain_only;    /* no MPS */
    FILE *log;         /* progress; may be NULL */
    size_t most_steps; /* 0: no limit; tests stop a run with it */
} harness_run_options;

typedef struct {
    size_t planned, measured, failed, now; /* now: in this run */
    int stopped;                           /* by a signal */
} harness_run_result;

/* 0: the trace is written; -1 with a message. */
int harness_run(const harness_run_options *o, const harness_workloads *w, harness_link *link,
                harness_run_result *result, char err[HARNESS_ERR_LEN]);

/* The plan with its estimates, and what the budget leaves out. */
void harness_run_print_plan(const harness_plan *plan, FILE *out);

#endif
