#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dist.h"
#include "draw.h"

static int64_t ulps_between(double a, double b) {
    int64_t x, y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    return x > y ? x - y : y - x;
}

static void assert_log_close(double x) {
    double found = draw_log(x), expected = log(x);
    if (ulps_between(found, expected) > 2) fail_msg("draw_log(%a) is %a, libm's %a", x, found, expected);
}

static void log_is_within_two_ulp_of_libm(void **state) {
    (void)state;
    assert_true(draw_log(1.0) == 0.0);
    for (uint64_t i = 0; i < 1000000; i++) assert_log_close(draw_open_unit(draw_bits(7, i)));
    for (int e = -1000; e <= 1000; e += 7)
        for (uint64_t i = 0; i < 50; i++) assert_log_close(ldexp(1 + draw_unit(draw_bits(8, i)), e));
    for (double d = 0x1p-52; d < 0.5; d *= 1.7) {
        assert_log_close(1 - d);
        assert_log_close(1 + d);
        assert_log_close(sqrt(2.0) * (1 - d));
        assert_log_close(sqrt(2.0) * (1 + d));
    }
}

static void units_and_exponentials_keep_their_ranges(void **state) {
    (void)state;
    assert_true(draw_unit(0) == 0 && draw_unit(UINT64_MAX) < 1);
    assert_true(draw_open_unit(0) > 0 && draw_open_unit(UINT64_MAX) < 1);
    assert_true(draw_exp(UINT64_MAX) > 0 && draw_exp(0) < 36.8);
}

/* The numbers that every golden result rests on: changing them changes all results. */
static void bits_are_as_they_always_were(void **state) {
    (void)state;
    uint64_t key = draw_key(1, 2, DRAW_SERVICE);
    assert_int_equal(draw_mix(1), UINT64_C(0x5692161d100b05e5));
    assert_int_equal(key, UINT64_C(0x4f3eadc3af920d5d));
    assert_int_equal(draw_bits(key, 3), UINT64_C(0x33eb8ba34a4f8524));
}

static void means_and_variances_fit(void **state) {
    (void)state;
    enum { N = 1000000 };
    double unit = 0, exponential = 0, square = 0;
    uint64_t key = draw_key(42, 0, DRAW_ARRIVAL);
    for (uint64_t i = 0; i < N; i++) {
        double e = draw_exp(draw_bits(key, i));
        unit += draw_unit(draw_bits(key, i));
        exponential += e;
        square += e * e;
    }
    /* 5 standard errors: 0.289, 1 and sqrt(20) over sqrt(N) */
    assert_true(fabs(unit / N - 0.5) < 5 * 0.289 / 1000);
    assert_true(fabs(exponential / N - 1) < 5.0 / 1000);
    assert_true(fabs(square / N - 2) < 5 * 4.47 / 1000);
}

/* Neighbouring functions, purposes, seeds and ordinals: 64 bits of difference, half of them ones. */
static void neighbours_share_nothing(void **state) {
    (void)state;
    double flipped = 0;
    enum { N = 10000 };
    for (uint32_t i = 0; i < N; i++) {
        uint64_t at = draw_bits(draw_key(i, i, DRAW_ARRIVAL), i);
        uint64_t others[] = {
            draw_bits(draw_key(i + 1, i, DRAW_ARRIVAL), i), draw_bits(draw_key(i, i + 1, DRAW_ARRIVAL), i),
            draw_bits(draw_key(i, i, DRAW_SHAPE), i), draw_bits(draw_key(i, i, DRAW_ARRIVAL), i + 1)};
        for (int k = 0; k < 4; k++)
            for (uint64_t d = at ^ others[k]; d; d &= d - 1) flipped++;
    }
    /* mean of 4 N binomials (64, 1/2): standard error 4 / sqrt(4 N) */
    assert_true(fabs(flipped / (4.0 * N) - 32) < 5 * 4 / sqrt(4.0 * N));
}

/* Whatever registers they are computed in, and wherever a block is cut. */
static void many_at_once_are_the_same_bits(void **state) {
    (void)state;
    enum { N = 200 };
    uint64_t bits[N + 1], key = draw_key(3, 4, DRAW_ARRIVAL), first = UINT64_MAX - 70; /* ordinals wrap */
    double exps[N + 1];
    for (size_t n = 0; n <= N; n++) {
        bits[n] = 7;
        exps[n] = -7;
        draw_many_bits(bits, n, key, first);
        draw_many_exps(exps, n, key, first);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(bits[i], draw_bits(key, first + i));
            assert_int_equal(ulps_between(exps[i], draw_exp(bits[i])), 0);
        }
        assert_true(bits[n] == 7 && exps[n] == -7);
    }
}

static void many_samples_are_the_same_bits(void **state) {
    (void)state;
    enum { N = 20000 }; /* the lognormal's outer cells are among them */
    dist kinds[] = {dist_constant(2), dist_exponential(2), dist_hyperexponential(2, 3), {0}};
    assert_int_equal(dist_lognormal(&kinds[3], 2, 0.4), 0);
    double *v = malloc(N * sizeof *v);
    assert_non_null(v);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        uint64_t outer = 0;
        dist_sample_many(&kinds[k], v, N, 99, 5);
        for (uint64_t i = 0; i < N; i++) {
            uint64_t bits = draw_bits(99, 5 + i);
            outer += bits >> 54 == 0 || bits >> 54 == 1023;
            assert_int_equal(ulps_between(v[i], dist_sample(&kinds[k], bits)), 0);
        }
        assert_true(outer > 0);
    }
    free(v);
    dist_free(&kinds[3]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_is_within_two_ulp_of_libm),
        cmocka_unit_test(units_and_exponentials_keep_their_ranges),
        cmocka_unit_test(bits_are_as_they_always_were),
        cmocka_unit_test(means_and_variances_fit),
        cmocka_unit_test(neighbours_share_nothing),
        cmocka_unit_test(many_at_once_are_the_same_bits),
        cmocka_unit_test(many_samples_are_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
