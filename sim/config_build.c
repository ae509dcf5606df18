/* config_build.c - a checked JSON tree becomes a config; what one key alone cannot tell is checked here. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config_int.h"
#include "config_keys.h"

typedef struct {
    config *c;
    const plugin_set *plugins;
    char *err;
} builder;

enum { PLACE = 200 };

static int fail(const builder *b, const char *place, const char *found, const char *expected) {
    return config_fail(b->err, b->c->file, place, found, expected);
}

static int fail_memory(const builder *b) {
    return fail(b, NULL, "no memory", "enough of it");
}

static const cJSON *get(const cJSON *object, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static double number(const cJSON *object, const char *key, double if_missing) {
    const cJSON *item = get(object, key);
    return item == NULL ? if_missing : item->valuedouble;
}

static uint32_t count(const cJSON *object, const char *key) {
    return (uint32_t)number(object, key, 0);
}

static const char *string(const cJSON *object, const char *key) {
    const cJSON *item = get(object, key);
    return item == NULL ? NULL : item->valuestring;
}

/* Index of a key's string in choices, which config_keys_check has checked; 0 where the key is missing */
static int choice(const cJSON *object, const char *key, const char *choices) {
    const char *s = string(object, key);
    return s == NULL ? 0 : config_choice_index(choices, s);
}

/* A path as seen from the config's folder; it belongs to the config */
static const char *path_of(builder *b, const char *name) {
    config *c = b->c;
    const char *slash = strrchr(c->file, '/');
    size_t folder = slash == NULL || *name == '/' ? 0 : (size_t)(slash - c->file) + 1, n = strlen(name);
    char **paths = realloc(c->paths, (c->n_paths + 1) * sizeof *paths), *path = malloc(folder + n + 1);
    if (paths != NULL) c->paths = paths;
    if (paths == NULL || path == NULL) {
        free(path);
        fail_memory(b);
        return NULL;
    }
    memcpy(path, c->file, folder);
    memcpy(path + folder, name, n + 1);
    c->paths[c->n_paths++] = path;
    return path;
}

/* It must be there, and regular */
static const char *file_of(builder *b, const char *name, const char *place) {
    struct stat st;
    char quoted[CONFIG_FOUND_LEN], found[2 * CONFIG_FOUND_LEN];
    const char *path = path_of(b, name);
    if (path == NULL) return NULL;
    if (stat(path, &st) != 0)
        snprintf(found, sizeof found, "%s: %s", config_quote(quoted, path), strerror(errno));
    else if (!S_ISREG(st.st_mode))
        snprintf(found, sizeof found, "%s: %s", config_quote(quoted, path),
                 S_ISDIR(st.st_mode) ? "a directory" : "no regular file");
    else
        return path;
    fail(b, place, found, "a file, by its path from the config's folder");
    return NULL;
}

static const char *folder_of(builder *b, const char *name, const char *place) {
    struct stat st;
    char quoted[CONFIG_FOUND_LEN], found[2 * CONFIG_FOUND_LEN];
    const char *path = path_of(b, name);
    if (path == NULL) return NULL;
    int failed = stat(path, &st);
    if (!failed && S_ISDIR(st.st_mode)) return path;
    snprintf(found, sizeof found, "%s: %s", config_quote(quoted, path),
             failed ? strerror(errno) : "no directory");
    fail(b, place, found, "a folder, by its path from the config's folder");
    return NULL;
}

static int ends_with(const char *s, const char *suffix) {
    size_t n = strlen(s), m = strlen(suffix);
    return n >= m && strcmp(s + n - m, suffix) == 0;
}

static int is_path(const char *s) {
    return strchr(s, '/') != NULL || ends_with(s, ".json");
}

/* A device's name, or its calibration file */
static int build_device(builder *b, const char *text, const char *place, const char **out, int *is_file) {
    *is_file = is_path(text);
    *out = *is_file ? file_of(b, text, place) : text;
    return *out == NULL ? -1 : 0;
}

static int build_prices(builder *b, const cJSON *root) {
    const char *text = string(root, "prices"), *hash = strchr(text, '#');
    char *file = strdup(text);
    if (file == NULL) return fail_memory(b);
    if (hash != NULL) file[hash - text] = '\0';
    int rc = 0;
    if (is_path(file)) {
        b->c->prices = file_of(b, file, "prices");
        rc = b->c->prices == NULL ? -1 : 0;
        b->c->provider = hash == NULL ? NULL : hash + 1;
    } else {
        b->c->provider = text;
    }
    free(file);
    return rc;
}

