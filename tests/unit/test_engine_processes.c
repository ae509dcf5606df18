/* Processes, tokens, clients and connections together, on random small configs with a policy that does anything: requests
 * are conserved, the same seed gives the same bits however ticks are visited, and a run has a bounded number of events.
 * The engine checks its own invariants on the way, the GPU time of rows among them. */
#include "engine_fixture.h"
#include "trace_sample.h"

enum { STAGES_MAX = 4, FNS_MAX = 4, RUN_S = 60 };

/* ---- a policy that acts at random ---- */

typedef struct {
    const pol_host *host;
    double act_part;
    uint64_t n_draws[FNS_MAX];
} roamer;

static pol_status roam_open(pol_ctx **out, const pol_host *host, size_t n_fns, pol_mode mode,
                            const double *values, uint32_t *flags, int64_t *tick_ns, char err[POL_ERR_LEN]) {
    (void)n_fns, (void)mode, (void)err;
    roamer *r = calloc(1, sizeof *r);
    if (!r) return POL_NO_MEM;
    *r = (roamer){.host = host, .act_part = values[0]};
    *flags = 0;
    *tick_ns = 200 * MS_NS;
    *out = (pol_ctx *)r;
    return POL_OK;
}

static double chance(roamer *r, uint32_t fn) {
    return r->host->uniform(r->host->impl, fn, r->n_draws[fn]++);
}

static uint32_t pick(roamer *r, uint32_t fn, uint32_t n) {
    return (uint32_t)(chance(r, fn) * n);
}

/* It acts until half time, so that what is left may end. */
static int roam_observe(pol_ctx *ctx, const pol_obs *o, int64_t *next_ns) {
    roamer *r = (roamer *)ctx;
    if (o->now_ns > RUN_S / 2 * SECOND_NS) return 0;
    *next_ns = o->now_ns + 1;
    return chance(r, o->fn) < r->act_part;
}

static void roam_start(roamer *r, uint32_t fn, const pol_view *v) {
    uint32_t gpu = pick(r, fn, (uint32_t)v->n_gpus),
             row = v->gpus[gpu].first_row + pick(r, fn, v->gpus[gpu].n_rows);
    int align = chance(r, fn) < 0.5 && v->rows[row].sm_pct;
    pol_action a = {.verb = POL_START,
                    .fn = fn,
                    .gpu = gpu,
                    .row = align ? row : POL_NEW_ROW,
                    .sm_pct = align ? v->rows[row].sm_pct : 1 + pick(r, fn, 100),
                    .quota_pct = 1 + pick(r, fn, chance(r, fn) < 0.3 ? 5 : 60),
                    .setup_ns = chance(r, fn) < 0.3 ? (int64_t)pick(r, fn, 900) * MS_NS : 0,
                    .reason = "start"};
    r->host->plan(r->host->impl, &a);
}

static void roam_act(pol_ctx *ctx, uint32_t fn, const pol_view *v) {
    roamer *r = (roamer *)ctx;
    if (v->n_pods == 0 || (v->n_pods < 4 && chance(r, fn) < 0.5)) {
        roam_start(r, fn, v);
        return;
    }
    double what = chance(r, fn);
    pol_action a = {.verb = what < 0.15  ? POL_STOP
                            : what < 0.4 ? POL_KILL
                            : what < 0.9 ? POL_RESIZE
                                         : POL_ROUTE,
                    .fn = fn,
                    .pod = v->pods[pick(r, fn, (uint32_t)v->n_pods)].id,
                    .sm_pct = chance(r, fn) < 0.3 ? 1 + pick(r, fn, 100) : 0,
                    .quota_pct = 1 + pick(r, fn, 100),
                    .balance = (pol_balance)pick(r, fn, 6),
                    .pod_limit = chance(r, fn) < 0.3 ? 1 + pick(r, fn, 5) : 0,
                    .queue_limit = chance(r, fn) < 0.3 ? 1 + pick(r, fn, 20) : 0,
                    .reason = "change"};
    r->host->plan(r->host->impl, &a);
}

static void roam_close(pol_ctx *ctx) {
    free(ctx);
}

static const pol_param roam_params[] = {{.key = "act_part", .max = 1}};
static const pol_ops roam_policy = {.abi = POL_ABI,
                                    .name = "roam",
                                    .params = roam_params,
                                    .n_params = 1,
                                    .open = roam_open,
                                    .observe = roam_observe,
                                    .act = roam_act,
                                    .close = roam_close};

/* ---- random configs ---- */

