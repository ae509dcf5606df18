/* Warnings: each on a result made by hand that must have it, and on the same result without its cause. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "cli.h"
#include "results_sample.h"
#include "warnings.h"

/* 100 bins of 15 s: one function with a timeline, 100 requests a bin, capacity for 150, all served. */
enum { BINS = 100, STARTS = 4 };
typedef struct {
    engine_fn fn;
    engine_setup setup;
    engine_fn_result of;
    engine_bin total[BINS], by_fn[BINS];
    engine_action actions[STARTS];
    engine_fit fit;
    engine_gpu gpu;
    engine_result result;
    warning_list list;
} made;

static void make(made *m) {
    *m = (made){.fn = {.name = "f", .model_name = "m", .batch_max = 4, .workers = 1},
                .of = {.arrivals = 10000, .completed = 10000, .window_arrivals = 9000}};
    for (size_t k = 0; k < BINS; k++)
        m->by_fn[k] = (engine_bin){.arrivals = 100, .completed = 100, .pods_ready = 1, .capacity_rps = 10};
    m->setup = (engine_setup){.duration_ns = BINS * INT64_C(15000000000),
                              .fns = &m->fn,
                              .n_fns = 1,
                              .gpus = &m->gpu,
                              .n_gpus = 1,
                              .timeline_fns = 1};
    m->result = (engine_result){.fns = &m->of,
                                .n_fns = 1,
                                .total = m->total,
                                .by_fn = m->by_fn,
                                .n_bins = BINS,
                                .timeline_fns = 1,
                                .bin_ns = INT64_C(15000000000),
                                .actions = m->actions,
                                .actions_seen = 1000};
}

/* The only warning there is; NULL: none. */
static const warning *warned(made *m) {
    warnings_free(&m->list);
    assert_int_equal(warnings_of_run(&m->setup, &m->result, &m->list), 0);
    assert_true(m->list.n <= 1);
    return m->list.n ? m->list.items : NULL;
}

static void quiet(made *m) {
    const warning *w = warned(m);
    if (w) fail_msg("found '%s: %s', expected no warning", warnings_name(w->kind), w->text);
}

static void warns(made *m, warning_kind kind, double value, const char *text) {
    const warning *w = warned(m);
    assert_non_null(w);
    if (w->kind != kind || fabs(w->value - value) > 1e-9 || strcmp(w->text, text) != 0)
        fail_msg("found %s, %.17g, '%s'; expected %s, %.17g, '%s'", warnings_name(w->kind), w->value, w->text,
                 warnings_name(kind), value, text);
}

/* Bins [from, to) get `arrivals`, of which 150 at most are served. */
static void load(made *m, size_t from, size_t to, uint64_t arrivals) {
    for (size_t k = from; k < to; k++) {
        m->by_fn[k].arrivals = arrivals;
        m->by_fn[k].completed = arrivals < 150 ? arrivals : 150;
    }
}

static void nothing_to_warn_of(void **state) {
    made m;
    (void)state;
    make(&m);
    quiet(&m);
    m.result.n_bins = 0;
    quiet(&m);
    warnings_free(NULL);
}

static void long_overload_is_saturation(void **state) {
    made m;
    (void)state;
    make(&m);
    load(&m, 20, 22, 200);
    quiet(&m); /* 30 s */
    load(&m, 20, 24, 200);
    warns(&m, WARNING_SATURATION, 4, "load above capacity for 4 % of the time, 60 s on end");
    load(&m, 20, 24, 150);
    quiet(&m);
    for (size_t k = 20; k < 40; k += 4) load(&m, k, k + 2, 200);
    warns(&m, WARNING_SATURATION, 10, "load above capacity for 10 % of the time, 30 s on end");
    warnings_free(&m.list);
}

/* What came before the window does not count, nor what was served all the same: a pod that had gone when the
 * bin ended. */
