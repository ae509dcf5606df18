/* calib_import_parvagpu.c - MunQ-Lee/ParvaGPU_SC24's A100 profiles, one file per model, named after it:
 *
 *     Mig instance,Batch size,Workload Number,Throughput,Latency
 *     1,4,2,168.531,0.024          1g instance, batch 4, 2 processes under MPS: 168.5/s each, 0.024 s
 *     1,64,1,0,0                   not run (it does not fit into the instance's memory)
 *
 * Throughput is one process's: throughput x latency = batch in every row, within the rounding of the latency to 1 ms.
 * The sample's latency is therefore batch / throughput, which has three more digits; a row whose latency contradicts
 * it is refused. An instance of k of 7 compute slices is k/7 of the GPU's SMs, in whole percent, as the simulator asks.
 */
#include <math.h>
#include <stdio.h>

#include "calib_import_int.h"

enum { INSTANCE, BATCH, PROCESSES, THROUGHPUT, LATENCY, N_COLUMNS, SLICES = 7 };

static const char *const columns[N_COLUMNS] = {"Mig instance", "Batch size", "Workload Number", "Throughput",
                                               "Latency"};

static const calib_series published = {
    "MunQ-Lee/ParvaGPU_SC24: profiles on an A100 80 GB", "MIT",
    "MIG instances of 1, 2, 3, 4 and 7 slices (SM share k/7; memory bandwidth is sliced, too: 1/8, 2/8, 4/8, "
    "4/8, 8/8),"
    " closed loop of 1 to 5 processes under MPS; latency = batch / throughput of one process"};

/* Half a millisecond of rounding, and 3 % between a mean of latencies and an inverse mean rate */
static int contradicts(double ms, double stated_ms) {
    return fabs(ms - stated_ms) > 0.51 + 0.03 * ms;
}

static int read_row(const calib_rows *r, const char *model, calib_import *to) {
    uint32_t instance;
    double throughput, latency_s;
    calib_sample s = {.quota_pct = 100};
    if (calib_rows_uint(r, INSTANCE, 1, SLICES, &instance) ||
        calib_rows_uint(r, BATCH, 1, CALIB_IMPORT_BATCH_MAX, &s.batch) ||
        calib_rows_uint(r, PROCESSES, 1, CALIB_IMPORT_PROCESSES_MAX, &s.processes) ||
        calib_rows_number(r, THROUGHPUT, 0, 1e6, &throughput) ||
        calib_rows_number(r, LATENCY, 0, 1e3, &latency_s))
        return -1;
    if (throughput <= 0 && latency_s <= 0) {
        to->n_unmeasured++;
        return 0;
    }
    s.sm_pct = (uint32_t)floor(100.0 * instance / SLICES + 0.5);
    s.ms = 1000.0 * s.batch / throughput;
    if (!(s.ms >= CALIB_IMPORT_MS_MIN && s.ms <= CALIB_IMPORT_MS_MAX))
        return calib_rows_fail(r, columns[THROUGHPUT], calib_rows_text(r, THROUGHPUT),
                               "batch / throughput from 0.000001 to 1000 s");
    if (contradicts(s.ms, 1000.0 * latency_s))
        return calib_rows_fail(r, columns[LATENCY], calib_rows_text(r, LATENCY),
                               "batch / throughput, within 3 % and 0.5 ms");
    snprintf(s.model, sizeof s.model, "%s", model);
    return calib_import_add(to, &s, r);
}

int calib_import_parvagpu(calib_import *to, const char *file, char err[CALIB_ERR_LEN]) {
    calib_rows r;
    char model[CALIB_IMPORT_NAME_LEN];
    if (calib_import_name_of(model, file, "", err)) return -1;
    int rc = calib_rows_open(&r, file, columns, N_COLUMNS, err);
    while (!rc && (rc = calib_rows_next(&r)) == 0) rc = read_row(&r, model, to);
    to->series = published;
    calib_rows_close(&r);
    return rc < 0 ? -1 : 0;
}
