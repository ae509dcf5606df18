/* rapp_table.c - the kind `table`: a grid of latencies per DNN, smoothed and filled in.
 *
 * Per DNN, three steps:
 *   1. The law max(G, f) of four coefficients (rapp_physics_int.h), which says what no point tells.
 *   2. max(G, f) with a free G for every (batch, SM) and a free f for every quota: each in turn is the value with the
 *      least absolute error on a log scale; G is held a little to the law, since where launching hides it no point
 *      tells it.
 *   3. What is left at the points is no noise alone: it is alike where the configurations are, above all along the SM
 *      axis. Every cell takes the middle of what is left around it, weighted by nearness and drawn to 0. A measured
 *      cell is smoothed, too: a measurement repeats to some percent only.
 * The grid is then made monotone in SM and quota. A DNN known by its prior alone is answered by its law.
 *
 * Nearness: weights fall by a factor per step of the grid. The factors were chosen by cross-validation by configuration
 * on the public V100 data, in coarse steps; half or double of each changes its error little. Being monotone costs 0.15
 * percentage points there: latencies measured on different days differ by steps, which may rise with SM.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rapp_grid_int.h"
#include "rapp_physics_int.h"

enum { ROUNDS = 4, CELLS_MAX = 4000000 };

static const double PULL = 0.3;   /* of G to the law, in points */
static const double OTHER = 0.15; /* weight of a neighbour in the other regime */
static const double PRIOR = 0.2;  /* weight of "nothing is left" */
static const double STEP[RAPP_GRID_AXES] = {0.1, 0.6, 0.2};
static const double SOFT = 0.02; /* log: below this a deviation counts by its square, above by itself */

typedef struct {
    rapp_laws laws;
    rapp_grid grid;
    double *values; /* [laws.n][grid size], ms */
} table;

/* ---- one DNN ---- */

typedef struct {
    uint32_t at[RAPP_GRID_AXES]; /* node indices */
    double log_ms, left;         /* left: log of measured / max(G, f) */
} table_point;

typedef struct {
    const rapp_grid *g;
    const rapp_physics *law;
    table_point *points;
    size_t n, n_sm, n_quota;
    double *gpu;                          /* log G, [batch][sm] */
    double *launch;                       /* log f, [quota] */
    double *room;                         /* 2 n, and then 3 grids */
    double nearness[RAPP_GRID_AXES][100]; /* by steps */
} fit;

static double *gpu_at(const fit *f, const uint32_t at[RAPP_GRID_AXES]) {
    return &f->gpu[at[RAPP_GRID_BATCH] * f->n_sm + at[RAPP_GRID_SM]];
}

static void start(fit *f, const rapp_point *points) {
    const rapp_axis *a = f->g->axis;
    for (size_t b = 0; b < a[0].n; b++)
        for (size_t s = 0; s < f->n_sm; s++)
            f->gpu[b * f->n_sm + s] =
                log(fmax(rapp_physics_gpu_ms(f->law, a[0].node[b], a[1].node[s]), 1e-3));
    for (size_t q = 0; q < f->n_quota; q++)
        f->launch[q] = log(fmax(rapp_physics_launch_ms(f->law, a[2].node[q]), 1e-3));
    for (size_t i = 0; i < f->n; i++) {
        const uint32_t x[RAPP_GRID_AXES] = {points[i].batch, points[i].sm_pct, points[i].quota_pct};
        for (int k = 0; k < RAPP_GRID_AXES; k++)
            f->points[i].at[k] = a[k].at[x[k]] + (a[k].part[x[k]] == 1 ? 1u : 0u);
        f->points[i].log_ms = log(points[i].ms);
    }
}

/* Of a few measurements y, each of which is max(value, other): sum of |max(value, other) - y| */
static double cost(double value, const double *y, const double *other, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += fabs(fmax(value, other[i]) - y[i]);
    return sum;
}

/* The value of least cost; it is one of the measurements, or where it began, to which it is pulled. */
static double best_value(double begin, double pull, const double *y, const double *other, size_t n) {
    double best = begin, least = cost(begin, y, other, n);
    for (size_t i = 0; i < n; i++) {
        double c = cost(y[i], y, other, n) + pull * fabs(y[i] - begin);
        if (c < least) least = c, best = y[i];
    }
    return best;
}

