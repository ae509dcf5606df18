/* One function worked by hand: a scripted policy does what a case says, when it says so, and every request must end
 * in the millisecond that follows. Batches of n take 10 ms + 2 ms a further request unless a case says otherwise. */
#include <math.h>

#include "engine_fixture.h"

enum { LINES_MAX = 16, OBS_MAX = 256, ON_ARRIVAL = -1 };

/* ---- a policy that follows a script ---- */

typedef struct {
    int64_t
        at_ms; /* 0: at the beginning; ON_ARRIVAL: at the first act that an arrival causes; else at that tick */
    pol_action action;
} line;

typedef struct { /* a policy's functions are handed nothing of the test's */
    line lines[LINES_MAX];
    size_t n_lines;
    int64_t tick_ms;
    pol_obs seen[OBS_MAX];
    size_t n_seen;
} play;

static play script;

static pol_status script_open(pol_ctx **out, const pol_host *host, size_t n_fns, pol_mode mode,
                              const double *values, uint32_t *flags, int64_t *tick_ns,
                              char err[POL_ERR_LEN]) {
    (void)n_fns, (void)mode, (void)values, (void)err;
    *out = malloc(sizeof **out);
    if (!*out) return POL_NO_MEM;
    **out = (pol_ctx){.host = host};
    *flags = 0;
    *tick_ns = script.tick_ms * MS_NS;
    return POL_OK;
}

static int script_observe(pol_ctx *ctx, const pol_obs *o, int64_t *next_ns) {
    (void)ctx;
    if (script.n_seen < OBS_MAX) script.seen[script.n_seen++] = *o;
    *next_ns = o->now_ns + 1;
    for (size_t i = 0; i < script.n_lines; i++)
        if (script.lines[i].at_ms * MS_NS == o->now_ns) return 1;
    return 0;
}

static void script_act(pol_ctx *ctx, uint32_t fn, const pol_view *v) {
    for (size_t i = 0; i < script.n_lines; i++) {
        line *l = &script.lines[i];
        int is_due = v->cause == POL_ARRIVAL ? l->at_ms == ON_ARRIVAL : l->at_ms * MS_NS == v->now_ns;
        if (!is_due) continue;
        l->action.fn = fn;
        l->action.reason = "script";
        assert_true(ctx->host->plan(ctx->host->impl, &l->action) >= 0);
        if (v->cause == POL_ARRIVAL) l->at_ms = INT64_MAX / MS_NS; /* once */
    }
}

static const pol_ops script_policy = {.abi = POL_ABI,
                                      .name = "script",
                                      .open = script_open,
                                      .observe = script_observe,
                                      .act = script_act,
                                      .close = fixture_policy_close};

/* ---- cases ---- */

static const double BATCH_MS = 10, FURTHER_MS = 2;

/* One function on three GPUs for a second; ticks every 10 ms, scrapes every 50 ms, bins of 10 ms. */
static void stage_with(fixture *f, double gpu_ms, double launch_ms) {
    fixture_open(f, fixture_flat_device(gpu_ms - FURTHER_MS, FURTHER_MS, launch_ms), 3, 1, 1);
    f->setup.policy = &script_policy;
    f->setup.scrape_ns = 50 * MS_NS;
    f->setup.bin_ns = 10 * MS_NS;
    f->setup.record_requests = 1;
    script.n_lines = script.n_seen = 0;
    script.tick_ms = 10;
}

static void stage(fixture *f, double gpu_ms) {
    stage_with(f, gpu_ms, 1);
}

static void then(int64_t at_ms, pol_action a) {
    assert_true(script.n_lines < LINES_MAX);
    script.lines[script.n_lines++] = (line){at_ms, a};
}

static pol_action start_on(uint32_t gpu) {
    return (pol_action){.verb = POL_START, .gpu = gpu, .row = POL_NEW_ROW, .sm_pct = 100, .quota_pct = 100};
}

static pol_action start_after(int64_t setup_ms) {
    pol_action a = start_on(0);
    a.setup_ns = setup_ms * MS_NS;
    return a;
}

static pol_action to_pod(pol_verb verb, uint32_t pod) {
    return (pol_action){.verb = verb, .pod = pod};
}

