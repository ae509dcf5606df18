/* pod_int.h - one running pod: its workers, its batch queue and its share of the GPU. Private to the engine.
 *
 * A request that a pod holds goes through
 *
 *     waiting --(a worker is free)--> prep --(overhead is over)--> batch queue --(launch)--> on the GPU --> out
 *
 * and keeps its worker from prep to out. The GPU serves one batch at a time, of at most batch_max requests; a
 * batch is launched when it is full (batch_max, or as many as there are workers) or its oldest request has
 * waited batch_wait_ns.
 *
 * Time on the GPU. G = GPU-bound time of the batch, f = launch-bound time, both times the batch's noise and, where
 * requests have works (engine.h), times their mean.
 *   metered  at most quota * W of GPU time in each window [kW, (k+1)W), taken as early as possible.
 *   token    max(G, f) alone. Batches in flight on one GPU slow each other: with d = G / max(G, f) the part of
 *            the time in which a batch needs its row's SMs, a row asks for D = sum of d, and every batch of the
 *            row takes max(1, D) times as long; likewise the rows' widths, weighted by min(1, D), when they sum
 *            to more than 100 %. So the GPU time delivered to a row never exceeds the elapsed time.
 *            (gpu_share_int.h)
 */
#ifndef POD_INT_H
#define POD_INT_H

#include <stdint.h>

#include "engine.h"

#define NEVER INT64_MAX

/* Kinds of events in their order at one instant. */
typedef enum { /* below 16: event_key */
               EV_COMPLETION,
               EV_QUOTA,
               EV_READY,
               EV_PREPARED,
               EV_BATCH_DUE,
               EV_PROCESS,
               EV_ARRIVAL,
               EV_SCRAPE,
               EV_TICK,
               EV_NONE = 15,
} event_kind;

/* An event's time and kind in one number, so that one comparison finds the earlier. Times beyond 2^59 ns (18 years)
 * are NEVER: no run lasts so long. */
typedef int64_t event_key;

static inline event_key event_key_of(int64_t at_ns, event_kind kind) {
    return at_ns < NEVER >> 4 ? at_ns << 4 | (int64_t)kind : NEVER;
}
static inline event_key event_key_earlier(event_key a, event_key b) {
    return a < b ? a : b;
}
static inline int64_t event_key_ns(event_key key) {
    return key >> 4;
}
static inline event_kind event_key_kind(event_key key) { /* NEVER: EV_NONE */
    return (event_kind)(key & 15);
}

typedef struct {
    int64_t arrival_ns;
    int64_t prepared_ns; /* when its overhead is over; until it gets a worker, the overhead */
    double noise;     /* of a batch that begins with it; of functions whose requests have works: its work */
    uint64_t ordinal; /* the how-manieth request of its function */
} held_request;

typedef struct { /* FIFO; capacity a power of two, grown by doubling and then kept */
    held_request *v;
    uint32_t head, n, cap;
} request_queue;

int queue_grow(request_queue *q); /* 0, or -1: out of memory */
static inline int queue_push(request_queue *q, const held_request *r) {
    if (q->n == q->cap && queue_grow(q)) return -1;
    q->v[(q->head + q->n++) & (q->cap - 1)] = *r;
    return 0;
}
static inline held_request queue_pop(request_queue *q) { /* not empty */
    held_request r = q->v[q->head];
    q->head = (q->head + 1) & (q->cap - 1);
    q->n--;
    return r;
}
static inline const held_request *queue_front(const request_queue *q) {
    return &q->v[q->head];
}

struct process;

