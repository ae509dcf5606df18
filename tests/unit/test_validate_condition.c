/* test_validate_condition.c - latencies sorted by rate and allocation. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "validate_condition.h"

enum { SLOW = 50, FAST = 100, N = SLOW + FAST }; /* 5 s at 10 requests/s, 5 s at 20 */

static const uint32_t rates[] = {10, 20};

typedef struct {
    validate_share shares[2];
    validate_request requests[N];
    validate_run run;
} recording;

/* Latencies fall with time, so that the order of a condition is another than that of the requests. At change_s the
 * quota goes from 30 to 60: it was recorded earlier. */
static void record(recording *r, double change_s) {
    r->shares[0] = (validate_share){.t_s = 0, .gpus = 1, .pods = 1, .sm_pct = 30, .quota_pct = 30};
    r->shares[1] = (validate_share){
        .t_s = change_s - VALIDATE_SHARE_LAG_S, .gpus = 1, .pods = 1, .sm_pct = 30, .quota_pct = 60};
    for (size_t i = 0; i < N; i++)
        r->requests[i] =
            (validate_request){.start_s = i < SLOW ? 0.1 * (double)i : 5 + 0.05 * (double)(i - SLOW),
                               .latency_ms = 90 - 0.3 * (double)i,
                               .status = 200};
    r->run = (validate_run){.rate_rps = rates, .n_stages = 2};
    r->run.real = (validate_trace){r->requests, N, 0, r->shares, 2};
}

static validate_conditions open_conditions(const recording *r) {
    validate_conditions c;
    assert_int_equal(validate_conditions_open(&c, &r->run, &r->run.real), 0);
    return c;
}

/* Quota 30 to 2.5 s, half of the slow stage: 25 + 25 + 100. */
static void rate_and_allocation_make_a_condition(void **state) {
    (void)state;
    static const size_t expected[] = {25, 25, 100};
    recording r;
    record(&r, 2.5);
    validate_conditions c = open_conditions(&r);
    validate_shared_condition at = {.n_a = 0};
    assert_int_equal(c.n, N);
    for (size_t k = 0; k < 3; k++) {
        assert_true(validate_next_shared(&at, &c, &c));
        assert_true(at.a == at.b && at.n_a == expected[k] && at.n_b == expected[k]);
        for (size_t i = 1; i < at.n_a; i++) assert_true(at.a[i - 1].ms <= at.a[i].ms);
    }
    assert_false(validate_next_shared(&at, &c, &c));
    validate_conditions_close(&c);
}

/* Twenty of a kind are enough, nineteen are not: the quota changes after 19, 20 requests of 0.1 s. */
static void twenty_are_enough(void **state) {
    (void)state;
    for (int n = 19; n <= 20; n++) {
        recording r;
        record(&r, 0.1 * n - 0.05);
        validate_conditions c = open_conditions(&r);
        validate_shared_condition at = {.n_a = 0};
        assert_true(validate_next_shared(&at, &c, &c));
        assert_int_equal(at.n_a, n == 20 ? 20 : SLOW - 19);
        validate_conditions_close(&c);
    }
}

/* Another number of pods, or another width, is another condition. */
static void pods_and_width_count(void **state) {
    (void)state;
    for (int which = 0; which < 3; which++) {
        recording a, b;
        record(&a, 100);
        record(&b, 100);
        b.shares[0].pods += which == 1;
        b.shares[0].sm_pct += which == 2;
        validate_conditions of_a = open_conditions(&a), of_b = open_conditions(&b);
        validate_shared_condition at = {.n_a = 0};
        assert_int_equal(validate_next_shared(&at, &of_a, &of_b), which == 0);
        validate_conditions_close(&of_a);
        validate_conditions_close(&of_b);
    }
}

/* The other's quota changes at 1 s (10 + 40 + 100): of the first condition it has too few. And at 6 s: 50 at 10/30,
 * then 20 at 20/30, which the first has not, and 80 at 20/60. */
static void only_what_both_have_often_is_shared(void **state) {
    (void)state;
    const struct {
        double change_s;
        size_t n, n_a[2], n_b[2];
    } cases[] = {{1, 2, {25, 100}, {40, 100}}, {6, 2, {25, 100}, {50, 80}}};
    for (size_t k = 0; k < 2; k++) {
        recording a, b;
        record(&a, 2.5);
        record(&b, cases[k].change_s);
        validate_conditions of_a = open_conditions(&a), of_b = open_conditions(&b);
        validate_shared_condition at = {.n_a = 0};
        for (size_t i = 0; i < cases[k].n; i++) {
            assert_true(validate_next_shared(&at, &of_a, &of_b));
            assert_true(at.a->condition == at.b->condition);
            assert_true(at.n_a == cases[k].n_a[i] && at.n_b == cases[k].n_b[i]);
        }
        assert_false(validate_next_shared(&at, &of_a, &of_b));
        validate_conditions_close(&of_a);
        validate_conditions_close(&of_b);
    }
}

/* What failed has no latency. */
static void failed_requests_are_no_answers(void **state) {
    (void)state;
    recording r;
    record(&r, 100);
    for (size_t i = 0; i < 5; i++) r.requests[i].status = 502;
    validate_conditions c = open_conditions(&r);
    validate_shared_condition at = {.n_a = 0};
    assert_int_equal(c.n, N - 5);
    assert_true(validate_next_shared(&at, &c, &c) && at.n_a == SLOW - 5);
    assert_true(validate_next_shared(&at, &c, &c) && at.n_a == FAST);
    validate_conditions_close(&c);
}

