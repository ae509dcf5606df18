/* gpu_share_int.h - how batches in flight on one GPU slow each other under the token runtime (pod_int.h).
 * Private.
 *
 * A share lists the pods that have a batch on the GPU. When one joins, leaves or changes its quota, what the
 * others have left is brought up to date and their ends are set anew. Floating point, in one fixed order: the
 * order in which the batches were launched.
 */
#ifndef GPU_SHARE_INT_H
#define GPU_SHARE_INT_H

#include "pod_int.h"

typedef struct {
    pod *pod;
    uint32_t fn;
} sharer;

typedef struct {
    sharer *sharers;
    uint32_t n;
    size_t cap;
    double *row_demand; /* [rows]: scratch, and the demand of each row after the last change */
    uint32_t first_row, n_rows;
} gpu_share;

int gpu_share_open(gpu_share *s, uint32_t first_row, uint32_t n_rows); /* 0, or -1: out of memory */
void gpu_share_close(gpu_share *s);

/* The pod's loaded batch starts. Ends of all sharers are set. 0, or -1: out of memory. */
int gpu_share_join(gpu_share *s, pod *p, uint32_t fn, int64_t now_ns);
/* The pod's batch is over, or killed. */
void gpu_share_leave(gpu_share *s, const pod *p, int64_t now_ns);
/* The pod's next share comes into effect; stall_ns is lost to a batch in flight. */
void gpu_share_reshare(gpu_share *s, pod *p, const calib_model *model, int64_t now_ns, int64_t stall_ns);

#endif
