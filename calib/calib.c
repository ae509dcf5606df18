/* calib.c - loads and checks a device file, and evaluates it. The file's schema is in README.md beside this.
 */
#include "calib.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "calib_int.h"

struct calib_model {
    calib_facts facts;
    calib_gpu_params gpu;
    double launch_ms[101]; /* by quota %, [0] unused */
    calib_doubt doubt;
};

struct calib {
    cJSON *root; /* owns every string */
    calib_device device;
    size_t n_models;
    calib_model *models;
};

static int text_is(const char *text, const char *expected) {
    return strcmp(text, expected) == 0;
}

static void load_cold_start(calib_json *j, calib_device *d, const cJSON *device) {
    static const char *const keys[] = {"schedule_ms", "container_ms", "context_ms", "load_mib_per_s",
                                       "cv",          "source",       NULL};
    const cJSON *o = calib_json_object(j, device, "cold_start");
    if (!o) return;
    size_t mark = calib_json_enter(j, "cold_start");
    calib_json_keys(j, o, keys);
    d->schedule_ms = calib_json_number(j, o, "schedule_ms", 0, 3.6e6);
    d->container_ms = calib_json_number(j, o, "container_ms", 0, 3.6e6);
    d->context_ms = calib_json_number(j, o, "context_ms", 0, 3.6e6);
    d->load_mib_per_s = calib_json_number(j, o, "load_mib_per_s", 1e-3, 1e9);
    d->cold_start_cv = calib_json_number(j, o, "cv", 0, 10);
    d->cold_start_source = calib_json_text(j, o, "source");
    calib_json_leave(j, mark);
}

static void load_device(calib_json *j, calib_device *d, const cJSON *root) {
    static const char *const keys[] = {
        "name",         "description",  "sm_count",   "memory_mib", "max_processes",
        "sm_resizable", "sm_resize_ms", "cold_start", "source",     NULL};
    const cJSON *o = calib_json_object(j, root, "device");
    if (!o) return;
    size_t mark = calib_json_enter(j, "device");
    calib_json_keys(j, o, keys);
    d->name = calib_json_text(j, o, "name");
    d->description = calib_json_text(j, o, "description");
    d->sm_count = calib_json_uint(j, o, "sm_count", 1, 4096);
    d->memory_mib = calib_json_uint(j, o, "memory_mib", 1, 16u << 20);
    d->max_processes = calib_json_uint(j, o, "max_processes", 1, 4096);
    d->sm_resizable = calib_json_bool(j, o, "sm_resizable");
    if (d->sm_resizable) d->sm_resize_ms = calib_json_number(j, o, "sm_resize_ms", 0, 60000);
    d->source = calib_json_text(j, o, "source");
    load_cold_start(j, d, o);
    calib_json_enter(j, "name");
    calib_json_name(j, d->name);
    calib_json_leave(j, mark);
}

static void load_series(calib_json *j, calib_facts *f, const cJSON *root, const char *key) {
    static const char *const keys[] = {"source", "licence", "method", "date", NULL};
    const cJSON *all = calib_json_object(j, root, "series");
    if (!all) return;
    size_t top = calib_json_enter(j, "series");
    const cJSON *o = calib_json_object(j, all, key);
    if (o) {
        size_t mark = calib_json_enter(j, key);
        calib_json_keys(j, o, keys);
        f->source = calib_json_text(j, o, "source");
        f->licence = calib_json_text(j, o, "licence");
        f->method = calib_json_text(j, o, "method");
        f->date = calib_json_text(j, o, "date");
        calib_json_leave(j, mark);
    }
    calib_json_leave(j, top);
}

