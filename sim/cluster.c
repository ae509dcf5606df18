#include "cluster.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grow_int.h"

typedef struct { /* who is on a GPU, in order of arrival there */
    uint32_t fn, pod;
} tenant;

typedef struct {
    tenant *tenants;
    uint32_t n;
    size_t cap;
    int64_t since_ns; /* of the current set */
} gpu_book;

typedef struct {
    pol_pod *pods;
    uint32_t n, next_id;
    size_t cap;
    uint64_t *rate;  /* per device: sum of SM % x quota % */
    uint64_t *width; /* per device: sum of SM % */
    int64_t since_ns;
    cluster_sum *share, *slice, *held; /* per device: % x % x ns, % x ns, GPU x ns */
} fn_book;

struct cluster {
    const engine_setup *setup;
    pol_gpu *gpus;
    pol_row *rows;
    gpu_book *gpu_books;
    fn_book *fn_books;
    uint32_t *changed; /* [n_gpus], the first n_changed */
    uint8_t *is_changed;
    size_t n_changed;
    uint64_t *rates;   /* backs rate and width */
    cluster_sum *sums; /* backs share, slice and held */
    size_t n_pods;
    uint64_t total_rate, occupied;
    int64_t total_since_ns, occupied_since_ns;
    cluster_sum occupied_time;
    size_t n_bins;
    double *share_bins; /* (1 + timeline_fns) x n_bins: total first; % % x ns */
    double *gpu_bins;   /* n_bins; GPU x ns */
};

/* ---- integrals ---- */

static void sum_add(cluster_sum *s, uint64_t rate, uint64_t ns) {
    s->whole += rate * (ns / 1000000000u);
    s->rest += rate * (ns % 1000000000u);
    s->whole += s->rest / 1000000000u;
    s->rest %= 1000000000u;
}

static double sum_s(cluster_sum s) {
    return (double)s.whole + (double)s.rest * 1e-9;
}

static uint64_t window_ns(const cluster *c, int64_t from, int64_t to) {
    if (from < c->setup->warmup_ns) from = c->setup->warmup_ns;
    if (to > c->setup->duration_ns) to = c->setup->duration_ns;
    return to > from ? (uint64_t)(to - from) : 0;
}

static void bins_add(const cluster *c, double *bins, uint64_t rate, int64_t from, int64_t to) {
    int64_t w = c->setup->bin_ns;
    if (to > c->setup->duration_ns) to = c->setup->duration_ns;
    while (rate && from < to) {
        int64_t k = from / w, end = (k + 1) * w < to ? (k + 1) * w : to;
        bins[k] += (double)rate * (double)(end - from);
        from = end;
    }
}

static void fold_fn(cluster *c, uint32_t fn, int64_t now) {
    fn_book *f = &c->fn_books[fn];
    assert(now >= f->since_ns && now >= c->total_since_ns); /* changes come in order of time */
    uint64_t ns = window_ns(c, f->since_ns, now), rate = 0;
    for (size_t d = 0; d < c->setup->n_devices; d++) {
        sum_add(&f->share[d], f->rate[d], ns);
        sum_add(&f->slice[d], f->width[d], ns);
        rate += f->rate[d];
    }
    if (fn < c->setup->timeline_fns)
        bins_add(c, c->share_bins + (fn + 1) * c->n_bins, rate, f->since_ns, now);
    f->since_ns = now;
    bins_add(c, c->share_bins, c->total_rate, c->total_since_ns, now);
    c->total_since_ns = now;
}

static void fold_gpu(cluster *c, uint32_t gpu, int64_t now) {
    gpu_book *g = &c->gpu_books[gpu];
    assert(now >= g->since_ns && now >= c->occupied_since_ns);
    uint64_t ns = window_ns(c, g->since_ns, now);
    for (uint32_t i = 0; i < g->n; i++) {
        fn_book *f = &c->fn_books[g->tenants[i].fn];
        sum_add(&f->held[c->gpus[gpu].device], 1, ns / g->n + (i < ns % g->n));
    }
    g->since_ns = now;
    bins_add(c, c->gpu_bins, c->occupied, c->occupied_since_ns, now);
    sum_add(&c->occupied_time, c->occupied, window_ns(c, c->occupied_since_ns, now));
    c->occupied_since_ns = now;
}

