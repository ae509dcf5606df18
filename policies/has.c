/* has.c - HAS-GPU: predict the request rate, then scale quotas first and pods second.
 *
 * Every tick: m = the function's request rate between the last two scrapes; a scalar Kalman filter and a
 * minimal buffer make a prediction of it; C = sum of its pods' capabilities. Above 0.9 C it scales up: quotas
 * of running pods, then pods on GPUs in use, then pods on new GPUs. Below 0.3 C it scales down, at most every
 * 10 s. [arXiv 2505.01968; the published code as recovered in the project's notes on systems, section 1]
 *
 * Mode `artifact` sets every switch to what the published code does, `corrected` to what it means to do; each
 * switch is a parameter too. By the numbers of the notes' list of deviations (1.15), artifact mode
 * - reproduces 1 occupancy as an integer, always 0 (switch occupancy); 2 new GPUs never (new_gpus); 3 the fixed
 *   demand of 35 req/s, hence always SM 30 %, quota 30 %, batch 4 (required_rps); 4 the largest quota of a row,
 *   and the spare pod of quota 10 (horizontal_quota, new_gpus); 6 no SLO and 9 the latency table with its holes
 *   and unreachable names (capability); 7 the bias fed back (bias) into one filter for all functions (filter,
 *   by the flag POL_GLOBAL); 8 completions instead of arrivals (rps_input); 10 pods that are not ready counted
 *   (readiness); 11 scale-down beyond the need (scale_down); 14 row widths beyond 100 %, where the cluster is
 *   configured so;
 * - reproduces in part 5 ghost rows (rows): the free quota of every pod but a function's first is read from row
 *   0 of its GPU. What the engine then refuses is lost; the ghosts' own drifting sums are not kept;
 * - does not reproduce 8's first-series-only; the order of equal GPUs (a map's: here the initial pod goes to a
 *   drawn one, later ones to the first that has pods); pods that wait unplaced and still count; 12, 13 and 16,
 *   which change nothing; 15, crashes; 17, a leak elsewhere; a deleted pod's endpoint that stays in the gateway
 *   (the engine removes it).
 * The batch of 4 is believed by the capability formula; a pod really batches at most what its function's
 * batch_max says. Models are recognised by their calibration key where the code looks at the function's name.
 *
 * Capability of a pod, by the switch `capability`:
 * - table: 1000 / (lat + overhead_ms) * (b + 1) / 2, lat from the hard-coded table; a hole gives 0.
 * - formula: the same with the predictor's latency.
 * - sustained: what a pod can really sustain within the SLO, the most over batches k = 1..b. Back to back, a
 *   batch of k takes S_k (under the metered runtime more than one that finds its quota unused). Each of W
 *   workers holds one request through the overhead o, the rest of the batch under way, if one of the other W -
 *   1 is in it, and its own batch: o + (1 + v / 2) S_k with v = (W - 1) / W. So the GPU or the handlers limit
 *   the rate to X_k = min(k / S_k, W / (o + (1 + v / 2) S_k)). At a load of r X_k, requests wait as in M/D/c on
 *   average (taken as half of M/M/c), c being k or W by which of them binds. The capability is r X_k /
 *   scale_up_threshold, as scale-up comes at that share of it, with the largest r up to scale_up_threshold that
 *   keeps o + (1 + v) S_k + slo_waits * wait <= SLO: the tail meets a batch that has just begun, and three mean
 *   waits are the 95th percentile of exponential ones.
 * An SLO that even a whole GPU meets at less than a quarter of its load only is relaxed, by quarters, until it
 * does. A configuration of capability 0 is not used.
 *
 * A new pod (corrected) takes, of the configurations (SM, quota) that cover the gap, one within 10 % of the
 * best capability per SM x quota, the smallest such. It goes to the least occupied GPU in use where a row of
 * its own width or another one covers the gap at no less than half that efficiency ("alignment": pods stack
 * in rows that exist; off: each opens a row), else to an empty GPU, else wherever there is most capability to
 * be had.
 *
 * Where the device can change SM widths while pods run (switch sm_resize; not in the artifact, whose MPS cannot), a
 * pod that has its row for itself is widened when its quota is used up, before another pod starts, if that gains at
 * least half of what a new pod would per SM x quota; and shrinks to the least SM x quota that suffices. Each change
 * stalls the pod, which is why a width never changes where a quota would do as well.
 *
 * Laziness: a function's state is a pure function of its counters tick by tick. The filter's gain depends on
 * the tick's number alone; x is updated as (1 - K) x + K m, a composition of monotone operations, which
 * therefore reaches a fixed point bitwise. act leaves behind the thresholds between which nothing can be
 * done, so observe needs no pods, and looks ahead to the first tick at which a decision could change.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"
#include "used_gpus_int.h"

enum {
    TICK_S,
    MIN_PODS,
    IDLE_S,
    UP_THRESHOLD,
    DOWN_THRESHOLD,
    COOLDOWN_S,
    RETRY_S,
    QUOTA_STEP_PCT,
    SM_MIN_PCT,
    ALPHA,
    PROCESS_NOISE,
    MEASUREMENT_NOISE,
    MIN_BUFFER_RPS,
    SLO_WAITS,
    OVERHEAD_MS,
    REQUIRED_RPS,
    INITIAL_SM_PCT,
    INITIAL_QUOTA_PCT,
    INITIAL_BATCH,
    INITIAL_OCCUPANCY,
    USED_OCCUPANCY,
    RPS_INPUT,
    PREDICTION,
    FILTER,
    BIAS,
    CAPABILITY,
    READINESS,
    OCCUPANCY,
    NEW_GPUS,
    HORIZONTAL_QUOTA,
    GAP,
    SCALE_DOWN,
    ROUTING,
    REMOVAL,
    ROWS,
    VERTICAL,
    HORIZONTAL,
    ALIGNMENT,
    SM_RESIZE,
    N_PARAMS
};
/* Choices, in the order of the table below. */
enum { COMPLETIONS, ARRIVALS };
enum { OFF, ON };
enum { SHARED, OWN };
enum { FEEDBACK, OUTPUT };
enum { TABLE, FORMULA, SUSTAINED };
enum { ALL_ONCE_READY, EXPECTED, READY_ONLY };
enum { INTEGER, REAL };
enum { NEVER, YES };
enum { LARGEST, SUFFICIENT };
enum { DIFFERENCE, RATIO };
enum { AT_LEAST, AT_MOST };
enum { RANDOM, WEIGHTED, PULL };
enum { KILL, STOP };
enum { GHOST, TRUE_ROWS };

