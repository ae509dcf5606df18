/* calib_build.c - measurements and hand-written facts become a device file. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "calib_csv.h"
#include "calib_fit.h"
#include "calib_int.h"
#include "calib_uncertainty.h"

enum { FACT_POINTS_MAX = 1000, FEW_POINTS = 20 };

typedef struct {
    calib_json json;
    const cJSON *facts, *defaults;
    const char *csv_series;
    cJSON *models; /* being made */
} build;

static cJSON *add_numbers(cJSON *object, const char *key, const double *values, int n) {
    cJSON *a = cJSON_CreateDoubleArray(values, n);
    cJSON_AddItemToObject(object, key, a);
    return a;
}

static void add_fit(cJSON *o, const calib_fit *f) {
    double quota[100];
    for (int k = 0; k < f->n_quotas; k++) quota[k] = f->quota_pct[k];
    cJSON *gpu = cJSON_AddObjectToObject(o, "gpu");
    cJSON_AddNumberToObject(gpu, "fixed_ms", f->fixed_ms);
    cJSON_AddNumberToObject(gpu, "fixed_ms_per_batch", f->fixed_ms_per_batch);
    cJSON_AddNumberToObject(gpu, "work_ms", f->work_ms);
    cJSON_AddNumberToObject(gpu, "work_ms_per_batch", f->work_ms_per_batch);
    cJSON *launch = cJSON_AddObjectToObject(o, "launch");
    add_numbers(launch, "quota_pct", quota, f->n_quotas);
    add_numbers(launch, "ms", f->launch_ms, f->n_quotas);
    cJSON *fit = cJSON_AddObjectToObject(o, "fit");
    cJSON_AddNumberToObject(fit, "mape_pct", f->mape_pct);
    cJSON_AddNumberToObject(fit, "median_pct", f->median_pct);
    cJSON_AddNumberToObject(fit, "p90_pct", f->p90_pct);
    cJSON_AddNumberToObject(fit, "points", (double)f->points);
}

static void add_uncertainty(build *b, cJSON *o, const calib_fit *f, const calib_point *points, size_t n) {
    calib_uncertainty u;
    int rc = calib_uncertainty_estimate(&u, f, points, n);
    if (rc < 0) calib_json_fail(&b->json, "out of memory");
    if (rc <= 0) return;
    cJSON *x = cJSON_AddObjectToObject(o, "uncertainty");
    cJSON_AddNumberToObject(x, "cells", (double)u.cells);
    add_numbers(x, "gpu_factor_ms", u.gpu_factor_ms, CALIB_FACTOR_LEN);
    add_numbers(x, "launch_sd_pct", u.launch_sd_pct, f->n_quotas);
    cJSON_AddNumberToObject(x, "gpu_residual_pct", u.gpu_residual_pct);
    cJSON_AddNumberToObject(x, "launch_residual_pct", u.launch_residual_pct);
}

static void add_measured(cJSON *o, const calib_point *p, size_t n) {
    double batch[2] = {p->batch, p->batch}, sm[2] = {p->sm_pct, p->sm_pct},
           quota[2] = {p->quota_pct, p->quota_pct};
    for (size_t i = 1; i < n; i++) {
        batch[0] = fmin(batch[0], p[i].batch), batch[1] = fmax(batch[1], p[i].batch);
        sm[0] = fmin(sm[0], p[i].sm_pct), sm[1] = fmax(sm[1], p[i].sm_pct);
        quota[0] = fmin(quota[0], p[i].quota_pct), quota[1] = fmax(quota[1], p[i].quota_pct);
    }
    cJSON *measured = cJSON_AddObjectToObject(o, "measured");
    add_numbers(measured, "batch", batch, 2);
    add_numbers(measured, "sm_pct", sm, 2);
    add_numbers(measured, "quota_pct", quota, 2);
}

/* The model's own fact, else the default for all. */
static const cJSON *fact(build *b, const cJSON *model, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(model, key);
    if (!item) item = cJSON_GetObjectItemCaseSensitive(b->defaults, key);
    if (!item) calib_json_fail(&b->json, "%s: missing here and in defaults", key);
    return item;
}

