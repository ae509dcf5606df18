/* engine_fixture.h - small engine setups for tests: a flat calibration, plain functions, a policy that places
 * pods once. Everything lives in the fixture; fixture_close frees what it owns. */
#ifndef ENGINE_FIXTURE_H
#define ENGINE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "calib_int.h"
#include "engine.h"

enum { FIXTURE_FNS_MAX = 64, FIXTURE_GPUS_MAX = 64 };
#define SECOND_NS INT64_C(1000000000)
#define MS_NS     INT64_C(1000000)

typedef struct {
    calib *device;
    engine_device devices[1];
    engine_gpu gpus[FIXTURE_GPUS_MAX];
    engine_fit fits[FIXTURE_FNS_MAX];
    engine_fn fns[FIXTURE_FNS_MAX];
    predictor predict;
    engine_setup setup;
    engine_options options;
} fixture;

/* One model "flat": gpu_ms, plus per_batch_ms per request, plus work_ms * 100 / SM %; f = launch_ms at 100 % and
 * launch_ms * 100 / quota elsewhere; no overhead, no noise, no cold start. */
static inline calib *fixture_device(double gpu_ms, double per_batch_ms, double work_ms, double launch_ms) {
    char text[4000], quotas[200] = "", times[400] = "", err[CALIB_ERR_LEN];
    for (int q = 10; q <= 100; q += 10) {
        size_t a = strlen(quotas), b = strlen(times);
        snprintf(quotas + a, sizeof quotas - a, "%s%d", q > 10 ? ", " : "", q);
        snprintf(times + b, sizeof times - b, "%s%.17g", q > 10 ? ", " : "", launch_ms * 100 / q);
    }
    snprintf(
        text, sizeof text,
        "{\"format\": \"hassim-calib-1\", \"generated_by\": \"test\", \"device\": {\"name\": \"flat-gpu\","
        "\"description\": \"test\", \"sm_count\": 100, \"memory_mib\": 16000, \"max_processes\": 48,"
        "\"sm_resizable\": false, \"source\": \"test\", \"cold_start\": {\"schedule_ms\": 0,"
        "\"container_ms\": 0, \"context_ms\": 0, \"load_mib_per_s\": 1000, \"cv\": 0, \"source\": \"test\"}},"
        "\"series\": {\"test\": {\"source\": \"test\", \"licence\": \"none\", \"method\": \"none\","
        "\"date\": \"2026-01-01\"}},"
        "\"models\": {\"flat\": {\"series\": \"test\", \"weak\": false, \"gpu\": {\"fixed_ms\": %.17g,"
        "\"fixed_ms_per_batch\": %.17g, \"work_ms\": %.17g, \"work_ms_per_batch\": 0},"
        "\"launch\": {\"quota_pct\": [%s], \"ms\": [%s]},"
        "\"fit\": {\"mape_pct\": 0, \"median_pct\": 0, \"p90_pct\": 0, \"points\": 1},\"measured\": "
        "{\"batch\": [1, 32], \"sm_pct\": [1, 100], \"quota_pct\": [1, 100]},"
        "\"weights_mib\": 0, \"memory_mib\": 100, \"warmup_ms\": 0,"
        "\"overhead_ms\": {\"mean\": 0, \"cv\": 0}, \"noise_cv\": 0, \"facts_source\": \"test\"}}}",
        gpu_ms, per_batch_ms, work_ms, quotas, times);
    calib *c = NULL;
    if (calib_open_text(&c, "flat", text, strlen(text), err)) fail_msg("%s", err);
    return c;
}

/* The same for any width. */
static inline calib *fixture_flat_device(double gpu_ms, double per_batch_ms, double launch_ms) {
    return fixture_device(gpu_ms, per_batch_ms, 0, launch_ms);
}

