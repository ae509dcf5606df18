/* test_validate_report.c - measures, errors, intervals, replicates, verdicts and sets, with a simulator made of rules
 * instead of the engine. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "validate_plot.h"
#include "validate_report.h"
#include "validate_report_int.h"
#include "validate_sample.h"

static void near(double found, double expected) {
    if (!(fabs(found - expected) < 1e-9)) fail_msg("found %.12g, expected %.12g", found, expected);
}

/* ---- one trace ---- */

static void measures_a_trace(void **state) {
    (void)state;
    /* successes 100, 200, 300, 250; one failed, which ends last; one lost */
    validate_request requests[] = {
        {1, 200, 200}, {2, 100, 200}, {3, 250, 200}, {4, 300, 200}, {5, 6000, 502}};
    /* before the load, from the start to 4 s 1 pod x 50 % x 20 %, then 2 pods x 50 % x 40 % to the end at 10 s */
    validate_share shares[] = {
        {-3, 1, 1, 50, 100}, {0, 1, 1, 50, 20}, {4, 2, 2, 50, 40}, {30, 9, 9, 100, 100}};
    validate_trace t = {.requests = requests, .n_requests = 5, .lost = 1, .shares = shares, .n_shares = 4};
    validate_values v;
    assert_int_equal(validate_measure(&v, &t), 0);
    near(v.of[VALIDATE_N], 5);
    near(v.of[VALIDATE_FAILED], 1);
    near(v.of[VALIDATE_LOST], 1);
    near(v.of[VALIDATE_SPAN], 10);
    near(v.of[VALIDATE_MEAN], 212.5);
    near(v.of[VALIDATE_P50], 225);
    near(v.of[VALIDATE_P90], 285); /* 2.7 of 0..3: 250 + 0.7 x 50 */
    near(v.of[VALIDATE_P95], 292.5);
    near(v.of[VALIDATE_P99], 298.5);
    near(v.of[VALIDATE_VIOLATION_150], 500 / 6.0);
    near(v.of[VALIDATE_VIOLATION_250], 50); /* 250 is in time */
    near(v.of[VALIDATE_VIOLATION_500], 200 / 6.0);
    near(v.of[VALIDATE_THROUGHPUT], 0.4);
    near(v.of[VALIDATE_GPU_S], 4 * 0.1 + 6 * 0.4);
}

static void measures_what_is_not_there(void **state) {
    (void)state;
    validate_request failed = {0, 10, 0};
    validate_trace t = {.requests = &failed, .n_requests = 1};
    validate_values v;
    assert_int_equal(validate_measure(&v, &t), 0);
    assert_true(isnan(v.of[VALIDATE_MEAN]) && isnan(v.of[VALIDATE_P95]) && isnan(v.of[VALIDATE_GPU_S]));
    near(v.of[VALIDATE_VIOLATION_250], 100);
    near(v.of[VALIDATE_THROUGHPUT], 0);
    t = (validate_trace){.lost = 0};
    assert_int_equal(validate_measure(&v, &t), 0);
    assert_true(isnan(v.of[VALIDATE_VIOLATION_250]) && isnan(v.of[VALIDATE_THROUGHPUT]));
}

/* Against the same sample written out */
static void counted_quantiles_are_quantiles(void **state) {
    (void)state;
    static const double ms[] = {1, 2, 4, 8, 16}, p[] = {0, 0.3, 0.5, 0.9, 0.95, 0.99, 1};
    for (unsigned code = 1; code < 4 * 4 * 4 * 4 * 4; code++) {
        uint32_t count[6] = {0};
        double all[15];
        size_t n = 0;
        for (unsigned i = 0, rest = code; i < 5; i++, rest /= 4) {
            count[i] = rest % 4;
            for (unsigned k = 0; k < count[i]; k++) all[n++] = ms[i];
        }
        validate_walk at = {0, 0};
        for (size_t i = 0; i < sizeof p / sizeof *p; i++)
            near(validate_int_counted_quantile(ms, count, n, p[i], &at), validate_int_quantile(all, n, p[i]));
    }
}

/* ---- a folder of runs and a simulator of them ---- */

enum { N = 200 };

/* Latencies of 100 to 199 ms in a scrambled order, or growing by trend; a start every 0.1 s */
static void write_run(const validate_sample *s, const char *name, double factor, double trend,
                      const char *usage) {
    static char text[64 * N];
    char path[96];
    int at = snprintf(text, sizeof text, VALIDATE_SAMPLE_REQUESTS);
    for (int i = 0; i < N; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, "%.6f,%.3f,200\n", i * 0.1,
                       factor * (100 + i * 37 % 100) + trend * i);
    snprintf(path, sizeof path, "%s/requests.csv", name);
    validate_sample_write(s, path, text);
    snprintf(path, sizeof path, "%s/usage.csv", name);
    if (usage) validate_sample_write(s, path, usage);
}

