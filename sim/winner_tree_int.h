/* winner_tree_int.h - which of n functions has the earliest event: the global order's queue. Private to the
 * engine.
 *
 * A tournament over n leaves, whose keys are events (pod_int.h); equal keys go to the lower index. Changing a leaf
 * replays the matches on its way to the root: log2 n comparisons, no allocation. */
#ifndef WINNER_TREE_INT_H
#define WINNER_TREE_INT_H

#include <stddef.h>
#include <stdint.h>

#include "pod_int.h"

typedef struct {
    event_key key;
    uint32_t leaf;
} winner;

typedef struct {
    winner *
        nodes; /* [2 * leaves]: node i has children 2i and 2i + 1, 1 is the root, leaf i is node leaves + i */
    uint32_t leaves; /* a power of two; keys beyond n: NEVER */
} winner_tree;

int winner_tree_open(winner_tree *t, size_t n); /* all keys NEVER. 0, or -1: out of memory */
void winner_tree_close(winner_tree *t);         /* a zero tree is fine */
void winner_tree_fill(winner_tree *t, const event_key *keys, size_t n); /* n <= leaves; beyond: NEVER */
void winner_tree_set(winner_tree *t, uint32_t i, event_key key);
static inline winner winner_tree_first(const winner_tree *t) {
    return t->nodes[1];
}

#endif
