/* rapp_best_math.c - the little linear algebra and statistics that `best` needs, in an order that is written down: the
 * same bits from every compiler (GSL's and OpenBLAS's kernels depend on the machine). */
#include <math.h>
#include <stdlib.h>

#include "rapp_best_int.h"

/* Eight sums in an order that is written down: the same bits from every compiler. */
static double dot(const double *a, const double *b, size_t n) {
    double s[8] = {0};
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (size_t k = 0; k < 8; k++) s[k] += a[i + k] * b[i + k];
    for (; i < n; i++) s[0] += a[i] * b[i];
    return ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]));
}

void best_factor(double *a, size_t n) {
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            double v = a[i * n + j] - dot(&a[i * n], &a[j * n], j);
            a[i * n + j] = i == j ? sqrt(v) : v / a[j * n + j];
        }
}

void best_solve(double *x, const double *l, const double *y, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = (y[i] - dot(&l[i * n], x, i)) / l[i * n + i];
    for (size_t i = n; i-- > 0;) {
        x[i] /= l[i * n + i];
        for (size_t j = 0; j < i; j++) x[j] -= l[i * n + j] * x[i];
    }
}

void best_fill_line(double *y, int n, double slope) {
    for (int i = 0; i < n; i++) {
        int left = i, right = i;
        if (y[i] > BEST_HIDDEN) continue;
        while (left >= 0 && y[left] <= BEST_HIDDEN) left--;
        while (right < n && y[right] <= BEST_HIDDEN) right++;
        double at = log(i + 1.0), from = log(left + 1.0);
        if (left >= 0 && right < n)
            y[i] = y[left] + (y[right] - y[left]) * (at - from) / (log(right + 1.0) - from);
        else if (left >= 0)
            y[i] = y[left] + slope * (at - from);
        else if (right < n)
            y[i] = y[right] + slope * (at - log(right + 1.0));
    }
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double best_round(double x) {
    return nearbyint(x * 1e9) / 1e9;
}

double best_quantile(double *values, size_t n, double share) {
    qsort(values, n, sizeof *values, compare);
    return values[(size_t)(share * (double)(n - 1))];
}

void best_load_numbers(calib_json *j, const cJSON *from, const char *key, double *out, int n, double most) {
    const cJSON *array = calib_json_array(j, from, key, n, n);
    const cJSON *item = array ? array->child : NULL;
    for (int i = 0; i < n && !j->failed; i++, item = item->next) {
        out[i] = cJSON_IsNumber(item) ? item->valuedouble : NAN;
        if (!(fabs(out[i]) <= most))
            calib_json_fail(j, "%s[%d]: expected a number within +-%g", key, i, most);
    }
}
