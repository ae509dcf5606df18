/* test_rapp_best.c - the kind `best`: its parts where the right answer is known, and the whole on public data. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "rapp_best_int.h"
#include "rapp_eval.h"
#include "rapp_sample.h"

static double draw(uint64_t *state) { /* in [-1, 1) */
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(*state >> 11) * 0x1p-52 - 1;
}

/* ---- arithmetic ---- */

static void solves(void **state) {
    (void)state;
    enum { N = 21 };
    double a[N * N], l[N * N], x[N], y[N] = {0}, found[N];
    uint64_t seed = 1;
    for (int i = 0; i < N; i++) {
        x[i] = draw(&seed);
        for (int j = 0; j < N; j++) l[i * N + j] = a[i * N + j] = i == j ? 3 : exp(-abs(i - j));
    }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) y[i] += a[i * N + j] * x[j];
    best_factor(l, N);
    best_solve(found, l, y, N);
    for (int i = 0; i < N; i++) assert_true(fabs(found[i] - x[i]) < 1e-12);
}

static void fills_lines(void **state) {
    (void)state;
    const double hidden = BEST_HIDDEN;
    double y[5] = {hidden, 2, hidden, 4, hidden}, none[2] = {hidden, hidden};
    best_fill_line(y, 5, -1);
    assert_true(fabs(y[0] - (2 + log(2))) < 1e-12);
    assert_true(fabs(y[2] - (2 + 2 * log(1.5) / log(2))) < 1e-12);
    assert_true(fabs(y[4] - (4 - log(5.0 / 4))) < 1e-12);
    best_fill_line(none, 2, -1);
    assert_true(none[0] <= hidden && none[1] <= hidden);
}

/* ---- trees ---- */

static const rapp_trees_options few = {60, 8, 5, 0, 0.2, 1};

/* Steps that cross: one feature decides, the other says in which sense; a third is noise. */
static void trees_learn_steps(void **state) {
    (void)state;
    enum { ROWS = 4000 };
    static double x[ROWS * 3], y[ROWS];
    uint64_t seed = 3;
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t k = 0; k < 3; k++) x[3 * i + k] = draw(&seed);
        y[i] = (x[3 * i] > 0.3 ? 0.4 : -0.2) * (x[3 * i + 1] > -0.1 ? 1 : -1);
    }
    rapp_trees t, again;
    assert_int_equal(rapp_trees_train(&t, x, y, NULL, ROWS, 3, &few), 0);
    assert_int_equal(rapp_trees_train(&again, x, y, NULL, ROWS, 3, &few), 0);
    double error = 0;
    for (size_t i = 0; i < ROWS; i++) {
        error += fabs(rapp_trees_value(&t, &x[3 * i]) - y[i]) / ROWS;
        assert_true(rapp_trees_value(&t, &x[3 * i]) == rapp_trees_value(&again, &x[3 * i]));
    }
    assert_true(error < 0.02);
    rapp_trees_free(&t);
    rapp_trees_free(&again);
}

/* Relative error: of 1 and 2 ms in equal parts, 1 ms is best (mean error 0.25), 2 ms is worst (0.5). */
static void trees_minimise_relative_error(void **state) {
    (void)state;
    enum { ROWS = 200 };
    double x[ROWS] = {0}, y[ROWS];
    for (size_t i = 0; i < ROWS; i++) y[i] = i % 2 ? log(2) : 0;
    rapp_trees t;
    assert_int_equal(rapp_trees_train(&t, x, y, NULL, ROWS, 1, &few), 0);
    assert_true(fabs(rapp_trees_value(&t, x)) < 1e-6);
    rapp_trees_free(&t);
}

