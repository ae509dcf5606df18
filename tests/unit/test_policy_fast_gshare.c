/* FaST-GShare: maximal rectangles on random placements, the choice of configurations, scaling up and down worked by
 * hand, the artifact's habits, and laziness. The policy's file is included: profiles and books are its own. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fast_gshare.c"
#include "mock_host.h"

/* ---- rectangles ---- */

static void check_free(const rectangles *f, const rectangle *taken, size_t n) {
    const char *wrong = rectangles_check(f, taken, n);
    if (wrong) fail_msg("%s, with %u taken", wrong, (unsigned)n);
}

static int has(const rectangles *f, rectangle r) {
    for (uint32_t i = 0; i < f->n; i++)
        if (memcmp(&f->v[i], &r, sizeof r) == 0) return 1;
    return 0;
}

static void test_a_corner_leaves_two_rectangles(void **unused) {
    (void)unused;
    rectangles f = {0};
    rectangle taken = {0, 0, 60, 20}, beside = {60, 0, 40, 20};
    assert_int_equal(rectangles_free_all(&f), 0);
    assert_int_equal(rectangles_take(&f, taken), 0);
    assert_int_equal(f.n, 2);
    assert_true(has(&f, (rectangle){60, 0, 40, 100}));
    assert_true(has(&f, (rectangle){0, 20, 100, 80}));
    assert_int_equal(rectangles_take(&f, beside), 0);
    assert_int_equal(f.n, 1);
    assert_true(has(&f, (rectangle){0, 20, 100, 80}));
    assert_int_equal(rectangles_take(&f, (rectangle){0, 0, 100, 200}), 0);
    assert_int_equal(f.n, 0);
    rectangles_close(&f);
}

static void test_the_middle_leaves_four(void **unused) {
    (void)unused;
    rectangles f = {0};
    rectangle taken = {40, 30, 20, 50};
    assert_int_equal(rectangles_free_all(&f), 0);
    assert_int_equal(rectangles_take(&f, taken), 0);
    assert_int_equal(f.n, 4);
    assert_true(has(&f, (rectangle){0, 0, 40, 100}) && has(&f, (rectangle){60, 0, 40, 100}));
    assert_true(has(&f, (rectangle){0, 0, 100, 30}) && has(&f, (rectangle){0, 80, 100, 20}));
    check_free(&f, &taken, 1);
    rectangles_close(&f);
}

/* The check finds what is wrong: else the random test below would be worth nothing. */
static void test_check_finds_faults(void **unused) {
    (void)unused;
    rectangle taken = {0, 0, 60, 20}, v[3] = {{60, 0, 40, 100}, {0, 20, 100, 80}};
    rectangles f = {v, 2, 3};
    check_free(&f, &taken, 1);
    f.n = 1;
    assert_non_null(rectangles_check(&f, &taken, 1)); /* not covered */
    f.n = 3;
    v[2] = (rectangle){70, 30, 10, 10};
    assert_non_null(rectangles_check(&f, &taken, 1)); /* contained */
    v[2] = v[0];
    assert_non_null(rectangles_check(&f, &taken, 1)); /* twice */
    v[2] = (rectangle){50, 10, 50, 90};
    assert_non_null(rectangles_check(&f, &taken, 1)); /* meets the pod */
}

enum { TAKEN_MAX = 24 };

/* In a corner of a free rectangle, as a packing does, or anywhere in it. */
static rectangle random_part(const rectangles *f, uint64_t *state) {
    const rectangle *r = &f->v[mock_random(state) % f->n];
    uint32_t w = 1 + (uint32_t)(mock_random(state) % r->w), h = 1 + (uint32_t)(mock_random(state) % r->h);
    if (w > 40) w = 1 + w % 40;
    if (h > 40) h = 1 + h % 40;
    if (mock_random(state) % 2) return (rectangle){r->x, r->y, w, h};
    return (rectangle){r->x + (uint32_t)(mock_random(state) % (r->w - w + 1)),
                       r->y + (uint32_t)(mock_random(state) % (r->h - h + 1)), w, h};
}

