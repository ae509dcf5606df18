/* fast_gshare.c - FaST-GShare: pods of fixed SM partition and quota, scaled in number, packed as rectangles.
 *
 * A profile says what throughput T(SM, quota) a pod of a function has; RPR = T / (SM x quota) is its throughput per
 * resource. Every tick, with R = the request rate between the last two scrapes and C = the sum of the pods' T:
 *   - up, when R > scale_up_threshold x C: the processing gap is d = R / scale_up_threshold - C. floor(d / T_eff)
 *     pods of the configuration of largest RPR, and for the residue r the one of least T - r, T > r.
 *   - down, when R < scale_down_threshold x C, and cooldown_s after the last change: pods in ascending order of RPR,
 *     as long as scale_up_threshold x C stays at or above R without them.
 * Quotas never change. [FaST-GShare, ICPP 2023, as recovered in the project's notes on systems, section 3.2]
 *
 * Placement: a GPU is a square, quota x SM, whose free area is kept as maximal rectangles (rectangles_int.h). A pod
 * goes where the free rectangle around it leaves least area over (best fit), of all GPUs; so an empty GPU comes
 * last. When a pod has left, the others keep their places and the free rectangles are made anew
 * ("keep-restructure", as we read it).
 *
 * How rectangles become rows. Here a GPU is shared by rows: pods of one SM width side by side in time. A row of
 * width h whose quotas sum to w is the rectangle [0, w) x [y, y + h): its pods are pushed together, which loses
 * nothing, as a quota is a share of every window and has no place in it. Rows are stacked from 0 upwards; SM
 * partitions have no place either, so a restructuring closes the gaps that rows left. A free rectangle can be used
 * only in line with this: by a pod of a row's own width beside its last pod, or by one above all rows, as a new row.
 * What the paper's packing could do beyond it, pods of unequal widths side by side in time, rows do not allow; so
 * packing is less dense here, and the cluster's rows_per_gpu limits how many widths a GPU can hold. Where the pod
 * that is wanted fits nowhere, the free place of best RPR is taken, whatever its size.
 *
 * Ours, where the paper leaves room: the throughput is the one sustained within the SLO (throughput_int.h; switch
 * slo); thresholds and cooldown; functions begin with pods for initial_rps.
 *
 * Mode `artifact` is what the validation runs show, whose controller is not published (section 3.3): every pod has
 * the SM, quota and batch of its annotations (configs: fixed), at most one pod more per 2-s tick, seldom one less,
 * killed at once; admission by area and memory, on the first GPU with room, which was one GPU always. Its law is
 * unknown: here a gap over pods that serve one request after the other, overhead inside (capability: serial), with
 * thresholds chosen by the recorded numbers of pods. Of eight recorded runs it ends up with as many (bert 30 %
 * x 30 %: 4, bert 30 x 20: 5, mobilenet 30 x 30 stress: 7), one less (three runs), or more (convnext 30 x 50 stress
 * 7 for 5, bert 50 x 50 stress 6 for 3); pods come within seconds of those recorded in the first minutes. Not
 * reproduced: pods requested beyond what memory holds (they were listed, not running; here none is started) and
 * the law that the published stub holds in comments. Endpoints of killed pods that stay in the gateway are the
 * cluster's (config: cluster.linger_s).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"
#include "rate_watch_int.h"
#include "rectangles_int.h"
#include "throughput_int.h"

enum {
    TICK_S,
    MIN_PODS,
    UP_THRESHOLD,
    DOWN_THRESHOLD,
    COOLDOWN_S,
    RETRY_S,
    PODS_PER_TICK,
    INITIAL_RPS,
    SM_STEP_PCT,
    QUOTA_STEP_PCT,
    SM_PCT,
    QUOTA_PCT,
    BATCH,
    CONFIGS,
    CAPABILITY,
    SLO,
    PLACEMENT,
    RPS_INPUT,
    ROUTING,
    REMOVAL,
    N_PARAMS
};
/* Choices, in the order of the table below. */
enum { EFFICIENT, FIXED };
enum { SUSTAINED, SERIAL };
enum { OFF, ON };
enum { RECTANGLES, FIRST_GPU };
enum { COMPLETIONS, ARRIVALS };
enum { RANDOM, WEIGHTED, PULL };
enum { KILL, STOP };