static pol_action route(pol_balance balance, uint32_t pod_limit, uint32_t queue_limit) {
    return (pol_action){
        .verb = POL_ROUTE, .balance = balance, .pod_limit = pod_limit, .queue_limit = queue_limit};
}

/* Requests at these ms, of these sizes; NULL: without. */
static void sized_requests_at(fixture *f, size_t n, const int64_t *at_ms, const int *sizes) {
    char path[] = "/tmp/hassim-test-XXXXXX", err[TRACE_ERR_LEN];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *out = fdopen(fd, "w");
    assert_non_null(out);
    fprintf(out, "time_s,function%s\n", sizes ? ",size" : "");
    for (size_t i = 0; i < n; i++) {
        fprintf(out, "%.3f,f", (double)at_ms[i] * 1e-3);
        if (sizes) fprintf(out, ",%d", sizes[i]);
        fprintf(out, "\n");
    }
    assert_int_equal(fclose(out), 0);
    trace_file *file;
    int rc = trace_open(&file, "csv", path, err);
    remove(path);
    if (rc) fail_msg("%s", err);
    f->fns[0].trace.file = file;
}

static void requests_at(fixture *f, size_t n, const int64_t *at_ms) {
    sized_requests_at(f, n, at_ms, NULL);
}

static void strike(fixture *f, engine_result *r) {
    engine_result_free(r);
    trace_close((trace_file *)f->fns[0].trace.file);
    fixture_close(f);
}

enum { DROPPED = -1, LOST = -2, UNFINISHED = -3 };

/* When each request ended, ms, or what became of it. */
static void expect_ends(const engine_result *r, size_t n, const int64_t *end_ms) {
    assert_int_equal(r->n_requests, n);
    for (size_t i = 0; i < n; i++) {
        const engine_request *q = &r->requests[i];
        engine_fate fate = end_ms[i] == DROPPED      ? ENGINE_DROPPED
                           : end_ms[i] == LOST       ? ENGINE_LOST
                           : end_ms[i] == UNFINISHED ? ENGINE_UNFINISHED
                                                     : ENGINE_COMPLETED;
        if (q->fate != fate) fail_msg("request %zu: fate %d, expected %d", i, (int)q->fate, (int)fate);
        if (fate == ENGINE_COMPLETED) assert_int_equal(q->end_ns, end_ms[i] * MS_NS);
    }
}

static void expect_pods(const engine_result *r, size_t n, const uint32_t *pods) {
    for (size_t i = 0; i < n; i++) assert_int_equal(r->requests[i].pod, pods[i]);
}

static void expect_near(double found, double expected) {
    if (fabs(found - expected) > 1e-9) fail_msg("%.12g, expected %.12g", found, expected);
}

/* The pod is ready at 100 ms, and two may wait: the third and fourth are dropped as they come. */
static void queue_limit_by_hand(void **state) {
    (void)state;
    fixture f;
    stage(&f, BATCH_MS);
    then(0, start_after(100));
    then(0, route(POL_PULL, 0, 2));
    requests_at(&f, 5, (int64_t[]){1, 2, 3, 4, 105});
    engine_result r = fixture_run(&f);
    expect_ends(&r, 5, (int64_t[]){110, 120, DROPPED, DROPPED, 130});
    assert_int_equal(r.requests[2].end_ns, 3 * MS_NS);
    expect_pods(&r, 5, (uint32_t[]){0, 0, UINT32_MAX, UINT32_MAX, 0});
    assert_int_equal(r.fns[0].dropped, 2);
    assert_int_equal(r.fns[0].lost, 0);
    strike(&f, &r);
}

/* In turn, at most one each: the third waits for whoever is done first. */
static void pod_limit_by_hand(void **state) {
    (void)state;
    fixture f;
    stage(&f, BATCH_MS);
    f.fns[0].workers = 4;
    then(0, start_on(0));
    then(0, start_on(1));
    then(0, route(POL_ROUND_ROBIN, 1, 0));
    requests_at(&f, 4, (int64_t[]){0, 5, 6, 7});
    engine_result r = fixture_run(&f);
    expect_ends(&r, 4, (int64_t[]){10, 15, 20, 25});
    expect_pods(&r, 4, (uint32_t[]){0, 1, 0, 1});
    strike(&f, &r);
}

