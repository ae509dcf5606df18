/* island_int.h - one function's private world: its arrivals, queue, pods and observations. Private to the
 * engine.
 *
 * An island is stepped, one event at a time in the order of pod_int.h, until its policy wants to act. Nothing
 * it does on the way depends on other islands, except under the token runtime, where the run's gpu_shares
 * couple pods of one GPU: then the engine steps all islands in one global order.
 *
 * Laziness. `next_tick_ns` is the next tick that must be visited: the first one at or after a scrape that saw
 * a counter change, after the number of pods changed, or after the time the policy asked for.
 * `next_scrape_ns` is likewise only set while a counter may have changed. With `eager` every scrape and tick
 * is visited.
 */
#ifndef ISLAND_INT_H
#define ISLAND_INT_H

#include <stdatomic.h>

#include "cluster.h"
#include "endpoints_int.h"
#include "gpu_share_int.h"
#include "online_int.h"
#include "pod_int.h"
#include "process_int.h"
#include "winner_tree_int.h"

typedef struct { /* one bin of the timeline, as all islands add to it: integer sums commute */
    atomic_uint_least64_t arrivals, completed, violations, queued, pods_ready, pods_starting, capacity_mrps;
} live_bin;

typedef struct run { /* what all islands of a run share */
    const engine_setup *setup;
    const engine_options *options;
    pol_ctx *policy;
    int policy_is_global;
    int64_t tick_ns, end_ns; /* end: of the drain */
    cluster *ledger;
    gpu_share *shares;      /* [n_gpus] under the token runtime, else NULL */
    token_sched *tokens;    /* [n_gpus] under the exact token runtime, else NULL */
    uint32_t *changed_gpus; /* whose batches in flight have been retimed since the engine looked */
    size_t n_changed_gpus;
    struct island *islands;
    atomic_uint_least64_t *row_gpu_ns; /* [rows]: GPU time that finished batches were given, when checked */
    atomic_int *row_serving; /* [rows]: sum of the quotas in effect of its pods that serve, when checked */
    live_bin *total;
    live_bin *by_fn; /* [timeline_fns * n_bins] */
    size_t n_bins;
    atomic_int out_of_memory;
} run;

enum { MANY_PODS = 8 }; /* above, no request looks at every pod */

/* Smooth weighted round robin over many pods. Those of one weight rise alike, so that their order changes only when one
 * of them is picked: each class is a ring in order, and a pick compares the classes' first. */
typedef struct {
    int64_t fixed; /* a pod's current weight is fixed + picks * its class's weight */
    uint32_t pod;  /* index */
} weighted_turn;

typedef struct {
    int64_t current; /* of its first pod, whose index is `pod` */
    uint32_t weight, pod;
    uint32_t first, n, head; /* its turns are turns[first .. first + n), from first + head on, around */
} weight_class;

typedef struct {
    weighted_turn *turns;
    weight_class *classes;
    size_t turns_cap, classes_cap;
    uint32_t n_classes;
    int64_t total, picks; /* picks: since they were laid out */
    int is_current;       /* else the pods' own numbers count */
} weighted_turns;

typedef struct { /* a place that a stopped pod has freed */
    int64_t at_ns;
    uint32_t fn, pod;
} release;

enum { ARRIVAL_BLOCK = 64, ARRIVAL_BLOCK_MAX = 4096 }; /* drawn at a time, for a pod and for all */

/* What an event of a request touches comes first. */
typedef struct island {
    event_key *next;     /* [n_pods]: each pod's earliest event */
    event_key arrival;   /* the next one; NEVER after the last, or until the client has an answer */
    event_key attention; /* from here on an event may meet a scrape, a tick, a bin's end or the end of all */
    uint32_t n_pods;
    uint32_t n_ready, n_starting; /* draining pods are neither */
    int is_acting;                /* wants to act now: at act_ns, for act_cause */
    winner_tree earliest;         /* of next, where pods are many and none can be retimed by others */
    pod **pods;                   /* by id */
    held_request *block; /* the next arrivals. Small at first: most functions of a large trace are rare */
    uint32_t block_at, block_n;

    const engine_fn *spec;
    run *run;
    engine_fn_result *result;
    uint64_t in_system;
    uint64_t
        concurrency_ns; /* + in_system * now: the integral of in_system; unsigned, it may wrap on the way */
    uint64_t events, violations_ever;
    int64_t next_scrape_ns;
    int64_t warmup_ns, duration_ns; /* the setup's */
    uint32_t n_report;
    int may_have_lanes; /* nothing looks at requests one by one, in their order */
    int is_watched;     /* somebody wants to hear of each request: records, a client, kept connections */
    int has_work;       /* requests carry their work where they else have their noise */
    uint64_t service_key, route_key;

    /* routing */
    request_queue queue;
    pol_balance balance;
    uint32_t pod_limit, queue_limit;
    uint32_t turn; /* round robin: id of the pod that was served last, + 1 */
    weighted_turns weights;
    client *client; /* NULL: arrivals come from the source */

    trace_source *source;
    uint32_t fn;
    uint64_t overhead_key, process_key, token_key;
    size_t pods_cap, block_cap;
    endpoint_list connections, dead; /* idle connections; endpoints of killed pods */
    uint64_t unsent;                 /* arrivals that the client gave up: nobody but it knows of them */
    uint64_t failures;

    /* what monitoring has seen */
    int64_t next_tick_ns;
    int64_t unseen_ns; /* scrapes and ticks before this time are over */
    pol_obs seen;
    online_fit *learning; /* [n_devices]; NULL: the predictor is not online */
    int is_observing;     /* the policy is looking at this function */
    pol_cause act_cause;
    int64_t act_ns;

    /* timeline */
    int64_t next_bin_ns;
    uint64_t bin_arrivals, bin_completed, bin_violations; /* at the last flush */

    release *releases; /* not yet entered in the ledger */
    uint32_t n_releases;
    size_t releases_cap;
    engine_request *requests; /* by ordinal, when recorded */
    size_t requests_cap;
    uint64_t visits;
} island;

