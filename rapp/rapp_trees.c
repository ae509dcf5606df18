/* rapp_trees.c - growing trees (rapp_trees_int.h). */
#include "rapp_trees_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BINS = 64, TREES_MAX = 10000, NODES_MAX = 1000000 };

/* The data, with every feature cut into bins, and what is left of y. */
typedef struct {
    const rapp_trees_options *options;
    const uint32_t *group; /* [rows], or NULL */
    size_t n_rows;
    int n_features;
    double edges[RAPP_TREES_FEATURES_MAX][BINS]; /* bin b holds edges[b - 1] < x <= edges[b] */
    int n_edges[RAPP_TREES_FEATURES_MAX];
    unsigned char *bins; /* [rows][features] */
    double *left, *room; /* [rows] */
    int16_t *push;       /* [rows] */
    uint32_t *rows;      /* leaf by leaf */
    uint32_t *moved;
} booster;

typedef struct {
    int32_t n, sum;  /* of pushes */
    uint64_t groups; /* a bit each */
} bin;

typedef struct { /* a leaf that may be split */
    int node;
    size_t begin, end; /* in rows */
    bin (*hist)[BINS]; /* [features] */
    double gain;       /* of the best split; 0: none */
    int feature, edge;
} leaf;

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* ---- bins ---- */

static void find_edges(booster *b, const double *x, int feature) {
    double *sorted = b->room, *edges = b->edges[feature];
    int n = 0;
    for (size_t i = 0; i < b->n_rows; i++) sorted[i] = x[i * (size_t)b->n_features + (size_t)feature];
    qsort(sorted, b->n_rows, sizeof *sorted, compare);
    for (int k = 1; k < BINS; k++) {
        double edge = nearbyint(sorted[b->n_rows * (size_t)k / BINS] * 1e9) / 1e9;
        if ((n == 0 || edge > edges[n - 1]) && edge < sorted[b->n_rows - 1]) edges[n++] = edge;
    }
    b->n_edges[feature] = n;
}

static unsigned char bin_of(const booster *b, int feature, double x) {
    int low = 0, high = b->n_edges[feature]; /* the number of edges below x */
    while (low < high) {
        int middle = (low + high) / 2;
        if (b->edges[feature][middle] < x)
            low = middle + 1;
        else
            high = middle;
    }
    return (unsigned char)low;
}

static void cut(booster *b, const double *x) {
    for (int f = 0; f < b->n_features; f++) find_edges(b, x, f);
    for (size_t i = 0; i < b->n_rows; i++)
        for (int f = 0; f < b->n_features; f++) {
            size_t at = i * (size_t)b->n_features + (size_t)f;
            b->bins[at] = bin_of(b, f, x[at]);
        }
}

/* ---- one tree ---- */

static void count(const booster *b, leaf *l) {
    memset(l->hist, 0, (size_t)b->n_features * sizeof *l->hist);
    for (size_t i = l->begin; i < l->end; i++) {
        const unsigned char *bins = b->bins + (size_t)b->rows[i] * (size_t)b->n_features;
        int push = b->push[b->rows[i]];
        uint64_t group = UINT64_C(1) << (b->group ? b->group[b->rows[i]] % RAPP_TREES_GROUPS : 0);
        for (int f = 0; f < b->n_features; f++) {
            bin *h = &l->hist[f][bins[f]];
            h->n++;
            h->sum += push;
            h->groups |= group;
        }
    }
}

static double score(const booster *b, bin x) {
    return (double)x.sum * (double)x.sum / ((double)x.n + b->options->ridge);
}

static void add_bin(bin *to, const bin *more) {
    to->n += more->n, to->sum += more->sum, to->groups |= more->groups;
}

static int n_groups(bin x) {
    int n = 0;
    for (; x.groups; x.groups &= x.groups - 1) n++;
    return n;
}

static int may_be_leaf(const booster *b, bin x) {
    return x.n >= b->options->rows_per_leaf && n_groups(x) >= b->options->groups_per_leaf;
}

