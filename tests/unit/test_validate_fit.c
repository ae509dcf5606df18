/* test_validate_fit.c - the fit, on recordings of a testbed whose numbers are known: simulated ones. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli.h"
#include "cma.h"
#include "validate_distance.h"
#include "validate_fit.h"
#include "validate_report.h"
#include "validate_sample.h"
#include "validate_sim.h"

enum { REQUESTS_MAX = 2000, SEED = 77, SEARCHES = 4, STEPS = 4000, FIRST_STAGE = 25 /* requests of run 0 */ };

static const char *const names[] = {"one", "two", "three"};
static const char runs[] = VALIDATE_SAMPLE_RUNS "one,has,resnet,resnet50,A,%zu,0,9,yes,clean\n"
                                                "two,has,resnet,resnet50,A,%zu,0,9,yes,clean\n"
                                                "three,has,resnet,resnet50,B,%zu,0,9,yes,clean\n";

typedef struct {
    validate_sample sample;
    validate_data *data;
    calib *device;
    validate_params *truth, *fitted;
} trial;

static void write_index(const trial *t, const size_t n[3]) {
    char text[1024];
    snprintf(text, sizeof text, runs, n[0], n[1], n[2]);
    validate_sample_write(&t->sample, "runs.csv", text);
}

static void write_requests(const trial *t, const char *name, const validate_trace *recorded) {
    static char text[REQUESTS_MAX * 48];
    char file[64];
    int at = snprintf(text, sizeof text, VALIDATE_SAMPLE_REQUESTS);
    for (size_t i = 0; i < recorded->n_requests; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, "%.6f,%.3f,%d\n", recorded->requests[i].start_s,
                       recorded->requests[i].latency_ms, recorded->requests[i].status);
    snprintf(file, sizeof file, "%s/requests.csv", name);
    validate_sample_write(&t->sample, file, text);
}

static void reopen(trial *t) {
    char err[VALIDATE_ERR_LEN];
    validate_close(t->data);
    if (validate_open(&t->data, t->sample.dir, err)) fail_msg("%s", err);
}

static void write_load(const trial *t) {
    static const validate_request one = {.latency_ms = 1, .status = 200};
    const validate_trace none = {.requests = (validate_request *)&one, .n_requests = 1};
    validate_sample_write(&t->sample, "workloads.csv",
                          VALIDATE_SAMPLE_WORKLOADS "A,0,5\nA,1,12\nA,2,15\nA,3,8\nA,4,14\nB,0,7\nB,1,18\n");
    write_index(t, (const size_t[]){1, 1, 1});
    for (size_t i = 0; i < 3; i++) write_requests(t, names[i], &none);
    validate_sample_write(&t->sample, "one/usage.csv", VALIDATE_SAMPLE_USAGE "-10,g,30,100,1\n");
    validate_sample_write(&t->sample, "two/usage.csv", VALIDATE_SAMPLE_USAGE "-10,g,30,30,1\n");
    validate_sample_write(&t->sample, "three/usage.csv", VALIDATE_SAMPLE_USAGE "-10,g,30,60,1\n");
}

static validate_trace simulate(const trial *t, size_t run, const validate_params *p) {
    char err[VALIDATE_ERR_LEN];
    validate_trace out;
    if (validate_simulate_on(&out, validate_run_at(t->data, run), t->device, p, VALIDATE_REPLAY, SEED, err))
        fail_msg("%s", err);
    return out;
}

/* Where the fit begins, whatever the shipped file says, and a testbed that is otherwise: quicker to launch, and its
 * network slower. */
static void set_numbers(trial *t) {
    static const struct {
        validate_param param;
        double given, truth;
    } numbers[] = {{VALIDATE_ACCEPT_MS, 10, 8},      {VALIDATE_WAIT_MS, 30, 35},
                   {VALIDATE_WAIT_CV, 0.1, 0.1},     {VALIDATE_PREPARE_MS, 10, 6},
                   {VALIDATE_RESPOND_MS, 5, 8},      {VALIDATE_WORK_CV, 0.2, 0.2},
                   {VALIDATE_LAUNCH_MS, 20, 12},     {VALIDATE_LAUNCH_CV, 0.1, 0.1},
                   {VALIDATE_GPU_CV, 0.1, 0.1},      {VALIDATE_LAUNCH_WEIGHT, 0.5, 0.5},
                   {VALIDATE_EARLY_SHARE, 0.5, 0.5}, {VALIDATE_FIRST_BATCH_MS, 500, 300}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        validate_params_find(t->truth, "has", "resnet50")->v[numbers[i].param] = numbers[i].truth;
        validate_params_find(t->fitted, "has", "resnet50")->v[numbers[i].param] = numbers[i].given;
    }
}

