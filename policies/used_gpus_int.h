/* used_gpus_int.h - where a search for a place in a large cluster looks: the GPUs that hold pods and have room, by
 * occupancy, and the first that holds none. Private to policies.
 *
 * The order is ascending by occupancy, in units of the policy's choice (1: a ten thousandth of a GPU; 10000: whole
 * GPUs), then by index. There is one for each class of functions' memory needs, without the GPUs that have less than the
 * least need of the class, or no process, to spare. What view->changed_gpus says, and what the policy does itself within
 * an act, must be passed on. */
#ifndef USED_GPUS_INT_H
#define USED_GPUS_INT_H

#include <stddef.h>
#include <stdint.h>

#include "policy.h"

enum { USED_GPUS_CLASSES = 8 };

typedef struct {
    uint32_t least_mib; /* of the class's functions */
    size_t n;
    uint64_t *order; /* [n_gpus], the first n: occupancy in units << 32 | index */
    uint32_t *known; /* [n_gpus]: the occupancy under which it stands there; UINT32_MAX: it does not */
} used_class;

typedef struct {
    used_class classes[USED_GPUS_CLASSES]; /* ascending by need */
    size_t n_classes, n_gpus;
    uint32_t unit;
    size_t first_unused; /* every GPU before it holds pods */
} used_gpus;

/* The classes of these functions. 0: out of memory. */
int used_gpus_open(used_gpus *u, const pol_host *host, size_t n_fns, uint32_t unit);
void used_gpus_close(used_gpus *u);

/* At the beginning of an act: all of the view's GPUs are looked at the first time, and whenever the cluster may have
 * another size; then those that have changed. 0: out of memory. */
int used_gpus_begin(used_gpus *u, const pol_view *view);
/* After an action on it. */
void used_gpus_update(used_gpus *u, const pol_view *view, uint32_t gpu);

/* The class of a function that needs so much. */
const used_class *used_gpus_for(const used_gpus *u, uint32_t memory_mib);
/* The place of the first entry after this one, which may have gone. */
size_t used_class_after(const used_class *c, uint64_t entry);
static inline uint32_t used_class_gpu(uint64_t entry) {
    return (uint32_t)entry;
}
static inline uint32_t used_class_occupancy(uint64_t entry) {
    return (uint32_t)(entry >> 32);
}
/* The first GPU from that index on that holds no pod; the number of GPUs if there is none. */
size_t used_gpus_unused(used_gpus *u, const pol_view *view, size_t from);

#endif
