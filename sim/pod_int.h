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
 * Time on the GPU. G = GPU-bound time of the batch, f = launch-bound time, both times the batch's noise.
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
typedef enum {
    EV_COMPLETION,
    EV_QUOTA,
    EV_READY,
    EV_PREPARED,
    EV_BATCH_DUE,
    EV_PROCESS,
    EV_ARRIVAL,
    EV_SCRAPE,
    EV_TICK,
    EV_NONE,
} event_kind;

typedef struct {
    int64_t arrival_ns;
    int64_t prepared_ns; /* when its overhead is over */
    uint64_t ordinal;    /* the how-manieth request of its function */
} held_request;

typedef struct { /* FIFO; capacity a power of two, grown by doubling and then kept */
    held_request *v;
    uint32_t head, n, cap;
} request_queue;

int queue_push(request_queue *q, held_request r); /* 0, or -1: out of memory */
held_request queue_pop(request_queue *q);         /* not empty */
static inline const held_request *queue_front(const request_queue *q) {
    return &q->v[q->head];
}

struct process;

typedef struct pod {
    int64_t next_ns; /* its earliest event, and what that is */
    event_kind next_kind;

    uint32_t id, gpu, row, sm_pct, weight, batch_max, workers;
    int is_ready, is_draining, is_serving;
    uint32_t held; /* requests that it has in any stage */
    uint32_t busy; /* workers in use */

    request_queue waiting, batch_queue;
    held_request *prep; /* [workers], the latest first; of equal times the first to come leaves first */
    uint32_t n_prep;
    held_request *flight; /* [batch_max] */
    uint32_t n_flight;

    int64_t ready_ns, end_ns, quota_ns, due_ns; /* NEVER when there is none */
    uint32_t quota_pct, quota_next_pct, sm_next_pct;
    int64_t stalled_until_ns; /* a change of width: no batch is launched before */
    double *gpu_ns;           /* G by batch size, [batch_max + 1] */
    double launch_ns;         /* f at quota_pct */
    int64_t weighted;         /* smooth weighted round robin: its current weight */

    /* the batch in flight */
    int64_t launched_ns;
    double noise;
    int64_t window;  /* metered: index of the window that is used last, */
    int64_t used_ns; /* and the GPU time used in it by then */
    /* metered: since when under this share, what was to be done then, and what of that window was used */
    int64_t from_ns, from_work_ns, from_used_ns;
    double left_ns; /* token: unslowed time to go at since_ns */
    double demand;  /* token: d */
    double slow;    /* token: current factor */
    int64_t since_ns;
    struct process *process; /* NULL: not modelled */
    double gpu_time_ns;      /* that the batch in flight is given: metered, in the end; token, so far */
} pod;

/* A pod that becomes ready at ready_ns with the quota of p. NULL: out of memory. */
pod *pod_open(const engine_fn *fn, const calib_model *model, const pol_pod *p);
void pod_close(pod *p); /* NULL is fine */

/* Finds the earliest event: next_ns, next_kind. To be called after every change. */
void pod_schedule(pod *p);
/* Takes a request in and gives it a worker if one is free. 0, or -1: out of memory. */
int pod_take(pod *p, held_request r, int64_t now_ns, const dist *overhead_ms, uint64_t overhead_key);
/* Gives free workers to waiting requests. 0, or -1: out of memory. */
int pod_fill_workers(pod *p, int64_t now_ns, const dist *overhead_ms, uint64_t overhead_key);
/* Moves the first prepared request to the batch queue: EV_PREPARED. 0, or -1: out of memory. */
int pod_enqueue_prepared(pod *p);
/* Moves all that were prepared before then. While the GPU is busy they wait for its next completion: there is no
 * event for each. 0, or -1: out of memory. */
int pod_collect_prepared(pod *p, int64_t before_ns);
/* 1 if a batch can be launched now. */
int pod_can_launch(pod *p, int64_t now_ns, int64_t batch_wait_ns);
/* Takes the batch from the queue; the runtime then starts it. */
void pod_load_batch(pod *p);

/* Puts sm_next_pct and quota_next_pct in effect, and G and f with them. */
void pod_set_share(pod *p, const calib_model *model);

/* The metered runtime: starts the loaded batch; and puts the next share in effect at a window's start: what is left
 * of the batch in flight goes on at stalled_until_ns, if that is later. */
void pod_meter_start(pod *p, int64_t now_ns);
void pod_meter_reshare(pod *p, const calib_model *model, int64_t now_ns);
/* Duration of the batch in flight under the token runtime, were it alone. */
double pod_token_ns(const pod *p);

#endif
