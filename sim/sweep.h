/* sweep.h - an experiment's runs: policies x seeds x grid points, in worker processes.
 *
 * sweep_plan reads and checks everything that any run needs (every grid point, calibration, trace and price)
 * and writes nothing. sweep_execute forks one process per run, `jobs` at a time: it inherits what was read,
 * simulates, and writes its run into the database itself, in one transaction. A worker that fails, crashes or
 * takes longer than `timeout_s` loses its own run, and so does one whose policy stays `stall_s` in a call while
 * nothing else moves. It is reported (which run, why, and what its policy was doing at what simulated time); the
 * others go on. SIGINT and SIGTERM stop the
 * workers; the runs that are finished stay, and `resume` makes the rest.
 *
 * Runs start in order of grid point, seed, policy, so that what is finished early can be compared in pairs.
 * Results do not depend on the order, nor on jobs.
 *
 * Progress goes to log: a bar where asked for, else a line per finished run. Errors: -1 and one line in err.
 */
#ifndef SWEEP_H
#define SWEEP_H

#include <stdio.h>

#include "config.h"
#include "engine.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SWEEP_STALL_S = 120 }; /* of real time, in one call of a policy */

typedef struct sweep sweep;

typedef enum { SWEEP_LINES, SWEEP_BAR, SWEEP_QUIET } sweep_progress; /* quiet: only what fails */

typedef int (*sweep_engine)(const engine_setup *setup, const engine_options *options, engine_result *result,
                            char err[ENGINE_ERR_LEN]);

typedef struct {
    const char *db_path;
    unsigned jobs; /* >= 1 */
    int resume,
        force; /* an existing database: complete it; or move it to PATH~ (PATH~2, ...) and begin anew */
    int eager;
    const char *const *only; /* labels or names of policies */
    size_t n_only;           /* 0: all */
    double timeout_s;        /* a run that takes longer is given up; 0: never */
    double stall_s;          /* as is one whose policy hangs for so long; 0: SWEEP_STALL_S */
    sweep_progress progress;
    FILE *log;
    sweep_engine engine; /* NULL: engine_run; tests bring others */
} sweep_options;

typedef struct {
    size_t planned, skipped, finished, failed; /* skipped: the database has them */
    int interrupted;                           /* the signal, or 0 */
} sweep_report;

/* doc must outlive the sweep */
int sweep_plan(sweep **out, const config_doc *doc, const sweep_options *options, char err[CONFIG_ERR_LEN]);
size_t sweep_n_runs(const sweep *s);
/* Runs that fail are counted in the report; -1 only if the sweep itself cannot go on. */
int sweep_execute(sweep *s, sweep_report *report, char err[CONFIG_ERR_LEN]);
void sweep_free(sweep *s); /* NULL is fine */

#ifdef __cplusplus
}
#endif
#endif