/* Of eight groups one is special. A feature that tells it apart is of use only where a leaf may have a single group. */
static void leaves_are_of_several_groups(void **state) {
    (void)state;
    enum { ROWS = 800, GROUPS = 8 };
    double x[2 * ROWS], y[ROWS];
    uint32_t group[ROWS];
    uint64_t seed = 11;
    for (size_t i = 0; i < ROWS; i++) {
        group[i] = (uint32_t)(i % GROUPS);
        x[2 * i] = group[i], x[2 * i + 1] = draw(&seed);
        y[i] = (group[i] == GROUPS - 1 ? 0.5 : 0) + (x[2 * i + 1] > 0.1 ? 0.2 : 0);
    }
    for (int least = 1; least <= 2; least++) {
        rapp_trees_options options = few;
        rapp_trees t;
        options.groups_per_leaf = least;
        assert_int_equal(rapp_trees_train(&t, x, y, group, ROWS, 2, &options), 0);
        double special = rapp_trees_value(&t, (double[]){GROUPS - 1, 0.5});
        double usual = rapp_trees_value(&t, (double[]){0, 0.5}), low = rapp_trees_value(&t, (double[]){0, 0});
        if (least == 1)
            assert_true(special > 0.5);
        else
            assert_true(special <
                        0.5); /* what it shares with its neighbour: relative errors lean to the less */
        assert_true(fabs(usual - 0.2) < 0.02 && fabs(low) < 0.02);
        rapp_trees_free(&t);
    }
}

/* Half of one forest and twice another, in either order of asking. */
static void forests_are_added(void **state) {
    (void)state;
    enum { ROWS = 500 };
    static double x[ROWS], y[ROWS], z[ROWS];
    uint64_t seed = 5;
    for (size_t i = 0; i < ROWS; i++) {
        x[i] = draw(&seed);
        y[i] = x[i] > 0.2, z[i] = x[i] > -0.4 ? 0.3 : 0;
    }
    rapp_trees a, b, sum = {0};
    assert_int_equal(rapp_trees_train(&a, x, y, NULL, ROWS, 1, &few), 0);
    assert_int_equal(rapp_trees_train(&b, x, z, NULL, ROWS, 1, &few), 0);
    assert_int_equal(rapp_trees_add(&sum, &a, 0.5), 0);
    assert_int_equal(rapp_trees_add(&sum, &b, 2), 0);
    assert_int_equal(sum.n_trees, a.n_trees + b.n_trees);
    for (size_t i = 0; i < ROWS; i++) {
        double expected = 0.5 * rapp_trees_value(&a, &x[i]) + 2 * rapp_trees_value(&b, &x[i]);
        assert_true(fabs(rapp_trees_value(&sum, &x[i]) - expected) < 1e-6);
    }
    char err[RAPP_ERR_LEN] = "";
    calib_json j = {.file = "state", .err = err};
    cJSON *saved = rapp_trees_save(&sum);
    rapp_trees loaded;
    rapp_trees_load(&loaded, &j, saved, 1);
    assert_false(j.failed);
    assert_true(rapp_trees_value(&loaded, &x[7]) == rapp_trees_value(&sum, &x[7]));
    cJSON_Delete(saved);
    rapp_trees_free(&a), rapp_trees_free(&b), rapp_trees_free(&sum), rapp_trees_free(&loaded);
}

static void trees_refuse(const char *text, const char *expected) {
    char err[RAPP_ERR_LEN] = "";
    calib_json j = {.file = "state", .err = err};
    cJSON *from = cJSON_Parse(text);
    assert_non_null(from);
    rapp_trees t;
    rapp_trees_load(&t, &j, from, 2);
    rapp_trees_free(&t);
    cJSON_Delete(from);
    if (!j.failed || !strstr(err, expected)) fail_msg("%s: \"%s\"", text, err);
}

