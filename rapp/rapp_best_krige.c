/* rapp_best_krige.c - how long the kernels of a DNN take that nobody measured (G).
 *
 * Work done per second depends on what it consists of: grouped and depthwise convolutions use a GPU poorly, wide ones
 * well. So ln(G / GMACs) at batch 8, SM 5 % is kriged over eleven descriptors of the operators: a Gaussian process with a
 * linear and a squared exponential term of equal variance; left-out DNNs of RaPP's are met within 5 % (median).
 *
 * The prior itself shows G at up to four places: where the operators take longer on a small SM share than on the whole
 * GPU, they are not hidden by launching, and their sum is G (batch 1); and where the latencies at quota 60, 80 and 100 %
 * are the same, those are G (batch 4, whole GPU). Deviations from the usual course of G over batch and SM share are a
 * Gaussian process of their own, conditioned on these. Operators that do not add up (RaPP's TVM graphs of ConvNeXt and
 * MaxViT lack most of the work: their sum is far less than a quarter of batch 4's latency) show nothing.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rapp_best_int.h"

enum { D = BEST_DESCRIPTORS, EVIDENCE_MAX = RAPP_PRIOR_SMS };

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
    double weights = 0, conv_weights = 0, grouped_weights = 0, wide_weights = 0;
    if (!rapp_prior_is_complete(p) || !(p->gmac > 0)) return -1;
    for (int q = 0; q < RAPP_PRIOR_QUOTAS; q++)
        if (!(p->quota_ms[q] > 0)) return -1;
    for (int s = 0; s < RAPP_PRIOR_SMS; s++)
        if (!(best_operators_ms(p, s) > 0)) return -1;
    for (size_t i = 0; i < p->n_operators; i++) {
        const rapp_operator *o = &p->operators[i];
        double n = n_weights(o), kernel = o->attributes[0] * o->attributes[1], groups = o->attributes[11];
        weights += n;
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
                           multiply / ops};
    for (int d = 0; d < D; d++) out[d] = best_round(all[d]);
    return 0;
}

/* ---- the level ---- */

static const double prior_variance = 0.3 * 0.3, level_noise = 0.05 * 0.05, far = 3;

static double kernel(const double *a, const double *b) {
    double distance = 0, product = 0;
    for (int d = 0; d < D; d++) distance += (a[d] - b[d]) * (a[d] - b[d]), product += a[d] * b[d];
    return prior_variance * (exp(-distance / (2 * far * far)) + product / D);
}

static void standardise(double *z, const best_krige *k, const double *x) {
    for (int d = 0; d < D; d++) z[d] = (x[d] - k->mean[d]) / k->deviation[d];
}

static void moments(best_krige *k) {
    double n = (double)k->n;
    k->level_mean = 0;
    for (size_t i = 0; i < k->n; i++) k->level_mean += k->level[i] / n;
    for (int d = 0; d < D; d++) {
        double mean = 0, square = 0;
        for (size_t i = 0; i < k->n; i++) mean += k->descriptors[i * D + (size_t)d] / n;
        for (size_t i = 0; i < k->n; i++) square += pow(k->descriptors[i * D + (size_t)d] - mean, 2) / n;
        k->mean[d] = mean;
        k->deviation[d] = square > 1e-12 ? sqrt(square) : 1;
    }
}

static void invert(best_krige *k, double *cov, double *unit) {
    size_t n = k->n;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++)
            cov[i * n + j] = kernel(&k->z[i * D], &k->z[j * D]) + (i == j ? level_noise : 0);
    best_factor(cov, n);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) unit[j] = i == j;
        best_solve(&k->inverse[i * n], cov, unit, n);
    }
}

