/* setup.c - a config on a store becomes the engine's setup. */
#include "setup.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "setup_int.h"

typedef struct { /* a distribution that functions share: its table is large */
    double mean, cv;
    dist d;
} shared_dist;

typedef struct { /* what a model does on this cluster */
    const char *name;
    engine_fit *on;           /* [n_devices] */
    const calib_facts *facts; /* on the first kind of GPU that it runs on */
    uint32_t gpu_memory_mib;  /* of the largest GPU that it runs on */
    double base_ms;           /* on the SLO's device */
    dist overhead_ms, noise, cold_start;
} model_use;

struct setup {
    const config *c;
    const setup_calib **calibs; /* [n_devices] */
    engine_device *devices;
    size_t n_devices;
    const setup_calib *slo;
    engine_gpu *gpus;
    size_t n_gpus;
    model_use *models;
    size_t n_models;
    shared_dist *dists;
    size_t n_dists;
    engine_fn *fns;
    size_t n_fns;
    char **names; /* made for copies */
    size_t n_names;
    predictor *predictors;      /* [c->n_policies] */
    uint64_t *predictor_hashes; /* [c->n_policies]; of the files of trained ones */
    calib **drawn;              /* [n_devices], the truth of a seed; NULL: the calibrations */
    uint64_t price_hash, trace_hash, program_hash;
};

typedef struct {
    setup *s;
    setup_store *store;
    const config *c;
    char *err;
} builder;

enum { PLACE = 200 };

/* Seconds to nanoseconds, to the nearest */
static int64_t ns_of_s(double s) {
    return llround(s * 1e9);
}

static int64_t ns_of_ms(double ms) {
    return llround(ms * 1e6);
}

static int fail(const builder *b, const char *place, const char *found, const char *expected) {
    return config_fail(b->err, b->c->file, place, found, expected);
}

static int fail_memory(const builder *b) {
    return fail(b, NULL, "no memory", "enough of it");
}

/* The index of a kind of GPU; two entries of the same device and options are one kind */
static size_t device_index(setup *s, const setup_calib *k, const config_gpus *g) {
    const calib_device *facts = calib_device_of(k->calibration);
    int resizable = g->sm_resizable < 0 ? facts->sm_resizable : g->sm_resizable;
    int64_t resize_ns = ns_of_ms(g->sm_resize_ms < 0 ? facts->sm_resize_ms : g->sm_resize_ms);
    for (size_t i = 0; i < s->n_devices; i++)
        if (s->calibs[i] == k && s->devices[i].sm_resizable == resizable &&
            s->devices[i].sm_resize_ns == resize_ns)
            return i;
    s->calibs[s->n_devices] = k;
    s->devices[s->n_devices] =
        (engine_device){.facts = facts, .sm_resizable = resizable, .sm_resize_ns = resize_ns};
    return s->n_devices++;
}

static void add_gpus(setup *s, const config_gpus *g, uint32_t device, uint32_t *node) {
    for (uint32_t i = 0; i < g->nodes; i++, ++*node)
        for (uint32_t j = 0; j < g->per_node; j++) s->gpus[s->n_gpus++] = (engine_gpu){device, *node};
}

static int build_cluster(builder *b) {
    setup *s = b->s;
    const config *c = b->c;
    size_t total = 0;
    uint32_t node = 0;
    for (size_t i = 0; i < c->n_gpus; i++) total += (size_t)c->gpus[i].nodes * c->gpus[i].per_node;
    s->calibs = calloc(c->n_gpus, sizeof *s->calibs);
    s->devices = calloc(c->n_gpus, sizeof *s->devices);
    s->gpus = calloc(total, sizeof *s->gpus);
    if (s->calibs == NULL || s->devices == NULL || s->gpus == NULL) return fail_memory(b);
    for (size_t i = 0; i < c->n_gpus; i++) {
        char place[PLACE];
        const setup_calib *k = NULL;
        snprintf(place, sizeof place, "cluster.gpus[%zu].device", i);
        if (setup_store_calib(b->store, c, place, c->gpus[i].device, c->gpus[i].is_file, &k, b->err) != 0)
            return -1;
        add_gpus(s, &c->gpus[i], (uint32_t)device_index(s, k, &c->gpus[i]), &node);
    }
    return setup_store_calib(b->store, c, "slo_device", c->slo_device, c->slo_device_is_file, &s->slo,
                             b->err);
}

