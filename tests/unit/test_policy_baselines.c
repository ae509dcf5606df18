/* The simple baselines: whole-gpu, horizontal, vertical, mig. Decisions worked by hand, and laziness. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mock_host.h"
#include "throughput_int.h"

/* A batch takes 24 ms at SM 50 % and above, 48 ms at 25 %..., divided by the quota: at SM 50 %, quota 50 %, 48 ms. */
static double linear_latency_ms(uint32_t batch, uint32_t sm_pct, uint32_t quota_pct) {
    return batch * 24.0 * (sm_pct < 50 ? 50.0 / sm_pct : 1) * 100 / quota_pct;
}

static mock *opened(const char *name, size_t n_fns, size_t n_gpus, const char *key, ...) {
    char err[POL_ERR_LEN] = "";
    const pol_ops *ops = policy_find(name);
    assert_non_null(ops);
    mock *m = mock_new(ops, POL_CORRECTED, n_fns, n_gpus);
    va_list ap;
    va_start(ap, key);
    for (; key; key = va_arg(ap, const char *)) mock_set(m, key, va_arg(ap, double));
    va_end(ap);
    m->latency_ms = linear_latency_ms;
    for (size_t f = 0; f < n_fns; f++) {
        m->fns[f].batch_max = 1;
        m->fns[f].workers = 1000; /* the GPU limits */
        m->fns[f].memory_mib = 1000;
    }
    if (mock_open(m, err) != POL_OK) fail_msg("%s", err);
    return m;
}

static mock_requests *make_requests(void) {
    mock_requests *r = malloc(MOCK_FNS * sizeof *r);
    assert_non_null(r);
    return r;
}

/* ---- what a pod sustains ---- */

static void check_near(double got, double want) {
    if (!(fabs(got - want) <= 1e-6)) fail_msg("found %.9g, expected %.9g", got, want);
}

static void test_throughput(void **unused) {
    (void)unused;
    mock *m = opened("horizontal", 1, 1, NULL);
    const pol_host *h = &m->host;
    /* 48 ms a batch of one, twice that and 70 ms fit 500 ms */
    check_near(throughput_within(h, 0, 0, 0, 50, 50, 500e6), 1000.0 / 48);
    check_near(throughput_within(h, 0, 0, 0, 50, 50, 166e6), 1000.0 / 48);
    check_near(throughput_within(h, 0, 0, 0, 50, 50, 165e6), 0);
    m->fns[0].workers = 2; /* who hold a request for 70 ms and one and a half batches */
    check_near(throughput_within(h, 0, 0, 0, 50, 50, 500e6), 2000.0 / (70 + 72));
    mock_free(m);
}

/* ---- whole-gpu ---- */

static void test_whole_gpus_are_held_alone(void **unused) {
    (void)unused;
    mock *m = opened("whole-gpu", 2, 5, "pods", 2.0, NULL);
    mock_begin(m);
    mock_run_until(m, 100);
    for (uint32_t f = 0; f < 2; f++) {
        assert_int_equal(mock_alive(m, f), 2);
        for (uint32_t i = 0; i < 2; i++) {
            const pol_pod *p = &m->pods[f][i].pod;
            assert_true(p->sm_pct == 100 && p->quota_pct == 100 && p->gpu == 2 * f + i);
        }
    }
    assert_int_equal(m->gpus[4].n_pods, 0);
    assert_int_equal(m->n_log, 4);
    mock_free(m);
}

static void test_whole_gpu_replaces_a_lost_pod(void **unused) {
    (void)unused;
    mock *m = opened("whole-gpu", 1, 1, NULL);
    mock_begin(m);
    m->pods[0][0].dies_ns = 31 * MOCK_S;
    mock_run_until(m, 30);
    assert_int_equal(m->n_log, 1);
    mock_run_until(m, 32);
    assert_int_equal(mock_alive(m, 0), 1);
    assert_int_equal(m->n_pods[0], 2);
    mock_free(m);
}

/* ---- horizontal ---- */

/* SM 50 %, quota 50 %: 20.833 requests/s, of which 70 %, 14.583, are aimed at. 60 requests/s need 4.11, 5 pods; 5
 * need one. */
static void test_horizontal_counts_by_throughput(void **unused) {
    (void)unused;
    mock_requests *r = make_requests();
    mock *m = opened("horizontal", 1, 2, NULL);
    size_t n = mock_even_load(r, 0, 60, 0.01, 30).n;
    m->loads[0] = mock_even_load(r, n, 5, 30.01, 300);
    mock_begin(m);
    assert_int_equal(mock_alive(m, 0), 1);
    mock_run_until(m, 6);
    assert_int_equal(mock_alive(m, 0), 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(m->pods[0][i].pod.gpu, i / 4); /* four quarters fill the first GPU */
        assert_int_equal(m->pods[0][i].pod.row, i / 4 * MOCK_ROWS_PER_GPU + i % 4 / 2);
    }
    mock_run_until(m, 64);
    assert_int_equal(mock_alive(m, 0), 5);
    mock_run_until(m, 66); /* a minute after the change */
    assert_int_equal(mock_alive(m, 0), 1);
    assert_int_equal(mock_last(m, POL_STOP)->pod, 1); /* the youngest went first */
    mock_run_until(m, 300);
    assert_int_equal(m->n_log, 9);
    mock_free(m);
    free(r);
}

