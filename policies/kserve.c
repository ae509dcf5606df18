/* kserve.c - KServe on Knative: one whole GPU per pod, replicas by the Knative Pod Autoscaler (KPA).
 *
 * Every tick (2 s), with R = max(1, ready pods), S and P the mean concurrency of the function over the stable
 * (60 s) and the panic window (6 s), zeros included, a window that reaches before the run's begin being shorter:
 *   total     = container_concurrency, or 100 if that is 0; with scale_target, the smaller of both
 *   target    = max(0.01, 70 % of total)
 *   dS, dP    = ceil(S / target), ceil(P / target), each kept within [floor(R / 2), ceil(1000 R)]
 *   panic     begins when dP, not yet kept within, is at least 200 % of R, and at the first tick if more than one
 *             pod is ready by then; ends when that has not been so for longer than the stable window
 *   desired   = dS; in panic max(dS, dP), and never less than it was in this panic; then the largest of the last
 *             scale_down_delay_s; then within [min_scale, max_scale]
 * [knative/serving, autoscaler and its defaults; the project's notes on systems, section 4]
 *
 * To zero: once 0 has been desired for grace_s, the pods stop; until then they stay. From zero: an arrival
 * without a pod starts one. initial_scale pods start at 0 and are kept until as many have been ready.
 *
 * Excess burst capacity: floor(ready * total - 211 - P) < 0, or no ready pod, puts the activator into the
 * path. It queues up to 10,000 requests and sends them to the less loaded of two pods (container_concurrency
 * 0), to the first one with room (1 to 3), or round robin to one with room (more). Else requests go to any
 * pod, whose queue-proxy holds at most container_concurrency of them and queues ten times as many; beyond, it
 * fails them. Here those queues are one queue of the function, 10 * container_concurrency * ready pods long,
 * set anew as pods become ready: a request waits for any pod with room, where a real one waits for the pod
 * that it was sent to. With container_concurrency 0 nothing limits a pod.
 *
 * Pods: SM 100 %, quota 100 %, on the first GPU without pods whose memory suffices. Where there is none, it
 * is tried again once a tick, as a pending pod is. Those that start go first when too many, then the
 * youngest.
 *
 * Mode `artifact` differs in two defaults, those of the validation runs: scale_target 1,
 * container_concurrency 15 (their maxReplicas of 2 was the number of GPUs, which the cluster says here).
 * `corrected`: KServe's defaults. Only the concurrency metric exists, no batcher.
 *
 * Laziness: what was the integral of concurrency at each tick of the stable window is kept in a ring, one per
 * function. While no counter changes the integral is constant, so skipped ticks are lived through one by one
 * until windows, panic and grace have passed; after that nothing changes. observe looks ahead in the same
 * way.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"

enum {
    TICK_S,
    CONTAINER_CONCURRENCY,
    SCALE_TARGET,
    TARGET_UTILIZATION_PCT,
    CONCURRENCY_DEFAULT,
    MIN_SCALE,
    MAX_SCALE,
    INITIAL_SCALE,
    STABLE_WINDOW_S,
    PANIC_WINDOW_PCT,
    PANIC_THRESHOLD_PCT,
    MAX_SCALE_UP_RATE,
    MAX_SCALE_DOWN_RATE,
    TARGET_BURST_CAPACITY,
    GRACE_S,
    SCALE_DOWN_DELAY_S,
    N_PARAMS
};

/* by_default is {corrected, artifact}. */
static const pol_param params[N_PARAMS] = {
    [TICK_S] = {"tick_s", "s", "period of decisions", NULL, {2, 2}, 0.1, 3600, 0},
    [CONTAINER_CONCURRENCY] =
        {"container_concurrency", "", "requests in a pod at most; 0: no limit", NULL, {0, 15}, 0, 1000, 1},
    [SCALE_TARGET] = {"scale_target",
                      "",
                      "concurrency per pod aimed at, before utilisation; 0: container_concurrency",
                      NULL,
                      {0, 1},
                      0,
                      1e6,
                      0},
    [TARGET_UTILIZATION_PCT] =
        {"target_utilization_pct", "%", "of that, really aimed at", NULL, {70, 70}, 1, 100, 0},
    [CONCURRENCY_DEFAULT] = {"container_concurrency_default",
                             "",
                             "stands for container_concurrency 0 in the target",
                             NULL,
                             {100, 100},
                             0.01,
                             1e6,
                             0},
    [MIN_SCALE] = {"min_scale", "", "pods at least; 0: scale to zero", NULL, {1, 1}, 0, 10000, 1},
    [MAX_SCALE] = {"max_scale", "", "pods at most; 0: no limit", NULL, {0, 0}, 0, 10000, 1},
    [INITIAL_SCALE] =
        {"initial_scale", "", "pods at the begin, if more than min_scale", NULL, {1, 1}, 0, 10000, 1},
    [STABLE_WINDOW_S] = {"stable_window_s", "s", "", NULL, {60, 60}, 1, 3600, 0},
    [PANIC_WINDOW_PCT] = {"panic_window_pct", "%", "of the stable window", NULL, {10, 10}, 1, 100, 0},
    [PANIC_THRESHOLD_PCT] =
        {"panic_threshold_pct", "%", "of the ready pods, wanted: panic", NULL, {200, 200}, 110, 1000, 0},
    [MAX_SCALE_UP_RATE] =
        {"max_scale_up_rate", "", "most pods wanted per ready pod", NULL, {1000, 1000}, 1.01, 1e6, 0},
    [MAX_SCALE_DOWN_RATE] =
        {"max_scale_down_rate", "", "most ready pods per pod wanted", NULL, {2, 2}, 1.01, 1e6, 0},
    [TARGET_BURST_CAPACITY] = {"target_burst_capacity",
                               "",
                               "requests; 0: activator only at zero pods, -1: always",
                               NULL,
                               {211, 211},
                               -1,
                               1e6,
                               0},
    [GRACE_S] = {"scale_to_zero_grace_s",
                 "s",
                 "zero is desired for so long before the last pod stops",
                 NULL,
                 {30, 30},
                 0,
                 3600,
                 0},
    [SCALE_DOWN_DELAY_S] =
        {"scale_down_delay_s", "s", "fewer pods must be desired for so long", NULL, {0, 0}, 0, 3600, 0},
};

