/* mock_host.h - a tiny engine for tests of one policy: GPUs, rows and pods with the legality rules of
 * policy.h, and scrapes, ticks and arrivals in their order, lazily or eagerly.
 *
 * Requests begin and end when the test says, whatever the policy does, so that two runs see equal counters. A
 * pod is ready cold_start_ns after its start and leaves drain_ns after its stop; with has_failures every
 * third pod dies at some time. Nothing here fails a test: what was asked for is in the log.
 */
#ifndef MOCK_HOST_H
#define MOCK_HOST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"

enum {
    MOCK_FNS = 8,
    MOCK_GPUS = 64,
    MOCK_ROWS_PER_GPU = 4,
    MOCK_PODS = 2048,
    MOCK_LOG = 65536,
    MOCK_PARAMS = 64
};
#define MOCK_S     INT64_C(1000000000)
#define MOCK_LATER INT64_MAX

typedef struct { /* requests of one function; arrivals ascend, an end of MOCK_LATER never comes */
    const int64_t *arrival_ns, *end_ns;
    size_t n;
} mock_load;

typedef struct {
    pol_pod pod;
    int64_t gone_ns, dies_ns;
} mock_pod;

typedef struct {
    int64_t at_ns, result;
    pol_action action;
} mock_entry;

typedef struct {
    pol_host host;
    const pol_ops *ops;
    pol_ctx *ctx;
    double values[MOCK_PARAMS];
    uint32_t flags;
    int64_t tick_ns, now_ns, cold_start_ns, drain_ns;
    int is_oversubscribed, has_failures, is_eager;
    pol_fn fns[MOCK_FNS];
    pol_gpu gpus[MOCK_GPUS];
    pol_row rows[MOCK_GPUS * MOCK_ROWS_PER_GPU];
    size_t n_fns, n_gpus;
    mock_pod pods[MOCK_FNS][MOCK_PODS];
    uint32_t n_pods[MOCK_FNS];
    mock_load loads[MOCK_FNS];
    size_t arrived[MOCK_FNS];
    pol_obs seen[MOCK_FNS];
    int64_t next_ns[MOCK_FNS];
    pol_pod view_pods[MOCK_PODS];
    mock_entry log[MOCK_LOG];
    size_t n_log;
    uint64_t visits;
    double (*latency_ms)(uint32_t batch, uint32_t sm_pct, uint32_t quota_pct);
    uint32_t learned; /* one more when latency_ms has been changed */
} mock;

/* ---- services ---- */

static inline const pol_fn *mock_fn(void *impl, uint32_t fn) {
    return &((mock *)impl)->fns[fn];
}

static inline int mock_is_gone(const mock *m, const mock_pod *p) {
    return m->now_ns >= p->gone_ns || m->now_ns >= p->dies_ns;
}

static inline void mock_place(mock *m, const pol_pod *p, int sign) {
    pol_gpu *g = &m->gpus[p->gpu];
    pol_row *r = &m->rows[p->row];
    uint32_t one = sign > 0 ? 1u : UINT32_MAX, used = 0; /* adds or subtracts, modulo 2^32 */
    g->n_pods += one;
    r->n_pods += one;
    g->memory_free_mib -= one * m->fns[p->fn].memory_mib;
    r->quota_free_pct -= one * p->quota_pct;
    g->occupancy += one * p->sm_pct * p->quota_pct;
    r->sm_pct = r->n_pods ? p->sm_pct : 0;
    for (uint32_t i = 0; i < MOCK_ROWS_PER_GPU; i++) used += m->rows[g->first_row + i].sm_pct;
    g->sm_free_pct = used < 100 ? 100 - used : 0;
}