/* Coefficients >= 0 make G fall with SM and rise with the batch, so no grid needs to be searched. */
static void load_gpu(calib_json *j, calib_gpu_params *g, const cJSON *model) {
    static const char *const keys[] = {"fixed_ms", "fixed_ms_per_batch", "work_ms", "work_ms_per_batch",
                                       NULL};
    const cJSON *o = calib_json_object(j, model, "gpu");
    if (!o) return;
    size_t mark = calib_json_enter(j, "gpu");
    calib_json_keys(j, o, keys);
    g->fixed_ms = calib_json_number(j, o, "fixed_ms", 0, 1e6);
    g->fixed_ms_per_batch = calib_json_number(j, o, "fixed_ms_per_batch", 0, 1e6);
    g->work_ms = calib_json_number(j, o, "work_ms", 0, 1e6);
    g->work_ms_per_batch = calib_json_number(j, o, "work_ms_per_batch", 0, 1e6);
    calib_json_leave(j, mark);
}

/* Between measured quotas f is linear in 1/quota (a launch budget spent at the rate of the quota, spec 2.4),
 * below the first it grows as 1/quota. */
static void fill_launch(calib_model *m, const uint32_t *quota, const double *ms, int n) {
    int k = 0;
    for (uint32_t q = 1; q <= 100; q++) {
        while (k < n && quota[k] < q) k++;
        if (quota[k] == q) {
            m->launch_ms[q] = ms[k];
        } else if (k == 0) {
            m->launch_ms[q] = ms[0] * quota[0] / q;
        } else {
            double a = 1.0 / quota[k - 1], b = 1.0 / quota[k], t = (a - 1.0 / q) / (a - b);
            m->launch_ms[q] = ms[k - 1] + t * (ms[k] - ms[k - 1]);
        }
    }
}

/* Returns the number of quotas listed. */
static int load_launch(calib_json *j, calib_model *m, const cJSON *model) {
    static const char *const keys[] = {"quota_pct", "ms", NULL};
    const cJSON *o = calib_json_object(j, model, "launch");
    if (!o) return 0;
    size_t mark = calib_json_enter(j, "launch");
    calib_json_keys(j, o, keys);
    const cJSON *quotas = calib_json_array(j, o, "quota_pct", 1, CALIB_QUOTAS_MAX);
    int n = cJSON_GetArraySize(quotas);
    const cJSON *values = quotas ? calib_json_array(j, o, "ms", n, n) : NULL;
    uint32_t quota[CALIB_QUOTAS_MAX] = {0};
    double ms[CALIB_QUOTAS_MAX] = {0};
    for (int i = 0; values && i < n && !j->failed; i++) {
        size_t at = calib_json_enter(j, "quota_pct");
        quota[i] = calib_json_uint_at(j, quotas, i, i ? quota[i - 1] + 1 : 1, 100);
        calib_json_leave(j, at);
        at = calib_json_enter(j, "ms");
        ms[i] = calib_json_number_at(j, values, i, 1e-6, i ? ms[i - 1] : 1e6);
        calib_json_leave(j, at);
    }
    if (!j->failed && quota[n - 1] != 100)
        calib_json_fail(j, "quota_pct ends at %u, expected 100", quota[n - 1]);
    if (!j->failed) fill_launch(m, quota, ms, n);
    calib_json_leave(j, mark);
    return n;
}

static void load_range(calib_json *j, uint32_t *from, uint32_t *to, const cJSON *o, const char *key,
                       uint32_t max) {
    const cJSON *a = calib_json_array(j, o, key, 2, 2);
    if (!a) return;
    size_t mark = calib_json_enter(j, key);
    *from = calib_json_uint_at(j, a, 0, 1, max);
    *to = calib_json_uint_at(j, a, 1, *from, max);
    calib_json_leave(j, mark);
}

static void load_measured(calib_json *j, calib_facts *f, const cJSON *model) {
    static const char *const keys[] = {"batch", "sm_pct", "quota_pct", NULL};
    const cJSON *o = calib_json_object(j, model, "measured");
    if (!o) return;
    size_t mark = calib_json_enter(j, "measured");
    calib_json_keys(j, o, keys);
    load_range(j, &f->batch_min, &f->batch_max, o, "batch", CALIB_BATCH_MAX);
    load_range(j, &f->sm_min_pct, &f->sm_max_pct, o, "sm_pct", 100);
    load_range(j, &f->quota_min_pct, &f->quota_max_pct, o, "quota_pct", 100);
    calib_json_leave(j, mark);
}

