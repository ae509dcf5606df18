/* setup_predictor.c - what a policy's config says of its predictor becomes one. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "setup_int.h"

enum { PLACE = 200, NOTE_LEN = sizeof((predictor *)0)->note };

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

/* "v100" is what is measured on a "v100-16gb". */
static int is_named_after(const char *data, const char *device) {
    size_t n = strlen(data);
    return n > 0 && strncasecmp(data, device, n) == 0 && (device[n] == '\0' || device[n] == '-');
}

/* A predictor of another GPU is refused; one that does not say whose it is, noted, unless its data are called so. */
static int check_device(const opener *o, const setup_rapp *r, char note[NOTE_LEN]) {
    const char *device = calib_device_of(o->use->calibs[0]->calibration)->name;
    rapp_origin origin = rapp_origin_of(r->model);
    char place[PLACE], found[2 * PLACE], expected[PLACE];
    if (*origin.device == '\0') {
        if (!is_named_after(origin.data, device))
            snprintf(note, NOTE_LEN,
                     "the predictor's file does not say which GPU was measured (data \"%.40s\"); this one is "
                     "a %.40s",
                     origin.data, device);
        return 0;
    }
    if (strcmp(origin.device, device) == 0) return 0;
    snprintf(place, sizeof place, "%s.model", o->place);
    snprintf(found, sizeof found, "%.200s of a %.60s (data \"%.40s\")", r->path, origin.device, origin.data);
    snprintf(expected, sizeof expected, "a predictor of this cluster's GPU, %.60s", device);
    return config_fail(o->err, o->c->file, place, found, expected);
}

static int open_trained(const opener *o, setup_store *store, predict_runtime runtime, predictor *out,
                        uint64_t *hash) {
    const setup_rapp *r = NULL;
    const setup_priors *priors = NULL;
    char why[RAPP_ERR_LEN], note[NOTE_LEN] = "";
    if (check_one_gpu(o) != 0 || setup_store_rapp(store, o->asked->model, &r, o->err) != 0 ||
        check_kind(o, r) != 0 || check_device(o, r, note) != 0)
        return -1;
    if (o->asked->priors != NULL && setup_store_priors(store, o->asked->priors, &priors, o->err) != 0)
        return -1;
    *hash = setup_hash_bytes(*hash, &r->hash, sizeof r->hash);
    if (priors != NULL) *hash = setup_hash_bytes(*hash, &priors->hash, sizeof priors->hash);
    int rc = predictor_open_trained(out, r->model, priors == NULL ? NULL : priors->data, runtime,
                                    o->use->dnns, o->use->n_dnns, why);
    if (rc != 0) snprintf(o->err, CONFIG_ERR_LEN, "%.300s: %s: %.500s", o->c->file, o->place, why);
    if (rc == 0) snprintf(out->note, sizeof out->note, "%s", note);
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