/* Frees the places of pods that have left by now. */
static inline void mock_sweep(mock *m) {
    for (size_t f = 0; f < m->n_fns; f++)
        for (uint32_t i = 0; i < m->n_pods[f]; i++) {
            mock_pod *p = &m->pods[f][i];
            if (p->pod.quota_pct == 0 || !mock_is_gone(m, p)) continue;
            mock_place(m, &p->pod, -1);
            p->pod.quota_pct = 0;
        }
}

static inline int64_t mock_start(mock *m, const pol_action *a) {
    if (a->gpu >= m->n_gpus || a->sm_pct < 1 || a->sm_pct > 100 || a->quota_pct < 1 || a->quota_pct > 100)
        return -1;
    const pol_gpu *g = &m->gpus[a->gpu];
    uint32_t row = a->row;
    if (row == POL_NEW_ROW)
        for (uint32_t i = MOCK_ROWS_PER_GPU; i-- > 0;)
            if (m->rows[g->first_row + i].sm_pct == 0) row = g->first_row + i;
    if (row < g->first_row || row >= g->first_row + g->n_rows) return -1;
    const pol_row *r = &m->rows[row];
    if (r->sm_pct ? r->sm_pct != a->sm_pct : !m->is_oversubscribed && a->sm_pct > g->sm_free_pct) return -1;
    if (a->quota_pct > r->quota_free_pct || m->fns[a->fn].memory_mib > g->memory_free_mib) return -1;
    if (g->n_pods >= g->pods_max || m->n_pods[a->fn] == MOCK_PODS) return -1;
    uint32_t id = m->n_pods[a->fn]++, lot = (a->fn * 31 + id) * 2654435761u >> 8;
    mock_pod *p = &m->pods[a->fn][id];
    *p = (mock_pod){.gone_ns = MOCK_LATER, .dies_ns = MOCK_LATER};
    p->pod = (pol_pod){.fn = a->fn, .id = id, .gpu = a->gpu, .row = row, .sm_pct = a->sm_pct};
    p->pod.quota_pct = a->quota_pct;
    p->pod.batch_max = a->batch_max ? a->batch_max : m->fns[a->fn].batch_max;
    p->pod.weight = a->weight ? a->weight : 1;
    p->pod.ready_ns = m->now_ns + m->cold_start_ns;
    if (m->has_failures && lot % 3 == 0) p->dies_ns = m->now_ns + (int64_t)(lot % 100) * MOCK_S + 123456789;
    mock_place(m, &p->pod, 1);
    return id;
}

static inline int mock_may_be_wide(const mock *m, const pol_pod *p, uint32_t sm_pct) {
    const pol_gpu *g = &m->gpus[p->gpu];
    return g->sm_resizable && m->rows[p->row].n_pods == 1 && sm_pct <= 100 &&
           (m->is_oversubscribed || sm_pct <= p->sm_pct + g->sm_free_pct);
}

static inline int64_t mock_resize(mock *m, mock_pod *p, uint32_t sm_pct, uint32_t quota_pct) {
    if (sm_pct == 0) sm_pct = p->pod.sm_pct;
    if (quota_pct == 0) quota_pct = p->pod.quota_pct;
    if (p->pod.draining || quota_pct > p->pod.quota_pct + m->rows[p->pod.row].quota_free_pct) return -1;
    if (sm_pct != p->pod.sm_pct && !mock_may_be_wide(m, &p->pod, sm_pct)) return -1;
    mock_place(m, &p->pod, -1);
    p->pod.sm_pct = sm_pct;
    p->pod.quota_pct = quota_pct;
    mock_place(m, &p->pod, 1);
    return 0;
}

static inline int64_t mock_stop(mock *m, mock_pod *p, int64_t gone_ns) {
    if (p->pod.draining) return -1;
    p->pod.draining = 1;
    p->gone_ns = gone_ns;
    mock_sweep(m);
    return 0;
}