static void find_split_by(const booster *b, leaf *l, int feature, bin all) {
    const bin *hist = l->hist[feature];
    bin low = {0, 0, 0}, above[BINS + 1]; /* above[k]: bins k and more */
    above[BINS] = low;
    for (int k = BINS; k-- > 0;) {
        above[k] = above[k + 1];
        add_bin(&above[k], &hist[k]);
    }
    for (int k = 0; k < b->n_edges[feature]; k++) {
        add_bin(&low, &hist[k]);
        if (!may_be_leaf(b, low) || !may_be_leaf(b, above[k + 1])) continue;
        double gain = score(b, low) + score(b, above[k + 1]) - score(b, all);
        if (gain > l->gain) l->gain = gain, l->feature = feature, l->edge = k;
    }
}

static void find_split(const booster *b, leaf *l) {
    bin all = {0, 0, 0};
    for (int k = 0; k < BINS; k++) add_bin(&all, &l->hist[0][k]);
    l->gain = 0;
    for (int f = 0; f < b->n_features; f++) find_split_by(b, l, f, all);
}

/* Moves the rows of the left side to the front, both sides in order. Returns where the right one begins. */
static size_t part(booster *b, const leaf *l) {
    size_t left = l->begin, right = 0;
    for (size_t i = l->begin; i < l->end; i++) {
        uint32_t row = b->rows[i];
        if (b->bins[(size_t)row * (size_t)b->n_features + (size_t)l->feature] <= l->edge)
            b->rows[left++] = row;
        else
            b->moved[right++] = row;
    }
    memcpy(b->rows + left, b->moved, right * sizeof *b->rows);
    return left;
}

/* Both sides are counted: groups cannot be subtracted. */
static void split(booster *b, rapp_trees *t, leaf *l, leaf *added) {
    rapp_tree_node *node = &t->nodes[l->node];
    size_t middle = part(b, l);
    *node = (rapp_tree_node){l->feature, t->n_nodes, t->n_nodes + 1, b->edges[l->feature][l->edge]};
    *added = (leaf){.node = node->right, .begin = middle, .end = l->end, .hist = added->hist};
    l->node = node->left;
    l->end = middle;
    t->n_nodes += 2;
    count(b, l);
    count(b, added);
    find_split(b, l);
    find_split(b, added);
}

/* y is a logarithm: an error of r in it is one of 1 - exp(-r) of what was measured, whose slope is the weight. */
static double weight(double left) {
    return exp(-left);
}

/* Which way a row pulls, and how strongly, in whole 64ths: sums of them are exact in any order. */
static int16_t push_of(double left) {
    const double unit = 64, least = 0.25, most = 2;
    int size = (int)(unit * fmin(fmax(weight(left), least), most));
    return (int16_t)(left > 0 ? size : left < 0 ? -size : 0);
}

/* values: sorted */
static double weighted_median(const double *values, size_t n) {
    double all = 0, below = 0;
    for (size_t i = 0; i < n; i++) all += weight(values[i]);
    for (size_t i = 0; i < n; i++) {
        below += weight(values[i]);
        if (below >= all / 2) return values[i];
    }
    return values[n - 1];
}

static void settle(booster *b, rapp_trees *t, const leaf *l) {
    size_t n = l->end - l->begin;
    for (size_t i = 0; i < n; i++) b->room[i] = b->left[b->rows[l->begin + i]];
    qsort(b->room, n, sizeof *b->room, compare);
    double value = nearbyint(b->options->rate * weighted_median(b->room, n) * 1e9) / 1e9;
    t->nodes[l->node] = (rapp_tree_node){-1, 0, 0, value};
    for (size_t i = l->begin; i < l->end; i++) b->left[b->rows[i]] -= value;
}

static void grow(booster *b, rapp_trees *t, leaf *leaves) {
    int n = 1;
    for (size_t i = 0; i < b->n_rows; i++) {
        b->rows[i] = (uint32_t)i;
        b->push[i] = push_of(b->left[i]);
    }
    t->roots[t->n_trees++] = t->n_nodes;
    leaves[0] = (leaf){.node = t->n_nodes++, .end = b->n_rows, .hist = leaves[0].hist};
    count(b, &leaves[0]);
    find_split(b, &leaves[0]);
    for (; n < b->options->leaves; n++) {
        int best = 0;
        for (int i = 1; i < n; i++)
            if (leaves[i].gain > leaves[best].gain) best = i;
        if (leaves[best].gain <= 0) break;
        split(b, t, &leaves[best], &leaves[n]);
    }
    for (int i = 0; i < n; i++) settle(b, t, &leaves[i]);
}

