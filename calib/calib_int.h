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

enum { CALIB_FACTOR_LEN = 10 };

/* What a file says of a model's uncertainty (README.md, calib_uncertainty.h) */
typedef struct {
    int is_known;
    double gpu_factor_ms[CALIB_FACTOR_LEN];
    double launch_sd_pct[101]; /* by quota %, [0] unused */
    double gpu_residual_pct, launch_residual_pct;
} calib_doubt;

/* Takes the document, which calib_int_root shows again: it owns every text of the calib. */
int calib_int_open_root(calib **out, const char *name, cJSON *root, char err[CALIB_ERR_LEN]);
const cJSON *calib_int_root(const calib *c);

/* From a document in memory; name stands in messages instead of a path. */
int calib_open_text(calib **out, const char *name, const char *text, size_t len, char err[CALIB_ERR_LEN]);

#endif