#define CHANGE_AT(t) VALIDATE_SAMPLE_USAGE "-4,g,30,20,1\n0,g,30,20,1\n" t ",g,30,40,1\n"
#define OTHER_START  VALIDATE_SAMPLE_USAGE "-4,g,30,20,1\n-2,g,30,10,1\n10,g,30,40,1\n"

static const char *const names[] = {"a", "b", "c", "over", "wrong", "away", "stale", "kserve"};
enum { N_RUNS = sizeof names / sizeof *names };

typedef struct {
    validate_sample sample;
    validate_data *data;
} recorded;

/* a and b are replicates (b 2 % slower), c begins with less, over is overloaded. Four stages of 10 requests/s; of
 * kserve's last one 5 requests were lost. */
static int make_runs(void **state) {
    char err[VALIDATE_ERR_LEN] = "";
    recorded *r = calloc(1, sizeof *r);
    assert_non_null(r);
    validate_sample *s = &r->sample;
    snprintf(s->dir, sizeof s->dir, "/tmp/hassim-validate-XXXXXX");
    if (!mkdtemp(s->dir)) abort();
    validate_sample_write(s, "workloads.csv",
                          VALIDATE_SAMPLE_WORKLOADS "W,0,10\nW,1,10\nW,2,10\nW,3,10\n"
                                                    "L,0,10\nL,1,10\nL,2,10\nL,3,11\n");
    validate_sample_write(s, "runs.csv",
                          VALIDATE_SAMPLE_RUNS "a,has,m,m,W,200,0,20,yes,clean\n"
                                               "b,has,m,m,W,200,0,20,yes,clean\n"
                                               "c,has,m,m,W,200,0,20,yes,clean\n"
                                               "over,fast-gshare,m,m,W,200,0,20,yes,overload\n"
                                               "wrong,has,x,m,W,200,0,20,yes,clean;mislabelled\n"
                                               "away,has,m,m,W,200,0,20,yes,overload;runaway\n"
                                               "stale,has,m,m,W,200,0,20,yes,overload;stale-usage\n"
                                               "kserve,kserve,m,m,L,200,0,20,no,clean\n");
    write_run(s, "a", 1, 0, CHANGE_AT("10"));
    write_run(s, "b", 1.02, 0, CHANGE_AT("12"));
    write_run(s, "c", 1, 0, OTHER_START);
    write_run(s, "over", 10, 10, CHANGE_AT("10"));
    write_run(s, "wrong", 1, 0, CHANGE_AT("15"));
    write_run(s, "away", 1, 0, CHANGE_AT("10"));
    write_run(s, "stale", 1, 0, CHANGE_AT("10"));
    write_run(s, "kserve", 1, 0, NULL);
    if (validate_open(&r->data, s->dir, err)) fail_msg("%s", err);
    *state = r;
    return 0;
}

static int drop_runs(void **state) {
    recorded *r = *state;
    const validate_sample *s = &r->sample;
    static const char *const files[] = {"/requests.csv", "/usage.csv", ""};
    char path[128];
    validate_close(r->data);
    for (size_t i = 0; i < N_RUNS; i++)
        for (size_t k = 0; k < 3; k++) {
            snprintf(path, sizeof path, "%s/%s%s", s->dir, names[i], files[k]);
            remove(path);
        }
    snprintf(path, sizeof path, "%s/runs.csv", s->dir);
    remove(path);
    snprintf(path, sizeof path, "%s/workloads.csv", s->dir);
    remove(path);
    remove(s->dir);
    free(r);
    return 0;
}

static const validate_data *data_of(void **state) {
    return ((const recorded *)*state)->data;
}

typedef struct {
    double factor;
    const char *odd; /* a run that is off by another factor */
    double odd_factor;
    uint32_t more_pods;
    double late_s;        /* changes of the allocation come so much later */
    double wobble;        /* of single requests, by seed */
    const char *hopeless; /* a run that fails */
} rules;

