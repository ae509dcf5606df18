/* rapp_data.c - reads what RaPP learns from (rapp_data.h). */
#include "rapp_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calib_rows.h"

enum {
    NAME_LEN = 64,
    PATH_LEN = 4096,
    MODELS_MAX = 4096,
    TYPES_MAX = 256,
    POINTS_MAX = 4000000,
    OPERATORS_MAX = 1000000
};

static const double COUNT_MAX = 1e9, MS_MIN = 1e-3, MS_MAX = 1e6;

const uint32_t rapp_prior_quota_pct[RAPP_PRIOR_QUOTAS] = {20, 40, 60, 80, 100};
const uint32_t rapp_prior_sm_pct[RAPP_PRIOR_SMS] = {5, 10, 30, 60, 80, 100};

typedef struct {
    char name[NAME_LEN];
    rapp_prior prior;
    size_t first_operator;
} data_model;

typedef struct {
    char name[NAME_LEN];
} data_type;

typedef struct { /* an array that grows by doubling, up to a bound */
    void *items;
    size_t n, capacity, max;
} data_array;

struct rapp_data {
    data_array models, points, operators;
    data_type *types; /* [TYPES_MAX]: operators point into it */
    size_t n_types;
};

/* Room for one more item at the end, zeroed; NULL: too many, or no memory */
static void *append(data_array *a, size_t size) {
    if (a->n == a->max) return NULL;
    if (a->n == a->capacity) {
        size_t capacity = a->capacity ? 2 * a->capacity : 64;
        void *grown = realloc(a->items, capacity * size);
        if (!grown) return NULL;
        a->items = grown;
        a->capacity = capacity;
    }
    return memset((char *)a->items + size * a->n++, 0, size);
}

static data_model *models_of(const rapp_data *d) {
    return d->models.items;
}

/* The model of that name, made if there is none. Rows of a model follow each other: *last is where it was found. */
static data_model *find_model(rapp_data *d, const char *name, size_t *last) {
    if (*last < d->models.n && strcmp(models_of(d)[*last].name, name) == 0) return &models_of(d)[*last];
    for (*last = 0; *last < d->models.n; ++*last)
        if (strcmp(models_of(d)[*last].name, name) == 0) return &models_of(d)[*last];
    data_model *m = append(&d->models, sizeof *m);
    if (m) snprintf(m->name, sizeof m->name, "%s", name);
    return m;
}

static data_model *read_model(const calib_rows *r, rapp_data *d, size_t *last) {
    const char *name;
    if (calib_rows_name(r, 0, NAME_LEN, &name)) return NULL;
    data_model *m = find_model(d, name, last);
    if (!m) calib_rows_fail(r, "model", name, "at most 4096 models, or more memory");
    return m;
}

/* ---- latency.csv ---- */

static const char *const point_columns[] = {"model", "batch", "sm_pct", "quota_pct", "latency_ms"};

static int read_point(const calib_rows *r, rapp_data *d, size_t *last) {
    if (!read_model(r, d, last)) return -1;
    rapp_point *p = append(&d->points, sizeof *p);
    if (!p) return calib_rows_fail(r, "row", "one too many", "at most 4000000, or more memory");
    p->model = (uint32_t)*last;
    if (calib_rows_uint(r, 1, 1, CALIB_BATCH_MAX, &p->batch)) return -1;
    if (calib_rows_uint(r, 2, 1, 100, &p->sm_pct) || calib_rows_uint(r, 3, 1, 100, &p->quota_pct)) return -1;
    return calib_rows_number(r, 4, MS_MIN, MS_MAX, &p->ms);
}

/* ---- graphs.csv ---- */

static const char *const graph_columns[] = {"model",
                                            "gmac",
                                            "conv2d_count",
                                            "dense_count",
                                            "relu_count",
                                            "lat_ms_b4_sm100_q20",
                                            "lat_ms_b4_sm100_q40",
                                            "lat_ms_b4_sm100_q60",
                                            "lat_ms_b4_sm100_q80",
                                            "lat_ms_b4_sm100_q100"};

static int read_graph(const calib_rows *r, rapp_data *d, size_t *last) {
    data_model *m = read_model(r, d, last);
    if (!m) return -1;
    rapp_prior *p = &m->prior;
    if (p->has_graph) return calib_rows_fail(r, "model", m->name, "one row per model");
    double *const counts[] = {&p->gmac, &p->n_conv2d, &p->n_dense, &p->n_relu};
    for (int k = 0; k < 4; k++)
        if (calib_rows_number(r, 1 + k, 0, COUNT_MAX, counts[k])) return -1;
    for (int k = 0; k < RAPP_PRIOR_QUOTAS; k++)
        if (calib_rows_number(r, 5 + k, MS_MIN, MS_MAX, &p->quota_ms[k])) return -1;
    p->has_graph = 1;
    return 0;
}

/* ---- operators.csv ---- */

enum { OP_TYPE = 2, OP_NUMBERS = 3 };
static const char *const operator_columns[] = {
    "model",     "node",      "op",        "kernel_h",   "kernel_w",  "channels",   "stride_h",
    "stride_w",  "pad_top",   "pad_left",  "pad_bottom", "pad_right", "dilation_h", "dilation_w",
    "groups",    "shape0",    "shape1",    "shape2",     "shape3",    "t_ms_sm5",   "t_ms_sm10",
    "t_ms_sm30", "t_ms_sm60", "t_ms_sm80", "t_ms_sm100"};

