/* horizontal.c - pods of one fixed slice, as many as the request rate needs: what an autoscaler of replicas does.
 *
 * A pod is good for target_rps requests per second; 0: for utilization x what it sustains within the SLO
 * (throughput_int.h). Their number follows the rate between the last two scrapes (replicas_int.h); a new one goes to
 * the first GPU with room.
 */
#include <math.h>
#include <stdlib.h>

#include "first_fit_int.h"
#include "policy.h"
#include "replicas_int.h"
#include "throughput_int.h"

enum { TICK_S, MIN_PODS, SM_PCT, QUOTA_PCT, TARGET_RPS, UTILIZATION, COOLDOWN_S, RETRY_S, N_PARAMS };

static const pol_param params[N_PARAMS] = {
    [TICK_S] = {"tick_s", "s", "period of decisions", NULL, {2, 2}, 0.1, 3600, 0},
    [MIN_PODS] = {"min_pods", "", "pods that a function always keeps", NULL, {1, 1}, 1, 1000, 1},
    [SM_PCT] = {"sm_pct", "%", "SM partition of each", NULL, {50, 50}, 1, 100, 1},
    [QUOTA_PCT] = {"quota_pct", "%", "time quota of each", NULL, {50, 50}, 1, 100, 1},
    [TARGET_RPS] =
        {"target_rps", "1/s", "requests per pod; 0: utilization x what it sustains", NULL, {0, 0}, 0, 1e6, 0},
    [UTILIZATION] = {"utilization", "", "target_rps 0: of what a pod sustains", NULL, {0.7, 0.7}, 0.01, 1, 0},
    [COOLDOWN_S] = {"cooldown_s", "s", "no fewer pods so soon after a change", NULL, {60, 60}, 0, 86400, 0},
    [RETRY_S] = {"retry_s", "s", "wait after a start that found no room", NULL, {10, 10}, 0, 3600, 0},
};

struct pol_ctx {
    const pol_host *host;
    replicas pods;
    uint32_t sm_pct, quota_pct;
    double target_rps, utilization;
};

/* An SLO that no slice of this size meets is not minded. */
static double pod_rps(const pol_ctx *ctx, uint32_t fn, uint32_t device, uint32_t sm_pct) {
    const pol_host *h = ctx->host;
    double slo_ns = (double)h->fn(h->impl, fn)->slo_ns;
    if (ctx->target_rps > 0) return ctx->target_rps;
    double rps = throughput_within(h, fn, device, 0, sm_pct, ctx->quota_pct, slo_ns);
    if (rps == 0) rps = throughput_within(h, fn, device, 0, sm_pct, ctx->quota_pct, INFINITY);
    return ctx->utilization * rps;
}

static double start_pod(pol_ctx *ctx, uint32_t fn, const pol_view *view) {
    pol_action a = {.verb = POL_START, .fn = fn, .sm_pct = ctx->sm_pct, .quota_pct = ctx->quota_pct};
    a.reason = "the pods are not enough for the requests";
    if (!first_fit(ctx->host, view, fn, a.sm_pct, a.quota_pct, &a.gpu, &a.row)) return 0;
    if (ctx->host->plan(ctx->host->impl, &a) < 0) return 0;
    return pod_rps(ctx, fn, view->gpus[a.gpu].device, a.sm_pct);
}

static int horizontal_observe(pol_ctx *ctx, const pol_obs *obs, int64_t *next_ns) {
    return replicas_observe(&ctx->pods, obs, next_ns);
}

static void horizontal_act(pol_ctx *ctx, uint32_t fn, const pol_view *view) {
    replicas_act(&ctx->pods, ctx, fn, view);
}

static void horizontal_close(pol_ctx *ctx) {
    if (ctx) replicas_close(&ctx->pods);
    free(ctx);
}

static pol_status horizontal_open(pol_ctx **out, const pol_host *host, size_t n_fns, pol_mode mode,
                                  const double *values, uint32_t *flags, int64_t *tick_ns,
                                  char err[POL_ERR_LEN]) {
    (void)mode;
    (void)err;
    *out = NULL;
    pol_ctx *ctx = calloc(1, sizeof *ctx);
    if (!ctx) return POL_NO_MEM;
    if (replicas_open(&ctx->pods, host, n_fns, values[TICK_S], values[MIN_PODS], values[COOLDOWN_S],
                      values[RETRY_S])) {
        horizontal_close(ctx);
        return POL_NO_MEM;
    }
    ctx->pods.pod_rps = pod_rps;
    ctx->pods.start = start_pod;
    ctx->host = host;
    ctx->sm_pct = (uint32_t)values[SM_PCT];
    ctx->quota_pct = (uint32_t)values[QUOTA_PCT];
    ctx->target_rps = values[TARGET_RPS];
    ctx->utilization = values[UTILIZATION];
    *flags = 0;
    *tick_ns = ctx->pods.clock.tick_ns;
    *out = ctx;
    return POL_OK;
}

extern const pol_ops policy_horizontal;
const pol_ops policy_horizontal = {
    .abi = POL_ABI,
    .name = "horizontal",
    .help = "pods of one fixed slice, as many as the request rate needs",
    .params = params,
    .n_params = N_PARAMS,
    .scrape_s = 5,
    .billing = "share",
    .open = horizontal_open,
    .observe = horizontal_observe,
    .act = horizontal_act,
    .close = horizontal_close,
};
