#include "used_gpus_int.h"

#include <stdlib.h>
#include <string.h>

static const uint32_t UNUSED = UINT32_MAX;

/* The place of the first that is not before the key. */
static size_t place_of(const used_gpus *u, uint64_t key) {
    size_t low = 0, high = u->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (u->order[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void take_out(used_gpus *u, uint64_t key) {
    size_t at = place_of(u, key);
    memmove(u->order + at, u->order + at + 1, (--u->n - at) * sizeof *u->order);
}

static void put_in(used_gpus *u, uint64_t key) {
    size_t at = place_of(u, key);
    memmove(u->order + at + 1, u->order + at, (u->n++ - at) * sizeof *u->order);
    u->order[at] = key;
}

/* From one key to another: only those in between move. */
static void replace(used_gpus *u, uint64_t from, uint64_t to) {
    size_t a = place_of(u, from), b = place_of(u, to);
    if (to > from)
        memmove(u->order + a, u->order + a + 1, (--b - a) * sizeof *u->order);
    else
        memmove(u->order + b + 1, u->order + b, (a - b) * sizeof *u->order);
    u->order[b] = to;
}

size_t used_gpus_after(const used_gpus *u, uint64_t entry) {
    return place_of(u, entry + 1);
}

void used_gpus_update(used_gpus *u, const pol_view *view, uint32_t gpu) {
    uint32_t was = u->known[gpu], is = view->gpus[gpu].n_pods ? view->gpus[gpu].occupancy / u->unit : UNUSED;
    uint64_t from = (uint64_t)was << 32 | gpu, to = (uint64_t)is << 32 | gpu;
    if (was == is) return;
    if (was == UNUSED)
        put_in(u, to);
    else if (is == UNUSED)
        take_out(u, from);
    else
        replace(u, from, to);
    u->known[gpu] = is;
}

static int open(used_gpus *u, const pol_view *view, uint32_t unit) {
    used_gpus_close(u);
    u->order = malloc((view->n_gpus + 1) * sizeof *u->order);
    u->known = malloc((view->n_gpus + 1) * sizeof *u->known);
    if (!u->order || !u->known) {
        used_gpus_close(u);
        return 0;
    }
    u->n_gpus = view->n_gpus;
    u->unit = unit;
    memset(u->known, 0xff, view->n_gpus * sizeof *u->known); /* UNUSED */
    for (size_t i = 0; i < view->n_gpus; i++) used_gpus_update(u, view, (uint32_t)i);
    return 1;
}

int used_gpus_begin(used_gpus *u, const pol_view *view, uint32_t unit) {
    if (!u->order || u->n_gpus != view->n_gpus) return open(u, view, unit);
    for (size_t i = 0; i < view->n_changed_gpus; i++) used_gpus_update(u, view, view->changed_gpus[i]);
    return 1;
}

void used_gpus_close(used_gpus *u) {
    free(u->order);
    free(u->known);
    *u = (used_gpus){0};
}