/* The recording breaks off before its third stage. The slow stage's last five were lost. One sent at 4.1 s is answered at
 * 12.1 s - it failed, but the next stage waited for it - and until then others start, late, and are answered: they are of
 * that stage. The fast one begins with the first that finds none in flight. */
static void stages_are_told_by_their_barriers(void **state) {
    (void)state;
    enum { LOST = 5, HELD_UP = 41 };
    static const uint32_t three[] = {10, 20, 30};
    recording r;
    record(&r, 100);
    r.run.rate_rps = three;
    r.run.n_stages = 3;
    r.requests[HELD_UP] = (validate_request){r.requests[HELD_UP].start_s, 8000, 502};
    for (size_t i = HELD_UP + 1; i < SLOW - LOST; i++) r.requests[i].start_s += 3; /* 7.2, 7.3, 7.4 */
    for (size_t i = SLOW - LOST; i < N - LOST; i++) {
        r.requests[i] = r.requests[i + LOST];
        r.requests[i].start_s += 7.102; /* 12.102, ... */
    }
    r.run.real.n_requests = N - LOST;
    r.run.real.lost = LOST;
    validate_conditions c = open_conditions(&r);
    validate_shared_condition at = {.n_a = 0};
    assert_true(validate_next_shared(&at, &c, &c) && at.n_a == SLOW - LOST - 1);
    assert_true(validate_next_shared(&at, &c, &c) && at.n_a == FAST);
    validate_conditions_close(&c);
}

/* Answers come within a ms: none is in flight when the next request starts. At 25 requests/s the client's lateness adds up
 * to 31 ms, and the last of a stage, if one before it was lost, starts 9 ms before the 5 s are over. What starts after
 * the last stage's 5 s is of that stage. */
static void fast_answers_end_no_stage(void **state) {
    (void)state;
    enum { RATE = 25, ALL = VALIDATE_STAGE_S * RATE, STAGES = 3 };
    static const uint32_t three[] = {RATE, 2 * RATE, RATE + 1};
    static validate_request requests[STAGES * 2 * ALL];
    const double late_s = 1e-9 * VALIDATE_LATE_NS;
    size_t n = 0, expected[STAGES] = {0};
    double begin_s = 3; /* a trace may begin later than at 0 */
    for (size_t k = 0; k < STAGES; k++) {
        size_t all = VALIDATE_STAGE_S * three[k], more = k + 1 == STAGES ? RATE : 0;
        for (size_t i = 0; i < all + more; i++) {
            if (i == 7) continue; /* lost */
            requests[n++] = (validate_request){begin_s + (double)i * (1.0 / three[k] + late_s), 1, 200};
            expected[k]++;
        }
        begin_s += (double)all * (1.0 / three[k] + late_s) - 0.002; /* it was less late than usual */
    }
    validate_run run = {.rate_rps = three, .n_stages = STAGES};
    const validate_trace t = {.requests = requests, .n_requests = n};
    validate_conditions c;
    validate_shared_condition at = {.n_a = 0};
    assert_int_equal(validate_conditions_open(&c, &run, &t), 0);
    static const size_t by_rate[STAGES] = {0, 2, 1};
    for (size_t k = 0; k < STAGES; k++) {
        assert_true(validate_next_shared(&at, &c, &c));
        assert_int_equal(at.n_a, expected[by_rate[k]]);
    }
    validate_conditions_close(&c);
}

/* A stage's first request overlaps an answer by a hair: the stage before has sent all it has. */
static void a_stage_that_has_sent_all_is_over(void **state) {
    (void)state;
    recording r;
    record(&r, 100);
    r.requests[SLOW - 1].latency_ms = 101;
    for (size_t i = SLOW; i < N; i++) r.requests[i].latency_ms = 80; /* one is always in flight */
    validate_conditions c = open_conditions(&r);
    validate_shared_condition at = {.n_a = 0};
    assert_true(validate_next_shared(&at, &c, &c) && at.n_a == SLOW);
    assert_true(validate_next_shared(&at, &c, &c) && at.n_a == FAST);
    validate_conditions_close(&c);
}

static void gaps_are_between_quantiles_and_finite(void **state) {
    (void)state;
    validate_answer a[] = {{0, 1}, {0, 2}, {0, 4}, {0, 8}}, b[] = {{0, 0}, {0, 8}};
    const validate_shared_condition c = {.a = a, .n_a = 4, .b = b, .n_b = 2},
                                    back = {.a = b, .n_a = 2, .b = a, .n_b = 4};
    assert_true(fabs(validate_quantile_gap(&c, 0.5) - log(2)) < 1e-12); /* 4 against 8 */
    assert_true(fabs(validate_quantile_gap(&back, 0.5) - log(2)) < 1e-12);
    assert_true(fabs(validate_quantile_gap(&c, 0.25) - log(2000)) < 1e-12);
    assert_true(fabs(validate_quantile_gap(&back, 0.25) - log(2000)) < 1e-12);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rate_and_allocation_make_a_condition),
        cmocka_unit_test(twenty_are_enough),
        cmocka_unit_test(pods_and_width_count),
        cmocka_unit_test(only_what_both_have_often_is_shared),
        cmocka_unit_test(gaps_are_between_quantiles_and_finite),
        cmocka_unit_test(failed_requests_are_no_answers),
        cmocka_unit_test(stages_are_told_by_their_barriers),
        cmocka_unit_test(fast_answers_end_no_stage),
        cmocka_unit_test(a_stage_that_has_sent_all_is_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
