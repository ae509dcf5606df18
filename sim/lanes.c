/* lanes.c - the pods of a function, each on its own for a while.
 *
 * Between two looks of monitoring or policy the pods of a function meet nowhere, if it is decided without them which of
 * them gets a request: by weights, in turn, at random or the first, with no limit on what a pod holds. Then the next
 * arrivals are dealt out first, and each pod goes through its own, with its own events, to the end of the stretch:
 * there is no order to be found among pods, and what a pod touches stays in registers and the nearest cache. What is
 * counted are integer sums, so that nothing tells the one order from the other.
 *
 * A stretch ends before anything that is more than a request on its way: a scrape, a tick, a bin's end, the end of
 * arrivals, a pod that becomes ready or gets another share. */
#include "island_int.h"

enum { COUNTED_AT_ONCE = 256 };

typedef struct { /* the arrivals that are dealt out */
    const held_request *drawn;
    uint32_t n;
    uint32_t pod[ARRIVAL_BLOCK_MAX];           /* index of the pod that gets it */
    uint32_t next[ARRIVAL_BLOCK_MAX];          /* that pod's next one; n: none */
    int64_t arrival_ns[ARRIVAL_BLOCK_MAX + 1]; /* [n]: NEVER */
} deal;

typedef struct { /* latencies of the window, still to be counted */
    uint32_t n;
    int64_t ns[COUNTED_AT_ONCE];
} latencies;

typedef struct { /* one pod's stretch, and what it adds to its island's counts */
    island *s;
    pod *p;
    const deal *d;
    latencies *served;
    uint32_t arrival;   /* its next one */
    int64_t arrival_ns; /* and when it comes; NEVER: none */
    int64_t until_ns, warmup_ns, batch_wait_ns;
    int64_t ended_ns; /* the last batch */
    uint64_t events, completed, left_ns, late, batches, batched;
} lane;

static inline void expect(lane *l, uint32_t arrival) {
    l->arrival = arrival;
    l->arrival_ns = l->d->arrival_ns[arrival];
}

static inline void take_arrival(lane *l) {
    const held_request *r = &l->d->drawn[l->arrival];
    if (pod_take(l->p, r, r->arrival_ns)) island_no_memory(l->s);
    expect(l, l->d->next[l->arrival]);
}

static inline void launch(lane *l, int64_t now) {
    pod *p = l->p;
    if (!pod_can_launch(p, now, l->batch_wait_ns)) return;
    pod_load_batch(p);
    p->noise = island_batch_factor(l->s, p);
    if (now >= l->warmup_ns) {
        l->batches++;
        l->batched += pod_n_flight(p);
    }
    pod_meter_start(p, now);
}

DRAW_WIDE static uint64_t sum_of(const int64_t *ns, uint32_t n) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += (uint64_t)ns[i];
    return sum;
}

DRAW_WIDE static uint64_t count_above(const int64_t *ns, uint32_t n, int64_t limit) {
    uint64_t above = 0;
    for (uint32_t i = 0; i < n; i++) above += ns[i] > limit;
    return above;
}

static void count_latencies(island *s, latencies *served) {
    engine_fn_result *out = s->result;
    uint64_t late = count_above(served->ns, served->n, s->spec->slo_ns);
    s->violations_ever += late;
    out->window_violations += late;
    for (uint32_t k = 0; k < s->n_report; k++) {
        uint64_t above = count_above(served->ns, served->n, s->spec->report_slo_ns[k]);
        if (!above) break;
        out->report_violations[k] += above;
    }
    island_add_latencies(s, sum_of(served->ns, served->n));
    for (uint32_t i = 0; i < served->n; i++)
        if (hist_add(&out->latency, served->ns[i])) island_no_memory(s);
    served->n = 0;
}

static inline void end_batch(lane *l, int64_t now) {
    pod *p = l->p;
    uint32_t n = pod_n_flight(p);
    if (l->served->n + n > COUNTED_AT_ONCE) count_latencies(l->s, l->served);
    for (uint32_t i = p->head; i != p->launched; i++) {
        int64_t arrival_ns = pod_request(p, i)->arrival_ns;
        l->served->ns[l->served->n] = now - arrival_ns;
        if (arrival_ns >= l->warmup_ns)
            l->served->n++;
        else
            l->late += now - arrival_ns > l->s->spec->slo_ns;
    }
    l->ended_ns = now;
    l->completed += n;
    l->left_ns += n * (uint64_t)now;
    island_account_gpu_time(l->s, p);
    pod_unload_batch(p);
    p->held -= n;
    p->busy -= n;
}

/* While the GPU is busy arrivals only join; then the batch is over. 0: not in this stretch. */
static inline int serve(lane *l) {
    pod *p = l->p;
    int64_t end = p->end_ns;
    int is_over = end < l->until_ns;
    int64_t before = is_over ? end : l->until_ns;
    while (l->arrival_ns < before) take_arrival(l);
    if (!is_over) return 0;
    l->events++;
    end_batch(l, end);
    pod_collect_prepared(p, end);
    pod_fill_workers(p, end);
    launch(l, end);
    return 1;
}

/* The GPU is idle: the next arrival, or what makes a batch. 0: nothing in this stretch. */
static inline int wait(lane *l) {
    pod *p = l->p;
    int64_t prepared = p->prepared == p->tail ? NEVER : pod_request(p, p->prepared)->prepared_ns;
    int64_t next = prepared < p->due_ns ? prepared : p->due_ns;
    if (next > l->until_ns) next = l->until_ns;
    if (l->arrival_ns < next) {
        next = l->arrival_ns;
        take_arrival(l);
    } else if (next == l->until_ns) {
        return 0;
    } else {
        p->prepared += prepared == next;
        l->events++;
    }
    if (p->prepared != p->launched) launch(l, next);
    return 1;
}

