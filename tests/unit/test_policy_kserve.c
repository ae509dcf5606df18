/* The KServe policy: decisions of the KPA worked by hand (ticks of 2 s, scrapes of 1 s, 60-s and 6-s windows,
 * 70 % target utilisation), routing by excess burst capacity, and laziness. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mock_host.h"

extern const pol_ops policy_kserve;

/* "key", value, ..., NULL; pods are ready at once. */
static mock *opened(size_t n_gpus, const char *key, ...) {
    char err[POL_ERR_LEN] = "";
    mock *m = mock_new(&policy_kserve, POL_CORRECTED, 1, n_gpus);
    va_list ap;
    va_start(ap, key);
    for (; key; key = va_arg(ap, const char *)) mock_set(m, key, va_arg(ap, double));
    va_end(ap);
    m->cold_start_ns = 0;
    if (mock_open(m, err) != POL_OK) fail_msg("%s", err);
    return m;
}

static uint32_t pods_at(mock *m, int64_t t_s) {
    while (m->now_ns < t_s * MOCK_S) mock_step(m);
    return mock_alive(m, 0);
}

/* n requests in the system from one time to another. */
static mock_load block(mock_requests *into, size_t n, int64_t from_s, int64_t to_s) {
    for (size_t i = 0; i < n; i++) {
        into->arrival_ns[i] = from_s * MOCK_S;
        into->end_ns[i] = to_s < 0 ? MOCK_LATER : to_s * MOCK_S;
    }
    return (mock_load){into->arrival_ns, into->end_ns, n};
}

static mock_requests requests[MOCK_FNS];

/* Target 7. At 2 s: 10 / 7 -> 2 pods, 200 % of one: panic, 2 pods. The load ends at 20 s, but there is no way
 * down before panic ends, more than 60 s after 2 s: at 64 s, S = 10 * 16 / 60 -> 1. */
static void test_panic_keeps_pods_until_it_ends(void **unused) {
    (void)unused;
    mock *m = opened(4, "container_concurrency", 10.0, NULL);
    m->loads[0] = block(requests, 10, 0, 20);
    mock_begin(m);
    assert_int_equal(mock_alive(m, 0), 1);
    assert_int_equal(pods_at(m, 2), 2);
    assert_string_equal(mock_last(m, POL_START)->reason, "concurrency, panic window");
    assert_int_equal(pods_at(m, 62), 2);
    assert_int_equal(pods_at(m, 64), 1);
    assert_int_equal(mock_last(m, POL_STOP)->pod, 1);
    mock_free(m);
}

/* Two pods, 18 requests from 10 s on: P = 18 -> 3 pods, 150 %: no panic. S is over the time since the begin:
 * 18 * 34 / 44 = 13.9 -> 2 pods at 44 s, 18 * 36 / 46 = 14.09 -> 3 pods at 46 s. */
static void test_stable_window_is_partial_when_young(void **unused) {
    (void)unused;
    mock *m = opened(4, "container_concurrency", 10.0, "min_scale", 2.0, NULL);
    m->cold_start_ns = 3 * MOCK_S;
    m->loads[0] = block(requests, 18, 10, -1);
    mock_begin(m);
    assert_int_equal(pods_at(m, 44), 2);
    assert_int_equal(pods_at(m, 46), 3);
    assert_string_equal(mock_last(m, POL_START)->reason, "concurrency");
    mock_free(m);
}

/* 1000 requests want 143 pods: 3 per ready pod, 3, 9, 27. Panic was last renewed at 8 s, when the panic
 * window still wanted 1000 * 4 / 6 / 7 -> 96 pods; it ends at 70 s, with nothing in the stable window: half
 * of them at each tick. */
static void test_rates_are_clamped(void **unused) {
    (void)unused;
    mock *m = opened(40, "container_concurrency", 10.0, "max_scale_up_rate", 3.0, "max_scale", 27.0, NULL);
    m->loads[0] = block(requests, 1000, 0, 6);
    mock_begin(m);
    assert_int_equal(pods_at(m, 2), 3);
    assert_int_equal(pods_at(m, 4), 9);
    assert_int_equal(pods_at(m, 6), 27);
    assert_int_equal(pods_at(m, 68), 27);
    assert_int_equal(pods_at(m, 70), 13);
    assert_int_equal(pods_at(m, 72), 6);
    assert_int_equal(pods_at(m, 74), 3);
    assert_int_equal(pods_at(m, 76), 1);
    assert_int_equal(pods_at(m, 200), 1);
    mock_free(m);
}

