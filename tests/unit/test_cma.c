/* test_cma.c - the search for the least value of a function. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cma.h"
#include "draw.h"

enum { N = 6 };

/* A long narrow valley across the axes, least (0) at 1, 2, ... */
static double depth(const double *x) {
    double sum = 0, along = 0;
    for (size_t i = 0; i < N; i++) along += x[i] - (double)(i + 1);
    for (size_t i = 0; i < N; i++) {
        double d = x[i] - (double)(i + 1) - along / N;
        sum += 1000 * d * d;
    }
    return sum + along * along;
}

static double valley(void *arg, const double *x, unsigned generation) {
    unsigned *calls = arg;
    assert_int_equal(generation, *calls / cma_generation_size(N));
    ++*calls;
    return depth(x);
}

static void minimise(double *x, const cma_spec *spec, unsigned generations, cma_function f, void *arg) {
    cma *s = cma_open(spec, x);
    assert_non_null(s);
    cma_advance(s, generations, f, arg);
    memcpy(x, cma_mean(s), spec->n * sizeof *x);
    cma_close(s);
}

static void goes_down_a_valley_across_the_axes(void **state) {
    (void)state;
    double x[N] = {0};
    unsigned calls = 0;
    const cma_spec spec = {.n = N, .width = 1, .key = 1};
    minimise(x, &spec, 200, valley, &calls);
    assert_int_equal(calls, 200 * cma_generation_size(N));
    for (size_t i = 0; i < N; i++) assert_true(fabs(x[i] - (double)(i + 1)) < 1e-3);
}

/* Each generation sees the bowl elsewhere; on the mean over them it is where it is. */
static double shaken_bowl(void *arg, const double *x, unsigned generation) {
    (void)arg;
    double dx = x[0] - 3 - cma_normal(draw_mix(2 * generation)),
           dy = x[1] - 4 - cma_normal(draw_mix(2 * generation + 1));
    return dx * dx + dy * dy;
}

static void follows_the_mean_of_a_noisy_function(void **state) {
    (void)state;
    double x[2] = {0, 0}, mean[2] = {0, 0};
    enum { KEYS = 20 };
    for (uint64_t key = 0; key < KEYS; key++) {
        const cma_spec spec = {.n = 2, .width = 1, .key = key};
        x[0] = x[1] = 0;
        minimise(x, &spec, 100, shaken_bowl, NULL);
        assert_true(fabs(x[0] - 3) < 2 && fabs(x[1] - 4) < 2);
        for (size_t i = 0; i < 2; i++) mean[i] += x[i] / KEYS;
    }
    assert_true(fabs(mean[0] - 3) < 1 && fabs(mean[1] - 4) < 1);
}

static double nowhere(void *arg, const double *x, unsigned generation) {
    (void)arg, (void)generation;
    return x[0] > 3 ? (double)NAN : HUGE_VAL;
}

/* Less than half of the first generation is left of 3 - 1 and good, and that says little of the way to go. */
static double mostly_nowhere(void *arg, const double *x, unsigned generation) {
    (void)arg, (void)generation;
    return x[0] > 2 ? HUGE_VAL : x[0];
}

static void check_stays(cma_function f, unsigned generations) {
    double x[2] = {3, 4};
    const cma_spec spec = {.n = 2, .width = 1, .key = 1};
    minimise(x, &spec, generations, f, NULL);
    assert_true(x[0] == 3 && x[1] == 4);
}

static void stays_where_no_point_is_any_good(void **state) {
    (void)state;
    check_stays(nowhere, 5);
}

static void stays_where_few_points_are_good(void **state) {
    (void)state;
    check_stays(mostly_nowhere, 1);
}

static void goes_on_where_it_left_off(void **state) {
    (void)state;
    double x[2][N] = {{0}};
    unsigned calls[2] = {0, 0};
    const cma_spec spec = {.n = N, .width = 1, .key = 1};
    cma *s = cma_open(&spec, x[1]);
    minimise(x[0], &spec, 50, valley, &calls[0]);
    cma_advance(s, 20, valley, &calls[1]);
    cma_advance(s, 0, valley, &calls[1]);
    cma_advance(s, 30, valley, &calls[1]);
    assert_int_equal(calls[0], calls[1]);
    assert_memory_equal(x[0], cma_mean(s), sizeof x[0]);
    cma_close(s);
}

static void the_same_key_draws_the_same(void **state) {
    (void)state;
    double x[3][N] = {{0}};
    for (size_t i = 0; i < 3; i++) {
        unsigned calls = 0;
        const cma_spec spec = {.n = N, .width = 1, .key = i < 2 ? 1 : 2};
        minimise(x[i], &spec, 3, valley, &calls);
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
        cmocka_unit_test(follows_the_mean_of_a_noisy_function),
        cmocka_unit_test(stays_where_no_point_is_any_good),
        cmocka_unit_test(stays_where_few_points_are_good),
        cmocka_unit_test(goes_on_where_it_left_off),
        cmocka_unit_test(the_same_key_draws_the_same),
        cmocka_unit_test(normal_deviates_are_symmetric_and_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