/* ---- opening ---- */

static void lay_out_gpus(cluster *c) {
    const engine_setup *s = c->setup;
    for (size_t i = 0; i < s->n_gpus; i++) {
        const calib_device *facts = s->devices[s->gpus[i].device].facts;
        c->gpus[i] = (pol_gpu){.device = s->gpus[i].device,
                               .node = s->gpus[i].node,
                               .first_row = (uint32_t)i * s->rows_per_gpu,
                               .n_rows = s->rows_per_gpu,
                               .sm_free_pct = 100,
                               .memory_free_mib = facts->memory_mib,
                               .pods_max = facts->max_processes,
                               .sm_resizable = s->devices[s->gpus[i].device].sm_resizable != 0};
        for (uint32_t r = 0; r < s->rows_per_gpu; r++)
            c->rows[i * s->rows_per_gpu + r] = (pol_row){.gpu = (uint32_t)i, .quota_free_pct = 100};
    }
    for (size_t f = 0; f < s->n_fns; f++) {
        c->fn_books[f].rate = c->rates + 2 * f * s->n_devices;
        c->fn_books[f].width = c->fn_books[f].rate + s->n_devices;
        c->fn_books[f].share = c->sums + 3 * f * s->n_devices;
        c->fn_books[f].slice = c->fn_books[f].share + s->n_devices;
        c->fn_books[f].held = c->fn_books[f].slice + s->n_devices;
    }
}

cluster *cluster_open(const engine_setup *s) {
    cluster *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->setup = s;
    c->n_bins = (size_t)((s->duration_ns + s->bin_ns - 1) / s->bin_ns);
    c->gpus = calloc(s->n_gpus, sizeof *c->gpus);
    c->rows = calloc(s->n_gpus * s->rows_per_gpu, sizeof *c->rows);
    c->gpu_books = calloc(s->n_gpus, sizeof *c->gpu_books);
    c->fn_books = calloc(s->n_fns, sizeof *c->fn_books);
    c->changed = calloc(s->n_gpus, sizeof *c->changed);
    c->is_changed = calloc(s->n_gpus, sizeof *c->is_changed);
    c->rates = calloc(2 * s->n_fns * s->n_devices, sizeof *c->rates);
    c->sums = calloc(3 * s->n_fns * s->n_devices, sizeof *c->sums);
    c->share_bins = calloc((1 + s->timeline_fns) * c->n_bins, sizeof *c->share_bins);
    c->gpu_bins = calloc(c->n_bins, sizeof *c->gpu_bins);
    if (!c->gpus || !c->rows || !c->changed || !c->is_changed || !c->gpu_books || !c->fn_books || !c->rates ||
        !c->sums || !c->share_bins || !c->gpu_bins) {
        cluster_close(c);
        return NULL;
    }
    lay_out_gpus(c);
    return c;
}

void cluster_close(cluster *c) {
    if (!c) return;
    if (c->gpu_books)
        for (size_t i = 0; i < c->setup->n_gpus; i++) free(c->gpu_books[i].tenants);
    if (c->fn_books)
        for (size_t i = 0; i < c->setup->n_fns; i++) free(c->fn_books[i].pods);
    free(c->gpus);
    free(c->rows);
    free(c->gpu_books);
    free(c->fn_books);
    free(c->changed);
    free(c->is_changed);
    free(c->rates);
    free(c->sums);
    free(c->share_bins);
    free(c->gpu_bins);
    free(c);
}

const pol_gpu *cluster_gpus(const cluster *c) {
    return c->gpus;
}
const pol_row *cluster_rows(const cluster *c) {
    return c->rows;
}
size_t cluster_n_pods(const cluster *c) {
    return c->n_pods;
}

