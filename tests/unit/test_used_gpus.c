/* The order of GPUs in use, against one that is sorted anew after every change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "draw.h"
#include "used_gpus_int.h"

enum { N_GPUS = 40, N_CHANGES = 5000, PODS_MAX = 4 };

typedef struct {
    pol_gpu gpus[N_GPUS];
    uint64_t n_drawn;
} park;

static uint32_t drawn(park *p, uint32_t n) {
    return (uint32_t)(draw_bits(11, p->n_drawn++) % n);
}

static uint32_t change_one(park *p) {
    pol_gpu *g = &p->gpus[drawn(p, N_GPUS)];
    int is_used = drawn(p, 3) > 0;
    g->pods_max = PODS_MAX;
    g->n_pods = is_used ? 1 + drawn(p, PODS_MAX) : 0;
    g->occupancy = is_used ? 100 * drawn(p, 250) : 0;
    g->memory_free_mib = is_used ? 100 * drawn(p, 160) : 16000;
    return (uint32_t)(g - p->gpus);
}

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void assert_in_order(const used_class *c, const park *p, uint32_t unit) {
    uint64_t expected[N_GPUS];
    size_t n = 0;
    for (uint32_t i = 0; i < N_GPUS; i++) {
        const pol_gpu *g = &p->gpus[i];
        if (g->n_pods > 0 && g->n_pods < PODS_MAX && g->memory_free_mib >= c->least_mib)
            expected[n++] = (uint64_t)(g->occupancy / unit) << 32 | i;
    }
    qsort(expected, n, sizeof *expected, ascending);
    assert_int_equal(c->n, n);
    if (n) assert_memory_equal(c->order, expected, n * sizeof *expected);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(used_class_gpu(expected[i]), expected[i] & UINT32_MAX);
        assert_int_equal(used_class_occupancy(expected[i]), expected[i] >> 32);
        assert_int_equal(used_class_after(c, expected[i]), i + 1);
    }
}

static void assert_first_unused(used_gpus *u, const pol_view *view, size_t from) {
    size_t first = from;
    while (first < N_GPUS && view->gpus[first].n_pods > 0) first++;
    assert_int_equal(used_gpus_unused(u, view, from), first);
}

static void assert_true_to(used_gpus *u, park *p, const pol_view *view) {
    for (size_t k = 0; k < u->n_classes; k++) assert_in_order(&u->classes[k], p, u->unit);
    if (drawn(p, 2)) assert_first_unused(u, view, drawn(p, N_GPUS));
    if (drawn(p, 2)) assert_first_unused(u, view, 0);
}

typedef struct {
    size_t n;
    pol_fn fns[20];
} needs;

static const pol_fn *fn_of(void *impl, uint32_t fn) {
    return &((needs *)impl)->fns[fn];
}

static needs so_many(size_t n) {
    needs these = {.n = n};
    for (size_t i = 0; i < n; i++) these.fns[i].memory_mib = (uint32_t)(700 * (n - i));
    return these;
}

static void follow_changes(needs these, uint32_t unit) {
    park p = {0};
    used_gpus u;
    pol_host host = {.impl = &these, .fn = fn_of};
    pol_view view = {.gpus = p.gpus, .n_gpus = N_GPUS};
    assert_true(used_gpus_open(&u, &host, these.n, unit));
    for (int i = 0; i < 60; i++) change_one(&p);
    assert_true(used_gpus_begin(&u, &view)); /* finds those that are there */
    assert_true_to(&u, &p, &view);
    for (int i = 0; i < N_CHANGES; i++) {
        uint32_t changed[] = {change_one(&p), change_one(&p), change_one(&p)};
        view.changed_gpus = changed;
        view.n_changed_gpus = 1 + drawn(&p, 2);
        assert_true(used_gpus_begin(&u, &view));
        for (size_t k = view.n_changed_gpus; k < 3; k++) used_gpus_update(&u, &view, changed[k]);
        assert_true_to(&u, &p, &view);
    }
    used_gpus_close(&u);
}

static void by_occupancy(void **state) {
    (void)state;
    follow_changes(so_many(3), 1);
}

static void by_whole_gpus(void **state) {
    (void)state;
    follow_changes(so_many(20), 10000);
}

/* No class leaves a GPU out that has room for its function. */
static void every_need_has_its_class(void **state) {
    (void)state;
    for (size_t n = 1; n <= 20; n++) {
        needs these = so_many(n);
        used_gpus u;
        pol_host host = {.impl = &these, .fn = fn_of};
        assert_true(used_gpus_open(&u, &host, n, 1));
        assert_int_equal(u.n_classes, n < USED_GPUS_CLASSES ? n : USED_GPUS_CLASSES);
        for (size_t i = 0; i < n; i++) {
            uint32_t need = these.fns[i].memory_mib, least = used_gpus_for(&u, need)->least_mib;
            assert_true(least <= need);
            if (n <= USED_GPUS_CLASSES) assert_int_equal(least, need);
        }
        used_gpus_close(&u);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_occupancy), cmocka_unit_test(by_whole_gpus),
                                       cmocka_unit_test(every_need_has_its_class)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
