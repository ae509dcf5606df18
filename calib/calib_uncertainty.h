/* calib_uncertainty.h - how far the fitted parameters of one model may be off.
 *
 * Two things keep a fit from the truth, and both are estimated from its residuals r = log(model / measured):
 *
 * 1. Chance: other measurements would have given other parameters. The points of one (batch, SM) cell err together
 *    (they share G), so that points are no independent evidence, cells are. The covariance is the sandwich estimate
 *    of a weighted least-squares fit, clustered by cell (Liang and Zeger 1986): with J the derivatives of log latency
 *    by the four coefficients and by log f(quota), and w the fit's Cauchy weights,
 *
 *        cov = A^-1 B A^-1 * C / (C - p),    A = k sum w J J',    B = sum over cells (sum w r J)(sum w r J)'
 *
 *    C cells, p parameters, k the mean slope of w r over that of r (Huber 1981, 7.6). Where C <= p (a few numbers) the
 *    points must do for cells. Coefficients within two standard deviations of 0, their bound, are held where they are,
 *    the worst first, and the rest takes up what they could explain: draws that had to be cut at 0 would make G larger
 *    on average. Directions that no point determines (the batch, where only one was measured) get none: there is
 *    nothing to learn about them here, and what depends on them is extrapolation, flagged as such.
 * 2. Form: the truth is not max(G, f) of this shape, so that a configuration is off by much the same amount each time
 *    that it is used. What is left of r, per cell for G and per point for f, tells by how much. As a standard
 *    deviation: 1.2533 times the mean absolute value, which a few outliers do not rule. A part
 *    that fewer than eight cells or points show is taken to be known no better than the whole.
 *
 * GSL does the linear algebra. What goes into a device file is rounded to four digits.
 */
#ifndef CALIB_UNCERTAINTY_H
#define CALIB_UNCERTAINTY_H

#include <stddef.h>

#include "calib.h"
#include "calib_fit.h"
#include "calib_int.h"

typedef struct {
    size_t cells;
    /* Chance: L of the coefficients' covariance L L' in ms, lower triangle by rows, in the order fixed, fixed per
     * batch, work, work per batch */
    double gpu_factor_ms[CALIB_FACTOR_LEN];
    double launch_sd_pct[100];                    /* chance: of f, per quota of the fit */
    double gpu_residual_pct, launch_residual_pct; /* form */
} calib_uncertainty;

/* 1: estimated; 0: no more points than parameters, nothing can be told; -1: no memory. */
int calib_uncertainty_estimate(calib_uncertainty *u, const calib_fit *fit, const calib_point *points,
                               size_t n);

#endif