/* The points of one cell of G (axis SM: batch and SM equal) or of one f (axis quota) */
static size_t gather(const fit *f, int is_launch, const uint32_t at[RAPP_GRID_AXES], double *y,
                     double *other) {
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++) {
        const table_point *p = &f->points[i];
        int is_in = is_launch ? p->at[RAPP_GRID_QUOTA] == at[RAPP_GRID_QUOTA]
                              : p->at[RAPP_GRID_BATCH] == at[RAPP_GRID_BATCH] &&
                                    p->at[RAPP_GRID_SM] == at[RAPP_GRID_SM];
        if (!is_in) continue;
        y[n] = p->log_ms;
        other[n++] = is_launch ? *gpu_at(f, p->at) : f->launch[p->at[RAPP_GRID_QUOTA]];
    }
    return n;
}

static void separate(fit *f) {
    double *y = f->room, *other = f->room + f->n;
    const rapp_axis *a = f->g->axis;
    for (uint32_t q = 0; q < f->n_quota; q++) {
        const uint32_t at[] = {0, 0, q};
        size_t n = gather(f, 1, at, y, other);
        f->launch[q] = best_value(f->launch[q], 0, y, other, n);
    }
    for (uint32_t b = 0; b < a[0].n; b++)
        for (uint32_t s = 0; s < f->n_sm; s++) {
            const uint32_t at[] = {b, s, 0};
            double law = log(fmax(rapp_physics_gpu_ms(f->law, a[0].node[b], a[1].node[s]), 1e-3));
            size_t n = gather(f, 0, at, y, other);
            *gpu_at(f, at) = best_value(law, PULL, y, other, n);
        }
}

static int is_gpu_bound(const fit *f, const uint32_t at[RAPP_GRID_AXES]) {
    return *gpu_at(f, at) > f->launch[at[RAPP_GRID_QUOTA]];
}

static double separable(const fit *f, const uint32_t at[RAPP_GRID_AXES]) {
    return fmax(*gpu_at(f, at), f->launch[at[RAPP_GRID_QUOTA]]);
}

static uint32_t abs_difference(uint32_t a, uint32_t b) {
    return a < b ? b - a : a - b;
}

static void set_nearness(fit *f) {
    for (int k = 0; k < RAPP_GRID_AXES; k++) {
        f->nearness[k][0] = 1;
        for (int i = 1; i < 100; i++) {
            double w = f->nearness[k][i - 1] * STEP[k];
            f->nearness[k][i] = w > 1e-4 ? w : 0;
        }
    }
}

/* Nearness of every point to a cell, 0 of own; the sum */
static double weigh(const fit *f, const uint32_t at[RAPP_GRID_AXES], const table_point *own, double *w) {
    double sum = 0;
    int is_gpu = is_gpu_bound(f, at);
    for (size_t i = 0; i < f->n; i++) {
        const table_point *p = &f->points[i];
        w[i] = p == own ? 0 : is_gpu_bound(f, p->at) == is_gpu ? 1 : OTHER;
        for (int k = 0; k < RAPP_GRID_AXES && w[i] > 0; k++)
            w[i] *= f->nearness[k][abs_difference(p->at[k], at[k])];
        sum += w[i];
    }
    return sum;
}

/* The middle of what is left around a cell: the mean, then, weighing down what is far from the middle so far, close to
 * the median: sessions of measuring differ by steps, and a mean of two levels is neither. own is left out. */
static double left_around(const fit *f, const uint32_t at[RAPP_GRID_AXES], const table_point *own) {
    enum { REWEIGHTS = 2 };
    double *w = f->room, weights = PRIOR + weigh(f, at, own, w), sum = 0;
    for (size_t i = 0; i < f->n; i++) sum += w[i] * f->points[i].left;
    double middle = sum / weights;
    for (int k = 0; k < REWEIGHTS; k++) {
        weights = PRIOR / (fabs(middle) + SOFT), sum = 0;
        for (size_t i = 0; i < f->n; i++) {
            double part = w[i] / (fabs(f->points[i].left - middle) + SOFT);
            sum += part * f->points[i].left, weights += part;
        }
        middle = sum / weights;
    }
    return middle;
}

static void find_left(fit *f) {
    for (size_t i = 0; i < f->n; i++) {
        table_point *p = &f->points[i];
        p->left = p->log_ms - separable(f, p->at);
    }
}

/* Mean |predicted / measured - 1| of each point from the others: what an unmeasured configuration may expect */
static double expected_error(const fit *f) {
    double sum = 0;
    for (size_t i = 0; i < f->n; i++)
        sum += fabs(exp(left_around(f, f->points[i].at, &f->points[i]) - f->points[i].left) - 1);
    return sum / (double)f->n;
}