/* by_default is {corrected, artifact}. */
static const pol_param params[N_PARAMS] = {
    [TICK_S] = {"tick_s", "s", "period of decisions", NULL, {2, 2}, 0.1, 3600, 0},
    [MIN_PODS] =
        {"min_pods", "", "pods that a function always keeps; 0: scale to zero", NULL, {1, 1}, 0, 1000, 1},
    [IDLE_S] =
        {"idle_s", "s", "min_pods 0: idle time after which all pods stop", NULL, {60, 60}, 0.1, 86400, 0},
    [UP_THRESHOLD] = {"scale_up_threshold", "", "of capacity; scale up above", NULL, {0.9, 0.9}, 0.01, 1, 0},
    [DOWN_THRESHOLD] =
        {"scale_down_threshold", "", "of capacity; scale down below", NULL, {0.3, 0.3}, 0, 0.99, 0},
    [COOLDOWN_S] = {"cooldown_s", "s", "least time between scale-downs", NULL, {10, 10}, 0, 86400, 0},
    [RETRY_S] = {"retry_s", "s", "wait after a scale-up that found no room", NULL, {10, 0}, 0, 3600, 0},
    [QUOTA_STEP_PCT] =
        {"quota_step_pct", "%", "quotas are changed in, and not below, steps", NULL, {10, 10}, 1, 50, 1},
    [SM_MIN_PCT] = {"sm_min_pct", "%", "narrowest SM partition of a new pod", NULL, {10, 5}, 5, 100, 1},
    [ALPHA] = {"alpha", "", "standard deviations added to the prediction", NULL, {1, 1}, 0, 10, 0},
    [PROCESS_NOISE] = {"process_noise", "(1/s)^2", "Q of the filter", NULL, {1, 1}, 1e-6, 1e6, 0},
    [MEASUREMENT_NOISE] = {"measurement_noise", "(1/s)^2", "R of the filter", NULL, {10, 10}, 1e-6, 1e6, 0},
    [MIN_BUFFER_RPS] = {"min_buffer_rps", "1/s", "least excess of the prediction", NULL, {5, 5}, 0, 1e6, 0},
    [SLO_WAITS] = {"slo_waits", "", "mean waits that must fit the SLO", NULL, {3, 3}, 0, 100, 0},
    [OVERHEAD_MS] =
        {"overhead_ms", "ms", "per batch, capability table and formula", NULL, {70, 70}, 0, 1e5, 0},
    [REQUIRED_RPS] =
        {"required_rps", "1/s", "what a new GPU's pod must reach; 0: the gap", NULL, {0, 35}, 0, 1e6, 0},
    [INITIAL_SM_PCT] =
        {"initial_sm_pct", "%", "SM where nothing reaches required_rps", NULL, {30, 30}, 1, 100, 1},
    [INITIAL_QUOTA_PCT] = {"initial_quota_pct", "%", "quota, likewise", NULL, {30, 30}, 1, 100, 1},
    [INITIAL_BATCH] = {"initial_batch", "", "batch that capability table assumes", NULL, {4, 4}, 1, 32, 1},
    [INITIAL_OCCUPANCY] =
        {"initial_occupancy", "", "of a GPU; a first pod goes below", NULL, {0.5, 0.5}, 0, 1, 0},
    [USED_OCCUPANCY] = {"used_occupancy", "", "of a GPU; further pods go below", NULL, {0.95, 0.95}, 0, 1, 0},
    [RPS_INPUT] =
        {"rps_input", "", "what is measured", "completions|arrivals", {ARRIVALS, COMPLETIONS}, 0, 0, 0},
    [PREDICTION] = {"prediction", "", "off: the measured rate itself", "off|on", {ON, ON}, 0, 0, 0},
    [FILTER] = {"filter", "", "one for all functions, or one each", "shared|own", {OWN, SHARED}, 0, 0, 0},
    [BIAS] = {"bias", "", "where the offset goes", "feedback|output", {OUTPUT, FEEDBACK}, 0, 0, 0},
    [CAPABILITY] = {"capability", "", "of a pod", "table|formula|sustained", {SUSTAINED, TABLE}, 0, 0, 0},
    [READINESS] = {"readiness",
                   "",
                   "pods that count: all, but wait for the first; all; ready ones",
                   "all|expected|ready",
                   {EXPECTED, ALL_ONCE_READY},
                   0,
                   0,
                   0},
    [OCCUPANCY] = {"occupancy", "", "of a GPU: sum of SM x quota", "integer|real", {REAL, INTEGER}, 0, 0, 0},
    [NEW_GPUS] = {"new_gpus", "", "pods on GPUs not in use", "never|yes", {YES, NEVER}, 0, 0, 0},
    [HORIZONTAL_QUOTA] = {"horizontal_quota",
                          "",
                          "of a new pod: all that is free, or enough",
                          "largest|sufficient",
                          {SUFFICIENT, LARGEST},
                          0,
                          0,
                          0},
    [GAP] = {"gap",
             "",
             "prediction - 0.9 C, or prediction / 0.9 - C",
             "difference|ratio",
             {RATIO, DIFFERENCE},
             0,
             0,
             0},
    [SCALE_DOWN] = {"scale_down",
                    "",
                    "removes at least the excess, or at most",
                    "at_least|at_most",
                    {AT_MOST, AT_LEAST},
                    0,
                    0,
                    0},
    [ROUTING] = {"routing", "", "of requests to pods", "random|weighted|pull", {WEIGHTED, RANDOM}, 0, 0, 0},
    [REMOVAL] =
        {"removal", "", "of a pod: at once, or when its work is done", "kill|stop", {STOP, KILL}, 0, 0, 0},
    [ROWS] = {"rows", "", "bookkeeping of free quota", "ghost|true", {TRUE_ROWS, GHOST}, 0, 0, 0},
    [VERTICAL] = {"vertical", "", "quota scaling", "off|on", {ON, ON}, 0, 0, 0},
    [HORIZONTAL] = {"horizontal", "", "pod scaling", "off|on", {ON, ON}, 0, 0, 0},
    [ALIGNMENT] = {"alignment", "", "new pods share rows", "off|on", {ON, ON}, 0, 0, 0},
    [SM_RESIZE] = {"sm_resize", "", "of running pods, where the device can", "off|on", {ON, OFF}, 0, 0, 0},
};

enum {
    GAIN_TICKS_MAX = 4096, /* the filter's gain is frozen after so many ticks, if it has not settled */
    CLASS_SLOTS_MAX = 256,
    GRID_PCT = 5, /* capabilities are remembered at multiples of this */
    GRID = 100 / GRID_PCT,
    LOOK_AHEAD = 48,         /* ticks; an idle filter settles in fewer */
    STARTS_PER_DECISION = 64 /* a bound on a burst of new pods */
};
static const double SETTLED_RPS = 1e-3; /* own, unbiased filter: nearer than this to the rate is at it */
static const double EFFICIENCY_SLACK = 0.9, USED_EFFICIENCY = 0.5;

typedef struct {
    double gain, offset; /* K, alpha * sqrt(P) */
} filter_step;

typedef struct { /* one function between ticks */
    double x, rate, prediction;
    double up_above, down_below; /* a prediction outside calls for act */
    uint64_t input, arrivals;    /* counters as last seen */
    uint32_t tick;               /* the last one lived through */
    uint32_t busy_tick;          /* the last one that saw an arrival or a request in the system */
    uint32_t down_tick;          /* of the last scale-down; 0: none */
    uint32_t retry_tick;         /* no scale-up before */
    uint16_t pods, ready;        /* that act left, and that were ready then */
    uint16_t learned;            /* of the predictor, modulo 2^16 */
    uint8_t is_busy, wants;
} fn_state;

typedef struct {
    uint32_t sm_pct, quota_pct;
    double cap;
} config;

typedef struct { /* what a search for places asks again and again, for one device kind and one gap */
    int is_used;
    uint32_t device;
    double gap, best_efficiency;
    int is_known[GRID + 1];
    config best[GRID + 1]; /* by the SM that is free, in steps of the grid */
} config_memo;

typedef struct { /* capabilities of a class of equal functions on one device kind */
    uint32_t fn, device;
    int is_used;
    double
        probe_ns;  /* a whole GPU's latency: an online predictor's answers differ from function to function */
    double slo_ns; /* the function's, or what can be met */
    double cell[GRID][GRID];
    config_memo memo;
} cap_class;

typedef struct { /* a pod as this decision leaves it */
    uint32_t id, gpu, row, sm_pct, quota_pct, batch_max;
    uint32_t old_sm_pct; /* as the decision found it: pods are taken in this order */
    int is_gone, is_ready;
    double cap;
} pod;

struct pol_ctx {
    const pol_host *host;
    size_t n_fns;
    double v[N_PARAMS];
    int64_t tick_ns;
    uint32_t cooldown_ticks, retry_ticks, idle_ticks, step_pct, sm_min_pct, min_pods;
    int is_global;
    filter_step steps[GAIN_TICKS_MAX];
    uint32_t n_steps;
    double shared_x;
    uint64_t shared_n;
    fn_state *fns;
    cap_class *classes;
    uint32_t n_classes; /* a power of two */
    pod *pods;          /* grows as functions do */
    size_t pods_cap;
    used_gpus used;
};

static int choice(const pol_ctx *ctx, int param) {
    return (int)ctx->v[param];
}

/* ---- counters and prediction, tick by tick ---- */

/* The last scrape that tick number j sees; 0 before the first. */
static int64_t scrape_seen(const pol_ctx *ctx, uint32_t j) {
    int64_t since = (int64_t)j * ctx->tick_ns - ctx->host->scrape_phase_ns;
    return since < 0 ? 0 : since - since % ctx->host->scrape_ns + ctx->host->scrape_phase_ns;
}

static void see(const pol_ctx *ctx, fn_state *s, uint32_t j, uint64_t input, uint64_t arrivals, int is_busy) {
    if (input != s->input || s->rate > 0) {
        int64_t span = scrape_seen(ctx, j) - scrape_seen(ctx, j - 1);
        if (span > 0) s->rate = (double)(input - s->input) * 1e9 / (double)span;
    }
    if (is_busy || arrivals != s->arrivals) s->busy_tick = j;
    s->is_busy = (uint8_t)is_busy;
    s->input = input;
    s->arrivals = arrivals;
    s->tick = j;
}

/* One step of the filter, with the gain of its n-th step (from 1). */
static double predict(const pol_ctx *ctx, double *x, uint64_t n, double rate) {
    filter_step f = ctx->steps[(n < ctx->n_steps ? n : ctx->n_steps) - 1];
    double floor_rps = rate + ctx->v[MIN_BUFFER_RPS];
    *x = (1.0 - f.gain) * *x + f.gain * rate;
    if (choice(ctx, BIAS) == FEEDBACK) {
        *x += f.offset;
        if (*x < floor_rps) *x = floor_rps;
        return *x;
    }
    if (fabs(*x - rate) < SETTLED_RPS) *x = rate;
    return *x + f.offset > floor_rps ? *x + f.offset : floor_rps;
}

static void update_prediction(pol_ctx *ctx, fn_state *s) {
    if (choice(ctx, PREDICTION) == OFF)
        s->prediction = s->rate;
    else if (ctx->is_global)
        s->prediction = predict(ctx, &ctx->shared_x, ++ctx->shared_n, s->rate);
    else
        s->prediction = predict(ctx, &s->x, s->tick, s->rate);
}

/* One tick with unchanged counters. 1: from now on nothing changes but the time. */
static int live_through(pol_ctx *ctx, fn_state *s, uint32_t j) {
    double x = s->x, prediction = s->prediction;
    see(ctx, s, j, s->input, s->arrivals, s->is_busy);
    update_prediction(ctx, s);
    return s->rate == 0 && x == s->x && prediction == s->prediction && j > ctx->n_steps;
}

