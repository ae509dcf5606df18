/* rapp_grid.c - latencies on a grid (rapp_grid_int.h). */
#include "rapp_grid_int.h"

#include <math.h>
#include <string.h>

static const uint32_t coordinate_max[RAPP_GRID_AXES] = {CALIB_BATCH_MAX, 100, 100};
static const char *const axis_names[RAPP_GRID_AXES] = {"batch", "sm_pct", "quota_pct"};

/* node is marked in is_node[1 .. max] */
static void make_axis(rapp_axis *a, const unsigned char *is_node, uint32_t max) {
    a->n = 0;
    for (uint32_t x = 1; x <= max; x++)
        if (is_node[x]) a->node[a->n++] = x;
}

/* Where each coordinate lies; in its reciprocal, where is_reciprocal */
static void place(rapp_axis *a, int is_reciprocal) {
    memset(a->at, 0, sizeof a->at);
    memset(a->part, 0, sizeof a->part);
    for (uint32_t k = 0; k + 1 < a->n; k++)
        for (uint32_t x = a->node[k]; x <= a->node[k + 1]; x++) {
            double lo = a->node[k], hi = a->node[k + 1], at = x;
            a->at[x] = (uint8_t)k;
            a->part[x] = is_reciprocal ? (1 / at - 1 / lo) / (1 / hi - 1 / lo) : (at - lo) / (hi - lo);
        }
    a->at[a->node[a->n - 1]] = (uint8_t)(a->n - 2);
    a->part[a->node[a->n - 1]] = 1;
}

static void place_all(rapp_grid *g) {
    for (int k = 0; k < RAPP_GRID_AXES; k++) place(&g->axis[k], k != RAPP_GRID_BATCH);
}

/* Always there: the ends, and a few between, where what is extrapolated bends. */
void rapp_grid_make(rapp_grid *g, const rapp_data *data, const unsigned char *use) {
    static const uint32_t always[RAPP_GRID_AXES][6] = {
        {1, 2, 4, 8, 16, 32}, {1, 2, 3, 5, 10, 100}, {1, 2, 3, 5, 10, 100}};
    unsigned char is_node[RAPP_GRID_AXES][101] = {{0}};
    const rapp_point *p = rapp_data_points(data);
    for (int k = 0; k < RAPP_GRID_AXES; k++)
        for (int i = 0; i < 6; i++) is_node[k][always[k][i]] = 1;
    for (size_t i = 0; i < rapp_data_n_points(data); i++)
        if (use[i])
            is_node[RAPP_GRID_BATCH][p[i].batch] = is_node[RAPP_GRID_SM][p[i].sm_pct] =
                is_node[RAPP_GRID_QUOTA][p[i].quota_pct] = 1;
    for (int k = 0; k < RAPP_GRID_AXES; k++) make_axis(&g->axis[k], is_node[k], coordinate_max[k]);
    place_all(g);
}

size_t rapp_grid_size(const rapp_grid *g) {
    return (size_t)g->axis[0].n * g->axis[1].n * g->axis[2].n;
}

static double mix(double a, double b, double part) {
    return a + (b - a) * part;
}

double rapp_grid_at(const rapp_grid *g, const double *values, uint32_t batch, uint32_t sm_pct,
                    uint32_t quota_pct) {
    const rapp_axis *b = &g->axis[RAPP_GRID_BATCH], *s = &g->axis[RAPP_GRID_SM],
                    *q = &g->axis[RAPP_GRID_QUOTA];
    size_t sm_step = q->n, batch_step = (size_t)q->n * s->n;
    const double *v = values + b->at[batch] * batch_step + s->at[sm_pct] * sm_step + q->at[quota_pct];
    const double *w = v + batch_step;
    double at = q->part[quota_pct], row = s->part[sm_pct];
    double low = mix(mix(v[0], v[1], at), mix(v[sm_step], v[sm_step + 1], at), row);
    double high = mix(mix(w[0], w[1], at), mix(w[sm_step], w[sm_step + 1], at), row);
    return mix(low, high, b->part[batch]);
}

/* ---- monotone ---- */