/* The recorded run again: latencies by a factor, seed k by k - 2 percent more */
static int rule(void *arg, validate_trace *out, const validate_run *run, validate_mode mode, uint64_t seed,
                char err[VALIDATE_ERR_LEN]) {
    const rules *r = arg;
    *out = (validate_trace){.n_requests = run->real.n_requests, .n_shares = run->real.n_shares};
    if (mode == VALIDATE_REPLAY && !run->has_usage) {
        snprintf(err, VALIDATE_ERR_LEN, "nothing to replay");
        return 1;
    }
    if (r->hopeless && strcmp(run->name, r->hopeless) == 0) {
        snprintf(err, VALIDATE_ERR_LEN, "no way");
        return -1;
    }
    double factor = r->odd && strcmp(run->name, r->odd) == 0 ? r->odd_factor : r->factor;
    out->requests = calloc(N, sizeof *out->requests);
    out->shares = calloc(run->real.n_shares + 1, sizeof *out->shares);
    for (size_t i = 0; i < N; i++) {
        out->requests[i] = run->real.requests[i];
        out->requests[i].latency_ms *= factor * (1 + ((double)seed - 2) / 100);
        out->requests[i].latency_ms += r->wobble * (double)((i * 7 + seed * 13) % 11);
    }
    for (size_t i = 0; i < out->n_shares; i++) {
        out->shares[i] = run->real.shares[i];
        if (out->shares[i].t_s <= 0) continue;
        out->shares[i].t_s += r->late_s;
        out->shares[i].pods += r->more_pods;
    }
    return 0;
}

static const char *say_why(void *arg, const validate_run *run, validate_mode mode) {
    (void)arg;
    (void)mode;
    return strcmp(run->name, "c") == 0 ? "because" : NULL;
}

static validate_report *report_on(const validate_data *d, rules *r, validate_mode mode, unsigned threads) {
    char err[VALIDATE_ERR_LEN] = "";
    validate_report *report;
    const validate_plan plan = {
        .mode = mode, .n_seeds = 3, .threads = threads, .simulate = rule, .why = say_why, .arg = r};
    if (validate_report_make(&report, d, &plan, err)) fail_msg("%s", err);
    return report;
}

static void errors_are_of_the_mean_over_seeds(void **state) {
    const validate_data *d = data_of(state);
    rules r = {.factor = 1.1};
    validate_report *report = report_on(d, &r, VALIDATE_REPLAY, 1);
    const validate_row *a = &report->rows[0];
    assert_true(a->simulated);
    near(a->error[VALIDATE_MEAN].value, 10);
    near(a->error[VALIDATE_P50].value, 10);
    near(a->mean.of[VALIDATE_P50], 1.1 * a->real.of[VALIDATE_P50]);
    /* 0.12 GPUs at the end, for as long as the last answers take: 19.9 s + 0.163 s at last, 1.1 x so long simulated */
    near(a->real.of[VALIDATE_GPU_S], 10 * 0.06 + 10.063 * 0.12);
    near(a->mean.of[VALIDATE_GPU_S], 10 * 0.06 + (9.9 + 1.1 * 0.163) * 0.12);
    assert_true(isnan(a->error[VALIDATE_N].value));
    /* 150 ms are exceeded by 98 of 200; of the seeds by 120, 122 and 126: a latency above 137.7, 136.3 and 135.1 */
    double late = (124 + 126 + 128) / 6.0;
    near(a->real.of[VALIDATE_VIOLATION_150], 49);
    near(a->mean.of[VALIDATE_VIOLATION_150], late);
    near(a->error[VALIDATE_VIOLATION_150].value, late - 49);
    validate_report_free(report);
    validate_report_free(NULL);
}

/* A factor and nothing else: paired blocks see the same factor wherever they are taken */
static void intervals_hold_the_error(void **state) {
    const validate_data *d = data_of(state);
    rules r = {.factor = 1.1, .wobble = 3};
    validate_report *report = report_on(d, &r, VALIDATE_REPLAY, 1);
    const validate_row *a = &report->rows[0];
    for (size_t m = VALIDATE_MEAN; m < VALIDATE_METRICS; m++) {
        const validate_error *e = &a->error[m];
        assert_true(isfinite(e->lo) && isfinite(e->hi));
        if (!(e->lo <= e->value && e->value <= e->hi))
            fail_msg("%s: %g not in [%g, %g]", validate_metrics[m].key, e->value, e->lo, e->hi);
    }
    assert_true(a->error[VALIDATE_MEAN].hi - a->error[VALIDATE_MEAN].lo >
                0.5); /* the seeds differ by a percent */
    assert_true(a->error[VALIDATE_MEAN].hi - a->error[VALIDATE_MEAN].lo < 4); /* unpaired: more */
    validate_report_free(report);
}

/* Only the seeds differ, by a percent: where latencies grow ten-fold over the run, blocks taken at other places of the
 * simulation would differ by tens of percent. */
