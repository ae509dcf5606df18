/* config_keys.c - the keys of a config: one row each. */
#include "config_keys.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

#define YEAR_S 31622400.0
#define BIG    9007199254740991.0 /* the largest integer that JSON's doubles hold exactly */

static const config_key keys[] = {
    {"name", CONFIG_NAME, 0, 0, NULL, "", "", NULL, "the experiment's name; results go to results/NAME.db"},
    {"question", CONFIG_TEXT, 0, 0, NULL, "\"\"", "", NULL,
     "what the experiment wants to know, in a sentence"},
    {"duration_s", CONFIG_NUMBER, 0.001, YEAR_S, NULL, "", "s", NULL, "arrivals end here"},
    {"warmup_s", CONFIG_NUMBER, 0, YEAR_S, NULL, "0", "s", NULL, "counts and costs begin here"},
    {"drain_s", CONFIG_NUMBER, 0, YEAR_S, NULL, "600", "s", NULL,
     "how long after the end requests may still finish"},
    {"seeds", CONFIG_SEEDS, 0, BIG, NULL, "5", "", NULL, "N: seeds 1 to N; or an array of seeds"},
    {"engine", CONFIG_CHOICE, 0, 0, "islands|global", "\"islands\"", "", NULL,
     "order of simulation; global is the slow oracle with the same results"},
    {"threads", CONFIG_INTEGER, 1, 256, NULL, "1", "", NULL, "threads per run (islands only)"},
    {"cluster", CONFIG_OBJECT, 0, 0, NULL, "", "", NULL, "the GPUs and how they are shared"},
    {"cluster.gpus", CONFIG_OBJECTS, 0, 0, NULL, "", "", NULL, "kinds of GPU; nodes are numbered through"},
    {"cluster.gpus[].device", CONFIG_STRING, 0, 0, NULL, "", "", NULL,
     "a shipped calibration's device, or a calibration file (*.json)"},
    {"cluster.gpus[].nodes", CONFIG_INTEGER, 1, 100000, NULL, "1", "", NULL, "nodes of this kind"},
    {"cluster.gpus[].per_node", CONFIG_INTEGER, 1, 64, NULL, "1", "", NULL, "GPUs per node"},
    {"cluster.gpus[].sm_resizable", CONFIG_BOOL, 0, 0, NULL, "(the calibration's)", "", NULL,
     "suppose that SM widths can be changed while a pod runs (green contexts)"},
    {"cluster.gpus[].sm_resize_ms", CONFIG_NUMBER, 0, 60000, NULL, "(the calibration's)", "ms", NULL,
     "what a change of width costs: no batch runs for so long"},
    {"cluster.rows_per_gpu", CONFIG_INTEGER, 1, 48, NULL, "2", "", NULL, "rows (distinct SM widths) per GPU"},
    {"cluster.oversubscribe", CONFIG_BOOL, 0, 0, NULL, "(true for artifact policies, else false)", "", NULL,
     "row widths may sum to more than 100 %; only where the runtime is token"},
    {"cluster.runtime", CONFIG_CHOICE, 0, 0, "metered|token", "(token for artifact policies, else metered)",
     "", NULL, "a quota limits GPU time (metered, the idea) or kernel launches (token, the artifact)"},
    {"cluster.keep_alive_s", CONFIG_NUMBER, 0, 86400, NULL, "0", "s", NULL,
     "the gateway keeps idle connections to pods for so long, and uses them before it routes anew"},
    {"cluster.linger_s", CONFIG_NUMBER, 0, 86400, NULL, "0", "s", NULL,
     "killed pods stay in the gateway's table for so long: requests routed to them fail"},
    {"cluster.metrics", CONFIG_OBJECT, 0, 0, NULL, "{}", "", NULL, "how policies see the counters"},
    {"cluster.metrics.scrape_s", CONFIG_NUMBER, 0.001, 86400, NULL, "(each policy's own)", "s", NULL,
     "period of the monitoring system"},
    {"cluster.metrics.phase_s", CONFIG_NUMBER, 0, 86400, NULL, "0", "s", NULL, "first scrape"},
    {"model_error", CONFIG_NUMBER, 0, 10, NULL, "0", "", NULL,
     "0: GPUs are as calibrated; else each seed draws them from so many times the calibration's uncertainty, "
     "while policies still know the calibration"},
    {"prices", CONFIG_STRING, 0, 0, NULL, "\"gcp\"", "", NULL,
     "a provider of the shipped price list, or FILE.json, or FILE.json#PROVIDER"},
    {"slo_device", CONFIG_STRING, 0, 0, NULL, "(the first of cluster.gpus)", "", NULL,
     "the device whose base latency defines the SLO"},
    {"slo_multiplier", CONFIG_NUMBER, 0.01, 1e6, NULL, "3", "", NULL, "SLO = this x base latency"},
    {"slo_report", CONFIG_NUMBERS, 0.01, 1e6, NULL, "[1.5, 2, 3, 5, 10]", "", NULL,
     "further multipliers, ascending, at most 16: violations are counted for them, too"},
    {"functions", CONFIG_OBJECTS, 0, 0, NULL, "[]", "", NULL, "the functions, one by one"},
    {"functions[].name", CONFIG_STRING, 0, 0, NULL, "", "", NULL, "unique"},
    {"functions[].model", CONFIG_STRING, 0, 0, NULL, "", "", NULL, "a model of the devices' calibrations"},
    {"functions[].count", CONFIG_INTEGER, 1, 1000000, NULL, "1", "", NULL,
     "that many copies, NAME-1 and on, with arrivals of their own"},
    {"functions[].zipf", CONFIG_NUMBER, 0, 5, NULL, "0", "", NULL,
     "popularity of the copies: the k-th one's rate falls as k^-zipf, their mean stays"},
    {"functions[].memory_mib", CONFIG_INTEGER, 1, 1048576, NULL, "(the calibration's)", "MiB", NULL,
     "GPU memory of a pod"},
    {"functions[].batch_max", CONFIG_INTEGER, 1, CALIB_BATCH_MAX, NULL, "4", "", NULL,
     "requests in a batch, at most"},
    {"functions[].workers", CONFIG_INTEGER, 1, 65536, NULL, "8", "", NULL,
     "requests that a pod handles at once"},
    {"functions[].batch_wait_ms", CONFIG_NUMBER, 0, 60000, NULL, "0", "ms", NULL,
     "wait at most so long for a batch to fill"},
    {"functions[].slo_multiplier", CONFIG_NUMBER, 0.01, 1e6, NULL, "(the config's)", "", NULL,
     "this function's own"},
    {"functions[].trace", CONFIG_OBJECT, 0, 0, NULL, "", "", NULL, "where its arrivals come from"},
    {"functions[].trace.format", CONFIG_CHOICE, 0, 0, "synthetic|client|" TRACE_FORMATS, "\"synthetic\"", "",
     NULL, "a trace file's format, or arrivals from a formula, or a test client that waits for answers"},
    {"functions[].trace.path", CONFIG_STRING, 0, 0, NULL, "", "", "format!=synthetic/client",
     "the trace file"},
    {"functions[].trace.select", CONFIG_STRING, 0, 0, NULL, "\"rank:1\"", "", "format!=synthetic/client",
     "the file's function: rank:N (by invocations), name:PREFIX or row:N; not in functions_from"},
    {"functions[].trace.within_minute", CONFIG_CHOICE, 0, 0, "uniform|even|bursty", "\"uniform\"", "",
     "format!=synthetic/client",
     "how a minute's, or a second's, count becomes arrivals; of no effect where they are recorded one by "
     "one"},
    {"functions[].trace.scale", CONFIG_NUMBER, 1e-9, 1e6, NULL, "1", "", "format!=synthetic/client",
     "multiplies the rate"},
    {"functions[].trace.offset_s", CONFIG_NUMBER, 0, YEAR_S, NULL, "0", "s", "format!=synthetic/client",
     "skips the file's beginning"},
    {"functions[].trace.work", CONFIG_CHOICE, 0, 0, "sizes|equal", "\"sizes\"", "",
     "format!=synthetic/client",
     "sizes: where the trace has them (tokens, say), larger requests take the GPU longer; equal: all as "
     "long"},
    {"functions[].trace.out_weight", CONFIG_NUMBER, 0, 1e6, NULL, "1", "", "format!=synthetic/client",
     "azure-llm: a generated token counts as so many of the context's: size = context + out_weight x "
     "generated"},
    {"functions[].trace.calibrated_size", CONFIG_NUMBER, 1e-3, 1e12, NULL,
     "(the mean of the function in the trace)", "", "format!=synthetic/client",
     "the size of a request that takes as long as the calibration says"},
    {"functions[].trace.shape", CONFIG_CHOICE, 0, 0, "steady|even|diurnal|bursty|rare", "\"steady\"", "",
     "format=synthetic", "the rate over time: Poisson, evenly spaced, a daily wave, bursts, rare sessions"},
    {"functions[].trace.mean_rps", CONFIG_NUMBER, 1e-9, 1e7, NULL, "", "requests/s", "format=synthetic",
     "mean rate"},
    {"functions[].trace.amplitude", CONFIG_NUMBER, 0, 1, NULL, "0.5", "", "shape=diurnal",
     "height of the wave, as a share of the mean"},
    {"functions[].trace.period_s", CONFIG_NUMBER, 1, YEAR_S, NULL, "86400", "s", "shape=diurnal",
     "length of the wave"},
    {"functions[].trace.phase_s", CONFIG_NUMBER, 0, YEAR_S, NULL, "0", "s", "shape=diurnal",
     "where in the wave the run begins"},
    {"functions[].trace.burst_factor", CONFIG_NUMBER, 1, 1e4, NULL, "5", "", "shape=bursty",
     "rate in a burst over the rate between"},
    {"functions[].trace.burst_s", CONFIG_NUMBER, 0.001, YEAR_S, NULL, "30", "s", "shape=bursty",
     "mean length of a burst"},
    {"functions[].trace.burst_every_s", CONFIG_NUMBER, 0.001, YEAR_S, NULL, "300", "s", "shape=bursty",
     "mean distance of bursts"},
    {"functions[].trace.rates_rps", CONFIG_NUMBERS, 1, 10000, NULL, "", "requests/s", "format=client",
     "whole numbers: evenly spaced requests, stage by stage; a stage begins when all of the one before are "
     "answered"},
    {"functions[].trace.stage_s", CONFIG_INTEGER, 1, 3600, NULL, "5", "s", "format=client",
     "length of a stage"},
    {"functions[].trace.threads_per_rps", CONFIG_INTEGER, 1, 1000, NULL, "2", "", "format=client",
     "so many times the rate are in flight at most; the rest waits inside the client, which no latency "
     "shows"},
    {"functions[].trace.late_ms", CONFIG_NUMBER, 0, 1000, NULL, "0.25", "ms", "format=client",
     "each gap between requests is so much longer (the testbed's)"},
    {"functions[].trace.pause_ms", CONFIG_NUMBER, 0, 3600000, NULL, "2", "ms", "format=client",
     "from the last answer of a stage to the next stage (the testbed's)"},
    {"functions[].trace.start_s", CONFIG_NUMBER, 0, YEAR_S, NULL, "0", "s", "format=client",
     "when the client begins"},
    {"functions_from", CONFIG_OBJECT, 0, 0, NULL, "(none)", "", NULL,
     "one function per function of a trace file, beside `functions`"},
    {"functions_from.trace", CONFIG_SAME, 0, 0, "functions[].trace", "", "", NULL, "a trace file; no select"},
    {"functions_from.models", CONFIG_STRINGS, 0, 0, NULL, "", "", NULL, "models that they run"},
    {"functions_from.rule", CONFIG_CHOICE, 0, 0, "rank|duration", "\"rank\"", "", NULL,
     "rank: the models in turn, most invoked first; duration: the model whose base latency is nearest to the "
     "function's "
     "mean duration (unknown or 0: as rank)"},
    {"functions_from.explicit", CONFIG_OBJECTS, 0, 0, NULL, "[]", "", NULL,
     "functions for which the rule does not hold"},
    {"functions_from.explicit[].select", CONFIG_STRING, 0, 0, NULL, "", "", NULL,
     "which one: name:PREFIX, row:N or rank:N"},
    {"functions_from.explicit[].model", CONFIG_STRING, 0, 0, NULL, "", "", NULL, "the model that it runs"},
    {"functions_from.explicit[].memory_mib", CONFIG_INTEGER, 1, 1048576, NULL, "(the others')", "MiB", NULL,
     "as in functions"},
    {"functions_from.explicit[].slo_multiplier", CONFIG_NUMBER, 0.01, 1e6, NULL, "(the others')", "", NULL,
     "as in functions"},
    {"functions_from.memory_from", CONFIG_CHOICE, 0, 0, "calibration|trace", "\"calibration\"", "", NULL,
     "trace: the function's mean memory in the trace, where it is known and memory_mib is not set"},
    {"functions_from.slo_from", CONFIG_CHOICE, 0, 0, "model|duration", "\"model\"", "", NULL,
     "what slo_multiplier multiplies: the model's base latency, or the function's mean duration in the "
     "trace, where known"},
    {"functions_from.limit", CONFIG_INTEGER, 0, 1000000, NULL, "0", "", NULL, "at most so many; 0: all"},
    {"functions_from.memory_mib", CONFIG_INTEGER, 1, 1048576, NULL, "(the calibration's)", "MiB", NULL,
     "as in functions"},
    {"functions_from.batch_max", CONFIG_INTEGER, 1, CALIB_BATCH_MAX, NULL, "4", "", NULL, "as in functions"},
    {"functions_from.workers", CONFIG_INTEGER, 1, 65536, NULL, "8", "", NULL, "as in functions"},
    {"functions_from.batch_wait_ms", CONFIG_NUMBER, 0, 60000, NULL, "0", "ms", NULL, "as in functions"},
    {"functions_from.slo_multiplier", CONFIG_NUMBER, 0.01, 1e6, NULL, "(the config's)", "", NULL,
     "as in functions"},
    {"policies", CONFIG_OBJECTS, 0, 0, NULL, "", "", NULL, "the policies that are compared"},
    {"policies[].name", CONFIG_STRING, 0, 0, NULL, "", "", NULL, "see `hassim policy list`"},
    {"policies[].mode", CONFIG_CHOICE, 0, 0, "corrected|artifact", "\"corrected\"", "", NULL,
     "the idea, or what the published code does"},
    {"policies[].label", CONFIG_STRING, 0, 0, NULL, "(the name, or name:mode where two share it)", "", NULL,
     "how results call it; unique"},
    {"policies[].predictor", CONFIG_NAMED, 0, 0, NULL, "\"table\"", "", NULL,
     "what the policy knows about latency"},
    {"policies[].predictor.name", CONFIG_STRING, 0, 0, NULL, "", "", NULL,
     "table: the calibration; oracle: the run's truth; or the kind of a trained one (`hassim rapp --help`)"},
    {"policies[].predictor.model", CONFIG_STRING, 0, 0, NULL, "(none)", "", NULL,
     "the trained one's file (`hassim rapp train`); it knows one kind of GPU"},
    {"policies[].predictor.priors", CONFIG_STRING, 0, 0, NULL, "(none)", "", NULL,
     "a data folder with the priors of models that it was not trained on"},
    {"policies[].predictor.online", CONFIG_BOOL, 0, 0, NULL, "false", "", NULL,
     "it corrects itself during the run, from the batch times that were observed by the last scrape"},
    {"policies[].billing", CONFIG_CHOICE, 0, 0, "share|whole-gpu|slice", "(the policy's)", "", NULL,
     "what is paid for: SM share x quota share, or whole GPUs"},
    {"policies[].params", CONFIG_PARAMS, 0, 0, NULL, "{}", "", NULL, "see `hassim policy list`"},
    {"policies[].metrics", CONFIG_OBJECT, 0, 0, NULL, "{}", "", NULL, "instead of cluster.metrics"},
    {"policies[].metrics.scrape_s", CONFIG_NUMBER, 0.001, 86400, NULL, "(the cluster's)", "s", NULL,
     "period of the monitoring system"},
    {"policies[].metrics.phase_s", CONFIG_NUMBER, 0, 86400, NULL, "(the cluster's)", "s", NULL,
     "first scrape"},
    {"grid", CONFIG_GRID, 0, 0, NULL, "{}", "", NULL, "paths to arrays of values; every combination is run"},
    {"timeline", CONFIG_OBJECT, 0, 0, NULL, "{}", "", NULL, "what is kept over time"},
    {"timeline.bins", CONFIG_INTEGER, 1, 100000, NULL, "(240, unless bin_s is set)", "", NULL,
     "bins over the duration"},
    {"timeline.bin_s", CONFIG_NUMBER, 0.001, YEAR_S, NULL, "(duration_s / bins)", "s", NULL,
     "width of a bin"},
    {"timeline.functions", CONFIG_INTEGER, 0, 1000, NULL, "20", "", NULL,
     "so many of the first functions get one of their own"},
    {"actions_max", CONFIG_INTEGER, 0, 10000000, NULL, "20000", "", NULL,
     "so many actions per run are kept, all are counted"},
    {"record_requests", CONFIG_BOOL, 0, 0, NULL, "false", "", NULL, "keep every request in the results"},
};
enum { N_KEYS = sizeof keys / sizeof *keys };

