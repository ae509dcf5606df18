/* rapp_physics.c - max(G, f): fitted to points, or derived from a prior (rapp_physics_int.h). */
#include "rapp_physics_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "calib_fit.h"

static const double MS_MAX = 1e9;

double rapp_physics_gpu_ms(const rapp_physics *p, uint32_t batch, uint32_t sm_pct) {
    return p->fixed_ms + p->fixed_ms_per_batch * batch +
           (p->work_ms + p->work_ms_per_batch * batch) * 100.0 / sm_pct;
}

/* y at x on the line through two points */
static double line(double x, double x0, double y0, double x1, double y1) {
    return x1 == x0 ? y0 : y0 + (y1 - y0) * (x - x0) / (x1 - x0);
}

double rapp_physics_launch_ms(const rapp_physics *p, uint32_t quota_pct) {
    uint32_t k = quota_pct < 10 ? 0 : quota_pct / 10 - 1; /* the known quota at or below */
    if (quota_pct >= 10 && quota_pct % 10 == 0) return p->launch_ms[k];
    return line(1.0 / quota_pct, 0.1 / (k + 1), p->launch_ms[k], 0.1 / (k + 2), p->launch_ms[k + 1]);
}

static int compare_double(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double rapp_median(double *values, size_t n) {
    qsort(values, n, sizeof *values, compare_double);
    return n ? 0.5 * (values[(n - 1) / 2] + values[n / 2]) : 0;
}

rapp_point *rapp_points_of(const rapp_data *data, const unsigned char *use, size_t model, size_t *n) {
    const rapp_point *all = rapp_data_points(data);
    size_t total = 0, kept = 0;
    for (size_t i = 0; i < rapp_data_n_points(data); i++) total += use[i] && all[i].model == model;
    rapp_point *points = malloc((total + 1) * sizeof *points);
    for (size_t i = 0; points && i < rapp_data_n_points(data); i++)
        if (use[i] && all[i].model == model) points[kept++] = all[i];
    *n = kept;
    return points;
}

/* ---- fitting ---- */

/* f at the ten quotas from those measured, by the same interpolation in 1 / quota */
static void resample_launch(rapp_physics *p, const calib_fit *f) {
    for (uint32_t k = 0; k < RAPP_QUOTAS; k++) {
        double x = 0.1 / (k + 1);
        int hi = 0;
        while (hi < f->n_quotas - 1 && f->quota_pct[hi] < 10 * (k + 1)) hi++;
        int lo = hi ? hi - 1 : f->n_quotas > 1 ? hi + 1 : hi;
        double ms =
            line(x, 1.0 / f->quota_pct[lo], f->launch_ms[lo], 1.0 / f->quota_pct[hi], f->launch_ms[hi]);
        p->launch_ms[k] = fmax(ms, 1e-3);
        if (k && p->launch_ms[k] > p->launch_ms[k - 1]) p->launch_ms[k] = p->launch_ms[k - 1];
    }
}

/* The fit asks for quota 100, whose f is G's floor. Where none was measured, the highest takes its place. */
static void copy_points(calib_point *to, const rapp_point *points, size_t n) {
    uint32_t highest = 0;
    for (size_t i = 0; i < n; i++) highest = points[i].quota_pct > highest ? points[i].quota_pct : highest;
    for (size_t i = 0; i < n; i++) {
        uint32_t quota = points[i].quota_pct == highest ? 100 : points[i].quota_pct;
        to[i] = (calib_point){points[i].batch, points[i].sm_pct, quota, points[i].ms};
    }
}

static double mean_error(const rapp_physics *p, const rapp_point *points, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double ms = fmax(rapp_physics_gpu_ms(p, points[i].batch, points[i].sm_pct),
                         rapp_physics_launch_ms(p, points[i].quota_pct));
        sum += fabs(ms / points[i].ms - 1);
    }
    return n ? sum / (double)n : 0;
}

int rapp_physics_fit(rapp_physics *out, const rapp_point *points, size_t n, char err[RAPP_ERR_LEN]) {
    calib_fit fit;
    calib_point *copy = malloc((n + 1) * sizeof *copy);
    if (!copy) return rapp_fail_memory(err);
    copy_points(copy, points, n);
    int rc = calib_fit_points(&fit, copy, n, err);
    free(copy);
    if (rc) return -1;
    *out = (rapp_physics){fit.fixed_ms, fit.fixed_ms_per_batch, fit.work_ms, fit.work_ms_per_batch, {0}, 0};
    resample_launch(out, &fit);
    out->error = fmax(mean_error(out, points, n), n > RAPP_FEW ? 0 : RAPP_FEW_ERROR);
    return 0;
}

