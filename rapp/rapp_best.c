/* rapp_best.c - the kind `best`: what is known of the machine first, what remains is learned.
 *
 * Physics (the data are RaPP's: KontonGu/RaPP; the runtime is HAS-GPU's, arXiv 2505.01968):
 *   latency(batch, SM, quota) = max( G(batch, SM), f(quota) )
 * G is the kernels' time on the GPU, which no quota meters; f the time in which they can be launched, as the token
 * runtime lets a pod launch for quota * 40 ms of every 40 ms, less a guard of 1 ms.
 *
 * A DNN that was measured. G is free at each (batch, SM), f at each quota, by least absolute deviation; all
 * launch-bound points of a quota share one f, all GPU-bound points of a (batch, SM) one G, so that medians do away with
 * noise (rapp_best_separate.c). What this leaves is structured: a DNN was profiled in several sessions in which
 * launching took differently long, and the crossover is not sharp. A Gaussian process smooths it (rapp_best_smooth.c).
 * Only the resulting surface is kept. Its cv is what 68 % of the errors were below at one point in five, held out.
 *
 * A DNN of which only the prior is known (rapp_best_prior.c).
 *   f: the prior's five latencies, completed from rows of other DNNs whose five are alike (rapp_best_launch.c); where G
 *      hides it, the usual shape. They are of batch 4; at batches 1 and 2 grouped convolutions are launched faster
 *      (rapp_best_grouped.c).
 *   G: GMACs times what the kind of operators costs, by batch and SM share (a Gaussian process over other DNNs), drawn
 *      to where the prior shows G itself (rapp_best_krige.c).
 *   Trees learn ln(measured / max(G, f)) from other DNNs, each with the G and f that others taught. Features: the place;
 *      G, f and the operators' sum against each other and against the latency at quota 100 %; the steps between the five
 *      latencies; these against the ms that a window leaves for launching; operators and GMACs per ms of latency; the
 *      descriptors. As a prior is one noisy session, each training row sees one of up to nine variants of it, from
 *      neighbouring SM shares; eight forests, each with other variants, are averaged. Each is of 25 trees whose leaves a
 *      quarter of the DNNs share: the rows of a DNN have biases in common, and leaves of few DNNs learn these by heart.
 *   At last, the five known latencies correct what is predicted near them, and the surface is made to fall with SM and
 *      quota (no worse: 7.74 instead of 7.75). A measured DNN's surface is not: its sessions differ by SM share, what is
 *      left out belongs to one of them, and the error would be 4.3 instead of 3.1 (every third DNN).
 *   Its cv is what 68 % of the errors were below at DNNs left out, in three parts, by quota.
 *
 * What limits a prediction from a prior (60 DNNs of RaPP's, left out; cross-validation by model, seeds 1 to 6: MAPE 7.11,
 * 7.01, 7.27, 7.05, 6.97, 7.00; median 4.0; of it 6.9 where launching rules, 7.5 near the crossover, 7.3 where computing
 * rules; 8.9 at batch 1, 6.0 at 4). max(G, f) of the DNN's own points would leave 4.2. The five latencies come from one
 * session, and those of other sessions of the same DNN and quota differ from their median by 4 to 5 (mean), for a few DNNs
 * by 40. Were each DNN's bias at each batch known, 6.4 would remain; at each quota, 5.5; without trees, were G as the DNN's
 * own points say, 5.8, or f, 5.9 (seeds 1 to 3).
 * What each part was worth (mean of seeds 1 to 3): without what grouped convolutions spare 7.72, with it 7.30, three forests
 * averaged 7.27. Over seeds 1 to 6 that is 7.18, and without trees 7.20; with leaves of at least 4, 8, 12 DNNs 7.11, 7.09,
 * 7.09; with that, eight forests, and physics that trees see learned without a tenth of the DNNs, not a fifth, 7.07 (the
 * quarter was chosen on these seeds, a fifth: 7.08; on seeds 7 to 12 what was 7.12 became 7.08). Grouped convolutions were
 * long taken for sessions of different speed: "batches 1 and 2 were measured in another one".
 * Tried and of no use (7.72 then, if nothing else is said): a Gaussian process over all residuals instead of trees or with
 * them; leaves that weigh DNNs instead of rows; forests of DNNs or features drawn at random (7.73 to 7.86); trees without
 * descriptors; a constant bias, as prediction is unbiased under MAPE (2 % less: 7.99); for f, the median over a DNN's
 * sessions as what a row should tell (7.9); with spared groups, several sessions per row in one forest (7.31), more trees
 * (50: 7.33, 100: 7.42), leaves of 300 rows (0.03 less over six seeds). With leaves of eight DNNs (7.09): their values
 * shrunk the more, the fewer DNNs (7.09 to 7.11), 50 trees (7.10), a ridge of 1000 rows (7.10), a Gaussian process over what
 * the physics leave blended in (0.03 to 0.1 more). For G (7.07 then): operators' sums trusted the more, the more they exceed
 * that on the whole GPU (7.08), the latency at quota 100 % as a bound (7.07).
 * A slow session cannot be told from operators that several DNNs share: their times in operators.csv do not look measured one
 * by one, but like shares of the DNN's whole time (a bias_add takes 0.02 us in one DNN, 45 us in another). Nor from their sum
 * against the five latencies: ResNeXt-101 64x4d's is 1.5 times less than the latency at quota 100 %, and so is that of
 * EfficientNet-B0, whose sessions agree.
 */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calib_json.h"
