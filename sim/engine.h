/* engine.h - one simulation run: functions, pods, GPUs and one policy, from 0 to the end of the trace.
 *
 * Meaning (the words are in README, "concepts"):
 *   - A request arrives, waits in its function's queue or in a pod, is held by one of the pod's `workers` through
 *     its overhead (decode, parse), joins the pod's batch queue, is served in a batch on the GPU, and leaves.
 *   - Every function is an island: its arrivals, pods, batches and observations depend on nothing but itself
 *     until its policy acts. Islands run ahead to their next act; acts are committed in order of (time, cause,
 *     function). Under the token runtime, pods of a GPU slow each other, so all functions form one island.
 *   - ENGINE_GLOBAL processes every event of all functions in time order: the oracle. Results are bit-identical,
 *     as they are with any number of threads and with `eager`.
 *
 * Events of equal time: completion, quota effective, pod ready, request prepared, batch due, arrival, scrape,
 * tick; then function, pod, and that pod's own order. A freed place is visible to acts at the same instant.
 *
 * The window of the counts is the arrivals in [warmup_ns, duration_ns); cost is integrated over the same
 * time. After duration_ns nothing arrives and the rest is drained for at most drain_ns. Conservation, checked
 * always: arrivals = completed + dropped + lost + in flight at the end, for every function.
 *
 * Work. Where a trace gives sizes, each request has a work w (trace.h), of which 1 is the request that was calibrated. A
 * batch of n takes the time of a calibrated batch of n, G and f alike, times the mean of its requests' works: so a
 * batch's GPU time is the sum of its requests' parts, whoever they are batched with, and none pays for another's
 * padding. Overhead outside the GPU, SLOs, and what policies and predictors know do not depend on it; an online
 * predictor sees the times that come of it. A timeline's capacity is for requests of the trace's mean work. Without
 * sizes nothing changes, to the bit.
 *
 * Ownership: everything in engine_setup belongs to the caller and must outlive the run. The result belongs to
 * the caller: engine_result_free. Errors: -1 and one line in err.
 */
#ifndef ENGINE_H
#define ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include "calib.h"
#include "client.h"
#include "dist.h"
#include "hist.h"
#include "policy.h"
#include "predictor.h"
#include "trace.h"

#define ENGINE_ERR_LEN         512
#define ENGINE_WINDOW_NS       INT64_C(40000000) /* the scheduler window, spec 2.1 */
#define ENGINE_MULTIPLIERS_MAX 16
#define ENGINE_GIGASECOND_NS   UINT64_C(1000000000000000000)

typedef enum { ENGINE_ISLANDS, ENGINE_GLOBAL } engine_order;
/* metered: quotas limit GPU time. token: they limit launches, in closed form, max(G, f). token-exact: the artifact's
 * scheduler, grant by grant (token_sched_int.h); every function needs a process. */
typedef enum { ENGINE_METERED, ENGINE_TOKEN, ENGINE_TOKEN_EXACT } engine_runtime;
typedef enum { ENGINE_BILL_SHARE, ENGINE_BILL_WHOLE_GPU, ENGINE_BILL_SLICE } engine_billing;

typedef struct { /* a kind of GPU */
    const calib_device *facts;
    double usd_per_gpu_hour;
    int sm_resizable;     /* the calibration's, or what the config supposes */
    int64_t sm_resize_ns; /* what a change of width costs: no batch runs for so long */
} engine_device;

typedef struct { /* one GPU of the cluster */
    uint32_t device, node;
} engine_gpu;

typedef struct { /* what a model does on a device kind; NULL model: cannot run there */
    const calib_model *model;
    double cold_start_ms; /* mean */
    /* what policies are told where the model was drawn from it (config "model_error"); NULL: the model itself */
    const calib_model *calibrated;
} engine_fit;

static inline const calib_model *engine_calibrated(const engine_fit *f) {
    return f->calibrated ? f->calibrated : f->model;
}

typedef struct { /* a pod's process beside the GPU (process_int.h); times are means in ms */
    double accept_ms, prepare_ms, respond_ms; /* work on the processor */
    double travel_ms;                         /* beside it, before a request is accepted */
    dist wait_ms;                             /* beside it, before a worker is taken */
    dist work_noise;                          /* of a request's work; mean 1 */
    double cpus;                              /* > 0; work at once shares them, none gets more than one */
    double launch_weight;                     /* of launching, against 1 of other work */
    double wake_ms;                           /* work more after an idle time */
    double launch_ms;                         /* work of launching a batch */
    dist launch_noise;                        /* of it, by batch; mean 1 */
    double first_batch_ms;                    /* the GPU's time for the first batch of a size, at least */
    double
        early_share; /* token-exact: share of tokens whose successor is asked for before they are used up */
    double round_trip_ms; /* token-exact: from asking to the scheduler's decision */
} engine_process;

