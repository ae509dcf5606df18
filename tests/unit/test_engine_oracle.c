/* What a run reports, recounted: on random small configs, every count, histogram, bin and bill of the result is
 * computed again from the recorded requests and actions alone, and every observation that the policy was shown
 * from the requests. Only the definitions in engine.h and policy.h are used. */
#include <math.h>

#include "engine_fixture.h"

enum { N_CONFIGS = 300, N_DEVICES = 2, NOTES_MAX = 4096, LIVES_MAX = 4096, SPANS_MAX = 8192 };

/* ---- a policy that acts at random and notes what it is shown ---- */

typedef struct {
    const pol_host *host;
    double act_part;
    uint64_t n_draws[FIXTURE_FNS_MAX];
} roamer;

typedef struct {
    pol_obs seen[NOTES_MAX];
    size_t n;
} notebook;

static notebook notes; /* a policy's functions are handed nothing of the test's */

static pol_status roam_open(pol_ctx **out, const pol_host *host, size_t n_fns, pol_mode mode,
                            const double *values, uint32_t *flags, int64_t *tick_ns, char err[POL_ERR_LEN]) {
    (void)n_fns, (void)mode, (void)err;
    roamer *r = calloc(1, sizeof *r);
    if (!r) return POL_NO_MEM;
    *r = (roamer){.host = host, .act_part = values[0]};
    *flags = 0;
    *tick_ns = (int64_t)values[1] * MS_NS;
    *out = (pol_ctx *)r;
    return POL_OK;
}

static double chance(roamer *r, uint32_t fn) {
    return r->host->uniform(r->host->impl, fn, r->n_draws[fn]++);
}

static uint32_t pick(roamer *r, uint32_t fn, uint32_t n) {
    return (uint32_t)(chance(r, fn) * n);
}

static int roam_observe(pol_ctx *ctx, const pol_obs *o, int64_t *next_ns) {
    roamer *r = (roamer *)ctx;
    assert_true(notes.n < NOTES_MAX);
    notes.seen[notes.n++] = *o;
    *next_ns = o->now_ns + 1;
    return chance(r, o->fn) < r->act_part;
}

static void roam_start(roamer *r, uint32_t fn, const pol_view *v, const char *reason) {
    uint32_t gpu = pick(r, fn, (uint32_t)v->n_gpus),
             row = v->gpus[gpu].first_row + pick(r, fn, v->gpus[gpu].n_rows);
    int align = chance(r, fn) < 0.7 && v->rows[row].sm_pct;
    pol_action a = {.verb = POL_START,
                    .fn = fn,
                    .gpu = gpu,
                    .row = chance(r, fn) < 0.2 ? POL_NEW_ROW : row,
                    .sm_pct = align ? v->rows[row].sm_pct : 1 + pick(r, fn, 60),
                    .quota_pct = 1 + pick(r, fn, 60),
                    .batch_max = pick(r, fn, 6),
                    .weight = pick(r, fn, 9),
                    .setup_ns = chance(r, fn) < 0.2 ? (int64_t)pick(r, fn, 900) * MS_NS : 0,
                    .reason = reason};
    r->host->plan(r->host->impl, &a);
}

static void roam_change(roamer *r, uint32_t fn, const pol_view *v, const char *reason) {
    double what = chance(r, fn);
    pol_action a = {.verb = what < 0.25   ? POL_STOP
                            : what < 0.45 ? POL_KILL
                            : what < 0.8  ? POL_RESIZE
                                          : POL_ROUTE,
                    .fn = fn,
                    .pod = v->pods[pick(r, fn, (uint32_t)v->n_pods)].id,
                    .sm_pct = chance(r, fn) < 0.3 ? 1 + pick(r, fn, 60) : 0,
                    .quota_pct = chance(r, fn) < 0.9 ? 1 + pick(r, fn, 60) : 0,
                    .balance = (pol_balance)pick(r, fn, 6),
                    .pod_limit = pick(r, fn, 5),
                    .queue_limit = chance(r, fn) < 0.4 ? 1 + pick(r, fn, 20) : 0,
                    .reason = reason};
    r->host->plan(r->host->impl, &a);
}

