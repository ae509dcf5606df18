/* Which pod gets a request: each rule of pol_balance on pods that are set up by hand. */
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
    pod pods[N_PODS];
    pod *list[N_PODS];
} bench;

/* Ready pods 0, 1, 2 with 4 workers each that hold so many requests. */
static void bench_open(bench *b, pol_balance balance, const uint32_t held[N_PODS]) {
    *b = (bench){.s = {.balance = balance, .n_pods = N_PODS, .n_ready = N_PODS}};
    b->s.route_key = draw_key(7, 0, DRAW_ROUTE);
    for (uint32_t i = 0; i < N_PODS; i++) {
        b->pods[i] = (pod){.id = i, .is_ready = 1, .workers = 4, .weight = 1, .held = held[i]};
        b->list[i] = &b->pods[i];
    }
    b->s.pods = b->list;
}

static int picked(bench *b, uint64_t ordinal) {
    pod *p = route_pick(&b->s, ordinal);
    return p ? (int)p->id : NONE;
}

static void expect_turns(bench *b, size_t n, const int *ids) {
    for (size_t i = 0; i < n; i++) assert_int_equal(picked(b, i), ids[i]);
}

static const uint32_t empty[N_PODS];

static void pull_takes_the_emptiest_with_a_free_worker(void **state) {
    (void)state;
    bench b;
    bench_open(&b, POL_PULL, (uint32_t[]){3, 1, 2});
    assert_int_equal(picked(&b, 0), 1);
    b.pods[1].held = 2;
    assert_int_equal(picked(&b, 0), 1); /* ties go to the lowest id */
    b.pods[1].held = b.pods[2].held = 4;
    assert_int_equal(picked(&b, 0), 0);
    b.pods[0].held = 4;
    assert_int_equal(picked(&b, 0), NONE);
    /* alone, too, a pod is only pulled to by a free worker */
    b.s.n_pods = b.s.n_ready = 1;
    assert_int_equal(picked(&b, 0), NONE);
    b.pods[0].held = 3;
    assert_int_equal(picked(&b, 0), 0);
}

static void only_ready_pods_below_their_limit_take_work(void **state) {
    (void)state;
    for (int balance = POL_PULL; balance <= POL_WEIGHTED; balance++) {
        bench b;
        bench_open(&b, (pol_balance)balance, (uint32_t[]){0, 2, 2});
        b.pods[0].is_ready = 0;
        b.pods[1].is_draining = 1;
        b.s.n_ready = 1;
        for (uint64_t k = 0; k < 50; k++) assert_int_equal(picked(&b, k), 2);
        b.s.pod_limit = 3;
        assert_int_equal(picked(&b, 0), 2);
        b.s.pod_limit = 2;
        assert_int_equal(picked(&b, 0), NONE);
        b.s.n_ready = 0;
        b.pods[2].is_ready = 0;
        b.s.pod_limit = 0;
        assert_int_equal(picked(&b, 0), NONE);
    }
}

static void random_is_uniform(void **state) {
    (void)state;
    bench b;
    int seen[N_PODS] = {0};
    bench_open(&b, POL_RANDOM, (uint32_t[]){9, 0, 5});
    enum { N = 30000 };
    for (uint64_t k = 0; k < N; k++) seen[picked(&b, k)]++;
    /* binomial: standard deviation 82 */
    for (int i = 0; i < N_PODS; i++) assert_in_range(seen[i], N / 3 - 410, N / 3 + 410);
    /* the same request, the same pod; two requests in turn, independent pods */
    for (uint64_t k = 0; k < 50; k++) assert_int_equal(picked(&b, k), picked(&b, k));
    int repeats = 0;
    for (uint64_t k = 0; k < N; k++) repeats += picked(&b, k) == picked(&b, k + 1);
    assert_in_range(repeats, N / 3 - 410, N / 3 + 410);
}

static void round_robin_goes_in_turn(void **state) {
    (void)state;
    bench b;
    bench_open(&b, POL_ROUND_ROBIN, (uint32_t[]){5, 0, 9});
    expect_turns(&b, 5, (int[]){0, 1, 2, 0, 1});
    b.s.pod_limit = 6; /* the third is full: it is passed over */
    expect_turns(&b, 3, (int[]){0, 1, 0});
    b.s.pod_limit = 0;
    expect_turns(&b, 3, (int[]){1, 2, 0});
}

/* A turn goes on by id, also where a pod has left. */
static void round_robin_outlives_its_pods(void **state) {
    (void)state;
    bench b;
    bench_open(&b, POL_ROUND_ROBIN, empty);
    expect_turns(&b, 2, (int[]){0, 1});
    b.list[1] = &b.pods[2];
    b.s.n_pods = b.s.n_ready = 2;
    expect_turns(&b, 3, (int[]){2, 0, 2});
    b.s.n_pods = b.s.n_ready = 1; /* 0 alone, and then two again: 2 is next */
    expect_turns(&b, 2, (int[]){0, 0});
    b.s.n_pods = b.s.n_ready = 2;
    expect_turns(&b, 2, (int[]){2, 0});
}

