/* cli_rapp_int.h - what the files of `hassim rapp` share. */
#ifndef CLI_RAPP_INT_H
#define CLI_RAPP_INT_H

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

int cli_rapp_eval(const rapp_args *args); /* cli_rapp_score.c */
int cli_rapp_cv(const rapp_args *args);

#endif