int island_open(island *s, run *r, uint32_t fn, engine_fn_result *result, char err[ENGINE_ERR_LEN]);
void island_close(island *s);

/* What comes next; NEVER when it is over: past the end, or past duration_ns with nothing in the system. */
event_key island_next(const island *s);
/* Does what comes next. Sets is_acting if the policy wants to act: the engine then clears it. */
void island_step(island *s);
/* Steps until it is acting, over, or what comes next is later than limit_ns. */
void island_advance(island *s, int64_t limit_ns);
/* After an act: the island neither acts again nor frees a place before this time. Acts of others that are
 * earlier need not wait for it. (It acts at ticks, and at arrivals without pods; only draining pods free a
 * place.) */
int64_t island_quiet_until(const island *s);
/* To be called before an act, and before the actions on this island that come of it. */
void island_begin_act(island *s, int64_t now_ns, pol_cause cause);

/* What an online predictor has learnt by the last scrape; 1 otherwise. */
double island_factor(const island *s, uint32_t device);

/* Takes note that memory has run out: the run ends with that. */
static inline void island_no_memory(island *s) {
    atomic_store(&s->run->out_of_memory, 1);
}

/* What the time of the batch that the pod has loaded is multiplied by: its noise, or the noise times the mean work. */
double island_work_factor(const island *s, const pod *p);
static inline double island_batch_factor(const island *s, const pod *p) {
    return s->has_work ? island_work_factor(s, p) : pod_request(p, p->head)->noise;
}

/* The next arrivals of the source, whose first has this number. */
void island_fill_block(island *s, uint64_t ordinal);

/* To the source's next arrival, whose number is `ordinal`. */
static inline void island_pull(island *s, uint64_t ordinal) {
    if (++s->block_at >= s->block_n) island_fill_block(s, ordinal);
    s->arrival = s->block_n ? event_key_of(s->block[s->block_at].arrival_ns, EV_ARRIVAL) : NEVER;
}

/* A latency of the window: which SLOs it exceeds, histogram. */
static inline void island_count_latency(island *s, int64_t latency) {
    engine_fn_result *out = s->result;
    const int64_t *slo_ns = s->spec->report_slo_ns;
    out->window_violations += latency > s->spec->slo_ns;
    for (uint32_t k = 0; k < s->n_report && latency > slo_ns[k]; k++)
        out->report_violations[k]++; /* ascending */
    if (hist_add(&out->latency, latency)) island_no_memory(s);
}

/* The sum of such latencies; of a few at a time, below 2^63. */
static inline void island_add_latencies(island *s, uint64_t sum_ns) {
    engine_fn_result *out = s->result;
    for (out->latency_sum_ns += sum_ns; out->latency_sum_ns >= ENGINE_GIGASECOND_NS; out->latency_sum_gs++)
        out->latency_sum_ns -= ENGINE_GIGASECOND_NS;
}

/* The GPU time that the pod's batch was given is accounted for, when that is checked. */
static inline void island_account_gpu_time(island *s, pod *p) {
    if (s->run->row_gpu_ns)
        atomic_fetch_add_explicit(&s->run->row_gpu_ns[p->row], (uint64_t)(p->gpu_time_ns + 0.5),
                                  memory_order_relaxed);
    p->gpu_time_ns = 0;
}

/* What a monitoring system shows now. */
pol_obs island_observation(const island *s, int64_t now_ns);

/* Actions that the ledger has accepted. Stop: 1 if the place is free at once, else 0: a release follows. */
void island_start(island *s, const pol_pod *p, int64_t now_ns);
int island_stop(island *s, uint32_t pod, int64_t now_ns);
void island_kill(island *s, uint32_t pod, int64_t now_ns);
void island_resize(island *s, const pol_pod *to, int64_t now_ns);
void island_route(island *s, const pol_action *a, int64_t now_ns);

/* Counts what is left unfinished, and closes the timeline. Aborts if requests were not conserved. */
void island_finish(island *s);

/* A stopped pod has served what it had: its place is free. */
void island_let_go(island *s, pod *p, int64_t now_ns);

/* Whether the pods can now go on each on its own; and lets them, up to the bound. (lanes.c) */
int lanes_apply(const island *s);
void lanes_run(island *s, event_key bound);

/* Which pod gets a request: NULL if it must wait. (route.c) */
pod *route_pick(island *s, uint64_t ordinal);
/* The indices of the pods that the next n requests get, of which the first has this number: as n picks in a row, where
 * none must wait. */
void route_deal(island *s, uint64_t ordinal, uint32_t n, uint32_t *to);
/* To be called before pods that take work, or their weights or indices, change. */
void route_changes(island *s);
/* A kept connection to a ready pod, or NULL; whether a new one would meet a dead endpoint. */
pod *route_reuse(island *s, int64_t now_ns);
int route_is_dead(island *s, uint64_t ordinal, int64_t now_ns);

#endif
