/* Uncertainty: the estimate is as wide as repeated measurements scatter, and perturbed calibrations are what the
 * header says. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "calib_csv.h"
#include "calib_fit.h"
#include "calib_int.h"
#include "calib_uncertainty.h"

static const char LATENCY[] = HASSIM_SHARED "/v100/latency.csv";
static const char GOLDEN[] = "0x1.0789b11ae8da7p+4 0x1.51aff5331fd43p+4";

static calib *open_device(const char *file) {
    calib *c;
    char path[4096], err[CALIB_ERR_LEN] = "";
    snprintf(path, sizeof path, "%s/calib/data/%s", HASSIM_ROOT, file);
    if (calib_open(&c, path, err)) fail_msg("%s", err);
    return c;
}

static double uniform(uint64_t *x) {
    *x = *x * 6364136223846793005u + 1442695040888963407u;
    return (double)(*x >> 40) / 16777216.0;
}

/* A sum of four uniforms, variance 1 */
static double noise(uint64_t *x) {
    return (uniform(x) + uniform(x) + uniform(x) + uniform(x) - 2) * 1.7320508;
}

static const calib_fit truth = {.fixed_ms = 4,
                                .fixed_ms_per_batch = 0.5,
                                .work_ms = 1.2,
                                .work_ms_per_batch = 3,
                                .n_quotas = 3,
                                .quota_pct = {20, 50, 100},
                                .launch_ms = {60, 25, 8}};

static double gpu_ms(const calib_fit *f, double batch, double sm) {
    return f->fixed_ms + f->fixed_ms_per_batch * batch +
           (f->work_ms + f->work_ms_per_batch * batch) * 100 / sm;
}

/* 48 cells of 3 points, with an error of 4 % that the points of a cell share and one of 1 % of each */
static size_t measure(calib_point *points, uint64_t *x) {
    static const uint32_t batches[] = {1, 2, 4, 8};
    size_t n = 0;
    for (size_t b = 0; b < 4; b++)
        for (uint32_t sm = 10; sm <= 98; sm += 8) {
            double cell = 1 + 0.04 * noise(x);
            for (int k = 0; k < 3; k++) {
                double gpu = gpu_ms(&truth, batches[b], sm), launch = truth.launch_ms[k];
                double ms = gpu > launch ? gpu * cell : launch;
                points[n++] = (calib_point){batches[b], sm, truth.quota_pct[k], ms * (1 + 0.01 * noise(x))};
            }
        }
    return n;
}

typedef struct {
    double sum, squares;
    int n;
} moments;

static void add(moments *m, double v) {
    m->sum += v;
    m->squares += v * v;
    m->n++;
}

static double mean(const moments *m) {
    return m->sum / m->n;
}

static double sd(const moments *m) {
    return sqrt((m->squares - m->sum * m->sum / m->n) / (m->n - 1));
}

static double stated_sd(const calib_uncertainty *u, double batch, double sm) {
    const double x[4] = {1, batch, 100 / sm, batch * 100 / sm};
    double sum = 0;
    for (int k = 0; k < 4; k++) {
        double v = 0;
        for (int i = k; i < 4; i++) v += u->gpu_factor_ms[i * (i + 1) / 2 + k] * x[i];
        sum += v * v;
    }
    return sqrt(sum);
}

/* 80 times measured and fitted: the fits scatter as each of them says that they do. */
static void stated_as_wide_as_fits_scatter(void **state) {
    static const double at[][2] = {{1, 50}, {4, 30}, {8, 100}, {8, 10}};
    moments found[4] = {{0}}, stated[4] = {{0}};
    calib_point points[144];
    uint64_t x = 11;
    (void)state;
    for (int round = 0; round < 80; round++) {
        calib_fit f;
        calib_uncertainty u;
        char err[CALIB_ERR_LEN] = "";
        size_t n = measure(points, &x);
        if (calib_fit_points(&f, points, n, err)) fail_msg("%s", err);
        assert_int_equal(calib_uncertainty_estimate(&u, &f, points, n), 1);
        assert_int_equal(u.cells, 48);
        assert_true(u.gpu_residual_pct > 2.5 && u.gpu_residual_pct < 5.5);       /* 4 % were put in */
        assert_true(u.launch_residual_pct > 0.6 && u.launch_residual_pct < 1.8); /* 1 % */
        for (int k = 0; k < 4; k++) {
            add(&found[k], gpu_ms(&f, at[k][0], at[k][1]));
            add(&stated[k], stated_sd(&u, at[k][0], at[k][1]));
        }
    }
    for (int k = 0; k < 4; k++) {
        double ratio = mean(&stated[k]) / sd(&found[k]);
        if (!(ratio > 0.7 && ratio < 1.4))
            fail_msg("G(%g, %g): stated / found %g", at[k][0], at[k][1], ratio);
    }
}