static const char *find_type(rapp_data *d, const char *name) {
    for (size_t i = 0; i < d->n_types; i++)
        if (strcmp(d->types[i].name, name) == 0) return d->types[i].name;
    if (d->n_types == TYPES_MAX) return NULL;
    return strcpy(d->types[d->n_types++].name, name);
}

static int read_numbers(const calib_rows *r, int column, int n, double max, double *out) {
    for (int k = 0; k < n; k++)
        if (calib_rows_number(r, column + k, 0, max, &out[k])) return -1;
    return 0;
}

/* The chain is in order and in one piece: nodes count from 0, and a model's last one precedes the present one. */
static int read_place(const calib_rows *r, rapp_data *d, data_model *m) {
    uint32_t node;
    if (!m->prior.n_operators) m->first_operator = d->operators.n;
    if (calib_rows_uint(r, 1, 0, OPERATORS_MAX, &node)) return -1;
    if (node != m->prior.n_operators || m->first_operator + node != d->operators.n)
        return calib_rows_fail(r, "node", calib_rows_text(r, 1), "a model's nodes together, counted from 0");
    m->prior.n_operators++;
    return 0;
}

static int read_operator(const calib_rows *r, rapp_data *d, size_t *last) {
    const char *type;
    data_model *m = read_model(r, d, last);
    if (!m || read_place(r, d, m) || calib_rows_name(r, OP_TYPE, NAME_LEN, &type)) return -1;
    rapp_operator *o = append(&d->operators, sizeof *o);
    if (!o) return calib_rows_fail(r, "row", "one too many", "at most 1000000, or more memory");
    o->type = find_type(d, type);
    if (!o->type) return calib_rows_fail(r, "op", type, "at most 256 types");
    int column = OP_NUMBERS;
    if (read_numbers(r, column, RAPP_OP_ATTRIBUTES, COUNT_MAX, o->attributes)) return -1;
    column += RAPP_OP_ATTRIBUTES;
    if (read_numbers(r, column, RAPP_OP_SHAPE, COUNT_MAX, o->shape)) return -1;
    return read_numbers(r, column + RAPP_OP_SHAPE, RAPP_PRIOR_SMS, MS_MAX, o->ms);
}

/* ---- the folder ---- */

typedef struct {
    const char *name;
    const char *const *columns;
    int n_columns;
    int (*read)(const calib_rows *r, rapp_data *d, size_t *last);
} data_file;

#define COUNT(array) (int)(sizeof(array) / sizeof *(array))
static const data_file files[] = {
    {"latency.csv", point_columns, COUNT(point_columns), read_point},
    {"graphs.csv", graph_columns, COUNT(graph_columns), read_graph},
    {"operators.csv", operator_columns, COUNT(operator_columns), read_operator},
};

const char *rapp_data_file_at(size_t index) {
    return index < sizeof files / sizeof *files ? files[index].name : NULL;
}

static int read_file(rapp_data *d, const data_file *f, const char *dir, char err[RAPP_ERR_LEN]) {
    char path[PATH_LEN];
    calib_rows r;
    size_t last = 0;
    int n = snprintf(path, sizeof path, "%s/%s", dir, f->name);
    if (n < 0 || n >= (int)sizeof path) {
        snprintf(err, RAPP_ERR_LEN, "%.100s...: found a long name, expected at most %d bytes", dir, PATH_LEN);
        return -1;
    }
    int rc = calib_rows_open(&r, path, f->columns, f->n_columns, err);
    while (!rc && (rc = calib_rows_next(&r)) == 0) rc = f->read(&r, d, &last);
    calib_rows_close(&r);
    return rc < 0 ? -1 : 0;
}

int rapp_data_open(rapp_data **out, const char *dir, char err[RAPP_ERR_LEN]) {
    rapp_data *d = calloc(1, sizeof *d);
    int rc = 0;
    *out = NULL;
    if (d) d->types = calloc(TYPES_MAX, sizeof *d->types);
    if (!d || !d->types) {
        snprintf(err, RAPP_ERR_LEN, "out of memory");
        rapp_data_close(d);
        return -1;
    }
    d->models.max = MODELS_MAX, d->points.max = POINTS_MAX, d->operators.max = OPERATORS_MAX;
    for (int i = 0; i < COUNT(files) && !rc; i++) rc = read_file(d, &files[i], dir, err);
    if (rc) {
        rapp_data_close(d);
        return -1;
    }
    for (size_t i = 0; i < d->models.n; i++) {
        data_model *m = &models_of(d)[i];
        if (m->prior.n_operators)
            m->prior.operators = (rapp_operator *)d->operators.items + m->first_operator;
    }
    *out = d;
    return 0;
}

void rapp_data_close(rapp_data *d) {
    if (!d) return;
    free(d->models.items);
    free(d->points.items);
    free(d->operators.items);
    free(d->types);
    free(d);
}

size_t rapp_data_n_models(const rapp_data *d) {
    return d->models.n;
}

const char *rapp_data_model_name(const rapp_data *d, size_t model) {
    return models_of(d)[model].name;
}

const rapp_prior *rapp_data_prior(const rapp_data *d, size_t model) {
    return &models_of(d)[model].prior;
}

int rapp_prior_is_complete(const rapp_prior *p) {
    return p->has_graph && p->n_operators > 0;
}

size_t rapp_data_n_points(const rapp_data *d) {
    return d->points.n;
}

const rapp_point *rapp_data_points(const rapp_data *d) {
    return d->points.items;
}