const config_key *config_keys(size_t *n) {
    *n = N_KEYS;
    return keys;
}

static void expected_choices(const char *choices, char *out, size_t len) {
    size_t used = (size_t)snprintf(out, len, "one of \"");
    for (const char *p = choices; *p != '\0' && used + 8 < len; p++) {
        if (*p == '|')
            used += (size_t)snprintf(out + used, len - used, "\", \"");
        else
            out[used++] = *p;
    }
    snprintf(out + used, len - used, "\"");
}

void config_key_expected(const config_key *key, char *out, size_t len) {
    const char *open = *key->unit == '\0' ? "" : " (", *shut = *key->unit == '\0' ? "" : ")";
    switch (key->type) {
    case CONFIG_NUMBER:
    case CONFIG_INTEGER:
    case CONFIG_NUMBERS:
        snprintf(out, len, "%s from %.16g to %.16g%s%s%s",
                 key->type == CONFIG_NUMBER    ? "a number"
                 : key->type == CONFIG_INTEGER ? "an integer"
                                               : "an array of numbers",
                 key->min, key->max, open, key->unit, shut);
        break;
    case CONFIG_CHOICE:
        expected_choices(key->choices, out, len);
        break;
    case CONFIG_BOOL:
        snprintf(out, len, "true or false");
        break;
    case CONFIG_STRING:
        snprintf(out, len, "a string, not empty");
        break;
    case CONFIG_TEXT:
        snprintf(out, len, "a string");
        break;
    case CONFIG_NAME:
        snprintf(out, len, "a name of letters, digits, \"_\", \"-\" and \".\", at most 100");
        break;
    case CONFIG_STRINGS:
        snprintf(out, len, "an array of strings, not empty");
        break;
    case CONFIG_OBJECTS:
        snprintf(out, len, "an array of objects");
        break;
    case CONFIG_NAMED:
        snprintf(out, len, "a string, not empty, or an object");
        break;
    case CONFIG_SEEDS:
        snprintf(out, len, "an integer from 1 to 10000, or an array of different integers");
        break;
    case CONFIG_OBJECT:
    case CONFIG_SAME:
    case CONFIG_PARAMS:
    case CONFIG_GRID:
        snprintf(out, len, "an object");
        break;
    }
}

