#include "island_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grow_int.h"

/* ---- a pod's next event ---- */

static inline void schedule(island *s, pod *p) {
    pod_schedule(p);
    if (s->earliest.nodes) winner_tree_set(&s->earliest, (uint32_t)(p->next - s->next), *p->next);
}

static void schedule_rare(island *s, pod *p) {
    pod_schedule_rare(p);
    schedule(s, p);
}

/* After pods have come or gone. Under the token runtimes other functions retime them: then there is no tree; nor where
 * there is no memory for it. */
static void lay_out_events(island *s) {
    int is_wanted = s->n_pods > MANY_PODS && !s->run->shares && !s->run->tokens;
    if (!is_wanted || s->earliest.leaves < s->pods_cap) {
        winner_tree_close(&s->earliest);
        s->earliest = (winner_tree){0};
        if (is_wanted && winner_tree_open(&s->earliest, s->pods_cap)) s->earliest = (winner_tree){0};
    }
    if (s->earliest.nodes) winner_tree_fill(&s->earliest, s->next, s->n_pods);
}

/* ---- when monitoring looks ---- */

static int64_t round_up(int64_t at, int64_t phase, int64_t step) {
    if (at <= phase) return phase;
    return phase + (at - phase + step - 1) / step * step;
}

static int64_t later(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static int64_t sooner(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* To be called when a scrape, a tick or a bin's end has been set. */
static void set_attention(island *s) {
    int64_t at = sooner(sooner(s->next_scrape_ns, s->next_tick_ns), sooner(s->next_bin_ns, s->duration_ns));
    s->attention = event_key_of(at, EV_COMPLETION);
}

/* A counter changed: the next scrape will see it. */
static void touch(island *s, int64_t now) {
    const engine_setup *setup = s->run->setup;
    if (s->next_scrape_ns != NEVER) return;
    s->next_scrape_ns = round_up(later(now, s->unseen_ns), setup->scrape_phase_ns, setup->scrape_ns);
    set_attention(s);
}

/* The policy must look at the first tick at or after `from`. */
static void wake(island *s, int64_t from) {
    if (s->run->policy_is_global) return;
    int64_t tick = round_up(later(from, s->unseen_ns), s->run->tick_ns, s->run->tick_ns);
    if (tick < s->next_tick_ns) s->next_tick_ns = tick;
    set_attention(s);
}

static void enter_system(island *s, int64_t now) {
    s->in_system++;
    s->concurrency_ns -= (uint64_t)now;
}

static void leave_system(island *s, uint32_t n, int64_t now) {
    s->in_system -= n;
    s->concurrency_ns += n * (uint64_t)now;
}

static void scrape(island *s) {
    int64_t now = s->next_scrape_ns;
    pol_obs o = {.fn = s->fn,
                 .scrape_ns = now,
                 .arrivals = s->result->arrivals - s->unsent,
                 .completions = s->result->completed,
                 .failures = s->failures,
                 .concurrency_ns = s->concurrency_ns + s->in_system * (uint64_t)now,
                 .queued = s->queue.n,
                 .learned = s->seen.learned};
    if (s->learning) o.learned += (uint32_t)online_scrape(s->learning, s->run->setup->n_devices);
    const pol_obs *was = &s->seen;
    if (o.arrivals != was->arrivals || o.completions != was->completions || o.failures != was->failures ||
        o.concurrency_ns != was->concurrency_ns || o.queued != was->queued)
        wake(s, now);
    s->seen = o;
    int goes_on = s->in_system > 0 || s->run->options->eager;
    s->next_scrape_ns = goes_on ? now + s->run->setup->scrape_ns : NEVER;
    set_attention(s);
}

pol_obs island_observation(const island *s, int64_t now) {
    const engine_setup *setup = s->run->setup;
    pol_obs o = s->seen;
    o.now_ns = now;
    o.scrape_ns = now < setup->scrape_phase_ns ? -1 : now - (now - setup->scrape_phase_ns) % setup->scrape_ns;
    o.pods_ready = s->n_ready;
    o.pods_starting = s->n_starting;
    return o;
}

static void act_at(island *s, int64_t now, pol_cause cause) {
    s->is_acting = 1;
    s->act_cause = cause;
    s->act_ns = now;
}

static void visit(island *s) {
    int64_t now = s->next_tick_ns, next = NEVER;
    pol_obs o = island_observation(s, now);
    s->visits++;
    s->next_tick_ns = NEVER;
    s->unseen_ns = now + 1;
    s->is_observing = 1;
    int wants = s->run->setup->policy->observe(s->run->policy, &o, &next);
    s->is_observing = 0;
    if (s->run->options->eager) next = now;
    if (next != NEVER) wake(s, next);
    set_attention(s);
    if (wants) act_at(s, now, POL_TICK);
}

int64_t island_quiet_until(const island *s) {
    int64_t later_ns =
        s->act_ns + (s->act_cause != POL_ARRIVAL); /* after an arrival, the instant's tick is to come */
    if (s->n_ready + s->n_starting == 0 || s->n_pods > s->n_ready + s->n_starting) return later_ns;
    return round_up(later_ns, s->run->tick_ns, s->run->tick_ns);
}

/* ---- timeline ---- */

/* What the GPU serves in full batches, or what the workers can hold: each keeps a request through its overhead and
 * the time of its batch, which under the metered runtime is less than G / quota as long as it fits the window. */
static uint64_t capacity_mrps(const island *s, const pod *p) {
    const engine_setup *setup = s->run->setup;
    const calib_model *model = s->spec->on[setup->gpus[p->gpu].device].model;
    const predict_dnn dnn = {model, model, 1};
    predictor alone;
    predictor_find(&alone, "oracle", setup->predictor->runtime);
    uint32_t batch = p->batch_max < p->workers ? p->batch_max : p->workers;
    double g = p->gpu_ns[batch], per_batch_ns = g > p->launch_ns ? g : p->launch_ns;
    if (setup->runtime == ENGINE_METERED) per_batch_ns = g * 100 / p->quota_pct;
    double batch_ms = predictor_latency_ms(&alone, &dnn, batch, p->sm_pct, p->quota_pct);
    if (s->has_work) {
        double work = trace_mean_work(&s->spec->trace);
        per_batch_ns *= work;
        batch_ms *= work;
    }
    double by_gpu = 1e12 * batch / per_batch_ns;
    double by_workers = 1e6 * p->workers / (s->spec->overhead_ms.mean + batch_ms);
    return (uint64_t)((by_gpu < by_workers ? by_gpu : by_workers) + 0.5);
}

static void bin_add(atomic_uint_least64_t *to, uint64_t n) {
    if (n) atomic_fetch_add_explicit(to, n, memory_order_relaxed);
}

static void bin_write(live_bin *b, const island *s, uint64_t on_gpu, uint64_t mrps) {
    bin_add(&b->arrivals, s->result->arrivals - s->bin_arrivals);
    bin_add(&b->completed, s->result->completed - s->bin_completed);
    bin_add(&b->violations, s->violations_ever - s->bin_violations);
    bin_add(&b->queued, s->in_system - on_gpu);
    bin_add(&b->pods_ready, s->n_ready);
    bin_add(&b->pods_starting, s->n_starting);
    bin_add(&b->capacity_mrps, mrps);
}

/* Closes every bin that ends at or before now: nothing has changed since the last event. */
static void close_bins(island *s, int64_t now) {
    const engine_setup *setup = s->run->setup;
    uint64_t on_gpu = 0, mrps = 0;
    for (uint32_t i = 0; i < s->n_pods; i++) {
        on_gpu += s->pods[i]->is_serving ? pod_n_flight(s->pods[i]) : 0;
        if (s->pods[i]->is_ready && !s->pods[i]->is_draining) mrps += capacity_mrps(s, s->pods[i]);
    }
    while (s->next_bin_ns <= now) {
        size_t k = (size_t)((s->next_bin_ns - 1) / setup->bin_ns);
        bin_write(&s->run->total[k], s, on_gpu, mrps);
        if (s->fn < setup->timeline_fns)
            bin_write(&s->run->by_fn[s->fn * s->run->n_bins + k], s, on_gpu, mrps);
        s->bin_arrivals = s->result->arrivals;
        s->bin_completed = s->result->completed;
        s->bin_violations = s->violations_ever;
        if (s->next_bin_ns == setup->duration_ns)
            s->next_bin_ns = NEVER;
        else if (s->next_bin_ns + setup->bin_ns > setup->duration_ns)
            s->next_bin_ns = setup->duration_ns;
        else
            s->next_bin_ns += setup->bin_ns;
    }
    set_attention(s);
}

/* ---- requests that end ---- */

/* When the client is to be asked; not after the end of arrivals. */
static int64_t client_due(const island *s, int64_t now) {
    int64_t due = client_next(s->client);
    if (due == NEVER) return NEVER;
    due = later(due, now);
    return due < s->run->setup->duration_ns ? due : NEVER;
}

/* The client hears of a request that it sent. A tick's act comes after the arrivals of its instant: of what it kills, the
 * client hears in the next nanosecond. */
static void answer_client(island *s, int64_t now) {
    if (!s->client) return;
    int64_t heard = now + (s->act_ns == now && s->act_cause == POL_TICK);
    client_answered(s->client, heard);
    s->arrival = event_key_of(client_due(s, heard), EV_ARRIVAL);
}

static inline void count_completed(island *s, int64_t latency) {
    island_count_latency(s, latency);
    island_add_latencies(s, (uint64_t)latency);
}

/* A request that failed, or is unfinished, violates every SLO. */
static void count_failure(island *s) {
    s->result->window_violations++;
    for (uint32_t k = 0; k < s->n_report; k++) s->result->report_violations[k]++;
}

static void end_request(island *s, const held_request *r, uint32_t pod_id, int64_t now, engine_fate fate) {
    int64_t latency = now - r->arrival_ns;
    s->violations_ever += fate != ENGINE_COMPLETED || latency > s->spec->slo_ns;
    if (r->ordinal < s->requests_cap) {
        s->requests[r->ordinal].pod = pod_id;
        s->requests[r->ordinal].end_ns = fate == ENGINE_UNFINISHED ? -1 : now;
        s->requests[r->ordinal].fate = fate;
    }
    if (fate != ENGINE_UNFINISHED) answer_client(s, now);
    if (r->arrival_ns < s->warmup_ns) return;
    if (fate == ENGINE_COMPLETED)
        count_completed(s, latency);
    else
        count_failure(s);
}

/* The requests of a batch are served. */
static inline void end_flight(island *s, const pod *p, int64_t now) {
    for (uint32_t i = p->head; i != p->launched; i++) {
        const held_request *r = pod_request(p, i);
        if (s->is_watched) {
            if (s->spec->keep_alive_ns && endpoints_add(&s->connections, p->id, now)) island_no_memory(s);
            end_request(s, r, p->id, now, ENGINE_COMPLETED);
            continue;
        }
        s->violations_ever += now - r->arrival_ns > s->spec->slo_ns;
        if (r->arrival_ns >= s->warmup_ns) count_completed(s, now - r->arrival_ns);
    }
}

static void fail_request(island *s, const held_request *r, uint32_t pod_id, int64_t now, engine_fate fate) {
    leave_system(s, 1, now);
    s->failures++;
    *(fate == ENGINE_DROPPED ? &s->result->dropped : &s->result->lost) += 1;
    end_request(s, r, pod_id, now, fate);
    touch(s, now);
}

/* ---- pods at work ---- */

/* What other functions' pods on the GPU do next may change: the engine will look at them. */
static void note_changed(island *s, uint32_t gpu) {
    run *r = s->run;
    int listed = 0;
    for (size_t i = 0; i < r->n_changed_gpus; i++) listed |= r->changed_gpus[i] == gpu;
    if (!listed) r->changed_gpus[r->n_changed_gpus++] = gpu;
}

/* The share of a pod's GPU, about to be changed. */
static gpu_share *share_of(island *s, const pod *p) {
    note_changed(s, p->gpu);
    return &s->run->shares[p->gpu];
}

/* sign +1: the pod begins to serve with its quota, -1: it ends */
static void count_serving(island *s, const pod *p, int sign) {
    if (s->run->row_serving) atomic_fetch_add(&s->run->row_serving[p->row], sign * (int)p->quota_pct);
}

static void start_batch(island *s, pod *p, int64_t now) {
    if (s->run->tokens) note_changed(s, p->gpu);
    if (p->process)
        process_launch(p, now, p->noise);
    else if (!s->run->shares)
        pod_meter_start(p, now);
    else if (gpu_share_join(share_of(s, p), p, s->fn, now))
        island_no_memory(s);
}

static const double LONGEST_BATCH_NS = 1e15; /* no time overflows, whatever sizes a trace has */

/* Of a batch whose requests have works, which they carry in place of their noises: the mean work, and the noise that is
 * its first request's. */
double island_work_factor(const island *s, const pod *p) {
    uint32_t n = pod_n_flight(p);
    double g = p->gpu_ns[n], longest_ns = g > p->launch_ns ? g : p->launch_ns, sum = 0;
    for (uint32_t i = p->head; i != p->launched; i++) sum += pod_request(p, i)->noise;
    uint64_t bits = draw_bits(s->service_key, pod_request(p, p->head)->ordinal);
    double factor = dist_sample(&s->spec->noise, bits) * (sum / n);
    return factor * longest_ns < LONGEST_BATCH_NS ? factor : LONGEST_BATCH_NS / longest_ns;
}

static inline void launch(island *s, pod *p, int64_t now) {
    if (!pod_can_launch(p, now, s->spec->batch_wait_ns)) return;
    pod_load_batch(p);
    p->launched_ns = now;
    count_serving(s, p, 1);
    p->noise = island_batch_factor(s, p);
    if (now >= s->warmup_ns && now < s->duration_ns) {
        s->result->batches++;
        s->result->batched += pod_n_flight(p);
    }
    start_batch(s, p, now);
}

static void give(island *s, pod *p, held_request r, int64_t now) {
    if (p->process) {
        if (process_take(p, r, now)) island_no_memory(s);
        schedule(s, p);
        return;
    }
    if (pod_take(p, &r, now)) island_no_memory(s);
    if (p->is_serving) return; /* the GPU's end comes next, as before */
    launch(s, p, now);
    schedule(s, p);
}

/* Hands waiting requests to pods as long as one takes them. */
static void dispatch(island *s, int64_t now) {
    while (s->queue.n) {
        pod *p = route_pick(s, queue_front(&s->queue)->ordinal);
        if (!p) return;
        give(s, p, queue_pop(&s->queue), now);
    }
}

static void leave_tokens(island *s, const pod *p, int64_t now) {
    note_changed(s, p->gpu);
    token_sched_leave(&s->run->tokens[p->gpu], p, now);
}

static void let_go(island *s, pod *p, int64_t now) {
    uint32_t i = 0;
    route_changes(s);
    while (s->pods[i] != p) i++;
    if (s->run->tokens) leave_tokens(s, p, now);
    for (s->n_pods--; i < s->n_pods; i++) {
        s->pods[i] = s->pods[i + 1];
        s->next[i] = s->next[i + 1];
        s->pods[i]->next = &s->next[i];
    }
    lay_out_events(s);
    pod_close(p);
}

static void release_place(island *s, const pod *p, int64_t now) {
    release *v = grow_array(s->releases, s->n_releases, &s->releases_cap, sizeof *v);
    if (!v) {
        island_no_memory(s);
        return;
    }
    s->releases = v;
    s->releases[s->n_releases++] = (release){now, s->fn, p->id};
}

double island_factor(const island *s, uint32_t device) {
    return s->learning ? s->learning[device].factor : 1;
}

/* What a platform would have measured of the batch that ends, beside what was predicted. */
static void note_batch(island *s, const pod *p, int64_t now) {
    const engine_setup *setup = s->run->setup;
    uint32_t device = setup->gpus[p->gpu].device;
    const engine_fit *fit = &s->spec->on[device];
    const predict_dnn dnn = {engine_calibrated(fit), fit->model, 1};
    double took_ns = setup->runtime == ENGINE_METERED ? p->gpu_time_ns : (double)(now - p->launched_ns);
    online_note(&s->learning[device], took_ns / 1e6,
                predictor_batch_ms(setup->predictor, &dnn, pod_n_flight(p), p->sm_pct, p->quota_pct));
}

/* The GPU is free for the pod's next batch. */
static inline void end_batch(island *s, pod *p, int64_t now) {
    if (s->learning) note_batch(s, p, now);
    count_serving(s, p, -1);
    p->is_serving = 0;
    p->end_ns = NEVER;
    if (s->run->shares) gpu_share_leave(share_of(s, p), p, now);
    island_account_gpu_time(s, p);
}

void island_let_go(island *s, pod *p, int64_t now) {
    release_place(s, p, now);
    let_go(s, p, now);
}

static void let_go_if_drained(island *s, pod *p, int64_t now) {
    if (p->is_draining && p->held == 0) island_let_go(s, p, now);
}

static inline void complete(island *s, pod *p, int64_t now) {
    uint32_t n = pod_n_flight(p);
    end_batch(s, p, now);
    leave_system(s, n, now);
    s->result->completed += n;
    end_flight(s, p, now);
    pod_unload_batch(p);
    p->held -= n;
    p->busy -= n;
    touch(s, now);
    pod_collect_prepared(p, now);
    pod_fill_workers(p, now);
    if (s->queue.n) dispatch(s, now);
    launch(s, p, now);
    schedule(s, p);
    let_go_if_drained(s, p, now);
}

/* ---- pods with a process ---- */

static void serve_ended(island *s, pod *p, int64_t now) {
    end_batch(s, p, now);
    if (process_respond(p, now)) island_no_memory(s);
    pod_unload_batch(p);
    launch(s, p, now);
}

static void answer(island *s, pod *p, const held_request *r, int64_t now) {
    leave_system(s, 1, now);
    s->result->completed++;
    p->held--;
    p->busy--;
    if (s->spec->keep_alive_ns && endpoints_add(&s->connections, p->id, now)) island_no_memory(s);
    end_request(s, r, p->id, now, ENGINE_COMPLETED);
    touch(s, now);
    if (process_fill_workers(p, now)) island_no_memory(s);
    if (s->queue.n) dispatch(s, now);
}

static void process_goes_on(island *s, pod *p, int64_t now) {
    held_request r;
    process_event e;
    if (s->run->tokens) note_changed(s, p->gpu);
    while ((e = process_step(p, now, &r)) != PROCESS_WAITS) {
        if (e == PROCESS_SERVED) serve_ended(s, p, now);
        if (e == PROCESS_PREPARED) launch(s, p, now);
        if (e == PROCESS_ANSWERED) answer(s, p, &r, now);
        if (e != PROCESS_NO_MEMORY) continue;
        island_no_memory(s);
        break;
    }
    schedule(s, p);
    let_go_if_drained(s, p, now);
}

static void become_ready(island *s, pod *p, int64_t now) {
    route_changes(s);
    p->ready_ns = NEVER;
    p->is_ready = 1;
    s->n_starting--;
    s->n_ready++;
    schedule_rare(s, p);
    dispatch(s, now);
    touch(s, now);
    wake(s, now);
}

static void change_share(island *s, pod *p, int64_t now) {
    const engine_setup *setup = s->run->setup;
    uint32_t device = setup->gpus[p->gpu].device;
    const calib_model *model = s->spec->on[device].model;
    int64_t stall_ns = p->sm_next_pct == p->sm_pct ? 0 : setup->devices[device].sm_resize_ns;
    p->quota_ns = NEVER;
    if (p->stalled_until_ns < now + stall_ns) p->stalled_until_ns = now + stall_ns;
    if (p->is_serving) count_serving(s, p, -1);
    if (p->process)
        pod_set_share(p, model); /* the next token, and the next batch, are by the new share */
    else if (s->run->shares)
        gpu_share_reshare(share_of(s, p), p, model, now, stall_ns);
    else
        pod_meter_reshare(p, model, now);
    if (p->is_serving) count_serving(s, p, 1);
    if (s->run->tokens) {
        note_changed(s, p->gpu);
        token_sched_reshare(&s->run->tokens[p->gpu], now);
    }
    launch(s, p, now);
    schedule_rare(s, p);
}

static void rare_pod_event(island *s, pod *p, event_kind kind, int64_t now) {
    switch (kind) {
    case EV_QUOTA:
        change_share(s, p, now);
        return;
    case EV_READY:
        become_ready(s, p, now);
        return;
    case EV_PROCESS:
        process_goes_on(s, p, now);
        return;
    default: /* a batch is due */
        launch(s, p, now);
        schedule(s, p);
    }
}

static inline void pod_event(island *s, pod *p, event_kind kind, int64_t now) {
    if (kind == EV_COMPLETION) {
        complete(s, p, now);
        return;
    }
    if (kind == EV_PREPARED) {
        p->prepared++;
        launch(s, p, now);
        schedule(s, p);
        return;
    }
    rare_pod_event(s, p, kind, now);
}

/* ---- arrivals ---- */

static int64_t overhead_ns_of(double ms) {
    return (int64_t)(1e6 * ms + 0.5);
}

/* A request as it arrives, and what of it is drawn: nothing of that depends on what happens to it. */
static held_request draw_request(const island *s, uint64_t ordinal, int64_t at_ns) {
    double overhead_ms = dist_sample(&s->spec->overhead_ms, draw_bits(s->overhead_key, ordinal));
    return (held_request){.arrival_ns = at_ns,
                          .prepared_ns = overhead_ns_of(overhead_ms),
                          .noise = dist_sample(&s->spec->noise, draw_bits(s->service_key, ordinal)),
                          .ordinal = ordinal};
}

static size_t arrivals_at_a_time(const island *s) {
    if (!s->may_have_lanes || s->n_pods < 2) return ARRIVAL_BLOCK;
    return s->n_pods < ARRIVAL_BLOCK_MAX / ARRIVAL_BLOCK ? s->n_pods * ARRIVAL_BLOCK : ARRIVAL_BLOCK_MAX;
}

/* 0, or -1: out of memory. */
static int grow_block(island *s) {
    if (s->block_cap >= arrivals_at_a_time(s)) return 0;
    held_request *block = grow_array(s->block, s->block_cap, &s->block_cap, sizeof *block);
    if (!block) return -1;
    s->block = block;
    return 0;
}

/* Drawn together they cost less: no draw waits for an event, and no event for a draw. */
void island_fill_block(island *s, uint64_t ordinal) {
    int64_t at_ns[ARRIVAL_BLOCK_MAX];
    double overhead_ms[ARRIVAL_BLOCK_MAX], noise[ARRIVAL_BLOCK_MAX];
    s->block_at = s->block_n = 0;
    if (grow_block(s)) {
        island_no_memory(s);
        return;
    }
    size_t n = s->has_work ? trace_source_next_work(s->source, at_ns, noise, s->block_cap)
                           : trace_source_next(s->source, at_ns, s->block_cap);
    dist_sample_many(&s->spec->overhead_ms, overhead_ms, n, s->overhead_key, ordinal);
    if (!s->has_work) dist_sample_many(&s->spec->noise, noise, n, s->service_key, ordinal);
    for (size_t i = 0; i < n; i++)
        s->block[i] = (held_request){at_ns[i], overhead_ns_of(overhead_ms[i]), noise[i], ordinal + i};
    s->block_n = (uint32_t)n;
}

/* To the first arrival, or from one to the next, whose number is `ordinal`. */
static inline void next_arrival(island *s, uint64_t ordinal, int64_t now) {
    if (s->client)
        s->arrival = event_key_of(client_due(s, now), EV_ARRIVAL);
    else
        island_pull(s, ordinal);
}

static void record_arrival(island *s, const held_request *r) {
    engine_request *v = grow_array(s->requests, r->ordinal, &s->requests_cap, sizeof *v);
    if (!v) {
        island_no_memory(s);
        return;
    }
    s->requests = v;
    s->requests[r->ordinal] = (engine_request){
        .fn = s->fn, .pod = UINT32_MAX, .arrival_ns = r->arrival_ns, .end_ns = -1, .fate = ENGINE_UNFINISHED};
}

/* The client gives a request up: it has arrived nowhere. */
static void lose_unsent(island *s, int64_t now) {
    held_request r = {.arrival_ns = now, .ordinal = s->result->arrivals++};
    s->result->window_arrivals += now >= s->warmup_ns;
    s->result->lost++;
    s->unsent++;
    if (s->run->setup->record_requests) record_arrival(s, &r);
    end_request(s, &r, UINT32_MAX, now, ENGINE_LOST);
}

static inline void arrive(island *s, int64_t now) {
    if (s->client) {
        client_move move = client_step(s->client, now);
        if (move == CLIENT_LOSES) lose_unsent(s, now);
        if (move != CLIENT_SENDS) {
            next_arrival(s, s->result->arrivals, now);
            return;
        }
    }
    held_request r = s->client ? draw_request(s, s->result->arrivals, now) : s->block[s->block_at];
    s->result->arrivals++;
    s->result->window_arrivals += now >= s->warmup_ns;
    enter_system(s, now);
    if (s->run->setup->record_requests) record_arrival(s, &r);
    next_arrival(s, r.ordinal + 1, now);
    touch(s, now);
    pod *p = s->spec->keep_alive_ns && !s->queue.n ? route_reuse(s, now) : NULL;
    if (!p && s->spec->linger_ns && route_is_dead(s, r.ordinal, now)) {
        fail_request(s, &r, UINT32_MAX, now, ENGINE_DROPPED);
        return;
    }
    if (!p) p = s->queue.n ? NULL : route_pick(s, r.ordinal);
    if (p) {
        give(s, p, r, now);
        return;
    }
    if (s->queue_limit && s->queue.n >= s->queue_limit)
        fail_request(s, &r, UINT32_MAX, now, ENGINE_DROPPED);
    else if (queue_push(&s->queue, &r))
        island_no_memory(s);
    if (s->n_ready + s->n_starting == 0) act_at(s, now, POL_ARRIVAL);
}

/* ---- stepping ---- */

typedef struct {
    event_key key;
    uint32_t pod; /* index of the pod whose it is; of arrivals, scrapes and ticks n_pods */
} event;

/* The earliest event of a request or pod; of equal ones, the first pod's. */
static event next_event(const island *s) {
    event e = {s->arrival, s->n_pods};
    if (s->earliest.nodes) {
        winner first = winner_tree_first(&s->earliest);
        return first.key < e.key ? (event){first.key, first.leaf} : e;
    }
    for (uint32_t i = 0; i < s->n_pods; i++)
        if (s->next[i] < e.key) e = (event){s->next[i], i};
    return e;
}

/* The earliest of all: NEVER when it is over. */
static event next_of_all(const island *s) {
    event e = next_event(s);
    event_key scrape = event_key_of(s->next_scrape_ns, EV_SCRAPE),
              tick = event_key_of(s->next_tick_ns, EV_TICK);
    if (scrape < e.key) e = (event){scrape, s->n_pods};
    if (tick < e.key) e = (event){tick, s->n_pods};
    int64_t at = event_key_ns(e.key);
    if (at > s->run->end_ns || (at >= s->duration_ns && s->in_system == 0)) e.key = NEVER;
    return e;
}

event_key island_next(const island *s) {
    event e = next_event(s);
    return e.key < s->attention ? e.key : next_of_all(s).key;
}

/* What may be a scrape or a tick, or close a bin. 1: it was neither scrape nor tick, and is still to be done. */
static int attend(island *s, event_key key) {
    if (event_key_ns(key) >= s->next_bin_ns) close_bins(s, event_key_ns(key));
    switch (event_key_kind(key)) {
    case EV_SCRAPE:
        scrape(s);
        return 0;
    case EV_TICK:
        visit(s);
        return 0;
    default:
        return 1;
    }
}

/* 0: nothing was left to do up to the limit. What it calls is inline: no event pays for calls. */
static inline int step(island *s, event_key limit) {
    event e = next_event(s);
    int is_due = e.key < s->attention;
    if (!is_due) e = next_of_all(s);
    if (e.key > limit) return 0;
    if (!is_due && !attend(s, e.key)) return 1;
    s->events++;
    if (e.pod == s->n_pods)
        arrive(s, event_key_ns(e.key));
    else
        pod_event(s, s->pods[e.pod], event_key_kind(e.key), event_key_ns(e.key));
    return 1;
}

void island_step(island *s) {
    step(s, NEVER - 1);
}

void island_advance(island *s, int64_t limit_ns) {
    event_key limit = event_key_earlier(event_key_of(limit_ns, EV_NONE), NEVER - 1);
    while (!s->is_acting) {
        if (lanes_apply(s)) lanes_run(s, limit + 1);
        if (!step(s, limit)) break;
    }
}

/* ---- actions ---- */

void island_begin_act(island *s, int64_t now, pol_cause cause) {
    s->is_acting = 0;
    s->act_cause = cause;
    s->act_ns = now;
    if (now >= s->next_bin_ns) close_bins(s, now);
}

static pod *find_pod(const island *s, uint32_t id) {
    for (uint32_t i = 0; i < s->n_pods; i++)
        if (s->pods[i]->id == id) return s->pods[i];
    return NULL;
}

static int open_process(island *s, pod *p) {
    p->process = process_open(s->spec->process, s->process_key, s->token_key);
    if (!p->process) return -1;
    if (!s->run->tokens) return 0;
    p->process->tokens = &s->run->tokens[p->gpu];
    return token_sched_join(p->process->tokens, p, s->fn);
}

static int make_room(island *s) {
    size_t cap = s->pods_cap;
    pod **pods = grow_array(s->pods, s->n_pods, &cap, sizeof *pods);
    if (!pods) return -1;
    s->pods = pods;
    if (cap == s->pods_cap) return 0;
    event_key *next = realloc(s->next, cap * sizeof *next);
    if (!next) return -1;
    s->next = next;
    s->pods_cap = cap;
    for (uint32_t i = 0; i < s->n_pods; i++) s->pods[i]->next = &next[i];
    return 0;
}

static int add_pod(island *s, pod *p) {
    if (make_room(s)) return -1;
    s->next[s->n_pods] = *p->next;
    p->next = &s->next[s->n_pods];
    s->pods[s->n_pods++] = p;
    lay_out_events(s);
    return 0;
}

void island_start(island *s, const pol_pod *p, int64_t now) {
    const engine_setup *setup = s->run->setup;
    pod *opened = pod_open(s->spec, s->spec->on[setup->gpus[p->gpu].device].model, p);
    if (opened && s->spec->process && open_process(s, opened)) {
        pod_close(opened);
        opened = NULL;
    }
    if (!opened || add_pod(s, opened)) {
        pod_close(opened);
        island_no_memory(s);
        return;
    }
    s->n_starting++;
    s->result->cold_starts += now >= setup->warmup_ns && now < setup->duration_ns;
    wake(s, now);
}

/* The pod takes no more work; what it holds is left to it. */
static void retire(island *s, pod *p, int64_t now) {
    route_changes(s);
    if (p->is_ready)
        s->n_ready--;
    else
        s->n_starting--;
    p->is_draining = 1;
    p->ready_ns = NEVER;
    schedule_rare(s, p);
    wake(s, now);
}

int island_stop(island *s, uint32_t id, int64_t now) {
    pod *p = find_pod(s, id);
    retire(s, p, now);
    if (p->held) return 0;
    let_go(s, p, now);
    return 1;
}

static void lose_queue(island *s, request_queue *q, uint32_t pod_id, int64_t now) {
    while (q->n) {
        held_request r = queue_pop(q);
        fail_request(s, &r, pod_id, now, ENGINE_LOST);
    }
}

void island_kill(island *s, uint32_t id, int64_t now) {
    pod *p = find_pod(s, id);
    endpoints_forget(&s->connections, id);
    if (s->spec->linger_ns && p->is_ready && endpoints_add(&s->dead, id, now)) island_no_memory(s);
    if (!p->is_draining) retire(s, p, now);
    if (p->is_serving) {
        count_serving(s, p, -1);
        p->is_serving = 0;
        if (s->run->shares) gpu_share_leave(share_of(s, p), p, now);
    }
    for (uint32_t i = p->head; i != p->tail; i++) fail_request(s, pod_request(p, i), id, now, ENGINE_LOST);
    for (uint32_t i = 0; p->process && i < p->process->n_jobs; i++)
        fail_request(s, &p->process->jobs[i].request, id, now, ENGINE_LOST);
    lose_queue(s, &p->waiting, id, now);
    let_go(s, p, now);
}

void island_resize(island *s, const pol_pod *to, int64_t now) {
    pod *p = find_pod(s, to->id);
    route_changes(s);
    p->weight = to->weight;
    p->sm_next_pct = to->sm_pct;
    p->quota_next_pct = to->quota_pct;
    if (to->quota_pct != p->quota_pct || to->sm_pct != p->sm_pct || p->quota_ns != NEVER)
        p->quota_ns = (now / ENGINE_WINDOW_NS + 1) * ENGINE_WINDOW_NS;
    schedule_rare(s, p);
}

void island_route(island *s, const pol_action *a, int64_t now) {
    route_changes(s);
    if (s->balance != a->balance) s->turn = 0; /* one pod alone has moved it, whatever the rule was */
    s->balance = a->balance;
    s->pod_limit = a->pod_limit;
    s->queue_limit = a->queue_limit;
    dispatch(s, now);
}

/* ---- beginning and end ---- */

int island_open(island *s, run *r, uint32_t fn, engine_fn_result *result, char err[ENGINE_ERR_LEN]) {
    const engine_setup *setup = r->setup;
    uint64_t seed = setup->seed;
    *s = (island){.run = r,
                  .spec = &setup->fns[fn],
                  .fn = fn,
                  .result = result,
                  .warmup_ns = setup->warmup_ns,
                  .n_report = (uint32_t)setup->n_report,
                  .is_watched =
                      setup->record_requests || setup->fns[fn].client || setup->fns[fn].keep_alive_ns,
                  .duration_ns = setup->duration_ns,
                  .overhead_key = draw_key(seed, fn, DRAW_OVERHEAD),
                  .service_key = draw_key(seed, fn, DRAW_SERVICE),
                  .route_key = draw_key(seed, fn, DRAW_ROUTE),
                  .process_key = draw_key(seed, fn, DRAW_PROCESS),
                  .token_key = draw_key(seed, fn, DRAW_TOKEN),
                  .seen = {.fn = fn},
                  .next_scrape_ns = r->options->eager ? setup->scrape_phase_ns : NEVER,
                  .next_tick_ns = r->policy_is_global ? NEVER : r->tick_ns,
                  .next_bin_ns = setup->bin_ns < setup->duration_ns ? setup->bin_ns : setup->duration_ns};
    if (setup->predictor->is_online) {
        s->learning = malloc(setup->n_devices * sizeof *s->learning);
        if (!s->learning) {
            snprintf(err, ENGINE_ERR_LEN, "out of memory");
            return -1;
        }
        online_begin(s->learning, setup->n_devices);
    }
    if (s->spec->client) {
        s->client = client_open(s->spec->client, s->spec->client_start_ns);
        if (!s->client) {
            snprintf(err, ENGINE_ERR_LEN, "out of memory");
            return -1;
        }
    } else if (trace_source_open(&s->source, &s->spec->trace, seed, fn, err)) {
        return -1;
    } else {
        s->has_work = trace_has_work(&s->spec->trace);
    }
    s->may_have_lanes = !s->is_watched && !s->learning && !s->client && !s->spec->process &&
                        !s->spec->linger_ns && !r->shares && !r->tokens;
    set_attention(s);
    next_arrival(s, 0, 0);
    return 0;
}

void island_close(island *s) {
    for (uint32_t i = 0; i < s->n_pods; i++) pod_close(s->pods[i]);
    free(s->pods);
    free(s->next);
    free(s->weights.turns);
    free(s->weights.classes);
    winner_tree_close(&s->earliest);
    free(s->queue.v);
    free(s->block);
    free(s->learning);
    free(s->releases);
    free(s->requests);
    trace_source_close(s->source);
    client_close(s->client);
    free(s->connections.v);
    free(s->dead.v);
}

static void count_unfinished(island *s, const held_request *r, uint32_t pod_id, int64_t now) {
    s->result->in_flight++;
    end_request(s, r, pod_id, now, ENGINE_UNFINISHED);
}

static void count_unfinished_queue(island *s, const request_queue *q, uint32_t pod_id, int64_t now) {
    for (uint32_t i = 0; i < q->n; i++) count_unfinished(s, &q->v[(q->head + i) & (q->cap - 1)], pod_id, now);
}

void island_finish(island *s) {
    int64_t end = s->run->end_ns;
    if (s->next_bin_ns != NEVER) close_bins(s, s->run->setup->duration_ns);
    count_unfinished_queue(s, &s->queue, UINT32_MAX, end);
    for (uint32_t i = 0; i < s->n_pods; i++) {
        const pod *p = s->pods[i];
        count_unfinished_queue(s, &p->waiting, p->id, end);
        for (uint32_t k = p->head; k != p->tail; k++) count_unfinished(s, pod_request(p, k), p->id, end);
        for (uint32_t k = 0; p->process && k < p->process->n_jobs; k++)
            count_unfinished(s, &p->process->jobs[k].request, p->id, end);
    }
    const engine_fn_result *f = s->result;
    if (f->in_flight == s->in_system && f->arrivals == f->completed + f->dropped + f->lost + f->in_flight)
        return;
    fprintf(stderr,
            "hassim: requests not conserved at %" PRId64 " ns: function %s: %" PRIu64 " arrived, %" PRIu64
            " completed, %" PRIu64 " dropped, %" PRIu64 " lost, %" PRIu64 " in flight, %" PRIu64
            " in the system\n",
            end, s->spec->name, f->arrivals, f->completed, f->dropped, f->lost, f->in_flight, s->in_system);
    abort();
}
