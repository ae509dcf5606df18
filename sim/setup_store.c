/* setup_store.c - calibrations, traces and trained predictors, each read once per process. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "setup_int.h"

/* Entries are allocated one by one: pointers to them stay valid as the lists grow */
struct setup_store {
    setup_calib **calibs;
    size_t n_calibs;
    setup_trace **traces;
    size_t n_traces;
    setup_rapp **rapps;
    size_t n_rapps;
    setup_priors **priors;
    size_t n_priors;
    uint64_t program; /* hash of what is running: built-in policies and engine */
};

enum { PATH_LEN = SETUP_PATH_LEN };

uint64_t setup_hash_bytes(uint64_t hash, const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++) hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static int fail_memory(const char *path, char *err) {
    return config_fail(err, path, NULL, "no memory", "enough of it");
}

static int hash_file(const char *path, uint64_t *hash, char *err) {
    char block[1 << 16];
    FILE *file = fopen(path, "rb");
    if (file == NULL) return config_fail(err, path, NULL, "no such file", "a readable file");
    *hash = SETUP_HASH_EMPTY;
    for (size_t n; (n = fread(block, 1, sizeof block, file)) > 0;) *hash = setup_hash_bytes(*hash, block, n);
    int bad = ferror(file);
    fclose(file);
    return bad ? config_fail(err, path, NULL, "a read error", "a readable file") : 0;
}

/* Where the system does not say which file it runs, its version must do. */
static uint64_t hash_program(void) {
    char unused[CONFIG_ERR_LEN];
    uint64_t hash;
    if (hash_file("/proc/self/exe", &hash, unused) == 0) return hash;
    return setup_hash_bytes(SETUP_HASH_EMPTY, HASSIM_VERSION, sizeof HASSIM_VERSION);
}

setup_store *setup_store_new(void) {
    setup_store *store = calloc(1, sizeof *store);
    if (store != NULL) store->program = hash_program();
    return store;
}

uint64_t setup_store_program(const setup_store *store) {
    return store->program;
}

static void free_calib(setup_calib *k) {
    if (k == NULL) return;
    calib_close(k->calibration);
    free(k->path);
    free(k);
}

static void free_trace(setup_trace *t) {
    if (t == NULL) return;
    trace_close(t->file);
    free(t->ranked);
    free(t->path);
    free(t->format);
    free(t);
}

static void free_rapp(setup_rapp *r) {
    if (r == NULL) return;
    rapp_close(r->model);
    free(r->path);
    free(r);
}

static void free_priors(setup_priors *p) {
    if (p == NULL) return;
    rapp_data_close(p->data);
    free(p->folder);
    free(p);
}

void setup_store_free(setup_store *store) {
    if (store == NULL) return;
    for (size_t i = 0; i < store->n_calibs; i++) free_calib(store->calibs[i]);
    for (size_t i = 0; i < store->n_traces; i++) free_trace(store->traces[i]);
    for (size_t i = 0; i < store->n_rapps; i++) free_rapp(store->rapps[i]);
    for (size_t i = 0; i < store->n_priors; i++) free_priors(store->priors[i]);
    free(store->calibs);
    free(store->traces);
    free(store->rapps);
    free(store->priors);
    free(store);
}

static int open_calib(setup_store *store, const char *path, const setup_calib **out, char *err) {
    for (size_t i = 0; i < store->n_calibs; i++) {
        *out = store->calibs[i];
        if (strcmp(store->calibs[i]->path, path) == 0) return 0;
    }
    setup_calib **list = realloc(store->calibs, (store->n_calibs + 1) * sizeof *list);
    if (list != NULL) store->calibs = list;
    setup_calib *k = calloc(1, sizeof *k);
    if (list == NULL || k == NULL || (k->path = strdup(path)) == NULL) {
        fail_memory(path, err);
        goto fail;
    }
    if (calib_open(&k->calibration, path, err) != 0 || hash_file(path, &k->hash, err) != 0) goto fail;
    store->calibs[store->n_calibs++] = k;
    *out = k;
    return 0;
fail:
    free_calib(k);
    return -1;
}

