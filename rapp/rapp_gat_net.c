/* rapp_gat_net.c - the network: its weights in one array, its answer, and how the answer changes with the weights. */
#include "rapp_gat_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ATTENTIONS = 4, NODE_WIDTH = 32, DENSE_WIDTH = 64, GRAPH_LAYERS = 4, JOINT_LAYERS = 5 };
enum { DENSES = GRAPH_LAYERS + JOINT_LAYERS, JOINT_IN = NODE_WIDTH + DENSE_WIDTH, LAST_WIDTH = 32 };
enum { ROWS = RAPP_GAT_ASK_MAX, WIDEST = JOINT_IN };

static const float LEAK = 0.2F; /* of the leaky ReLU, as in the paper on graph attention */

/* ---- where the weights are ----
 *
 *     attention 0..3:  weights (in x NODE_WIDTH), src, dst, bias (NODE_WIDTH each)
 *     dense 0..8:      weights (in x out), bias (out): the graph's four, then the joint five
 *     last:            weights (LAST_WIDTH), bias (1)
 */

typedef struct {
    size_t in, out, weights, end;
} layer;

static layer attention_at(size_t l) {
    size_t begin = 0, in = RAPP_GAT_NODE_IN;
    for (size_t i = 0; i < l; i++) {
        begin += (in + 3) * NODE_WIDTH;
        in = NODE_WIDTH;
    }
    return (layer){in, NODE_WIDTH, begin, begin + (in + 3) * NODE_WIDTH};
}

static size_t dense_width(size_t l) {
    return l == DENSES - 1 ? LAST_WIDTH : DENSE_WIDTH;
}

static size_t dense_inputs(size_t l) {
    return l == 0 ? RAPP_GAT_GRAPH_IN : l == GRAPH_LAYERS ? JOINT_IN : DENSE_WIDTH;
}

static layer dense_at(size_t l) {
    size_t begin = attention_at(ATTENTIONS - 1).end;
    for (size_t i = 0; i < l; i++) begin += (dense_inputs(i) + 1) * dense_width(i);
    return (layer){dense_inputs(l), dense_width(l), begin, begin + (dense_inputs(l) + 1) * dense_width(l)};
}

static size_t last_at(void) {
    return dense_at(DENSES - 1).end;
}

size_t rapp_gat_net_size(void) {
    return last_at() + LAST_WIDTH + 1;
}

/* ---- first weights ---- */

/* splitmix64: the n-th number of a seed, as a uniform number in [-1, 1) */
static float uniform(uint64_t seed, uint64_t n) {
    uint64_t z = seed + (n + 1) * 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    z ^= z >> 31;
    return (float)(z >> 40) * 0x1p-23F - 1;
}

static void init_block(float *net, uint64_t seed, size_t begin, size_t n, double limit) {
    for (size_t i = begin; i < begin + n; i++) net[i] = (float)limit * uniform(seed, i);
}

void rapp_gat_net_init(float *net, uint64_t seed, float mean) {
    memset(net, 0, rapp_gat_net_size() * sizeof *net);
    for (size_t l = 0; l < ATTENTIONS; l++) {
        layer a = attention_at(l);
        init_block(net, seed, a.weights, a.in * a.out, sqrt(6.0 / (double)a.in));
        init_block(net, seed, a.weights + a.in * a.out, 2 * a.out, sqrt(6.0 / (double)a.out));
    }
    for (size_t l = 0; l < DENSES; l++) {
        layer d = dense_at(l);
        init_block(net, seed, d.weights, d.in * d.out, sqrt(6.0 / (double)d.in));
    }
    init_block(net, seed, last_at(), LAST_WIDTH, sqrt(1.0 / LAST_WIDTH));
    net[last_at() + LAST_WIDTH] = mean;
}

/* ---- one thread's memory ---- */

typedef struct {      /* of one attention layer: what is kept for the way back */
    float *z;         /* nodes x NODE_WIDTH */
    float *out;       /* the same, after the ReLU */
    float *src, *dst; /* src . z[i], dst . z[i] */
    float *previous;  /* how much of z[i - 1] is in out[i]; the rest is z[i] */
} attention;