typedef struct pod { /* what a request touches comes first */
    event_key *next; /* its earliest event: an element of its island's list, or own_next */
    /* The requests that workers hold, but for those in a process, are one ring: the batch in flight from head on, the
     * batch queue from launched on, and from prepared to tail those in prep, by the time they are prepared; of equal
     * times the first to come first. So a request is written once, and launching and ending a batch move limits. */
    held_request *ring; /* [ring_mask + 1 >= workers], a power of two */
    uint32_t ring_mask, head, launched, prepared, tail;
    int is_ready, is_draining, is_serving;
    uint32_t held; /* requests that it has in any stage */
    uint32_t busy; /* workers in use */
    uint32_t workers, batch_max;

    int64_t end_ns, due_ns;   /* NEVER when there is none */
    event_key rare;           /* the earlier of ready_ns and quota_ns */
    int64_t stalled_until_ns; /* a change of width: no batch is launched before */
    double *gpu_ns;           /* G by batch size, [batch_max + 1] */
    double noise;             /* of the batch in flight */
    int64_t window;           /* metered: index of the window that is used last, */
    int64_t used_ns;          /* and the GPU time used in it by then */

    request_queue waiting; /* for a worker */
    uint32_t quota_pct, weight;
    int64_t weighted;                 /* smooth weighted round robin: its current weight */
    uint32_t first_dealt, last_dealt; /* of its arrivals of a stretch: lanes.c */
    struct process *process;          /* NULL: not modelled */
    double gpu_time_ns;               /* that the batch is given: metered, in the end; token, so far */

    int64_t launched_ns;
    /* metered: since when under this share, what was to be done then, and what of that window was used */
    int64_t from_ns, from_work_ns, from_used_ns;
    double left_ns; /* token: unslowed time to go at since_ns */
    double demand;  /* token: d */
    double slow;    /* token: current factor */
    int64_t since_ns;

    int64_t ready_ns, quota_ns;
    uint32_t id, gpu, row, sm_pct, quota_next_pct, sm_next_pct;
    int times_launches; /* its process does: G without the launching that f(100) stands for */
    double launch_ns;   /* f at quota_pct */
    event_key own_next;
} pod;

/* A pod that becomes ready at ready_ns with the quota of p. NULL: out of memory. */
pod *pod_open(const engine_fn *fn, const calib_model *model, const pol_pod *p);
void pod_close(pod *p); /* NULL is fine */

/* ---- requests. Inline: this is what happens to every request ---- */

static inline held_request *pod_request(const pod *p, uint32_t place) {
    return &p->ring[place & p->ring_mask];
}

static inline uint32_t pod_n_flight(const pod *p) {
    return p->launched - p->head;
}

/* Moves all that were prepared before then to the batch queue. While the GPU is busy they wait for its next
 * completion: there is no event for each. */
static inline void pod_collect_prepared(pod *p, int64_t before_ns) {
    while (p->prepared != p->tail && pod_request(p, p->prepared)->prepared_ns < before_ns) p->prepared++;
}

/* Makes room at a place of the ring; those from there on move up. */
static inline held_request *pod_insert(pod *p, uint32_t place) {
    for (uint32_t i = p->tail++; i != place; i--) *pod_request(p, i) = *pod_request(p, i - 1);
    return pod_request(p, place);
}

/* A request that is prepared joins the batch queue. */
static inline void pod_put_prepared(pod *p, const held_request *r) {
    *pod_insert(p, p->prepared) = *r;
    p->prepared++;
}

/* Gives it a worker. */
static inline void pod_start_request(pod *p, const held_request *r, int64_t now_ns) {
    held_request started = *r;
    uint32_t place = p->tail;
    p->busy++;
    started.prepared_ns += now_ns;
    if (r->prepared_ns == 0) {
        pod_collect_prepared(p, now_ns);
        pod_put_prepared(p, &started);
        return;
    }
    while (place != p->prepared && pod_request(p, place - 1)->prepared_ns > started.prepared_ns) place--;
    *pod_insert(p, place) = started;
}

/* Takes a request in and gives it a worker if one is free. 0, or -1: out of memory. */
static inline int pod_take(pod *p, const held_request *r, int64_t now_ns) {
    p->held++;
    if (p->busy == p->workers) return queue_push(&p->waiting, r);
    pod_start_request(p, r, now_ns);
    return 0;
}

/* Gives free workers to waiting requests. */
static inline void pod_fill_workers(pod *p, int64_t now_ns) {
    while (p->waiting.n && p->busy < p->workers) {
        held_request r = queue_pop(&p->waiting);
        pod_start_request(p, &r, now_ns);
    }
}

