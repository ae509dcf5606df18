#include <math.h>
#include <stdbool.h>

#include "trace_generate.h"
#include "trace_sample.h"

static void assert_near(const char *what, double got, double wanted, double within) {
    if (!(fabs(got - wanted) <= within)) fail_msg("%s: %g, expected %g +- %g", what, got, wanted, within);
}

/* 1,500 functions over a day, at the public rate: what is drawn quantile by quantile is close, what is left to chance less so. */
static void populations_have_the_published_marginals(void **state) {
    (void)state;
    sample_dir dir;
    trace_summary s;
    char err[TRACE_ERR_LEN];
    trace_generate_spec spec = {
        .like = TRACE_LIKE_AZURE2019, .functions = 1500, .minutes = 1440, .mean_rps = 375, .seed = 7};
    sample_open(&dir);
    if (trace_generate(&spec, dir.directory, &s, err)) fail_msg("%s", err);
    trace_population_marginals p = trace_population_published(), *m = &s.marginals;
    assert_near("one function", m->one_function, p.one_function, 0.08);
    assert_near("ten functions", m->ten_functions, p.ten_functions, 0.04);
    assert_near("hourly", m->hourly, p.hourly, 0.04);
    assert_near("minutely", m->minutely, p.minutely, 0.03);
    assert_near("popular share", m->popular_share, p.popular_share, 0.005);
    assert_near("median duration", m->median_ms / p.median_ms, 1, 0.25);
    assert_near("median memory", m->median_mb / p.median_mb, 1, 0.1);
    assert_near("rate", (double)s.invocations / 86400 / 375, 1, 0.1);
    assert_true(m->baseline > 0.2 && m->baseline < 0.8);
    assert_true(m->periodic > 0.1 && m->periodic < p.periodic + 0.05);
    assert_near("bursty", m->bursty, p.bursty, 0.15);
    trace_file *file = sample_trace(NULL, sample_path(&dir, "invocations.csv"));
    uint64_t sum = 0;
    for (size_t i = 0; i < trace_n_functions(file); i++) sum += trace_function_at(file, i).count;
    assert_int_equal(trace_n_functions(file), 1500);
    assert_int_equal(sum, s.invocations);
    assert_int_equal(trace_defects_of(file).disagreeing_counts, 0);
    trace_close(file);
    sample_close(&dir);
}

static void few_functions_and_minutes_are_enough(void **state) {
    (void)state;
    char err[TRACE_ERR_LEN];
    for (uint32_t n = 1; n < 6; n++) {
        sample_dir dir;
        trace_summary s;
        trace_generate_spec spec = {
            .like = TRACE_LIKE_AZURE2019, .functions = n, .minutes = 1, .mean_rps = 100, .seed = n};
        sample_open(&dir);
        if (trace_generate(&spec, dir.directory, &s, err)) fail_msg("%s", err);
        assert_true(isnan(s.marginals.baseline));
        sample_close(&dir);
    }
}

static void same_seed_same_members(void **state) {
    (void)state;
    enum { N = 500 };
    static trace_member a[N], b[N];
    for (uint64_t seed = 1; seed < 4; seed++) {
        double sum = 0;
        assert_int_equal(trace_population_draw(a, N, 10, seed), 0);
        assert_int_equal(trace_population_draw(b, N, 10, seed), 0);
        for (size_t i = 0; i < N; i++) {
            assert_true(a[i].rps == b[i].rps && a[i].mean_ms == b[i].mean_ms && a[i].gaps == b[i].gaps);
            assert_true(a[i].rps > 0 && isfinite(a[i].rps) && a[i].mean_ms >= 1 && a[i].mean_mb >= 1);
            assert_true(!i || a[i].app == a[i - 1].app || a[i].app == a[i - 1].app + 1);
            sum += a[i].rps;
        }
        assert_near("total rate", sum, 10, 1e-6);
    }
    assert_int_equal(trace_population_draw(b, N, 10, 99), 0);
    bool differs = false;
    for (size_t i = 0; i < N; i++) differs |= a[i].rps < b[i].rps;
    assert_true(differs);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(populations_have_the_published_marginals),
        cmocka_unit_test(few_functions_and_minutes_are_enough),
        cmocka_unit_test(same_seed_same_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
