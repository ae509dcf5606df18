/* rapp.c - trained predictors: the kinds, the file's envelope, and the checks that all kinds share (rapp.h).
 *
 * A file is one JSON object:
 *   format   "hassim-rapp-3"
 *   kind     the kind's name
 *   program  the version that trained it
 *   seed     in decimal, a text: 64 bits do not fit a JSON number
 *   device   the GPU that was measured, if it was said
 *   data     what it was trained on: name, if there is one, hash (in hexadecimal), points, models
 *   state    the kind's own */
#include "rapp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "calib_json.h"
#include "rapp_int.h"

#define FORMAT "hassim-rapp-3"

enum { PATH_LEN = 4096, TEXT_LEN = 64 };

/* The first is the default. */
static const rapp_kind *const kinds[] = {
    &rapp_kind_table,
    &rapp_kind_roofline,
    &rapp_kind_gat,
    &rapp_kind_best,
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

struct rapp_model {
    const rapp_kind *kind;
    void *state;
    char program[TEXT_LEN], device[TEXT_LEN], data[TEXT_LEN];
    rapp_origin origin; /* its texts are those above */
};

struct rapp_bound {
    const rapp_kind *kind;
    void *bound;
};

const char *rapp_kind_at(size_t i) {
    return i < N_KINDS ? kinds[i]->name : NULL;
}

static const rapp_kind *find_kind(const char *name) {
    for (size_t i = 0; i < N_KINDS; i++)
        if (strcmp(kinds[i]->name, name) == 0) return kinds[i];
    return NULL;
}

const char *rapp_kind_help(const char *kind) {
    const rapp_kind *k = find_kind(kind);
    return k ? k->help : NULL;
}

static int fail_kind(const char *where, const char *found, char err[RAPP_ERR_LEN]) {
    char names[256] = "", printable[41];
    size_t n = 0;
    snprintf(printable, sizeof printable, "%.40s", found);
    calib_make_printable(printable);
    for (size_t i = 0; i < N_KINDS && n < sizeof names; i++)
        n += (size_t)snprintf(names + n, sizeof names - n, i ? ", %s" : "%s", kinds[i]->name);
    snprintf(err, RAPP_ERR_LEN, "%.300skind: found \"%s\", expected one of %.120s", where, printable, names);
    return -1;
}

/* ---- the hash of what a model was trained on ---- */

/* FNV-1a, 64 bits */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n) {
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t hash_text(uint64_t hash, const char *text) {
    return hash_bytes(hash, text, strlen(text) + 1);
}

static uint64_t hash_numbers(uint64_t hash, const double *numbers, size_t n) {
    return hash_bytes(hash, numbers, n * sizeof *numbers);
}

static uint64_t hash_prior(uint64_t hash, const rapp_prior *p) {
    const double counts[] = {p->gmac, p->n_conv2d, p->n_dense, p->n_relu};
    hash = hash_numbers(hash, counts, 4);
    hash = hash_numbers(hash, p->quota_ms, RAPP_PRIOR_QUOTAS);
    for (size_t i = 0; i < p->n_operators; i++) {
        hash = hash_text(hash, p->operators[i].type);
        hash = hash_numbers(hash, p->operators[i].attributes, RAPP_OP_ATTRIBUTES);
        hash = hash_numbers(hash, p->operators[i].shape, RAPP_OP_SHAPE);
        hash = hash_numbers(hash, p->operators[i].ms, RAPP_PRIOR_SMS);
    }
    return hash;
}

static uint64_t hash_point(uint64_t hash, const rapp_point *p) {
    const uint32_t at[] = {p->model, p->batch, p->sm_pct, p->quota_pct};
    return hash_numbers(hash_bytes(hash, at, sizeof at), &p->ms, 1);
}

/* trained[model] becomes 1 where a point is used. */
static void describe_data(rapp_origin *o, const rapp_data *data, const unsigned char *use,
                          unsigned char *trained) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    const rapp_point *points = rapp_data_points(data);
    for (size_t i = 0; i < rapp_data_n_points(data); i++) {
        if (!use[i]) continue;
        hash = hash_point(hash, &points[i]);
        trained[points[i].model] = 1;
        o->points++;
    }
    for (size_t m = 0; m < rapp_data_n_models(data); m++) {
        if (!trained[m]) continue;
        hash = hash_prior(hash_text(hash, rapp_data_model_name(data, m)), rapp_data_prior(data, m));
        o->models++;
    }
    o->data_hash = hash;
}

/* ---- training ---- */

int rapp_fail_memory(char err[RAPP_ERR_LEN]) {
    snprintf(err, RAPP_ERR_LEN, "out of memory");
    return -1;
}

static rapp_model *model_new(const rapp_kind *kind) {
    rapp_model *m = calloc(1, sizeof *m);
    if (m) m->kind = kind;
    return m;
}