/* 1 if a batch can be launched now. Else due_ns says when, if nothing comes before. */
static inline int pod_can_launch(pod *p, int64_t now_ns, int64_t batch_wait_ns) {
    uint32_t n = p->prepared - p->launched, full = p->batch_max < p->workers ? p->batch_max : p->workers;
    p->due_ns = NEVER;
    if (p->is_serving || n == 0) return 0;
    int64_t due = n >= full ? now_ns : pod_request(p, p->launched)->prepared_ns + batch_wait_ns;
    if (due < p->stalled_until_ns) due = p->stalled_until_ns;
    if (due <= now_ns) return 1;
    p->due_ns = due;
    return 0;
}

/* Takes the batch from the queue; the runtime then starts it. */
static inline void pod_load_batch(pod *p) {
    uint32_t n = p->prepared - p->launched;
    p->launched += n < p->batch_max ? n : p->batch_max;
    p->is_serving = 1;
}

/* The batch in flight is over: its requests leave the ring. */
static inline void pod_unload_batch(pod *p) {
    p->head = p->launched;
    p->is_serving = 0;
    p->end_ns = NEVER;
}

int64_t process_next(const pod *p); /* process_int.h */

/* Finds the earliest event: *next. To be called after every change; after one of ready_ns or quota_ns,
 * pod_schedule_rare. */
static inline void pod_schedule(pod *p) {
    event_key key = event_key_earlier(event_key_of(p->end_ns, EV_COMPLETION), p->rare);
    if (!p->is_serving) {
        key = event_key_earlier(key, event_key_of(p->due_ns, EV_BATCH_DUE));
        if (p->prepared != p->tail)
            key = event_key_earlier(key, event_key_of(pod_request(p, p->prepared)->prepared_ns, EV_PREPARED));
    }
    if (p->process) key = event_key_earlier(key, event_key_of(process_next(p), EV_PROCESS));
    *p->next = key;
}

void pod_schedule_rare(pod *p);

/* ---- time on the GPU ---- */

/* Puts sm_next_pct and quota_next_pct in effect, and G and f with them. */
void pod_set_share(pod *p, const calib_model *model);

/* ---- the metered runtime. Inline likewise ---- */

/* When `work` of GPU time is obtained from `now` on, with `used` of the window's budget gone. Sets the window
 * of the end and what is used in it then. */
static inline int64_t pod_meter(int64_t now, int64_t work, int64_t budget, int64_t used, int64_t *window,
                                int64_t *used_then) {
    int64_t k = now / ENGINE_WINDOW_NS, left = (k + 1) * ENGINE_WINDOW_NS - now;
    int64_t first = budget - used < left ? budget - used : left;
    if (work <= first) {
        *window = k;
        *used_then = used + work;
        return now + work;
    }
    int64_t rest = work - first, whole = rest <= budget ? 0 : (rest - 1) / budget; /* divisions are slow */
    *window = k + 1 + whole;
    *used_then = rest - whole * budget;
    return *window * ENGINE_WINDOW_NS + *used_then;
}

static inline int64_t pod_budget_ns(const pod *p) {
    return ENGINE_WINDOW_NS / 100 * p->quota_pct;
}

static inline void pod_meter_from(pod *p, int64_t from_ns, int64_t work_ns, int64_t used_ns) {
    p->from_ns = from_ns;
    p->from_work_ns = work_ns;
    p->from_used_ns = used_ns;
    if (p->quota_pct == 100) { /* the GPU is had all the time: no window needs to be looked at */
        p->window = -1;
        p->end_ns = from_ns + work_ns;
        return;
    }
    p->end_ns = pod_meter(from_ns, work_ns, pod_budget_ns(p), used_ns, &p->window, &p->used_ns);
}

/* Starts the loaded batch. */
static inline void pod_meter_start(pod *p, int64_t now_ns) {
    int64_t work = (int64_t)(p->gpu_ns[pod_n_flight(p)] * p->noise + 0.5);
    p->gpu_time_ns += (double)work;
    pod_meter_from(p, now_ns, work > 0 ? work : 1, p->window == now_ns / ENGINE_WINDOW_NS ? p->used_ns : 0);
}

/* Puts the next share in effect at a window's start: what is left of the batch in flight goes on at stalled_until_ns,
 * if that is later. */
void pod_meter_reshare(pod *p, const calib_model *model, int64_t now_ns);
/* Duration of the batch in flight under the token runtime, were it alone. */
double pod_token_ns(const pod *p);

#endif