static void boost(booster *b, rapp_trees *t, leaf *leaves, const double *x) {
    cut(b, x);
    for (int i = 0; i < b->options->trees; i++) grow(b, t, leaves);
}

int rapp_trees_train(rapp_trees *out, const double *x, const double *y, const uint32_t *group, size_t rows,
                     int features, const rapp_trees_options *options) {
    size_t leaves = (size_t)options->leaves, per_leaf = (size_t)features * BINS;
    booster *b = calloc(1, sizeof *b);
    *out = (rapp_trees){.n_features = features};
    if (!b) return -1;
    b->options = options, b->group = group, b->n_rows = rows, b->n_features = features;
    b->bins = malloc(rows * (size_t)features + 1);
    b->left = malloc((rows + 1) * sizeof *b->left);
    b->room = malloc((rows + 1) * sizeof *b->room);
    b->push = malloc((rows + 1) * sizeof *b->push);
    b->rows = malloc((rows + 1) * sizeof *b->rows);
    b->moved = malloc((rows + 1) * sizeof *b->moved);
    leaf *all = calloc(leaves, sizeof *all);
    bin *hist = malloc(leaves * per_leaf * sizeof *hist);
    out->nodes = calloc((size_t)options->trees * 2 * leaves, sizeof *out->nodes);
    out->roots = calloc((size_t)options->trees + 1, sizeof *out->roots);
    int ok = b->bins && b->left && b->room && b->push && b->rows && b->moved && all && hist && out->nodes &&
             out->roots;
    if (ok && rows > 0) {
        for (size_t i = 0; i < leaves; i++) all[i].hist = (bin(*)[BINS])(hist + i * per_leaf);
        memcpy(b->left, y, rows * sizeof *y);
        boost(b, out, all, x);
    }
    free(b->bins), free(b->left), free(b->room), free(b->push), free(b->rows), free(b->moved);
    free(b), free(all), free(hist);
    return ok ? 0 : -1;
}

int rapp_trees_add(rapp_trees *to, const rapp_trees *more, double share) {
    int n_nodes = to->n_nodes + more->n_nodes, n_trees = to->n_trees + more->n_trees;
    rapp_tree_node *nodes = realloc(to->nodes, ((size_t)n_nodes + 1) * sizeof *nodes);
    if (nodes) to->nodes = nodes;
    int *roots = realloc(to->roots, ((size_t)n_trees + 1) * sizeof *roots);
    if (roots) to->roots = roots;
    if (!nodes || !roots) return -1;
    for (int i = 0; i < more->n_nodes; i++) {
        rapp_tree_node node = more->nodes[i];
        if (node.feature < 0)
            node.value = nearbyint(share * node.value * 1e9) / 1e9;
        else
            node.left += to->n_nodes, node.right += to->n_nodes;
        nodes[to->n_nodes + i] = node;
    }
    for (int i = 0; i < more->n_trees; i++) roots[to->n_trees + i] = more->roots[i] + to->n_nodes;
    to->n_nodes = n_nodes, to->n_trees = n_trees, to->n_features = more->n_features;
    return 0;
}

double rapp_trees_value(const rapp_trees *t, const double *x) {
    double sum = 0;
    for (int i = 0; i < t->n_trees; i++) {
        const rapp_tree_node *node = &t->nodes[t->roots[i]];
        while (node->feature >= 0)
            node = &t->nodes[x[node->feature] <= node->value ? node->left : node->right];
        sum += node->value;
    }
    return sum;
}

void rapp_trees_free(rapp_trees *t) {
    free(t->nodes);
    free(t->roots);
    *t = (rapp_trees){.n_trees = 0};
}

/* ---- file: per node feature, left, right, value; in four arrays ---- */