static void test_horizontal_takes_a_target(void **unused) {
    (void)unused;
    mock_requests *r = make_requests();
    mock *m = opened("horizontal", 1, 2, "target_rps", 10.0, "min_pods", 2.0, NULL);
    m->loads[0] = mock_even_load(r, 0, 35, 0.01, 100);
    mock_begin(m);
    assert_int_equal(mock_alive(m, 0), 2);
    mock_run_until(m, 100);
    assert_int_equal(mock_alive(m, 0), 4);
    mock_free(m);
    free(r);
}

/* ---- vertical ---- */

/* SM 50 %: quota q sustains q / 2.4 requests/s, of which 70 % are aimed at; 10 and 20 % miss the SLO of 500 ms (240
 * ms a batch; at 20 %, 120 ms, 70 + 240 ms fit). */
static void test_vertical_takes_the_smallest_quota(void **unused) {
    (void)unused;
    mock_requests *r = make_requests();
    mock *m = opened("vertical", 1, 1, NULL);
    size_t n = mock_even_load(r, 0, 15, 0.01, 30).n;
    m->loads[0] = mock_even_load(r, n, 60, 30.01, 60);
    mock_begin(m);
    assert_int_equal(m->pods[0][0].pod.quota_pct, 20);
    mock_run_until(m, 6);
    assert_int_equal(m->pods[0][0].pod.quota_pct, 60); /* 15 <= 0.7 x 25 */
    mock_run_until(m, 60);
    assert_int_equal(m->pods[0][0].pod.quota_pct, 100); /* all there is */
    mock_run_until(m, 200);
    assert_int_equal(m->pods[0][0].pod.quota_pct, 20);
    assert_int_equal(m->n_pods[0], 1);
    assert_int_equal(m->n_log, 4);
    mock_free(m);
    free(r);
}

/* Two rows of SM 50 % fill the GPU: the third function finds no row of its own. */
static void test_vertical_shares_a_row_if_it_must(void **unused) {
    (void)unused;
    mock_requests *r = make_requests();
    mock *m = opened("vertical", 3, 1, NULL);
    m->loads[0] = mock_even_load(r, 0, 60, 0.01, 60);
    mock_begin(m);
    assert_int_equal(m->pods[0][0].pod.row, 0);
    assert_int_equal(m->pods[1][0].pod.row, 1);
    assert_int_equal(m->pods[2][0].pod.row, 0);
    mock_run_until(m, 60);
    assert_int_equal(m->pods[0][0].pod.quota_pct, 80); /* its row-mate has 20 */
    for (size_t i = 0; i < m->n_log; i++) assert_true(m->log[i].result >= 0);
    mock_free(m);
    free(r);
}

/* ---- mig ---- */

/* SM 14 %: 85.7 ms a batch, 70 + 171.4 ms meet 500 ms: 1g, 11.67 requests/s, of which 8.167 are aimed at. */
static void test_mig_cuts_and_fills_a_gpu(void **unused) {
    (void)unused;
    mock_requests *r = make_requests();
    mock *m = opened("mig", 2, 3, "reconfig_s", 7.0, NULL);
    m->fns[1].slo_ns = 125000000; /* 70 + 2 x 24 ms = 118 ms: the smallest of 50 % or more, 4g */
    m->loads[0] = mock_even_load(r, 0, 20, 20.01, 60);
    mock_begin(m);
    assert_true(m->log[0].action.sm_pct == 14 && m->log[0].action.setup_ns == 7 * MOCK_S);
    assert_true(m->log[1].action.sm_pct == 57 && m->log[1].action.gpu == 1);
    mock_run_until(m, 40);
    assert_int_equal(mock_alive(m, 0), 3); /* 20 / 8.167 */
    assert_int_equal(mock_alive(m, 1), 1);
    for (uint32_t i = 0; i < 3; i++) assert_int_equal(m->pods[0][i].pod.gpu, 0);
    assert_int_equal(mock_last(m, POL_START)->setup_ns, 0); /* the GPU is cut already */
    mock_run_until(m, 200);
    assert_int_equal(mock_alive(m, 0), 1);
    mock_free(m);
    free(r);
}

/* Those that start while the GPU is being cut wait for the rest of it. */
static void test_mig_slices_of_a_gpu_are_ready_together(void **unused) {
    (void)unused;
    mock *m = opened("mig", 1, 2, "min_pods", 3.0, "profile", 3.0, NULL); /* 3g, of which two fit */
    mock_begin(m);
    assert_int_equal(m->n_log, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(m->log[i].action.sm_pct, 42);
        assert_int_equal(m->log[i].action.setup_ns, 5 * MOCK_S);
        assert_int_equal(m->pods[0][i].pod.gpu, i / 2);
    }
    mock_free(m);
}

