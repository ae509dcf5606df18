/* Islands, the global oracle, eager visits and two threads must agree bit for bit, and every invariant must
 * hold, on thousands of random small configs with a policy that does anything it may. */
#include <math.h>

#include "engine_fixture.h"
#include "trace_sample.h"

/* ---- a policy that acts at random, but only as a function of what a policy may know ---- */

typedef struct {
    uint64_t seen;    /* mixture of the counters at the last observation */
    int64_t timer_ns; /* asked for; POL_NEVER */
    uint64_t n_draws; /* of the host's uniform */
} chaos_fn;

typedef struct {
    const pol_host *host;
    uint32_t n_fns;
    double act_part, kill_part;
    pol_gpu gpus[FIXTURE_GPUS_MAX]; /* as the last act found them */
    int has_acted;
    chaos_fn fns[];
} chaos;

static const pol_param chaos_params[] = {{.key = "act_part", .max = 1},
                                         {.key = "kill_part", .max = 1},
                                         {.key = "global", .max = 1},
                                         {.key = "tick_ms", .max = 1e6}};

static pol_status chaos_open(pol_ctx **out, const pol_host *host, size_t n_fns, pol_mode mode,
                             const double *values, uint32_t *flags, int64_t *tick_ns, char err[POL_ERR_LEN]) {
    (void)mode, (void)err;
    chaos *c = calloc(1, sizeof *c + n_fns * sizeof(chaos_fn));
    if (!c) return POL_NO_MEM;
    *c = (chaos){.host = host, .n_fns = (uint32_t)n_fns, .act_part = values[0], .kill_part = values[1]};
    for (size_t i = 0; i < n_fns; i++) c->fns[i].timer_ns = POL_NEVER;
    *flags = values[2] > 0 ? POL_GLOBAL : 0;
    *tick_ns = (int64_t)values[3] * MS_NS;
    *out = (pol_ctx *)c;
    return POL_OK;
}

static double chance(chaos *c, uint32_t fn) {
    return c->host->uniform(c->host->impl, fn, c->fns[fn].n_draws++);
}

static int chaos_observe(pol_ctx *ctx, const pol_obs *o, int64_t *next_ns) {
    chaos *c = (chaos *)ctx;
    chaos_fn *f = &c->fns[o->fn];
    const uint64_t counters[] = {o->arrivals, o->completions, o->failures,      o->concurrency_ns,
                                 o->queued,   o->pods_ready,  o->pods_starting, o->learned};
    uint64_t seen = 1;
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) seen = draw_mix(seen ^ counters[i]) + i;
    int is_due = o->now_ns >= f->timer_ns, is_new = seen != f->seen;
    f->seen = seen;
    if (is_due) f->timer_ns = POL_NEVER;
    if (is_new && draw_unit(draw_mix(seen)) < 0.2) f->timer_ns = o->now_ns + (int64_t)(seen % 7000) * MS_NS;
    *next_ns = f->timer_ns;
    return is_due || (is_new && draw_unit(draw_mix(seen + 1)) < c->act_part);
}

static uint32_t pick(chaos *c, uint32_t fn, uint32_t n) {
    return (uint32_t)(chance(c, fn) * n);
}

static void chaos_start(chaos *c, uint32_t fn, const pol_view *v) {
    uint32_t gpu = pick(c, fn, (uint32_t)v->n_gpus),
             row = v->gpus[gpu].first_row + pick(c, fn, v->gpus[gpu].n_rows);
    int align = chance(c, fn) < 0.7 && v->rows[row].sm_pct;
    pol_action a = {.verb = POL_START,
                    .fn = fn,
                    .gpu = gpu,
                    .row = chance(c, fn) < 0.2 ? POL_NEW_ROW : row,
                    .sm_pct = align ? v->rows[row].sm_pct : 1 + pick(c, fn, 101),
                    .quota_pct = 1 + pick(c, fn, 101),
                    .batch_max = pick(c, fn, 6),
                    .weight = pick(c, fn, 9),
                    .setup_ns = chance(c, fn) < 0.1 ? (int64_t)pick(c, fn, 900) * MS_NS : 0,
                    .reason = "chaos"};
    c->host->plan(c->host->impl, &a);
}