static void blocks_are_paired(void **state) {
    const validate_data *d = data_of(state);
    rules r = {.factor = 1.1};
    validate_report *report = report_on(d, &r, VALIDATE_REPLAY, 1);
    const validate_error *mean = &report->rows[3].error[VALIDATE_MEAN];
    near(mean->value, 10);
    assert_true(mean->lo > 8 && mean->hi < 12);
    validate_report_free(report);
}

/* 5 of 205 were lost on the testbed, none in the simulation, and nothing takes 500 ms */
static void the_lost_violate_in_every_resample(void **state) {
    const validate_data *d = data_of(state);
    rules r = {.factor = 1};
    validate_report *report = report_on(d, &r, VALIDATE_POLICY, 1);
    const validate_error *e = &report->rows[7].error[VALIDATE_VIOLATION_500];
    near(e->value, -500 / 205.0);
    near(e->lo, -500 / 205.0);
    near(e->hi, -500 / 205.0);
    validate_report_free(report);
}

static void repeats_to_the_bit(void **state) {
    const validate_data *d = data_of(state);
    rules r = {.factor = 0.9, .wobble = 5};
    validate_report *one = report_on(d, &r, VALIDATE_POLICY, 1), *two = report_on(d, &r, VALIDATE_POLICY, 3);
    for (size_t i = 0; i < one->n_rows; i++) {
        if (!one->rows[i].simulated) continue;
        assert_memory_equal(one->rows[i].error, two->rows[i].error, sizeof one->rows[i].error);
        assert_memory_equal(&one->rows[i].mean, &two->rows[i].mean, sizeof one->rows[i].mean);
    }
    validate_report_free(one);
    validate_report_free(two);
}

static void runs_are_chosen(void **state) {
    const validate_data *d = data_of(state);
    rules r = {.factor = 1};
    validate_report *report = report_on(d, &r, VALIDATE_REPLAY, 2);
    static const int simulated[N_RUNS] = {1, 1, 1, 1, 1, 0, 0, 0};
    static const char *const notes[N_RUNS] = {
        "", "", "", "", "mislabelled: called x, served m", "runaway", "stale", "nothing to replay"};
    for (size_t i = 0; i < N_RUNS; i++) {
        assert_string_equal(report->rows[i].run->name, names[i]);
        assert_int_equal(report->rows[i].simulated, simulated[i]);
        assert_memory_equal(report->rows[i].note, notes[i], strlen(notes[i]));
    }
    assert_int_equal(report->sets[0].runs, 3);
    assert_int_equal(report->sets[1].runs, 1);
    assert_int_equal(report->sets[2].runs, 4);
    validate_report_free(report);
    report = report_on(d, &r, VALIDATE_POLICY, 2);
    assert_true(report->rows[6].simulated && report->rows[7].simulated && !report->rows[5].simulated);
    assert_int_equal(report->sets[0].runs, 4);
    assert_int_equal(report->sets[1].runs, 2);
    assert_int_equal(report->sets[2].runs, 6);
    validate_report_free(report);
}

static void only_what_is_asked_for(void **state) {
    const validate_data *d = data_of(state);
    validate_report *report;
    char err[VALIDATE_ERR_LEN] = "";
    rules r = {.factor = 1, .hopeless = "c"};
    const char *only[] = {"over", "a"}, *none[] = {"ab"}, *bad[] = {"c"};
    validate_plan plan = {.n_seeds = 1, .threads = 1, .only = only, .n_only = 2, .simulate = rule, .arg = &r};
    assert_int_equal(validate_report_make(&report, d, &plan, err), 0);
    assert_int_equal(report->n_rows, 2);
    assert_string_equal(report->rows[0].run->name, "a");
    assert_int_equal(report->rows[0].n_replicates, 1); /* b, though not asked for */
    validate_report_free(report);
    plan.only = none;
    plan.n_only = 1;
    assert_int_equal(validate_report_make(&report, d, &plan, err), -1);
    assert_null(report);
    assert_string_equal(err, "found no run \"ab\", expected one of runs.csv, such as \"a\"");
    plan.only = bad;
    assert_int_equal(validate_report_make(&report, d, &plan, err), -2);
    assert_string_equal(err, "c: no way");
}

/* a and b: means 149.5 and 152.49, 2 % of 151 */
static void replicates_spread(void **state) {
    const validate_data *d = data_of(state);
    rules r = {.factor = 1.0};
    validate_report *report = report_on(d, &r, VALIDATE_REPLAY, 1);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(report->rows[i].n_replicates, 1);
        near(report->rows[i].spread[VALIDATE_MEAN], 100 * 0.02 / 1.01);
        near(report->rows[i].spread[VALIDATE_P95], 100 * 0.02 / 1.01);
        near(report->rows[i].spread[VALIDATE_VIOLATION_250], 0);
    }
    for (size_t i = 2; i < N_RUNS;
         i++) { /* wrong changes 3 s later than b; the stale run's allocation is not its own */
        assert_int_equal(report->rows[i].n_replicates, 0);
        assert_true(isnan(report->rows[i].spread[VALIDATE_MEAN]));
    }
    validate_report_free(report);
}