/* Six digits: files stay small, and what is trained is what is loaded. */
static double rounded(double ms) {
    char text[32];
    snprintf(text, sizeof text, "%.6g", ms);
    return strtod(text, NULL);
}

static void fill(fit *f, double *values) {
    const rapp_axis *a = f->g->axis;
    uint32_t at[RAPP_GRID_AXES];
    size_t i = 0;
    for (at[0] = 0; at[0] < a[0].n; at[0]++)
        for (at[1] = 0; at[1] < a[1].n; at[1]++)
            for (at[2] = 0; at[2] < a[2].n; at[2]++)
                values[i++] = exp(separable(f, at) + left_around(f, at, NULL));
    rapp_grid_make_monotone(f->g, values, f->room);
    for (size_t k = 0; k < i; k++) values[k] = rounded(values[k]);
}

static int train_one(const rapp_grid *g, rapp_physics *law, const rapp_point *points, size_t n,
                     double *values, char err[RAPP_ERR_LEN]) {
    fit f = {.g = g, .law = law, .n = n, .n_sm = g->axis[1].n, .n_quota = g->axis[2].n};
    f.points = calloc(n + 1, sizeof *f.points);
    f.gpu = calloc(g->axis[0].n * f.n_sm, sizeof *f.gpu);
    f.launch = calloc(f.n_quota, sizeof *f.launch);
    f.room = calloc(2 * n + 3 * rapp_grid_size(g), sizeof *f.room);
    int rc = f.points && f.gpu && f.launch && f.room ? 0 : rapp_fail_memory(err);
    if (!rc) {
        start(&f, points);
        for (int k = 0; k < ROUNDS; k++) separate(&f);
        find_left(&f);
        set_nearness(&f);
        law->error = fmax(expected_error(&f), n > RAPP_FEW ? 0 : RAPP_FEW_ERROR);
        fill(&f, values);
    }
    free(f.room);
    free(f.launch);
    free(f.gpu);
    free(f.points);
    return rc;
}

/* ---- the kind ---- */

static void close(void *state) {
    table *t = state;
    if (!t) return;
    rapp_laws_free(&t->laws);
    free(t->values);
    free(t);
}

static int find_model(const rapp_data *data, const char *name, size_t *model) {
    for (*model = 0; *model < rapp_data_n_models(data); ++*model)
        if (strcmp(rapp_data_model_name(data, *model), name) == 0) return 0;
    return -1;
}

static int train_values(table *t, const rapp_data *data, const unsigned char *use, char err[RAPP_ERR_LEN]) {
    size_t size = rapp_grid_size(&t->grid), model, n;
    for (size_t i = 0; i < t->laws.n; i++) {
        if (find_model(data, t->laws.laws[i].name, &model)) continue;
        rapp_point *points = rapp_points_of(data, use, model, &n);
        int rc = points ? train_one(&t->grid, &t->laws.laws[i].law, points, n, t->values + i * size, err)
                        : rapp_fail_memory(err);
        free(points);
        if (rc) return -1;
    }
    return 0;
}

static int train(void **state, const rapp_data *data, const unsigned char *use, const rapp_options *options,
                 char err[RAPP_ERR_LEN]) {
    table *t = calloc(1, sizeof *t);
    *state = NULL;
    if (!t) return rapp_fail_memory(err);
    int rc = rapp_laws_train(&t->laws, data, use, options, err);
    rapp_grid_make(&t->grid, data, use);
    if (!rc && t->laws.n * rapp_grid_size(&t->grid) > CELLS_MAX) {
        snprintf(err, RAPP_ERR_LEN, "found %zu models on a grid of %zu cells, expected at most %d in all",
                 t->laws.n, rapp_grid_size(&t->grid), CELLS_MAX);
        rc = -1;
    }
    if (!rc) t->values = calloc(t->laws.n * rapp_grid_size(&t->grid) + 1, sizeof *t->values);
    if (!rc) rc = t->values ? train_values(t, data, use, err) : rapp_fail_memory(err);
    if (rc)
        close(t);
    else
        *state = t;
    return rc;
}

static cJSON *save(const void *state) {
    const table *t = state;
    size_t size = rapp_grid_size(&t->grid);
    cJSON *o = cJSON_CreateObject(), *laws = rapp_laws_save(&t->laws), *grid = rapp_grid_save(&t->grid);
    cJSON *values = cJSON_AddArrayToObject(o, "values_ms");
    int bad = !values || !laws || !cJSON_AddItemToObject(o, "laws", laws);
    if (bad) cJSON_Delete(laws);
    if (bad || !grid || !cJSON_AddItemToObject(o, "grid", grid)) cJSON_Delete(grid), bad = 1;
    for (size_t i = 0; i < t->laws.n && !bad; i++) {
        cJSON *row = cJSON_CreateDoubleArray(t->values + i * size, (int)size);
        bad = !row || !cJSON_AddItemToArray(values, row);
    }
    if (!bad) return o;
    cJSON_Delete(o);
    return NULL;
}

