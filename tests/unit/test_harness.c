/* test_harness.c - the calibration harness without a GPU: its parts, and one step of each kind on a simulated device. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness_check.h"
#include "harness_fake.h"
#include "harness_measure.h"
#include "harness_plan.h"
#include "harness_stats.h"
#include "harness_token.h"

#define MODELS HASSIM_ROOT "/calib/harness/models"
#define MS     INT64_C(1000000)

static void near(double found, double expected, double rel) {
    if (fabs(found - expected) > rel * fabs(expected))
        fail_msg("found %g, expected %g within %g", found, expected, rel);
}

/* --- JSON ---------------------------------------------------------------------------------------------------------- */

static void test_json_reads_what_it_writes(void **state) {
    char err[HARNESS_ERR_LEN];
    harness_text t = {0};
    (void)state;
    harness_text_add(&t, "{\"a\": [1, -2.5e3, true, null], \"b\": {\"c\": ");
    harness_text_quote(&t, "say \"\\\" \n");
    harness_text_add(&t, ", \"x\": ");
    harness_text_number(&t, 0.1);
    harness_text_add(&t, ", \"none\": ");
    harness_text_number(&t, (double)NAN);
    harness_text_add(&t, "}}");
    harness_json *j = harness_json_parse("t", t.text, t.len, err);
    assert_non_null(j);
    assert_string_equal(harness_json_string(j, "b.c", "-"), "say \"\\\"  ");
    assert_true(harness_json_number(j, "b.x", 0) == 0.1);
    assert_true(harness_json_number(j, "b.none", 7) == 7);
    assert_true(harness_json_at(j, "a")->child->next->number == -2500);
    assert_null(harness_json_at(j, "b.c.d"));
    harness_json_free(j);
    harness_text_free(&t);
}

static void test_json_refuses_in_one_line(void **state) {
    static const char *const bad[] = {"",       "{",      "{\"a\" 1}",
                                      "[1,]",   "[1 2]",  "{\"a\": 1,}",
                                      "nul",    "\"open", "\"a\\",
                                      "1 2",    "-",      "1e999",
                                      "{a: 1}", "[",      "[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char err[HARNESS_ERR_LEN];
        assert_null(harness_json_parse("file", bad[i], strlen(bad[i]), err));
        assert_non_null(strstr(err, "file:1: found "));
        assert_null(strchr(err, '\n'));
    }
}

/* --- statistics ---------------------------------------------------------------------------------------------------- */

/* P(Binomial(n, 1/2) < k) by hand: n 6: 1/64 each side for k 1, 7/64 for k 2. n 20: k 6 (0.0207), not 7 (0.0577). */
static void test_stats_interval_rank(void **state) {
    (void)state;
    assert_int_equal(harness_stats_interval_rank(5), 0);
    assert_int_equal(harness_stats_interval_rank(6), 1);
    assert_int_equal(harness_stats_interval_rank(20), 6);
    assert_int_equal(harness_stats_interval_rank(100), 40);
    assert_int_equal(harness_stats_interval_rank(HARNESS_SAMPLES_MAX), 234);
}

/* The promise itself: the interval has the true median in at least 95 % of samples, of a skewed distribution. */
static void test_stats_interval_covers(void **state) {
    enum { TRIALS = 4000, N = 21 };
    int covered = 0;
    (void)state;
    for (uint32_t t = 0; t < TRIALS; t++) {
        double x[N];
        for (uint32_t i = 0; i < N; i++)
            x[i] = -log(0.5 + 0.4999999 * (double)harness_random(t + 1, i, 1.0f));
        harness_stats s = harness_stats_of(x, N);
        covered += s.lo <= log(2) && log(2) <= s.hi;
    }
    near(covered / (double)TRIALS, 0.973, 0.012); /* 1 - 2 P(Binomial(21, 1/2) < 6) = 0.9734 */
}

static void test_stats_values(void **state) {
    double x[] = {9, 1, 2, 100, 3, 4, 5}, one[] = {4};
    (void)state;
    harness_stats s = harness_stats_of(x, 7);
    assert_true(s.median == 4 && s.mad == 2 && s.min == 1 && s.max == 100);
    assert_true(s.lo == 1 && s.hi == 100); /* 7 samples: k 1 */
    near(s.mean, 124.0 / 7, 1e-12);
    s = harness_stats_of(one, 1);
    assert_true(s.median == 4 && s.mad == 0 && s.lo == 4 && s.hi == 4);
    assert_false(harness_stats_enough(&s, 1, 1));
    s = harness_stats_of(NULL, 0);
    assert_int_equal(s.n, 0);
}