enum { LOOK_AHEAD = 256, ACTIVATOR_QUEUE = 10000, QUEUE_DEPTH_FACTOR = 10, PODS_MAX = 1000000 };

typedef struct {          /* one function between ticks */
    uint64_t integral_ns; /* of concurrency, as last seen */
    uint32_t tick;        /* the last one lived through */
    uint32_t flat;        /* ticks since the integral changed; saturates at the stable window */
    uint32_t ready, pods; /* as last observed */
    uint32_t panic_tick;  /* of the last excess in this panic; 0: no panic */
    uint32_t panic_pods;  /* most desired in this panic */
    uint32_t zero_tick;   /* since when 0 is desired; 0: it is not */
    uint32_t calm;        /* ticks since the undelayed number changed; saturates at the delay */
    uint32_t undelayed, desired;
    uint32_t routed_ready;          /* ready pods when last routed */
    uint8_t is_in_path, wants_path; /* the activator */
    uint8_t was_initial;            /* initial_scale pods have been ready */
} fn_state;

struct pol_ctx {
    const pol_host *host;
    int64_t tick_ns;
    uint32_t stable_ticks, panic_ticks, grace_ticks, delay_ticks;
    uint32_t concurrency, min_scale, max_scale, initial_scale;
    double total, target; /* concurrency per pod */
    double panic_threshold, up_rate, down_rate, burst;
    uint32_t full_tick; /* 1 + the tick in which every GPU was found taken; 0: none */
    fn_state *fns;
    uint64_t *integrals; /* per function a ring: at tick i in slot i mod (stable_ticks + 1) */
    uint32_t *delayed;   /* per function a ring of delay_ticks; NULL without delay */
};

