/* calib_csv.h - measured latencies by model, as fits need them: the plain layout of calib_import.h (a header that
 * names model, batch, sm_pct, latency_ms and, where it is not 100, quota_pct; further columns ignored), one
 * measurement per line. Strict: errors name file, line and column. Measurements that a fit cannot use (several
 * processes in one partition, batches beyond CALIB_BATCH_MAX) are left out, and counted. */
#ifndef CALIB_CSV_H
#define CALIB_CSV_H

#include <stddef.h>

#include "calib.h"
#include "calib_fit.h"

#define CALIB_CSV_NAME_LEN 64

typedef struct {
    char name[CALIB_CSV_NAME_LEN];
    calib_point *points;
    size_t n, capacity;
} calib_csv_model;

typedef struct {
    calib_csv_model *models; /* by name */
    size_t n;
    size_t n_left_out; /* measurements */
} calib_csv;

/* 0, or -1 with a message; either way calib_csv_free(c). */
int calib_csv_read(calib_csv *c, const char *file, char err[CALIB_ERR_LEN]);
void calib_csv_free(calib_csv *c);

#endif