/* by_default is {corrected, artifact}. */
static const pol_param params[N_PARAMS] = {
    [TICK_S] = {"tick_s", "s", "period of decisions", NULL, {2, 2}, 0.1, 3600, 0},
    [MIN_PODS] = {"min_pods", "", "pods that a function always keeps", NULL, {1, 1}, 1, 1000, 1},
    [UP_THRESHOLD] =
        {"scale_up_threshold", "", "of throughput; scale up above", NULL, {0.8, 0.7}, 0.01, 1, 0},
    [DOWN_THRESHOLD] =
        {"scale_down_threshold", "", "of throughput; scale down below", NULL, {0.5, 0.07}, 0, 0.99, 0},
    [COOLDOWN_S] = {"cooldown_s", "s", "no scale-down so soon after a change", NULL, {30, 30}, 0, 86400, 0},
    [RETRY_S] = {"retry_s", "s", "wait after a scale-up that found no room", NULL, {10, 0}, 0, 3600, 0},
    [PODS_PER_TICK] = {"pods_per_tick", "", "started or removed at most", NULL, {64, 1}, 1, 64, 1},
    [INITIAL_RPS] =
        {"initial_rps", "1/s", "that the first pods of a function are for", NULL, {5, 5}, 0, 1e6, 0},
    [SM_STEP_PCT] = {"sm_step_pct", "%", "the profile's SM partitions", NULL, {10, 10}, 5, 100, 1},
    [QUOTA_STEP_PCT] = {"quota_step_pct", "%", "the profile's quotas", NULL, {10, 10}, 5, 100, 1},
    [SM_PCT] = {"sm_pct", "%", "configs fixed: of each pod", NULL, {30, 30}, 1, 100, 1},
    [QUOTA_PCT] = {"quota_pct", "%", "configs fixed: of each pod", NULL, {50, 50}, 1, 100, 1},
    [BATCH] = {"batch", "", "of each pod at most; 0: the function's", NULL, {0, 1}, 0, 32, 1},
    [CONFIGS] =
        {"configs", "", "by throughput per resource, or set", "efficient|fixed", {EFFICIENT, FIXED}, 0, 0, 0},
    [CAPABILITY] = {"capability",
                    "",
                    "of a pod: as a load test finds, or one request after the other",
                    "sustained|serial",
                    {SUSTAINED, SERIAL},
                    0,
                    0,
                    0},
    [SLO] = {"slo", "", "count only what is sustained within it", "off|on", {ON, OFF}, 0, 0, 0},
    [PLACEMENT] = {"placement",
                   "",
                   "best fit of rectangles, or the first GPU with area",
                   "rectangles|first_gpu",
                   {RECTANGLES, FIRST_GPU},
                   0,
                   0,
                   0},
    [RPS_INPUT] =
        {"rps_input", "", "what is measured", "completions|arrivals", {ARRIVALS, COMPLETIONS}, 0, 0, 0},
    [ROUTING] = {"routing", "", "of requests to pods", "random|weighted|pull", {WEIGHTED, RANDOM}, 0, 0, 0},
    [REMOVAL] =
        {"removal", "", "of a pod: at once, or when its work is done", "kill|stop", {STOP, KILL}, 0, 0, 0},
};

enum {
    GRID_MAX = 20,     /* steps of SM or quota */
    PROFILE_SLOTS = 64 /* a power of two */
};

typedef struct {
    uint32_t sm_pct, quota_pct;
    double rps; /* T; <= 0: none */
} config;

typedef struct { /* T(SM, quota) of a class of equal functions on one device kind */
    uint32_t fn, device;
    int is_used;
    config efficient;
    double rps[GRID_MAX][GRID_MAX];
} profile;

typedef struct { /* a row as a rectangle */
    uint32_t y, sm_pct, used_pct;
} strip;

typedef struct {
    uint32_t id;
    int is_gone;
    double rps, rpr;
} pod;

struct pol_ctx {
    const pol_host *host;
    double v[N_PARAMS];
    rate_clock clock;
    uint32_t cooldown_ticks, retry_ticks, min_pods, sm_step, quota_step;
    int is_strict; /* first_gpu: a row beyond 100 % SM has been refused */
    rate_watch *fns;
    profile *profiles;   /* PROFILE_SLOTS */
    rectangles *free_on; /* per GPU; made at the first act */
    strip *strips;       /* per row */
    size_t n_gpus;
    pod *pods; /* of the function that acts; grows as functions do */
    size_t pods_cap;
};