/* The upper median of requests first .. end - 1 of a run */
static double median_of(int first, int end, double factor, double trend) {
    double ms[N];
    int n = 0;
    for (int i = first; i < end; i++) ms[n++] = factor * (100 + i * 37 % 100) + trend * i;
    qsort(ms, (size_t)n, sizeof *ms, validate_int_by_value);
    return ms[n / 2];
}

enum { LAG = 10 * VALIDATE_SHARE_LAG_S }; /* requests between the record of an allocation and its effect */

/* c has quota 40 from 10 s on, as a has, b from 12 s on and wrong from 15 s; over is of another system, and what is
 * overloaded, runaway or not recorded is like nothing. */
static void equal_conditions_spread(void **state) {
    const validate_data *d = data_of(state);
    rules r = {.factor = 1.0};
    validate_report *report = report_on(d, &r, VALIDATE_REPLAY, 1);
    double own = median_of(100 + LAG, N, 1, 0), b = log(median_of(120 + LAG, N, 1.02, 0) / own),
           wrong = log(median_of(150 + LAG, N, 1, 0) / own);
    assert_int_equal(report->rows[2].n_alike, 3);
    near(report->rows[2].condition_spread_pct, 100 * expm1((0 + fabs(b) + fabs(wrong)) / 3));
    for (size_t i = 0; i < N_RUNS; i++) {
        const validate_row *row = &report->rows[i];
        int is_like_some = i < 3 || strcmp(row->run->name, "wrong") == 0;
        assert_int_equal(row->n_alike, is_like_some ? 3 : 0);
        assert_true(is_like_some ? row->condition_spread_pct > 0 : isnan(row->condition_spread_pct));
    }
    validate_report_free(report);
}

/* Each differs from a in one thing: b in its latencies alone, c in its system, wrong in its model, over and away in their
 * tags. Of a and b 160 requests share one condition, 40 the other. */
static void only_the_like_are_compared(void **state) {
    recorded *x = *state;
    char err[VALIDATE_ERR_LEN] = "";
    rules r = {.factor = 1.0};
    validate_sample_write(&x->sample, "runs.csv",
                          VALIDATE_SAMPLE_RUNS "a,has,m,m,W,200,0,20,yes,clean\n"
                                               "b,has,m,m,W,200,0,20,yes,clean\n"
                                               "c,fast-gshare,m,m,W,200,0,20,yes,clean\n"
                                               "wrong,has,m,n,W,200,0,20,yes,clean\n"
                                               "over,has,m,m,W,200,0,20,yes,overload\n"
                                               "away,has,m,m,W,200,0,20,yes,clean;runaway\n");
    for (size_t i = 0; i < 6; i++) write_run(&x->sample, names[i], 1, i == 1 ? 0.5 : 0, CHANGE_AT("15"));
    validate_close(x->data);
    assert_int_equal(validate_open(&x->data, x->sample.dir, err), 0);
    validate_report *report = report_on(x->data, &r, VALIDATE_REPLAY, 1);
    double early = log(median_of(0, 150 + LAG, 1, 0.5) / median_of(0, 150 + LAG, 1, 0)),
           late = log(median_of(150 + LAG, N, 1, 0.5) / median_of(150 + LAG, N, 1, 0));
    for (size_t i = 0; i < 6; i++) assert_int_equal(report->rows[i].n_alike, i < 2);
    assert_int_equal(report->rows[0].n_alike_requests, N);
    assert_true(late > 1.5 * early);
    near(report->rows[0].condition_spread_pct, 100 * expm1(((150 + LAG) * early + (50 - LAG) * late) / 200));
    validate_report_free(report);
}

static const validate_goal *goal_of(const validate_summary *s, validate_metric m) {
    for (size_t i = 0; i < s->n_goals; i++)
        if (s->goals[i].metric == m) return &s->goals[i];
    return NULL;
}