/* ---- windows ---- */

/* The last scrape that tick number i sees; 0 before the first. */
static int64_t scrape_seen(const pol_ctx *ctx, uint32_t i) {
    int64_t since = (int64_t)i * ctx->tick_ns - ctx->host->scrape_phase_ns;
    return since < 0 ? 0 : since - since % ctx->host->scrape_ns + ctx->host->scrape_phase_ns;
}

static uint64_t *slot(const pol_ctx *ctx, uint32_t fn, uint32_t i) {
    uint32_t n = ctx->stable_ticks + 1;
    return &ctx->integrals[(size_t)fn * n + i % n];
}

/* Mean concurrency over the last `ticks`, seen from tick s->tick; the ring is written up to `written`. */
static double window_mean(const pol_ctx *ctx, const fn_state *s, uint32_t fn, uint32_t written,
                          uint32_t ticks) {
    uint32_t from = s->tick > ticks ? s->tick - ticks : 0;
    if (s->flat >= ticks) return 0;
    int64_t span = scrape_seen(ctx, s->tick) - scrape_seen(ctx, from);
    uint64_t before = from > written ? s->integral_ns : from == 0 ? 0 : *slot(ctx, fn, from);
    return span > 0 ? (double)(s->integral_ns - before) / (double)span : 0;
}

/* ---- KPA ---- */

static double clamp(double v, double lo, double hi) {
    if (v < lo) v = lo;
    return v > hi ? hi : v;
}

static void update_panic(const pol_ctx *ctx, fn_state *s, double wanted, double ready) {
    if (s->tick == 1 && s->ready > 1) {
        s->panic_tick = 1;
        s->panic_pods = s->ready;
    }
    if (wanted / ready >= ctx->panic_threshold)
        s->panic_tick = s->tick;
    else if (s->panic_tick > 0 && s->tick - s->panic_tick > ctx->stable_ticks)
        s->panic_tick = s->panic_pods = 0;
}

/* The recommendation before delay and bounds. */
static uint32_t recommend(const pol_ctx *ctx, fn_state *s, double stable, double panic) {
    double ready = s->ready > 1 ? s->ready : 1;
    double least = floor(ready / ctx->down_rate), most = fmin(ceil(ready * ctx->up_rate), PODS_MAX);
    double wanted = ceil(panic / ctx->target);
    uint32_t by_stable = (uint32_t)clamp(ceil(stable / ctx->target), least, most);
    uint32_t by_panic = (uint32_t)clamp(wanted, least, most);
    update_panic(ctx, s, wanted, ready);
    if (s->panic_tick == 0) return by_stable;
    if (by_stable > s->panic_pods) s->panic_pods = by_stable;
    if (by_panic > s->panic_pods) s->panic_pods = by_panic;
    return s->panic_pods;
}

static uint32_t delay(const pol_ctx *ctx, fn_state *s, uint32_t fn, uint32_t pods) {
    if (!ctx->delayed) return pods;
    uint32_t *ring = &ctx->delayed[(size_t)fn * ctx->delay_ticks], most = 0;
    s->calm = pods != s->undelayed ? 0 : s->calm < ctx->delay_ticks ? s->calm + 1 : s->calm;
    s->undelayed = pods;
    ring[s->tick % ctx->delay_ticks] = pods;
    for (uint32_t i = 0; i < ctx->delay_ticks; i++)
        if (ring[i] > most) most = ring[i];
    return most;
}

static uint32_t bound(const pol_ctx *ctx, fn_state *s, uint32_t pods) {
    if (s->ready >= ctx->initial_scale) s->was_initial = 1;
    if (!s->was_initial && pods < ctx->initial_scale) pods = ctx->initial_scale;
    if (pods < ctx->min_scale) pods = ctx->min_scale;
    if (ctx->max_scale > 0 && pods > ctx->max_scale) pods = ctx->max_scale;
    return pods;
}