/* Lives through all ticks up to and with `last`. */
static void catch_up(pol_ctx *ctx, fn_state *s, uint32_t last) {
    while (s->tick < last) {
        if (!live_through(ctx, s, s->tick + 1)) continue;
        s->tick = last;
        if (s->is_busy) s->busy_tick = last;
    }
}

/* ---- when to act ---- */

static int is_idle(const pol_ctx *ctx, const fn_state *s, uint32_t j) {
    return ctx->min_pods == 0 && j - s->busy_tick >= ctx->idle_ticks;
}

static int is_cool(const pol_ctx *ctx, const fn_state *s, uint32_t j) {
    return s->down_tick == 0 || j - s->down_tick >= ctx->cooldown_ticks;
}

/* Would act do something at tick j? */
static int wants_act(const pol_ctx *ctx, const fn_state *s, uint32_t j, uint32_t pods, uint32_t ready) {
    if (pods != s->pods || (choice(ctx, READINESS) == READY_ONLY && ready != s->ready)) return 1;
    if (pods < ctx->min_pods) return j >= s->retry_tick;
    if (pods == 0) return (s->is_busy || s->rate > 0) && j >= s->retry_tick;
    if (choice(ctx, READINESS) == ALL_ONCE_READY && ready == 0) return 0;
    if (s->prediction > s->up_above) return j >= s->retry_tick;
    return is_idle(ctx, s, j) || (s->prediction < s->down_below && is_cool(ctx, s, j));
}

/* The earlier of next and tick number j, if j is later than now and act would do something then. */
static uint32_t earlier(const pol_ctx *ctx, const fn_state *s, const pol_obs *obs, uint32_t next,
                        uint32_t j) {
    fn_state then = *s;
    if (then.is_busy) then.busy_tick = j;
    if (j <= s->tick || j >= next) return next;
    return wants_act(ctx, &then, j, obs->pods_ready + obs->pods_starting, obs->pods_ready) ? j : next;
}

/* The first tick after s at which act would do something, or that cannot be foreseen. s is a copy. */
static int64_t foresee(pol_ctx *ctx, fn_state s, const pol_obs *obs) {
    uint32_t pods = obs->pods_ready + obs->pods_starting, start = s.tick;
    if (pods == 0 && ctx->min_pods == 0 && !s.is_busy && s.rate == 0) return POL_NEVER;
    /* While requests come in, the next scrape changes the counters anyhow. */
    uint32_t ahead = s.rate > 0 ? (uint32_t)(ctx->host->scrape_ns / ctx->tick_ns) + 1 : LOOK_AHEAD;
    for (;;) {
        int is_settled = live_through(ctx, &s, s.tick + 1);
        if (wants_act(ctx, &s, s.tick, pods, obs->pods_ready)) return (int64_t)s.tick * ctx->tick_ns;
        if (is_settled) break;
        if (s.tick - start >= ahead) return ((int64_t)s.tick + 1) * ctx->tick_ns;
    }
    uint32_t next = UINT32_MAX;
    next = earlier(ctx, &s, obs, next, s.down_tick + ctx->cooldown_ticks);
    next = earlier(ctx, &s, obs, next, s.retry_tick);
    next = earlier(ctx, &s, obs, next, s.busy_tick + ctx->idle_ticks);
    return next == UINT32_MAX ? POL_NEVER : (int64_t)next * ctx->tick_ns;
}

static int has_observe(pol_ctx *ctx, const pol_obs *obs, int64_t *next_ns) {
    fn_state *s = &ctx->fns[obs->fn];
    uint32_t k = (uint32_t)(obs->now_ns / ctx->tick_ns);
    if (!ctx->is_global) catch_up(ctx, s, k - 1);
    uint64_t input = choice(ctx, RPS_INPUT) == ARRIVALS ? obs->arrivals : obs->completions;
    see(ctx, s, k, input, obs->arrivals, obs->arrivals > obs->completions + obs->failures);
    update_prediction(ctx, s);
    int has_learned = s->learned != (uint16_t)obs->learned;
    s->learned = (uint16_t)obs->learned;
    s->wants =
        (uint8_t)(wants_act(ctx, s, k, obs->pods_ready + obs->pods_starting, obs->pods_ready) || has_learned);
    *next_ns = s->wants || ctx->is_global ? ((int64_t)k + 1) * ctx->tick_ns : foresee(ctx, *s, obs);
    return s->wants;
}

/* ---- capability: the artifact's table ---- */

enum { N_TABLE_QUOTAS = 10 };
typedef struct {
    const char *model;
    uint32_t sm_pct;
    double latency_ms[N_TABLE_QUOTAS]; /* batch 4, quota 10, 20 ... 100 %; 0: no entry */
} table_row;

/* KontonGu/HAS-GPU (Apache-2.0), the latencies of the controller, of which two models cannot be reached:
 * their keys differ from the names that requests are mapped to. */
static const table_row table[] = {
    {"resnet50", 30, {252.2491, 77.3300, 53.7186, 35.1840, 31.8869, 0, 21.1681, 0, 20.8474, 20.9031}},
    {"resnet50", 50, {246.0224, 77.8447, 54.6511, 35.9069, 31.9668, 0, 21.1510, 0, 21.3813, 0}},
    {"convnext-large",
     50,
     {404.9708, 140.2963, 96.7166, 68.0341, 59.9109, 0, 56.5727, 56.4936, 56.5984, 56.6035}},
    {"convnext-large", 70, {0, 0, 96.7185, 0, 61.7110, 0, 42.6626, 0, 0, 0}},
    {"mobilenet-v3-large",
     30,
     {319.7108, 92.2712, 65.4417, 45.2021, 36.2635, 0, 26.1822, 15.0624, 13.7754, 10.7394}},
    {"mobilenet-v3-large", 50, {0, 0, 0, 0, 26.1822, 0, 22.6579, 0, 13.3941, 0}},
    {"shufflenet-v2-0.5", 50, {0, 27.3490, 0, 0, 10.1810, 0, 10.1810, 0, 10.1810, 0}},
    {"shufflenet-v2-0.5", 70, {0, 28.1956, 0, 0, 10.3387, 0, 10.2795, 0, 10.2639, 0}},
    {"bert-qt",
     30,
     {240.9081, 165.4163, 106.9170, 95.4823, 92.8406, 87.1840, 76.1591, 77.1591, 76.1591, 75.1591}},
    {"bert-qt", 50, {230.4163, 159.4163, 109.9170, 99.4823, 87.8406, 0, 75.1591, 0, 73.1591, 71.1591}},
};
enum { N_TABLE = sizeof table / sizeof *table };

typedef struct { /* a family of models: the name it is mapped to, and the SM of an empty row by the gap */
    const char *part, *name;
    double wide_above_rps;
    uint32_t wide_pct, narrow_pct;
} family;

static const family families[] = {
    {"resnet", "resnet50", 25, 50, 30},
    {"convnext", "convnext-large", 30, 70, 30},
    {"mobilenet", "mobilenet_v3_large", 40, 70, 30},
    {"shufflenet", "shufflenet_v2_x0_5", 0, 50, 50},
    {"bert", "bert-qt", 30, 70, 50},
    {"gpt", "rapp", 0, 80, 80},
    {"rapp", "rapp", 0, 10, 10},
    {"", "rapp", 0, 50, 50}, /* any other */
};

static const family *family_of(const pol_fn *spec) {
    const family *f = families;
    while (!strstr(spec->model, f->part)) f++;
    return f;
}

/* ms; 0: no entry */
static double table_latency_ms(const pol_fn *spec, uint32_t batch, uint32_t sm_pct, uint32_t quota_pct) {
    const char *name = family_of(spec)->name;
    if (strstr(spec->name, "rapp")) return 10;
    if (strcmp(name, "rapp") == 0) return batch == 2 ? 100 : 0;
    if (batch != 4 || quota_pct % 10 || quota_pct < 10) return 0;
    for (size_t i = 0; i < N_TABLE; i++)
        if (table[i].sm_pct == sm_pct && strcmp(table[i].model, name) == 0)
            return table[i].latency_ms[quota_pct / 10 - 1];
    return 0;
}

/* ---- capability: asking the predictor ---- */

typedef struct { /* a decision about one function */
    pol_ctx *ctx;
    cap_class *caps;  /* of the device asked about last */
    config_memo memo; /* where there are no classes */
    fn_state *s;
    uint32_t fn;
    const pol_fn *spec;
    const pol_view *view;
    size_t n_pods; /* in ctx->pods, with those that are gone */
    const char *reason;
} job;

static double ask_latency_ns(const job *j, uint32_t device, uint32_t batch, uint32_t sm_pct,
                             uint32_t quota_pct) {
    const pol_host *h = j->ctx->host;
    return (double)h->latency_ns(h->impl, j->fn, device, batch, sm_pct, quota_pct);
}

static double overhead_ns(const pol_ctx *ctx, uint32_t fn, uint32_t device) {
    return ctx->host->overhead_ms(ctx->host->impl, fn, device) * 1e6;
}

/* (b + 1) / 2 requests per batch, each batch costs its latency and a constant. */
static double formula_rps(const pol_ctx *ctx, double latency_ms, uint32_t batch) {
    return 1000.0 / (latency_ms + ctx->v[OVERHEAD_MS]) * ((double)batch + 1.0) / 2.0;
}

