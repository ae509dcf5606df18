/* vertical.c - one pod per function, scaled by its time quota alone: no cold starts, and no way beyond one row.
 *
 * Every tick, with R = the request rate between the last two scrapes: the smallest quota, in steps, of which
 * utilization x what the pod sustains within the SLO (throughput_int.h) is at least R; as much as its row has left
 * where that is less. A smaller one not within cooldown_s of a change. The pod begins with the smallest quota that
 * meets the SLO, in a row of its own if there is one, as row-mates take the room that it would grow into.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "first_fit_int.h"
#include "policy.h"
#include "rate_watch_int.h"
#include "throughput_int.h"

enum { TICK_S, SM_PCT, QUOTA_STEP_PCT, UTILIZATION, COOLDOWN_S, RETRY_S, N_PARAMS };

static const pol_param params[N_PARAMS] = {
    [TICK_S] = {"tick_s", "s", "period of decisions", NULL, {2, 2}, 0.1, 3600, 0},
    [SM_PCT] = {"sm_pct", "%", "SM partition of the pod", NULL, {50, 50}, 1, 100, 1},
    [QUOTA_STEP_PCT] = {"quota_step_pct", "%", "quotas are multiples of it", NULL, {10, 10}, 1, 50, 1},
    [UTILIZATION] = {"utilization", "", "of what the pod sustains", NULL, {0.7, 0.7}, 0.01, 1, 0},
    [COOLDOWN_S] =
        {"cooldown_s", "s", "no smaller quota so soon after a change", NULL, {10, 10}, 0, 86400, 0},
    [RETRY_S] = {"retry_s", "s", "wait after a growth that found no room", NULL, {10, 10}, 0, 3600, 0},
};

struct pol_ctx {
    const pol_host *host;
    rate_clock clock;
    uint32_t sm_pct, step_pct, cooldown_ticks, retry_ticks;
    double utilization;
    rate_watch *fns;
};

static int vertical_observe(pol_ctx *ctx, const pol_obs *obs, int64_t *next_ns) {
    return rate_watch_observe(&ctx->fns[obs->fn], &ctx->clock, obs, obs->arrivals, next_ns);
}

/* What a quota is good for; 0: it does not meet the SLO. An SLO that even the whole row does not meet is not
 * minded. */
static double target_rps(const pol_ctx *ctx, uint32_t fn, uint32_t device, uint32_t quota_pct) {
    const pol_host *h = ctx->host;
    double slo_ns = (double)h->fn(h->impl, fn)->slo_ns;
    if (throughput_within(h, fn, device, 0, ctx->sm_pct, 100, slo_ns) <= 0) slo_ns = INFINITY;
    return ctx->utilization * throughput_within(h, fn, device, 0, ctx->sm_pct, quota_pct, slo_ns);
}

/* The smallest quota that is good for the rate, at most 100 %. */
static uint32_t quota_for(const pol_ctx *ctx, uint32_t fn, uint32_t device, double rps) {
    for (uint32_t quota = ctx->step_pct; quota < 100; quota += ctx->step_pct) {
        double target = target_rps(ctx, fn, device, quota);
        if (target > 0 && target >= rps) return quota;
    }
    return 100;
}

static void retry_later(const pol_ctx *ctx, rate_watch *w) {
    w->retry_tick = w->tick + (ctx->retry_ticks > 0 ? ctx->retry_ticks : 1);
}

static void start_pod(const pol_ctx *ctx, uint32_t fn, const pol_view *view, pol_pod *pod) {
    rate_watch *w = &ctx->fns[fn];
    pol_action a = {.verb = POL_START, .fn = fn, .sm_pct = ctx->sm_pct, .reason = "a pod is missing"};
    int is_found = first_fit(ctx->host, view, fn, a.sm_pct, 100, &a.gpu, &a.row) ||
                   first_fit(ctx->host, view, fn, a.sm_pct, ctx->step_pct, &a.gpu, &a.row);
    if (is_found) {
        uint32_t free_pct = a.row == POL_NEW_ROW ? 100 : view->rows[a.row].quota_free_pct;
        a.quota_pct = quota_for(ctx, fn, view->gpus[a.gpu].device, w->rps);
        if (a.quota_pct > free_pct) a.quota_pct = free_pct;
    }
    if (is_found && ctx->host->plan(ctx->host->impl, &a) >= 0)
        *pod = (pol_pod){.gpu = a.gpu, .sm_pct = a.sm_pct, .quota_pct = a.quota_pct};
    else
        retry_later(ctx, w);
}

