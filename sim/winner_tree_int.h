/* winner_tree_int.h - which of n functions has the earliest event: the global order's queue. Private to the
 * engine.
 *
 * A tournament over n leaves. A leaf's key is (time, kind); equal keys go to the lower index. Changing a leaf
 * replays the matches on its way to the root: log2 n comparisons, no allocation. */
#ifndef WINNER_TREE_INT_H
#define WINNER_TREE_INT_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    int64_t at_ns;
    uint32_t kind;
} winner_key;

typedef struct {
    winner_key *keys; /* [leaves]; beyond n: INT64_MAX */
    uint32_t *winner; /* [leaves]: inner node i has children 2i and 2i + 1; winner[1] is the root */
    uint32_t leaves;  /* a power of two, >= 2 */
} winner_tree;

int winner_tree_open(winner_tree *t, size_t n); /* all keys INT64_MAX. 0, or -1: out of memory */
void winner_tree_close(winner_tree *t);
void winner_tree_set(winner_tree *t, uint32_t i, winner_key key);
static inline uint32_t winner_tree_first(const winner_tree *t) {
    return t->winner[1];
}

#endif
