/* mig.c - slices fixed in hardware (NVIDIA Multi-Instance GPU), as many as the request rate needs.
 *
 * A GPU is cut into equal slices of one profile; a pod has a slice to itself, at quota 100 %. The profiles of A100
 * and H100 give 1, 2, 3, 4 or 7 of 7 compute slices and 1, 2, 4, 4 or 8 of 8 memory slices; 7, 3, 2, 1 or 1 of them
 * fit. [NVIDIA Multi-Instance GPU User Guide] Every kind of GPU is treated as if it could do this; slices are rows,
 * so rows_per_gpu must be 7 for 7 of them.
 *
 * A function's profile is set, or the smallest one whose memory holds the model and which meets the SLO
 * (throughput_int.h; the largest, where none does). To cut a GPU otherwise, it must be empty, and its first pods
 * wait reconfig_s more. A pod is good for utilization x what it sustains; their number follows the request rate
 * between the last two scrapes (replicas_int.h).
 */
#include <math.h>
#include <stdlib.h>

#include "policy.h"
#include "replicas_int.h"
#include "throughput_int.h"

enum { TICK_S, MIN_PODS, PROFILE, RECONFIG_S, UTILIZATION, COOLDOWN_S, RETRY_S, N_PARAMS };

static const pol_param params[N_PARAMS] = {
    [TICK_S] = {"tick_s", "s", "period of decisions", NULL, {2, 2}, 0.1, 3600, 0},
    [MIN_PODS] = {"min_pods", "", "pods that a function always keeps", NULL, {1, 1}, 1, 1000, 1},
    [PROFILE] = {"profile", "", "slice of each pod", "auto|1g|2g|3g|4g|7g", {0, 0}, 0, 0, 0},
    [RECONFIG_S] = {"reconfig_s", "s", "to cut an empty GPU otherwise (a guess)", NULL, {5, 5}, 0, 3600, 0},
    [UTILIZATION] = {"utilization", "", "of what a pod sustains", NULL, {0.7, 0.7}, 0.01, 1, 0},
    [COOLDOWN_S] = {"cooldown_s", "s", "no fewer pods so soon after a change", NULL, {60, 60}, 0, 86400, 0},
    [RETRY_S] = {"retry_s", "s", "wait after a start that found no room", NULL, {10, 10}, 0, 3600, 0},
};

typedef struct {
    uint32_t sm_pct, eighths_of_memory, per_gpu;
} slice;

/* By the values of the parameter, from 1; the last is the whole GPU. */
static const slice slices[] = {{0, 0, 0}, {14, 1, 7}, {28, 2, 3}, {42, 4, 2}, {57, 4, 1}, {100, 8, 1}};
enum { WHOLE = sizeof slices / sizeof *slices - 1 };

typedef struct {
    uint32_t profile; /* 0: not cut yet */
    uint32_t memory_mib;
    int64_t ready_ns;
} layout;

struct pol_ctx {
    const pol_host *host;
    replicas pods;
    uint32_t profile;
    int64_t reconfig_ns;
    double utilization;
    layout *layouts; /* per GPU; made at the first act */
};

/* ---- profiles ---- */

static double sustained(const pol_ctx *ctx, uint32_t fn, uint32_t device, uint32_t sm_pct, double slo_ns) {
    return throughput_within(ctx->host, fn, device, 0, sm_pct, 100, slo_ns);
}

static double slo_of(const pol_ctx *ctx, uint32_t fn) {
    return (double)ctx->host->fn(ctx->host->impl, fn)->slo_ns;
}

static uint32_t profile_of(const pol_ctx *ctx, uint32_t fn, uint32_t device, uint32_t memory_mib) {
    uint32_t need_mib = ctx->host->fn(ctx->host->impl, fn)->memory_mib;
    for (uint32_t p = 1; p < WHOLE && ctx->profile == 0; p++)
        if ((uint64_t)memory_mib * slices[p].eighths_of_memory >= (uint64_t)need_mib * 8 &&
            sustained(ctx, fn, device, slices[p].sm_pct, slo_of(ctx, fn)) > 0)
            return p;
    return ctx->profile ? ctx->profile : WHOLE;
}

/* An SLO that the slice does not meet is not minded. */
static double target_rps(const pol_ctx *ctx, uint32_t fn, uint32_t device, uint32_t sm_pct) {
    double rps = sustained(ctx, fn, device, sm_pct, slo_of(ctx, fn));
    return ctx->utilization * (rps == 0 ? sustained(ctx, fn, device, sm_pct, INFINITY) : rps);
}

/* ---- places ---- */

static int has_empty_row(const pol_view *view, const pol_gpu *g) {
    for (uint32_t r = g->first_row; r < g->first_row + g->n_rows; r++)
        if (view->rows[r].sm_pct == 0) return 1;
    return 0;
}