/* ---- from a prior ---- */

enum { SMALLEST = 0 }; /* of rapp_prior_sm_pct: 5 % */

static double sum_operators(const rapp_prior *prior, int sm) {
    double ms = 0;
    for (size_t i = 0; i < prior->n_operators; i++) ms += prior->operators[i].ms[sm];
    return fmax(ms, 1e-3);
}

/* Each operator was launched by itself: sums that the SM share does not change are times of launching. */
static int shows_gpu(const rapp_prior *prior) {
    static const double VISIBLE = 1.3;
    return sum_operators(prior, SMALLEST) > VISIBLE * sum_operators(prior, RAPP_PRIOR_SMS - 1);
}

/* f at quota index k (0: 10 %) from the prior's five alone: interpolated, at 10 % continued, in 1 / quota */
static double interpolate_prior(const double quota_ms[RAPP_PRIOR_QUOTAS], uint32_t k) {
    if (k % 2 == 1) return quota_ms[k / 2];
    uint32_t a = k == 0 ? 0 : k / 2 - 1;
    return line(0.1 / (k + 1), 1.0 / rapp_prior_quota_pct[a], quota_ms[a], 1.0 / rapp_prior_quota_pct[a + 1],
                quota_ms[a + 1]);
}

/* What medians are learned of */
enum {
    SHAPE,
    PER_OP = SHAPE + 4,
    PER_GMAC,
    LAUNCH,
    BETWEEN = LAUNCH + RAPP_QUOTAS,
    N_CONSTANTS = BETWEEN + RAPP_QUOTAS
};

/* NaN where an example does not tell */
static void observe(const rapp_example *e, double out[N_CONSTANTS]) {
    const rapp_physics *p = e->law;
    double gpu = fmax(rapp_physics_gpu_ms(p, 1, rapp_prior_sm_pct[SMALLEST]), 1e-3);
    double widen = 100.0 / rapp_prior_sm_pct[SMALLEST], known[RAPP_PRIOR_QUOTAS];
    out[SHAPE] = p->fixed_ms / gpu, out[SHAPE + 1] = p->fixed_ms_per_batch / gpu;
    out[SHAPE + 2] = p->work_ms * widen / gpu, out[SHAPE + 3] = p->work_ms_per_batch * widen / gpu;
    out[PER_OP] = shows_gpu(e->prior) ? gpu / sum_operators(e->prior, SMALLEST) : NAN;
    out[PER_GMAC] = e->prior->gmac > 0 ? gpu / e->prior->gmac : NAN;
    for (int k = 0; k < RAPP_PRIOR_QUOTAS; k++) known[k] = p->launch_ms[2 * k + 1];
    for (uint32_t k = 0; k < RAPP_QUOTAS; k++) {
        out[LAUNCH + k] = p->launch_ms[k] / (double)e->prior->n_operators;
        out[BETWEEN + k] = p->launch_ms[k] / fmax(interpolate_prior(known, k), 1e-3);
    }
}

/* The median of what is no NaN; otherwise the fallback */
static double median_or(double *values, size_t n, double fallback) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(values[i])) values[kept++] = values[i];
    return kept ? rapp_median(values, kept) : fallback;
}

static double expected_error(const rapp_transfer *t, const rapp_example *examples, size_t n, double *room) {
    static const uint32_t batches[] = {1, 2, 4, 8}, sms[] = {5, 10, 20, 50, 100};
    size_t known = 0;
    for (size_t i = 0; i < n; i++) {
        rapp_physics guess;
        double sum = 0;
        if (rapp_physics_from_prior(&guess, t, examples[i].prior)) continue;
        for (int b = 0; b < 4; b++)
            for (int s = 0; s < 5; s++)
                for (uint32_t q = 10; q <= 100; q += 10) {
                    double ms = fmax(rapp_physics_gpu_ms(examples[i].law, batches[b], sms[s]),
                                     rapp_physics_launch_ms(examples[i].law, q));
                    double guessed = fmax(rapp_physics_gpu_ms(&guess, batches[b], sms[s]),
                                          rapp_physics_launch_ms(&guess, q));
                    sum += fabs(guessed / ms - 1);
                }
        room[known++] = sum / 200;
    }
    return rapp_median(room, known);
}

