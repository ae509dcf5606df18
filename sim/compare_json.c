#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

#include "compare_int.h"

static void add_number(cJSON *object, const char *key, double value) {
    if (isfinite(value))
        cJSON_AddNumberToObject(object, key, value);
    else
        cJSON_AddNullToObject(object, key);
}

static void add_interval(cJSON *object, const char *key, const stats_interval *value) {
    cJSON *pair = cJSON_AddObjectToObject(object, key);
    add_number(pair, "mean", value->mean);
    add_number(pair, "lo", value->lo);
    add_number(pair, "hi", value->hi);
    cJSON_AddNumberToObject(pair, "n", (double)value->n);
}

/* The grid point as an object; as text if it is not JSON after all. */
static void add_grid(cJSON *object, const char *grid) {
    cJSON *parsed = cJSON_Parse(grid);
    if (parsed)
        cJSON_AddItemToObject(object, "grid", parsed);
    else
        cJSON_AddStringToObject(object, "grid", grid);
}

static void add_policy(cJSON *policies, const compare_group *g) {
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "label", g->label);
    cJSON_AddStringToObject(object, "name", g->policy);
    cJSON_AddStringToObject(object, "mode", g->mode);
    cJSON_AddStringToObject(object, "billing", g->billing);
    add_grid(object, g->grid);
    cJSON_AddNumberToObject(object, "model_error", g->model_error);
    cJSON_AddNumberToObject(object, "runs", (double)g->n_runs);
    for (int m = 0; m < COMPARE_METRICS; m++) add_interval(object, compare_metrics[m].key, &g->means[m]);
    cJSON_AddItemToArray(policies, object);
}

static void add_ratio(cJSON *ratios, const compare_table *t, const compare_group *g, int metric) {
    compare_ratio ratio = compare_int_ratio(g, compare_int_baseline(t, g), metric);
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "label", g->label);
    cJSON_AddStringToObject(object, "baseline", t->baseline);
    add_grid(object, g->grid);
    cJSON_AddStringToObject(object, "metric", compare_metrics[metric].key);
    if (ratio.known) {
        add_interval(object, "ratio", &ratio.value);
    } else {
        cJSON_AddNullToObject(object, "ratio");
        cJSON_AddStringToObject(object, "note", ratio.note);
    }
    int within = compare_int_within_error(t, g, metric);
    if (within < 0)
        cJSON_AddNullToObject(object, "within_model_error");
    else
        cJSON_AddBoolToObject(object, "within_model_error", within);
    cJSON_AddItemToArray(ratios, object);
}

int compare_int_json(const compare_table *t, FILE *out) {
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "experiment", t->name);
    cJSON_AddStringToObject(root, "question", t->question);
    cJSON_AddStringToObject(root, "baseline", t->baseline);
    cJSON *policies = cJSON_AddArrayToObject(root, "policies");
    for (size_t i = 0; i < t->n_groups; i++) add_policy(policies, &t->groups[i]);
    cJSON *ratios = cJSON_AddArrayToObject(root, "ratios");
    for (size_t i = 0; i < t->n_groups; i++) {
        if (strcmp(t->groups[i].label, t->baseline) == 0) continue;
        for (int m = 0; m < COMPARE_METRICS; m++) add_ratio(ratios, t, &t->groups[i], m);
    }
    char *text = cJSON_Print(root);
    if (text) fprintf(out, "%s\n", text);
    cJSON_Delete(root);
    cJSON_free(text);
    return text ? 0 : -1;
}
