#include "tap.h"

#include <stdlib.h>
#include <string.h>

struct tap {
    const pol_ops *inner;
    tap_hooks hooks;
    pol_ops ops;
    double values[]; /* [n_params] */
};

/* What the engine takes for the policy's context */
typedef struct {
    const tap *t;
    pol_ctx *inner;
    const pol_host *real;
    pol_host host; /* what the policy takes for the engine's */
} tapped;

static const tap *of_values(const double *values) {
    return (const tap *)(const void *)((const char *)values - offsetof(tap, values));
}

static void enter(const tap *t, tap_call call, uint32_t fn, int64_t now_ns) {
    if (t->hooks.enter != NULL) t->hooks.enter(t->hooks.arg, call, fn, now_ns);
}

static void leave(const tap *t, tap_call call, uint32_t fn) {
    if (t->hooks.leave != NULL) t->hooks.leave(t->hooks.arg, call, fn);
}

/* ---- towards the engine ---- */

static const pol_fn *host_fn(void *impl, uint32_t fn) {
    const pol_host *real = ((tapped *)impl)->real;
    return real->fn(real->impl, fn);
}

static int64_t host_plan(void *impl, const pol_action *action) {
    const tapped *c = impl;
    int64_t result = -1;
    enter(c->t, TAP_PLAN, action->fn, 0);
    if (c->t->hooks.allows == NULL || c->t->hooks.allows(c->t->hooks.arg, action))
        result = c->real->plan(c->real->impl, action);
    leave(c->t, TAP_PLAN, action->fn);
    return result;
}

static int64_t host_latency_ns(void *impl, uint32_t fn, uint32_t device, uint32_t batch, uint32_t sm_pct,
                               uint32_t quota_pct) {
    const pol_host *real = ((tapped *)impl)->real;
    return real->latency_ns(real->impl, fn, device, batch, sm_pct, quota_pct);
}

static double host_throughput_rps(void *impl, uint32_t fn, uint32_t device, uint32_t batch, uint32_t sm_pct,
                                  uint32_t quota_pct) {
    const pol_host *real = ((tapped *)impl)->real;
    return real->throughput_rps(real->impl, fn, device, batch, sm_pct, quota_pct);
}

static double host_overhead_ms(void *impl, uint32_t fn, uint32_t device) {
    const pol_host *real = ((tapped *)impl)->real;
    return real->overhead_ms(real->impl, fn, device);
}

static double host_uniform(void *impl, uint32_t fn, uint64_t n) {
    const pol_host *real = ((tapped *)impl)->real;
    return real->uniform(real->impl, fn, n);
}

/* ---- towards the policy ---- */

static pol_status tapped_open(pol_ctx **out, const pol_host *host, size_t n_fns, pol_mode mode,
                              const double *values, uint32_t *flags, int64_t *tick_ns,
                              char err[POL_ERR_LEN]) {
    const tap *t = of_values(values);
    tapped *c = malloc(sizeof *c);
    *out = NULL;
    if (c == NULL) return POL_NO_MEM;
    *c = (tapped){.t = t, .real = host, .host = *host};
    c->host.impl = c;
    c->host.fn = host_fn;
    c->host.plan = host_plan;
    c->host.latency_ns = host_latency_ns;
    c->host.throughput_rps = host_throughput_rps;
    c->host.overhead_ms = host_overhead_ms;
    c->host.uniform = host_uniform;
    enter(t, TAP_OPEN, 0, 0);
    pol_status status = t->inner->open(&c->inner, &c->host, n_fns, mode, values, flags, tick_ns, err);
    leave(t, TAP_OPEN, 0);
    if (t->hooks.opened != NULL)
        t->hooks.opened(t->hooks.arg, &(tap_opening){status, err, c->inner, *flags, *tick_ns});
    if (status == POL_OK)
        *out = (pol_ctx *)c;
    else
        free(c);
    return status;
}

static int tapped_observe(pol_ctx *ctx, const pol_obs *obs, int64_t *next_ns) {
    const tapped *c = (const tapped *)ctx;
    enter(c->t, TAP_OBSERVE, obs->fn, obs->now_ns);
    int wants = c->t->inner->observe(c->inner, obs, next_ns);
    leave(c->t, TAP_OBSERVE, obs->fn);
    return wants;
}

static void tapped_act(pol_ctx *ctx, uint32_t fn, const pol_view *view) {
    const tapped *c = (const tapped *)ctx;
    enter(c->t, TAP_ACT, fn, view->now_ns);
    c->t->inner->act(c->inner, fn, view);
    leave(c->t, TAP_ACT, fn);
}

static void tapped_close(pol_ctx *ctx) {
    tapped *c = (tapped *)ctx;
    if (c == NULL) return;
    enter(c->t, TAP_CLOSE, 0, 0);
    c->t->inner->close(c->inner);
    leave(c->t, TAP_CLOSE, 0);
    free(c);
}

tap *tap_new(const pol_ops *inner, const double *values, const tap_hooks *hooks) {
    tap *t = malloc(sizeof *t + inner->n_params * sizeof *values);
    if (t == NULL) return NULL;
    t->inner = inner;
    t->hooks = *hooks;
    t->ops = *inner;
    t->ops.open = tapped_open;
    t->ops.observe = tapped_observe;
    t->ops.act = tapped_act;
    t->ops.close = tapped_close;
    if (inner->n_params > 0) memcpy(t->values, values, inner->n_params * sizeof *values);
    return t;
}

void tap_free(tap *t) {
    free(t);
}

const pol_ops *tap_ops(const tap *t) {
    return &t->ops;
}

const double *tap_values(const tap *t) {
    return t->values;
}
