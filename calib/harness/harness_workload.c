/* harness_workload.c - model descriptions: reading them, and what their operators cost. */
#include "harness_workload.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIMENSION_MAX = 1 << 26, PATH_LEN = 4096 };

typedef struct {
    const char *key;
    size_t at; /* offset in harness_op */
    int need;  /* else `missing` is taken */
    uint32_t missing;
} shape_key;

#define KEY(name)                                                                                            \
    { #name, offsetof(harness_op, name), 1, 0 }
#define OPTIONAL(name, num)                                                                                  \
    { #name, offsetof(harness_op, name), 0, num }

typedef struct {
    const char *name;
    shape_key keys[9];
} op_schema;

static const op_schema schemas[HARNESS_OP_KINDS] = {
    [HARNESS_CONV] = {"conv",
                      {KEY(c), KEY(h), KEY(w), KEY(out), KEY(k), OPTIONAL(stride, 1), OPTIONAL(pad, 0),
                       OPTIONAL(groups, 1)}},
    [HARNESS_GEMM] = {"gemm", {KEY(m), KEY(n), KEY(k)}},
    [HARNESS_BMM] = {"bmm", {KEY(count), KEY(m), KEY(n), KEY(k)}},
    [HARNESS_SCALE] = {"scale", {KEY(n)}},
    [HARNESS_RELU] = {"relu", {KEY(n)}},
    [HARNESS_GELU] = {"gelu", {KEY(n)}},
    [HARNESS_HARDSWISH] = {"hardswish", {KEY(n)}},
    [HARNESS_ADD] = {"add", {KEY(n)}},
    [HARNESS_MUL] = {"mul", {KEY(n)}},
    [HARNESS_MAXPOOL] = {"maxpool", {KEY(c), KEY(h), KEY(w), KEY(k), OPTIONAL(stride, 1), OPTIONAL(pad, 0)}},
    [HARNESS_AVGPOOL] = {"avgpool", {KEY(c), KEY(h), KEY(w), KEY(k), OPTIONAL(stride, 1), OPTIONAL(pad, 0)}},
    [HARNESS_SOFTMAX] = {"softmax", {KEY(rows), KEY(cols)}},
    [HARNESS_LAYERNORM] = {"layernorm", {KEY(rows), KEY(cols)}},
    [HARNESS_GATHER] = {"gather", {KEY(rows), KEY(cols), KEY(table)}},
};

const char *harness_op_name(harness_op_kind kind) {
    return schemas[kind].name;
}

static int is_window(const harness_op *op) {
    return op->kind == HARNESS_CONV || op->kind == HARNESS_MAXPOOL || op->kind == HARNESS_AVGPOOL;
}

static int is_rows(const harness_op *op) {
    return op->kind == HARNESS_SOFTMAX || op->kind == HARNESS_LAYERNORM;
}

uint32_t harness_op_out_h(const harness_op *op) {
    return (op->h + 2 * op->pad - op->k) / op->stride + 1;
}

uint32_t harness_op_out_w(const harness_op *op) {
    return (op->w + 2 * op->pad - op->k) / op->stride + 1;
}

uint64_t harness_op_input_count(const harness_op *op, uint32_t batch) {
    if (is_window(op)) return (uint64_t)batch * op->c * op->h * op->w;
    if (op->kind == HARNESS_GEMM) return (uint64_t)batch * op->m * op->k;
    if (op->kind == HARNESS_BMM) return (uint64_t)batch * op->count * op->m * op->k;
    if (is_rows(op)) return (uint64_t)batch * op->rows * op->cols;
    if (op->kind == HARNESS_GATHER) return 0; /* the indices are computed */
    return (uint64_t)batch * op->n;
}

uint64_t harness_op_second_count(const harness_op *op, uint32_t batch) {
    if (op->kind == HARNESS_BMM) return (uint64_t)batch * op->count * op->k * op->n;
    return op->kind == HARNESS_ADD || op->kind == HARNESS_MUL ? (uint64_t)batch * op->n : 0;
}

uint64_t harness_op_weight_count(const harness_op *op) {
    if (op->kind == HARNESS_CONV) return (uint64_t)op->out * (op->c / op->groups) * op->k * op->k;
    if (op->kind == HARNESS_GEMM) return (uint64_t)op->k * op->n;
    return op->kind == HARNESS_GATHER ? (uint64_t)op->table * op->cols : 0;
}

uint64_t harness_op_output_count(const harness_op *op, uint32_t batch) {
    if (is_window(op))
        return (uint64_t)batch * (op->kind == HARNESS_CONV ? op->out : op->c) * harness_op_out_h(op) *
               harness_op_out_w(op);
    if (op->kind == HARNESS_GEMM) return (uint64_t)batch * op->m * op->n;
    if (op->kind == HARNESS_BMM) return (uint64_t)batch * op->count * op->m * op->n;
    if (is_rows(op) || op->kind == HARNESS_GATHER) return (uint64_t)batch * op->rows * op->cols;
    return (uint64_t)batch * op->n;
}

double harness_op_flops(const harness_op *op, uint32_t batch) {
    double outputs = (double)harness_op_output_count(op, batch);
    switch (op->kind) {
    case HARNESS_CONV:
        return 2 * outputs * (op->c / op->groups) * op->k * op->k;
    case HARNESS_GEMM:
    case HARNESS_BMM:
        return 2 * outputs * op->k;
    case HARNESS_MAXPOOL:
    case HARNESS_AVGPOOL:
        return outputs * op->k * op->k;
    case HARNESS_GATHER:
        return 0;
    default:
        return outputs;
    }
}

/* A gather reads the rows that it needs, not its table. */
double harness_op_bytes(const harness_op *op, uint32_t batch) {
    uint64_t read =
        op->kind == HARNESS_GATHER ? harness_op_output_count(op, batch) : harness_op_weight_count(op);
    return 4.0 * (double)(harness_op_input_count(op, batch) + harness_op_second_count(op, batch) + read +
                          harness_op_output_count(op, batch));
}

double harness_workload_flops(const harness_workload *w, uint32_t batch) {
    double sum = 0;
    for (size_t i = 0; i < w->n_ops; i++) sum += harness_op_flops(&w->ops[i], batch);
    return sum;
}

double harness_workload_bytes(const harness_workload *w, uint32_t batch) {
    double sum = 0;
    for (size_t i = 0; i < w->n_ops; i++) sum += harness_op_bytes(&w->ops[i], batch);
    return sum;
}

uint64_t harness_workload_weight_bytes(const harness_workload *w) {
    uint64_t sum = 0;
    for (size_t i = 0; i < w->n_ops; i++) sum += 4 * harness_op_weight_count(&w->ops[i]);
    return sum;
}

typedef struct {
    const char *file;
    harness_workload *w;
    char *err;
} loader;

static int refuse(loader *l, const char *place, const char *found, const char *expected) {
    snprintf(l->err, HARNESS_ERR_LEN, "%.200s: %.32s: operator %zu%.40s: found %.60s, expected %s", l->file,
             l->w->name, l->w->n_ops, place, found, expected);
    return -1;
}

static int read_shape(loader *l, const harness_json *j, const shape_key *key, harness_op *op) {
    double value = harness_json_number(j, key->key, key->need ? -1.0 : (double)key->missing);
    int positive = strcmp(key->key, "pad") != 0;
    if (value >= positive && value <= DIMENSION_MAX && value == floor(value)) {
        uint32_t v = (uint32_t)value;
        memcpy((char *)op + key->at, &v, sizeof v);
        return 0;
    }
    char place[64], found[32];
    snprintf(place, sizeof place, ", %s", key->key);
    snprintf(found, sizeof found, "%g", value);
    return refuse(l, place, value < 0 ? "nothing" : found, "a whole number from 1 (pad: 0) to 2^26");
}

static int known_keys(loader *l, const harness_json *j, const op_schema *schema) {
    for (const harness_json *c = j->child; c; c = c->next) {
        const shape_key *k = schema->keys;
        while (k->key && strcmp(k->key, c->key) != 0) k++;
        if (!k->key && strcmp(c->key, "op") != 0 && strcmp(c->key, "name") != 0)
            return refuse(l, ", key", c->key, "the keys that harness_workload.h lists");
    }
    return 0;
}

static int fits(loader *l, const harness_op *op) {
    if (is_window(op) && (op->k > op->h + 2 * op->pad || op->k > op->w + 2 * op->pad))
        return refuse(l, "", "a kernel larger than its input", "k <= h + 2 pad");
    if (op->kind == HARNESS_CONV && (op->c % op->groups || op->out % op->groups))
        return refuse(l, "", "groups that do not divide c and out", "divisors");
    if (harness_op_output_count(op, 32) > UINT32_MAX || harness_op_input_count(op, 32) > UINT32_MAX ||
        harness_op_second_count(op, 32) > UINT32_MAX || harness_op_weight_count(op) > UINT32_MAX)
        return refuse(l, "", "a tensor of more than 2^32 elements at batch 32", "smaller shapes");
    return 0;
}

static int append(loader *l, const harness_op *op) {
    harness_workload *w = l->w;
    if (w->n_ops >= HARNESS_OPS_MAX) return refuse(l, "", "too many", "at most 4096");
    if (!(w->n_ops & (w->n_ops - 1))) { /* a power of two: full */
        harness_op *larger = realloc(w->ops, (w->n_ops ? 2 * w->n_ops : 1) * sizeof *larger);
        if (!larger) return refuse(l, "", "no memory", "memory");
        w->ops = larger;
    }
    w->ops[w->n_ops++] = *op;
    return 0;
}

static int read_op(loader *l, const harness_json *j) {
    const char *name = harness_json_string(j, "op", "nothing");
    harness_op op = {.stride = 1, .groups = 1};
    size_t kind = 0;
    while (kind < HARNESS_OP_KINDS && strcmp(schemas[kind].name, name) != 0) kind++;
    if (kind == HARNESS_OP_KINDS) return refuse(l, "", name, "an operator that harness_workload.h lists");
    op.kind = (harness_op_kind)kind;
    for (const shape_key *k = schemas[kind].keys; k->key; k++)
        if (read_shape(l, j, k, &op)) return -1;
    return known_keys(l, j, &schemas[kind]) || fits(l, &op) ? -1 : append(l, &op);
}

/* Repeats nest once: what is inside a repeat is an operator. */
static int read_ops(loader *l, const harness_json *ops, int nested) {
    if (!ops || ops->type != HARNESS_JSON_ARRAY || !ops->child)
        return refuse(l, "", "no operators", "an array \"ops\"");
    for (const harness_json *j = ops->child; j; j = j->next) {
        double repeat = harness_json_number(j, "repeat", 0);
        if (repeat > 0 && nested) return refuse(l, "", "a repeat in a repeat", "operators");
        if (repeat < 0 || repeat > HARNESS_OPS_MAX || repeat != floor(repeat))
            return refuse(l, "", "a wrong repeat", "a whole number from 1 to 4096");
        for (int i = 0; i < (int)repeat; i++)
            if (read_ops(l, harness_json_at(j, "ops"), 1)) return -1;
        if (repeat <= 0 && read_op(l, j)) return -1;
    }
    return 0;
}

static int is_name(const char *s) {
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_-.");
    return n && !s[n] && n < HARNESS_NAME_LEN;
}

static int read_workload(harness_workloads *all, const char *file, const harness_json *j,
                         char err[HARNESS_ERR_LEN]) {
    const char *name = harness_json_string(j, "name", ""), *group = harness_json_string(j, "group", "");
    if (!is_name(name) || !is_name(group)) {
        snprintf(err, HARNESS_ERR_LEN,
                 "%.200s: found name \"%.40s\", group \"%.40s\", expected 1 to 31 of a-z 0-9 _ - .", file,
                 name, group);
        return -1;
    }
    if (harness_workloads_find(all, name)) {
        snprintf(err, HARNESS_ERR_LEN, "%.200s: found a second workload \"%s\", expected different names",
                 file, name);
        return -1;
    }
    harness_workload *larger = realloc(all->items, (all->n + 1) * sizeof *larger);
    if (!larger) {
        snprintf(err, HARNESS_ERR_LEN, "%.200s: out of memory", file);
        return -1;
    }
    all->items = larger;
    harness_workload *w = &all->items[all->n++];
    *w = (harness_workload){.description = strdup(harness_json_string(j, "description", ""))};
    snprintf(w->name, sizeof w->name, "%s", name);
    snprintf(w->group, sizeof w->group, "%s", group);
    loader l = {file, w, err};
    return read_ops(&l, harness_json_at(j, "ops"), 0);
}

int harness_workloads_parse(harness_workloads *all, const char *name, const harness_json *root,
                            char err[HARNESS_ERR_LEN]) {
    const char *format = harness_json_string(root, "format", "nothing");
    if (strcmp(format, "hassim-model-1") != 0) {
        snprintf(err, HARNESS_ERR_LEN, "%.200s: format: found \"%.40s\", expected \"hassim-model-1\"", name,
                 format);
        return -1;
    }
    const harness_json *many = harness_json_at(root, "workloads");
    if (!many) return read_workload(all, name, root, err);
    for (const harness_json *j = many->child; j; j = j->next)
        if (read_workload(all, name, j, err)) return -1;
    return 0;
}

static int read_file(harness_workloads *all, const char *path, char err[HARNESS_ERR_LEN]) {
    harness_json *root = harness_json_read(path, err);
    int rc = root ? harness_workloads_parse(all, path, root, err) : -1;
    harness_json_free(root);
    return rc;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const harness_workload *)a)->name, ((const harness_workload *)b)->name);
}