static void not_every_excess_is_saturation(void **state) {
    made m;
    (void)state;
    make(&m);
    load(&m, 0, 4, 200);
    m.setup.warmup_ns = 4 * m.result.bin_ns;
    quiet(&m);
    for (size_t k = 20; k < 40; k++) m.by_fn[k].capacity_rps = 0;
    quiet(&m);
    warnings_free(&m.list);
}

static void growing_queues(void **state) {
    made m;
    (void)state;
    make(&m);
    for (size_t k = 70; k < BINS; k++) m.by_fn[k].queued = k - 69;
    warns(&m, WARNING_QUEUE_GROWTH, 30,
          "30 requests waiting at the end; on average 6, 16, 26 in the last three tenths");
    m.by_fn[BINS - 1].queued = 0; /* all gone in time */
    quiet(&m);
    m.by_fn[BINS - 1].queued = 30;
    m.by_fn[85].queued = 0; /* a dip changes little */
    assert_non_null(warned(&m));
    for (size_t k = 80; k < 90; k++) m.by_fn[k].queued = 50; /* it has passed its peak */
    quiet(&m);
    for (size_t k = 70; k < BINS; k++) m.by_fn[k].queued = 100; /* long, but it does not grow */
    quiet(&m);
    for (size_t k = 70; k < BINS; k++) m.by_fn[k].queued = (k - 69) / 4; /* it grows, but is short */
    quiet(&m);
    warnings_free(&m.list);
}

/* The total is looked at where a function has no timeline of its own. */
static void growing_queues_without_timelines(void **state) {
    made m;
    (void)state;
    make(&m);
    m.result.timeline_fns = 0;
    for (size_t k = 70; k < BINS; k++) m.total[k].queued = k - 69;
    const warning *w = warned(&m);
    assert_non_null(w);
    assert_true(w->kind == WARNING_QUEUE_GROWTH && w->fn == WARNING_RUN);
    warnings_free(&m.list);
}

static void refused_actions(void **state) {
    made m;
    (void)state;
    make(&m);
    m.actions[0] = (engine_action){.refused = 1, .why = "no room"};
    m.result.n_actions = 1;
    m.result.actions_refused = 10;
    quiet(&m); /* 1 % */
    m.result.actions_refused = 250;
    warns(&m, WARNING_REFUSED_ACTIONS, 25, "25 % of 1000 actions refused, the first because: no room");
    m.result.actions_seen = m.result.actions_refused = 4;
    quiet(&m);
    warnings_free(&m.list);
}

static void unnamed_gpus(void **state) {
    (void)state;
    made m;
    make(&m);
    predictor p = {.name = "best"};
    m.setup.predictor = &p;
    quiet(&m);
    snprintf(p.note, sizeof p.note, "whose is it");
    warns(&m, WARNING_UNNAMED_GPU, 1, "whose is it");
    warnings_free(&m.list);
}

static void lost_requests(void **state) {
    made m;
    (void)state;
    make(&m);
    m.of.dropped = 1;
    m.of.lost = 2;
    m.of.in_flight = 4;
    warns(&m, WARNING_LOST_REQUESTS, 7, "7 of 10000 requests: 1 dropped, 2 lost, 4 unfinished");
    assert_int_equal(m.list.items->fn, 0);
    warnings_free(&m.list);
}

/* The run lasts 1500 s. The trace is of two functions, and its counts are per minute or its arrivals have times. */
static void open_lasting(trace_file **out, int minutes, const char *format) {
    char path[] = "test_warnings_XXXXXX", err[TRACE_ERR_LEN];
    int fd = mkstemp(path);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    assert_non_null(f);
    if (strcmp(format, "csv") == 0) {
        fprintf(f, "time_s,function\n1,a\n%d,b\n", 60 * minutes);
    } else {
        fprintf(f, "HashOwner,HashApp,HashFunction,Trigger");
        for (int i = 1; i <= minutes; i++) fprintf(f, ",%d", i);
        fprintf(f, "\no,p,a,http");
        for (int i = 1; i <= minutes; i++) fprintf(f, ",1");
        fprintf(f, "\n");
    }
    assert_int_equal(fclose(f), 0);
    int rc = trace_open(out, format, path, err);
    unlink(path);
    if (rc) fail_msg("%s", err);
}

