/* rapp_best_prior.c - the surface of a DNN of which only the prior is known (rapp_best.c tells the method). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rapp_best_int.h"

enum {
    D = BEST_DESCRIPTORS,
    FEATURES = 23 + D,
    PARTS = 3,        /* in which DNNs are left out to learn the error */
    EXAMPLES_MIN = 6, /* fewer DNNs teach nothing */
    EXAMPLES_MAX = 4096
};

struct best_prior {
    int is_known;
    best_krige krige;
    double shape[BEST_QUOTAS]; /* ln(f / f(20 %)), usually */
    double cv[BEST_QUOTAS];
    rapp_trees trees;
};

typedef struct { /* a DNN to learn from */
    const rapp_prior *prior;
    const best_sample *samples;
    size_t n;
    best_law law;
    double floor[BEST_WIDTHS]; /* G where it shows, else BEST_HIDDEN */
    size_t krige;              /* its index in krige; SIZE_MAX: not in there */
} example;

/* ---- physics ---- */

typedef struct { /* what a prior says, before trees */
    double ln_quota[RAPP_PRIOR_QUOTAS];
    double gpu[BEST_WIDTHS];
    double descriptors[D];
    double operators[BEST_SMS]; /* ln of the sum of the operators' times */
    double ln_n_operators, ln_gmac, smallest_over_whole;
} physics;

static void find_physics(physics *y, const best_prior *p, const rapp_prior *prior, size_t krige) {
    static const int sm[RAPP_PRIOR_SMS] = {0, 1, 5, 11, 15, 19};
    best_describe(y->descriptors, prior);
    for (int q = 0; q < RAPP_PRIOR_QUOTAS; q++) y->ln_quota[q] = log(prior->quota_ms[q]);
    for (int s = 0; s < BEST_SMS; s++) y->operators[s] = BEST_HIDDEN;
    for (int s = 0; s < RAPP_PRIOR_SMS; s++) y->operators[sm[s]] = log(best_operators_ms(prior, s));
    best_fill_line(y->operators, BEST_SMS, 0);
    y->ln_n_operators = log((double)prior->n_operators);
    y->ln_gmac = log(prior->gmac);
    y->smallest_over_whole = y->operators[0] - y->operators[BEST_SMS - 1];
    best_krige_gpu(y->gpu, &p->krige, prior, krige);
}

/* f as the prior tells it: its quotas, between them linearly in ln(quota), at 10 % by the usual shape. */
static void told_launch(double f[BEST_QUOTAS], const double shape[BEST_QUOTAS],
                        const double ln_quota[RAPP_PRIOR_QUOTAS]) {
    for (int q = 0; q < BEST_QUOTAS; q++) f[q] = q % 2 ? ln_quota[q / 2] : BEST_HIDDEN;
    f[0] = f[1] + shape[0];
    best_fill_line(f, BEST_QUOTAS, 0);
}

/* Where G(4, 100 %) fills the prior's latencies, f is hidden behind it: no more than the usual shape says. */
static void find_launch(double f[BEST_QUOTAS], const double shape[BEST_QUOTAS], const physics *y,
                        const double ln_quota[RAPP_PRIOR_QUOTAS]) {
    const double near_gpu = 0.25, near_last = 0.08;
    double last = ln_quota[4], gpu = y->gpu[best_width_of(2, BEST_SMS - 1)];
    told_launch(f, shape, ln_quota);
    if (gpu < last - near_gpu) return;
    for (int q = 0; q < BEST_QUOTAS; q++)
        if (f[q] < last + near_last) f[q] = fmin(f[q], ln_quota[0] + shape[q]);
}

/* ---- features ---- */

static double clip(double x, double least, double most) {
    return fmin(fmax(x, least), most);
}

/* ln of the ms in which a window of 40 ms lets kernels be launched: less 1 ms of guard and the way to the scheduler. */
static double usable(int q) {
    return log(4.0 * fmax(q + 1, 0.5) - 1.5);
}