static int build_cluster(builder *b, const cJSON *cluster) {
    config *c = b->c;
    const cJSON *gpus = get(cluster, "gpus"), *item = NULL;
    if (gpus->child == NULL) return fail(b, "cluster.gpus", "an empty array", "at least one kind of GPU");
    c->gpus = calloc((size_t)cJSON_GetArraySize(gpus), sizeof *c->gpus);
    if (c->gpus == NULL) return fail_memory(b);
    double total = 0;
    cJSON_ArrayForEach(item, gpus) {
        config_gpus *g = &c->gpus[c->n_gpus];
        char place[PLACE];
        snprintf(place, sizeof place, "cluster.gpus[%zu].device", c->n_gpus++);
        if (build_device(b, string(item, "device"), place, &g->device, &g->is_file) != 0) return -1;
        g->nodes = count(item, "nodes");
        g->per_node = count(item, "per_node");
        g->sm_resizable = get(item, "sm_resizable") == NULL ? -1 : cJSON_IsTrue(get(item, "sm_resizable"));
        g->sm_resize_ms = number(item, "sm_resize_ms", -1);
        total += (double)g->nodes * g->per_node;
    }
    if (total > 1e6) return fail(b, "cluster.gpus", "more than 1000000 GPUs", "at most 1000000 in all");
    c->rows_per_gpu = count(cluster, "rows_per_gpu");
    c->keep_alive_s = number(cluster, "keep_alive_s", 0);
    c->linger_s = number(cluster, "linger_s", 0);
    const char *runtime = string(cluster, "runtime");
    if (cJSON_IsTrue(get(cluster, "oversubscribe")) && runtime != NULL && strcmp(runtime, "metered") == 0)
        return fail(b, "cluster.oversubscribe", "true with the metered runtime",
                    "false, or runtime \"token\": only the token runtime models oversubscription");
    return 0;
}

static int compare_u64(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int check_seeds(const builder *b) {
    const config *c = b->c;
    uint64_t *sorted = malloc(c->n_seeds * sizeof *sorted);
    if (sorted == NULL) return fail_memory(b);
    memcpy(sorted, c->seeds, c->n_seeds * sizeof *sorted);
    qsort(sorted, c->n_seeds, sizeof *sorted, compare_u64);
    int twice = 0;
    for (size_t i = 1; i < c->n_seeds; i++) twice |= sorted[i] == sorted[i - 1];
    free(sorted);
    return twice ? fail(b, "seeds", "the same seed twice", "each seed once") : 0;
}

static int build_seeds(builder *b, const cJSON *seeds) {
    config *c = b->c;
    c->n_seeds = cJSON_IsArray(seeds) ? (size_t)cJSON_GetArraySize(seeds) : (size_t)seeds->valuedouble;
    if (c->n_seeds > 10000) return fail(b, "seeds", "more than 10000 seeds", "at most 10000");
    c->seeds = calloc(c->n_seeds, sizeof *c->seeds);
    if (c->seeds == NULL) return fail_memory(b);
    const cJSON *item = cJSON_IsArray(seeds) ? seeds->child : NULL;
    for (size_t i = 0; i < c->n_seeds; i++) {
        c->seeds[i] = item == NULL ? i + 1 : (uint64_t)item->valuedouble;
        if (item != NULL) item = item->next;
    }
    return check_seeds(b);
}

static int build_report(builder *b, const cJSON *report) {
    config *c = b->c;
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, report) {
        char place[PLACE];
        snprintf(place, sizeof place, "slo_report[%zu]", c->n_report);
        if (c->n_report == ENGINE_MULTIPLIERS_MAX)
            return fail(b, place, "one more", "at most 16 multipliers");
        if (c->n_report > 0 && item->valuedouble <= c->report[c->n_report - 1])
            return fail(b, place, "one not above that before it", "ascending multipliers");
        c->report[c->n_report++] = item->valuedouble;
    }
    return 0;
}