static void test_a_full_cluster_is_used_up_and_asked_no_more(void **unused) {
    (void)unused;
    mock *m = opened(5, "container_concurrency", 10.0, NULL);
    m->gpus[2].memory_free_mib = 1000;
    m->loads[0] = block(requests, 1000, 0, -1);
    mock_begin(m);
    assert_int_equal(pods_at(m, 2), 4);
    assert_int_equal(pods_at(m, 20), 4);
    for (size_t i = 0; i < m->n_log; i++) assert_true(m->log[i].result >= 0);
    for (uint32_t i = 0; i < 4; i++) {
        const pol_pod *p = &m->pods[0][i].pod;
        assert_int_equal(p->gpu, i < 2 ? i : i + 1);
        assert_int_equal(p->sm_pct, 100);
        assert_int_equal(p->quota_pct, 100);
    }
    mock_free(m);
}

/* One request from 10 to 11 s leaves the stable window at 72 s; the pod goes 30 s later. It comes back with
 * the next request, and is not sent away before metrics have shown it. */
static void test_to_zero_with_grace_and_back(void **unused) {
    (void)unused;
    mock *m = opened(2, "min_scale", 0.0, NULL);
    m->cold_start_ns = 9 * MOCK_S;
    m->loads[0] = block(requests, 2, 10, 11);
    m->host.scrape_phase_ns = MOCK_S / 2;
    requests->arrival_ns[1] = 302 * MOCK_S - 1; /* later than the last scrape before the tick */
    requests->end_ns[1] = 311 * MOCK_S;
    mock_begin(m);
    assert_int_equal(pods_at(m, 100), 1);
    assert_int_equal(pods_at(m, 102), 0);
    assert_int_equal(pods_at(m, 104), 0);
    assert_true(m->next_ns[0] == POL_NEVER);
    assert_int_equal(pods_at(m, 300), 0);
    assert_int_equal(pods_at(m, 302), 1);
    assert_int_equal(pods_at(m, 372), 1);
    assert_int_equal(pods_at(m, 404), 0);
    mock_free(m);
}

/* As in the first case, but the 1 of 64 s counts only when no 2 is left in the last 10 ticks, at 82 s. */
static void test_scale_down_delay(void **unused) {
    (void)unused;
    mock *m = opened(4, "container_concurrency", 10.0, "scale_down_delay_s", 20.0, NULL);
    m->loads[0] = block(requests, 10, 0, 20);
    mock_begin(m);
    assert_int_equal(pods_at(m, 80), 2);
    assert_int_equal(pods_at(m, 82), 1);
    assert_int_equal(pods_at(m, 84), 1);
    assert_true(m->next_ns[0] > m->now_ns);
    mock_free(m);
}

static void test_initial_scale(void **unused) {
    (void)unused;
    mock *m = opened(4, "initial_scale", 3.0, NULL);
    m->cold_start_ns = 7 * MOCK_S;
    mock_begin(m);
    assert_int_equal(mock_alive(m, 0), 3);
    assert_int_equal(pods_at(m, 6), 3);
    assert_int_equal(pods_at(m, 8), 1);
    mock_free(m);
}

/* More than one ready pod at the first tick: the decider begins in panic, for more than 60 s. */
static void test_decider_begins_in_panic(void **unused) {
    (void)unused;
    mock *m = opened(4, "initial_scale", 3.0, NULL);
    mock_begin(m);
    assert_int_equal(pods_at(m, 62), 3);
    assert_int_equal(pods_at(m, 64), 1);
    mock_free(m);
}