/* Nearly all are ratios, so that what was learned of fast DNNs holds of slow ones. Returns ln max(G, f). */
static double features(double x[FEATURES], int place, const physics *y, const double shape[BEST_QUOTAS],
                       const double ln_quota[RAPP_PRIOR_QUOTAS]) {
    double told[BEST_QUOTAS], launch[BEST_QUOTAS];
    int q = place % BEST_QUOTAS, w = place / BEST_QUOTAS, s = w % BEST_SMS;
    told_launch(told, shape, ln_quota);
    find_launch(launch, shape, y, ln_quota);
    double ops_whole = y->operators[BEST_SMS - 1], told_below = told[q ? q - 1 : 0];
    double f = launch[q], g = y->gpu[w], last = ln_quota[4], ops = y->operators[s], most = 1.5;
    const double all[FEATURES - D] = {
        q,
        s,
        w / BEST_SMS,
        clip(g - f, -most, most),
        clip(ops - f, -most, most),
        clip(g - last, -most, most),
        clip(ops - g, -most, most),
        clip(y->gpu[best_width_of(2, BEST_SMS - 1)] - last, -most, 0.5),
        ln_quota[0],
        ln_quota[1] - ln_quota[0],
        ln_quota[2] - ln_quota[1],
        ln_quota[3] - ln_quota[2],
        ln_quota[4] - ln_quota[3],
        ops_whole - last,
        y->ln_n_operators - ln_quota[0],
        y->smallest_over_whole,
        y->ln_gmac - last,
        f - told[q],
        last - usable(q),
        ops_whole - usable(q),
        f - usable(q),
        q % 2 || !q ? 0 : told_below + usable(q - 1) - usable(q) - f,
        q % 2 ? 0 : told[q + 1] + usable(q + 1) - usable(q) - f,
    };
    memcpy(x, all, sizeof all);
    memcpy(x + FEATURES - D, y->descriptors, sizeof y->descriptors);
    return fmax(f, g);
}

static double predict(const best_prior *p, int place, const physics *y) {
    double x[FEATURES], base = features(x, place, y, p->shape, y->ln_quota);
    return base + rapp_trees_value(&p->trees, x);
}

/* ---- the five latencies are points, too ---- */

/* Of two errors of prediction: those on the same side of G ~ f have a part in common; more so in the same session. */
static double error_covariance(const double side[BEST_LATTICE], int p, int r) {
    const double common = 0.02 * 0.02, session = 0.05 * 0.05;
    int wp = p / BEST_QUOTAS, wr = r / BEST_QUOTAS;
    double batch = abs(wp / BEST_SMS - wr / BEST_SMS), sm = abs(wp % BEST_SMS - wr % BEST_SMS);
    double quota = exp(-abs(p % BEST_QUOTAS - r % BEST_QUOTAS));
    return exp(-fabs(side[p] - side[r]) / 0.8) *
           (common + session * exp(-batch / 2 - sm / 5) * (1 + quota) / 2);
}

/* Batch 4, SM 100 % is known at five quotas: what is predicted near there is corrected by how far it is off. */
static void meet_known(double ln_ms[BEST_LATTICE], const best_prior *p, const physics *y) {
    enum { N = RAPP_PRIOR_QUOTAS };
    const double noise = 0.04 * 0.04;
    int at[N];
    double side[BEST_LATTICE], launch[BEST_QUOTAS], cov[N * N], left[N], alpha[N];
    find_launch(launch, p->shape, y, y->ln_quota);
    for (int place = 0; place < BEST_LATTICE; place++)
        side[place] = clip(y->gpu[place / BEST_QUOTAS] - launch[place % BEST_QUOTAS], -1, 1);
    for (int i = 0; i < N; i++) {
        at[i] = best_width_of(2, BEST_SMS - 1) * BEST_QUOTAS + 2 * i + 1;
        left[i] = y->ln_quota[i] - ln_ms[at[i]];
        for (int k = 0; k <= i; k++)
            cov[i * N + k] = error_covariance(side, at[i], at[k]) + (i == k ? noise : 0);
    }
    best_factor(cov, N);
    best_solve(alpha, cov, left, N);
    for (int place = 0; place < BEST_LATTICE; place++)
        for (int i = 0; i < N; i++) ln_ms[place] += alpha[i] * error_covariance(side, place, at[i]);
}

static void predict_all(double ln_ms[BEST_LATTICE], const best_prior *p, const rapp_prior *prior) {
    physics y;
    find_physics(&y, p, prior, SIZE_MAX);
    for (int place = 0; place < BEST_LATTICE; place++) ln_ms[place] = predict(p, place, &y);
    meet_known(ln_ms, p, &y);
}

/* ---- learning ---- */