/* A walk must end: children come after their parent, and within the array. */
static void hostile_trees_are_refused(void **state) {
    (void)state;
    trees_refuse("{\"feature\":[0],\"left\":[0],\"right\":[0],\"value\":[1],\"roots\":[0]}",
                 "none of 1 to 0");
    trees_refuse("{\"feature\":[2],\"left\":[0],\"right\":[0],\"value\":[1],\"roots\":[0]}",
                 "none of -1 to 1");
    trees_refuse("{\"feature\":[-1],\"left\":[0],\"right\":[0],\"value\":[1],\"roots\":[1]}",
                 "none of 0 to 0");
    trees_refuse("{\"feature\":[-1],\"left\":[],\"right\":[0],\"value\":[1],\"roots\":[0]}",
                 "another length");
    trees_refuse("{\"feature\":[-1],\"left\":[0],\"right\":[0],\"value\":[\"1\"],\"roots\":[0]}",
                 "no number");
    /* a tree that goes on in the next one, and roots that do not rise */
    trees_refuse(
        "{\"feature\":[0,-1,-1],\"left\":[1,0,0],\"right\":[2,0,0],\"value\":[1,1,1],\"roots\":[0,2]}",
        "1 to 1");
    trees_refuse("{\"feature\":[-1,-1],\"left\":[0,0],\"right\":[0,0],\"value\":[1,1],\"roots\":[1,0]}",
                 "2 to 1");
    trees_refuse("{\"feature\":[-1],\"left\":[0],\"right\":[0],\"value\":[1]}", "roots");
}

/* ---- one DNN's points ---- */

static double true_ln_ms(int place) {
    int w = place / BEST_QUOTAS;
    double gpu = 2 + 100.0 * (1 << w / BEST_SMS) / (w % BEST_SMS + 1);
    return log(fmax(gpu, 300.0 / (place % BEST_QUOTAS + 1)));
}

/* Two in three places of batches 1 to 8, with noise. */
static size_t make_samples(best_sample *samples, double noise, uint64_t seed) {
    size_t n = 0;
    for (int p = 0; p < 4 * BEST_SMS * BEST_QUOTAS; p++)
        if (draw(&seed) < 1.0 / 3) samples[n++] = (best_sample){p, true_ln_ms(p) + noise * draw(&seed)};
    return n;
}

static void separates_and_smooths(void **state) {
    (void)state;
    const double noise = 0.06; /* uniform: mean |noise| 3 % */
    static best_sample samples[BEST_LATTICE];
    static double ln_ms[BEST_LATTICE];
    size_t n = make_samples(samples, noise, 7), places = 4 * BEST_SMS * BEST_QUOTAS;
    best_law law;
    best_separate(&law, samples, n);
    for (int q = 0; q < 3; q++) assert_true(fabs(law.launch[q] - log(300.0 / (q + 1))) < 0.03);
    assert_int_equal(best_smooth(ln_ms, &law, samples, n), 0);
    double of_law = 0, of_smooth = 0;
    for (int p = 0; p < (int)places; p++) {
        of_law += fabs(best_law_at(&law, p) - true_ln_ms(p)) / (double)places;
        of_smooth += fabs(ln_ms[p] - true_ln_ms(p)) / (double)places;
    }
    assert_true(of_law < 0.03 && of_smooth < 0.025);
    int beyond = best_place(32, 5, 100); /* G is continued to batches that nobody measured */
    assert_true(fabs(ln_ms[beyond] - true_ln_ms(beyond)) < 0.1);
}

/* Sessions: one SM share launches 30 % slower than the others. Places that were left out follow their session. */
static void sessions_are_followed(void **state) {
    (void)state;
    static best_sample samples[BEST_LATTICE];
    static double ln_ms[BEST_LATTICE];
    size_t n = make_samples(samples, 0.01, 9);
    int slow = 14;
    for (size_t i = 0; i < n; i++)
        if (samples[i].place / BEST_QUOTAS % BEST_SMS >= slow) samples[i].ln_ms += log(1.3);
    best_law law;
    best_separate(&law, samples, n);
    assert_int_equal(best_smooth(ln_ms, &law, samples, n), 0);
    double error = 0;
    int count = 0;
    for (int s = slow; s < BEST_SMS; s++, count++) {
        int p = best_width_of(1, s) * BEST_QUOTAS + 2;
        error += fabs(ln_ms[p] - true_ln_ms(p) - log(1.3));
    }
    assert_true(error / count < 0.05);
}

