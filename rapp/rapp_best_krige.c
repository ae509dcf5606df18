/* rapp_best_krige.c - how long the kernels of a DNN take that nobody measured (G).
 *
 * Work done per second depends on what it consists of: grouped and depthwise convolutions use a GPU poorly, wide ones
 * well; and a batch of 2 may be computed by other kernels than one of 1 (grouped convolutions: 2.6 times as long). So
 * ln(G / GMACs) over descriptors of the operators, batch and SM share is one Gaussian process: what DNNs of a kind have
 * in common of the level and of the course over batch and SM share, what is a DNN's own, and the usual course. It is
 * learned from places where G shows, and conditioned on what the prior itself shows of G at up to four more: where the
 * operators take longer on a small SM share than on the whole GPU, they are not hidden by launching, and their sum is G
 * (batch 1); and where the latencies at quota 60, 80 and 100 % are the same, those are G (batch 4, whole GPU). Operators
 * that do not add up (RaPP's TVM graphs of ConvNeXt and MaxViT lack most of the work: their sum is far less than a
 * quarter of batch 4's latency) show nothing.
 *
 * The variances and scales are constants, found by coordinate descent in steps of two on DNNs of RaPP's left out in five
 * parts (four splits; on four others the error is the same: 6.8 %).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rapp_best_int.h"

enum { D = BEST_DESCRIPTORS, EVIDENCE_MAX = 4 };

/* ---- descriptors ---- */

double best_operators_ms(const rapp_prior *p, int sm) {
    double sum = 0;
    for (size_t i = 0; i < p->n_operators; i++) sum += p->operators[i].ms[sm];
    return sum;
}

static double n_weights(const rapp_operator *o) {
    double n = 1;
    for (int k = 0; k < RAPP_OP_SHAPE; k++) n *= fmax(o->shape[k], 1);
    return n;
}

static int is_type(const rapp_operator *o, const char *type) {
    return strcmp(o->type, type) == 0;
}

int best_describe(double out[BEST_DESCRIPTORS], const rapp_prior *p) {
    double conv = 0, grouped = 0, channels = 0, area = 0, norm = 0, multiply = 0;
    double weights = 0, conv_weights = 0, grouped_weights = 0, wide_weights = 0, longest = 0;
    if (!rapp_prior_is_complete(p) || !(p->gmac > 0)) return -1;
    for (int q = 0; q < RAPP_PRIOR_QUOTAS; q++)
        if (!(p->quota_ms[q] > 0)) return -1;
    for (int s = 0; s < RAPP_PRIOR_SMS; s++)
        if (!(best_operators_ms(p, s) > 0)) return -1;
    for (size_t i = 0; i < p->n_operators; i++) {
        const rapp_operator *o = &p->operators[i];
        double n = n_weights(o), kernel = o->attributes[0] * o->attributes[1], groups = o->attributes[11];
        weights += n;
        longest = fmax(longest, o->ms[0]);
        norm += is_type(o, "batch_norm");
        multiply += is_type(o, "multiply");
        if (!is_type(o, "conv2d")) continue;
        conv++, conv_weights += n, channels += o->attributes[2], area += kernel;
        if (groups > 1) grouped++, grouped_weights += n;
        if (kernel > 1) wide_weights += n;
    }
    double work = log(p->gmac), ops = (double)p->n_operators, per_conv = conv > 0 ? 1 / conv : 0;
    double per_weight = conv > 0 ? 1 / conv_weights : 0;
    const double all[D] = {work,
                           log(weights) - work,
                           log(fmax(conv, 1)) - work,
                           grouped * per_conv,
                           grouped_weights * per_weight,
                           log(fmax(channels * per_conv, 1)),
                           log(best_operators_ms(p, 0)) - work,
                           area * per_conv,
                           wide_weights * per_weight,
                           norm / ops,
                           multiply / ops,
                           log(fmax(longest / best_operators_ms(p, 0), 1e-6))};
    for (int d = 0; d < D; d++) out[d] = best_round(all[d]);
    return 0;
}

/* ---- the process ---- */

static const double far = 2.8; /* of descriptors, in standard deviations */
static const double level_near = 0.2, level_linear = 0.09;
static const double course_batch = 0.03, course_sm = 0.04; /* by kind of DNN */
static const double own_batch = 0.01, own_both = 0.0025;
static const double usual = 0.16;
static const double batch_scale = 0.35, sm_scale = 1.5; /* of logarithms */
static const double noise = 0.04, robust_scale = 0.05, robust_floor = 0.3;
static const double evidence_noise = 0.168;

