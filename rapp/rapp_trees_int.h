/* rapp_trees_int.h - gradient-boosted regression trees for relative errors. Private to rapp/.
 *
 * y is ln(what was measured) less a first guess; the sum of trees minimises the mean of |predicted / measured - 1|.
 * Each tree splits on the gradient of that (J. Friedman, "Greedy function approximation: a gradient boosting machine",
 * 2001), grows leaf by leaf, the best split first, and gives each leaf the weighted median of what is left there, times
 * a rate. Splits are sought among at most 64 quantiles of a feature; gradients are summed as integers, so that the order
 * of rows does not matter.
 *
 * Rows of one group (here: a DNN) are not independent: hundreds of them may share one bias. So a leaf must have rows of
 * several groups, or it would tell what one group is like, not what groups have in common.
 */
#ifndef RAPP_TREES_INT_H
#define RAPP_TREES_INT_H

#include "calib_json.h"
#include "rapp.h"

enum { RAPP_TREES_FEATURES_MAX = 64, RAPP_TREES_GROUPS = 64 };

typedef struct {
    int feature;     /* -1: a leaf */
    int left, right; /* nodes: x[feature] <= value, and above */
    double value;    /* the threshold, or what the leaf adds */
} rapp_tree_node;

typedef struct {
    rapp_tree_node *nodes; /* children come after their parent */
    int *roots;
    int n_nodes, n_trees, n_features;
} rapp_trees;

typedef struct {
    int trees, leaves, rows_per_leaf; /* at most, at most, at least */
    int groups_per_leaf;              /* at least; 0 to RAPP_TREES_GROUPS */
    double rate, ridge;               /* ridge: added to the number of rows when a split is weighed */
} rapp_trees_options;

/* x[rows][features]; group[rows], those that are equal modulo RAPP_TREES_GROUPS count as one, NULL: all rows are of group
 * 0. Thresholds and leaves are rounded to 1e-9, so that a file holds them exactly. 0; -1: no memory. Either way
 * rapp_trees_free. */
int rapp_trees_train(rapp_trees *out, const double *x, const double *y, const uint32_t *group, size_t rows,
                     int features, const rapp_trees_options *options);
/* Adds share times what more says, of as many features; to may be {0}. 0; -1: no memory. */
int rapp_trees_add(rapp_trees *to, const rapp_trees *more, double share);
double rapp_trees_value(const rapp_trees *t, const double *x);
void rapp_trees_free(rapp_trees *t);
cJSON *rapp_trees_save(const rapp_trees *t); /* NULL: no memory */
/* Checks that every walk ends: j->failed tells. features: as many as must be there. Either way rapp_trees_free. */
void rapp_trees_load(rapp_trees *t, calib_json *j, const cJSON *from, int features);

#endif