typedef struct {
    const char *file;
    char *err;
} checker;

enum { PLACE = 200 };

static int wrong(const checker *k, const char *place, const cJSON *item, const config_key *key) {
    char found[CONFIG_FOUND_LEN], expected[320];
    config_key_expected(key, expected, sizeof expected);
    if (key->type == CONFIG_STRING && cJSON_IsString(item) && *item->valuestring)
        snprintf(expected, sizeof expected, "a string without control characters");
    return config_fail(k->err, k->file, place, config_describe(found, item), expected);
}

/* NAME where path is PATTERN.NAME (or NAME, at the top), else NULL */
static const char *child_name(const char *path, const char *pattern) {
    size_t n = strlen(pattern);
    if (n > 0) {
        if (strncmp(path, pattern, n) != 0 || path[n] != '.') return NULL;
        path += n + 1;
    }
    return strchr(path, '.') == NULL ? path : NULL;
}

static const config_key *find_key(const char *pattern, const char *name) {
    for (size_t i = 0; i < N_KEYS; i++) {
        const char *child = child_name(keys[i].path, pattern);
        if (child != NULL && strcmp(child, name) == 0) return &keys[i];
    }
    return NULL;
}

static int fail_unknown(const checker *k, const char *pattern, const char *place, const char *name) {
    size_t nearest = SIZE_MAX, used = 0;
    const char *near = NULL;
    char list[300] = "", expected[400], quoted[CONFIG_FOUND_LEN], found[CONFIG_FOUND_LEN + 20];
    for (size_t i = 0; i < N_KEYS; i++) {
        const char *child = child_name(keys[i].path, pattern);
        if (child == NULL) continue;
        if (config_distance(name, child) < nearest) {
            nearest = config_distance(name, child);
            near = child;
        }
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used == 0 ? "" : ", ", child);
        if (used >= sizeof list) used = sizeof list - 1;
    }
    if (near != NULL && config_is_near(name, nearest))
        snprintf(expected, sizeof expected, "\"%s\" (the nearest known key)", near);
    else
        snprintf(expected, sizeof expected, "one of: %s", list);
    snprintf(found, sizeof found, "the unknown key %s", config_quote(quoted, name));
    return config_fail(k->err, k->file, place, found, expected);
}

