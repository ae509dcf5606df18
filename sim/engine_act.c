#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine_int.h"
#include "grow_int.h"

void engine_no_memory(engine *e) {
    atomic_store(&e->run.out_of_memory, 1);
}

/* ---- what the host lends to the policy ---- */

static const pol_fn *host_fn(void *impl, uint32_t fn) {
    return &((engine *)impl)->pol_fns[fn];
}

/* 1: the function can run there, and *out is what the predictor is asked about. What was learnt of a function is told
 * while that function is looked at or acts: others may be ahead in time. */
static int find_dnn(const engine *e, uint32_t fn, uint32_t device, predict_dnn *out) {
    const engine_setup *s = e->run.setup;
    const engine_fit *fit = fn < s->n_fns && device < s->n_devices ? &s->fns[fn].on[device] : NULL;
    if (!fit || !fit->model) return 0;
    *out = (predict_dnn){engine_calibrated(fit), fit->model, 1};
    const island *in = &e->run.islands[fn];
    int is_near =
        e->acting_fn == ENGINE_NO_ACT ? in->is_observing : e->acting_fn == POL_ALL || e->acting_fn == fn;
    if (is_near) out->factor = island_factor(in, device);
    return 1;
}

static int64_t host_latency_ns(void *impl, uint32_t fn, uint32_t device, uint32_t batch, uint32_t sm_pct,
                               uint32_t quota_pct) {
    const engine *e = impl;
    predict_dnn dnn;
    if (!find_dnn(e, fn, device, &dnn)) return -1;
    double ms = predictor_latency_ms(e->run.setup->predictor, &dnn, batch, sm_pct, quota_pct);
    return ms < 0 ? -1 : (int64_t)(ms * 1e6 + 0.5);
}

static double host_throughput_rps(void *impl, uint32_t fn, uint32_t device, uint32_t batch, uint32_t sm_pct,
                                  uint32_t quota_pct) {
    const engine *e = impl;
    predict_dnn dnn;
    if (!find_dnn(e, fn, device, &dnn)) return -1;
    return predictor_throughput_rps(e->run.setup->predictor, &dnn, batch, sm_pct, quota_pct);
}

static double host_overhead_ms(void *impl, uint32_t fn, uint32_t device) {
    (void)device; /* one distribution per function today */
    return ((engine *)impl)->run.setup->fns[fn].overhead_ms.mean;
}

static double host_uniform(void *impl, uint32_t fn, uint64_t n) {
    return draw_unit(draw_bits(((engine *)impl)->policy_keys[fn], n));
}

/* ---- actions ---- */

void engine_enter_releases(engine *e, int64_t until_ns) {
    while (e->releases.n && e->releases.v[0].at_ns <= until_ns) {
        act_key k = act_heap_pop(&e->releases);
        cluster_release(e->run.ledger, k.fn, k.pod, k.at_ns);
    }
}

void engine_collect_releases(engine *e, island *s) {
    for (uint32_t i = 0; i < s->n_releases; i++)
        if (act_heap_push(&e->releases, (act_key){s->releases[i].at_ns, 0, s->fn, s->releases[i].pod}))
            engine_no_memory(e);
    s->n_releases = 0;
}

static void record_action(engine *e, const pol_action *a, uint32_t pod_id, const char *why) {
    engine_result *r = e->result;
    r->actions_seen++;
    r->actions_refused += why != NULL;
    if (r->n_actions >= e->run.setup->actions_max) return;
    engine_action *v = grow_array(r->actions, r->n_actions, &e->actions_cap, sizeof *v);
    if (!v) {
        engine_no_memory(e);
        return;
    }
    r->actions = v;
    r->actions[r->n_actions++] =
        (engine_action){.at_ns = e->now_ns, .action = *a, .pod = pod_id, .refused = why != NULL, .why = why};
}

/* A pod takes work after its cold start, and not before the window in which the quota that it was given is
 * free: a pod that left in this window may have used it up. */