/* Killed at 20 ms: one is served by then, one is on the GPU, one waits for the worker. Billed to 20 ms. */
static void kill_by_hand(void **state) {
    (void)state;
    fixture f;
    stage(&f, BATCH_MS);
    then(0, start_on(0));
    then(0, route(POL_FIRST_FREE, 0, 0));
    then(20, to_pod(POL_KILL, 0));
    requests_at(&f, 3, (int64_t[]){0, 11, 12});
    engine_result r = fixture_run(&f);
    expect_ends(&r, 3, (int64_t[]){10, LOST, LOST});
    assert_int_equal(r.requests[2].end_ns, 20 * MS_NS);
    assert_int_equal(r.fns[0].lost, 2);
    assert_int_equal(r.fns[0].dropped, 0);
    assert_int_equal(r.fns[0].window_violations, 2);
    expect_near(r.fns[0].share_gpu_s, 0.020);
    expect_near(r.fns[0].gpu_s, 0.020);
    strike(&f, &r);
}

/* Stopped at 20 ms with work until 31 ms, and billed until then; a request after the stop waits in vain. */
static void stop_by_hand(void **state) {
    (void)state;
    fixture f;
    stage(&f, BATCH_MS);
    f.setup.drain_ns = 0;
    then(0, start_on(0));
    then(0, start_on(1));
    then(0, route(POL_FIRST_FREE, 0, 0));
    then(20, to_pod(POL_STOP, 1)); /* idle: gone at once */
    then(20, to_pod(POL_STOP, 0));
    requests_at(&f, 3, (int64_t[]){11, 12, 25});
    engine_result r = fixture_run(&f);
    expect_ends(&r, 3, (int64_t[]){21, 31, UNFINISHED});
    expect_near(r.fns[0].share_gpu_s, 0.031 + 0.020);
    expect_near(r.gpus_mean, 0.051);
    strike(&f, &r);
}

/* Billed from the end of the warm-up, and not in the drain. 3.6 USD an hour: 1 USD per 1000 s. */
static void bill_is_clipped(void **state) {
    (void)state;
    fixture f;
    stage(&f, BATCH_MS);
    f.setup.warmup_ns = 300 * MS_NS;
    pol_action half = start_on(0);
    half.sm_pct = 50;
    half.quota_pct = 40;
    then(0, half);
    requests_at(&f, 1, (int64_t[]){999});
    engine_result r = fixture_run(&f);
    expect_near(r.fns[0].share_gpu_s, 0.7 * 0.5 * 0.4);
    expect_near(r.fns[0].gpu_s, 0.7);
    expect_near(r.cost_usd, 0.7 * 0.5 * 0.4 / 1000);
    expect_near(r.gpus_mean, 1);
    assert_int_equal(r.fns[0].cold_starts, 0);
    strike(&f, &r);
}

/* 10 ms from 997 ms on: the drain must last 7 ms. What is cut off is a violation of every limit. */
static void drain_by_hand(void **state) {
    (void)state;
    for (int64_t drain_ms = 6; drain_ms <= 7; drain_ms++) {
        fixture f;
        stage(&f, BATCH_MS);
        f.setup.drain_ns = drain_ms * MS_NS;
        f.setup.n_report = 1;
        f.fns[0].report_slo_ns[0] = SECOND_NS;
        then(0, start_on(0));
        requests_at(&f, 1, (int64_t[]){997});
        engine_result r = fixture_run(&f);
        expect_ends(&r, 1, (int64_t[]){drain_ms == 7 ? 1007 : UNFINISHED});
        assert_int_equal(r.fns[0].in_flight, drain_ms == 6);
        assert_int_equal(r.fns[0].window_violations, drain_ms == 6);
        assert_int_equal(r.fns[0].report_violations[0], drain_ms == 6);
        strike(&f, &r);
    }
}