static int build_shape(config_trace *t, const cJSON *trace) {
    t->spec.shape = (trace_shape)choice(trace, "shape", "steady|even|diurnal|bursty|rare");
    t->spec.mean_rps = number(trace, "mean_rps", 0);
    t->spec.amplitude = number(trace, "amplitude", 0);
    t->spec.period_s = number(trace, "period_s", 0);
    t->spec.phase_s = number(trace, "phase_s", 0);
    t->spec.burst_factor = number(trace, "burst_factor", 0);
    t->spec.burst_s = number(trace, "burst_s", 0);
    t->spec.burst_every_s = number(trace, "burst_every_s", 0);
    return 0;
}

/* The stages of a test client; each is as large as what it may hold */
static int build_client(builder *b, config_trace *t, const cJSON *trace, const char *place) {
    const cJSON *rates = get(trace, "rates_rps"), *item = NULL;
    const double stage_s = count(trace, "stage_s");
    char inner[PLACE], found[CONFIG_FOUND_LEN];
    size_t n = 0;
    t->stages = calloc((size_t)cJSON_GetArraySize(rates) + 1, sizeof *t->stages);
    if (t->stages == NULL) return fail_memory(b);
    cJSON_ArrayForEach(item, rates) {
        snprintf(inner, sizeof inner, "%.180s.rates_rps[%zu]", place, n);
        const double rate = item->valuedouble;
        if (floor(rate) < rate)
            return fail(b, inner, config_describe(found, item), "a whole number of requests/s");
        if (rate * stage_s > 1e6)
            return fail(b, inner, config_describe(found, item), "at most 1000000 requests in a stage");
        t->stages[n++] = (client_stage){.rate_rps = (uint32_t)rate};
        if (n > 1) t->stages[n - 1].pause_ns = llround(number(trace, "pause_ms", 0) * 1e6);
    }
    snprintf(inner, sizeof inner, "%.180s.rates_rps", place);
    if (n == 0) return fail(b, inner, "an empty array", "the rate of at least one stage");
    t->client = (client_spec){.stages = t->stages,
                              .n_stages = n,
                              .stage_s = (uint32_t)stage_s,
                              .threads_per_rps = count(trace, "threads_per_rps"),
                              .late_ns = llround(number(trace, "late_ms", 0) * 1e6)};
    t->client_start_s = number(trace, "start_s", 0);
    return 0;
}

static int build_trace(builder *b, config_trace *t, const cJSON *trace, const char *place) {
    char inner[PLACE];
    t->format = string(trace, "format");
    t->spec.scale = 1;
    if (strcmp(t->format, "synthetic") == 0) {
        snprintf(inner, sizeof inner, "%.180s.burst_s", place);
        build_shape(t, trace);
        if (t->spec.burst_s > 0 && t->spec.burst_s >= t->spec.burst_every_s)
            return fail(b, inner, "no less than burst_every_s", "bursts shorter than their distance");
        return 0;
    }
    if (strcmp(t->format, "client") == 0) return build_client(b, t, trace, place);
    t->select = string(trace, "select");
    t->spec.within = (trace_within)choice(trace, "within_minute", "uniform|even|bursty");
    t->spec.scale = number(trace, "scale", 1);
    t->spec.offset_s = number(trace, "offset_s", 0);
    t->spec.work = (trace_work)choice(trace, "work", "sizes|equal");
    t->spec.out_weight = number(trace, "out_weight", 1);
    t->spec.calibrated_size = number(trace, "calibrated_size", 0);
    snprintf(inner, sizeof inner, "%.180s.path", place);
    t->path = file_of(b, string(trace, "path"), inner);
    return t->path == NULL ? -1 : 0;
}

/* What functions[] and functions_from share */
static int build_fn(builder *b, config_fn *f, const cJSON *item, const char *place) {
    char inner[PLACE];
    f->name = string(item, "name");
    f->model = string(item, "model");
    f->count = count(item, "count");
    f->zipf = number(item, "zipf", 0);
    f->memory_mib = count(item, "memory_mib");
    f->batch_max = count(item, "batch_max");
    f->workers = count(item, "workers");
    f->batch_wait_ms = number(item, "batch_wait_ms", 0);
    f->slo_multiplier = number(item, "slo_multiplier", b->c->slo_multiplier);
    snprintf(inner, sizeof inner, "%.180s.trace", place);
    if (build_trace(b, &f->trace, get(item, "trace"), inner) != 0) return -1;
    snprintf(inner, sizeof inner, "%.180s.zipf", place);
    return f->zipf > 0 && f->trace.client.n_stages > 0
               ? fail(b, inner, "a popularity of clients", "none: the rates of a client's copies are its own")
               : 0;
}