typedef struct { /* a decision about one function */
    pol_ctx *ctx;
    rate_watch *w;
    uint32_t fn;
    const pol_fn *spec;
    const pol_view *view;
    size_t n_pods; /* in ctx->pods, with those that are gone */
} job;

static int choice(const pol_ctx *ctx, int param) {
    return (int)ctx->v[param];
}

static double rpr_of(config c) {
    return c.rps / (c.sm_pct * c.quota_pct);
}

/* ---- profiles ---- */

static double serial_rps(const job *j, uint32_t device, uint32_t sm_pct, uint32_t quota_pct) {
    const pol_host *h = j->ctx->host;
    double latency_ms = (double)h->latency_ns(h->impl, j->fn, device, 1, sm_pct, quota_pct) * 1e-6;
    return latency_ms < 0 ? -1 : 1000 / (latency_ms + h->overhead_ms(h->impl, j->fn, device));
}

static double ask_rps(const job *j, uint32_t device, uint32_t sm_pct, uint32_t quota_pct, double slo_ns) {
    if (choice(j->ctx, CAPABILITY) == SERIAL) return serial_rps(j, device, sm_pct, quota_pct);
    return throughput_within(j->ctx->host, j->fn, device, (uint32_t)j->ctx->v[BATCH], sm_pct, quota_pct,
                             slo_ns);
}

static uint32_t grid(uint32_t step) {
    return RECTANGLES_SIDE / step;
}

static config config_at(const job *j, const profile *p, uint32_t sm, uint32_t quota) {
    return (config){(sm + 1) * j->ctx->sm_step, (quota + 1) * j->ctx->quota_step, p->rps[sm][quota]};
}

/* Measures all configurations; the most efficient one, of equal ones the narrowest, is p->efficient. */
static void measure(const job *j, profile *p, double slo_ns) {
    for (uint32_t sm = 0; sm < grid(j->ctx->sm_step); sm++)
        for (uint32_t quota = 0; quota < grid(j->ctx->quota_step); quota++) {
            config c = config_at(j, p, sm, quota);
            c.rps = p->rps[sm][quota] = ask_rps(j, p->device, c.sm_pct, c.quota_pct, slo_ns);
            if (c.rps > 0 && (p->efficient.rps <= 0 || rpr_of(c) > rpr_of(p->efficient))) p->efficient = c;
        }
}

static int is_same_class(const job *j, const profile *p, uint32_t device) {
    const pol_host *h = j->ctx->host;
    const pol_fn *other = h->fn(h->impl, p->fn), *spec = j->spec;
    return p->device == device && other->slo_ns == spec->slo_ns && other->batch_max == spec->batch_max &&
           other->workers == spec->workers && strcmp(other->model, spec->model) == 0 &&
           h->overhead_ms(h->impl, p->fn, device) == h->overhead_ms(h->impl, j->fn, device);
}

