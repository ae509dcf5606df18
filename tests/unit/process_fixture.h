/* process_fixture.h - one function with a process on one GPU, a policy that follows a script, requests at given times.
 * Times on the processor are constant, and 0 unless a test says otherwise. */
#ifndef PROCESS_FIXTURE_H
#define PROCESS_FIXTURE_H

#include "engine_fixture.h"

enum {
    SCENE_LINES_MAX = 16,
    SCENE_SLACK_NS = 50
}; /* a batch's launches and GPU time are a ns longer, ends rounded up */

typedef struct {
    int64_t at_ms; /* 0: at the beginning; else at that tick of 10 ms */
    pol_action action;
} scene_line;

typedef struct { /* a policy's functions are handed nothing of the test's */
    scene_line lines[SCENE_LINES_MAX];
    size_t n;
} scene_script;

static scene_script script;

static inline pol_status scene_open_policy(pol_ctx **out, const pol_host *host, size_t n_fns, pol_mode mode,
                                           const double *values, uint32_t *flags, int64_t *tick_ns,
                                           char err[POL_ERR_LEN]) {
    (void)n_fns, (void)mode, (void)values, (void)err;
    *out = malloc(sizeof **out);
    if (!*out) return POL_NO_MEM;
    **out = (pol_ctx){.host = host};
    *flags = 0;
    *tick_ns = 10 * MS_NS;
    return POL_OK;
}

static inline int scene_observe(pol_ctx *ctx, const pol_obs *o, int64_t *next_ns) {
    (void)ctx;
    *next_ns = o->now_ns + 1;
    for (size_t i = 0; i < script.n; i++)
        if (script.lines[i].at_ms * MS_NS == o->now_ns) return 1;
    return 0;
}

static inline void scene_act(pol_ctx *ctx, uint32_t fn, const pol_view *v) {
    for (size_t i = 0; i < script.n; i++) {
        pol_action a = script.lines[i].action;
        if (script.lines[i].at_ms * MS_NS != v->now_ns || a.fn != fn) continue;
        a.reason = "script";
        ctx->host->plan(ctx->host->impl, &a);
    }
}

static const pol_ops scene_policy = {.abi = POL_ABI,
                                     .name = "script",
                                     .open = scene_open_policy,
                                     .observe = scene_observe,
                                     .act = scene_act,
                                     .close = fixture_policy_close};

static inline void scene_then(int64_t at_ms, pol_action a) {
    assert_true(script.n < SCENE_LINES_MAX);
    script.lines[script.n++] = (scene_line){at_ms, a};
}

typedef struct {
    fixture f;
    engine_process process;
} scene;

/* G(n) = gpu_ms + (n - 1) * further_ms; a pod with this share from the beginning; one worker, batches of one. */
static inline void scene_open(scene *s, engine_runtime runtime, double gpu_ms, double further_ms,
                              uint32_t sm_pct, uint32_t quota_pct) {
    fixture_open(&s->f, fixture_flat_device(gpu_ms - further_ms, further_ms, 0.01), 1, 1, 10);
    s->process = (engine_process){.wait_ms = dist_constant(0),
                                  .work_noise = dist_constant(1),
                                  .launch_noise = dist_constant(1),
                                  .cpus = 1,
                                  .launch_weight = 0.5};
    s->f.fns[0].process = &s->process;
    s->f.setup.runtime = runtime;
    s->f.setup.policy = &scene_policy;
    s->f.setup.record_requests = 1;
    script.n = 0;
    scene_then(0, (pol_action){.verb = POL_ROUTE, .balance = POL_FIRST_FREE}); /* requests wait in the pod */
    scene_then(0,
               (pol_action){.verb = POL_START, .row = POL_NEW_ROW, .sm_pct = sm_pct, .quota_pct = quota_pct});
}

/* The i-th function's requests. */
static inline void scene_requests(scene *s, size_t fn, size_t n, const double *at_ms) {
    char path[] = "/tmp/hassim-test-XXXXXX", err[TRACE_ERR_LEN];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *out = fdopen(fd, "w");
    assert_non_null(out);
    fprintf(out, "time_s,function\n");
    for (size_t i = 0; i < n; i++) fprintf(out, "%.6f,f\n", at_ms[i] * 1e-3);
    assert_int_equal(fclose(out), 0);
    trace_file *file;
    int rc = trace_open(&file, "csv", path, err);
    remove(path);
    if (rc) fail_msg("%s", err);
    s->f.fns[fn].trace.file = file;
}

static inline void scene_close(scene *s) {
    for (size_t fn = 0; fn < s->f.setup.n_fns; fn++) trace_close((trace_file *)s->f.fns[fn].trace.file);
    fixture_close(&s->f);
}

/* Each request ends then, ms, give or take the rounding; less than 0: it is lost. */
static inline void scene_expect(scene *s, size_t n, const double *end_ms) {
    engine_result r = fixture_run(&s->f);
    assert_int_equal(r.actions_refused, 0);
    assert_int_equal(r.n_requests, n);
    for (size_t i = 0; i < n; i++) {
        const engine_request *q = &r.requests[i];
        assert_int_equal(q->fate, end_ms[i] < 0 ? ENGINE_LOST : ENGINE_COMPLETED);
        int64_t off = q->end_ns - (int64_t)(end_ms[i] * 1e6 + 0.5);
        if (end_ms[i] >= 0 && (off < -1 || off > SCENE_SLACK_NS))
            fail_msg("request %zu ends at %.6f ms, expected %.6f", i, (double)q->end_ns * 1e-6, end_ms[i]);
    }
    engine_result_free(&r);
    scene_close(s);
}

#endif
