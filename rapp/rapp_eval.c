/* rapp_eval.c - cross-validation, errors, and the floor (rapp_eval.h). */
#include "rapp_eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rapp_physics_int.h"

/* ---- folds ---- */

/* FNV-1a over the key, then the finish of splitmix64: low bits of FNV alone are poor */
static uint64_t hash_name(const char *name, uint64_t seed) {
    uint64_t h = UINT64_C(0xcbf29ce484222325) ^ seed;
    for (const char *c = name; *c; c++) h = (h ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    return h;
}

static uint64_t finish(uint64_t h) {
    h = (h ^ (h >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ (h >> 27)) * UINT64_C(0x94d049bb133111eb);
    return h ^ (h >> 31);
}

void rapp_eval_assign(int *fold, const rapp_data *data, rapp_by by, int folds, uint64_t seed) {
    const rapp_point *p = rapp_data_points(data);
    for (size_t i = 0; i < rapp_data_n_points(data); i++) {
        uint64_t h = finish(hash_name(rapp_data_model_name(data, p[i].model), finish(seed + 1)));
        uint64_t config = ((uint64_t)p[i].batch << 32) | (p[i].sm_pct << 16) | p[i].quota_pct;
        int is_tested = by == RAPP_BY_CONFIG || rapp_prior_is_complete(rapp_data_prior(data, p[i].model));
        if (by == RAPP_BY_CONFIG) h = finish(h ^ config);
        fold[i] = is_tested ? (int)(h % (uint64_t)folds) : -1;
    }
}

/* ---- asking ---- */

int rapp_eval_ask(double *ms, const rapp_model *m, const rapp_data *data, const unsigned char *use,
                  char err[RAPP_ERR_LEN]) {
    size_t n = rapp_data_n_models(data);
    const rapp_point *p = rapp_data_points(data);
    rapp_bound **bound = calloc(n + 1, sizeof(rapp_bound *));
    if (!bound) return rapp_fail_memory(err);
    for (size_t i = 0; i < n; i++) /* one that cannot be bound is unknown */
        if (rapp_bind(&bound[i], m, rapp_data_model_name(data, i), rapp_data_prior(data, i), err))
            bound[i] = NULL;
    for (size_t i = 0; i < rapp_data_n_points(data); i++) {
        const rapp_bound *b = bound[p[i].model];
        if (use && !use[i])
            ms[i] = NAN;
        else
            ms[i] = b ? rapp_estimate_of(b, p[i].batch, p[i].sm_pct, p[i].quota_pct).ms : -1;
    }
    for (size_t i = 0; i < n; i++) rapp_unbind(bound[i]);
    free(bound);
    return 0;
}

/* ms: of the points in the fold; use and answers are room. */
static int test_fold(double *ms, const int *fold, int k, const char *kind, const rapp_data *data,
                     const rapp_options *options, unsigned char *use, double *answers, rapp_model **m,
                     char err[RAPP_ERR_LEN]) {
    size_t n = rapp_data_n_points(data), tested = 0;
    for (size_t i = 0; i < n; i++) tested += fold[i] == k, use[i] = fold[i] != k;
    *m = NULL;
    if (!tested) return 0;
    if (rapp_train(m, kind, data, use, options, err)) return -1;
    for (size_t i = 0; i < n; i++) use[i] = fold[i] == k;
    if (rapp_eval_ask(answers, *m, data, use, err)) return -1;
    for (size_t i = 0; i < n; i++)
        if (use[i]) ms[i] = answers[i];
    return 0;
}

int rapp_eval_cv(double *ms, const int *fold, int folds, const char *kind, const rapp_data *data,
                 const rapp_options *options, rapp_model **last, char err[RAPP_ERR_LEN]) {
    size_t n = rapp_data_n_points(data);
    unsigned char *use = malloc(n + 1);
    double *answers = malloc((n + 1) * sizeof *answers);
    rapp_model *m = NULL, *kept = NULL;
    int rc = use && answers ? 0 : rapp_fail_memory(err);
    for (size_t i = 0; i < n; i++) ms[i] = NAN;
    for (int k = 0; k < folds && !rc; k++) {
        rc = test_fold(ms, fold, k, kind, data, options, use, answers, &m, err);
        if (m) {
            rapp_close(kept);
            kept = m;
        }
    }
    free(answers);
    free(use);
    if (rc || !last) {
        rapp_close(kept);
        kept = NULL;
    }
    if (last) *last = kept;
    return rc;
}

/* ---- errors ---- */

static int compare_double(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

rapp_errors rapp_eval_errors(const rapp_data *data, const double *ms,
                             int (*is_in)(const void *arg, size_t point), const void *arg, double *room) {
    const rapp_point *p = rapp_data_points(data);
    rapp_errors e = {.n = 0};
    double sum = 0;
    for (size_t i = 0; i < rapp_data_n_points(data); i++) {
        if (isnan(ms[i]) || !is_in(arg, i)) continue;
        if (ms[i] < 0) {
            e.n_unknown++;
            continue;
        }
        room[e.n] = 100 * fabs(ms[i] / p[i].ms - 1);
        sum += room[e.n++];
    }
    if (!e.n) return e;
    qsort(room, e.n, sizeof *room, compare_double);
    e.mape_pct = sum / (double)e.n;
    e.median_ape_pct = 0.5 * (room[(e.n - 1) / 2] + room[e.n / 2]);
    e.p95_ape_pct = room[(95 * e.n + 99) / 100 - 1]; /* 95 % are at most that */
    return e;
}

/* ---- the floor ---- */

static const double WELL = 1.25;

typedef struct {
    double sum_within, sum_without;
    size_t points, groups;
} floor_sum;

/* Adds a group of n values, which are sorted; rest is room for n. */
static void add_group(floor_sum *s, double *values, size_t n, double *rest) {
    if (n < 3) return;
    double median = rapp_median(values, n);
    for (size_t i = 0; i < n; i++) {
        memcpy(rest, values, i * sizeof *rest);
        memcpy(rest + i, values + i + 1, (n - i - 1) * sizeof *rest);
        s->sum_within += fabs(values[i] / median - 1);
        s->sum_without += fabs(rapp_median(rest, n - 1) / values[i] - 1);
    }
    s->points += n;
    s->groups++;
}

static int is_of(const rapp_physics *law, const rapp_point *p, rapp_floor_kind kind) {
    double gpu = rapp_physics_gpu_ms(law, p->batch, p->sm_pct);
    double launch = rapp_physics_launch_ms(law, p->quota_pct);
    return kind == RAPP_FLOOR_GPU ? gpu > WELL * launch : launch > WELL * gpu;
}

static int is_equivalent(const rapp_point *a, const rapp_point *b, rapp_floor_kind kind) {
    if (kind == RAPP_FLOOR_GPU) return a->batch == b->batch && a->sm_pct == b->sm_pct;
    return a->quota_pct == b->quota_pct && (kind == RAPP_FLOOR_LAUNCH || a->batch == b->batch);
}

/* left: points that are in no group yet; room: 2 n */
static void add_groups(floor_sum *sum, rapp_floor_kind kind, const rapp_point *points, unsigned char *left,
                       size_t n, double *room) {
    for (size_t i = 0; i < n; i++) {
        size_t members = 0;
        for (size_t k = i; left[i] && k < n; k++) {
            if (!left[k] || !is_equivalent(&points[i], &points[k], kind)) continue;
            room[members++] = points[k].ms;
            left[k] = k == i; /* i itself is needed until the end of its group */
        }
        left[i] = 0;
        add_group(sum, room, members, room + n);
    }
}

static int add_model(floor_sum sums[RAPP_FLOORS], const rapp_point *points, size_t n,
                     char err[RAPP_ERR_LEN]) {
    rapp_physics law;
    unsigned char *left = malloc(n);
    double *room = malloc(2 * n * sizeof *room);
    int rc = left && room ? rapp_physics_fit(&law, points, n, err) : rapp_fail_memory(err);
    for (rapp_floor_kind kind = 0; kind < RAPP_FLOORS && !rc; kind++) {
        for (size_t i = 0; i < n; i++) left[i] = (unsigned char)is_of(&law, &points[i], kind);
        add_groups(&sums[kind], kind, points, left, n, room);
    }
    free(room);
    free(left);
    return rc;
}

int rapp_eval_floor(rapp_floor out[RAPP_FLOORS], const rapp_data *data, char err[RAPP_ERR_LEN]) {
    floor_sum sums[RAPP_FLOORS] = {{0}};
    unsigned char *use = malloc(rapp_data_n_points(data) + 1);
    int rc = use ? 0 : rapp_fail_memory(err);
    if (use) memset(use, 1, rapp_data_n_points(data));
    for (size_t m = 0; m < rapp_data_n_models(data) && !rc; m++) {
        size_t n;
        rapp_point *points = rapp_points_of(data, use, m, &n);
        rc = !points ? rapp_fail_memory(err) : n ? add_model(sums, points, n, err) : 0;
        free(points);
    }
    free(use);
    for (int k = 0; k < RAPP_FLOORS; k++) {
        double n = sums[k].points ? (double)sums[k].points : 1;
        out[k] = (rapp_floor){sums[k].points, sums[k].groups, 100 * sums[k].sum_within / n,
                              100 * sums[k].sum_without / n};
    }
    return rc;
}