static int build_prices(builder *b) {
    setup *s = b->s;
    char path[4096], quoted[CONFIG_FOUND_LEN], expected[PLACE];
    const char *file = b->c->prices;
    prices *list = NULL;
    if (file == NULL &&
        cli_find_shipped("experiments/prices.json", path, sizeof path, b->err, CONFIG_ERR_LEN) != 0)
        return -1;
    if (prices_open(&list, file == NULL ? path : file, b->c->provider, b->err) != 0) return -1;
    int rc = 0;
    s->price_hash = SETUP_HASH_EMPTY;
    for (size_t i = 0; rc == 0 && i < s->n_devices; i++) {
        const char *name = s->devices[i].facts->name;
        double usd = prices_usd_per_gpu_hour(list, name);
        s->devices[i].usd_per_gpu_hour = usd;
        s->price_hash = setup_hash_bytes(s->price_hash, &usd, sizeof usd);
        snprintf(expected, sizeof expected,
                 "a provider that has one (%.60s has none), or a price list of yours", prices_provider(list));
        char found[2 * CONFIG_FOUND_LEN];
        snprintf(found, sizeof found, "no price of the device %s", config_quote(quoted, name));
        if (usd < 0) rc = fail(b, "prices", found, expected);
    }
    prices_close(list);
    return rc;
}

static int lognormal(builder *b, double mean, double cv, dist *out) {
    setup *s = b->s;
    for (size_t i = 0; i < s->n_dists; i++) {
        *out = s->dists[i].d;
        if (s->dists[i].mean == mean && s->dists[i].cv == cv) return 0;
    }
    shared_dist *list = realloc(s->dists, (s->n_dists + 1) * sizeof *list);
    if (list == NULL) return fail_memory(b);
    s->dists = list;
    if (dist_lognormal(out, mean, cv) != 0) return fail_memory(b);
    s->dists[s->n_dists++] = (shared_dist){mean, cv, *out};
    return 0;
}

static int fail_model(const builder *b, const setup_calib *k, const char *place, const char *name) {
    size_t nearest = SIZE_MAX;
    const char *near = "";
    char quoted[CONFIG_FOUND_LEN], found[2 * CONFIG_FOUND_LEN], expected[PLACE];
    for (size_t i = 0; i < calib_n_models(k->calibration); i++) {
        const char *known = calib_facts_of(calib_model_at(k->calibration, i))->name;
        if (config_distance(name, known) > nearest) continue;
        nearest = config_distance(name, known);
        near = known;
    }
    snprintf(found, sizeof found, "the model %s", config_quote(quoted, name));
    snprintf(expected, sizeof expected, "a model calibrated on %.60s%s%.60s (see `hassim calib info`)",
             calib_device_of(k->calibration)->name, *near == '\0' ? "" : "; the nearest is ", near);
    return fail(b, place, found, expected);
}

/* Where the model runs, and how; -1 with a message where it can run nowhere */
static int build_fits(const builder *b, model_use *m, const char *place) {
    const setup *s = b->s;
    for (size_t i = 0; i < s->n_devices; i++) {
        const calib *k = s->calibs[i]->calibration;
        const calib_model *model = calib_model_find(k, m->name);
        if (model == NULL) continue;
        m->on[i] = (engine_fit){.model = model, .cold_start_ms = calib_cold_start_ms(k, model)};
        if (m->facts == NULL) m->facts = calib_facts_of(model);
        uint32_t memory = s->devices[i].facts->memory_mib;
        if (memory > m->gpu_memory_mib) m->gpu_memory_mib = memory;
    }
    return m->facts == NULL ? fail_model(b, s->calibs[0], place, m->name) : 0;
}