/* The device's name of a calibration file, "" for any other JSON file; -1: unreadable */
static int device_of(const char *path, char *name, size_t len, char *err) {
    cJSON *root = config_json_read(path, err);
    if (root == NULL) return -1;
    const cJSON *format = cJSON_GetObjectItemCaseSensitive(root, "format");
    const cJSON *device = cJSON_GetObjectItemCaseSensitive(root, "device");
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(device, "name");
    int is_calib = cJSON_IsString(format) && strncmp(format->valuestring, "hassim-calib-", 13) == 0;
    snprintf(name, len, "%s", is_calib && cJSON_IsString(item) ? item->valuestring : "");
    cJSON_Delete(root);
    return 0;
}

static int is_json(const struct dirent *entry) {
    size_t n = strlen(entry->d_name);
    return n > 5 && strcmp(entry->d_name + n - 5, ".json") == 0;
}

/* Searches folder for the device; known collects the names that are there. 1: found, path is set; 0: not */
static int search_folder(const char *folder, const char *device, char *path, char *known, size_t known_len,
                         char *err) {
    struct dirent **files = NULL;
    int n = scandir(folder, &files, is_json, alphasort), found = 0;
    for (int i = 0; i < n; i++) {
        char candidate[PATH_LEN], name[64];
        int length = snprintf(candidate, sizeof candidate, "%s/%s", folder, files[i]->d_name);
        free(files[i]);
        if (found != 0 || length < 0 || (size_t)length >= sizeof candidate) continue;
        if (device_of(candidate, name, sizeof name, err) != 0) {
            found = -1;
        } else if (strcmp(name, device) == 0) {
            memcpy(path, candidate, (size_t)length + 1);
            found = 1;
        } else if (*name != '\0') {
            size_t used = strlen(known);
            snprintf(known + used, known_len - used, "%s%s", used == 0 ? "" : ", ", name);
        }
    }
    free(files);
    return found;
}

int setup_find_device(const char *device, char path[SETUP_PATH_LEN], char expected[SETUP_KNOWN_LEN],
                      char err[CONFIG_ERR_LEN]) {
    char folder[PATH_LEN], known[SETUP_KNOWN_LEN - 100] = "";
    if (cli_find_shipped("calib/data", folder, sizeof folder, err, CONFIG_ERR_LEN) != 0) return -1;
    int found = search_folder(folder, device, path, known, sizeof known, err);
    snprintf(expected, SETUP_KNOWN_LEN, "a calibrated device (%s) or a calibration file", known);
    return found;
}

int setup_store_calib(setup_store *store, const config *c, const char *place, const char *device, int is_file,
                      const setup_calib **out, char err[CONFIG_ERR_LEN]) {
    char path[SETUP_PATH_LEN], expected[SETUP_KNOWN_LEN], quoted[CONFIG_FOUND_LEN];
    if (is_file) return open_calib(store, device, out, err);
    int found = setup_find_device(device, path, expected, err);
    if (found > 0) return open_calib(store, path, out, err);
    return found < 0 ? -1 : config_fail(err, c->file, place, config_quote(quoted, device), expected);
}

typedef struct {
    uint64_t count;
    uint32_t index;
} ranked;

static int compare_ranked(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->count != y->count) return x->count < y->count ? 1 : -1;
    return (x->index > y->index) - (x->index < y->index);
}

/* The file's functions by count, falling; NULL: no memory */
static uint32_t *rank_functions(const trace_file *file) {
    size_t n = trace_n_functions(file);
    ranked *list = malloc((n + 1) * sizeof *list);
    uint32_t *order = malloc((n + 1) * sizeof *order);
    for (size_t i = 0; list != NULL && i < n; i++)
        list[i] = (ranked){trace_function_at(file, i).count, (uint32_t)i};
    if (list != NULL) qsort(list, n, sizeof *list, compare_ranked);
    for (size_t i = 0; list != NULL && order != NULL && i < n; i++) order[i] = list[i].index;
    if (list == NULL) {
        free(order);
        order = NULL;
    }
    free(list);
    return order;
}