static void standardise(double *z, const best_krige *k, const double *x) {
    for (int d = 0; d < D; d++) z[d] = (x[d] - k->mean[d]) / k->deviation[d];
}

static void moments(best_krige *k) {
    double n = (double)k->n_models;
    for (int d = 0; d < D; d++) {
        double mean = 0, square = 0;
        for (size_t i = 0; i < k->n_models; i++) mean += k->descriptors[i * D + (size_t)d] / n;
        for (size_t i = 0; i < k->n_models; i++)
            square +=
                (k->descriptors[i * D + (size_t)d] - mean) * (k->descriptors[i * D + (size_t)d] - mean) / n;
        k->mean[d] = mean;
        k->deviation[d] = square > 1e-12 ? sqrt(square) : 1;
    }
    for (size_t i = 0; i < k->n_models; i++) standardise(&k->z[i * D], k, &k->descriptors[i * D]);
    for (int b = 0; b < BEST_BATCHES; b++) k->near_batch[b] = exp(-b * 0.6931471805599453 / batch_scale);
    for (int a = 0; a < BEST_SMS; a++)
        for (int b = 0; b < BEST_SMS; b++)
            k->near_sm[a][b] = exp(-fabs(log((a + 1.0) / (b + 1.0))) / sm_scale);
}

typedef struct { /* of two DNNs */
    double level, course;
    int same;
} kinship;

static kinship compare(const double *a, const double *b, int same) {
    double distance = 0, product = 0;
    for (int d = 0; d < D; d++) distance += (a[d] - b[d]) * (a[d] - b[d]), product += a[d] * b[d];
    double near = exp(-distance / (2 * far * far)), linear = product / D;
    return (kinship){level_near * near + level_linear * linear, 0.5 * (near + linear), same};
}

/* of ln G of two DNNs at widths a and b */
static double covariance(const best_krige *k, const kinship *m, int a, int b) {
    double batch = k->near_batch[abs(a / BEST_SMS - b / BEST_SMS)],
           sm = k->near_sm[a % BEST_SMS][b % BEST_SMS];
    double own = m->same ? own_batch * batch + own_both * batch * sm : 0;
    return m->level + m->course * (course_batch * batch + course_sm * sm) + own + usual * batch * sm;
}

static void fill_covariance(const best_krige *k, double *cov) {
    for (size_t i = 0; i < k->n_cells; i++)
        for (size_t j = 0; j <= i; j++) {
            const best_cell *a = &k->cells[i], *b = &k->cells[j];
            kinship m = compare(&k->z[a->model * D], &k->z[b->model * D], a->model == b->model);
            cov[i * k->n_cells + j] = covariance(k, &m, a->width, b->width);
        }
}

/* Cells far from the process count less: two rounds towards least absolute deviation. */
static void solve(best_krige *k, const double *cov, double *left, double *variance) {
    size_t n = k->n_cells;
    for (size_t i = 0; i < n; i++) left[i] = k->cells[i].left, variance[i] = noise * noise;
    for (int round = 0; round < 2; round++) {
        memcpy(k->factor, cov, n * n * sizeof *cov);
        for (size_t i = 0; i < n; i++) k->factor[i * n + i] += variance[i];
        best_factor(k->factor, n);
        best_solve(k->alpha, k->factor, left, n);
        if (round) break;
        for (size_t i = 0; i < n; i++)
            variance[i] = noise * noise * fmax(fabs(variance[i] * k->alpha[i]) / robust_scale, robust_floor);
    }
}

int best_krige_make(best_krige *k) {
    size_t n = k->n_cells;
    double *cov = calloc(n * n + 2 * n + 1, sizeof *cov);
    k->z = malloc((k->n_models * D + 1) * sizeof *k->z);
    k->factor = malloc((n * n + 1) * sizeof *k->factor);
    k->alpha = malloc((n + 1) * sizeof *k->alpha);
    int ok = cov && k->z && k->factor && k->alpha;
    if (ok && n) {
        moments(k);
        fill_covariance(k, cov);
        solve(k, cov, cov + n * n, cov + n * n + n);
    }
    free(cov);
    return ok ? 0 : -1;
}

void best_krige_free(best_krige *k) {
    free(k->descriptors);
    free(k->cells);
    free(k->z);
    free(k->factor);
    free(k->alpha);
    *k = (best_krige){.n_cells = 0};
}

/* ---- what the prior shows of G ---- */

typedef struct {
    int width;
    double ln_ms;
} evidence;