/* Probability that an arrival at c servers, each busy a share rho of the time, has to wait (Erlang C). */
static double erlang_c(uint32_t c, double rho) {
    double load = c * rho, blocked = 1;
    for (uint32_t i = 1; i <= c; i++) blocked = load * blocked / (i + load * blocked);
    return blocked / (1 - rho * (1 - blocked));
}

/* The largest share, of 32 up to most, of the rate at which c servers are saturated, that keeps the mean wait
 * within wait_ns. Service times hardly vary: half the wait of exponential ones. */
static double load_within(double saturated_rps, uint32_t c, double wait_ns, double most) {
    for (int step = 32; step > 0; step--) {
        double rho = most * step / 32;
        if (0.5 * erlang_c(c, rho) * 1e9 / (saturated_rps * (1 - rho)) <= wait_ns) return rho;
    }
    return 0;
}

/* With batches of k; < 0: unknown. */
static double sustained_rps_in(const job *j, uint32_t device, uint32_t k, uint32_t sm_pct, uint32_t quota_pct,
                               double slo_ns) {
    const pol_host *h = j->ctx->host;
    double workers = j->spec->workers, up = j->ctx->v[UP_THRESHOLD], waits = j->ctx->v[SLO_WAITS];
    double gpu = h->throughput_rps(h->impl, j->fn, device, k, sm_pct, quota_pct);
    if (gpu <= 0) return -1;
    double overhead = overhead_ns(j->ctx, j->fn, device), service = k * 1e9 / gpu;
    double others = (workers - 1) / workers, most = up < 0.99 ? up : 0.99;
    double handlers = workers * 1e9 / (overhead + (1 + others / 2) * service);
    double slack = slo_ns - (overhead + (1 + others) * service), saturated = gpu < handlers ? gpu : handlers;
    if (slack < 0) return 0;
    double wait_ns = waits > 0 ? slack / waits : INFINITY;
    return saturated * load_within(saturated, gpu < handlers ? k : j->spec->workers, wait_ns, most) / most;
}

static double sustained_rps(const job *j, uint32_t device, uint32_t batch, uint32_t sm_pct,
                            uint32_t quota_pct, double slo_ns) {
    double best = 0;
    for (uint32_t k = 1; k <= batch; k++) {
        double rps = sustained_rps_in(j, device, k, sm_pct, quota_pct, slo_ns);
        if (rps < 0) break;
        if (rps > best) best = rps;
    }
    return best;
}

static double ask_capability(const job *j, uint32_t device, uint32_t batch, uint32_t sm_pct,
                             uint32_t quota_pct, double slo_ns) {
    if (choice(j->ctx, CAPABILITY) == SUSTAINED)
        return sustained_rps(j, device, batch, sm_pct, quota_pct, slo_ns);
    double latency = ask_latency_ns(j, device, batch, sm_pct, quota_pct);
    double total = latency + overhead_ns(j->ctx, j->fn, device);
    return latency <= 0 || total > slo_ns ? 0 : formula_rps(j->ctx, latency * 1e-6, batch);
}

/* The SLO, or, where a whole GPU meets it at less than a quarter of its load, the next within reach. */
static double feasible_slo_ns(const job *j, uint32_t device) {
    double slo_ns = (double)j->spec->slo_ns;
    double whole = ask_capability(j, device, j->spec->batch_max, 100, 100, INFINITY);
    while (ask_capability(j, device, j->spec->batch_max, 100, 100, slo_ns) < whole / 4)
        slo_ns = 1.25 * slo_ns + 1e6;
    return slo_ns;
}

static int is_same_class(const job *j, const cap_class *c, uint32_t device, double probe_ns) {
    const pol_fn *other = j->ctx->host->fn(j->ctx->host->impl, c->fn), *spec = j->spec;
    return c->device == device && c->probe_ns == probe_ns && other->slo_ns == spec->slo_ns &&
           other->batch_max == spec->batch_max && other->workers == spec->workers &&
           strcmp(other->model, spec->model) == 0 &&
           overhead_ns(j->ctx, c->fn, device) == overhead_ns(j->ctx, j->fn, device);
}

static uint64_t class_hash(const pol_fn *spec, uint32_t device, double probe_ns) {
    uint64_t h = (uint64_t)(int64_t)probe_ns * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)spec->slo_ns ^
                 (uint64_t)spec->batch_max << 40 ^ (uint64_t)spec->workers << 48 ^ device;
    for (const char *c = spec->model; *c; c++) h = (h ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    return h ^ h >> 29;
}

/* The memory of this function's class; one that it collides with is forgotten. */
static cap_class *class_of(job *j, uint32_t device) {
    double probe_ns = ask_latency_ns(j, device, 1, 100, 100);
    cap_class *c = &j->ctx->classes[class_hash(j->spec, device, probe_ns) & (j->ctx->n_classes - 1)];
    if (c->is_used && is_same_class(j, c, device, probe_ns)) return c;
    *c = (cap_class){.fn = j->fn, .device = device, .is_used = 1, .probe_ns = probe_ns};
    c->slo_ns = feasible_slo_ns(j, device);
    for (int sm = 0; sm < GRID; sm++)
        for (int quota = 0; quota < GRID; quota++) c->cell[sm][quota] = -1;
    return c;
}

static cap_class *caps_on(job *j, uint32_t device) {
    if (!j->caps || j->caps->device != device) j->caps = class_of(j, device);
    return j->caps;
}

/* Requests per second that a pod is good for; 0: none, or not within the SLO. */
static double capability(job *j, uint32_t device, uint32_t batch, uint32_t sm_pct, uint32_t quota_pct) {
    if (choice(j->ctx, CAPABILITY) == TABLE) {
        uint32_t believed = (uint32_t)j->ctx->v[INITIAL_BATCH];
        double latency = table_latency_ms(j->spec, believed, sm_pct, quota_pct);
        return latency > 0 ? formula_rps(j->ctx, latency, believed) : 0;
    }
    cap_class *c = caps_on(j, device);
    if (batch != j->spec->batch_max || sm_pct % GRID_PCT || quota_pct % GRID_PCT)
        return ask_capability(j, device, batch, sm_pct, quota_pct, c->slo_ns);
    double *cell = &c->cell[sm_pct / GRID_PCT - 1][quota_pct / GRID_PCT - 1];
    if (*cell < 0) *cell = ask_capability(j, device, batch, sm_pct, quota_pct, c->slo_ns);
    return *cell;
}

static double pod_capability(job *j, const pod *p, uint32_t sm_pct, uint32_t quota_pct) {
    return capability(j, j->view->gpus[p->gpu].device, p->batch_max, sm_pct, quota_pct);
}

/* ---- the pods of a decision ---- */

static int counts(const job *j, const pod *p) {
    return !p->is_gone && (p->is_ready || choice(j->ctx, READINESS) != READY_ONLY);
}

static uint32_t alive(const job *j) {
    uint32_t n = 0;
    for (size_t i = 0; i < j->n_pods; i++) n += !j->ctx->pods[i].is_gone;
    return n;
}

static double total_capability(const job *j) {
    double sum = 0;
    for (size_t i = 0; i < j->n_pods; i++)
        if (counts(j, &j->ctx->pods[i])) sum += j->ctx->pods[i].cap;
    return sum;
}

static int make_room(pol_ctx *ctx, size_t n) {
    if (n <= ctx->pods_cap) return 1;
    pod *more = realloc(ctx->pods, 2 * n * sizeof *more);
    if (!more) return 0;
    ctx->pods = more;
    ctx->pods_cap = 2 * n;
    return 1;
}

/* 0: out of memory; nothing is decided then. */
static int gather(job *j, const pol_pod *pods, size_t n) {
    if (!make_room(j->ctx, n + STARTS_PER_DECISION + j->ctx->min_pods)) return 0;
    for (size_t i = 0; i < n; i++) {
        const pol_pod *p = &pods[i];
        if (p->draining) continue;
        pod *q = &j->ctx->pods[j->n_pods++];
        *q = (pod){.id = p->id, .gpu = p->gpu, .row = p->row, .sm_pct = p->sm_pct, .quota_pct = p->quota_pct};
        q->batch_max = p->batch_max;
        q->old_sm_pct = p->sm_pct;
        q->is_ready = p->ready_ns <= j->view->now_ns;
        q->cap = pod_capability(j, q, q->sm_pct, q->quota_pct);
    }
    return 1;
}

/* An action on a pod of this GPU. */
static int64_t plan(const job *j, const pol_action *a, uint32_t gpu) {
    int64_t id = j->ctx->host->plan(j->ctx->host->impl, a);
    if (id >= 0) used_gpus_update(&j->ctx->used, j->view, gpu);
    return id;
}

static uint32_t weight_of(double cap) {
    return cap < 0.01 ? 1 : (uint32_t)(cap < 1e6 ? cap * 100.0 + 0.5 : 1e8);
}

