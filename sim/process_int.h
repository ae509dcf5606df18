/* process_int.h - what a pod's process does beside the GPU, where that is modelled. Private to the engine.
 *
 * Without it (engine_fn.process NULL) a request's overhead is one delay, and a batch's time on the GPU one number
 * (pod_int.h). A process has a processor that its work must share:
 *
 *     travel --> accept --> wait --> (a worker) --> prepare --> batch queue --> launch, GPU --> respond --> out
 *                 cpu                                cpu                         cpu              cpu
 *
 * - accept, prepare and respond are work on the processor; `travel` (to the pod and back: it is all put before) and
 *   `wait` (for the rest of the request) are not. A request takes a worker at prepare and keeps it until it is out.
 * - A batch is launched kernel by kernel: launch_ms of work on the processor, times launch_noise. The GPU runs what
 *   has been launched, calib_gpu_work_ms in all (G without its floor, the time in which the calibration's host
 *   launches), times the batch's noise, evenly spread over the launches: it is never ahead of them. The batch is over
 *   when both are, and its last launch (below) has its token.
 * - What is on the processor at once shares it: `cpus` in all, at most 1 for each, equally but for the launcher, whose
 *   share has the weight launch_weight. (One interpreter lock: cpus = 1. A launcher gives the lock up at every kernel
 *   and must win it back from a thread that keeps it: weight < 1. It is why a pod that overlaps requests takes longer
 *   for each, and why a token that suffices for a batch alone does not while another request is being decoded.)
 * - Under the exact token runtime, launches need a token (token_sched_int.h): a launcher whose token has at most a
 *   millisecond left (of one shorter than two: at most half) stands still until it has a new one. What is done with
 *   the GPU's results takes one launch more, of no length. It needs a token like the others, and comes when they have
 *   been executed. (Seen in bert: latencies of lone requests at a quota of 30 % have their sharpest mode at 107 ms, at
 *   30 % of the SMs as at 50 %, where the GPU takes 20 ms less; that is when the third token comes. For images it is
 *   supposed.)
 * - Under the exact token runtime pods share a GPU, and what they have launched shares it, too: the pods of a row that
 *   have work on it share the row evenly, and rows with work slow each other when their widths sum to more than 100 %.
 *   A row never gives more GPU time than passes.
 * - The first batch of each size takes first_batch_ms at least (libraries choose their kernels then), and the first
 *   request after an idle time costs wake_ms of work more.
 *
 * State is piecewise linear in time: whatever is done to a process brings it up to date first; process_next says when
 * something is due.
 */
#ifndef PROCESS_INT_H
#define PROCESS_INT_H

#include "pod_int.h"
#include "token_sched_int.h"

typedef enum { JOB_TRAVEL, JOB_ACCEPT, JOB_WAIT, JOB_PREPARE, JOB_RESPOND } job_stage;

typedef struct {
    held_request request;
    job_stage stage;
    double left_ns;   /* of work on the processor */
    int64_t until_ns; /* JOB_TRAVEL, JOB_WAIT */
} process_job;

typedef enum { LAUNCH_NONE, LAUNCH_BLOCKED, LAUNCH_RUNS, LAUNCH_OVER } launch_state;

typedef struct process {
    const engine_process *spec;
    uint64_t request_key, token_key; /* of draws */
    process_job *jobs;               /* by the time they came */
    uint32_t n_jobs;
    size_t jobs_cap;
    int64_t now_ns;  /* the state is as of then */
    int64_t busy_ns; /* when the processor last had work */
    /* the batch in flight */
    launch_state launch;
    double launch_ns, gpu_ns;  /* in all */
    double launched, executed; /* parts of it, 0..1; executed <= launched */
    double gpu_speed;          /* at which the GPU runs what is launched: 1 alone */
    int wants_gpu;             /* as the others on the GPU know it */
    int64_t ask_ns;            /* from when on a launch must ask for a token */
    int64_t token_due_ns;      /* LAUNCH_BLOCKED: when the scheduler must be asked */
    uint64_t n_tokens;         /* asked for */
    uint32_t sizes_seen;       /* bit n-1: a batch of n has run */
    token_sched *tokens;       /* of its GPU; NULL: launches need none */
} process;

typedef enum {
    PROCESS_WAITS,
    PROCESS_PREPARED,
    PROCESS_SERVED,
    PROCESS_ANSWERED,
    PROCESS_NO_MEMORY
} process_event;

process *process_open(const engine_process *spec, uint64_t request_key,
                      uint64_t token_key); /* NULL: no memory */
void process_close(process *x);            /* NULL is fine */

/* A request comes in. 0, or -1: out of memory; as all below that return int. */
int process_take(pod *p, held_request r, int64_t now_ns);
/* Waiting requests get the workers that are free. */
int process_fill_workers(pod *p, int64_t now_ns);
/* The pod's loaded batch starts. */
void process_launch(pod *p, int64_t now_ns, double noise);
/* The scheduler may have a token for the pod, which waits for one, at due_ns; it gave one. */
void process_expect(pod *p, int64_t due_ns);
void process_granted(pod *p, int64_t now_ns, int64_t end_ns);
/* The answers to the batch in flight are written. */
int process_respond(pod *p, int64_t now_ns);

/* Whether it has work on the GPU, or is launching some; and the GPU's speed for it from now on. */
int process_wants_gpu(const pod *p);
void process_set_speed(pod *p, int64_t now_ns, double speed);

/* Does one thing that is due at now_ns; PROCESS_WAITS: nothing more that the island must hear of is due.
 * PROCESS_ANSWERED: *out is the request. */
process_event process_step(pod *p, int64_t now_ns, held_request *out);

#endif