static const char begin[] = "begin", later[] = "later";

static void roam_act(pol_ctx *ctx, uint32_t fn, const pol_view *v) {
    roamer *r = (roamer *)ctx;
    const char *reason = v->cause == POL_BEGIN ? begin : later;
    for (uint32_t n = 1 + pick(r, fn, 3); n > 0; n--) {
        if (v->n_pods == 0 || chance(r, fn) < 0.4)
            roam_start(r, fn, v, reason);
        else
            roam_change(r, fn, v, reason);
    }
}

static void roam_close(pol_ctx *ctx) {
    free(ctx);
}

static const pol_param roam_params[] = {{.key = "act_part", .max = 1}, {.key = "tick_ms", .max = 1e6}};
static const pol_ops roam_policy = {.abi = POL_ABI,
                                    .name = "roam",
                                    .params = roam_params,
                                    .n_params = 2,
                                    .open = roam_open,
                                    .observe = roam_observe,
                                    .act = roam_act,
                                    .close = roam_close};

/* ---- random configs ---- */

typedef struct {
    fixture f;
    engine_device devices[N_DEVICES];
    engine_fit fits[FIXTURE_FNS_MAX][N_DEVICES];
    double params[2];
} world;

typedef struct {
    uint64_t key, n;
} chooser;

static double unit(chooser *c) {
    return draw_unit(draw_bits(c->key, c->n++));
}
static uint32_t below(chooser *c, uint32_t n) {
    return (uint32_t)(unit(c) * n);
}

static void randomise_fn(chooser *c, world *w, size_t i) {
    engine_fn *fn = &w->f.fns[i];
    for (size_t d = 0; d < N_DEVICES; d++)
        w->fits[i][d] = (engine_fit){.model = calib_model_at(w->f.device, 0),
                                     .cold_start_ms = below(c, 3) ? 3000 * unit(c) : 0};
    fn->on = w->fits[i];
    fn->memory_mib = 100 + below(c, 6000);
    fn->batch_max = 1 + below(c, 5);
    fn->workers = 1 + below(c, 9);
    fn->batch_wait_ns = below(c, 2) ? (int64_t)below(c, 50) * MS_NS : 0;
    fn->slo_ns = (20 + below(c, 200)) * MS_NS;
    fn->overhead_ms = below(c, 2) ? dist_exponential(30 * unit(c)) : dist_constant(0);
    fn->noise = below(c, 2) ? dist_hyperexponential(1, 2) : dist_constant(1);
    fn->cold_start = below(c, 2) ? dist_exponential(1) : dist_constant(1);
    fn->trace.mean_rps = below(c, 4) ? 30 * unit(c) : 0.5 * unit(c);
    for (int k = 0; k < 3; k++) fn->report_slo_ns[k] = (k + 1) * 50 * MS_NS;
}

static void randomise(world *w, uint64_t config) {
    chooser c = {.key = draw_key(20261123, (uint32_t)config, DRAW_POLICY)};
    size_t n_fns = 1 + below(&c, 4), n_gpus = 1 + below(&c, 4);
    fixture_open(&w->f, fixture_device(1 + 20 * unit(&c), 4 * unit(&c), 0, 2 + 10 * unit(&c)), n_gpus, n_fns,
                 5 + below(&c, 20));
    engine_setup *s = &w->f.setup;
    for (uint32_t d = 0; d < N_DEVICES; d++)
        w->devices[d] = (engine_device){.facts = calib_device_of(w->f.device),
                                        .usd_per_gpu_hour = 1 + d,
                                        .sm_resizable = (int)below(&c, 2),
                                        .sm_resize_ns = 30 * MS_NS};
    for (size_t g = 0; g < n_gpus; g++) w->f.gpus[g].device = below(&c, N_DEVICES);
    s->devices = w->devices;
    s->n_devices = N_DEVICES;
    s->seed = config;
    s->rows_per_gpu = 1 + below(&c, 3);
    s->runtime = below(&c, 3) ? ENGINE_METERED : ENGINE_TOKEN;
    s->billing = (engine_billing)below(&c, 3);
    s->warmup_ns = below(&c, 3) * SECOND_NS;
    s->drain_ns = below(&c, 4) * SECOND_NS;
    s->scrape_ns = (300 + below(&c, 3000)) * MS_NS;
    s->scrape_phase_ns = 1 + below(&c, 2000) * MS_NS; /* never at the instant of a tick */
    s->timeline_fns = below(&c, (uint32_t)n_fns + 1);
    s->n_report = 3;
    s->record_requests = 1;
    s->policy = &roam_policy;
    w->params[0] = 0.2 + 0.8 * unit(&c);
    w->params[1] = 100 + below(&c, 2000);
    s->params = w->params;
    for (size_t i = 0; i < n_fns; i++) randomise_fn(&c, w, i);
}

