/* config.c - config documents: reading, overrides, grid points. Structs are filled in config_build.c. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "config_int.h"
#include "config_keys.h"
#include "config_path.h"

enum { AXES_MAX = 16 };

struct config_doc {
    char *path;
    cJSON *root;
    size_t n_points;
    const plugin_set *plugins;
};

/* What stands after the '=' of a --set: JSON, or else a string, which must be UTF-8 like all others */
static cJSON *parse_value(const char *text, char *err) {
    cJSON *value = config_json_parse("--set", text, strlen(text), err);
    if (value != NULL) return value;
    cJSON *string = cJSON_CreateString(text);
    char *quoted = string == NULL ? NULL : cJSON_PrintUnformatted(string);
    if (quoted != NULL) value = config_json_parse("--set", quoted, strlen(quoted), err);
    cJSON_free(quoted);
    cJSON_Delete(string);
    return value;
}

/* "path=value" applied to the document */
static int apply_set(cJSON *root, const char *set, char *err) {
    char path[512], quoted[CONFIG_FOUND_LEN];
    const char *equals = strchr(set, '='), *why = "PATH=VALUE";
    if (equals == NULL || equals == set || (size_t)(equals - set) >= sizeof path)
        return config_fail(err, "--set", NULL, config_quote(quoted, set), why);
    memcpy(path, set, (size_t)(equals - set));
    path[equals - set] = '\0';
    cJSON *value = parse_value(equals + 1, err);
    if (value == NULL) return -1;
    int rc = config_path_set(root, path, value, &why);
    cJSON_Delete(value);
    return rc == 0 ? 0 : config_fail(err, "--set", NULL, config_quote(quoted, path), why);
}

/* What a grid may not vary: runs are told apart by it, or it leaves their results as they are */
static int is_fixed(const char *path) {
    static const char *const fixed[] = {"name", "question", "seeds", "grid", "engine", "threads"};
    size_t n = strcspn(path, ".[");
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (strlen(fixed[i]) == n && strncmp(path, fixed[i], n) == 0) return 1;
    return strcmp(path, "policies") == 0;
}

static int check_axis(const config_doc *doc, const cJSON *axis, char *err) {
    char place[CONFIG_FOUND_LEN + 8], quoted[CONFIG_FOUND_LEN], found[CONFIG_FOUND_LEN];
    snprintf(place, sizeof place, "grid.%s", config_quote(quoted, axis->string));
    if (is_fixed(axis->string))
        return config_fail(err, doc->path, place, "a key that a grid cannot vary", "another path");
    for (const cJSON *other = axis->prev; other->next != NULL; other = other->prev)
        if (strcmp(other->string, axis->string) == 0)
            return config_fail(err, doc->path, place, "the path twice", "each path once");
    if (!cJSON_IsArray(axis) || axis->child == NULL)
        return config_fail(err, doc->path, place,
                           cJSON_IsArray(axis) ? "an empty array" : config_describe(found, axis),
                           "an array of values, not empty");
    for (const cJSON *a = axis->child; a != NULL; a = a->next)
        for (const cJSON *b = a->next; b != NULL; b = b->next)
            if (cJSON_Compare(a, b, 1))
                return config_fail(err, doc->path, place, "a value twice", "each value once");
    return 0;
}

static int count_points(config_doc *doc, char *err) {
    const cJSON *grid = cJSON_GetObjectItemCaseSensitive(doc->root, "grid");
    char found[CONFIG_FOUND_LEN];
    doc->n_points = 1;
    if (grid == NULL) return 0;
    if (!cJSON_IsObject(grid))
        return config_fail(err, doc->path, "grid", config_describe(found, grid), "an object");
    if (cJSON_GetArraySize(grid) > AXES_MAX)
        return config_fail(err, doc->path, "grid", "more than 16 paths", "at most 16");
    for (const cJSON *axis = grid->child; axis != NULL; axis = axis->next) {
        if (check_axis(doc, axis, err) != 0) return -1;
        doc->n_points *= (size_t)cJSON_GetArraySize(axis);
        if (doc->n_points > CONFIG_RUNS_MAX)
            return config_fail(err, doc->path, "grid", "more than 1000000 combinations", "fewer");
    }
    return 0;
}