static int64_t ready_at(const engine *e, const pol_action *a) {
    const engine_setup *s = e->run.setup;
    if (a->fn >= s->n_fns || a->gpu >= s->n_gpus) return e->now_ns;
    const engine_fn *f = &s->fns[a->fn];
    uint64_t bits = draw_bits(e->cold_keys[a->fn], cluster_next_pod(e->run.ledger, a->fn));
    double cold_ms = f->on[s->gpus[a->gpu].device].cold_start_ms * dist_sample(&f->cold_start, bits);
    int64_t ready = e->now_ns + a->setup_ns + (int64_t)(cold_ms * 1e6 + 0.5);
    int64_t window = e->cause == POL_BEGIN ? 0 : (e->now_ns / ENGINE_WINDOW_NS + 1) * ENGINE_WINDOW_NS;
    return ready > window ? ready : window;
}

/* Under the metered runtime a process has its GPU to itself: nothing meters it (quota 0: as it is). */
static int is_unmetered(const engine *e, const pol_action *a, const char **why) {
    const engine_setup *s = e->run.setup;
    if (s->runtime != ENGINE_METERED || !s->fns[a->fn].process || a->quota_pct == 0 || a->quota_pct == 100)
        return 0;
    *why = "nothing meters a process: its quota is 100 %";
    return 1;
}

static int64_t plan_start(engine *e, const pol_action *a, const char **why) {
    pol_pod p;
    if (is_unmetered(e, a, why)) return -1;
    if (cluster_start(e->run.ledger, a, e->now_ns, ready_at(e, a), &p, why)) return -1;
    island_start(&e->run.islands[a->fn], &p, e->now_ns);
    return p.id;
}

static int plan_stop(engine *e, const pol_action *a, const char **why) {
    if (cluster_drain(e->run.ledger, a->fn, a->pod, why)) return -1;
    if (island_stop(&e->run.islands[a->fn], a->pod, e->now_ns))
        cluster_release(e->run.ledger, a->fn, a->pod, e->now_ns);
    return 0;
}

static int plan_kill(engine *e, const pol_action *a, const char **why) {
    if (!cluster_has_pod(e->run.ledger, a->fn, a->pod)) {
        *why = "no such pod";
        return -1;
    }
    island_kill(&e->run.islands[a->fn], a->pod, e->now_ns);
    cluster_release(e->run.ledger, a->fn, a->pod, e->now_ns);
    return 0;
}

static int plan_resize(engine *e, const pol_action *a, const char **why) {
    pol_pod p;
    if (is_unmetered(e, a, why)) return -1;
    if (cluster_resize(e->run.ledger, a, e->now_ns, &p, why)) return -1;
    island_resize(&e->run.islands[a->fn], &p, e->now_ns);
    return 0;
}

static int64_t apply(engine *e, const pol_action *a, const char **why) {
    if (e->acting_fn == ENGINE_NO_ACT)
        *why = "outside of act";
    else if (a->fn >= e->run.setup->n_fns)
        *why = "no such function";
    else if (e->acting_fn != POL_ALL && a->fn != e->acting_fn)
        *why = "function is not acting";
    if (*why) return -1;
    switch (a->verb) {
    case POL_START:
        return plan_start(e, a, why);
    case POL_STOP:
        return plan_stop(e, a, why);
    case POL_KILL:
        return plan_kill(e, a, why);
    case POL_RESIZE:
        return plan_resize(e, a, why);
    case POL_ROUTE:
        if (a->balance > POL_WEIGHTED) break;
        island_route(&e->run.islands[a->fn], a, e->now_ns);
        return 0;
    }
    *why = "no such action";
    return -1;
}

static int64_t host_plan(void *impl, const pol_action *action) {
    engine *e = impl;
    const char *why = NULL;
    int64_t id = apply(e, action, &why);
    if (why && strcmp(why, CLUSTER_NO_MEMORY) == 0) engine_no_memory(e);
    record_action(e, action, action->verb == POL_START && id >= 0 ? (uint32_t)id : action->pod, why);
    return why ? -1 : id;
}