/* ---- the pods, as the actions and the requests tell them ---- */

typedef struct {
    uint32_t fn, id, gpu;
    int64_t from_ns, ready_ns;
    int64_t retired_ns; /* stopped or killed */
    int64_t gone_ns;    /* its place is free again */
} life;

typedef struct { /* a time in which a pod has one share */
    size_t life;
    uint32_t sm_pct, quota_pct;
    int64_t from_ns;
    int64_t to_ns; /* at most: the pod may be gone before */
} span;

typedef struct {
    const engine_setup *s;
    const engine_result *r;
    life lives[LIVES_MAX];
    span spans[SPANS_MAX];
    size_t n_lives, n_spans;
} history;

static life *find_life(history *h, uint32_t fn, uint32_t id) {
    for (size_t i = 0; i < h->n_lives; i++)
        if (h->lives[i].fn == fn && h->lives[i].id == id) return &h->lives[i];
    fail_msg("function %u has no pod %u", fn, id);
    return NULL;
}

static int64_t ready_ns(const engine_setup *s, const engine_action *a) {
    const engine_fn *fn = &s->fns[a->action.fn];
    double factor =
        dist_sample(&fn->cold_start, draw_bits(draw_key(s->seed, a->action.fn, DRAW_COLD_START), a->pod));
    double cold_ms = fn->on[s->gpus[a->action.gpu].device].cold_start_ms * factor;
    int64_t ready = a->at_ns + a->action.setup_ns + (int64_t)llround(cold_ms * 1e6);
    int64_t window = a->at_ns - a->at_ns % ENGINE_WINDOW_NS + ENGINE_WINDOW_NS;
    return a->action.reason == begin || ready > window ? ready : window;
}

static void open_span(history *h, size_t of, uint32_t sm_pct, uint32_t quota_pct, int64_t at_ns) {
    assert_true(h->n_spans < SPANS_MAX);
    h->spans[h->n_spans++] = (span){of, sm_pct, quota_pct, at_ns, INT64_MAX};
}

static void tell_start(history *h, const engine_action *a) {
    assert_true(h->n_lives < LIVES_MAX);
    open_span(h, h->n_lives, a->action.sm_pct, a->action.quota_pct, a->at_ns);
    h->lives[h->n_lives++] = (life){.fn = a->action.fn,
                                    .id = a->pod,
                                    .gpu = a->action.gpu,
                                    .from_ns = a->at_ns,
                                    .ready_ns = ready_ns(h->s, a),
                                    .retired_ns = INT64_MAX,
                                    .gone_ns = INT64_MAX};
}

static void tell_resize(history *h, const engine_action *a) {
    size_t of = (size_t)(find_life(h, a->action.fn, a->action.pod) - h->lives), k = h->n_spans;
    while (h->spans[--k].life != of) continue;
    h->spans[k].to_ns = a->at_ns;
    open_span(h, of, a->action.sm_pct ? a->action.sm_pct : h->spans[k].sm_pct,
              a->action.quota_pct ? a->action.quota_pct : h->spans[k].quota_pct, a->at_ns);
}

static int is_pods(const engine_request *q, const life *l) {
    return q->fn == l->fn && q->pod == l->id;
}

