#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_is_within_two_ulp_of_libm),
        cmocka_unit_test(units_and_exponentials_keep_their_ranges),
        cmocka_unit_test(bits_are_as_they_always_were),
        cmocka_unit_test(means_and_variances_fit),
        cmocka_unit_test(neighbours_share_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