static void load_fit(calib_json *j, calib_facts *f, const cJSON *model) {
    static const char *const keys[] = {"mape_pct", "median_pct", "p90_pct", "points", NULL};
    const cJSON *o = calib_json_object(j, model, "fit");
    if (!o) return;
    size_t mark = calib_json_enter(j, "fit");
    calib_json_keys(j, o, keys);
    f->fit_mape_pct = calib_json_number(j, o, "mape_pct", 0, 1e6);
    f->fit_median_pct = calib_json_number(j, o, "median_pct", 0, 1e6);
    f->fit_p90_pct = calib_json_number(j, o, "p90_pct", 0, 1e6);
    f->fit_points = calib_json_uint(j, o, "points", 1, UINT32_MAX);
    calib_json_leave(j, mark);
}

/* Between and below the listed quotas f is as uncertain as at the next one above. */
static void fill_launch_sd(calib_json *j, calib_doubt *d, const cJSON *o, const cJSON *model, int n) {
    const cJSON *quotas =
        cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(model, "launch"), "quota_pct");
    const cJSON *sds = calib_json_array(j, o, "launch_sd_pct", n, n);
    size_t mark = calib_json_enter(j, "launch_sd_pct");
    for (int k = 0, q = 1; sds && k < n && !j->failed; k++) {
        double sd = calib_json_number_at(j, sds, k, 0, 1e6);
        for (int upto = cJSON_GetArrayItem(quotas, k)->valueint; q <= upto; q++) d->launch_sd_pct[q] = sd;
    }
    calib_json_leave(j, mark);
}

static void load_factor(calib_json *j, calib_doubt *d, const cJSON *o) {
    const cJSON *a = calib_json_array(j, o, "gpu_factor_ms", CALIB_FACTOR_LEN, CALIB_FACTOR_LEN);
    size_t mark = calib_json_enter(j, "gpu_factor_ms");
    for (int i = 0; a && i < CALIB_FACTOR_LEN; i++)
        d->gpu_factor_ms[i] = calib_json_number_at(j, a, i, -1e6, 1e6);
    calib_json_leave(j, mark);
}

/* Optional: numbers from another hand have none. */
static void load_uncertainty(calib_json *j, calib_doubt *d, const cJSON *model, int n_quotas) {
    static const char *const keys[] = {
        "cells", "gpu_factor_ms", "launch_sd_pct", "gpu_residual_pct", "launch_residual_pct", NULL};
    if (j->failed || !cJSON_GetObjectItemCaseSensitive(model, "uncertainty")) return;
    const cJSON *o = calib_json_object(j, model, "uncertainty");
    size_t mark = calib_json_enter(j, "uncertainty");
    calib_json_keys(j, o, keys);
    calib_json_uint(j, o, "cells", 1, UINT32_MAX);
    load_factor(j, d, o);
    fill_launch_sd(j, d, o, model, n_quotas);
    d->gpu_residual_pct = calib_json_number(j, o, "gpu_residual_pct", 0, 1e6);
    d->launch_residual_pct = calib_json_number(j, o, "launch_residual_pct", 0, 1e6);
    d->is_known = 1;
    calib_json_leave(j, mark);
}

static void load_facts(calib_json *j, calib_facts *f, const cJSON *model) {
    static const char *const keys[] = {"mean", "cv", NULL};
    f->weak = calib_json_bool(j, model, "weak");
    f->weights_mib = calib_json_number(j, model, "weights_mib", 0, 1e7);
    f->memory_mib = calib_json_number(j, model, "memory_mib", 1, 1e7);
    f->warmup_ms = calib_json_number(j, model, "warmup_ms", 0, 3.6e6);
    f->noise_cv = calib_json_number(j, model, "noise_cv", 0, 10);
    f->facts_source = calib_json_text(j, model, "facts_source");
    const cJSON *o = calib_json_object(j, model, "overhead_ms");
    if (!o) return;
    size_t mark = calib_json_enter(j, "overhead_ms");
    calib_json_keys(j, o, keys);
    f->overhead_ms.mean = calib_json_number(j, o, "mean", 0, 1e6);
    f->overhead_ms.cv = calib_json_number(j, o, "cv", 0, 10);
    calib_json_leave(j, mark);
}