static void traces_that_end(void **state) {
    made m;
    const char *const formats[] = {"azure2019", "csv"};
    (void)state;
    make(&m);
    for (int i = 0; i < 2; i++) {
        trace_file *file = NULL;
        open_lasting(&file, 24, formats[i]); /* a minute before the end */
        m.fn.trace = (trace_spec){.file = file, .scale = 1};
        quiet(&m);
        m.fn.trace.offset_s = 690; /* 750 s */
        warns(&m, WARNING_TRACE_ENDS, 50,
              "the recorded trace ends 750 s into a run of 1500 s; nothing arrives after it (1 of 1 "
              "functions)");
        assert_true(m.list.items->fn == WARNING_RUN);
        m.fn.trace.offset_s = 99999;
        warns(
            &m, WARNING_TRACE_ENDS, 100,
            "the recorded trace ends 0 s into a run of 1500 s; nothing arrives after it (1 of 1 functions)");
        m.fn.trace.offset_s = 0;
        m.setup.duration_ns += INT64_C(1000000000);
        assert_non_null(warned(&m));
        m.result.bin_ns = INT64_C(61000000000);
        quiet(&m);
        m.fn.trace.file = NULL; /* synthetic arrivals do not end */
        m.setup.duration_ns *= 2;
        quiet(&m);
        trace_close(file);
        warnings_free(&m.list);
        make(&m);
    }
    warnings_free(&m.list);
}

static void functions_without_arrivals(void **state) {
    static const char hash[] = "0123456789abcdef0123456789abcdef0123456789abcdef";
    made m;
    engine_fn fns[6];
    engine_fn_result of[6];
    (void)state;
    make(&m);
    m.of.window_arrivals = 0; /* those of the warm-up do not count */
    warns(&m, WARNING_NO_ARRIVALS, 100, "no function has a request in the window");
    for (int i = 0; i < 6; i++) {
        fns[i] = m.fn;
        of[i] = m.of;
    }
    fns[2].name = hash;
    of[0].window_arrivals = of[3].window_arrivals = of[5].window_arrivals = 1;
    m.setup.fns = fns;
    m.result.fns = of;
    m.setup.n_fns = m.result.n_fns = 6;
    warns(&m, WARNING_NO_ARRIVALS, 50, "3 of 6 functions have no request in the window: f, 01234567..., f");
    of[0].window_arrivals = 0;
    assert_non_null(warned(&m));
    assert_non_null(strstr(m.list.items->text, ": f, f, 01234567..., ..."));
    for (int i = 0; i < 6; i++) of[i].window_arrivals = 1;
    quiet(&m);
    warnings_free(&m.list);
}

static void start(made *m, size_t i, uint32_t sm, uint32_t quota, uint32_t batch) {
    m->actions[i] =
        (engine_action){.pod = (uint32_t)i,
                        .action = {.verb = POL_START, .sm_pct = sm, .quota_pct = quota, .batch_max = batch}};
    m->result.n_actions = i + 1;
}