static int build_spreads(builder *b, model_use *m) {
    const calib_device *device = NULL;
    for (size_t i = b->s->n_devices; i-- > 0;)
        if (m->on[i].model != NULL) device = b->s->devices[i].facts;
    if (lognormal(b, m->facts->overhead_ms.mean, m->facts->overhead_ms.cv, &m->overhead_ms) != 0) return -1;
    if (lognormal(b, 1, m->facts->noise_cv, &m->noise) != 0) return -1;
    return lognormal(b, 1, device->cold_start_cv, &m->cold_start);
}

static int build_model(builder *b, model_use *m, const char *place) {
    const setup *s = b->s;
    m->on = calloc(s->n_devices, sizeof *m->on);
    if (m->on == NULL) return fail_memory(b);
    if (build_fits(b, m, place) != 0) return -1;
    const calib_model *on_slo = calib_model_find(s->slo->calibration, m->name);
    if (on_slo == NULL) return fail_model(b, s->slo, place, m->name);
    m->base_ms = calib_latency_ms(on_slo, 1, 100, 100) + calib_facts_of(on_slo)->overhead_ms.mean;
    return build_spreads(b, m);
}

/* The index of a model, worked out once for all functions that run it; SIZE_MAX: error */
static size_t use_model(builder *b, const char *name, const char *place) {
    setup *s = b->s;
    for (size_t i = 0; i < s->n_models; i++)
        if (strcmp(s->models[i].name, name) == 0) return i;
    model_use *list = realloc(s->models, (s->n_models + 1) * sizeof *list);
    if (list == NULL) {
        fail_memory(b);
        return SIZE_MAX;
    }
    s->models = list;
    s->models[s->n_models] = (model_use){.name = name};
    return build_model(b, &s->models[s->n_models++], place) == 0 ? s->n_models - 1 : SIZE_MAX;
}

static int check_memory(const builder *b, const model_use *m, uint32_t memory_mib, int own,
                        const char *place) {
    char inner[PLACE + 16], found[PLACE], expected[PLACE];
    if (memory_mib <= m->gpu_memory_mib) return 0;
    snprintf(inner, sizeof inner, "%s%s", place, own ? ".memory_mib" : "");
    snprintf(found, sizeof found, "%" PRIu32 " MiB per pod", memory_mib);
    snprintf(expected, sizeof expected,
             "at most %" PRIu32 " MiB, the largest GPU of the cluster for this model", m->gpu_memory_mib);
    return fail(b, inner, found, expected);
}

/* Appends a function; name stays the caller's. s->fns has room. base_ms: what the SLO is a multiple of; 0: the model's */
static int add_fn(builder *b, const config_fn *f, const char *name, const char *model, double base_ms,
                  const trace_spec *trace, const char *place) {
    setup *s = b->s;
    char inner[PLACE + 16];
    snprintf(inner, sizeof inner, "%s.%s", place, f->model == NULL ? "models" : "model");
    size_t use = use_model(b, model, inner);
    if (use == SIZE_MAX) return -1;
    const model_use *m = &s->models[use];
    uint32_t memory = f->memory_mib > 0 ? f->memory_mib : (uint32_t)ceil(m->facts->memory_mib);
    if (check_memory(b, m, memory, f->memory_mib > 0, place) != 0) return -1;
    if (base_ms <= 0) base_ms = m->base_ms;
    engine_fn *fn = &s->fns[s->n_fns++];
    *fn = (engine_fn){.name = name,
                      .model_name = m->name,
                      .on = m->on,
                      .memory_mib = memory,
                      .batch_max = f->batch_max,
                      .workers = f->workers,
                      .batch_wait_ns = ns_of_ms(f->batch_wait_ms),
                      .slo_ns = ns_of_ms(f->slo_multiplier * base_ms),
                      .overhead_ms = m->overhead_ms,
                      .noise = m->noise,
                      .cold_start = m->cold_start,
                      .trace = *trace,
                      .keep_alive_ns = ns_of_s(b->c->keep_alive_s),
                      .linger_ns = ns_of_s(b->c->linger_s)};
    fn->trace.duration_ns = ns_of_s(b->c->duration_s);
    fn->client = f->trace.client.n_stages > 0 ? &f->trace.client : NULL; /* the config's: no copy has one */
    fn->client_start_ns = ns_of_s(f->trace.client_start_s);
    for (size_t i = 0; i < b->c->n_report; i++) fn->report_slo_ns[i] = ns_of_ms(b->c->report[i] * base_ms);
    return 0;
}

