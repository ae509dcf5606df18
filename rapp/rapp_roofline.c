/* rapp_roofline.c - the kind `roofline`: max(G, f) with four coefficients and f at ten quotas per DNN; of a DNN known
 * by its prior alone, the same law, derived (rapp_physics_int.h). */
#include <stdlib.h>

#include "rapp_physics_int.h"

static int train(void **state, const rapp_data *data, const unsigned char *use, const rapp_options *options,
                 char err[RAPP_ERR_LEN]) {
    rapp_laws *l = calloc(1, sizeof *l);
    *state = l;
    if (l && !rapp_laws_train(l, data, use, options, err)) return 0;
    if (!l) return rapp_fail_memory(err);
    rapp_laws_free(l);
    free(l);
    *state = NULL;
    return -1;
}

static cJSON *save(const void *state) {
    return rapp_laws_save(state);
}

static void close(void *state) {
    if (state) rapp_laws_free(state);
    free(state);
}

static int load(void **state, const cJSON *from, char err[RAPP_ERR_LEN]) {
    calib_json j = {.file = "state", .err = err};
    rapp_laws *l = calloc(1, sizeof *l);
    *state = l;
    if (!l) return rapp_fail_memory(err);
    if (!rapp_laws_load(l, &j, from)) return 0;
    close(l);
    *state = NULL;
    return -1;
}

static int bind(void **bound, const void *state, const char *dnn, const rapp_prior *prior,
                char err[RAPP_ERR_LEN]) {
    const rapp_laws *l = state;
    const rapp_law *law = rapp_laws_find(l, dnn);
    rapp_physics derived;
    *bound = NULL;
    if (!law && rapp_physics_from_prior(&derived, &l->transfer, prior)) return rapp_fail_unknown(dnn, err);
    rapp_law_bound *b = calloc(1, sizeof *b);
    *bound = b;
    if (!b) return rapp_fail_memory(err);
    rapp_law_bind(b, law ? &law->law : &derived);
    return 0;
}

static rapp_estimate estimate(const void *bound, uint32_t batch, uint32_t sm_pct, uint32_t quota_pct) {
    return rapp_law_estimate(bound, batch, sm_pct, quota_pct);
}

const rapp_kind rapp_kind_roofline = {
    "roofline",
    "max(G, f): a roofline in batch and SM, a launch time per quota; rises with batch, falls with SM and "
    "quota",
    train,
    save,
    load,
    close,
    bind,
    estimate,
    free,
};