/* resnet50 of the shipped calibration: batches 1 to 8, SM 5 to 100 %, quota 10 to 100 %. */
static void pods_beyond_the_calibration(void **state) {
    made m;
    char err[CALIB_ERR_LEN];
    calib *c = NULL;
    (void)state;
    make(&m);
    if (calib_open(&c, HASSIM_ROOT "/calib/data/v100.json", err)) fail_msg("%s", err);
    m.fit.model = calib_model_find(c, "resnet50");
    assert_non_null(m.fit.model);
    m.fn.on = &m.fit;
    start(&m, 0, 50, 50, 0);
    start(&m, 1, 50, 2, 0);
    quiet(&m); /* metered: the quota does not enter the latency */
    start(&m, 2, 2, 50, 0);
    warns(&m, WARNING_EXTRAPOLATION, 100.0 / 3,
          "1 of 3 pods outside what was measured for m, such as SM 2 %, batch 4");
    m.actions[2].refused = 1;
    quiet(&m);
    start(&m, 2, 50, 50, 16);
    warns(&m, WARNING_EXTRAPOLATION, 100.0 / 3,
          "1 of 3 pods outside what was measured for m, such as SM 50 %, batch 16");
    m.result.n_actions = 2;
    m.setup.runtime = ENGINE_TOKEN;
    warns(&m, WARNING_EXTRAPOLATION, 50,
          "1 of 2 pods outside what was measured for m, such as SM 50 %, quota 2 %, batch 4");
    m.actions[1].action.quota_pct = 20;
    quiet(&m);
    m.actions[2] = (engine_action){.action = {.verb = POL_RESIZE, .pod = 0, .quota_pct = 5}};
    m.result.n_actions = 3;
    warns(&m, WARNING_EXTRAPOLATION, 50,
          "1 of 2 pods outside what was measured for m, such as SM 50 %, quota 5 %, batch 4");
    warnings_free(&m.list);
    calib_close(c);
}

/* The A100's were measured in MIG instances, 14 % of the GPU and more, without a quota. */
static void pods_on_another_device(void **state) {
    made m;
    char err[CALIB_ERR_LEN];
    calib *c = NULL;
    (void)state;
    make(&m);
    if (calib_open(&c, HASSIM_ROOT "/calib/data/a100-80gb.json", err)) fail_msg("%s", err);
    m.fit.model = calib_model_find(c, "resnet50");
    assert_non_null(m.fit.model);
    m.fn.on = &m.fit;
    start(&m, 0, 14, 50, 0);
    start(&m, 1, 100, 100, 32);
    quiet(&m);
    m.setup.runtime = ENGINE_TOKEN;
    warns(&m, WARNING_EXTRAPOLATION, 50,
          "1 of 2 pods outside what was measured for m, such as SM 14 %, quota 50 %, batch 4");
    m.setup.runtime = ENGINE_METERED;
    start(&m, 2, 10, 100, 0);
    warns(&m, WARNING_EXTRAPOLATION, 100.0 / 3,
          "1 of 3 pods outside what was measured for m, such as SM 10 %, batch 4");
    warnings_free(&m.list);
    calib_close(c);
}

static void names_are_parsed(void **state) {
    char err[WARNINGS_ERR_LEN] = "";
    unsigned kinds = 0;
    (void)state;
    assert_int_equal(warnings_parse("saturation,lost-requests", &kinds, err), 0);
    assert_int_equal(kinds, 1u << WARNING_SATURATION | 1u << WARNING_LOST_REQUESTS);
    assert_int_equal(warnings_parse("any", &kinds, err), 0);
    assert_int_equal(kinds, (1u << WARNING_KINDS) - 1);
    for (int i = 0; i < WARNING_KINDS; i++) {
        assert_int_equal(warnings_parse(warnings_name((warning_kind)i), &kinds, err), 0);
        assert_int_equal(kinds, 1u << i);
    }
    const char *bad[] = {"", "saturations", "saturation,", ",any", "Any"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(warnings_parse(bad[i], &kinds, err), -1);
        assert_non_null(strstr(err, "expected any or some of saturation, extrapolation, queue-growth"));
    }
}

/* ---- in the database ---- */

typedef struct {
    char dir[64], db[96];
} place;