/* The non-increasing sequence nearest to n values, stride apart: pool adjacent violators */
static void pool(double *x, size_t n, size_t stride) {
    double mean[100];
    size_t count[100], blocks = 0;
    for (size_t i = 0; i < n; i++) {
        mean[blocks] = x[i * stride];
        count[blocks++] = 1;
        while (blocks > 1 && mean[blocks - 1] > mean[blocks - 2]) {
            size_t a = count[blocks - 2], b = count[blocks - 1];
            mean[blocks - 2] =
                ((double)a * mean[blocks - 2] + (double)b * mean[blocks - 1]) / (double)(a + b);
            count[--blocks - 1] = a + b;
        }
    }
    for (size_t k = 0, i = 0; k < blocks; k++)
        for (size_t c = 0; c < count[k]; c++) x[i++ * stride] = mean[k];
}

static void pool_axis(const rapp_grid *g, double *x, int axis) {
    size_t sm = g->axis[RAPP_GRID_SM].n, quota = g->axis[RAPP_GRID_QUOTA].n, rows = rapp_grid_size(g) / quota;
    if (axis == RAPP_GRID_QUOTA)
        for (size_t r = 0; r < rows; r++) pool(x + r * quota, quota, 1);
    else
        for (size_t b = 0; b < g->axis[RAPP_GRID_BATCH].n; b++)
            for (size_t q = 0; q < quota; q++) pool(x + b * sm * quota + q, sm, quota);
}

/* Dykstra's alternating projections onto "falls with SM" and "falls with quota"; they converge to the nearest grid that
 * does both. What is left after the last round is cut off: running minima along both axes. */
void rapp_grid_make_monotone(const rapp_grid *g, double *values, double *room) {
    enum { ROUNDS = 30 };
    size_t n = rapp_grid_size(g), quota = g->axis[RAPP_GRID_QUOTA].n, sm = g->axis[RAPP_GRID_SM].n;
    double *x = room, *excess[2] = {room + n, room + 2 * n};
    for (size_t i = 0; i < n; i++) x[i] = log(values[i]), excess[0][i] = excess[1][i] = 0;
    for (int round = 0; round < 2 * ROUNDS; round++) {
        double *e = excess[round % 2];
        for (size_t i = 0; i < n; i++) x[i] += e[i], e[i] = x[i];
        pool_axis(g, x, round % 2 ? RAPP_GRID_QUOTA : RAPP_GRID_SM);
        for (size_t i = 0; i < n; i++) e[i] -= x[i];
    }
    for (size_t i = 0; i < n; i++) {
        if (i % quota) x[i] = fmin(x[i], x[i - 1]);
        if (i / quota % sm) x[i] = fmin(x[i], x[i - quota]);
        values[i] = exp(x[i]);
    }
}

/* ---- files ---- */

cJSON *rapp_grid_save(const rapp_grid *g) {
    cJSON *o = cJSON_CreateObject();
    for (int k = 0; k < RAPP_GRID_AXES; k++) {
        int nodes[100];
        for (uint32_t i = 0; i < g->axis[k].n; i++) nodes[i] = (int)g->axis[k].node[i];
        cJSON *array = cJSON_CreateIntArray(nodes, (int)g->axis[k].n);
        if (array && cJSON_AddItemToObject(o, axis_names[k], array)) continue;
        cJSON_Delete(array);
        cJSON_Delete(o);
        return NULL;
    }
    return o;
}

static void load_axis(rapp_axis *a, calib_json *j, const cJSON *from, const char *key, uint32_t max) {
    const cJSON *array = calib_json_array(j, from, key, 2, (int)max);
    size_t mark = calib_json_enter(j, key);
    a->n = 0;
    for (int i = 0; !j->failed && i < cJSON_GetArraySize(array); i++) {
        uint32_t least = a->n ? a->node[a->n - 1] + 1 : 1;
        a->node[a->n++] = calib_json_uint_at(j, array, i, least, max);
    }
    if (!j->failed && (a->node[0] != 1 || a->node[a->n - 1] != max))
        calib_json_fail(j, "found nodes from %u to %u, expected from 1 to %u", (unsigned)a->node[0],
                        (unsigned)a->node[a->n - 1], (unsigned)max);
    calib_json_leave(j, mark);
}

void rapp_grid_load(rapp_grid *g, calib_json *j, const cJSON *from) {
    static const char *const keys[] = {"batch", "sm_pct", "quota_pct", NULL};
    calib_json_keys(j, from, keys);
    for (int k = 0; k < RAPP_GRID_AXES && !j->failed; k++)
        load_axis(&g->axis[k], j, from, axis_names[k], coordinate_max[k]);
    if (!j->failed) place_all(g);
}
