/* rapp_best_prior.c - the surface of a DNN of which only the prior is known (rapp_best.c tells the method). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rapp_best_int.h"

enum {
    D = BEST_DESCRIPTORS,
    FEATURES = 23 + D,
    INNER = 10,       /* parts in which DNNs are left out to make the physics that trees see */
    FORESTS = 8,      /* of trees; what they say is averaged */
    PARTS = 3,        /* in which DNNs are left out to learn the error */
    EXAMPLES_MIN = 6, /* fewer DNNs teach nothing */
    EXAMPLES_MAX = 4096
};

static const double SHARE_MOST = 1e3; /* what a file may hold */

typedef struct { /* what is learned of other DNNs, before trees */
    best_krige krige;
    best_launch launch;
    double share[BEST_SPARED]; /* of launching that a group takes: best_grouped_learn */
} ground;

struct best_prior {
    int is_known;
    ground ground;
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
} example;

static void ground_free(ground *g) {
    best_krige_free(&g->krige);
    best_launch_free(&g->launch);
}

/* ---- physics ---- */

typedef struct { /* what a prior says, before trees */
    double gpu[BEST_WIDTHS];
    double descriptors[D];
    double operators[BEST_SMS];  /* ln of the sum of the operators' times */
    double spared[BEST_BATCHES]; /* ln(f at batch 4 / f) */
    double ln_n_operators, ln_gmac, smallest_over_whole;
} physics;

typedef struct { /* its five latencies, or five like them, and f from them */
    double ln_quota[RAPP_PRIOR_QUOTAS];
    double told[BEST_QUOTAS]; /* as if launching ruled all five */
    double launch[BEST_QUOTAS];
} session;

/* 0; -1: no memory */
static int find_physics(physics *y, const ground *g, const rapp_prior *prior) {
    static const int sm[RAPP_PRIOR_SMS] = {0, 1, 5, 11, 15, 19};
    best_describe(y->descriptors, prior);
    for (int s = 0; s < BEST_SMS; s++) y->operators[s] = BEST_HIDDEN;
    for (int s = 0; s < RAPP_PRIOR_SMS; s++) y->operators[sm[s]] = log(best_operators_ms(prior, s));
    best_fill_line(y->operators, BEST_SMS, 0);
    y->ln_n_operators = log((double)prior->n_operators);
    y->ln_gmac = log(prior->gmac);
    for (int b = 0; b < BEST_BATCHES; b++)
        y->spared[b] = b < BEST_SPARED ? log1p(g->share[b] * best_grouped_spared(prior, b)) : 0;
    y->smallest_over_whole = y->operators[0] - y->operators[BEST_SMS - 1];
    return best_krige_gpu(y->gpu, &g->krige, prior);
}

/* Where G(4, 100 %) fills the five latencies, f is hidden behind it: no more than the usual shape says. */
static void find_session(session *t, const ground *g, const double shape[BEST_QUOTAS], const physics *y,
                         const double ln_quota[RAPP_PRIOR_QUOTAS]) {
    const double near_gpu = 0.25, near_last = 0.08;
    double last = ln_quota[4], gpu = y->gpu[best_width_of(2, BEST_SMS - 1)];
    memcpy(t->ln_quota, ln_quota, sizeof t->ln_quota);
    best_launch_complete(t->told, &g->launch, ln_quota);
    memcpy(t->launch, t->told, sizeof t->launch);
    for (int q = 0; q < BEST_QUOTAS; q++)
        if (gpu >= last - near_gpu && t->told[q] < last + near_last)
            t->launch[q] = fmin(t->told[q], ln_quota[0] + shape[q]);
}

static void find_own_session(session *t, const best_prior *p, const physics *y, const rapp_prior *prior) {
    double ln_quota[RAPP_PRIOR_QUOTAS];
    for (int q = 0; q < RAPP_PRIOR_QUOTAS; q++) ln_quota[q] = log(prior->quota_ms[q]);
    find_session(t, &p->ground, p->shape, y, ln_quota);
}

