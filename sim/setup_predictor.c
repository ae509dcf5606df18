/* setup_predictor.c - what a policy's config says of its predictor becomes one. */
#include <stdio.h>
#include <string.h>

#include "setup_int.h"

enum { PLACE = 200 };

typedef struct {
    const config *c;
    const config_predictor *asked;
    const setup_predictor_use *use;
    char place[40], *err;
} opener;

/* A trained predictor cannot tell kinds of GPU apart */
static int check_one_gpu(const opener *o) {
    const setup_calib *const *calibs = o->use->calibs;
    for (size_t i = 1; i < o->use->n_calibs; i++) {
        if (calibs[i] == calibs[0]) continue;
        char found[PLACE];
        snprintf(found, sizeof found, "a trained predictor for %.60s and %.60s",
                 calib_device_of(calibs[0]->calibration)->name,
                 calib_device_of(calibs[i]->calibration)->name);
        return config_fail(o->err, o->c->file, o->place, found,
                           "one kind of GPU: it knows the one that it was trained on");
    }
    return 0;
}

static int check_kind(const opener *o, const setup_rapp *r) {
    char place[PLACE], found[2 * PLACE], expected[PLACE];
    if (strcmp(rapp_kind_of(r->model), o->asked->name) == 0) return 0;
    snprintf(place, sizeof place, "%s.name", o->place);
    snprintf(found, sizeof found, "\"%.40s\" for %.200s", o->asked->name, r->path);
    snprintf(expected, sizeof expected, "\"%.40s\", the file's kind", rapp_kind_of(r->model));
    return config_fail(o->err, o->c->file, place, found, expected);
}

static int open_trained(const opener *o, setup_store *store, predict_runtime runtime, predictor *out,
                        uint64_t *hash) {
    const setup_rapp *r = NULL;
    const setup_priors *priors = NULL;
    char why[RAPP_ERR_LEN];
    if (check_one_gpu(o) != 0 || setup_store_rapp(store, o->asked->model, &r, o->err) != 0 ||
        check_kind(o, r) != 0)
        return -1;
    if (o->asked->priors != NULL && setup_store_priors(store, o->asked->priors, &priors, o->err) != 0)
        return -1;
    *hash = setup_hash_bytes(*hash, &r->hash, sizeof r->hash);
    if (priors != NULL) *hash = setup_hash_bytes(*hash, &priors->hash, sizeof priors->hash);
    int rc = predictor_open_trained(out, r->model, priors == NULL ? NULL : priors->data, runtime,
                                    o->use->dnns, o->use->n_dnns, why);
    if (rc != 0) snprintf(o->err, CONFIG_ERR_LEN, "%.300s: %s: %.500s", o->c->file, o->place, why);
    return rc;
}

int setup_predictor_open(predictor *out, uint64_t *hash, setup_store *store, const config *c, size_t policy,
                         const setup_predictor_use *use, char err[CONFIG_ERR_LEN]) {
    const config_policy *p = &c->policies[policy];
    predict_runtime runtime = p->runtime == ENGINE_TOKEN ? PREDICT_TOKEN : PREDICT_METERED;
    opener o = {.c = c, .asked = &p->predictor, .use = use, .err = err};
    snprintf(o.place, sizeof o.place, "policies[%zu].predictor", policy);
    *hash = SETUP_HASH_EMPTY;
    int rc = 0;
    if (p->predictor.model != NULL)
        rc = open_trained(&o, store, runtime, out, hash);
    else if (predictor_find(out, p->predictor.name, runtime) != 0)
        rc = config_fail(err, c->file, o.place, p->predictor.name, "a known predictor");
    if (rc == 0) out->is_online = p->predictor.is_online;
    return rc;
}
