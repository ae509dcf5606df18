/* results_sample.h - runs filled by hand, for the tests of what is written to and read from a database. */
#ifndef RESULTS_SAMPLE_H
#define RESULTS_SAMPLE_H

#include <stdlib.h>
#include <string.h>

#include "results.h"

enum { SAMPLE_FNS = 2, SAMPLE_BINS = 4, SAMPLE_ACTIONS = 3 };

typedef struct {
    engine_fn fns[SAMPLE_FNS];
    engine_setup setup;
    engine_fn_result of[SAMPLE_FNS];
    engine_bin total[SAMPLE_BINS], by_fn[SAMPLE_BINS];
    engine_action actions[SAMPLE_ACTIONS];
    engine_request requests[2];
    engine_result result;
    results_run run;
} sample;

static inline void sample_functions(sample *s) {
    s->fns[0] = (engine_fn){.name = "classify", .model_name = "resnet50", .slo_ns = 60000000};
    s->fns[1] = (engine_fn){.name = "answer", .model_name = "bert", .slo_ns = 90000000};
    for (size_t i = 0; i < SAMPLE_FNS; i++) {
        s->fns[i].report_slo_ns[0] = s->fns[i].slo_ns / 2;
        s->fns[i].report_slo_ns[1] = s->fns[i].slo_ns;
        engine_fn_result *f = &s->of[i];
        f->arrivals = 120;
        f->completed = 118;
        f->dropped = 2;
        f->window_arrivals = 100;
        f->window_violations = 10 * (i + 1);
        f->report_violations[0] = 40;
        f->report_violations[1] = f->window_violations;
        f->cold_starts = 3;
        f->batches = 49;
        f->batched = 98;
        f->share_gpu_s = 5;
        f->gpu_s = 10;
        f->cost_usd = 0.25;
    }
}

/* 98 latencies per function: 10 ms each for the first, 40 ms for the second. */
static inline void sample_latencies(sample *s) {
    for (size_t i = 0; i < SAMPLE_FNS; i++)
        for (int k = 0; k < 98; k++) {
            int64_t ns = i ? 40000000 : 10000000;
            hist_add(&s->of[i].latency, ns);
            s->of[i].latency_sum_ns += (uint64_t)ns;
        }
}

static inline void sample_actions(sample *s) {
    s->actions[0] = (engine_action){
        .at_ns = 0,
        .action = {
            .verb = POL_START, .row = POL_NEW_ROW, .sm_pct = 50, .quota_pct = 60, .reason = "min_pods"}};
    s->actions[1] = (engine_action){
        .at_ns = 2000000000,
        .action = {.verb = POL_RESIZE, .fn = 1, .pod = 4, .quota_pct = 80, .reason = "above capacity"}};
    s->actions[2] =
        (engine_action){.at_ns = 4000000000,
                        .action = {.verb = POL_START, .fn = 9, .gpu = 1, .reason = "above capacity"},
                        .refused = 1,
                        .why = "no such function"};
}

/* Lives in place: pointers go into *s. sample_free after use. */
static inline void sample_make(sample *s, const char *label, uint64_t seed) {
    memset(s, 0, sizeof *s);
    sample_functions(s);
    sample_latencies(s);
    sample_actions(s);
    for (size_t k = 0; k < SAMPLE_BINS; k++) {
        s->total[k] = (engine_bin){.arrivals = 60, .completed = 59, .pods_ready = 2, .gpus = 1.5};
        s->by_fn[k] = (engine_bin){.arrivals = 30, .completed = 29, .pods_ready = 1};
    }
    s->requests[0] = (engine_request){.fn = 0, .pod = 0, .arrival_ns = 5, .end_ns = 10000005};
    s->requests[1] = (engine_request){
        .fn = 1, .pod = UINT32_MAX, .arrival_ns = 7, .end_ns = -1, .fate = ENGINE_UNFINISHED};
    s->setup = (engine_setup){.seed = seed,
                              .warmup_ns = 10000000000,
                              .duration_ns = 60000000000,
                              .n_gpus = 4,
                              .fns = s->fns,
                              .n_fns = SAMPLE_FNS,
                              .multipliers = {1.5, 3},
                              .n_report = 2,
                              .timeline_fns = 1};
    s->result = (engine_result){.fns = s->of,
                                .n_fns = SAMPLE_FNS,
                                .gpus_mean = 1.5,
                                .cost_usd = 0.5,
                                .events = 1000,
                                .total = s->total,
                                .by_fn = s->by_fn,
                                .n_bins = SAMPLE_BINS,
                                .timeline_fns = 1,
                                .bin_ns = 15000000000,
                                .actions = s->actions,
                                .n_actions = SAMPLE_ACTIONS,
                                .actions_seen = 5,
                                .actions_refused = 1,
                                .requests = s->requests,
                                .n_requests = 2,
                                .hash = UINT64_C(0xfedcba9876543210)};
    s->run = (results_run){.label = label,
                           .policy = "has",
                           .mode = "corrected",
                           .predictor = "table",
                           .billing = "share",
                           .engine = "islands",
                           .seed = seed,
                           .grid = "{}",
                           .config_json = "{}",
                           .config_hash = "c0",
                           .trace_hash = "7a",
                           .calibration_hash = "ca",
                           .policy_hash = "90",
                           .wall_s = 0.1};
}

static inline void sample_free(sample *s) {
    for (size_t i = 0; i < SAMPLE_FNS; i++) hist_clear(&s->of[i].latency);
}

#endif
