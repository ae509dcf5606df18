/* rapp_gat_int.h - the parts of the kind `gat`: RaPP's graph attention network. Private to rapp/.
 *
 *     rapp_gat.c           the kind: training from a rapp_data, file, binding
 *     rapp_gat_features.c  a prior as numbers of about unit size
 *     rapp_gat_net.c       the network: forward, backward
 *     rapp_gat_train.c     Adam over minibatches, in threads
 *     rapp_gat_table.c     what the network says of one DNN, on a grid, and between its points
 *     rapp_gat_math.c      product of matrices, dot, exp, log: the same bits everywhere
 *
 * The network is the paper's (HAS-GPU, section on RaPP; KontonGu/RaPP). A DNN is the chain of its operators, as
 * published. Nodes carry the operator's type, attributes, weight shape and times at six SM shares, and the batch and
 * SM share that are asked about; the graph carries GMACs, counts of operators, five latencies, batch and quota:
 *
 *     nodes --> 4 x (graph attention, ReLU) --> mean over nodes --+
 *                                                                 +--> 5 x (dense, ReLU) --> dense --> ln(ms)
 *     graph features, batch, quota --> 4 x (dense, ReLU) ---------+
 *
 * One attention layer, of one head, on a chain whose edges go from an operator to the next, with loops:
 *
 *     z = W h;  e(j -> i) = leaky(src . z[j] + dst . z[i]);  out[i] = sum of softmax over j in {i - 1, i} of e * z[j]
 *     + bias
 *
 * Deviations from the paper, and why:
 * - Features are logarithms, standardised; the paper's are raw. Times span five decades.
 * - The output is ln(ms), by a linear last layer, and the loss is Huber on the error of ln(ms): close to the relative
 *   error, which is what is reported (MAPE). The paper's softplus and Huber (delta 1) of raw ms weigh a model of
 *   500 ms a hundred times as much as one of 5 ms. exp(.) keeps the output positive as softplus does.
 * - Width 32 (nodes) and 64 (dense) instead of 512, 80 epochs instead of 200, minibatches instead of single points:
 *   the paper's plan is some 7e15 floating-point operations, more than a day of two cores; we have five minutes. The
 *   points of one (model, batch, SM share) share the node part, which is computed once for them.
 * - The learning rate falls to zero, where the paper chooses among checkpoints; a little decay of the weights stands
 *   for its dropout of 5 %.
 * - SM share and quota enter as themselves and as logarithms. The constant "static batch 1" is left out.
 *
 * Not done, on purpose: priors interpolated to the SM share and quota asked about, sums of the operators' times, an
 * output relative to the measured latencies. They help with unseen DNNs (12 instead of 14 % of error, in a trial), but
 * are physics, which is the kind best's; this kind shows what the paper's inputs and network are worth.
 *
 * All that follows computes in float, in an order that is written in the code: no library's kernel selection, no
 * reduction that a compiler may reorder, so that training gives the same bits on any machine.
 */
#ifndef RAPP_GAT_INT_H
#define RAPP_GAT_INT_H

#include "rapp.h"

/* ---- mathematics ---- */

double rapp_gat_exp(double x); /* within 1e-14, of -700 to 700 (clamped) */
double rapp_gat_log(double x); /* within 1e-14; x > 0 */

/* A matrix that is read: element (r, c) is at[r * row + c * column]. */
typedef struct {
    const float *at;
    size_t row, column;
} rapp_gat_view;
/* out (rows x columns, contiguous) += a (rows x inner) * b (inner x columns, contiguous). columns: a multiple of 32. */
void rapp_gat_multiply(float *restrict out, rapp_gat_view a, const float *restrict b, size_t rows,
                       size_t inner, size_t columns);
/* n: a multiple of 8. */
float rapp_gat_dot(const float *a, const float *b, size_t n);

/* ---- features ---- */

enum {
    RAPP_GAT_TYPES = 16,
    RAPP_GAT_MEASURES = RAPP_OP_ATTRIBUTES + RAPP_OP_SHAPE + RAPP_PRIOR_SMS,
    RAPP_GAT_NODE_STATIC = RAPP_GAT_TYPES + RAPP_GAT_MEASURES,
    RAPP_GAT_NODE_IN = RAPP_GAT_NODE_STATIC + 3, /* batch, SM share twice */
    RAPP_GAT_GRAPH_STATIC = 4 + RAPP_PRIOR_QUOTAS,
    RAPP_GAT_GRAPH_IN = RAPP_GAT_GRAPH_STATIC + 3 /* batch, quota twice */
};