static void load_model(calib_json *j, calib_model *m, const cJSON *root, const cJSON *o) {
    static const char *const keys[] = {
        "series",      "weak",       "gpu",       "launch",      "measured", "fit",          "uncertainty",
        "weights_mib", "memory_mib", "warmup_ms", "overhead_ms", "noise_cv", "facts_source", NULL};
    size_t mark = calib_json_enter(j, o->string);
    m->facts.name = o->string;
    calib_json_name(j, o->string);
    if (!cJSON_IsObject(o)) calib_json_fail(j, "expected an object");
    calib_json_keys(j, o, keys);
    const char *series = calib_json_text(j, o, "series");
    load_gpu(j, &m->gpu, o);
    int n_quotas = load_launch(j, m, o);
    load_measured(j, &m->facts, o);
    load_fit(j, &m->facts, o);
    load_uncertainty(j, &m->doubt, o, n_quotas);
    load_facts(j, &m->facts, o);
    calib_json_leave(j, mark);
    if (j->failed) return;
    calib_json_leave(j, 0); /* the series stand at the top of the file */
    load_series(j, &m->facts, root, series);
    calib_json_enter(j, "models");
}

static void check_twins(calib_json *j, const calib *c) {
    for (size_t i = 0; i < c->n_models && !j->failed; i++)
        for (size_t k = 0; k < i; k++)
            if (text_is(c->models[k].facts.name, c->models[i].facts.name))
                calib_json_fail(j, "model %s appears twice", c->models[i].facts.name);
}

static void load_models(calib_json *j, calib *c) {
    const cJSON *all = calib_json_object(j, c->root, "models");
    if (!all) return;
    size_t mark = calib_json_enter(j, "models");
    int n = cJSON_GetArraySize(all);
    if (n < 1 || n > CALIB_MODELS_MAX)
        calib_json_fail(j, "found %d models, expected 1 to %d", n, CALIB_MODELS_MAX);
    c->models = j->failed ? NULL : calloc((size_t)n, sizeof *c->models);
    if (!c->models) calib_json_fail(j, "out of memory");
    for (const cJSON *o = all->child; o && !j->failed; o = o->next)
        load_model(j, &c->models[c->n_models++], c->root, o);
    check_twins(j, c);
    calib_json_leave(j, mark);
}

static void load(calib_json *j, calib *c) {
    static const char *const keys[] = {"format", "generated_by", "device", "series", "models", NULL};
    if (!cJSON_IsObject(c->root)) calib_json_fail(j, "expected an object");
    calib_json_keys(j, c->root, keys);
    calib_json_is(j, c->root, "format", CALIB_FORMAT);
    calib_json_text(j, c->root, "generated_by");
    load_device(j, &c->device, c->root);
    if (!j->failed) load_models(j, c);
}

int calib_int_open_root(calib **out, const char *name, cJSON *root, char err[CALIB_ERR_LEN]) {
    *out = NULL;
    if (!root) return -1;
    calib *c = calloc(1, sizeof *c);
    if (!c) {
        snprintf(err, CALIB_ERR_LEN, "%s: out of memory", name);
        cJSON_Delete(root);
        return -1;
    }
    c->root = root;
    calib_json j = {.file = name, .err = err};
    load(&j, c);
    if (j.failed) {
        calib_close(c);
        return -1;
    }
    *out = c;
    return 0;
}

const cJSON *calib_int_root(const calib *c) {
    return c->root;
}

int calib_open(calib **out, const char *path, char err[CALIB_ERR_LEN]) {
    return calib_int_open_root(out, path, calib_json_read(path, err), err);
}

int calib_open_text(calib **out, const char *name, const char *text, size_t len, char err[CALIB_ERR_LEN]) {
    return calib_int_open_root(out, name, calib_json_parse(name, text, len, err), err);
}

void calib_close(calib *c) {
    if (!c) return;
    cJSON_Delete(c->root);
    free(c->models);
    free(c);
}