/* A (batch, SM) measured at one launch-bound place alone says nothing of its G, even if the place is a bit slow. */
static void launch_bound_places_show_no_gpu_time(void **state) {
    (void)state;
    static best_sample samples[BEST_LATTICE];
    best_law law;
    size_t n = make_samples(samples, 0, 11), kept = 0;
    int w = best_width_of(3, 0); /* no larger batch or smaller share bounds it */
    for (size_t i = 0; i < n; i++)
        if (samples[i].place / BEST_QUOTAS != w) samples[kept++] = samples[i];
    for (size_t i = 0; i < kept;
         i++) /* the batch's kernels are fast: all of it is bound by launching at 10 % */
        if (samples[i].place / BEST_QUOTAS / BEST_SMS == 3)
            samples[i].ln_ms = log(fmax(120.0 / (samples[i].place / BEST_QUOTAS % BEST_SMS + 1),
                                        300.0 / (samples[i].place % BEST_QUOTAS + 1)));
    samples[kept++] = (best_sample){w * BEST_QUOTAS, log(300 * 1.01)};
    best_separate(&law, samples, kept);
    assert_true(law.gpu[w] < log(200));
}

static void one_sample_is_enough(void **state) {
    (void)state;
    best_sample one = {best_place(8, 5, 10), log(900)};
    static double ln_ms[BEST_LATTICE];
    best_law law;
    best_separate(&law, &one, 1);
    assert_int_equal(best_smooth(ln_ms, &law, &one, 1), 0);
    for (int p = 0; p < BEST_LATTICE; p++) assert_true(isfinite(ln_ms[p]) && ln_ms[p] < log(1e5));
    assert_true(fabs(ln_ms[one.place] - one.ln_ms) < 0.01);
}

static void between_and_beyond_the_lattice(void **state) {
    (void)state;
    static best_surface s;
    for (int p = 0; p < BEST_LATTICE; p++) s.ln_ms[p] = true_ln_ms(p);
    for (uint32_t b = 1; b <= 32; b *= 2)
        for (uint32_t sm = 5; sm <= 100; sm += 5)
            for (uint32_t q = 10; q <= 100; q += 10)
                assert_true(fabs(log(best_surface_at(&s, b, sm, q).ms) - true_ln_ms(best_place(b, sm, q))) <
                            1e-12);
    double between = best_surface_at(&s, 3, 37, 44).ms;
    assert_true(between < best_surface_at(&s, 4, 35, 40).ms && between > best_surface_at(&s, 2, 40, 50).ms);
    assert_true(fabs(best_surface_at(&s, 1, 100, 5).ms / 600 - 1) < 1e-9); /* f is 300 / (quota / 10) */
    assert_true(fabs(best_surface_at(&s, 1, 100, 25).ms / 120 - 1) < 1e-9);
}

static void assert_monotone(const best_surface *s, uint32_t batch) {
    for (uint32_t sm = 2; sm <= 100; sm++)
        for (uint32_t q = 2; q <= 100; q++) {
            double ms = best_surface_at(s, batch, sm, q).ms * (1 - 1e-12);
            assert_true(ms > 0 && ms <= best_surface_at(s, batch, sm - 1, q).ms);
            assert_true(ms <= best_surface_at(s, batch, sm, q - 1).ms);
        }
}

/* Noise is taken out of the order, half of it at most; what is in order is left alone, and so is what lies beyond. */
static void surfaces_are_made_monotone(void **state) {
    (void)state;
    static best_surface clean, noisy;
    const double noise = 0.2;
    uint64_t seed = 5;
    for (int p = 0; p < BEST_LATTICE; p++) {
        clean.ln_ms[p] = true_ln_ms(p);
        noisy.ln_ms[p] = clean.ln_ms[p] + noise * draw(&seed);
    }
    best_surface_make_monotone(&clean);
    for (int p = 0; p < BEST_LATTICE; p++) assert_true(clean.ln_ms[p] == true_ln_ms(p));
    best_surface_make_monotone(&noisy);
    for (int p = 0; p < BEST_LATTICE; p++) assert_true(fabs(noisy.ln_ms[p] - clean.ln_ms[p]) <= noise);
    for (uint32_t batch = 1; batch <= 32; batch += 5) {
        assert_monotone(&clean, batch);
        assert_monotone(&noisy, batch);
    }
}