static void open_trial(trial *t) {
    char err[4096] = "", path[4096];
    size_t n[3];
    *t = (trial){.data = NULL};
    validate_sample_open(&t->sample);
    if (cli_find_shipped("experiments/testbed_start.json", path, sizeof path, err, sizeof err) ||
        validate_params_open(&t->truth, path, err) || validate_params_open(&t->fitted, path, err) ||
        cli_find_shipped("calib/data/v100.json", path, sizeof path, err, sizeof err) ||
        calib_open(&t->device, path, err))
        fail_msg("%s", err);
    set_numbers(t);
    write_load(t);
    reopen(t);
    for (size_t i = 0; i < 3; i++) {
        validate_trace recorded = simulate(t, i, t->truth);
        write_requests(t, names[i], &recorded);
        n[i] = recorded.n_requests;
        validate_trace_free(&recorded);
    }
    write_index(t, n);
    reopen(t);
}

static void close_trial(trial *t) {
    char path[128];
    snprintf(path, sizeof path, "%s/two/usage.csv", t->sample.dir);
    remove(path);
    validate_close(t->data);
    calib_close(t->device);
    validate_params_close(t->truth);
    validate_params_close(t->fitted);
    validate_sample_close(&t->sample);
}

static void fit(trial *t, const unsigned char use[3], unsigned searches, unsigned steps) {
    char err[VALIDATE_ERR_LEN];
    const validate_fit_options options = {.searches = searches, .steps = steps, .threads = 1};
    if (validate_fit(t->fitted, t->data, use, t->device, &options, err)) fail_msg("%s", err);
}

static double number(const validate_params *p, int i) {
    return validate_params_find(p, "has", "resnet50")->v[i];
}

/* What a request needs that meets no other. Which part is work, and which a wait, two runs do not tell. */
static double alone(const validate_params *p) {
    return number(p, VALIDATE_TRAVEL_MS) + number(p, VALIDATE_ACCEPT_MS) + number(p, VALIDATE_WAIT_MS) +
           number(p, VALIDATE_PREPARE_MS) + number(p, VALIDATE_LAUNCH_MS) + number(p, VALIDATE_RESPOND_MS);
}

static double measured(const trial *t, const validate_params *p, validate_metric m) {
    validate_values v;
    validate_trace trace = simulate(t, 2, p);
    assert_int_equal(validate_measure(&v, &trace), 0);
    validate_trace_free(&trace);
    return v.of[m];
}

/* Of the third run, the mean over two seeds */
static double distance(const trial *t, const validate_params *p) {
    validate_recording r;
    assert_int_equal(validate_recording_open(&r, validate_run_at(t->data, 2)), 0);
    double d = (validate_distance(&r, t->device, p, 1) + validate_distance(&r, t->device, p, 2)) / 2;
    validate_recording_close(&r);
    return d;
}

/* Two runs teach what a third, with a load and a quota that neither had, will be like. */
static void what_is_known_is_found_again(void **state) {
    (void)state;
    trial t;
    open_trial(&t);
    double before = distance(&t, t.fitted);
    fit(&t, (const unsigned char[]){1, 1, 0}, SEARCHES, STEPS);
    double after = distance(&t, t.fitted), best = distance(&t, t.truth);
    print_message("distance of the third run: %.3f before, %.3f after, %.3f of the truth\n", before, after,
                  best);
    for (int i = 0; i < VALIDATE_N_PARAMS; i++)
        if (validate_param_infos[i].scope != VALIDATE_KNOWN)
            print_message("  %-15s %8.3f, in truth %8.3f\n", validate_param_infos[i].key, number(t.fitted, i),
                          number(t.truth, i));
    assert_true(best < 0.15 && before > 1 && after < before / 5);
    assert_true(fabs(measured(&t, t.fitted, VALIDATE_P50) / measured(&t, t.truth, VALIDATE_P50) - 1) < 0.05);
    assert_true(fabs(alone(t.fitted) / alone(t.truth) - 1) < 0.05);
    close_trial(&t);
}

