/* rapp_roofline.c - the kind `roofline`: max(G, f) with four coefficients and f at ten quotas per DNN; of a DNN known
 * by its prior alone, the same law, derived (rapp_physics_int.h). */
#include <math.h>
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

typedef struct {
    rapp_physics law;
    double launch_ms[101]; /* by quota in percent */
} roofline_bound;

static int bind(void **bound, const void *state, const char *dnn, const rapp_prior *prior,
                char err[RAPP_ERR_LEN]) {
    const rapp_laws *l = state;
    const rapp_law *law = rapp_laws_find(l, dnn);
    rapp_physics derived;
    *bound = NULL;
    if (!law && rapp_physics_from_prior(&derived, &l->transfer, prior)) return rapp_fail_unknown(dnn, err);
    roofline_bound *b = calloc(1, sizeof *b);
    *bound = b;
    if (!b) return rapp_fail_memory(err);
    b->law = law ? law->law : derived;
    for (uint32_t q = 1; q <= 100; q++) b->launch_ms[q] = rapp_physics_launch_ms(&b->law, q);
    return 0;
}

static rapp_estimate estimate(const void *bound, uint32_t batch, uint32_t sm_pct, uint32_t quota_pct) {
    const roofline_bound *b = bound;
    double gpu = rapp_physics_gpu_ms(&b->law, batch, sm_pct), launch = b->launch_ms[quota_pct];
    return (rapp_estimate){gpu > launch ? gpu : launch, b->law.error};
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
