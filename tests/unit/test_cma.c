/* test_cma.c - the search for the least value of a function. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cma.h"

enum { N = 6 };

typedef struct {
    unsigned calls;
    double least;
} counter;

static double count(counter *c, double value) {
    c->calls++;
    if (value < c->least) c->least = value;
    return value;
}

/* A long narrow valley across the axes, least (0) at 1, 2, ... */
static double valley(void *arg, const double *x) {
    double sum = 0, along = 0;
    for (size_t i = 0; i < N; i++) along += x[i] - (double)(i + 1);
    for (size_t i = 0; i < N; i++) {
        double d = x[i] - (double)(i + 1) - along / N;
        sum += 1000 * d * d;
    }
    return count(arg, sum + along * along);
}

static void goes_down_a_valley_across_the_axes(void **state) {
    (void)state;
    double x[N] = {0}, best;
    counter c = {0, HUGE_VAL};
    const cma_spec spec = {.n = N, .width = 1, .generations = 200, .key = 1};
    assert_int_equal(cma_minimise(x, &best, &spec, valley, &c), 0);
    assert_int_equal(c.calls, 1 + 200 * cma_generation_size(N));
    assert_true(best == c.least && best == valley(&c, x));
    for (size_t i = 0; i < N; i++) assert_true(fabs(x[i] - (double)(i + 1)) < 1e-3);
}

static double only_a_point(void *arg, const double *x) {
    return count(arg, x[0] == 3 && x[1] == 4 ? 0 : x[0] > 3 ? NAN : HUGE_VAL);
}

static void what_is_given_stays_where_nothing_is_better(void **state) {
    (void)state;
    double x[2] = {3, 4}, best;
    counter c = {0, HUGE_VAL};
    const cma_spec spec = {.n = 2, .width = 1, .generations = 5, .key = 1};
    assert_int_equal(cma_minimise(x, &best, &spec, only_a_point, &c), 0);
    assert_true(x[0] == 3 && x[1] == 4 && best == 0);
}

static void the_same_key_draws_the_same(void **state) {
    (void)state;
    double x[3][N] = {{0}}, best;
    for (size_t i = 0; i < 3; i++) {
        counter c = {0, HUGE_VAL};
        const cma_spec spec = {.n = N, .width = 1, .generations = 3, .key = i < 2 ? 1 : 2};
        assert_int_equal(cma_minimise(x[i], &best, &spec, valley, &c), 0);
    }
    assert_memory_equal(x[0], x[1], sizeof x[0]);
    assert_memory_not_equal(x[0], x[2], sizeof x[0]);
}

static void normal_deviates_are_symmetric_and_finite(void **state) {
    (void)state;
    assert_true(isfinite(cma_normal(0)) && isfinite(cma_normal(UINT64_MAX)));
    assert_true(cma_normal(0) < -6 && cma_normal(UINT64_MAX) > 6);
    assert_true(fabs(cma_normal(UINT64_C(1) << 63)) < 1e-9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_down_a_valley_across_the_axes),
        cmocka_unit_test(what_is_given_stays_where_nothing_is_better),
        cmocka_unit_test(the_same_key_draws_the_same),
        cmocka_unit_test(normal_deviates_are_symmetric_and_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