static int compare_names(const void *a, const void *b) {
    const config_fn *x = *(const config_fn *const *)a, *y = *(const config_fn *const *)b;
    int order = strcmp(x->name, y->name);
    return order != 0 ? order : (x > y) - (x < y);
}

static int check_fn_names(const builder *b) {
    const config *c = b->c;
    const config_fn **sorted = malloc((c->n_fns + 1) * sizeof *sorted);
    if (sorted == NULL) return fail_memory(b);
    for (size_t i = 0; i < c->n_fns; i++) sorted[i] = &c->fns[i];
    qsort(sorted, c->n_fns, sizeof *sorted, compare_names);
    int rc = 0;
    for (size_t i = 1; rc == 0 && i < c->n_fns; i++) {
        if (strcmp(sorted[i]->name, sorted[i - 1]->name) != 0) continue;
        char place[PLACE], quoted[CONFIG_FOUND_LEN], expected[PLACE];
        snprintf(place, sizeof place, "functions[%zu].name", (size_t)(sorted[i] - c->fns));
        snprintf(expected, sizeof expected, "another name than functions[%zu]'s",
                 (size_t)(sorted[i - 1] - c->fns));
        rc = fail(b, place, config_quote(quoted, sorted[i]->name), expected);
    }
    free(sorted);
    return rc;
}

static int build_fns(builder *b, const cJSON *functions) {
    config *c = b->c;
    const cJSON *item = NULL;
    double total = 0;
    c->fns = calloc((size_t)cJSON_GetArraySize(functions) + 1, sizeof *c->fns);
    if (c->fns == NULL) return fail_memory(b);
    cJSON_ArrayForEach(item, functions) {
        char place[PLACE];
        snprintf(place, sizeof place, "functions[%zu]", c->n_fns);
        if (build_fn(b, &c->fns[c->n_fns++], item, place) != 0) return -1;
        total += c->fns[c->n_fns - 1].count;
    }
    if (total > 1e6) return fail(b, "functions", "more than 1000000 in all", "at most 1000000");
    return check_fn_names(b);
}

static int build_explicits(builder *b, const cJSON *list) {
    config *c = b->c;
    const cJSON *item = NULL;
    c->explicits = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof *c->explicits);
    if (c->explicits == NULL) return fail_memory(b);
    cJSON_ArrayForEach(item, list) {
        c->explicits[c->n_explicits++] =
            (config_explicit){.select = string(item, "select"),
                              .model = string(item, "model"),
                              .memory_mib = count(item, "memory_mib"),
                              .slo_multiplier = number(item, "slo_multiplier", c->from.slo_multiplier)};
    }
    return 0;
}

static int build_from(builder *b, const cJSON *from) {
    config *c = b->c;
    if (from == NULL) {
        return c->n_fns > 0 ? 0 : fail(b, "functions", "none", "at least one function, or functions_from");
    }
    const cJSON *models = get(from, "models"), *trace = get(from, "trace"), *item = NULL;
    char found[CONFIG_FOUND_LEN];
    c->models = calloc((size_t)cJSON_GetArraySize(models), sizeof *c->models);
    if (c->models == NULL) return fail_memory(b);
    cJSON_ArrayForEach(item, models) c->models[c->n_models++] = item->valuestring;
    c->from_limit = count(from, "limit");
    if (strcmp(string(trace, "format"), "synthetic") == 0 || strcmp(string(trace, "format"), "client") == 0)
        return fail(b, "functions_from.trace.format", config_quote(found, string(trace, "format")),
                    "the format of a trace file");
    if (build_fn(b, &c->from, from, "functions_from") != 0) return -1;
    if (strcmp(c->from.trace.select, "rank:1") != 0)
        return fail(b, "functions_from.trace.select", config_describe(found, get(trace, "select")),
                    "no such key here: every function of the file is taken");
    c->from.trace.select = NULL;
    c->from_rule = (config_rule)choice(from, "rule", "rank|duration");
    c->memory_from_trace = choice(from, "memory_from", "calibration|trace");
    c->slo_from_duration = choice(from, "slo_from", "model|duration");
    return build_explicits(b, get(from, "explicit"));
}