/* Exactly at the limit is within it. */
static void slo_by_hand(void **state) {
    (void)state;
    fixture f;
    stage(&f, BATCH_MS);
    f.fns[0].slo_ns = 19 * MS_NS;
    f.setup.warmup_ns = 101 * MS_NS;
    f.setup.n_report = 3;
    for (int k = 0; k < 3; k++) f.fns[0].report_slo_ns[k] = (k + 1) * 10 * MS_NS;
    then(0, start_on(0));
    requests_at(&f, 6, (int64_t[]){0, 0, 0, 101, 102, 103}); /* the first three before the window */
    engine_result r = fixture_run(&f);
    expect_ends(&r, 6, (int64_t[]){10, 20, 30, 111, 121, 131}); /* the last: 10, 19, 28 ms */
    assert_int_equal(r.fns[0].window_arrivals, 3);
    assert_int_equal(r.fns[0].window_violations, 1);
    assert_int_equal(r.fns[0].report_violations[0], 2);
    assert_int_equal(r.fns[0].report_violations[1], 1);
    assert_int_equal(r.fns[0].report_violations[2], 0);
    assert_int_equal(r.fns[0].latency_sum_ns, 57 * MS_NS);
    assert_int_equal(hist_total(&r.fns[0].latency), 3);
    strike(&f, &r);
}

/* 20 ms of setup and 30 ms of cold start, from 0 on: ready at 50 ms. */
static void cold_start_by_hand(void **state) {
    (void)state;
    fixture f;
    stage(&f, BATCH_MS);
    f.fits[0].cold_start_ms = 30;
    then(0, start_after(20));
    requests_at(&f, 1, (int64_t[]){1});
    engine_result r = fixture_run(&f);
    expect_ends(&r, 1, (int64_t[]){60});
    assert_int_equal(r.fns[0].cold_starts, 1);
    strike(&f, &r);
}

/* Cold starts of 30 ms times the factor drawn for the pod's own number. */
static void cold_start_is_drawn_per_pod(void **state) {
    (void)state;
    fixture f;
    stage(&f, 500);
    f.fits[0].cold_start_ms = 30;
    f.fns[0].cold_start = dist_exponential(1);
    then(0, start_on(0));
    then(0, start_on(1));
    then(0, route(POL_FIRST_FREE, 1, 0));
    requests_at(&f, 2, (int64_t[]){0, 0});
    engine_result r = fixture_run(&f);
    for (size_t i = 0; i < 2; i++) {
        uint64_t bits = draw_bits(draw_key(f.setup.seed, 0, DRAW_COLD_START), r.requests[i].pod);
        int64_t cold_ns = llround(30e6 * dist_sample(&f.fns[0].cold_start, bits));
        assert_int_equal(r.requests[i].end_ns, cold_ns + 500 * MS_NS);
    }
    assert_true(r.requests[0].pod != r.requests[1].pod);
    strike(&f, &r);
}

/* The first request starts a pod; its quota is free from the next window on, at 40 ms, and not before. Another, started
 * at 90 ms, is ready at 120 ms. */
static void ready_at_a_window_by_hand(void **state) {
    (void)state;
    fixture f;
    stage(&f, BATCH_MS);
    then(ON_ARRIVAL, start_on(0));
    then(90, start_on(1));
    requests_at(&f, 5, (int64_t[]){5, 112, 113, 114, 115});
    engine_result r = fixture_run(&f);
    expect_ends(&r, 5, (int64_t[]){50, 122, 130, 132, 140});
    strike(&f, &r);
}

/* Asked for at 50 ms, in force from 80 ms on: 25 ms of work from 41 ms on is not slowed; from 80 ms on it gets 20 ms
 * in [80, 120) and the rest from 120 ms on. */
static void resize_by_hand(void **state) {
    (void)state;
    fixture f;
    stage(&f, 25);
    pol_action half = to_pod(POL_RESIZE, 0);
    half.quota_pct = 50;
    then(0, start_on(0));
    then(50, half);
    requests_at(&f, 2, (int64_t[]){41, 80});
    engine_result r = fixture_run(&f);
    expect_ends(&r, 2, (int64_t[]){66, 125});
    expect_near(r.fns[0].share_gpu_s, 0.050 + 0.5 * 0.950); /* reserved, and billed, at once */
    expect_near(r.total[6].capacity_rps, 40);
    expect_near(r.total[8].capacity_rps, 20);
    strike(&f, &r);
}

