/* cli_rapp_range.c - within which shares and batches a DNN was measured: beyond them a predictor's error is a guess. */
#include "calib.h"
#include "cli_rapp_int.h"
#include "setup_int.h"

#include <string.h>

static void widen(uint32_t range[2], uint32_t value) {
    if (!range[0] || value < range[0]) range[0] = value;
    if (value > range[1]) range[1] = value;
}

static rapp_range range_of_points(const rapp_data *data, const char *dnn) {
    rapp_range r = {.is_known = 0};
    for (size_t i = 0; data && i < rapp_data_n_points(data); i++) {
        const rapp_point *p = &rapp_data_points(data)[i];
        if (strcmp(rapp_data_model_name(data, p->model), dnn) != 0) continue;
        widen(r.batch, p->batch);
        widen(r.sm_pct, p->sm_pct);
        widen(r.quota_pct, p->quota_pct);
        r.is_known = 1;
    }
    return r;
}

/* Of the shipped calibration of that GPU */
static rapp_range range_of_device(const char *device, const char *dnn) {
    char path[SETUP_PATH_LEN], expected[SETUP_KNOWN_LEN], why[CONFIG_ERR_LEN], err[CALIB_ERR_LEN];
    calib *c = NULL;
    rapp_range r = {.is_known = 0};
    if (!*device || setup_find_device(device, path, expected, why) <= 0 || calib_open(&c, path, err))
        return r;
    const calib_model *m = calib_model_find(c, dnn);
    if (m) {
        const calib_facts *f = calib_facts_of(m);
        r = (rapp_range){.is_known = 1,
                         .batch = {f->batch_min, f->batch_max},
                         .sm_pct = {f->sm_min_pct, f->sm_max_pct},
                         .quota_pct = {f->quota_min_pct, f->quota_max_pct}};
    }
    calib_close(c);
    return r;
}

rapp_range cli_rapp_range(const rapp_data *data, const char *device, const char *dnn) {
    rapp_range r = range_of_points(data, dnn);
    return r.is_known ? r : range_of_device(device, dnn);
}

static int is_within(const uint32_t range[2], unsigned long value) {
    return value >= range[0] && value <= range[1];
}

int cli_rapp_is_extrapolated(const rapp_range *r, unsigned long batch, unsigned long sm_pct,
                             unsigned long quota_pct) {
    return r->is_known && !(is_within(r->batch, batch) && is_within(r->sm_pct, sm_pct) &&
                            is_within(r->quota_pct, quota_pct));
}