/* A few numbers: fewer cells than parameters, then no more points than parameters. */
static void few_points_are_few(void **state) {
    calib_point points[144];
    calib_fit f;
    calib_uncertainty u;
    char err[CALIB_ERR_LEN] = "";
    uint64_t x = 5;
    (void)state;
    measure(points, &x);
    if (calib_fit_points(&f, points, 15, err)) fail_msg("%s", err);
    assert_int_equal(calib_uncertainty_estimate(&u, &f, points, 15), 1);
    assert_int_equal(u.cells, 5);
    assert_true(stated_sd(&u, 1, 20) > 0);
    if (calib_fit_points(&f, points, 7, err)) fail_msg("%s", err);
    assert_int_equal(calib_uncertainty_estimate(&u, &f, points, 7), 0);
}

static calib *perturb(const calib *c, uint64_t seed, double scale) {
    calib *p;
    char err[CALIB_ERR_LEN] = "";
    if (calib_perturb(&p, c, seed, scale, err)) fail_msg("%s", err);
    return p;
}

static void assert_same(const calib *a, const calib *b, int expected) {
    int same = 1;
    for (size_t i = 0; i < calib_n_models(a); i++)
        for (uint32_t k = 1; k <= 100; k++) {
            const calib_model *m = calib_model_at(a, i), *o = calib_model_at(b, i);
            if (calib_gpu_ms(m, 1 + k % 8, k) != calib_gpu_ms(o, 1 + k % 8, k)) same = 0;
            if (calib_launch_ms(m, k) != calib_launch_ms(o, k)) same = 0;
        }
    assert_int_equal(same, expected);
}

static void a_seed_is_a_calibration(void **state) {
    calib *c = open_device("v100.json"), *p = perturb(c, 7, 1), *again = perturb(c, 7, 1),
          *other = perturb(c, 8, 1), *none = perturb(c, 7, 0), *bad = c;
    char err[CALIB_ERR_LEN] = "";
    (void)state;
    assert_same(p, again, 1);
    assert_same(p, other, 0);
    assert_same(p, c, 0);
    assert_same(none, c, 1);
    assert_string_equal(calib_device_of(p)->name, "v100-16gb");
    assert_int_equal(calib_perturb(&bad, c, 1, -1, err), -1);
    assert_null(bad);
    assert_non_null(strstr(err, "found -1, expected a number from 0 to 10"));
    assert_int_equal(calib_perturb(&bad, c, 1, NAN, err), -1);
    calib_close(none);
    calib_close(other);
    calib_close(again);
    calib_close(p);
    calib_close(c);
}

static void perturbed_is_monotone(void **state) {
    calib *c = open_device("v100.json");
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        calib *p = perturb(c, seed, seed == 3 ? 10 : 1);
        for (size_t i = 0; i < calib_n_models(p); i++) {
            const calib_model *m = calib_model_at(p, i);
            for (uint32_t k = 2; k <= 100; k++) {
                assert_true(calib_launch_ms(m, k) <= calib_launch_ms(m, k - 1));
                assert_true(calib_gpu_ms(m, 4, k) <= calib_gpu_ms(m, 4, k - 1));
                if (k <= CALIB_BATCH_MAX) assert_true(calib_gpu_ms(m, k, 50) >= calib_gpu_ms(m, k - 1, 50));
            }
        }
        calib_close(p);
    }
    calib_close(c);
}

/* Over many seeds the draws have the mean of the file and the spread that it states. */
static void draws_have_the_stated_spread(void **state) {
    static const char *const names[] = {"resnet50", "vgg16", "convnext_large", "bert"};
    enum { SEEDS = 400 };
    moments gpu[4] = {{0}}, launch[4] = {{0}};
    calib *c = open_device("v100.json");
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        calib *p = perturb(c, seed, 1);
        for (int i = 0; i < 4; i++) {
            add(&gpu[i], calib_gpu_ms(calib_model_find(p, names[i]), 4, 30));
            add(&launch[i], calib_launch_ms(calib_model_find(p, names[i]), 20));
        }
        calib_close(p);
    }
    for (int i = 0; i < 4; i++) {
        const calib_model *m = calib_model_find(c, names[i]);
        double g = calib_gpu_ms(m, 4, 30), f = calib_launch_ms(m, 20);
        double g_sd = calib_gpu_sd_pct(m, 4, 30) / 100, f_sd = calib_launch_sd_pct(m, 20) / 100;
        assert_true(fabs(mean(&gpu[i]) / g - 1) < 4 * g_sd / sqrt(SEEDS) + 0.002);
        assert_true(fabs(mean(&launch[i]) / f - 1) < 4 * f_sd / sqrt(SEEDS) + 0.002);
        assert_true(fabs(sd(&gpu[i]) / (g * g_sd) - 1) < 0.15);
        assert_true(fabs(sd(&launch[i]) / (f * f_sd) - 1) < 0.15);
    }
    calib_close(c);
}

