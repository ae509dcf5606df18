/* results.h - the results database: one SQLite file per experiment, one transaction per run.
 *
 * Tables (the schema with its comments is results_schema.sql, compiled in): experiment, run, function_result,
 * histogram, timeline, action, request; views answer the usual questions (README, "results"). A run is there
 * whole or not at all: a killed experiment loses nothing finished. Several processes may write to one file at
 * once; each opens it for itself.
 *
 * A run is identified by (policy label, seed, grid) within the experiment's config hash; --resume asks
 * results_has_run. It has the run only if the hashes of trace, calibration and policy agree, too; a run made
 * from other inputs is never replaced: writing it is refused. Errors: -1 and one line in err (file, what was
 * found, what was expected).
 */
#ifndef RESULTS_H
#define RESULTS_H

#include "engine.h"

#define RESULTS_ERR_LEN 512

typedef struct results results;

typedef struct {           /* what identifies and describes one run */
    const char *label;     /* unique within the experiment: "has", or "has:artifact" when two share a name */
    const char *policy;    /* "has" */
    const char *mode;      /* "corrected" or "artifact" */
    const char *predictor; /* "table", "trained best, online" */
    double model_error;    /* the config's */
    const char *billing;   /* "share", "whole-gpu" or "slice" */
    const char *engine;    /* "islands" or "global" */
    uint64_t seed;
    const char *grid;        /* this run's grid point as canonical JSON, "{}" without a grid */
    const char *config_json; /* the config of this run, grid and --set applied */
    const char *config_hash, *trace_hash, *calibration_hash, *policy_hash; /* hex */
    double wall_s;
    size_t plan; /* position in the experiment's plan (grid, policy, seed): tables keep that order */
} results_run;

/* Creates the file and its schema, or opens an existing one (checked: a SQLite file of this schema version,
 * same experiment name). name and question go to table experiment. */
int results_open(results **out, const char *path, const char *name, const char *question,
                 char err[RESULTS_ERR_LEN]);
int results_has_run(results *r, const results_run *run); /* 1 yes, 0 no, -1 error */
int results_write_run(results *r, const results_run *run, const engine_setup *setup,
                      const engine_result *result, char err[RESULTS_ERR_LEN]);
void results_close(results *r); /* NULL is fine */

#endif
