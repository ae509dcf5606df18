#include "validate_replay_int.h"

#include <stdlib.h>

struct pol_ctx {
    const pol_host *host;
    const double *steps; /* [n_steps * REPLAY_FIELDS] */
    size_t n_steps;
};

static const int64_t TICK_NS = 500000000;

/* The number of steps travels as the first value: a policy's parameters are all that it is given. */
static pol_status replay_open(pol_ctx **out, const pol_host *host, size_t n_fns, pol_mode mode,
                              const double *values, uint32_t *flags, int64_t *tick_ns,
                              char err[POL_ERR_LEN]) {
    (void)n_fns, (void)mode, (void)err;
    *out = malloc(sizeof **out);
    if (!*out) return POL_NO_MEM;
    **out = (pol_ctx){host, values + 1, (size_t)values[0]};
    *flags = 0;
    *tick_ns = TICK_NS;
    return POL_OK;
}

static void replay_close(pol_ctx *ctx) {
    free(ctx);
}

/* The last step that has begun. */
static const double *step_at(const pol_ctx *ctx, int64_t now_ns) {
    size_t i = 0;
    while (i + 1 < ctx->n_steps && ctx->steps[(i + 1) * REPLAY_FIELDS + REPLAY_TIME] <= (double)now_ns) i++;
    return ctx->steps + i * REPLAY_FIELDS;
}

/* At every tick: pods that were refused are asked for again. */
static int replay_observe(pol_ctx *ctx, const pol_obs *obs, int64_t *next_ns) {
    (void)ctx;
    *next_ns = obs->now_ns + 1;
    return 1;
}

static int plan(const pol_ctx *ctx, pol_action a) {
    a.reason = "recorded";
    return ctx->host->plan(ctx->host->impl, &a) < 0 ? -1 : 0;
}

static void resize(const pol_ctx *ctx, const pol_pod *p, uint32_t quota_pct) {
    if (p->quota_pct != quota_pct)
        plan(ctx, (pol_action){.verb = POL_RESIZE, .fn = p->fn, .pod = p->id, .quota_pct = quota_pct});
}

static void replay_act(pol_ctx *ctx, uint32_t fn, const pol_view *view) {
    const double *step = step_at(ctx, view->now_ns);
    size_t wanted = (size_t)step[REPLAY_PODS];
    uint32_t quota_pct = (uint32_t)step[REPLAY_QUOTA];
    if (view->cause == POL_BEGIN) plan(ctx, (pol_action){.verb = POL_ROUTE, .fn = fn, .balance = POL_RANDOM});
    for (size_t i = 0; i < view->n_pods && i < wanted; i++) resize(ctx, &view->pods[i], quota_pct);
    for (size_t i = wanted; i < view->n_pods; i++)
        plan(ctx, (pol_action){.verb = POL_KILL, .fn = fn, .pod = view->pods[i].id});
    for (size_t i = view->n_pods; i < wanted; i++)
        if (plan(ctx, (pol_action){.verb = POL_START,
                                   .fn = fn,
                                   .row = POL_NEW_ROW,
                                   .sm_pct = (uint32_t)step[REPLAY_SM],
                                   .quota_pct = quota_pct}))
            return; /* the next would be refused, too */
}

pol_ops validate_replay_policy(size_t n_steps) {
    return (pol_ops){.abi = POL_ABI,
                     .name = "replay",
                     .help = "what was recorded",
                     .n_params = 1 + n_steps * REPLAY_FIELDS,
                     .scrape_s = 5,
                     .billing = "share",
                     .open = replay_open,
                     .observe = replay_observe,
                     .act = replay_act,
                     .close = replay_close};
}