/* Two wait for a third and fourth until the first has waited 20 ms; the next two are all that the workers can hold. */
static void batches_by_hand(void **state) {
    (void)state;
    for (uint32_t workers = 2; workers <= 8; workers += 6) {
        fixture f;
        stage(&f, BATCH_MS);
        f.fns[0].batch_max = 4;
        f.fns[0].workers = workers;
        f.fns[0].batch_wait_ns = 20 * MS_NS;
        then(0, start_on(0));
        requests_at(&f, 3, (int64_t[]){1, 6, 101});
        engine_result r = fixture_run(&f);
        int64_t end_ms = workers == 2 ? 6 + 12 : 21 + 12;
        expect_ends(&r, 3, (int64_t[]){end_ms, end_ms, 101 + 20 + 10});
        assert_int_equal(r.fns[0].batches, 2);
        assert_int_equal(r.fns[0].batched, 3);
        strike(&f, &r);
    }
}

/* A batch's noise is that of its first request, a request's overhead its own. */
static void draws_are_keyed_by_request(void **state) {
    (void)state;
    fixture f;
    stage(&f, BATCH_MS);
    engine_fn *fn = &f.fns[0];
    fn->batch_max = fn->workers = 2;
    fn->batch_wait_ns = SECOND_NS;
    fn->noise = dist_exponential(1);
    fn->overhead_ms = dist_exponential(3);
    then(0, start_on(0));
    requests_at(&f, 6, (int64_t[]){0, 0, 300, 300, 600, 600});
    engine_result r = fixture_run(&f);
    for (uint64_t i = 0; i < 6; i += 2) {
        int64_t prepared[2];
        for (uint64_t k = 0; k < 2; k++)
            prepared[k] =
                llround(1e6 * dist_sample(&fn->overhead_ms,
                                          draw_bits(draw_key(f.setup.seed, 0, DRAW_OVERHEAD), i + k)));
        uint64_t first = prepared[0] <= prepared[1] ? i : i + 1;
        double noise = dist_sample(&fn->noise, draw_bits(draw_key(f.setup.seed, 0, DRAW_SERVICE), first));
        int64_t end = (int64_t)i * 150 * MS_NS + prepared[first == i] + llround(12e6 * noise);
        assert_int_equal(r.requests[i].end_ns, end);
        assert_int_equal(r.requests[i + 1].end_ns, end);
    }
    strike(&f, &r);
}

typedef struct {
    uint64_t arrivals, completed, violations, queued;
} hand_bin;

/* Served at 10, 20 and 30 ms, the last two too late. A bin ends before what happens at its end. */
static void bins_by_hand(void **state) {
    (void)state;
    static const hand_bin expected[] = {{3, 0, 0, 2}, {0, 1, 0, 1}, {0, 1, 1, 0}, {1, 1, 1, 0}, {0, 1, 0, 0}};
    fixture f;
    stage(&f, BATCH_MS);
    f.fns[0].slo_ns = 18 * MS_NS;
    then(0, start_on(0));
    then(20, start_on(1)); /* ready at 40 ms */
    requests_at(&f, 4, (int64_t[]){0, 1, 2, 35});
    engine_result r = fixture_run(&f);
    for (size_t k = 0; k < sizeof expected / sizeof *expected; k++) {
        const engine_bin *bins[] = {&r.total[k], &r.by_fn[k]};
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(bins[i]->arrivals, expected[k].arrivals);
            assert_int_equal(bins[i]->completed, expected[k].completed);
            assert_int_equal(bins[i]->violations, expected[k].violations);
            assert_int_equal(bins[i]->queued, expected[k].queued);
            assert_int_equal(bins[i]->pods_ready, k < 4 ? 1 : 2);
            assert_int_equal(bins[i]->pods_starting, k == 2 || k == 3);
            expect_near(bins[i]->capacity_rps, k < 4 ? 100 : 200);
            expect_near(bins[i]->share_gpus, k < 2 ? 1 : 2);
        }
        expect_near(r.total[k].gpus, k < 2 ? 1 : 2);
    }
    strike(&f, &r);
}