/* --- time quotas --------------------------------------------------------------------------------------------------- */

static void test_token_windows(void **state) {
    harness_token t = harness_token_new(30); /* tokens of 12 ms, of which 11 can be used */
    (void)state;
    assert_int_equal(harness_token_ready_ns(&t, 100 * MS), 100 * MS);
    assert_int_equal(harness_token_ready_ns(&t, 111 * MS), 111 * MS);
    assert_int_equal(harness_token_ready_ns(&t, 111 * MS + 1), 140 * MS); /* the next token */
    assert_int_equal(harness_token_ready_ns(&t, 151 * MS), 151 * MS);
    assert_int_equal(harness_token_ready_ns(&t, 500 * MS), 500 * MS); /* late: begins when asked for */
    assert_int_equal(harness_token_ready_ns(&t, 512 * MS), 540 * MS);
    t = harness_token_new(100);
    assert_int_equal(harness_token_ready_ns(&t, 39 * MS + 999999), 39 * MS + 999999);
}

/* Runs gpu_ns of work from `at`, in pieces as small as the meter likes. */
static int64_t work(harness_meter *m, int64_t at, int64_t gpu_ns) {
    while (gpu_ns > 0) {
        at = harness_meter_ready_ns(m, at);
        int64_t piece = harness_meter_left_ns(m, at);
        if (piece > gpu_ns) piece = gpu_ns;
        at += piece;
        gpu_ns -= piece;
        harness_meter_charge(m, at, piece);
    }
    return at;
}

/* The vectors of the design: G 20 at 0 ends at 20; G 30 at 50; G 30 from 10 at 50. */
static void test_meter_vectors(void **state) {
    (void)state;
    harness_meter m = harness_meter_new(50, 0);
    assert_int_equal(work(&m, 0, 20 * MS), 20 * MS);
    m = harness_meter_new(50, 0);
    assert_int_equal(work(&m, 0, 30 * MS), 50 * MS);
    m = harness_meter_new(50, 0);
    assert_int_equal(work(&m, 10 * MS, 30 * MS), 50 * MS);
    m = harness_meter_new(100, 0);
    assert_int_equal(work(&m, 7 * MS, 500 * MS), 507 * MS);
}

static void test_meter_carries_debt(void **state) {
    harness_meter m = harness_meter_new(25, 0); /* 10 ms a window */
    (void)state;
    harness_meter_charge(&m, 35 * MS, 35 * MS); /* one kernel of 35 ms: owes 25 */
    assert_int_equal(harness_meter_ready_ns(&m, 35 * MS), 120 * MS);
    assert_int_equal(harness_meter_left_ns(&m, 120 * MS), 5 * MS);
    m = harness_meter_new(25, 0);
    assert_int_equal(harness_meter_left_ns(&m, 4000 * MS), 10 * MS); /* an idle time is not saved up */
}

/* --- workloads ----------------------------------------------------------------------------------------------------- */

static harness_workloads read_models(void) {
    harness_workloads w;
    char err[HARNESS_ERR_LEN];
    if (harness_workloads_read(&w, MODELS, err)) fail_msg("%s", err);
    return w;
}

static const harness_workload *find(const harness_workloads *w, const char *name) {
    const harness_workload *found = harness_workloads_find(w, name);
    assert_non_null(found);
    return found;
}

/* Multiply-adds and parameters of convolutions and products, as published (torchvision; the papers for transformers). */
static void test_models_have_the_published_size(void **state) {
    static const struct {
        const char *name;
        double gmac, m_weights;
    } models[] = {
        {"resnet50", 4.089184, 25.503}, /* 25.557 M less batch normalisation and bias */
        {"vgg16", 15.47026, 138.345},   /* 138.358 M less bias */
        {"mobilenet_v3", 0.2166, 5.453},
        {"bert-base", 11.175, 108.9 - 0.394 - 0.10}, /* without positions, types, biases */
        {"decoder-prefill", 256 * 0.085, 85 + 38.6 + 38.6},
    };
    harness_workloads w = read_models();
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        const harness_workload *m = find(&w, models[i].name);
        double macs = 0;
        for (size_t k = 0; k < m->n_ops; k++)
            if (m->ops[k].kind <= HARNESS_BMM) macs += harness_op_flops(&m->ops[k], 1) / 2;
        near(macs * 1e-9, models[i].gmac, i < 2 ? 1e-5 : i < 3 ? 0.005 : 0.12);
        near((double)harness_workload_weight_bytes(m) / 4e6, models[i].m_weights, i < 3 ? 0.003 : 0.01);
    }
    harness_workloads_free(&w);
}

