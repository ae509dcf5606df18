/* Predictors: the metered runtime's closed form against a walk through its windows; what each kind is made of. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "calib_int.h"
#include "predictor.h"
#include "rapp_sample.h"

static const double WINDOW_MS = 40;

/* A device whose only model needs gpu_ms at any batch and SM, and launches at once. */
static calib *open_named(const char *name, double gpu_ms) {
    static const char format[] =
        "{\"format\":\"hassim-calib-1\",\"generated_by\":\"hand\",\"device\":{\"name\":\"d\",\"description\":"
        "\"d\","
        "\"sm_count\":1,\"memory_mib\":1,\"max_processes\":1,\"sm_resizable\":false,\"source\":\"s\","
        "\"cold_start\":{\"schedule_ms\":0,\"container_ms\":0,\"context_ms\":0,\"load_mib_per_s\":1,\"cv\":0,"
        "\"source\":\"s\"}},\"series\":{\"s\":{\"source\":\"s\",\"licence\":\"s\",\"method\":\"s\",\"date\":"
        "\"s\"}},"
        "\"models\":{\"%s\":{\"series\":\"s\",\"weak\":false,\"gpu\":{\"fixed_ms\":%.17g,\"fixed_ms_per_"
        "batch\":0,"
        "\"work_ms\":0,\"work_ms_per_batch\":0},\"launch\":{\"quota_pct\":[50,100],\"ms\":[0.02,0.01]},"
        "\"measured\":{\"batch\":[1,1],\"sm_pct\":[1,1],\"quota_pct\":[1,1]},\"fit\":{\"mape_pct\":0,"
        "\"median_pct\":0,\"p90_pct\":0,\"points\":1},\"weights_mib\":0,\"memory_mib\":1,\"warmup_ms\":0,"
        "\"overhead_ms\":{\"mean\":0,\"cv\":0},\"noise_cv\":0,\"facts_source\":\"s\"}}}";
    char text[2000], err[CALIB_ERR_LEN] = "";
    calib *c;
    int len = snprintf(text, sizeof text, format, name, gpu_ms);
    if (calib_open_text(&c, "constant", text, (size_t)len, err)) fail_msg("%s", err);
    return c;
}

static calib *open_constant(double gpu_ms) {
    return open_named("m", gpu_ms);
}

/* When gpu_ms is done if it starts at start_ms: window after window, each gives at most its budget. */
static double done_ms(double gpu_ms, double quota_pct, double start_ms) {
    double window = floor(start_ms / WINDOW_MS) * WINDOW_MS, at = start_ms;
    for (;;) {
        double usable = fmin(quota_pct / 100 * WINDOW_MS, window + WINDOW_MS - at);
        if (gpu_ms <= usable) return at + gpu_ms;
        gpu_ms -= usable;
        at = window += WINDOW_MS;
    }
}

static double mean_ms(double gpu_ms, uint32_t quota_pct, int phases) {
    double sum = 0;
    for (int i = 0; i < phases; i++) {
        double start = (i + 0.5) * WINDOW_MS / phases;
        sum += done_ms(gpu_ms, quota_pct, start) - start;
    }
    return sum / phases;
}

static predictor table(predict_runtime runtime) {
    predictor p;
    assert_int_equal(predictor_find(&p, "table", runtime), 0);
    assert_int_equal(p.runtime, runtime);
    return p;
}

static double latency_of(const predictor *p, const calib_model *m, uint32_t batch, uint32_t sm_pct,
                         uint32_t quota_pct) {
    const predict_dnn d = {m, m, 1};
    return predictor_latency_ms(p, &d, batch, sm_pct, quota_pct);
}

static double throughput_of(const predictor *p, const calib_model *m, uint32_t batch, uint32_t sm_pct,
                            uint32_t quota_pct) {
    const predict_dnn d = {m, m, 1};
    return predictor_throughput_rps(p, &d, batch, sm_pct, quota_pct);
}