static int resize(job *j, pod *p, uint32_t sm_pct, uint32_t quota_pct, const char *reason) {
    double cap = pod_capability(j, p, sm_pct, quota_pct);
    pol_action a = {.verb = POL_RESIZE, .fn = j->fn, .pod = p->id, .quota_pct = quota_pct};
    a.sm_pct = sm_pct == p->sm_pct ? 0 : sm_pct;
    a.weight = weight_of(cap);
    a.reason = reason;
    if (plan(j, &a, p->gpu) < 0) return 0;
    p->sm_pct = sm_pct;
    p->quota_pct = quota_pct;
    p->cap = cap;
    return 1;
}

static int take_away(job *j, pod *p, const char *reason) {
    pol_action a = {.verb = choice(j->ctx, REMOVAL) == KILL ? POL_KILL : POL_STOP, .fn = j->fn, .pod = p->id};
    a.reason = reason;
    if (plan(j, &a, p->gpu) < 0) return 0;
    p->is_gone = 1;
    return 1;
}

typedef struct { /* where a pod could go, and what it would bring; cap 0: nowhere */
    uint32_t gpu, row, sm_pct, quota_pct;
    double cap;
} spot;

/* The row that a pod will get, if it gets one. */
static uint32_t row_of(const job *j, const spot *at) {
    const pol_gpu *g = &j->view->gpus[at->gpu];
    uint32_t row = g->first_row;
    if (at->row != POL_NEW_ROW) return at->row;
    while (row + 1 < g->first_row + g->n_rows && j->view->rows[row].sm_pct > 0) row++;
    return row;
}

static int start(job *j, const spot *at, const char *reason) {
    pol_ctx *ctx = j->ctx;
    uint32_t batch = j->spec->batch_max, believed = (uint32_t)ctx->v[INITIAL_BATCH];
    if (choice(ctx, CAPABILITY) == TABLE && believed < batch) batch = believed;
    uint32_t row = row_of(j, at);
    if (j->n_pods >= ctx->pods_cap) return 0;
    pol_action a = {.verb = POL_START, .fn = j->fn, .gpu = at->gpu, .row = at->row, .sm_pct = at->sm_pct};
    a.quota_pct = at->quota_pct;
    a.batch_max = batch;
    a.weight = weight_of(at->cap);
    a.reason = reason;
    int64_t id = plan(j, &a, at->gpu);
    if (id < 0) return 0;
    ctx->pods[j->n_pods++] = (pod){.id = (uint32_t)id,
                                   .gpu = at->gpu,
                                   .row = row,
                                   .sm_pct = at->sm_pct,
                                   .quota_pct = at->quota_pct,
                                   .old_sm_pct = at->sm_pct,
                                   .batch_max = batch,
                                   .cap = at->cap};
    return 1;
}

/* The next pod by SM (sign 1: descending, -1: ascending), then id, after `last` (NULL: the first). */
static pod *next_by_sm(const job *j, const pod *last, int sign) {
    pod *best = NULL;
    for (size_t i = 0; i < j->n_pods; i++) {
        pod *p = &j->ctx->pods[i];
        int64_t key = sign * (int64_t)p->old_sm_pct;
        if (p->is_gone) continue;
        if (last &&
            (key > sign * (int64_t)last->old_sm_pct || (p->old_sm_pct == last->old_sm_pct && p <= last)))
            continue;
        if (!best || key > sign * (int64_t)best->old_sm_pct) best = p;
    }
    return best;
}

/* ---- vertical scaling ---- */

static const char *const GROW = "prediction above capacity: quota",
                         *const SHRINK = "prediction below capacity: quota",
                         *const WIDEN = "prediction above capacity: SM",
                         *const NARROW = "prediction below capacity: SM";

/* Free quota of the pod's row, as the bookkeeping has it. */
static uint32_t free_quota(const job *j, const pod *p) {
    int is_ghost = choice(j->ctx, ROWS) == GHOST && p->id > 0;
    uint32_t free_pct = j->view->rows[is_ghost ? j->view->gpus[p->gpu].first_row : p->row].quota_free_pct;
    return free_pct < 100 - p->quota_pct ? free_pct : 100 - p->quota_pct;
}

/* The artifact's: the first step that gains enough, else the last one, be it a hole in the table. */
static uint32_t grow_until_enough(job *j, const pod *p, double gap) {
    uint32_t quota = p->quota_pct, step = j->ctx->step_pct, free_pct = free_quota(j, p);
    double gain = 0;
    for (uint32_t n = step; n <= free_pct && gain < gap; n += step) {
        quota = p->quota_pct + n;
        gain = pod_capability(j, p, p->sm_pct, quota) - p->cap;
    }
    return quota;
}

/* The smallest quota that gains enough, else the smallest one that gains most. */
static uint32_t grow_to_best(job *j, const pod *p, double gap) {
    uint32_t best = p->quota_pct, step = j->ctx->step_pct, most = p->quota_pct + free_quota(j, p);
    double best_cap = p->cap;
    for (uint32_t quota = p->quota_pct + step; quota <= most; quota += step) {
        double cap = pod_capability(j, p, p->sm_pct, quota);
        if (cap > best_cap) {
            best_cap = cap;
            best = quota;
        }
        if (cap - p->cap >= gap) break;
    }
    return best;
}

/* What is left of the gap. */
static double scale_up_quotas(job *j, double gap) {
    int is_artifact = choice(j->ctx, CAPABILITY) == TABLE;
    for (pod *p = next_by_sm(j, NULL, 1); p && gap > 0; p = next_by_sm(j, p, 1)) {
        uint32_t quota = is_artifact ? grow_until_enough(j, p, gap) : grow_to_best(j, p, gap);
        double before = p->cap;
        if (quota != p->quota_pct && resize(j, p, p->sm_pct, quota, GROW) && counts(j, p))
            gap -= p->cap - before;
    }
    return gap;
}

/* ---- configurations ---- */

static double largest_capability(job *j, uint32_t device, uint32_t sm_max) {
    double most = 0;
    for (uint32_t sm = GRID_PCT; sm <= sm_max; sm += GRID_PCT) {
        double cap = capability(j, device, j->spec->batch_max, sm, 100);
        if (cap > most) most = cap;
    }
    return most;
}

/* Best capability per SM x quota among the configurations of at least need; 0: none. */
static double best_efficiency(job *j, uint32_t device, uint32_t sm_max, double need) {
    double best = 0;
    for (uint32_t sm = j->ctx->sm_min_pct; sm <= sm_max; sm += GRID_PCT)
        for (uint32_t quota = j->ctx->step_pct; quota <= 100; quota += j->ctx->step_pct) {
            double cap = capability(j, device, j->spec->batch_max, sm, quota),
                   efficiency = cap / (sm * quota);
            if (cap > 0 && cap >= need && efficiency > best) best = efficiency;
        }
    return best;
}

/* The smallest of the most efficient configurations of at least need; cap 0: none. */
static config efficient_config(job *j, uint32_t device, uint32_t sm_max, double need) {
    config best = {0};
    double least = EFFICIENCY_SLACK * best_efficiency(j, device, sm_max, need);
    for (uint32_t sm = j->ctx->sm_min_pct; least > 0 && sm <= sm_max; sm += GRID_PCT)
        for (uint32_t quota = j->ctx->step_pct; quota <= 100; quota += j->ctx->step_pct) {
            double cap = capability(j, device, j->spec->batch_max, sm, quota);
            if (cap < need || cap / (sm * quota) < least) continue;
            if (best.cap > 0 && sm * quota >= best.sm_pct * best.quota_pct) continue;
            best = (config){sm, quota, cap};
        }
    return best;
}

/* Many decisions about a class ask for the same: the next idle function gets its first pod. */
static config_memo *memo_for(job *j, uint32_t device, double gap) {
    int has_class = choice(j->ctx, CAPABILITY) != TABLE;
    config_memo *m = has_class ? &caps_on(j, device)->memo : &j->memo;
    if (!m->is_used || m->device != device || m->gap != gap) {
        *m = (config_memo){.is_used = 1, .device = device, .gap = gap};
        m->best_efficiency = best_efficiency(j, device, 100, gap);
    }
    return m;
}

/* ---- vertical scaling: SM widths ---- */

/* Whether the pod's width can be changed now: it must have its row for itself. */
static int is_resizable(const job *j, const pod *p) {
    return choice(j->ctx, SM_RESIZE) == ON && j->view->gpus[p->gpu].sm_resizable &&
           j->view->rows[p->row].n_pods == 1;
}

/* The narrowest width that gains enough, else the narrowest one that gains most. What it gains per SM x quota must
 * be no less than half of what a new pod could: beyond that a wider pod is hardly faster. */
static uint32_t widen_to_best(job *j, const pod *p, double gap) {
    const pol_gpu *g = &j->view->gpus[p->gpu];
    uint32_t best = p->sm_pct, most = p->sm_pct + g->sm_free_pct;
    double best_cap = p->cap, least = USED_EFFICIENCY * memo_for(j, g->device, gap)->best_efficiency;
    for (uint32_t sm = p->sm_pct + GRID_PCT; sm <= most; sm += GRID_PCT) {
        double cap = pod_capability(j, p, sm, p->quota_pct), more = (sm - p->sm_pct) * p->quota_pct;
        if (cap > best_cap && cap - p->cap >= least * more) {
            best_cap = cap;
            best = sm;
        }
        if (best_cap - p->cap >= gap) break;
    }
    return best;
}