static void add_facts(build *b, cJSON *o, const cJSON *model) {
    static const char *const copied[] = {"memory_mib", "warmup_ms",    "overhead_ms",
                                         "noise_cv",   "facts_source", NULL};
    double parameters = calib_json_number(&b->json, model, "parameters", 1, 1e13), bytes = 4; /* float32 */
    if (cJSON_GetObjectItemCaseSensitive(model, "parameter_bytes"))
        bytes = calib_json_number(&b->json, model, "parameter_bytes", 0.125, 8);
    cJSON_AddNumberToObject(o, "weights_mib", floor(parameters * bytes / 1048576.0 * 10 + 0.5) / 10);
    for (const char *const *key = copied; *key && !b->json.failed; key++) {
        const cJSON *item = fact(b, model, *key);
        if (item) cJSON_AddItemToObject(o, *key, cJSON_Duplicate(item, 1));
    }
}

static void add_model(build *b, const char *name, const cJSON *model, const calib_point *points, size_t n,
                      int from_csv) {
    calib_fit fit;
    char err[CALIB_ERR_LEN];
    if (calib_fit_points(&fit, points, n, err)) {
        calib_json_fail(&b->json, "%s", err);
        return;
    }
    cJSON *o = cJSON_AddObjectToObject(b->models, name);
    const char *series = from_csv ? b->csv_series : calib_json_text(&b->json, model, "series");
    cJSON_AddStringToObject(o, "series", series);
    cJSON_AddBoolToObject(o, "weak", !from_csv || n < FEW_POINTS); /* points written by hand are few */
    add_fit(o, &fit);
    add_uncertainty(b, o, &fit, points, n);
    add_measured(o, points, n);
    add_facts(b, o, model);
}

static void add_from_csv(build *b, const calib_csv_model *m) {
    const cJSON *models = cJSON_GetObjectItemCaseSensitive(b->facts, "models");
    const cJSON *model = cJSON_GetObjectItemCaseSensitive(models, m->name);
    size_t mark = calib_json_enter(&b->json, m->name);
    if (!cJSON_IsObject(model))
        calib_json_fail(&b->json, "missing, expected the facts of a model that was measured");
    else
        add_model(b, m->name, model, m->points, m->n, 1);
    calib_json_leave(&b->json, mark);
}

/* "points": [[batch, SM %, quota %, ms], ...] */
static void add_from_facts(build *b, const cJSON *model) {
    calib_json *j = &b->json;
    calib_point points[FACT_POINTS_MAX];
    const cJSON *list = calib_json_array(j, model, "points", 1, FACT_POINTS_MAX);
    int n = cJSON_GetArraySize(list);
    size_t mark = calib_json_enter(j, "points");
    for (int i = 0; i < n && !j->failed; i++) {
        const cJSON *p = cJSON_GetArrayItem(list, i);
        size_t at = calib_json_enter_at(j, i);
        if (!cJSON_IsArray(p) || cJSON_GetArraySize(p) != 4)
            calib_json_fail(j, "expected [batch, SM %%, quota %%, ms]");
        points[i].batch = calib_json_uint_at(j, p, 0, 1, CALIB_BATCH_MAX);
        points[i].sm_pct = calib_json_uint_at(j, p, 1, 1, 100);
        points[i].quota_pct = calib_json_uint_at(j, p, 2, 1, 100);
        points[i].ms = calib_json_number_at(j, p, 3, 1e-3, 1e6);
        calib_json_leave(j, at);
    }
    calib_json_leave(j, mark);
    if (!j->failed) add_model(b, model->string, model, points, (size_t)n, 0);
}

static void check_keys_of(build *b, const char *key, const cJSON *object, const char *const *keys) {
    size_t mark = calib_json_enter(&b->json, key);
    if (!cJSON_IsObject(object)) calib_json_fail(&b->json, "expected an object");
    calib_json_keys(&b->json, object, keys);
    calib_json_leave(&b->json, mark);
}