/* Zero is desired after a whole stable window without requests, however young the run is, and must then be desired
 * for the grace period; until then everything stays. */
static uint32_t after_grace(const pol_ctx *ctx, fn_state *s, uint32_t pods) {
    if (pods > 0)
        s->zero_tick = 0;
    else if (s->zero_tick == 0 && s->flat >= ctx->stable_ticks)
        s->zero_tick = s->tick;
    int is_over = s->zero_tick != 0 && s->tick - s->zero_tick >= ctx->grace_ticks;
    return pods > 0 || is_over ? pods : s->pods;
}

static int needs_activator(const pol_ctx *ctx, const fn_state *s, double panic) {
    if (s->ready == 0 || ctx->burst < 0) return 1;
    return ctx->burst > 0 && floor(s->ready * ctx->total - ctx->burst - panic) < 0;
}

/* One tick, s->tick, with everything else in s up to date. */
static void evaluate(const pol_ctx *ctx, fn_state *s, uint32_t fn, uint32_t written) {
    double stable = window_mean(ctx, s, fn, written, ctx->stable_ticks);
    double panic = window_mean(ctx, s, fn, written, ctx->panic_ticks);
    uint32_t pods = delay(ctx, s, fn, recommend(ctx, s, stable, panic));
    s->desired = after_grace(ctx, s, bound(ctx, s, pods));
    s->wants_path = (uint8_t)needs_activator(ctx, s, panic);
}

static int wants_act(const pol_ctx *ctx, const fn_state *s) {
    int is_limit_stale = !s->is_in_path && ctx->concurrency > 0 && s->ready != s->routed_ready;
    return s->desired != s->pods || s->wants_path != s->is_in_path || is_limit_stale;
}

/* From now on nothing changes but the time. */
static int is_settled(const pol_ctx *ctx, const fn_state *s) {
    return s->flat >= ctx->stable_ticks && s->panic_tick == 0 &&
           s->calm >= (ctx->delayed ? ctx->delay_ticks : 0) &&
           (s->zero_tick == 0 || s->tick - s->zero_tick >= ctx->grace_ticks);
}

/* ---- observe ---- */

static void see(const pol_ctx *ctx, fn_state *s, uint64_t integral_ns) {
    s->tick++;
    s->flat = integral_ns != s->integral_ns ? 0 : s->flat < ctx->stable_ticks ? s->flat + 1 : s->flat;
    s->integral_ns = integral_ns;
}

static void live_through(const pol_ctx *ctx, fn_state *s, uint32_t fn, uint64_t integral_ns) {
    see(ctx, s, integral_ns);
    *slot(ctx, fn, s->tick) = integral_ns;
    evaluate(ctx, s, fn, s->tick);
}

/* Ticks that were skipped: nothing was to be seen and nothing to be done. Once settled the rings hold one
 * value. */
static void catch_up(const pol_ctx *ctx, fn_state *s, uint32_t fn, uint32_t last) {
    while (s->tick < last && !is_settled(ctx, s)) live_through(ctx, s, fn, s->integral_ns);
    if (s->tick < last) s->tick = last;
}

/* The first tick after s at which act would do something, or that cannot be foreseen. s is a copy. */
static int64_t foresee(const pol_ctx *ctx, fn_state s, uint32_t fn) {
    uint32_t now = s.tick;
    if (is_settled(ctx, &s)) return POL_NEVER;
    if (ctx->delayed) return ((int64_t)now + 1) * ctx->tick_ns; /* its ring cannot be copied */
    while (s.tick - now < LOOK_AHEAD) {
        see(ctx, &s, s.integral_ns);
        evaluate(ctx, &s, fn, now);
        if (wants_act(ctx, &s)) return (int64_t)s.tick * ctx->tick_ns;
        if (is_settled(ctx, &s)) return POL_NEVER;
    }
    return (int64_t)s.tick * ctx->tick_ns;
}

