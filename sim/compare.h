/* compare.h - what the policies of one experiment cost and how often they missed their SLO, side by side.
 *
 * Reads a results database and prints, for each policy (and grid point), every metric as a mean over the
 * seeds with its 95 % interval, then the ratios to a baseline policy at the same grid point, paired by seed, or
 * unpaired where a function has a closed-loop client (stats.h). Over all functions of a run and its window: violation_pct = violations / arrivals,
 * cost_per_1k_usd = 1000 cost / arrivals; the latency quantiles are those of all functions' merged histogram.
 * A quotient with nothing below prints as "n/a (0 of N ...)".
 *
 * Where the truth is drawn from the calibration's uncertainty (config "model_error"), each seed is another GPU that
 * the calibration may be of, and only one is real: the intervals are then those of one more draw, which do not shrink
 * as seeds are added. A ratio whose interval covers 1 is marked "~", and so is the ratio of the same policies as
 * calibrated, if the database has both: it is within the model's error. Drawn are the times of batches alone
 * (setup.h), not overheads, cold starts or what validation found: the model's error is at least that.
 *
 * JSON: {"experiment", "question", "baseline", "policies": [{"label", "name", "mode", "billing", "grid",
 * "model_error", "runs", METRIC: {"mean", "lo", "hi", "n"}...}], "ratios": [{"label", "baseline", "grid", "metric", "ratio":
 * {"mean", "lo", "hi", "n"} or null, and then "note", "within_model_error": true, false, or null where no truth
 * is drawn}]}; lo and hi are null with fewer than two runs.
 *
 * Errors: -1 and one line in err: a missing or foreign file, another schema version, no run, an unknown
 * baseline, two runs of one policy with the same seed. The file is never changed and none is created.
 */
#ifndef COMPARE_H
#define COMPARE_H

#include <stdio.h>

#define COMPARE_ERR_LEN 512

typedef enum { COMPARE_TEXT, COMPARE_JSON } compare_format;

/* baseline: a label; NULL: the first of the experiment's plan */
int compare_print(const char *db_path, const char *baseline, compare_format format, FILE *out,
                  char err[COMPARE_ERR_LEN]);

#endif