uint32_t cluster_next_pod(const cluster *c, uint32_t fn) {
    return c->fn_books[fn].next_id;
}

const pol_pod *cluster_pods(const cluster *c, uint32_t fn, size_t *n) {
    *n = c->fn_books[fn].n;
    return c->fn_books[fn].pods;
}

static pol_pod *find_pod(const cluster *c, uint32_t fn, uint32_t id) {
    if (fn >= c->setup->n_fns) return NULL;
    fn_book *f = &c->fn_books[fn];
    for (uint32_t i = 0; i < f->n; i++)
        if (f->pods[i].id == id) return &f->pods[i];
    return NULL;
}

int cluster_has_pod(const cluster *c, uint32_t fn, uint32_t pod) {
    return find_pod(c, fn, pod) != NULL;
}

/* ---- changes ---- */

const uint32_t *cluster_changed_gpus(const cluster *c, size_t *n) {
    *n = c->n_changed;
    return c->changed;
}

void cluster_forget_changed(cluster *c) {
    for (size_t i = 0; i < c->n_changed; i++) c->is_changed[c->changed[i]] = 0;
    c->n_changed = 0;
}

static void note_change(cluster *c, uint32_t gpu) {
    if (!c->is_changed[gpu]) c->changed[c->n_changed++] = gpu;
    c->is_changed[gpu] = 1;
}

/* A pod's SM % x quota % comes (sign +1) or goes (-1); the integrals must be folded up to now. */
static void count_share(cluster *c, const pol_pod *p, int sign) {
    uint32_t share = p->sm_pct * p->quota_pct;
    note_change(c, p->gpu);
    pol_gpu *g = &c->gpus[p->gpu];
    uint64_t *rate = &c->fn_books[p->fn].rate[g->device], *width = &c->fn_books[p->fn].width[g->device];
    g->occupancy = sign > 0 ? g->occupancy + share : g->occupancy - share;
    *rate = sign > 0 ? *rate + share : *rate - share;
    *width = sign > 0 ? *width + p->sm_pct : *width - p->sm_pct;
    c->total_rate = sign > 0 ? c->total_rate + share : c->total_rate - share;
}

static uint32_t sm_free(const cluster *c, const pol_gpu *g) {
    uint32_t used = 0;
    for (uint32_t r = 0; r < g->n_rows; r++) used += c->rows[g->first_row + r].sm_pct;
    return used < 100 ? 100 - used : 0;
}

static uint32_t pick_row(const cluster *c, const pol_action *a) {
    if (a->row != POL_NEW_ROW) return a->row;
    const pol_gpu *g = &c->gpus[a->gpu];
    for (uint32_t r = g->first_row; r < g->first_row + g->n_rows; r++)
        if (c->rows[r].sm_pct == 0) return r;
    return POL_NEW_ROW;
}

/* Why a START is not legal, or NULL. */
static const char *refuse_start(const cluster *c, const pol_action *a, uint32_t row) {
    const engine_setup *s = c->setup;
    if (a->fn >= s->n_fns) return "no such function";
    if (a->gpu >= s->n_gpus) return "no such GPU";
    const pol_gpu *g = &c->gpus[a->gpu];
    if (!s->fns[a->fn].on[g->device].model) return "model is not calibrated for this device";
    if (a->sm_pct < 1 || a->sm_pct > 100 || a->quota_pct < 1 || a->quota_pct > 100)
        return "SM and quota must be 1..100 %";
    if (a->batch_max > CALIB_BATCH_MAX) return "batch too large";
    if (a->setup_ns < 0 || a->setup_ns > s->duration_ns + s->drain_ns) return "setup time out of range";
    if (row == POL_NEW_ROW) return "no empty row";
    if (row < g->first_row || row >= g->first_row + g->n_rows) return "row is not on this GPU";
    const pol_row *r = &c->rows[row];
    if (r->sm_pct != 0 && r->sm_pct != a->sm_pct) return "row has another SM width";
    if (r->sm_pct == 0 && !s->oversubscribe && a->sm_pct > g->sm_free_pct) return "rows exceed 100 % SM";
    if (a->quota_pct > r->quota_free_pct) return "row's quotas exceed 100 %";
    if (s->fns[a->fn].memory_mib > g->memory_free_mib) return "not enough GPU memory";
    if (g->n_pods >= g->pods_max) return "too many processes on the GPU";
    return NULL;
}