static void what_is_known_stays_and_others_do_too(void **state) {
    (void)state;
    trial t;
    open_trial(&t);
    validate_params *start = validate_params_copy(t.fitted);
    fit(&t, (const unsigned char[]){1, 1, 0}, 1, 30);
    for (int i = 0; i < VALIDATE_N_PARAMS; i++)
        if (validate_param_infos[i].scope == VALIDATE_KNOWN)
            assert_true(number(t.fitted, i) == number(start, i));
    assert_true(number(t.fitted, VALIDATE_WAIT_MS) != number(start, VALIDATE_WAIT_MS));
    assert_memory_equal(validate_params_find(t.fitted, "has", "bert")->v,
                        validate_params_find(start, "has", "bert")->v, sizeof start->entries->v);
    assert_string_equal(validate_params_find(t.fitted, "has", "bert")->origin,
                        validate_params_find(start, "has", "bert")->origin);
    validate_params_close(start);
    close_trial(&t);
}

/* The third run is not used: whatever it holds, the fit is the same to the bit. */
static void what_is_left_out_is_not_read(void **state) {
    (void)state;
    static const validate_request late = {.latency_ms = 5000, .status = 200};
    const validate_trace other = {.requests = (validate_request *)&late, .n_requests = 1};
    validate_entry first, second;
    trial t;
    open_trial(&t);
    validate_params *start = validate_params_copy(t.fitted);
    fit(&t, (const unsigned char[]){1, 1, 0}, 1, 30);
    first = *validate_params_find(t.fitted, "has", "resnet50");
    write_requests(&t, "three", &other);
    write_index(&t, (const size_t[]){validate_run_at(t.data, 0)->real.n_requests,
                                     validate_run_at(t.data, 1)->real.n_requests, 1});
    reopen(&t);
    validate_params_close(t.fitted);
    t.fitted = start;
    fit(&t, (const unsigned char[]){1, 1, 0}, 1, 30);
    second = *validate_params_find(t.fitted, "has", "resnet50");
    assert_memory_equal(first.v, second.v, sizeof first.v);
    assert_string_equal(first.origin, second.origin);
    assert_null(strstr(second.origin, "three"));
    close_trial(&t);
}

static double distance_said(const trial *t) {
    double d = NAN;
    const char *at = strstr(validate_params_find(t->fitted, "has", "resnet50")->origin, "distance ");
    assert_true(at && sscanf(at, "distance %lf", &d) == 1);
    return d;
}

typedef struct {
    char lines[8][256];
    size_t n;
} told;

static void hear(void *arg, const char *line) {
    told *l = arg;
    assert_true(l->n < 8);
    snprintf(l->lines[l->n++], sizeof *l->lines, "%s", line);
}

/* The way to the pod and back is in each latency. In the first stage nothing else is otherwise for it. */
static void travel_is_in_every_latency(void **state) {
    (void)state;
    trial t;
    open_trial(&t);
    validate_trace near = simulate(&t, 0, t.truth);
    validate_params_find(t.truth, "has", "resnet50")->v[VALIDATE_TRAVEL_MS] += 10;
    validate_trace far = simulate(&t, 0, t.truth);
    for (size_t i = 0; i < FIRST_STAGE; i++) {
        assert_true(near.requests[i].status == 200 && far.requests[i].status == 200);
        double more = far.requests[i].latency_ms - near.requests[i].latency_ms;
        if (fabs(more - 10) > 1e-3) fail_msg("request %zu: %.6f ms more, expected 10", i, more);
    }
    validate_trace_free(&near);
    validate_trace_free(&far);
    close_trial(&t);
}

/* A quota that is recorded as larger from 4 s on: until the lag is over, each request is as without it. */
static void recorded_shares_take_effect_late(void **state) {
    (void)state;
    size_t same = 0;
    trial t;
    open_trial(&t);
    validate_trace steady = simulate(&t, 1, t.truth);
    validate_sample_write(&t.sample, "two/usage.csv", VALIDATE_SAMPLE_USAGE "-10,g,30,30,1\n4,g,30,100,1\n");
    reopen(&t);
    validate_trace grown = simulate(&t, 1, t.truth);
    while (steady.requests[same].latency_ms == grown.requests[same].latency_ms) same++;
    assert_true(grown.requests[same].start_s < 4.5 + VALIDATE_SHARE_LAG_S);
    for (size_t i = 0; i < same; i++) assert_true(grown.requests[i].start_s == steady.requests[i].start_s);
    assert_true(grown.requests[same].start_s + 1e-3 * steady.requests[same].latency_ms >
                4 + VALIDATE_SHARE_LAG_S);
    /* it is reported as it was recorded */
    assert_int_equal(grown.n_shares, 2);
    assert_true(grown.shares[0].quota_pct == 30 && grown.shares[0].t_s < -10);
    assert_true(grown.shares[1].quota_pct == 100 && fabs(grown.shares[1].t_s - 4) < 1e-9);
    validate_trace_free(&steady);
    validate_trace_free(&grown);
    close_trial(&t);
}

