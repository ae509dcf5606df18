/* cli_rapp_range.c - within which shares and batches a DNN was measured: beyond them a predictor's error is a guess. */
#include "cli_rapp_int.h"
#include "setup_int.h"

#include <string.h>

static void widen(uint32_t *least, uint32_t *most, uint32_t value) {
    if (!*least || value < *least) *least = value;
    if (value > *most) *most = value;
}

static rapp_range range_of_points(const rapp_data *data, const char *dnn) {
    rapp_range r = {.is_known = 0};
    calib_facts *f = &r.measured;
    for (size_t i = 0; data && i < rapp_data_n_points(data); i++) {
        const rapp_point *p = &rapp_data_points(data)[i];
        if (strcmp(rapp_data_model_name(data, p->model), dnn) != 0) continue;
        widen(&f->batch_min, &f->batch_max, p->batch);
        widen(&f->sm_min_pct, &f->sm_max_pct, p->sm_pct);
        widen(&f->quota_min_pct, &f->quota_max_pct, p->quota_pct);
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
        const calib_facts *f = calib_facts_of(m); /* its texts go with c */
        r = (rapp_range){.is_known = 1,
                         .measured = {.batch_min = f->batch_min,
                                      .batch_max = f->batch_max,
                                      .sm_min_pct = f->sm_min_pct,
                                      .sm_max_pct = f->sm_max_pct,
                                      .quota_min_pct = f->quota_min_pct,
                                      .quota_max_pct = f->quota_max_pct}};
    }
    calib_close(c);
    return r;
}

rapp_range cli_rapp_range(const rapp_data *data, const char *device, const char *dnn) {
    rapp_range r = range_of_points(data, dnn);
    return r.is_known ? r : range_of_device(device, dnn);
}

int cli_rapp_is_extrapolated(const rapp_range *r, const rapp_args *at) {
    return r->is_known &&
           calib_is_outside(&r->measured, (uint32_t)at->batch, (uint32_t)at->sm_pct, (uint32_t)at->quota_pct);
}