static void chaos_change(chaos *c, uint32_t fn, const pol_view *v) {
    double what = chance(c, fn);
    pol_action a = {.verb = what < 0.3                  ? POL_STOP
                            : what < 0.3 + c->kill_part ? POL_KILL
                            : what < 0.9                ? POL_RESIZE
                                                        : POL_ROUTE,
                    .fn = fn,
                    .sm_pct = chance(c, fn) < 0.3 ? 1 + pick(c, fn, 100) : 0,
                    .quota_pct = 1 + pick(c, fn, 100),
                    .balance = (pol_balance)pick(c, fn, 6),
                    .pod_limit = chance(c, fn) < 0.5 ? 0 : pick(c, fn, 5),
                    .queue_limit = chance(c, fn) < 0.3 ? 1 + pick(c, fn, 20) : 0,
                    .reason = "chaos"};
    if (v->n_pods) a.pod = v->pods[pick(c, fn, (uint32_t)v->n_pods)].id;
    if (v->n_pods) a.fn = v->pods[pick(c, fn, (uint32_t)v->n_pods)].fn;
    c->host->plan(c->host->impl, &a);
}

/* Pods that do not look at each other go on each on its own (lanes.c). */
static void chaos_route_blindly(chaos *c, uint32_t fn) {
    const pol_balance blind[] = {POL_RANDOM, POL_ROUND_ROBIN, POL_FIRST_FREE, POL_WEIGHTED, POL_WEIGHTED};
    pol_action a = {.verb = POL_ROUTE, .fn = fn, .balance = blind[pick(c, fn, 5)], .reason = "chaos"};
    c->host->plan(c->host->impl, &a);
}

/* Of each GPU that is not as the last act found it, the policy is told; of none twice. */
static void expect_changes_told(chaos *c, const pol_view *v) {
    for (size_t i = 0; i < v->n_gpus; i++) {
        int n_told = 0;
        for (size_t k = 0; k < v->n_changed_gpus; k++) n_told += v->changed_gpus[k] == i;
        assert_true(n_told <= 1);
        if (c->has_acted && !n_told) assert_memory_equal(&c->gpus[i], &v->gpus[i], sizeof v->gpus[i]);
    }
    memcpy(c->gpus, v->gpus, v->n_gpus * sizeof *v->gpus);
    c->has_acted = 1;
}

static void chaos_act(pol_ctx *ctx, uint32_t fn, const pol_view *v) {
    chaos *c = (chaos *)ctx;
    expect_changes_told(c, v);
    uint32_t of = fn == POL_ALL ? 0 : fn, n = 1 + pick(c, of, 3);
    if (v->cause == POL_BEGIN && chance(c, of) < 0.7) chaos_route_blindly(c, of);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t target = fn == POL_ALL ? pick(c, of, c->n_fns) : fn;
        if (v->n_pods == 0 || chance(c, of) < 0.5)
            chaos_start(c, target, v);
        else
            chaos_change(c, target, v);
    }
}

static void chaos_close(pol_ctx *ctx) {
    free(ctx);
}

static const pol_ops chaos_policy = {.abi = POL_ABI,
                                     .name = "chaos",
                                     .params = chaos_params,
                                     .n_params = 4,
                                     .open = chaos_open,
                                     .observe = chaos_observe,
                                     .act = chaos_act,
                                     .close = chaos_close};

/* ---- random configs ---- */

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
    dist d = dist_constant(mean);
    switch (below(c, 4)) {
    case 0:
        break;
    case 1:
        d = dist_exponential(mean);
        break;
    case 2:
        d = dist_hyperexponential(mean, 2);
        break;
    default:
        assert_int_equal(dist_lognormal(&d, mean, 0.3), 0);
    }
    return d;
}

/* The same arrivals of some functions for half a minute, some at the instants of ticks and scrapes: with sizes from 1 to
 * 2^32, with one size for all, without; and without, all at whole ms. */