static int fail_policy(const builder *b, const char *place, const char *name) {
    size_t nearest = SIZE_MAX, used = 0;
    const char *near = NULL;
    char list[300] = "", expected[400], quoted[CONFIG_FOUND_LEN];
    const pol_ops *ops;
    for (size_t i = 0; (ops = plugin_policy_at(b->plugins, i)) != NULL && used + 64 < sizeof list; i++) {
        const char *known = ops->name;
        if (config_distance(name, known) < nearest) {
            nearest = config_distance(name, known);
            near = known;
        }
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%.60s", i == 0 ? "" : ", ", known);
    }
    if (near != NULL && config_is_near(name, nearest))
        snprintf(expected, sizeof expected, "a policy; the nearest is \"%s\"", near);
    else
        snprintf(expected, sizeof expected, "a policy: %s; or --plugin FILE that brings it", list);
    return fail(b, place, config_quote(quoted, name), expected);
}

static double metric(const cJSON *entry, const cJSON *root, const char *key, double if_missing) {
    const cJSON *cluster = get(get(root, "cluster"), "metrics");
    return number(get(entry, "metrics"), key, number(cluster, key, if_missing));
}

/* Each system brings its own runtime, unless the cluster's config gives one to all. */
static void build_runtime(config_policy *p, const cJSON *cluster) {
    const cJSON *oversubscribe = get(cluster, "oversubscribe");
    int is_token = string(cluster, "runtime") == NULL ? p->mode == POL_ARTIFACT
                                                      : choice(cluster, "runtime", "metered|token") == 1;
    p->runtime = is_token ? ENGINE_TOKEN : ENGINE_METERED;
    p->oversubscribe =
        is_token && (oversubscribe == NULL ? p->mode == POL_ARTIFACT : cJSON_IsTrue(oversubscribe));
}

static int is_trained_kind(const char *name) {
    return rapp_kind_help(name) != NULL;
}

/* What a trained predictor needs, and another must not have; its file is opened by the setup */
static int build_trained(builder *b, config_predictor *p, const cJSON *item, const char *place) {
    char inner[PLACE];
    const char *model = string(item, "model"), *priors = string(item, "priors");
    snprintf(inner, sizeof inner, "%.180s.model", place);
    p->model = file_of(b, model, inner);
    if (p->model == NULL) return -1;
    snprintf(inner, sizeof inner, "%.180s.priors", place);
    p->priors = priors == NULL ? NULL : folder_of(b, priors, inner);
    return priors != NULL && p->priors == NULL ? -1 : 0;
}

/* `table` may be trained, too: then it has a file */
static int build_predictor(builder *b, config_predictor *p, const cJSON *item, const char *place) {
    char inner[PLACE], expected[300], quoted[CONFIG_FOUND_LEN];
    predictor unused;
    *p = (config_predictor){.name = cJSON_IsString(item) ? item->valuestring : string(item, "name")};
    p->is_online = cJSON_IsTrue(get(item, "online"));
    int has_model = get(item, "model") != NULL,
        is_plain = predictor_find(&unused, p->name, PREDICT_METERED) == 0;
    snprintf(p->text, sizeof p->text, "%s%.40s%s", has_model ? "trained " : "", p->name,
             p->is_online ? ", online" : "");
    snprintf(inner, sizeof inner, "%.180s%s", place, cJSON_IsString(item) ? "" : ".name");
    if (has_model && is_trained_kind(p->name)) return build_trained(b, p, item, place);
    if (has_model)
        return fail(b, inner, config_quote(quoted, p->name), "the kind of the trained model (`hassim rapp`)");
    if (get(item, "priors") != NULL) {
        snprintf(inner, sizeof inner, "%.180s.priors", place);
        return fail(b, inner, "priors without a model", "a trained predictor's file in \"model\"");
    }
    if (is_plain) return 0;
    snprintf(expected, sizeof expected, "{\"name\": \"%.40s\", \"model\": FILE} (hassim rapp train)",
             p->name);
    if (is_trained_kind(p->name)) return fail(b, inner, config_quote(quoted, p->name), expected);
    snprintf(expected, sizeof expected, "one of: %.60s; or a trained one, {\"name\": KIND, \"model\": FILE}",
             predictor_names());
    return fail(b, inner, config_quote(quoted, p->name), expected);
}

