/* test_calib_trace.c - the check of hassim-calibrate's file: good for what the harness writes (on a simulated GPU), one
 * line for what was changed in it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "calib_import.h"
#include "calib_trace.h"
#include "harness_fake.h"
#include "harness_measure.h"
#include "harness_run.h"

#define MODELS HASSIM_ROOT "/calib/harness/models"

/* A link without a process. */
typedef struct {
    harness_link link;
    fake_device *device;
    const harness_workloads *w;
} direct_link;

static int ask(harness_link *l, const harness_step *step, double timeout_s, harness_text *reply, char *err) {
    direct_link *d = (direct_link *)l;
    harness_device_info info;
    harness_measure_options o = {0.05};
    (void)timeout_s;
    if (step) return harness_measure(&d->device->base, d->w, step, &o, reply, err);
    fake_describe(&d->device->base, &info, err);
    harness_info_write(&info, reply);
    return 0;
}

static int has_mps(harness_link *l, char why[HARNESS_ERR_LEN]) {
    (void)l;
    why[0] = '\0';
    return 1;
}

static void no_close(harness_link *l) {
    (void)l;
}

static void measure(const char *out, const char *const *only) {
    char err[HARNESS_ERR_LEN];
    harness_workloads w;
    harness_run_result r;
    fake_device f = fake_new();
    if (harness_workloads_read(&w, MODELS, err)) fail_msg("%s", err);
    direct_link l = {{ask, has_mps, no_close}, &f, &w};
    for (; *only; only++) {
        harness_run_options o = {.out = out, .version = "test", .only = *only, .step_s = 0.05};
        if (harness_run(&o, &w, &l.link, &r, err)) fail_msg("%s", err);
        assert_true(r.planned && !r.failed);
    }
    harness_workloads_free(&w);
}

typedef struct {
    char path[64], journal[80];
    char *text;
} fixture;

/* Every kind of record. */
static int set_up(void **state) {
    static const char *const only[] = {"verify/resnet50",
                                       "latency/resnet50/b4/",
                                       "latency/chain-100/b1/green-8",
                                       "quota/resnet50/b1/whole/",
                                       "pair/resnet50/b4/green-16/stream",
                                       "cold/resnet50",
                                       "resize",
                                       NULL};
    fixture *x = calloc(1, sizeof *x);
    snprintf(x->path, sizeof x->path, "/tmp/hassim-trace-%ld.json", (long)getpid());
    snprintf(x->journal, sizeof x->journal, "%s.journal", x->path);
    measure(x->path, only);
    FILE *f = fopen(x->path, "rb");
    x->text = calloc(1, 1 << 20);
    if (!fread(x->text, 1, (1 << 20) - 1, f)) return -1;
    fclose(f);
    *state = x;
    return 0;
}

static int tear_down(void **state) {
    fixture *x = *state;
    unlink(x->path);
    unlink(x->journal);
    free(x->text);
    free(x);
    return 0;
}

static void test_good(void **state) {
    fixture *x = *state;
    char err[CALIB_ERR_LEN];
    calib_trace *t;
    size_t quotas = 0, mps = 0;
    assert_true(calib_trace_is(x->path));
    if (calib_trace_open(&t, x->path, err)) fail_msg("%s", err);
    const calib_trace_info *i = calib_trace_info_of(t);
    assert_string_equal(i->uuid, "GPU-fake");
    assert_int_equal(i->sm_count, 36);
    assert_true(i->noise_floor_pct >= 0 && i->contradictions == 0);
    for (size_t k = 0; k < calib_trace_n(t); k++) {
        const calib_trace_latency *l = calib_trace_at(t, k);
        assert_true(l->ms > 0 && l->lo_ms <= l->hi_ms && l->n >= 7 && l->sms >= 1 && l->sms <= 36);
        assert_true((l->quota == CALIB_TRACE_NO_QUOTA) == (l->gpu_ms > 0));
        quotas += l->quota != CALIB_TRACE_NO_QUOTA;
        mps += l->partition == CALIB_TRACE_MPS;
    }
    assert_true(quotas >= 20 && mps == 10);
    calib_trace_close(t);
}