struct rapp_gat_work {
    attention attentions[ATTENTIONS];
    float *d_out, *d_z, *d_src, *d_dst, *transposed;
    float node_ask[3], embedding[NODE_WIDTH], d_embedding[NODE_WIDTH];
    float graph_in[ROWS * RAPP_GAT_GRAPH_IN], joint_in[ROWS * JOINT_IN];
    float dense[DENSES][ROWS * DENSE_WIDTH];
    float d_dense[ROWS * WIDEST], d_in[ROWS * WIDEST];
    const rapp_gat_graph *graph;
    size_t n; /* quotas answered */
    float *memory;
};

enum { MATRICES = 2 * ATTENTIONS + 2, COLUMNS = 3 * ATTENTIONS + 2 };

rapp_gat_work *rapp_gat_work_open(size_t nodes_max) {
    rapp_gat_work *w = calloc(1, sizeof *w);
    if (!w) return NULL;
    size_t per_node = MATRICES * NODE_WIDTH + COLUMNS, square = DENSE_WIDTH * WIDEST;
    if (nodes_max <= (SIZE_MAX / sizeof(float) - square) / per_node)
        w->memory = calloc(nodes_max * per_node + square, sizeof(float));
    if (!w->memory) {
        free(w);
        return NULL;
    }
    float *next = w->memory;
    float **const matrices[] = {&w->d_out, &w->d_z}, **const columns[] = {&w->d_src, &w->d_dst};
    for (size_t l = 0; l < ATTENTIONS; l++) {
        attention *a = &w->attentions[l];
        float **const wide[] = {&a->z, &a->out}, **const narrow[] = {&a->src, &a->dst, &a->previous};
        for (size_t i = 0; i < 2; i++, next += nodes_max * NODE_WIDTH) *wide[i] = next;
        for (size_t i = 0; i < 3; i++, next += nodes_max) *narrow[i] = next;
    }
    for (size_t i = 0; i < 2; i++, next += nodes_max * NODE_WIDTH) *matrices[i] = next;
    for (size_t i = 0; i < 2; i++, next += nodes_max) *columns[i] = next;
    w->transposed = next;
    return w;
}

void rapp_gat_work_close(rapp_gat_work *w) {
    if (!w) return;
    free(w->memory);
    free(w);
}

/* ---- small steps ---- */

static void relu(float *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = x[i] > 0 ? x[i] : 0;
}

/* d = 0 where the ReLU's output is */
static void relu_back(float *d, const float *out, size_t n) {
    for (size_t i = 0; i < n; i++) d[i] = out[i] > 0 ? d[i] : 0;
}

static void add_scaled(float *out, float by, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] += by * x[i];
}

static void add_rows(float *sum, const float *x, size_t rows, size_t columns) {
    for (size_t r = 0; r < rows; r++) add_scaled(sum, 1, x + r * columns, columns);
}

static rapp_gat_view as_is(const float *x, size_t columns) {
    return (rapp_gat_view){x, columns, 1};
}

static rapp_gat_view across(const float *x, size_t columns) {
    return (rapp_gat_view){x, 1, columns};
}

/* d_in += d_out W^T, W being in x out: as a product with the transposed copy, whose rows are contiguous */
static void back_through(rapp_gat_work *w, float *d_in, const float *d_out, const float *weights, size_t rows,
                         size_t in, size_t out) {
    for (size_t i = 0; i < in; i++)
        for (size_t o = 0; o < out; o++) w->transposed[o * in + i] = weights[i * out + o];
    rapp_gat_multiply(d_in, as_is(d_out, out), w->transposed, rows, out, in);
}

/* ---- attention ---- */

static float leaky(float x) {
    return x > 0 ? x : LEAK * x;
}

static float leaky_slope(float x) {
    return x > 0 ? 1 : LEAK;
}

static float sigmoid(float x) {
    return (float)(1 / (1 + rapp_gat_exp(-x)));
}

