/* calib_csv.c - measured latencies, by model. */
#include "calib_csv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calib_import.h"

enum { MODELS_MAX = 4096, POINTS_MAX = 100000 };

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

/* What the fit can use: one process alone, at a batch that the simulator asks for. */
static int add_sample(calib_csv *c, const calib_sample *s) {
    if (s->processes != 1 || s->batch > CALIB_BATCH_MAX) {
        c->n_left_out++;
        return 0;
    }
    calib_csv_model *m = find_model(c, s->model);
    const calib_point p = {s->batch, s->sm_pct, s->quota_pct, s->ms};
    return m ? append(m, &p) : -1;
}

static int compare_name(const void *a, const void *b) {
    return strcmp(((const calib_csv_model *)a)->name, ((const calib_csv_model *)b)->name);
}

int calib_csv_read(calib_csv *c, const char *file, char err[CALIB_ERR_LEN]) {
    *c = (calib_csv){.n = 0};
    calib_import list = {.n = 0};
    int rc = calib_import_read(&list, calib_importer_find("plain"), file, err);
    for (size_t i = 0; !rc && i < list.n; i++) {
        rc = add_sample(c, &list.samples[i]);
        if (rc)
            snprintf(err, CALIB_ERR_LEN,
                     "%.300s: %s: found one too many, expected fewer models and points, or more memory", file,
                     list.samples[i].model);
    }
    calib_import_free(&list);
    if (!rc && !c->n) {
        snprintf(err, CALIB_ERR_LEN,
                 "%.300s: found no row of one process and a batch of 1 to %d, expected some", file,
                 CALIB_BATCH_MAX);
        rc = -1;
    }
    if (!rc) qsort(c->models, c->n, sizeof *c->models, compare_name);
    return rc;
}

void calib_csv_free(calib_csv *c) {
    for (size_t i = 0; i < c->n; i++) free(c->models[i].points);
    free(c->models);
    *c = (calib_csv){.n = 0};
}
