/* calib_trace.h - what hassim-calibrate measured on a GPU (its JSON file, "hassim-measured-1"; README.md has the schema).
 *
 * Reading checks: keys, types, ranges; that statistics are in order (min <= lo <= median <= hi <= max); that each
 * record's key says what its fields say, and comes once; that partitions fit into the device; that nothing was measured
 * of a workload whose operators failed verification. Contradictions between measurements (the file's own `checks`) are
 * no errors: they are told, with the noise floor. Errors are one line: file, JSON path, found, expected.
 *
 * Times are milliseconds as measured: wall time of a lone inference on the host's clock for latencies, its mean over all
 * phases of the window for quotas. Strings belong to the trace and live until calib_trace_close.
 */
#ifndef CALIB_TRACE_H
#define CALIB_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "calib.h"

typedef struct calib_trace calib_trace;

typedef enum { CALIB_TRACE_WHOLE, CALIB_TRACE_GREEN, CALIB_TRACE_MPS } calib_trace_partition;
typedef enum { CALIB_TRACE_NO_QUOTA, CALIB_TRACE_TOKEN, CALIB_TRACE_METERED } calib_trace_quota;

typedef struct {
    const char *device, *uuid, *date, *generated_by, *libraries, *precision, *mps;
    uint32_t sm_count, driver;
    size_t planned, measured, failed, throttled;
    double noise_floor_pct; /* negative: not known, too little was measured */
    size_t contradictions;
} calib_trace_info;

typedef struct {
    const char *workload;
    uint32_t batch, sms;
    calib_trace_partition partition;
    calib_trace_quota quota;
    uint32_t quota_pct;  /* 100 without quota */
    uint32_t n, repeat;  /* samples; which repeat of the step */
    double ms;           /* median; for quotas the mean */
    double lo_ms, hi_ms; /* 95 % interval of the median */
    double gpu_ms;       /* the GPU's own time (median, launches out of the way); 0 for quotas */
    int throttled;
} calib_trace_latency;

/* Whether a file is one, by its "format"; 0 too for what cannot be read. */
int calib_trace_is(const char *file);
/* 0, or -1 with a message. */
int calib_trace_open(calib_trace **out, const char *file, char err[CALIB_ERR_LEN]);
int calib_trace_open_text(calib_trace **out, const char *name, const char *text, size_t len,
                          char err[CALIB_ERR_LEN]);
void calib_trace_close(calib_trace *t);

const calib_trace_info *calib_trace_info_of(const calib_trace *t);
/* Latencies with and without quotas, in the file's order. */
size_t calib_trace_n(const calib_trace *t);
const calib_trace_latency *calib_trace_at(const calib_trace *t, size_t i);

#endif