int setup_store_trace(setup_store *store, const char *format, const char *path, const setup_trace **out,
                      char err[CONFIG_ERR_LEN]) {
    for (size_t i = 0; i < store->n_traces; i++) {
        *out = store->traces[i];
        if (strcmp(store->traces[i]->path, path) == 0 && strcmp(store->traces[i]->format, format) == 0)
            return 0;
    }
    setup_trace **list = realloc(store->traces, (store->n_traces + 1) * sizeof *list);
    if (list != NULL) store->traces = list;
    setup_trace *t = calloc(1, sizeof *t);
    if (list == NULL || t == NULL || (t->path = strdup(path)) == NULL ||
        (t->format = strdup(format)) == NULL) {
        fail_memory(path, err);
        goto fail;
    }
    if (trace_open(&t->file, format, path, err) != 0 || hash_file(trace_path_of(t->file), &t->hash, err) != 0)
        goto fail;
    if ((t->ranked = rank_functions(t->file)) == NULL) {
        fail_memory(path, err);
        goto fail;
    }
    store->traces[store->n_traces++] = t;
    *out = t;
    return 0;
fail:
    free_trace(t);
    return -1;
}

int setup_store_rapp(setup_store *store, const char *path, const setup_rapp **out, char err[CONFIG_ERR_LEN]) {
    for (size_t i = 0; i < store->n_rapps; i++) {
        *out = store->rapps[i];
        if (strcmp(store->rapps[i]->path, path) == 0) return 0;
    }
    setup_rapp **list = realloc(store->rapps, (store->n_rapps + 1) * sizeof *list);
    if (list != NULL) store->rapps = list;
    setup_rapp *r = calloc(1, sizeof *r);
    if (list == NULL || r == NULL || (r->path = strdup(path)) == NULL) {
        fail_memory(path, err);
        goto fail;
    }
    if (rapp_load(&r->model, path, err) != 0 || hash_file(path, &r->hash, err) != 0) goto fail;
    store->rapps[store->n_rapps++] = r;
    *out = r;
    return 0;
fail:
    free_rapp(r);
    return -1;
}

/* What a prior is of; the measurements beside them are not looked at */
static int hash_priors(setup_priors *p, char *err) {
    static const char *const files[] = {"graphs.csv", "operators.csv"};
    p->hash = SETUP_HASH_EMPTY;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[PATH_LEN];
        uint64_t hash;
        if (snprintf(path, sizeof path, "%s/%s", p->folder, files[i]) >= (int)sizeof path)
            return config_fail(err, p->folder, NULL, "a long path", "less than 4096 bytes");
        if (hash_file(path, &hash, err) != 0) return -1;
        p->hash = setup_hash_bytes(p->hash, &hash, sizeof hash);
    }
    return 0;
}

int setup_store_priors(setup_store *store, const char *folder, const setup_priors **out,
                       char err[CONFIG_ERR_LEN]) {
    for (size_t i = 0; i < store->n_priors; i++) {
        *out = store->priors[i];
        if (strcmp(store->priors[i]->folder, folder) == 0) return 0;
    }
    setup_priors **list = realloc(store->priors, (store->n_priors + 1) * sizeof *list);
    if (list != NULL) store->priors = list;
    setup_priors *p = calloc(1, sizeof *p);
    if (list == NULL || p == NULL || (p->folder = strdup(folder)) == NULL) {
        fail_memory(folder, err);
        goto fail;
    }
    if (rapp_data_open(&p->data, folder, err) != 0 || hash_priors(p, err) != 0) goto fail;
    store->priors[store->n_priors++] = p;
    *out = p;
    return 0;
fail:
    free_priors(p);
    return -1;
}