static inline int64_t mock_apply(mock *m, const pol_action *a) {
    if (a->verb == POL_START) return mock_start(m, a);
    if (a->verb == POL_ROUTE) return 0;
    if (a->pod >= m->n_pods[a->fn] || mock_is_gone(m, &m->pods[a->fn][a->pod])) return -1;
    mock_pod *p = &m->pods[a->fn][a->pod];
    if (a->verb == POL_RESIZE) return mock_resize(m, p, a->sm_pct, a->quota_pct);
    return mock_stop(m, p, a->verb == POL_KILL ? m->now_ns : m->now_ns + m->drain_ns);
}

static inline int64_t mock_plan(void *impl, const pol_action *a) {
    mock *m = impl;
    int64_t result = mock_apply(m, a);
    if (m->n_log < MOCK_LOG) m->log[m->n_log++] = (mock_entry){m->now_ns, result, *a};
    return result;
}

/* A made-up model: rises with the batch, falls with SM; its GPU time is metered by the quota. */
static inline double mock_latency_ms(uint32_t batch, uint32_t sm_pct, uint32_t quota_pct) {
    double gpu_ms = (4.0 + 3.0 * batch) * (0.8 + 20.0 / sm_pct);
    return gpu_ms * 100.0 / quota_pct;
}

static inline int64_t mock_latency_ns(void *impl, uint32_t fn, uint32_t device, uint32_t batch,
                                      uint32_t sm_pct, uint32_t quota_pct) {
    (void)fn;
    (void)device;
    return (int64_t)(((mock *)impl)->latency_ms(batch, sm_pct, quota_pct) * 1e6);
}

static inline double mock_throughput(void *impl, uint32_t fn, uint32_t device, uint32_t batch,
                                     uint32_t sm_pct, uint32_t quota_pct) {
    (void)fn;
    (void)device;
    return batch * 1000.0 / ((mock *)impl)->latency_ms(batch, sm_pct, quota_pct);
}

static inline double mock_overhead_ms(void *impl, uint32_t fn, uint32_t device) {
    (void)impl;
    (void)fn;
    (void)device;
    return 70;
}

static inline double mock_uniform(void *impl, uint32_t fn, uint64_t n) {
    (void)impl;
    return (double)(((uint64_t)fn * 7919 + n * 104729 + 17) % 1009) / 1009.0;
}

/* ---- setting up ---- */

static inline int mock_param(const pol_ops *ops, const char *key) {
    for (size_t i = 0; i < ops->n_params; i++)
        if (strcmp(ops->params[i].key, key) == 0) return (int)i;
    fprintf(stderr, "no parameter %s\n", key);
    abort();
}

static inline void mock_set(mock *m, const char *key, double value) {
    m->values[mock_param(m->ops, key)] = value;
}

/* n_gpus equal GPUs, functions of model resnet50; defaults of the mode. Free with mock_free. */
static inline mock *mock_new(const pol_ops *ops, pol_mode mode, size_t n_fns, size_t n_gpus) {
    mock *m = calloc(1, sizeof *m);
    if (!m || ops->n_params > MOCK_PARAMS) abort();
    m->host = (pol_host){
        m,           5 * MOCK_S, 0, mock_fn, mock_plan, mock_latency_ns, mock_throughput, mock_overhead_ms,
        mock_uniform};
    m->ops = ops;
    m->latency_ms = mock_latency_ms;
    m->host.scrape_ns = (int64_t)(ops->scrape_s * 1e9);
    m->n_fns = n_fns;
    m->n_gpus = n_gpus;
    m->cold_start_ns = 5 * MOCK_S;
    for (size_t i = 0; i < ops->n_params; i++) m->values[i] = ops->params[i].by_default[mode];
    for (size_t f = 0; f < n_fns; f++) m->fns[f] = (pol_fn){"resnet", "resnet50", 500000000, 3700, 4, 8};
    for (uint32_t g = 0; g < n_gpus; g++) {
        m->gpus[g] =
            (pol_gpu){.first_row = g * MOCK_ROWS_PER_GPU, .n_rows = MOCK_ROWS_PER_GPU, .sm_free_pct = 100};
        m->gpus[g].memory_free_mib = 16384;
        m->gpus[g].pods_max = 48;
        for (uint32_t r = 0; r < MOCK_ROWS_PER_GPU; r++)
            m->rows[g * MOCK_ROWS_PER_GPU + r] = (pol_row){.gpu = g, .quota_free_pct = 100};
    }
    return m;
}