/* When a pod that was stopped has finished what it holds. */
static int64_t drained_ns(const history *h, const life *l, int64_t at_ns) {
    for (size_t i = 0; i < h->r->n_requests; i++) {
        const engine_request *q = &h->r->requests[i];
        if (!is_pods(q, l)) continue;
        if (q->fate == ENGINE_UNFINISHED) return INT64_MAX;
        if (q->end_ns > at_ns) at_ns = q->end_ns;
    }
    return at_ns;
}

static void tell(history *h, const engine_action *a) {
    if (a->refused || a->action.verb == POL_ROUTE) return;
    if (a->action.verb == POL_START) {
        tell_start(h, a);
        return;
    }
    if (a->action.verb == POL_RESIZE) {
        tell_resize(h, a);
        return;
    }
    life *l = find_life(h, a->action.fn, a->action.pod);
    if (l->retired_ns > a->at_ns) l->retired_ns = a->at_ns;
    l->gone_ns = a->action.verb == POL_KILL ? a->at_ns : drained_ns(h, l, a->at_ns);
}

/* ---- integrals over [from, to) ---- */

static int64_t overlap(int64_t a, int64_t b, int64_t from, int64_t to) {
    if (a < from) a = from;
    if (b > to) b = to;
    return b > a ? b - a : 0;
}

/* GPU-seconds of SM share x quota share, or of SM share alone; POL_ALL: any function. */
static double share_s(const history *h, uint32_t fn, uint32_t device, int with_quota, int64_t from,
                      int64_t to) {
    double sum = 0;
    for (size_t i = 0; i < h->n_spans; i++) {
        const span *x = &h->spans[i];
        const life *l = &h->lives[x->life];
        if ((fn != POL_ALL && l->fn != fn) || h->s->gpus[l->gpu].device != device) continue;
        int64_t end = x->to_ns < l->gone_ns ? x->to_ns : l->gone_ns;
        sum += x->sm_pct * 1e-2 * (with_quota ? x->quota_pct * 1e-2 : 1) *
               (double)overlap(x->from_ns, end, from, to) * 1e-9;
    }
    return sum;
}