/* In full batches of 4 (16 ms), or of as many as there are workers; workers are held through 24 ms of overhead, too. */
static void capacity_by_hand(void **state) {
    (void)state;
    static const struct {
        uint32_t workers, quota_pct;
        double overhead_ms, rps;
    } cases[] = {
        {8, 100, 0, 250},   /* 4 / 16 ms */
        {8, 50, 0, 125},    /* 4 / 32 ms */
        {4, 100, 24, 100},  /* 4 workers / 40 ms */
        {16, 100, 24, 250}, /* 16 workers / 40 ms would be 400 */
        {1, 100, 0, 100},   /* 1 / 10 ms */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture f;
        stage(&f, BATCH_MS);
        f.fns[0].batch_max = 4;
        f.fns[0].workers = cases[i].workers;
        f.fns[0].overhead_ms = dist_constant(cases[i].overhead_ms);
        pol_action a = start_on(0);
        a.quota_pct = cases[i].quota_pct;
        then(0, a);
        requests_at(&f, 1, (int64_t[]){1});
        engine_result r = fixture_run(&f);
        expect_near(r.total[5].capacity_rps, cases[i].rps);
        strike(&f, &r);
    }
}

static const pol_obs *seen_at(int64_t ms) {
    for (size_t i = 0; i < script.n_seen; i++)
        if (script.seen[i].now_ns == ms * MS_NS) return &script.seen[i];
    fail_msg("nothing was observed at %lld ms", (long long)ms);
    return NULL;
}

/* Scrapes at 0, 50, 100 ms. At 100 ms the pod becomes ready and takes one of the three before the scrape. */
static void observations_by_hand(void **state) {
    (void)state;
    fixture f;
    stage(&f, BATCH_MS);
    then(0, start_after(100));
    then(0, route(POL_PULL, 0, 3));
    requests_at(&f, 4, (int64_t[]){1, 2, 60, 61});
    engine_result r = fixture_run(&f);
    assert_int_equal(seen_at(40)->arrivals, 0);
    for (int64_t ms = 50; ms < 100; ms += 10) {
        const pol_obs *o = seen_at(ms);
        assert_int_equal(o->scrape_ns, 50 * MS_NS);
        assert_int_equal(o->arrivals, 2);
        assert_int_equal(o->queued, 2);
        assert_int_equal(o->failures, 0);
        assert_int_equal(o->concurrency_ns, (49 + 48) * MS_NS);
        assert_int_equal(o->pods_ready, 0);
        assert_int_equal(o->pods_starting, 1);
    }
    const pol_obs *o = seen_at(100);
    assert_int_equal(o->arrivals, 4);
    assert_int_equal(o->failures, 1);
    assert_int_equal(o->queued, 2);
    assert_int_equal(o->completions, 0);
    assert_int_equal(o->concurrency_ns, (99 + 98 + 40) * MS_NS);
    assert_int_equal(o->pods_ready, 1);
    assert_int_equal(seen_at(140)->completions, 0);
    assert_int_equal(seen_at(150)->completions, 3);
    assert_int_equal(seen_at(150)->concurrency_ns, (109 + 118 + 70) * MS_NS);
    strike(&f, &r);
}

/* Launched at 299, 310, 995 and 1005 ms, and the second and third in [300, 1000). */
static void batches_are_counted_by_launch(void **state) {
    (void)state;
    fixture f;
    stage(&f, BATCH_MS);
    f.setup.warmup_ns = 300 * MS_NS;
    then(0, start_on(0));
    requests_at(&f, 4, (int64_t[]){299, 310, 995, 996});
    engine_result r = fixture_run(&f);
    expect_ends(&r, 4, (int64_t[]){309, 320, 1005, 1015});
    assert_int_equal(r.fns[0].batches, 2);
    assert_int_equal(r.fns[0].batched, 2);
    strike(&f, &r);
}

/* A pod may take smaller batches than its function does. */
static void batch_of_one_by_hand(void **state) {
    (void)state;
    fixture f;
    stage(&f, BATCH_MS);
    f.fns[0].batch_max = f.fns[0].workers = 4;
    pol_action a = start_on(0);
    a.batch_max = 1;
    then(0, a);
    requests_at(&f, 3, (int64_t[]){0, 1, 2});
    engine_result r = fixture_run(&f);
    expect_ends(&r, 3, (int64_t[]){10, 20, 30});
    strike(&f, &r);
}