static void targets_of_replay(void **state) {
    const validate_data *d = data_of(state);
    rules r = {.factor = 1.07};
    validate_report *report = report_on(d, &r, VALIDATE_REPLAY, 1);
    const validate_row *c = &report->rows[2], *over = &report->rows[3], *wrong = &report->rows[4];
    assert_int_equal(c->verdict[VALIDATE_MEAN], VALIDATE_MISSED);
    assert_int_equal(c->verdict[VALIDATE_P50], VALIDATE_MISSED);
    assert_int_equal(c->verdict[VALIDATE_P95], VALIDATE_MET);
    assert_int_equal(c->verdict[VALIDATE_P90], VALIDATE_NOT_JUDGED);
    assert_int_equal(c->verdict[VALIDATE_GPU_S], VALIDATE_NOT_JUDGED);
    assert_int_equal(c->trajectory, VALIDATE_NOT_JUDGED);
    assert_string_equal(c->why, "because");
    assert_null(over->why);
    assert_int_equal(over->verdict[VALIDATE_MEAN], VALIDATE_MET);
    assert_int_equal(over->verdict[VALIDATE_P50], VALIDATE_NOT_JUDGED);
    assert_int_equal(wrong->verdict[VALIDATE_MEAN], VALIDATE_NOT_JUDGED);
    near(report->sets[0].median[VALIDATE_MEAN], 7);
    near(report->sets[0].p80[VALIDATE_P50], 7);
    const validate_goal *mean = goal_of(&report->sets[0], VALIDATE_MEAN);
    assert_int_equal(mean->judged, 3);
    assert_int_equal(mean->met, 0);
    assert_int_equal(mean->within_twice, 3);
    assert_false(mean->is_met);
    assert_true(goal_of(&report->sets[0], VALIDATE_P95)->is_met);
    assert_null(goal_of(&report->sets[2], VALIDATE_GPU_S));
    validate_report_free(report);
}

/* The replicates differ by 1.98 %: an error of 3.5 % in P50 is not within, one of 1.5 % would not need it */
static void within_the_spread_is_met(void **state) {
    recorded *x = *state;
    rules r = {.factor = 1.035};
    write_run(&x->sample, "b", 1.05, 0, NULL);
    validate_close(x->data);
    char err[VALIDATE_ERR_LEN] = "";
    assert_int_equal(validate_open(&x->data, x->sample.dir, err), 0);
    validate_report *report = report_on(x->data, &r, VALIDATE_REPLAY, 1);
    assert_int_equal(report->rows[0].verdict[VALIDATE_P50], VALIDATE_WITHIN_SPREAD); /* spread 4.9 % */
    assert_int_equal(report->rows[0].verdict[VALIDATE_MEAN], VALIDATE_MET);
    assert_int_equal(report->rows[2].verdict[VALIDATE_P50], VALIDATE_MISSED);
    const validate_goal *p50 = goal_of(&report->sets[0], VALIDATE_P50);
    assert_int_equal(p50->met, 2);
    assert_true(p50->is_met); /* 0, 0 and 3.5 */
    near(report->sets[0].median[VALIDATE_P50], 3.5);
    validate_report_free(report);
}

/* Errors of 1, 1 and 50 %: the median is within, four in five are not */
static void one_run_far_off_is_missed(void **state) {
    const validate_data *d = data_of(state);
    rules r = {.factor = 1.01, .odd = "c", .odd_factor = 1.5};
    validate_report *report = report_on(d, &r, VALIDATE_REPLAY, 1);
    const validate_goal *p50 = goal_of(&report->sets[0], VALIDATE_P50);
    assert_int_equal(p50->met, 2);
    assert_int_equal(p50->within_twice, 2);
    assert_false(p50->is_met);
    near(report->sets[0].median[VALIDATE_P50], 1);
    near(report->sets[0].p80[VALIDATE_P50], 1 + 0.6 * 49);
    validate_report_free(report);
}

/* From 13.9 s on two pods instead of one, from 10 s on another quota */
static void pods_agree_apart_from_shares(void **state) {
    const validate_data *d = data_of(state);
    rules r = {.factor = 1, .late_s = 3.9, .more_pods = 1};
    validate_report *report = report_on(d, &r, VALIDATE_POLICY, 1);
    near(report->rows[0].share_agreement_pct, 500 / 11.0);
    near(report->rows[0].pods_agreement_pct, 700 / 11.0);
    validate_report_free(report);
}