static int build_policy(builder *b, config_policy *p, cJSON *entry, const char *place) {
    const cJSON *root = b->c->root;
    char inner[PLACE];
    p->name = string(entry, "name");
    p->ops = plugin_policy_find(b->plugins, p->name);
    p->from = plugin_of(b->plugins, p->ops);
    snprintf(inner, sizeof inner, "%.180s.name", place);
    if (p->ops == NULL) return fail_policy(b, inner, p->name);
    p->mode = choice(entry, "mode", "corrected|artifact") == 0 ? POL_CORRECTED : POL_ARTIFACT;
    snprintf(inner, sizeof inner, "%.180s.predictor", place);
    if (build_predictor(b, &p->predictor, get(entry, "predictor"), inner) != 0) return -1;
    p->billing = string(entry, "billing");
    if (p->billing == NULL) p->billing = p->ops->billing;
    p->bill = (engine_billing)config_choice_index("share|whole-gpu|slice", p->billing);
    build_runtime(p, get(root, "cluster"));
    p->scrape_s = metric(entry, root, "scrape_s", p->ops->scrape_s);
    p->metrics_phase_s = metric(entry, root, "phase_s", 0);
    return config_params(p, entry, b->c->file, place, b->err);
}

/* "has", or "has:artifact" where another entry has the same name and none has a label of its own */
static int build_label(builder *b, size_t index, cJSON *entry) {
    config *c = b->c;
    config_policy *p = &c->policies[index];
    int shared = 0;
    for (size_t i = 0; i < c->n_policies; i++)
        shared |= i != index && strcmp(c->policies[i].name, p->name) == 0;
    p->label = string(entry, "label");
    if (p->label == NULL) {
        char text[128];
        snprintf(text, sizeof text, "%.100s%s%s", p->name, shared ? ":" : "",
                 !shared                    ? ""
                 : p->mode == POL_CORRECTED ? "corrected"
                                            : "artifact");
        if (cJSON_AddStringToObject(entry, "label", text) == NULL) return fail_memory(b);
        p->label = string(entry, "label");
    }
    for (size_t i = 0; i < index; i++) {
        if (strcmp(c->policies[i].label, p->label) != 0) continue;
        char place[PLACE], quoted[CONFIG_FOUND_LEN];
        snprintf(place, sizeof place, "policies[%zu]", index);
        return fail(b, place, config_quote(quoted, p->label), "a \"label\" that no other policy has");
    }
    p->json = cJSON_PrintUnformatted(entry);
    return p->json == NULL ? fail_memory(b) : 0;
}

static int build_policies(builder *b, cJSON *policies) {
    config *c = b->c;
    int n = cJSON_GetArraySize(policies);
    if (n == 0) return fail(b, "policies", "an empty array", "at least one policy");
    if (n > 64) return fail(b, "policies", "more than 64", "at most 64");
    c->policies = calloc((size_t)n, sizeof *c->policies);
    if (c->policies == NULL) return fail_memory(b);
    cJSON *item = NULL;
    cJSON_ArrayForEach(item, policies) {
        char place[PLACE];
        snprintf(place, sizeof place, "policies[%zu]", c->n_policies);
        if (build_policy(b, &c->policies[c->n_policies++], item, place) != 0) return -1;
    }
    size_t i = 0;
    cJSON_ArrayForEach(item, policies) {
        if (build_label(b, i++, item) != 0) return -1;
    }
    return 0;
}

static int build_timeline(builder *b, const cJSON *root) {
    config *c = b->c;
    const cJSON *timeline = get(root, "timeline");
    double bins = number(timeline, "bins", 240);
    if (get(timeline, "bins") != NULL && get(timeline, "bin_s") != NULL)
        return fail(b, "timeline", "both bins and bin_s", "one of them");
    c->bin_s = number(timeline, "bin_s", c->duration_s / bins);
    if (c->duration_s / c->bin_s > 100000.5)
        return fail(b, "timeline.bin_s", "more than 100000 bins", "wider bins");
    c->timeline_fns = count(timeline, "functions");
    return 0;
}

