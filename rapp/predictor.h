/* predictor.h - what a policy may know about latency: one interface, several predictors.
 *
 * A policy never asks the truth of the simulated hardware; it asks a predictor, which the config chooses
 * ("predictor"). Today there is `table`: the calibration's own max(G, f) and, under the metered runtime, the
 * time to obtain G of GPU time at quota * 40 ms per window. (The roofline, RaPP's network and better ones
 * follow behind the same interface.)
 *
 * Units: ms, requests per second, percent of one GPU. A predictor is read-only and may be shared by threads.
 */
#ifndef PREDICTOR_H
#define PREDICTOR_H

#include <stdint.h>

#include "calib.h"

typedef enum { PREDICT_METERED, PREDICT_TOKEN } predict_runtime;

typedef struct predictor {
    const char *name;
    predict_runtime runtime;
    /* mean time from launch to result of one batch that starts at a random moment, alone on its row; < 0:
     * unknown */
    double (*latency_ms)(predict_runtime runtime, const calib_model *m, uint32_t batch, uint32_t sm_pct,
                         uint32_t quota_pct);
    /* requests per second of a pod that is never idle: batch / time per batch; < 0: unknown */
    double (*throughput_rps)(predict_runtime runtime, const calib_model *m, uint32_t batch, uint32_t sm_pct,
                             uint32_t quota_pct);
} predictor;

/* Fills *out with the predictor of that name. */
int predictor_find(predictor *out, const char *name, predict_runtime runtime); /* 0, or -1: unknown */
const char *predictor_names(void);                                             /* "table", comma separated */

#endif
