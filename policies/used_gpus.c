#include "used_gpus_int.h"

#include <stdlib.h>
#include <string.h>

static const uint32_t ABSENT = UINT32_MAX;

/* ---- one class ---- */

/* The place of the first that is not before the key. */
static size_t place_of(const used_class *c, uint64_t key) {
    size_t low = 0, high = c->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c->order[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void take_out(used_class *c, uint64_t key) {
    size_t at = place_of(c, key);
    memmove(c->order + at, c->order + at + 1, (--c->n - at) * sizeof *c->order);
}

static void put_in(used_class *c, uint64_t key) {
    size_t at = place_of(c, key);
    memmove(c->order + at + 1, c->order + at, (c->n++ - at) * sizeof *c->order);
    c->order[at] = key;
}

/* From one key to another: only those in between move. */
static void replace(used_class *c, uint64_t from, uint64_t to) {
    size_t a = place_of(c, from), b = place_of(c, to);
    if (to > from)
        memmove(c->order + a, c->order + a + 1, (--b - a) * sizeof *c->order);
    else
        memmove(c->order + b + 1, c->order + b, (a - b) * sizeof *c->order);
    c->order[b] = to;
}

static void update_class(used_class *c, const pol_gpu *g, uint32_t gpu, uint32_t unit) {
    int has_room = g->n_pods > 0 && g->n_pods < g->pods_max && g->memory_free_mib >= c->least_mib;
    uint32_t was = c->known[gpu], is = has_room ? g->occupancy / unit : ABSENT;
    uint64_t from = (uint64_t)was << 32 | gpu, to = (uint64_t)is << 32 | gpu;
    if (was == is) return;
    if (was == ABSENT)
        put_in(c, to);
    else if (is == ABSENT)
        take_out(c, from);
    else
        replace(c, from, to);
    c->known[gpu] = is;
}

static void empty_class(used_class *c) {
    free(c->order);
    free(c->known);
    *c = (used_class){.least_mib = c->least_mib};
}

static int open_class(used_class *c, size_t n_gpus) {
    empty_class(c);
    c->order = malloc((n_gpus + 1) * sizeof *c->order);
    c->known = malloc((n_gpus + 1) * sizeof *c->known);
    if (!c->order || !c->known) return 0;
    memset(c->known, 0xff, n_gpus * sizeof *c->known); /* ABSENT */
    return 1;
}

size_t used_class_after(const used_class *c, uint64_t entry) {
    return place_of(c, entry + 1);
}

/* ---- all ---- */

static int ascending(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Of many different needs, the least of each eighth. */
static void lay_out_classes(used_gpus *u, uint32_t *needs, size_t n) {
    size_t distinct = 0;
    qsort(needs, n, sizeof *needs, ascending);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || needs[i] != needs[i - 1]) needs[distinct++] = needs[i];
    u->n_classes = distinct < USED_GPUS_CLASSES ? distinct : USED_GPUS_CLASSES;
    for (size_t k = 0; k < u->n_classes; k++) u->classes[k].least_mib = needs[k * distinct / u->n_classes];
}

int used_gpus_open(used_gpus *u, const pol_host *host, size_t n_fns, uint32_t unit) {
    uint32_t *needs = malloc((n_fns + 1) * sizeof *needs);
    *u = (used_gpus){.unit = unit};
    if (!needs) return 0;
    for (size_t i = 0; i < n_fns; i++) needs[i] = host->fn(host->impl, (uint32_t)i)->memory_mib;
    lay_out_classes(u, needs, n_fns);
    free(needs);
    return 1;
}

void used_gpus_close(used_gpus *u) {
    for (size_t k = 0; k < u->n_classes; k++) empty_class(&u->classes[k]);
    *u = (used_gpus){0};
}

void used_gpus_update(used_gpus *u, const pol_view *view, uint32_t gpu) {
    const pol_gpu *g = &view->gpus[gpu];
    for (size_t k = 0; k < u->n_classes; k++) update_class(&u->classes[k], g, gpu, u->unit);
    if (g->n_pods == 0 && gpu < u->first_unused) u->first_unused = gpu;
}

int used_gpus_begin(used_gpus *u, const pol_view *view) {
    if (u->n_gpus == view->n_gpus) {
        for (size_t i = 0; i < view->n_changed_gpus; i++) used_gpus_update(u, view, view->changed_gpus[i]);
        return 1;
    }
    u->n_gpus = u->first_unused = 0;
    for (size_t k = 0; k < u->n_classes; k++)
        if (!open_class(&u->classes[k], view->n_gpus)) return 0;
    u->n_gpus = view->n_gpus;
    for (size_t i = 0; i < view->n_gpus; i++) used_gpus_update(u, view, (uint32_t)i);
    return 1;
}

const used_class *used_gpus_for(const used_gpus *u, uint32_t memory_mib) {
    size_t k = 0;
    while (k + 1 < u->n_classes && u->classes[k + 1].least_mib <= memory_mib) k++;
    return &u->classes[k];
}

size_t used_gpus_unused(used_gpus *u, const pol_view *view, size_t from) {
    while (u->first_unused < view->n_gpus && view->gpus[u->first_unused].n_pods > 0) u->first_unused++;
    if (from < u->first_unused) from = u->first_unused;
    while (from < view->n_gpus && view->gpus[from].n_pods > 0) from++;
    return from;
}