/* The same bits from any compiler, at any level: nothing but + - * / on integers and doubles. */
static void draws_have_fixed_bits(void **state) {
    static const char document[] =
        "{\"format\": \"hassim-calib-1\", \"generated_by\": \"hand\", \"device\": {\"name\": \"d\", "
        "\"description\": \"d\","
        " \"sm_count\": 80, \"memory_mib\": 16384, \"max_processes\": 48, \"sm_resizable\": false, "
        "\"source\": \"none\","
        " \"cold_start\": {\"schedule_ms\": 1, \"container_ms\": 2, \"context_ms\": 3, \"load_mib_per_s\": "
        "50,"
        " \"cv\": 0.1, \"source\": \"none\"}}, \"series\": {\"s\": {\"source\": \"a\", \"licence\": \"b\", "
        "\"method\": \"c\","
        " \"date\": \"d\"}}, \"models\": {\"m\": {\"series\": \"s\", \"weak\": true, \"gpu\": {\"fixed_ms\": "
        "1,"
        " \"fixed_ms_per_batch\": 2, \"work_ms\": 3, \"work_ms_per_batch\": 4}, \"launch\": {\"quota_pct\": "
        "[10, 50, 100],"
        " \"ms\": [60, 20, 5]}, \"measured\": {\"batch\": [1, 8], \"sm_pct\": [5, 100], \"quota_pct\": [10, "
        "100]},"
        " \"fit\": {\"mape_pct\": 5, \"median_pct\": 4, \"p90_pct\": 9, \"points\": 7}, \"uncertainty\": "
        "{\"cells\": 9,"
        " \"gpu_factor_ms\": [0.3, -0.1, 0.2, 0.05, 0, 0.1, 0, 0, -0.1, 0.3], \"launch_sd_pct\": [9, 7, 8],"
        " \"gpu_residual_pct\": 3, \"launch_residual_pct\": 4}, \"weights_mib\": 25, \"memory_mib\": 3000,"
        " \"warmup_ms\": 400, \"overhead_ms\": {\"mean\": 60, \"cv\": 0.2}, \"noise_cv\": 0.05,"
        " \"facts_source\": \"f\"}}}";
    calib *c;
    char err[CALIB_ERR_LEN] = "", text[80];
    (void)state;
    if (calib_open_text(&c, "hand", document, strlen(document), err)) fail_msg("%s", err);
    calib *p = perturb(c, 42, 1);
    const calib_model *m = calib_model_at(p, 0);
    snprintf(text, sizeof text, "%a %a", calib_gpu_ms(m, 1, 50), calib_launch_ms(m, 50));
    assert_string_equal(text, GOLDEN);
    calib_close(p);
    calib_close(c);
}

typedef struct {
    size_t n, within[2]; /* one and two standard deviations */
} coverage;

/* Fit on every other (batch, SM) cell; how many of the other points lie within what the fit states? */
static void cover(coverage *c, const calib_csv_model *m, calib_point *half) {
    calib_fit f;
    calib_uncertainty u;
    char err[CALIB_ERR_LEN] = "";
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        if ((m->points[i].sm_pct / 5 + m->points[i].batch / 2) % 2) half[n++] = m->points[i];
    if (calib_fit_points(&f, half, n, err)) fail_msg("%s", err);
    assert_int_equal(calib_uncertainty_estimate(&u, &f, half, n), 1);
    for (size_t i = 0; i < m->n; i++) {
        const calib_point *p = &m->points[i];
        if ((p->sm_pct / 5 + p->batch / 2) % 2) continue;
        int k = 0;
        while (f.quota_pct[k] != p->quota_pct) k++;
        double gpu = gpu_ms(&f, p->batch, p->sm_pct), launch = f.launch_ms[k];
        double chance = gpu > launch ? stated_sd(&u, p->batch, p->sm_pct) / gpu : u.launch_sd_pct[k] / 100;
        double form = (gpu > launch ? u.gpu_residual_pct : u.launch_residual_pct) / 100;
        double off = fabs(log((gpu > launch ? gpu : launch) / p->ms)),
               wide = sqrt(chance * chance + form * form);
        c->n++;
        for (int s = 0; s < 2; s++) c->within[s] += off <= (s + 1) * wide;
    }
}

static void held_out_points_lie_within(void **state) {
    calib_csv csv;
    coverage c = {0};
    char err[CALIB_ERR_LEN] = "";
    (void)state;
    if (access(LATENCY, R_OK) != 0) {
        print_message("skipped: %s is not there\n", LATENCY);
        skip();
    }
    if (calib_csv_read(&csv, LATENCY, err)) fail_msg("%s", err);
    for (size_t i = 0; i < csv.n; i++) {
        calib_point *half = malloc(csv.models[i].n * sizeof *half);
        assert_non_null(half);
        cover(&c, &csv.models[i], half);
        free(half);
    }
    double one = 100.0 * (double)c.within[0] / (double)c.n, two = 100.0 * (double)c.within[1] / (double)c.n;
    print_message("of %zu held-out points %.1f %% within one stated sd, %.1f %% within two\n", c.n, one, two);
    assert_true(one > 68 && one < 95);
    assert_true(two > 85);
    calib_csv_free(&csv);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stated_as_wide_as_fits_scatter), cmocka_unit_test(few_points_are_few),
        cmocka_unit_test(a_seed_is_a_calibration),        cmocka_unit_test(perturbed_is_monotone),
        cmocka_unit_test(draws_have_the_stated_spread),   cmocka_unit_test(draws_have_fixed_bits),
        cmocka_unit_test(held_out_points_lie_within),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