/* Takes root, whatever happens */
static int doc_new(config_doc **out, const char *path, cJSON *root, const char *const *sets, size_t n_sets,
                   char err[CONFIG_ERR_LEN]) {
    char found[CONFIG_FOUND_LEN];
    config_doc *doc = calloc(1, sizeof *doc);
    *out = NULL;
    if (doc == NULL || (doc->path = strdup(path)) == NULL) {
        free(doc);
        cJSON_Delete(root);
        return config_fail(err, path, NULL, "no memory", "enough of it");
    }
    doc->root = root;
    int rc = cJSON_IsObject(root) ? 0
                                  : config_fail(err, path, NULL, config_describe(found, root),
                                                "an object with the config's keys");
    for (size_t i = 0; rc == 0 && i < n_sets; i++) rc = apply_set(root, sets[i], err);
    if (rc == 0) rc = count_points(doc, err);
    if (rc == 0)
        *out = doc;
    else
        config_close(doc);
    return rc;
}

int config_open(config_doc **out, const char *path, const char *const *sets, size_t n_sets,
                char err[CONFIG_ERR_LEN]) {
    *out = NULL;
    cJSON *root = config_json_read(path, err);
    return root == NULL ? -1 : doc_new(out, path, root, sets, n_sets, err);
}

int config_parse(config_doc **out, const char *path, const char *text, size_t len, const char *const *sets,
                 size_t n_sets, char err[CONFIG_ERR_LEN]) {
    *out = NULL;
    cJSON *root = config_json_parse(path, text, len, err);
    return root == NULL ? -1 : doc_new(out, path, root, sets, n_sets, err);
}

void config_close(config_doc *doc) {
    if (doc == NULL) return;
    cJSON_Delete(doc->root);
    free(doc->path);
    free(doc);
}

void config_use_plugins(config_doc *doc, const plugin_set *plugins) {
    doc->plugins = plugins;
}

size_t config_n_points(const config_doc *doc) {
    return doc->n_points;
}

/* Applies point to root, which loses its grid, and records the chosen values in chosen. The last axis varies
 * fastest. */
static int apply_point(const config_doc *doc, size_t point, cJSON *root, cJSON *chosen, char *err) {
    cJSON *grid = cJSON_DetachItemFromObjectCaseSensitive(root, "grid");
    size_t below = doc->n_points;
    int rc = 0;
    for (const cJSON *axis = grid == NULL ? NULL : grid->child; rc == 0 && axis != NULL; axis = axis->next) {
        size_t n = (size_t)cJSON_GetArraySize(axis);
        below /= n;
        const cJSON *value = cJSON_GetArrayItem(axis, (int)(point / below % n));
        const char *why = NULL;
        char quoted[CONFIG_FOUND_LEN];
        rc = config_path_set(root, axis->string, value, &why);
        if (rc != 0) config_fail(err, doc->path, "grid", config_quote(quoted, axis->string), why);
        cJSON *copy = rc == 0 ? cJSON_Duplicate(value, 1) : NULL;
        if (rc == 0 && !cJSON_AddItemToObject(chosen, axis->string, copy)) {
            cJSON_Delete(copy);
            rc = config_fail(err, doc->path, "grid", "no memory", "enough of it");
        }
    }
    cJSON_Delete(grid);
    return rc;
}

int config_at(config **out, const config_doc *doc, size_t point, char err[CONFIG_ERR_LEN]) {
    *out = NULL;
    cJSON *root = cJSON_Duplicate(doc->root, 1), *chosen = cJSON_CreateObject();
    int rc =
        root == NULL || chosen == NULL ? config_fail(err, doc->path, NULL, "no memory", "enough of it") : 0;
    if (rc == 0) rc = apply_point(doc, point, root, chosen, err);
    if (rc == 0) rc = config_keys_check(root, doc->path, err);
    if (rc == 0) {
        rc = config_build(out, doc->path, root, chosen, doc->plugins, err);
        root = NULL;
    }
    cJSON_Delete(root);
    cJSON_Delete(chosen);
    return rc;
}