/* 20.16 s of a: ticks at 0 to 20. 3.9 s late, the change at 10 is missed at 10 and 12. */
static void targets_of_policy(void **state) {
    const validate_data *d = data_of(state);
    rules r = {.factor = 1.3, .late_s = 3.9};
    validate_report *report = report_on(d, &r, VALIDATE_POLICY, 1);
    const validate_row *a = &report->rows[0], *over = &report->rows[3], *kserve = &report->rows[7];
    near(a->share_agreement_pct, 900 / 11.0);
    near(a->pods_agreement_pct, 100);
    assert_int_equal(a->trajectory, VALIDATE_MISSED);
    assert_int_equal(a->verdict[VALIDATE_MEAN], VALIDATE_NOT_JUDGED);
    assert_int_equal(a->verdict[VALIDATE_GPU_S], VALIDATE_MISSED); /* 3.9 s of 0.06, of 1.8 in all */
    assert_int_equal(over->trajectory, VALIDATE_NOT_JUDGED);
    assert_int_equal(kserve->verdict[VALIDATE_MEAN], VALIDATE_MISSED);
    assert_true(isnan(kserve->share_agreement_pct));
    assert_int_equal(report->sets[2].trajectories, 3);
    assert_int_equal(report->sets[2].trajectories_met, 0);
    validate_report_free(report);
}

/* ---- what is printed ---- */

static char *printed(const validate_report *report, int json) {
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    assert_non_null(f);
    if (json)
        assert_int_equal(validate_report_json(report, f), 0);
    else
        validate_report_text(report, f);
    fclose(f);
    return text;
}

static double number_at(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!cJSON_IsNumber(item)) fail_msg("found no number %s", key);
    return item->valuedouble;
}

static void json_has_the_keys(void **state) {
    const validate_data *d = data_of(state);
    rules r = {.factor = 1.07};
    validate_report *report = report_on(d, &r, VALIDATE_REPLAY, 1);
    char *text = printed(report, 1);
    cJSON *root = cJSON_Parse(text), *runs = cJSON_GetObjectItem(root, "runs"),
          *summary = cJSON_GetObjectItem(root, "summary");
    assert_int_equal(cJSON_GetArraySize(runs), N_RUNS);
    cJSON *a = cJSON_GetArrayItem(runs, 0), *stale = cJSON_GetArrayItem(runs, 6);
    near(number_at(cJSON_GetObjectItem(a, "error"), "mean_pct"), 7);
    near(number_at(cJSON_GetObjectItem(a, "real"), "mean_ms"), 149.5);
    near(number_at(cJSON_GetObjectItem(a, "simulated"), "mean_ms"), 1.07 * 149.5);
    near(number_at(cJSON_GetObjectItem(a, "replicate_spread_pct"), "mean"), 100 * 0.02 / 1.01);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(cJSON_GetObjectItem(a, "interval"), "p50_pct")),
                     2);
    assert_true(cJSON_IsFalse(cJSON_GetObjectItem(stale, "simulated")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(stale, "replicate_spread_pct")));
    near(number_at(a, "runs_alike"), 3);
    near(number_at(a, "requests_alike"), (double)report->rows[0].n_alike_requests);
    near(number_at(a, "condition_spread_p50_pct"), report->rows[0].condition_spread_pct);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(stale, "condition_spread_p50_pct")));
    assert_non_null(strstr(cJSON_GetStringValue(cJSON_GetObjectItem(stale, "reason")), "stale"));
    cJSON *clean = cJSON_GetObjectItem(summary, "clean");
    near(number_at(clean, "runs"), 3);
    near(number_at(clean, "median_abs_error_mean_pct"), 7);
    near(number_at(clean, "median_abs_error_p50_pct"), 7);
    near(number_at(clean, "median_abs_error_p95_pct"), 7);
    near(number_at(clean, "p80_abs_error_p50_pct"), 7);
    near(number_at(clean, "median_abs_error_violation_pp"), 0);
    assert_non_null(cJSON_GetObjectItem(summary, "overload"));
    assert_non_null(cJSON_GetObjectItem(summary, "all"));
    cJSON_Delete(root);
    free(text);
    validate_report_free(report);
}

static void text_fits_the_screen(void **state) {
    const validate_data *d = data_of(state);
    rules r = {.factor = 1.07};
    for (int mode = 0; mode < 2; mode++) {
        validate_report *report = report_on(d, &r, mode ? VALIDATE_POLICY : VALIDATE_REPLAY, 1);
        char *text = printed(report, 0), *rest = NULL;
        if (mode == 0) assert_non_null(strstr(text, "because"));
        assert_null(strstr(text, "nan"));
        for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
            if (strlen(line) > 124) fail_msg("a line of %zu bytes: %s", strlen(line), line);
        free(text);
        validate_report_free(report);
    }
}

/* ---- what is drawn ---- */