/* What is written can be read: a point that is a million times off makes no error larger than a file holds. */
static void surfaces_fit_a_file(void **state) {
    (void)state;
    static best_surface s;
    for (int p = 0; p < BEST_LATTICE; p++) s.ln_ms[p] = p % 2 ? 1e3 : -1e3;
    s.ln_ms[7] = NAN;
    for (int q = 0; q < BEST_QUOTAS; q++) s.cv[q] = q % 2 ? INFINITY : 3e6;
    best_surface_round(&s);
    for (int p = 0; p < BEST_LATTICE; p++) assert_true(fabs(s.ln_ms[p]) <= BEST_LN_MOST);
    for (int q = 0; q < BEST_QUOTAS; q++) assert_true(s.cv[q] <= BEST_CV_MOST);
}

/* ---- a prior ---- */

/* Latencies under windows of 40 ms: launching takes `work` ms of them, each lets 40 ms * quota less 1 pass, and what
 * needs another window waits for it. */
static double windows_ms(double work, int q) {
    double usable = 4.0 * (q + 1) - 1, windows = floor(work / usable);
    return work + windows * (40 - usable);
}

/* Between told quotas the interpolation knows nothing of windows; DNNs that take as long do. */
static void quotas_between_are_completed(void **state) {
    (void)state;
    enum { ROWS = 150 };
    static double rows[ROWS][BEST_QUOTAS];
    double by_line = 0, by_rows = 0, n = 0;
    best_launch learned = {0}, line = {.first = log(3)};
    for (int i = 0; i < ROWS; i++)
        for (int q = 0; q < BEST_QUOTAS; q++)
            rows[i][q] = i % 7 == 3 && q == 4 ? BEST_HIDDEN : log(windows_ms(4 * exp(i * 0.02), q));
    assert_int_equal(best_launch_learn(&learned, (const double(*)[BEST_QUOTAS])rows, ROWS), 0);
    for (double work = 5.03; work < 70; work *= 1.07) {
        double told[RAPP_PRIOR_QUOTAS], a[BEST_QUOTAS], b[BEST_QUOTAS];
        for (int k = 0; k < RAPP_PRIOR_QUOTAS; k++) told[k] = log(windows_ms(work, 2 * k + 1));
        best_launch_complete(a, &line, told);
        best_launch_complete(b, &learned, told);
        for (int k = 0; k < RAPP_PRIOR_QUOTAS; k++)
            assert_true(a[2 * k + 1] == told[k] && b[2 * k + 1] == told[k]);
        for (int q = 0; q < BEST_QUOTAS; q += 2, n++) {
            by_line += fabs(a[q] - log(windows_ms(work, q)));
            by_rows += fabs(b[q] - log(windows_ms(work, q)));
        }
    }
    print_message("between told quotas: line %.1f %% off, completed %.1f %%\n", 100 * by_line / n,
                  100 * by_rows / n);
    assert_true(by_rows < 0.5 * by_line);
    best_launch_free(&learned);
}

