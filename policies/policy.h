/* policy.h - the contract between the engine and one scaling policy.
 *
 * A policy decides how many pods each function has, where they run, and what share of a GPU each gets. It has
 * two halves, because functions touch each other only through what is allocated (README, "code tour"):
 *
 *   observe(fn)  runs inside the function's island at ticks of that function. It reads that function's counters,
 *                may write only that function's part of the policy's state, and says whether it wants to act
 *                and when it must look again. Many functions are observed at once, in threads.
 *   act(fn)      runs in global order of (time, cause, function). It sees what is allocated everywhere and asks,
 *                through host->plan, for actions. The engine checks each against capacity, rows and memory,
 *                applies what is legal at once, and counts and records the rest as refused.
 *
 * When they are called. Ticks are the multiples of the policy's tick (parameter "tick_s"), from the first one
 * after 0. act(fn) is called
 *   - once at time 0, cause POL_BEGIN, in order of functions: the place for initial pods;
 *   - at an arrival when the function has no pod that takes work, cause POL_ARRIVAL;
 *   - at a tick whose observe returned 1, cause POL_TICK.
 * The first tick is always observed. At a later one, observe is called if a counter or the number of pods
 * differs from the last call, or the time that the policy set in *next_ns has come. Otherwise the tick is
 * skipped, and the policy must behave as if it had seen it with unchanged counters: laziness never shows. The
 * usual way is to catch up a recursion tick by tick until it is bitwise fixed, and to ask for the next tick
 * as long as a decision is possible.
 * `--eager` visits every tick; results are identical.
 *
 * A policy with the flag POL_GLOBAL weighs all functions together: at every tick all functions are stopped,
 * observe is called for each in order, then act once with fn = POL_ALL. It pays for that barrier.
 *
 * Metrics are as old as a real monitoring system's: counters are as of obs->scrape_ns, the last scrape at or
 * before now (config "metrics"). What is allocated, and which pods are ready, is known at once.
 *
 * Units: _ns simulated time since the run began; _pct percent of one GPU; _mib mebibytes. Everything passed
 * belongs to the engine and dies with the call, except host and the params, which live until close. No
 * globals, no clock, random numbers only from host: same inputs, same actions, whatever the threads.
 */
#ifndef POLICY_H
#define POLICY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define POL_ABI     3u        /* one more on any change of layout; the engine refuses others */
#define POL_ERR_LEN 256       /* bytes, NUL included */
#define POL_NEVER   INT64_MAX /* look again only when something happens */
#define POL_NEW_ROW UINT32_MAX
#define POL_ALL     UINT32_MAX

typedef enum { POL_OK, POL_BAD_PARAM, POL_NO_MEM } pol_status;
typedef struct pol_ctx pol_ctx; /* opaque: the policy allocates and frees it */

typedef enum { POL_CORRECTED, POL_ARTIFACT } pol_mode; /* the idea, or what the published code does */

typedef enum { POL_BEGIN, POL_ARRIVAL, POL_TICK } pol_cause;

/* One function, as a monitoring system shows it. Counters since the run began, as of scrape_ns. */
typedef struct {
    uint32_t fn;
    int64_t now_ns;
    int64_t scrape_ns;                        /* -1: none yet, all counters 0 */
    uint64_t arrivals, completions, failures; /* failures: dropped or lost */
    uint64_t concurrency_ns;                  /* integral of the requests in the system */
    uint64_t queued; /* requests that wait outside every pod; those in pods' queues are not */
    uint32_t pods_ready, pods_starting; /* now; pods that drain are neither */
    /* Changes when latency_ns and throughput_rps begin to answer otherwise about this function, because the predictor
     * has learnt from its batches (config "online"); else always 0. A counter as the others: as of scrape_ns. */
    uint32_t learned;
} pol_obs;

typedef struct { /* one function; fixed for the run */
    const char *name;
    const char *model; /* calibration key */
    int64_t slo_ns;
    uint32_t memory_mib; /* per pod */
    uint32_t batch_max;
    uint32_t workers;
} pol_fn;

