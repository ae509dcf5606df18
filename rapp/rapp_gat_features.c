/* rapp_gat_features.c - a DNN's prior as numbers of about unit size: logarithms, standardised over the training. */
#include "rapp_gat_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The published order. */
static const char *const TYPES[RAPP_GAT_TYPES] = {
    "conv2d",       "conv2d_transpose", "dense",      "layer_norm",
    "relu",         "bias_add",         "max_pool2d", "adaptive_avg_pool2d",
    "batch_matmul", "softmax",          "batch_norm", "multiply",
    "add",          "squeeze",          "reshape",    "transpose"};

/* Sizes are whole numbers, 0 where there is none; times may be that of an operator that takes next to nothing. */
static double ln_size(double x) {
    return rapp_gat_log(1 + (x > 0 ? fmin(x, 1e30) : 0));
}

static double ln_ms(double x) {
    return rapp_gat_log(fmin(fmax(x, 1e-5), 1e12));
}

static void node_measures(double out[RAPP_GAT_MEASURES], const rapp_operator *o) {
    for (size_t i = 0; i < RAPP_OP_ATTRIBUTES; i++) *out++ = ln_size(o->attributes[i]);
    for (size_t i = 0; i < RAPP_OP_SHAPE; i++) *out++ = ln_size(o->shape[i]);
    for (size_t i = 0; i < RAPP_PRIOR_SMS; i++) *out++ = ln_ms(o->ms[i]);
}

static void graph_measures(double out[RAPP_GAT_GRAPH_STATIC], const rapp_prior *p) {
    *out++ = ln_ms(p->gmac);
    *out++ = ln_size(p->n_conv2d);
    *out++ = ln_size(p->n_dense);
    *out++ = ln_size(p->n_relu);
    for (size_t i = 0; i < RAPP_PRIOR_QUOTAS; i++) *out++ = ln_ms(p->quota_ms[i]);
}

/* Sums of x and x^2 over n rows, to mean and reciprocal deviation. What never varies says nothing: 0. */
static void finish(float *mean, float *scale, const double *sum, const double *square, size_t width,
                   double n) {
    for (size_t i = 0; i < width; i++) {
        double m = sum[i] / n, variance = square[i] / n - m * m;
        mean[i] = (float)m;
        scale[i] = variance > 1e-9 ? (float)(1 / sqrt(variance)) : 0;
    }
}

static void add_row(double *sum, double *square, const double *row, size_t width) {
    for (size_t i = 0; i < width; i++) {
        sum[i] += row[i];
        square[i] += row[i] * row[i];
    }
}

void rapp_gat_scale_fit(rapp_gat_scale *s, const rapp_prior *const *priors, size_t n) {
    double node_sum[RAPP_GAT_MEASURES] = {0}, node_square[RAPP_GAT_MEASURES] = {0};
    double graph_sum[RAPP_GAT_GRAPH_STATIC] = {0}, graph_square[RAPP_GAT_GRAPH_STATIC] = {0};
    double row[RAPP_GAT_MEASURES + RAPP_GAT_GRAPH_STATIC], n_nodes = 0;
    for (size_t m = 0; m < n; m++) {
        graph_measures(row, priors[m]);
        add_row(graph_sum, graph_square, row, RAPP_GAT_GRAPH_STATIC);
        for (size_t i = 0; i < priors[m]->n_operators; i++) {
            node_measures(row, &priors[m]->operators[i]);
            add_row(node_sum, node_square, row, RAPP_GAT_MEASURES);
        }
        n_nodes += (double)priors[m]->n_operators;
    }
    finish(s->node_mean, s->node_scale, node_sum, node_square, RAPP_GAT_MEASURES, fmax(n_nodes, 1));
    finish(s->graph_mean, s->graph_scale, graph_sum, graph_square, RAPP_GAT_GRAPH_STATIC, fmax((double)n, 1));
}

/* Far from all that was seen, the network is told "far", not how far. */
static void standardise(float *out, const double *x, const float *mean, const float *scale, size_t width) {
    for (size_t i = 0; i < width; i++) out[i] = fminf(fmaxf(((float)x[i] - mean[i]) * scale[i], -5), 5);
}

static void node_features(float out[RAPP_GAT_NODE_STATIC], const rapp_operator *o, const rapp_gat_scale *s) {
    double measures[RAPP_GAT_MEASURES];
    for (size_t i = 0; i < RAPP_GAT_TYPES; i++) out[i] = strcmp(o->type, TYPES[i]) == 0;
    node_measures(measures, o);
    standardise(out + RAPP_GAT_TYPES, measures, s->node_mean, s->node_scale, RAPP_GAT_MEASURES);
}

int rapp_gat_graph_make(rapp_gat_graph *g, const rapp_prior *p, const rapp_gat_scale *s) {
    double measures[RAPP_GAT_GRAPH_STATIC];
    g->n_nodes = p->n_operators;
    g->nodes = calloc(p->n_operators, RAPP_GAT_NODE_STATIC * sizeof *g->nodes);
    if (!g->nodes) return -1;
    for (size_t i = 0; i < p->n_operators; i++)
        node_features(g->nodes + i * RAPP_GAT_NODE_STATIC, &p->operators[i], s);
    graph_measures(measures, p);
    standardise(g->graph, measures, s->graph_mean, s->graph_scale, RAPP_GAT_GRAPH_STATIC);
    return 0;
}

void rapp_gat_graph_free(rapp_gat_graph *g) {
    free(g->nodes);
    g->nodes = NULL;
}

/* The scales below bring 1 to 8, and 5 to 100 %, to about [-1, 1]. */
static void ask(float out[3], uint32_t batch, uint32_t pct) {
    out[0] = (float)(rapp_gat_log(batch) - 1.04);
    out[1] = (float)(rapp_gat_log(pct) - 3.6);
    out[2] = (float)(pct / 50.0 - 1);
}

void rapp_gat_node_ask(float out[3], uint32_t batch, uint32_t sm_pct) {
    ask(out, batch, sm_pct);
}

void rapp_gat_graph_ask(float out[3], uint32_t batch, uint32_t quota_pct) {
    ask(out, batch, quota_pct);
}