static inline pol_status mock_open(mock *m, char err[POL_ERR_LEN]) {
    return m->ops->open(&m->ctx, &m->host, m->n_fns, POL_CORRECTED, m->values, &m->flags, &m->tick_ns, err);
}

static inline void mock_free(mock *m) {
    if (m) m->ops->close(m->ctx);
    free(m);
}

/* ---- running ---- */

static inline pol_obs mock_observation(const mock *m, uint32_t fn) {
    pol_obs o = {.fn = fn, .now_ns = m->now_ns, .scrape_ns = -1, .learned = m->learned};
    int64_t since = m->now_ns - m->host.scrape_phase_ns;
    if (since >= 0) o.scrape_ns = since - since % m->host.scrape_ns + m->host.scrape_phase_ns;
    for (size_t i = 0; i < m->loads[fn].n; i++) {
        int64_t from = m->loads[fn].arrival_ns[i], to = m->loads[fn].end_ns[i];
        if (from > o.scrape_ns) break;
        o.arrivals++;
        o.completions += to <= o.scrape_ns;
        o.concurrency_ns += (uint64_t)((to < o.scrape_ns ? to : o.scrape_ns) - from);
    }
    for (uint32_t i = 0; i < m->n_pods[fn]; i++) {
        const mock_pod *p = &m->pods[fn][i];
        if (mock_is_gone(m, p) || p->pod.draining) continue;
        if (p->pod.ready_ns <= m->now_ns)
            o.pods_ready++;
        else
            o.pods_starting++;
    }
    return o;
}

static inline size_t mock_view_pods(mock *m, uint32_t fn, size_t n) {
    for (uint32_t i = 0; i < m->n_pods[fn]; i++)
        if (!mock_is_gone(m, &m->pods[fn][i])) m->view_pods[n++] = m->pods[fn][i].pod;
    return n;
}

static inline void mock_act(mock *m, uint32_t fn, pol_cause cause) {
    mock_sweep(m);
    pol_view v = {.now_ns = m->now_ns, .cause = cause, .gpus = m->gpus, .rows = m->rows, .n_gpus = m->n_gpus};
    uint32_t all[MOCK_GPUS];
    for (uint32_t g = 0; g < m->n_gpus; g++) all[g] = g;
    v.changed_gpus = all; /* some of them may not have: that does no harm */
    v.n_changed_gpus = m->n_gpus;
    v.n_rows = m->n_gpus * MOCK_ROWS_PER_GPU;
    v.pods = m->view_pods;
    if (fn != POL_ALL) v.n_pods = mock_view_pods(m, fn, 0);
    for (uint32_t f = 0; fn == POL_ALL && f < m->n_fns; f++) v.n_pods = mock_view_pods(m, f, v.n_pods);
    m->ops->act(m->ctx, fn, &v);
}

static inline void mock_begin(mock *m) {
    for (uint32_t f = 0; f < m->n_fns; f++) mock_act(m, f, POL_BEGIN);
}

/* The function with the earliest arrival up to `limit`, or -1. */
static inline int mock_next_arrival(const mock *m, int64_t limit) {
    int best = -1;
    int64_t first = limit;
    for (size_t f = m->n_fns; f-- > 0;) {
        const mock_load *l = &m->loads[f];
        if (m->arrived[f] == l->n || l->arrival_ns[m->arrived[f]] > first) continue;
        first = l->arrival_ns[m->arrived[f]];
        best = (int)f;
    }
    return best;
}