#include "rapp_best_int.h"
#include "rapp_physics_int.h"

enum { MODELS_MAX = 4096, NAME_LEN = 64, THREADS_MAX = 64 };

typedef struct {
    char name[NAME_LEN];
    best_surface surface;
} known;

typedef struct {
    known *models; /* those that had points */
    size_t n;
    best_prior *prior; /* what was learned of priors */
} best;

/* ---- training on one DNN's points ---- */

static int compare_place(const void *a, const void *b) {
    return ((const best_sample *)a)->place - ((const best_sample *)b)->place;
}

/* samples[n]: one per measured place, sorted. Returns how many. */
static size_t gather(best_sample *samples, const rapp_point *points, size_t n) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        samples[i] = (best_sample){best_place(points[i].batch, points[i].sm_pct, points[i].quota_pct),
                                   log(points[i].ms)};
    qsort(samples, n, sizeof *samples, compare_place);
    for (size_t i = 0; i < n;) {
        size_t same = 0;
        double sum = 0;
        for (; i + same < n && samples[i + same].place == samples[i].place; same++)
            sum += samples[i + same].ln_ms;
        samples[kept++] = (best_sample){samples[i].place, sum / (double)same};
        i += same;
    }
    return kept;
}

static int learn_points(double ln_ms[BEST_LATTICE], const best_sample *samples, size_t n) {
    best_law law;
    best_separate(&law, samples, n);
    return best_smooth(ln_ms, &law, samples, n);
}

/* One place in five is held out: Fibonacci hashing scatters them over the lattice. */
static int is_held_out(int place) {
    return ((uint32_t)place * UINT32_C(2654435769) >> 16) % 5 == 0;
}

/* What 68 % of the errors at the held out places were below, by quota; those of the neighbouring quotas count, too. */
static void calibrate(best_surface *s, const double ln_ms[BEST_LATTICE], const best_sample *out, size_t n,
                      double *room) {
    const double share = 0.68, if_unknown = 0.2;
    const size_t enough = 10;
    for (int q = 0; q < BEST_QUOTAS; q++) {
        size_t k = 0;
        for (size_t i = 0; i < n; i++)
            if (abs(out[i].place % BEST_QUOTAS - q) <= 1)
                room[k++] = fabs(expm1(ln_ms[out[i].place] - out[i].ln_ms));
        s->cv[q] = k < enough ? if_unknown : best_quantile(room, k, share);
    }
}

/* Learns from four places in five to learn how good that is, then from all. room: 2 n samples, n doubles. */
static int learn_surface(best_surface *s, const best_sample *samples, size_t n, best_sample *room,
                         double *errors) {
    best_sample *in = room, *out = room + n;
    size_t n_in = 0, n_out = 0;
    for (size_t i = 0; i < n; i++)
        if (is_held_out(samples[i].place))
            out[n_out++] = samples[i];
        else
            in[n_in++] = samples[i];
    if (n_in && learn_points(s->ln_ms, in, n_in)) return -1;
    calibrate(s, s->ln_ms, out, n_in ? n_out : 0, errors);
    return learn_points(s->ln_ms, samples, n);
}

typedef struct {
    known *models;
    best_sample **samples;
    const size_t *n_samples;
    size_t n, first, step;
    int failed;
} share_of_work;