cJSON *rapp_trees_save(const rapp_trees *t) {
    static const char *const names[] = {"feature", "left", "right", "value"};
    cJSON *o = cJSON_CreateObject(), *roots = cJSON_CreateIntArray(t->roots, t->n_trees);
    int bad = !cJSON_AddItemToObject(o, "roots", roots);
    if (bad) cJSON_Delete(roots);
    for (int a = 0; a < 4 && !bad; a++) {
        cJSON *array = cJSON_AddArrayToObject(o, names[a]);
        bad = !array;
        for (int i = 0; i < t->n_nodes && !bad; i++) {
            const rapp_tree_node *n = &t->nodes[i];
            double of[] = {n->feature, n->left, n->right, n->value};
            bad = !cJSON_AddItemToArray(array, cJSON_CreateNumber(of[a]));
        }
    }
    if (!bad) return o;
    cJSON_Delete(o);
    return NULL;
}

/* In one pass: cJSON finds item i of an array in i steps. */
static int next_int(calib_json *j, const cJSON **item, int min, int max) {
    double v = cJSON_IsNumber(*item) ? (*item)->valuedouble : NAN;
    *item = (*item)->next;
    if (v >= min && v <= max && floor(v) == v) return (int)v;
    calib_json_fail(j, "trees: found a number that is none of %d to %d", min, max);
    return min;
}

static double next_value(calib_json *j, const cJSON **item) {
    double v = cJSON_IsNumber(*item) ? (*item)->valuedouble : NAN;
    *item = (*item)->next;
    if (isfinite(v)) return v;
    calib_json_fail(j, "trees: found no number, expected a threshold or value");
    return 0;
}

/* Trees one after the other, children behind their parent in its own tree: no walk is longer than its tree. */
static void load_nodes(rapp_trees *t, calib_json *j, const cJSON *array[4], int features) {
    const cJSON *at[4];
    for (int a = 0; a < 4; a++) at[a] = array[a]->child;
    for (int i = 0, tree = 0; i < t->n_nodes && !j->failed; i++) {
        rapp_tree_node *n = &t->nodes[i];
        while (tree + 1 < t->n_trees && t->roots[tree + 1] <= i) tree++;
        int end = tree + 1 < t->n_trees ? t->roots[tree + 1] : t->n_nodes;
        n->feature = next_int(j, &at[0], -1, features - 1);
        int low = n->feature < 0 ? 0 : i + 1, high = n->feature < 0 ? 0 : end - 1;
        n->left = next_int(j, &at[1], low, high);
        n->right = next_int(j, &at[2], low, high);
        n->value = next_value(j, &at[3]);
    }
}

void rapp_trees_load(rapp_trees *t, calib_json *j, const cJSON *from, int features) {
    static const char *const keys[] = {"feature", "left", "right", "value", "roots", NULL};
    const cJSON *array[4];
    *t = (rapp_trees){.n_features = features};
    calib_json_keys(j, from, keys);
    for (int a = 0; a < 4; a++) array[a] = calib_json_array(j, from, keys[a], 0, NODES_MAX);
    const cJSON *roots = calib_json_array(j, from, "roots", 0, TREES_MAX);
    if (j->failed) return;
    int n = cJSON_GetArraySize(array[0]), n_roots = cJSON_GetArraySize(roots);
    for (int a = 1; a < 4; a++)
        if (cJSON_GetArraySize(array[a]) != n)
            calib_json_fail(j, "%s: found another length than feature", keys[a]);
    t->nodes = calloc((size_t)n + 1, sizeof *t->nodes);
    t->roots = calloc((size_t)n_roots + 1, sizeof *t->roots);
    if (!t->nodes || !t->roots) calib_json_fail(j, "out of memory");
    if (j->failed) return;
    t->n_nodes = n, t->n_trees = n_roots;
    const cJSON *root = roots->child;
    for (int i = 0; i < n_roots && !j->failed; i++)
        t->roots[i] = next_int(j, &root, i ? t->roots[i - 1] + 1 : 0, n - 1);
    load_nodes(t, j, array, features);
}