/* Weights 2 and 1, and 2 and 3 from 40 ms on: smooth rounds of 3 and of 5. */
static void weights_by_hand(void **state) {
    (void)state;
    fixture f;
    stage(&f, BATCH_MS);
    pol_action two = start_on(0), three = to_pod(POL_RESIZE, 1);
    two.weight = 2;
    three.weight = 3;
    then(0, two);
    then(0, start_on(1));
    then(0, route(POL_WEIGHTED, 0, 0));
    then(40, three);
    requests_at(&f, 11, (int64_t[]){0, 1, 2, 3, 4, 5, 101, 102, 103, 104, 105});
    engine_result r = fixture_run(&f);
    expect_pods(&r, 11, (uint32_t[]){0, 1, 0, 0, 1, 0, 1, 0, 1, 0, 1});
    strike(&f, &r);
}

/* Wider from 80 ms on, which costs 30 ms: what comes at 85 ms is launched at 110 ms, what comes later at once. */
static void widening_stalls_by_hand(void **state) {
    (void)state;
    fixture f;
    stage(&f, BATCH_MS);
    f.devices[0].sm_resizable = 1;
    f.devices[0].sm_resize_ns = 30 * MS_NS;
    pol_action narrow = start_on(0), wide = to_pod(POL_RESIZE, 0);
    narrow.sm_pct = 50;
    wide.sm_pct = 100;
    then(0, narrow);
    then(50, wide);
    requests_at(&f, 3, (int64_t[]){60, 85, 140});
    engine_result r = fixture_run(&f);
    expect_ends(&r, 3, (int64_t[]){70, 120, 150});
    expect_near(r.fns[0].share_gpu_s, 0.5 * 0.050 + 0.950);
    strike(&f, &r);
}

/* Another quota, in the midst of the stall of 50 ms from 80 ms on, does not end it. */
static void a_quota_ends_no_stall(void **state) {
    (void)state;
    fixture f;
    stage(&f, BATCH_MS);
    f.devices[0].sm_resizable = 1;
    f.devices[0].sm_resize_ns = 50 * MS_NS;
    pol_action narrow = start_on(0), wide = to_pod(POL_RESIZE, 0), more = to_pod(POL_RESIZE, 0);
    narrow.sm_pct = 50;
    narrow.quota_pct = 50;
    wide.sm_pct = 100;
    more.quota_pct = 100;
    then(0, narrow);
    then(50, wide);
    then(100, more);
    requests_at(&f, 1, (int64_t[]){125});
    engine_result r = fixture_run(&f);
    expect_ends(&r, 1, (int64_t[]){140});
    strike(&f, &r);
}

/* Under the token runtime, 20 ms of launching hide 10 ms on the GPU; at a quota of 50 % they take 40 ms. */
static void token_by_hand(void **state) {
    (void)state;
    for (uint32_t quota_pct = 50; quota_pct <= 100; quota_pct += 50) {
        fixture f;
        stage_with(&f, BATCH_MS, 20);
        f.setup.runtime = ENGINE_TOKEN;
        pol_action a = start_on(0);
        a.quota_pct = quota_pct;
        then(0, a);
        requests_at(&f, 2, (int64_t[]){5, 105});
        engine_result r = fixture_run(&f);
        int64_t takes_ms = quota_pct == 100 ? 20 : 40;
        expect_ends(&r, 2, (int64_t[]){5 + takes_ms, 105 + takes_ms});
        expect_near(r.total[0].capacity_rps, 1000.0 / (double)takes_ms);
        strike(&f, &r);
    }
}

/* Sizes of 10, 30, 20 and 20. The first is launched at once, the second and third together: 12 ms, or under the token
 * runtime 20 ms of launching, times the mean of their works. */
