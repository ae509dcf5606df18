/* cli_rapp_int.h - what the files of `hassim rapp` share. */
#ifndef CLI_RAPP_INT_H
#define CLI_RAPP_INT_H

#include "calib.h"
#include "rapp.h"
#include "rapp_eval.h"

typedef struct {
    const char *name; /* "hassim rapp eval" */
    const char *model_file, *data_dir, *kind, *out, *dnn, *device;
    unsigned long threads, folds, batch, sm_pct, quota_pct;
    uint64_t seed;
    rapp_by by;
    int json, help;
} rapp_args;

int cli_rapp_complain(const rapp_args *args, int code, const char *what); /* returns code */
rapp_options cli_rapp_options(const rapp_args *args);

/* Where the DNN was measured, least and most: by the data's points, or else as the GPU's shipped calibration says. */
typedef struct {
    int is_known;         /* 0: neither tells */
    calib_facts measured; /* its batches, SM shares and quotas, nothing else */
} rapp_range;
rapp_range cli_rapp_range(const rapp_data *data, const char *device, const char *dnn); /* data: or NULL */
int cli_rapp_is_extrapolated(const rapp_range *r, const rapp_args *at); /* 0, too, where it is not known */

int cli_rapp_eval(const rapp_args *args); /* cli_rapp_score.c */
int cli_rapp_cv(const rapp_args *args);

#endif