static void test_mig_slices_have_their_memory(void **unused) {
    (void)unused;
    mock *m = opened("mig", 2, 2, NULL);
    m->fns[0].memory_mib = 2049; /* more than an eighth of 16384 MiB */
    m->fns[1].memory_mib = 9000; /* more than a half */
    mock_begin(m);
    assert_int_equal(m->pods[0][0].pod.sm_pct, 28);
    assert_int_equal(m->pods[1][0].pod.sm_pct, 100);
    mock_free(m);
}

/* A GPU that is cut for others can be cut anew only when it is empty. */
static void test_mig_waits_for_an_empty_gpu(void **unused) {
    (void)unused;
    mock *m = opened("mig", 2, 1, NULL);
    m->fns[1].slo_ns = 125000000;
    mock_begin(m);
    assert_int_equal(m->n_log, 1); /* nothing is asked for that cannot be */
    mock_run_until(m, 40);
    assert_int_equal(mock_alive(m, 1), 0);
    m->pods[0][0].dies_ns = m->now_ns;
    mock_sweep(m);
    m->fns[0].memory_mib = 20000; /* so that it does not come back */
    mock_run_until(m, 60);
    assert_int_equal(mock_alive(m, 1), 1);
    assert_int_equal(m->pods[1][0].pod.sm_pct, 57);
    mock_free(m);
}

/* ---- all of them ---- */

static const char *const names[] = {"whole-gpu", "horizontal", "vertical", "mig"};
enum { N_NAMES = sizeof names / sizeof *names };

static void test_idle_functions_are_left_alone(void **unused) {
    (void)unused;
    for (size_t i = 0; i < N_NAMES; i++) {
        mock *m = opened(names[i], 1, 2, NULL);
        mock_begin(m);
        mock_run_until(m, 1000);
        if (m->next_ns[0] != POL_NEVER || m->visits > 12) fail_msg("%s looks on and on", names[i]);
        mock_free(m);
    }
}

static void test_full_clusters_are_not_pestered(void **unused) {
    (void)unused;
    mock_requests *r = make_requests();
    for (size_t i = 0; i < N_NAMES; i++) {
        mock *m = opened(names[i], 2, 1, NULL);
        for (uint32_t f = 0; f < 2; f++) {
            m->fns[f].memory_mib = 16000;
            m->loads[f] = mock_even_load(&r[f], 0, 60, 0.01, 60);
        }
        mock_begin(m);
        mock_run_until(m, 60);
        if (m->n_log > 3) fail_msg("%s: %u actions", names[i], (unsigned)m->n_log);
        for (size_t k = 0; k < m->n_log; k++) assert_true(m->log[k].result >= 0);
        mock_free(m);
    }
    free(r);
}

static void test_laziness_never_shows(void **unused) {
    (void)unused;
    mock_requests *requests = make_requests();
    for (size_t i = 0; i < N_NAMES; i++) {
        uint64_t lazy_visits = 0, eager_visits = 0, actions = 0;
        for (uint64_t seed = 1; seed <= 80; seed++) {
            mock *lazy = mock_run_random(policy_find(names[i]), seed, 0, requests, NULL);
            mock *eager = mock_run_random(policy_find(names[i]), seed, 1, requests, NULL);
            if (!mock_same_log(lazy, eager)) fail_msg("%s: seed %u differs", names[i], (unsigned)seed);
            lazy_visits += lazy->visits;
            eager_visits += eager->visits;
            actions += lazy->n_log;
            mock_free(lazy);
            mock_free(eager);
        }
        print_message("%s: %u actions, %u visits lazily, %u eagerly\n", names[i], (unsigned)actions,
                      (unsigned)lazy_visits, (unsigned)eager_visits);
        assert_true(lazy_visits < eager_visits);
        assert_true(actions > 200);
    }
    free(requests);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_throughput),
        cmocka_unit_test(test_whole_gpus_are_held_alone),
        cmocka_unit_test(test_whole_gpu_replaces_a_lost_pod),
        cmocka_unit_test(test_horizontal_counts_by_throughput),
        cmocka_unit_test(test_horizontal_takes_a_target),
        cmocka_unit_test(test_vertical_takes_the_smallest_quota),
        cmocka_unit_test(test_vertical_shares_a_row_if_it_must),
        cmocka_unit_test(test_mig_cuts_and_fills_a_gpu),
        cmocka_unit_test(test_mig_slices_of_a_gpu_are_ready_together),
        cmocka_unit_test(test_mig_slices_have_their_memory),
        cmocka_unit_test(test_mig_waits_for_an_empty_gpu),
        cmocka_unit_test(test_idle_functions_are_left_alone),
        cmocka_unit_test(test_full_clusters_are_not_pestered),
        cmocka_unit_test(test_laziness_never_shows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