static void work_by_hand(void **state) {
    (void)state;
    static const struct {
        double calibrated_size; /* 0: the mean, 20 */
        trace_work work;
        engine_runtime runtime;
        int64_t end_ms[4];
        double capacity_rps;
    } cases[] = {
        {10, TRACE_WORK_BY_SIZE, ENGINE_METERED, {10, 40, 40, 70}, 2 / 0.024},
        {0, TRACE_WORK_BY_SIZE, ENGINE_METERED, {5, 20, 20, 60}, 2 / 0.012},
        {10, TRACE_WORK_EQUAL, ENGINE_METERED, {10, 22, 22, 60}, 2 / 0.012},
        {10, TRACE_WORK_BY_SIZE, ENGINE_TOKEN, {20, 70, 70, 110}, 2 / 0.040},
        {0, TRACE_WORK_BY_SIZE, ENGINE_TOKEN, {10, 35, 35, 70}, 2 / 0.020},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture f;
        stage_with(&f, BATCH_MS, cases[i].runtime == ENGINE_TOKEN ? 20 : 1);
        f.setup.runtime = cases[i].runtime;
        f.fns[0].batch_max = 2;
        f.fns[0].workers = 4;
        f.fns[0].slo_ns = 20 * MS_NS;
        f.fns[0].trace.calibrated_size = cases[i].calibrated_size;
        f.fns[0].trace.work = cases[i].work;
        then(0, start_on(0));
        sized_requests_at(&f, 4, (int64_t[]){0, 1, 2, 50}, (int[]){10, 30, 20, 20});
        engine_result r = fixture_run(&f);
        expect_ends(&r, 4, cases[i].end_ms);
        assert_true(fabs(r.total[0].capacity_rps - cases[i].capacity_rps) < 0.001);
        uint64_t late = 0;
        for (int k = 0; k < 4; k++) late += cases[i].end_ms[k] - (int64_t[]){0, 1, 2, 50}[k] > 20;
        assert_int_equal(r.fns[0].window_violations, late);
        strike(&f, &r);
    }
}

/* Two workers hold each its request for 10 ms of overhead and a batch of 24 ms: less than the GPU can serve. */
static void workers_limit_the_capacity_of_works(void **state) {
    (void)state;
    fixture f;
    stage(&f, BATCH_MS);
    f.fns[0].batch_max = f.fns[0].workers = 2;
    f.fns[0].overhead_ms = dist_constant(10);
    f.fns[0].trace.calibrated_size = 10;
    then(0, start_on(0));
    sized_requests_at(&f, 2, (int64_t[]){0, 1}, (int[]){10, 30});
    engine_result r = fixture_run(&f);
    assert_true(fabs(r.total[0].capacity_rps - 2 / 0.034) < 0.001);
    strike(&f, &r);
}

/* The largest size that there is, calibrated at the smallest: no time overflows, and the request is unfinished. */
static void hostile_sizes_end_a_run(void **state) {
    (void)state;
    fixture f;
    stage(&f, BATCH_MS);
    f.fns[0].trace.calibrated_size = 1e-3;
    pol_action thin = start_on(0);
    thin.quota_pct = 1;
    then(0, thin);
    sized_requests_at(&f, 3, (int64_t[]){0, 1, 50}, (int[]){INT32_MAX, INT32_MAX, 0});
    engine_result r = fixture_run(&f);
    expect_ends(&r, 3, (int64_t[]){UNFINISHED, UNFINISHED, UNFINISHED});
    strike(&f, &r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queue_limit_by_hand),
        cmocka_unit_test(pod_limit_by_hand),
        cmocka_unit_test(kill_by_hand),
        cmocka_unit_test(stop_by_hand),
        cmocka_unit_test(bill_is_clipped),
        cmocka_unit_test(drain_by_hand),
        cmocka_unit_test(slo_by_hand),
        cmocka_unit_test(cold_start_by_hand),
        cmocka_unit_test(cold_start_is_drawn_per_pod),
        cmocka_unit_test(ready_at_a_window_by_hand),
        cmocka_unit_test(resize_by_hand),
        cmocka_unit_test(batches_by_hand),
        cmocka_unit_test(draws_are_keyed_by_request),
        cmocka_unit_test(bins_by_hand),
        cmocka_unit_test(capacity_by_hand),
        cmocka_unit_test(observations_by_hand),
        cmocka_unit_test(batches_are_counted_by_launch),
        cmocka_unit_test(batch_of_one_by_hand),
        cmocka_unit_test(weights_by_hand),
        cmocka_unit_test(widening_stalls_by_hand),
        cmocka_unit_test(a_quota_ends_no_stall),
        cmocka_unit_test(token_by_hand),
        cmocka_unit_test(work_by_hand),
        cmocka_unit_test(workers_limit_the_capacity_of_works),
        cmocka_unit_test(hostile_sizes_end_a_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