/* What is left of the gap. */
static double widen_pods(job *j, double gap) {
    for (size_t i = 0; i < j->n_pods && gap > 0; i++) {
        pod *p = &j->ctx->pods[i];
        if (p->is_gone || !is_resizable(j, p)) continue;
        uint32_t sm = widen_to_best(j, p, gap);
        double before = p->cap;
        if (sm != p->sm_pct && resize(j, p, sm, p->quota_pct, WIDEN) && counts(j, p)) gap -= p->cap - before;
    }
    return gap;
}

/* ---- horizontal scaling: places ---- */

/* A pod for the gap, or, where no pod can cover it, one of several equal ones that do. */
static config config_for(job *j, uint32_t device, uint32_t sm_max, double gap) {
    config_memo *m = memo_for(j, device, gap);
    uint32_t bucket = sm_max / GRID_PCT;
    if (!m->is_known[bucket]) {
        double most = largest_capability(j, device, sm_max);
        m->is_known[bucket] = 1;
        if (most > 0)
            m->best[bucket] = efficient_config(j, device, sm_max, gap <= most ? gap : gap / ceil(gap / most));
    }
    return m->best[bucket];
}

static int has_place(const job *j, const pol_gpu *g) {
    return g->memory_free_mib >= j->spec->memory_mib && g->n_pods < g->pods_max;
}

/* The artifact's SM for a row that nobody has. */
static uint32_t family_width(const job *j, double gap) {
    const family *f = family_of(j->spec);
    return gap > f->wide_above_rps ? f->wide_pct : f->narrow_pct;
}

/* The pod that suits a row of this width: the smallest quota that covers the gap, or else, and always under
 * LARGEST, the one of most capability. */
static void try_row(job *j, uint32_t row, uint32_t sm_pct, double gap, spot *best) {
    const pol_row *r = &j->view->rows[row];
    uint32_t device = j->view->gpus[r->gpu].device;
    int is_largest = choice(j->ctx, HORIZONTAL_QUOTA) == LARGEST;
    for (uint32_t quota = j->ctx->step_pct; quota <= r->quota_free_pct; quota += j->ctx->step_pct) {
        double cap = capability(j, device, j->spec->batch_max, sm_pct, quota);
        int covers = !is_largest && cap >= gap, best_covers = !is_largest && best->cap >= gap;
        int is_better = covers ? !best_covers || sm_pct * quota < best->sm_pct * best->quota_pct
                               : !best_covers && cap > best->cap;
        if (cap > 0 && is_better) *best = (spot){r->gpu, row, sm_pct, quota, cap};
        if (covers) return;
    }
}

static uint32_t empty_row_width(job *j, const pol_gpu *g, double gap) {
    if (choice(j->ctx, HORIZONTAL_QUOTA) == LARGEST) return family_width(j, gap);
    return config_for(j, g->device, g->sm_free_pct, gap).sm_pct;
}

/* The best spot on a GPU: in rows that are there, unless an empty one is needed to cover the gap. */
static spot spot_on(job *j, uint32_t gpu, double gap) {
    const pol_gpu *g = &j->view->gpus[gpu];
    spot best = {.gpu = gpu};
    uint32_t empty = POL_NEW_ROW;
    for (uint32_t r = g->first_row; r < g->first_row + g->n_rows; r++) {
        uint32_t sm = j->view->rows[r].sm_pct;
        if (sm == 0 && empty == POL_NEW_ROW) empty = r;
        if (sm > 0 && choice(j->ctx, ALIGNMENT) == ON) try_row(j, r, sm, gap, &best);
    }
    if (empty == POL_NEW_ROW || (choice(j->ctx, HORIZONTAL_QUOTA) == SUFFICIENT && best.cap >= gap))
        return best;
    uint32_t sm = empty_row_width(j, g, gap);
    if (sm > 0) try_row(j, empty, sm, gap, &best);
    return best;
}

static int is_acceptable(job *j, const spot *at, double gap, int any) {
    if (at->cap <= 0 || any || choice(j->ctx, HORIZONTAL_QUOTA) == LARGEST) return at->cap > 0;
    if (at->cap < gap) return 0;
    double best = memo_for(j, j->view->gpus[at->gpu].device, gap)->best_efficiency; /* per SM % x quota % */
    return at->cap / (at->sm_pct * at->quota_pct) >= USED_EFFICIENCY * best;
}

/* The least occupied GPU in use that has an acceptable spot, from *place in their order on; below: its occupancy, of a
 * GPU. any: 0: the spot must cover the gap, efficiently; 1: whatever there is. */
static spot find_used(job *j, const used_class *used, size_t *place, double gap, double below, int any) {
    double unit = j->ctx->used.unit;
    for (; *place < used->n; ++*place) {
        uint64_t entry = used->order[*place];
        if (used_class_occupancy(entry) * unit / 10000.0 >= below) break;
        if (!has_place(j, &j->view->gpus[used_class_gpu(entry)])) continue;
        spot at = spot_on(j, used_class_gpu(entry), gap);
        if (is_acceptable(j, &at, gap, any)) return at;
    }
    return (spot){0};
}

static spot find_empty(job *j, double gap, size_t *from) {
    for (;; ++*from) {
        *from = used_gpus_unused(&j->ctx->used, j->view, *from);
        if (*from >= j->view->n_gpus) return (spot){0};
        const pol_gpu *g = &j->view->gpus[*from];
        if (!has_place(j, g)) continue;
        double required = j->ctx->v[REQUIRED_RPS];
        config c =
            required > 0 ? efficient_config(j, g->device, 100, required) : config_for(j, g->device, 100, gap);
        if (c.cap > 0) return (spot){(uint32_t)*from, POL_NEW_ROW, c.sm_pct, c.quota_pct, c.cap};
        if (required > 0) {
            uint32_t sm = (uint32_t)j->ctx->v[INITIAL_SM_PCT], quota = (uint32_t)j->ctx->v[INITIAL_QUOTA_PCT];
            double cap = capability(j, g->device, j->spec->batch_max, sm, quota);
            return (spot){(uint32_t)*from, POL_NEW_ROW, sm, quota, cap};
        }
    }
}

/* ---- horizontal scaling ---- */

static double start_on_used(job *j, double gap, double below, int any, const char *reason) {
    const used_class *used = used_gpus_for(&j->ctx->used, j->spec->memory_mib);
    size_t place = 0;
    for (int n = 0; gap > 0 && n < STARTS_PER_DECISION; n++) {
        spot at = find_used(j, used, &place, gap, below, any);
        if (at.cap <= 0) break;
        uint64_t taken = used->order[place];
        if (start(j, &at, reason)) gap -= at.cap;
        place = used_class_after(used, taken);
    }
    return gap;
}

static double start_on_empty(job *j, double gap, const char *reason) {
    size_t from = 0;
    for (int n = 0; gap > 0 && n < STARTS_PER_DECISION; n++) {
        spot at = find_empty(j, gap, &from);
        if (at.sm_pct == 0) break;
        if (start(j, &at, reason)) gap -= at.cap > 0 ? at.cap : gap;
        from++;
    }
    return gap;
}

/* The artifact's last resort: a pod of quota 10 in the first row that has some, on the first GPU with pods.
 */
static double start_spare(job *j, double gap) {
    const pol_view *v = j->view;
    size_t i = 0;
    while (i < v->n_gpus && v->gpus[i].n_pods == 0) i++;
    if (i == v->n_gpus || !has_place(j, &v->gpus[i])) return gap;
    const pol_gpu *g = &v->gpus[i];
    for (uint32_t r = g->first_row; r < g->first_row + g->n_rows; r++) {
        uint32_t free_pct = v->rows[r].quota_free_pct, quota = free_pct < 10 ? free_pct : 10;
        if (quota == 0) continue;
        spot at = {(uint32_t)i, r, v->rows[r].sm_pct ? v->rows[r].sm_pct : 50, quota, 0};
        at.cap = capability(j, g->device, j->spec->batch_max, at.sm_pct, quota);
        return start(j, &at, "no room: spare pod") ? gap - at.cap : gap;
    }
    return gap;
}

static double start_pods(job *j, double gap, double below) {
    gap = start_on_used(j, gap, below, 0, "prediction above capacity: GPU in use");
    if (choice(j->ctx, NEW_GPUS) == NEVER) return gap > 0 ? start_spare(j, gap) : gap;
    gap = start_on_empty(j, gap, "prediction above capacity: new GPU");
    return start_on_used(j, gap, 1e9, 1, "prediction above capacity: what is free");
}

/* ---- initial pods ---- */

/* The artifact's row for a width: the first of that width, else an empty one, else the one with most free
 * quota, whose width the pod then takes. */
static spot row_for(job *j, uint32_t gpu, uint32_t sm_pct, uint32_t quota_pct) {
    const pol_gpu *g = &j->view->gpus[gpu];
    const pol_row *rows = j->view->rows;
    uint32_t same = POL_NEW_ROW, empty = POL_NEW_ROW, freest = g->first_row;
    for (uint32_t r = g->first_row; r < g->first_row + g->n_rows; r++) {
        if (rows[r].sm_pct == sm_pct && same == POL_NEW_ROW) same = r;
        if (rows[r].sm_pct == 0 && empty == POL_NEW_ROW) empty = r;
        if (rows[r].quota_free_pct > rows[freest].quota_free_pct) freest = r;
    }
    uint32_t row = same != POL_NEW_ROW ? same : empty != POL_NEW_ROW ? empty : freest;
    if (rows[row].sm_pct) sm_pct = rows[row].sm_pct;
    if (rows[row].quota_free_pct < quota_pct || !has_place(j, g)) return (spot){0};
    return (spot){gpu, row, sm_pct, quota_pct,
                  capability(j, g->device, j->spec->batch_max, sm_pct, quota_pct)};
}

