/* prices.c - reading a price list. */
#include "prices.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct prices {
    cJSON *root;
    const cJSON *list;
    const char *provider;
};

typedef struct {
    const char *file;
    char *err;
} checker;

static const char *const required[] = {"provider", "device", "source", "date"};
enum { N_REQUIRED = sizeof required / sizeof *required };

static int fail(const checker *k, const char *place, const char *found, const char *expected) {
    return config_fail(k->err, k->file, place, found, expected);
}

static const cJSON *get(const cJSON *object, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static int is_one_of(const char *key, const char *const *known, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(key, known[i]) == 0) return 1;
    return 0;
}

static int check_keys(const checker *k, const cJSON *object, const char *place, const char *const *known,
                      size_t n) {
    char quoted[CONFIG_FOUND_LEN], found[2 * CONFIG_FOUND_LEN], expected[200] = "one of: ";
    for (size_t i = 0; i < n; i++) {
        size_t used = strlen(expected);
        snprintf(expected + used, sizeof expected - used, "%s%s", i == 0 ? "" : ", ", known[i]);
    }
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, object) {
        snprintf(found, sizeof found, "the key %s", config_quote(quoted, item->string));
        if (!is_one_of(item->string, known, n)) return fail(k, place, found, expected);
        if (get(object, item->string) != item) return fail(k, place, found, "it once, not twice");
    }
    return 0;
}

static int check_entry(const checker *k, const cJSON *entry, const char *place) {
    static const char *const known[] = {"provider", "device", "usd_per_gpu_hour",
                                        "source",   "date",   "derived_from"};
    char inner[160], found[CONFIG_FOUND_LEN];
    if (!cJSON_IsObject(entry)) return fail(k, place, config_describe(found, entry), "an object");
    if (check_keys(k, entry, place, known, sizeof known / sizeof *known) != 0) return -1;
    for (size_t i = 0; i < N_REQUIRED; i++) {
        const cJSON *item = get(entry, required[i]);
        snprintf(inner, sizeof inner, "%.80s.%s", place, required[i]);
        if (!cJSON_IsString(item) || *item->valuestring == '\0')
            return fail(k, inner, item == NULL ? NULL : config_describe(found, item), "a string, not empty");
    }
    const cJSON *usd = get(entry, "usd_per_gpu_hour"), *derived = get(entry, "derived_from");
    snprintf(inner, sizeof inner, "%.80s.usd_per_gpu_hour", place);
    if (!cJSON_IsNumber(usd) || !(usd->valuedouble >= 0 && usd->valuedouble <= 1e6))
        return fail(k, inner, usd == NULL ? NULL : config_describe(found, usd),
                    "a number from 0 to 1000000 (USD)");
    snprintf(inner, sizeof inner, "%.80s.derived_from", place);
    if (derived != NULL && !cJSON_IsString(derived))
        return fail(k, inner, config_describe(found, derived), "a string");
    return 0;
}

static int is_same(const cJSON *a, const cJSON *b) {
    return strcmp(get(a, "provider")->valuestring, get(b, "provider")->valuestring) == 0 &&
           strcmp(get(a, "device")->valuestring, get(b, "device")->valuestring) == 0;
}

static int check_list(const checker *k, const cJSON *list) {
    enum { ENTRIES_MAX = 1000 };
    char place[64], found[CONFIG_FOUND_LEN];
    size_t n = 0;
    if (!cJSON_IsArray(list) || list->child == NULL)
        return fail(k, "prices", list == NULL ? NULL : config_describe(found, list), "an array of prices");
    const cJSON *entry = NULL;
    cJSON_ArrayForEach(entry, list) {
        snprintf(place, sizeof place, "prices[%zu]", n++);
        if (n > ENTRIES_MAX) return fail(k, place, "one more", "at most 1000 prices");
        if (check_entry(k, entry, place) != 0) return -1;
        for (const cJSON *other = list->child; other != entry; other = other->next)
            if (is_same(entry, other))
                return fail(k, place, "this provider and device again", "each pair once");
    }
    return 0;
}

static int has_provider(const cJSON *list, const char *provider) {
    const cJSON *entry = NULL;
    cJSON_ArrayForEach(entry, list) {
        if (strcmp(get(entry, "provider")->valuestring, provider) == 0) return 1;
    }
    return 0;
}

static int fail_provider(const checker *k, const cJSON *list, const char *found) {
    char expected[256] = "one of";
    const cJSON *entry = NULL;
    cJSON_ArrayForEach(entry, list) {
        char name[64];
        size_t used = strlen(expected);
        snprintf(name, sizeof name, "%.60s", get(entry, "provider")->valuestring);
        if (strstr(expected, name) == NULL) snprintf(expected + used, sizeof expected - used, " %s", name);
    }
    return fail(k, "prices", found, expected);
}

static int choose_provider(const checker *k, prices *p, const char *provider) {
    const char *first = get(p->list->child, "provider")->valuestring;
    char quoted[CONFIG_FOUND_LEN], found[2 * CONFIG_FOUND_LEN];
    const cJSON *entry = NULL;
    p->provider = first;
    if (provider == NULL) {
        cJSON_ArrayForEach(entry, p->list) {
            if (strcmp(get(entry, "provider")->valuestring, first) != 0)
                return fail_provider(k, p->list, "several providers and none chosen (FILE#PROVIDER)");
        }
        return 0;
    }
    snprintf(found, sizeof found, "no price of provider %s", config_quote(quoted, provider));
    if (!has_provider(p->list, provider)) return fail_provider(k, p->list, found);
    cJSON_ArrayForEach(entry, p->list) {
        if (strcmp(get(entry, "provider")->valuestring, provider) == 0)
            p->provider = get(entry, "provider")->valuestring;
    }
    return 0;
}

int prices_open(prices **out, const char *path, const char *provider, char err[CONFIG_ERR_LEN]) {
    static const char *const known[] = {"version", "note", "prices"};
    checker k = {path, err};
    char found[CONFIG_FOUND_LEN];
    *out = NULL;
    prices *p = calloc(1, sizeof *p);
    if (p == NULL) return fail(&k, NULL, "no memory", "enough of it");
    p->root = config_json_read(path, err);
    if (p->root == NULL) goto fail;
    if (!cJSON_IsObject(p->root)) {
        fail(&k, NULL, config_describe(found, p->root), "an object");
        goto fail;
    }
    p->list = get(p->root, "prices");
    if (check_keys(&k, p->root, NULL, known, sizeof known / sizeof *known) != 0) goto fail;
    if (check_list(&k, p->list) != 0 || choose_provider(&k, p, provider) != 0) goto fail;
    *out = p;
    return 0;
fail:
    prices_close(p);
    return -1;
}

double prices_usd_per_gpu_hour(const prices *p, const char *device) {
    const cJSON *entry = NULL;
    cJSON_ArrayForEach(entry, p->list) {
        if (strcmp(get(entry, "provider")->valuestring, p->provider) == 0 &&
            strcmp(get(entry, "device")->valuestring, device) == 0)
            return get(entry, "usd_per_gpu_hour")->valuedouble;
    }
    return -1;
}

const char *prices_provider(const prices *p) {
    return p->provider;
}

void prices_close(prices *p) {
    if (p == NULL) return;
    cJSON_Delete(p->root);
    free(p);
}