/* Every key known, none twice. Quadratic only in the known keys: the first unknown or repeated one ends it.
 */
static int check_names(const checker *k, const cJSON *object, const char *pattern, const char *place) {
    for (const cJSON *item = object->child; item != NULL; item = item->next) {
        if (find_key(pattern, item->string) == NULL) return fail_unknown(k, pattern, place, item->string);
        for (const cJSON *other = object->child; other != item; other = other->next) {
            if (strcmp(other->string, item->string) != 0) continue;
            char found[CONFIG_FOUND_LEN];
            snprintf(found, sizeof found, "the key \"%s\" twice", item->string);
            return config_fail(k->err, k->file, place, found, "each key once");
        }
    }
    return 0;
}

/* Whether s is one of "a/b/c" */
static int is_one_of(const char *values, const char *s) {
    size_t n = strlen(s);
    for (const char *p = values; p != NULL; p = strchr(p, '/')) {
        p += *p == '/';
        if (strncmp(p, s, n) == 0 && (p[n] == '/' || p[n] == '\0')) return 1;
    }
    return 0;
}

/* "sibling=value" or "sibling!=value/value"; a sibling that is missing or no string differs from every value */
static int holds(const cJSON *object, const char *only) {
    if (only == NULL) return 1;
    const char *equals = strchr(only, '=');
    int negated = equals[-1] == '!';
    char sibling[32];
    snprintf(sibling, sizeof sibling, "%.*s", (int)(equals - only) - negated, only);
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, sibling);
    int same = cJSON_IsString(item) && is_one_of(equals + 1, item->valuestring);
    return same != negated;
}