static void test_shapes(void **state) {
    harness_op conv = {.kind = HARNESS_CONV,
                       .c = 3,
                       .h = 224,
                       .w = 224,
                       .out = 64,
                       .k = 7,
                       .stride = 2,
                       .pad = 3,
                       .groups = 1};
    (void)state;
    assert_int_equal(harness_op_output_count(&conv, 2), 2 * 64 * 112 * 112);
    assert_int_equal(harness_op_weight_count(&conv), 64 * 3 * 49);
    near(harness_op_flops(&conv, 1), 2.0 * 64 * 112 * 112 * 147, 1e-12);
    near(harness_op_bytes(&conv, 1), 4.0 * (3 * 224 * 224 + 64 * 147 + 64 * 112 * 112), 1e-12);
}

static void test_bad_models_are_refused(void **state) {
    static const char *const bad[][2] = {
        {"{\"op\": \"conf\"}", "conf"},
        {"{\"op\": \"gemm\", \"m\": 1, \"n\": 2}", ", k: found nothing"},
        {"{\"op\": \"gemm\", \"m\": 1, \"n\": 2, \"k\": 0}", ", k: found 0"},
        {"{\"op\": \"gemm\", \"m\": 1, \"n\": 2, \"k\": 1.5}", ", k: found 1.5"},
        {"{\"op\": \"relu\", \"n\": 4, \"m\": 1}", "key: found m"},
        {"{\"op\": \"maxpool\", \"c\": 1, \"h\": 2, \"w\": 2, \"k\": 3}", "larger than its input"},
        {"{\"op\": \"conv\", \"c\": 3, \"h\": 2, \"w\": 2, \"k\": 1, \"out\": 4, \"groups\": 2}", "groups"},
        {"{\"op\": \"gemm\", \"m\": 67108864, \"n\": 67108864, \"k\": 1}", "2^32"},
        {"{\"repeat\": 2, \"ops\": [{\"repeat\": 2, \"ops\": []}]}", "repeat in a repeat"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[512], err[HARNESS_ERR_LEN];
        harness_workloads w = {0};
        snprintf(text, sizeof text,
                 "{\"format\": \"hassim-model-1\", \"name\": \"m\", \"group\": \"g\", \"ops\": [%s]}",
                 bad[i][0]);
        harness_json *j = harness_json_parse("m.json", text, strlen(text), err);
        assert_non_null(j);
        assert_int_equal(harness_workloads_parse(&w, "m.json", j, err), -1);
        if (!strstr(err, bad[i][1])) fail_msg("%s: no '%s'", err, bad[i][1]);
        harness_json_free(j);
        harness_workloads_free(&w);
    }
}

/* --- the plan ------------------------------------------------------------------------------------------------------ */

static harness_device_info describe(void) {
    fake_device f = fake_new();
    harness_device_info info;
    char err[HARNESS_ERR_LEN];
    fake_describe(&f.base, &info, err);
    return info;
}

static void test_keys_are_invertible_and_unique(void **state) {
    harness_workloads w = read_models();
    harness_device_info info = describe();
    harness_plan plan;
    harness_plan_options o = {.step_s = 0.3, .setup_s = 0.25};
    (void)state;
    info.mps = 1;
    assert_int_equal(harness_plan_make(&plan, &info, &w, &o), 0);
    assert_true(plan.n > 500);
    for (size_t i = 0; i < plan.n; i++) {
        char key[HARNESS_KEY_LEN], other[HARNESS_KEY_LEN];
        harness_step s;
        harness_step_key(&plan.items[i].step, key);
        assert_int_equal(harness_step_parse(&s, key), 0);
        assert_memory_equal(&s, &plan.items[i].step, sizeof s);
        assert_true(plan.items[i].estimate_s > 0);
        assert_true(!i || plan.items[i].tier >= plan.items[i - 1].tier);
        if (!i) continue;
        harness_step_key(&plan.items[i - 1].step, other);
        assert_string_not_equal(key, other);
    }
    harness_plan_free(&plan);
    harness_workloads_free(&w);
}

static void test_bad_keys(void **state) {
    static const char *const bad[] = {"",
                                      "latency",
                                      "latency/resnet50/b4/whole",
                                      "latency/resnet50/b4/whole/r1/x",
                                      "latency/resnet50/b04/whole/r1",
                                      "latency/resnet50/b4/blue-3/r1",
                                      "latency/resnet50/b4/green-3x/r1",
                                      "latency/resnet50/b-4/whole/r1",
                                      "quota/resnet50/b4/whole/token-/r1",
                                      "latency/a-name-that-is-longer-than-any-name/b4/whole/r1",
                                      "verify/"};
    harness_step s;
    (void)state;
    for (size_t i = 0; i + 1 < sizeof bad / sizeof *bad; i++)
        assert_int_equal(harness_step_parse(&s, bad[i]), -1);
    assert_int_equal(harness_step_parse(&s, "pair/a/b4/green-64/c/b1/32/r2"), 0);
    assert_int_equal(s.other_size, 32);
}

static void test_budget_keeps_the_essential(void **state) {
    harness_workloads w = read_models();
    harness_device_info info = {
        .sm_count = 132, .memory_gb_per_s = 3000, .flops_per_s = 5e13, .green_unit = 8};
    harness_plan whole, cut;
    harness_plan_options o = {.step_s = 0.3, .setup_s = 0.25};
    size_t essential = 0;
    (void)state;
    for (uint32_t n = 8; n < 132; n += 8) info.green_sizes[info.n_green_sizes++] = n;
    assert_int_equal(harness_plan_make(&whole, &info, &w, &o), 0);
    o.budget_s = 480;
    assert_int_equal(harness_plan_make(&cut, &info, &w, &o), 0);
    while (essential < whole.n && whole.items[essential].tier <= 1) essential++;
    assert_true(cut.n >= essential && cut.n < whole.n && cut.estimate_s <= 480);
    assert_int_equal(cut.n + cut.n_dropped, whole.n);
    assert_memory_equal(cut.items, whole.items, cut.n * sizeof *cut.items);
    harness_plan_free(&whole);
    harness_plan_free(&cut);
    harness_workloads_free(&w);
}

/* Without green contexts and MPS there is still the whole GPU. */
static void test_plan_for_a_plain_gpu(void **state) {
    harness_workloads w = read_models();
    harness_device_info info = {.sm_count = 80, .memory_gb_per_s = 900, .flops_per_s = 1.4e13};
    harness_plan plan;
    harness_plan_options o = {.step_s = 0.3, .setup_s = 0.25};
    (void)state;
    assert_int_equal(harness_plan_make(&plan, &info, &w, &o), 0);
    assert_true(plan.n > 50);
    for (size_t i = 0; i < plan.n; i++) assert_int_equal(plan.items[i].step.partition, HARNESS_WHOLE);
    harness_plan_free(&plan);
    harness_workloads_free(&w);
}

/* --- measuring on the simulated GPU -------------------------------------------------------------------------------- */

static harness_json *measure(fake_device *f, const harness_workloads *w, const char *key) {
    char err[HARNESS_ERR_LEN];
    harness_step s;
    harness_text record = {0};
    harness_measure_options o = {0.3};
    assert_int_equal(harness_step_parse(&s, key), 0);
    if (harness_measure(&f->base, w, &s, &o, &record, err)) fail_msg("%s: %s", key, err);
    assert_null(strchr(record.text, '\n'));
    harness_json *j = harness_json_parse(key, record.text, record.len, err);
    if (!j) fail_msg("%s", err);
    harness_text_free(&record);
    assert_string_equal(harness_json_string(j, "key", ""), key);
    assert_int_equal(f->open, 0);
    return j;
}

static double number(const harness_json *j, const char *path) {
    double v = harness_json_number(j, path, (double)NAN);
    if (isnan(v)) fail_msg("no %s", path);
    return v;
}

static void test_latency_is_the_law(void **state) {
    harness_workloads w = read_models();
    fake_device f = fake_new();
    const harness_workload *m = find(&w, "resnet50");
    (void)state;
    harness_json *j = measure(&f, &w, "latency/resnet50/b4/green-16/r1");
    near(number(j, "queued_ms.median"), fake_gpu_ms(m, 4, 16), 0.005);
    assert_true(number(j, "wall_ms.median") >= number(j, "queued_ms.median"));
    near(number(j, "launch_ms.median"), (double)m->n_ops * 0.004, 0.001);
    assert_true(number(j, "wall_ms.n") >= 7 && number(j, "wall_ms.lo") <= number(j, "wall_ms.median"));
    assert_int_equal((int)number(j, "partition.sms"), 16);
    assert_int_equal((int)number(j, "throttled"), 0);
    harness_json_free(j);
    j = measure(&f, &w, "latency/chain-100/b1/whole/r1"); /* launch-bound: 100 x 4 us, the GPU needs half */
    near(number(j, "wall_ms.median"), 0.402, 0.005);
    near(number(j, "queued_ms.median"), 0.2, 0.005);
    near(number(j, "flushed_ms.median"), 0.2, 0.005);
    harness_json_free(j);
    harness_workloads_free(&w);
}

static void test_quota_follows_the_window(void **state) {
    harness_workloads w = read_models();
    fake_device f = fake_new();
    double gpu_ms = fake_gpu_ms(find(&w, "vgg16"), 4, 36);
    (void)state;
    harness_json *full = measure(&f, &w, "quota/vgg16/b4/whole/metered-100/r1");
    harness_json *half = measure(&f, &w, "quota/vgg16/b4/whole/metered-50/r1");
    harness_json *fifth = measure(&f, &w, "quota/vgg16/b4/whole/metered-20/r1");
    near(number(full, "wall_ms.mean"), gpu_ms, 0.02);
    near(number(half, "wall_ms.mean"), 2 * gpu_ms, 0.25); /* the last window's idle part is not waited for */
    near(number(fifth, "wall_ms.mean"), 5 * gpu_ms, 0.25);
    near(number(fifth, "gpu_ms.median"), gpu_ms, 0.02);
    harness_json_free(full);
    harness_json_free(half);
    harness_json_free(fifth);
    /* Tokens limit launches, and 46 launches take 0.2 ms: the quota hardly matters. */
    harness_json *token = measure(&f, &w, "quota/vgg16/b4/whole/token-20/r1");
    assert_true(number(token, "wall_ms.median") < 1.1 * gpu_ms);
    harness_json_free(token);
    harness_workloads_free(&w);
}

static void test_pair_finds_the_slowdown(void **state) {
    harness_workloads w = read_models();
    fake_device f = fake_new();
    (void)state;
    harness_json *j = measure(&f, &w, "pair/resnet50/b4/green-16/stream-256mib/b1/16/r1");
    near(number(j, "slowdown"), FAKE_SLOWDOWN, 0.01);
    near(number(j, "other_slowdown"), 1, 0.01);
    near(number(j, "other_alone_gb_per_s"), 1000, 0.02); /* the law's memory bandwidth */
    near(number(j, "with_gb_per_s") * FAKE_SLOWDOWN, number(j, "alone_gb_per_s"), 0.01);
    harness_json_free(j);
    harness_workloads_free(&w);
}

static void test_cold_and_resize(void **state) {
    harness_workloads w = read_models();
    fake_device f = fake_new();
    (void)state;
    harness_json *j = measure(&f, &w, "cold/vgg16/b1/r1");
    near(number(j, "weight_mib"), 138.345e6 * 4 / 1048576, 0.001);
    near(number(j, "context_ms"), 300, 1e-9);
    harness_json_free(j);
    j = measure(&f, &w, "resize/green-16/r1");
    near(number(j, "create_ms.median"), 1.16, 1e-9);
    assert_int_equal((int)number(j, "create_ms.n"), 10);
    harness_json_free(j);
    harness_workloads_free(&w);
}

static void test_verify_sees_wrong_values(void **state) {
    harness_workloads w = read_models();
    fake_device f = fake_new();
    (void)state;
    harness_json *j = measure(&f, &w, "verify/mobilenet_v3");
    assert_int_equal((int)number(j, "ok"), 1);
    assert_true(number(j, "operators") > 20 && number(j, "worst") < 1e-6);
    harness_json_free(j);
    f.wrong_conv = 1;
    j = measure(&f, &w, "verify/mobilenet_v3");
    assert_int_equal((int)number(j, "ok"), 0);
    assert_non_null(strstr(harness_json_string(j, "fault", ""), "operator 0 (conv)"));
    harness_json_free(j);
    harness_workloads_free(&w);
}

static void test_failures_close_everything(void **state) {
    char err[HARNESS_ERR_LEN];
    harness_workloads w = read_models();
    harness_measure_options o = {0.3};
    static const char *const keys[] = {
        "latency/resnet50/b4/green-16/r1", "quota/resnet50/b4/whole/token-20/r1",
        "pair/resnet50/b4/green-16/vgg16/b1/16/r1", "latency/nothing/b1/whole/r1"};
    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        fake_device f = fake_new();
        harness_step s;
        harness_text record = {0};
        f.fails_on = "resnet50";
        assert_int_equal(harness_step_parse(&s, keys[i]), 0);
        assert_int_equal(harness_measure(&f.base, &w, &s, &o, &record, err), -1);
        assert_non_null(strstr(err, i < 3 ? "illegal" : "nothing"));
        assert_int_equal(f.open, 0);
        harness_text_free(&record);
    }
    harness_workloads_free(&w);
}

