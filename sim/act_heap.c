#include "act_heap_int.h"

#include "grow_int.h"

static int precedes(const act_key *a, const act_key *b) {
    if (a->at_ns != b->at_ns) return a->at_ns < b->at_ns;
    if (a->kind != b->kind) return a->kind < b->kind;
    if (a->fn != b->fn) return a->fn < b->fn;
    return a->pod < b->pod;
}

int act_heap_push(act_heap *h, act_key k) {
    act_key *v = grow_array(h->v, h->n, &h->cap, sizeof *v);
    if (!v) return -1;
    h->v = v;
    size_t i = h->n++;
    for (; i > 0 && precedes(&k, &h->v[(i - 1) / 2]); i = (i - 1) / 2) h->v[i] = h->v[(i - 1) / 2];
    h->v[i] = k;
    return 0;
}

act_key act_heap_pop(act_heap *h) {
    act_key top = h->v[0], last = h->v[--h->n];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= h->n) break;
        if (child + 1 < h->n && precedes(&h->v[child + 1], &h->v[child])) child++;
        if (!precedes(&h->v[child], &last)) break;
        h->v[i] = h->v[child];
        i = child;
    }
    h->v[i] = last;
    return top;
}

void act_heap_close(act_heap *h) {
    free(h->v);
}