static int gather_evidence(evidence out[EVIDENCE_MAX], const rapp_prior *p) {
    static const int sm[] = {0, 1, 5}; /* on the lattice: 5, 10, 30 % */
    const double shows = 1.35, shows_level = 1.8, flat_80 = 1.03, flat_60 = 1.04, adds_up = 4.5;
    double whole = best_operators_ms(p, RAPP_PRIOR_SMS - 1), last = p->quota_ms[4];
    int n = 0;
    if (whole * adds_up < last) return 0;
    for (int i = 0; i < 3; i++)
        if (best_operators_ms(p, i) > shows * whole)
            out[n++] = (evidence){best_width_of(0, sm[i]), log(best_operators_ms(p, i))};
    if (p->quota_ms[3] < flat_80 * last && p->quota_ms[2] < flat_60 * last &&
        best_operators_ms(p, 0) > shows_level * whole)
        out[n++] = (evidence){best_width_of(2, BEST_SMS - 1), log(last)};
    return n;
}

typedef struct {                    /* of the DNN that is asked about, to those of the cells */
    double *kin_level, *kin_course; /* [n_models] */
    double *at, *solved;            /* [evidence][n_cells]: covariances, and those over the cells' own */
} relation;

static double relate(const best_krige *k, const relation *r, int width, size_t cell) {
    const best_cell *c = &k->cells[cell];
    kinship m = {r->kin_level[c->model], r->kin_course[c->model], 0};
    return covariance(k, &m, width, c->width);
}

static double process_mean(const best_krige *k, const relation *r, int width) {
    double sum = 0;
    for (size_t i = 0; i < k->n_cells; i++) sum += k->alpha[i] * relate(k, r, width, i);
    return sum;
}

/* Covariance of width with evidence e, given the cells. */
static double remaining(const best_krige *k, const relation *r, const kinship *self, int width, int at,
                        int e) {
    double known = 0;
    for (size_t i = 0; i < k->n_cells; i++)
        known += relate(k, r, width, i) * r->solved[(size_t)e * k->n_cells + i];
    return covariance(k, self, width, at) - known;
}

static void condition(double gpu[BEST_WIDTHS], const best_krige *k, const relation *r, const kinship *self,
                      const evidence *e, int n) {
    double cov[EVIDENCE_MAX * EVIDENCE_MAX], left[EVIDENCE_MAX], alpha[EVIDENCE_MAX];
    for (int i = 0; i < n; i++) {
        double *at = r->at + (size_t)i * k->n_cells;
        for (size_t c = 0; c < k->n_cells; c++) at[c] = relate(k, r, e[i].width, c);
        best_solve(r->solved + (size_t)i * k->n_cells, k->factor, at, k->n_cells);
        left[i] = e[i].ln_ms - gpu[e[i].width];
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j <= i; j++)
            cov[i * n + j] = remaining(k, r, self, e[i].width, e[j].width, j) +
                             (i == j ? evidence_noise * evidence_noise : 0);
    best_factor(cov, (size_t)n);
    best_solve(alpha, cov, left, (size_t)n);
    for (int w = 0; w < BEST_WIDTHS && n; w++)
        for (int i = 0; i < n; i++) gpu[w] += alpha[i] * remaining(k, r, self, w, e[i].width, i);
}

/* G falls with the SM share and rises with the batch. */
static void make_monotone(double gpu[BEST_WIDTHS]) {
    for (int w = 0; w < BEST_WIDTHS; w++) {
        if (w % BEST_SMS) gpu[w] = fmin(gpu[w], gpu[w - 1]);
    }
    for (int w = BEST_SMS; w < BEST_WIDTHS; w++) gpu[w] = fmax(gpu[w], gpu[w - BEST_SMS]);
}

int best_krige_gpu(double gpu[BEST_WIDTHS], const best_krige *k, const rapp_prior *p) {
    double descriptors[D], z[D];
    evidence e[EVIDENCE_MAX];
    size_t n = k->n_cells, models = k->n_models;
    double *room = malloc((2 * models + 2 * EVIDENCE_MAX * n + 1) * sizeof *room);
    if (!room) return -1;
    relation r = {room, room + models, room + 2 * models, room + 2 * models + EVIDENCE_MAX * n};
    best_describe(descriptors, p);
    standardise(z, k, descriptors);
    for (size_t i = 0; i < models; i++) {
        kinship m = compare(z, &k->z[i * D], 0);
        r.kin_level[i] = m.level, r.kin_course[i] = m.course;
    }
    kinship self = compare(z, z, 1);
    double level = k->level + log(p->gmac);
    for (int w = 0; w < BEST_WIDTHS; w++) gpu[w] = level + k->offset[w] + process_mean(k, &r, w);
    condition(gpu, k, &r, &self, e, gather_evidence(e, p));
    make_monotone(gpu);
    free(room);
    return 0;
}