static double metered(double gpu_ms, uint32_t quota_pct) {
    calib *c = open_constant(gpu_ms);
    predictor p = table(PREDICT_METERED);
    double ms = latency_of(&p, calib_model_at(c, 0), 1, 100, quota_pct);
    calib_close(c);
    return ms;
}

static void walk_meets_the_design(void **state) {
    (void)state;
    assert_true(done_ms(20, 50, 0) == 20);
    assert_true(done_ms(30, 50, 0) == 50);
    assert_true(done_ms(30, 50, 10) == 50);
}

static void closed_form_by_hand(void **state) {
    (void)state;
    assert_true(metered(20, 50) == 20); /* from any phase: the next window follows without a gap */
    assert_true(metered(30, 50) == 40); /* 50 - u up to u = 20; then 30 for v >= 10, and 50 below */
    assert_true(metered(4, 10) == 4);
    assert_true(fabs(metered(8, 10) - 27.8) < 1e-9); /* up to u = 36: 44 - u, mean 26; then always 44 */
}

static void closed_form_is_the_walk(void **state) {
    static const double gpu[] = {0.3, 3.9, 7, 10.77, 12, 19.99, 20.92, 33.3, 39, 41, 88.64, 123.4, 500.5};
    (void)state;
    for (size_t i = 0; i < sizeof gpu / sizeof *gpu; i++)
        for (uint32_t q = 1; q <= 100; q += q < 10 ? 1 : 5) {
            double want = mean_ms(gpu[i], q, 4000), found = metered(gpu[i], q);
            /* the walk's midpoints miss each of its jumps by at most half a step of a gap */
            if (fabs(found - want) > 2 * WINDOW_MS / 4000 + 1e-9 * want)
                fail_msg("G %g quota %u: closed %.6f, walk %.6f", gpu[i], (unsigned)q, found, want);
        }
}

static void full_quota_is_exactly_gpu_time(void **state) {
    (void)state;
    for (int i = 1; i < 2000; i++) assert_true(metered(i * 0.317, 100) == i * 0.317);
}

static calib *open_shipped(void) {
    calib *c;
    char err[CALIB_ERR_LEN] = "";
    if (calib_open(&c, HASSIM_ROOT "/calib/data/v100.json", err)) fail_msg("%s", err);
    return c;
}

static void latency_is_monotone(const predictor *p, const calib_model *m) {
    static const uint32_t batches[] = {1, 2, 3, 4, 8, 16, 32};
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++)
        for (uint32_t s = 5; s <= 100; s += 5)
            for (uint32_t q = 1; q <= 100; q++) {
                double ms = latency_of(p, m, batches[i], s, q), slack = ms * 1e-12;
                assert_true(ms >= calib_gpu_ms(m, batches[i], s) - slack);
                if (q > 1) assert_true(ms <= latency_of(p, m, batches[i], s, q - 1) + slack);
                if (s > 5) assert_true(ms <= latency_of(p, m, batches[i], s - 5, q) + slack);
                if (i) assert_true(ms >= latency_of(p, m, batches[i - 1], s, q) - slack);
            }
}

static void shipped_is_monotone(void **state) {
    (void)state;
    calib *c = open_shipped();
    predictor token = table(PREDICT_TOKEN), meter = table(PREDICT_METERED);
    for (size_t i = 0; i < calib_n_models(c); i++) {
        latency_is_monotone(&token, calib_model_at(c, i));
        latency_is_monotone(&meter, calib_model_at(c, i));
    }
    calib_close(c);
}

static void token_is_max_of_both(void **state) {
    (void)state;
    calib *c = open_shipped();
    const calib_model *m = calib_model_find(c, "resnet50");
    predictor p = table(PREDICT_TOKEN);
    assert_true(latency_of(&p, m, 4, 30, 20) == calib_launch_ms(m, 20));
    assert_true(latency_of(&p, m, 8, 5, 100) == calib_gpu_ms(m, 8, 5));
    assert_true(throughput_of(&p, m, 4, 30, 20) == 4000 / calib_launch_ms(m, 20));
    calib_close(c);
}