typedef struct { /* a slot of SM width on a GPU; its pods share its time */
    uint32_t gpu;
    uint32_t sm_pct;         /* 0: empty, takes any width that fits */
    uint32_t quota_free_pct; /* 0..100 */
    uint32_t n_pods;
} pol_row;

typedef struct {
    uint32_t device; /* index of the device kind */
    uint32_t node;
    uint32_t first_row, n_rows; /* in view->rows */
    uint32_t sm_free_pct;       /* 100 - sum of the rows' widths; 0 when oversubscribed */
    uint32_t memory_free_mib;
    uint32_t n_pods, pods_max; /* MPS clients: now, at most */
    uint32_t occupancy;        /* sum of SM % x quota % over its pods: 0..10000, more if oversubscribed */
    uint32_t sm_resizable;     /* 0: the partition is fixed at process start (MPS) */
} pol_gpu;

typedef struct {
    uint32_t fn, id;            /* id: the how-manieth pod of its function, from 0; never reused */
    uint32_t gpu, row;          /* indices in view->gpus and view->rows */
    uint32_t sm_pct, quota_pct; /* 1..100; the quota as last asked for */
    uint32_t batch_max;
    uint32_t weight;
    uint32_t draining; /* 1: stopped, finishes what it has */
    int64_t ready_ns;  /* later than now: still starting */
} pol_pod;

/* What is allocated. gpus and rows are live: they show the actions already planned in this call. pods is the
 * state at the call. */
typedef struct {
    int64_t now_ns;
    pol_cause cause;
    const pol_gpu *gpus;
    const pol_row *rows;
    size_t n_gpus, n_rows;
    const pol_pod *pods; /* of the function that acts, by id; with POL_ALL: of all, by function and id */
    size_t n_pods;
    /* GPUs on which pods have come, gone or been resized since the act before began, each once: for policies that keep
     * GPUs in an order of their own. */
    const uint32_t *changed_gpus;
    size_t n_changed_gpus;
} pol_view;

typedef enum {
    POL_START,  /* admitted or refused at once; takes work after its cold start */
    POL_STOP,   /* takes no new work, finishes what it has, then frees its place; billed until then */
    POL_KILL,   /* frees its place at once; the work that it holds is lost (the artifact's deletion) */
    POL_RESIZE, /* quota, and SM width where the device can: reserved at once, effective from the next 40-ms
                   scheduler window */
    POL_ROUTE, /* how the function's requests reach its pods, from now on; until the first: POL_PULL, no limits */
} pol_verb;

typedef enum {                  /* which ready pod gets a request; ties go to the lowest id */
               POL_PULL,        /* one queue per function; a pod pulls when one of its workers is free */
               POL_RANDOM,      /* any pod, uniformly */
               POL_ROUND_ROBIN, /* in turn */
               POL_TWO_CHOICES, /* the less loaded of two drawn at random */
               POL_FIRST_FREE,  /* the lowest id below its limit */
               POL_WEIGHTED,    /* smooth weighted round robin over the pods' weights */
} pol_balance;

typedef struct {
    pol_verb verb;
    uint32_t fn;
    uint32_t pod; /* STOP, KILL, RESIZE: its id */
    /* START. row: index in view->rows, or POL_NEW_ROW: the GPU's first empty row */
    uint32_t gpu, row;
    /* START, RESIZE. In a RESIZE, 0 leaves it as it is, and another width needs a GPU that is sm_resizable and a
     * pod alone in its row */
    uint32_t sm_pct, quota_pct;
    int64_t setup_ns;    /* START: >= 0, what comes before the cold start, as making a MIG slice */
    uint32_t batch_max;  /* START; 0: the function's */
    uint32_t weight;     /* START, RESIZE: share under POL_WEIGHTED; 0: START 1, RESIZE as it is */
    pol_balance balance; /* ROUTE */
    /* ROUTE: most requests that a pod holds, waiting and served; 0: no limit. What finds no pod below its limit
     * waits in the function's queue */
    uint32_t pod_limit;
    uint32_t queue_limit; /* ROUTE: most requests in the function's queue, the rest is dropped; 0: no limit */
    const char *reason;   /* static string, kept in the results: why */
} pol_action;

