#include "replicas_int.h"

#include <stdlib.h>

typedef struct { /* the pods of a function that stay */
    uint32_t n;
    double rps, least_rps; /* that they are good for: together, the least one */
} tally;

static void count_in(tally *t, double rps) {
    t->least_rps = t->n == 0 || rps < t->least_rps ? rps : t->least_rps;
    t->rps += rps;
    t->n++;
}

static double rps_of(const replicas *r, const pol_ctx *ctx, const pol_view *view, const pol_pod *p) {
    return r->pod_rps(ctx, p->fn, view->gpus[p->gpu].device, p->sm_pct);
}

static void grow(const replicas *r, pol_ctx *ctx, uint32_t fn, const pol_view *view, tally *t) {
    rate_watch *w = &r->fns[fn];
    while (t->n < r->min_pods || w->rps > t->rps) {
        double rps = r->start(ctx, fn, view);
        if (rps <= 0) {
            w->retry_tick = w->tick + (r->retry_ticks > 0 ? r->retry_ticks : 1);
            return;
        }
        count_in(t, rps);
        w->calm_tick = w->tick + r->cooldown_ticks;
    }
}

static void shrink(const replicas *r, const pol_ctx *ctx, uint32_t fn, const pol_view *view, tally *t) {
    rate_watch *w = &r->fns[fn];
    for (size_t i = view->n_pods; i-- > 0 && t->n > r->min_pods;) {
        const pol_pod *p = &view->pods[i];
        const pol_action a = {.verb = POL_STOP, .fn = fn, .pod = p->id, .reason = "fewer pods suffice"};
        double rps = rps_of(r, ctx, view, p);
        if (p->draining || w->rps > t->rps - rps || r->host->plan(r->host->impl, &a) < 0) continue;
        t->rps -= rps;
        t->n--;
        w->calm_tick = w->tick + r->cooldown_ticks;
    }
}

void replicas_act(replicas *r, pol_ctx *ctx, uint32_t fn, const pol_view *view) {
    rate_watch *w = &r->fns[fn];
    tally t = {0};
    rate_watch_begin_act(w, &r->clock, view);
    for (size_t i = 0; i < view->n_pods; i++)
        if (!view->pods[i].draining) count_in(&t, rps_of(r, ctx, view, &view->pods[i]));
    if (w->tick >= w->retry_tick && (view->cause != POL_ARRIVAL || t.n == 0)) grow(r, ctx, fn, view, &t);
    if (view->cause == POL_TICK && w->tick >= w->calm_tick) shrink(r, ctx, fn, view, &t);
    rate_watch_end_act(w, view->cause, t.n, t.n < r->min_pods ? -1 : t.rps,
                       t.n > r->min_pods ? t.rps - t.least_rps : 0);
}

int replicas_observe(replicas *r, const pol_obs *obs, int64_t *next_ns) {
    return rate_watch_observe(&r->fns[obs->fn], &r->clock, obs, obs->arrivals, next_ns);
}

int replicas_open(replicas *r, const pol_host *host, size_t n_fns, double tick_s, double min_pods,
                  double cooldown_s, double retry_s) {
    r->host = host;
    r->clock = rate_clock_of(host, tick_s);
    r->min_pods = (uint32_t)min_pods;
    r->cooldown_ticks = rate_clock_ticks(&r->clock, cooldown_s);
    r->retry_ticks = rate_clock_ticks(&r->clock, retry_s);
    r->fns = calloc(n_fns ? n_fns : 1, sizeof *r->fns);
    return r->fns ? 0 : -1;
}

void replicas_close(replicas *r) {
    free(r->fns);
    r->fns = NULL;
}