static int has_slice(const pol_ctx *ctx, uint32_t fn, const pol_gpu *g, const layout *l, const slice *s) {
    uint64_t need_mib = ctx->host->fn(ctx->host->impl, fn)->memory_mib;
    return g->n_pods < s->per_gpu && g->sm_free_pct >= s->sm_pct &&
           need_mib * 8 <= (uint64_t)l->memory_mib * s->eighths_of_memory;
}

/* Starts a pod on this GPU if it is cut for it, or else is empty; what it is good for, or 0. */
static double start_on(const pol_ctx *ctx, uint32_t fn, const pol_view *view, uint32_t gpu) {
    const pol_gpu *g = &view->gpus[gpu];
    layout *l = &ctx->layouts[gpu];
    uint32_t profile = profile_of(ctx, fn, g->device, l->memory_mib), sm_pct = slices[profile].sm_pct;
    int is_cut = l->profile == profile;
    if ((!is_cut && g->n_pods > 0) || !has_slice(ctx, fn, g, l, &slices[profile])) return 0;
    double target = target_rps(ctx, fn, g->device, sm_pct);
    if (target <= 0) return 0;
    int64_t ready_ns = is_cut ? l->ready_ns : view->now_ns + ctx->reconfig_ns;
    pol_action a = {.verb = POL_START, .fn = fn, .gpu = gpu, .row = POL_NEW_ROW, .sm_pct = sm_pct};
    a.quota_pct = 100;
    a.setup_ns = ready_ns > view->now_ns ? ready_ns - view->now_ns : 0;
    a.reason = is_cut ? "free slice" : "GPU cut anew";
    if (ctx->host->plan(ctx->host->impl, &a) < 0) return 0;
    l->profile = profile;
    l->ready_ns = ready_ns;
    return target;
}

/* GPUs in use first: the empty ones stay whole. */
static double start_pod(pol_ctx *ctx, uint32_t fn, const pol_view *view) {
    for (int is_empty = 0; is_empty <= 1; is_empty++)
        for (uint32_t g = 0; g < view->n_gpus; g++) {
            const pol_gpu *gpu = &view->gpus[g];
            if ((gpu->n_pods == 0) != is_empty || !has_empty_row(view, gpu)) continue;
            double rps = start_on(ctx, fn, view, g);
            if (rps > 0) return rps;
        }
    return 0;
}

/* ---- acting ---- */

/* At the first act nothing is placed yet: what is free is all there is. */
static int make_layouts(pol_ctx *ctx, const pol_view *view) {
    if (ctx->layouts) return 1;
    ctx->layouts = calloc(view->n_gpus ? view->n_gpus : 1, sizeof *ctx->layouts);
    if (!ctx->layouts) return 0;
    for (size_t g = 0; g < view->n_gpus; g++) ctx->layouts[g].memory_mib = view->gpus[g].memory_free_mib;
    return 1;
}

static int mig_observe(pol_ctx *ctx, const pol_obs *obs, int64_t *next_ns) {
    return replicas_observe(&ctx->pods, obs, next_ns);
}

static void mig_act(pol_ctx *ctx, uint32_t fn, const pol_view *view) {
    if (make_layouts(ctx, view)) replicas_act(&ctx->pods, ctx, fn, view);
}

/* ---- opening ---- */

static void mig_close(pol_ctx *ctx) {
    if (!ctx) return;
    replicas_close(&ctx->pods);
    free(ctx->layouts);
    free(ctx);
}

static pol_status mig_open(pol_ctx **out, const pol_host *host, size_t n_fns, pol_mode mode,
                           const double *values, uint32_t *flags, int64_t *tick_ns, char err[POL_ERR_LEN]) {
    (void)mode;
    (void)err;
    *out = NULL;
    pol_ctx *ctx = calloc(1, sizeof *ctx);
    if (!ctx) return POL_NO_MEM;
    if (replicas_open(&ctx->pods, host, n_fns, values[TICK_S], values[MIN_PODS], values[COOLDOWN_S],
                      values[RETRY_S])) {
        mig_close(ctx);
        return POL_NO_MEM;
    }
    ctx->pods.pod_rps = target_rps;
    ctx->pods.start = start_pod;
    ctx->host = host;
    ctx->profile = (uint32_t)values[PROFILE];
    ctx->reconfig_ns = (int64_t)(values[RECONFIG_S] * 1e9 + 0.5);
    ctx->utilization = values[UTILIZATION];
    *flags = 0;
    *tick_ns = ctx->pods.clock.tick_ns;
    *out = ctx;
    return POL_OK;
}

extern const pol_ops policy_mig;
const pol_ops policy_mig = {
    .abi = POL_ABI,
    .name = "mig",
    .help = "slices fixed in hardware (MIG), as many as the request rate needs",
    .params = params,
    .n_params = N_PARAMS,
    .scrape_s = 5,
    .billing = "slice",
    .open = mig_open,
    .observe = mig_observe,
    .act = mig_act,
    .close = mig_close,
};