const calib_device *calib_device_of(const calib *c) {
    return &c->device;
}
size_t calib_n_models(const calib *c) {
    return c->n_models;
}
const calib_model *calib_model_at(const calib *c, size_t i) {
    return i < c->n_models ? &c->models[i] : NULL;
}
const calib_facts *calib_facts_of(const calib_model *m) {
    return &m->facts;
}

const calib_model *calib_model_find(const calib *c, const char *name) {
    for (size_t i = 0; i < c->n_models; i++)
        if (text_is(c->models[i].facts.name, name)) return &c->models[i];
    return NULL;
}

double calib_launch_ms(const calib_model *m, uint32_t quota_pct) {
    return m->launch_ms[quota_pct];
}

double calib_gpu_params_ms(const calib_gpu_params *g, double floor_ms, uint32_t batch, uint32_t sm_pct) {
    double fixed_ms = g->fixed_ms + g->fixed_ms_per_batch * batch;
    double work_ms = g->work_ms + g->work_ms_per_batch * batch;
    double ms = fixed_ms + work_ms * 100.0 / sm_pct;
    return ms > floor_ms ? ms : floor_ms;
}

/* Even at full quota and on the whole GPU a batch takes the time to launch its kernels: G's floor is f(100).
 */
double calib_gpu_ms(const calib_model *m, uint32_t batch, uint32_t sm_pct) {
    return calib_gpu_params_ms(&m->gpu, m->launch_ms[100], batch, sm_pct);
}

double calib_gpu_work_ms(const calib_model *m, uint32_t batch, uint32_t sm_pct) {
    return calib_gpu_params_ms(&m->gpu, 0, batch, sm_pct);
}

double calib_latency_ms(const calib_model *m, uint32_t batch, uint32_t sm_pct, uint32_t quota_pct) {
    double gpu = calib_gpu_ms(m, batch, sm_pct), launch = calib_launch_ms(m, quota_pct);
    return gpu > launch ? gpu : launch;
}

int calib_is_outside(const calib_facts *f, uint32_t batch, uint32_t sm_pct, uint32_t quota_pct) {
    return batch < f->batch_min || batch > f->batch_max || sm_pct < f->sm_min_pct || sm_pct > f->sm_max_pct ||
           quota_pct < f->quota_min_pct || quota_pct > f->quota_max_pct;
}

int calib_is_extrapolated(const calib_model *m, uint32_t batch, uint32_t sm_pct, uint32_t quota_pct) {
    return calib_is_outside(&m->facts, batch, sm_pct, quota_pct);
}

/* sd of x'c for coefficients c with covariance L L': the length of L'x */
static double coefficients_sd_ms(const calib_doubt *d, const double x[4]) {
    double sum = 0;
    for (int k = 0; k < 4; k++) {
        double v = 0;
        for (int i = k; i < 4; i++) v += d->gpu_factor_ms[i * (i + 1) / 2 + k] * x[i];
        sum += v * v;
    }
    return sqrt(sum);
}

double calib_launch_sd_pct(const calib_model *m, uint32_t quota_pct) {
    const calib_doubt *d = &m->doubt;
    double chance = d->launch_sd_pct[quota_pct], form = d->launch_residual_pct;
    return d->is_known ? sqrt(chance * chance + form * form) : -1;
}

double calib_gpu_sd_pct(const calib_model *m, uint32_t batch, uint32_t sm_pct) {
    const calib_doubt *d = &m->doubt;
    const double x[4] = {1, batch, 100.0 / sm_pct, batch * 100.0 / sm_pct};
    double ms = calib_gpu_ms(m, batch, sm_pct), form = d->gpu_residual_pct;
    if (!d->is_known || ms <= m->launch_ms[100]) return calib_launch_sd_pct(m, 100);
    double chance = 100 * coefficients_sd_ms(d, x) / ms;
    return sqrt(chance * chance + form * form);
}

double calib_cold_start_ms(const calib *c, const calib_model *m) {
    const calib_device *d = &c->device;
    return d->schedule_ms + d->container_ms + d->context_ms +
           m->facts.weights_mib / d->load_mib_per_s * 1000.0 + m->facts.warmup_ms;
}