static int is_safe_text(const char *s) {
    for (const unsigned char *p = (const unsigned char *)s; *p != '\0'; p++)
        if (*p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0)) return 0;
    return 1;
}

static int is_name(const char *s) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    return *s != '\0' && *s != '.' && *s != '-' && strspn(s, letters) == strlen(s) && strlen(s) <= 100;
}

int config_choice_index(const char *choices, const char *s) {
    size_t n = strlen(s);
    int i = 0;
    if (n == 0 || strchr(s, '|') != NULL) return -1;
    for (const char *p = choices; p != NULL; p = strchr(p, '|'), i++) {
        p += *p == '|';
        if (strncmp(p, s, n) == 0 && (p[n] == '|' || p[n] == '\0')) return i;
    }
    return -1;
}

static int in_range(const cJSON *item, const config_key *key) {
    return cJSON_IsNumber(item) && item->valuedouble >= key->min && item->valuedouble <= key->max;
}

static int is_integer(const cJSON *item) {
    return cJSON_IsNumber(item) && floor(item->valuedouble) == item->valuedouble;
}

/* Whether an item that is no array is what its key takes */
static int leaf_fits(const cJSON *item, const config_key *key) {
    const char *s = cJSON_IsString(item) ? item->valuestring : NULL;
    switch (key->type) {
    case CONFIG_NUMBER:
    case CONFIG_NUMBERS:
        return in_range(item, key);
    case CONFIG_INTEGER:
        return in_range(item, key) && is_integer(item);
    case CONFIG_SEEDS:
        return in_range(item, key) && is_integer(item);
    case CONFIG_BOOL:
        return cJSON_IsBool(item);
    case CONFIG_STRING:
    case CONFIG_STRINGS:
    case CONFIG_NAMED:
        return s != NULL && *s != '\0' && is_safe_text(s);
    case CONFIG_TEXT:
        return s != NULL && is_safe_text(s);
    case CONFIG_NAME:
        return s != NULL && is_name(s);
    case CONFIG_CHOICE:
        return s != NULL && config_choice_index(key->choices, s) >= 0;
    default:
        return cJSON_IsObject(item);
    }
}

