/* Intervals against values worked by hand; t(2) = 4.3026527, t(1) = 12.7062047 (any table of Student's t). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <gsl/gsl_cdf.h>

#include "stats.h"

static void near(double found, double expected) {
    if (!(fabs(found - expected) < 1e-6)) fail_msg("found %.9g, expected %.9g", found, expected);
}

static void mean_of_three(void **state) {
    (void)state;
    const double values[] = {1, 2, 3}; /* sd 1, half = 4.3026527 / sqrt(3) */
    stats_interval v = stats_mean(values, 3);
    assert_int_equal(v.n, 3);
    near(v.mean, 2);
    near(v.lo, 2 - 2.4841377);
    near(v.hi, 2 + 2.4841377);
}

static void mean_of_two_equal_has_no_width(void **state) {
    (void)state;
    const double values[] = {7, 7};
    stats_interval v = stats_mean(values, 2);
    near(v.lo, 7);
    near(v.hi, 7);
}

static void a_variance_rounded_below_0_is_none(void **state) {
    (void)state;
    stats_interval v = stats_of_variance(7, -1e-18, 3);
    near(v.lo, 7);
    near(v.hi, 7);
}

static void one_value_has_no_interval(void **state) {
    (void)state;
    const double value = 5;
    stats_interval v = stats_mean(&value, 1);
    near(v.mean, 5);
    assert_true(isnan(v.lo) && isnan(v.hi));
    v = stats_mean(&value, 0);
    assert_int_equal(v.n, 0);
    assert_true(isnan(v.mean));
    assert_int_equal(stats_ratio(&value, &value, 1, &v), 0);
    near(v.mean, 1);
    assert_true(isnan(v.lo) && isnan(v.hi));
}

static void proportional_pairs_have_an_exact_ratio(void **state) {
    (void)state;
    const double x[] = {1, 2, 4}, y[] = {2, 4, 8};
    stats_interval v;
    assert_int_equal(stats_ratio(y, x, 3, &v), 0);
    near(v.mean, 2);
    near(v.lo, 2);
    near(v.hi, 2);
}

/* R = 5 / 2; residuals 0.5, -1, 0.5: sd^2 = 0.75; half = 4.3026527 * sqrt(0.75 / 3) / 2 */
static void ratio_of_pairs(void **state) {
    (void)state;
    const double x[] = {1, 2, 3}, y[] = {3, 4, 8};
    stats_interval v;
    assert_int_equal(stats_ratio(y, x, 3, &v), 0);
    near(v.mean, 2.5);
    near(v.lo, 2.5 - 1.0756632);
    near(v.hi, 2.5 + 1.0756632);
}

/* Of two values 1 apart: half of the mean's is 12.7062 * 0.5; of one more, sqrt(3) times as much. */
static void one_more_value_may_lie_further_off(void **state) {
    (void)state;
    const double values[] = {1, 2};
    stats_interval v = stats_of_one(stats_mean(values, 2));
    near(v.mean, 1.5);
    near(v.lo, 1.5 - 12.7062047 * 0.5 * 1.7320508);
    near(v.hi, 1.5 + 12.7062047 * 0.5 * 1.7320508);
    v = stats_of_one(stats_mean(values, 1));
    near(v.mean, 1);
    assert_true(isnan(v.lo) && isnan(v.hi));
}

static void pairing_matters(void **state) {
    (void)state;
    const double x[] = {1, 2, 3}, swapped[] = {3, 1, 2}, y[] = {3, 4, 8};
    stats_interval paired, crossed;
    assert_int_equal(stats_ratio(y, x, 3, &paired), 0);
    assert_int_equal(stats_ratio(y, swapped, 3, &crossed), 0);
    near(crossed.mean, paired.mean);
    assert_true(crossed.hi - crossed.lo > paired.hi - paired.lo);
}

/* y = 1, 2, 3, 6 and x = 2, 4: means 3 and 3, R = 1, variances of the means 7 / 6 and 1; Welch's degrees of freedom are
 * (13 / 6)^2 / ((7 / 6)^2 / 3 + 1^2 / 1) = 3.23. */
static void ratio_of_independent_samples(void **state) {
    (void)state;
    const double y[] = {1, 2, 3, 6}, x[] = {2, 4}, same[] = {5, 5};
    stats_interval v;
    assert_int_equal(stats_ratio_unpaired(y, 4, x, 2, &v), 0);
    near(v.mean, 1);
    assert_int_equal(v.n, 2);
    double half = gsl_cdf_tdist_Pinv(0.975, 169.0 / 36 / (49.0 / 108 + 1)) * sqrt(13.0 / 6) / 3;
    near(v.lo, 1 - half);
    near(v.hi, 1 + half);
    assert_int_equal(stats_ratio_unpaired(same, 2, same, 2, &v), 0);
    near(v.lo, 1);
    near(v.hi, 1);
    assert_int_equal(stats_ratio_unpaired(y, 1, x, 2, &v), 0);
    near(v.mean, 1.0 / 3);
    assert_true(isnan(v.lo) && isnan(v.hi));
    assert_int_equal(stats_ratio_unpaired(y, 0, x, 2, &v), -1);
    assert_int_equal(stats_ratio_unpaired(y, 4, x, 0, &v), -1);
}

static void nothing_to_divide_by(void **state) {
    (void)state;
    const double x[] = {0, 0}, y[] = {1, 2};
    stats_interval v;
    assert_int_equal(stats_ratio(y, x, 2, &v), -1);
    assert_int_equal(stats_ratio(y, x, 0, &v), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mean_of_three),
        cmocka_unit_test(mean_of_two_equal_has_no_width),
        cmocka_unit_test(a_variance_rounded_below_0_is_none),
        cmocka_unit_test(one_value_has_no_interval),
        cmocka_unit_test(proportional_pairs_have_an_exact_ratio),
        cmocka_unit_test(ratio_of_pairs),
        cmocka_unit_test(one_more_value_may_lie_further_off),
        cmocka_unit_test(pairing_matters),
        cmocka_unit_test(ratio_of_independent_samples),
        cmocka_unit_test(nothing_to_divide_by),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