/* Of two uniform draws the less loaded: 0 holds least and wins 5 of 9, 1 is next with 3, 2 must be drawn twice. */
static void two_choices_take_the_less_loaded(void **state) {
    (void)state;
    bench b;
    int seen[N_PODS] = {0};
    bench_open(&b, POL_TWO_CHOICES, (uint32_t[]){1, 2, 3});
    enum { N = 9 * 4000 };
    for (uint64_t k = 0; k < N; k++) seen[picked(&b, k)]++;
    assert_in_range(seen[0], 5 * 4000 - 480, 5 * 4000 + 480);
    assert_in_range(seen[1], 3 * 4000 - 480, 3 * 4000 + 480);
    assert_in_range(seen[2], 4000 - 480, 4000 + 480);
}

static void two_choices_tie_to_the_lowest(void **state) {
    (void)state;
    bench b;
    int seen[N_PODS] = {0};
    bench_open(&b, POL_TWO_CHOICES, empty);
    for (uint64_t k = 0; k < 36000; k++) seen[picked(&b, k)]++;
    assert_in_range(seen[0], 20000 - 480, 20000 + 480);
    assert_in_range(seen[2], 4000 - 480, 4000 + 480);
}

static void first_free_fills_the_lowest(void **state) {
    (void)state;
    bench b;
    bench_open(&b, POL_FIRST_FREE, (uint32_t[]){7, 0, 0});
    assert_int_equal(picked(&b, 0), 0);
    b.s.pod_limit = 7;
    assert_int_equal(picked(&b, 0), 1);
    b.pods[1].held = 7;
    assert_int_equal(picked(&b, 0), 2);
    b.pods[2].held = 7;
    assert_int_equal(picked(&b, 0), NONE);
}

/* Weights 5, 1, 1, smoothly: a period of 7 in which the heavy pod is served five times, never six in a row. */
static void weighted_is_smooth_and_proportional(void **state) {
    (void)state;
    bench b;
    bench_open(&b, POL_WEIGHTED, (uint32_t[]){9, 0, 0});
    b.pods[0].weight = 5;
    expect_turns(&b, 14, (int[]){0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0});
    b.s.pod_limit = 9; /* the heavy one is full */
    expect_turns(&b, 4, (int[]){1, 2, 1, 2});
}

/* Many pods: the classes pick what the definition picks, whatever happens in between. */
enum { MANY = 3 * MANY_PODS };

typedef struct {
    island s;
    pod pods[MANY];
    pod *list[MANY];
    int64_t current[MANY]; /* the definition's weights, by id */
} crowd;

static int takes_turns(const crowd *c, const pod *p) {
    return p->is_ready && (c->s.pod_limit == 0 || p->held < c->s.pod_limit);
}

static int by_definition(crowd *c) {
    int best = NONE;
    int64_t total = 0;
    for (int i = 0; i < MANY; i++) {
        if (!takes_turns(c, &c->pods[i])) continue;
        c->current[i] += c->pods[i].weight;
        total += c->pods[i].weight;
        if (best == NONE || c->current[i] > c->current[best]) best = i;
    }
    if (best != NONE) c->current[best] -= total;
    return best;
}

static void many_weighted_pods_follow_the_definition(void **state) {
    (void)state;
    static const uint32_t weights[] = {1, 7, 7, 100, 350};
    crowd c = {.s = {.balance = POL_WEIGHTED, .n_pods = MANY, .n_ready = MANY}};
    uint64_t key = draw_key(11, 0, DRAW_POLICY), n = 0;
    for (uint32_t i = 0; i < MANY; i++) {
        c.pods[i] = (pod){.id = i, .is_ready = 1, .workers = 4, .weight = weights[i % 5]};
        c.list[i] = &c.pods[i];
    }
    c.s.pods = c.list;
    for (uint64_t k = 0; k < 20000; k++) {
        if (draw_bits(key, n++) % 50 ==
            0) { /* one gets another weight, stops or comes back; or there is a limit */
            pod *p = &c.pods[draw_bits(key, n++) % MANY];
            uint64_t what = draw_bits(key, n++) % 5;
            route_changes(&c.s);
            if (what == 0)
                c.s.pod_limit = c.s.pod_limit ? 0 : 2;
            else if (what < 3)
                p->weight = weights[draw_bits(key, n++) % 5];
            else {
                p->is_ready = !p->is_ready;
                c.s.n_ready += p->is_ready ? 1 : UINT32_MAX;
            }
        }
        c.pods[draw_bits(key, n++) % MANY].held = (uint32_t)(draw_bits(key, k) % 4);
        pod *found = route_pick(&c.s, k);
        assert_int_equal(found ? (int)found->id : NONE, by_definition(&c));
    }
    c.s.pod_limit = 0;
    assert_non_null(route_pick(&c.s, 0));
    assert_true(c.s.weights.is_current);
    free(c.s.weights.turns);
    free(c.s.weights.classes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pull_takes_the_emptiest_with_a_free_worker),
        cmocka_unit_test(only_ready_pods_below_their_limit_take_work),
        cmocka_unit_test(random_is_uniform),
        cmocka_unit_test(round_robin_goes_in_turn),
        cmocka_unit_test(round_robin_outlives_its_pods),
        cmocka_unit_test(two_choices_take_the_less_loaded),
        cmocka_unit_test(two_choices_tie_to_the_lowest),
        cmocka_unit_test(first_free_fills_the_lowest),
        cmocka_unit_test(weighted_is_smooth_and_proportional),
        cmocka_unit_test(many_weighted_pods_follow_the_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