static void set_transfer(rapp_transfer *t, const double median[N_CONSTANTS]) {
    double sum = median[SHAPE] + median[SHAPE + 1] + median[SHAPE + 2] + median[SHAPE + 3];
    t->is_known = sum > 0;
    for (int k = 0; k < 4 && t->is_known; k++) t->shape[k] = median[SHAPE + k] / sum;
    t->gpu_per_op = median[PER_OP], t->gpu_per_gmac = median[PER_GMAC];
    memcpy(t->launch_per_op_ms, median + LAUNCH, sizeof t->launch_per_op_ms);
    memcpy(t->between, median + BETWEEN, sizeof t->between);
}

int rapp_transfer_learn(rapp_transfer *out, const rapp_example *examples, size_t n, char err[RAPP_ERR_LEN]) {
    double median[N_CONSTANTS], seen[N_CONSTANTS];
    double *values = malloc((n + 1) * N_CONSTANTS * sizeof *values);
    size_t known = 0;
    *out = (rapp_transfer){.is_known = 0};
    if (!values) return rapp_fail_memory(err);
    for (size_t i = 0; i < n; i++) {
        if (!rapp_prior_is_complete(examples[i].prior)) continue;
        observe(&examples[i], seen);
        for (size_t k = 0; k < N_CONSTANTS; k++) values[k * n + known] = seen[k];
        known++;
    }
    for (size_t k = 0; k < N_CONSTANTS; k++) median[k] = median_or(values + k * n, known, 1);
    if (known) {
        set_transfer(out, median);
        out->error = expected_error(out, examples, n, values);
    }
    free(values);
    return 0;
}

/* The five latencies are max(G, f). Where the highest quota is no faster, G hid f: the number of operators tells. */
static void launch_from_prior(rapp_physics *p, const rapp_transfer *t, const rapp_prior *prior) {
    static const double HIDDEN = 1.05; /* twice the measurements' noise */
    double known[RAPP_PRIOR_QUOTAS], gpu = prior->quota_ms[RAPP_PRIOR_QUOTAS - 1];
    for (int k = 0; k < RAPP_PRIOR_QUOTAS; k++) {
        double by_count = t->launch_per_op_ms[2 * k + 1] * (double)prior->n_operators;
        known[k] =
            prior->quota_ms[k] > HIDDEN * gpu ? prior->quota_ms[k] : fmin(by_count, prior->quota_ms[k]);
    }
    for (uint32_t k = RAPP_QUOTAS; k-- > 0;) {
        p->launch_ms[k] = fmax(interpolate_prior(known, k) * t->between[k], 1e-3);
        if (k + 1 < RAPP_QUOTAS) p->launch_ms[k] = fmax(p->launch_ms[k], p->launch_ms[k + 1]);
    }
}

/* G(1, 5 %): the operators' times, or as many GMACs as stay below them */
static double gpu_from_prior(const rapp_transfer *t, const rapp_prior *prior) {
    double sum = sum_operators(prior, SMALLEST), by_gmac = t->gpu_per_gmac * prior->gmac;
    return shows_gpu(prior) || prior->gmac <= 0 ? t->gpu_per_op * sum : fmin(by_gmac, sum);
}

/* G at batch 4 and the whole GPU is the fifth latency, or below it where launching takes longer. The part that does not
 * shrink with SM is the less certain: it is made to fit, and the whole is where it alone cannot. */
static void fit_level(rapp_physics *p, double ms) {
    double fixed = p->fixed_ms + 4 * p->fixed_ms_per_batch, work = p->work_ms + 4 * p->work_ms_per_batch;
    if (fixed + work < ms && p->launch_ms[RAPP_QUOTAS - 1] >= 0.95 * ms) return;
    double shrink = work > ms ? ms / work : 1, scale = fixed > 0 ? fmax(ms - work, 0) / fixed : 0;
    p->fixed_ms *= scale, p->fixed_ms_per_batch *= scale;
    p->work_ms *= shrink, p->work_ms_per_batch *= shrink;
}

int rapp_physics_from_prior(rapp_physics *out, const rapp_transfer *t, const rapp_prior *prior) {
    if (!prior || !rapp_prior_is_complete(prior) || !t->is_known) return -1;
    double gpu = gpu_from_prior(t, prior), narrow = rapp_prior_sm_pct[SMALLEST] / 100.0;
    *out = (rapp_physics){.fixed_ms = gpu * t->shape[0], .fixed_ms_per_batch = gpu * t->shape[1]};
    out->work_ms = gpu * narrow * t->shape[2], out->work_ms_per_batch = gpu * narrow * t->shape[3];
    out->error = t->error;
    launch_from_prior(out, t, prior);
    fit_level(out, prior->quota_ms[RAPP_PRIOR_QUOTAS - 1]);
    return 0;
}