typedef struct {
    const char *name, *model_name;
    const engine_fit *on;  /* [n_devices] */
    uint32_t memory_mib;   /* per pod */
    uint32_t batch_max;    /* 1..CALIB_BATCH_MAX */
    uint32_t workers;      /* >= 1 */
    int64_t batch_wait_ns; /* >= 0 */
    int64_t slo_ns;
    int64_t report_slo_ns[ENGINE_MULTIPLIERS_MAX]; /* [n_report] of the setup, ascending */
    dist overhead_ms;                              /* per request */
    dist noise;      /* mean 1, of the service time; of a process: of its GPU time */
    dist cold_start; /* factor on cold_start_ms, mean 1 */
    trace_spec trace;
    const client_spec *client; /* its requests come from a closed-loop client that begins at client_start_ns;
                                      NULL: from the trace */
    int64_t client_start_ns;
    int64_t keep_alive_ns;         /* the gateway keeps connections to pods for so long; 0: none */
    int64_t linger_ns;             /* killed pods stay in its routing table for so long */
    const engine_process *process; /* NULL: overhead is a delay, and a batch's time a number */
} engine_fn;

typedef struct {
    uint64_t seed;
    int64_t warmup_ns, duration_ns, drain_ns;
    int64_t scrape_ns, scrape_phase_ns; /* scrapes at phase + k * scrape, k >= 0 */
    int64_t bin_ns;                     /* timeline; > 0 */
    const engine_device *devices;
    size_t n_devices;
    const engine_gpu *gpus;
    size_t n_gpus;
    uint32_t rows_per_gpu;
    int oversubscribe; /* row widths may sum to more than 100 %; token runtime only */
    engine_runtime runtime;
    engine_billing billing;
    const engine_fn *fns;
    size_t n_fns;
    double multipliers[ENGINE_MULTIPLIERS_MAX]; /* of report_slo_ns, for the record */
    size_t n_report;
    const pol_ops *policy;
    pol_mode mode;
    const double *params;              /* [policy->n_params] */
    const struct predictor *predictor; /* what the policy asks */
    size_t timeline_fns;               /* the first so many functions get a timeline of their own */
    size_t actions_max;                /* at most so many are kept; the rest is counted */
    int record_requests;               /* keep every request */
} engine_setup;

typedef struct {
    engine_order order;
    unsigned threads; /* >= 1; islands only */
    int eager;        /* visit every function at every tick */
    int check;        /* verify invariants of every structure at every act */
    /* called now and then with the simulated time reached, from the calling thread; NULL: not */
    void (*progress)(void *arg, int64_t now_ns);
    void *progress_arg;
} engine_options;

typedef struct { /* per function; what a request counts stands together */
    /* of the whole run */
    uint64_t arrivals, completed;
    /* of the window */
    uint64_t window_arrivals;
    uint64_t window_violations; /* over slo_ns, dropped, lost, unfinished */
    uint64_t latency_sum_gs;    /* completed, window arrivals: in 1e9 s, */
    uint64_t latency_sum_ns;    /* and the rest */
    uint64_t batches, batched;  /* launched in the window, and requests in them */
    hist latency;               /* completed, window arrivals; ns */
    uint64_t report_violations[ENGINE_MULTIPLIERS_MAX];
    uint64_t dropped, lost, in_flight; /* of the whole run */
    uint64_t cold_starts;              /* pods started, window */
    double share_gpu_s;                /* integral of SM share x quota share, window */
    double gpu_s;                      /* GPUs held, each split evenly among its pods, window */
    double cost_usd;                   /* by the setup's billing, window */
} engine_fn_result;

typedef struct { /* one bin of a timeline; index k covers [k * bin_ns, (k+1) * bin_ns) */
    /* in the bin; violations when they end, not when they arrived */
    uint64_t arrivals, completed, violations;
    uint64_t queued;                    /* requests in the system and not on a GPU, at its end */
    uint32_t pods_ready, pods_starting; /* at its end */
    /* at its end, of the ready pods: full batches, or what the workers can hold; slowing by row-mates left out */
    double capacity_rps;
    double share_gpus; /* mean of sum SM share x quota share, in GPUs */
    double gpus;       /* mean number of GPUs that hold a pod; total timeline only */
} engine_bin;

typedef struct { /* one planned action */
    int64_t at_ns;
    pol_action action; /* reason points into the policy: valid while it is loaded */
    uint32_t pod;      /* START: the new one's id */
    int refused;
    const char *why; /* refused: static string */
} engine_action;

typedef enum { ENGINE_COMPLETED, ENGINE_DROPPED, ENGINE_LOST, ENGINE_UNFINISHED } engine_fate;

typedef struct {
    uint32_t fn, pod;           /* pod: UINT32_MAX when none took it */
    int64_t arrival_ns, end_ns; /* end: -1 if unfinished */
    engine_fate fate;
} engine_request;

typedef struct {
    engine_fn_result *fns; /* [n_fns] */
    size_t n_fns;
    double gpus_mean; /* GPUs that hold a pod, mean over the window */
    double cost_usd;  /* sum over functions */
    uint64_t events;
    uint64_t visits, acts; /* observe and act calls */
    engine_bin *total;     /* [n_bins] */
    engine_bin *by_fn;     /* [timeline_fns * n_bins], function by function */
    size_t n_bins, timeline_fns;
    int64_t bin_ns;
    engine_action *actions;
    size_t n_actions;
    uint64_t actions_seen, actions_refused;
    engine_request *requests; /* by function, then arrival; NULL unless asked for */
    size_t n_requests;
    uint64_t hash; /* of every count, histogram and action: equal results, equal hashes */
} engine_result;

int engine_run(const engine_setup *setup, const engine_options *options, engine_result *result,
               char err[ENGINE_ERR_LEN]);
void engine_result_free(engine_result *result); /* NULL is fine */

#endif