static double launch_at(const session *t, const physics *y, int place) {
    return t->launch[place % BEST_QUOTAS] - y->spared[place / BEST_QUOTAS / BEST_SMS];
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
static double features(double x[FEATURES], int place, const physics *y, const session *t) {
    const double *told = t->told, *ln_quota = t->ln_quota;
    int q = place % BEST_QUOTAS, w = place / BEST_QUOTAS, s = w % BEST_SMS;
    double ops_whole = y->operators[BEST_SMS - 1], told_below = told[q ? q - 1 : 0];
    double f = launch_at(t, y, place), g = y->gpu[w], last = ln_quota[4], ops = y->operators[s], most = 1.5;
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

static double predict(const best_prior *p, int place, const physics *y, const session *t) {
    double x[FEATURES], base = features(x, place, y, t);
    return base + rapp_trees_value(&p->trees, x);
}

/* ---- the five latencies are points, too ---- */

/* Of two errors of prediction: those on the same side of G ~ f have a part in common; more so in the same session. */
static double error_covariance(const double side[BEST_LATTICE], int p, int r) {
    const double common = 0.02 * 0.02, own = 0.05 * 0.05;
    int wp = p / BEST_QUOTAS, wr = r / BEST_QUOTAS;
    double batch = abs(wp / BEST_SMS - wr / BEST_SMS), sm = abs(wp % BEST_SMS - wr % BEST_SMS);
    double quota = exp(-abs(p % BEST_QUOTAS - r % BEST_QUOTAS));
    return exp(-fabs(side[p] - side[r]) / 0.8) * (common + own * exp(-batch / 2 - sm / 5) * (1 + quota) / 2);
}

/* Batch 4, SM 100 % is known at five quotas: what is predicted near there is corrected by how far it is off. */
static void meet_known(double ln_ms[BEST_LATTICE], const physics *y, const session *t) {
    enum { N = RAPP_PRIOR_QUOTAS };
    const double noise = 0.04 * 0.04;
    int at[N];
    double side[BEST_LATTICE], cov[N * N], left[N], alpha[N];
    for (int place = 0; place < BEST_LATTICE; place++)
        side[place] = clip(y->gpu[place / BEST_QUOTAS] - launch_at(t, y, place), -1, 1);
    for (int i = 0; i < N; i++) {
        at[i] = best_width_of(2, BEST_SMS - 1) * BEST_QUOTAS + 2 * i + 1;
        left[i] = t->ln_quota[i] - ln_ms[at[i]];
        for (int k = 0; k <= i; k++)
            cov[i * N + k] = error_covariance(side, at[i], at[k]) + (i == k ? noise : 0);
    }
    best_factor(cov, N);
    best_solve(alpha, cov, left, N);
    for (int place = 0; place < BEST_LATTICE; place++)
        for (int i = 0; i < N; i++) ln_ms[place] += alpha[i] * error_covariance(side, place, at[i]);
}

/* 0; -1: no memory */
static int predict_all(double ln_ms[BEST_LATTICE], const best_prior *p, const rapp_prior *prior) {
    physics y;
    session t;
    if (find_physics(&y, &p->ground, prior)) return -1;
    find_own_session(&t, p, &y, prior);
    for (int place = 0; place < BEST_LATTICE; place++) ln_ms[place] = predict(p, place, &y, &t);
    meet_known(ln_ms, &y, &t);
    return 0;
}

/* ---- learning ---- */

/* How ln of the latency at high quotas falls with ln(SM) about a width; as G does, -1, where too little was measured. */
static double slope_at(const double high[BEST_WIDTHS], int w) {
    const double reach = 0.45;
    double n = 0, x1 = 0, y1 = 0, xx = 0, xy = 0;
    for (int s = 0; s < BEST_SMS; s++) {
        double x = log((s + 1.0) / (w % BEST_SMS + 1.0)), v = high[w - w % BEST_SMS + s];
        if (fabs(x) >= reach || v <= BEST_HIDDEN) continue;
        n++, x1 += x, y1 += v, xx += x * x, xy += x * v;
    }
    double spread = n * xx - x1 * x1;
    return spread > 1e-9 ? (n * xy - x1 * y1) / spread : -1;
}

typedef struct { /* latencies at quotas from 60 %; BEST_HIDDEN: none */
    double low[BEST_WIDTHS], high[BEST_WIDTHS];
    double last[BEST_WIDTHS]; /* mean at 80 % and more */
    double launch;            /* median at batch 1, SM and quota of 80 (90) % and more: f, if not less */
} plateau;

static void find_plateau(plateau *p, const example *e) {
    double narrow[BEST_LATTICE], n[BEST_WIDTHS] = {0};
    size_t n_narrow = 0;
    for (int w = 0; w < BEST_WIDTHS; w++) p->low[w] = INFINITY, p->high[w] = -INFINITY, p->last[w] = 0;
    for (size_t i = 0; i < e->n; i++) {
        int w = e->samples[i].place / BEST_QUOTAS, q = e->samples[i].place % BEST_QUOTAS;
        double v = e->samples[i].ln_ms;
        if (q >= 5) p->low[w] = fmin(p->low[w], v), p->high[w] = fmax(p->high[w], v);
        if (q >= 7) p->last[w] += v, n[w]++;
        if (q >= 8 && w / BEST_SMS == 0 && w % BEST_SMS >= 15) narrow[n_narrow++] = v;
    }
    for (int w = 0; w < BEST_WIDTHS; w++) p->last[w] = n[w] > 0 ? p->last[w] / n[w] : BEST_HIDDEN;
    p->launch = n_narrow ? best_quantile(narrow, n_narrow, 0.5) : BEST_HIDDEN;
}

/* G shows where the latencies at quotas from 60 % are the same, f(100 %) is below, and they fall with the SM share: a
 * session in which launching took longer throughout is flat as well. */
static void find_floor(example *e) {
    const double same = 0.08, above = 0.1, falls = -0.25;
    plateau p;
    find_plateau(&p, e);
    double launch = fmax(e->law.launch[BEST_QUOTAS - 1], p.launch);
    for (int w = 0; w < BEST_WIDTHS; w++) {
        double g = e->law.gpu[w];
        int shows = p.high[w] - p.low[w] < same && fabs(p.low[w] - g) < above && g > launch + above &&
                    slope_at(p.last, w) < falls;
        e->floor[w] = shows ? g : BEST_HIDDEN;
    }
}

/* The usual difference of ln G from its level; of batches that nobody measured, as between the others. */
static void learn_offset(double offset[BEST_WIDTHS], const example *const *e, size_t n, double *room) {
    const double doubling = 0.64;
    for (int w = 0; w < BEST_WIDTHS; w++) {
        size_t k = 0;
        for (size_t i = 0; i < n; i++)
            if (e[i]->floor[w] > BEST_HIDDEN && e[i]->floor[BEST_LEVEL_WIDTH] > BEST_HIDDEN)
                room[k++] = e[i]->floor[w] - e[i]->floor[BEST_LEVEL_WIDTH];
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

/* Cells of ten SM shares are enough: 5, 10, 15, 20, 30, 40, 50, 60, 80 and 100 %. */
static int is_cell(int width) {
    static const unsigned char is_kept[BEST_SMS] = {1, 1, 1, 1, 0, 1, 0, 1, 0, 1,
                                                    0, 1, 0, 0, 0, 1, 0, 0, 0, 1};
    return is_kept[width % BEST_SMS];
}

static void add_cells(best_krige *k, const example *e, size_t every, size_t *seen) {
    for (int w = 0; w < BEST_WIDTHS; w++) {
        if (e->floor[w] <= BEST_HIDDEN || !is_cell(w) || (*seen)++ % every) continue;
        double left = e->floor[w] - log(e->prior->gmac) - k->level - k->offset[w];
        k->cells[k->n_cells++] = (best_cell){(uint32_t)k->n_models, w, best_round(left)};
    }
    best_describe(&k->descriptors[k->n_models++ * D], e->prior);
}

static size_t count_cells(const example *const *e, size_t n) {
    size_t cells = 0;
    for (size_t i = 0; i < n; i++)
        for (int w = 0; w < BEST_WIDTHS; w++) cells += e[i]->floor[w] > BEST_HIDDEN && is_cell(w);
    return cells;
}

/* Learns nothing where fewer than three DNNs show G at the level's width. room: n doubles */
static int learn_krige(best_krige *k, const example *const *e, size_t n, double *room) {
    size_t cells = count_cells(e, n), every = cells / BEST_CELLS_MAX + 1, seen = 0, shown = 0;
    k->descriptors = malloc((n * D + 1) * sizeof *k->descriptors);
    k->cells = malloc((cells + 1) * sizeof *k->cells);
    if (!k->descriptors || !k->cells) return -1;
    for (size_t i = 0; i < n; i++)
        if (e[i]->floor[BEST_LEVEL_WIDTH] > BEST_HIDDEN)
            room[shown++] = e[i]->floor[BEST_LEVEL_WIDTH] - log(e[i]->prior->gmac);
    if (shown < 3) return 0;
    k->level = best_round(best_quantile(room, shown, 0.5));
    learn_offset(k->offset, e, n, room);
    for (size_t i = 0; i < n; i++) add_cells(k, e[i], every, &seen);
    return best_krige_make(k);
}

/* A width's latencies by quota; 0: those that a prior tells are not all there. */
static int row_of(double row[BEST_QUOTAS], const example *e, int width) {
    int told = 0;
    for (int q = 0; q < BEST_QUOTAS; q++) row[q] = BEST_HIDDEN;
    for (size_t i = 0; i < e->n; i++)
        if (e->samples[i].place / BEST_QUOTAS == width)
            row[e->samples[i].place % BEST_QUOTAS] = e->samples[i].ln_ms;
    for (int q = 1; q < BEST_QUOTAS; q += 2) told += row[q] > BEST_HIDDEN;
    return told == RAPP_PRIOR_QUOTAS;
}

/* Rows at 50, 65, 80, 90 and 100 % SM, where launching rules mostly. */
static int learn_launch(best_launch *l, const example *const *e, size_t n) {
    static const int sms[] = {9, 12, 15, 17, 19};
    enum { SMS = sizeof sms / sizeof *sms };
    size_t most = n * SMS * BEST_BATCHES, kept = 0;
    double(*rows)[BEST_QUOTAS] = malloc((most + 1) * sizeof *rows);
    if (!rows) return -1;
    for (size_t i = 0; i < n; i++)
        for (int b = 0; b < BEST_BATCHES; b++)
            for (int s = 0; s < SMS && kept < BEST_ROWS_MAX; s++)
                kept += (size_t)row_of(rows[kept], e[i], best_width_of(b, sms[s]));
    int rc = best_launch_learn(l, (const double(*)[BEST_QUOTAS])rows, kept);
    free(rows);
    return rc;
}

/* ln(f at batches 4 and 8 / f at a smaller one): the median at quotas 10 and 20 % and SM 50 % and more, where launching
 * rules. 0; -1: nothing to compare */
static int compare_batches(double *ln_ratio, const example *e, int batch) {
    enum { SM_FIRST = 9, QUOTAS = 2, MOST = 2 * QUOTAS * (BEST_SMS - SM_FIRST) };
    double at[BEST_LATTICE], ratio[MOST];
    size_t n = 0;
    for (int place = 0; place < BEST_LATTICE; place++) at[place] = BEST_HIDDEN;
    for (size_t i = 0; i < e->n; i++) at[e->samples[i].place] = e->samples[i].ln_ms;
    for (int large = 2; large < 4; large++)
        for (int s = SM_FIRST; s < BEST_SMS; s++)
            for (int q = 0; q < QUOTAS; q++) {
                double f = at[best_width_of(batch, s) * BEST_QUOTAS + q];
                double f_large = at[best_width_of(large, s) * BEST_QUOTAS + q];
                if (f > BEST_HIDDEN && f_large > BEST_HIDDEN) ratio[n++] = f_large - f;
            }
    if (n) *ln_ratio = best_quantile(ratio, n, 0.5);
    return n ? 0 : -1;
}

/* 0; -1: no memory */
static int learn_shares(double share[BEST_SPARED], const example *const *e, size_t n) {
    best_grouped *g = malloc((n + 1) * sizeof *g);
    for (int b = 0; g && b < BEST_SPARED; b++) {
        size_t kept = 0;
        for (size_t i = 0; i < n; i++) {
            g[kept].groups = best_grouped_spared(e[i]->prior, b);
            kept += g[kept].groups > 0 && !compare_batches(&g[kept].ln_ratio, e[i], b);
        }
        share[b] = fmin(best_grouped_learn(g, kept), SHARE_MOST);
    }
    free(g);
    return g ? 0 : -1;
}

/* From the examples outside the part; INNER: from all. room: n doubles */
static int learn_ground(ground *g, const example *e, size_t n, size_t part, const example **in,
                        double *room) {
    size_t n_in = 0;
    for (size_t i = 0; i < n; i++)
        if (i % INNER != part) in[n_in++] = &e[i];
    if (learn_shares(g->share, in, n_in)) return -1;
    return learn_krige(&g->krige, in, n_in, room) || learn_launch(&g->launch, in, n_in) ? -1 : 0;
}

static uint32_t scatter(uint32_t x) {
    x = (x ^ x >> 16) * UINT32_C(0x45d9f3b);
    x = (x ^ x >> 16) * UINT32_C(0x45d9f3b);
    return x ^ x >> 16;
}

typedef struct {
    double *x, *y;
    uint32_t *dnn;
    size_t rows;
} table;

/* Each row sees one of these sessions, so that trees learn how far to trust the five: the prior's, or what it would have
 * been on a slightly smaller SM share. 0; -1: no memory */
static int add_rows(table *t, const best_prior *p, const ground *g, const example *e, uint32_t dnn,
                    uint32_t forest) {
    enum { OTHERS = 9 };
    session others[OTHERS];
    double row[BEST_QUOTAS];
    uint32_t n = 1, seed = scatter(dnn + forest * EXAMPLES_MAX);
    physics y;
    if (find_physics(&y, g, e->prior)) return -1;
    for (int q = 0; q < RAPP_PRIOR_QUOTAS; q++) row[q] = log(e->prior->quota_ms[q]);
    find_session(&others[0], g, p->shape, &y, row);
    for (int k = 1; k < OTHERS; k++) {
        if (!row_of(row, e, best_width_of(2, BEST_SMS - 1 - k))) continue;
        for (int q = 0; q < RAPP_PRIOR_QUOTAS; q++) row[q] = row[2 * q + 1];
        find_session(&others[n++], g, p->shape, &y, row);
    }
    for (size_t i = 0; i < e->n; i++) {
        uint32_t r = scatter(seed + (uint32_t)e->samples[i].place);
        double base = features(&t->x[t->rows * FEATURES], e->samples[i].place, &y, &others[r % n]);
        t->dnn[t->rows] = dnn;
        t->y[t->rows++] = e->samples[i].ln_ms - base;
    }
    return 0;
}

/* Few trees, and leaves that a quarter of the DNNs share: else they learn the training's DNNs by heart. Rows see other
 * sessions in each forest. */
static int learn_forest(best_prior *p, const ground parts[INNER], const example *e, size_t n, table *t,
                        uint32_t forest) {
    const int groups = (int)(n < RAPP_TREES_GROUPS ? n : RAPP_TREES_GROUPS) / 4;
    const rapp_trees_options options = {25, 32, 100, groups, 0.06, 1};
    rapp_trees trees = {0};
    int rc = 0;
    t->rows = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        const ground *without = &parts[i % INNER];
        rc = add_rows(t, p, without->krige.n_cells ? without : &p->ground, &e[i], (uint32_t)i, forest);
    }
    if (!rc) rc = rapp_trees_train(&trees, t->x, t->y, t->dnn, t->rows, FEATURES, &options);
    if (!rc) rc = rapp_trees_add(&p->trees, &trees, 1.0 / FORESTS);
    rapp_trees_free(&trees);
    return rc;
}

static int learn_trees(best_prior *p, const ground parts[INNER], const example *e, size_t n) {
    size_t rows = 0;
    for (size_t i = 0; i < n; i++) rows += e[i].n;
    table t = {malloc((rows * FEATURES + 1) * sizeof *t.x), malloc((rows + 1) * sizeof *t.y),
               malloc((rows + 1) * sizeof *t.dnn), 0};
    int rc = t.x && t.y && t.dnn ? 0 : -1;
    for (uint32_t k = 0; k < FORESTS && !rc; k++) rc = learn_forest(p, parts, e, n, &t, k);
    free(t.x);
    free(t.y);
    free(t.dnn);
    return rc;
}

/* From the n examples alone. Trees see each example with the physics learned without it. */
static int learn(best_prior *p, const example *e, size_t n) {
    ground parts[INNER] = {0};
    double *room = malloc((n + 1) * sizeof *room);
    const example **in = malloc((n + 1) * sizeof *in);
    int rc = room && in ? learn_ground(&p->ground, e, n, INNER, in, room) : -1;
    p->is_known = !rc && p->ground.krige.n_cells > 0;
    if (p->is_known) {
        learn_shape(p->shape, e, n, room);
        for (size_t k = 0; k < INNER && !rc; k++) rc = learn_ground(&parts[k], e, n, k, in, room);
        if (!rc) rc = learn_trees(p, parts, e, n);
    }
    for (size_t k = 0; k < INNER; k++) ground_free(&parts[k]);
    free(in);
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
        rc = predict_all(ln_ms, &p, all[i].prior);
        for (size_t k = 0; k < all[i].n && !rc; k++) {
            int place = all[i].samples[k].place, q = place % BEST_QUOTAS;
            errors[q][n_errors[q]++] = fabs(expm1(ln_ms[place] - all[i].samples[k].ln_ms));
        }
    }
    ground_free(&p.ground);
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
        cv[q] = best_round(n_errors[q] ? fmin(best_quantile(errors[q], n_errors[q], share), BEST_CV_MOST)
                                       : if_unknown);
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
    ground_free(&p->ground);
    rapp_trees_free(&p->trees);
    free(p);
}

int best_prior_surface(const best_prior *p, const rapp_prior *prior, best_surface *out) {
    double ignored[D];
    if (!p->is_known || best_describe(ignored, prior)) return -1;
    memcpy(out->cv, p->cv, sizeof out->cv);
    if (predict_all(out->ln_ms, p, prior)) return -1;
    best_surface_make_monotone(out);
    best_surface_round(out); /* finite, whatever a file made it of */
    return 0;
}

/* ---- file ---- */

static int add_member(cJSON *o, const char *key, cJSON *member) {
    if (member && cJSON_AddItemToObject(o, key, member)) return 0;
    cJSON_Delete(member);
    return -1;
}

static int add_numbers(cJSON *o, const char *key, const double *x, size_t n) {
    return add_member(o, key, cJSON_CreateDoubleArray(x, (int)n));
}

/* Of each cell its DNN, its width and its number: three in a row. */
static int add_cell_numbers(cJSON *o, const best_krige *k) {
    double *all = malloc((3 * k->n_cells + 1) * sizeof *all);
    for (size_t i = 0; all && i < k->n_cells; i++) {
        all[3 * i] = k->cells[i].model, all[3 * i + 1] = k->cells[i].width, all[3 * i + 2] = k->cells[i].left;
    }
    int rc = all ? add_numbers(o, "cells", all, 3 * k->n_cells) : -1;
    free(all);
    return rc;
}

cJSON *best_prior_save(const best_prior *p) {
    cJSON *o = cJSON_CreateObject();
    const best_krige *k = &p->ground.krige;
    const best_launch *l = &p->ground.launch;
    if (!o || !p->is_known) return o;
    int bad = add_numbers(o, "descriptors", k->descriptors, k->n_models * D) || add_cell_numbers(o, k) ||
              add_numbers(o, "level", &k->level, 1) || add_numbers(o, "offset", k->offset, BEST_WIDTHS) ||
              add_numbers(o, "told", l->told, l->n * RAPP_PRIOR_QUOTAS) ||
              add_numbers(o, "alpha", l->alpha, l->n * RAPP_PRIOR_QUOTAS) ||
              add_numbers(o, "first", &l->first, 1) || add_numbers(o, "shape", p->shape, BEST_QUOTAS) ||
              add_numbers(o, "shares", p->ground.share, BEST_SPARED) ||
              add_numbers(o, "cv", p->cv, BEST_QUOTAS) || add_member(o, "trees", rapp_trees_save(&p->trees));
    if (!bad) return o;
    cJSON_Delete(o);
    return NULL;
}

/* A new array of all the member's numbers, in groups; *n groups. NULL: j->failed */
static double *load_groups(calib_json *j, const cJSON *from, const char *key, int group, int least,
                           int most_n, double most, size_t *n) {
    int all = cJSON_GetArraySize(calib_json_array(j, from, key, group * least, group * most_n));
    if (!j->failed && all % group)
        calib_json_fail(j, "%s: found %d numbers, expected a multiple of %d", key, all, group);
    double *out = j->failed ? NULL : malloc(((size_t)all + 1) * sizeof *out);
    if (!out && !j->failed) calib_json_fail(j, "out of memory");
    if (out) best_load_numbers(j, from, key, out, all, most);
    *n = (size_t)(all / group);
    return out;
}

static void load_cells(best_krige *k, calib_json *j, const double *all) {
    k->cells = malloc((k->n_cells + 1) * sizeof *k->cells);
    if (!k->cells) calib_json_fail(j, "out of memory");
    for (size_t i = 0; i < k->n_cells && !j->failed; i++) {
        double model = all[3 * i], width = all[3 * i + 1];
        if (!(model >= 0 && model < (double)k->n_models && floor(model) == model))
            calib_json_fail(j, "cells[%zu]: found %g, expected a model: 0 to %zu", 3 * i, model,
                            k->n_models - 1);
        else if (!(width >= 0 && width < BEST_WIDTHS && floor(width) == width))
            calib_json_fail(j, "cells[%zu]: found %g, expected a width: 0 to %d", 3 * i + 1, width,
                            BEST_WIDTHS - 1);
        else
            k->cells[i] = (best_cell){(uint32_t)model, (int)width, all[3 * i + 2]};
    }
}

static void load_krige(best_krige *k, calib_json *j, const cJSON *from) {
    const double most = 100, number_most = 1e4;
    k->descriptors = load_groups(j, from, "descriptors", D, 3, EXAMPLES_MAX, most, &k->n_models);
    double *all = load_groups(j, from, "cells", 3, 3, BEST_CELLS_MAX, number_most, &k->n_cells);
    if (!j->failed) load_cells(k, j, all);
    free(all);
    best_load_numbers(j, from, "level", &k->level, 1, most);
    best_load_numbers(j, from, "offset", k->offset, BEST_WIDTHS, most);
    if (!j->failed && best_krige_make(k)) calib_json_fail(j, "out of memory");
}

static void load_launch(best_launch *l, calib_json *j, const cJSON *from) {
    const double alpha_most = 1e6;
    size_t n;
    l->told = load_groups(j, from, "told", RAPP_PRIOR_QUOTAS, 0, BEST_ROWS_MAX, BEST_LN_MOST, &l->n);
    l->alpha = load_groups(j, from, "alpha", RAPP_PRIOR_QUOTAS, 0, BEST_ROWS_MAX, alpha_most, &n);
    best_load_numbers(j, from, "first", &l->first, 1, BEST_LN_MOST);
    if (!j->failed && n != l->n)
        calib_json_fail(j, "alpha: found %zu rows, expected as many as of told, %zu", n, l->n);
}

int best_prior_load(best_prior **out, calib_json *j, const cJSON *from, char err[RAPP_ERR_LEN]) {
    static const char *const keys[] = {"descriptors", "cells", "level",  "offset", "told",  "alpha",
                                       "first",       "shape", "shares", "cv",     "trees", NULL};
    best_prior *p = *out = calloc(1, sizeof *p);
    if (!p) return rapp_fail_memory(err);
    calib_json_keys(j, from, keys);
    if (j->failed || !from->child) return j->failed ? -1 : 0; /* {}: nothing was learned */
    load_krige(&p->ground.krige, j, from);
    load_launch(&p->ground.launch, j, from);
    best_load_numbers(j, from, "shape", p->shape, BEST_QUOTAS, BEST_LN_MOST);
    best_load_numbers(j, from, "shares", p->ground.share, BEST_SPARED, SHARE_MOST);
    for (int b = 0; b < BEST_SPARED && !j->failed; b++)
        if (p->ground.share[b] < 0)
            calib_json_fail(j, "shares[%d]: found %g, expected >= 0", b, p->ground.share[b]);
    best_load_numbers(j, from, "cv", p->cv, BEST_QUOTAS, BEST_CV_MOST);
    const cJSON *trees = calib_json_object(j, from, "trees");
    if (!j->failed) rapp_trees_load(&p->trees, j, trees, FEATURES);
    p->is_known = !j->failed;
    return j->failed ? -1 : 0;
}
