/* config_path.c - override paths. */
#include "config_path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char no_memory[] = "enough memory";

/* Sets at what is left of the path, below node; left begins with '.', '[' or is at its end */
static int set_below(cJSON *node, const char *left, const cJSON *value, const char **why);

/* The member `name` of object becomes value, or the walk goes on in it */
static int set_member(cJSON *object, const char *name, const char *left, const cJSON *value,
                      const char **why) {
    cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    *why = no_memory;
    if (*left != '\0') {
        if (item == NULL) item = cJSON_AddObjectToObject(object, name);
        return item == NULL ? -1 : set_below(item, left, value, why);
    }
    cJSON *copy = cJSON_Duplicate(value, 1);
    int added = copy != NULL && (item == NULL ? cJSON_AddItemToObject(object, name, copy)
                                              : cJSON_ReplaceItemInObjectCaseSensitive(object, name, copy));
    if (added) return 0;
    cJSON_Delete(copy);
    return -1;
}

static int set_element(cJSON *array, const char *left, const cJSON *value, const char **why) {
    char *end = NULL;
    errno = 0;
    unsigned long index = left[1] >= '0' && left[1] <= '9' ? strtoul(left + 1, &end, 10) : 0;
    *why = "an index in brackets, as in gpus[0]";
    if (end == NULL || errno != 0 || *end != ']') return -1;
    *why = "an array element that exists";
    if (!cJSON_IsArray(array) || index >= (unsigned long)cJSON_GetArraySize(array)) return -1;
    if (end[1] != '\0') return set_below(cJSON_GetArrayItem(array, (int)index), end + 1, value, why);
    cJSON *copy = cJSON_Duplicate(value, 1);
    *why = no_memory;
    if (copy != NULL && cJSON_ReplaceItemInArray(array, (int)index, copy)) return 0;
    cJSON_Delete(copy);
    return -1;
}

/* What follows the value of object[key] in text, if text begins with it and a component ends there */
static const char *after_name(const cJSON *object, const char *key, const char *text) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!cJSON_IsString(item)) return NULL;
    size_t n = strlen(item->valuestring);
    if (n == 0 || strncmp(text, item->valuestring, n) != 0) return NULL;
    return text[n] == '.' || text[n] == '[' ? text + n : NULL;
}

/* Likewise for "name:mode", as results call policies that share a name */
static const char *after_name_and_mode(const cJSON *policy, const char *text) {
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(policy, "name");
    const cJSON *mode = cJSON_GetObjectItemCaseSensitive(policy, "mode");
    char both[256];
    if (!cJSON_IsString(name)) return NULL;
    snprintf(both, sizeof both, "%.120s:%.120s", name->valuestring,
             cJSON_IsString(mode) ? mode->valuestring : "corrected");
    size_t n = strlen(both);
    if (strncmp(text, both, n) != 0) return NULL;
    return text[n] == '.' || text[n] == '[' ? text + n : NULL;
}

static int set_named(cJSON *array, const char *text, const cJSON *value, const char **why) {
    int found = 0;
    for (cJSON *item = array->child; item != NULL; item = item->next) {
        const char *left = after_name(item, "label", text);
        if (left == NULL) left = after_name(item, "name", text);
        if (left == NULL) left = after_name_and_mode(item, text);
        if (left == NULL) continue;
        found = 1;
        if (set_below(item, left, value, why) != 0) return -1;
    }
    *why = "a name or label of this array, then .KEY";
    return found ? 0 : -1;
}

static int set_below(cJSON *node, const char *left, const cJSON *value, const char **why) {
    char name[128];
    if (*left == '[') return set_element(node, left, value, why);
    *why = "a path such as cluster.gpus[0].nodes";
    if (*left != '.') return -1;
    if (cJSON_IsArray(node)) return set_named(node, left + 1, value, why);
    size_t n = strcspn(left + 1, ".[");
    if (n == 0 || n >= sizeof name) return -1;
    *why = "a path through objects and arrays alone";
    if (!cJSON_IsObject(node)) return -1;
    memcpy(name, left + 1, n);
    name[n] = '\0';
    return set_member(node, name, left + 1 + n, value, why);
}

int config_path_set(cJSON *root, const char *path, const cJSON *value, const char **why) {
    char dotted[512] = ".";
    *why = "a path of at most 500 characters";
    if (strlen(path) > 500) return -1;
    memcpy(dotted + 1, path, strlen(path) + 1);
    return set_below(root, dotted, value, why);
}