/* A size that is set for a trace without sizes is a mistake; so is a weight of tokens where there are none */
static int check_sizes(builder *b, const config_trace *t, const trace_file *file, const char *place) {
    char inner[PLACE + 32], found[PLACE];
    if (t->spec.out_weight != 1 && !trace_has_tokens(file)) {
        snprintf(inner, sizeof inner, "%s.trace.out_weight", place);
        snprintf(found, sizeof found, "%g for a trace without tokens", t->spec.out_weight);
        return fail(b, inner, found,
                    "a trace of requests with tokens in and out: azure-llm2023, azure-llm2024");
    }
    if (t->spec.calibrated_size == 0 || trace_has_sizes(file)) return 0;
    snprintf(inner, sizeof inner, "%s.trace.calibrated_size", place);
    snprintf(found, sizeof found, "%g for a trace without sizes", t->spec.calibrated_size);
    return fail(b, inner, found,
                "a trace of requests with sizes: azure-llm2023, azure-llm2024, csv with a third column");
}

static int open_trace(builder *b, const config_trace *t, const char *place, const setup_trace **out) {
    *out = NULL;
    if (t->path == NULL) return 0;
    if (setup_store_trace(b->store, t->format, t->path, out, b->err) != 0) return -1;
    if (check_sizes(b, t, (*out)->file, place) != 0) return -1;
    b->s->trace_hash = setup_hash_bytes(b->s->trace_hash, &(*out)->hash, sizeof(*out)->hash);
    return 0;
}

/* The trace of an entry of functions[]: its file opened, its function chosen */
static int build_trace(builder *b, const config_trace *t, const char *place, trace_spec *spec) {
    const setup_trace *trace = NULL;
    char why[TRACE_ERR_LEN];
    *spec = t->spec;
    if (open_trace(b, t, place, &trace) != 0) return -1;
    if (trace == NULL) return 0;
    spec->file = trace->file;
    if (trace_select(trace->file, t->select, &spec->index, why) == 0) return 0;
    snprintf(b->err, CONFIG_ERR_LEN, "%.300s: %.100s.trace.select: %.500s", b->c->file, place, why);
    return -1;
}

static const char *copy_name(builder *b, const char *name, uint32_t copy) {
    size_t len = strlen(name) + 16;
    char *text = malloc(len);
    if (text == NULL) return NULL;
    snprintf(text, len, "%s-%" PRIu32, name, copy + 1);
    b->s->names[b->s->n_names++] = text;
    return text;
}

/* The mean of k^-zipf over the copies */
static double mean_popularity(const config_fn *f) {
    double sum = 0;
    for (uint32_t i = 0; i < f->count; i++) sum += pow(i + 1.0, -f->zipf);
    return sum / f->count;
}

static int add_entry(builder *b, const config_fn *f, const char *place) {
    trace_spec spec;
    if (build_trace(b, &f->trace, place, &spec) != 0) return -1;
    const double mean = mean_popularity(f), mean_rps = spec.mean_rps, scale = spec.scale;
    for (uint32_t i = 0; i < f->count; i++) {
        const double popularity = pow(i + 1.0, -f->zipf) / mean;
        spec.mean_rps = mean_rps * popularity;
        spec.scale = scale * popularity;
        const char *name = f->count == 1 ? f->name : copy_name(b, f->name, i);
        if (name == NULL) return fail_memory(b);
        if (add_fn(b, f, name, f->model, 0, &spec, place) != 0) return -1;
    }
    return 0;
}

/* explicit_of[function of the file]: its entry + 1, or 0 */
static int find_explicits(const builder *b, const trace_file *file, uint32_t *explicit_of) {
    const config *c = b->c;
    for (size_t k = 0; k < c->n_explicits; k++) {
        char place[PLACE], why[TRACE_ERR_LEN], found[CONFIG_FOUND_LEN];
        size_t index;
        snprintf(place, sizeof place, "functions_from.explicit[%zu].select", k);
        if (trace_select(file, c->explicits[k].select, &index, why) != 0) {
            snprintf(b->err, CONFIG_ERR_LEN, "%.300s: %.100s: %.500s", c->file, place, why);
            return -1;
        }
        if (explicit_of[index] != 0)
            return fail(b, place, config_quote(found, c->explicits[k].select),
                        "a function that no other entry selects");
        explicit_of[index] = (uint32_t)k + 1;
    }
    return 0;
}

