#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine_int.h"

/* The token runtimes couple functions: one island, advanced in global order. */
static int is_in_global_order(const engine *e) {
    return e->run.options->order == ENGINE_GLOBAL || e->run.setup->runtime != ENGINE_METERED;
}

static void report_progress(const engine *e, int64_t now_ns) {
    if (e->run.options->progress) e->run.options->progress(e->run.options->progress_arg, now_ns);
}

static void begin(engine *e) {
    for (uint32_t fn = 0; fn < e->run.setup->n_fns; fn++) engine_act(e, fn, 0, POL_BEGIN);
}

/* ---- islands ---- */

static void advance_pending(void *arg, size_t i) {
    engine *e = arg;
    island_advance(&e->run.islands[e->pending[i]], e->limit_ns);
}

/* Advances the pending islands in parallel; those that want to act go to the acts. */
static void advance(engine *e) {
    thread_pool_run(e->pool, e->n_pending, advance_pending, e);
    for (size_t i = 0; i < e->n_pending; i++) {
        island *s = &e->run.islands[e->pending[i]];
        engine_collect_releases(e, s);
        if (!s->is_acting) continue;
        uint32_t kind = s->act_cause == POL_ARRIVAL ? EV_ARRIVAL : EV_TICK;
        if (act_heap_push(&e->acts, (act_key){s->act_ns, kind, s->fn, 0})) engine_no_memory(e);
    }
    e->n_pending = 0;
}

/* Runs everything up to limit_ns. An act is committed once every pending island is known to do nothing
 * earlier. */
static void run_islands(engine *e, int64_t limit_ns) {
    e->limit_ns = limit_ns;
    for (uint32_t fn = 0; fn < e->run.setup->n_fns; fn++) e->pending[e->n_pending++] = fn;
    advance(e);
    int64_t quiet_until = NEVER;
    while (!atomic_load(&e->run.out_of_memory)) {
        if (e->n_pending && (!e->acts.n || e->acts.v[0].at_ns >= quiet_until)) {
            advance(e);
            quiet_until = NEVER;
        }
        if (!e->acts.n) return;
        if (e->acts.v[0].at_ns >= quiet_until) continue;
        act_key k = act_heap_pop(&e->acts);
        island *s = &e->run.islands[k.fn];
        engine_act(e, k.fn, k.at_ns, s->act_cause);
        e->pending[e->n_pending++] = k.fn;
        if (island_quiet_until(s) < quiet_until) quiet_until = island_quiet_until(s);
        report_progress(e, k.at_ns);
    }
}

/* ---- global order ---- */

static void requeue(engine *e, uint32_t fn) {
    winner_tree_set(&e->tree, fn, island_next(&e->run.islands[fn]));
}

/* Under the token runtime, what a function did may have moved the ends of others' batches. */
static void requeue_sharers(engine *e) {
    while (e->run.n_changed_gpus) {
        const gpu_share *share = &e->run.shares[e->run.changed_gpus[--e->run.n_changed_gpus]];
        for (uint32_t i = 0; i < share->n; i++) requeue(e, share->sharers[i].fn);
    }
}

/* Likewise under the exact one, where it may have passed tokens on. */
static void requeue_token_clients(engine *e) {
    while (e->run.n_changed_gpus) {
        const token_sched *tokens = &e->run.tokens[e->run.changed_gpus[--e->run.n_changed_gpus]];
        for (uint32_t i = 0; i < tokens->n; i++) requeue(e, tokens->clients[i].fn);
    }
}

static void step_global(engine *e, uint32_t fn) {
    island *s = &e->run.islands[fn];
    island_step(s);
    engine_collect_releases(e, s);
    if (s->is_acting) {
        int64_t at = s->act_ns;
        engine_act(e, fn, at, s->act_cause);
        report_progress(e, at);
    }
    requeue(e, fn);
    if (e->run.shares) requeue_sharers(e);
    if (e->run.tokens) requeue_token_clients(e);
}

/* Whenever time goes on, the pods of a row that serve have at most the whole row. Only this order can tell: islands
 * are not at the same time. */