int best_krige_make(best_krige *k) {
    size_t n = k->n;
    double *cov = malloc((n * n + 1) * sizeof *cov), *unit = malloc((n + 1) * sizeof *unit);
    k->z = malloc((n * D + 1) * sizeof *k->z);
    k->inverse = malloc((n * n + 1) * sizeof *k->inverse);
    k->alpha = calloc(n + 1, sizeof *k->alpha);
    int ok = cov && unit && k->z && k->inverse && k->alpha;
    if (ok && n) {
        moments(k);
        for (size_t i = 0; i < n; i++) standardise(&k->z[i * D], k, &k->descriptors[i * D]);
        invert(k, cov, unit);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                k->alpha[i] += k->inverse[i * n + j] * (k->level[j] - k->level_mean);
    }
    free(cov);
    free(unit);
    return ok ? 0 : -1;
}

void best_krige_free(best_krige *k) {
    free(k->descriptors);
    free(k->level);
    free(k->z);
    free(k->inverse);
    free(k->alpha);
    *k = (best_krige){.n = 0};
}

typedef struct {
    double value, variance;
} guess;

/* The example's value had it not been there: R. Dubrule, "Cross validation of kriging in a unique neighborhood", 1983. */
static guess guess_without(const best_krige *k, size_t i) {
    double precision = k->inverse[i * k->n + i];
    return (guess){k->level[i] - k->alpha[i] / precision, 1 / precision};
}

static guess guess_level(const best_krige *k, const double descriptors[D]) {
    double z[D], explained = 0;
    standardise(z, k, descriptors);
    guess g = {k->level_mean, kernel(z, z) + level_noise};
    for (size_t i = 0; i < k->n; i++) {
        double ci = kernel(z, &k->z[i * D]), sum = 0;
        for (size_t j = 0; j < k->n; j++) sum += k->inverse[i * k->n + j] * kernel(z, &k->z[j * D]);
        g.value += ci * k->alpha[i];
        explained += ci * sum;
    }
    g.variance = fmax(g.variance - explained, level_noise);
    return g;
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

/* Of two deviations from the usual: one part common to all, one of the batch, one of the SM share, one of both. */
static double deviation_covariance(int a, int b, double common) {
    double batch = (a / BEST_SMS - b / BEST_SMS) * 0.6931471805599453; /* ln 2 */
    double sm = log((a % BEST_SMS + 1.0) / (b % BEST_SMS + 1.0));
    double near_batch = exp(-batch * batch / (2 * 0.8 * 0.8)), near_sm = exp(-sm * sm / (2 * 1.5 * 1.5));
    double near_both = exp(-batch * batch / 2 - sm * sm / (2 * 0.7 * 0.7));
    return common + 0.35 * 0.35 * near_batch + 0.2 * 0.2 * near_sm + 0.08 * 0.08 * near_both;
}

static void condition(double gpu[BEST_WIDTHS], const evidence *e, int n, double common) {
    const double evidence_noise = 0.08 * 0.08;
    double cov[EVIDENCE_MAX * EVIDENCE_MAX], left[EVIDENCE_MAX], alpha[EVIDENCE_MAX];
    for (int i = 0; i < n; i++) {
        left[i] = e[i].ln_ms - gpu[e[i].width];
        for (int j = 0; j <= i; j++)
            cov[i * n + j] =
                deviation_covariance(e[i].width, e[j].width, common) + (i == j ? evidence_noise : 0);
    }
    best_factor(cov, (size_t)n);
    best_solve(alpha, cov, left, (size_t)n);
    for (int w = 0; w < BEST_WIDTHS; w++)
        for (int i = 0; i < n; i++) gpu[w] += alpha[i] * deviation_covariance(w, e[i].width, common);
}

void best_krige_gpu(double gpu[BEST_WIDTHS], const best_krige *k, const rapp_prior *p, size_t but) {
    double descriptors[D];
    evidence e[EVIDENCE_MAX];
    best_describe(descriptors, p);
    guess level = but < k->n ? guess_without(k, but) : guess_level(k, descriptors);
    for (int w = 0; w < BEST_WIDTHS; w++) gpu[w] = level.value + log(p->gmac) + k->offset[w];
    condition(gpu, e, gather_evidence(e, p), level.variance);
}
