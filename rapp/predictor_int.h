/* predictor_int.h - private to predictor*.c: answers of trained predictors. */
#ifndef PREDICTOR_INT_H
#define PREDICTOR_INT_H

#include "predictor.h"

/* Latency under the token runtime; batch, SM and quota are in range. < 0: unknown, or a DNN that it is not bound to. */
double predictor_trained_ms(const struct predictor_trained *t, const calib_model *dnn, uint32_t batch,
                            uint32_t sm_pct, uint32_t quota_pct);

#endif