int harness_workloads_read(harness_workloads *all, const char *folder, char err[HARNESS_ERR_LEN]) {
    *all = (harness_workloads){0};
    DIR *dir = opendir(folder);
    int rc = 0;
    for (struct dirent *e = dir ? readdir(dir) : NULL; e && !rc; e = readdir(dir)) {
        char path[PATH_LEN];
        size_t n = strlen(e->d_name);
        if (n < 6 || strcmp(e->d_name + n - 5, ".json") != 0) continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        rc = read_file(all, path, err);
    }
    if (dir) closedir(dir);
    if (!rc && !all->n) {
        snprintf(err, HARNESS_ERR_LEN, "%.300s: found no model descriptions, expected a folder with *.json",
                 folder);
        return -1;
    }
    if (!rc) qsort(all->items, all->n, sizeof *all->items, by_name);
    return rc;
}

const harness_workload *harness_workloads_find(const harness_workloads *all, const char *name) {
    for (size_t i = 0; i < all->n; i++)
        if (strcmp(all->items[i].name, name) == 0) return &all->items[i];
    return NULL;
}

void harness_workloads_free(harness_workloads *all) {
    for (size_t i = 0; i < all->n; i++) {
        free(all->items[i].description);
        free(all->items[i].ops);
    }
    free(all->items);
    *all = (harness_workloads){0};
}