static int make_place(void **state) {
    place *p = calloc(1, sizeof *p);
    assert_non_null(p);
    strcpy(p->dir, "test_warnings_XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->db, sizeof p->db, "%s/r.db", p->dir);
    *state = p;
    return 0;
}

static int clear_place(void **state) {
    place *p = *state;
    unlink(p->db);
    int rc = rmdir(p->dir);
    free(p);
    return rc;
}

typedef struct {
    const char *label;
    uint64_t seed;
    double cost_usd;
    uint64_t dropped;
} run_of;

/* Without losses but those asked for; 15 violations of 100 requests. */
static void write_runs(const char *path, const run_of *runs, size_t n) {
    char err[RESULTS_ERR_LEN] = "";
    results *r = NULL;
    if (results_open(&r, path, "exp", "why?", err)) fail_msg("%s", err);
    for (size_t i = 0; i < n; i++) {
        sample s;
        sample_make(&s, runs[i].label, runs[i].seed);
        s.run.plan = i;
        s.of[0].dropped = runs[i].dropped;
        s.of[1].dropped = 0;
        for (size_t k = 0; k < SAMPLE_BINS; k++) s.by_fn[k].capacity_rps = 10;
        s.result.cost_usd = runs[i].cost_usd;
        if (results_write_run(r, &s.run, &s.setup, &s.result, err)) fail_msg("%s", err);
        sample_free(&s);
    }
    results_close(r);
}

static unsigned print(const char *path, char **text) {
    char err[WARNINGS_ERR_LEN];
    unsigned found = 0;
    size_t len = 0;
    FILE *out = open_memstream(text, &len);
    assert_non_null(out);
    if (warnings_print(path, out, &found, err)) fail_msg("%s", err);
    fclose(out);
    return found;
}

static void says(const place *p, const char *expected, unsigned kinds) {
    char *text = NULL;
    unsigned found = print(p->db, &text);
    if (strcmp(text, expected) != 0 || found != kinds)
        fail_msg("found %#x,\n%sexpected %#x,\n%s", found, text, kinds, expected);
    free(text);
}

static void the_worst_run_is_shown(void **state) {
    const place *p = *state;
    const run_of runs[] = {{"a", 1, 1.0, 0}, {"a", 2, 1.1, 3}, {"a", 3, 1.2, 2},
                           {"b", 1, 2.0, 0}, {"b", 2, 2.1, 0}, {"b", 3, 2.2, 0}};
    write_runs(p->db, runs, 6);
    says(p,
         "warning: lost-requests: a: classify: 3 of 120 requests: 3 dropped, 0 lost, 0 unfinished"
         " (2 of 3 runs)\n",
         1u << WARNING_LOST_REQUESTS);
}

static void undecided_pairs(void **state) {
    const place *p = *state;
    /* differences 0.5, -0.5, 0.6 per 200 requests: mean 1 USD per 1,000, half an interval 7.56, 3 * 7.56^2 seeds */
    const run_of runs[] = {{"a", 1, 1.5, 0}, {"a", 2, 1.0, 0}, {"a", 3, 1.6, 0},
                           {"b", 1, 1.0, 0}, {"b", 2, 1.5, 0}, {"b", 3, 1.0, 0}};
    write_runs(p->db, runs, 6);
    says(p,
         "warning: wide-intervals: a and b: costs differ by 1 USD per 1,000 requests; 3 seeds do not tell,"
         " about 171 would\n",
         1u << WARNING_WIDE_INTERVALS);
}

/* Undecided, but surely within 1 % of each other; and equal to the bit. */
static void equal_enough(void **state) {
    const place *p = *state;
    const run_of runs[] = {{"a", 1, 1.0001, 0}, {"a", 2, 1.0, 0}, {"b", 1, 1.0, 0},
                           {"b", 2, 1.0001, 0}, {"c", 1, 1.0, 0}, {"c", 2, 1.0001, 0}};
    write_runs(p->db, runs, 6);
    says(p, "", 0);
}

static void one_seed_ranks_nothing(void **state) {
    const place *p = *state;
    const run_of runs[] = {{"a", 1, 1.0, 0}, {"b", 1, 2.0, 0}};
    write_runs(p->db, runs, 2);
    says(p, "warning: wide-intervals: one seed tells no chance from skill: policies are not ranked\n",
         1u << WARNING_WIDE_INTERVALS);
}

static void one_policy_needs_no_rank(void **state) {
    const place *p = *state;
    const run_of runs[] = {{"a", 1, 1.0, 0}};
    write_runs(p->db, runs, 1);
    says(p, "", 0);
}

static void many_lines_are_cut(void **state) {
    const place *p = *state;
    const run_of runs[] = {{"a", 1, 1, 7}, {"b", 1, 1, 7}, {"c", 1, 1, 7},  {"d", 1, 1, 7},
                           {"e", 1, 1, 7}, {"f", 1, 1, 7}, {"g\n", 1, 1, 7}};
    write_runs(p->db, runs, 7);
    char *text = NULL;
    print(p->db, &text);
    assert_non_null(strstr(text, "warning: lost-requests: e: "));
    assert_null(strstr(text, "warning: lost-requests: f: "));
    assert_non_null(strstr(text, "warning: lost-requests: 2 more lines (view warning_log)\n"));
    free(text);
}

/* ---- hassim run --fail-on ---- */

static const char two_policies[] =
    "{\"name\": \"exp\", \"duration_s\": 20, \"seeds\": 1, \"cluster\": {\"gpus\": [{\"device\": "
    "\"v100-16gb\", \"nodes\": 4}]},"
    " \"functions\": [{\"name\": \"f\", \"model\": \"resnet50\", \"trace\": {\"mean_rps\": 5}}],"
    " \"policies\": [{\"name\": \"has\"}, {\"name\": \"kserve\"}]}";

/* The exit code, in a process of its own: argp keeps state. */
static int run_with(const place *p, const char *fail_on) {
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char config[128],
            *argv[] = {strdup("run"),       config,          strdup("-o"), strdup(p->db), strdup("--force"),
                       strdup("--fail-on"), strdup(fail_on), NULL};
        snprintf(config, sizeof config, "%s/c.json", p->dir);
        if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr)) _exit(99);
        _exit(cli_run(7, argv));
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void scripts_may_fail_on_warnings(void **state) {
    const place *p = *state;
    char path[128], kept[128];
    snprintf(path, sizeof path, "%s/c.json", p->dir);
    snprintf(kept, sizeof kept, "%s~", p->db);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(two_policies, f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(run_with(p, "saturation,refused-actions"), CLI_OK);
    assert_int_equal(run_with(p, "saturation,wide-intervals"), CLI_FAILED);
    assert_int_equal(run_with(p, "any"), CLI_FAILED);
    assert_int_equal(run_with(p, "lost"), CLI_USAGE);
    unlink(path);
    unlink(kept);
    snprintf(kept, sizeof kept, "%s~2", p->db);
    assert_int_equal(unlink(kept), 0);
}

#define AT_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, clear_place)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_to_warn_of),
        cmocka_unit_test(long_overload_is_saturation),
        cmocka_unit_test(not_every_excess_is_saturation),
        cmocka_unit_test(growing_queues),
        cmocka_unit_test(growing_queues_without_timelines),
        cmocka_unit_test(refused_actions),
        cmocka_unit_test(lost_requests),
        cmocka_unit_test(unnamed_gpus),
        cmocka_unit_test(traces_that_end),
        cmocka_unit_test(functions_without_arrivals),
        cmocka_unit_test(pods_beyond_the_calibration),
        cmocka_unit_test(pods_on_another_device),
        cmocka_unit_test(names_are_parsed),
        AT_PLACE(the_worst_run_is_shown),
        AT_PLACE(undecided_pairs),
        AT_PLACE(equal_enough),
        AT_PLACE(one_seed_ranks_nothing),
        AT_PLACE(one_policy_needs_no_rank),
        AT_PLACE(many_lines_are_cut),
        AT_PLACE(scripts_may_fail_on_warnings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