/* What one element of an array takes */
static config_key element_of(const config_key *key) {
    config_key one = *key;
    one.type = key->type == CONFIG_NUMBERS   ? CONFIG_NUMBER
               : key->type == CONFIG_STRINGS ? CONFIG_STRING
               : key->type == CONFIG_SEEDS   ? CONFIG_INTEGER
                                             : CONFIG_OBJECT;
    return one;
}

static int check_object(const checker *k, cJSON *object, const char *pattern, const char *place);

static int check_array(const checker *k, cJSON *array, const config_key *key, const char *place) {
    char pattern[PLACE], element[PLACE];
    size_t i = 0;
    if (!cJSON_IsArray(array)) return wrong(k, place, array, key);
    if (array->child == NULL && (key->type == CONFIG_STRINGS || key->type == CONFIG_SEEDS))
        return config_fail(k->err, k->file, place, "an empty array", "at least one element");
    const config_key one = element_of(key);
    snprintf(pattern, sizeof pattern, "%s[]", key->path);
    for (cJSON *item = array->child; item != NULL; item = item->next, i++) {
        snprintf(element, sizeof element, "%s[%zu]", place, i);
        if (!leaf_fits(item, &one)) return wrong(k, element, item, &one);
        if (key->type == CONFIG_OBJECTS && check_object(k, item, pattern, element) != 0) return -1;
    }
    return 0;
}