/* How far the latencies of a run's lone requests (its first stage) are from each other, ms */
static double spread_ms(const trial *t) {
    double least = 1e9, most = 0;
    validate_trace of = simulate(t, 0, t->truth);
    for (size_t i = 0; i < FIRST_STAGE; i++) {
        least = fmin(least, of.requests[i].latency_ms);
        most = fmax(most, of.requests[i].latency_ms);
    }
    validate_trace_free(&of);
    return most - least;
}

/* Where launches take far longer than the GPU, what varies is the launches; and else the kernels. */
static void launches_and_kernels_vary_by_their_own_numbers(void **state) {
    (void)state;
    static const struct {
        double launch_ms, launch_cv, gpu_cv;
        int varies;
    } cases[] = {{30, 0.2, 0, 1}, {30, 0, 0.2, 0}, {0.01, 0.2, 0, 0}, {0.01, 0, 0.2, 1}};
    trial t;
    open_trial(&t);
    double *v = validate_params_find(t.truth, "has", "resnet50")->v;
    v[VALIDATE_WORK_CV] = v[VALIDATE_WAIT_CV] = v[VALIDATE_FIRST_BATCH_MS] = v[VALIDATE_WAKE_MS] = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        v[VALIDATE_LAUNCH_MS] = cases[i].launch_ms;
        v[VALIDATE_LAUNCH_CV] = cases[i].launch_cv;
        v[VALIDATE_GPU_CV] = cases[i].gpu_cv;
        double ms = spread_ms(&t);
        if (cases[i].varies ? ms < 1 : ms > 0.01) fail_msg("case %zu: found %g ms", i, ms);
    }
    close_trial(&t);
}

static void the_better_half_goes_on(void **state) {
    (void)state;
    static const char *const said[] = {"generation 2 of 11, searches: 5,", "generation 5 of 11, searches: 3,",
                                       "generation 8 of 11, searches: 2,",
                                       "generation 11 of 11, searches: 1,"};
    char err[VALIDATE_ERR_LEN];
    told l = {.n = 0};
    trial t;
    open_trial(&t);
    size_t size = cma_generation_size(14);
    const validate_fit_options options = {.searches = 5,
                                          .steps = (unsigned)(10 * size + 1),
                                          .threads = 2,
                                          .progress = hear,
                                          .progress_arg = &l};
    if (validate_fit(t.fitted, t.data, (const unsigned char[]){1, 1, 0}, t.device, &options, err))
        fail_msg("%s", err);
    assert_int_equal(l.n, 4);
    for (size_t i = 0; i < l.n; i++)
        if (!strstr(l.lines[i], said[i])) fail_msg("%s, expected %s", l.lines[i], said[i]);
    close_trial(&t);
}

/* As long a search, but the best of more: what the prior adds is not in the distance, 14 numbers by one deviation each
 * are 0.014. (With half the steps, the first of four rounds is too short to tell searches by.) */
static void of_several_searches_a_better_one_is_kept(void **state) {
    (void)state;
    double said[2];
    for (size_t i = 0; i < 2; i++) {
        trial t;
        open_trial(&t);
        fit(&t, (const unsigned char[]){1, 1, 0}, i ? 8 : 1, 1200);
        said[i] = distance_said(&t);
        close_trial(&t);
    }
    print_message("one search: distance %.3f, eight: %.3f\n", said[0], said[1]);
    assert_true(said[1] < said[0] - 0.014);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_known_is_found_again),
        cmocka_unit_test(what_is_known_stays_and_others_do_too),
        cmocka_unit_test(what_is_left_out_is_not_read),
        cmocka_unit_test(travel_is_in_every_latency),
        cmocka_unit_test(recorded_shares_take_effect_late),
        cmocka_unit_test(launches_and_kernels_vary_by_their_own_numbers),
        cmocka_unit_test(the_better_half_goes_on),
        cmocka_unit_test(of_several_searches_a_better_one_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
