/* cluster.h - the ledger: which pod holds what on which GPU, since when, and what that costs.
 *
 * The ledger is the only state that functions share. It changes by acts (start, resize, stop) and by releases
 * (a stopped pod has finished), always in order of simulated time, so that the integrals below can be folded
 * as it changes. It knows nothing of requests.
 *
 * Rows: a GPU has rows_per_gpu rows; an empty row takes the width of the first pod placed there and keeps it
 * until its last pod leaves. The quotas of a row's pods sum to at most 100 %; the rows' widths to at most
 * 100 %, unless oversubscription is set. A quota counts as last asked for: changes take effect at the next
 * scheduler window, in the order asked for, so that the sum in effect never exceeds 100 % either.
 *
 * Integrals cover [warmup, duration): share = SM % x quota % x time per function, GPUs held (a GPU that holds
 * n pods is split evenly among them), both exact integers; and the bins of the timeline.
 */
#ifndef CLUSTER_H
#define CLUSTER_H

#include "engine.h"

typedef struct cluster cluster;

#define CLUSTER_NO_MEMORY "out of memory" /* a *why that ends the run */

typedef struct { /* a * 1e9 + b, for integrals that overflow 64 bits */
    uint64_t whole, rest;
} cluster_sum;

cluster *cluster_open(const engine_setup *setup); /* NULL: out of memory */
void cluster_close(cluster *c);

const pol_gpu *cluster_gpus(const cluster *c); /* [setup->n_gpus] */
const pol_row *cluster_rows(const cluster *c); /* [n_gpus * rows_per_gpu], gpu by gpu */
/* the pods of a function, by id; valid until the next change of the function */
const pol_pod *cluster_pods(const cluster *c, uint32_t fn, size_t *n);
/* GPUs on which pods have come, gone or been resized since they were last forgotten; each once */
const uint32_t *cluster_changed_gpus(const cluster *c, size_t *n);
void cluster_forget_changed(cluster *c);
size_t cluster_n_pods(const cluster *c);                  /* of all functions */
uint32_t cluster_next_pod(const cluster *c, uint32_t fn); /* the id that its next pod will get */

/* Checks a START and enters it. 0: *pod is the new pod. -1: nothing changed; *why is a static string. */
int cluster_start(cluster *c, const pol_action *a, int64_t now_ns, int64_t ready_ns, pol_pod *pod,
                  const char **why);
/* Checks a RESIZE and enters it: *pod is the pod as it will be. -1: nothing changed; *why says why. */
int cluster_resize(cluster *c, const pol_action *a, int64_t now_ns, pol_pod *pod, const char **why);
int cluster_has_pod(const cluster *c, uint32_t fn, uint32_t pod);
/* Marks a pod as stopping: it keeps its place. -1 with *why: no such pod. */
int cluster_drain(cluster *c, uint32_t fn, uint32_t pod, const char **why);
/* Gives a pod's place back. The pod must exist. */
void cluster_release(cluster *c, uint32_t fn, uint32_t pod, int64_t now_ns);

/* Closes the integrals at duration_ns. */
void cluster_finish(cluster *c);
double cluster_share_gpu_s(const cluster *c, uint32_t fn);
double cluster_held_gpu_s(const cluster *c, uint32_t fn);
double cluster_cost_usd(const cluster *c, uint32_t fn);
double cluster_gpus_mean(const cluster *c);
/* Adds share_gpus and gpus to the bins: total[n_bins], by_fn[timeline_fns * n_bins]. */
void cluster_write_bins(const cluster *c, engine_bin *total, engine_bin *by_fn, size_t n_bins);

/* Aborts with the state if an invariant is broken. */
void cluster_check(const cluster *c);

#endif