/* Of two, a softmax is a sigmoid of the difference. The first node has but itself. */
static void weigh(attention *a, const float *src, const float *dst, size_t n) {
    for (size_t i = 0; i < n; i++) {
        a->src[i] = rapp_gat_dot(src, a->z + i * NODE_WIDTH, NODE_WIDTH);
        a->dst[i] = rapp_gat_dot(dst, a->z + i * NODE_WIDTH, NODE_WIDTH);
    }
    a->previous[0] = 0;
    for (size_t i = 1; i < n; i++)
        a->previous[i] = sigmoid(leaky(a->src[i - 1] + a->dst[i]) - leaky(a->src[i] + a->dst[i]));
}

static void attend(attention *a, const float *vectors, size_t n) {
    const float *bias = vectors + 2 * NODE_WIDTH;
    weigh(a, vectors, vectors + NODE_WIDTH, n);
    for (size_t i = 0; i < n; i++) {
        float *out = a->out + i * NODE_WIDTH;
        const float *z = a->z + i * NODE_WIDTH;
        memcpy(out, bias, NODE_WIDTH * sizeof *out);
        add_scaled(out, 1 - a->previous[i], z, NODE_WIDTH);
        if (i > 0) add_scaled(out, a->previous[i], z - NODE_WIDTH, NODE_WIDTH);
    }
    relu(a->out, n * NODE_WIDTH);
}

/* The first layer's inputs are the same for all batches and SM shares, but for three that are the same for all nodes. */
static void first_z(rapp_gat_work *w, const float *weights) {
    const rapp_gat_graph *g = w->graph;
    float *z = w->attentions[0].z, row[NODE_WIDTH] = {0};
    for (size_t i = 0; i < 3; i++)
        add_scaled(row, w->node_ask[i], weights + (RAPP_GAT_NODE_STATIC + i) * NODE_WIDTH, NODE_WIDTH);
    for (size_t i = 0; i < g->n_nodes; i++) memcpy(z + i * NODE_WIDTH, row, sizeof row);
    rapp_gat_multiply(z, as_is(g->nodes, RAPP_GAT_NODE_STATIC), weights, g->n_nodes, RAPP_GAT_NODE_STATIC,
                      NODE_WIDTH);
}

void rapp_gat_net_embed(rapp_gat_work *w, const float *net, const rapp_gat_graph *g, uint32_t batch,
                        uint32_t sm_pct) {
    size_t n = g->n_nodes;
    w->graph = g;
    rapp_gat_node_ask(w->node_ask, batch, sm_pct);
    for (size_t l = 0; l < ATTENTIONS; l++) {
        attention *a = &w->attentions[l];
        layer at = attention_at(l);
        if (l == 0) {
            first_z(w, net + at.weights);
        } else {
            memset(a->z, 0, n * NODE_WIDTH * sizeof *a->z);
            rapp_gat_multiply(a->z, as_is(a[-1].out, NODE_WIDTH), net + at.weights, n, NODE_WIDTH,
                              NODE_WIDTH);
        }
        attend(a, net + at.weights + at.in * at.out, n);
    }
    memset(w->embedding, 0, sizeof w->embedding);
    add_rows(w->embedding, w->attentions[ATTENTIONS - 1].out, n, NODE_WIDTH);
    for (size_t i = 0; i < NODE_WIDTH; i++) w->embedding[i] /= (float)n;
}

/* One node's part: from d_out to d_z (of it and of the node before) and to the two logits' parts. */
static void attend_back_node(rapp_gat_work *w, const attention *a, size_t i) {
    const float *d = w->d_out + i * NODE_WIDTH, *z = a->z + i * NODE_WIDTH;
    float *d_z = w->d_z + i * NODE_WIDTH, p = a->previous[i];
    add_scaled(d_z, 1 - p, d, NODE_WIDTH);
    if (i == 0) return;
    add_scaled(d_z - NODE_WIDTH, p, d, NODE_WIDTH);
    float d_p = rapp_gat_dot(d, z - NODE_WIDTH, NODE_WIDTH) - rapp_gat_dot(d, z, NODE_WIDTH);
    float d_logit = p * (1 - p) * d_p;
    float d_previous = d_logit * leaky_slope(a->src[i - 1] + a->dst[i]);
    float d_self = -d_logit * leaky_slope(a->src[i] + a->dst[i]);
    w->d_src[i - 1] += d_previous;
    w->d_src[i] += d_self;
    w->d_dst[i] += d_previous + d_self;
}