static inline void mock_arrivals(mock *m, int64_t limit) {
    for (int f = mock_next_arrival(m, limit); f >= 0; f = mock_next_arrival(m, limit)) {
        m->now_ns = m->loads[f].arrival_ns[m->arrived[f]++];
        if (mock_observation(m, (uint32_t)f).pods_ready == 0) mock_act(m, (uint32_t)f, POL_ARRIVAL);
    }
}

static inline int mock_must_visit(const mock *m, const pol_obs *o) {
    const pol_obs *was = &m->seen[o->fn];
    return m->is_eager || (m->flags & POL_GLOBAL) || m->now_ns <= m->tick_ns ||
           m->next_ns[o->fn] <= m->now_ns || o->arrivals != was->arrivals || o->learned != was->learned ||
           o->completions != was->completions || o->concurrency_ns != was->concurrency_ns ||
           o->pods_ready != was->pods_ready || o->pods_starting != was->pods_starting;
}

static inline int mock_visit(mock *m, uint32_t f) {
    pol_obs o = mock_observation(m, f);
    if (!mock_must_visit(m, &o)) return 0;
    m->seen[f] = o;
    m->visits++;
    return m->ops->observe(m->ctx, &o, &m->next_ns[f]);
}

/* What happens up to and at the next tick. */
static inline void mock_step(mock *m) {
    int64_t tick = (m->now_ns / m->tick_ns + 1) * m->tick_ns;
    mock_arrivals(m, tick);
    m->now_ns = tick;
    for (uint32_t f = 0; f < m->n_fns; f++)
        if (mock_visit(m, f) && !(m->flags & POL_GLOBAL)) mock_act(m, f, POL_TICK);
    if (m->flags & POL_GLOBAL) mock_act(m, POL_ALL, POL_TICK);
}

static inline void mock_run_until(mock *m, int64_t end_s) {
    while (m->now_ns < end_s * MOCK_S) mock_step(m);
}

static inline uint32_t mock_alive(const mock *m, uint32_t fn) {
    pol_obs o = mock_observation(m, fn);
    return o.pods_ready + o.pods_starting;
}

/* The last thing asked for with this verb, or NULL. */
static inline const pol_action *mock_last(const mock *m, pol_verb verb) {
    for (size_t i = m->n_log; i-- > 0;)
        if (m->log[i].action.verb == verb) return &m->log[i].action;
    return NULL;
}

static inline int mock_same_log(const mock *a, const mock *b) {
    if (a->n_log != b->n_log) return 0;
    for (size_t i = 0; i < a->n_log; i++) {
        const mock_entry *x = &a->log[i], *y = &b->log[i];
        const pol_action *p = &x->action, *q = &y->action;
        if (x->at_ns != y->at_ns || x->result != y->result || p->verb != q->verb || p->fn != q->fn ||
            p->pod != q->pod || p->gpu != q->gpu || p->row != q->row || p->sm_pct != q->sm_pct ||
            p->quota_pct != q->quota_pct || p->batch_max != q->batch_max || p->weight != q->weight ||
            p->balance != q->balance || p->pod_limit != q->pod_limit || p->queue_limit != q->queue_limit)
            return 0;
    }
    return 1;
}

/* ---- loads ---- */