static void check_serving(engine *e, int64_t now_ns) {
    for (size_t r = 0; r < e->run.setup->n_gpus * e->run.setup->rows_per_gpu; r++) {
        int quota = atomic_load(&e->run.row_serving[r]);
        if (quota >= 0 && quota <= 100) continue;
        fprintf(stderr, "hassim: broken invariant at %" PRId64 " ns: row %zu serves quotas of %d %% in all\n",
                e->checked_ns, r, quota);
        abort();
    }
    e->checked_ns = now_ns;
}

static void run_global(engine *e, int64_t limit_ns) {
    for (uint32_t fn = 0; fn < e->run.setup->n_fns; fn++) requeue(e, fn);
    while (!atomic_load_explicit(&e->run.out_of_memory, memory_order_relaxed)) {
        winner first = winner_tree_first(&e->tree);
        int64_t at = event_key_ns(first.key);
        if (first.key == NEVER || at > limit_ns) return;
        if (e->run.row_serving && at > e->checked_ns) check_serving(e, at);
        step_global(e, first.leaf);
    }
}

/* ---- the run ---- */

static void run_until(engine *e, int64_t limit_ns) {
    if (is_in_global_order(e))
        run_global(e, limit_ns);
    else
        run_islands(e, limit_ns);
}

static int is_drained(const engine *e) {
    for (size_t i = 0; i < e->run.setup->n_fns; i++)
        if (e->run.islands[i].in_system) return 0;
    return 1;
}

/* A global policy: all functions stop at every tick, are observed in order, and one act follows. */
static void run_global_policy(engine *e) {
    for (int64_t t = e->run.tick_ns; t <= e->run.end_ns; t += e->run.tick_ns) {
        run_until(e, t);
        if ((t >= e->run.setup->duration_ns && is_drained(e)) || atomic_load(&e->run.out_of_memory)) break;
        int wants = 0;
        for (size_t i = 0; i < e->run.setup->n_fns; i++) {
            int64_t ignored = NEVER;
            pol_obs o = island_observation(&e->run.islands[i], t);
            e->run.islands[i].is_observing = 1;
            wants |= e->run.setup->policy->observe(e->run.policy, &o, &ignored);
            e->run.islands[i].is_observing = 0;
            e->result->visits++;
        }
        if (wants) engine_act(e, POL_ALL, t, POL_TICK);
        report_progress(e, t);
    }
    run_until(e, e->run.end_ns);
}

/* ---- opening ---- */

static int open_shares(engine *e) {
    const engine_setup *s = e->run.setup;
    if (s->runtime == ENGINE_METERED) return 0;
    e->run.changed_gpus = calloc(s->n_gpus, sizeof *e->run.changed_gpus);
    if (s->runtime == ENGINE_TOKEN_EXACT) {
        e->run.tokens = calloc(s->n_gpus, sizeof *e->run.tokens);
        return e->run.tokens && e->run.changed_gpus ? 0 : -1;
    }
    e->run.shares = calloc(s->n_gpus, sizeof *e->run.shares);
    if (!e->run.shares || !e->run.changed_gpus) return -1;
    for (uint32_t g = 0; g < s->n_gpus; g++)
        if (gpu_share_open(&e->run.shares[g], g * s->rows_per_gpu, s->rows_per_gpu)) return -1;
    return 0;
}

static int open_tables(engine *e) {
    const engine_setup *s = e->run.setup;
    run *r = &e->run;
    r->n_bins = (size_t)((s->duration_ns + s->bin_ns - 1) / s->bin_ns);
    e->result->fns = calloc(s->n_fns, sizeof *e->result->fns);
    r->islands = calloc(s->n_fns, sizeof *r->islands);
    if (r->options->check && is_in_global_order(e))
        r->row_serving = calloc(s->n_gpus * s->rows_per_gpu, sizeof *r->row_serving);
    if (r->options->check) r->row_gpu_ns = calloc(s->n_gpus * s->rows_per_gpu, sizeof *r->row_gpu_ns);
    r->total = calloc(r->n_bins, sizeof *r->total);
    r->by_fn = calloc(s->timeline_fns * r->n_bins + 1, sizeof *r->by_fn);
    r->ledger = cluster_open(s);
    e->pol_fns = calloc(s->n_fns, sizeof *e->pol_fns);
    e->policy_keys = calloc(s->n_fns, sizeof *e->policy_keys);
    e->cold_keys = calloc(s->n_fns, sizeof *e->cold_keys);
    e->pending = calloc(s->n_fns, sizeof *e->pending);
    e->pool = thread_pool_open(r->options->threads);
    if (!e->result->fns || !r->islands || !r->total || !r->by_fn || !r->ledger || !e->pol_fns ||
        !e->policy_keys || !e->cold_keys || !e->pending || !e->pool || winner_tree_open(&e->tree, s->n_fns) ||
        open_shares(e))
        return -1;
    for (uint32_t fn = 0; fn < s->n_fns; fn++) {
        const engine_fn *f = &s->fns[fn];
        e->pol_fns[fn] = (pol_fn){f->name, f->model_name, f->slo_ns, f->memory_mib, f->batch_max, f->workers};
        e->policy_keys[fn] = draw_key(s->seed, fn, DRAW_POLICY);
        e->cold_keys[fn] = draw_key(s->seed, fn, DRAW_COLD_START);
    }
    return 0;
}