static void load_row(calib_json *j, const cJSON *row, double *values, size_t size) {
    const cJSON *item = cJSON_IsArray(row) ? row->child : NULL;
    size_t i = 0;
    for (; item && i < size && cJSON_IsNumber(item); item = item->next, i++) {
        if (!(item->valuedouble >= 1e-6 && item->valuedouble <= 1e12)) break;
        values[i] = item->valuedouble;
    }
    if (item || i < size)
        calib_json_fail(j, "found something else at %zu, expected %zu times in ms", i, size);
}

static void load_values(table *t, calib_json *j, const cJSON *from) {
    const cJSON *rows = calib_json_array(j, from, "values_ms", (int)t->laws.n, (int)t->laws.n);
    size_t size = rapp_grid_size(&t->grid), i = 0;
    if (j->failed) return;
    if (t->laws.n * size <= CELLS_MAX) t->values = calloc(t->laws.n * size, sizeof *t->values);
    if (!t->values) calib_json_fail(j, "found %zu cells, expected fewer, or more memory", t->laws.n * size);
    size_t mark = calib_json_enter(j, "values_ms");
    for (const cJSON *row = rows->child; row && !j->failed; row = row->next, i++) {
        size_t inner = calib_json_enter_at(j, (int)i);
        load_row(j, row, t->values + i * size, size);
        calib_json_leave(j, inner);
    }
    calib_json_leave(j, mark);
}

static void load_all(table *t, calib_json *j, const cJSON *from) {
    static const char *const keys[] = {"laws", "grid", "values_ms", NULL};
    calib_json_keys(j, from, keys);
    const cJSON *laws = calib_json_object(j, from, "laws"), *grid = calib_json_object(j, from, "grid");
    if (j->failed) return;
    size_t mark = calib_json_enter(j, "laws");
    rapp_laws_load(&t->laws, j, laws);
    calib_json_leave(j, mark);
    if (j->failed) return;
    mark = calib_json_enter(j, "grid");
    rapp_grid_load(&t->grid, j, grid);
    calib_json_leave(j, mark);
    if (!j->failed) load_values(t, j, from);
}

static int load(void **state, const cJSON *from, char err[RAPP_ERR_LEN]) {
    calib_json j = {.file = "state", .err = err};
    table *t = calloc(1, sizeof *t);
    *state = NULL;
    if (!t) return rapp_fail_memory(err);
    load_all(t, &j, from);
    if (j.failed)
        close(t);
    else
        *state = t;
    return j.failed ? -1 : 0;
}

typedef struct {
    const rapp_grid *grid;
    const double *values; /* NULL: by the law */
    rapp_law_bound law;
} table_bound;

static int bind(void **bound, const void *state, const char *dnn, const rapp_prior *prior,
                char err[RAPP_ERR_LEN]) {
    const table *t = state;
    const rapp_law *law = rapp_laws_find(&t->laws, dnn);
    rapp_physics derived;
    *bound = NULL;
    if (!law && rapp_physics_from_prior(&derived, &t->laws.transfer, prior))
        return rapp_fail_unknown(dnn, err);
    table_bound *b = calloc(1, sizeof *b);
    if (!b) return rapp_fail_memory(err);
    b->grid = &t->grid;
    if (law) b->values = t->values + (size_t)(law - t->laws.laws) * rapp_grid_size(&t->grid);
    rapp_law_bind(&b->law, law ? &law->law : &derived);
    *bound = b;
    return 0;
}

static rapp_estimate estimate(const void *bound, uint32_t batch, uint32_t sm_pct, uint32_t quota_pct) {
    const table_bound *b = bound;
    if (!b->values) return rapp_law_estimate(&b->law, batch, sm_pct, quota_pct);
    return (rapp_estimate){rapp_grid_at(b->grid, b->values, batch, sm_pct, quota_pct), b->law.law.error};
}

const rapp_kind rapp_kind_table = {
    "table",
    "a smoothed grid per model; falls with SM and quota; models known by their prior alone as in roofline",
    train,
    save,
    load,
    close,
    bind,
    estimate,
    free,
};