static int by_time(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static size_t changes_on(const history *h, uint32_t gpu, int64_t from, int64_t to, int64_t *at) {
    size_t n = 0;
    at[n++] = from;
    at[n++] = to;
    for (size_t i = 0; i < h->n_lives; i++) {
        const life *l = &h->lives[i];
        if (l->gpu == gpu && l->from_ns > from && l->from_ns < to) at[n++] = l->from_ns;
        if (l->gpu == gpu && l->gone_ns > from && l->gone_ns < to) at[n++] = l->gone_ns;
    }
    qsort(at, n, sizeof *at, by_time);
    return n;
}

/* Seconds of one GPU that a function holds, pods counting evenly; POL_ALL: that anyone holds. */
static double held_on_gpu_s(const history *h, uint32_t gpu, uint32_t fn, int64_t from, int64_t to) {
    static int64_t at[2 * LIVES_MAX + 2];
    size_t n = changes_on(h, gpu, from, to, at);
    double sum = 0;
    for (size_t k = 0; k + 1 < n; k++) {
        double mine = 0, all = 0;
        for (size_t i = 0; i < h->n_lives; i++) {
            const life *l = &h->lives[i];
            int is_there = l->gpu == gpu && l->from_ns <= at[k] && l->gone_ns > at[k];
            all += is_there;
            mine += is_there && (fn == POL_ALL || l->fn == fn);
        }
        if (all > 0) sum += mine / all * (double)(at[k + 1] - at[k]) * 1e-9;
    }
    return sum;
}

static double held_s(const history *h, uint32_t fn, uint32_t device, int64_t from, int64_t to) {
    double sum = 0;
    for (uint32_t g = 0; g < h->s->n_gpus; g++)
        if (h->s->gpus[g].device == device) sum += held_on_gpu_s(h, g, fn, from, to);
    return sum;
}

/* ---- recounts ---- */

static void expect_near(const char *what, double found, double expected) {
    if (fabs(found - expected) > 1e-6 * (1e-3 + fabs(expected)))
        fail_msg("%s: %.12g, recounted %.12g", what, found, expected);
}

static void expect_count(const char *what, uint64_t found, uint64_t expected) {
    if (found != expected)
        fail_msg("%s: %llu, recounted %llu", what, (unsigned long long)found, (unsigned long long)expected);
}

static void count_in_window(const engine_setup *s, const engine_request *q, engine_fn_result *to) {
    const engine_fn *fn = &s->fns[q->fn];
    int64_t latency = q->end_ns - q->arrival_ns;
    to->window_arrivals++;
    to->window_violations += q->fate != ENGINE_COMPLETED || latency > fn->slo_ns;
    for (size_t k = 0; k < s->n_report; k++)
        to->report_violations[k] += q->fate != ENGINE_COMPLETED || latency > fn->report_slo_ns[k];
    if (q->fate != ENGINE_COMPLETED) return;
    to->latency_sum_ns += (uint64_t)latency;
    assert_int_equal(hist_add(&to->latency, latency), 0);
}

static engine_fn_result recount(const history *h, uint32_t fn) {
    engine_fn_result to = {0};
    for (size_t i = 0; i < h->r->n_requests; i++) {
        const engine_request *q = &h->r->requests[i];
        if (q->fn != fn) continue;
        to.arrivals++;
        to.completed += q->fate == ENGINE_COMPLETED;
        to.dropped += q->fate == ENGINE_DROPPED;
        to.lost += q->fate == ENGINE_LOST;
        to.in_flight += q->fate == ENGINE_UNFINISHED;
        if (q->arrival_ns >= h->s->warmup_ns) count_in_window(h->s, q, &to);
    }
    for (size_t i = 0; i < h->n_lives; i++)
        to.cold_starts += h->lives[i].fn == fn && h->lives[i].from_ns >= h->s->warmup_ns &&
                          h->lives[i].from_ns < h->s->duration_ns;
    return to;
}

static void expect_counts(const history *h, uint32_t fn) {
    engine_fn_result to = recount(h, fn);
    const engine_fn_result *found = &h->r->fns[fn];
    expect_count("arrivals", found->arrivals, to.arrivals);
    expect_count("completed", found->completed, to.completed);
    expect_count("dropped", found->dropped, to.dropped);
    expect_count("lost", found->lost, to.lost);
    expect_count("unfinished", found->in_flight, to.in_flight);
    expect_count("arrivals in the window", found->window_arrivals, to.window_arrivals);
    expect_count("violations", found->window_violations, to.window_violations);
    for (size_t k = 0; k < h->s->n_report; k++)
        expect_count("report violations", found->report_violations[k], to.report_violations[k]);
    expect_count("latency sum", found->latency_sum_ns, to.latency_sum_ns);
    for (size_t k = 0; k < HIST_BUCKETS; k++)
        expect_count("histogram", hist_count(&found->latency, k), hist_count(&to.latency, k));
    expect_count("cold starts", found->cold_starts, to.cold_starts);
    hist_clear(&to.latency);
}

static void expect_bill(const history *h, uint32_t fn) {
    const engine_setup *s = h->s;
    const engine_fn_result *found = &h->r->fns[fn];
    double share = 0, held = 0, usd = 0;
    for (uint32_t d = 0; d < s->n_devices; d++) {
        double by_share = share_s(h, fn, d, 1, s->warmup_ns, s->duration_ns);
        double by_slice = share_s(h, fn, d, 0, s->warmup_ns, s->duration_ns);
        double by_gpu = held_s(h, fn, d, s->warmup_ns, s->duration_ns);
        double billed = s->billing == ENGINE_BILL_SHARE   ? by_share
                        : s->billing == ENGINE_BILL_SLICE ? by_slice
                                                          : by_gpu;
        share += by_share;
        held += by_gpu;
        usd += billed / 3600 * s->devices[d].usd_per_gpu_hour;
    }
    expect_near("share", found->share_gpu_s, share);
    expect_near("GPUs held", found->gpu_s, held);
    expect_near("cost", found->cost_usd * 1e3, usd * 1e3);
}

/* What became of each request must agree with what was done to its pod. */
static void expect_fates(history *h) {
    for (size_t i = 0; i < h->r->n_requests; i++) {
        const engine_request *q = &h->r->requests[i];
        if (q->fate == ENGINE_DROPPED) {
            assert_int_equal(q->pod, UINT32_MAX);
            assert_true(q->end_ns >= q->arrival_ns);
        }
        if (q->fate == ENGINE_COMPLETED) {
            const life *l = find_life(h, q->fn, q->pod);
            assert_true(q->end_ns > q->arrival_ns && q->end_ns > l->ready_ns && q->end_ns <= l->gone_ns);
        }
        if (q->fate == ENGINE_LOST) assert_int_equal(q->end_ns, find_life(h, q->fn, q->pod)->gone_ns);
    }
}

/* Of one function, or POL_ALL. */
static engine_bin recount_bin(const history *h, uint32_t fn, int64_t from, int64_t to) {
    engine_bin b = {0};
    for (size_t i = 0; i < h->r->n_requests; i++) {
        const engine_request *q = &h->r->requests[i];
        if (fn != POL_ALL && q->fn != fn) continue;
        int ends = q->fate != ENGINE_UNFINISHED && q->end_ns >= from && q->end_ns < to;
        b.arrivals += q->arrival_ns >= from && q->arrival_ns < to;
        b.completed += ends && q->fate == ENGINE_COMPLETED;
        b.violations +=
            ends && (q->fate != ENGINE_COMPLETED || q->end_ns - q->arrival_ns > h->s->fns[q->fn].slo_ns);
    }
    for (size_t i = 0; i < h->n_lives; i++) {
        const life *l = &h->lives[i];
        if ((fn != POL_ALL && l->fn != fn) || l->from_ns >= to || l->retired_ns < to) continue;
        *(l->ready_ns < to ? &b.pods_ready : &b.pods_starting) += 1;
    }
    for (uint32_t d = 0; d < h->s->n_devices; d++) {
        b.share_gpus += share_s(h, fn, d, 1, from, to) / ((double)(to - from) * 1e-9);
        if (fn == POL_ALL) b.gpus += held_s(h, POL_ALL, d, from, to) / ((double)(to - from) * 1e-9);
    }
    return b;
}

static void expect_bins(const history *h, uint32_t fn, const engine_bin *found) {
    for (size_t k = 0; k < h->r->n_bins; k++) {
        int64_t from = (int64_t)k * h->s->bin_ns, to = from + h->s->bin_ns;
        if (to > h->s->duration_ns) to = h->s->duration_ns;
        engine_bin b = recount_bin(h, fn, from, to);
        expect_count("arrivals in a bin", found[k].arrivals, b.arrivals);
        expect_count("completed in a bin", found[k].completed, b.completed);
        expect_count("violations in a bin", found[k].violations, b.violations);
        expect_count("ready pods in a bin", found[k].pods_ready, b.pods_ready);
        expect_count("starting pods in a bin", found[k].pods_starting, b.pods_starting);
        expect_near("share in a bin", found[k].share_gpus, b.share_gpus);
        expect_near("GPUs in a bin", found[k].gpus, b.gpus);
    }
}

/* Counters are those of the last scrape; a pod that is ready now is seen now. */
static void expect_note(const history *h, const pol_obs *o) {
    const engine_setup *s = h->s;
    pol_obs b = {.scrape_ns = -1};
    for (int64_t t = s->scrape_phase_ns; t <= o->now_ns; t += s->scrape_ns) b.scrape_ns = t;
    for (size_t i = 0; i < h->r->n_requests; i++) {
        const engine_request *q = &h->r->requests[i];
        if (q->fn != o->fn || q->arrival_ns > b.scrape_ns) continue;
        int ended = q->fate != ENGINE_UNFINISHED && q->end_ns <= b.scrape_ns;
        b.arrivals++;
        b.completions += ended && q->fate == ENGINE_COMPLETED;
        b.failures += ended && q->fate != ENGINE_COMPLETED;
        b.concurrency_ns += (uint64_t)((ended ? q->end_ns : b.scrape_ns) - q->arrival_ns);
    }
    for (size_t i = 0; i < h->n_lives; i++) {
        const life *l = &h->lives[i];
        if (l->fn != o->fn || l->from_ns >= o->now_ns || l->retired_ns < o->now_ns) continue;
        *(l->ready_ns <= o->now_ns ? &b.pods_ready : &b.pods_starting) += 1;
    }
    assert_int_equal(o->scrape_ns, b.scrape_ns);
    expect_count("arrivals seen", o->arrivals, b.arrivals);
    expect_count("completions seen", o->completions, b.completions);
    expect_count("failures seen", o->failures, b.failures);
    expect_count("concurrency seen", o->concurrency_ns, b.concurrency_ns);
    expect_count("ready pods seen", o->pods_ready, b.pods_ready);
    expect_count("starting pods seen", o->pods_starting, b.pods_starting);
}

static void expect_totals(const history *h) {
    const engine_setup *s = h->s;
    double usd = 0, gpus = 0;
    uint64_t refused = 0;
    for (size_t i = 0; i < h->r->n_fns; i++) usd += h->r->fns[i].cost_usd;
    for (uint32_t d = 0; d < s->n_devices; d++) gpus += held_s(h, POL_ALL, d, s->warmup_ns, s->duration_ns);
    for (size_t i = 0; i < h->r->n_actions; i++) refused += h->r->actions[i].refused != 0;
    expect_near("cost of all", h->r->cost_usd, usd);
    expect_near("mean of the GPUs", h->r->gpus_mean, gpus / ((double)(s->duration_ns - s->warmup_ns) * 1e-9));
    expect_count("actions", h->r->actions_seen, h->r->n_actions);
    expect_count("refused actions", h->r->actions_refused, refused);
}

static void expect_recount(history *h) {
    for (size_t i = 0; i < h->r->n_actions; i++) tell(h, &h->r->actions[i]);
    for (uint32_t fn = 0; fn < h->r->n_fns; fn++) {
        expect_counts(h, fn);
        expect_bill(h, fn);
    }
    expect_fates(h);
    expect_totals(h);
    expect_bins(h, POL_ALL, h->r->total);
    for (uint32_t fn = 0; fn < h->s->timeline_fns; fn++) expect_bins(h, fn, h->r->by_fn + fn * h->r->n_bins);
    for (size_t i = 0; i < notes.n; i++) expect_note(h, &notes.seen[i]);
}

/* ---- */

typedef struct { /* of all configs: a recount of nothing proves nothing */
    uint64_t completed, dropped, lost, in_flight, violations, resizes, lives;
} tally;

static void add(tally *t, const history *h) {
    for (size_t i = 0; i < h->r->n_fns; i++) {
        t->completed += h->r->fns[i].completed;
        t->dropped += h->r->fns[i].dropped;
        t->lost += h->r->fns[i].lost;
        t->in_flight += h->r->fns[i].in_flight;
        t->violations += h->r->fns[i].window_violations;
    }
    t->resizes += h->n_spans - h->n_lives;
    t->lives += h->n_lives;
}

static void every_result_can_be_recounted(void **state) {
    (void)state;
    static history h;
    static world w;
    tally t = {0};
    for (uint64_t config = 0; config < N_CONFIGS; config++) {
        randomise(&w, config);
        w.f.options.eager = config % 3 == 0;
        notes.n = 0;
        engine_result r = fixture_run(&w.f);
        h.s = &w.f.setup;
        h.r = &r;
        h.n_lives = h.n_spans = 0;
        expect_recount(&h);
        add(&t, &h);
        engine_result_free(&r);
        fixture_close(&w.f);
    }
    print_message("%llu completed, %llu dropped, %llu lost, %llu unfinished, %llu pods, %llu resizes\n",
                  (unsigned long long)t.completed, (unsigned long long)t.dropped, (unsigned long long)t.lost,
                  (unsigned long long)t.in_flight, (unsigned long long)t.lives,
                  (unsigned long long)t.resizes);
    assert_true(t.completed > 10000 && t.dropped > 1000 && t.lost > 1000 && t.in_flight > 1000);
    assert_true(t.violations > t.dropped && t.lives > 1000 && t.resizes > 300);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_result_can_be_recounted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