/* The same set, taken in the opposite order. */
static void check_order_does_not_matter(const rectangles *f, const rectangle *taken, size_t n) {
    rectangles other = {0};
    assert_int_equal(rectangles_free_all(&other), 0);
    for (size_t i = n; i-- > 0;) assert_int_equal(rectangles_take(&other, taken[i]), 0);
    assert_int_equal(other.n, f->n);
    for (uint32_t i = 0; i < f->n; i++) assert_true(has(&other, f->v[i]));
    rectangles_close(&other);
}

static void test_invariants_on_random_operations(void **unused) {
    (void)unused;
    uint64_t state = 7;
    rectangles f = {0};
    rectangle taken[TAKEN_MAX];
    size_t n = 0, most = 0;
    assert_int_equal(rectangles_free_all(&f), 0);
    for (int op = 0; op < 12000; op++) {
        int must_leave = n == TAKEN_MAX || f.n == 0;
        if (must_leave || (n > 0 && mock_random(&state) % 5 < 2)) {
            taken[mock_random(&state) % n] = taken[n - 1];
            n--;
            assert_int_equal(rectangles_free_all(&f), 0);
            for (size_t i = 0; i < n; i++) assert_int_equal(rectangles_take(&f, taken[i]), 0);
        } else {
            taken[n] = random_part(&f, &state);
            assert_int_equal(rectangles_take(&f, taken[n++]), 0);
        }
        check_free(&f, taken, n);
        if (op % 10 == 0) check_order_does_not_matter(&f, taken, n);
        if (f.n > most) most = f.n;
    }
    assert_true(most > 40); /* or it was no test */
    rectangles_close(&f);
}

/* ---- configurations ---- */

/* By SM 100, 30, 25, 24 ms...; quota 50 % doubles it, others multiply it by 300 / quota. So SM 20 %, quota 50 %
 * has the best throughput per resource: 1000 / 60 requests/s on 1000 % x %. */
static double stepped_latency_ms(uint32_t batch, uint32_t sm_pct, uint32_t quota_pct) {
    double base = sm_pct < 20 ? 100 : sm_pct < 30 ? 30 : sm_pct < 40 ? 25 : 24;
    return batch * base * (quota_pct == 50 ? 2 : 300.0 / quota_pct);
}

static mock *opened_with(pol_mode mode, size_t n_fns, size_t n_gpus, const char *key, ...) {
    char err[POL_ERR_LEN] = "";
    mock *m = mock_new(&policy_fast_gshare, mode, n_fns, n_gpus);
    va_list ap;
    va_start(ap, key);
    for (; key; key = va_arg(ap, const char *)) mock_set(m, key, va_arg(ap, double));
    va_end(ap);
    m->latency_ms = stepped_latency_ms;
    for (size_t f = 0; f < n_fns; f++) {
        m->fns[f].batch_max = 1;
        m->fns[f].workers = 1000; /* the GPU limits */
        m->fns[f].memory_mib = 1000;
    }
    if (mock_open(m, err) != POL_OK) fail_msg("%s", err);
    return m;
}

static job job_of(mock *m) {
    return (job){.ctx = m->ctx, .w = m->ctx->fns, .spec = m->fns};
}

static void check_config(config c, uint32_t sm_pct, uint32_t quota_pct, double rps) {
    if (c.sm_pct != sm_pct || c.quota_pct != quota_pct || fabs(c.rps - rps) > 0.001)
        fail_msg("found %u x %u, %g/s, expected %u x %u, %g/s", (unsigned)c.sm_pct, (unsigned)c.quota_pct,
                 c.rps, (unsigned)sm_pct, (unsigned)quota_pct, rps);
}

static void test_configurations(void **unused) {
    (void)unused;
    mock *m = opened_with(POL_CORRECTED, 1, 1, NULL);
    job j = job_of(m);
    check_config(config_for(&j, 0, 44.583), 20, 50, 16.6667); /* the gap holds the most efficient one */
    check_config(config_for(&j, 0, 17), 20, 50, 16.6667);
    check_config(config_for(&j, 0, 16), 20, 50, 16.6667); /* and least above, too */
    check_config(config_for(&j, 0, 11.25), 30, 90, 12);
    check_config(config_for(&j, 0, 6.25), 20, 60, 6.6667);
    mock_free(m);
}