/* Services that the engine lends. A config's check opens a policy with less: the times, and fn, which then tells of one
 * made-up function (n_fns is 1, its memory_mib 0); the others are NULL. */
typedef struct {
    void *impl;
    int64_t scrape_ns, scrape_phase_ns; /* scrapes at phase + k * scrape, k >= 0: what a skipped tick saw */
    const pol_fn *(*fn)(void *impl, uint32_t fn); /* never NULL, nor what it returns for fn < n_fns */
    /* Applies the action if it is legal: >= 0 (START: the new pod's id), or -1: refused, nothing changed.
     * Only within act. */
    int64_t (*plan)(void *impl, const pol_action *action);
    /* The configured predictor, for a device kind. Mean time from launch to result of one batch, and requests
     * per second of a pod that is never idle and always fills its batch. < 0: unknown. What an online predictor has
     * learnt about a function is in the answers only where that function is observed or acts. */
    int64_t (*latency_ns)(void *impl, uint32_t fn, uint32_t device, uint32_t batch, uint32_t sm_pct,
                          uint32_t quota_pct);
    double (*throughput_rps)(void *impl, uint32_t fn, uint32_t device, uint32_t batch, uint32_t sm_pct,
                             uint32_t quota_pct);
    double (*overhead_ms)(void *impl, uint32_t fn, uint32_t device); /* mean, per request, outside the GPU */
    double (*uniform)(void *impl, uint32_t fn,
                      uint64_t n); /* [0, 1): the n-th of that function's own draws */
} pol_host;

typedef struct { /* one row of a policy's parameter table; the config's "params" object is checked against it
                  */
    const char *key;
    const char *unit; /* "" for none */
    const char *help;
    const char *choices;  /* NULL: a number. "a|b|c": one of these strings, passed as its index */
    double by_default[2]; /* by pol_mode */
    double min, max;      /* inclusive; numbers only */
    int is_integer;
} pol_param;

enum { POL_GLOBAL = 1u };

typedef struct {
    uint32_t abi;     /* POL_ABI when compiled */
    const char *name; /* config value, unique */
    const char *help; /* one line */
    const pol_param *params;
    size_t n_params;
    double scrape_s; /* metrics period of the real system; the config may override */
    /* "share", "whole-gpu" or "slice": how users of the real system pay; the config may override */
    const char *billing;
    /* values[i] belongs to params[i]. Sets *flags (POL_GLOBAL or 0) and *tick_ns (> 0). POL_BAD_PARAM: a
     * combination that makes no sense, explained in err. Of host, only fn and the times may be asked yet: a
     * config's check opens a policy, too, and closes it at once. */
    pol_status (*open)(pol_ctx **out, const pol_host *host, size_t n_fns, pol_mode mode, const double *values,
                       uint32_t *flags, int64_t *tick_ns, char err[POL_ERR_LEN]);
    int (*observe)(pol_ctx *ctx, const pol_obs *obs, int64_t *next_ns); /* 1: wants to act */
    void (*act)(pol_ctx *ctx, uint32_t fn, const pol_view *view);
    void (*close)(pol_ctx *ctx); /* is called with NULL, too, and then does nothing */
} pol_ops;

/* A policy of your own, in a shared object: the one symbol that `hassim run --plugin FILE` looks up. Asked once;
 * what it returns must stay as it is. `hassim policy new NAME` writes a file that has it. */
const pol_ops *policy_export(void);

/* Built-in policies: NAME.c defines one of these, registry.c lists it. */
const pol_ops *policy_find(const char *name); /* NULL: unknown */
const pol_ops *policy_at(size_t i);           /* NULL: past the last */

#ifdef __cplusplus
}
#endif
#endif