static int open_engine(engine *e, char err[ENGINE_ERR_LEN]) {
    const engine_setup *s = e->run.setup;
    e->result->n_fns = s->n_fns;
    e->acting_fn = ENGINE_NO_ACT;
    if (open_tables(e)) {
        snprintf(err, ENGINE_ERR_LEN, "out of memory");
        return -1;
    }
    if (engine_open_policy(e, err)) return -1;
    for (uint32_t fn = 0; fn < s->n_fns; fn++)
        if (island_open(&e->run.islands[fn], &e->run, fn, &e->result->fns[fn], err)) return -1;
    return 0;
}

static void close_engine(engine *e) {
    const engine_setup *s = e->run.setup;
    if (e->run.policy) s->policy->close(e->run.policy);
    if (e->run.islands)
        for (size_t i = 0; i < s->n_fns; i++) island_close(&e->run.islands[i]);
    if (e->run.shares)
        for (size_t g = 0; g < s->n_gpus; g++) gpu_share_close(&e->run.shares[g]);
    if (e->run.tokens)
        for (size_t g = 0; g < s->n_gpus; g++) token_sched_close(&e->run.tokens[g]);
    free(e->run.shares);
    free(e->run.tokens);
    free(e->run.changed_gpus);
    free(e->run.islands);
    free(e->run.row_gpu_ns);
    free(e->run.row_serving);
    free(e->run.total);
    free(e->run.by_fn);
    cluster_close(e->run.ledger);
    free(e->pol_fns);
    free(e->policy_keys);
    free(e->cold_keys);
    free(e->pending);
    free(e->view_pods);
    free(e->view_changed);
    thread_pool_close(e->pool);
    winner_tree_close(&e->tree);
    act_heap_close(&e->acts);
    act_heap_close(&e->releases);
}

/* ---- the run, from end to end ---- */

static int check_setup(const engine_setup *s, char err[ENGINE_ERR_LEN]) {
    if (s->oversubscribe && s->runtime == ENGINE_METERED) {
        snprintf(err, ENGINE_ERR_LEN, "oversubscribed rows need a token runtime");
        return -1;
    }
    for (size_t i = 0; i < s->n_fns; i++) {
        int has_process = s->fns[i].process != NULL;
        if (s->runtime == ENGINE_TOKEN_EXACT ? has_process : !has_process || s->runtime == ENGINE_METERED)
            continue;
        snprintf(err, ENGINE_ERR_LEN, "function %s: %s", s->fns[i].name,
                 has_process ? "processes are modelled under the exact token runtime, or on whole GPUs"
                             : "the exact token runtime needs its process");
        return -1;
    }
    return 0;
}

int engine_run(const engine_setup *setup, const engine_options *options, engine_result *result,
               char err[ENGINE_ERR_LEN]) {
    int rc = -1;
    engine e = {.run = {.setup = setup, .options = options, .end_ns = setup->duration_ns + setup->drain_ns},
                .result = result};
    *result = (engine_result){0};
    if (check_setup(setup, err)) return -1;
    if (open_engine(&e, err)) goto out;
    begin(&e);
    if (e.run.policy_is_global)
        run_global_policy(&e);
    else
        run_until(&e, e.run.end_ns);
    if (atomic_load(&e.run.out_of_memory) || engine_collect(&e)) {
        snprintf(err, ENGINE_ERR_LEN, "out of memory");
        goto out;
    }
    rc = 0;
out:
    close_engine(&e);
    if (rc) engine_result_free(result);
    return rc;
}