/* The model whose base latency is nearest to the duration, as a ratio; NULL: error */
static const char *nearest_model(builder *b, double duration_ms) {
    const config *c = b->c;
    const char *best = NULL;
    double best_ratio = 0;
    for (size_t i = 0; i < c->n_models; i++) {
        size_t use = use_model(b, c->models[i], "functions_from.models");
        if (use == SIZE_MAX) return NULL;
        double base_ms = b->s->models[use].base_ms;
        double ratio = base_ms > duration_ms ? base_ms / duration_ms : duration_ms / base_ms;
        if (best != NULL && ratio >= best_ratio) continue;
        best = c->models[i];
        best_ratio = ratio;
    }
    return best;
}

/* The rank-th function of the trace, by the rule or by its entry */
static int add_by_rule(builder *b, const setup_trace *trace, size_t rank, const config_explicit *own) {
    const config *c = b->c;
    config_fn f = c->from;
    trace_spec spec = c->from.trace.spec;
    char place[PLACE] = "functions_from";
    spec.file = trace->file;
    spec.index = trace->ranked[rank];
    const trace_function t = trace_function_at(trace->file, spec.index);
    const char *model = c->models[rank % c->n_models];
    if (f.memory_mib == 0 && c->memory_from_trace && t.mean_memory_mib > 0)
        f.memory_mib = t.mean_memory_mib < 1048576 ? (uint32_t)ceil(t.mean_memory_mib) : 1048576;
    if (own != NULL) {
        snprintf(place, sizeof place, "functions_from.explicit[%zu]", (size_t)(own - c->explicits));
        f.model = model = own->model;
        f.slo_multiplier = own->slo_multiplier;
        if (own->memory_mib > 0) f.memory_mib = own->memory_mib;
    } else if (c->from_rule == CONFIG_BY_DURATION && t.mean_duration_ms > 0) {
        model = nearest_model(b, t.mean_duration_ms);
        if (model == NULL) return -1;
    }
    /* what came from files beside the trace's own is part of its hash, once it matters */
    const double used[] = {t.mean_duration_ms, t.mean_memory_mib};
    if (c->from_rule == CONFIG_BY_DURATION || c->memory_from_trace || c->slo_from_duration)
        b->s->trace_hash = setup_hash_bytes(b->s->trace_hash, used, sizeof used);
    return add_fn(b, &f, t.name, model, c->slo_from_duration ? t.mean_duration_ms : 0, &spec, place);
}

static int add_from(builder *b, const setup_trace *trace, size_t n) {
    if (n == 0) return 0;
    uint32_t *explicit_of = calloc(trace_n_functions(trace->file), sizeof *explicit_of);
    if (explicit_of == NULL) return fail_memory(b);
    int rc = find_explicits(b, trace->file, explicit_of);
    for (size_t i = 0; i < n && rc == 0; i++) {
        uint32_t entry = explicit_of[trace->ranked[i]];
        rc = add_by_rule(b, trace, i, entry > 0 ? &b->c->explicits[entry - 1] : NULL);
    }
    free(explicit_of);
    return rc;
}

static int compare_names(const void *a, const void *b) {
    return strcmp((*(const engine_fn *const *)a)->name, (*(const engine_fn *const *)b)->name);
}

/* Copies and a trace's functions must not take an entry's name: results are read by it */
static int check_names(const builder *b) {
    const setup *s = b->s;
    const engine_fn **sorted = malloc((s->n_fns + 1) * sizeof *sorted);
    if (sorted == NULL) return fail_memory(b);
    for (size_t i = 0; i < s->n_fns; i++) sorted[i] = &s->fns[i];
    qsort(sorted, s->n_fns, sizeof *sorted, compare_names);
    char quoted[CONFIG_FOUND_LEN], found[2 * CONFIG_FOUND_LEN];
    int rc = 0;
    for (size_t i = 1; rc == 0 && i < s->n_fns; i++) {
        if (strcmp(sorted[i]->name, sorted[i - 1]->name) != 0) continue;
        snprintf(found, sizeof found, "two functions %s", config_quote(quoted, sorted[i]->name));
        rc = fail(b, "functions", found, "names that differ, copies and a trace's functions included");
    }
    free(sorted);
    return rc;
}

