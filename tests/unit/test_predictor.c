/* The predictor `table`: the metered runtime's closed form against a walk through its windows. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "calib_int.h"
#include "predictor.h"

static const double WINDOW_MS = 40;

/* A device whose only model needs gpu_ms at any batch and SM, and launches at once. */
static calib *open_constant(double gpu_ms) {
    static const char format[] =
        "{\"format\":\"hassim-calib-1\",\"generated_by\":\"hand\",\"device\":{\"name\":\"d\",\"description\":"
        "\"d\","
        "\"sm_count\":1,\"memory_mib\":1,\"max_processes\":1,\"sm_resizable\":false,\"source\":\"s\","
        "\"cold_start\":{\"schedule_ms\":0,\"container_ms\":0,\"context_ms\":0,\"load_mib_per_s\":1,\"cv\":0,"
        "\"source\":\"s\"}},\"series\":{\"s\":{\"source\":\"s\",\"licence\":\"s\",\"method\":\"s\",\"date\":"
        "\"s\"}},"
        "\"models\":{\"m\":{\"series\":\"s\",\"weak\":false,\"gpu\":{\"fixed_ms\":%.17g,\"fixed_ms_per_"
        "batch\":0,"
        "\"work_ms\":0,\"work_ms_per_batch\":0},\"launch\":{\"quota_pct\":[50,100],\"ms\":[0.02,0.01]},"
        "\"measured\":{\"batch\":[1,1],\"sm_pct\":[1,1],\"quota_pct\":[1,1]},\"fit\":{\"mape_pct\":0,"
        "\"median_pct\":0,\"p90_pct\":0,\"points\":1},\"weights_mib\":0,\"memory_mib\":1,\"warmup_ms\":0,"
        "\"overhead_ms\":{\"mean\":0,\"cv\":0},\"noise_cv\":0,\"facts_source\":\"s\"}}}";
    char text[2000], err[CALIB_ERR_LEN] = "";
    calib *c;
    int len = snprintf(text, sizeof text, format, gpu_ms);
    if (calib_open_text(&c, "constant", text, (size_t)len, err)) fail_msg("%s", err);
    return c;
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

static double metered(double gpu_ms, uint32_t quota_pct) {
    calib *c = open_constant(gpu_ms);
    predictor p = table(PREDICT_METERED);
    double ms = p.latency_ms(p.runtime, calib_model_at(c, 0), 1, 100, quota_pct);
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
                double ms = p->latency_ms(p->runtime, m, batches[i], s, q), slack = ms * 1e-12;
                assert_true(ms >= calib_gpu_ms(m, batches[i], s) - slack);
                if (q > 1) assert_true(ms <= p->latency_ms(p->runtime, m, batches[i], s, q - 1) + slack);
                if (s > 5) assert_true(ms <= p->latency_ms(p->runtime, m, batches[i], s - 5, q) + slack);
                if (i) assert_true(ms >= p->latency_ms(p->runtime, m, batches[i - 1], s, q) - slack);
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
    assert_true(p.latency_ms(p.runtime, m, 4, 30, 20) == calib_launch_ms(m, 20));
    assert_true(p.latency_ms(p.runtime, m, 8, 5, 100) == calib_gpu_ms(m, 8, 5));
    assert_true(p.throughput_rps(p.runtime, m, 4, 30, 20) == 4000 / calib_launch_ms(m, 20));
    calib_close(c);
}

/* A busy pod gets quota * W in each window, so throughput does not depend on phases. */
static void metered_throughput_is_the_budget(void **state) {
    (void)state;
    calib *c = open_constant(30);
    predictor p = table(PREDICT_METERED);
    const calib_model *m = calib_model_at(c, 0);
    assert_true(fabs(p.throughput_rps(p.runtime, m, 4, 30, 50) - 4 * 0.5 * 1000 / 30) < 1e-9);
    double many = done_ms(1000 * 30.0, 50, 0);
    assert_true(fabs(p.throughput_rps(p.runtime, m, 1, 30, 50) - 1000 * 1000 / many) < 0.02);
    calib_close(c);
}

static void unknown_is_said(void **state) {
    (void)state;
    predictor p = table(PREDICT_METERED);
    assert_int_equal(predictor_find(&p, "oracle", PREDICT_TOKEN), -1);
    assert_non_null(strstr(predictor_names(), "table"));
    calib *c = open_constant(10);
    const calib_model *m = calib_model_at(c, 0);
    static const uint32_t bad[][3] = {{0, 50, 50},  {33, 50, 50}, {1, 0, 50},
                                      {1, 101, 50}, {1, 50, 0},   {1, 50, 101}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_true(p.latency_ms(p.runtime, m, bad[i][0], bad[i][1], bad[i][2]) < 0);
        assert_true(p.throughput_rps(p.runtime, m, bad[i][0], bad[i][1], bad[i][2]) < 0);
    }
    calib_close(c);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