/* Room for one more pod of the function, and one more on the GPU. 0, or -1: out of memory. */
static int make_room(fn_book *f, gpu_book *b) {
    pol_pod *pods = grow_array(f->pods, f->n, &f->cap, sizeof *pods);
    if (!pods) return -1;
    f->pods = pods;
    tenant *tenants = grow_array(b->tenants, b->n, &b->cap, sizeof *tenants);
    if (!tenants) return -1;
    b->tenants = tenants;
    return 0;
}

int cluster_start(cluster *c, const pol_action *a, int64_t now_ns, int64_t ready_ns, pol_pod *pod,
                  const char **why) {
    uint32_t row = a->gpu < c->setup->n_gpus ? pick_row(c, a) : 0;
    if ((*why = refuse_start(c, a, row))) return -1;
    fn_book *f = &c->fn_books[a->fn];
    gpu_book *b = &c->gpu_books[a->gpu];
    if (make_room(f, b)) {
        *why = CLUSTER_NO_MEMORY;
        return -1;
    }
    fold_fn(c, a->fn, now_ns);
    fold_gpu(c, a->gpu, now_ns);
    *pod = (pol_pod){.fn = a->fn,
                     .id = f->next_id++,
                     .gpu = a->gpu,
                     .row = row,
                     .sm_pct = a->sm_pct,
                     .quota_pct = a->quota_pct,
                     .batch_max = a->batch_max ? a->batch_max : c->setup->fns[a->fn].batch_max,
                     .weight = a->weight ? a->weight : 1,
                     .ready_ns = ready_ns};
    f->pods[f->n++] = *pod;
    c->n_pods++;
    pol_gpu *g = &c->gpus[a->gpu];
    c->occupied += b->n == 0;
    b->tenants[b->n++] = (tenant){a->fn, pod->id};
    g->n_pods++;
    g->memory_free_mib -= c->setup->fns[a->fn].memory_mib;
    pol_row *r = &c->rows[row];
    r->sm_pct = a->sm_pct;
    r->quota_free_pct -= a->quota_pct;
    r->n_pods++;
    g->sm_free_pct = sm_free(c, g);
    count_share(c, pod, 1);
    return 0;
}

/* Why a RESIZE to `to` is not legal, or NULL. */
static const char *refuse_resize(const cluster *c, const pol_pod *p, const pol_pod *to) {
    const pol_row *row = &c->rows[p->row];
    const pol_gpu *g = &c->gpus[p->gpu];
    if (p->draining) return "pod is stopping";
    if (to->quota_pct > 100 || to->sm_pct > 100) return "SM and quota must be 1..100 %";
    if (to->quota_pct > p->quota_pct + row->quota_free_pct) return "row's quotas exceed 100 %";
    if (to->sm_pct == p->sm_pct) return NULL;
    if (!g->sm_resizable) return "SM width is fixed at process start";
    if (row->n_pods > 1) return "pod is not alone in its row";
    if (!c->setup->oversubscribe && to->sm_pct > p->sm_pct + g->sm_free_pct) return "rows exceed 100 % SM";
    return NULL;
}