static int check_value(const checker *k, cJSON *item, const config_key *key, const char *place) {
    switch (key->type) {
    case CONFIG_NUMBERS:
    case CONFIG_STRINGS:
    case CONFIG_OBJECTS:
        return check_array(k, item, key, place);
    case CONFIG_SEEDS:
        if (cJSON_IsArray(item)) return check_array(k, item, key, place);
        if (!is_integer(item) || item->valuedouble < 1 || item->valuedouble > 10000)
            return wrong(k, place, item, key);
        return 0;
    case CONFIG_NAMED:
        if (!cJSON_IsObject(item)) return leaf_fits(item, key) ? 0 : wrong(k, place, item, key);
        return check_object(k, item, key->path, place);
    case CONFIG_OBJECT:
    case CONFIG_SAME:
        if (!cJSON_IsObject(item)) return wrong(k, place, item, key);
        return check_object(k, item, key->type == CONFIG_SAME ? key->choices : key->path, place);
    default:
        return leaf_fits(item, key) ? 0 : wrong(k, place, item, key);
    }
}

/* A key that is not there: its default, or an error */
static int fill_in(const checker *k, cJSON *object, const config_key *key, const char *name,
                   const char *place) {
    char expected[320];
    if (*key->by_default == '(') return 0;
    if (*key->by_default == '\0') {
        config_key_expected(key, expected, sizeof expected);
        return config_fail(k->err, k->file, place, NULL, expected);
    }
    cJSON *item = cJSON_Parse(key->by_default);
    if (item == NULL || !cJSON_AddItemToObject(object, name, item)) {
        cJSON_Delete(item);
        return config_fail(k->err, k->file, place, "no memory", "enough of it");
    }
    return check_value(k, item, key, place);
}