/* From d_out (after the ReLU) to d_z, and the gradients of src, dst and bias. */
static void attend_back(rapp_gat_work *w, const attention *a, const float *vectors, float *grad) {
    size_t n = w->graph->n_nodes;
    memset(w->d_z, 0, n * NODE_WIDTH * sizeof *w->d_z);
    memset(w->d_src, 0, n * sizeof *w->d_src);
    memset(w->d_dst, 0, n * sizeof *w->d_dst);
    relu_back(w->d_out, a->out, n * NODE_WIDTH);
    add_rows(grad + 2 * NODE_WIDTH, w->d_out, n, NODE_WIDTH);
    for (size_t i = 0; i < n; i++) attend_back_node(w, a, i);
    for (size_t i = 0; i < n; i++) {
        const float *z = a->z + i * NODE_WIDTH;
        add_scaled(w->d_z + i * NODE_WIDTH, w->d_src[i], vectors, NODE_WIDTH);
        add_scaled(w->d_z + i * NODE_WIDTH, w->d_dst[i], vectors + NODE_WIDTH, NODE_WIDTH);
        add_scaled(grad, w->d_src[i], z, NODE_WIDTH);
        add_scaled(grad + NODE_WIDTH, w->d_dst[i], z, NODE_WIDTH);
    }
}

static void first_z_back(rapp_gat_work *w, float *grad) {
    const rapp_gat_graph *g = w->graph;
    float sum[NODE_WIDTH] = {0};
    rapp_gat_multiply(grad, across(g->nodes, RAPP_GAT_NODE_STATIC), w->d_z, RAPP_GAT_NODE_STATIC, g->n_nodes,
                      NODE_WIDTH);
    add_rows(sum, w->d_z, g->n_nodes, NODE_WIDTH);
    for (size_t i = 0; i < 3; i++)
        add_scaled(grad + (RAPP_GAT_NODE_STATIC + i) * NODE_WIDTH, w->node_ask[i], sum, NODE_WIDTH);
}

static void embed_back(rapp_gat_work *w, const float *net, float *grad) {
    size_t n = w->graph->n_nodes;
    for (size_t i = 0; i < NODE_WIDTH; i++) w->d_embedding[i] /= (float)n;
    for (size_t i = 0; i < n; i++) memcpy(w->d_out + i * NODE_WIDTH, w->d_embedding, sizeof w->d_embedding);
    for (size_t l = ATTENTIONS; l-- > 0;) {
        const attention *a = &w->attentions[l];
        layer at = attention_at(l);
        size_t vectors = at.weights + at.in * at.out;
        attend_back(w, a, net + vectors, grad + vectors);
        if (l == 0) {
            first_z_back(w, grad + at.weights);
            return;
        }
        rapp_gat_multiply(grad + at.weights, across(a[-1].out, NODE_WIDTH), w->d_z, NODE_WIDTH, n,
                          NODE_WIDTH);
        memset(w->d_out, 0, n * NODE_WIDTH * sizeof *w->d_out);
        back_through(w, w->d_out, w->d_z, net + at.weights, n, NODE_WIDTH, NODE_WIDTH);
    }
}

/* ---- dense layers ---- */

static const float *dense_input(const rapp_gat_work *w, size_t l) {
    return l == 0 ? w->graph_in : l == GRAPH_LAYERS ? w->joint_in : w->dense[l - 1];
}

static void dense(rapp_gat_work *w, const float *net, size_t l) {
    layer at = dense_at(l);
    const float *bias = net + at.weights + at.in * at.out;
    for (size_t r = 0; r < w->n; r++) memcpy(w->dense[l] + r * at.out, bias, at.out * sizeof *bias);
    rapp_gat_multiply(w->dense[l], as_is(dense_input(w, l), at.in), net + at.weights, w->n, at.in, at.out);
    relu(w->dense[l], w->n * at.out);
}