/* A busy pod gets quota * W in each window, so throughput does not depend on phases. */
static void metered_throughput_is_the_budget(void **state) {
    (void)state;
    calib *c = open_constant(30);
    predictor p = table(PREDICT_METERED);
    const calib_model *m = calib_model_at(c, 0);
    assert_true(fabs(throughput_of(&p, m, 4, 30, 50) - 4 * 0.5 * 1000 / 30) < 1e-9);
    double many = done_ms(1000 * 30.0, 50, 0);
    assert_true(fabs(throughput_of(&p, m, 1, 30, 50) - 1000 * 1000 / many) < 0.02);
    calib_close(c);
}

static void unknown_is_said(void **state) {
    (void)state;
    predictor p = table(PREDICT_METERED);
    assert_int_equal(predictor_find(&p, "oracel", PREDICT_TOKEN), -1);
    assert_non_null(strstr(predictor_names(), "table"));
    calib *c = open_constant(10);
    const calib_model *m = calib_model_at(c, 0);
    static const uint32_t bad[][3] = {{0, 50, 50},  {33, 50, 50}, {1, 0, 50},
                                      {1, 101, 50}, {1, 50, 0},   {1, 50, 101}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_true(latency_of(&p, m, bad[i][0], bad[i][1], bad[i][2]) < 0);
        assert_true(throughput_of(&p, m, bad[i][0], bad[i][1], bad[i][2]) < 0);
    }
    calib_close(c);
}

static void oracle_asks_the_truth(void **state) {
    (void)state;
    calib *told = open_constant(10), *truth = open_constant(20);
    predict_dnn d = {calib_model_at(told, 0), calib_model_at(truth, 0), 1};
    predictor t = table(PREDICT_METERED), o;
    assert_int_equal(predictor_find(&o, "oracle", PREDICT_METERED), 0);
    assert_true(predictor_latency_ms(&t, &d, 1, 50, 100) == 10);
    assert_true(predictor_latency_ms(&o, &d, 1, 50, 100) == 20);
    assert_true(predictor_throughput_rps(&o, &d, 4, 50, 50) == 4 * 1000.0 * 0.5 / 20);
    d.factor = 3;
    assert_true(predictor_latency_ms(&t, &d, 1, 50, 50) == metered(30, 50)); /* on GPU time, not on waiting */
    calib_close(told);
    calib_close(truth);
}

typedef struct {
    rapp_sample folder;
    rapp_data *data;
    rapp_model *model;
} trained;

static void train(trained *t, const char *kind) {
    const rapp_options options = {.seed = 1, .threads = 1};
    char err[RAPP_ERR_LEN] = "";
    rapp_sample_open(&t->folder);
    if (rapp_data_open(&t->data, t->folder.dir, err) ||
        rapp_train(&t->model, kind, t->data, NULL, &options, err))
        fail_msg("%s", err);
}

static void end_training(trained *t) {
    rapp_close(t->model);
    rapp_data_close(t->data);
    rapp_sample_close(&t->folder);
}

static predictor open_trained(const trained *t, const calib_model *m, predict_runtime runtime) {
    char err[RAPP_ERR_LEN] = "";
    predictor p;
    if (predictor_open_trained(&p, t->model, NULL, runtime, &m, 1, err)) fail_msg("%s", err);
    return p;
}

