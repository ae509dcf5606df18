/* config_params.c - a policy's "params" against the policy's own table. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "config_int.h"
#include "config_keys.h"

typedef struct {
    const pol_ops *ops;
    const char *file, *place;
    char *err;
} checker;

static int wrong(const checker *k, const char *key, const char *found, const char *expected) {
    char place[200];
    snprintf(place, sizeof place, "%.100s.params%s%.80s", k->place, *key == '\0' ? "" : ".", key);
    return config_fail(k->err, k->file, place, found, expected);
}

static const pol_param *find_param(const pol_ops *ops, const char *key) {
    for (size_t i = 0; i < ops->n_params; i++)
        if (strcmp(ops->params[i].key, key) == 0) return &ops->params[i];
    return NULL;
}

static int fail_unknown(const checker *k, const char *key) {
    const pol_ops *ops = k->ops;
    size_t nearest = SIZE_MAX;
    const char *near = NULL;
    char found[2 * CONFIG_FOUND_LEN], quoted[CONFIG_FOUND_LEN], expected[300];
    for (size_t i = 0; i < ops->n_params; i++) {
        size_t distance = config_distance(key, ops->params[i].key);
        if (distance >= nearest) continue;
        nearest = distance;
        near = ops->params[i].key;
    }
    snprintf(found, sizeof found, "the unknown key %s", config_quote(quoted, key));
    if (near != NULL && config_is_near(key, nearest))
        snprintf(expected, sizeof expected, "\"%.100s\" (the nearest parameter of %.60s)", near, ops->name);
    else
        snprintf(expected, sizeof expected, "a parameter of %.60s (see `hassim policy list`)", ops->name);
    return wrong(k, "", found, expected);
}

static int check_names(const checker *k, const cJSON *params) {
    for (const cJSON *item = params->child; item != NULL; item = item->next) {
        if (find_param(k->ops, item->string) == NULL) return fail_unknown(k, item->string);
        for (const cJSON *other = params->child; other != item; other = other->next)
            if (strcmp(other->string, item->string) == 0)
                return wrong(k, item->string, "the key twice", "each key once");
    }
    return 0;
}

static int check_choice(const checker *k, const pol_param *param, const cJSON *item, double *value) {
    char found[CONFIG_FOUND_LEN], expected[300];
    int index = cJSON_IsString(item) ? config_choice_index(param->choices, item->valuestring) : -1;
    *value = index;
    snprintf(expected, sizeof expected, "one of %.250s", param->choices);
    return index < 0 ? wrong(k, param->key, config_describe(found, item), expected) : 0;
}

static int check_number(const checker *k, const pol_param *param, const cJSON *item, double *value) {
    char found[CONFIG_FOUND_LEN], expected[300];
    *value = cJSON_IsNumber(item) ? item->valuedouble : NAN;
    int fits = isfinite(*value) && *value >= param->min && *value <= param->max &&
               (!param->is_integer || floor(*value) == *value);
    snprintf(expected, sizeof expected, "%s from %.16g to %.16g%s%.60s%s",
             param->is_integer ? "an integer" : "a number", param->min, param->max,
             *param->unit == '\0' ? "" : " (", param->unit, *param->unit == '\0' ? "" : ")");
    return fits ? 0 : wrong(k, param->key, config_describe(found, item), expected);
}

/* The default becomes part of the config, so that its text says what was run */
static int add_default(const pol_param *param, cJSON *params, double value) {
    if (param->choices == NULL) return cJSON_AddNumberToObject(params, param->key, value) != NULL;
    char name[64];
    const char *p = param->choices;
    for (int i = 0; i < (int)value && strchr(p, '|') != NULL; i++) p = strchr(p, '|') + 1;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(p, "|"), p);
    return cJSON_AddStringToObject(params, param->key, name) != NULL;
}

int config_params(config_policy *p, cJSON *entry, const char *file, const char *place,
                  char err[CONFIG_ERR_LEN]) {
    const pol_ops *ops = p->ops;
    checker k = {ops, file, place, err};
    cJSON *params = cJSON_GetObjectItemCaseSensitive(entry, "params");
    if (check_names(&k, params) != 0) return -1;
    p->params = calloc(ops->n_params + 1, sizeof *p->params);
    if (p->params == NULL) return wrong(&k, "", "no memory", "enough of it");
    for (size_t i = 0; i < ops->n_params; i++) {
        const pol_param *param = &ops->params[i];
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(params, param->key);
        int rc = 0;
        p->params[i] = param->by_default[p->mode];
        if (item == NULL && !add_default(param, params, p->params[i]))
            rc = wrong(&k, param->key, "no memory", "enough of it");
        else if (item != NULL)
            rc = param->choices == NULL ? check_number(&k, param, item, &p->params[i])
                                        : check_choice(&k, param, item, &p->params[i]);
        if (rc != 0) return rc;
    }
    return 0;
}

static const pol_fn *one_fn(void *impl, uint32_t fn) {
    static const pol_fn any = {
        .name = "any", .model = "any", .slo_ns = 1000000000, .batch_max = 1, .workers = 1};
    (void)impl, (void)fn;
    return &any;
}

/* With all that open may use of a host (policy.h), and one function */
static int check_together(const config_policy *p, const checker *k) {
    const pol_host host = {.fn = one_fn,
                           .scrape_ns = llround(p->scrape_s * 1e9),
                           .scrape_phase_ns = llround(p->metrics_phase_s * 1e9)};
    char why[POL_ERR_LEN] = "", expected[POL_ERR_LEN + 40];
    pol_ctx *opened = NULL;
    uint32_t flags = 0;
    int64_t tick_ns = 0;
    pol_status status = p->ops->open(&opened, &host, 1, p->mode, p->params, &flags, &tick_ns, why);
    if (status == POL_OK) p->ops->close(opened);
    if (status == POL_NO_MEM) return wrong(k, "", "no memory", "enough of it");
    snprintf(expected, sizeof expected, "others: %s", why);
    return status == POL_OK ? 0 : wrong(k, "", "values that do not go together", expected);
}

int config_check_params(const config *c, char err[CONFIG_ERR_LEN]) {
    for (size_t i = 0; i < c->n_policies; i++) {
        char place[40];
        snprintf(place, sizeof place, "policies[%zu]", i);
        const checker k = {c->policies[i].ops, c->file, place, err};
        if (c->policies[i].from == NULL && check_together(&c->policies[i], &k) != 0) return -1;
    }
    return 0;
}