/* Overhead 70 ms and two batches must fit: 2 x 60 + 70 = 190 ms do not fit 180. */
static void test_slo_rules_out_the_slow(void **unused) {
    (void)unused;
    mock *m = opened_with(POL_CORRECTED, 1, 1, NULL);
    m->fns[0].slo_ns = 180000000;
    job j = job_of(m);
    check_config(config_for(&j, 0, 100), 30, 50, 20);
    m->fns[0].slo_ns = 1000000; /* out of reach: not minded */
    check_config(config_for(&j, 0, 100), 20, 50, 16.6667);
    mock_free(m);
}

static void test_handlers_limit_the_throughput(void **unused) {
    (void)unused;
    mock *m = opened_with(POL_CORRECTED, 1, 1, NULL);
    m->fns[0].workers = 2;
    job j = job_of(m);
    /* 2 handlers, 70 ms overhead and one and a half batches of 60 ms each */
    check_config((config){20, 50, pod_rps(&j, 0, 20, 50)}, 20, 50, 2 / 0.160);
    mock_free(m);
}

/* ---- scaling by hand ---- */

static void check_pod(const mock *m, uint32_t id, uint32_t row, uint32_t sm_pct, uint32_t quota_pct) {
    const pol_pod *p = &m->pods[0][id].pod;
    if (p->row != row || p->sm_pct != sm_pct || p->quota_pct != quota_pct)
        fail_msg("pod %u: row %u, %u x %u, expected row %u, %u x %u", (unsigned)id, (unsigned)p->row,
                 (unsigned)p->sm_pct, (unsigned)p->quota_pct, (unsigned)row, (unsigned)sm_pct,
                 (unsigned)quota_pct);
}

/* Initially 5 / 0.8 = 6.25 requests/s are wanted: SM 20 %, quota 60 %, for 6.667.
 * 41 requests/s: the gap is 41 / 0.8 - 6.667 = 44.58; two pods of 16.667 fit in, 11.25 are left: SM 30 %, quota 90
 * %, for 12. Row 0 has no 50 % left for the first, so a row begins; the second goes beside it, as the free
 * rectangle there, 50 x 80, is smaller than that above, 100 x 60; the third has another width.
 * Then 4 requests/s: of 52 the pods leave by throughput per resource, 12 / 2700, 6.667 / 1200, 16.667 / 1000. */
static void test_scales_up_and_down_as_worked_by_hand(void **unused) {
    (void)unused;
    mock_requests *r = malloc(sizeof *r);
    assert_non_null(r);
    mock *m = opened_with(POL_CORRECTED, 1, 2, NULL);
    size_t n = mock_even_load(r, 0, 41, 0.01, 40).n;
    m->loads[0] = mock_even_load(r, n, 4, 40.01, 200);
    mock_begin(m);
    check_pod(m, 0, 0, 20, 60);
    mock_run_until(m, 6);
    assert_int_equal(mock_alive(m, 0), 4);
    check_pod(m, 1, 1, 20, 50);
    check_pod(m, 2, 1, 20, 50);
    check_pod(m, 3, 2, 30, 90);
    mock_run_until(m, 44);
    assert_int_equal(mock_alive(m, 0), 4);
    mock_run_until(m, 46);
    assert_int_equal(mock_alive(m, 0), 1);
    uint32_t gone[3], k = 0;
    for (size_t i = 0; i < m->n_log; i++)
        if (m->log[i].action.verb == POL_STOP && k < 3) gone[k++] = m->log[i].action.pod;
    assert_int_equal(k, 3);
    assert_true(gone[0] == 3 && gone[1] == 0 && gone[2] == 2);
    mock_run_until(m, 200);
    assert_int_equal(mock_alive(m, 0), 1);
    mock_free(m);
    free(r);
}

