/* used_gpus_int.h - which GPUs hold pods, so that a search for a place need not look at all of a large cluster. For
 * policies whose pods are all that there is; private to them.
 *
 * A list in order of index. A GPU is added when a pod is started on it and leaves the list some time after it has lost
 * its last pod: a search must still look at n_pods. */
#ifndef USED_GPUS_INT_H
#define USED_GPUS_INT_H

#include <stddef.h>
#include <stdint.h>

#include "policy.h"

typedef struct {
    uint32_t *list; /* [n_gpus], the first n in use; ascending */
    uint8_t *is_listed;
    size_t n, n_gpus;
    size_t tidy_at; /* when it has grown to so many, those without pods leave */
} used_gpus;

/* Before first use, and whenever the cluster may have another size; lists what the view shows. 0: out of memory. */
int used_gpus_open(used_gpus *u, const pol_view *view);
void used_gpus_close(used_gpus *u);
void used_gpus_add(used_gpus *u, const pol_view *view, uint32_t gpu);

#endif