static inline uint64_t mock_random(uint64_t *state) { /* splitmix64 */
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

enum { MOCK_LOAD = 4096 };
typedef struct {
    int64_t arrival_ns[MOCK_LOAD], end_ns[MOCK_LOAD];
} mock_requests;

/* Evenly spaced requests that take 100 ms each, behind those that are there. */
static inline mock_load mock_even_load(mock_requests *into, size_t n, double rate, double from_s,
                                       double to_s) {
    for (double t = from_s; t < to_s && n < MOCK_LOAD; t += 1 / rate, n++) {
        into->arrival_ns[n] = (int64_t)(t * 1e9);
        into->end_ns[n] = into->arrival_ns[n] + 100000000;
    }
    return (mock_load){into->arrival_ns, into->end_ns, n};
}

/* Bursts of random rate, length and service time, with pauses between that may be long. */
static inline mock_load mock_random_load(mock_requests *into, uint64_t *state, int64_t span_ns) {
    size_t n = 0;
    int64_t t = (int64_t)(mock_random(state) % (uint64_t)(40 * MOCK_S));
    while (n < MOCK_LOAD && t < span_ns) {
        size_t burst = 1 + mock_random(state) % (mock_random(state) % 3 ? 4 : 400);
        uint64_t gap = 1 + mock_random(state) % (mock_random(state) % 2 ? 200000000 : 8000000000);
        uint64_t service = 1 + mock_random(state) % (mock_random(state) % 4 ? 300000000 : 20000000000);
        for (; burst > 0 && n < MOCK_LOAD && t < span_ns; burst--, n++) {
            into->arrival_ns[n] = t;
            into->end_ns[n] = t + (int64_t)(1 + mock_random(state) % service);
            t += (int64_t)(mock_random(state) % gap);
        }
        if (n < MOCK_LOAD && mock_random(state) % 20 == 0 && n > 0) into->end_ns[n - 1] = MOCK_LATER;
        t += (int64_t)(mock_random(state) % (mock_random(state) % 2 ? 20 * MOCK_S : 400 * MOCK_S));
    }
    return (mock_load){into->arrival_ns, into->end_ns, n};
}

/* ---- laziness ---- */

/* Another choice for a third of the parameters that are one, and any metrics, pods, failures and functions. */
static inline void mock_randomise(mock *m, uint64_t *state) {
    for (size_t i = 0; i < m->ops->n_params; i++) {
        uint64_t n = 1;
        if (!m->ops->params[i].choices) continue;
        for (const char *c = m->ops->params[i].choices; *c; c++) n += *c == '|';
        if (mock_random(state) % 3 == 0) m->values[i] = (double)(mock_random(state) % n);
    }
    mock_set(m, "tick_s", mock_random(state) % 2 ? 2 : 0.7);
    m->host.scrape_ns = (int64_t)(1 + mock_random(state) % 7) * MOCK_S;
    m->host.scrape_phase_ns = (int64_t)(mock_random(state) % 7000) * 1000000;
    m->cold_start_ns = (int64_t)(mock_random(state) % 12) * MOCK_S / 2;
    m->drain_ns = (int64_t)(mock_random(state) % 5) * MOCK_S;
    m->has_failures = mock_random(state) % 2 == 0;
    m->is_oversubscribed = mock_random(state) % 4 == 0;
    for (size_t g = 0; g < m->n_gpus; g++) m->gpus[g].sm_resizable = mock_random(state) % 2;
    for (size_t f = 0; f < m->n_fns; f++) m->fns[f].workers = (uint32_t)(1 + mock_random(state) % 16);
}

/* 900 s of a random small cluster under random loads; requests[MOCK_FNS] backs them. step (NULL: none) is called
 * after each tick. */
static inline mock *mock_run_random(const pol_ops *ops, uint64_t seed, int is_eager, mock_requests *requests,
                                    void (*step)(mock *m)) {
    char err[POL_ERR_LEN] = "";
    uint64_t state = seed;
    mock *m = mock_new(ops, POL_CORRECTED, 1 + seed % 4, 1 + seed % 5);
    mock_randomise(m, &state);
    m->is_eager = is_eager;
    for (size_t f = 0; f < m->n_fns; f++) m->loads[f] = mock_random_load(&requests[f], &state, 900 * MOCK_S);
    if (mock_open(m, err) != POL_OK) {
        fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, err);
        abort();
    }
    mock_begin(m);
    while (m->now_ns < 900 * MOCK_S) {
        mock_step(m);
        if (step) step(m);
    }
    return m;
}

#endif
