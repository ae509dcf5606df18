/* calib_int.h - what the files of this folder share: the formats' names, and a model's parameters. */
#ifndef CALIB_INT_H
#define CALIB_INT_H

#include "calib.h"
#include "calib_json.h"

#define CALIB_FORMAT       "hassim-calib-1"
#define CALIB_FACTS_FORMAT "hassim-facts-1"
#define CALIB_MODELS_MAX   4096
#define CALIB_QUOTAS_MAX   100

/* G = max(launch at quota 100, fixed + fixed_per_batch * b + (work + work_per_batch * b) * 100 / SM %) */
typedef struct {
    double fixed_ms, fixed_ms_per_batch; /* does not shrink with more SMs */
    double work_ms, work_ms_per_batch;   /* at the whole GPU; inversely proportional to the SM share */
} calib_gpu_params;

double calib_gpu_params_ms(const calib_gpu_params *g, double floor_ms, uint32_t batch, uint32_t sm_pct);

/* From a document in memory; name stands in messages instead of a path. */
int calib_open_text(calib **out, const char *name, const char *text, size_t len, char err[CALIB_ERR_LEN]);

#endif