static const rapp_operator conv = {
    "conv2d", {3, 3, 64, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {64, 64, 3, 3}, {8, 4, 2, 2, 2, 2}};

/* DNNs of one kind: G is GMACs to the power of 1.2, times batch / SM. The usual course is known, the power is not. */
static double kind_ln_ms(double gmac, int width) {
    return 1.2 * log(gmac) + log((1 << width / BEST_SMS) * 20.0 / (width % BEST_SMS + 1));
}

static void make_kind(best_krige *k, rapp_prior *p) {
    enum { KIN = 12, PER = 30 };
    *k = (best_krige){.n_models = KIN, .n_cells = (size_t)KIN * PER};
    k->descriptors = calloc(KIN * BEST_DESCRIPTORS, sizeof *k->descriptors);
    k->cells = calloc(k->n_cells, sizeof *k->cells);
    assert_true(k->descriptors && k->cells);
    for (int w = 0; w < BEST_WIDTHS; w++) k->offset[w] = kind_ln_ms(1, w);
    for (uint32_t i = 0; i < KIN; i++) {
        p->gmac = 0.5 + i;
        assert_int_equal(best_describe(&k->descriptors[i * BEST_DESCRIPTORS], p), 0);
        for (uint32_t c = 0; c < PER; c++) {
            int width = best_width_of(1 + (int)c / 10, (int)c % 10 * 2);
            double left = kind_ln_ms(p->gmac, width) - log(p->gmac) - k->offset[width];
            k->cells[i * PER + c] = (best_cell){i, width, left};
        }
    }
    assert_int_equal(best_krige_make(k), 0);
}

static void gpu_time_follows_the_kind(void **state) {
    (void)state;
    best_krige k;
    double gpu[BEST_WIDTHS];
    rapp_prior p = {.has_graph = 1, .n_conv2d = 1, .operators = &conv, .n_operators = 1};
    for (int q = 0; q < RAPP_PRIOR_QUOTAS; q++) p.quota_ms[q] = 100 - q; /* launching hides G(4, 100 %) */
    make_kind(&k, &p);
    p.gmac = 5;
    assert_int_equal(best_krige_gpu(gpu, &k, &p), 0);
    for (int b = 1; b < 4; b++)
        for (int s = 0; s < 18; s++)
            assert_true(fabs(gpu[best_width_of(b, s)] - kind_ln_ms(5, best_width_of(b, s))) < 0.02);
    for (int w = 0; w < BEST_WIDTHS; w++) {
        assert_true(w % BEST_SMS == 0 || gpu[w] <= gpu[w - 1]);
        assert_true(w < BEST_SMS || gpu[w] >= gpu[w - BEST_SMS]);
    }
    best_krige_free(&k);
}

/* Where the prior's operators show G at batch 1, G is drawn towards it: the same times, hidden and shown. */
static void gpu_time_is_drawn_to_what_shows(void **state) {
    (void)state;
    best_krige k;
    double hidden[BEST_WIDTHS], shown[BEST_WIDTHS];
    const double ms = 300;
    rapp_operator flat = conv, falling = conv;
    rapp_prior p = {.has_graph = 1, .n_conv2d = 1, .operators = &conv, .n_operators = 1};
    for (int q = 0; q < RAPP_PRIOR_QUOTAS; q++) p.quota_ms[q] = 100 - q;
    make_kind(&k, &p);
    for (int s = 0; s < RAPP_PRIOR_SMS; s++) flat.ms[s] = ms, falling.ms[s] = s ? 30 : ms;
    p.gmac = 5;
    p.operators = &flat;
    assert_int_equal(best_krige_gpu(hidden, &k, &p), 0);
    p.operators = &falling;
    assert_int_equal(best_krige_gpu(shown, &k, &p), 0);
    assert_true(fabs(shown[0] - log(ms)) < 0.7 * fabs(hidden[0] - log(ms)));
    best_krige_free(&k);
}

/* ---- the whole, on public data ---- */

static rapp_data *open_v100(void) {
    char err[RAPP_ERR_LEN];
    rapp_data *d = NULL;
    if (access(RAPP_SAMPLE_V100 "/latency.csv", R_OK) == 0 && rapp_data_open(&d, RAPP_SAMPLE_V100, err))
        fail_msg("%s", err);
    if (!d) print_message("skipped: %s is not there\n", RAPP_SAMPLE_V100);
    return d;
}

/* Every third DNN, so that it takes seconds; of those with a prior, every ninth is left out entirely, and of the
 * others every eighth point. 1: used; 2: left out point; 3: point of a DNN left out. */
static unsigned char *make_use(const rapp_data *d) {
    unsigned char *use = calloc(rapp_data_n_points(d), 1);
    if (!use) abort();
    for (size_t p = 0; p < rapp_data_n_points(d); p++) {
        size_t m = rapp_data_points(d)[p].model;
        if (m % 3) continue;
        int is_out = m % 9 == 0 && rapp_prior_is_complete(rapp_data_prior(d, m));
        use[p] = is_out ? 3 : p % 8 == 0 ? 2 : 1;
    }
    return use;
}

static rapp_model *train_used(const rapp_data *d, const unsigned char *use, unsigned threads) {
    char err[RAPP_ERR_LEN];
    rapp_model *m = NULL;
    rapp_options options = {.seed = 1, .threads = threads};
    unsigned char *one = calloc(rapp_data_n_points(d), 1);
    if (!one) abort();
    for (size_t p = 0; p < rapp_data_n_points(d); p++) one[p] = use[p] == 1;
    if (rapp_train(&m, "best", d, one, &options, err)) fail_msg("%s", err);
    free(one);
    return m;
}

/* Errors of the points that are marked so; of them, the share whose error is within cv. */
static double mape_pct(const rapp_model *m, const rapp_data *d, const unsigned char *use, int mark,
                       double *within) {
    char err[RAPP_ERR_LEN];
    double sum = 0, n = 0;
    *within = 0;
    rapp_bound *b = NULL;
    size_t bound = SIZE_MAX;
    for (size_t p = 0; p < rapp_data_n_points(d); p++) {
        const rapp_point *x = &rapp_data_points(d)[p];
        if (use[p] != mark) continue;
        if (x->model != bound) {
            rapp_unbind(b);
            const rapp_prior *prior = rapp_data_prior(d, x->model);
            if (rapp_bind(&b, m, rapp_data_model_name(d, x->model), prior, err)) fail_msg("%s", err);
            bound = x->model;
        }
        rapp_estimate e = rapp_estimate_of(b, x->batch, x->sm_pct, x->quota_pct);
        double error = fabs(e.ms / x->ms - 1);
        sum += error, *within += error < e.cv, n++;
    }
    rapp_unbind(b);
    *within /= n;
    return 100 * sum / n;
}

/* The bounds are loose: a third of the DNNs teaches less than all. */
static void predicts_what_it_has_not_seen(void **state) {
    (void)state;
    char err[RAPP_ERR_LEN];
    rapp_sample s;
    rapp_data *d = open_v100();
    if (!d) skip();
    unsigned char *use = make_use(d);
    rapp_model *m = train_used(d, use, 2), *same = train_used(d, use, 1), *loaded = NULL;
    double within_2, within_3, by_config = mape_pct(m, d, use, 2, &within_2);
    double by_model = mape_pct(m, d, use, 3, &within_3), again;
    print_message("points left out: %.2f %% (%.0f %% within cv); DNNs left out: %.2f %% (%.0f %%)\n",
                  by_config, 100 * within_2, by_model, 100 * within_3);
    assert_true(by_config < 4 && by_model < 14);
    assert_true(within_2 > 0.58 && within_2 < 0.8 && within_3 > 0.45 && within_3 < 0.9);
    assert_true(mape_pct(same, d, use, 2, &again) == by_config &&
                mape_pct(same, d, use, 3, &again) == by_model);
    rapp_sample_open(&s);
    char path[128];
    snprintf(path, sizeof path, "%s/model.json", s.dir);
    if (rapp_save(m, path, err) || rapp_load(&loaded, path, err)) fail_msg("%s", err);
    assert_true(mape_pct(loaded, d, use, 2, &again) == by_config);
    assert_true(mape_pct(loaded, d, use, 3, &again) == by_model);
    rapp_bound *b = NULL;
    assert_int_equal(rapp_bind(&b, m, "never heard of", NULL, err), -1);
    rapp_sample_close(&s);
    rapp_close(m), rapp_close(same), rapp_close(loaded);
    free(use);
    rapp_data_close(d);
}

/* ---- grouped convolutions ---- */

static rapp_operator convolution(double groups, double width) {
    return (rapp_operator){.type = "conv2d",
                           .attributes = {3, 3, groups * width, 1, 1, 1, 1, 1, 1, 1, 1, groups},
                           .shape = {groups * width, width, 3, 3}};
}

/* Ten operators: at batch 1 all groups are spared, at batch 2 those of narrow convolutions, from 4 on none; depthwise
 * and ordinary ones never. */
static void groups_are_counted(void **state) {
    (void)state;
    rapp_operator all[10];
    for (int i = 0; i < 10; i++) all[i] = (rapp_operator){.type = "batch_norm"};
    all[0] = convolution(32, 4), all[1] = convolution(8, 48), all[2] = convolution(96, 1),
    all[3] = convolution(1, 64);
    rapp_prior p = {.operators = all, .n_operators = 10};
    assert_true(fabs(best_grouped_spared(&p, 0) - 4.0) < 1e-12);
    assert_true(fabs(best_grouped_spared(&p, 1) - 3.2) < 1e-12);
    for (int b = 2; b < BEST_BATCHES; b++) assert_true(best_grouped_spared(&p, b) <= 0);
    p.n_operators = 0;
    assert_true(best_grouped_spared(&p, 0) <= 0);
}

/* Of seven DNNs five obey, one is an exception, and one has no groups. */
static void shares_are_found(void **state) {
    (void)state;
    const double share = 0.06;
    best_grouped g[7];
    for (int i = 0; i < 5; i++) g[i] = (best_grouped){i + 1, log1p(share * (i + 1))};
    g[5] = (best_grouped){5, 0}, g[6] = (best_grouped){0, 3};
    assert_true(fabs(best_grouped_learn(g, 7) - share) < 1e-8);
    assert_true(best_grouped_learn(g + 6, 1) <= 0);
    assert_true(best_grouped_learn(g, 0) <= 0);
    g[0].ln_ratio = -1; /* faster with the large batch: nothing is spared */
    assert_true(best_grouped_learn(g, 1) <= 0);
}

/* Three points and one prior teach nothing about priors; what was measured is still told. */
static void little_data_is_no_error(void **state) {
    (void)state;
    char err[RAPP_ERR_LEN], path[128];
    rapp_sample s;
    rapp_data *d = NULL;
    rapp_sample_open(&s);
    if (rapp_data_open(&d, s.dir, err)) fail_msg("%s", err);
    rapp_model *m = NULL, *loaded = NULL;
    rapp_bound *b = NULL;
    rapp_options options = {.seed = 1, .threads = 3};
    if (rapp_train(&m, "best", d, NULL, &options, err)) fail_msg("%s", err);
    snprintf(path, sizeof path, "%s/model.json", s.dir);
    if (rapp_save(m, path, err) || rapp_load(&loaded, path, err)) fail_msg("%s", err);
    if (rapp_bind(&b, loaded, "seen", NULL, err)) fail_msg("%s", err);
    assert_true(fabs(rapp_estimate_of(b, 8, 5, 10).ms / 900.5 - 1) < 0.01);
    rapp_unbind(b);
    assert_int_equal(rapp_bind(&b, loaded, "unseen", rapp_data_prior(d, 2), err), -1);
    rapp_close(m), rapp_close(loaded);
    rapp_data_close(d);
    rapp_sample_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(solves),
        cmocka_unit_test(fills_lines),
        cmocka_unit_test(trees_learn_steps),
        cmocka_unit_test(trees_minimise_relative_error),
        cmocka_unit_test(leaves_are_of_several_groups),
        cmocka_unit_test(forests_are_added),
        cmocka_unit_test(hostile_trees_are_refused),
        cmocka_unit_test(separates_and_smooths),
        cmocka_unit_test(sessions_are_followed),
        cmocka_unit_test(launch_bound_places_show_no_gpu_time),
        cmocka_unit_test(one_sample_is_enough),
        cmocka_unit_test(between_and_beyond_the_lattice),
        cmocka_unit_test(surfaces_are_made_monotone),
        cmocka_unit_test(surfaces_fit_a_file),
        cmocka_unit_test(quotas_between_are_completed),
        cmocka_unit_test(gpu_time_follows_the_kind),
        cmocka_unit_test(gpu_time_is_drawn_to_what_shows),
        cmocka_unit_test(groups_are_counted),
        cmocka_unit_test(shares_are_found),
        cmocka_unit_test(little_data_is_no_error),
        cmocka_unit_test(predicts_what_it_has_not_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
