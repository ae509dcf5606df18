#include "used_gpus_int.h"

#include <stdlib.h>
#include <string.h>

enum { TIDY_FIRST = 64 };

int used_gpus_open(used_gpus *u, const pol_view *view) {
    if (u->list && u->n_gpus == view->n_gpus) return 1;
    used_gpus_close(u);
    u->list = malloc((view->n_gpus + 1) * sizeof *u->list);
    u->is_listed = calloc(view->n_gpus + 1, 1);
    if (!u->list || !u->is_listed) {
        used_gpus_close(u);
        return 0;
    }
    u->n_gpus = view->n_gpus;
    u->tidy_at = TIDY_FIRST;
    for (size_t i = 0; i < view->n_gpus; i++)
        if (view->gpus[i].n_pods) used_gpus_add(u, view, (uint32_t)i);
    return 1;
}

void used_gpus_close(used_gpus *u) {
    free(u->list);
    free(u->is_listed);
    *u = (used_gpus){0};
}

static void tidy(used_gpus *u, const pol_view *view) {
    size_t kept = 0;
    for (size_t i = 0; i < u->n; i++) {
        uint32_t gpu = u->list[i];
        u->is_listed[gpu] = view->gpus[gpu].n_pods > 0;
        if (u->is_listed[gpu]) u->list[kept++] = gpu;
    }
    u->n = kept;
    u->tidy_at = 2 * kept > TIDY_FIRST ? 2 * kept : TIDY_FIRST;
}

void used_gpus_add(used_gpus *u, const pol_view *view, uint32_t gpu) {
    if (u->is_listed[gpu]) return;
    if (u->n >= u->tidy_at) tidy(u, view);
    size_t low = 0, high = u->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (u->list[middle] < gpu)
            low = middle + 1;
        else
            high = middle;
    }
    memmove(u->list + low + 1, u->list + low, (u->n - low) * sizeof *u->list);
    u->list[low] = gpu;
    u->n++;
    u->is_listed[gpu] = 1;
}
