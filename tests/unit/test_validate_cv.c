/* test_validate_cv.c - what is left out of a fit does not reach it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli.h"
#include "validate_cv.h"
#include "validate_sample.h"

typedef struct {
    validate_sample sample;
    validate_data *data;
    validate_params *start;
    calib *device;
    validate_cv *cv;
    size_t n_told; /* folds of which progress heard */
} trial;

static void hear(void *arg, const char *line) {
    trial *t = arg;
    char expected[32];
    snprintf(expected, sizeof expected, "%zu of 3: ", ++t->n_told);
    assert_memory_equal(line, expected, strlen(expected));
}

static void write_requests(const validate_sample *s, const char *name, double ms) {
    char text[2048];
    int at = snprintf(text, sizeof text, VALIDATE_SAMPLE_REQUESTS);
    for (int i = 0; i < 20; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, "%g,%g,200\n", i * 0.25, ms + i);
    validate_sample_write(s, name, text);
}

/* Runs one and two of resnet50 under HAS, with those latencies; three is the only one with its kind of input. */
static void open_trial(trial *t, double one_ms, double two_ms) {
    char err[4096] = "", path[4096];
    const validate_fit_options options = {
        .searches = 1, .steps = 12, .threads = 2, .progress = hear, .progress_arg = t};
    t->n_told = 0;
    validate_sample_open(&t->sample);
    validate_sample_write(&t->sample, "workloads.csv", VALIDATE_SAMPLE_WORKLOADS "W,0,4\n");
    validate_sample_write(&t->sample, "runs.csv",
                          VALIDATE_SAMPLE_RUNS "one,has,resnet,resnet50,W,20,0,5,yes,clean\n"
                                               "two,has,resnet,resnet50,W,20,0,5,yes,clean\n"
                                               "three,has,bert,bert,W,20,0,5,yes,clean\n");
    write_requests(&t->sample, "one/requests.csv", one_ms);
    write_requests(&t->sample, "two/requests.csv", two_ms);
    write_requests(&t->sample, "three/requests.csv", 90);
    validate_sample_write(&t->sample, "one/usage.csv", VALIDATE_SAMPLE_USAGE "-10,g,30,50,1\n");
    validate_sample_write(&t->sample, "two/usage.csv", VALIDATE_SAMPLE_USAGE "-10,g,30,60,1\n");
    validate_sample_write(&t->sample, "three/usage.csv", VALIDATE_SAMPLE_USAGE "-10,g,30,60,1\n");
    if (validate_open(&t->data, t->sample.dir, err) || validate_params_open(&t->start, NULL, err) ||
        cli_find_shipped("calib/data/v100.json", path, sizeof path, err, sizeof err) ||
        calib_open(&t->device, path, err) ||
        validate_cv_make(&t->cv, t->data, t->start, t->device, NULL, 0, &options, err))
        fail_msg("%s", err);
}

static void close_trial(trial *t) {
    char path[128];
    snprintf(path, sizeof path, "%s/two/usage.csv", t->sample.dir);
    remove(path);
    validate_cv_free(t->cv);
    calib_close(t->device);
    validate_params_close(t->start);
    validate_close(t->data);
    validate_sample_close(&t->sample);
}

static const double *numbers(const trial *t, size_t run) {
    const validate_params *p = validate_cv_params(t->cv, validate_run_at(t->data, run));
    return p ? validate_params_find(p, "has", "resnet50")->v : NULL;
}

/* Run one is another in the second trial: its own fit is the same to the bit, the other's is not. */
static void a_run_does_not_teach_its_own_fit(void **state) {
    (void)state;
    const size_t size = VALIDATE_N_PARAMS * sizeof(double);
    trial a, b;
    open_trial(&a, 80, 100);
    open_trial(&b, 300, 100);
    assert_memory_equal(numbers(&a, 0), numbers(&b, 0), size);
    assert_memory_not_equal(numbers(&a, 1), numbers(&b, 1), size);
    assert_memory_not_equal(numbers(&a, 0), validate_params_find(a.start, "has", "resnet50")->v, size);
    close_trial(&a);
    close_trial(&b);
}

static void the_only_run_of_its_kind_has_no_fit(void **state) {
    (void)state;
    trial t;
    open_trial(&t, 80, 100);
    assert_non_null(numbers(&t, 0));
    assert_null(validate_cv_params(t.cv, validate_run_at(t.data, 2)));
    assert_int_equal(t.n_told, 3);
    close_trial(&t);
    validate_cv_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_does_not_teach_its_own_fit),
        cmocka_unit_test(the_only_run_of_its_kind_has_no_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