int cluster_resize(cluster *c, const pol_action *a, int64_t now_ns, pol_pod *pod, const char **why) {
    pol_pod *p = find_pod(c, a->fn, a->pod);
    *why = "no such pod";
    if (!p) return -1;
    *pod = *p;
    if (a->sm_pct) pod->sm_pct = a->sm_pct;
    if (a->quota_pct) pod->quota_pct = a->quota_pct;
    if (a->weight) pod->weight = a->weight;
    if ((*why = refuse_resize(c, p, pod))) return -1;
    fold_fn(c, a->fn, now_ns);
    count_share(c, p, -1);
    c->rows[p->row].quota_free_pct += p->quota_pct - pod->quota_pct;
    c->rows[p->row].sm_pct = pod->sm_pct;
    *p = *pod;
    c->gpus[p->gpu].sm_free_pct = sm_free(c, &c->gpus[p->gpu]);
    count_share(c, p, 1);
    return 0;
}

int cluster_drain(cluster *c, uint32_t fn, uint32_t pod, const char **why) {
    pol_pod *p = find_pod(c, fn, pod);
    *why = !p ? "no such pod" : p->draining ? "pod is stopping" : NULL;
    if (*why) return -1;
    p->draining = 1;
    return 0;
}

void cluster_release(cluster *c, uint32_t fn, uint32_t id, int64_t now_ns) {
    fn_book *f = &c->fn_books[fn];
    pol_pod *p = find_pod(c, fn, id);
    gpu_book *b = &c->gpu_books[p->gpu];
    pol_gpu *g = &c->gpus[p->gpu];
    pol_row *r = &c->rows[p->row];
    fold_fn(c, fn, now_ns);
    fold_gpu(c, p->gpu, now_ns);
    count_share(c, p, -1);
    uint32_t i = 0;
    while (b->tenants[i].fn != fn || b->tenants[i].pod != id) i++;
    memmove(b->tenants + i, b->tenants + i + 1, (--b->n - i) * sizeof *b->tenants);
    c->occupied -= b->n == 0;
    g->n_pods--;
    g->memory_free_mib += c->setup->fns[fn].memory_mib;
    r->quota_free_pct += p->quota_pct;
    if (--r->n_pods == 0) r->sm_pct = 0;
    g->sm_free_pct = sm_free(c, g);
    size_t at = (size_t)(p - f->pods);
    memmove(p, p + 1, (--f->n - at) * sizeof *p);
    c->n_pods--;
}

/* ---- what came of it ---- */

/* Changes of the drain may be later than the end; they count no more. */
static int64_t later_of(int64_t a, int64_t b) {
    return a > b ? a : b;
}

void cluster_finish(cluster *c) {
    int64_t end = c->setup->duration_ns;
    for (size_t f = 0; f < c->setup->n_fns; f++)
        if (c->fn_books[f].since_ns < end) fold_fn(c, (uint32_t)f, later_of(end, c->total_since_ns));
    for (size_t g = 0; g < c->setup->n_gpus; g++)
        if (c->gpu_books[g].since_ns < end) fold_gpu(c, (uint32_t)g, later_of(end, c->occupied_since_ns));
}

double cluster_share_gpu_s(const cluster *c, uint32_t fn) {
    double sum = 0;
    for (size_t d = 0; d < c->setup->n_devices; d++) sum += sum_s(c->fn_books[fn].share[d]) * 1e-4;
    return sum;
}

double cluster_held_gpu_s(const cluster *c, uint32_t fn) {
    double sum = 0;
    for (size_t d = 0; d < c->setup->n_devices; d++) sum += sum_s(c->fn_books[fn].held[d]);
    return sum;
}

/* GPU-seconds that are paid for on one kind of device. */
static double billed_s(const cluster *c, const fn_book *f, size_t device) {
    switch (c->setup->billing) {
    case ENGINE_BILL_WHOLE_GPU:
        return sum_s(f->held[device]);
    case ENGINE_BILL_SLICE:
        return sum_s(f->slice[device]) * 1e-2;
    case ENGINE_BILL_SHARE:
        break;
    }
    return sum_s(f->share[device]) * 1e-4;
}

double cluster_cost_usd(const cluster *c, uint32_t fn) {
    double usd = 0;
    for (size_t d = 0; d < c->setup->n_devices; d++)
        usd += billed_s(c, &c->fn_books[fn], d) / 3600 * c->setup->devices[d].usd_per_gpu_hour;
    return usd;
}