/* From d_dense to the gradients, and to d_in unless the layer is the first */
static void dense_back(rapp_gat_work *w, const float *net, size_t l, float *grad) {
    layer at = dense_at(l);
    relu_back(w->d_dense, w->dense[l], w->n * at.out);
    add_rows(grad + at.weights + at.in * at.out, w->d_dense, w->n, at.out);
    rapp_gat_multiply(grad + at.weights, across(dense_input(w, l), at.in), w->d_dense, at.in, w->n, at.out);
    if (l == 0) return;
    memset(w->d_in, 0, w->n * at.in * sizeof *w->d_in);
    back_through(w, w->d_in, w->d_dense, net + at.weights, w->n, at.in, at.out);
}

static void make_graph_in(rapp_gat_work *w, const rapp_gat_graph *g, uint32_t batch,
                          const uint32_t *quota_pct) {
    for (size_t r = 0; r < w->n; r++) {
        float *row = w->graph_in + r * RAPP_GAT_GRAPH_IN;
        memcpy(row, g->graph, sizeof g->graph);
        rapp_gat_graph_ask(row + RAPP_GAT_GRAPH_STATIC, batch, quota_pct[r]);
    }
}

static void join(rapp_gat_work *w) {
    for (size_t r = 0; r < w->n; r++) {
        float *row = w->joint_in + r * JOINT_IN;
        memcpy(row, w->embedding, sizeof w->embedding);
        memcpy(row + NODE_WIDTH, w->dense[GRAPH_LAYERS - 1] + r * DENSE_WIDTH, DENSE_WIDTH * sizeof *row);
    }
}

void rapp_gat_net_answer(rapp_gat_work *w, const float *net, const rapp_gat_graph *g, uint32_t batch,
                         const uint32_t *quota_pct, size_t n, float *ln_ms) {
    const float *last = net + last_at();
    w->n = n;
    make_graph_in(w, g, batch, quota_pct);
    for (size_t l = 0; l < DENSES; l++) {
        if (l == GRAPH_LAYERS) join(w);
        dense(w, net, l);
    }
    for (size_t r = 0; r < n; r++)
        ln_ms[r] = rapp_gat_dot(last, w->dense[DENSES - 1] + r * LAST_WIDTH, LAST_WIDTH) + last[LAST_WIDTH];
}

/* d_in of the first joint layer, to the embedding's (all rows share it) and the graph part's */
static void part(rapp_gat_work *w) {
    memset(w->d_embedding, 0, sizeof w->d_embedding);
    for (size_t r = 0; r < w->n; r++) {
        const float *row = w->d_in + r * JOINT_IN;
        add_scaled(w->d_embedding, 1, row, NODE_WIDTH);
        memcpy(w->d_dense + r * DENSE_WIDTH, row + NODE_WIDTH, DENSE_WIDTH * sizeof *row);
    }
}

void rapp_gat_net_learn(rapp_gat_work *w, const float *net, const float *d_ln_ms, float *grad) {
    const float *last = net + last_at(), *out = w->dense[DENSES - 1];
    memset(w->d_dense, 0, sizeof w->d_dense);
    for (size_t r = 0; r < w->n; r++) {
        add_scaled(w->d_dense + r * LAST_WIDTH, d_ln_ms[r], last, LAST_WIDTH);
        add_scaled(grad + last_at(), d_ln_ms[r], out + r * LAST_WIDTH, LAST_WIDTH);
        grad[last_at() + LAST_WIDTH] += d_ln_ms[r];
    }
    for (size_t l = DENSES; l-- > 0;) {
        dense_back(w, net, l, grad);
        if (l == GRAPH_LAYERS)
            part(w);
        else if (l > 0)
            memcpy(w->d_dense, w->d_in, w->n * dense_inputs(l) * sizeof *w->d_in);
    }
    embed_back(w, net, grad);
}