static void check_facts(build *b) {
    static const char *const top[] = {"format", "device", "series", "csv_series", "defaults", "models", NULL};
    static const char *const defaults[] = {"memory_mib", "warmup_ms",    "overhead_ms",
                                           "noise_cv",   "facts_source", NULL};
    static const char *const model[] = {
        "parameters", "parameter_bytes", "series",   "points",       "memory_mib",
        "warmup_ms",  "overhead_ms",     "noise_cv", "facts_source", NULL};
    calib_json *j = &b->json;
    if (!cJSON_IsObject(b->facts)) calib_json_fail(j, "expected an object");
    calib_json_keys(j, b->facts, top);
    calib_json_is(j, b->facts, "format", CALIB_FACTS_FORMAT);
    calib_json_object(j, b->facts, "device");
    calib_json_object(j, b->facts, "series");
    b->csv_series = calib_json_text(j, b->facts, "csv_series");
    b->defaults = calib_json_object(j, b->facts, "defaults");
    const cJSON *models = calib_json_object(j, b->facts, "models");
    if (j->failed) return;
    check_keys_of(b, "defaults", b->defaults, defaults);
    size_t mark = calib_json_enter(j, "models");
    for (const cJSON *m = models->child; m && !j->failed; m = m->next) check_keys_of(b, m->string, m, model);
    calib_json_leave(j, mark);
}

static void add_models(build *b, const calib_csv *csv) {
    size_t mark = calib_json_enter(&b->json, "models");
    for (size_t i = 0; i < csv->n && !b->json.failed; i++) add_from_csv(b, &csv->models[i]);
    const cJSON *models = cJSON_GetObjectItemCaseSensitive(b->facts, "models");
    for (const cJSON *m = models->child; m && !b->json.failed; m = m->next) {
        size_t at = calib_json_enter(&b->json, m->string);
        if (cJSON_GetObjectItemCaseSensitive(m, "points")) add_from_facts(b, m);
        calib_json_leave(&b->json, at);
    }
    calib_json_leave(&b->json, mark);
}

static cJSON *make_document(build *b, const calib_csv *csv) {
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "format", CALIB_FORMAT);
    cJSON_AddStringToObject(root, "generated_by", "hassim calib fit");
    cJSON_AddItemToObject(root, "device",
                          cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(b->facts, "device"), 1));
    cJSON_AddItemToObject(root, "series",
                          cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(b->facts, "series"), 1));
    b->models = cJSON_AddObjectToObject(root, "models");
    add_models(b, csv);
    return root;
}

/* What the facts brought in unchecked (the device, the series) is checked in the finished file. */
static int check_document(const char *facts_json, const char *text, char err[CALIB_ERR_LEN]) {
    char name[256];
    calib *c;
    snprintf(name, sizeof name, "%.200s (merged with the fit)", facts_json);
    if (calib_open_text(&c, name, text, strlen(text), err)) return -1;
    calib_close(c);
    return 0;
}

static char *print_document(const cJSON *root, const char *facts_json, char err[CALIB_ERR_LEN]) {
    char *bare = cJSON_Print(root);
    size_t len = bare ? strlen(bare) : 0;
    char *text = bare ? malloc(len + 2) : NULL;
    if (text) {
        memcpy(text, bare, len);
        memcpy(text + len, "\n", 2);
    } else {
        snprintf(err, CALIB_ERR_LEN, "%s: out of memory", facts_json);
    }
    cJSON_free(bare);
    if (text && check_document(facts_json, text, err) == 0) return text;
    free(text);
    return NULL;
}

int calib_fit_files(char **json, size_t *n_left_out, const char *latency_csv, const char *facts_json,
                    char err[CALIB_ERR_LEN]) {
    build b = {.json = {.file = facts_json, .err = err}};
    calib_csv csv = {.n = 0};
    *json = NULL;
    cJSON *facts = calib_json_read(facts_json, err);
    b.facts = facts;
    if (facts) check_facts(&b);
    if (facts && !b.json.failed && calib_csv_read(&csv, latency_csv, err) == 0) {
        cJSON *root = make_document(&b, &csv);
        if (!b.json.failed) *json = print_document(root, facts_json, err);
        cJSON_Delete(root);
    }
    cJSON_Delete(facts);
    if (n_left_out) *n_left_out = csv.n_left_out;
    calib_csv_free(&csv);
    return *json ? 0 : -1;
}