/* And, as every file of data, one that says how the runs were simulated; the file goes */
static void has_line(const char *dir, const char *name, const char *line, const char *about) {
    char path[160], found[512];
    snprintf(path, sizeof path, "%s/%s.tsv", dir, name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    int has = 0, says = 0;
    while (fgets(found, sizeof found, f)) {
        has |= strcmp(found, line) == 0;
        says |= strcmp(found, about) == 0;
    }
    fclose(f);
    remove(path);
    if (!has || !says) fail_msg("%s lacks the line %s", name, has ? about : line);
}

/* Draws run a and the summary, whose data must have these lines, and goes over it; pictures where gnuplot is */
static void expect_figures(const recorded *x, const validate_plan *plan, const char *const lines[3],
                           const char *about) {
    static const char *const names_of[] = {"a_cdf", "a_timeline", "summary"};
    validate_report *report;
    char err[FIGURES_ERR_LEN] = "", out[96], *paths = NULL, path[160];
    size_t len = 0, n = 0;
    snprintf(out, sizeof out, "%s/out", x->sample.dir);
    assert_int_equal(validate_report_make(&report, x->data, plan, err), 0);
    FILE *to = open_memstream(&paths, &len);
    assert_non_null(to);
    const figures_request request = {.plots_dir = HASSIM_ROOT "/plots",
                                     .out_dir = out,
                                     .formats = FIGURES_SVG,
                                     .paths = to,
                                     .log = stderr};
    figures_status status = validate_plot(report, &request, err);
    fclose(to);
    if (strstr(err, "not installed")) {
        print_message("%s: skipped\n", err);
        snprintf(path, sizeof path, "%s/a_cdf.tsv", out);
        remove(path);
    } else {
        assert_int_equal(status, FIGURES_OK);
        for (size_t i = 0; i < 3; i++) {
            snprintf(path, sizeof path, "%s/%s.svg\n", out, names_of[i]);
            assert_non_null(strstr(paths, path));
            path[strlen(path) - 1] = '\0';
            n += remove(path) == 0;
            has_line(out, names_of[i], lines[i], about);
        }
        assert_int_equal(n, 3);
    }
    remove(out);
    free(paths);
    validate_report_free(report);
}

static void figures_have_their_data(void **state) {
    rules r = {.factor = 2};
    const char *only[] = {"a"};
    validate_plan plan = {.n_seeds = 1, .threads = 1, .only = only, .n_only = 1, .simulate = rule, .arg = &r};
    /* bin 0: 50 requests, 100 + 37 i mod 100: seed 1 takes 2 x 0.99 of the time */
    static const char *const lines[] = {"a\tms\treal\tsim_lo\tsim\tsim_hi\n",
                                        "a\t0\t10\t10\t147.5\t292.05\t193.65\t383.427\n",
                                        "has\ta\t149.5\t296.01\t194.05\t384.219\n"};
    expect_figures(*state, &plan, lines, "about\tallocation as recorded, 1 seed\n");
    static const char *const names_of_columns[] = {
        "a\tms\treal\tsim_lo\tsim\tsim_hi\n",
        "a\tt_s\treal_rps\tsim_rps\treal_p50\tsim_p50\treal_p95\tsim_p95\n",
        "has\trun\treal_p50\tsim_p50\treal_p95\tsim_p95\n"};
    plan.mode = VALIDATE_POLICY;
    plan.cross_validated = 1;
    plan.n_seeds = 2;
    expect_figures(*state, &plan, names_of_columns,
                   "about\tallocation by the policy, mean of 2 seeds, left out of the fit\n");
}

int main(void) {
#define WITH_RUNS(name) cmocka_unit_test_setup_teardown(name, make_runs, drop_runs)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(measures_a_trace),
        cmocka_unit_test(measures_what_is_not_there),
        cmocka_unit_test(counted_quantiles_are_quantiles),
        WITH_RUNS(errors_are_of_the_mean_over_seeds),
        WITH_RUNS(intervals_hold_the_error),
        WITH_RUNS(blocks_are_paired),
        WITH_RUNS(the_lost_violate_in_every_resample),
        WITH_RUNS(repeats_to_the_bit),
        WITH_RUNS(runs_are_chosen),
        WITH_RUNS(only_what_is_asked_for),
        WITH_RUNS(replicates_spread),
        WITH_RUNS(equal_conditions_spread),
        WITH_RUNS(only_the_like_are_compared),
        WITH_RUNS(targets_of_replay),
        WITH_RUNS(within_the_spread_is_met),
        WITH_RUNS(one_run_far_off_is_missed),
        WITH_RUNS(pods_agree_apart_from_shares),
        WITH_RUNS(targets_of_policy),
        WITH_RUNS(json_has_the_keys),
        WITH_RUNS(text_fits_the_screen),
        WITH_RUNS(figures_have_their_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