/* G shows where the latencies at quotas from 60 % are the same, and f(100 %) is below. */
static void find_floor(example *e) {
    const double same = 0.08, above = 0.1;
    double low[BEST_WIDTHS], high[BEST_WIDTHS];
    for (int w = 0; w < BEST_WIDTHS; w++) low[w] = INFINITY, high[w] = -INFINITY;
    for (size_t i = 0; i < e->n; i++) {
        int w = e->samples[i].place / BEST_QUOTAS;
        if (e->samples[i].place % BEST_QUOTAS < 5) continue;
        low[w] = fmin(low[w], e->samples[i].ln_ms);
        high[w] = fmax(high[w], e->samples[i].ln_ms);
    }
    for (int w = 0; w < BEST_WIDTHS; w++) {
        double g = e->law.gpu[w];
        int shows =
            high[w] - low[w] < same && fabs(low[w] - g) < above && g > e->law.launch[BEST_QUOTAS - 1] + above;
        e->floor[w] = shows ? g : BEST_HIDDEN;
    }
}

/* The usual difference of ln G from its level; of batches that nobody measured, as between the others. */
static void learn_offset(double offset[BEST_WIDTHS], const example *e, size_t n, double *room) {
    const double doubling = 0.64;
    for (int w = 0; w < BEST_WIDTHS; w++) {
        size_t k = 0;
        for (size_t i = 0; i < n; i++)
            if (e[i].floor[w] > BEST_HIDDEN && e[i].floor[BEST_LEVEL_WIDTH] > BEST_HIDDEN)
                room[k++] = e[i].floor[w] - e[i].floor[BEST_LEVEL_WIDTH];
        offset[w] = k >= 3 ? best_quantile(room, k, 0.5) : BEST_HIDDEN;
    }
    for (int b = 0; b < BEST_BATCHES; b++) best_fill_line(offset + best_width_of(b, 0), BEST_SMS, 0);
    for (int w = BEST_SMS; w < BEST_WIDTHS; w++)
        if (offset[w] <= BEST_HIDDEN && offset[w - BEST_SMS] > BEST_HIDDEN)
            offset[w] = offset[w - BEST_SMS] + doubling;
    for (int w = BEST_WIDTHS - BEST_SMS - 1; w >= 0; w--)
        if (offset[w] <= BEST_HIDDEN) offset[w] = offset[w + BEST_SMS] - doubling;
    for (int w = 0; w < BEST_WIDTHS; w++) offset[w] = best_round(offset[w]);
}

/* Of DNNs that take long to launch: there f is not a matter of one window more or less. */
static void learn_shape(double shape[BEST_QUOTAS], const example *e, size_t n, double *room) {
    double long_ms = 60;
    size_t k = 0;
    for (size_t i = 0; i < n; i++) k += e[i].law.launch[1] > log(long_ms);
    if (k < 3) long_ms = 0;
    for (int q = 0; q < BEST_QUOTAS; q++) {
        k = 0;
        for (size_t i = 0; i < n; i++)
            if (long_ms <= 0 || e[i].law.launch[1] > log(long_ms))
                room[k++] = e[i].law.launch[q] - e[i].law.launch[1];
        shape[q] = best_round(best_quantile(room, k, 0.5));
    }
}

static int learn_krige(best_krige *k, example *e, size_t n, double *room) {
    k->descriptors = malloc((n * D + 1) * sizeof *k->descriptors);
    k->level = malloc((n + 1) * sizeof *k->level);
    if (!k->descriptors || !k->level) return -1;
    for (size_t i = 0; i < n; i++) {
        e[i].krige = SIZE_MAX;
        if (e[i].floor[BEST_LEVEL_WIDTH] <= BEST_HIDDEN) continue;
        best_describe(&k->descriptors[k->n * D], e[i].prior);
        k->level[k->n] = best_round(e[i].floor[BEST_LEVEL_WIDTH] - log(e[i].prior->gmac));
        e[i].krige = k->n++;
    }
    if (k->n < 3) return 0;
    learn_offset(k->offset, e, n, room);
    return best_krige_make(k);
}

static uint32_t scatter(uint32_t x) {
    x = (x ^ x >> 16) * UINT32_C(0x45d9f3b);
    x = (x ^ x >> 16) * UINT32_C(0x45d9f3b);
    return x ^ x >> 16;
}

/* What the prior's five latencies would have been, had they been measured on a slightly smaller SM share: another
 * session, another noise. 0; -1: not all are there. */
static int other_prior(double ln_quota[RAPP_PRIOR_QUOTAS], const example *e, int sm) {
    int found = 0;
    for (size_t i = 0; i < e->n; i++) {
        int q = e->samples[i].place % BEST_QUOTAS;
        if (e->samples[i].place / BEST_QUOTAS != best_width_of(2, sm) || q % 2 == 0) continue;
        ln_quota[q / 2] = e->samples[i].ln_ms;
        found |= 1 << q / 2;
    }
    return found == (1 << RAPP_PRIOR_QUOTAS) - 1 ? 0 : -1;
}