/* ---- acts ---- */

/* A copy of the pods of functions from..to-1: it must not change while the policy plans. */
static const pol_pod *copy_pods(engine *e, uint32_t from, uint32_t to, size_t *n) {
    size_t k, total = 0;
    for (uint32_t fn = from; fn < to; fn++) {
        cluster_pods(e->run.ledger, fn, &k);
        total += k;
    }
    *n = 0;
    pol_pod *v = grow_array(e->view_pods, total, &e->view_pods_cap, sizeof *v);
    if (!v) {
        engine_no_memory(e);
        return NULL;
    }
    e->view_pods = v;
    for (uint32_t fn = from; fn < to; fn++) {
        const pol_pod *pods = cluster_pods(e->run.ledger, fn, &k);
        if (k) memcpy(e->view_pods + *n, pods, k * sizeof *pods);
        *n += k;
    }
    return e->view_pods;
}

/* Likewise of the GPUs that have changed; the policy's own changes count for its next act. */
static const uint32_t *copy_changed(engine *e, size_t *n) {
    const uint32_t *changed = cluster_changed_gpus(e->run.ledger, n);
    uint32_t *v = grow_array(e->view_changed, *n, &e->view_changed_cap, sizeof *v);
    if (!v) {
        engine_no_memory(e);
        *n = 0;
        return NULL;
    }
    e->view_changed = v;
    if (*n) memcpy(v, changed, *n * sizeof *v);
    cluster_forget_changed(e->run.ledger);
    return v;
}

void engine_act(engine *e, uint32_t fn, int64_t now_ns, pol_cause cause) {
    const engine_setup *s = e->run.setup;
    uint32_t from = fn == POL_ALL ? 0 : fn, to = fn == POL_ALL ? (uint32_t)s->n_fns : fn + 1;
    e->acting_fn = fn;
    e->now_ns = now_ns;
    e->cause = cause;
    engine_enter_releases(e, now_ns);
    for (uint32_t i = from; i < to; i++) island_begin_act(&e->run.islands[i], now_ns, cause);
    pol_view view = {.now_ns = now_ns,
                     .cause = cause,
                     .gpus = cluster_gpus(e->run.ledger),
                     .rows = cluster_rows(e->run.ledger),
                     .n_gpus = s->n_gpus,
                     .n_rows = s->n_gpus * s->rows_per_gpu};
    view.pods = copy_pods(e, from, to, &view.n_pods);
    view.changed_gpus = copy_changed(e, &view.n_changed_gpus);
    e->result->acts++;
    s->policy->act(e->run.policy, fn, &view);
    e->acting_fn = ENGINE_NO_ACT;
    if (e->run.options->check) cluster_check(e->run.ledger);
}

int engine_open_policy(engine *e, char err[ENGINE_ERR_LEN]) {
    const engine_setup *s = e->run.setup;
    char why[POL_ERR_LEN] = "";
    uint32_t flags = 0;
    e->host = (pol_host){.impl = e,
                         .scrape_ns = s->scrape_ns,
                         .scrape_phase_ns = s->scrape_phase_ns,
                         .fn = host_fn,
                         .plan = host_plan,
                         .latency_ns = host_latency_ns,
                         .throughput_rps = host_throughput_rps,
                         .overhead_ms = host_overhead_ms,
                         .uniform = host_uniform};
    pol_status status =
        s->policy->open(&e->run.policy, &e->host, s->n_fns, s->mode, s->params, &flags, &e->run.tick_ns, why);
    if (status == POL_OK && e->run.tick_ns > 0) {
        e->run.policy_is_global = (flags & POL_GLOBAL) != 0;
        return 0;
    }
    snprintf(err, ENGINE_ERR_LEN, "policy %s: %s", s->policy->name,
             why[0]                 ? why
             : status == POL_NO_MEM ? "out of memory"
                                    : "did not open");
    return -1;
}