static void *learn_share(void *arg) {
    share_of_work *w = arg;
    for (size_t i = w->first; i < w->n && !w->failed; i += w->step) {
        size_t n = w->n_samples[i];
        best_sample *room = malloc(2 * n * sizeof *room);
        double *errors = malloc(n * sizeof *errors);
        w->failed = !room || !errors || learn_surface(&w->models[i].surface, w->samples[i], n, room, errors);
        best_surface_round(&w->models[i].surface);
        free(room);
        free(errors);
    }
    return NULL;
}

/* DNNs are independent of each other: any number of threads gives the same. A thread that cannot be had is no loss. */
static int learn_known(best *m, best_sample **samples, const size_t *n_samples, unsigned threads) {
    share_of_work work[THREADS_MAX];
    pthread_t id[THREADS_MAX];
    int running[THREADS_MAX] = {0}, failed = 0;
    if (threads > THREADS_MAX) threads = THREADS_MAX;
    for (unsigned t = 0; t < threads; t++)
        work[t] = (share_of_work){m->models, samples, n_samples, m->n, t, threads, 0};
    for (unsigned t = 1; t < threads; t++) running[t] = !pthread_create(&id[t], NULL, learn_share, &work[t]);
    for (unsigned t = 0; t < threads; t++)
        if (!running[t]) learn_share(&work[t]);
    for (unsigned t = 0; t < threads; t++) {
        if (running[t]) pthread_join(id[t], NULL);
        failed |= work[t].failed;
    }
    return failed ? -1 : 0;
}

/* ---- training ---- */

typedef struct { /* of the models with used points */
    best_sample **samples;
    size_t *n_samples;
    const rapp_prior **priors;
} material;

static void material_free(material *t, size_t n) {
    for (size_t i = 0; t->samples && i < n; i++) free(t->samples[i]);
    free(t->samples);
    free(t->n_samples);
    free(t->priors);
}

static int add_model(best *m, material *t, const rapp_data *data, const unsigned char *use, size_t model) {
    size_t n;
    rapp_point *points = rapp_points_of(data, use, model, &n);
    best_sample *samples = n ? malloc(n * sizeof *samples) : NULL;
    int rc = points && (!n || samples) ? 0 : -1;
    if (!rc && n) {
        t->n_samples[m->n] = gather(samples, points, n);
        t->samples[m->n] = samples;
        t->priors[m->n] = rapp_data_prior(data, model);
        snprintf(m->models[m->n++].name, NAME_LEN, "%s", rapp_data_model_name(data, model));
        samples = NULL;
    }
    free(samples);
    free(points);
    return rc;
}

static void close(void *state) {
    best *m = state;
    if (!m) return;
    best_prior_free(m->prior);
    free(m->models);
    free(m);
}

static void tell(const rapp_options *options, const char *line) {
    if (options->progress) options->progress(options->progress_arg, line);
}

static int train(void **state, const rapp_data *data, const unsigned char *use, const rapp_options *options,
                 char err[RAPP_ERR_LEN]) {
    size_t n = rapp_data_n_models(data);
    best *m = calloc(1, sizeof *m);
    material t = {calloc(n + 1, sizeof *t.samples), calloc(n + 1, sizeof *t.n_samples),
                  calloc(n + 1, sizeof *t.priors)};
    if (m) m->models = calloc(n + 1, sizeof *m->models);
    int rc = m && m->models && t.samples && t.n_samples && t.priors ? 0 : -1;
    for (size_t i = 0; i < n && !rc; i++) rc = add_model(m, &t, data, use, i);
    tell(options, "each DNN's own points");
    if (!rc) rc = learn_known(m, t.samples, t.n_samples, options->threads);
    tell(options, "what a prior tells");
    if (!rc) rc = best_prior_learn(&m->prior, t.priors, t.samples, t.n_samples, m->n);
    material_free(&t, n);
    *state = rc ? NULL : m;
    if (!rc) return 0;
    close(m);
    return rapp_fail_memory(err);
}

/* ---- file ---- */

