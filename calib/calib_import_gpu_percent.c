/* calib_import_gpu_percent.c - times of LLM requests by MPS thread percentage, as measured on a GH200: a file
 * MODEL_ANYTHING.csv with, among others,
 *
 *     nr_input_tokens,nr_batches,thread_percentage,cold_start,avg_throughput,avg_total
 *     128.0,1.0,10.0,0.0,83.7,1.528       tokens; batch; % of the SMs; 0: warm; generated tokens/s; s
 *
 * A sample is the mean time of a whole request (prefill and decode) of one length, and the length belongs to the
 * model's name: MODEL-IN-OUT, where OUT = throughput x total. Rows of cold starts (cold_start 1: one request each,
 * right after loading) are counted as not measured.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "calib_import_int.h"

enum { IN, BATCH, PERCENT, THROUGHPUT, TOTAL, N_REQUIRED, COLD = N_REQUIRED, N_COLUMNS };

static const char *const columns[N_COLUMNS] = {"nr_input_tokens", "nr_batches", "thread_percentage",
                                               "avg_throughput",  "avg_total",  "cold_start"};

static const calib_series published = {
    "febr8923/bachelor-thesis: Llama-3.1-8B on a GH200", "none stated",
    "MPS active thread percentage = SM; mean time of a whole request, prefill and decode, without loading"};

/* Whole numbers are written as "10.0". */
static int read_whole(const calib_rows *r, int column, double min, double max, uint32_t *out) {
    double value;
    if (calib_rows_number(r, column, min, max, &value)) return -1;
    *out = (uint32_t)value;
    if (value == floor(value)) return 0;
    return calib_rows_fail(r, columns[column], calib_rows_text(r, column), "a whole number");
}

static int name_sample(const calib_rows *r, calib_sample *s, const char *model, uint32_t in, double out) {
    char name[128];
    if (fabs(out - floor(out + 0.5)) > 0.1)
        return calib_rows_fail(r, columns[THROUGHPUT], calib_rows_text(r, THROUGHPUT),
                               "a whole number of tokens / avg_total");
    int n = snprintf(name, sizeof name, "%s-%u-%.0f", model, (unsigned)in, out);
    if (n >= CALIB_IMPORT_NAME_LEN) return calib_rows_fail(r, "model", name, "at most 63 bytes");
    memcpy(s->model, name, (size_t)n + 1);
    return 0;
}

static int read_row(const calib_rows *r, const char *model, calib_import *to) {
    uint32_t in, cold = 0;
    double throughput, total_s;
    calib_sample s = {.quota_pct = 100, .processes = 1};
    if (read_whole(r, IN, 1, 1e7, &in) || read_whole(r, BATCH, 1, CALIB_IMPORT_BATCH_MAX, &s.batch) ||
        read_whole(r, PERCENT, 1, 100, &s.sm_pct) ||
        calib_rows_number(r, THROUGHPUT, 1e-3, 1e6, &throughput) ||
        calib_rows_number(r, TOTAL, CALIB_IMPORT_MS_MIN / 1000, CALIB_IMPORT_MS_MAX / 1000, &total_s) ||
        (calib_rows_has(r, COLD) && read_whole(r, COLD, 0, 1, &cold)))
        return -1;
    s.ms = 1000.0 * total_s;
    to->n_unmeasured += cold;
    if (cold) return 0;
    return name_sample(r, &s, model, in, throughput * total_s / s.batch) ? -1 : calib_import_add(to, &s, r);
}

int calib_import_gpu_percent(calib_import *to, const char *file, char err[CALIB_ERR_LEN]) {
    calib_rows r;
    char model[CALIB_IMPORT_NAME_LEN];
    if (calib_import_name_of(model, file, "_", err)) return -1;
    int rc = calib_rows_open_some(&r, file, columns, N_COLUMNS, N_REQUIRED, err);
    while (!rc && (rc = calib_rows_next(&r)) == 0) rc = read_row(&r, model, to);
    to->series = published;
    calib_rows_close(&r);
    return rc < 0 ? -1 : 0;
}
