#include "winner_tree_int.h"

#include <stdlib.h>

static uint32_t match(const winner_tree *t, uint32_t a, uint32_t b) {
    const winner_key *x = &t->keys[a], *y = &t->keys[b];
    if (x->at_ns != y->at_ns) return x->at_ns < y->at_ns ? a : b;
    if (x->kind != y->kind) return x->kind < y->kind ? a : b;
    return a < b ? a : b;
}

/* The lowest inner nodes play leaves, the others the winners below. */
static void play(winner_tree *t, uint32_t node) {
    uint32_t half = t->leaves / 2;
    if (node >= half)
        t->winner[node] = match(t, 2 * node - t->leaves, 2 * node + 1 - t->leaves);
    else
        t->winner[node] = match(t, t->winner[2 * node], t->winner[2 * node + 1]);
}

int winner_tree_open(winner_tree *t, size_t n) {
    *t = (winner_tree){.leaves = 2};
    while (t->leaves < n) t->leaves *= 2;
    t->keys = malloc(t->leaves * sizeof *t->keys);
    t->winner = malloc(t->leaves * sizeof *t->winner);
    if (!t->keys || !t->winner) return -1;
    for (uint32_t i = 0; i < t->leaves; i++) t->keys[i] = (winner_key){.at_ns = INT64_MAX};
    for (uint32_t node = t->leaves - 1; node >= 1; node--) play(t, node);
    return 0;
}

void winner_tree_close(winner_tree *t) {
    free(t->keys);
    free(t->winner);
}

void winner_tree_set(winner_tree *t, uint32_t i, winner_key key) {
    t->keys[i] = key;
    for (uint32_t node = (t->leaves + i) / 2; node >= 1; node /= 2) play(t, node);
}