static void test_cooldown_holds_a_scale_down(void **unused) {
    (void)unused;
    mock_requests *r = malloc(sizeof *r);
    assert_non_null(r);
    mock *m = opened_with(POL_CORRECTED, 1, 2, "cooldown_s", 60.0, NULL);
    size_t n = mock_even_load(r, 0, 41, 0.01, 20).n;
    m->loads[0] = mock_even_load(r, n, 4, 20.01, 200);
    mock_begin(m);
    mock_run_until(m, 64); /* the scale-up came at 6 s */
    assert_int_equal(mock_alive(m, 0), 4);
    mock_run_until(m, 66);
    assert_int_equal(mock_alive(m, 0), 1);
    mock_free(m);
    free(r);
}

/* Three GPUs of which one holds a pod: the next goes there, as an empty one leaves more over. */
static void test_an_empty_gpu_comes_last(void **unused) {
    (void)unused;
    mock *m = opened_with(POL_CORRECTED, 4, 3, NULL);
    mock_begin(m);
    for (uint32_t f = 1; f < 4; f++) assert_int_equal(m->pods[f][0].pod.gpu, m->pods[0][0].pod.gpu);
    /* 20 x 60 each: none fits beside another, so each has a row */
    for (uint32_t f = 0; f < 4; f++) assert_int_equal(m->pods[f][0].pod.row, f);
    mock_free(m);
}

/* Four rows are taken: what is left of them is used rather than nothing, if it meets the SLO. */
static void test_takes_what_is_free(void **unused) {
    (void)unused;
    mock *m = opened_with(POL_CORRECTED, 5, 1, NULL);
    for (uint32_t f = 0; f < 5; f++) m->fns[f].slo_ns = 600000000;
    mock_begin(m);
    const pol_pod *p = &m->pods[4][0].pod;
    assert_int_equal(p->sm_pct, 20);
    assert_int_equal(p->quota_pct, 40); /* rows have 40 % left; 50 % would be best */
    mock_free(m);
}

static void test_full_cluster_is_not_pestered(void **unused) {
    (void)unused;
    mock_requests *r = malloc(sizeof *r);
    assert_non_null(r);
    mock *m = opened_with(POL_CORRECTED, 1, 1, NULL);
    m->fns[0].memory_mib = 16000;
    m->loads[0] = mock_even_load(r, 0, 60, 0.01, 60);
    mock_begin(m);
    mock_run_until(m, 60);
    assert_int_equal(mock_alive(m, 0), 1);
    assert_int_equal(m->n_log, 2); /* route and start */
    mock_free(m);
    free(r);
}

/* ---- the artifact ---- */

static void test_artifact_adds_a_pod_a_tick_and_kills(void **unused) {
    (void)unused;
    mock_requests *r = malloc(sizeof *r);
    assert_non_null(r);
    mock *m = opened_with(POL_ARTIFACT, 1, 3, NULL);
    size_t n = mock_even_load(r, 0, 50, 0.01, 40).n;
    m->loads[0] = mock_even_load(r, n, 1, 40.01, 200);
    mock_begin(m);
    for (int64_t s = 2; s <= 40; s += 2) {
        uint32_t before = mock_alive(m, 0);
        mock_run_until(m, s);
        assert_true(mock_alive(m, 0) <= before + 1);
    }
    /* serially 1 / (50 + 70 ms) = 8.33 requests/s a pod: 50 / (0.7 x 8.33) = 8.57; a GPU's area holds 100 % / 15 % */
    assert_int_equal(mock_alive(m, 0), 9);
    for (uint32_t i = 0; i < 9; i++) {
        assert_int_equal(m->pods[0][i].pod.sm_pct, 30);
        assert_int_equal(m->pods[0][i].pod.quota_pct, 50);
        assert_int_equal(m->pods[0][i].pod.batch_max, 1);
        assert_int_equal(m->pods[0][i].pod.gpu, i / 6);
    }
    mock_run_until(m, 200);
    assert_non_null(mock_last(m, POL_KILL));
    assert_null(mock_last(m, POL_STOP));
    assert_true(mock_alive(m, 0) < 9);
    mock_free(m);
    free(r);
}

/* ---- books and laziness ---- */