/* The config without what tells runs apart or leaves their results as they are */
static int print_texts(builder *b, const cJSON *grid) {
    static const char *const apart[] = {"name", "question", "seeds", "engine", "threads", "policies"};
    config *c = b->c;
    c->json = cJSON_PrintUnformatted(c->root);
    c->grid = cJSON_PrintUnformatted(grid);
    cJSON *rest = cJSON_Duplicate(c->root, 1);
    for (size_t i = 0; i < sizeof apart / sizeof *apart; i++) cJSON_DeleteItemFromObject(rest, apart[i]);
    c->shared = rest == NULL ? NULL : cJSON_PrintUnformatted(rest);
    cJSON_Delete(rest);
    return c->json == NULL || c->grid == NULL || c->shared == NULL ? fail_memory(b) : 0;
}

static int build_top(builder *b, const cJSON *root) {
    config *c = b->c;
    c->name = string(root, "name");
    c->question = string(root, "question");
    c->duration_s = number(root, "duration_s", 0);
    c->warmup_s = number(root, "warmup_s", 0);
    c->drain_s = number(root, "drain_s", 0);
    if (c->duration_s - c->warmup_s < 1e-6) /* a window of less than a microsecond would round to nothing */
        return fail(b, "warmup_s", "no less than duration_s", "a warm-up that ends before the run");
    c->order = choice(root, "engine", "islands|global") == 0 ? ENGINE_ISLANDS : ENGINE_GLOBAL;
    c->threads = count(root, "threads");
    c->slo_multiplier = number(root, "slo_multiplier", 0);
    c->model_error = number(root, "model_error", 0);
    c->actions_max = count(root, "actions_max");
    c->record_requests = cJSON_IsTrue(get(root, "record_requests"));
    return build_seeds(b, get(root, "seeds"));
}

static int build_slo(builder *b, const cJSON *root) {
    config *c = b->c;
    c->slo_device = c->gpus[0].device;
    c->slo_device_is_file = c->gpus[0].is_file;
    const char *device = string(root, "slo_device");
    if (device != NULL && build_device(b, device, "slo_device", &c->slo_device, &c->slo_device_is_file) != 0)
        return -1;
    return build_report(b, get(root, "slo_report"));
}

static int build_all(builder *b, const cJSON *grid) {
    config *c = b->c;
    if (build_top(b, c->root) != 0) return -1;
    if (build_cluster(b, get(c->root, "cluster")) != 0) return -1;
    if (build_prices(b, c->root) != 0) return -1;
    if (build_slo(b, c->root) != 0) return -1;
    if (build_fns(b, get(c->root, "functions")) != 0) return -1;
    if (build_from(b, get(c->root, "functions_from")) != 0) return -1;
    if (build_policies(b, cJSON_GetObjectItemCaseSensitive(c->root, "policies")) != 0) return -1;
    if (build_timeline(b, c->root) != 0) return -1;
    return print_texts(b, grid);
}

int config_build(config **out, const char *path, cJSON *root, const cJSON *grid, const plugin_set *plugins,
                 char err[CONFIG_ERR_LEN]) {
    *out = NULL;
    config *c = calloc(1, sizeof *c);
    if (c == NULL || (c->file = strdup(path)) == NULL) {
        free(c);
        cJSON_Delete(root);
        return config_fail(err, path, NULL, "no memory", "enough of it");
    }
    c->root = root;
    builder b = {c, plugins, err};
    if (build_all(&b, grid) != 0) {
        config_free(c);
        return -1;
    }
    *out = c;
    return 0;
}

void config_free(config *c) {
    if (c == NULL) return;
    for (size_t i = 0; i < c->n_policies; i++) {
        free(c->policies[i].params);
        cJSON_free(c->policies[i].json);
    }
    for (size_t i = 0; i < c->n_paths; i++) free(c->paths[i]);
    free(c->paths);
    free(c->policies);
    free(c->models);
    free(c->explicits);
    for (size_t i = 0; i < c->n_fns; i++) free(c->fns[i].trace.stages);
    free(c->fns);
    free(c->gpus);
    free(c->seeds);
    cJSON_free(c->json);
    cJSON_free(c->shared);
    cJSON_free(c->grid);
    cJSON_Delete(c->root);
    free(c->file);
    free(c);
}
