/* calib_import_int.h - the importers, one file each (calib_import.h). */
#ifndef CALIB_IMPORT_INT_H
#define CALIB_IMPORT_INT_H

#include "calib_import.h"

int calib_import_plain(calib_import *to, const char *file, char err[CALIB_ERR_LEN]);
int calib_import_rapp(calib_import *to, const char *file, char err[CALIB_ERR_LEN]);
int calib_import_parvagpu(calib_import *to, const char *file, char err[CALIB_ERR_LEN]);
int calib_import_gpu_percent(calib_import *to, const char *file, char err[CALIB_ERR_LEN]);
int calib_import_trace(calib_import *to, const char *file, char err[CALIB_ERR_LEN]);

#endif