static int kserve_observe(pol_ctx *ctx, const pol_obs *obs, int64_t *next_ns) {
    fn_state *s = &ctx->fns[obs->fn];
    uint32_t k = (uint32_t)(obs->now_ns / ctx->tick_ns);
    catch_up(ctx, s, obs->fn, k - 1);
    s->ready = obs->pods_ready;
    s->pods = obs->pods_ready + obs->pods_starting;
    live_through(ctx, s, obs->fn, obs->concurrency_ns);
    int wants = wants_act(ctx, s), is_busy = obs->arrivals > obs->completions + obs->failures;
    *next_ns = wants || is_busy ? ((int64_t)k + 1) * ctx->tick_ns : foresee(ctx, *s, obs->fn);
    return wants;
}

/* ---- act ---- */

static void route(pol_ctx *ctx, fn_state *s, uint32_t fn, int in_path) {
    uint32_t limit = ctx->concurrency;
    pol_action a = {.verb = POL_ROUTE, .fn = fn, .pod_limit = limit};
    s->is_in_path = (uint8_t)in_path;
    s->routed_ready = s->ready;
    if (in_path) {
        a.balance = limit == 0 ? POL_TWO_CHOICES : limit <= 3 ? POL_FIRST_FREE : POL_ROUND_ROBIN;
        a.queue_limit = ACTIVATOR_QUEUE;
        a.reason = "activator in the path";
    } else {
        a.balance = POL_RANDOM;
        a.queue_limit = QUEUE_DEPTH_FACTOR * limit * s->ready;
        a.reason = "burst capacity suffices: no activator";
    }
    ctx->host->plan(ctx->host->impl, &a);
}

static int is_fit(const pol_ctx *ctx, uint32_t fn, const pol_gpu *g) {
    const pol_host *h = ctx->host;
    return g->n_pods == 0 && g->memory_free_mib >= h->fn(h->impl, fn)->memory_mib &&
           h->latency_ns(h->impl, fn, g->device, 1, 100, 100) >= 0;
}

/* Whether a search of this tick has found every GPU taken. So pending pods, of all functions, are tried once a tick:
 * without that every arrival at a full cluster would search it. */
static int is_known_full(const pol_ctx *ctx, const pol_view *view) {
    return ctx->full_tick == 1 + (uint32_t)(view->now_ns / ctx->tick_ns);
}

static void start_pods(pol_ctx *ctx, uint32_t fn, const pol_view *view, uint32_t n, const char *reason) {
    size_t empty = 0;
    if (is_known_full(ctx, view)) return;
    for (size_t i = 0; i < view->n_gpus && n > 0; i++) {
        pol_action a = {.verb = POL_START, .fn = fn, .gpu = (uint32_t)i, .row = POL_NEW_ROW, .sm_pct = 100};
        a.quota_pct = 100;
        a.weight = 1;
        a.reason = reason;
        if (is_fit(ctx, fn, &view->gpus[i]) && ctx->host->plan(ctx->host->impl, &a) >= 0) n--;
        empty += view->gpus[i].n_pods == 0;
    }
    if (n > 0 && empty == 0) ctx->full_tick = 1 + (uint32_t)(view->now_ns / ctx->tick_ns);
}

/* Stops up to n pods that are starting (or that are ready), the youngest first; what is left of n. */
static uint32_t stop_some(pol_ctx *ctx, uint32_t fn, const pol_view *view, uint32_t n, int starting) {
    for (size_t i = view->n_pods; i-- > 0 && n > 0;) {
        const pol_pod *p = &view->pods[i];
        pol_action a = {.verb = POL_STOP, .fn = fn, .pod = p->id, .reason = "more pods than desired"};
        if (p->draining || (p->ready_ns > view->now_ns) != starting) continue;
        if (ctx->host->plan(ctx->host->impl, &a) < 0) continue;
        n--;
        ctx->full_tick = 0;
    }
    return n;
}