static size_t class_slot(const pol_fn *spec, uint32_t device) {
    uint64_t h = (uint64_t)spec->slo_ns ^ (uint64_t)spec->workers << 48 ^ device;
    for (const char *c = spec->model; *c; c++) h = (h ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    return (h ^ h >> 29) & (PROFILE_SLOTS - 1);
}

/* The profile of this function's class; one that it collides with is forgotten. An SLO that no configuration
 * meets is not minded. */
static const profile *profile_on(const job *j, uint32_t device) {
    profile *p = &j->ctx->profiles[class_slot(j->spec, device)];
    if (p->is_used && is_same_class(j, p, device)) return p;
    *p = (profile){.fn = j->fn, .device = device, .is_used = 1};
    measure(j, p, choice(j->ctx, SLO) == ON ? (double)j->spec->slo_ns : INFINITY);
    if (p->efficient.rps <= 0 && choice(j->ctx, SLO) == ON) measure(j, p, INFINITY);
    return p;
}

static double pod_rps(const job *j, uint32_t device, uint32_t sm_pct, uint32_t quota_pct) {
    const pol_ctx *ctx = j->ctx;
    if (choice(ctx, CONFIGS) == FIXED || sm_pct % ctx->sm_step || quota_pct % ctx->quota_step)
        return ask_rps(j, device, sm_pct, quota_pct, INFINITY);
    return profile_on(j, device)->rps[sm_pct / ctx->sm_step - 1][quota_pct / ctx->quota_step - 1];
}

/* Least T - gap, T > gap; of equal ones the smallest. */
static config residue_config(const job *j, const profile *p, double gap) {
    config best = {0};
    for (uint32_t sm = 0; sm < grid(j->ctx->sm_step); sm++)
        for (uint32_t quota = 0; quota < grid(j->ctx->quota_step); quota++) {
            config c = config_at(j, p, sm, quota);
            if (c.rps <= gap || (best.rps > 0 && c.rps > best.rps)) continue;
            if (best.rps <= 0 || c.rps < best.rps || c.sm_pct * c.quota_pct < best.sm_pct * best.quota_pct)
                best = c;
        }
    return best;
}

/* The next pod for a gap; rps <= 0: none, the model is unknown there. */
static config config_for(const job *j, uint32_t device, double gap) {
    const pol_ctx *ctx = j->ctx;
    if (choice(ctx, CONFIGS) == FIXED) {
        config c = {(uint32_t)ctx->v[SM_PCT], (uint32_t)ctx->v[QUOTA_PCT], 0};
        c.rps = pod_rps(j, device, c.sm_pct, c.quota_pct);
        return c;
    }
    const profile *p = profile_on(j, device);
    return p->efficient.rps <= gap ? p->efficient : residue_config(j, p, gap);
}

/* ---- rows as rectangles ---- */

static rectangle rectangle_of(const strip *s) {
    return (rectangle){0, s->y, s->used_pct, s->sm_pct};
}

static int is_up_to_date(const job *j, const pol_gpu *g) {
    for (uint32_t r = g->first_row; r < g->first_row + g->n_rows; r++) {
        const strip *s = &j->ctx->strips[r];
        const pol_row *row = &j->view->rows[r];
        if (s->sm_pct != row->sm_pct || s->used_pct + row->quota_free_pct != 100) return 0;
    }
    return 1;
}

/* Stacks the rows anew. 0: out of memory; then nothing is known to be free. */
static int restructure(const job *j, const pol_gpu *g, rectangles *free_area) {
    uint32_t y = 0;
    if (rectangles_free_all(free_area)) return 0;
    for (uint32_t r = g->first_row; r < g->first_row + g->n_rows; r++) {
        const pol_row *row = &j->view->rows[r];
        strip *s = &j->ctx->strips[r];
        *s = (strip){y, row->sm_pct, 100 - row->quota_free_pct};
        y += row->sm_pct;
        if (rectangles_take(free_area, rectangle_of(s))) {
            free_area->n = 0;
            return 0;
        }
    }
    return 1;
}

static const rectangles *free_area_of(const job *j, uint32_t gpu) {
    rectangles *f = &j->ctx->free_on[gpu];
    const pol_gpu *g = &j->view->gpus[gpu];
    if (f->n == 0 || !is_up_to_date(j, g)) restructure(j, g, f);
    return f;
}

/* A pod of width sm_pct and quota_pct in this row; of no area where it cannot be. The top of all rows is where an
 * empty one begins. */
static rectangle position_in(const job *j, const pol_gpu *g, uint32_t row, uint32_t sm_pct,
                             uint32_t quota_pct) {
    const strip *s = &j->ctx->strips[row];
    uint32_t top = 0;
    if (s->sm_pct == sm_pct) return (rectangle){s->used_pct, s->y, quota_pct, sm_pct};
    if (s->sm_pct > 0) return (rectangle){0};
    for (uint32_t r = g->first_row; r < g->first_row + g->n_rows; r++) {
        const strip *o = &j->ctx->strips[r];
        if (o->sm_pct > 0 && o->y + o->sm_pct > top) top = o->y + o->sm_pct;
    }
    return (rectangle){0, top, quota_pct, sm_pct};
}

/* ---- places ---- */

typedef struct { /* c.rps <= 0: nowhere */
    uint32_t gpu, row;
    rectangle at;
    config c;
    uint32_t left_over; /* area of the free rectangle around it that stays free */
} place;

static int has_room(const job *j, const pol_gpu *g) {
    return g->memory_free_mib >= j->spec->memory_mib && g->n_pods < g->pods_max;
}

/* The least area that a free rectangle around r leaves over; UINT32_MAX: none is around it. */
static uint32_t fit(const rectangles *free_area, const rectangle *r) {
    uint32_t best = UINT32_MAX;
    if (r->w == 0) return best;
    for (uint32_t i = 0; i < free_area->n; i++) {
        const rectangle *f = &free_area->v[i];
        uint32_t left_over = f->w * f->h - r->w * r->h;
        if (rectangle_is_within(r, f) && left_over < best) best = left_over;
    }
    return best;
}

/* Empty rows of a GPU are alike: only the first is worth a look. */
static int is_later_empty_row(const job *j, const pol_gpu *g, uint32_t row) {
    for (uint32_t r = g->first_row; r < row; r++)
        if (j->view->rows[r].sm_pct == 0) return j->view->rows[row].sm_pct == 0;
    return 0;
}

static void fit_on(const job *j, uint32_t gpu, config c, place *best) {
    const pol_gpu *g = &j->view->gpus[gpu];
    const rectangles *free_area = free_area_of(j, gpu);
    for (uint32_t r = g->first_row; r < g->first_row + g->n_rows; r++) {
        if (is_later_empty_row(j, g, r)) continue;
        rectangle at = position_in(j, g, r, c.sm_pct, c.quota_pct);
        uint32_t left_over = fit(free_area, &at);
        if (left_over != UINT32_MAX && (best->c.rps <= 0 || left_over < best->left_over))
            *best = (place){gpu, r, at, c, left_over};
    }
}

static place best_fit(const job *j, double gap) {
    place best = {0};
    config c = {0};
    uint32_t device = UINT32_MAX; /* that c is for */
    for (uint32_t i = 0; i < j->view->n_gpus; i++) {
        const pol_gpu *g = &j->view->gpus[i];
        if (!has_room(j, g)) continue;
        if (g->device != device) c = config_for(j, device = g->device, gap);
        if (c.rps > 0) fit_on(j, i, c, &best);
    }
    return best;
}

/* Of all configurations that fit into this row, the one of best RPR. */
static void try_all_in(const job *j, uint32_t gpu, uint32_t row, place *best) {
    const pol_gpu *g = &j->view->gpus[gpu];
    const profile *p = profile_on(j, g->device);
    const rectangles *free_area = free_area_of(j, gpu);
    for (uint32_t sm = 0; sm < grid(j->ctx->sm_step); sm++)
        for (uint32_t quota = 0; quota < grid(j->ctx->quota_step); quota++) {
            config c = config_at(j, p, sm, quota);
            if (c.rps <= 0 || (best->c.rps > 0 && rpr_of(c) <= rpr_of(best->c))) continue;
            rectangle at = position_in(j, g, row, c.sm_pct, c.quota_pct);
            uint32_t left_over = fit(free_area, &at);
            if (left_over != UINT32_MAX) *best = (place){gpu, row, at, c, left_over};
        }
}

static place whatever_is_free(const job *j) {
    place best = {0};
    if (choice(j->ctx, CONFIGS) == FIXED) return best;
    for (uint32_t i = 0; i < j->view->n_gpus; i++) {
        const pol_gpu *g = &j->view->gpus[i];
        if (!has_room(j, g)) continue;
        for (uint32_t r = g->first_row; r < g->first_row + g->n_rows; r++)
            if (!is_later_empty_row(j, g, r)) try_all_in(j, i, r, &best);
    }
    return best;
}

/* ---- starting ---- */

static int start(job *j, uint32_t gpu, uint32_t row, config c, const char *reason) {
    pol_ctx *ctx = j->ctx;
    if (j->n_pods >= ctx->pods_cap) return 0;
    pol_action a = {.verb = POL_START, .fn = j->fn, .gpu = gpu, .row = row, .sm_pct = c.sm_pct};
    a.quota_pct = c.quota_pct;
    a.batch_max = (uint32_t)ctx->v[BATCH];
    a.weight = c.rps < 0.01 ? 1 : (uint32_t)(fmin(c.rps, 1e6) * 100 + 0.5);
    a.reason = reason;
    int64_t id = ctx->host->plan(ctx->host->impl, &a);
    if (id < 0) return 0;
    ctx->pods[j->n_pods++] = (pod){.id = (uint32_t)id, .rps = c.rps, .rpr = rpr_of(c)};
    return 1;
}

/* T of the pod that was started; 0: none. */
static double start_in_rectangle(job *j, double gap, const char *reason) {
    place at = best_fit(j, gap);
    if (at.c.rps <= 0) at = whatever_is_free(j);
    if (at.c.rps <= 0 || !start(j, at.gpu, at.row, at.c, reason)) return 0;
    strip *s = &j->ctx->strips[at.row];
    *s = (strip){at.at.y, at.c.sm_pct, at.at.x + at.at.w};
    if (rectangles_take(&j->ctx->free_on[at.gpu], at.at)) j->ctx->free_on[at.gpu].n = 0; /* made anew */
    return at.c.rps;
}

/* A row of the pod's width with quota to spare, else an empty one; POL_NEW_ROW: none. */
static uint32_t row_by_area(const job *j, const pol_gpu *g, config c) {
    const pol_row *rows = j->view->rows;
    uint32_t empty = POL_NEW_ROW;
    if (!has_room(j, g) || g->occupancy + c.sm_pct * c.quota_pct > 10000) return POL_NEW_ROW;
    for (uint32_t r = g->first_row; r < g->first_row + g->n_rows; r++) {
        if (rows[r].sm_pct == c.sm_pct && rows[r].quota_free_pct >= c.quota_pct) return r;
        if (rows[r].sm_pct == 0 && empty == POL_NEW_ROW) empty = r;
    }
    return g->sm_free_pct < c.sm_pct && j->ctx->is_strict ? POL_NEW_ROW : empty;
}

/* Rows may sum to more than 100 % SM where the cluster is oversubscribed, which a policy learns by trying. */
static double start_on_first_gpu(job *j, double gap, const char *reason) {
    config c = {0};
    uint32_t device = UINT32_MAX; /* that c is for */
    for (uint32_t i = 0; i < j->view->n_gpus; i++) {
        const pol_gpu *g = &j->view->gpus[i];
        if (g->device != device) c = config_for(j, device = g->device, gap);
        uint32_t row = c.rps > 0 ? row_by_area(j, g, c) : POL_NEW_ROW;
        if (row == POL_NEW_ROW) continue;
        int is_beyond = j->view->rows[row].sm_pct == 0 && g->sm_free_pct < c.sm_pct;
        if (start(j, i, row, c, reason)) return c.rps;
        if (is_beyond) j->ctx->is_strict = 1;
    }
    return 0;
}

static double start_pod(job *j, double gap, const char *reason) {
    return choice(j->ctx, PLACEMENT) == RECTANGLES ? start_in_rectangle(j, gap, reason)
                                                   : start_on_first_gpu(j, gap, reason);
}

/* ---- scaling ---- */

static void retry_later(const job *j) {
    j->w->retry_tick = j->w->tick + (j->ctx->retry_ticks > 0 ? j->ctx->retry_ticks : 1);
}

static uint32_t alive(const job *j) {
    uint32_t n = 0;
    for (size_t i = 0; i < j->n_pods; i++) n += !j->ctx->pods[i].is_gone;
    return n;
}

static double total_rps(const job *j) {
    double sum = 0;
    for (size_t i = 0; i < j->n_pods; i++)
        if (!j->ctx->pods[i].is_gone) sum += j->ctx->pods[i].rps;
    return sum;
}

/* Up to min_pods that share what is known of the rate. */
static void start_missing(job *j, const char *reason) {
    const double *v = j->ctx->v;
    double need = fmax(j->w->rps, v[INITIAL_RPS]) / v[UP_THRESHOLD] / j->ctx->min_pods;
    while (alive(j) < j->ctx->min_pods)
        if (start_pod(j, need, reason) <= 0) {
            retry_later(j);
            return;
        }
}

static void scale_up(job *j, double gap) {
    uint32_t most = (uint32_t)j->ctx->v[PODS_PER_TICK];
    j->w->calm_tick = j->w->tick + j->ctx->cooldown_ticks;
    for (uint32_t n = 0; gap > 0 && n < most; n++) {
        double rps = start_pod(j, gap, "processing gap");
        if (rps <= 0) {
            retry_later(j);
            return;
        }
        gap -= rps;
    }
}

/* Of the pods after `last` in ascending order of RPR, of equal ones the youngest first, the next. */
static pod *next_by_rpr(const job *j, const pod *last) {
    pod *best = NULL;
    for (size_t i = j->n_pods; i-- > 0;) {
        pod *p = &j->ctx->pods[i];
        if (p->is_gone || (last && (p->rpr < last->rpr || (p->rpr == last->rpr && p >= last)))) continue;
        if (!best || p->rpr < best->rpr) best = p;
    }
    return best;
}

static int take_away(const job *j, pod *p) {
    pol_action a = {.verb = choice(j->ctx, REMOVAL) == KILL ? POL_KILL : POL_STOP, .fn = j->fn, .pod = p->id};
    a.reason = "capacity suffices without the pod";
    if (j->ctx->host->plan(j->ctx->host->impl, &a) < 0) return 0;
    p->is_gone = 1;
    return 1;
}

static void scale_down(job *j) {
    uint32_t n = alive(j), most = (uint32_t)j->ctx->v[PODS_PER_TICK];
    double capacity = total_rps(j), up = j->ctx->v[UP_THRESHOLD];
    j->w->calm_tick = j->w->tick + j->ctx->cooldown_ticks;
    for (pod *p = next_by_rpr(j, NULL); p && n > j->ctx->min_pods && most > 0; p = next_by_rpr(j, p))
        if (up * (capacity - p->rps) >= j->w->rps && take_away(j, p)) {
            capacity -= p->rps;
            n--;
            most--;
        }
}

static void decide(job *j) {
    const double *v = j->ctx->v;
    double capacity = total_rps(j), rps = j->w->rps;
    if (alive(j) < j->ctx->min_pods)
        start_missing(j, "fewer than min_pods");
    else if (rps > v[UP_THRESHOLD] * capacity)
        scale_up(j, rps / v[UP_THRESHOLD] - capacity);
    else if (rps < v[DOWN_THRESHOLD] * capacity && j->w->tick >= j->w->calm_tick)
        scale_down(j);
}

/* ---- acting ---- */

/* The rates between which nothing can be done. */
static void leave_band(const job *j) {
    const double *v = j->ctx->v;
    uint32_t n = alive(j);
    double capacity = total_rps(j), removable_below = 0;
    for (size_t i = 0; i < j->n_pods && n > j->ctx->min_pods; i++) {
        const pod *p = &j->ctx->pods[i];
        if (!p->is_gone) removable_below = fmax(removable_below, v[UP_THRESHOLD] * (capacity - p->rps));
    }
    rate_watch_end_act(j->w, j->view->cause, n, n < j->ctx->min_pods ? -1 : v[UP_THRESHOLD] * capacity,
                       fmin(v[DOWN_THRESHOLD] * capacity, removable_below));
}

static void route(const job *j) {
    static const pol_balance balances[] = {POL_RANDOM, POL_WEIGHTED, POL_PULL};
    pol_action a = {.verb = POL_ROUTE, .fn = j->fn, .balance = balances[choice(j->ctx, ROUTING)]};
    a.reason = "routing";
    j->ctx->host->plan(j->ctx->host->impl, &a);
}

/* 0: out of memory; nothing is decided then. */
static int gather(job *j) {
    pol_ctx *ctx = j->ctx;
    const pol_view *v = j->view;
    size_t most = v->n_pods + ctx->min_pods + (size_t)ctx->v[PODS_PER_TICK];
    if (most > ctx->pods_cap) {
        pod *more = realloc(ctx->pods, 2 * most * sizeof *more);
        if (!more) return 0;
        ctx->pods = more;
        ctx->pods_cap = 2 * most;
    }
    for (size_t i = 0; i < v->n_pods; i++) {
        const pol_pod *p = &v->pods[i];
        config c = {p->sm_pct, p->quota_pct, 0};
        if (p->draining) continue;
        c.rps = pod_rps(j, v->gpus[p->gpu].device, p->sm_pct, p->quota_pct);
        ctx->pods[j->n_pods++] = (pod){.id = p->id, .rps = c.rps, .rpr = rpr_of(c)};
    }
    return 1;
}

static int make_books(pol_ctx *ctx, const pol_view *view) {
    if (ctx->free_on) return 1;
    ctx->free_on = calloc(view->n_gpus ? view->n_gpus : 1, sizeof *ctx->free_on);
    ctx->strips = calloc(view->n_rows ? view->n_rows : 1, sizeof *ctx->strips);
    if (ctx->free_on && ctx->strips) {
        ctx->n_gpus = view->n_gpus;
        return 1;
    }
    free(ctx->free_on);
    free(ctx->strips);
    ctx->free_on = NULL;
    ctx->strips = NULL;
    return 0;
}

static void fast_gshare_act(pol_ctx *ctx, uint32_t fn, const pol_view *view) {
    rate_watch *w = &ctx->fns[fn];
    job j = {.ctx = ctx, .w = w, .fn = fn, .spec = ctx->host->fn(ctx->host->impl, fn), .view = view};
    rate_watch_begin_act(w, &ctx->clock, view);
    if (!make_books(ctx, view) || !gather(&j)) return;
    if (view->cause == POL_BEGIN) {
        route(&j);
        start_missing(&j, "initial pod");
    } else if (view->cause == POL_TICK) {
        decide(&j);
    } else if (alive(&j) == 0 && w->tick >= w->retry_tick) {
        start_missing(&j, "arrival without a pod");
    }
    leave_band(&j);
}

static int fast_gshare_observe(pol_ctx *ctx, const pol_obs *obs, int64_t *next_ns) {
    uint64_t count = choice(ctx, RPS_INPUT) == ARRIVALS ? obs->arrivals : obs->completions;
    return rate_watch_observe(&ctx->fns[obs->fn], &ctx->clock, obs, count, next_ns);
}

/* ---- opening ---- */

static pol_status check(const pol_ctx *ctx, char err[POL_ERR_LEN]) {
    const double *v = ctx->v;
    *err = 0;
    if (ctx->host->scrape_ns <= 0)
        snprintf(err, POL_ERR_LEN, "fast-gshare: found no metrics period, expected a positive one");
    else if (v[DOWN_THRESHOLD] >= v[UP_THRESHOLD])
        snprintf(err, POL_ERR_LEN, "scale_down_threshold %g must be below scale_up_threshold %g",
                 v[DOWN_THRESHOLD], v[UP_THRESHOLD]);
    else if (RECTANGLES_SIDE % ctx->sm_step || RECTANGLES_SIDE % ctx->quota_step)
        snprintf(err, POL_ERR_LEN, "found sm_step_pct %u, quota_step_pct %u, expected divisors of 100",
                 (unsigned)ctx->sm_step, (unsigned)ctx->quota_step);
    return *err ? POL_BAD_PARAM : POL_OK;
}

static void fast_gshare_close(pol_ctx *ctx) {
    if (!ctx) return;
    for (size_t i = 0; i < ctx->n_gpus; i++) rectangles_close(&ctx->free_on[i]);
    free(ctx->free_on);
    free(ctx->strips);
    free(ctx->fns);
    free(ctx->profiles);
    free(ctx->pods);
    free(ctx);
}

static pol_status fast_gshare_open(pol_ctx **out, const pol_host *host, size_t n_fns, pol_mode mode,
                                   const double *values, uint32_t *flags, int64_t *tick_ns,
                                   char err[POL_ERR_LEN]) {
    (void)mode; /* has spoken through the defaults */
    *out = NULL;
    pol_ctx *ctx = calloc(1, sizeof *ctx);
    if (!ctx) return POL_NO_MEM;
    ctx->host = host;
    memcpy(ctx->v, values, sizeof ctx->v);
    ctx->clock = rate_clock_of(host, values[TICK_S]);
    ctx->cooldown_ticks = rate_clock_ticks(&ctx->clock, values[COOLDOWN_S]);
    ctx->retry_ticks = rate_clock_ticks(&ctx->clock, values[RETRY_S]);
    ctx->min_pods = (uint32_t)values[MIN_PODS];
    ctx->sm_step = (uint32_t)values[SM_STEP_PCT];
    ctx->quota_step = (uint32_t)values[QUOTA_STEP_PCT];
    ctx->fns = calloc(n_fns ? n_fns : 1, sizeof *ctx->fns);
    ctx->profiles = calloc(PROFILE_SLOTS, sizeof *ctx->profiles);
    *flags = 0;
    *tick_ns = ctx->clock.tick_ns;
    pol_status status = ctx->fns && ctx->profiles ? check(ctx, err) : POL_NO_MEM;
    if (status == POL_OK)
        *out = ctx;
    else
        fast_gshare_close(ctx);
    return status;
}

extern const pol_ops policy_fast_gshare;
const pol_ops policy_fast_gshare = {
    .abi = POL_ABI,
    .name = "fast-gshare",
    .help = "FaST-GShare: pods of the best throughput per resource, scaled in number, packed as rectangles",
    .params = params,
    .n_params = N_PARAMS,
    .scrape_s = 5,
    .billing = "share",
    .open = fast_gshare_open,
    .observe = fast_gshare_observe,
    .act = fast_gshare_act,
    .close = fast_gshare_close,
};