typedef enum { SIZED, OF_ONE_SIZE, PLAIN, AT_WHOLE_MS, N_FILES } file_kind;
static trace_file *files[N_FILES];
enum { FILE_FNS = 6 };

static trace_file *write_arrivals(sample_dir *dir, file_kind kind) {
    char *text = malloc(1 << 20);
    assert_non_null(text);
    size_t n = (size_t)sprintf(text, kind >= PLAIN ? "time_s,function\n" : "time_s,function,size\n");
    chooser c = {.key = draw_key(20261125, 0, DRAW_POLICY)};
    for (int f = 0; f < FILE_FNS; f++)
        for (double at = 0; at < 30; at += draw_exp(draw_bits(c.key, c.n++)) * (f < 4 ? 0.02 : 0.5)) {
            double size = pow(2, draw_exp(draw_bits(c.key, c.n++)) * (f % 2 ? 1 : 4));
            n += (size_t)sprintf(text + n, "%.*f,f%d",
                                 !below(&c, 5)         ? 0
                                 : kind == AT_WHOLE_MS ? 3
                                                       : 6,
                                 at, f);
            if (kind == SIZED) n += (size_t)sprintf(text + n, ",%.0f", fmin(size, 4294967295.0));
            n += (size_t)sprintf(text + n, kind == OF_ONE_SIZE ? ",7\n" : "\n");
        }
    assert_true(n < 1 << 20);
    trace_file *file = sample_trace("csv", sample_write_bytes(dir, "trace.csv", text, n));
    free(text);
    return file;
}

static int write_files(void **state) {
    (void)state;
    sample_dir dir;
    sample_open(&dir);
    for (int k = 0; k < N_FILES; k++) files[k] = write_arrivals(&dir, (file_kind)k);
    sample_close(&dir);
    return 0;
}

static int close_files(void **state) {
    (void)state;
    for (int k = 0; k < N_FILES; k++) trace_close(files[k]);
    return 0;
}

static void from_file(chooser *c, trace_spec *t) {
    t->file = files[SIZED];
    t->index = below(c, FILE_FNS);
    t->scale = below(c, 2) ? 1 : 2 * unit(c);
    t->offset_s = below(c, 3);
    t->calibrated_size = below(c, 3) ? 0 : 1 + 20 * unit(c);
}

static void randomise_fn(chooser *c, engine_fn *f, engine_fit *fit) {
    fit->cold_start_ms = below(c, 3) ? 3000 * unit(c) : 0;
    f->memory_mib = 100 + below(c, 6000);
    f->batch_max = 1 + below(c, 5);
    f->workers = 1 + below(c, 9);
    f->batch_wait_ns = below(c, 2) ? (int64_t)below(c, 50) * MS_NS : 0;
    f->overhead_ms = below(c, 3) ? random_dist(c, 30 * unit(c)) : dist_constant(0);
    f->noise = random_dist(c, 1);
    f->cold_start = random_dist(c, 1);
    f->trace.shape = (trace_shape)below(c, 5);
    f->trace.mean_rps = below(c, 4) ? 30 * unit(c) * (below(c, 8) ? 1 : 10) : 0.2 * unit(c);
    /* arrivals at the instants of ticks and scrapes */
    if (f->trace.shape == TRACE_SHAPE_EVEN && below(c, 2)) f->trace.mean_rps = below(c, 2) ? 0.5 : 2;
    for (size_t k = 0; k < 3; k++) f->report_slo_ns[k] = (int64_t)(k + 1) * 50 * MS_NS;
    if (!below(c, 3)) from_file(c, &f->trace);
    f->keep_alive_ns = below(c, 8) ? 0 : 2 * SECOND_NS;
    f->linger_ns = below(c, 8) ? 0 : 3 * SECOND_NS;
}

