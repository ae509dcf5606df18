/* calib_import_plain.c - one measurement per line: the layout that `hassim calib import` writes and `fit` reads. */
#include <stdio.h>

#include "calib_import_int.h"

enum { MODEL, BATCH, SM, LATENCY, N_REQUIRED, QUOTA = N_REQUIRED, PROCESSES, REPETITIONS, N_COLUMNS };

static const char *const columns[N_COLUMNS] = {"model",     "batch",     "sm_pct",     "latency_ms",
                                               "quota_pct", "processes", "repetitions"};

static int read_optional(const calib_rows *r, int column, uint32_t min, uint32_t max, uint32_t absent,
                         uint32_t *out) {
    *out = absent;
    return calib_rows_has(r, column) ? calib_rows_uint(r, column, min, max, out) : 0;
}

static int read_row(const calib_rows *r, calib_import *to) {
    calib_sample s;
    const char *name;
    if (calib_rows_name(r, MODEL, CALIB_IMPORT_NAME_LEN, &name) ||
        calib_rows_uint(r, BATCH, 1, CALIB_IMPORT_BATCH_MAX, &s.batch) ||
        calib_rows_uint(r, SM, 1, 100, &s.sm_pct) || read_optional(r, QUOTA, 1, 100, 100, &s.quota_pct) ||
        read_optional(r, PROCESSES, 1, CALIB_IMPORT_PROCESSES_MAX, 1, &s.processes) ||
        read_optional(r, REPETITIONS, 0, 1000000000, 0, &s.repetitions) ||
        calib_rows_number(r, LATENCY, CALIB_IMPORT_MS_MIN, CALIB_IMPORT_MS_MAX, &s.ms))
        return -1;
    snprintf(s.model, sizeof s.model, "%s", name);
    return calib_import_add(to, &s, r);
}

int calib_import_plain(calib_import *to, const char *file, char err[CALIB_ERR_LEN]) {
    calib_rows r;
    int rc = calib_rows_open_some(&r, file, columns, N_COLUMNS, N_REQUIRED, err);
    while (!rc && (rc = calib_rows_next(&r)) == 0) rc = read_row(&r, to);
    to->series = r.series;
    calib_rows_close(&r);
    return rc < 0 ? -1 : 0;
}
