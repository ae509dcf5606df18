#include "rate_watch_int.h"

#include <math.h>

rate_clock rate_clock_of(const pol_host *host, double tick_s) {
    return (rate_clock){(int64_t)(tick_s * 1e9 + 0.5), host->scrape_ns, host->scrape_phase_ns};
}

uint32_t rate_clock_ticks(const rate_clock *c, double seconds) {
    return (uint32_t)ceil(seconds * 1e9 / (double)c->tick_ns - 1e-9);
}

/* The last scrape that tick number i sees; 0 before the first. */
static int64_t scrape_seen(const rate_clock *c, uint32_t i) {
    int64_t since = (int64_t)i * c->tick_ns - c->scrape_phase_ns;
    return since < 0 ? 0 : since - since % c->scrape_ns + c->scrape_phase_ns;
}

/* The first tick after i that sees a newer scrape. */
static uint32_t next_scrape_tick(const rate_clock *c, uint32_t i) {
    int64_t seen = scrape_seen(c, i), next = seen + c->scrape_ns;
    if (seen < c->scrape_phase_ns) next = c->scrape_phase_ns; /* none seen yet */
    uint32_t tick = (uint32_t)((next + c->tick_ns - 1) / c->tick_ns);
    return tick > i ? tick : i + 1;
}

static void see(rate_watch *w, const rate_clock *c, uint32_t tick, uint64_t count) {
    int64_t span = scrape_seen(c, tick) - scrape_seen(c, tick - 1);
    if (span > 0) w->rps = (double)(count - w->count) * 1e9 / (double)span;
    w->count = count;
    w->tick = tick;
}

/* Lives through the skipped ticks up to and with `last`. */
static void catch_up(rate_watch *w, const rate_clock *c, uint32_t last) {
    if (last <= w->tick) return;
    if (w->rps > 0 && next_scrape_tick(c, w->tick) <= last) w->rps = 0;
    w->tick = last;
}

static int wants_act(const rate_watch *w, uint32_t pods) {
    return pods != w->pods || (w->rps > w->up_above && w->tick >= w->retry_tick) ||
           (w->rps < w->down_below && w->tick >= w->calm_tick);
}

static int64_t next_look(const rate_watch *w, const rate_clock *c) {
    uint32_t next = UINT32_MAX;
    if (w->rps > 0) next = next_scrape_tick(c, w->tick);
    if (w->rps > w->up_above && w->retry_tick < next) next = w->retry_tick;
    if (w->rps < w->down_below && w->calm_tick < next) next = w->calm_tick;
    return next == UINT32_MAX ? POL_NEVER : (int64_t)next * c->tick_ns;
}

int rate_watch_observe(rate_watch *w, const rate_clock *c, const pol_obs *obs, uint64_t count,
                       int64_t *next_ns) {
    uint32_t tick = (uint32_t)(obs->now_ns / c->tick_ns);
    catch_up(w, c, tick - 1);
    see(w, c, tick, count);
    int wants = wants_act(w, obs->pods_ready + obs->pods_starting);
    *next_ns = wants ? ((int64_t)tick + 1) * c->tick_ns : next_look(w, c);
    return wants;
}

void rate_watch_begin_act(rate_watch *w, const rate_clock *c, const pol_view *view) {
    if (view->cause == POL_ARRIVAL) catch_up(w, c, (uint32_t)((view->now_ns - 1) / c->tick_ns));
}

void rate_watch_end_act(rate_watch *w, pol_cause cause, uint32_t pods, double up_above, double down_below) {
    if (cause == POL_ARRIVAL) return;
    w->up_above = up_above;
    w->down_below = down_below;
    w->pods = pods;
}
