/* calib_fit.h - from measured latencies to the parameters of a device file.
 *
 * The model (calib.h) is latency = max(G, f). Per model four coefficients >= 0 make
 *
 *     G(batch, SM %) = max( f(100), fixed + fixed_per_batch * batch + (work + work_per_batch * batch) * 100 /
 * SM % )
 *
 * a roofline over a launch floor: one part shrinks with the SM share, one does not, both are affine in the
 * batch. f is one value per measured quota, falling weakly.
 *
 * Both are fitted on log(model / measured), in turns: G by nonlinear least squares (GSL, Levenberg-Marquardt)
 * under Cauchy weights, f by the monotone sequence of least capped absolute error (dynamic programming).
 * Where quota never limits, f is the largest that the data allow. No randomness: equal points give equal
 * parameters, rounded to four digits.
 */
#ifndef CALIB_FIT_H
#define CALIB_FIT_H

#include <stddef.h>
#include <stdint.h>

#include "calib.h"

typedef struct {
    uint32_t batch, sm_pct, quota_pct;
    double ms;
} calib_point;

typedef struct {
    double fixed_ms, fixed_ms_per_batch; /* does not shrink with more SMs */
    double work_ms, work_ms_per_batch;   /* at the whole GPU; inversely proportional to the SM share */
    int n_quotas;
    uint32_t quota_pct[100]; /* as measured, rising, the last is 100 */
    double launch_ms[100];
    double mape_pct, median_pct, p90_pct; /* |model / measured - 1| of the rounded parameters */
    size_t points;
} calib_fit;

/* Fits n points of one model; they must include quota 100. 0, or -1 with a message. */
int calib_fit_points(calib_fit *out, const calib_point *points, size_t n, char err[CALIB_ERR_LEN]);

/* The whole tool: measured latencies (calib_csv.h) and hand-written facts (README.md) become the text of a device
 * file, uncertainties included (calib_uncertainty.h), checked as calib_open checks it. *n_left_out, where not NULL,
 * counts the measurements that a fit cannot use. The caller frees *json. */
int calib_fit_files(char **json, size_t *n_left_out, const char *latency_csv, const char *facts_json,
                    char err[CALIB_ERR_LEN]);

#endif
