/* fixed.c - a set number of pods per function, each with the same part of a GPU, for the whole run.
 *
 * Nothing scales: this is what a team does that reserves capacity by hand, and the bar that a policy which does
 * scale must clear. Pods that find no room, or that are gone, are tried again once a tick.
 *
 * This file is also what `hassim policy new` copies, so it shows a whole policy: parameters, opening, looking,
 * acting, closing. policy.h, the contract, says when each is called and what it may touch.
 */
#include <stdlib.h>

#include "policy.h"

/* ---- parameters: hassim checks a config's "params" against this table ---- */

enum { PODS, SM_PCT, QUOTA_PCT, TICK_S, N_PARAMS };

static const pol_param params[N_PARAMS] = {
    /* key, unit, help, choices, {corrected, artifact} defaults, min, max, is it an integer? */
    [PODS] = {"pods", "", "pods per function", NULL, {1, 1}, 0, 1000, 1},
    [SM_PCT] = {"sm_pct", "%", "SM partition of each", NULL, {50, 50}, 1, 100, 1},
    [QUOTA_PCT] = {"quota_pct", "%", "time quota of each", NULL, {100, 100}, 1, 100, 1},
    [TICK_S] = {"tick_s", "s", "how often missing pods are tried again", NULL, {2, 2}, 0.1, 3600, 0},
};

/* ---- state ---- */

/* Everything that the policy remembers hangs from here: no globals, as many runs may share a process. What is
 * remembered about one function belongs into an array with one element per function, because the functions
 * are observed in threads; this policy remembers nothing about any. */
struct pol_ctx {
    const pol_host *host;
    uint32_t pods, sm_pct, quota_pct;
    int64_t tick_ns;
};

static pol_status fixed_open(pol_ctx **out, const pol_host *host, size_t n_fns, pol_mode mode,
                             const double *values, uint32_t *flags, int64_t *tick_ns, char err[POL_ERR_LEN]) {
    (void)n_fns; /* how many functions there are: for arrays of state */
    (void)mode;  /* has spoken through the defaults */
    (void)err;   /* says what is wrong where values do not fit together: return POL_BAD_PARAM then */
    pol_ctx *ctx = malloc(sizeof *ctx);
    *out = ctx;
    if (ctx == NULL) return POL_NO_MEM;
    *ctx = (pol_ctx){.host = host,
                     .pods = (uint32_t)values[PODS],
                     .sm_pct = (uint32_t)values[SM_PCT],
                     .quota_pct = (uint32_t)values[QUOTA_PCT],
                     .tick_ns = (int64_t)(values[TICK_S] * 1e9 + 0.5)};
    *flags = 0; /* POL_GLOBAL: one act for all functions at each tick */
    *tick_ns = ctx->tick_ns;
    return POL_OK;
}

static void fixed_close(pol_ctx *ctx) {
    free(ctx);
}

/* ---- looking: inside the function's island, in threads; writes nothing but obs->fn's own state ---- */

static int fixed_observe(pol_ctx *ctx, const pol_obs *obs, int64_t *next_ns) {
    int is_short = obs->pods_ready + obs->pods_starting < ctx->pods;
    *next_ns = is_short ? obs->now_ns + ctx->tick_ns : POL_NEVER; /* else: when a counter or a pod changes */
    return is_short;
}

/* ---- acting: in order of time, one function after the other; sees what is allocated everywhere ---- */

/* A row of the same width with time to spare, or POL_NEW_ROW; -1: the GPU has no room. Pods of equal width that
 * share rows leave wide pieces of the GPU whole. */
static int64_t find_row(const pol_ctx *ctx, const pol_view *view, const pol_gpu *gpu) {
    int has_empty_row = 0;
    for (uint32_t r = gpu->first_row; r < gpu->first_row + gpu->n_rows; r++) {
        const pol_row *row = &view->rows[r];
        if (row->sm_pct == ctx->sm_pct && row->quota_free_pct >= ctx->quota_pct) return r;
        has_empty_row |= row->sm_pct == 0;
    }
    return has_empty_row && gpu->sm_free_pct >= ctx->sm_pct ? (int64_t)POL_NEW_ROW : -1;
}

/* Starts a pod on the first GPU that has room and can run the model; 0: there is none */
static int start_pod(const pol_ctx *ctx, uint32_t fn, const pol_view *view) {
    const pol_host *host = ctx->host;
    for (uint32_t g = 0; g < view->n_gpus; g++) {
        const pol_gpu *gpu = &view->gpus[g];
        if (gpu->n_pods >= gpu->pods_max || gpu->memory_free_mib < host->fn(host->impl, fn)->memory_mib)
            continue;
        if (host->latency_ns(host->impl, fn, gpu->device, 1, ctx->sm_pct, ctx->quota_pct) < 0) continue;
        int64_t row = find_row(ctx, view, gpu);
        if (row < 0) continue;
        const pol_action start = {.verb = POL_START,
                                  .fn = fn,
                                  .gpu = g,
                                  .row = (uint32_t)row,
                                  .sm_pct = ctx->sm_pct,
                                  .quota_pct = ctx->quota_pct,
                                  .reason = "a pod is missing"};
        if (host->plan(host->impl, &start) >= 0) return 1; /* refused: something that only the engine knows */
    }
    return 0;
}

static void fixed_act(pol_ctx *ctx, uint32_t fn, const pol_view *view) {
    uint32_t have = 0;
    if (view->cause == POL_ARRIVAL) return; /* without a pod: the next tick tries again */
    for (size_t i = 0; i < view->n_pods; i++) have += !view->pods[i].draining;
    while (have < ctx->pods && start_pod(ctx, fn, view)) have++;
}

/* ---- what hassim sees ---- */

extern const pol_ops policy_fixed;
const pol_ops policy_fixed = {
    .abi = POL_ABI,
    .name = "fixed",
    .help = "a set number of pods per function, all alike; nothing scales",
    .params = params,
    .n_params = N_PARAMS,
    .scrape_s = 5,
    .billing = "share",
    .open = fixed_open,
    .observe = fixed_observe,
    .act = fixed_act,
    .close = fixed_close,
};

#ifndef POL_BUILT_IN /* as a shared object; built-in policies are listed in registry.c */
const pol_ops *policy_export(void) {
    return &policy_fixed;
}
#endif