typedef struct {
    fixture f;
    engine_process processes[FNS_MAX];
    client_stage stages[FNS_MAX][STAGES_MAX];
    client_spec clients[FNS_MAX];
    double act_part;
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

static dist random_dist(chooser *c, double mean) {
    return below(c, 2) ? dist_exponential(mean) : dist_constant(mean);
}

/* Some of the times are 0. */
static double maybe(chooser *c, double most) {
    return below(c, 3) ? most * unit(c) : 0;
}

static engine_process random_process(chooser *c, double gpu_ms) {
    engine_process p = {.accept_ms = maybe(c, 10), .prepare_ms = maybe(c, 10), .respond_ms = maybe(c, 5)};
    p.travel_ms = maybe(c, 10);
    p.wait_ms = random_dist(c, maybe(c, 20));
    p.work_noise = random_dist(c, 1);
    p.launch_noise = random_dist(c, 1);
    p.cpus = below(c, 2) ? 1 : 0.3 + 3 * unit(c);
    p.launch_weight = 0.05 + 2 * unit(c);
    p.wake_ms = maybe(c, 5);
    p.launch_ms = gpu_ms * 2 * unit(c); /* some are bound by their launches, some by the GPU */
    p.early_share = below(c, 3) * 0.5;
    p.round_trip_ms = maybe(c, 1.2);
    return p;
}

static void random_client(chooser *c, world *w, size_t i) {
    size_t n = 1 + below(c, STAGES_MAX);
    for (size_t k = 0; k < n; k++)
        w->stages[i][k] = (client_stage){1 + below(c, 20), below(c, 2) ? (int64_t)(3e8 * unit(c)) : 0};
    w->clients[i] = (client_spec){.stages = w->stages[i],
                                  .n_stages = n,
                                  .stage_s = 1,
                                  .threads_per_rps = 1 + below(c, 2),
                                  .late_ns = below(c, 2) * 250000};
    w->f.fns[i].client = &w->clients[i];
    w->f.fns[i].client_start_ns = below(c, 3) * SECOND_NS;
}

/* Eight requests a second of sizes from 1 to 2^32, most of them small. */
static trace_file *sized;

static int write_sized(void **state) {
    (void)state;
    static char text[1 << 16];
    sample_dir dir;
    sample_open(&dir);
    size_t n = (size_t)sprintf(text, "time_s,function,size\n");
    for (uint64_t i = 0; i < 8 * RUN_S; i++) {
        uint64_t bits = draw_bits(20261126, i);
        n += (size_t)sprintf(text + n, "%.3f,f,%llu\n", (double)i / 8,
                             (unsigned long long)(bits % 9 ? 90 + bits % 40 : bits >> (32 + bits % 32)));
    }
    sized = sample_trace("csv", sample_write(&dir, "trace.csv", text));
    sample_close(&dir);
    return 0;
}

static int close_sized(void **state) {
    (void)state;
    trace_close(sized);
    return 0;
}

static void randomise(world *w, uint64_t config) {
    chooser c = {.key = draw_key(20261124, (uint32_t)config, DRAW_POLICY)};
    size_t n_fns = 1 + below(&c, FNS_MAX);
    double gpu_ms = 0.1 + 8 * unit(&c);
    fixture_open(&w->f, fixture_flat_device(gpu_ms, 0, 0.01), 1 + below(&c, 2), n_fns, RUN_S);
    engine_setup *s = &w->f.setup;
    s->seed = config;
    s->runtime = ENGINE_TOKEN_EXACT;
    s->rows_per_gpu = 1 + below(&c, 6);
    s->oversubscribe = (int)below(&c, 2);
    s->record_requests = 1;
    s->drain_ns = 10 * SECOND_NS;
    s->scrape_ns = 700 * MS_NS;
    s->policy = &roam_policy;
    s->params = &w->act_part;
    w->f.devices[0].sm_resizable = (int)below(&c, 2);
    w->f.devices[0].sm_resize_ns = below(&c, 2) * 30 * MS_NS;
    w->act_part = 0.05 + 0.5 * unit(&c);
    for (size_t i = 0; i < n_fns; i++) {
        engine_fn *fn = &w->f.fns[i];
        fn->batch_max = 1 + below(&c, 4);
        fn->workers = 1 + below(&c, 8);
        fn->batch_wait_ns = below(&c, 3) ? 0 : (int64_t)below(&c, 20) * MS_NS;
        fn->noise = random_dist(&c, 1);
        w->f.fits[i].cold_start_ms = maybe(&c, 2000);
        fn->keep_alive_ns = below(&c, 2) * 5 * SECOND_NS;
        fn->linger_ns = below(&c, 2) * 3 * SECOND_NS;
        fn->trace.mean_rps = 8 * unit(&c);
        w->processes[i] = random_process(&c, gpu_ms);
        fn->process = &w->processes[i];
        if (below(&c, 3)) random_client(&c, w, i);
        if (!fn->client && below(&c, 2)) {
            fn->trace.file = sized;
            fn->trace.scale = 2 * unit(&c);
            fn->trace.calibrated_size = below(&c, 2) ? 100 : 0;
        }
    }
}

/* ---- what must hold ---- */

typedef struct { /* of all configs: a check of nothing proves nothing */
    uint64_t completed, dropped, lost, in_flight, clients_done, starts;
    double most_events;
} tally;

/* Requests make a dozen events. A pod gets at most four tokens in a window (two that follow each other, and what slides
 * out of it), of three events each, and each may make all others look again. */
static void expect_bounded(const world *w, const engine_result *r, tally *t) {
    double arrivals = 0, starts = 0, windows = (RUN_S + 10) * 1e9 / (double)ENGINE_WINDOW_NS;
    for (size_t i = 0; i < r->n_fns; i++) arrivals += (double)r->fns[i].arrivals;
    for (size_t i = 0; i < r->n_actions; i++)
        starts += r->actions[i].action.verb == POL_START && !r->actions[i].refused;
    double pods = 4.0 * (double)w->f.setup.n_fns;
    double bound = 20 * arrivals + 4 * (double)r->actions_seen + windows * 4 * pods * (3 + pods);
    if ((double)r->events / bound > t->most_events) t->most_events = (double)r->events / bound;
    assert_true((double)r->events < bound);
    t->starts += (uint64_t)starts;
}

static int64_t last_end_ns(const engine_result *r, uint32_t fn) {
    int64_t last = 0;
    for (size_t i = 0; i < r->n_requests; i++)
        if (r->requests[i].fn == fn && r->requests[i].end_ns > last) last = r->requests[i].end_ns;
    return last;
}

/* A client whose every call was answered, long before the end, has sent or lost all that its stages have. */
static void expect_client_done(const world *w, const engine_result *r, uint32_t fn, tally *t) {
    const client_spec *c = &w->clients[fn];
    uint64_t total = 0;
    for (size_t k = 0; k < c->n_stages; k++) total += c->stage_s * c->stages[k].rate_rps;
    assert_true(r->fns[fn].arrivals <= total);
    if (r->fns[fn].in_flight || last_end_ns(r, fn) > (RUN_S - 20) * SECOND_NS) return;
    assert_int_equal(r->fns[fn].arrivals, total);
    t->clients_done++;
}

static void expect_requests(const world *w, const engine_result *r) {
    for (size_t i = 0; i < r->n_requests; i++) {
        const engine_request *q = &r->requests[i];
        const engine_process *p = w->f.fns[q->fn].process;
        if (q->fate == ENGINE_UNFINISHED) continue;
        assert_true(q->end_ns >= q->arrival_ns);
        /* the works of a request are constant where their noise is: none is faster than on an idle processor */
        if (q->fate != ENGINE_COMPLETED || p->work_noise.kind != DIST_CONSTANT) continue;
        double least_ms = p->travel_ms + p->accept_ms + p->prepare_ms + p->respond_ms;
        assert_true((double)(q->end_ns - q->arrival_ns) >= 1e6 * least_ms - 3);
    }
}

static void expect_sound(const world *w, const engine_result *r, tally *t) {
    for (uint32_t fn = 0; fn < r->n_fns; fn++) {
        const engine_fn_result *f = &r->fns[fn];
        assert_true(f->arrivals == f->completed + f->dropped + f->lost + f->in_flight);
        t->completed += f->completed;
        t->dropped += f->dropped;
        t->lost += f->lost;
        t->in_flight += f->in_flight;
        if (w->f.fns[fn].client) expect_client_done(w, r, fn, t);
    }
    expect_requests(w, r);
    expect_bounded(w, r, t);
}

static void any_setup_runs_soundly(void **state) {
    (void)state;
    static world w;
    tally t = {0};
    const char *text = getenv("HASSIM_TEST_CONFIGS");
    uint64_t n_configs = text ? strtoul(text, NULL, 10) : 1000;
    for (uint64_t config = 0; config < n_configs; config++) {
        memset(&w, 0, sizeof w);
        randomise(&w, config);
        engine_result r = fixture_run(&w.f);
        expect_sound(&w, &r, &t);
        w.f.options.eager = 1;
        w.f.options.order = ENGINE_GLOBAL;
        engine_result again = fixture_run(&w.f);
        if (again.hash != r.hash)
            fail_msg("config %llu: eager visits change the result", (unsigned long long)config);
        engine_result_free(&again);
        engine_result_free(&r);
        fixture_close(&w.f);
    }
    print_message("%llu completed, %llu dropped, %llu lost, %llu unfinished, %llu clients done, %llu pods; "
                  "at most %.2f of "
                  "the bound of events\n",
                  (unsigned long long)t.completed, (unsigned long long)t.dropped, (unsigned long long)t.lost,
                  (unsigned long long)t.in_flight, (unsigned long long)t.clients_done,
                  (unsigned long long)t.starts, t.most_events);
    assert_true(t.completed > 50 * n_configs && t.dropped > n_configs && t.lost > n_configs);
    assert_true(t.clients_done > n_configs / 3 && t.starts > 5 * n_configs);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(any_setup_runs_soundly)};
    return cmocka_run_group_tests(tests, write_sized, close_sized);
}