/* The free rectangles of each GPU are those of its strips, and the strips those of the rows, once looked at. */
static void check_books(mock *m) {
    job j = job_of(m);
    pol_view v = {.gpus = m->gpus, .rows = m->rows, .n_gpus = m->n_gpus};
    j.view = &v;
    if (!m->ctx->free_on) return;
    for (uint32_t g = 0; g < m->n_gpus; g++) {
        rectangle taken[MOCK_ROWS_PER_GPU];
        int was_up_to_date = is_up_to_date(&j, &m->gpus[g]) && m->ctx->free_on[g].n > 0;
        uint32_t before = m->ctx->free_on[g].n;
        const rectangles *f = free_area_of(&j, g);
        if (was_up_to_date) assert_int_equal(f->n, before);
        for (uint32_t r = 0; r < MOCK_ROWS_PER_GPU; r++)
            taken[r] = rectangle_of(&m->ctx->strips[m->gpus[g].first_row + r]);
        check_free(f, taken, MOCK_ROWS_PER_GPU);
    }
}

static void test_books_agree_with_the_rows(void **unused) {
    (void)unused;
    mock_requests *requests = malloc(MOCK_FNS * sizeof *requests);
    uint64_t actions = 0;
    assert_non_null(requests);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        mock *m = mock_run_random(&policy_fast_gshare, seed, 0, requests, check_books);
        actions += m->n_log;
        mock_free(m);
    }
    assert_true(actions > 200);
    free(requests);
}

static void test_laziness_never_shows(void **unused) {
    (void)unused;
    mock_requests *requests = malloc(MOCK_FNS * sizeof *requests);
    uint64_t lazy_visits = 0, eager_visits = 0, actions = 0;
    assert_non_null(requests);
    for (uint64_t seed = 1; seed <= 200; seed++) {
        mock *lazy = mock_run_random(&policy_fast_gshare, seed, 0, requests, NULL);
        mock *eager = mock_run_random(&policy_fast_gshare, seed, 1, requests, NULL);
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
    free(requests);
}

static void test_idle_function_is_left_alone(void **unused) {
    (void)unused;
    mock *m = opened_with(POL_CORRECTED, 1, 2, NULL);
    mock_begin(m);
    mock_run_until(m, 1000);
    assert_true(m->next_ns[0] == POL_NEVER);
    assert_true(m->visits < 12);
    mock_free(m);
}

static void test_nonsense_is_refused(void **unused) {
    (void)unused;
    static const struct {
        const char *key, *names;
        double value;
    } cases[] = {{"scale_down_threshold", "scale_down_threshold", 0.9},
                 {"sm_step_pct", "sm_step_pct 30", 30},
                 {"quota_step_pct", "quota_step_pct 7", 7}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char err[POL_ERR_LEN] = "";
        mock *m = mock_new(&policy_fast_gshare, POL_CORRECTED, 1, 1);
        mock_set(m, cases[i].key, cases[i].value);
        assert_int_equal(mock_open(m, err), POL_BAD_PARAM);
        assert_null(m->ctx);
        assert_non_null(strstr(err, cases[i].names));
        mock_free(m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_corner_leaves_two_rectangles),
        cmocka_unit_test(test_the_middle_leaves_four),
        cmocka_unit_test(test_check_finds_faults),
        cmocka_unit_test(test_invariants_on_random_operations),
        cmocka_unit_test(test_configurations),
        cmocka_unit_test(test_slo_rules_out_the_slow),
        cmocka_unit_test(test_handlers_limit_the_throughput),
        cmocka_unit_test(test_scales_up_and_down_as_worked_by_hand),
        cmocka_unit_test(test_cooldown_holds_a_scale_down),
        cmocka_unit_test(test_an_empty_gpu_comes_last),
        cmocka_unit_test(test_takes_what_is_free),
        cmocka_unit_test(test_full_cluster_is_not_pestered),
        cmocka_unit_test(test_artifact_adds_a_pod_a_tick_and_kills),
        cmocka_unit_test(test_books_agree_with_the_rows),
        cmocka_unit_test(test_laziness_never_shows),
        cmocka_unit_test(test_idle_function_is_left_alone),
        cmocka_unit_test(test_nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