/* All that takes time takes whole ms, so that whatever can meet at one instant does. */
static void put_on_grid(chooser *c, engine_fn *f, engine_fit *fit) {
    dist_free(&f->overhead_ms);
    dist_free(&f->noise);
    dist_free(&f->cold_start);
    fit->cold_start_ms = floor(fit->cold_start_ms);
    f->overhead_ms = dist_constant(below(c, 2) * below(c, 20));
    f->noise = f->cold_start = dist_constant(1);
    f->slo_ns = (20 + 10 * below(c, 10)) * MS_NS;
    if (f->trace.file) f->trace.file = files[AT_WHOLE_MS];
    f->trace.shape = TRACE_SHAPE_EVEN;
    f->trace.mean_rps = 1000 / (1 + 20 * unit(c));
    if (below(c, 2)) f->trace.mean_rps = (const double[]){2, 20, 50, 125, 200}[below(c, 5)];
}

static double params[4];
static client_spec clients[FIXTURE_FNS_MAX];
static client_stage stages[FIXTURE_FNS_MAX][3];

static void random_client(chooser *c, engine_fn *f, size_t i) {
    clients[i] = (client_spec){.stages = stages[i],
                               .n_stages = 1 + below(c, 3),
                               .stage_s = 1 + below(c, 3),
                               .threads_per_rps = 1 + below(c, 2),
                               .late_ns = below(c, 2) * 250000};
    for (size_t k = 0; k < clients[i].n_stages; k++)
        stages[i][k] = (client_stage){1 + below(c, 20), below(c, 2) * (int64_t)(3e8 * unit(c))};
    f->client = &clients[i];
    f->client_start_ns = below(c, 3) * SECOND_NS;
}

static calib *random_device(chooser *c, int is_on_grid) {
    double launch_ms = 2 + 10 * unit(c), gpu_ms = 1 + 20 * unit(c), per_batch_ms = 4 * unit(c),
           work_ms = below(c, 2) * 3 * unit(c);
    return is_on_grid ? fixture_device(floor(gpu_ms), floor(per_batch_ms), 0, floor(launch_ms))
                      : fixture_device(gpu_ms, per_batch_ms, work_ms, launch_ms);
}

static void randomise(fixture *f, uint64_t config) {
    chooser c = {.key = draw_key(20261122, (uint32_t)config, DRAW_POLICY)};
    /* some with many functions: so that threads have something to share */
    size_t n_fns = 1 + below(&c, below(&c, 8) ? 5 : 40), n_gpus = 1 + below(&c, below(&c, 8) ? 4 : 20);
    int is_on_grid = below(&c, 3) == 0;
    fixture_open(f, random_device(&c, is_on_grid), n_gpus, n_fns, 5 + below(&c, 25));
    if (is_on_grid) f->setup.bin_ns = (int64_t)(1 + below(&c, 8)) * 250 * MS_NS;
    f->setup.seed = config;
    f->setup.rows_per_gpu = 1 + below(&c, 3);
    f->setup.runtime = below(&c, 3) ? ENGINE_METERED : ENGINE_TOKEN;
    f->setup.oversubscribe = f->setup.runtime == ENGINE_TOKEN && below(&c, 2);
    f->setup.billing = (engine_billing)below(&c, 3);
    f->devices[0].sm_resizable = (int)below(&c, 2);
    f->devices[0].sm_resize_ns = below(&c, 2) * 30 * MS_NS;
    f->setup.warmup_ns = below(&c, 3) * SECOND_NS;
    f->setup.drain_ns = below(&c, 4) * SECOND_NS;
    int is_aligned = below(&c, 2) == 0; /* scrapes, ticks and windows at the same instants */
    f->setup.scrape_ns = is_aligned ? SECOND_NS : (500 + below(&c, 5000)) * MS_NS;
    f->setup.scrape_phase_ns = !is_aligned && below(&c, 2) ? below(&c, 3000) * MS_NS : 0;
    f->setup.timeline_fns = below(&c, (uint32_t)n_fns + 1);
    f->setup.n_report = 3;
    f->setup.record_requests = below(&c, 4) == 0;
    f->setup.policy = &chaos_policy;
    f->predict.is_online = below(&c, 6) == 0;
    for (size_t i = 0; i < n_fns; i++) {
        randomise_fn(&c, &f->fns[i], &f->fits[i]);
        if (is_on_grid) put_on_grid(&c, &f->fns[i], &f->fits[i]);
        if (!below(&c, 6)) random_client(&c, &f->fns[i], i);
    }
    params[0] = 0.2 + 0.8 * unit(&c);
    params[1] = below(&c, 2) ? 0.2 : 0;
    params[2] = below(&c, 4) == 0;
    params[3] = is_aligned ? 1000 * (1 + below(&c, 2)) : 100 + below(&c, 3000);
    f->setup.params = params;
}

