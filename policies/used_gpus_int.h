/* used_gpus_int.h - the GPUs that hold pods, by occupancy, so that a search for a place in a large cluster looks at few.
 * Private to policies.
 *
 * Ascending by occupancy, in units of the policy's choice (1: a ten thousandth of a GPU; 10000: whole GPUs), then by
 * index. What view->changed_gpus says, and what the policy does itself within an act, must be passed on. */
#ifndef USED_GPUS_INT_H
#define USED_GPUS_INT_H

#include <stddef.h>
#include <stdint.h>

#include "policy.h"

typedef struct {
    uint64_t *order; /* [n_gpus], the first n in use: occupancy in units << 32 | index */
    uint32_t *known; /* [n_gpus]: the occupancy under which it stands there; UINT32_MAX: not in use */
    size_t n, n_gpus;
    uint32_t unit;
} used_gpus;

/* At the beginning of an act: the first time, and whenever the cluster may have another size, all of the view's GPUs are
 * looked at, then those that have changed. 0: out of memory. */
int used_gpus_begin(used_gpus *u, const pol_view *view, uint32_t unit);
void used_gpus_close(used_gpus *u);
/* After an action on it. */
void used_gpus_update(used_gpus *u, const pol_view *view, uint32_t gpu);

/* The place of the first entry after this one, which may have gone. */
size_t used_gpus_after(const used_gpus *u, uint64_t entry);
static inline uint32_t used_gpus_gpu(uint64_t entry) {
    return (uint32_t)entry;
}

#endif