typedef struct {
    double *x, *y;
    size_t rows;
} table;

/* Each row sees one of these priors, so that trees learn how far to trust the five. */
static void add_rows(table *t, const best_prior *p, const example *e, uint32_t seed) {
    enum { OTHERS = 9 };
    double others[OTHERS][RAPP_PRIOR_QUOTAS];
    uint32_t n = 1;
    physics y;
    find_physics(&y, p, e->prior, e->krige);
    memcpy(others[0], y.ln_quota, sizeof y.ln_quota);
    for (int k = 1; k < OTHERS; k++)
        if (!other_prior(others[n], e, BEST_SMS - 1 - k)) n++;
    for (size_t i = 0; i < e->n; i++) {
        uint32_t r = scatter(seed + (uint32_t)e->samples[i].place);
        const double *ln_quota = others[r % n];
        double base = features(&t->x[t->rows * FEATURES], e->samples[i].place, &y, p->shape, ln_quota);
        t->y[t->rows++] = e->samples[i].ln_ms - base;
    }
}

static int learn_trees(best_prior *p, const example *e, size_t n) {
    static const rapp_trees_options options = {150, 32, 100, 0.06, 1};
    size_t rows = 0;
    for (size_t i = 0; i < n; i++) rows += e[i].n;
    table t = {malloc((rows * FEATURES + 1) * sizeof *t.x), malloc((rows + 1) * sizeof *t.y), 0};
    int rc = t.x && t.y ? 0 : -1;
    for (size_t i = 0; i < n && !rc; i++) add_rows(&t, p, &e[i], scatter((uint32_t)i));
    if (!rc) rc = rapp_trees_train(&p->trees, t.x, t.y, rows, FEATURES, &options);
    free(t.x);
    free(t.y);
    return rc;
}

/* From the n examples alone. */
static int learn(best_prior *p, example *e, size_t n) {
    double *room = malloc((n + 1) * sizeof *room);
    int rc = room ? learn_krige(&p->krige, e, n, room) : -1;
    p->is_known = !rc && p->krige.n >= 3;
    if (p->is_known) {
        learn_shape(p->shape, e, n, room);
        rc = learn_trees(p, e, n);
    }
    free(room);
    return rc;
}

/* ---- how good it is: DNNs left out ---- */

/* Learns from DNNs outside the part; errors of those inside, by quota. */
static int try_part(const example *all, size_t n, size_t part, double *errors[BEST_QUOTAS],
                    size_t n_errors[BEST_QUOTAS]) {
    best_prior p = {0};
    example *in = malloc((n + 1) * sizeof *in);
    size_t n_in = 0;
    for (size_t i = 0; in && i < n; i++)
        if (i % PARTS != part) in[n_in++] = all[i];
    int rc = in ? learn(&p, in, n_in) : -1;
    for (size_t i = part; i < n && !rc && p.is_known; i += PARTS) {
        double ln_ms[BEST_LATTICE];
        predict_all(ln_ms, &p, all[i].prior);
        for (size_t k = 0; k < all[i].n; k++) {
            int place = all[i].samples[k].place, q = place % BEST_QUOTAS;
            errors[q][n_errors[q]++] = fabs(expm1(ln_ms[place] - all[i].samples[k].ln_ms));
        }
    }
    best_krige_free(&p.krige);
    rapp_trees_free(&p.trees);
    free(in);
    return rc;
}

static int learn_errors(double cv[BEST_QUOTAS], const example *e, size_t n) {
    const double share = 0.68, if_unknown = 0.3;
    size_t most = 0, n_errors[BEST_QUOTAS] = {0};
    double *errors[BEST_QUOTAS];
    for (size_t i = 0; i < n; i++) most += e[i].n;
    double *room = malloc((most * BEST_QUOTAS + 1) * sizeof *room);
    int rc = room ? 0 : -1;
    for (int q = 0; room && q < BEST_QUOTAS; q++) errors[q] = room + most * (size_t)q;
    for (size_t part = 0; part < PARTS && !rc; part++) rc = try_part(e, n, part, errors, n_errors);
    for (int q = 0; q < BEST_QUOTAS && !rc; q++)
        cv[q] = best_round(n_errors[q] ? best_quantile(errors[q], n_errors[q], share) : if_unknown);
    free(room);
    return rc;
}