/* use_all and trained are room for as many points and models as there are. */
static int train(rapp_model *m, const rapp_data *data, const unsigned char *use, unsigned char *use_all,
                 unsigned char *trained, const rapp_options *options, char err[RAPP_ERR_LEN]) {
    memset(use_all, 1, rapp_data_n_points(data));
    if (!use) use = use_all;
    snprintf(m->program, sizeof m->program, "%s", HASSIM_VERSION);
    snprintf(m->device, sizeof m->device, "%s", options->device ? options->device : "");
    snprintf(m->data, sizeof m->data, "%s", options->data ? options->data : "");
    calib_make_printable(m->data);
    m->origin.seed = options->seed;
    describe_data(&m->origin, data, use, trained);
    if (m->origin.points) return m->kind->train(&m->state, data, use, options, err);
    snprintf(err, RAPP_ERR_LEN, "found no points to train on, expected at least one");
    return -1;
}

int rapp_train(rapp_model **out, const char *kind, const rapp_data *data, const unsigned char *use,
               const rapp_options *options, char err[RAPP_ERR_LEN]) {
    const rapp_kind *k = find_kind(kind);
    *out = NULL;
    if (!k) return fail_kind("", kind, err);
    rapp_model *m = model_new(k);
    unsigned char *use_all = malloc(rapp_data_n_points(data) + 1);
    unsigned char *trained = calloc(rapp_data_n_models(data) + 1, 1);
    int rc =
        m && use_all && trained ? train(m, data, use, use_all, trained, options, err) : rapp_fail_memory(err);
    free(trained);
    free(use_all);
    if (rc)
        rapp_close(m);
    else
        *out = m;
    return rc;
}

void rapp_close(rapp_model *m) {
    if (!m) return;
    m->kind->close(m->state);
    free(m);
}

const char *rapp_kind_of(const rapp_model *m) {
    return m->kind->name;
}

rapp_origin rapp_origin_of(const rapp_model *m) {
    rapp_origin o = m->origin;
    o.program = m->program, o.device = m->device, o.data = m->data;
    return o;
}

/* ---- files ---- */

static int add_hex(cJSON *to, const char *key, uint64_t value) {
    char text[20];
    snprintf(text, sizeof text, "%016" PRIx64, value);
    return cJSON_AddStringToObject(to, key, text) ? 0 : -1;
}

static int add_origin(cJSON *root, const rapp_model *m) {
    char seed[24];
    snprintf(seed, sizeof seed, "%" PRIu64, m->origin.seed);
    if (!cJSON_AddStringToObject(root, "program", m->program)) return -1;
    if (!cJSON_AddStringToObject(root, "seed", seed)) return -1;
    if (*m->device && !cJSON_AddStringToObject(root, "device", m->device)) return -1;
    cJSON *data = cJSON_AddObjectToObject(root, "data");
    if (*m->data && !cJSON_AddStringToObject(data, "name", m->data)) return -1;
    if (!data || add_hex(data, "hash", m->origin.data_hash)) return -1;
    if (!cJSON_AddNumberToObject(data, "points", (double)m->origin.points)) return -1;
    return cJSON_AddNumberToObject(data, "models", (double)m->origin.models) ? 0 : -1;
}

/* NULL: out of memory */
static char *print_model(const rapp_model *m) {
    cJSON *root = cJSON_CreateObject(), *state = NULL;
    char *text = NULL;
    if (!cJSON_AddStringToObject(root, "format", FORMAT)) goto done;
    if (!cJSON_AddStringToObject(root, "kind", m->kind->name) || add_origin(root, m)) goto done;
    state = m->kind->save(m->state);
    if (!state || !cJSON_AddItemToObject(root, "state", state)) goto done;
    state = NULL; /* root's */
    text = cJSON_PrintUnformatted(root);
done:
    cJSON_Delete(state);
    cJSON_Delete(root);
    return text;
}

/* A temporary file beside it is written, then renamed: a full disk leaves the old one. NULL: it cannot be made */
static FILE *open_beside(const char *path, char temporary[PATH_LEN], char err[RAPP_ERR_LEN]) {
    struct stat st;
    int is_long = snprintf(temporary, PATH_LEN, "%s.part", path) >= PATH_LEN;
    int is_odd = stat(path, &st) == 0 && !S_ISREG(st.st_mode);
    FILE *f = is_long || is_odd ? NULL : fopen(temporary, "wb");
    const char *found = is_long ? "a long name" : is_odd ? "something that is no file" : strerror(errno);
    if (!f) snprintf(err, RAPP_ERR_LEN, "%.300s: found %s, expected a file that can be written", path, found);
    return f;
}

static int write_whole(const char *path, const char *text, char err[RAPP_ERR_LEN]) {
    char temporary[PATH_LEN];
    FILE *f = open_beside(path, temporary, err);
    if (!f) return -1;
    int bad = fputs(text, f) < 0 || fputc('\n', f) < 0;
    if (fclose(f)) bad = 1;
    if (!bad && !rename(temporary, path)) return 0;
    snprintf(err, RAPP_ERR_LEN, "%.300s: found %s, expected a file that can be written", path,
             strerror(errno));
    unlink(temporary);
    return -1;
}

