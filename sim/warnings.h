/* warnings.h - what a reader should know before believing a result.
 *
 * Warnings of one run are computed from its setup and result alone, when it is written (table `warning`);
 * "wide-intervals" is about runs together, and a view of the database (`warning_log` has both). They change no
 * result. Names, limits and numbers (value: the greater, the worse):
 *
 *   saturation       a function's offered load exceeded what its ready pods can serve while requests piled up:
 *                    for 60 s on end, or a tenth of the window. Looked at in steps of at least 30 s; capacity
 *                    is engine_bin's: full batches, or what the workers can hold. value: %
 *                    of the window. Needs the function's timeline (config "timeline.functions").
 *   extrapolation    pods ran with an SM width, a quota or a batch limit outside what was measured for their
 *                    model; the quota counts under the token runtime only. value: % of the function's pods,
 *                    by the actions kept (config "actions_max").
 *   queue-growth     requests waiting rose in each third of the run's last 30 %, by half and 10 requests and 1 %
 *                    of what arrived in the last third, at least, and had not gone by the end. value: requests
 *                    waiting then. By function where it has a timeline.
 *   refused-actions  more than 1 % of the policy's actions, and at least 5, were refused. value: %.
 *   lost-requests    requests were dropped, lost with their pod, or unfinished at the end. value: how many.
 *   trace-ends       a recorded trace ends before the run does, by more than a minute and a bin of its and the
 *                    timeline's: the rest is replayed empty. One line for all traces, of the earliest end. value: % of
 *                    the run.
 *   no-arrivals      functions without a request in the window. One line for all. value: % of the functions.
 *   unnamed-gpu      a trained predictor does not say which GPU was measured, and its data are not called after this one.
 *                    value: 1. (One that says another is refused.)
 *   wide-intervals   the 95 % interval of two policies' difference in cost or violations, paired by seed, holds 0
 *                    and reaches beyond 1 % of the cost, or 0.1 percentage points; or there is one seed only.
 *                    value: how many seeds would do.
 *
 * Errors: -1 and one line in err.
 */
#ifndef WARNINGS_H
#define WARNINGS_H

#include <stdint.h>
#include <stdio.h>

#include "engine.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { WARNINGS_ERR_LEN = 512, WARNINGS_TEXT_LEN = 200 };

typedef enum {
    WARNING_SATURATION,
    WARNING_EXTRAPOLATION,
    WARNING_QUEUE_GROWTH,
    WARNING_REFUSED_ACTIONS,
    WARNING_LOST_REQUESTS,
    WARNING_TRACE_ENDS,
    WARNING_NO_ARRIVALS,
    WARNING_UNNAMED_GPU,
    WARNING_WIDE_INTERVALS,
    WARNING_KINDS
} warning_kind;

#define WARNING_RUN UINT32_MAX /* not about one function */

typedef struct {
    warning_kind kind;
    uint32_t fn; /* or WARNING_RUN */
    double value;
    char text[WARNINGS_TEXT_LEN]; /* without the function's name */
} warning;

typedef struct {
    warning *items; /* by kind, then function */
    size_t n;
} warning_list;

const char *warnings_name(warning_kind kind);

/* "NAME,NAME" or "any" to a set of bits 1 << kind */
int warnings_parse(const char *names, unsigned *kinds, char err[WARNINGS_ERR_LEN]);

/* -1: out of memory; the list is then empty */
int warnings_of_run(const engine_setup *setup, const engine_result *result, warning_list *out);
void warnings_free(warning_list *list); /* NULL is fine */

/* One line per warning and policy: its worst case, and how many runs share it. *found is the set of kinds;
 * nothing is printed where there is none. out NULL: only *found. */
int warnings_print(const char *db_path, FILE *out, unsigned *found, char err[WARNINGS_ERR_LEN]);

#ifdef __cplusplus
}
#endif
#endif