static void test_those_that_start_go_first(void **unused) {
    (void)unused;
    mock *m = opened(4, "container_concurrency", 10.0, "panic_threshold_pct", 1000.0, NULL);
    m->loads[0] = block(requests, 18, 0, 4);
    mock_begin(m);
    m->cold_start_ns = 1000 * MOCK_S;
    assert_int_equal(pods_at(m, 2), 3);
    assert_int_equal(pods_at(m, 8), 2);
    assert_int_equal(mock_last(m, POL_STOP)->pod, 2);
    assert_int_equal(pods_at(m, 40), 1);
    assert_int_equal(m->pods[0][0].pod.draining, 0);
    mock_free(m);
}

static void check_route(const mock *m, pol_balance balance, uint32_t pod_limit, uint32_t queue_limit) {
    const pol_action *a = mock_last(m, POL_ROUTE);
    assert_non_null(a);
    assert_int_equal(a->balance, balance);
    assert_int_equal(a->pod_limit, pod_limit);
    assert_int_equal(a->queue_limit, queue_limit);
}

static void test_activator_balances_by_container_concurrency(void **unused) {
    (void)unused;
    static const struct {
        double cc;
        pol_balance balance;
    } cases[] = {{0, POL_TWO_CHOICES}, {1, POL_FIRST_FREE}, {3, POL_FIRST_FREE}, {4, POL_ROUND_ROBIN}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mock *m = opened(1, "container_concurrency", cases[i].cc, NULL);
        mock_begin(m);
        pods_at(m, 20);
        check_route(m, cases[i].balance, (uint32_t)cases[i].cc, 10000);
        mock_free(m);
    }
}

/* Three pods of 100: 300 - 211 - 0 >= 0, so the activator leaves; 100 requests, P = 100: 300 - 211 - 100 < 0.
 */
static void test_burst_capacity_decides_about_the_activator(void **unused) {
    (void)unused;
    mock *m = opened(4, "container_concurrency", 100.0, "min_scale", 3.0, NULL);
    m->cold_start_ns = 3 * MOCK_S;
    m->loads[0] = block(requests, 100, 20, 100);
    mock_begin(m);
    pods_at(m, 2);
    check_route(m, POL_ROUND_ROBIN, 100, 10000);
    pods_at(m, 4);
    check_route(m, POL_RANDOM, 100, 3000);
    pods_at(m, 24);
    check_route(m, POL_RANDOM, 100, 3000);
    pods_at(m, 26);
    check_route(m, POL_ROUND_ROBIN, 100, 10000);
    pods_at(m, 102);
    check_route(m, POL_RANDOM, 100, 3000);
    mock_free(m);
}

static void test_burst_capacity_may_be_none_or_unlimited(void **unused) {
    (void)unused;
    mock *none = opened(4, "target_burst_capacity", 0.0, NULL);
    mock *unlimited = opened(4, "target_burst_capacity", -1.0, "min_scale", 4.0, NULL);
    mock_begin(none);
    mock_begin(unlimited);
    pods_at(none, 10);
    pods_at(unlimited, 10);
    check_route(none, POL_RANDOM, 0, 0);
    check_route(unlimited, POL_TWO_CHOICES, 0, 10000);
    mock_free(none);
    mock_free(unlimited);
}

/* Target 0.7 per pod: a single request wants two. */
static void test_artifact_is_the_validation_configuration(void **unused) {
    (void)unused;
    char err[POL_ERR_LEN];
    mock *m = mock_new(&policy_kserve, POL_ARTIFACT, 1, 4);
    m->cold_start_ns = 0;
    assert_int_equal(mock_open(m, err), POL_OK);
    m->loads[0] = block(requests, 1, 0, -1);
    mock_begin(m);
    assert_int_equal(pods_at(m, 2), 2);
    check_route(m, POL_ROUND_ROBIN, 15, 10000);
    assert_int_equal(pods_at(m, 100), 2);
    mock_free(m);
}

