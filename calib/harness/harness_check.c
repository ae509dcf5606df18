/* harness_check.c - noise floor and monotonicity of a set of records. */
#include "harness_check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness_stats.h"

typedef struct {
    const harness_json *const *records;
    size_t n;
    double *values; /* room for n */
} checker;

static int counts(const harness_json *r, const char *kind) {
    return strcmp(harness_json_string(r, "kind", ""), kind) == 0 &&
           harness_json_number(r, "throttled", 0) <= 0 && !harness_json_at(r, "error");
}

static int equal_text(const harness_json *a, const harness_json *b, const char *path) {
    return strcmp(harness_json_string(a, path, ""), harness_json_string(b, path, "")) == 0;
}

static int equal_number(const harness_json *a, const harness_json *b, const char *path) {
    return harness_json_number(a, path, 0) == harness_json_number(b, path, 0);
}

/* harness_stats keeps at most HARNESS_SAMPLES_MAX: here every value counts. */
static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double write_spread(harness_text *out, const char *name, double *values, size_t n) {
    if (n) qsort(values, n, sizeof *values, by_value);
    double median = n ? values[n / 2] : NAN;
    harness_text_add(out, "\"%s\": {\"n\": %zu, \"median_pct\": ", name, n);
    harness_text_number(out, median);
    harness_text_add(out, ", \"max_pct\": ");
    harness_text_number(out, n ? values[n - 1] : NAN);
    harness_text_add(out, "}");
    return median;
}

static double within(const checker *c, harness_text *out) {
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) {
        const harness_json *s = harness_json_at(c->records[i], "wall_ms");
        if (!counts(c->records[i], "latency") || !s) continue;
        c->values[n++] = 50 * (harness_json_number(s, "hi", 0) - harness_json_number(s, "lo", 0)) /
                         harness_json_number(s, "median", 1);
    }
    return write_spread(out, "within", c->values, n);
}

static size_t key_stem(const harness_json *r) {
    const char *key = harness_json_string(r, "key", ""), *last = strrchr(key, '/');
    return last ? (size_t)(last - key) : 0;
}

static int same_step(const harness_json *a, const harness_json *b) {
    size_t n = key_stem(a);
    return n && n == key_stem(b) &&
           strncmp(harness_json_string(a, "key", ""), harness_json_string(b, "key", ""), n) == 0;
}

/* Each set of repeats once, at its first record. Records are few thousand: quadratic is milliseconds. */
static double between(const checker *c, harness_text *out) {
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) {
        double min = INFINITY, max = 0, sum = 0;
        size_t m = 0, first = i;
        for (size_t k = 0; k < c->n && counts(c->records[i], "latency"); k++) {
            if (!counts(c->records[k], "latency") || !same_step(c->records[i], c->records[k])) continue;
            double v = harness_json_number(c->records[k], "wall_ms.median", 0);
            if (k < first) first = k;
            min = v < min ? v : min;
            max = v > max ? v : max;
            sum += v;
            m++;
        }
        if (m > 1 && first == i && sum > 0) c->values[n++] = 50 * (max - min) / (sum / (double)m);
    }
    return write_spread(out, "between", c->values, n);
}

/* One law: along `by`, `value` must not move in the wrong direction. lo and hi bound what counts as the same. */
typedef struct {
    const char *name, *kind, *by, *value, *lo, *hi;
    int rises; /* the value may rise with `by` (else: fall) */
    const char *same[4];
} law;

static const law laws[] = {
    {"gpu time falls with SMs",
     "latency",
     "partition.sms",
     "queued_ms.median",
     "queued_ms.lo",
     "queued_ms.hi",
     0,
     {"batch", NULL}},
    {"latency rises with the batch",
     "latency",
     "batch",
     "wall_ms.median",
     "wall_ms.lo",
     "wall_ms.hi",
     1,
     {"partition.sms", NULL}},
    {"latency falls with the quota",
     "quota",
     "quota_pct",
     "wall_ms.mean",
     NULL,
     NULL,
     0,
     {"batch", "partition.sms", NULL}},
};

static int comparable(const law *l, const harness_json *a, const harness_json *b) {
    if (!counts(a, l->kind) || !counts(b, l->kind) || !equal_text(a, b, "workload")) return 0;
    if (!equal_text(a, b, "runtime")) return 0;
    /* MPS and green contexts are two ways to partition; the whole GPU belongs to green contexts */
    int mps_a = strcmp(harness_json_string(a, "partition.kind", ""), "mps") == 0;
    int mps_b = strcmp(harness_json_string(b, "partition.kind", ""), "mps") == 0;
    if (mps_a != mps_b) return 0;
    for (const char *const *s = l->same; *s; s++)
        if (!equal_number(a, b, *s)) return 0;
    return harness_json_number(a, l->by, 0) < harness_json_number(b, l->by, 0);
}

static double bound(const law *l, const harness_json *r, int upper) {
    if (l->lo) return harness_json_number(r, upper ? l->hi : l->lo, 0);
    double mad = harness_json_number(r, "wall_ms.mad", 0);
    return harness_json_number(r, l->value, 0) + (upper ? mad : -mad);
}

/* a comes before b along `by`. */
static double contradiction_pct(const law *l, const harness_json *a, const harness_json *b) {
    const harness_json *less = l->rises ? a : b, *more = l->rises ? b : a;
    double x = harness_json_number(less, l->value, 0), y = harness_json_number(more, l->value, 0);
    int apart = bound(l, less, 0) > bound(l, more, 1);
    return x > 1.02 * y && y > 0 && apart ? 100 * (x / y - 1) : 0;
}

static void write_law(const checker *c, const law *l, harness_text *out) {
    size_t pairs = 0, wrong = 0;
    harness_text list = {0};
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; k < c->n; k++) {
            if (i == k || !comparable(l, c->records[i], c->records[k])) continue;
            double pct = contradiction_pct(l, c->records[i], c->records[k]);
            pairs++;
            if (pct <= 0 || ++wrong > HARNESS_CONTRADICTIONS_MAX) continue;
            harness_text_add(&list, "%s[\"%s\", \"%s\", ", list.len ? ", " : "",
                             harness_json_string(c->records[i], "key", ""),
                             harness_json_string(c->records[k], "key", ""));
            harness_text_number(&list, pct);
            harness_text_add(&list, "]");
        }
    harness_text_add(out, "{\"law\": \"%s\", \"pairs\": %zu, \"contradictions\": %zu, \"worst\": [%s]}",
                     l->name, pairs, wrong, list.len ? list.text : "");
    harness_text_free(&list);
}

void harness_check_write(const harness_json *const *records, size_t n, harness_text *out) {
    checker c = {records, n, calloc(n ? n : 1, sizeof(double))};
    if (!c.values) {
        out->failed = 1;
        return;
    }
    harness_text_add(out, "{");
    double a = within(&c, out);
    harness_text_add(out, ", ");
    double b = between(&c, out);
    harness_text_add(out, ", \"noise_floor_pct\": ");
    harness_text_number(out, isnan(b) || a > b ? a : b);
    harness_text_add(out, ", \"monotonicity\": [");
    for (size_t i = 0; i < sizeof laws / sizeof *laws; i++) {
        if (i) harness_text_add(out, ", ");
        write_law(&c, &laws[i], out);
    }
    harness_text_add(out, "]}");
    free(c.values);
}