/* Asked twice in any order: an answer that was kept for another share would show. */
static void trained_latency_is_taken_as_it_is(void **state) {
    (void)state;
    trained t;
    rapp_bound *b;
    char err[RAPP_ERR_LEN];
    calib *c = open_named("both", 7);
    const calib_model *m = calib_model_at(c, 0);
    train(&t, "table");
    assert_int_equal(rapp_bind(&b, t.model, "both", NULL, err), 0);
    predictor p = open_trained(&t, m, PREDICT_TOKEN);
    assert_string_equal(p.name, "table");
    for (uint32_t i = 0, k = 0; i < 2 * CALIB_BATCH_MAX * 100 * 100; i += 37, k = i * 7919) {
        uint32_t batch = k % CALIB_BATCH_MAX + 1, sm = k / CALIB_BATCH_MAX % 100 + 1,
                 q = k / CALIB_BATCH_MAX / 100 % 100 + 1;
        double want = rapp_estimate_of(b, batch, sm, q).ms, found = latency_of(&p, m, batch, sm, q);
        if (found != want) fail_msg("batch %u SM %u quota %u: %g, expected %g", batch, sm, q, found, want);
        assert_true(throughput_of(&p, m, batch, sm, q) == batch * 1000.0 / want);
    }
    assert_true(latency_of(&p, m, 0, 50, 50) < 0 && latency_of(&p, m, 1, 50, 101) < 0);
    predictor_close(&p);
    rapp_unbind(b);
    end_training(&t);
    calib_close(c);
}

static void trained_is_metered_by_its_full_quota(void **state) {
    (void)state;
    trained t;
    rapp_bound *b;
    char err[RAPP_ERR_LEN];
    calib *c = open_named("both", 7);
    const calib_model *m = calib_model_at(c, 0);
    train(&t, "table");
    assert_int_equal(rapp_bind(&b, t.model, "both", NULL, err), 0);
    predictor p = open_trained(&t, m, PREDICT_METERED);
    for (uint32_t batch = 1; batch <= 8; batch++) {
        double g = rapp_estimate_of(b, batch, 40, 100).ms;
        assert_true(latency_of(&p, m, batch, 40, 100) == g);
        assert_true(latency_of(&p, m, batch, 40, 30) == metered(g, 30));
        assert_true(throughput_of(&p, m, batch, 40, 30) == batch * 1000.0 * 0.3 / g);
    }
    predictor_close(&p);
    rapp_unbind(b);
    end_training(&t);
    calib_close(c);
}

/* "unseen" has a prior and no points, "m" neither. */
static void models_that_it_cannot_know_are_named(void **state) {
    (void)state;
    trained t;
    predictor p;
    char err[RAPP_ERR_LEN] = "";
    calib *c[] = {open_named("both", 7), open_named("unseen", 7), open_named("m", 7)};
    const calib_model *dnns[] = {calib_model_at(c[0], 0), calib_model_at(c[1], 0), calib_model_at(c[2], 0)};
    train(&t, "roofline");
    assert_int_equal(predictor_open_trained(&p, t.model, NULL, PREDICT_TOKEN, dnns, 3, err), -1);
    assert_string_equal(
        err, "found \"unseen\", \"m\", expected models that it was trained on, or a folder of priors");
    assert_int_equal(predictor_open_trained(&p, t.model, t.data, PREDICT_TOKEN, dnns, 3, err), -1);
    assert_string_equal(
        err, "found \"m\", expected models that it was trained on, or whose priors are in the folder");
    assert_int_equal(predictor_open_trained(&p, t.model, t.data, PREDICT_TOKEN, dnns, 2, err), 0);
    assert_true(latency_of(&p, dnns[1], 4, 100, 100) > latency_of(&p, dnns[0], 4, 100, 100));
    assert_true(latency_of(&p, dnns[2], 4, 100, 100) < 0); /* not bound */
    predictor_close(&p);
    end_training(&t);
    for (size_t i = 0; i < 3; i++) calib_close(c[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walk_meets_the_design),
        cmocka_unit_test(closed_form_by_hand),
        cmocka_unit_test(closed_form_is_the_walk),
        cmocka_unit_test(full_quota_is_exactly_gpu_time),
        cmocka_unit_test(shipped_is_monotone),
        cmocka_unit_test(token_is_max_of_both),
        cmocka_unit_test(metered_throughput_is_the_budget),
        cmocka_unit_test(unknown_is_said),
        cmocka_unit_test(oracle_asks_the_truth),
        cmocka_unit_test(trained_latency_is_taken_as_it_is),
        cmocka_unit_test(trained_is_metered_by_its_full_quota),
        cmocka_unit_test(models_that_it_cannot_know_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