/* When a stopped pod has served what it had; NEVER: not yet, or not stopped. */
static int64_t run_lane(island *s, pod *p, const deal *d, latencies *served, int64_t until_ns) {
    lane l = {.s = s,
              .p = p,
              .d = d,
              .served = served,
              .until_ns = until_ns,
              .warmup_ns = s->warmup_ns,
              .batch_wait_ns = s->spec->batch_wait_ns,
              .ended_ns = NEVER};
    expect(&l, p->first_dealt);
    while (p->is_serving ? serve(&l) : wait(&l)) continue;
    pod_schedule(p);
    s->events += l.events;
    s->in_system -= l.completed;
    s->concurrency_ns += l.left_ns;
    s->result->completed += l.completed;
    s->result->batches += l.batches;
    s->result->batched += l.batched;
    s->violations_ever += l.late; /* of the others: count_latencies */
    return p->is_draining && p->held == 0 ? l.ended_ns : NEVER;
}

static void deal_to_one(island *s, deal *d) {
    s->turn = s->pods[0]->id + 1;
    s->pods[0]->first_dealt = 0;
    for (uint32_t i = 0; i < d->n; i++) {
        d->next[i] = i + 1;
        d->arrival_ns[i] = d->drawn[i].arrival_ns;
    }
}

/* To the pods that take work. */
static void deal_to_many(island *s, deal *d) {
    route_deal(s, s->result->arrivals, d->n, d->pod);
    for (uint32_t i = 0; i < d->n; i++) {
        pod *p = s->pods[d->pod[i]];
        *(p->first_dealt == d->n ? &p->first_dealt : &d->next[p->last_dealt]) = i;
        p->last_dealt = i;
        d->next[i] = d->n;
        d->arrival_ns[i] = d->drawn[i].arrival_ns;
    }
}

/* There is none yet: they wait for the first to become ready. */
static void deal_to_queue(island *s, const deal *d) {
    for (uint32_t i = 0; i < d->n; i++)
        if (queue_push(&s->queue, &d->drawn[i])) island_no_memory(s);
}

/* Deals out the next n arrivals, of the block. */
static void deal_out(island *s, deal *d, uint32_t n) {
    uint64_t arrived_ns = 0, in_window = 0;
    d->drawn = &s->block[s->block_at];
    d->n = n;
    d->arrival_ns[n] = NEVER;
    for (uint32_t i = 0; i < s->n_pods; i++) s->pods[i]->first_dealt = n;
    if (n == 0) return;
    if (s->n_ready == 0)
        deal_to_queue(s, d);
    else if (s->n_pods == 1)
        deal_to_one(s, d);
    else
        deal_to_many(s, d);
    for (uint32_t i = 0; i < n; i++) {
        arrived_ns += (uint64_t)d->drawn[i].arrival_ns;
        in_window += d->drawn[i].arrival_ns >= s->warmup_ns;
    }
    s->events += n;
    s->in_system += n;
    s->concurrency_ns -= arrived_ns;
    s->result->arrivals += n;
    s->result->window_arrivals += in_window;
}

/* How many of the block's arrivals come before. */
static uint32_t arrivals_before(const island *s, int64_t ns) {
    const held_request *from = &s->block[s->block_at];
    uint32_t n = s->block_n - s->block_at;
    if (event_key_ns(s->arrival) >= ns) return 0;
    if (from[n - 1].arrival_ns < ns) return n;
    for (n = 1; from[n].arrival_ns < ns;) n++;
    return n;
}

/* No pod becomes ready, or gets another share, before then. */
static event_key next_rare(const island *s) {
    event_key rare = NEVER;
    for (uint32_t i = 0; i < s->n_pods; i++) rare = event_key_earlier(rare, s->pods[i]->rare);
    return rare;
}

static int is_routed_blindly(const island *s) {
    return s->pod_limit == 0 && s->balance != POL_PULL && s->balance != POL_TWO_CHOICES;
}

int lanes_apply(const island *s) {
    int has_way = s->n_ready || (s->n_starting && s->queue_limit == 0); /* ready pods leave no queue */
    return s->may_have_lanes && s->next_scrape_ns != NEVER && has_way && is_routed_blindly(s);
}

static void run_lanes(island *s, const deal *d, latencies *served, int64_t until_ns) {
    for (uint32_t i = 0; i < s->n_pods;) {
        pod *p = s->pods[i++];
        if (p->first_dealt == d->n && event_key_ns(*p->next) >= until_ns) continue;
        int64_t drained_ns = run_lane(s, p, d, served, until_ns);
        if (drained_ns == NEVER) continue;
        island_let_go(s, p, drained_ns);
        i--;
    }
}

void lanes_run(island *s, event_key bound) {
    deal d;
    latencies served;
    bound = event_key_earlier(event_key_earlier(bound, s->attention), next_rare(s));
    const int64_t end_ns = event_key_ns(bound);
    served.n = 0;
    for (int64_t until_ns = 0; until_ns < end_ns;) {
        uint32_t n = arrivals_before(s, end_ns), after = s->block_at + n;
        until_ns = n == 0 || after < s->block_n ? end_ns : s->block[after - 1].arrival_ns + 1;
        deal_out(s, &d, n);
        run_lanes(s, &d, &served, until_ns);
        if (n == 0) break;
        s->block_at = after - 1;
        island_pull(s, s->result->arrivals);
    }
    if (served.n) count_latencies(s, &served);
    if (s->earliest.nodes) winner_tree_fill(&s->earliest, s->next, s->n_pods);
}