static uint32_t least_occupied(const job *j) {
    uint32_t best = 0;
    for (size_t i = 1; i < j->view->n_gpus; i++)
        if (j->view->gpus[i].occupancy < j->view->gpus[best].occupancy) best = (uint32_t)i;
    return best;
}

/* The artifact: any GPU, as all have occupancy 0; here a drawn one, or the first after it with room. */
static int start_anywhere(job *j, const char *reason) {
    const pol_host *h = j->ctx->host;
    size_t n = j->view->n_gpus;
    uint32_t sm = (uint32_t)j->ctx->v[INITIAL_SM_PCT], quota = (uint32_t)j->ctx->v[INITIAL_QUOTA_PCT];
    if (n == 0) return 0;
    size_t first = choice(j->ctx, OCCUPANCY) == REAL
                       ? least_occupied(j)
                       : (size_t)(h->uniform(h->impl, j->fn, j->s->tick) * (double)n);
    config c = efficient_config(j, j->view->gpus[first].device, 100, j->ctx->v[REQUIRED_RPS]);
    if (c.cap > 0) {
        sm = c.sm_pct;
        quota = c.quota_pct;
    }
    for (size_t i = 0; i < n; i++) {
        spot at = row_for(j, (uint32_t)((first + i) % n), sm, quota);
        if (at.sm_pct && start(j, &at, reason)) return 1;
    }
    return 0;
}

static int start_first(job *j, double need, const char *reason) {
    size_t before = j->n_pods;
    if (choice(j->ctx, NEW_GPUS) == NEVER) return start_anywhere(j, reason);
    need = start_on_used(j, need, j->ctx->v[INITIAL_OCCUPANCY], 0, reason);
    need = start_on_empty(j, need, reason);
    if (j->n_pods == before) start_on_used(j, need, 1e9, 1, reason);
    return j->n_pods > before;
}

static void retry_later(job *j) {
    j->s->retry_tick = j->s->tick + (j->ctx->retry_ticks > 0 ? j->ctx->retry_ticks : 1);
}

/* Up to min_pods, or one, that share what is predicted. */
static void start_initial(job *j, const char *reason) {
    uint32_t wanted = j->ctx->min_pods > 0 ? j->ctx->min_pods : 1;
    double prediction = j->s->prediction > 0 ? j->s->prediction : j->ctx->v[MIN_BUFFER_RPS];
    double need = prediction / j->ctx->v[UP_THRESHOLD] / wanted;
    if (need <= 0) need = 1e-9;
    while (alive(j) < wanted)
        if (!start_first(j, need, reason)) {
            retry_later(j);
            return;
        }
}

static void route(job *j) {
    static const pol_balance balances[] = {POL_RANDOM, POL_WEIGHTED, POL_PULL};
    pol_action a = {.verb = POL_ROUTE, .fn = j->fn, .balance = balances[choice(j->ctx, ROUTING)]};
    a.reason = "routing";
    j->ctx->host->plan(j->ctx->host->impl, &a);
}

/* ---- scale up, scale down ---- */

static void scale_up(job *j, double capacity) {
    const pol_ctx *ctx = j->ctx;
    double up = ctx->v[UP_THRESHOLD], prediction = j->s->prediction;
    double gap = choice(ctx, GAP) == RATIO ? prediction / up - capacity : prediction - up * capacity;
    if (choice(ctx, VERTICAL) == ON) gap = scale_up_quotas(j, gap);
    if (choice(ctx, VERTICAL) == ON && gap > 0) gap = widen_pods(j, gap);
    if (gap > 0 && choice(ctx, HORIZONTAL) == ON) gap = start_pods(j, gap, ctx->v[USED_OCCUPANCY]);
    if (gap > 0) retry_later(j);
}

/* The artifact's: the first step that frees enough, down to one step. */
static uint32_t shrink_until_enough(job *j, const pod *p, double excess, int is_only) {
    uint32_t quota = p->quota_pct, step = j->ctx->step_pct;
    double freed = 0;
    for (uint32_t n = step; n < p->quota_pct && freed < excess; n += step) {
        quota = p->quota_pct - n;
        double cap = pod_capability(j, p, p->sm_pct, quota);
        freed = p->cap - cap;
        if (is_only && cap < 0.1) break;
    }
    return quota;
}

typedef struct {
    uint32_t sm_pct, quota_pct;
} size;

/* The least SM x quota that frees no more than the excess and still meets the SLO, of equal ones the widest; only
 * quotas below the present one where the width is fixed. */
static size shrink_within(job *j, const pod *p, double excess) {
    size best = {p->sm_pct, p->quota_pct};
    uint32_t step = j->ctx->step_pct, least = is_resizable(j, p) ? j->ctx->sm_min_pct : p->sm_pct;
    for (uint32_t sm = p->sm_pct; sm >= least; sm -= GRID_PCT) {
        for (uint32_t n = 0; n < p->quota_pct; n += step) {
            double cap = pod_capability(j, p, sm, p->quota_pct - n);
            if (cap <= 0 || p->cap - cap > excess) break;
            if (sm * (p->quota_pct - n) < best.sm_pct * best.quota_pct) best = (size){sm, p->quota_pct - n};
        }
        if (sm <= GRID_PCT) break;
    }
    return best;
}

static double shrink_pods(job *j, double excess) {
    int is_least = choice(j->ctx, SCALE_DOWN) == AT_LEAST, is_only = alive(j) == 1;
    for (pod *p = next_by_sm(j, NULL, -1); p && excess > 0; p = next_by_sm(j, p, -1)) {
        size to = {p->sm_pct, 0};
        if (is_least)
            to.quota_pct = shrink_until_enough(j, p, excess, is_only);
        else
            to = shrink_within(j, p, excess);
        if (to.sm_pct == p->sm_pct && to.quota_pct == p->quota_pct) continue;
        const char *reason = to.sm_pct == p->sm_pct ? SHRINK : NARROW;
        double before = p->cap;
        if (resize(j, p, to.sm_pct, to.quota_pct, reason) && counts(j, p)) excess -= before - p->cap;
    }
    return excess;
}

static int is_removable(const job *j, const pod *p) {
    return choice(j->ctx, SCALE_DOWN) == AT_MOST || p->sm_pct <= 50;
}

static void scale_down_pods(job *j, double excess) {
    uint32_t keep = j->ctx->min_pods > 1 ? j->ctx->min_pods : 1, n = alive(j);
    for (pod *p = next_by_sm(j, NULL, -1); p && excess > 0 && n > keep; p = next_by_sm(j, p, -1))
        if (is_removable(j, p) && p->cap <= excess && take_away(j, p, "prediction below capacity: pod")) {
            if (counts(j, p)) excess -= p->cap;
            n--;
        }
}

static void scale_down(job *j, double capacity) {
    double up = j->ctx->v[UP_THRESHOLD], prediction = j->s->prediction;
    double excess =
        choice(j->ctx, SCALE_DOWN) == AT_MOST ? capacity - prediction / up : up * capacity - prediction;
    if (choice(j->ctx, VERTICAL) == ON) excess = shrink_pods(j, excess);
    if (choice(j->ctx, HORIZONTAL) == ON) scale_down_pods(j, excess);
    j->s->down_tick = j->s->tick;
}

static void stop_all(job *j) {
    for (size_t i = 0; i < j->n_pods; i++) take_away(j, &j->ctx->pods[i], "idle");
}

/* ---- acting ---- */

/* The least capability that one step less of a pod's size gives up; INFINITY: none is possible. */
static double freed_by_a_step(job *j, const pod *p) {
    const pol_ctx *ctx = j->ctx;
    int is_least = choice(ctx, SCALE_DOWN) == AT_LEAST;
    double cap = counts(j, p) ? p->cap : 0, freed = INFINITY;
    if (choice(ctx, VERTICAL) == OFF) return INFINITY;
    if (p->quota_pct > ctx->step_pct) {
        double less = pod_capability(j, p, p->sm_pct, p->quota_pct - ctx->step_pct);
        if (is_least || less > 0) freed = fmax(cap - less, 0);
    }
    if (!is_least && is_resizable(j, p) && p->sm_pct >= ctx->sm_min_pct + GRID_PCT) {
        double less = pod_capability(j, p, p->sm_pct - GRID_PCT, p->quota_pct);
        if (less > 0) freed = fmin(freed, fmax(cap - less, 0));
    }
    return freed;
}