/* Mean and reciprocal standard deviation of each logarithm, over the DNNs of the training. */
typedef struct {
    float node_mean[RAPP_GAT_MEASURES], node_scale[RAPP_GAT_MEASURES];
    float graph_mean[RAPP_GAT_GRAPH_STATIC], graph_scale[RAPP_GAT_GRAPH_STATIC];
} rapp_gat_scale;

typedef struct {    /* a DNN as the network sees it */
    size_t n_nodes; /* >= 1 */
    float *nodes;   /* n_nodes x RAPP_GAT_NODE_STATIC */
    float graph[RAPP_GAT_GRAPH_STATIC];
} rapp_gat_graph;

void rapp_gat_scale_fit(rapp_gat_scale *s, const rapp_prior *const *priors, size_t n);
/* The prior is complete. -1: out of memory. An unknown type of operator has no bit set, as published. */
int rapp_gat_graph_make(rapp_gat_graph *g, const rapp_prior *p, const rapp_gat_scale *s);
void rapp_gat_graph_free(rapp_gat_graph *g);
void rapp_gat_node_ask(float out[3], uint32_t batch, uint32_t sm_pct);
void rapp_gat_graph_ask(float out[3], uint32_t batch, uint32_t quota_pct);

/* ---- network ---- */

enum { RAPP_GAT_ASK_MAX = 16 }; /* quotas that are asked about at once */

size_t rapp_gat_net_size(void); /* floats */
/* Uniform in +-sqrt(6 / inputs) for what goes into a ReLU; biases 0, the last one `mean`. */
void rapp_gat_net_init(float *net, uint64_t seed, float mean);

typedef struct rapp_gat_work rapp_gat_work;          /* one thread's activations and gradients */
rapp_gat_work *rapp_gat_work_open(size_t nodes_max); /* NULL: out of memory */
void rapp_gat_work_close(rapp_gat_work *w);          /* NULL is fine */

/* The node part: to be called before the rest. */
void rapp_gat_net_embed(rapp_gat_work *w, const float *net, const rapp_gat_graph *g, uint32_t batch,
                        uint32_t sm_pct);
/* ln(ms) for n <= RAPP_GAT_ASK_MAX quotas. */
void rapp_gat_net_answer(rapp_gat_work *w, const float *net, const rapp_gat_graph *g, uint32_t batch,
                         const uint32_t *quota_pct, size_t n, float *ln_ms);
/* grad += d loss / d net, of the last embed and answer, given d loss / d ln_ms. */
void rapp_gat_net_learn(rapp_gat_work *w, const float *net, const float *d_ln_ms, float *grad);

/* ---- training ---- */

typedef struct { /* points of one DNN, batch and SM share */
    const rapp_gat_graph *graph;
    uint32_t batch, sm_pct;
    size_t n; /* <= RAPP_GAT_ASK_MAX */
    uint32_t quota_pct[RAPP_GAT_ASK_MAX];
    float ln_ms[RAPP_GAT_ASK_MAX];
} rapp_gat_group;

typedef struct {
    size_t epochs, minibatch; /* minibatch: groups per step */
    double rate;              /* of the first epoch; falls to 0 as a half cosine */
    double decay;             /* of the weights, per step, times the rate */
    double huber;             /* where the loss turns from quadratic to linear, in ln(ms) */
} rapp_gat_plan;

extern const rapp_gat_plan rapp_gat_default_plan;

/* Trains net from where it is. *loss: mean Huber loss of the last epoch. */
int rapp_gat_train(float *net, const rapp_gat_group *groups, size_t n, const rapp_gat_plan *plan,
                   const rapp_options *options, double *loss, char err[RAPP_ERR_LEN]);

/* ---- table ---- */

enum { RAPP_GAT_BATCHES = 6, RAPP_GAT_SMS = 21, RAPP_GAT_QUOTAS = 11 };

/* ln(ms) at batch 1, 2, 4, ..., 32, SM share 1, 5, 10, ..., 100 % and quota 1, 10, 20, ..., 100 %. */
typedef struct {
    float ln_ms[RAPP_GAT_BATCHES][RAPP_GAT_SMS][RAPP_GAT_QUOTAS];
} rapp_gat_table;

void rapp_gat_table_fill(rapp_gat_table *t, rapp_gat_work *w, const float *net, const rapp_gat_graph *g);

typedef struct { /* x is between grid points i and i + 1, at share of the way */
    uint32_t i;
    float share;
} rapp_gat_place;

/* Where each batch, SM share and quota lies on the grid: straight lines in ln against ln. [0] is not used. */
typedef struct {
    rapp_gat_place batch[33], sm[101], quota[101];
} rapp_gat_grid;

void rapp_gat_grid_make(rapp_gat_grid *g);
double rapp_gat_table_ms(const rapp_gat_table *t, const rapp_gat_grid *g, uint32_t batch, uint32_t sm_pct,
                         uint32_t quota_pct);

#endif
