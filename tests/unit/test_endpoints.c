/* A gateway's connections and dead endpoints, on pods that are set up by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "island_int.h"

enum { N_PODS = 3, NONE = -1 };

typedef struct {
    island s;
    engine_fn spec;
    pod pods[N_PODS];
    pod *list[N_PODS];
} bench;

static void bench_open(bench *b) {
    *b = (bench){.spec = {.keep_alive_ns = 100, .linger_ns = 100}};
    b->s = (island){.spec = &b->spec, .n_pods = N_PODS, .n_ready = N_PODS, .pods = b->list};
    b->s.route_key = draw_key(7, 0, DRAW_ROUTE);
    for (uint32_t i = 0; i < N_PODS; i++) {
        b->pods[i] = (pod){.id = i, .is_ready = 1, .workers = 4, .weight = 1};
        b->list[i] = &b->pods[i];
    }
}

static void bench_close(bench *b) {
    free(b->s.connections.v);
    free(b->s.dead.v);
}

static void idle(bench *b, uint32_t id, int64_t since_ns) {
    assert_int_equal(endpoints_add(&b->s.connections, id, since_ns), 0);
}

static int reused(bench *b, int64_t now_ns) {
    pod *p = route_reuse(&b->s, now_ns);
    return p ? (int)p->id : NONE;
}

static void the_last_that_became_idle_is_used_first(void **state) {
    (void)state;
    bench b;
    bench_open(&b);
    assert_int_equal(reused(&b, 0), NONE);
    idle(&b, 2, 10);
    idle(&b, 0, 20);
    idle(&b, 0, 30);
    idle(&b, 1, 40);
    assert_int_equal(reused(&b, 50), 1);
    assert_int_equal(reused(&b, 50), 0);
    idle(&b, 1, 60);
    assert_int_equal(reused(&b, 70), 1);
    assert_int_equal(reused(&b, 70), 0);
    assert_int_equal(reused(&b, 70), 2);
    assert_int_equal(reused(&b, 70), NONE);
    bench_close(&b);
}

/* Idle since 10 and 20, kept for 100: at 110 the first is closed, at 120 the second. */
static void idle_connections_are_closed(void **state) {
    (void)state;
    bench b;
    bench_open(&b);
    idle(&b, 0, 10);
    idle(&b, 1, 20);
    endpoints_expire(&b.s.connections, 109, 100);
    assert_int_equal(b.s.connections.n, 2);
    assert_int_equal(reused(&b, 119), 1);
    assert_int_equal(reused(&b, 119), NONE);
    idle(&b, 1, 20);
    assert_int_equal(reused(&b, 120), NONE);
    bench_close(&b);
}

static void pods_that_are_gone_are_not_used(void **state) {
    (void)state;
    bench b;
    bench_open(&b);
    for (uint32_t i = 0; i < 40; i++) idle(&b, i % N_PODS, i);
    endpoints_forget(&b.s.connections, 1);
    assert_int_equal(b.s.connections.n, 27);
    for (uint32_t i = 0; i < 27; i++) assert_int_not_equal(reused(&b, 50), 1);
    assert_int_equal(reused(&b, 50), NONE);
    idle(&b, 0, 50);
    idle(&b, 9, 51); /* nobody's */
    idle(&b, 2, 52);
    b.pods[2].is_draining = 1;
    assert_int_equal(reused(&b, 60), 0);
    bench_close(&b);
}

/* Draws of 30000 requests. */
static double dead_part(bench *b, int64_t now_ns) {
    enum { N = 30000 };
    int dead = 0;
    for (uint64_t k = 0; k < N; k++) dead += route_is_dead(&b->s, k, now_ns);
    return (double)dead / N;
}

static void expect_part(double found, double expected) {
    /* binomial: standard deviation below 0.003 */
    if (found < expected - 0.015 || found > expected + 0.015)
        fail_msg("%.4f, expected %.4f", found, expected);
}

/* Three ready pods: with one dead endpoint a quarter of the new connections fails, with two 2/5, until each has been dead
 * for 100. With no pod left all fail. */
static void dead_endpoints_get_their_share(void **state) {
    (void)state;
    bench b;
    bench_open(&b);
    assert_true(dead_part(&b, 0) == 0);
    assert_int_equal(endpoints_add(&b.s.dead, 7, 10), 0);
    expect_part(dead_part(&b, 10), 0.25);
    assert_int_equal(endpoints_add(&b.s.dead, 8, 50), 0);
    expect_part(dead_part(&b, 50), 0.4);
    b.s.n_ready = 1;
    expect_part(dead_part(&b, 109), 2.0 / 3);
    expect_part(dead_part(&b, 110), 0.5);
    b.s.n_ready = 0;
    assert_true(dead_part(&b, 149) == 1);
    assert_true(dead_part(&b, 150) == 0);
    bench_close(&b);
}

/* Whether a request fails says nothing about the pod that it gets otherwise: of those that pass, each pod has a third. */
static void failing_is_independent_of_the_choice(void **state) {
    (void)state;
    bench b;
    int seen[N_PODS] = {0}, passed = 0;
    bench_open(&b);
    b.s.balance = POL_RANDOM;
    assert_int_equal(endpoints_add(&b.s.dead, 7, 10), 0);
    for (uint64_t k = 0; k < 40000; k++) {
        if (route_is_dead(&b.s, k, 20)) continue;
        passed++;
        seen[route_pick(&b.s, k)->id]++;
    }
    for (int i = 0; i < N_PODS; i++) expect_part((double)seen[i] / passed, 1.0 / 3);
    bench_close(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_that_became_idle_is_used_first),
        cmocka_unit_test(idle_connections_are_closed),
        cmocka_unit_test(pods_that_are_gone_are_not_used),
        cmocka_unit_test(dead_endpoints_get_their_share),
        cmocka_unit_test(failing_is_independent_of_the_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