int rapp_save_check(const char *path, char err[RAPP_ERR_LEN]) {
    char temporary[PATH_LEN];
    FILE *f = open_beside(path, temporary, err);
    if (!f) return -1;
    fclose(f);
    unlink(temporary);
    return 0;
}

int rapp_save(const rapp_model *m, const char *path, char err[RAPP_ERR_LEN]) {
    char *text = print_model(m);
    if (!text) return rapp_fail_memory(err);
    int rc = write_whole(path, text, err);
    cJSON_free(text);
    return rc;
}

static uint64_t read_u64(calib_json *j, const cJSON *object, const char *key, int base) {
    const char *text = calib_json_text(j, object, key);
    char *end = NULL;
    errno = 0;
    uint64_t value = strspn(text, "0123456789abcdef") ? strtoull(text, &end, base) : 0;
    if (j->failed || (end && !*end && !errno)) return value;
    size_t mark = calib_json_enter(j, key);
    calib_json_fail(j, "found \"%.40s\", expected digits of base %d, 64 bits", text, base);
    calib_json_leave(j, mark);
    return 0;
}

static void read_name(calib_json *j, const cJSON *object, const char *key, char out[TEXT_LEN]) {
    int is_there = cJSON_GetObjectItemCaseSensitive(object, key) != NULL;
    snprintf(out, TEXT_LEN, "%s", is_there ? calib_json_text(j, object, key) : "");
    calib_make_printable(out);
}

static void read_origin(calib_json *j, const cJSON *root, rapp_model *m) {
    static const char *const keys[] = {"name", "hash", "points", "models", NULL};
    snprintf(m->program, sizeof m->program, "%s", calib_json_text(j, root, "program"));
    m->origin.seed = read_u64(j, root, "seed", 10);
    read_name(j, root, "device", m->device);
    const cJSON *data = calib_json_object(j, root, "data");
    size_t mark = calib_json_enter(j, "data");
    calib_json_keys(j, data, keys);
    read_name(j, data, "name", m->data);
    m->origin.data_hash = read_u64(j, data, "hash", 16);
    m->origin.points = calib_json_uint(j, data, "points", 1, UINT32_MAX);
    m->origin.models = calib_json_uint(j, data, "models", 1, UINT32_MAX);
    calib_json_leave(j, mark);
}

static int load(rapp_model **out, const char *path, const cJSON *root, char err[RAPP_ERR_LEN]) {
    static const char *const keys[] = {"format", "kind", "program", "seed", "device", "data", "state", NULL};
    char prefix[300], why[RAPP_ERR_LEN];
    calib_json j = {.file = path, .err = err};
    snprintf(prefix, sizeof prefix, "%.290s: ", path);
    if (calib_json_is(&j, root, "format", FORMAT) || calib_json_keys(&j, root, keys)) return -1;
    const char *name = calib_json_text(&j, root, "kind");
    if (j.failed) return -1;
    const rapp_kind *kind = find_kind(name);
    if (!kind) return fail_kind(prefix, name, err);
    rapp_model *m = model_new(kind);
    if (!m) return rapp_fail_memory(err);
    read_origin(&j, root, m);
    const cJSON *state = calib_json_object(&j, root, "state");
    int rc = j.failed ? -1 : kind->load(&m->state, state, why);
    if (rc && !j.failed) snprintf(err, RAPP_ERR_LEN, "%s%.*s", prefix, RAPP_ERR_LEN - 300, why);
    if (rc)
        rapp_close(m);
    else
        *out = m;
    return rc;
}

int rapp_load(rapp_model **out, const char *path, char err[RAPP_ERR_LEN]) {
    *out = NULL;
    cJSON *root = calib_json_read(path, err);
    int rc = root ? load(out, path, root, err) : -1;
    cJSON_Delete(root);
    return rc;
}

/* ---- asking ---- */

int rapp_bind(rapp_bound **out, const rapp_model *m, const char *dnn, const rapp_prior *prior,
              char err[RAPP_ERR_LEN]) {
    rapp_bound *b = calloc(1, sizeof *b);
    *out = NULL;
    if (!b) return rapp_fail_memory(err);
    b->kind = m->kind;
    if (m->kind->bind(&b->bound, m->state, dnn, prior, err)) {
        free(b);
        return -1;
    }
    *out = b;
    return 0;
}

void rapp_unbind(rapp_bound *b) {
    if (!b) return;
    b->kind->unbind(b->bound);
    free(b);
}

rapp_estimate rapp_estimate_of(const rapp_bound *b, uint32_t batch, uint32_t sm_pct, uint32_t quota_pct) {
    if (batch - 1 >= CALIB_BATCH_MAX || sm_pct - 1 >= 100 || quota_pct - 1 >= 100)
        return (rapp_estimate){.ms = -1};
    return b->kind->estimate(b->bound, batch, sm_pct, quota_pct);
}

int rapp_fail_unknown(const char *dnn, char err[RAPP_ERR_LEN]) {
    snprintf(err, RAPP_ERR_LEN, "found \"%.64s\", expected a model of the training, or one with a prior",
             dnn);
    return -1;
}