/* Towards the quota that the rate needs; pod is left as it then is. */
static void resize(const pol_ctx *ctx, uint32_t fn, const pol_view *view, pol_pod *pod) {
    rate_watch *w = &ctx->fns[fn];
    uint32_t quota = quota_for(ctx, fn, view->gpus[pod->gpu].device, w->rps);
    uint32_t most = pod->quota_pct + view->rows[pod->row].quota_free_pct;
    pol_action a = {.verb = POL_RESIZE, .fn = fn, .pod = pod->id, .quota_pct = quota < most ? quota : most};
    a.reason = quota > pod->quota_pct ? "requests need more quota" : "requests need less quota";
    if (quota > most) retry_later(ctx, w);
    if (a.quota_pct == pod->quota_pct || (a.quota_pct < pod->quota_pct && w->tick < w->calm_tick)) return;
    if (ctx->host->plan(ctx->host->impl, &a) < 0) return;
    pod->quota_pct = a.quota_pct;
    w->calm_tick = w->tick + ctx->cooldown_ticks;
}

/* The rates for which this quota is right. */
static void leave_band(const pol_ctx *ctx, uint32_t fn, const pol_view *view, const pol_pod *pod) {
    rate_watch *w = &ctx->fns[fn];
    if (pod->quota_pct == 0) { /* there is none */
        rate_watch_end_act(w, view->cause, 0, -1, 0);
        return;
    }
    uint32_t device = view->gpus[pod->gpu].device, quota = pod->quota_pct, less = 0;
    for (uint32_t q = ctx->step_pct; q < quota; q += ctx->step_pct) less = q;
    double most = quota == 100 ? INFINITY : target_rps(ctx, fn, device, quota);
    rate_watch_end_act(w, view->cause, 1, most, less ? target_rps(ctx, fn, device, less) : 0);
}

static void vertical_act(pol_ctx *ctx, uint32_t fn, const pol_view *view) {
    rate_watch *w = &ctx->fns[fn];
    pol_pod pod = {0};
    rate_watch_begin_act(w, &ctx->clock, view);
    for (size_t i = 0; i < view->n_pods; i++)
        if (!view->pods[i].draining) pod = view->pods[i];
    if (pod.quota_pct == 0 && w->tick >= w->retry_tick)
        start_pod(ctx, fn, view, &pod);
    else if (pod.quota_pct > 0 && view->cause == POL_TICK)
        resize(ctx, fn, view, &pod);
    leave_band(ctx, fn, view, &pod);
}

static void vertical_close(pol_ctx *ctx) {
    if (ctx) free(ctx->fns);
    free(ctx);
}

static pol_status vertical_open(pol_ctx **out, const pol_host *host, size_t n_fns, pol_mode mode,
                                const double *values, uint32_t *flags, int64_t *tick_ns,
                                char err[POL_ERR_LEN]) {
    (void)mode;
    (void)err;
    *out = NULL;
    pol_ctx *ctx = calloc(1, sizeof *ctx);
    if (!ctx) return POL_NO_MEM;
    ctx->host = host;
    ctx->clock = rate_clock_of(host, values[TICK_S]);
    ctx->sm_pct = (uint32_t)values[SM_PCT];
    ctx->step_pct = (uint32_t)values[QUOTA_STEP_PCT];
    ctx->utilization = values[UTILIZATION];
    ctx->cooldown_ticks = rate_clock_ticks(&ctx->clock, values[COOLDOWN_S]);
    ctx->retry_ticks = rate_clock_ticks(&ctx->clock, values[RETRY_S]);
    ctx->fns = calloc(n_fns ? n_fns : 1, sizeof *ctx->fns);
    if (!ctx->fns) {
        vertical_close(ctx);
        return POL_NO_MEM;
    }
    *flags = 0;
    *tick_ns = ctx->clock.tick_ns;
    *out = ctx;
    return POL_OK;
}

extern const pol_ops policy_vertical;
const pol_ops policy_vertical = {
    .abi = POL_ABI,
    .name = "vertical",
    .help = "one pod per function; its quota follows the request rate",
    .params = params,
    .n_params = N_PARAMS,
    .scrape_s = 5,
    .billing = "share",
    .open = vertical_open,
    .observe = vertical_observe,
    .act = vertical_act,
    .close = vertical_close,
};
