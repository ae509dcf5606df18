/* The order of GPUs in use, against one that is sorted anew after every change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "draw.h"
#include "used_gpus_int.h"

enum { N_GPUS = 40, N_CHANGES = 5000 };

typedef struct {
    pol_gpu gpus[N_GPUS];
    uint64_t n_drawn;
} park;

static uint32_t drawn(park *p, uint32_t n) {
    return (uint32_t)(draw_bits(11, p->n_drawn++) % n);
}

static uint32_t change_one(park *p) {
    uint32_t gpu = drawn(p, N_GPUS);
    int is_used = drawn(p, 3) > 0;
    p->gpus[gpu].n_pods = is_used ? 1 + drawn(p, 3) : 0;
    p->gpus[gpu].occupancy = is_used ? 100 * drawn(p, 250) : 0;
    return gpu;
}

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void assert_in_order(const used_gpus *u, const park *p, uint32_t unit) {
    uint64_t expected[N_GPUS];
    size_t n = 0;
    for (uint32_t g = 0; g < N_GPUS; g++)
        if (p->gpus[g].n_pods) expected[n++] = (uint64_t)(p->gpus[g].occupancy / unit) << 32 | g;
    qsort(expected, n, sizeof *expected, ascending);
    assert_int_equal(u->n, n);
    assert_memory_equal(u->order, expected, n * sizeof *expected);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(used_gpus_gpu(expected[i]), expected[i] & UINT32_MAX);
        assert_int_equal(used_gpus_after(u, expected[i]), i + 1);
    }
}

static void follow_changes(uint32_t unit) {
    park p = {0};
    used_gpus u = {0};
    pol_view view = {.gpus = p.gpus, .n_gpus = N_GPUS};
    for (int i = 0; i < 20; i++) change_one(&p);
    assert_true(used_gpus_begin(&u, &view, unit)); /* finds those that are there */
    assert_in_order(&u, &p, unit);
    for (int i = 0; i < N_CHANGES; i++) {
        uint32_t changed[] = {change_one(&p), change_one(&p), change_one(&p)};
        view.changed_gpus = changed;
        view.n_changed_gpus = 1 + drawn(&p, 2);
        assert_true(used_gpus_begin(&u, &view, unit));
        for (size_t k = view.n_changed_gpus; k < 3; k++) used_gpus_update(&u, &view, changed[k]);
        assert_in_order(&u, &p, unit);
    }
    used_gpus_close(&u);
}

static void by_occupancy(void **state) {
    (void)state;
    follow_changes(1);
}

static void by_whole_gpus(void **state) {
    (void)state;
    follow_changes(10000);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_occupancy), cmocka_unit_test(by_whole_gpus)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