static uint32_t count_pods(const pol_view *view) {
    uint32_t n = 0;
    for (size_t i = 0; i < view->n_pods; i++) n += !view->pods[i].draining;
    return n;
}

static void begin(pol_ctx *ctx, fn_state *s, uint32_t fn, const pol_view *view) {
    route(ctx, s, fn, 1);
    start_pods(ctx, fn, view, ctx->initial_scale > ctx->min_scale ? ctx->initial_scale : ctx->min_scale,
               "initial scale");
}

/* The activator has a request and no pod: one starts, and the time without requests begins anew. */
static void wake(pol_ctx *ctx, fn_state *s, uint32_t fn, const pol_view *view) {
    if (count_pods(view) > 0) return;
    catch_up(ctx, s, fn, (uint32_t)((view->now_ns - 1) / ctx->tick_ns));
    s->zero_tick = s->flat = 0; /* not settled: grace is counted again */
    start_pods(ctx, fn, view, 1, "arrival without a pod");
}

static void adjust(pol_ctx *ctx, const fn_state *s, uint32_t fn, const pol_view *view) {
    uint32_t n = count_pods(view);
    if (n < s->desired)
        start_pods(ctx, fn, view, s->desired - n,
                   s->panic_tick ? "concurrency, panic window" : "concurrency");
    else if (n > s->desired)
        stop_some(ctx, fn, view, stop_some(ctx, fn, view, n - s->desired, 1), 0);
}

static void kserve_act(pol_ctx *ctx, uint32_t fn, const pol_view *view) {
    fn_state *s = &ctx->fns[fn];
    if (view->cause == POL_BEGIN) {
        begin(ctx, s, fn, view);
    } else if (view->cause == POL_ARRIVAL) {
        wake(ctx, s, fn, view);
    } else {
        if (s->wants_path != s->is_in_path || (!s->is_in_path && s->ready != s->routed_ready))
            route(ctx, s, fn, s->wants_path);
        adjust(ctx, s, fn, view);
    }
}

/* ---- opening ---- */

static uint32_t ticks_of(const pol_ctx *ctx, double seconds) {
    return (uint32_t)ceil(seconds * 1e9 / (double)ctx->tick_ns - 1e-9);
}

static pol_status check(const pol_ctx *ctx, const double *v, char err[POL_ERR_LEN]) {
    double panic_s = v[STABLE_WINDOW_S] * v[PANIC_WINDOW_PCT] / 100,
           scrape_s = (double)ctx->host->scrape_ns * 1e-9;
    *err = 0;
    if (ctx->host->scrape_ns <= 0)
        snprintf(err, POL_ERR_LEN, "kserve: found no metrics period, expected a positive one");
    else if (v[MAX_SCALE] > 0 && v[MIN_SCALE] > v[MAX_SCALE])
        snprintf(err, POL_ERR_LEN, "min_scale %g must not exceed max_scale %g", v[MIN_SCALE], v[MAX_SCALE]);
    else if (v[MAX_SCALE] > 0 && v[INITIAL_SCALE] > v[MAX_SCALE])
        snprintf(err, POL_ERR_LEN, "initial_scale %g must not exceed max_scale %g", v[INITIAL_SCALE],
                 v[MAX_SCALE]);
    else if (panic_s < v[TICK_S])
        snprintf(err, POL_ERR_LEN,
                 "the panic window, %g %% of stable_window_s %g, must not be shorter than tick_s %g",
                 v[PANIC_WINDOW_PCT], v[STABLE_WINDOW_S], v[TICK_S]);
    else if (panic_s < scrape_s)
        snprintf(
            err, POL_ERR_LEN,
            "the panic window, %g %% of stable_window_s %g, must not be shorter than the metrics period %g s",
            v[PANIC_WINDOW_PCT], v[STABLE_WINDOW_S], scrape_s);
    return *err ? POL_BAD_PARAM : POL_OK;
}