/* --- checks -------------------------------------------------------------------------------------------------------- */

static harness_json *check(harness_json *const *records, size_t n) {
    char err[HARNESS_ERR_LEN];
    harness_text t = {0};
    harness_check_write((const harness_json *const *)records, n, &t);
    harness_json *j = harness_json_parse("checks", t.text, t.len, err);
    if (!j) fail_msg("%s: %s", err, t.text);
    harness_text_free(&t);
    return j;
}

static void test_checks_see_contradictions(void **state) {
    static const char *const keys[] = {"latency/resnet50/b1/green-8/r1", "latency/resnet50/b1/green-16/r1",
                                       "latency/resnet50/b1/green-32/r1", "latency/resnet50/b4/green-32/r1",
                                       "latency/resnet50/b1/green-8/r2"};
    enum { N = sizeof keys / sizeof *keys };
    harness_workloads w = read_models();
    (void)state;
    for (int inverted = 0; inverted < 2; inverted++) {
        fake_device f = fake_new();
        harness_json *records[N];
        f.inverted = inverted;
        for (size_t i = 0; i < N; i++) records[i] = measure(&f, &w, keys[i]);
        harness_json *c = check(records, N);
        const harness_json *laws = harness_json_at(c, "monotonicity");
        /* widths 8 < 16 < 32 at batch 1, with 8 measured twice: 2 x (8,16), 2 x (8,32), (16,32) */
        assert_int_equal((int)number(laws->child, "pairs"), 5);
        assert_int_equal((int)number(laws->child, "contradictions"), inverted ? 5 : 0);
        assert_int_equal((int)number(laws->child->next, "contradictions"), 0);
        assert_int_equal((int)number(c, "between.n"), 1);
        assert_true(number(c, "noise_floor_pct") < 0.5);
        harness_json_free(c);
        for (size_t i = 0; i < N; i++) harness_json_free(records[i]);
    }
    harness_workloads_free(&w);
}

