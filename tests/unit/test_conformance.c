/* The conformance suite: each way to break the contract is found by the item that is there for it. That the built-in
 * policies pass is a test each (tests/CMakeLists.txt). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conformance.h"
#include "plugin_fixture.h"

enum { ITEMS_MAX = 16 };

typedef struct {
    conformance_verdict verdicts[ITEMS_MAX];
    size_t n;
} verdicts;

static void keep(void *arg, const conformance_verdict *verdict) {
    verdicts *v = arg;
    assert_true(v->n < ITEMS_MAX);
    v->verdicts[v->n++] = *verdict;
}

static conformance_summary judge(const char *fault, verdicts *v) {
    char path[4096], err[CONFIG_ERR_LEN] = "";
    plugin_set *set = plugin_set_new();
    conformance_summary sum;
    assert_non_null(set);
    if (plugin_load(set, plugin_path(fault, path), err) != 0) fail_msg("%s", err);
    v->n = 0;
    const conformance_options o = {.configs = 12, .timeout_s = 20, .report = keep, .report_arg = v};
    if (conformance_run(set, plugin_policy_find(set, "faulty"), &o, &sum, err) != 0) fail_msg("%s", err);
    plugin_set_free(set);
    assert_int_equal(sum.items, v->n);
    return sum;
}

static const conformance_verdict *find(const verdicts *v, const char *item) {
    for (size_t i = 0; i < v->n; i++)
        if (strcmp(v->verdicts[i].item, item) == 0) return &v->verdicts[i];
    fail_msg("no verdict on %s", item);
    return NULL;
}

static void check(const char *fault, const char *item, conformance_grade grade, const char *text) {
    verdicts v;
    judge(fault, &v);
    const conformance_verdict *one = find(&v, item);
    if (one->grade != grade || strstr(one->text, text) == NULL)
        fail_msg("%s: %s: found %d \"%s\", expected %d \"%s\"", fault, item, (int)one->grade, one->text,
                 (int)grade, text);
}

static void a_good_policy_passes_all(void **state) {
    (void)state;
    verdicts v;
    conformance_summary sum = judge("none", &v);
    for (size_t i = 0; i < v.n; i++)
        if (v.verdicts[i].grade == CONFORMANCE_FAIL)
            fail_msg("%s: %s", v.verdicts[i].item, v.verdicts[i].text);
    assert_int_equal(sum.failed, 0);
    assert_int_equal(sum.items, 10);
}

static void leaks_are_found(void **state) {
    (void)state;
    check("leaks", "open", CONFORMANCE_FAIL, "leaks");
}

/* AddressSanitizer's malloc is not the C library's, which counts */
static void growth_is_found(void **state) {
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip();
#endif
    check("grows", "memory", CONFORMANCE_FAIL, "grows: ");
}

static void an_empty_reason_is_found(void **state) {
    (void)state;
    check("refuses_silently", "open", CONFORMANCE_FAIL,
          "part = 0: open returned POL_BAD_PARAM and left err empty");
}

static void chance_is_found(void **state) {
    (void)state;
    check("differs", "repeat", CONFORMANCE_FAIL, "the second run gives other results than one thread");
}

static void state_shared_by_functions_is_found(void **state) {
    (void)state;
    check("shares", "order", CONFORMANCE_FAIL, "engine global gives other results than one thread");
}

static void counting_visits_is_found(void **state) {
    (void)state;
    check("counts_visits", "lazy", CONFORMANCE_FAIL, "--eager gives other results than one thread");
}

static void illegal_actions_are_counted(void **state) {
    (void)state;
    check("asks_too_much", "legal", CONFORMANCE_WARN, " % of a config's actions refused");
    check("asks_nonsense", "legal", CONFORMANCE_FAIL, "was refused: SM and quota must be 1..100 %");
}

static void the_process_id_is_found(void **state) {
    (void)state;
    check("uses_pid", "repeat", CONFORMANCE_FAIL, ": another process gave another result");
}

static void refused_defaults_are_found(void **state) {
    (void)state;
    check("refuses_defaults", "open", CONFORMANCE_FAIL, "the defaults of mode artifact: ");
}

static void giving_up_is_found(void **state) {
    (void)state;
    check("dies_of_refusals", "refusals", CONFORMANCE_FAIL, ", in its policy's act for function ");
    check("dies_of_refusals", "repeat", CONFORMANCE_PASS, "");
}

static void a_crash_is_a_verdict(void **state) {
    (void)state;
    check("crashes", "repeat", CONFORMANCE_FAIL, "at 6 s of simulated time (config 0)");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_policy_passes_all), cmocka_unit_test(leaks_are_found),
        cmocka_unit_test(growth_is_found),          cmocka_unit_test(an_empty_reason_is_found),
        cmocka_unit_test(chance_is_found),          cmocka_unit_test(state_shared_by_functions_is_found),
        cmocka_unit_test(counting_visits_is_found), cmocka_unit_test(illegal_actions_are_counted),
        cmocka_unit_test(giving_up_is_found),       cmocka_unit_test(a_crash_is_a_verdict),
        cmocka_unit_test(the_process_id_is_found),  cmocka_unit_test(refused_defaults_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