/* The document with the first `from` behind `after` replaced; NULL: not there. */
static char *changed(const char *text, const char *after, const char *from, const char *to) {
    const char *at = strstr(text, after);
    at = at ? strstr(at, from) : NULL;
    if (!at) return NULL;
    char *copy = calloc(1, strlen(text) + strlen(to) + 1);
    snprintf(copy, strlen(text) + strlen(to) + 1, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return copy;
}

static void test_changes_are_seen(void **state) {
    static const struct {
        const char *after, *from, *to, *message;
    } cases[] = {
        {"", "hassim-measured-1", "hassim-measured-2", "format: found \"hassim-measured-2\""},
        {"", "\"settings_changed\": false", "\"settings_changed\": true", "settings_changed: found true"},
        {"", "\"sm_count\": 36", "\"sm_count\": 0", "device.sm_count: found 0"},
        {"", "\"sm_count\": 36", "\"sm_count\": 20", "expected a number from 1 to 20"},
        {"", "\"planned\"", "\"plans\"", "plans: unknown key"},
        {"\"records\"", "\"kind\": \"latency\"", "\"kind\": \"latent\"", "found kind \"latent\""},
        {"\"records\"", "\"queued_ms\"", "\"queue_ms\"", "queue_ms: unknown key"},
        {"\"records\"", "\"launch_ms\": {\"n\": ", "\"launch_ms\": {\"n\": -", ".launch_ms.n: found -"},
        {"latency/resnet50/b4/whole", "\"batch\": 4", "\"batch\": 8",
         "with the fields of \"latency/resnet50/b8/whole/r1\""},
        {"latency/resnet50/b4/whole", "\"lo\": ", "\"lo\": 9", "expected min <= lo <= median"},
        {"latency/resnet50/b4/whole", "\"throttled\": false", "\"throttled\": 0", "throttled: found 0"},
        {"latency/resnet50/b4/green-16", "\"sms\": 16", "\"sms\": 8", "found 8 SMs where 16 were asked for"},
        {"latency/resnet50/b4/green-16", "\"sms\": 16", "\"sms\": 64", ".partition.sms: found 64"},
        {"quota/", "\"runtime\": \"token\"", "\"runtime\": \"tokens\"", "found runtime \"tokens\""},
        {"verify/", "\"ok\": true", "\"ok\": false", "whose operators failed verification"},
        {"\"measured\"", ": ", ": 1", "records and measured"},
    };
    fixture *x = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char err[CALIB_ERR_LEN] = "";
        calib_trace *t;
        char *text = changed(x->text, cases[i].after, cases[i].from, cases[i].to);
        if (!text) fail_msg("case %zu: nothing to change", i);
        if (!calib_trace_open_text(&t, "f.json", text, strlen(text), err)) fail_msg("case %zu: passed", i);
        if (!strstr(err, cases[i].message) || strncmp(err, "f.json:", 7) != 0 || strchr(err, '\n'))
            fail_msg("case %zu: \"%s\" says no \"%s\"", i, err, cases[i].message);
        free(text);
    }
}

static void test_same_key_twice(void **state) {
    fixture *x = *state;
    char err[CALIB_ERR_LEN] = "", line[4096];
    calib_trace *t;
    const char *first = strstr(x->text, "    {\"key\": \"latency");
    snprintf(line, sizeof line, "%.*s,\n    {\"key\": \"latency", (int)(strstr(first, "},\n") + 1 - first),
             first);
    char *text = changed(x->text, "", "    {\"key\": \"latency", line);
    assert_int_equal(calib_trace_open_text(&t, "f.json", text, strlen(text), err), -1);
    assert_non_null(strstr(err, "twice"));
    free(text);
}

/* Cut anywhere, it is no trace, and nothing crashes. */
static void test_truncated(void **state) {
    fixture *x = *state;
    char err[CALIB_ERR_LEN];
    calib_trace *t;
    size_t len = strlen(x->text);
    char *copy = malloc(len + 1);
    for (size_t n = 0; n < len - 2; n += 1 + n / 7) {
        memcpy(copy, x->text, n);
        copy[n] = '\0';
        assert_int_equal(calib_trace_open_text(&t, "f.json", copy, n, err), -1);
    }
    free(copy);
}

static void test_becomes_samples(void **state) {
    fixture *x = *state;
    char err[CALIB_ERR_LEN];
    calib_import list = {0};
    size_t whole = 0, widths = 0, quotas = 0;
    if (calib_import_read(&list, calib_importer_find("trace"), x->path, err)) fail_msg("%s", err);
    for (size_t i = 0; i < list.n; i++) {
        const calib_sample *s = &list.samples[i];
        if (strcmp(s->model, "resnet50") != 0) continue;
        whole += s->sm_pct == 100 && s->quota_pct == 100;
        widths += s->sm_pct == 44 && s->quota_pct == 100; /* 16 of 36 SMs */
        quotas += s->quota_pct < 100;
    }
    assert_true(whole && widths && quotas == 9); /* token 10 to 90 %; 100 % is with the others */
    assert_non_null(strstr(list.series.source, "Simulated GPU"));
    assert_int_equal(list.n_unmeasured, 10); /* metered quotas */
    calib_import_free(&list);
}

static void test_other_files_are_not_traces(void **state) {
    (void)state;
    assert_false(calib_trace_is(HASSIM_ROOT "/calib/data/v100.json"));
    assert_false(calib_trace_is(HASSIM_ROOT "/README.md"));
    assert_false(calib_trace_is("/nonexistent"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_changes_are_seen),
        cmocka_unit_test(test_same_key_twice),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_becomes_samples),
        cmocka_unit_test(test_other_files_are_not_traces),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