static void lay_out(pol_ctx *ctx, const double *v) {
    ctx->tick_ns = (int64_t)(v[TICK_S] * 1e9 + 0.5);
    ctx->stable_ticks = ticks_of(ctx, v[STABLE_WINDOW_S]);
    ctx->panic_ticks = ticks_of(ctx, v[STABLE_WINDOW_S] * v[PANIC_WINDOW_PCT] / 100);
    ctx->grace_ticks = ticks_of(ctx, v[GRACE_S]);
    ctx->delay_ticks = ticks_of(ctx, v[SCALE_DOWN_DELAY_S]);
    ctx->concurrency = (uint32_t)v[CONTAINER_CONCURRENCY];
    ctx->min_scale = (uint32_t)v[MIN_SCALE];
    ctx->max_scale = (uint32_t)v[MAX_SCALE];
    ctx->initial_scale = (uint32_t)v[INITIAL_SCALE];
    ctx->total = ctx->concurrency ? v[CONTAINER_CONCURRENCY] : v[CONCURRENCY_DEFAULT];
    if (v[SCALE_TARGET] > 0)
        ctx->total = ctx->concurrency ? fmin(v[SCALE_TARGET], v[CONTAINER_CONCURRENCY]) : v[SCALE_TARGET];
    ctx->target = fmax(0.01, ctx->total * v[TARGET_UTILIZATION_PCT] / 100);
    ctx->panic_threshold = v[PANIC_THRESHOLD_PCT] / 100;
    ctx->up_rate = v[MAX_SCALE_UP_RATE];
    ctx->down_rate = v[MAX_SCALE_DOWN_RATE];
    ctx->burst = v[TARGET_BURST_CAPACITY];
}

static pol_status make_state(pol_ctx *ctx, size_t n_fns) {
    size_t n = n_fns ? n_fns : 1;
    ctx->fns = calloc(n, sizeof *ctx->fns);
    ctx->integrals = calloc(n, (ctx->stable_ticks + 1) * sizeof *ctx->integrals);
    if (ctx->delay_ticks > 0) ctx->delayed = calloc(n, ctx->delay_ticks * sizeof *ctx->delayed);
    return ctx->fns && ctx->integrals && (ctx->delayed || ctx->delay_ticks == 0) ? POL_OK : POL_NO_MEM;
}

static void kserve_close(pol_ctx *ctx) {
    if (!ctx) return;
    free(ctx->fns);
    free(ctx->integrals);
    free(ctx->delayed);
    free(ctx);
}

static pol_status kserve_open(pol_ctx **out, const pol_host *host, size_t n_fns, pol_mode mode,
                              const double *values, uint32_t *flags, int64_t *tick_ns,
                              char err[POL_ERR_LEN]) {
    (void)mode; /* has spoken through the defaults */
    *out = NULL;
    pol_ctx *ctx = calloc(1, sizeof *ctx);
    if (!ctx) return POL_NO_MEM;
    ctx->host = host;
    *flags = 0;
    lay_out(ctx, values);
    *tick_ns = ctx->tick_ns;
    pol_status status = check(ctx, values, err);
    if (status == POL_OK) status = make_state(ctx, n_fns);
    if (status == POL_OK)
        *out = ctx;
    else
        kserve_close(ctx);
    return status;
}

extern const pol_ops policy_kserve;
const pol_ops policy_kserve = {
    .abi = POL_ABI,
    .name = "kserve",
    .help = "KServe on Knative: whole GPUs, replicas by the Knative Pod Autoscaler",
    .params = params,
    .n_params = N_PARAMS,
    .scrape_s = 1,
    .billing = "whole-gpu",
    .open = kserve_open,
    .observe = kserve_observe,
    .act = kserve_act,
    .close = kserve_close,
};
