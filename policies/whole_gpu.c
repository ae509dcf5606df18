/* whole_gpu.c - a set number of whole GPUs per function, for the whole run: what those pay who do not share.
 *
 * Each pod has a GPU to itself. Pods that find no empty GPU, or that are gone, are tried again once a tick.
 */
#include <stdlib.h>

#include "policy.h"

enum { PODS, TICK_S, N_PARAMS };

static const pol_param params[N_PARAMS] = {
    [PODS] = {"pods", "", "whole GPUs per function", NULL, {1, 1}, 0, 1000, 1},
    [TICK_S] = {"tick_s", "s", "how often missing pods are tried again", NULL, {2, 2}, 0.1, 3600, 0},
};

struct pol_ctx {
    const pol_host *host;
    uint32_t pods;
    int64_t tick_ns;
};

static int whole_gpu_observe(pol_ctx *ctx, const pol_obs *obs, int64_t *next_ns) {
    int is_short = obs->pods_ready + obs->pods_starting < ctx->pods;
    *next_ns = is_short ? obs->now_ns + ctx->tick_ns : POL_NEVER;
    return is_short;
}

static int is_fit(const pol_ctx *ctx, uint32_t fn, const pol_gpu *g) {
    const pol_host *h = ctx->host;
    return g->n_pods == 0 && g->memory_free_mib >= h->fn(h->impl, fn)->memory_mib &&
           h->latency_ns(h->impl, fn, g->device, 1, 100, 100) >= 0;
}

static void whole_gpu_act(pol_ctx *ctx, uint32_t fn, const pol_view *view) {
    uint32_t have = 0;
    if (view->cause == POL_ARRIVAL) return; /* without a pod: the next tick tries again */
    for (size_t i = 0; i < view->n_pods; i++) have += !view->pods[i].draining;
    for (uint32_t g = 0; g < view->n_gpus && have < ctx->pods; g++) {
        const pol_action start = {.verb = POL_START,
                                  .fn = fn,
                                  .gpu = g,
                                  .row = POL_NEW_ROW,
                                  .sm_pct = 100,
                                  .quota_pct = 100,
                                  .reason = "a pod is missing"};
        if (is_fit(ctx, fn, &view->gpus[g]) && ctx->host->plan(ctx->host->impl, &start) >= 0) have++;
    }
}

static void whole_gpu_close(pol_ctx *ctx) {
    free(ctx);
}

static pol_status whole_gpu_open(pol_ctx **out, const pol_host *host, size_t n_fns, pol_mode mode,
                                 const double *values, uint32_t *flags, int64_t *tick_ns,
                                 char err[POL_ERR_LEN]) {
    (void)n_fns;
    (void)mode;
    (void)err;
    pol_ctx *ctx = malloc(sizeof *ctx);
    *out = ctx;
    if (!ctx) return POL_NO_MEM;
    *ctx = (pol_ctx){host, (uint32_t)values[PODS], (int64_t)(values[TICK_S] * 1e9 + 0.5)};
    *flags = 0;
    *tick_ns = ctx->tick_ns;
    return POL_OK;
}

extern const pol_ops policy_whole_gpu;
const pol_ops policy_whole_gpu = {
    .abi = POL_ABI,
    .name = "whole-gpu",
    .help = "a set number of whole GPUs per function; nothing is shared, nothing scales",
    .params = params,
    .n_params = N_PARAMS,
    .scrape_s = 5,
    .billing = "whole-gpu",
    .open = whole_gpu_open,
    .observe = whole_gpu_observe,
    .act = whole_gpu_act,
    .close = whole_gpu_close,
};
