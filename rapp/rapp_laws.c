/* rapp_laws.c - the laws of all DNNs of a training, and how they follow from priors (rapp_physics_int.h). */
#include <stdlib.h>
#include <string.h>

#include "rapp_physics_int.h"

enum { LAWS_MAX = 4096 };

/* Appends the law of one model; a model without points has none. */
static int train_one(rapp_laws *l, const rapp_data *data, const unsigned char *use, size_t model,
                     rapp_example *example, char err[RAPP_ERR_LEN]) {
    size_t n;
    rapp_point *points = rapp_points_of(data, use, model, &n);
    if (!points) return rapp_fail_memory(err);
    rapp_law *law = &l->laws[l->n];
    int rc = n ? rapp_physics_fit(&law->law, points, n, err) : 0;
    free(points);
    if (rc || !n) return rc;
    snprintf(law->name, sizeof law->name, "%s", rapp_data_model_name(data, model));
    *example = (rapp_example){&law->law, rapp_data_prior(data, model)};
    l->n++;
    return 0;
}

int rapp_laws_train(rapp_laws *out, const rapp_data *data, const unsigned char *use,
                    const rapp_options *options, char err[RAPP_ERR_LEN]) {
    size_t n = rapp_data_n_models(data);
    *out = (rapp_laws){.laws = calloc(n + 1, sizeof *out->laws)};
    rapp_example *examples = calloc(n + 1, sizeof *examples);
    int rc = out->laws && examples ? 0 : rapp_fail_memory(err);
    for (size_t m = 0; m < n && !rc; m++) {
        rc = train_one(out, data, use, m, &examples[out->n], err);
        if (!rc && options->progress) options->progress(options->progress_arg, rapp_data_model_name(data, m));
    }
    if (!rc) rc = rapp_transfer_learn(&out->transfer, examples, out->n, err);
    free(examples);
    return rc;
}

void rapp_laws_free(rapp_laws *l) {
    free(l->laws);
    *l = (rapp_laws){.n = 0};
}

const rapp_law *rapp_laws_find(const rapp_laws *l, const char *dnn) {
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->laws[i].name, dnn) == 0) return &l->laws[i];
    return NULL;
}

void rapp_law_bind(rapp_law_bound *b, const rapp_physics *law) {
    b->law = *law;
    b->launch_ms[0] = 0;
    for (uint32_t q = 1; q <= 100; q++) b->launch_ms[q] = rapp_physics_launch_ms(law, q);
}

rapp_estimate rapp_law_estimate(const rapp_law_bound *b, uint32_t batch, uint32_t sm_pct,
                                uint32_t quota_pct) {
    double gpu = rapp_physics_gpu_ms(&b->law, batch, sm_pct), launch = b->launch_ms[quota_pct];
    return (rapp_estimate){gpu > launch ? gpu : launch, b->law.error};
}

static cJSON *save_law(const rapp_law *law) {
    cJSON *o = cJSON_CreateObject(), *physics = rapp_physics_save(&law->law);
    if (physics && cJSON_AddItemToObject(o, "law", physics)) {
        if (cJSON_AddStringToObject(o, "name", law->name)) return o;
    } else {
        cJSON_Delete(physics);
    }
    cJSON_Delete(o);
    return NULL;
}

cJSON *rapp_laws_save(const rapp_laws *l) {
    cJSON *root = cJSON_CreateObject(), *transfer = rapp_transfer_save(&l->transfer);
    cJSON *models = cJSON_AddArrayToObject(root, "models");
    int bad = !models || !transfer || !cJSON_AddItemToObject(root, "transfer", transfer);
    if (bad) cJSON_Delete(transfer);
    for (size_t i = 0; i < l->n && !bad; i++) {
        cJSON *law = save_law(&l->laws[i]);
        bad = !law || !cJSON_AddItemToArray(models, law);
    }
    if (!bad) return root;
    cJSON_Delete(root);
    return NULL;
}

static void load_law(rapp_law *law, calib_json *j, const cJSON *from) {
    static const char *const keys[] = {"name", "law", NULL};
    calib_json_keys(j, from, keys);
    snprintf(law->name, sizeof law->name, "%s", calib_json_text(j, from, "name"));
    const cJSON *physics = calib_json_object(j, from, "law");
    size_t mark = calib_json_enter(j, "law");
    if (!j->failed) rapp_physics_load(&law->law, j, physics);
    calib_json_leave(j, mark);
}

/* By child and next: cJSON finds item i of an array in i steps. */
int rapp_laws_load(rapp_laws *l, calib_json *j, const cJSON *from) {
    static const char *const keys[] = {"models", "transfer", NULL};
    *l = (rapp_laws){.n = 0};
    calib_json_keys(j, from, keys);
    const cJSON *models = calib_json_array(j, from, "models", 1, LAWS_MAX);
    const cJSON *transfer = calib_json_object(j, from, "transfer");
    if (j->failed) return -1;
    size_t mark = calib_json_enter(j, "transfer");
    rapp_transfer_load(&l->transfer, j, transfer);
    calib_json_leave(j, mark);
    l->laws = calloc((size_t)cJSON_GetArraySize(models), sizeof *l->laws);
    if (!l->laws) return calib_json_fail(j, "out of memory");
    for (const cJSON *m = models->child; m && !j->failed; m = m->next) {
        mark = calib_json_enter(j, "models");
        size_t inner = calib_json_enter_at(j, (int)l->n);
        load_law(&l->laws[l->n++], j, m);
        calib_json_leave(j, inner);
        calib_json_leave(j, mark);
    }
    return j->failed ? -1 : 0;
}