static int build_fns(builder *b) {
    setup *s = b->s;
    const config *c = b->c;
    const setup_trace *from = NULL;
    size_t total = 0, n_from = 0;
    s->trace_hash = SETUP_HASH_EMPTY;
    if (c->n_models > 0) {
        if (open_trace(b, &c->from.trace, "functions_from", &from) != 0) return -1;
        n_from = trace_n_functions(from->file);
        if (c->from_limit > 0 && n_from > c->from_limit) n_from = c->from_limit;
    }
    for (size_t i = 0; i < c->n_fns; i++) total += c->fns[i].count;
    s->fns = calloc(total + n_from + 1, sizeof *s->fns);
    s->names = calloc(total + 1, sizeof *s->names);
    if (s->fns == NULL || s->names == NULL) return fail_memory(b);
    for (size_t i = 0; i < c->n_fns; i++) {
        char place[PLACE];
        snprintf(place, sizeof place, "functions[%zu]", i);
        if (add_entry(b, &c->fns[i], place) != 0) return -1;
    }
    if (add_from(b, from, n_from) != 0) return -1;
    if (s->n_fns == 0) return fail(b, "functions_from.trace", "a trace without functions", "at least one");
    return check_names(b);
}

/* What a trained predictor is bound to: each model as it is calibrated on the first kind of GPU, which must then be
 * the only one */
static int build_predictors(builder *b) {
    setup *s = b->s;
    const config *c = b->c;
    int rc = 0;
    const calib_model **dnns = calloc(s->n_models + 1, sizeof *dnns);
    s->predictors = calloc(c->n_policies, sizeof *s->predictors);
    s->predictor_hashes = calloc(c->n_policies, sizeof *s->predictor_hashes);
    if (dnns == NULL || s->predictors == NULL || s->predictor_hashes == NULL) rc = fail_memory(b);
    for (size_t i = 0; rc == 0 && i < s->n_models; i++) dnns[i] = s->models[i].on[0].model;
    const setup_predictor_use use = {s->calibs, s->n_devices, dnns, s->n_models};
    for (size_t i = 0; rc == 0 && i < c->n_policies; i++)
        rc = setup_predictor_open(&s->predictors[i], &s->predictor_hashes[i], b->store, c, i, &use, b->err);
    free(dnns);
    return rc;
}

int setup_open(setup **out, setup_store *store, const config *c, char err[CONFIG_ERR_LEN]) {
    setup *s = calloc(1, sizeof *s);
    builder b = {s, store, c, err};
    *out = NULL;
    if (s == NULL) return fail_memory(&b);
    s->c = c;
    s->program_hash = setup_store_program(store);
    if (build_cluster(&b) != 0 || build_prices(&b) != 0 || build_fns(&b) != 0 || build_predictors(&b) != 0) {
        setup_close(s);
        return -1;
    }
    *out = s;
    return 0;
}

void setup_close(setup *s) {
    if (s == NULL) return;
    for (size_t i = 0; i < s->n_models; i++) free(s->models[i].on);
    for (size_t i = 0; i < s->n_dists; i++) dist_free(&s->dists[i].d);
    for (size_t i = 0; i < s->n_names; i++) free(s->names[i]);
    for (size_t i = 0; s->predictors != NULL && i < s->c->n_policies; i++) predictor_close(&s->predictors[i]);
    for (size_t i = 0; s->drawn != NULL && i < s->n_devices; i++) calib_close(s->drawn[i]);
    free(s->drawn);
    free(s->predictor_hashes);
    free(s->names);
    free(s->models);
    free(s->dists);
    free(s->fns);
    free(s->predictors);
    free(s->gpus);
    free(s->devices);
    free(s->calibs);
    free(s);
}