static uint64_t hash_of(fixture *f, engine_order order, unsigned threads, int eager, uint64_t *served) {
    f->options = (engine_options){.order = order, .threads = threads, .eager = eager, .check = 1};
    engine_result r = fixture_run(f);
    uint64_t hash = r.hash;
    for (size_t i = 0; i < r.n_fns; i++) *served += r.fns[i].completed;
    engine_result_free(&r);
    return hash;
}

static size_t n_configs(void) {
    const char *n = getenv("HASSIM_TEST_CONFIGS");
    return n ? (size_t)strtoul(n, NULL, 10) : 2500;
}

static void every_mode_gives_the_same_bits(void **state) {
    (void)state;
    uint64_t served = 0, configs_that_served = 0;
    for (uint64_t config = 0; config < n_configs(); config++) {
        fixture f;
        randomise(&f, config);
        uint64_t before = served;
        uint64_t islands = hash_of(&f, ENGINE_ISLANDS, 1, 0, &served);
        uint64_t other[] = {
            hash_of(&f, ENGINE_GLOBAL, 1, 0, &served), hash_of(&f, ENGINE_ISLANDS, 1, 1, &served),
            hash_of(&f, ENGINE_ISLANDS, 2, 0, &served), hash_of(&f, ENGINE_GLOBAL, 1, 1, &served)};
        for (size_t k = 0; k < sizeof other / sizeof *other; k++)
            if (other[k] != islands)
                fail_msg("config %llu: %s differs from islands", (unsigned long long)config,
                         (const char *[]){"global", "eager", "2 threads", "global eager"}[k]);
        configs_that_served += served > before;
        fixture_close(&f);
    }
    /* the comparison would be worth little if nothing ran */
    assert_true(configs_that_served > n_configs() * 8 / 10);
}

static uint64_t hash_on(fixture *f, const trace_file *file, trace_work work, uint64_t *served) {
    for (size_t i = 0; i < f->setup.n_fns; i++) {
        trace_spec *t = &f->fns[i].trace;
        if (!t->file) continue;
        t->file = file;
        t->work = work;
        t->calibrated_size = 0;
    }
    return hash_of(f, ENGINE_ISLANDS, 1, 0, served);
}

/* Requests of one size, or whose sizes are not looked at, are the same bits as requests without. */
static void equal_sizes_change_nothing(void **state) {
    (void)state;
    uint64_t served = 0, n_differ = 0;
    for (uint64_t config = 0; config < 200; config++) {
        fixture f;
        randomise(&f, config);
        uint64_t plain = hash_on(&f, files[PLAIN], TRACE_WORK_BY_SIZE, &served);
        uint64_t one_size = hash_on(&f, files[OF_ONE_SIZE], TRACE_WORK_BY_SIZE, &served);
        uint64_t ignored = hash_on(&f, files[SIZED], TRACE_WORK_EQUAL, &served);
        if (one_size != plain || ignored != plain)
            fail_msg("config %llu differs", (unsigned long long)config);
        n_differ += hash_on(&f, files[SIZED], TRACE_WORK_BY_SIZE, &served) != plain;
        fixture_close(&f);
    }
    assert_true(n_differ > 80);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_mode_gives_the_same_bits),
                                       cmocka_unit_test(equal_sizes_change_nothing)};
    return cmocka_run_group_tests(tests, write_files, close_files);
}