/* ---- files ---- */

static int add_number(cJSON *to, const char *key, double value) {
    return cJSON_AddNumberToObject(to, key, value) ? 0 : -1;
}

static int add_numbers(cJSON *to, const char *key, const double *values, int n) {
    cJSON *array = cJSON_CreateDoubleArray(values, n);
    if (array && cJSON_AddItemToObject(to, key, array)) return 0;
    cJSON_Delete(array);
    return -1;
}

static cJSON *keep_if(cJSON *o, int bad) {
    if (!bad) return o;
    cJSON_Delete(o);
    return NULL;
}

cJSON *rapp_physics_save(const rapp_physics *p) {
    const double gpu[] = {p->fixed_ms, p->fixed_ms_per_batch, p->work_ms, p->work_ms_per_batch};
    cJSON *o = cJSON_CreateObject();
    return keep_if(o, add_numbers(o, "gpu_ms", gpu, 4) ||
                          add_numbers(o, "launch_ms", p->launch_ms, RAPP_QUOTAS) ||
                          add_number(o, "error", p->error));
}

cJSON *rapp_transfer_save(const rapp_transfer *t) {
    cJSON *o = cJSON_CreateObject();
    int bad = !cJSON_AddBoolToObject(o, "is_known", t->is_known) || add_numbers(o, "shape", t->shape, 4);
    bad = bad || add_number(o, "gpu_per_op", t->gpu_per_op) || add_number(o, "gpu_per_gmac", t->gpu_per_gmac);
    bad = bad || add_numbers(o, "launch_per_op_ms", t->launch_per_op_ms, RAPP_QUOTAS);
    return keep_if(o, bad || add_numbers(o, "between", t->between, RAPP_QUOTAS) ||
                          add_number(o, "error", t->error));
}

static void read_numbers(calib_json *j, const cJSON *from, const char *key, int n, double *out) {
    const cJSON *array = calib_json_array(j, from, key, n, n);
    size_t mark = calib_json_enter(j, key);
    for (int k = 0; k < n && !j->failed; k++) out[k] = calib_json_number_at(j, array, k, 0, MS_MAX);
    calib_json_leave(j, mark);
}

void rapp_physics_load(rapp_physics *p, calib_json *j, const cJSON *from) {
    static const char *const keys[] = {"gpu_ms", "launch_ms", "error", NULL};
    double gpu[4] = {0};
    *p = (rapp_physics){.error = 0};
    calib_json_keys(j, from, keys);
    read_numbers(j, from, "gpu_ms", 4, gpu);
    read_numbers(j, from, "launch_ms", RAPP_QUOTAS, p->launch_ms);
    p->fixed_ms = gpu[0], p->fixed_ms_per_batch = gpu[1], p->work_ms = gpu[2], p->work_ms_per_batch = gpu[3];
    p->error = calib_json_number(j, from, "error", 0, MS_MAX);
    for (int k = 0; k < RAPP_QUOTAS && !j->failed; k++)
        if (p->launch_ms[k] < 1e-3 || (k && p->launch_ms[k] > p->launch_ms[k - 1]))
            calib_json_fail(j, "launch_ms[%d]: found %g, expected a positive time that falls with the quota",
                            k, p->launch_ms[k]);
}

void rapp_transfer_load(rapp_transfer *t, calib_json *j, const cJSON *from) {
    static const char *const keys[] = {"is_known",         "shape",   "gpu_per_op", "gpu_per_gmac",
                                       "launch_per_op_ms", "between", "error",      NULL};
    *t = (rapp_transfer){.is_known = 0};
    calib_json_keys(j, from, keys);
    t->is_known = calib_json_bool(j, from, "is_known");
    read_numbers(j, from, "shape", 4, t->shape);
    t->gpu_per_op = calib_json_number(j, from, "gpu_per_op", 0, MS_MAX);
    t->gpu_per_gmac = calib_json_number(j, from, "gpu_per_gmac", 0, MS_MAX);
    read_numbers(j, from, "launch_per_op_ms", RAPP_QUOTAS, t->launch_per_op_ms);
    read_numbers(j, from, "between", RAPP_QUOTAS, t->between);
    t->error = calib_json_number(j, from, "error", 0, MS_MAX);
}
