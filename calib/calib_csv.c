/* calib_csv.c - reads measured latencies. */
#include "calib_csv.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calib_int.h"

enum { LINE_LEN = 1024, CELLS_MAX = 32, MODELS_MAX = 4096, POINTS_MAX = 100000 };

typedef enum { MODEL, BATCH, SM, QUOTA, LATENCY, N_COLUMNS } column;

static const char *const column_names[N_COLUMNS] = {"model", "batch", "sm_pct", "quota_pct", "latency_ms"};

typedef struct {
    const char *file;
    size_t line;
    int at[N_COLUMNS]; /* where each column stands */
    char *err;
} reader;

static int fail(const reader *r, const char *what, const char *found, const char *expected) {
    char shown[41];
    snprintf(shown, sizeof shown, "%.40s", found);
    for (char *c = shown; *c; c++)
        if (!isprint((unsigned char)*c)) *c = '?';
    snprintf(r->err, CALIB_ERR_LEN, "%s:%zu: %s: found \"%s\", expected %s", r->file, r->line, what, shown,
             expected);
    return -1;
}

static int split(char *line, char *cells[CELLS_MAX]) {
    int n = 0;
    line[strcspn(line, "\r\n")] = '\0';
    for (char *c = line; c && n < CELLS_MAX; n++) {
        cells[n] = c;
        c = strchr(c, ',');
        if (c) *c++ = '\0';
    }
    return n;
}

static int read_header(reader *r, char *line) {
    char *cells[CELLS_MAX];
    int n = split(line, cells);
    for (int k = 0; k < N_COLUMNS; k++) {
        r->at[k] = -1;
        for (int i = 0; i < n; i++)
            if (strcmp(cells[i], column_names[k]) == 0) r->at[k] = i;
        if (r->at[k] < 0) return fail(r, "header", cells[0], column_names[k]);
    }
    return 0;
}

static int read_uint(const reader *r, const char *what, const char *cell, uint32_t max, uint32_t *out) {
    char *end, expected[48];
    unsigned long value = isdigit((unsigned char)cell[0]) ? strtoul(cell, &end, 10) : 0;
    snprintf(expected, sizeof expected, "a whole number from 1 to %u", (unsigned)max);
    if (!isdigit((unsigned char)cell[0]) || *end || value < 1 || value > max)
        return fail(r, what, cell, expected);
    *out = (uint32_t)value;
    return 0;
}

static int read_point(const reader *r, char *const cells[], calib_point *p) {
    if (read_uint(r, "batch", cells[r->at[BATCH]], CALIB_BATCH_MAX, &p->batch)) return -1;
    if (read_uint(r, "sm_pct", cells[r->at[SM]], 100, &p->sm_pct)) return -1;
    if (read_uint(r, "quota_pct", cells[r->at[QUOTA]], 100, &p->quota_pct)) return -1;
    char *end;
    const char *cell = cells[r->at[LATENCY]];
    p->ms = strtod(cell, &end);
    if (end == cell || *end || !(p->ms >= 1e-3 && p->ms <= 1e6))
        return fail(r, "latency_ms", cell, "a number from 0.001 to 1000000");
    return 0;
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

static int read_row(reader *r, calib_csv *c, char *line) {
    char *cells[CELLS_MAX];
    int n = split(line, cells), needed = 0;
    for (int k = 0; k < N_COLUMNS; k++) needed = r->at[k] >= needed ? r->at[k] + 1 : needed;
    if (n < needed) return fail(r, "row", cells[0], "as many cells as the header");
    const char *name = cells[r->at[MODEL]];
    if (!*name || strlen(name) >= CALIB_CSV_NAME_LEN)
        return fail(r, "model", name, "a name of 1 to 63 bytes");
    calib_point p;
    if (read_point(r, cells, &p)) return -1;
    calib_csv_model *m = find_model(c, name);
    if (!m || append(m, &p)) return fail(r, "row", name, "fewer models and points, or more memory");
    return 0;
}

static int compare_name(const void *a, const void *b) {
    return strcmp(((const calib_csv_model *)a)->name, ((const calib_csv_model *)b)->name);
}

int calib_csv_read(calib_csv *c, const char *file, char err[CALIB_ERR_LEN]) {
    *c = (calib_csv){.n = 0};
    reader r = {.file = file, .err = err};
    char line[LINE_LEN];
    int rc = 0;
    FILE *in = calib_file_open(file, err);
    if (!in) return -1;
    while (!rc && fgets(line, sizeof line, in)) {
        r.line++;
        if (!strchr(line, '\n') && !feof(in))
            rc = fail(&r, "line", line, "at most 1022 bytes, none of them NUL");
        else
            rc = r.line == 1 ? read_header(&r, line) : read_row(&r, c, line);
    }
    if (!rc && (ferror(in) || !c->n))
        rc = fail(&r, "file", ferror(in) ? "a read error" : "no rows", "measurements");
    fclose(in);
    if (!rc) qsort(c->models, c->n, sizeof *c->models, compare_name);
    return rc;
}

void calib_csv_free(calib_csv *c) {
    for (size_t i = 0; i < c->n; i++) free(c->models[i].points);
    free(c->models);
    *c = (calib_csv){.n = 0};
}