int best_prior_learn(best_prior **out, const rapp_prior *const *priors, best_sample *const *samples,
                     const size_t *n_samples, size_t n) {
    double ignored[D];
    size_t used = 0;
    best_prior *p = *out = calloc(1, sizeof *p);
    example *e = calloc(n + 1, sizeof *e);
    int rc = p && e ? 0 : -1;
    for (size_t i = 0; i < n && !rc; i++) {
        if (best_describe(ignored, priors[i])) continue;
        e[used] = (example){.prior = priors[i], .samples = samples[i], .n = n_samples[i]};
        best_separate(&e[used].law, e[used].samples, e[used].n);
        find_floor(&e[used++]);
    }
    if (!rc && used >= EXAMPLES_MIN) rc = learn(p, e, used);
    if (!rc && p->is_known) rc = learn_errors(p->cv, e, used);
    free(e);
    return rc;
}

void best_prior_free(best_prior *p) {
    if (!p) return;
    best_krige_free(&p->krige);
    rapp_trees_free(&p->trees);
    free(p);
}

int best_prior_surface(const best_prior *p, const rapp_prior *prior, best_surface *out) {
    double ignored[D];
    if (!p->is_known || best_describe(ignored, prior)) return -1;
    predict_all(out->ln_ms, p, prior);
    memcpy(out->cv, p->cv, sizeof out->cv);
    return 0;
}

/* ---- file ---- */

static int add_numbers(cJSON *o, const char *key, const double *x, size_t n) {
    cJSON *array = cJSON_CreateDoubleArray(x, (int)n);
    if (array && cJSON_AddItemToObject(o, key, array)) return 0;
    cJSON_Delete(array);
    return -1;
}

cJSON *best_prior_save(const best_prior *p) {
    cJSON *o = cJSON_CreateObject();
    if (!o || !p->is_known) return o;
    cJSON *trees = rapp_trees_save(&p->trees);
    int bad = add_numbers(o, "descriptors", p->krige.descriptors, p->krige.n * D) ||
              add_numbers(o, "level", p->krige.level, p->krige.n) ||
              add_numbers(o, "offset", p->krige.offset, BEST_WIDTHS) ||
              add_numbers(o, "shape", p->shape, BEST_QUOTAS) || add_numbers(o, "cv", p->cv, BEST_QUOTAS) ||
              !trees;
    if (!bad && cJSON_AddItemToObject(o, "trees", trees)) return o;
    cJSON_Delete(trees);
    cJSON_Delete(o);
    return NULL;
}

static void load_krige(best_krige *k, calib_json *j, const cJSON *from) {
    const double most = 100;
    int n = cJSON_GetArraySize(calib_json_array(j, from, "level", 3, EXAMPLES_MAX));
    if (j->failed) return;
    k->descriptors = malloc((size_t)n * D * sizeof *k->descriptors);
    k->level = malloc((size_t)n * sizeof *k->level);
    if (!k->descriptors || !k->level) {
        calib_json_fail(j, "out of memory");
        return;
    }
    best_load_numbers(j, from, "descriptors", k->descriptors, n * D, most);
    best_load_numbers(j, from, "level", k->level, n, most);
    best_load_numbers(j, from, "offset", k->offset, BEST_WIDTHS, most);
    k->n = (size_t)n;
    if (!j->failed && best_krige_make(k)) calib_json_fail(j, "out of memory");
}

int best_prior_load(best_prior **out, calib_json *j, const cJSON *from, char err[RAPP_ERR_LEN]) {
    static const char *const keys[] = {"descriptors", "level", "offset", "shape", "cv", "trees", NULL};
    const double ln_most = 30, cv_most = 1e6;
    best_prior *p = *out = calloc(1, sizeof *p);
    if (!p) return rapp_fail_memory(err);
    calib_json_keys(j, from, keys);
    if (j->failed || !from->child) return j->failed ? -1 : 0; /* {}: nothing was learned */
    load_krige(&p->krige, j, from);
    best_load_numbers(j, from, "shape", p->shape, BEST_QUOTAS, ln_most);
    best_load_numbers(j, from, "cv", p->cv, BEST_QUOTAS, cv_most);
    const cJSON *trees = calib_json_object(j, from, "trees");
    if (!j->failed) rapp_trees_load(&p->trees, j, trees, FEATURES);
    p->is_known = !j->failed;
    return j->failed ? -1 : 0;
}