static void test_throttled_records_do_not_count(void **state) {
    harness_workloads w = read_models();
    fake_device f = fake_new();
    harness_json *records[2];
    (void)state;
    f.throttled = 1;
    records[0] = measure(&f, &w, "latency/resnet50/b1/green-8/r1");
    assert_int_equal((int)number(records[0], "throttled"), 1);
    f.throttled = 0;
    records[1] = measure(&f, &w, "latency/resnet50/b1/green-16/r1");
    harness_json *c = check(records, 2);
    assert_int_equal((int)number(harness_json_at(c, "monotonicity")->child, "pairs"), 0);
    assert_int_equal((int)number(c, "within.n"), 1);
    harness_json_free(c);
    for (int i = 0; i < 2; i++) harness_json_free(records[i]);
    harness_workloads_free(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_reads_what_it_writes),
        cmocka_unit_test(test_json_refuses_in_one_line),
        cmocka_unit_test(test_stats_interval_rank),
        cmocka_unit_test(test_stats_interval_covers),
        cmocka_unit_test(test_stats_values),
        cmocka_unit_test(test_token_windows),
        cmocka_unit_test(test_meter_vectors),
        cmocka_unit_test(test_meter_carries_debt),
        cmocka_unit_test(test_models_have_the_published_size),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_bad_models_are_refused),
        cmocka_unit_test(test_keys_are_invertible_and_unique),
        cmocka_unit_test(test_bad_keys),
        cmocka_unit_test(test_budget_keeps_the_essential),
        cmocka_unit_test(test_plan_for_a_plain_gpu),
        cmocka_unit_test(test_latency_is_the_law),
        cmocka_unit_test(test_quota_follows_the_window),
        cmocka_unit_test(test_pair_finds_the_slowdown),
        cmocka_unit_test(test_cold_and_resize),
        cmocka_unit_test(test_verify_sees_wrong_values),
        cmocka_unit_test(test_failures_close_everything),
        cmocka_unit_test(test_checks_see_contradictions),
        cmocka_unit_test(test_throttled_records_do_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