static inline void fixture_open(fixture *f, calib *device, size_t n_gpus, size_t n_fns, double duration_s) {
    memset(f, 0, sizeof *f);
    f->device = device;
    f->devices[0] = (engine_device){.facts = calib_device_of(device), .usd_per_gpu_hour = 3.6};
    for (size_t g = 0; g < n_gpus; g++) f->gpus[g] = (engine_gpu){.device = 0, .node = (uint32_t)g};
    assert_int_equal(predictor_find(&f->predict, "table", PREDICT_METERED), 0);
    int64_t duration_ns = (int64_t)(duration_s * 1e9);
    f->setup = (engine_setup){.seed = 1,
                              .duration_ns = duration_ns,
                              .drain_ns = 600 * SECOND_NS,
                              .scrape_ns = 5 * SECOND_NS,
                              .bin_ns = duration_ns / 20 + 1,
                              .devices = f->devices,
                              .n_devices = 1,
                              .gpus = f->gpus,
                              .n_gpus = n_gpus,
                              .rows_per_gpu = 2,
                              .fns = f->fns,
                              .n_fns = n_fns,
                              .predictor = &f->predict,
                              .timeline_fns = n_fns,
                              .actions_max = 10000};
    f->options = (engine_options){.order = ENGINE_ISLANDS, .threads = 1, .check = 1};
    for (size_t i = 0; i < n_fns; i++) {
        f->fits[i] = (engine_fit){.model = calib_model_at(device, 0), .cold_start_ms = 0};
        f->fns[i] = (engine_fn){.name = "f",
                                .model_name = "flat",
                                .on = &f->fits[i],
                                .memory_mib = 100,
                                .batch_max = 1,
                                .workers = 1,
                                .slo_ns = 100 * MS_NS,
                                .overhead_ms = dist_constant(0),
                                .noise = dist_constant(1),
                                .cold_start = dist_constant(1),
                                .trace = {.shape = TRACE_SHAPE_STEADY,
                                          .scale = 1,
                                          .mean_rps = 10,
                                          .period_s = 60,
                                          .burst_factor = 4,
                                          .burst_s = 2,
                                          .burst_every_s = 10,
                                          .duration_ns = duration_ns}};
    }
}

static inline void fixture_close(fixture *f) {
    for (size_t i = 0; i < f->setup.n_fns; i++) {
        dist_free(&f->fns[i].overhead_ms);
        dist_free(&f->fns[i].noise);
        dist_free(&f->fns[i].cold_start);
    }
    calib_close(f->device);
}

static inline engine_result fixture_run(fixture *f) {
    char err[ENGINE_ERR_LEN] = "";
    engine_result r;
    if (engine_run(&f->setup, &f->options, &r, err)) fail_msg("%s", err);
    return r;
}

/* A policy that starts `pods` pods of SM 100 % / rows, quota 100 %, each on its own GPU, at the beginning. */
struct pol_ctx {
    const pol_host *host;
    int64_t pods;
};
static const pol_param fixture_params[] = {
    {.key = "pods", .unit = "", .help = "pods per function", .max = 1e6}};

static inline pol_status fixture_policy_open(pol_ctx **out, const pol_host *host, size_t n_fns, pol_mode mode,
                                             const double *values, uint32_t *flags, int64_t *tick_ns,
                                             char err[POL_ERR_LEN]) {
    (void)n_fns, (void)mode, (void)err;
    *out = malloc(sizeof **out);
    if (!*out) return POL_NO_MEM;
    **out = (pol_ctx){host, (int64_t)values[0]};
    *flags = 0;
    *tick_ns = 2 * SECOND_NS;
    return POL_OK;
}

static inline int fixture_policy_observe(pol_ctx *ctx, const pol_obs *obs, int64_t *next_ns) {
    (void)ctx, (void)obs, (void)next_ns;
    return 0;
}

static inline void fixture_policy_act(pol_ctx *ctx, uint32_t fn, const pol_view *view) {
    if (view->cause != POL_BEGIN) return;
    for (uint32_t i = 0; i < ctx->pods; i++) {
        pol_action a = {.verb = POL_START,
                        .fn = fn,
                        .gpu = (uint32_t)(fn * ctx->pods + i),
                        .row = POL_NEW_ROW,
                        .sm_pct = 100,
                        .quota_pct = 100,
                        .reason = "begin"};
        assert_true(ctx->host->plan(ctx->host->impl, &a) >= 0);
    }
}

static inline void fixture_policy_close(pol_ctx *ctx) {
    free(ctx);
}

static const pol_ops fixture_policy = {.abi = POL_ABI,
                                       .name = "fixture",
                                       .help = "pods at the beginning, nothing more",
                                       .params = fixture_params,
                                       .n_params = 1,
                                       .scrape_s = 5,
                                       .billing = "share",
                                       .open = fixture_policy_open,
                                       .observe = fixture_policy_observe,
                                       .act = fixture_policy_act,
                                       .close = fixture_policy_close};

#endif