/* Puts the truth of a seed in place of the calibrations, which policies go on to be told */
static int draw_truth(setup *s, uint64_t seed, char *err) {
    if (s->drawn == NULL) s->drawn = calloc(s->n_devices, sizeof(calib *));
    if (s->drawn == NULL) return config_fail(err, s->c->file, NULL, "no memory", "enough of it");
    for (size_t i = 0; i < s->n_devices; i++) {
        calib_close(s->drawn[i]);
        if (calib_perturb(&s->drawn[i], s->calibs[i]->calibration, seed, s->c->model_error, err) != 0)
            return -1;
    }
    for (size_t k = 0; k < s->n_models; k++)
        for (size_t i = 0; i < s->n_devices; i++) {
            engine_fit *fit = &s->models[k].on[i];
            if (fit->model == NULL) continue;
            fit->calibrated = engine_calibrated(fit);
            fit->model = calib_model_find(s->drawn[i], s->models[k].name);
        }
    return 0;
}

int setup_engine(setup *s, size_t policy, uint64_t seed, engine_setup *out, char err[CONFIG_ERR_LEN]) {
    const config *c = s->c;
    const config_policy *p = &c->policies[policy];
    int64_t bin_ns = ns_of_s(c->bin_s);
    if (c->model_error > 0 && draw_truth(s, seed, err) != 0) return -1;
    *out = (engine_setup){.seed = seed,
                          .warmup_ns = ns_of_s(c->warmup_s),
                          .duration_ns = ns_of_s(c->duration_s),
                          .drain_ns = ns_of_s(c->drain_s),
                          .scrape_ns = ns_of_s(p->scrape_s),
                          .scrape_phase_ns = ns_of_s(p->metrics_phase_s),
                          .bin_ns = bin_ns > 0 ? bin_ns : 1,
                          .devices = s->devices,
                          .n_devices = s->n_devices,
                          .gpus = s->gpus,
                          .n_gpus = s->n_gpus,
                          .rows_per_gpu = c->rows_per_gpu,
                          .oversubscribe = p->oversubscribe,
                          .runtime = p->runtime,
                          .billing = p->bill,
                          .fns = s->fns,
                          .n_fns = s->n_fns,
                          .n_report = c->n_report,
                          .policy = p->ops,
                          .mode = p->mode,
                          .params = p->params,
                          .predictor = &s->predictors[policy],
                          .timeline_fns = c->timeline_fns < s->n_fns ? c->timeline_fns : s->n_fns,
                          .actions_max = c->actions_max,
                          .record_requests = c->record_requests};
    memcpy(out->multipliers, c->report, c->n_report * sizeof *c->report);
    return 0;
}

static uint64_t hash_text(uint64_t hash, const char *text) {
    return setup_hash_bytes(hash, text, strlen(text) + 1);
}

void setup_hash(const setup *s, size_t policy, setup_hashes *out) {
    const config *c = s->c;
    uint64_t policy_hash = hash_text(s->program_hash, c->policies[policy].json);
    const plugin *from = c->policies[policy].from;
    if (c->policies[policy].predictor.model != NULL)
        policy_hash = setup_hash_bytes(policy_hash, &s->predictor_hashes[policy], sizeof(uint64_t));
    if (from != NULL) policy_hash = setup_hash_bytes(policy_hash, &from->hash, sizeof from->hash);
    uint64_t all = hash_text(hash_text(s->price_hash, c->shared), c->policies[policy].json);
    uint64_t calibration = SETUP_HASH_EMPTY;
    for (size_t i = 0; i < s->n_devices; i++)
        calibration = setup_hash_bytes(calibration, &s->calibs[i]->hash, sizeof s->calibs[i]->hash);
    calibration = setup_hash_bytes(calibration, &s->slo->hash, sizeof s->slo->hash);
    snprintf(out->config, sizeof out->config, "%016" PRIx64, all);
    snprintf(out->trace, sizeof out->trace, "%016" PRIx64, s->trace_hash);
    snprintf(out->calibration, sizeof out->calibration, "%016" PRIx64, calibration);
    snprintf(out->policy, sizeof out->policy, "%016" PRIx64, policy_hash);
}