static cJSON *save_known(const known *k) {
    cJSON *o = cJSON_CreateObject();
    cJSON *cv = cJSON_CreateDoubleArray(k->surface.cv, BEST_QUOTAS);
    cJSON *ln_ms = cJSON_CreateDoubleArray(k->surface.ln_ms, BEST_LATTICE);
    int named = cJSON_AddStringToObject(o, "name", k->name) != NULL;
    int has_cv = cJSON_AddItemToObject(o, "cv", cv), has_ln = cJSON_AddItemToObject(o, "ln_ms", ln_ms);
    if (named && has_cv && has_ln) return o;
    if (!has_cv) cJSON_Delete(cv);
    if (!has_ln) cJSON_Delete(ln_ms);
    cJSON_Delete(o);
    return NULL;
}

static cJSON *save(const void *state) {
    const best *m = state;
    cJSON *root = cJSON_CreateObject(), *models = cJSON_AddArrayToObject(root, "models");
    cJSON *prior = best_prior_save(m->prior);
    int bad = !models || !prior || !cJSON_AddItemToObject(root, "prior", prior);
    if (bad) cJSON_Delete(prior);
    for (size_t i = 0; i < m->n && !bad; i++) {
        cJSON *k = save_known(&m->models[i]);
        bad = !k || !cJSON_AddItemToArray(models, k);
    }
    if (!bad) return root;
    cJSON_Delete(root);
    return NULL;
}

static void load_known(known *k, calib_json *j, const cJSON *from) {
    static const char *const keys[] = {"name", "cv", "ln_ms", NULL};
    calib_json_keys(j, from, keys);
    snprintf(k->name, sizeof k->name, "%s", calib_json_text(j, from, "name"));
    best_load_numbers(j, from, "cv", k->surface.cv, BEST_QUOTAS, BEST_CV_MOST);
    best_load_numbers(j, from, "ln_ms", k->surface.ln_ms, BEST_LATTICE, BEST_LN_MOST);
}

static int load_all(best *m, calib_json *j, const cJSON *from, char err[RAPP_ERR_LEN]) {
    static const char *const keys[] = {"models", "prior", NULL};
    calib_json_keys(j, from, keys);
    const cJSON *models = calib_json_array(j, from, "models", 0, MODELS_MAX);
    const cJSON *prior = calib_json_object(j, from, "prior");
    if (j->failed) return -1;
    m->models = calloc((size_t)cJSON_GetArraySize(models) + 1, sizeof *m->models);
    if (!m->models) return rapp_fail_memory(err);
    for (const cJSON *k = models->child; k && !j->failed; k = k->next) {
        size_t outer = calib_json_enter(j, "models"), inner = calib_json_enter_at(j, (int)m->n);
        load_known(&m->models[m->n++], j, k);
        calib_json_leave(j, inner);
        calib_json_leave(j, outer);
    }
    size_t mark = calib_json_enter(j, "prior");
    int rc = j->failed ? -1 : best_prior_load(&m->prior, j, prior, err);
    calib_json_leave(j, mark);
    return rc;
}

static int load(void **state, const cJSON *from, char err[RAPP_ERR_LEN]) {
    calib_json j = {.file = "state", .err = err};
    best *m = calloc(1, sizeof *m);
    *state = m;
    if (!m) return rapp_fail_memory(err);
    if (!load_all(m, &j, from, err)) return 0;
    close(m);
    *state = NULL;
    return -1;
}

/* ---- binding ---- */

static const best_surface *find_known(const best *m, const char *dnn) {
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->models[i].name, dnn) == 0) return &m->models[i].surface;
    return NULL;
}

static int bind(void **bound, const void *state, const char *dnn, const rapp_prior *prior,
                char err[RAPP_ERR_LEN]) {
    const best *m = state;
    const best_surface *own = find_known(m, dnn);
    best_surface *s = malloc(sizeof *s);
    *bound = NULL;
    if (!s) return rapp_fail_memory(err);
    int rc = 0;
    if (own)
        *s = *own;
    else if (!prior || best_prior_surface(m->prior, prior, s))
        rc = rapp_fail_unknown(dnn, err);
    if (rc)
        free(s);
    else
        *bound = s;
    return rc;
}

static rapp_estimate estimate(const void *bound, uint32_t batch, uint32_t sm_pct, uint32_t quota_pct) {
    return best_surface_at(bound, batch, sm_pct, quota_pct);
}

const rapp_kind rapp_kind_best = {
    "best",
    "our own: max(G, f), and what it leaves learned (Gaussian process per DNN; of a prior: of its kind, then "
    "trees)",
    train,
    save,
    load,
    close,
    bind,
    estimate,
    free,
};
