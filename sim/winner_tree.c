#include "winner_tree_int.h"

#include <stdlib.h>

/* An index instead of a branch: who wins cannot be predicted. */
static void play(winner_tree *t, uint32_t node) {
    const winner *children = &t->nodes[2 * node];
    t->nodes[node] = children[children[1].key < children[0].key];
}

int winner_tree_open(winner_tree *t, size_t n) {
    *t = (winner_tree){.leaves = 1};
    while (t->leaves < n) t->leaves *= 2;
    t->nodes = malloc(2 * t->leaves * sizeof *t->nodes);
    if (!t->nodes) return -1;
    winner_tree_fill(t, NULL, 0);
    return 0;
}

void winner_tree_fill(winner_tree *t, const event_key *keys, size_t n) {
    for (uint32_t i = 0; i < t->leaves; i++) t->nodes[t->leaves + i] = (winner){i < n ? keys[i] : NEVER, i};
    for (uint32_t node = t->leaves - 1; node >= 1; node--) play(t, node);
}

void winner_tree_close(winner_tree *t) {
    free(t->nodes);
}

/* The winner so far is carried up in registers, chosen by a mask: no match waits for the memory of the one below, and
 * none is a branch, because who wins cannot be predicted. */
void winner_tree_set(winner_tree *t, uint32_t i, event_key key) {
    winner best = {key, i};
    uint32_t node = t->leaves + i;
    for (t->nodes[node] = best; node > 1; t->nodes[node] = best) {
        winner other = t->nodes[node ^ 1];
        event_key other_wins =
            -(event_key)(other.key - (event_key)(node & 1) < best.key); /* ties: the left one */
        best.key ^= (best.key ^ other.key) & other_wins;
        best.leaf ^= (best.leaf ^ other.leaf) & (uint32_t)other_wins;
        node /= 2;
    }
}