static void test_nonsense_is_refused(void **unused) {
    (void)unused;
    static const struct {
        const char *key[2];
        double value[2];
        const char *names;
    } cases[] = {{{"min_scale", "max_scale"}, {3, 2}, "min_scale"},
                 {{"initial_scale", "max_scale"}, {3, 2}, "initial_scale"},
                 {{"stable_window_s", "tick_s"}, {10, 2}, "tick_s"},
                 {{"stable_window_s", "tick_s"}, {8, 0.5}, "metrics period"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char err[POL_ERR_LEN] = "";
        mock *m = mock_new(&policy_kserve, POL_CORRECTED, 1, 1);
        for (int k = 0; k < 2; k++) mock_set(m, cases[i].key[k], cases[i].value[k]);
        assert_int_equal(mock_open(m, err), POL_BAD_PARAM);
        assert_null(m->ctx);
        assert_non_null(strstr(err, cases[i].names));
        mock_free(m);
    }
}

/* ---- laziness ---- */

static mock *run_random(uint64_t seed, int is_eager) {
    static const double concurrencies[] = {0, 1, 2, 4, 15}, bursts[] = {-1, 0, 5, 211};
    char err[POL_ERR_LEN] = "";
    uint64_t state = seed;
    mock *m = mock_new(&policy_kserve, POL_CORRECTED, 1 + seed % 4, 1 + seed % 9);
    mock_set(m, "container_concurrency", concurrencies[mock_random(&state) % 5]);
    mock_set(m, "scale_target", (double)(mock_random(&state) % 3));
    mock_set(m, "target_burst_capacity", bursts[mock_random(&state) % 4]);
    mock_set(m, "min_scale", (double)(mock_random(&state) % 3));
    mock_set(m, "initial_scale", (double)(mock_random(&state) % 4));
    mock_set(m, "max_scale", mock_random(&state) % 2 ? 0 : 4);
    mock_set(m, "scale_to_zero_grace_s", (double)(mock_random(&state) % 40));
    mock_set(m, "stable_window_s", mock_random(&state) % 2 ? 60 : 21);
    mock_set(m, "scale_down_delay_s", mock_random(&state) % 3 ? 0 : 25);
    m->host.scrape_ns = (int64_t)(1 + mock_random(&state) % 2) * MOCK_S;
    m->host.scrape_phase_ns = (int64_t)(mock_random(&state) % 3000) * 1000000;
    m->cold_start_ns = (int64_t)(mock_random(&state) % 12) * MOCK_S / 2;
    m->drain_ns = (int64_t)(mock_random(&state) % 5) * MOCK_S;
    m->has_failures = mock_random(&state) % 2 == 0;
    m->is_eager = is_eager;
    for (size_t f = 0; f < m->n_fns; f++) m->loads[f] = mock_random_load(&requests[f], &state, 900 * MOCK_S);
    if (mock_open(m, err) != POL_OK) fail_msg("seed %u: %s", (unsigned)seed, err);
    mock_begin(m);
    pods_at(m, 900);
    return m;
}

static void test_laziness_never_shows(void **unused) {
    (void)unused;
    uint64_t lazy_visits = 0, eager_visits = 0, actions = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        mock *lazy = run_random(seed, 0), *eager = run_random(seed, 1);
        if (!mock_same_log(lazy, eager)) fail_msg("seed %u differs", (unsigned)seed);
        lazy_visits += lazy->visits;
        eager_visits += eager->visits;
        actions += lazy->n_log;
        mock_free(lazy);
        mock_free(eager);
    }
    print_message("%u actions, %u visits lazily, %u eagerly\n", (unsigned)actions, (unsigned)lazy_visits,
                  (unsigned)eager_visits);
    assert_true(lazy_visits < eager_visits);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_panic_keeps_pods_until_it_ends),
        cmocka_unit_test(test_stable_window_is_partial_when_young),
        cmocka_unit_test(test_rates_are_clamped),
        cmocka_unit_test(test_a_full_cluster_is_used_up_and_asked_no_more),
        cmocka_unit_test(test_to_zero_with_grace_and_back),
        cmocka_unit_test(test_scale_down_delay),
        cmocka_unit_test(test_initial_scale),
        cmocka_unit_test(test_decider_begins_in_panic),
        cmocka_unit_test(test_those_that_start_go_first),
        cmocka_unit_test(test_activator_balances_by_container_concurrency),
        cmocka_unit_test(test_burst_capacity_decides_about_the_activator),
        cmocka_unit_test(test_burst_capacity_may_be_none_or_unlimited),
        cmocka_unit_test(test_artifact_is_the_validation_configuration),
        cmocka_unit_test(test_nonsense_is_refused),
        cmocka_unit_test(test_laziness_never_shows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
