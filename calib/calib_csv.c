/* calib_csv.c - reads measured latencies. */
#include "calib_csv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calib_rows.h"

enum { MODELS_MAX = 4096, POINTS_MAX = 100000 };

typedef enum { MODEL, BATCH, SM, QUOTA, LATENCY, N_COLUMNS } column;

static const char *const column_names[N_COLUMNS] = {"model", "batch", "sm_pct", "quota_pct", "latency_ms"};

static int read_point(const calib_rows *r, calib_point *p) {
    if (calib_rows_uint(r, BATCH, 1, CALIB_BATCH_MAX, &p->batch)) return -1;
    if (calib_rows_uint(r, SM, 1, 100, &p->sm_pct)) return -1;
    if (calib_rows_uint(r, QUOTA, 1, 100, &p->quota_pct)) return -1;
    return calib_rows_number(r, LATENCY, 1e-3, 1e6, &p->ms);
}

/* Rows of a model mostly follow each other: look at the last one first. */
static calib_csv_model *find_model(calib_csv *c, const char *name) {
    for (size_t i = c->n; i-- > 0;)
        if (strcmp(c->models[i].name, name) == 0) return &c->models[i];
    if (c->n >= MODELS_MAX) return NULL;
    calib_csv_model *grown = realloc(c->models, (c->n + 1) * sizeof *grown);
    if (!grown) return NULL;
    c->models = grown;
    calib_csv_model *m = &c->models[c->n++];
    *m = (calib_csv_model){.n = 0};
    snprintf(m->name, sizeof m->name, "%s", name);
    return m;
}

static int append(calib_csv_model *m, const calib_point *p) {
    if (m->n == m->capacity) {
        size_t capacity = m->capacity ? 2 * m->capacity : 256;
        calib_point *grown = capacity <= POINTS_MAX ? realloc(m->points, capacity * sizeof *grown) : NULL;
        if (!grown) return -1;
        m->points = grown;
        m->capacity = capacity;
    }
    m->points[m->n++] = *p;
    return 0;
}

static int read_row(const calib_rows *r, calib_csv *c) {
    const char *name;
    calib_point p;
    if (calib_rows_name(r, MODEL, CALIB_CSV_NAME_LEN, &name) || read_point(r, &p)) return -1;
    calib_csv_model *m = find_model(c, name);
    if (!m || append(m, &p))
        return calib_rows_fail(r, "row", name, "fewer models and points, or more memory");
    return 0;
}

static int compare_name(const void *a, const void *b) {
    return strcmp(((const calib_csv_model *)a)->name, ((const calib_csv_model *)b)->name);
}

int calib_csv_read(calib_csv *c, const char *file, char err[CALIB_ERR_LEN]) {
    *c = (calib_csv){.n = 0};
    calib_rows r;
    int rc = calib_rows_open(&r, file, column_names, N_COLUMNS, err);
    while (!rc && (rc = calib_rows_next(&r)) == 0) rc = read_row(&r, c);
    if (rc > 0 && !c->n) rc = calib_rows_fail(&r, "file", "no rows", "measurements");
    calib_rows_close(&r);
    if (rc < 0) return -1;
    qsort(c->models, c->n, sizeof *c->models, compare_name);
    return 0;
}

void calib_csv_free(calib_csv *c) {
    for (size_t i = 0; i < c->n; i++) free(c->models[i].points);
    free(c->models);
    *c = (calib_csv){.n = 0};
}
