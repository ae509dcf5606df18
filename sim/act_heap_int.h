/* act_heap_int.h - what must be entered in the ledger in global order: acts, and places that stopped pods
 * free. Private to the engine. A binary heap; keys are unique, so the order does not depend on who was pushed
 * first. */
#ifndef ACT_HEAP_INT_H
#define ACT_HEAP_INT_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    int64_t at_ns;
    uint32_t kind; /* within one instant */
    uint32_t fn, pod;
} act_key;

typedef struct {
    act_key *v;
    size_t n, cap;
} act_heap;

int act_heap_push(act_heap *h, act_key k); /* 0, or -1: out of memory */
act_key act_heap_pop(act_heap *h);         /* not empty */
void act_heap_close(act_heap *h);

#endif
