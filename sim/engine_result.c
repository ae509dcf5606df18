#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine_int.h"

static void copy_bin(engine_bin *to, live_bin *from) {
    to->arrivals = atomic_load(&from->arrivals);
    to->completed = atomic_load(&from->completed);
    to->violations = atomic_load(&from->violations);
    to->queued = atomic_load(&from->queued);
    to->pods_ready = (uint32_t)atomic_load(&from->pods_ready);
    to->pods_starting = (uint32_t)atomic_load(&from->pods_starting);
    to->capacity_rps = (double)atomic_load(&from->capacity_mrps) * 1e-3;
}

static int collect_bins(engine *e) {
    const engine_setup *s = e->run.setup;
    engine_result *out = e->result;
    size_t n = e->run.n_bins;
    out->n_bins = n;
    out->bin_ns = s->bin_ns;
    out->timeline_fns = s->timeline_fns;
    out->total = calloc(n, sizeof *out->total);
    out->by_fn = calloc(s->timeline_fns * n + 1, sizeof *out->by_fn);
    if (!out->total || !out->by_fn) return -1;
    for (size_t k = 0; k < n; k++) copy_bin(&out->total[k], &e->run.total[k]);
    for (size_t k = 0; k < s->timeline_fns * n; k++) copy_bin(&out->by_fn[k], &e->run.by_fn[k]);
    cluster_write_bins(e->run.ledger, out->total, out->by_fn, n);
    return 0;
}

static int collect_requests(engine *e) {
    engine_result *out = e->result;
    if (!e->run.setup->record_requests) return 0;
    for (size_t i = 0; i < out->n_fns; i++) out->n_requests += out->fns[i].arrivals;
    out->requests = malloc((out->n_requests + 1) * sizeof *out->requests);
    if (!out->requests) return -1;
    size_t at = 0;
    for (size_t i = 0; i < out->n_fns; i++) {
        size_t n = out->fns[i].arrivals;
        if (n) memcpy(out->requests + at, e->run.islands[i].requests, n * sizeof *out->requests);
        at += n;
    }
    return 0;
}

static uint64_t fold(uint64_t h, uint64_t x) {
    return draw_mix(h ^ (x + UINT64_C(0x9e3779b97f4a7c15)));
}

static uint64_t fold_double(uint64_t h, double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return fold(h, bits);
}

static uint64_t hash_fn(uint64_t h, const engine_fn_result *f) {
    const uint64_t counts[] = {f->arrivals,       f->completed,       f->dropped,           f->lost,
                               f->in_flight,      f->window_arrivals, f->window_violations, f->latency_sum_gs,
                               f->latency_sum_ns, f->cold_starts,     f->batches,           f->batched};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) h = fold(h, counts[i]);
    for (size_t k = 0; k < ENGINE_MULTIPLIERS_MAX; k++) h = fold(h, f->report_violations[k]);
    for (size_t o = 0; o < HIST_OCTAVES; o++)
        for (size_t i = 0; f->latency.octave[o] && i < HIST_PER_OCTAVE; i++)
            h = fold(h, (uint64_t)f->latency.octave[o][i] << 16 | (o * HIST_PER_OCTAVE + i));
    h = fold_double(h, f->share_gpu_s);
    return fold_double(h, f->gpu_s);
}

static uint64_t hash_bin(uint64_t h, const engine_bin *b) {
    h = fold(fold(fold(fold(h, b->arrivals), b->completed), b->violations), b->queued);
    h = fold(fold(h, b->pods_ready), b->pods_starting);
    return fold_double(fold_double(fold_double(h, b->capacity_rps), b->share_gpus), b->gpus);
}

static uint64_t hash_result(const engine_result *r) {
    uint64_t h = fold(fold(0, r->n_fns), r->events);
    for (size_t i = 0; i < r->n_fns; i++) h = hash_fn(h, &r->fns[i]);
    for (size_t k = 0; k < r->n_bins; k++) h = hash_bin(h, &r->total[k]);
    for (size_t k = 0; k < r->timeline_fns * r->n_bins; k++) h = hash_bin(h, &r->by_fn[k]);
    for (size_t i = 0; i < r->n_actions; i++) {
        const engine_action *a = &r->actions[i];
        h = fold(fold(h, (uint64_t)a->at_ns), (uint64_t)a->action.verb << 33 | (uint64_t)(a->refused != 0)
                                                                                   << 32);
        h = fold(fold(h, (uint64_t)a->action.fn << 32 | a->pod),
                 (uint64_t)a->action.gpu << 32 | a->action.row);
        h = fold(h, (uint64_t)a->action.sm_pct << 32 | a->action.quota_pct);
    }
    for (size_t i = 0; i < r->n_requests; i++) {
        const engine_request *q = &r->requests[i];
        h = fold(fold(h, (uint64_t)q->arrival_ns), (uint64_t)q->end_ns);
        h = fold(h, (uint64_t)q->fate << 32 | q->pod);
    }
    h = fold(fold(h, r->actions_seen), r->actions_refused);
    return fold_double(fold_double(h, r->gpus_mean), r->cost_usd);
}

/* A row gives one GPU's worth of time at most. Batches that the end cut off are not counted, so what is
 * counted lies in [0, end]. Under the token runtime ends are rounded up to ns, once per batch. */
static void check_rows(const engine *e) {
    const engine_setup *s = e->run.setup;
    for (size_t r = 0; e->run.row_gpu_ns && r < s->n_gpus * s->rows_per_gpu; r++) {
        uint64_t given = atomic_load(&e->run.row_gpu_ns[r]);
        if (given <= (uint64_t)e->run.end_ns + e->result->events) continue;
        fprintf(stderr,
                "hassim: broken invariant: row %zu gave %" PRIu64 " ns of GPU time in %" PRId64 " ns\n", r,
                given, e->run.end_ns);
        abort();
    }
}

int engine_collect(engine *e) {
    engine_result *out = e->result;
    engine_enter_releases(e, NEVER);
    cluster_finish(e->run.ledger);
    for (uint32_t fn = 0; fn < out->n_fns; fn++) {
        island_finish(&e->run.islands[fn]);
        out->events += e->run.islands[fn].events;
        out->visits += e->run.islands[fn].visits;
        out->fns[fn].share_gpu_s = cluster_share_gpu_s(e->run.ledger, fn);
        out->fns[fn].gpu_s = cluster_held_gpu_s(e->run.ledger, fn);
        out->fns[fn].cost_usd = cluster_cost_usd(e->run.ledger, fn);
        out->cost_usd += out->fns[fn].cost_usd;
    }
    out->gpus_mean = cluster_gpus_mean(e->run.ledger);
    check_rows(e);
    if (collect_bins(e) || collect_requests(e)) return -1;
    out->hash = hash_result(out);
    return 0;
}

void engine_result_free(engine_result *r) {
    if (!r) return;
    for (size_t i = 0; r->fns && i < r->n_fns; i++) hist_clear(&r->fns[i].latency);
    free(r->fns);
    free(r->total);
    free(r->by_fn);
    free(r->actions);
    free(r->requests);
    *r = (engine_result){0};
}