static int check_object(const checker *k, cJSON *object, const char *pattern, const char *place) {
    if (check_names(k, object, pattern, place) != 0) return -1;
    for (size_t i = 0; i < N_KEYS; i++) {
        const char *name = child_name(keys[i].path, pattern);
        if (name == NULL) continue;
        char inner[PLACE], found[CONFIG_FOUND_LEN], expected[CONFIG_FOUND_LEN];
        snprintf(inner, sizeof inner, "%s%s%s", place, *place == '\0' ? "" : ".", name);
        cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
        int rc = 0;
        if (item != NULL && !holds(object, keys[i].only)) {
            snprintf(expected, sizeof expected, "this key only where %s", keys[i].only);
            rc = config_fail(k->err, k->file, inner, config_describe(found, item), expected);
        } else if (item != NULL) {
            rc = check_value(k, item, &keys[i], inner);
        } else if (holds(object, keys[i].only)) {
            rc = fill_in(k, object, &keys[i], name, inner);
        }
        if (rc != 0) return rc;
    }
    return 0;
}

int config_keys_check(cJSON *root, const char *file, char err[CONFIG_ERR_LEN]) {
    checker k = {file, err};
    char found[CONFIG_FOUND_LEN];
    if (!cJSON_IsObject(root)) return config_fail(err, file, NULL, config_describe(found, root), "an object");
    return check_object(&k, root, "", "");
}

static void print_default(FILE *to, const config_key *key) {
    if (*key->by_default == '\0')
        fputs("required", to);
    else if (*key->by_default == '(')
        fprintf(to, "%.*s", (int)strlen(key->by_default) - 2, key->by_default + 1);
    else
        fprintf(to, "`%s`", key->by_default);
}

void config_print_reference(FILE *to) {
    fputs("| key | takes | default | meaning |\n|---|---|---|---|\n", to);
    for (size_t i = 0; i < N_KEYS; i++) {
        char expected[320];
        config_key_expected(&keys[i], expected, sizeof expected);
        fprintf(to, "| `%s` | %s | ", keys[i].path, expected);
        print_default(to, &keys[i]);
        fprintf(to, " | %s", keys[i].help);
        if (keys[i].type == CONFIG_SAME) fprintf(to, "; keys as in `%s`", keys[i].choices);
        if (keys[i].only != NULL) fprintf(to, "; only where `%s`", keys[i].only);
        fputs(" |\n", to);
    }
}