/* The largest prediction at which some reduction is still possible: one step of a pod, or a pod. */
static double reducible_below(job *j, double capacity) {
    const pol_ctx *ctx = j->ctx;
    int is_least = choice(ctx, SCALE_DOWN) == AT_LEAST;
    uint32_t n = alive(j), keep = ctx->min_pods > 1 ? ctx->min_pods : 1;
    double most = 0;
    for (size_t i = 0; i < j->n_pods; i++) {
        const pod *p = &ctx->pods[i];
        if (p->is_gone) continue;
        double freed = freed_by_a_step(j, p);
        if (n > keep && choice(ctx, HORIZONTAL) == ON && is_removable(j, p))
            freed = fmin(freed, counts(j, p) ? p->cap : 0);
        double below = is_least && freed < INFINITY ? INFINITY : ctx->v[UP_THRESHOLD] * (capacity - freed);
        if (below > most) most = below;
    }
    return most;
}

/* Leaves behind what observe needs: between which predictions nothing can be done. */
static void summarise(job *j) {
    fn_state *s = j->s;
    double capacity = total_capability(j), down = j->ctx->v[DOWN_THRESHOLD] * capacity;
    double reducible = reducible_below(j, capacity);
    s->up_above = j->ctx->v[UP_THRESHOLD] * capacity;
    s->down_below = down < reducible ? down : reducible;
    s->pods = (uint16_t)alive(j);
    s->ready = 0;
    for (size_t i = 0; i < j->n_pods; i++) {
        const pod *p = &j->ctx->pods[i];
        if (!p->is_gone && p->is_ready) s->ready++;
    }
}

static void decide(job *j) {
    const pol_ctx *ctx = j->ctx;
    fn_state *s = j->s;
    uint32_t n = alive(j), ready = 0;
    double capacity = total_capability(j);
    for (size_t i = 0; i < j->n_pods; i++) ready += (uint32_t)ctx->pods[i].is_ready;
    if (n < ctx->min_pods)
        start_initial(j, "fewer than min_pods");
    else if (n == 0)
        start_initial(j, "requests without a pod");
    else if (choice(ctx, READINESS) == ALL_ONCE_READY && ready == 0)
        return;
    else if (s->prediction > ctx->v[UP_THRESHOLD] * capacity)
        scale_up(j, capacity);
    else if (is_idle(ctx, s, s->tick))
        stop_all(j);
    else if (s->prediction < ctx->v[DOWN_THRESHOLD] * capacity && is_cool(ctx, s, s->tick))
        scale_down(j, capacity);
}

static void act_on(pol_ctx *ctx, uint32_t fn, const pol_view *view, const pol_pod *pods, size_t n_pods) {
    fn_state *s = &ctx->fns[fn];
    job j = {.ctx = ctx, .s = s, .fn = fn, .spec = ctx->host->fn(ctx->host->impl, fn), .view = view};
    if (view->cause == POL_ARRIVAL) {
        if (!ctx->is_global) catch_up(ctx, s, (uint32_t)((view->now_ns - 1) / ctx->tick_ns));
        s->busy_tick = (uint32_t)(view->now_ns / ctx->tick_ns);
    }
    if (!gather(&j, pods, n_pods)) return;
    if (view->cause == POL_BEGIN) route(&j);
    if (view->cause == POL_BEGIN && ctx->min_pods > 0) start_initial(&j, "initial pod");
    if (view->cause == POL_ARRIVAL && alive(&j) == 0 && s->tick >= s->retry_tick)
        start_initial(&j, "arrival without a pod");
    if (view->cause == POL_TICK) decide(&j);
    uint16_t seen = s->pods;
    summarise(&j);
    /* A pod that leaves before the next tick has never been seen: that tick may be skipped, so it must not
     * find pods missing. */
    if (view->cause == POL_ARRIVAL) s->pods = seen;
}

static void has_act(pol_ctx *ctx, uint32_t fn, const pol_view *view) {
    if (!used_gpus_begin(&ctx->used, view)) return; /* out of memory */
    if (fn != POL_ALL) {
        act_on(ctx, fn, view, view->pods, view->n_pods);
        return;
    }
    size_t at = 0;
    for (uint32_t f = 0; f < ctx->n_fns; f++) {
        size_t from = at;
        while (at < view->n_pods && view->pods[at].fn == f) at++;
        if (ctx->fns[f].wants || view->cause != POL_TICK) act_on(ctx, f, view, view->pods + from, at - from);
    }
}

/* ---- opening ---- */

/* P' = 1 / (1 / (P + Q) + 1 / R) and K = P' / R are the textbook's update, written so that rounding is
 * monotone: P settles bitwise. */
static void lay_out_filter(pol_ctx *ctx) {
    double p = 1, r = ctx->v[MEASUREMENT_NOISE];
    while (ctx->n_steps < GAIN_TICKS_MAX) {
        double before = p;
        p = 1.0 / (1.0 / (p + ctx->v[PROCESS_NOISE]) + 1.0 / r);
        ctx->steps[ctx->n_steps++] = (filter_step){p / r, ctx->v[ALPHA] * sqrt(p)};
        if (p == before) break;
    }
}

static uint32_t ticks_of(const pol_ctx *ctx, double seconds) {
    return (uint32_t)ceil(seconds * 1e9 / (double)ctx->tick_ns - 1e-9);
}

static pol_status check(const pol_ctx *ctx, char err[POL_ERR_LEN]) {
    const double *v = ctx->v;
    double scrape_s = (double)ctx->host->scrape_ns * 1e-9;
    *err = 0;
    if (ctx->host->scrape_ns <= 0)
        snprintf(err, POL_ERR_LEN, "has: found no metrics period, expected a positive one");
    else if (v[DOWN_THRESHOLD] >= v[UP_THRESHOLD])
        snprintf(err, POL_ERR_LEN, "scale_down_threshold %g must be below scale_up_threshold %g",
                 v[DOWN_THRESHOLD], v[UP_THRESHOLD]);
    else if (choice(ctx, VERTICAL) == OFF && choice(ctx, HORIZONTAL) == OFF)
        snprintf(err, POL_ERR_LEN, "vertical and horizontal are both off: expected one of them on");
    else if (v[MIN_PODS] == 0 && v[IDLE_S] <= scrape_s)
        snprintf(err, POL_ERR_LEN, "idle_s %g must exceed the metrics period %g s: idleness would go unseen",
                 v[IDLE_S], scrape_s);
    return *err ? POL_BAD_PARAM : POL_OK;
}

static pol_status make_state(pol_ctx *ctx) {
    ctx->n_classes = 4;
    while (ctx->n_classes < 4 * ctx->n_fns && ctx->n_classes < CLASS_SLOTS_MAX) ctx->n_classes *= 2;
    ctx->fns = calloc(ctx->n_fns ? ctx->n_fns : 1, sizeof *ctx->fns);
    ctx->classes = calloc(ctx->n_classes, sizeof *ctx->classes);
    int is_integer = choice(ctx, OCCUPANCY) == INTEGER;
    return ctx->fns && ctx->classes && make_room(ctx, 2 * STARTS_PER_DECISION) &&
                   used_gpus_open(&ctx->used, ctx->host, ctx->n_fns, is_integer ? 10000 : 1)
               ? POL_OK
               : POL_NO_MEM;
}

static void has_close(pol_ctx *ctx) {
    if (!ctx) return;
    free(ctx->fns);
    free(ctx->classes);
    free(ctx->pods);
    used_gpus_close(&ctx->used);
    free(ctx);
}

static pol_status has_open(pol_ctx **out, const pol_host *host, size_t n_fns, pol_mode mode,
                           const double *values, uint32_t *flags, int64_t *tick_ns, char err[POL_ERR_LEN]) {
    (void)mode; /* has spoken through the defaults */
    *out = NULL;
    pol_ctx *ctx = calloc(1, sizeof *ctx);
    if (!ctx) return POL_NO_MEM;
    ctx->host = host;
    ctx->n_fns = n_fns;
    memcpy(ctx->v, values, sizeof ctx->v);
    ctx->tick_ns = *tick_ns = (int64_t)(values[TICK_S] * 1e9 + 0.5);
    ctx->cooldown_ticks = ticks_of(ctx, values[COOLDOWN_S]);
    ctx->retry_ticks = ticks_of(ctx, values[RETRY_S]);
    ctx->idle_ticks = ticks_of(ctx, values[IDLE_S]);
    ctx->step_pct = (uint32_t)values[QUOTA_STEP_PCT];
    ctx->sm_min_pct = ((uint32_t)values[SM_MIN_PCT] + GRID_PCT - 1) / GRID_PCT * GRID_PCT;
    ctx->min_pods = (uint32_t)values[MIN_PODS];
    ctx->is_global = choice(ctx, PREDICTION) == ON && choice(ctx, FILTER) == SHARED;
    *flags = ctx->is_global ? POL_GLOBAL : 0;
    lay_out_filter(ctx);
    pol_status status = check(ctx, err);
    if (status == POL_OK) status = make_state(ctx);
    if (status == POL_OK)
        *out = ctx;
    else
        has_close(ctx);
    return status;
}

extern const pol_ops policy_has;
const pol_ops policy_has = {
    .abi = POL_ABI,
    .name = "has",
    .help = "HAS-GPU: predicts the request rate, scales quotas first, then pods in SM-aligned rows",
    .params = params,
    .n_params = N_PARAMS,
    .scrape_s = 5,
    .billing = "share",
    .open = has_open,
    .observe = has_observe,
    .act = has_act,
    .close = has_close,
};