double cluster_gpus_mean(const cluster *c) {
    double window_s = (double)(c->setup->duration_ns - c->setup->warmup_ns) * 1e-9;
    return sum_s(c->occupied_time) / window_s;
}

void cluster_write_bins(const cluster *c, engine_bin *total, engine_bin *by_fn, size_t n_bins) {
    for (size_t k = 0; k < n_bins; k++) {
        int64_t start = (int64_t)k * c->setup->bin_ns, end = start + c->setup->bin_ns;
        if (end > c->setup->duration_ns) end = c->setup->duration_ns;
        double width = (double)(end - start);
        total[k].gpus = c->gpu_bins[k] / width;
        total[k].share_gpus = c->share_bins[k] * 1e-4 / width;
        for (size_t f = 0; f < c->setup->timeline_fns; f++)
            by_fn[f * n_bins + k].share_gpus = c->share_bins[(f + 1) * n_bins + k] * 1e-4 / width;
    }
}

/* ---- invariants ---- */

static void broken(const char *what, size_t where, uint64_t found, uint64_t expected) {
    fprintf(stderr, "hassim: broken invariant: %s at %zu: found %" PRIu64 ", expected %" PRIu64 "\n", what,
            where, found, expected);
    abort();
}

static void check_gpu(const cluster *c, size_t i, uint32_t *quota) {
    const pol_gpu *g = &c->gpus[i];
    uint32_t memory = 0, widths = 0;
    for (uint32_t t = 0; t < c->gpu_books[i].n; t++)
        memory += c->setup->fns[c->gpu_books[i].tenants[t].fn].memory_mib;
    uint32_t capacity = c->setup->devices[g->device].facts->memory_mib;
    if (memory > capacity) broken("GPU memory is exceeded", i, memory, capacity);
    if (memory + g->memory_free_mib != capacity)
        broken("GPU memory", i, memory + g->memory_free_mib, capacity);
    if (g->n_pods > g->pods_max) broken("too many processes on a GPU", i, g->n_pods, g->pods_max);
    for (uint32_t r = g->first_row; r < g->first_row + g->n_rows; r++) {
        const pol_row *row = &c->rows[r];
        widths += row->sm_pct;
        if (quota[r] > 100) broken("row quotas exceed 100 %", r, quota[r], 100);
        if (quota[r] + row->quota_free_pct != 100)
            broken("row's free quota", r, row->quota_free_pct, 100 - quota[r]);
        if ((row->n_pods == 0) != (row->sm_pct == 0))
            broken("width of an empty row", r, row->sm_pct, row->n_pods);
    }
    if (widths > 100 && !c->setup->oversubscribe) broken("row widths exceed 100 %", i, widths, 100);
    if (g->n_pods != c->gpu_books[i].n) broken("pods on a GPU", i, g->n_pods, c->gpu_books[i].n);
}

void cluster_check(const cluster *c) {
    size_t n_rows = c->setup->n_gpus * c->setup->rows_per_gpu;
    uint32_t *quota = calloc(n_rows, sizeof *quota);
    if (!quota) return;
    uint64_t rate = 0, pods = 0;
    for (size_t f = 0; f < c->setup->n_fns; f++)
        for (uint32_t i = 0; i < c->fn_books[f].n; i++) {
            const pol_pod *p = &c->fn_books[f].pods[i];
            quota[p->row] += p->quota_pct;
            rate += (uint64_t)p->sm_pct * p->quota_pct;
            pods++;
            if (p->sm_pct != c->rows[p->row].sm_pct)
                broken("SM width of a row's pod", f, p->sm_pct, c->rows[p->row].sm_pct);
        }
    for (size_t i = 0; i < c->setup->n_gpus; i++) check_gpu(c, i, quota);
    if (rate != c->total_rate) broken("sum of shares", 0, c->total_rate, rate);
    if (pods != c->n_pods) broken("number of pods", 0, c->n_pods, pods);
    free(quota);
}
